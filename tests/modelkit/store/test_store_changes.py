"""The store: modifications, deletion, copies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.modelkit.indices import ConstraintIndices

from .test_store import AFFINE, constraints, show


@pytest.fixture
def store() -> ot.Store:
    """An empty store."""
    return ot.Store()


# ---------------------------------------------------------------------- modification
def test_all_modifications(store: ot.Store) -> None:
    """Each modification replaces the merged value, of old terms and of new ones."""
    v = store.add_variables(3)
    x, y, z = v
    a = store.add_constraint(x + x + y + 1.0, ot.LessThan(1.0))
    q = store.add_constraint(x * y + y * x + x * x + z, ot.LessThan(1.0))
    f = store.add_constraint(np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 1.0]]) @ v, ot.Zeros(2))
    store.modify(a, ot.ScalarCoefficientChange(x, 5.0))
    store.modify(a, [ot.ScalarCoefficientChange(z, -1.0), ot.ScalarConstantChange(7.0)])
    store.modify(a, ot.ScalarCoefficientChange(y, 0.0))
    function = store.get(ot.ConstraintFunction(), a)
    assert function.coefficients(v).tolist() == [5.0, 0.0, -1.0] and function.constant == 7.0
    store.modify(q, ot.ScalarQuadraticCoefficientChange(y, x, 3.0))
    store.modify(q, ot.ScalarQuadraticCoefficientChange(z, z, 4.0))
    store.modify(q, ot.ScalarCoefficientChange(z, 2.0))
    function = store.get(ot.ConstraintFunction(), q)
    assert [function.coefficient(*p) for p in ((x, y), (x, x), (z, z), (z,))] == [3.0, 1.0, 4.0, 2.0]
    store.modify(f, ot.MultirowChange(x, [(0, 9.0), (1, 8.0)]))
    store.modify(f, ot.VectorConstantChange(np.array([1.0, 2.0])))
    function = store.get(ot.ConstraintFunction(), f)
    assert function.coefficients([0, 1, 0], v[np.array([0, 0, 1])]).tolist() == [9.0, 8.0, 2.0]
    assert function.constants.tolist() == [1.0, 2.0]
    store.set(ot.ConstraintSet(), a, ot.LessThan(4.0))
    store.set(ot.ConstraintFunction(), f, np.eye(2, 3) @ v + 1.0)
    assert repr(store.get(ot.ConstraintFunction(), f)) == "[x[0] + 1,\n x[1] + 1]"
    assert store.get(ot.ConstraintSet(), a) == ot.LessThan(4.0)


def test_modifying_the_objective(store: ot.Store) -> None:
    """Coefficients and constant of the objective, and of one that was never set."""
    x, y = store.add_variable(), store.add_variable()
    target = ot.ObjectiveFunction()
    store.modify(target, ot.ScalarCoefficientChange(x, 2.0))
    store.modify(target, ot.ScalarConstantChange(3.0))
    assert repr(store.get(target)) == "2 x[0] + 3"
    store.set(target, x * x + y)
    store.modify(target, ot.ScalarQuadraticCoefficientChange(x, y, -1.0))
    assert store.get(target).coefficient(y, x) == -1.0


def test_many_modifications_keep_the_rows_in_order(store: ot.Store) -> None:
    """Hundreds of new coefficients, between additions, equal a dense matrix kept beside."""
    rng = np.random.default_rng(0)
    v = store.add_variables(10)
    dense = np.zeros((0, 10))
    indices: list[ot.ConstraintIndex] = []
    for _ in range(20):
        row = np.where(rng.random(10) < 0.3, 1.0, 0.0)
        indices.append(store.add_constraint(row @ v, ot.LessThan(1.0)))
        dense = np.vstack([dense, row])
        for _ in range(20):
            i, j, value = int(rng.integers(len(indices))), int(rng.integers(10)), float(rng.integers(1, 9))
            store.modify(indices[i], ot.ScalarCoefficientChange(v[j], value))
            dense[i, j] = value
    got = [store.get(ot.ConstraintFunction(), i).coefficients(v) for i in indices]
    np.testing.assert_array_equal(got, dense)


@pytest.mark.parametrize(
    ("target", "change", "error", "words"),
    [
        ("a", lambda v: ot.ScalarConstantChange(np.nan), ot.InvalidData, "finite"),
        ("a", lambda v: ot.ScalarCoefficientChange(v[0], np.inf), ot.InvalidData, "finite"),
        ("a", lambda v: ot.ScalarCoefficientChange(v[0], "2"), ot.InvalidData, "real number"),
        ("a", lambda v: ot.ScalarCoefficientChange(v[0], [1.0, 2.0]), ot.DimensionMismatch, "one number"),
        ("a", lambda v: ot.ScalarCoefficientChange(3, 1.0), ot.InvalidIndex, "Expected the index"),
        ("a", lambda v: ot.ScalarCoefficientChange(ot.VariableIndex(5), 1.0), ot.InvalidIndex, "another model"),
        ("a", lambda v: ot.VectorConstantChange(np.ones(1)), ot.InvalidData, "does not fit"),
        ("a", lambda v: ot.ScalarQuadraticCoefficientChange(v[0], v[0], 1.0), ot.UnsupportedModification, "whole"),
        ("a", lambda v: 5.0, ot.InvalidData, "Expected a modification"),
        ("a", lambda v: [ot.ScalarConstantChange(5.0), None], ot.InvalidData, "Expected a modification"),
        ("f", lambda v: ot.VectorConstantChange(np.ones(3)), ot.DimensionMismatch, "2 rows"),
        ("f", lambda v: ot.VectorConstantChange(5.0), ot.DimensionMismatch, "2 rows"),
        ("f", lambda v: ot.MultirowChange(v[0], [(2, 1.0)]), ot.DimensionMismatch, "rows 0 to 1"),
        ("f", lambda v: ot.MultirowChange(v[0], [(0, np.nan)]), ot.InvalidData, "finite"),
        ("f", lambda v: ot.ScalarConstantChange(1.0), ot.InvalidData, "does not fit"),
        ("x", lambda v: ot.ScalarConstantChange(1.0), ot.UnsupportedModification, "affine"),
        (None, lambda v: ot.ScalarConstantChange(1.0), ot.InvalidIndex, "ObjectiveFunction"),
        ("foreign", lambda v: ot.ScalarConstantChange(1.0), ot.InvalidIndex, "another model"),
    ],
)
def test_refused_modifications(store: ot.Store, target: Any, change: Any, error: type[Exception], words: str) -> None:
    """A modification that does not fit is refused, and none of those given with it is made."""
    v = store.add_variables(2)
    other = ot.Store()
    foreign = other.add_constraint(other.add_variable() * 1.0, ot.EqualTo(1.0))
    known = {
        "a": store.add_constraint(1.0 * v[0], ot.LessThan(1.0)),
        "f": store.add_constraint(1.0 * v, ot.Zeros(2)),
        "x": store.add_constraint(v[0], ot.LessThan(1.0)),
        "foreign": foreign,
    }
    before = [show(store, known[k]) for k in "afx"]
    with pytest.raises(error, match=words):
        store.modify(known.get(target), change(v))  # type: ignore[arg-type]
    assert [show(store, known[k]) for k in "afx"] == before


# ---------------------------------------------------------------------- deletion
def test_deleting_a_variable(store: ot.Store) -> None:
    """It leaves all functions, its bounds and names go, vectors in sets of any dimension shrink."""
    v = store.add_variables(3)
    low = store.add_constraint(v[1], ot.GreaterThan(0.0))
    a = store.add_constraint(v[0] + 2 * v[1] - v[2] + 1.0, ot.LessThan(1.0))
    q = store.add_constraint(v[0] * v[1] + v[2] * v[2] + v[1], ot.LessThan(1.0))
    f = store.add_constraint(np.eye(3) @ v + 1.0, ot.Zeros(3))
    plain = store.add_constraint(v, ot.Nonnegatives(3))
    after = store.add_constraint(v[np.array([2, 0])], ot.Nonnegatives(2))
    store.set(ot.VariableName(), v[1], "y")
    store.delete(v[1])
    assert not store.is_valid(v[1]) and not store.is_valid(low)
    assert repr(store.get(ot.ConstraintFunction(), a)) == "x[0] - x[2] + 1"
    assert repr(store.get(ot.ConstraintFunction(), q)) == "x[2]²"
    assert repr(store.get(ot.ConstraintFunction(), f)) == "[x[0] + 1,\n 1,\n x[2] + 1]"
    assert show(store, plain) == "[x[0],\n x[2]] in Nonnegatives(2)"
    assert show(store, after) == "[x[2],\n x[0]] in Nonnegatives(2)"
    assert store.get(ot.ListOfVariableIndices()).ids.tolist() == [v[0].value, v[2].value]
    assert store.get(ot.NumberOfVariables()) == 2
    w = store.add_variable()
    assert w not in list(v) and store.is_valid(w)
    with pytest.raises(ot.InvalidIndex, match="deleted"):
        store.get(ot.VariableName(), v[1])
    with pytest.raises(ot.InvalidIndex, match="deleted"):
        store.add_constraint(1.0 * v[1], ot.LessThan(1.0))
    with pytest.raises(ot.InvalidIndex, match="deleted"):
        store.delete(v[1])


def test_vectors_that_cannot_shrink(store: ot.Store) -> None:
    """A vector in a rectangle loses no row; all its variables, or it and some of them, can go together."""
    v = store.add_variables(3)
    box = store.add_constraint(v[:2], ot.HyperRectangle([0.0, 0.0], [1.0, 1.0]))
    with pytest.raises(ot.UnsupportedModification, match="cannot lose a row"):
        store.delete(v[0])
    assert store.is_valid(v[0]) and store.is_valid(box)
    store.delete([box, v[0]])
    assert not store.is_valid(box) and store.get(ot.ListOfVariableIndices()).ids.tolist() == v.ids[1:].tolist()
    box = store.add_constraint(v[1:], ot.HyperRectangle([0.0, 0.0], [1.0, 1.0]))
    store.delete(v[1:])
    assert not store.is_valid(box) and store.get(ot.NumberOfVariables()) == 0


def test_deleting_many(store: ot.Store) -> None:
    """Sequences, slices and repeats; one bad index and nothing is deleted."""
    v = store.add_variables(4)
    rows = store.add_constraints(np.eye(4) @ v, ot.LessThan(1.0))
    with pytest.raises(ot.InvalidIndex):
        store.delete([rows[0], v[0], ot.VariableIndex(3)])
    for bad in (5, "x", [v[0], None]):
        with pytest.raises(ot.InvalidIndex, match="Expected the index"):
            store.delete(bad)
    assert store.is_valid(rows[0]) and store.is_valid(v[0])
    store.delete([rows[0], rows[0]])
    store.delete(rows[1:3])
    assert list(store.get(ot.ListOfConstraintIndices(AFFINE, ot.LessThan))) == [rows[3]]
    assert store.get(ot.NumberOfConstraints(AFFINE, ot.LessThan)) == 1
    with pytest.raises(ot.InvalidIndex, match="deleted"):
        store.get(ot.ConstraintSet(), rows[0])
    with pytest.raises(ot.InvalidIndex, match="deleted"):
        store.numbers(rows)
    store.delete(rows[3])
    assert store.get(ot.ListOfConstraintTypesPresent()) == []
    assert store.get(ot.ListOfConstraintIndices(AFFINE, ot.LessThan)).values.tolist() == []


def test_indices_of_other_models(store: ot.Store) -> None:
    """Variables and constraints of another store, negative and too large numbers are all recognized."""
    other = ot.Store()
    x, y = store.add_variable(), other.add_variable()
    d = other.add_constraint(1.0 * y, ot.LessThan(1.0))
    for bad in (y, ot.VariableIndex(-1), ot.VariableIndex(store.base + 1), d):
        assert not store.is_valid(bad)
        with pytest.raises(ot.InvalidIndex):
            store.check_index(bad)
    with pytest.raises(ot.InvalidIndex, match="another model"):
        store.add_constraint(x + y, ot.LessThan(1.0))
    with pytest.raises(ot.InvalidIndex, match="another model"):
        store.set(ot.ObjectiveFunction(), y * y)
    with pytest.raises(ot.InvalidIndex):
        store.check_ids(np.array([x.value, y.value] * 50))
    assert store.get(ot.ListOfConstraintTypesPresent()) == []


# ---------------------------------------------------------------------- copies
def test_copies_are_equal_and_independent(store: ot.Store) -> None:
    """A copy has the same model under mapped indices, and lives its own life."""
    v = store.add_variables(10)
    store.delete(v[9])
    indices = [store.add_constraint(f, s) for f, s in constraints(v)]
    store.set(ot.VariableName(), v[0], "a")
    store.set(ot.ConstraintName(), indices[-1], "c")
    store.set(ot.Name(), "m")
    store.set(ot.VariablePrimalStart(), v[1], 2.0)
    store.set(ot.ConstraintPrimalStart(), indices[-1], [1.0, 2.0])
    store.set(ot.ConstraintDualStart(), indices[-1], [3.0, 4.0])
    store.set(ot.ObjectiveFunction(), v[0] * v[1] + 1.0)
    store.set(ot.ObjectiveSense(), ot.ObjectiveSenseCode.MAX_SENSE)
    copy = ot.Store()
    copy.add_variables(3)  # emptied by copy_to
    index_map = store.copy_to(copy)
    for i in indices:
        j = index_map(i)
        assert show(copy, j) == show(store, i).replace("x[9]", "x[8]") and copy.is_valid(j)
    assert copy.get(ot.NumberOfVariables()) == 9 and copy.get(ot.Name()) == "m"
    assert copy.by_name(ot.VariableName(), "a") == index_map(v[0])
    assert copy.get(ot.ConstraintName(), index_map(indices[-1])) == "c"
    assert copy.get(ot.VariablePrimalStart(), index_map(v[1])) == 2.0
    assert copy.get(ot.ConstraintPrimalStart(), index_map(indices[-1])).tolist() == [1.0, 2.0]
    assert copy.get(ot.ConstraintDualStart(), index_map(indices[-1])).tolist() == [3.0, 4.0]
    assert copy.get(ot.ObjectiveSense()) is ot.ObjectiveSenseCode.MAX_SENSE
    assert repr(copy.get(ot.ObjectiveFunction())) == repr(store.get(ot.ObjectiveFunction()))
    copy.delete(index_map(v[8]))
    copy.modify(ot.ObjectiveFunction(), ot.ScalarConstantChange(9.0))
    assert store.is_valid(v[8]) and store.get(ot.ObjectiveFunction()).constant == 1.0


def test_evaluate(store: ot.Store) -> None:
    """Values of one and of many constraints at a point."""
    v = store.add_variables(2)
    rows = store.add_constraints(np.array([[1.0, 2.0], [3.0, 4.0]]) @ v + 1.0, ot.LessThan(0.0))
    f = store.add_constraint(v * v, ot.Zeros(2))

    def at(ids: Any) -> Any:
        return np.array([1.0, -1.0])[ids - store.base]

    assert np.array_equal(store.evaluate(rows, at), [0.0, 0.0])
    assert store.evaluate(rows[1], at, False) == -1.0
    assert np.array_equal(store.evaluate(f, at), [1.0, 1.0])
    assert np.array_equal(store.evaluate(rows[:0], at), [])


def test_changes_that_overflow_are_refused() -> None:
    """A constant or a bound whose difference from the other is infinite is refused, and the constraint stays."""
    store = ot.Store()
    v = store.add_variables(2)
    row = store.add_constraint(v[0] + v[1] + 1e308, ot.LessThan(1.0))
    box = store.add_constraint(1.0 * v, ot.HyperRectangle([-1e308, -np.inf], [1.0, 1.0]))
    f, words = store.get(ot.ConstraintFunction(), row), "too large beside the constant"
    with pytest.raises(ot.InvalidData, match=words):
        store.set(ot.ConstraintSet(), row, ot.LessThan(-1e308))
    with pytest.raises(ot.InvalidData, match=words):
        store.modify(box, ot.VectorConstantChange(np.array([1e308, 0.0])))
    with pytest.raises(ot.InvalidData, match=words):
        store.set_numbers(ConstraintIndices(row.kind, np.array([row.value])), np.array([[-1e308]]))
    with pytest.raises(ot.InvalidData, match=words):
        store.set_numbers(ConstraintIndices(row.kind, np.array([row.value])), np.array([[1e308]]), np.array([-1e308]))
    assert repr(store.get(ot.ConstraintFunction(), row)) == repr(f)
    assert store.get(ot.ConstraintSet(), row) == ot.LessThan(1.0)
    store.set(ot.ConstraintSet(), row, ot.LessThan(1e308))
    store.modify(box, ot.VectorConstantChange(np.array([0.0, 1e308])))
