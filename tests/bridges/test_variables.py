"""Variables behind bridges, the objective, starts and seeds; and that all of it is done in arrays."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.bridges import BridgeOptimizer
from optangent.modelkit.block import ConstraintBlock, SetBlock
from optangent.modelkit.functions import VectorOfVariables
from optangent.modelkit.rows import Rows

from .mocks import Recorder

SAF, VAF, X = ot.ScalarAffineFunction, ot.VectorAffineFunction, ot.VariableIndex


def standard_form(cone: Any = ot.Nonnegatives) -> tuple[BridgeOptimizer, Recorder]:
    """A layer on a model without free variables."""
    inner = Recorder([(VAF, ot.Zeros)], [cone], free=False)
    return BridgeOptimizer(inner), inner


def inner_function(inner: Recorder) -> Any:
    """The inner objective."""
    return inner.get(ot.ObjectiveFunction())


@pytest.mark.parametrize("cone", [ot.Nonnegatives, ot.Nonpositives])
def test_split_and_flipped_variables(cone: Any) -> None:
    """Free variables are differences, variables in the other cone negatives; functions are substituted."""
    layer, inner = standard_form(cone)
    other = ot.Nonpositives if cone is ot.Nonnegatives else ot.Nonnegatives
    x = layer.add_variable()
    v, c = layer.add_constrained_variables(other(2))
    w, d = layer.add_constrained_variables(cone(1))
    assert inner.get(ot.NumberOfVariables()) == 5
    assert layer.get(ot.ConstraintSet(), c) == other(2) and layer.get(ot.ConstraintSet(), d) == cone(1)
    layer.set(ot.ObjectiveFunction(), x * v[0] + 3.0 * v[1] + w[0] + x + 7.0)
    z = inner.get(ot.ListOfVariableIndices())
    f = inner_function(inner)
    assert [f.coefficient(i) for i in z] == [1.0, -1.0, 0.0, -3.0, 1.0]
    assert f.coefficient(z[0], z[2]) == -1.0 and f.coefficient(z[1], z[2]) == 1.0 and f.constant == 7.0
    values = inner.get(ot.VariablePrimal(), z)
    everything = VectorOfVariables([x, *v, *w])
    expected = [values[0] - values[1], -values[2], -values[3], values[4]]
    np.testing.assert_allclose(layer.get(ot.VariablePrimal(), everything), expected)
    assert layer.get(ot.VariablePrimal(), v[1]) == expected[2]
    np.testing.assert_allclose(layer.get(ot.VariablePrimal(), [v[1], x]), [expected[2], expected[0]])
    np.testing.assert_allclose(layer.get(ot.ConstraintDual(), c), -inner.get(ot.ConstraintDual(), made(inner)[1:2]))
    with pytest.raises(ot.UnsupportedAttribute, match="bridged"):
        layer.inner_variables(everything)
    with pytest.raises(ot.UnsupportedAttribute, match="bridged"):
        layer.get(ot.VariableBasisStatus(), x)


def made(inner: Recorder) -> Any:
    """The constraints on inner variables, in order."""
    (kind,) = inner.kinds()
    return inner.get(ot.ListOfConstraintIndices(*kind))


@pytest.mark.parametrize("cone", [ot.Nonnegatives, ot.Nonpositives])
def test_starts_and_seeds_of_bridged_variables(cone: Any) -> None:
    """Starts of inner variables lie in their cone and give the outer ones; seeds go by the transpose."""
    layer, inner = standard_form(cone)
    other = ot.Nonpositives if cone is ot.Nonnegatives else ot.Nonnegatives
    sign = 1.0 if cone is ot.Nonnegatives else -1.0
    v = layer.add_variables(2)
    w, _ = layer.add_constrained_variables(other(1))
    u, _ = layer.add_constrained_variables(cone(1))
    everything = VectorOfVariables([*v, *w, *u])
    start = np.array([2.5, -1.5, -sign * 3.0, sign * 4.0])
    layer.set(ot.VariablePrimalStart(), everything, start)
    check_starts(layer, inner, everything, start, sign)
    inner.pushed.clear()
    for one, value in zip(everything, start, strict=True):
        layer.set(ot.VariablePrimalStart(), one, float(value))
        assert layer.get(ot.VariablePrimalStart(), one) == value
    check_starts(layer, inner, everything, start, sign)
    inner.pushed.clear()
    layer.set(ot.VariablePrimalStart(), v[0], None)
    assert [value for _, value in inner.pushed[ot.VariablePrimalStart()]] == [None, None]
    assert layer.get(ot.VariablePrimalStart(), v[0]) is None
    inner.pushed.clear()
    seed = np.array([1.0, 2.0, 3.0, 4.0])
    layer.set(ot.ReverseVariablePrimal(), everything, seed)
    ((ids, pushed),) = inner.pushed[ot.ReverseVariablePrimal()]
    outer = layer.get(ot.ForwardVariablePrimal(), everything)
    assert outer @ seed == pytest.approx(inner.get(ot.ForwardVariablePrimal(), ids) @ pushed)
    inner.pushed.clear()
    layer.set(ot.ReverseVariablePrimal(), v[1], 2.0)
    ((ids, pushed),) = inner.pushed[ot.ReverseVariablePrimal()]
    assert 2.0 * outer[1] == pytest.approx(inner.get(ot.ForwardVariablePrimal(), ids) @ pushed)


def check_starts(layer: Any, inner: Recorder, v: VectorOfVariables, start: np.ndarray, sign: float) -> None:
    """The pushed starts are in the cone, and give the outer ones."""
    for ids, values in inner.pushed[ot.VariablePrimalStart()]:
        assert (sign * np.asarray(values) >= 0).all()
        for i, value in zip(ids.ids, values, strict=True):
            inner._preset[ot.VariablePrimal(), i] = np.asarray(value)
    np.testing.assert_array_equal(layer.get(ot.VariablePrimal(), v), start)


def test_the_extra_variables_of_a_slack_are_made_in_their_set() -> None:
    """Where variables come only in cones, a slack variable is made in its cone, not split."""
    layer, inner = standard_form()
    v = layer.add_variables(2)
    layer.add_constraint(VAF(np.array([[1.0, 2.0]]), v), ot.Nonnegatives(1))
    assert inner.get(ot.NumberOfVariables()) == 5
    layer.add_constraint(v[:1], ot.Nonnegatives(1))  # on a variable that is there already: a row with a slack
    assert inner.get(ot.NumberOfVariables()) == 6
    layer.add_constraint(v[0], ot.LessThan(1.0))
    assert inner.get(ot.NumberOfVariables()) == 7
    assert not layer.supports_constraint(X, ot.ZeroOne)
    with pytest.raises(ot.UnsupportedConstraint):
        layer.add_constraint(v[0], ot.ZeroOne())


def test_objectives_are_widened() -> None:
    """A plain variable or affine objective becomes what the inner model takes; changes go in place if they can."""
    inner = Recorder([(SAF, ot.LessThan)], objectives=[ot.ScalarQuadraticFunction])
    layer = BridgeOptimizer(inner)
    x, y = layer.add_variables(2)
    layer.set(ot.ObjectiveSense(), ot.ObjectiveSenseCode.MAX_SENSE)
    layer.set(ot.ObjectiveFunction(), x)
    assert type(inner_function(inner)) is ot.ScalarQuadraticFunction
    assert layer.get(ot.ObjectiveFunction()) is not None and layer.get(ot.ObjectiveFunction()).value == x.value
    layer.set(ot.ObjectiveFunction(), 2.0 * x + 1.0)
    layer.modify(ot.ObjectiveFunction(), ot.ScalarCoefficientChange(y, 3.0))
    (a, b) = inner.get(ot.ListOfVariableIndices())
    assert (inner_function(inner).coefficient(a), inner_function(inner).coefficient(b)) == (2.0, 3.0)
    assert inner.changes == 0
    layer.set(ot.ObjectiveFunction(), x * x + y)
    layer.modify(
        ot.ObjectiveFunction(),
        [
            ot.ScalarQuadraticCoefficientChange(x, y, 4.0),
            ot.ScalarConstantChange(5.0),
            ot.ScalarCoefficientChange(x, 6.0),
        ],
    )
    f = inner_function(inner)
    assert inner.changes == 1
    assert (f.coefficient(a, a), f.coefficient(a, b), f.coefficient(a), f.constant) == (1.0, 4.0, 6.0, 5.0)
    assert inner.get(ot.ObjectiveSense()) == ot.ObjectiveSenseCode.MAX_SENSE
    layer.set(ot.ForwardObjectiveFunction(), 2.0 * y)
    ((_, tangent),) = inner.pushed[ot.ForwardObjectiveFunction()]
    assert tangent.var.tolist() == [b.value]


def test_objectives_that_do_not_fit() -> None:
    """No quadratic objective for a linear model; refused before anything changes."""
    layer = BridgeOptimizer(Recorder([(SAF, ot.LessThan)], objectives=[ot.ScalarAffineFunction]))
    x = layer.add_variable()
    layer.set(ot.ObjectiveFunction(), 2.0 * x)
    assert layer.supports_objective(X) and not layer.supports_objective(ot.ScalarQuadraticFunction)
    assert not layer.supports_objective(VAF)
    with pytest.raises(ot.UnsupportedObjective, match="Recorder takes no ScalarQuadraticFunction"):
        layer.set(ot.ObjectiveFunction(), x * x)
    assert layer.get(ot.ObjectiveFunction()).coefficient(x) == 2.0


def test_objective_changes_with_bridged_variables() -> None:
    """A coefficient of a split variable becomes two."""
    layer, inner = standard_form()
    x = layer.add_variable()
    layer.set(ot.ObjectiveFunction(), 2.0 * x)
    layer.modify(ot.ObjectiveFunction(), ot.ScalarCoefficientChange(x, 5.0))
    z = inner.get(ot.ListOfVariableIndices())
    assert [inner_function(inner).coefficient(i) for i in z] == [5.0, -5.0]


def test_dual_starts_are_kept_and_taken_back() -> None:
    """A dual start is read as it was set; None takes it back, below too."""
    inner = Recorder([(VAF, ot.Nonnegatives)])
    layer = BridgeOptimizer(inner)
    x = layer.add_variable()
    c = layer.add_constraint(2.0 * x, ot.Interval(0.0, 1.0))
    layer.set(ot.ConstraintDualStart(), c, -2.0)
    assert layer.get(ot.ConstraintDualStart(), c) == -2.0
    inner.pushed.clear()
    layer.set(ot.ConstraintDualStart(), c, None)
    assert layer.get(ot.ConstraintDualStart(), c) is None
    assert [value for _, value in inner.pushed[ot.ConstraintDualStart()]] == [None]


def calls(work: Callable[[], Any]) -> int:
    """How many Python and C functions a piece of work calls."""
    count = 0

    def profile(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def rows_block(v: VectorOfVariables, kind: Any, chosen: Any) -> ConstraintBlock:
    """A scalar constraint for each variable."""
    n = len(v)
    numbers = np.broadcast_to(chosen.numbers, (n, len(chosen.fields))).copy()
    rows = Rows.of_variables(v.ids)
    if kind is not X:
        rows = rows + Rows(np.ones(n), np.arange(n), np.roll(v.ids, 1), np.full(n, 2.0))
    return ConstraintBlock(kind, rows, SetBlock.scalar(type(chosen), numbers))


@pytest.mark.parametrize(
    "native", [[(VAF, ot.Nonpositives)], [(SAF, ot.Interval)], [(X, ot.Interval), (SAF, ot.EqualTo)]]
)
@pytest.mark.parametrize("kind", [SAF, X])
def test_blocks_are_lifted_by_arrays_alone(native: Any, kind: Any) -> None:
    """Adding, asking, pushing and deleting a block takes as many calls for 10 as for 1000 constraints."""
    few, few_travel = cost_of_a_block(native, kind, 10)
    many, many_travel = cost_of_a_block(native, kind, 1000)
    assert many - few < 50 + (1100 if kind is X else 0)  # the mock's store keeps a dictionary of bounds
    assert many_travel - few_travel < 50


def cost_of_a_block(native: Any, kind: Any, n: int) -> tuple[int, int]:
    """Calls to add a block of n, and to pull and push through it."""
    inner = Recorder(native)
    layer = BridgeOptimizer(inner)
    v = layer.add_variables(n)
    layer.add_constraint(1.0 * v[0], ot.GreaterThan(1.0))  # explores the graph
    block = rows_block(v, kind, ot.GreaterThan(1.0))
    lifter = layer._lifter
    inner_block = ConstraintBlock(kind, lifter.variables.rewrite(block.rows), block.sets)
    done: list[Any] = []
    add = calls(lambda: done.append(lifter.add(inner_block)))
    bundle, items = done[0], np.arange(n)
    inner.get = lambda attribute, index=None: np.zeros(len(index))  # type: ignore[method-assign]
    travel = calls(lambda: bundle.pull(ot.ForwardConstraintDual(), items))
    return add, travel + calls(lambda: bundle.push(ot.ConstraintDualStart(), items, np.ones(n)))
