"""Attributes: what can be asked of and told to a model, as small values.

An attribute is an object of a small class, so ``model.get(ot.VariablePrimal(), x)`` reads the same for every
model-like object. What a class declares: on what it is attached (`on`), and whether it is a result of `optimize`.

The file is long because it is a list: every attribute and code of the library stands here once, with its meaning.
"""

from __future__ import annotations

import enum
from typing import Any, ClassVar, NamedTuple, final

__all__ = [
    "AbsoluteGapTolerance",
    "AllowInaccurateSolution",
    "AllowObjectiveAndSolutionInput",
    "Attribute",
    "BarrierIterations",
    "BasisStatusCode",
    "BoundsPutAside",
    "ConstraintActivity",
    "ConstraintActivityStart",
    "ConstraintBasisStatus",
    "ConstraintDegeneracy",
    "ConstraintDual",
    "ConstraintDualStart",
    "ConstraintFunction",
    "ConstraintLayout",
    "ConstraintName",
    "ConstraintPrimal",
    "ConstraintPrimalStart",
    "ConstraintSet",
    "DifferentiateTimeSec",
    "DifferentiationPolicy",
    "DifferentiationStatus",
    "DifferentiationStatusCode",
    "DualObjectiveValue",
    "DualStatus",
    "ForwardConstraintDual",
    "ForwardConstraintFunction",
    "ForwardConstraintSet",
    "ForwardObjectiveFunction",
    "ForwardObjectiveValue",
    "ForwardParameterValue",
    "ForwardVariablePrimal",
    "LinearAlgebraSolver",
    "ListOfConstraintAttributesSet",
    "ListOfConstraintIndices",
    "ListOfConstraintTypesPresent",
    "ListOfModelAttributesSet",
    "ListOfOptimizerAttributesSet",
    "ListOfVariableAttributesSet",
    "ListOfVariableIndices",
    "ModelConstructor",
    "Name",
    "NodeCount",
    "NodeLimit",
    "NumberOfConstraints",
    "NumberOfThreads",
    "NumberOfVariables",
    "ObjectiveBound",
    "ObjectiveFunction",
    "ObjectiveSense",
    "ObjectiveSenseCode",
    "ObjectiveValue",
    "On",
    "PolishedDual",
    "PolishedPrimal",
    "PrimalStatus",
    "RawOptimizerAttribute",
    "RawStatusString",
    "Refinement",
    "RelativeGap",
    "RelativeGapTolerance",
    "ResultCount",
    "ResultStatusCode",
    "ReverseConstraintDual",
    "ReverseConstraintFunction",
    "ReverseConstraintSet",
    "ReverseObjectiveFunction",
    "ReverseObjectiveValue",
    "ReverseParameterValue",
    "ReverseVariableAdjoint",
    "ReverseVariablePrimal",
    "Silent",
    "SimplexIterations",
    "SolutionLimit",
    "SolutionRefinement",
    "SolveTimeSec",
    "SolverName",
    "SolverVersion",
    "TerminationStatus",
    "TerminationStatusCode",
    "TimeLimitSec",
    "VariableBasisStatus",
    "VariableName",
    "VariablePrimal",
    "VariablePrimalStart",
]


class On(enum.Enum):
    """What an attribute is attached to."""

    OPTIMIZER = "optimizer"  # survives `empty`
    MODEL = "model"
    VARIABLE = "variable"
    CONSTRAINT = "constraint"


class Attribute:
    """Base of all attributes; equal when of one class with equal parameters."""

    on: ClassVar[On]
    is_result: ClassVar[bool] = False
    """Whether `optimize` sets it, so that a changed model has none."""
    settable: ClassVar[bool] = True

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((type(self), *vars(self).values()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, vars(self).values()))})"


class _Optimizer(Attribute):
    on = On.OPTIMIZER


class _Model(Attribute):
    on = On.MODEL


class _Variable(Attribute):
    on = On.VARIABLE


class _Constraint(Attribute):
    on = On.CONSTRAINT


class _ModelResult(_Model):
    is_result = True
    settable = False


class _VariableResult(_Variable):
    is_result = True
    settable = False


class _ConstraintResult(_Constraint):
    is_result = True
    settable = False


# ---------------------------------------------------------------------- codes
class ObjectiveSenseCode(enum.Enum):
    """Whether the objective is minimized, maximized or absent."""

    MIN_SENSE = "minimize"
    MAX_SENSE = "maximize"
    FEASIBILITY_SENSE = "feasibility"


