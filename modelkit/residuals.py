"""A solution is checked, not believed: residuals recomputed from the model as the user wrote it.

For minimize ``f0(x)`` subject to ``f(x) in S`` with duals y (DESIGN, section 5), where ``f(x) = F x + g`` plus
quadratic terms c(x), J is its Jacobian and W holds the weights of the inner products of the cones:

* primal residual: the largest distance of a row or cone from its set, or from the whole numbers where it must be one,
* dual residual: ``‖∇f0(x) − JᵀWy‖∞`` and the largest distance of a dual from its dual cone,
* gap: ``|f0(x) − dual objective|``,

each relative to one plus the size of the terms it is made of, or, where that is larger, to these terms in the units of
the model (`own_units`). Of an infeasibility certificate y (``FᵀWy = 0``, y in
the dual cones, ``Σ Wy·bound > 0``) there is a dual residual alone, of an improving ray d (``F d`` in the recession
cones, ``P d = 0``, ``qᵀd < 0``) a primal residual alone: these are relative to the certificate itself.
"""

from __future__ import annotations

from typing import Any, final

import numpy as np
import scipy.sparse as sp

from . import attributes as attr
from .arrays import FloatArray
from .claims import farkas_error, ray_error
from .errors import NotOptimized
from .form.residuals import OPTIMAL_RESIDUAL, Residuals
from .form_rows import FormRows
from .indices import Kind
from .matrix_form import MatrixForm
from .own_units import point_errors
from .parameters import PARAMETERS, Parameters
from .sets import SOS1, SOS2, Indicator, Integer, Semicontinuous, Semiinteger, ZeroOne
from .sizes import largest_entries
from .stated_units import stated_errors, violation
from .unbounded import bounded

__all__ = ["checked_result", "checked_status", "dual_objective", "kkt_residuals"]

WITH_GAPS = (Integer, ZeroOne, Semicontinuous, Semiinteger, SOS1, SOS2, Indicator)
"""Sets that are not convex: they have no duals."""

PROOF = attr.ResultStatusCode.INFEASIBILITY_CERTIFICATE


# ---------------------------------------------------------------------- the model as arrays
def _has_gaps(kind: Kind) -> bool:
    return kind[1] in WITH_GAPS


@final
class _Rows(FormRows):
    """The rows of the convex sets of a model, parameters' values inserted."""

    def __init__(self, model: Any) -> None:
        store = bounded(model.store)
        self._parameters = Parameters(store)
        kinds = [k for k in store.kinds() if not _has_gaps(k)]
        super().__init__(MatrixForm(store, kinds, self._parameters))

    def duals(self, model: Any, gradient: FloatArray | None = None) -> FloatArray:
        """The duals of the present result, (m,), given the objective's gradient (none, of a certificate).

        Parameters are data: the duals of their constraints are what makes up for the others.
        """
        y = np.zeros(self.form.m)
        for kind, part in self.form.parts.items():
            if kind != PARAMETERS:
                y[part.rows] = model.get(attr.ConstraintDual(), model.store.indices(kind, part.numbers))
        if self._parameters:
            columns = self.form.columns(self._parameters.ids)
            lacking = -(self.form.F.T @ (self.weights * y))[columns]
            y[self.form.parts[PARAMETERS].rows] = lacking if gradient is None else lacking + gradient[columns]
        return y


def _gap_violation(model: Any, kind: Kind) -> float:
    """The same of sets with gaps."""
    store = model.store
    values = np.asarray(store.evaluate(store.get(attr.ListOfConstraintIndices(*kind)), model.values))
    if not np.isfinite(values).all():
        return np.inf
    sets = store.block(kind).snapshot()[0].sets
    numbers = sets.numbers
    if kind[1].is_vector:
        points = np.split(values, np.cumsum(sets.dims)[:-1])
        pairs = [(sets.set(item), point) for item, point in enumerate(points)]
        return max((s.violation(p) / (1.0 + float(np.abs(p).max(initial=0.0))) for s, p in pairs), default=0.0)
    if kind[1] is ZeroOne:
        return violation(values, *np.clip([np.round(values)] * 2, 0.0, 1.0))
    whole = np.round(values) if kind[1] in (Integer, Semiinteger) else values
    if kind[1] in (Semicontinuous, Semiinteger):
        inside = np.clip(whole, numbers[:, 0], numbers[:, 1])
        whole = np.where(np.abs(values) <= np.abs(values - inside), 0.0, inside)
    return violation(values, whole, whole)


