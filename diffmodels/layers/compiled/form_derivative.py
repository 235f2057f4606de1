r"""Between moves of a form's numbers and right-hand sides of the KKT system at its solution, both ways.

With ``dx, dy`` the solution for the right-hand side ``(dFᵀy - dP x - dq, dF x + dg)``, and ``w, wy`` that for a seed,
the gradients of the seed's value are ``-½ (w xᵀ + x wᵀ)`` in P, ``-w`` in q, ``y wᵀ + wy xᵀ`` in F and ``wy`` in g
(B. Amos, J. Z. Kolter, *OptNet*, ICML 2017, equations 6 to 8, in the signs of DESIGN section 5). A seed of the
objective itself adds to them what the envelope theorem says.
"""

from __future__ import annotations

import itertools
from typing import final

import numpy as np
import scipy.sparse as sp

from ....modelkit.arrays import FloatArray, IntArray
from ....modelkit.form.linear_map import LinearMap
from .data_map import Pattern

__all__ = ["FormDerivative"]


@final
class FormDerivative:
    """The derivatives in the entries that depend on parameters, (K, T), in the order of `DataMap.moving`.

    Solutions x and y are (n,) and (m,), the same for all K, or (K, n) and (K, m).

    Parameters
    ----------
    pattern : of the form
    moving : (T,) which entries
    """

    def __init__(self, pattern: Pattern, moving: IntArray) -> None:
        ends = [0, *np.searchsorted(moving, [s.stop for s in pattern.slices]).tolist()]
        self._slices, self._size = [slice(a, b) for a, b in itertools.pairwise(ends)], len(moving)
        P, q, r, F, g = (moving[part] - s.start for part, s in zip(self._slices, pattern.slices, strict=True))
        n, m = pattern.n, pattern.m
        self._P = _Entries(pattern.P_columns[P], np.asarray(pattern.P_indices, np.int64)[P], (n, n))
        self._F = _Entries(pattern.F_rows[F], np.asarray(pattern.F_indices, np.int64)[F], (m, n))
        self._q, self._g = _Places(q, n), _Places(g, m)
        self._has_r = bool(len(r))

    def gradient(self, x: FloatArray, y: FloatArray, w: FloatArray, wy: FloatArray, seeds: FloatArray) -> FloatArray:
        """From w (K, n), wy (K, m) and seeds of the objective (K, 1): (K, T)."""
        out = np.empty((len(w), self._size))
        P, q, r, F, g = self._slices
        half = 0.5 * x
        if self._P.count or self._q.count:
            v = seeds * half - w
            if self._q.count:
                out[:, q] = self._q.take(v + seeds * half)
            if self._P.count:
                np.add(self._P.products(v, half), self._P.products(half, v), out=out[:, P])
        if self._has_r:
            out[:, r] = seeds
        if self._F.count or self._g.count:
            wy = wy - seeds * y
            if self._F.count:
                np.add(self._F.products(wy, x), self._F.products(y, w), out=out[:, F])
            if self._g.count:
                out[:, g] = self._g.take(wy)
        return out

    def right_hand_sides(
        self, x: FloatArray, y: FloatArray, moves: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """From moves (K, T): (K, n), (K, m), and how the objective moves by itself (K,)."""
        dP, dq, dr, dF, dg = (moves[:, part] for part in self._slices)
        Px = self._P.times(dP, x)
        linear = self._q.spread(dq)
        rows = self._F.times(dF, x) + self._g.spread(dg)
        values = ((0.5 * Px + linear) * x).sum(axis=1) - (rows * y).sum(axis=1) + dr.sum(axis=1)
        return self._F.transposed_times(dF, y) - Px - linear, rows, values


class _Entries:
    """Some entries of matrices of one shape."""

    def __init__(self, row: IntArray, column: IntArray, shape: tuple[int, int]) -> None:
        self.count, self._row, self._column, self._shape = len(row), row, column, shape
        self._is_full = np.array_equal(row * shape[1] + column, np.arange(shape[0] * shape[1]))
        place, ones = np.arange(len(row)), np.ones(len(row))
        self._to_rows = LinearMap(sp.coo_array((ones, (row, place)), shape=(shape[0], len(row))))
        self._to_columns = LinearMap(sp.coo_array((ones, (column, place)), shape=(shape[1], len(row))))

    def products(self, a: FloatArray, b: FloatArray) -> FloatArray:
        """The entries of ``a bᵀ``."""
        if self._is_full:
            product: FloatArray = a[..., :, None] * b[..., None, :]
            return product.reshape(*product.shape[:-2], self.count)
        return a.take(self._row, axis=-1) * b.take(self._column, axis=-1)

    def times(self, entries: FloatArray, v: FloatArray) -> FloatArray:
        """Products of the matrices with vectors."""
        return self._to_rows(entries * v.take(self._column, axis=-1))

    def transposed_times(self, entries: FloatArray, v: FloatArray) -> FloatArray:
        """Products of the transposed matrices with vectors."""
        return self._to_columns(entries * v.take(self._row, axis=-1))


class _Places:
    """Some entries of vectors of one length."""

    def __init__(self, places: IntArray, length: int) -> None:
        self.count, self._places, self._length = len(places), places, length
        self._is_full = len(places) == length

    def take(self, values: FloatArray) -> FloatArray:
        return values if self._is_full else values[..., self._places]

    def spread(self, entries: FloatArray) -> FloatArray:
        if self._is_full:
            return entries
        out = np.zeros((*entries.shape[:-1], self._length))
        out[..., self._places] = entries
        return out
