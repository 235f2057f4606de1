"""The derivative of a projection, diagonalized: D = U diag(δ) Uᵀ.

A projection onto a closed convex cone has a symmetric derivative with eigenvalues in [0, 1] wherever it is
differentiable. A `Spectrum` holds k of them, one for each of k equal cones, and applies U and Uᵀ without
forming them where the cone's structure allows it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, replace
from typing import Any, Self, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arrays import FloatArray
from ..errors import DimensionMismatch, InvalidData
from ..numeric import real_array

__all__ = ["KINK_TOLERANCE", "AxisSpectrum", "FrameSpectrum", "Mask", "Spectrum"]

Mask = NDArray[np.bool_]

KINK_TOLERANCE = 1e-9
"""Distance, relative to the size of a point, within which it counts as lying on a kink of the projection."""


@dataclass(frozen=True, slots=True, eq=False)
class Spectrum(ABC):
    """k derivatives of one projection, D = U diag(δ) Uᵀ with U orthogonal.

    Attributes
    ----------
    delta : array of shape (k, d)
        Eigenvalues, in [0, 1].
    kink : boolean array of shape (k, d)
        True for the eigenpairs whose eigenvalue is not unique, because the point lies on a kink of the
        projection; there `delta` belongs to one element of the generalized Jacobian.
    """

    delta: FloatArray
    kink: Mask

    def rotate(self, values: ArrayLike) -> FloatArray:
        """Uᵀ applied to the second axis of `values`, shape (k, d, ...)."""
        return self._apply(values, self._to_axes)

    def unrotate(self, values: ArrayLike) -> FloatArray:
        """U applied to the second axis of `values`, shape (k, d, ...)."""
        return self._apply(values, self._from_axes)

    def matrices(self) -> FloatArray:
        """The derivatives D, dense, shape (k, d, d)."""
        k, d = self.delta.shape
        U = self.unrotate(np.broadcast_to(np.eye(d), (k, d, d)))
        return (U * self.delta[:, None, :]) @ U.transpose(0, 2, 1)

    def complement(self) -> Self:
        """The spectrum of I - D, with the same U."""
        return replace(self, delta=1.0 - self.delta)

    def take(self, items: Any) -> Self:
        """The spectra of some of the k cones."""
        mine = {field.name: getattr(self, field.name) for field in fields(self)}
        return type(self)(
            **{name: value[items] if isinstance(value, np.ndarray) else value for name, value in mine.items()}
        )

    @abstractmethod
    def _to_axes(self, values: FloatArray) -> FloatArray:
        """Uᵀ applied, `values` of shape (k, d, m)."""

    @abstractmethod
    def _from_axes(self, values: FloatArray) -> FloatArray:
        """U applied, `values` of shape (k, d, m)."""

    def _apply(self, values: ArrayLike, way: Any) -> FloatArray:
        array = np.asarray(values, np.float64)
        k, d = self.delta.shape
        if array.shape[:2] != (k, d):
            raise DimensionMismatch(f"Expected an array of shape ({k}, {d}, ...), got {array.shape}.")
        trailing = array.shape[2:]
        width = int(np.prod(trailing, dtype=np.int64))
        result: FloatArray = way(array.reshape(k, d, width)).reshape(k, d, *trailing)
        return result


@final
@dataclass(frozen=True, slots=True, eq=False)
class AxisSpectrum(Spectrum):
    """U is the identity."""

    def _to_axes(self, values: FloatArray) -> FloatArray:
        return values.copy()

    def _from_axes(self, values: FloatArray) -> FloatArray:
        return values.copy()


@final
@dataclass(frozen=True, slots=True, eq=False)
class FrameSpectrum(Spectrum):
    """U is held as matrices, for small cones.

    Attributes
    ----------
    U : array of shape (k, d, d)
        Eigenvectors in columns.
    """

    U: FloatArray

    def _to_axes(self, values: FloatArray) -> FloatArray:
        return self.U.transpose(0, 2, 1) @ values

    def _from_axes(self, values: FloatArray) -> FloatArray:
        return self.U @ values


def checked_points(points: ArrayLike, dimension: int, name: str) -> FloatArray:
    """`points` as finite numbers of shape (k, dimension), or a refusal."""
    array = real_array(points, "A point")
    if array.ndim != 2 or array.shape[1] != dimension:
        raise DimensionMismatch(
            f"{name} takes points in rows, an array of shape (k, {dimension}); got shape {array.shape}."
        )
    if not np.isfinite(array).all():
        raise InvalidData(f"{name}: a point has entries that are not finite numbers.")
    return array


def normalized(points: FloatArray) -> tuple[FloatArray, NDArray[np.intc]]:
    """Points divided by powers of two, exactly, to a largest entry in [1/2, 1); and the powers, shape (k,).

    Zero points stay zero.
    """
    _, power = np.frexp(np.abs(points).max(axis=1, initial=0.0))
    return np.ldexp(points, -power[:, None]), power


def kink_widths(points: FloatArray, power: NDArray[np.intc], tolerance: float, scale: ArrayLike) -> FloatArray:
    """The distance, in units of the normalized points, within which a point is on a kink; shape (k,)."""
    floor = np.ldexp(np.broadcast_to(np.asarray(scale, np.float64), len(points)), -power)
    width: FloatArray = tolerance * np.maximum(np.linalg.norm(points, axis=1), floor)
    return width
