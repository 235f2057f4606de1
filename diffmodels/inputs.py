"""Tangents and seeds: what the user sets before a differentiation, checked and kept under the user's indices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias, final

import numpy as np

from ..modelkit import attributes as attr
from ..modelkit.arrays import FloatArray, IntArray
from ..modelkit.errors import DimensionMismatch, InvalidData, InvalidIndex
from ..modelkit.functions import Function, VariableIndex, VectorOfVariables
from ..modelkit.functions.rows import Rows
from ..modelkit.indices import ConstraintIndex, ConstraintIndices, Kind, plain
from ..modelkit.naming import with_article
from ..modelkit.sets import Parameter
from ..modelkit.store.attribute_values import check_target
from ..modelkit.store.checks import check_rows
from ..modelkit.store.describing import described
from ..modelkit.store.parameters import PARAMETERS, Parameters
from ..modelkit.store.store import Store
from .seeds import RowNumbers, VariableNumbers

__all__ = ["Inputs", "Tangents", "check_degree", "checked_set", "parameter_constraint"]

Tangents: TypeAlias = tuple[
    Rows | None, Iterable[tuple[ConstraintIndices, Rows]], Iterable[tuple[ConstraintIndices, FloatArray]]
]
"""Of the objective, of functions and of sets, as they travel: all constraints of a kind at once."""


def parameter_constraint(store: Store, p: Any) -> ConstraintIndex:
    """The constraint that makes a variable a parameter; raises `InvalidIndex` where there is none."""
    index = ConstraintIndex((VariableIndex, Parameter), p.value)
    if not store.is_valid(index):
        raise InvalidIndex(f"{p!r} is not a parameter; make it one with add_constraint(x, ot.Parameter(value)).")
    return index


def checked_set(store: Store, index: ConstraintIndex, value: Any) -> Any:
    """The direction of a constraint's set, a set of its type and size with finite numbers; raises otherwise."""
    now = store.get(attr.ConstraintSet(), index)
    if type(value) is not type(now) or value.dimension != now.dimension:
        raise InvalidData(
            f"A direction of {now!r} is {with_article(type(now).__name__)} of the same size, got {value!r}."
        )
    if not np.isfinite(value.numbers).all():
        raise InvalidData(f"The direction {value!r} must be finite.")
    return value


def check_degree(store: Store, rows: Rows, index: ConstraintIndex | None) -> None:
    """Refuse a tangent of higher degree than the function (None: the objective), parameters in products as numbers."""
    most = 2 if index is None else max(index.kind[0].degree, 1)
    if rows.degree <= most and rows.degree < 3:
        return
    degree, most = Parameters(store).insert(rows).degree, min(most, 2)
    if degree > most:
        words = ("a constant", "an affine", "a quadratic", "a cubic or higher")
        wanted, given = words[most], words[degree]
        name = "The objective" if index is None else described(store, index)
        raise InvalidData(f"{name} takes as tangent {wanted} function of the variables; got {given} one.")


_OF_VARIABLES: tuple[type[attr.Attribute], ...] = (attr.ReverseVariablePrimal, attr.ForwardParameterValue)
_OF_ROWS: tuple[type[attr.Attribute], ...] = (attr.ReverseConstraintDual,)


def _kind(index: Any) -> Kind | None:
    return getattr(index, "kind", None)


