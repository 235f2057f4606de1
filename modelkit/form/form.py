"""A form: the numbers of a model, always of a minimization, with bounds and ranges as they are.

    minimize    ½ xᵀPx + qᵀx + r
    subject to  row_lower <= A x + (½ xᵀQ₁x, ½ xᵀQ₂x, ...) <= row_upper,   lower <= x <= upper,   F x + g in K,

some x whole numbers, or zero or between their bounds. Every set of numbers is rows or bounds here, so nothing is
flipped, split or stacked to get here; a solver that wants another layout makes it from these arrays (`stacked`).
Rows and columns are appended and never move: a deleted row is a free one and a deleted column is fixed at zero, until
the form is made anew. Entries of A that become zero stay.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, final

import numpy as np
import scipy.sparse as sp

from ..arrays import FloatArray, Growable, IntArray
from ..sets import Set
from ..store.block import SetBlock
from .growing_rows import GrowingRows
from .journal import Journal
from .matrix_form import Curvature
from .products import Products
from .slots import Slots

__all__ = ["BINARY_BOX", "Cones", "Discreteness", "Form"]

BINARY_BOX = (0.0, 1.0)
_NO_TERMS = np.zeros(0, np.int64)


class Discreteness(IntEnum):
    """What values a column takes between its bounds."""

    CONTINUOUS = 0
    INTEGER = 1
    SEMICONTINUOUS = 2
    SEMIINTEGER = 3


@final
@dataclass(frozen=True, slots=True, eq=False)
class Cones:
    """Cones of one type, one below the other in the rows of F.

    Attributes
    ----------
    sets : types, dimensions and shapes
    rows : their rows in F
    """

    sets: SetBlock
    rows: slice

    @property
    def type(self) -> type[Set]:
        """Of the cones."""
        return self.sets.type

    @property
    def starts(self) -> IntArray:
        """First row in F of each cone, and the end."""
        starts: IntArray = self.sets.starts + self.rows.start
        return starts


@final
class Stamp:
    """A mark of matrices as they are: copies of a form have the same until one of them is changed."""

    def __deepcopy__(self, memo: Any) -> Stamp:
        return self


@final
class Form:
    """The numbers of a model; who changes them has checked before.

    Attributes
    ----------
    P : csc_array (n, n), symmetric, both triangles; q : (n,); r : float
    lower, upper : (n,) bounds of the columns, infinite where there are none
    discreteness : (n,) of `Discreteness`
    binary : (n,) columns that are 0 or 1, whatever their bounds say beside
    split : (n,) columns whose sides belong to different constraints: equal ones do not fix the column, they are two
        rows that depend on one another
    A : csr_array (m, n), the rows' entries in any order, none twice
    row_lower, row_upper : (m,)
    curvature : quadratic terms of the rows, or None
    F : csr_array (k, n); g : (k,); cones : the sets of their rows, in order
    version : counts changes
    journal : what changed since it was last taken
    stamp : another one whenever P, A, F, quadratic terms of rows or the numbers of rows and columns have changed
    """

    def __init__(self) -> None:
        self.version = 0
        self.stamp = Stamp()
        self._products: tuple[Stamp, Products] | None = None
        self._slots: tuple[Stamp, Slots] | None = None
        self.journal = Journal()
        self._lower, self._upper = Growable(np.float64), Growable(np.float64)
        self._kinds, self._binary, self._split = Growable(np.uint8), Growable(np.bool_), Growable(np.bool_)
        self._q = Growable(np.float64)
        self.r = 0.0
        self._P: sp.csc_array = sp.csc_array((0, 0))
        self._row_lower, self._row_upper = Growable(np.float64), Growable(np.float64)
        self._rows = GrowingRows()
        self._A: sp.csr_array | None = None
        self._curved: list[tuple[IntArray, IntArray, IntArray, FloatArray]] = []
        self._F: sp.csr_array = sp.csr_array((0, 0))
        self.g: FloatArray = np.zeros(0)
        self.cones: tuple[Cones, ...] = ()

    def __getstate__(self) -> dict[str, Any]:
        """Without what is made of the arrays, views of them among it: a copy has to make its own."""
        return {**self.__dict__, "_A": None, "_products": None}

    # ------------------------------------------------------------------ sizes
    @property
    def n(self) -> int:
        """Number of columns."""
        return len(self._q)

    @property
    def m(self) -> int:
        """Number of rows, those of cones not counted."""
        return len(self._row_lower)

    @property
    def k(self) -> int:
        """Number of rows of cones."""
        return len(self.g)

    @property
    def slots(self) -> Slots:
        """The places that constraints own."""
        if self._slots is None or self._slots[0] is not self.stamp:
            self._slots = self.stamp, Slots(self.m, self.n, self.k)
        return self._slots[1]

    # ------------------------------------------------------------------ reading
    @property
    def q(self) -> FloatArray:
        """Costs, (n,)."""
        return self._q.view

    @property
    def P(self) -> sp.csc_array:
        """Curvature of the objective, (n, n)."""
        if self._P.shape[0] < self.n:
            if self._P.nnz:
                self._P.resize((self.n, self.n))
            else:  # which `resize` takes long for
                self._P = sp.csc_array((self.n, self.n))
        return self._P

    @property
    def F(self) -> sp.csr_array:
        """Coefficients of the rows of cones, (k, n)."""
        if self._F.shape[1] < self.n:
            self._F.resize((self.k, self.n))
        return self._F

    @property
    def lower(self) -> FloatArray:
        """Lower bounds of the columns, (n,); not to be written into."""
        return self._lower.view

    @property
    def upper(self) -> FloatArray:
        """Upper bounds of the columns, (n,); not to be written into."""
        return self._upper.view

    @property
    def row_lower(self) -> FloatArray:
        """Lower sides of the rows, (m,); not to be written into."""
        return self._row_lower.view

    @property
    def row_upper(self) -> FloatArray:
        """Upper sides of the rows, (m,); not to be written into."""
        return self._row_upper.view

    @property
    def discreteness(self) -> Any:
        """`Discreteness` of the columns, (n,)."""
        return self._kinds.view

    @property
    def binary(self) -> Any:
        """Mask (n,) of the columns that are 0 or 1."""
        return self._binary.view

    @property
    def split(self) -> Any:
        """Mask (n,) of the columns whose sides belong to different constraints."""
        return self._split.view

    @property
    def is_discrete(self) -> bool:
        """Whether some column is not continuous."""
        return bool(self._kinds.view.any())

    @property
    def A(self) -> sp.csr_array:
        """Coefficients of the rows, (m, n)."""
        if self._A is None or self._A.shape != (self.m, self.n):
            self._A = self._rows.matrix(self.n)
        return self._A

    @property
    def entries(self) -> tuple[IntArray, IntArray, FloatArray]:
        """Ends of rows, columns and values of A's entries, as ``A.indptr``, ``A.indices`` and ``A.data``."""
        return self._rows.entries

    @property
    def products(self) -> Products:
        """P, A and F for many products, made once while they stay."""
        if self._products is None or self._products[0] is not self.stamp:
            self._products = self.stamp, Products(self.P, self.A, self.F)
        return self._products[1]

    @property
    def curvature(self) -> Curvature | None:
        """Quadratic terms of the rows, ``coef x[first] x[second]``."""
        if not self._curved:
            return None
        row, first, second, coef = (np.concatenate(arrays) for arrays in zip(*self._curved, strict=True))
        return Curvature((self.m, self.n), row, first, second, coef)

    @property
    def has_curved_rows(self) -> bool:
        """Whether rows have quadratic terms that are not zero."""
        return any(bool(coef.any()) for *_, coef in self._curved)

    def row(self, row: int) -> tuple[IntArray, FloatArray]:
        """Columns and coefficients of one row."""
        return self._rows.row(row)

    def rows_from(self, first: int) -> tuple[IntArray, IntArray, FloatArray]:
        """The rows from one on: where each starts, and the end, in their columns and coefficients."""
        return self._rows.rows_from(first)

    # ------------------------------------------------------------------ growing
    def add_columns(self, count: int) -> IntArray:
        """Append free continuous columns without cost; returns their positions."""
        first = self.n
        self._q.extend(np.zeros(count))
        self._lower.extend(np.full(count, -np.inf))
        self._upper.extend(np.full(count, np.inf))
        self._kinds.extend(np.zeros(count, np.uint8))
        self._binary.extend(np.zeros(count, np.bool_))
        self._split.extend(np.zeros(count, np.bool_))
        self.journal.new_columns += count
        self._touched(matrices=True)
        return np.arange(first, first + count)

    def add_rows(self, A: sp.csr_array, lower: FloatArray, upper: FloatArray) -> IntArray:
        """Append rows; returns their positions.

        Parameters
        ----------
        A : (rows, at most n), no entry twice
        lower, upper : (rows,), constants of the functions moved over
        """
        first = self.m
        self._rows.extend(A)
        self._row_lower.extend(lower)
        self._row_upper.extend(upper)
        self.journal.new_rows += len(lower)
        self._A = None
        self._touched(matrices=True)
        return np.arange(first, first + len(lower))

    def set_row_curvature(self, terms: Sequence[tuple[IntArray, IntArray, IntArray, FloatArray]]) -> None:
        """Hold these quadratic terms of rows: (row, first, second, coefficient) of each group."""
        self._curved = [group for group in terms if len(group[0])]
        self.journal.has_row_curvature = True
        self._touched(matrices=True)

    def set_cones(self, F: sp.csr_array, g: FloatArray, cones: Sequence[Cones]) -> None:
        """Hold these cones instead."""
        self._F, self.g, self.cones = F, g, tuple(cones)
        self.journal.has_cones = True
        self._touched(matrices=True)

    # ------------------------------------------------------------------ changing
    def set_objective(self, P: sp.csc_array | None, q: FloatArray, r: float) -> None:
        """Have another objective; None keeps P."""
        self._q.view[:] = q
        self.r = r
        self.journal.has_costs, is_another = True, False
        if P is not None:
            old = self.P
            same = old.nnz == P.nnz and np.array_equal(old.indptr, P.indptr) and np.array_equal(old.indices, P.indices)
            is_another = not (same and np.array_equal(old.data, P.data))
            if is_another:
                self.journal.has_curvature = True
                self.journal.keeps_curvature &= same
                self._P = P
        self._touched(matrices=is_another)

    def set_bounds(self, columns: IntArray, lower: Any = None, upper: Any = None, *, split: bool = False) -> None:
        """Give columns other bounds; None keeps a side. `split` says that the other side belongs to somebody else."""
        self._split.view[columns] = split
        if lower is not None:
            self._lower.view[columns] = lower
        if upper is not None:
            self._upper.view[columns] = upper
        self.journal.note_bounds(columns)
        self._touched()

    def set_discreteness(self, columns: IntArray, kind: Discreteness, *, binary: bool = False) -> None:
        """Say what values columns take."""
        self._kinds.view[columns] = kind
        self._binary.view[columns] = binary
        self.journal.note_kinds(columns)
        self._touched()

    def set_sides(self, rows: IntArray, lower: Any, upper: Any) -> None:
        """Give rows other sides, constants moved over."""
        self._row_lower.view[rows] = lower
        self._row_upper.view[rows] = upper
        self.journal.note_sides(rows)
        self._touched()

    def set_entries(self, at: IntArray, values: FloatArray, rows: IntArray) -> None:
        """Give entries of A, by their positions in ``A.data``, other values; `rows` are theirs."""
        self.journal.note_entries(rows, self._rows.set_entries(at, values), values)
        self._touched(matrices=True)

    def set_row(self, row: int, columns: IntArray, values: FloatArray) -> None:
        """Give a row another function."""
        columns, values, keeps_pattern = self._rows.set_row(row, columns, values)
        if not keeps_pattern:
            self._A = None
            self.journal.keeps_rows = False
        self.journal.note_entries(np.full(len(columns), row), columns, values)
        self._touched(matrices=len(columns) > 0)

    def set_cone_numbers(self, F: FloatArray | None, g: FloatArray | None) -> None:
        """Give ``F.data`` and g other values; None keeps them."""
        if F is not None:
            self.F.data[:] = F
            self.journal.cone_coefficients = True
        if g is not None:
            self.g[:] = g
            self.journal.cone_constants = True
        self._touched(matrices=F is not None)

    def set_cone_constants(self, rows: IntArray, values: FloatArray) -> None:
        """Give some rows of cones other constants."""
        self.g[rows] = values
        self.journal.cone_constants = True
        self._touched()

    def with_numbers(
        self,
        *,
        P: FloatArray | None = None,
        q: FloatArray | None = None,
        r: float | None = None,
        lower: FloatArray | None = None,
        upper: FloatArray | None = None,
        A: FloatArray | None = None,
        row_lower: FloatArray | None = None,
        row_upper: FloatArray | None = None,
        F: FloatArray | None = None,
        g: FloatArray | None = None,
        curvature: Sequence[tuple[IntArray, IntArray, IntArray, FloatArray]] | None = None,
    ) -> Form:
        """A form of the same patterns with other numbers, to be read only: it shares what is not given.

        Parameters
        ----------
        P, A, F : the data of these matrices, in the order in which they are here
        q, r, lower, upper, row_lower, row_upper, g : see the attributes
        curvature : see `set_row_curvature`
        """
        twin = copy.copy(self)
        twin.journal = Journal()
        given = {"_q": q, "_lower": lower, "_upper": upper, "_row_lower": row_lower, "_row_upper": row_upper}
        for name, values in given.items():
            if values is not None:
                setattr(twin, name, Growable.of(values))
        if A is not None:
            twin._rows = self._rows.with_values(A)
        twin._A, twin._products = self._A if A is None else None, self._products
        if r is not None:
            twin.r = r
        if P is not None:
            twin._P = sp.csc_array((P, self.P.indices, self.P.indptr), shape=self.P.shape)
        if F is not None:
            twin._F = sp.csr_array((F, self.F.indices, self.F.indptr), shape=self.F.shape)
        if g is not None:
            twin.g = g
        if curvature is not None:
            twin._curved = list(curvature)
        if any(given is not None for given in (P, A, F, curvature)):
            twin.stamp = Stamp()
        return twin

    def take_journal(self) -> Journal:
        """What changed since this was last asked."""
        journal, self.journal = self.journal, Journal()
        return journal

    def _touched(self, *, matrices: bool = False) -> None:
        self.version += 1
        if matrices:
            self.stamp = Stamp()

    def __repr__(self) -> str:
        return f"Form({self.n} columns, {self.m} rows, {self.k} rows of cones; version {self.version})"
