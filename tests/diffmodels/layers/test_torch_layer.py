"""The layer of PyTorch: its shapes and types, items that fail, copies, and what it keeps."""

from __future__ import annotations

import copy
import doctest
import gc
import inspect
import pickle
import weakref
from typing import Any

import pytest

import optangent as ot
from optangent.diffmodels.layers.batch import Call
from optangent.diffmodels.layers.program import Item

from .small_models import interval, price, projection
from .torch_inputs import BATCH, tensors, torch


@pytest.fixture(scope="module")
def layer() -> Any:
    """Of a projection on a polyhedron, with parameters G, h and q."""
    return ot.layers.TorchLayer(*projection())


# ---------------------------------------------------------------------- shapes and types
def test_outputs_are_a_tuple_in_their_order(layer: Any) -> None:
    """A single item has the outputs' own shapes, a batch stands in front, and status has one entry an item."""
    x, y, f = layer(*tensors((3, 4), (3,), (4,)))
    assert (x.shape, y.shape, f.shape) == ((4,), (3,), ()) and len(layer.status) == len(layer.reasons) == 1
    x, y, f = layer(*tensors((5, 1, 3, 4), (2, 3), (4,)))
    assert (x.shape, y.shape, f.shape) == ((5, 2, 4), (5, 2, 3), (5, 2))
    assert layer.status == [ot.TerminationStatusCode.OPTIMAL] * 10
    (only,) = ot.layers.TorchLayer(*interval())(torch.tensor(1.0), torch.tensor(9.0))
    assert only.shape == ()


@pytest.mark.parametrize("size", [0, 1])
def test_batches_of_none_and_of_one(layer: Any, size: int) -> None:
    """Empty batches and batches of one pass through both directions."""
    g, h, q = tensors((size, 3, 4), (3,), (4,))
    outputs = layer(g, h, q)
    assert [o.shape for o in outputs] == [(size, 4), (size, 3), (size,)]
    sum(o.sum() for o in outputs).backward()
    assert g.grad.shape == (size, 3, 4) and h.grad.shape == (3,) and bool(h.grad.any()) == bool(size)


def test_shared_inputs_get_the_sum_of_their_gradients(layer: Any) -> None:
    """An input without the batch, or with 1 in its place, gets what repeated copies of it get together."""
    g, h, q = tensors((3, 3, 4), (1, 3), (4,))
    layer(g, h, q)[0].square().sum().backward()
    many = [t.detach().expand(3, *s).clone().requires_grad_() for t, s in ((h, (3,)), (q, (4,)))]
    layer(g.detach(), *many)[0].square().sum().backward()
    torch.testing.assert_close(h.grad, many[0].grad.sum(0, keepdim=True))
    torch.testing.assert_close(q.grad, many[1].grad.sum(0))


@pytest.mark.parametrize(
    ("given", "returned"),
    [
        ((torch.float32,) * 3, torch.float32),
        ((torch.float16, torch.bfloat16, torch.bfloat16), torch.float32),
        ((torch.bfloat16,) * 3, torch.bfloat16),
        ((torch.float32, torch.float64, torch.float32), torch.float64),
        ((torch.int64, torch.float32, torch.int64), torch.float32),
        ((torch.int64,) * 3, torch.get_default_dtype()),
    ],
)
def test_outputs_have_the_type_to_which_the_inputs_promote(layer: Any, given: Any, returned: Any) -> None:
    """Integers do not count unless there are only integers; gradients have the type of their input."""
    numbers = [t + 2.0 for t in tensors((3, 4), (3,), (4,), grad=False)]
    inputs = [t.to(d).requires_grad_(d.is_floating_point) for t, d in zip(numbers, given, strict=True)]
    outputs = layer(*inputs)
    assert {o.dtype for o in outputs} == {returned}
    if any(d.is_floating_point for d in given):
        sum(o.float().sum() for o in outputs).backward()
        assert all(t.grad is None or t.grad.dtype == t.dtype for t in inputs)


