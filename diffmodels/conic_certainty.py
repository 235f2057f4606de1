"""How sure the derivative of a conic program is: kinks nearby, and multipliers that are not unique.

The rules are in docs/design.md, section 7. The multipliers of a solution are a face of the dual cones. In the axes of
the derivative of the projection the face of a given one is the axes of slope one, where ``Aᵀt = 0``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from ..modelkit.arrays import FloatArray
from .conic_system import Inverse, Iterate
from .kkt import Mask, automatic

__all__ = ["Probe", "curvature_depends", "doubts", "least_multipliers", "nearest_kink", "probe", "roundings"]

_KNOWN_TO = 1e-12
"""Relative rounding of each condition that a solution is taken to have at the least."""
_DRAWS = 3
_SAFETY = 3.0
_HARD = 1e-10
"""Slopes nearer to one than this are those of the face of the multipliers."""
_HALVINGS = 50
_BISECTIONS = 12
_SAME = 1e-8
"""Largest relative difference of derivatives that are the same."""
_NOTHING = 1e-6
"""Derivatives less than this, in equilibrated units, may be the rounding errors of zeros."""


class Probe(NamedTuple):
    """How a point and its derivative answer to roundings of the conditions.

    Attributes
    ----------
    doubtful : (m,) the rows of cones that the roundings could bring to the other side of a kink
    mismatch : the largest relative difference between forward and reverse mode at them
    """

    doubtful: Mask
    mismatch: float


def probe(at: Iterate, solve: Callable[[FloatArray], FloatArray]) -> Probe:
    """Move the data a little in random directions.

    Parameters
    ----------
    at : a solution
    solve : the inverse of the derivative of its conditions, (n + m, k) to (n + m, k)
    """
    n, R = len(at.x), roundings(at)
    Z = solve(R)
    doubtful = doubts(at, Z[n:])
    Z[n:] = at.rotation.derivative(Z[n:])  # from right-hand sides to (dx, dy) the inverse is symmetric
    paired, most = R.T @ Z, np.abs(R).T @ np.abs(Z)
    mismatch = np.abs(paired - paired.T) / np.where(most > 0.0, most, 1.0)
    return Probe(doubtful, float(mismatch.max(initial=0.0)))


def roundings(at: Iterate) -> FloatArray:
    """Random moves of the conditions, (n + m, k), as large as they are known at a solution."""
    signs = np.random.default_rng(40).choice([-1.0, 1.0], size=(len(at.sizes), _DRAWS))
    moves: FloatArray = max(_KNOWN_TO, at.residual) * signs * at.sizes[:, None]
    return moves


def doubts(at: Iterate, moves: FloatArray) -> Mask:
    """(m,): the rows of cones that moves (m, k) of v could bring to the other side of a kink, and those at one."""
    return at.rotation.kink | at.conditions.cones.doubts(at.v, _SAFETY * moves)


def nearest_kink(at: Iterate, solve: Callable[[FloatArray], FloatArray]) -> tuple[float, int]:
    """How far the data may move in random directions, relative to their terms, and the row whose kink is reached first.

    By bisection of the exponent, with the derivative at the solution; infinite, and -1, where no row is reached.
    """
    if at.rotation.kink.any():
        return 0.0, int(np.argmax(at.rotation.kink))
    n = len(at.x)
    signs = np.random.default_rng(40).choice([-1.0, 1.0], size=(len(at.sizes), _DRAWS))
    moves = solve(signs * at.sizes[:, None])[n:]

    def reached(exponent: float) -> Mask:
        return at.conditions.cones.changes(at.v, 10.0**exponent * moves)

    low, high = -16.0, 0.0
    if not reached(high).any():
        return float("inf"), -1
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if reached(middle).any() else (middle, high)
    return float(10.0**high), int(np.argmax(reached(high)))


def curvature_depends(at: Iterate, inverse: Inverse, solve_with: Any, columns: Mask) -> bool:
    """Whether the derivative of some of x in the costs is another at another multiplier of the same solution.

    A random step along the face, half way to its boundary, leads to another; if the curvature of the cones makes
    another derivative there, no one matrix is the derivative (A. Shapiro, *First and second order analysis of nonlinear
    semidefinite programs*, Mathematical Programming 77 (1997), 301-320).
    """
    draw = np.random.default_rng(60).standard_normal(len(at.v))
    along = _along_face(at, draw, solve_with)
    largest = np.abs(along).max(initial=0.0)
    if largest <= _SAME * np.abs(draw).max(initial=0.0):
        return False
    along *= (np.abs(at.y).max(initial=0.0) or 1.0) / largest
    other = at.moved(np.zeros_like(at.x), 0.5 * _reach(at, along) * along)
    if np.array_equal(other.v, at.v):
        return False
    n, rng = len(at.x), np.random.default_rng(50)
    right = np.concatenate([rng.standard_normal((n, 1)), np.zeros((len(at.v), 1))])
    here, there = (one.solve(right)[:n][columns] for one in (inverse, Inverse(other, solve_with)))
    size = max(np.abs(here).max(initial=0.0), _NOTHING * np.abs(right).max(initial=0.0))
    return bool(np.abs(there - here).max(initial=0.0) > _SAME * size)


def least_multipliers(at: Iterate, solve_with: Any) -> Iterate:
    """The solution with the multipliers of least norm, whichever were found; itself where these are on the rim."""
    other = at.moved(np.zeros_like(at.x), -_along_face(at, at.y, solve_with))
    same_face = (
        np.array_equal(other.rotation.active, at.rotation.active)
        and not at.conditions.cones.changes(at.v, (other.v - at.v)[:, None]).any()
    )
    return other if same_face and other.residual <= max(at.residual, _KNOWN_TO) else at


def _along_face(at: Iterate, values: FloatArray, solve_with: Any) -> FloatArray:
    """The part of `values` (m,) that y may be moved by: in the span of its face, with ``Aᵀt = 0``."""
    rotation = at.rotation
    hard = np.flatnonzero(rotation.delta >= 1.0 - _HARD)
    A = sp.csr_array(rotation.rotated(at.A)[hard])
    right = np.concatenate([rotation.down(values)[hard], np.zeros(A.shape[1])])
    balance = (solve_with or automatic)(sp.eye_array(len(hard), format="csc"), sp.csr_array(A.T))
    turned = np.zeros(len(values))
    turned[hard] = balance.solve(right)[: len(hard)]
    return rotation.up(turned)


def _reach(at: Iterate, along: FloatArray) -> float:
    """The largest step up to one, in either direction, that keeps y in the dual cones."""
    cones, size = at.conditions.cones, float(np.abs(at.y).max(initial=0.0)) or 1.0

    def is_inside(step: float) -> bool:
        y = at.y + step * along
        return bool(np.abs(cones.project_dual(y) - y).max(initial=0.0) <= 1e-12 * size)

    best = 0.0
    for sign in (1.0, -1.0):
        low, high = 0.0, 1.0
        if is_inside(sign):
            low = 1.0
        for _ in range(_HALVINGS if low == 0.0 else 0):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if is_inside(sign * middle) else (low, middle)
        best = sign * low if low > abs(best) else best
    return best
