"""Slots: the places of a form that constraints own, in one order for values, duals, tangents and gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar, final

import numpy as np
from numpy.typing import NDArray

from ..arrays import FloatArray, IntArray

__all__ = ["Slots"]

_Number = TypeVar("_Number", np.float64, np.bool_)


@final
@dataclass(frozen=True, slots=True)
class Slots:
    """The places of a form: its m rows, then its n columns (for their bounds), then its k rows of cones.

    One array over all of them carries the duals (y, z, w) of a solution, a tangent, or a gradient. A dual is positive
    where a lower side pushes and negative where an upper one does; those of cones lie in the dual cones, so that

        Px + q = Aᵀy + z + Fᵀw.

    Attributes
    ----------
    rows, columns, cones : m, n and k
    """

    rows: int
    columns: int
    cones: int

    @property
    def size(self) -> int:
        """Number of all slots."""
        return self.rows + self.columns + self.cones

    @property
    def sided(self) -> int:
        """Number of those with sides: rows and bounds, which come first."""
        return self.rows + self.columns

    def of_rows(self, rows: IntArray) -> IntArray:
        """Slots of rows."""
        return rows

    def of_bounds(self, columns: IntArray) -> IntArray:
        """Slots of the bounds of columns."""
        return columns + self.rows

    def of_cones(self, rows: IntArray) -> IntArray:
        """Slots of rows of cones."""
        return rows + (self.rows + self.columns)

    def parts(self, values: NDArray[_Number]) -> tuple[NDArray[_Number], NDArray[_Number], NDArray[_Number]]:
        """The parts (y, z, w) of an array over all slots, along its first axis (views)."""
        return values[: self.rows], values[self.rows : self.sided], values[self.sided :]

    def joined(self, y: FloatArray, z: FloatArray, w: FloatArray) -> FloatArray:
        """The array over all slots with these parts."""
        return np.concatenate([y, z, w])
