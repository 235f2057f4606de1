"""Items solved and differentiated in the compiled form: after the first, no Python object for a constraint is made."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from ....modelkit import attributes as attr
from ....modelkit.arrays import FloatArray, IntArray
from ....modelkit.convexity import require_convex
from ....modelkit.errors import OptangentError
from ....modelkit.matrix_form import MatrixForm
from ....modelkit.parameters import Parameters
from ....modelkit.remaking import recipe, remade
from ...convex import ConvexDiff
from ...optimizer import DIFF_MODELS
from ...quadratic import QuadraticDiff
from ...seen import verdict_seen
from ...solution_point import SolutionPoint
from ..per_thread import PerThread
from ..route import EXACT, Answer, Mode
from .chain_rule import ChainRule
from .compiling import Compiled, NotCompilable, compiled
from .dense_qp import Programs
from .form_residuals import FormResiduals
from .state import State

__all__ = ["CompiledRoute", "Found"]

_CODES = attr.TerminationStatusCode
_WHO = "A layer"
Found = tuple[attr.TerminationStatusCode, str, State | None]
"""Status, why there is no solution or "", and the solver's solution."""


@final
class CompiledRoute:
    """A compiled model with the solvers of the model, tried in order, made anew in each thread.

    Parameters
    ----------
    model : of which the present values of other parameters are kept
    ids : of the layer's parameters
    outputs : see `program.Output`

    Attributes
    ----------
    form : any of the forms, of which the numbers are to be replaced
    chain : the maps from parameters to the form, and from its solution to outputs
    is_chosen : whether the user chose the diff model
    is_curving : whether P depends on the parameters, so that its convexity is checked at each solve
    linear_algebra : the user's choice of it, or None

    Raises
    ------
    NotCompilable
        If the model has no compiled form, or none of its solvers takes matrices.
    """

    def __init__(self, model: Any, ids: IntArray, outputs: list[Any]) -> None:
        store = model.store
        solvers = [one.inner for one in model.cache.candidates if getattr(one.inner, "form_kinds", ())]
        if not solvers:
            raise NotCompilable("Its solver takes no matrices; choose one that does, as all of the package's do.")
        self._solvers, self._has_candidates = [recipe(solver) for solver in solvers], hasattr(solvers[0], "candidates")
        chosen = model.get(attr.ModelConstructor())
        self.is_chosen = chosen is not None
        made, self._diff_model = self._compile(store, solvers, chosen)
        self.form: MatrixForm = made.form
        parameters = Parameters(store)
        self.chain = ChainRule(made, store, parameters.values.copy(), parameters.places(ids), outputs)
        self._residuals = FormResiduals(self.form, same_matrices=not (made.data.moves(0) or made.data.moves(3)))
        self.linear_algebra: Any = model.get(attr.LinearAlgebraSolver())
        self._allow_inaccurate = model.get(attr.AllowInaccurateSolution())
        self._local = PerThread()
        # with linear rows alone and a curved objective, a few steps that exchange active rows find what a solver would;
        # curved cones need a new system at each step, vertices a walk
        self._goes_by_rows = issubclass(self._diff_model, QuadraticDiff) and len(made.data.pattern.P_indices) > 0
        self.is_curving = made.data.moves(0)
        if not self.is_curving:
            require_convex(self.form_at(made.data.data(parameters.values)).P, self.form.sign, _WHO)

    @staticmethod
    def _compile(store: Any, solvers: list[Any], chosen: Any) -> tuple[Compiled, type[ConvexDiff]]:
        """The form for the first diff model whose sets the solvers take, or for the chosen one."""
        reason = "no diff model takes a compiled form"
        for diff_model in DIFF_MODELS if chosen is None else [chosen]:
            if not (isinstance(diff_model, type) and issubclass(diff_model, ConvexDiff)):
                continue
            kinds = [k for k in diff_model.kinds if k[0].degree < 2 and all(k in s.form_kinds for s in solvers)]
            try:
                return compiled(store, kinds), diff_model
            except NotCompilable as error:
                reason = str(error)
        raise NotCompilable(reason)

    # ------------------------------------------------------------------ solving
    def form_at(self, data: FloatArray) -> MatrixForm:
        """The form with these numbers."""
        return self.form.with_numbers(*self.chain.data.numbers(data))

    @property
    def _of_thread(self) -> dict[int, Any]:
        """The solvers that this thread has made, by their numbers."""
        made: dict[int, Any] = self._local.__dict__.setdefault("solvers", {})
        return made

    def _run(self, number: int, form: MatrixForm, start: Any) -> Any:
        """The answer of one of the solvers, its data changed in place where it can."""
        solver = self._of_thread.pop(number, None)  # until all has gone well
        is_loaded = solver is not None
        solver = solver if is_loaded else remade(self._solvers[number])
        answer = solver.solve_without_library(form)
        if answer is not None:
            return answer
        solver.start = start
        # anew each time: without a start, answers shall not depend on what was solved before
        solver.reload(form) if is_loaded else solver.load(form)
        answer = solver.reconsidered(form, solver.run(form))
        self._of_thread[number] = solver
        return answer

    def candidates(self, programs: Programs, zeros: int) -> list[Any]:
        """Those of the first solver for small quadratic programs (see `MatrixSolver`); None where it has none."""
        if not self._has_candidates:
            return [None] * len(programs.q)
        made = self._of_thread
        if 0 not in made:
            made[0] = remade(self._solvers[0])
        found: list[Any] = made[0].candidates(*programs, zeros)
        return found

    def solve(self, theta: FloatArray, warm: State | None) -> Answer:
        """The solution, by the first solver that finds one, made exact."""
        whole = self.chain.theta(theta)
        form = self.form_at(self.chain.data.data(whole))
        return self._answered(whole, form, *self._found(form, warm, refined=True))

    def found(self, theta: FloatArray, warm: State | None) -> Found:
        """What the first solver that finds a solution says."""
        return self._found(self.form_at(self.chain.data.data(self.chain.theta(theta))), warm, refined=False)

    def _found(self, form: MatrixForm, warm: State | None, *, refined: bool) -> Found:
        """The same, made exact where that is asked for and can be: then no other point is judged."""
        status, reason = _CODES.OTHER_ERROR, ""
        try:
            if self.is_curving:
                require_convex(form.P, form.sign, _WHO)
            near = self._near(form, warm) if warm is not None and self._goes_by_rows else None
            if near is not None:
                return _CODES.OPTIMAL, "", near
            for number in range(len(self._solvers)):
                result = self._run(number, form, None if warm is None else (warm.x, warm.y))
                status, reason = result.status, result.raw
                if status is _CODES.OPTIMAL:
                    state = State(result.x, result.dual)
                    if refined and result.x is not None and result.dual is not None and self._refine(form, state):
                        return status, "", state
                    status = self._residuals.checked(form, result.x, result.dual)
                    if status is _CODES.OPTIMAL:
                        return status, "", state
                if status is _CODES.ALMOST_OPTIMAL and np.isfinite(result.x).all() and np.isfinite(result.dual).all():
                    near = self._near(form, State(result.x, result.dual))
                    if near is not None:
                        return _CODES.OPTIMAL, "", near
                if status in (_CODES.INFEASIBLE, _CODES.DUAL_INFEASIBLE):
                    break
        except OptangentError as error:
            return _CODES.OTHER_ERROR, str(error), None
        return status, f"{status.value} ({reason})", None

    def is_solution(self, form: MatrixForm, x: FloatArray, y: FloatArray) -> bool:
        """Whether a point is optimal by the rule of the model, in whatever units it is stated."""
        return self._residuals.checked(form, x, y) is _CODES.OPTIMAL

    def _near(self, form: MatrixForm, start: State) -> State | None:
        """The exact solution, if the Newton steps that make answers exact lead there from that of another item."""
        try:
            point = self._point(form, start)
        except OptangentError:
            return None
        if not (point.refinement.after <= EXACT and self._residuals.largest(form, point.x, point.y) <= EXACT):
            return None
        return State(point.x, point.y, point=point)

    def answer(self, theta: FloatArray, status: attr.TerminationStatusCode, reason: str, state: State | None) -> Answer:
        """The outputs at the exact solution near what was found: there derivatives are, too."""
        whole = self.chain.theta(theta)
        form = self.form_at(self.chain.data.data(whole))
        if state is not None and state.point is None:
            self._refine(form, state)
        return self._answered(whole, form, status, reason, state)

    def _answered(
        self,
        whole: FloatArray,
        form: MatrixForm,
        status: attr.TerminationStatusCode,
        reason: str,
        state: State | None,
    ) -> Answer:
        if state is None:
            return status, reason, np.full(self.chain.size, np.nan), None
        return status, reason, self.chain.outputs(whole, state.x, state.y, self.objective(form, state.x)), state

    def _refine(self, form: MatrixForm, state: State) -> bool:
        """Move to the exact solution, if that can be; what cannot be refined has no derivatives."""
        if not (np.isfinite(state.x).all() and np.isfinite(state.y).all()):
            return False
        try:
            point = self._point(form, state)
        except OptangentError:
            return False
        if not (point.refinement.after <= point.refinement.before and self.is_solution(form, point.x, point.y)):
            return False
        state.x, state.y, state.point = point.x, point.y, point
        return True

    def _point(self, form: MatrixForm, state: State) -> SolutionPoint:
        model = self._diff_model()
        model.linear_algebra, model.allow_inaccurate = self.linear_algebra, self._allow_inaccurate
        with np.errstate(over="ignore", invalid="ignore"):  # of huge numbers: what is not finite is no solution
            return model.exact(form, state.x, state.y)

    def objective(self, form: MatrixForm, x: FloatArray) -> float | None:
        """Its value if that is an output, in the form's sense."""
        if not self.chain.has_objective:
            return None
        return float(0.5 * (x @ (form.P @ x)) + form.q @ x + form.r)

    # ------------------------------------------------------------------ derivatives
    def derivative(self, mode: Mode, theta: FloatArray, state: State, directions: FloatArray) -> FloatArray:
        """Cotangents (K, o) pulled back to (K, p), or tangents (K, p) pushed to (K, o): one solve for all."""
        whole = self.chain.theta(theta)
        if state.point is None:
            state.point = self._point(self.form_at(self.chain.data.data(whole)), state)
        point = state.point
        if state.differentiation_status is attr.DifferentiationStatusCode.NOT_DIFFERENTIATED:
            form, seen = self.form_at(self.chain.data.data(whole)), self.chain.seen(whole, point.x, point.y)
            state.differentiation_status, _ = verdict_seen(point, form, seen)

        def solve(primal: FloatArray, rows: FloatArray) -> tuple[FloatArray, FloatArray]:
            w, wy = point.solve(primal.T, rows.T)  # which has a direction in each column
            return w.T, wy.T

        return self.chain.derivative(mode, whole, point.x, point.y, directions, solve)
