"""Random changes of a form against dense arrays that are changed the plain way, and its journal against the form."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from optangent.modelkit.form import Discreteness, Form, Slots


class Dense:
    """The same model in dense arrays."""

    def __init__(self) -> None:
        self.A = np.zeros((0, 0))
        self.box = np.zeros((2, 0))
        self.sides = np.zeros((2, 0))

    def columns(self, count: Any) -> None:
        """Append columns."""
        self.A = np.hstack([self.A, np.zeros((len(self.A), count))])
        self.box = np.hstack([self.box, np.tile([[-np.inf], [np.inf]], count)])

    def rows(self, A: Any, sides: Any) -> None:
        """Append rows."""
        self.A = np.vstack([self.A, A])
        self.sides = np.hstack([self.sides, sides])


def some_rows(rng: Any, count: Any, n: Any) -> Any:
    """Sparse rows and their dense twin."""
    dense = rng.standard_normal((count, n)) * (rng.random((count, n)) < 0.5)
    return sp.csr_array(dense), dense


@pytest.mark.parametrize("seed", range(4))
def test_changes_are_those_of_dense_arrays(seed: Any) -> None:
    """After each of many random changes the arrays are those of a dense model changed alike."""
    rng = np.random.default_rng(seed)
    form, dense = Form(), Dense()
    loaded = np.zeros((0, 0))  # what a reader of the journal has
    for step in range(300):
        what = rng.integers(7) if form.m and form.n else rng.integers(2)
        stamp = form.stamp
        if what == 0:
            count = int(rng.integers(1, 4))
            assert form.add_columns(count).tolist() == list(range(dense.A.shape[1], dense.A.shape[1] + count))
            dense.columns(count)
        elif what == 1:
            A, full = some_rows(rng, 2, form.n)
            sides = np.sort(rng.standard_normal((2, 2)), axis=0)
            form.add_rows(A, *sides)
            dense.rows(full, sides)
        elif what == 2:
            row = int(rng.integers(form.m))
            columns = np.sort(rng.choice(form.n, int(rng.integers(form.n + 1)), replace=False))
            values = rng.standard_normal(len(columns))
            form.set_row(row, columns, values)
            dense.A[row] = 0.0
            dense.A[row, columns] = values
        elif what == 3:
            row = int(rng.integers(form.m))
            columns, _ = form.row(row)
            values = rng.standard_normal(len(columns))
            form.set_row(row, columns.copy(), values)
            dense.A[row, columns] = values
        elif what == 4:
            rows = rng.choice(form.m, 1)
            form.set_sides(rows, -1.0, step)
            dense.sides[:, rows] = [[-1.0], [step]]
        elif what == 5:
            row = int(rng.integers(form.m))  # others behind those that are there
            columns, values = form.row(row)
            new = np.setdiff1d(rng.choice(form.n, min(2, form.n), replace=False), columns)
            columns, values = np.append(columns, new), np.append(values, rng.standard_normal(len(new)))
            values[:1] *= 2.0
            form.set_row(row, columns, values)
            dense.A[row, columns] = values
        else:
            columns = rng.choice(form.n, 1)
            form.set_bounds(columns, upper=step)
            dense.box[1, columns] = step
        assert form.stamp is stamp or what not in (4, 6)  # sides and bounds are in no matrix
        np.testing.assert_array_equal(form.products.A, dense.A)
        if step % 7 == 0 or form.A.shape != dense.A.shape:
            loaded = read(loaded, form)
            np.testing.assert_array_equal(loaded, dense.A)
        first = int(rng.integers(form.m + 1))
        starts, indices, data = form.rows_from(first)
        last = sp.csr_array((data, indices, starts), (form.m - first, form.n))
        np.testing.assert_array_equal(last.toarray(), dense.A[first:])
        np.testing.assert_array_equal([form.row_lower, form.row_upper], dense.sides)
        np.testing.assert_array_equal([form.lower, form.upper], dense.box)
    np.testing.assert_array_equal(form.A.toarray(), dense.A)


def read(loaded: Any, form: Any) -> Any:
    """Bring what a reader has up to date by the journal alone: appended rows, then changed entries."""
    journal = form.take_journal()
    now = np.zeros((form.m, form.n))
    now[: loaded.shape[0], : loaded.shape[1]] = loaded
    for row in range(form.m - journal.new_rows, form.m):
        columns, values = form.row(row)
        now[row, columns] = values
    for row, column, value in zip(*journal.entries, strict=True):
        now[row, column] = value
    return now


def test_an_unchanged_form_has_an_empty_journal() -> None:
    """A journal is true exactly if something changed since it was taken."""
    form = Form()
    assert not form.journal
    form.add_columns(2)
    assert form.take_journal()
    assert not form.journal
    version = form.version
    form.set_discreteness(np.array([1]), Discreteness.INTEGER)
    assert form.journal.kinds.tolist() == [1]
    assert form.version > version
    assert form.is_discrete


def test_journals_are_gathered() -> None:
    """A later journal added to an earlier one tells all that changed."""
    form = Form()
    form.add_columns(2)
    first = form.take_journal()
    form.set_bounds(np.array([1]), 0.0, 1.0)
    form.set_objective(sp.csc_array(np.eye(2)), np.ones(2), 3.0)
    first.add(form.take_journal())
    assert first.new_columns == 2
    assert first.bounds.tolist() == [1]
    assert first.has_costs
    assert first.has_curvature
    assert not first.keeps_curvature


def test_curvature_with_the_same_pattern_keeps_it() -> None:
    """New numbers in the pattern of P are told apart from a new pattern."""
    form = Form()
    form.add_columns(2)
    form.set_objective(sp.csc_array(np.eye(2)), np.zeros(2), 0.0)
    form.take_journal()
    stamp = form.stamp
    form.set_objective(sp.csc_array(2.0 * np.eye(2)), np.zeros(2), 0.0)
    journal = form.take_journal()
    assert journal.has_curvature
    assert journal.keeps_curvature
    assert form.stamp is not stamp
    stamp = form.stamp
    form.set_objective(sp.csc_array(2.0 * np.eye(2)), np.ones(2), 0.0)
    assert form.stamp is stamp


def test_slots_are_rows_then_bounds_then_cones() -> None:
    """Parts of an array over all slots come back as they went in."""
    slots = Slots(2, 3, 4)
    values = np.arange(9.0)
    assert slots.size == 9
    np.testing.assert_array_equal(slots.joined(*slots.parts(values)), values)
    assert slots.of_bounds(np.array([1])).tolist() == [3]
    assert slots.of_cones(np.array([0])).tolist() == [5]


@pytest.mark.parametrize("move", [copy.deepcopy, lambda form: pickle.loads(pickle.dumps(form))], ids=["copy", "pickle"])
def test_copies_are_written_into_by_themselves(move: Any) -> None:
    """A change of an entry reaches A of the form that it was made in, and no other, though A was read before."""
    form = Form()
    form.add_columns(2)
    form.add_rows(sp.csr_array([[1.0, 2.0]]), np.zeros(1), np.ones(1))
    assert form.A.toarray().tolist() == [[1.0, 2.0]]
    other = move(form)
    other.set_entries(np.array([1]), np.array([5.0]), np.array([0]))
    form.set_entries(np.array([0]), np.array([7.0]), np.array([0]))
    assert other.A.toarray().tolist() == [[1.0, 5.0]] and form.A.toarray().tolist() == [[7.0, 2.0]]


def test_copies_have_the_same_stamp_until_one_is_changed() -> None:
    """A copy, and a form with other sides, tell by the stamp that matrices are the same, not those with others."""
    form = Form()
    form.add_columns(2)
    form.add_rows(sp.csr_array([[1.0, 2.0]]), np.zeros(1), np.ones(1))
    other = copy.deepcopy(form)
    assert other.stamp is form.stamp is form.with_numbers(row_lower=np.array([-1.0])).stamp
    twin = form.with_numbers(A=np.array([3.0, 4.0]))
    assert twin.stamp is not form.stamp and twin.products.A.tolist() == [[3.0, 4.0]]
    other.set_entries(np.array([1]), np.array([5.0]), np.array([0]))
    assert other.stamp is not form.stamp and other.products.A.tolist() == [[1.0, 5.0]]
    assert form.products.A.tolist() == [[1.0, 2.0]]
