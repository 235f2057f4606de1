"""Proofs that a form has no solution, checked in whatever units it is stated.

With f(x) the functions of the slots, J their derivative and the weights W of the inner products, the duals y prove that
there is no feasible point if ``JᵀWy = 0``, each lies in its dual cone or has the sign of a side, and ``Σ Wy·side > 0``
(Farkas). A direction d proves that the objective falls for ever, or that there is no feasible point, if ``J d`` lies in
the recession cones, ``P d = 0`` and ``qᵀd < 0``. What should vanish is compared with the largest number of its kind
where rows and columns are equilibrated (`Scales`): so a certificate in odd units is judged as the same one in ordinary
units.

Where the lower side of a slot is above the upper one, that alone is the proof: the two duals, 1 at the lower side and
-1 at the upper one, are one slot's and add up to zero. So zero duals stand for it.
"""

from __future__ import annotations

import numpy as np

from ..arrays import FloatArray
from ..sizes import largest_entries, largest_size, ratio
from .scales import Scales
from .slot_rows import SlotRows

__all__ = ["crossing", "farkas_error", "ray_error"]

_ROUNDING = 1e-13
"""What a certificate proves must be larger than this part of the terms that it is the sum of."""
_REACH = 1e3
"""So many times as large as the bounds that it uses must be a point that contradicts an inexact certificate."""
_FAR = 1e9
"""A minimum so far off, along a direction, in units in which rows and columns are near one, is none."""
_CROSSED = 1e-9
"""By how much a lower side is above the upper one that cannot be by rounding, relative to them and to others."""


def crossing(rows: SlotRows) -> int | None:
    """The slot whose lower side is farthest above its upper one, by more than rounding; None if there is none."""
    at = np.flatnonzero(rows.lower > rows.upper)
    if not len(at):
        return None
    unit = Scales(rows, alone=True).row
    numbers = unit * rows.constants()
    usual = min(1.0, float(np.median(numbers[numbers > 0.0])))
    with np.errstate(over="ignore"):
        beyond = unit[at] * (rows.lower[at] - rows.upper[at]) / np.maximum(numbers[at], usual)
    worst = int(np.argmax(beyond))
    return int(at[worst]) if beyond[worst] > _CROSSED else None


def farkas_error(rows: SlotRows, y: FloatArray) -> float:
    """How far duals (slots,) are from a proof that no point is feasible; infinity if they prove nothing.

    If ``JᵀWy`` is not zero but r, the proof holds for points x with ``rᵀx < Σ Wy·side``. Bounds hide how large x may be
    in the units of its other rows; so it is judged with and without them.
    """
    if not np.isfinite(y).all():
        return np.inf
    if not y.any():
        return np.inf if crossing(rows) is None else 0.0
    return max(_farkas_error(rows, y, Scales(rows, alone=True, shared=shared)) for shared in (False, True))


def _farkas_error(rows: SlotRows, y: FloatArray, scales: Scales) -> float:
    Wy, size = rows.weights * y, largest_size(y / scales.row)
    left = max(
        largest_size(scales.column * rows.adjoint(Wy)),
        largest_size(rows.wrong(y) / scales.row),
        size * rows.relative_cone_distance(y, size * scales.row, 0.0, dual=True),
    )
    terms = rows.dual_terms(y)
    gain = float(terms.sum())
    largest_side = largest_size(ratio(np.abs(terms), np.abs(Wy)) * scales.row)
    if gain <= _ROUNDING * float(np.abs(terms).sum()) or left * largest_side * _REACH >= gain:
        return np.inf
    return float(ratio(left, size))


def ray_error(rows: SlotRows, d: FloatArray) -> float:
    """How far a direction (n,) is from staying feasible and improving for ever; infinity if it does not improve."""
    if not np.isfinite(d).all():
        return np.inf
    form = rows.form
    scales = Scales(rows)
    D = scales.column * largest_size(d / scales.column)  # as large as the entries of d may be
    moved = rows.linear(d)
    sizes = np.concatenate([largest_entries(form.A.multiply(D)), D, largest_entries(form.F.multiply(D))])
    away = np.where(moved < 0.0, np.where(rows.lower > -np.inf, -moved, 0.0), np.where(rows.upper < np.inf, moved, 0.0))
    errors = [largest_size(ratio(away, sizes)), rows.relative_cone_distance(moved, sizes, 0.0, dual=False)]
    if form.P.nnz:
        Pd = form.P @ d
        errors.append(largest_size(ratio(np.abs(Pd), largest_entries(form.P.multiply(D)))))
        if largest_size(d / scales.column) * float(-form.q @ d) < _FAR * float(d @ Pd):
            return np.inf  # of a square with small curvature the bottom is far off, not nowhere
    if rows.curvature is not None:  # zero of a convex quadratic: so is its gradient along d
        errors.append(largest_size(ratio(np.abs(rows.curved(d)), rows.curved_sizes(D))))
    error, terms = max(errors), -form.q * d
    gain = float(ratio(max(float(terms.sum()), 0.0), float(np.abs(terms).sum())))
    return error if gain > max(error, _ROUNDING) else np.inf
