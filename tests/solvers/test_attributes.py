"""Attributes of solvers that are common to several: versions, limits, tolerances, counts."""

from __future__ import annotations

import importlib.metadata
from typing import Any

import numpy as np
import pytest

import optangent as ot

from .problems import EVERY

TAKEN = {
    ot.AbsoluteGapTolerance: {"HiGHS": "mip_abs_gap", "Clarabel": "tol_gap_abs", "PIQP": "eps_duality_gap_abs"},
    ot.RelativeGapTolerance: {"HiGHS": "mip_rel_gap", "Clarabel": "tol_gap_rel", "PIQP": "eps_duality_gap_rel"},
    ot.NodeLimit: {"HiGHS": "mip_max_nodes"},
    ot.SolutionLimit: {"HiGHS": "mip_max_improving_sols"},
}
"""Who takes an option, and its name there."""
VALUES = {ot.AbsoluteGapTolerance: 1e-3, ot.RelativeGapTolerance: 1e-2, ot.NodeLimit: 7, ot.SolutionLimit: 2}
Codes = ot.TerminationStatusCode


def knapsack(columns: int = 40) -> ot.Model:
    """A mixed-integer program that needs branch and bound."""
    rng = np.random.default_rng(5)
    model = ot.Model(lambda: ot.solvers.HiGHS(presolve="off", mip_heuristic_effort=0.0))
    x = [model.add_variable(binary=True) for _ in range(columns)]
    A, q = rng.uniform(0.2, 1.0, (6, columns)), rng.uniform(0.5, 1.5, columns)
    model.add_constraint(A @ ot.vectorize(x) <= 0.3 * A.sum(axis=1))
    model.maximize(q @ ot.vectorize(x))
    return model


def linear(solver: Any) -> tuple[ot.Model, Any]:
    """A linear program."""
    model = ot.Model(solver)
    x = model.add_variable(lower=1.0, upper=2.0)
    model.minimize(3.0 * x)
    return model, x


@EVERY
def test_version(solver: Any) -> None:
    """The version of the library that is installed, which cannot be set."""
    model, _ = linear(solver)
    assert model.get(ot.SolverVersion()) == importlib.metadata.version(solver.library)
    with pytest.raises(ot.UnsupportedAttribute):
        model.set(ot.SolverVersion(), "1")
    assert ot.Model(solver).get(ot.SolverName()) == solver.name


def test_a_solver_without_a_library_has_no_version() -> None:
    """Where a wrapper names no distribution, or one that is not there, that is said."""
    for library in ("", "no-such-distribution"):
        declared = {"name": "Bare", "library": library, "abilities": ot.solvers.Clarabel.abilities}
        kind = type("Bare", (ot.solvers.Solver,), declared)
        kind.__abstractmethods__ = frozenset()
        with pytest.raises(ot.UnsupportedAttribute, match="Bare"):
            ot.Model(kind).get(ot.SolverVersion())


@pytest.mark.parametrize("option", TAKEN, ids=lambda a: a.__name__)
@EVERY
def test_options_reach_the_library(solver: Any, option: Any) -> None:
    """An option is the library's of the recorded name, can be taken back, and is refused in words elsewhere."""
    model, x = linear(solver)
    inner = model.meta_solver.optimizer
    default = inner.effective_options().get(TAKEN[option].get(solver.name))
    if solver.name not in TAKEN[option]:
        assert not model.supports(option())
        with pytest.raises(ot.UnsupportedAttribute, match=solver.name):
            model.set(option(), VALUES[option])
        return
    assert model.supports(option()) and model.get(option()) is None
    model.set(option(), VALUES[option])
    assert model.get(option()) == VALUES[option] == inner.effective_options()[TAKEN[option][solver.name]]
    assert option() in model.get(ot.ListOfOptimizerAttributesSet())
    model.optimize()
    assert model.value(x) == pytest.approx(1.0, abs=0.05)
    for wrong in (-1, "many", float("nan"), float("inf"), True):
        with pytest.raises(ot.InvalidData, match=option.__name__):
            model.set(option(), wrong)
    model.set(option(), None)
    assert inner.effective_options().get(TAKEN[option][solver.name]) == default
    assert option() not in model.get(ot.ListOfOptimizerAttributesSet())
    model.optimize()
    assert model.value(x) == pytest.approx(1.0, abs=1e-6)


def test_limits_of_branch_and_bound() -> None:
    """Nodes and solutions are counted and limited; the gap tolerance stops early, with bound and gap to show."""
    model = knapsack()
    model.optimize()
    best, nodes = model.objective_value(), model.get(ot.NodeCount())
    assert model.termination_status() is Codes.OPTIMAL and nodes > 20 and isinstance(nodes, int)
    model.set(ot.NodeLimit(), 1)
    model.optimize()
    assert model.termination_status() is Codes.NODE_LIMIT and model.get(ot.NodeCount()) < nodes
    assert model.get(ot.ObjectiveBound()) >= best - 1e-9
    model.set(ot.NodeLimit(), None)
    model.set(ot.SolutionLimit(), 1)
    model.optimize()
    assert model.termination_status() is Codes.SOLUTION_LIMIT and model.get(ot.ResultCount()) == 1
    model.set(ot.SolutionLimit(), None)
    model.set(ot.RelativeGapTolerance(), 0.5)
    model.optimize()
    assert model.termination_status() is Codes.OPTIMAL and model.get(ot.NodeCount()) < nodes
    assert 0.0 <= model.get(ot.RelativeGap()) <= 0.5 and model.get(ot.ObjectiveBound()) >= best - 1e-9
    model.set(ot.RelativeGapTolerance(), None)
    model.optimize()
    assert model.objective_value() == pytest.approx(best)


