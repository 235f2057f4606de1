"""Attributes of differentiation: tangents and seeds that go in, how it is done, and what comes out."""

from __future__ import annotations

from typing import NamedTuple, final

from .kinds import (
    ConstraintAttribute,
    ConstraintResult,
    ModelAttribute,
    ModelResult,
    OptimizerAttribute,
    VariableAttribute,
    VariableResult,
)

__all__ = [
    "AllowInaccurateSolution",
    "AllowObjectiveAndSolutionInput",
    "ConstraintDegeneracy",
    "DifferentiateTimeSec",
    "DifferentiationPolicy",
    "DifferentiationStatus",
    "ForwardConstraintDual",
    "ForwardConstraintFunction",
    "ForwardConstraintSet",
    "ForwardObjectiveFunction",
    "ForwardObjectiveValue",
    "ForwardParameterValue",
    "ForwardVariablePrimal",
    "LinearAlgebraSolver",
    "ModelConstructor",
    "PolishedDual",
    "PolishedPrimal",
    "Refinement",
    "ReverseConstraintDual",
    "ReverseConstraintFunction",
    "ReverseConstraintSet",
    "ReverseObjectiveFunction",
    "ReverseObjectiveValue",
    "ReverseParameterValue",
    "ReverseVariableAdjoint",
    "ReverseVariablePrimal",
    "SolutionRefinement",
]


@final
class ForwardObjectiveFunction(ModelAttribute):
    """Direction in which the objective function moves, a function."""


@final
class ForwardConstraintFunction(ConstraintAttribute):
    """Direction in which a constraint's function moves, its set fixed, a function."""


@final
class ForwardConstraintSet(ConstraintAttribute):
    """Direction in which a constraint's set moves, a set whose numbers are the direction."""


@final
class ForwardParameterValue(VariableAttribute):
    """Direction in which a parameter moves, a number."""


@final
class ReverseVariablePrimal(VariableAttribute):
    """Derivative of the loss with respect to a variable's value, a number."""


@final
class ReverseConstraintDual(ConstraintAttribute):
    """Derivative of the loss with respect to a dual as returned, a number or array."""


@final
class ReverseObjectiveValue(ModelAttribute):
    """Derivative of the loss with respect to the objective value, a number; adds to the other seeds."""


@final
class ModelConstructor(OptimizerAttribute):
    """The diff model to use (a class or callable), or None to choose by the constraints in the model."""


@final
class LinearAlgebraSolver(OptimizerAttribute):
    """How KKT systems are solved: `DirectKKT()`, `IterativeKKT()`, or None to choose by the estimated cost."""


@final
class DifferentiationPolicy(OptimizerAttribute):
    """What is returned where a solution is not differentiable (docs/design.md, section 7).

    - ``"generalized"``, the default: an element of the generalized Jacobian, with a warning.
    - ``"exact"``: nothing; `DifferentiationError` unless the status is EXACT.
    - ``"least_norm"``: what the equations without the weakly active rows give, of least norm where they are singular.
    - ``"directional"``: the one-sided derivative in the direction given, in forward mode.
    - ``"smoothed"``, or ``Smoothed(mu)``: at every solution, kink or none, the derivative of a point of the central
      path.

    Layers take it from their model. Whatever the policy, tangents satisfy the linearized equations.

    Examples
    --------
    >>> import optangent as ot
    >>> model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    >>> x, p = model.add_variables(1, lower=0.0), model.add_parameter(0.0, "p")
    >>> model.minimize((x[0] - p) ** 2)
    >>> model.optimize()
    >>> model.set(ot.DifferentiationPolicy(), "directional")
    >>> model.directional_derivatives(x, [{p: 1.0}, {p: -1.0}])
    array([[1.],
           [0.]])
    >>> model.get(ot.DifferentiationStatus()).name
    'ONE_SIDED'
    """


@final
class AllowInaccurateSolution(OptimizerAttribute):
    """Whether a solution that cannot be refined to relative residuals of 1e-6 is differentiated all the same.

    With False, the default, that raises `DifferentiationError`; with True it warns and tells the residuals.
    """


@final
class AllowObjectiveAndSolutionInput(OptimizerAttribute):
    """Whether objective-value seeds may be set together with solution seeds without a warning; they add."""


@final
class ForwardVariablePrimal(VariableResult):
    """How a variable's value moves."""


@final
class ForwardConstraintDual(ConstraintResult):
    """How a constraint's dual moves."""


@final
class ForwardObjectiveValue(ModelResult):
    """How the objective value moves (envelope theorem)."""


@final
class ConstraintDegeneracy(ConstraintResult):
    """1 in the rows for which `DifferentiationStatus` is not EXACT, weakly active or dependent ones, else 0."""


@final
class PolishedPrimal(VariableResult):
    """Value of a variable at the solution made exact, at which derivatives are computed.

    The solver's solution is accurate to its tolerances; Newton steps on the optimality conditions make it exact to
    rounding. Read after `optimize`, for models made with `diff_optimizer`.
    """


@final
class PolishedDual(ConstraintResult):
    """Dual of a constraint at the solution made exact; see `PolishedPrimal`."""


@final
class ReverseVariableAdjoint(VariableResult):
    """The variable part of the adjoint solution of the KKT system, from which lazy gradients are made."""


@final
class ReverseObjectiveFunction(ModelResult):
    """Gradient of the loss with respect to the objective's coefficients, a lazy function.

    Quadratic coefficients are those of the written-out polynomial, so that the sum over coefficients of
    reverse times forward is the adjoint identity. (DiffOpt.jl returns the matrix gradient dQ read as
    ``x'dQx/2``; a coefficient here is 2 times its off-diagonal and 4 times its diagonal one.)
    """


@final
class ReverseConstraintFunction(ConstraintResult):
    """Gradient of the loss with respect to a constraint function's coefficients, a lazy function."""


@final
class ReverseConstraintSet(ConstraintResult):
    """Gradient of the loss with respect to the set's numbers, a set-shaped value."""


@final
class ReverseParameterValue(VariableResult):
    """Gradient of the loss with respect to a parameter's value."""


@final
class DifferentiateTimeSec(ModelResult):
    """Seconds the last differentiation took."""


class Refinement(NamedTuple):
    """Largest relative violation of the optimality conditions before and after a solution was refined."""

    before: float
    after: float


@final
class SolutionRefinement(ModelResult):
    """What Newton steps on the KKT system gained before the solution was differentiated, a `Refinement`."""


@final
class DifferentiationStatus(ModelResult):
    """A `DifferentiationStatusCode`; `DifferentiationStatusCode` tells what each means."""