class TerminationStatusCode(enum.Enum):
    """Why a solver stopped (MathOptInterface's list)."""

    OPTIMIZE_NOT_CALLED = "the model has not been solved since it was last changed"
    OPTIMAL = "an optimal solution was found"
    INFEASIBLE = "no point satisfies all constraints"
    DUAL_INFEASIBLE = "the objective improves without bound if any point is feasible"
    LOCALLY_SOLVED = "a local optimum was found"
    LOCALLY_INFEASIBLE = "a local search found no feasible point"
    INFEASIBLE_OR_UNBOUNDED = "the model is infeasible or unbounded; the solver did not tell which"
    ALMOST_OPTIMAL = "the solution is optimal to looser tolerances than asked"
    ALMOST_INFEASIBLE = "infeasible to looser tolerances than asked"
    ALMOST_DUAL_INFEASIBLE = "unbounded to looser tolerances than asked"
    ITERATION_LIMIT = "the iteration limit was reached"
    TIME_LIMIT = "the time limit was reached"
    NODE_LIMIT = "the node limit of branch and bound was reached"
    SOLUTION_LIMIT = "the asked number of solutions was found"
    MEMORY_LIMIT = "memory ran out"
    OBJECTIVE_LIMIT = "the objective passed the asked limit"
    OTHER_LIMIT = "a limit was reached"
    SLOW_PROGRESS = "progress became too slow to go on"
    NUMERICAL_ERROR = "numerical trouble stopped the solver"
    INVALID_MODEL = "the solver refused the model"
    INVALID_OPTION = "the solver refused an option"
    INTERRUPTED = "the solve was interrupted"
    OTHER_ERROR = "the solver failed"


class ResultStatusCode(enum.Enum):
    """What a primal or dual result is (MathOptInterface's list)."""

    NO_SOLUTION = "there is no result"
    FEASIBLE_POINT = "a feasible point"
    NEARLY_FEASIBLE_POINT = "feasible to looser tolerances"
    INFEASIBLE_POINT = "a point that is not feasible"
    INFEASIBILITY_CERTIFICATE = "a ray that proves infeasibility of the other problem"
    NEARLY_INFEASIBILITY_CERTIFICATE = "such a ray, to looser tolerances"
    UNKNOWN_RESULT_STATUS = "a point of unknown quality"
    OTHER_RESULT_STATUS = "something else"


class BasisStatusCode(enum.Enum):
    """Where a variable or row stands in a simplex basis."""

    BASIC = "basic"
    NONBASIC = "nonbasic"
    NONBASIC_AT_LOWER = "nonbasic at its lower bound"
    NONBASIC_AT_UPPER = "nonbasic at its upper bound"
    SUPER_BASIC = "superbasic"


class DifferentiationStatusCode(enum.Enum):
    """What the last derivative is (docs/design.md, section 7)."""

    NOT_DIFFERENTIATED = "no derivative was computed since the model was last changed"
    EXACT = "the solution map is differentiable here and this is its derivative"
    DEPENDENT_ROWS = (
        "active rows are linearly dependent: the duals are not unique, "
        "with linear rows derivatives in the objective's data are exact, those in row data a least-squares answer; "
        "with curved cones they are those at the duals found"
    )
    WEAKLY_ACTIVE = "a constraint is active with zero multiplier: one element of the generalized Jacobian"
    NONUNIQUE = "the solution is not unique: the minimum-norm solution of the singular system"
    ONE_SIDED = "a constraint is active with zero multiplier: the one-sided derivative in the direction that was given"
    SMOOTHED = "the derivative of a point of the central path, as the policy wants it, not of the solution"
    TRUNCATED = "the solver's own, by iterations that stop at a tolerance: an approximation, whose error is estimated"
    INACCURATE = (
        "the optimality conditions, linearized where a solver has derivatives of its own, do not hold to 1e-10 of "
        "their terms: derivatives are those at the point found"
    )

    @property
    def is_news(self) -> bool:
        """Whether to warn: what was computed is neither the derivative nor what was asked for in its place."""
        codes = DifferentiationStatusCode
        return self not in (codes.NOT_DIFFERENTIATED, codes.EXACT, codes.ONE_SIDED, codes.SMOOTHED, codes.TRUNCATED)


# ---------------------------------------------------------------------- optimizer
@final
class SolverName(_Optimizer):
    """Name of the solver, a string (read only)."""

    settable = False


@final
class SolverVersion(_Optimizer):
    """Version of the solver's library, a string (read only)."""

    settable = False


@final
class Silent(_Optimizer):
    """Whether the solver prints nothing; True by default."""


@final
class TimeLimitSec(_Optimizer):
    """Wall time in seconds after which `optimize` stops, or None."""


@final
class NumberOfThreads(_Optimizer):
    """Threads the solver may use, or None for its default."""


@final
class AbsoluteGapTolerance(_Optimizer):
    """Difference of primal and dual objective (or bound) at which a solver may stop, or None for its default."""


@final
class RelativeGapTolerance(_Optimizer):
    """The same difference relative to the objective, or None for the solver's default."""


