"""A change in place gives what a cold model with the changed data gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.modelkit.functions import VariableIndex

from .problems import EVERY, ITERATIONS, SOLVERS, noted_calls

OBJECTIVE = ot.ObjectiveFunction()


class Built:
    """A small QP with rows one by one or in vectors: four rows, three variables with bounds, strictly convex."""

    def __init__(self, solver: Any, scalar: bool = True) -> None:
        self.model: Any = ot.MetaSolver(solver(), differentiates=False)
        m: Any = self.model
        self.v = v = m.add_variables(3)
        rows = [1.0 * v[0] + v[1] + v[2], 1.0 * v[0] - v[1] + 1.0, 2.0 * v[0] + v[2]]
        if scalar:
            sets = [ot.GreaterThan(2.0), ot.EqualTo(0.5), ot.Interval(-1.0, 4.0)]
            self.c = [m.add_constraint(f, s) for f, s in zip(rows, sets, strict=True)]
        else:
            zero = ot.vectorize([rows[1] - 0.5])
            cone = ot.vectorize([rows[0] - 2.0, rows[2] + 1.0, 4.0 - rows[2]])
            self.c = [m.add_constraint(zero, ot.Zeros(1)), m.add_constraint(cone, ot.Nonnegatives(3))]
        self.b = [m.add_constraint(v[0], ot.GreaterThan(-5.0)), m.add_constraint(v[0], ot.LessThan(5.0))]
        self.b += [m.add_constraint(v[1], ot.Interval(-5.0, 5.0))]
        m.set(ot.ObjectiveSense(), ot.ObjectiveSenseCode.MIN_SENSE)
        self.f = v[0] * v[0] + 2 * (v[1] * v[1]) + 0.5 * (v[2] * v[2]) + v[0] * v[1] + v[0] - v[2] + 3.0
        m.set(OBJECTIVE, self.f)


SCALAR: dict[str, Callable[[Built], Any]] = {
    "right-hand side": lambda t: t.model.set(ot.ConstraintSet(), t.c[0], ot.GreaterThan(3.0)),
    "interval": lambda t: t.model.set(ot.ConstraintSet(), t.c[2], ot.Interval(-np.inf, 1.75)),
    "several sets": lambda t: t.model.set(ot.ConstraintSet(), [t.c[0]], [ot.GreaterThan(3.5)]),
    "function constant": lambda t: t.model.modify(t.c[0], ot.ScalarConstantChange(-1.5)),
    "coefficient": lambda t: t.model.modify(t.c[0], ot.ScalarCoefficientChange(t.v[2], 3.0)),
    "new coefficient": lambda t: t.model.modify(t.c[1], ot.ScalarCoefficientChange(t.v[2], 3.0)),
    "coefficient to zero": lambda t: t.model.modify(t.c[0], ot.ScalarCoefficientChange(t.v[2], 0.0)),
    "two at once": lambda t: t.model.modify(
        t.c[0], [ot.ScalarCoefficientChange(t.v[2], 3.0), ot.ScalarConstantChange(-2.0)]
    ),
    "whole function": lambda t: t.model.set(ot.ConstraintFunction(), t.c[0], 3.0 * t.v[1] + 2.0 * t.v[2] + 0.25),
    "add a row": lambda t: t.model.add_constraint(1.0 * t.v[2], ot.LessThan(-1.0)),
    "add a variable and a row": lambda t: t.model.add_constraint(
        1.0 * t.model.add_variable() + t.v[0] + t.v[1] + t.v[2], ot.EqualTo(7.0)
    ),
    "delete a row": lambda t: t.model.delete(t.c[0]),
}
VECTOR: dict[str, Callable[[Built], Any]] = {
    "vector constant": lambda t: t.model.modify(t.c[1], ot.VectorConstantChange(np.array([-3.0, 1.0, 4.0]))),
    "multirow": lambda t: t.model.modify(t.c[1], ot.MultirowChange(t.v[2], [(0, 3.0), (1, 0.5)])),
    "new multirow entry": lambda t: t.model.modify(t.c[1], ot.MultirowChange(t.v[1], [(1, 3.0)])),
    "whole vector function": lambda t: t.model.set(
        ot.ConstraintFunction(), t.c[0], ot.vectorize([3.0 * t.v[1] + 2.0 * t.v[2] + 0.25])
    ),
    "add a cone": lambda t: t.model.add_constraint(ot.vectorize([-1.0 - t.v[2]]), ot.Nonnegatives(1)),
    "delete a cone": lambda t: t.model.delete(t.c[1]),
}
BOUNDS: dict[str, Callable[[Built], Any]] = {
    "lower bound": lambda t: t.model.set(ot.ConstraintSet(), t.b[0], ot.GreaterThan(1.0)),
    "upper bound": lambda t: t.model.set(ot.ConstraintSet(), t.b[1], ot.LessThan(-1.0)),
    "both bounds": lambda t: t.model.set(ot.ConstraintSet(), t.b[2], ot.Interval(1.5, 1.5)),
    "new bound": lambda t: t.model.add_constraint(t.v[2], ot.LessThan(-1.0)),
    "new bounded variable": lambda t: t.model.add_constrained_variable(ot.GreaterThan(1.0)),
    "delete a bound": lambda t: t.model.delete(t.b[0]),
}
COMMON: dict[str, Callable[[Built], Any]] = {
    "cost": lambda t: t.model.modify(OBJECTIVE, ot.ScalarCoefficientChange(t.v[0], -4.0)),
    "objective constant": lambda t: t.model.modify(OBJECTIVE, ot.ScalarConstantChange(10.0)),
    "square": lambda t: t.model.modify(OBJECTIVE, ot.ScalarQuadraticCoefficientChange(t.v[0], t.v[0], 3.0)),
    "product": lambda t: t.model.modify(OBJECTIVE, ot.ScalarQuadraticCoefficientChange(t.v[0], t.v[1], 0.5)),
    "new product": lambda t: t.model.modify(OBJECTIVE, ot.ScalarQuadraticCoefficientChange(t.v[1], t.v[2], 0.5)),
    "objective": lambda t: t.model.set(OBJECTIVE, t.v @ t.v),
    "sense": lambda t: (
        t.model.set(OBJECTIVE, -1.0 * t.f),
        t.model.set(ot.ObjectiveSense(), ot.ObjectiveSenseCode.MAX_SENSE),
    ),
    "no objective, then one": lambda t: (
        t.model.set(ot.ObjectiveSense(), ot.ObjectiveSenseCode.FEASIBILITY_SENSE),
        t.model.optimize(),
        t.model.set(ot.ObjectiveSense(), ot.ObjectiveSenseCode.MIN_SENSE),
        t.model.set(OBJECTIVE, t.f),
    ),
}
ALL = {
    (solver.name, name): (solver, kinds is not VECTOR, change)
    for solver in SOLVERS
    for kinds in (SCALAR, VECTOR, BOUNDS, COMMON)
    for name, change in kinds.items()
}
LOADS_ANEW = ("delete", "add", "new")
"""First words of changes of structure; HiGHS takes them in place, but for the next."""
OTHER_UNITS = ("add", "new bounded variable", "no objective")
"""Growing quadratic programs, and linear ones that become quadratic, are stated to HiGHS in units of their own."""
MAY_KEEP = ("whole", "objective", "coefficient to zero", "no objective")
"""Changes that may or may not keep a pattern."""
OTHER_SIDES = ("interval", "both bounds")
"""Changes after which there are other rows of one side."""
ONE_SIDED = (ot.solvers.SCS, ot.solvers.Clarabel)
ANEW = (ot.solvers.PIQP, ot.solvers.DAQP)
"""Those that change nothing in place."""
SIDES_ALONE = (ot.solvers.AltDiff, ot.solvers.PDG, ot.solvers.PDHG)
"""Those that change costs and sides in place, if as many sides are there as were, and of matrices nothing."""
OTHER_MATRICES = ("coefficient", "two at once", "multirow", "square", "product")


def answer(model: Any) -> list[Any]:
    """Status, objective, all primal values and all duals."""
    values: list[Any] = [
        model.get(ot.ObjectiveValue()),
        model.get(ot.VariablePrimal(), model.get(ot.ListOfVariableIndices())),
    ]
    kinds = model.get(ot.ListOfConstraintTypesPresent())
    lists = [model.get(ot.ListOfConstraintIndices(*kind)) for kind in kinds]
    return values + [model.get(ot.ConstraintDual(), indices) for indices in lists]


@pytest.mark.parametrize("key", ALL, ids=str)
def test_in_place_equals_cold(key: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """After any change the warm model answers as a cold copy, and was not loaded anew needlessly."""
    solver, scalar, change = ALL[key]
    built = Built(solver, scalar)
    model = built.model
    model.optimize()
    assert model.get(ot.TerminationStatus()) == ot.TerminationStatusCode.OPTIMAL
    loads = noted_calls(monkeypatch, solver, "load")
    change(built)
    with pytest.raises(ot.NotOptimized, match="Call optimize"):
        model.get(ot.ObjectiveValue())
    model.optimize()
    assert model.get(ot.TerminationStatus()) == ot.TerminationStatusCode.OPTIMAL
    if solver is ot.solvers.SCS and key[1] in ("coefficient", "two at once", "multirow", "square", "product"):
        assert len(loads) == 1  # SCS factorizes anew for another matrix
    elif solver is ot.solvers.HiGHS:
        assert not loads or key[1].startswith(OTHER_UNITS)
    elif solver not in ANEW and not key[1].startswith((*LOADS_ANEW, *MAY_KEEP)):
        assert (
            not loads
            or (solver in (*ONE_SIDED, *SIDES_ALONE) and key[1] in OTHER_SIDES)
            or (solver in SIDES_ALONE and key[1] in OTHER_MATRICES)
        )
    monkeypatch.undo()
    cold = ot.MetaSolver(solver(), differentiates=False)
    model.copy_to(cold)
    cold.optimize()
    for warm_values, cold_values in zip(answer(model), answer(cold), strict=True):
        np.testing.assert_allclose(warm_values, cold_values, rtol=1e-6, atol=1e-6)


@EVERY
def test_unchanged_model_is_not_solved_again(solver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Optimize on an unchanged model keeps the result; a changed option makes it solve again."""
    built = Built(solver)
    built.model.optimize()
    solves = noted_calls(monkeypatch, solver, "run")
    built.model.optimize()
    assert not solves
    built.model.set(ot.Silent(), True)
    with pytest.raises(ot.NotOptimized):
        built.model.get(ot.ObjectiveValue())
    built.model.optimize()
    assert len(solves) == 1


