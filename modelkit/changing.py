"""Modifications of a store: checked, made, and renamed for a copy."""

from __future__ import annotations

from typing import Any

import numpy as np

from .attributes import ObjectiveFunction
from .block import Block
from .errors import DimensionMismatch, InvalidData, InvalidIndex, UnsupportedModification
from .functions import (
    Function,
    ScalarAffineFunction,
    VariableIndex,
    VectorOfVariables,
)
from .indices import ConstraintIndex, IndexMap
from .modifications import (
    Modification,
    MultirowChange,
    ScalarCoefficientChange,
    ScalarConstantChange,
    ScalarQuadraticCoefficientChange,
    VectorConstantChange,
)
from .numeric import real_array

__all__ = ["check_changes", "make_change", "renamed_change"]


def check_changes(store: Any, target: Any, change: Any) -> list[Modification]:
    """The modifications of a constraint or the objective, in a list; raises unless all of them fit."""
    function_type: type[Function] = ScalarAffineFunction
    rows = 1
    if isinstance(target, ConstraintIndex):
        number = store.number(target)
        start, stop = store.block(target.kind).row_range(number)
        rows, function_type = stop - start, target.kind[0]
    elif not isinstance(target, ObjectiveFunction):
        raise InvalidIndex(f"modify needs a constraint index or ObjectiveFunction(), got {target!r}.")
    elif store.objective_block is not None:
        function_type = store.objective_block.function_type
    changes = list(change) if isinstance(change, (list, tuple)) else [change]
    for one in changes:
        if not isinstance(one, Modification):
            raise InvalidData(f"Expected a modification such as ScalarCoefficientChange(x, 2.0), got {one!r}.")
        _check_change(store, one, function_type, rows)
    return changes


def _check_change(store: Any, change: Modification, function_type: type[Function], rows: int) -> None:
    """Refuse a modification that does not fit the function."""
    if function_type in (VariableIndex, VectorOfVariables):
        raise UnsupportedModification(
            "A plain variable has no coefficients to change; write the function as an affine one (1.0 * x)."
        )
    if function_type.is_vector != isinstance(change, (VectorConstantChange, MultirowChange)):
        raise InvalidData(f"{type(change).__name__} does not fit a {function_type.__name__}.")
    values: Any
    if isinstance(change, ScalarConstantChange):
        values = change.new_constant
    elif isinstance(change, VectorConstantChange):
        values = change.new_constant
        if np.shape(values) != (rows,):
            raise DimensionMismatch(f"The constraint has {rows} rows; got constants of shape {np.shape(values)}.")
    elif isinstance(change, MultirowChange):
        store.check_index(change.variable)
        for row, _ in change.new_coefficients:
            if not isinstance(row, (int, np.integer)) or not 0 <= row < rows:
                raise DimensionMismatch(f"The constraint has rows 0 to {rows - 1}; got row {row}.")
        values = [v for _, v in change.new_coefficients]
    elif isinstance(change, ScalarCoefficientChange):
        store.check_index(change.variable)
        values = change.new_coefficient
    else:
        assert isinstance(change, ScalarQuadraticCoefficientChange)
        if function_type.degree < 2:
            raise UnsupportedModification(
                f"A {function_type.__name__} has no quadratic coefficients; set the whole function instead."
            )
        store.check_index(change.variable_1)
        store.check_index(change.variable_2)
        values = change.new_coefficient
    numbers = real_array(values, f"The new value in {change!r}")
    if numbers.ndim and not function_type.is_vector:
        raise DimensionMismatch(f"{change!r}: the new value is one number.")
    if not np.isfinite(numbers).all():
        raise InvalidData(f"{change!r}: the new value must be finite.")


def make_change(block: Block, number: int, change: Modification) -> None:
    """Make a checked change in a function of a block."""
    if isinstance(change, (ScalarConstantChange, VectorConstantChange)):
        block.set_constants(number, change.new_constant)
    elif isinstance(change, ScalarCoefficientChange):
        block.set_coefficient(number, 0, change.variable.value, change.new_coefficient)
    elif isinstance(change, MultirowChange):
        for row, value in change.new_coefficients:
            block.set_coefficient(number, row, change.variable.value, value)
    elif isinstance(change, ScalarQuadraticCoefficientChange):
        v1, v2 = change.variable_1.value, change.variable_2.value
        block.set_quadratic_coefficient(number, 0, v1, v2, change.new_coefficient)


def renamed_change(change: Modification, index_map: IndexMap) -> Modification:
    """The change in the variables of a copy."""
    if isinstance(change, ScalarCoefficientChange):
        return ScalarCoefficientChange(index_map(change.variable), change.new_coefficient)
    if isinstance(change, MultirowChange):
        return MultirowChange(index_map(change.variable), change.new_coefficients)
    if isinstance(change, ScalarQuadraticCoefficientChange):
        one, two = index_map(change.variable_1), index_map(change.variable_2)
        return ScalarQuadraticCoefficientChange(one, two, change.new_coefficient)
    return change
