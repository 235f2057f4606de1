r"""One-sided derivatives of linear and convex quadratic programs.

Let some active rows of :math:`\min \tfrac12 x^TPx + c^Tx,\ Ax + s = b` have multipliers that are zero. In a direction
that moves the conditions by :math:`r_1` and :math:`r_2` (docs/design.md, section 6) the solution then moves as that of
the quadratic program

.. math::

    \min_d \tfrac12 d^TPd - r_1^T d \quad \text{subject to} \quad
    A_S d = (r_2)_S, \quad A_W d \le (r_2)_W,

with S the rows whose multipliers are not zero and W the others that are active (S. M. Robinson, *Local structure of
feasible sets in nonlinear programming III*, Mathematical Programming Study 30 (1987), 45-66); its multipliers are dy.

Where the multipliers are not unique, those count that make the most of the direction, :math:`\max -r_2^T y` over all of
them: the multipliers of :math:`\min (Px + c)^T d` subject to all active rows, linearized (D. Ralph, S. Dempe,
*Directional derivatives of the solution of a parametric nonlinear program*, Mathematical Programming 70 (1995),
159-172, theorem 2). S are the rows where any of these are not zero. Coefficients of rows enter :math:`r_1` times the
multipliers, so that where they move the answer is not that of one such program, and is refused.
"""

from __future__ import annotations

from typing import final

import numpy as np
import scipy.sparse as sp

from ..modelkit.arrays import FloatArray, IntArray
from ..modelkit.errors import DifferentiationError, Unsupported
from ..modelkit.form.matrix_form import MatrixForm
from .active_set import polish
from .kkt import Mask, automatic
from .one_sided_solution import OneSidedSolution
from .polished_solution import PolishedSolution
from .standard_form import Matrices, StandardForm

__all__ = ["OneSided"]

_ROUNDING = 1e-12
"""Part of its terms up to which a move to the wrong side is a rounding error."""


@final
class OneSided:
    """The one-sided derivative at a solution.

    Parameters
    ----------
    rows : the program, ``F x + g`` zero or at least zero
    zeros : how many rows are zero, the first ones
    solution : of it
    """

    def __init__(self, rows: MatrixForm, zeros: int, solution: OneSidedSolution) -> None:
        self._solution = solution
        tight, weak = solution.tight, solution.weakly_active
        self._size = rows.m
        self._at: IntArray = np.flatnonzero(tight | weak)
        self._equal: Mask = self._at < zeros
        self._strong: Mask = self._equal | ~weak[self._at]
        self._P, self._A = rows.P, sp.csr_array(-rows.F)[self._at]
        self._gradient: FloatArray = np.asarray(rows.P @ solution.x + rows.q)
        self._y = solution.y[self._at]
        self._linear: Matrices | None = None
        self._programs: dict[bytes, Matrices] = {}
        system = automatic(self._P, self._A)
        self._unique_duals, self._unique = not system.dual_nullity, not solution.system.primal_nullity

    def push(self, primal: FloatArray, rows: FloatArray, turns: bool) -> tuple[FloatArray, FloatArray]:
        """(dx, dy) from right-hand sides (n, K) and (m, K); `turns` says that coefficients of rows may move.

        Raises
        ------
        DifferentiationError
            If the moved program has no solution nearby.
        Unsupported
            If coefficients of rows move, and the multipliers are not unique.
        """
        if turns and not self._unique_duals:
            raise Unsupported(
                "One-sided derivatives in the coefficients of constraints are those of one quadratic program only "
                "where the duals are unique, which they are not here: active rows depend on one another. Drop one of "
                "them, or set DifferentiationPolicy() to 'smoothed' or 'generalized'."
            )
        b = rows[self._at]
        dx, dy = self._solution.solve(primal, rows)
        known = self._hold(dx, dy, b)
        for k in np.flatnonzero(~known).tolist():
            dx[:, k], dy[:, k] = self._along(primal[:, k], b[:, k], dx[:, k], dy[self._at, k])
        return dx, dy

    def _hold(self, dx: FloatArray, dy: FloatArray, b: FloatArray) -> Mask:
        """(K,) for which directions the chosen active rows are the right ones: all signs hold already."""
        if not (self._unique_duals and self._unique):
            return np.zeros(dx.shape[1], bool)
        weak = ~self._strong
        A, own = self._A[np.flatnonzero(weak)], dy[self._at[weak]]
        inside = self._solution.active[self._at[weak]][:, None]
        slack, terms = b[weak] - A @ dx, np.abs(b[weak]) + abs(A) @ np.abs(dx)
        return np.asarray(np.where(inside, own >= 0.0, slack >= -_ROUNDING * terms).all(axis=0))

    def _along(
        self, primal: FloatArray, b: FloatArray, dx: FloatArray, dy: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """One direction, from a first guess."""
        strong = self._strong
        if not self._unique_duals and b.any():
            strong = self._preferred(b)
        order = np.concatenate([np.flatnonzero(strong), np.flatnonzero(~strong)])
        key = strong.tobytes()
        if key not in self._programs:
            self._programs[key] = Matrices(self._P, self._A[order])
        matrices = self._programs[key]
        form = StandardForm.of_upper(matrices.P, -primal, matrices.B, b[order], int(strong.sum()))
        found = polish(form, dx, dy[order], matrices=matrices)
        _require(found)
        moved = np.zeros(self._size)
        moved[self._at[order]] = found.y
        return found.x, moved

    def _preferred(self, b: FloatArray) -> Mask:
        """The rows in which some of the multipliers that the direction prefers are not zero, and the equalities."""
        if self._linear is None:
            self._linear = Matrices(sp.csc_array(self._P.shape), self._A)
        form = StandardForm.of_upper(self._linear.P, self._gradient, self._linear.B, b, int(self._equal.sum()))
        found = polish(form, np.zeros(len(self._gradient)), self._y, matrices=self._linear)
        _require(found)
        preferred: Mask = self._equal | ((found.tight[0] != 0) & ~found.weakly_active)
        return preferred


def _require(found: PolishedSolution) -> None:
    if not found.polished:
        raise DifferentiationError(
            "There is no one-sided derivative in this direction: as soon as the data move along it, the model has no "
            "solution, or none near this one."
        )
