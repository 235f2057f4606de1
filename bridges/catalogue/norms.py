"""Epigraphs of norms of vectors and matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...modelkit.arrays import FloatArray
from ...modelkit.sets import (
    Nonnegatives,
    NormCone,
    NormInfinityCone,
    NormNuclearCone,
    NormOneCone,
    NormSpectralCone,
    PositiveSemidefiniteConeTriangle,
    PowerCone,
    SecondOrderCone,
    Zeros,
)
from ...modelkit.sets.triangles import position, triangle_of, triangle_size
from ..bridge import identity
from ..declare import ConeBridge, Part, entries

__all__ = [
    "NormInfinityToLinear",
    "NormNuclearToSemidefinite",
    "NormOneToLinear",
    "NormSpectralToSemidefinite",
    "NormToPowers",
]


class NormInfinityToLinear(ConeBridge):
    """``t >= max |x|  <=>  t - x >= 0, t + x >= 0``; without x, ``t >= 0``."""

    source = NormInfinityCone
    into = (Nonnegatives,)

    def parts(self, S: NormInfinityCone) -> Sequence[Part]:
        """A = [1 -I; 1 I]."""
        d = S.dimension
        x, p = np.arange(1, d), max(2 * (d - 1), 1)
        A = entries((p, d), (np.arange(p), 0, 1.0), (x - 1, x, -1.0), (d - 2 + x, x, 1.0))
        return [Part([Nonnegatives(p)], A)]


class NormOneToLinear(ConeBridge):
    """``t >= sum |x|  <=>  t - sum u >= 0, u - x >= 0, u + x >= 0`` for some u."""

    source = NormOneCone
    into = (Nonnegatives,)

    def parts(self, S: NormOneCone) -> Sequence[Part]:
        """A = [1 0; 0 -I; 0 I], B = [-1; I; I]."""
        d = S.dimension
        n, x = d - 1, np.arange(1, d)
        A = entries((2 * n + 1, d), (0, 0, 1.0), (x, x, -1.0), (n + x, x, 1.0))
        B = entries((2 * n + 1, n), (0, x - 1, -1.0), (x, x - 1, 1.0), (n + x, x - 1, 1.0))
        return [Part([Nonnegatives(2 * n + 1)], A, B if n else None)]

    def extra_start(self, example: Any, values: FloatArray) -> FloatArray:
        """The absolute values, and an equal part of what t has left: strictly inside where t is."""
        size = np.abs(values[:, 1:])
        left = np.maximum(values[:, :1] - size.sum(axis=1, keepdims=True), 0.0)
        return np.asarray(size + left / (1 + size.shape[1]))


class NormToPowers(ConeBridge):
    """``t >= |x|_p  <=>  (u_i, t, x_i) in PowerCone(1/p), sum u == t``; for p = 1, 2, ∞ the cones of that name.

    The power cones say ``u_i >= |x_i|^p t^(1-p)``, so that t >= sum |x|^p t^(1-p). MOSEK Modeling Cookbook,
    section 4.2.1.
    """

    source = NormCone
    into = (NormOneCone, SecondOrderCone, NormInfinityCone, PowerCone, Zeros)

    def parts(self, S: NormCone) -> Sequence[Part]:
        """The same rows for the cones of that name."""
        d = S.dimension
        for p, cone in ((1.0, NormOneCone), (2.0, SecondOrderCone), (np.inf, NormInfinityCone)):
            if S.p == p or d == 1:
                return [Part([cone(d)], identity(d))]
        n = d - 1
        i = np.arange(n)
        A = entries((3 * n, d), (3 * i + 1, 0, 1.0), (3 * i + 2, 1 + i, 1.0))
        powers = Part([PowerCone(1.0 / S.p)] * n, A, entries((3 * n, n), (3 * i, i, 1.0)))
        return [powers, Part([Zeros(1)], entries((1, d), (0, 0, 1.0)), entries((1, n), (0, i, -1.0)))]

    def extra_start(self, example: Any, values: FloatArray) -> FloatArray:
        """The least ones, |x|^p t^(1-p), raised until their sum is t."""
        t, x = values[:, :1], np.abs(values[:, 1:])
        if example.p in (1.0, 2.0, np.inf) or not x.shape[1]:
            return x[:, :0]
        u = t * (x / np.where(t > 0.0, t, 1.0)) ** example.p
        return np.asarray(u + (t - u.sum(axis=1, keepdims=True)) / x.shape[1])


class NormSpectralToSemidefinite(ConeBridge):
    """``t >= sigma_max(X)  <=>  [t I, X; Xᵀ, t I] >= 0``: its eigenvalues are t ± sigma and t.

    S. Boyd, L. Vandenberghe, *Convex Optimization* (2004), section 4.6.3.
    """

    source = NormSpectralCone
    into = (PositiveSemidefiniteConeTriangle,)

    def parts(self, S: NormSpectralCone) -> Sequence[Part]:
        """The upper triangle of the matrix."""
        r, c = S.rows, S.columns
        cone = PositiveSemidefiniteConeTriangle(r + c)
        at = position(r + c)
        X = at[:r, r:].T.ravel()  # column by column
        A = entries((cone.dimension, S.dimension), (at.diagonal(), 0, 1.0), (X, np.arange(1, S.dimension), 1.0))
        return [Part([cone], A)]


class NormNuclearToSemidefinite(ConeBridge):
    """``t >= sum sigma(X)  <=>  [U X; Xᵀ V] >= 0, t >= (tr U + tr V) / 2`` for some U, V.

    B. Recht, M. Fazel, P. A. Parrilo, *Guaranteed minimum-rank solutions of linear matrix equations via nuclear
    norm minimization*, SIAM Review 52 (2010), section 2.
    """

    source = NormNuclearCone
    into = (PositiveSemidefiniteConeTriangle, Nonnegatives)

    def parts(self, S: NormNuclearCone) -> Sequence[Part]:
        """The upper triangle of the matrix, U then V by their own triangles, and a row."""
        r, c, d = S.rows, S.columns, S.dimension
        cone = PositiveSemidefiniteConeTriangle(r + c)
        at = position(r + c)
        first, second = triangle_size(r), triangle_size(c)
        extra = first + second
        U, V = position(r), first + position(c)
        A = entries((cone.dimension, d), (at[:r, r:].T.ravel(), np.arange(1, d), 1.0))
        above, beyond = np.triu_indices(r), np.triu_indices(c)
        B = entries((cone.dimension, extra), (at[:r, :r][above], U[above], 1.0), (at[r:, r:][beyond], V[beyond], 1.0))
        trace = entries((1, extra), (0, U.diagonal(), -0.5), (0, V.diagonal(), -0.5))
        return [Part([cone], A, B), Part([Nonnegatives(1)], entries((1, d), (0, 0, 1.0)), trace)]

    def extra_start(self, example: Any, values: FloatArray) -> FloatArray:
        """With X = P diag(sigma) Qᵀ the least ones, U = P diag(sigma) Pᵀ and V = Q diag(sigma) Qᵀ."""
        X = values[:, 1:].reshape(-1, example.columns, example.rows).transpose(0, 2, 1)
        P, sigma, Qt = np.linalg.svd(X, full_matrices=False)
        U = (P * sigma[:, None, :]) @ P.transpose(0, 2, 1)
        V = (Qt.transpose(0, 2, 1) * sigma[:, None, :]) @ Qt
        return np.concatenate([triangle_of(U), triangle_of(V)], axis=1)
