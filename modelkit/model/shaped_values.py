"""Numbers of arrays of variables: values put into the shape, and numbers given for variables that stand there twice."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import attributes as attr
from ..arrays import FloatArray, sums
from ..errors import InvalidData
from ..functions import ArrayFunction, VariableIndex, VectorOfVariables
from ..labels import with_labels
from ..naming import name_of_variable

__all__ = ["each_once", "in_place"]


def each_once(attribute: attr.Attribute, index: Any, value: Any) -> tuple[Any, Any]:
    """Variables and their numbers, each once: entries of a symmetric matrix are one variable.

    Seeds of its entries add up, as gradients do.

    Raises
    ------
    InvalidData
        If other numbers of one variable differ.
    """
    if isinstance(index, list) and len(index) > 1 and all(type(one) is VariableIndex for one in index):
        index = VectorOfVariables(index)
    if not isinstance(index, VectorOfVariables) or bool((np.diff(index.ids) > 0).all()):
        return index, value
    numbers = np.asarray(value) if isinstance(value, (np.ndarray, list, tuple, float, int)) else np.zeros(0, object)
    once, first, at = np.unique(index.ids, return_index=True, return_inverse=True)
    if len(once) == len(index) or numbers.dtype.kind not in "buif" or numbers.shape not in ((), index.ids.shape):
        return index, value
    each = np.broadcast_to(numbers, index.ids.shape).astype(np.float64)
    if isinstance(attribute, attr.ReverseVariablePrimal):
        return VectorOfVariables.of_ids(once), sums(at, each, len(once))
    differs = each != each[first][at]
    if differs.any():
        k = int(np.argmax(differs))
        raise InvalidData(
            f"{attribute!r} of {name_of_variable(int(index.ids[k]))}: got {each[first][at][k]} and {each[k]} for one "
            "variable, which stands there twice."
        )
    return VectorOfVariables.of_ids(once), each[first]


def in_place(array: ArrayFunction, values: FloatArray) -> Any:
    """Values of an array's stored entries in its shape, with its labels."""
    whole = values
    if not array.is_dense:
        whole = np.zeros(array.size)
        whole[array.place] = values
    return with_labels(whole.reshape(array.shape), array.labels)
