"""A solution is checked, not believed: residuals recomputed from the model as the user wrote it.

For minimize ``f0(x)`` subject to ``f(x) in S`` with duals y (DESIGN, section 5), where ``f(x) = F x + g`` plus
quadratic terms c(x), J is its Jacobian and W holds the weights of the inner products of the cones:

* primal residual: the largest distance of a row or cone from its set, or from the whole numbers where it must be one,
* dual residual: ``‖∇f0(x) − JᵀWy‖∞`` and the largest distance of a dual from its dual cone,
* gap: ``|f0(x) − dual objective|``,

each relative to one plus the size of the terms it is made of. Of an infeasibility certificate y (``FᵀWy = 0``, y in
the dual cones, ``Σ Wy·bound > 0``) there is a dual residual alone, of an improving ray d (``F d`` in the recession
cones, ``P d = 0``, ``qᵀd < 0``) a primal residual alone: these are relative to the certificate itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from . import attributes as attr
from .arrays import FloatArray, IntArray, segments, sums
from .errors import NotOptimized
from .indices import Kind
from .matrix_form import MatrixForm, Part
from .parameters import PARAMETERS, Parameters
from .sets import SOS1, SOS2, Indicator, Integer, Semicontinuous, Semiinteger, VectorSet, ZeroOne
from .sets.cone import NativeCone
from .unbounded import bounded

__all__ = ["Residuals", "checked_status", "dual_objective", "kkt_residuals"]

OPTIMAL_RESIDUAL = 1e-5
"""Relative residuals up to which a solver's word "optimal" is passed on, or its certificate."""
ROUNDING = 1e-13
"""What a certificate proves must be larger than this part of the terms that it is the sum of."""
WITH_GAPS = (Integer, ZeroOne, Semicontinuous, Semiinteger, SOS1, SOS2, Indicator)
"""Sets that are not convex: they have no duals."""

PROOF = attr.ResultStatusCode.INFEASIBILITY_CERTIFICATE


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


# ---------------------------------------------------------------------- the model as arrays
def _has_gaps(kind: Kind) -> bool:
    return kind[1] in WITH_GAPS


def _is_box(kind: Kind) -> bool:
    return kind[1].bounds(np.zeros((1, len(kind[1].fields)))) is not None


def _groups(part: Part) -> Iterator[tuple[VectorSet, IntArray]]:
    """The different cones of a part, each with its rows in the form, shape (count, dimension)."""
    shapes, starts, dims = part.sets.shapes, part.starts[:-1], part.sets.dims
    assert shapes is not None
    items: dict[tuple[float, ...], list[int]] = {}
    for item, shape in enumerate(shapes):
        items.setdefault(shape, []).append(item)
    for shape, chosen in items.items():
        cone: Any = part.sets.type.build(shape, np.zeros((int(dims[chosen[0]]), 0)))
        yield cone, segments(starts[chosen], dims[chosen]).reshape(len(chosen), cone.dimension)


@final
class _Rows:
    """The rows of the convex sets of a model: boxes with their bounds, cones with their weights.

    Attributes
    ----------
    form : MatrixForm
    boxes : (m,) whether the row is one of a box
    lower, upper : (m,) bounds of the functions without their constants; infinite in cones
    weights : (m,) of the inner products
    cones : the different cones, each with its rows
    """

    def __init__(self, model: Any) -> None:
        store = bounded(model.store)
        self._parameters = Parameters(store)
        kinds = [k for k in store.kinds() if not _has_gaps(k)]
        self.form = form = MatrixForm(store, kinds, self._parameters)
        self.boxes = np.zeros(form.m, bool)
        self.lower, self.upper = form.bounds()
        self.weights = np.ones(form.m)
        self.cones: list[tuple[VectorSet, IntArray]] = []
        for kind, part in form.parts.items():
            if _is_box(kind):
                self.boxes[part.rows] = True
                continue
            for cone, rows in _groups(part):
                self.cones.append((cone, rows))
                if cone.weights is not None:
                    self.weights[rows] = cone.weights

    def wrong(self, y: FloatArray) -> FloatArray:
        """Duals of bounds that are not there, (m,); zero in cones."""
        bad = (y > 0.0) & (self.lower == -np.inf) | (y < 0.0) & (self.upper == np.inf)
        wrong: FloatArray = np.where(bad & self.boxes, np.abs(y), 0.0)
        return wrong

    def without_variables(self) -> NDArray[np.bool_]:
        """Which rows are constants, (m,): in a box or a product of cones each by itself, else all rows of the cone."""
        alone: NDArray[np.bool_] = _largest(self.form.F) == 0.0
        for cone, rows in self.cones:
            if not (isinstance(cone, NativeCone) and cone.is_product):
                alone[rows] = alone[rows].all(axis=1, keepdims=True)
        return alone

    def relative_cone_distance(self, points: FloatArray, sizes: FloatArray, least: float, *, dual: bool) -> float:
        """The largest distance from a cone, relative to `least` plus the largest of `sizes` in it."""
        worst = 0.0
        for cone, rows in self.cones:
            far = _distances(cone, points[rows], dual)
            scale = least + sizes[rows].max(axis=1, initial=0.0)
            worst = max(worst, float(_ratio(far, scale).max(initial=0.0)))
        return worst

    def dual_terms(self, y: FloatArray) -> FloatArray:
        """``W y · bound``, the bound that the sign of y names (zero where infinite), or ``-g`` in a cone."""
        bound = np.where(self.boxes, np.where(y > 0, self.lower, self.upper), -self.form.g)
        return np.where(np.isfinite(bound), self.weights * y * np.where(np.isfinite(bound), bound, 0.0), 0.0)

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


