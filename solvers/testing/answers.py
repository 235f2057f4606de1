"""What makes an answer to a form right, recomputed in dense arrays: the tests' own, not what solvers are judged by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ...modelkit.arrays import FloatArray
from ...modelkit.form import Form
from ..result import Result, ResultStatus, Status

__all__ = ["check_infeasible", "check_solution", "check_unbounded", "dense", "require"]

INF = np.inf


def require(condition: Any, words: str) -> None:
    """Raise `AssertionError` with these words unless something is so."""
    if not condition:
        raise AssertionError(words)


def _statuses(result: Result) -> str:
    return f"{result.status.name}, {result.primal_status.name}, {result.dual_status.name} ({result.raw})"


def dense(form: Form) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(J, lower, upper) of all slots, sides infinite in cones."""
    J = np.vstack([form.A.toarray(), np.eye(form.n), form.F.toarray()])
    free = np.full(form.k, INF)
    return (
        J,
        np.concatenate([form.row_lower, form.lower, -free]),
        np.concatenate([form.row_upper, form.upper, free]),
    )


def _each_cone(form: Form) -> Iterator[tuple[Any, slice]]:
    """The cones one by one, with their rows in F."""
    for cones in form.cones:
        for item in range(cones.sets.count):
            yield cones.sets.set(item), slice(*cones.starts[item : item + 2].tolist())


def _has_shape(form: Form, found: FloatArray | None, name: str, count: int) -> FloatArray:
    require(found is not None and found.shape == (count,), f"{name} must be an array of shape ({count},), for {form!r}")
    assert found is not None
    require(np.isfinite(found).all(), f"{name} must be finite")
    return found


def check_solution(form: Form, result: Result, tolerance: float = 1e-6) -> None:
    """The conditions of Karush, Kuhn and Tucker, relative to one plus the size of their terms.

    Raises
    ------
    AssertionError
        Saying which one does not hold.
    """
    point = ResultStatus.FEASIBLE_POINT
    is_optimal = result.status is Status.OPTIMAL and result.primal_status is result.dual_status is point
    require(is_optimal, f"an optimum was expected, got {_statuses(result)}")
    x = _has_shape(form, result.x, "x", form.n)
    y = _has_shape(form, result.dual, "dual", form.slots.size)
    J, lower, upper = dense(form)
    sided, f = form.slots.sided, J @ x
    one = 1.0 + np.abs(f)
    outside = np.maximum(lower - f, f - upper) / one
    require((outside <= tolerance).all(), f"x is outside of a side, by {outside.max(initial=0.0):.1e} of its size")
    gradient = form.P @ x + form.q
    left = np.abs(gradient - J.T @ y).max(initial=0.0) / (1.0 + np.abs(gradient).max(initial=0.0))
    require(left <= tolerance, f"Px + q = Aᵀy does not hold: {left:.1e} is left")
    size = tolerance * (1.0 + np.abs(y).max(initial=0.0))
    slack = np.where(y > 0.0, f - lower, upper - f)[:sided]
    big = np.flatnonzero(np.abs(y[:sided]) > size)
    require(np.isfinite(slack[big]).all(), "a dual has the sign of a side that is not there (positive at lower sides)")
    products = np.abs(slack[big] * y[big]) / (one[big] * (1.0 + np.abs(y[big])))
    require((products <= tolerance).all(), f"a side that is not met has a dual: {products.max(initial=0.0):.1e}")
    free = (lower == -INF)[:sided] & (upper == INF)[:sided]
    require((y[:sided][free] == 0.0).all(), "a row or column without sides has a dual that is not zero")
    for cone, at in _each_cone(form):
        s, w = (f[sided:] + form.g)[at], y[sided:][at]
        scale = 1.0 + max(np.abs(s).max(), np.abs(w).max())
        require(cone.violation(s) <= tolerance * scale, f"F x + g is not in {cone!r}")
        require(cone.dual_violation(w) <= tolerance * scale, f"the dual of {cone!r} is not in the dual cone")
        require(abs(s @ w) <= tolerance * scale**2, f"F x + g and the dual of {cone!r} are not orthogonal")


def check_infeasible(form: Form, result: Result, tolerance: float = 1e-6) -> None:
    """Duals that prove it: nothing is left of the gradient, and the sides that they name add up to more than zero."""
    certificate = ResultStatus.INFEASIBILITY_CERTIFICATE
    has_proof = result.status is Status.INFEASIBLE and result.dual_status is certificate
    require(has_proof, f"INFEASIBLE with duals that prove it was expected, got {_statuses(result)}")
    J, lower, upper = dense(form)
    y = _has_shape(form, result.dual, "dual", form.slots.size)
    y = y / np.abs(y).max()
    left = np.abs(J.T @ y).max(initial=0.0)
    require(left <= tolerance * np.abs(J).max(), f"Aᵀy = 0 does not hold for the certificate: {left:.1e} is left")
    side, sided = np.where(y > 0.0, lower, upper), form.slots.sided
    is_there = np.isfinite(side[:sided])
    require((np.abs(y[:sided])[~is_there] <= tolerance).all(), "the certificate names a side that is not there")
    gain = y[:sided][is_there] @ side[:sided][is_there] - y[sided:] @ form.g
    require(gain > 1e-3, f"the sides that the certificate names add up to {gain:.1e}, which is not more than zero")
    for cone, at in _each_cone(form):
        require(cone.dual_violation(y[sided:][at]) <= tolerance, f"the certificate is not in the dual cone of {cone!r}")


def check_unbounded(form: Form, result: Result, tolerance: float = 1e-6) -> None:
    """A direction that proves it: it keeps to all sides and cones, and the objective falls along it for ever."""
    certificate = ResultStatus.INFEASIBILITY_CERTIFICATE
    has_proof = result.status is Status.DUAL_INFEASIBLE and result.primal_status is certificate
    require(has_proof, f"DUAL_INFEASIBLE with a direction that proves it was expected, got {_statuses(result)}")
    J, lower, upper = dense(form)
    d = _has_shape(form, result.x, "x", form.n)
    d = d / np.abs(d).max()
    moved, size = J @ d, tolerance * np.abs(J).max()
    require(form.q @ d < -1e-3, "the objective does not fall along the direction")
    curvature = np.abs(form.P @ d).max(initial=0.0)
    require(curvature <= tolerance * max(1.0, np.abs(form.P.toarray()).max(initial=0.0)), "P d = 0 does not hold")
    stays = (moved[lower > -INF] >= -size).all() and (moved[upper < INF] <= size).all()
    require(stays, "the direction leaves a side")
    for cone, at in _each_cone(form):
        require(cone.violation(moved[form.slots.sided :][at]) <= size, f"the direction leaves {cone!r}")
