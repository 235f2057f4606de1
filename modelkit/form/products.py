"""The matrices of a form for those who multiply by them again and again: as arrays where they are small or full."""

from __future__ import annotations

import copy
from typing import Any, final

import numpy as np
import scipy.sparse as sp

from ..arrays import FloatArray

__all__ = ["Products", "as_array", "diagonal_matrix", "grid", "sizes_of", "with_entries", "workable"]

_SMALL = 30_000
"""Numbers of places up to which a product with an array costs less than the look that SciPy takes at its arguments."""
_MOSTLY_STORED = 0.3
"""Share of entries from which an array is faster whatever the size."""


def grid(matrix: Any) -> FloatArray | None:
    """The entries of a compressed matrix as an array to be read only, if it stores all of them in order, else None."""
    lines, n = matrix.shape if matrix.format == "csr" else matrix.shape[::-1]
    if not 0 < matrix.nnz == len(matrix.data) == lines * n or matrix.dtype != np.float64:
        return None
    in_order = (matrix.indptr == np.arange(lines + 1) * n).all() and (
        matrix.indices.reshape(lines, n) == np.arange(n, dtype=matrix.indices.dtype)
    ).all()
    if not in_order:
        return None
    entries: FloatArray = matrix.data.reshape(lines, n)
    entries.flags.writeable = False
    return entries if matrix.format == "csr" else entries.T


def as_array(matrix: Any) -> FloatArray:
    """A compressed matrix as an array; it may share the entries, and is to be read only."""
    entries = grid(matrix) if matrix.nnz > _SMALL else None
    return np.asarray(matrix.toarray(), np.float64) if entries is None else entries


def workable(matrix: Any) -> Any:
    """The matrix as an array if it is small or full, else as it is, compressed; where it can it shares the entries."""
    if not sp.issparse(matrix):
        return np.asarray(matrix, np.float64)
    places = matrix.shape[0] * matrix.shape[1]
    if places <= _SMALL or matrix.nnz > _MOSTLY_STORED * places:
        return as_array(matrix)
    return matrix if matrix.dtype == np.float64 else matrix.astype(np.float64)


def diagonal_matrix(values: FloatArray) -> Any:
    """The diagonal matrix of numbers (n,), without the zeros among them, in CSC."""
    at = np.flatnonzero(values)
    n, indptr = len(values), np.zeros(len(values) + 1, np.int32)
    if len(at) == n:
        indptr = np.arange(n + 1, dtype=np.int32)
    else:
        np.cumsum(values != 0.0, out=indptr[1:])
    return sp.csc_array((values[at], at.astype(np.int32), indptr), shape=(n, n))


def with_entries(matrix: Any, data: FloatArray) -> Any:
    """A compressed matrix of the same pattern, which both share."""
    other = copy.copy(matrix)  # which checks nothing again
    other.data = data
    return other


def sizes_of(matrix: Any) -> Any:
    """The matrix with the sizes of its entries."""
    return with_entries(matrix, np.abs(matrix.data)) if sp.issparse(matrix) else np.abs(matrix)


@final
class Products:
    """The matrices P, A and F of a form and the transposes of the latter two, for products.

    Parameters
    ----------
    P, A, F : compressed, or arrays

    Attributes
    ----------
    memo : what else was made of these matrices and may be asked for again
    """

    def __init__(self, P: Any, A: Any, F: Any) -> None:
        self.P, self.A, self.F = workable(P), workable(A), workable(F)
        self.A_T, self.F_T = self.A.T, self.F.T
        self.memo: dict[Any, Any] = {}
        self._sizes: Products | None = None

    @property
    def sizes(self) -> Products:
        """The same of the sizes of all entries."""
        if self._sizes is None:
            self._sizes = Products(sizes_of(self.P), sizes_of(self.A), sizes_of(self.F))
        return self._sizes
