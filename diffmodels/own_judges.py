"""What a point and answers of a solver's own leave of the optimality conditions, by products with matrices alone.

There are two ways to say it, for the same question: of quadratic programs in the units of `standard_form`, whose
matrices stay dense where they are, and of all others in those of `conic_system`. No matrix is factorized.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple, final

import numpy as np

from ..modelkit.arrays import FloatArray
from ..modelkit.form.matrix_form import MatrixForm
from ..modelkit.form.products import with_entries
from ..modelkit.sets import Nonnegatives, Zeros
from ..modelkit.sizes import largest_size
from .certainty import DATA_MOVE, Probe, Sizes, in_doubt
from .conic_certainty import doubts, nearest_kink, roundings
from .conic_system import Conditions, Iterate
from .kkt import Mask
from .standard_form import Matrices, StandardForm, Units

__all__ = ["Judge", "Judgement", "judge_of"]

Map = Callable[[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]
"""From right-hand sides (n, K) and (m, K) to moves (dx, dy), or from seeds to gradients, in one-sided rows."""


class Judgement(NamedTuple):
    """What roundings of the data do.

    Attributes
    ----------
    doubtful : (m,) the rows that they could bring to the other side of a kink
    mismatch : the largest relative difference of forward and reverse mode
    """

    doubtful: Mask
    mismatch: float


class Judge(ABC):
    """The conditions at a point.

    Attributes
    ----------
    residual : componentwise, relative to their terms (`certainty`)
    active : (m,) the rows that move the solution, of a cone as many as it has axes that do
    """

    residual: float
    active: Mask

    @abstractmethod
    def left(self, primal: FloatArray, rows: FloatArray, dx: FloatArray, dy: FloatArray) -> float:
        """What an answer leaves of its right-hand sides, relative to the size of the system and of the answer."""

    @abstractmethod
    def judge(self, push: Map, pull: Map) -> Judgement:
        """Move the data by roundings, in both modes."""

    @abstractmethod
    def margin(self, push: Map) -> tuple[float, int]:
        """By how much, relative to their terms, the data may move before a row is at its kink; and which, or -1."""


def judge_of(rows: MatrixForm, x: FloatArray, y: FloatArray) -> Judge:
    """The judge of a point (n,) and (m,) of a program in one-sided rows."""
    is_linear = rows.curvature is None and all(kind[1] in (Zeros, Nonnegatives) for kind in rows.parts)
    return _QuadraticJudge(rows, x, y) if is_linear else _ConicJudge(rows, x, y)


@final
class _QuadraticJudge(Judge):
    """Of linear and quadratic programs."""

    def __init__(self, rows: MatrixForm, x: FloatArray, y: FloatArray) -> None:
        zeros = sum(part.rows.stop for kind, part in rows.parts.items() if kind[1] is Zeros)
        self._matrices = matrices = Matrices(rows.P, with_entries(rows.F, -rows.F.data))
        form = StandardForm.of_upper(matrices.P, rows.q, matrices.B, rows.g, zeros)
        units = Units(form, matrices)
        self._inequality = units.inequality
        slack = rows.g - units.values(x)
        unit = units.magnitudes(x, np.where(~units.inequality | (y > 0.0), rows.g, 0.0))
        is_near = slack * matrices.row / unit.slack < y / matrices.row / unit.multiplier
        self.active = ~units.inequality | is_near
        y = np.where(self.active, np.where(units.inequality, np.maximum(y, 0.0), y), 0.0)
        s = np.where(self.active, 0.0, np.maximum(slack, 0.0))
        self._left = units.gradient(x, y), s - slack
        self._sizes = Sizes(matrices.terms, form.c, form.upper, x, y)
        self._values = np.where(self.active, y, s)
        self.residual = self._sizes.residual(*self._left)
        terms = matrices.terms
        sums = matrices.column * (terms.of_P + terms.of_A), matrices.row * terms.rows_of_A
        self._norm = max(largest_size(sums[0]), largest_size(sums[1]), 1.0)
        self._moves: FloatArray | None = None

    def left(self, primal: FloatArray, rows: FloatArray, dx: FloatArray, dy: FloatArray) -> float:
        at, on = self._matrices, self.active[:, None]
        column, row = at.column[:, None], at.row[:, None]
        of_gradient = column * (at.P @ dx + at.B_T @ dy - primal)
        of_rows = np.where(on, row * (at.B @ dx - rows), dy / row)
        size = self._norm * (_largest(dx / column) + _largest(dy / row))
        size += _largest(column * primal) + _largest(row * rows * on)
        return _ratio(_largest(of_gradient) + _largest(of_rows), size)

    def judge(self, push: Map, pull: Map) -> Judgement:
        n, m, at = self._matrices.P.shape[0], len(self.active), np.flatnonzero(self.active)
        mismatch = 0.0

        def solve(R: FloatArray) -> FloatArray:
            nonlocal mismatch
            rows = np.zeros((m, R.shape[1]))
            rows[at] = R[n:]
            forward, reverse = (np.concatenate([dx, dy[at]]) for dx, dy in (push(R[:n], rows), pull(R[:n], rows)))
            mismatch = _mismatch(R, forward, reverse)
            return forward

        probe: Probe = self._sizes.probe(*self._left, at, solve)
        self._moves = probe.moves
        return Judgement(self._inequality & in_doubt(self._values, probe.moves), mismatch)

    def margin(self, push: Map) -> tuple[float, int]:
        if self._moves is None:
            self.judge(push, push)
        assert self._moves is not None
        sizes, inside = np.abs(self._values), self._inequality & (self._moves > 0.0)
        margins = np.full(len(sizes), np.inf)
        margins[inside] = DATA_MOVE * sizes[inside] / self._moves[inside]
        margins[self._inequality & (sizes == 0.0)] = 0.0
        nearest = int(margins.argmin()) if len(margins) else -1
        return (float("inf"), -1) if nearest < 0 or np.isinf(margins[nearest]) else (float(margins[nearest]), nearest)


@final
class _ConicJudge(Judge):
    """Of programs with cones or quadratic rows."""

    def __init__(self, rows: MatrixForm, x: FloatArray, y: FloatArray) -> None:
        conditions = Conditions(rows, x, y)
        self._units, at = conditions.units, conditions.units.primal(x)
        self._at = Iterate(conditions, at, conditions.units.dual(y) - conditions.rows(at))
        self.residual, self.active = self._at.residual, self._at.rotation.active

    def _moves(self, rows: FloatArray, dx: FloatArray, dy: FloatArray) -> FloatArray:
        """(dx, dv) of an answer, in the units of the conditions."""
        moved = self._units.primal(dx)
        return np.concatenate([moved, self._at.A @ moved + self._units.dual(dy) - self._units.slacks(rows)])

    def left(self, primal: FloatArray, rows: FloatArray, dx: FloatArray, dy: FloatArray) -> float:
        R, Z = np.concatenate([self._units.slopes(primal), self._units.slacks(rows)]), self._moves(rows, dx, dy)
        size = self._at.norm * _largest(Z) + _largest(R)
        return _ratio(_largest(self._at.apply(Z) - R), size)

    def _given(self, R: FloatArray) -> tuple[FloatArray, FloatArray]:
        n = len(self._at.x)
        return self._units.given_slopes(R[:n]), self._units.given_slacks(R[n:])

    def judge(self, push: Map, pull: Map) -> Judgement:
        R, units = roundings(self._at), self._units
        primal, rows = self._given(R)
        pushed, pulled = push(primal, rows), pull(primal, rows)
        forward, reverse = (np.concatenate([units.primal(dx), units.dual(dy)]) for dx, dy in (pushed, pulled))
        doubtful = doubts(self._at, self._moves(rows, *pushed)[len(self._at.x) :])
        return Judgement(doubtful, _mismatch(R, forward, reverse))

    def margin(self, push: Map) -> tuple[float, int]:
        def solve(R: FloatArray) -> FloatArray:
            primal, rows = self._given(R)
            return self._moves(rows, *push(primal, rows))

        return nearest_kink(self._at, solve)


def _largest(values: FloatArray) -> FloatArray:
    """The largest size in each column."""
    sizes: FloatArray = np.abs(values).max(axis=0, initial=0.0)
    return sizes


def _ratio(left: FloatArray, size: FloatArray) -> float:
    """The largest, infinite where a number is not finite."""
    relative = left / np.where(size > 0.0, size, 1.0)
    return float(relative.max(initial=0.0)) if np.isfinite(relative).all() else float("inf")


def _mismatch(R: FloatArray, forward: FloatArray, reverse: FloatArray) -> float:
    """The largest relative difference of ``<R, push(R)>`` and ``<pull(R), R>``."""
    most = np.abs(R).T @ np.maximum(np.abs(forward), np.abs(reverse))
    return _ratio(np.abs(R.T @ forward - reverse.T @ R).ravel(), most.ravel())
