"""PIQP: a proximal interior-point method for convex quadratic programs, fast on small and on sparse ones.

R. Schwan, Y. Jiang, D. Kuhn, C. N. Jones, *PIQP: a proximal interior-point quadratic programming solver*, 62nd IEEE
Conference on Decision and Control (2023), 1088-1093.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, ClassVar, final

import numpy as np

from ..modelkit import attributes as attr
from ..modelkit.arrays import FloatArray
from ..modelkit.functions import VectorAffineFunction
from ..modelkit.indices import Kind
from ..modelkit.matrix_form import MatrixForm
from ..modelkit.sets import Nonnegatives, Zeros
from .matrices import canonical, scale_rows
from .matrix_solver import Candidate, MatrixSolver
from .options import Option, load_library
from .result import Result, Status

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
class PIQP(MatrixSolver):
    """min ½ xᵀPx + qᵀx  s.t.  Ax = b,  Gx <= h.

    The rows F x + g of the kinds below, in that order, give A = -F, b = g in zero cones, and G = -F, h = g in
    nonnegative ones. PIQP's y and z have Px + q + Aᵀy + Gᵀz = 0, z >= 0: they are the duals of DESIGN section 5 as they
    are. Certificates of infeasible and unbounded models are found here (`rays`).

    Parameters
    ----------
    **options
        Settings of PIQP, such as ``eps_abs=1e-8`` or ``max_iter=100``.
    """

    name = "PIQP"
    library = "piqp"
    kinds: ClassVar[tuple[Kind, ...]] = ((VectorAffineFunction, Zeros), (VectorAffineFunction, Nonnegatives))
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
        super().__init__(**options)

    # ------------------------------------------------------------------ options
    def option_names(self) -> Sequence[str]:
        """All option names that the library knows."""
        return [name for name in dir(load_library("piqp").DenseSolver().settings) if not name.startswith("_")]

    def _option_changed(self, attribute: attr.Attribute, value: Any) -> None:
        super()._option_changed(attribute, value)
        self._dense = None

    def _try_option(self, name: str, value: Any) -> None:
        setattr(load_library("piqp").DenseSolver().settings, name, value)

    # ------------------------------------------------------------------ in
    def load(self, form: MatrixForm) -> None:
        """Hand over P, q, A, b, G and h, dense or sparse."""
        size, entries = form.n + form.m, form.P.nnz + form.F.nnz
        is_dense = size <= _DENSE_ORDER and entries >= _DENSE_SHARE * form.n * size
        self._solver = self._new("DenseSolver" if is_dense else "SparseSolver")
        part = form.parts.get(self.kinds[0])
        zeros = part.rows.stop if part else 0
        A = canonical(-form.F)
        self._scale = self._row_scale(A)
        scale_rows(A, self._scale)
        g = np.minimum(self._scale * form.g, _FARTHEST)
        if is_dense:
            P, rows = np.asfortranarray(form.P.toarray()), A.toarray()
            above, below = np.asfortranarray(rows[:zeros]), np.asfortranarray(rows[zeros:])
        else:
            P, above, below = canonical(form.P), canonical(A[:zeros]), canonical(A[zeros:])
        self._solver.setup(P=P, c=form.q, A=above, b=g[:zeros], G=below, h_u=g[zeros:])

    def _new(self, method: str) -> Any:
        solver = getattr(load_library("piqp"), method)()
        self._write_options(solver.settings, self._all_options(DEFAULTS))
        return solver

    # ------------------------------------------------------------------ run, out
    def run(self, form: MatrixForm) -> Result:
        """Solve what is loaded."""
        self._solver.solve()
        answer = self._solver.result
        info, raw = answer.info, answer.info.status.name
        status, counts = STATUS.get(raw, Status.OTHER_ERROR), {"barrier": info.iter}
        if status in (Status.INFEASIBLE, Status.DUAL_INFEASIBLE):  # PIQP gives no certificates: `reconsidered` does
            return Result(status, raw, seconds=info.run_time, iterations=counts)
        x, dual = np.array(answer.x), self._scale * np.concatenate([answer.y, answer.z_u])
        return Result.of(status, raw, x, dual, seconds=info.run_time, iterations=counts)

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
