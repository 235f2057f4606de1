"""Arrays of numbers and of identifiers, and the few things that are done with them everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "FloatArray",
    "Growable",
    "IntArray",
    "added_up",
    "pairs",
    "cofactors",
    "segments",
    "spread",
    "sums",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@final
class Growable:
    """An array that grows at the end in amortized constant time."""

    __slots__ = ("_data", "_n")

    def __init__(self, dtype: Any, width: int | None = None) -> None:
        self._data: NDArray[Any] = np.zeros((0,) if width is None else (0, width), dtype)
        self._n = 0

    def extend(self, values: Any) -> None:
        """Append the values, copied."""
        count = len(values)
        need = self._n + count
        if need > len(self._data):
            grown = np.empty((max(need, 2 * len(self._data)), *self._data.shape[1:]), self._data.dtype)
            grown[: self._n] = self._data[: self._n]
            self._data = grown
        self._data[self._n : need] = values
        self._n = need

    def shorten(self, length: int) -> None:
        """Drop all but the first values."""
        self._n = length

    def replace(self, values: NDArray[Any]) -> None:
        """Hold these values instead."""
        self._data, self._n = values, len(values)

    @property
    def view(self) -> NDArray[Any]:
        """The values; writing into it writes into the array."""
        return self._data[: self._n]

    def __len__(self) -> int:
        return self._n


def segments(starts: IntArray, counts: IntArray) -> IntArray:
    """Positions of the concatenated ranges ``starts[i] : starts[i] + counts[i]``."""
    total = int(counts.sum())
    if total == 0:
        return np.zeros(0, np.int64)
    ends = np.cumsum(counts)
    positions: IntArray = np.arange(total) + np.repeat(starts - (ends - counts), counts)
    return positions


def sums(at: IntArray, values: FloatArray, count: int) -> FloatArray:
    """Sums of the values at each of count places (`numpy.bincount` makes whole numbers of no values)."""
    return np.bincount(at, values, count).astype(np.float64, copy=False)


def cofactors(factors: FloatArray) -> FloatArray:
    """For each entry of (T, D) the product of the others in its row: the derivative of the row's product."""
    others = np.ones(factors.shape)
    for column in range(factors.shape[1]):
        others[:, :column] *= factors[:, column, None]
        others[:, column + 1 :] *= factors[:, column, None]
    return others


def pairs(left: IntArray, right: IntArray, count: int) -> tuple[IntArray, IntArray]:
    """All (i, j) with ``left[i] == right[j]``, entries below count, in the order of i and then of j."""
    order = np.argsort(right, kind="stable")
    counts = np.bincount(right, minlength=count)
    each = counts[left]
    starts = np.cumsum(counts) - counts
    return np.repeat(np.arange(len(left)), each), order[segments(starts[left], each)]


def spread(matrix: Any, lines: IntArray) -> tuple[IntArray, IntArray, FloatArray]:
    """The entries in some rows of a csr array, or in some columns of a csc array, line by line.

    Returns
    -------
    Three arrays of one length: the position in `lines`, the place of the entry in its line, and the number.

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> spread(sp.csr_array(np.array([[0.0, 5.0], [6.0, 7.0]])), np.array([1, 0]))
    (array([0, 0, 1]), array([0, 1, 1]), array([6., 7., 5.]))
    """
    counts = np.diff(matrix.indptr).astype(np.int64)[lines]
    at = segments(matrix.indptr[lines].astype(np.int64), counts)
    return np.repeat(np.arange(len(lines)), counts), matrix.indices[at].astype(np.int64), matrix.data[at]


def added_up(keys: Sequence[IntArray], coef: FloatArray) -> tuple[list[IntArray], FloatArray]:
    """Terms sorted, and the coefficients of equal ones added up.

    Parameters
    ----------
    keys : the row of each term, then its variables, in any order: each of shape (T,)
    coef : array of shape (T,)

    Examples
    --------
    >>> keys, total = added_up([np.zeros(3, int), np.array([5, 2, 5]), np.array([2, 2, 2])], np.array([1.0, 2.0, 3.0]))
    >>> np.stack(keys), total
    (array([[0, 0],
           [2, 2],
           [2, 5]]), array([2., 4.]))
    """
    row, *factors = keys
    keys = [row, *(np.sort(np.stack(factors), axis=0) if len(factors) > 1 else factors)]
    if len(coef) < 2:
        return keys, coef
    ascending = np.zeros(len(coef) - 1, bool)
    for key in reversed(keys):
        step = np.diff(key)
        ascending = (step > 0) | ((step == 0) & ascending)
    if ascending.all():
        return keys, coef
    order = np.lexsort(keys[::-1])
    keys = [key[order] for key in keys]
    first = np.flatnonzero(np.concatenate([[True], np.logical_or.reduce([key[1:] != key[:-1] for key in keys])]))
    return [key[first] for key in keys], np.add.reduceat(coef[order], first)
