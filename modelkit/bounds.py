"""Constraints on plain variables: which there are on each, and which bounds they claim."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from .block import Growable
from .checks import UPPER_OR_LOWER, describe
from .errors import BoundAlreadySet
from .indices import ConstraintIndex, ConstraintIndices, Kind
from .rows import IntArray

__all__ = ["PlainConstraints"]


@final
class PlainConstraints:
    """Number of the constraint by kind and variable; and a bit for each bound that a variable has."""

    def __init__(self) -> None:
        self._number: dict[Kind, dict[int, int]] = {}
        self._taken = Growable(np.uint8)  # by number of the variable; bit 1: a lower bound, bit 2: an upper one

    def number(self, index: ConstraintIndex) -> int:
        """Number of the constraint within its kind, or -1."""
        return self._number.get(index.kind, {}).get(index.value, -1)

    def numbers(self, indices: ConstraintIndices) -> IntArray:
        """The same of many constraints of one kind."""
        known = self._number.get(indices.kind, {})
        return np.array([known.get(i, -1) for i in indices.values.tolist()], np.int64)

    def on(self, ids: set[int]) -> list[ConstraintIndex]:
        """All constraints on these variables."""
        return [ConstraintIndex(kind, i) for kind, at in self._number.items() for i in ids.intersection(at)]

    def check(self, kind: Kind, ids: IntArray, store: Any) -> None:
        """Refuse a second constraint of one kind on a variable, and a second bound on one side."""
        name = kind[1].__name__
        known = self._number.get(kind, {})
        twice = [i for i in ids.tolist() if i in known] if known else []
        if not twice and len(ids) > 1:
            unique, counts = np.unique(ids, return_counts=True)
            twice = unique[counts > 1].tolist()
        if twice:
            raise BoundAlreadySet(
                f"{describe(twice[0], store)} is in a {name} already; "
                "set ConstraintSet of that constraint instead, or delete it first."
            )
        sides = UPPER_OR_LOWER.get(kind[1], 0)
        if not sides:
            return
        if len(self._taken) < store.variable_count:
            self._taken.extend(np.zeros(store.variable_count - len(self._taken), np.uint8))
        taken = self._taken.view[ids - store.base] & sides
        if taken.any():
            where = int(np.flatnonzero(taken)[0])
            side = "a lower" if taken[where] & 1 else "an upper"
            raise BoundAlreadySet(
                f"{describe(int(ids[where]), store)} has {side} bound already, {name} would set another; "
                "write the second one as an affine constraint (1.0 * x), or change the first one's ConstraintSet."
            )

    def claim(self, kind: Kind, ids: IntArray, numbers: IntArray, base: int) -> None:
        """Remember constraints that passed `check`."""
        self._number.setdefault(kind, {}).update(zip(ids.tolist(), numbers.tolist(), strict=True))
        sides = UPPER_OR_LOWER.get(kind[1], 0)
        if sides:
            self._taken.view[ids - base] |= np.uint8(sides)

    def release(self, index: ConstraintIndex, base: int) -> None:
        """Forget a constraint."""
        del self._number[index.kind][index.value]
        sides = UPPER_OR_LOWER.get(index.kind[1], 0)
        if sides:
            self._taken.view[index.value - base] &= np.uint8(~sides & 0xFF)
