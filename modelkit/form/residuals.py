r"""A solution is checked, not believed: the residuals of a form at (x, dual), dual over all slots.

With f(x) the functions of the slots, J their derivative, W the weights of the inner products, and y all duals:

* primal residual: the largest distance of a row, bound or cone from where it must be, or from the whole numbers,
* dual residual: :math:`\|Px + q - J^T W y\|_\infty`, duals of sides that are not there, and the largest distance of a
  dual from its dual cone,
* gap: the difference of the objective and of that of the dual.

*Stated*: each relative to one plus the size of the terms that it is made of. But a residual that is small beside one
may be all there is: of the row ``1e-6 x >= 1e-6``, or of an objective times 1e-6. So, in the form's *own* units, each
is compared with the terms that it is made of, every variable taken as large as the largest one where rows and columns
are equilibrated (`Scales`): :math:`X = D \|D^{-1}x\|_\infty`. So rounding errors of numbers that should be zero stay
small, and a change of units changes nothing. A row with one entry, such as a bound, fits its variable in any unit, and
keeps from sight the one of its other rows; but if those have rounding errors alone for it, the bound knows best. So a
point is judged in both. The larger residual of each kind counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import scipy.sparse as sp

from .. import attributes as attr
from ..arrays import FloatArray
from ..sizes import largest_entries, largest_size, ratio
from .form import BINARY_BOX, Discreteness, Form
from .proofs import farkas_error, ray_error
from .scales import Scales
from .slot_rows import SlotRows

__all__ = [
    "OPTIMAL_RESIDUAL",
    "MatrixSizes",
    "Residuals",
    "checked",
    "dual_objective",
    "largest",
    "own_errors",
    "residuals",
    "stated_errors",
]

OPTIMAL_RESIDUAL = 1e-5
"""Relative residuals up to which a solver's word "optimal" is passed on, or its certificate."""
_LEAST = 1e-2
"""Where the solution is the origin there is no unit but the one in which it is stated: at most so much of that."""
_PROOF = attr.ResultStatusCode.INFEASIBILITY_CERTIFICATE
_Errors = tuple[float, float, float]


@final
@dataclass(frozen=True, slots=True)
class Residuals:
    """Relative residuals of a primal-dual pair; ``nan`` where there is no such result to check."""

    primal: float
    dual: float
    gap: float

    @property
    def worst(self) -> float:
        """The largest that could be checked."""
        known = [r for r in (self.primal, self.dual, self.gap) if not np.isnan(r)]
        return max(known, default=0.0)


def residuals(
    rows: SlotRows,
    x: FloatArray | None,
    dual: FloatArray | None,
    primal_status: attr.ResultStatusCode,
    dual_status: attr.ResultStatusCode,
) -> Residuals:
    """Residuals of what a solver found, a solution or a certificate.

    Parameters
    ----------
    rows : of the form
    x : (n,) point or ray, or None
    dual : (slots,) duals or certificate, or None
    primal_status, dual_status : what they are
    """
    farkas = np.nan
    if dual_status is _PROOF and dual is not None:
        has_proof = rows.curvature is None and not rows.form.is_discrete  # of others it cannot be judged
        farkas = farkas_error(rows, dual) if has_proof else np.nan
        if primal_status is not _PROOF:
            return Residuals(np.nan, farkas, np.nan)
    if x is None or not np.isfinite(x).all():
        return Residuals(np.inf, np.inf, np.inf)
    if primal_status is _PROOF:
        return Residuals(ray_error(rows, x), farkas, np.nan)
    with np.errstate(over="ignore", invalid="ignore"):
        if rows.form.is_discrete:
            return Residuals(max(stated_errors(rows, x, None)[0], _gap_violation(rows.form, x)), np.nan, np.nan)
        if dual is None or dual_status is not attr.ResultStatusCode.FEASIBLE_POINT:
            return Residuals(max(stated_errors(rows, x, None)[0], own_errors(rows, x, None)[0]), np.nan, np.nan)
        if not np.isfinite(dual).all():
            return Residuals(stated_errors(rows, x, None)[0], np.inf, np.inf)
        pairs = zip(stated_errors(rows, x, dual), own_errors(rows, x, dual), strict=True)
        return Residuals(*(np.inf if np.isnan(pair).any() else max(pair) for pair in pairs))


