"""Points where a Lagrangian is stationary, for a batch of programs at once.

Each item minimizes f(x) subject to c(x) = 0. With g the gradient of f, J the Jacobian of c and J⁺ its pseudo-inverse,
the multipliers λ are those nearest to given ones of all that make g + Jᵀλ least, P = I − J⁺J projects on directions
along the rows, and H is the Hessian of f + λᵀc. A step is −J⁺c, which leads to the rows, and along them Newton's with
the moduli of the eigenvalues of PHP in their place, so that it descends wherever they are negative (Nocedal and Wright,
Numerical Optimization, 2006, chapters 3 and 18). Steps are halved until f + ν|c|₁ decreases; one that halves the error
of the conditions at a point of positive curvature is taken in any case, which keeps convergence quadratic.

There is a loop over steps and none over items: every item goes on until it has converged, on arrays of the whole batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["FLAT", "Local", "Program", "newton"]

FLAT = 1e-11  # of the largest entry of H: eigenvalues below it are zero
_RANK = 1e-11
_NOISE = 1e-10
_STEPS = 100
_HALVINGS = 30


class Program:
    """Values and derivatives of f and c, which are functions (x, *data) of one item, for a batch of them."""

    def __init__(self, objective: Callable[..., Any], rows: Callable[..., Any]) -> None:
        from torch import func

        def lagrangian(x: Any, multipliers: Any, *data: Any) -> Any:
            return objective(x, *data) + multipliers @ rows(x, *data)

        def adjoint(x: Any, multipliers: Any, a: Any, b: Any, *data: Any) -> Any:
            return a @ func.grad(lagrangian)(x, multipliers, *data) + b @ rows(x, *data)

        def both(x: Any, *data: Any) -> tuple[Any, Any]:
            return objective(x, *data), rows(x, *data)

        def first(x: Any, *data: Any) -> tuple[Any, Any, Any]:
            c = rows(x, *data)
            jacobian = func.jacrev(rows)(x, *data) if len(c) else x.new_zeros(0, len(x))
            return func.grad(objective)(x, *data), c, jacobian

        self.first = func.vmap(first)
        self.hessian = func.vmap(func.jacrev(func.grad(lagrangian)))
        self.adjoint = func.vmap(adjoint)
        self.values = func.vmap(both)

    def along(self, points: Any, data: tuple[Any, ...]) -> tuple[Any, Any]:
        """Return f and c at (K, B, n) points, K for each item."""
        from torch import func

        found: tuple[Any, Any] = func.vmap(lambda x: self.values(x, *data))(points)
        return found


@dataclass(frozen=True, slots=True)
class Local:
    """What a batch of programs looks like at points x: all are tensors with the items in front.

    ``curvatures`` and ``directions`` are eigenvalues and eigenvectors of PHP; ``tangent`` tells which of them lie along
    the rows, the others have no meaning.
    """

    x: Any
    multipliers: Any
    gradient: Any
    rows: Any
    jacobian: Any
    inverse: Any
    hessian: Any
    curvatures: Any
    directions: Any
    tangent: Any
    finite: Any

    @classmethod
    def at(cls, program: Program, x: Any, near: Any, data: tuple[Any, ...]) -> Local:
        """Of multipliers the ones nearest to those given; where anything is not finite zeros stand for it."""
        import torch

        gradient, rows, jacobian = program.first(x, *data)
        finite = gradient.isfinite().all(1) & rows.isfinite().all(1) & jacobian.isfinite().all(2).all(1)
        gradient, rows, jacobian = (torch.nan_to_num(t, 0.0, 0.0, 0.0) for t in (gradient, rows, jacobian))
        inverse = torch.linalg.pinv(jacobian, rtol=_RANK)
        slope = gradient + _times(jacobian.mT, near)
        multipliers = near - _times(inverse.mT, slope)
        hessian = program.hessian(x, multipliers, *data)
        finite = finite & hessian.isfinite().all(2).all(1)
        hessian = torch.nan_to_num(hessian, 0.0, 0.0, 0.0)
        size = _largest(hessian)[:, None, None]
        size = torch.where(size > 0, size, 1.0)
        n = x.shape[1]
        across = inverse @ jacobian
        project = torch.eye(n, dtype=x.dtype, device=x.device) - across
        along = project @ (hessian / size) @ project
        found, directions = torch.linalg.eigh(
            (along + along.mT) / 2 + 2 * n * across
        )  # the latter apart from all others
        return cls(
            x,
            multipliers,
            gradient,
            rows,
            jacobian,
            inverse,
            hessian,
            found * size[:, 0],
            directions,
            found < 1.5 * n,
            finite,
        )

    @property
    def residual(self) -> Any:
        """(B, n) g + Jᵀλ."""
        return self.gradient + _times(self.jacobian.mT, self.multipliers)

    @property
    def error(self) -> Any:
        """(B,) by how much the conditions are missed."""
        import torch

        missed = _largest(self.residual) + _largest(self.rows)
        return torch.where(self.finite, missed, torch.inf)

    @property
    def terms(self) -> Any:
        """(B,) the size of what is summed in g + Jᵀλ."""
        weight = _largest(self.jacobian.abs() * self.multipliers.abs()[:, :, None])
        return _largest(self.gradient) + weight + _largest(self.hessian) * _largest(self.x).clamp(min=1.0)

    def holds(self, tolerance: float) -> Any:
        """(B,) whether the conditions hold to a part of their terms."""
        reach = self.jacobian.abs().sum(2) * _largest(self.x).clamp(min=1.0)[:, None]
        on_rows = (self.rows.abs() <= tolerance * reach).all(1)
        return self.finite & on_rows & (_largest(self.residual) <= tolerance * self.terms)

    @property
    def flat(self) -> Any:
        """(B, n) which directions along the rows have no curvature."""
        return self.tangent & (self.curvatures.abs() <= FLAT * _largest(self.hessian)[:, None])

    @property
    def falling(self) -> Any:
        """(B,) whether the curvature is negative along some."""
        return (self.tangent & ~self.flat & (self.curvatures < 0)).any(1)

    def step(self) -> Any:
        """(B, n) Newton's step, which descends also where curvature is negative."""
        import torch

        normal = -_times(self.inverse, self.rows)
        slope = self.residual + _times(self.hessian, normal)
        parts = _times(self.directions.mT, slope)
        flat = self.flat
        noise = parts.abs() <= _NOISE * self.terms[:, None]
        pull = (_largest(self.gradient) / (1 + _largest(self.x)))[:, None].clamp(min=1e-300)
        divisor = torch.where(flat, pull, self.curvatures.abs().clamp(min=1e-300))
        parts = torch.where(self.tangent & ~(flat & noise), parts / divisor, 0.0)
        return normal - _times(self.directions, parts)

    def solve(self, cotangent: Any) -> tuple[Any, Any]:
        """(a, b) with H a + Jᵀ b = v and J a = 0; a of least norm where directions are flat."""
        import torch

        used = self.tangent & ~self.flat
        parts = _times(self.directions.mT, cotangent) / torch.where(used, self.curvatures, 1.0)
        a = _times(self.directions, torch.where(used, parts, 0.0))
        return a, _times(self.inverse.mT, cotangent - _times(self.hessian, a))


