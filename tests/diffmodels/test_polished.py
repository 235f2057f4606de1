"""The refined point and the rows at fault, read through the model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optangent as ot

EVERY = pytest.mark.parametrize("solver", ot.solvers.wrappers(), ids=lambda s: s.name)


def projection(solver: Any) -> tuple[Any, ...]:
    """A projection with a known solution: x = (1/3, 2/3, 0), the row's dual 1/3, that of the bound of x[2] 1/3."""
    model = ot.Model(ot.diff_optimizer(solver))
    x, p = model.add_variables(3, lower=0.0), model.add_parameters([0.5, 5.0 / 6.0, 0.0])
    c = model.add_constraint(x.sum() <= 1)
    model.minimize((x - p) @ (x - p))
    return model, x, p, c


@EVERY
def test_the_refined_point(solver: Any) -> None:
    """Right after `optimize`, values and duals made exact, of one, many, matrices, functions, parameters and bounds."""
    model, x, p, c = projection(solver)
    with pytest.raises(ot.NotOptimized):
        model.polished(x)
    model.optimize()
    want = np.array([1.0, 2.0, 0.0]) / 3.0
    np.testing.assert_allclose(model.polished(x), want, atol=1e-13)
    np.testing.assert_allclose(model.get(ot.PolishedPrimal(), x), want, atol=1e-13)
    assert model.polished(x[1]) == pytest.approx(2 / 3, abs=1e-13) and isinstance(model.polished(x[1]), float)
    assert model.polished(2 * x[0] + x[1] + p[1]) == pytest.approx(4 / 3 + 5 / 6, abs=1e-13)
    np.testing.assert_allclose(model.polished(2.0 * x + 1.0), 2 * want + 1, atol=1e-13)
    np.testing.assert_allclose(model.polished(p), [0.5, 5 / 6, 0.0], atol=1e-15)
    assert model.polished(c) == model.get(ot.PolishedDual(), c) == pytest.approx(-1 / 3, abs=1e-13)
    bounds = model.get(ot.ListOfConstraintIndices(ot.VariableIndex, ot.GreaterThan))
    np.testing.assert_allclose(model.get(ot.PolishedDual(), bounds), [0, 0, 1 / 3], atol=1e-13)
    assert model.get(ot.PolishedDual(), [c, bounds[2]]) == pytest.approx([-1 / 3, 1 / 3], abs=1e-13)
    model.set_parameter_value(p, [0.5, 0.5, 0.5])
    with pytest.raises(ot.NotOptimized):
        model.get(ot.PolishedDual(), c)


def test_who_has_no_refined_point() -> None:
    """A model that only solves, an infeasible one, and indices of other models and kinds are refused in words."""
    plain = ot.Model(ot.solvers.HiGHS)
    x = plain.add_variable(lower=1.0)
    plain.minimize(1.0 * x)
    plain.optimize()
    with pytest.raises(ot.DifferentiationError, match="diff_optimizer"):
        plain.polished(x)
    with pytest.raises(ot.UnsupportedAttribute):
        plain.get(ot.PolishedPrimal(), x)
    model, v, _, c = projection(ot.solvers.HiGHS)
    model.optimize()
    with pytest.raises(ot.InvalidIndex):
        model.polished(x)
    with pytest.raises(ot.InvalidIndex, match="belongs to a variable"):
        model.get(ot.PolishedPrimal(), c)
    model.add_constraint(v.sum() >= 2)
    model.optimize()
    with pytest.raises(ot.DifferentiationError, match="INFEASIBLE"):
        model.polished(v)


@pytest.mark.parametrize("solver", [ot.solvers.HiGHS, ot.solvers.Clarabel], ids=lambda s: s.name)
def test_rows_at_fault(solver: Any) -> None:
    """After a differentiation, by index or kind: 1 where a row is weakly active, through bridges that split a row."""
    model = ot.Model(ot.diff_optimizer(solver))
    x = model.add_variables(10)
    row = model.add_constraint(x[0] + x[1] <= 2)
    both = model.add_constraint(x[2] + x[3], ot.Interval(2.0, 5.0))
    block = model.add_constraint(np.eye(3) @ x[4:7] >= [0.0, 1.0, -1.0])
    box = model.add_constraint(1.0 * x[7:], ot.HyperRectangle([-1.0, -1.0, 1.0], [1.0, 2.0, 4.0]))
    model.minimize((x - 1) @ (x - 1))
    model.optimize()
    with pytest.raises(ot.NotOptimized, match="differentiate"):
        model.get(ot.ConstraintDegeneracy(), row)
    model.set(ot.ReverseVariablePrimal(), x, np.arange(10.0))
    with pytest.warns(ot.DifferentiationWarning):
        model.reverse_differentiate()
    assert model.get(ot.ConstraintDegeneracy(), row) == model.get(ot.ConstraintDegeneracy(), both) == 1.0
    np.testing.assert_array_equal(model.get(ot.ConstraintDegeneracy(), block), [0.0, 1.0, 0.0])
    np.testing.assert_array_equal(model.get(ot.ConstraintDegeneracy(), box), [1.0, 0.0, 1.0])
    alone, every = model.get(ot.ConstraintDegeneracy(), [row, block])
    assert alone == 1.0
    np.testing.assert_array_equal(every, [0.0, 1.0, 0.0])
    kind = model.get(ot.ListOfConstraintIndices(ot.VectorAffineFunction, ot.Nonnegatives))
    np.testing.assert_array_equal(model.get(ot.ConstraintDegeneracy(), kind), [0.0, 1.0, 0.0])
    with pytest.raises(ot.InvalidIndex):
        model.get(ot.ConstraintDegeneracy(), x[0])
