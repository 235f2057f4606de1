"""A large sparse matrix in layers, each with at most one entry in a row and in a column: applied without its pattern.

So are the maps from matrices of parameters to the numbers of a form: each number of a layer is one parameter times a
factor, and where these stand in one order, as those of a whole matrix do, both are slices.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, final

import numpy as np
import scipy.sparse as sp

from ..arrays import FloatArray, IntArray, Places, compact, spread

__all__ = ["EntryLayers", "Layered"]

_FEW_RUNS = 16
Layer = tuple[IntArray, IntArray, FloatArray]
"""Rows, columns and values of entries."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class EntryLayers:
    """The sum of the entries in all layers.

    Attributes
    ----------
    layers : (rows, columns, values) of each
    shape : (m, n)
    """

    layers: tuple[Layer, ...]
    shape: tuple[int, int]

    @property
    def nnz(self) -> int:
        """Number of entries."""
        return sum(len(row) for row, _, _ in self.layers)

    @property
    def T(self) -> EntryLayers:
        """The transpose."""
        return EntryLayers(tuple((column, row, value) for row, column, value in self.layers), self.shape[::-1])

    def tocsr(self) -> sp.csr_array:
        """As a matrix, equal entries added up."""
        row, column, value = (np.concatenate(arrays) for arrays in zip(*self.layers, strict=True))
        return sp.csr_array(sp.coo_array((value, (row, column)), shape=self.shape))

    def then(self, S: sp.csr_array) -> EntryLayers:
        """``S M``: each entry goes wherever S takes its row."""
        columns, layers = sp.csc_array(S), []
        for row, column, value in self.layers:
            at, place, number = spread(columns, row)
            layers.append((place, column[at], value[at] * number))
        return EntryLayers(tuple(layers), (S.shape[0], self.shape[1]))

    def are_matchings(self) -> bool:
        """Whether no layer has two entries in a row, or in a column."""
        m, n = self.shape
        return all(_differ(row, m) and _differ(column, n) for row, column, _ in self.layers)


class _Run(NamedTuple):
    """Entries of which the rows, and the columns, are a slice or an array of places."""

    row: Places
    column: Places
    value: FloatArray | float


@final
class Layered:
    """The map ``v -> M v`` of the last dimension of arrays.

    Parameters
    ----------
    matrix : whose layers `are_matchings`

    Examples
    --------
    >>> two, one = np.array([2.0, 2.0]), np.array([1.0])
    >>> M = EntryLayers(((np.arange(2), np.arange(2), two), (np.array([0]), np.array([1]), one)), (2, 2))
    >>> Layered(M)(np.array([10.0, 1.0]))
    array([21.,  2.])
    """

    def __init__(self, matrix: EntryLayers) -> None:
        self._m, self._n = matrix.shape
        self._runs = [run for layer in matrix.layers if len(layer[0]) for run in _runs(*layer)]

    @property
    def entries(self) -> EntryLayers:
        """The matrix."""
        layers = []
        for run in self._runs:
            row, column = (np.arange(one.start, one.stop) if isinstance(one, slice) else one for one in run[:2])
            layers.append((row, column, np.broadcast_to(run.value, row.shape)))
        return EntryLayers(tuple(layers), (self._m, self._n))

    def __call__(self, values: FloatArray) -> FloatArray:
        """(..., n) to (..., m)."""
        out = np.zeros((*values.shape[:-1], self._m))
        for row, column, value in self._runs:
            part = values[..., column]
            out[..., row] += part if isinstance(value, float) and value == 1.0 else part * value
        return out


def _runs(row: IntArray, column: IntArray, value: FloatArray) -> list[_Run]:
    is_one = bool((value == value[0]).all())
    breaks = np.flatnonzero((row[1:] - row[:-1] != 1) | (column[1:] - column[:-1] != 1)) + 1
    if len(breaks) < _FEW_RUNS:
        runs = []
        for start, stop in pairwise([0, *breaks.tolist(), len(row)]):
            first, at, size = int(row[start]), int(column[start]), stop - start
            own = float(value[0]) if is_one else value[start:stop]
            runs.append(_Run(slice(first, first + size), slice(at, at + size), own))
        return runs
    first, last = int(row.min()), int(row.max()) + 1
    if last - first > len(row):
        return [_Run(compact(row), compact(column), float(value[0]) if is_one else value)]
    order = np.empty(len(row), np.int64)  # by rows, which are all of a slice
    order[row - first] = column
    if is_one:
        return [_Run(slice(first, last), compact(order), float(value[0]))]
    factors = np.empty(len(row))
    factors[row - first] = value
    return [_Run(slice(first, last), compact(order), factors)]


def _differ(places: IntArray, count: int) -> bool:
    there = np.zeros(count, bool)
    there[places] = True
    return int(np.count_nonzero(there)) == len(places)
