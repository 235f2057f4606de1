"""The matrix ``P + σI + CᵀRC`` of the step in x, factorized once for all iterations and both derivative modes."""

from __future__ import annotations

from typing import Any, final

import numpy as np
import scipy.linalg as sla
import scipy.sparse as sp
import scipy.sparse.linalg as spla

from ...modelkit.arrays import FloatArray
from ...modelkit.errors import InvalidData

__all__ = ["NormalMatrix"]

_SMALL = 200
_FULL = 0.2
"""Share of entries from which a matrix is factorized as a full one."""


@final
class NormalMatrix:
    """``P + diag(d) + AᵀRA``, by Cholesky where it is small or full, else by its quasidefinite system.

    Parameters
    ----------
    P, A : csr_array, or arrays (n, n) and (m, n)
    diagonal : (n,) d, positive
    weights : (m,) R, positive

    Raises
    ------
    InvalidData
        If it is not positive definite: P is not convex.

    Examples
    --------
    >>> A = sp.csr_array([[1.0, 1.0]])
    >>> NormalMatrix(sp.csr_array((2, 2)), A, np.ones(2), np.ones(1)).solve(np.array([[3.0], [0.0]])).ravel()
    array([ 2., -1.])
    """

    def __init__(self, P: Any, A: Any, diagonal: FloatArray, weights: FloatArray) -> None:
        n = self._n = len(diagonal)
        entries = (P.nnz if sp.issparse(P) else P.size) + 2 * (A.nnz if sp.issparse(A) else A.size)
        self.is_dense = n <= _SMALL or entries > _FULL * n * (n + 2 * A.shape[0])
        if self.is_dense:
            self._factor: Any = _cholesky(_full(P), _full(A), diagonal, weights)
        else:
            K = sp.block_array([[P + sp.diags_array(diagonal), A.T], [A, sp.diags_array(-1.0 / weights)]], format="csc")
            self._factor = spla.splu(K, "MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})

    def solve(self, right: FloatArray) -> FloatArray:
        """Its inverse times columns (n, K)."""
        if self.is_dense:
            found: FloatArray = sla.cho_solve((self._factor, True), right, check_finite=False)
            return found
        rows = self._factor.shape[0] - self._n
        solved: FloatArray = self._factor.solve(np.concatenate([right, np.zeros((rows, right.shape[1]))]))[: self._n]
        return solved


def _full(matrix: Any) -> FloatArray:
    return np.asarray(matrix.toarray() if sp.issparse(matrix) else matrix, np.float64)


def _cholesky(P: FloatArray, A: FloatArray, diagonal: FloatArray, weights: FloatArray) -> FloatArray:
    """The lower factor, in Fortran order; AᵀRA by half a product."""
    M = np.array(P, order="F")
    M[np.arange(len(M)), np.arange(len(M))] += diagonal
    if len(A):
        half = np.asfortranarray((np.sqrt(weights)[:, None] * A).T)
        M = sla.blas.dsyrk(1.0, half, 1.0, M, lower=1, overwrite_c=1)
    try:
        factor: FloatArray = sla.cholesky(M, lower=True, overwrite_a=True, check_finite=False)
    except np.linalg.LinAlgError:
        raise InvalidData(
            "The objective is not convex: P + σI + CᵀRC has an eigenvalue that is not positive. State a convex one."
        ) from None
    return factor
