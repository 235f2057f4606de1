"""HiGHS: linear, convex quadratic and mixed-integer linear programs.

J. Huangfu and J. A. J. Hall, Parallelizing the dual revised simplex method (2018), https://highs.dev.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, ClassVar, final

import numpy as np
import scipy.sparse as sp

from ..modelkit import attributes as attr
from ..modelkit.errors import InvalidData, UnsupportedAttribute, UnsupportedObjective
from ..modelkit.functions import ScalarAffineFunction, ScalarQuadraticFunction, VariableIndex
from ..modelkit.indices import ConstraintIndex, ConstraintIndices, Kind
from ..modelkit.matrix_form import objective_matrices
from ..modelkit.modifications import Modification, ScalarCoefficientChange
from ..modelkit.rows import FloatArray, IntArray, Rows
from ..modelkit.sets import (
    EqualTo,
    GreaterThan,
    Integer,
    Interval,
    LessThan,
    Semicontinuous,
    Semiinteger,
    Set,
    ZeroOne,
)
from .base import Change, Option, Result, ResultStatus, Solver, Status, empty_result, load_library
from .highs_runs import Interruptible, farkas_dual, improving_ray

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
_BOXES = (GreaterThan, LessThan, EqualTo, Interval)
_SEMI = (Semicontinuous, Semiinteger)
_SEMI_LIMIT = 1e5  # HiGHS' kMaxSemiVariableUpper
_INT = np.int32
_TIME_LIMIT = attr.TimeLimitSec()


@cache
def _status_names() -> dict[int, str]:
    return {int(status): name for name, status in load_library("highspy").HighsModelStatus.__members__.items()}


@final
class HiGHS(Solver):
    """min ½ xᵀPx + qᵀx  s.t.  l <= Ax <= u,  lb <= x <= ub,  some x whole, or zero or between their bounds.

    HiGHS is always given a minimization (of the negative, to maximize), whose row duals y and reduced costs
    z = Px + q − Aᵀy have the signs of DESIGN section 5 as they are: positive at a lower bound, negative at an upper.
    Rows and columns stand in order of creation, so that later ones are appended to a warm basis, and a change of
    a number or coefficient is written at once into the loaded model.

    Parameters
    ----------
    **options
        Options of HiGHS, such as ``solver="simplex"`` (or "ipm", "pdlp"), ``presolve="off"``, ``mip_rel_gap=0.0``.

    Notes
    -----
    Ctrl-C stops simplex, interior-point and mixed-integer solves; PDLP and the QP method take it when they end.
    """

    name = "HiGHS"
    kinds: ClassVar[tuple[Kind, ...]] = (
        *((ScalarAffineFunction, box) for box in _BOXES),
        *((VariableIndex, s) for s in (*_BOXES, Integer, ZeroOne, *_SEMI)),
    )
    objectives = (ScalarAffineFunction, ScalarQuadraticFunction)
    standard_options: ClassVar[dict[type[attr.Attribute], Option]] = {
        attr.Silent: Option("output_flag", lambda silent: not silent),
        attr.TimeLimitSec: Option("time_limit", float),
        attr.NumberOfThreads: Option("threads", int),
    }

    def __init__(self, **options: Any) -> None:
        self._handle: Any = None
        self._interruptible: Any = None
        self._restructured()
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
            self._interruptible = Interruptible(self._handle)
        return self._handle

    def _option_changed(self, attribute: attr.Attribute, value: Any) -> None:
        handle = self._handle
        if isinstance(attribute, attr.RawOptimizerAttribute):
            self._write_option(self._open(), attribute.name, value)
        elif handle is not None:
            option = self.standard_options[type(attribute)]
            default = getattr(load_library("highspy").HighsOptions(), option.name)
            self._write_option(handle, option.name, default if value is None else option.convert(value))

    @staticmethod
    def _write_option(handle: Any, name: str, value: Any) -> None:
        """Set one option, converted to the type that HiGHS wants (it takes no int for a float)."""
        wanted = type(handle.getOptionValue(name)[1])
        if wanted is str and isinstance(value, bool):
            value = "on" if value else "off"
        fits = isinstance(value, (wanted, np.generic, *((int,) if wanted is float else ())))
        if not fits or value != wanted(value) or handle.setOptionValue(name, wanted(value)).name == "kError":
            raise InvalidData(
                f"HiGHS refuses {value!r} for its option {name!r}, which is a {wanted.__name__}; "
                "see https://ergo-code.github.io/HiGHS for the values it takes."
            )

    # ------------------------------------------------------------------ in: new columns and rows
    def _restructured(self) -> None:
        if self._handle is not None:
            self._handle.clearModel()
        self._variables = 0  # how many variables and constraints of the store HiGHS has seen
        self._seen: dict[Kind, int] = {}
        self._column: IntArray = np.zeros(0, np.int64)  # by number of the variable
        self._row: dict[Kind, IntArray] = {}  # by number of the constraint
        self._n = self._m = 0
        self._box = np.zeros((2, 0))  # bounds of the columns
        self._flags = np.zeros((3, 0), bool)  # integer, semicontinuous, binary columns
        self._P: sp.csc_array | None = None
        self._grown = self._objective_stale = True
        self._discrete = False

    def _grew(self) -> None:
        self._grown = True

    def _passes_on(self) -> bool:
        """Pass on new variables before a coefficient of theirs; if HiGHS refuses them, `optimize` will say so."""
        try:
            self._append()
        except InvalidData:
            self._restructured()
            return False
        return True

    def _append(self) -> None:
        """Pass on the variables and constraints that HiGHS has not seen."""
        store, handle, old = self.store, self._handle, self._n
        ids = store.variable_ids(self._variables)
        added = np.full(store.variable_count - self._variables, -1, np.int64)
        added[ids - store.base - self._variables] = np.arange(old, old + len(ids))
        self._column = np.concatenate([self._column, added])
        self._variables = store.variable_count
        self._n = n = old + len(ids)
        self._objective_stale |= len(ids) > 0
        self._box = np.hstack([self._box, np.full((2, len(ids)), [[-np.inf], [np.inf]])])
        self._flags = np.hstack([self._flags, np.zeros((3, len(ids)), bool)])
        touched: list[IntArray] = []
        rows: list[Rows] = []
        boxes: list[Any] = []
        for kind in store.kinds():
            first, total = self._seen.get(kind, 0), store.block(kind).total
            if first == total:
                continue
            self._seen[kind] = total
            block, numbers = store.block(kind).snapshot(first)
            if kind[0] is VariableIndex:
                columns = self._columns(block.rows.var)
                self._place(kind[1], columns, block.sets.numbers)
                touched.append(columns)
                continue
            at = np.full(total - first, -1, np.int64)
            at[numbers - first] = np.arange(self._m, self._m + len(numbers))
            self._row[kind] = np.concatenate([self._row.get(kind, np.zeros(0, np.int64)), at])
            self._m += len(numbers)
            rows.append(block.rows)
            boxes.append(np.array(kind[1].bounds(block.sets.numbers)) - block.rows.constant)
        none = np.zeros(0, _INT)
        if len(ids):
            box = self._boxed(np.arange(old, n))
            self._check(handle.addCols(len(ids), np.zeros(len(ids)), *box, 0, none, none, np.zeros(0)), "variables")
        columns = np.unique(np.concatenate([np.zeros(0, np.int64), *touched]))
        self._write_columns(columns[columns < old], columns[self._flags[:, columns].any(axis=0)])
        if rows:
            A, box = Rows.stack(rows).matrix(self._columns, n), np.hstack(boxes)
            starts, indices = A.indptr[:-1].astype(_INT), A.indices.astype(_INT)
            self._check(handle.addRows(A.shape[0], *box, A.nnz, starts, indices, A.data), "constraints")
        self._discrete, self._grown = bool(self._flags.any()), False
        self._quick = not self._discrete and handle.getNumNz() < 20_000  # over before anyone presses Ctrl-C

    def _place(self, set_type: type[Set], columns: IntArray, numbers: FloatArray) -> None:
        """Note what sets of one type say of columns."""
        if set_type in (Integer, ZeroOne, Semiinteger):
            self._flags[0, columns] = True
        if set_type is ZeroOne:
            self._flags[2, columns] = True
        if set_type in _SEMI:
            self._flags[1, columns] = True
            bad = (numbers[:, 0] < 0) | (numbers[:, 1] > _SEMI_LIMIT)
            if bad.any():
                given = set_type.build((1,), numbers[bad][:1])
                raise InvalidData(
                    f"HiGHS takes a {set_type.__name__} only with 0 <= lower <= upper <= {_SEMI_LIMIT:g}, got {given!r}; "
                    "scale the variable, or write it with a binary one."
                )
        if set_type in (GreaterThan, EqualTo, Interval, *_SEMI):
            self._box[0, columns] = numbers[:, 0]
        if set_type in (LessThan, EqualTo, Interval, *_SEMI):
            self._box[1, columns] = numbers[:, -1]

    def _boxed(self, columns: IntArray) -> FloatArray:
        """Bounds of columns, binary ones within [0, 1]."""
        box, binary = self._box[:, columns], self._flags[2, columns]
        box[0] = np.where(binary, np.maximum(box[0], 0.0), box[0])
        box[1] = np.where(binary, np.minimum(box[1], 1.0), box[1])
        return box

    def _write_columns(self, bounded: IntArray, discrete: IntArray) -> None:
        if len(bounded):
            self._handle.changeColsBounds(len(bounded), bounded.astype(_INT), *self._boxed(bounded))
        if len(discrete):
            types = (self._flags[0, discrete] + 2 * self._flags[1, discrete]).astype(np.uint8)  # HighsVarType
            self._handle.changeColsIntegrality(len(discrete), discrete.astype(_INT), types)

    def _check(self, outcome: Any, what: str) -> None:
        if int(outcome) < 0:
            raise InvalidData(
                f"HiGHS refuses the {what}: numbers beyond its limits (see its options large_matrix_value and "
                "infinite_cost). Scale the model."
            )

    # ------------------------------------------------------------------ in: changes
    def _changed(
        self, what: str, index: ConstraintIndex | None = None, changes: Sequence[Modification] = ()
    ) -> None:
        if index is None:
            self._objective_stale = True
            return
        kind = index.kind
        number = self.store.number(index)
        if number >= self._seen.get(kind, 0):
            return  # not passed on yet
        if what is Change.COEFFICIENTS and self._grown and not self._passes_on():
            return
        block, handle = self.store.block(kind), self._handle
        if kind[0] is VariableIndex:
            columns = self._columns(np.array([index.value]))
            self._place(kind[1], columns, block.all_numbers[number : number + 1])
            self._write_columns(columns, columns[:0])
            return
        row, constant = self._row[kind].item(number), block.constants.item(number)
        if what is Change.COEFFICIENTS:
            for column, value in self._new_coefficients(index, row, changes).items():
                self._check(handle.changeCoeff(row, column, value), "coefficient")
        numbers = block.all_numbers[number].tolist()
        lower = -np.inf if kind[1] is LessThan else numbers[0]
        upper = np.inf if kind[1] is GreaterThan else numbers[-1]
        handle.changeRowBounds(row, lower - constant, upper - constant)

    def _new_coefficients(
        self, index: ConstraintIndex, row: int, changes: Sequence[Modification]
    ) -> dict[int, float]:
        """Column -> new coefficient; of the whole row when its function was replaced."""
        if changes:
            single = [c for c in changes if isinstance(c, ScalarCoefficientChange)]
            columns = self._columns(np.array([c.variable.value for c in single], np.int64))
            return {j: c.new_coefficient for j, c in zip(columns.tolist(), single, strict=True)}
        _, indices, _ = self._handle.getRowEntries(row)
        rows = self.store.block(index.kind).rows(self.store.number(index)).canonical()
        old = dict.fromkeys(np.asarray(indices).tolist(), 0.0)
        return old | dict(zip(self._columns(rows.var).tolist(), rows.coef.tolist(), strict=True))

    def _write_objective(self) -> None:
        store, n, before = self.store, self._n, self._P
        self.sign = -1.0 if store.get(attr.ObjectiveSense()) == attr.ObjectiveSenseCode.MAX_SENSE else 1.0
        block = store.objective_block
        rows = Rows(np.zeros(1)) if block is None else block.all_rows()
        P, self._q, self._r = objective_matrices(rows.scaled(np.array([self.sign])), self._columns, n)
        if P.nnz and self._discrete:
            raise UnsupportedObjective(
                "HiGHS takes no quadratic objective together with integer or semicontinuous variables; "
                "make the objective linear, or drop the integrality."
            )
        self.check_convex(P, self.sign)
        self._check(self._handle.changeColsCost(n, np.arange(n, dtype=_INT), self._q), "objective")
        self._handle.changeObjectiveOffset(self._r)
        if P.nnz or (before is not None and before.nnz):
            L = sp.csc_array(sp.tril(P, format="csc"))
            outcome = self._handle.passHessian(n, L.nnz, 1, L.indptr.astype(_INT), L.indices.astype(_INT), L.data)
            self._check(outcome, "objective")
        self._P, self._objective_stale = P, False

    # ------------------------------------------------------------------ run
    def _solve(self) -> Result:
        handle = self._open()
        try:
            if self._grown:
                self._append()
            if self._objective_stale:
                self._write_objective()
        except Exception:
            self._restructured()  # half passed on
            raise
        if self._n == 0:
            lp = handle.getLp()
            result = empty_result(np.array(lp.row_lower_), np.array(lp.row_upper_))
            result.objective = self.sign * self._r if result.x is not None else None
            return result
        if self._discrete:
            starts = self.store.values_of(attr.VariablePrimalStart())
            columns = self._columns(np.array([v.value for v in starts], np.int64)).astype(_INT)
            handle.setSolution(len(columns), columns, np.array(list(starts.values()), np.float64))
        seconds = handle.getRunTime()
        limit = self.options.get("time_limit", self.store.get(_TIME_LIMIT))
        if limit is not None:
            handle.setOptionValue("time_limit", seconds + float(limit))  # HiGHS counts from the handle's creation
        try:
            outcome = handle.run() if self._quick else self._interruptible.run()
        except KeyboardInterrupt:
            self._handle = None  # HiGHS remembers the interrupt
            self._restructured()
            raise
        if int(outcome) < 0 and "threads" in self.effective_options():
            handle.resetGlobalScheduler(True)  # threads are the process's; another model's number was in force
            self._interruptible.run()
        raw = _status_names()[int(handle.getModelStatus())]
        return self._to_result(raw, handle.getRunTime() - seconds)

    # ------------------------------------------------------------------ out
    def _to_result(self, raw: str, seconds: float) -> Result:
        """Statuses now; points, duals and counts when they are asked for (`_fetch`)."""
        handle, status = self._handle, STATUS.get(raw, Status.OTHER_ERROR)
        result = Result(status, raw, seconds=seconds)
        if status == Status.OPTIMAL:
            result.primal_status = ResultStatus.FEASIBLE_POINT
            if not self._discrete:
                result.dual_status = ResultStatus.FEASIBLE_POINT
            result.objective = self.sign * handle.getObjectiveValue()
            return result
        infeasible, unbounded = Status.INFEASIBLE, Status.DUAL_INFEASIBLE
        either = status == Status.INFEASIBLE_OR_UNBOUNDED
        if either or (status == infeasible and not self._discrete):
            dual = farkas_dual(handle, self._new_handle)
            if dual is not None:
                result.status, result.dual, either = infeasible, dual, False
                result.dual_status = ResultStatus.INFEASIBILITY_CERTIFICATE
        if either or status == unbounded:
            ray = improving_ray(handle, self._new_handle, self._P)
            if ray is not None:
                result.status, result.x = unbounded, ray
                result.primal_status = ResultStatus.INFEASIBILITY_CERTIFICATE
        if result.status not in (infeasible, unbounded, Status.INFEASIBLE_OR_UNBOUNDED):
            info = handle.getInfo()
            result.primal_status = POINT[info.primal_solution_status]
            result.dual_status = POINT[info.dual_solution_status]
            if result.primal_status != ResultStatus.NO_SOLUTION:
                result.objective = self.sign * handle.getObjectiveValue()
        return result

    def _fetch(self, result: Result) -> None:
        handle, none = self._handle, ResultStatus.NO_SOLUTION
        certificate = ResultStatus.INFEASIBILITY_CERTIFICATE
        if self._n == 0:
            return
        info = handle.getInfo()
        barrier = max(info.ipm_iteration_count, 0) + max(info.pdlp_iteration_count, 0) + max(info.qp_iteration_count, 0)
        result.iterations = {"simplex": max(info.simplex_iteration_count, 0), "barrier": barrier}
        if self._discrete:
            result.bound, result.gap = self.sign * info.mip_dual_bound, info.mip_gap
        solution = handle.getSolution()
        if result.primal_status not in (none, certificate):
            result.x = np.array(solution.col_value)
        if result.dual_status not in (none, certificate):
            z = np.array(solution.col_dual)
            result.dual = np.concatenate([solution.row_dual, np.maximum(z, 0.0), np.minimum(z, 0.0)])

    def _columns(self, ids: IntArray) -> IntArray:
        return self._column[ids - self.store.base]

    def _constraint_dual(self, dual: FloatArray, index: ConstraintIndex | ConstraintIndices) -> FloatArray:
        one = isinstance(index, ConstraintIndex)
        numbers = np.array([self.store.number(index)]) if one else self.store.numbers(index)  # type: ignore[arg-type]
        kind, m, n = index.kind, self._m, self._n
        if kind[0] is not VariableIndex:
            return dual[self._row[kind][numbers]]
        columns = self._columns(np.array([index.value]) if isinstance(index, ConstraintIndex) else index.values)
        lower, upper = dual[m + columns], dual[m + n + columns]
        return lower if kind[1] is GreaterThan else upper if kind[1] is LessThan else lower + upper

    def _objective_at(self, x: FloatArray, *, ray: bool) -> float:
        assert ray  # of a point HiGHS gives it
        return self.sign * float(self._q @ x)

    def _result_value(self, attribute: attr.Attribute, index: Any, result: Result) -> Any:
        if type(attribute) not in (attr.VariableBasisStatus, attr.ConstraintBasisStatus):
            return super()._result_value(attribute, index, result)
        if not isinstance(index, (VariableIndex, ConstraintIndex)):
            return [self._result_value(attribute, one, result) for one in index]
        basis = self._handle.getBasis()
        if not basis.valid:
            raise UnsupportedAttribute(
                f"{attribute!r}: HiGHS ended without a simplex basis ({result.raw}); for a linear program choose "
                'the option solver="simplex".'
            )
        if isinstance(index, VariableIndex) or index.kind[0] is VariableIndex:
            self.store.check_ids([index.value])
            return BASIS[basis.col_status[self._columns(np.array([index.value]))[0]].name]
        return BASIS[basis.row_status[self._row[index.kind][self.store.number(index)]].name]
