"""The matrices of a form for those who multiply by them again and again: as arrays where they are small or full."""

from __future__ import annotations

from typing import Any, final

import numpy as np
import scipy.sparse as sp

__all__ = ["Products", "workable"]

_SMALL = 30_000
"""Numbers of places up to which a product with an array costs less than the look that SciPy takes at its arguments."""
_MOSTLY_STORED = 0.3
"""Share of entries from which an array is faster whatever the size."""


def workable(matrix: Any) -> Any:
    """The matrix as an array if it is small or full, else as it is, compressed."""
    if not sp.issparse(matrix):
        return np.asarray(matrix, np.float64)
    places = matrix.shape[0] * matrix.shape[1]
    if places <= _SMALL or matrix.nnz > _MOSTLY_STORED * places:
        return matrix.toarray()
    return matrix if matrix.dtype == np.float64 else matrix.astype(np.float64)


@final
class Products:
    """The matrices P, A and F of a form and the transposes of the latter two, for products.

    Parameters
    ----------
    P, A, F : compressed, or arrays
    """

    def __init__(self, P: Any, A: Any, F: Any) -> None:
        self.P, self.A, self.F = workable(P), workable(A), workable(F)
        self.A_T, self.F_T = self.A.T, self.F.T
        self._sizes: Products | None = None

    @property
    def sizes(self) -> Products:
        """The same of the sizes of all entries."""
        if self._sizes is None:
            self._sizes = Products(abs(self.P), abs(self.A), abs(self.F))
        return self._sizes
