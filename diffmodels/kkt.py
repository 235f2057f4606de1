r"""The one symmetric linear system behind every derivative of a convex program.

.. math::

    K = \begin{pmatrix} P & A_1^T \\ A_1 & -C \end{pmatrix}, \qquad
    P \succeq 0, \quad C = \mathrm{diag}(c) \succeq 0,

with P the Hessian (n, n), :math:`A_1` the active rows (m, n) of the constraints and c the curvature of the
cone's boundary (zero for linear constraints). K is symmetric, so one factorization serves forward and reverse
mode.

How it is solved: K is equilibrated symmetrically (Ruiz), then

* dense data: Bunch-Kaufman factorization;
* sparse data with many rows that are good pivots: these are eliminated by hand (`elimination`), the rest is dense data
  or as follows;
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
from numpy.typing import ArrayLike, NDArray

from .elimination import Eliminated, Pivots
from .equilibrate import ruiz_scaling, scaled
from .factors import DenseLDL, Factor, Refined, SingularFactor, SparseLDL, SparseLU, one_norm, refine
from .null_space import NullSpace, ResolventProjector, by_eigenvalues, by_inverse_iteration

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

REGULARIZATION = 1e-9
# Without pivoting, a singular matrix needs a regularization well above the rounding error it causes, about
# 1e-16 over it times a column sum: the first of these whose factorization can be refined.
_SINGULAR_REGULARIZATIONS = (1e-7, 1e-6, 1e-5, 1e-4)
_REFINABLE = 1e-8
ACCEPTED_RESIDUAL = 1e-9
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


def factorize(P: Any, A1: Any, C: ArrayLike | None = None, scale: Array | None = None) -> KKTFactorization:
    """Return the factorization of ``[[P, A1'], [A1, -diag(C)]]``; see `KKTFactorization`."""
    return KKTFactorization(P, A1, C, scale)


@final
class KKTFactorization:
    r"""Factorization of :math:`K = \begin{pmatrix} P & A_1^T \\ A_1 & -\mathrm{diag}(C) \end{pmatrix}`.

    Parameters
    ----------
    P
        Symmetric positive semidefinite (n, n), both triangles; ndarray or scipy sparse.
    A1
        Active rows (m, n); ndarray or scipy sparse.
    C
        Nonnegative (m,), or None for zero.
    scale
        Positive (n + m,), a first guess of the equilibration; saves time only.

    Attributes
    ----------
    residual : float
        Largest relative residual, ``|K x - b| / |b|`` in maximum norms and equilibrated units, over the
        columns of the last solve. In a singular system b is first projected on the range of K.
    """

    def __init__(self, P: Any, A1: Any, C: ArrayLike | None = None, scale: Array | None = None) -> None:
        self.n: int = P.shape[0]
        self.m: int = A1.shape[0]
        self.residual = 0.0
        K = _assemble(P, A1, C)
        self._scale = ruiz_scaling(K, start=scale)
        self._scaled = scaled(K, self._scale)
        self._rows = self._scaled if isinstance(self._scaled, np.ndarray) else self._scaled.tocsr()
        self._norm = one_norm(self._scaled)
        self._null_scaled: NullSpace | None = None
        self._null: NullSpace | None = None
        self._examined = False
        self._projector: ResolventProjector | None = None
        self._nullities = (False, False)
        # Coordinates in which some null vector is not zero.
        self._loose: Mask = np.zeros(self.size, dtype=bool)
        self._many: Factor | None = None
        # Whether the factor solves for one right-hand side at a time.
        self._one_at_a_time = False
        self._factor: Factor = self._first_factor()

    @property
    def size(self) -> int:
        """The order n + m of the system."""
        return self.n + self.m

    @property
    def is_dense(self) -> bool:
        """Whether the dense factorization is used."""
        return isinstance(self._scaled, np.ndarray)

    @property
    def primal_nullity(self) -> bool:
        """Whether some u != 0 has P u = 0 and A1 u = 0: the solution x is not unique."""
        self._examine()
        return self._nullities[0]

    @property
    def dual_nullity(self) -> bool:
        """Whether some v != 0 has A1' v = 0, C v = 0: dependent rows, multipliers not unique."""
        self._examine()
        return self._nullities[1]

    @property
    def primal_null_basis(self) -> Array | None:
        """Orthonormal basis (n, p) of {u : P u = 0, A1 u = 0}; None if too large to compute."""
        self._examine()
        if not any(self._nullities):
            return np.zeros((self.n, 0))
        return None if self._null is None else self._null.primal

    @property
    def dependent_rows(self) -> Mask:
        """Which rows of A1 (m,) take part in a dependence."""
        self._examine()
        return self._loose[self.n :]

    @property
    def undetermined_variables(self) -> Mask:
        """Which entries of x (n,) can move without changing optimality."""
        self._examine()
        return self._loose[: self.n]

    def solve(self, R: ArrayLike) -> Array:
        """Return ``K^-1 R``, or the minimum-norm least-squares solution ``pinv(K) R`` if K is singular.

        Parameters
        ----------
        R
            Right-hand sides of shape (N,) or (N, k), N = n + m.

        Returns
        -------
        ndarray
            Of the shape of R.
        """
        right = np.asarray(R, dtype=np.float64)
        if right.shape[:1] != (self.size,) or right.ndim > 2:
            raise ValueError(f"right-hand side has shape {right.shape}, expected ({self.size},) or ({self.size}, k)")
        if not right.size:
            self.residual = 0.0
            return np.zeros(right.shape)
        columns = right.reshape(self.size, -1)
        solution = np.empty(columns.shape)
        residual = 0.0
        for start in range(0, columns.shape[1], _BLOCK):
            block = slice(start, start + _BLOCK)
            solution[:, block], largest = self._solve_block(columns[:, block], columns.shape[1])
            residual = max(residual, largest)
        self.residual = residual
        return solution.reshape(right.shape)

    def _solve_block(self, columns: Array, total: int) -> tuple[Array, float]:
        scale = self._scale[:, None]
        if not any(self._nullities):
            X, residual = self._solve_scaled(columns * scale, total)
            if self._examined or residual <= ACCEPTED_RESIDUAL:
                return X * scale, residual
            self._examine()
            return self._solve_block(columns, total)
        if self._projector is not None:
            return self._solve_projected(columns, self._projector, total)
        assert self._null is not None and self._null_scaled is not None
        consistent = self._null.project_out(columns) * scale
        # Scaling magnifies the projection's rounding error; projecting once more removes it.
        X, residual = self._solve_scaled(self._null_scaled.project_out(consistent), total)
        return self._null.project_out(X * scale), residual

    # ------------------------------------------------------------------ the equilibrated system

    def _apply(self, X: Array) -> Array:
        return np.asarray(self._rows @ X)

    def _solve_scaled(self, B: Array, total: int) -> tuple[Array, float]:
        """Solve for B, a block of ``total`` columns, in equilibrated units; also return the residual."""
        try:
            X, _, residual = refine(self._apply, self._factor_for(total).solve, B, self._norm)
        except SingularFactor:
            return np.zeros_like(B), np.inf
        return X, float(residual.max())

    def _factor_for(self, total: int) -> Factor:
        if total < _MANY_COLUMNS or any(self._nullities) or not self._one_at_a_time:
            return self._factor
        if self._many is None:
            try:
                self._many = self._sparse_factor(lambda core, _: SparseLU(core, symmetric=True))
            except SingularFactor:
                self._many = self._factor
        return self._many

    def _shift(self, size: float) -> Array:
        return np.concatenate([np.full(self.n, size), np.full(self.m, -size)])

    def _shifted(self, size: float) -> Any:
        if isinstance(self._scaled, np.ndarray):
            return self._scaled + np.diag(self._shift(size))
        return (self._scaled + sp.diags_array(self._shift(size), format="csc")).tocsc()

    def _first_factor(self) -> Factor:
        if isinstance(self._scaled, np.ndarray):
            return DenseLDL(self._scaled)

        def of_core(core: Any, coordinates: Any) -> Factor:
            if prefers_dense(core.nnz, core.shape[0]):
                return DenseLDL(np.asfortranarray(core.toarray()))
            shift = sp.diags_array(self._shift(REGULARIZATION)[coordinates], format="csc")
            factor = _quasidefinite(sp.csc_array(core + shift))
            self._one_at_a_time = isinstance(factor, SparseLDL)
            return factor

        return self._sparse_factor(of_core)

    def _sparse_factor(self, of_core: Callable[[Any, Any], Factor]) -> Factor:
        """Factorize a sparse K, or all but its pivots, by `of_core`, which takes a matrix and its coordinates."""
        pivots = Pivots.of(self._scaled, self.n)
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
            null: NullSpace | None = by_eigenvalues(dense, self.n)
            if not self.is_dense:
                self._factor, _, _ = self._resolvent()
        else:
            null = self._find_large_null_space()
        if null is not None and null.is_trivial:
            self._use_pivoting()
        elif null is not None:
            self._use_basis(null)

    def _probe(self) -> Array:
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
        self._projector = projector
        self._set_loose(np.abs(projector.scaled_null_part(self._probe())[:, 0]) > _PRESENT)
        return None

    def _set_loose(self, loose: Mask) -> None:
        self._loose = loose
        self._nullities = (bool(loose[: self.n].any()), bool(loose[self.n :].any()))

    def _resolvent(self) -> tuple[Factor, Factor, float]:
        """Return a factor of K + eps J, its refined version (the inverse to full accuracy), and eps."""
        for regularization in _SINGULAR_REGULARIZATIONS:
            shifted = self._shifted(regularization)
            if isinstance(shifted, np.ndarray):
                dense = DenseLDL(shifted)
                return dense, dense, regularization
            factor = _quasidefinite(shifted)
            refined = Refined(factor, shifted)
            probe = self._probe()
            if float(np.abs(probe - shifted @ refined.solve(probe)).max()) <= _REFINABLE * np.abs(probe).max():
                break
        return factor, refined, regularization

    def _use_basis(self, null: NullSpace) -> None:
        self._null_scaled, self._null = null, null.rescaled(self._scale)
        present = [np.abs(basis).max(axis=1, initial=0.0) > _PRESENT for basis in (null.primal, null.dual)]
        self._set_loose(np.concatenate(present))
        if isinstance(self._scaled, np.ndarray):
            # Filling the null space with +1 (primal) and -1 (dual) leaves the rest of the spectrum as it is.
            filled = self._scaled.copy()
            filled[: self.n, : self.n] += null.primal @ null.primal.T
            filled[self.n :, self.n :] -= null.dual @ null.dual.T
            self._factor = DenseLDL(filled)

    def _use_pivoting(self) -> None:
        """K is regular but ill-conditioned: regularize more, or pivot."""
        if isinstance(self._scaled, np.ndarray):
            self._factor = DenseLDL(self._scaled)
            return
        if self._solve_scaled(self._probe(), 1)[1] <= ACCEPTED_RESIDUAL:
            return
        try:
            self._factor = SparseLU(self._scaled)
            self._one_at_a_time = False
        except SingularFactor:
            # Singular to SuperLU's exact zeros only: keep the regularized factor, the residual tells.
            return

    def _solve_projected(self, columns: Array, projector: ResolventProjector, total: int) -> tuple[Array, float]:
        scale = self._scale[:, None]
        B = projector.project_out(columns) * scale
        X, residual = self._solve_scaled(B - projector.scaled_null_part(B), total)
        return projector.project_out(X * scale), residual


def _quasidefinite(K: Any) -> Factor:
    try:
        return SparseLDL(K)
    except SingularFactor:
        return SparseLU(K)


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
        K = np.zeros((size, size), order="F")
        K[:n, :n] = _to_dense(P)
        block = _to_dense(A1)
        K[n:, :n] = block
        K[:n, n:] = block.T
        K[np.arange(n, size), np.arange(n, size)] = -diagonal
        return K
    rows = sp.csc_array(A1)
    # A diagonal of zeros stays out of the pattern: the factorizations add what they need.
    corner = sp.diags_array(-diagonal, format="csc") if diagonal.any() else None
    K = sp.block_array([[sp.csc_array(P), rows.T], [rows, corner]], format="csc") if m else sp.csc_array(P)
    K.sum_duplicates()
    return K


def prefers_dense(entries: float, size: int) -> bool:
    """Whether a matrix with so many entries is factorized faster as a dense one."""
    share = next((share for largest, share in _DENSE_SHARES if size <= largest), 1.0)
    return size <= _DENSE_SIZE or entries > share * size * size


def count(M: Any) -> int:
    """The number of nonzero entries."""
    return int(M.nnz) if sp.issparse(M) else int(np.count_nonzero(M))


def _to_dense(M: Any) -> Array:
    return np.asarray(M.toarray() if sp.issparse(M) else M, dtype=np.float64)
