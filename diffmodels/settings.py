"""The attributes that say how a model is differentiated: what they are where nothing is said, and what they take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..modelkit import attributes as attr
from ..modelkit.errors import InvalidData, InvalidIndex
from .base import DiffModel

__all__ = ["DEFAULTS", "checked_setting"]

DEFAULTS: dict[type[attr.Attribute], Any] = {
    attr.ModelConstructor: None,
    attr.LinearAlgebraSolver: None,
    attr.AllowInaccurateSolution: False,
    attr.AllowObjectiveAndSolutionInput: False,
}


def checked_setting(attribute: attr.Attribute, *index_and_value: Any) -> Any:
    """The value as it is kept.

    Raises
    ------
    InvalidIndex
        If an index is given with it.
    InvalidData
        If the attribute does not take the value.
    """
    *index, value = index_and_value
    if index:
        raise InvalidIndex(f"{attribute!r} belongs to the whole model; it takes no index, got {index[0]!r}.")
    return _CHECKS[type(attribute)](attribute, value)


def _constructor(attribute: attr.Attribute, value: Any) -> Any:
    made = value
    if value is not None and callable(value) and not (isinstance(value, type) and not issubclass(value, DiffModel)):
        made = value()
    if value is not None and (made is value or not isinstance(made, DiffModel)):
        raise InvalidData(
            f"{attribute!r} is a diff model's class, such as ot.ConicDiff, a callable that makes one, or None to "
            f"choose by the constraints; got {value!r}."
        )
    return value


def _linear_algebra(attribute: attr.Attribute, value: Any) -> Any:
    if value is None or (callable(value) and not isinstance(value, type)):
        return value
    raise InvalidData(
        f"{attribute!r} is DirectKKT(), IterativeKKT(), a callable like them, or None to choose by the cost; "
        f"got {value!r}."
    )


def _switch(attribute: attr.Attribute, value: Any) -> bool:
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise InvalidData(f"{attribute!r} is True or False, got {value!r}.")


_CHECKS: dict[type[attr.Attribute], Callable[[attr.Attribute, Any], Any]] = {
    attr.ModelConstructor: _constructor,
    attr.LinearAlgebraSolver: _linear_algebra,
    attr.AllowInaccurateSolution: _switch,
    attr.AllowObjectiveAndSolutionInput: _switch,
}
