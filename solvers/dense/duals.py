r"""Quadratic programs in the multipliers of their inequalities: one factorization of P, one Schur complement.

With :math:`P = LL^T` and :math:`V = L^{-1}C^T` a multiplier :math:`\lambda` of the rows (positive at upper sides) gives
:math:`x = -P^{-1}(q + C^T\lambda)` and the rows :math:`Cx = -(V^TL^{-1}q + S\lambda)`, :math:`S = V^TV`. Equalities are
eliminated from S by its leading block, once. What is left is

.. math:: w = -(c + S\lambda), \quad l \le w \le u, \quad \lambda_i \ge 0 \text{ at } u_i, \; \le 0 \text{ at } l_i,

in as many unknowns as there are inequalities, and all iterations are done there: no step of a method costs n². A row
has one place in S, whether it has one side or two. Rows are scaled so that the diagonal of S is one.

P that is not definite is regularized, by :math:`\rho` (the proximal method of R. T. Rockafellar, *Monotone operators
and the proximal point algorithm*, SIAM J. Control and Optimization 14 (1976), 877-898); dependent equalities likewise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

from .arrays import Array, Cholesky, Namespace, cholesky, largest, taken
from .program import Programs

__all__ = ["Duals"]

_REGULAR = 1e-9
"""The least pivot, relative to the diagonal, up to which a matrix counts as definite."""
_SHIFT = 1e-6
"""Of a matrix that is not, relative to the diagonal."""
_SHIFT_OF_ROWS = 1e-9
"""The same of equalities that depend on one another."""
_PUSH = 1e-3
"""Of a P without a diagonal entry: what the costs would move a variable by, the other way round."""
_DEPENDENT = 1e-10
"""What a row keeps of its part of S where equalities leave it nothing."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Duals:
    """The matrices of programs as problems in multipliers.

    Attributes
    ----------
    xp : the functions for the arrays
    factor : of P, or of P + rho
    rho : (b, n), zero where P is definite; delta : (b, e) likewise of the equalities
    half : (b, m, n) the rows ``L⁻¹c`` of Vᵀ, equalities first
    equalities : factor of their block of S; cross : (b, i, e) the part of S between, times the inverse factor
    S : (b, i, i) what the elimination of the equalities leaves of the inequalities, with unit diagonal
    scale : (b, i) of rows, to make it so: values of rows times it, multipliers divided by it
    is_convex : (b,) whether P + rho has a factor
    is_regular : (b,) whether P and the equalities needed no regularization
    """

    xp: Namespace
    factor: Cholesky
    rho: Array
    delta: Array
    half: Array
    equalities: Cholesky
    cross: Array
    S: Array
    scale: Array
    is_convex: Array
    is_regular: Array

    @property
    def count(self) -> int:
        """Number e of equalities."""
        return int(self.half.shape[1] - self.S.shape[1])

    @classmethod
    def of(cls, programs: Programs) -> Duals:
        """Those of programs."""
        xp, e = programs.xp, programs.equalities
        C = programs.C
        factor, rho, convex, definite = _factor_of_P(xp, programs)
        half = factor.half(C)
        S = half @ half.mT
        block, delta, independent = _regular_factor(xp, S[:, :e, :e])
        S_ii, cross = S[:, e:, e:], S[:, e:, :e]
        own = xp.linalg.diagonal(S_ii)
        if e:
            cross = block.half(cross)
            S_ii = S_ii - cross @ cross.mT
        diagonal = xp.linalg.diagonal(S_ii)
        diagonal = xp.where(diagonal > _DEPENDENT * own, diagonal, own)
        scale = 1.0 / xp.sqrt(xp.where(diagonal > 0.0, diagonal, 1.0))
        S_ii = scale[:, :, None] * S_ii * scale[:, None, :]
        return cls(xp, factor, rho, delta, half, block, cross, S_ii, scale, convex, definite & independent)

    def take(self, items: Array) -> Duals:
        """Those of some programs."""
        parts: list[Any] = [self.rho, self.delta, self.half, self.cross, self.S, self.scale]
        rho, delta, half, cross, S, scale = (taken(part, items) for part in parts)
        convex, regular = (taken(part, items) for part in (self.is_convex, self.is_regular))
        factor, block = self.factor.take(items), self.equalities.take(items)
        return Duals(self.xp, factor, rho, delta, half, block, cross, S, scale, convex, regular)

    # ------------------------------------------------------------------ between x and multipliers
    def pushed(self, upper: Array, rows: Array) -> tuple[Array, Array, Array]:
        """``L⁻¹`` of k vectors (B, k, n), and what the system of all rows makes of them and of (B, k, m).

        These are the right-hand sides (B, k, e) of equalities and (B, k, i) of inequalities without them, scaled.
        """
        e = self.count
        u = self.factor.half(upper)
        right = u @ self.half.mT - rows
        if not e:
            return u, right[:, :, :0], right * self.scale[:, None, :]
        of_equal = self.equalities.half(right[:, :, :e])
        return u, of_equal, (right[:, :, e:] - of_equal @ self.cross.mT) * self.scale[:, None, :]

    def pulled(self, u: Array, of_equal: Array, multipliers: Array) -> tuple[Array, Array]:
        """The x (B, k, n) and multipliers of all rows (B, k, m) of what `pushed` gave and scaled multipliers."""
        own = multipliers * self.scale[:, None, :]
        y = own
        if self.count:
            y = self.xp.concat([self.equalities.back(of_equal - own @ self.cross), own], axis=2)
        return self.factor.back(u - y @ self.half), y

    def ray(self, multipliers: Array) -> Array:
        """(B, m): multipliers of the equalities that go with a direction (B, i) of scaled ones."""
        own = (multipliers * self.scale)[:, None, :]
        if not self.count:
            return own[:, 0]
        return self.xp.concat([self.equalities.back(-(own @ self.cross)), own], axis=2)[:, 0]


