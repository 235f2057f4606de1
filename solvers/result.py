"""What a solve left, whatever the library."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..modelkit import attributes as attr
from ..modelkit.arrays import FloatArray

__all__ = ["FINAL", "STATUSES", "Result", "ResultStatus", "Status", "constant_result"]

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
    iterations : counts by name: "simplex", "barrier" (interior-point, first-order and other methods), "nodes"
    bound, gap : of a mixed-integer solve, in the user's sense
    crossed : of a form, a slot whose lower side is above its upper one: the certificate is 1 for who owns the lower
        side, -1 for who owns the upper one, and `dual` is zero
    basis : `BasisStatusCode` of the columns, and of the rows, of a form, from libraries with a basis
    missing : why a field is None, in words that end a sentence
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
    crossed: int | None = None
    basis: tuple[NDArray[Any], NDArray[Any]] | None = None
    missing: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_ray(self) -> bool:
        """Whether the primal result is a ray."""
        return self.primal_status == ResultStatus.INFEASIBILITY_CERTIFICATE

    @classmethod
    def of(
        cls,
        status: attr.TerminationStatusCode,
        raw: str,
        x: FloatArray | None,
        dual: FloatArray | None,
        *,
        seconds: float,
        iterations: Mapping[str, int] | None = None,
    ) -> Result:
        """The answer of a library whose status says what its arrays are; one that is not finite is none.

        Examples
        --------
        >>> Result.of(Status.INFEASIBLE, "no", np.zeros(1), np.ones(2), seconds=0.0).x is None
        True
        """
        primal_status, dual_status = _MEANING.get(status, (ResultStatus.NO_SOLUTION, ResultStatus.NO_SOLUTION))
        if x is None or not np.isfinite(x).all():
            primal_status = ResultStatus.NO_SOLUTION
        if dual is None or not np.isfinite(dual).all():
            dual_status = ResultStatus.NO_SOLUTION
        x = None if primal_status is ResultStatus.NO_SOLUTION else x
        dual = None if dual_status is ResultStatus.NO_SOLUTION else dual
        return cls(status, raw, primal_status, dual_status, x, dual, seconds=seconds, iterations=iterations)


_MEANING = {  # what the primal and the dual arrays are
    Status.OPTIMAL: (ResultStatus.FEASIBLE_POINT,) * 2,
    Status.ALMOST_OPTIMAL: (ResultStatus.NEARLY_FEASIBLE_POINT,) * 2,
    Status.INFEASIBLE: (ResultStatus.NO_SOLUTION, ResultStatus.INFEASIBILITY_CERTIFICATE),
    Status.ALMOST_INFEASIBLE: (ResultStatus.NO_SOLUTION, ResultStatus.NEARLY_INFEASIBILITY_CERTIFICATE),
    Status.DUAL_INFEASIBLE: (ResultStatus.INFEASIBILITY_CERTIFICATE, ResultStatus.NO_SOLUTION),
    Status.ALMOST_DUAL_INFEASIBLE: (ResultStatus.NEARLY_INFEASIBILITY_CERTIFICATE, ResultStatus.NO_SOLUTION),
    **dict.fromkeys(
        (
            *(Status.ITERATION_LIMIT, Status.TIME_LIMIT, Status.INTERRUPTED),
            *(Status.SLOW_PROGRESS, Status.NUMERICAL_ERROR),
        ),
        (ResultStatus.UNKNOWN_RESULT_STATUS,) * 2,
    ),
}


def constant_result(y: FloatArray) -> Result:
    """The answer to a model without variables, whose functions are constants f; libraries differ on it.

    By Moreau's decomposition f = Π_K(f) - y with y the projection of -f onto the dual cone: where y is not zero,
    yᵀf = -‖y‖² is the certificate. Where ``lower <= 0 <= upper`` is wanted, y is the bound that zero violates.

    Parameters
    ----------
    y : (m,) zero in rows that hold
    """
    raw, worst = "not passed on: the model has no variables", np.abs(y).max(initial=0.0)
    if worst <= 1e-9:
        return Result.of(Status.OPTIMAL, raw, np.zeros(0), np.zeros(len(y)), seconds=0.0)
    return Result.of(Status.INFEASIBLE, raw, None, y / worst, seconds=0.0)


STATUSES: dict[type[attr.Attribute], Callable[[Result | None], Any]] = {
    attr.TerminationStatus: lambda r: r.status if r else Status.OPTIMIZE_NOT_CALLED,
    attr.PrimalStatus: lambda r: r.primal_status if r else ResultStatus.NO_SOLUTION,
    attr.DualStatus: lambda r: r.dual_status if r else ResultStatus.NO_SOLUTION,
    attr.RawStatusString: lambda r: r.raw if r else "optimize not called",
    attr.ResultCount: lambda r: int(r is not None and {r.primal_status, r.dual_status} != {ResultStatus.NO_SOLUTION}),
}
"""The attributes that have an answer even before a solve."""
