"""The hypograph of the geometric mean, and its dual cone."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np

from ..arrays import FloatArray
from .abstract_set import VectorSet

__all__ = ["DualGeometricMeanCone", "GeometricMeanCone"]


@final
class GeometricMeanCone(VectorSet):
    """``{(t, x) : t <= prod(x)^(1/n), x >= 0}`` in R^(1 + n); t may be negative.

    Its dual cone is `DualGeometricMeanCone`. Axis order of MathOptInterface.

    Parameters
    ----------
    dimension : 1 + n

    Examples
    --------
    >>> GeometricMeanCone(3).violation([6.0, 4.0, 9.0]) < 1e-14
    True
    """

    __slots__ = ()
    smallest: ClassVar[int] = 2

    def dual_set(self) -> DualGeometricMeanCone:
        """The dual cone."""
        return DualGeometricMeanCone(self.dimension)

    def _distance(self, x: FloatArray) -> float:
        nearest = np.maximum(x, 0.0)  # then lowering t: a bound on the distance
        nearest[0] = min(x[0], geometric_mean(nearest[1:]))
        return float(np.linalg.norm(x - nearest))


@final
class DualGeometricMeanCone(VectorSet):
    """``{(u, v) : 0 >= u >= -n prod(v)^(1/n), v >= 0}`` in R^(1 + n).

    Its dual cone is `GeometricMeanCone`. Axis order of MathOptInterface.

    Parameters
    ----------
    dimension : 1 + n

    Examples
    --------
    >>> DualGeometricMeanCone(3).violation([1.0, 4.0, 9.0])
    1.0
    """

    __slots__ = ()
    smallest: ClassVar[int] = 2

    def dual_set(self) -> GeometricMeanCone:
        """The geometric mean cone."""
        return GeometricMeanCone(self.dimension)

    def _distance(self, x: FloatArray) -> float:
        nearest = np.maximum(x, 0.0)
        n = self.dimension - 1
        nearest[0] = np.clip(x[0], -n * geometric_mean(nearest[1:]), 0.0)
        return float(np.linalg.norm(x - nearest))


def geometric_mean(x: FloatArray) -> float:
    """prod(x)^(1/n) of nonnegative numbers, without overflow.

    Examples
    --------
    >>> round(geometric_mean(np.array([1e200, 1e200, 1e-100])) / 1e100, 9)
    1.0
    """
    if not x.all():
        return 0.0
    mantissa, power = np.frexp(x)
    whole, rest = divmod(int(power.sum()), len(x))
    return float(np.ldexp(np.exp(np.mean(np.log(mantissa))) * 2.0 ** (rest / len(x)), whole))
