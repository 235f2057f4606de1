"""Second-order cones: rotated, and as semidefinite cones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...modelkit.sets import PositiveSemidefiniteConeTriangle, RotatedSecondOrderCone, SecondOrderCone
from ...modelkit.sets.triangles import position
from ..bridge import Matrix
from ..declare import ConeBridge, Part, entries

__all__ = ["RotatedToSecondOrder", "RotatedToSemidefinite", "SecondOrderToRotated", "SecondOrderToSemidefinite"]


def _turn(d: int) -> Matrix:
    """T = [[1, 1], [1, -1]] / √2 on the first two rows, 1 on the others: symmetric, T T = I."""
    r, rest = np.sqrt(0.5), np.arange(2, d)
    return entries((d, d), ([0, 0, 1, 1], [0, 1, 0, 1], [r, r, r, -r]), (rest, rest, 1.0))


class RotatedToSecondOrder(ConeBridge):
    """``2 t u >= |x|², t, u >= 0  <=>  ((t + u) / √2, (t - u) / √2, x) in SOC``, as 2 t u = ((t+u)² - (t-u)²) / 2.

    F. Alizadeh, D. Goldfarb, *Second-order cone programming*, Mathematical Programming 95 (2003), section 2.
    """

    source = RotatedSecondOrderCone
    into = (SecondOrderCone,)

    def parts(self, S: RotatedSecondOrderCone) -> Sequence[Part]:
        """A = T."""
        return [Part([SecondOrderCone(S.dimension)], _turn(S.dimension))]


class SecondOrderToRotated(ConeBridge):
    """The reverse of `RotatedToSecondOrder`; ``t >= 0`` alone is ``(t, t) in RSOC``."""

    source = SecondOrderCone
    into = (RotatedSecondOrderCone,)

    def parts(self, S: SecondOrderCone) -> Sequence[Part]:
        """A = T."""
        d = S.dimension
        return [Part([RotatedSecondOrderCone(max(d, 2))], _turn(d) if d > 1 else entries((2, 1), ([0, 1], 0, 1.0)))]


class SecondOrderToSemidefinite(ConeBridge):
    """``t >= |x|  <=>  [t xᵀ; x t I] >= 0``: the Schur complement of t I is ``t - |x|² / t``.

    S. Boyd, L. Vandenberghe, *Convex Optimization* (2004), section 4.6.2 and appendix A.5.5.
    """

    cost = 10.0
    source = SecondOrderCone
    into = (PositiveSemidefiniteConeTriangle,)

    def parts(self, S: SecondOrderCone) -> Sequence[Part]:
        """The upper triangle of the matrix."""
        d = S.dimension
        at = position(d)
        cone = PositiveSemidefiniteConeTriangle(d)
        A = entries((cone.dimension, d), (at.diagonal(), 0, 1.0), (at[0, 1:], np.arange(1, d), 1.0))
        return [Part([cone], A)]


class RotatedToSemidefinite(ConeBridge):
    """``2 t u >= |x|², t, u >= 0  <=>  [t xᵀ; x 2u I] >= 0``; without x, ``diag(t, 2u) >= 0``.

    S. Boyd, L. Vandenberghe, *Convex Optimization* (2004), appendix A.5.5.
    """

    cost = 10.0
    source = RotatedSecondOrderCone
    into = (PositiveSemidefiniteConeTriangle,)

    def parts(self, S: RotatedSecondOrderCone) -> Sequence[Part]:
        """The upper triangle of the matrix."""
        d = S.dimension
        cone = PositiveSemidefiniteConeTriangle(max(d - 1, 2))
        at, x = position(cone.side), np.arange(2, d)
        A = entries((cone.dimension, d), (0, 0, 1.0), (at.diagonal()[1:], 1, 2.0), (at[0, x - 1], x, 1.0))
        return [Part([cone], A)]
