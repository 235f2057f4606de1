"""What matrix-free operators share: products with P and A where the arrays live, their norms, and (x, y) as a state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp

from ...modelkit.arrays import FloatArray
from .arrays import Place
from .operator import Operator, Triple
from .program import Program

__all__ = ["GradientSteps", "spectral_norm"]

_SMOOTHING = 0.5
_LEAST, _MOST = 1e-5, 1e5
_NEAR = 1e-10
"""Moves shorter than this tell nothing of a primal weight."""
_POWER_STEPS = 40
_SAFE = 1.02
"""Power iterations come to a norm from below."""


class GradientSteps(Operator):
    """An operator on states (x, y), one above the other, that multiplies by P, A and their transposes alone.

    Attributes
    ----------
    P, A, A_T : where the arrays live; P is None for linear programs
    norm_P, norm_A : spectral norms
    """

    def __init__(self, program: Program, place: Place, options: Mapping[str, Any]) -> None:
        super().__init__(program, place, options)
        self.A, self.A_T = place.matrix(program.A), place.matrix(sp.csr_array(program.A.T))
        self.P = place.matrix(program.P) if program.P.nnz else None
        self.norm_A = spectral_norm(program.A)
        self.norm_P = spectral_norm(program.P)

    def times_P(self, x: Any) -> Any:
        """P x, (n, B)."""
        return 0.0 * x if self.P is None else self.P @ x

    def gradient(self, x: Any, y: Any) -> Any:
        """``P x + q - Aᵀ y``, (n, B)."""
        return self.times_P(x) + self.sides.q - self.A_T @ y

    def start(self, point: Triple) -> Any:
        """(x, y)."""
        return self.xp.concat([point.x, point.y])

    def split(self, state: Any) -> tuple[Any, Any]:
        """X and y."""
        return state[: self.n], state[self.n :]

    def point(self, state: Any) -> Triple:
        """X, y, and of the reduced costs those of sides that are there."""
        x, y = self.split(state)
        costs, sides = self.gradient(x, y), self.sides
        below, above = self.xp.maximum(costs, 0.0 * costs), self.xp.minimum(costs, 0.0 * costs)
        zero = 0.0 * costs
        z = self.xp.where(sides.lower > -np.inf, below, zero) + self.xp.where(sides.upper < np.inf, above, zero)
        return Triple(x, y, z)

    def balanced(self, weight: Any, moved: Any) -> Any:
        """A primal weight (1, B) nearer to how far y came over how far x came (Applegate et al. 2021, algorithm 3)."""
        xp, (x, y) = self.xp, self.split(moved)
        far_x, far_y = (xp.sqrt(xp.sum(part * part, axis=0)) for part in (x, y))
        told = (far_x > _NEAR) & (far_y > _NEAR)
        ratio = xp.where(told, far_y, 0.0 * far_y + 1.0) / xp.where(told, far_x, 0.0 * far_x + 1.0)
        tuned = weight ** (1.0 - _SMOOTHING) * ratio**_SMOOTHING
        tuned = xp.minimum(xp.maximum(tuned, 0.0 * tuned + _LEAST), 0.0 * tuned + _MOST)
        return xp.where(told, tuned, weight)

    def ray(self, difference: Any) -> Triple:
        """X and y."""
        x, y = self.split(difference)
        return Triple(x, y, 0.0 * x)


def spectral_norm(matrix: Any) -> float:
    """The largest singular value of a compressed matrix, by power iterations; an upper bound of it in all but bad luck.

    Examples
    --------
    >>> bool(abs(spectral_norm(sp.csr_array([[3.0, 0.0], [0.0, 1.0]])) - 3.0) < 0.1)
    True
    """
    if not matrix.nnz:
        return 0.0
    v: FloatArray = np.random.default_rng(3).standard_normal(matrix.shape[1])
    found, transposed = 0.0, matrix.T
    for _ in range(_POWER_STEPS):
        v = transposed @ (matrix @ (v / np.linalg.norm(v)))
        found = float(np.linalg.norm(v))
        if not found:
            return 0.0
    bound = float(np.sqrt(abs(matrix).sum(axis=0).max() * abs(matrix).sum(axis=1).max()))
    return min(_SAFE * float(np.sqrt(found)), bound)
