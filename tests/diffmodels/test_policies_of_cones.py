"""One-sided derivatives of conic programs at constructed kinks."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import optangent as ot

from .oracle import Array

STEP = 1e-5
Kink = Callable[[np.random.Generator], tuple[ot.Model, Any, Any]]


def program(rng: np.random.Generator, x: Array, pull: Array) -> tuple[ot.Model, Any, Any]:
    """``min ½xᵀPx - pᵀx`` without constraints yet; with them x is to be the solution, where they pull as given."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    R = rng.standard_normal((len(x), len(x)))
    P = R.T @ R + np.eye(len(x))
    v, p = model.add_variables(len(x)), model.add_parameters(P @ x - pull)
    model.minimize(0.5 * (v @ (P @ v)) - p @ v)
    return model, v, p


def at_the_apex(rng: np.random.Generator) -> tuple[ot.Model, Any, Any]:
    """Slack and dual of a second-order cone are both zero."""
    x = rng.standard_normal(4)
    model, v, p = program(rng, x, np.zeros(4))
    model.add_constraint(v - x, ot.SecondOrderCone(4))
    return model, v, p


def on_the_boundary(rng: np.random.Generator) -> tuple[ot.Model, Any, Any]:
    """Of a second-order cone, with a dual that is zero; and of an inequality."""
    tail = rng.standard_normal(3)
    x = np.array([np.linalg.norm(tail), *tail])
    model, v, p = program(rng, x, np.zeros(4))
    row = rng.standard_normal(4)
    model.add_constraint(1.0 * v, ot.SecondOrderCone(4))
    model.add_constraint(row @ v <= float(row @ x))
    return model, v, p


def of_dual_boundary(rng: np.random.Generator) -> tuple[ot.Model, Any, Any]:
    """The slack of a second-order cone is zero, and the dual on its boundary."""
    x, tail = rng.standard_normal(4), rng.standard_normal(3)
    model, v, p = program(rng, x, np.array([np.linalg.norm(tail), *tail]))
    model.add_constraint(v - x, ot.SecondOrderCone(4))
    return model, v, p


def semidefinite(side: int, zero: int, dual: int) -> Kink:
    """So many eigenvalues are zero in slack and dual, and so many positive in the dual."""

    def made(rng: np.random.Generator) -> tuple[ot.Model, Any, Any]:
        Q, _ = np.linalg.qr(rng.standard_normal((side, side)))
        slack, multiplier = np.zeros(side), np.zeros(side)
        multiplier[:dual] = rng.uniform(0.5, 2.0, dual)
        slack[dual + zero :] = rng.uniform(0.5, 2.0, side - dual - zero)
        entries = [(i, j) for j in range(side) for i in range(j + 1)]
        S, Y = ((Q * values) @ Q.T for values in (slack, multiplier))
        twice = np.array([1.0 if i == j else 2.0 for i, j in entries])
        offset = rng.standard_normal(len(entries))
        x = np.array([S[e] for e in entries]) + offset
        model, v, p = program(rng, x, twice * np.array([Y[e] for e in entries]))
        model.add_constraint(v - offset, ot.PositiveSemidefiniteConeTriangle(side))
        return model, v, p

    return made


def on_curved_rows(rng: np.random.Generator) -> tuple[ot.Model, Any, Any]:
    """A ball with a multiplier, and an ellipsoid that touches it at the solution with none."""
    x = rng.standard_normal(3)
    x /= np.linalg.norm(x)
    model, v, p = program(rng, x, rng.uniform(0.5, 2.0) * -2.0 * x)
    weights = rng.uniform(0.5, 2.0, 3)
    model.add_constraint(v @ v <= 1.0)
    model.add_constraint(v @ (np.diag(weights) @ v) <= float(weights @ x**2))
    return model, v, p


KINKS = {
    "apex": at_the_apex,
    "boundary": on_the_boundary,
    "boundary of the dual": of_dual_boundary,
    "one eigenvalue": semidefinite(3, 1, 1),
    "two eigenvalues": semidefinite(4, 2, 1),
    "a whole matrix": semidefinite(3, 3, 0),
    "curved rows": on_curved_rows,
}


def solution(model: ot.Model, v: Any, p: Any, theta: Array) -> Array:
    """Exact, at other parameters."""
    moved = copy.deepcopy(model)
    for one, value in zip(p, theta, strict=True):
        moved.set_parameter_value(one, value)
    moved.optimize()
    x: Array = moved.meta_solver.polished(v)
    return x


@pytest.mark.parametrize("kind", KINKS)
def test_directional_derivatives_are_one_sided_differences(kind: str) -> None:
    """On 15 programs of each kind, to 1e-6, by differences extrapolated to second order."""
    for seed in range(15):
        rng = np.random.default_rng([seed, *map(ord, kind)])
        model, v, p = KINKS[kind](rng)
        model.optimize()
        model.set(ot.DifferentiationPolicy(), "directional")
        theta, move = np.array([model.parameter_value(q) for q in p]), rng.standard_normal(len(p))
        move /= np.linalg.norm(move)
        x = model.meta_solver.polished(v)
        with warnings.catch_warnings(action="ignore", category=ot.DifferentiationWarning):  # of the solver's accuracy
            found = model.directional_derivatives(v, [dict(zip(p, sign * move, strict=True)) for sign in (1.0, -1.0)])
        assert model.get(ot.DifferentiationStatus()) is ot.DifferentiationStatusCode.ONE_SIDED
        for derivative, sign in zip(found, (1.0, -1.0), strict=True):
            half, whole = ((solution(model, v, p, theta + sign * h * move) - x) / h for h in (STEP / 2, STEP))
            expected = 2.0 * half - whole
            np.testing.assert_allclose(derivative, expected, atol=1e-6 * max(1.0, np.abs(expected).max()))


@pytest.mark.parametrize("kind", ["apex", "a whole matrix", "two eigenvalues"])
def test_where_axes_turn_a_kink_is_told(kind: str) -> None:
    """No solution is called EXACT at an apex, or where eigenvalues are zero together, whatever roundings there are."""
    for seed in range(15):
        model, _, _ = KINKS[kind](np.random.default_rng([seed, *map(ord, kind)]))
        model.optimize()
        with warnings.catch_warnings(action="ignore", category=ot.DifferentiationWarning):
            model.forward_differentiate()
        assert model.get(ot.DifferentiationStatus()) is ot.DifferentiationStatusCode.WEAKLY_ACTIVE


def test_what_is_not_known_of_cones_is_refused() -> None:
    """Where duals are not unique, with what to do."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    v = model.add_variables(2)
    for _ in range(2):
        model.add_constraint(ot.vectorize([0.0 * v[0] + 1.0, v[0], v[1]]), ot.SecondOrderCone(3))
    model.minimize((v[0] - 2.0) ** 2 + v[1] ** 2)
    model.optimize()
    model.set(ot.DifferentiationPolicy(), "directional")
    model.set(ot.ForwardObjectiveFunction(), 1.0 * v[1])
    with pytest.raises(ot.Unsupported, match="duals are unique"):
        model.forward_differentiate()
