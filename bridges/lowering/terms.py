"""Functions with parameters: what is fixed in them, and the terms whose coefficients are products of parameters."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from ...modelkit.arrays import FloatArray, IntArray, Places, spread
from ...modelkit.functions.monomials import Monomials
from ...modelkit.functions.rows import Rows
from ...modelkit.store.parameters import Parameters
from ..bridge import Matrix

__all__ = ["MovingTerms", "ProductTable", "split"]

_NONE = -1
_SEVERAL = 2**40


@final
class ProductTable:
    """Numbers of the products of parameters that occur in a model.

    A product of one parameter has the number of that parameter, the others numbers from `_SEVERAL` on.
    """

    def __init__(self) -> None:
        self._several: dict[tuple[int, ...], int] = {}

    def codes(self, places: IntArray) -> IntArray:
        """The numbers of products given as (T, K) numbers of parameters, -1 for none."""
        if places.shape[1] > 1 and not (np.count_nonzero(places >= 0, axis=1) > 1).any():
            return np.asarray(functools.reduce(np.maximum, places.T), np.int64)
        ordered = -np.sort(-places, axis=1)  # those that are none last
        codes = ordered[:, 0].copy()
        if places.shape[1] == 1:
            return codes
        mine = np.flatnonzero(ordered[:, 1] >= 0)
        if len(mine):
            many = ordered[mine]
            order = np.lexsort(many.T)
            new = np.ones(len(order), bool)
            new[1:] = (np.diff(many[order], axis=0) != 0).any(axis=1)
            found = [self._code(tuple(p for p in row if p >= 0)) for row in many[order[new]].tolist()]
            codes[mine[order]] = np.array(found, np.int64)[np.cumsum(new) - 1]
        return codes

    def _code(self, product: tuple[int, ...]) -> int:
        return self._several.setdefault(product, _SEVERAL + len(self._several))

    def several(self, count: int) -> IntArray | None:
        """`factors`, where there are products of several parameters."""
        return self.factors(count) if self._several else None

    def factors(self, count: int) -> IntArray:
        """(count + products of several, K) numbers of the parameters in each product, -1 for none.

        Parameters
        ----------
        count : of parameters
        """
        width = max((len(p) for p in self._several), default=1)
        out = np.full((count + len(self._several), width), _NONE, np.int64)
        out[:count, 0] = np.arange(count)
        for row, product in enumerate(self._several, count):
            out[row, : len(product)] = product
        return out

    def rows(self, codes: IntArray, count: int) -> IntArray:
        """The rows of `factors` that products with these numbers have."""
        if not self._several:
            return codes
        return np.where(codes >= _SEVERAL, codes - _SEVERAL + count, codes)


@final
@dataclass(frozen=True, slots=True, eq=False)
class MovingTerms:
    """Terms ``coef * product of parameters * x[first] * x[second]``, each of one row.

    Attributes
    ----------
    row, code : of each term; code is the number of its product
    first, second : variables or columns, -1 for none, the first before the second
    coef : fixed factors
    """

    row: IntArray
    code: IntArray
    first: IntArray
    second: IntArray
    coef: FloatArray

    def __len__(self) -> int:
        return len(self.row)

    @staticmethod
    def none() -> MovingTerms:
        """No terms."""
        empty = np.zeros(0, np.int64)
        return MovingTerms(empty, empty, empty, empty, np.zeros(0))

    @staticmethod
    def stack(parts: list[MovingTerms]) -> MovingTerms:
        """The terms of all parts."""
        parts = [part for part in parts if len(part)]
        if len(parts) < 2:
            return parts[0] if parts else MovingTerms.none()
        arrays = zip(*((p.row, p.code, p.first, p.second, p.coef) for p in parts), strict=True)
        return MovingTerms(*(np.concatenate(one) for one in arrays))

    def take(self, which: Places) -> MovingTerms:
        """Some of the terms."""
        return MovingTerms(self.row[which], self.code[which], self.first[which], self.second[which], self.coef[which])

    def placed(self, rows: IntArray) -> MovingTerms:
        """The terms of row r become terms of row ``rows[r]``."""
        return MovingTerms(rows[self.row], self.code, self.first, self.second, self.coef)

    def in_columns(self, columns: IntArray, base: int) -> MovingTerms:
        """With columns for identifiers of variables."""
        first, second = (_in_columns(v, columns, base) for v in (self.first, self.second))
        return MovingTerms(self.row, self.code, first, second, self.coef)

    def mapped(self, A: Matrix, copies: int) -> MovingTerms:
        """``kron(I, A)`` applied to the rows."""
        if not len(self):
            return self
        p, q = A.shape
        copy, local = np.divmod(self.row, q)
        at, place, number = spread(A.tocsc(), local)
        return MovingTerms(copy[at] * p + place, self.code[at], self.first[at], self.second[at], self.coef[at] * number)


def _in_columns(ids: IntArray, columns: IntArray, base: int) -> IntArray:
    if ids.min(initial=0) >= 0:
        return columns[ids - base]
    if ids.max(initial=_NONE) < 0:
        return ids
    return np.where(ids >= 0, columns[np.maximum(ids - base, 0)], _NONE)


def split(rows: Rows, parameters: Parameters | None, table: ProductTable) -> tuple[Rows, MovingTerms]:
    """The rows without the terms in which parameters stand, and these terms.

    Parameters
    ----------
    rows : functions of at most degree two beside the parameters (see `Parameters.check_degree`)
    parameters : those of the model, None if there are none
    """
    if not parameters:
        return rows, MovingTerms.none()
    stays, moving = [], []
    for row, factors, coef in ((rows.row, (rows.var,), rows.coef), *rows.products()):
        are = [parameters.among(factor) for factor in factors]
        moves = functools.reduce(np.logical_or, are)
        stays.append(~moves)
        if moves.all():
            moving.append(_moving(row, factors, coef, are, parameters, table))
        elif moves.any():
            own, mine = [factor[moves] for factor in factors], [some[moves] for some in are]
            moving.append(_moving(row[moves], own, coef[moves], mine, parameters, table))
    if not moving:
        return rows, MovingTerms.none()
    return rows.where(*stays), MovingTerms.stack(moving)


def _moving(
    row: IntArray,
    factors: Sequence[IntArray],
    coef: FloatArray,
    are: Sequence[NDArray[np.bool_]],
    parameters: Parameters,
    table: ProductTable,
) -> MovingTerms:
    """Terms, each with parameters among its factors: those that `are`."""
    mine = [factor for factor, some in zip(factors, are, strict=True) if some.all()]
    others = [factor for factor, some in zip(factors, are, strict=True) if not some.any()]
    if len(mine) == 1 and len(others) == len(factors) - 1 < 3:  # as of a matrix of parameters times variables
        while len(others) < 2:
            others.append(np.full(len(row), _NONE))
        # the store may change its own numbers
        return MovingTerms(row, parameters.places(mine[0]), others[0], others[1], coef.copy())
    code = table.codes(np.stack([parameters.places(factor) for factor in factors], axis=1))
    left = np.stack([np.where(some, _NONE, factor) for factor, some in zip(factors, are, strict=True)])
    packed = Monomials(row, left.T, coef).packed().factors
    padded = np.pad(packed, ((0, 0), (0, max(2 - packed.shape[1], 0))), constant_values=_NONE)
    return MovingTerms(row, code, padded[:, 0], padded[:, 1], coef)
