r"""A solution of a linear or convex quadratic program with as many active rows as determine it.

Derivatives need any of the multipliers of a solution; how long a multiplier lasts needs a *basis*: active rows that are
independent, and enough of them that x is unique. From a solution with dependent active rows one goes, without changing
x or the objective, along a vector v with :math:`A_1^T v = 0` until a multiplier is zero, whose row leaves; from one of
many optimal x along a u with :math:`Pu = 0, A_1 u = 0` until a row becomes active. (For linear programs this is the
purification of J. E. Kortanek and J. L. Strojwas, *An application of the Charnes-Kortanek-Raike purification
algorithm*, 1984, and ends in a basis of the simplex method.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import scipy.sparse as sp

from ...modelkit.arrays import FloatArray, IntArray
from ..form_point import FormPoint
from ..kkt import KKTSystem, Mask, automatic
from ..one_sided_solution import OneSidedSolution
from ..standard_form import Matrices, StandardForm, Units

__all__ = ["BasicPoint", "Span"]

_NOISE = 1e-11
"""Part of a direction, in equilibrated units, up to which it is rounding error."""
_OF_OTHERS = 1e-4
"""Part of the largest terms of a direction that counts in a row whose own terms are smaller."""
_ZERO = 1e-9
"""Slacks and multipliers up to this, in equilibrated units, are zero."""
_SOLVED = 1e-8
"""Part of its terms up to which a row that should stand still may move."""
_ROUNDS = 50
_MOST_NUMBERS = 2**23
"""Numbers of a block of directions."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Span:
    """Where the solution goes along K directions, and how far the active rows stay the same.

    Attributes
    ----------
    dx, dy : (n, K) and (m, K), for a unit of the direction
    low, high : (K,) of the steps in between which the active rows hold; zero where they hold on no side
    at_low, at_high : (K,) the row that enters or leaves there, -1 where the step is infinite
    stuck : (K,) whether these rows cannot follow the direction at all
    """

    dx: FloatArray
    dy: FloatArray
    low: FloatArray
    high: FloatArray
    at_low: IntArray
    at_high: IntArray
    stuck: Mask


