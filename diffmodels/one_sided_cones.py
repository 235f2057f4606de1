r"""One-sided derivatives of conic programs.

At a kink the projection still has a derivative in each direction: in the axes of the spectrum it is ``δ`` times the
move as elsewhere, but for the axes of the kink, in which it is itself a projection, onto a half-line (of an inequality,
and of a cone on its boundary), onto a whole cone (at its apex), or onto the semidefinite matrices
over the eigenvalues that are zero (J. F. Bonnans, A. Shapiro, *Perturbation Analysis of Optimization Problems*, 2000,
section 5.3; D. Sun, J. Sun, *Semismooth matrix-valued functions*, Mathematics of Operations Research 27 (2002),
150-169; J. V. Outrata, D. Sun, *On the coderivative of the projection operator onto the second-order cone*, Set-Valued
Analysis 16 (2008), 999-1014). So with A in these axes, the solution moves as that of

.. math::

    \min_{d,u} \tfrac12 d^TPd - r_1^T d + \tfrac12 \|u\|^2 \quad \text{subject to} \quad
    A_S d - C^{1/2} u = r_2, \quad r_2 - A_K d \in K,

P the Hessian of the Lagrangian, S the axes with δ > 0, C = diag(1/δ - 1), and K what is projected on at the kinks.

Where the multipliers are not unique, those count that make the most of the direction, as for quadratic programs
(`preferred_multipliers`). The curvature is linear in them, and the largest one counts:

.. math:: \min_d \max_y \tfrac12 d^T(P_y + A^TC_y^{-1}A)d - r_1^T d

over all multipliers y that the direction prefers (Bonnans and Shapiro, theorem 5.53; A. Shapiro, *First and second
order analysis of nonlinear semidefinite programs*, Mathematical Programming 77 (1997), 301-320): by steps towards the
one that bends most along the move found (M. Frank, P. Wolfe, *An algorithm for quadratic programming*, Naval Research
Logistics Quarterly 3 (1956), 95-110), which end in a corner soon, or on an edge.
"""

from __future__ import annotations

from typing import final

import numpy as np
import scipy.optimize as spo
import scipy.sparse as sp

from ..modelkit.arrays import FloatArray
from ..modelkit.errors import Unsupported
from .cone_program import ConeProgram, Curvature
from .conic_point import ConicPoint
from .conic_system import Iterate
from .kkt import automatic
from .preferred_multipliers import PreferredMultipliers

__all__ = ["OneSidedCones"]

_SAME = 1e-9
"""Part of a curvature up to which others are the same."""
_ROUNDS = 20
_ADVICE = "Drop one of them, or set DifferentiationPolicy() to 'smoothed' or 'generalized'."


@final
class OneSidedCones:
    """The one-sided derivative at a solution of a conic program.

    Parameters
    ----------
    solution : which is at a kink, or whose multipliers are not unique
    """

    def __init__(self, solution: ConicPoint) -> None:
        self._at, axes = solution.kinked
        self._program = ConeProgram(self._at, axes, Curvature(self._at, axes))
        self._preferred: PreferredMultipliers | None = None
        self._unique = not automatic(sp.csc_array(self._at.P.shape), self._program.A).dual_nullity

    def push(self, primal: FloatArray, rows: FloatArray, turns: bool) -> tuple[FloatArray, FloatArray]:
        """(dx, dy) from right-hand sides (n, K) and (m, K); `turns` says that coefficients of rows may move.

        Raises
        ------
        DifferentiationError
            If the moved program has no solution nearby.
        Unsupported
            If the multipliers are not unique, and coefficients of rows move, cones of several axes are active, or those
            that count bend the program in more than one way.
        """
        if turns and not self._unique:
            raise Unsupported(
                "One-sided derivatives in the coefficients of constraints are those of one small program only where "
                f"the duals are unique, which they are not here: active rows depend on one another. {_ADVICE}"
            )
        units = self._at.conditions.units
        upper, lower = units.slopes(primal), units.slacks(rows)
        dx, dy = np.zeros_like(upper), np.zeros_like(lower)
        for k in range(upper.shape[1]):
            size = max(np.abs(upper[:, k]).max(initial=0.0), np.abs(lower[:, k]).max(initial=0.0))
            if size > 0.0:
                d, y = self._along(upper[:, k] / size, lower[:, k] / size)
                dx[:, k], dy[:, k] = size * d, size * y
        return units.given_primal(dx), units.given_dual(dy)

    def _along(self, primal: FloatArray, rows: FloatArray) -> tuple[FloatArray, FloatArray]:
        """One direction of length one."""
        if self._unique:
            return self._program.along(primal, rows)
        at = self._at
        self._preferred = self._preferred or PreferredMultipliers(at)
        y, lines = self._preferred.along(rows)
        inside = self._with(y)
        program = ConeProgram(inside, inside.kinks, Curvature(inside, inside.kinks))
        d, dy = program.along(primal, rows)
        best = np.zeros(lines.shape[1])
        for _ in range(_ROUNDS):
            slopes, size = self._slopes(y, lines, d, rows)
            further = self._preferred.furthest(y, lines, slopes)
            if slopes @ (further - best) <= _SAME * size:
                return d, dy

            def moved(share: float, best: FloatArray = best, to: FloatArray = further) -> tuple[FloatArray, FloatArray]:
                there = self._with(y + lines @ (best + share * (to - best)))
                bent = ConeProgram(inside, inside.kinks, Curvature(there, there.kinks))
                return bent.along(primal, rows)

            def slope(share: float, towards: FloatArray = further - best) -> float:
                return float(self._slopes(y, lines, moved(share)[0], rows)[0] @ towards)

            share = 1.0 if slope(1.0) >= 0.0 else float(spo.brentq(slope, 0.0, 1.0, xtol=1e-15))
            d, dy = moved(share)
            best = best + share * (further - best)
        raise Unsupported(
            "The direction prefers many duals, by which constraints are curved in different ways, and which of them "
            f"count was not found: active rows depend on one another. {_ADVICE}"
        )

    def _with(self, y: FloatArray) -> Iterate:
        """The solution with other multipliers."""
        return Iterate(self._at.conditions, self._at.x, y - self._at.s)

    def _slopes(self, y: FloatArray, lines: FloatArray, d: FloatArray, rows: FloatArray) -> tuple[FloatArray, float]:
        """How the second-order term along d grows with the multipliers along lines (m, k), and its size.

        It is linear in them, so that two points of each line tell.
        """
        assert self._preferred is not None
        slopes, size = np.zeros(lines.shape[1]), 0.0
        for k, line in enumerate(lines.T):
            first, last = self._preferred.reach(y, line)
            ends = []
            for step in (first, last):
                there = self._with(y + step * line)
                ends.append(Curvature(there, there.kinks).of(d, rows))
            slopes[k], size = (ends[1] - ends[0]) / (last - first), max(size, *ends)
        return slopes, size
