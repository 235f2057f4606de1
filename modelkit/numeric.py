"""Numbers from outside: arrays of real float64, or a refusal that says what was given."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from .errors import DimensionMismatch, InvalidData

__all__ = ["real_array", "real_matrix", "real_number", "real_vector"]


def real_number(value: Any, what: str) -> float:
    """`value` as a float.

    Examples
    --------
    >>> real_number(np.int32(3), "An upper bound")
    3.0
    """
    if type(value) is float or type(value) is int:
        return float(value)
    array = real_array(value, what)
    if array.ndim:
        raise DimensionMismatch(f"{what} is one number, got an array of shape {array.shape}.")
    return float(array)


def real_array(value: Any, what: str) -> NDArray[np.float64]:
    """`value` as an array of float64; whatever would lose something on the way is refused.

    Parameters
    ----------
    value : array_like
        Whole numbers and booleans count as the numbers they are.
    what : str
        Opens the sentence of the error.

    Raises
    ------
    InvalidData
        If it is complex, has masked entries, or holds something that is no number.

    Examples
    --------
    >>> real_array([1, True], "A coefficient")
    array([1., 1.])
    """
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise InvalidData(f"{what} has masked entries; fill them in (array.filled(value)) or leave them out.")
    try:
        array = np.asarray(value)
        if array.dtype.kind in "buif":
            return array.astype(np.float64, copy=False)
        if array.dtype == object and all(isinstance(item, numbers.Real) for item in array.flat):
            return array.astype(np.float64)
    except (TypeError, ValueError, OverflowError):  # a ragged list, say
        pass
    shown = f"an array of {value.dtype}" if getattr(value, "ndim", 0) else repr(value)
    raise InvalidData(f"{what} must be a real number, or an array of them; got {shown}.")


def real_matrix(value: Any, what: str) -> Any:
    """`value` as a sparse array or an ndarray of float64, see `real_array`."""
    if not sp.issparse(value):
        return real_array(value, what)
    if value.dtype.kind not in "buif":
        raise InvalidData(f"{what} must have real entries; got a sparse array of {value.dtype}.")
    return value


def real_vector(value: Any, count: int, what: str) -> NDArray[np.float64]:
    """One number for all of count variables, or one for each: a new array of shape (count,)."""
    array = real_array(value, what)
    if array.shape not in ((), (count,)):
        raise DimensionMismatch(f"{what} of {count} variables is a number or {count} numbers, got shape {array.shape}.")
    return np.broadcast_to(array, (count,)).copy()
