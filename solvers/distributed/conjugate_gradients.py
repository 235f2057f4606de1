"""Preconditioned conjugate gradients for many right-hand sides at a time, by products alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
import scipy.linalg

from ...modelkit.arrays import FloatArray

__all__ = ["Solved", "conjugate_gradients"]

_LOST = 1e6
"""A residual so many times as large as the right-hand side will not come back."""

Operator = Callable[[FloatArray], FloatArray]


@final
@dataclass(frozen=True, slots=True)
class Solved:
    """What conjugate gradients found.

    Attributes
    ----------
    x : (n, k)
    residual : (k,), of what norm there was at the beginning
    iterations : products of K, and as many of M
    smallest : least over largest eigenvalue of M K, as far as the first right-hand side has shown them
    """

    x: FloatArray
    residual: FloatArray
    iterations: int
    smallest: float


def conjugate_gradients(
    product: Operator, precondition: Operator, rhs: FloatArray, weights: FloatArray, tolerance: float, limit: int
) -> Solved:
    """Solve K X = R for a positive semidefinite K, with a positive definite M near its inverse.

    Each column has its own steps; one that is solved stays as it is while others go on.

    Parameters
    ----------
    product, precondition : V to K V and M V, for V (n, k)
    rhs : R (n, k)
    weights : (n,), positive; residuals are measured in the norm of diag(weights)
    tolerance : for the residual, in parts of what it was for X = 0
    limit : of iterations

    References
    ----------
    M. R. Hestenes, E. Stiefel, *Methods of conjugate gradients for solving linear systems*, J. Res. Nat. Bur. Standards
    49 (1952); the eigenvalues from the steps: G. H. Golub, C. F. Van Loan, *Matrix Computations*, section 11.3.

    Examples
    --------
    >>> K = np.diag([1.0, 2.0, 4.0])
    >>> found = conjugate_gradients(lambda v: K @ v, lambda v: v, np.ones((3, 1)), np.ones(3), 1e-12, 10)
    >>> found.x.ravel(), found.iterations, found.smallest
    (array([1.  , 0.5 , 0.25]), 3, 0.25)
    """
    x, r = np.zeros_like(rhs), rhs.copy()
    norm = np.sqrt(weights @ (r * r))
    size, going = norm.copy(), norm > 0.0
    z = precondition(r) if going.any() else r
    p, rz = z.copy(), np.einsum("ij,ij->j", r, z)
    steps, turns = [], []  # of the first column
    iterations = 0
    while going.any() and iterations < limit:
        iterations += 1
        q = product(p)
        curvature = np.einsum("ij,ij->j", p, q)
        going = going & (curvature > 0.0) & (rz > 0.0)
        alpha = np.where(going, rz, 0.0) / np.where(going, curvature, 1.0)
        x += alpha * p
        r -= alpha * q
        first = bool(going[0])
        norm = np.sqrt(weights @ (r * r))
        # on a singular matrix the residual grows once all is found that can be
        going = going & (norm > tolerance * size) & (norm < _LOST * size)
        if first:
            steps.append(alpha[0])
        if not going.any():
            break
        z = precondition(r)
        rz, before = np.einsum("ij,ij->j", r, z), rz
        beta = np.where(going, rz, 0.0) / np.where(going, before, 1.0)
        p = np.where(going, z + beta * p, p)
        if going[0]:
            turns.append(beta[0])
    return Solved(x, norm / np.where(size > 0.0, size, 1.0), iterations, _smallest(np.array(steps), np.array(turns)))


def _smallest(steps: FloatArray, turns: FloatArray) -> float:
    """The condition of the tridiagonal matrix of Lanczos, whose entries are made of the steps."""
    if not len(steps):
        return 1.0
    turns = turns[: len(steps) - 1]
    diagonal = 1.0 / steps
    diagonal[1:] += turns / steps[:-1]
    values = scipy.linalg.eigvalsh_tridiagonal(diagonal, np.sqrt(turns) / steps[:-1]) if len(turns) else diagonal
    return float(values[0] / values[-1])
