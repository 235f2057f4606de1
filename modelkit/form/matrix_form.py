"""The matrix form with one-sided rows, as solvers of cones and diff models take it.

minimize ``½ xᵀPx + qᵀx + r`` subject to ``F x + g in S``, rows stacked kind by kind. `form.Stacked` makes it of a form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import scipy.sparse as sp

from ..arrays import FloatArray, IntArray, sums
from ..functions.rows import Rows
from ..indices import Kind
from ..store.block import SetBlock
from .products import diagonal_matrix

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

    rows: slice
    sets: SetBlock
    starts: IntArray
    """First row in the form of each constraint, and the end."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class MatrixForm:
    """A minimization as matrices.

    Attributes
    ----------
    P : csc_array (n, n), symmetric; q : (n,); r : float
    F : csr_array (m, n); g : (m,)
    parts : the sets, kind by kind in the order of the rows
    curvature : quadratic terms of the rows, or None
    """

    P: sp.csc_array
    q: FloatArray
    r: float
    F: sp.csr_array
    g: FloatArray
    parts: dict[Kind, Part]
    curvature: Curvature | None = None

    @property
    def n(self) -> int:
        """Number of variables."""
        return len(self.q)

    @property
    def m(self) -> int:
        """Number of rows."""
        return len(self.g)


def objective_matrices(rows: Rows, column: Any, n: int) -> tuple[sp.csc_array, FloatArray, float]:
    """(P, q, r) of the first row, with ``½ xᵀPx + qᵀx + r``."""
    q = sums(column(rows.var), rows.coef, n)
    if not len(rows.qcoef):
        return sp.csc_array((n, n)), q, float(rows.constant[0])
    i, j = column(rows.qvar1), column(rows.qvar2)
    return _with_transpose(i, j, rows.qcoef, n), q, float(rows.constant[0])


def _with_transpose(i: IntArray, j: IntArray, values: FloatArray, n: int) -> sp.csc_array:
    """The sum of a matrix and its transpose; one with a term for each pair stores all entries, without a sort."""
    if np.array_equal(i, j):
        return diagonal_matrix(sums(i, 2.0 * values, n))
    if 2 * len(values) < n * (n + 1):
        half = sp.coo_array((values, (i, j)), shape=(n, n)).tocsc()
        return sp.csc_array(half + half.T)
    dense = sums(i * n + j, values, n * n).reshape(n, n)
    dense = dense + dense.T
    if not dense.all():  # sums of sparse matrices leave zeros out
        return sp.csc_array(dense)
    return sp.csc_array((dense.ravel(), np.tile(np.arange(n, dtype=np.int32), n), np.arange(n + 1) * n), shape=(n, n))
