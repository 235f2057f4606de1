"""Parameters are data: their columns, and the rows that hold them at their values, leave the form by hand.

Below the bridges a parameter is a variable that one row ``a x_p + g = 0`` holds. Its products are inserted, so it
stands in q and in other rows alone, and with F_p its column there

    x_p = -g / a,      a y_p = q_p - F_pᵀ y,      a dx_p = -r_p,      a dy_p = -F_pᵀ dy - r'_p

for right-hand sides r_p of its row and r'_p of its column. That is the same elimination in both modes. Were the row one
among others, a parameter would not be where it was set wherever rows are dependent and the least solution is returned.
"""

from __future__ import annotations

from typing import final

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike

from ..modelkit.arrays import FloatArray, IntArray
from ..modelkit.attributes import DifferentiationStatusCode, Refinement
from ..modelkit.matrix_form import MatrixForm
from .kkt import Mask
from .solution_point import SolutionPoint

__all__ = ["Held", "HeldPoint"]


@final
class Held:
    """A form without its parameters, and the ways down to it.

    Parameters
    ----------
    form : the whole
    rows : (p,) each ``a x_p + g`` of one variable, no two of the same, in a zero cone

    Attributes
    ----------
    form : the rest, with the parameters' values in its constants
    kept_rows, kept_columns : of the whole
    """

    def __init__(self, form: MatrixForm, rows: IntArray) -> None:
        self.whole, self.rows = form, rows
        own = sp.csr_array(form.F[rows])
        self.columns, self.slopes = own.indices.astype(np.int64), own.data
        self.values: FloatArray = -form.g[rows] / self.slopes
        self.kept_rows = np.setdiff1d(np.arange(form.m), rows)
        self.kept_columns = np.setdiff1d(np.arange(form.n), self.columns)
        self.F = sp.csr_array(sp.csc_array(form.F)[:, self.columns])[self.kept_rows]
        rest = form.part(self.kept_rows, self.kept_columns)
        r = form.r + float(form.q[self.columns] @ self.values)
        self.form = rest.with_numbers(rest.P, rest.q, r, rest.F, rest.g + self.F @ self.values)


@final
class HeldPoint:
    """The solution of the whole, from that of the rest.

    Parameters
    ----------
    held : the form without its parameters
    point : its solution

    Attributes
    ----------
    x, y : (n,) and (m,)
    """

    def __init__(self, held: Held, point: SolutionPoint) -> None:
        self._held, self._point = held, point
        self.x, self.y = np.zeros(held.whole.n), np.zeros(held.whole.m)
        self.x[held.kept_columns], self.x[held.columns] = point.x, held.values
        self.y[held.kept_rows] = point.y
        self.y[held.rows] = (held.whole.q[held.columns] - held.F.T @ point.y) / held.slopes

    @property
    def status(self) -> DifferentiationStatusCode:
        """What the derivatives are."""
        return self._point.status

    @property
    def refinement(self) -> Refinement:
        """Largest relative violation of the optimality conditions, of the given point and of this one."""
        return self._point.refinement

    @property
    def rows_at_fault(self) -> Mask:
        """(m,): a row that holds a parameter never is."""
        fault = np.zeros(len(self.y), bool)
        fault[self._held.kept_rows] = self._point.rows_at_fault
        return fault

    @property
    def weakly_active(self) -> Mask:
        """(m,): the rows at a kink."""
        weak = np.zeros(len(self.y), bool)
        weak[self._held.kept_rows] = self._point.weakly_active
        return weak

    @property
    def mismatch(self) -> float:
        """Relative difference of forward and reverse mode at random right-hand sides."""
        return self._point.mismatch

    def bends(self, columns: Mask) -> bool:
        """Whether the derivative of some variables (n,) depends on which of many multipliers was found."""
        return self._point.bends(columns[self._held.kept_columns])

    @property
    def active(self) -> Mask:
        """(m,): the rows in the system."""
        active = np.zeros(len(self.y), bool)
        active[self._held.kept_rows] = self._point.active
        return active

    def on_kinks(self, values: FloatArray) -> FloatArray:
        """(m, k) projected on what is not unique at a kink."""
        out = np.zeros(values.shape)
        out[self._held.kept_rows] = self._point.on_kinks(values[self._held.kept_rows])
        return out

    @property
    def freedom(self) -> tuple[FloatArray, FloatArray]:
        """How x and y can move, the parameters staying where they are."""
        held, (primal, dual) = self._held, self._point.freedom
        dx, dy = np.zeros((len(self.x), primal.shape[1])), np.zeros((len(self.y), dual.shape[1]))
        dx[held.kept_columns], dy[held.kept_rows] = primal, dual
        dy[held.rows] = -(held.F.T @ dual) / held.slopes[:, None]
        return dx, dy

    def solve(self, primal: ArrayLike, rows: ArrayLike | None = None) -> tuple[FloatArray, FloatArray]:
        """(dx, dy) from right-hand sides (n,) or (n, K) and (m,) or (m, K); likewise (w_x, w_y) from seeds."""
        held, upper = self._held, np.asarray(primal, np.float64)
        tail = upper.shape[1:]
        lower = np.zeros((len(self.y), *tail)) if rows is None else np.asarray(rows, np.float64)
        slopes = held.slopes.reshape(-1, *(1 for _ in tail))
        dx, dy = np.zeros(upper.shape), np.zeros(lower.shape)
        moved = dx[held.columns] = -lower[held.rows] / slopes
        dx[held.kept_columns], rest = self._point.solve(
            upper[held.kept_columns], lower[held.kept_rows] + held.F @ moved
        )
        dy[held.kept_rows] = rest
        dy[held.rows] = (-(held.F.T @ rest) - upper[held.columns]) / slopes
        return dx, dy
