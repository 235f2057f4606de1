"""The words for what a cache does and how it stands to its optimizer."""

from __future__ import annotations

import enum

__all__ = ["CachingOptimizerMode", "CachingOptimizerState", "SolverFallbackWarning"]


class SolverFallbackWarning(UserWarning):
    """A solver failed and the next one was tried."""


class CachingOptimizerState(enum.Enum):
    """How the optimizer stands to the cache."""

    NO_OPTIMIZER = "there is no optimizer"
    EMPTY_OPTIMIZER = "there is one, empty"
    ATTACHED_OPTIMIZER = "there is one, holding a copy of the model"


class CachingOptimizerMode(enum.Enum):
    """What happens when the optimizer refuses a change."""

    AUTOMATIC = "the optimizer is emptied, and filled anew at the next optimize"
    MANUAL = "the refusal is raised, and attach_optimizer is the user's to call"
