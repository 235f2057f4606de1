"""The matrix of rows and bounds: a matrix and, below it, the unit matrix, of which nothing is stored."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from ..modelkit.arrays import FloatArray
from ..modelkit.form.products import sizes_of

__all__ = ["RowsAndBounds"]


@final
class RowsAndBounds:
    """The matrix ``[A; I]``, for products: bounds of columns are its last rows.

    Parameters
    ----------
    rows : A (m, n), an array or compressed

    Attributes
    ----------
    rows : see above
    T : the transpose, for products
    shape : (m + n, n)
    """

    def __init__(self, rows: Any) -> None:
        m, n = rows.shape
        self.rows, self.shape = rows, (m + n, n)
        self.T = _Transposed(rows.T, m)

    def __matmul__(self, x: FloatArray) -> FloatArray:
        """The values of all rows at x (n,) or (n, k)."""
        return np.concatenate([self.rows @ x, x])

    def sizes(self) -> RowsAndBounds:
        """The same with the sizes of all entries."""
        return RowsAndBounds(sizes_of(self.rows))


@final
class _Transposed:
    """Its transpose."""

    def __init__(self, columns: Any, m: int) -> None:
        self._columns, self._m = columns, m

    def __matmul__(self, y: FloatArray) -> FloatArray:
        total: FloatArray = self._columns @ y[: self._m]
        total += y[self._m :]
        return total
