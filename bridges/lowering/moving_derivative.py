r"""Between moves of a form's moving numbers and right-hand sides of the KKT system at its solution, both ways.

With ``dx, dy`` the solution for the right-hand side ``(dAᵀy - dP x - dq, dA x + dc)`` over all slots, and ``w, wy``
that for a seed, the gradients of the seed's value are ``-½ (w xᵀ + x wᵀ)`` in P, ``-w`` in q, ``y wᵀ + wy xᵀ`` in A and
``wy`` in c, and ``y (w_i x_j + x_i w_j) + wy x_i x_j`` in a quadratic term of a row (B. Amos, J. Z. Kolter, *OptNet*,
ICML 2017, equations 6 to 8, in the signs of docs/design.md, section 5). A seed of the objective adds to them what the
envelope theorem says.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
import scipy.sparse as sp

from ...modelkit.arrays import FloatArray, IntArray, Places
from ...modelkit.form import Slots
from ...modelkit.form.linear_map import LinearMap

__all__ = ["Entries", "MovingDerivative"]


@final
@dataclass(frozen=True, slots=True, eq=False)
class Entries:
    """Which numbers of a form move, in this order: P, q, r, coefficients, constants, curvature.

    Attributes
    ----------
    slices : of these six
    P, q : (i, j) and j; coefficients : (slot, column); constants : slots; curvature : (slot, first, second)
    """

    slices: tuple[slice, ...]
    P: tuple[IntArray, IntArray]
    q: IntArray
    coefficients: tuple[IntArray, IntArray]
    constants: IntArray
    curvature: tuple[IntArray, IntArray, IntArray]


@final
class MovingDerivative:
    """The derivatives in the numbers that move, (K, T).

    Solutions x and y are (n,) and (slots,), the same for all K, or (K, n) and (K, slots).

    Parameters
    ----------
    entries : which they are
    slots : of the form

    Attributes
    ----------
    is_bilinear : whether a gradient is linear in (x, y, 1) and in (w, wy), seeds of the objective aside
    turns : whether coefficients of rows are among them
    """

    def __init__(self, entries: Entries, slots: Slots) -> None:
        self._slices = entries.slices
        n, size = slots.columns, slots.size
        self._size = entries.slices[-1].stop
        # P is symmetric: its columns, which are stored, are its rows
        self._P, self._A = _Entries(*entries.P[::-1], (n, n)), _Entries(*entries.coefficients, (size, n))
        self._q, self._c = _Places(entries.q, n), _Places(entries.constants, size)
        self._has_r = entries.slices[2].stop > entries.slices[2].start
        self.is_bilinear = not len(entries.curvature[0])
        self.turns = not self.is_bilinear or len(entries.coefficients[0]) > 0
        self._Q = None if not len(entries.curvature[0]) else _Squares(*entries.curvature, (size, n))

    def gradient(self, x: FloatArray, y: FloatArray, w: FloatArray, wy: FloatArray, seeds: FloatArray) -> FloatArray:
        """From w (K, n), wy (K, slots) and seeds of the objective (K, 1): (K, T)."""
        out = np.empty((len(w), self._size))
        P, q, r, A, c, Q = self._slices
        half = 0.5 * x
        if self._P.count or self._q.count:
            v = seeds * half - w
            if self._q.count:
                out[:, q] = self._q.take(v + seeds * half)
            if self._P.count:
                np.add(self._P.products(v, half), self._P.products(half, v), out=out[:, P])
        if self._has_r:
            out[:, r] = seeds
        if self._A.count or self._c.count or self._Q is not None:
            wy = wy - seeds * y
            if self._A.count:
                np.add(self._A.products(wy, x), self._A.products(y, w), out=out[:, A])
            if self._c.count:
                out[:, c] = self._c.take(wy)
            if self._Q is not None:
                out[:, Q] = self._Q.gradient(x, y, w, wy)
        return out

    def of_lagrangian(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """The derivatives of the Lagrangian in the numbers, of which the duals of parameters are made: (K, T)."""
        none = np.zeros_like(np.atleast_2d(x)), np.zeros_like(np.atleast_2d(y))
        return self.gradient(x, y, *none, np.ones((1, 1)))

    def right_hand_sides(
        self, x: FloatArray, y: FloatArray, moves: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """From moves (K, T): (K, n), (K, slots), and how the objective moves by itself (K,)."""
        dP, dq, dr, dA, dc, dQ = (moves[:, part] for part in self._slices)
        Px = self._P.times(dP, x)
        linear = self._q.spread(dq)
        rows = self._A.times(dA, x) + self._c.spread(dc)
        primal = self._A.transposed_times(dA, y) - Px - linear
        if self._Q is not None:
            added = self._Q.times(dQ, x, y)
            primal, rows = primal + added[0], rows + added[1]
        values = ((0.5 * Px + linear) * x).sum(axis=1) - (rows * y).sum(axis=1) + dr.sum(axis=1)
        return primal, rows, values


class _Entries:
    """Some entries of matrices of one shape."""

    def __init__(self, row: IntArray, column: IntArray, shape: tuple[int, int]) -> None:
        self.count, self._shape = len(row), shape
        self._rows = _whole_rows(row, column, shape[1])
        if self._rows is None:
            self._row, self._column = row, column

    def products(self, a: FloatArray, b: FloatArray) -> FloatArray:
        """The entries of ``a bᵀ``."""
        if self._rows is not None:
            product: FloatArray = a[..., self._rows, None] * b[..., None, :]
            return product.reshape(*product.shape[:-2], self.count)
        return a.take(self._row, axis=-1) * b.take(self._column, axis=-1)

    def _as_rows(self, entries: FloatArray) -> FloatArray:
        return entries.reshape(len(entries), self.count // self._shape[1], self._shape[1])

    @cached_property
    def _to_rows(self) -> LinearMap:
        return _spread(self._row, self._shape[0])

    @cached_property
    def _to_columns(self) -> LinearMap:
        return _spread(self._column, self._shape[1])

    def times(self, entries: FloatArray, v: FloatArray) -> FloatArray:
        """Products of the matrices with vectors."""
        if self._rows is not None:
            out = np.zeros((len(entries), self._shape[0]))
            out[:, self._rows] = (self._as_rows(entries) @ v[..., :, None])[..., 0]
            return out
        return self._to_rows(entries * v.take(self._column, axis=-1))

    def transposed_times(self, entries: FloatArray, v: FloatArray) -> FloatArray:
        """Products of the transposed matrices with vectors."""
        if self._rows is not None:
            return np.asarray((v[..., None, self._rows] @ self._as_rows(entries))[..., 0, :])
        return self._to_columns(entries * v.take(self._row, axis=-1))


class _Places:
    """Some entries of vectors of one length."""

    def __init__(self, places: IntArray, length: int) -> None:
        self.count, self._places, self._length = len(places), places, length
        self._is_full = len(places) == length and np.array_equal(places, np.arange(length))

    def take(self, values: FloatArray) -> FloatArray:
        return values if self._is_full else values[..., self._places]

    def spread(self, entries: FloatArray) -> FloatArray:
        if self._is_full:
            return entries
        out = np.zeros((*entries.shape[:-1], self._length))
        out[..., self._places] = entries
        return out


class _Squares:
    """Quadratic terms of rows."""

    def __init__(self, slot: IntArray, first: IntArray, second: IntArray, shape: tuple[int, int]) -> None:
        self._slot, self._first, self._second = slot, first, second
        self._to_slots, self._to_first = _spread(slot, shape[0]), _spread(first, shape[1])
        self._to_second = _spread(second, shape[1])

    def gradient(self, x: FloatArray, y: FloatArray, w: FloatArray, wy: FloatArray) -> FloatArray:
        """``y (w_i x_j + x_i w_j) + wy x_i x_j``, (K, terms)."""
        a, b = x[..., self._first], x[..., self._second]
        return y[..., self._slot] * (w[:, self._first] * b + a * w[:, self._second]) + wy[:, self._slot] * (a * b)

    def times(self, moves: FloatArray, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Right-hand sides of the gradient and of the slots."""
        a, b, multiplier = x[..., self._first], x[..., self._second], y[..., self._slot]
        primal = self._to_first(moves * b * multiplier) + self._to_second(moves * a * multiplier)
        return primal, self._to_slots(moves * (a * b))


def _spread(at: IntArray, size: int) -> LinearMap:
    """What adds numbers up at places."""
    return LinearMap(sp.coo_array((np.ones(len(at)), (at, np.arange(len(at)))), shape=(size, len(at))))


def _whole_rows(row: IntArray, column: IntArray, width: int) -> Places | None:
    """The rows of a matrix that some entries are, row by row; None if they are others."""
    if not width or len(row) % width:
        return None
    rows = row[::width]
    if not (row.reshape(-1, width) == rows[:, None]).all() or not (column.reshape(-1, width) == np.arange(width)).all():
        return None
    first, count = int(rows.min(initial=0)), len(rows)
    return slice(first, first + count) if np.array_equal(rows, np.arange(first, first + count)) else rows
