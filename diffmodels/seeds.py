"""Numbers by variable or by row of constraints, as arrays: what is set of many at once costs no loop."""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

import numpy as np

from ..modelkit.arrays import FloatArray, IntArray
from ..modelkit.indices import ConstraintIndex, ConstraintIndices, Kind
from ..modelkit.store.change_log import Change
from ..modelkit.store.store import Store

__all__ = ["RowNumbers", "VariableNumbers"]


@final
class VariableNumbers:
    """A number for each of some variables; what was set later counts.

    Parameters
    ----------
    base : of the store's identifiers
    """

    def __init__(self, base: int) -> None:
        self._base = base
        self._values: FloatArray = np.zeros(0)  # by number of the variable, NaN where there is none

    def set(self, ids: IntArray, values: FloatArray) -> None:
        """Set the numbers of variables; of one that is named twice, the last."""
        at = ids - self._base
        most = int(at.max(initial=-1)) + 1
        if most > len(self._values):
            self._values = np.concatenate([self._values, np.full(most - len(self._values), np.nan)])
        self._values[at] = values

    def get(self, identifier: int) -> float | None:
        """The number of a variable, None without one."""
        at = identifier - self._base
        value = self._values[at] if at < len(self._values) else np.nan
        return None if np.isnan(value) else float(value)

    def items(self) -> tuple[IntArray, FloatArray]:
        """Identifiers and numbers."""
        at = (~np.isnan(self._values)).nonzero()[0]
        return at + self._base, self._values[at]

    def forget(self, numbers: IntArray) -> None:
        """Drop those of variables, given by number."""
        self._values[numbers[numbers < len(self._values)]] = np.nan

    def __bool__(self) -> bool:
        return not bool(np.isnan(self._values).all())


@final
class RowNumbers:
    """Numbers for the rows of some constraints."""

    def __init__(self) -> None:
        self._rows: dict[Kind, FloatArray] = {}  # by row of the block, NaN where there is none
        self._read: dict[Kind, int] = {}  # position in the log of the block

    def _held(self, store: Store, kind: Kind) -> FloatArray:
        """What is known by row of a block; nothing where its rows are others than they were."""
        log = store.block(kind).log
        changes = log.since(self._read.get(kind, log.position))
        if changes is None or any(what is Change.RESHAPED for what, _ in changes):
            self._rows.pop(kind, None)
        self._read[kind] = log.position
        return self._rows.get(kind, np.zeros(0))

    def set(self, store: Store, indices: ConstraintIndices, values: FloatArray) -> None:
        """Set those of constraints of one kind, (rows,)."""
        block = store.block(indices.kind)
        rows = block.rows_of(store.numbers(indices))
        held = self._held(store, indices.kind)
        total = len(block.constants)
        if total > len(held):
            held = self._rows[indices.kind] = np.concatenate([held, np.full(total - len(held), np.nan)])
        held[rows] = values

    def get(self, store: Store, index: ConstraintIndex) -> FloatArray | float | None:
        """Those of a constraint, None without any."""
        held = self._held(store, index.kind)
        start, stop = store.block(index.kind).row_range(store.number(index))
        mine = held[start:stop]
        if len(mine) < stop - start or np.isnan(mine).any():
            return None
        return mine.copy() if index.kind[1].is_vector else float(mine[0])

    def items(self, store: Store) -> Iterator[tuple[ConstraintIndices, FloatArray]]:
        """Constraints of each kind, and their numbers one below the other."""
        for kind in list(self._rows):
            if not store.has_block(kind):
                continue
            block, held = store.block(kind), self._held(store, kind)
            numbers = block.numbers_alive()
            dims = block.dims()[numbers]
            starts = block.rows_of(numbers)[np.cumsum(dims) - dims] if len(numbers) else numbers
            known = starts < len(held)
            known[known] = ~np.isnan(held[starts[known]])
            if known.any():
                yield store.indices(kind, numbers[known]), held[block.rows_of(numbers[known])]

    def kinds(self) -> list[Kind]:
        """Of the constraints."""
        return [kind for kind, held in self._rows.items() if not np.isnan(held).all()]
