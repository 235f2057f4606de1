"""Attributes of the optimizer: options in common words, what the library is called."""

from __future__ import annotations

from typing import final

from .kinds import OptimizerAttribute

__all__ = [
    "AbsoluteGapTolerance",
    "ListOfOptimizerAttributesSet",
    "NodeLimit",
    "NumberOfThreads",
    "RawOptimizerAttribute",
    "RelativeGapTolerance",
    "Silent",
    "SolutionLimit",
    "SolverName",
    "SolverVersion",
    "TimeLimitSec",
]


@final
class SolverName(OptimizerAttribute):
    """Name of the solver, a string (read only)."""

    settable = False


@final
class SolverVersion(OptimizerAttribute):
    """Version of the solver's library, a string (read only)."""

    settable = False


@final
class Silent(OptimizerAttribute):
    """Whether the solver prints nothing; True by default."""


@final
class TimeLimitSec(OptimizerAttribute):
    """Wall time in seconds after which `optimize` stops, or None."""


@final
class NumberOfThreads(OptimizerAttribute):
    """Threads the solver may use, or None for its default."""


@final
class AbsoluteGapTolerance(OptimizerAttribute):
    """Difference of primal and dual objective (or bound) at which a solver may stop, or None for its default."""


@final
class RelativeGapTolerance(OptimizerAttribute):
    """The same difference relative to the objective, or None for the solver's default."""


@final
class NodeLimit(OptimizerAttribute):
    """Nodes of branch and bound after which `optimize` stops with NODE_LIMIT, or None for no limit."""


@final
class SolutionLimit(OptimizerAttribute):
    """Better and better solutions of a mixed-integer model after which `optimize` stops, or None for no limit."""


@final
class ListOfOptimizerAttributesSet(OptimizerAttribute):
    """The attributes of the optimizer that were set, a list."""

    settable = False


@final
class RawOptimizerAttribute(OptimizerAttribute):
    """An option by the solver's own name.

    Parameters
    ----------
    name : str
    """

    def __init__(self, name: str) -> None:
        self.name = name
