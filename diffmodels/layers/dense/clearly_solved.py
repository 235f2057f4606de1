"""Points of small quadratic programs that are optimal in whatever units, told without finding these units.

A point is judged by residuals relative to the terms that they are made of, in units in which rows and columns are of
about the same size (`modelkit.form.residuals`). Where each residual is small beside its own terms, entry by entry, it
is so in all units. That is more than is asked for, holds of nearly all points that are made exact, and is one array
operation for a whole batch.
"""

from __future__ import annotations

import numpy as np

from ....modelkit.arrays import FloatArray
from .dense_numbers import Programs
from .dense_qp import Mask

__all__ = ["is_clearly_solved"]

_SMALL = 1e-7
"""A hundredth of what is asked for."""


def is_clearly_solved(programs: Programs, x: FloatArray, y: FloatArray, zeros: int) -> Mask:
    """(B,) of which programs x (B, n) and y (B, m) are clearly solutions.

    Parameters
    ----------
    programs, x, y
    zeros : how many rows, the first, are in zero cones; the others are in nonnegative ones
    """
    P, q, F, g = programs
    clear: Mask
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is not clear
        Px, Fx, pull = _times(P, x), _times(F, x), _times(F.transpose(0, 2, 1), y)
        sizes_of_F = np.abs(F)
        of_P, of_F = _times(np.abs(P), np.abs(x)), _times(sizes_of_F, np.abs(x))
        of_pull = _times(sizes_of_F.transpose(0, 2, 1), np.abs(y))
        left, away = np.abs(Px + q - pull), np.abs(Fx + g)
        away[:, zeros:] = np.maximum(-(Fx + g)[:, zeros:], 0.0)
        largest = np.maximum(np.maximum(_most(Px), _most(q)), _most(pull))
        clear = np.asarray((left <= _SMALL * (of_P + np.abs(q) + of_pull)).all(axis=1))
        clear &= _most(left) <= _SMALL * (1.0 + largest)
        clear &= (away <= _SMALL * np.minimum(of_F + np.abs(g), 1.0 + np.abs(Fx))).all(axis=1)
        clear &= (y[:, zeros:] >= 0.0).all(axis=1)
        xPx, qx, gy = (x * Px).sum(axis=1), (q * x).sum(axis=1), g * y
        sizes = np.abs(xPx), np.abs(qx), np.abs(gy).sum(axis=1)
        gap = np.abs(xPx + qx + gy.sum(axis=1))
        clear &= gap <= _SMALL * np.minimum(sum(sizes), 1.0 + np.max(sizes, axis=0))
        clear &= np.isfinite(gap)
    return clear


def _times(M: FloatArray, v: FloatArray) -> FloatArray:
    product: FloatArray = (M @ v[:, :, None])[:, :, 0]
    return product


def _most(values: FloatArray) -> FloatArray:
    most: FloatArray = np.abs(values).max(axis=1, initial=0.0)
    return most
