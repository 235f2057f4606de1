"""How far iterates are from a solution, and what their differences prove."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...modelkit.arrays import FloatArray
from .operator import Triple
from .program import Program, Sides

__all__ = ["Errors", "errors", "farkas_candidate", "improving_candidate"]


class Errors(NamedTuple):
    """Relative errors of programs side by side, (B,), in the program's units."""

    primal: FloatArray
    dual: FloatArray
    gap: FloatArray

    @property
    def worst(self) -> FloatArray:
        """The largest of the three."""
        return np.maximum(np.maximum(self.primal, self.dual), self.gap)


def errors(program: Program, sides: Sides, point: Triple) -> Errors:
    """Of sides, of the gradient, and between the objectives, each relative to one plus the size of its terms."""
    x, y, z = point
    Ax, Px, pulled = program.A @ x, program.P @ x, program.A.T @ y
    outside = np.maximum(
        _largest(np.maximum(sides.row_lower - Ax, Ax - sides.row_upper)),
        _largest(np.maximum(sides.lower - x, x - sides.upper)),
    )
    left = _largest(np.abs(Px + sides.q - pulled - z))
    sizes = np.maximum(_largest(np.abs(Px)), np.maximum(_largest(np.abs(sides.q)), _largest(np.abs(pulled))))
    curved, linear = (x * Px).sum(axis=0), (sides.q * x).sum(axis=0)
    told = _terms(y, sides.row_lower, sides.row_upper) + _terms(z, sides.lower, sides.upper)
    gap = np.abs(curved + linear - told)
    return Errors(
        outside / (1.0 + np.maximum(_largest(np.abs(Ax)), _largest(np.abs(x)))),
        left / (1.0 + sizes),
        gap / (1.0 + np.abs(curved) + np.abs(linear) + np.abs(told)),
    )


def _largest(values: FloatArray) -> FloatArray:
    return np.asarray(np.maximum(values.max(axis=0, initial=0.0), 0.0))


def _terms(duals: FloatArray, lower: FloatArray, upper: FloatArray) -> FloatArray:
    """``Σ y · side``, the side that the sign of y names; of one that is not there y should be zero, and counts so."""
    side = np.where(duals > 0.0, lower, upper)
    terms: FloatArray = (duals * np.where(np.isinf(side), 0.0, side)).sum(axis=0)
    return terms


def _on_sides(duals: FloatArray, lower: FloatArray, upper: FloatArray) -> FloatArray:
    """Duals of sides that are there alone."""
    kept: FloatArray = np.where(
        duals > 0.0, np.where(lower > -np.inf, duals, 0.0), np.where(upper < np.inf, duals, 0.0)
    )
    return kept


def farkas_candidate(program: Program, sides: Sides, y: FloatArray) -> tuple[Triple, float] | None:
    """Multipliers of rows (m, 1) as a proof that no point is feasible, and how far they are from one; None of none."""
    y = _on_sides(y, sides.row_lower, sides.row_upper)
    size = float(np.abs(y).max(initial=0.0))
    if not 0.0 < size < np.inf:
        return None
    y = y / size
    y[np.abs(y) < 1e-9] = 0.0
    z = _on_sides(-(program.A.T @ y), sides.lower, sides.upper)
    gain = float((_terms(y, sides.row_lower, sides.row_upper) + _terms(z, sides.lower, sides.upper))[0])
    left = float(np.abs(program.A.T @ y + z).max(initial=0.0))
    return (Triple(np.zeros(z.shape), y, z), left / gain) if gain > 0.0 else None


def improving_candidate(program: Program, sides: Sides, d: FloatArray) -> tuple[FloatArray, float] | None:
    """A direction (n, 1) in which the objective falls for ever, and how far it is from one; None of none."""
    d = np.where((d < 0.0) & (sides.lower > -np.inf) | (d > 0.0) & (sides.upper < np.inf), 0.0, d)
    size = float(np.abs(d).max(initial=0.0))
    if not 0.0 < size < np.inf:
        return None
    d = d / size
    d[np.abs(d) < 1e-9] = 0.0
    gain, moved = -float((sides.q * d).sum()), program.A @ d
    away = np.where(moved < 0.0, np.where(sides.row_lower > -np.inf, -moved, 0.0), 0.0)
    away = np.maximum(away, np.where((moved > 0.0) & (sides.row_upper < np.inf), moved, 0.0))
    left = max(float(away.max(initial=0.0)), float(np.abs(program.P @ d).max(initial=0.0)))
    return (d, left / gain) if gain > 0.0 else None
