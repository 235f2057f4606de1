"""From parameters to the numbers of a matrix form: sparse, and polynomial in the parameters.

The numbers are one vector, ``d = d0 + M φ``, of the entries of P, q, r, F and g; φ are the products of parameters that
occur in the model. Everything here takes time and memory in proportion to the terms.
"""

from __future__ import annotations

import copy
import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ....modelkit.arrays import FloatArray, IntArray
from ....modelkit.form.polynomial_map import PolynomialMap

__all__ = ["DataMap", "Pattern"]


@dataclass(frozen=True, eq=False)
class Pattern:
    """Where the numbers of a form stand in the vector d.

    Attributes
    ----------
    P_indptr, P_indices : of the symmetric CSC matrix P, n columns, both triangles
    F_indptr, F_indices : of the CSR matrix F, m rows
    """

    n: int
    m: int
    P_indptr: NDArray[Any]
    P_indices: NDArray[Any]
    F_indptr: NDArray[Any]
    F_indices: NDArray[Any]

    @cached_property
    def slices(self) -> tuple[slice, slice, slice, slice, slice]:
        """Of P, q, r, F and g."""
        ends = np.cumsum([0, len(self.P_indices), self.n, 1, len(self.F_indices), self.m]).tolist()
        return tuple(slice(a, b) for a, b in itertools.pairwise(ends))  # type: ignore[return-value]

    @cached_property
    def P_columns(self) -> IntArray:
        """The column of each entry of P."""
        return np.repeat(np.arange(self.n), np.diff(self.P_indptr))

    @cached_property
    def F_rows(self) -> IntArray:
        """The row of each entry of F."""
        return np.repeat(np.arange(self.m), np.diff(self.F_indptr))


@final
class DataMap:
    """The map from parameters θ to d.

    Parameters
    ----------
    pattern : of the form
    d0 : (D,)
    M : csc_array (D, number of products)
    factors : (number of products, K) numbers of the parameters in each product, -1 for none
    count : of the parameters

    Attributes
    ----------
    is_linear : whether d is affine in the parameters
    moving : (T,) the entries of d that depend on the parameters, in order; derivatives are of these alone
    """

    def __init__(self, pattern: Pattern, d0: FloatArray, M: sp.csc_array, factors: IntArray, count: int) -> None:
        self.pattern = pattern
        self._d0 = d0
        rows = sp.csr_array(M)
        rows.eliminate_zeros()
        self.moving: IntArray = np.flatnonzero(np.diff(rows.indptr))
        first, size = int(self.moving.min(initial=0)), len(self.moving)
        adjacent = np.array_equal(self.moving, np.arange(first, first + size))
        self._at: Any = slice(first, first + size) if adjacent else self.moving
        self._map = PolynomialMap(d0[self.moving], rows[self.moving], factors, count)
        # where most entries move, the few others cost less as rows of zeros than apart
        self._all = PolynomialMap(d0, rows, factors, count) if 2 * size > len(d0) else None
        self.is_linear = self._map.is_linear
        p, zeros = pattern, (np.zeros(len(pattern.P_indices)), np.zeros(len(pattern.F_indices)))
        self._P = sp.csc_array((zeros[0], p.P_indices, p.P_indptr), shape=(p.n, p.n))
        self._F = sp.csr_array((zeros[1], p.F_indices, p.F_indptr), shape=(p.m, p.n))

    def moves(self, part: int) -> bool:
        """Whether P, q, r, F or g, counted from 0, depends on the parameters."""
        place = self.pattern.slices[part]
        return bool(np.searchsorted(self.moving, place.start) < np.searchsorted(self.moving, place.stop))

    # ------------------------------------------------------------------ the numbers
    def data(self, theta: FloatArray) -> FloatArray:
        """The numbers at θ (p,), or at each of (B, p): (D,) or (B, D)."""
        if self._all is not None:
            return self._all(theta)
        out = np.empty((*theta.shape[:-1], len(self._d0)))
        out[...] = self._d0
        out[..., self._at] = self._map(theta)
        return out

    def numbers(self, data: FloatArray) -> tuple[sp.csc_array, FloatArray, float, sp.csr_array, FloatArray]:
        """P, q, r, F and g of the numbers (D,), with which they share memory."""
        P, q, r, F, g = self.pattern.slices
        matrices = copy.copy(self._P), copy.copy(self._F)  # SciPy's checks would cost more than a small solve
        matrices[0].data, matrices[1].data = data[P], data[F]
        return matrices[0], data[q], float(data[r.start]), matrices[1], data[g]

    # ------------------------------------------------------------------ derivatives
    def tangent(self, theta: FloatArray, moves: FloatArray) -> FloatArray:
        """How the moving entries of d move with θ: (..., p) to (..., T)."""
        return self._map.push(theta, moves)

    def gradient(self, theta: FloatArray, of_moving: FloatArray) -> FloatArray:
        """Gradient in θ from that in the moving entries of d: (..., T) to (..., p)."""
        return self._map.pull(theta, of_moving)

    def turn(self, theta: FloatArray, moves: FloatArray, of_moving: FloatArray) -> FloatArray:
        """How `gradient` moves with θ along moves (..., p), to (..., p)."""
        return self._map.turn(theta, moves, of_moving)
