r"""The solution on guessed active rows, and the guess corrected until it stands.

With the rows K at their sides :math:`S_{KK}\lambda_K = -(c + w)_K`, which the factors at hand make cheap: rows whose
multiplier has the wrong sign leave, rows beyond a side enter (M. Hintermueller, K. Ito, K. Kunisch, *The primal-dual
active set strategy as a semismooth Newton method*, SIAM J. Optimization 13 (2002), 865-888). A guess that stands is the
solution, to rounding, and its factors differentiate it:

.. math:: \begin{pmatrix} P & C_K^T \\ C_K & 0 \end{pmatrix}

is symmetric, so that one function answers both modes. Items with fewer active rows than others are filled up with rows
in which the matrix is the identity.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from .arrays import Array, Cholesky, Namespace, cholesky, has_fixed_shapes, largest, remaining, taken, times
from .duals import Duals
from .program import Programs

__all__ = ["ActiveRows", "SidedBlock", "exchanged", "sides_at", "written"]

_ROUNDING = 1e-12
"""Relative size of what may have the wrong sign."""
_DEPENDENT = 1e-12
"""The least pivot up to which rows count as independent of each other."""
_SHIFT = 1e-9
_REFINED = 1e-13
_SOLVED, _LARGEST = 1e-11, 1e7
_STEPS = 3
_STEPS_REGULARIZED = 40


@final
@dataclass(frozen=True, slots=True, eq=False)
class _Chosen:
    """The active inequalities of B items: their places (B, k), the place that each row has (B, i), who is one."""

    xp: Namespace
    order: Array
    inverse: Array
    held: Array

    @classmethod
    def of(cls, xp: Namespace, side: Array) -> _Chosen:
        """Of sides (B, i): -1 lower, 1 upper, 0 not active."""
        off = side == 0
        k = off.shape[1]
        if k and not has_fixed_shapes(xp):
            k = int(xp.max(xp.sum(xp.where(off, 0, 1), axis=1)))
        order = xp.argsort(xp.where(off, 1, 0), axis=1, stable=True)
        inverse = xp.argsort(order, axis=1, stable=True)
        return cls(xp, order[:, :k], inverse, cls._picked(xp, ~off, order[:, :k]))

    @staticmethod
    def _picked(xp: Namespace, values: Array, order: Array) -> Array:
        return values[xp.arange(order.shape[0], device=order.device)[:, None], order]

    def block(self, S: Array, shift: Array | float) -> Cholesky:
        """The factor of the part (B, k, k) of ``S + shift``, with one shift or (B, 1, 1)."""
        xp, order, held = self.xp, self.order, self.held
        B = order.shape[0]
        items = 0 if S.shape[0] == 1 else xp.arange(B, device=order.device)[:, None, None]
        part = S[items, order[:, :, None], order[:, None, :]]
        if not bool(xp.all(held)):
            eye = xp.eye(order.shape[1], dtype=S.dtype, device=S.device)
            part = xp.where(held[:, :, None] & held[:, None, :], part, eye)
        if not (isinstance(shift, float) and shift == 0.0):
            part = part + shift * xp.eye(order.shape[1], dtype=S.dtype, device=S.device)
        return cholesky(xp, part)

    def of_rows(self, rows: Array) -> Array:
        """(B, K, i) at the active ones, (B, K, k)."""
        xp, (B, K, _) = self.xp, rows.shape
        items = xp.arange(B, device=rows.device)[:, None, None]
        every = xp.arange(K, device=rows.device)[None, :, None]
        return xp.where(self.held[:, None, :], rows[items, every, self.order[:, None, :]], 0.0)

    def to_rows(self, values: Array) -> Array:
        """(B, K, k) among all, (B, K, i), zero elsewhere."""
        xp, (B, K, k) = self.xp, values.shape
        i = self.inverse.shape[1]
        padded = xp.concat([values, xp.zeros((B, K, i - k), dtype=values.dtype, device=values.device)], axis=2)
        items = xp.arange(B, device=values.device)[:, None, None]
        every = xp.arange(K, device=values.device)[None, :, None]
        return padded[items, every, self.inverse[:, None, :]]


@final
@dataclass(frozen=True, slots=True, eq=False)
class SidedBlock:
    """The factor of the part of S of some inequalities, regularized where these depend on one another.

    Attributes
    ----------
    pivots : (B,) the least of the factor, 1 for orthogonal rows; zero where it is regularized
    """

    chosen: _Chosen
    factor: Cholesky
    pivots: Array

    @classmethod
    def of(cls, xp: Namespace, S: Array, side: Array, shift: float = 0.0) -> SidedBlock:
        """Of the inequalities where side (B, i) is not zero."""
        chosen = _Chosen.of(xp, side)
        factor = chosen.block(S, shift)
        least = xp.ones(side.shape[0], dtype=S.dtype, device=side.device)
        if factor.pivots.shape[1]:
            least = xp.min(factor.pivots, axis=1)
        fine = factor.definite & (least > _DEPENDENT)
        if not bool(xp.all(fine)):
            factor = chosen.block(S, xp.where(fine, 0.0, _SHIFT)[:, None, None])
        return cls(chosen, factor, xp.where(fine, least, 0.0))

    def solved(self, rows: Array) -> Array:
        """The multipliers (B, K, i) of right-hand sides (B, K, i)."""
        return self.chosen.to_rows(self.factor.solve(self.chosen.of_rows(rows)))


def sides_at(xp: Namespace, side: Array, lower: Array, upper: Array) -> Array:
    """The values of rows at their sides, (B, i); zero where they are at none."""
    return xp.where(side > 0, upper, xp.where(side < 0, lower, 0.0))


def exchanged(
    xp: Namespace, S: Array, costs: Array, lower: Array, upper: Array, side: Array, rounds: int
) -> tuple[Array, Array, Array]:
    """Correct a guess of active inequalities until it stands.

    Parameters
    ----------
    xp, S : see `Duals`
    costs, lower, upper : (B, i) of their problems in multipliers
    side : (B, i) the guess: -1 lower, 1 upper, 0 not active
    rounds : how often at most; an item gives up, too, where it has not fewer wrong rows than twice before

    Returns
    -------
    side (B, i), of which items it stands (B,), and of which only by rows that depend on one another, regularized (B,)
    """
    B = side.shape[0]
    stands = doubtful = xp.zeros(B, dtype=xp.bool, device=side.device)
    live = xp.arange(B, device=side.device)
    now, c, low, high = side, costs, lower, upper
    fewest = xp.full((B,), side.shape[1] + 2, dtype=xp.int64, device=side.device)
    patience = 0 * fewest
    for _ in range(rounds):
        block = SidedBlock.of(xp, S, now)
        right = -(c + sides_at(xp, now, low, high))
        multipliers = block.solved(right[:, None, :])[:, 0]
        w = -(c + times(S, multipliers))
        unit = (largest(xp, c) + largest(xp, multipliers))[:, None]
        keeps = xp.where(now > 0, multipliers, -multipliers) >= -_ROUNDING * unit
        beyond = xp.where(w > high + _ROUNDING * (unit + xp.abs(w)), 1, 0)
        beyond = xp.where(w < low - _ROUNDING * (unit + xp.abs(w)), -1, beyond)
        following = xp.where(now == 0, beyond, xp.where(keeps, now, 0))
        wrong = xp.sum(xp.where(following != now, 1, 0), axis=1)
        wrong = xp.where(block.factor.definite, wrong, now.shape[1] + 1)
        patience = xp.where(wrong < fewest, 0, patience + 1)
        fewest = xp.minimum(fewest, wrong)
        goes_on = (wrong > 0) & (patience < 2) & block.factor.definite
        side, stands = written(xp, side, live, now), written(xp, stands, live, wrong == 0)
        doubtful = written(xp, doubtful, live, block.pivots == 0.0)
        if not bool(xp.any(goes_on)):
            break
        keep = remaining(xp, goes_on)
        now, live = following[keep], live[keep]
        fewest, patience = fewest[keep], patience[keep]
        if len(keep) < len(goes_on):
            c, low, high = c[keep], low[keep], high[keep]
            S = taken(S, keep)
    return side, stands, doubtful


def written(xp: Namespace, values: Array, items: Array, new: Array) -> Array:
    """`values` with other ones in some items."""
    if len(items) == len(values):
        return new
    every = xp.arange(len(values), device=values.device)
    # for each item its place among the new ones, without writing into arrays, which JAX's do not allow
    place = xp.searchsorted(items, every)
    place = xp.where(place < len(items), place, 0)
    is_new = items[place] == every
    if values.ndim > 1:
        return xp.where(is_new[:, None], new[place], values)
    return xp.where(is_new, new[place], values)


@final
class ActiveRows:
    """The system of the active rows of B programs.

    Parameters
    ----------
    programs, duals
    side : (B, i) of their inequalities

    Attributes
    ----------
    side : see above
    pivots : (B,) the least of the factor, 1 for orthogonal rows
    """

    def __init__(self, programs: Programs, duals: Duals, side: Array) -> None:
        self._programs, self._duals, self.side = programs, duals, side
        xp = duals.xp
        self._block = SidedBlock.of(duals.xp, duals.S, side)
        self.pivots: Array = self._block.pivots
        e = duals.count
        everyone = xp.ones((side.shape[0], e), dtype=xp.bool, device=side.device)
        self._norm = _norm(xp, programs.C)
        self.active: Array = xp.concat([everyone, side != 0], axis=1)

    def take(self, items: Array) -> ActiveRows:
        """Those of some programs."""
        return ActiveRows(self._programs.take(items), self._duals.take(items), self.side[items])

    def once(self, upper: Array, rows: Array) -> tuple[Array, Array]:
        """The same, unrefined."""
        duals = self._duals
        u, of_equal, right = duals.pushed(upper, rows)
        return duals.pulled(u, of_equal, self._block.solved(right))

    def solve(self, upper: Array, rows: Array, start: tuple[Array, Array] | None = None) -> tuple[Array, Array]:
        """The system solved, and refined until its residual is rounding.

        Parameters
        ----------
        upper : (B, K, n); rows : (B, K, m), what they are in rows that are not active is not looked at
        start : something near, of the shapes that are returned

        Returns
        -------
        (B, K, n) and (B, K, m), zero in rows that are not active
        """
        xp = self._duals.xp
        rows = xp.where(self.active[:, None, :], rows, 0.0)
        x, y = self.once(upper, rows) if start is None else start
        left, size = self._left(upper, rows, x, y)
        regular = bool(xp.all(self._duals.is_regular)) and bool(xp.all(self.pivots > 0.0))
        steps = _STEPS if regular else _STEPS_REGULARIZED
        for _ in range(steps):
            if bool(xp.all(size <= _REFINED)):
                break
            dx, dy = self.once(*left)
            new, moved = self._left(upper, rows, x + dx, y + dy)
            better = moved < size
            if not bool(xp.any(better & (moved < 0.9 * size))):
                break
            at = better[:, :, None]
            x, y = xp.where(at, x + dx, x), xp.where(at, y + dy, y)
            left = xp.where(at, new[0], left[0]), xp.where(at, new[1], left[1])
            size = xp.where(better, moved, size)
        self.residual = float(xp.max(size)) if size.shape[0] and size.shape[1] else 0.0
        return x, y

    residual: float = 0.0
    """The largest relative residual of the last `solve`."""

    @property
    def is_regular(self) -> Array:
        """(B,): whether the system is solved for random right-hand sides, and their solutions are not huge.

        It tells what pivots do not where P is regularized.
        """
        xp, programs = self._duals.xp, self._programs
        probe = np.random.default_rng(40).standard_normal(programs.q.shape[1] + programs.lower.shape[1])
        n, kind = programs.q.shape[1], {"dtype": programs.q.dtype, "device": programs.q.device}
        size = xp.sqrt(xp.sum(programs.C * programs.C, axis=2))
        scale = xp.sqrt(largest(xp, xp.linalg.diagonal(programs.P)))
        scale = xp.where(scale > 0.0, scale, 1.0)[:, None]
        B = programs.q.shape[0]
        upper = xp.broadcast_to(scale * xp.asarray(probe[:n], **kind)[None], (B, n))
        rows = xp.broadcast_to(size * xp.asarray(probe[n:], **kind)[None] / scale, (B, len(probe) - n))
        x, y = self.solve(upper[:, None], rows[:, None])
        _, left = self._left(upper[:, None], xp.where(self.active, rows, 0.0)[:, None], x, y)
        growth = xp.maximum(_size(xp, x) * scale, _size(xp, y * size[:, None]) / scale)[:, 0]
        return (left[:, 0] <= _SOLVED) & (growth <= _LARGEST)

    def _left(self, upper: Array, rows: Array, x: Array, y: Array) -> tuple[tuple[Array, Array], Array]:
        """The residuals, and their sizes (B, K) beside the terms that they are made of."""
        P, C, xp = self._programs.P, self._programs.C, self._duals.xp
        Px, pull = x @ P, y @ C
        gradient = upper - Px - pull
        values = xp.where(self.active[:, None, :], rows - x @ C.mT, 0.0)
        of_gradient = _size(xp, Px) + _size(xp, pull) + _size(xp, upper)
        of_rows = _size(xp, rows) + xp.sqrt(xp.sum(x * x, axis=2)) * self._norm
        relative = _size(xp, gradient) / xp.where(of_gradient > 0.0, of_gradient, 1.0)
        relative = xp.maximum(relative, _size(xp, values) / xp.where(of_rows > 0.0, of_rows, 1.0))
        return (gradient, values), xp.where(xp.isfinite(relative), relative, float("inf"))


def _size(xp: Namespace, rows: Array) -> Array:
    if not rows.shape[2]:
        return xp.sum(rows, axis=2)
    return xp.max(xp.abs(rows), axis=2)


def _norm(xp: Namespace, C: Array) -> Array:
    """(b, 1): of the longest row."""
    if not C.shape[1]:
        return xp.zeros((C.shape[0], 1), dtype=C.dtype, device=C.device)
    return xp.max(xp.sqrt(xp.sum(C * C, axis=2)), axis=1)[:, None]
