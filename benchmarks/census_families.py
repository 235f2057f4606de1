"""Random families of programs for `census.py`: linear, quadratic and conic ones of every kind, and how to rescale them.

Each is drawn from a seed, built backwards (`census_truth`), and drawn again until its derivative's system has a
condition number of at most 1e5: errors are then the library's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from census_cones import CONES, Rng, free
from census_truth import Array, Block, Program, Units

import optangent as ot

WELL_CONDITIONED = 1e5


# ---------------------------------------------------------------------- blocks of rows
def linear(kind: str, F: Array, x: Array, active: Array, z: Array, rng: Rng, *, plain: bool = False) -> Block:
    """Rows of a kind: those `active` hold, with multipliers |z|; the others are loose by 0.5 to 2."""
    m, value = len(F), F @ x
    gap = np.where(active, 0.0, rng.uniform(0.5, 2.0, m))
    size = np.where(active, np.abs(z), 0.0)
    R, T = np.diag(active * 1.0), np.diag(~active * 1.0)
    one = np.ones(m)
    if kind == "zeros":
        return Block(lambda n: ot.Zeros(m), F, -value, z * active, one, np.eye(m), np.zeros((m, m)), rows=True)
    if kind == "nonneg":
        return Block(lambda n: ot.Nonnegatives(m), F, gap - value, size, one, R, T, rows=True)
    if kind == "nonpos":
        return Block(lambda n: ot.Nonpositives(m), F, -gap - value, -size, one, R, T, rows=True)
    above = np.arange(m) % 2 == 0  # at the upper number
    other = rng.uniform(1.0, 2.0, m)
    lower, upper = np.where(above, value - other, value - gap), np.where(above, value + gap, value + other)
    numbers = np.stack([lower, upper], axis=1)
    sided = np.where(above, -size, size)
    return Block(_box, F, 0.0 * value, sided, one, R, T, rows=True, plain=plain, numbers=numbers)


def _box(numbers: Array) -> Any:
    return ot.HyperRectangle(numbers[:, 0], numbers[:, 1])


def cone(
    make: Callable[[], Any], draw: Callable[[Any, Rng], tuple[Array, Array, Array, Array]], n: int, x: Array, rng: Rng
) -> Block:
    """A cone at a point that `draw` gives, with its multiplier and what may move."""
    K = make()
    W = np.ones(K.dimension) if K.weights is None else np.asarray(K.weights)
    s, z, R, T = draw(K, rng)
    F = rng.standard_normal((K.dimension, n))
    return Block(lambda numbers: make(), F, s - F @ x, z, W, R, T)


# ---------------------------------------------------------------------- programs
def _definite_matrix(n: int, rng: Rng) -> Array:
    M = rng.standard_normal((n, n))
    return M @ M.T / n + 0.2 * np.eye(n)


def _closed(blocks: list[Block], x: Array, P: Array, rng: Rng, truth: str = "smooth", sparse: bool = False) -> Program:
    """The program whose solution this is."""
    sign = float(rng.choice([-1.0, 1.0]))
    q = sign * sum((b.F.T @ b.z for b in blocks), np.zeros(len(x))) - sign * P @ x
    return Program(sign, sign * P, q, tuple(blocks), x, truth, sparse)


def _rows(rng: Rng, n: int, active: int, loose: int, *, curved: bool, equalities: int = 0, density: float = 1.0) -> Any:
    """A linear or quadratic program with rows of all kinds."""
    x = free(rng, n)
    blocks: list[Block] = []
    kinds = ["nonneg", "nonpos", "box"]
    for k, kind in enumerate(kinds):
        m_active, m_loose = (active + k) // 3, (loose + k) // 3
        m = m_active + m_loose
        if m:
            F = rng.standard_normal((m, n)) * (rng.random((m, n)) < density)
            F[np.arange(m), rng.integers(0, n, m)] += 1.0
            holds = np.arange(m) < m_active
            blocks.append(linear(kind, F, x, holds, rng.uniform(0.5, 2.0, m), rng))
    if equalities:
        F = rng.standard_normal((equalities, n)) * (rng.random((equalities, n)) < density)
        F[np.arange(equalities), rng.integers(0, n, equalities)] += 1.0
        blocks.append(linear("zeros", F, x, np.ones(equalities, bool), free(rng, equalities), rng))
    if density < 1.0:
        P = np.diag(rng.uniform(0.5, 2.0, n))
        off = np.diag(0.1 * rng.standard_normal(n - 1), 1)
        P = P + off + off.T
    else:
        P = _definite_matrix(n, rng)
    return blocks, x, P if curved else np.zeros((n, n))


def _linear_vertex(rng: Rng) -> Program:
    return _closed(*_rows(rng, 6, 4, 5, curved=False, equalities=2), rng)


def _bounded(rng: Rng, curved: bool) -> Program:
    """Bounds on all variables beside rows."""
    n = 8
    blocks, x, P = _rows(rng, n, 2 if curved else 3, 3, curved=curved, equalities=1)
    held = np.arange(n) % 2 == 0
    blocks.append(linear("box", np.eye(n), x, held, rng.uniform(0.5, 2.0, n), rng, plain=True))
    return _closed(blocks, x, P, rng)


def _only_bounds(rng: Rng, n: int) -> Program:
    x = free(rng, n)
    held = rng.random(n) < 0.5
    bounds = linear("box", np.eye(n), x, held, rng.uniform(0.5, 2.0, n), rng, plain=True)
    return _closed([bounds], x, _definite_matrix(n, rng), rng, sparse=n > 100)


def _kink(rng: Rng, truth: str, *, curved: bool) -> Program:
    n = 6
    if truth == "nonunique":  # an edge of solutions, bounded by two loose rows
        x = free(rng, n)
        F = rng.standard_normal((n - 1, n))
        edge = np.linalg.svd(F)[2][-1:]
        blocks = [
            linear("nonneg", F, x, np.ones(n - 1, bool), rng.uniform(0.5, 2.0, n - 1), rng),
            linear("box", edge, x, np.zeros(1, bool), np.zeros(1), rng),
        ]
        return _closed(blocks, x, np.zeros((n, n)), rng, truth)
    blocks, x, P = _rows(rng, n, 3 if curved else 4, 4, curved=curved, equalities=1 if curved else 2)
    first = blocks[0]
    at = int(np.flatnonzero(np.diag(first.R) > 0)[0])
    if truth == "weak":
        F = rng.standard_normal((2, n))
        blocks.append(linear("nonneg", F, x, np.ones(2, bool), np.zeros(2), rng))
    elif curved:  # a row again, times 2
        blocks.append(linear("nonneg", 2.0 * first.F[[at]], x, np.ones(1, bool), np.ones(1), rng))
    else:  # more rows than variables at a vertex
        F = rng.standard_normal((2, n))
        blocks.append(linear("nonneg", F, x, np.ones(2, bool), rng.uniform(0.5, 2.0, 2), rng))
    return _closed(blocks, x, P, rng, truth)


def _twice_an_equality(rng: Rng) -> Program:
    blocks, x, P = _rows(rng, 6, 2, 3, curved=True, equalities=2)
    F = blocks[-1].F[:1] * 3.0
    blocks.append(linear("zeros", F, x, np.ones(1, bool), free(rng, 1), rng))
    return _closed(blocks, x, P, rng, "dependent")


def _conic(rng: Rng, names: tuple[str, ...], *, curved: bool = True, rows: int = 2) -> Program:
    """Cones beside equalities and rows of which one holds and the others are loose."""
    makes = [CONES[name] for name in names]
    size = sum(make().dimension for make, _ in makes)
    n = size + 2 if curved else max(5, size // 2)
    x = rng.standard_normal(n)
    blocks = [cone(make, draw, n, x, rng) for make, draw in makes]
    if rows:
        F = rng.standard_normal((rows + 1, n))
        blocks.append(linear("nonneg", F, x, np.arange(rows + 1) == 0, rng.uniform(0.5, 2.0, rows + 1), rng))
        blocks.append(linear("zeros", rng.standard_normal((1, n)), x, np.ones(1, bool), free(rng, 1), rng))
    return _closed(blocks, x, _definite_matrix(n, rng) if curved else np.zeros((n, n)), rng)


def _infeasible(rng: Rng, name: str | None, *, curved: bool) -> Program:
    """Fᵀz = 0 and gᵀz = -1 with z in the dual cone; a point of the dual exists."""
    n = 5
    p = _conic(rng, (name,), curved=True) if name else _closed(*_rows(rng, n, 4, 4, curved=True, equalities=1), rng)
    n = len(p.q)
    z = np.concatenate([b.z for b in p.blocks])
    F, g = np.concatenate([b.F for b in p.blocks]), np.concatenate([b.g for b in p.blocks])
    F = F - np.outer(z, z @ F) / (z @ z)
    support = np.concatenate([b.z if b.numbers is None else 0.0 * b.z for b in p.blocks])
    constant = sum(
        float(np.where(b.z > 0, b.z * b.numbers[:, 0], b.z * b.numbers[:, 1]).sum())
        for b in p.blocks
        if b.numbers is not None
    )
    g = g - support * (support @ g - constant + 1.0) / (support @ support)
    ends = np.concatenate([[0], np.cumsum([len(b.g) for b in p.blocks])])
    blocks = [replace(b, F=F[i:j], g=g[i:j]) for b, i, j in zip(p.blocks, ends[:-1], ends[1:], strict=True)]
    other = _closed(blocks, p.x, p.sign * p.P if curved else 0.0 * p.P, rng)
    if not curved:  # q = Fᵀ y with y in the dual cone, not z itself
        y = [b.z * rng.uniform(0.5, 1.5) for b in blocks]
        q = other.sign * sum(b.F.T @ part for b, part in zip(blocks, y, strict=True))
        other = replace(other, q=q)
    return replace(other, truth="infeasible")


def _unbounded(rng: Rng, name: str | None, *, curved: bool) -> Program:
    """F r in the cone and (sign q)ᵀ r = -1 for a direction r without curvature, from a point that is feasible."""
    p = _conic(rng, (name,), curved=True) if name else _closed(*_rows(rng, 6, 3, 4, curved=True, equalities=1), rng)
    n = len(p.q)
    r = free(rng, n)
    blocks = []
    for b in p.blocks:
        value = b.F @ p.x + b.g
        away = value if not b.rows else 0.0 * value
        F = b.F + np.outer(away - b.F @ r, r) / (r @ r)
        blocks.append(replace(b, F=F, g=value - F @ p.x))
    flat = np.eye(n) - np.outer(r, r) / (r @ r)
    P = flat @ p.P @ flat if curved else 0.0 * p.P
    q = p.q - r * (p.q @ r + p.sign) / (r @ r)
    return replace(p, P=(P + P.T) / 2.0, q=q, blocks=tuple(blocks), truth="unbounded")


def _large(rng: Rng, *, curved: bool) -> Program:
    n = 260
    if curved:
        return _closed(*_rows(rng, n, 60, 120, curved=True, equalities=30, density=0.015), rng, sparse=True)
    return _closed(*_rows(rng, n, 200, 100, curved=False, equalities=60, density=0.03), rng, sparse=True)


FAMILIES: dict[str, Callable[[Rng], Program]] = {
    "lp_vertex": _linear_vertex,
    "lp_bounds": lambda rng: _bounded(rng, False),
    "lp_sparse": lambda rng: _large(rng, curved=False),
    "lp_degenerate": lambda rng: _kink(rng, "dependent", curved=False),
    "lp_edge": lambda rng: _kink(rng, "nonunique", curved=False),
    "qp_dense": lambda rng: _closed(*_rows(rng, 8, 3, 6, curved=True, equalities=2), rng),
    "qp_bounds": lambda rng: _bounded(rng, True),
    "qp_only_bounds": lambda rng: _only_bounds(rng, 6),
    "qp_only_bounds_large": lambda rng: _only_bounds(rng, 420),
    "qp_sparse": lambda rng: _large(rng, curved=True),
    "qp_equalities": lambda rng: _closed(*_rows(rng, 6, 0, 0, curved=True, equalities=3), rng),
    "qp_free": lambda rng: _closed([], free(rng, 5), _definite_matrix(5, rng), rng),
    "qp_dependent": lambda rng: _kink(rng, "dependent", curved=True),
    "qp_same_equality": _twice_an_equality,
    "qp_weak": lambda rng: _kink(rng, "weak", curved=True),
    "lp_weak": lambda rng: _kink(rng, "weak", curved=False),
    **{name: lambda rng, name=name: _conic(rng, (name, name)) for name in CONES},
    **{f"{name}_alone": lambda rng, name=name: _conic(rng, (name,), rows=0) for name in ("soc", "psd", "exp", "pow")},
    **{
        f"{name}_linear": lambda rng, name=name: _conic(rng, (name, name), curved=False, rows=1)
        for name in ("soc", "rsoc", "psd", "exp", "pow", "hermitian", "log_det")
    },
    "mixture": lambda rng: _conic(rng, ("soc", "psd", "exp")),
    "mixture_dual": lambda rng: _conic(rng, ("rsoc", "psd_scaled", "exp_dual", "pow_dual")),
    "mixture_bridged": lambda rng: _conic(rng, ("norm_inf", "pow", "geo_mean")),
    "mixture_log_det": lambda rng: _conic(rng, ("log_det", "soc", "norm_one")),
    "infeasible_lp": lambda rng: _infeasible(rng, None, curved=False),
    "infeasible_qp": lambda rng: _infeasible(rng, None, curved=True),
    **{
        f"infeasible_{name}": lambda rng, name=name: _infeasible(rng, name, curved=True)
        for name in ("soc", "psd", "exp")
    },
    "unbounded_lp": lambda rng: _unbounded(rng, None, curved=False),
    "unbounded_qp": lambda rng: _unbounded(rng, None, curved=True),
    **{
        f"unbounded_{name}": lambda rng, name=name: _unbounded(rng, name, curved=False)
        for name in ("soc", "psd", "exp")
    },
}


def instance(family: str, seed: int) -> Program:
    """A program of a family, well-conditioned where its derivative is known."""
    rng = np.random.default_rng([seed, *family.encode()])
    for _ in range(100):
        p = FAMILIES[family](rng)
        if p.truth != "smooth" or p.condition() <= WELL_CONDITIONED:
            return p
    raise RuntimeError(f"no well-conditioned program among 100 of {family}")


# ---------------------------------------------------------------------- units
UNITS = ("plain", "rows/1e6", "rows*1e6", "columns/1e6", "columns*1e6", "objective/1e6", "objective*1e6", "rows mixed")


def units(name: str, p: Program, seed: int) -> Units:
    """One scale a row of numbers, one a cone; "rows mixed" draws them between 1e-3 and 1e3."""
    what, times = name.split("*" if "*" in name else "/")[0], 1e6 if "*" in name else 1e-6
    rng = np.random.default_rng(seed)

    def scale(b: Block) -> Array:
        many = len(b.g)
        if b.plain or not what.startswith("rows"):
            return np.ones(many)
        if what == "rows":
            return np.full(many, times)
        return 10.0 ** rng.uniform(-3.0, 3.0, many) if b.rows else np.full(many, 10.0 ** rng.uniform(-3.0, 3.0))

    columns = np.full(len(p.q), times if what == "columns" else 1.0)
    return Units(tuple(map(scale, p.blocks)), columns, times if what == "objective" else 1.0)