@EVERY
def test_counts_of_a_continuous_solve(solver: Any) -> None:
    """One result of an optimum, none before; nodes are counted in branch and bound only; iterations and seconds are."""
    model, x = linear(solver)
    assert model.get(ot.ResultCount()) == 0
    model.optimize()
    assert model.get(ot.ResultCount()) == 1
    with pytest.raises(ot.UnsupportedAttribute, match="NodeCount"):
        model.get(ot.NodeCount())
    assert model.get(ot.SolveTimeSec()) >= 0.0
    assert model.get(ot.SimplexIterations() if solver.name == "HiGHS" else ot.BarrierIterations()) >= 0
    model.add_constraint(1.0 * x <= 0.5)
    assert model.get(ot.ResultCount()) == 0
    model.optimize()
    assert model.get(ot.ResultCount()) == int(model.get(ot.DualStatus()) is not ot.ResultStatusCode.NO_SOLUTION)


def test_lists_of_what_was_set() -> None:
    """Attributes of the model, of variables, of constraints of a kind, and of the optimizer, seeds included."""
    model = ot.Model(ot.diff_optimizer(lambda: ot.solvers.HiGHS(presolve="off")))
    linear_kind = (ot.ScalarAffineFunction, ot.LessThan)
    assert model.get(ot.ListOfModelAttributesSet()) == model.get(ot.ListOfVariableAttributesSet()) == []
    assert model.get(ot.ListOfConstraintAttributesSet(*linear_kind)) == []
    assert model.get(ot.ListOfOptimizerAttributesSet()) == [ot.RawOptimizerAttribute("presolve")]
    x, y = model.add_variable("x", start=1.0), model.add_variable()
    c, d = model.add_constraint(x + y <= 1, name="c"), model.add_constraint(x - y >= -3)
    model.maximize(x - y * y)
    model.set(ot.Name(), "m")
    model.set(ot.TimeLimitSec(), 10.0)
    model.set(ot.AllowInaccurateSolution(), True)
    model.set(ot.ReverseVariablePrimal(), x, 1.0)
    model.set(ot.ReverseConstraintDual(), d, 1.0)
    assert set(model.get(ot.ListOfModelAttributesSet())) == {ot.ObjectiveSense(), ot.ObjectiveFunction(), ot.Name()}
    assert set(model.get(ot.ListOfVariableAttributesSet())) == {
        *(ot.VariableName(), ot.VariablePrimalStart(), ot.ReverseVariablePrimal())
    }
    assert model.get(ot.ListOfConstraintAttributesSet(*linear_kind)) == [ot.ConstraintName()]
    assert model.get(ot.ListOfConstraintAttributesSet(*d.kind)) == [ot.ReverseConstraintDual()]
    assert set(model.get(ot.ListOfOptimizerAttributesSet())) == {
        *(ot.RawOptimizerAttribute("presolve"), ot.TimeLimitSec(), ot.AllowInaccurateSolution())
    }
    model.set(ot.TimeLimitSec(), None)
    model.set(ot.ConstraintName(), c, "")
    model.empty_input_sensitivities()
    assert ot.TimeLimitSec() not in model.get(ot.ListOfOptimizerAttributesSet())
    assert model.get(ot.ListOfConstraintAttributesSet(*linear_kind)) == []
    assert ot.ReverseVariablePrimal() not in model.get(ot.ListOfVariableAttributesSet())
    for attribute in (ot.ListOfModelAttributesSet(), ot.ListOfOptimizerAttributesSet(), ot.NodeCount()):
        with pytest.raises(ot.UnsupportedAttribute):
            model.set(attribute, [])


def test_a_missing_dual_of_an_integer_model() -> None:
    """It says that integer models have none, and names no solver's status."""
    for limits in ({"integer": True, "upper": 2.5}, {"binary": True}):
        model = ot.Model(ot.solvers.HiGHS)
        x = model.add_variable(**limits)
        c = model.add_constraint(2.0 * x <= 7)
        model.maximize(1.0 * x)
        model.optimize()
        with pytest.raises(ot.NotOptimized, match=r"integer variables.*no duals"):
            model.dual(c)
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    v = model.add_variables(2, lower=0.0, upper=1.0)
    s = model.add_constraint(v, ot.SOS1([1.0, 2.0]))
    model.maximize(v.sum())
    model.optimize()
    with pytest.raises(ot.NotOptimized, match="no duals"):
        model.dual(s)
    with pytest.raises(ot.DifferentiationError, match="integer"):
        model.reverse_differentiate()
