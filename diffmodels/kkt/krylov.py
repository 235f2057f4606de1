r"""The KKT system without a factorization, for systems too large for one.

:math:`K = \begin{pmatrix} P & A_1^T \\ A_1 & -C \end{pmatrix}` is only applied to vectors. A regular K is solved by
MINRES with the preconditioner :math:`\mathrm{diag}(D_1, D_2)`,

.. math:: D_1 = \mathrm{diag}(P) + \mathrm{diag}(A_1^T A_1), \qquad
          D_2 = C + \mathrm{diag}(A_1 D_1^{-1} A_1^T),

restarted on the true residual until it is small; a singular one by LSMR, whose answer is the least of the
least-squares solutions. Which of both is told by a random right-hand side b: the residual b - K z of a least-squares
solution is the projection of b on the null space of K, and its two halves are the projections on the two factors of
the null space (`null_space`).

References
----------
C. C. Paige, M. A. Saunders, *Solution of sparse indefinite systems of linear equations*, SIAM J. Numerical Analysis
12 (1975), 617-629.
D. C.-L. Fong, M. A. Saunders, *LSMR: an iterative algorithm for sparse least-squares problems*, SIAM J. Scientific
Computing 33 (2011), 2950-2971.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spla
from numpy.typing import ArrayLike

from ...modelkit.arrays import FloatArray
from ...modelkit.errors import DifferentiationError
from .system import KKTSystem, Mask

__all__ = ["KrylovSystem", "RowOperator"]

_RESTARTS = 8
# A restart that does not divide the residual by this is the last.
_PROGRESS = 3.0
# What remains of a random vector in a factor of the null space that is called nontrivial.
_PRESENT = 1e-6
_LEAST_SQUARES_TOLERANCE = 1e-14


@final
@dataclass(frozen=True)
class RowOperator:
    """Rows that are applied but not held.

    Attributes
    ----------
    shape : (m, n)
    apply, apply_transposed : on (n,) and (m,)
    column_squares : (n,) squares of the lengths of the columns, or estimates
    row_squares : from (n,) weights to the (m,) weighted squares of the rows, or estimates
    """

    shape: tuple[int, int]
    apply: Callable[[FloatArray], FloatArray]
    apply_transposed: Callable[[FloatArray], FloatArray]
    column_squares: FloatArray
    row_squares: Callable[[FloatArray], FloatArray]

    @classmethod
    def of(cls, A: Any) -> RowOperator:
        """A matrix as an operator."""
        M = sp.csr_array(A)
        squares = sp.csr_array(M.multiply(M))
        columns = np.asarray(squares.sum(axis=0)).ravel()
        return cls(M.shape, lambda x: M @ x, lambda y: M.T @ y, columns, lambda weights: squares @ weights)


@final
class KrylovSystem(KKTSystem):
    """The KKT system, applied and never formed.

    Parameters
    ----------
    P : (n, n), symmetric positive semidefinite
    A1 : (m, n), a matrix or a `RowOperator`
    C : (m,), nonnegative; None for zero
    tolerance : relative residual that a solution must reach
    max_iterations : of each run of MINRES or LSMR; None for ten times the size of the system and a thousand

    Attributes
    ----------
    residual : largest relative residual of the last `solve`, in Euclidean norms; in a singular system that of
        the normal equations
    """

    probes = 1  # each costs as much as a derivative

    def __init__(
        self, P: Any, A1: Any, C: ArrayLike | None = None, tolerance: float = 1e-8, max_iterations: int | None = None
    ) -> None:
        self._P = sp.csr_array(P)
        self._A = A1 if isinstance(A1, RowOperator) else RowOperator.of(A1)
        self.m, self.n = self._A.shape
        self._C: FloatArray = np.zeros(self.m) if C is None else np.asarray(C, np.float64)
        self._tolerance = tolerance
        self._iterations = max_iterations or 10 * self.size + 1000
        self._K = spla.LinearOperator((self.size, self.size), self._apply, rmatvec=self._apply, dtype=np.float64)
        first = self._P.diagonal() + self._A.column_squares
        first = np.where(first > 0.0, first, 1.0)
        second = self._C + self._A.row_squares(1.0 / first)
        self._preconditioner = 1.0 / np.concatenate([first, np.where(second > 0.0, second, 1.0)])

    def _apply(self, z: FloatArray) -> FloatArray:
        x, y = z[: self.n].ravel(), z[self.n :].ravel()
        return np.concatenate([self._P @ x + self._A.apply_transposed(y), self._A.apply(x) - self._C * y])

    # ------------------------------------------------------------------ solving
    def _solve_columns(self, columns: FloatArray) -> tuple[FloatArray, float]:
        singular = self._loose.any()
        solved = [self._least_squares(b) if singular else self._minres(b) for b in columns.T]
        residual = max(residual for _, residual in solved)
        if not residual <= self._tolerance:
            raise DifferentiationError(
                f"The iterative solution of the KKT system stopped at a relative residual of {residual:.1e}; "
                f"{self._tolerance:.1e} is asked for. Raise max_iterations or the tolerance of IterativeKKT, or use "
                "DirectKKT."
            )
        return np.stack([x for x, _ in solved], axis=1), residual

    def _minres(self, b: FloatArray) -> tuple[FloatArray, float]:
        """Solution and relative residual."""
        M = sp.diags_array(self._preconditioner)

        def step(r: FloatArray) -> Any:
            return spla.minres(self._K, r, rtol=1e-12, maxiter=self._iterations, M=M)[0]

        return _restarted(step, self._apply, lambda r: r, b, 1e-3 * self._tolerance)

    def _least_squares(self, b: FloatArray, weights: FloatArray | None = None) -> tuple[FloatArray, float]:
        """Solution of least norm, and what it leaves of the normal equations."""
        K, tol = self._K, _LEAST_SQUARES_TOLERANCE
        if weights is not None:
            D = spla.aslinearoperator(sp.diags_array(weights))
            K = D @ K @ D

        def step(r: FloatArray) -> Any:
            return spla.lsmr(K, r, atol=tol, btol=tol, conlim=1e16, maxiter=self._iterations)[0]

        return _restarted(step, K.matvec, K.rmatvec, b, tol)

    # ------------------------------------------------------------------ what is singular
    @cached_property
    def _random_null_vector(self) -> FloatArray | None:
        """The projection of a random vector on the null space of the preconditioned matrix, noise taken out."""
        b = np.random.default_rng(10).standard_normal(self.size)
        if self._minres(b)[1] <= self._tolerance:
            return None
        weights = np.sqrt(self._preconditioner)
        z, _ = self._least_squares(b, weights)
        vector = b - weights * self._apply(weights * z)
        return np.where(np.abs(vector) > _PRESENT, vector, 0.0)

    @property
    def _loose(self) -> Mask:
        vector = self._random_null_vector
        return np.zeros(self.size, bool) if vector is None else np.asarray(vector != 0.0)

    @property
    def null_vectors(self) -> tuple[FloatArray, FloatArray]:
        """One of each factor, if there is any."""
        vector = self._random_null_vector
        if vector is None:
            return np.zeros((self.n, 0)), np.zeros((self.m, 0))
        given = (np.sqrt(self._preconditioner) * vector)[:, None]
        return given[: self.n], given[self.n :]


def _restarted(
    step: Callable[[FloatArray], FloatArray],
    apply: Callable[[FloatArray], FloatArray],
    remainder: Callable[[FloatArray], FloatArray],
    b: FloatArray,
    tolerance: float,
) -> tuple[FloatArray, float]:
    """Solve ``K x = b`` by steps on the true residual while they help; the size of its remainder relative to b's."""
    x, r = np.zeros_like(b), b
    last = float(np.linalg.norm(remainder(b)))
    first = max(last, float(np.finfo(float).tiny))
    for _ in range(_RESTARTS):
        if last <= tolerance * first:
            break
        trial = x + step(r)
        r_new = b - apply(trial)
        now = float(np.linalg.norm(remainder(r_new)))
        if not now < last:
            break
        progress, last, x, r = last / max(now, 1e-300), now, trial, r_new
        if progress < _PROGRESS:
            break
    return x, last / first
