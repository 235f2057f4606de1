r"""The power cone and its dual.

Projection after L. T. K. Hien, *Differential properties of Euclidean projection onto power cone*, Mathematical
Methods of Operations Research 82 (2015), 265-284. Let b = 1 - a. A point whose projection p lies on the curved
part of the boundary is v = r u(t) + s n(t) with r, s > 0, r + s = \|z\|, the boundary ray u = (e^bt, e^-at, ±1)
and the outer normal n = (-a e^-bt, -b e^at, ±1). So with X = p_x / r and Y = p_y / r,

    r X - a s / X = x,     r Y - b s / Y = y,     a log X + b log Y = 0.

The first two give X and Y for a ratio r / s = e^θ; the left side of the third decreases in θ:

    d/dθ = -(s (1 - M) + r M) / |z|,     M = a² s / (r X² + a s) + b² s / (r Y² + b s)  in (0, 1).

With w = u × n the derivative of the projection has eigenvectors u, w, n and eigenvalues 1, δ, 0,

    δ = r A / (r A + s B),   A = X²Y² + b² X² + a² Y²,   B = a b (X² + Y² + 1).

Every term is positive, and all are held as logarithms: r or s may lie far below the smallest number, as they do
for exponents near 0 and 1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self, final

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from ..arrays import FloatArray, IntArray
from ..errors import InvalidData
from ..numeric import real_number
from .cone import MoreauCone, NativeCone
from .root_finding import increasing_roots
from .spectrum import KINK_TOLERANCE, FrameSpectrum, Mask, checked_points, kink_widths, normalized

__all__ = ["DualPowerCone", "PowerCone"]

_FARTHEST = 1e307


class _WithExponent(NativeCone):
    """Cones in R^3 with one exponent."""

    __slots__ = ("exponent",)

    def __init__(self, exponent: float) -> None:
        super().__init__(3)
        self.exponent = real_number(exponent, "The exponent of a power cone")
        if not 0.0 < self.exponent < 1.0:
            raise InvalidData(f"{type(self).__name__} needs an exponent strictly between 0 and 1, got {exponent!r}.")

    @property
    def shape(self) -> tuple[float, ...]:
        """The exponent."""
        return (self.exponent,)

    @classmethod
    def build(cls, shape: tuple[float, ...], numbers: FloatArray) -> Self:
        """The cone with this exponent."""
        return cls(shape[0])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.exponent!r})"


@final
class PowerCone(_WithExponent):
    """``{(x, y, z) : x^a y^(1 - a) >= abs(z), x >= 0, y >= 0}`` with 0 < a < 1.

    Its dual cone is `DualPowerCone` with the same exponent. Source: R. Chares (2009); axis order of
    MathOptInterface.

    Parameters
    ----------
    exponent : a

    Examples
    --------
    >>> PowerCone(0.5).violation([4.0, 1.0, -2.0])
    0.0
    >>> PowerCone(0.5).project([[0.0, 0.0, 3.0]]).round(12)
    array([[1., 1., 1.]])
    """

    __slots__ = ()

    def dual_set(self) -> DualPowerCone:
        """The dual power cone."""
        return DualPowerCone(self.exponent)

    def project(self, points: ArrayLike) -> FloatArray:
        """By a root of one monotone function, see the module."""
        v, power = normalized(checked_points(points, 3, repr(self)))
        return np.ldexp(_analyse(v, self.exponent).projection(v), power[:, None])

    def spectrum(
        self, points: ArrayLike, *, tolerance: float = KINK_TOLERANCE, scale: ArrayLike = 0.0
    ) -> FrameSpectrum:
        """In closed form from the same root: eigenvectors ray, tangent and normal of the boundary."""
        v, power = normalized(checked_points(points, 3, repr(self)))
        parts = _analyse(v, self.exponent)
        return replace(parts.kinked(v, kink_widths(v, power, tolerance, scale)), delta=parts.delta(v), U=parts.U)

    def kinked(self, points: ArrayLike, *, tolerance: float = KINK_TOLERANCE, scale: ArrayLike = 0.0) -> FrameSpectrum:
        """In closed form, case by case, see `_Parts.kinked`."""
        v, power = normalized(checked_points(points, 3, repr(self)))
        return _analyse(v, self.exponent).kinked(v, kink_widths(v, power, tolerance, scale))

    def barrier(self, points: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Gradients (k, 3) and factors B (k, 5, 3) of F'' = BᵀB at points inside, for the barrier of R. Chares (2009).

        ``F = -log(x^2a y^2b - z²) - b log x - a log y`` with b = 1 - a.
        """
        (x, y, z), a, b = np.asarray(points, np.float64).T, self.exponent, 1.0 - self.exponent
        none, height = np.zeros(len(x)), x**a * y**b
        slope = np.stack([a * height / x, b * height / y])
        above, below = ([*slope, np.full(len(x), sign)] / (height + sign * z) for sign in (1.0, -1.0))
        bend = np.sqrt(2.0 * a * b / (1.0 - (z / height) ** 2))
        rows = [
            above,
            below,
            bend * np.stack([1.0 / x, -1.0 / y, none]),
            np.stack([np.sqrt(b) / x, none, none]),
            np.stack([none, np.sqrt(a) / y, none]),
        ]
        gradient = -(above + below + np.stack([b / x, a / y, none]))
        return gradient.T, np.stack(rows).transpose(2, 0, 1)

    inside: ClassVar[tuple[float, ...]] = (1.0, 1.0, 0.0)


