"""Layers of whole matrices of parameters: what they hold, and derivatives in all entries."""

from __future__ import annotations

import gc
import pickle
import tracemalloc
from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.diffmodels.layers.program import Program

RNG = np.random.default_rng(11)


def written(n: int, m: int, first: int = 0) -> tuple[ot.Model, list[Any], list[Any]]:
    """A quadratic program of which all numbers are parameters, with these and its outputs.

    `first` says how many rows of the constraints' matrix are no parameters.
    """
    model = ot.Model(ot.diff_optimizer(ot.solvers.PIQP))
    x = model.add_variables(n)
    P, q, G, h = (model.add_parameters(np.zeros(shape)) for shape in ((n, n), n, (m - first, n), m))
    if first:
        model.add_constraint(np.full((first, n), 1.0) @ x - h[:first], ot.Nonpositives(first))
    c = model.add_constraint(G @ x - h[first:], ot.Nonpositives(m - first))
    model.minimize(0.5 * (x @ (P @ x)) + q @ x)
    return model, [P, q, G, h], [x, c]


def numbers(n: int, m: int, first: int = 0) -> np.ndarray:
    """Values of the parameters: a well-conditioned program with some active rows."""
    W = RNG.standard_normal((n, n)) / np.sqrt(n)
    P, G = W @ W.T + np.eye(n) + 0.1 * (W - W.T), RNG.standard_normal((m - first, n)) / np.sqrt(n)
    return np.concatenate([P.ravel(), RNG.standard_normal(n), G.ravel(), 0.1 * RNG.random(m) + 0.05])


def test_a_layer_holds_little_more_than_its_data() -> None:
    """At most four times the numbers of its parameters, once the model is gone."""
    Program(*written(5, 3))  # what is made once
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        model, parameters, outputs = written(400, 120)
        program = Program(model, parameters, outputs)
        del model, parameters, outputs
        gc.collect()
        held = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert held <= 4 * 8 * program.parameter_size


@pytest.mark.parametrize(("n", "m", "first"), [(8, 5, 0), (8, 5, 2), (220, 70, 0), (220, 70, 3)])
def test_derivatives_in_all_entries(n: int, m: int, first: int) -> None:
    """Central differences of exact solutions, and the adjoint identity; also where only some rows are parameters."""
    program, theta = Program(*written(n, m, first)), numbers(n, m, first)
    item = program.solve(theta)
    moves, seeds = RNG.standard_normal((2, len(theta))), RNG.standard_normal((2, program.output_size))
    moved, pulled = item.jvp(moves), item.vjp(seeds)
    np.testing.assert_allclose(pulled @ moves.T, seeds @ moved.T, rtol=1e-9, atol=1e-9)
    step = 1e-6 * moves[0]
    ends = [program.solve(theta + sign * step).outputs for sign in (1.0, -1.0)]
    difference = (ends[0] - ends[1]) / 2e-6
    scale = np.abs(moved[0]).max()
    np.testing.assert_allclose(difference, moved[0], atol=1e-6 * scale)


def test_a_pickled_program_of_matrices() -> None:
    """A copy in another process would have the same numbers, whatever was solved before."""
    program, theta = Program(*written(210, 40)), numbers(210, 40)
    item = program.solve(theta)
    other = pickle.loads(pickle.dumps(program)).solve(theta)
    np.testing.assert_allclose(other.outputs, item.outputs, atol=1e-9)
    seed = np.ones(program.output_size)
    np.testing.assert_allclose(other.vjp(seed), item.vjp(seed), rtol=1e-7, atol=1e-9)


def test_infinite_sides_among_matrices() -> None:
    """A row without a bound comes and goes, and leaves the other numbers as they are."""
    program, theta = Program(*written(8, 5)), numbers(8, 5)
    free = theta.copy()
    free[-2] = np.inf
    expected = program.solve(theta).outputs
    assert program.solve(free).outputs[-2] == 0.0
    np.testing.assert_allclose(program.solve(theta).outputs, expected, atol=1e-9)
