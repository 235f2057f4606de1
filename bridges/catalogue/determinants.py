"""Logarithms and roots of determinants.

For D lower triangular with diagonal δ, ``[X D; Dᵀ diag(δ)] >= 0`` says ``X >= D diag(1/δ) Dᵀ``, whose determinant
is the product of δ; equality is reached by the Cholesky factor of X. A. Ben-Tal, A. Nemirovski, *Lectures on
Modern Convex Optimization* (2001), section 4.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...modelkit.arrays import FloatArray, IntArray
from ...modelkit.sets import (
    ExponentialCone,
    GeometricMeanCone,
    LogDetConeTriangle,
    Nonnegatives,
    PositiveSemidefiniteConeTriangle,
    RootDetConeTriangle,
)
from ...modelkit.sets.triangles import matrix_of, position, triangle_of, triangle_size
from ..declare import ConeBridge, Part, entries

__all__ = ["LogDetToExponentials", "RootDetToGeometricMean"]


def _factor(n: int, head: int, extra: int) -> tuple[Part, IntArray]:
    """``[X D; Dᵀ diag(δ)] >= 0``, D_ij at extra variable position(n)[i, j], i >= j; and where δ is."""
    cone = PositiveSemidefiniteConeTriangle(2 * n)
    at, D = position(2 * n), position(n)
    i, j = np.tril_indices(n)
    delta = D.diagonal()
    A = entries((cone.dimension, head + triangle_size(n)), (at[j, i], head + D[j, i], 1.0))
    B = entries((cone.dimension, extra), (at[i, n + j], D[i, j], 1.0), (at.diagonal()[n:], delta, 1.0))
    return Part([cone], A, B), delta


def _factors(triangles: FloatArray, n: int) -> tuple[FloatArray, FloatArray]:
    """(D by its entries at position(n), δ) with ``X = D diag(1/δ) Dᵀ``: D = L diag(L) of Cholesky's L."""
    X = matrix_of(triangles, n)
    values, Q = np.linalg.eigh(X)
    least = np.finfo(float).eps * np.maximum(values[:, -1:], np.finfo(float).tiny)
    L = np.linalg.cholesky(
        (Q * np.maximum(values, least)[:, None, :]) @ Q.transpose(0, 2, 1) + least[:, None] * np.eye(n)
    )
    diagonal = np.diagonal(L, axis1=1, axis2=2)
    return triangle_of((L * diagonal[:, None, :]).transpose(0, 2, 1)), diagonal**2


class LogDetToExponentials(ConeBridge):
    """``t <= u log det(X / u)  <=>  t <= sum l, (l_i, u, δ_i) in Exponential, [X D; Dᵀ diag(δ)] >= 0``."""

    source = LogDetConeTriangle
    into = (PositiveSemidefiniteConeTriangle, ExponentialCone, Nonnegatives)

    def parts(self, S: LogDetConeTriangle) -> Sequence[Part]:
        """Extra variables D, then l."""
        n, d = S.side, S.dimension
        extra = triangle_size(n) + n
        factor, delta = _factor(n, 2, extra)
        i = np.arange(n)
        l = triangle_size(n) + i
        cones = Part(
            [ExponentialCone()] * n,
            entries((3 * n, d), (3 * i + 1, 1, 1.0)),
            entries((3 * n, extra), (3 * i, l, 1.0), (3 * i + 2, delta, 1.0)),
        )
        total = Part([Nonnegatives(1)], entries((1, d), (0, 0, -1.0)), entries((1, extra), (0, l, 1.0)))
        return [factor, cones, total]

    def extra_start(self, example: Any, values: FloatArray) -> FloatArray:
        """D, δ of Cholesky's factor and l = u log(δ / u)."""
        D, delta = _factors(values[:, 2:], example.side)
        u = np.maximum(values[:, 1:2], np.finfo(float).tiny)
        return np.concatenate([D, u * (np.log(delta) - np.log(u))], axis=1)


class RootDetToGeometricMean(ConeBridge):
    """``t <= det(X)^(1/n)  <=>  (t, δ) in GeometricMean, [X D; Dᵀ diag(δ)] >= 0``."""

    source = RootDetConeTriangle
    into = (PositiveSemidefiniteConeTriangle, GeometricMeanCone)

    def parts(self, S: RootDetConeTriangle) -> Sequence[Part]:
        """Extra variables D."""
        n, d = S.side, S.dimension
        extra = triangle_size(n)
        factor, delta = _factor(n, 1, extra)
        A, B = entries((1 + n, d), (0, 0, 1.0)), entries((1 + n, extra), (1 + np.arange(n), delta, 1.0))
        return [factor, Part([GeometricMeanCone(1 + n)], A, B)]

    def extra_start(self, example: Any, values: FloatArray) -> FloatArray:
        """D of Cholesky's factor."""
        return _factors(values[:, 1:], example.side)[0]
