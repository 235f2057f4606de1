"""One-sided derivatives where active cones depend on one another, so that the direction chooses among many duals.

The differences are those of an oracle of their own: programs of a few balls, solved by trying every set of active ones.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest

import optangent as ot

from .oracle import Array

STEP = 1e-4
Ball = tuple[Array, float]


def solved(P: Array, q: Array, balls: list[Ball], x: Array) -> Array:
    """``min ½xᵀPx - qᵀx`` over balls of centres and radii, near x: Newton's method for each set of active ones."""
    n, best, least = len(q), x, np.inf
    for count in range(n + 1):
        for chosen in combinations(range(len(balls)), count):
            z = np.concatenate([x, np.zeros(count)])
            for _ in range(30):
                v, y = z[:n], z[n:]
                away = np.array([v - balls[k][0] for k in chosen]).reshape(count, n)
                gaps = 0.5 * ((away**2).sum(axis=1) - np.array([balls[k][1] ** 2 for k in chosen]))
                residual = np.concatenate([P @ v - q + away.T @ y, gaps])
                J = np.block([[P + y.sum() * np.eye(n), away.T], [away, np.zeros((count, count))]])
                z = z - np.linalg.lstsq(J, residual, rcond=1e-14)[0]
            v, y = z[:n], z[n:]
            inside = all(np.linalg.norm(v - c) <= r + 1e-11 for c, r in balls)
            if inside and (y >= -1e-9).all() and np.abs(residual).max(initial=0.0) <= 1e-11:
                value = 0.5 * v @ P @ v - q @ v
                if value < least:
                    best, least = v, value
    return best


def of_balls(P: Array, q: Array, balls: list[Ball]) -> tuple[ot.Model, Any, list[Any]]:
    """The same as a model, with costs and radii as parameters."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    n = len(q)
    v, p, r = model.add_variables(n), model.add_parameters(q), model.add_parameters([one[1] for one in balls])
    for k, (centre, _) in enumerate(balls):
        model.add_constraint(ot.vectorize([1.0 * r[k], *(v - centre)]), ot.SecondOrderCone(n + 1))
    model.minimize(0.5 * (v @ (P @ v)) - p @ v)
    model.optimize()
    model.set(ot.DifferentiationPolicy(), "directional")
    return model, v, [*p, *r]


def check(P: Array, q: Array, balls: list[Ball], x: Array, move: Array) -> None:
    """To 1e-6, by differences extrapolated to third order."""
    model, v, parameters = of_balls(P, q, balls)
    np.testing.assert_allclose(model.meta_solver.polished(v), x, atol=1e-9)
    found = model.directional_derivatives(v, [dict(zip(parameters, move, strict=True))])[0]
    assert model.get(ot.DifferentiationStatus()) is ot.DifferentiationStatusCode.ONE_SIDED

    def slope(t: float) -> Array:
        moved = [(c, r + t * by) for (c, r), by in zip(balls, move[len(q) :], strict=True)]
        difference: Array = (solved(P, q + t * move[: len(q)], moved, x) - x) / t
        return difference

    whole, half, quarter = (slope(STEP / 2**k) for k in range(3))
    expected = (8.0 * quarter - 6.0 * half + whole) / 3.0
    np.testing.assert_allclose(found, expected, atol=1e-6 * max(1.0, np.abs(expected).max()))


def meeting(rng: np.random.Generator, n: int, m: int) -> tuple[Array, Array, list[Ball], Array]:
    """More balls than variables with a point x in common, all of them pulling there."""
    R, x = rng.standard_normal((n, n)), rng.standard_normal(n)
    balls, pull = list[Ball](), np.zeros(n)
    towards = rng.standard_normal(n)
    for _ in range(m):
        away = rng.standard_normal(n) + towards
        radius = np.linalg.norm(away)
        balls.append((x - away, float(radius)))
        pull += rng.uniform(0.5, 1.0) * away / radius
    P = R.T @ R + np.eye(n)
    return P, P @ x + pull, balls, x


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("m", [3, 4])
def test_radii_choose_among_the_duals(m: int, seed: int) -> None:
    """Of balls that meet in a point."""
    rng = np.random.default_rng([seed, m])
    P, q, balls, x = meeting(rng, 2, m)
    move = rng.standard_normal(2 + m)
    check(P, q, balls, x, move / np.linalg.norm(move))


@pytest.mark.parametrize("radii", [[1.0, 1.0], [1.0, 2.0], [4.0, 2.0, 1.5, 3.0]])
def test_the_costs_prefer_the_most_curved(radii: list[float]) -> None:
    """Balls that touch in (1, 0, 0): the smallest one counts, though no dual in the middle of the others says so."""
    balls = [(np.array([1.0 - r, 0.0, 0.0]), r) for r in radii]
    model, v, p = of_balls(np.eye(3), np.array([2.0, 0.0, 0.0]), balls)
    found = model.directional_derivatives(v, [{p[1]: 1.0}, {p[0]: 1.0, p[2]: -2.0}])
    share = min(radii) / (min(radii) + 1.0)
    np.testing.assert_allclose(found, [[0.0, share, 0.0], [0.0, 0.0, -2.0 * share]], atol=1e-12)


def test_where_two_of_them_count_together() -> None:
    """``x₃`` has to follow the larger of two quadratic forms, and what counts is a mixture of them.

    In ``min x₃ + ½|x|² - p₁x₁ - p₂x₂`` with ``x₃ >= 2x₁² + x₂²`` and ``x₃ >= x₁² + 2x₂²`` both hold with equality along
    the diagonal, where the mixture has the curvature 3; along the first axis the first one alone, with 4.
    """
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    v, p = model.add_variables(3), model.add_parameters([0.0, 0.0])
    model.add_constraint(2.0 * v[0] * v[0] + v[1] * v[1] - v[2] <= 0.0)
    model.add_constraint(v[0] * v[0] + 2.0 * v[1] * v[1] - v[2] <= 0.0)
    model.minimize(v[2] + 0.5 * (v @ v) - p @ v[:2])
    model.optimize()
    model.set(ot.DifferentiationPolicy(), "directional")
    found = model.directional_derivatives(v, [{p[0]: 1.0, p[1]: 1.0}, {p[0]: 1.0}])
    np.testing.assert_allclose(found, [[0.25, 0.25, 0.0], [0.2, 0.0, 0.0]], atol=1e-9)


def test_what_is_not_known_is_refused() -> None:
    """Coefficients that move, and apexes, with what to do."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    v, p = model.add_variables(2), model.add_parameter(1.0)
    for scale in (p, 1.0):
        model.add_constraint(ot.vectorize([0.0 * v[0] + 1.0, scale * v[0], 1.0 * v[1]]), ot.SecondOrderCone(3))
    model.minimize((v[0] - 2.0) ** 2 + v[1] ** 2)
    model.optimize()
    model.set(ot.DifferentiationPolicy(), "directional")
    with pytest.raises(ot.Unsupported, match="duals are unique"):
        model.directional_derivatives(v, [{p: 1.0}])
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    v, p = model.add_variables(3), model.add_parameters([-2.0, 0.5, 0.0])
    for _ in range(2):
        model.add_constraint(1.0 * v, ot.SecondOrderCone(3))
    model.minimize(0.5 * (v @ v) - p @ v)
    model.optimize()
    model.set(ot.DifferentiationPolicy(), "directional")
    with pytest.raises(ot.Unsupported, match="a cone is active in several axes"):
        model.directional_derivatives(v, [{p[0]: 1.0, p[1]: 1.0}])