def _distances(cone: VectorSet, points: FloatArray, dual: bool) -> FloatArray:
    """Distance of each of k points, (k,), from the cone or from its dual cone."""
    if not np.isfinite(points).all():
        return np.full(len(points), np.inf)
    if isinstance(cone, NativeCone):
        nearest = cone.project_dual(points) if dual else cone.project(points)
        return np.asarray(np.linalg.norm(points - nearest, axis=1), np.float64)
    distance = cone.dual_violation if dual else cone.violation
    return np.array([distance(point) for point in points], np.float64)


def _ratio(sizes: FloatArray | float, scales: FloatArray | float) -> FloatArray:
    """Sizes relative to scales; zero of zero is zero."""
    sizes, scales = np.asarray(sizes, np.float64), np.asarray(scales, np.float64)
    with np.errstate(over="ignore"):  # of numbers that are not comparable: infinity is right
        return np.where(sizes > 0.0, sizes / np.where(scales > 0.0, scales, np.finfo(np.float64).tiny), 0.0)


def _violation(values: FloatArray, lower: FloatArray, upper: FloatArray) -> float:
    """The largest distance from the bounds, relative to the values."""
    distance = np.maximum(np.maximum(lower - values, values - upper), 0.0)
    return float(np.max(distance / (1.0 + np.abs(values)), initial=0.0))


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
        return _violation(values, *np.clip([np.round(values)] * 2, 0.0, 1.0))
    whole = np.round(values) if kind[1] in (Integer, Semiinteger) else values
    if kind[1] in (Semicontinuous, Semiinteger):
        inside = np.clip(whole, numbers[:, 0], numbers[:, 1])
        whole = np.where(np.abs(values) <= np.abs(values - inside), 0.0, inside)
    return _violation(values, whole, whole)


def _size(values: FloatArray) -> float:
    return float(np.max(np.abs(values), initial=0.0))


def _largest(matrix: Any) -> FloatArray:
    """The largest size of an entry of each row."""
    found: FloatArray = abs(matrix).max(axis=1).toarray().ravel() if matrix.nnz else np.zeros(matrix.shape[0])
    return found


def _relative(size: float, *scales: FloatArray | float) -> float:
    return size / (1.0 + max((_size(np.asarray(s)) for s in scales), default=0.0))


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
        return Residuals(_ray_residual(rows, x), np.nan if farkas is None else farkas, np.nan)
    return _point_residuals(model, rows, x)


