"""The units in which the numbers of a form are of about the same size.

A row, a variable or the objective may be stated in any unit; whether a residual is small does not depend on it. With E
and D from an equilibration of the matrices, ``E F D`` has rows and columns whose largest entries are near one: there a
number is compared with the others of its row, and with those of its variable in other rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from ..arrays import FloatArray

__all__ = ["FARTHEST", "Lines", "equilibrated", "equilibration", "power_of_two", "size_of_solution"]

_SWEEPS = 3
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
    lines = [Lines(F, shared=shared)]
    if P is not None and P.nnz:
        lines.append(Lines(P, shared=shared))
    column, rows = equilibrated(lines, F.shape[1])
    return column, rows[0]


def equilibrated(
    lines: Sequence[Lines], n: int, telling: NDArray[np.bool_] | None = None
) -> tuple[FloatArray, list[FloatArray]]:
    """The same of several matrices, one below the other, and of n rows with one entry, a 1, one for each column.

    Parameters
    ----------
    lines : of matrices with n columns
    n : number of columns
    telling : (n,) which of these further rows scale their columns; None for none

    Returns
    -------
    The scales of the columns, those of the lines of each matrix, and at last those of the further rows.
    """
    largest, column = [*(np.zeros(len(each.counts)) for each in lines), np.ones(n)], np.ones(n)
    for _ in range(_SWEEPS):
        largest[-1] = column
        most = np.zeros(n) if telling is None else np.where(telling, power_of_two(column), 0.0)
        for k, each in enumerate(lines):
            largest[k] = each.largest(column)
            np.maximum.at(most, each.at, each.telling * np.repeat(power_of_two(largest[k]), each.counts))
        before, column = column, power_of_two(most)
        if np.array_equal(before, column):
            break
    middle = float(np.exp2(np.round(np.median(np.log2(column))))) if n else 1.0
    return column / middle, [np.where(size > 0.0, power_of_two(size) * middle, 1.0) for size in largest]


def size_of_solution(P: Any, q: FloatArray, column: FloatArray, numbers: FloatArray) -> float:
    """The power of two near which the variables of an equilibrated program may be expected; 1 beyond 1e±20.

    Where matrices have entries near one, a solution is about as large as bounds are and, beside a matrix P, linear
    costs. The matrices do not tell: a program all of whose columns are 1e6 times as large has the same scaled ones.

    Parameters
    ----------
    P : symmetric csc_array (n, n), not scaled
    q : (n,) costs, not scaled
    column : (n,) the scales of the columns
    numbers : bounds, and constants of cones, scaled; those that are zero or infinite tell nothing

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> size_of_solution(sp.csc_array([[2.0]]), np.array([5e-7]), np.ones(1), np.array([2e-6, np.inf]))
    9.5367431640625e-07
    """
    told = [np.abs(numbers)]
    if P.nnz:
        squares = np.abs(P.data) * column[P.indices] * np.repeat(column, np.diff(P.indptr))
        told.append(np.abs(column * q) / max(float(squares.max()), np.finfo(np.float64).tiny))
    sizes = np.concatenate(told)
    sizes = sizes[np.isfinite(sizes) & (sizes > 0.0)]
    size = float(np.exp2(np.round(np.median(np.log2(sizes))))) if len(sizes) else 1.0
    return size if 1.0 / FARTHEST <= size <= FARTHEST else 1.0


@final
class Lines:
    """The sizes of the entries of a matrix, line by line; `telling` those, or zero, that scale their columns.

    Parameters
    ----------
    matrix : compressed sparse, with lines of entries
    shared : whether lines with one entry scale no columns
    among : (lines,) those that do, or None for all
    """

    def __init__(self, matrix: Any, *, shared: bool = False, among: NDArray[np.bool_] | None = None) -> None:
        self.size, self.at, self.counts = np.abs(matrix.data), matrix.indices, np.diff(matrix.indptr)
        self.telling = np.where(np.repeat(self.counts, self.counts) > 1, self.size, 0.0) if shared else self.size
        if among is not None:
            self.telling = np.where(np.repeat(among, self.counts), self.telling, 0.0)
        self._filled = np.flatnonzero(self.counts)
        self._starts = matrix.indptr[self._filled]

    def largest(self, weights: FloatArray) -> FloatArray:
        """The largest entry of each line, columns weighted; zero of an empty one."""
        found = np.zeros(len(self.counts))
        if len(self._filled):
            found[self._filled] = np.maximum.reduceat(self.size * weights[self.at], self._starts)
        return found


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
