"""Roots of many increasing functions of one variable at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..arrays import FloatArray, IntArray

__all__ = ["increasing_roots"]

_ULP = float(np.finfo(np.float64).eps)
_MOST_ROUNDS = 400

Function = Callable[[FloatArray, IntArray], tuple[FloatArray, FloatArray]]


def increasing_roots(function: Function, lower: FloatArray, upper: FloatArray, start: FloatArray) -> FloatArray:
    """Newton's method within brackets: a step that leaves its bracket, or fails to halve it or itself, is a bisection.

    A step beyond an end of the domain is first shortened to that of Newton's method in the logarithm of the distance
    to the end, where the functions here are singular.

    Parameters
    ----------
    function : of (t, items), giving values and derivatives at t of the functions with numbers `items`
        Increasing; values may be infinite at the ends.
    lower, upper : array of shape (k,)
        The roots lie between; the answer is an end of the bracket where there is no change of sign.
    start : array of shape (k,)
        First guesses.

    Returns
    -------
    array of shape (k,), right to a few units in the last place of max(1, root)

    Examples
    --------
    >>> square = lambda t, items: (t * t - np.array([2.0, 9.0])[items], 2 * t)
    >>> increasing_roots(square, np.zeros(2), np.full(2, 100.0), np.ones(2))
    array([1.41421356, 3.        ])
    """
    low, high = lower.copy(), upper.copy()
    # Roots within rounding of an end, where functions may be singular, are found here; bisection would crawl.
    for end, sign in ((low, 1.0), (high, -1.0)):
        near = end + sign * 4.0 * _ULP * np.maximum(1.0, np.abs(end))
        value, _ = function(near, np.arange(len(near)))
        beyond = sign * value >= 0.0
        (high if sign > 0 else low)[beyond] = near[beyond]
    t = np.clip(start, low, high)
    narrow = _width(low, high) <= 16.0 * _ULP
    t[narrow] = 0.5 * (low + high)[narrow]
    items = np.flatnonzero(~narrow)
    previous = np.full(len(t), np.inf)
    for round_ in range(_MOST_ROUNDS):
        if not len(items):
            break
        here = t[items]
        value, slope = function(here, items)
        a, b = low[items], high[items]
        a = np.where(value <= 0.0, here, a)
        b = np.where(value >= 0.0, here, b)
        low[items], high[items] = a, b
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            newton = here - value / slope
            # Beyond an end the function may be a logarithm of the distance to it: Newton's step for that logarithm.
            end = np.where(value < 0.0, upper[items], lower[items])
            to_log = end + (here - end) * np.exp(-np.abs(value / (slope * (here - end))))
            newton = np.where((newton >= a) & (newton <= b), newton, to_log)
        usable = np.isfinite(value) & np.isfinite(slope) & (newton >= a) & (newton <= b)
        if round_ % 3 == 2:
            # Newton's steps may close in from one side only: then they shorten, and the bracket does not.
            progress = np.minimum(b - a, np.where(usable, np.abs(newton - here), np.inf))
            usable &= progress <= 0.5 * previous[items]
            previous[items] = progress
        size = _ULP * np.maximum(1.0, np.abs(here))
        settled = usable & (np.abs(newton - here) <= 2.0 * size) | (b - a <= 2.0 * size)
        t[items] = np.where(usable, newton, _middle(a, b))
        items = items[~settled]
    return t


def _middle(a: FloatArray, b: FloatArray) -> FloatArray:
    """Between a and b: halfway on a logarithmic scale where they differ in magnitude."""
    wide = b - a > 0.5 * np.maximum(1.0, np.minimum(np.abs(a), np.abs(b)))
    half = 0.5 * (np.copysign(np.log1p(np.abs(a)), a) + np.copysign(np.log1p(np.abs(b)), b))
    with np.errstate(over="ignore"):
        geometric = np.copysign(np.expm1(np.abs(half)), half)
    return np.where(wide, np.clip(geometric, a, b), a + 0.5 * (b - a))


def _width(low: FloatArray, high: FloatArray) -> FloatArray:
    """Lengths of the brackets, relative above one."""
    width: FloatArray = (high - low) / np.maximum(1.0, np.minimum(np.abs(low), np.abs(high)))
    return width
