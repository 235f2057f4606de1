"""Modifications of a store: checked, and made."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..attributes import ObjectiveFunction
from ..errors import DimensionMismatch, InvalidData, InvalidIndex, UnsupportedModification
from ..functions import Function, ScalarAffineFunction, VariableIndex, VectorOfVariables
from ..functions.rows import Rows
from ..indices import ConstraintIndex
from ..modifications import Modification, ScalarConstantChange, ScalarQuadraticCoefficientChange, VectorConstantChange
from ..naming import with_article
from ..numeric import real_array
from .checks import check_rows, check_sides
from .tables import Tables

__all__ = ["check_changes", "make_changes"]

_CONSTANTS = (ScalarConstantChange, VectorConstantChange)
_ZERO = np.zeros(1, np.int64)


def check_changes(store: Tables, target: Any, change: Any) -> list[Modification]:
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
        _check_change(store, target, one, function_type, rows)
    return changes


def _check_change(store: Tables, target: Any, change: Modification, function_type: type[Function], rows: int) -> None:
    """Refuse a modification that does not fit the function."""
    if function_type in (VariableIndex, VectorOfVariables):
        raise UnsupportedModification(
            "A plain variable has no coefficients to change; write the function as an affine one (1.0 * x)."
        )
    if function_type.is_vector != change.is_vector:
        raise InvalidData(f"{type(change).__name__} does not fit {with_article(function_type.__name__)}.")
    for row, variables, _ in change.coefficients:
        if len(variables) > function_type.degree:
            raise UnsupportedModification(
                f"This {function_type.__name__} has no quadratic coefficients; set the whole function instead."
            )
        store.check_index(variables)
        if not isinstance(row, (int, np.integer)) or not 0 <= row < rows:
            raise DimensionMismatch(f"The constraint has rows 0 to {rows - 1}; got row {row}.")
    values: Any = [value for *_, value in change.coefficients]
    if isinstance(change, _CONSTANTS):
        values = change.new_constant
        if change.is_vector and np.shape(values) != (rows,):
            raise DimensionMismatch(f"The constraint has {rows} rows; got constants of shape {np.shape(values)}.")
    elif not change.is_vector:
        (values,) = values
    numbers = real_array(values, f"The new value in {change!r}")
    if numbers.ndim and not change.is_vector:
        raise DimensionMismatch(f"{change!r}: the new value is one number.")
    if not np.isfinite(numbers).all():
        raise InvalidData(f"{change!r}: the new value must be finite.")
    if isinstance(change, ScalarQuadraticCoefficientChange):
        check_rows(Rows(np.zeros(1), qrow=_ZERO, qvar1=_ZERO, qvar2=_ZERO, qcoef=numbers.reshape(1)))
    elif isinstance(target, ConstraintIndex) and isinstance(change, _CONSTANTS):
        block = store.block(target.kind)
        at = slice(*block.row_range(store.number(target)))
        check_sides(target.kind[1], block.all_numbers[at], np.atleast_1d(numbers))


def make_changes(store: Tables, target: Any, changes: list[Modification]) -> None:
    """Make checked changes in a store."""
    if isinstance(target, ConstraintIndex):
        number, block = store.number(target), store.block(target.kind)
    else:
        number, block = 0, store.objective_block or store.replace_objective(ScalarAffineFunction())
    for change in changes:
        if isinstance(change, _CONSTANTS):
            block.set_constants(number, change.new_constant)
        for row, variables, value in change.coefficients:
            block.set_coefficient(number, row, [v.value for v in variables], value)
