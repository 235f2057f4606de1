"""Variables by the array: the shape, labels, bounds and names that `Model.add_variables` is given, checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ..arrays import FloatArray, IntArray
from ..errors import DimensionMismatch, InvalidData
from ..functions import ArrayFunction, VectorOfVariables
from ..labels import Labels, is_index, is_labelled, labels_of, numbers_for
from ..sets import Integer, ZeroOne
from ..sets.triangles import position, triangle_of, triangle_size
from ..store.block import SetBlock
from ..store.checks import check_numbers
from ..store.tables import MOST_VARIABLES
from .variable_bounds import sets_between

__all__ = ["Plan", "marks", "planned"]


@final
@dataclass(frozen=True, eq=False)
class Plan:
    """What is to be added.

    Attributes
    ----------
    shape, labels : of the array
    symmetric : whether entries across the diagonal are one variable
    sets : of the variables, one block for each kind
    """

    shape: tuple[int, ...]
    labels: Labels
    symmetric: bool
    sets: tuple[SetBlock, ...]

    @property
    def count(self) -> int:
        """Number of variables."""
        return triangle_size(self.shape[0]) if self.symmetric else int(np.prod(self.shape, dtype=np.int64))

    def arranged(self, v: VectorOfVariables) -> Any:
        """The variables as the array that was asked for."""
        if self.symmetric:
            v = VectorOfVariables.of_ids(v.ids[position(self.shape[0]).ravel()])
        if not self.shape:
            return v[0]
        labelled = any(one is not None for one in self.labels)
        return v if len(self.shape) == 1 and not labelled else ArrayFunction(v, self.shape, None, self.labels)

    def names(self, name: str) -> list[str]:
        """A name for each variable: ``name[k]``, ``name[i,j]``, by label where there are labels."""
        whole = marks(self.shape, self.labels)
        if self.symmetric:
            whole = triangle_of(np.array(whole, object).reshape(self.shape)).tolist()
        return [f"{name}[{mark}]" for mark in whole] if self.shape else [name]


def planned(
    shape: Any,
    index: Any,
    columns: Any,
    lower: Any,
    upper: Any,
    *,
    integer: bool,
    binary: bool,
    symmetric: bool,
) -> Plan:
    """The checked plan of an array of variables.

    Raises
    ------
    InvalidData
        If the shape is none, a bound is no number, bounds contradict one another or differ across the diagonal.
    DimensionMismatch
        If a bound does not fit the shape, or a symmetric matrix is not square.
    """
    lengths, labels = _axes(shape, index, columns)
    if integer and binary:
        raise InvalidData("A binary variable is a whole number already; give one of integer and binary.")
    if symmetric and (len(lengths) != 2 or lengths[0] != lengths[1]):
        raise DimensionMismatch(f"A symmetric or semidefinite matrix of variables is square, got the shape {lengths}.")
    if symmetric and labels[0] is not None and not labels[0].equals(labels[1]):
        raise InvalidData("Rows and columns of a symmetric matrix of variables have the same labels in one order.")
    bare = Plan(lengths, labels, symmetric, ())
    if bare.count > MOST_VARIABLES:
        raise InvalidData(f"A model has at most {MOST_VARIABLES} variables; got {bare.count} more.")
    low, high = (
        None if bound is None else _bound(numbers_for(bound, labels, lengths, what), what, symmetric)
        for bound, what in ((lower, "lower"), (upper, "upper"))
    )
    sets = [] if low is None and high is None else [sets_between(low, high, bare.count)]
    for block in sets:
        check_numbers(block.type, block.numbers)
    sets += [
        SetBlock.scalar(kind, np.zeros((bare.count, 0))) for kind, on in ((Integer, integer), (ZeroOne, binary)) if on
    ]
    return Plan(lengths, labels, symmetric, tuple(sets))


def _mark(label: Any) -> str:
    """A label as it stands in a name; one of several levels without brackets."""
    return ",".join(map(str, label)) if isinstance(label, tuple) else str(label)


def _bound(array: FloatArray, what: str, symmetric: bool) -> FloatArray:
    """A bound for each variable."""
    if not symmetric:
        return array.ravel().copy()
    differs = np.argwhere(array != array.T)
    if len(differs):
        i, j = (int(k) for k in differs[0])
        raise InvalidData(
            f"{what} of a symmetric matrix of variables is symmetric, got {array[i, j]} at {(i, j)} and {array[j, i]} "
            f"at {(j, i)}."
        )
    return triangle_of(np.array(array))


def _axes(shape: Any, index: Any, columns: Any) -> tuple[tuple[int, ...], Labels]:
    """Lengths and labels of the axes."""
    if is_index(shape) or is_labelled(shape):
        if index is not None or (columns is not None and not is_index(shape)):
            raise InvalidData("add_variables takes labels as its first argument, or as index= and columns=, not both.")
        found = (shape,) if is_index(shape) else labels_of(shape)
        index, columns = (*found, columns)[:2]
    elif index is None and columns is None:
        lengths = _lengths(shape)
        return lengths, (None,) * len(lengths)
    elif shape is not None:
        raise InvalidData("Labels (index=, columns=) tell the shape of add_variables; leave the shape out.")
    if index is None:
        raise InvalidData("Labels of columns need those of rows: add_variables(index=..., columns=...).")
    labels = tuple(_as_index(one) for one in (index, columns) if one is not None)
    return tuple(len(one) for one in labels), labels


def _as_index(given: Any) -> Any:
    """Labels as a pandas ``Index``."""
    if is_index(given):
        return given
    if isinstance(given, (str, bytes)) or not np.iterable(given):
        raise InvalidData(f"Labels are a sequence, or a pandas Index; got {given!r}.")
    try:
        import pandas
    except ImportError:
        raise InvalidData('Variables with labels need pandas: pip install "optangent[pandas]"') from None
    return pandas.Index(list(given))


def _lengths(shape: Any) -> tuple[int, ...]:
    given = shape if isinstance(shape, (tuple, list)) else (shape,)
    for one in given:
        if not hasattr(one, "__index__") or (isinstance(one, np.ndarray) and one.ndim) or one < 0:
            raise InvalidData(
                f"add_variables takes a whole number of variables, or a shape of whole numbers; got {shape!r}."
            )
    return tuple(int(one) for one in given)


def marks(shape: tuple[int, ...], labels: Labels, place: IntArray | None = None) -> list[str]:
    """What stands in the brackets of a name, for all entries or those at some places, counted row by row.

    Examples
    --------
    >>> marks((2, 2), (None, None))
    ['0,0', '0,1', '1,0', '1,1']
    """
    axes = [list(map(_mark, range(n) if one is None else one)) for n, one in zip(shape, labels, strict=True)]
    if place is None:
        found = axes[0] if axes else [""]
        for axis in axes[1:]:
            found = [f"{before},{after}" for before in found for after in axis]
        return found
    each = [[axis[k] for k in at.tolist()] for axis, at in zip(axes, np.unravel_index(place, shape), strict=True)]
    return [",".join(one) for one in zip(*each, strict=True)]
