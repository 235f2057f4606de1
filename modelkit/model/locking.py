"""One thread at a time in a model: a solver's handle, and the lists of a store, cannot be used by two.

The lock is reentrant: what a warning's hook, a callback or a signal handler does to the model that calls it runs in the
thread that holds the lock, and goes on.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["holding_lock", "one_at_a_time"]

T = TypeVar("T", bound=type)


def holding_lock(method: Callable[..., Any]) -> Callable[..., Any]:
    """The method, run while ``self.lock`` is held."""

    @functools.wraps(method)
    def held(self: Any, *arguments: Any, **named: Any) -> Any:
        with self.lock:
            return method(self, *arguments, **named)

    held.holds_lock = True  # type: ignore[attr-defined]
    return held


def one_at_a_time(*by_themselves: str) -> Callable[[T], T]:
    """A decorator of a class: its methods hold ``self.lock`` while they run, inherited ones too.

    Parameters
    ----------
    *by_themselves : names of methods that take the lock in their own bodies (which costs less a call) or need none
    """

    def decorate(cls: T) -> T:
        for name, method in inspect.getmembers(cls, inspect.isfunction):
            private = name.startswith("_") and name not in ("__str__", "__repr__", "_repr_latex_")
            if not private and name not in by_themselves and not hasattr(method, "holds_lock"):
                setattr(cls, name, holding_lock(method))
        return cls

    return decorate
