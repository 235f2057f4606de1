"""From tangents of a form's numbers to right-hand sides of the KKT system, all directions at once.

With Lagrangian ``½ xᵀPx + qᵀx + r - yᵀ(A x + c) - ...`` over all slots (rows, bounds as unit rows, rows of cones), a
direction (dP, dq, dA, dc) and moves of the sides give the right-hand sides

    dAᵀy - dP x - dq,      dA x + dc,      dl, du

(quadratic terms of rows count with their derivative at x), and by the envelope theorem the objective moves by
``½ xᵀdP x + dqᵀx + dr - yᵀ(dA x + dc)`` plus y times the move of the side that it pushes at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import scipy.sparse as sp

from ..bridges.lowering.travel import Sided
from ..modelkit.arrays import FloatArray, IntArray, sums
from ..modelkit.form import Slots
from ..modelkit.functions.rows import Rows

__all__ = ["Adjoint", "SlotTangents"]


@final
@dataclass(frozen=True, slots=True, eq=False)
class Adjoint:
    """N seeds pulled back: to the columns (n, N), to the slots (slots, N), and the parts of these by sides."""

    w: FloatArray
    slots: FloatArray
    low: FloatArray
    high: FloatArray

    @staticmethod
    def of(w: FloatArray, wy: Sided) -> Adjoint:
        """What `Slope.pull` gives."""
        return Adjoint(w, wy[0] + wy[1], *wy)


@final
class SlotTangents:
    """Entries of right-hand sides, gathered tangent by tangent.

    Parameters
    ----------
    slots : of the form
    x, y : its solution, (n,) and (slots,)
    directions : K

    Attributes
    ----------
    x, y, directions : see above
    turns : whether coefficients of rows may move
    """

    def __init__(self, slots: Slots, x: FloatArray, y: FloatArray, directions: int = 1) -> None:
        self._slots, self.x, self.y = slots, x, y
        self.directions, self.turns = directions, False
        self._primal, self._rows = _Entries(), _Entries()
        self._lower, self._upper, self._values = _Entries(), _Entries(), _Entries()

    def add_objective(self, tangents: Rows) -> None:
        """Tangents of the minimized objective, in columns, a row for each direction."""
        x, rows = self.x, tangents
        self._primal.add(rows.var, rows.row, -rows.coef)
        self._value(rows.row, rows.coef * x[rows.var])
        first, second = rows.qvar1, rows.qvar2
        self._primal.add(first, rows.qrow, -rows.qcoef * x[second])
        self._primal.add(second, rows.qrow, -rows.qcoef * x[first])
        self._value(rows.qrow, rows.qcoef * x[first] * x[second])
        self._value(np.arange(rows.m), rows.constant)

    def add_functions(self, at: IntArray, tangents: Rows) -> None:
        """Tangents of the functions of some slots (p,), in columns: K p rows, one direction below the other."""
        if not len(at):
            return
        x, y = self.x, self.y
        self.turns = self.turns or bool(len(tangents.var) or len(tangents.qrow))
        direction, local = np.divmod(tangents.row, len(at))
        slot, column = at[local], tangents.var
        self._primal.add(column, direction, tangents.coef * y[slot])
        self._add_to_rows(slot, direction, tangents.coef * x[column])
        if len(tangents.qrow):
            direction, local = np.divmod(tangents.qrow, len(at))
            slot, first, second = at[local], tangents.qvar1, tangents.qvar2
            self._primal.add(first, direction, tangents.qcoef * x[second] * y[slot])
            self._primal.add(second, direction, tangents.qcoef * x[first] * y[slot])
            self._add_to_rows(slot, direction, tangents.qcoef * x[first] * x[second])
        moved = np.flatnonzero(tangents.constant)
        direction, local = np.divmod(moved, len(at))
        self._add_to_rows(at[local], direction, tangents.constant[moved])

    def add_constants(self, at: IntArray, moves: FloatArray) -> None:
        """Moves of constants of some slots, (p, K)."""
        local, direction = np.nonzero(moves)
        self._add_to_rows(at[local], direction, moves[local, direction])

    def add_sides(self, at: IntArray, lower: FloatArray, upper: FloatArray) -> None:
        """Moves of the sides of some slots, (p, K) each."""
        for moves, into, pushes in ((lower, self._lower, np.maximum), (upper, self._upper, np.minimum)):
            local, direction = np.nonzero(moves)
            if len(local):
                value = moves[local, direction]
                into.add(at[local], direction, value)
                self._value(direction, value * pushes(self.y[at[local]], 0.0))

    def add_right_hand_sides(self, primal: FloatArray, rows: FloatArray, values: FloatArray, turns: bool) -> None:
        """What is known already: (K, n), (K, slots) and moves of the objective (K,), envelope included; and `turns`."""
        self.turns = self.turns or turns
        for into, dense in ((self._primal, primal), (self._rows, rows)):
            direction, place = np.nonzero(dense)
            into.add(place, direction, dense[direction, place])
        self._value(np.arange(len(values)), values)

    def _add_to_rows(self, slot: IntArray, direction: IntArray, value: FloatArray) -> None:
        self._rows.add(slot, direction, value)
        self._value(direction, -value * self.y[slot])

    def _value(self, direction: IntArray, value: FloatArray) -> None:
        self._values.add(np.zeros(len(direction), np.int64), direction, value)

    # ------------------------------------------------------------------ what was gathered
    def dense(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Right-hand sides of the gradient (n, K), of the slots, and moves of lower and upper sides (slots, K) each."""
        n, size, K = self._slots.columns, self._slots.size, self.directions
        return (
            self._primal.array(n, K),
            self._rows.array(size, K),
            self._lower.array(size, K),
            self._upper.array(size, K),
        )

    def along(self, adjoint: Adjoint) -> FloatArray:
        """How what was pulled back moves, (K, N): right-hand sides times adjoints."""
        found = np.zeros((self.directions, adjoint.w.shape[1]))
        found += self._primal.times(adjoint.w, self.directions)
        found += self._rows.times(adjoint.slots, self.directions)
        found -= self._lower.times(adjoint.low, self.directions)
        found -= self._upper.times(adjoint.high, self.directions)
        return found

    def objective_values(self) -> FloatArray:
        """How the objective of the form moves, (K,)."""
        values: FloatArray = self._values.array(1, self.directions)[0]
        return values


@final
class _Entries:
    """A sparse matrix in the making; equal places add."""

    def __init__(self) -> None:
        self._parts: list[tuple[Any, Any, Any]] = []

    def add(self, row: IntArray, column: IntArray, value: FloatArray) -> None:
        if len(value):
            self._parts.append((row, column, value))

    def array(self, rows: int, columns: int) -> FloatArray:
        if not self._parts:
            return np.zeros((rows, columns))
        row, column, value = self._joined()
        return sums(row * columns + column, value, rows * columns).reshape(rows, columns)

    def times(self, values: FloatArray, columns: int) -> FloatArray | float:
        """The transpose times (rows, N), (columns, N); 0 where nothing was added."""
        if not self._parts:
            return 0.0
        row, column, value = self._joined()
        if columns == 1:
            return np.asarray(value @ values[row])
        product: FloatArray = sp.coo_array((value, (column, row)), shape=(columns, len(values))).tocsr() @ values
        return product

    def _joined(self) -> tuple[IntArray, IntArray, FloatArray]:
        if len(self._parts) == 1:
            return self._parts[0]
        row, column, value = (np.concatenate(arrays) for arrays in zip(*self._parts, strict=True))
        return row, column, value
