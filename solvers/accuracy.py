"""How good a point is, recomputed from the data: what a library says of its own answer is not the last word.

The library's own residual ``Ax + s - b`` may be far larger than that of its x: it counts errors of a slack s that
nobody uses. And a tolerance that is asked for to be on the safe side may be beyond what rounding allows.
"""

from __future__ import annotations

import numpy as np

from ..modelkit.arrays import FloatArray
from ..modelkit.form_rows import FormRows
from ..modelkit.matrix_form import MatrixForm
from ..modelkit.own_units import point_errors
from ..modelkit.stated_units import stated_errors
from .result import Result, ResultStatus, Status

__all__ = ["ALMOST", "distance", "judged", "nearer", "worst_residual"]

SOLVED, ALMOST = 1e-7, 1e-5
"""Worst residuals up to which a point that a library is not content with is called optimal, or almost."""
_NOT_CONTENT = (Status.ALMOST_OPTIMAL, Status.SLOW_PROGRESS, Status.NUMERICAL_ERROR, Status.ITERATION_LIMIT)


def worst_residual(form: MatrixForm, x: FloatArray, y: FloatArray) -> float:
    """The worst of the residuals of rows, gradient, duals and gap, in the units stated and in the program's own."""
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return float("inf")
    rows = FormRows(form)
    with np.errstate(over="ignore", invalid="ignore"):
        worst = float(np.max([stated_errors(rows, x, y), point_errors(rows, x, y)]))
    return float("inf") if np.isnan(worst) else worst


def distance(form: MatrixForm, result: Result) -> float:
    """The `worst_residual` of a result, infinite without a point and duals."""
    if result.x is None or result.dual is None:
        return float("inf")
    return worst_residual(form, result.x, result.dual)


def judged(form: MatrixForm, result: Result, far: float | None = None) -> Result:
    """The result, OPTIMAL if the library is not content with what is a solution by our own residuals.

    Parameters
    ----------
    form, result
    far : its `distance`, if known
    """
    if result.status in _NOT_CONTENT and (distance(form, result) if far is None else far) <= SOLVED:
        result.status = Status.OPTIMAL
        result.primal_status = result.dual_status = ResultStatus.FEASIBLE_POINT
    return result


def nearer(form: MatrixForm, result: Result, others: list[Result]) -> Result:
    """Of a result that the library is not content with and others, the one nearest to a solution, ALMOST_OPTIMAL."""
    points = [one for one in others if one.status in (Status.OPTIMAL, Status.ALMOST_OPTIMAL)]
    if result.status not in _NOT_CONTENT or not points:
        return result
    best = min(points, key=lambda one: distance(form, one))
    if distance(form, best) >= distance(form, result):
        return result
    best.status = Status.ALMOST_OPTIMAL
    best.primal_status = best.dual_status = ResultStatus.NEARLY_FEASIBLE_POINT
    return judged(form, best)
