"""OptNet: our own solver of dense convex quadratic programs, which differentiates its solutions by the same factors.

B. Amos, J. Z. Kolter, *OptNet: differentiable optimization as a layer in neural networks*, Proceedings of the 34th
International Conference on Machine Learning (2017), 136-145. What it does is in `solvers.dense`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from ...modelkit import attributes as attr
from ...modelkit.arrays import FloatArray, IntArray
from ...modelkit.attributes import DifferentiationStatusCode
from ...modelkit.convexity import is_positive_semidefinite
from ...modelkit.errors import NonconvexObjective
from ...modelkit.form import Abilities, Form, Journal
from ..array_solver import ArraySolver, closed_sides
from ..contract import Start
from ..dense.active_rows import ActiveRows
from ..dense.duals import Duals
from ..dense.program import Programs
from ..dense.stacked_points import StackedPoints, one_sided_points
from ..dense.stacked_solver import Answers, Ending, solve
from ..options import Option, moment
from ..own_derivative import OwnDerivative
from ..result import Result, Status

__all__ = ["OptNet"]

OPTIONS = {"max_iter": 80, "time_limit": float("inf"), "silent": True}


@final
@dataclass(frozen=True, slots=True, eq=False)
class _Loaded:
    """A form as one dense program.

    Attributes
    ----------
    stamp : of the form; slots : how many it has
    order : (m,) slots of the rows, those with equal sides first
    programs : a stack of one
    """

    stamp: object
    slots: int
    order: IntArray
    programs: Programs

    @classmethod
    def of(cls, form: Form, before: _Loaded | None) -> _Loaded:
        """The arrays; matrices that did not change since are those of `before`."""
        lower, upper = closed_sides(form)
        is_held, is_equal = (lower > -np.inf) | (upper < np.inf), lower == upper
        order = np.concatenate([np.flatnonzero(is_equal), np.flatnonzero(is_held & ~is_equal)])
        if before is not None and before.stamp is form.stamp and np.array_equal(before.order, order):
            P, C = before.programs.P, before.programs.C
        else:
            P, C = _curvature(form), _rows(form, order)
        zeros = int(is_equal.sum())
        programs = Programs(P, form.q[None].copy(), C, lower[order][None], upper[order][None], zeros)
        return cls(form.stamp, form.slots.size, order, programs)


def _curvature(form: Form) -> FloatArray:
    P = form.products.P
    if isinstance(P, np.ndarray):
        return np.array(P.T if P.flags.f_contiguous else P, order="C")[None]  # symmetric
    return np.asarray(P.toarray(order="C"))[None]


def _rows(form: Form, order: IntArray) -> FloatArray:
    A, m = form.products.A, form.m
    C = np.zeros((len(order), form.n))
    of_rows = order < m
    chosen = order[of_rows]
    C[of_rows] = A[chosen] if isinstance(A, np.ndarray) else A[chosen].toarray()
    C[~of_rows, order[~of_rows] - m] = 1.0
    return C[None]


@final
class _Derivative(OwnDerivative):
    """One solve with the factors of the solution."""

    def __init__(self, x: FloatArray, y: FloatArray, order: IntArray, rows: ActiveRows) -> None:
        self.x, self.y, self._order, self._rows = x, y, order, rows
        self.status, self.at_fault = DifferentiationStatusCode.EXACT, np.zeros(len(y))
        self._last: tuple[FloatArray, ...] | None = None

    def push(self, primal: FloatArray, slots: FloatArray) -> tuple[FloatArray, FloatArray]:
        """By the symmetric system, whose multipliers have the other sign."""
        last = self._last
        if last is None or not (np.array_equal(last[0], primal) and np.array_equal(last[1], slots)):
            dx, dl = self._rows.solve(primal.T[None], -slots[self._order].T[None])
            dy = np.zeros(slots.shape)
            dy[self._order] = -dl[0].T
            self._last = last = primal.copy(), slots.copy(), dx[0].T, dy
        return last[2].copy(), last[3].copy()

    def pull(self, primal: FloatArray, slots: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The same: the map is its own transpose. Who asks for both modes of one side pays for one."""
        return self.push(primal, slots)


