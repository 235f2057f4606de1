"""Layers whose solvers have a form of their own, lowered again where numbers move, and what else is no one form."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.diffmodels.layers.batch import Batch, Call
from optangent.diffmodels.layers.program import Program

CODES = ot.TerminationStatusCode
THETAS = np.array([[1.0, 1.0, 2.0], [2.0, -1.0, 0.5], [0.3, 0.7, -1.2]])
SOLVERS = pytest.mark.parametrize("solver", [ot.solvers.Clarabel, ot.solvers.SCS], ids=lambda s: s.name)


def ellipse(solver: Any) -> tuple[ot.Model, list[Any], list[Any]]:
    """The farthest point in the direction p of the ellipse a x0² + x1² <= 1, its dual, its value and a itself."""
    model = ot.Model(ot.diff_optimizer(solver))
    x, a, p = model.add_variables(2), model.add_parameter(1.0), model.add_parameters([1.0, 1.0])
    row = model.add_constraint(a * x[0] * x[0] + x[1] * x[1] <= 1)
    model.maximize(p @ x)
    return model, [a, p], [x, row, ot.ObjectiveValue(), a, (ot.ConstraintPrimal(), row)]


def exact(theta: np.ndarray) -> np.ndarray:
    """These by the formula: x is (p0 / a, p1) over the length, which is the value; the dual is minus half of it."""
    a, p0, p1 = theta
    length = np.sqrt(p0 * p0 / a + p1 * p1)
    return np.array([p0 / a / length, p1 / length, -0.5 * length, length, a, 1.0])


def differences(theta: np.ndarray) -> np.ndarray:
    """Their derivatives (o, p), central differences of the formula."""
    return np.stack([(exact(theta + d) - exact(theta - d)) / 2e-6 for d in 1e-6 * np.eye(3)], axis=1)


@SOLVERS
def test_curvature_that_moves(solver: Any) -> None:
    """Outputs to 1e-9 and both modes to 1e-6, in a batch and by a pickle: the diff model takes the row as it is."""
    program = Program(*ellipse(solver))
    assert not program.general.is_shared
    for one in (program, pickle.loads(pickle.dumps(program))):
        items = one.solve_batch(THETAS)
        for theta, item in zip(THETAS, items, strict=True):
            assert item.status is CODES.OPTIMAL, item.reason
            np.testing.assert_allclose(item.outputs, exact(theta), atol=1e-9)
            np.testing.assert_allclose(item.jvp(np.eye(3)).T, differences(theta), atol=1e-6)
            np.testing.assert_allclose(item.vjp(np.eye(6)), differences(theta), atol=1e-6)
            assert item.differentiation_status is ot.DifferentiationStatusCode.EXACT


def test_curvature_of_the_wrong_sign() -> None:
    """Fails that item alone, with the reason; the others are right, from a start or not, in threads as well."""
    batch = Batch.of(*ellipse(ot.solvers.Clarabel), on_failure="nan", executor="threads", warm_start=True)
    thetas = THETAS.copy()
    thetas[1, 0] = -1.0
    for _ in range(2):
        outputs = Call(batch).solve(thetas)
        assert [status is CODES.OPTIMAL for status in batch.status] == [True, False, True]
        assert "not convex" in batch.reasons[1]
        np.testing.assert_allclose(outputs[[0, 2]], [exact(thetas[0]), exact(thetas[2])], atol=1e-9)


@pytest.mark.parametrize("moves", [False, True])
def test_bounds_that_a_big_number_was_made_of(moves: bool) -> None:
    """An indicator is lowered by bounds, here of a function of a parameter: values are right wherever that goes."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    z, x = model.add_variable(binary=True), model.add_variable(lower=0.0, upper=5.0)
    p, price = model.add_parameter(1.0), model.add_parameter(1.0)
    model.add_constraint(ot.vectorize([1.0 * z, x - p if moves else 1.0 * x]), ot.Indicator(ot.LessThan(1.0)))
    model.maximize(x + price * z)
    program = Program(model, [p, price], [x, z, ot.ObjectiveValue()])
    for theta in ([1.0, 1.0], [-0.5, 4.9], [3.0, 0.1], [40.0, 0.5]):
        bound = min(5.0, 1.0 + theta[0] * moves)
        expected = [bound, 1.0, bound + theta[1]] if bound + theta[1] > 5.0 else [5.0, 0.0, 5.0]
        item = program.solve(np.array(theta))
        np.testing.assert_allclose(item.outputs, expected, atol=1e-6)
        with pytest.raises(ot.DifferentiationError, match="has no dual solution"):
            item.vjp(np.ones(3))


def test_duals_of_what_has_none() -> None:
    """An output that is a dual of a program with integers fails the item, and says why."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    x, p = model.add_variable(integer=True), model.add_parameter(1.4)
    row = model.add_constraint(x - p >= 0)
    model.minimize(1.0 * x)
    item = Program(model, [p], [x, row]).solve(np.array([1.4]))
    assert item.status is CODES.OTHER_ERROR and "integer variables" in item.reason
