"""Relative entropy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import rel_entr

from ...modelkit.arrays import FloatArray
from ...modelkit.sets import (
    DualExponentialCone,
    DualRelativeEntropyCone,
    ExponentialCone,
    Nonnegatives,
    RelativeEntropyCone,
)
from ..declare import ConeBridge, Part, entries

__all__ = ["DualEntropyToDualExponentials", "EntropyToExponentials"]


class EntropyToExponentials(ConeBridge):
    """``t >= sum w log(w / v)  <=>  t - sum u >= 0, (-u_i, w_i, v_i) in Exponential`` for some (free) u.

    The cones say ``w exp(-u / w) <= v``, so ``u >= w log(w / v)``. MOSEK Modeling Cookbook, section 5.2.4.
    """

    source = RelativeEntropyCone
    into = (Nonnegatives, ExponentialCone)

    def parts(self, S: RelativeEntropyCone) -> Sequence[Part]:
        """A row, and a cone for each term."""
        d = S.dimension
        n = (d - 1) // 2
        i = np.arange(n)
        total = Part([Nonnegatives(1)], entries((1, d), (0, 0, 1.0)), entries((1, n), (0, i, -1.0)) if n else None)
        if not n:
            return [total]
        A = entries((3 * n, d), (3 * i + 1, 1 + n + i, 1.0), (3 * i + 2, 1 + i, 1.0))
        return [total, Part([ExponentialCone()] * n, A, entries((3 * n, n), (3 * i, i, -1.0)))]

    def extra_start(self, example: Any, values: FloatArray) -> FloatArray:
        """The least, w log(w / v)."""
        v, w = np.split(np.maximum(values[:, 1:], 0.0), 2, axis=1)
        return np.asarray(rel_entr(w, np.where(w > 0.0, np.maximum(v, np.finfo(float).tiny), v)))


class DualEntropyToDualExponentials(ConeBridge):
    """``w_i >= u (log(u / v_i) - 1), u, v >= 0  <=>  (-u, w_i, v_i) in DualExponential``; u alone: ``u >= 0``."""

    source = DualRelativeEntropyCone
    into = (DualExponentialCone, Nonnegatives)

    def parts(self, S: DualRelativeEntropyCone) -> Sequence[Part]:
        """A cone for each i."""
        d = S.dimension
        n = (d - 1) // 2
        if not n:
            return [Part([Nonnegatives(1)], entries((1, 1), (0, 0, 1.0)))]
        i = np.arange(n)
        A = entries((3 * n, d), (3 * i, 0, -1.0), (3 * i + 1, 1 + n + i, 1.0), (3 * i + 2, 1 + i, 1.0))
        return [Part([DualExponentialCone()] * n, A)]
