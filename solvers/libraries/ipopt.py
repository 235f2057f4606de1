"""Ipopt: an interior-point method for nonlinear programs, as it comes with CasADi.

A. Wächter, L. T. Biegler, *On the implementation of an interior-point filter line-search algorithm for large-scale
nonlinear programming*, Mathematical Programming 106 (2006), 25-57.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, ClassVar, final

import numpy as np

from ...modelkit import attributes as attr
from ...modelkit.arrays import FloatArray
from ...modelkit.errors import InvalidData
from ...modelkit.form import Abilities, Form, Journal
from ...modelkit.operator_derivatives import casadi
from ...modelkit.sets import OperatorGraph
from ..contract import Solver, Start
from ..options import Option, moment
from ..result import Result, ResultStatus, Status
from ..symbolic_program import SymbolicProgram

__all__ = ["Ipopt"]

STATUS = {
    "Solve_Succeeded": Status.LOCALLY_SOLVED,
    "Feasible_Point_Found": Status.LOCALLY_SOLVED,
    "Solved_To_Acceptable_Level": Status.ALMOST_LOCALLY_SOLVED,
    "Infeasible_Problem_Detected": Status.LOCALLY_INFEASIBLE,
    "Diverging_Iterates": Status.OTHER_LIMIT,
    "Search_Direction_Becomes_Too_Small": Status.SLOW_PROGRESS,
    "User_Requested_Stop": Status.INTERRUPTED,
    "Maximum_Iterations_Exceeded": Status.ITERATION_LIMIT,
    "Maximum_CpuTime_Exceeded": Status.TIME_LIMIT,
    "Maximum_WallTime_Exceeded": Status.TIME_LIMIT,
    "Restoration_Failed": Status.NUMERICAL_ERROR,
    "Error_In_Step_Computation": Status.NUMERICAL_ERROR,
    "Not_Enough_Degrees_Of_Freedom": Status.INVALID_MODEL,
    "Invalid_Problem_Definition": Status.INVALID_MODEL,
    "Invalid_Option": Status.INVALID_OPTION,
    "Invalid_Number_Detected": Status.INVALID_MODEL,
    "Insufficient_Memory": Status.MEMORY_LIMIT,
}
DEFAULTS = {"tol": 1e-9, "bound_relax_factor": 0.0, "sb": "yes", "honor_original_bounds": "yes"}
_STARTS = (0.0, 1.0, 0.5)
"""Values of variables without a start, the first of them at which the program has values."""


@final
class Ipopt(Solver):
    """A local solver of nonlinear programs, with exact first and second derivatives.

    Parameters
    ----------
    **options
        Options of Ipopt, such as ``max_iter=500`` or ``tol=1e-8``.
    """

    name = "Ipopt"
    library = "casadi"
    abilities = Abilities(cones=frozenset({OperatorGraph}), quadratic_rows=True, nonconvex=True)
    standard_options: ClassVar[dict[type[attr.Attribute], Option]] = {
        attr.Silent: Option("print_level", lambda silent: 0 if silent else 5),
        attr.TimeLimitSec: Option("max_wall_time", moment),
    }
    releases_gil = False

    def __init__(self, **options: Any) -> None:
        self._program: SymbolicProgram | None = None
        self._solver: Any = None
        super().__init__(**options)

    # ------------------------------------------------------------------ options
    def option_names(self) -> Sequence[str]:
        """The options that are known by name; Ipopt knows more."""
        return _OPTIONS

    def option_changed(self, name: str, value: Any) -> None:
        """Have the library look at a value."""
        ca = casadi()
        x = ca.SX.sym("x")
        try:
            ca.nlpsol("trial", "ipopt", {"x": x, "f": x**2}, _quiet({name: value}))
        except (RuntimeError, NotImplementedError, TypeError) as error:
            words = str(error).strip().splitlines()
            raise InvalidData(f"{self.name} refuses {value!r} for its option {name!r}: {words[-1]}") from None
        self._solver = None

    # ------------------------------------------------------------------ in
    def load(self, form: Form) -> None:
        """Make the expressions of a form, if it has another pattern than the last one."""
        if self._program is None or not self._program.fits(form):
            self._program, self._solver = SymbolicProgram(form), None

    def update(self, form: Form, journal: Journal) -> bool:
        """Numbers are parameters of the expressions."""
        return self._program is not None and self._program.fits(form)

    # ------------------------------------------------------------------ run, out
    def run(self, form: Form, start: Start | None = None) -> Result:
        """Solve from a start, or from zero within the bounds."""
        program = self._program
        assert program is not None
        if self._solver is None:
            ca = casadi()
            parts = {"x": program.x, "p": program.p, "f": program.objective, "g": program.rows}
            self._solver = ca.nlpsol("program", "ipopt", parts, _quiet(DEFAULTS | self.effective_options()))
            self._values = ca.Function("values", [program.x, program.p], [program.objective, program.rows])
        numbers, (row_lower, row_upper) = program.numbers(form), program.sides(form)
        lower, upper = form.lower[program.free], form.upper[program.free]
        x0 = self._first(form, start, numbers, lower, np.maximum(lower, upper))
        given: dict[str, Any] = {"x0": x0, "p": numbers, "lbx": lower, "ubx": np.maximum(lower, upper)}
        given |= {"lbg": row_lower, "ubg": row_upper}
        if start is not None and start.dual is not None and not np.isnan(start.dual).all():
            dual = np.where(np.isnan(start.dual), 0.0, start.dual)
            given |= {"lam_x0": -dual[form.m + program.free]}
            given |= {"lam_g0": -np.concatenate([dual[: form.m], dual[form.m + program.bounded]])}
        began = time.perf_counter()
        answer = self._solver(**given)
        seconds, stats = time.perf_counter() - began, self._solver.stats()
        raw = str(stats["return_status"])
        status, counts = STATUS.get(raw, Status.OTHER_ERROR), {"barrier": int(stats.get("iter_count", 0))}
        x = program.point(form, _array(answer["x"]))
        if not np.isfinite(x).all():
            return Result(status, raw, seconds=seconds, iterations=counts)
        dual = program.duals(form, x, -_array(answer["lam_g"]), -_array(answer["lam_x"]))
        result = Result(status, raw, seconds=seconds, iterations=counts, x=x, dual=dual)
        result.primal_status = result.dual_status = _QUALITY.get(status, ResultStatus.UNKNOWN_RESULT_STATUS)
        return result

    def _first(
        self, form: Form, start: Start | None, numbers: FloatArray, lower: FloatArray, upper: FloatArray
    ) -> FloatArray:
        """Where to start: where the user says, elsewhere at the first number at which the program has values."""
        assert self._program is not None
        given = np.full(len(lower), np.nan)
        if start is not None and start.x is not None:
            given = start.x[self._program.free]
        every = [np.where(np.isnan(given), np.clip(value, lower, upper), given) for value in _STARTS]
        for x0 in every:
            values = self._values(x0, numbers)
            if np.isfinite(_array(values[0])).all() and np.isfinite(_array(values[1])).all():
                return x0
        full = self._program.point(form, every[0])
        graphs = self._program.graphs
        bad = np.flatnonzero(~np.isfinite(graphs.values(form.F @ full + form.g)))
        if not len(bad):
            return every[0]
        raise InvalidData(
            f"{self.name} cannot start where {graphs.described(int(bad[0]), form.F @ full + form.g)} has no value. Set "
            "VariablePrimalStart of the variables in it, or bounds that keep them where it has one."
        )


_QUALITY = {
    Status.LOCALLY_SOLVED: ResultStatus.FEASIBLE_POINT,
    Status.ALMOST_LOCALLY_SOLVED: ResultStatus.NEARLY_FEASIBLE_POINT,
    Status.LOCALLY_INFEASIBLE: ResultStatus.INFEASIBLE_POINT,
}
_OPTIONS = (
    *(
        "tol",
        "max_iter",
        "max_wall_time",
        "max_cpu_time",
        "print_level",
        "mu_strategy",
        "mu_init",
        "hessian_approximation",
    ),
    *("acceptable_tol", "acceptable_iter", "constr_viol_tol", "dual_inf_tol", "compl_inf_tol", "linear_solver"),
    *("bound_push", "bound_frac", "bound_relax_factor", "honor_original_bounds", "warm_start_init_point"),
    *("warm_start_bound_push", "warm_start_mult_bound_push", "nlp_scaling_method", "obj_scaling_factor"),
    *("fixed_variable_treatment", "expect_infeasible_problem", "start_with_resto", "max_hessian_perturbation"),
    *(
        "first_hessian_perturbation",
        "diverging_iterates_tol",
        "derivative_test",
        "print_timing_statistics",
        "output_file",
    ),
    *(
        "sb",
        "slack_bound_push",
        "slack_bound_frac",
        "bound_mult_init_method",
        "limited_memory_max_history",
        "mu_target",
    ),
)


def _quiet(options: dict[str, Any]) -> dict[str, Any]:
    """Options of CasADi and, under their prefix, of Ipopt."""
    silent = {
        "print_time": False,
        "calc_lam_p": False,
        "error_on_fail": False,
        "show_eval_warnings": False,
        "ipopt.print_level": 0,
    }
    return {**silent, **{f"ipopt.{name}": value for name, value in options.items()}}


def _array(values: Any) -> FloatArray:
    return np.array(values.full()[:, 0])
