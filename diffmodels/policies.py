"""What is returned where a solution is not differentiable: the values of `DifferentiationPolicy`.

At points where it is, all but `Smoothed` are the derivative (docs/design.md, section 7).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, final

from numpy.typing import ArrayLike

from ..modelkit.arrays import FloatArray
from ..modelkit.attributes import DifferentiationStatusCode
from ..modelkit.errors import DifferentiationError, Unsupported
from ..modelkit.form.matrix_form import MatrixForm
from .active_set import PolishedSolution
from .one_sided import OneSided
from .slope import Answers
from .solution_point import SolutionPoint

__all__ = ["POLICIES", "Generalized", "Ground", "Policy", "Told", "is_policy", "policy_of"]

_CODES = DifferentiationStatusCode
_KINKS = (_CODES.WEAKLY_ACTIVE, _CODES.DEPENDENT_ROWS)
Told = tuple[DifferentiationStatusCode, str]
"""What derivatives at a solution are, and the constraints at fault, in words."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """A solution in one-sided rows, ``F x + g`` equal to zero or in cones.

    Attributes
    ----------
    rows, zeros : the program, and how many equalities come first
    solution : its exact solution
    solve_with : how KKT systems are solved, see `kkt`; None to choose by the estimated cost
    """

    rows: MatrixForm
    solution: SolutionPoint
    zeros: int
    solve_with: Any


@dataclass(frozen=True)
class Policy(ABC):
    """What to return instead of a derivative.

    Attributes
    ----------
    word : its name
    is_of_kinks : whether it is the derivative wherever there is one
    """

    word: ClassVar[str]
    is_of_kinks: ClassVar[bool] = True

    def status(self, known: DifferentiationStatusCode) -> DifferentiationStatusCode:
        """What is returned at a solution of which so much is known."""
        return known

    @abstractmethod
    def answers(self, ground: Ground, told: Callable[[], Told]) -> Answers:
        """How to differentiate there; `told` is asked only where it matters.

        Raises
        ------
        DifferentiationError
        """


def _ordinary(ground: Ground) -> Answers:
    solution = ground.solution
    return Answers(solution.x, solution.y, solution.solve)


@final
@dataclass(frozen=True)
class Generalized(Policy):
    """An element of the generalized Jacobian."""

    word: ClassVar[str] = "generalized"

    def answers(self, ground: Ground, told: Callable[[], Told]) -> Answers:
        """Those of the solution's own system."""
        return _ordinary(ground)


@final
@dataclass(frozen=True)
class Exact(Policy):
    """The derivative or nothing."""

    word: ClassVar[str] = "exact"

    def answers(self, ground: Ground, told: Callable[[], Told]) -> Answers:
        """Those of the solution's own system, if they are the derivative."""
        status, at_fault = told()
        if status is not _CODES.EXACT:
            raise DifferentiationError(
                f"There is no derivative here, {status.name}: {status.value}{at_fault}. DifferentiationPolicy() is "
                "'exact', which allows nothing else. model.diff_report() tells what to do about each row; "
                "'directional' gives one-sided derivatives, and 'generalized' an element of the generalized Jacobian."
            )
        return _ordinary(ground)


@final
@dataclass(frozen=True)
class LeastNorm(Policy):
    """The equations without the weakly active rows; of least norm where these are singular."""

    word: ClassVar[str] = "least_norm"

    def answers(self, ground: Ground, told: Callable[[], Told]) -> Answers:
        """Those of the system of the rows that are active beyond doubt."""
        solution = ground.solution
        if told()[0] is _CODES.EXACT or not solution.weakly_active.any():
            return _ordinary(ground)
        return Answers(solution.x, solution.y, solution.without_kinks())


@final
@dataclass(frozen=True)
class Directional(Policy):
    """The one-sided derivative in a direction."""

    word: ClassVar[str] = "directional"

    def status(self, known: DifferentiationStatusCode) -> DifferentiationStatusCode:
        """One-sided at kinks."""
        return _CODES.ONE_SIDED if known in _KINKS else known

    def answers(self, ground: Ground, told: Callable[[], Told]) -> Answers:
        """A small program for each direction, and none of reverse mode."""
        status, at_fault = told()
        if status not in (*_KINKS, _CODES.NONUNIQUE):
            return _ordinary(ground)

        def pull(primal: ArrayLike, rows: ArrayLike | None) -> tuple[FloatArray, FloatArray]:
            raise DifferentiationError(
                f"A one-sided derivative is not linear in the direction, so it has no reverse mode{at_fault}. "
                "DifferentiationPolicy() is 'directional': use forward mode (forward_differentiate, "
                "directional_derivatives, jvp), or set it to 'generalized'."
            )

        solution = ground.solution
        if not isinstance(solution, PolishedSolution):
            raise Unsupported(
                f"One-sided derivatives are of linear and convex quadratic programs; this solution, of one with cones "
                f"or curved rows, is at a kink{at_fault}. Set DifferentiationPolicy() to 'least_norm' or 'generalized'."
            )
        return Answers(solution.x, solution.y, pull, OneSided(ground.rows, ground.zeros, solution).push)


_WORDS: dict[str, Policy] = {one.word: one for one in (Generalized(), Exact(), LeastNorm(), Directional())}
POLICIES = ", ".join(map(repr, _WORDS))
"""The words that there are."""


def is_policy(value: Any) -> bool:
    """Whether it is a policy, or the word of one."""
    return isinstance(value, str) and value in _WORDS


def policy_of(value: Any) -> Policy:
    """The policy that a setting names."""
    return _WORDS[value] if isinstance(value, str) else value