def _point_residuals(model: Any, rows: _Rows, x: FloatArray) -> Residuals:
    form = rows.form
    Fx = form.F @ x
    curved = np.zeros(form.m) if form.curvature is None else form.curvature.values(x)
    f = Fx + curved
    sizes = np.maximum(np.maximum(np.abs(Fx), np.abs(form.g)), np.abs(curved))
    with_gaps = [k for k in model.store.kinds() if _has_gaps(k)]
    primal = max(
        _violation(f, rows.lower, rows.upper) if np.isfinite(f).all() else np.inf,
        rows.relative_cone_distance(f + form.g, sizes, 1.0, dual=False),
        *(_gap_violation(model, k) for k in with_gaps),
    )
    has_duals = model.raw(attr.DualStatus()) == attr.ResultStatusCode.FEASIBLE_POINT
    if not has_duals or with_gaps:
        return Residuals(primal, np.nan, np.nan)
    Px = form.P @ x
    y = rows.duals(model, Px + form.q)
    if not np.isfinite(y).all():
        return Residuals(primal, np.inf, np.inf)
    Wy = rows.weights * y
    Jty = form.F.T @ Wy
    if form.curvature is not None:
        Jty = Jty + form.curvature.jacobian(x).T @ Wy
    dual = max(
        _relative(_size(Px + form.q - Jty), Px, form.q, Jty),
        _relative(_size(rows.wrong(y)), y),
        rows.relative_cone_distance(y, np.abs(y), 1.0, dual=True),
    )
    xPx, qx = float(x @ Px), float(form.q @ x)
    terms = rows.dual_terms(y) + Wy * curved
    gap = _relative(abs(xPx + qx - float(terms.sum())), xPx, qx, float(np.abs(terms).sum()))
    return Residuals(primal, dual, gap)


def _proven(error: float, terms: FloatArray) -> float:
    """The relative error of a certificate, or infinity if the sum of the terms is not clearly positive."""
    gain = float(_ratio(max(float(terms.sum()), 0.0), float(np.abs(terms).sum())))
    return error if gain > max(error, ROUNDING) else np.inf


def _farkas_residual(model: Any, rows: _Rows) -> float:
    """Of a certificate that no point is feasible; ``nan`` with curved rows or sets with gaps, which it cannot judge."""
    form = rows.form
    if form.curvature is not None or any(_has_gaps(k) for k in model.store.kinds()):
        return np.nan
    y = rows.duals(model)
    if not np.isfinite(y).all():
        return np.inf
    # Rows without variables may be the whole proof. The duals of the others are then noise, to which F'Wy, that is
    # noise as well, must not be compared: without them there is nothing to cancel.
    alone = np.where(rows.without_variables(), y, 0.0)
    left_out = float(_ratio(_size(y - alone), _size(y)))
    return min(_farkas_error(rows, y), max(_farkas_error(rows, alone), left_out))


def _farkas_error(rows: _Rows, y: FloatArray) -> float:
    """How far some duals are from a certificate; infinity if they prove nothing."""
    form, Wy = rows.form, rows.weights * y
    error = max(
        float(_ratio(_size(form.F.T @ Wy), _size(abs(form.F).T @ np.abs(Wy)))),
        float(_ratio(_size(rows.wrong(y)), _size(y))),
        rows.relative_cone_distance(y, np.full(form.m, _size(y)), 0.0, dual=True),
    )
    return _proven(error, rows.dual_terms(y))


def _ray_residual(rows: _Rows, d: FloatArray) -> float:
    """Of a ray along which feasible points stay feasible and improve; ``nan`` with cones of curved functions."""
    form = rows.form
    Fd = form.F @ d
    sizes = _largest(form.F) * _size(d)
    away = np.where(Fd < 0.0, np.where(rows.lower > -np.inf, -Fd, 0.0), np.where(rows.upper < np.inf, Fd, 0.0))
    errors = [
        _size(_ratio(away, sizes)),
        _size(_ratio(np.abs(form.P @ d), _largest(form.P) * _size(d))),
        rows.relative_cone_distance(Fd, sizes, 0.0, dual=False),
    ]
    if form.curvature is not None:
        if any(k[0].degree == 2 and k[1].is_vector for k in form.parts):
            return np.nan
        curved = np.abs(form.curvature.values(d))  # zero of a convex quadratic: so is its gradient along d
        scale = sums(form.curvature.row, np.abs(form.curvature.coef), form.m) * _size(d) ** 2
        errors.append(_size(_ratio(curved, scale)))
    return _proven(max(errors), -form.q * d)


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
    linear = np.where(_largest(sp.csr_array(H)) > 0.0, form.q - form.F.T @ Wy, 0.0)
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
    if proof is None or model.raw(proof) != PROOF:
        return status
    return status if model.residuals().worst <= OPTIMAL_RESIDUAL else codes.OTHER_ERROR
