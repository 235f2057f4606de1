"""How the solution moves with the data: one system on its support, for both modes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from ...modelkit.arrays import FloatArray
from ...modelkit.attributes import DifferentiationStatusCode as Code
from ...modelkit.errors import InvalidData
from .exact_step import Candidate
from .normal_equations import NormalEquations
from .regularizer import Pattern, Regularizer

__all__ = ["ConsensusGradient", "Derivative"]

_FINE, _ENOUGH = 1e-13, 1e-12
"""Residual of conjugate gradients, and what it may be when it is computed anew."""
_MOVES = 3
_SINGULAR = 1e-11
"""Least over largest eigenvalue of the preconditioned system from which on it has no inverse."""


@final
class Derivative:
    """The linearized conditions of optimality at a point, and what they are worth there.

    On the support S, where the signs s stay, ``(Σ AᵢᵀAᵢ + ridge I) x + lasso s = Σ Aᵢᵀbᵢ`` is linear. So with K its
    matrix on S, ``K dx = Σ Aᵢᵀdbᵢ − x dridge − s dlasso``, and K is its own transpose. It is solved by conjugate
    gradients, preconditioned by a sweep of the consensus iteration over the blocks' own factors.

    Parameters
    ----------
    system, regularizer : of the problem
    point : of optimality
    pattern : of the point

    Attributes
    ----------
    status : what the derivative is
    doubtful : (n,), entries of which it is not clear whether they are zero
    """

    def __init__(self, system: NormalEquations, regularizer: Regularizer, point: Candidate, pattern: Pattern) -> None:
        self.system, self.regularizer, self.point, self.pattern = system, regularizer, point, pattern
        self.limit = 3 * system.n + 50
        self.doubtful: NDArray[np.bool_] = np.zeros(system.n, dtype=bool)
        self.status = Code.INACCURATE if point.residual > 1e-10 else Code.NOT_DIFFERENTIATED

    def solve(self, rhs: FloatArray) -> FloatArray:
        """K⁻¹ R on the support, zero elsewhere, for R (n, k); the first time the point is judged along with it."""
        if self.status is Code.NONUNIQUE:
            return self._least_norm(rhs)
        judging = self.status is Code.NOT_DIFFERENTIATED
        R = np.hstack([self._moves(), rhs]) if judging else rhs
        R = np.where(self.pattern.support[:, None], R, 0.0)
        found, left, smallest = self._solved(R, _FINE)
        if judging:
            self.status = self._judged(R[:, :_MOVES], found[:, :_MOVES], left[:, :_MOVES], smallest)
            if self.status is Code.NONUNIQUE:
                return self._least_norm(rhs)
        if self._size(left, R) > _ENOUGH:
            better, left, _ = self._solved(left, 1e-3)
            found = found + better
        if self._size(left, R) > 1e-10:
            self.status = Code.INACCURATE
        return found[:, _MOVES:] if judging else found

    def _solved(self, R: FloatArray, tolerance: float) -> tuple[FloatArray, FloatArray, float]:
        """A solution, what is left of the right-hand side on the support, and the smallest eigenvalue."""
        support, ridge = self.pattern.support, self.regularizer.ridge
        found = self.system.solve(R, support, ridge, tolerance, self.limit)
        return found.x, R - self.system.product(found.x) - ridge * found.x, found.smallest

    def _least_norm(self, rhs: FloatArray) -> FloatArray:
        return self.system.least_norm(rhs, self.pattern.support, self.regularizer.ridge, self.limit).x

    def _size(self, left: FloatArray, R: FloatArray) -> float:
        """Of what is left on the support, in parts of the right-hand side, at the worst."""
        weights = self.pattern.support / self.system.squares
        largest = np.sqrt(weights @ R**2)
        return float(np.max(np.sqrt(weights @ left**2) / np.where(largest > 0.0, largest, 1.0), initial=0.0))

    def _moves(self) -> FloatArray:
        """Moves of the gradient (n, 3): by 1e-12 of its terms at least, and by what is left of it at least."""
        slope = np.abs(self.point.gradient + self.regularizer.lasso * self.pattern.signs)
        rng, shape = np.random.default_rng(0), (self.system.n, _MOVES)
        # of any size, not signs alone: those of dependent columns would be dependent too, now and then
        moves = rng.choice([-1.0, 1.0], shape) * rng.uniform(1.0, 2.0, shape)
        return moves * np.maximum(1e-12 * self.point.scale, np.where(self.pattern.support, slope, 0.0))[:, None]

    def _judged(self, R: FloatArray, moved: FloatArray, left: FloatArray, smallest: float) -> Code:
        """Which entries could be zero or not, as x and multipliers move: docs/design.md, section 7, rules 1 and 2."""
        support, point = self.pattern.support, self.point
        if smallest < _SINGULAR or self._size(left, R) > 1e-6:
            return Code.NONUNIQUE
        if self.regularizer.smooth:
            return Code.EXACT
        held = self.regularizer.multipliers(point.gradient)
        drawn = np.abs(left).max(axis=1) + 1e-12 * point.scale
        self.doubtful = np.where(support, np.abs(point.x) <= 3.0 * np.abs(moved).max(axis=1), held <= 3.0 * drawn)
        return Code.WEAKLY_ACTIVE if self.doubtful.any() else Code.EXACT


@final
@dataclass(frozen=True, slots=True)
class ConsensusGradient:
    """The gradient of a loss of x in the data; the parts in b are made on the workers when they are asked for.

    Attributes
    ----------
    ridge, lasso : derivatives in the two weights; (k,) where there are k losses
    direction : w = K⁻¹ ∂loss/∂x, of the shape of the seed; in block i the gradient in b is Aᵢ w
    status : what this derivative is
    """

    ridge: float | FloatArray
    lasso: float | FloatArray
    direction: FloatArray
    status: Code
    system: NormalEquations

    def b(self, blocks: Sequence[int] | None = None) -> list[FloatArray]:
        """The gradients in b of some blocks, or of all, fetched from their workers: (m,) or (m, k) each.

        Raises
        ------
        InvalidData
            If there is no such block.
        """
        wanted = list(range(self.system.blocks)) if blocks is None else list(blocks)
        if wrong := [number for number in wanted if number not in range(self.system.blocks)]:
            raise InvalidData(f"There is no block {wrong[0]}; they are numbered from 0 to {self.system.blocks - 1}.")
        if not wanted:
            return []
        (found,) = self.system.ask("pull", own=dict.fromkeys(wanted, self.direction))
        return [found[number] for number in wanted]
