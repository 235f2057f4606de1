"""Rows of constraints that a user picks one after the other, together by kind, so that all of a kind travel at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeGuard, final

import numpy as np
import scipy.sparse as sp

from ..modelkit.arrays import FloatArray, IntArray
from ..modelkit.errors import DimensionMismatch
from ..modelkit.indices import ConstraintIndex, ConstraintIndices, Kind
from ..modelkit.store.describing import described
from ..modelkit.store.store import Store
from .outcome import located

__all__ = ["PickedRows", "Picking", "Row", "each", "is_row"]

Row = ConstraintIndex | ConstraintIndices | tuple[ConstraintIndex, int]
"""A constraint, many of them, or a row of one."""


def each(what: Any) -> Iterator[Any]:
    """The parts of a list of lists, or what is no list; a row of a constraint is a part."""
    if isinstance(what, (list, tuple)) and not is_row(what):
        for one in what:
            yield from each(one)
    else:
        yield what


def is_row(one: Any) -> TypeGuard[Row]:
    """Whether that names rows of constraints."""
    if isinstance(one, tuple) and len(one) == 2:
        return isinstance(one[0], ConstraintIndex) and isinstance(one[1], (int, np.integer))
    return isinstance(one, (ConstraintIndex, ConstraintIndices))


@final
@dataclass(frozen=True, slots=True, eq=False)
class PickedRows:
    """Some rows of constraints of one kind, in the order of the user's list.

    Attributes
    ----------
    indices, numbers, dims : of the constraints, each once: with their numbers in their block and their dimensions
    row : (d,) which of all rows of these constraints, one below the other, each of the picked ones is
    at : (d,) where each stands in the user's list
    """

    indices: ConstraintIndices
    numbers: IntArray
    dims: IntArray
    row: IntArray
    at: IntArray

    @property
    def m(self) -> int:
        """How many rows the constraints have."""
        return int(self.dims.sum())

    def added(self, values: FloatArray) -> FloatArray:
        """Values of the user's list (N, K), added up over the rows of the constraints, (m, K)."""
        d = len(self.row)
        incidence = sp.csr_array((np.ones(d), (self.row, np.arange(d))), shape=(self.m, d))
        found: FloatArray = incidence @ values[self.at]
        return found

    def owners(self) -> tuple[IntArray, IntArray]:
        """Which of the constraints each picked row is of, and which row of it."""
        ends = np.cumsum(self.dims)
        owner = np.searchsorted(ends, self.row, side="right")
        return owner, self.row - (ends - self.dims)[owner]


@final
class Picking:
    """Rows being picked.

    Parameters
    ----------
    store : the model as written
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._parts: dict[Kind, list[tuple[IntArray, IntArray, IntArray]]] = {}  # number, row within it, place

    def add(self, one: Row, first: int) -> int:
        """Pick rows for the places from `first` on; how many these are."""
        kind, owner, row = self.rows(one)
        return self.put(kind, owner, row, first)

    def rows(self, one: Row) -> tuple[Kind, IntArray, IntArray]:
        """The rows that are meant: kind, number of the constraint of each, and which of its rows it is."""
        store, (index, chosen) = self._store, one if isinstance(one, tuple) else (one, None)
        store.check_index(index)
        numbers, dims = located(store, index)
        owner = np.repeat(numbers, dims)
        row = np.arange(len(owner)) - np.repeat(np.cumsum(dims) - dims, dims)
        if chosen is None:
            return index.kind, owner, row
        if not 0 <= chosen < len(row):
            raise DimensionMismatch(f"{described(store, index)} has rows 0 to {len(row) - 1}; got row {chosen}.")
        return index.kind, owner[chosen : chosen + 1], row[chosen : chosen + 1]

    def put(self, kind: Kind, owner: IntArray, row: IntArray, first: int) -> int:
        """Pick rows, as `rows` gives them, for the places from `first` on; how many these are."""
        self._parts.setdefault(kind, []).append((owner, row, np.arange(first, first + len(row))))
        return len(row)

    def finished(self) -> list[PickedRows]:
        """What was picked, by kind; the picked rows of each in the order in which they were."""
        found = []
        for kind, parts in self._parts.items():
            owner, row, at = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
            numbers, which = np.unique(owner, return_inverse=True)
            dims = self._store.block(kind).dims()[numbers]
            starts = np.cumsum(dims) - dims
            found.append(PickedRows(self._store.indices(kind, numbers), numbers, dims, starts[which] + row, at))
        return found
