"""The store: building, names, starts, modifications, deletion, lists, copies."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.modelkit.arrays import Growable
from optangent.modelkit.store.block import ConstraintBlock, SetBlock

AFFINE, QUADRATIC = ot.ScalarAffineFunction, ot.ScalarQuadraticFunction


def show(store: ot.Store, index: ot.ConstraintIndex) -> str:
    """A constraint in words."""
    return f"{store.get(ot.ConstraintFunction(), index)!r} in {store.get(ot.ConstraintSet(), index)!r}"


@pytest.fixture
def store() -> ot.Store:
    """An empty store."""
    return ot.Store()


# ---------------------------------------------------------------------- building
def constraints(v: ot.VectorOfVariables) -> list[tuple[Any, Any]]:
    """One constraint of every kind of function and set, on variables v[0..9]."""
    A = np.array([[1.0, 2.0], [0.0, 3.0]])
    scalar = [ot.LessThan(1.0), ot.GreaterThan(2.0), ot.EqualTo(3.0), ot.Interval(-np.inf, 4.0)]
    discrete = [ot.Integer(), ot.ZeroOne(), ot.Semicontinuous(1.0, 2.0), ot.Semiinteger(1.0, 2.0)]
    box = ot.HyperRectangle([0.0, -np.inf], [1.0, np.inf])
    vector = [ot.Nonnegatives(2), ot.Nonpositives(2), ot.Zeros(2), ot.Reals(2), box]
    found: list[tuple[Any, Any]] = [(v[k], s) for k, s in enumerate([*scalar, *discrete, ot.Parameter(5.0)])]
    found += [(2.0 * v[0] - v[1] + 1.0, s) for s in scalar]
    found += [(v[0] * v[0] + v[1] * v[2] + v[0] + 1.0, s) for s in scalar]
    for f in (v[:2], A @ v[:2] + np.array([1.0, 0.0]), v[:2] * v[1:3] + v[:2]):
        found += [(f, s) for s in vector]
    return found


def test_every_kind_reads_back_as_written(store: ot.Store) -> None:
    """Function, set and list of indices of every kind of constraint, added one by one."""
    v = store.add_variables(10)
    pairs = constraints(v)
    indices = [store.add_constraint(f, s) for f, s in pairs]
    for index, (f, s) in zip(indices, pairs, strict=True):
        assert index.function_type is type(f) and index.set_type is type(s)
        assert show(store, index) == f"{f!r} in {s!r}"
        assert store.get(ot.NumberOfConstraints(*index.kind)) == 1
        assert list(store.get(ot.ListOfConstraintIndices(*index.kind))) == [index]
        assert store.is_valid(index)
    assert set(store.get(ot.ListOfConstraintTypesPresent())) == {i.kind for i in indices}
    assert store.get(ot.NumberOfVariables()) == 10 and not store.is_empty()
    assert store.get(ot.ListOfVariableIndices()).ids.tolist() == v.ids.tolist()
    store.empty()
    assert store.is_empty() and store.get(ot.ListOfConstraintTypesPresent()) == []


def test_constraints_in_bulk(store: ot.Store) -> None:
    """Many constraints at once, from lists, from one vector function, from a block; one by one in between."""
    v = store.add_variables(3)
    first = store.add_constraint(1.0 * v[0], ot.LessThan(0.0))
    rows = store.add_constraints(np.eye(3) @ v, ot.LessThan(1.0))
    pairs = store.add_constraints([v[0] + v[1], v[1] - v[2]], [ot.LessThan(2.0), ot.LessThan(3.0)])
    last = store.add_constraint(2.0 * v[2] + 1.0, ot.LessThan(4.0))
    listed = store.get(ot.ListOfConstraintIndices(AFFINE, ot.LessThan))
    assert list(listed) == [first, *rows, *pairs, last] and len(listed) == 7
    uppers = [s.upper for s in store.get(ot.ConstraintSet(), listed)]
    assert uppers == [0.0, 1.0, 1.0, 1.0, 2.0, 3.0, 4.0]
    assert repr(store.get(ot.ConstraintFunction(), listed[5])) == "x[1] - x[2]"
    dealt = store.add_constraints(np.eye(4, 3) @ v, ot.Zeros(2))
    assert len(dealt) == 2 and repr(store.get(ot.ConstraintFunction(), dealt[1])) == "[x[2],\n 0]"
    bounds = SetBlock.scalar(ot.GreaterThan, np.zeros((3, 1)))
    on_variables = store.add_block(ConstraintBlock(ot.VariableIndex, v.rows, bounds))
    assert [i.value for i in on_variables] == v.ids.tolist()


@pytest.mark.parametrize(
    ("functions", "sets", "error", "words"),
    [
        (lambda v: [1.0 * v[0]], [ot.LessThan(1), ot.LessThan(2)], ot.DimensionMismatch, "1 functions"),
        (lambda v: [], ot.LessThan(1), ot.InvalidData, "No constraints"),
        (lambda v: [1.0 * v[0], v[0]], ot.LessThan(1), ot.InvalidData, "2 kinds"),
        (lambda v: [v], [ot.LessThan(1)], ot.DimensionMismatch, "a vector function"),
        (lambda v: np.eye(3) @ v, ot.Zeros(2), ot.DimensionMismatch, "3 rows cannot be dealt"),
        (lambda v: np.eye(3) @ v, [ot.Zeros(2)], ot.DimensionMismatch, "2 rows together, the function has 3"),
    ],
)
def test_refused_bulk(store: ot.Store, functions: Any, sets: Any, error: type[Exception], words: str) -> None:
    """Lists that do not fit together are refused, and nothing is added."""
    v = store.add_variables(3)
    with pytest.raises(error, match=words):
        store.add_constraints(functions(v), sets)
    assert store.get(ot.ListOfConstraintTypesPresent()) == []


def test_one_bound_on_each_side(store: ot.Store) -> None:
    """A second bound on one side of a variable is refused, until the first is deleted."""
    x, y = store.add_variable(), store.add_variable()
    low = store.add_constraint(x, ot.GreaterThan(0.0))
    store.add_constraint(x, ot.LessThan(1.0))
    store.add_constraint(x, ot.Integer())
    for second in (ot.GreaterThan(1.0), ot.EqualTo(1.0), ot.Interval(0.0, 1.0), ot.Parameter(1.0), ot.Integer()):
        with pytest.raises(ot.BoundAlreadySet, match="already"):
            store.add_constraint(x, second)
    with pytest.raises(ot.BoundAlreadySet, match=r"x\[1\] is in a LessThan already"):
        store.add_constraints([y, y], ot.LessThan(1.0))
    store.delete(low)
    again = store.add_constraint(x, ot.GreaterThan(0.5))
    assert again == low and store.get(ot.ConstraintSet(), again) == ot.GreaterThan(0.5)
    store.delete(x)
    z = store.add_variable()
    store.add_constraint(z, ot.Interval(0.0, 1.0))
    assert not store.is_valid(again)


# ---------------------------------------------------------------------- names, starts, other attributes
def test_names(store: ot.Store) -> None:
    """Names are set, read in bulk, taken away by an empty string, and looked up."""
    v = store.add_variables(3)
    c = store.add_constraint(1.0 * v[0], ot.LessThan(1.0))
    store.set(ot.VariableName(), v, ["a", "b", "c"])
    store.set(ot.ConstraintName(), c, "row")
    store.set(ot.Name(), "model")
    assert store.get(ot.VariableName(), v) == ["a", "b", "c"] and store.get(ot.Name()) == "model"
    assert store.by_name(ot.VariableName(), "b") == v[1] and store.by_name(ot.ConstraintName(), "row") == c
    store.set(ot.VariableName(), v[1], "")
    assert store.get(ot.VariableName(), v[1]) == ""
    with pytest.raises(ot.InvalidIndex, match="No variable of this model is called 'b'"):
        store.by_name(ot.VariableName(), "b")
    store.set(ot.VariableName(), v[1], "a")
    with pytest.raises(ot.InvalidIndex, match="2 variables are called 'a'"):
        store.by_name(ot.VariableName(), "a")
    store.delete(v[0])
    assert store.by_name(ot.VariableName(), "a") == v[1]
    for attribute, index, value in ((ot.VariableName(), v[1], 3), (ot.ConstraintName(), c, None)):
        with pytest.raises(ot.InvalidData, match="is a string"):
            store.set(attribute, index, value)


def test_starts(store: ot.Store) -> None:
    """Starts of variables, constraint values and duals; None takes them away; arrays are copied."""
    v = store.add_variables(2)
    c = store.add_constraint(v, ot.Zeros(2))
    store.set(ot.VariablePrimalStart(), v, np.array([1.0, 2.0]))
    dual = np.array([3.0, 4.0])
    store.set(ot.ConstraintDualStart(), c, dual)
    dual[:] = 0.0
    assert store.get(ot.VariablePrimalStart(), v) == [1.0, 2.0]
    assert store.get(ot.ConstraintDualStart(), c).tolist() == [3.0, 4.0]
    store.set(ot.VariablePrimalStart(), v, None)
    assert store.get(ot.VariablePrimalStart(), v) == [None, None]
    store.set(ot.VariablePrimalStart(), list(v), 5)
    assert store.get(ot.VariablePrimalStart(), list(v)) == [5.0, 5.0]
    many = store.add_constraints([v, v], ot.Reals(2))
    store.set(ot.ConstraintDualStart(), many, np.arange(4.0))
    assert [a.tolist() for a in store.get(ot.ConstraintDualStart(), many)] == [[0.0, 1.0], [2.0, 3.0]]


@pytest.mark.parametrize(
    ("attribute", "value", "error", "words"),
    [
        (ot.VariablePrimalStart(), np.nan, ot.InvalidData, "must be finite"),
        (ot.VariablePrimalStart(), [1.0, np.inf], ot.InvalidData, "must be finite"),
        (ot.VariablePrimalStart(), [1.0], ot.DimensionMismatch, "2 indices need as many"),
        (ot.VariablePrimalStart(), ["a", 1.0], ot.InvalidData, "real number"),
        (ot.VariablePrimalStart(), [1j, 1.0], ot.InvalidData, "real number"),
        (ot.VariablePrimal(), [1.0, 2.0], ot.UnsupportedAttribute, "read, not set"),
        (ot.ConstraintName(), ["a", "b"], ot.InvalidIndex, "belongs to a constraint"),
        (ot.Name(), ["a", "b"], ot.InvalidIndex, "takes no index"),
        (ot.Silent(), [True, True], ot.InvalidIndex, "takes no index"),
    ],
)
def test_refused_values_of_variables(
    store: ot.Store, attribute: Any, value: Any, error: type[Exception], words: str
) -> None:
    """A bad value among several leaves all of them as they were."""
    v = store.add_variables(2)
    store.set(ot.VariablePrimalStart(), v, 7.0)
    with pytest.raises(error, match=words):
        store.set(attribute, v, value)
    assert store.get(ot.VariablePrimalStart(), v) == [7.0, 7.0]


def test_refused_values_of_constraints(store: ot.Store) -> None:
    """Starts of constraints have the shape of the set, sets and functions the type of the constraint."""
    v = store.add_variables(2)
    c, s = store.add_constraint(v, ot.Zeros(2)), store.add_constraint(1.0 * v[0], ot.LessThan(1.0))
    low = store.add_constraint(v[0], ot.GreaterThan(0.0))
    refused: list[tuple[Any, Any, Any, type[Exception], str]] = [
        (ot.ConstraintDualStart(), c, [1.0], ot.DimensionMismatch, "2 numbers"),
        (ot.ConstraintDualStart(), s, [1.0, 2.0], ot.DimensionMismatch, "one number"),
        (ot.ConstraintDualStart(), c, [1.0, np.nan], ot.InvalidData, "finite"),
        (ot.ConstraintSet(), c, ot.Zeros(3), ot.UnsupportedModification, "another shape"),
        (ot.ConstraintSet(), s, ot.GreaterThan(1.0), ot.UnsupportedModification, "another kind"),
        (ot.ConstraintSet(), s, 3.0, ot.UnsupportedModification, "another kind"),
        (ot.ConstraintSet(), s, ot.LessThan(np.nan), ot.InvalidData, "not a number"),
        (ot.ConstraintFunction(), s, v[0], ot.UnsupportedModification, "another kind"),
        (ot.ConstraintFunction(), s, 1.0 * v, ot.DimensionMismatch, "needs a scalar function"),
        (ot.ConstraintFunction(), s, np.nan * v[0], ot.InvalidData, "finite"),
        (ot.ConstraintFunction(), s, 2.0, ot.InvalidData, "Expected a function"),
        (ot.ConstraintFunction(), low, v[1], ot.UnsupportedModification, "cannot be exchanged"),
        (ot.VariableName(), s, "a", ot.InvalidIndex, "belongs to a variable"),
        (ot.ConstraintSet(), v[0], ot.LessThan(1.0), ot.InvalidIndex, "belongs to a constraint"),
        (ot.ConstraintSet(), "c", ot.LessThan(1.0), ot.InvalidIndex, "Expected the index"),
        (ot.ObjectiveSense(), s, 1.0, ot.InvalidIndex, "takes no index"),
    ]
    before = [show(store, i) for i in (c, s, low)]
    for attribute, index, value, error, words in refused:
        with pytest.raises(error, match=words):
            store.set(attribute, index, value)
    assert [show(store, i) for i in (c, s, low)] == before


def test_refused_questions(store: ot.Store) -> None:
    """An attribute asked of the wrong thing, of nothing, or before there is a solver."""
    x = store.add_variable()
    for attribute, index in ((ot.ConstraintSet(), x), (ot.ConstraintSet(), None), (ot.VariableName(), 3)):
        with pytest.raises(ot.InvalidIndex):
            store.get(attribute, index)
    with pytest.raises(ot.InvalidIndex, match="takes no index"):
        store.get(ot.ObjectiveSense(), x)
    with pytest.raises(ot.NotOptimized, match="no optimizer"):
        store.get(ot.ObjectiveValue())
    with pytest.raises(ot.NotOptimized, match="no optimizer"):
        store.get(ot.VariablePrimal(), x)
    with pytest.raises(ot.NotOptimized, match="cannot solve"):
        store.optimize()


def test_options_survive_emptying(store: ot.Store) -> None:
    """Options belong to the optimizer, not to the model."""
    assert store.get(ot.Silent()) is True and store.get(ot.TimeLimitSec()) is None
    store.set(ot.TimeLimitSec(), 3.0)
    store.empty()
    assert store.get(ot.TimeLimitSec()) == 3.0 and store.optimizer_attributes() == {ot.TimeLimitSec(): 3.0}


# ---------------------------------------------------------------------- objective
def test_objective_and_sense(store: ot.Store) -> None:
    """Sense and function are independent; feasibility erases the function."""
    x = store.add_variable()
    codes = ot.ObjectiveSenseCode
    assert store.get(ot.ObjectiveSense()) is codes.FEASIBILITY_SENSE
    assert repr(store.get(ot.ObjectiveFunction())) == "0"
    for f in (x, 2.0 * x + 1.0, x * x + 1.0):
        store.set(ot.ObjectiveFunction(), f)
        assert repr(store.get(ot.ObjectiveFunction())) == repr(f)
        assert type(store.get(ot.ObjectiveFunction())) is type(f)
    assert store.get(ot.ObjectiveSense()) is codes.MIN_SENSE
    store.set(ot.ObjectiveSense(), codes.MAX_SENSE)
    assert repr(store.get(ot.ObjectiveFunction())) == "x[0]² + 1"
    for attribute, bad in ((ot.ObjectiveSense(), "max"), (ot.ObjectiveFunction(), 1.0), (ot.ObjectiveFunction(), [x])):
        with pytest.raises(ot.InvalidData):
            store.set(attribute, bad)
    store.set(ot.ObjectiveSense(), codes.FEASIBILITY_SENSE)
    assert repr(store.get(ot.ObjectiveFunction())) == "0" and store.objective_block is None


@pytest.mark.parametrize("make", [lambda r: r @ r, lambda r: sum(f * f for f in r), lambda r: (r * r).sum()])
def test_equal_products_are_held_once(store: ot.Store, make: Any) -> None:
    """A sum of squares of affine functions keeps a term for each pair of variables, in objectives and constraints."""
    rng = np.random.default_rng(1)
    v, A, b = store.add_variables(4), rng.standard_normal((9, 4)), rng.standard_normal(9)
    f = make(A @ v - b)
    store.set(ot.ObjectiveFunction(), f)
    scalar = store.add_constraint(f, ot.LessThan(1.0))
    vector = store.add_constraint(ot.vectorize([f, 2.0 * f]), ot.Nonpositives(2))
    held = store.get(ot.ObjectiveFunction())
    for rows, count in (
        (held.rows, 1),
        (store.get(ot.ConstraintFunction(), scalar).rows, 1),
        (store.get(ot.ConstraintFunction(), vector).rows, 2),
    ):
        assert len(rows.qcoef) == count * 10 and len(rows.coef) == count * 4
    np.testing.assert_allclose(held.Q.toarray(), 2 * A.T @ A, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose([held.coefficient(x) for x in v], -2 * b @ A, rtol=1e-13, atol=1e-13)
    assert held.constant == pytest.approx(b @ b, rel=1e-14)


def test_equal_products_are_held_once_after_a_change(store: ot.Store) -> None:
    """Functions given to many constraints at once are merged as those of new ones are."""
    x, y = store.add_variables(2)
    c = store.add_constraint(x * y, ot.LessThan(1.0))
    store.set_functions(store.get(ot.ListOfConstraintIndices(*c.kind)), (x * y + y * x + x * x).rows)
    rows = store.get(ot.ConstraintFunction(), c).rows
    assert rows.quadratic_coefficients(np.zeros(1, int), np.array([x.value]), np.array([y.value])) == [2.0]
    assert len(rows.qcoef) == 2


def test_a_deleted_variable_leaves_the_objective(store: ot.Store) -> None:
    """Also when the objective is that variable and nothing else."""
    x, y = store.add_variable(), store.add_variable()
    store.set(ot.ObjectiveFunction(), x * y + x * x + 2.0 * y + 1.0)
    store.delete(x)
    assert repr(store.get(ot.ObjectiveFunction())) == "2 x[1] + 1"
    store.set(ot.ObjectiveFunction(), y)
    store.delete(y)
    assert repr(store.get(ot.ObjectiveFunction())) == "0"


def test_a_block_that_finds_no_memory_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever growing stops, the constraints that were there are as they were, and new ones go in as ever."""
    extend, left = Growable.extend, [0]

    def grow(self: Growable, values: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise MemoryError
        extend(self, values)

    monkeypatch.setattr(Growable, "extend", grow)
    for vector in (False, True):
        left[0], store = -1, ot.Store()
        v = store.add_variables(2)
        sets: Any = [ot.Nonnegatives(2)] if vector else [ot.LessThan(1.0), ot.LessThan(2.0)]
        f = v * v + v + 1.0
        first = store.add_constraints(f, sets)
        before = repr([store.get(ot.ConstraintFunction(), c) for c in first])
        for stop in itertools.count(1):
            left[0] = stop
            try:
                second = store.add_constraints(2.0 * f, sets)
                break
            except MemoryError:
                assert store.get(ot.NumberOfConstraints(*first.kind)) == len(first)
                assert repr([store.get(ot.ConstraintFunction(), c) for c in first]) == before
        assert stop > 8
        assert repr(store.get(ot.ConstraintFunction(), second[0])) == repr((2.0 * f) if vector else (2.0 * f)[0])
