r"""Dense quadratic programs in stacks: exact solutions, with the systems that differentiate them, or proofs.

1. P is factorized and the rows are brought to their multipliers, once (`duals`).
2. Active rows are guessed and the guess is corrected (`active_rows`). Where it stands, that is the solution.
3. Where it does not, predictor-corrector steps give better guesses (`interior_point`); finished items leave the stack.
4. Programs whose P is not definite are solved around a centre, which moves to the solution until nothing moves.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import final

import numpy as np

from .active_rows import ActiveRows, exchanged, sides_at, written
from .arrays import Array, largest
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
_DIVERGED = 1e3
"""Growth of multipliers from which they may point along a proof."""


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
    def rows(self) -> ActiveRows:
        """The system of all items, worthless for those that are not exact."""
        return ActiveRows(self.programs, self.duals, self.side)


def solve(programs: Programs, limit: int = 80) -> Answers:
    """Solve them.

    Parameters
    ----------
    programs : the stack
    limit : interior-point steps of an item

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
        return _Run(programs, limit).answers()


@final
class _Run:
    """The state of a solve: results of all items, and those that are still worked on."""

    def __init__(self, programs: Programs, limit: int) -> None:
        self.xp, self.limit, self.steps = programs.xp, limit, 0
        xp, (B, n) = self.xp, programs.q.shape
        self.programs, self.e = programs, programs.equalities
        self.duals = Duals.of(programs)
        e, m = self.e, programs.lower.shape[1]
        kind = {"dtype": programs.q.dtype, "device": programs.q.device}
        self.x, self.y = xp.zeros((B, n), **kind), xp.zeros((B, m), **kind)
        self.side = xp.zeros((B, m - e), dtype=xp.int64, device=programs.q.device)
        self.ending = xp.full((B,), int(Ending.STALLED), dtype=xp.int64, device=programs.q.device)
        self.smooth = xp.zeros((B,), dtype=xp.bool, device=programs.q.device)

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
            items = xp.nonzero(fine)[0]
        centre = 0.0 * (self.x if len(items) == len(self.x) else self.x[items])
        for _ in range(_CENTRES):
            if not len(items):
                break
            items, centre = self._around(items, centre)
        return Answers(
            self.x, self.y, self.side, self.ending, self.smooth, self.steps, self.programs, self.duals
        )

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
        side, stands, doubtful = exchanged(duals, costs, lower, upper, side, _ROUNDS)
        point = self._on_rows(programs, duals, side)
        stands = stands & (~doubtful | point.exact)
        multipliers, ended = zeros, stands
        rest = xp.nonzero(~stands)[0]
        if len(rest):
            some = _some(duals, rest, len(stands))
            problem = programs if len(rest) == len(stands) else programs.take(rest)
            found = self._interior(problem, some, costs[rest], lower[rest], upper[rest])
            side, stands = written(xp, side, rest, found[0]), written(xp, stands, rest, found[1])
            multipliers, ended = written(xp, multipliers, rest, found[2]), written(xp, ended, rest, found[3])
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
        self.ending = written(xp, self.ending, items, ending)
        goes_on = (ending == int(Ending.STALLED)) & ~regular
        keep = xp.nonzero(goes_on)[0]
        return items[keep], x[keep]

    def _interior(
        self, programs: Programs, duals: Duals, costs: Array, lower: Array, upper: Array
    ) -> tuple[Array, Array, Array, Array]:
        """Sides (B, i), whether they stand, multipliers, and whether these are accurate."""
        xp, (B, i) = self.xp, costs.shape
        side = xp.zeros((B, i), dtype=xp.int64, device=costs.device)
        stands = xp.zeros(B, dtype=xp.bool, device=costs.device)
        accurate, multipliers = stands, 0.0 * costs
        if not i:
            return side, stands, multipliers, ~stands
        live = xp.arange(B, device=costs.device)
        point, tried = InteriorPoint.of(duals, costs, lower, upper), side - 2
        first = 1.0 + xp.max(point.z, axis=(1, 2))
        low, high, least, best = lower, upper, first + float("inf"), multipliers
        for step in range(self.limit):
            point.step()
            self.steps = max(self.steps, step + 1)
            guess, error = point.guess, point.error
            is_new = xp.any(guess != tried, axis=1) & (step >= 1)
            done = 0 * live == 1
            if bool(xp.any(is_new)):
                chosen = xp.nonzero(is_new)[0]
                some = _some(point.duals, chosen, len(live))
                found, holds, doubtful = exchanged(
                    some, point.costs[chosen], low[chosen], high[chosen], guess[chosen], _CORRECTIONS
                )
                if bool(xp.any(holds & doubtful)):
                    holds = holds & (~doubtful | self._on_rows(programs.take(live[chosen]), some, found).exact)
                done = written(xp, done, chosen, holds)
                tried = written(xp, tried, chosen, guess[chosen])
                guess = written(xp, guess, chosen, xp.where(holds[:, None], found, guess[chosen]))
            nearer = error < least
            best = xp.where(nearer[:, None], point.multipliers, best)
            # beyond what rounding allows, steps lead away again
            close = ((least <= _CLOSE) & (error > 0.5 * least)) | (error <= _NOISE)
            close = close | ((least <= _NEARLY) & (error > _AWAY * least))
            least = xp.where(nearer, error, least)
            grown = xp.max(point.z, axis=(1, 2)) > 1e12 * first
            ends = done | close | grown | ~xp.isfinite(error)
            if step == self.limit - 1:
                ends = ends | True
            if bool(xp.any(ends)):
                out = xp.nonzero(ends)[0]
                side = written(xp, side, live[out], guess[out])
                stands = written(xp, stands, live[out], done[out])
                accurate = written(xp, accurate, live[out], (done | close)[out])
                last = xp.where(close[:, None], best, point.multipliers)
                multipliers = written(xp, multipliers, live[out], last[out])
                keep = xp.nonzero(~ends)[0]
                if not len(keep):
                    break
                live, point, tried, first = live[keep], point.take(keep), tried[keep], first[keep]
                least, best = least[keep], best[keep]
                low, high = low[keep], high[keep]
        return side, stands, multipliers, accurate

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
        sides = xp.where(xp.isfinite(programs.lower[:, e:]), xp.abs(programs.lower[:, e:]), 0.0)
        sides = sides + xp.where(xp.isfinite(programs.upper[:, e:]), xp.abs(programs.upper[:, e:]), 0.0)
        norm = xp.sqrt(xp.sum(programs.C[:, e:] ** 2, axis=2)) * xp.sqrt(xp.sum(x * x, axis=1))[:, None]
        clear = xp.where(side == 0, gaps > _MARGIN * (norm + sides), signed > _MARGIN * of_dual)
        smooth = xp.all(clear, axis=1) & (system.pivots > _REGULAR) & duals.is_regular
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


def _some(duals: Duals, items: Array, count: int) -> Duals:
    """Those of some of so many items."""
    return duals if len(items) == count else duals.take(items)
