"""Terms of degree three and more: what `Rows` holds beside constants, affine and quadratic terms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, final

import numpy as np

from ..arrays import FloatArray, IntArray, added_up, cofactors, fewer, pairs

__all__ = ["Monomials"]

_NONE = -1


@final
@dataclass(frozen=True, slots=True, eq=False)
class Monomials:
    """Terms ``coef * product of x[factors]``, each of one row.

    Parameters
    ----------
    row : array of shape (T,)
    factors : array of shape (T, D)
        Identifiers of variables, repeated for powers; -1 fills up shorter terms. Column by column in memory, best.
    coef : array of shape (T,)
    """

    row: IntArray
    factors: IntArray
    coef: FloatArray

    def __len__(self) -> int:
        return len(self.row)

    @staticmethod
    def stack(parts: Sequence[Monomials]) -> Monomials:
        """The terms of all parts."""
        if len(parts) == 1:
            return parts[0]
        join = np.concatenate
        row, coef = join([p.row for p in parts]), join([p.coef for p in parts])
        factors, first = np.full((max(p.factors.shape[1] for p in parts), len(row)), _NONE, np.int64).T, 0
        for p in parts:
            count, width = p.factors.shape
            factors[first : first + count, :width] = p.factors
            first += count
        return Monomials(row, factors, coef)

    def take(self, terms: Any) -> Monomials:
        """Some of the terms."""
        return Monomials(self.row[terms], self.factors[terms], self.coef[terms])

    def moved(self, rows: IntArray) -> Monomials:
        """The terms of row r become terms of row ``rows[r]``."""
        return Monomials(rows[self.row], self.factors, self.coef)

    def weighted(self, row_factors: FloatArray) -> Monomials:
        """Each term times the factor of its row."""
        return Monomials(self.row, self.factors, self.coef * row_factors[self.row])

    def renamed(self, rename: Callable[[IntArray], IntArray]) -> Monomials:
        """The same terms in other variables."""
        factors = self.factors.copy()
        there = factors != _NONE
        factors[there] = rename(factors[there])
        return Monomials(self.row, factors, self.coef)

    def values(self, value: Callable[[IntArray], FloatArray]) -> FloatArray:
        """The values of the terms at ``x[id] = value(id)``, shape (T,)."""
        out: FloatArray = self.coef * self._filled(value).prod(axis=1)
        return out

    def gradient(self, weights: FloatArray, value: Callable[[IntArray], FloatArray]) -> tuple[IntArray, FloatArray]:
        """The gradient of ``sum of weights[row] * terms`` at a point, as (variables, numbers to be added up)."""
        slopes = cofactors(self._filled(value)) * (weights[self.row] * self.coef)[:, None]
        there = self.factors != _NONE
        return self.factors[there], slopes[there]

    def _filled(self, value: Callable[[IntArray], FloatArray]) -> FloatArray:
        """The values of the factors, one in place of the fillers, (T, D)."""
        there = self.factors != _NONE
        numbers = np.ones(self.factors.shape)
        numbers[there] = value(self.factors[there])
        return numbers

    def coefficient(self, row: int, ids: Sequence[int]) -> float:
        """The coefficient of a product of variables, in any order, in one row."""
        terms = self.take((self.row == row) & (self.degrees == len(ids)))
        factors = np.sort(terms.factors, axis=1)[:, terms.factors.shape[1] - len(ids) :]
        return float(terms.coef[(factors == np.sort(ids)).all(axis=1)].sum())

    @property
    def degrees(self) -> IntArray:
        """The number of factors of each term."""
        degrees = np.zeros(len(self), np.int64)
        for factor in self.factors.T:  # of which there are few: faster than sums of short rows
            degrees += factor != _NONE
        return degrees

    def merged(self) -> Monomials:
        """Equal terms added up, sums that are zero included; as they are where no terms are equal."""
        (row, *factors), total = fewer((self.row, *self.factors.T), self.coef)
        if len(total) == len(self):
            return self
        return Monomials(row, np.stack(factors).T, total).packed()

    def canonical(self) -> Monomials:
        """Factors sorted, equal terms added up, zeros dropped; terms in order of row."""
        (row, *factors), total = added_up((self.row, *self.factors.T), self.coef)
        return Monomials(row, np.stack(factors[::-1]).T, total).take(total != 0.0)

    def times(self, other: Monomials, m: int) -> Monomials:
        """All products of a term here and a term there in the same of m rows."""
        every = np.arange(m)
        term: IntArray | slice = slice(None)
        partner: IntArray | slice = slice(None)
        if np.array_equal(self.row, every):  # a term in each row: no pairs to look for
            term = other.row
        elif np.array_equal(other.row, every):
            partner = self.row
        else:
            term, partner = pairs(self.row, other.row, m)
        columns = [*(one[term] for one in self.factors.T), *(one[partner] for one in other.factors.T)]
        return Monomials(self.row[term], np.stack(columns).T, self.coef[term] * other.coef[partner])

    def packed(self) -> Monomials:
        """The same with the fillers last and no more of them than needed."""
        factors, degrees = self.factors, self.degrees
        if degrees.min(initial=0) == factors.shape[1]:
            return self
        width = int(degrees.max(initial=0))
        columns = list(factors.T)
        if any((left == _NONE).any() and (right[left == _NONE] != _NONE).any() for left, right in pairwise(columns)):
            packed, at = np.full((width, len(factors)), _NONE, np.int64).T, np.zeros(len(factors), np.int64)
            for factor in columns:
                there = np.flatnonzero(factor != _NONE)
                packed[there, at[there]] = factor[there]
                at[there] += 1
            factors = packed
        return Monomials(self.row, factors[:, :width], self.coef)
