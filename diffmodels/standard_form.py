r"""The standard form of a quadratic program, its units, and its optimality residuals.

.. math::

    \min_x \tfrac12 x^T P x + c^T x \quad \text{subject to} \quad l \le B x \le u,
    \qquad B = A \text{ or } \begin{pmatrix} A \\ I \end{pmatrix},

with multipliers :math:`Px + B^T y + c = 0`. A row with two sides is one row with one multiplier: :math:`y_i \ge 0` if
it is active at its upper side, :math:`y_i \le 0` if at its lower one, :math:`y_i = 0` if it is not. Of an equation it
is free. Which of these a row is stands in an array of *sides*: 1, -1 and 0, and 1 of all equations.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ..modelkit.arrays import FloatArray, IntArray
from ..modelkit.form.products import workable
from ..modelkit.sizes import largest_size
from .certainty import MatrixTerms
from .kkt import KKTSystem, Mask, with_bounds, with_units
from .kkt.equilibrate import largest_entry, ruiz_scaling, scaled
from .proximal_newton import OneSidedRows
from .rows_and_bounds import RowsAndBounds

__all__ = ["Magnitudes", "Matrices", "Sides", "StandardForm", "Units"]

Sides = NDArray[np.int8]
"""(m,): the side at which each row is active, 1 for the upper one and in equations, -1 for the lower one, else 0."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class StandardForm:
    """Data of the quadratic program above.

    Attributes
    ----------
    P : symmetric positive semidefinite (n, n), sparse CSC or an array, both triangles
    c : (n,)
    A : the rows, sparse CSR or an array
    lower, upper : (m,) the sides of B x, infinite where there is none: of A x or, n more of them, of A x and x
    equal : mask (m,) of the equations; other rows with equal sides are two inequalities
    """

    P: Any
    c: FloatArray
    A: Any
    lower: FloatArray
    upper: FloatArray
    equal: Mask

    @property
    def has_bounds(self) -> bool:
        """Whether B has the unit matrix."""
        return len(self.upper) > int(self.A.shape[0])

    @classmethod
    def of_upper(cls, P: Any, c: FloatArray, A: Any, b: FloatArray, zero_rows: int = 0) -> StandardForm:
        """``A x <= b``, the first rows equations."""
        equal = np.arange(len(b)) < zero_rows
        return cls(P, c, A, np.where(equal, b, -np.inf), b, equal)


@final
@dataclass(frozen=True, slots=True)
class Magnitudes:
    """What counts as one for slacks and for multipliers, in equilibrated units."""

    slack: float
    multiplier: float


@final
class Matrices:
    r"""P and B of quadratic programs, their equilibrated units, and the KKT system that was asked for last.

    .. math:: \hat x = x / d, \quad \hat s = e s, \quad \hat y = y / e.

    d and e equilibrate ``[[P, A'], [A, 0]]`` (Ruiz), so a slack and a multiplier can be compared whatever the
    scaling of the rows and columns is; a bound has the unit of its column. Programs with other vectors share all of it.

    Parameters
    ----------
    P, A : of a `StandardForm`
    bounds : whether the unit matrix stands below A

    Attributes
    ----------
    P, B, B_T : for products
    column, row : d (n,) and e (m,)
    largest : entry of P in these units
    """

    def __init__(self, P: Any, A: Any, *, bounds: bool = False) -> None:
        self.P, self._A = workable(P), workable(A)
        # KKT systems are made of arrays, or of sparse matrices.
        self._rows: Any = self._A if isinstance(self.P, np.ndarray) else sp.csr_array(A)
        self.B: Any = RowsAndBounds(self._A) if bounds else self._A
        self.B_T = self.B.T
        n = P.shape[0]
        scale = ruiz_scaling(self.P, self._A)
        self.column = scale[:n]
        self.row = np.concatenate([scale[n:], 1.0 / self.column]) if bounds else scale[n:]
        self.largest = largest_entry(self.P, self.column)
        self._bounds = bounds
        self._system: tuple[bytes, Any, KKTSystem] | None = None

    @cached_property
    def terms(self) -> MatrixTerms:
        """What they tell of the sizes of terms."""
        return MatrixTerms(self.P, self.B, self.column, self.row)

    def rows(self, at: IntArray) -> Any:
        """Some rows of B, in order."""
        if not self._bounds:
            return self._rows[at]
        m = self._A.shape[0]
        first = int(np.searchsorted(at, m))
        return with_units(self._rows[at[:first]], at[first:] - m)

    def system(self, active: Mask, solve_with: Any) -> KKTSystem:
        """The KKT system of these rows, factorized anew only for other rows than the last ones."""
        key, last = active.tobytes(), self._system
        if last is not None and last[0] == key and last[1] is solve_with:
            return last[2]
        self._system = None  # which may be large
        system = self._made(active, solve_with)
        self._system = key, solve_with, system
        return system

    def _made(self, active: Mask, solve_with: Any) -> KKTSystem:
        m = self._A.shape[0]
        at = np.flatnonzero(active[:m])
        if not self._bounds:
            made: KKTSystem = solve_with(self.P, self._rows[at], scale=np.concatenate([self.column, self.row[at]]))
            return made
        fixed = np.flatnonzero(active[m:])
        scale = np.concatenate([self.column, self.row[at], self.row[fixed + m]])
        return with_bounds(solve_with, self.P, self._A[at], fixed, scale)