def test_float32_is_computed_in_float64(layer: Any) -> None:
    """Values and gradients of float32 inputs are those of float64, rounded."""
    small = tensors(*BATCH, dtype=torch.float32)
    large = [t.detach().double().requires_grad_() for t in small]
    outputs = [layer(*inputs)[0] for inputs in (small, large)]
    assert torch.equal(outputs[0], outputs[1].float())
    for out in outputs:
        out.square().sum().backward()
    for a, b in zip(small, large, strict=True):
        torch.testing.assert_close(a.grad, b.grad.float(), rtol=1e-5, atol=1e-6)


def test_any_memory_order_is_read_right(layer: Any) -> None:
    """Transposed, sliced and expanded inputs, NumPy arrays and numbers are inputs like others."""
    g, h, q = tensors((4, 3), (6,), (1,), grad=False)
    expected = layer(g.T.contiguous(), h[::2].contiguous(), q.repeat(4))
    for found in (layer(g.T, h[::2], q.expand(4)), layer(g.T.numpy(), h[::2].numpy(), q.expand(4))):
        assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    assert ot.layers.TorchLayer(*interval())(1, 3.0)[0].item() == pytest.approx(1.0)


def test_wrong_inputs_are_refused(layer: Any) -> None:
    """The error says which parameter, what it takes and what it got; the layer is usable afterwards."""
    g, h, q = tensors((3, 4), (3,), (4,))
    with pytest.raises(ot.DimensionMismatch, match="has 3 parameters, got 2"):
        layer(g, h)
    with pytest.raises(ot.DimensionMismatch, match=r"Parameter 0 has shape \(3, 4\).*got \(4, 3\)"):
        layer(g.T, h, q)
    with pytest.raises(ot.InvalidData, match="real numbers, got a complex tensor"):
        layer(g.to(torch.complex128), h, q)
    assert layer(g, h, q)[0].shape == (4,)


# ---------------------------------------------------------------------- items that fail
def test_nan_marks_failed_items_and_their_gradients_are_zero() -> None:
    """A loss of the good items has good gradients; status and reasons say what happened to the others."""
    layer = ot.layers.TorchLayer(*price(), on_failure="nan")
    lo = torch.tensor([0.5, 2.0, torch.nan], dtype=torch.float64, requires_grad=True)
    x, y = layer(torch.tensor(1.0), lo, torch.tensor(1.0))
    assert torch.isnan(x).tolist() == torch.isnan(y).tolist() == [False, True, True]
    assert [code.name for code in layer.status] == ["OPTIMAL", "INFEASIBLE", "INVALID_MODEL"]
    assert layer.reasons[2] == "parameter 1 is nan"
    (x[0] + y[0]).backward()
    torch.testing.assert_close(lo.grad, torch.tensor([2.0, 0.0, 0.0], dtype=torch.float64))


def test_zero_gradient_keeps_a_loss_finite() -> None:
    """A loss of all items has a finite value and gradient, to which the failed ones add nothing."""
    layer = ot.layers.TorchLayer(*price(), on_failure="zero_gradient")
    lo = torch.tensor([0.5, 2.0], dtype=torch.float64, requires_grad=True)
    loss = sum(o.square().sum() for o in layer(torch.tensor(1.0), lo, torch.tensor(1.0)))
    loss.backward()
    assert torch.isfinite(loss)
    torch.testing.assert_close(lo.grad, torch.tensor([2.0, 0.0], dtype=torch.float64))


def test_raise_is_the_default() -> None:
    """The error names the items; status is there all the same, and the next call works."""
    layer = ot.layers.TorchLayer(*interval())
    with pytest.raises(ot.layers.UnsolvedItems, match=r"item 1 \(no point"):
        layer(torch.tensor([1.0, 5.0]), torch.tensor(3.0))
    assert layer.status[1] is ot.TerminationStatusCode.INFEASIBLE
    assert layer(torch.tensor([1.0, 2.0]), torch.tensor(3.0))[0].tolist() == pytest.approx([1.0, 2.0])


