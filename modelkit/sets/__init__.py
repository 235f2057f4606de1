"""Sets: numbers without variables. Each knows its dimension, its data and how to be rebuilt from them."""

from .base import ScalarSet, Set, VectorSet
from .scalar import (
    EqualTo,
    GreaterThan,
    Integer,
    Interval,
    LessThan,
    Parameter,
    Semicontinuous,
    Semiinteger,
    ZeroOne,
)
from .vector import HyperRectangle, Nonnegatives, Nonpositives, Reals, Zeros

__all__ = [
    "EqualTo",
    "GreaterThan",
    "HyperRectangle",
    "Integer",
    "Interval",
    "LessThan",
    "Nonnegatives",
    "Nonpositives",
    "Parameter",
    "Reals",
    "ScalarSet",
    "Semicontinuous",
    "Semiinteger",
    "Set",
    "VectorSet",
    "ZeroOne",
    "Zeros",
]
