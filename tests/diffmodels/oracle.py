"""Random programs with known solutions, directions in which their data move, and central differences.

Programs are built backwards from a strictly complementary primal-dual pair, so the solution is known, unique and
differentiable, whatever a solver says.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import optangent as ot

Array = NDArray[np.float64]

SCALAR_SETS = (ot.LessThan, ot.GreaterThan, ot.EqualTo, ot.Interval)
VECTOR_SETS = (ot.Nonnegatives, ot.Nonpositives, ot.Zeros, ot.HyperRectangle)


@dataclass(frozen=True)
class Rows:
    """One constraint: F x + g in the set with the given numbers; `plain` if it is a bound on a variable."""

    set_type: type[ot.Set]
    F: Array
    g: Array
    numbers: Array
    plain: bool = False
    shape: tuple[float, ...] | None = None

    @property
    def set(self) -> ot.Set:
        """The set."""
        shape = (len(self.g),) if self.set_type.is_vector else (1,)
        return self.set_type.build(self.shape or shape, self.numbers)

    def function(self, v: ot.VectorOfVariables, F: Array | None = None, g: Array | None = None) -> Any:
        """The function, or a tangent of it."""
        if F is None and self.plain:
            return v[int(np.flatnonzero(self.F[0])[0])]
        f = (self.F if F is None else F) @ v + (self.g if g is None else g)
        return f if self.set_type.is_vector else f[0]


@dataclass(frozen=True)
class Program:
    """Minimize or maximize ½xᵀPx + qᵀx + r over rows; x and y are the solution."""

    sense: str
    P: Array
    q: Array
    r: float
    rows: tuple[Rows, ...]
    x: Array
    y: tuple[Array, ...]

    def moved(self, t: float, direction: Program) -> Program:
        """The program a step along a direction (a program whose data are the direction)."""
        moved = tuple(
            replace(a, F=a.F + t * d.F, g=a.g + t * d.g, numbers=a.numbers + t * d.numbers)
            for a, d in zip(self.rows, direction.rows, strict=True)
        )
        P, q, r = self.P + t * direction.P, self.q + t * direction.q, self.r + t * direction.r
        return replace(self, P=P, q=q, r=r, rows=moved)

    def build(self, solver: Any) -> tuple[ot.Model, ot.VectorOfVariables, list[ot.ConstraintIndex]]:
        """The model, unsolved."""
        model = ot.Model(ot.diff_optimizer(solver))
        v = model.add_variables(len(self.q))
        indices = [model.add_constraint(c.function(v), c.set) for c in self.rows]
        objective = 0.5 * (v @ (self.P @ v)) + self.q @ v + self.r if self.P.any() else self.q @ v + self.r
        (model.minimize if self.sense == "min" else model.maximize)(objective)
        return model, v, indices

    def solve(self, solver: Any) -> tuple[Array, list[Array], float]:
        """x, duals and objective by a solver."""
        model, v, indices = self.build(solver)
        model.optimize()
        return model.value(v), [np.atleast_1d(model.dual(i)) for i in indices], model.objective_value()


def program(seed: int, sense: str, *, quadratic: bool = True, n: int = 14) -> Program:
    """A random program with every kind of row, active and inactive ones of each."""
    rng = np.random.default_rng(seed)
    sign = 1.0 if sense == "min" else -1.0
    x = rng.standard_normal(n)
    M = rng.standard_normal((n, n))
    P = sign * (M @ M.T / n + 0.1 * np.eye(n)) if quadratic else np.zeros((n, n))
    rows: list[Rows] = []
    duals: list[Array] = []
    free = list(range(n))
    for set_type in (*SCALAR_SETS, *VECTOR_SETS):
        for plain in (False, True) if not set_type.is_vector else (False,):
            if plain and set_type is ot.EqualTo:
                continue
            m = 4 if set_type.is_vector else 1
            F = rng.standard_normal((m, n))
            g = rng.standard_normal(m)
            if plain:
                F, g = np.eye(n)[[free.pop()]], np.zeros(1)
            numbers, y = _active_or_not(set_type, F @ x + g, rng, many=plain)
            if set_type is ot.Zeros:
                g, F = g - (F @ x + g), F  # f(x) = 0
                F, g, y = F[:1], g[:1], y[:1]
                numbers = np.zeros((1, 0))
            elif set_type in (ot.Nonnegatives, ot.Nonpositives):
                g = g + numbers[:, 0] - (F @ x + g)  # f(x) is the slack
                numbers = np.zeros((m, 0))
            rows.append(Rows(set_type, F, g, numbers, plain))
            duals.append(y)
    if not quadratic:  # a vertex: n active rows in all
        active = sum(int(np.count_nonzero(y)) for y in duals)
        for _ in range(max(0, n - active)):
            F, g = rng.standard_normal((1, n)), rng.standard_normal(1)
            rows.append(Rows(ot.LessThan, F, g, (F @ x + g)[:, None]))
            duals.append(-rng.uniform(0.5, 2.0, 1))
    gradient = sum((c.F.T @ y for c, y in zip(rows, duals, strict=True)), np.zeros(n))
    q = sign * gradient - P @ x
    return Program(sense, P, q, float(rng.standard_normal()), tuple(rows), x, tuple(duals))


def _active_or_not(set_type: type[ot.Set], value: Array, rng: Any, *, many: bool) -> tuple[Array, Array]:
    """Numbers that put each row at a bound with a multiplier, or off it without; the multipliers."""
    m = len(value)
    y = np.zeros(m)
    numbers = np.zeros((m, len(set_type.fields)))
    if set_type in (ot.EqualTo, ot.Zeros):
        return (value[:, None] if set_type.fields else numbers), rng.uniform(0.5, 2.0, m) * rng.choice([-1, 1], m)
    active = (np.arange(m) % 4 == 0) & (rng.random(m) < (0.5 if many else 1.1))
    gap = rng.uniform(0.5, 2.0, m)
    size = rng.uniform(0.5, 2.0, m)
    below, above = value - np.where(active, 0.0, gap), value + np.where(active, 0.0, gap)
    if set_type in (ot.LessThan, ot.Nonpositives):
        y[active] = -size[active]
        numbers = above[:, None] if set_type is ot.LessThan else -np.where(active, 0.0, gap)[:, None]
    elif set_type in (ot.GreaterThan, ot.Nonnegatives):
        y[active] = size[active]
        numbers = below[:, None] if set_type is ot.GreaterThan else np.where(active, 0.0, gap)[:, None]
    else:
        lower, upper = value - gap, value + gap
        at_lower = active & (rng.random(m) < 0.5)
        at_upper = active & ~at_lower
        lower[at_lower], upper[at_upper] = value[at_lower], value[at_upper]
        y[at_lower], y[at_upper] = size[at_lower], -size[at_upper]
        if m > 1:
            upper[1], lower[2] = np.inf, -np.inf
            lower[3] = upper[3] = value[3]
            y[3] = size[3]
        numbers = np.stack([lower, upper], axis=1)
    return numbers, y


def conic_program(cone: Any, seed: int, sense: str, *, count: int = 2, quadratic: bool = True) -> Program:
    """A random program over `count` equal native cones and two equalities."""
    return mixed_program([cone] * count, seed, sense, quadratic=quadratic)


def mixed_program(cones: list[Any], seed: int, sense: str, *, quadratic: bool = True) -> Program:
    """A random program over native cones and two equalities.

    A random v gives y = Π_K*(v) and s = y - v, so the pair is complementary and the projection smooth there.
    """
    rng = np.random.default_rng(seed)
    sign = 1.0 if sense == "min" else -1.0
    total = sum(cone.dimension for cone in cones)
    n = total + 3 if quadratic else max(2, total // 2)
    x = rng.standard_normal(n)
    M = rng.standard_normal((n, n))
    P = sign * (M @ M.T / n + 0.1 * np.eye(n)) if quadratic else np.zeros((n, n))
    rows, duals = [], []
    for cone in cones:
        d = cone.dimension
        v = rng.standard_normal((1, d))
        y = cone.project_dual(v)[0]
        F = rng.standard_normal((d, n))
        rows.append(Rows(type(cone), F, y - v[0] - F @ x, np.zeros((d, 0)), shape=cone.shape))
        duals.append(y)
    if quadratic:
        F = rng.standard_normal((2, n))
        rows.append(Rows(ot.Zeros, F, -F @ x, np.zeros((2, 0))))
        duals.append(rng.standard_normal(2))
    gradient = sum((c.F.T @ y for c, y in zip(rows, duals, strict=True)), np.zeros(n))
    return Program(sense, P, sign * gradient - P @ x, float(rng.standard_normal()), tuple(rows), x, tuple(duals))


def together(programs: list[Program]) -> Program:
    """The program of all variables and rows of several, which have nothing to do with one another.

    Its solution and its derivatives are theirs, side by side; it is large and sparse.
    """
    sizes = [len(p.q) for p in programs]
    starts = np.cumsum([0, *sizes])
    rows = []
    for p, start, stop in zip(programs, starts, starts[1:], strict=False):
        for c in p.rows:
            F = np.zeros((len(c.g), starts[-1]))
            F[:, start:stop] = c.F
            rows.append(replace(c, F=F))
    P = np.zeros((starts[-1], starts[-1]))
    for p, start, stop in zip(programs, starts, starts[1:], strict=False):
        P[start:stop, start:stop] = p.P
    return Program(
        programs[0].sense,
        P,
        np.concatenate([p.q for p in programs]),
        sum(p.r for p in programs),
        tuple(rows),
        np.concatenate([p.x for p in programs]),
        tuple(y for p in programs for y in p.y),
    )


def linear_tangents(p: Program, d: Program) -> tuple[Array, list[Array], float]:
    """dx, dy and df of a program with linear sets in closed form: its active rows are those with a multiplier."""
    sign, n = (1.0 if p.sense == "min" else -1.0), len(p.x)
    held, right, gradient = [], [], -sign * (d.P @ p.x + d.q)
    for c, e, y in zip(p.rows, d.rows, p.y, strict=True):
        gradient = gradient + e.F.T @ y
        for i in np.flatnonzero(y):
            numbers = e.numbers[i]  # none, one, or a lower and an upper one
            bound = 0.0 if not len(numbers) else numbers[0] if len(numbers) == 1 or y[i] > 0.0 else numbers[1]
            held.append(c.F[i])
            right.append(bound - e.F[i] @ p.x - e.g[i])
    F = np.array(held).reshape(-1, n)
    K = np.block([[sign * p.P, -F.T], [F, np.zeros((len(F), len(F)))]])
    found = np.linalg.solve(K, np.concatenate([gradient, right]))
    dx, moves = found[:n], iter(found[n:].tolist())
    dy = [np.array([next(moves) if value else 0.0 for value in y]) for y in p.y]
    return dx, dy, float(0.5 * p.x @ d.P @ p.x + d.q @ p.x + d.r + (p.P @ p.x + p.q) @ dx)


SLOTS = ("P", "q", "r", "F", "g", "numbers", "everything")


def direction(p: Program, slot: str, seed: int) -> Program:
    """A random direction in one slot of the data; bounds that are infinite or equal stay so."""
    rng = np.random.default_rng(seed)

    def draw(name: str, like: Array) -> Array:
        return rng.standard_normal(like.shape) if slot in (name, "everything") else np.zeros_like(like)

    S = draw("P", p.P) if p.P.any() else np.zeros_like(p.P)
    rows = []
    for c in p.rows:
        F, g = draw("F", c.F), draw("g", c.g)
        numbers = draw("numbers", np.where(np.isfinite(c.numbers), c.numbers, 0.0)) * np.isfinite(c.numbers)
        if c.numbers.shape[1] == 2:
            equal = c.numbers[:, 0] == c.numbers[:, 1]
            numbers[equal, 1] = numbers[equal, 0]
        if c.plain:  # the function of a bound is the variable itself
            F, g = np.zeros_like(F), np.zeros_like(g)
        rows.append(replace(c, F=F, g=g, numbers=numbers))
    r = float(rng.standard_normal()) if slot in ("r", "everything") else 0.0
    return replace(p, P=(S + S.T) / 2, q=draw("q", p.q), r=r, rows=tuple(rows))


def set_tangents(model: ot.Model, v: Any, indices: list[ot.ConstraintIndex], p: Program, d: Program) -> None:
    """Tell the model the direction."""
    objective = 0.5 * (v @ (d.P @ v)) + d.q @ v + d.r if d.P.any() else d.q @ v + d.r
    model.set(ot.ForwardObjectiveFunction(), objective)
    for index, c, e in zip(indices, p.rows, d.rows, strict=True):
        model.set(ot.ForwardConstraintFunction(), index, c.function(v, e.F, e.g))
        if c.set_type.fields:
            model.set(ot.ForwardConstraintSet(), index, e.set)


def tangents(model: ot.Model, v: Any, indices: list[ot.ConstraintIndex]) -> tuple[Array, list[Array], float]:
    """dx, dy and df after `forward_differentiate`."""
    dy = [np.atleast_1d(model.get(ot.ForwardConstraintDual(), i)) for i in indices]
    return model.get(ot.ForwardVariablePrimal(), v), dy, model.get(ot.ForwardObjectiveValue())


def differences(p: Program, d: Program, solver: Any, step: float) -> tuple[Array, list[Array], float]:
    """Central differences of x, y and f along a direction."""
    (x1, y1, f1), (x0, y0, f0) = p.moved(step, d).solve(solver), p.moved(-step, d).solve(solver)
    h = 2 * step
    return (x1 - x0) / h, [(a - b) / h for a, b in zip(y1, y0, strict=True)], (f1 - f0) / h
