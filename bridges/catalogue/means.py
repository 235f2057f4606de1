"""Geometric means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...modelkit.arrays import FloatArray
from ...modelkit.sets import (
    DualGeometricMeanCone,
    GeometricMeanCone,
    Nonnegatives,
    PowerCone,
    RelativeEntropyCone,
    RotatedSecondOrderCone,
)
from ..declare import ConeBridge, Part, entries

__all__ = ["DualGeometricMeanToPrimal", "GeometricMeanToEntropy", "GeometricMeanToPowers", "GeometricMeanToRotated"]


def _of_one() -> list[Part]:
    """``t <= x, x >= 0``."""
    return [Part([Nonnegatives(2)], entries((2, 2), ([0, 0, 1], [0, 1, 1], [-1.0, 1.0, 1.0])))]


def _mean(x: FloatArray) -> FloatArray:
    """Geometric means of the rows, by logarithms."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.exp(np.log(x).mean(axis=1)))


def _root(d: int, extra: int) -> Part:
    """``u_0 - t >= 0``."""
    return Part([Nonnegatives(1)], entries((1, d), (0, 0, -1.0)), entries((1, extra), (0, 0, 1.0)))


class GeometricMeanToPowers(ConeBridge):
    """``t <= (x_1 ... x_n)^(1/n)  <=>  t <= u_1, (x_k, u_{k+1}, u_k) in PowerCone(1 / (n - k + 1))``, u_n = x_n.

    MOSEK Modeling Cookbook, section 4.2.4.
    """

    source = GeometricMeanCone
    into = (PowerCone, Nonnegatives)

    def parts(self, S: GeometricMeanCone) -> Sequence[Part]:
        """A chain of n - 1 power cones, and a row."""
        d, n = S.dimension, S.dimension - 1
        if n == 1:
            return _of_one()
        k = np.arange(n - 1)
        A = entries((3 * (n - 1), d), (3 * k, 1 + k, 1.0), (3 * (n - 2) + 1, n, 1.0))
        B = entries((3 * (n - 1), n - 1), (3 * k[:-1] + 1, k[1:], 1.0), (3 * k + 2, k, 1.0))
        return [Part([PowerCone(1.0 / (n - i)) for i in range(n - 1)], A, B), _root(d, n - 1)]

    def extra_start(self, example: Any, values: FloatArray) -> FloatArray:
        """u_k, the geometric mean of x_k, ..., x_n."""
        x = np.maximum(values[:, 1:], 0.0)
        return np.stack([_mean(x[:, k:]) for k in range(x.shape[1] - 1)], axis=1) if x.shape[1] > 1 else x[:, :0]


class GeometricMeanToRotated(ConeBridge):
    """A binary tree of ``u² <= a b``, i.e. ``(a, b, √2 u) in RSOC``, with t <= its root u_1.

    Its leaves are x and, up to the next power of two, the root itself: u_1^N <= x_1 ... x_n u_1^(N-n).
    A. Ben-Tal, A. Nemirovski, *Lectures on Modern Convex Optimization* (2001), section 3.3.
    """

    source = GeometricMeanCone
    into = (RotatedSecondOrderCone, Nonnegatives)

    def parts(self, S: GeometricMeanCone) -> Sequence[Part]:
        """Node j has the children 2j and 2j + 1, the leaves are nodes N to 2N - 1; u_j is extra variable j - 1."""
        d, n = S.dimension, S.dimension - 1
        if n == 1:
            return _of_one()
        N = 1 << (n - 1).bit_length()
        node = np.arange(1, N)
        children = np.stack([2 * node, 2 * node + 1], axis=1).ravel()
        row = (3 * (node - 1)[:, None] + [0, 1]).ravel()
        leaf = (children >= N) & (children < N + n)
        variable = np.where(children < N, children - 1, 0)
        A = entries((3 * (N - 1), d), (row[leaf], children[leaf] - N + 1, 1.0))
        B = entries(
            (3 * (N - 1), N - 1), (row[~leaf], variable[~leaf], 1.0), (3 * (node - 1) + 2, node - 1, np.sqrt(2.0))
        )
        return [Part([RotatedSecondOrderCone(3)] * (N - 1), A, B), _root(d, N - 1)]

    def extra_start(self, example: Any, values: FloatArray) -> FloatArray:
        """The geometric means of the leaves below each node."""
        x = np.maximum(values[:, 1:], 0.0)
        n = x.shape[1]
        N = 1 << (n - 1).bit_length()
        tree = np.repeat(_mean(x)[:, None], 2 * N, axis=1)
        tree[:, N : N + n] = x
        for node in range(N - 1, 0, -1):
            tree[:, node] = np.sqrt(tree[:, 2 * node]) * np.sqrt(tree[:, 2 * node + 1])
        return tree[:, 1:N]


class GeometricMeanToEntropy(ConeBridge):
    """``t <= (x_1 ... x_n)^(1/n)  <=>  (0, x, (t + u) 1) in RelativeEntropy, u >= 0`` for some u.

    With s = t + u >= 0 the cone says ``n s log s <= s sum log x``. MathOptInterface's bridge of that name.
    """

    cost = 2.0
    source = GeometricMeanCone
    into = (RelativeEntropyCone, Nonnegatives)

    def parts(self, S: GeometricMeanCone) -> Sequence[Part]:
        """One cone and one row."""
        d, n = S.dimension, S.dimension - 1
        x, s = np.arange(1, d), np.arange(1 + n, 1 + 2 * n)
        A = entries((2 * n + 1, d), (x, x, 1.0), (s, 0, 1.0))
        cone = Part([RelativeEntropyCone(2 * n + 1)], A, entries((2 * n + 1, 1), (s, 0, 1.0)))
        return [cone, Part([Nonnegatives(1)], entries((1, d)), entries((1, 1), (0, 0, 1.0)))]

    def extra_start(self, example: Any, values: FloatArray) -> FloatArray:
        """The least, max(-t, 0)."""
        return np.maximum(-values[:, :1], 0.0)


class DualGeometricMeanToPrimal(ConeBridge):
    """``0 >= u >= -n (v_1 ... v_n)^(1/n), v >= 0  <=>  (-u / n, v) in GeometricMean, -u >= 0``."""

    source = DualGeometricMeanCone
    into = (GeometricMeanCone, Nonnegatives)

    def parts(self, S: DualGeometricMeanCone) -> Sequence[Part]:
        """One cone and one row."""
        d = S.dimension
        v = np.arange(1, d)
        A = entries((d, d), (0, 0, -1.0 / (d - 1)), (v, v, 1.0))
        return [Part([GeometricMeanCone(d)], A), Part([Nonnegatives(1)], entries((1, d), (0, 0, -1.0)))]
