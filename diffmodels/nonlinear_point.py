"""A solution of a nonlinear program made exact, with the system that differentiates it."""

from __future__ import annotations

from typing import Any, final

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike

from ..modelkit.arrays import FloatArray
from ..modelkit.attributes import DifferentiationStatusCode, Refinement
from ..modelkit.form.matrix_form import MatrixForm
from .active_set import polish
from .certainty import ACCURACY
from .kkt import KKTSystem, Mask
from .kkt.inertia import is_minimum
from .local_program import LocalProgram, RowPlaces
from .polished_solution import PolishedSolution
from .slope import Solve

__all__ = ["NonlinearPoint", "polished"]

_STEPS = 25
_SETTLED = 1e-14
"""A step of so much, relative to the point, is rounding error."""
_SLOW, _FAR = 0.25, 1e-8
"""Newton's last step, relative to the one before and to the point, from which on it converges but linearly."""
_CODES = DifferentiationStatusCode


@final
class NonlinearPoint:
    """A stationary point with the local program at which its derivatives are read.

    Parameters
    ----------
    form : the nonlinear program
    local : the program at the point
    found : its solution, which is the point
    before : largest relative violation of the optimality conditions of the given point
    is_minimum : whether the second-order condition holds: curvature in all directions that active rows leave
    slow : (n, 0), or (n, 1) where Newton's method came near linearly, its last step: there curvature vanishes at the
        solution only, as that of x⁴ at 0 (by the factor 2/3 a step; Decker, Keller & Kelley 1983)
    """

    def __init__(
        self,
        form: MatrixForm,
        local: LocalProgram,
        found: PolishedSolution,
        before: float,
        *,
        is_minimum: bool,
        slow: FloatArray,
    ) -> None:
        self._form, self._local, self._found = form, local, found
        self.x: FloatArray = found.x
        self.y = local.up(found.y)
        self.refinement = Refinement(before, found.refinement.after)
        self.is_minimum, self._slow = is_minimum, slow

    @property
    def status(self) -> DifferentiationStatusCode:
        """What the derivatives are; at a saddle they are those of the stationary point."""
        status = self._found.status
        if status is _CODES.INACCURATE:
            return status
        if not self.is_minimum:
            return _CODES.SADDLE
        if self._slow.size:
            return _CODES.NONUNIQUE
        return _CODES.WEAKLY_ACTIVE if self._local.at_kinks.any() and status is _CODES.EXACT else status

    @property
    def mismatch(self) -> float:
        """Relative difference of forward and reverse mode at random right-hand sides."""
        return self._found.mismatch

    @property
    def system(self) -> KKTSystem:
        """The factorized system of the local program."""
        return self._found.tight[1]

    @property
    def local_matrices(self) -> tuple[sp.csc_array, sp.csr_array]:
        """Hessian of the Lagrangian (n, n), and gradients of the equations, graphs and active rows."""
        return self._local.P, self._local.standard.A[self._found.active]

    @property
    def margin(self) -> tuple[float, int]:
        """By how much, relative to their terms, the data may move before a row is at its kink; and which, or -1."""
        margin, row, _ = self._found.kinks.nearest()
        if row < 0:
            return margin, row
        one = np.zeros(len(self._found.y))
        one[row] = 1.0
        return margin, int(np.argmax(np.abs(self._local.up(one))))

    def _rows(self, mask: Mask) -> Mask:
        found: Mask = self._local.up(mask.astype(np.float64)) != 0.0
        return found

    @property
    def rows_at_fault(self) -> Mask:
        """(m,): the rows that keep the status from being EXACT."""
        return self._rows(self._found.rows_at_fault) | self._local.at_kinks

    @property
    def weakly_active(self) -> Mask:
        """(m,): the rows at a kink."""
        return self._rows(self._found.weakly_active) | self._local.at_kinks

    @property
    def active(self) -> Mask:
        """(m,): the rows in the system."""
        return self._rows(self._found.active)

    def bends(self, columns: Mask) -> bool:
        """Whether the derivative of some variables depends on the multipliers: with curved rows, where these do."""
        return True

    def on_kinks(self, values: FloatArray) -> FloatArray:
        """(m, k) in the weakly active rows alone."""
        return values * self.weakly_active[:, None]

    @property
    def freedom(self) -> tuple[FloatArray, FloatArray]:
        """(n, p) and (m, d): how x and y can move."""
        primal, dual = self._found.freedom
        return np.hstack([primal, self._slow]), self._local.up(dual)

    def solve(self, primal: ArrayLike, rows: ArrayLike | None = None) -> tuple[FloatArray, FloatArray]:
        """(dx, dy) from the right-hand sides of one or many directions, or (w_x, w_y) from seeds."""
        return self._solved(self._found.solve, primal, rows)

    def without_kinks(self) -> Solve:
        """`solve` without the rows at a kink; of least norm where the others leave something open."""
        strong = self._found.without_kinks()
        return lambda primal, rows: self._solved(strong, primal, rows)

    def _solved(self, solve: Any, primal: ArrayLike, rows: ArrayLike | None) -> tuple[FloatArray, FloatArray]:
        r"""By the local program.

        Moves r of the rows' values at the same x turn the normals of graphs. With F all rows, N the normals and B the
        second derivatives of operators times multipliers, ``dx, dλ`` solve the system for ``p - FᵀB r`` and ``N r``,
        and ``dy = Nᵀdλ - B (F dx + r)``: symmetric, as the system is.
        """
        local, F = self._local, self._form.F
        upper = np.asarray(primal, np.float64)
        if rows is None:
            lower, bent = None, np.zeros((self._form.m, *upper.shape[1:]))
        else:
            given = np.asarray(rows, np.float64)
            bent = local.bend @ given
            upper, lower = upper - F.T @ bent, local.pulled(given)
        dx, multipliers = solve(upper, lower)
        return dx, local.up(multipliers) - local.bend @ (F @ dx) - bent


def polished(
    form: MatrixForm, places: RowPlaces, x: FloatArray, y: FloatArray, activity: FloatArray | None, solve_with: Any
) -> NonlinearPoint:
    """The stationary point near (x, y), by Newton's method on local programs (sequential quadratic programming)."""
    before, moved = np.inf, np.inf
    for step in range(_STEPS):
        local = LocalProgram(form, places, x, y)
        basis = None if activity is None else local.down(activity)
        found = polish(local.standard, x, local.down(y), basis, solve_with)
        if step == 0:
            before = found.refinement.before
        move = found.x - x
        size = float(np.abs(move).max(initial=0.0))
        last, moved = moved, size / (1.0 + float(np.abs(x).max(initial=0.0)))
        is_settled = moved <= _SETTLED or (found.refinement.before <= ACCURACY * 1e-3 and step > 0)
        if is_settled or not np.isfinite(found.x).all():
            break
        x, y = found.x, local.up(found.y)
    is_slow = np.isfinite(size) and moved > max(_FAR, _SLOW * last)
    return NonlinearPoint(
        form,
        local,
        found,
        before,
        is_minimum=is_minimum(local.P, local.standard.A[found.active]),
        slow=(move / size)[:, None] if is_slow else np.zeros((form.n, 0)),
    )
