"""Sets for mixed-integer models that say which entries may differ from zero, or when a constraint holds."""

from __future__ import annotations

from typing import ClassVar, Self, final

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import FloatArray
from ..errors import DimensionMismatch, InvalidData
from ..numeric import real_array
from .abstract_set import ScalarSet, VectorSet
from .scalar import EqualTo, GreaterThan, Interval, LessThan

__all__ = ["SOS1", "SOS2", "Indicator"]


class _SpecialOrdered(VectorSet):
    """Vectors with weights that put the entries in order."""

    __slots__ = ("order_weights",)

    def __init__(self, weights: ArrayLike) -> None:
        values = np.array(real_array(weights, "A weight"), ndmin=1)
        name = type(self).__name__
        if values.ndim != 1 or not len(values):
            raise DimensionMismatch(f"{name} takes a vector of weights, one an entry; got shape {values.shape}.")
        if not np.isfinite(values).all() or len(np.unique(values)) < len(values):
            raise InvalidData(f"{name}: the weights order the entries, so they must be finite and all different.")
        values.flags.writeable = False
        self.order_weights: FloatArray = values
        super().__init__(len(values))

    @property
    def shape(self) -> tuple[float, ...]:
        """The weights."""
        return tuple(self.order_weights.tolist())

    @classmethod
    def build(cls, shape: tuple[float, ...], numbers: FloatArray) -> Self:
        """The set with these weights."""
        return cls(shape)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.order_weights.tolist()})"


@final
class SOS1(_SpecialOrdered):
    """Vectors with at most one entry that is not zero.

    Parameters
    ----------
    weights : array_like of shape (dimension,), all different
        They rank the entries for the branching of a solver.

    Examples
    --------
    >>> SOS1([1.0, 2.0, 3.0]).violation([0.0, -4.0, 3.0])
    3.0
    """

    __slots__ = ()

    def _distance(self, x: FloatArray) -> float:
        return float(np.linalg.norm(np.delete(x, np.argmax(np.abs(x)))))


@final
class SOS2(_SpecialOrdered):
    """Vectors with at most two entries that are not zero, and these next to each other.

    Parameters
    ----------
    weights : array_like of shape (dimension,), all different
        They put the entries in order: neighbours are those that follow each other by weight, not by position.

    Examples
    --------
    >>> SOS2([3.0, 1.0, 2.0]).violation([1.0, 0.0, 2.0])
    0.0
    >>> SOS2([1.0, 2.0, 3.0]).violation([1.0, 0.0, 2.0])
    1.0
    """

    __slots__ = ()

    def _distance(self, x: FloatArray) -> float:
        squares = x[np.argsort(self.order_weights)] ** 2
        before = np.concatenate([[0.0], np.cumsum(squares)])
        after = np.concatenate([np.cumsum(squares[::-1])[::-1], [0.0]])
        kept = min(2, len(x))
        return float(np.sqrt(np.min(before[: len(x) - kept + 1] + after[kept:])))


@final
class Indicator(VectorSet):
    """``{(z, f) : z in {0, 1}, and f in set if z is 1}``, or if z is 0.

    Parameters
    ----------
    set : LessThan, GreaterThan, EqualTo or Interval
    activate_on : bool
        Whether f must lie in the set when z is 1, else when z is 0.

    Examples
    --------
    >>> Indicator(LessThan(3.0)).violation([0.0, 9.0])
    0.0
    >>> Indicator(LessThan(3.0), activate_on=False)
    Indicator(LessThan(3.0), activate_on=False)
    """

    __slots__ = ("activate_on", "set")
    fields: ClassVar[tuple[str, ...]] = ("lower", "upper")
    kinds: ClassVar[tuple[type[ScalarSet], ...]] = (LessThan, GreaterThan, EqualTo, Interval)

    def __init__(self, set: ScalarSet, activate_on: bool = True) -> None:
        if type(set) not in self.kinds:
            names = ", ".join(kind.__name__ for kind in self.kinds)
            raise InvalidData(f"Indicator takes one of the sets {names}; got {set!r}.")
        if activate_on not in (True, False):
            raise InvalidData(f"Indicator: activate_on is True (z = 1) or False (z = 0), got {activate_on!r}.")
        self.set = set
        self.activate_on = bool(activate_on)
        super().__init__(2)

    @property
    def shape(self) -> tuple[float, ...]:
        """Which value activates, and which of `kinds` the set is."""
        return (int(self.activate_on), self.kinds.index(type(self.set)))

    @property
    def numbers(self) -> FloatArray:
        """The bounds of z, then those of the set."""
        box = self.set.bounds(self.set.numbers)
        assert box is not None
        return np.array([[0.0, 1.0], [box[0][0], box[1][0]]])

    @classmethod
    def build(cls, shape: tuple[float, ...], numbers: FloatArray) -> Self:
        """The indicator of this shape with these bounds in the second row."""
        kind = cls.kinds[int(shape[1])]
        lower, upper = numbers[1].tolist()
        named = {"lower": lower, "upper": upper, "value": lower}
        return cls(kind(*(named[field] for field in kind.fields)), bool(shape[0]))

    def _distance(self, x: FloatArray) -> float:
        active = float(self.activate_on)
        held = np.hypot(x[0] - active, self.set.violation(x[1:]))
        return float(min(held, abs(x[0] - (1.0 - active))))

    def __repr__(self) -> str:
        return f"Indicator({self.set!r}, activate_on={self.activate_on})"
