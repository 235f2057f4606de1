"""What is given to a layer when it is made, checked before anything is made of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...modelkit.arrays import IntArray
from ...modelkit.errors import InvalidData, InvalidIndex
from ...modelkit.functions import VariableIndex, VectorOfVariables
from ...modelkit.functions.shaped import ArrayFunction, ids_of
from ...modelkit.model.model import Model

__all__ = ["checked_list", "checked_parameters", "require_count", "require_model", "require_switch", "require_word"]


def require_model(model: Any) -> None:
    """Raise unless it is a model."""
    if not isinstance(model, Model):
        raise InvalidData(f"A layer is made of a model, ot.Model(ot.diff_optimizer(...)), got {model!r}.")


def require_word(value: Any, name: str, words: tuple[Any, ...]) -> None:
    """Raise unless it is one of the words (or of the truth values among them)."""
    if not any(type(value) is type(word) and value == word for word in words):
        *others, last = map(repr, words)
        raise InvalidData(f"{name} is {', '.join(others)} or {last}, got {value!r}.")


def require_switch(value: Any, name: str) -> None:
    """Raise unless it is a truth value, or a number that stands for one."""
    if not isinstance(value, (bool, int, np.bool_)) or value not in (0, 1):
        raise InvalidData(f"{name} is True or False, got {value!r}.")


def require_count(value: Any, what: str) -> None:
    """Raise unless it is a number to count with."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 0:
        raise InvalidData(f"{what}, got {value!r}.")


def checked_list(given: Any, what: str) -> list[Any]:
    """Its members."""
    if isinstance(given, (str, bytes, Mapping, VariableIndex)) or not np.iterable(given):
        raise InvalidData(f"{what} are a list, got {given!r}.")
    return list(given)


def checked_parameters(model: Any, parameters: list[Any], places: Any) -> list[IntArray]:
    """The identifiers of each parameter, in its shape.

    Parameters
    ----------
    model : Model
    parameters : what the user gave
    places : from identifiers of the model's variables to their places among its parameters, or -1

    Raises
    ------
    InvalidIndex
        If one is no parameter of this model, or is named twice.
    """
    found: list[IntArray] = []
    for number, parameter in enumerate(parameters):
        if not isinstance(parameter, (VariableIndex, VectorOfVariables, ArrayFunction)):
            raise InvalidIndex(
                f"A parameter of a layer is what add_parameter or add_parameters returned, or a part of it; number "
                f"{number} is {parameter!r}."
            )
        ids = ids_of(parameter)
        try:
            model.store.check_ids(ids.ravel())
        except InvalidIndex as error:
            raise InvalidIndex(f"A layer takes parameters of its model; of number {number}: {error}") from None
        known = places(ids.ravel())
        if (known < 0).any():
            bad = int(ids.ravel()[known < 0][0])
            raise InvalidIndex(
                f"A layer takes parameters of the model, each once: {model.store.name_of(bad)}, in number {number}, is "
                "not a parameter, but a variable. add_parameter makes one."
            )
        found.append(ids)
    every = np.concatenate([np.zeros(0, np.int64), *(ids.ravel() for ids in found)])
    counts = np.bincount(every - model.store.base)
    if counts.max(initial=0) > 1:
        name = model.store.name_of(int(np.argmax(counts > 1)) + model.store.base)
        raise InvalidIndex(f"A layer takes parameters of the model, each once: {name} is named twice.")
    return found