def largest(rows: SlotRows, x: FloatArray, dual: FloatArray, sizes: MatrixSizes | None = None) -> float:
    """The worst residual of a point and duals, in the units stated and in the form's own; infinite if not a number.

    Parameters
    ----------
    rows, x, dual
    sizes : of a form with the same matrices, if known
    """
    if not (np.isfinite(x).all() and np.isfinite(dual).all()):
        return np.inf
    with np.errstate(over="ignore", invalid="ignore"):
        worst = float(np.max([stated_errors(rows, x, dual), own_errors(rows, x, dual, sizes)]))
    return np.inf if np.isnan(worst) else worst


def checked(status: attr.TerminationStatusCode, found: Residuals) -> attr.TerminationStatusCode:
    """What a solver's status is worth, given the residuals of what it found.

    OPTIMAL becomes ALMOST_OPTIMAL where they are too large, and OTHER_ERROR of a solution that is not finite; so does
    INFEASIBLE or DUAL_INFEASIBLE with a certificate that proves nothing. Without a certificate these stay as they are.

    Examples
    --------
    >>> checked(attr.TerminationStatusCode.OPTIMAL, Residuals(1e-9, 1e-3, 0.0)).name
    'ALMOST_OPTIMAL'
    """
    codes = attr.TerminationStatusCode
    if status is codes.OPTIMAL:
        if found.worst <= OPTIMAL_RESIDUAL:
            return status
        return codes.ALMOST_OPTIMAL if np.isfinite(found.worst) else codes.OTHER_ERROR
    if status in (codes.INFEASIBLE, codes.DUAL_INFEASIBLE) and found.worst > OPTIMAL_RESIDUAL:
        return codes.OTHER_ERROR
    return status


# ---------------------------------------------------------------------- in the units stated
def _violation(values: FloatArray, lower: FloatArray, upper: FloatArray) -> float:
    """The largest distance from the sides, relative to one plus the values."""
    distance = np.maximum(np.maximum(lower - values, values - upper), 0.0)
    return float(np.max(distance / (1.0 + np.abs(values)), initial=0.0))


def _relative(size: float, *scales: FloatArray | float) -> float:
    return size / (1.0 + max((largest_size(np.asarray(s)) for s in scales), default=0.0))


def stated_errors(rows: SlotRows, x: FloatArray, y: FloatArray | None) -> _Errors:
    """Primal residual, dual residual and gap in the units stated; without duals the last two are nan.

    Parameters
    ----------
    rows : SlotRows
    x, y : (n,) and (slots,), finite
    """
    form = rows.form
    linear, curved = rows.linear(x), rows.curved(x)
    f = linear + curved
    sizes = np.maximum(np.maximum(np.abs(linear), np.abs(rows.g)), np.abs(curved))
    primal = max(
        _violation(f, rows.lower, rows.upper) if np.isfinite(f).all() else np.inf,
        rows.relative_cone_distance(f + rows.g, sizes, 1.0, dual=False),
    )
    if y is None:
        return primal, np.nan, np.nan
    Px, Wy = form.P @ x, rows.weights * y
    Jty = rows.adjoint(Wy, x)
    dual = max(
        _relative(largest_size(Px + form.q - Jty), Px, form.q, Jty),
        _relative(largest_size(rows.wrong(y)), y),
        rows.relative_cone_distance(y, np.abs(y), 1.0, dual=True),
    )
    xPx, qx = float(x @ Px), float(form.q @ x)
    terms = rows.dual_terms(y) + Wy * curved
    gap = _relative(abs(xPx + qx - float(terms.sum())), xPx, qx, float(np.abs(terms).sum()))
    return primal, dual, gap


def _gap_violation(form: Form, x: FloatArray) -> float:
    """The distance of columns from the values that they may have: whole numbers, zero, between their bounds."""
    kind = form.discreteness
    whole = (kind == Discreteness.INTEGER) | (kind == Discreteness.SEMIINTEGER)
    semi = (kind == Discreteness.SEMICONTINUOUS) | (kind == Discreteness.SEMIINTEGER)
    nearest = np.where(whole, np.round(x), x)
    nearest = np.where(form.binary, np.clip(nearest, *BINARY_BOX), nearest)
    inside = np.clip(nearest, form.lower, form.upper)
    nearest = np.where(semi, np.where(np.abs(x) <= np.abs(x - inside), 0.0, inside), nearest)
    return _violation(x, nearest, nearest)


