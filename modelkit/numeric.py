"""Numbers from outside: arrays of real float64, or a refusal that says what was given."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from .errors import DimensionMismatch, InvalidData

__all__ = ["check_structure", "real_array", "real_matrix", "real_number", "real_vector"]


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
    check_structure(value, what)
    return value


def check_structure(matrix: Any, what: str) -> None:
    """Refuse a sparse array whose indices point outside of it: compiled code follows them into foreign memory.

    SciPy checks lengths when an array is made, not the indices, and nothing after somebody wrote into it. All indices
    are read once, 1 ms for a million.

    Parameters
    ----------
    matrix : sparse array of any format
    what : str
        Opens the sentence of the error.

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> M = sp.csr_array(np.eye(2))
    >>> M.indices[1] = 7
    >>> check_structure(M, "A matrix")
    Traceback (most recent call last):
    optangent.modelkit.errors.InvalidData: A matrix is a broken csr array of shape (2, 2): an index lies outside of it.
    """

    def refuse(words: str) -> None:
        raise InvalidData(f"{what} is a broken {matrix.format} array of shape {matrix.shape}: {words}")

    def check_indices(indices: Any, end: int) -> None:
        if indices.dtype.kind not in "iu":
            refuse(f"its indices are of {indices.dtype}.")
        if len(indices) and (indices.min() < 0 or indices.max() >= end):
            refuse("an index lies outside of it.")

    kind: str = matrix.format
    data: Any = None if kind in ("dok", "lil") else matrix.data
    if kind in ("csr", "csc", "bsr"):
        shape = (1, *matrix.shape)[-2:]
        blocks = matrix.blocksize if kind == "bsr" else (1, 1)
        lines, places = (n // b for n, b in zip(shape[::-1] if kind == "csc" else shape, blocks, strict=True))
        starts, indices = matrix.indptr, matrix.indices
        if len(data) < (stored := len(indices)) or (kind == "bsr" and data.shape[1:] != tuple(blocks)):
            refuse(f"{stored} indices have data of shape {data.shape}.")
        if starts.shape != (lines + 1,) or starts.dtype.kind not in "iu":
            refuse(f"indptr needs {lines + 1} whole numbers, has shape {starts.shape} of {starts.dtype}.")
        if starts[0] != 0 or (np.diff(starts.astype(np.int64, copy=False)) < 0).any() or starts[-1] > stored:
            refuse(f"indptr must not fall from 0 to at most {stored}.")
        check_indices(indices, places)
    elif kind == "coo":
        for coordinates, end in zip(matrix.coords, matrix.shape, strict=True):
            if coordinates.shape != data.shape or data.ndim != 1:
                refuse(f"{data.shape} entries have coordinates of shape {coordinates.shape}.")
            check_indices(coordinates, end)
    elif kind == "dia":
        if data.ndim != 2 or matrix.offsets.shape != data.shape[:1] or matrix.offsets.dtype.kind not in "iu":
            refuse(f"offsets of shape {matrix.offsets.shape} and {matrix.offsets.dtype} for data of {data.shape}.")
    elif kind == "lil":
        if any(len(row) != len(values) for row, values in zip(matrix.rows, matrix.data, strict=True)):
            refuse("a row has more places than values, or fewer.")
        check_indices(np.fromiter((k for row in matrix.rows for k in row), np.int64), matrix.shape[1])


def real_vector(value: Any, count: int, what: str) -> NDArray[np.float64]:
    """One number for all of count variables, or one for each: a new array of shape (count,)."""
    array = real_array(value, what)
    if array.shape not in ((), (count,)):
        raise DimensionMismatch(f"{what} of {count} variables is a number or {count} numbers, got shape {array.shape}.")
    return np.broadcast_to(array, (count,)).copy()
