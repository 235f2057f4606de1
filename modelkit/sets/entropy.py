"""The epigraph of the relative entropy, and its dual cone."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np
from scipy.special import rel_entr

from ..arrays import FloatArray
from ..errors import DimensionMismatch
from .base import VectorSet

__all__ = ["DualRelativeEntropyCone", "RelativeEntropyCone"]


_FAR = 1e12
"""Ratio of w to v from which w log(w / v) says more of rounding errors in v than of w."""


class _Entropic(VectorSet):
    """(u, v, w) with v and w of one length."""

    __slots__ = ()
    smallest: ClassVar[int] = 1

    def __init__(self, dimension: int) -> None:
        super().__init__(dimension)
        if self.dimension % 2 == 0:
            raise DimensionMismatch(
                f"{type(self).__name__} holds (u, v, w) with v and w of one length n: its dimension is 1 + 2 n, "
                f"odd; got {dimension!r}."
            )

    def _parts(self, x: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        n = self.dimension // 2
        return float(x[0]), x[1 : 1 + n], x[1 + n :]


@final
class RelativeEntropyCone(_Entropic):
    """``{(u, v, w) : u >= sum(w * log(w / v)), v >= 0, w >= 0}`` in R^(1 + 2 n), closed: 0 log 0 = 0.

    Its dual cone is `DualRelativeEntropyCone`. Axis order of MathOptInterface.

    Parameters
    ----------
    dimension : 1 + 2 n

    Examples
    --------
    >>> RelativeEntropyCone(3).violation([0.0, 1.0, 1.0])
    0.0
    """

    __slots__ = ()

    def dual_set(self) -> DualRelativeEntropyCone:
        """The dual cone."""
        return DualRelativeEntropyCone(self.dimension)

    def _distance(self, x: FloatArray) -> float:
        u, v, w = self._parts(x)
        near_v, near_w = np.maximum(v, 0.0), np.maximum(w, 0.0)
        # Members nearby: u raised, w taken to zero, or u raised after those of w are where v is as good as zero.
        without = _norm(near_v - v, w, max(-u, 0.0))
        kept_w = np.where(near_w > _FAR * near_v, 0.0, near_w)
        for member in (near_w, kept_w):
            raised = max(float(rel_entr(member, near_v).sum()) - u, 0.0)
            without = min(without, _norm(near_v - v, member - w, raised))
        return without


@final
class DualRelativeEntropyCone(_Entropic):
    """``{(u, v, w) : w >= u (log(u / v) - 1), u >= 0, v >= 0}`` in R^(1 + 2 n), closed: 0 log 0 = 0.

    Its dual cone is `RelativeEntropyCone`. Axis order of MathOptInterface.

    Parameters
    ----------
    dimension : 1 + 2 n

    Examples
    --------
    >>> DualRelativeEntropyCone(3).violation([1.0, 1.0, -1.0])
    0.0
    """

    __slots__ = ()

    def dual_set(self) -> RelativeEntropyCone:
        """The relative entropy cone."""
        return RelativeEntropyCone(self.dimension)

    def _distance(self, x: FloatArray) -> float:
        u, v, w = self._parts(x)
        near_u, near_v = max(u, 0.0), np.maximum(v, 0.0)
        # Two members nearby: w raised, or u taken to zero.
        least = rel_entr(near_u, near_v) - near_u
        raised = _norm(near_u - u, near_v - v, np.maximum(least - w, 0.0))
        without = _norm(u, near_v - v, np.maximum(-w, 0.0))
        return min(raised, without)


def _norm(*parts: FloatArray | float) -> float:
    return float(np.linalg.norm(np.concatenate([np.atleast_1d(p) for p in parts])))
