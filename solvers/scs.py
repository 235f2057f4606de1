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

from ..modelkit import attributes as attr
from ..modelkit.arrays import FloatArray, IntArray
from ..modelkit.block import SetBlock
from ..modelkit.errors import InvalidData
from ..modelkit.form_rows import is_box
from ..modelkit.functions import VectorAffineFunction
from ..modelkit.indices import Kind
from ..modelkit.matrix_form import MatrixForm
from ..modelkit.sets import (
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
from .accuracy import ALMOST, judged, worst_residual
from .base import Change
from .matrices import (
    canonical,
    group_starts,
    lower_triangle_order,
    same_pattern,
    scale_rows,
    triangle_side,
    upper_triangle,
)
from .matrix_solver import MatrixSolver
from .options import Option, load_library, moment
from .result import FINAL, Result, Status

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
class SCS(MatrixSolver):
    """min ½ xᵀPx + cᵀx  s.t.  Ax + s = b,  s in K.

    The rows F x + g of the kinds below, in that order, give A = -F and b = g; within semidefinite cones SCS wants
    the lower triangle column by column, a permutation of ours. SCS's y has Px + c + Aᵀy = 0 and lies in the dual
    cone: it is the dual of DESIGN section 5 as it is. A later solve starts from the last solution, or from
    `VariablePrimalStart` and `ConstraintDualStart` where they are set.

    Parameters
    ----------
    **options
        Settings of SCS, such as ``eps_abs=1e-6`` or ``max_iters=10_000``.
    """

    name = "SCS"
    library = "scs"
    kinds: ClassVar[tuple[Kind, ...]] = tuple((VectorAffineFunction, cone) for cone in CONES)
    standard_options: ClassVar[dict[type[attr.Attribute], Option]] = {
        attr.Silent: Option("verbose", operator.not_),
        attr.TimeLimitSec: Option("time_limit_secs", moment),
    }

    def __init__(self, **options: Any) -> None:
        self._solver: Any = None
        self._warm = False
        super().__init__(**options)

    # ------------------------------------------------------------------ options
    def option_names(self) -> Sequence[str]:
        """All option names that the library knows."""
        choice = ("linear_solver",) if hasattr(load_library("scs"), "LinearSolver") else ()
        return (*OPTIONS, *FILES, *choice)

    def _try_option(self, name: str, value: Any) -> None:
        if name == "verbose" or name in FILES:  # a trial would print, or write
            if not isinstance(value, bool if name == "verbose" else str):
                raise TypeError("a truth value is wanted" if name == "verbose" else "a path is wanted")
            return
        one = {"A": sp.csc_matrix([[1.0]]), "b": np.ones(1), "c": np.ones(1)}
        load_library("scs").SCS(one, {"l": 1}, **{"verbose": False, name: value})

    # ------------------------------------------------------------------ in
    def load(self, form: MatrixForm) -> None:
        """Hand over the upper triangle of P, A = -F, b = g and the cones."""
        self._rows, cones = _layout(form)
        self._P, self._A = upper_triangle(form.P), canonical(-form.F.tocsr()[self._rows])
        self._scale = self._row_scale(self._A, group_starts(form))
        scale_rows(self._A, self._scale)
        if not form.m:
            cones = {"l": 1}
        settings = {name: value for name, value in DEFAULTS.items() if name in self.option_names()}
        options = self.effective_options()
        own, ours = {"rho_x": _OWN_RHO}, {"rho_x": DEFAULTS["rho_x"]}
        one, other = (own, ours) if not form.P.nnz and all(is_box(kind) for kind in form.parts) else (ours, own)
        tries = ({**one, "max_iters": _FIRST}, {**other, "max_iters": _ALL}, {**one, "max_iters": _ALL - _FIRST})
        is_chosen = not options.keys().isdisjoint(("rho_x", "max_iters"))
        if self.is_plain:
            del settings["rho_x"]
        self._tries = ({},) if self.is_plain or is_chosen else tries
        self._cones, self._settings = cones, settings | options
        self._warm = False
        try:
            self._solver = load_library("scs").SCS(self._data(form), cones, **(self._settings | self._tries[0]))
        except ValueError as error:
            raise InvalidData(
                f"SCS refuses the model or an option ({error}); the options given: {self.options}."
            ) from error

    def _data(self, form: MatrixForm) -> dict[str, Any]:
        data = {"P": self._P if self._P.nnz else None, "A": self._A, "b": self._b(form), "c": form.q}
        if not form.m:  # SCS wants a row: 0 x <= 1
            data |= {"A": sp.csc_matrix((1, form.n)), "b": np.ones(1)}
        return data

    def _b(self, form: MatrixForm) -> FloatArray:
        return self._scale * form.g[self._rows]

    def update(self, form: MatrixForm, changes: set[str]) -> bool:
        """Pass on vectors; other matrices SCS must factorize anew."""
        if Change.OBJECTIVE in changes:
            P = upper_triangle(form.P)
            if not (same_pattern(P, self._P) and np.array_equal(P.data, self._P.data)):
                return False
        if Change.COEFFICIENTS in changes:
            A = canonical(-form.F.tocsr()[self._rows])
            if not (same_pattern(A, self._A) and np.array_equal(A.data * self._scale[A.indices], self._A.data)):
                return False
        moved = Change.NUMBERS in changes or Change.COEFFICIENTS in changes
        self._solver.update(
            b=self._b(form) if moved and form.m else None, c=form.q if Change.OBJECTIVE in changes else None
        )
        return True

    def _start(self, form: MatrixForm) -> dict[str, FloatArray]:
        """Where the user wants the solve to start; what is not said is zero."""
        x, y = self._start_at(form)
        if (x is None and y is None) or not form.m:
            return {}
        x, y = np.zeros(form.n) if x is None else x, np.zeros(form.m) if y is None else y
        return {"x": x, "y": y[self._rows] / self._scale, "s": self._b(form) - self._A @ x}

    # ------------------------------------------------------------------ run, out
    def run(self, form: MatrixForm) -> Result:
        """Solve what is loaded."""
        if np.abs(self._b(form)).max(initial=0.0) > _OVERFLOWS:
            raw = f"not passed on: SCS overflows with constants beyond {_OVERFLOWS:g}"
            return Result(Status.NUMERICAL_ERROR, raw, seconds=0.0)
        start, limit, spent = self._start(form), self._limit(), 0.0
        answer = first = self._answered(self._solver, start, is_warm=bool(start) or self._warm)
        runs = [self._read(form, answer)]
        for number, settings in enumerate(self._tries[1:]):
            spent += runs[-1].seconds or 0.0
            if answer["info"]["status_val"] in _SAID or (limit is not None and spent >= limit):
                break
            left = {} if limit is None else {"time_limit_secs": limit - spent}
            if number == 1 and all(np.isfinite(first[name]).all() for name in "xys"):
                start = {name: first[name] for name in "xys"}
            solver = load_library("scs").SCS(self._data(form), self._cones, **(self._settings | settings | left))
            answer = self._answered(solver, start, is_warm=bool(start))
            runs.append(self._read(form, answer))
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
            self._restructured()
            raise KeyboardInterrupt  # which SCS swallowed
        return answer

    def _read(self, form: MatrixForm, answer: dict[str, Any]) -> Result:
        info, x, y = answer["info"], np.array(answer["x"]), np.zeros(form.m)
        y[self._rows] = self._scale * answer["y"][: form.m]
        status, counts = STATUS.get(info["status_val"], Status.OTHER_ERROR), {"barrier": info["iter"]}
        seconds = info["solve_time"] / 1000
        result = judged(form, Result.of(status, info["status"], x, y, seconds=seconds, iterations=counts))
        if result.status is not status or not _is_bad_guess(status, form, info, x, y):
            return result
        status = Status.TIME_LIMIT if "time_limit" in info["status"] else Status.ITERATION_LIMIT
        return Result.of(status, info["status"], x, y, seconds=seconds, iterations=counts)


def _is_bad_guess(status: Status, form: MatrixForm, info: dict[str, Any], x: FloatArray, y: FloatArray) -> bool:
    """Whether what SCS says at a limit is not even almost so."""
    if status is Status.ALMOST_OPTIMAL:
        return worst_residual(form, x, y) > ALMOST
    if status is Status.ALMOST_INFEASIBLE:
        return bool(info["res_infeas"] > ALMOST)
    return status is Status.ALMOST_DUAL_INFEASIBLE and bool(info["res_unbdd_a"] > ALMOST)


def _layout(form: MatrixForm) -> tuple[IntArray, dict[str, Any]]:
    """Our row for each of SCS's, and SCS's cones."""
    rows = np.arange(form.m)
    cones: dict[str, Any] = {}
    for (_, set_type), part in form.parts.items():
        key, entry = CONES[set_type]
        value = entry(part.sets)
        cones[key] = cones[key] + value if key in cones else value
        if key == "s":
            for start, side in zip(part.starts.tolist(), value, strict=False):
                order = lower_triangle_order(side)
                rows[start : start + len(order)] = start + order
    return rows, cones
