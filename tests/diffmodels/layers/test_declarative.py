"""Declarative nodes: against closed forms, automatic differentiation of these, and central differences."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import optangent as ot

from .torch_inputs import torch

nodes: Any = ot.layers.declarative
Code = ot.DifferentiationStatusCode


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Threads only wait for one another on matrices this small."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def normal(*shape: int, seed: int = 0) -> Any:
    """Random numbers, the same at every call."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def agree(node: Any, closed: Callable[..., Any], *theta: Any, tolerance: float = 1e-8) -> None:
    """Values and gradients of a node are those of a formula that is differentiated by PyTorch."""
    ours = [t.clone().requires_grad_() for t in theta]
    theirs = [t.clone().requires_grad_() for t in theta]
    x, y = node(*ours), closed(*theirs)
    torch.testing.assert_close(x, y, atol=tolerance, rtol=tolerance)
    weights = normal(*x.shape, seed=9)
    (x * weights).sum().backward()
    (y * weights).sum().backward()
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a.grad, b.grad, atol=tolerance, rtol=tolerance)
    assert set(node.differentiation_status) == {Code.EXACT}


def differences(node: Any, *theta: Any, step: float = 1e-5) -> None:
    """Gradients along random directions are central differences, extrapolated once."""
    given = [t.clone().requires_grad_() for t in theta]
    x = node(*given)
    weights = normal(*x.shape, seed=5)
    (x * weights).sum().backward()
    for k, t in enumerate(given):
        direction = normal(*t.shape, seed=6)

        def at(h: float, k: int = k, direction: Any = direction) -> float:
            moved = [u + h * direction if j == k else u for j, u in enumerate(theta)]
            return float((node(*moved) * weights).sum())

        d = [(at(h) - at(-h)) / (2 * h) for h in (20 * step, 40 * step)]
        expected = (4 * d[0] - d[1]) / 3
        assert float((t.grad * direction).sum()) == pytest.approx(expected, rel=1e-8, abs=1e-8)


# ---------------------------------------------------------------------- nodes of users
def test_unconstrained() -> None:
    """A smooth convex function without a closed form, in two parameters."""
    node = ot.layers.DeclarativeNode(lambda x, q, s: torch.log(torch.exp(x).sum()) + (s * (x - q) ** 2).sum(), size=3)
    differences(node, normal(4, 3), normal(4, 3, seed=1).abs() + 0.5)
    assert node.status == [ot.TerminationStatusCode.LOCALLY_SOLVED] * 4


def test_linear_and_curved_equalities() -> None:
    """Several of them together, moving with a parameter."""
    node = ot.layers.DeclarativeNode(
        lambda x, q, r: ((x - q) ** 2).sum() + 0.1 * (x**4).sum(),
        lambda x, q, r: torch.stack([x @ x - r[0], x.sum() - r[1]]),
        solve=lambda q, r: q,
    )
    q, r = normal(4, 3, seed=2), torch.tensor([[4.0, 1.0]], dtype=torch.float64).repeat(4, 1)
    differences(node, q, r)
    x = node(q, r)
    torch.testing.assert_close((x**2).sum(1), r[:, 0], atol=1e-12, rtol=1e-12)
    torch.testing.assert_close(x.sum(1), r[:, 1], atol=1e-12, rtol=1e-12)
    assert node.differentiation_status == [Code.EXACT] * 4


def test_linear_equalities_against_the_formula() -> None:
    """The projection on A x = b is x = q - A'(AA')⁻¹(A q - b)."""
    node = ot.layers.DeclarativeNode(lambda x, q, a, b: ((x - q) ** 2).sum(), lambda x, q, a, b: a @ x - b, size=4)

    def closed(q: Any, a: Any, b: Any) -> Any:
        missed = (a @ q[:, :, None])[:, :, 0] - b
        return q - (a.mT @ torch.linalg.solve(a @ a.mT, missed)[:, :, None])[:, :, 0]

    agree(node, closed, normal(3, 4), normal(3, 2, 4, seed=1), normal(3, 2, seed=2))


@pytest.mark.parametrize("scale", [1.0, 1e4, 1e-3])
def test_inequalities_found_from_afar(scale: float) -> None:
    """The simplex and the ball at once: active ones are found, and derivatives are differences."""
    node = ot.layers.DeclarativeNode(
        lambda x, q: scale * ((x - q) ** 2).sum(),
        inequalities=lambda x, q: torch.cat([-x, (x @ x - 1).reshape(1), (x.sum() - 1.2).reshape(1)]),
        size=4,
    )
    q = normal(6, 4, seed=3)
    differences(node, q, step=1e-6)
    assert set(node.differentiation_status) == {Code.EXACT}


