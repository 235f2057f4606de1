"""Solutions of a stack in one-sided rows, with the system of their derivatives, as layers take them."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from ...modelkit.arrays import FloatArray
from .active_rows import ActiveRows
from .program import Programs
from .stacked_solver import Ending, solve

__all__ = ["StackedPoints", "one_sided_points"]


@final
class StackedPoints:
    """Solutions of B programs with rows ``F x + g`` in zero and in nonnegative cones.

    Attributes
    ----------
    z : (B, n + m) x and y, with ``Px + q = Fᵀy``
    exact : (B,) whether the optimality conditions hold to rounding and P is definite; elsewhere z is worthless
    smooth : (B,) whether, besides, every inequality is clearly active or clearly not, and no matrix nearly singular
    """

    def __init__(self, z: FloatArray, exact: Any, smooth: Any, rows: ActiveRows, n: int) -> None:
        self.z, self.exact, self.smooth = z, exact, smooth
        self._rows, self._n = rows, n

    def take(self, items: Any) -> StackedPoints:
        """Some of them."""
        return StackedPoints(self.z[items], self.exact[items], self.smooth[items], self._rows.take(items), self._n)

    def solve(self, right: FloatArray) -> FloatArray:
        """``[[P, -Fᵀ], [-F, 0]]`` of the active rows solved for (B, n + m, d); worthless if not smooth."""
        sides = right.transpose(0, 2, 1)
        x, y = self._rows.once(
            sides[:, :, : self._n], np.where(self._rows.active[:, None], -sides[:, :, self._n :], 0.0)
        )
        return np.concatenate([x, -y], axis=2).transpose(0, 2, 1)


def one_sided_points(P: FloatArray, q: FloatArray, F: FloatArray, g: FloatArray, zeros: int) -> StackedPoints:
    """Solve programs with rows ``F x + g``, the first `zeros` of them in zero cones, the others nonnegative.

    Parameters
    ----------
    P, q, F, g : (b, n, n), (B, n), (b, m, n), (B, m); b = 1 where all programs have the same matrix, else B
    """
    upper = np.full(g.shape, np.inf)
    upper[:, :zeros] = -g[:, :zeros]
    found = solve(Programs(P, q, F, -g, upper, zeros))
    exact = (found.ending == Ending.EXACT) & ~found.duals.rho.any(axis=1)
    z = np.concatenate([found.x, found.y], axis=1)
    with np.errstate(over="ignore"):
        exact &= np.isfinite((z * z).sum(axis=1))  # what is made of it is to be a number, too
    return StackedPoints(z, exact, found.is_smooth & exact, found.rows, q.shape[1])
