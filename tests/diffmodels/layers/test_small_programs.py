"""Small quadratic programs take a way of their own, one by one and in stacks: it must agree with the general one."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.diffmodels.layers.dense import dense_route
from optangent.diffmodels.layers.dense.dense_route import DenseRoute
from optangent.diffmodels.layers.form_route import FormRoute
from optangent.diffmodels.layers.program import Program
from optangent.modelkit.functions.shaped import ids_of

from .small_models import accurate

Case = tuple[ot.Model, list[Any], list[Any], np.ndarray]
"""A model, parameters, outputs, and (4, p) values."""
CODES = ot.TerminationStatusCode


def full(solver: Callable[[], Any]) -> Case:
    """Parameters in all data, equalities and inequalities; all outputs there are."""
    model = ot.Model(ot.diff_optimizer(solver))
    x = model.add_variables(3)
    P, q, G, h, a = (model.add_parameters(np.zeros(s)) for s in ((3, 3), 3, (2, 3), 2, 3))
    rows = model.add_constraint(G @ x - h, ot.Nonpositives(2))
    total = model.add_constraint(a @ x == 1.0)
    model.minimize(0.5 * (x @ (P @ x)) + q @ x + h[0])
    rng = np.random.default_rng(0)
    L = rng.standard_normal((4, 3, 3))
    parts = [
        (L @ L.transpose(0, 2, 1) + np.eye(3)).reshape(4, 9),
        rng.standard_normal((4, 3)),
        rng.standard_normal((4, 6)),
        np.array([[-1.0, 2.0], [3.0, -0.5], [-1.0, -1.0], [9.0, 9.0]]),  # so that items differ in their active rows
        rng.uniform(0.5, 1.5, (4, 3)),
    ]
    outputs = [x, rows, total, (ot.ConstraintPrimal(), rows), ot.ObjectiveValue()]
    return model, [P, q, G, h, a], outputs, np.concatenate(parts, axis=1)


def shared(solver: Callable[[], Any]) -> Case:
    """Matrices without parameters; bounds of both signs."""
    model = ot.Model(ot.diff_optimizer(solver))
    x, q = model.add_variables(5, lower=-0.4, upper=0.45), model.add_parameters(np.zeros(5))
    model.add_constraint(x[1:] - x[:-1], ot.HyperRectangle(np.full(4, -0.31), np.full(4, 0.31)))
    model.minimize(x @ x + q @ x)
    return model, [q], [x], np.random.default_rng(1).standard_normal((4, 5))


def without_rows(solver: Callable[[], Any]) -> Case:
    """Nothing but an objective, to be maximized."""
    model = ot.Model(ot.diff_optimizer(solver))
    x, q, s = model.add_variables(2), model.add_parameters(np.zeros(2)), model.add_parameter(1.0)
    model.maximize(q @ x - s * s * (x @ x))
    return model, [q, s], [x, ot.ObjectiveValue()], np.random.default_rng(2).uniform(0.5, 2.0, (4, 3))


def linear(solver: Callable[[], Any]) -> Case:
    """A linear program."""
    model = ot.Model(ot.diff_optimizer(solver))
    x, c, b = model.add_variables(2, lower=0.0), model.add_parameters(np.zeros(2)), model.add_parameter(1.0)
    row = model.add_constraint(x[0] + 2.0 * x[1] >= b)
    model.minimize(c @ x)
    return model, [c, b], [x, row], np.array([[1.0, 1.0, 2.0], [1.0, 3.0, 2.0], [2.0, 3.0, 1.0], [1.0, 1.5, 3.0]])


def outputs_at(route: FormRoute, theta: np.ndarray, point: Any) -> np.ndarray:
    """The outputs at a polished solution."""
    whole, form = route.chain.theta(theta), copy.deepcopy(route.form)
    copy.copy(route.moving).apply(form, whole)
    value = 0.5 * point.x @ (form.P @ point.x) + form.q @ point.x + form.r
    return route.chain.outputs(whole, point.x, np.concatenate(point.y_sided), value)


CASES = pytest.mark.parametrize("case", [full, shared, without_rows, linear])
SOLVERS = pytest.mark.parametrize("solver", ot.solvers.wrappers(), ids=lambda solver: solver.name)


@CASES
@SOLVERS
def test_all_ways_agree(case: Callable[..., Case], solver: Callable[[], Any]) -> None:
    """Outputs are exact to 1e-10 with every solver, derivatives in both modes those of the general way to 1e-8."""
    model, parameters, outputs, thetas = case(accurate)
    general = FormRoute(model, np.concatenate([np.ravel(ids_of(p)) for p in parameters]), outputs)
    reference = [general.solve(theta, None) for theta in thetas]
    program = Program(*case(solver)[:3])
    assert program.general.is_own or isinstance(program.route, DenseRoute)
    rng = np.random.default_rng(3)
    w, u = rng.standard_normal((4, program.output_size)), rng.standard_normal(thetas.shape)
    vjps = np.stack(
        [general.derivative("vjp", t, r[3], one[None])[0] for t, r, one in zip(thetas, reference, w, strict=True)]
    )
    jvps = np.stack(
        [general.derivative("jvp", t, r[3], one[None])[0] for t, r, one in zip(thetas, reference, u, strict=True)]
    )
    exact = np.stack(
        [outputs_at(general, theta, answer[3].point) for theta, answer in zip(thetas, reference, strict=True)]
    )
    stack, single = program.solve_batch(thetas), [program.solve(theta) for theta in thetas]
    for items in (stack, single):
        assert [item.status for item in items] == [CODES.OPTIMAL] * 4
        np.testing.assert_allclose(np.stack([item.outputs for item in items]), exact, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(program.vjp_batch(items, w), vjps, rtol=1e-8, atol=1e-8)
        np.testing.assert_allclose(program.jvp_batch(items, u), jvps, rtol=1e-8, atol=1e-8)
        for item, seed, move, back, forth in zip(items, w, u, vjps, jvps, strict=True):
            np.testing.assert_allclose(item.vjp(np.stack([seed, -seed])), [back, -back], rtol=1e-8, atol=1e-8)
            np.testing.assert_allclose(item.jvp(np.stack([move, -move])), [forth, -forth], rtol=1e-8, atol=1e-8)
            assert item.differentiation_status is ot.DifferentiationStatusCode.EXACT
    some = [stack[2], stack[0]]  # not all, and in another order
    np.testing.assert_allclose(program.vjp_batch(some, w[[2, 0]]), vjps[[2, 0]], rtol=1e-8, atol=1e-8)


def kinked() -> tuple[ot.Model, list[Any], list[Any]]:
    """The projection of p on the nonnegative half-line, with its constraint stated twice if p2 = 1."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.PIQP))
    x, p, again = model.add_variable(), model.add_parameter(0.0), model.add_parameter(0.0)
    model.add_constraint(1.0 * x >= 0)
    model.add_constraint(again * x + (1.0 - again) >= 0)
    model.minimize(x * x - 2.0 * p * x)
    return model, [p, again], [x]


