"""Tangents and seeds: what the user sets before a differentiation, kept under the user's indices.

Numbers of variables and of rows are arrays: what is set of many at once costs no loop.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias, final

import numpy as np

from ..modelkit import attributes as attr
from ..modelkit.arrays import FloatArray, IntArray
from ..modelkit.errors import InvalidIndex
from ..modelkit.functions import VariableIndex
from ..modelkit.functions.rows import Rows
from ..modelkit.indices import ConstraintIndex, ConstraintIndices, Kind, plain
from ..modelkit.store.attribute_values import check_target
from ..modelkit.store.change_log import Change
from ..modelkit.store.parameters import parameter_constraints
from ..modelkit.store.store import Store
from .checked_inputs import checked_input, checked_pairs, numbers_of_rows, numbers_of_variables

__all__ = ["Inputs", "Tangents"]

Tangents: TypeAlias = tuple[
    Rows | None, Iterable[tuple[ConstraintIndices, Rows]], Iterable[tuple[ConstraintIndices, FloatArray]]
]
"""Of the objective, of functions and of sets, as they travel: all constraints of a kind at once."""
_OF_VARIABLES: tuple[type[attr.Attribute], ...] = (attr.ReverseVariablePrimal, attr.ForwardParameterValue)
_OF_ROWS: tuple[type[attr.Attribute], ...] = (attr.ReverseConstraintDual,)


def _kind(index: Any) -> Kind | None:
    return getattr(index, "kind", None)


@final
class Inputs:
    """The inputs of differentiation by attribute and index.

    Parameters
    ----------
    store : the user's model, against which everything is checked (`checked_inputs`)

    Attributes
    ----------
    values : tangents of functions and sets, and the seed of the objective, by attribute and index
    of_variables, of_rows : numbers of variables, and of rows of constraints, by attribute
    """

    TYPES = (
        attr.ForwardObjectiveFunction,
        attr.ForwardConstraintFunction,
        attr.ForwardConstraintSet,
        attr.ForwardParameterValue,
        attr.ReverseVariablePrimal,
        attr.ReverseConstraintDual,
        attr.ReverseObjectiveValue,
    )

    def __init__(self, store: Store) -> None:
        self._store = store
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.values: dict[attr.Attribute, dict[Any, Any]] = {}
        base = self._store.base
        self.of_variables = {kind: _VariableNumbers(base) for kind in _OF_VARIABLES}
        self.of_rows = {kind: _RowNumbers() for kind in _OF_ROWS}

    def kept(self) -> Any:
        """Everything, for an equal model."""
        return self.values, self.of_variables, self.of_rows

    def keep(self, kept: Any) -> None:
        """Have what another one `kept`, which is of an equal model."""
        self.values, self.of_variables, self.of_rows = kept

    def attributes_set(self, on: attr.On, kind: Kind | None) -> list[attr.Attribute]:
        """The attributes that were set on the model, on variables, or on constraints (of a kind)."""
        found = [a for a, v in self.values.items() if a.on is on and any(kind in (None, _kind(i)) for i in v)]
        found += [a() for a, numbers in self.of_variables.items() if a.on is on and numbers]
        if on is attr.On.CONSTRAINT:
            for a, rows in self.of_rows.items():
                kinds = rows.kinds()
                found += [a()] if kinds and kind in (None, *kinds) else []
        return found

    def get(self, attribute: attr.Attribute, index: Any) -> Any:
        """What was set, in the form in which it travels, or None."""
        if index is not None and not isinstance(index, (VariableIndex, ConstraintIndex)):
            return [self.get(attribute, one) for one in plain(index)]
        check_target(attribute, index)
        kind = type(attribute)
        if isinstance(index, VariableIndex) and kind in self.of_variables:
            return self.of_variables[kind].get(index.value)
        if isinstance(index, ConstraintIndex) and kind in self.of_rows:
            return self.of_rows[kind].get(self._store, index) if self._store.is_valid(index) else None
        return self.values.get(attribute, {}).get(index)

    # ------------------------------------------------------------------ in bulk, as they travel
    def tangents(self) -> Tangents:
        """Of the objective, of functions and of sets."""
        return self.get(attr.ForwardObjectiveFunction(), None), self._of_functions(), self._of_sets()

    def _of_functions(self) -> Iterator[tuple[ConstraintIndices, Rows]]:
        for indices, values in self._by_kind(self.values.get(attr.ForwardConstraintFunction(), {})):
            yield indices, Rows.stack(values)

    def _of_sets(self) -> Iterator[tuple[ConstraintIndices, FloatArray]]:
        """Tangents of sets and parameters: what belongs to the constants of the functions (nothing), then numbers."""
        for indices, values in self._by_kind(self.values.get(attr.ForwardConstraintSet(), {})):
            numbers = np.concatenate([value.numbers for value in values])
            yield indices, np.concatenate([np.zeros((len(numbers), 1)), numbers], axis=1)
        ids, shift = self.of_variables[attr.ForwardParameterValue].items()
        if len(ids):
            # raises, if one has become a variable since
            yield parameter_constraints(self._store, ids), np.stack([np.zeros_like(shift), shift], axis=1)

    def primal_seeds(self) -> tuple[IntArray, FloatArray]:
        """Identifiers of variables and their seeds."""
        return self.of_variables[attr.ReverseVariablePrimal].items()

    def dual_seeds(self) -> Iterator[tuple[ConstraintIndices, FloatArray]]:
        """Seeds of duals, all of a kind at once."""
        return self.of_rows[attr.ReverseConstraintDual].items(self._store)

    @staticmethod
    def _by_kind(values: dict[ConstraintIndex, Any]) -> Iterator[tuple[ConstraintIndices, list[Any]]]:
        kinds: dict[Kind, dict[int, Any]] = {}
        for index, value in values.items():
            kinds.setdefault(index.kind, {})[index.value] = value
        for kind, found in kinds.items():
            yield ConstraintIndices(kind, np.array(list(found), np.int64)), list(found.values())

    def forget_deleted(self) -> None:
        """Forget what was set on indices that are gone."""
        for values in self.values.values():
            for one in [i for i in values if i is not None and not self._store.is_valid(i)]:
                del values[one]
        dead = np.array(sorted(self._store.dead_variables), np.int64)
        for numbers in self.of_variables.values():
            numbers.forget(dead)

    def set(self, attribute: attr.Attribute, *index_and_value: Any) -> None:
        """Check a tangent or seed and keep it, under the user's index."""
        *index, value = index_and_value
        store, kind = self._store, type(attribute)
        values = self.values.setdefault(attribute, {})
        if attribute.on == attr.On.MODEL:
            if index:
                raise InvalidIndex(f"{attribute!r} belongs to the model: set(attribute, value).")
            values[None] = checked_input(store, attribute, None, value)
            return
        if not index:
            raise InvalidIndex(f"{attribute!r} is set on a {attribute.on.value}: set(attribute, index, value).")
        (at,) = index
        at = plain(at)
        if kind in self.of_variables:
            self.of_variables[kind].set(*numbers_of_variables(store, attribute, at, value))
        elif kind in self.of_rows:
            for indices, numbers in numbers_of_rows(store, attribute, at, value):
                self.of_rows[kind].set(store, indices, numbers)
        else:
            values.update(checked_pairs(store, attribute, at, value))


