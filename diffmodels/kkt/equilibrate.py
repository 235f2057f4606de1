"""Symmetric equilibration: bring every row and column of a matrix to about the same size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp

from ...modelkit.arrays import FloatArray, IntArray

__all__ = ["largest_entry", "ruiz_scaling", "scaled", "sums_of_sizes"]

_MAX_SWEEPS = 25
# Row maxima within this factor of one are as good as ones: the scales are rounded to powers of two anyway.
_CLOSE_ENOUGH = 4.0
# Entries of a dense array handled at a time.
_SLICE = 32_768


def _column_maxima(M: Any) -> Callable[[FloatArray], FloatArray]:
    """From weights w to ``max_i w_i |M_ij|`` for every column j of a dense array or CSC matrix; zero if it is empty."""
    if not sp.issparse(M):
        return lambda weights: _dense_column_maxima(M, weights)
    return _line_maxima(M, np.abs(M.data))


def _line_maxima(M: Any, sizes: FloatArray) -> Callable[[FloatArray], FloatArray]:
    """The same of the lines of a compressed matrix, columns of CSC and rows of CSR, with entries of these sizes."""
    filled = np.flatnonzero(np.diff(M.indptr))
    starts, count = M.indptr[filled], len(M.indptr) - 1

    def maxima(weights: FloatArray) -> FloatArray:
        found = np.zeros(count)
        if filled.size:
            weighted = weights[M.indices]
            weighted *= sizes
            single = filled.size == sizes.size  # as of a diagonal
            found[filled] = weighted if single else np.maximum.reduceat(weighted, starts)
        return found

    return maxima


def _maxima_of_rows(A: Any) -> tuple[Callable[[FloatArray], FloatArray], Callable[[FloatArray], FloatArray]]:
    """Those of the columns of A, by weights of rows, and those of the rows, by weights of columns."""
    if not sp.issparse(A):
        return _column_maxima(A), _column_maxima(A.T)
    rows = A.tocsr()
    sizes, counts = np.abs(rows.data), np.diff(rows.indptr)

    def of_columns(weights: FloatArray) -> FloatArray:
        found = np.zeros(rows.shape[1])
        np.maximum.at(found, rows.indices, sizes * np.repeat(weights, counts))
        return found

    return of_columns, _line_maxima(rows, sizes)


def _dense_column_maxima(M: FloatArray, weights: FloatArray) -> FloatArray:
    """The same for a dense array, in slices that stay in the cache and follow the memory order."""
    maxima = np.zeros(M.shape[1])
    slices = max(1, _SLICE // max(1, M.shape[0] if M.flags.f_contiguous else M.shape[1]))
    if M.flags.f_contiguous:
        for j in range(0, M.shape[1], slices):
            part = np.abs(M.T[j : j + slices])
            part *= weights
            maxima[j : j + slices] = part.max(axis=1, initial=0.0)
        return maxima
    for i in range(0, M.shape[0], slices):
        part = np.abs(M[i : i + slices])
        part *= weights[i : i + slices, None]
        np.maximum(maxima, part.max(axis=0, initial=0.0), out=maxima)
    return maxima


def sums_of_sizes(M: FloatArray) -> FloatArray:
    """The sum of the sizes of the entries of each row of a dense array, in the same way."""
    sums = np.zeros(M.shape[0])
    step = max(1, _SLICE // max(1, M.shape[0] if M.flags.f_contiguous else M.shape[1]))
    if M.flags.f_contiguous:
        for j in range(0, M.shape[1], step):
            sums += np.abs(M.T[j : j + step]).sum(axis=0)
        return sums
    for i in range(0, M.shape[0], step):
        sums[i : i + step] = np.abs(M[i : i + step]).sum(axis=1)
    return sums


def largest_entry(P: Any, scale: FloatArray) -> float:
    """Return the largest absolute value in ``diag(scale) @ P @ diag(scale)``."""
    return float((scale * _column_maxima(P)(scale)).max(initial=0.0))


def ruiz_scaling(P: Any, A: Any = None, start: FloatArray | None = None, shared: IntArray | None = None) -> FloatArray:
    r"""Return s > 0 such that the rows of :math:`\mathrm{diag}(s) K \mathrm{diag}(s)` have maxima near one.

    K is P, or :math:`\begin{pmatrix} P & A^T \\ A & 0 \end{pmatrix}`. Repeats
    :math:`s_i \leftarrow s_i / \sqrt{\max_j |s_i K_{ij} s_j|}` and rounds to powers of two, so that scaling
    and unscaling are free of rounding error. Rows of zeros keep their scale.

    Parameters
    ----------
    P : symmetric matrix (n, n), a dense array or CSC
    A : matrix (m, n), a dense array, CSR or CSC; None for no rows
    start : first guess (n + m,); ones by default
    shared : numbers from 0 on of the rows of A (m,), or of P if A is None (n,): those of one number, as the rows of a
        cone, get one scale; by default each its own

    Returns
    -------
    ndarray, shape (n + m,)
        Powers of two.

    References
    ----------
    D. Ruiz, *A scaling algorithm to equilibrate both rows and columns norms in matrices*, RAL-TR-2001-034,
    2001.
    """
    n, m = P.shape[0], 0 if A is None else A.shape[0]
    scale = np.ones(n + m) if start is None else start.copy()
    of_P = _column_maxima(P)
    of_columns, of_rows = (of_P, of_P) if A is None else _maxima_of_rows(A)
    for _ in range(_MAX_SWEEPS):
        maxima = of_P(scale[:n])
        if A is not None:
            maxima = np.concatenate([np.maximum(maxima, of_columns(scale[n:])), of_rows(scale[:n])])
        if shared is not None:
            first = len(maxima) - len(shared)
            maxima[first:] = _largest_of_each(maxima[first:], shared)
        maxima = maxima * scale
        filled = maxima > 0.0
        if not filled.any() or (maxima.max() <= _CLOSE_ENOUGH and maxima[filled].min() >= 1.0 / _CLOSE_ENOUGH):
            break
        scale[filled] /= np.sqrt(maxima[filled])
    return np.asarray(np.exp2(np.round(np.log2(scale))))


def _largest_of_each(values: FloatArray, shared: IntArray) -> FloatArray:
    largest = np.zeros(int(shared.max(initial=-1)) + 1)
    np.maximum.at(largest, shared, values)
    return np.asarray(largest[shared])


def scaled(K: Any, scale: FloatArray) -> Any:
    """Return ``diag(scale) @ K @ diag(scale)``; a dense array is overwritten, a CSC matrix is not."""
    if not sp.issparse(K):
        if (scale != 1.0).any():
            K *= scale[:, None]
            K *= scale
        return K
    columns = np.repeat(scale, np.diff(K.indptr))
    return sp.csc_array((K.data * scale[K.indices] * columns, K.indices, K.indptr), shape=K.shape)
