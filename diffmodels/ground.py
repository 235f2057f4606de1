"""A solution of a form as a diff model made it exact: what the form's slots are answered from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, final

from ..modelkit import attributes as attr
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


@final
class StackedGround(Ground):
    """That of a diff model that works with one-sided rows.

    Parameters
    ----------
    layout, rows, solution : the one-sided rows and the solution in them
    solve_with : see `Ground`
    """

    def __init__(self, layout: Stacked, rows: MatrixForm, solution: SolutionPoint, solve_with: Any) -> None:
        self._stacked, self._rows, self._solution, self.solve_with = layout, rows, solution, solve_with
        self.answers = Answers(solution.x, solution.y, StackedFrame(layout), solution.solve)

    @property
    def status(self) -> attr.DifferentiationStatusCode:
        """What the derivatives are."""
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
    def has_kinks(self) -> bool:
        """Whether some row is at a kink."""
        return bool(self._solution.weakly_active.any())

    def without_kinks(self) -> Answers:
        """Those without the rows at a kink; of least norm where the others leave something open."""
        solution = self._solution
        return Answers(solution.x, solution.y, StackedFrame(self._stacked), solution.without_kinks())

    @property
    def layout(self) -> Stacked:
        """Where the one-sided rows of the form stand."""
        return self._stacked

    @property
    def rows(self) -> MatrixForm:
        """These rows."""
        return self._rows

    @property
    def solution(self) -> SolutionPoint:
        """The solution in these rows."""
        return self._solution


@final
class OwnGround(Ground):
    """That of a solver which differentiates its solution itself.

    Parameters
    ----------
    layout, rows, solution : the one-sided rows and the solution in them
    """

    def __init__(self, layout: Stacked, rows: MatrixForm, solution: OwnSolution) -> None:
        self._stacked, self._rows, self._solution, self.solve_with = layout, rows, solution, None
        self.answers = Answers(solution.x, solution.y, StackedFrame(layout), solution.solve, solution.push)

    @property
    def status(self) -> attr.DifferentiationStatusCode:
        """What the derivatives are, as far as answers so far bear it out."""
        return self._solution.status

    @property
    def refinement(self) -> attr.Refinement:
        """Largest relative violation of the optimality conditions, of the result and of the point that was given."""
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
    def has_kinks(self) -> bool:
        """Whether some row is at a kink: policies that ask need a system."""
        raise NotImplementedError("a solver's own derivative")

    def without_kinks(self) -> Answers:
        """The same."""
        raise NotImplementedError("a solver's own derivative")

    @property
    def layout(self) -> Stacked:
        """Where the one-sided rows of the form stand."""
        return self._stacked

    @property
    def rows(self) -> MatrixForm:
        """These rows."""
        return self._rows

    @property
    def solution(self) -> OwnSolution:
        """The solution in these rows."""
        return self._solution
