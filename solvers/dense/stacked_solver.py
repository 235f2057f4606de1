r"""Dense quadratic programs in stacks: exact solutions, with the systems that differentiate them, or proofs.

1. P is factorized and the rows are brought to their multipliers, once (`duals`).
2. Active rows are guessed and the guess is corrected (`active_rows`). Where it stands, that is the solution.
3. Where it does not, predictor-corrector steps give better guesses (`interior_point`); finished items leave the stack.
4. Programs whose P is not definite are solved around a centre, which moves to the solution until nothing moves.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import IntEnum
from typing import final

import numpy as np

from .active_rows import ActiveRows, exchanged, sides_at, written
from .arrays import Array, Namespace, largest, remaining, taken
from .duals import Duals
from .interior_point import InteriorPoint
from .program import Programs
from .rays import equalities_ray, farkas_ray, proves_infeasible, proves_unbounded

__all__ = ["Answers", "Ending", "solve"]

EXACT = 1e-10
"""Relative residual, and size of multipliers of a wrong sign, of a solution on its active rows."""
_CLOSE = 1e-11
"""Relative error at which interior points that point to no rows are good enough."""
_GOOD = 1e-8
_NOISE, _NEARLY, _AWAY = 1e-14, 1e-6, 100.0
_MARGIN = 1e-7
"""Relative size of the multiplier or slack of every inequality at which the solution is differentiable."""
_REGULAR = 1e-9
_ROUNDS = 10
_CORRECTIONS = 3
_CENTRES = 30
_DIVERGED = 1e12
"""Growth of multipliers at which they point along a proof, if along anything."""


class Ending(IntEnum):
    """What became of an item."""

    EXACT = 0
    """A solution on its active rows, to rounding."""
    CLOSE = 1
    """A solution as far as interior points tell, which point to no rows."""
    INFEASIBLE = 2
    UNBOUNDED = 3
    NONCONVEX = 4
    NOT_FINITE = 5
    STALLED = 6
    """The limit of steps was reached."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What was found of B programs.

    Attributes
    ----------
    x, y : (B, n) and (B, m), with ``Px + q = Cᵀy``; a ray or a proof where `ending` says so
    side : (B, i) at which sides the inequalities are: -1 lower, 1 upper, 0 none
    ending : (B,) of `Ending`
    is_smooth : (B,) whether, besides being exact, each inequality is clearly active or not, and no matrix near singular
    steps : interior-point steps of the item that took most
    programs, duals : the system at `rows`
    """

    x: Array
    y: Array
    side: Array
    ending: Array
    is_smooth: Array
    steps: int
    programs: Programs
    duals: Duals

    @property
    def is_settled(self) -> Array:
        """(B,): which items are exact, with matrices that needed no regularization, and so in all units."""
        return (self.ending == int(Ending.EXACT)) & self.duals.is_regular

    @property
    def rows(self) -> ActiveRows:
        """The system of all items, worthless for those that are not exact."""
        return ActiveRows(self.programs, self.duals, self.side)


def solve(
    programs: Programs,
    limit: int = 80,
    seconds: float = float("inf"),
    duals: Duals | None = None,
    side: Array | None = None,
) -> Answers:
    """Solve them.

    Parameters
    ----------
    programs : the stack
    limit : interior-point steps around a centre; at least one point is looked at
    seconds : after which no further step is made
    duals : the matrices, if they are known from programs with the same
    side : (B, i) a guess of the active inequalities: -1 lower, 1 upper, 0 none

    Examples
    --------
    >>> import numpy as np
    >>> stack = Programs(np.eye(2)[None], np.array([[-1.0, -2.0]]), np.ones((1, 1, 2)), np.full((1, 1), -np.inf),
    ...     np.ones((1, 1)))
    >>> found = solve(stack)
    >>> found.x, found.y
    (array([[0., 1.]]), array([[-1.]]))
    """
    with np.errstate(all="ignore"):  # what overflows is no solution, and is not taken for one
        return _Run(programs, limit, seconds, duals, side).answers()


@final
class _Run:
    """The state of a solve: results of all items, and those that are still worked on."""

    def __init__(self, programs: Programs, limit: int, seconds: float, duals: Duals | None, side: Array | None) -> None:
        self.xp, self.limit, self.steps = programs.xp, limit, 0
        self.end = time.perf_counter() + seconds
        xp, (B, n) = self.xp, programs.q.shape
        self.programs, self.e = programs, programs.equalities
        self.duals = Duals.of(programs) if duals is None else duals
        e, m = self.e, programs.lower.shape[1]
        kind = {"dtype": programs.q.dtype, "device": programs.q.device}
        self.x, self.y = xp.zeros((B, n), **kind), xp.zeros((B, m), **kind)
        self.side = xp.zeros((B, m - e), dtype=xp.int64, device=programs.q.device) if side is None else side
        self.ending = xp.full((B,), int(Ending.STALLED), dtype=xp.int64, device=programs.q.device)
        self.smooth = xp.zeros((B,), dtype=xp.bool, device=programs.q.device)

    @property
    def is_late(self) -> bool:
        """Whether the time is over."""
        return time.perf_counter() >= self.end

    def answers(self) -> Answers:
        """Work on all items until each has ended."""
        xp, programs = self.xp, self.programs
        items = xp.arange(len(programs.q), device=programs.q.device)
        finite = xp.all(xp.isfinite(programs.q), axis=1) & xp.isfinite(xp.sum(programs.P, axis=(1, 2)))
        finite = finite & xp.isfinite(xp.sum(programs.C, axis=(1, 2)))
        convex = self.duals.is_convex & (finite | True)
        ending = xp.where(convex, self.ending, int(Ending.NONCONVEX))
        self.ending = xp.where(finite, ending, int(Ending.NOT_FINITE))
        fine = finite & convex
        if not bool(xp.all(fine)):
            items = remaining(xp, fine)
        centre = 0.0 * (self.x if len(items) == len(self.x) else self.x[items])
        for _ in range(_CENTRES):
            if not len(items) or self.is_late:
                break
            items, centre = self._around(items, centre)
        return Answers(self.x, self.y, self.side, self.ending, self.smooth, self.steps, self.programs, self.duals)

    def _around(self, items: Array, centre: Array) -> tuple[Array, Array]:
        """Solve some items around their centres; those that have not ended, and where they are now."""
        xp, e = self.xp, self.e
        is_all = len(items) == len(self.x)
        programs = self.programs if is_all else self.programs.take(items)
        duals = self.duals if is_all else self.duals.take(items)
        side = self.side if is_all else self.side[items]
        zeros = xp.zeros_like(programs.lower[:, e:])
        rows = xp.concat([programs.lower[:, :e], zeros], axis=1)
        u, of_equal, right = duals.pushed((duals.rho * centre - programs.q)[:, None, :], rows[:, None, :])
        costs = -right[:, 0]
        lower, upper = duals.scale * programs.lower[:, e:], duals.scale * programs.upper[:, e:]
        side, stands, doubtful = exchanged(xp, duals.S, costs, lower, upper, side, _ROUNDS)
        point = self._on_rows(programs, duals, side)
        stands = stands & (~doubtful | point.exact)
        multipliers, ended = zeros, stands
        rest = remaining(xp, ~stands)
        if len(rest):
            some = _some(duals, rest, len(stands))
            problem = programs if len(rest) == len(stands) else programs.take(rest)
            found = self._interior(problem, some, costs[rest], lower[rest], upper[rest])
            parts, is_open = (side, stands, multipliers, ended), ~stands[rest]
            side, stands, multipliers, ended = (
                written(xp, old, rest, _chosen(xp, is_open, new, old[rest]))
                for old, new in zip(parts, found, strict=True)
            )
            point = self._on_rows(programs, duals, side)
        exact, smooth = point.exact & stands, point.is_smooth & stands
        # around a centre they are what interior points say, or what the rows say
        near, own = duals.pulled(u, of_equal, multipliers[:, None, :])
        around_x = near[:, 0]
        if not bool(xp.all(duals.is_regular)):
            local = _around_centre(point.system, programs, duals, side, centre)
            around_x = xp.where((stands & ~exact)[:, None], local, around_x)
        at = exact[:, None]
        x, y = xp.where(at, point.x, around_x), xp.where(at, point.y, -own[:, 0])
        ending = xp.where(exact, int(Ending.EXACT), int(Ending.STALLED))
        regular = duals.is_regular if len(duals.is_regular) == len(exact) else exact | duals.is_regular[0]
        residuals = programs.residuals(x, y)
        close = (xp.maximum(residuals.dual, residuals.primal) <= _GOOD) & ended & ~exact
        ending = xp.where(close, int(Ending.CLOSE), ending)
        # proofs
        open_ = ending == int(Ending.STALLED)
        if bool(xp.any(open_)):
            ray = farkas_ray(duals, multipliers, lower, upper)
            infeasible = open_ & proves_infeasible(programs, ray)
            x, y = xp.where(infeasible[:, None], 0.0, x), xp.where(infeasible[:, None], ray, y)
            ending = xp.where(infeasible, int(Ending.INFEASIBLE), ending)
            if e:
                miss = xp.concat([equalities_ray(duals, programs.lower[:, :e]), zeros], axis=1)
                infeasible = (ending == int(Ending.STALLED)) & proves_infeasible(programs, miss)
                x, y = xp.where(infeasible[:, None], 0.0, x), xp.where(infeasible[:, None], miss, y)
                ending = xp.where(infeasible, int(Ending.INFEASIBLE), ending)
            move = x - centre
            unit = largest(xp, move)[:, None]
            move = move / xp.where(unit > 0.0, unit, 1.0)
            unbounded = (ending == int(Ending.STALLED)) & proves_unbounded(programs, move)
            x = xp.where(unbounded[:, None], move, x)
            ending = xp.where(unbounded, int(Ending.UNBOUNDED), ending)
        self.x, self.y = written(xp, self.x, items, x), written(xp, self.y, items, y)
        self.side, self.smooth = written(xp, self.side, items, side), written(xp, self.smooth, items, smooth & exact)
        fixed = (self.ending[items] == int(Ending.NONCONVEX)) | (self.ending[items] == int(Ending.NOT_FINITE))
        ending = xp.where(fixed, self.ending[items], ending)
        self.ending = written(xp, self.ending, items, ending)
        goes_on = (ending == int(Ending.STALLED)) & ~regular
        keep = remaining(xp, goes_on)
        return items[keep], x[keep]

    def _interior(
        self, programs: Programs, duals: Duals, costs: Array, lower: Array, upper: Array
    ) -> tuple[Array, Array, Array, Array]:
        """Sides (B, i), whether they stand, multipliers, and whether these are accurate."""
        xp, (B, i) = self.xp, costs.shape
        none = xp.zeros((B,), dtype=xp.bool, device=costs.device)
        side = xp.zeros((B, i), dtype=xp.int64, device=costs.device)
        if not i:
            return side, none, 0.0 * costs, ~none
        found = (side, none, 0.0 * costs, none)
        live, over = xp.arange(B, device=costs.device), none
        point, tried = InteriorPoint.of(xp, duals.S, costs, lower, upper), side - 2
        first = 1.0 + xp.max(point.z, axis=(1, 2))
        least, best = first + float("inf"), point.multipliers
        for step in range(self.limit):
            point.step()
            self.steps = max(self.steps, step + 1)
            guess, error, done = point.guess, point.error, 0 * live == 1
            is_new = xp.any(guess != tried, axis=1) & (step >= 1) & ~over
            if bool(xp.any(is_new)):
                chosen = remaining(xp, is_new)
                at = (programs, duals) if len(live) == B else (programs.take(live), duals.take(live))
                corrected, holds = self._corrected(at, point, chosen, guess, (lower[live], upper[live]))
                holds = holds & is_new[chosen]
                done = written(xp, done, chosen, holds)
                tried = xp.where(is_new[:, None], guess, tried)
                guess = written(xp, guess, chosen, xp.where(holds[:, None], corrected, guess[chosen]))
            nearer = error < least
            best = xp.where(nearer[:, None], point.multipliers, best)
            # beyond what rounding allows, steps lead away again
            close = ((least <= _CLOSE) & (error > 0.5 * least)) | (error <= _NOISE)
            close = close | ((least <= _NEARLY) & (error > _AWAY * least))
            least = xp.where(nearer, error, least)
            grown = xp.max(point.z, axis=(1, 2)) > _DIVERGED * first
            ends = (done | close | grown | ~xp.isfinite(error)) & ~over
            if step == self.limit - 1 or self.is_late:
                ends = ~over
            if bool(xp.any(ends)):
                last = xp.where(close[:, None], best, point.multipliers)
                parts = guess, done, last, done | close
                found = tuple(
                    written(xp, old, live, _chosen(xp, ends, new, old[live]))
                    for old, new in zip(found, parts, strict=True)
                )
                over = over | ends
                keep = remaining(xp, ~over)
                if not len(keep):
                    break
                if len(keep) < len(live):
                    live, point, tried, first = live[keep], point.take(keep), tried[keep], first[keep]
                    least, best, over = least[keep], best[keep], over[keep]
        side, stands, multipliers, accurate = found
        return side, stands, multipliers, accurate

    def _corrected(
        self, of: tuple[Programs, Duals], point: InteriorPoint, chosen: Array, guess: Array, sides: tuple[Array, Array]
    ) -> tuple[Array, Array]:
        """The guesses of some items corrected, and whether they stand."""
        (programs, duals), (lower, upper) = of, sides
        xp, S = self.xp, point.S if len(chosen) == len(guess) else taken(point.S, chosen)
        side, holds, doubtful = exchanged(
            xp, S, point.costs[chosen], lower[chosen], upper[chosen], guess[chosen], _CORRECTIONS
        )
        if bool(xp.any(holds & doubtful)):
            holds = holds & (~doubtful | self._on_rows(programs.take(chosen), duals.take(chosen), side).exact)
        return side, holds

    def _on_rows(self, programs: Programs, duals: Duals, side: Array) -> _Point:
        """The points on active rows, and whether they are solutions."""
        xp, e = self.xp, self.e
        system = ActiveRows(programs, duals, side)
        found_x, found_y = system.solve(-programs.q[:, None, :], _at_sides(programs, side)[:, None, :])
        x, y = found_x[:, 0], -found_y[:, 0]
        residuals = programs.residuals(x, y)
        multipliers = -y[:, e:] / duals.scale
        of_dual = largest(xp, multipliers)[:, None] + 0.0 * multipliers
        signed = xp.where(side > 0, multipliers, -multipliers)
        right = xp.all((side == 0) | (signed >= -EXACT * of_dual), axis=1)
        exact = right & (residuals.dual <= EXACT) & (residuals.primal <= EXACT)
        values = residuals.values[:, e:]
        gaps = xp.minimum(values - programs.lower[:, e:], programs.upper[:, e:] - values)
        clear = xp.where(side == 0, gaps > _MARGIN * residuals.terms[:, e:], signed > _MARGIN * of_dual)
        smooth = xp.all(clear, axis=1) & (system.pivots > _REGULAR)
        if not bool(xp.all(duals.is_regular)):
            smooth = smooth & (duals.is_regular | system.is_regular)
        return _Point(system, x, y, exact, exact & smooth)


@final
@dataclass(frozen=True, slots=True, eq=False)
class _Point:
    """Points on active rows: (B, n), (B, m), whether they are solutions (B,), and clearly so (B,)."""

    system: ActiveRows
    x: Array
    y: Array
    exact: Array
    is_smooth: Array


def _at_sides(programs: Programs, side: Array) -> Array:
    """The values (B, m) of all rows that are at sides."""
    e, xp = programs.equalities, programs.xp
    own = sides_at(xp, side, programs.lower[:, e:], programs.upper[:, e:])
    return xp.concat([programs.lower[:, :e], own], axis=1)


def _around_centre(system: ActiveRows, programs: Programs, duals: Duals, side: Array, centre: Array) -> Array:
    """The x (B, n) on active rows around the centres: one application of the regularized factors."""
    x, _ = system.once((duals.rho * centre - programs.q)[:, None, :], _at_sides(programs, side)[:, None, :])
    return x[:, 0]


def _chosen(xp: Namespace, mask: Array, new: Array, old: Array) -> Array:
    """Of each item the one or the other."""
    return xp.where(mask[:, None] if new.ndim > 1 else mask, new, old)


def _some(duals: Duals, items: Array, count: int) -> Duals:
    """Those of some of so many items."""
    return duals if len(items) == count else duals.take(items)
