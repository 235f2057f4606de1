"""Models through pickle and deepcopy: the model travels, native handles do not.

A solver's handle cannot be copied. What can is its class and its options; so a copy holds the same model, in
front of a new solver of the same make, with the result by itself (`Answer`). Its indices are those of the original.
"""

from __future__ import annotations

import copy
from array import array
from collections.abc import Callable
from typing import Any

import numpy as np

from .answer import Answer
from .arrays import Growable
from .attributes import RawOptimizerAttribute
from .caching import CachingOptimizer, CachingOptimizerMode
from .plain_constraints import PlainConstraints
from .protocol import AbstractModel
from .storage import Block
from .store import Store

__all__ = ["recipe", "remade", "remade_model", "snapshot"]

Recipe = tuple[type[AbstractModel], Any, dict[Any, Any], tuple[tuple[Any, ...], dict[str, Any]]]
"""Class, recipe of what is behind it (a layer) or None (a solver), its options, and its (further) arguments."""


def recipe(optimizer: Any) -> Recipe:
    """How to make another optimizer like this one."""
    inner = getattr(optimizer, "inner", None)
    arguments: tuple[tuple[Any, ...], dict[str, Any]] = getattr(optimizer, "arguments", ((), {}))
    if inner is not None:
        return type(optimizer), recipe(inner), {}, arguments
    store: Store | None = getattr(optimizer, "store", None)
    common = dict(store.optimizer_attributes()) if store is not None else {}
    own = {RawOptimizerAttribute(name): value for name, value in getattr(optimizer, "options", {}).items()}
    return type(optimizer), None, common | own, arguments


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
    if isinstance(value, (Store, Block, PlainConstraints)):
        twin = object.__new__(type(value))
        vars(twin).update(snapshot(vars(value)))
        return twin
    return value


def remade(made: Recipe) -> Any:
    """The optimizer of a recipe, empty."""
    make, behind, options, (args, kwargs) = made
    kind: Callable[..., Any] = make
    if behind is not None:
        return kind(remade(behind), *args, **kwargs)
    optimizer = kind(*args, **kwargs)
    for attribute, value in options.items():
        optimizer.set(attribute, value)
    return optimizer


def remade_model(
    model_type: Any,
    layer: tuple[Callable[..., Any], Any] | None,
    made: list[Recipe],
    mode: CachingOptimizerMode,
    store: Store,
    answer: Answer | None,
) -> Any:
    """A `Model` that holds what `store` holds, in front of new optimizers; see `Model.__reduce__`.

    Parameters
    ----------
    layer : of a layer between model and cache, its class and what it says in `kept`
    answer : the result, if there is one
    """
    model = model_type.__new__(model_type)
    fresh = [remade(one) for one in made]
    if layer is None:
        inner: Any = CachingOptimizer(*fresh, mode=mode)
        cache = inner
    else:
        make, kept = layer
        inner = make([one.inner for one in fresh])  # a layer makes its own bridges
        inner.keep(kept)
        cache = inner.cache
        cache.mode = mode
    model.stand_before(inner)
    cache.store.__setstate__(store.__dict__)
    if answer is not None:
        cache.take_over(answer)
    return model
