"""How good a point of a conic program is, recomputed from the data."""

from __future__ import annotations

import numpy as np

from ..modelkit.arrays import FloatArray
from ..modelkit.matrix_form import MatrixForm

__all__ = ["ALMOST", "SOLVED", "worst_residual"]

SOLVED, ALMOST = 1e-8, 1e-5
"""Worst residuals up to which a point that a library is not content with is called optimal, or almost."""


def worst_residual(form: MatrixForm, x: FloatArray, y: FloatArray) -> float:
    """The worst of primal residual, dual residual, stationarity and gap.

    With f = F x + g these are the distances of f from K and of y from K*, ``Px + q - Fᵀy`` and
    ``xᵀPx + qᵀx + gᵀy``, each relative to one plus the size of the terms it is made of. The library's own residual
    ``Ax + s - b`` may be far larger: it counts errors of a slack s that nobody uses.
    """
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return float("inf")
    f, Px, Fty = form.F @ x + form.g, form.P @ x, form.F.T @ y
    terms = np.array([x @ Px, form.q @ x, form.g @ y])
    worst = max(
        float(_size(Px + form.q - Fty) / (1.0 + max(_size(Px), _size(form.q), _size(Fty)))),
        float(abs(terms.sum()) / (1.0 + _size(terms))),
    )
    for part in form.parts.values():
        for item in range(part.sets.count):
            rows = slice(int(part.starts[item]), int(part.starts[item + 1]))
            cone = part.sets.set(item)
            sizes = _size(f[rows] - form.g[rows]), _size(form.g[rows])
            worst = max(worst, cone.violation(f[rows]) / (1.0 + max(sizes)))
            worst = max(worst, cone.dual_violation(y[rows]) / (1.0 + _size(y[rows])))
    return worst


def _size(values: FloatArray) -> float:
    return float(np.abs(values).max(initial=0.0))