@EVERY
def test_emptied_solver_takes_another_model(solver: Any) -> None:
    """After `empty` nothing of the old model is left, and options stay."""
    built = Built(solver)
    model, option = built.model, ot.RawOptimizerAttribute(ITERATIONS[solver.name][0])
    model.set(option, 5000)
    model.optimize()
    model.empty()
    assert model.is_empty()
    assert model.get(option) == 5000
    v = model.add_variables(1)
    model.set(OBJECTIVE, v[0] * v[0] - 2 * v[0])
    model.optimize()
    assert model.get(ot.VariablePrimal(), v[0]) == pytest.approx(1.0, abs=1e-6)
    assert not model.is_valid(built.v[2])


@EVERY
def test_refused_objective_leaves_the_model_usable(solver: Any) -> None:
    """A nonconvex objective is refused in words, by its curvature; a convex one then solves."""
    built = Built(solver)
    model = built.model
    model.optimize()
    model.set(OBJECTIVE, built.v[0] * built.v[1])
    with pytest.raises(ot.NonconvexObjective, match="convex to be minimized"):
        model.optimize()
    assert model.get(ot.TerminationStatus()) == ot.TerminationStatusCode.OPTIMIZE_NOT_CALLED
    model.set(ot.ObjectiveSense(), ot.ObjectiveSenseCode.MAX_SENSE)
    model.set(OBJECTIVE, built.f)
    with pytest.raises(ot.NonconvexObjective, match="concave to be maximized"):
        model.optimize()
    model.set(ot.ObjectiveSense(), ot.ObjectiveSenseCode.MIN_SENSE)
    model.optimize()
    assert model.get(ot.TerminationStatus()) == ot.TerminationStatusCode.OPTIMAL


