"""One small quadratic program, made exact and differentiated: as `dense_qp` does a batch, in a third of the time.

With a few numbers NumPy spends its time on looking at its arguments, and the more so the more dimensions they have. So
here are matrices and vectors, and as few calls as there can be.
"""

from __future__ import annotations

import math
from typing import final

import numpy as np
from scipy.linalg import lapack

from ....modelkit.arrays import FloatArray, IntArray
from .dense_qp import EXACT, LARGEST_INVERSE, MARGIN

__all__ = ["SinglePoint", "SingleQP"]


@final
class SinglePoint:
    """A solution, and the system of its derivatives.

    Attributes
    ----------
    x, y : (n,) and (m,)
    is_smooth : as in `DensePoints`
    """

    __slots__ = ("_LU", "_active", "_pivots", "is_smooth", "x", "y")

    def __init__(
        self, x: FloatArray, y: FloatArray, is_smooth: bool, active: IntArray, LU: FloatArray, pivots: IntArray
    ) -> None:
        self.x, self.y, self.is_smooth = x, y, is_smooth
        self._active, self._LU, self._pivots = active, LU, pivots

    def solve(self, primal: FloatArray, rows: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The system solved for right-hand sides (K, n) of x and (K, m) of y."""
        right = np.concatenate([primal, rows.take(self._active, axis=1)], axis=1)
        found = lapack.dgetrs(self._LU, self._pivots, right.T, overwrite_b=True)[0].T
        wy = np.zeros(rows.shape)
        n = len(self.x)
        wy[:, self._active] = found[:, n:]
        return found[:, :n], wy


@final
class SingleQP:
    """The structure of the program.

    Parameters
    ----------
    n, m : numbers of variables and rows
    zeros : how many rows, the first ones, are in zero cones; the others are in nonnegative ones
    """

    def __init__(self, n: int, m: int, zeros: int) -> None:
        self._n, self._zeros = n, zeros
        self._probe = np.random.default_rng(40).standard_normal(n + m)

    def point(
        self, P: FloatArray, q: FloatArray, F: FloatArray, g: FloatArray, x: FloatArray, y: FloatArray
    ) -> SinglePoint | None:
        """The exact solution near a solver's answer, if there is one there."""
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is not exact
            return self._point(P, q, F, g, x, y)

    def _point(
        self, P: FloatArray, q: FloatArray, F: FloatArray, g: FloatArray, x: FloatArray, y: FloatArray
    ) -> SinglePoint | None:
        n, zeros = self._n, self._zeros
        is_active = y > F.dot(x) + g
        is_active[:zeros] = True
        active = is_active.nonzero()[0]
        size = n + len(active)
        K, right = np.zeros((size, size), order="F"), np.empty((size, 2), order="F")
        K[:n, :n] = P
        np.negative(F.take(active, axis=0), out=K[n:, :n])
        K[:n, n:] = K[n:, :n].T
        np.negative(q, out=right[:n, 0])
        right[n:, 0] = g.take(active)
        right[:, 1] = self._probe[:size]
        LU, pivots, Z, info = lapack.dgesv(K, right)
        if info:
            return None
        z, probed = Z[:, 0], Z[:, 1]
        x, held = z[:n], z[n:]
        residual = K.dot(z) - right[:, 0]
        of_gradient, of_rows = residual[:n], residual[n:]
        y = np.zeros(len(g))
        y[active] = held
        s = F.dot(x) + g
        # a row is violated, and a multiplier has the wrong sign, in the row's own unit
        slack_unit = 1.0 + math.sqrt(g.dot(g))
        dual_unit = math.sqrt(q.dot(q) + held.dot(held)) or 1.0
        length = np.sqrt(np.einsum("ij,ij->i", F, F))
        row_unit, scaled = length * math.sqrt(x.dot(x)) + np.abs(g), y * length
        row_unit[row_unit == 0.0] = 1.0
        row_unit *= EXACT
        # multipliers of nearly dependent rows may be huge and cancel one another: they are no measure of the gradient
        Px = P.dot(x)
        gradient_unit = EXACT * (math.sqrt(q.dot(q) + Px.dot(Px)) or 1.0)
        if not (
            math.isfinite(gradient_unit + row_unit.sum())
            and math.sqrt(of_gradient.dot(of_gradient)) <= gradient_unit
            and (np.abs(of_rows) <= row_unit[active]).all()
            and (s >= -row_unit)[zeros:].all()
            and (scaled >= -gradient_unit)[zeros:].all()
        ):
            return None
        # of active rows the multiplier, of the others the slack: the other term is zero, or as small as the residual
        margins = (y / dual_unit + s / slack_unit)[zeros:]
        least = float(margins.min()) if len(margins) else np.inf
        entries = K.ravel(order="K")
        growth = math.sqrt(entries.dot(entries) * probed.dot(probed))
        return SinglePoint(x, y, least > MARGIN and growth <= LARGEST_INVERSE, active, LU, pivots)
