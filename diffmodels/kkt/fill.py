"""What a sparse factorization of a symmetric matrix will cost, by counting its entries before it is computed.

The factor of an elimination in some order has in column j the entries of the matrix and those of the columns whose
first entry is in row j (R. Schreiber, *A new implementation of sparse Gaussian elimination*, ACM Transactions on
Mathematical Software 8 (1982), 256-276). Sets of rows are bits of words here, their unions a few operations of array
arithmetic a column. The orders are cheap ones, by degree and that of COLAMD (T. A. Davis et al., ACM Transactions on
Mathematical Software 30 (2004), 353-376), and the least count is taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spla
from scipy.sparse.csgraph import reverse_cuthill_mckee

from ...modelkit.arrays import IntArray

__all__ = ["LARGEST_DENSE", "SPARSE_RATE", "TooExpensive", "dense_is_faster", "is_open", "operations"]

LARGEST_DENSE = 16_000
"""Order up to which a matrix is factorized as a dense one: 4 GB with its factor."""
_LARGEST_COUNTED = 60_000
"""Order up to which entries are counted, in a second or two."""
_OPEN_SIZE, _OPEN_DEGREE = 1_000, 40
"""Order, and entries in a column, from which it pays to count."""
_DENSE_RATE, SPARSE_RATE = 2e10, 1e9
"""Operations a second of both factorizations, measured on one core."""
_WORD = 64


class TooExpensive(ArithmeticError):
    """A factorization would take longer than it may."""


def dense_is_faster(K: Any, limit: float) -> bool:
    """Whether a sparse matrix is factorized faster as a dense one.

    Parameters
    ----------
    K : CSC array with a symmetric pattern
    limit : seconds

    Raises
    ------
    TooExpensive
        If neither way will end within the limit.
    """
    size = K.shape[0]
    if not is_open(K.nnz, size):
        return False
    dense = size**3 / 3.0 / _DENSE_RATE if size <= LARGEST_DENSE else np.inf
    bound = min(dense, limit)
    if not np.isfinite(bound):
        return False
    sparse = operations(K, SPARSE_RATE * bound) / SPARSE_RATE
    if min(dense, sparse) > limit:
        raise TooExpensive
    return dense < sparse


def is_open(entries: float, size: int) -> bool:
    """Whether a sparse matrix with so many entries may fill up and cost much."""
    return _OPEN_SIZE < size <= _LARGEST_COUNTED and entries > _OPEN_DEGREE * size


def operations(K: Any, enough: float) -> float:
    """The sum of squares of the columns' entries of a factor, about the operations that it takes.

    Parameters
    ----------
    K : CSC array with a symmetric pattern
    enough : number from which counting ends; then it, or more, is the answer
    """
    least = np.inf
    for order in _orders(K):
        least = min(least, _counted(K, order, min(enough, least)))
    return least


def _orders(K: Any) -> Iterator[IntArray]:
    """Orders of elimination, the columns in each."""
    pattern = sp.csc_array((np.full(K.nnz, 1e-3), K.indices, K.indptr), shape=K.shape)
    near = np.empty(K.shape[0], np.int64)
    near[reverse_cuthill_mckee(sp.csr_matrix(pattern), symmetric_mode=True)] = np.arange(K.shape[0])
    yield np.lexsort((near, np.diff(K.indptr)))
    # All entries but a large diagonal are dropped: what is left of an incomplete factorization is its order.
    large = sp.csc_matrix(pattern + sp.eye_array(K.shape[0], format="csc"))
    yield np.argsort(
        spla.spilu(large, drop_tol=1.0, fill_factor=1.0, permc_spec="COLAMD", diag_pivot_thresh=0.0).perm_c
    )


def _counted(K: Any, order: IntArray, enough: float) -> float:
    N = K.shape[0]
    place = np.empty(N, np.int64)
    place[order] = np.arange(N)
    at, starts = place[K.indices], K.indptr
    width = -(-N // _WORD) * _WORD
    # Of each row the columns that have their first entry there, as words and the number of the first of these.
    waiting: list[list[tuple[int, Any]] | None] = [None] * N
    total = 0.0
    for j, column in enumerate(order.tolist()):
        rows = at[starts[column] : starts[column + 1]]
        first = j // _WORD
        mask = np.zeros(width - first * _WORD, bool)
        mask[rows[rows > j] - first * _WORD] = True
        words = np.packbits(mask, bitorder="little").view(np.uint64)
        for begin, others in waiting[j] or ():
            words[begin - first :] |= others
        waiting[j] = None
        words[0] &= ~np.uint64((2 << (j % _WORD)) - 1)
        count = int(np.bitwise_count(words).sum())
        if not count:
            continue
        total += float(count) ** 2
        if total >= enough:
            return total
        begin = int((words != 0).argmax())
        word = int(words[begin])
        parent = (first + begin) * _WORD + (word & -word).bit_length() - 1
        chain = waiting[parent]
        if chain is None:
            chain = waiting[parent] = []
        chain.append((first + begin, words[begin:].copy()))
    return total
