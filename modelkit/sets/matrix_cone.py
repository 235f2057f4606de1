"""What cones of matrices share: they are known by the number of rows of their matrices."""

from __future__ import annotations

import operator
from abc import abstractmethod
from typing import Any, Self

from ..errors import InvalidData
from ..rows import FloatArray
from .base import VectorSet

__all__ = ["MatrixCone"]


class MatrixCone(VectorSet):
    """A cone that holds square matrices.

    Parameters
    ----------
    side : number of rows of the matrices
    """

    __slots__ = ("side",)

    def __init__(self, side: int) -> None:
        self.side = self.checked_side(side, type(self).__name__)
        super().__init__(self._dimension_of(self.side))

    @staticmethod
    @abstractmethod
    def _dimension_of(side: int) -> int:
        """The number of entries."""

    @staticmethod
    def checked_side(side: Any, name: str) -> int:
        """`side` as a whole number from one on, or a refusal."""
        return whole_number(side, 1, f"{name} takes the number of rows of its square matrices, a whole number")

    @property
    def shape(self) -> tuple[float, ...]:
        """The side."""
        return (self.side,)

    @classmethod
    def build(cls, shape: tuple[float, ...], numbers: FloatArray) -> Self:
        """The cone with this side."""
        return cls(int(shape[0]))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.side})"


def whole_number(value: Any, least: int, subject: str) -> int:
    """`value` as an int of at least `least`, or a refusal that opens with `subject`."""
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if number < least:
        raise InvalidData(f"{subject} of at least {least}; got {value!r}.")
    return number
