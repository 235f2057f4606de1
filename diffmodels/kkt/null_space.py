r"""The null space of a symmetric quasi-semidefinite matrix, split into its primal and its dual part.

For :math:`K = \begin{pmatrix} P & B^T \\ B & -C \end{pmatrix}` with P, C positive semidefinite,

.. math:: \ker K = \{u : Pu = 0, Bu = 0\} \times \{v : B^T v = 0, Cv = 0\}.

Proof: :math:`Pu + B^Tv = 0` and :math:`Bu = Cv` give :math:`u^TPu = -(Bu)^Tv = -v^TCv`, so both are zero,
hence Pu = 0 and Cv = 0, hence :math:`B^Tv = 0` and Bu = 0.

The first factor is what makes the solution x of a convex program non-unique, the second is the dependence
among its active rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
import scipy.linalg as sla

from ...modelkit.arrays import FloatArray

__all__ = ["NullSpace", "ResolventProjector", "by_eigenvalues", "by_inverse_iteration"]

# A singular value of the equilibrated matrix below this, relative to the matrix, counts as zero: far above
# the rounding error of data (1e-16 times a dimension), far below what a solvable problem shows.
_NULL_TOLERANCE = 1e-11
_NULL_TOLERANCE_OF_DATA = 1e-13
_INVERSE_ITERATIONS = 3


@final
@dataclass(frozen=True, slots=True)
class NullSpace:
    """Orthonormal bases of the two factors: ``primal`` (n, p) and ``dual`` (m, d)."""

    primal: FloatArray
    dual: FloatArray

    @property
    def is_trivial(self) -> bool:
        """Whether it is {0}."""
        return not self.primal.shape[1] and not self.dual.shape[1]

    def project_out(self, X: FloatArray) -> FloatArray:
        """Return X (n + m, k) minus its orthogonal projection on the null space."""
        n = self.primal.shape[0]
        x, y = X[:n], X[n:]
        return np.concatenate([x - self.primal @ (self.primal.T @ x), y - self.dual @ (self.dual.T @ y)])

    def vectors(self, scale: FloatArray, noise: float) -> tuple[FloatArray, FloatArray]:
        """Bases of the factors for K, entries up to the noise set to zero, given this one of the scaled K."""
        n = self.primal.shape[0]
        parts = [(self.primal, scale[:n]), (self.dual, scale[n:])]
        primal, dual = (np.where(np.abs(V) > noise, V, 0.0) * s[:, None] for V, s in parts)
        return primal, dual

    def rescaled(self, scale: FloatArray) -> NullSpace:
        """Return the null space of K, given this one of ``diag(scale) K diag(scale)``."""
        n = self.primal.shape[0]
        return NullSpace(_orthonormal(self.primal * scale[:n, None]), _orthonormal(self.dual * scale[n:, None]))


def _orthonormal(V: FloatArray) -> FloatArray:
    return np.asarray(np.linalg.qr(V)[0])


def _range(V: FloatArray) -> FloatArray:
    """Orthonormal basis of the columns of V, whose singular values are near 0 or near 1."""
    if not V.size:
        return np.zeros((V.shape[0], 0))
    left, values, _ = sla.svd(V, full_matrices=False, check_finite=False)
    return np.asarray(left[:, values > 0.5])


def _split(Z: FloatArray, n: int) -> NullSpace:
    """Split an orthonormal basis Z into its parts on the first n and the other coordinates."""
    return NullSpace(_range(Z[:n]), _range(Z[n:]))


def by_eigenvalues(K: FloatArray, n: int, *, is_of_data: bool) -> NullSpace:
    """Return the null space of a small dense K by its eigenvalues.

    Parameters
    ----------
    K : equilibrated
    n : number of primal coordinates
    is_of_data : whether its entries are data, known to rounding, and not rows turned into the axes of cones, which are
        known as well as the solution
    """
    values, vectors = sla.eigh(K, check_finite=False)
    size = float(np.abs(values).max(initial=0.0))
    tolerance = _NULL_TOLERANCE_OF_DATA if is_of_data else _NULL_TOLERANCE
    return _split(vectors[:, np.abs(values) <= tolerance * size], n)


def by_inverse_iteration(
    apply: Callable[[FloatArray], FloatArray],
    solve_shifted: Callable[[FloatArray], FloatArray],
    shape: tuple[int, int],
    block: int,
) -> NullSpace | None:
    """Return the null space of a large K by block inverse iteration and Rayleigh-Ritz.

    With J = diag(I, -I), the matrix K + eps J is quasi-definite and maps the null space onto itself up to the
    signs, so its inverse magnifies the null space by 1/eps against 1/sigma of the rest. The block doubles
    until it holds a direction that is not null.

    Parameters
    ----------
    apply : X -> K X
    solve_shifted : X -> (K + eps J)^-1 X
    shape : (n, m), the numbers of primal and dual coordinates
    block : number of columns to begin with, more than the expected dimension

    Returns
    -------
    NullSpace or None
        None if the solves overflow.
    """
    n, m = shape
    rng = np.random.default_rng(20)
    while True:
        block = min(block, n + m)
        V = rng.standard_normal((n + m, block))
        for _ in range(_INVERSE_ITERATIONS):
            V = solve_shifted(_orthonormal(V))
            if not np.isfinite(V).all():
                return None
            V /= np.abs(V).max(axis=0)
        V = _orthonormal(V)
        _, values, right = sla.svd(apply(V), full_matrices=False, check_finite=False)
        # The equilibrated matrix has norm at least about one.
        null = values <= _NULL_TOLERANCE
        if not null.all() or block == n + m:
            return _split(V @ right[null].T, n)
        block *= 2


@final
class ResolventProjector:
    r"""Projection on a null space too large for a basis, by powers of a resolvent.

    With :math:`M = \hat K + \varepsilon J`, J = diag(I, -I), the matrix :math:`\varepsilon J M^{-1}` is the
    identity on the null space and multiplies the rest by :math:`\varepsilon / |\sigma + \varepsilon|`: its
    powers converge to the orthogonal projection. The null space of K is S times that of :math:`\hat K = SKS`,
    so the projection there is :math:`S \Pi (\Pi S^2 \Pi)^+ \Pi S`, by conjugate gradients.

    Parameters
    ----------
    solve : X -> M^-1 X
    shift : the diagonal eps J (n + m,)
    scale : the diagonal of S (n + m,)
    """

    _POWERS = 4
    # The factor's error in the null directions is about 1e-9; a second pass squares it.
    _PASSES = 2
    _PROBES = 8
    _CG_STEPS = 60
    _CG_TOLERANCE = 1e-10

    def __init__(self, solve: Callable[[FloatArray], FloatArray], shift: FloatArray, scale: FloatArray) -> None:
        self._solve = solve
        self._shift = shift[:, None]
        self._scale = scale[:, None]

    def scaled_null_part(self, B: FloatArray) -> FloatArray:
        """Return the orthogonal projection of B (N, k) on the null space of the equilibrated matrix."""
        total = np.zeros_like(B)
        for _ in range(self._PASSES):
            part = B - total
            for _ in range(self._POWERS):
                part = self._shift * self._solve(part)
            total += part
        return total

    def project_out_scaled(self, B: FloatArray) -> FloatArray:
        """Return B (N, k) minus its orthogonal projection on the null space of the equilibrated matrix."""
        return B - self.scaled_null_part(B)

    def dimension(self) -> float:
        """Return an estimate of the dimension of the null space, the projection's trace, by random signs.

        Zero is told from one reliably: up to rounding each sign vector is orthogonal to a null vector only by
        accident.
        """
        signs = np.random.default_rng(30).choice([-1.0, 1.0], size=(self._scale.size, self._PROBES))
        return float((self.scaled_null_part(signs) ** 2).sum()) / self._PROBES

    def project_out(self, X: FloatArray) -> FloatArray:
        """Return X (N, k) minus its orthogonal projection on the null space of K."""
        # The projector's own rounding error bounds what one run of conjugate gradients can reach; a second
        # one on what is left squares it.
        for _ in range(self._PASSES):
            X = X - self._weighted_null_part(X)
        return X

    def _weighted_null_part(self, X: FloatArray) -> FloatArray:
        S = self._scale
        r = self.scaled_null_part(S * X)
        z, p = np.zeros_like(r), r.copy()
        rr = (r * r).sum(axis=0)
        # Relative to what was projected: if nothing of it is null, r is rounding error and must not be
        # chased.
        target = self._CG_TOLERANCE**2 * ((S * X) ** 2).sum(axis=0)
        for _ in range(self._CG_STEPS):
            running = rr > target
            if not running.any():
                break
            q = self.scaled_null_part(S * (S * p))
            curvature = (p * q).sum(axis=0)
            step = np.where(running, rr / np.where(curvature > 0.0, curvature, 1.0), 0.0)
            z, r = z + step * p, r - step * q
            before, rr = rr, (r * r).sum(axis=0)
            p = r + np.where(running, rr / np.where(before > 0.0, before, 1.0), 0.0) * p
        return S * z
