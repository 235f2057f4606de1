"""What is returned where a solution is not differentiable: the values of `DifferentiationPolicy`.

At points where it is, all but `Smoothed` are the derivative (docs/design.md, section 7).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar, final

from numpy.typing import ArrayLike

from ..modelkit.arrays import FloatArray
from ..modelkit.attributes import DifferentiationStatusCode
from ..modelkit.errors import DifferentiationError, InvalidData
from .central_path import CentralPoint
from .conic_point import ConicPoint
from .ground import Ground
from .nonlinear_point import NonlinearPoint
from .one_sided import OneSided
from .one_sided_cones import OneSidedCones
from .one_sided_solution import OneSidedSolution
from .slope import Answers, StackedFrame

__all__ = ["POLICIES", "Generalized", "Policy", "Smoothed", "Told", "is_policy", "policy_of"]

_CODES = DifferentiationStatusCode
_KINKS = (_CODES.WEAKLY_ACTIVE, _CODES.DEPENDENT_ROWS)
Told = tuple[DifferentiationStatusCode, str]
"""What derivatives at a solution are, and the constraints at fault, in words."""


@dataclass(frozen=True)
class Policy(ABC):
    """What to return instead of a derivative.

    Attributes
    ----------
    word : its name
    is_of_kinks : whether it is the derivative wherever there is one
    needs_system : whether it asks for more than the derivative that a solver may have of its own
    """

    word: ClassVar[str]
    is_of_kinks: ClassVar[bool] = True
    needs_system: ClassVar[bool] = False

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


@final
@dataclass(frozen=True)
class Generalized(Policy):
    """An element of the generalized Jacobian."""

    word: ClassVar[str] = "generalized"

    def answers(self, ground: Ground, told: Callable[[], Told]) -> Answers:
        """Those of the solution's own system."""
        return ground.answers


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
                "'directional' gives one-sided derivatives, 'smoothed' those of a point of the central path, and "
                "'generalized' an element of the generalized Jacobian."
            )
        return ground.answers


@final
@dataclass(frozen=True)
class LeastNorm(Policy):
    """The equations without the weakly active rows; of least norm where these are singular."""

    word: ClassVar[str] = "least_norm"
    needs_system: ClassVar[bool] = True

    def answers(self, ground: Ground, told: Callable[[], Told]) -> Answers:
        """Those of the system of the rows that are active beyond doubt."""
        if told()[0] is _CODES.EXACT or not ground.has_kinks:
            return ground.answers
        return ground.without_kinks()


def _only_convex(word: str) -> DifferentiationError:
    return DifferentiationError(
        f"DifferentiationPolicy() is {word!r}, which is of convex programs, and this one is nonlinear. There are "
        "'generalized', 'exact' and 'least_norm' for it."
    )


@final
@dataclass(frozen=True)
class Directional(Policy):
    """The one-sided derivative in a direction."""

    word: ClassVar[str] = "directional"
    needs_system: ClassVar[bool] = True

    def status(self, known: DifferentiationStatusCode) -> DifferentiationStatusCode:
        """One-sided at kinks."""
        return _CODES.ONE_SIDED if known in _KINKS else known

    def answers(self, ground: Ground, told: Callable[[], Told]) -> Answers:
        """A small program for each direction, and none of reverse mode."""
        status, at_fault = told()
        if status not in (*_KINKS, _CODES.NONUNIQUE):
            return ground.answers

        def pull(primal: ArrayLike, rows: ArrayLike | None) -> tuple[FloatArray, FloatArray]:
            raise DifferentiationError(
                f"A one-sided derivative is not linear in the direction, so it has no reverse mode{at_fault}. "
                "DifferentiationPolicy() is 'directional': use forward mode (forward_differentiate, "
                "directional_derivatives, jvp), or set it to 'smoothed' or 'generalized'."
            )

        solution, frame = ground.solution, StackedFrame(ground.layout)
        if isinstance(solution, OneSidedSolution):
            push = OneSided(ground.rows, ground.layout.zeros, solution).push
        elif isinstance(solution, ConicPoint):
            push = OneSidedCones(solution).push
        else:
            raise _only_convex(self.word)
        return Answers(solution.x, solution.y, frame, pull, push, is_linear=False)


@final
@dataclass(frozen=True)
class Smoothed(Policy):
    """The derivative of a point of the central path, at every solution, whether it is differentiable or not.

    It is the derivative of the program with the barrier ``-mu Σ log s`` of its slacks s (of a matrix, of the logarithm
    of its determinant; of a second-order cone, half of it; of exponential and power cones the barriers of R. Chares,
    2009), in both modes. A linear program, whose solution stays at a
    vertex and then jumps, has slopes that are worth following: the larger mu, the further away they see the next one.

    Parameters
    ----------
    mu : what slacks times duals are, in units of the objective; what rows are scaled by does not matter

    Examples
    --------
    >>> import optangent as ot
    >>> model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    >>> x, price = model.add_variables(1, lower=0.0, upper=1.0), model.add_parameter(1.0)
    >>> model.minimize(price * x[0])
    >>> model.optimize()
    >>> model.directional_derivatives(x, [{price: 1.0}]) + 0.0
    array([[0.]])
    >>> model.set(ot.DifferentiationPolicy(), ot.Smoothed(mu=0.1))
    >>> model.directional_derivatives(x, [{price: 1.0}]).round(4)
    array([[-0.0804]])
    """

    word: ClassVar[str] = "smoothed"
    needs_system: ClassVar[bool] = True
    is_of_kinks: ClassVar[bool] = False
    mu: float = 1e-3

    def __post_init__(self) -> None:
        if isinstance(self.mu, bool) or not (isinstance(self.mu, Real) and 0.0 < self.mu < float("inf")):
            raise InvalidData(f"mu of Smoothed is a positive number, in units of the objective; got {self.mu!r}.")

    def status(self, known: DifferentiationStatusCode) -> DifferentiationStatusCode:
        """Of another point than the solution."""
        return _CODES.SMOOTHED

    def answers(self, ground: Ground, told: Callable[[], Told]) -> Answers:
        """Those of the system of the central point."""
        solution = ground.solution
        if isinstance(solution, NonlinearPoint):
            raise _only_convex(self.word)
        central = CentralPoint(ground.rows, solution.x, solution.y, float(self.mu), ground.solve_with)
        return Answers(central.x, central.y, StackedFrame(ground.layout), central.solve)


_WORDS: dict[str, Policy] = {one.word: one for one in (Generalized(), Exact(), LeastNorm(), Directional(), Smoothed())}
POLICIES = ", ".join(map(repr, _WORDS))
"""The words that there are."""


def is_policy(value: Any) -> bool:
    """Whether it is a policy, or the word of one."""
    return isinstance(value, Smoothed) or (isinstance(value, str) and value in _WORDS)


def policy_of(value: Any) -> Policy:
    """The policy that a setting names."""
    return _WORDS[value] if isinstance(value, str) else value
