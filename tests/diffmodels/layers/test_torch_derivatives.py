"""Derivatives of PyTorch's layer, in all the ways that PyTorch knows to ask for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import optangent as ot

from .small_models import projection
from .torch_inputs import BATCH, tensors, torch

forward_ad = torch.autograd.forward_ad

# PyTorch itself uses torch.jit.script when forward mode is first used
pytestmark = pytest.mark.filterwarnings(r"ignore:.*torch\.jit\.script:DeprecationWarning")


@pytest.fixture(scope="module")
def layer() -> Any:
    """Of a projection on a polyhedron, with parameters G, h and q."""
    return ot.layers.TorchLayer(*projection())


def test_gradcheck_in_both_modes(layer: Any) -> None:
    """Reverse mode, forward mode and their batched forms agree with differences, without a bit of nondeterminism."""
    inputs = tensors(*BATCH)
    assert torch.autograd.gradcheck(
        layer,
        inputs,
        eps=1e-5,
        atol=1e-5,
        rtol=1e-4,
        nondet_tol=0.0,
        check_forward_ad=True,
        check_batched_grad=True,
        check_batched_forward_grad=True,
    )


def test_fast_gradcheck(layer: Any) -> None:
    """The check along random directions passes too."""
    assert torch.autograd.gradcheck(layer, tensors(*BATCH), eps=1e-5, atol=1e-5, rtol=1e-4, fast_mode=True)


def test_only_inputs_that_need_gradients_get_them(layer: Any) -> None:
    """The others keep none, and outputs need gradients only if an input does."""
    g, h, q = tensors(*BATCH, grad=False)
    assert not any(o.requires_grad for o in layer(g, h, q))
    layer(g, h, q.requires_grad_())[1].sum().backward()
    assert g.grad is None and h.grad is None and q.grad.shape == q.shape


def test_inputs_may_change_in_place(layer: Any) -> None:
    """The gradient is that at the inputs as they were, also when they are overwritten before it is asked for."""
    inputs, same = tensors(*BATCH), tensors(*BATCH)
    (x, *_), (other, *_) = layer(*inputs), layer(*same)
    with torch.no_grad():
        for t in inputs:
            t.zero_()
    x.sum().backward()
    other.sum().backward()
    assert all(torch.equal(a.grad, b.grad) for a, b in zip(inputs, same, strict=True))


def jacobians(layer: Any, inputs: list[Any]) -> list[Any]:
    """The derivatives of x in (G, h, q) at single items, one reverse pass for each entry of x."""
    out = []
    for item in range(len(inputs[0])):
        own = [t[item].detach().requires_grad_() for t in inputs]
        rows = [torch.autograd.grad(x, own, retain_graph=True) for x in layer(*own)[0]]
        out.append([torch.stack(parts) for parts in zip(*rows, strict=True)])
    return [torch.stack(parts) for parts in zip(*out, strict=True)]


TRANSFORMED: dict[str, Callable[[Any], Any]] = {
    "jacrev": lambda f: torch.func.jacrev(f, argnums=(0, 1, 2)),
    "jacfwd": lambda f: torch.func.jacfwd(f, argnums=(0, 1, 2)),
    "jacfwd of jvp's": lambda f: (
        lambda *a: tuple(
            torch.func.vmap(
                lambda e, k=k: torch.func.jvp(lambda t: f(*a[:k], t, *a[k + 1 :]), (a[k],), (e,))[1], 0, -1
            )(torch.eye(a[k].numel(), dtype=a[k].dtype).reshape(-1, *a[k].shape)).reshape(-1, *a[k].shape)
            for k in range(3)
        )
    ),
    "vjp's": lambda f: lambda *a: torch.func.vmap(torch.func.vjp(f, *a)[1])(torch.eye(4, dtype=a[0].dtype)),
}


@pytest.mark.parametrize("way", TRANSFORMED)
def test_transformations_give_the_same_jacobians(layer: Any, way: str) -> None:
    """Every way of torch.func to a Jacobian, under vmap over items, agrees with single reverse passes."""
    inputs = tensors((2, 3, 4), (2, 3), (2, 4), grad=False)
    found = torch.func.vmap(TRANSFORMED[way](lambda *a: layer(*a)[0]))(*inputs)
    for one, other in zip(found, jacobians(layer, inputs), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


def test_vmap_is_a_batch(layer: Any) -> None:
    """Nested vmaps, over any dimension and not over all inputs, solve one batch whose status is told in order."""
    g, h, q = tensors((3, 4, 2), (5, 3), (4,), grad=False)
    inner = torch.func.vmap(layer, in_dims=(None, 0, None))
    found = torch.func.vmap(inner, in_dims=(2, None, None))(g, h, q)
    assert len(layer.status) == 10
    expected = layer(g.movedim(2, 0)[:, None], h, q)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_gradients_of_many_items_under_vmap(layer: Any) -> None:
    """The gradients of vmap of grad, grad of vmap and grad of a batch are the same."""
    g, h, q = tensors((4, 3, 4), (3,), (4, 4), grad=False)

    def value(g: Any, h: Any, q: Any) -> Any:
        return layer(g, h, q)[2]

    one = torch.func.vmap(torch.func.grad(value, (0, 1, 2)), in_dims=(0, None, 0))(g, h, q)
    two = torch.func.grad(lambda *a: torch.func.vmap(value, in_dims=(0, None, 0))(*a).sum(), (0, 1, 2))(g, h, q)
    three = torch.func.grad(lambda *a: value(*a).sum(), (0, 1, 2))(g, h, q)
    for a, b, c in zip((one[0], one[1].sum(0), one[2]), two, three, strict=True):
        torch.testing.assert_close(a, b)
        torch.testing.assert_close(b, c)


def test_dual_numbers(layer: Any) -> None:
    """Forward mode pushes tangents of some inputs to all outputs."""
    g, h, q = tensors((3, 4), (3,), (4,), grad=False)
    with forward_ad.dual_level():
        found = [forward_ad.unpack_dual(o).tangent for o in layer(g, forward_ad.make_dual(h, torch.ones_like(h)), q)]
    there, back = (layer(g, h + t, q) for t in (1e-5, -1e-5))
    for tangent, a, b in zip(found, there, back, strict=True):
        torch.testing.assert_close(tangent, (a - b) / 2e-5, rtol=1e-5, atol=1e-6)


def test_what_is_linear_can_be_differentiated_again(layer: Any) -> None:
    """The double-backward trick gives forward mode, as the gradient is linear in the cotangent."""
    g, h, q = tensors((3, 4), (3,), (4,), grad=False)
    _, twice = torch.autograd.functional.jvp(lambda h: layer(g, h, q)[0], h, torch.ones_like(h))
    _, once = torch.func.jvp(lambda h: layer(g, h, q)[0], (h,), (torch.ones_like(h),))
    torch.testing.assert_close(twice, once)


SECOND: dict[str, Callable[[Any, Any], Any]] = {
    "double backward": lambda f, x: torch.autograd.grad(f(x), x, create_graph=True)[0].sum().backward(),
    "hessian": lambda f, x: torch.func.hessian(f)(x),
    "jacrev of jacrev": lambda f, x: torch.func.jacrev(torch.func.jacrev(f))(x),
    "jacrev of jacfwd": lambda f, x: torch.func.jacrev(torch.func.jacfwd(f))(x),
    "jacfwd of jacfwd": lambda f, x: torch.func.jacfwd(torch.func.jacfwd(f))(x),
}


@pytest.mark.parametrize("way", SECOND)
def test_second_derivatives_are_refused(layer: Any, way: str) -> None:
    """What would need them raises in every way to ask, rather than being silently zero."""
    g, h, q = tensors((3, 4), (3,), (4,))
    with pytest.raises(ot.DifferentiationError, match="first derivatives only"):
        SECOND[way](lambda q: layer(g.detach(), h.detach(), q)[0].square().sum(), q)


def test_an_output_without_a_use_needs_no_cotangent(layer: Any) -> None:
    """The loss may use any of the outputs, or one in no way that has a gradient."""
    g, h, q = tensors(*BATCH)
    *_, f = layer(g, h, q)
    (found,) = torch.autograd.grad(f.sum(), q)
    torch.testing.assert_close(found, layer(g, h, q)[0].detach(), rtol=1e-7, atol=1e-8)  # the envelope theorem
