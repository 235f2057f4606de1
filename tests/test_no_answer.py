"""Models and moments without an answer: values and derivatives are refused in words, and the next solve is right."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

import optangent as ot

from .fake_solver import Fake
from .known_model import EACH_SOLVER, Model

Codes = ot.TerminationStatusCode

# ---------------------------------------------------------------------- convexity
NONCONVEX: dict[str, Callable[[Model], tuple[Any, bool]]] = {
    "concave": (lambda k: (-0.5 * k.x * k.x + k.y, True)),
    "indefinite": (lambda k: (0.5 * k.x * k.x + 3 * k.x * k.y + 0.5 * k.y * k.y, True)),
    "eigenvalue -1e-5": (lambda k: (k.x * k.x - 0.5e-5 * k.y * k.y, True)),
    "maximum of a convex function": (lambda k: (k.x * k.x + k.y, False)),
}


@EACH_SOLVER
@pytest.mark.parametrize("case", NONCONVEX)
def test_nonconvex_objectives_are_refused(solver: str, case: str) -> None:
    """Every solver refuses before it runs; a convex objective afterwards gives the old answer."""
    model = Model(solver)
    before = model.answer()
    function, minimized = NONCONVEX[case](model)
    (model.m.minimize if minimized else model.m.maximize)(function)
    with pytest.raises(
        ot.NonconvexObjective, match="convex to be minimized" if minimized else "concave to be maximized"
    ):
        model.m.optimize()
    assert model.m.termination_status() is Codes.OPTIMIZE_NOT_CALLED
    with pytest.raises(ot.DifferentiationError, match="optimize"):
        model.m.reverse_differentiate()
    model.state_objective()
    assert model.answer() == pytest.approx(before, rel=1e-5, abs=1e-6)


def test_a_solver_that_takes_anything_is_not_asked() -> None:
    """The model does not trust a solver that would let a nonconvex objective pass, however often it is asked."""
    solver = Fake()
    model = ot.Model(ot.diff_optimizer(lambda: solver))
    x = model.add_variable(lower=0.0)
    model.minimize(-1.0 * x * x)
    for _ in range(2):
        with pytest.raises(ot.NonconvexObjective, match="convex to be minimized"):
            model.optimize()
        with pytest.raises(ot.DifferentiationError, match="optimize"):
            model.forward_differentiate()
    assert solver.calls == []


# ---------------------------------------------------------------------- too early, too late
@EACH_SOLVER
def test_asking_too_early(solver: str) -> None:
    """Results and derivatives do not exist before a solve, nor after a change, nor before differentiation."""
    k = Model(solver)
    before = k.answer()
    changes: list[Callable[[Model], Any]] = [
        lambda k: k.m.set(ot.ConstraintSet(), k.row, ot.EqualTo(1.2)),
        lambda k: k.m.modify(k.row, ot.ScalarCoefficientChange(k.x, 1.5)),
        lambda k: k.m.set_parameter_value(k.p, 2.0),
        lambda k: k.m.add_constraint(k.x + k.y <= 9),
        lambda k: k.m.add_variable(lower=1.0, upper=1.0),
        lambda k: k.m.add_variables(1, lower=1.0, upper=1.0),
        lambda k: k.state_objective(),
        lambda k: k.m.set(ot.TimeLimitSec(), 99.0),
    ]
    for change in changes:
        change(k)
        questions: list[Callable[[], Any]] = [
            lambda: k.m.value(k.x),
            lambda: k.m.value(k.x + k.y),
            lambda: k.m.dual(k.row),
            lambda: k.m.objective_value(),
            lambda: k.m.get(ot.DualObjectiveValue()),
            lambda: k.m.get(ot.SolveTimeSec()),
            lambda: k.m.get(ot.ForwardVariablePrimal(), k.x),
            lambda: k.m.get(ot.ReverseConstraintFunction(), k.row),
            lambda: k.m.get(ot.ReverseObjectiveFunction()),
        ]
        for question in questions:
            with pytest.raises(ot.NotOptimized, match=r"optimize|differentiate"):
                question()
        for differentiate in (k.m.forward_differentiate, k.m.reverse_differentiate):
            with pytest.raises(ot.DifferentiationError, match=r"optimize\(\) first"):
                differentiate()
        assert k.m.get(ot.PrimalStatus()) is ot.ResultStatusCode.NO_SOLUTION
        k.m.optimize()
        assert math.isfinite(k.m.value(k.x))
    k.m.modify(k.row, ot.ScalarCoefficientChange(k.x, 1.0))
    k.m.set(ot.ConstraintSet(), k.row, ot.EqualTo(1.1))
    k.m.set_parameter_value(k.p, 1.0)
    assert k.answer() == pytest.approx(before, rel=1e-5, abs=1e-6)


@EACH_SOLVER
def test_an_infeasible_model_has_no_derivative(solver: str) -> None:
    """After an infeasible solve values and derivatives are refused; feasible again, all is well."""
    k = Model(solver)
    before = k.answer()
    extra = k.m.add_constraint(k.x + k.y >= 5)
    k.m.optimize()
    assert k.m.termination_status() is Codes.INFEASIBLE
    k.m.set(ot.ReverseVariablePrimal(), k.x, 1.0)
    with pytest.raises(ot.DifferentiationError, match="INFEASIBLE"):
        k.m.reverse_differentiate()
    with pytest.raises(ot.NotOptimized, match="INFEASIBLE"):
        k.m.value(k.x)
    k.m.delete(extra)
    assert k.answer() == pytest.approx(before, rel=1e-5, abs=1e-6)


@EACH_SOLVER
def test_an_unbounded_model_has_no_derivative(solver: str) -> None:
    """After an unbounded solve derivatives are refused too."""
    model = ot.Model(ot.diff_optimizer(getattr(ot.solvers, solver)))
    x = model.add_variable(lower=0.0)
    model.maximize(x)
    model.optimize()
    assert model.termination_status() in (Codes.DUAL_INFEASIBLE, Codes.INFEASIBLE_OR_UNBOUNDED)
    with pytest.raises(ot.DifferentiationError, match="INFEASIBLE"):
        model.forward_differentiate()


def test_whole_variables_have_no_derivative() -> None:
    """A mixed-integer model is solved, not differentiated."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    x = model.add_variable(integer=True)
    model.add_constraint(2 * x >= 3)
    model.minimize(x)
    model.optimize()
    assert model.value(x) == pytest.approx(2.0, abs=1e-9)
    with pytest.raises(ot.DifferentiationError, match="integer"):
        model.forward_differentiate()


@pytest.mark.parametrize("solver", ["OSQP", "Clarabel"])
def test_whole_variables_need_a_solver_for_them(solver: str) -> None:
    """A continuous solver refuses integrality, naming itself, and the model stays."""
    k = Model(solver)
    before = k.answer()
    with pytest.raises(ot.UnsupportedConstraint, match=f"VariableIndex-in-Integer is not supported by {solver}"):
        k.m.add_constraint(k.x, ot.Integer())
    assert k.answer() == pytest.approx(before, rel=1e-5, abs=1e-6)
