"""Labels of pandas: recognized without pandas, put in one order, and given back.

The labels of an array are one for each axis: a pandas ``Index``, or None where there are none. Where two labelled axes
meet they must carry the same labels; in another order, the second is taken in the order of the first. An axis without
labels is taken as it stands and gets those of the other.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from .arrays import FloatArray, IntArray
from .errors import DimensionMismatch, InvalidData
from .numeric import real_array

__all__ = [
    "Labels",
    "in_order",
    "is_index",
    "is_labelled",
    "joined",
    "labels_of",
    "matched",
    "numbers_for",
    "with_labels",
]

Labels = tuple[Any, ...]
"""One for each axis: a pandas ``Index``, or None."""

_SHOWN = 5


def is_labelled(value: Any) -> bool:
    """Whether it is a ``Series`` or ``DataFrame`` (there is none before pandas is imported)."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, (pandas.Series, pandas.DataFrame))


def is_index(value: Any) -> bool:
    """Whether it is an ``Index``."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.Index)


def labels_of(value: Any) -> Labels:
    """Those of a ``Series`` or a ``DataFrame``."""
    return (value.index,) if value.ndim == 1 else (value.index, value.columns)


def matched(mine: Any, theirs: Any) -> IntArray | None:
    """The order in which the second of two labelled axes is taken, or None for its own.

    Raises
    ------
    InvalidData
        If they do not have the same labels, or have some label twice and not the same order.
    """
    if mine is None or theirs is None or mine.equals(theirs):
        return None
    mine_only, theirs_only = mine.difference(theirs, sort=False), theirs.difference(mine, sort=False)
    if len(mine_only) or len(theirs_only):
        words = " and ".join(
            f"only the {which} has {_listed(found)}"
            for which, found in (("first", mine_only), ("second", theirs_only))
            if len(found)
        )
        raise InvalidData(
            f"Two axes with different labels meet: {words}. Give both the same labels (series.reindex(labels)), or "
            "drop those of one (series.to_numpy())."
        )
    if not (mine.is_unique and theirs.is_unique):
        twice = mine[mine.duplicated()].union(theirs[theirs.duplicated()], sort=False)
        raise InvalidData(
            f"Labels that stand there twice ({_listed(twice)}) cannot be put into another order; make them unique, or "
            "give both axes the same order."
        )
    order: IntArray = np.asarray(theirs.get_indexer(mine), np.int64)
    return order


def _listed(found: Any) -> str:
    shown = ", ".join(repr(one) for one in found[:_SHOWN].tolist())
    return shown + (f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else "")


def joined(
    mine: Labels, my_shape: tuple[int, ...], theirs: Labels, their_shape: tuple[int, ...]
) -> tuple[Labels, list[IntArray | None]]:
    """The labels of two arrays that are broadcast together, and the order in which each axis of the second is taken."""
    labels: list[Any] = []
    orders: list[IntArray | None] = []
    for back in range(1, max(len(my_shape), len(their_shape)) + 1):
        one = mine[-back] if back <= len(mine) else None
        two = theirs[-back] if back <= len(theirs) else None
        order = matched(one, two)
        if back <= len(their_shape):
            orders.append(order)
        size = max(shape[-back] if back <= len(shape) else 1 for shape in (my_shape, their_shape))
        chosen = two if one is None else one
        labels.append(chosen if chosen is not None and len(chosen) == size else None)
    return tuple(labels[::-1]), orders[::-1]


def numbers_for(value: Any, labels: Labels, shape: tuple[int, ...], what: str) -> FloatArray:
    """Numbers for an array of this shape and with these labels: broadcast, those with labels in their order.

    Raises
    ------
    DimensionMismatch
        If they do not fit the shape.
    InvalidData
        If they are no real numbers, or have other labels.
    """
    array = real_array(value.to_numpy() if is_labelled(value) else value, what)
    if is_labelled(value):
        try:
            _, orders = joined(labels, shape, labels_of(value), array.shape)
        except InvalidData as error:
            raise InvalidData(f"{what}: {error}") from None
        array = in_order(array, orders)
    if len(shape) == 1 and array.shape not in ((), shape):
        n = shape[0]
        raise DimensionMismatch(f"{what} of {n} variables is a number or {n} numbers, got shape {array.shape}.")
    try:
        return np.broadcast_to(array, shape)
    except ValueError:
        raise DimensionMismatch(
            f"{what} of an array of shape {shape} is a number, or an array that broadcasts to it; got shape "
            f"{array.shape}."
        ) from None


def in_order(array: Any, orders: list[IntArray | None]) -> Any:
    """An array with its axes in these orders."""
    if all(order is None for order in orders):
        return array
    return array[np.ix_(*(np.arange(n) if o is None else o for n, o in zip(array.shape, orders, strict=True)))]


def with_labels(values: FloatArray, labels: Labels) -> Any:
    """A ``Series`` or ``DataFrame`` of the values; the array itself without labels, and with more than two axes."""
    if values.ndim not in (1, 2) or all(one is None for one in labels):
        return values
    import pandas

    if values.ndim == 1:
        return pandas.Series(values, index=labels[0])
    return pandas.DataFrame(values, index=labels[0], columns=labels[1])
