"""Items whose right-hand sides are infinite: the program without those rows, in the same batch as others."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.diffmodels.layers.program import Program

INF = np.inf
A = np.array([[1.0, 0.5], [0.3, 1.0], [1.0, 1.0]])
VALUES = np.array(
    [[1.0, 1.0, 0.8], [1.0, INF, 0.8], [1.0, 1.0, INF], [INF, 1.0, INF], [1.0, -INF, 0.8], [1.0, np.nan, 1]]
)
Codes = ot.TerminationStatusCode


def model(solver: Any, rows: Any = slice(None), *, cone: bool = False) -> tuple[ot.Model, Any, Any, Any]:
    """A minimum of x'x - 4 x1 - 2 x2 under some of the rows, and within a wide cone."""
    m = ot.Model(ot.diff_optimizer(solver))
    x = m.add_variables(2)
    h = m.add_parameters(np.array([1.0, 1.0, 0.8])[rows])
    c = m.add_constraint(A[rows] @ x <= h)
    if cone:
        m.add_constraint(ot.vectorize([5.0 + 0.0 * x[0], x[0], x[1]]), ot.SecondOrderCone(3))
    m.minimize(x @ x - 4 * x[0] - 2 * x[1])
    return m, x, h, c


@pytest.mark.parametrize(
    ("solver", "cone"),
    [(ot.solvers.HiGHS, False), (ot.solvers.OSQP, False), (ot.solvers.Clarabel, False), (ot.solvers.Clarabel, True)],
)
def test_items_with_infinite_right_hand_sides(solver: Any, cone: bool) -> None:
    """Values, duals and derivatives of both modes are those of the program without the rows; bad items are flagged."""
    m, x, h, c = model(solver, cone=cone)
    program = pickle.loads(pickle.dumps(Program(m, [h], [x, c])))
    items = program.solve_batch(VALUES)
    assert [item.status for item in items] == [Codes.OPTIMAL] * 4 + [Codes.INVALID_MODEL] * 2
    assert items[4].reason == "parameter 0 is -inf at (1,)" and items[5].reason == "parameter 0 is nan at (1,)"
    seeds = np.tile([1.0, 2.0, 0.0, 0.0, 0.0], (4, 1))
    gradients = program.vjp_batch(items[:4], seeds)
    moves = program.jvp_batch(items[:4], np.tile([1.0, 2.0, 3.0], (4, 1)))
    for item, gradient, move in zip(items, gradients, moves, strict=False):
        there = np.isfinite(item.theta)
        fewer, y, g, d = model(solver, there, cone=cone)
        want = Program(fewer, [g], [y, d]).solve(item.theta[there])
        np.testing.assert_allclose(item.outputs[:2], want.outputs[:2], atol=1e-5)
        np.testing.assert_allclose(item.outputs[2:][there], want.outputs[2:], atol=1e-5)
        np.testing.assert_allclose(gradient[there], want.vjp(np.append([1.0, 2.0], np.zeros(there.sum()))), atol=1e-6)
        np.testing.assert_allclose(move[:2], want.jvp(np.array([1.0, 2.0, 3.0])[there])[:2], atol=1e-6)
        assert not gradient[~there].any() and np.abs(item.outputs[2:][~there]).max(initial=0.0) < 1e-9
    np.testing.assert_allclose(
        program.solve_batch(VALUES[:2], [items[1], items[0]])[0].outputs, items[0].outputs, atol=1e-5
    )


def test_infinite_values_elsewhere_are_flagged() -> None:
    """A parameter that multiplies, or stands in an equation, has no infinite value; the reason names its entry."""
    m = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    x, G, b = m.add_variables(2), m.add_parameters(np.eye(2)), m.add_parameters([1.0, 1.0])
    m.add_constraint(G @ x <= b)
    m.add_constraint(x[0] - b[1] == 0.0)
    m.minimize(x @ x)
    program = Program(m, [G, b], [x])
    thetas = np.tile([1.0, 0.0, 0.0, 1.0, 2.0, 1.0], (4, 1))
    thetas[0, 0] = thetas[1, 5] = thetas[2, 4] = INF
    items = program.solve_batch(thetas)
    assert [item.status for item in items] == [Codes.INVALID_MODEL, Codes.INVALID_MODEL, Codes.OPTIMAL, Codes.OPTIMAL]
    assert items[0].reason == "parameter 0 is inf at (0, 0)" and items[1].reason == "parameter 1 is inf at (1,)"
    np.testing.assert_allclose(items[2].outputs, [1.0, 0.0], atol=1e-6)
