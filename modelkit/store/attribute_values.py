"""Attributes of a store: reading, checking and setting what is data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from .. import attributes as attr
from ..errors import (
    DimensionMismatch,
    InvalidData,
    InvalidIndex,
    NotOptimized,
    UnsupportedAttribute,
    UnsupportedModification,
)
from ..functions import ScalarAffineFunction, ScalarFunction, VariableIndex, VectorOfVariables
from ..functions.layout import Layout
from ..indices import ConstraintIndex, ConstraintIndices, Index, plain
from ..naming import announce, with_article
from ..numeric import real_array, real_number
from ..sets import ScalarSet
from .checks import check_fit, check_name, check_numbers, check_rows, check_sides
from .describing import described
from .tables import Tables

__all__ = ["apply", "by_name", "check_target", "checked_pairs", "get", "refuse_another_variable", "the_one"]


def check_target(attribute: attr.Attribute, index: Any) -> None:
    """Raise unless the attribute belongs to what the index names (None for the model)."""
    found = _ON.get(type(index))
    if found is attribute.on or (index is None and attribute.on is attr.On.OPTIMIZER):
        return
    if attribute.on in (attr.On.MODEL, attr.On.OPTIMIZER):
        raise InvalidIndex(f"{attribute!r} belongs to the {attribute.on.value}; it takes no index, got {index!r}.")
    if index is None:
        raise InvalidIndex(f"{attribute!r} is asked of a {attribute.on.value}; name one.")
    raise InvalidIndex(f"{attribute!r} belongs to {with_article(attribute.on.value)}, got {index!r}.")


_ON: dict[type, attr.On] = {
    type(None): attr.On.MODEL,
    VariableIndex: attr.On.VARIABLE,
    VectorOfVariables: attr.On.VARIABLE,
    ConstraintIndex: attr.On.CONSTRAINT,
    ConstraintIndices: attr.On.CONSTRAINT,
}


def _each(store: Tables, attribute: attr.Attribute, indices: Any, value: Any) -> list[tuple[Index, Any]]:
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
def checked_pairs(store: Tables, attribute: attr.Attribute, *index_and_value: Any) -> list[tuple[Any, Any]]:
    """The pairs (index, value) of setting one or many, each checked; the index is None for the model."""
    *at, value = index_and_value
    if not at:
        pairs: list[tuple[Any, Any]] = [(None, value)]
    elif isinstance(at[0], (VariableIndex, ConstraintIndex)):
        pairs = [(at[0], value)]
    else:
        store.check_index(at[0])
        pairs = _each(store, attribute, at[0], value)
    return [(one, _checked_value(store, attribute, one, new)) for one, new in pairs]


def _checked_value(store: Tables, attribute: attr.Attribute, index: Any, value: Any) -> Any:
    """The value as it is kept; raises unless it may be set."""
    if not attribute.settable:
        raise UnsupportedAttribute(f"{attribute!r} can be read, not set.")
    check_target(attribute, index)
    if index is not None:
        store.check_index(index)
    check = _CHECKS.get(type(attribute))
    return value if check is None else check(store, attribute, index, value)


def _objective(store: Tables, attribute: attr.Attribute, index: Any, function: Any) -> Any:
    if not isinstance(function, ScalarFunction):
        raise InvalidData(f"An objective is a scalar function of variables, got {function!r}.")
    rows = function.rows
    store.check_variables(rows)
    check_rows(rows)
    return function


def _sense(store: Tables, attribute: attr.Attribute, index: Any, sense: Any) -> Any:
    if not isinstance(sense, attr.ObjectiveSenseCode):
        raise InvalidData(f"ObjectiveSense is an ObjectiveSenseCode, got {sense!r}.")
    return sense


def _function(store: Tables, attribute: attr.Attribute, index: ConstraintIndex, function: Any) -> Any:
    number, block = store.number(index), store.block(index.kind)
    check_fit(function, block.set(number))
    if type(function) is not index.kind[0]:
        raise UnsupportedModification(
            f"{described(store, index)} has {with_article(index.kind[0].__name__)}; setting "
            f"{with_article(type(function).__name__)} would make it "
            "another kind of constraint. Delete it and add the new one."
        )
    if index.kind[0] is VariableIndex:
        refuse_another_variable()
    rows = function.rows
    store.check_variables(rows)
    check_rows(rows)
    at = slice(*block.row_range(number))
    check_sides(index.kind[1], block.all_numbers[at], rows.constant)
    return function


def refuse_another_variable() -> NoReturn:
    """A bound is named by its variable."""
    raise UnsupportedModification("The variable of a bound cannot be exchanged; delete the bound, add another.")


def _set(store: Tables, attribute: attr.Attribute, index: ConstraintIndex, new: Any) -> Any:
    number, block = store.number(index), store.block(index.kind)
    if type(new) is not index.kind[1]:
        raise UnsupportedModification(
            f"{described(store, index)} is in {with_article(index.kind[1].__name__)}; {new!r} would make it "
            "another kind of constraint. Delete it and add the new one."
        )
    if new.is_vector and new.shape != block.shape(number):
        raise UnsupportedModification(f"{new!r} has another shape than {block.set(number)!r}.")
    check_numbers(index.kind[1], new.numbers)
    check_sides(index.kind[1], new.numbers, block.constants[slice(*block.row_range(number))])
    return new


def _start(store: Tables, attribute: attr.Attribute, index: Index, value: Any) -> Any:
    if value is None:
        return None
    what = f"{attribute!r} of {described(store, index)}"
    kept: Any
    if isinstance(index, ConstraintIndex) and index.kind[1].is_vector:
        kept = np.array(real_array(value, what))
        start, stop = store.block(index.kind).row_range(store.number(index))
        if kept.shape != (stop - start,):
            raise DimensionMismatch(f"{what} has {stop - start} numbers, got an array of shape {kept.shape}.")
    else:
        kept = real_number(value[0] if np.shape(value) == (1,) else value, what)
    if not np.isfinite(kept).all():
        raise InvalidData(f"{what} must be finite, got {value!r}.")
    return kept


def _layout(store: Tables, attribute: attr.Attribute, index: ConstraintIndex, value: Any) -> Any:
    if value is not None and not isinstance(value, Layout):
        raise InvalidData(f"ConstraintLayout is the Layout of a constraint written with arrays, got {value!r}.")
    return value


def _put_aside(store: Tables, attribute: attr.Attribute, index: ConstraintIndex, value: Any) -> Any:
    if value is not None and not (isinstance(value, tuple) and all(isinstance(one, ScalarSet) for one in value)):
        raise InvalidData(f"BoundsPutAside is a tuple of sets such as GreaterThan(1.0), got {value!r}.")
    return value


def _name(store: Tables, attribute: attr.Attribute, index: Any, value: Any) -> Any:
    check_name(value)
    return str(value)


_CHECKS: dict[type[attr.Attribute], Callable[[Tables, Any, Any, Any], Any]] = {
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
    attr.ConstraintLayout: _layout,
    attr.BoundsPutAside: _put_aside,
}


# ---------------------------------------------------------------------- setting what was checked
def apply(store: Tables, attribute: attr.Attribute, pairs: list[tuple[Any, Any]]) -> None:
    """Set checked pairs."""
    for index, value in pairs:
        _set_one(store, attribute, index, value)
    if isinstance(attribute, (attr.VariableName, attr.ConstraintName)):
        store.forget_names()
        announce(store)


def _set_one(store: Tables, attribute: attr.Attribute, index: Any, value: Any) -> None:
    """Set one value; None (and an empty name) takes away that of a variable or constraint."""
    if isinstance(attribute, attr.ObjectiveFunction):
        store.replace_objective(value)
    elif isinstance(attribute, attr.ObjectiveSense):
        store.change_sense(value)
    elif isinstance(attribute, attr.ConstraintFunction):
        store.block(index.kind).set_rows(store.number(index), value.rows)
    elif isinstance(attribute, attr.ConstraintSet):
        store.block(index.kind).set_numbers(store.number(index), value.numbers)
    elif index is not None and (value is None or (isinstance(value, str) and not value)):
        store.values_of(attribute).pop(index, None)
    else:
        store.values_of(attribute)[index] = value


# ---------------------------------------------------------------------- reading
def get(store: Tables, attribute: attr.Attribute, index: Any) -> Any:
    """Value of an attribute that is data; a result there is none."""
    if index is not None and not isinstance(index, (VariableIndex, ConstraintIndex)):
        return [get(store, attribute, one) for one in plain(index)]
    check_target(attribute, index)
    if index is not None:
        store.check_index(index)
    getter = _GETTERS.get(type(attribute))
    if getter is not None:
        return getter(store, attribute, index)
    if attribute.is_result:
        raise NotOptimized(f"{attribute!r} is a result, and this model has no optimizer.")
    return store.values_of(attribute).get(index, _DEFAULTS.get(type(attribute)))


def _get_objective(store: Tables, _: attr.Attribute, __: None) -> Any:
    block = store.objective_block
    return ScalarAffineFunction() if block is None else block.function_type.from_rows(block.rows(0))


def _get_function(store: Tables, _: attr.Attribute, index: ConstraintIndex) -> Any:
    return index.kind[0].from_rows(store.block(index.kind).rows(store.number(index)))


def _get_indices(store: Tables, attribute: attr.ListOfConstraintIndices, _: None) -> ConstraintIndices:
    kind = attribute.kind
    if kind not in store.kinds():
        return ConstraintIndices(kind, np.zeros(0, np.int64))
    return store.indices(kind, store.block(kind).numbers_alive())


_GETTERS: dict[type[attr.Attribute], Callable[[Tables, Any, Any], Any]] = {
    attr.ConstraintFunction: _get_function,
    attr.ConstraintSet: lambda s, _, i: s.block(i.kind).set(s.number(i)),
    attr.ObjectiveSense: lambda s, *_: s.sense,
    attr.ObjectiveFunction: _get_objective,
    attr.NumberOfVariables: lambda s, *_: s.variables_alive,
    attr.ListOfVariableIndices: lambda s, *_: VectorOfVariables.of_ids(s.variable_ids()),
    attr.ListOfConstraintTypesPresent: lambda s, *_: s.kinds(),
    attr.NumberOfConstraints: lambda s, a, _: len(s.block(a.kind)) if a.kind in s.kinds() else 0,
    attr.ListOfConstraintIndices: _get_indices,
    attr.ListOfOptimizerAttributesSet: lambda s, *_: s.attributes_set(attr.On.OPTIMIZER),
    attr.ListOfModelAttributesSet: lambda s, *_: s.attributes_set(attr.On.MODEL),
    attr.ListOfVariableAttributesSet: lambda s, *_: s.attributes_set(attr.On.VARIABLE),
    attr.ListOfConstraintAttributesSet: lambda s, a, _: s.attributes_set(attr.On.CONSTRAINT, a.kind),
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
