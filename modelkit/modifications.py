"""Small changes to a constraint or the objective, for `modify`.

A new value replaces the old one; coefficients are those of the written-out polynomial.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

from .arrays import FloatArray
from .functions import VariableIndex

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
    is_vector: ClassVar[bool] = False  # whether it is one of a vector function

    @property
    def coefficients(self) -> list[tuple[int, tuple[VariableIndex, ...], float]]:
        """What becomes of coefficients: (row, variables of the term, new coefficient)."""
        return []


@final
@dataclass(frozen=True, slots=True)
class ScalarConstantChange(Modification):
    """The constant of a scalar function becomes `new_constant`."""

    new_constant: float


@final
@dataclass(frozen=True, slots=True, eq=False)
class VectorConstantChange(Modification):
    """The constants of a vector function become `new_constant`, shape (m,)."""

    is_vector = True
    new_constant: FloatArray


@final
@dataclass(frozen=True, slots=True)
class ScalarCoefficientChange(Modification):
    """The coefficient of a variable in a scalar function becomes `new_coefficient`.

    Examples
    --------
    >>> import optangent as ot
    >>> model = ot.Model()
    >>> x = model.add_variable("x")
    >>> c = model.add_constraint(2 * x <= 3)
    >>> model.modify(c, ot.ScalarCoefficientChange(x, 5.0))
    >>> print(model)
    feasibility 0
      5 x <= 3
    """

    variable: VariableIndex
    new_coefficient: float

    @property
    def coefficients(self) -> list[tuple[int, tuple[VariableIndex, ...], float]]:
        """The one coefficient."""
        return [(0, (self.variable,), self.new_coefficient)]


@final
@dataclass(frozen=True, slots=True)
class MultirowChange(Modification):
    """The coefficients of a variable in rows of a vector function: pairs (row, new coefficient).

    Examples
    --------
    >>> import optangent as ot
    >>> model = ot.Model()
    >>> v = model.add_variables(2)
    >>> c = model.add_constraint(1.0 * v, ot.Zeros(2))
    >>> model.modify(c, ot.MultirowChange(v[0], [(0, 2.0), (1, 3.0)]))
    >>> model.get(ot.ConstraintFunction(), c)
    [2 x[0],
     x[1] + 3 x[0]]
    """

    is_vector = True
    variable: VariableIndex
    new_coefficients: Sequence[tuple[int, float]]

    @property
    def coefficients(self) -> list[tuple[int, tuple[VariableIndex, ...], float]]:
        """One in each of the rows."""
        return [(row, (self.variable,), value) for row, value in self.new_coefficients]


@final
@dataclass(frozen=True, slots=True)
class ScalarQuadraticCoefficientChange(Modification):
    """The coefficient of ``x * y`` in the written-out polynomial becomes `new_coefficient`.

    (MathOptInterface counts ½xᵀQx, so for x² it wants twice this number.)
    """

    variable_1: VariableIndex
    variable_2: VariableIndex
    new_coefficient: float

    @property
    def coefficients(self) -> list[tuple[int, tuple[VariableIndex, ...], float]]:
        """The one coefficient."""
        return [(0, (self.variable_1, self.variable_2), self.new_coefficient)]
