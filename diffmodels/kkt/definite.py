r"""A KKT system with a positive definite Hessian and dense data: two factorizations by Cholesky.

With :math:`P = LL^T`, :math:`V = L^{-1}A_1^T` and :math:`S = V^TV + C` the solution for right-hand sides (b, r) is

.. math:: Sy = V^TL^{-1}b - r, \qquad L^Tx = L^{-1}b - Vy,

and the whole matrix is never formed. As :math:`P^{-1/2}A_1^TS^{-1/2}` has no singular value above one, the blocks of
its inverse are no larger than :math:`P^{-1}` and :math:`S^{-1}` are,

.. math:: \|K^{-1}\|_2 \le 2 \max(\|P^{-1}\|_2, \|S^{-1}\|_2).

Where both are moderate in equilibrated units, K is regular beyond doubt, and refined solutions are as good as those of
a factorization with pivots. Where they are not, this is no way to solve it, and nothing is said of its null space.
"""

from __future__ import annotations

from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import blas, lapack

from ...modelkit.arrays import FloatArray
from .equilibrate import ruiz_scaling, sums_of_sizes
from .factors import estimated_condition, one_norm, refine
from .system import KKTSystem, Mask

__all__ = ["DefiniteKKT", "definite"]

_LEAST = 200
"""Order of P from which it pays."""
_MODERATE = 1e-6
"""Least reciprocal condition of P and of S, and of the whole by the bound above."""


def definite(P: Any, A1: Any, C: ArrayLike | None, scale: FloatArray | None) -> DefiniteKKT | None:
    """The system with the parameters of `KKTFactorization`; None if its data are not dense and clearly definite."""
    if not (isinstance(P, np.ndarray) and isinstance(A1, np.ndarray)) or not len(A1) <= len(P) >= _LEAST:
        return None
    if not (P.diagonal() > 0.0).all():
        return None
    s = ruiz_scaling(P, A1, start=scale)
    column, row = s[: len(P)], s[len(P) :]
    # P is symmetric: its transpose is read along its memory
    L = np.multiply(P.T if P.flags.c_contiguous else P, column, order="F")
    L *= column[:, None]
    sums = sums_of_sizes(L)
    L, of_P = _cholesky(L, float(sums.max()))
    if not of_P:
        return None
    V = np.multiply(A1.T, row, order="F")
    V *= column[:, None]
    corner = np.zeros(len(A1)) if C is None else np.asarray(C, np.float64) * row**2
    sums += sums_of_sizes(V)
    norm = max(float(sums.max()), float((sums_of_sizes(V.T) + corner).max(initial=0.0)))
    if not len(A1):
        return DefiniteKKT(P, A1, corner, s, norm, (L, V, np.zeros((0, 0))))
    V = blas.dtrsm(1.0, L, V, lower=1, overwrite_b=1)
    S = V.T @ V
    S[np.diag_indices(len(S))] += corner
    R, of_S = _cholesky(S.T, one_norm(S))
    return DefiniteKKT(P, A1, corner, s, norm, (L, V, R)) if min(of_P, of_S) > _MODERATE * norm else None


def _cholesky(M: FloatArray, norm: float) -> tuple[FloatArray, float]:
    """The lower factor of M, in its place, and an estimate of ``1 / |M^-1|_1``; zero unless that is moderate."""
    L, info = lapack.dpotrf(M, lower=1, clean=0, overwrite_a=1)
    if info:
        return L, 0.0
    reciprocal, _ = lapack.dpocon(L, norm, uplo="L")
    return L, float(reciprocal) * norm if reciprocal > _MODERATE else 0.0


@final
class DefiniteKKT(KKTSystem):
    """The system, by the factors that `definite` found.

    Parameters
    ----------
    P, A1 : arrays (n, n) and (m, n)
    corner : C, equilibrated (m,)
    scale : of the equilibration, powers of two (n + m,)
    norm : the 1-norm of the equilibrated matrix
    factors : L, V and the lower triangle of S's factor
    """

    def __init__(
        self,
        P: FloatArray,
        A1: FloatArray,
        corner: FloatArray,
        scale: FloatArray,
        norm: float,
        factors: tuple[FloatArray, FloatArray, FloatArray],
    ) -> None:
        self.n, self.m = len(P), len(A1)
        self._P, self._A1, self._corner, self._scale, self._norm = P, A1, corner[:, None], scale[:, None], norm
        self._L, self._V, self._R = factors

    def condition(self) -> float:
        """Estimate of the condition of the equilibrated matrix in the 1-norm, by a few solves."""
        return estimated_condition(self._norm, self._solve_scaled, self.size)

    def _solve_columns(self, columns: FloatArray) -> tuple[FloatArray, float]:
        X, residual = refine(self._apply, self._solve_scaled, columns * self._scale, self._norm)
        X *= self._scale
        return X, float(residual.max())

    def _apply(self, X: FloatArray) -> FloatArray:
        """The equilibrated matrix times X."""
        n, at = self.n, self._scale * X
        product = np.concatenate([self._P @ at[:n] + self._A1.T @ at[n:], self._A1 @ at[:n]])
        product *= self._scale
        product[n:] -= self._corner * X[n:]
        return product

    def _solve_scaled(self, B: FloatArray) -> FloatArray:
        """By the factors."""
        n, L, V, R = self.n, self._L, self._V, self._R
        x = blas.dtrsm(1.0, L, B[:n], lower=1)
        y = V.T @ x - B[n:]
        if self.m:
            y, _ = lapack.dpotrs(R, y, lower=1)
        return np.concatenate([blas.dtrsm(1.0, L, x - V @ y, lower=1, trans_a=1), y])

    # ------------------------------------------------------------------ what is singular: nothing
    @property
    def _loose(self) -> Mask:
        return np.zeros(self.size, bool)

    @property
    def null_vectors(self) -> tuple[FloatArray, FloatArray]:
        """None."""
        return np.zeros((self.n, 0)), np.zeros((self.m, 0))

    @property
    def primal_null_basis(self) -> FloatArray:
        """An empty one (n, 0)."""
        return np.zeros((self.n, 0))
