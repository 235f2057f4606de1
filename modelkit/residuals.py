"""A solution is checked, not believed: residuals recomputed from the model as the user wrote it.

For minimize ``f0(x)`` subject to ``F x + g in S`` with duals y (DESIGN, section 5):

* primal residual: the largest distance of a row from its bounds, or from the whole numbers where it must be one,
* dual residual: ``‖∇f0(x) − Fᵀy‖∞`` and the largest wrong-signed dual,
* gap: ``|f0(x) − dual objective|``,

each relative to one plus the size of the terms it is made of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from . import attributes as attr
from .errors import NotOptimized
from .indices import Kind
from .matrix_form import MatrixForm
from .rows import FloatArray
from .sets import Integer, Semicontinuous, Semiinteger, ZeroOne

__all__ = ["Residuals", "checked_status", "dual_objective", "kkt_residuals"]

OPTIMAL_RESIDUAL = 1e-5
"""Relative residuals up to which a solver's word "optimal" is passed on."""


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


def _form(model: Any) -> MatrixForm:
    """The linear rows of the model with boxes as sets, all kinds of them."""
    kinds = [k for k in model.store.kinds() if _is_box(k)]
    return MatrixForm(model.store, kinds)


def _is_box(kind: Kind) -> bool:
    function_type, set_type = kind
    return function_type.degree < 2 and set_type.bounds(np.zeros((1, len(set_type.fields)))) is not None


def _violation(values: FloatArray, lower: FloatArray, upper: FloatArray) -> float:
    """The largest distance from the bounds, relative to the values."""
    distance = np.maximum(np.maximum(lower - values, values - upper), 0.0)
    return float(np.max(distance / (1.0 + np.abs(values)), initial=0.0))


def _other_kinds(model: Any) -> list[Kind]:
    return [k for k in model.store.kinds() if not _is_box(k)]


def _other_violation(model: Any, kind: Kind) -> float:
    """The same of quadratic functions in boxes, and of sets with gaps; zero of sets not known here."""
    store = model.store
    values = np.asarray(store.evaluate(store.get(attr.ListOfConstraintIndices(*kind)), model.values))
    if not np.isfinite(values).all():
        return np.inf
    numbers = store.block(kind).snapshot()[0].sets.numbers
    box = kind[1].bounds(numbers)
    if box is not None:
        return _violation(values, *box)
    if kind[1] is ZeroOne:
        return _violation(values, *np.clip([np.round(values)] * 2, 0.0, 1.0))
    whole = np.round(values) if kind[1] in (Integer, Semiinteger) else values
    if kind[1] in (Semicontinuous, Semiinteger):
        inside = np.clip(whole, numbers[:, 0], numbers[:, 1])
        whole = np.where(np.abs(values) <= np.abs(values - inside), 0.0, inside)
    return _violation(values, whole, whole)


def _relative(size: float, *scales: FloatArray | float) -> float:
    return size / (1.0 + max((float(np.max(np.abs(s), initial=0.0)) for s in scales), default=0.0))


def _duals(model: Any, form: MatrixForm) -> FloatArray:
    y = np.zeros(form.m)
    for kind, part in form.parts.items():
        y[part.rows] = model.get(attr.ConstraintDual(), model.store.indices(kind, part.numbers))
    return y


def _dual_terms(y: FloatArray, lower: FloatArray, upper: FloatArray) -> FloatArray:
    """``y * bound`` with the bound that the sign of y names; zero where that bound is infinite."""
    bound = np.where(y > 0, lower, upper)
    return np.where(np.isfinite(bound), y * np.where(np.isfinite(bound), bound, 0.0), 0.0)


def kkt_residuals(model: Any) -> Residuals:
    """Residuals of the present result of a `CachingOptimizer`."""
    form = _form(model)
    x = model.values(form.ids)
    if not np.isfinite(x).all():
        return Residuals(np.inf, np.inf, np.inf)
    lower, upper = form.bounds()
    Fx = form.F @ x
    primal = max([_violation(Fx, lower, upper), *(_other_violation(model, k) for k in _other_kinds(model))])
    has_duals = model.optimizer.get(attr.DualStatus()) == attr.ResultStatusCode.FEASIBLE_POINT
    if not has_duals or len(form.parts) < len(model.store.kinds()):
        return Residuals(primal, np.nan, np.nan)
    y = _duals(model, form)
    Px = form.P @ x
    Fty = form.F.T @ y
    stationarity = float(np.max(np.abs(Px + form.q - Fty), initial=0.0))
    wrong = np.where(lower == -np.inf, np.maximum(y, 0.0), 0.0) - np.where(upper == np.inf, np.minimum(y, 0.0), 0.0)
    sizes = (Px, form.q, Fty)
    dual = max(_relative(stationarity, *sizes), _relative(float(np.max(wrong, initial=0.0)), y))
    xPx = float(x @ Px)
    qx = float(form.q @ x)
    terms = _dual_terms(y, lower, upper)
    gap = _relative(abs(xPx + qx - float(terms.sum())), xPx, qx, np.array([np.abs(terms).sum()]))
    return Residuals(primal, dual, gap)


def dual_objective(model: Any) -> float:
    """``r − ½xᵀPx + Σ y·bound`` in the user's sense; of an infeasibility certificate ``Σ y·bound`` alone."""
    form = _form(model)
    if len(form.parts) < len(model.store.kinds()):
        raise NotOptimized("The dual objective is computed for linear constraints with bounds only.")
    y = _duals(model, form)
    value = float(_dual_terms(y, *form.bounds()).sum())
    if model.optimizer.get(attr.DualStatus()) != attr.ResultStatusCode.INFEASIBILITY_CERTIFICATE:
        x = model.values(form.ids)
        value += form.r - 0.5 * float(x @ (form.P @ x))
    return form.sign * value


def checked_status(model: Any, status: attr.TerminationStatusCode) -> attr.TerminationStatusCode:
    """The solver's status; OPTIMAL becomes ALMOST_OPTIMAL where our own residuals are too large.

    Of a solution that is not finite, it becomes OTHER_ERROR.
    """
    if status is not attr.TerminationStatusCode.OPTIMAL:
        return status
    worst = model.residuals().worst
    if worst <= OPTIMAL_RESIDUAL:
        return status
    codes = attr.TerminationStatusCode
    return codes.ALMOST_OPTIMAL if np.isfinite(worst) else codes.OTHER_ERROR
