"""Values of a model's functions as outputs: polynomials of the solution and the parameters together."""

from __future__ import annotations

from typing import final

import numpy as np
from numpy.typing import NDArray

from ...modelkit.rows import Rows

__all__ = ["Observed"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@final
class Observed:
    """Functions of z = (x, θ), of n and p entries.

    Parameters
    ----------
    rows : the functions as written
    identifiers, places : of variables and parameters, and where they stand in z
    size : n + p
    """

    def __init__(self, rows: Rows, identifiers: IntArray, places: IntArray, size: int) -> None:
        terms = rows.terms().packed()
        order = np.argsort(identifiers)
        at = order[np.searchsorted(identifiers[order], terms.factors).clip(max=max(len(order) - 1, 0))]
        self._place: IntArray = np.where(terms.factors >= 0, places[at] if len(at) else 0, size)
        self._row, self._coef, self._constant = terms.row, terms.coef, rows.constant
        self._size, self.m = size, rows.m

    def value(self, z: FloatArray) -> FloatArray:
        """At z (n + p,), shape (m,)."""
        factors = np.append(z, 1.0)[self._place]
        return self._constant + np.bincount(self._row, self._coef * factors.prod(axis=1), self.m)

    def push(self, z: FloatArray, moves: FloatArray) -> FloatArray:
        """How the values move with z, (K, n + p) to (K, m)."""
        out = np.zeros((len(moves), self.m))
        padded = np.concatenate([moves, np.zeros((len(moves), 1))], axis=1)
        for column, slope in enumerate(self._slopes(z)):
            np.add.at(out.T, self._row, (padded[:, self._place[:, column]] * slope).T)
        return out

    def pull(self, z: FloatArray, seeds: FloatArray) -> FloatArray:
        """Its transpose, (K, m) to (K, n + p)."""
        out = np.zeros((len(seeds), self._size + 1))
        for column, slope in enumerate(self._slopes(z)):
            np.add.at(out.T, self._place[:, column], (seeds[:, self._row] * slope).T)
        return out[:, :-1]

    def _slopes(self, z: FloatArray) -> list[FloatArray]:
        """The derivative of each term in each of its factors."""
        factors = np.append(z, 1.0)[self._place]
        return [self._coef * np.delete(factors, column, axis=1).prod(axis=1) for column in range(factors.shape[1])]
