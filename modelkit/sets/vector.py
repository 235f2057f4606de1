"""Sets of vectors that are products of intervals."""

from __future__ import annotations

from typing import ClassVar, Self, final

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import FloatArray
from ..errors import DimensionMismatch
from ..numeric import real_array
from .abstract_set import VectorSet
from .cone import NativeCone
from .spectrum import KINK_TOLERANCE, AxisSpectrum, checked_points

__all__ = ["HyperRectangle", "Nonnegatives", "Nonpositives", "Reals", "Zeros"]


@final
class Nonnegatives(NativeCone):
    """``{x : x >= 0}`` in R^dimension; self-dual.

    Parameters
    ----------
    dimension : number of rows

    Examples
    --------
    >>> Nonnegatives(2).violation([-0.5, 1.0])
    0.5
    """

    __slots__ = ()
    is_product = True

    def dual_set(self) -> Nonnegatives:
        """Itself."""
        return self

    def project(self, points: ArrayLike) -> FloatArray:
        """max(v, 0)."""
        return np.maximum(checked_points(points, self.dimension, repr(self)), 0.0)

    def spectrum(self, points: ArrayLike, *, tolerance: float = KINK_TOLERANCE, scale: ArrayLike = 0.0) -> AxisSpectrum:
        """1 where v >= 0, else 0."""
        v = checked_points(points, self.dimension, repr(self))
        sizes = np.abs(v).max(axis=1, initial=0.0)
        width = tolerance * np.maximum(sizes, scale)
        return AxisSpectrum((v >= 0.0).astype(np.float64), np.abs(v) <= width[:, None])

    @classmethod
    def bounds(cls, numbers: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Zero and infinity."""
        return np.zeros(len(numbers)), np.full(len(numbers), np.inf)


@final
class Nonpositives(VectorSet):
    """``{x : x <= 0}`` in R^dimension; self-dual.

    Parameters
    ----------
    dimension : number of rows

    Examples
    --------
    >>> Nonpositives(2).violation([0.5, -1.0])
    0.5
    """

    __slots__ = ()

    @classmethod
    def bounds(cls, numbers: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Minus infinity and zero."""
        return np.full(len(numbers), -np.inf), np.zeros(len(numbers))

    def dual_set(self) -> Nonpositives:
        """Itself."""
        return self


@final
class Zeros(NativeCone):
    """``{0}`` in R^dimension; its dual cone is `Reals`.

    Parameters
    ----------
    dimension : number of rows

    Examples
    --------
    >>> Zeros(2).violation([0.5, 0.0])
    0.5
    """

    __slots__ = ()
    is_product = True

    def dual_set(self) -> Reals:
        """All of the space."""
        return Reals(self.dimension)

    def project(self, points: ArrayLike) -> FloatArray:
        """Zero."""
        return np.zeros_like(checked_points(points, self.dimension, repr(self)))

    def spectrum(self, points: ArrayLike, *, tolerance: float = KINK_TOLERANCE, scale: ArrayLike = 0.0) -> AxisSpectrum:
        """Zero, without kinks."""
        zeros = np.zeros_like(checked_points(points, self.dimension, repr(self)))
        return AxisSpectrum(zeros, np.zeros(zeros.shape, bool))

    @classmethod
    def bounds(cls, numbers: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Zero and zero."""
        return np.zeros(len(numbers)), np.zeros(len(numbers))


@final
class Reals(VectorSet):
    """All of R^dimension; its dual cone is `Zeros`.

    Parameters
    ----------
    dimension : number of rows

    Examples
    --------
    >>> Reals(2).violation([0.5, -7.0])
    0.0
    """

    __slots__ = ()

    @classmethod
    def bounds(cls, numbers: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Infinite on both sides."""
        return np.full(len(numbers), -np.inf), np.full(len(numbers), np.inf)

    def dual_set(self) -> Zeros:
        """The origin."""
        return Zeros(self.dimension)


@final
class HyperRectangle(VectorSet):
    """``{x : lower <= x <= upper}``, componentwise; infinite bounds allowed, equal bounds are equalities.

    Parameters
    ----------
    lower, upper : array_like of shape (dimension,)

    Examples
    --------
    >>> HyperRectangle([0.0, -np.inf], [1.0, 2.0]).dimension
    2
    """

    __slots__ = ("lower", "upper")
    fields: ClassVar[tuple[str, ...]] = ("lower", "upper")

    def __init__(self, lower: ArrayLike, upper: ArrayLike) -> None:
        self.lower: FloatArray = np.array(real_array(lower, "A lower bound"), ndmin=1)
        self.upper: FloatArray = np.array(real_array(upper, "An upper bound"), ndmin=1)
        self.lower.flags.writeable = self.upper.flags.writeable = False
        if self.lower.shape != self.upper.shape or self.lower.ndim != 1:
            raise DimensionMismatch(
                "HyperRectangle needs two vectors of one length, "
                f"got lower of shape {self.lower.shape} and upper of shape {self.upper.shape}."
            )
        super().__init__(len(self.lower))

    @classmethod
    def build(cls, shape: tuple[float, ...], numbers: FloatArray) -> Self:
        """The rectangle with these two columns."""
        return cls(numbers[:, 0], numbers[:, 1])

    @classmethod
    def bounds(cls, numbers: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The two columns."""
        return numbers[:, 0], numbers[:, 1]

    def __repr__(self) -> str:
        return f"HyperRectangle({self.lower.tolist()}, {self.upper.tolist()})"
