"""How far a point is from optimal in the units in which a program is stated: see `residuals`, and `own_units`."""

from __future__ import annotations

import numpy as np

from .arrays import FloatArray
from .form_rows import FormRows
from .sizes import largest_size

__all__ = ["stated_errors", "violation"]


def violation(values: FloatArray, lower: FloatArray, upper: FloatArray) -> float:
    """The largest distance from the bounds, relative to one plus the values."""
    distance = np.maximum(np.maximum(lower - values, values - upper), 0.0)
    return float(np.max(distance / (1.0 + np.abs(values)), initial=0.0))


def _relative(size: float, *scales: FloatArray | float) -> float:
    return size / (1.0 + max((largest_size(np.asarray(s)) for s in scales), default=0.0))


def stated_errors(rows: FormRows, x: FloatArray, y: FloatArray | None) -> tuple[float, float, float]:
    """Residuals of rows, of the gradient and the signs of duals, and of the gap; without duals the last two are nan.

    Each is relative to one plus the size of the terms that it is made of.

    Parameters
    ----------
    rows : FormRows
    x, y : (n,) and (m,), finite
    """
    form = rows.form
    Fx = form.F @ x
    curved = np.zeros(form.m) if form.curvature is None else form.curvature.values(x)
    f = Fx + curved
    sizes = np.maximum(np.maximum(np.abs(Fx), np.abs(form.g)), np.abs(curved))
    primal = max(
        violation(f, rows.lower, rows.upper) if np.isfinite(f).all() else np.inf,
        rows.relative_cone_distance(f + form.g, sizes, 1.0, dual=False),
    )
    if y is None:
        return primal, np.nan, np.nan
    Px, Wy = form.P @ x, rows.weights * y
    Jty = form.F.T @ Wy
    if form.curvature is not None:
        Jty = Jty + form.curvature.jacobian(x).T @ Wy
    dual = max(
        _relative(largest_size(Px + form.q - Jty), Px, form.q, Jty),
        _relative(largest_size(rows.wrong(y)), y),
        rows.relative_cone_distance(y, np.abs(y), 1.0, dual=True),
    )
    xPx, qx = float(x @ Px), float(form.q @ x)
    terms = rows.dual_terms(y) + Wy * curved
    gap = _relative(abs(xPx + qx - float(terms.sum())), xPx, qx, float(np.abs(terms).sum()))
    return primal, dual, gap
