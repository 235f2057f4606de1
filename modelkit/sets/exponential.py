r"""The exponential cone and its dual.

Projection after H. A. Friberg, *Projection onto the exponential cone: a univariate root-finding problem*,
Optimization Methods and Software 38 (2023), 457-473 (preprint 2021). A point whose projection lies on the curved
part of the boundary is :math:`v = \alpha u(\rho) + \beta n(\rho)` with :math:`\alpha, \beta > 0`, the boundary
ray u = (ρ, 1, e^ρ) and the outer normal n = (1, 1 - ρ, -e^-ρ). The first two coordinates give α and β,

    D α = y + (ρ - 1) x,     D β = x - ρ y,     D = ρ² - ρ + 1,

and the third one the equation α e^ρ - β e^-ρ = z, whose left side increases in ρ:

    D (α' + α) = α (ρ² - 2ρ + 2) + β,     D (β - β') = α + β (ρ² + 1).

With w = u × n the derivative of the projection has eigenvectors u, w, n and eigenvalues 1, δ, 0,

    δ = α A / (α A + β B),     A = e^-ρ + e^ρ (ρ² - 2ρ + 2),     B = e^ρ + e^-ρ (ρ² + 1).

Every term is positive: nothing cancels. The vectors and A, B are scaled by e^-|ρ|, so nothing overflows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self, final

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from ..arrays import FloatArray, IntArray
from .cone import MoreauCone, NativeCone
from .root_finding import increasing_roots
from .spectrum import KINK_TOLERANCE, FrameSpectrum, Mask, checked_points, kink_widths, normalized

__all__ = ["DualExponentialCone", "ExponentialCone"]

_FARTHEST = 1e100
"""Where |ρ| is larger, rays and normals are those of the faces to every digit."""
_BEYOND = 800.0
"""e^-800 is zero."""


class _ThreeDimensional(NativeCone):
    """Cones in R^3 without parameters."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(3)

    @property
    def shape(self) -> tuple[float, ...]:
        """Nothing."""
        return ()

    @classmethod
    def build(cls, shape: tuple[float, ...], numbers: FloatArray) -> Self:
        """The cone."""
        return cls()

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


