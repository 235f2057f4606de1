"""A sparse matrix applied to the last dimension of arrays, fast for one small vector and for many large ones."""

from __future__ import annotations

from functools import cached_property
from typing import Any, final

import numpy as np
import scipy.sparse as sp

from ..arrays import FloatArray, IntArray
from .entry_layers import EntryLayers, Layered

__all__ = ["LinearMap"]

_FEW = 4
"""Entries in a row up to which it is a sum of multiples of chosen numbers."""
_TINY = 4_000
"""Size up to which one product with an array is as fast as anything."""
_SMALL = 40_000
"""Size up to which a product with an array beats one with a sparse matrix, whose checks cost more than its sums."""


@final
class LinearMap:
    """The map ``v -> M v`` and its transpose, of the last dimension of arrays.

    Parameters
    ----------
    matrix : sparse (m, n), or in layers

    Attributes
    ----------
    layered : the map, where it goes by layers

    Examples
    --------
    >>> M = LinearMap(sp.csr_array([[0.0, 2.0], [1.0, 0.0], [1.0, 1.0]]))
    >>> M(np.array([[1.0, 2.0]]))
    array([[4., 1., 3.]])
    >>> M.transposed(np.array([1.0, 0.0, 1.0]))
    array([1., 3.])
    """

    def __init__(self, matrix: Any) -> None:
        goes_by_layers = isinstance(matrix, EntryLayers) and matrix.nnz > _SMALL and matrix.are_matchings()
        self._matrix: Any = Layered(matrix) if goes_by_layers else sp.csr_array(matrix.tocsr())
        self._M: Any = self._matrix if goes_by_layers else _prepared(self._matrix)
        self.layered: Layered | None = self._matrix if goes_by_layers else None

    @cached_property
    def _Mt(self) -> Any:
        """The transpose, which not all need."""
        if self.layered is not None:
            return Layered(self.layered.entries.T)
        return _prepared(sp.csr_array(self._matrix.T))

    def __call__(self, values: FloatArray) -> FloatArray:
        """(..., n) to (..., m)."""
        out: FloatArray = self._M(values)
        return out

    def transposed(self, values: FloatArray) -> FloatArray:
        """(..., m) to (..., n)."""
        out: FloatArray = self._Mt(values)
        return out


def _prepared(matrix: sp.csr_array) -> Any:
    matrix.sum_duplicates()
    (m, n), width = matrix.shape, int(np.diff(matrix.indptr).max(initial=0))
    if m == n == matrix.nnz and width == 1 and (matrix.indices == np.arange(n)).all() and (matrix.data == 1.0).all():
        return _same
    if m * n > _TINY and width <= _FEW and width * m <= 2 * matrix.nnz + m:
        return _Chosen(matrix, width)
    return _Dense(matrix) if m * n <= _SMALL else _Sparse(matrix)


def _same(values: FloatArray) -> FloatArray:
    return values


class _Chosen:
    """The k-th entries of all rows at once; rows with fewer have zeros."""

    def __init__(self, matrix: sp.csr_array, width: int) -> None:
        self._m, entry = matrix.shape[0], matrix.indptr[:-1]
        self._parts: list[tuple[IntArray, FloatArray | float | None]] = []
        for k in range(width):
            there = np.diff(matrix.indptr) > k
            if there.all():
                at = slice(None) if width == 1 else entry + k
                place, coef = matrix.indices[at].astype(np.int64), matrix.data[at]
            else:
                place, coef = np.zeros(self._m, np.int64), np.zeros(self._m)
                place[there], coef[there] = matrix.indices[entry[there] + k], matrix.data[entry[there] + k]
            is_one = bool((coef == coef[:1]).all())
            self._parts.append((place, (None if coef[0] == 1.0 else float(coef[0])) if is_one else coef))

    def __call__(self, values: FloatArray) -> FloatArray:
        out: FloatArray | None = None
        for place, coef in self._parts:
            part = values.take(place, axis=-1, mode="clip")  # which NumPy does faster than to check again
            if coef is not None:
                part *= coef
            out = part if out is None else np.add(out, part, out=out)
        return np.zeros((*values.shape[:-1], self._m)) if out is None else out


class _Dense:
    def __init__(self, matrix: sp.csr_array) -> None:
        self._transposed = np.ascontiguousarray(matrix.toarray().T)

    def __call__(self, values: FloatArray) -> FloatArray:
        return np.asarray(values.dot(self._transposed))  # which takes half the time of @


class _Sparse:
    def __init__(self, matrix: sp.csr_array) -> None:
        self._matrix = matrix

    def __call__(self, values: FloatArray) -> FloatArray:
        rows = values.reshape(-1, values.shape[-1])
        return np.ascontiguousarray((self._matrix @ rows.T).T).reshape(*values.shape[:-1], self._matrix.shape[0])
