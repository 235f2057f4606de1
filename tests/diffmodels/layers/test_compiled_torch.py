"""Layers under ``torch.compile``: one operator in the graph, right both ways, made anew for new shapes only."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.diffmodels.layers import torch_operators

from .small_models import interval, price, projection
from .torch_inputs import BATCH, tensors, torch

BACKENDS = ["eager", "aot_eager"]


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """No graphs from elsewhere, and none left behind."""
    with warnings.catch_warnings():  # PyTorch's own, of its parts
        warnings.simplefilter("ignore")
        torch._dynamo.reset()
        yield
        torch._dynamo.reset()


@pytest.fixture(scope="module")
def layer() -> Any:
    """Of a projection on a polyhedron, with parameters G, h and q."""
    return ot.layers.TorchLayer(*projection())


def counting(backend: str) -> tuple[Any, list[int]]:
    """A backend, and a list that grows with each graph."""
    graphs: list[int] = []
    inner = torch._dynamo.lookup_backend(backend)

    def made(graph: Any, inputs: Any) -> Any:
        graphs.append(len(graphs))
        return inner(graph, inputs)

    return made, graphs


@pytest.mark.parametrize("backend", BACKENDS)
def test_values_and_gradients_are_those_without_it(layer: Any, backend: str) -> None:
    """In one graph, of one item, a batch, shared inputs and single precision; all outputs, with what goes around."""

    def loss(*inputs: Any) -> Any:
        x, y, f = layer(*(2.0 * t for t in inputs))
        return (x.sin().sum() + y.square().sum() + f.sum()).float()

    compiled = torch.compile(loss, backend=backend, fullgraph=True)
    for shapes in (((3, 4), (3,), (4,)), BATCH, ((5, 1, 3, 4), (2, 3), (4,))):
        for dtype in (torch.float64, torch.float32):
            inputs = tensors(*shapes, dtype=dtype)
            found, expected = compiled(*inputs), loss(*inputs)
            torch.testing.assert_close(found, expected)
            gradients = torch.autograd.grad(found, inputs), torch.autograd.grad(expected, inputs)
            for a, b in zip(*gradients, strict=True):
                torch.testing.assert_close(a, b)
            assert len(layer.status) == max(1, int(np.prod(torch.broadcast_shapes(*(
                s[: len(s) - k] for s, k in zip(shapes, (2, 1, 1), strict=True))))))  # fmt: skip


@pytest.mark.parametrize("backend", BACKENDS)
def test_graphs_are_made_for_new_shapes_only(backend: str) -> None:
    """As many as shapes of inputs at most, whatever the numbers, and with the sizes left open one for all batches."""
    layer, (made, graphs) = ot.layers.TorchLayer(*interval()), counting(backend)
    hi = torch.tensor(9.0)
    fixed = torch.compile(lambda lo: layer(lo, hi)[0].sum(), backend=made, fullgraph=True, dynamic=False)
    for count, size in ((1, 2), (1, 2), (2, 3), (2, 2), (2, 3)):
        lo = (1.0 + torch.rand(size)).requires_grad_()
        fixed(lo).backward()
        torch.testing.assert_close(lo.grad, torch.ones(size))
        assert len(graphs) == count
    graphs.clear()
    torch._dynamo.reset()
    open_ = torch.compile(lambda lo: layer(lo, hi)[0].sum(), backend=made, fullgraph=True, dynamic=True)
    for size in (2, 3, 5, 4):
        assert open_(torch.full((size,), 2.0)).item() == pytest.approx(2.0 * size)
    assert len(graphs) == 1


def test_evaluation_and_two_layers(layer: Any) -> None:
    """Each layer has its own place in a graph, and so have training and evaluation, a copy and a pickle."""
    import copy
    import pickle

    other, (made, _) = ot.layers.TorchLayer(*interval()), counting("eager")
    both = torch.compile(lambda g, h, q, lo: layer(g, h, q)[0].sum() + other(lo, torch.tensor(9.0))[0], backend=made)
    inputs = tensors((3, 4), (3,), (4,), grad=False)
    expected = layer(*inputs)[0].sum() + 2.0
    torch.testing.assert_close(both(*inputs, torch.tensor(2.0)), expected.float(), check_dtype=False)
    other.eval()
    torch.testing.assert_close(both(*inputs, torch.tensor(2.0)), expected.float(), check_dtype=False)
    for twin in (copy.deepcopy(other), pickle.loads(pickle.dumps(other))):
        twin_compiled = torch.compile(lambda lo, twin=twin: twin(lo, torch.tensor(9.0))[0], backend="eager")
        assert twin_compiled(torch.tensor(3.0)).item() == pytest.approx(3.0)
        assert len({twin._handle.number, other._handle.number, layer._handle.number}) == 3


@pytest.mark.parametrize("backend", BACKENDS)
def test_items_go_with_the_graph(backend: str) -> None:
    """What derivatives need is kept as long as they may be asked for, several calls at a time, and no longer."""
    layer, hi = ot.layers.TorchLayer(*interval()), torch.tensor(9.0)
    compiled = torch.compile(lambda lo: layer(lo, hi)[0].square().sum(), backend=backend)
    with torch.no_grad():
        compiled(torch.tensor([1.0, 2.0]))
    gc.collect()
    before = len(torch_operators._calls)
    inputs = [torch.tensor([1.0, k], requires_grad=True) for k in (2.0, 3.0, 4.0)]
    losses = [compiled(lo) for lo in inputs]
    assert len(torch_operators._calls) == before + 3
    for lo, loss in zip(inputs[::-1], losses[::-1], strict=True):
        loss.backward()
        torch.testing.assert_close(lo.grad, 2.0 * lo.detach())
    del losses, loss
    gc.collect()
    assert len(torch_operators._calls) == before


def test_a_lost_call_is_solved_again() -> None:
    """The derivative does not need the items: a ticket that outlived its call gives the same."""
    layer = ot.layers.TorchLayer(*interval())
    operators, number = torch.ops.optangent, layer._handle.number
    inputs = [torch.tensor([1.0, 2.0]), torch.tensor(9.0)]
    x, ticket = operators.solve(inputs, number, True, -1)
    copied = ticket.clone()
    expected = operators.pull(number, ticket, inputs, [torch.ones_like(x)])
    del ticket
    gc.collect()
    assert int(copied) not in torch_operators._calls
    for found, want in zip(operators.pull(number, copied, inputs, [torch.ones_like(x)]), expected, strict=True):
        torch.testing.assert_close(found, want)


@pytest.mark.parametrize("given", ["one item", "a batch", "mixed types"])
def test_the_operators_keep_their_promises(given: str) -> None:
    """PyTorch's own check of shapes, types, gradients and aliases."""
    layer = ot.layers.TorchLayer(*interval())
    lo = torch.tensor(1.0 if given == "one item" else [1.0, 2.0], requires_grad=True, dtype=torch.float64)
    hi = torch.tensor(9.0, dtype=torch.float32 if given == "mixed types" else torch.float64)
    torch.library.opcheck(
        torch.ops.optangent.solve.default,
        ([lo, hi], layer._handle.number, True, -1),
        test_utils=("test_schema", "test_autograd_registration", "test_faketensor"),
    )