def _factor_of_P(xp: Namespace, programs: Programs) -> tuple[Cholesky, Array, Array, Array]:
    """The factor of P, or of P + rho; rho; whether there is one, and whether rho is zero."""
    P = programs.P
    diagonal = xp.linalg.diagonal(P)
    factor = cholesky(xp, P + 0.0)  # a copy, which is consumed
    definite = factor.definite & xp.all(factor.pivots > _REGULAR * diagonal, axis=1)
    zero = 0.0 * diagonal
    if bool(xp.all(definite)):
        return factor, zero, definite, definite
    # what the costs would move a variable by
    rows, sides = programs.C, [programs.lower, programs.upper]
    norm = xp.sqrt(xp.sum(rows * rows, axis=2))[:, :, None]
    equal = xp.abs(rows) / xp.where(norm > 0.0, norm, 1.0)
    column = xp.max(equal, axis=1) if rows.shape[1] else 1.0 + 0.0 * diagonal
    column = xp.where(column > 0.0, column, 1.0)
    reach = 1.0 + 0.0 * largest(xp, programs.q)
    for side in sides:
        relative = xp.where(xp.isfinite(side), side, 0.0) / xp.where(norm[:, :, 0] > 0.0, norm[:, :, 0], 1.0)
        reach = xp.maximum(reach, largest(xp, relative))
    push = largest(xp, programs.q / column) / reach
    push = xp.where(push > 0.0, push, 1.0)
    if P.shape[0] == 1:
        push = xp.max(push, axis=0, keepdims=True)
        column = xp.max(column, axis=0, keepdims=True)
    rho = xp.maximum(_SHIFT * diagonal, _SHIFT * 1e-3 * largest(xp, diagonal)[:, None] + zero)
    rho = xp.maximum(rho, xp.where(diagonal > 0.0, zero, _PUSH * push[:, None] * column**2))
    rho = xp.where(definite[:, None], zero, rho)
    factor = cholesky(xp, P + rho[:, :, None] * xp.eye(P.shape[-1], dtype=P.dtype, device=P.device))
    return factor, rho, factor.definite, definite


def _regular_factor(xp: Namespace, M: Array) -> tuple[Cholesky, Array, Array]:
    """The factor of a matrix or of one with a larger diagonal; what was added; whether nothing was."""
    diagonal = xp.linalg.diagonal(M)
    factor = cholesky(xp, M + 0.0)
    regular = factor.definite & xp.all(factor.pivots > _REGULAR * diagonal, axis=1)
    delta = 0.0 * diagonal
    if not bool(xp.all(regular)):
        largest_entry = largest(xp, diagonal)[:, None]
        wanted = _SHIFT_OF_ROWS * xp.where(diagonal > 0.0, diagonal, xp.where(largest_entry > 0.0, largest_entry, 1.0))
        delta = xp.where(regular[:, None], delta, wanted)
        factor = cholesky(xp, M + delta[:, :, None] * xp.eye(M.shape[-1], dtype=M.dtype, device=M.device))
    return factor, delta, regular
