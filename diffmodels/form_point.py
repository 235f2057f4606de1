"""The exact solution of a form with its factorized KKT system: what derivatives of the form are read from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np

from ..bridges.lowering.travel import Sided
from ..modelkit import attributes as attr
from ..modelkit.arrays import FloatArray
from ..modelkit.form import Form
from ..modelkit.form.matrix_form import MatrixForm
from ..modelkit.form.stacked import Stacked
from .convex_diff import ConvexDiff, require_accurate
from .ground import Ground, OwnGround
from .kkt import Mask
from .own_solution import OwnDerivative, OwnSolution
from .policies import Policy, Told
from .seen import Seen, verdict_seen
from .slope import Slope, StackedFrame
from .slot_tangents import SlotTangents
from .solution_point import SolutionPoint

__all__ = ["FormPoint", "SeenBySides"]


@final
@dataclass(frozen=True, eq=False)
class SeenBySides:
    """What is seen of moves of a form's solution.

    Attributes
    ----------
    columns : (n,) mask of the columns that are seen as they are
    through : from moves (n, k) of x and (slots, k) of y by sides to what else is seen of them (r, k), linear
    """

    columns: Mask
    through: Callable[[FloatArray, Sided], FloatArray]


@final
class FormPoint:
    """A solution of a form.

    Parameters
    ----------
    ground : the solution, with what differentiates it
    policy : the user's choice

    Attributes
    ----------
    x, y : the exact solution, (n,) and (slots,)
    y_sided : y by sides
    policy : see above
    own : what the solver differentiates itself, if that is it
    """

    def __init__(self, ground: Ground, policy: Policy) -> None:
        self._ground, self.policy = ground, policy
        self.own: OwnSolution | None = ground.own if isinstance(ground, OwnGround) else None
        self._plain = Slope(ground.answers)
        self.x, self.y, self.y_sided = self._plain.x, self._plain.y, self._plain.y_sided
        self._slope: Slope | None = None
        self._verdict: tuple[attr.DifferentiationStatusCode, FloatArray] | None = None

    @classmethod
    def polished(
        cls,
        form: Form,
        diff_model: ConvexDiff,
        x: FloatArray,
        y: FloatArray,
        activity: FloatArray | None = None,
    ) -> FormPoint:
        """The solution as a diff model makes it exact.

        Parameters
        ----------
        form : the form
        diff_model : which makes solutions exact
        x : (n,) and y : (slots,) near the solution
        activity : (slots,) as `Result.activity`, or None where there is no basis

        Raises
        ------
        DifferentiationError
            If the solution cannot be made accurate.
        """
        return cls(diff_model.exact(form, x, y, activity), diff_model.policy)

    @classmethod
    def of_solver(
        cls,
        form: Form,
        own: OwnDerivative,
        given: tuple[FloatArray, FloatArray],
        policy: Policy,
        *,
        allow_inaccurate: bool,
        layout: Stacked | None = None,
    ) -> FormPoint:
        """The solution as its solver differentiates it.

        Parameters
        ----------
        form : the form that was solved
        own : what the solver differentiates
        given : x (n,) and y (slots,) of its result
        policy : one that asks for no system
        allow_inaccurate : whether a point that is no solution is differentiated
        layout : one-sided rows of an earlier form, which are taken again if they are those of this one

        Raises
        ------
        DifferentiationError
            If the point is no solution, and not said to be one of truncated iterations.
        """
        if layout is None or not layout.fits(form):
            layout = Stacked(form)
        rows = layout.matrices(form)
        solution = OwnSolution(own, layout, rows, *given)
        if own.status is not attr.DifferentiationStatusCode.TRUNCATED:
            require_accurate(solution.refinement.after, allow_inaccurate)
        return cls(OwnGround(layout, rows, solution), policy)

    # ------------------------------------------------------------------ in one-sided rows
    @property
    def layout(self) -> Stacked:
        """Where the one-sided rows of the form stand."""
        return self._ground.layout

    @property
    def rows(self) -> MatrixForm:
        """These rows."""
        return self._ground.rows

    @property
    def solution(self) -> SolutionPoint | OwnSolution:
        """The solution in these rows."""
        return self._ground.solution

    # ------------------------------------------------------------------ what is known
    @property
    def status(self) -> attr.DifferentiationStatusCode:
        """What the derivatives are, of all that is in the form."""
        return self._ground.status

    @property
    def refinement(self) -> attr.Refinement:
        """Largest relative violation of the optimality conditions, of the given point and of this one."""
        return self._ground.refinement

    @property
    def mismatch(self) -> float:
        """Relative difference of forward and reverse mode at random right-hand sides."""
        return self._ground.mismatch

    # ------------------------------------------------------------------ derivatives
    def slope(self, told: Callable[[], Told]) -> Slope:
        """Where and how it is differentiated, by the policy of the diff model.

        Parameters
        ----------
        told : what is told of the derivative, and of who is at fault, in words

        Raises
        ------
        DifferentiationError
            If there is none that the policy allows.
        """
        if self._slope is None:
            answers = self.policy.answers(self._ground, told)
            self._slope = self._plain if answers is self._ground.answers else Slope(answers)
        return self._slope

    def right_hand_sides(self, tangents: SlotTangents) -> tuple[FloatArray, FloatArray]:
        """Of the gradient (n, K), and of the one-sided rows (m, K)."""
        primal, rows, lower, upper = tangents.dense()
        return primal, StackedFrame(self.layout).moves(rows, lower, upper)

    def sided(self, rows: FloatArray) -> Sided:
        """Values of the one-sided rows, (m,) or (m, K), over the slots, by sides."""
        return self.layout.by_sides(rows)

    # ------------------------------------------------------------------ what it is worth
    def verdict(self, seen: SeenBySides) -> tuple[attr.DifferentiationStatusCode, FloatArray]:
        """Whether what is seen is differentiable, and weights (slots,) of the rows at fault, zero elsewhere.

        Parameters
        ----------
        seen : columns, and from moves of x and of the slots' duals to what is seen of them
        """
        if self.own is not None:  # whose status is that of the form, and may change with answers
            return self.own.status, self._ground.at_fault.astype(np.float64)
        if self._verdict is None:
            status, fault = self.status, self._ground.at_fault
            if not status.is_settled:
                through = Seen(seen.columns, lambda dx, dy: seen.through(dx, self.sided(dy)))
                solution = self._ground.solution
                assert not isinstance(solution, OwnSolution)
                status, of_rows = verdict_seen(solution, self.rows, through)
                fault = self.layout.has_any(of_rows)
            self._verdict = status, fault.astype(np.float64)
        return self._verdict
