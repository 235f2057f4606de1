"""Quadratic functions as matrices."""

from __future__ import annotations

import numpy as np

import optangent as ot
from optangent.modelkit.form.matrix_form import objective_matrices
from optangent.modelkit.functions.rows import Rows


def test_an_objective() -> None:
    """Products of either order add up, squares count twice in P."""
    store = ot.Store()
    v = store.add_variables(3)
    store.set(ot.ObjectiveFunction(), v[0] * v[1] + v[1] * v[0] + 3 * v[2] * v[2] + 2 * v[0] - 7.0)
    assert store.objective_block is not None
    P, q, r = objective_matrices(store.objective_block.all_rows(), lambda ids: ids - v.ids[0], 3)
    np.testing.assert_array_equal(P.toarray(), [[0, 2, 0], [2, 0, 0], [0, 0, 6]])
    assert q.tolist() == [2, 0, 0] and r == -7.0


def test_a_constant() -> None:
    """No terms."""
    P, q, r = objective_matrices(Rows(np.array([2.0])), lambda ids: ids, 3)
    assert P.shape == (3, 3) and not P.nnz and q.tolist() == [0, 0, 0] and r == 2.0
