"""Items solved and differentiated by the form of the model: any solver, any model.

Where some constraint is lowered by numbers that parameters move, each solver has a form of its own (`desks`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, final

import numpy as np

from ...modelkit import attributes as attr
from ...modelkit.arrays import FloatArray, IntArray, compact
from ...modelkit.convexity import require_convex
from ...modelkit.errors import DifferentiationError, NotOptimized, OptangentError
from ...modelkit.form import Form
from ...modelkit.form.point_errors import MatrixSizes
from ...modelkit.form.residuals import OPTIMAL_RESIDUAL, largest
from ...modelkit.form.slot_rows import SlotRows
from ...modelkit.form.stacked import Stacked
from ...modelkit.model.remaking import snapshot
from ...modelkit.store.parameters import Parameters
from ..form_point import FormPoint, SeenBySides
from ..outcome import FoundResult
from ..own_solution import differentiates_itself
from ..policies import Told, policy_of
from ..quadratic_diff import QuadraticDiff
from ..starting import UserStart
from .chain_rule import ChainRule
from .desks import Desk, OwnForms, SharedForm
from .form_solvers import form_solvers
from .lowered import lowered
from .output_maps import OutputMaps
from .per_thread import PerThread
from .route import EXACT, Answer, Mode
from .state import State

__all__ = ["FormRoute"]

_CODES = attr.TerminationStatusCode
_WHO = "A layer"
_SOLVED = (_CODES.OPTIMAL, _CODES.LOCALLY_SOLVED)
_ALMOST = (_CODES.ALMOST_OPTIMAL, _CODES.ALMOST_LOCALLY_SOLVED)
Found = tuple[attr.TerminationStatusCode, str, State | None]
"""Status, why there is no solution or "", and the solution."""
First = tuple[FoundResult | None, State | None]
"""What the first solver says of an item, and a point that may be its solution."""


@final
class FormRoute:
    """The form of a model with the solvers of the model, tried in order, made anew in each thread.

    Parameters
    ----------
    model : of which the present values of other parameters are kept
    ids : of the layer's parameters
    outputs : see `program.Output`

    Attributes
    ----------
    form : any of the forms, of which the numbers are to be replaced
    moving : the map from parameters to these numbers
    layout : of the one-sided rows of forms without infinite parameters
    chain : the maps from parameters through a solution of the form to outputs, duals by sides
    maps : the outputs
    sign : -1 of a model that is maximized
    is_chosen : whether the user chose the diff model
    is_shared : whether the solvers take this form
    is_curving : whether P depends on the parameters, so that its convexity is checked at each solve
    why : why there are no derivatives, "" if there are
    linear_algebra, policy : the user's choices of them
    is_own : whether the first solver is asked for derivatives of its own
    """

    def __init__(self, model: Any, ids: IntArray, outputs: list[Any]) -> None:
        store = model.store
        self._solvers = form_solvers(model)
        chosen = model.get(attr.ModelConstructor())
        made = lowered(store, self._solvers, chosen)
        lowering = made.lowering
        self.is_chosen, self.is_shared, self.why = chosen is not None, made.is_shared, made.why
        self._diff_model, self._abilities = made.diff_model, lowering.abilities
        self.form, self.moving, self.sign = lowering.form, lowering.numbers_that_move(), lowering.sign
        self._store = None if made.is_shared else snapshot(store)
        parameters = lowering.parameters or Parameters(store)
        present = np.array(parameters.values, np.float64)
        self.moving.apply(self.form, np.where(np.isfinite(present), present, 0.0))
        self.layout = Stacked(self.form) if made.diff_model is None else made.diff_model().stacked(self.form)
        self.maps = OutputMaps(store, lowering, outputs)
        self.present, self.places = present, compact(parameters.places(ids))
        self.chain = ChainRule(self.moving, self.form, self.maps, self.sign, _finite(present), self.places)
        self.linear_algebra: Any = model.get(attr.LinearAlgebraSolver())
        self._allow_inaccurate = model.get(attr.AllowInaccurateSolution())
        self.policy = policy_of(model.get(attr.DifferentiationPolicy()))
        self._local = PerThread()
        asks = made.is_shared and made.diff_model is not None and chosen is None and self.linear_algebra is None
        self._is_local = made.diff_model is not None and made.diff_model().nonconvex
        self._own = [asks and differentiates_itself(one, self.form, self.policy) for one in self._solvers]
        self.is_own = self._own[0]
        # with linear rows alone and a curved objective, a few steps that exchange active rows find what a solver would;
        # curved cones need a new system at each step, vertices a walk
        self._goes_by_rows = (
            made.diff_model is not None
            and isinstance(made.diff_model(), QuadraticDiff)
            and self.form.P.nnz > 0
            and not self.is_own
        )
        self.is_curving = self.moving.moves_curvature
        self._turns = self.moving.derivative(self.form).turns
        self._rows = SlotRows(self.form)
        self._sizes: MatrixSizes | None = None
        if not self.is_curving:
            self._require_convex(self.form)

    # ------------------------------------------------------------------ what threads have
    @contextmanager
    def _desk(self) -> Iterator[Desk]:
        """What this thread has, taken away where something unforeseen happens, which may leave it half written."""
        desk: Desk | None = self._local.__dict__.pop("desk", None)
        if desk is None:
            has_duals = self._diff_model is not None
            if self._store is None:
                desk = SharedForm(self.form, self.moving, self._solvers, is_judged=not has_duals)
            else:
                desk = OwnForms(self._store, self._abilities, self._solvers, is_judged=not has_duals)
        try:
            yield desk
        except OptangentError:
            self._local.desk = desk
            raise
        self._local.desk = desk

    @property
    def has_points(self) -> bool:
        """Whether the first solver solves stacks of small quadratic programs, and differentiates these."""
        return hasattr(self._solvers[0], "exact_points")

    def points(self, programs: Any, zeros: int) -> Any:
        """What it makes of such a stack: see `form_solvers`."""
        return self._quick().exact_points(*programs, zeros)

    def candidates(self, programs: Any, zeros: int) -> list[Any]:
        """Those of the first solver for small quadratic programs; None where it has none."""
        solver = self._quick()
        if self.has_points:
            points, n = self.points(programs, zeros), programs.q.shape[1]
            return [(z[:n], z[n:]) if exact else None for z, exact in zip(points.z, points.exact, strict=True)]
        if not hasattr(solver, "candidates"):
            return [None] * len(programs.q)
        found: list[Any] = solver.candidates(*programs, zeros)
        return found

    def _quick(self) -> Any:
        """A solver of this thread, with nothing loaded."""
        solver: Any = self._local.__dict__.get("quick")
        if solver is None:
            solver = self._local.quick = self._solvers[0].another()
        return solver

    # ------------------------------------------------------------------ solving
    def solve(self, theta: FloatArray, warm: State | None, first: First = (None, None)) -> Answer:
        """The solution, by the first solver that finds one, made exact; `first` is what is known already."""
        whole = self._whole(theta)
        with self._desk() as desk:
            return self._answered(desk, whole, *self._found(desk, whole, warm, first))

    def first(self, theta: FloatArray, warm: State | None, *, is_convex: bool) -> First:
        """What the first solver says, and the solution near a start or in its word, unjudged; None for what is not."""
        try:
            with self._desk() as desk:
                form = desk.at(self._whole(theta))
                if self.is_curving and not is_convex:
                    self._require_convex(form)
                near = self._near(form, warm) if warm is not None and self._goes_by_rows else None
                if near is not None:
                    return None, near
                result = self._run(desk, 0, warm)
        except OptangentError:  # which `solve` tells
            return None, None
        if result.status not in _SOLVED or result.x is None or result.dual is None:
            return result, None
        return result, State.of(result.x, result.dual)

    def _whole(self, theta: FloatArray) -> FloatArray:
        """All parameters of the model, infinite ones included."""
        whole = self.present.copy()
        whole[self.places] = theta
        return whole

    def _found(self, desk: Desk, whole: FloatArray, warm: State | None, first: First) -> Found:
        """What the first solver that finds a solution says, made exact where it can be: then nothing else is judged."""
        status, reason = _CODES.OTHER_ERROR, ""
        result, near = first
        if near is not None and near.point is not None:
            return _CODES.OPTIMAL, "", near
        try:
            form = desk.at(whole)
            if self.is_curving:
                self._require_convex(form)
            if result is None and warm is not None and self._goes_by_rows:
                near = self._near(form, warm)
                if near is not None:
                    return _CODES.OPTIMAL, "", near
            for number in range(len(self._solvers)):
                if number or result is None:
                    result = self._run(desk, number, warm)
                status, reason = result.status, result.raw
                has_point = result.x is not None and (result.dual is not None or self.why)
                if status in _SOLVED and has_point:
                    state = State.of(result.x, None if self.why else result.dual)
                    if self.why or self._refine(desk, form, state, number):
                        return status, "", state
                    status = self._checked(form, state, status)
                    if status in _SOLVED:
                        return status, "", state
                elif status in _SOLVED:
                    status = _CODES.OTHER_ERROR
                if status in _ALMOST and has_point and not self.why:
                    near = self._near(form, State.of(result.x, result.dual))
                    if near is not None:
                        return _SOLVED[_ALMOST.index(status)], "", near
                if status in (_CODES.INFEASIBLE, _CODES.DUAL_INFEASIBLE):
                    break
        except OptangentError as error:
            return _CODES.OTHER_ERROR, str(error), None
        return status, f"{status.value} ({reason})", None

    def _run(self, desk: Desk, number: int, warm: State | None) -> Any:
        """The answer of one of the solvers."""
        return desk.run(number, None if warm is None or warm.y is None else UserStart(warm.x, warm.dual))

    def _require_convex(self, form: Form) -> None:
        """Raise unless the objective is convex, or need not be."""
        if not self._is_local:
            require_convex(form.P, self.sign, _WHO)

    def _checked(self, form: Form, state: State, status: attr.TerminationStatusCode) -> attr.TerminationStatusCode:
        """The status of what is said to be solved, or what such an answer is instead."""
        if not (np.isfinite(state.x).all() and np.isfinite(state.dual).all()):
            return _CODES.OTHER_ERROR
        return status if self.is_solution(form, state.x, state.dual) else _ALMOST[_SOLVED.index(status)]

    def is_solution(self, form: Form, x: FloatArray, dual: FloatArray) -> bool:
        """Whether a point is optimal by the rule of the model, in whatever units it is stated."""
        return self._largest(form, x, dual) <= OPTIMAL_RESIDUAL

    def is_solution_at(self, theta: FloatArray, x: FloatArray, dual: FloatArray) -> bool:
        """Whether a point is so at some parameters."""
        with self._desk() as desk:
            return self.is_solution(desk.at(self._whole(theta)), x, dual)

    def _largest(self, form: Form, x: FloatArray, dual: FloatArray) -> float:
        rows = self._rows.with_form(form)
        sizes = self._sizes
        if sizes is None or not sizes.fit(rows):
            self._sizes = sizes = MatrixSizes(rows)
        return largest(rows, x, dual, sizes)

    def _near(self, form: Form, start: State) -> State | None:
        """The exact solution, if the Newton steps that make answers exact lead there from that of another item."""
        if start.y is None or not (np.isfinite(start.x).all() and np.isfinite(start.y).all()):
            return None
        try:
            point = self._point(form, start)
        except OptangentError:
            return None
        if not (point.refinement.after <= EXACT and self._largest(form, point.x, point.y) <= EXACT):
            return None
        return State.at(point)

    def _answered(
        self,
        desk: Desk,
        whole: FloatArray,
        status: attr.TerminationStatusCode,
        reason: str,
        state: State | None,
    ) -> Answer:
        nothing = np.full(self.chain.size, np.nan)
        if state is None:
            return status, reason, nothing, None
        if state.y is None and self.maps.uses_duals:
            error = NotOptimized(
                "An output is a dual, and models with integer variables, and others whose sets have gaps, have none. "
                "Solve the relaxation, or fix these variables at their values, for the duals of that."
            )
            return _CODES.OTHER_ERROR, str(error), nothing, None
        value = self.objective(desk.at(whole), state.x) if self.chain.has_objective else None
        return status, reason, self.chain.outputs(_finite(whole), state.x, state.y, value), state

    def _refine(self, desk: Desk, form: Form, state: State, number: int) -> bool:
        """Move to the exact solution, if that can be; what cannot be refined has no derivatives."""
        if not (np.isfinite(state.x).all() and np.isfinite(state.dual).all()):
            return False
        try:
            point = self._own_point(desk, form, state, number) or self._point(form, state)
        except OptangentError:
            return False
        is_truncated = point.own is not None and point.own.is_truncated
        is_better = point.refinement.after <= point.refinement.before
        if not (is_truncated or (is_better and self.is_solution(form, point.x, point.y))):
            return False
        state.x, state.y, state.point = point.x, np.concatenate(point.y_sided), point
        return True

    def _point(self, form: Form, state: State) -> FormPoint:
        assert self._diff_model is not None
        model = self._diff_model()
        model.linear_algebra, model.allow_inaccurate = self.linear_algebra, self._allow_inaccurate
        model.policy, model.layout = self.policy, self.layout
        with np.errstate(over="ignore", invalid="ignore"):  # of huge numbers: what is not finite is no solution
            return FormPoint.polished(form, model, state.x, state.dual)

    def _own_point(self, desk: Desk, form: Form, state: State, number: int) -> FormPoint | None:
        """The answer that a solver gave just now, as it differentiates it; None where it does not."""
        own = desk.own_derivative(number) if self._own[number] else None
        if own is None:
            return None
        given, layout = (state.x, state.dual), self.layout
        return FormPoint.of_solver(
            form, own, given, self.policy, allow_inaccurate=self._allow_inaccurate, layout=layout
        )

    def _point_again(self, whole: FloatArray, state: State) -> FormPoint:
        """What differentiates a solution that came from elsewhere; a solver differentiates what it solved."""
        with self._desk() as desk:
            form = desk.at(whole)
            is_solved = self.is_own and self._run(desk, 0, state).status in _SOLVED
            return (self._own_point(desk, form, state, 0) if is_solved else None) or self._point(form, state)

    def objective(self, form: Form, x: FloatArray) -> float:
        """Its value, in the form's sense."""
        return float(0.5 * (x @ (form.P @ x)) + form.q @ x + form.r)

    # ------------------------------------------------------------------ derivatives
    def derivative(self, mode: Mode, theta: FloatArray, state: State, directions: FloatArray) -> FloatArray:
        """Cotangents (K, o) pulled back to (K, p), or tangents (K, p) pushed to (K, o): one solve for all."""
        if self.why:
            raise DifferentiationError(self.why)
        whole = self._whole(theta)
        if state.point is None:
            state.point = self._point_again(whole, state)
        point, whole = state.point, _finite(whole)

        def told() -> Told:
            seen = self.chain.seen(whole, point.x, np.concatenate(point.y_sided))
            sided = SeenBySides(seen.columns, lambda dx, dy: seen.through(dx, np.concatenate(dy)))
            return point.verdict(sided)[0], ""

        slope, size = point.slope(told), len(point.y)

        def solve(primal: FloatArray, rows: FloatArray) -> tuple[FloatArray, FloatArray]:
            sides = rows.T[:size], rows.T[size:]  # which have a direction in each column
            if mode == "vjp":
                w, wy = slope.pull(primal.T, sides)
            else:
                w, wy = slope.push_by_sides(primal.T, sides, self._turns)
            return w.T, np.concatenate(wy).T

        y = np.concatenate(slope.y_sided)
        found = self.chain.derivative(mode, whole, slope.x, y, directions, solve)
        not_yet = attr.DifferentiationStatusCode.NOT_DIFFERENTIATED
        if state.differentiation_status is not_yet or point.own is not None:  # judged by its answers
            state.differentiation_status = self.policy.status(told()[0])
        return found


def _finite(values: FloatArray) -> FloatArray:
    finite = np.isfinite(values)
    return values if finite.all() else np.where(finite, values, 0.0)