# ---------------------------------------------------------------------- in the form's own units
@final
class MatrixSizes:
    """What errors are compared with, as far as matrices and sides tell it: the same for all forms that share them.

    Parameters
    ----------
    rows : of one of these forms; sides count by being finite alone
    """

    def __init__(self, rows: SlotRows) -> None:
        form = rows.form
        self.P, self.A, self.F = (_sizes(matrix) for matrix in (form.P, form.A, form.F))
        self.scales = [Scales(rows)]
        held, bounded, _ = form.slots.parts(rows.is_held)
        has_single = (
            bool(bounded.any())
            or bool(((np.diff(form.A.indptr) == 1) & held).any())
            or bool((np.diff(form.F.indptr) == 1).any())
            or bool((np.diff(form.P.indptr) == 1).any())
        )
        if has_single:
            first, other = self.scales[0], Scales(rows, shared=True)
            if (other.column != first.column).any() or (other.row != first.row).any():
                self.scales.append(other)


def _sizes(matrix: Any) -> Any:
    return type(matrix)((np.abs(matrix.data), matrix.indices, matrix.indptr), shape=matrix.shape)


def own_errors(rows: SlotRows, x: FloatArray, y: FloatArray | None, sizes: MatrixSizes | None = None) -> _Errors:
    """The same in the form's own units.

    Parameters
    ----------
    rows : SlotRows
    x, y : (n,) and (slots,), finite
    sizes : of a form with the same matrices, if known
    """
    point = _Point(rows, x, y, MatrixSizes(rows) if sizes is None else sizes)
    errors, *others = [point.errors(scales) for scales in point.sizes.scales]
    for other in others:
        errors = max(errors[0], other[0]), max(errors[1], other[1]), max(errors[2], other[2])
    return errors


@final
class _Point:
    """A point and duals, and their errors as they are."""

    def __init__(self, rows: SlotRows, x: FloatArray, y: FloatArray | None, sizes: MatrixSizes) -> None:
        self.rows, self.x, self.y, self.sizes = rows, x, y, sizes
        form = rows.form
        self.constants, self.curved = rows.constants(), rows.curved(x)
        f = rows.linear(x) + self.curved
        self.away = np.maximum(np.maximum(rows.lower - f, f - rows.upper), 0.0)
        self.far = rows.cone_distances(f + rows.g, dual=False)
        if y is None:
            return
        self.Wy, Px = rows.weights * y, form.P @ x
        on_rows, on_bounds, on_cones = form.slots.parts(np.abs(self.Wy))
        steepness = sizes.A if rows.curvature is None else _sizes(rows.jacobian(x))
        self.left = np.abs(Px + form.q - rows.adjoint(self.Wy, x))
        self.pull = steepness.T @ on_rows + on_bounds + sizes.F.T @ on_cones
        self.far_dual = rows.cone_distances(y, dual=True)
        self.xPx, self.qx = float(x @ Px), float(form.q @ x)

    def errors(self, scales: Scales) -> _Errors:
        """The same relative to their terms in some units."""
        rows, form, sizes = self.rows, self.rows.form, self.sizes
        D, E = scales.column, scales.row
        size = max(largest_size(self.x / D), min(largest_size(E * self.constants), 1.0), _LEAST)
        X = size * D
        terms = self.constants + np.concatenate([sizes.A @ X, X, sizes.F @ X])
        if rows.curvature is not None:
            terms += rows.curved_sizes(X)
        primal = max(largest_size(ratio(self.away, terms)), rows.largest_in_cones(self.far, terms, 0.0))
        if self.y is None:
            return primal, np.nan, np.nan
        gradient = np.abs(form.q) + sizes.P @ X
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


# ---------------------------------------------------------------------- the dual's objective
def dual_objective(rows: SlotRows, x: FloatArray | None, y: FloatArray) -> float:
    """The Lagrangian's least value; of a certificate y, without x, ``Σ Wy·side``.

    The Lagrangian is ``Σ Wy·side + r + (q − FᵀWy)ᵀx + ½xᵀHx``, where H is P less the second derivatives of the rows,
    times their duals. It is least where its gradient is zero, that is at the primal result, whose errors count squared
    only; where there is no curvature its linear part is zero, and an x_j there counts not at all.
    """
    terms = float(rows.dual_terms(y).sum())
    if x is None:
        return terms
    form = rows.form
    Wy = rows.weights * y
    H = form.P if rows.curvature is None else form.P - rows.curvature.hessian(Wy[: form.m])
    linear = np.where(largest_entries(sp.csr_array(H)) > 0.0, form.q - rows.adjoint(Wy), 0.0)
    return terms + form.r + float(linear @ x + 0.5 * (x @ (H @ x)))
