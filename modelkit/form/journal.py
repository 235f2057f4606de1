"""What changed in a form since a reader last looked, so that a loaded solver is changed and not loaded anew."""

from __future__ import annotations

from typing import final

import numpy as np

from ..arrays import FloatArray, IntArray

__all__ = ["Journal"]

_NONE = np.zeros(0, np.int64)


@final
class Journal:
    """Changes of a form, gathered.

    Attributes
    ----------
    new_columns, new_rows : how many were appended
    has_costs : whether q or r changed; has_curvature : whether P did, and `keeps_curvature` whether its pattern stayed
    has_cones : whether cones came or went: what takes cones loads them anew
    cone_constants, cone_coefficients : whether numbers of g and of F changed
    keeps_rows : whether the pattern of A stayed but for appended rows
    """

    def __init__(self) -> None:
        self.new_columns = self.new_rows = 0
        self.has_costs = self.has_curvature = False
        self.keeps_curvature = self.keeps_rows = True
        self.has_cones = self.cone_constants = self.cone_coefficients = False
        self.has_row_curvature = False
        self._bounds: list[IntArray] = []
        self._sides: list[IntArray] = []
        self._kinds: list[IntArray] = []
        self._entries: list[tuple[IntArray, IntArray, FloatArray]] = []

    # ------------------------------------------------------------------ writing
    def note_bounds(self, columns: IntArray) -> None:
        """Bounds of columns changed."""
        self._bounds.append(columns)

    def note_sides(self, rows: IntArray) -> None:
        """Sides of rows changed."""
        self._sides.append(rows)

    def note_kinds(self, columns: IntArray) -> None:
        """Discreteness of columns changed."""
        self._kinds.append(columns)

    def note_entries(self, rows: IntArray, columns: IntArray, values: FloatArray) -> None:
        """Coefficients of A changed to these; a later note about the same place counts."""
        self._entries.append((rows, columns, values))

    def add(self, other: Journal) -> None:
        """Gather what another journal holds, of later changes."""
        self.new_columns += other.new_columns
        self.new_rows += other.new_rows
        for name in ("has_costs", "has_curvature", "has_cones", "cone_constants", "cone_coefficients"):
            setattr(self, name, getattr(self, name) or getattr(other, name))
        self.has_row_curvature |= other.has_row_curvature
        self.keeps_curvature &= other.keeps_curvature
        self.keeps_rows &= other.keeps_rows
        self._bounds += other._bounds
        self._sides += other._sides
        self._kinds += other._kinds
        self._entries += other._entries

    # ------------------------------------------------------------------ reading
    @property
    def bounds(self) -> IntArray:
        """The columns whose bounds changed, each once, in order."""
        return _each_once(self._bounds)

    @property
    def sides(self) -> IntArray:
        """The rows whose sides changed, each once, in order."""
        return _each_once(self._sides)

    @property
    def kinds(self) -> IntArray:
        """The columns whose discreteness changed, each once, in order."""
        return _each_once(self._kinds)

    @property
    def has_entries(self) -> bool:
        """Whether coefficients of A changed."""
        return bool(self._entries)

    @property
    def entries(self) -> tuple[IntArray, IntArray, FloatArray]:
        """Rows, columns and new values of the coefficients that changed, in the order of the changes."""
        if not self._entries:
            return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
        row, column, value = (np.concatenate(arrays) for arrays in zip(*self._entries, strict=True))
        return row, column, value

    def __bool__(self) -> bool:
        """Whether anything changed."""
        return bool(
            self.new_columns
            or self.new_rows
            or self.has_costs
            or self.has_curvature
            or self.has_cones
            or self.cone_constants
            or self.cone_coefficients
            or self.has_row_curvature
            or self._bounds
            or self._sides
            or self._kinds
            or self._entries
        )


def _each_once(parts: list[IntArray]) -> IntArray:
    if len(parts) == 1 and len(parts[0]) == 1:
        return parts[0]
    return np.unique(np.concatenate(parts)) if parts else _NONE
