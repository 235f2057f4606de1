"""Derivatives of functions with respect to the parameters that multiply in them.

A term ``c p q x`` moves by ``c (dp q + p dq) x``: for each parameter in it, a coefficient of what remains in the
variables. These pieces are expanded once for a model at the present values; tangents, gradients and reduced costs are
sums over them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from . import attributes as attr
from .functions import VectorOfVariables
from .indices import ConstraintIndices, Kind
from .monomials import Monomials
from .parameters import Parameters
from .rows import FloatArray, IntArray, Rows

__all__ = ["Pieces", "Products"]


@final
@dataclass(frozen=True, eq=False)
class Pieces:
    """The products in some functions, a piece for each parameter in each: ``d row / d parameter = coef * rest``.

    Attributes
    ----------
    indices : the constraints, or None for the objective
    m : number of rows of the functions, one below the other
    place : (T,) numbers of the parameters
    rest : T terms in variables, with the coefficients at the present values
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
        is_parameter = place >= 0
        numbers = np.where(is_parameter, parameters.values[np.where(is_parameter, place, 0)], 1.0)
        variables = np.where(is_parameter, -1, terms.factors)
        parts, places = [], []
        for column in range(terms.factors.shape[1]):
            mine = np.flatnonzero(is_parameter[:, column])
            others = np.delete(numbers[mine], column, axis=1).prod(axis=1)
            parts.append(Monomials(terms.row[mine], variables[mine], terms.coef[mine] * others))
            places.append(place[mine, column])
        return Pieces(indices, rows.m, np.concatenate(places), Monomials.stack(parts).packed())

    def tangents(self, moves: FloatArray) -> Rows:
        """How the functions move with the parameters (p,), as rows."""
        terms = Monomials(self.rest.row, self.rest.factors, self.rest.coef * moves[self.place])
        return Rows.of_terms(np.zeros(self.m), terms.take(terms.coef != 0.0))

    def gradient(self, left: FloatArray, right: Callable[[IntArray], FloatArray], count: int) -> FloatArray:
        """Gradient with respect to the parameters, (count,), from the factors of the gradients of coefficients.

        With left (m, 2) the rows (y, w_y) and right the (w, x) of variables, the gradient of the coefficient of a
        product of variables is ``y d(product)/dx·w + w_y product`` (see `functions.lazy`).
        """
        factors = self.rest.factors
        there = factors >= 0
        w, x = np.zeros(factors.shape), np.ones(factors.shape)
        w[there], x[there] = right(factors[there]).T
        moved = np.zeros(len(factors))
        for column in range(factors.shape[1]):
            moved += np.delete(x, column, axis=1).prod(axis=1) * w[:, column]
        y, wy = left[self.rest.row].T
        values = self.rest.coef * (y * moved + wy * x.prod(axis=1))
        return np.bincount(self.place, values, count).astype(np.float64, copy=False)

    def slopes(self, weights: FloatArray, value: Callable[[IntArray], FloatArray], count: int) -> FloatArray:
        """``sum of weights[row] * d row / d parameter`` at a point, (count,)."""
        values = weights[self.rest.row] * self.rest.values(value)
        return np.bincount(self.place, values, count).astype(np.float64, copy=False)


@final
class Products:
    """All products with parameters in a model.

    Parameters
    ----------
    store : the model
    """

    def __init__(self, store: Any) -> None:
        self.parameters = Parameters(store)
        self.pieces = list(self._found(store))

    def _found(self, store: Any) -> Iterator[Pieces]:
        if not self.parameters:
            return
        for kind in store.kinds():
            if kind[0].degree > 1:
                block, numbers = store.block(kind).snapshot()
                pieces = Pieces.of(store.indices(kind, numbers), block.rows, self.parameters)
                if pieces is not None:
                    yield pieces
        if store.objective_block is not None:
            pieces = Pieces.of(None, store.objective_block.all_rows(), self.parameters)
            if pieces is not None:
                yield pieces

    def reduced_costs(self, model: Any) -> FloatArray:
        """What the products add to the duals of the parameters' constraints, (p,), at the result of a model.

        ``sign df0/dp - sum of W y df/dp``, by which the gradient of the Lagrangian in p is zero; of a certificate of
        infeasibility without the objective.
        """
        store = model.store
        total = np.zeros(len(self.parameters.ids))
        proof = model.get(attr.DualStatus()) == attr.ResultStatusCode.INFEASIBILITY_CERTIFICATE
        for pieces in self.pieces:
            if pieces.indices is not None:
                weights = -self._weights(store, pieces.indices.kind) * model.get(attr.ConstraintDual(), pieces.indices)
            elif proof:
                continue
            else:
                weights = np.array([-1.0 if store.sense is attr.ObjectiveSenseCode.MAX_SENSE else 1.0])
            values = _values_of(model)
            total += pieces.slopes(weights, values, len(total))
        return total

    @staticmethod
    def _weights(store: Any, kind: Kind) -> FloatArray:
        """Of the inner products of the sets of a kind, one below the other."""
        block, _ = store.block(kind).snapshot()
        sets = [block.sets.set(i) for i in range(block.sets.count)] if kind[1].is_vector else []
        if all(s.weights is None for s in sets):
            return np.ones(block.rows.m)
        return np.concatenate([np.ones(s.dimension) if s.weights is None else s.weights for s in sets])


def _values_of(model: Any) -> Callable[[IntArray], FloatArray]:
    """Values of variables by identifier at the result of a model."""
    return lambda ids: np.asarray(model.get(attr.VariablePrimal(), VectorOfVariables.of_ids(ids)))
