"""What a solve left, whatever the library."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..modelkit import attributes as attr
from ..modelkit.matrix_form import MatrixForm
from ..modelkit.rows import FloatArray

__all__ = ["FINAL", "STATUSES", "Result", "ResultStatus", "Status", "constant_result", "empty_result"]

Status = attr.TerminationStatusCode
ResultStatus = attr.ResultStatusCode
FINAL = frozenset({Status.OPTIMAL, Status.INFEASIBLE, Status.DUAL_INFEASIBLE})
"""Answers that solving the same model again would not change."""


@dataclass(slots=True, eq=False)
class Result:
    """What a solve left, in the coordinates of the wrapper.

    Parameters
    ----------
    status : TerminationStatusCode
    raw : the library's own word
    primal_status, dual_status : ResultStatusCode
    x : (n,) primal point or ray
    dual : (m,) duals of the rows in the convention of the sets (independent of the sense), or ray
    activity : (m,) as `ConstraintActivity` has it, in the layout of `dual`, from libraries with a basis
    objective : value at the primal point in the user's sense, if the library knows it; else it is evaluated
    seconds : of the solve
    iterations : counts by name: "simplex", "barrier" (interior-point, first-order and other methods)
    bound, gap : of a mixed-integer solve, in the user's sense
    """

    status: attr.TerminationStatusCode
    raw: str
    primal_status: attr.ResultStatusCode = ResultStatus.NO_SOLUTION
    dual_status: attr.ResultStatusCode = ResultStatus.NO_SOLUTION
    x: FloatArray | None = None
    dual: FloatArray | None = None
    activity: FloatArray | None = None
    objective: float | None = None
    seconds: float | None = None
    iterations: Mapping[str, int] | None = None
    bound: float | None = None
    gap: float | None = None

    @property
    def is_ray(self) -> bool:
        """Whether the primal result is a ray."""
        return self.primal_status == ResultStatus.INFEASIBILITY_CERTIFICATE


def empty_result(lower: FloatArray, upper: FloatArray) -> Result:
    """The answer to a model without variables, ``lower <= 0 <= upper`` row by row; libraries differ on it.

    When a row fails, the certificate is its unit vector, positive for a lower bound, else negative.
    """
    violation = np.maximum(lower, 0.0) + np.minimum(upper, 0.0)
    worst = int(np.argmax(np.abs(violation))) if len(violation) else 0
    raw = "not passed on: the model has no variables"
    if not len(violation) or abs(violation[worst]) <= 1e-9:
        point = ResultStatus.FEASIBLE_POINT
        return Result(Status.OPTIMAL, raw, point, point, np.zeros(0), np.zeros(len(lower)), seconds=0.0)
    dual = np.zeros(len(lower))
    dual[worst] = np.sign(violation[worst])
    certificate = ResultStatus.INFEASIBILITY_CERTIFICATE
    return Result(Status.INFEASIBLE, raw, dual_status=certificate, dual=dual, seconds=0.0)


def constant_result(form: MatrixForm) -> Result:
    """The answer to a conic model without variables, ``g in K`` cone by cone.

    By Moreau's decomposition g = Π_K(g) - y with y the projection of -g onto the dual cone: where y is not
    zero, yᵀg = -‖y‖² is the certificate.
    """
    dual = np.zeros(form.m)
    for part in form.parts.values():
        for item in range(part.sets.count):
            rows = slice(int(part.starts[item]), int(part.starts[item + 1]))
            cone: Any = part.sets.set(item)
            dual[rows] = cone.project_dual(-form.g[rows][None])[0]
    raw, worst = "not passed on: the model has no variables", np.abs(dual).max(initial=0.0)
    if worst <= 1e-9:
        point = ResultStatus.FEASIBLE_POINT
        return Result(Status.OPTIMAL, raw, point, point, np.zeros(0), np.zeros(form.m), seconds=0.0)
    certificate = ResultStatus.INFEASIBILITY_CERTIFICATE
    return Result(Status.INFEASIBLE, raw, dual_status=certificate, dual=dual / worst, seconds=0.0)


STATUSES: dict[type[attr.Attribute], Callable[[Result | None], Any]] = {
    attr.TerminationStatus: lambda r: r.status if r else Status.OPTIMIZE_NOT_CALLED,
    attr.PrimalStatus: lambda r: r.primal_status if r else ResultStatus.NO_SOLUTION,
    attr.DualStatus: lambda r: r.dual_status if r else ResultStatus.NO_SOLUTION,
    attr.RawStatusString: lambda r: r.raw if r else "optimize not called",
}
"""The attributes that have an answer even before a solve."""
