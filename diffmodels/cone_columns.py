"""Cones on plain variables: their columns are turned into the cone's axes as well as their rows.

Where the rows of a cone are variables of their own, ``A_J = diag(a)`` on columns J, the substitution
``x_J = diag(1/a) U z`` makes the rotated rows ``Uᵀ A_J`` a unit matrix: single entries, which leave the KKT system
by hand (`elimination`). The matrix of a semidefinite program in standard form never fills up. The other rows
become ``A diag(1/a) U``, and P, if it is diag(p) on J and nothing else with ``p / a²`` constant over a cone,
``p / a²``, because U is orthogonal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import scipy.sparse as sp

from ..modelkit.arrays import FloatArray, IntArray
from .cone_rows import ROUNDING, Rotation, used_columns

__all__ = ["ConeColumns"]


@final
@dataclass(frozen=True)
class _Turned:
    """Cones of one shape: rows and columns (k, d), and their spectra."""

    rows: IntArray
    columns: IntArray
    spectrum: Any


@final
class ConeColumns:
    """The substitution ``x = V z``.

    Parameters
    ----------
    rotation : axes of the cones
    A : csr_array (m, n)
    P : csc_array (n, n)
    """

    def __init__(self, rotation: Rotation, A: sp.csr_array, P: sp.csc_array) -> None:
        self._shape = A.shape
        self._scale = np.ones(A.shape[1])
        self._groups: list[_Turned] = []
        taken = np.zeros(A.shape[1], bool)
        for rows, spectrum in rotation.large():
            items = self._plain(rows, A, P, taken)
            if len(items):
                columns = A.indices[A.indptr[rows[items]]].astype(np.int64)
                self._scale[columns] = 1.0 / A.data[A.indptr[rows[items]]]
                self._groups.append(_Turned(rows[items], columns, spectrum.take(items)))

    def __bool__(self) -> bool:
        return bool(self._groups)

    @staticmethod
    def _plain(rows: IntArray, A: sp.csr_array, P: sp.csc_array, taken: Any) -> IntArray:
        """The cones of a group whose rows are variables of their own; their columns become `taken`."""
        found = []
        ones = (np.diff(A.indptr)[rows] == 1).all(axis=1)
        for item in np.flatnonzero(ones):
            first = A.indptr[rows[item]]
            columns, a = A.indices[first], A.data[first]
            if taken[columns].any() or len(np.unique(columns)) < len(columns) or not a.all():
                continue
            curved = np.diff(P.indptr)[columns]
            if curved.any():
                p = P.diagonal()[columns] / a**2
                if not (curved == 1).all() or np.ptp(p) > 1e-12 * np.abs(p).max():
                    continue
            taken[columns] = True
            found.append(item)
        return np.array(found, np.int64)

    def curvature(self, P: sp.csc_array) -> sp.csc_array:
        """``Vᵀ P V``."""
        scale = sp.diags_array(self._scale)
        return sp.csc_array(scale @ P @ scale)

    def others(self, A: sp.csr_array) -> sp.csr_array:
        """``A V`` without the rows of the cones."""
        kept = np.ones(A.shape[0])
        for group in self._groups:
            kept[group.rows] = 0.0
        scaled = sp.csr_array(sp.diags_array(kept) @ A @ sp.diags_array(self._scale))
        scaled.eliminate_zeros()
        columns = scaled.tocsc()
        outside = np.ones(A.shape[1])
        blocks = []
        for group in self._groups:
            outside[group.columns] = 0.0
            block = columns[:, group.columns.ravel()].tocsr()
            used = np.flatnonzero(np.diff(block.indptr))
            if not len(used):
                continue
            stacked = block[used].toarray().T.reshape(*group.columns.shape, len(used))
            turned = group.spectrum.rotate(stacked)
            turned[np.abs(turned) <= ROUNDING * np.linalg.norm(stacked, axis=1, keepdims=True)] = 0.0
            dense = turned.reshape(-1, len(used)).T
            place = np.repeat(used, dense.shape[1]), np.tile(group.columns.ravel(), len(used))
            blocks.append((np.ascontiguousarray(dense).ravel(), *place))
        rest = sp.coo_array(scaled @ sp.diags_array(outside))
        value, row, column = (np.concatenate(parts) for parts in zip((rest.data, *rest.coords), *blocks, strict=True))
        made = sp.csr_array(sp.coo_array((value, (row, column)), shape=A.shape))
        made.eliminate_zeros()
        return made

    def entries(self, A: sp.csr_array) -> int:
        """A bound of the number of entries that the columns of the cones get in the other rows."""
        transposed = sp.csr_array(A.T)
        total = 0
        for group in self._groups:
            d = group.rows.shape[1]
            total += sum((len(used_columns(transposed, own)) - d) * d for own in group.columns)
        return total

    @property
    def rows(self) -> IntArray:
        """The rows of the cones."""
        return np.concatenate([np.zeros(0, np.int64), *(group.rows.ravel() for group in self._groups)])

    def own(self) -> sp.csr_array:
        """The rotated rows of the cones, which are unit rows."""
        rows = self.rows
        columns = np.concatenate([group.columns.ravel() for group in self._groups])
        return sp.csr_array(sp.coo_array((np.ones(len(rows)), (rows, columns)), shape=self._shape))

    def down(self, values: FloatArray) -> FloatArray:
        """``Vᵀ`` applied to (n, k)."""
        out = values * self._scale[:, None]
        for group in self._groups:
            out[group.columns] = group.spectrum.rotate(out[group.columns])
        return out

    def up(self, values: FloatArray) -> FloatArray:
        """``V`` applied to (n, k)."""
        out = values.copy()
        for group in self._groups:
            out[group.columns] = group.spectrum.unrotate(out[group.columns])
        out *= self._scale[:, None]
        return out
