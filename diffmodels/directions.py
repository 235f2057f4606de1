"""Many directions at once: from mappings, one for each direction, to stacked rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..modelkit import attributes as attr
from ..modelkit.arrays import FloatArray
from ..modelkit.errors import DimensionMismatch, InvalidData
from ..modelkit.functions import Function, ScalarAffineFunction, VariableIndex
from ..modelkit.functions.rows import Rows
from ..modelkit.indices import ConstraintIndex, ConstraintIndices, Kind
from ..modelkit.sets import Parameter
from ..modelkit.store.checks import check_rows
from ..modelkit.store.describing import described
from ..modelkit.store.parameters import parameter_constraint
from ..modelkit.store.store import Store
from .inputs import Tangents

__all__ = ["Direction", "stack_directions"]

Direction = Mapping[Any, Any]
"""What moves, to how it moves."""


class _Terms:
    """Rows being written term by term: row, variable and coefficient of each, and row and value of each constant."""

    def __init__(self) -> None:
        self._columns: tuple[list[Any], ...] = ([], [], [], [], [])

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
                raise InvalidData(
                    "Quadratic tangents of constraints go one direction at a time (ForwardConstraintFunction)."
                )
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
        return Rows(constant, np.array(row, np.int64), np.array(var, np.int64), np.array(coef, np.float64))


def stack_directions(directions: Sequence[Direction], store: Store) -> Tangents:
    """The objective's tangents, those of constraint functions and those of parameters, in bulk.

    Parameters
    ----------
    directions : K mappings, see `Model.directional_derivatives`
    store : the user's model

    Returns
    -------
    Rows with K rows or None; pairs (constraints, Rows with K times their rows); pairs (constraints, shifts of
    shape (rows, 2, K))
    """
    count = len(directions)
    used: dict[Kind, dict[int, tuple[int, int]]] = {}  # constraint -> (first row, rows)
    widths: dict[Kind, int] = {}
    entries: list[tuple[int, Kind, int, Any]] = []
    objective: list[tuple[int, Any]] = []
    parameters: dict[int, list[tuple[int, float]]] = {}
    for k, direction in enumerate(directions):
        for key, value in direction.items():
            if isinstance(key, VariableIndex):
                parameters.setdefault(parameter_constraint(store, key).value, []).append((k, float(value)))
                continue
            if isinstance(key, attr.ForwardObjectiveFunction):
                objective.append((k, value))
                continue
            index, row = key if isinstance(key, tuple) else (key, None)
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
            entries.append((k, kind, first + (row or 0), value))
    terms: dict[Kind, _Terms] = {kind: _Terms() for kind in used}
    for k, kind, row, value in entries:
        terms[kind].add(k * widths[kind] + row, value)
    blocks = []
    for kind, t in terms.items():
        rows = t.finish(count * widths[kind])
        _check(rows, store)
        blocks.append((ConstraintIndices(kind, np.array(list(used[kind]), np.int64)), rows))
    return _objective(objective, count, store), blocks, _shifts(parameters, count)


def _check(rows: Rows, store: Store) -> None:
    store.check_variables(rows)
    check_rows(rows)


def _objective(entries: list[tuple[int, Any]], count: int, store: Store) -> Rows | None:
    if not entries:
        return None
    parts = [value.rows if isinstance(value, Function) else Rows(np.array([float(value)])) for _, value in entries]
    rows = Rows.stack(parts).moved(np.array([k for k, _ in entries], np.int64), count)
    _check(rows, store)
    return rows


def _shifts(parameters: dict[int, list[tuple[int, float]]], count: int) -> list[tuple[ConstraintIndices, FloatArray]]:
    if not parameters:
        return []
    shift = np.zeros((len(parameters), 2, count))
    for row, moves in enumerate(parameters.values()):
        for k, value in moves:
            shift[row, 1, k] += value
    return [(ConstraintIndices((VariableIndex, Parameter), np.array(list(parameters), np.int64)), shift)]
