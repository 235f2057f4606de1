"""The matrix form against the functions it is made of."""

from __future__ import annotations

import numpy as np
import pytest

import optangent as ot
from optangent.modelkit.matrix_form import MatrixForm, objective_matrices
from optangent.modelkit.rows import Rows

AFFINE, VECTOR = ot.ScalarAffineFunction, ot.VectorAffineFunction
KINDS = [(AFFINE, ot.EqualTo), (VECTOR, ot.HyperRectangle), (AFFINE, ot.LessThan), (ot.VariableIndex, ot.Interval)]


def model() -> tuple[ot.Store, ot.VectorOfVariables, list[ot.ConstraintIndex]]:
    """A store with deleted variables and rows, in kinds that are not in the form's order."""
    store = ot.Store()
    v = store.add_variables(4)
    gone = store.add_constraint(v[0] + v[1], ot.LessThan(9.0))
    rows = [
        store.add_constraint(v[3], ot.Interval(-1.0, 1.0)),
        store.add_constraint(2.0 * v[1] + 5.0, ot.LessThan(1.0)),
        store.add_constraint(v[1] - v[2] + 1.0, ot.LessThan(2.0)),
        store.add_constraint(v[3] + 3.0 * v[1], ot.EqualTo(4.0)),
        store.add_constraint(np.array([[1.0, 2.0], [0.0, 3.0]]) @ v[1:3] + 1.0, ot.HyperRectangle([0, 1], [2, 3])),
    ]
    store.set(ot.ObjectiveFunction(), v[1] * v[2] + 3 * v[3] * v[3] + 2 * v[1] - 7.0)
    store.delete([v[0], gone])
    return store, v, rows


def test_rows_bounds_and_objective() -> None:
    """Rows stand kind by kind in the form's order; deleted variables and rows have left no trace."""
    store, v, rows = model()
    form = MatrixForm(store, KINDS)
    assert form.n == 3 and form.ids.tolist() == v.ids[1:].tolist() and form.m == 6
    want = [[3, 0, 1], [1, 2, 0], [0, 3, 0], [2, 0, 0], [1, -1, 0], [0, 0, 1]]
    np.testing.assert_array_equal(form.F.toarray(), want)
    np.testing.assert_array_equal(form.g, [0, 1, 1, 5, 1, 0])
    np.testing.assert_array_equal(form.bounds(), [[4, -1, 0, -np.inf, -np.inf, -1], [4, 1, 2, -4, 1, 1]])
    np.testing.assert_array_equal(form.P.toarray(), [[0, 1, 0], [1, 0, 0], [0, 0, 6]])
    np.testing.assert_array_equal(form.q, [2, 0, 0])
    assert form.r == -7.0 and form.sign == 1.0
    assert list(form.parts) == KINDS
    slices = [form.rows_of(i) for i in rows]
    assert slices == [slice(5, 6), slice(3, 4), slice(4, 5), slice(0, 1), slice(1, 3)]
    many = store.get(ot.ListOfConstraintIndices(AFFINE, ot.LessThan))
    assert form.rows_of(many) == slice(3, 5)
    assert list(form.rows_of(many[::-1])) == [4, 3]  # type: ignore[arg-type]


def test_reading_changed_numbers_again() -> None:
    """Changed constants, bounds and objective are read without building the matrix anew."""
    store, v, rows = model()
    form = MatrixForm(store, KINDS)
    store.set(ot.ConstraintSet(), rows[2], ot.LessThan(8.0))
    store.modify(rows[1], ot.ScalarConstantChange(6.0))
    store.set(ot.ObjectiveSense(), ot.ObjectiveSenseCode.MAX_SENSE)
    store.modify(ot.ObjectiveFunction(), ot.ScalarCoefficientChange(v[3], 1.0))
    form.read_numbers()
    form.read_objective()
    np.testing.assert_array_equal(form.bounds()[1], [4, 1, 2, -5, 7, 1])
    np.testing.assert_array_equal(form.q, [-2, 0, -1])
    assert form.sign == -1.0 and form.r == 7.0 and form.P[2, 2] == -6.0


def test_what_came_later_has_no_rows() -> None:
    """A kind that the form does not know is one added after the solve."""
    store, v, _ = model()
    form = MatrixForm(store, KINDS)
    late = store.add_constraint(1.0 * v[1], ot.GreaterThan(0.0))
    with pytest.raises(ot.NotOptimized, match="added after the last solve"):
        form.rows_of(late)


def test_an_empty_model() -> None:
    """No variables, no rows, no objective."""
    form = MatrixForm(ot.Store(), KINDS)
    assert form.n == form.m == 0 and form.F.shape == (0, 0) and form.P.shape == (0, 0) and form.q.shape == (0,)
    P, q, r = objective_matrices(Rows(np.array([2.0])), lambda ids: ids, 3)
    assert P.shape == (3, 3) and q.tolist() == [0, 0, 0] and r == 2.0
