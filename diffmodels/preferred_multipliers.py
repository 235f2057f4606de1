r"""Which of many multipliers a direction prefers.

All multipliers of a solution are those of the linearized program, and where the rows move by r the objective moves as
their best one says: :math:`\max -r^T y` over :math:`A^T y = -(Px + c)`, y in the normal cone of the slacks. Its
solutions are a face: by complementarity, those that are zero where a solution of its dual is not. A second linear
program finds which of the others can be positive together, so that what is found is in the middle of the face.
"""

from __future__ import annotations

from typing import final

import numpy as np
import scipy.linalg as sla
import scipy.optimize as spo
import scipy.sparse as sp

from ..modelkit.arrays import FloatArray, IntArray
from ..modelkit.errors import DifferentiationError, Unsupported
from .cone_program import cones_of_kinks
from .conic_system import Iterate
from .kkt import Mask

__all__ = ["PreferredMultipliers"]

_NOTHING = 1e-7
"""Reduced costs and multipliers up to this, in units of the largest, are zero: what linear programs are solved to."""
_RANK = 1e-9
_SHARE = 1e-3
"""Of the largest multiplier that others count as positive from: large enough for a linear program to see."""


@final
class PreferredMultipliers:
    """Of the solution of a conic program.

    Parameters
    ----------
    at : the solution, in units that equilibrate it

    Raises
    ------
    Unsupported
        If slacks of cones are zero in several axes, so that multipliers are in more than half-lines.
    """

    def __init__(self, at: Iterate) -> None:
        without = Iterate(at.conditions, at.x, -at.s)
        self._axes = axes = without.kinks
        blocks = cones_of_kinks(at, axes, axes.kink_axes)
        if any(cone is not None for cone, _ in blocks):
            raise Unsupported(
                "Active rows depend on one another where a cone is active in several axes, at its apex or in several "
                "eigenvalues that are zero: which of the duals a direction prefers is not known there. Drop one of the "
                "rows, or set DifferentiationPolicy() to 'smoothed' or 'generalized'."
            )
        equal = np.flatnonzero(axes.active & ~axes.kink_axes)
        self._rows: IntArray = np.concatenate([equal, *(own for _, own in blocks)]).astype(np.int64)
        A = sp.csr_array(axes.rotated(at.A))[self._rows]
        lengths = np.sqrt(np.asarray(A.multiply(A).sum(axis=1)).ravel())
        self._lengths = np.where(lengths > 0.0, lengths, 1.0)
        self._A: FloatArray = A.toarray() / self._lengths[:, None]
        self._y = axes.down(at.y)[self._rows] * self._lengths
        self._is_equal = np.arange(len(self._rows)) < len(equal)

    def along(self, rows: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Multipliers (m,) in the middle of those that a move of the rows (m,) prefers, and lines to the others (m, k).

        Raises
        ------
        DifferentiationError
            If as soon as the rows move there is no feasible point.
        """
        size = float(np.abs(self._y).max(initial=0.0)) or 1.0
        cost = self._axes.down(rows)[self._rows] / self._lengths
        y, right = self._y / size, self._A.T @ (self._y / size)
        allowed = np.ones(len(y), bool)
        lower = np.where(self._is_equal, -np.inf, 0.0)
        if cost.any():
            best = spo.linprog(cost, A_eq=self._A.T, b_eq=right, bounds=np.stack([lower, np.full_like(y, np.inf)], 1))
            if best.status != 0:
                raise DifferentiationError(
                    "There is no one-sided derivative in this direction: as soon as the data move along it, the model "
                    "has no solution, or none near this one."
                )
            allowed = self._is_equal | (best.lower.marginals <= _NOTHING * np.abs(cost).max())
            y = best.x
        y = self._middle(np.where(allowed, y, 0.0), right, allowed)
        kept = np.flatnonzero(self._is_equal | (y > 0.0))
        free = sla.null_space(self._A[kept].T, rcond=_RANK) if len(kept) else np.zeros((0, 0))
        lines = np.zeros((len(y), free.shape[1]))
        lines[kept] = free
        return self._up(size * y), self._up(lines)

    def _middle(self, y: FloatArray, right: FloatArray, allowed: Mask) -> FloatArray:
        """As many positive entries as there can be together."""
        n, k = len(y), int((allowed & ~self._is_equal).sum())
        which = np.flatnonzero(allowed & ~self._is_equal)
        least = _SHARE * max(float(np.abs(y).max(initial=0.0)), _SHARE)
        bounds = [
            (None, None) if e else (0.0, None if a else 0.0) for e, a in zip(self._is_equal, allowed, strict=True)
        ]
        pick = sp.csr_array((np.ones(k), (np.arange(k), which)), shape=(k, n))
        answer = spo.linprog(
            np.concatenate([np.zeros(n), -np.ones(k)]),
            A_ub=sp.hstack([-pick, sp.eye_array(k)]),
            b_ub=np.zeros(k),
            A_eq=np.hstack([self._A.T, np.zeros((len(right), k))]),
            b_eq=right,
            bounds=bounds + [(0.0, least)] * k,
        )
        if answer.status == 0:
            y = answer.x[:n]
        kept = self._is_equal | (y > _SHARE * least)
        found = np.where(kept, y, 0.0)
        found[kept] += np.linalg.lstsq(self._A[kept].T, right - self._A.T @ found, rcond=_RANK)[0]
        return found

    def _up(self, values: FloatArray) -> FloatArray:
        full = np.zeros((len(self._axes.delta), *values.shape[1:]))
        full[self._rows] = (values.T / self._lengths).T
        return self._axes.up(full)

    def furthest(self, y: FloatArray, lines: FloatArray, slopes: FloatArray) -> FloatArray:
        """How far to go along lines (m, k) from y (m,), that a linear function with these slopes be the largest."""
        if not slopes.any():
            return np.zeros(len(slopes))
        own, moves = (self._axes.down(one)[self._rows][~self._is_equal] for one in (y, lines))
        size, steep = float(np.abs(own).max(initial=0.0)) or 1.0, np.abs(slopes).max()
        best = spo.linprog(-slopes / steep, A_ub=-moves, b_ub=np.maximum(own, 0.0) / size, bounds=(None, None))
        if best.status != 0:
            raise Unsupported(
                "The duals that the direction prefers are unbounded, so that no point is feasible strictly. Drop "
                "inequalities that are equations in disguise."
            )
        return np.asarray(size * best.x)

    def reach(self, y: FloatArray, line: FloatArray) -> tuple[float, float]:
        """From where to where y (m,) can move along a line (m,) and stay a multiplier; no further than a thousand."""
        own, move = (self._axes.down(one)[self._rows][~self._is_equal] for one in (y, line))
        largest = float(np.abs(move).max(initial=0.0)) or 1.0
        moves = np.abs(move) > _RANK * largest
        steps = np.maximum(own[moves], 0.0) / np.abs(move[moves])
        most = 1e3 * (float(np.abs(y).max(initial=0.0)) or 1.0) / largest
        back = steps[move[moves] > 0.0].min(initial=most)
        ahead = steps[move[moves] < 0.0].min(initial=most)
        return -float(back), float(ahead)