# ---------------------------------------------------------------------- what is checked
def kkt_residuals(model: Any) -> Residuals:
    """Residuals of the present result of a `CachingOptimizer`, a solution or a certificate."""
    rows = _Rows(model)
    is_ray = model.raw(attr.PrimalStatus()) == PROOF
    farkas = _farkas_residual(model, rows) if model.raw(attr.DualStatus()) == PROOF else None
    if farkas is not None and not is_ray:
        return Residuals(np.nan, farkas, np.nan)
    x = model.values(rows.form.ids)
    if not np.isfinite(x).all():
        return Residuals(np.inf, np.inf, np.inf)
    if is_ray:
        return Residuals(ray_error(rows, x), np.nan if farkas is None else farkas, np.nan)
    return _point_residuals(model, rows, x)


def _point_residuals(model: Any, rows: _Rows, x: FloatArray) -> Residuals:
    form = rows.form
    with_gaps = [k for k in model.store.kinds() if _has_gaps(k)]
    if with_gaps or model.raw(attr.DualStatus()) != attr.ResultStatusCode.FEASIBLE_POINT:
        primal = max(stated_errors(rows, x, None)[0], *(_gap_violation(model, k) for k in with_gaps), 0.0)
        return Residuals(primal if with_gaps else max(primal, point_errors(rows, x, None)[0]), np.nan, np.nan)
    y = rows.duals(model, form.P @ x + form.q)
    if not np.isfinite(y).all():
        return Residuals(stated_errors(rows, x, None)[0], np.inf, np.inf)
    return Residuals(*(max(pair) for pair in zip(stated_errors(rows, x, y), point_errors(rows, x, y), strict=True)))


def _farkas_residual(model: Any, rows: _Rows) -> float:
    """Of a certificate that no point is feasible; ``nan`` with curved rows or sets with gaps, which it cannot judge."""
    form = rows.form
    if form.curvature is not None or any(_has_gaps(k) for k in model.store.kinds()):
        return np.nan
    return farkas_error(rows, rows.duals(model))


def dual_objective(model: Any) -> float:
    """The Lagrangian's least value, in the user's sense; of an infeasibility certificate y, ``Σ Wy·bound``.

    With duals y the Lagrangian is ``Σ Wy·bound + r + (q − FᵀWy)ᵀx + ½xᵀHx``, where H is P less the second derivatives
    of the rows, times Wy. It is least where its gradient is zero, that is at the primal result, whose errors count
    squared only; where there is no curvature its linear part is zero, and an x_j there counts not at all.
    """
    if any(_has_gaps(k) for k in model.store.kinds()):
        raise NotOptimized(
            "There is no DualObjectiveValue(): models with integer variables, and others whose sets have gaps, have no "
            "duals. ObjectiveBound tells what a mixed-integer solver has proved."
        )
    rows = _Rows(model)
    form = rows.form
    if model.raw(attr.DualStatus()) == PROOF:
        return form.sign * float(rows.dual_terms(rows.duals(model)).sum())
    x = model.values(form.ids)
    y = rows.duals(model, form.P @ x + form.q)
    Wy = rows.weights * y
    H = form.P if form.curvature is None else form.P - form.curvature.hessian(Wy)
    linear = np.where(largest_entries(sp.csr_array(H)) > 0.0, form.q - form.F.T @ Wy, 0.0)
    return form.sign * float(rows.dual_terms(y).sum() + form.r + linear @ x + 0.5 * (x @ (H @ x)))


def checked_status(model: Any, status: attr.TerminationStatusCode) -> attr.TerminationStatusCode:
    """The solver's status; OPTIMAL becomes ALMOST_OPTIMAL where our own residuals are too large.

    Of a solution that is not finite, it becomes OTHER_ERROR; and so does INFEASIBLE or DUAL_INFEASIBLE with a
    certificate that proves nothing. Without a certificate these stay as they are.
    """
    codes = attr.TerminationStatusCode
    if status is codes.OPTIMAL:
        worst = model.residuals().worst
        if worst <= OPTIMAL_RESIDUAL:
            return status
        return codes.ALMOST_OPTIMAL if np.isfinite(worst) else codes.OTHER_ERROR
    proof = {codes.INFEASIBLE: attr.DualStatus(), codes.DUAL_INFEASIBLE: attr.PrimalStatus()}.get(status)
    return status if proof is None or checked_result(model, model.raw(proof)) == model.raw(proof) else codes.OTHER_ERROR


def checked_result(model: Any, status: attr.ResultStatusCode) -> attr.ResultStatusCode:
    """What the solver says that a result is; a certificate that proves nothing is nothing known."""
    if status != PROOF or model.residuals().worst <= OPTIMAL_RESIDUAL:
        return status
    return attr.ResultStatusCode.UNKNOWN_RESULT_STATUS
