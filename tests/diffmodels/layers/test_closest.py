"""Layers whose infeasible items get the closest feasible solution, and its derivative."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.diffmodels.layers.batch import Batch, Call

Codes = ot.TerminationStatusCode
pytestmark = pytest.mark.filterwarnings("ignore::optangent.DifferentiationWarning")


def between(solver: str) -> tuple[ot.Model, list[Any], list[Any]]:
    """The point nearest to 1 that is above p and below q."""
    model = ot.Model(ot.diff_optimizer(getattr(ot.solvers, solver)))
    p, q = model.add_parameter(0.0, "p"), model.add_parameter(2.0, "q")
    x = model.add_variable("x")
    model.add_constraint(x >= 1.0 * p)
    model.add_constraint(x <= 1.0 * q)
    model.minimize(x * x - 2.0 * x)
    return model, [p, q], [x]


def crowded(solver: str) -> tuple[ot.Model, list[Any], list[Any]]:
    """A quadratic program with rows that contradict one another, equations among them, and bounds."""
    rng = np.random.default_rng(5)
    model = ot.Model(ot.diff_optimizer(getattr(ot.solvers, solver)))
    n, m = 4, 9
    G = rng.standard_normal((m, n))
    G[5:] = -G[:4]
    h, e = model.add_parameters(np.full(m, -0.3)), model.add_parameters([0.5])
    v = model.add_variables(n, lower=-5.0, upper=5.0)
    model.add_constraint(G @ v <= h + rng.standard_normal(m))
    model.add_constraint(rng.standard_normal((1, n)) @ v == e)
    model.minimize(v @ v - v.sum())
    return model, [h, e], [v, ot.ObjectiveValue()]


def large(solver: str) -> tuple[ot.Model, list[Any], list[Any]]:
    """Too large for dense arrays: a chain of variables that is pulled at both ends."""
    model = ot.Model(ot.diff_optimizer(getattr(ot.solvers, solver)))
    n = 120
    ends, step = model.add_parameters([1.0, 30.0]), model.add_parameter(0.1)
    v, u = model.add_variables(n), model.add_variables(n)
    model.add_constraint(v[1:] - v[:-1] <= np.ones(n - 1) * step)
    model.add_constraint(v[[0, n - 1]] == ends)
    model.add_constraint(u >= v)
    model.minimize(u @ u)
    return model, [ends, step], [v, u]


def thetas_of(model: ot.Model, parameters: list[Any]) -> np.ndarray:
    """Their present values."""
    return np.concatenate([np.ravel(model.parameter_value(one)) for one in parameters])


@pytest.mark.parametrize("solver", ["HiGHS", "Clarabel", "OSQP"])
def test_between_two_sides_that_cross(solver: str) -> None:
    """Infeasible items have the middle and its derivative, the others what they have alone; the status tells."""
    batch = Batch.of(*between(solver), on_failure="closest")
    call = Call(batch)
    thetas = np.array([[0.0, 2.0], [3.0, 2.0], [1.5, 4.0], [-1.0, -2.0]])
    np.testing.assert_allclose(call.solve(thetas), [[1.0], [2.5], [1.5], [-1.5]], atol=1e-9)
    assert batch.status == [Codes.OPTIMAL, Codes.INFEASIBLE, Codes.OPTIMAL, Codes.INFEASIBLE]
    assert batch.reasons == [""] * 4
    back = call.derivative("vjp", np.arange(4), np.ones((4, 1)))
    np.testing.assert_allclose(back, [[0.0, 0.0], [0.5, 0.5], [1.0, 0.0], [0.5, 0.5]], atol=1e-9)
    ahead = call.derivative("jvp", np.arange(4), np.tile([1.0, 3.0], (4, 1)))
    np.testing.assert_allclose(ahead, [[0.0], [2.0], [1.0], [2.0]], atol=1e-9)


@pytest.mark.parametrize("build", [crowded, large])
@pytest.mark.parametrize("solver", ["HiGHS", "Clarabel", "OSQP"])
def test_closest_solutions_and_derivatives(solver: str, build: Any) -> None:
    """They are those of the relaxed model with its changes made; derivatives are differences, and adjoint."""
    model, parameters, outputs = build(solver)
    theta = thetas_of(model, parameters)
    call = Call(batch := Batch.of(model, parameters, outputs, on_failure="closest"))
    found = call.solve(theta[None])[0]
    assert batch.status == [Codes.INFEASIBLE] and np.isfinite(found).all()
    changed = model.relax(norm=2).changed()
    changed.optimize()
    np.testing.assert_allclose(found[: len(outputs[0])], changed.value(outputs[0]), atol=1e-4)
    rng = np.random.default_rng(0)
    w, d = rng.standard_normal(len(found)), rng.standard_normal(len(theta))
    back = call.derivative("vjp", np.array([0]), w[None])[0]
    ahead = call.derivative("jvp", np.array([0]), d[None])[0]
    assert w @ ahead == pytest.approx(back @ d, rel=1e-7)
    h = 1e-5
    there, here = (Call(batch).solve((theta + s * h * d)[None])[0] for s in (1.0, -1.0))
    np.testing.assert_allclose((there - here) / (2.0 * h), ahead, rtol=1e-4, atol=1e-5)
    twice = call.derivative("vjp", np.array([0, 0]), np.stack([w, 2.0 * w]))
    np.testing.assert_allclose(twice, [back, 2.0 * back], rtol=1e-9, atol=1e-12)


def test_what_is_not_infeasible_is_none() -> None:
    """Items with NaN, and those whose bounds contradict their rows, are NaN with zero gradients, and say why."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    p = model.add_parameter(0.0, "p")
    x = model.add_variable("x", lower=0.0)
    model.add_constraint(x, ot.LessThan(-1.0))
    model.add_constraint(x >= 1.0 * p)
    model.minimize(x * x)
    call = Call(batch := Batch.of(model, [p], [x], on_failure="closest"))
    assert np.isnan(call.solve(np.array([[np.nan], [1.0]]))).all()
    assert "parameter 0 is nan" in batch.reasons[0] and "closest feasible program" in batch.reasons[1]
    assert not call.derivative("vjp", np.arange(2), np.ones((2, 1))).any()


