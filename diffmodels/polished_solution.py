"""The exact solution of a quadratic program with its active rows, as `active_set.polish` finds it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from ..modelkit.arrays import FloatArray
from ..modelkit.attributes import DifferentiationStatusCode, Refinement
from .certainty import DATA_MOVE, DOUBTFUL
from .kkt import KKTSystem, Mask
from .slope import Solve
from .standard_form import Sides

__all__ = ["FOUND", "Kinks", "PolishedSolution"]

FOUND = 1e-10
"""Largest relative residual of a point whose active rows are found."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Kinks:
    """How near each side of each row is to its kink.

    Attributes
    ----------
    inequality : mask (m,)
    sides : (m,) at which rows are active
    y : (m,)
    below, above : (m,) slacks of the lower and of the upper side
    moves : (m,) by how much the multipliers of active rows may be off, and the slacks of others
    slacks : (k,) the same of the slacks of active rows
    """

    inequality: Mask
    sides: Sides
    y: FloatArray
    below: FloatArray
    above: FloatArray
    moves: FloatArray
    slacks: FloatArray

    def doubtful(self, part: float = 1.0) -> Mask:
        """(2, m): the lower and upper sides that are at their kink for all that this part of the moves tells."""
        rows, moves = np.flatnonzero(self.sides), self.moves * (part * DOUBTFUL)
        own = np.abs(self.y[rows]) <= moves[rows]
        moves[rows] = self.slacks * (part * DOUBTFUL)
        found = np.empty((2, len(moves)), bool)
        np.less_equal(self.below, moves, out=found[0])
        np.less_equal(self.above, moves, out=found[1])
        found[(self.sides[rows] > 0).astype(np.intp), rows] = own
        found &= self.inequality
        return found

    def nearest(self) -> tuple[float, int, int]:
        """By how much, relative to their terms, the data may move before a row is at its kink, which row, and side.

        The row is -1 if none ever is.
        """
        rows = np.flatnonzero(self.sides)
        at = (self.sides[rows] > 0).astype(np.intp), rows
        sizes = np.maximum([self.below, self.above], 0.0)
        sizes[at] = np.abs(self.y[rows])
        moves = np.array([self.moves, self.moves])
        moves[:, rows] = self.slacks
        moves[at] = self.moves[rows]
        margins = np.full(sizes.shape, np.inf)
        told = self.inequality & (moves > 0.0)
        margins[told] = DATA_MOVE * sizes[told] / moves[told]
        margins[self.inequality & (sizes == 0.0)] = 0.0
        if not margins.size or not np.isfinite(margins.min()):
            return float("inf"), -1, 0
        side, row = divmod(int(margins.argmin()), len(self.moves))
        return float(margins.min()), row, 2 * side - 1


@final
@dataclass(frozen=True, slots=True, eq=False)
class PolishedSolution:
    """A solution with its active rows and the factorization that differentiates it.

    Attributes
    ----------
    x, y : solution (n,) and multipliers (m,) of a `StandardForm`
    sides : (m,) of the rows in `kkt`: equations, strongly active rows, and the chosen weakly active ones, without those
        inequalities on which equations would depend, so that tangents can follow these
    inequality : mask (m,)
    weak : mask (2, m) of the lower and upper sides with y = s = 0, for all that is known (`certainty`)
    kkt : factorization of ``[[P, B1'], [B1, 0]]``, B1 the active rows
    tight : sides (m,) of the active rows with those inequalities, and their system
    status : what the derivatives are
    refinement : largest relative violation of the optimality conditions, of the given point and of this one
    mismatch : relative difference of forward and reverse mode, see `certainty.Probe`
    strong : the system of the rows that are active beyond doubt, whose null vectors x may move along
    kinks : how near they are
    system_of : the system of any rows
    """

    x: FloatArray
    y: FloatArray
    sides: Sides
    inequality: Mask
    weak: Mask
    kkt: KKTSystem
    tight: tuple[Sides, KKTSystem]
    status: DifferentiationStatusCode
    refinement: Refinement
    mismatch: float
    strong: KKTSystem
    kinks: Kinks
    system_of: Callable[[Mask], KKTSystem]

    @property
    def polished(self) -> bool:
        """Whether the point is that of active rows found; if not, it is the best one seen."""
        return self.refinement.after <= FOUND

    @property
    def active(self) -> Mask:
        """(m,): the rows in `kkt`."""
        active: Mask = self.sides != 0
        return active

    @property
    def weakly_active(self) -> Mask:
        """(m,): the rows with a weakly active side."""
        return np.asarray(self.weak.any(axis=0))

    @property
    def at_upper(self) -> Mask:
        """(m,): the inequalities that are active at their upper side."""
        return (self.sides > 0) & self.inequality

    def solve(self, primal: ArrayLike, rows: ArrayLike | None = None) -> tuple[FloatArray, FloatArray]:
        r"""Solve the KKT system on the active rows; inactive rows of the answer are zero.

        Forward mode: ``primal`` :math:`= -(dP\,x + dB^T y + dc)` and ``rows`` :math:`= -(dB\,x - db)`, b the sides
        at which rows are active, give (dx, dy). Reverse mode: the seeds :math:`(\bar x, \bar y)` give
        :math:`(w_x, w_y)`, with :math:`\bar c = -w_x, \bar b = w_y, \bar B = -(y w_x^T + w_y x^T)` and
        :math:`\bar P = -\tfrac12(w_x x^T + x w_x^T)`.

        Parameters
        ----------
        primal : (n,) or (n, k)
        rows : (m,) or (m, k); None for zeros
        """
        return _solve_on(self.kkt, self.sides, np.asarray(primal, np.float64), rows)

    def without_kinks(self) -> Solve:
        """`solve` by the rows that are active beyond doubt; of least norm where these leave something open."""
        own = np.where(self.sides > 0, self.weak[1], self.weak[0])
        sides = np.where(own, 0, self.sides).astype(np.int8)
        kkt = self.system_of(sides != 0)
        return lambda primal, rows: _solve_on(kkt, sides, np.asarray(primal, np.float64), rows)

    @property
    def freedom(self) -> tuple[FloatArray, FloatArray]:
        """How x and y can move: (n, p) and (m, d), null vectors of the system."""
        sides, kkt = self.tight
        (primal, _), (_, dual) = self.strong.null_vectors, kkt.null_vectors
        rows = np.zeros((sides.size, dual.shape[1]))
        rows[sides != 0] = dual
        return primal, rows

    @property
    def at_fault(self) -> Mask:
        """Mask (2, m) of the sides that keep the status from being EXACT: weakly active or dependent ones."""
        mask = self.weak.copy()
        sides, kkt = self.tight
        rows = np.flatnonzero(sides)[kkt.dependent_rows]
        mask[(sides[rows] > 0).astype(np.intp), rows] = True
        return mask

    @property
    def rows_at_fault(self) -> Mask:
        """Mask (m,) of the rows of these."""
        return np.asarray(self.at_fault.any(axis=0))


def _solve_on(kkt: KKTSystem, sides: Sides, upper: FloatArray, rows: ArrayLike | None) -> tuple[FloatArray, FloatArray]:
    at, n = np.flatnonzero(sides), len(upper)
    lower = np.zeros((at.size, *upper.shape[1:])) if rows is None else np.asarray(rows, np.float64)[at]
    answer = kkt.solve(np.concatenate([upper, lower]))
    dy = np.zeros((sides.size, *upper.shape[1:]))
    dy[at] = answer[n:]
    return answer[:n], dy
