"""Sets with gaps: not convex, so that there are no duals, and solutions are looked at by themselves."""

from __future__ import annotations

import numpy as np

from ..arrays import FloatArray
from . import SOS1, SOS2, Indicator, Integer, Semicontinuous, Semiinteger, ZeroOne

__all__ = ["WITH_GAPS", "distance_from_bounds"]

WITH_GAPS = (Integer, ZeroOne, Semicontinuous, Semiinteger, SOS1, SOS2, Indicator)


def distance_from_bounds(values: FloatArray, lower: FloatArray, upper: FloatArray) -> float:
    """The largest distance from the bounds, relative to one plus the values.

    Examples
    --------
    >>> distance_from_bounds(np.array([3.0]), np.array([0.0]), np.array([1.0]))
    0.5
    """
    distance = np.maximum(np.maximum(lower - values, values - upper), 0.0)
    return float(np.max(distance / (1.0 + np.abs(values)), initial=0.0))
