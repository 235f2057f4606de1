"""Sparse matrices of parameters, given as whole matrices: dense, or sparse with entries anywhere in the pattern.

What a layer solves for are the T entries of the pattern, in their order. A matrix that is not zero elsewhere states
another problem than the layer's, and is refused.
"""

from __future__ import annotations

from typing import Any, final

import numpy as np
import scipy.sparse as sp

from ...modelkit.arrays import FloatArray, IntArray
from ...modelkit.errors import DimensionMismatch, InvalidData

__all__ = ["Pattern"]


@final
class Pattern:
    """Where the entries of a sparse matrix of parameters stand.

    Parameters
    ----------
    name : what an error calls the matrix
    row, column : (T,) places of the entries
    shape : (m, n)
    alone : whether the entries are taken alone as well

    Attributes
    ----------
    size : T
    inside : (T,) the entries in a raveled matrix
    outside : (m n - T,) the others
    tensor : PyTorch's `Entries` of this pattern, once that was needed

    Examples
    --------
    >>> pattern = Pattern("Parameter 0", np.array([0, 1]), np.array([1, 0]), (2, 2))
    >>> pattern.of_matrix(sp.csr_array([[0.0, 3.0], [4.0, 0.0]]))
    array([3., 4.])
    """

    def __init__(
        self, name: str, row: IntArray, column: IntArray, shape: tuple[int, ...], *, alone: bool = True
    ) -> None:
        self.name, self.shape, self.size = name, shape, len(row)
        self._may_be_both = alone and self.size == shape[1]
        self.inside: IntArray = np.ravel_multi_index((row, column), shape) if self.size else np.zeros(0, np.int64)
        self._order = np.argsort(self.inside)
        self.tensor: Any = None

    @property
    def outside(self) -> IntArray:
        """The places in a raveled matrix that are none of the pattern's."""
        there = np.ones(self.shape[0] * self.shape[1], bool)
        there[self.inside] = False
        return np.flatnonzero(there)

    def is_whole(self, shape: tuple[int, ...]) -> bool:
        """Whether an array of this shape is one of whole matrices, and not of the entries alone.

        A shape that may be both is one of matrices: a batch of entries has another with a 1 put in, (..., m, 1, T).

        Raises
        ------
        DimensionMismatch
            If it is neither.
        """
        if tuple(shape[-2:]) == self.shape:
            return True
        if shape and shape[-1] == self.size:
            return False
        m, n = self.shape
        raise DimensionMismatch(
            f"{self.name} is a sparse matrix of shape {self.shape} with {self.size} entries: it takes the entries in "
            f"an array of shape (..., {self.size}), matrices (..., {m}, {n}) or a sparse one, got the shape "
            f"{tuple(shape)}."
        )

    def places(self, row: IntArray, column: IntArray) -> IntArray:
        """Which entry of the pattern each place in the matrix is, -1 for none."""
        at = row * self.shape[1] + column
        if not self.size:
            return np.full(len(at), -1)
        ordered = self.inside[self._order]
        found = np.searchsorted(ordered, at).clip(max=self.size - 1)
        return np.where(ordered[found] == at, self._order[found], -1)

    def of_matrix(self, matrix: Any) -> FloatArray:
        """(T,) the entries of a SciPy matrix."""
        table = sp.coo_array(matrix)
        if table.shape != self.shape:
            raise DimensionMismatch(f"{self.name} has the shape {self.shape}, got a matrix of shape {table.shape}.")
        row, column = (np.asarray(c, np.int64) for c in table.coords)
        place = self.places(row, column)
        self.require_zero(row, column, np.where(place < 0, table.data, 0.0))
        out = np.zeros(self.size)
        np.add.at(out, place[place >= 0], table.data[place >= 0])
        return out

    def require_zero(self, row: IntArray, column: IntArray, values: Any) -> None:
        """Raise unless the values at places outside the pattern are zero."""
        wrong = np.flatnonzero(values != 0.0)
        if len(wrong):
            k = int(wrong[0])
            m, n = self.shape
            batch = f" A batch of entries alone has the shape (..., {m}, 1, {n})." if self._may_be_both else ""
            raise InvalidData(
                f"{self.name} is a sparse matrix without an entry at ({int(row[k])}, {int(column[k])}), got "
                f"{float(values[k])!r} there: zero is what it must be.{batch}"
            )

    def require_zero_outside(self, values: Any) -> None:
        """The same of the values (..., m n - T) of dense matrices at `outside`."""
        bad = np.flatnonzero((values != 0.0).reshape(-1, values.shape[-1]).any(axis=0))[:1]
        if len(bad):
            row, column = np.divmod(self.outside[bad], self.shape[1])
            several = values.reshape(-1, values.shape[-1])[:, bad[0]]
            self.require_zero(row, column, several[np.flatnonzero(several != 0.0)[:1]])
