"""Models through pickle and deepcopy: the model travels, native handles do not.

A solver's handle cannot be copied. What can is its class and its options; so a copy holds the same model, in
front of a new solver of the same make, with the result by itself (`Answer`). Its indices are those of the original.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .answer import Answer
from .attributes import RawOptimizerAttribute
from .caching import CachingOptimizer, CachingOptimizerMode
from .protocol import AbstractModel
from .store import Store

__all__ = ["recipe", "remade", "remade_model"]

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
