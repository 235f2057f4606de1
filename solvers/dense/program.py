"""Stacks of dense convex quadratic programs, and how their points are judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from .arrays import Array, Namespace, largest, namespace_of, taken, times

__all__ = ["Programs", "Residuals"]


@final
@dataclass(frozen=True, slots=True, eq=False)
class Programs:
    r"""B programs: minimize :math:`\tfrac12 x^TPx + q^Tx` subject to :math:`l \le Cx \le u`.

    Multipliers are those of docs/design.md, section 5: :math:`Px + q = C^Ty`, positive where a lower side pushes.

    Attributes
    ----------
    P : (b, n, n) symmetric, with b = B or, where all items have the same, b = 1
    q : (B, n)
    C : (b, m, n) likewise
    lower, upper : (B, m), infinite where there is no side
    equalities : how many rows, the first ones, have equal sides in all items
    """

    P: Array
    q: Array
    C: Array
    lower: Array
    upper: Array
    equalities: int = 0

    @property
    def xp(self) -> Namespace:
        """The functions for these arrays."""
        return namespace_of(self.P, self.q, self.C, self.lower, self.upper)

    def take(self, items: Array) -> Programs:
        """Some of them."""
        return Programs(
            taken(self.P, items),
            self.q[items],
            taken(self.C, items),
            self.lower[items],
            self.upper[items],
            self.equalities,
        )

    def residuals(self, x: Array, y: Array) -> Residuals:
        """How far points (B, n) and (B, m) are from solutions."""
        return Residuals.of(self, x, y)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Residuals:
    """How far points are from solutions, each beside the terms that it is made of.

    Attributes
    ----------
    gradient : (B, n) ``Px + q - Cᵀy``
    slack : (B, m) of a row ``Cx``, how far it is outside of its sides, negative below the lower one
    values : (B, m) the rows; terms : (B, m) how large they and their sides may be
    dual, primal : (B,) the largest of either, relative, in units in which the diagonal of P is one
    """

    gradient: Array
    slack: Array
    values: Array
    terms: Array
    dual: Array
    primal: Array

    @classmethod
    def of(cls, programs: Programs, x: Array, y: Array) -> Residuals:
        """Those of points (B, n) and (B, m)."""
        xp = programs.xp
        Px, pull, values = times(programs.P, x), times(programs.C.mT, y), times(programs.C, x)
        gradient = Px + programs.q - pull
        slack = xp.where(values < programs.lower, values - programs.lower, 0.0)
        slack = xp.where(values > programs.upper, values - programs.upper, slack)
        diagonal = xp.linalg.diagonal(programs.P)
        column = xp.sqrt(xp.where(diagonal > 0.0, diagonal, 1.0))
        unit = largest(xp, Px / column) + largest(xp, programs.q / column) + largest(xp, pull / column)
        norm = xp.sqrt(times(programs.C * programs.C, 1.0 / column**2))
        size = norm * xp.sqrt(xp.sum((column * x) ** 2, axis=1))[:, None]
        for side in (programs.lower, programs.upper):
            size = size + xp.where(xp.isfinite(side), xp.abs(side), 0.0)
        primal = largest(xp, slack / xp.where(size > 0.0, size, 1.0))
        dual = largest(xp, gradient / column) / xp.where(unit > 0.0, unit, 1.0)
        return cls(gradient, slack, values, size, dual, primal)
