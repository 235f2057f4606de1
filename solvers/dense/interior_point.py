r"""Predictor-corrector steps on the problem in multipliers, for a stack of programs at once.

A row w with slacks s from its sides and their multipliers z, :math:`\lambda = z_u - z_l`, has
:math:`\theta = z_l/s_l + z_u/s_u`, and a step solves

.. math:: (S + \mathrm{diag}(1/\theta))\,d\lambda = t / \theta,

t what is left of slacks and complementarity: the two sides of a row share its place.

S. Mehrotra, *On the implementation of a primal-dual interior point method*, SIAM J. Optimization 2 (1992), 575-601;
B. Amos, J. Z. Kolter, *OptNet: differentiable optimization as a layer in neural networks*, ICML 2017.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from .arrays import Array, Namespace, cholesky, taken, times

__all__ = ["InteriorPoint"]

_TO_BOUNDARY = 0.99
_LEAST = 1e-300


@final
@dataclass(slots=True, eq=False)
class InteriorPoint:
    """The iterates of B problems.

    Attributes
    ----------
    xp, S, costs : of the problems, see `Duals`
    sides : (B, 2, i) lower and upper sides, zero where there is none; has : (B, 2, i) where there is one
    s, z : (B, 2, i) slacks and multipliers, one and zero where there is no side
    w : (B, i) the rows; left : (B, 2, i) what slacks are off
    mu : (B,) mean complementarity
    """

    xp: Namespace
    S: Array
    costs: Array
    sides: Array
    has: Array
    s: Array
    z: Array
    w: Array
    left: Array
    mu: Array

    @classmethod
    def of(cls, xp: Namespace, S: Array, costs: Array, lower: Array, upper: Array) -> InteriorPoint:
        """The start: no multipliers, and slacks as far inside as the worst row is outside."""
        sides = xp.stack([lower, upper], axis=1)
        has = xp.isfinite(sides)
        sides = xp.where(has, sides, 0.0)
        w = -costs
        gap = _signed(xp, w[:, None, :] - sides)
        width = xp.where(has[:, 0] & has[:, 1], sides[:, 1] - sides[:, 0], float("inf"))[:, None, :]
        outside = xp.max(xp.where(has, xp.maximum(-gap, 0.0), 0.0), axis=(1, 2))
        level = xp.where(outside > 0.0, outside, 1.0)[:, None, None]
        s = xp.where(has, xp.maximum(gap, xp.minimum(level, 0.5 * width)), 1.0)
        z = xp.where(has, level + 0.0 * s, 0.0)
        new = cls(xp, S, costs, sides, has, s, z, w, s, outside)
        new._look()
        return new

    @property
    def multipliers(self) -> Array:
        """(B, i), positive at upper sides."""
        return self.z[:, 1] - self.z[:, 0]

    @property
    def guess(self) -> Array:
        """(B, i): the sides at which multipliers are larger than slacks, each beside the largest of its kind."""
        xp = self.xp
        unit = xp.max(xp.abs(self.w), axis=1) + xp.max(xp.abs(self.sides), axis=(1, 2))
        near = self.has & (self.z * unit[:, None, None] > self.s * xp.max(self.z, axis=(1, 2))[:, None, None])
        return xp.where(near[:, 1], 1, xp.where(near[:, 0], -1, 0))

    @property
    def error(self) -> Array:
        """(B,): mu and the largest of what slacks are off, beside the sizes of rows and multipliers."""
        xp = self.xp
        size = 1e-300 + xp.max(xp.abs(self.w), axis=1) + xp.max(xp.abs(self.sides), axis=(1, 2))
        off = xp.max(xp.abs(self.left), axis=(1, 2)) / size
        return xp.maximum(off, self.mu / (size * (1e-300 + xp.max(self.z, axis=(1, 2)))))

    def take(self, items: Array) -> InteriorPoint:
        """Those of some problems."""
        parts = (self.costs, self.sides, self.has, self.s, self.z, self.w, self.left, self.mu)
        return InteriorPoint(self.xp, taken(self.S, items), *(part[items] for part in parts))

    def _look(self) -> None:
        """Rows, residuals and mu at slacks and multipliers."""
        xp = self.xp
        self.w = -(self.costs + times(self.S, self.multipliers))
        self.left = xp.where(self.has, _signed(xp, self.w[:, None, :] - self.sides) - self.s, 0.0)
        count = xp.sum(xp.where(self.has, 1.0 + 0.0 * self.s, 0.0), axis=(1, 2))
        self.mu = xp.sum(self.s * self.z, axis=(1, 2)) / xp.where(count > 0.0, count, 1.0)

    def step(self) -> None:
        """One predictor-corrector step of each."""
        xp, s, z, mu = self.xp, self.s, self.z, self.mu[:, None, None]
        theta = xp.sum(z / s, axis=1)
        inverse = 1.0 / xp.maximum(theta, _LEAST)
        S = self.S
        factor = cholesky(xp, S + inverse[:, :, None] * xp.eye(S.shape[1], dtype=S.dtype, device=S.device))

        def direction(rc: Array) -> tuple[Array, Array]:
            t = _turned(xp, (rc + z * self.left) / s)
            moved = factor.solve((t * inverse)[:, None, :])[:, 0]
            of_rows = (moved - t) * inverse
            ds = xp.where(self.has, _signed(xp, of_rows[:, None, :] + 0.0 * s) + self.left, 0.0)
            return ds, xp.where(self.has, -(rc + z * ds) / s, 0.0)

        ds, dz = direction(s * z)
        a = _longest(xp, s, ds, z, dz)[:, None, None]
        after = xp.sum((s + a * ds) * (z + a * dz), axis=(1, 2)) / xp.maximum(xp.sum(s * z, axis=(1, 2)), _LEAST)
        centre = xp.minimum(xp.maximum(after, 0.0), 1.0)[:, None, None] ** 3
        ds, dz = direction(s * z + ds * dz - centre * mu)
        a = xp.minimum(_TO_BOUNDARY * _longest(xp, s, ds, z, dz), xp.ones_like(self.mu))[:, None, None]
        self.s, self.z = s + a * ds, z + a * dz
        self._look()


def _signed(xp: Namespace, values: Array) -> Array:
    """(B, 2, i): as distances from lower and upper sides."""
    return xp.stack([values[:, 0], -values[:, 1]], axis=1)


def _turned(xp: Namespace, values: Array) -> Array:
    """(B, i): the adjoint of that."""
    return values[:, 0] - values[:, 1]


def _longest(xp: Namespace, s: Array, ds: Array, z: Array, dz: Array) -> Array:
    """(B,): the longest step, at most one (and a little), that leaves slacks and multipliers at least zero."""
    found = None
    for v, d in ((s, ds), (z, dz)):
        ratio = xp.where(d < 0.0, -v / xp.where(d < 0.0, d, -1.0), float("inf"))
        least = xp.min(ratio, axis=(1, 2))
        found = least if found is None else xp.minimum(found, least)
    return xp.minimum(found, xp.ones_like(found) / _TO_BOUNDARY)
