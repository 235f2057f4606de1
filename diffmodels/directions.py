"""Many directions at once: from mappings, one for each direction, to stacked rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..modelkit import attributes as attr
from ..modelkit.arrays import FloatArray
from ..modelkit.errors import DimensionMismatch, InvalidData, InvalidIndex
from ..modelkit.functions import NONLINEAR, Function, ScalarAffineFunction, VariableIndex
from ..modelkit.functions.rows import Rows
from ..modelkit.indices import ConstraintIndex, ConstraintIndices, Kind
from ..modelkit.sets import Parameter
from ..modelkit.store.checks import check_rows
from ..modelkit.store.describing import described
from ..modelkit.store.lifting import as_lifted
from ..modelkit.store.parameters import parameter_constraint
from ..modelkit.store.store import Store
from .checked_inputs import check_degree, checked_set
from .inputs import Tangents

__all__ = ["Direction", "spelled", "stack_directions"]

Direction = Mapping[Any, Any]
"""What moves, to how it moves."""
_OF = {
    attr.ForwardConstraintFunction: ConstraintIndex,
    attr.ForwardConstraintSet: ConstraintIndex,
    attr.ForwardParameterValue: VariableIndex,
}


def spelled(key: Any, of: Mapping[Any, type]) -> Any:
    """A key as it is without its attribute, where that says no more than the index."""
    if not (isinstance(key, tuple) and key and isinstance(key[0], attr.Attribute)):
        return key
    index = of.get(type(key[0]))
    if index is None or len(key) != 2:
        expected = ", ".join(f"({one.__name__}(), index)" for one in of)
        raise InvalidData(f"{key!r} is no attribute of a derivative with its index; those are {expected}.")
    if not isinstance(key[1], index):
        raise InvalidIndex(f"{key[0]!r} belongs to a {key[0].on.value}, got {key[1]!r}.")
    return key if isinstance(key[0], attr.ForwardConstraintSet) else key[1]


class _Terms:
    """Rows being written term by term: row, variable and coefficient of each, and row and value of each constant."""

    def __init__(self) -> None:
        self._columns: tuple[list[Any], ...] = ([], [], [], [], [])
        self._curved: list[tuple[int, Rows]] = []

    def add(self, first: int, value: Any) -> None:
        """A function from a row on, or a number in it."""
        row, var, coef, at, constants = self._columns
        if isinstance(value, ScalarAffineFunction):  # without arrays, as there may be many
            ids, coefs = value.terms
            row += [first] * len(ids)
            var += ids
            coef += coefs
            at.append(first)
            constants.append(value.constant)
        elif isinstance(value, Function):
            rows = value.rows
            if rows.degree > 1:
                self._curved.append((first, rows))
                return
            row += (rows.row + first).tolist()
            var += rows.var.tolist()
            coef += rows.coef.tolist()
            at += range(first, first + rows.m)
            constants += rows.constant.tolist()
        else:
            at.append(first)
            constants.append(float(value))

    def finish(self, m: int) -> Rows:
        """The rows."""
        row, var, coef, at, constants = self._columns
        constant = np.zeros(m)
        np.add.at(constant, np.array(at, np.int64), np.array(constants, np.float64))
        flat = Rows(constant, np.array(row, np.int64), np.array(var, np.int64), np.array(coef, np.float64))
        if not self._curved:
            return flat
        places = np.concatenate([np.arange(first, first + rows.m) for first, rows in self._curved])
        return flat + Rows.stack([rows for _, rows in self._curved]).moved(places, m)


def stack_directions(directions: Sequence[Direction], store: Store) -> Tangents:
    """The objective's tangents, those of constraint functions and those of sets and parameters, in bulk.

    Parameters
    ----------
    directions : K mappings, see `Model.directional_derivatives`
    store : the user's model

    Returns
    -------
    Rows with K rows or None; pairs (constraints, Rows with K times their rows); pairs (constraints, moves of shape
    (rows, 1 + q, K), of nothing and of the q numbers of their sets)
    """
    count = len(directions)
    used: dict[Kind, dict[int, tuple[int, int]]] = {}  # constraint -> (first row, rows)
    widths: dict[Kind, int] = {}
    entries: list[tuple[int, Kind, int, Any]] = []
    objective: list[tuple[int, Any]] = []
    parameters: dict[int, list[tuple[int, float]]] = {}
    sets: dict[Kind, dict[int, list[tuple[int, FloatArray]]]] = {}
    for k, direction in enumerate(directions):
        for given, value in direction.items():
            key = spelled(given, _OF)
            if isinstance(key, VariableIndex):
                parameters.setdefault(parameter_constraint(store, key).value, []).append((k, float(value)))
                continue
            if isinstance(key, attr.ForwardObjectiveFunction):
                objective.append((k, value))
                continue
            index, row = key if isinstance(key, tuple) and len(key) == 2 else (key, None)
            if isinstance(index, attr.ForwardConstraintSet):
                assert isinstance(row, ConstraintIndex)
                store.check_index(row)
                numbers = checked_set(store, row, value).numbers
                sets.setdefault(row.kind, {}).setdefault(row.value, []).append((k, numbers))
                continue
            if not isinstance(index, ConstraintIndex):
                raise InvalidData(f"A direction maps constraints, parameters or the objective; got the key {key!r}.")
            kind = index.kind
            known = used.setdefault(kind, {})
            place = known.get(index.value)
            if place is None:
                number = store.number(index)
                start, stop = store.block(kind).row_range(number)
                place = known[index.value] = widths.get(kind, 0), stop - start
                widths[kind] = place[0] + place[1]
            first, m = place
            if row is not None and not 0 <= row < m:
                raise DimensionMismatch(f"{described(store, index)} has rows 0 to {m - 1}; got row {row}.")
            size = value.output_dimension if isinstance(value, Function) else 1
            if size != (m if row is None else 1):
                raise DimensionMismatch(f"{described(store, index)} has {m} rows; got a tangent of {size} rows.")
            if isinstance(value, Function) and value.degree > 1:
                value = _in_model(store, value)
                check_degree(store, value.rows, index)
            entries.append((k, kind, first + (row or 0), value))
    terms: dict[Kind, _Terms] = {kind: _Terms() for kind in used}
    for k, kind, row, value in entries:
        terms[kind].add(k * widths[kind] + row, value)
    blocks = []
    for kind, t in terms.items():
        rows = t.finish(count * widths[kind])
        _check(rows, store)
        blocks.append((ConstraintIndices(kind, np.array(list(used[kind]), np.int64)), rows))
    return _objective(objective, count, store), blocks, [*_numbers(sets, count), *_shifts(parameters, count)]


def _check(rows: Rows, store: Store) -> None:
    store.check_variables(rows)
    check_rows(rows)


def _in_model(store: Store, function: Function) -> Function:
    """A function whose operators are those of the model's."""
    return function if function.degree < NONLINEAR else type(function).from_rows(as_lifted(store, function.rows))


