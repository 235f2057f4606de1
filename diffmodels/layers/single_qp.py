"""One small quadratic program, made exact and differentiated: as `dense_qp` does a batch, in a third of the time.

With a few numbers NumPy spends its time on looking at its arguments, and the more so the more dimensions they have. So
here are matrices and vectors, and as few calls as there can be.
"""

from __future__ import annotations

from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from .dense_qp import EXACT, LARGEST_INVERSE, MARGIN

__all__ = ["SinglePoint", "SingleQP"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


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
        self._none = np.zeros(1)  # so that no group of what is measured is empty
        self._probe = np.random.default_rng(40).standard_normal(n + m)

    def point(
        self, P: FloatArray, q: FloatArray, F: FloatArray, g: FloatArray, x: FloatArray, y: FloatArray
    ) -> SinglePoint | None:
        """The exact solution near a solver's answer, if there is one there."""
        n, zeros = self._n, self._zeros
        active = y > F.dot(x) + g
        active[:zeros] = True
        active = active.nonzero()[0]
        A, size = F.take(active, axis=0), n + len(active)
        K, right = np.zeros((size, size), order="F"), np.empty((size, 2), order="F")
        K[:n, :n] = P
        K[n:, :n] = np.negative(A, out=A)
        K[:n, n:] = A.T
        right[:n, 0], right[n:, 0] = -q, g.take(active)
        right[:, 1] = self._probe[:size]
        LU, pivots, z, info = lapack.dgesv(K, right)
        if info:
            return None
        x, held = z[:n, 0], z[n:, 0]
        Fx, none = F.dot(x), self._none
        s = Fx + g
        gradient = P.dot(x) + held.dot(A) + q  # A has been negated
        measured = np.concatenate((none, Fx, g, q, held, gradient, none, s.take(active)))
        ends = 1 + 2 * len(g), 1 + 2 * len(g) + size, 1 + 2 * len(g) + size + n
        slack_unit, dual_unit, *left = np.maximum.reduceat(np.abs(measured), (0, *ends)).tolist()
        slack_unit, dual_unit = 1.0 + slack_unit, dual_unit or 1.0
        margins = s / slack_unit
        margins[active] = held / dual_unit
        margins[:zeros] = np.inf
        least = float(margins.min()) if len(margins) else np.inf
        if not (left[0] <= EXACT * (1.0 + dual_unit) and left[1] <= EXACT * slack_unit and least >= -EXACT):
            return None
        y = np.zeros(len(g))
        y[active] = held
        is_smooth = least > MARGIN
        if is_smooth:
            entries, probed = K.ravel(order="K"), z[:, 1]
            is_smooth = bool(entries.dot(entries) * probed.dot(probed) <= LARGEST_INVERSE**2)
        return SinglePoint(x, y, is_smooth, active, LU, pivots)
