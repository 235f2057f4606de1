"""Arrays of functions as they are held: stored entries and where they stand, indexed, reshaped and summed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..arrays import IntArray
from ..errors import InvalidData
from ..labels import Labels
from .abstract_function import ShapedLike, build, class_of
from .indexing import Located, labels_at
from .rows import Rows
from .vector import VectorFunction, VectorOfVariables

__all__ = ["StoredEntries"]

_MOST_SHOWN = 100
"""Entries of an array that is printed."""


class StoredEntries(ShapedLike):
    """What an `ArrayFunction` holds, by its parameters."""

    __slots__ = ("_entries", "_labels", "_place", "_shape")

    def __init__(
        self,
        entries: VectorFunction,
        shape: tuple[int, ...],
        place: IntArray | None = None,
        labels: Labels | None = None,
    ) -> None:
        self._entries, self._shape, self._place = entries, tuple(shape), place
        self._labels = (None,) * len(shape) if labels is None else labels

    @classmethod
    def of_function(cls, f: Any, shape: tuple[int, ...], labels: Labels | None = None) -> Self:
        """The rows of a function in a shape, row by row."""
        rows: Any = f if f.is_vector else class_of(vector=True, degree=f.degree).from_rows(f.rows)
        return cls(rows, shape, None, labels)

    # ------------------------------------------------------------------ what it holds
    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return self._shape

    @property
    def is_dense(self) -> bool:
        """Whether every entry is stored."""
        return self._place is None

    @property
    def entries(self) -> VectorFunction:
        """The stored entries, one below the other."""
        return self._entries

    @property
    def place(self) -> IntArray:
        """Where the stored entries stand, counted row by row, (T,)."""
        return np.arange(self.size) if self._place is None else self._place

    @property
    def places(self) -> tuple[IntArray, ...]:
        """Where the stored entries stand: an array of indices for each axis (of a matrix: rows and columns)."""
        return tuple(np.unravel_index(self.place, self.shape)) if self.size else (self.place,) * self.ndim

    @property
    def labels(self) -> Labels:
        """A pandas ``Index`` for each axis, or None."""
        return self._labels

    @property
    def flat(self) -> VectorFunction:
        """All entries, row by row; zero where none is stored."""
        if self._place is None:
            return self._entries
        flat: VectorFunction = build(self._entries.rows.moved(self._place, self.size), vector=True)
        return flat

    @property
    def ids(self) -> IntArray:
        """Identifiers of the variables that the entries are, in the shape, or (T,) of a sparse pattern.

        Raises
        ------
        InvalidData
            If the entries are not plain variables.
        """
        if not isinstance(self._entries, VectorOfVariables):
            raise InvalidData("These entries are not plain variables.")
        return self._entries.ids.reshape(self.shape) if self.is_dense else self._entries.ids

    def objects(self) -> NDArray[Any]:
        """An array of the entries, zero where none is stored."""
        entries = np.zeros(self.size, object)
        entries[self.place] = self._entries.objects()
        return entries.reshape(self.shape)

    def with_entries(self, entries: VectorFunction) -> Self:
        """Other entries at the same places."""
        return type(self)(entries, self.shape, self._place, self._labels)

    def with_labels(self, labels: Labels) -> Self:
        """The same entries with these labels."""
        return type(self)(self._entries, self.shape, self._place, labels)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("A single function has no length.")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        kind = "all entries" if self.is_dense else f"{len(self._entries)} entries"
        return f"{type(self).__name__}({' x '.join(map(str, self.shape))}, {kind})"

    def __str__(self) -> str:
        if self.size > _MOST_SHOWN:
            return repr(self)
        return np.array2string(self.objects(), separator=", ", formatter={"all": repr})

    # ------------------------------------------------------------------ shapes
    def __getitem__(self, key: Any) -> Any:
        """What NumPy's indexing picks: numbers, slices, masks, arrays of numbers, ``None`` and ``...``."""
        try:
            table = np.asarray(self.numbers()[key])
        except IndexError as error:
            raise IndexError(f"{key!r} of an array of functions of shape {self.shape}: {error}") from error
        return self.picked(table, labels_at(key, self._labels, self.shape, table.shape))

    @property
    def loc(self) -> Located:
        """Entries by their labels, as in pandas: ``X.loc["mon"]``, ``X.loc[["mon", "tue"], "north"]``."""
        return Located(self)

    def numbers(self) -> IntArray:
        """The number of the stored entry at each place, -1 where there is none."""
        if self._place is None:
            return np.arange(self.size).reshape(self.shape)
        table = np.full(self.size, -1, np.int64)
        table[self._place] = np.arange(len(self._place))
        return table.reshape(self.shape)

    def picked(self, table: IntArray, labels: Labels | None = None) -> Any:
        """The stored entries with these numbers (-1: zero), in the shape of the table."""
        labelled = labels is not None and any(one is not None for one in labels)
        if table.ndim == 0:
            return self._entries[int(table)] if table >= 0 else 0.0
        numbers = table.ravel()
        there = np.flatnonzero(numbers >= 0)
        if len(there) == len(numbers):
            chosen = self._entries if np.array_equal(numbers, np.arange(len(self._entries))) else self._entries[numbers]
            return chosen if table.ndim == 1 and not labelled else type(self)(chosen, table.shape, None, labels)
        sparse = type(self)(self._entries[numbers[there]], table.shape, there, labels)
        return sparse if table.ndim > 1 else sparse.flat

    @property
    def T(self) -> Any:
        """The axes in reverse order."""
        return self.picked(self.numbers().T, self._labels[::-1])

    def summed(self, axes: tuple[int, ...], keepdims: bool) -> Any:
        """The sums along some axes."""
        kept = [1 if k in axes else n for k, n in enumerate(self.shape)]
        target = np.broadcast_to(np.arange(math.prod(kept)).reshape(kept), self.shape).ravel()[self.place]
        rows = self._entries.rows.moved(target, math.prod(kept)).merged()
        shape = tuple(kept) if keepdims else tuple(n for k, n in enumerate(self.shape) if k not in axes)
        labels = tuple(None if k in axes else one for k, one in enumerate(self._labels) if keepdims or k not in axes)
        return self.made(rows, shape, max(1, self._entries.degree), labels)

    @classmethod
    def made(cls, rows: Rows, shape: tuple[int, ...], at_least: int, labels: Labels) -> Any:
        """The function of these entries, with these labels; a plain one where it needs neither axes nor labels."""
        function = build(rows, vector=bool(shape), at_least=at_least)
        if len(shape) < 2 and all(one is None for one in labels):
            return function
        return cls(function, shape, None, labels)
