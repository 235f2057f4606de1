"""One direction pushed to the solution, as far as it is read.

Whoever asks direction after direction where a few variables go needs no solve for each: the system is symmetric, so
that the variables pulled back once answer for every direction, ``wᵀ b`` for a right-hand side b (docs/design.md,
section 6).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import numpy as np

from ..bridges.lowering.travel import Sided
from ..modelkit.arrays import FloatArray, IntArray
from .slope import Slope
from .slot_tangents import Adjoint, SlotTangents

__all__ = ["Adjoints", "Pushed"]

_FEW = 8
"""Variables read at once, up to which their adjoints are kept."""
_MOST = 32
"""Readings of other variables whose adjoints are kept."""


@final
class Adjoints:
    """Adjoints of the variables that are read in one direction after the other.

    Parameters
    ----------
    slope : at the solution
    """

    def __init__(self, slope: Slope) -> None:
        self._slope = slope
        self._known: dict[bytes, Adjoint | None] = {}  # None: read once

    def along(self, sides: SlotTangents, columns: IntArray) -> FloatArray | None:
        """How a few columns move, (k,); None where a solve for all of them is the shorter way."""
        if len(columns) > _FEW or 2 * len(columns) > len(self._slope.x) or not self._slope.is_symmetric:
            return None
        key = columns.tobytes()
        if key not in self._known:
            if len(self._known) < _MOST:
                self._known[key] = None
            return None
        found = self._known[key]
        if found is None:
            seeds = np.zeros((len(self._slope.x), len(columns)))
            seeds[columns, np.arange(len(columns))] = 1.0
            found = self._known[key] = Adjoint.of(*self._slope.pull(seeds, None))
        moves: FloatArray = sides.along(found)[0]
        return moves


@final
class Pushed:
    """How a solution moves along a direction.

    Parameters
    ----------
    sides : right-hand sides of the direction
    slope, adjoints : at the solution
    costs : from dx and dy, (n, 1) and (slots, 1), to how the duals of the parameters move, (1, p)
    moves : (p,) of the parameters
    """

    def __init__(
        self,
        sides: SlotTangents,
        slope: Slope,
        adjoints: Adjoints,
        costs: Callable[[FloatArray, FloatArray], FloatArray],
        moves: FloatArray,
    ) -> None:
        self._sides, self._slope, self._adjoints, self._costs = sides, slope, adjoints, costs
        self.moves = moves
        self._all: tuple[FloatArray, Sided] | None = None
        if not slope.is_symmetric:  # it may fail, and does so when it is asked for
            self._everything()

    def x(self, columns: IntArray) -> FloatArray:
        """How some columns move, (k,)."""
        found = self._adjoints.along(self._sides, columns) if self._all is None else None
        if found is None:
            found = self._everything()[0][columns, 0]
        return found

    @property
    def y(self) -> Sided:
        """How the duals of the slots move, (slots,) by sides."""
        low, high = self._everything()[1]
        return low[:, 0], high[:, 0]

    @property
    def value(self) -> float:
        """How the objective of the form moves, by the envelope theorem: without a solve."""
        return float(self._sides.objective_values()[0])

    @property
    def costs(self) -> FloatArray:
        """How the duals of the parameters move, (p,)."""
        dx, (low, high) = self._everything()
        moves: FloatArray = self._costs(dx, low + high)[0]
        return moves

    def _everything(self) -> tuple[FloatArray, Sided]:
        if self._all is None:
            self._all = self._slope.push(self._sides)
        return self._all
