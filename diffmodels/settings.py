"""The attributes of differentiation that a user sets: what they are at first, and what may be set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..modelkit import attributes as attr
from ..modelkit.errors import InvalidData
from .convex_diff import ConvexDiff
from .policies import POLICIES, is_policy

__all__ = ["DEFAULTS", "check_setting"]

DEFAULTS: dict[type[attr.Attribute], Any] = {
    attr.ModelConstructor: None,
    attr.LinearAlgebraSolver: None,
    attr.AllowInaccurateSolution: False,
    attr.DifferentiationPolicy: "generalized",
    attr.AllowObjectiveAndSolutionInput: False,
}


def _makes_a_diff_model(value: Any) -> bool:
    if isinstance(value, type):
        return issubclass(value, ConvexDiff)
    return value is None or (callable(value) and isinstance(value(), ConvexDiff))


def _is_flag(value: Any) -> bool:
    return isinstance(value, (bool, np.bool_))


_WHAT: dict[type[attr.Attribute], tuple[Callable[[Any], bool], str]] = {
    attr.ModelConstructor: (_makes_a_diff_model, "a diff model's class, such as QuadraticDiff, a callable, or None"),
    attr.LinearAlgebraSolver: (
        lambda value: value is None or (callable(value) and not isinstance(value, type)),
        "DirectKKT(), IterativeKKT(), or None to choose by the estimated cost, or a callable like the first two",
    ),
    attr.AllowInaccurateSolution: (_is_flag, "True or False"),
    attr.DifferentiationPolicy: (is_policy, f"{POLICIES} or Smoothed(mu=...)"),
    attr.AllowObjectiveAndSolutionInput: (_is_flag, "True or False"),
}


def check_setting(attribute: attr.Attribute, value: Any) -> None:
    """Refuse a value that would fail later.

    Raises
    ------
    InvalidData
    """
    allows, what = _WHAT[type(attribute)]
    if not allows(value):
        raise InvalidData(f"{attribute!r} is {what}; got {value!r}.")
