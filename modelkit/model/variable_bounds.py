"""The sets of variables between bounds, as users give them: numbers, arrays, infinite, or none."""

from __future__ import annotations

import math

import numpy as np

from ..arrays import FloatArray
from ..numeric import real_number
from ..sets import EqualTo, GreaterThan, Interval, LessThan, ScalarSet
from ..store.block import SetBlock
from ..store.checks import check_numbers

__all__ = ["set_between", "sets_between"]


def set_between(lower: float | None, upper: float | None) -> list[ScalarSet]:
    """The set of one variable between bounds, of which either may be missing or infinite; none if both are.

    Raises
    ------
    InvalidData
        If a bound is not a number, infinite on the wrong side, or above the other.
    """
    low = -math.inf if lower is None else real_number(lower, "lower")
    high = math.inf if upper is None else real_number(upper, "upper")
    if not -math.inf < low < high < math.inf:
        check_numbers(Interval, np.array([[low, high]]))
    if low == high:
        return [EqualTo(low)]
    if high == math.inf:
        return [] if low == -math.inf else [GreaterThan(low)]
    return [LessThan(high)] if low == -math.inf else [Interval(low, high)]


def sets_between(lower: FloatArray | None, upper: FloatArray | None, count: int) -> SetBlock:
    """The sets of many variables between bounds, all of one type; infinite entries bound nothing."""
    if upper is None and lower is not None and not np.isneginf(lower).any():
        return SetBlock.scalar(GreaterThan, lower[:, None])
    if lower is None and upper is not None and not np.isposinf(upper).any():
        return SetBlock.scalar(LessThan, upper[:, None])
    low = np.full(count, -np.inf) if lower is None else lower
    high = np.full(count, np.inf) if upper is None else upper
    return SetBlock.scalar(Interval, np.stack([low, high], axis=1))
