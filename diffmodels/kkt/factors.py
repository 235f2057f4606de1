"""Factorizations of a symmetric matrix behind one method, ``solve``; and iterative refinement."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import qdldl
import scipy.linalg as sla
import scipy.sparse as sp
import scipy.sparse.linalg as spla
from scipy.linalg import lapack

from ...modelkit.arrays import FloatArray

__all__ = [
    "DenseLDL",
    "Factor",
    "Refined",
    "SingularFactor",
    "SparseLDL",
    "SparseLU",
    "estimated_condition",
    "one_norm",
    "refine",
]

_ROUNDOFF = float(np.finfo(np.float64).eps)
_MAX_REFINEMENTS = 40
# Up to this many, the largest of each is found many times faster where they are contiguous (measured).
_FEW_COLUMNS = 16


class SingularFactor(ArithmeticError):
    """The factorization broke down: a pivot is zero."""


class Factor(Protocol):
    """A factorized square matrix."""

    def solve(self, B: FloatArray) -> FloatArray:
        """Return ``K^-1 B`` for B of shape (N, k), to the accuracy of the factorization."""
        ...


def one_norm(K: Any) -> float:
    """Return the largest absolute column sum of a symmetric matrix, dense or compressed."""
    if isinstance(K, np.ndarray):
        return float(lapack.dlange("1", K)) if K.size else 0.0
    filled = np.flatnonzero(np.diff(K.indptr))  # of columns of CSC, of rows of CSR: alike in a symmetric matrix
    return float(np.add.reduceat(np.abs(K.data), K.indptr[filled]).max()) if filled.size else 0.0


class DenseLDL:
    """Bunch-Kaufman factorization L D L' (1x1 and 2x2 pivots) of a dense symmetric matrix, by LAPACK.

    ``reciprocal_condition`` estimates ``1 / (|K|_1 |K^-1|_1)``; zero when a pivot is exactly zero.
    """

    # `dsytrs` works a column at a time; the LU factors' blocked solves win beyond this many columns.
    _MANY = 64

    def __init__(self, K: FloatArray) -> None:
        self._K = K
        self._lu: Any = None
        self.reciprocal_condition = 1.0
        if not K.size:
            return
        block = 64
        self._factor, self._pivots, info = lapack.dsytrf(K, lower=1, lwork=block * max(1, K.shape[0]))
        self.reciprocal_condition = 0.0
        if info == 0:
            rcond, _ = lapack.dsycon(self._factor, self._pivots, one_norm(K), lower=1)
            self.reciprocal_condition = float(rcond)

    def solve(self, B: FloatArray) -> FloatArray:
        """Return ``K^-1 B``; raise `SingularFactor` when a pivot is zero."""
        if not self._K.size:
            return np.zeros(B.shape)
        if self.reciprocal_condition == 0.0:
            raise SingularFactor
        if B.shape[1] >= self._MANY:
            if self._lu is None:
                self._lu = sla.lu_factor(self._K, check_finite=False)
            return np.asarray(sla.lu_solve(self._lu, B, check_finite=False))
        return np.asarray(lapack.dsytrs(self._factor, self._pivots, B, lower=1)[0])


class SparseLDL:
    """L D L' with diagonal D of a sparse quasi-definite matrix ``K + diag(shift)``, in a fill-reducing order, by QDLDL.

    Every symmetric permutation of a quasi-definite matrix has such a factorization, so no numerical pivoting
    disturbs the sparsity.

    Parameters
    ----------
    K : symmetric, CSC with sorted columns
    shift : (N,)

    References
    ----------
    R. J. Vanderbei, *Symmetric quasidefinite matrices*, SIAM J. Optimization 5 (1995), 100-113.
    """

    def __init__(self, K: Any, shift: FloatArray) -> None:
        try:
            self._solver = qdldl.Solver(_upper(K, shift), upper=True)
        except (RuntimeError, ValueError) as error:  # QDLDL's for a zero pivot, and for an empty matrix
            raise SingularFactor from error

    def solve(self, B: FloatArray) -> FloatArray:
        """Return ``K^-1 B``, one column at a time."""
        X = np.empty(B.shape, order="F")
        for j in range(B.shape[1]):
            X[:, j] = self._solver.solve(np.ascontiguousarray(B[:, j]))
        return X


def _upper(K: Any, shift: FloatArray) -> sp.csc_matrix:
    """The upper triangle of ``K + diag(shift)``, its whole diagonal stored, for K in CSC with sorted columns."""
    column = np.repeat(np.arange(len(shift)), np.diff(K.indptr))
    above = np.flatnonzero(K.indices < column)
    counts = np.bincount(column[above], minlength=len(shift))
    indptr = np.concatenate([np.zeros(1, K.indptr.dtype), np.cumsum(counts + 1, dtype=K.indptr.dtype)])
    entries = np.ones(indptr[-1], bool)
    entries[indptr[1:] - 1] = False  # where the diagonal stands: last in its column
    indices, data = np.empty(len(entries), K.indices.dtype), np.empty(len(entries))
    indices[entries], data[entries] = K.indices[above], K.data[above]
    indices[indptr[1:] - 1], data[indptr[1:] - 1] = np.arange(len(shift)), K.diagonal() + shift
    return sp.csc_matrix((data, indices, indptr), shape=K.shape)


class SparseLU:
    """Sparse LU with pivoting, by SuperLU.

    Parameters
    ----------
    K : sparse square matrix
    symmetric : Prefer diagonal pivots: less fill, weaker pivoting. Check the residual.
    """

    def __init__(self, K: Any, symmetric: bool = False) -> None:
        try:
            if symmetric:
                self._lu = spla.splu(
                    K, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=1e-3, options={"SymmetricMode": True}
                )
            else:
                self._lu = spla.splu(K)
        except RuntimeError as error:  # "Factor is exactly singular"
            raise SingularFactor from error

    def solve(self, B: FloatArray) -> FloatArray:
        """Return ``K^-1 B``, all columns at once."""
        return np.asarray(self._lu.solve(B))


def estimated_condition(norm: float, solve: Callable[[FloatArray], FloatArray], size: int) -> float:
    """Estimate of the condition in the 1-norm of a symmetric matrix with this norm, by a few solves.

    N. J. Higham, F. Tisseur, *A block algorithm for matrix 1-norm estimation*, SIAM J. Matrix Analysis 21 (2000),
    1185-1201.
    """
    if size < 2:
        return 1.0

    def solved(R: FloatArray) -> FloatArray:
        return solve(np.asarray(R, np.float64).reshape(size, -1))

    inverse = spla.LinearOperator((size, size), solved, solved, solved, np.float64, solved)
    return float(norm * spla.onenormest(inverse))


def _column_norms(B: FloatArray) -> FloatArray:
    """Return the maximum norm of every column; infinity where the column is not finite."""
    sizes = np.abs(B, order="F") if B.shape[1] <= _FEW_COLUMNS else np.abs(B)
    norms: FloatArray = np.fmin(sizes.max(axis=0, initial=0.0), np.inf)  # of nan, infinity
    return norms


def refine(
    apply: Callable[[FloatArray], FloatArray],
    solve: Callable[[FloatArray], FloatArray],
    B: FloatArray,
    matrix_norm: float,
) -> tuple[FloatArray, FloatArray]:
    r"""Solve ``K X = B`` by iterative refinement with an approximate inverse.

    Repeats :math:`X \leftarrow X + \tilde K^{-1}(B - K X)` for each column until its residual is at rounding
    level, :math:`|r| \le u (|K| |x| + |b|)` in maximum norms, or a step no longer halves it. A step that does
    not lower a column's residual is not taken.

    Returns
    -------
    X, relative
        Solutions (N, k), and the norms of the residuals ``B - K X`` relative to those of the columns of B (k,).
    """
    size = _column_norms(B)
    X = solve(B)
    R = B - apply(X)
    residual = _column_norms(R)
    lost = residual == np.inf
    if lost.any():
        X, R = np.where(lost, 0.0, X), np.where(lost, B, R)
        residual = np.where(lost, size, residual)
    open_columns = residual > _ROUNDOFF * (matrix_norm * _column_norms(X) + size)
    for _ in range(_MAX_REFINEMENTS):
        if not open_columns.any():
            break
        j = np.flatnonzero(open_columns)
        every = j.size == B.shape[1]
        X_new = X + solve(R) if every else X[:, j] + solve(R[:, j])
        R_new = (B if every else B[:, j]) - apply(X_new)
        residual_new = _column_norms(R_new)
        better = residual_new < residual[j]
        floor = _ROUNDOFF * (matrix_norm * _column_norms(X_new) + size[j])
        open_columns[j] = (residual_new < 0.5 * residual[j]) & (residual_new > floor)
        if every and better.all():
            X, R, residual = X_new, R_new, residual_new
        else:
            taken = j[better]
            X[:, taken], R[:, taken], residual[taken] = X_new[:, better], R_new[:, better], residual_new[better]
    return X, residual / np.where(size > 0.0, size, 1.0)


class Refined:
    """A factor whose every solve is refined against its own matrix until it stagnates.

    Backward stable where the factorization alone is not: that of a quasi-definite matrix with smallest
    eigenvalue eps loses the digits 1/eps.
    """

    def __init__(self, factor: Factor, K: Any) -> None:
        self._factor = factor
        self._K = sp.csr_array(K) if sp.issparse(K) else K
        self._norm = one_norm(K)

    def solve(self, B: FloatArray) -> FloatArray:
        """Return ``K^-1 B``."""
        return refine(lambda X: np.asarray(self._K @ X), self._factor.solve, B, self._norm)[0]
