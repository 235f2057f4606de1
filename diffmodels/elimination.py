r"""A factor that first eliminates the rows with one entry.

In :math:`K = \begin{pmatrix} P & A^T \\ A & -C \end{pmatrix}` a row of A with a single entry a, in column j, is solved
by hand. With c > 0 the row is a pivot that adds :math:`a^2 / c` to :math:`P_{jj}`; with c = 0 it fixes
:math:`x_j`, and row and column leave together without any fill. Active bounds are such rows, and so are all rows of
a cone on plain variables once rows and columns are turned into the axes of the cone (`cone_columns`): what remains of
a semidefinite program in standard form is of the order of its equations and of the mixed pairs of eigenvalues.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self, final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from .factors import Factor

__all__ = ["Eliminated", "Singletons"]

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

# Pivots of an equilibrated matrix, whose entries are about one, from which an elimination loses no digits that
# refinement does not bring back.
_SMALLEST_ENTRY = 1e-2
_SMALLEST_CURVATURE = 1e-3


@final
class Singletons:
    """Which rows of an equilibrated sparse K can be eliminated by hand.

    Attributes
    ----------
    curved, curved_at : rows with c > 0 and the columns j of their entries
    fixing, fixed : rows with c = 0 and the columns that leave with them
    core : the coordinates that remain, in order
    """

    def __init__(self, curved: Ints, curved_at: Ints, fixing: Ints, fixed: Ints, size: int) -> None:
        self.curved, self.curved_at = curved, curved_at
        self.fixing, self.fixed = fixing, fixed
        gone = np.zeros(size, bool)
        for eliminated in (curved, fixing, fixed):
            gone[eliminated] = True
        self.core: Ints = np.flatnonzero(~gone)

    @classmethod
    def of(cls, K: Any, n: int) -> Self:
        """Those of a CSC array with n columns of P."""
        diagonal = K.diagonal()
        beside = np.diff(K.indptr) - (diagonal != 0.0)
        rows = n + np.flatnonzero(beside[n:] == 1)
        # The one entry beside the diagonal, in the upper block and so before it.
        first = K.indptr[rows]
        at, entry = K.indices[first].astype(np.int64), np.abs(K.data[first])
        good = (at < n) & (entry >= _SMALLEST_ENTRY)
        flat = good & (diagonal[rows] == 0.0)
        fixed, chosen = np.unique(at[flat], return_index=True)
        fixing = rows[flat][chosen]
        bent = good & (-diagonal[rows] >= _SMALLEST_CURVATURE * entry**2) & ~np.isin(at, fixed)
        return cls(rows[bent], at[bent], fixing, fixed, K.shape[0])

    @property
    def count(self) -> int:
        """How many coordinates leave."""
        return len(self.curved) + 2 * len(self.fixing)


@final
class Eliminated:
    """A factorized K: the singletons by hand, the core by another factor.

    Parameters
    ----------
    K : CSC array, equilibrated
    singletons : of K
    factorize_core : from the CSC array of the core to its factor
    """

    def __init__(self, K: Any, singletons: Singletons, factorize_core: Callable[[Any], Factor]) -> None:
        self._s = s = singletons
        rows = K.tocsr()
        self._bend = -K.diagonal()[s.curved]
        self._curved_entry = np.asarray(rows[s.curved, s.curved_at]).ravel()
        self._fixing_entry = np.asarray(rows[s.fixing, s.fixed]).ravel()
        self._of_fixed = rows[s.fixed]
        self._into_core = sp.csr_array(rows[s.core][:, s.fixed])
        added = np.zeros(K.shape[0])
        np.add.at(added, s.curved_at, self._curved_entry**2 / self._bend)
        core = sp.csc_array(rows[s.core][:, s.core] + sp.diags_array(added[s.core]))
        self._core = factorize_core(core)

    def solve(self, B: Array) -> Array:
        """Return ``K^-1 B``, to the accuracy of the core's factor; raise `SingularFactor` when that breaks down."""
        s = self._s
        X = np.zeros_like(B)
        right = B.copy()
        np.add.at(right, s.curved_at, (self._curved_entry / self._bend)[:, None] * B[s.curved])
        X[s.fixed] = B[s.fixing] / self._fixing_entry[:, None]
        X[s.core] = self._core.solve(right[s.core] - self._into_core @ X[s.fixed])
        X[s.curved] = (self._curved_entry[:, None] * X[s.curved_at] - B[s.curved]) / self._bend[:, None]
        # The row of x_j gives the multiplier that stands in it beside what is known by now (X is zero there).
        X[s.fixing] = (B[s.fixed] - self._of_fixed @ X) / self._fixing_entry[:, None]
        return X
