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

from ...modelkit.arrays import FloatArray, IntArray, Places, compact
from ...modelkit.form import Form, Slots
from ...modelkit.form.entry_layers import EntryLayers
from ...modelkit.form.polynomial_map import PolynomialMap
from .chunks import Chunk, Place
from .moving_derivative import Entries, MovingDerivative
from .terms import MovingTerms, ProductTable

__all__ = ["MovingNumbers"]

_FEW = 1000
"""So many places are looked up one by one."""
_FULL = 4
"""So many places for each entry of a matrix are few."""
Curved = tuple[IntArray, IntArray, IntArray, FloatArray]


@final
class MovingNumbers:
    """The map from parameters to the numbers of a form.

    It keeps neither these numbers nor what stands in the form's own patterns: a matrix of parameters costs its places.

    Parameters
    ----------
    form : whose numbers are the fixed parts
    chunks : those with terms that move
    objective : such terms of the objective
    table : of the products
    count : of parameters
    curved : the fixed quadratic terms of the form's rows

    Attributes
    ----------
    map : from parameters to the numbers that move, one after the other
    slices : of these: entries of P, q, r, coefficients of rows and cones, constants of both, curvature of rows
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
        P_at, P_place = _joined(np.concatenate([_places(form.P, *twin) for twin in ((j, i), (i, j))]))
        q_at, q_place = _joined(linear.first)
        c_rows, A_rows, Q_rows = _by_degree(rows)
        g_cones, F_cones, _ = _by_degree(cones)
        A_at, A_place = _joined(_places(form.A, A_rows.row, A_rows.first))
        F_at, F_place = _joined(_places(form.F, F_cones.row, F_cones.first))
        c_at, c_place = _joined(c_rows.row)
        g_at, g_place = _joined(g_cones.row)
        groups: list[tuple[list[tuple[IntArray, MovingTerms]], FloatArray]] = [
            # (where among its kind, terms) of each layer, and the fixed parts
            ([(P_at[: len(i)], square), (P_at[len(i) :], square)], form.P.data[P_place]),
            ([(q_at, linear)], form.q[q_place]),
            ([(constant.row, constant)], np.full(min(len(constant), 1), form.r)),
            ([(A_at, A_rows)], form.A.data[A_place]),
            ([(F_at, F_cones)], form.F.data[F_place]),
            ([(c_at, c_rows)], np.zeros(len(c_place))),
            ([(g_at, g_cones)], form.g[g_place]),
            ([(np.arange(len(Q_rows)), Q_rows)], np.zeros(len(Q_rows))),
        ]
        ends = np.cumsum([0, *(len(base) for _, base in groups)]).tolist()
        self._slices = P, q, r, A, F, c, g, Q = tuple(slice(a, b) for a, b in pairwise(ends))
        self.slices = P, q, r, slice(A.start, F.stop), slice(c.start, g.stop), Q
        self._P, self._q, self._A, self._F = (compact(place) for place in (P_place, q_place, A_place, F_place))
        # copied, for parts of the terms would keep all of them
        self._c, self._g = c_place.copy(), g_place.copy()
        self._Q = Q_rows.row.copy(), Q_rows.first.copy(), Q_rows.second.copy()
        layers = tuple(
            (at + end if end else at, table.rows(terms.code, count), terms.coef)
            for (parts, _), end in zip(groups, ends, strict=False)
            for at, terms in parts
        )
        factors = table.several(count)
        M = EntryLayers(layers, (ends[-1], count if factors is None else len(factors)))
        self.map = PolynomialMap(np.concatenate([base for _, base in groups]), M, factors, count)
        alone = (layers[6][0] - ends[5], *layers[6][1:])
        sides = EntryLayers((alone,), (len(self._c), M.shape[1])).tocsr()
        self._alone = sp.csr_array(sides[:, :count])  # to find rows with infinite sides
        self._lower, self._upper = form.row_lower[self._c].copy(), form.row_upper[self._c].copy()
        self._curvature: FloatArray = np.zeros(len(Q_rows))  # that the form has
        self._derivative: tuple[Slots, MovingDerivative] | None = None

    @property
    def moves_curvature(self) -> bool:
        """Whether quadratic terms of the objective move."""
        return bool(self.slices[0].stop > 0)

    @property
    def moves_curved_rows(self) -> bool:
        """Whether quadratic terms of rows move."""
        return len(self._curvature) > 0

    def entries(self, form: Form) -> Entries:
        """Which numbers of the form move."""
        slots, (A_row, A_column), (F_row, F_column) = form.slots, _named(form.A, self._A), _named(form.F, self._F)
        coefficients = (
            np.concatenate([slots.of_rows(A_row), slots.of_cones(F_row)]),
            np.concatenate([A_column, F_column]),
        )
        constants = np.concatenate([slots.of_rows(self._c), slots.of_cones(self._g)])
        P = _named(form.P, self._P)[::-1]
        return Entries(self.slices, P, _numbers(self._q), coefficients, constants, self._Q)

    def derivative(self, form: Form) -> MovingDerivative:
        """Between moves of these numbers and right-hand sides of the KKT system, made once."""
        if self._derivative is None or self._derivative[0] != form.slots:
            self._derivative = form.slots, MovingDerivative(self.entries(form), form.slots)
        return self._derivative[1]

    # ------------------------------------------------------------------ the numbers
    def apply(self, form: Form, theta: FloatArray) -> None:
        """Write the numbers at these parameters (count,), infinite ones included, into the form."""
        finite = np.isfinite(theta)
        if finite.all():
            self._write(form, self.map(theta), None)
            return
        infinite = np.zeros(len(self._c), bool)
        infinite[np.unique(sp.coo_array(self._alone[:, np.flatnonzero(~finite)]).coords[0])] = True
        self._write(form, self.map(np.where(finite, theta, 0.0)), infinite)

    def take_back(self, form: Form) -> None:
        """Leave the fixed parts in the form."""
        self._write(form, self.map.constant, None)

    def _write(self, form: Form, values: FloatArray, infinite: np.ndarray | None) -> None:
        """Write what differs from what is there."""
        P, q, r, A, F, c, g, Q = (values[part] for part in self._slices)
        if len(P) or len(q) or len(r):
            self._write_objective(form, P, q, r)
        if len(A):
            moved = (form.entries[2][self._A] != A).nonzero()[0]
            if len(moved):
                at = moved + self._A.start if isinstance(self._A, slice) else self._A[moved]
                form.set_entries(at, A[moved], _lines(form.A, at))
        if len(F) or len(g):
            self._write_cones(form, F, g)
        if len(c):
            lower, upper = self._lower - c, self._upper - c
            if infinite is not None:
                lower[infinite], upper[infinite] = -np.inf, np.inf
            moved = ((form.row_lower[self._c] != lower) | (form.row_upper[self._c] != upper)).nonzero()[0]
            if len(moved):
                form.set_sides(self._c[moved], lower[moved], upper[moved])
        if len(Q) and (self._curvature != Q).any():
            form.set_row_curvature([*self._curved, (*self._Q, Q)])
            self._curvature = Q

    def _write_objective(self, form: Form, P: FloatArray, q: FloatArray, r: FloatArray) -> None:
        has_P = len(P) > 0 and bool((form.P.data[self._P] != P).any())
        if not (has_P or (form.q[self._q] != q).any() or (r != form.r).any()):
            return
        costs, matrix = form.q.copy(), None
        costs[self._q] = q
        if has_P:
            data = form.P.data.copy()
            data[self._P] = P
            matrix = sp.csc_array((data, form.P.indices, form.P.indptr), shape=form.P.shape)
        form.set_objective(matrix, costs, float(r[0]) if len(r) else form.r)

    def _write_cones(self, form: Form, F: FloatArray, g: FloatArray) -> None:
        has_F, has_g = bool((form.F.data[self._F] != F).any()), bool((form.g[self._g] != g).any())
        if has_F or has_g:
            coefficients, constants = form.F.data.copy(), form.g.copy()
            coefficients[self._F], constants[self._g] = F, g
            form.set_cone_numbers(coefficients if has_F else None, constants if has_g else None)


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
    zero, one, two = (terms.take(compact(np.flatnonzero(degree == d))) for d in range(3))  # mostly in one piece
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


def _named(matrix: sp.csr_array | sp.csc_array, places: Places) -> tuple[IntArray, IntArray]:
    """The lines of some entries of a compressed matrix, and their other indices."""
    return _lines(matrix, _numbers(places)), matrix.indices[places].astype(np.int64)


def _lines(matrix: sp.csr_array | sp.csc_array, places: IntArray) -> IntArray:
    """The lines in which entries of a compressed matrix stand."""
    if len(places) < max(len(matrix.indptr), _FEW):
        return np.searchsorted(matrix.indptr, places, side="right").astype(np.int64) - 1
    lines: IntArray = np.repeat(np.arange(len(matrix.indptr) - 1), np.diff(matrix.indptr))
    return lines if len(places) == len(lines) else lines[places]


def _numbers(places: Places) -> IntArray:
    """Places one by one."""
    return np.arange(places.start, places.stop) if isinstance(places, slice) else places.astype(np.int64)
