"""How sure the derivative of a conic program is (DESIGN, section 7): kinks nearby, and multipliers that are not unique."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..modelkit.arrays import FloatArray
from .conic_system import Inverse, Iterate
from .kkt import Mask, automatic

__all__ = ["curvature_depends", "doubtful_rows"]

_KNOWN_TO = 1e-12
"""Relative rounding of each condition that a solution is taken to have at the least."""
_DRAWS = 3
_SAFETY = 3.0
_HARD = 1e-10
"""Slopes nearer to one than this are those of the face of the multipliers."""
_HALVINGS = 50
_SAME = 1e-8
"""Largest relative difference of derivatives that are the same."""


def doubtful_rows(at: Iterate, solve: Callable[[FloatArray], FloatArray]) -> Mask:
    """(m,): the rows of cones that roundings of the conditions could bring to the other side of a kink.

    Parameters
    ----------
    at : a solution
    solve : the inverse of the derivative of its conditions, (n + m, k) to (n + m, k)
    """
    known_to = max(_KNOWN_TO, at.residual)
    rounding = known_to * np.concatenate(at.conditions.roundings(at))
    signs = np.random.default_rng(40).choice([-1.0, 1.0], size=(len(rounding), _DRAWS))
    moves = solve(signs * rounding[:, None])[len(at.x) :]
    return at.conditions.cones.changes(at.v, _SAFETY * moves)


def curvature_depends(at: Iterate, inverse: Inverse, solve_with: Any) -> bool:
    """Whether the derivative of x in the costs is another at another multiplier of the same solution.

    The multipliers of a solution are a face of the dual cone. From the given one a random step along the face, half way
    to its boundary, leads to another; if the curvature of the cones makes another derivative there, no one matrix is the
    derivative (A. Shapiro, *First and second order analysis of nonlinear semidefinite programs*, Mathematical
    Programming 77 (1997), 301-320).
    """
    along = _face_direction(at, solve_with or automatic)
    if along is None:
        return False
    other = at.moved(np.zeros_like(at.x), 0.5 * _reach(at, along) * along)
    if np.array_equal(other.v, at.v):
        return False
    n, rng = len(at.x), np.random.default_rng(50)
    right = np.concatenate([rng.standard_normal((n, 1)), np.zeros((len(at.v), 1))])
    here, there = inverse.solve(right)[:n], Inverse(other, solve_with).solve(right)[:n]
    return bool(np.abs(there - here).max(initial=0.0) > _SAME * np.abs(here).max(initial=0.0))


def _face_direction(at: Iterate, solve_with: Any) -> FloatArray | None:
    """A random t (m,) with ``Aᵀt = 0`` in the span of the face of y, of the size of y; None if there is none."""
    rotation = at.rotation
    hard = np.flatnonzero(rotation.delta >= 1.0 - _HARD)
    A = sp.csr_array(rotation.rotated(at.A)[hard])
    draw = np.random.default_rng(60).standard_normal(len(hard))
    right = np.concatenate([draw, np.zeros(A.shape[1])])
    inside = solve_with(sp.eye_array(len(hard), format="csc"), sp.csr_array(A.T)).solve(right)[: len(hard)]
    if np.abs(inside).max(initial=0.0) <= _SAME * np.abs(draw).max(initial=0.0):
        return None
    turned = np.zeros(len(at.v))
    turned[hard] = inside
    along = rotation.up(turned)
    size = float(np.abs(at.y).max(initial=0.0)) or 1.0
    return np.asarray(along * (size / np.abs(along).max()))


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
