"""Random forms, and what makes an answer to one right, in dense arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

import optangent as ot
from optangent.modelkit.block import SetBlock
from optangent.modelkit.form import Cones, Form
from optangent.modelkit.sets import (
    DualExponentialCone,
    DualPowerCone,
    ExponentialCone,
    PowerCone,
    ScaledPositiveSemidefiniteConeTriangle,
    SecondOrderCone,
)
from optangent.solvers.libraries import form_solvers

SOLVERS = form_solvers()
INF = np.inf
S, R = ot.TerminationStatusCode, ot.ResultStatusCode

CONES: dict[Any, tuple[list[Any], Any]] = {  # cones of each type, and a point inside of the first
    SecondOrderCone: ([SecondOrderCone(3), SecondOrderCone(2), SecondOrderCone(3)], None),
    ScaledPositiveSemidefiniteConeTriangle: (
        [ScaledPositiveSemidefiniteConeTriangle(2), ScaledPositiveSemidefiniteConeTriangle(3)],
        None,
    ),
    ExponentialCone: ([ExponentialCone(), ExponentialCone()], None),
    DualExponentialCone: ([DualExponentialCone()], None),
    PowerCone: ([PowerCone(0.3), PowerCone(0.5)], None),
    DualPowerCone: ([DualPowerCone(0.4)], None),
}


def form_of(A: Any, rows: Any, box: Any, q: Any, P: Any = None, r: float = 0.0) -> Form:
    """A form of dense arrays; `rows` and `box` are (lower, upper)."""
    form, n = Form(), len(q)
    form.add_columns(n)
    form.set_bounds(np.arange(n), np.array(box[0], float), np.array(box[1], float))
    form.add_rows(sp.csr_array(np.array(A, float).reshape(-1, n)), *(np.array(side, float) for side in rows))
    form.set_objective(None if P is None else sp.csc_array(np.array(P, float)), np.array(q, float), r)
    return form


def with_cones(form: Form, cones: list[Any], F: Any, g: Any) -> Form:
    """The form with these cones, groups of one type one below the other."""
    kinds = list(dict.fromkeys(type(cone) for cone in cones))
    groups, at = [], 0
    for kind in kinds:
        block = SetBlock.of([cone for cone in cones if type(cone) is kind])
        groups.append(Cones(block, slice(at, at + int(block.dims.sum()))))
        at += int(block.dims.sum())
    form.set_cones(sp.csr_array(np.array(F, float)), np.array(g, float), groups)
    return form


def sides_around(rng: np.random.Generator, values: Any, *, fixed: float = 0.2) -> tuple[Any, Any]:
    """Sides that hold at these values: none, lower, upper, both, equal."""
    count = len(values)
    kind = rng.choice(5, size=count, p=[0.15, *[(0.85 - fixed) / 3] * 3, fixed])
    lower = np.where(np.isin(kind, (1, 3)), values - rng.uniform(0.0, 1.0, count), -INF)
    upper = np.where(np.isin(kind, (2, 3)), values + rng.uniform(0.0, 1.0, count), INF)
    return np.where(kind == 4, values, lower), np.where(kind == 4, values, upper)


def solvable(rng: np.random.Generator, n: int = 6, m: int = 8, *, curved: bool = True) -> Form:
    """A program that has a solution: stationary at a point with duals of the right signs, on a side or not."""
    A, x = rng.standard_normal((m, n)) * (rng.random((m, n)) < 0.7), rng.standard_normal(n)
    rows, box = sides_around(rng, A @ x), sides_around(rng, x, fixed=0.1)
    factor = rng.standard_normal((n, n // 2))
    P = factor @ factor.T if curved else np.zeros((n, n))
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
    return form_of(A, rows, box, gradient - P @ x, P, r=1.5)


def dense(form: Form) -> tuple[Any, Any, Any]:
    """(J, lower, upper) of all slots, sides infinite in cones."""
    J = np.vstack([form.A.toarray(), np.eye(form.n), form.F.toarray()])
    free = np.full(form.k, INF)
    return (
        J,
        np.concatenate([form.row_lower, form.lower, -free]),
        np.concatenate([form.row_upper, form.upper, free]),
    )


def each_cone(form: Form) -> Any:
    """The cones one by one, with their rows in F."""
    for cones in form.cones:
        for item in range(cones.sets.count):
            yield cones.sets.set(item), slice(*cones.starts[item : item + 2].tolist())


def check_solution(form: Form, result: Any, tol: float = 1e-6) -> None:
    """The conditions of Karush, Kuhn and Tucker, relative to one plus the size of their terms."""
    assert result.status is S.OPTIMAL, (result.status, result.raw)
    assert result.primal_status is R.FEASIBLE_POINT and result.dual_status is R.FEASIBLE_POINT
    x, y = result.x, result.dual
    J, lower, upper = dense(form)
    sided, f = form.slots.sided, J @ x
    assert x.shape == (form.n,) and y.shape == (form.slots.size,)
    one = 1.0 + np.abs(f)
    assert (f >= lower - tol * one).all() and (f <= upper + tol * one).all()
    gradient = form.P @ x + form.q
    np.testing.assert_allclose(gradient, J.T @ y, atol=tol * (1.0 + np.abs(gradient).max(initial=0.0)))
    size = tol * (1.0 + np.abs(y).max(initial=0.0))
    slack = np.where(y > 0.0, f - lower, upper - f)[:sided]
    big = np.flatnonzero(np.abs(y[:sided]) > size)
    assert np.isfinite(slack[big]).all()  # no dual of a side that is not there
    assert (np.abs(slack[big] * y[big]) <= tol * one[big] * (1.0 + np.abs(y[big]))).all()
    assert (y[:sided][(lower == -INF)[:sided] & (upper == INF)[:sided]] == 0.0).all()
    for cone, at in each_cone(form):
        s, w = (f[sided:] + form.g)[at], y[sided:][at]
        scale = 1.0 + max(np.abs(s).max(), np.abs(w).max())
        assert cone.violation(s) <= tol * scale and cone.dual_violation(w) <= tol * scale
        assert abs(s @ w) <= tol * scale**2


def check_infeasible(form: Form, result: Any, tol: float = 1e-6) -> None:
    """Duals that prove it: nothing is left of the gradient, and the sides that they name add up to more than zero."""
    assert result.status is S.INFEASIBLE and result.dual_status is R.INFEASIBILITY_CERTIFICATE, result.raw
    J, lower, upper = dense(form)
    y = result.dual / np.abs(result.dual).max()
    np.testing.assert_allclose(J.T @ y, 0.0, atol=tol * np.abs(J).max())
    side, sided = np.where(y > 0.0, lower, upper), form.slots.sided
    is_there = np.isfinite(side[:sided])
    assert (np.abs(y[:sided])[~is_there] <= tol).all()
    gain = y[:sided][is_there] @ side[:sided][is_there] - y[sided:] @ form.g
    assert gain > 1e-3
    for cone, at in each_cone(form):
        assert cone.dual_violation(y[sided:][at]) <= tol


def check_unbounded(form: Form, result: Any, tol: float = 1e-6) -> None:
    """A direction that proves it."""
    assert result.status is S.DUAL_INFEASIBLE and result.primal_status is R.INFEASIBILITY_CERTIFICATE, result.raw
    J, lower, upper = dense(form)
    d = result.x / np.abs(result.x).max()
    moved, size = J @ d, tol * np.abs(J).max()
    assert form.q @ d < -1e-3
    assert (np.abs(form.P @ d) <= tol * max(1.0, np.abs(form.P.toarray()).max())).all()
    assert (moved[lower > -INF] >= -size).all() and (moved[upper < INF] <= size).all()
    for cone, at in each_cone(form):
        assert cone.violation(moved[form.slots.sided :][at]) <= size
