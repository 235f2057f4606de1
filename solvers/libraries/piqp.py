"""PIQP: a proximal interior-point method for convex quadratic programs, fast on small and on sparse ones.

R. Schwan, Y. Jiang, D. Kuhn, C. N. Jones, *PIQP: a proximal interior-point quadratic programming solver*, 62nd IEEE
Conference on Decision and Control (2023), 1088-1093.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from ...modelkit import attributes as attr
from ...modelkit.arrays import FloatArray, IntArray
from ...modelkit.form import Abilities, Form, Journal, rows_at
from ..array_solver import ArraySolver, Candidate, closed_sides
from ..contract import Start
from ..matrices import canonical, same_pattern, scale_rows
from ..options import Option, load_library
from ..result import Result, Status

__all__ = ["PIQP"]

STATUS = {
    "PIQP_SOLVED": Status.OPTIMAL,
    "PIQP_PRIMAL_INFEASIBLE": Status.INFEASIBLE,
    "PIQP_DUAL_INFEASIBLE": Status.DUAL_INFEASIBLE,
    "PIQP_MAX_ITER_REACHED": Status.ITERATION_LIMIT,
    "PIQP_NUMERICS": Status.NUMERICAL_ERROR,
    "PIQP_INVALID_SETTINGS": Status.INVALID_OPTION,
}
DEFAULTS = {
    "eps_abs": 1e-10,
    "eps_rel": 1e-11,
    "check_duality_gap": True,
    "eps_duality_gap_abs": 1e-12,  # a weakly active multiplier is off by the square root of the gap
    "eps_duality_gap_rel": 1e-12,
    "compute_timings": True,  # without it the times are zero; it costs less than 1 µs
}
_FARTHEST = 1e29
"""The farthest bound: from 1e30 on PIQP leaves a row out and prints that it does."""
_DENSE_ORDER, _DENSE_SHARE = 400, 0.2
"""A form of at most this many columns and rows, and at least this share of entries, goes to the dense method."""


@final
class _Layout:
    """Which slots PIQP has: equalities in its A, other rows in its G, and other bounds of columns as bounds."""

    def __init__(self, sides: FloatArray, m: int) -> None:
        self._masks = self._masks_of(sides)
        is_equal, is_there = self._masks
        others = np.flatnonzero(is_there & ~is_equal)
        self.equal: IntArray = np.flatnonzero(is_equal)
        self.ranges, self.bounded = others[others < m], others[others >= m]
        self.rows: IntArray = np.concatenate([self.equal, self.ranges])

    @staticmethod
    def _masks_of(sides: FloatArray) -> NDArray[np.bool_]:
        """Which sides are equal, and which slots have one."""
        lower, upper = sides
        masks = np.empty((2, len(lower)), bool)
        np.equal(lower, upper, out=masks[0])
        np.logical_or(lower > -np.inf, upper < np.inf, out=masks[1])
        return masks

    def fits(self, sides: FloatArray) -> bool:
        """Whether other sides make the same layout."""
        return bool((self._masks_of(sides) == self._masks).all())


@final
class PIQP(ArraySolver):
    """min ½ xᵀPx + qᵀx  s.t.  Ax = b,  h_l <= Gx <= h_u,  x_l <= x <= x_u.

    Rows with equal sides, and unit rows of fixed columns, are those of A; other rows those of G. PIQP's duals have
    Px + q + Aᵀy + Gᵀ(z_u - z_l) + z_bu - z_bl = 0, all z >= 0: those of docs/design.md, section 5, are -y,
    z_l - z_u and z_bl - z_bu. Certificates of infeasible and unbounded models are found here (`rays`).

    Parameters
    ----------
    **options
        Settings of PIQP, such as ``eps_abs=1e-8`` or ``max_iter=100``.
    """

    name = "PIQP"
    library = "piqp"
    abilities = Abilities()
    standard_options: ClassVar[dict[type[attr.Attribute], Option]] = {
        attr.Silent: Option("verbose", operator.not_),
        attr.NumberOfThreads: Option("num_threads", int),
        attr.AbsoluteGapTolerance: Option("eps_duality_gap_abs", float),
        attr.RelativeGapTolerance: Option("eps_duality_gap_rel", float),
    }

    # Measured with 0.7.0: a thread beside makes no step during setup and solve, be they dense or sparse; in a solve of
    # 3.3 s its longest pause was 3.3 s (beside Clarabel, 9 ms in 2.1 s).
    releases_gil = False

    def __init__(self, **options: Any) -> None:
        self._solver: Any = None
        self._dense: Any = None  # made once: set up anew, it forgets all that it has solved
        self._is_dense = False
        super().__init__(**options)

    # ------------------------------------------------------------------ options
    def option_names(self) -> Sequence[str]:
        """All option names that the library knows."""
        return [name for name in dir(load_library("piqp").DenseSolver().settings) if not name.startswith("_")]

    def option_changed(self, name: str, value: Any) -> None:
        """Have the library look at a value; what was made with others is gone."""
        super().option_changed(name, value)
        self._dense = None

    def try_option(self, name: str, value: Any) -> None:
        """Write it into settings."""
        setattr(load_library("piqp").DenseSolver().settings, name, value)

    # ------------------------------------------------------------------ in
    def load_arrays(self, form: Form) -> None:
        """Hand over all arrays, dense or sparse."""
        sides = np.stack(closed_sides(form))
        self._layout = _Layout(sides, form.m)
        A = canonical(rows_at(form, self._layout.rows))
        size, entries = form.n + A.shape[0], form.P.nnz + A.nnz
        self._is_dense = size <= _DENSE_ORDER and entries >= _DENSE_SHARE * form.n * size
        self._solver = self._new("DenseSolver" if self._is_dense else "SparseSolver")
        self._scale = self._row_scale(A)
        self._A, self._P = scale_rows(A, self._scale), canonical(form.P)
        self._solver.setup(c=form.q, P=self._curvature(), **self._rows(), **self._vectors(form, sides))

    def update_arrays(self, form: Form, journal: Journal) -> bool:
        """Pass on vectors, and matrices whose pattern stayed: PIQP scales them afresh, and keeps the symbolic part."""
        sides = np.stack(closed_sides(form))
        if not self._layout.fits(sides):
            return False
        P = canonical(form.P) if journal.has_curvature else self._P
        A = self._A
        if journal.has_entries or not journal.keeps_rows:
            A = scale_rows(canonical(rows_at(form, self._layout.rows)), self._scale)
        if not (self._is_dense or (same_pattern(P, self._P) and same_pattern(A, self._A))):
            return False
        matrices: dict[str, Any] = {}
        new_P, new_A = P is not self._P, A is not self._A
        self._P, self._A = P, A
        if new_P:
            matrices["P"] = self._curvature()
        if new_A:
            matrices |= self._rows()
        self._solver.update(c=form.q, **matrices, **self._vectors(form, sides))
        return True

    def _curvature(self) -> Any:
        return np.asfortranarray(self._P.toarray()) if self._is_dense else self._P

    def _rows(self) -> dict[str, Any]:
        zeros = len(self._layout.equal)
        if self._is_dense:
            rows = self._A.toarray()
            return {"A": np.asfortranarray(rows[:zeros]), "G": np.asfortranarray(rows[zeros:])}
        return {"A": canonical(self._A[:zeros]), "G": canonical(self._A[zeros:])}

    def _vectors(self, form: Form, sides: FloatArray) -> dict[str, FloatArray]:
        """The sides of rows and columns, scaled, none but infinite ones beyond the farthest."""
        layout, zeros = self._layout, len(self._layout.equal)
        sides = np.where(np.isfinite(sides), np.minimum(np.maximum(sides, -_FARTHEST), _FARTHEST), sides)
        bounds = np.array([[-np.inf], [np.inf]]).repeat(form.n, axis=1)
        bounds[:, layout.bounded - form.m] = sides[:, layout.bounded]
        ranges = self._scale[zeros:] * sides[:, layout.ranges]
        equal = self._scale[:zeros] * sides[1, layout.equal]
        return {"b": equal, "h_l": ranges[0], "h_u": ranges[1], "x_l": bounds[0], "x_u": bounds[1]}

    def _new(self, method: str) -> Any:
        solver = getattr(load_library("piqp"), method)()
        self._write_options(solver.settings, self._all_options(DEFAULTS))
        return solver

    # ------------------------------------------------------------------ run, out
    def run(self, form: Form, start: Start | None = None) -> Result:
        """Solve what is loaded; PIQP starts by itself."""
        self._solver.solve()
        answer = self._solver.result
        info, raw = answer.info, answer.info.status.name
        status, counts = STATUS.get(raw, Status.OTHER_ERROR), {"barrier": info.iter}
        if status in (Status.INFEASIBLE, Status.DUAL_INFEASIBLE):  # PIQP gives no certificates: `reconsidered` does
            return Result(status, raw, seconds=info.run_time, iterations=counts)
        layout, dual = self._layout, np.zeros(form.slots.size)
        dual[layout.rows] = self._scale * np.concatenate([-answer.y, answer.z_l - answer.z_u])
        dual[layout.bounded] = (answer.z_bl - answer.z_bu)[layout.bounded - form.m]
        return Result.of(status, raw, np.array(answer.x), dual, seconds=info.run_time, iterations=counts)

    def candidates(self, P: FloatArray, q: FloatArray, F: FloatArray, g: FloatArray, zeros: int) -> list[Candidate]:
        """By the dense method, without scaling."""
        if self._dense is None:
            self._dense = self._new("DenseSolver")
        solver, A, found = self._dense, -F, list[Candidate]()
        for k in range(len(q)):
            Ak = A[k % len(A)]
            solver.setup(P[k % len(P)].T, q[k], Ak[:zeros], g[k, :zeros], Ak[zeros:], h_u=g[k, zeros:])
            is_solved, answer = solver.solve().name == "PIQP_SOLVED", solver.result
            found.append((np.array(answer.x), np.concatenate([answer.y, answer.z_u])) if is_solved else None)
        return found
