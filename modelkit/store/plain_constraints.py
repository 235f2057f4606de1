"""Constraints on plain variables: which there are on each, and which bounds they claim."""

from __future__ import annotations

from array import array
from typing import final

import numpy as np

from ..arrays import IntArray
from ..errors import BoundAlreadySet
from ..indices import ConstraintIndex, ConstraintIndices, Kind
from ..naming import with_article
from .checks import UPPER_OR_LOWER, HasVariables, describe

__all__ = ["PlainConstraints"]


@final
class PlainConstraints:
    """Number of the constraint by kind and variable.

    The numbers lie in flat arrays by number of the variable (-1 where there is no constraint, shorter where the
    last variables have none), quick to read one by one and, through `_view`, in bulk.
    """

    def __init__(self) -> None:
        self._numbers: dict[Kind, array[int]] = {}

    def number(self, index: ConstraintIndex, base: int) -> int:
        """Number of the constraint within its kind, or -1."""
        known = self._numbers.get(index.kind, _NOTHING)
        at = index.value - base
        return known[at] if 0 <= at < len(known) else -1

    def numbers(self, indices: ConstraintIndices, base: int) -> IntArray:
        """The same of many constraints of one kind."""
        known = _view(self._numbers.get(indices.kind, _NOTHING))
        at = indices.values - base
        inside = (at >= 0) & (at < len(known))
        numbers = np.full(len(at), -1, np.int64)
        numbers[inside] = known[at[inside]]
        return numbers

    def on(self, ids: set[int], base: int) -> list[ConstraintIndex]:
        """All constraints on these variables."""
        found = [ConstraintIndex(kind, i) for kind in self._numbers for i in sorted(ids)]
        return [index for index in found if self.number(index, base) >= 0]

    def check(self, kind: Kind, ids: IntArray, store: HasVariables) -> None:
        """Refuse a second constraint of one kind on a variable, and a second bound on one side."""
        at = ids - store.base
        self._grow(kind, store.variable_count)
        known = _view(self._numbers[kind])[at] >= 0
        if not known.any() and not (ids[1:] > ids[:-1]).all():
            unique, counts = np.unique(ids, return_counts=True)
            known = np.isin(ids, unique[counts > 1])
        if known.any():
            raise self._twice(kind, int(ids[np.argmax(known)]), store)
        for other, theirs in self._numbers.items():
            both = UPPER_OR_LOWER.get(kind[1], 0) & UPPER_OR_LOWER.get(other[1], 0)
            if both:
                inside = at < len(theirs)
                bounded = np.zeros(len(at), bool)
                bounded[inside] = _view(theirs)[at[inside]] >= 0
                if bounded.any():
                    raise self._bounded(kind, int(ids[np.argmax(bounded)]), both, store)

    def claim(self, kind: Kind, ids: IntArray, numbers: IntArray, base: int) -> None:
        """Remember constraints that passed `check`."""
        _view(self._numbers[kind])[ids - base] = numbers

    def claim_one(self, kind: Kind, value: int, number: int, store: HasVariables) -> None:
        """`check` and `claim` of one constraint."""
        at = value - store.base
        known = self._numbers.get(kind)
        if known is None or len(known) <= at:
            self._grow(kind, store.variable_count)
            known = self._numbers[kind]
        if known[at] >= 0:
            raise self._twice(kind, value, store)
        sides = UPPER_OR_LOWER.get(kind[1], 0)
        for other, theirs in self._numbers.items():
            if at < len(theirs) and theirs[at] >= 0 and sides & UPPER_OR_LOWER.get(other[1], 0):
                raise self._bounded(kind, value, sides & UPPER_OR_LOWER[other[1]], store)
        known[at] = number

    def claim_new(self, kind: Kind, at: int, number: int) -> None:
        """`claim_one` for a variable that is new, by its number."""
        known = self._numbers.get(kind)
        if known is None or len(known) != at:
            self._grow(kind, at)
            known = self._numbers[kind]
        known.append(number)

    def release(self, index: ConstraintIndex, base: int) -> None:
        """Forget a constraint."""
        self._numbers[index.kind][index.value - base] = -1

    def _grow(self, kind: Kind, count: int) -> None:
        """Make room for all variables."""
        known = self._numbers.setdefault(kind, array("q"))
        if len(known) < count:
            known.extend(_MISSING * (count - len(known)))

    @staticmethod
    def _twice(kind: Kind, value: int, store: HasVariables) -> BoundAlreadySet:
        return BoundAlreadySet(
            f"{describe(value, store)} is in {with_article(kind[1].__name__)} already; "
            "set ConstraintSet of that constraint instead, or delete it first."
        )

    @staticmethod
    def _bounded(kind: Kind, value: int, taken: int, store: HasVariables) -> BoundAlreadySet:
        side = "a lower" if taken & 1 else "an upper"
        return BoundAlreadySet(
            f"{describe(value, store)} has {side} bound already, {kind[1].__name__} would set another; "
            "write the second one as an affine constraint (1.0 * x), or change the first one's ConstraintSet."
        )


_MISSING = array("q", [-1])
_NOTHING: array[int] = array("q")


def _view(numbers: array[int]) -> IntArray:
    """The array as one of NumPy's, sharing memory; to be dropped before the array grows."""
    return np.frombuffer(numbers, np.int64) if len(numbers) else np.zeros(0, np.int64)