@final
class Units:
    """A standard form in the equilibrated units of its matrices, and the residuals of points there.

    Parameters
    ----------
    form : the program
    matrices : its own
    """

    def __init__(self, form: StandardForm, matrices: Matrices) -> None:
        self.form, self.matrices = form, matrices
        self.column, self.row = matrices.column, matrices.row
        self.inequality: Mask = ~form.equal
        self._c = largest_size(self.column * form.c)
        # Of multipliers: what sides there are to push.
        self._least = np.where(form.lower > -np.inf, -np.inf, 0.0)
        self._most = np.where(form.upper < np.inf, np.inf, 0.0)

    def magnitudes(self, x: FloatArray, sides: FloatArray) -> Magnitudes:
        r"""Return the magnitudes at x where active rows stand at these `sides`, (m,), and zeros elsewhere.

        They come from the data: the larger of :math:`\|\hat b_{active}\|`, :math:`\|\hat c\| / \|\hat P\|`
        and :math:`\|\hat x\|`; and of :math:`\|\hat c\|` and :math:`\|\hat P\|` times the former. Where the
        data are all zero the equilibrated unit itself is the yardstick, so that noise around x = 0 is not
        one.
        """
        b, largest = largest_size(self.row * sides), self.matrices.largest
        of_data = max(b, self._c / largest if largest > 0.0 else 0.0)
        of_point = largest_size(x / self.column)
        slack = max(of_data, of_point if of_data > 0.0 or self._c > 0.0 else max(of_point, 1.0))
        slack = slack if slack > 0.0 else 1.0
        multiplier = max(self._c, largest * slack)
        return Magnitudes(slack, multiplier if multiplier > 0.0 else 1.0)

    def in_dual_cone(self, y: FloatArray) -> FloatArray:
        """Multipliers (m,), zero where they push a side that there is not."""
        return np.clip(y, self._least, self._most)

    def at(self, sides: Sides) -> FloatArray:
        """The numbers at which active rows stand, (m,), and zeros elsewhere."""
        form = self.form
        return np.where(sides > 0, form.upper, np.where(sides < 0, form.lower, 0.0))

    def slacks(self, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        """How far values (m,) of the rows are above the lower side, and below the upper one."""
        return values - self.form.lower, self.form.upper - values

    def values(self, x: FloatArray) -> FloatArray:
        """Return B x, in the form's own units."""
        values: FloatArray = self.matrices.B @ x
        return values

    def gradient(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return P x + B'y + c, in the form's own units."""
        total: FloatArray = self.matrices.P @ x
        total += self.matrices.B_T @ y
        total += self.form.c
        return total

    def residual(self, left: tuple[FloatArray, FloatArray], unit: Magnitudes, gap: float = 0.0) -> float:
        """Return the largest relative violation of stationarity, feasibility and complementarity.

        Parameters
        ----------
        left : Px + Bᵀy + c (n,), and by how much rows are off their side or beyond it (m,)
        unit : what counts as one
        gap : the largest product of a multiplier and its slack
        """
        dual, primal = largest_size(left[0] * self.column), largest_size(left[1] * self.row)
        return max(primal / unit.slack, dual / unit.multiplier, gap / (unit.slack * unit.multiplier))

    def one_sided(self) -> tuple[OneSidedRows, IntArray, FloatArray]:
        """The program in equilibrated units, each side a row: these, which row of B each is of, and its sign."""
        form = self.form
        equal = np.flatnonzero(form.equal)
        above = np.flatnonzero((form.upper < np.inf) & ~form.equal)
        below = np.flatnonzero((form.lower > -np.inf) & ~form.equal)
        row = np.concatenate([equal, above, below])
        sign = np.repeat([1.0, 1.0, -1.0], [len(equal), len(above), len(below)])
        b = np.concatenate([form.upper[equal], form.upper[above], -form.lower[below]])
        every = sp.csr_array(self.matrices.rows(np.arange(len(form.upper))))[row]
        A = sp.diags_array(self.row[row] * sign) @ every @ sp.diags_array(self.column)
        P = scaled(sp.csc_array(self.matrices.P), self.column)
        rows = OneSidedRows(P, self.column * form.c, sp.csr_array(A), self.row[row] * b, len(equal))
        return rows, row, sign
