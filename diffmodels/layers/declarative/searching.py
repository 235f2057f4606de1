"""Solutions of programs with inequalities: which rows are active, and the point that they make.

From a start, rows that hold with equality there are taken for active, and Newton's method finds the point at which the
Lagrangian with these is stationary; rows that it violates become active, those with negative multipliers are let go.
Where that does not settle, the augmented Lagrangian f + (max(0, μ + ρ g)² − μ²) / 2ρ (Rockafellar, 1973) leads to the
active rows from farther away, and the same is done from there. So all points that are accepted satisfy the conditions
of Karush, Kuhn and Tucker, however they were found.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ....modelkit.attributes import DifferentiationStatusCode
from .stationary import Local, Program, newton

__all__ = ["Found", "Search"]

_ACTIVE = 1e-6
_WEAK = 1e-9
_SOLVED = 1e-6
_ACCURATE = 1e-10
_CHANGES = 10
_OUTER = 40


@dataclass(frozen=True, slots=True)
class Found:
    """Points, and what holds there; rows of `local` are the equalities, then the inequalities (zero if inactive)."""

    local: Local
    active: Any
    settled: Any
    weak: Any
    vanishing: Any

    @property
    def solved(self) -> Any:
        """(B,) whether an item has a solution."""
        return self.settled & self.local.holds(_SOLVED)

    def statuses(self, equalities: int) -> list[DifferentiationStatusCode]:
        """What the derivatives are."""
        import torch

        codes, here = DifferentiationStatusCode, self.local
        in_use = self.active.sum(1) + equalities
        told = [
            (~(here.holds(_ACCURATE) & self.settled), codes.INACCURATE),
            (here.falling, codes.SADDLE),
            (here.flat.any(1) | self.vanishing, codes.NONUNIQUE),
            (self.weak.any(1), codes.WEAKLY_ACTIVE),
            ((~here.tangent).sum(1) < in_use, codes.DEPENDENT_ROWS),
            (torch.ones_like(self.settled), codes.EXACT),
        ]
        first = torch.stack([true for true, _ in told]).to(torch.int8).argmax(0)
        return [told[k][1] for k in first.tolist()]


class Search:
    """The programs min f(x, θ) subject to h(x, θ) = 0 and g(x, θ) <= 0, given as functions of one item."""

    def __init__(
        self, objective: Callable[..., Any], equalities: Callable[..., Any], inequalities: Callable[..., Any]
    ) -> None:
        import torch

        def f(x: Any, active: Any, *theta: Any) -> Any:
            return objective(x, *theta)

        def rows(x: Any, active: Any, *theta: Any) -> Any:
            return torch.cat([equalities(x, *theta), torch.where(active, inequalities(x, *theta), 0.0)])

        def augmented(x: Any, mu: Any, rho: Any, *theta: Any) -> Any:
            shifted = torch.relu(mu + rho * inequalities(x, *theta))
            return objective(x, *theta) + ((shifted**2 - mu**2) / (2 * rho)).sum()

        def equal(x: Any, mu: Any, rho: Any, *theta: Any) -> Any:
            return equalities(x, *theta)

        self.program = Program(f, rows)
        self._augmented = Program(augmented, equal)
        self._equalities = torch.func.vmap(equalities)
        self._inequalities = torch.func.vmap(inequalities)

    def __call__(self, x: Any, theta: tuple[Any, ...]) -> Found:
        """The solutions found from starts x, (B, n)."""
        import torch

        g = self._inequalities(x, *theta)
        m = self._equalities(x, *theta).shape[1]
        found = self._settle(x, x.new_zeros(x.shape[0], m + g.shape[1]), g >= -_ACTIVE, theta)
        lost = ~(found.solved & ~found.local.falling)
        if not g.shape[1] or not lost.any():
            return found
        farther, multipliers = self._approach(x, g, theta)
        again = self._settle(farther, multipliers, multipliers[:, m:] > 0, theta)
        better = lost & again.solved
        return _merged(better, again, found, torch.where)

    def _settle(self, x: Any, multipliers: Any, active: Any, theta: tuple[Any, ...]) -> Found:
        import torch

        m = multipliers.shape[1] - active.shape[1]
        every = torch.ones_like(active)
        for _ in range(_CHANGES):
            here = newton(self.program, x, multipliers, (active, *theta))
            _, rows, jacobian = self.program.first(here.x, every, *theta)
            g, lengths = rows[:, m:], jacobian[:, m:].abs().sum(2)
            near = _WEAK * lengths * here.x.abs().amax(1, keepdim=True).clamp(min=1.0)
            small = _WEAK * here.terms[:, None] / lengths.clamp(min=1e-300)
            mu = here.multipliers[:, m:]
            wrong = torch.where(active, mu < -small, ~(g <= near))
            settled = ~wrong.any(1)
            if bool(settled.all()):
                break
            active = active ^ wrong
            x, multipliers = here.x, torch.cat([here.multipliers[:, :m], torch.where(active, mu, 0.0)], 1)
        else:
            here = newton(self.program, x, multipliers, (active, *theta))
        weak = (g.abs() <= near) & (mu.abs() <= small)
        return Found(here, active, settled, weak, self._vanishing(here, (active, *theta)))

    def _vanishing(self, here: Local, data: tuple[Any, ...]) -> Any:
        """(B,) whether curvature along the rows is far less than very near, as that of x⁴ at 0."""
        moved = self.program.hessian(here.x + 1e-6 * here.x.abs() + 1e-10, here.multipliers, *data)
        along = (here.directions.mT @ moved @ here.directions).diagonal(dim1=1, dim2=2)
        return (here.tangent & (along.abs() > 2 * here.curvatures.abs())).any(1)

    def _approach(self, x: Any, g: Any, theta: tuple[Any, ...]) -> tuple[Any, Any]:
        """Points near solutions and their multipliers."""
        import torch

        mu, rho = torch.zeros_like(g), torch.full_like(g[:, :1], 10.0)
        multipliers = torch.zeros_like(self._equalities(x, *theta))
        before = torch.full_like(rho, torch.inf)
        for _ in range(_OUTER):
            here = newton(self._augmented, x, multipliers, (mu, rho, *theta))
            x, multipliers = here.x, here.multipliers
            g = self._inequalities(x, *theta)
            missed = torch.maximum(g, -mu / rho).abs().amax(1, keepdim=True)
            mu = torch.nan_to_num(torch.relu(mu + rho * g))
            if bool((~(missed > 1e-10)).all()):
                break
            rho = torch.where(missed > 0.25 * before, (10 * rho).clamp(max=1e8), rho)
            before = missed
        return x, torch.cat([multipliers, mu], 1)


def _merged(better: Any, new: Found, old: Found, where: Callable[..., Any]) -> Found:
    """The new one for some items, the old one for others."""

    def choose(a: Any, b: Any) -> Any:
        return where(better.reshape(-1, *[1] * (a.dim() - 1)), a, b)

    local = Local(*(choose(getattr(new.local, k), getattr(old.local, k)) for k in Local.__dataclass_fields__))
    return Found(local, *(choose(getattr(new, k), getattr(old, k)) for k in ("active", "settled", "weak", "vanishing")))
