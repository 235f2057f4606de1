"""The epigraph of the relative entropy, and its dual cone."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np
from scipy.special import rel_entr

from ..arrays import FloatArray
from ..errors import DimensionMismatch
from .abstract_set import VectorSet

__all__ = ["DualRelativeEntropyCone", "RelativeEntropyCone"]


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
        outside = _norm(near_v - v, near_w - w)
        # Three members nearby: u raised; before that those w taken to zero that would raise it by more; or all w.
        terms = rel_entr(near_w, near_v)
        costly = terms > near_w
        raised = _norm(max(float(terms.sum()) - u, 0.0), outside)
        cheaper = _norm(max(float(terms[~costly].sum()) - u, 0.0), outside, near_w[costly])
        without = _norm(near_v - v, w, max(-u, 0.0))
        return min(raised, cheaper, without)


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
        # Two members nearby: of each pair w or v raised, whichever less, or u taken to zero.
        pairs = np.hypot(near_v - v, np.maximum(rel_entr(near_u, near_v) - near_u - w, 0.0))
        if near_u:
            with np.errstate(over="ignore"):
                enough = np.maximum(near_u * np.exp(-1.0 - w / near_u), near_v)
            pairs = np.minimum(pairs, enough - v)
        raised = _norm(near_u - u, pairs)
        without = _norm(u, near_v - v, np.maximum(-w, 0.0))
        return min(raised, without)


def _norm(*parts: FloatArray | float) -> float:
    return float(np.linalg.norm(np.concatenate([np.atleast_1d(p) for p in parts])))
