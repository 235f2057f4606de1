"""HiGHS: linear, convex quadratic and mixed-integer linear programs.

J. Huangfu and J. A. J. Hall, Parallelizing the dual revised simplex method (2018), https://highs.dev.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from ...modelkit import attributes as attr
from ...modelkit.arrays import FloatArray, IntArray
from ...modelkit.form import Abilities, Form, Journal
from ...modelkit.form.slot_rows import SlotRows
from ..contract import Solver, Start
from ..interrupts import run_noting_interrupts
from ..judging.accuracy import distance
from ..judging.claims import has_proof
from ..late_result import LateResult
from ..options import Option, load_library
from ..result import Result, ResultStatus, Status
from .highs_loaded import Loaded
from .highs_options import (
    BASIS,
    OF_OBJECTIVE,
    POINT,
    STANDARD,
    STATUS,
    option_names,
    write_option,
    write_options,
)
from .highs_quadratic import is_doubtful, limit_iterations, try_again
from .highs_runs import farkas_dual, improving_ray, stop_when

__all__ = ["HiGHS"]

_NODES = "mip_max_nodes"
_CLAIMS = (Status.INFEASIBLE, Status.DUAL_INFEASIBLE, Status.INFEASIBLE_OR_UNBOUNDED)
_SETTLED = 1e-6
"""The worst residual of what is not looked at further, in odd units."""
_CERTIFICATE = ResultStatus.INFEASIBILITY_CERTIFICATE
_AT = np.array([1.0, 0.0, -1.0, 0.0, 0.0])
"""Activity by HighsBasisStatus: lower, basic, upper, zero, nonbasic."""
_BASIC = 1


@final
class HiGHS(Solver):
    """min ½ xᵀPx + qᵀx + r  s.t.  l <= Ax <= u,  lb <= x <= ub,  some x whole, or zero or between their bounds.

    HiGHS' row duals y and reduced costs z = Px + q − Aᵀy have the signs of forms as they are. Its rows and columns are
    those of the form, so that later ones are appended to a warm basis, and what changes is written into what is loaded.

    Parameters
    ----------
    **options
        Options of HiGHS, such as ``solver="simplex"`` (or "ipm", "pdlp") and ``mip_rel_gap=0.0``.

    Notes
    -----
    Ctrl-C stops simplex, interior-point and mixed-integer solves; PDLP and the QP method see it at their end.
    """

    name = "HiGHS"
    library = "highspy"
    abilities: ClassVar[Abilities] = Abilities(whole=True, semi=True)
    standard_options: ClassVar[dict[type[attr.Attribute], Option]] = STANDARD
    reloads_for_options = False

    def __init__(self, **options: Any) -> None:
        self._handle: Any = None
        self._written: dict[str, Any] = {}  # the handle's options
        self._caught: list[Any] = []  # interrupts
        self._loaded: Loaded | None = None
        self._kept = False  # whether what is loaded has been run before
        self._falls_short = False  # whether the method for quadratic programs found nothing that is a solution
        super().__init__(**options)

    # ------------------------------------------------------------------ options
    def option_names(self) -> Sequence[str]:
        """All option names that the library knows."""
        return option_names()

    def option_changed(self, name: str, value: Any) -> None:
        """Try a value for an option on the handle."""
        write_option(self._open(), name, value)
        self._written[name] = value
        if name in OF_OBJECTIVE:
            self.unload()

    def _new_handle(self) -> Any:
        handle = load_library("highspy")._Highs()  # the plain class: the one with Python callbacks starts threads
        write_options(handle, self.effective_options(), {})
        return handle

    def _open(self) -> Any:
        """The handle, made at the first need."""
        if self._handle is None:
            self._handle, self._written = load_library("highspy")._Highs(), {}
            write_options(self._handle, self.effective_options(), self._written)
            stop_when(self._caught, self._handle)
        return self._handle

    # ------------------------------------------------------------------ in
    def load(self, form: Form) -> None:
        """Hand a form to HiGHS."""
        self._load(form, may_scale=not self.options.keys() & OF_OBJECTIVE)

    def _load(self, form: Form, *, may_scale: bool) -> None:
        handle, self._kept = self._open(), False
        handle.clearModel()
        self._loaded = Loaded(handle, form, may_scale=may_scale)

    def update(self, form: Form, journal: Journal) -> bool:
        """Write what changed into what is loaded; where units or the whole matrix change, the basis alone stays."""
        loaded = self._present
        if loaded.update(form, journal):
            return True
        basis = self._handle.getBasis()
        self.load(form)
        if basis.valid and not (loaded.curved or loaded.discrete):
            self._present.start_from(basis, form)
        return True

    @property
    def _present(self) -> Loaded:
        assert self._loaded is not None  # it is loaded
        return self._loaded

    # ------------------------------------------------------------------ run
    def run(self, form: Form, start: Start | None = None) -> Result:
        """Solve what is loaded; once more in other units where that came to nothing that holds in those of the form."""
        loaded, was_kept = self._present, self._kept
        result = self._run(form, start)
        self._kept = True
        if self._is_settled(form, result) or (loaded.curved and "qp_iteration_limit" in self.options):
            return result
        # in units for the numbers of now, or in the form's own, a method may go another way
        spent, found = result.seconds or 0.0, [result]
        for may_scale in [True] * (was_kept and loaded.is_scaled) + [False] * loaded.in_other_units:
            self._load(form, may_scale=may_scale)
            again = self._run(form, start)
            again.seconds = spent = (again.seconds or 0.0) + spent
            if self._is_settled(form, again):
                found = [again]
                break
            found.append(again)
        self.unload()  # the next one is tried in the usual units first
        return _best(form, found)

    def _is_settled(self, form: Form, result: Result) -> bool:
        """Whether there is no reason to look further; HiGHS' own tolerances are relied on in ordinary units alone."""
        if self._falls_short or not self._present.has_odd_units:
            return not self._falls_short
        if result.status in _CLAIMS:
            return has_proof(SlotRows(form), result)
        if result.status is Status.OPTIMAL:
            return distance(SlotRows(form), result) <= _SETTLED
        return result.status not in (Status.NUMERICAL_ERROR, Status.OTHER_ERROR)

    def _run(self, form: Form, start: Start | None) -> Result:
        loaded, handle, self._falls_short = self._present, self._handle, False
        options = self.effective_options()
        write_options(handle, options, self._written)
        if loaded.discrete:
            handle.clearSolver()  # with an old basis it may leave another point than that of its objective value
            if start is not None and start.x is not None:
                known = np.flatnonzero(np.isfinite(start.x))
                handle.setSolution(len(known), known.astype(np.int32), start.x[known])
        before = handle.getRunTime()
        if "time_limit" in options:
            # HiGHS counts from the handle's creation
            handle.setOptionValue("time_limit", before + float(options["time_limit"]))
        if loaded.curved:
            limit_iterations(handle, loaded.n + loaded.m, self.options.keys())
        try:
            outcome = handle.run() if loaded.quick else run_noting_interrupts(handle.run, self._caught)
        except KeyboardInterrupt:
            self._handle = None  # HiGHS remembers the interrupt
            self.unload()
            raise
        if int(outcome) < 0 and "threads" in options:
            # threads are the process's, and another model's number was in force
            handle.resetGlobalScheduler(True)
            handle.run()
        raw = handle.getModelStatus().name
        if loaded.curved:
            given = self.options.keys()
            if is_doubtful(raw, form, loaded, given):
                if improving_ray(handle, self._new_handle, loaded.hessian(form)) is not None:
                    raw = "kUnbounded"
                else:
                    raw, found = try_again(raw, form, loaded, given)
                    self._falls_short = not found
        return self._to_result(form, raw, handle.getRunTime() - before)

    # ------------------------------------------------------------------ out
    def _to_result(self, form: Form, raw: str, seconds: float) -> Result:
        loaded, handle, status = self._present, self._handle, STATUS.get(raw, Status.OTHER_ERROR)
        if status is Status.SOLUTION_LIMIT and handle.getInfo().mip_node_count >= handle.getOptionValue(_NODES)[1]:
            status = Status.NODE_LIMIT  # for which HiGHS has the same word
        result = LateResult(status, raw, seconds=seconds)
        if status is Status.OPTIMAL:
            result.primal_status = ResultStatus.FEASIBLE_POINT
            if not loaded.discrete:
                result.dual_status = ResultStatus.FEASIBLE_POINT
            result.objective = handle.getObjectiveValue() / loaded.unit
        elif status in _CLAIMS or (raw == "kUnknown" and not loaded.discrete):
            self._prove(form, result)
        info = handle.getInfo()
        if result.status is not Status.OPTIMAL and result.status not in (*_CLAIMS, Status.NUMERICAL_ERROR):
            result.primal_status = POINT[info.primal_solution_status]
            result.dual_status = POINT[info.dual_solution_status]
            if result.primal_status is not ResultStatus.NO_SOLUTION:
                result.objective = handle.getObjectiveValue() / loaded.unit
        counts = (info.ipm_iteration_count, info.pdlp_iteration_count, info.qp_iteration_count)
        barrier = sum(max(count, 0) for count in counts)  # -1: not used
        result.iterations = counted = {"simplex": max(info.simplex_iteration_count, 0), "barrier": barrier}
        if loaded.discrete:
            result.bound, result.gap = info.mip_dual_bound, info.mip_gap
            counted["nodes"] = max(info.mip_node_count, 0)
        self._leave(form, result)
        return result

    def _prove(self, form: Form, result: Result) -> None:
        """Look for the proof of a claim that there is no solution, or of which one it is."""
        loaded, raw = self._present, result.raw
        either = result.status not in (Status.INFEASIBLE, Status.DUAL_INFEASIBLE)
        proven = False
        if either or (result.status is Status.INFEASIBLE and not loaded.discrete):
            proof = farkas_dual(self._handle, self._new_handle)
            if proof is not None:
                y, z = proof
                result.status, result.dual_status, proven = Status.INFEASIBLE, _CERTIFICATE, True
                result.dual = np.concatenate([loaded.row * y, z / loaded.column])
        if not proven and (either or result.status is Status.DUAL_INFEASIBLE):
            ray = improving_ray(self._handle, self._new_handle, loaded.hessian(form))
            if ray is not None:
                result.status, result.primal_status, proven = Status.DUAL_INFEASIBLE, _CERTIFICATE, True
                result.x = loaded.column * ray
        if proven or result.status not in _CLAIMS:
            return
        if not loaded.discrete:
            result.status, result.raw = Status.NUMERICAL_ERROR, f"{raw}, but there is no certificate"
        elif result.status is Status.INFEASIBLE:
            result.raw = f"{raw}, by branch and bound, which leaves no certificate"

    def _leave(self, form: Form, result: LateResult) -> None:
        """Leave copies of what HiGHS has, to be made into arrays when somebody asks."""
        loaded, m, none = self._present, form.m, (ResultStatus.NO_SOLUTION, _CERTIFICATE)
        has_point, has_dual = result.primal_status not in none, result.dual_status not in none
        to_form = loaded.translation()
        if has_point or has_dual:
            solution = self._handle.getSolution()
        if has_point:
            result.later("x", lambda: to_form.point(np.array(solution.col_value)))
        if has_dual:
            result.later("dual", lambda: to_form.duals(np.array(solution.row_dual), np.array(solution.col_dual)))
        basis = self._handle.getBasis()
        missing: dict[str, str] = {}
        if basis.valid:
            result.later("basis", lambda: _statuses(_codes(basis), m))
        else:
            missing["basis"] = (
                f"HiGHS ended without a simplex basis ({result.raw}); "
                'for a linear program choose the option solver="simplex"'
            )
        if basis.valid and result.status is Status.OPTIMAL and not (loaded.discrete or loaded.curved):
            equal = np.concatenate([form.row_lower == form.row_upper, form.lower == form.upper])
            result.later("activity", lambda: _activity(_codes(basis), equal))
        else:
            missing["activity"] = (
                f"it is for linear programs solved to an optimal basis; this solve ended with {result.raw}"
                + (" and has integer or semicontinuous variables" if loaded.discrete else "")
            )
        if loaded.discrete:
            missing["dual"] = "a program with integer or semicontinuous variables has no duals"
        result.missing = missing


def _best(form: Form, found: list[Result]) -> Result:
    """Of results that are not settled, the solution that is nearest to one, or the last."""
    points = [one for one in found if one.status is Status.OPTIMAL]
    if len(found) == 1 or not points:
        return found[-1]
    rows = SlotRows(form)
    return min(points, key=lambda one: distance(rows, one))


def _codes(basis: Any) -> IntArray:
    """HighsBasisStatus of rows and columns."""
    statuses = [*basis.row_status, *basis.col_status]
    return np.fromiter(map(int, statuses), np.int64, len(statuses))


def _statuses(codes: IntArray, rows: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Of columns, and of rows."""
    found = np.array(BASIS, object)[codes]
    return found[rows:], found[:rows]


def _activity(codes: IntArray, equal: NDArray[np.bool_]) -> FloatArray:
    """1 at the lower of two sides, or where they are equal; -1 at the upper; 0 when basic."""
    return np.where(equal & (codes != _BASIC), 1.0, _AT[codes])
