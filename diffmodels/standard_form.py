r"""The standard form of a quadratic program, its units, and its optimality residuals.

.. math::

    \min_x \tfrac12 x^T P x + c^T x \quad \text{subject to} \quad A x + s = b,\; s \in \{0\}^p \times
    R_+^{m-p},

with multipliers :math:`Px + A^T y + c = 0`, :math:`y_i \ge 0` and :math:`y_i s_i = 0` for :math:`i \ge p`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np
import scipy.sparse as sp

from ..modelkit.arrays import FloatArray, IntArray
from ..modelkit.form.products import workable
from ..modelkit.sizes import largest_size
from .certainty import MatrixTerms
from .kkt import KKTSystem, Mask
from .kkt.equilibrate import largest_entry, ruiz_scaling, scaled

__all__ = ["Magnitudes", "Matrices", "StandardForm", "Units"]


@final
@dataclass(frozen=True, slots=True)
class StandardForm:
    """Data of the quadratic program above.

    Attributes
    ----------
    P : symmetric positive semidefinite (n, n), sparse CSC, both triangles
    c : (n,)
    A : (m, n), sparse CSR or CSC, the equality rows first
    b : (m,), finite
    zero_rows : p, the number of equality rows
    """

    P: Any
    c: FloatArray
    A: Any
    b: FloatArray
    zero_rows: int

    @property
    def inequalities(self) -> Mask:
        """Mask (m,) of the rows with s >= 0."""
        return np.arange(self.b.size) >= self.zero_rows

    def in_dual_cone(self, y: FloatArray) -> FloatArray:
        """Multipliers (m,), those of inequalities at least zero."""
        return np.concatenate([y[: self.zero_rows], np.maximum(y[self.zero_rows :], 0.0)])


@final
@dataclass(frozen=True, slots=True)
class Magnitudes:
    """What counts as one for slacks and for multipliers, in equilibrated units."""

    slack: float
    multiplier: float


@final
class Matrices:
    r"""P and A of quadratic programs, their equilibrated units, and the KKT system that was asked for last.

    .. math:: \hat x = x / d, \quad \hat s = e s, \quad \hat y = y / e.

    d and e equilibrate ``[[P, A'], [A, 0]]`` (Ruiz), so a slack and a multiplier can be compared whatever the
    scaling of the rows and columns is. Programs with other vectors share all of it.

    Parameters
    ----------
    P, A : of a `StandardForm`

    Attributes
    ----------
    P, A, A_T : for products
    column, row : d (n,) and e (m,)
    largest : entry of P in these units
    """

    def __init__(self, P: Any, A: Any) -> None:
        self.P, self.A = workable(P), workable(A)
        self.A_T = self.A.T
        n = P.shape[0]
        scale = ruiz_scaling(self.P, self.A)
        self.column, self.row = scale[:n], scale[n:]
        self.largest = largest_entry(self.P, self.column)
        self._system: tuple[bytes, Any, KKTSystem] | None = None

    @cached_property
    def terms(self) -> MatrixTerms:
        """What they tell of the sizes of terms."""
        return MatrixTerms(self.P, self.A, self.column, self.row)

    def system(self, active: Mask, solve_with: Any) -> KKTSystem:
        """The KKT system of these rows, factorized anew only for other rows than the last ones."""
        key, last = active.tobytes(), self._system
        if last is not None and last[0] == key and last[1] is solve_with:
            return last[2]
        self._system = None  # which may be large
        rows = np.flatnonzero(active)
        scale = np.concatenate([self.column, self.row[rows]])
        system: KKTSystem = solve_with(self.P, self.A[rows], scale=scale)
        self._system = key, solve_with, system
        return system


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
        self.P, self.A, self.column, self.row = matrices.P, matrices.A, matrices.column, matrices.row
        self.inequality = form.inequalities
        self._b = self.row * form.b
        self._c = largest_size(self.column * form.c)

    def magnitudes(self, x: FloatArray, rows: IntArray) -> Magnitudes:
        r"""Return the magnitudes at x with these active rows.

        They come from the data: the larger of :math:`\|\hat b_{active}\|`, :math:`\|\hat c\| / \|\hat P\|`
        and :math:`\|\hat x\|`; and of :math:`\|\hat c\|` and :math:`\|\hat P\|` times the former. Where the
        data are all zero the equilibrated unit itself is the yardstick, so that noise around x = 0 is not
        one.
        """
        b, largest = largest_size(self._b[rows]), self.matrices.largest
        of_data = max(b, self._c / largest if largest > 0.0 else 0.0)
        of_point = largest_size(x / self.column)
        slack = max(of_data, of_point if of_data > 0.0 or self._c > 0.0 else max(of_point, 1.0))
        slack = slack if slack > 0.0 else 1.0
        multiplier = max(self._c, largest * slack)
        return Magnitudes(slack, multiplier if multiplier > 0.0 else 1.0)

    def slack(self, x: FloatArray) -> FloatArray:
        """Return b - A x, in the form's own units."""
        values: FloatArray = self.A @ x
        return np.subtract(self.form.b, values, out=values)

    def gradient(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return P x + A'y + c, in the form's own units."""
        total: FloatArray = self.P @ x
        total += self.matrices.A_T @ y
        total += self.form.c
        return total

    def residual(self, y: FloatArray, s: FloatArray, left: tuple[FloatArray, FloatArray], unit: Magnitudes) -> float:
        """Return the largest relative violation of stationarity, feasibility and complementarity.

        Parameters
        ----------
        y, s : (m,) in their cones
        left : Px + Aᵀy + c (n,) and Ax + s - b (m,)
        unit : what counts as one
        """
        dual, primal = largest_size(left[0] * self.column), largest_size(left[1] * self.row)
        gap = largest_size(y * s) / (unit.slack * unit.multiplier)
        return max(primal / unit.slack, dual / unit.multiplier, gap)

    def scaled_form(self) -> StandardForm:
        """Return the form in equilibrated units."""
        left, right = sp.diags_array(self.column), sp.diags_array(self.row)
        return StandardForm(
            scaled(sp.csc_array(self.form.P), self.column),
            self.column * self.form.c,
            sp.csr_array(right @ sp.csr_array(self.form.A) @ left),
            self.row * self.form.b,
            self.form.zero_rows,
        )
