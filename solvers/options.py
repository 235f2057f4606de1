"""The solvers' libraries, and the options that are common to them."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from ..modelkit import attributes as attr
from ..modelkit.errors import InvalidData, MissingDependency

__all__ = ["Option", "check_common", "load_library", "moment"]


@dataclass(frozen=True, slots=True)
class Option:
    """How a common attribute becomes an option of the library."""

    name: str
    convert: Callable[[Any], Any] = lambda value: value


def moment(seconds: float) -> float:
    """A time limit for libraries to which zero is none."""
    return max(float(seconds), 1e-9)


def load_library(name: str) -> ModuleType:
    """Import a solver's library, with a message that helps when it is not there."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingDependency(
            f"The solver library {name!r} cannot be imported ({error}). Install it with: pip install {name}"
        ) from error


def check_common(attribute: attr.Attribute, value: Any) -> None:
    """Refuse values of the common options that make no sense."""
    number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if isinstance(attribute, attr.Silent):
        good, wanted = isinstance(value, (bool, np.bool_)), "True or False"
    elif isinstance(attribute, attr.TimeLimitSec):
        good, wanted = value is None or (number and value >= 0), "a number of seconds, or None for no limit"
    else:
        good = value is None or (number and int(value) == value and value >= 1)
        wanted = "a whole number from 1 up, or None for the solver's default"
    if not good:
        raise InvalidData(f"{attribute!r} must be {wanted}; got {value!r}.")
