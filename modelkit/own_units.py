r"""How far a point is from optimal, in whatever units the program is stated.

A residual that is small beside one may be all there is: of the row ``1e-6 x >= 1e-6``, or of an objective times 1e-6.
Here each is compared with the terms that it is made of, every variable taken as large as the largest one where rows and
columns are equilibrated (`Units`): :math:`X = D \|D^{-1}x\|_\infty` as in DESIGN, section 7. So rounding errors of
numbers that should be zero stay small, and a change of units changes nothing.

A row with one entry, such as a bound, fits its variable in any unit, and keeps from sight the one of its other rows;
but if those have rounding errors alone for it, the bound knows best. So a point is judged in both.
"""

from __future__ import annotations

from typing import final

import numpy as np

from .arrays import FloatArray, sums
from .form_rows import FormRows
from .sizes import largest_size, ratio
from .units import Units

__all__ = ["MatrixSizes", "point_errors"]

_LEAST = 1e-2
"""Where the solution is the origin there is no unit but the one in which it is stated: at most so much of that."""


@final
class MatrixSizes:
    """What errors are compared with, as far as the matrices of a form tell it: the same for all forms that have them.

    Parameters
    ----------
    rows : FormRows
    """

    def __init__(self, rows: FormRows) -> None:
        form = rows.form
        self.P, self.F = abs(form.P), abs(form.F)
        self.units = [Units(rows)]
        if np.any(np.diff(form.F.indptr) == 1) or np.any(np.diff(form.P.indptr) == 1):
            first, other = self.units[0], Units(rows, shared=True)
            if (other.column != first.column).any() or (other.row != first.row).any():
                self.units.append(other)


def point_errors(
    rows: FormRows, x: FloatArray, y: FloatArray | None, sizes: MatrixSizes | None = None
) -> tuple[float, float, float]:
    """Residuals of rows, of the gradient and the signs of duals, and of the gap; without duals the last two are nan.

    Parameters
    ----------
    rows : FormRows
    x, y : (n,) and (m,), finite
    sizes : of a form with the same matrices, or None
    """
    point = _Point(rows, x, y, MatrixSizes(rows) if sizes is None else sizes)
    errors, *others = [point.errors(units) for units in point.sizes.units]
    for other in others:
        errors = max(errors[0], other[0]), max(errors[1], other[1]), max(errors[2], other[2])
    return errors


@final
class _Point:
    """A point and duals, and their errors as they are."""

    def __init__(self, rows: FormRows, x: FloatArray, y: FloatArray | None, sizes: MatrixSizes) -> None:
        self.rows, self.x, self.y, self.sizes = rows, x, y, sizes
        form, curvature = rows.form, rows.form.curvature
        self.constants, f = rows.constants(), form.F @ x
        self.curved = np.zeros(form.m) if curvature is None else curvature.values(x)
        f = f + self.curved
        self.away = np.maximum(np.maximum(rows.lower - f, f - rows.upper), 0.0)
        self.far = rows.cone_distances(f + form.g, dual=False)
        if y is None:
            return
        self.Wy, Px = rows.weights * y, form.P @ x
        jacobian, steepness = form.F, sizes.F
        if curvature is not None:
            jacobian = jacobian + curvature.jacobian(x)
            steepness = abs(jacobian)
        self.left, self.pull = np.abs(Px + form.q - jacobian.T @ self.Wy), steepness.T @ np.abs(self.Wy)
        self.far_dual = rows.cone_distances(y, dual=True)
        self.xPx, self.qx = float(x @ Px), float(form.q @ x)

    def errors(self, units: Units) -> tuple[float, float, float]:
        """The same relative to their terms in some units."""
        rows, form, curvature = self.rows, self.rows.form, self.rows.form.curvature
        D, E = units.column, units.row
        size = max(largest_size(self.x / D), min(largest_size(E * self.constants), 1.0), _LEAST)
        X = size * D
        terms = self.constants + self.sizes.F @ X
        if curvature is not None:
            terms += sums(curvature.row, np.abs(curvature.coef) * X[curvature.first] * X[curvature.second], form.m)
        primal = max(largest_size(ratio(self.away, terms)), rows.largest_in_cones(self.far, terms, 0.0))
        if self.y is None:
            return primal, np.nan, np.nan
        gradient = np.abs(form.q) + self.sizes.P @ X
        objective = largest_size(D * gradient) or 1.0
        most = max(largest_size(self.y / E), objective) * E
        dual = max(
            largest_size(ratio(self.left, gradient + self.pull + objective / D)),
            largest_size(ratio(rows.wrong(self.y), most)),
            rows.largest_in_cones(self.far_dual, most, 0.0),
        )
        values = np.append(rows.dual_terms(self.y) + self.Wy * self.curved, [-self.xPx, -self.qx])
        least = min(size * objective, 1.0)
        gap = float(ratio(abs(float(values.sum())), least + float(np.abs(values).sum())))
        return primal, dual, gap
