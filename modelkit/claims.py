"""Proofs that a program has no solution, checked in whatever units it is stated.

With f(x) = F x + g and the weights W of the inner products, the duals y of the rows prove that there is no feasible
point if ``FᵀWy = 0``, each lies in its dual cone, and ``Σ Wy·bound > 0`` (Farkas). A direction d proves that the
objective falls for ever, or that there is no feasible point, if ``F d`` lies in the recession cones, ``P d = 0`` and
``qᵀd < 0``. What should vanish is compared with the largest number of its kind where rows and columns are equilibrated
(`Units`): so a certificate in odd units is judged as the same one in ordinary units.
"""

from __future__ import annotations

import numpy as np

from .arrays import FloatArray, sums
from .form_rows import FormRows
from .sizes import largest_entries, largest_size, ratio
from .units import Units

__all__ = ["farkas_error", "ray_error"]

ROUNDING = 1e-13
"""What a certificate proves must be larger than this part of the terms that it is the sum of."""
_REACH = 1e3
"""So many times as large as the bounds that it uses must be a point that contradicts an inexact certificate."""

_FAR = 1e9
"""A minimum so far off, along a direction, in units in which rows and columns are near one, is none."""


def farkas_error(rows: FormRows, y: FloatArray) -> float:
    """How far duals (m,) are from a proof that no point is feasible; infinity if they prove nothing.

    If ``FᵀWy`` is not zero but r, the proof holds for points x with ``rᵀx < Σ Wy·bound``.
    """
    if not np.isfinite(y).all():
        return np.inf
    form, units = rows.form, Units(rows, alone=True)
    Wy, size = rows.weights * y, largest_size(y / units.row)
    left = max(
        largest_size(units.column * (form.F.T @ Wy)),
        largest_size(rows.wrong(y) / units.row),
        size * rows.relative_cone_distance(y, size * units.row, 0.0, dual=True),
    )
    terms = rows.dual_terms(y)
    gain = float(terms.sum())
    largest_bound = largest_size(ratio(np.abs(terms), np.abs(Wy)) * units.row)
    if gain <= ROUNDING * float(np.abs(terms).sum()) or left * largest_bound * _REACH >= gain:
        return np.inf
    return float(ratio(left, size))


def ray_error(rows: FormRows, d: FloatArray) -> float:
    """How far a direction (n,) is from staying feasible and improving for ever; infinity if it does not improve.

    It is ``nan`` with cones of curved functions, of which it cannot be judged.
    """
    if not np.isfinite(d).all():
        return np.inf
    form = rows.form
    units = Units(rows)
    D = units.column * largest_size(d / units.column)  # as large as the entries of d may be
    Fd = form.F @ d
    sizes = largest_entries(form.F.multiply(D)) if form.F.nnz else np.zeros(form.m)
    away = np.where(Fd < 0.0, np.where(rows.lower > -np.inf, -Fd, 0.0), np.where(rows.upper < np.inf, Fd, 0.0))
    errors = [largest_size(ratio(away, sizes)), rows.relative_cone_distance(Fd, sizes, 0.0, dual=False)]
    if form.P.nnz:
        Pd = form.P @ d
        errors.append(largest_size(ratio(np.abs(Pd), largest_entries(form.P.multiply(D)))))
        if largest_size(d / units.column) * float(-form.q @ d) < _FAR * float(d @ Pd):
            return np.inf  # of a square with small curvature the bottom is far off, not nowhere
    if form.curvature is not None:
        if any(k[0].degree == 2 and k[1].is_vector for k in form.parts):
            return np.nan
        curved = np.abs(form.curvature.values(d))  # zero of a convex quadratic: so is its gradient along d
        terms = np.abs(form.curvature.coef) * D[form.curvature.first] * D[form.curvature.second]
        errors.append(largest_size(ratio(curved, sums(form.curvature.row, terms, form.m))))
    error, terms = max(errors), -form.q * d
    gain = float(ratio(max(float(terms.sum()), 0.0), float(np.abs(terms).sum())))
    return error if gain > max(error, ROUNDING) else np.inf
