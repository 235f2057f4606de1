"""The matrix form of a store: everything that matrix-based solvers and diff models need, in one pass of arrays.

minimize ``½ xᵀPx + qᵀx + r`` subject to ``F x + g in S``, rows stacked kind by kind in a given order.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import scipy.sparse as sp

from . import attributes as attr
from .arrays import FloatArray, IntArray, segments, sums
from .block import SetBlock
from .errors import NotOptimized
from .indices import ConstraintIndex, ConstraintIndices, Kind
from .parameters import Parameters
from .rows import Rows

__all__ = ["Curvature", "MatrixForm", "Part", "objective_matrices"]


@final
@dataclass(frozen=True, slots=True, eq=False)
class Curvature:
    """The quadratic terms of the rows: ``coef * x[first] * x[second]`` added up row by row."""

    shape: tuple[int, int]
    row: IntArray
    first: IntArray
    second: IntArray
    coef: FloatArray

    def values(self, x: FloatArray) -> FloatArray:
        """The quadratic parts at x, (m,)."""
        terms = self.coef * x[self.first] * x[self.second]
        return sums(self.row, terms, self.shape[0])

    def jacobian(self, x: FloatArray) -> sp.csr_array:
        """Their derivatives at x, (m, n)."""
        value = np.concatenate([self.coef * x[self.second], self.coef * x[self.first]])
        place = (np.concatenate([self.row] * 2), np.concatenate([self.first, self.second]))
        return sp.csr_array(sp.coo_array((value, place), shape=self.shape))

    def part(self, rows: IntArray, columns: IntArray) -> Curvature | None:
        """The terms in some rows, all of them in some columns, both in order; None if there are none."""
        row, column = np.full(self.shape[0], -1, np.int64), np.full(self.shape[1], -1, np.int64)
        row[rows], column[columns] = np.arange(len(rows)), np.arange(len(columns))
        kept = np.flatnonzero(row[self.row] >= 0)
        if not len(kept):
            return None
        first, second = column[self.first[kept]], column[self.second[kept]]
        return Curvature((len(rows), len(columns)), row[self.row[kept]], first, second, self.coef[kept])

    def hessian(self, y: FloatArray) -> sp.csc_array:
        """The second derivative of y times the quadratic parts, (n, n)."""
        value = self.coef * y[self.row]
        n = self.shape[1]
        half = sp.csc_array(sp.coo_array((value, (self.first, self.second)), shape=(n, n)))
        return sp.csc_array(half + half.T)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """The rows of one kind within the form."""

    kind: Kind
    rows: slice
    sets: SetBlock
    numbers: IntArray
    """Number in the store of each constraint."""
    starts: IntArray
    """First row in the form of each constraint, and the end."""


@final
class MatrixForm:
    """A store's model as matrices.

    Parameters
    ----------
    store : Store
    kinds : order of the kinds; each that is present makes one part
    parameters : whose values are inserted in products, if given

    Attributes
    ----------
    n : number of variables
    ids : identifiers of the columns, shape (n,)
    sign : 1 to minimize, -1 to maximize; P, q, r are of ``sign * objective``
    P : csc_array (n, n), symmetric; q : (n,); r : float
    F : csr_array (m, n); g : (m,)
    curvature : quadratic terms of the rows, or None
    """

    def __init__(self, store: Any, kinds: Sequence[Kind], parameters: Parameters | None = None) -> None:
        self._store = store
        self._parameters = parameters
        self.ids: IntArray = store.variable_ids()
        self.n = len(self.ids)
        self._base: int = store.base
        self._column = np.full(store.variable_count, -1, np.int64)
        self._column[self.ids - self._base] = np.arange(self.n)
        self.read_objective()
        self.parts: dict[Kind, Part] = {}
        blocks: list[Rows] = []
        offset = 0
        present = set(store.kinds())
        for kind in kinds:
            if kind not in present:
                continue
            block, numbers = store.block(kind).snapshot()
            stop = offset + block.rows.m
            self.parts[kind] = Part(kind, slice(offset, stop), block.sets, numbers, block.starts + offset)
            blocks.append(self._inserted(block.rows))
            offset = stop
        rows = Rows.stack(blocks)
        self.m = rows.m
        self.F: sp.csr_array = rows.matrix(self.columns, self.n)
        self.g: FloatArray = rows.constant.copy()
        self.curvature: Curvature | None = None
        if len(rows.qrow):
            first, second = self.columns(rows.qvar1), self.columns(rows.qvar2)
            self.curvature = Curvature((self.m, self.n), rows.qrow, first, second, rows.qcoef)

    @classmethod
    def of_arrays(
        cls,
        objective: tuple[sp.csc_array, FloatArray, float],
        rows: tuple[sp.csr_array, FloatArray],
        parts: dict[Kind, Part],
        curvature: Curvature | None = None,
    ) -> MatrixForm:
        """The form of a minimization with these arrays, which no store stands behind.

        Parameters
        ----------
        objective : P, q and r
        rows : F and g
        parts : their sets, in order
        curvature : quadratic terms of the rows
        """
        form = cls.__new__(cls)
        form._store = form._parameters = None
        (form.P, form.q, form.r), (form.F, form.g), form.sign = objective, rows, 1.0
        form.n, form.m = len(form.q), len(form.g)
        form.ids = form._column = np.arange(form.n)
        form._base = 0
        form.parts, form.curvature = parts, curvature
        return form

    def _inserted(self, rows: Rows) -> Rows:
        return rows if self._parameters is None else self._parameters.insert(rows)

    def part(self, rows: IntArray, columns: IntArray) -> MatrixForm:
        """The form of some rows, those of whole constraints, and some columns, both in order."""
        form = copy.copy(self)
        form.n, form.m, form.ids = len(columns), len(rows), self.ids[columns]
        form._column = np.full(len(self._column), -1, np.int64)
        form._column[form.ids - self._base] = np.arange(form.n)
        form.P, form.q = sp.csc_array(self.P[columns][:, columns]), self.q[columns]
        form.F, form.g = sp.csr_array(self.F[rows][:, columns]), self.g[rows]
        form.curvature = None if self.curvature is None else self.curvature.part(rows, columns)
        form.parts, offset = {}, 0
        for kind, part in self.parts.items():
            items = np.flatnonzero(np.isin(part.starts[:-1], rows))
            if len(items):
                sets = part.sets.take(items)
                starts = offset + sets.starts
                form.parts[kind] = Part(kind, slice(offset, int(starts[-1])), sets, part.numbers[items], starts)
                offset = int(starts[-1])
        return form

    def with_numbers(self, P: sp.csc_array, q: FloatArray, r: float, F: sp.csr_array, g: FloatArray) -> MatrixForm:
        """The form with other numbers."""
        form = copy.copy(self)
        form.P, form.q, form.r, form.F, form.g = P, q, r, F, g
        return form

    def columns(self, ids: IntArray) -> IntArray:
        """Columns of variables."""
        columns: IntArray = self._column[ids - self._base]
        return columns

    def read_objective(self) -> None:
        """Read sense and objective (again) from the store."""
        store = self._store
        self.sign = -1.0 if store.get(attr.ObjectiveSense()) == attr.ObjectiveSenseCode.MAX_SENSE else 1.0
        block = store.objective_block
        rows = Rows(np.zeros(1)) if block is None else self._inserted(block.all_rows())
        self.P, self.q, self.r = objective_matrices(rows.scaled(np.array([self.sign])), self.columns, self.n)

    def read_numbers(self) -> None:
        """Read the constants of the functions and the numbers of the sets again from the store."""
        for kind, part in list(self.parts.items()):
            block = self._store.block(kind)
            rows = block.rows_of(part.numbers)
            self.g[part.rows] = block.constants[rows]
            sets = SetBlock(part.sets.type, part.sets.dims, block.all_numbers[rows], part.sets.shapes)
            self.parts[kind] = Part(kind, part.rows, sets, part.numbers, part.starts)

    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """Lower and upper bounds of ``F x`` row by row (constants moved over), infinite for sets that are no boxes."""
        lower, upper = np.full(self.m, -np.inf), np.full(self.m, np.inf)
        for kind, part in self.parts.items():
            box = kind[1].bounds(part.sets.numbers)
            if box is not None:
                lower[part.rows], upper[part.rows] = box
        return lower - self.g, upper - self.g

    def rows_of(self, index: ConstraintIndex | ConstraintIndices) -> IntArray | slice:
        """Rows in the form of one constraint, or of many of one kind."""
        part = self.parts.get(index.kind)
        if part is None:
            raise NotOptimized(f"{index!r} was added after the last solve; call optimize() again.")
        if isinstance(index, ConstraintIndex):
            item = int(np.searchsorted(part.numbers, self._store.number(index)))
            return slice(int(part.starts[item]), int(part.starts[item + 1]))
        items = np.searchsorted(part.numbers, self._store.numbers(index))
        if len(items) and len(items) == int(items[-1]) - int(items[0]) + 1 and (np.diff(items) == 1).all():
            return slice(int(part.starts[items[0]]), int(part.starts[items[-1] + 1]))
        return segments(part.starts[items], np.diff(part.starts)[items])


def objective_matrices(rows: Rows, column: Any, n: int) -> tuple[sp.csc_array, FloatArray, float]:
    """(P, q, r) of the first row, with ``½ xᵀPx + qᵀx + r``."""
    q = sums(column(rows.var), rows.coef, n)
    if not len(rows.qcoef):
        return sp.csc_array((n, n)), q, float(rows.constant[0])
    i, j = column(rows.qvar1), column(rows.qvar2)
    half = sp.coo_array((rows.qcoef, (i, j)), shape=(n, n)).tocsc()
    return sp.csc_array(half + half.T), q, float(rows.constant[0])
