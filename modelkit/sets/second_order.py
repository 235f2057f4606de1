r"""The second-order cone and the rotated one.

A point (t, x) has two eigenvalues t ± \|x\| with eigenvectors (1, ± x/\|x\|) / √2. The projection keeps the
eigenvectors and takes the positive parts of the eigenvalues; its derivative has the eigenvalues 1 or 0 on the two
eigenvectors, and on what is orthogonal to both the difference quotient

    δ = ((t + |x|)⁺ - (t - |x|)⁺) / (2 |x|)

(M. Fukushima, Z.-Q. Luo, P. Tseng, *Smoothing functions for second-order-cone complementarity problems*, SIAM J.
Optimization 12 (2002), 436-460). A Householder reflection takes x/\|x\| to the first axis, so that U costs O(d).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arrays import FloatArray
from .cone import NativeCone
from .spectrum import KINK_TOLERANCE, Spectrum, checked_points, kink_widths, normalized

__all__ = ["ReflectionSpectrum", "RotatedSecondOrderCone", "SecondOrderCone"]

_HALF_ROOT = float(np.sqrt(0.5))


@final
class SecondOrderCone(NativeCone):
    """``{(t, x) : t >= norm(x)}`` in R^dimension, with the Euclidean norm; self-dual.

    Parameters
    ----------
    dimension : 1 + the length of x

    Examples
    --------
    >>> SecondOrderCone(3).project([[0.0, 3.0, 4.0]])
    array([[2.5, 1.5, 2. ]])
    """

    __slots__ = ()
    smallest: ClassVar[int] = 1

    def dual_set(self) -> SecondOrderCone:
        """Itself."""
        return self

    def project(self, points: ArrayLike) -> FloatArray:
        """The positive parts of the eigenvalues."""
        v, power = normalized(checked_points(points, self.dimension, repr(self)))
        return np.ldexp(_projection(v), power[:, None])

    def spectrum(
        self, points: ArrayLike, *, tolerance: float = KINK_TOLERANCE, scale: ArrayLike = 0.0
    ) -> ReflectionSpectrum:
        """In closed form; U is applied in O(d)."""
        v, power = normalized(checked_points(points, self.dimension, repr(self)))
        return _spectrum(v, power, tolerance, scale, turned=False)


@final
class RotatedSecondOrderCone(NativeCone):
    """``{(t, u, x) : 2 t u >= norm(x)^2, t >= 0, u >= 0}`` in R^dimension, with the Euclidean norm; self-dual.

    It is the image of `SecondOrderCone` under the reflection that takes the first two coordinates to
    ``((t + u) / sqrt(2), (t - u) / sqrt(2))``.

    Parameters
    ----------
    dimension : 2 + the length of x

    Examples
    --------
    >>> RotatedSecondOrderCone(3).violation([1.0, 2.0, 2.0])
    0.0
    """

    __slots__ = ()
    smallest: ClassVar[int] = 2

    def dual_set(self) -> RotatedSecondOrderCone:
        """Itself."""
        return self

    def project(self, points: ArrayLike) -> FloatArray:
        """By the reflection and the projection onto `SecondOrderCone`."""
        v, power = normalized(checked_points(points, self.dimension, repr(self)))
        p = _turned(_projection(_turned(v)))
        t, u = v[:, 0], v[:, 1]
        member = (t >= 0.0) & (u >= 0.0) & (2.0 * t * u >= np.einsum("ki,ki->k", v[:, 2:], v[:, 2:]))
        p[member] = v[member]
        return np.ldexp(p, power[:, None])

    def spectrum(
        self, points: ArrayLike, *, tolerance: float = KINK_TOLERANCE, scale: ArrayLike = 0.0
    ) -> ReflectionSpectrum:
        """That of `SecondOrderCone`, reflected."""
        v, power = normalized(checked_points(points, self.dimension, repr(self)))
        return _spectrum(_turned(v), power, tolerance, scale, turned=True)


@final
@dataclass(frozen=True, slots=True, eq=False)
class ReflectionSpectrum(Spectrum):
    """U = T diag(1, H) R: a turn R of the first two axes, a Householder reflection H = -s (I - 2 h hᵀ), and T.

    Attributes
    ----------
    h : array of shape (k, d - 1)
        Unit vectors.
    sign : array of shape (k,)
        s = ±1, so that H takes the first axis to x / norm(x).
    turned : bool
        Whether T is the reflection of `RotatedSecondOrderCone`, else T is the identity.
    """

    h: FloatArray
    sign: FloatArray
    turned: bool

    def _reflect(self, tail: FloatArray) -> FloatArray:
        h = self.h[:, :, None]
        along = np.einsum("ki,kij->kj", self.h, tail)[:, None, :]
        result: FloatArray = -self.sign[:, None, None] * (tail - 2.0 * h * along)
        return result

    def _to_axes(self, values: FloatArray) -> FloatArray:
        if values.shape[1] == 1:
            return values.copy()
        result = _turned(values) if self.turned else values.copy()
        result[:, 1:] = self._reflect(result[:, 1:])
        return _turned(result)

    def _from_axes(self, values: FloatArray) -> FloatArray:
        if values.shape[1] == 1:
            return values.copy()
        result = _turned(values)
        result[:, 1:] = self._reflect(result[:, 1:])
        return _turned(result) if self.turned else result


def _turned(values: FloatArray) -> FloatArray:
    """The involution ((v0 + v1) / √2, (v0 - v1) / √2, rest) of the second axis."""
    result = values.copy()
    result[:, 0] = _HALF_ROOT * (values[:, 0] + values[:, 1])
    result[:, 1] = _HALF_ROOT * (values[:, 0] - values[:, 1])
    return result


def _projection(v: FloatArray) -> FloatArray:
    t, x = v[:, 0], v[:, 1:]
    norm = np.linalg.norm(x, axis=1)
    size = np.maximum(0.5 * (t + norm), 0.0)
    direction = x / np.where(norm > 0.0, norm, 1.0)[:, None]
    p: FloatArray = size[:, None] * np.concatenate([np.ones((len(v), 1)), direction], axis=1)
    p[norm <= t] = v[norm <= t]
    return p


def _spectrum(
    v: FloatArray, power: NDArray[np.intc], tolerance: float, scale: ArrayLike, *, turned: bool
) -> ReflectionSpectrum:
    (k, d), t = v.shape, v[:, 0]
    norm = np.linalg.norm(v[:, 1:], axis=1)
    width = kink_widths(v, power, tolerance, scale)
    delta, kink = np.empty((k, d)), np.empty((k, d), bool)
    if d == 1:
        delta[:, 0], kink[:, 0] = t >= 0.0, np.abs(t) <= width
        return ReflectionSpectrum(delta, kink, np.zeros((k, 0)), np.ones(k), turned)
    largest, smallest = t + norm, t - norm
    delta[:, 0], delta[:, 1] = largest >= 0.0, smallest >= 0.0
    between = (norm > 0.0) & (largest > 0.0) & (smallest < 0.0)
    slope = 0.5 * largest / np.where(between, norm, 1.0)
    delta[:, 2:] = np.where(between, slope, delta[:, 1])[:, None]
    delta[:, 2:] = np.clip(delta[:, 2:], 0.0, 1.0)  # rounding: at most an ulp above one
    kink[:, 0], kink[:, 1] = np.abs(largest) <= width, np.abs(smallest) <= width
    kink[:, 2:] = (kink[:, 0] & kink[:, 1])[:, None]
    direction = v[:, 1:] / np.where(norm > 0.0, norm, 1.0)[:, None]
    direction[norm == 0.0, 0] = 1.0
    sign = np.where(direction[:, 0] < 0.0, -1.0, 1.0)
    direction[:, 0] += sign
    h = direction / np.linalg.norm(direction, axis=1)[:, None]
    return ReflectionSpectrum(delta, kink, h, sign, turned)
