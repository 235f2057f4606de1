"""Sets of real numbers: bounds, equalities, integrality, parameters."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np

from ..arrays import FloatArray
from ..numeric import real_number
from .abstract_set import ScalarSet

__all__ = [
    "EqualTo",
    "GreaterThan",
    "Integer",
    "Interval",
    "LessThan",
    "Parameter",
    "Semicontinuous",
    "Semiinteger",
    "ZeroOne",
]


@final
class LessThan(ScalarSet):
    """``{x : x <= upper}``; duals are nonpositive.

    Parameters
    ----------
    upper : finite number

    Examples
    --------
    >>> LessThan(3).upper
    3.0
    """

    __slots__ = ("upper",)
    fields: ClassVar[tuple[str, ...]] = ("upper",)

    def __init__(self, upper: float) -> None:
        self.upper = upper if type(upper) is float else real_number(upper, "A bound")

    def row(self) -> tuple[float, ...]:
        """The numbers, without an array."""
        return (self.upper,)

    @classmethod
    def bounds(cls, numbers: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Minus infinity and `upper`."""
        return np.full(len(numbers), -np.inf), numbers[:, 0]


@final
class GreaterThan(ScalarSet):
    """``{x : x >= lower}``; duals are nonnegative.

    Parameters
    ----------
    lower : finite number

    Examples
    --------
    >>> GreaterThan(3).violation([2.5])
    0.5
    """

    __slots__ = ("lower",)
    fields: ClassVar[tuple[str, ...]] = ("lower",)

    def __init__(self, lower: float) -> None:
        self.lower = lower if type(lower) is float else real_number(lower, "A bound")

    def row(self) -> tuple[float, ...]:
        """The numbers, without an array."""
        return (self.lower,)

    @classmethod
    def bounds(cls, numbers: FloatArray) -> tuple[FloatArray, FloatArray]:
        """`lower` and infinity."""
        return numbers[:, 0], np.full(len(numbers), np.inf)


class _Single(ScalarSet):
    """One number."""

    __slots__ = ("value",)
    fields: ClassVar[tuple[str, ...]] = ("value",)

    def __init__(self, value: float) -> None:
        self.value = value if type(value) is float else real_number(value, "The value of a set")

    def row(self) -> tuple[float, ...]:
        """The numbers, without an array."""
        return (self.value,)

    @classmethod
    def bounds(cls, numbers: FloatArray) -> tuple[FloatArray, FloatArray]:
        """`value` twice."""
        return numbers[:, 0], numbers[:, 0]


@final
class EqualTo(_Single):
    """``{value}``; duals are free.

    Parameters
    ----------
    value : finite number

    Examples
    --------
    >>> EqualTo(3).violation([2.5])
    0.5
    """

    __slots__ = ()


@final
class Parameter(_Single):
    """``{value}``, for a variable that is data: it is held at `value` and can be differentiated in.

    The dual of the constraint is the reduced cost of the parameter.

    Parameters
    ----------
    value : finite number

    Examples
    --------
    >>> import optangent as ot
    >>> model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    >>> p = model.add_variable()
    >>> c = model.add_constraint(p, ot.Parameter(2.0))
    >>> model.minimize(3.0 * p)
    >>> model.optimize()
    >>> model.value(p), model.dual(c)
    (2.0, 3.0)
    """

    __slots__ = ()


class _Between(ScalarSet):
    """Two numbers, lower and upper."""

    __slots__ = ("lower", "upper")
    fields: ClassVar[tuple[str, ...]] = ("lower", "upper")

    def __init__(self, lower: float, upper: float) -> None:
        self.lower = lower if type(lower) is float else real_number(lower, "A bound")
        self.upper = upper if type(upper) is float else real_number(upper, "A bound")

    def row(self) -> tuple[float, ...]:
        """The numbers, without an array."""
        return (self.lower, self.upper)


@final
class Interval(_Between):
    """``{x : lower <= x <= upper}``; the dual is positive at the lower bound, negative at the upper one.

    Parameters
    ----------
    lower, upper : numbers, either of which may be infinite

    Examples
    --------
    >>> Interval(0, 1).violation([1.5])
    0.5
    """

    __slots__ = ()

    @classmethod
    def bounds(cls, numbers: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The two columns."""
        return numbers[:, 0], numbers[:, 1]


@final
class Semicontinuous(_Between):
    """``{0} | {x : lower <= x <= upper}``; for mixed-integer models.

    Parameters
    ----------
    lower, upper : numbers

    Examples
    --------
    >>> Semicontinuous(2, 3).violation([0.5])
    0.5
    """

    __slots__ = ()

    def _distance(self, x: FloatArray) -> float:
        return float(min(abs(x[0]), max(self.lower - x[0], x[0] - self.upper, 0.0)))


@final
class Semiinteger(_Between):
    """``{0} | {whole x : lower <= x <= upper}``; for mixed-integer models.

    Parameters
    ----------
    lower, upper : numbers

    Examples
    --------
    >>> Semiinteger(2, 4).violation([2.5])
    0.5
    """

    __slots__ = ()

    def _distance(self, x: FloatArray) -> float:
        first, last = np.ceil(self.lower), np.floor(self.upper)
        inside = abs(x[0] - np.clip(np.round(x[0]), first, last)) if first <= last else np.inf
        return float(min(abs(x[0]), inside))


@final
class Integer(ScalarSet):
    """The whole numbers.

    Examples
    --------
    >>> Integer().violation([2.25])
    0.25
    """

    __slots__ = ()

    def _distance(self, x: FloatArray) -> float:
        return float(abs(x[0] - np.round(x[0])))


@final
class ZeroOne(ScalarSet):
    """``{0, 1}``.

    Examples
    --------
    >>> ZeroOne().violation([0.75])
    0.25
    """

    __slots__ = ()

    def _distance(self, x: FloatArray) -> float:
        return float(min(abs(x[0]), abs(x[0] - 1.0)))
