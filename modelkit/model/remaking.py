"""Models through pickle and deepcopy: the model travels with its result, native handles do not.

A solver's handle cannot be copied. What can is its class and its options; so a copy holds the same model, in front of a
new solver of the same make. Its indices are those of the original.
"""

from __future__ import annotations

import copy
from array import array
from typing import Any, Protocol

import numpy as np

from ..arrays import Growable
from ..attributes import Attribute, RawOptimizerAttribute
from ..store.change_log import ChangeLog
from ..store.plain_constraints import PlainConstraints
from ..store.storage import Block
from ..store.store import Store

__all__ = ["Recipe", "recipe", "remade", "snapshot"]

Recipe = tuple[type[Any], dict[Attribute, Any], tuple[tuple[Any, ...], dict[str, Any]]]
"""Class, options, and arguments of a solver."""


class _Solver(Protocol):
    """What is asked of a solver that is made again."""

    arguments: tuple[tuple[Any, ...], dict[str, Any]]
    options: dict[str, Any]
    common: dict[type[Attribute], Any]

    def set_option(self, attribute: Attribute, value: Any) -> None:
        """Set an option."""


def recipe(solver: _Solver) -> Recipe:
    """How to make another solver like this one."""
    own: dict[Attribute, Any] = {kind(): value for kind, value in solver.common.items() if value is not None}
    own |= {RawOptimizerAttribute(name): value for name, value in solver.options.items()}
    return type(solver), own, solver.arguments


def remade(made: Recipe) -> Any:
    """The solver of a recipe, with nothing loaded."""
    make, options, (args, kwargs) = made
    solver: _Solver = make(*args, **kwargs)
    for attribute, value in options.items():
        solver.set_option(attribute, value)
    return solver


def snapshot(value: Any) -> Any:
    """What a store (or a dict, list or tuple of what belongs to one) holds now, whatever becomes of it later.

    Copied is what is written into; functions, sets, names and indices, which nobody changes, are shared.
    """
    if isinstance(value, dict):
        return {key: snapshot(one) for key, one in value.items()}
    if isinstance(value, tuple):
        return tuple(map(snapshot, value))
    if isinstance(value, (list, set, array, np.ndarray)):
        return copy.copy(value)
    if isinstance(value, Growable):
        twin: Any = copy.copy(value)
        twin.replace(value.view.copy())
        return twin
    if isinstance(value, (Store, Block, PlainConstraints, ChangeLog)):
        twin = object.__new__(type(value))
        vars(twin).update(snapshot(vars(value)))
        return twin
    if hasattr(value, "frozen_copy"):
        return value.frozen_copy()
    return value
