"""From parameters to the numbers of a small quadratic program: P, q, r, F and g as dense arrays, many at once.

The rows are one-sided, ``F x + g`` in zero cones, then in nonnegative ones (`Stacked`). Where P or F does not depend on
the parameters it is one array for all; the other numbers are one vector, a polynomial map of the parameters.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple, final

import numpy as np
import scipy.sparse as sp

from ....bridges.lowering.moving import MovingNumbers
from ....modelkit.arrays import FloatArray, IntArray, Places, compact
from ....modelkit.form import Form
from ....modelkit.form.polynomial_map import PolynomialMap
from ....modelkit.form.stacked import Stacked

__all__ = ["DenseNumbers", "Programs"]


class Programs(NamedTuple):
    """B programs: (B, n, n), (B, n), (B, m, n), (B, m); P and F alone for all of them if no parameter is in them."""

    P: FloatArray
    q: FloatArray
    F: FloatArray
    g: FloatArray

    def take(self, items: Any) -> Programs:
        """Some of them."""
        P, F = (M if len(M) == 1 < len(self.q) else M[items] for M in (self.P, self.F))
        return Programs(P, self.q[items], F, self.g[items])


@final
class DenseNumbers:
    """The numbers of forms with the same rows.

    Parameters
    ----------
    form : any of them, at the fixed parts of the numbers that move
    moving : from parameters to these numbers
    layout : of the one-sided rows, all linear and in no other cones

    Attributes
    ----------
    n, m : columns and one-sided rows
    zeros : how many rows, the first, are in zero cones
    """

    def __init__(self, form: Form, moving: MovingNumbers, layout: Stacked) -> None:
        self.n, self.m, self.zeros = form.n, layout.m, layout.zeros
        rows = layout.matrices(form)
        P, F = rows.P.toarray(), rows.F.toarray()
        entries = moving.entries(form)
        self._P = P if not len(entries.P[0]) else None
        self._F = F if not len(entries.coefficients[0]) else None
        parts = [np.zeros(0) if self._P is not None else P, rows.q, np.array([rows.r])]
        parts += [np.zeros(0) if self._F is not None else F, rows.g]
        ends = np.cumsum([0, *(part.size for part in parts)]).tolist()
        self._slices = tuple(slice(a, b) for a, b in pairwise(ends))
        d0: FloatArray = np.concatenate([part.ravel() for part in parts])
        at_P, at_q, at_r, at_F, at_g = (part.start for part in self._slices)
        i, j = entries.P
        slot, column = entries.coefficients
        F_row, F_of, F_sign = _spread(layout, slot)
        g_row, g_of, g_sign = _spread(layout, entries.constants)
        starts = [part.start for part in entries.slices]
        place = [at_P + i * self.n + j, at_q + entries.q, np.full(entries.slices[2].stop - starts[2], at_r)]
        place += [at_F + F_row * self.n + column[F_of], at_g + g_row]
        of = [np.arange(len(one)) + start for one, start in zip(place[:3], starts, strict=False)]
        of += [F_of + starts[3], g_of + starts[4]]
        sign = [np.ones(len(one)) for one in place[:3]] + [F_sign, g_sign]
        at, where = np.concatenate(place), np.concatenate(of)
        S = sp.csr_array(sp.coo_array((np.concatenate(sign), (at, where)), shape=(len(d0), moving.map.size)))
        moved = np.flatnonzero(np.diff(S.indptr))
        # where most entries move, the few others cost less as rows of zeros than apart
        self._fixed: tuple[FloatArray, Places] | None = None  # all numbers, and which of them move
        if 2 * len(moved) <= len(d0):
            self._fixed, S, d0 = (d0, compact(moved)), S[moved], d0[moved]
        self._map: PolynomialMap = moving.map.followed_by(S, d0)
        self._ordinary = [_are_ordinary(M.reshape(1, -1))[0] for M in (P, F)]

    def data(self, theta: FloatArray) -> FloatArray:
        """All numbers that may move, at θ (p,) or at each of (B, p)."""
        moved = self._map(theta)
        if self._fixed is None:
            return moved
        fixed, at = self._fixed
        out = np.empty((*theta.shape[:-1], len(fixed)))
        out[...] = fixed
        out[..., at] = moved
        return out

    def programs(self, data: FloatArray) -> Programs:
        """The programs of the numbers (B, D)."""
        P, q, _, F, g = (data[:, part] for part in self._slices)
        return Programs(
            P.reshape(-1, self.n, self.n) if self._P is None else self._P[None],
            q,
            F.reshape(-1, self.m, self.n) if self._F is None else self._F[None],
            g,
        )

    def program(self, data: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """P, q, F and g of the numbers (D,)."""
        P, q, _, F, g = self._slices
        return (
            data[P].reshape(self.n, self.n) if self._P is None else self._P,
            data[q],
            data[F].reshape(self.m, self.n) if self._F is None else self._F,
            data[g],
        )

    def constant(self, data: FloatArray) -> FloatArray:
        """The constants r of the objectives of (..., D)."""
        r: FloatArray = data[..., self._slices[2].start]
        return r

    def are_ordinary(self, data: FloatArray) -> np.ndarray:
        """Of which of the numbers (B, D) the matrices have entries of about the same size."""
        ordinary = np.ones(len(data), bool)
        for fixed, is_fixed, at in zip(
            self._ordinary, (self._P is not None, self._F is not None), (self._slices[0], self._slices[3]), strict=True
        ):
            ordinary &= fixed if is_fixed else _are_ordinary(data[:, at])
        return ordinary


_ORDINARY = 1e4
"""Ratio of the entries of a matrix up to which what is small beside the whole program is small in its own unit."""


def _are_ordinary(entries: FloatArray) -> np.ndarray:
    """(B,) of which rows the entries other than zero are of about the same size."""
    sizes = np.abs(entries)
    least = np.where(sizes > 0.0, sizes, np.inf).min(axis=1, initial=np.inf)
    return np.asarray(sizes.max(axis=1, initial=0.0) <= _ORDINARY * least)


def _spread(layout: Stacked, slot: IntArray) -> tuple[IntArray, IntArray, FloatArray]:
    """One-sided rows of entries in slots, which entry each is of, and its sign there: one for each side of a slot."""
    rows, of = [slot[:0]], [slot[:0]]
    for side in (layout.sign > 0.0, layout.sign < 0.0):
        place = np.full(int(layout.slot.max(initial=-1)) + 2, -1)
        which = np.flatnonzero(side)
        place[layout.slot[which]] = which
        found = place[np.minimum(slot, len(place) - 1)]
        there = np.flatnonzero(found >= 0)
        rows.append(found[there])
        of.append(there)
    row = np.concatenate(rows)
    return row, np.concatenate(of), layout.sign[row]
