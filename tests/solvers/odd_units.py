"""Random programs with a known answer, in units that nobody would choose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import optangent as ot


@dataclass(frozen=True)
class Program:
    """min ½ xᵀPx + qᵀx with rows ``G x + h``, the first of them zero, the others nonnegative."""

    P: np.ndarray
    q: np.ndarray
    G: np.ndarray
    h: np.ndarray
    zeros: int
    x: np.ndarray
    """The only solution, or a feasible point."""
    column: np.ndarray
    """Units of the variables."""

    def solved(self, solver: Any) -> tuple[ot.Model, Any]:
        """The model, solved, and its variables."""
        model = ot.Model(solver)
        x = model.add_variables(len(self.q))
        rows = self.G @ x + self.h
        if self.zeros:
            model.add_constraint(rows[: self.zeros], ot.Zeros(self.zeros))
        model.add_constraint(rows[self.zeros :], ot.Nonnegatives(len(self.h) - self.zeros))
        objective = self.q @ x
        model.minimize(0.5 * (x @ (self.P @ x)) + objective if self.P.any() else objective)
        model.optimize()
        return model, x

    def error(self, values: np.ndarray) -> float:
        """How far values are from the solution, in the units in which it is near one."""
        far = np.abs(values - self.x) * self.column
        return float(far.max() / np.abs(self.x * self.column).max())

    def restated(self, rng: np.random.Generator, decades: float) -> Program:
        """The same in units each up to so many decades away."""
        r = 10.0 ** rng.uniform(-decades, decades, len(self.h))
        c = 10.0 ** rng.uniform(-decades, decades, len(self.q))
        return self.in_units(r, c, 10.0 ** rng.uniform(-decades, decades))

    def in_units(self, r: np.ndarray, c: np.ndarray, o: float) -> Program:
        """The same, rows times r, columns times c and the objective times o."""
        G = self.G * r[:, None] * c
        return Program(o * self.P * c * c[:, None], o * self.q * c, G, self.h * r, self.zeros, self.x / c, c)


def solvable(rng: np.random.Generator, quadratic: bool) -> Program:
    """Built from its solution, with strict complementarity: a vertex of a linear program, or a strictly convex one."""
    n = int(rng.integers(2, 7))
    m = int(rng.integers(n, 2 * n + 4))
    active = int(rng.integers(0, n)) if quadratic else n
    G, x, zeros = rng.standard_normal((m, n)), rng.standard_normal(n), int(rng.integers(0, 2)) if active else 0
    y = np.where(np.arange(m) < active, 0.1 + rng.random(m), 0.0)
    s = np.where(np.arange(m) < active, 0.0, 0.1 + rng.random(m))
    L = rng.standard_normal((n, n))
    P = L @ L.T / n + 0.1 * np.eye(n) if quadratic else np.zeros((n, n))
    return Program(P, G.T @ y - P @ x, G, s - G @ x, zeros, x, np.ones(n))


def infeasible(rng: np.random.Generator, quadratic: bool) -> Program:
    """A row that says that a positive combination of the others is negative."""
    one = solvable(rng, quadratic)
    z = 0.1 + rng.random(len(one.h))
    G, h = np.vstack([one.G, -(one.G.T @ z)]), np.append(one.h, -(z @ one.h) - 0.1 - rng.random())
    return Program(one.P, one.q, G, h, one.zeros, one.x, one.column)


def unbounded(rng: np.random.Generator, quadratic: bool) -> Program:
    """Feasible, with a direction that every row allows, in which the objective falls and does not curve."""
    one = solvable(rng, quadratic)
    d = rng.standard_normal(len(one.x))
    d /= np.linalg.norm(d)
    across = np.eye(len(d)) - np.outer(d, d)
    G = one.G * np.where(one.G @ d < 0.0, -1.0, 1.0)[:, None]
    G[: one.zeros] = G[: one.zeros] @ across
    s = np.abs(rng.standard_normal(len(G)))
    s[: one.zeros] = 0.0
    P, q = across @ one.P @ across, across @ one.q - (0.1 + rng.random()) * d
    return Program((P + P.T) / 2, q, G, s - G @ one.x, one.zeros, one.x, one.column)
