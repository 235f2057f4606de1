"""Attributes that `optimize` sets."""

from __future__ import annotations

from typing import final

from .kinds import ConstraintResult, ModelResult, VariableResult

__all__ = [
    "BarrierIterations",
    "ConstraintActivity",
    "ConstraintBasisStatus",
    "ConstraintDual",
    "ConstraintPrimal",
    "DualObjectiveValue",
    "DualStatus",
    "NodeCount",
    "ObjectiveBound",
    "ObjectiveValue",
    "PrimalStatus",
    "RawStatusString",
    "RelativeGap",
    "ResultCount",
    "SimplexIterations",
    "SolveTimeSec",
    "TerminationStatus",
    "VariableBasisStatus",
    "VariablePrimal",
]


@final
class TerminationStatus(ModelResult):
    """A `TerminationStatusCode`."""


@final
class PrimalStatus(ModelResult):
    """A `ResultStatusCode` for the primal result."""


@final
class DualStatus(ModelResult):
    """A `ResultStatusCode` for the dual result."""


@final
class RawStatusString(ModelResult):
    """The solver's own word for why it stopped."""


@final
class ResultCount(ModelResult):
    """How many results there are: 1 if a point or a certificate was found, else 0."""


@final
class ObjectiveValue(ModelResult):
    """Objective at the primal result (of a ray: without constants)."""


@final
class DualObjectiveValue(ModelResult):
    """Dual objective at the dual result (of a ray: without the objective's constant); models with integers have none.

    It is the least value of the Lagrangian at the dual result, at most the objective in a minimization (at least, in a
    maximization), and equal to it at an optimum.
    """


@final
class ObjectiveBound(ModelResult):
    """Best proven bound on the objective (mixed-integer solvers)."""


@final
class RelativeGap(ModelResult):
    """Relative gap of a mixed-integer solve."""


@final
class SolveTimeSec(ModelResult):
    """Seconds the solver took."""


@final
class SimplexIterations(ModelResult):
    """Simplex iterations of the last solve."""


@final
class BarrierIterations(ModelResult):
    """Iterations of the last interior-point, first-order or other iterative solve."""


@final
class NodeCount(ModelResult):
    """Nodes of branch and bound of the last mixed-integer solve."""


@final
class VariablePrimal(VariableResult):
    """Value of a variable in the primal result."""


@final
class VariableBasisStatus(VariableResult):
    """A `BasisStatusCode`."""


@final
class ConstraintActivity(ConstraintResult):
    """Which rows are nonbasic: 1 at a lower bound or an equality, -1 at an upper bound, 0 basic."""


@final
class ConstraintPrimal(ConstraintResult):
    """f(x) at the primal result, constant included."""


@final
class ConstraintDual(ConstraintResult):
    """Dual (multiplier) of a constraint; its sign depends on the set alone (docs/design.md, section 5)."""


@final
class ConstraintBasisStatus(ConstraintResult):
    """A `BasisStatusCode` for each row."""