def discs(rng: np.random.Generator) -> tuple[ot.Model, list[Any], list[Any]]:
    """Second-order cones that have no point in common, a curved row and a linear one."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.SCS))
    c, r = model.add_parameters(rng.standard_normal(6) + 3.0 * (np.eye(6)[0] - np.eye(6)[3])), model.add_parameter(1.0)
    v, z = model.add_variables(3), model.add_variable()
    model.add_constraint(ot.vectorize([r, *(v - c[:3])]), ot.SecondOrderCone(4))
    d = v - c[3:]
    model.add_constraint(ot.vectorize([1.0 + 0.0 * d[0], d[0], 2.0 * d[1], d[2]]), ot.SecondOrderCone(4))
    model.add_constraint(v @ v <= 0.1)
    model.add_constraint(z - v[1] >= 1.0 * r)
    model.minimize(z * z + 10.0 * (v[2] - r) * (v[2] - r))
    return model, [c, r], [v, z, ot.ObjectiveValue()]


def matrices(rng: np.random.Generator) -> tuple[ot.Model, list[Any], list[Any]]:
    """A semidefinite matrix whose trace is to be negative."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    e = model.add_parameters(rng.standard_normal(6))
    v = model.add_variables(6)
    model.add_constraint(v + e, ot.PositiveSemidefiniteConeTriangle(3))
    f = v + e
    model.add_constraint(f[0] + f[2] + f[5] <= -1.0)
    model.add_constraint(v[1] + v[3] == 0.5)
    model.minimize((v - rng.standard_normal(6)) @ v)
    return model, [e], [v, ot.ObjectiveValue()]


def exponentials(rng: np.random.Generator) -> tuple[ot.Model, list[Any], list[Any]]:
    """``exp(x) <= p`` where x is to be larger."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    p, q = model.add_parameter(1.0), model.add_parameter(2.0)
    v = model.add_variables(2)
    model.add_constraint(ot.vectorize([1.0 * v[0], 1.0 + 0.0 * v[0], 1.0 * p]), ot.ExponentialCone())
    model.add_constraint(v[0] + v[1] >= 1.0 * q)
    model.add_constraint(v[1] <= 0.5)
    model.minimize(v @ v)
    return model, [p, q], [v]


@pytest.mark.parametrize("build", [discs, matrices, exponentials], ids=lambda one: one.__name__)
def test_closest_solutions_of_cones(build: Any) -> None:
    """Rows give way no more than they must; derivatives are differences, and adjoint; the value is the model's own."""
    for seed in range(3):
        model, parameters, outputs = build(np.random.default_rng(seed))
        theta = thetas_of(model, parameters)
        call = Call(batch := Batch.of(model, parameters, outputs, on_failure="closest"))
        found = call.solve(theta[None])[0]
        assert batch.status == [Codes.INFEASIBLE] and batch.reasons == [""]
        least = model.relax(norm=2, weight=0.0)
        relaxed = model.relax(norm=2, weight=1e-4)
        assert least.total <= relaxed.total <= least.total * (1.0 + 1e-2)
        np.testing.assert_allclose(found[: len(outputs[0])], relaxed.value(outputs[0]), atol=1e-2)
        rng = np.random.default_rng(seed)
        w, d = rng.standard_normal(len(found)), rng.standard_normal(len(theta))
        back = call.derivative("vjp", np.array([0]), w[None])[0]
        ahead = call.derivative("jvp", np.array([0]), d[None])[0]
        assert w @ ahead == pytest.approx(back @ d, rel=1e-7)
        h = 1e-5
        there, here = (Call(batch).solve((theta + s * h * d)[None])[0] for s in (1.0, -1.0))
        np.testing.assert_allclose((there - here) / (2.0 * h), ahead, rtol=1e-4, atol=1e-5)


