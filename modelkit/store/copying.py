"""Copying what a store holds into another model."""

from __future__ import annotations

import numpy as np

from .. import attributes as attr
from ..errors import InvalidData, NotAllowed, Unsupported
from ..functions import VariableIndex
from ..indices import IndexMap, Kind
from ..sets import SOS1, SOS2, Indicator, Semicontinuous, Semiinteger
from .abstract_model import AbstractModel
from .block import ConstraintBlock
from .describing import described
from .parameters import PARAMETERS
from .tables import Tables

__all__ = ["copied"]

_LAST = (SOS1, SOS2, Indicator, Semicontinuous, Semiinteger)
"""Sets of functions that are rewritten with the bounds of variables, which are carried over before."""


def copied(source: Tables, destination: AbstractModel) -> IndexMap:
    """Empty the destination and build there, in bulk, what the tables hold; returns the indices that its things got."""
    destination.empty()
    index_map = IndexMap(source.base)
    ids = source.every_variable_id()
    index_map.add_variables(ids, destination.add_variables(len(ids)).ids)
    for kind in sorted(source.every_kind(), key=_turn):
        _copy_kind(source, destination, kind, index_map)
    objective = source.objective_block
    if objective is not None:
        destination.set(attr.ObjectiveFunction(), index_map(objective.function_type.from_rows(objective.all_rows())))
    destination.set(attr.ObjectiveSense(), source.sense)
    words = (attr.VariableName(), attr.ConstraintName(), attr.ConstraintLayout(), attr.BoundsPutAside())
    starts = (attr.VariablePrimalStart(), attr.ConstraintPrimalStart(), attr.ConstraintDualStart())
    for attribute in (*words, *starts):
        if destination.supports(attribute):
            for index, value in source.values_of(attribute).items():
                destination.set(attribute, index_map(index), value)
    name = source.values_of(attr.Name()).get(None)
    if name and destination.supports(attr.Name()):
        destination.set(attr.Name(), name)
    return index_map


def _copy_kind(source: Tables, destination: AbstractModel, kind: Kind, index_map: IndexMap) -> None:
    block, numbers = source.block(kind).snapshot()
    if not len(numbers):
        return
    block = ConstraintBlock(kind[0], block.rows.renamed(index_map.ids), block.sets)
    indices = source.indices(kind, numbers)
    try:
        copies = destination.add_block(block)
    except (Unsupported, NotAllowed, InvalidData) as error:
        error.args = (f"{described(source, indices[_refused(destination, block)])}: {error}",)
        raise
    index_map.add_constraints(kind, indices.values, copies.values)


def _refused(destination: AbstractModel, block: ConstraintBlock) -> int:
    """Which constraint of a block the destination, that will be emptied, does not take: by halves."""
    first, last = 0, block.count
    while last - first > 1:
        middle = (first + last) // 2
        try:
            destination.add_block(block.take(np.arange(first, middle)))
        except (Unsupported, NotAllowed, InvalidData):
            last = middle
        else:
            first = middle
    return first


def _turn(kind: Kind) -> int:
    """Parameters come first, as they are inserted in functions."""
    return 0 if kind == PARAMETERS else 2 if kind[1] in _LAST and kind[0] is not VariableIndex else 1
