"""Solving a model: one solver after the other, and what their answers are worth."""

from __future__ import annotations

from typing import Any

from ..bridges.lowering import Lowering
from ..modelkit import attributes as attr
from ..modelkit.arrays import FloatArray, IntArray
from ..modelkit.convexity import require_convex
from ..modelkit.errors import (
    InvalidData,
    NonconvexObjective,
    NotAllowed,
    NotOptimized,
    OptangentError,
)
from ..modelkit.form import Journal
from ..modelkit.form.residuals import OPTIMAL_RESIDUAL, Residuals, checked
from ..modelkit.functions import VectorOfVariables
from ..modelkit.model.caching_states import (
    CONCLUSIVE,
    WITHOUT_RESULT,
    CachingOptimizerMode,
    SolverFallbackWarning,
)
from ..modelkit.store.attribute_values import check_target
from ..modelkit.store.parameters import kinds_inserted
from ..modelkit.store.unbounded import bounded
from ..modelkit.warning import warn_user
from .building import Building
from .loading import Loaded
from .outcome import Outcome
from .starting import start_of
from .written import Written

__all__ = ["Solving"]

_MANUAL = CachingOptimizerMode.MANUAL
_STARTS = attr.VariablePrimalStart(), attr.ConstraintDualStart()


class Solving(Building):
    """A model with the result of its last solve, judged by its residuals in the model as written.

    Attributes
    ----------
    warns : whether it warns; copies in worker threads do not, for Python's filters of warnings are the process's
    """

    def __init__(self, *solvers: Any, mode: CachingOptimizerMode) -> None:
        self.warns = True
        self._optimizing = False
        self._written = Written()
        super().__init__(*solvers, mode=mode)

    def _forget(self) -> None:
        self._outcome: Outcome | None = None
        self._solved = False
        self._residuals: Residuals | None = None
        self._status: attr.TerminationStatusCode | None = None

    def _set_option(self, attribute: attr.Attribute, value: Any) -> None:
        """Set an option on every solver that knows it; the first refuses it where none does."""
        for solver in [s for s in self.solvers if s.supports_option(attribute)] or self.solvers[:1]:
            solver.set_option(attribute, value)
        self._forget()

    def _option(self, attribute: attr.Attribute, solver: Any) -> Any:
        if isinstance(attribute, attr.RawOptimizerAttribute):
            return solver.options.get(attribute.name)
        if isinstance(attribute, attr.SolverName):
            return solver.name
        if isinstance(attribute, attr.SolverVersion):
            return solver.version()
        silent = True if isinstance(attribute, attr.Silent) else None  # all are until told otherwise
        return solver.common.get(type(attribute), silent)

    @property
    def _has_results(self) -> bool:
        return self._outcome is not None and self._outcome.fits(self.store)

    @property
    def is_solved(self) -> bool:
        """Whether the result is that of the present model, and conclusive."""
        return self._solved and self._has_results

    def _result(self, attribute: attr.Attribute, index: Any) -> Any:
        if isinstance(index, (list, tuple)):
            return [self._result(attribute, one) for one in index]
        check_target(attribute, index)
        if index is not None:
            self.store.check_index(index)
        if not self._has_results:
            return self._without_result(attribute)
        if isinstance(attribute, attr.TerminationStatus):
            if self._status is None:
                self._status = self._checked_status(self.raw(attribute))
            return self._status
        if isinstance(attribute, (attr.PrimalStatus, attr.DualStatus)):
            return self._checked_result(self.raw(attribute))
        if isinstance(attribute, attr.DualObjectiveValue):
            assert self._outcome is not None
            return self._written.dual_objective(self._outcome)
        if isinstance(attribute, attr.ConstraintPrimal):
            constants = self.get(attr.PrimalStatus()) != attr.ResultStatusCode.INFEASIBILITY_CERTIFICATE
            return self.store.evaluate(index, self.values, constants)
        return self.raw(attribute, index)

    def _checked_status(self, status: attr.TerminationStatusCode) -> attr.TerminationStatusCode:
        """What the solver's status is worth."""
        codes, proof = attr.TerminationStatusCode, attr.ResultStatusCode.INFEASIBILITY_CERTIFICATE
        of = {codes.INFEASIBLE: attr.DualStatus(), codes.DUAL_INFEASIBLE: attr.PrimalStatus()}.get(status)
        is_looked_at = status in (codes.OPTIMAL, codes.LOCALLY_SOLVED) or (of is not None and self.raw(of) is proof)
        return checked(status, self.residuals()) if is_looked_at else status

    def _checked_result(self, status: attr.ResultStatusCode) -> attr.ResultStatusCode:
        """What a result is; a certificate that proves nothing is nothing known."""
        codes = attr.ResultStatusCode
        proved = status is not codes.INFEASIBILITY_CERTIFICATE or self.residuals().worst <= OPTIMAL_RESIDUAL
        return status if proved else codes.UNKNOWN_RESULT_STATUS

    def _without_result(self, attribute: attr.Attribute) -> Any:
        plain = WITHOUT_RESULT.get(type(attribute))
        if plain is not None:
            return plain
        why = "there is no optimizer"
        if self._present is not None:
            why = "the model has not been solved since it was last changed"
        raise NotOptimized(f"There is no {attribute!r}: {why}. Call optimize() first.")

    def raw(self, attribute: attr.Attribute, index: Any = None) -> Any:
        """A result as the solver has it, unchecked, of one index or many of one kind."""
        assert self._outcome is not None
        return self._outcome.get(attribute, index)

    def values(self, ids: IntArray) -> FloatArray:
        """Values of variables by identifier."""
        found: FloatArray = self.raw(attr.VariablePrimal(), VectorOfVariables.of_ids(ids))
        return found

    def residuals(self) -> Residuals:
        """Primal and dual residuals and gap of the result, recomputed from the model as written."""
        if self._residuals is None:
            assert self._outcome is not None
            self._residuals = self._written.residuals(self._outcome)
        return self._residuals

    def optimize(self) -> None:
        """Bring a solver up to date and solve; a solution of the unchanged model is kept.

        Where a solver fails, the next of the given ones is tried, with a warning that names both.
        """
        if self.is_solved:
            return
        if not self._solvers:
            raise NotOptimized("There is no optimizer; give a solver to the model, e.g. ot.Model(ot.solvers.HiGHS).")
        if self._optimizing:
            raise NotAllowed(
                "optimize() was called while this model is being optimized, by a hook of warnings, a callback or a "
                "signal handler. Let the first call end."
            )
        self._optimizing = True
        try:
            self._optimize()
        finally:
            self._optimizing = False

    def _optimize(self) -> None:
        """Try one solver after the other."""
        wanted = kinds_inserted(self.store)
        objective = self._objective_type()
        able = [
            one
            for one in self._solvers
            if all(self._takes(one, kind) for kind in wanted)
            and self._lowering(one.solver.abilities).takes_objective(objective)
        ] or self._solvers[:1]
        for one, following in zip(able, [*able[1:], None], strict=True):
            if one is not self._present:
                self._present, self._attached = one, False
            failure = self._try(one, last=following is None)
            if failure is None:
                return
            assert following is not None
            words = f"{one.solver.name} failed ({failure}); trying {following.solver.name}."
            if self.warns:
                warn_user(words, SolverFallbackWarning)

    def _try(self, one: Loaded, *, last: bool) -> str | None:
        """Solve with one solver; why it failed, or None. The last one's word stands in any case."""
        self._forget()  # also what was found of the one before
        try:
            if not self._attached:
                if self.mode is _MANUAL:
                    raise NotOptimized("The optimizer is empty, and the mode is manual: call attach_optimizer() first.")
                self.attach_optimizer()
            self._outcome = self._run(one)
        except OptangentError as error:
            if last or isinstance(error, InvalidData):
                raise
            return str(error)
        self._solved = self.raw(attr.TerminationStatus()) in CONCLUSIVE
        if last:  # the check of an OPTIMAL waits until someone asks
            return None
        status: attr.TerminationStatusCode = self.get(attr.TerminationStatus())
        return None if status in CONCLUSIVE else status.name

    def _run(self, one: Loaded) -> Outcome:
        bounded(self.store)  # refuses infinite parameters where they are no bounds
        lowering = self._lowering(one.solver.abilities)
        form = self._in_step(lowering)
        pending = one.pending if one.lowering is lowering and one.generation == lowering.generation else None
        is_trusted = one.solver.checks_convexity or one.solver.abilities.nonconvex
        if not is_trusted and (pending is None or pending.has_curvature):
            require_convex(form.P, lowering.sign, one.solver.name)
        one.pending = None  # until all has gone well
        try:
            result = one.solver.solve(form, pending, self._start(lowering))
        except NonconvexObjective:
            require_convex(form.P, lowering.sign, one.solver.name)  # which knows the sense
            raise
        one.lowering, one.generation, one.pending = lowering, lowering.generation, Journal()
        return Outcome(self.store, lowering, result, one.solver.name, one.solver.fetch)

    def _start(self, lowering: Lowering) -> Any:
        """Where the user wants the solve to start: x and duals, NaN where nothing is said; None without any."""
        xs, ys = (self.store.values_of(kind) for kind in _STARTS)
        if not any(value is not None for values in (xs, ys) for value in values.values()):
            return None
        return start_of(self.store, lowering, xs, ys)

    def solve_again(self) -> None:
        """Solve, though there is a result."""
        self._forget()
        self.optimize()
