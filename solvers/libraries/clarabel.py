"""Clarabel: convex quadratic conic programs by an interior-point method.

P. J. Goulart and Y. Chen, Clarabel: an interior-point solver for conic programs with quadratic objectives
(2024).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, final

import numpy as np
import scipy.sparse as sp

from ...modelkit import attributes as attr
from ...modelkit.arrays import FloatArray, IntArray
from ...modelkit.form import Abilities, Form, Journal, Stacked
from ...modelkit.form.slot_rows import SlotRows
from ...modelkit.sets import (
    ExponentialCone,
    Nonnegatives,
    PowerCone,
    ScaledPositiveSemidefiniteConeTriangle,
    SecondOrderCone,
    Set,
    Zeros,
)
from ..array_solver import ArraySolver
from ..contract import Start
from ..interrupts import run_noting_interrupts
from ..judging.accuracy import distance, judged
from ..matrices import canonical, group_starts, same_pattern, scale_rows, triangle_side, upper_triangle
from ..options import Option, load_library
from ..result import Result, ResultStatus, Status

__all__ = ["Clarabel"]

STATUS = {
    "Solved": Status.OPTIMAL,
    "AlmostSolved": Status.ALMOST_OPTIMAL,
    "PrimalInfeasible": Status.INFEASIBLE,
    "AlmostPrimalInfeasible": Status.ALMOST_INFEASIBLE,
    "DualInfeasible": Status.DUAL_INFEASIBLE,
    "AlmostDualInfeasible": Status.ALMOST_DUAL_INFEASIBLE,
    "MaxIterations": Status.ITERATION_LIMIT,
    "MaxTime": Status.TIME_LIMIT,
    "NumericalError": Status.NUMERICAL_ERROR,
    "InsufficientProgress": Status.SLOW_PROGRESS,
    "CallbackTerminated": Status.INTERRUPTED,
}
CONES: dict[type[Set], Callable[[Any, Any], list[Any]]] = {
    # set type -> cones of all its constraints, from the library and the `SetBlock`; rows stand as in ours
    Zeros: lambda clarabel, sets: [clarabel.ZeroConeT(int(sets.dims.sum()))],
    Nonnegatives: lambda clarabel, sets: [clarabel.NonnegativeConeT(int(sets.dims.sum()))],
    SecondOrderCone: lambda clarabel, sets: [clarabel.SecondOrderConeT(dim) for dim in sets.dims.tolist()],
    ScaledPositiveSemidefiniteConeTriangle: lambda clarabel, sets: [
        clarabel.PSDTriangleConeT(triangle_side(dim)) for dim in sets.dims.tolist()
    ],
    ExponentialCone: lambda clarabel, sets: [clarabel.ExponentialConeT()] * sets.count,
    PowerCone: lambda clarabel, sets: [clarabel.PowerConeT(shape[0]) for shape in sets.shapes or ()],
}
STALLED = ("MaxIterations", "InsufficientProgress", "NumericalError", "AlmostSolved")
SOLUTIONS = (Status.OPTIMAL, Status.ALMOST_OPTIMAL)
SHORTER = {"max_step_fraction": 0.9}
"""How a run is repeated that ends so.

