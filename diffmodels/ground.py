"""A solution of a form as a diff model made it exact: what the form's slots are answered from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, final

from ..modelkit import attributes as attr
from ..modelkit.errors import DifferentiationError
from ..modelkit.form.matrix_form import MatrixForm
from ..modelkit.form.stacked import Stacked
from .kkt import Mask
from .own_solution import OwnSolution
from .slope import Answers, StackedFrame
from .solution_point import SolutionPoint

__all__ = ["Ground", "OwnGround", "StackedGround"]


class Ground(ABC):
    """A solution, in the rows that its diff model works with, and in one-sided rows for who looks at each side.

    Attributes
    ----------
    answers : those of the solution's own system
    solve_with : how KKT systems are solved, see `kkt`; None to choose by the estimated cost
    """

    answers: Answers
    solve_with: Any

    @property
    @abstractmethod
    def status(self) -> attr.DifferentiationStatusCode:
        """What the derivatives are."""

    @property
    @abstractmethod
    def refinement(self) -> attr.Refinement:
        """Largest relative violation of the optimality conditions, of the given point and of this one."""

    @property
    @abstractmethod
    def mismatch(self) -> float:
        """Relative difference of forward and reverse mode at random right-hand sides."""

    @property
    @abstractmethod
    def at_fault(self) -> Mask:
        """(slots,): those that keep the status from being EXACT."""

    @property
    @abstractmethod
    def has_kinks(self) -> bool:
        """Whether some row is at a kink."""

    @abstractmethod
    def without_kinks(self) -> Answers:
        """Those without the rows at a kink; of least norm where the others leave something open."""

    # ------------------------------------------------------------------ in one-sided rows
    @property
    @abstractmethod
    def layout(self) -> Stacked:
        """Where the one-sided rows of the form stand."""

    @property
    @abstractmethod
    def rows(self) -> MatrixForm:
        """These rows."""

    @property
    @abstractmethod
    def solution(self) -> SolutionPoint | OwnSolution:
        """The solution in these rows."""


class _InOneSidedRows(Ground):
    """One whose own rows are the one-sided ones.

    Parameters
    ----------
    layout, rows, solution : the one-sided rows and the solution in them
    """

    def __init__(self, layout: Stacked, rows: MatrixForm, solution: SolutionPoint | OwnSolution) -> None:
        self._stacked, self._rows, self._solution = layout, rows, solution

    @property
    def status(self) -> attr.DifferentiationStatusCode:
        """What the derivatives are; of those that a solver has of its own, as far as answers so far bear it out."""
        return self._solution.status

    @property
    def refinement(self) -> attr.Refinement:
        """Largest relative violation of the optimality conditions, of the given point and of this one."""
        return self._solution.refinement

    @property
    def mismatch(self) -> float:
        """Relative difference of forward and reverse mode at random right-hand sides."""
        return self._solution.mismatch

    @property
    def at_fault(self) -> Mask:
        """(slots,): those that keep the status from being EXACT."""
        return self._stacked.has_any(self._solution.rows_at_fault)

    @property
    def layout(self) -> Stacked:
        """Where the one-sided rows of the form stand."""
        return self._stacked

    @property
    def rows(self) -> MatrixForm:
        """These rows."""
        return self._rows

    @property
    def solution(self) -> SolutionPoint | OwnSolution:
        """The solution in these rows."""
        return self._solution


@final
class StackedGround(_InOneSidedRows):
    """That of a diff model that works with one-sided rows; `solve_with` as of `Ground`."""

    def __init__(self, layout: Stacked, rows: MatrixForm, solution: SolutionPoint, solve_with: Any) -> None:
        super().__init__(layout, rows, solution)
        self._point, self.solve_with = solution, solve_with
        self.answers = Answers(solution.x, solution.y, StackedFrame(layout), solution.solve)

    @property
    def has_kinks(self) -> bool:
        """Whether some row is at a kink."""
        return bool(self._point.weakly_active.any())

    def without_kinks(self) -> Answers:
        """Those without the rows at a kink; of least norm where the others leave something open."""
        point = self._point
        return Answers(point.x, point.y, StackedFrame(self._stacked), point.without_kinks())


@final
class OwnGround(_InOneSidedRows):
    """That of a solver which differentiates its solution itself, `own`, and has no system to be asked for more."""

    def __init__(self, layout: Stacked, rows: MatrixForm, solution: OwnSolution) -> None:
        super().__init__(layout, rows, solution)
        self.own, self.solve_with = solution, None
        self.answers = Answers(solution.x, solution.y, StackedFrame(layout), solution.solve, solution.push)

    @property
    def has_kinks(self) -> bool:
        """Whether some row is at a kink, for all that is known."""
        return self.status is attr.DifferentiationStatusCode.WEAKLY_ACTIVE

    def without_kinks(self) -> Answers:
        """There are none; raises `DifferentiationError`, since policies that want them ask a diff model."""
        raise DifferentiationError(
            "A solver's own derivative is not known without the rows at a kink: set ModelConstructor() to a diff model."
        )
