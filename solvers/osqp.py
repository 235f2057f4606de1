"""OSQP: convex quadratic programs by operator splitting.

B. Stellato, G. Banjac, P. Goulart, A. Bemporad and S. Boyd, OSQP: an operator splitting solver for quadratic
programs, Mathematical Programming Computation (2020).
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, ClassVar, final

import numpy as np

from ..modelkit import attributes as attr
from ..modelkit.arrays import FloatArray
from ..modelkit.errors import InvalidData
from ..modelkit.functions import ScalarAffineFunction, VectorAffineFunction
from ..modelkit.indices import Kind
from ..modelkit.matrix_form import MatrixForm
from ..modelkit.sets import EqualTo, GreaterThan, Interval, LessThan, Nonnegatives, Zeros
from .base import Change
from .matrices import canonical, same_pattern, scale_rows, upper_triangle
from .matrix_solver import MatrixSolver
from .options import Option, load_library, moment
from .result import Result, Status

__all__ = ["OSQP"]

STATUS = {
    "OSQP_SOLVED": Status.OPTIMAL,
    "OSQP_SOLVED_INACCURATE": Status.ALMOST_OPTIMAL,
    "OSQP_PRIMAL_INFEASIBLE": Status.INFEASIBLE,
    "OSQP_PRIMAL_INFEASIBLE_INACCURATE": Status.ALMOST_INFEASIBLE,
    "OSQP_DUAL_INFEASIBLE": Status.DUAL_INFEASIBLE,
    "OSQP_DUAL_INFEASIBLE_INACCURATE": Status.ALMOST_DUAL_INFEASIBLE,
    "OSQP_MAX_ITER_REACHED": Status.ITERATION_LIMIT,
    "OSQP_TIME_LIMIT_REACHED": Status.TIME_LIMIT,
    "OSQP_NON_CVX": Status.INVALID_MODEL,
}
_CLEARLY = 1e-10
"""By how much a multiplier is larger than a slack in an active row."""
DEFAULTS = {
    "eps_abs": 1e-8,  # 1e-3, the library's own, is no solution
    "eps_rel": 1e-8,
    "eps_prim_inf": 1e-8,  # a certificate is a proof
    "eps_dual_inf": 1e-8,
    "max_iter": 50_000,
    "polishing": True,
    "polish_refine_iter": 20,
}


@final
class OSQP(MatrixSolver):
    """min ½ xᵀPx + qᵀx  s.t.  l <= Ax <= u.

    OSQP's y has Px + q + Aᵀy = 0 and is positive at an upper bound, so the duals of DESIGN section 5 are -y.
    Rows are those of the kinds below, in that order. A later solve starts from the last solution, or from
    `VariablePrimalStart` and `ConstraintDualStart` where they are set.

    Parameters
    ----------
    **options
        Settings of OSQP, such as ``eps_abs=1e-6`` or ``max_iter=10_000``.
    """

    name = "OSQP"
    library = "osqp"
    kinds: ClassVar[tuple[Kind, ...]] = tuple(
        (ScalarAffineFunction, box) for box in (EqualTo, GreaterThan, LessThan, Interval)
    )
    form_kinds = ((VectorAffineFunction, Zeros), (VectorAffineFunction, Nonnegatives))  # boxes, too
    standard_options: ClassVar[dict[type[attr.Attribute], Option]] = {
        attr.Silent: Option("verbose", operator.not_),
        attr.TimeLimitSec: Option("time_limit", moment),
    }

    def __init__(self, **options: Any) -> None:
        self._solver: Any = None
        self._polishes = True
        super().__init__(**options)

    # ------------------------------------------------------------------ options
    def option_names(self) -> Sequence[str]:
        """All option names that the library knows."""
        library = load_library("osqp")
        return [name for name in dir(library.OSQP().ext.OSQPSettings) if not name.startswith("_")]

    def _try_option(self, name: str, value: Any) -> None:
        setattr(load_library("osqp").OSQP().ext.OSQPSettings(), name, value)

    # ------------------------------------------------------------------ in
    def _bounds(self, form: MatrixForm) -> tuple[FloatArray, FloatArray]:
        infinity = load_library("osqp").constant("OSQP_INFTY")
        lower, upper = form.bounds()
        return np.maximum(self._scale * lower, -infinity), np.minimum(self._scale * upper, infinity)

    def load(self, form: MatrixForm) -> None:
        """Set OSQP up with the upper triangle of P and with A, both without repeats and sorted."""
        library = load_library("osqp")
        A = canonical(form.F)
        self._scale = self._row_scale(A)
        self._P, self._A = upper_triangle(form.P), scale_rows(A, self._scale)
        lower, upper = self._bounds(form)
        settings = DEFAULTS | self.effective_options()  # tolerances all: a plain run has them, too
        self._polishes, settings["polishing"] = bool(settings["polishing"]), False
        crossed = np.flatnonzero(lower > upper)
        if len(crossed):  # of which OSQP tells everybody
            raise InvalidData(
                f"OSQP takes no bounds beyond {library.constant('OSQP_INFTY'):g}; got a row between "
                f"{lower[crossed[0]]:g} and {upper[crossed[0]]:g}. Scale the model."
            )
        self._solver = library.OSQP()
        try:
            self._solver.setup(self._P, form.q, self._A, lower, upper, **settings)
        except library.OSQPException as error:
            raise InvalidData(
                f"OSQP refuses the model or an option (its error code: {error}); the options given: {self.options}."
            ) from error

    def update(self, form: MatrixForm, changes: set[str]) -> bool:
        """Pass on vectors, and matrices whose pattern stayed."""
        P, A = upper_triangle(form.P), canonical(form.F)
        if not (same_pattern(P, self._P) and same_pattern(A, self._A)):
            return False
        scale_rows(A, self._scale)
        given: dict[str, Any] = {}
        if Change.OBJECTIVE in changes:
            given["q"] = form.q
        if Change.NUMBERS in changes or Change.COEFFICIENTS in changes:
            given["l"], given["u"] = self._bounds(form)
        self._solver.update(**given)
        matrices = {
            name: new.data
            for name, new, old in (("Px", P, self._P), ("Ax", A, self._A))
            if not np.array_equal(new.data, old.data)
        }
        if matrices:
            self._solver.update(**matrices)
        self._P, self._A = P, A
        return True

    # ------------------------------------------------------------------ run, out
    def run(self, form: MatrixForm) -> Result:
        """Solve what is loaded."""
        x, y = self._start_at(form)
        if x is not None or y is not None:
            self._solver.warm_start(x=x, y=None if y is None else -y / self._scale)
        answer, spent = self._solver.solve(raise_error=False), 0.0
        if self._polishes and answer.info.status == "solved" and self._has_active_rows(form, answer):
            # from the solution, which takes one check of the residuals; without active rows OSQP would print so
            spent, count = answer.info.run_time, answer.info.iter
            self._solver.update_settings(polishing=True)
            answer = self._solver.solve(raise_error=False)
            self._solver.update_settings(polishing=False)
            answer.info.iter += count
        info = answer.info
        name = load_library("osqp").SolverStatus(info.status_val).name
        if name == "OSQP_SIGINT":
            self._restructured()
            raise KeyboardInterrupt  # which OSQP swallowed
        status = STATUS.get(name, Status.OTHER_ERROR)
        x = answer.dual_inf_cert if "DUAL_INFEASIBLE" in name else answer.x
        y = answer.prim_inf_cert if "PRIMAL_INFEASIBLE" in name else answer.y
        x, y, counts = np.array(x), -self._scale * np.array(y), {"barrier": info.iter}
        return Result.of(status, info.status, x, y, seconds=spent + info.run_time, iterations=counts)

    def _has_active_rows(self, form: MatrixForm, answer: Any) -> bool:
        """Whether there is something to polish, by OSQP's rule."""
        lower, upper = self._bounds(form)
        y, z = np.array(answer.y), self._A @ np.array(answer.x)
        return bool(((-y - (z - lower) > _CLEARLY) | (y - (upper - z) > _CLEARLY)).any())
