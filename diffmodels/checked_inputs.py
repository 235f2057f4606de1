"""What is checked of tangents and seeds before they are kept; each in the form in which it travels."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..modelkit import attributes as attr
from ..modelkit.arrays import FloatArray, IntArray
from ..modelkit.errors import DimensionMismatch, InvalidData, InvalidIndex
from ..modelkit.functions import Function, VariableIndex, VectorOfVariables
from ..modelkit.functions.rows import Rows
from ..modelkit.indices import ConstraintIndex, ConstraintIndices
from ..modelkit.naming import with_article
from ..modelkit.store.checks import check_rows
from ..modelkit.store.describing import described
from ..modelkit.store.lifting import as_lifted
from ..modelkit.store.parameters import Parameters, parameter_constraints
from ..modelkit.store.store import Store

__all__ = ["check_degree", "checked_input", "checked_pairs", "checked_set", "numbers_of_rows", "numbers_of_variables"]


def checked_pairs(store: Store, attribute: attr.Attribute, at: Any, value: Any) -> list[tuple[Any, Any]]:
    """(index, tangent or seed) of one index, or of many with one value each or one for all."""
    if isinstance(at, (VariableIndex, ConstraintIndex)):
        return [(at, checked_input(store, attribute, at, value))]
    each = [value] * len(at) if np.ndim(value) == 0 else list(value)
    if len(each) != len(at):
        raise DimensionMismatch(f"{len(at)} indices need as many values of {attribute!r}, got {len(each)}.")
    return [(one, checked_input(store, attribute, one, v)) for one, v in zip(at, each, strict=True)]


def numbers_of_variables(store: Store, attribute: attr.Attribute, at: Any, value: Any) -> tuple[IntArray, FloatArray]:
    """Identifiers and numbers of one variable or of many."""
    one = isinstance(at, VariableIndex)
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
        parameter_constraints(store, ids)
    return ids, numbers


def numbers_of_rows(
    store: Store, attribute: attr.Attribute, at: Any, value: Any
) -> list[tuple[ConstraintIndices, FloatArray]]:
    """Constraints and the numbers of their rows: many scalar ones of a kind at once, others one by one."""
    if isinstance(at, ConstraintIndices) and not at.kind[1].is_vector:
        numbers = np.asarray(value, np.float64)
        if numbers.shape in ((), (len(at),)):
            store.numbers(at)  # raises
            numbers = np.broadcast_to(numbers, (len(at),))
            if not np.isfinite(numbers).all():
                checked_input(store, attribute, at[int(np.argmin(np.isfinite(numbers)))], np.nan)  # raises
            return [(at, numbers)]
    return [
        (ConstraintIndices(one.kind, np.array([one.value])), np.atleast_1d(numbers))
        for one, numbers in checked_pairs(store, attribute, at, value)
    ]


def checked_input(store: Store, attribute: attr.Attribute, index: Any, value: Any) -> Any:
    """A tangent or seed; raises where it makes no sense."""
    if index is not None:
        store.check_index(index)
        expected = attr.On.VARIABLE if isinstance(index, VariableIndex) else attr.On.CONSTRAINT
        if attribute.on != expected:
            raise InvalidIndex(f"{attribute!r} belongs to a {attribute.on.value}, got {described(store, index)}.")
    if isinstance(attribute, (attr.ForwardObjectiveFunction, attr.ForwardConstraintFunction)):
        return _checked_tangent(store, attribute, index, value)
    if isinstance(attribute, attr.ForwardConstraintSet):
        return checked_set(store, index, value)
    number = np.asarray(value, np.float64)
    is_vector = isinstance(index, ConstraintIndex) and index.kind[1].is_vector
    shape = (store.get(attr.ConstraintSet(), index).dimension,) if is_vector else ()
    if number.shape != shape:
        raise DimensionMismatch(f"{attribute!r} of {described(store, index)} has shape {shape}, got {number.shape}.")
    if not np.isfinite(number).all():
        raise InvalidData(f"{attribute!r} of {described(store, index)} must be finite, got {value!r}.")
    return number


def _checked_tangent(store: Store, attribute: attr.Attribute, index: Any, value: Any) -> Rows:
    vector = isinstance(index, ConstraintIndex) and index.kind[1].is_vector
    if isinstance(value, (int, float)) and not vector:
        value = Rows(np.array([float(value)]))
    elif not isinstance(value, Function):
        raise InvalidData(f"{attribute!r} is a function of the variables, got {value!r}.")
    rows: Rows = value if isinstance(value, Rows) else value.rows
    store.check_variables(rows)
    rows = as_lifted(store, rows)
    try:
        check_rows(rows)
    except InvalidData as error:
        raise InvalidData(f"{attribute!r}: {error}") from None
    if index is not None:
        start, stop = store.block(index.kind).row_range(store.number(index))
        m = stop - start
        if rows.m != m or (isinstance(value, Function) and value.is_vector != vector):
            raise DimensionMismatch(f"{described(store, index)} has {m} rows; got a tangent of {rows.m} rows.")
        check_degree(store, rows, index)
    elif rows.m != 1:
        raise DimensionMismatch(f"An objective has one row; got a tangent of {rows.m} rows.")
    else:
        check_degree(store, rows, None)
    return rows.canonical()


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
