"""Stacks of random programs with known solutions."""

from __future__ import annotations

from typing import Any

import numpy as np

from optangent.solvers.dense.program import Programs

__all__ = ["known_programs", "moved"]


def known_programs(
    seed: int, B: int = 6, n: int = 8, m: int = 12, e: int = 2, *, rank: int | None = None, curved: bool = True
) -> tuple[Programs, np.ndarray, np.ndarray]:
    """B programs in two-sided rows, some with one side, and their solutions (B, n) and multipliers (B, m).

    Five inequalities are active; with the equalities they determine the solution where P does not.
    """
    rng = np.random.default_rng(seed)
    M = rng.standard_normal((B, n, n if rank is None else rank))
    P = M @ M.swapaxes(1, 2) * float(curved)
    C, x = rng.standard_normal((B, m, n)), rng.standard_normal((B, n))
    side = np.zeros((B, m))
    for b in range(B):
        count = 5 if curved else n - e
        side[b, e + rng.permutation(m - e)[:count]] = rng.choice([-1.0, 1.0], count)
    y = -side * rng.uniform(0.2, 1.2, (B, m))
    y[:, :e] = rng.standard_normal((B, e))
    w = (C @ x[:, :, None])[:, :, 0]
    lower, upper = w - rng.uniform(0.2, 1.2, (B, m)), w + rng.uniform(0.2, 1.2, (B, m))
    lower[side == -1.0], upper[side == 1.0] = w[side == -1.0], w[side == 1.0]
    one_sided = (rng.random((B, m)) < 0.3) & (side != -1.0)
    lower[one_sided] = -np.inf
    lower[:, :e] = upper[:, :e] = w[:, :e]
    q = (C.swapaxes(1, 2) @ y[:, :, None] - P @ x[:, :, None])[:, :, 0]
    return Programs(P, q, C, lower, upper, e), x, y


def moved(programs: Programs, **numbers: Any) -> Programs:
    """With other arrays."""
    names = "P", "q", "C", "lower", "upper", "equalities"
    return Programs(**{name: numbers.get(name, getattr(programs, name)) for name in names})