def newton(program: Program, x: Any, multipliers: Any, data: tuple[Any, ...]) -> Local:
    """Where the steps from x end."""
    import torch

    here = Local.at(program, x, multipliers, data)
    going = here.finite
    lengths = 0.5 ** torch.arange(_HALVINGS, dtype=x.dtype, device=x.device)
    for _ in range(_STEPS):
        step = here.step()
        going = going & (_largest(step) > 1e-14 * (1 + _largest(here.x)))
        if not going.any():
            break
        step = torch.where(going[:, None], step, 0.0)
        full = Local.at(program, here.x + step, here.multipliers, data)
        good = (full.error <= 0.5 * here.error) & ~full.falling
        if bool((good | ~going).all()):
            here = full
            continue
        chosen = _shortened(program, here, step, lengths, data)
        length = torch.where(good, 1.0, chosen)
        going = going & (length > 0)
        x = torch.where(going[:, None], here.x + length[:, None] * step, here.x)
        here = Local.at(program, x, here.multipliers, data)
    return here


def _shortened(program: Program, here: Local, step: Any, lengths: Any, data: tuple[Any, ...]) -> Any:
    """(B,) the longest of the lengths by which f + ν|c|₁ decreases enough, 0 where none does."""
    import torch

    weight = 2 * _largest(here.multipliers) + 1
    f, c = program.along(here.x + lengths[:, None, None] * step, data)
    f0, c0 = program.values(here.x, *data)
    before = c0.abs().sum(1)
    change = f - f0 + weight * (c.abs().sum(2) - before)
    slope = (here.gradient * step).sum(1) - weight * before
    enough = change <= 1e-4 * lengths[:, None] * slope.clamp(max=0.0)
    enough = enough & change.isfinite() & (change < 0)
    first = enough.to(torch.int8).argmax(0)
    return torch.where(enough.any(0), lengths[first], 0.0)


def _times(matrices: Any, vectors: Any) -> Any:
    return (matrices @ vectors[:, :, None])[:, :, 0]


def _largest(values: Any) -> Any:
    """(B,) the largest modulus, 0 of nothing."""
    flat = values.abs().flatten(1)
    return flat.amax(1) if flat.shape[1] else flat.sum(1)
