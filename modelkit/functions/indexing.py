"""Labels through indexing: which labels the entries have that NumPy's indexing picks, and picking by labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import InvalidIndex
from ..labels import Labels

__all__ = ["Located", "labels_at"]


def labels_at(key: Any, labels: Labels, shape: tuple[int, ...], picked: tuple[int, ...]) -> Labels:
    """The labels of what a key picks; none where it mixes axes.

    Parameters
    ----------
    key : as NumPy's indexing takes it
    labels, shape : of the array
    picked : shape of what is picked
    """
    nothing = (None,) * len(picked)
    if all(one is None for one in labels):
        return nothing
    keys = list(key) if isinstance(key, tuple) else [key]
    if any(one is None for one in keys) or sum(_is_list(one) for one in keys) > 1:
        return nothing
    if any(np.ndim(one) > 1 for one in keys if _is_list(one)):
        return nothing
    rest = [slice(None)] * (len(shape) - sum(one is not Ellipsis for one in keys))
    at = next((k for k, one in enumerate(keys) if one is Ellipsis), len(keys))
    keys[at : at + 1] = rest
    found = tuple(
        None if one is None else one[np.asarray(axis) if _is_list(axis) else axis]
        for one, axis in zip(labels, keys, strict=True)
        if isinstance(axis, slice) or _is_list(axis)
    )
    return found if len(found) == len(picked) else nothing


def _is_list(key: Any) -> bool:
    return isinstance(key, (list, np.ndarray)) and np.ndim(key) > 0


class Located:
    """Entries of an array of functions by their labels.

    Parameters
    ----------
    array : ArrayFunction
    """

    __slots__ = ("_array",)

    def __init__(self, array: Any) -> None:
        self._array = array

    def __getitem__(self, key: Any) -> Any:
        """A label, a list of labels or a slice from one label to another (included) for each axis.

        Raises
        ------
        InvalidIndex
            If an axis has no such label, or none at all.
        """
        array = self._array
        keys = key if isinstance(key, tuple) and array.ndim > 1 else (key,)
        if len(keys) > array.ndim:
            raise InvalidIndex(f"{array!r} has {array.ndim} axes with labels, got {len(keys)} labels: {key!r}.")
        found = array
        for axis in reversed(range(len(keys))):
            place = _place_of(keys[axis], array.labels[axis], axis)
            found = found[(*[slice(None)] * axis, place)]
        return found


def _place_of(key: Any, labels: Any, axis: int) -> Any:
    """Where a label stands, or an array of places."""
    if labels is None:
        raise InvalidIndex(f"Axis {axis} of this array of functions has no labels; index it by numbers.")
    if isinstance(key, slice):
        try:
            return labels.slice_indexer(key.start, key.stop, key.step)
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidIndex(f"Axis {axis} has no labels from {key.start!r} to {key.stop!r}: {error}.") from None
    try:
        if not isinstance(key, (list, np.ndarray)):
            return labels.get_loc(key)
        mask = np.asarray(key)
        if mask.dtype == bool:
            return mask
        if not labels.is_unique:
            raise InvalidIndex(f"Axis {axis} has some label twice; take labels one by one, or index it by numbers.")
        places = labels.get_indexer(key)
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidIndex(f"Axis {axis} has no label {key!r}: {error}.") from None
    if (places < 0).any():
        missing = [one for one, place in zip(key, places, strict=True) if place < 0]
        raise InvalidIndex(f"Axis {axis} has no labels {missing[:5]!r}.")
    return places
