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
from .certainty import MatrixTerms
from .kkt import Mask
from .kkt.equilibrate import largest_entry, ruiz_scaling, scaled

__all__ = ["Magnitudes", "StandardForm", "Units"]

_MOSTLY_STORED = 0.3


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
class Units:
    r"""Equilibrated units of a standard form: :math:`\hat x = x / d, \hat s = e s, \hat y = y / e`.

    d and e equilibrate ``[[P, A'], [A, 0]]`` (Ruiz), so a slack and a multiplier can be compared whatever the
    scaling of the rows and columns is.
    """

    def __init__(self, form: StandardForm) -> None:
        self.form = form
        self.P, self.A = _workable(form.P, "csc"), _workable(form.A, "csr")
        n = form.c.size
        self.scale = ruiz_scaling(self.P, self.A)
        self.column, self.row = self.scale[:n], self.scale[n:]
        self._b = np.abs(self.row * form.b)
        self._c = float(np.abs(self.column * form.c).max(initial=0.0))
        self._P = largest_entry(self.P, self.column)

    @cached_property
    def terms(self) -> MatrixTerms:
        """What the matrices tell of the sizes of terms."""
        return MatrixTerms(self.P, self.A, self.column, self.row)

    def magnitudes(self, x: FloatArray, rows: IntArray) -> Magnitudes:
        r"""Return the magnitudes at x with these active rows.

        They come from the data: the larger of :math:`\|\hat b_{active}\|`, :math:`\|\hat c\| / \|\hat P\|`
        and :math:`\|\hat x\|`; and of :math:`\|\hat c\|` and :math:`\|\hat P\|` times the former. Where the
        data are all zero the equilibrated unit itself is the yardstick, so that noise around x = 0 is not
        one.
        """
        b = float(self._b[rows].max(initial=0.0))
        of_data = max(b, self._c / self._P if self._P > 0.0 else 0.0)
        of_point = float(np.abs(x / self.column).max(initial=0.0))
        slack = max(of_data, of_point if of_data > 0.0 or self._c > 0.0 else max(of_point, 1.0))
        slack = slack if slack > 0.0 else 1.0
        multiplier = max(self._c, self._P * slack if self._P > 0.0 else 0.0)
        return Magnitudes(slack, multiplier if multiplier > 0.0 else 1.0)

    def slack(self, x: FloatArray) -> FloatArray:
        """Return b - A x, in the form's own units."""
        return np.asarray(self.form.b - self.A @ x)

    def gradient(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return P x + A'y + c, in the form's own units."""
        return np.asarray(self.P @ x + self.A.T @ y + self.form.c)

    def residual(self, y: FloatArray, s: FloatArray, left: tuple[FloatArray, FloatArray], unit: Magnitudes) -> float:
        """Return the largest relative violation of stationarity, feasibility and complementarity.

        Parameters
        ----------
        y, s : (m,) in their cones
        left : Px + Aᵀy + c (n,) and Ax + s - b (m,)
        unit : what counts as one
        """
        dual = float(np.abs(left[0] * self.column).max(initial=0.0)) / unit.multiplier
        primal = float(np.abs(left[1] * self.row).max(initial=0.0)) / unit.slack
        gap = float(np.abs(y * s).max(initial=0.0)) / (unit.slack * unit.multiplier)
        return max(primal, dual, gap)

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


def _workable(M: Any, layout: str) -> Any:
    """Return M as an ndarray if most entries are stored (faster products), else sparse."""
    if not sp.issparse(M):
        return np.asarray(M, dtype=np.float64)
    if M.nnz > _MOSTLY_STORED * M.shape[0] * M.shape[1]:
        return M.toarray()
    compressed = sp.csc_array(M) if layout == "csc" else sp.csr_array(M)
    return compressed.astype(np.float64, copy=False)
