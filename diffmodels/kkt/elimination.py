r"""A factor that first eliminates by hand the rows that are good pivots.

In :math:`K = \begin{pmatrix} P & A^T \\ A & -C \end{pmatrix}` such rows are

* rows with c = 0 and a single entry: they fix an :math:`x_j`, and row and column leave together without any fill;
* rows with c > 0 and a single entry: a pivot that adds :math:`a^2 / c` to :math:`P_{jj}`;
* all rows with c > 0, where there are more of them than columns: what remains has the order of the columns and the
  rows with c = 0.

Active bounds are of the first kind. So are the rows of a cone on plain variables once rows and columns are turned
into the axes of the cone (`cone_columns`): what remains of a semidefinite program in standard form is of the order of
its equations and of the mixed pairs of eigenvalues. In inequality form it is of the order of its variables.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import numpy as np
import scipy.sparse as sp

from ...modelkit.arrays import FloatArray, IntArray
from ...modelkit.form.products import workable
from .factors import Factor

__all__ = ["Eliminated", "Pivots"]

# Pivots of an equilibrated matrix, whose entries are about one, from which an elimination loses no digits that
# refinement does not bring back.
_SMALLEST_ENTRY = 1e-2
_SMALLEST_CURVATURE = 1e-3
# Share of entries from which rows are multiplied as a dense array.
_MOSTLY_FULL = 0.1


@final
class Pivots:
    """Which rows of an equilibrated sparse K are eliminated by hand.

    Parameters
    ----------
    K : CSC array
    n : number of columns of P

    Attributes
    ----------
    curved : rows with c > 0
    fixing, fixed, entries : rows with c = 0, the columns that leave with them, and the entries that they share
    core : the coordinates that remain, in order
    """

    def __init__(self, K: Any, n: int) -> None:
        diagonal = K.diagonal()
        beside = np.diff(K.indptr) - (diagonal != 0.0)
        rows = n + np.flatnonzero(beside[n:] == 1)
        # The one entry beside the diagonal, in the upper block and so before it.
        first = K.indptr[rows]
        at, entry = K.indices[first].astype(np.int64), K.data[first]
        flat = (at < n) & (np.abs(entry) >= _SMALLEST_ENTRY) & (diagonal[rows] == 0.0)
        self.fixed, chosen = np.unique(at[flat], return_index=True)
        self.fixing: IntArray = rows[flat][chosen]
        self.entries: FloatArray = entry[flat][chosen]
        curved = np.flatnonzero(-diagonal >= _SMALLEST_CURVATURE)
        if len(curved) <= n - len(self.fixed):
            curved = curved[beside[curved] == 1]
        self.curved: IntArray = curved
        gone = np.concatenate([self.curved, self.fixing, self.fixed])
        self.core: IntArray = np.delete(np.arange(K.shape[0]), gone)

    @property
    def count(self) -> int:
        """How many coordinates leave."""
        return len(self.curved) + 2 * len(self.fixing)


@final
class Eliminated:
    """A factorized K: the pivots by hand, the core by another factor.

    Parameters
    ----------
    K : CSC array, equilibrated
    pivots : of K
    factorize_core : from the CSC array of the core to its factor
    """

    def __init__(self, K: Any, pivots: Pivots, factorize_core: Callable[[Any], Factor]) -> None:
        self._pivots = p = pivots
        rows = K.tocsr()
        self._bend = -K.diagonal()[p.curved][:, None]
        self._entry = p.entries[:, None]
        core, curved = rows[p.core], rows[p.curved]
        bent = sp.csr_array(curved[:, p.core])
        remaining = sp.csc_array(core[:, p.core])
        self._core = factorize_core(sp.csc_array(remaining + self._gram(bent)))
        self._of_fixed, self._curved = workable(rows[p.fixed]), workable(bent)
        self._core_of_fixed, self._curved_of_fixed = workable(core[:, p.fixed]), workable(curved[:, p.fixed])
        self._pull_of_curved = self._curved.T

    def _gram(self, A2: sp.csr_array) -> Any:
        """``A₂ᵀ C₂⁻¹ A₂`` of the curved rows."""
        if A2.nnz > _MOSTLY_FULL * A2.shape[0] * A2.shape[1]:
            used = np.unique(A2.indices)
            scaled = A2[:, used].toarray() / np.sqrt(self._bend)
            row, column = np.repeat(used, len(used)), np.tile(used, len(used))
            value = (scaled.T @ scaled).ravel()
            return sp.csc_array(sp.coo_array((value, (row, column)), shape=(A2.shape[1],) * 2))
        return sp.csc_array(A2.T @ (sp.diags_array(1.0 / self._bend.ravel()) @ A2))

    def solve(self, B: FloatArray) -> FloatArray:
        """Return ``K^-1 B``, to the accuracy of the core's factor; raise `SingularFactor` when that breaks down."""
        p = self._pivots
        X = np.zeros_like(B)
        X[p.fixed] = fixed = B[p.fixing] / self._entry
        bent = (B[p.curved] - self._curved_of_fixed @ fixed) / self._bend
        X[p.core] = core = self._core.solve(B[p.core] - self._core_of_fixed @ fixed + self._pull_of_curved @ bent)
        X[p.curved] = self._curved @ core / self._bend - bent
        # The row of x_j gives the multiplier that stands in it beside what is known by now (X is zero there).
        X[p.fixing] = (B[p.fixed] - self._of_fixed @ X) / self._entry
        return X
