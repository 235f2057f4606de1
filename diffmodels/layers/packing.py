"""Between one array for each parameter or output and one row of numbers for each item of a batch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ...modelkit.arrays import FloatArray
from ...modelkit.errors import DimensionMismatch

__all__ = ["Shape", "batch_shape", "pack", "unpack"]

Shape = tuple[int, ...]


def batch_shape(given: Sequence[Shape], expected: Sequence[Shape]) -> Shape:
    """The shape of the batch: what is left of the dimensions in front, after broadcasting.

    Parameters
    ----------
    given : shapes of the arrays, one for each parameter
    expected : shapes of the parameters

    Raises
    ------
    DimensionMismatch
        If an array does not end in its parameter's shape, or the dimensions in front do not go together.

    Examples
    --------
    >>> batch_shape([(8, 2, 3), (3,), (1, 3)], [(2, 3), (3,), (3,)])
    (8,)
    """
    if tuple(given) == tuple(expected):
        return ()
    if len(given) != len(expected):
        raise DimensionMismatch(f"This layer has {len(expected)} parameters, got {len(given)} arrays.")
    fronts = []
    for k, (got, want) in enumerate(zip(given, expected, strict=True)):
        front = len(got) - len(want)
        if front < 0 or got[front:] != want:
            wanted = ", ".join(["...", *map(str, want)])
            raise DimensionMismatch(
                f"Parameter {k} has shape {want}: it takes an array of that shape, or ({wanted}) with the batch in "
                f"front, got {got}."
            )
        fronts.append(got[:front])
    try:
        return np.broadcast_shapes(*fronts)
    except ValueError:
        raise DimensionMismatch(
            f"The dimensions of the batch do not go together: {', '.join(map(str, fronts))}. "
            "They broadcast as in NumPy."
        ) from None


def pack(arrays: Sequence[FloatArray | None], shapes: Sequence[Shape], batch: Shape) -> FloatArray:
    """(B, n) the arrays side by side, each raveled and repeated over the batch; zeros for None.

    Examples
    --------
    >>> pack([np.array([1.0, 2.0]), np.zeros(3)], [(), (3,)], (2,))
    array([[1., 0., 0., 0.],
           [2., 0., 0., 0.]])
    """
    if not batch:
        parts = [np.zeros(shape) if a is None else a for a, shape in zip(arrays, shapes, strict=True)]
        return np.concatenate([part.ravel() for part in parts] or [np.zeros(0)])[None]
    sizes = [math.prod(shape) for shape in shapes]
    out = np.empty((*batch, sum(sizes)))
    at = 0
    for array, shape, size in zip(arrays, shapes, sizes, strict=True):
        part = out[..., at : at + size]
        part[...] = 0.0 if array is None else array.reshape(*array.shape[: array.ndim - len(shape)], size)
        at += size
    return out.reshape(math.prod(batch), out.shape[-1])


def unpack(flat: FloatArray, shapes: Sequence[Shape], batch: Shape) -> list[FloatArray]:
    """(*batch, *shape) arrays, one for each shape, from (B, n)."""
    parts, at = [], 0
    for shape in shapes:
        size = math.prod(shape)
        part = flat[:, at : at + size]
        parts.append((part if len(flat) == 1 else np.ascontiguousarray(part)).reshape(batch + shape))
        at += size
    return parts
