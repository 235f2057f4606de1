"""What every set says of itself.

A set holds numbers only, never variables. Two kinds of number are told apart, because they are treated apart
everywhere below: `fields` are data with one entry for each row (bounds, right-hand sides), in which solutions
can be differentiated; `shape` is structure (dimension, exponents), which only a rebuilt model can change.
"""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import FloatArray
from ..errors import DimensionMismatch, InvalidData, Unsupported
from ..numeric import real_array

__all__ = ["Set", "ScalarSet", "VectorSet"]


class Set(ABC):
    """A subset of R^dimension.

    Class attributes
    ----------------
    fields : names of the numbers, one value a row each (``("lower", "upper")``).
    """

    __slots__ = ()
    fields: ClassVar[tuple[str, ...]] = ()
    is_vector: ClassVar[bool]

    @property
    @abstractmethod
    def dimension(self) -> int:
        """Number of rows of a function in this set."""

    @property
    def shape(self) -> tuple[float, ...]:
        """What, besides the type and the numbers, tells this set from another."""
        return (self.dimension,)

    @property
    def numbers(self) -> FloatArray:
        """The numbers, an array of shape (dimension, len(fields))."""
        columns = [np.broadcast_to(getattr(self, name), self.dimension) for name in self.fields]
        return np.stack(columns, axis=1) if columns else np.zeros((self.dimension, 0))

    @classmethod
    @abstractmethod
    def build(cls, shape: tuple[float, ...], numbers: FloatArray) -> Self:
        """The set with this shape and these numbers; the inverse of the two properties."""

    @classmethod
    def bounds(cls, numbers: FloatArray) -> tuple[FloatArray, FloatArray] | None:
        """Row by row (lower, upper) if the set is a box, else None.

        Parameters
        ----------
        numbers : array of shape (rows, len(fields))
            The stacked numbers of any count of sets of this type.
        """
        return None

    @property
    def weights(self) -> FloatArray | None:
        """The inner product is ``sum(weights * x * y)``; shape (dimension,), or None where all are one."""
        return None

    def dual_set(self) -> Set:
        """The dual cone, with respect to the inner product of this cone.

        Raises
        ------
        Unsupported
            If this is no cone, or its dual cone is none of the sets here.
        """
        raise Unsupported(f"{self!r} has no dual set; whether numbers are feasible duals, ask dual_violation.")

    def violation(self, x: ArrayLike) -> float:
        """How far x lies outside: zero for a member, else at least its distance in the set's inner product.

        Parameters
        ----------
        x : array of shape (dimension,), or a number in dimension one
            With entries that are not finite, the answer is infinity.
        """
        return self._measure(x, self._distance)

    def dual_violation(self, y: ArrayLike) -> float:
        """How far y lies outside the feasible duals of a constraint in this set, measured as in `violation`."""
        return self._measure(y, self._dual_distance)

    def _measure(self, x: ArrayLike, distance: Callable[[FloatArray], float]) -> float:
        point = np.atleast_1d(real_array(x, "A point"))
        if point.shape != (self.dimension,):
            raise DimensionMismatch(
                f"{self!r} holds points of shape ({self.dimension},), got an array of shape {point.shape}."
            )
        return distance(point) if np.isfinite(point).all() else float("inf")

    def _distance(self, x: FloatArray) -> float:
        box = self.bounds(self.numbers)
        if box is None:
            raise TypeError(f"{type(self).__name__} must say how far a point lies outside of it.")
        lower, upper = box
        return float(np.linalg.norm(np.maximum(np.maximum(lower - x, x - upper), 0.0)))

    def _dual_distance(self, y: FloatArray) -> float:
        box = self.bounds(self.numbers)
        if box is None:
            return self.dual_set()._distance(y)
        lower, upper = box
        wrong = np.where((y > 0.0) & (lower == -np.inf) | (y < 0.0) & (upper == np.inf), y, 0.0)
        return float(np.linalg.norm(wrong))

    def __eq__(self, other: object) -> bool:
        return (
            type(self) is type(other)
            and isinstance(other, Set)
            and self.shape == other.shape
            and np.array_equal(self.numbers, other.numbers)
        )

    def __hash__(self) -> int:
        return hash((type(self), self.shape, (self.numbers + 0.0).tobytes()))  # + 0.0: -0.0 equals 0.0


class ScalarSet(Set):
    """A set of real numbers, for one scalar function."""

    __slots__ = ()
    is_vector = False

    @property
    def dimension(self) -> int:
        """Always 1."""
        return 1

    def row(self) -> tuple[float, ...]:
        """The numbers, without an array."""
        return ()

    @property
    def numbers(self) -> FloatArray:
        """One row."""
        return np.array([self.row()], np.float64)

    @classmethod
    def build(cls, shape: tuple[float, ...], numbers: FloatArray) -> Self:
        """The set with these numbers."""
        return cls(*numbers[0].tolist())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(repr(float(getattr(self, f))) for f in self.fields)})"


class VectorSet(Set):
    """A set of vectors, for one vector function."""

    __slots__ = ("_dimension",)
    is_vector = True

    smallest: ClassVar[int] = 0

    def __init__(self, dimension: int) -> None:
        self._dimension = whole_number(dimension, self.smallest, f"{type(self).__name__} needs a whole dimension")

    @property
    def dimension(self) -> int:
        """Number of rows."""
        return self._dimension

    @classmethod
    def build(cls, shape: tuple[float, ...], numbers: FloatArray) -> Self:
        """The set of this shape."""
        return cls(int(shape[0]))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.dimension})"


def whole_number(value: Any, least: int, subject: str) -> int:
    """`value` as an int of at least `least`, or a refusal that opens with `subject`."""
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if number < least:
        raise InvalidData(f"{subject} of at least {least}, got {value!r}.")
    return number