def test_a_linear_program_is_solved() -> None:
    """At vertices, which do not move with the costs but do with the rows."""
    node = ot.layers.DeclarativeNode(
        lambda x, c, u: c @ x, inequalities=lambda x, c, u: torch.cat([-x, (x.sum() - u).reshape(1)]), size=3
    )
    c, u = normal(5, 3, seed=4) - 1, torch.full((5,), 2.0, dtype=torch.float64).requires_grad_()
    x = node(c, u)
    expected = 2.0 * torch.nn.functional.one_hot(c.argmin(1), 3).to(torch.float64)
    torch.testing.assert_close(x, expected, atol=1e-12, rtol=0)
    x.sum().backward()
    torch.testing.assert_close(u.grad, torch.ones(5, dtype=torch.float64), atol=1e-12, rtol=0)
    assert node.differentiation_status == [Code.EXACT] * 5


def test_statuses_of_items() -> None:
    """An item each: regular, weakly active."""
    node = ot.layers.DeclarativeNode(lambda x, q: ((x - q) ** 2).sum(), inequalities=lambda x, q: -x, size=1)
    node(torch.tensor([[1.0], [0.0], [-1.0]], dtype=torch.float64))
    assert node.differentiation_status == [Code.EXACT, Code.WEAKLY_ACTIVE, Code.EXACT]


def test_dependent_rows() -> None:
    """A row given twice: the derivative in the objective's data is that without the second."""
    node = ot.layers.DeclarativeNode(
        lambda x, q: ((x - q) ** 2).sum(), lambda x, q: torch.stack([x.sum() - 1, 2 * x.sum() - 2]), size=2
    )
    q = torch.tensor([[3.0, 1.0]], dtype=torch.float64, requires_grad=True)
    node(q)[0, 0].backward()
    torch.testing.assert_close(q.grad, torch.tensor([[0.5, -0.5]], dtype=torch.float64), atol=1e-12, rtol=0)
    assert node.differentiation_status == [Code.DEPENDENT_ROWS]


def test_nonunique_solutions_have_the_pseudo_inverse() -> None:
    """Of least squares with a matrix of deficient rank, the derivative of A⁺b in b is A⁺."""
    a = normal(1, 3, 2) @ normal(1, 2, 4, seed=1)
    b, w = normal(1, 3, seed=2).requires_grad_(), torch.ones(1, 3, dtype=torch.float64)
    node = nodes.weighted_least_squares()
    x = node(a, b, w)
    inverse = torch.linalg.pinv(a, rtol=1e-10)
    torch.testing.assert_close(x, (inverse @ b.detach()[:, :, None])[:, :, 0], atol=1e-8, rtol=1e-8)
    v = normal(1, 4, seed=3)
    (x * v).sum().backward()
    torch.testing.assert_close(b.grad, (inverse.mT @ v[:, :, None])[:, :, 0], atol=1e-8, rtol=1e-8)
    assert node.differentiation_status == [Code.NONUNIQUE]


def test_a_saddle_is_told() -> None:
    """A stationary point that a user's solve returns and that is no minimum."""
    node = ot.layers.DeclarativeNode(
        lambda x, q: (x[0] - q[0]) ** 2 - (x[1] - q[0]) ** 2 + x[1] ** 4, solve=lambda q: torch.zeros(1, 2)
    )
    node(torch.zeros(1, 1, dtype=torch.float64))
    assert node.differentiation_status == [Code.SADDLE]


# ---------------------------------------------------------------------- failures, shapes and types
@pytest.mark.parametrize(("policy", "shown"), [("nan", np.isnan), ("zero_gradient", np.isfinite)])
def test_items_without_solution(policy: str, shown: Callable[..., Any]) -> None:
    """An infeasible item and one of NaN are named; the other keeps its value and gradient."""
    arguments: Any = {
        "objective": lambda x, q: ((x - 1) ** 2).sum(),
        "inequalities": lambda x, q: torch.cat([x - q, 1 - x]) if q.dim() else x,
        "size": 1,
    }
    q = torch.tensor([[2.0], [0.0], [torch.nan]], dtype=torch.float64, requires_grad=True)
    with pytest.raises(ot.layers.UnsolvedItems, match=r"item 1 \(no point.*item 2 \(parameters are not finite"):
        ot.layers.DeclarativeNode(**arguments)(q)
    node = ot.layers.DeclarativeNode(**arguments, on_failure=policy)
    x = node(q)
    assert float(x[0].detach()) == pytest.approx(1.0) and shown(x.detach().numpy()[1:]).all()
    x[0].sum().backward()
    assert q.grad.tolist() == [[0.0], [0.0], [0.0]]
    assert [bool(r) for r in node.reasons] == [False, True, True]