@final
class Inputs:
    """The inputs of differentiation by attribute and index.

    Parameters
    ----------
    store : the user's model, against which everything is checked

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
        self.of_variables = {kind: VariableNumbers(base) for kind in _OF_VARIABLES}
        self.of_rows = {kind: RowNumbers() for kind in _OF_ROWS}

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
            indices = ConstraintIndices(PARAMETERS, ids)
            try:
                self._store.numbers(indices)
            except InvalidIndex:  # one has become a variable since
                for one in ids.tolist():
                    parameter_constraint(self._store, VariableIndex(one))
            yield indices, np.stack([np.zeros_like(shift), shift], axis=1)

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
        values = self.values.setdefault(attribute, {})
        if attribute.on == attr.On.MODEL:
            if index:
                raise InvalidIndex(f"{attribute!r} belongs to the model: set(attribute, value).")
            values[None] = self._checked(attribute, None, value)
            return
        if not index:
            raise InvalidIndex(f"{attribute!r} is set on a {attribute.on.value}: set(attribute, index, value).")
        (at,) = index
        at = plain(at)
        if type(attribute) in _OF_VARIABLES:
            self._set_of_variables(attribute, at, value)
            return
        if type(attribute) in _OF_ROWS:
            self._set_of_rows(attribute, at, value)
            return
        if isinstance(at, (VariableIndex, ConstraintIndex)):
            values[at] = self._checked(attribute, at, value)
            return
        each = [value] * len(at) if np.ndim(value) == 0 else list(value)
        if len(each) != len(at):
            raise DimensionMismatch(f"{len(at)} indices need as many values of {attribute!r}, got {len(each)}.")
        checked = [self._checked(attribute, one, v) for one, v in zip(at, each, strict=True)]
        values.update(zip(at, checked, strict=True))

    def _set_of_variables(self, attribute: attr.Attribute, at: Any, value: Any) -> None:
        store, one = self._store, isinstance(at, VariableIndex)
        if isinstance(at, VectorOfVariables):
            ids = at.ids
        else:
            each = [at] if isinstance(at, (VariableIndex, ConstraintIndex)) else at
            for index in each:
                if not isinstance(index, VariableIndex):
                    store.check_index(index)
                    raise InvalidIndex(f"{attribute!r} belongs to a variable, got {described(store, index)}.")
            ids = np.array([index.value for index in each], np.int64)
        store.check_ids(ids)
        numbers = np.asarray(value, np.float64)
        if one and numbers.shape != ():
            raise DimensionMismatch(f"{attribute!r} of {described(store, at)} has shape (), got {numbers.shape}.")
        if numbers.ndim and numbers.shape != (len(ids),):
            raise DimensionMismatch(
                f"{len(ids)} indices need as many values of {attribute!r}, got an array of shape {numbers.shape}."
            )
        numbers = np.broadcast_to(numbers, (len(ids),))
        bad = ~np.isfinite(numbers)
        if bad.any():
            first = VariableIndex(int(ids[np.argmax(bad)]))
            raise InvalidData(
                f"{attribute!r} of {described(store, first)} must be finite, got {float(numbers[np.argmax(bad)])!r}."
            )
        if isinstance(attribute, attr.ForwardParameterValue):
            try:
                store.numbers(ConstraintIndices(PARAMETERS, ids))
            except InvalidIndex:
                for identifier in ids.tolist():
                    parameter_constraint(store, VariableIndex(identifier))
        self.of_variables[type(attribute)].set(ids, numbers)

    def _set_of_rows(self, attribute: attr.Attribute, at: Any, value: Any) -> None:
        store = self._store
        if isinstance(at, ConstraintIndices) and not at.kind[1].is_vector:
            numbers = np.asarray(value, np.float64)
            if numbers.shape in ((), (len(at),)):
                store.numbers(at)  # raises
                numbers = np.broadcast_to(numbers, (len(at),))
                if not np.isfinite(numbers).all():
                    self._checked(attribute, at[int(np.argmin(np.isfinite(numbers)))], np.nan)  # raises
                self.of_rows[type(attribute)].set(store, at, numbers)
                return
        if isinstance(at, (VariableIndex, ConstraintIndex)):
            pairs: list[tuple[Any, Any]] = [(at, value)]
        else:
            each = [value] * len(at) if np.ndim(value) == 0 else list(value)
            if len(each) != len(at):
                raise DimensionMismatch(f"{len(at)} indices need as many values of {attribute!r}, got {len(each)}.")
            pairs = list(zip(at, each, strict=True))
        checked = [(one, self._checked(attribute, one, v)) for one, v in pairs]
        for one, numbers in checked:
            alone = ConstraintIndices(one.kind, np.array([one.value]))
            self.of_rows[type(attribute)].set(store, alone, np.atleast_1d(numbers))

    def _checked(self, attribute: attr.Attribute, index: Any, value: Any) -> Any:
        """The tangent or seed in the form in which it travels; raises where it makes no sense."""
        store = self._store
        if index is not None:
            store.check_index(index)
            expected = attr.On.VARIABLE if isinstance(index, VariableIndex) else attr.On.CONSTRAINT
            if attribute.on != expected:
                raise InvalidIndex(f"{attribute!r} belongs to a {attribute.on.value}, got {described(store, index)}.")
        if isinstance(attribute, (attr.ForwardObjectiveFunction, attr.ForwardConstraintFunction)):
            return self._checked_tangent(attribute, index, value)
        if isinstance(attribute, attr.ForwardConstraintSet):
            return checked_set(store, index, value)
        number = np.asarray(value, np.float64)
        shape = (
            (store.get(attr.ConstraintSet(), index).dimension,)
            if isinstance(index, ConstraintIndex) and index.kind[1].is_vector
            else ()
        )
        if number.shape != shape:
            raise DimensionMismatch(
                f"{attribute!r} of {described(store, index)} has shape {shape}, got {number.shape}."
            )
        if not np.isfinite(number).all():
            raise InvalidData(f"{attribute!r} of {described(store, index)} must be finite, got {value!r}.")
        return number

    def _checked_tangent(self, attribute: attr.Attribute, index: Any, value: Any) -> Rows:
        vector = isinstance(index, ConstraintIndex) and index.kind[1].is_vector
        if isinstance(value, (int, float)) and not vector:
            value = Rows(np.array([float(value)]))
        elif not isinstance(value, Function):
            raise InvalidData(f"{attribute!r} is a function of the variables, got {value!r}.")
        rows: Rows = value if isinstance(value, Rows) else value.rows
        self._store.check_variables(rows)
        try:
            check_rows(rows)
        except InvalidData as error:
            raise InvalidData(f"{attribute!r}: {error}") from None
        if index is not None:
            start, stop = self._store.block(index.kind).row_range(self._store.number(index))
            m = stop - start
            if rows.m != m or (isinstance(value, Function) and value.is_vector != vector):
                raise DimensionMismatch(
                    f"{described(self._store, index)} has {m} rows; got a tangent of {rows.m} rows."
                )
            check_degree(self._store, rows, index)
        elif rows.m != 1:
            raise DimensionMismatch(f"An objective has one row; got a tangent of {rows.m} rows.")
        else:
            check_degree(self._store, rows, None)
        return rows.canonical()