@final
class NodeLimit(_Optimizer):
    """Nodes of branch and bound after which `optimize` stops with NODE_LIMIT, or None for no limit."""


@final
class SolutionLimit(_Optimizer):
    """Better and better solutions of a mixed-integer model after which `optimize` stops, or None for no limit."""


@final
class ListOfOptimizerAttributesSet(_Optimizer):
    """The attributes of the optimizer that were set, a list."""

    settable = False


@final
class RawOptimizerAttribute(_Optimizer):
    """An option by the solver's own name.

    Parameters
    ----------
    name : str
    """

    def __init__(self, name: str) -> None:
        self.name = name


# ---------------------------------------------------------------------- model
@final
class Name(_Model):
    """Name of the model."""


@final
class ObjectiveSense(_Model):
    """An `ObjectiveSenseCode`; setting FEASIBILITY_SENSE erases the objective."""


@final
class ObjectiveFunction(_Model):
    """The objective, a scalar function."""


class _List(_Model):
    settable = False


@final
class NumberOfVariables(_List):
    """How many variables the model has."""


@final
class ListOfVariableIndices(_List):
    """All variables in order of creation, a `VectorOfVariables`."""


@final
class ListOfConstraintTypesPresent(_List):
    """The kinds (function type, set type) of which the model has constraints."""


class _OfKind(_List):
    def __init__(self, function_type: Any, set_type: Any) -> None:
        self.kind = (function_type, set_type)


@final
class NumberOfConstraints(_OfKind):
    """How many constraints of one kind the model has."""


@final
class ListOfConstraintIndices(_OfKind):
    """The constraints of one kind in order of creation, a `ConstraintIndices`."""


@final
class ListOfModelAttributesSet(_List):
    """The attributes of the model that were set, a list."""


@final
class ListOfVariableAttributesSet(_List):
    """The attributes of variables that were set on any of them, a list."""


@final
class ListOfConstraintAttributesSet(_OfKind):
    """The attributes of constraints of one kind that were set on any of them, a list."""


@final
class TerminationStatus(_ModelResult):
    """A `TerminationStatusCode`."""


@final
class PrimalStatus(_ModelResult):
    """A `ResultStatusCode` for the primal result."""


@final
class DualStatus(_ModelResult):
    """A `ResultStatusCode` for the dual result."""


@final
class RawStatusString(_ModelResult):
    """The solver's own word for why it stopped."""


@final
class ResultCount(_ModelResult):
    """How many results there are: 1 if a point or a certificate was found, else 0."""


@final
class ObjectiveValue(_ModelResult):
    """Objective at the primal result (of a ray: without constants)."""


@final
class DualObjectiveValue(_ModelResult):
    """Dual objective at the dual result (of a ray: without the objective's constant); models with integers have none.

    It is the least value of the Lagrangian at the dual result, at most the objective in a minimization (at least, in a
    maximization), and equal to it at an optimum.
    """


@final
class ObjectiveBound(_ModelResult):
    """Best proven bound on the objective (mixed-integer solvers)."""


@final
class RelativeGap(_ModelResult):
    """Relative gap of a mixed-integer solve."""


@final
class SolveTimeSec(_ModelResult):
    """Seconds the solver took."""


@final
class SimplexIterations(_ModelResult):
    """Simplex iterations of the last solve."""


@final
class BarrierIterations(_ModelResult):
    """Iterations of the last interior-point, first-order or other iterative solve."""


@final
class NodeCount(_ModelResult):
    """Nodes of branch and bound of the last mixed-integer solve."""


# ---------------------------------------------------------------------- variables
@final
class VariableName(_Variable):
    """Name of a variable, a string."""


@final
class VariablePrimalStart(_Variable):
    """Where a solver may start, a number or None."""


@final
class VariablePrimal(_VariableResult):
    """Value of a variable in the primal result."""


@final
class VariableBasisStatus(_VariableResult):
    """A `BasisStatusCode`."""


# ---------------------------------------------------------------------- constraints
@final
class ConstraintName(_Constraint):
    """Name of a constraint, a string."""


@final
class BoundsPutAside(_Constraint):
    """Of a variable that `Model.fix` holds at a value, the sets of its bounds, which `Model.unfix` gives back."""


@final
class ConstraintLayout(_Constraint):
    """How the rows of a constraint that was written with arrays stand in its shape (a `Layout`), else None."""


@final
class ConstraintFunction(_Constraint):
    """The function of a constraint, as written."""


@final
class ConstraintSet(_Constraint):
    """The set of a constraint."""


@final
class ConstraintPrimalStart(_Constraint):
    """Where a solver may start f(x), an array or None."""


@final
class ConstraintDualStart(_Constraint):
    """Where a solver may start the dual, an array or None."""


@final
class ConstraintActivityStart(_Constraint):
    """Which rows are active in a solver's basis: positive at a lower bound, negative at an upper, 0 inactive."""


