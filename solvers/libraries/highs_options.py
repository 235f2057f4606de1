"""Options and words of HiGHS, as tables and as functions of a handle."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...modelkit import attributes as attr
from ...modelkit.errors import InvalidData
from ...modelkit.naming import with_article
from ..options import Option, load_library
from ..result import ResultStatus, Status

__all__ = ["BASIS", "OF_OBJECTIVE", "POINT", "STANDARD", "STATUS", "option_names", "write_option", "write_options"]

STATUS = {
    "kNotset": Status.OTHER_ERROR,
    "kLoadError": Status.OTHER_ERROR,
    "kModelError": Status.INVALID_MODEL,
    "kPresolveError": Status.OTHER_ERROR,
    "kSolveError": Status.OTHER_ERROR,
    "kPostsolveError": Status.OTHER_ERROR,
    "kModelEmpty": Status.OPTIMAL,
    "kOptimal": Status.OPTIMAL,
    "kInfeasible": Status.INFEASIBLE,
    "kUnboundedOrInfeasible": Status.INFEASIBLE_OR_UNBOUNDED,
    "kUnbounded": Status.DUAL_INFEASIBLE,
    "kObjectiveBound": Status.OBJECTIVE_LIMIT,
    "kObjectiveTarget": Status.OBJECTIVE_LIMIT,
    "kTimeLimit": Status.TIME_LIMIT,
    "kIterationLimit": Status.ITERATION_LIMIT,
    "kUnknown": Status.OTHER_ERROR,
    "kSolutionLimit": Status.SOLUTION_LIMIT,
    "kInterrupt": Status.INTERRUPTED,
    "kHighsInterrupt": Status.INTERRUPTED,
    "kMemoryLimit": Status.MEMORY_LIMIT,
}
BASIS = (  # in the order of HighsBasisStatus
    attr.BasisStatusCode.NONBASIC_AT_LOWER,
    attr.BasisStatusCode.BASIC,
    attr.BasisStatusCode.NONBASIC_AT_UPPER,
    attr.BasisStatusCode.SUPER_BASIC,  # what is free, nonbasic at zero
    attr.BasisStatusCode.NONBASIC,
)
POINT = {0: ResultStatus.NO_SOLUTION, 1: ResultStatus.INFEASIBLE_POINT, 2: ResultStatus.FEASIBLE_POINT}
STANDARD: dict[type[attr.Attribute], Option] = {
    attr.Silent: Option("output_flag", operator.not_),
    attr.TimeLimitSec: Option("time_limit", float),
    attr.NumberOfThreads: Option("threads", int),
    attr.AbsoluteGapTolerance: Option("mip_abs_gap", float),
    attr.RelativeGapTolerance: Option("mip_rel_gap", float),
    attr.NodeLimit: Option("mip_max_nodes", int),
    attr.SolutionLimit: Option("mip_max_improving_sols", int),
}
OF_OBJECTIVE = frozenset({"objective_bound", "objective_target"})
"""Options that speak of the objective's values: with them columns and objective are left as they are."""
_DEFAULTS = {
    "output_flag": False,
    "small_matrix_value": 1e-12,  # the least allowed; 1e-9 would drop entries of badly scaled models
    "qp_regularization_value": 0.0,  # 1e-7 would show in the solution
}


def option_names() -> list[str]:
    """All option names that the library knows."""
    return [name for name in dir(load_library("highspy").HighsOptions) if not name.startswith("_")]


def write_options(handle: Any, given: Mapping[str, Any], written: dict[str, Any]) -> None:
    """Bring a handle's options from those written, which are noted, to those given and our defaults."""
    wanted = {**_DEFAULTS, **given}
    if wanted == written:
        return
    for name in written.keys() - wanted.keys():
        write_option(handle, name, getattr(load_library("highspy").HighsOptions(), name))
        del written[name]
    for name, value in wanted.items():
        if name not in written or written[name] != value:
            write_option(handle, name, value)
            written[name] = value


def write_option(handle: Any, name: str, value: Any) -> None:
    """Set one option, converted to the type that HiGHS wants (it takes no int for a float)."""
    wanted = type(handle.getOptionValue(name)[1])
    if wanted is str and isinstance(value, bool):
        value = "on" if value else "off"
    fits = isinstance(value, (wanted, np.generic, *((int,) if wanted is float else ())))
    if not fits or value != wanted(value) or handle.setOptionValue(name, wanted(value)).name == "kError":
        raise InvalidData(
            f"HiGHS refuses {value!r} for its option {name!r}, which is {with_article(wanted.__name__)}; "
            "see https://ergo-code.github.io/HiGHS for the values it takes."
        )
