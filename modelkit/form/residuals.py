r"""A solution is checked, not believed: the residuals of a form at (x, dual), dual over all slots.

With f(x) the functions of the slots, J their derivative, W the weights of the inner products, and y all duals:

* primal residual: the largest distance of a row, bound or cone from where it must be, or from the whole numbers,
* dual residual: :math:`\|Px + q - J^T W y\|_\infty`, duals of sides that are not there, and the largest distance of a
  dual from its dual cone,
* gap: the difference of the objective and of that of the dual.

In the units in which the form is stated and in its own: see `point_errors`. The larger residual of each kind counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import scipy.sparse as sp

from .. import attributes as attr
from ..arrays import FloatArray
from ..sizes import largest_entries
from .form import BINARY_BOX, Discreteness, Form
from .point_errors import MatrixSizes, PointErrors, violation
from .proofs import farkas_error, ray_error
from .slot_rows import SlotRows

__all__ = [
    "OPTIMAL_RESIDUAL",
    "Residuals",
    "checked",
    "dual_objective",
    "largest",
    "residuals",
]

OPTIMAL_RESIDUAL = 1e-5
"""Relative residuals up to which a solver's word "optimal" is passed on, or its certificate."""
_PROOF = attr.ResultStatusCode.INFEASIBILITY_CERTIFICATE


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
    sizes: MatrixSizes | None = None,
) -> Residuals:
    """Residuals of what a solver found, a solution or a certificate.

    Parameters
    ----------
    rows : of the form
    x : (n,) point or ray, or None
    dual : (slots,) duals or certificate, or None
    primal_status, dual_status : what they are
    sizes : of a form with the same matrices, if known
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
            return Residuals(max(PointErrors(rows, x, None).stated()[0], _gap_violation(rows.form, x)), np.nan, np.nan)
        if dual is None or dual_status is not attr.ResultStatusCode.FEASIBLE_POINT:
            point = PointErrors(rows, x, None)
            return Residuals(max(point.stated()[0], point.own(sizes)[0]), np.nan, np.nan)
        if not np.isfinite(dual).all():
            return Residuals(PointErrors(rows, x, None).stated()[0], np.inf, np.inf)
        point = PointErrors(rows, x, dual)
        pairs = zip(point.stated(), point.own(sizes), strict=True)
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
        point = PointErrors(rows, x, dual)
        worst = float(np.max([point.stated(), point.own(sizes)]))
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
    if status is codes.LOCALLY_SOLVED and found.worst > OPTIMAL_RESIDUAL:
        return codes.ALMOST_LOCALLY_SOLVED if np.isfinite(found.worst) else codes.OTHER_ERROR
    if status in (codes.INFEASIBLE, codes.DUAL_INFEASIBLE) and found.worst > OPTIMAL_RESIDUAL:
        return codes.OTHER_ERROR
    return status


# ---------------------------------------------------------------------- columns with gaps, and the dual's objective
def _gap_violation(form: Form, x: FloatArray) -> float:
    """The distance of columns from the values that they may have: whole numbers, zero, between their bounds."""
    kind = form.discreteness
    whole = (kind == Discreteness.INTEGER) | (kind == Discreteness.SEMIINTEGER)
    semi = (kind == Discreteness.SEMICONTINUOUS) | (kind == Discreteness.SEMIINTEGER)
    nearest = np.where(whole, np.round(x), x)
    nearest = np.where(form.binary, np.clip(nearest, *BINARY_BOX), nearest)
    inside = np.clip(nearest, form.lower, form.upper)
    nearest = np.where(semi, np.where(np.abs(x) <= np.abs(x - inside), 0.0, inside), nearest)
    return violation(x, nearest, nearest)


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