def test_failures_and_status() -> None:
    """Policies hold, errors are those without it, and `status` read beside a call is that of this call."""
    layer, hi = ot.layers.TorchLayer(*price(), on_failure="nan"), torch.tensor(1.0)

    def told(lo: Any) -> Any:
        x, _ = layer(hi, lo, hi)
        return x, [code.name for code in layer.status]

    compiled = torch.compile(told, backend="eager")
    for lo, names in (([0.5, 2.0], ["OPTIMAL", "INFEASIBLE"]), ([2.0], ["INFEASIBLE"]), ([0.1, 0.2], ["OPTIMAL"] * 2)):
        x, found = compiled(torch.tensor(lo))
        assert found == names and torch.isnan(x).tolist() == [name != "OPTIMAL" for name in names]
    raising = ot.layers.TorchLayer(*interval())
    compiled = torch.compile(lambda lo: raising(lo, torch.tensor(3.0))[0], backend="eager")
    with pytest.raises(ot.layers.UnsolvedItems, match="item 1"):
        compiled(torch.tensor([1.0, 5.0]))
    assert compiled(torch.tensor([1.0, 2.0])).tolist() == pytest.approx([1.0, 2.0])


def test_wrong_inputs_are_refused_as_without_it(layer: Any) -> None:
    """The graph is left to say what is wrong."""
    compiled = torch.compile(lambda *inputs: layer(*inputs)[0], backend="eager")
    g, h, q = tensors((3, 4), (3,), (4,), grad=False)
    with pytest.raises(ot.DimensionMismatch, match=r"Parameter 0 has shape \(3, 4\).*got \(4, 3\)"):
        compiled(g.T, h, q)
    with pytest.raises(ot.DimensionMismatch, match="do not go together"):
        compiled(g.expand(2, 3, 4), h.expand(3, 3), q)
    with pytest.raises(ot.DimensionMismatch, match="has 3 parameters, got 2"):
        compiled(g, h)
    torch.testing.assert_close(compiled(g, h, q), layer(g, h, q)[0])


def test_what_a_graph_does_not_know_is_computed_outside(layer: Any) -> None:
    """Batches by vmap, tangents by torch.func and dual numbers are right; second derivatives are refused."""
    g, h, q = tensors((3, 4), (3,), (4,), grad=False)
    qs = torch.stack([q, 0.5 * q])

    def mapped(qs: Any) -> Any:
        return torch.func.vmap(lambda q: layer(g, h, q)[0])(qs)

    def pushed(q: Any) -> Any:
        return torch.func.jvp(lambda q: layer(g, h, q)[0], (q,), (torch.ones_like(q),))[1]

    for function, given in ((mapped, qs), (pushed, q)):
        torch.testing.assert_close(torch.compile(function, backend="eager")(given), function(given))
    compiled = torch.compile(lambda q: layer(g, h, q)[0], backend="eager")
    compiled(q)
    expected = pushed(q)
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(q, torch.ones_like(q))
        tangent = torch.autograd.forward_ad.unpack_dual(compiled(dual)).tangent
        torch.testing.assert_close(tangent, expected)
    q.requires_grad_()
    (gradient,) = torch.autograd.grad(compiled(q).square().sum(), q, create_graph=True)
    with pytest.raises(ot.DifferentiationError, match="first derivatives only"):
        gradient.sum().backward()
