"""The units in which the numbers of a form are of about the same size.

A row, a variable or the objective may be stated in any unit; whether a residual is small does not depend on it. With E
and D from an equilibration of the matrices, ``E F D`` has rows and columns whose largest entries are near one: there a
number is compared with the others of its row, and with those of its variable in other rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ..arrays import FloatArray
from .products import grid

__all__ = ["FARTHEST", "Lines", "equilibrated", "equilibration", "power_of_two", "size_of_solution"]

_SWEEPS = 3
_Mask = NDArray[np.bool_]
_CACHED = 32_768
"""Entries of a matrix handled at a time."""
FARTHEST = 1e20
"""Ratio of the scales of two columns beyond which the smallest entries are noise, and tell no unit."""


def equilibration(F: Any, P: Any = None, *, shared: bool = False) -> tuple[FloatArray, FloatArray]:
    """Scales of columns and rows with which the largest entry of each is near one.

    Parameters
    ----------
    F : csr_array (m, n)
    P : symmetric csc_array (n, n), whose rows are rows like those of F
    shared : whether columns are scaled by the rows alone that have other entries

    Returns
    -------
    (n,) and (m,) powers of two; 1 for what is empty, and in the median of the columns

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> equilibration(sp.csr_array([[5e5, 5e5], [1.0, 1.0]]))
    (array([1., 1.]), array([1.90734863e-06, 5.00000000e-01]))
    """
    lines = [Lines(F)]
    if P is not None and P.nnz:
        lines.append(Lines(P))
    column, rows = equilibrated([(each, each.telling(shared=shared)) for each in lines], F.shape[1])
    return column, rows[0]


def equilibrated(
    lines: Sequence[tuple[Lines, _Mask]], n: int, telling: _Mask | None = None
) -> tuple[FloatArray, list[FloatArray]]:
    """The same of several matrices, one below the other, and of n rows with one entry, a 1, one for each column.

    Parameters
    ----------
    lines : of matrices with n columns, and which of them scale these
    n : number of columns
    telling : (n,) which of these further rows scale their columns; None for none

    Returns
    -------
    The scales of the columns, those of the lines of each matrix, and at last those of the further rows.
    """
    largest, column = [*(np.zeros(len(tells)) for _, tells in lines), np.ones(n)], np.ones(n)
    for _ in range(_SWEEPS):
        largest[-1] = column
        most = np.zeros(n) if telling is None else np.where(telling, power_of_two(column), 0.0)
        for k, (each, tells) in enumerate(lines):
            largest[k] = each.largest(column)
            each.raise_columns(most, np.where(tells, power_of_two(largest[k]), 0.0))
        before, column = column, power_of_two(most)
        if np.array_equal(before, column):
            break
    middle = _middle(column)
    return column / middle, [np.where(size > 0.0, power_of_two(size) * middle, 1.0) for size in largest]


def size_of_solution(curvature: float, q: FloatArray, column: FloatArray, numbers: FloatArray) -> float:
    """The power of two near which the variables of an equilibrated program may be expected; 1 beyond 1e±20.

    Where matrices have entries near one, a solution is about as large as bounds are and, beside a matrix P, linear
    costs. The matrices do not tell: a program all of whose columns are 1e6 times as large has the same scaled ones.

    Parameters
    ----------
    curvature : the largest entry of P, scaled; 0 without one
    q : (n,) costs, not scaled
    column : (n,) the scales of the columns
    numbers : bounds, and constants of cones, scaled; those that are zero or infinite tell nothing

    Examples
    --------
    >>> size_of_solution(2.0, np.array([5e-7]), np.ones(1), np.array([2e-6, np.inf]))
    9.5367431640625e-07
    """
    told = [np.abs(numbers)]
    if curvature > 0.0:
        told.append(np.abs(column * q) / curvature)
    sizes = np.concatenate(told)
    sizes = sizes[np.isfinite(sizes) & (sizes > 0.0)]
    size = _middle(sizes)
    return size if 1.0 / FARTHEST <= size <= FARTHEST else 1.0


def _middle(sizes: FloatArray) -> float:
    """The power of two nearest to the median of positive numbers, by its logarithm; 1 of none."""
    if not len(sizes):
        return 1.0
    low, high = float(sizes.min()), float(sizes.max())
    told = np.array([low]) if low == high else sizes  # which takes no sorting
    return float(np.exp2(np.round(np.median(np.log2(told)))))


@final
class Lines:
    """The sizes of the entries of a matrix, line by line.

    Parameters
    ----------
    matrix : csr_array, or a symmetric csc_array
    sizes : of its entries, compressed or an array, if they are known
    """

    def __init__(self, matrix: Any, sizes: Any = None) -> None:
        self._counts, self._at = np.diff(matrix.indptr), matrix.indices
        self._filled = np.flatnonzero(self._counts)
        self._starts = matrix.indptr[self._filled]
        # of a matrix that stores all entries, in order, the places need not be looked at
        is_grid = grid(matrix) is not None
        if sp.issparse(sizes):
            self._size = sizes.data
        else:
            self._size = np.abs(matrix.data) if sizes is None or not is_grid else sizes.ravel("K")
        self._grid = self._size.reshape(-1, matrix.shape[1]) if is_grid else None

    def telling(self, *, shared: bool) -> _Mask:
        """Which lines scale their columns: all, or those with several entries alone."""
        tells: _Mask = self._counts > (1 if shared else -1)
        return tells

    def largest(self, weights: FloatArray) -> FloatArray:
        """The largest entry of each line, columns weighted; zero of an empty one."""
        found = np.zeros(len(self._counts))
        if self._grid is not None:
            for part in self._parts():
                found[part] = (self._grid[part] * weights).max(axis=1)
        elif len(self._filled) == len(self._at):  # as of a diagonal
            found[self._filled] = self._size * weights[self._at]
        elif len(self._filled):
            found[self._filled] = np.maximum.reduceat(self._size * weights[self._at], self._starts)
        return found

    def largest_square(self, weights: FloatArray) -> float:
        """The largest entry of a square matrix, lines and columns weighted."""
        return float((self.largest(weights) * weights).max(initial=0.0))

    def raise_columns(self, most: FloatArray, weights: FloatArray) -> None:
        """Raise the numbers (n,) of columns to the largest entry of each, lines weighted."""
        if self._grid is not None:
            for part in self._parts():
                np.maximum(most, (self._grid[part] * weights[part, None]).max(axis=0), out=most)
        else:
            np.maximum.at(most, self._at, self._size * np.repeat(weights, self._counts))

    def _parts(self) -> Iterator[slice]:
        """Some lines at a time of a grid, which stay in the cache."""
        assert self._grid is not None
        count, n = self._grid.shape
        step = max(1, _CACHED // n)
        return (slice(first, first + step) for first in range(0, count, step))


def power_of_two(sizes: FloatArray) -> FloatArray:
    """The powers of two (so exact) that bring sizes to between ½ and 1; 1 for zeros.

    Examples
    --------
    >>> power_of_two(np.array([3.0, 0.0, 1e-3]))
    array([2.50e-01, 1.00e+00, 5.12e+02])
    """
    exponent = np.where(np.isfinite(sizes) & (sizes > 0.0), np.frexp(sizes)[1], 0)
    scale: FloatArray = np.ldexp(1.0, -exponent)
    return scale
