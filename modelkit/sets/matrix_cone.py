"""What cones of matrices share: they are known by the number of rows of their matrices."""

from __future__ import annotations

from abc import abstractmethod
from typing import Self

from ..arrays import FloatArray
from .abstract_set import VectorSet, whole_number

__all__ = ["MatrixCone"]


class MatrixCone(VectorSet):
    """A cone that holds square matrices.

    Parameters
    ----------
    side : number of rows of the matrices
    """

    __slots__ = ("side",)

    def __init__(self, side: int) -> None:
        subject = f"{type(self).__name__} takes the number of rows of its square matrices, a whole number"
        self.side = whole_number(side, 1, subject)
        super().__init__(self._dimension_of(self.side))

    @staticmethod
    @abstractmethod
    def _dimension_of(side: int) -> int:
        """The number of entries."""

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