@final
class DualPowerCone(_WithExponent, MoreauCone):
    """``{(u, v, w) : (u / a)^a (v / (1 - a))^(1 - a) >= abs(w), u >= 0, v >= 0}`` with 0 < a < 1.

    Its dual cone is `PowerCone` with the same exponent. Axis order of MathOptInterface.

    Parameters
    ----------
    exponent : a

    Examples
    --------
    >>> DualPowerCone(0.5).violation([0.5, 0.5, 1.0])
    0.0
    """

    __slots__ = ()

    def dual_set(self) -> PowerCone:
        """The power cone."""
        return PowerCone(self.exponent)


@final
@dataclass(frozen=True, slots=True)
class _Parts:
    """Where k points lie: in the cone, its polar, in the plane z = 0, or off the curved boundary."""

    a: float
    member: Mask
    polar: Mask
    flat: Mask
    t: FloatArray  # log X - log Y
    theta: FloatArray  # log r - log s
    U: FloatArray  # columns ray, tangent, normal

    def projection(self, v: FloatArray) -> FloatArray:
        along = np.maximum(np.einsum("ki,ki->k", self.U[:, :, 0], v), 0.0)
        p: FloatArray = along[:, None] * self.U[:, :, 0]
        p[self.member] = v[self.member]
        p[self.polar] = 0.0
        p[self.flat] = np.maximum(v[self.flat], 0.0)
        return p

    def delta(self, v: FloatArray) -> FloatArray:
        a, b = self.a, 1.0 - self.a
        log_a, log_b = np.log(a), np.log(b)
        lx, ly = b * self.t, -a * self.t
        log_A = _log_sum(2.0 * (lx + ly), 2.0 * (log_b + lx), 2.0 * (log_a + ly))
        log_B = log_a + log_b + _log_sum(2.0 * lx, 2.0 * ly, np.zeros(len(v)))
        delta = np.stack([np.ones(len(v)), expit(self.theta + log_A - log_B), np.zeros(len(v))], axis=1)
        # In the plane z = 0 the limit as z -> 0: of r / z, which tends to 0 or 1 unless a = 1/2.
        x, y = v[self.flat, 0], v[self.flat, 1]
        share = np.where(x > 0.0, a, b)  # exponent of the positive coordinate
        positive, negative = np.maximum(x, y), -np.minimum(x, y)
        even = positive / (positive + 2.0 * negative)
        delta[self.flat, 1] = np.where(share == 0.5, even, share > 0.5)
        delta[self.member] = 1.0
        delta[self.polar] = 0.0
        return delta

    def kinked(self, v: FloatArray, width: FloatArray) -> FrameSpectrum:
        """See `NativeCone.kinked`.

        The critical cones are these half-lines: along the ray and along the inner normal, which at the edges (1, 0, 0)
        and (0, 1, 0) are coordinates. There the boundary has a plane as its tangent.
        """
        a, b = self.a, 1.0 - self.a
        x, y, z = np.abs(v).T
        # First-order distances to the boundary: of a member, and of a polar point.
        inside = _slack(x, y, z, a, b)
        below = _slack(x / a, y / b, z, a, b, 1.0 / a, 1.0 / b)
        along = np.einsum("ki,ki->k", self.U[:, :, 0], v)
        across = np.einsum("ki,ki->k", self.U[:, :, 2], v)
        delta, kink, U = self.delta(v), np.zeros(v.shape, bool), self.U * [1.0, 1.0, -1.0]
        face = np.minimum(x, y) <= width
        kink[:, 0] = np.where(self.polar, (below <= width) | face, ~self.member & (along <= width))
        kink[:, 2] = np.where(self.member, (inside <= width) | face, ~self.polar & (across <= width))
        edge = face & (z <= width)
        large = np.where(x > y, v[:, 0], v[:, 1])
        kink[edge] = np.stack([large < 0.0, np.zeros(len(v), bool), large > 0.0], axis=1)[edge]
        delta[edge, 1] = large[edge] > 0.0
        along_x = (x > y) == (large > 0.0)
        U[edge & along_x] = [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]
        U[edge & ~along_x] = [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
        apex = (np.abs(v) <= width[:, None]).all(axis=1)
        kink[apex], U[apex] = True, np.eye(3)
        return FrameSpectrum(delta, kink, U)


def _slack(
    x: FloatArray,
    y: FloatArray,
    z: FloatArray,
    a: float,
    b: float,
    x_scale: float = 1.0,
    y_scale: float = 1.0,
) -> FloatArray:
    """``x^a y^b - z`` divided by the length of its gradient, when x and y are coordinates times a scale."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        height = x**a * y**b
        slope = np.hypot(np.hypot(a * x_scale * height / x, b * y_scale * height / y), 1.0)
        distance = (height - z) / slope
    result: FloatArray = np.where(np.isfinite(distance), distance, 0.0)
    return result


def _log_sum(*logs: FloatArray) -> FloatArray:
    """Log of the sum of exponentials."""
    result: FloatArray = np.logaddexp.reduce(np.stack(logs), axis=0)
    return result


def _analyse(v: FloatArray, a: float) -> _Parts:
    """Sort the points and find t and theta."""
    b = 1.0 - a
    x, y, z = v[:, 0], v[:, 1], np.abs(v[:, 2])
    with np.errstate(divide="ignore", invalid="ignore"):
        log_x, log_y, log_z = np.log(np.abs(x)), np.log(np.abs(y)), np.log(z)
        member = (x >= 0.0) & (y >= 0.0) & (a * log_x + b * log_y >= log_z)
        polar = (x <= 0.0) & (y <= 0.0) & (a * (log_x - np.log(a)) + b * (log_y - np.log(b)) >= log_z)
        t = np.where(member, log_x - log_y, log_y - log_x + np.log(a) - np.log(b))
    polar &= ~member
    flat = (z == 0.0) & ~member & ~polar
    t[flat] = np.where(x[flat] > 0.0, _FARTHEST, -_FARTHEST)
    theta = np.zeros(len(v))
    curved = np.flatnonzero(~(member | polar | flat))
    theta[curved], t[curved] = _roots(x[curved], y[curved], z[curved], a, b)
    t = np.clip(np.nan_to_num(t), -_FARTHEST, _FARTHEST)
    return _Parts(a, member, polar, flat, t, theta, _frames(t, a, b, np.where(v[:, 2] < 0.0, -1.0, 1.0)))


def _frames(t: FloatArray, a: float, b: float, sign: FloatArray) -> FloatArray:
    """Unit vectors u, w, n in columns."""
    lx, ly, zero = b * t, -a * t, np.zeros(len(t))
    most = np.maximum(np.maximum(lx, ly), 0.0)
    u = np.exp(np.stack([lx, ly, zero], axis=1) - most[:, None])
    least = np.minimum(np.minimum(lx, ly), 0.0)
    n = np.exp(least[:, None] - np.stack([lx, ly, zero], axis=1)) * np.array([-a, -b, 1.0])
    u[:, 2] *= sign
    n[:, 2] *= sign
    n /= np.abs(n).max(axis=1)[:, None]  # an exponent may be too small to be squared
    u /= np.linalg.norm(u, axis=1)[:, None]
    n /= np.linalg.norm(n, axis=1)[:, None]
    return np.stack([u, np.cross(u, n), n], axis=2)


def _roots(x: FloatArray, y: FloatArray, z: FloatArray, a: float, b: float) -> tuple[FloatArray, FloatArray]:
    """Theta and t of points off the curved boundary."""
    with np.errstate(divide="ignore"):
        log_x, log_y, log_z = np.log(np.abs(x)), np.log(np.abs(y)), np.log(z)

    def coordinate(x: FloatArray, log_x: FloatArray, a: float, log_r: FloatArray, log_s: FloatArray) -> FloatArray:
        """Give log X from ``r X - a s / X = x``, without cancellation or underflow."""
        root = 0.5 * np.logaddexp(2.0 * log_x, np.log(4.0 * a) + log_r + log_s)  # log sqrt(x² + 4 a r s)
        total = np.logaddexp(log_x, root)
        log_X: FloatArray = np.where(x >= 0.0, total - log_r - np.log(2.0), np.log(2.0 * a) + log_s - total)
        return log_X

    def axes(theta: FloatArray, items: IntArray) -> tuple[FloatArray, ...]:
        log_r = log_z[items] - np.logaddexp(0.0, -theta)
        log_s = log_z[items] - np.logaddexp(0.0, theta)
        lx = coordinate(x[items], log_x[items], a, log_r, log_s)
        ly = coordinate(y[items], log_y[items], b, log_r, log_s)
        return lx, ly, log_s - log_r

    def function(theta: FloatArray, items: IntArray) -> tuple[FloatArray, FloatArray]:
        lx, ly, ratio = axes(theta, items)
        px, py = np.log(a) + ratio - 2.0 * lx, np.log(b) + ratio - 2.0 * ly
        M = a * expit(px) + b * expit(py)
        rest = a * expit(-px) + b * expit(-py)
        return -(a * lx + b * ly), expit(-theta) * rest + expit(theta) * M

    farthest = np.full(len(x), 3000.0 / max(min(a, b), 1e-303))
    theta = increasing_roots(function, -farthest, farthest, np.zeros(len(x)))
    lx, ly, _ = axes(theta, np.arange(len(x)))
    return theta, lx - ly
