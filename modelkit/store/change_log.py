"""What happened to the constraints of a block, for those who read it now and then."""

from __future__ import annotations

from enum import IntEnum
from typing import final

import numpy as np

from ..arrays import IntArray

__all__ = ["Change", "ChangeLog"]

_MOST = 4096
"""Entries that are kept; who has missed more reads everything anew."""


class Change(IntEnum):
    """What happened to constraints."""

    FUNCTION = 0
    NUMBERS = 1
    DELETED = 2
    RESHAPED = 3


@final
class ChangeLog:
    """Changes in order; additions are no changes, as they show in the number of constraints.

    Examples
    --------
    >>> log = ChangeLog()
    >>> log.note(Change.NUMBERS, 4)
    >>> start = log.position
    >>> log.note(Change.DELETED, 2)
    >>> log.since(start)
    [(<Change.DELETED: 2>, array([2]))]
    """

    def __init__(self) -> None:
        self._first = 0
        self._entries: list[tuple[Change, int | IntArray]] = []

    @property
    def position(self) -> int:
        """How many changes there were."""
        return self._first + len(self._entries)

    def note(self, what: Change, numbers: int | IntArray) -> None:
        """Something happened to some constraints."""
        if len(self._entries) >= _MOST:
            dropped = _MOST // 2
            del self._entries[:dropped]
            self._first += dropped
        self._entries.append((what, numbers))

    def since(self, position: int) -> list[tuple[Change, IntArray]] | None:
        """The changes from a position on; None if they are no longer known."""
        if position < self._first:
            return None
        return [(what, np.atleast_1d(numbers)) for what, numbers in self._entries[position - self._first :]]
