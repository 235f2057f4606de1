"""Polynomials of many variables at many points: values, and derivatives in both modes."""

from __future__ import annotations

import itertools
from typing import Any, final

import numpy as np
import scipy.sparse as sp

from ..arrays import FloatArray, IntArray
from .entry_layers import EntryLayers, Layered
from .linear_map import LinearMap

__all__ = ["PolynomialMap"]


@final
class PolynomialMap:
    """The map ``z -> c + M φ(z)``, φ the products of some entries of z.

    Parameters
    ----------
    constant : (m,) c; as long as it is not asked for, zeros take no memory
    M : sparse (m, number of products), or in layers
    factors : (number of products, K) the entries of z in each product, -1 for none; None where they are those of z
    count : of entries of z

    Attributes
    ----------
    is_linear : whether all products are of one entry
    size : m

    Examples
    --------
    >>> f = PolynomialMap(np.array([1.0]), sp.csr_array([[2.0, 3.0]]), np.array([[0, 1], [1, -1]]), 2)
    >>> z = np.array([4.0, 5.0])  # 1 + 2 z0 z1 + 3 z1
    >>> f(z), f.pull(z, np.array([1.0]))
    (array([56.]), array([10., 11.]))
    """

    def __init__(self, constant: FloatArray, M: Any, factors: IntArray | None, count: int) -> None:
        self.size, self._factors, self._count = len(constant), factors, count
        self._constant = constant if constant.any() else None
        # products of one entry need no multiplication, and are the entries themselves
        self.is_linear = factors is None or (factors.shape[1] == 1 and bool((factors >= 0).all()))
        self._choices: list[LinearMap] = []
        if factors is None:
            self._map = LinearMap(M)
        elif self.is_linear:
            M, self._factors = M.tocsr() @ _chosen(factors[:, 0], count), None
            self._map = LinearMap(M)
        else:
            self._map, self._choices = LinearMap(M), [LinearMap(_chosen(one, count)) for one in factors.T]
        self._M = self._map.layered or M

    def followed_by(self, S: Any, constant: FloatArray) -> PolynomialMap:
        """The map ``z -> constant + S M φ(z)``: S after this one without its constant."""
        M = self._M.entries if isinstance(self._M, Layered) else self._M
        return PolynomialMap(constant, M.then(S) if isinstance(M, EntryLayers) else S @ M, self._factors, self._count)

    def __call__(self, z: FloatArray) -> FloatArray:
        """The values, (..., count) to (..., m)."""
        values = self._map(z if self.is_linear else self._at(z).prod(axis=-1))
        if self._constant is not None:
            return values + self._constant
        return values.copy() if values is z else values

    @property
    def constant(self) -> FloatArray:
        """The numbers c, (m,)."""
        return np.zeros(self.size) if self._constant is None else self._constant.copy()

    def push(self, z: FloatArray, moves: FloatArray) -> FloatArray:
        """How they move with z, (..., count) to (..., m)."""
        if self.is_linear:
            return self._map(moves)
        parts = zip(self._choices, self._slopes(z), strict=True)
        return self._map(np.asarray(sum(choice(moves) * slope for choice, slope in parts)))

    def pull(self, z: FloatArray, seeds: FloatArray) -> FloatArray:
        """Gradients in z of combinations of the values, (..., m) to (..., count)."""
        seeds = self._map.transposed(seeds)
        if self.is_linear:
            return seeds
        parts = zip(self._choices, self._slopes(z), strict=True)
        return np.asarray(sum(choice.transposed(seeds * slope) for choice, slope in parts))

    def turn(self, z: FloatArray, moves: FloatArray, seeds: FloatArray) -> FloatArray:
        """How `pull` of seeds moves with z: second derivatives along moves (..., count), to (..., count)."""
        seeds = self._map.transposed(seeds)
        out = np.zeros(np.broadcast_shapes(z.shape, moves.shape, (*seeds.shape[:-1], z.shape[-1])))
        if self.is_linear:
            return out
        factors, moved = self._at(z), [choice(moves) for choice in self._choices]
        for k, l in itertools.permutations(range(len(moved)), 2):
            rest = np.delete(factors, [k, l], axis=-1).prod(axis=-1)
            out = out + self._choices[k].transposed(seeds * rest * moved[l])
        return out

    def _at(self, z: FloatArray) -> FloatArray:
        """The factors of each product, (..., products, K)."""
        assert self._factors is not None  # of what is not linear
        padded = np.concatenate([z, np.ones((*z.shape[:-1], 1))], axis=-1)  # which the number -1 names
        return np.asarray(padded[..., self._factors])

    def _slopes(self, z: FloatArray) -> list[FloatArray]:
        """The derivatives of the products in their k-th factors, for each k."""
        factors = self._at(z)
        return [np.delete(factors, k, axis=-1).prod(axis=-1) for k in range(len(self._choices))]


def _chosen(places: IntArray, count: int) -> sp.csr_array:
    """The matrix that takes entries at places out of (count,), and zero for the place -1."""
    rows = np.flatnonzero(places >= 0)
    return sp.csr_array((np.ones(len(rows)), (rows, places[rows])), shape=(len(places), count))
