"""SCS: convex quadratic conic programs by operator splitting.

B. O'Donoghue, Operator splitting for a homogeneous embedding of the linear complementarity problem, SIAM Journal
on Optimization (2021).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, final

import numpy as np
import scipy.sparse as sp

from ...modelkit import attributes as attr
from ...modelkit.arrays import FloatArray, IntArray
from ...modelkit.errors import InvalidData
from ...modelkit.form import Abilities, Form, Journal, Stacked
from ...modelkit.form.matrix_form import MatrixForm
from ...modelkit.form.slot_rows import SlotRows
from ...modelkit.sets import (
    DualExponentialCone,
    DualPowerCone,
    ExponentialCone,
    Nonnegatives,
    PowerCone,
    ScaledPositiveSemidefiniteConeTriangle,
    SecondOrderCone,
    Set,
    Zeros,
)
from ...modelkit.store.block import SetBlock
from ..array_solver import ArraySolver, known
from ..contract import Start
from ..judging.accuracy import ALMOST, distance, judged
from ..matrices import (
    canonical,
    group_starts,
    lower_triangle_order,
    same_pattern,
    scale_rows,
    triangle_side,
    upper_triangle,
)
from ..options import Option, load_library, moment
from ..result import FINAL, Result, Status

__all__ = ["SCS"]

STATUS = {  # by SCS's status_val
    1: Status.OPTIMAL,
    2: Status.ALMOST_OPTIMAL,  # at a limit, as are -6 and -7: guesses, see `_is_bad_guess`
    -1: Status.DUAL_INFEASIBLE,
    -2: Status.INFEASIBLE,
    -3: Status.NUMERICAL_ERROR,  # neither a solution nor a certificate: both vanish, and the arrays are NaN
    -4: Status.NUMERICAL_ERROR,
    -6: Status.ALMOST_DUAL_INFEASIBLE,
    -7: Status.ALMOST_INFEASIBLE,
}
INTERRUPTED = -5
_OVERFLOWS = 1e150  # and says so on standard output, silent or not
CONES: dict[type[Set], tuple[str, Callable[[SetBlock], Any]]] = {
    # in the order of SCS's rows: set type -> key of SCS's cone dictionary, its entry for all constraints
    Zeros: ("z", lambda sets: int(sets.dims.sum())),
    Nonnegatives: ("l", lambda sets: int(sets.dims.sum())),
    SecondOrderCone: ("q", lambda sets: sets.dims.tolist()),
    ScaledPositiveSemidefiniteConeTriangle: ("s", lambda sets: [triangle_side(dim) for dim in sets.dims.tolist()]),
    ExponentialCone: ("ep", lambda sets: sets.count),
    DualExponentialCone: ("ed", lambda sets: sets.count),
    PowerCone: ("p", lambda sets: [shape[0] for shape in sets.shapes or ()]),
    DualPowerCone: ("p", lambda sets: [-shape[0] for shape in sets.shapes or ()]),
}
_FIRST, _ALL = 20_000, 200_000
"""Iterations of a first run with one rho_x, and of a second with the other; a third goes on where the first stopped."""
_OWN_RHO = 1e-6
"""The library's own rho_x: with it a third of small linear programs in odd units have an answer that have none with
ours, and few have none that have one with ours. So these start with it; others end with it.
"""
DEFAULTS = {
    "eps_abs": 1e-9,  # 1e-4, the library's own, is no solution; measured: 1e-9 costs a tenth more than 1e-8
    "eps_rel": 1e-9,
    "eps_infeas": 1e-8,  # a certificate is a proof
    "max_iters": _ALL,
    "linear_solver": "qdldl",  # not MKL where that is there: answers do not depend on the machine
    "rho_x": 1e-3,  # with `_OWN_RHO` QDLDL loses the digits below 1e-8 on some semidefinite programs
}
_SAID = (1, -1, -2, INTERRUPTED)
"""Codes of answers; the others are guesses or failures."""
OPTIONS = (
    *("normalize", "scale", "adaptive_scale", "rho_x", "max_iters", "eps_abs", "eps_rel", "eps_infeas", "alpha"),
    *("time_limit_secs", "verbose", "acceleration_lookback", "acceleration_interval"),
)
FILES = ("write_data_filename", "log_csv_filename")


@final
class SCS(ArraySolver):
    """min ½ xᵀPx + cᵀx  s.t.  Ax + s = b,  s in K.

    The one-sided rows F x + g of the form (`Stacked`), cones in the order above, give A = -F and b = g; within
    semidefinite cones SCS wants the lower triangle column by column, a permutation of ours. SCS's y has
    Px + c + Aᵀy = 0 and lies in the dual cone: it is the dual of docs/design.md, section 5, as it is. A later solve
    starts from the last solution, or from where it is told to.

    Parameters
    ----------
    **options
        Settings of SCS, such as ``eps_abs=1e-6`` or ``max_iters=10_000``.
    """

    name = "SCS"
    library = "scs"
    abilities = Abilities(cones=frozenset(CONES) - {Zeros, Nonnegatives})
    standard_options: ClassVar[dict[type[attr.Attribute], Option]] = {
        attr.Silent: Option("verbose", operator.not_),
        attr.TimeLimitSec: Option("time_limit_secs", moment),
    }

    def __init__(self, **options: Any) -> None:
        self._solver: Any = None
        self._warm = False
        self._layout: Stacked | None = None
        super().__init__(**options)

    # ------------------------------------------------------------------ options
    def option_names(self) -> Sequence[str]:
        """All option names that the library knows."""
        choice = ("linear_solver",) if hasattr(load_library("scs"), "LinearSolver") else ()
        return (*OPTIONS, *FILES, *choice)

    def try_option(self, name: str, value: Any) -> None:
        """Have SCS set up with it."""
        if name == "verbose" or name in FILES:  # a trial would print, or write
            if not isinstance(value, bool if name == "verbose" else str):
                raise TypeError("a truth value is wanted" if name == "verbose" else "a path is wanted")
            return
        one = {"A": sp.csc_matrix([[1.0]]), "b": np.ones(1), "c": np.ones(1)}
        load_library("scs").SCS(one, {"l": 1}, **{"verbose": False, name: value})

    # ------------------------------------------------------------------ in
    def load_arrays(self, form: Form) -> None:
        """Hand over the upper triangle of P, A = -F, b = g and the cones."""
        if self._layout is None or not self._layout.fits(form):
            self._layout = Stacked(form, tuple(CONES))
        stacked = self._layout.matrices(form)
        self._rows, cones = _permuted(stacked)
        self._P, self._A = upper_triangle(form.P), self._negative(stacked)
        self._scale = self._row_scale(self._A, group_starts(stacked))
        scale_rows(self._A, self._scale)
        self._q, self._b = form.q.copy(), self._scale * stacked.g[self._rows]
        if not stacked.m:
            cones = {"l": 1}
        settings = {name: value for name, value in DEFAULTS.items() if name in self.option_names()}
        options = self.effective_options()
        own, ours = {"rho_x": _OWN_RHO}, {"rho_x": DEFAULTS["rho_x"]}
        one, other = (own, ours) if not form.P.nnz and not form.k else (ours, own)
        tries = ({**one, "max_iters": _FIRST}, {**other, "max_iters": _ALL}, {**one, "max_iters": _ALL - _FIRST})
        is_chosen = not options.keys().isdisjoint(("rho_x", "max_iters"))
        if self.is_plain:
            del settings["rho_x"]
        self._tries = ({},) if self.is_plain or is_chosen else tries
        self._cones, self._settings = cones, settings | options
        self._warm = False
        try:
            self._solver = load_library("scs").SCS(self._data(), cones, **(self._settings | self._tries[0]))
        except ValueError as error:
            raise InvalidData(
                f"SCS refuses the model or an option ({error}); the options given: {self.options}."
            ) from error

    def _negative(self, stacked: MatrixForm) -> sp.csc_matrix:
        return canonical(-stacked.F[self._rows])

    def _data(self) -> dict[str, Any]:
        data = {"P": self._P if self._P.nnz else None, "A": self._A, "b": self._b, "c": self._q}
        if not len(self._b):  # SCS wants a row: 0 x <= 1
            data |= {"A": sp.csc_matrix((1, len(self._q))), "b": np.ones(1)}
        return data

    def update_arrays(self, form: Form, journal: Journal) -> bool:
        """Pass on vectors; other matrices SCS must factorize anew."""
        assert self._layout is not None
        if not self._layout.fits(form):
            return False
        if journal.has_curvature:
            P = upper_triangle(form.P)
            if not (same_pattern(P, self._P) and np.array_equal(P.data, self._P.data)):
                return False
        if journal.has_entries or not journal.keeps_rows or journal.cone_coefficients:
            A = self._negative(self._layout.matrices(form))
            if not (same_pattern(A, self._A) and np.array_equal(A.data * self._scale[A.indices], self._A.data)):
                return False
        self._q, self._b = form.q.copy(), self._scale * self._layout.constants(form)[self._rows]
        self._solver.update(b=self._b if len(self._b) else None, c=self._q)
        return True

    def _start(self, start: Start | None) -> dict[str, FloatArray]:
        """Where to start; what is not said is zero."""
        assert self._layout is not None
        x, dual = known(start)
        if (x is None and dual is None) or not self._layout.m:
            return {}
        x = np.zeros(len(self._q)) if x is None else x
        y = np.zeros(self._layout.m) if dual is None else self._layout.down(dual)
        return {"x": x, "y": y[self._rows] / self._scale, "s": self._b - self._A @ x}

    # ------------------------------------------------------------------ run, out
    def run(self, form: Form, start: Start | None = None) -> Result:
        """Solve what is loaded."""
        if np.abs(self._b).max(initial=0.0) > _OVERFLOWS:
            raw = f"not passed on: SCS overflows with constants beyond {_OVERFLOWS:g}"
            return Result(Status.NUMERICAL_ERROR, raw, seconds=0.0)
        begin, limit, spent, rows = self._start(start), self._limit(), 0.0, SlotRows(form)
        answer = first = self._answered(self._solver, begin, is_warm=bool(begin) or self._warm)
        runs = [self._read(rows, answer)]
        for number, settings in enumerate(self._tries[1:]):
            spent += runs[-1].seconds or 0.0
            if answer["info"]["status_val"] in _SAID or (limit is not None and spent >= limit):
                break
            left = {} if limit is None else {"time_limit_secs": limit - spent}
            if number == 1 and all(np.isfinite(first[name]).all() for name in "xys"):
                begin = {name: first[name] for name in "xys"}
            solver = load_library("scs").SCS(self._data(), self._cones, **(self._settings | settings | left))
            answer = self._answered(solver, begin, is_warm=bool(begin))
            runs.append(self._read(rows, answer))
        self._warm = runs[0].status is Status.OPTIMAL
        best = min(reversed(runs), key=lambda run: (run.status not in FINAL, run.x is None and run.dual is None))
        best.seconds = sum(run.seconds or 0.0 for run in runs)
        best.iterations = {"barrier": sum((run.iterations or {})["barrier"] for run in runs)}
        return best

    def _limit(self) -> float | None:
        given: Any = self._settings.get("time_limit_secs")
        return float(given) if given else None  # zero is none, too

    def _answered(self, solver: Any, start: dict[str, FloatArray], *, is_warm: bool) -> dict[str, Any]:
        answer: dict[str, Any] = solver.solve(warm_start=is_warm, **start)
        if answer["info"]["status_val"] == INTERRUPTED:
            self.unload()
            raise KeyboardInterrupt  # which SCS swallowed
        return answer

    def _read(self, rows: SlotRows, answer: dict[str, Any]) -> Result:
        assert self._layout is not None
        info, x, stacked = answer["info"], np.array(answer["x"]), np.zeros(self._layout.m)
        stacked[self._rows] = self._scale * answer["y"][: self._layout.m]
        y = self._layout.up(stacked)
        status, counts = STATUS.get(info["status_val"], Status.OTHER_ERROR), {"barrier": info["iter"]}
        seconds = info["solve_time"] / 1000
        result = judged(rows, Result.of(status, info["status"], x, y, seconds=seconds, iterations=counts))
        if result.status is not status or not _is_bad_guess(rows, result, info):
            return result
        status = Status.TIME_LIMIT if "time_limit" in info["status"] else Status.ITERATION_LIMIT
        return Result.of(status, info["status"], x, y, seconds=seconds, iterations=counts)


def _is_bad_guess(rows: SlotRows, result: Result, info: dict[str, Any]) -> bool:
    """Whether what SCS says at a limit is not even almost so."""
    if result.status is Status.ALMOST_OPTIMAL:
        return distance(rows, result) > ALMOST
    if result.status is Status.ALMOST_INFEASIBLE:
        return bool(info["res_infeas"] > ALMOST)
    return result.status is Status.ALMOST_DUAL_INFEASIBLE and bool(info["res_unbdd_a"] > ALMOST)


def _permuted(stacked: MatrixForm) -> tuple[IntArray, dict[str, Any]]:
    """Our row for each of SCS's, and SCS's cones."""
    rows = np.arange(stacked.m)
    cones: dict[str, Any] = {}
    for (_, set_type), part in stacked.parts.items():
        key, entry = CONES[set_type]
        value = entry(part.sets)
        cones[key] = cones[key] + value if key in cones else value
        if key == "s":
            for start, side in zip(part.starts.tolist(), value, strict=False):
                order = lower_triangle_order(side)
                rows[start : start + len(order)] = start + order
    return rows, cones
