"""Projections onto polyhedra on which Clarabel 0.11.1 cycles with its usual steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optangent as ot

STATUS = ot.TerminationStatusCode
SEEDS = (23353, 135140, 168729)


def projection(seed: int, **options: Any) -> tuple[Any, Any, Any]:
    """Projection of p onto ``Ax <= b`` with 0 inside: the model, its variables and its rows."""
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(2, 11)), int(rng.integers(4, 41))
    A, b, p = rng.standard_normal((m, n)), rng.random(m), 3.0 * rng.standard_normal(n)
    model = ot.Model(lambda: ot.solvers.Clarabel(**options))
    x = model.add_variables(n)
    rows = model.add_constraint(A @ x <= b)
    model.minimize(0.5 * (x @ x) - p @ x)
    return model, x, rows


@pytest.mark.parametrize("seed", SEEDS)
def test_a_run_that_stalls_is_repeated_with_shorter_steps(seed: int) -> None:
    """The second run solves it, and the counts are of both; also when numbers move in place before and after."""
    model, x, rows = projection(seed)
    model.optimize()
    assert model.termination_status() is STATUS.OPTIMAL
    assert model.meta_solver.residuals().worst <= 1e-8
    expected, iterations = model.value(x), model.get(ot.BarrierIterations())
    other, y, _ = projection(seed, max_step_fraction=0.9)
    other.optimize()
    np.testing.assert_allclose(expected, other.value(y), rtol=0.0, atol=1e-8)
    assert iterations > 2 * other.get(ot.BarrierIterations())
    assert model.get(ot.SolveTimeSec()) > 0.0
    f = model.get(ot.ConstraintFunction(), rows)
    for shift in (-0.1, 0.0):
        model.set(ot.ConstraintFunction(), rows, f + shift)
        model.optimize()
        assert model.termination_status() is STATUS.OPTIMAL
    np.testing.assert_allclose(model.value(x), expected, rtol=0.0, atol=1e-8)


@pytest.mark.parametrize("options", [{"max_iter": 150}, {"max_step_fraction": 0.99}])
def test_limits_of_the_user_hold(options: dict[str, Any]) -> None:
    """Who sets the number of iterations or the length of the steps gets one run."""
    model, _, _ = projection(SEEDS[0], **options)
    model.optimize()
    assert model.termination_status() is STATUS.ITERATION_LIMIT
    assert model.get(ot.BarrierIterations()) == options.get("max_iter", 200)


def test_a_time_limit_is_of_both_runs() -> None:
    """The second run gets what the first one left, and one that ran out of time is not repeated."""
    model, _, _ = projection(SEEDS[0])
    model.set(ot.TimeLimitSec(), 10.0)
    model.optimize()
    assert model.termination_status() is STATUS.OPTIMAL
    model.set(ot.TimeLimitSec(), 1e-9)
    model.optimize()
    assert model.termination_status() is STATUS.TIME_LIMIT
    assert model.get(ot.BarrierIterations()) < 200
