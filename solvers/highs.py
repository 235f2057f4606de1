"""HiGHS: linear, convex quadratic and mixed-integer linear programs.

J. Huangfu and J. A. J. Hall, Parallelizing the dual revised simplex method (2018), https://highs.dev.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, ClassVar, final

import numpy as np

from ..modelkit import attributes as attr
from ..modelkit.arrays import FloatArray, IntArray
from ..modelkit.errors import InvalidData, UnsupportedAttribute
from ..modelkit.functions import (
    ScalarAffineFunction,
    ScalarQuadraticFunction,
    VariableIndex,
    VectorAffineFunction,
)
from ..modelkit.indices import ConstraintIndex, ConstraintIndices, Kind
from ..modelkit.matrix_form import MatrixForm
from ..modelkit.modifications import Modification
from ..modelkit.naming import with_article
from ..modelkit.sets import GreaterThan, Integer, LessThan, Nonnegatives, ZeroOne, Zeros
from .base import Solver
from .highs_model import BOXES, SEMI, Loaded, LoadedForm, LoadedModel
from .highs_runs import farkas_dual, improving_ray, is_doubtful, limit_iterations, stop_when, try_again
from .interrupts import run_noting_interrupts
from .options import Option, load_library
from .result import Result, ResultStatus, Status, constant_result

__all__ = ["HiGHS"]

STATUS = {
    "kNotset": Status.OTHER_ERROR,
    "kLoadError": Status.OTHER_ERROR,
    "kModelError": Status.INVALID_MODEL,
    "kPresolveError": Status.OTHER_ERROR,
    "kSolveError": Status.OTHER_ERROR,
    "kPostsolveError": Status.OTHER_ERROR,
    "kModelEmpty": Status.OPTIMAL,
    "kOptimal": Status.OPTIMAL,
    "kInfeasible": Status.INFEASIBLE,
    "kUnboundedOrInfeasible": Status.INFEASIBLE_OR_UNBOUNDED,
    "kUnbounded": Status.DUAL_INFEASIBLE,
    "kObjectiveBound": Status.OBJECTIVE_LIMIT,
    "kObjectiveTarget": Status.OBJECTIVE_LIMIT,
    "kTimeLimit": Status.TIME_LIMIT,
    "kIterationLimit": Status.ITERATION_LIMIT,
    "kUnknown": Status.OTHER_ERROR,
    "kSolutionLimit": Status.SOLUTION_LIMIT,
    "kInterrupt": Status.INTERRUPTED,
    "kHighsInterrupt": Status.INTERRUPTED,
    "kMemoryLimit": Status.MEMORY_LIMIT,
}
BASIS = {
    "kLower": attr.BasisStatusCode.NONBASIC_AT_LOWER,
    "kBasic": attr.BasisStatusCode.BASIC,
    "kUpper": attr.BasisStatusCode.NONBASIC_AT_UPPER,
    "kZero": attr.BasisStatusCode.SUPER_BASIC,  # a free variable, nonbasic at zero
    "kNonbasic": attr.BasisStatusCode.NONBASIC,
}
POINT = {0: ResultStatus.NO_SOLUTION, 1: ResultStatus.INFEASIBLE_POINT, 2: ResultStatus.FEASIBLE_POINT}
DEFAULTS = {
    "output_flag": False,
    "small_matrix_value": 1e-12,  # the least allowed; 1e-9 would drop entries of badly scaled models
    "qp_regularization_value": 0.0,  # 1e-7 would show in the solution
}
_OF_OBJECTIVE = {"objective_bound", "objective_target"}
"""Options that speak of the objective's values: with them columns and objective are left as they are."""
_TIME_LIMIT, _NODES = attr.TimeLimitSec(), "mip_max_nodes"


