"""Conic programs at constructed kinks, and their one-sided derivatives against differences."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

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


def in_cone(cone: Any, slack: Sequence[float], dual: Sequence[float]) -> Kink:
    """With this slack and this dual, in a random program."""

    def made(rng: np.random.Generator) -> tuple[ot.Model, Any, Any]:
        offset = rng.standard_normal(len(slack))
        model, v, p = program(rng, np.array(slack) + offset, np.array(dual))
        model.add_constraint(v - offset, cone)
        return model, v, p

    return made


def solution(model: ot.Model, v: Any, p: Any, theta: Array) -> Array:
    """Exact, at other parameters."""
    moved = copy.deepcopy(model)
    for one, value in zip(p, theta, strict=True):
        moved.set_parameter_value(one, value)
    moved.optimize()
    x: Array = moved.meta_solver.polished(v)
    return x


def check_one_sided(kind: Kink, rng: np.random.Generator) -> None:
    """One direction and its opposite, to 1e-6, by differences extrapolated to second order."""
    model, v, p = kind(rng)
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
