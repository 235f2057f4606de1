"""Arrays of numbers and of identifiers, and the few things that are done with them everywhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "FloatArray",
    "Growable",
    "IntArray",
    "Places",
    "added_up",
    "cofactors",
    "compact",
    "fewer",
    "pairs",
    "segments",
    "spread",
    "sums",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Places = slice | IntArray
"""Entries of an array that are read or written together."""

_FULL = 4
"""A table with so many places for each of the terms that it is for is faster than a sort of them."""


@final
class Growable:
    """An array that grows at the end in amortized constant time."""

    __slots__ = ("_data", "_n")

    def __init__(self, dtype: Any, width: int | None = None) -> None:
        self._data: NDArray[Any] = np.zeros((0,) if width is None else (0, width), dtype)
        self._n = 0

    @staticmethod
    def of(values: NDArray[Any]) -> Growable:
        """One that holds these values, which are not copied."""
        made = Growable(values.dtype)
        made.replace(values)
        return made

    def extend(self, values: Any) -> None:
        """Append the values, copied."""
        count = len(values)
        need = self._n + count
        if need > len(self._data):
            # by a half: what comes in few large blocks would lie in twice its memory
            room = max(need, len(self._data) + len(self._data) // 2)
            grown = np.empty((room, *self._data.shape[1:]), self._data.dtype)
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
    if (counts == counts[0]).all():  # a sum of two vectors
        return np.add.outer(np.asarray(starts, np.int64), np.arange(counts[0])).ravel()
    ends = np.cumsum(counts)
    positions: IntArray = np.arange(total) + np.repeat(starts - (ends - counts), counts)
    return positions


def compact(places: IntArray) -> Places:
    """Places as small as they can be kept: a slice of those that follow one another, else numbers of 32 bits.

    Examples
    --------
    >>> compact(np.array([4, 5, 6])), compact(np.array([6, 4])).dtype
    (slice(4, 7, None), dtype('int32'))
    """
    if not len(places):
        return slice(0, 0)
    first, last = int(places[0]), int(places[-1])
    if last - first + 1 == len(places) and bool((places[1:] - places[:-1] == 1).all()):
        return slice(first, last + 1)
    fits = max(first, last, int(places.max())) <= np.iinfo(np.int32).max
    return places.astype(np.int32) if fits else places


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
    keys = [keys[0], *_ascending(keys[1:])]
    if len(coef) < 2 or _is_sorted(keys):
        return keys, coef
    spans = [(int(key.min()), int(np.ptp(key)) + 1) for key in keys]
    if math.prod(span for _, span in spans) <= _FULL * len(coef):
        return _added_in_table(keys, spans, coef)
    order = np.lexsort(keys[::-1])
    keys = [key[order] for key in keys]
    first = np.flatnonzero(np.concatenate([[True], np.logical_or.reduce([key[1:] != key[:-1] for key in keys])]))
    return [key[first] for key in keys], np.add.reduceat(coef[order], first)


def fewer(keys: Sequence[IntArray], coef: FloatArray) -> tuple[Sequence[IntArray], FloatArray]:
    """The same, but terms as they are where no two are equal.

    A few looks tell that where one of the keys grows from term to term, and is the row, or stands for variables of
    which none is in the other places, as a matrix of parameters does.
    """
    if len(coef) < 2 or _is_telling(keys):
        return keys, coef
    merged, total = added_up(keys, coef)
    return (merged, total) if len(total) < len(coef) else (keys, coef)


def _is_telling(keys: Sequence[IntArray]) -> bool:
    """Whether a key alone shows that all terms differ."""
    for number, key in enumerate(keys):
        if (key[1:] > key[:-1]).all():
            others = [one for at, one in enumerate(keys) if at and at != number]
            if not number or all(one.max() < key[0] or one.min() > key[-1] for one in others):
                return True
    return False


def _ascending(factors: Sequence[IntArray]) -> list[IntArray]:
    """The factors of each term in ascending order."""
    ordered = list(factors)
    for last in range(len(ordered) - 1, 0, -1):
        for k in range(last):  # of few factors, faster than a sort of each term
            low, high = ordered[k], ordered[k + 1]
            ordered[k], ordered[k + 1] = np.minimum(low, high), np.maximum(low, high)
    return ordered


def _is_sorted(keys: Sequence[IntArray]) -> bool:
    """Whether each term stands before the next one and differs from it."""
    equal: Any = True
    for key in keys:
        if ((key[1:] < key[:-1]) & equal).any():
            return False
        equal = (key[1:] == key[:-1]) & equal
        if not equal.any():
            return True
    return False


def _added_in_table(
    keys: Sequence[IntArray], spans: Sequence[tuple[int, int]], coef: FloatArray
) -> tuple[list[IntArray], FloatArray]:
    """The same by a table of all terms that there may be, where it is not much longer than the list of them."""
    shape = [span for _, span in spans]
    place = np.zeros(len(coef), np.int64)
    for key, (least, span) in zip(keys, spans, strict=True):
        if span > 1:
            place *= span
            place += key
            place -= least
    there = np.zeros(math.prod(shape), bool)
    there[place] = True
    total = sums(place, coef, len(there))[there]
    found = np.nonzero(there.reshape(shape))
    return [key + least for key, (least, _) in zip(found, spans, strict=True)], total
