"""Copying a store into another model, and keeping the copy in step as the store grows."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from . import attributes as attr
from .arrays import IntArray
from .block import ConstraintBlock
from .errors import InvalidData, NotAllowed, Unsupported
from .functions import VariableIndex, VectorOfVariables
from .indices import ConstraintIndex, IndexMap, Kind
from .naming import described
from .parameters import PARAMETERS
from .protocol import AbstractModel
from .sets import SOS1, SOS2, Indicator, Semicontinuous, Semiinteger

__all__ = ["Mirror", "copy_words"]

_LAST = (SOS1, SOS2, Indicator, Semicontinuous, Semiinteger)
"""Sets of functions that are rewritten with the bounds of variables, which are carried over before."""


@final
class Mirror:
    """A copy of a store in another model.

    The destination is emptied and filled; `extend` later carries over what was added to the store since, in
    bulk, so that a thousand new rows cost one call.

    Parameters
    ----------
    source : Store
    destination : AbstractModel
    """

    def __init__(self, source: Any, destination: AbstractModel) -> None:
        self.source = source
        self.destination = destination
        self.index_map = IndexMap(source.base)
        self._variables = 0
        self._constraints: dict[Kind, int] = {}
        self._total = 0
        destination.empty()
        self.extend()
        self._copy_objective()
        for start in (attr.VariablePrimalStart(), attr.ConstraintDualStart()):
            if destination.supports(start):
                for index, value in source.values_of(start).items():
                    destination.set(start, self.index_map(index), value)

    def holds(self, index: Any) -> bool:
        """Whether the copy has the variable or constraint already."""
        if isinstance(index, ConstraintIndex):
            return bool(self.source.number(index) < self._constraints.get(index.kind, 0))
        return bool(index.value - self.source.base < self._variables)

    @property
    def complete(self) -> bool:
        """Whether nothing was added to the store since."""
        source = self.source
        return bool(self._variables == source.variable_count and self._total == source.constraint_count)

    def extend(self) -> None:
        """Carry over new variables and constraints."""
        source = self.source
        ids = source.variable_ids(self._variables)
        constrained = self._constrained_on_creation(ids)
        if constrained:
            ids = np.setdiff1d(ids, np.concatenate([v.ids for _, v in constrained]))
        if len(ids):
            self.index_map.add_variables(ids, self.destination.add_variables(len(ids)).ids)
        for index, v in constrained:
            chosen = source.get(attr.ConstraintSet(), index)
            copies, copy = self.destination.add_constrained_variables(chosen)
            self.index_map.add_variables(v.ids, copies.ids)
            self.index_map.add_constraints(index.kind, np.array([index.value]), np.array([copy.value]))
        self._variables = source.variable_count
        done = {(index.kind, source.number(index)) for index, _ in constrained}
        for kind in sorted(source.kinds(), key=_turn):
            self._extend_kind(kind, {number for k, number in done if k == kind})
        self._total = source.constraint_count

    def _extend_kind(self, kind: Kind, done: set[int]) -> None:
        source = self.source
        first, total = self._constraints.get(kind, 0), source.block(kind).total
        self._constraints[kind] = total
        if first == total:
            return
        block, numbers = source.block(kind).snapshot(first)
        if done:
            keep = np.array([i for i, n in enumerate(numbers.tolist()) if n not in done], np.int64)
            block, numbers = block.take(keep), numbers[keep]
        if not len(numbers):
            return
        block = ConstraintBlock(kind[0], block.rows.renamed(self.index_map.ids), block.sets)
        try:
            copies = self.destination.add_block(block)
        except (Unsupported, NotAllowed, InvalidData) as error:
            index = source.indices(kind, numbers)[self._refused(block)]
            error.args = (f"{described(source, index)}: {error}",)
            raise
        self.index_map.add_constraints(kind, source.indices(kind, numbers).values, copies.values)

    def _refused(self, block: ConstraintBlock) -> int:
        """Which constraint of a block the destination, that will be emptied, does not take: by halves."""
        first, last = 0, block.count
        while last - first > 1:
            middle = (first + last) // 2
            try:
                self.destination.add_block(block.take(np.arange(first, middle)))
            except (Unsupported, NotAllowed, InvalidData):
                last = middle
            else:
                first = middle
        return first

    def _constrained_on_creation(self, ids: IntArray) -> list[tuple[ConstraintIndex, VectorOfVariables]]:
        """New vectors of new variables in sets that the destination likes to give variables at their creation."""
        found: list[tuple[ConstraintIndex, VectorOfVariables]] = []
        taken: set[int] = set()
        new: set[int] = set()
        for kind in self.source.kinds():
            if kind[0] is not VectorOfVariables or not self.destination.supports_constrained_variables(kind[1]):
                continue
            new = new or set(ids.tolist())
            first = self._constraints.get(kind, 0)
            for index in self.source.get(attr.ListOfConstraintIndices(*kind)):
                if self.source.number(index) < first:
                    continue
                v = self.source.get(attr.ConstraintFunction(), index)
                mine = set(v.ids.tolist())
                if len(mine) == len(v) and mine <= new and not mine & taken:
                    taken |= mine
                    found.append((index, v))
        return found

    def _copy_objective(self) -> None:
        source = self.source
        sense = source.get(attr.ObjectiveSense())
        self.destination.set(attr.ObjectiveSense(), sense)
        if source.objective_block is not None:
            function = source.get(attr.ObjectiveFunction())
            self.destination.set(attr.ObjectiveFunction(), self.index_map(function))


def _turn(kind: Kind) -> int:
    """Parameters come first, as they are inserted in functions."""
    return 0 if kind == PARAMETERS else 2 if kind[1] in _LAST and kind[0] is not VariableIndex else 1


def copy_words(source: Any, destination: AbstractModel, index_map: IndexMap) -> None:
    """Give a finished copy what a solver has no use for: names, shapes, what is put aside, starts of constraints."""
    if destination.supports(attr.Name()) and (name := source.get(attr.Name())):
        destination.set(attr.Name(), name)
    words = (attr.VariableName(), attr.ConstraintName(), attr.ConstraintLayout(), attr.BoundsPutAside())
    for attribute in (*words, attr.ConstraintPrimalStart()):
        if destination.supports(attribute):
            for index, value in source.values_of(attribute).items():
                destination.set(attribute, index_map(index), value)
