r"""Proofs that programs of a stack have no solution.

Multipliers y of the rows with :math:`C^Ty = 0` and :math:`\sum_i l_i y_i^+ - u_i y_i^- > 0` prove that no x is
feasible (Farkas); a direction d with :math:`Pd = 0`, Cd in no conflict with a side and :math:`q^Td < 0` that the
objective is unbounded, if a point is feasible. Iterates that diverge point along one; nothing is told that does not
stand on the programs' own numbers.
"""

from __future__ import annotations

from .active_rows import SidedBlock
from .arrays import Array, largest, times
from .duals import Duals
from .program import Programs

__all__ = ["equalities_ray", "farkas_ray", "proves_infeasible", "proves_unbounded"]

_PROOF = 1e-9
"""What should vanish, relative to the terms that it is made of."""
_SUPPORT = 1e-6
_SHIFT = 1e-10
_ROUNDS = 4


def farkas_ray(duals: Duals, multipliers: Array, lower: Array, upper: Array) -> Array:
    """Multipliers of all rows (B, m), as in `Programs`, that those of inequalities (B, i), scaled, point along.

    By inverse iteration on the part of S that they are large in.
    """
    xp = duals.xp
    direction = multipliers
    for _ in range(_ROUNDS):
        size = largest(xp, direction)[:, None]
        direction = direction / xp.where(size > 0.0, size, 1.0)
        missing = ((direction > 0.0) & xp.isinf(upper)) | ((direction < 0.0) & xp.isinf(lower))
        side = xp.where((xp.abs(direction) > _SUPPORT) & ~missing, xp.where(direction > 0.0, 1, -1), 0)
        block = SidedBlock.of(xp, duals.S, side, _SHIFT)
        direction = block.solved(block.solved(direction[:, None, :]))[:, 0]
        direction = xp.where(side * direction > 0.0, direction, 0.0)
    return -duals.ray(direction)


def equalities_ray(duals: Duals, sides: Array) -> Array:
    """Multipliers of the equalities (B, e) along which their sides (B, e) cannot be met, if they cannot."""
    xp = duals.xp
    direction = sides
    for _ in range(2):  # v with (S + delta) v = delta v has S v = 0
        direction = duals.equalities.solve((duals.delta * direction)[:, None, :])[:, 0]
    size = largest(xp, direction)[:, None]
    gain = xp.sum(direction * sides, axis=1)[:, None]
    return direction / xp.where(size > 0.0, xp.where(gain > 0.0, size, -size), 1.0)


def proves_infeasible(programs: Programs, y: Array) -> Array:
    """(B,): whether multipliers (B, m) prove that no point is feasible."""
    xp, C = programs.xp, programs.C
    left, size = times(C.mT, y), times(xp.abs(C).mT, xp.abs(y))
    side = xp.where(y > 0.0, programs.lower, xp.where(y < 0.0, programs.upper, 0.0))
    terms = xp.where(y != 0.0, side * y, 0.0)
    gain, terms_size = xp.sum(terms, axis=1), xp.sum(xp.abs(terms), axis=1)
    holds = xp.all(xp.abs(left) <= _PROOF * xp.where(size > 0.0, size, 1.0), axis=1)
    return holds & xp.isfinite(gain) & (gain > _PROOF * terms_size)


def proves_unbounded(programs: Programs, d: Array) -> Array:
    """(B,): whether along directions (B, n) the objective falls for ever."""
    xp, C, P = programs.xp, programs.C, programs.P
    bend, rows = times(P, d), times(C, d)
    of_P, of_C = times(xp.abs(P), xp.abs(d)), times(xp.abs(C), xp.abs(d))
    off = xp.maximum(xp.where(xp.isfinite(programs.lower), -rows, 0.0), 0.0)
    off = xp.maximum(off, xp.where(xp.isfinite(programs.upper), rows, 0.0))
    slope, size = xp.sum(programs.q * d, axis=1), xp.sum(xp.abs(programs.q * d), axis=1)
    flat = xp.all(xp.abs(bend) <= _PROOF * xp.where(of_P > 0.0, of_P, 1.0), axis=1)
    free = xp.all(off <= _PROOF * xp.where(of_C > 0.0, of_C, 1.0), axis=1)
    return flat & free & xp.isfinite(slope) & (slope < -_PROOF * size)
