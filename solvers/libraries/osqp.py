"""OSQP: convex quadratic programs by operator splitting.

B. Stellato, G. Banjac, P. Goulart, A. Bemporad and S. Boyd, OSQP: an operator splitting solver for quadratic
programs, Mathematical Programming Computation (2020).
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, ClassVar, final

import numpy as np

from ...modelkit import attributes as attr
from ...modelkit.arrays import FloatArray, IntArray
from ...modelkit.errors import InvalidData
from ...modelkit.form import Abilities, Form, Journal, rows_at
from ..array_solver import ArraySolver, closed_sides, known
from ..contract import Start
from ..matrices import canonical, same_pattern, scale_rows, upper_triangle
from ..options import Option, load_library, moment
from ..own_derivative import OwnDerivative
from ..result import Result, Status
from .osqp_derivative import OSQPDerivative

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
class OSQP(ArraySolver):
    """min ½ xᵀPx + qᵀx  s.t.  l <= Ax <= u.

    Its rows are those of the form that are not free, then unit rows of the bounded columns. OSQP's y has
    Px + q + Aᵀy = 0 and is positive at an upper bound, so the duals of docs/design.md, section 5, are -y. A later solve
    starts from the last solution, or from where it is told to.

    Parameters
    ----------
    differentiates : whether derivatives are OSQP's own, by its adjoints, in the place of a diff model's where these are
        accurate; they are much slower (benchmarks/README.md)
    **options
        Settings of OSQP, such as ``eps_abs=1e-6`` or ``max_iter=10_000``.

    Examples
    --------
    >>> import optangent as ot
    >>> model = ot.Model(ot.diff_optimizer(lambda: ot.solvers.OSQP(differentiates=True)))
    >>> x, price = model.add_variables(2, lower=0.0), model.add_parameter(1.0)
    >>> c = model.add_constraint(x.sum() == 1.0)
    >>> model.minimize(x @ x - price * x[0])
    >>> model.optimize()
    >>> model.directional_derivatives(x, [{price: 1.0}]).round(6)
    array([[ 0.25, -0.25]])
    """

    name = "OSQP"
    library = "osqp"
    abilities = Abilities()
    standard_options: ClassVar[dict[type[attr.Attribute], Option]] = {
        attr.Silent: Option("verbose", operator.not_),
        attr.TimeLimitSec: Option("time_limit", moment),
    }

    def __init__(self, *, differentiates: bool = False, **options: Any) -> None:
        self.differentiates = differentiates
        self._solver: Any = None
        self._last: Result | None = None
        self._polishes = True
        self._held: IntArray = np.zeros(0, np.int64)  # slots of the rows that are loaded
        super().__init__(**options)

    # ------------------------------------------------------------------ options
    def option_names(self) -> Sequence[str]:
        """All option names that the library knows."""
        library = load_library("osqp")
        return [name for name in dir(library.OSQP().ext.OSQPSettings) if not name.startswith("_")]

    def try_option(self, name: str, value: Any) -> None:
        """Write it into settings."""
        setattr(load_library("osqp").OSQP().ext.OSQPSettings(), name, value)

    # ------------------------------------------------------------------ in
    def _bounds(self, sides: tuple[FloatArray, FloatArray]) -> tuple[FloatArray, FloatArray]:
        infinity = load_library("osqp").constant("OSQP_INFTY")
        lower, upper = (self._scale * side[self._held] for side in sides)
        return np.maximum(lower, -infinity), np.minimum(upper, infinity)

    def load_arrays(self, form: Form) -> None:
        """Set OSQP up with the upper triangle of P and with A, both without repeats and sorted."""
        library = load_library("osqp")
        sides = closed_sides(form)
        self._held = _held(sides)
        A = canonical(rows_at(form, self._held))
        self._scale = self._row_scale(A)
        self._P, self._A = upper_triangle(form.P), scale_rows(A, self._scale)
        self._q, (self._l, self._u) = form.q.copy(), self._bounds(sides)
        settings = DEFAULTS | self.effective_options()  # tolerances all: a plain run has them, too
        self._polishes, settings["polishing"] = bool(settings["polishing"]), False
        crossed = np.flatnonzero(self._l > self._u)
        if len(crossed):  # of which OSQP tells everybody
            raise InvalidData(
                f"OSQP takes no bounds beyond {library.constant('OSQP_INFTY'):g}; got a row between "
                f"{self._l[crossed[0]]:g} and {self._u[crossed[0]]:g}. Scale the model."
            )
        self._solver = library.OSQP()
        try:
            self._solver.setup(self._P, self._q, self._A, self._l, self._u, **settings)
        except library.OSQPException as error:
            raise InvalidData(
                f"OSQP refuses the model or an option (its error code: {error}); the options given: {self.options}."
            ) from error

    def update_arrays(self, form: Form, journal: Journal) -> bool:
        """Pass on vectors, and matrices whose pattern stayed."""
        sides = closed_sides(form)
        if not np.array_equal(_held(sides), self._held):
            return False
        P = upper_triangle(form.P) if journal.has_curvature else self._P
        A = self._A
        if journal.has_entries or not journal.keeps_rows:
            A = scale_rows(canonical(rows_at(form, self._held)), self._scale)
        if not (same_pattern(P, self._P) and same_pattern(A, self._A)):
            return False
        lower, upper = self._bounds(sides)
        if (lower > upper).any():
            return False  # loading says why
        self._q, self._l, self._u = form.q.copy(), lower, upper
        self._solver.update(q=self._q, l=lower, u=upper)
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
    def run(self, form: Form, start: Start | None = None) -> Result:
        """Solve what is loaded."""
        x, y = known(start)
        if x is not None or y is not None:
            self._solver.warm_start(x=x, y=None if y is None else -y[self._held] / self._scale)
        answer, spent = self._solver.solve(raise_error=False), 0.0
        if self._polishes and answer.info.status == "solved" and self._has_active_rows(answer):
            # from the solution, which takes one check of the residuals; without active rows OSQP would print so
            spent, count = answer.info.run_time, answer.info.iter
            self._solver.update_settings(polishing=True)
            answer = self._solver.solve(raise_error=False)
            self._solver.update_settings(polishing=False)
            answer.info.iter += count
        info = answer.info
        name = load_library("osqp").SolverStatus(info.status_val).name
        if name == "OSQP_SIGINT":
            self.unload()
            raise KeyboardInterrupt  # which OSQP swallowed
        status = STATUS.get(name, Status.OTHER_ERROR)
        x = answer.dual_inf_cert if "DUAL_INFEASIBLE" in name else answer.x
        y = answer.prim_inf_cert if "PRIMAL_INFEASIBLE" in name else answer.y
        dual = np.zeros(form.slots.size)
        dual[self._held] = -self._scale * np.array(y)
        counts = {"barrier": info.iter}
        seconds = spent + info.run_time
        self._last = Result.of(status, info.status, np.array(x), dual, seconds=seconds, iterations=counts)
        return self._last

    def differentiate(self, form: Form, result: Result) -> OwnDerivative | None:
        """By OSQP's adjoints, which need the library as it stands after the solve; the next one sets it up anew.

        None where the installed build has no derivatives, does not find the solution again, or answers inaccurately.
        """
        if self._last is not result or self._solver is None:
            self.unload()
            self.load(form)
            found = self.run(form, Start(result.x, result.dual))
            if found.status is not Status.OPTIMAL:
                return None
        else:
            found = result
        solver, self._solver, self._last = self._solver, None, None
        self.unload()
        if not solver.has_capability("OSQP_CAPABILITY_DERIVATIVES"):
            return None
        assert found.x is not None
        assert found.dual is not None
        own = OSQPDerivative(form, solver, self._held, self._scale, found.x, found.dual)
        return own if own.is_accurate else None

    def _has_active_rows(self, answer: Any) -> bool:
        """Whether there is something to polish, by OSQP's rule."""
        y, z = np.array(answer.y), self._A @ np.array(answer.x)
        return bool(((-y - (z - self._l) > _CLEARLY) | (y - (self._u - z) > _CLEARLY)).any())


def _held(sides: tuple[FloatArray, FloatArray]) -> IntArray:
    """Slots that are not free."""
    return np.flatnonzero((sides[0] > -np.inf) | (sides[1] < np.inf))
