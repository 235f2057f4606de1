"""The units in which the numbers of a form are of about the same size.

A row, a variable or the objective may be stated in any unit; whether a residual is small does not depend on it. With E
and D from an equilibration of the matrices, ``E F D`` has rows and columns whose largest entries are near one: there a
number is compared with the others of its row, and with those of its variable in other rows.
"""

from __future__ import annotations

from typing import Any, final

import numpy as np

from .arrays import FloatArray
from .form_rows import FormRows

__all__ = ["Units", "power_of_two"]

_SWEEPS = 3


@final
class Units:
    """Scales of columns and rows, powers of two.

    Parameters
    ----------
    rows : FormRows
    alone : whether the objective has no part in them

    Attributes
    ----------
    column : (n,) D; those of variables in no row and no square are 1, and so is their median
    row : (m,) E, the same for all rows of a cone, that of the largest of them; 1 for rows without entries
    """

    def __init__(self, rows: FormRows, *, alone: bool = False) -> None:
        form = rows.form
        F, P = form.F, form.P
        matrices = [_Lines(F.data, F.indices, F.indptr)]
        if P.nnz and not alone:
            matrices.append(_Lines(P.data, P.indices, P.indptr))  # symmetric: its columns are its rows
        largest, column = [np.zeros(form.m), np.zeros(form.n)], np.ones(form.n)
        for _ in range(_SWEEPS):
            most = np.zeros(form.n)
            for k, lines in enumerate(matrices):
                largest[k] = lines.largest(column)
                np.maximum.at(most, lines.at, lines.size * np.repeat(power_of_two(largest[k]), lines.counts))
            column = power_of_two(most)
        middle = np.exp2(np.round(np.median(np.log2(column)))) if form.n else 1.0
        self.column: FloatArray = column / middle
        row = largest[0]
        for _, at in rows.cones:
            row[at] = row[at].max(axis=1, keepdims=True, initial=0.0)
        self.row: FloatArray = np.where(row > 0.0, power_of_two(row) * middle, 1.0)


@final
class _Lines:
    """The sizes of the entries of a matrix, line by line."""

    def __init__(self, data: FloatArray, at: Any, starts: Any) -> None:
        self.size, self.at, self.counts = np.abs(data), at, np.diff(starts)
        self._filled = np.flatnonzero(self.counts)
        self._starts = starts[self._filled]

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
