"""A solution with rows of two sides, as that of one-sided rows: for who looks at each side by itself."""

from __future__ import annotations

from typing import final

import numpy as np
from numpy.typing import ArrayLike

from ..modelkit import attributes as attr
from ..modelkit.arrays import FloatArray, IntArray
from ..modelkit.form.stacked import Stacked
from .kkt import KKTSystem, Mask
from .polished_solution import PolishedSolution
from .slope import Solve
from .standard_form import Sides

__all__ = ["OneSidedSolution"]


@final
class OneSidedSolution:
    """A `SolutionPoint` in the one-sided rows of a form.

    Of two sides of a row at most one is in the system, with the row's multiplier in its own sign.

    Parameters
    ----------
    layout : where these rows stand, all linear
    polished : the solution, its rows the slots of the form

    Attributes
    ----------
    x, y : (n,) and (m,)
    polished : see above
    """

    def __init__(self, layout: Stacked, polished: PolishedSolution) -> None:
        self._layout, self.polished = layout, polished
        self._slot, self._side = layout.slot, layout.is_upper.astype(np.intp)
        self.x = polished.x
        self._at, self._sign = self._of(polished.sides)
        self.y = self._duals(polished.y)

    def _of(self, sides: Sides) -> tuple[IntArray, FloatArray]:
        """The rows that stand for active slots, and the sign of each in the slot's own."""
        at = np.flatnonzero(self._own(sides))
        return at, -self._layout.sign[at]

    def _own(self, sides: Sides) -> Mask:
        """(m,): the rows of sides that are active."""
        mine = sides[self._slot]
        own: Mask = np.where(self._side == 1, mine > 0, mine < 0)
        own[: self._layout.zeros] = True
        return own

    def _duals(self, y: FloatArray) -> FloatArray:
        """Multipliers of slots, (slots, ...), as those of the rows in the system."""
        found = np.zeros((self._layout.m, *y.shape[1:]))
        found[self._at] = self._signed(y[self._slot[self._at]])
        return found

    def _signed(self, values: FloatArray) -> FloatArray:
        signed: FloatArray = values * (self._sign if values.ndim == 1 else self._sign[:, None])
        return signed

    # ------------------------------------------------------------------ what it is worth
    @property
    def status(self) -> attr.DifferentiationStatusCode:
        """What the derivatives are."""
        return self.polished.status

    @property
    def refinement(self) -> attr.Refinement:
        """Largest relative violation of the optimality conditions, of the given point and of this one."""
        return self.polished.refinement

    @property
    def mismatch(self) -> float:
        """Relative difference of forward and reverse mode at random right-hand sides."""
        return self.polished.mismatch

    @property
    def rows_at_fault(self) -> Mask:
        """(m,): the rows that keep the status from being EXACT."""
        return self.polished.at_fault[self._side, self._slot]

    @property
    def weakly_active(self) -> Mask:
        """(m,): the rows at a kink."""
        return self.polished.weak[self._side, self._slot]

    @property
    def margin(self) -> tuple[float, int]:
        """By how much, relative to their terms, the data may move before a row is at its kink; and which, or -1."""
        margin, slot, side = self.polished.kinks.nearest()
        if slot < 0:
            return margin, -1
        return margin, int(np.flatnonzero((self._slot == slot) & (self._side == (side > 0)))[0])

    # ------------------------------------------------------------------ the system
    @property
    def active(self) -> Mask:
        """(m,): the rows in the system."""
        return self._own(self.polished.sides)

    @property
    def tight(self) -> Mask:
        """(m,): these, and those on which equations depend."""
        return self._own(self.polished.tight[0])

    @property
    def system(self) -> KKTSystem:
        """That of the latter."""
        return self.polished.tight[1]

    def bends(self, columns: Mask) -> bool:
        """Whether the derivative of some variables depends on the multipliers: rows are linear, so never."""
        return False

    def on_kinks(self, values: FloatArray) -> FloatArray:
        """(m, k) in the weakly active rows alone."""
        return values * self.weakly_active[:, None]

    @property
    def freedom(self) -> tuple[FloatArray, FloatArray]:
        """How x and y can move: (n, p) and (m, d), null vectors of the system."""
        primal, dual = self.polished.freedom
        at, sign = self._of(self.polished.tight[0])
        rows = np.zeros((self._layout.m, dual.shape[1]))
        rows[at] = sign[:, None] * dual[self._slot[at]]
        return primal, rows

    def solve(self, primal: ArrayLike, rows: ArrayLike | None = None) -> tuple[FloatArray, FloatArray]:
        """(dx, dy) from the right-hand sides of one or many directions, or (w_x, w_y) from seeds."""
        dx, dy = self.polished.solve(primal, None if rows is None else self._to_slots(np.asarray(rows, np.float64)))
        return dx, self._duals(dy)

    def without_kinks(self) -> Solve:
        """`solve` without the rows at a kink; of least norm where the others leave something open."""
        inner = self.polished.without_kinks()

        def solve(primal: ArrayLike, rows: ArrayLike | None = None) -> tuple[FloatArray, FloatArray]:
            dx, dy = inner(primal, None if rows is None else self._to_slots(np.asarray(rows, np.float64)))
            return dx, self._duals(dy)

        return solve

    def _to_slots(self, rows: FloatArray) -> FloatArray:
        """Right-hand sides of the rows in the system, (m, ...), as those of their slots."""
        found = np.zeros((self.polished.sides.size, *rows.shape[1:]))
        found[self._slot[self._at]] = self._signed(rows[self._at])
        return found
