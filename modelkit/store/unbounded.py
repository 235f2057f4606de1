"""Parameters at infinity: right-hand sides that mean no bound.

``A @ x <= h`` is ``A x - h`` in `Nonpositives`, with a term for each parameter in h. Where the value of one is
infinite, the row is none; an infinite number enters no arithmetic. What a solver and a diff model get is a view of the
store in which such a row is a constant well inside of its side, ``-1 <= 0``, and the parameter is zero: duals, tangents
and gradients of the row are zero of themselves.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..arrays import FloatArray, IntArray
from ..errors import InvalidData
from ..functions.rows import Rows
from ..indices import Kind
from ..sets import GreaterThan, LessThan, Nonnegatives, Nonpositives
from .parameters import PARAMETERS
from .tables import Tables

__all__ = ["bounded", "check_infinite_parameters", "check_right_hand_sides", "infinite_values"]

SomeTables = TypeVar("SomeTables", bound=Tables)

_NONE: IntArray = np.zeros(0, np.int64)
_INWARDS: dict[Any, float] = {LessThan: -1.0, Nonpositives: -1.0, GreaterThan: 1.0, Nonnegatives: 1.0}
"""The sides that a row may have, and in which direction from its bound it holds."""


def _values(store: Tables) -> tuple[IntArray, FloatArray]:
    block, _ = store.block(PARAMETERS).snapshot()
    return block.rows.var, block.sets.numbers[:, 0]


def check_right_hand_sides(store: Tables, ids: IntArray, values: FloatArray) -> None:
    """Raise `InvalidData` unless these parameters may become infinite: each a side that then has no bound."""
    _check(store, ids, values)
    rows = [store.block(kind).snapshot()[0].rows for kind in store.every_kind() if kind != PARAMETERS]
    sides = np.concatenate([_found(part, ids) for part in rows]) if rows else _NONE
    _refuse(store, "no inequality", np.setdiff1d(ids, sides))


def check_infinite_parameters(store: Tables) -> None:
    """Raise `InvalidData` unless each infinite parameter stands, if anywhere, where it means that there is no bound."""
    if store.unbounded and PARAMETERS in store.every_kind():
        ids, values = _values(store)
        infinite = np.isinf(values)
        _check(store, ids[infinite], values[infinite])


def _check(store: Tables, ids: IntArray, values: FloatArray) -> None:
    """Raise unless these parameters stand, if anywhere, where they may be infinite."""
    for kind in store.every_kind():
        _without(store, kind, ids, values)
    if store.objective_block is not None:
        _refuse(store, "the objective", _found(store.objective_block.all_rows(), ids))


def bounded(store: SomeTables) -> SomeTables:
    """The store as solvers see it: itself, or a view to be read in which rows without bound hold of themselves."""
    if not store.unbounded or PARAMETERS not in store.every_kind():
        return store
    ids, values = _values(store)
    infinite = np.isinf(values)
    if not infinite.any():
        return store
    _check(store, ids[infinite], values[infinite])
    view = copy.copy(store)
    blocks = view.__dict__["_blocks"] = dict(store.__dict__["_blocks"])
    for kind in store.every_kind():
        changed = _without(store, kind, ids[infinite], values[infinite])
        if changed is not None:
            blocks[kind] = copy.deepcopy(store.block(kind))
            blocks[kind].set_rows(*changed)
    blocks[PARAMETERS] = copy.deepcopy(store.block(PARAMETERS))
    numbers = blocks[PARAMETERS].all_numbers
    numbers[np.isinf(numbers)] = 0.0
    return view


def _without(store: Tables, kind: Kind, ids: IntArray, values: FloatArray) -> tuple[IntArray, Rows] | None:
    """The constraints of a kind that lose rows to infinite parameters, and their functions then; None if none does."""
    if kind == PARAMETERS:
        return None
    block, numbers = store.block(kind).snapshot()
    rows = block.rows
    there = _found(rows, ids)
    if not len(there):
        return None
    inwards = _INWARDS.get(kind[1], 0.0)
    if not inwards or kind[0].degree == 0:
        _refuse(store, f"a function in {kind[1].__name__}", there)
    _refuse(store, "a product", _found(replace(rows, row=_NONE, var=_NONE, coef=np.zeros(0)), ids))
    affine = rows.without_curvature().merged()
    at = np.flatnonzero(np.isin(affine.var, ids) & (affine.coef != 0.0))
    order = np.argsort(ids)
    sides = affine.coef[at] * values[order][np.searchsorted(ids[order], affine.var[at])]
    wrong = np.sign(sides) != inwards
    _refuse(store, "a row that then asks for a number beyond infinity", affine.var[at][wrong])
    lost = np.zeros(rows.m, bool)
    lost[affine.row[at]] = True
    constants = rows.constant.copy()
    bounds: FloatArray = block.sets.numbers[lost, 0] if kind[1].fields else np.zeros(int(lost.sum()))
    constants[lost] = bounds + inwards * (1.0 + np.abs(bounds))
    items = np.unique(np.searchsorted(block.starts, np.flatnonzero(lost), side="right") - 1)
    kept = rows.only(~lost).with_constants(constants)
    stacked = np.repeat(np.isin(np.arange(block.count), items), block.sets.dims)
    return numbers[items], kept.take(np.flatnonzero(stacked))


def _found(rows: Rows, ids: IntArray) -> IntArray:
    """Which of some variables are in the rows."""
    found: IntArray = np.intersect1d(rows.variables(), ids)
    return found


def _refuse(store: Tables, where: str, ids: IntArray | NDArray[np.int64]) -> None:
    if len(ids):
        raise InvalidData(
            f"The parameter {store.name_of(int(ids[0]))} stands in {where}: there it has a finite value. An infinite "
            "one means no bound, of a parameter that is the right-hand side of inequalities alone (A @ x <= h)."
        )


def infinite_values(store: Tables, ids: IntArray) -> NDArray[np.bool_]:
    """(p, 2) whether each of some parameters may be minus, and plus, infinity: a side that then has no bound."""
    place = np.full(store.variable_count, -1)
    place[ids - store.base] = np.arange(len(ids))
    stands, refused = np.zeros(len(ids), bool), np.zeros((len(ids), 2), bool)
    is_refused = np.zeros(store.variable_count, bool)

    blocks: list[tuple[Kind | None, Rows]] = [
        (kind, store.block(kind).snapshot()[0].rows) for kind in store.every_kind() if kind != PARAMETERS
    ]
    if store.objective_block is not None:
        blocks.append((None, store.objective_block.all_rows()))
    for kind, rows in blocks:
        inwards = 0.0 if kind is None or kind[0].degree == 0 else _INWARDS.get(kind[1], 0.0)
        for _, factors, _ in rows.products():
            for factor in factors:
                is_refused[(factor if factor.min(initial=0) >= 0 else factor[factor >= 0]) - store.base] = True
        if not inwards:
            is_refused[rows.var - store.base] = True
            continue
        at = place[rows.var - store.base]
        which = np.flatnonzero((at >= 0) & (rows.coef != 0.0))
        rises = inwards * rows.coef[which] > 0.0
        stands[at[at >= 0]] = True
        refused[at[which][rises], 0] = True  # there minus infinity asks for a number beyond infinity
        refused[at[which][~rises], 1] = True
    refused[is_refused[ids - store.base]] = True
    return stands[:, None] & ~refused