@final
class OptNet(ArraySolver):
    """min ½ xᵀPx + qᵀx  s.t.  l <= Cx <= u, with dense matrices.

    P is factorized once. Active rows are guessed and corrected, by interior points where need be, until the exact
    solution on them is confirmed; the same factors are those of the derivative. Where only costs and sides change, the
    factors stay. Multipliers λ of the rows, positive at upper sides, have Px + q + Cᵀλ = 0: the duals of
    docs/design.md, section 5, are -λ.

    Parameters
    ----------
    **options
        ``max_iter``, the interior-point steps allowed, and ``time_limit`` in seconds.

    Examples
    --------
    >>> import optangent as ot
    >>> model = ot.Model(ot.diff_optimizer(ot.solvers.OptNet))
    >>> x = model.add_variables(2, lower=0.0)
    >>> c = model.add_constraint(x.sum() == 1.0)
    >>> model.minimize(x @ x - x[0])
    >>> model.optimize()
    >>> model.value(x)
    array([0.75, 0.25])
    """

    checks_convexity = True
    name = "OptNet"
    library = "optangent"
    abilities = Abilities()
    differentiates = True
    standard_options: ClassVar[dict[type[attr.Attribute], Option]] = {
        attr.Silent: Option("silent"),
        attr.TimeLimitSec: Option("time_limit", moment),
    }
    reloads_for_options = False

    def __init__(self, **options: Any) -> None:
        self._loaded: _Loaded | None = None
        self._duals: Duals | None = None
        self._last: tuple[Result, Answers] | None = None
        super().__init__(**options)

    # ------------------------------------------------------------------ options
    def option_names(self) -> Sequence[str]:
        """All option names."""
        return list(OPTIONS)

    def try_option(self, name: str, value: Any) -> None:
        """Raise for what is no such number."""
        if name == "silent":
            return
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise TypeError("a number is expected")
        if not value > 0 or (name == "max_iter" and value != int(value)):
            raise ValueError("a positive whole number is expected" if name == "max_iter" else "it must be positive")

    # ------------------------------------------------------------------ in
    def load_arrays(self, form: Form) -> None:
        """Make dense arrays of it."""
        self._loaded = self._duals = self._last = None  # which may be large
        self._loaded = _Loaded.of(form, None)

    def update_arrays(self, form: Form, journal: Journal) -> bool:
        """Make those anew that changed."""
        before, self._last = self._loaded, None
        self._loaded = _Loaded.of(form, before)
        if before is None or self._loaded.programs.C is not before.programs.C:
            self._duals = None
        return True

    # ------------------------------------------------------------------ run, out
    def run(self, form: Form, start: Start | None = None) -> Result:
        """Solve what is loaded; duals to start from tell which rows are active."""
        assert self._loaded is not None
        begin, loaded, options = time.perf_counter(), self._loaded, OPTIONS | self.effective_options()
        side = None
        if start is not None and start.dual is not None and not np.isnan(start.dual).any():
            side = _sides(loaded, start.dual)
        found = solve(loaded.programs, int(options["max_iter"]), float(options["time_limit"]), self._duals, side)
        self._duals = found.duals
        if found.ending[0] == Ending.NONCONVEX or (found.duals.rho.any() and not is_positive_semidefinite(form.P)):
            raise NonconvexObjective(
                "OptNet needs a convex quadratic objective: the symmetric matrix Q of ½xᵀQx has a negative eigenvalue. "
                "Check the signs of the quadratic terms and the sense."
            )
        seconds = time.perf_counter() - begin
        result = _result(found, loaded, seconds, seconds >= options["time_limit"], self.limits_iterations)
        self._last = result, found
        return result

    def exact_points(self, P: FloatArray, q: FloatArray, F: FloatArray, g: FloatArray, zeros: int) -> StackedPoints:
        """Many small programs at once, for layers: see `one_sided_points`."""
        return one_sided_points(P, q, F, g, zeros)

    def reconsidered(self, form: Form, result: Result) -> Result:
        """An exact solution with a definite P is one in all units: nobody need look at it again."""
        if self._last is not None and self._last[0] is result and bool(self._last[1].is_settled[0]):
            return result
        return super().reconsidered(form, result)

    # ------------------------------------------------------------------ derivatives
    def differentiate(self, form: Form, result: Result) -> OwnDerivative | None:
        """By the factors of the solve, where it is clear which rows are active; else None: by the general system."""
        if self._last is not None and self._last[0] is result and self._loaded is not None:
            found, order = self._last[1], self._loaded.order
        else:
            assert result.dual is not None
            loaded = _Loaded.of(form, None)
            found, order = solve(loaded.programs, side=_sides(loaded, result.dual)), loaded.order
        if not bool(found.is_smooth[0]):
            return None
        y = np.zeros(form.slots.size)
        y[order] = found.y[0]
        return _Derivative(found.x[0], y, order, found.rows)


def _sides(loaded: _Loaded, dual: FloatArray) -> Any:
    """(1, i): the sides at which multipliers push."""
    return -np.sign(dual[loaded.order[loaded.programs.equalities :]]).astype(np.int64)[None]


def _result(found: Answers, loaded: _Loaded, seconds: float, is_late: bool, is_limited: bool) -> Result:
    """The answer to the only program of a stack."""
    ending, x, y = Ending(int(found.ending[0])), found.x[0], found.y[0]
    stalled = Status.ITERATION_LIMIT if is_limited else Status.NUMERICAL_ERROR
    status = {
        Ending.EXACT: Status.OPTIMAL,
        Ending.CLOSE: Status.OPTIMAL,
        Ending.INFEASIBLE: Status.INFEASIBLE,
        Ending.UNBOUNDED: Status.DUAL_INFEASIBLE,
        Ending.NOT_FINITE: Status.INVALID_MODEL,
    }.get(ending, Status.TIME_LIMIT if is_late else stalled)
    dual = np.zeros(loaded.slots)
    dual[loaded.order] = y
    return Result.of(status, ending.name.lower(), x, dual, seconds=seconds, iterations={"barrier": found.steps})