@final
class BasicPoint:
    """A solution in one-sided rows ``F x + g`` (equal to zero, or nonnegative) with a basis of them.

    Parameters
    ----------
    point : the exact solution of a linear or convex quadratic program

    Attributes
    ----------
    x, y, s : (n,), (m,) and the slacks (m,)
    active : (m,) the rows of the basis
    kkt : the factorized system of these
    """

    def __init__(self, point: FormPoint) -> None:
        rows, solution = point.rows, point.solution
        assert isinstance(solution, OneSidedSolution)
        self.P, self.F = rows.P, sp.csr_array(rows.F)
        self.q, self.r, self.g = rows.q, rows.r, rows.g
        matrices = Matrices(rows.P, -rows.F)
        form = StandardForm.of_upper(matrices.P, rows.q, matrices.B, rows.g, point.layout.zeros)
        self._units = Units(form, matrices)
        self._FT = sp.csr_array(self.F.T)
        self.inequality: Mask = np.arange(rows.m) >= point.layout.zeros
        self.x, self.y, self.active = solution.x.copy(), solution.y.copy(), solution.active.copy()
        self._factorize()
        self._settle()
        for _ in range(_ROUNDS):
            if not (self._drop_dependent() or self._fix_free()):
                break

    def _settle(self) -> None:
        slack = np.asarray(self.F @ self.x + self.g)
        self.s: FloatArray = np.where(self.active | ~self.inequality, 0.0, np.maximum(slack, 0.0))

    def _factorize(self) -> None:
        rows = np.flatnonzero(self.active)
        scale = np.concatenate([self._units.column, self._units.row[rows]])
        matrices = self._units.matrices
        self.kkt: KKTSystem = automatic(matrices.P, matrices.rows(rows), scale=scale)

    def _drop_dependent(self) -> bool:
        """Have fewer rows, where some inequalities depend on others."""
        rows = np.flatnonzero(self.active)
        if not (self.kkt.dependent_rows & self.inequality[rows]).any():
            return False
        V = np.array(self.kkt.null_vectors[1])
        y, free, gone = self.y[rows], self.inequality[rows], np.zeros(len(rows), bool)
        for k in range(V.shape[1]):
            v = np.where(free & ~gone, V[:, k], 0.0)
            v[np.abs(v) <= _NOISE * np.abs(v).max(initial=0.0)] = 0.0
            if not v.any():
                continue
            if not (v < 0.0).any():
                V[:, k], v = -V[:, k], -v
            steps = np.where(v < 0.0, y / np.where(v < 0.0, -v, 1.0), np.inf)
            r = int(np.argmin(steps))
            y = y + steps[r] * V[:, k]
            y = np.where(free, np.maximum(y, 0.0), y)
            y[r], gone[r] = 0.0, True
            V[:, k + 1 :] -= np.outer(V[:, k], V[r, k + 1 :] / V[r, k])
        if not gone.any():
            return False
        self.y[rows] = y
        self.active[rows[gone]] = False
        self._settle()
        self._factorize()
        return True

    def _fix_free(self) -> bool:
        """Have more rows, where x is not unique."""
        if not self.kkt.primal_nullity:
            return False
        U = np.array(self.kkt.null_vectors[0])
        added = False
        for k in range(U.shape[1]):
            ds = np.asarray(self.F @ U[:, k])
            size = np.abs(ds * self._units.row).max(initial=0.0)
            ds[self.active | (np.abs(ds) * self._units.row <= _NOISE * size)] = 0.0
            with np.errstate(divide="ignore", invalid="ignore"):
                steps = np.where(ds != 0.0, self.s / -ds, np.inf)
            ahead, behind = np.where(ds < 0.0, steps, np.inf), np.where(ds > 0.0, -steps, np.inf)
            sign, ends = (1.0, ahead) if ahead.min(initial=np.inf) <= behind.min(initial=np.inf) else (-1.0, behind)
            r = int(np.argmin(ends)) if len(ends) else -1
            if r < 0 or not np.isfinite(ends[r]):
                continue
            self.x = self.x + sign * ends[r] * U[:, k]
            self.active[r], added = True, True
            along = self.F[[r]] @ U
            U[:, k + 1 :] -= np.outer(U[:, k], along[0, k + 1 :] / along[0, k])
            self._settle()
        if added:
            self._factorize()
        return added

    # ------------------------------------------------------------------ directions
    def spans(self, dq: FloatArray, dg: FloatArray) -> Span:
        """Along moves of costs (n, K) and of constants of the rows (m, K)."""
        rows = np.flatnonzero(self.active)
        n, K = dq.shape
        found = self.kkt.solve(np.concatenate([-dq, dg[rows]]))
        dx, dy = found[:n], np.zeros_like(dg)
        dy[rows] = found[n:]
        stuck = self._stuck(rows, dx, dy, dq, dg)
        ds = np.asarray(self.F @ dx) + dg
        moves = np.where(self.active[:, None], dy, ds)
        moves[self._is_noise(moves, dx, dq, dg) | ~self.inequality[:, None]] = 0.0
        values = np.where(self.active, self.y, self.s)[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            steps = np.where(moves != 0.0, values / -moves, np.nan)
        high, at_high = _least(np.where(moves < 0.0, steps, np.inf), K)
        low, at_low = _least(np.where(moves > 0.0, -steps, np.inf), K)
        low[stuck] = high[stuck] = 0.0
        at_low[stuck] = at_high[stuck] = -1
        return Span(dx, dy, -low, high, at_low, at_high, stuck)

    def _is_noise(self, moves: FloatArray, dx: FloatArray, dq: FloatArray, dg: FloatArray) -> Mask:
        """Which moves of multipliers (of active rows) and of slacks are rounding errors of their directions."""
        column, row = self._units.column[:, None], self._units.row[:, None]
        one = self._units.magnitudes(self.x, np.where(self.active, self.g, 0.0))
        multipliers = np.where(self.active[:, None], np.abs(moves) / row, 0.0)
        parts = [
            (np.abs(dx) / column, one.slack),
            (np.abs(dg) * row, one.slack),
            (multipliers, one.multiplier),
            (np.abs(dq) * column, one.multiplier),
        ]
        size = np.max([part.max(axis=0, initial=0.0) / unit for part, unit in parts], axis=0)
        terms = (np.asarray(abs(self.F) @ np.abs(dx)) + np.abs(dg)) * row
        slacks = np.maximum(terms, _OF_OTHERS * one.slack * size) / row
        noise: Mask = np.abs(moves) <= _NOISE * np.where(self.active[:, None], one.multiplier * size * row, slacks)
        return noise

    def _stuck(self, rows: IntArray, dx: FloatArray, dy: FloatArray, dq: FloatArray, dg: FloatArray) -> Mask:
        """Which directions the active rows cannot follow: where their system is singular it may have no solution."""
        if not (self.kkt.primal_nullity or self.kkt.dual_nullity):
            return np.zeros(dq.shape[1], bool)
        column, row = self._units.column[:, None], self._units.row[rows, None]
        F, FT, P = self.F[rows], self._FT[:, rows], self.P
        top = np.abs(P @ dx - FT @ dy[rows] + dq) * column
        below = np.abs(F @ dx + dg[rows]) * row
        size_top = (abs(P) @ np.abs(dx) + abs(FT) @ np.abs(dy[rows]) + np.abs(dq)) * column
        size_below = (abs(F) @ np.abs(dx) + np.abs(dg[rows])) * row
        off: Mask = (top.max(axis=0, initial=0.0) > _SOLVED * size_top.max(axis=0, initial=0.0)) | (
            below.max(axis=0, initial=0.0) > _SOLVED * size_below.max(axis=0, initial=0.0)
        )
        return off

    @property
    def is_degenerate(self) -> bool:
        """Whether another basis may be one of this solution: a row outside of it holds, or a multiplier is zero."""
        unit = self._units.magnitudes(self.x, np.where(self.active, self.g, 0.0))
        holds = self.s * self._units.row <= _ZERO * unit.slack
        free = self.y / self._units.row <= _ZERO * unit.multiplier
        return bool((np.where(self.active, free, holds) & self.inequality).any())

    @property
    def objective(self) -> float:
        """The optimal value of the form."""
        return float(0.5 * self.x @ (self.P @ self.x) + self.q @ self.x + self.r)

    @property
    def block(self) -> int:
        """How many directions at once are within the memory that a block may take."""
        return max(1, _MOST_NUMBERS // max(1, len(self.x) + 4 * len(self.y)))


def _least(steps: FloatArray, K: int) -> tuple[FloatArray, IntArray]:
    if not len(steps):
        return np.full(K, np.inf), np.full(K, -1, np.int64)
    at = np.argmin(steps, axis=0)
    least = np.maximum(steps[at, np.arange(K)], 0.0)
    return least, np.where(np.isfinite(least), at, -1).astype(np.int64)
