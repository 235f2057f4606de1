"""From parameters to the numbers of a matrix form: sparse, and polynomial in the parameters.

The numbers are one vector, ``d = d0 + M φ``, of the entries of P, q, r, F and g; φ are the products of parameters that
occur in the model, single parameters first of all. Everything here takes time and memory in proportion to the terms.
"""

from __future__ import annotations

import copy
import itertools
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

__all__ = ["DataMap", "Numbers", "Pattern", "workable"]

_SMALL = 40_000

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@final
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

    @property
    def slices(self) -> tuple[slice, slice, slice, slice, slice]:
        """Of P, q, r, F and g."""
        ends = np.cumsum([0, len(self.P_indices), self.n, 1, len(self.F_indices), self.m]).tolist()
        return tuple(slice(a, b) for a, b in itertools.pairwise(ends))  # type: ignore[return-value]

    @property
    def P_columns(self) -> IntArray:
        """The column of each entry of P."""
        return np.repeat(np.arange(self.n), np.diff(self.P_indptr))

    @property
    def F_rows(self) -> IntArray:
        """The row of each entry of F."""
        return np.repeat(np.arange(self.m), np.diff(self.F_indptr))


@final
@dataclass(frozen=True, eq=False)
class Numbers:
    """The numbers of a form."""

    P: sp.csc_array
    q: FloatArray
    r: float
    F: sp.csr_array
    g: FloatArray


@final
class DataMap:
    """The map from parameters θ to d.

    Parameters
    ----------
    pattern : of the form
    d0 : (D,)
    M : csc_array (D, number of products)
    factors : (number of products, K) numbers of the parameters in each product, -1 for none
    """

    def __init__(self, pattern: Pattern, d0: FloatArray, M: sp.csc_array, factors: IntArray) -> None:
        self.pattern = pattern
        self._d0 = d0
        self._M, self._Mt = workable(sp.csr_array(M)), workable(sp.csr_array(M.T))
        self._factors = factors
        self._slices = pattern.slices
        p, zeros = pattern, (np.zeros(len(pattern.P_indices)), np.zeros(len(pattern.F_indices)))
        self._P = sp.csc_array((zeros[0], p.P_indices, p.P_indptr), shape=(p.n, p.n))
        self._F = sp.csr_array((zeros[1], p.F_indices, p.F_indptr), shape=(p.m, p.n))
        # products of one parameter need no multiplication
        self._single = factors[:, 0] if factors.shape[1] == 1 else None

    @property
    def curves(self) -> bool:
        """Whether P depends on the parameters."""
        return bool(abs(self._M[self.pattern.slices[0]]).sum())

    # ------------------------------------------------------------------ the numbers
    def data(self, theta: FloatArray) -> FloatArray:
        """The numbers at θ (p,), or at each of (B, p): (D,) or (B, D)."""
        products = self._products(theta)
        moved: FloatArray = (self._M @ products.T).T
        return moved + self._d0

    def numbers(self, data: FloatArray) -> Numbers:
        """The numbers as matrices and vectors (which share memory with d)."""
        P, q, r, F, g = self._slices
        matrices = copy.copy(self._P), copy.copy(self._F)  # SciPy's checks would cost more than a small solve
        matrices[0].data, matrices[1].data = data[P], data[F]
        return Numbers(matrices[0], data[q], float(data[r.start]), matrices[1], data[g])

    def _products(self, theta: FloatArray) -> FloatArray:
        if self._single is not None:
            return theta[..., self._single]
        padded = np.concatenate([theta, np.ones((*theta.shape[:-1], 1))], axis=-1)
        return np.asarray(padded[..., self._factors].prod(axis=-1))

    # ------------------------------------------------------------------ derivatives
    def tangent(self, theta: FloatArray, moves: FloatArray) -> FloatArray:
        """How d moves with θ: (..., p) to (..., D)."""
        moved: FloatArray = (self._M @ self._product_moves(theta, moves).T).T
        return moved

    def _product_moves(self, theta: FloatArray, moves: FloatArray) -> FloatArray:
        if self._single is not None:
            return moves[..., self._single]
        total = np.zeros((*moves.shape[:-1], len(self._factors)))
        for column in range(self._factors.shape[1]):
            total += self._others(theta, column) * _padded(moves)[..., self._factors[:, column]]
        return total

    def gradient(self, theta: FloatArray, of_data: FloatArray) -> FloatArray:
        """Gradient in θ from that in d: (..., D) to (..., p)."""
        of_products: FloatArray = (self._Mt @ of_data.T).T
        count = theta.shape[-1]
        total = np.zeros((*of_products.shape[:-1], count + 1))
        for column in range(self._factors.shape[1]):
            weight = of_products if self._single is not None else of_products * self._others(theta, column)
            np.add.at(total.T, self._factors[:, column], weight.T)  # -1 goes to the last place
        return total[..., :count]

    def _others(self, theta: FloatArray, column: int) -> FloatArray:
        """The products without one of their factors."""
        rest = np.delete(self._factors, column, axis=1)
        return np.asarray(_padded(theta, 1.0)[..., rest].prod(axis=-1))


def workable(matrix: Any) -> Any:
    """A small sparse matrix as an array, whose products are ten times faster; a large one as it is."""
    return matrix.toarray() if matrix.shape[0] * matrix.shape[1] <= _SMALL else matrix


def _padded(values: FloatArray, last: float = 0.0) -> FloatArray:
    """With one more entry, which the number -1 names."""
    return np.concatenate([values, np.full((*values.shape[:-1], 1), last)], axis=-1)
