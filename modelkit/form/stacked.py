"""One-sided rows of a form, for those who want ``F x + g`` in cones: zero cones, nonnegative cones, then others.

Each finite side of a row or column of the form is a row here, one with equal sides a row in the zero cone:

    l = a x = u:  a x - l in {0},    l <= a x:  a x - l >= 0,    a x <= u:  -a x + u >= 0.

Infinite sides have no row. A dual of the form (positive where a lower side pushes, negative where an upper one does) is
the sum of sign times dual over the rows of its slot.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ..arrays import FloatArray, IntArray, segments
from ..functions import VectorAffineFunction, VectorQuadraticFunction
from ..indices import Kind
from ..sets import Nonnegatives, Set, Zeros
from ..store.block import SetBlock
from .form import Cones, Form, Stamp
from .matrix_form import Curvature, MatrixForm, Part

__all__ = ["Stacked", "rows_at"]

_Mask = NDArray[np.bool_]


@final
class Stacked:
    """Where the one-sided rows of forms of one signature stand: which sides are finite, which are equal, and the cones.

    In this order: equalities, lower sides, upper sides, of each the rows before the bounds of columns; the cones, by
    type; lower and upper sides of rows with quadratic terms; equalities with such, if they are wanted as such.

    Parameters
    ----------
    form : any of these forms
    order : types of cones, in the order in which they are wanted; others follow
    has_bent_equalities : whether a row with quadratic terms and equal sides is one row, else it is two

    Attributes
    ----------
    m : number of one-sided rows
    slot : (m,) slot in the form of each
    sign : (m,) 1 or, of upper sides, -1
    linear : number of rows of equalities and inequalities without quadratic terms, which come first
    zeros : number of equalities, the first of them
    """

    def __init__(self, form: Form, order: Sequence[type[Set]] = (), *, has_bent_equalities: bool = False) -> None:
        slots = form.slots
        self._slots, self._cones = slots, form.cones
        self._sides = _sides(form)
        self._curved = _curved(form)
        has_lower, has_upper, equal = self._sides
        curved = np.zeros(slots.sided, bool)
        curved[: form.m] = self._curved
        exact = equal & curved if has_bent_equalities else np.zeros(slots.sided, bool)
        equal = equal & (~curved | exact)
        lower, upper = has_lower & ~equal, has_upper & ~equal
        straight = [np.flatnonzero(mask & ~curved) for mask in (equal, lower, upper)]
        bent = [np.flatnonzero(mask & curved) for mask in (lower, upper, exact)]
        self._groups: dict[type[Set], SetBlock] = {}
        cone_rows: list[IntArray] = []
        ranks = {kind: rank for rank, kind in enumerate(order)}
        for cones in sorted(form.cones, key=lambda one: ranks.get(one.type, len(ranks))):
            self._groups[cones.type] = _joined(self._groups.get(cones.type), cones.sets)
        for kind in self._groups:
            cone_rows += [np.arange(c.rows.start, c.rows.stop) for c in form.cones if c.type is kind]
        in_cones = np.concatenate([np.zeros(0, np.int64), *cone_rows])
        self.slot: IntArray = np.concatenate([*straight, slots.of_cones(in_cones), *bent])
        counts = [len(part) for part in (*straight, in_cones, *bent)]
        self.sign: FloatArray = np.repeat([1.0, 1.0, -1.0, 1.0, 1.0, -1.0, 1.0], counts)
        self.m, self.zeros, self.linear = len(self.slot), counts[0], sum(counts[:3])
        self._is_one_sided = np.repeat([False, True, True, False, True, True, False], counts)
        self.is_upper: _Mask = self.sign < 0.0
        self._upper, self._others = np.flatnonzero(self.is_upper), np.flatnonzero(~self.is_upper)
        self._slots_by_side = self.slot[self._others], self.slot[self._upper]
        self._parts = self._made_parts(counts)
        self._pattern: _Pattern | None = None
        self._last: tuple[Stamp, sp.csr_array] | None = None

    def _made_parts(self, counts: list[int]) -> dict[Kind, Part]:
        """Kind by kind: equalities, inequalities, cones, rows with quadratic terms."""
        parts: dict[Kind, Part] = {}
        sets: list[tuple[Kind, SetBlock]] = [
            ((VectorAffineFunction, Zeros), _product(Zeros, counts[0])),
            ((VectorAffineFunction, Nonnegatives), _product(Nonnegatives, counts[1] + counts[2])),
            *(((VectorAffineFunction, kind), block) for kind, block in self._groups.items()),
            ((VectorQuadraticFunction, Nonnegatives), _product(Nonnegatives, counts[4] + counts[5])),
            ((VectorQuadraticFunction, Zeros), _product(Zeros, counts[6])),
        ]
        offset = 0
        for kind, block in sets:
            starts = block.starts + offset
            if int(starts[-1]) > offset:
                parts[kind] = Part(slice(offset, int(starts[-1])), block, starts)
            offset = int(starts[-1])
        return parts

    def fits(self, form: Form) -> bool:
        """Whether the rows of a form stand at the same places."""
        return (
            form.slots == self._slots
            and not (_sides(form) != self._sides).any()
            and not (_curved(form) != self._curved).any()
            and (form.cones is self._cones or _same(form.cones, self._cones))
        )

    # ------------------------------------------------------------------ numbers
    def matrices(self, form: Form) -> MatrixForm:
        """The one-sided rows of a form that `fits`, as those see them who take a `MatrixForm`.

        Forms with the same stamp have the same F, which is to be read only.
        """
        last = self._last
        if last is None or last[0] is not form.stamp:
            F = copy.copy(self._with_pattern(form).matrix)  # which checks nothing again
            F.data = self.coefficients(form)
            self._last = last = form.stamp, F
        q, g = form.q.copy(), self.constants(form)
        return MatrixForm(form.P, q, form.r, last[1], g, self._parts, self._curvature(form))

    def coefficients(self, form: Form) -> FloatArray:
        """The data of F of the one-sided rows, whose entries stand in order."""
        pattern = self._with_pattern(form)
        data: FloatArray = np.concatenate([form.entries[2], np.ones(form.n), form.F.data])[pattern.at]
        for first, last in pattern.negative:
            data[first:last] *= -1.0
        return data

    def has_pattern(self, form: Form) -> bool:
        """Whether a form that `fits` has the matrices' patterns of the one whose numbers were asked for last."""
        return self._pattern is not None and self._pattern.is_of(form)

    def _with_pattern(self, form: Form) -> _Pattern:
        if self._pattern is None or not self._pattern.is_of(form):
            self._pattern = _Pattern(form, self.slot, self.is_upper)
        return self._pattern

    def constants(self, form: Form) -> FloatArray:
        """Constants g of the one-sided rows, (m,)."""
        lower, upper = np.concatenate([form.row_lower, form.lower]), np.concatenate([form.row_upper, form.upper])
        every = np.concatenate([-lower, form.g])[self.slot]
        every[self._upper] = upper[self._slots_by_side[1]]
        return every

    def _curvature(self, form: Form) -> Curvature | None:
        """The quadratic terms of the one-sided rows."""
        curvature = form.curvature
        if curvature is None:
            return None
        parts = []
        for at in (self._others, self._upper):
            place = np.full(self._slots.size, -1, np.int64)
            place[self.slot[at]] = at
            row = place[curvature.row]
            kept = np.flatnonzero(row >= 0)
            row = row[kept]
            coef = self.sign[row] * curvature.coef[kept]
            parts.append((row, curvature.first[kept], curvature.second[kept], coef))
        row, first, second, coef = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return Curvature((self.m, form.n), row, first, second, coef) if len(row) else None

    # ------------------------------------------------------------------ duals
    def up(self, duals: FloatArray) -> FloatArray:
        """Duals of one-sided rows, (m,) or (m, k), as duals of the form: sums over the rows of each slot."""
        lower, upper = self.by_sides(duals)
        lower += upper
        return lower

    def by_sides(self, duals: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The terms of `up`: those of all but upper sides, and those of upper sides."""
        lower, upper = np.zeros((2, self._slots.size, *duals.shape[1:]))
        others, above = self._slots_by_side
        lower[others] = duals[self._others]
        upper[above] -= duals[self._upper]
        return lower, upper

    def has_any(self, mask: _Mask) -> _Mask:
        """(slots,): those with a row in a mask (m,)."""
        found = np.zeros(self._slots.size, bool)
        found[self.slot[mask]] = True
        return found

    def down(self, duals: FloatArray) -> FloatArray:
        """Duals of the form as those of its one-sided rows: what is positive to the lower side, else to the upper."""
        signed = self.signed(duals)
        signed[self._is_one_sided] = np.maximum(signed[self._is_one_sided], 0.0)
        return signed

    def signed(self, values: FloatArray) -> FloatArray:
        """Values of the form's functions, (slots,) or (slots, k), as the one-sided rows have them: the adjoint of `up`.

        Each side has the whole, with its sign.
        """
        sign = self.sign if values.ndim == 1 else self.sign[:, None]
        signed: FloatArray = sign * values[self.slot]
        return signed


def rows_at(form: Form, slot: IntArray) -> sp.csr_array:
    """The coefficients of slots, (len(slot), n): rows of A, unit rows of columns and rows of F.

    Entries that are zero stay, and those of a row stand in order.
    """
    pattern = _Pattern(form, slot, np.zeros(len(slot), bool))
    rows = pattern.matrix
    rows.data = np.concatenate([form.entries[2], np.ones(form.n), form.F.data])[pattern.at]
    return rows


@final
class _Pattern:
    """Where the coefficients of some slots stand in those of A, units and F one after the other.

    Those of the slots marked `negative` count with the other sign: these stand from `negative[k][0]` to
    `negative[k][1]`.
    """

    def __init__(self, form: Form, slot: IntArray, negative: _Mask) -> None:
        ends, indices, _ = form.entries
        F, n = form.F, form.n
        self._A, self._F = (ends.copy(), indices.copy()), (F.indptr, F.indices)
        entries, units = len(indices), np.arange(1, n + 1)
        starts = np.concatenate([ends, units + entries, F.indptr[1:].astype(np.int64) + (entries + n)])
        counts = np.diff(starts)[slot]
        at = segments(starts[slot], counts)
        index = np.int32 if max(len(at), n) < np.iinfo(np.int32).max else np.int64  # which SciPy would choose as well
        columns = np.concatenate([indices, np.arange(n), F.indices], dtype=index, casting="unsafe")[at]
        indptr = np.zeros(len(slot) + 1, index)
        np.cumsum(counts, out=indptr[1:])
        matrix = sp.csr_array((np.zeros(len(at)), columns, indptr), shape=(len(slot), n))
        if not matrix.has_sorted_indices:
            matrix.data = np.arange(len(at), dtype=np.float64)
            matrix.sort_indices()
            at = at[matrix.data.astype(np.int64)]
        ends = np.flatnonzero(np.diff(negative, prepend=False, append=False)).reshape(-1, 2)
        self.matrix, self.at = matrix, at
        self.negative: list[list[int]] = matrix.indptr[ends].tolist()

    def is_of(self, form: Form) -> bool:
        """Whether a form has the patterns that this was made of."""
        ends, indices, _ = form.entries
        F = form.F
        return (
            np.array_equal(ends, self._A[0])
            and np.array_equal(indices, self._A[1])
            and (F.indptr is self._F[0] or np.array_equal(F.indptr, self._F[0]))
            and (F.indices is self._F[1] or np.array_equal(F.indices, self._F[1]))
        )


def _sides(form: Form) -> _Mask:
    """Masks over rows and columns: there is a lower side, an upper one, and both are equal and one constraint's."""
    lower, upper = np.concatenate([form.row_lower, form.lower]), np.concatenate([form.row_upper, form.upper])
    masks = np.empty((3, len(lower)), bool)
    np.greater(lower, -np.inf, out=masks[0])
    np.less(upper, np.inf, out=masks[1])
    np.equal(lower, upper, out=masks[2])
    masks[2] &= masks[0]
    masks[2] &= masks[1]
    masks[2, form.m :] &= ~form.split
    return masks


def _curved(form: Form) -> _Mask:
    """Which rows have quadratic terms."""
    curved, terms = np.zeros(form.m, bool), form.curvature
    if terms is not None:
        curved[terms.row] = True
    return curved


def _product(kind: type[Set], count: int) -> SetBlock:
    """One cone that is a product of so many half-lines or points; none of none."""
    dims = np.array([count] if count else [], np.int64)
    return SetBlock(kind, dims, np.zeros((count, 0)), ((count,),) * len(dims))


def _joined(one: SetBlock | None, other: SetBlock) -> SetBlock:
    if one is None:
        return other
    shapes: Any = (*(one.shapes or ()), *(other.shapes or ()))
    return SetBlock(
        one.type, np.concatenate([one.dims, other.dims]), np.concatenate([one.numbers, other.numbers]), shapes
    )


def _same(one: Sequence[Cones], other: Sequence[Cones]) -> bool:
    return [_described(cones) for cones in one] == [_described(cones) for cones in other]


def _described(cones: Cones) -> Any:
    return cones.type, cones.rows.start, cones.sets.dims.tolist(), cones.sets.shapes
