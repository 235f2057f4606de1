"""The answers that are one of a few words: statuses, senses."""

from __future__ import annotations

import enum

__all__ = [
    "BasisStatusCode",
    "DifferentiationStatusCode",
    "ObjectiveSenseCode",
    "ResultStatusCode",
    "TerminationStatusCode",
]


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
    ALMOST_LOCALLY_SOLVED = "a local optimum to looser tolerances than asked"
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
    SADDLE = "the point is stationary and no local minimum: the derivative of the stationary point"
    INACCURATE = (
        "the optimality conditions, linearized where a solver has derivatives of its own, do not hold to 1e-10 of "
        "their terms: derivatives are those at the point found"
    )

    @property
    def is_settled(self) -> bool:
        """Whether it does not matter what is seen of the solution: there is a derivative, or it is not accurate."""
        return self in (DifferentiationStatusCode.EXACT, DifferentiationStatusCode.INACCURATE)

    @property
    def is_news(self) -> bool:
        """Whether to warn: what was computed is neither the derivative nor what was asked for in its place."""
        codes = DifferentiationStatusCode
        return self not in (codes.NOT_DIFFERENTIATED, codes.EXACT, codes.ONE_SIDED, codes.SMOOTHED, codes.TRUNCATED)
