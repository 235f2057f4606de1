"""DAQP: a dual active-set method for small convex quadratic programs, exact to rounding and very fast.

D. Arnström, A. Bemporad, D. Axehill, *A Dual Active-Set Solver for Embedded Quadratic Programming Using Recursive LDLᵀ
Updates*, IEEE Transactions on Automatic Control 67(8) (2022), 4362-4369.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from ...modelkit import attributes as attr
from ...modelkit.arrays import FloatArray
from ...modelkit.form import Abilities, Form, Journal, rows_at
from ...modelkit.form.products import as_array
from ..array_solver import ArraySolver, Candidate, closed_sides
from ..contract import Start
from ..options import Option, load_library, moment
from ..result import Result, Status

__all__ = ["DAQP"]

STATUS = {  # by exit flag
    1: (Status.OPTIMAL, "optimal"),
    4: (Status.ALMOST_OPTIMAL, "optimal, but a row is violated by more than primal_tol"),
    -1: (Status.INFEASIBLE, "infeasible"),
    -2: (Status.SLOW_PROGRESS, "cycling"),
    -3: (Status.DUAL_INFEASIBLE, "unbounded"),
    -4: (Status.ITERATION_LIMIT, "iteration limit"),
    -5: (Status.INVALID_MODEL, "nonconvex"),
    -6: (Status.INFEASIBLE, "dependent equalities contradict each other"),
    -7: (Status.TIME_LIMIT, "time limit"),
}
DEFAULTS = {
    "primal_tol": 1e-10,  # from 1e-12 down, rounding makes solvable programs "infeasible"
    "eta_prox": 1e-10,  # of the gradient where P is singular; by itself 1e-6
}
_LOOSER, _ROUNDING = 1e-8, (4, -1, -2, -6)
"""The `primal_tol` of a second attempt, made after these flags: rounding may have defeated the first."""
_LONG_STEP = 2.0**7
"""Largest cost in linear programs, where bounds are below one: DAQP calls a program unbounded if its first step, which
is as long as the costs, meets no row. With costs below one it called 11 of 150 small ones so, with 32 and 1024 none.
"""
_EQUALITY = 5
"""DAQP's mark of a row that is active and stays so."""


def _unit(values: FloatArray, axis: int | None = None) -> Any:
    """The power of two (so exact) that brings the largest entry, of all or along an axis, to between ½ and 1."""
    return np.ldexp(1.0, -np.frexp(np.abs(values).max(axis=axis, initial=0.0))[1])


@functools.lru_cache(maxsize=64)
def _rows(m: int, zeros: int) -> tuple[FloatArray, NDArray[np.intc]]:
    """Upper bounds (1, m) of inequalities, and DAQP's marks of the rows."""
    upper, sense = np.full((1, m), np.inf), np.zeros(m, np.intc)
    sense[:zeros] = _EQUALITY
    return upper, sense