def test_highs_linear_program_changes_keep_the_basis() -> None:
    """A solved LP with rows, columns and costs added re-solves from the old basis in few iterations."""
    rng = np.random.default_rng(0)
    A, n = rng.uniform(0, 1, (60, 80)), 80
    model = ot.MetaSolver(ot.solvers.HiGHS(), differentiates=False)
    v = model.add_variables(n)
    model.add_constraints(v, [ot.Interval(0, 1)] * n)
    c = model.add_constraints(A @ v, [ot.LessThan(b) for b in A.sum(1) * 0.3])
    model.set(ot.ObjectiveSense(), ot.ObjectiveSenseCode.MAX_SENSE)
    model.set(OBJECTIVE, rng.uniform(0.5, 1.5, n) @ v)
    model.optimize()
    first = model.get(ot.SimplexIterations())
    w = model.add_variable()
    model.add_constraint(w, ot.Interval(0, 1))
    model.add_constraint(1.0 * w + v[0] + v[1], ot.LessThan(1.5))
    model.modify(OBJECTIVE, ot.ScalarCoefficientChange(w, 0.7))
    model.modify(c[3], ot.ScalarCoefficientChange(w, 0.5))
    model.optimize()
    assert model.get(ot.SimplexIterations()) < first / 3
    cold = ot.MetaSolver(ot.solvers.HiGHS(), differentiates=False)
    model.copy_to(cold)
    cold.optimize()
    assert model.get(ot.ObjectiveValue()) == pytest.approx(cold.get(ot.ObjectiveValue()), rel=1e-9)


