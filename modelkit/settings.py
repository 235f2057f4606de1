"""Attributes of a store: reading, checking and setting what is data."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from . import attributes as attr
from .checks import check_numbers, check_rows
from .errors import (
    DimensionMismatch,
    InvalidData,
    InvalidIndex,
    NotOptimized,
    UnsupportedAttribute,
    UnsupportedModification,
)
from .functions import ScalarAffineFunction, ScalarFunction, VariableIndex, VectorOfVariables
from .indices import ConstraintIndex, ConstraintIndices, Index
from .numeric import real_array, real_number
from .protocol import check_fit

if TYPE_CHECKING:
    from .store import Store

__all__ = [
    "apply",
    "by_name",
    "check_target",
    "checked_pairs",
    "checked_value",
    "each",
    "get",
    "set_model_value",
    "set_value",
    "the_one",
]


def check_target(attribute: attr.Attribute, index: Any) -> None:
    """Raise unless the attribute belongs to what the index names (None for the model)."""
    found = _ON.get(type(index))
    if found is attribute.on or (index is None and attribute.on is attr.On.OPTIMIZER):
        return
    if attribute.on in (attr.On.MODEL, attr.On.OPTIMIZER):
        raise InvalidIndex(f"{attribute!r} belongs to the {attribute.on.value}; it takes no index, got {index!r}.")
    if index is None:
        raise InvalidIndex(f"{attribute!r} is asked of a {attribute.on.value}; name one.")
    raise InvalidIndex(f"{attribute!r} belongs to a {attribute.on.value}, got {index!r}.")


_ON: dict[type, attr.On] = {
    type(None): attr.On.MODEL,
    VariableIndex: attr.On.VARIABLE,
    VectorOfVariables: attr.On.VARIABLE,
    ConstraintIndex: attr.On.CONSTRAINT,
    ConstraintIndices: attr.On.CONSTRAINT,
}


def each(store: Store, attribute: attr.Attribute, indices: Any, value: Any) -> list[tuple[Index, Any]]:
    """The pairs (index, value) of setting many at once: one value each (stacked rows, too), or one for all."""
    count = len(indices)
    if count and isinstance(indices, ConstraintIndices) and indices.kind[1].is_vector and isinstance(value, np.ndarray):
        ends = np.cumsum(store.block(indices.kind).dims()[store.numbers(indices)])
        if value.shape == ends[-1:]:
            value = np.split(value, ends[:-1])
    if isinstance(value, np.ndarray) and value.ndim:
        values: list[Any] = list(value) if value.ndim > 1 else value.tolist()
    else:
        values = list(value) if isinstance(value, (list, tuple)) else [value] * count
    if len(values) != count:
        raise DimensionMismatch(
            f"{count} indices need as many values of {attribute!r}, or one for all; got {len(values)}."
        )
    return list(zip(indices, values, strict=True))


# ---------------------------------------------------------------------- checking
def checked_pairs(store: Store, attribute: attr.Attribute, *index_and_value: Any) -> list[tuple[Any, Any]]:
    """The pairs (index, value) of setting one or many, each checked; the index is None for the model."""
    *at, value = index_and_value
    if not at:
        pairs: list[tuple[Any, Any]] = [(None, value)]
    elif isinstance(at[0], (VariableIndex, ConstraintIndex)):
        pairs = [(at[0], value)]
    else:
        store.check_index(at[0])
        pairs = list(each(store, attribute, at[0], value))
    return [(one, checked_value(store, attribute, one, new)) for one, new in pairs]


def checked_value(store: Store, attribute: attr.Attribute, index: Any, value: Any) -> Any:
    """The value as it is kept; raises unless it may be set."""
    if not attribute.settable:
        raise UnsupportedAttribute(f"{attribute!r} can be read, not set.")
    check_target(attribute, index)
    if index is not None:
        store.check_index(index)
    check = _CHECKS.get(type(attribute))
    return value if check is None else check(store, attribute, index, value)


def _objective(store: Store, attribute: attr.Attribute, index: Any, function: Any) -> Any:
    if not isinstance(function, ScalarFunction):
        raise InvalidData(f"An objective is a scalar function of variables, got {function!r}.")
    rows = function.rows
    store.check_variables(rows)
    check_rows(rows)
    return function


def _sense(store: Store, attribute: attr.Attribute, index: Any, sense: Any) -> Any:
    if not isinstance(sense, attr.ObjectiveSenseCode):
        raise InvalidData(f"ObjectiveSense is an ObjectiveSenseCode, got {sense!r}.")
    return sense


def _function(store: Store, attribute: attr.Attribute, index: ConstraintIndex, function: Any) -> Any:
    number, block = store.number(index), store.block(index.kind)
    check_fit(function, block.set(number))
    if type(function) is not index.kind[0]:
        raise UnsupportedModification(
            f"{index!r} has a {index.kind[0].__name__}; setting a {type(function).__name__} would make it "
            "another kind of constraint. Delete it and add the new one."
        )
    if index.kind[0] is VariableIndex:
        refuse_another_variable()
    rows = function.rows
    store.check_variables(rows)
    check_rows(rows)
    return function


def refuse_another_variable() -> NoReturn:
    """A bound is named by its variable."""
    raise UnsupportedModification("The variable of a bound cannot be exchanged; delete the bound, add another.")


def _set(store: Store, attribute: attr.Attribute, index: ConstraintIndex, new: Any) -> Any:
    number, block = store.number(index), store.block(index.kind)
    if type(new) is not index.kind[1]:
        raise UnsupportedModification(
            f"{index!r} is in a {index.kind[1].__name__}; {new!r} would make it another kind of constraint. "
            "Delete it and add the new one."
        )
    if new.is_vector and new.shape != block.shape(number):
        raise UnsupportedModification(f"{new!r} has another shape than {block.set(number)!r}.")
    check_numbers(index.kind[1], new.numbers)
    return new


def _start(store: Store, attribute: attr.Attribute, index: Index, value: Any) -> Any:
    if value is None:
        return None
    if not isinstance(index, ConstraintIndex) or not index.kind[1].is_vector:
        number = real_number(value[0] if np.shape(value) == (1,) else value, f"{attribute!r} of {index!r}")
        if not np.isfinite(number):
            raise InvalidData(f"{attribute!r} of {index!r} must be finite, got {value!r}.")
        return number
    array = np.array(real_array(value, f"{attribute!r} of {index!r}"))
    start, stop = store.block(index.kind).row_range(store.number(index))
    if array.shape != (stop - start,):
        raise DimensionMismatch(
            f"{attribute!r} of {index!r} has {stop - start} numbers, got an array of shape {array.shape}."
        )
    if not np.isfinite(array).all():
        raise InvalidData(f"{attribute!r} of {index!r} must be finite, got {value!r}.")
    return array


def _name(store: Store, attribute: attr.Attribute, index: Any, value: Any) -> Any:
    if not isinstance(value, str):
        raise InvalidData(f"{attribute!r} is a string, got {value!r}.")
    return str(value)


_CHECKS: dict[type[attr.Attribute], Callable[[Store, Any, Any, Any], Any]] = {
    attr.ObjectiveFunction: _objective,
    attr.ObjectiveSense: _sense,
    attr.ConstraintFunction: _function,
    attr.ConstraintSet: _set,
    attr.VariablePrimalStart: _start,
    attr.ConstraintPrimalStart: _start,
    attr.ConstraintDualStart: _start,
    attr.Name: _name,
    attr.VariableName: _name,
    attr.ConstraintName: _name,
}


# ---------------------------------------------------------------------- setting what was checked
def apply(store: Store, attribute: attr.Attribute, pairs: list[tuple[Any, Any]]) -> None:
    """Set checked pairs."""
    for index, value in pairs:
        if index is None:
            set_model_value(store, attribute, value)
        else:
            set_value(store, attribute, index, value)
    if isinstance(attribute, (attr.VariableName, attr.ConstraintName)):
        store.forget_names()


def set_model_value(store: Store, attribute: attr.Attribute, value: Any) -> None:
    """Set an attribute of the model or the optimizer."""
    if isinstance(attribute, attr.ObjectiveFunction):
        store.replace_objective(value)
    elif isinstance(attribute, attr.ObjectiveSense):
        store.change_sense(value)
    else:
        store.values_of_model(attribute)[attribute] = value


def set_value(store: Store, attribute: attr.Attribute, index: Index, value: Any) -> None:
    """Set an attribute of a variable or constraint; None (and an empty name) takes it away."""
    if isinstance(attribute, attr.ConstraintFunction):
        assert isinstance(index, ConstraintIndex)
        store.block(index.kind).set_rows(store.number(index), value.rows)
    elif isinstance(attribute, attr.ConstraintSet):
        assert isinstance(index, ConstraintIndex)
        store.block(index.kind).set_numbers(store.number(index), value.numbers)
    elif value is None or (isinstance(value, str) and not value):
        store.values_of(attribute).pop(index, None)
    else:
        store.kept_values(attribute)[index] = value


# ---------------------------------------------------------------------- reading
def get(store: Store, attribute: attr.Attribute, index: Any) -> Any:
    """Value of an attribute that is data; a result there is none."""
    if isinstance(index, (VariableIndex, ConstraintIndex)):
        check_target(attribute, index)
        getter = _OF_CONSTRAINTS.get(type(attribute))
        if getter is not None:
            return getter(store, index)
        store.check_index(index)
        if attribute.is_result:
            raise _no_result(attribute)
        return store.values_of(attribute).get(index, _DEFAULTS.get(type(attribute)))
    if index is not None:
        if not np.iterable(index):
            raise InvalidIndex(f"Expected the index of a variable or constraint, got {index!r}.")
        return [get(store, attribute, one) for one in index]
    check_target(attribute, None)
    getter = _OF_THE_MODEL.get(type(attribute))
    if getter is not None:
        return getter(store, attribute)
    if attribute.is_result:
        raise _no_result(attribute)
    return store.values_of_model(attribute).get(attribute, _DEFAULTS.get(type(attribute)))


def _no_result(attribute: attr.Attribute) -> NotOptimized:
    return NotOptimized(f"{attribute!r} is a result, and this model has no optimizer.")


def _get_objective(store: Store, _: attr.Attribute) -> Any:
    block = store.objective_block
    return ScalarAffineFunction() if block is None else block.function_type.from_rows(block.rows(0))


_OF_CONSTRAINTS: dict[type[attr.Attribute], Callable[[Store, Any], Any]] = {
    attr.ConstraintFunction: lambda s, i: i.kind[0].from_rows(s.block_holding(i).rows(s.number(i))),
    attr.ConstraintSet: lambda s, i: s.block_holding(i).set(s.number(i)),
}
_OF_THE_MODEL: dict[type[attr.Attribute], Callable[[Store, Any], Any]] = {
    attr.ObjectiveSense: lambda s, _: s.sense,
    attr.ObjectiveFunction: _get_objective,
    attr.NumberOfVariables: lambda s, _: s.variables_alive,
    attr.ListOfVariableIndices: lambda s, _: VectorOfVariables.of_ids(s.variable_ids()),
    attr.ListOfConstraintTypesPresent: lambda s, _: s.kinds(),
    attr.NumberOfConstraints: lambda s, a: len(s.block(a.kind)) if a.kind in s.kinds() else 0,
    attr.ListOfConstraintIndices: lambda s, a: (
        s.indices(a.kind, s.block(a.kind).numbers_alive())
        if a.kind in s.kinds()
        else ConstraintIndices(a.kind, np.zeros(0, np.int64))
    ),
}
_DEFAULTS: dict[type[attr.Attribute], Any] = {
    attr.Silent: True,
    attr.Name: "",
    attr.VariableName: "",
    attr.ConstraintName: "",
}


# ---------------------------------------------------------------------- names
def by_name(names: dict[Any, str]) -> dict[str, list[Any]]:
    """The indices of each name."""
    found: dict[str, list[Any]] = {}
    for index, name in names.items():
        found.setdefault(name, []).append(index)
    return found


def the_one(attribute: attr.Attribute, name: str, found: list[Any]) -> Any:
    """The only index found for a name."""
    if len(found) == 1:
        return found[0]
    what = attribute.on.value
    if not found:
        raise InvalidIndex(f"No {what} of this model is called {name!r}.")
    raise InvalidIndex(f"{len(found)} {what}s are called {name!r}; names must differ to be looked up.")
