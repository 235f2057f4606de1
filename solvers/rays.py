"""Certificates of infeasible and unbounded programs, for solvers that only claim them.

min ½ xᵀPx + qᵀx  s.t.  l <= Ax <= u, with dense matrices, is put as Gx >= h. By Farkas' theorem a program without
points has a y >= 0 with Gᵀy = 0, hᵀy > 0; one without a dual point (Px + q = Gᵀy, y >= 0) has a d with Pd = 0, Gd >= 0,
qᵀd < 0. Nonnegative least squares gives the one as its solution, the other as its residual: C. L. Lawson, R. J. Hanson,
*Solving Least Squares Problems* (1974), chapter 23.
"""

from __future__ import annotations

import numpy as np

from ..modelkit.arrays import FloatArray

__all__ = ["improving_ray", "infeasibility_ray"]

_PROOF = 1e-9
"""What should vanish in a certificate, relative to what should not: no point of size 1e9 contradicts it."""
_ROUNDING = 1e-13


def infeasibility_ray(A: FloatArray, lower: FloatArray, upper: FloatArray) -> FloatArray | None:
    """Multipliers y of the rows, positive at lower and negative at upper bounds, that prove that no x is feasible.

    Examples
    --------
    >>> A = np.array([[1.0, 1.0], [1.0, 1.0]])
    >>> infeasibility_ray(A, np.array([3.0, -np.inf]), np.array([np.inf, 2.0]))
    array([ 1., -1.])
    >>> infeasibility_ray(A, np.array([1.0, -np.inf]), np.array([np.inf, 2.0])) is None
    True
    """
    from_lower, from_upper = np.isfinite(lower), np.isfinite(upper)
    G, h = np.vstack([A[from_lower], -A[from_upper]]), np.concatenate([lower[from_lower], -upper[from_upper]])
    # the y >= 0 with Gᵀy and hᵀy - 1 nearest to zero
    z = _unit(_nonnegative(np.vstack([G.T, h]), np.append(np.zeros(A.shape[1]), 1.0)))
    if not _is_proof(np.abs(G.T @ z), float(h @ z)):
        return None
    y = np.zeros(len(A))
    y[from_lower] += z[: from_lower.sum()]
    y[from_upper] -= z[from_lower.sum() :]
    return y


def improving_ray(
    P: FloatArray, q: FloatArray, A: FloatArray, lower: FloatArray, upper: FloatArray
) -> FloatArray | None:
    """A direction that stays feasible and improves the objective for ever, if any.

    Examples
    --------
    >>> P, q, A = np.diag([1.0, 0.0]), np.array([3.0, -2.0]), np.array([[1.0, 1.0]])
    >>> improving_ray(P, q, A, np.zeros(1), np.full(1, np.inf))
    array([0., 1.])
    >>> improving_ray(P, q, A, np.full(1, -np.inf), np.zeros(1)) is None
    True
    """
    G = np.vstack([A[np.isfinite(lower)], -A[np.isfinite(upper)]])
    columns = np.hstack([P, -P, -G.T])
    d = _unit(-q - columns @ _nonnegative(columns, -q))  # what no Px - Gᵀy reaches of -q
    return d if _is_proof(np.concatenate([np.abs(P @ d), -(G @ d)]), float(-q @ d)) else None


def _nonnegative(matrix: FloatArray, target: FloatArray) -> FloatArray:
    from scipy.optimize import nnls  # here, for its import takes as long as that of all else

    try:
        return np.asarray(nnls(matrix, target)[0])
    except RuntimeError:  # too many iterations: zero proves nothing, and the check says so
        return np.zeros(matrix.shape[1])


def _unit(ray: FloatArray) -> FloatArray:
    """Of largest entry 1, without entries that are rounding."""
    ray = ray / max(np.abs(ray).max(initial=0.0), np.finfo(float).tiny)
    return np.where(np.abs(ray) > _ROUNDING, ray, 0.0)


def _is_proof(zeros: FloatArray, gain: float) -> bool:
    return bool(gain > 0.0 and zeros.max(initial=0.0) <= _PROOF * gain)
