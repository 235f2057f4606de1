"""Derivatives of functions with respect to the parameters that multiply in them.

A term ``c p q x`` moves by ``c (dp q + p dq) x``: for each parameter in it, by a product of what remains. These pieces
are found once for a model; tangents, gradients and reduced costs are sums over them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from . import attributes as attr
from .arrays import FloatArray, IntArray, cofactors, sums
from .functions import VectorOfVariables
from .indices import ConstraintIndices
from .monomials import Monomials
from .parameters import Parameters
from .rows import Rows

__all__ = ["Pieces", "Products", "inner_product"]


@final
@dataclass(frozen=True, eq=False)
class Pieces:
    """The products in some functions, a piece for each parameter in each: ``d row / d parameter = rest``.

    Attributes
    ----------
    indices : the constraints, or None for the objective
    m : number of rows of the functions, one below the other
    place : (T,) numbers of the parameters
    rest : T terms, in variables and in what other parameters there are
    """

    indices: ConstraintIndices | None
    m: int
    place: IntArray
    rest: Monomials

    @staticmethod
    def of(indices: ConstraintIndices | None, rows: Rows, parameters: Parameters) -> Pieces | None:
        """Those of functions; None where there is no product."""
        terms = parameters.products(rows)
        if not len(terms):
            return None
        terms = terms.packed()
        place = parameters.places(terms.factors)
        parts, places = [], []
        for column in range(terms.factors.shape[1]):
            mine = np.flatnonzero(place[:, column] >= 0)
            others = terms.factors[mine]
            others[:, column] = -1
            parts.append(Monomials(terms.row[mine], others, terms.coef[mine]))
            places.append(place[mine, column])
        return Pieces(indices, rows.m, np.concatenate(places), Monomials.stack(parts).packed())

    def tangents(self, moves: FloatArray, parameters: Parameters) -> Rows:
        """How the functions move with the parameters, in variables alone: m rows for each direction.

        Parameters
        ----------
        moves : (p,) or (p, K)
        """
        moves = moves.reshape(len(moves), -1)
        rest = parameters.filled(self.rest)
        term, direction = np.nonzero(moves[self.place])
        coef = rest.coef[term] * moves[self.place[term], direction]
        terms = Monomials(rest.row[term] + direction * self.m, rest.factors[term], coef)
        return Rows.of_terms(np.zeros(self.m * moves.shape[1]), terms.take(terms.coef != 0.0))

    def gradient(self, left: FloatArray, right: Callable[[IntArray], FloatArray], count: int) -> FloatArray:
        """Gradient with respect to the parameters, (count,), from the factors of the gradients of coefficients.

        With left (m, 2) the rows (y, w_y) and right the (w, x) of variables, the gradient of the coefficient of a
        product is ``y d(product)/dx·w + w_y product`` (see `functions.lazy`).
        """
        factors = self.rest.factors
        there = factors >= 0
        w, x = np.zeros(factors.shape), np.ones(factors.shape)
        w[there], x[there] = right(factors[there]).T
        moved = (cofactors(x) * w).sum(axis=1)
        y, wy = left[self.rest.row].T
        values = self.rest.coef * (y * moved + wy * x.prod(axis=1))
        return sums(self.place, values, count)

    def slopes(self, weights: FloatArray, value: Callable[[IntArray], FloatArray], count: int) -> FloatArray:
        """``sum of weights[row] * d row / d parameter`` at a point, (count,)."""
        values = weights[self.rest.row] * self.rest.values(value)
        return sums(self.place, values, count)


@final
class Products:
    """All products with parameters in a model.

    Parameters
    ----------
    store : the model
    """

    def __init__(self, store: Any) -> None:
        self.parameters = Parameters(store)
        found = (Pieces.of(indices, rows, self.parameters) for indices, rows in _curved(store))
        self.pieces = [pieces for pieces in found if pieces is not None] if self.parameters else []

    def reduced_costs(self, model: Any) -> FloatArray:
        """What the products add to the duals of the parameters' constraints, (p,), at the result of a model.

        ``sign df0/dp - sum of W y df/dp``, by which the gradient of the Lagrangian in p is zero. A certificate of
        infeasibility is one of the constraints at the parameters' values, so products add nothing to it.
        """
        total = np.zeros(len(self.parameters.ids))
        if not self.pieces or model.get(attr.DualStatus()) == attr.ResultStatusCode.INFEASIBILITY_CERTIFICATE:
            return total
        value = self.values(model)
        for pieces in self.pieces:
            total += pieces.slopes(self.multipliers(model, pieces), value, len(total))
        return total

    def multipliers(self, model: Any, pieces: Pieces) -> FloatArray:
        """By which the functions of some pieces stand in the Lagrangian, (m,): the sense's sign, or ``-W y``."""
        if pieces.indices is None:
            return np.array([-1.0 if model.store.sense is attr.ObjectiveSenseCode.MAX_SENSE else 1.0])
        duals: FloatArray = model.get(attr.ConstraintDual(), pieces.indices)
        return -inner_product(model.store, pieces.indices) * duals

    def values(self, model: Any) -> Callable[[IntArray], FloatArray]:
        """Values by identifier at the result of a model, those of parameters as they were set."""

        def value(ids: IntArray) -> FloatArray:
            place = self.parameters.places(ids)
            found = np.asarray(model.get(attr.VariablePrimal(), VectorOfVariables.of_ids(ids)))
            return np.where(place < 0, found, self.parameters.values[place])

        return value


def _curved(store: Any) -> Iterator[tuple[ConstraintIndices | None, Rows]]:
    """The functions that may have products: those of the constraints kind by kind, and the objective (None)."""
    for kind in store.kinds():
        if kind[0].degree > 1:
            block, numbers = store.block(kind).snapshot()
            yield store.indices(kind, numbers), block.rows
    if store.objective_block is not None:
        yield None, store.objective_block.all_rows()


def inner_product(store: Any, indices: ConstraintIndices) -> FloatArray:
    """The weights of the inner products of the sets of some constraints of one kind, one below the other."""
    numbers = store.numbers(indices)
    block = store.block(indices.kind)
    sets = [block.set(number) for number in numbers.tolist()] if indices.kind[1].is_vector else []
    if all(s.weights is None for s in sets):
        return np.ones(len(block.rows_of(numbers)))
    return np.concatenate([np.ones(s.dimension) if s.weights is None else s.weights for s in sets])
