r"""The KKT system by factorization.

K is equilibrated symmetrically (Ruiz), then

* dense data: Bunch-Kaufman factorization (where P is definite, see `definite`);
* sparse data with many rows that are good pivots: these are eliminated by hand (`elimination`), the rest is dense data
  or as follows;
* sparse data whose factor would fill up (`fill`): as dense data;
* other sparse data: the equilibrated matrix plus :math:`\varepsilon\,\mathrm{diag}(I, -I)` is quasi-definite, so it
  has an L D L' factorization for every fill-reducing order. Iterative refinement against the true matrix
  removes the effect of :math:`\varepsilon`: it is the proximal-point iteration for the monotone operator
  :math:`\begin{pmatrix} P & A_1^T \\ -A_1 & C \end{pmatrix}`, contracting by
  :math:`\varepsilon / |\sigma + \varepsilon|` along each direction and leaving the null space alone;
* where that stagnates: sparse LU with pivoting;
* where K is singular: the minimum-norm least-squares solution, with bases of the null space.

References
----------
R. J. Vanderbei, *Symmetric quasidefinite matrices*, SIAM J. Optimization 5 (1995), 100-113.
D. Ruiz, *A scaling algorithm to equilibrate both rows and columns norms in matrices*, RAL-TR-2001-034, 2001.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike

from ...modelkit.arrays import FloatArray, IntArray
from .elimination import Eliminated, Pivots
from .equilibrate import ruiz_scaling, scaled
from .factors import (
    DenseLDL,
    Factor,
    Refined,
    SingularFactor,
    SparseLDL,
    SparseLU,
    estimated_condition,
    one_norm,
    refine,
)
from .fill import LARGEST_DENSE, dense_is_faster
from .null_space import NullSpace, ResolventProjector, by_eigenvalues, by_inverse_iteration
from .system import ACCEPTED_RESIDUAL, KKTSystem, Mask

__all__ = ["KKTFactorization", "count", "prefers_dense"]

_REGULARIZATION = 1e-9
# Without pivoting, a singular matrix needs a regularization well above the rounding error it causes, about
# 1e-16 over it times a column sum: the first of these whose factorization can be refined.
_SINGULAR_REGULARIZATIONS = (1e-7, 1e-6, 1e-5, 1e-4)
_REFINABLE = 1e-8
# Where a dense factorization was measured to win: always up to the first size (sparse ones cost 1 ms of
# overhead), and above a share of nonzeros that depends on the size.
_DENSE_SIZE = 200
_DENSE_SHARES = ((800, 0.05), (5_000, 0.08), (12_000, 0.25))
# Share of coordinates from which they are eliminated by hand.
_MANY_PIVOTS = 0.2
# QDLDL takes one vector at a time; from this many on, SuperLU's simultaneous solves win (measured).
_MANY_COLUMNS = 32
# Columns are solved in blocks that stay in the cache.
_BLOCK = 128
# Estimated reciprocal condition below which a dense matrix is examined for a null space.
_SUSPICIOUS_CONDITION = 1e-9
_SMALL_SINGULAR = 400
_LARGEST_NULL_SPACE = 256
_LARGEST_NULL_BASIS = 4_000_000
# Estimated dimension below which the null space is {0}.
_NO_DIMENSION = 1e-4
# Share of a random vector that must remain in a factor of the null space for it to be called nontrivial.
_PRESENT = 1e-7

Projector = Callable[[FloatArray], FloatArray]


@final
class KKTFactorization(KKTSystem):
    r"""Factorization of :math:`K = \begin{pmatrix} P & A_1^T \\ A_1 & -\mathrm{diag}(C) \end{pmatrix}`.

    Parameters
    ----------
    P : symmetric positive semidefinite (n, n), both triangles; ndarray or scipy sparse
    A1 : active rows (m, n); ndarray or scipy sparse
    C : nonnegative (m,), or None for zero
    scale : positive (n + m,), a first guess of the equilibration; saves time only
    shared : numbers (m,) from 0 on: rows of one number get one scale in the equilibration; by default each its own
    limit : seconds that the factorization may take, by an estimate

    Attributes
    ----------
    residual : largest relative residual, ``|K x - b| / |b|`` in maximum norms and equilibrated units, over the columns
        of the last solve. In a singular system b is first projected on the range of K.

    Raises
    ------
    TooExpensive
        If it would take longer than the limit.
    """

    def __init__(
        self,
        P: Any,
        A1: Any,
        C: ArrayLike | None = None,
        scale: FloatArray | None = None,
        shared: IntArray | None = None,
        limit: float = np.inf,
    ) -> None:
        self.n: int = P.shape[0]
        self.m: int = A1.shape[0]
        K = _assemble(P, A1, C)
        every = None if shared is None else np.concatenate([np.arange(self.n), self.n + shared])
        self._scale = ruiz_scaling(K, start=scale, shared=every)
        self._is_of_data = shared is None
        self._scaled = scaled(K, self._scale)
        # K is symmetric: its columns are its rows.
        self._rows = self._scaled if isinstance(self._scaled, np.ndarray) else self._scaled.T
        self._norm = one_norm(self._scaled)
        self._examined = False
        # Of a singular K: what is projected out of equilibrated vectors and of others.
        self._projectors: tuple[Projector, Projector] | None = None
        self._primal_basis: FloatArray | None = None
        self._found_loose: Mask = np.zeros(self.size, dtype=bool)
        self._null_vectors = np.zeros((self.n, 0)), np.zeros((self.m, 0))
        self._many: Factor | None = None
        # Whether the factor solves for one right-hand side at a time.
        self._one_at_a_time = False
        # Whether a sparse K is factorized as a dense matrix.
        self._fills_up = False
        self._factor: Factor = self._first_factor(limit)

    @property
    def is_dense(self) -> bool:
        """Whether the dense factorization is used."""
        return isinstance(self._scaled, np.ndarray)

    def condition(self) -> float:
        """Estimate of the condition of the equilibrated matrix in the 1-norm, by a few solves.

        Of a singular matrix that of its part where it is not.
        """
        scale = self._scale[:, None]
        return estimated_condition(self._norm, lambda R: self._solve_columns(R / scale)[0] / scale, self.size)

    @property
    def _loose(self) -> Mask:
        self._examine()
        return self._found_loose

    @property
    def null_vectors(self) -> tuple[FloatArray, FloatArray]:
        """Of the two factors of the null space, in the units of K."""
        self._examine()
        return self._null_vectors

    @property
    def primal_null_basis(self) -> FloatArray | None:
        """Orthonormal basis (n, p) of {u : P u = 0, A1 u = 0}; None if too large to compute."""
        if not self._loose.any():
            return np.zeros((self.n, 0))
        return self._primal_basis

    def _solve_columns(self, columns: FloatArray) -> tuple[FloatArray, float]:
        if columns.shape[1] <= _BLOCK:
            return self._solve_block(columns, columns.shape[1])
        solution, residual = np.empty(columns.shape), 0.0
        for start in range(0, columns.shape[1], _BLOCK):
            block = slice(start, start + _BLOCK)
            solution[:, block], largest = self._solve_block(columns[:, block], columns.shape[1])
            residual = max(residual, largest)
        return solution, residual

    def _solve_block(self, columns: FloatArray, total: int) -> tuple[FloatArray, float]:
        scale = self._scale[:, None]
        if self._projectors is not None:
            of_scaled, of_given = self._projectors
            # Scaling magnifies the projection's rounding error; projecting once more removes it.
            B = of_scaled(of_given(columns) * scale)
            X, residual = self._solve_scaled(B, total)
            return of_given(X * scale), residual
        X, residual = self._solve_scaled(columns * scale, total)
        if self._examined or residual <= ACCEPTED_RESIDUAL:
            return X * scale, residual
        self._examine()
        return self._solve_block(columns, total)

    # ------------------------------------------------------------------ the equilibrated system

    def _apply(self, X: FloatArray) -> FloatArray:
        return np.asarray(self._rows @ X)

    def _solve_scaled(self, B: FloatArray, total: int) -> tuple[FloatArray, float]:
        """Solve for B, a block of ``total`` columns, in equilibrated units; also return the residual."""
        try:
            X, residual = refine(self._apply, self._factor_for(total).solve, B, self._norm)
        except SingularFactor:
            return np.zeros_like(B), np.inf
        return X, float(residual.max())

    def _factor_for(self, total: int) -> Factor:
        if total < _MANY_COLUMNS or self._projectors is not None or not self._one_at_a_time:
            return self._factor
        if self._many is None:
            try:
                self._many = self._sparse_factor(lambda core, _: SparseLU(core, symmetric=True))
            except SingularFactor:
                self._many = self._factor
        return self._many

    def _shift(self, size: float) -> FloatArray:
        return np.concatenate([np.full(self.n, size), np.full(self.m, -size)])

    def _shifted(self, size: float) -> Any:
        if isinstance(self._scaled, np.ndarray):
            return self._scaled + np.diag(self._shift(size))
        return (self._scaled + sp.diags_array(self._shift(size), format="csc")).tocsc()

    def _first_factor(self, limit: float) -> Factor:
        if isinstance(self._scaled, np.ndarray):
            return DenseLDL(self._scaled)

        def of_core(core: Any, coordinates: Any) -> Factor:
            self._fills_up = dense_is_faster(core, limit)
            if self._fills_up or prefers_dense(core.nnz, core.shape[0]):
                return DenseLDL(np.asfortranarray(core.toarray()))
            factor = _quasidefinite(core, self._shift(_REGULARIZATION)[coordinates])
            self._one_at_a_time = isinstance(factor, SparseLDL)
            return factor

        return self._sparse_factor(of_core)

    def _sparse_factor(self, of_core: Callable[[Any, Any], Factor]) -> Factor:
        """Factorize a sparse K, or all but its pivots, by `of_core`, which takes a matrix and its coordinates."""
        pivots = Pivots(self._scaled, self.n)
        if pivots.count < _MANY_PIVOTS * self.size:
            return of_core(self._scaled, np.arange(self.size))
        return Eliminated(self._scaled, pivots, lambda core: of_core(core, pivots.core))

    # ------------------------------------------------------------------ singular systems

    def _examine(self) -> None:
        """Find the null space, once, and choose the factorization accordingly."""
        if self._examined:
            return
        self._examined = True
        if not self.size or self._is_clearly_regular():
            return
        if self.size <= _SMALL_SINGULAR:
            dense = self._scaled if isinstance(self._scaled, np.ndarray) else self._scaled.toarray()
            null: NullSpace | None = by_eigenvalues(dense, self.n, is_of_data=self._is_of_data)
            if not self.is_dense:
                self._factor, _, _ = self._resolvent()
        else:
            null = self._find_large_null_space()
        if null is not None and null.is_trivial:
            self._use_pivoting()
        elif null is not None:
            self._use_basis(null)

    def _probe(self) -> FloatArray:
        return np.random.default_rng(10).standard_normal((self.size, 1))

    def _is_clearly_regular(self) -> bool:
        if isinstance(self._factor, DenseLDL):
            return self._factor.reciprocal_condition > _SUSPICIOUS_CONDITION
        # What refinement cannot remove from a random right-hand side is its projection on the null space.
        return self._solve_scaled(self._probe(), 1)[1] <= 0.1 * ACCEPTED_RESIDUAL

    def _find_large_null_space(self) -> NullSpace | None:
        """Return the null space, or None after settling for a projector."""
        self._factor, resolvent, regularization = self._resolvent()
        projector = ResolventProjector(resolvent.solve, self._shift(regularization), self._scale)
        dimension = projector.dimension()
        if dimension < _NO_DIMENSION:
            return NullSpace(np.zeros((self.n, 0)), np.zeros((self.m, 0)))
        block = int(1.5 * dimension) + 8
        if block <= min(_LARGEST_NULL_SPACE, _LARGEST_NULL_BASIS // self.size):
            null = by_inverse_iteration(self._apply, resolvent.solve, (self.n, self.m), block)
            if null is not None:
                return null
        self._projectors = projector.project_out_scaled, projector.project_out
        vector = projector.scaled_null_part(self._probe())
        self._found_loose = np.abs(vector[:, 0]) > _PRESENT
        self._null_vectors = NullSpace(vector[: self.n], vector[self.n :]).vectors(self._scale, _PRESENT)
        return None

    def _resolvent(self) -> tuple[Factor, Factor, float]:
        """Return a factor of K + eps J, its refined version (the inverse to full accuracy), and eps."""
        for regularization in _SINGULAR_REGULARIZATIONS:
            shifted = self._as_dense(self._shifted(regularization))
            if isinstance(shifted, np.ndarray):
                dense = DenseLDL(shifted)
                return dense, dense, regularization
            factor = _quasidefinite(self._scaled, self._shift(regularization))
            refined = Refined(factor, shifted)
            probe = self._probe()
            if float(np.abs(probe - shifted @ refined.solve(probe)).max()) <= _REFINABLE * np.abs(probe).max():
                break
        return factor, refined, regularization

    def _as_dense(self, K: Any) -> Any:
        """K as an array where it is better factorized so."""
        fills_up = self._fills_up and not isinstance(K, np.ndarray) and K.shape[0] <= LARGEST_DENSE
        return np.asfortranarray(K.toarray()) if fills_up else K

    def _use_basis(self, null: NullSpace) -> None:
        rescaled = null.rescaled(self._scale)
        self._projectors, self._primal_basis = (null.project_out, rescaled.project_out), rescaled.primal
        self._null_vectors = null.vectors(self._scale, _PRESENT)
        present = [np.abs(basis).max(axis=1, initial=0.0) > _PRESENT for basis in (null.primal, null.dual)]
        self._found_loose = np.concatenate(present)
        if isinstance(self._scaled, np.ndarray):
            # Filling the null space with +1 (primal) and -1 (dual) leaves the rest of the spectrum as it is.
            filled = self._scaled.copy()
            filled[: self.n, : self.n] += null.primal @ null.primal.T
            filled[self.n :, self.n :] -= null.dual @ null.dual.T
            self._factor = DenseLDL(filled)

    def _use_pivoting(self) -> None:
        """K is regular but ill-conditioned: regularize more, or pivot."""
        K = self._as_dense(self._scaled)
        if isinstance(K, np.ndarray):
            self._factor = DenseLDL(K)
            return
        if self._solve_scaled(self._probe(), 1)[1] <= ACCEPTED_RESIDUAL:
            return
        try:
            self._factor = SparseLU(self._scaled)
            self._one_at_a_time = False
        except SingularFactor:
            # Singular to SuperLU's exact zeros only: keep the regularized factor, the residual tells.
            return


def _quasidefinite(K: Any, shift: FloatArray) -> Factor:
    """Of ``K + diag(shift)``."""
    try:
        return SparseLDL(K, shift)
    except SingularFactor:
        return SparseLU(sp.csc_array(K + sp.diags_array(shift, format="csc")))


def _assemble(P: Any, A1: Any, C: ArrayLike | None) -> Any:
    """Return K as an ndarray if that is the faster representation, else as a CSC array."""
    n, m = P.shape[0], A1.shape[0]
    size = n + m
    diagonal = np.zeros(m) if C is None else np.asarray(C, dtype=np.float64)
    entries = count(P) + 2 * count(A1)
    by_hand = int((np.diff(A1.tocsr().indptr) == 1).sum()) if sp.issparse(A1) else 0
    curved = int(np.count_nonzero(diagonal))
    by_hand = max(by_hand, curved if curved > n else 0)
    if size <= _DENSE_SIZE or (by_hand < _MANY_PIVOTS * size and prefers_dense(entries, size)):
        K, dense, block = np.empty((size, size), order="F"), _to_dense(P), _to_dense(A1)
        K[:n, :n] = dense.T if dense.flags.c_contiguous else dense  # symmetric: so that it is read along its memory
        K[n:, :n] = block
        K[:n, n:] = block.T
        K[n:, n:] = 0.0
        K[np.arange(n, size), np.arange(n, size)] = -diagonal
        return K
    # A diagonal of zeros stays out of the pattern: the factorizations add what they need.
    K = _bordered(_canonical(sp.csc_array(P)), _canonical(sp.csr_array(A1)))
    return sp.csc_array(K - sp.diags_array(np.concatenate([np.zeros(n), diagonal]))) if diagonal.any() else K


def _canonical(M: Any) -> Any:
    """M with sorted entries, none twice."""
    if not M.has_canonical_format:
        M = M.copy()
        M.sum_duplicates()
    return M


def _bordered(P: Any, A1: Any) -> Any:
    """``[[P, A1'], [A1, 0]]`` in CSC, of canonical P in CSC and A1 in CSR."""
    columns, (n, m), entries = A1.tocsc(), (P.shape[0], A1.shape[0]), P.nnz + 2 * A1.nnz
    index = np.int32 if max(entries, n + m) < np.iinfo(np.int32).max else np.int64
    ends = P.indptr.astype(index) + columns.indptr  # of the first columns: entries of P, then those of A1
    indices, data = np.empty(entries, index), np.empty(entries)
    of_P = np.arange(P.nnz) + np.repeat(columns.indptr[:-1], np.diff(P.indptr))
    of_A = np.arange(A1.nnz) + np.repeat(P.indptr[1:], np.diff(columns.indptr))
    indices[of_P], data[of_P] = P.indices, P.data
    indices[of_A], data[of_A] = columns.indices + n, columns.data
    indices[ends[-1] :], data[ends[-1] :] = A1.indices, A1.data
    indptr = np.concatenate([ends, ends[-1] + A1.indptr[1:].astype(index)])
    return sp.csc_array((data, indices, indptr), shape=(n + m, n + m))


def prefers_dense(entries: float, size: int) -> bool:
    """Whether a matrix with so many entries is factorized faster as a dense one."""
    share = next((share for largest, share in _DENSE_SHARES if size <= largest), 1.0)
    return size <= _DENSE_SIZE or entries > share * size * size


def count(M: Any) -> int:
    """The number of nonzero entries."""
    return int(M.nnz) if sp.issparse(M) else int(np.count_nonzero(M))


def _to_dense(M: Any) -> FloatArray:
    return np.asarray(M.toarray() if sp.issparse(M) else M, dtype=np.float64)