@final
class DAQP(ArraySolver):
    """min ½ xᵀPx + qᵀx  s.t.  l <= x <= u,  l <= Ax <= u, with dense matrices.

    DAQP's multipliers λ have Px + q + Aᵀλ = 0 and are positive at an upper bound: the duals of
    docs/design.md, section 5, are -λ.
    Made for strictly convex objectives, DAQP solves a sequence of such programs where P is singular or zero. Its
    tolerances are absolute, so all data are scaled by powers of two before it sees them. What it calls infeasible or
    unbounded may be solvable (two rows at an angle of 1e-6 will do): that is passed on with a certificate only, which
    is found here (`rays`), and is a NUMERICAL_ERROR otherwise.

    Parameters
    ----------
    **options
        Settings of DAQP, such as ``primal_tol=1e-8`` or ``iter_limit=1000``.
    """

    name = "DAQP"
    library = "daqp"
    abilities = Abilities()
    standard_options: ClassVar[dict[type[attr.Attribute], Option]] = {
        attr.Silent: Option("silent"),
        attr.TimeLimitSec: Option("time_limit", moment),
    }

    def __init__(self, **options: Any) -> None:
        self._ready: tuple[Any, dict[str, Any]] | None = None  # the library's function and all options
        super().__init__(**options)

    # ------------------------------------------------------------------ options
    def option_names(self) -> Sequence[str]:
        """All option names that the library knows."""
        return list(load_library("daqp").Model().settings)

    def option_changed(self, name: str, value: Any) -> None:
        """Have the library look at a value; options are gathered anew."""
        super().option_changed(name, value)
        self._ready = None

    def try_option(self, name: str, value: Any) -> None:
        """Write it into settings."""
        load_library("daqp").Model().settings = {name: value}

    # ------------------------------------------------------------------ in
    def load_arrays(self, form: Form) -> None:
        """Nothing is handed over before DAQP solves."""

    def update_arrays(self, form: Form, journal: Journal) -> bool:
        """Nothing was handed over."""
        return True

    # ------------------------------------------------------------------ run, out
    def run(self, form: Form, start: Start | None = None) -> Result:
        """Solve the form; DAQP starts by itself."""
        P = as_array(form.P).T  # symmetric: so it is in C order
        lower, upper = closed_sides(form)
        is_held = (lower > -np.inf) | (upper < np.inf)
        rows = np.flatnonzero(is_held[: form.m])
        has_bounds = bool(is_held[form.m :].any())
        chosen = np.concatenate([np.arange(form.m, form.slots.sided), rows]) if has_bounds else rows
        A = as_array(form.A if len(rows) == form.m else rows_at(form, rows))
        with np.errstate(over="ignore", invalid="ignore"):  # of huge numbers; what is not finite is no result
            result = self._scaled_and_solved(P, form.q, A, lower[chosen], upper[chosen])
        if result.dual is not None:
            dual = np.zeros(form.slots.size)
            dual[chosen] = result.dual
            result.dual = dual
        return result

    def candidates(self, P: FloatArray, q: FloatArray, F: FloatArray, g: FloatArray, zeros: int) -> list[Candidate]:
        """From the data as they are."""
        lower, (upper, sense) = -g, _rows(g.shape[1], zeros)
        if zeros:
            upper = np.repeat(upper, len(g), axis=0)
            upper[:, :zeros] = lower[:, :zeros]
        (solve, options), found = self._solve_and_options(), list[Candidate]()
        for k in range(len(q)):
            bounds = upper[k % len(upper)], lower[k]
            x, _, flag, info = solve(P[k % len(P)], q[k], F[k % len(F)], *bounds, sense, **options)
            found.append((x, -info["lam"]) if flag == 1 else None)
        return found

    def _solve_and_options(self) -> tuple[Any, dict[str, Any]]:
        if self._ready is None:
            options = DEFAULTS | self.effective_options()
            options.pop("silent", None)  # DAQP always is
            self._ready = load_library("daqp").solve, options
        return self._ready

    def _scaled_and_solved(
        self, P: FloatArray, q: FloatArray, A: FloatArray, lower: FloatArray, upper: FloatArray
    ) -> Result:
        """The answer to one program, put in units in which DAQP's tolerances are right.

        Parameters
        ----------
        P, q, A : (n, n), (n,), (m, n)
        lower, upper : (n + m,) of the columns, then of the rows; or (m,) of the rows alone
        """
        bounds, is_bounded = len(lower) - len(A), np.zeros(len(q))
        is_bounded[:bounds] = np.isfinite(lower[:bounds]) | np.isfinite(upper[:bounds])
        row = np.ones(len(A)) if self.is_plain else _unit(A, axis=1)
        A = A * row[:, None]
        # a variable without curvature has no unit but the one in which DAQP sees it; a bound is a row with one entry
        entries = np.vstack([A, 0.5 * is_bounded])
        column = np.where(P.any(axis=0) | self.is_plain, 1.0, _unit(entries, axis=0))
        row = np.concatenate([1.0 / column[:bounds], row])
        lower, upper = lower * row, upper * row
        q = column * q
        objective = 1.0 if self.is_plain else _unit(P) if P.any() else _LONG_STEP * _unit(q)
        P, q, A = objective * P, objective * q, A * column
        # x and the multipliers grow with q and the bounds in proportion; without curvature x does with the bounds
        sizes = [bound[np.isfinite(bound)] for bound in (lower, upper)]
        size = 1.0 if self.is_plain else _unit(np.concatenate([q, *sizes] if P.any() else sizes))
        growth = size if P.any() else 1.0
        q, lower, upper = growth * q, size * lower, size * upper
        sense = np.where(lower == upper, _EQUALITY, 0).astype(np.intc)
        # C order throughout: DAQP does not look at strides
        data = (np.ascontiguousarray(P) if P.any() else None, q, np.ascontiguousarray(A), upper, lower, sense)
        (solve, options), seconds, iterations = self._solve_and_options(), 0.0, 0
        for attempt in (options, options | {"primal_tol": _LOOSER}):
            x, _, flag, info = solve(*data, **attempt)
            seconds += info["setup_time"] + info["solve_time"]
            iterations += info["iterations"]
            if flag not in _ROUNDING or "primal_tol" in self.options:
                break
        status, raw = STATUS.get(flag, (Status.OTHER_ERROR, "unknown"))
        raw, point, dual = f"{raw} ({flag})", None, None
        if status in (Status.OPTIMAL, Status.ALMOST_OPTIMAL):
            point, dual = column * x / size, -row * info["lam"] / (objective * growth)
        return Result.of(status, raw, point, dual, seconds=seconds, iterations={"barrier": iterations})
