"""The minimum on a guessed support, and the support corrected until the conditions of optimality hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from ...modelkit.arrays import FloatArray
from .normal_equations import NormalEquations
from .regularizer import Pattern, Regularizer

__all__ = ["Candidate", "exact_step", "judged"]

_ROUGH, _FINE = 1e-4, 1e-12
"""Residuals of conjugate gradients: to see whether a support is right, and to refine a solution."""
_PATIENCE = 3
"""Exchanges that may fail to lower the number of wrong entries (Kim and Park 2011, with their p)."""
_REFINEMENTS = 5
_ROUNDING = 1e-16
"""Parts of its terms to which a gradient is small enough."""


@final
@dataclass(frozen=True, slots=True)
class Candidate:
    """A point, and what it is worth.

    Attributes
    ----------
    x : (n,)
    gradient : (n,), of the squares and the ridge
    scale : (n,), of the gradient's terms: ‖aⱼ‖ (‖b‖ + ‖Ax − b‖) + ridge |xⱼ| + lasso
    squared : ‖Ax − b‖²
    residual : the largest violation of the conditions of optimality, in parts of the scale
    """

    x: FloatArray
    gradient: FloatArray
    scale: FloatArray
    squared: float
    residual: float


def judged(system: NormalEquations, regularizer: Regularizer, x: FloatArray) -> Candidate:
    """The point x (n,), which must be allowed, with its gradient and residual."""
    return _judged(system, regularizer, x, *system.gradient(x))


def _judged(
    system: NormalEquations, regularizer: Regularizer, x: FloatArray, gradient: FloatArray, squared: float
) -> Candidate:
    gradient = gradient + regularizer.ridge * x
    lengths = np.sqrt(system.squares)
    scale = lengths * (system.norm + np.sqrt(squared)) + regularizer.ridge * np.abs(x) + regularizer.lasso
    scale = np.maximum(scale, np.finfo(float).tiny)
    residual = float(np.max(regularizer.violation(x, gradient) / scale, initial=0.0))
    return Candidate(x, gradient, scale, squared, residual)


def exact_step(
    system: NormalEquations, regularizer: Regularizer, start: FloatArray, pattern: Pattern
) -> tuple[Candidate | None, Pattern]:
    """The minimum on the support, refined to rounding, once signs and multipliers say that the support is right.

    Entries with the wrong sign leave and those that want to enter do, all at a time, as long as they become fewer.

    Returns
    -------
    The point, or None if no right support was found, and the last pattern.

    References
    ----------
    J. Kim, H. Park, *Fast nonnegative matrix factorization: an active-set-like method and comparisons*, SIAM J. Sci.
    Comput. 33 (2011), section 4: block principal pivoting. Residuals for refinement are Aᵀ(Ax − b): G. H. Golub, C. F.
    Van Loan, *Matrix Computations*, section 5.3.8.
    """
    limit = 2 * system.n + 20
    x, fewest, chances = np.where(pattern.support, start, 0.0), system.n + 1, _PATIENCE
    while True:
        point = _moved(system, regularizer, pattern, x, _ROUGH, limit)
        new, wrong = _exchanged(regularizer, pattern, point)
        if not wrong:
            point = _refined(system, regularizer, pattern, judged(system, regularizer, point.x), limit)
            new, wrong = _exchanged(regularizer, pattern, point)
        if not wrong:
            return point, pattern
        if wrong < fewest:
            fewest, chances = wrong, _PATIENCE
        else:
            chances -= 1
        pattern, x = new, np.where(new.support & pattern.support, point.x, 0.0)
        if not chances:
            return None, pattern


def _exchanged(regularizer: Regularizer, pattern: Pattern, point: Candidate) -> tuple[Pattern, int]:
    return regularizer.exchanged(pattern, point.x, point.gradient, 1e-13 * point.scale)


def _moved(
    system: NormalEquations, regularizer: Regularizer, pattern: Pattern, x: FloatArray, tolerance: float, limit: int
) -> Candidate:
    """One Newton step on the support, to the residual `tolerance` of the linear system; a guess."""
    before = _judged(system, regularizer, x, *system.quick_gradient(x))
    there = x + _newton(system, regularizer, pattern, before, tolerance, limit)
    return _judged(system, regularizer, there, *system.quick_gradient(there))


def _refined(
    system: NormalEquations, regularizer: Regularizer, pattern: Pattern, point: Candidate, limit: int
) -> Candidate:
    """Newton steps until the gradient on the support does not become smaller."""
    size = _left(regularizer, pattern, point)
    for _ in range(_REFINEMENTS):
        if size <= _ROUNDING:
            break
        step = _newton(system, regularizer, pattern, point, _FINE, limit)
        better = judged(system, regularizer, point.x + step)
        new = _left(regularizer, pattern, better)
        if new < size:
            point = better
        if new > 0.25 * size:
            break
        size = new
    return point


def _left(regularizer: Regularizer, pattern: Pattern, point: Candidate) -> float:
    slope = (point.gradient + regularizer.lasso * pattern.signs) / point.scale
    return float(np.max(np.abs(slope[pattern.support]), initial=0.0))


def _newton(
    system: NormalEquations, regularizer: Regularizer, pattern: Pattern, at: Candidate, tolerance: float, limit: int
) -> FloatArray:
    slope = at.gradient + regularizer.lasso * pattern.signs
    found = system.solve(-slope[:, None], pattern.support, regularizer.ridge, tolerance, limit)
    return np.asarray(found.x[:, 0])