def test_what_is_not_smooth_goes_the_general_way() -> None:
    """At a kink, and with dependent active rows, items in a stack have the derivative and status of single ones."""
    program = Program(*kinked())
    codes = ot.DifferentiationStatusCode
    thetas = np.array([[0.0, 0.0], [1.0, 0.0], [-1.0, 1.0], [-1.0, 0.0]])
    items, single = program.solve_batch(thetas), [program.solve(theta) for theta in thetas]
    expected = [codes.WEAKLY_ACTIVE, codes.EXACT, codes.DEPENDENT_ROWS, codes.EXACT]
    found = program.vjp_batch(items, np.ones((4, 1)))
    for item, alone, gradient, status in zip(items, single, found, expected, strict=True):
        np.testing.assert_allclose(alone.vjp(np.ones(1)), gradient, atol=1e-9)
        assert item.differentiation_status is alone.differentiation_status is status
    np.testing.assert_allclose(found[1:, 0], [1.0, 0.0, 0.0], atol=1e-9)
    kinks = program.solve_batch(thetas[[0, 0]])
    np.testing.assert_array_equal(program.vjp_batch(kinks, np.ones((2, 1))), found[[0, 0]])
    np.testing.assert_allclose(program.jvp_batch([kinks[0], items[1]], np.ones((2, 2)))[1], [1.0], atol=1e-9)


