"""How good a point is, recomputed from the data: what a library says of its own answer is not the last word.

The library's own residual ``Ax + s - b`` may be far larger than that of its x: it counts errors of a slack s that
nobody uses. And a tolerance that is asked for to be on the safe side may be beyond what rounding allows.
"""

from __future__ import annotations

from ...modelkit.form.residuals import largest
from ...modelkit.form.slot_rows import SlotRows
from ..result import Result, ResultStatus, Status

__all__ = ["ALMOST", "distance", "judged", "nearer"]

SOLVED, ALMOST = 1e-7, 1e-5
"""Worst residuals up to which a point that a library is not content with is called optimal, or almost."""
_NOT_CONTENT = (Status.ALMOST_OPTIMAL, Status.SLOW_PROGRESS, Status.NUMERICAL_ERROR, Status.ITERATION_LIMIT)


def distance(rows: SlotRows, result: Result) -> float:
    """The worst residual of a result, infinite without a point and duals."""
    if result.x is None or result.dual is None:
        return float("inf")
    return largest(rows, result.x, result.dual)


def judged(rows: SlotRows, result: Result, far: float | None = None) -> Result:
    """The result, OPTIMAL if the library is not content with what is a solution by our own residuals.

    Parameters
    ----------
    rows, result
    far : its `distance`, if known
    """
    if result.status in _NOT_CONTENT and (distance(rows, result) if far is None else far) <= SOLVED:
        result.status = Status.OPTIMAL
        result.primal_status = result.dual_status = ResultStatus.FEASIBLE_POINT
    return result


def nearer(rows: SlotRows, result: Result, others: list[Result]) -> Result:
    """Of a result that the library is not content with and others, the one nearest to a solution, ALMOST_OPTIMAL."""
    points = [one for one in others if one.status in (Status.OPTIMAL, Status.ALMOST_OPTIMAL)]
    if result.status not in _NOT_CONTENT or not points:
        return result
    best = min(points, key=lambda one: distance(rows, one))
    if distance(rows, best) >= distance(rows, result):
        return result
    best.status = Status.ALMOST_OPTIMAL
    best.primal_status = best.dual_status = ResultStatus.NEARLY_FEASIBLE_POINT
    return judged(rows, best)