def test_the_closest_point_between_a_disc_and_a_line() -> None:
    """By hand; where there is a feasible point nothing gives way."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    r, d = model.add_parameter(1.0, "r"), model.add_parameter(3.0, "d")
    v = model.add_variables(2)
    model.add_constraint(ot.vectorize([1.0 * r, v[0], v[1]]), ot.SecondOrderCone(3))
    model.add_constraint(v[0] >= 1.0 * d)
    model.minimize(v @ v)
    call = Call(batch := Batch.of(model, [r, d], [v, ot.ObjectiveValue()], on_failure="closest"))
    found = call.solve(np.array([[1.0, 3.0], [3.0, 1.0]]))
    np.testing.assert_allclose(found, [[7.0 / 3.0, 0.0, 49.0 / 9.0], [1.0, 0.0, 1.0]], atol=1e-5)
    assert batch.status == [Codes.INFEASIBLE, Codes.OPTIMAL]
    back = call.derivative("vjp", np.arange(2), np.tile([1.0, 0.0, 0.0], (2, 1)))
    np.testing.assert_allclose(back, [[1.0 / 3.0, 2.0 / 3.0], [0.0, 1.0]], atol=1e-5)


def test_duals_beside_cones_and_sets_with_gaps_are_refused() -> None:
    """With what to do."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    r, v = model.add_parameter(1.0, "r"), model.add_variables(2)
    c = model.add_constraint(ot.vectorize([1.0 * r, v[0], v[1]]), ot.SecondOrderCone(3))
    model.minimize(v[0])
    with pytest.raises(ot.InvalidData, match="no duals where there are cones"):
        Batch.of(model, [r], [c], on_failure="closest")
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    r, v = model.add_parameter(1.0, "r"), model.add_variables(2, integer=True)
    model.add_constraint(v[0] + v[1] >= 1.0 * r)
    model.minimize(v[0])
    with pytest.raises(ot.Unsupported, match="gaps"):
        Batch.of(model, [r], [v], on_failure="closest")


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_workers_give_the_same(executor: str) -> None:
    """Items that travel to other processes and back, and their derivatives."""
    model, parameters, outputs = crowded("HiGHS")
    thetas = thetas_of(model, parameters) + 0.1 * np.random.default_rng(1).standard_normal((6, 10))
    directions = np.random.default_rng(2).standard_normal((6, 5))
    found = []
    for where in (None, executor):
        call = Call(Batch.of(model, parameters, outputs, on_failure="closest", executor=where))
        values = call.solve(thetas)
        found.append((values, call.derivative("vjp", np.arange(6), directions)))
    for one, two in zip(*found, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-7, atol=1e-9)


def test_closest_items_start_no_others() -> None:
    """A warm start is from solutions of the program itself."""
    model, parameters, outputs = between("OSQP")
    batch = Batch.of(model, parameters, outputs, on_failure="closest", warm_start="position")
    for _ in range(2):
        call = Call(batch)
        np.testing.assert_allclose(call.solve(np.array([[3.0, 2.0], [0.0, 2.0]])), [[2.5], [1.0]], atol=1e-8)


def test_in_torch_and_jax() -> None:
    """Both layers take the policy; a loss goes back through infeasible items."""
    torch = pytest.importorskip("torch")
    layer = ot.layers.TorchLayer(*between("HiGHS"), on_failure="closest")
    p = torch.tensor([0.0, 3.0], dtype=torch.float64, requires_grad=True)
    (x,) = layer(p, torch.tensor(2.0, dtype=torch.float64))
    x.sum().backward()
    assert x.tolist() == pytest.approx([1.0, 2.5]) and p.grad.tolist() == pytest.approx([0.0, 0.5])
    jax = pytest.importorskip("jax")
    mapped = ot.layers.JaxLayer(*between("HiGHS"), on_failure="closest")
    gradient = jax.grad(lambda p: mapped(p, 2.0)[0])(3.0)
    assert float(gradient) == pytest.approx(0.5)