@final
class ExponentialCone(_ThreeDimensional):
    """Closure of ``{(x, y, z) : y exp(x / y) <= z, y > 0}``, which adds x <= 0, y = 0, z >= 0.

    Its dual cone is `DualExponentialCone`. Source: R. Chares (2009); axis order of MathOptInterface.

    Examples
    --------
    >>> ExponentialCone().violation([1.0, 1.0, 3.0])
    0.0
    >>> ExponentialCone().project([[1.0, -2.0, 3.0], [-1.0, -1.0, -1.0]])
    array([[ 0.25849604,  0.06821877,  3.01676778],
           [-1.        ,  0.        ,  0.        ]])
    """

    __slots__ = ()

    def dual_set(self) -> DualExponentialCone:
        """The dual exponential cone."""
        return DualExponentialCone()

    def project(self, points: ArrayLike) -> FloatArray:
        """By a root of one increasing function, see the module."""
        v, power = normalized(checked_points(points, 3, repr(self)))
        return np.ldexp(_analyse(v).projection(v), power[:, None])

    def spectrum(
        self, points: ArrayLike, *, tolerance: float = KINK_TOLERANCE, scale: ArrayLike = 0.0
    ) -> FrameSpectrum:
        """In closed form from the same root: eigenvectors ray, tangent and normal of the boundary."""
        v, power = normalized(checked_points(points, 3, repr(self)))
        parts = _analyse(v)
        return replace(parts.kinked(v, kink_widths(v, power, tolerance, scale)), delta=parts.delta(v), U=parts.U)

    def kinked(self, points: ArrayLike, *, tolerance: float = KINK_TOLERANCE, scale: ArrayLike = 0.0) -> FrameSpectrum:
        """In closed form, case by case, see `_Parts.kinked`."""
        v, power = normalized(checked_points(points, 3, repr(self)))
        return _analyse(v).kinked(v, kink_widths(v, power, tolerance, scale))

    @staticmethod
    def barrier(points: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Gradients (k, 3) and factors B (k, 4, 3) of F'' = BᵀB at points inside, for the barrier of R. Chares (2009).

        ``F = -log(y log(z / y) - x) - log y - log z``.
        """
        x, y, z = np.asarray(points, np.float64).T
        none, ratio = np.zeros(len(x)), np.log(z / y)
        slack = y * ratio - x
        rows = [
            np.stack([-1.0 / slack, (ratio - 1.0) / slack, y / (z * slack)]),
            np.sqrt(y / slack) * np.stack([none, 1.0 / y, -1.0 / z]),
            np.stack([none, 1.0 / y, none]),
            np.stack([none, none, 1.0 / z]),
        ]
        return -(rows[0] + rows[2] + rows[3]).T, np.stack(rows).transpose(2, 0, 1)

    inside: ClassVar[tuple[float, ...]] = (-1.0, 1.0, 1.0)


@final
class DualExponentialCone(_ThreeDimensional, MoreauCone):
    """Closure of ``{(u, v, w) : -u exp(v / u) <= e w, u < 0}``, which adds u = 0, v >= 0, w >= 0.

    Its dual cone is `ExponentialCone`. Axis order of MathOptInterface.

    Examples
    --------
    >>> DualExponentialCone().violation([-1.0, 0.0, 0.4]) == 0.0
    True
    """

    __slots__ = ()

    def dual_set(self) -> ExponentialCone:
        """The exponential cone."""
        return ExponentialCone()


@final
@dataclass(frozen=True, slots=True)
class _Parts:
    """Where k points lie: in the cone, its polar, below the flat face, or off the curved boundary."""

    member: Mask
    polar: Mask
    flat: Mask
    rho: FloatArray
    U: FloatArray  # columns ray, tangent, normal; the identity where there is no rho
    lengths: FloatArray  # of the scaled ray and normal, shape (2, k)
    framed: Mask  # has a rho

    def projection(self, v: FloatArray) -> FloatArray:
        along = np.maximum(np.einsum("ki,ki->k", self.U[:, :, 0], v), 0.0)
        p: FloatArray = along[:, None] * self.U[:, :, 0]
        p[self.member] = v[self.member]
        p[self.polar] = 0.0
        p[self.flat] = v[self.flat]
        p[self.flat, 1] = 0.0
        p[self.flat, 2] = np.maximum(v[self.flat, 2], 0.0)
        return p

    def delta(self, v: FloatArray) -> FloatArray:
        rho = self.rho
        small = np.exp(-np.abs(rho))
        up = rho >= 0.0
        along = np.maximum(np.einsum("ki,ki->k", self.U[:, :, 0], v), 0.0) / self.lengths[0]
        across = np.maximum(np.einsum("ki,ki->k", self.U[:, :, 2], v), 0.0) / self.lengths[1]
        A = (rho - 1.0) ** 2 + 1.0
        B = rho**2 + 1.0
        inner = along * np.where(up, small * (small**2 + A), 1.0 + small**2 * A)
        outer = across * np.where(up, 1.0 + small**2 * B, small * (small**2 + B))
        total = inner + outer
        bent = np.where(total > 0.0, inner, 1.0) / np.where(total > 0.0, total, 1.0)
        delta = np.stack([np.ones(len(v)), bent, np.zeros(len(v))], axis=1)
        delta[self.member] = 1.0
        delta[self.polar] = 0.0
        delta[self.flat, 1] = 0.0
        delta[self.flat, 2] = v[self.flat, 2] > 0.0
        return delta

    def kinked(self, v: FloatArray, width: FloatArray) -> FrameSpectrum:
        """See `NativeCone.kinked`.

        The critical cones are these half-lines: along the ray, and along the inner normal, and by the flat face along
        the coordinates, as the boundary leaves the planes of the face by less than every power of the distance. At the
        edge (0, 0, 1) of the face x may grow only where y does, but by so much that this is no constraint.
        """
        delta, kink, U = self.delta(v), self._framed_kinks(v, width), self.U * [1.0, 1.0, -1.0]
        low, zero, high = v < -width[:, None], np.abs(v) <= width[:, None], v > width[:, None]
        flat = ~(high[:, 0] | high[:, 1])
        x, y = zero[flat, 0], zero[flat, 1]
        both = x & y
        own = np.stack([x & ~(both & high[flat, 2]), y & ~(both & low[flat, 2]), zero[flat, 2]], axis=1)
        side = np.stack([v[flat, 0] <= 0.0, v[flat, 1] >= 0.0, v[flat, 2] >= 0.0], axis=1)
        side[self.member[flat]], side[self.polar[flat]] = True, False
        smooth = np.stack([both | low[flat, 0], np.zeros(len(x), bool), high[flat, 2]], axis=1)
        delta[flat], kink[flat], U[flat] = np.where(own, side, smooth), own, np.diag([-1.0, 1.0, 1.0])
        apex = zero.all(axis=1)
        kink[apex], U[apex] = True, np.eye(3)
        return FrameSpectrum(delta, kink, U)

    def _framed_kinks(self, v: FloatArray, width: FloatArray) -> Mask:
        """Those off the flat face."""
        x, _, z = v.T
        small = np.exp(-np.abs(self.rho))
        up = self.rho >= 0.0
        along = np.einsum("ki,ki->k", self.U[:, :, 0], v)
        across = np.einsum("ki,ki->k", self.U[:, :, 2], v)
        # A member's distance to the boundary along the normal, at the boundary ray of its rho; likewise a polar one's.
        inside = np.where(up, z * small - v[:, 1], z - v[:, 1] * small) / self.lengths[1]
        below = np.where(up, -z - x * small, -z * small - x) / self.lengths[0]
        kink = np.zeros(v.shape, bool)
        curved = ~(self.member | self.polar | self.flat)
        kink[:, 0] = (curved | self.polar & self.framed) & (np.where(self.polar, below, along) <= width)
        kink[:, 2] = (curved | self.member & self.framed) & (np.where(self.member, inside, across) <= width)
        return kink


def _analyse(v: FloatArray) -> _Parts:
    """Sort the points and find their rho."""
    x, y, z = v.T
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        log_x, log_y, log_z, log_minus_z = (np.log(np.maximum(t, 0.0)) for t in (x, y, z, -z))
        ray = np.clip(x / y, -_FARTHEST, _FARTHEST)  # rho of the boundary ray over (x, y)
        normal = np.clip(1.0 - y / x, -_FARTHEST, _FARTHEST)  # rho of the normal over (x, y)
        member = np.where(y > 0.0, (z > 0.0) & (log_z - log_y >= ray), (y == 0.0) & (x <= 0.0) & (z >= 0.0))
        polar = np.where(
            x > 0.0, (z < 0.0) & (1.0 - normal + log_x <= 1.0 + log_minus_z), (x == 0.0) & (y <= 0.0) & (z <= 0.0)
        )
    polar &= ~member
    flat = (x <= 0.0) & (y <= 0.0) & ~member & ~polar
    rho = np.where(member, ray, normal)
    framed = np.where(member, y > 0.0, np.where(polar, x > 0.0, ~flat))
    curved = np.flatnonzero(~(member | polar | flat))
    rho[curved] = _roots(v[curved], ray[curved], normal[curved])
    rho[~framed] = 0.0
    U, lengths = _frames(rho)
    U[~framed] = np.eye(3)
    return _Parts(member, polar, flat, rho, U, lengths, framed)


def _frames(rho: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Unit vectors u, w, n in columns, and the lengths that u and n had when scaled by e^-max(±ρ, 0)."""
    small, one = np.exp(-np.abs(rho)), np.ones(len(rho))
    up = rho >= 0.0
    u = np.stack([rho * np.where(up, small, one), np.where(up, small, one), np.where(up, one, small)], axis=1)
    n = np.where(up, one, small)[:, None] * np.stack([one, 1.0 - rho, one], axis=1)
    n[:, 2] = -np.where(up, small, one)
    lengths = np.stack([np.linalg.norm(u, axis=1), np.linalg.norm(n, axis=1)])
    u /= lengths[0][:, None]
    n /= lengths[1][:, None]
    return np.stack([u, np.cross(u, n), n], axis=2), lengths


def _roots(v: FloatArray, ray: FloatArray, normal: FloatArray) -> FloatArray:
    """The ρ of points off the curved boundary, from log(α e^ρ + z⁻) = log(β e^-ρ + z⁺)."""
    x, y, z = v.T
    # α > 0 on one side of `normal`, β > 0 on one side of `ray`; e^-ρ D = x (ρ - normal) / z_p bounds the rest.
    lower = np.where(x > 0.0, normal, -np.inf)
    upper = np.where(y > 0.0, ray, np.inf)
    lower = np.maximum(lower, np.minimum(upper, 0.0) - _BEYOND)
    upper = np.minimum(upper, np.maximum(lower, 0.0) + _BEYOND)
    with np.errstate(divide="ignore"):
        log_plus, log_minus = np.log(np.maximum(z, 0.0)), np.log(np.maximum(-z, 0.0))

    def function(rho: FloatArray, items: IntArray) -> tuple[FloatArray, FloatArray]:
        x_, y_ = x[items], y[items]
        D = rho * (rho - 1.0) + 1.0
        alpha = np.maximum((y_ + (rho - 1.0) * x_) / D, 0.0)
        beta = np.maximum((x_ - rho * y_) / D, 0.0)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            log_a, log_b = np.log(alpha) + rho, np.log(beta) - rho
            minus, plus = log_minus[items], log_plus[items]
            value = np.logaddexp(log_a, minus) - np.logaddexp(log_b, plus)
            slope = ((rho - 1.0) ** 2 + 1.0 + beta / alpha) / D * expit(log_a - minus)
            slope += (rho**2 + 1.0 + alpha / beta) / D * expit(log_b - plus)
        return value, slope

    middle = 0.5 * (np.maximum(lower, -3.0) + np.minimum(upper, 3.0))
    return increasing_roots(function, lower, upper, np.clip(middle, lower, upper))
