"""Blocks: many constraints of one kind, as arrays that are handed from model to model and through bridges."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ..arrays import FloatArray, IntArray, segments
from ..errors import DimensionMismatch, InvalidData
from ..functions import Function
from ..functions.abstract_function import class_of
from ..functions.rows import Rows
from ..indices import Kind
from ..sets import ScalarSet, Set
from .checks import check_fit

__all__ = ["ConstraintBlock", "SetBlock"]

Shapes = tuple[tuple[float, ...], ...]


@final
@dataclass(frozen=True, slots=True, eq=False)
class SetBlock:
    """k sets of one type: dimensions, shapes and stacked numbers.

    Parameters
    ----------
    type : class of the sets
    dims : array of shape (k,)
    numbers : array of shape (sum of dims, number of fields)
    shapes : k shapes, or None for scalar sets
    """

    type: builtins.type[Set]
    dims: IntArray
    numbers: FloatArray
    shapes: Shapes | None

    @staticmethod
    def of(sets: Sequence[Set]) -> SetBlock:
        """The block of these sets, all of one type."""
        kind = type(sets[0])
        dims = np.array([s.dimension for s in sets], np.int64)
        shapes = tuple(s.shape for s in sets) if kind.is_vector else None
        return SetBlock(kind, dims, np.concatenate([s.numbers for s in sets]), shapes)

    @staticmethod
    def scalar(kind: builtins.type[Set], numbers: FloatArray) -> SetBlock:
        """Scalar sets, one a row of numbers."""
        return SetBlock(kind, np.ones(len(numbers), np.int64), numbers, None)

    @property
    def count(self) -> int:
        """Number of sets."""
        return len(self.dims)

    @property
    def starts(self) -> IntArray:
        """First row of each set, and the end: shape (k + 1,)."""
        return np.concatenate([[0], np.cumsum(self.dims)]).astype(np.int64)

    def take(self, items: IntArray) -> SetBlock:
        """Some of the sets."""
        dims = self.dims[items]
        shapes = None if self.shapes is None else tuple(self.shapes[i] for i in items.tolist())
        return SetBlock(self.type, dims, self.numbers[segments(self.starts[items], dims)], shapes)

    def set(self, item: int) -> Set:
        """One of the sets."""
        start, stop = self.starts[item : item + 2]
        return self.type.build(self.shapes[item] if self.shapes else (1,), self.numbers[start:stop])


@final
@dataclass(frozen=True, slots=True, eq=False)
class ConstraintBlock:
    """k constraints of one kind: functions stacked row below row, and their sets."""

    function_type: type[Function]
    rows: Rows
    sets: SetBlock

    @staticmethod
    def of(functions: Any, sets: Any) -> ConstraintBlock:
        """The constraints ``functions[i] in sets[i]``, see `AbstractModel.add_constraints`."""
        if isinstance(functions, Function) and functions.is_vector:
            return _dealt_out(functions, sets)
        functions = list(functions)
        chosen: list[Set] = [sets] * len(functions) if isinstance(sets, Set) else list(sets)
        if len(functions) != len(chosen):
            raise DimensionMismatch(f"{len(functions)} functions need as many sets, got {len(chosen)}.")
        if not functions:
            raise InvalidData("No constraints to add.")
        for f, s in zip(functions, chosen, strict=True):
            check_fit(f, s)
        kinds = {(type(f), type(s)) for f, s in zip(functions, chosen, strict=True)}
        if len(kinds) > 1:
            raise InvalidData(f"add_constraints takes one kind of constraint at a time, got {len(kinds)} kinds.")
        rows = Rows.stack([f.rows for f in functions])
        return ConstraintBlock(type(functions[0]), rows, SetBlock.of(chosen))

    @property
    def kind(self) -> Kind:
        """(function type, set type)."""
        return self.function_type, self.sets.type

    @property
    def count(self) -> int:
        """Number of constraints."""
        return self.sets.count

    @property
    def starts(self) -> IntArray:
        """First row of each constraint, and the end: shape (k + 1,)."""
        return self.sets.starts

    def take(self, items: IntArray) -> ConstraintBlock:
        """Some of the constraints."""
        rows = segments(self.starts[:-1][items], self.sets.dims[items])
        return ConstraintBlock(self.function_type, self.rows.take(rows), self.sets.take(items))


def _dealt_out(function: Function, sets: Any) -> ConstraintBlock:
    """The rows of one vector function, dealt out to the sets in order."""
    m = function.output_dimension
    if isinstance(sets, ScalarSet):
        sets = [sets] * m
    elif isinstance(sets, Set):
        if not sets.dimension or m % sets.dimension:
            raise DimensionMismatch(f"A function of {m} rows cannot be dealt out to sets of {sets.dimension} rows.")
        sets = [sets] * (m // sets.dimension)
    block = SetBlock.of(list(sets))
    if int(block.dims.sum()) != m:
        raise DimensionMismatch(f"The sets have {int(block.dims.sum())} rows together, the function has {m}.")
    kind: type[Function] = type(function)
    if not block.type.is_vector:
        kind = class_of(vector=False, degree=function.degree)
    return ConstraintBlock(kind, function.rows, block)