With the usual 0.99 three of 200,000 projections onto random polyhedra made no progress until no iterations were left;
with 0.9 they are solved. Of projections of Hermitian matrices that end almost solved they lead to points with a
twentieth of the error. It is not for every run, as it costs a few iterations.
"""
CLOSE = 1e-8
"""Residuals of an answer that is almost solved from which no better one is looked for."""
DEFAULTS = {
    "presolve_enable": False,  # it forbids updates in place, and the bridges leave out infinite bounds
    "tol_gap_abs": 1e-10,  # higher than is asked: at a gap g a nearly degenerate x is off by its square root
    "tol_gap_rel": 1e-10,
    "tol_feas": 1e-10,
}


@final
class Clarabel(ArraySolver):
    """min ½ xᵀPx + qᵀx  s.t.  Ax + s = b,  s in K.

    The one-sided rows F x + g of the form (`Stacked`), cones in the order above, give A = -F and b = g. Clarabel's z
    has Px + q + Aᵀz = 0 and lies in the dual cone: it is the dual of docs/design.md, section 5, as it is.

    Parameters
    ----------
    **options
        Settings of Clarabel, such as ``tol_feas=1e-9`` or ``max_iter=50``.
    """

    name = "Clarabel"
    library = "clarabel"
    abilities = Abilities(cones=frozenset(CONES) - {Zeros, Nonnegatives})
    standard_options: ClassVar[dict[type[attr.Attribute], Option]] = {
        attr.Silent: Option("verbose", operator.not_),
        attr.TimeLimitSec: Option("time_limit", float),
        attr.NumberOfThreads: Option("max_threads", int),
        attr.AbsoluteGapTolerance: Option("tol_gap_abs", float),
        attr.RelativeGapTolerance: Option("tol_gap_rel", float),
    }

    def __init__(self, **options: Any) -> None:
        self._solver: Any = None
        self._layout: Stacked | None = None
        super().__init__(**options)

    # ------------------------------------------------------------------ options
    def option_names(self) -> Sequence[str]:
        """All option names that the library knows."""
        settings = load_library("clarabel").DefaultSettings
        return [name for name in dir(settings) if not name.startswith("_") and name != "default"]

    def try_option(self, name: str, value: Any) -> None:
        """Write it into settings."""
        setattr(load_library("clarabel").DefaultSettings(), name, value)

    # ------------------------------------------------------------------ in
    def load_arrays(self, form: Form) -> None:
        """Hand over the upper triangle of P, A = -F, b = g and the cones."""
        library = load_library("clarabel")
        if self._layout is None or not self._layout.fits(form):
            self._layout = Stacked(form, tuple(CONES))
        stacked = self._layout.matrices(form)
        self._cones = [cone for kind, part in stacked.parts.items() for cone in CONES[kind[1]](library, part.sets)]
        self._options = self._all_options(DEFAULTS)
        self._settings = self._write_options(library.DefaultSettings(), self._options)
        self._P, self._A, self._whole_P = upper_triangle(form.P), canonical(-stacked.F), form.P
        self._groups = group_starts(stacked)
        self._places: tuple[IntArray, IntArray] | None = None
        self._scale_and_make(form.q, stacked.g)

    def _scale_and_make(self, q: FloatArray, g: FloatArray) -> None:
        self._scale = self._row_scale(self._A, self._groups)
        scale_rows(self._A, self._scale)
        self._q, self._b = q.copy(), self._scale * g
        self._solver = self._made(self._settings)

    def _made(self, settings: Any) -> Any:
        return load_library("clarabel").DefaultSolver(self._P, self._q, self._A, self._b, self._cones, settings)

    def update_arrays(self, form: Form, journal: Journal) -> bool:
        """Pass on vectors, and matrices whose pattern stayed; not after a presolve."""
        assert self._layout is not None
        if not (self._solver.is_data_update_allowed() and self._layout.fits(form)):
            return False
        given: dict[str, Any] = {}
        if journal.has_curvature:
            P = upper_triangle(form.P)
            if not same_pattern(P, self._P):
                return False
            if not np.array_equal(P.data, self._P.data):
                given["P"] = self._P = P
        if journal.has_entries or not journal.keeps_rows or journal.cone_coefficients:
            A = canonical(-self._layout.matrices(form).F)
            if not same_pattern(A, self._A):
                return False
            given["A"] = self._A = scale_rows(A, self._scale)
        given["q"] = self._q = form.q.copy()
        given["b"] = self._b = self._scale * self._layout.constants(form)
        self._solver.update(**given)
        return True

    def reload(self, form: Form) -> None:
        """The same with the library's own scaling made for the new numbers, which an update would not do."""
        layout = self._layout
        assert layout is not None
        if not (layout.fits(form) and layout.has_pattern(form) and _have_pattern(form.P, self._whole_P)):
            return self.load_arrays(form)
        if self._places is None:
            P, F = form.P.copy(), layout.matrices(form).F
            P.data, F.data = np.arange(1.0, P.nnz + 1.0), np.arange(1.0, F.nnz + 1.0)
            P, A = upper_triangle(P), canonical(F)
            if P.nnz != self._P.nnz or A.nnz != self._A.nnz:  # a canonical form joined or dropped entries
                return self.load_arrays(form)
            self._places = P.data.astype(np.int64) - 1, A.data.astype(np.int64) - 1
        of_P, of_A = self._places
        self._P.data, self._A.data = form.P.data[of_P], -layout.coefficients(form)[of_A]
        return self._scale_and_make(form.q, layout.constants(form))

    # ------------------------------------------------------------------ run, out
    def run(self, form: Form, start: Start | None = None) -> Result:
        """Solve what is loaded, once more with shorter steps if nothing comes of it; Clarabel starts by itself."""
        result = self._run(self._solver)
        if result.raw not in STALLED:
            return result
        rows = SlotRows(form)
        far = distance(rows, result)
        result = judged(rows, result, far)
        if self.options.keys() & {*SHORTER, "max_iter"} or far <= CLOSE:
            return result
        options = self._options | SHORTER
        if "time_limit" in options:
            options["time_limit"] -= result.seconds
        settings = self._write_options(load_library("clarabel").DefaultSettings(), options)
        again = self._run(self._made(settings))
        far_again = distance(rows, again)
        again = judged(rows, again, far_again)
        runs = result, again
        points = [pair for pair in zip((far, far_again), runs, strict=True) if pair[1].status in SOLUTIONS]
        best = again if _has_result(again) else result
        if points:
            best = min(points, key=lambda pair: pair[0])[1]
        best.seconds = sum(run.seconds or 0.0 for run in runs)
        best.iterations = {"barrier": sum((run.iterations or {})["barrier"] for run in runs)}
        return best

    def _run(self, solver: Any) -> Result:
        assert self._layout is not None
        caught: list[Any] = []
        solver.set_termination_callback(lambda info: bool(caught))
        answer = run_noting_interrupts(solver.solve, caught)
        raw = str(answer.status)
        status = STATUS.get(raw, Status.OTHER_ERROR)
        x, y = np.array(answer.x), self._layout.up(self._scale * np.array(answer.z))
        counts = {"barrier": answer.iterations}
        return Result.of(status, raw, x, y, seconds=answer.solve_time, iterations=counts)


def _have_pattern(one: sp.csc_array, other: sp.csc_array) -> bool:
    """Whether entries stand at the same places."""
    return (one.indptr is other.indptr or np.array_equal(one.indptr, other.indptr)) and (
        one.indices is other.indices or np.array_equal(one.indices, other.indices)
    )


def _has_result(result: Result) -> bool:
    """Whether there is a solution or a certificate, be it an inaccurate one."""
    nothing = {ResultStatus.NO_SOLUTION, ResultStatus.UNKNOWN_RESULT_STATUS}
    return not {result.primal_status, result.dual_status} <= nothing
