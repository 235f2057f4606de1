"""Deleting from a store: what goes with what, and what cannot go."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import IntArray
from ..errors import InvalidIndex, UnsupportedModification
from ..functions import VariableIndex, VectorOfVariables
from ..indices import ConstraintIndex
from ..sets import Nonnegatives, Nonpositives, Reals, Zeros
from .tables import Tables

__all__ = ["check_deletion", "delete", "items_of"]

_SHRINKABLE = (Nonnegatives, Nonpositives, Reals, Zeros)

Loss = tuple[ConstraintIndex, IntArray]
"""A constraint on a vector of plain variables, and the rows it loses."""


def items_of(index: Any) -> list[VariableIndex | ConstraintIndex]:
    """The indices in one index or a sequence of them, each once."""
    if isinstance(index, (ConstraintIndex, VariableIndex)):
        return [index]
    try:
        items = list(index)
    except TypeError:
        items = [index]
    for item in items:
        if not isinstance(item, (ConstraintIndex, VariableIndex)):
            raise InvalidIndex(f"Expected the index of a variable or constraint, got {item!r}.")
    return list(dict.fromkeys(items))


def check_deletion(store: Tables, items: list[VariableIndex | ConstraintIndex]) -> list[Loss]:
    """Raise unless all can be deleted together; tells which vectors of plain variables lose rows."""
    for item in items:
        store.check_index(item)
    ids = np.array([i.value for i in items if isinstance(i, VariableIndex)], np.int64)
    if not len(ids):
        return []
    going = {(i.kind, i.value) for i in items if isinstance(i, ConstraintIndex)}
    found: list[Loss] = []
    for kind in store.kinds():
        if kind[0] is not VectorOfVariables:
            continue
        block = store.block(kind)
        for number in block.numbers_alive().tolist():
            variables = block.rows(number).var
            lost = np.flatnonzero(np.isin(variables, ids))
            index = ConstraintIndex(kind, store.base + number)
            if not len(lost) or (kind, index.value) in going:
                continue
            if kind[1] not in _SHRINKABLE and len(lost) < len(variables):
                raise UnsupportedModification(
                    f"The variable is part of a vector in {block.set(number)!r}, which cannot lose a row; "
                    "delete that constraint first, or all its variables together."
                )
            found.append((index, lost))
    return found


def delete(store: Tables, items: list[VariableIndex | ConstraintIndex]) -> None:
    """Delete all; nothing has changed if one of them cannot go."""
    vectors = check_deletion(store, items)
    for item in items:
        if isinstance(item, ConstraintIndex):
            _delete_constraint(store, item)
    ids = {i.value for i in items if isinstance(i, VariableIndex)}
    if ids:
        _delete_variables(store, ids, vectors)
    store.forget_names()


def _delete_constraint(store: Tables, index: ConstraintIndex) -> None:
    number = store.number(index)
    store.block(index.kind).remove(number)
    if index.kind[0] is VariableIndex:
        store.plain_constraints.release(index, store.base)
    store.forget_values(index)


def _delete_variables(store: Tables, gone: set[int], vectors: list[Loss]) -> None:
    for index, lost in vectors:
        block, number = store.block(index.kind), store.number(index)
        if len(lost) == block.rows(number).m:
            _delete_constraint(store, index)
        else:
            block.shrink(number, lost)
    for index in store.plain_constraints.on(gone, store.base):
        _delete_constraint(store, index)
    ids = np.array(sorted(gone), np.int64)
    store.remove_from_functions(ids)
    for i in gone:
        store.forget_values(VariableIndex(i))
    store.bury(gone)
