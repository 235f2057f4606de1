"""How far iterates are from a solution, and what their differences prove."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spla

from ...modelkit.arrays import FloatArray
from .operator import Triple
from .program import Program, Sides

__all__ = [
    "Errors",
    "completed_farkas",
    "completed_improving",
    "errors",
    "farkas_candidate",
    "improving_candidate",
]

_SUPPORT = 1e-3
"""Part of the largest number of a candidate from which a number counts."""
_STEPS = 1000


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


def completed_farkas(program: Program, sides: Sides, ray: Triple) -> Triple:
    """The proof whose multipliers are on the same rows and bounds, and leave nothing on other columns."""
    rows, columns = np.abs(ray.y[:, 0]) > _SUPPORT, np.abs(ray.z[:, 0]) <= _SUPPORT
    y = np.zeros(ray.y.shape)
    y[rows, 0] = _on_null_space(program.A[rows][:, columns].T, ray.y[rows, 0])
    found = farkas_candidate(program, sides, y)
    return ray if found is None else found[0]


def completed_improving(program: Program, d: FloatArray) -> FloatArray:
    """The direction with the same columns that does not move the rows that move little, and has no curvature."""
    columns, rows = np.abs(d[:, 0]) > _SUPPORT, np.abs(program.A @ d)[:, 0] <= _SUPPORT
    found = np.zeros(d.shape)
    still = sp.vstack([program.A[rows][:, columns], program.P[:, columns]], format="csr")
    found[columns, 0] = _on_null_space(still, d[columns, 0])
    return found


def _on_null_space(matrix: Any, vector: FloatArray) -> FloatArray:
    """The nearest vector that a matrix takes to zero."""
    found: FloatArray = vector - spla.lsqr(matrix, matrix @ vector, atol=1e-15, btol=1e-15, iter_lim=_STEPS)[0]
    return found


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