def test_failures_do_not_spread_in_a_stack() -> None:
    """Infeasible, unbounded and concave items among good ones: each has its status, the others are right."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.PIQP))
    x, a, lo = model.add_variable(), model.add_parameter(1.0), model.add_parameter(0.0)
    model.add_constraint(x - lo >= 0)
    model.add_constraint(x <= 2.0)
    model.minimize(a * x * x - 2.0 * x)
    program = Program(model, [a, lo], [x])
    items = program.solve_batch(np.array([[1.0, 0.0], [1.0, 3.0], [-1.0, 0.0], [0.0, 0.0], [4.0, 0.0]]))
    assert [item.status for item in items] == [
        CODES.OPTIMAL,
        CODES.INFEASIBLE,
        CODES.OTHER_ERROR,
        CODES.OPTIMAL,
        CODES.OPTIMAL,
    ]
    assert "eigenvalue of the wrong sign" in items[2].reason
    assert np.isnan(items[1].outputs).all() and np.isnan(items[2].outputs).all()
    np.testing.assert_allclose([items[k].outputs[0] for k in (0, 3, 4)], [1.0, 2.0, 0.25], atol=1e-12)


@pytest.mark.parametrize("size", [1e-7, 1e7])
@pytest.mark.parametrize("solver", [ot.solvers.PIQP, ot.solvers.DAQP], ids=lambda s: s.name)
def test_rows_in_other_units(solver: Any, size: float) -> None:
    """Where a solver's quick way is misled by the units of a row, the careful one finds the solution all the same."""
    model = ot.Model(ot.diff_optimizer(solver))
    x, a = model.add_variables(2), model.add_parameters(np.zeros(2))
    c = model.add_constraint(a @ x >= size)
    model.minimize(x @ x)
    program = Program(model, [a], [x, c])
    for item in (program.solve(np.full(2, size)), program.solve_batch(np.full((2, 2), size))[1]):
        np.testing.assert_allclose(item.outputs, [0.5, 0.5, 1.0 / size], rtol=1e-10)
        np.testing.assert_allclose(item.vjp(np.array([1.0, 0.0, 0.0])) * size, [-0.0, -0.5], atol=1e-9)


def test_large_batches_go_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces, and systems that were not kept, change nothing."""
    model, parameters, outputs, thetas = shared(ot.solvers.DAQP)
    program = Program(model, parameters, outputs)
    many, w = np.repeat(thetas, 3, axis=0), np.random.default_rng(4).standard_normal((12, 5))
    expected = program.solve_batch(many)
    gradients = program.vjp_batch(expected, w)
    monkeypatch.setattr(dense_route, "_PIECE", 5 * (5 + 18) ** 2)  # five items
    monkeypatch.setattr(dense_route, "_KEPT", 1)
    items = program.solve_batch(many)
    assert [item.state.dense is not None for item in items] == [True] * 5 + [False] * 7
    for item, other in zip(items, expected, strict=True):
        np.testing.assert_allclose(item.outputs, other.outputs, rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(program.vjp_batch(items, w), gradients, rtol=1e-12, atol=1e-13)


@SOLVERS
@pytest.mark.parametrize("size", [1e160, 1e308])
def test_huge_numbers_end_in_a_status(solver: Any, size: float) -> None:
    """Numbers whose products overflow are a failure of their item, without a warning, and not of its neighbour."""
    model = ot.Model(ot.diff_optimizer(solver))
    x, p = model.add_variable(), model.add_parameter(0.0)
    model.add_constraint(x - p >= 0.0)
    model.minimize(x * x)
    program = Program(model, [p], [x])
    assert program.solve(np.array([size])).status is not CODES.OPTIMAL
    huge, usual = program.solve_batch(np.array([[size], [1.0]]))
    assert huge.status is not CODES.OPTIMAL and usual.outputs == pytest.approx([1.0], abs=1e-12)


@SOLVERS
@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("factor", [1.0, 3.0, 0.7])
def test_an_equality_stated_twice(solver: Any, unit: float, factor: float) -> None:
    """Its multipliers may be as huge as they like in a system that is singular but for rounding: x may not follow."""
    rng, n = np.random.default_rng(12), 6
    L, b, E, e = (
        rng.standard_normal((n, n)),
        rng.standard_normal(n),
        rng.standard_normal((2, n)),
        rng.standard_normal(2),
    )
    P = L @ L.T + np.eye(n)
    E, e = np.vstack([E, factor * E[1:]]), np.append(e, factor * e[1])
    model = ot.Model(ot.diff_optimizer(solver))
    x, q = model.add_variables(n), model.add_parameters(b * unit)
    model.add_constraint((E * unit) @ x - e, ot.Zeros(3))
    model.minimize(0.5 * (x @ ((P * unit**2) @ x)) + q @ x)
    inverse = np.linalg.inv(np.block([[P, -E[:2].T], [-E[:2], np.zeros((2, 2))]]))
    expected, slope = (inverse @ np.append(-b, -e[:2]))[:n], -inverse[:n, :n]
    program = Program(model, [q], [x])
    for item in (program.solve(b * unit), *program.solve_batch(np.tile(b * unit, (2, 1)))):
        np.testing.assert_allclose(item.outputs * unit, expected, atol=1e-8)
        np.testing.assert_allclose(item.vjp(np.eye(n)[0]) * unit**2, slope[0], atol=1e-8)
