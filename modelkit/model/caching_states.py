"""The words for how a model as written stands to its optimizer, and what happens where that refuses something."""

from __future__ import annotations

import enum
from typing import Any

from .. import attributes as attr

__all__ = [
    "CONCLUSIVE",
    "DATA",
    "STARTS",
    "WITHOUT_RESULT",
    "CachingOptimizerMode",
    "CachingOptimizerState",
    "SolverFallbackWarning",
]


class SolverFallbackWarning(UserWarning):
    """A solver failed and the next one was tried."""


class CachingOptimizerState(enum.Enum):
    """How the optimizer stands to the model as written."""

    NO_OPTIMIZER = "there is no optimizer"
    EMPTY_OPTIMIZER = "there is one, empty"
    ATTACHED_OPTIMIZER = "there is one, holding a copy of the model"


class CachingOptimizerMode(enum.Enum):
    """What happens when the optimizer refuses a change."""

    AUTOMATIC = "the optimizer is emptied, and filled anew at the next optimize"
    MANUAL = "the refusal is raised, and attach_optimizer is the user's to call"


CONCLUSIVE = (
    attr.TerminationStatusCode.OPTIMAL,
    attr.TerminationStatusCode.LOCALLY_SOLVED,
    attr.TerminationStatusCode.INFEASIBLE,
    attr.TerminationStatusCode.DUAL_INFEASIBLE,
    attr.TerminationStatusCode.INFEASIBLE_OR_UNBOUNDED,
)
"""Answers that solving the same model again would not change."""

STARTS = (attr.VariablePrimalStart, attr.ConstraintPrimalStart, attr.ConstraintDualStart)
DATA = (attr.ObjectiveFunction, attr.ObjectiveSense, attr.ConstraintFunction, attr.ConstraintSet)
WITHOUT_RESULT: dict[type[attr.Attribute], Any] = {
    attr.TerminationStatus: attr.TerminationStatusCode.OPTIMIZE_NOT_CALLED,
    attr.PrimalStatus: attr.ResultStatusCode.NO_SOLUTION,
    attr.DualStatus: attr.ResultStatusCode.NO_SOLUTION,
    attr.RawStatusString: "optimize not called",
    attr.ResultCount: 0,
}
