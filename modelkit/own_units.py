r"""How far a point is from optimal, in whatever units the program is stated.

A residual that is small beside one may be all there is: of the row ``1e-6 x >= 1e-6``, or of an objective times 1e-6.
Here each is compared with the terms that it is made of, every variable taken as large as the largest one where rows and
columns are equilibrated (`Units`): :math:`X = D \|D^{-1}x\|_\infty` as in DESIGN, section 7. So rounding errors of
numbers that should be zero stay small, and a change of units changes nothing.

A row with one entry, such as a bound, fits its variable in any unit, and keeps from sight the one of its other rows;
but if those have rounding errors alone for it, the bound knows best. So a point is judged in both.
"""

from __future__ import annotations

import numpy as np

from .arrays import FloatArray, sums
from .form_rows import FormRows
from .sizes import largest_size, ratio
from .units import Units

__all__ = ["point_errors"]

_LEAST = 1e-2
"""Where the solution is the origin there is no unit but the one in which it is stated: at most so much of that."""


def point_errors(rows: FormRows, x: FloatArray, y: FloatArray | None) -> tuple[float, float, float]:
    """Residuals of rows, of the gradient and the signs of duals, and of the gap; without duals the last two are nan.

    Parameters
    ----------
    rows : FormRows
    x, y : (n,) and (m,), finite
    """
    errors = _errors(rows, x, y, Units(rows))
    form = rows.form
    if not (np.any(np.diff(form.F.indptr) == 1) or np.any(np.diff(form.P.indptr) == 1)):
        return errors
    others = _errors(rows, x, y, Units(rows, shared=True))
    return max(errors[0], others[0]), max(errors[1], others[1]), max(errors[2], others[2])


def _errors(rows: FormRows, x: FloatArray, y: FloatArray | None, units: Units) -> tuple[float, float, float]:
    form = rows.form
    D, E, curvature, constants = units.column, units.row, form.curvature, rows.constants()
    size = max(largest_size(x / D), min(largest_size(E * constants), 1.0), _LEAST)
    X = size * D
    f, terms = form.F @ x, constants + abs(form.F) @ X
    curved = np.zeros(form.m)
    if curvature is not None:
        curved = curvature.values(x)
        f = f + curved
        terms += sums(curvature.row, np.abs(curvature.coef) * X[curvature.first] * X[curvature.second], form.m)
    away = np.maximum(np.maximum(rows.lower - f, f - rows.upper), 0.0)
    primal = max(largest_size(ratio(away, terms)), rows.relative_cone_distance(f + form.g, terms, 0.0, dual=False))
    if y is None:
        return primal, np.nan, np.nan
    Px, Wy, jacobian = form.P @ x, rows.weights * y, form.F
    if curvature is not None:
        jacobian = jacobian + curvature.jacobian(x)
    gradient = np.abs(form.q) + abs(form.P) @ X
    objective = largest_size(D * gradient) or 1.0
    most = max(largest_size(y / E), objective) * E
    dual = max(
        largest_size(
            ratio(np.abs(Px + form.q - jacobian.T @ Wy), gradient + abs(jacobian).T @ np.abs(Wy) + objective / D)
        ),
        largest_size(ratio(rows.wrong(y), most)),
        rows.relative_cone_distance(y, most, 0.0, dual=True),
    )
    values = np.append(rows.dual_terms(y) + Wy * curved, [-float(x @ Px), -float(form.q @ x)])
    least = min(size * objective, 1.0)
    gap = float(ratio(abs(float(values.sum())), least + float(np.abs(values).sum())))
    return primal, dual, gap
