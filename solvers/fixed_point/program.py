r"""A program in units in which an operator converges: equilibrated, its solution and its objective near one.

The form :math:`\min \tfrac12 x^TPx + q^Tx,\ l \le Ax \le u,\ \text{lower} \le x \le \text{upper}` becomes one in
:math:`\hat x = x / (\beta D)`, with rows times E, sides over :math:`\beta` and the objective times c; so
:math:`y = E \hat y / (c\beta)` and the duals of bounds are :math:`\hat z / (c \beta D)`. D and E are those of Ruiz
(2001), then of Pock and Chambolle (2011, with exponent 1), as in PDLP.

References
----------
D. Applegate et al., *Practical large-scale linear programming using primal-dual hybrid gradient*, NeurIPS (2021).
T. Pock, A. Chambolle, *Diagonal preconditioning for first order primal-dual algorithms*, ICCV (2011).
D. Ruiz, *A scaling algorithm to equilibrate both rows and columns norms in matrices*, RAL-TR-2001-034.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import scipy.sparse as sp

from ...modelkit.arrays import FloatArray, IntArray
from ...modelkit.form import Form
from ..array_solver import closed_sides

__all__ = ["Program", "Sides"]

_ROUNDS = 10
_LEAST = 1e-12


@final
@dataclass(frozen=True, slots=True, eq=False)
class Sides:
    """What moves from one program of a batch to the next, in columns.

    Attributes
    ----------
    q : (n, B)
    row_lower, row_upper : (m, B)
    lower, upper : (n, B)
    """

    q: Any
    row_lower: Any
    row_upper: Any
    lower: Any
    upper: Any

    def only(self, columns: Any) -> Sides:
        """Some of the columns."""
        return Sides(*(getattr(self, name)[:, columns] for name in self.__slots__))


@final
class Program:
    """The numbers of a form in these units.

    Parameters
    ----------
    form : linear rows, continuous columns

    Attributes
    ----------
    held : (m,) rows of the form that are not free: these are the program's
    P, A : csr_array, (n, n) and (m, n), in the units
    sides : q and the sides in the units, of one column
    column, gradient : (n,) βD and cβD
    row, dual : (m,) E/β and E/(cβ)
    """

    def __init__(self, form: Form) -> None:
        self.n, self.form_rows = form.n, form.m
        lower, upper = closed_sides(form)
        self.held: IntArray = np.flatnonzero((lower[: form.m] > -np.inf) | (upper[: form.m] < np.inf))
        A, P = sp.csr_array(form.A[self.held]), sp.csr_array(form.P)
        D, E = _equilibrated(P, A)
        self.A = _scaled(A, E, D)
        P = _scaled(P, D, D)
        sides = np.concatenate([E * lower[self.held], E * upper[self.held], lower[form.m :] / D, upper[form.m :] / D])
        size = _size(sides)
        q = size * D * form.q
        slope = max(_size(q), size * size * _size(P.data))
        self.P = P * (size * size / slope)
        self.column: FloatArray = size * D
        self.gradient: FloatArray = self.column / slope
        self.row: FloatArray = E / size
        self.dual: FloatArray = E * (slope / size)
        self.sides = self.sides_of(form)

    @property
    def m(self) -> int:
        """Number of rows."""
        return len(self.held)

    def sides_of(self, form: Form) -> Sides:
        """Q and the sides of a form with the same matrices, in the units."""
        lower, upper = closed_sides(form)
        rows, columns = self.row[:, None], self.column[:, None]
        return Sides(
            self.gradient[:, None] * form.q[:, None],
            rows * lower[self.held, None],
            rows * upper[self.held, None],
            lower[form.m :, None] / columns,
            upper[form.m :, None] / columns,
        )

    # ------------------------------------------------------------------ between the units and the form's
    def point_up(self, x: FloatArray, y: FloatArray, z: FloatArray) -> tuple[FloatArray, FloatArray]:
        """X (n, K) and duals over the slots (slots, K), or moves of them, in the form's units."""
        duals = np.zeros((self.form_rows + self.n, y.shape[1]))
        duals[self.held] = self.dual[:, None] * y
        duals[self.form_rows :] = z / self.gradient[:, None]
        return self.column[:, None] * x, duals

    def point_down(self, x: FloatArray, duals: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """X (n, K), duals of rows (m, K) and of bounds (n, K) in the units."""
        return (
            x / self.column[:, None],
            duals[self.held] / self.dual[:, None],
            duals[self.form_rows : self.form_rows + self.n] * self.gradient[:, None],
        )

    def right_down(self, primal: FloatArray, slots: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Right-hand sides of stationarity (n, K) and of the slots, in the units."""
        return (
            self.gradient[:, None] * primal,
            self.row[:, None] * slots[self.held],
            slots[self.form_rows : self.form_rows + self.n] / self.column[:, None],
        )

    def seeds_down(self, primal: FloatArray, slots: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """The transpose of `point_up`."""
        return (
            self.column[:, None] * primal,
            self.dual[:, None] * slots[self.held],
            slots[self.form_rows : self.form_rows + self.n] / self.gradient[:, None],
        )

    def gradients_up(self, primal: FloatArray, rows: FloatArray, bounds: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The transpose of `right_down`."""
        slots = np.zeros((self.form_rows + self.n, rows.shape[1]))
        slots[self.held] = self.row[:, None] * rows
        slots[self.form_rows :] = bounds / self.column[:, None]
        return self.gradient[:, None] * primal, slots


def _scaled(matrix: sp.csr_array, rows: FloatArray, columns: FloatArray) -> sp.csr_array:
    data = matrix.data * columns[matrix.indices] * np.repeat(rows, np.diff(matrix.indptr))
    return sp.csr_array((data, matrix.indices, matrix.indptr), shape=matrix.shape)


def _equilibrated(P: sp.csr_array, A: sp.csr_array) -> tuple[FloatArray, FloatArray]:
    """D (n,) and E (m,)."""
    D, E = np.ones(P.shape[0]), np.ones(A.shape[0])
    P, A = abs(P), abs(A)
    for _ in range(_ROUNDS):
        of_P, of_A = _scaled(P, D, D), _scaled(A, E, D)
        columns = np.maximum(_largest(of_P, 0), _largest(of_A, 0))
        D /= np.sqrt(np.where(columns > 0.0, columns, 1.0))
        rows = _largest(of_A, 1)
        E /= np.sqrt(np.where(rows > 0.0, rows, 1.0))
    of_P, of_A = _scaled(P, D, D), _scaled(A, E, D)
    columns, rows = of_A.sum(axis=0) + of_P.sum(axis=0), of_A.sum(axis=1)
    return D / np.sqrt(np.where(columns > 0.0, columns, 1.0)), E / np.sqrt(np.where(rows > 0.0, rows, 1.0))


def _largest(matrix: sp.csr_array, axis: int) -> FloatArray:
    if not matrix.nnz:
        return np.zeros(matrix.shape[1 - axis])
    return np.asarray(matrix.max(axis=axis).toarray(), np.float64).ravel()


def _size(numbers: FloatArray) -> float:
    """The root of the mean square of those that are finite and not zero; 1 of none."""
    some = numbers[np.isfinite(numbers) & (numbers != 0.0)]
    return float(np.clip(np.sqrt(np.mean(some * some)), _LEAST, 1.0 / _LEAST)) if len(some) else 1.0