@final
class _VariableNumbers:
    """A number for each of some variables; what was set later counts.

    Parameters
    ----------
    base : of the store's identifiers
    """

    def __init__(self, base: int) -> None:
        self._base = base
        self._values: FloatArray = np.zeros(0)  # by number of the variable, NaN where there is none

    def set(self, ids: IntArray, values: FloatArray) -> None:
        """Set the numbers of variables; of one that is named twice, the last."""
        at = ids - self._base
        most = int(at.max(initial=-1)) + 1
        if most > len(self._values):
            self._values = np.concatenate([self._values, np.full(most - len(self._values), np.nan)])
        self._values[at] = values

    def get(self, identifier: int) -> float | None:
        """The number of a variable, None without one."""
        at = identifier - self._base
        value = self._values[at] if at < len(self._values) else np.nan
        return None if np.isnan(value) else float(value)

    def items(self) -> tuple[IntArray, FloatArray]:
        """Identifiers and numbers."""
        at = (~np.isnan(self._values)).nonzero()[0]
        return at + self._base, self._values[at]

    def forget(self, numbers: IntArray) -> None:
        """Drop those of variables, given by number."""
        self._values[numbers[numbers < len(self._values)]] = np.nan

    def __bool__(self) -> bool:
        return not bool(np.isnan(self._values).all())


@final
class _RowNumbers:
    """Numbers for the rows of some constraints."""

    def __init__(self) -> None:
        self._rows: dict[Kind, FloatArray] = {}  # by row of the block, NaN where there is none
        self._read: dict[Kind, int] = {}  # position in the log of the block

    def _held(self, store: Store, kind: Kind) -> FloatArray:
        """What is known by row of a block; nothing where its rows are others than they were."""
        log = store.block(kind).log
        changes = log.since(self._read.get(kind, log.position))
        if changes is None or any(what is Change.RESHAPED for what, _ in changes):
            self._rows.pop(kind, None)
        self._read[kind] = log.position
        return self._rows.get(kind, np.zeros(0))

    def set(self, store: Store, indices: ConstraintIndices, values: FloatArray) -> None:
        """Set those of constraints of one kind, (rows,)."""
        block = store.block(indices.kind)
        rows = block.rows_of(store.numbers(indices))
        held = self._held(store, indices.kind)
        total = len(block.constants)
        if total > len(held):
            held = self._rows[indices.kind] = np.concatenate([held, np.full(total - len(held), np.nan)])
        held[rows] = values

    def get(self, store: Store, index: ConstraintIndex) -> FloatArray | float | None:
        """Those of a constraint, None without any."""
        held = self._held(store, index.kind)
        start, stop = store.block(index.kind).row_range(store.number(index))
        mine = held[start:stop]
        if len(mine) < stop - start or np.isnan(mine).any():
            return None
        return mine.copy() if index.kind[1].is_vector else float(mine[0])

    def items(self, store: Store) -> Iterator[tuple[ConstraintIndices, FloatArray]]:
        """Constraints of each kind, and their numbers one below the other."""
        for kind in list(self._rows):
            if not store.has_block(kind):
                continue
            block, held = store.block(kind), self._held(store, kind)
            numbers = block.numbers_alive()
            dims = block.dims()[numbers]
            starts = block.rows_of(numbers)[np.cumsum(dims) - dims] if len(numbers) else numbers
            known = starts < len(held)
            known[known] = ~np.isnan(held[starts[known]])
            if known.any():
                yield store.indices(kind, numbers[known]), held[block.rows_of(numbers[known])]

    def kinds(self) -> list[Kind]:
        """Of the constraints."""
        return [kind for kind, held in self._rows.items() if not np.isnan(held).all()]