@final
class HiGHS(Solver):
    """min ½ xᵀPx + qᵀx  s.t.  l <= Ax <= u,  lb <= x <= ub,  some x whole, or zero or between their bounds.

    HiGHS is always given a minimization (of the negative, to maximize), whose row duals y and reduced costs
    z = Px + q − Aᵀy have the signs of DESIGN section 5 as they are: positive at a lower bound, negative at
    an upper one. Rows and columns stand in order of creation, so that later ones are appended to a warm basis,
    and a change of a number or coefficient is written at once into the loaded model.

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
    kinds: ClassVar[tuple[Kind, ...]] = (
        *((ScalarAffineFunction, box) for box in BOXES),
        *((VariableIndex, s) for s in (*BOXES, Integer, ZeroOne, *SEMI)),
    )
    form_kinds = ((VectorAffineFunction, Zeros), (VectorAffineFunction, Nonnegatives))
    objectives = (ScalarAffineFunction, ScalarQuadraticFunction)
    standard_options: ClassVar[dict[type[attr.Attribute], Option]] = {
        attr.Silent: Option("output_flag", operator.not_),
        attr.TimeLimitSec: Option("time_limit", float),
        attr.NumberOfThreads: Option("threads", int),
        attr.AbsoluteGapTolerance: Option("mip_abs_gap", float),
        attr.RelativeGapTolerance: Option("mip_rel_gap", float),
        attr.NodeLimit: Option("mip_max_nodes", int),
        attr.SolutionLimit: Option("mip_max_improving_sols", int),
    }

    start: Any = None  # there are no warm starts from points

    def __init__(self, **options: Any) -> None:
        self._handle: Any = None
        self._caught: list[Any] = []  # interrupts
        self._model: Loaded | None = None
        self._falls_short = False  # whether the method for quadratic programs found nothing that is a solution
        super().__init__(**options)

    # ------------------------------------------------------------------ options
    def option_names(self) -> Sequence[str]:
        """All option names that the library knows."""
        return [name for name in dir(load_library("highspy").HighsOptions) if not name.startswith("_")]

    def _new_handle(self) -> Any:
        library = load_library("highspy")
        handle = library._Highs()  # the plain class: the one with Python callbacks behind it starts threads
        for name, value in (DEFAULTS | self.effective_options()).items():
            self._write_option(handle, name, value)
        return handle

    def _open(self) -> Any:
        """The handle, made at the first need."""
        if self._handle is None:
            self._handle = self._new_handle()
            stop_when(self._caught, self._handle)
        return self._handle

    def _option_changed(self, attribute: attr.Attribute, value: Any) -> None:
        if isinstance(attribute, attr.RawOptimizerAttribute):
            self._write_option(self._open(), attribute.name, value)
        elif self._handle is not None:
            option = self.standard_options[type(attribute)]
            default = getattr(load_library("highspy").HighsOptions(), option.name)
            self._write_option(self._handle, option.name, default if value is None else option.convert(value))

    @staticmethod
    def _write_option(handle: Any, name: str, value: Any) -> None:
        """Set one option, converted to the type that HiGHS wants (it takes no int for a float)."""
        wanted = type(handle.getOptionValue(name)[1])
        if wanted is str and isinstance(value, bool):
            value = "on" if value else "off"
        fits = isinstance(value, (wanted, np.generic, *((int,) if wanted is float else ())))
        if not fits or value != wanted(value) or handle.setOptionValue(name, wanted(value)).name == "kError":
            raise InvalidData(
                f"HiGHS refuses {value!r} for its option {name!r}, which is {with_article(wanted.__name__)}; "
                "see https://ergo-code.github.io/HiGHS for the values it takes."
            )

    # ------------------------------------------------------------------ in
    def _restructured(self) -> None:
        self._model = None

    def _grew(self) -> None:
        if isinstance(self._model, LoadedModel):
            self._model.grown = True

    def _changed(self, what: str, index: ConstraintIndex | None = None, changes: Sequence[Modification] = ()) -> None:
        model = self._model
        if not isinstance(model, LoadedModel):
            return
        if index is None:
            model.objective_stale = True
            return
        try:
            model.change(what, index, changes)
        except InvalidData:
            self._model = None  # the next solve loads anew, and says what HiGHS does not like

    def _functions_changed(self, indices: ConstraintIndices) -> None:
        if not isinstance(self._model, LoadedModel):
            return
        try:
            self._model.change_functions(indices)
        except InvalidData:
            self._model = None

    def _numbers_changed(self, indices: ConstraintIndices) -> None:
        if not isinstance(self._model, LoadedModel):
            return
        try:
            self._model.change_numbers(indices)
        except InvalidData:
            self._model = None

    def _load(self, may_scale: bool = True) -> LoadedModel:
        """The model as HiGHS has it, up to date."""
        handle, model = self._open(), self._model
        if not isinstance(model, LoadedModel) or model.is_outgrown:
            handle.clearModel()
            model = LoadedModel(self.store, handle, may_scale=may_scale and not self.options.keys() & _OF_OBJECTIVE)
        self._model = None  # until all has gone well
        if model.grown:
            model.append()
        if model.objective_stale:
            model.write_objective(self.check_convex)
        self._model = model
        return model

    # ------------------------------------------------------------------ forms, of layers
    def load(self, form: MatrixForm) -> None:
        """Hand over a form in the place of the store's model."""
        self._model = None  # until all has gone well
        handle = self._open()
        handle.clearModel()
        self._model = LoadedForm(form, handle)

    reload = load

    def solve_without_library(self, form: MatrixForm) -> Result | None:
        """Nothing: a form without variables is looked at by `run`."""
        return None

    def run(self, form: MatrixForm) -> Result:
        """Solve the form that is loaded."""
        result = self._run(self._present)
        self._fetch(result)
        if result.dual is not None:
            result.dual = result.dual[: form.m]
        return result

    # ------------------------------------------------------------------ run
    def _solve(self) -> Result:
        kept = self._model
        model = self._load()
        result = self._run(model)
        if not self._falls_short or "qp_iteration_limit" in self.options:
            return result
        # in units for the numbers of now, or in the model's own, the method for quadratic programs may go another way
        ways = [True] * (model is kept and model.is_scaled) + [False] * (model.is_scaled or model.unit != 1.0)
        spent, again = result.seconds or 0.0, result
        for may_scale in ways:
            self._model = None
            again = self._run(self._load(may_scale))
            again.seconds = spent = (again.seconds or 0.0) + spent
            if not self._falls_short:
                return again
        if result.status is not Status.OPTIMAL or again is result:
            return again
        self._model = None  # what HiGHS takes for optimal is nearer than what it gave up
        return self._run(self._load())

    def _run(self, model: Loaded) -> Result:
        handle, self._falls_short = self._handle, False
        if model.n == 0:
            lp = handle.getLp()
            result = constant_result(np.maximum(lp.row_lower_, 0.0) + np.minimum(lp.row_upper_, 0.0))
            result.objective = model.sign * model.r if result.x is not None else None
            return result
        if model.discrete:
            starts = self.store.values_of(attr.VariablePrimalStart())
            columns = self._of_store.columns(np.array([v.value for v in starts], np.int64)).astype(np.int32)
            handle.setSolution(len(columns), columns, np.array(list(starts.values()), np.float64))
        seconds = handle.getRunTime()
        limit = self.options.get("time_limit", self.store.get(_TIME_LIMIT))
        if limit is not None:
            # HiGHS counts from the handle's creation
            handle.setOptionValue("time_limit", seconds + float(limit))
        is_quadratic = model.P is not None and model.P.nnz > 0
        if is_quadratic:
            limit_iterations(handle, model.n + model.m, self.options.keys())
        try:
            outcome = handle.run() if model.quick else run_noting_interrupts(handle.run, self._caught)
        except KeyboardInterrupt:
            self._handle = None  # HiGHS remembers the interrupt
            self._model = None
            raise
        if int(outcome) < 0 and "threads" in self.effective_options():
            # threads are the process's, and another model's number was in force
            handle.resetGlobalScheduler(True)
            handle.run()
        raw = handle.getModelStatus().name
        if is_quadratic and is_doubtful(raw, handle, model.scaled_P, self.options.keys()):
            if self._ray() is not None:
                raw = "kUnbounded"
            else:
                raw, found = try_again(raw, handle, model.scaled_P, self.options.keys())
                self._falls_short = not found
        return self._to_result(raw, handle.getRunTime() - seconds)

    def _ray(self) -> FloatArray | None:
        """A direction, of the variables as HiGHS has them, in which the objective improves for ever."""
        model = self._present
        return improving_ray(self._handle, self._new_handle, model.scaled_P if model.P is not None else None)

    # ------------------------------------------------------------------ out
    @property
    def _present(self) -> Loaded:
        assert self._model is not None  # there is a result
        return self._model

    @property
    def _of_store(self) -> LoadedModel:
        assert isinstance(self._model, LoadedModel)
        return self._model

    def _to_result(self, raw: str, seconds: float) -> Result:
        """Statuses now; points, duals and counts when they are asked for (`_fetch`)."""
        model, handle, status = self._present, self._handle, STATUS.get(raw, Status.OTHER_ERROR)
        if status is Status.SOLUTION_LIMIT and handle.getInfo().mip_node_count >= handle.getOptionValue(_NODES)[1]:
            status = Status.NODE_LIMIT  # for which HiGHS has the same word
        result = Result(status, raw, seconds=seconds)
        if status == Status.OPTIMAL:
            result.primal_status = ResultStatus.FEASIBLE_POINT
            if not model.discrete:
                result.dual_status = ResultStatus.FEASIBLE_POINT
            result.objective = model.sign * handle.getObjectiveValue() / model.unit
            return result
        infeasible, unbounded = Status.INFEASIBLE, Status.DUAL_INFEASIBLE
        either = status == Status.INFEASIBLE_OR_UNBOUNDED or (raw == "kUnknown" and not model.discrete)
        if either or (status == infeasible and not model.discrete):
            dual = farkas_dual(handle, self._new_handle)
            if dual is not None:
                scales = np.concatenate([model.row, 1.0 / model.column, 1.0 / model.column])
                result.status, result.dual, either = infeasible, scales * dual, False
                result.dual_status = ResultStatus.INFEASIBILITY_CERTIFICATE
        if either or status == unbounded:
            ray = self._ray()
            if ray is not None:
                result.status, result.x = unbounded, model.column * ray
                result.primal_status = ResultStatus.INFEASIBILITY_CERTIFICATE
        claims = (infeasible, unbounded, Status.INFEASIBLE_OR_UNBOUNDED)
        if result.status in claims and result.dual is None and result.x is None:
            if not model.discrete:
                return Result(Status.NUMERICAL_ERROR, f"{raw}, but there is no certificate", seconds=seconds)
            if result.status is infeasible:
                result.raw = f"{raw}, by branch and bound, which leaves no certificate"
        if result.status not in claims:
            info = handle.getInfo()
            result.primal_status = POINT[info.primal_solution_status]
            result.dual_status = POINT[info.dual_solution_status]
            if result.primal_status != ResultStatus.NO_SOLUTION:
                result.objective = model.sign * handle.getObjectiveValue() / model.unit
        return result

    def _fetch(self, result: Result) -> None:
        model, handle, none = self._present, self._handle, ResultStatus.NO_SOLUTION
        certificate = ResultStatus.INFEASIBILITY_CERTIFICATE
        if model.n == 0:
            return
        info = handle.getInfo()
        counts = (info.ipm_iteration_count, info.pdlp_iteration_count, info.qp_iteration_count)
        barrier = sum(max(count, 0) for count in counts)  # -1: not used
        result.iterations = counted = {"simplex": max(info.simplex_iteration_count, 0), "barrier": barrier}
        if model.discrete:
            result.bound, result.gap = model.sign * info.mip_dual_bound, info.mip_gap
            counted["nodes"] = max(info.mip_node_count, 0)
        solution = handle.getSolution()
        if result.primal_status not in (none, certificate):
            result.x = model.column * np.array(solution.col_value)
        if result.dual_status not in (none, certificate):
            result.dual = model.duals(np.array(solution.row_dual), np.array(solution.col_dual), model.unit)

    def _columns(self, ids: IntArray) -> IntArray:
        return self._of_store.columns(ids)

    def _constraint_dual(self, dual: FloatArray, index: ConstraintIndex | ConstraintIndices) -> FloatArray:
        model, kind = self._of_store, index.kind
        if isinstance(index, ConstraintIndex):
            numbers, ids = np.array([self.store.number(index)]), np.array([index.value])
        else:
            numbers, ids = self.store.numbers(index), index.values
        if kind[0] is not VariableIndex:
            return dual[model.rows(kind, numbers)]
        columns = model.m + model.columns(ids)
        lower, upper = dual[columns], dual[model.n + columns]
        return lower if kind[1] is GreaterThan else upper if kind[1] is LessThan else lower + upper

    def _objective_at(self, x: FloatArray, *, ray: bool) -> float:
        assert ray  # of a point HiGHS gives it
        return self._present.sign * float(self._present.q @ x)

    def _result_value(self, attribute: attr.Attribute, index: Any, result: Result) -> Any:
        if isinstance(attribute, attr.ConstraintActivity):
            if result.activity is None:
                result.activity = self._activity(attribute, result)
        elif isinstance(attribute, (attr.VariableBasisStatus, attr.ConstraintBasisStatus)):
            if not isinstance(index, (VariableIndex, ConstraintIndex)):
                return [self._result_value(attribute, one, result) for one in index]
            basis = self._basis(attribute, result)
            if isinstance(index, VariableIndex) or index.kind[0] is VariableIndex:
                self.store.check_ids([index.value])
                return BASIS[basis.col_status[self._columns(np.array([index.value]))[0]].name]
            number = np.array([self.store.number(index)])
            return BASIS[basis.row_status[self._of_store.rows(index.kind, number)[0]].name]
        return super()._result_value(attribute, index, result)

    def _basis(self, attribute: attr.Attribute, result: Result) -> Any:
        basis = self._handle.getBasis()
        if not basis.valid:
            raise UnsupportedAttribute(
                f"{attribute!r}: HiGHS ended without a simplex basis ({result.raw}); for a linear program "
                'choose the option solver="simplex".'
            )
        return basis

    def _activity(self, attribute: attr.Attribute, result: Result) -> FloatArray:
        """Nonbasic rows and columns of the optimal basis, in the layout of `Result.dual`."""
        model, handle = self._present, self._handle
        if result.status != Status.OPTIMAL or model.discrete or (model.P is not None and model.P.nnz):
            raise UnsupportedAttribute(
                f"{attribute!r} is for linear programs solved to an optimal basis; this solve ended with {result.raw}"
                + (" and has integer or semicontinuous variables." if model.discrete else ".")
            )
        if model.n == 0:
            return np.zeros(model.m)
        basis, lp = self._basis(attribute, result), handle.getLp()
        row = _at_bound(basis.row_status, lp.row_lower_, lp.row_upper_)
        column = _at_bound(basis.col_status, lp.col_lower_, lp.col_upper_)
        return np.concatenate([row, np.maximum(column, 0.0), np.minimum(column, 0.0)])


def _at_bound(statuses: Any, lower: Any, upper: Any) -> FloatArray:
    """1 at the lower of two bounds, or where they are equal; -1 at the upper; 0 when basic."""
    codes = np.fromiter(map(int, statuses), np.int64, len(statuses))  # lower, basic, upper, zero, nonbasic
    sides = np.array([1.0, 0.0, -1.0, 0.0, 0.0])[codes]
    return np.where((np.array(lower) == np.array(upper)) & (codes != 1), 1.0, sides)
