"""Many losses at once: from mappings, the derivatives of one loss each, to a matrix over the outputs that occur."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..modelkit import attributes as attr
from ..modelkit.arrays import FloatArray
from ..modelkit.errors import DimensionMismatch, InvalidData, InvalidIndex
from ..modelkit.functions import VariableIndex
from ..modelkit.indices import ConstraintIndex
from ..modelkit.store.describing import described
from ..modelkit.store.store import Store
from .directions import spelled
from .picked_rows import is_row

__all__ = ["Loss", "stack_losses"]

Loss = Mapping[Any, Any]
"""What a loss depends on, to its derivative in that."""
_OF = {attr.ReverseVariablePrimal: VariableIndex, attr.ReverseConstraintDual: ConstraintIndex}


def stack_losses(losses: Sequence[Loss], store: Store) -> tuple[list[Any], FloatArray]:
    """The outputs that K losses depend on, and the derivatives in them, (N, K).

    Parameters
    ----------
    losses : K mappings, see `Model.gradients`
    store : the user's model
    """
    outputs: list[Any] = []
    places: dict[Any, tuple[int, int]] = {}  # of an output: the first, how many
    at: list[int] = []
    column: list[int] = []
    values: list[float] = []
    count = 0
    for k, loss in enumerate(losses):
        for given, value in loss.items():
            key = spelled(given, _OF)
            place = places.get(key)
            if place is None:
                place = places[key] = count, _size(key, store)
                outputs.append(key)
                count += place[1]
            first, size = place
            numbers = np.asarray(value, np.float64)
            if numbers.size != size:
                raise DimensionMismatch(f"{_named(key, store)} has {size} numbers; got {numbers.size} for them.")
            if not np.isfinite(numbers).all():
                raise InvalidData(f"The derivative of a loss in {_named(key, store)} must be finite, got {value!r}.")
            at += range(first, first + size)
            column += [k] * size
            values += numbers.ravel().tolist()
    found = np.zeros((count, len(losses)))
    np.add.at(found, (at, column), values)
    return outputs, found


def _size(key: Any, store: Store) -> int:
    """How many numbers an output is."""
    if isinstance(key, VariableIndex):
        store.check_index(key)
        return 1
    if is_row(key) and isinstance(key, ConstraintIndex):
        start, stop = store.block(key.kind).row_range(store.number(key))
        return stop - start
    if is_row(key) or isinstance(key, (attr.ObjectiveValue, attr.ReverseObjectiveValue)):
        return 1
    raise InvalidIndex(f"A loss depends on variables, constraints (their duals) or ObjectiveValue(); got {key!r}.")


def _named(key: Any, store: Store) -> str:
    if isinstance(key, tuple):
        return f"row {key[1]} of {described(store, key[0])}"
    return described(store, key) if isinstance(key, (VariableIndex, ConstraintIndex)) else "the optimal value"
