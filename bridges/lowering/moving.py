"""How the numbers of a form depend on the parameters of the model: a sparse polynomial map, and its derivatives.

The numbers that move are entries of P, q, r, of the rows' coefficients, constants and curvature, and of F and g. Each
is its fixed part and products of parameters times fixed factors. Infinite parameters (right-hand sides that mean no
bound) make rows free and enter no arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import final

import numpy as np
import scipy.sparse as sp

from ...modelkit.arrays import FloatArray, IntArray
from ...modelkit.form import Form, Slots
from ...modelkit.form.entry_layers import EntryLayers
from ...modelkit.form.polynomial_map import PolynomialMap
from .chunks import Chunk, Place
from .moving_derivative import Entries, MovingDerivative
from .terms import MovingTerms, ProductTable

__all__ = ["MovingNumbers"]

_FULL = 4
"""So many places for each entry of a matrix are few."""
Curved = tuple[IntArray, IntArray, IntArray, FloatArray]


@final
class MovingNumbers:
    """The map from parameters to the numbers of a form.

    Parameters
    ----------
    form : whose numbers are the fixed parts
    chunks : those with terms that move
    objective : such terms of the objective
    table : of the products
    count : of parameters
    curved : the fixed quadratic terms of the form's rows
    """

    def __init__(
        self,
        form: Form,
        chunks: Sequence[Chunk],
        objective: MovingTerms,
        table: ProductTable,
        count: int,
        curved: list[Curved],
    ) -> None:
        rows = _alive(chunks, Place.ROWS)
        cones = _alive(chunks, Place.CONES)
        self._curved = curved
        constant, linear, square = _by_degree(objective)
        i, j = square.first, square.second
        # each entry and, on the other side of the diagonal, its twin; P is symmetric, so columns are lines
        both = [_places(form.P, line, other) for line, other in ((j, i), (i, j))]
        P_at, self._P_place = _joined(np.concatenate(both))
        q_at, self._q = _joined(linear.first)
        c_rows, A_rows, Q_rows = _by_degree(rows)
        g_cones, F_cones, _ = _by_degree(cones)
        A_at, self._A_place = _joined(_places(form.A, A_rows.row, A_rows.first))
        F_at, self._F_place = _joined(_places(form.F, F_cones.row, F_cones.first))
        c_at, self._c = _joined(c_rows.row)
        g_at, self._g = _joined(g_cones.row)
        self._Q = Q_rows.row, Q_rows.first, Q_rows.second
        self._A = _row_of(form.A, self._A_place), form.A.indices[self._A_place].astype(np.int64)
        self._F = _row_of(form.F, self._F_place), form.F.indices[self._F_place].astype(np.int64)
        self._P = form.P.indices[self._P_place].astype(np.int64), _row_of(form.P, self._P_place)
        groups: list[tuple[list[tuple[IntArray, MovingTerms]], FloatArray]] = [
            # (where among its kind, terms) of each layer, and the fixed parts
            ([(P_at[: len(i)], square), (P_at[len(i) :], square)], form.P.data[self._P_place]),
            ([(q_at, linear)], form.q[self._q]),
            ([(constant.row, constant)], np.full(min(len(constant), 1), form.r)),
            ([(A_at, A_rows)], form.A.data[self._A_place]),
            ([(F_at, F_cones)], form.F.data[self._F_place]),
            ([(c_at, c_rows)], np.zeros(len(self._c))),
            ([(g_at, g_cones)], form.g[self._g]),
            ([(np.arange(len(Q_rows)), Q_rows)], np.zeros(len(Q_rows))),
        ]
        ends = np.cumsum([0, *(len(base) for _, base in groups)]).tolist()
        self._slices = tuple(slice(a, b) for a, b in pairwise(ends))
        self.base: FloatArray = np.concatenate([base for _, base in groups])
        layers = tuple(
            (at + end, table.rows(terms.code, count), terms.coef)
            for (parts, _), end in zip(groups, ends, strict=False)
            for at, terms in parts
        )
        factors = table.several(count)
        M = EntryLayers(layers, (len(self.base), count if factors is None else len(factors)))
        self.map = PolynomialMap(self.base, M, factors, count)
        alone = (layers[6][0] - ends[5], *layers[6][1:])
        sides = EntryLayers((alone,), (len(self._c), M.shape[1])).tocsr()
        self._alone = sp.csr_array(sides[:, :count])  # to find rows with infinite sides
        self._lower, self._upper = form.row_lower[self._c].copy(), form.row_upper[self._c].copy()
        self._now: FloatArray = self.base.copy()
        self._infinite = np.zeros(len(self._c), bool)
        self._entries: tuple[Slots, Entries] | None = None
        self._derivative: tuple[Slots, MovingDerivative] | None = None

    @property
    def size(self) -> int:
        """How many numbers move."""
        return len(self.base)

    def entries(self, slots: Slots) -> Entries:
        """Which they are."""
        if self._entries is None or self._entries[0] != slots:
            P, q, r, A, F, c, g, Q = self._slices
            merged = P, q, r, slice(A.start, F.stop), slice(c.start, g.stop), Q
            coefficients = (
                np.concatenate([slots.of_rows(self._A[0]), slots.of_cones(self._F[0])]),
                np.concatenate([self._A[1], self._F[1]]),
            )
            constants = np.concatenate([slots.of_rows(self._c), slots.of_cones(self._g)])
            found = Entries(merged, self._P, self._q, coefficients, constants, self._Q)
            self._entries = slots, found
        return self._entries[1]

    def derivative(self, slots: Slots) -> MovingDerivative:
        """Between moves of these numbers and right-hand sides of the KKT system, made once."""
        if self._derivative is None or self._derivative[0] != slots:
            self._derivative = slots, MovingDerivative(self.entries(slots), slots)
        return self._derivative[1]

    # ------------------------------------------------------------------ the numbers
    def apply(self, form: Form, theta: FloatArray) -> None:
        """Write the numbers at these parameters (count,), infinite ones included, into the form."""
        finite = np.isfinite(theta)
        infinite = np.zeros(len(self._c), bool)
        if not finite.all():
            infinite[np.unique(sp.coo_array(self._alone[:, np.flatnonzero(~finite)]).coords[0])] = True
            theta = np.where(finite, theta, 0.0)
        values = self.map(theta)
        if (values == self._now).all() and (infinite == self._infinite).all():
            return
        self._write(form, values, infinite)

    def take_back(self, form: Form) -> None:
        """Leave the fixed parts in the form."""
        self._write(form, self.base.copy(), np.zeros(len(self._c), bool))

    def _write(self, form: Form, values: FloatArray, infinite: np.ndarray) -> None:
        moved = values != self._now
        P, q, r, A, F, c, g, Q = self._slices
        if moved[P.start : r.stop].any():
            costs, constant, matrix = form.q.copy(), form.r, None
            costs[self._q] = values[q]
            if r.stop > r.start:
                constant = float(values[r][0])
            if moved[P].any():
                matrix = form.P.copy()
                matrix.data[self._P_place] = values[P]
            form.set_objective(matrix, costs, constant)
        if moved[A].any():
            which = np.flatnonzero(moved[A])
            form.set_entries(self._A_place[which], values[A][which], self._A[0][which])
        if moved[F].any() or moved[g].any():
            data, constants = form.F.data.copy(), form.g.copy()
            data[self._F_place], constants[self._g] = values[F], values[g]
            form.set_cone_numbers(data if moved[F].any() else None, constants if moved[g].any() else None)
        which = np.flatnonzero(moved[c] | (infinite != self._infinite))
        if len(which):
            shift, free = values[c][which], infinite[which]
            lower = np.where(free, -np.inf, self._lower[which] - shift)
            form.set_sides(self._c[which], lower, np.where(free, np.inf, self._upper[which] - shift))
        if moved[Q].any():
            form.set_row_curvature([*self._curved, (*self._Q, values[Q])])
        self._now, self._infinite = values, infinite


def _alive(chunks: Sequence[Chunk], place: Place) -> MovingTerms:
    """The terms of the chunks in one place, in rows of the form or of F."""
    parts = []
    for chunk in chunks:
        if chunk.place is place:
            moving = chunk.moving
            if not chunk.alive.all():
                moving = moving.take(np.flatnonzero(chunk.alive[moving.row // max(chunk.p, 1)]))
            parts.append(moving.placed(chunk.positions + chunk.start))
    return MovingTerms.stack(parts)


def _by_degree(terms: MovingTerms) -> tuple[MovingTerms, MovingTerms, MovingTerms]:
    """Constant, affine and quadratic terms."""
    degree = (terms.first >= 0).astype(np.int8) + (terms.second >= 0)
    if len(terms) and (degree == degree[0]).all():
        nothing = MovingTerms.none()
        zero, one, two = (terms if d == degree[0] else nothing for d in range(3))
        return zero, one, two
    zero, one, two = (terms.take(np.flatnonzero(degree == d)) for d in range(3))
    return zero, one, two


def _joined(places: IntArray) -> tuple[IntArray, IntArray]:
    """Where each of some places is among the different ones, and these, in order."""
    if len(places) > 1 and not (places[1:] > places[:-1]).all():
        there = np.zeros(int(places.max()) + 1, bool)
        there[places] = True
        if there.all():
            return places, np.arange(len(there))
        return np.cumsum(there)[places] - 1, np.flatnonzero(there)
    return np.arange(len(places)), places


def _places(matrix: sp.csr_array | sp.csc_array, line: IntArray, other: IntArray) -> IntArray:
    """Positions in the data of a compressed matrix of entries that are there, by their lines and other indices."""
    if not len(line):
        return np.zeros(0, np.int64)
    width = matrix.shape[1] if matrix.format == "csr" else matrix.shape[0]
    wanted = line * width + other
    if matrix.nnz == width * (len(matrix.indptr) - 1) and matrix.has_canonical_format:
        return np.asarray(wanted, np.int64)  # all entries are stored
    there = np.zeros(len(matrix.indptr) - 1, bool)
    there[line] = True
    lines = np.flatnonzero(there)
    counts = np.diff(matrix.indptr).astype(np.int64)
    from_lines = np.repeat(lines, counts[lines])
    ends = np.cumsum(counts[lines])
    at = np.arange(int(ends[-1])) + np.repeat(matrix.indptr[lines] - (ends - counts[lines]), counts[lines])
    keys = from_lines * width + matrix.indices[at]
    if np.array_equal(keys, wanted):
        return np.asarray(at, np.int64)
    if len(there) * width <= _FULL * len(keys):  # a table of all places is faster than to search
        table = np.empty(len(there) * width, np.int64)
        table[keys] = at
        return np.asarray(table[wanted], np.int64)
    order = slice(None) if (np.diff(keys) > 0).all() else np.argsort(keys, kind="stable")
    return np.asarray(at[order][np.searchsorted(keys[order], wanted)], np.int64)


def _row_of(matrix: sp.csr_array | sp.csc_array, places: IntArray) -> IntArray:
    """The lines in which entries of a compressed matrix stand."""
    if len(places) < len(matrix.indptr):
        return np.searchsorted(matrix.indptr, places, side="right").astype(np.int64) - 1
    rows: IntArray = np.repeat(np.arange(len(matrix.indptr) - 1), np.diff(matrix.indptr))
    return rows if len(places) == len(rows) else rows[places]
