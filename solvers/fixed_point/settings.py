"""The options of fixed-point solvers: their defaults, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from .arrays import KINDS

__all__ = ["COMMON", "Setting", "checked", "defaults", "positive", "share"]


@final
@dataclass(frozen=True, slots=True)
class Setting:
    """An option.

    Attributes
    ----------
    default : its value if nothing is said
    accepts : whether a value is one
    wanted : what values are, in words
    """

    default: Any
    accepts: Callable[[Any], bool]
    wanted: str


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def _is_positive(value: Any) -> bool:
    return _is_number(value) and 0.0 < value < np.inf


def positive(default: float | None, what: str = "a positive number") -> Setting:
    """A positive finite number; or None, if that is the default, in words that say what it means."""
    if default is None:
        return Setting(None, lambda value: value is None or _is_positive(value), f"a positive number, or None {what}")
    return Setting(default, _is_positive, what)


def share(default: float, least: float, most: float) -> Setting:
    """A number strictly between two others."""
    return Setting(
        default, lambda value: _is_number(value) and least < value < most, f"a number between {least:g} and {most:g}"
    )


def _whole(default: int) -> Setting:
    return Setting(default, lambda value: _is_positive(value) and int(value) == value, "a whole number from 1 up")


def _flag(default: bool) -> Setting:
    return Setting(default, lambda value: isinstance(value, (bool, np.bool_)), "True or False")


COMMON: Mapping[str, Setting] = {
    "tolerance": positive(1e-8),
    "max_iterations": _whole(100_000),
    "check_every": _whole(25),
    "exact": _flag(True),
    "derivative_tolerance": positive(None, "for that of the solution"),
    "derivative_iterations": _whole(20_000),
    "verbose": _flag(False),
    "time_limit": Setting(
        None, lambda value: value is None or (_is_number(value) and value >= 0.0), "a number of seconds, or None"
    ),
}
ARRAYS: Mapping[str, Setting] = {
    "arrays": Setting("numpy", lambda value: value in KINDS, f"one of {', '.join(map(repr, KINDS))}"),
    "device": Setting(
        None, lambda value: value is None or isinstance(value, str), "the name of a device, such as 'cuda', or None"
    ),
}


def defaults(settings: Mapping[str, Setting]) -> dict[str, Any]:
    """Their values if nothing is said."""
    return {name: setting.default for name, setting in settings.items()}


def checked(settings: Mapping[str, Setting], name: str, value: Any) -> None:
    """Raise `ValueError` for a value that an option does not take."""
    if not settings[name].accepts(value):
        raise ValueError(f"it must be {settings[name].wanted}.")
