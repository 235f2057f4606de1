"""Programs in other units, and what their derivatives are then: those of the program, times powers of ten."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .oracle import Array, Program

UNITS = ("rows", "one row", "columns", "objective +", "objective -", "mixed")


@dataclass(frozen=True)
class Units:
    """Factors of the rows (constraint by constraint), the columns and the objective."""

    rows: tuple[Array, ...]
    columns: Array
    objective: float

    def of(self, p: Program) -> Program:
        """A program (or a direction) in these units; its solution moves along."""
        k, o = self.columns, self.objective
        rows = []
        for c, r in zip(p.rows, self.rows, strict=True):
            F = c.F if c.plain else r[:, None] * c.F * k
            rows.append(replace(c, F=F, g=r * c.g, numbers=r[:, None] * c.numbers))
        y = tuple(o * y / r for y, r in zip(p.y, self.rows, strict=True))
        return replace(p, P=o * k[:, None] * p.P * k, q=o * k * p.q, r=o * p.r, rows=tuple(rows), x=p.x / k, y=y)

    def back(self, dx: Array, dy: list[Array], df: float) -> Array:
        """Tangents in the program's own units, one vector."""
        o = self.objective
        moved = [one * r / o for one, r in zip(dy, self.rows, strict=True)]
        return np.concatenate([dx * self.columns, *moved, [df / o]])


def units(p: Program, kind: str, seed: int, size: float = 6.0) -> Units:
    """Powers of ten, 1e-size or 1e+size each.

    A plain bound is in the units of its variable; the rows of a cone other than the linear ones have one factor.
    """
    rng = np.random.default_rng(seed)

    def power(count: int) -> Array:
        return 10.0 ** (size * rng.choice([-1.0, 1.0], count))

    columns = power(len(p.q)) if kind in ("columns", "mixed") else np.ones(len(p.q))
    objective = 10.0 ** (size if kind == "objective +" else -size if kind == "objective -" else 0.0)
    if kind == "mixed":
        objective = float(power(1)[0])
    chosen = int(rng.choice([i for i, c in enumerate(p.rows) if not c.plain]))
    rows = []
    for i, c in enumerate(p.rows):
        factors = power(1) if c.shape is not None else power(len(c.g))
        if c.plain:
            factors = 1.0 / columns[np.flatnonzero(c.F[0])]
        elif not (kind in ("rows", "mixed") or (kind == "one row" and i == chosen)):
            factors = np.ones(1)
        rows.append(np.broadcast_to(factors, c.g.shape))
    return Units(tuple(rows), columns, objective)
