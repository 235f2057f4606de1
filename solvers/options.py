"""The solvers' libraries, and the options that are common to them."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from ..modelkit import attributes as attr
from ..modelkit.errors import InvalidData, MissingDependency, UnsupportedAttribute

__all__ = ["Option", "check_common", "load_library", "moment", "version_of"]


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


def version_of(solver: str, library: str) -> str:
    """Version of a solver's library."""
    try:
        return importlib.metadata.version(library)
    except (ValueError, importlib.metadata.PackageNotFoundError):  # no name, not there
        raise UnsupportedAttribute(f"{solver} does not know its library's version (SolverVersion).") from None


def check_common(attribute: attr.Attribute, value: Any) -> None:
    """Refuse values of the common options that make no sense."""
    number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    kind = type(attribute)
    if kind is attr.Silent:
        good, wanted = isinstance(value, (bool, np.bool_)), "True or False"
    elif kind is attr.TimeLimitSec:
        good, wanted = value is None or (number and value >= 0), "a number of seconds, or None for no limit"
    elif kind in (attr.AbsoluteGapTolerance, attr.RelativeGapTolerance):
        good = value is None or (number and 0 <= value < np.inf)
        wanted = "a number from 0 up, or None for the solver's default"
    else:
        least = 0 if kind is attr.NodeLimit else 1
        good = value is None or (number and np.isfinite(value) and int(value) == value and value >= least)
        wanted = f"a whole number from {least} up, or None for the solver's default"
    if not good:
        raise InvalidData(f"{attribute!r} must be {wanted}; got {value!r}.")