@final
class ConstraintActivity(_ConstraintResult):
    """Which rows are nonbasic: 1 at a lower bound or an equality, -1 at an upper bound, 0 basic."""


@final
class ConstraintPrimal(_ConstraintResult):
    """f(x) at the primal result, constant included."""


@final
class ConstraintDual(_ConstraintResult):
    """Dual (multiplier) of a constraint; its sign depends on the set alone (docs/design.md, section 5)."""


@final
class ConstraintBasisStatus(_ConstraintResult):
    """A `BasisStatusCode` for each row."""


# ---------------------------------------------------------------------- differentiation: what goes in
@final
class ForwardObjectiveFunction(_Model):
    """Direction in which the objective function moves, a function."""


@final
class ForwardConstraintFunction(_Constraint):
    """Direction in which a constraint's function moves, its set fixed, a function."""


@final
class ForwardConstraintSet(_Constraint):
    """Direction in which a constraint's set moves, a set whose numbers are the direction."""


@final
class ForwardParameterValue(_Variable):
    """Direction in which a parameter moves, a number."""


@final
class ReverseVariablePrimal(_Variable):
    """Derivative of the loss with respect to a variable's value, a number."""


@final
class ReverseConstraintDual(_Constraint):
    """Derivative of the loss with respect to a dual as returned, a number or array."""


@final
class ReverseObjectiveValue(_Model):
    """Derivative of the loss with respect to the objective value, a number; adds to the other seeds."""


@final
class ModelConstructor(_Optimizer):
    """The diff model to use (a class or callable), or None to choose by the constraints in the model."""


@final
class LinearAlgebraSolver(_Optimizer):
    """How KKT systems are solved: `DirectKKT()`, `IterativeKKT()`, or None to choose by the estimated cost."""


@final
class DifferentiationPolicy(_Optimizer):
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
class AllowInaccurateSolution(_Optimizer):
    """Whether a solution that cannot be refined to relative residuals of 1e-6 is differentiated all the same.

    With False, the default, that raises `DifferentiationError`; with True it warns and tells the residuals.
    """


@final
class AllowObjectiveAndSolutionInput(_Optimizer):
    """Whether objective-value seeds may be set together with solution seeds without a warning; they add."""


# ---------------------------------------------------------------------- differentiation: what comes out
@final
class ForwardVariablePrimal(_VariableResult):
    """How a variable's value moves."""


@final
class ForwardConstraintDual(_ConstraintResult):
    """How a constraint's dual moves."""


@final
class ForwardObjectiveValue(_ModelResult):
    """How the objective value moves (envelope theorem)."""


@final
class ConstraintDegeneracy(_ConstraintResult):
    """1 in the rows for which `DifferentiationStatus` is not EXACT, weakly active or dependent ones, else 0."""


@final
class PolishedPrimal(_VariableResult):
    """Value of a variable at the solution made exact, at which derivatives are computed.

    The solver's solution is accurate to its tolerances; Newton steps on the optimality conditions make it exact to
    rounding. Read after `optimize`, for models made with `diff_optimizer`.
    """


@final
class PolishedDual(_ConstraintResult):
    """Dual of a constraint at the solution made exact; see `PolishedPrimal`."""


@final
class ReverseVariableAdjoint(_VariableResult):
    """The variable part of the adjoint solution of the KKT system, from which lazy gradients are made."""


@final
class ReverseObjectiveFunction(_ModelResult):
    """Gradient of the loss with respect to the objective's coefficients, a lazy function.

    Quadratic coefficients are those of the written-out polynomial, so that the sum over coefficients of
    reverse times forward is the adjoint identity. (DiffOpt.jl returns the matrix gradient dQ read as
    ``x'dQx/2``; a coefficient here is 2 times its off-diagonal and 4 times its diagonal one.)
    """


@final
class ReverseConstraintFunction(_ConstraintResult):
    """Gradient of the loss with respect to a constraint function's coefficients, a lazy function."""


@final
class ReverseConstraintSet(_ConstraintResult):
    """Gradient of the loss with respect to the set's numbers, a set-shaped value."""


@final
class ReverseParameterValue(_VariableResult):
    """Gradient of the loss with respect to a parameter's value."""


@final
class DifferentiateTimeSec(_ModelResult):
    """Seconds the last differentiation took."""


class Refinement(NamedTuple):
    """Largest relative violation of the optimality conditions before and after a solution was refined."""

    before: float
    after: float


@final
class SolutionRefinement(_ModelResult):
    """What Newton steps on the KKT system gained before the solution was differentiated, a `Refinement`."""


@final
class DifferentiationStatus(_ModelResult):
    """A `DifferentiationStatusCode`; `DifferentiationStatusCode` tells what each means."""