# ---------------------------------------------------------------------- what it keeps
@pytest.fixture
def items(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Weak references to all items that are made."""
    found: list[Any] = []
    made = Item.__init__

    def noting(self: Any, *args: Any) -> None:
        made(self, *args)
        found.append(weakref.ref(self))

    monkeypatch.setattr(Item, "__init__", noting)
    return found


def test_without_gradients_nothing_is_set_up(layer: Any, items: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Under no_grad no derivative is computed and no item outlives the call."""
    monkeypatch.setattr(Call, "derivative", lambda *args: pytest.fail("a derivative was computed"))
    with torch.no_grad():
        outputs = layer(*tensors(*BATCH))
    assert not any(o.requires_grad for o in outputs)
    gc.collect()
    assert len(items) == 2 and not any(ref() for ref in items)


def test_the_graph_owns_the_items(layer: Any, items: list[Any]) -> None:
    """Items live as long as the outputs' graph and not longer, without the help of the garbage collector."""
    gc.disable()
    try:
        x, *_ = layer(*tensors(*BATCH))
        assert len(items) == 2 and all(ref() for ref in items)
        x.sum().backward()
        del x, _
        assert not any(ref() for ref in items)
    finally:
        gc.enable()


def test_a_thousand_calls_leave_nothing_behind() -> None:
    """After the first calls the memory of the process does not grow (benchmarks/layer_memory.py makes 10,000)."""
    resource = pytest.importorskip("resource")
    layer = ot.layers.TorchLayer(*interval())
    lo = torch.tensor([1.0, 2.0], requires_grad=True)

    def calls(count: int) -> int:
        for _ in range(count):
            layer(lo, torch.tensor(3.0))[0].sum().backward()
        return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)

    before = calls(200)
    assert calls(1000) - before < 3000  # kB on Linux


def test_the_layer_has_no_weights() -> None:
    """It is empty for optimizers and checkpoints, and moving it changes nothing."""
    layer = ot.layers.TorchLayer(*interval())
    assert list(layer.parameters()) == [] and len(layer.state_dict()) == 0
    layer.load_state_dict(layer.state_dict())
    moved = torch.nn.Sequential(layer).to(torch.float32)
    assert moved[0](torch.tensor(1.0).double(), torch.tensor(3.0))[0].dtype == torch.float64
    assert repr(layer) == "TorchLayer(parameters=[(), ()], outputs=[()])"


def test_copies_work_and_are_independent(layer: Any) -> None:
    """A deep copy and a pickle give the same values and gradients, and have their own status."""
    inputs = tensors(*BATCH)
    expected = torch.autograd.grad(layer(*inputs)[0].square().sum(), inputs)
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert type(other) is type(layer) and len(other.status) == 2
        found = torch.autograd.grad(other(*inputs)[0].square().sum(), inputs)
        for a, b in zip(found, expected, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)
        other(*(t[0] if t.ndim > 1 else t for t in inputs))
        assert len(other.status) == 1 and len(layer.status) == 2


def test_eval_begins_a_pass() -> None:
    """With warm_start="order" an evaluation starts where the pass before it ended, each item at its place."""
    layer = ot.layers.TorchLayer(*interval(), warm_start="order")
    hi = torch.tensor(3.0)
    layer.eval()
    layer(torch.tensor([1.0, 2.0]), hi)
    layer(torch.tensor([1.5]), hi)
    assert layer._batch._at == len(layer._batch._seen) == 3
    layer.eval()
    assert layer._batch._at == 0
    layer.train()
    layer(torch.tensor([1.0]), hi)
    assert len(layer._batch._last) == 1 and len(layer._batch._seen) == 3


def test_it_trains() -> None:
    """Gradient steps through the layer, in threads and with warm starts, find the parameters behind given solutions."""
    layer = ot.layers.TorchLayer(*projection(), executor="threads", warm_start=True)
    g, h, q = tensors((8, 3, 4), (3,), (4,), grad=False)
    target = layer(g, h, q)[0]
    guess = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([guess], lr=0.2)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = (layer(g, h, guess)[0] - target).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 1e-1 * losses[0]


def test_the_example_in_the_docstring_runs() -> None:
    """The class is made at its first use, so that the collection of examples does not find it."""
    layer_class = ot.layers.TorchLayer
    assert pickle.loads(pickle.dumps(layer_class)) is layer_class
    (example,) = [
        test for test in doctest.DocTestFinder(recurse=False).find(layer_class, "TorchLayer", globs={}) if test.examples
    ]
    assert doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(example).failed == 0
    assert inspect.getdoc(layer_class.forward)
