"""The exact solution of a form with its factorized KKT system: what derivatives of the form are read from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ..bridges.lowering.travel import Sided
from ..modelkit import attributes as attr
from ..modelkit.arrays import FloatArray
from ..modelkit.form import Form
from ..modelkit.form.matrix_form import MatrixForm
from ..modelkit.form.stacked import Stacked
from ..modelkit.sets import Set
from .convex_diff import ConvexDiff, require_accurate
from .kkt import Mask
from .own_solution import OwnDerivative, OwnSolution
from .policies import Ground, Policy, Told
from .seen import Seen, verdict_seen
from .slope import Slope
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
    layout : where the one-sided rows stand
    rows : these rows
    solution : of them, with what differentiates it
    policy, linear_algebra : the user's choices

    Attributes
    ----------
    x, y : the exact solution, (n,) and (slots,)
    y_sided : y by sides
    layout, rows, solution, policy : see above
    """

    def __init__(
        self,
        layout: Stacked,
        rows: MatrixForm,
        solution: SolutionPoint | OwnSolution,
        policy: Policy,
        linear_algebra: Any,
    ) -> None:
        self.layout, self.rows, self.solution = layout, rows, solution
        self.x, self.y_sided = solution.x, self.sided(solution.y)
        self.y: FloatArray = self.y_sided[0] + self.y_sided[1]
        self.policy, self._linear_algebra = policy, linear_algebra
        self._slope: Slope | None = None
        self._verdict: tuple[attr.DifferentiationStatusCode, Mask] | None = None

    @classmethod
    def polished(
        cls,
        form: Form,
        diff_model: ConvexDiff,
        x: FloatArray,
        y: FloatArray,
        activity: FloatArray | None = None,
        layout: Stacked | None = None,
    ) -> FormPoint:
        """The solution as a diff model makes it exact.

        Parameters
        ----------
        form : the form
        diff_model : which makes solutions exact
        x : (n,) and y : (slots,) near the solution
        activity : (slots,) as `Result.activity`, or None where there is no basis
        layout : one-sided rows of forms of this signature, None to make it

        Raises
        ------
        DifferentiationError
            If the solution cannot be made accurate.
        """
        layout = _fitting(form, layout, [kind[1] for kind in diff_model.kinds])
        rows, hints = layout.matrices(form), None if activity is None else layout.down(activity)
        solution = diff_model.exact(rows, x, layout.down(y), hints)
        return cls(layout, rows, solution, diff_model.policy, diff_model.linear_algebra)

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
        layout : one-sided rows of forms of this signature, None to make it

        Raises
        ------
        DifferentiationError
            If the point is no solution, and not said to be one of truncated iterations.
        """
        layout = _fitting(form, layout, [])
        rows = layout.matrices(form)
        solution = OwnSolution(own, layout, rows, *given)
        if own.status is not attr.DifferentiationStatusCode.TRUNCATED:
            require_accurate(solution.refinement.after, allow_inaccurate)
        return cls(layout, rows, solution, policy, None)

    @property
    def refinement(self) -> attr.Refinement:
        """Largest relative violation of the optimality conditions, of the given point and of this one."""
        return self.solution.refinement

    @property
    def mismatch(self) -> float:
        """Relative difference of forward and reverse mode at random right-hand sides."""
        return self.solution.mismatch

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
            ground = Ground(self.rows, self.solution, self.layout.zeros, self._linear_algebra)
            self._slope = Slope(self.layout, self.policy.answers(ground, told))
        return self._slope

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
        if isinstance(self.solution, OwnSolution):  # whose status is that of the form, and may change with answers
            self._verdict = self.solution.status, self.solution.rows_at_fault
        elif self._verdict is None:
            through = Seen(seen.columns, lambda dx, dy: seen.through(dx, self.sided(dy)))
            self._verdict = verdict_seen(self.solution, self.rows, through)
        status, fault = self._verdict
        at = np.zeros(len(self.y))
        at[self.layout.slot[fault]] = 1.0
        return status, at


def _fitting(form: Form, layout: Stacked | None, order: Sequence[type[Set]]) -> Stacked:
    return layout if layout is not None and layout.fits(form) else Stacked(form, order)
