"""Inaccurate solutions: refined and differentiated with a warning, or refused unless the user allows them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optangent as ot

from .oracle import conic_program

ENOUGH = 3
"""Iterations of SCS from which Newton's method finds the solution of the program below."""


def stopped(cone: Any, seed: int, iterations: int) -> tuple[ot.Model, Any]:
    """A program that SCS leaves early, with a tangent."""
    p = conic_program(cone, seed, "min")
    model, v, _ = p.build(lambda: ot.solvers.SCS(max_iters=iterations))
    model.optimize()
    assert model.get(ot.TerminationStatus()) is ot.TerminationStatusCode.ITERATION_LIMIT
    model.set(ot.ForwardObjectiveFunction(), 1.0 * v[0])
    return model, v


def without_solution() -> tuple[ot.Model, Any]:
    """A program without feasible points, which SCS leaves before it knows: nothing can be refined to a solution."""
    model = ot.Model(ot.diff_optimizer(lambda: ot.solvers.SCS(max_iters=2)))
    v = model.add_variables(3)
    model.add_constraint(1.0 * v, ot.SecondOrderCone(3))
    model.add_constraint(v[0] + 0.1 * v[1] <= -1.0)
    model.minimize(0.5 * (v @ v) + v[2])
    model.optimize()
    assert model.get(ot.TerminationStatus()) is ot.TerminationStatusCode.ITERATION_LIMIT
    model.set(ot.ForwardObjectiveFunction(), 1.0 * v[0])
    return model, v


def test_a_refined_solution_is_differentiated() -> None:
    """The warning tells the residuals before and after, and the derivatives are those of an accurate solve."""
    model, v = stopped(ot.SecondOrderCone(4), 0, ENOUGH)
    with pytest.warns(ot.DifferentiationWarning, match=r"ITERATION_LIMIT.*residuals were .* after refinement"):
        model.forward_differentiate()
    before, after = model.get(ot.SolutionRefinement())
    assert before > 1e-4 and after <= 1e-12
    exact, w, _ = conic_program(ot.SecondOrderCone(4), 0, "min").build(lambda: ot.solvers.SCS(eps_abs=1e-9))
    exact.optimize()
    exact.set(ot.ForwardObjectiveFunction(), 1.0 * w[0])
    exact.forward_differentiate()
    found, wanted = (m.get(ot.ForwardVariablePrimal(), u) for m, u in ((model, v), (exact, w)))
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-11)


def test_the_gain_of_an_accurate_solution() -> None:
    """An accurate solution is refined without a warning, and the gain is told; not before a differentiation."""
    model, v, _ = conic_program(ot.ExponentialCone(), 0, "min").build(lambda: ot.solvers.SCS(eps_abs=1e-6))
    model.optimize()
    with pytest.raises(ot.NotOptimized, match="differentiate"):
        model.get(ot.SolutionRefinement())
    model.set(ot.ForwardObjectiveFunction(), 1.0 * v[0])
    model.forward_differentiate()
    before, after = model.get(ot.SolutionRefinement())
    assert after <= 1e-12 and before > 100.0 * after


def test_a_solution_that_cannot_be_refined_needs_leave() -> None:
    """It is refused in words with its residuals; with `AllowInaccurateSolution` it warns and derivatives are finite."""
    model, v = without_solution()
    with pytest.raises(ot.DifferentiationError, match=r"residuals are .*AllowInaccurateSolution"):
        model.forward_differentiate()
    model.set(ot.AllowInaccurateSolution(), True)
    with pytest.warns(ot.DifferentiationWarning, match="derivatives are not accurate"):
        model.forward_differentiate()
    assert np.isfinite(model.get(ot.ForwardVariablePrimal(), v)).all()
    assert model.get(ot.SolutionRefinement()).after > 1e-6
    model.set(ot.AllowInaccurateSolution(), False)
    with pytest.raises(ot.DifferentiationError, match="not accurate enough"):
        model.forward_differentiate()


@pytest.mark.parametrize("solver", [ot.solvers.HiGHS, ot.solvers.OSQP, ot.solvers.Clarabel])
def test_a_row_that_a_solver_cannot_tell_from_another_is_not_active(solver: Any) -> None:
    """Of x >= 1 - 1e-8 and x >= p = 1, equal within the solvers' tolerance, the second alone makes the derivative."""
    model = ot.Model(ot.diff_optimizer(solver))
    v, p = model.add_variables(1), model.add_parameter(1.0)
    (x,) = v
    model.add_constraint(1.0 * x >= 1.0 - 1e-8)
    model.add_constraint(x - p >= 0.0)
    model.minimize(2.0 * x)
    places = []
    for value in (1.0 + 1e-9, 1.0 - 1e-9, 1.0):
        model.set_parameter_value(p, value)
        model.optimize()
        model.set(ot.ForwardParameterValue(), p, 1.0)
        model.forward_differentiate()
        places.append(float(model.meta_solver.polished(v)[0]))
        assert model.get(ot.DifferentiationStatus()) is ot.DifferentiationStatusCode.EXACT
    assert model.get(ot.ForwardVariablePrimal(), x) == pytest.approx((places[0] - places[1]) / 2e-9, rel=1e-6)
    assert model.get(ot.ForwardVariablePrimal(), x) == pytest.approx(1.0, rel=1e-12)
    model.set(ot.ReverseVariablePrimal(), x, 1.0)
    model.reverse_differentiate()
    assert model.get(ot.ReverseParameterValue(), p) == pytest.approx(1.0, rel=1e-12)
