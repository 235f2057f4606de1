"""Whether a solver's answer to a matrix form is one: primal, dual and gap, in a few array operations.

The rule is that of the model (`modelkit.residuals`): each relative to one plus the size of its terms, or, where that is
larger, to these terms in the units of the program (`modelkit.own_units`).
"""

from __future__ import annotations

from typing import Any, final

import numpy as np

from ....modelkit import attributes as attr
from ....modelkit.arrays import FloatArray
from ....modelkit.form.residuals import OPTIMAL_RESIDUAL
from ....modelkit.form_rows import FormRows
from ....modelkit.matrix_form import MatrixForm
from ....modelkit.own_units import MatrixSizes, point_errors
from ....modelkit.sets import Nonnegatives, Zeros
from ...cone_rows import ConeRows

__all__ = ["FormResiduals"]


@final
class FormResiduals:
    """The residuals of answers to forms of one structure.

    Parameters
    ----------
    form : any of them
    same_matrices : whether all have the same P and F
    """

    def __init__(self, form: MatrixForm, *, same_matrices: bool) -> None:
        self._same_matrices = same_matrices
        self._sizes: MatrixSizes | None = None
        plain = all(kind[1] in (Zeros, Nonnegatives) for kind in form.parts)
        self._cones = None if plain else ConeRows(form)
        self._rows = FormRows(form)
        self._is_zero = np.zeros(form.m, bool)
        for kind, part in form.parts.items():
            self._is_zero[part.rows] = kind[1] is Zeros

    def largest(self, form: MatrixForm, x: FloatArray, y: FloatArray) -> float:
        """The largest relative residual: of the rows, of the gradient, of the multipliers, and the gap."""
        if not (np.isfinite(x).all() and np.isfinite(y).all()):
            return np.inf
        with np.errstate(over="ignore", invalid="ignore"):
            rows = self._rows.with_form(form)
            sizes = MatrixSizes(rows) if self._sizes is None else self._sizes
            if self._same_matrices:
                self._sizes = sizes
            own = point_errors(rows, x, y, sizes)
            # NaN, of numbers that overflow, if one is: `max` would pass over it
            return float(np.max([self._plain(form, x, y), *own]))

    def _plain(self, form: MatrixForm, x: FloatArray, y: FloatArray) -> float:
        q, g = form.q, form.g
        Fx, Px, Fty = form.F @ x, form.P @ x, y @ form.F
        s = Fx + g
        inside, dual = self._project(s, y)
        xPx, qx, gy = float(x @ Px), float(q @ x), float(g @ y)
        residuals = (
            _size(s - inside) / (1.0 + max(_size(Fx), _size(g))),
            _size(y - dual) / (1.0 + _size(y)),
            _size(Px + q - Fty) / (1.0 + max(_size(Px), _size(q), _size(Fty))),
            abs(xPx + qx + gy) / (1.0 + max(abs(xPx), abs(qx), abs(gy))),
        )
        return float(np.max(residuals))

    def _project(self, s: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The nearest points of the cones and of the dual cones."""
        if self._cones is None:
            return np.where(self._is_zero, 0.0, np.maximum(s, 0.0)), np.where(self._is_zero, y, np.maximum(y, 0.0))
        return s + self._cones.project_dual(-s), self._cones.project_dual(y)

    def checked(self, form: MatrixForm, x: Any, y: Any) -> attr.TerminationStatusCode:
        """OPTIMAL, or what an answer called so is instead."""
        codes = attr.TerminationStatusCode
        if x is None or y is None or not (np.isfinite(x).all() and np.isfinite(y).all()):
            return codes.OTHER_ERROR
        return codes.OPTIMAL if self.largest(form, x, y) <= OPTIMAL_RESIDUAL else codes.ALMOST_OPTIMAL


def _size(values: FloatArray) -> float:
    return max(float(values.max()), -float(values.min())) if values.size else 0.0