def test_types_and_shared_parameters() -> None:
    """Outputs have the inputs' type, and a shared parameter gets the sum of the gradients."""
    node = ot.layers.DeclarativeNode(lambda x, q, s: ((x - s * q) ** 2).sum(), size=2)
    q = torch.ones(3, 2, dtype=torch.float32)
    s = torch.full((1, 2), 2.0, dtype=torch.float32, requires_grad=True)
    x = node(q, s)
    assert x.dtype == torch.float32
    x.sum().backward()
    assert s.grad.tolist() == [[3.0, 3.0]] and s.grad.dtype == torch.float32


def test_a_batch_of_none() -> None:
    """It has the shapes of others, and gradients without entries."""
    q = torch.ones(0, 3, requires_grad=True)
    x = ot.layers.DeclarativeNode(lambda x, q: ((x - q) ** 2).sum(), size=3)(q)
    assert x.shape == (0, 3) and nodes.robust_pooling()(q).shape == (0,)
    x.sum().backward()
    assert q.grad.shape == (0, 3)
    assert nodes.camera_pose()(torch.ones(0, 6, 3), torch.ones(0, 6, 2), torch.ones(0, 6)).shape == (0, 3, 4)


def test_vanishing_curvature_is_not_exact() -> None:
    """The minimizer of (x - q)⁴ is q, and no system with the second derivative tells how it moves."""
    node = ot.layers.DeclarativeNode(lambda x, q: ((x - q) ** 4).sum(), size=1)
    node(torch.zeros(2, 1, dtype=torch.float64))
    assert node.differentiation_status == [Code.NONUNIQUE] * 2


def test_second_derivatives_are_refused() -> None:
    """With the words of the other layers."""
    node = ot.layers.DeclarativeNode(lambda x, q: ((x - q**2) ** 2).sum(), size=1)
    q = torch.ones(1, 1, dtype=torch.float64, requires_grad=True)
    (first,) = torch.autograd.grad(node(q).sum(), q, create_graph=True)
    assert float(first.detach()) == pytest.approx(2.0, abs=1e-12)
    with pytest.raises(ot.DifferentiationError, match="first derivatives only"):
        first.sum().backward()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ot.layers.DeclarativeNode(3.0), "objective .* is a function"),
        (lambda: ot.layers.DeclarativeNode(lambda x, q: x.sum()), "size=n"),
        (lambda: ot.layers.DeclarativeNode(lambda x, q: x.sum(), solve=1), "solve .* is a function"),
        (lambda: ot.layers.DeclarativeNode(lambda x, q: x, size=2)(torch.ones(1, 2)), "one number an item"),
        (lambda: ot.layers.DeclarativeNode(lambda x, q: x @ x, size=2)(1.0), "batch as first axis"),
        (lambda: ot.layers.DeclarativeNode(lambda x, q: x @ x, size=2)(), "at least one parameter"),
        (lambda: ot.layers.DeclarativeNode(lambda x, q: x @ x, solve=lambda q: q[0])(torch.ones(3, 2)), r"\(3, n\)"),
        (lambda: nodes.robust_pooling("median"), "penalty is 'quadratic'"),
        (lambda: nodes.project_l2(-1.0), "radius is a positive number"),
    ],
)
def test_bad_input_is_named(make: Callable[[], Any], words: str) -> None:
    """What was given, and what is expected."""
    with pytest.raises(ot.OptangentError, match=words):
        make()


# ---------------------------------------------------------------------- ready ones
@pytest.mark.parametrize("penalty", ["quadratic", "pseudo-huber", "huber", "welsch"])
def test_robust_pooling(penalty: str) -> None:
    """Against differences; that of squares is the mean."""
    y = torch.cat([normal(5, 8), torch.full((5, 1), 20.0, dtype=torch.float64)], 1)
    pool = nodes.robust_pooling(penalty, 2.0)
    differences(pool, y, step=1e-6 if penalty == "huber" else 1e-5)
    assert pool(y).shape == (5,)
    if penalty == "quadratic":
        agree(pool, lambda y: y.mean(1), y)
    else:
        assert (pool(y).abs() < 1.5).all()


