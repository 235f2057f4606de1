"""Tests of the matrices of a form as they are multiplied by."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from optangent.modelkit.form.products import as_array, grid, workable


@pytest.mark.parametrize("make", [sp.csr_array, sp.csc_array])
def test_full_matrices_share_their_entries(make: Any) -> None:
    """A matrix that stores all entries in order is an array without a copy, to be read only."""
    M = np.random.default_rng(0).standard_normal((300, 200))
    full = make(M)
    for found in (grid(full), as_array(full), workable(full)):
        np.testing.assert_array_equal(found, M)
        assert np.shares_memory(found, full.data) and not found.flags.writeable
    assert full.data.flags.writeable


@pytest.mark.parametrize("make", [sp.csr_array, sp.csc_array])
def test_other_matrices_are_no_grid(make: Any) -> None:
    """Gaps, another order of the entries, entries twice and whole numbers are seen."""
    M = np.random.default_rng(1).standard_normal((300, 200))
    gap, twice, turned = M.copy(), make(M), make(M)
    gap[7, 5] = 0.0
    turned.indices[:2], turned.data[:2] = turned.indices[1::-1].copy(), turned.data[1::-1].copy()
    twice.indices[1] = twice.indices[0]
    whole = make(np.ones((300, 200), np.int64))
    for matrix in (make(gap), turned, twice, whole, make((0, 200)), make((300, 0))):
        assert grid(matrix) is None
        np.testing.assert_array_equal(as_array(matrix), matrix.toarray())
    np.testing.assert_array_equal(as_array(turned), M)
    moved = make(M)
    moved.indptr[1] -= 1  # as many entries as places, but in other lines
    assert grid(moved) is None
