"""Forms to solve: written by dense arrays, and random ones that are made from their solutions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from ...modelkit.arrays import FloatArray
from ...modelkit.form import Cones, Form
from ...modelkit.sets import (
    DualExponentialCone,
    DualPowerCone,
    ExponentialCone,
    PowerCone,
    ScaledPositiveSemidefiniteConeTriangle,
    SecondOrderCone,
    Set,
)
from ...modelkit.sets.cone import NativeCone
from ...modelkit.store.block import SetBlock

__all__ = ["CONES", "form_of", "random_form", "sides_around", "with_cones"]

INF = np.inf
CONES: Mapping[type[Set], Sequence[NativeCone]] = {
    SecondOrderCone: [SecondOrderCone(3), SecondOrderCone(2), SecondOrderCone(3)],
    ScaledPositiveSemidefiniteConeTriangle: [
        ScaledPositiveSemidefiniteConeTriangle(2),
        ScaledPositiveSemidefiniteConeTriangle(3),
    ],
    ExponentialCone: [ExponentialCone(), ExponentialCone()],
    DualExponentialCone: [DualExponentialCone()],
    PowerCone: [PowerCone(0.3), PowerCone(0.5)],
    DualPowerCone: [DualPowerCone(0.4)],
}
"""Cones of each type with a projection."""


def form_of(A: Any, rows: Any, box: Any, q: Any, P: Any = None, r: float = 0.0) -> Form:
    """A form of dense arrays.

    Parameters
    ----------
    A : (m, n)
    rows, box : (lower, upper) sides of the rows, (m,) each, and bounds of the columns, (n,) each
    q, P, r : of the objective ``½ xᵀPx + qᵀx + r``

    Examples
    --------
    >>> form_of([[1.0, 2.0]], ([0.0], [np.inf]), ([0.0, 0.0], [1.0, 1.0]), [1.0, -1.0])
    Form(2 columns, 1 rows, 0 rows of cones; version 4)
    """
    form, n = Form(), len(q)
    form.add_columns(n)
    form.set_bounds(np.arange(n), *(np.array(side, float) for side in box))
    form.add_rows(sp.csr_array(np.array(A, float).reshape(-1, n)), *(np.array(side, float) for side in rows))
    form.set_objective(None if P is None else sp.csc_array(np.array(P, float)), np.array(q, float), r)
    return form


def with_cones(form: Form, cones: Sequence[Set], F: Any, g: Any) -> Form:
    """The form with ``F x + g`` in these cones, those of one type one below the other."""
    groups, at = [], 0
    for kind in dict.fromkeys(type(cone) for cone in cones):
        block = SetBlock.of([cone for cone in cones if type(cone) is kind])
        groups.append(Cones(block, slice(at, at + int(block.dims.sum()))))
        at += int(block.dims.sum())
    form.set_cones(sp.csr_array(np.array(F, float)), np.array(g, float), groups)
    return form


def sides_around(rng: np.random.Generator, values: FloatArray, *, fixed: float = 0.2) -> tuple[FloatArray, FloatArray]:
    """Sides that hold at these values: none, lower, upper, both, equal."""
    count = len(values)
    kind = rng.choice(5, size=count, p=[0.15, *[(0.85 - fixed) / 3] * 3, fixed])
    lower = np.where(np.isin(kind, (1, 3)), values - rng.uniform(0.0, 1.0, count), -INF)
    upper = np.where(np.isin(kind, (2, 3)), values + rng.uniform(0.0, 1.0, count), INF)
    return np.where(kind == 4, values, lower), np.where(kind == 4, values, upper)


def random_form(
    rng: np.random.Generator, n: int = 6, m: int = 8, *, curved: bool = True, cones: Sequence[NativeCone] = ()
) -> tuple[Form, FloatArray]:
    """A program that has a solution, and that solution, which is the only one where there are cones.

    It is stationary at a random point with duals of the right signs, each on a side or not; s and w of cones are the
    two parts of one vector by Moreau's decomposition, s in the cone and w in its dual.
    """
    A, x = rng.standard_normal((m, n)) * (rng.random((m, n)) < 0.7), rng.standard_normal(n)
    rows, box = sides_around(rng, A @ x), sides_around(rng, x, fixed=0.1)
    factor = rng.standard_normal((n, n // 2))
    P = factor @ factor.T if curved else np.zeros((n, n))
    if cones:
        P += np.eye(n)
    gradient = np.zeros(n)
    for (lower, upper), J, values in ((rows, A, A @ x), (box, np.eye(n), x)):
        for i, row in enumerate(J):
            if lower[i] == upper[i]:
                gradient += rng.standard_normal() * row
            elif rng.random() < 0.6 and np.isfinite(lower[i]):
                lower[i] = values[i]
                gradient += rng.uniform(0.2, 1.0) * row
            elif rng.random() < 0.6 and np.isfinite(upper[i]):
                upper[i] = values[i]
                gradient -= rng.uniform(0.2, 1.0) * row
    if not cones:
        return form_of(A, rows, box, gradient - P @ x, P if curved else None, r=1.5), x
    k = sum(cone.dimension for cone in cones)
    F, v, s, w, at = rng.standard_normal((k, n)), rng.standard_normal(k), np.zeros(k), np.zeros(k), 0
    for cone in cones:
        own = slice(at, at + cone.dimension)
        s[own], w[own] = cone.project(v[own][None])[0], cone.project_dual(-v[own][None])[0]
        at += cone.dimension
    return with_cones(form_of(A, rows, box, gradient + F.T @ w - P @ x, P), cones, F, s - F @ x), x
