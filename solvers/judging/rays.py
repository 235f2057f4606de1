"""Certificates of infeasible and unbounded programs, for solvers that only claim them.

min ½ xᵀPx + qᵀx  s.t.  l <= Ax <= u is put as Gx >= h. By Farkas' theorem a program without points has a y >= 0 with
Gᵀy = 0, hᵀy > 0; one without a dual point (Px + q = Gᵀy, y >= 0) has a d with Pd = 0, Gd >= 0, qᵀd < 0. For small
matrices nonnegative least squares gives the one as its solution, the other as its residual: C. L. Lawson, R. J. Hanson,
*Solving Least Squares Problems* (1974), chapter 23. For others, and where rounding defeats that, they are solutions of
linear programs, which the simplex method finds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from ...modelkit.arrays import FloatArray

__all__ = ["improving_ray", "infeasibility_ray"]

_PROOF = 1e-9
"""What should vanish in a certificate, relative to what should not: no point of size 1e9 contradicts it."""
_ROUNDING = 1e-13
_SMALL = 40_000
"""Entries, zeros among them, of matrices for least squares."""


def infeasibility_ray(A: Any, lower: FloatArray, upper: FloatArray) -> FloatArray | None:
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
    G, h = _one_sided(A, from_lower, from_upper), np.concatenate([lower[from_lower], -upper[from_upper]])
    if not len(h):
        return None
    for z in _multipliers(G, h / max(np.abs(h).max(), np.finfo(float).tiny)):
        z = _unit(z)
        if _is_proof(np.abs(G.T @ z), float(h @ z)):
            y = np.zeros(len(lower))
            y[from_lower] += z[: from_lower.sum()]
            y[from_upper] -= z[from_lower.sum() :]
            return y
    return None


def _multipliers(G: Any, h: FloatArray) -> Any:
    """The z >= 0 with Gᵀz and hᵀz - 1 nearest to zero, and one of a linear program."""
    if G.shape[0] * G.shape[1] <= _SMALL:
        yield _nonnegative(np.vstack([_dense(G).T, h]), np.append(np.zeros(G.shape[1]), 1.0))
    z = _program(-h, None, sp.csr_array(G).T, (0.0, 1.0))
    if z is not None:
        yield z


def improving_ray(P: Any, q: FloatArray, A: Any, lower: FloatArray, upper: FloatArray) -> FloatArray | None:
    """A direction that stays feasible and improves the objective for ever, if any.

    Examples
    --------
    >>> P, q, A = np.diag([1.0, 0.0]), np.array([3.0, -2.0]), np.array([[1.0, 1.0]])
    >>> improving_ray(P, q, A, np.zeros(1), np.full(1, np.inf))
    array([0., 1.])
    >>> improving_ray(P, q, A, np.full(1, -np.inf), np.zeros(1)) is None
    True
    """
    G = _one_sided(A, np.isfinite(lower), np.isfinite(upper))
    for d in _directions(P, q, G):
        d = _unit(d)
        if _is_proof(np.concatenate([np.abs(P @ d), -(G @ d)]), float(-q @ d)):
            return d
    return None


def _directions(P: Any, q: FloatArray, G: Any) -> Any:
    if P.shape[0] * (2 * P.shape[0] + G.shape[0]) <= _SMALL:
        columns = np.hstack([_dense(P), -_dense(P), -_dense(G).T])
        yield -q - columns @ _nonnegative(columns, -q)  # what no Px - Gᵀy reaches of -q
    d = _program(q, -G, P, (-1.0, 1.0))
    if d is not None:
        yield d


def _one_sided(A: Any, from_lower: Any, from_upper: Any) -> Any:
    if sp.issparse(A):
        return sp.csr_array(sp.vstack([A[from_lower], -A[from_upper]]))
    return np.vstack([A[from_lower], -A[from_upper]])


def _dense(matrix: Any) -> FloatArray:
    return np.asarray(matrix.toarray() if sp.issparse(matrix) else matrix)


def _nonnegative(matrix: FloatArray, target: FloatArray) -> FloatArray:
    from scipy.optimize import nnls  # here, for its import takes as long as that of all else

    try:
        return np.asarray(nnls(matrix, target)[0])
    except (RuntimeError, ValueError):  # too many iterations, or overflow: zero proves nothing, and the check says so
        return np.zeros(matrix.shape[1])


def _program(cost: FloatArray, below: Any, zero: Any, box: tuple[float, float]) -> FloatArray | None:
    """The x that minimizes ``cost @ x`` over a box with ``below @ x <= 0`` and ``zero @ x = 0``, or None."""
    from scipy.optimize import linprog

    def rows(matrix: Any) -> Any:
        return None if matrix is None or not matrix.shape[0] else sp.csr_array(matrix)

    def zeros(matrix: Any) -> Any:
        return None if matrix is None or not matrix.shape[0] else np.zeros(matrix.shape[0])

    try:
        found = linprog(cost, rows(below), zeros(below), rows(zero), zeros(zero), box, method="highs")
    except ValueError:  # numbers that overflowed, of which nothing is proved
        return None
    return np.asarray(found.x) if found.status == 0 and found.x is not None else None


def _unit(ray: FloatArray) -> FloatArray:
    """Of largest entry 1, without entries that are rounding."""
    ray = ray / max(np.abs(ray).max(initial=0.0), np.finfo(float).tiny)
    return np.where(np.abs(ray) > _ROUNDING, ray, 0.0)


def _is_proof(zeros: FloatArray, gain: float) -> bool:
    return bool(gain > 0.0 and zeros.max(initial=0.0) <= _PROOF * gain)
