"""The coefficients of rows that are appended, rewritten one by one and read as a matrix."""

from __future__ import annotations

import copy
from typing import final

import numpy as np
import scipy.sparse as sp

from ..arrays import FloatArray, Growable, IntArray, segments

__all__ = ["GrowingRows"]


@final
class GrowingRows:
    """Entries row by row, none twice; a row with another pattern waits aside until all are read.

    Entries that become zero stay.
    """

    def __init__(self) -> None:
        self._ends, self._indices, self._data = Growable(np.int64), Growable(np.int64), Growable(np.float64)
        self._ends.extend([0])
        self._rewritten: dict[int, tuple[IntArray, FloatArray]] = {}

    def __len__(self) -> int:
        return len(self._ends) - 1

    # ------------------------------------------------------------------ reading
    @property
    def entries(self) -> tuple[IntArray, IntArray, FloatArray]:
        """Ends of rows, columns and values, as ``A.indptr``, ``A.indices`` and ``A.data``."""
        if self._rewritten:
            self._rewrite()
        return self._ends.view, self._indices.view, self._data.view

    def matrix(self, n: int) -> sp.csr_array:
        """All rows in n columns; shares memory."""
        ends, indices, data = self.entries
        return sp.csr_array((data, indices, ends), shape=(len(self), n))

    def row(self, row: int) -> tuple[IntArray, FloatArray]:
        """Columns and coefficients of one row."""
        if row in self._rewritten:
            return self._rewritten[row]
        ends = self._ends.view
        at = slice(int(ends[row]), int(ends[row + 1]))
        return self._indices.view[at], self._data.view[at]

    def rows_from(self, first: int) -> tuple[IntArray, IntArray, FloatArray]:
        """The rows from one on: where each starts, and the end, in their columns and coefficients."""
        if any(row >= first for row in self._rewritten):
            self._rewrite()
        ends = self._ends.view[first:]
        return ends - ends[0], self._indices.view[ends[0] :], self._data.view[ends[0] :]

    # ------------------------------------------------------------------ changing
    def extend(self, A: sp.csr_array) -> None:
        """Append rows."""
        self._ends.extend(A.indptr[1:].astype(np.int64) + int(self._ends.view[-1]))
        self._indices.extend(A.indices)
        self._data.extend(A.data)

    def set_entries(self, at: IntArray, values: FloatArray) -> IntArray:
        """Give entries other values, by their positions among all; returns their columns."""
        _, indices, data = self.entries
        data[at] = values
        columns: IntArray = indices[at]
        return columns

    def set_row(self, row: int, columns: IntArray, values: FloatArray) -> tuple[IntArray, FloatArray, bool]:
        """Give a row another function; returns the columns and values that moved, and whether the pattern stayed."""
        old, before = self.row(row)
        if len(old) == len(columns) and np.array_equal(old, columns):
            moved = np.flatnonzero(before != values)
            if row not in self._rewritten:
                before[moved] = values[moved]  # a view of the data
            else:
                self._rewritten[row] = columns, values
            return columns[moved], values[moved], True
        self._rewritten[row] = columns, values
        kept = len(old)
        if np.array_equal(columns[:kept], old):  # others came behind those that were there
            moved = np.flatnonzero(before != values[:kept])
            return np.append(columns[moved], columns[kept:]), np.append(values[moved], values[kept:]), False
        gone = np.setdiff1d(old, columns)
        return np.append(gone, columns), np.append(np.zeros(len(gone)), values), False

    def with_values(self, values: FloatArray) -> GrowingRows:
        """The same entries with other values, in order; shares the rest."""
        _ = self.entries
        twin = copy.copy(self)
        twin._data, twin._rewritten = Growable.of(values), {}
        return twin

    def _rewrite(self) -> None:
        """Bring rows with other patterns into the arrays."""
        counts = np.diff(self._ends.view)
        starts = self._ends.view[:-1].copy()
        held_indices, held_data = self._indices.view, self._data.view
        extra_at = len(held_data)
        rows = list(self._rewritten)
        indices = np.concatenate([held_indices, *(self._rewritten[r][0] for r in rows)])
        data = np.concatenate([held_data, *(self._rewritten[r][1] for r in rows)])
        for r in rows:
            starts[r], counts[r] = extra_at, len(self._rewritten[r][0])
            extra_at += int(counts[r])
        at = segments(starts, counts)
        self._indices.replace(indices[at])
        self._data.replace(data[at])
        self._ends.replace(np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]))
        self._rewritten = {}
