"""A quadratic objective as a row, for models that take linear objectives: as if there were no row."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.bridges import BridgeOptimizer

from .mocks import Recorder

SAF, SQF, VAF = ot.ScalarAffineFunction, ot.ScalarQuadraticFunction, ot.VectorAffineFunction
MIN, MAX, NONE = (
    ot.ObjectiveSenseCode.MIN_SENSE,
    ot.ObjectiveSenseCode.MAX_SENSE,
    ot.ObjectiveSenseCode.FEASIBILITY_SENSE,
)
OPTIMAL = ot.TerminationStatusCode.OPTIMAL


class Clarabel(ot.solvers.Clarabel):  # type: ignore[misc]
    """Clarabel, had it no quadratic objectives."""

    objectives = (SAF,)


class SCS(ot.solvers.SCS):  # type: ignore[misc]
    """SCS, had it no quadratic objectives."""

    objectives = (SAF,)


PAIRS = [(ot.solvers.Clarabel, Clarabel), (ot.solvers.SCS, SCS)]
ACCURATE = {"Clarabel": {"tol_gap_abs": 1e-13, "tol_gap_rel": 1e-13, "tol_feas": 1e-13}, "SCS": {}}


def problem(solver: Any, rank: int, sense: Any, seed: int) -> tuple[Any, Any, list[Any]]:
    """Four variables between bounds and rows, some of them active."""
    rng = np.random.default_rng(seed)
    M = 2.0 * np.eye(4)[:rank] + 0.5 * rng.standard_normal((rank, 4))
    A, at, q = rng.standard_normal((3, 4)), rng.uniform(-1.0, 1.0, 4), rng.standard_normal(4)
    model = ot.Model(lambda: solver(**ACCURATE[solver.name]))
    v = model.add_variables(4)
    constraints = [
        model.add_constraint(A @ v - A @ at + np.array([0.0, 0.5, 2.0]), ot.Nonnegatives(3)),
        model.add_constraint(v, ot.HyperRectangle(-3.0 * np.ones(4), 3.0 * np.ones(4))),
        model.add_constraint(v[0] + v[1], ot.EqualTo(float(at[0] + at[1]))),
        model.add_constraint(ot.vectorize([2.0 + 0.0 * v[0], v[2], 1.0 * v[3]]), ot.SecondOrderCone(3)),
    ]
    sign = 1.0 if sense is MIN else -1.0
    model.set(ot.ObjectiveSense(), sense)
    model.set(ot.ObjectiveFunction(), sign * (0.5 * (v @ (M.T @ M @ v)) + 3.0 * (q @ v) + 7.0))
    return model, v, constraints


@pytest.mark.parametrize("sense", [MIN, MAX], ids=["min", "max"])
@pytest.mark.parametrize("rank", [4, 2])
@pytest.mark.parametrize(("direct", "linear"), PAIRS, ids=["Clarabel", "SCS"])
def test_the_same_as_without_a_row(direct: Any, linear: Any, rank: int, sense: Any) -> None:
    """Objective, point and duals agree with those of the solver that takes the objective itself."""
    for seed in range(5):
        found = []
        for solver in (direct, linear):
            model, v, constraints = problem(solver, rank, sense, seed)
            model.optimize()
            assert model.get(ot.TerminationStatus()) == OPTIMAL
            duals = np.concatenate([np.atleast_1d(model.dual(c)) for c in constraints])
            found.append(np.concatenate([[model.objective_value()], model.value(v), duals]))
        np.testing.assert_allclose(found[1], found[0], rtol=1e-6, atol=1e-6)


# ---------------------------------------------------------------------- what stands below
def recorded(*natives: Any, **options: Any) -> tuple[Recorder, BridgeOptimizer]:
    """A recorder that takes linear objectives, and its bridges."""
    below = Recorder(natives or [(VAF, ot.RotatedSecondOrderCone)], objectives=[SAF], **options)
    return below, BridgeOptimizer(below)


def test_the_row_and_its_objective() -> None:
    """``(1, t - f's affine part, U x)``, minimized over t; to maximize, all signs of f turn; made by `optimize`."""
    below, layer = recorded()
    x = layer.add_variable()
    for sense, sign in ((MIN, 1.0), (MAX, -1.0)):
        layer.set(ot.ObjectiveSense(), sense)
        layer.set(ot.ObjectiveFunction(), sign * (2.0 * x * x - 3.0 * x + 4.0))
        assert not below.content() and not below.get(ot.ObjectiveFunction()).rows.degree
        layer.optimize()
        layer.optimize()
        (cone,) = below.get(ot.ListOfConstraintIndices(VAF, ot.RotatedSecondOrderCone))
        rows = below.get(ot.ConstraintFunction(), cone).rows
        z, t = below.get(ot.ListOfVariableIndices()).ids
        for at in (0.0, 1.0):
            values = rows.matrix(lambda ids: ids - below.base, t - below.base + 1) @ point(below, {z: at, t: 9.0})
            np.testing.assert_allclose(values + rows.constant, [1.0, sign * 9.0 + 3.0 * at - 4.0, 2.0 * at])
        assert below.get(ot.ObjectiveSense()) == sense
        assert below.get(ot.ObjectiveFunction()).rows.variables().tolist() == [t]


def point(below: Recorder, values: dict[int, float]) -> np.ndarray:
    """By number of the variable, zero where it is deleted."""
    return np.array([values.get(int(below.base + i), 0.0) for i in range(below.variable_count)])


@pytest.mark.parametrize("sense", [MIN, MAX])
def test_a_model_that_takes_quadratic_rows_needs_no_cone(sense: Any) -> None:
    """Then nothing must be convex either."""
    below, layer = recorded((SQF, ot.LessThan))
    x = layer.add_variable()
    layer.set(ot.ObjectiveSense(), sense)
    layer.set(ot.ObjectiveFunction(), x * x)
    layer.optimize()
    ((kind, _, _),) = below.content()
    assert kind == "ScalarQuadraticFunction in LessThan(1,)"


def test_there_is_a_row_only_where_it_is_needed() -> None:
    """Not if the model takes quadratic objectives or the objective is linear; and no way at all without cones."""
    for objectives, row in (([SAF], True), ([SAF, SQF], False), ([SQF], False)):
        below = Recorder([(VAF, ot.RotatedSecondOrderCone)], objectives=objectives)
        layer = BridgeOptimizer(below)
        x = layer.add_variable()
        assert layer.supports_objective(SQF)
        layer.set(ot.ObjectiveFunction(), 3.0 * x)
        layer.optimize()
        assert not below.content()
        layer.set(ot.ObjectiveFunction(), x * x)
        layer.optimize()
        assert bool(below.content()) == row
    _, layer = recorded((VAF, ot.Nonnegatives))
    assert not layer.supports_objective(SQF)
    with pytest.raises(ot.UnsupportedObjective, match="Recorder takes no ScalarQuadraticFunction"):
        layer.set(ot.ObjectiveFunction(), layer.add_variable() ** 2)
    assert not layer.get(ot.ObjectiveFunction()).rows.degree


@pytest.mark.parametrize("options", [{}, {"free": False, "made": [ot.Nonnegatives]}], ids=["free", "standard form"])
def test_a_change_takes_the_row_away(options: Any) -> None:
    """Another function, sense, coefficient or constant; what stays below is one row at most, and its variable."""
    below, layer = recorded((VAF, ot.RotatedSecondOrderCone), **options)
    x = layer.add_variable()
    before, count = below.content(), below.get(ot.NumberOfVariables())
    changes: list[Callable[[], None]] = [
        lambda: layer.set(ot.ObjectiveFunction(), x * x),
        lambda: layer.set(ot.ObjectiveFunction(), 2.0 * x * x),
        lambda: layer.modify(ot.ObjectiveFunction(), ot.ScalarQuadraticCoefficientChange(x, x, 3.0)),
        lambda: layer.modify(ot.ObjectiveFunction(), ot.ScalarCoefficientChange(x, 3.0)),
        lambda: layer.modify(ot.ObjectiveFunction(), ot.ScalarConstantChange(3.0)),
        lambda: layer.set(ot.ObjectiveSense(), MIN),
    ]
    for change in changes:
        change()
        assert below.content() == before and below.get(ot.NumberOfVariables()) == count
        layer.optimize()
        assert below.content() != before and below.get(ot.NumberOfVariables()) > count
    changes = [
        lambda: layer.set(ot.ObjectiveFunction(), 2.0 * x),
        lambda: layer.set(ot.ObjectiveSense(), NONE),
    ]
    for change in changes:
        change()
        layer.optimize()
        assert below.content() == before and below.get(ot.NumberOfVariables()) == count
        layer.set(ot.ObjectiveFunction(), x * x)
        layer.optimize()
    layer.empty()
    layer.set(ot.ObjectiveFunction(), 1.0 * layer.add_variable())
    layer.optimize()
    assert not layer.explain()


def test_a_row_that_the_inner_model_refuses_leaves_nothing() -> None:
    """Its error goes on, its variable does not stay, and the next solve tries again."""

    class Stubborn(Recorder):
        refusing = True

        def add_block(self, block: Any) -> Any:
            if self.refusing:
                raise ot.UnsupportedModification("not now")
            return super().add_block(block)

    below = Stubborn([(VAF, ot.RotatedSecondOrderCone)], objectives=[SAF])
    layer = BridgeOptimizer(below)
    x = layer.add_variable()
    layer.set(ot.ObjectiveFunction(), x * x)
    with pytest.raises(ot.UnsupportedModification, match="not now"):
        layer.optimize()
    assert below.get(ot.NumberOfVariables()) == 1 and not below.content()
    below.refusing = False
    layer.optimize()
    assert below.get(ot.NumberOfVariables()) == 2 and len(below.content()) == 1


def test_the_slack_starts_where_the_variables_do() -> None:
    """At f(x), whether they are started one by one or together; not while one of them has no start."""
    layer = BridgeOptimizer(SCS())
    v = layer.add_variables(2)
    layer.set(ot.ObjectiveFunction(), v[0] * v[0] + v[0] * v[1] + v[1] * v[1] + 1.0)

    def starts() -> list[Any]:
        return [layer.inner.get(ot.VariablePrimalStart(), i) for i in layer.inner.get(ot.ListOfVariableIndices())]

    layer.set(ot.VariablePrimalStart(), v[0], 2.0)
    layer.optimize()
    assert starts() == [2.0, None, None]
    layer.set(ot.VariablePrimalStart(), v[1], 3.0)
    layer.optimize()
    assert starts() == [2.0, 3.0, 20.0]
    layer.set(ot.VariablePrimalStart(), v, np.array([1.0, 1.0]))
    layer.optimize()
    assert starts() == [1.0, 1.0, 4.0]
    np.testing.assert_allclose(layer.get(ot.VariablePrimal(), v), 0.0, atol=1e-6)


# ---------------------------------------------------------------------- solving
def test_solving_again_after_changes() -> None:
    """After every kind of change the answer is the new one; between a change and `optimize` there is none."""
    model = ot.Model(lambda: Clarabel(**ACCURATE["Clarabel"]))
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
    words = {MIN: "Clarabel needs .* convex to be minimized", MAX: "Clarabel needs .* concave to be maximized"}
    sign = 1.0 if sense is MIN else -1.0
    for solver in (ot.solvers.Clarabel, Clarabel):
        model = ot.Model(solver)
        x, y = model.add_variables(2)
        model.add_constraint(ot.vectorize([1.0 * x, 1.0 * y]), ot.HyperRectangle([-1.0, -1.0], [2.0, 2.0]))
        model.set(ot.ObjectiveSense(), sense)
        for bad in (x * y, -1.0 * x * x, x * x - y * y):
            model.set(ot.ObjectiveFunction(), sign * bad)
            with pytest.raises(ot.NonconvexObjective, match=words[sense]):
                model.optimize()
            assert model.get(ot.TerminationStatus()) == ot.TerminationStatusCode.OPTIMIZE_NOT_CALLED
        model.set(ot.ObjectiveFunction(), sign * (x * x - 2.0 * x))
        model.optimize()
        assert model.objective_value() == pytest.approx(-sign, abs=1e-7)


def test_sense_and_function_may_change_one_after_the_other() -> None:
    """On the way the old function under the new sense is not convex, and nobody minds."""
    model = ot.Model(Clarabel)
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


@pytest.mark.parametrize(("direct", "linear"), PAIRS, ids=["Clarabel", "SCS"])
def test_rays_and_infeasible_models(direct: Any, linear: Any) -> None:
    """An unbounded model has a ray whose objective is the linear part; an infeasible one no objective."""
    for solver in (direct, linear):
        model = ot.Model(solver)
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


# ---------------------------------------------------------------------- derivatives
def test_derivatives_go_by_the_diff_model() -> None:
    """They are those of the solver that takes the objective itself: the diff model does."""
    found = []
    for solver in PAIRS[0]:
        model = ot.Model(ot.diff_optimizer(lambda solver=solver: solver(**ACCURATE["Clarabel"])))
        x, y = model.add_variables(2)
        row = model.add_constraint(x + 2.0 * y, ot.GreaterThan(2.0))
        model.minimize(x * x + x * y + 2.0 * y * y - x)
        model.optimize()
        model.set(ot.ReverseVariablePrimal(), x, 1.0)
        model.reverse_differentiate()
        f, g = model.get(ot.ReverseObjectiveFunction()), model.get(ot.ReverseConstraintFunction(), row)
        reverse = [f.coefficient(x), f.coefficient(x, y), f.coefficient(y, y), g.coefficient(x), g.constant]
        model.set(ot.ForwardObjectiveFunction(), x * y + 2.0 * y)
        model.forward_differentiate()
        forward = [model.get(ot.ForwardVariablePrimal(), x), model.get(ot.ForwardConstraintDual(), row)]
        found.append([*reverse, *forward])
    np.testing.assert_allclose(found[1], found[0], atol=1e-8)


def test_tangents_do_not_travel_through_the_row() -> None:
    """Refused in words, down and up; they do where there is no row."""
    _, layer = recorded()
    x = layer.add_variable()
    layer.set(ot.ObjectiveFunction(), 2.0 * x)
    layer.set(ot.ForwardObjectiveFunction(), 3.0 * x)
    layer.set(ot.ObjectiveFunction(), x * x)
    with pytest.raises(ot.UnsupportedAttribute, match="quadratic objective in Recorder; the diff models take"):
        layer.set(ot.ForwardObjectiveFunction(), 3.0 * x)
    with pytest.raises(ot.UnsupportedAttribute, match="ReverseObjectiveFunction"):
        layer.get(ot.ReverseObjectiveFunction())


def test_the_row_is_explained() -> None:
    """`print_bridges` says that the objective is one, and how it goes on."""
    model = ot.Model(Clarabel)
    x = model.add_variable()
    model.maximize(-1.0 * x * x)
    model.optimize()
    out = io.StringIO()
    ot.print_bridges(model, out)
    assert out.getvalue().splitlines()[1:4] == [
        "  ScalarQuadraticFunction as objective  by a slack variable",
        "      ScalarQuadraticFunction-in-GreaterThan  by QuadraticToCone, cost 2",
        "          VectorAffineFunction-in-RotatedSecondOrderCone  by RotatedToSecondOrder, cost 1",
    ]
