"""Symmetric matrices as vectors: the upper triangle, column by column."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..arrays import FloatArray, IntArray

__all__ = [
    "matrix_of",
    "position",
    "square_to_matrix",
    "triangle_of",
    "triangle_size",
    "triangle_weights",
    "upper_triangle",
]


def triangle_size(side: int) -> int:
    """Number of entries of the triangle."""
    return side * (side + 1) // 2


@lru_cache(maxsize=64)
def _indices(side: int) -> tuple[IntArray, IntArray]:
    """(row, column) of every entry of the upper triangle, column by column."""
    column, row = np.tril_indices(side)
    row.flags.writeable = column.flags.writeable = False
    return row, column


@lru_cache(maxsize=64)
def position(side: int) -> IntArray:
    """Where each entry of the matrix stands in the triangle; shape (side, side)."""
    row, column = _indices(side)
    place = np.empty((side, side), np.int64)
    place[row, column] = place[column, row] = np.arange(len(row))
    place.flags.writeable = False
    return place


def upper_triangle(side: int) -> IntArray:
    """Where each entry of the triangle stands in the matrix, counted row by row."""
    row, column = _indices(side)
    return row * side + column


@lru_cache(maxsize=64)
def triangle_weights(side: int) -> FloatArray:
    """1 on the diagonal, 2 off it: with them the triangles' inner product is the trace of the product."""
    row, column = _indices(side)
    weights = np.where(row == column, 1.0, 2.0)
    weights.flags.writeable = False
    return weights


@lru_cache(maxsize=64)
def _factors(side: int) -> FloatArray:
    """What an entry of the scaled triangle is multiplied by in the matrix."""
    factors = np.where(np.eye(side, dtype=bool), 1.0, np.sqrt(0.5))
    factors.flags.writeable = False
    return factors


def matrix_of(triangles: FloatArray, side: int, *, scaled: bool = False) -> FloatArray:
    """Symmetric matrices (..., side, side) of triangles (..., side (side + 1) / 2).

    Parameters
    ----------
    triangles : array
    side : int
    scaled : bool
        Whether off-diagonal entries carry a factor √2.

    Examples
    --------
    >>> matrix_of(np.array([1.0, 2.0, 3.0]), 2)
    array([[1., 2.],
           [2., 3.]])
    """
    matrices = triangles[..., position(side)]
    return matrices * _factors(side) if scaled else matrices


def triangle_of(matrices: FloatArray, *, scaled: bool = False) -> FloatArray:
    """The inverse of `matrix_of`; of the matrices only the upper triangle is read.

    Examples
    --------
    >>> triangle_of(np.array([[1.0, 2.0], [2.0, 3.0]]))
    array([1., 2., 3.])
    """
    side = matrices.shape[-1]
    triangles: FloatArray = matrices[..., *_indices(side)]
    return triangles * np.sqrt(triangle_weights(side)) if scaled else triangles


def square_to_matrix(x: FloatArray, side: int) -> FloatArray:
    """The matrix whose columns follow each other in x."""
    return x.reshape(side, side).T