def _objective(entries: list[tuple[int, Any]], count: int, store: Store) -> Rows | None:
    if not entries:
        return None
    parts = [
        _in_model(store, value).rows if isinstance(value, Function) else Rows(np.array([float(value)]))
        for _, value in entries
    ]
    for part in parts:
        if part.m != 1:
            raise DimensionMismatch(f"An objective has one row; got a tangent of {part.m} rows.")
        check_degree(store, part, None)
    rows = Rows.stack(parts).moved(np.array([k for k, _ in entries], np.int64), count)
    _check(rows, store)
    return rows


def _numbers(
    sets: dict[Kind, dict[int, list[tuple[int, FloatArray]]]], count: int
) -> list[tuple[ConstraintIndices, FloatArray]]:
    found = []
    for kind, moved in sets.items():
        ends = np.cumsum([len(moves[0][1]) for moves in moved.values()])
        numbers = np.zeros((int(ends[-1]), 1 + len(kind[1].fields), count))
        for moves, stop in zip(moved.values(), ends.tolist(), strict=True):
            for k, values in moves:
                numbers[stop - len(values) : stop, 1:, k] += values
        found.append((ConstraintIndices(kind, np.array(list(moved), np.int64)), numbers))
    return found


def _shifts(parameters: dict[int, list[tuple[int, float]]], count: int) -> list[tuple[ConstraintIndices, FloatArray]]:
    if not parameters:
        return []
    shift = np.zeros((len(parameters), 2, count))
    for row, moves in enumerate(parameters.values()):
        for k, value in moves:
            shift[row, 1, k] += value
    return [(ConstraintIndices((VariableIndex, Parameter), np.array(list(parameters), np.int64)), shift)]
