"""Copies, and the maps between indices."""

from __future__ import annotations

import numpy as np
import pytest

import optangent as ot


def random_additions(store: ot.Store, rng: np.random.Generator, count: int) -> None:
    """Variables, constraints of several kinds, and a few deletions."""
    for _ in range(count):
        v = store.get(ot.ListOfVariableIndices())
        kind = int(rng.integers(6)) if len(v) > 2 else 0
        if kind == 0:
            store.add_variables(int(rng.integers(1, 4)))
        elif kind == 1:
            store.add_constraint(rng.integers(1, 5) * v[0] + v[-1], ot.LessThan(float(rng.integers(9))))
        elif kind == 2:
            store.add_constraint(v[1] * v[-1] + 1.0, ot.EqualTo(float(rng.integers(9))))
        elif kind == 3:
            store.add_constraint(v[np.array([-1, 0])], ot.Nonnegatives(2))
        elif kind == 4:
            store.add_constraint(rng.integers(-2, 3, (2, len(v))).astype(float) @ v, ot.Zeros(2))
        elif len(kinds := store.kinds()):
            store.delete(store.get(ot.ListOfConstraintIndices(*kinds[0]))[0])


def assert_mapped(source: ot.Store, copy: ot.Store, index_map: ot.IndexMap) -> None:
    """Everything in the source is in the copy under the mapped indices, and nothing else."""
    assert copy.get(ot.NumberOfVariables()) == source.get(ot.NumberOfVariables())
    assert set(copy.kinds()) == set(source.kinds())
    for kind in source.kinds():
        indices = source.get(ot.ListOfConstraintIndices(*kind))
        assert len(copy.get(ot.ListOfConstraintIndices(*kind))) == len(indices)
        for one, many in zip(indices, index_map(indices), strict=True):
            assert index_map(one) == many
            assert copy.get(ot.ConstraintSet(), many) == source.get(ot.ConstraintSet(), one)
            want = index_map(source.get(ot.ConstraintFunction(), one)).rows.canonical()
            got = copy.get(ot.ConstraintFunction(), many).rows.canonical()
            for name in ("constant", "row", "var", "coef", "qrow", "qvar1", "qvar2", "qcoef"):
                np.testing.assert_array_equal(getattr(got, name), getattr(want, name))


@pytest.mark.parametrize("seed", range(5))
def test_copies_hold_what_is_there_and_nothing_else(seed: int) -> None:
    """After each batch of additions and deletions a copy, into a model that held another, equals the source."""
    rng, source, copy = np.random.default_rng(seed), ot.Store(), ot.Store()
    for _ in range(8):
        random_additions(source, rng, 6)
        assert_mapped(source, copy, source.copy_to(copy))


def test_starts_travel_with_a_copy() -> None:
    """Starts of variables and duals are given to the copy."""
    source, copy = ot.Store(), ot.Store()
    x = source.add_variable()
    c = source.add_constraint(2.0 * x, ot.LessThan(1.0))
    source.set(ot.VariablePrimalStart(), x, 3.0)
    source.set(ot.ConstraintDualStart(), c, -1.0)
    index_map = source.copy_to(copy)
    assert copy.get(ot.VariablePrimalStart(), index_map(x)) == 3.0
    assert copy.get(ot.ConstraintDualStart(), index_map(c)) == -1.0


def test_index_maps() -> None:
    """A map takes variables, vectors, constraints, functions and lists of them, and nothing else."""
    source, copy = ot.Store(), ot.Store()
    source.delete(source.add_variable())
    v = source.add_variables(3)
    c = source.add_constraints(np.eye(3) @ v, ot.LessThan(1.0))
    index_map = source.copy_to(copy)
    w = copy.get(ot.ListOfVariableIndices())
    assert index_map(v[1]) == w[1] and index_map(v).ids.tolist() == w.ids.tolist()
    assert index_map([v[2], c[0]]) == [w[2], index_map(c)[0]]
    assert repr(index_map(2.0 * v[0] * v[1] + v[2])) == repr(2.0 * w[0] * w[1] + w[2])
    assert index_map(c[1:]).values.tolist() == [index_map(one).value for one in c[1:]]
    with pytest.raises(ot.InvalidIndex, match="not an index"):
        index_map("x")


def test_constraint_indices() -> None:
    """Indices are values: equality, hash, words; many of one kind are a sequence."""
    kind = (ot.ScalarAffineFunction, ot.LessThan)
    one, same, other = (ot.ConstraintIndex(k, 3) for k in (kind, kind, (ot.ScalarAffineFunction, ot.EqualTo)))
    assert one == same and hash(one) == hash(same) and one != other and one != 3
    assert repr(one) == "ConstraintIndex(ScalarAffineFunction-in-LessThan, 3)"
    many = ot.ConstraintIndices(kind, np.array([3, 5, 7]))
    assert len(many) == 3 and many[0] == one and list(many[1:]) == [many[1], many[2]] and one in many
    assert repr(many) == "ConstraintIndices(ScalarAffineFunction-in-LessThan, 3)"