def test_highs_integrality_added_after_a_solve() -> None:
    """A variable made integer after the relaxation was solved, and freed again."""
    model = ot.MetaSolver(ot.solvers.HiGHS(), differentiates=False)
    v = model.add_variables(2)
    model.add_constraints(v, [ot.Interval(0, 10)] * 2)
    model.add_constraint(2.0 * v[0] + v[1], ot.LessThan(3.5))
    model.set(ot.ObjectiveSense(), ot.ObjectiveSenseCode.MAX_SENSE)
    model.set(OBJECTIVE, 3.0 * v[0] + v[1])
    model.optimize()
    assert model.get(ot.ObjectiveValue()) == pytest.approx(5.25)
    integer = model.add_constraint(v[0], ot.Integer())
    model.optimize()
    assert model.get(ot.ObjectiveValue()) == pytest.approx(4.5)
    model.delete(integer)
    model.optimize()
    assert model.get(ot.ObjectiveValue()) == pytest.approx(5.25)
    assert model.get(ot.ConstraintDual(), ot.ConstraintIndex((VariableIndex, ot.Interval), v[0].value)) == 0.0


@EVERY
def test_many_changes_leave_nothing_behind(solver: Any) -> None:
    """Beside parameters, too, a changed function is a changed row; rows and columns that are gone go in the end."""
    model = ot.Model(solver)
    x, p = model.add_variables(3, lower=0.0), model.add_parameter(1.0)
    moving, still = model.add_constraint(x.sum() + p * x[0] >= p), model.add_constraint(x[0] + 2.0 * x[1] >= 0.5)
    model.minimize((x - 0.1) @ (x - 0.1))

    def check(what: str) -> None:
        model.optimize()
        cold = ot.Model(solver)
        index_map = model.copy_to(cold)
        cold.optimize()
        wanted = cold.value([index_map(v) for v in x])
        np.testing.assert_allclose(model.value(x), wanted, atol=1e-6, err_msg=what)

    def rows() -> int:
        return int(model.meta_solver._outcome.form.m)

    check("nothing")
    few = rows()
    for k, (variable, value) in enumerate([(x[1], 3.0), (x[2], 0.25), (x[0], 0.0), (x[1], 2.5)]):
        model.modify(still, ot.ScalarCoefficientChange(variable, value))
        model.set_parameter_value(p, 1.0 + 0.1 * k)
        check(f"{value} of {variable}")
        assert rows() == few
    model.modify(moving, ot.ScalarCoefficientChange(x[2], 0.5))
    check("beside a product")
    extra = [model.add_constraint(x[0] + x[1] <= 9.0 + k) for k in range(1100)]
    check("additions")
    model.delete(extra)
    check("deletions")
    model.set_parameter_value(p, 2.0)
    check("after a cleaning")
    assert rows() == few
