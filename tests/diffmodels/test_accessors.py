"""The functions named as in DiffOpt.jl are the attributes."""

from __future__ import annotations

import numpy as np
import pytest

import optangent as ot


@pytest.mark.parametrize(
    ("make", "solver", "name"),
    [
        (ot.diff_model, ot.solvers.HiGHS, "QuadraticDiff"),
        (ot.quadratic_diff_model, ot.solvers.PIQP, "QuadraticDiff"),
        (ot.conic_diff_model, ot.solvers.Clarabel, "ConicDiff"),
        (ot.nonlinear_diff_model, ot.solvers.HiGHS, "NonlinearDiff"),
    ],
)
def test_both_modes(make: object, solver: object, name: str) -> None:
    """Min 3x + y, x + y >= p, y <= p / 2 - 1: x = p / 2 + 1, f* = 2p + 2."""
    model = make(solver)  # type: ignore[operator]
    x, y, p = model.add_variable(), model.add_variable(), model.add_parameter(4.0)
    c = model.add_constraint(x + y >= p)
    d = model.add_constraint(y <= 0.5 * p - 1.0)
    model.minimize(3 * x + y)
    model.optimize()
    assert model.value([x, y]) == pytest.approx([3.0, 1.0])
    ot.set_forward_parameter(model, p, 2.0)
    assert ot.get_forward_parameter(model, p) == 2.0
    ot.set_forward_objective_function(model, 1.0 * x)
    ot.set_forward_constraint_function(model, c, 0.5 * x)
    model.forward_differentiate()
    assert name in repr(model.meta_solver.derivative().name)
    # x + y + 0.5 t x = p + 2t, y = p / 2 - 1 + t: dx = 1 - 1.5 = -0.5; df = 3 dx + dy + x
    assert ot.get_forward_variable(model, x) == pytest.approx(-0.5)
    assert ot.get_forward_objective(model) == pytest.approx(-1.5 + 1.0 + 3.0)
    assert ot.get_forward_constraint_dual(model, c) == pytest.approx(1.0 - 1.5)
    ot.set_reverse_variable(model, x, 1.0)
    ot.set_reverse_objective(model, 0.5)
    ot.set_reverse_constraint_dual(model, d, 0.0)
    model.reverse_differentiate()
    assert ot.get_reverse_parameter(model, p) == pytest.approx(0.5 + 1.0)
    assert ot.get_reverse_objective_function(model).coefficient(x) == pytest.approx(0.5 * 3.0)
    assert ot.get_reverse_constraint_function(model, c).coefficient(x) == pytest.approx(-(1.0 + 0.5 * 3.0) * 3.0)
    assert np.isfinite(ot.get_reverse_constraint_function(model, d).constant)
