"""From tangents of the data to right-hand sides of the KKT system, all directions at once.

In standard form, minimize ``½xᵀPx + cᵀx`` subject to ``A x + s = b`` with ``A = -F``, ``b = g`` of the rows
``F x + g`` (whose quadratic terms, if any, count with their derivative at x), a direction (dP, dc, dF, dg) gives
(DESIGN, section 6)

    -(dP x + dAᵀy + dc) = dFᵀy - dP x - dc,      -(dA x - db) = dF x + dg,

and by the envelope theorem the objective moves by ``½xᵀdP x + dcᵀx - yᵀ(dF x + dg)``.
"""

from __future__ import annotations

from typing import Any, final

import numpy as np
import scipy.sparse as sp

from ..modelkit.arrays import FloatArray, IntArray
from ..modelkit.matrix_form import MatrixForm
from ..modelkit.rows import Rows

__all__ = ["RightHandSides"]


@final
class RightHandSides:
    """Entries of the right-hand sides, gathered tangent by tangent.

    Parameters
    ----------
    form : the model
    x, y : its solution, (n,) and (m,)
    """

    def __init__(self, form: MatrixForm, x: FloatArray, y: FloatArray) -> None:
        self._form = form
        self._x = x
        self._y = y
        self._directions = 1
        self._primal = _Entries()
        self._rows = _Entries()
        self._values = _Entries()

    def add_objective(self, tangents: Rows) -> None:
        """Tangents of the objective as the user wrote it, a row for each direction."""
        form, x = self._form, self._x
        rows = tangents.scaled(np.full(tangents.m, form.sign))
        self._directions = max(self._directions, rows.m)
        column = form.columns(rows.var)
        self._primal.add(column, rows.row, -rows.coef)
        self._values.add(np.zeros_like(rows.row), rows.row, rows.coef * x[column])
        first, second = form.columns(rows.qvar1), form.columns(rows.qvar2)
        self._primal.add(first, rows.qrow, -rows.qcoef * x[second])
        self._primal.add(second, rows.qrow, -rows.qcoef * x[first])
        self._values.add(np.zeros_like(rows.qrow), rows.qrow, rows.qcoef * x[first] * x[second])
        self._values.add(np.zeros(rows.m, np.int64), np.arange(rows.m), rows.constant)

    def add_functions(self, where: IntArray | slice, tangents: Rows) -> None:
        """Tangents of the functions of some rows of the form; K times as many rows for K directions."""
        at, x, y = self._positions(where), self._x, self._y
        if not len(at):
            return
        self._directions = max(self._directions, tangents.m // len(at))
        direction, local = np.divmod(tangents.row, len(at))
        row, column = at[local], self._form.columns(tangents.var)
        self._primal.add(column, direction, tangents.coef * y[row])
        self._add_to_rows(row, direction, tangents.coef * x[column])
        direction, local = np.divmod(tangents.qrow, len(at))
        row = at[local]
        first, second = self._form.columns(tangents.qvar1), self._form.columns(tangents.qvar2)
        self._primal.add(first, direction, tangents.qcoef * x[second] * y[row])
        self._primal.add(second, direction, tangents.qcoef * x[first] * y[row])
        self._add_to_rows(row, direction, tangents.qcoef * x[first] * x[second])
        moved = np.flatnonzero(tangents.constant)
        direction, local = np.divmod(moved, len(at))
        self._add_to_rows(at[local], direction, tangents.constant[moved])

    def add_shifts(self, where: IntArray | slice, shifts: FloatArray) -> None:
        """Tangents of the constants of some rows that come from their sets: (rows,) or (rows, K)."""
        at = self._positions(where)
        by_direction = shifts.reshape(len(at), -1)
        self._directions = max(self._directions, by_direction.shape[1])
        local, direction = np.nonzero(by_direction)
        self._add_to_rows(at[local], direction, by_direction[local, direction])

    def _positions(self, where: IntArray | slice) -> IntArray:
        return np.arange(self._form.m)[where]

    def _add_to_rows(self, row: IntArray, direction: IntArray, value: FloatArray) -> None:
        self._rows.add(row, direction, value)
        self._values.add(np.zeros_like(row), direction, -value * self._y[row])

    @property
    def directions(self) -> int:
        """Number of directions K."""
        return self._directions

    def primal(self) -> sp.csc_array:
        """``-(dP x + dAᵀy + dc)``, of shape (n, K)."""
        return self._primal.matrix(self._form.n, self._directions)

    def rows(self) -> sp.csc_array:
        """``-(dA x - db)``, of shape (m, K)."""
        return self._rows.matrix(self._form.m, self._directions)

    def objective_values(self) -> FloatArray:
        """How the objective of the form moves, shape (K,)."""
        values: FloatArray = self._values.matrix(1, self._directions).toarray()[0]
        return values


@final
class _Entries:
    """A sparse matrix in the making; equal places add."""

    def __init__(self) -> None:
        self._parts: list[tuple[Any, Any, Any]] = []

    def add(self, row: IntArray, column: IntArray, value: FloatArray) -> None:
        if len(value):
            self._parts.append((row, column, value))

    def matrix(self, rows: int, columns: int) -> sp.csc_array:
        if not self._parts:
            return sp.csc_array((rows, columns))
        row, column, value = (np.concatenate(arrays) for arrays in zip(*self._parts, strict=True))
        return sp.csc_array(sp.coo_array((value, (row, column)), shape=(rows, columns)))