def test_projections_on_spheres_and_balls() -> None:
    """Against their formulas, from within and from without."""
    without, within = 3 * normal(6, 5), normal(6, 5, seed=1) / 20
    y = torch.cat([without, within])
    agree(nodes.project_l2(2.0, sphere=True), lambda y: 2 * y / y.norm(dim=1, keepdim=True), y)
    agree(nodes.project_linf(1.5), lambda y: y.clamp(-1.5, 1.5), y)
    agree(nodes.project_l2(2.0), lambda y: y * (2 / y.norm(dim=1, keepdim=True)).clamp(max=1.0), y)
    agree(nodes.project_l1(2.0, sphere=True), lambda y: y + y.sign() * (2 - y.abs().sum(1, keepdim=True)) / 5, within)
    differences(nodes.project_l1(2.0, sphere=True), y, step=1e-7)
    differences(nodes.project_linf(1.5, sphere=True), y, step=1e-7)

    def l1(y: Any) -> Any:
        falling = y.abs().sort(dim=1, descending=True).values
        excess = (falling.cumsum(1) - 2) / torch.arange(1, 6)
        shift = excess.gather(1, (falling > excess).sum(1, keepdim=True) - 1)
        return y.sign() * (y.abs() - shift).relu()

    agree(nodes.project_l1(2.0), l1, without)
    agree(nodes.project_l1(2.0), lambda y: y * 1.0, within)


def test_weighted_least_squares() -> None:
    """Against the normal equations, in all three parameters."""

    def closed(a: Any, b: Any, w: Any) -> Any:
        weighted = a.mT * w[:, None, :]
        return torch.linalg.solve(weighted @ a, (weighted @ b[:, :, None])[:, :, 0])

    agree(
        nodes.weighted_least_squares(), closed, normal(3, 6, 2), normal(3, 6, seed=1), normal(3, 6, seed=2).abs() + 0.1
    )


def test_entropic_transport() -> None:
    """Against differentiated sweeps of Sinkhorn, along changes that keep the sums of masses equal."""
    cost, a, b = normal(2, 3, 4).abs(), normal(2, 3, seed=1).softmax(1), normal(2, 4, seed=2).softmax(1)
    transport = nodes.entropic_transport(0.5)

    def closed(cost: Any, a: Any, b: Any) -> Any:
        a, b = a.softmax(1), b.softmax(1)
        v = torch.zeros_like(b)
        for _ in range(400):
            u = a.log() - torch.logsumexp(v[:, None, :] - 2 * cost, 2)
            v = b.log() - torch.logsumexp(u[:, :, None] - 2 * cost, 1)
        return torch.exp(u[:, :, None] + v[:, None, :] - 2 * cost)

    class Free(torch.nn.Module):  # type: ignore[misc]
        def forward(self, cost: Any, a: Any, b: Any) -> Any:
            found = transport(cost, a.softmax(1), b.softmax(1))
            self.differentiation_status = transport.differentiation_status
            return found

    agree(Free(), closed, cost, a.log(), b.log())
    plan = transport(cost, a, b)
    torch.testing.assert_close(plan.sum(2), a, atol=1e-12, rtol=0)
    torch.testing.assert_close(plan.sum(1), b, atol=1e-12, rtol=0)


@pytest.mark.parametrize("which", ["smallest", "largest"])
def test_eigenvector(which: str) -> None:
    """Against PyTorch's derivative of eigh; a multiple eigenvalue is told."""
    root = normal(4, 5, 5)
    node = nodes.eigenvector(which)

    def closed(a: Any) -> Any:
        x = torch.linalg.eigh((a + a.mT) / 2).eigenvectors[:, :, 0 if which == "smallest" else -1]
        return x * x.gather(1, x.abs().argmax(1, keepdim=True)).sign().detach()

    agree(node, closed, root + root.mT)
    node(torch.eye(3)[None])
    assert node.differentiation_status == [Code.NONUNIQUE]


def test_camera_pose() -> None:
    """Found from exact images; from disturbed ones it moves by central differences."""
    turn = torch.linalg.matrix_exp(torch.tensor([[0.0, -0.3, 0.2], [0.3, 0.0, -0.7], [-0.2, 0.7, 0.0]])).double()
    turn, _ = torch.linalg.qr(turn)
    turn = turn * torch.linalg.det(turn)
    shift = torch.tensor([0.3, -0.2, 8.0], dtype=torch.float64)
    points, weights = normal(2, 9, 3), normal(2, 9, seed=1).abs() + 0.5
    seen = points @ turn.T + shift
    images = seen[:, :, :2] / seen[:, :, 2:]
    node = nodes.camera_pose()
    expected = torch.cat([turn, shift[:, None]], 1).expand(2, 3, 4)
    torch.testing.assert_close(node(points, images, weights), expected, atol=1e-10, rtol=0)
    differences(node, points, images + normal(2, 9, 2, seed=2) / 100, weights, step=2e-6)
    assert node.differentiation_status == [Code.EXACT] * 2
