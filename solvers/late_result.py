"""Results that are made into arrays when somebody asks for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any, final

from .result import Result

__all__ = ["LateResult"]


@final
class LateResult(Result):
    """A result with fields that are made at the first look, for libraries whose answers are costly to convert.

    Examples
    --------
    >>> import numpy as np
    >>> from optangent.solvers.result import Status
    >>> result = LateResult(Status.OPTIMAL, "fine")
    >>> result.later("x", lambda: np.zeros(2))
    >>> result.x
    array([0., 0.])
    """

    __slots__ = ("_makers",)

    def later(self, name: str, make: Callable[[], Any]) -> None:
        """Make a field when somebody asks; what is called must not look at what changes meanwhile."""
        if not hasattr(self, "_makers"):
            self._makers: dict[str, Callable[[], Any]] = {}
        delattr(self, name)
        self._makers[name] = make

    def __getattr__(self, name: str) -> Any:
        """Make what is not there yet."""
        if name == "_makers" or name not in self._makers:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        value = self._makers.pop(name)()
        setattr(self, name, value)
        return value

    def __reduce__(self) -> Any:
        """As a plain result, in copies and pickles: a library's own classes stay here."""
        return Result, tuple(getattr(self, field.name) for field in fields(Result))
