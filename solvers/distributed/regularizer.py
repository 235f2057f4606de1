"""What is added to the squares, ½ridge ‖x‖² + lasso ‖x‖₁ on x >= 0 or on all x, and its conditions of optimality."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from ...modelkit.arrays import FloatArray

__all__ = ["Pattern", "Regularizer"]


@final
@dataclass(frozen=True, slots=True)
class Pattern:
    """Which entries of x are not zero, and their signs.

    Attributes
    ----------
    support : (n,)
    signs : (n,), 1 or -1 on the support and 0 elsewhere
    """

    support: NDArray[np.bool_]
    signs: FloatArray

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Pattern):
            return NotImplemented
        return bool(np.array_equal(self.support, other.support) and np.array_equal(self.signs, other.signs))

    __hash__ = None  # type: ignore[assignment]


@final
@dataclass(frozen=True, slots=True)
class Regularizer:
    """R(x) = ½ridge ‖x‖² + lasso ‖x‖₁, infinite where an x that must not be negative is.

    Attributes
    ----------
    nonnegative : whether x >= 0
    ridge, lasso : finite, not negative
    """

    nonnegative: bool
    ridge: float
    lasso: float

    @property
    def smooth(self) -> bool:
        """Whether no entry is drawn to zero, so that there is no pattern to find."""
        return not self.nonnegative and self.lasso == 0.0

    def value(self, x: FloatArray) -> float:
        """R(x), for an x that is allowed."""
        return float(0.5 * self.ridge * (x @ x) + self.lasso * np.abs(x).sum())

    def nearest(self, v: FloatArray, weights: FloatArray) -> FloatArray:
        """The z that minimizes R(z) + ½ Σ weightsⱼ (zⱼ − vⱼ)²: the proximal operator, entry by entry.

        Examples
        --------
        >>> Regularizer(False, 1.0, 2.0).nearest(np.array([3.0, 0.5, -3.0]), np.ones(3))
        array([ 0.5,  0. , -0.5])
        """
        pulled = weights * v
        if self.nonnegative:
            return np.maximum(pulled - self.lasso, 0.0) / (weights + self.ridge)
        return np.sign(pulled) * np.maximum(np.abs(pulled) - self.lasso, 0.0) / (weights + self.ridge)

    def pattern(self, x: FloatArray) -> Pattern:
        """That of x; where nothing is drawn to zero everything is in the support."""
        support = np.ones(len(x), dtype=bool) if self.smooth else x != 0.0
        return Pattern(support, np.sign(x))

    def violation(self, x: FloatArray, gradient: FloatArray) -> FloatArray:
        """How far the conditions of optimality are from being met, entry by entry.

        Parameters
        ----------
        x : (n,), allowed
        gradient : (n,), of the squares and the ridge at x
        """
        outside = np.maximum(self._excess(gradient), 0.0)
        return np.where(self.pattern(x).support, np.abs(gradient + self.lasso * np.sign(x)), outside)

    def multipliers(self, gradient: FloatArray) -> FloatArray:
        """What holds an entry at zero, positive where it should be there (n,)."""
        return -self._excess(gradient)

    def exchanged(
        self, pattern: Pattern, x: FloatArray, gradient: FloatArray, noise: FloatArray
    ) -> tuple[Pattern, int]:
        """Let entries leave that have the wrong sign, and enter that want to; and how many there were.

        Parameters
        ----------
        pattern : on whose support x is the minimum
        x, gradient : (n,)
        noise : (n,), what a gradient may be by rounding
        """
        if self.smooth:
            return pattern, 0
        leave = pattern.support & (pattern.signs * x < 0.0)
        enter = ~pattern.support & (self._excess(gradient) > noise)
        signs = np.where(leave, 0.0, np.where(enter, -np.sign(gradient), pattern.signs))
        return Pattern(signs != 0.0, signs), int(leave.sum() + enter.sum())

    def _excess(self, gradient: FloatArray) -> FloatArray:
        """By how much an entry at zero is drawn away from it; negative where it is held."""
        return (-gradient if self.nonnegative else np.abs(gradient)) - self.lasso
