"""Nonlinear functions on their way into a store: variables for the values of operators, each in a graph."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..arrays import IntArray
from ..errors import InvalidData, UnsupportedModification
from ..functions import NONLINEAR, VariableIndex, VectorAffineFunction
from ..functions.monomials import Monomials
from ..functions.operations import Operation, in_order, operations_in
from ..functions.rows import Rows
from ..indices import ConstraintIndex, Kind
from ..naming import announce
from ..operators import Operator, operator
from ..sets import OperatorGraph
from . import deletion
from .abstract_model import AbstractModel
from .block import ConstraintBlock, SetBlock
from .graphs import GRAPHS
from .parameters import Parameters
from .tables import Tables

__all__ = ["Growing", "as_lifted", "check_not_inside", "drop_unused", "lift"]


class Growing(Tables, AbstractModel):
    """A store, to which variables and graphs can be added."""


def lift(store: Growing, rows: Rows) -> Rows:
    """The same rows with variables for the values of operators; variables and graphs are added where there are none."""
    outer = operations_in(rows)
    known = store.graphs.known
    for one in in_order(outer):
        ids = known.get(one.first)
        if ids is None or not _are_there(store, ids):
            store.graphs.held[one.first] = one
            known[one.first] = _add(store, one.operator, [_affine(store, _named(store, a)) for a in one.arguments])
    return _at_most_quadratic(store, _named(store, rows))


def as_lifted(store: Growing, rows: Rows) -> Rows:
    """The same rows with the model's variables for the values of operators, without adding any.

    Raises
    ------
    InvalidData
        If an operator in them stands in no function of the model.
    """
    for one in in_order(operations_in(rows)):
        ids = store.graphs.known.get(one.first)
        if ids is None or not _are_there(store, ids):
            words = one.operator.text(
                *(store.text_of(argument.take(np.zeros(1, np.int64))) for argument in one.arguments)
            )
            raise InvalidData(
                f"{words} stands in no function of the model; operators that do can be inputs of derivatives."
            )
    return _named(store, rows)


def _inside(store: Growing, without: Collection[ConstraintIndex] = ()) -> IntArray:
    """Identifiers of the variables in the objective and in nonlinear constraints but some, arguments included."""
    parts = [] if store.objective_block is None else [store.objective_block.all_rows().variables()]
    gone: dict[Kind, set[int]] = {}
    for index in without:
        gone.setdefault(index.kind, set()).add(store.number(index))
    for kind in store.kinds():
        if kind[0].degree == NONLINEAR:
            block, numbers = store.block(kind).snapshot()
            kept = np.flatnonzero(~np.isin(numbers, list(gone.get(kind, ()))))
            parts.append(block.take(kept).rows.variables())
    outer = np.intersect1d(np.concatenate([np.zeros(0, np.int64), *parts]), store.graphs.ids(store))
    return store.graphs.inside(store, outer)


def drop_unused(store: Growing) -> None:
    """Delete lifted variables, with their graphs, that stand nowhere any more."""
    lifted = store.graphs.lifted(store)
    if not lifted:
        return
    unused = np.setdiff1d(store.graphs.ids(store), _inside(store)).tolist()
    if unused:
        indices = [ConstraintIndex(GRAPHS, store.base + lifted[i]) for i in unused]
        deletion.delete(store, [*indices, *map(VariableIndex, unused)])


def check_not_inside(store: Growing, items: Sequence[Any]) -> None:
    """Refuse to delete variables that stand in operators of what stays."""
    ids = np.array([item.value for item in items if isinstance(item, VariableIndex)], np.int64)
    lifted = store.graphs.ids(store)
    if not (len(lifted) and len(ids)):
        return
    stays = _inside(store, [item for item in items if isinstance(item, ConstraintIndex)])
    lost = np.intersect1d(stays, ids)
    if len(lost):
        among = np.intersect1d(stays, lifted).tolist()
        outer = next(i for i in among if lost[0] in store.graphs.inside(store, np.array([i])))
        raise UnsupportedModification(
            f"Variable {store.name_of(int(lost[0]))} stands in {store.name_of(outer)}, which has no value without it: "
            "delete the constraint, or set another objective, first."
        )


def _at_most_quadratic(store: Growing, rows: Rows) -> Rows:
    """The same with lifted variables for products of more than two variables that are no parameters."""
    if rows.higher is None:
        return rows
    factors = rows.higher.factors.copy()
    parameters = Parameters(store)
    for _ in range(factors.shape[1]):
        free = (factors >= 0) & ~parameters.among(factors.ravel()).reshape(factors.shape)
        many = np.flatnonzero(free.sum(axis=1) > 2)
        if not len(many):
            break
        first = free[many].argmax(axis=1)
        free[many, first] = False
        second = free[many].argmax(axis=1)
        factors[many, first] = _products(store, factors[many, first], factors[many, second])
        factors[many, second] = -1
    terms = Monomials(rows.higher.row, factors, rows.higher.coef)
    return replace(rows, higher=None) + Rows.of_terms(np.zeros(rows.m), terms)


def _products(store: Growing, one: IntArray, two: IntArray) -> IntArray:
    """Lifted variables for products of pairs of variables, the same for equal pairs."""
    pairs = np.sort(np.stack([one, two], axis=1), axis=1)
    unique, place = np.unique(pairs, axis=0, return_inverse=True)
    left, right = (Rows.of_variables(np.ascontiguousarray(unique[:, j])) for j in range(2))
    return _add(store, operator("*", 2), [left, right])[place.ravel()]


def _are_there(store: Growing, ids: IntArray) -> bool:
    return bool(np.isin(ids, store.graphs.ids(store)).all())


def _named(store: Growing, rows: Rows) -> Rows:
    """With variables of the store for the values of operations that are known there."""
    inner: Sequence[Operation] = operations_in(rows)
    if not inner:
        return rows
    known = store.graphs.known

    def rename(ids: IntArray) -> IntArray:
        out = ids.copy()
        for one in inner:
            mine = (ids >= one.first) & (ids < one.first + one.m)
            out[mine] = known[one.first][ids[mine] - one.first]
        return out

    return rows.renamed(rename)


def _affine(store: Growing, rows: Rows) -> Rows:
    """The same with a lifted variable for each product."""
    if rows.degree < 2:
        return rows
    terms = rows.terms()
    several = np.flatnonzero(terms.degrees > 1)
    flat = Rows(rows.constant, rows.row, rows.var, rows.coef)
    products = terms.take(several)
    factors = products.factors
    value = factors[:, 0]
    for k in range(1, factors.shape[1]):
        there = np.flatnonzero(factors[:, k] >= 0)
        if not len(there):
            continue
        value = value.copy()
        value[there] = _products(store, value[there], factors[there, k])
    m = rows.m
    return flat + Rows(np.zeros(m), products.row, value, products.coef)


def _add(store: Growing, one: Operator, arguments: Sequence[Rows]) -> IntArray:
    """Variables that are the values of an operator at rows; returns their identifiers."""
    m, count = arguments[0].m, 1 + len(arguments)
    ids = store.add_variables(m).ids
    stacked = Rows.stack([Rows.of_variables(ids), *arguments])  # all first rows, then all second ones, ...
    order = np.arange(m * count).reshape(count, m).T.ravel()
    announce(store)
    graph = OperatorGraph(one)
    sets = SetBlock(OperatorGraph, np.full(m, count), np.zeros((m * count, 0)), (graph.shape,) * m)
    store.add_block(ConstraintBlock(VectorAffineFunction, stacked.take(order), sets))
    return ids
