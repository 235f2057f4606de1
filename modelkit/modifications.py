"""Small changes to a constraint or the objective, for `modify`.

A new value replaces the old one; coefficients are those of the written-out polynomial.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from .functions import VariableIndex
from .rows import FloatArray

__all__ = [
    "Modification",
    "MultirowChange",
    "ScalarCoefficientChange",
    "ScalarConstantChange",
    "ScalarQuadraticCoefficientChange",
    "VectorConstantChange",
]


class Modification:
    """Base of all changes."""

    __slots__ = ()


@final
@dataclass(frozen=True, slots=True)
class ScalarConstantChange(Modification):
    """The constant of a scalar function becomes `new_constant`."""

    new_constant: float


@final
@dataclass(frozen=True, slots=True, eq=False)
class VectorConstantChange(Modification):
    """The constants of a vector function become `new_constant`, shape (m,)."""

    new_constant: FloatArray


@final
@dataclass(frozen=True, slots=True)
class ScalarCoefficientChange(Modification):
    """The coefficient of a variable in a scalar function becomes `new_coefficient`."""

    variable: VariableIndex
    new_coefficient: float


@final
@dataclass(frozen=True, slots=True)
class MultirowChange(Modification):
    """The coefficients of a variable in rows of a vector function: pairs (row, new coefficient)."""

    variable: VariableIndex
    new_coefficients: Sequence[tuple[int, float]]


@final
@dataclass(frozen=True, slots=True)
class ScalarQuadraticCoefficientChange(Modification):
    """The coefficient of ``x * y`` in the written-out polynomial becomes `new_coefficient`.

    (MathOptInterface counts ½xᵀQx, so for x² it wants twice this number.)
    """

    variable_1: VariableIndex
    variable_2: VariableIndex
    new_coefficient: float
