"""A quadratic objective as it changes between solves: values, duals, rays, and what is not convex."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import optangent as ot

MIN, MAX, NONE = (
    ot.ObjectiveSenseCode.MIN_SENSE,
    ot.ObjectiveSenseCode.MAX_SENSE,
    ot.ObjectiveSenseCode.FEASIBILITY_SENSE,
)
OPTIMAL = ot.TerminationStatusCode.OPTIMAL
SOLVERS: list[tuple[Any, dict[str, float]]] = [
    (ot.solvers.Clarabel, {"tol_gap_abs": 1e-13, "tol_gap_rel": 1e-13, "tol_feas": 1e-13}),
    (ot.solvers.SCS, {"eps_abs": 1e-11, "eps_rel": 1e-11}),
]


@pytest.mark.parametrize(("solver", "options"), SOLVERS, ids=["Clarabel", "SCS"])
def test_solving_again_after_changes(solver: Any, options: dict[str, float]) -> None:
    """After every kind of change the answer is the new one; between a change and `optimize` there is none."""
    model = ot.Model(lambda: solver(**options))
    x, y = model.add_variables(2)
    row = model.add_constraint(x + y, ot.GreaterThan(2.0))

    def check(objective: float, at: list[float]) -> None:
        with pytest.raises(ot.NotOptimized):
            model.objective_value()
        model.optimize()
        assert model.get(ot.TerminationStatus()) == OPTIMAL
        assert model.objective_value() == pytest.approx(objective, abs=1e-7)
        np.testing.assert_allclose(model.value(ot.VectorOfVariables([x, y])), at, atol=1e-5)

    model.minimize(x * x + y * y)
    check(2.0, [1.0, 1.0])
    assert model.dual(row) == pytest.approx(2.0, abs=1e-6)
    model.modify(ot.ObjectiveFunction(), ot.ScalarConstantChange(5.0))
    check(7.0, [1.0, 1.0])
    model.modify(ot.ObjectiveFunction(), ot.ScalarQuadraticCoefficientChange(y, y, 3.0))
    check(8.0, [1.5, 0.5])
    model.modify(ot.ObjectiveFunction(), ot.ScalarCoefficientChange(x, -10.0))
    check(-20.0, [5.0, 0.0])
    model.maximize(-1.0 * x * x - y * y)
    check(-2.0, [1.0, 1.0])
    assert model.dual(row) == pytest.approx(2.0, abs=1e-6)
    bound = model.add_constraint(x + 2.0 * y, ot.LessThan(2.0))
    check(-4.0, [2.0, 0.0])
    model.delete(bound)
    check(-2.0, [1.0, 1.0])
    model.set(ot.ObjectiveSense(), NONE)
    model.optimize()
    assert model.value(x) + model.value(y) >= 2.0 - 1e-7
    model.minimize(x * x + y)
    model.add_constraint(y, ot.GreaterThan(0.0))
    check(1.75, [0.5, 1.5])
    model.minimize(3.0 * x + 4.0 * y)
    model.add_constraint(x, ot.LessThan(1.0))
    check(7.0, [1.0, 1.0])
    model.minimize(x * x + y * y + 1.0)
    check(3.0, [1.0, 1.0])
    model.delete(x)
    model.optimize()
    assert model.objective_value() == pytest.approx(5.0, abs=1e-7)


@pytest.mark.parametrize("sense", [MIN, MAX], ids=["min", "max"])
def test_a_nonconvex_objective_is_refused_in_words(sense: Any) -> None:
    """By `optimize`, as by a solver that takes quadratic objectives; nothing of it stays, and the model goes on."""
    words = {MIN: "needs .* convex to be minimized", MAX: "needs .* concave to be maximized"}
    sign = 1.0 if sense is MIN else -1.0
    for solver, _ in SOLVERS:
        model = ot.Model(solver)
        x, y = model.add_variables(2)
        model.add_constraint(ot.vectorize([1.0 * x, 1.0 * y]), ot.HyperRectangle([-1.0, -1.0], [2.0, 2.0]))
        model.set(ot.ObjectiveSense(), sense)
        for bad in (x * y, -1.0 * x * x, x * x - y * y):
            model.set(ot.ObjectiveFunction(), sign * bad)
            for _ in range(2):
                with pytest.raises(ot.NonconvexObjective, match=f"{solver.name} {words[sense]}"):
                    model.optimize()
            assert model.get(ot.TerminationStatus()) == ot.TerminationStatusCode.OPTIMIZE_NOT_CALLED
        model.set(ot.ObjectiveFunction(), sign * (x * x - 2.0 * x))
        model.optimize()
        assert model.objective_value() == pytest.approx(-sign, abs=1e-7)


def test_sense_and_function_may_change_one_after_the_other() -> None:
    """On the way the old function under the new sense is not convex, and nobody minds."""
    model = ot.Model(ot.solvers.Clarabel)
    x = model.add_variable()
    model.minimize(x * x - 2.0 * x)
    model.optimize()
    model.set(ot.ObjectiveSense(), MAX)
    model.set(ot.ObjectiveFunction(), -1.0 * x * x + 4.0 * x)
    model.optimize()
    assert model.objective_value() == pytest.approx(4.0, abs=1e-7)
    model.set(ot.ObjectiveFunction(), x * x)
    model.set(ot.ObjectiveSense(), MIN)
    model.optimize()
    assert model.objective_value() == pytest.approx(0.0, abs=1e-7)


@pytest.mark.parametrize(("solver", "options"), SOLVERS, ids=["Clarabel", "SCS"])
def test_rays_and_infeasible_models(solver: Any, options: dict[str, float]) -> None:
    """An unbounded model has a ray whose objective is the linear part; an infeasible one no objective."""
    model = ot.Model(lambda: solver(**options))
    x, y = model.add_variables(2)
    low = model.add_constraint(y, ot.GreaterThan(0.0))
    model.minimize(x * x + x - 2.0 * y + 5.0)
    model.optimize()
    assert model.get(ot.TerminationStatus()) == ot.TerminationStatusCode.DUAL_INFEASIBLE
    assert model.get(ot.PrimalStatus()) == ot.ResultStatusCode.INFEASIBILITY_CERTIFICATE
    expected = model.value(x) - 2.0 * model.value(y)
    assert model.objective_value() == pytest.approx(expected, rel=1e-9) and expected < 0.0
    high = model.add_constraint(2.0 * y, ot.LessThan(-1.0))
    model.optimize()
    assert model.get(ot.TerminationStatus()) == ot.TerminationStatusCode.INFEASIBLE
    assert model.dual(low) > 0.0 > model.dual(high)
    with pytest.raises(ot.NotOptimized):
        model.objective_value()


def test_a_solver_without_quadratic_objectives_refuses_them() -> None:
    """When it is set, naming the solver; the objective before it stays, and a list of solvers finds one that does."""

    class Linear(ot.solvers.Clarabel):  # type: ignore[misc]
        name = "Linear"
        abilities = replace(ot.solvers.Clarabel.abilities, quadratic_objective=False)

    model = ot.Model(Linear)
    x = model.add_variable(lower=1.0)
    model.minimize(2.0 * x)
    with pytest.raises(ot.UnsupportedObjective, match="Linear takes no ScalarQuadraticFunction"):
        model.minimize(x * x)
    model.optimize()
    assert model.objective_value() == pytest.approx(2.0, abs=1e-6)
    model.meta_solver.reset_optimizer(Linear(), ot.solvers.Clarabel())
    model.minimize(3.0 * x * x)
    model.optimize()
    assert model.objective_value() == pytest.approx(3.0, abs=1e-6)
    assert model.get(ot.SolverName()) == "Clarabel"
    model.meta_solver.reset_optimizer(Linear())
    for _ in range(2):
        with pytest.raises(ot.UnsupportedObjective, match="Linear takes no ScalarQuadraticFunction"):
            model.optimize()
