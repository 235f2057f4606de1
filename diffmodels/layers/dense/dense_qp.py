r"""Many small quadratic programs of one structure, made exact and differentiated at once by stacked dense systems.

minimize :math:`\tfrac12 x^TPx + q^Tx` subject to :math:`Fx + g \in \{0\}^p \times R_+^{m-p}`. With z = (x, y) the
optimality conditions are :math:`Kz + c = 0` in the variables and the active rows A of F, with

.. math:: K = \begin{pmatrix} P & -A^T \\ -A & 0 \end{pmatrix}, \qquad c = \begin{pmatrix} q \\ -g \end{pmatrix}.

K gives the exact solution, and is the system of its derivatives (docs/design.md, section 6). Rows are active where the
solver's multiplier is larger than its slack; the solution is exact only if it confirms that. Items with fewer active
rows than others are filled up with rows in which K is the identity.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from ....modelkit.arrays import FloatArray, IntArray
from ....modelkit.form.stacked import Stacked
from .dense_numbers import Programs

__all__ = ["EXACT", "LARGEST_INVERSE", "MARGIN", "DensePoints", "DenseQP"]

Mask = NDArray[np.bool_]

_LARGEST = 400
"""Order of K up to which dense systems win over sparse ones, one at a time."""
EXACT = 1e-10
"""Relative residual after the step."""
MARGIN = 1e-7
"""Relative size of the slack or multiplier of every inequality at which the solution is differentiable."""
LARGEST_INVERSE = 1e9
"""Growth of a random right-hand side from which K is called nearly singular."""


@final
@dataclass(frozen=True, eq=False)
class DensePoints:
    """Solutions of B programs, and the systems of their derivatives.

    Attributes
    ----------
    z : (B, n + m) x and y
    exact : (B,) whether the optimality conditions hold to rounding; elsewhere z is worthless
    smooth : (B,) whether, besides, every inequality is clearly active or clearly not, and K clearly not singular
    K : (B, k, k)
    active : (B, k) the entries of z that K is of
    held : (B, k) 0.0 for those that fill up, else 1.0; None if there are none
    """

    z: FloatArray
    exact: Mask
    smooth: Mask
    K: FloatArray
    active: IntArray
    held: FloatArray | None

    def take(self, items: Any) -> DensePoints:
        """Some of them."""
        parts = (self.z, self.exact, self.smooth, self.K, self.active, self.held)
        return DensePoints(*(None if part is None else part[items] for part in parts))  # type: ignore[arg-type]

    def solve(self, right: FloatArray) -> FloatArray:
        """K solved for right-hand sides (B, n + m, d), zero in rows that are not active; worthless if not smooth."""
        at = np.arange(len(right))[:, None], self.active
        chosen = right[at] if self.held is None else right[at] * self.held[:, :, None]
        out = np.zeros(right.shape)
        out[at] = _solved(self.K, chosen)
        return out


@final
class DenseQP:
    """The structure of the items.

    Parameters
    ----------
    n, m : columns and one-sided rows
    zeros : how many rows, the first, are in zero cones; the others are in nonnegative ones
    """

    def __init__(self, n: int, m: int, zeros: int) -> None:
        self.n, self.m, self.zeros = n, m, zeros
        self._probe = np.random.default_rng(40).standard_normal(n + m)

    @staticmethod
    def fits(layout: Stacked, n: int) -> bool:
        """Whether forms of this layout and so many columns have linear rows alone, and are small."""
        return layout.linear == layout.m and n > 0 and n + layout.m <= _LARGEST

    def points(self, programs: Programs, x: FloatArray, y: FloatArray) -> DensePoints:
        """The exact solutions near solvers' answers (B, n) and (B, m)."""
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is not exact
            return self._points(programs, x, y)

    def _points(self, programs: Programs, x: FloatArray, y: FloatArray) -> DensePoints:
        P, q, F, g = programs
        B, n = q.shape
        c = np.concatenate([q, -g], axis=1)
        is_active = y > _times(F, x) + g
        is_active[:, : self.zeros] = True
        # the active rows of each item first, as many as the most that one has
        rows = np.argsort(~is_active, axis=1, kind="stable")[:, : int(is_active.sum(axis=1).max())]
        items, size = np.arange(B)[:, None], n + rows.shape[1]
        K = np.empty((B, size, size))
        K[:, :n, :n] = P
        np.negative(F[items if len(F) == B else 0, rows], out=K[:, n:, :n])
        K[:, n:, n:] = 0.0
        held = None
        if not is_active[items, rows].all():
            held = np.ones((B, size))
            held[:, n:] = is_active[items, rows]
            K[:, n:, :n] *= held[:, n:, None]
            diagonal = np.arange(n, size)
            K[:, diagonal, diagonal] = 1.0 - held[:, n:]
        K[:, :n, n:] = K[:, n:, :n].transpose(0, 2, 1)
        active = np.concatenate([np.broadcast_to(np.arange(n), (B, n)), n + rows], axis=1)
        right = np.empty((B, size, 2))
        np.negative(c[items, active], out=right[:, :, 0])
        right[:, :, 1] = self._probe[:size]
        if held is not None:
            right[:, :, 0] *= held
        Z = _solved(K, right)
        z = np.zeros(c.shape)
        z[items, active] = Z[:, :, 0]
        exact, least = self._checked(programs, z, is_active)
        growth = _norms(Z[:, :, 1]) * np.sqrt(np.einsum("bij,bij->b", K, K))
        return DensePoints(z, exact, exact & (least > MARGIN) & (growth <= LARGEST_INVERSE), K, active, held)

    def _checked(self, programs: Programs, z: FloatArray, is_active: Mask) -> tuple[Mask, FloatArray]:
        """Whether the conditions hold exactly, and the least slack or multiplier of an inequality."""
        P, q, F, g = programs
        x, y = z[:, : self.n], z[:, self.n :]
        Px = _times(P, x)
        gradient, s = Px + q - (y[:, None, :] @ F)[:, 0, :], _times(F, x) + g
        slack_unit, dual_unit = 1.0 + _norms(g), np.hypot(_norms(q), _norms(y))
        dual_unit = np.where(dual_unit > 0.0, dual_unit, 1.0)
        # a row is violated, and a multiplier has the wrong sign, in the row's own unit
        length = np.sqrt(np.einsum("bij,bij->bi", F, F))
        row_unit, scaled = length * _norms(x)[:, None] + np.abs(g), y * length
        # multipliers of nearly dependent rows may be huge and cancel one another: they are no measure of the gradient
        gradient_unit = np.hypot(_norms(q), _norms(Px))
        gradient_unit = EXACT * np.where(gradient_unit > 0.0, gradient_unit, 1.0)
        row_unit = EXACT * np.where(row_unit > 0.0, row_unit, 1.0)
        exact = _norms(gradient) <= gradient_unit
        exact &= np.isfinite(row_unit).all(axis=1)
        exact &= (np.abs(s * is_active) <= row_unit).all(axis=1)
        exact &= (s >= -row_unit)[:, self.zeros :].all(axis=1)
        exact &= (scaled >= -gradient_unit[:, None])[:, self.zeros :].all(axis=1)
        # of active rows the multiplier, of the others the slack: the other term is zero, or as small as the residual
        margins = (y / dual_unit[:, None] + s / slack_unit[:, None])[:, self.zeros :]
        return exact, margins.min(axis=1, initial=np.inf)


def _norms(rows: FloatArray) -> FloatArray:
    return np.asarray(np.sqrt(np.einsum("ij,ij->i", rows, rows)))


def _times(M: FloatArray, v: FloatArray) -> FloatArray:
    product: FloatArray = (M @ v[:, :, None])[:, :, 0]
    return product


def _solved(K: FloatArray, right: FloatArray) -> FloatArray:
    """``K^-1 right`` of each item; NaN where K is singular."""
    try:
        return np.asarray(np.linalg.solve(K, right), np.float64)
    except np.linalg.LinAlgError:
        pass
    Z = np.full(right.shape, np.nan)
    for item in range(len(K)):
        try:
            Z[item] = np.linalg.solve(K[item], right[item])
        except np.linalg.LinAlgError:
            continue
    return Z
