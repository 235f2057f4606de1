"""Layers whose solver takes stacks of small programs: solutions and derivatives of a batch are the solver's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.diffmodels.layers.dense.dense_state import DenseState
from optangent.diffmodels.layers.program import Program
from optangent.solvers.dense.stacked_points import StackedPoints

CODES = ot.TerminationStatusCode


def layer(solver: Any, n: int = 6) -> tuple[Program, np.ndarray]:
    """A program of parameters P, q, G and h, with an equality, and a batch of their values."""
    rng = np.random.default_rng(3)
    model = ot.Model(ot.diff_optimizer(solver))
    x = model.add_variables(n)
    of_P, of_q = model.add_parameters(np.eye(n)), model.add_parameters(np.zeros(n))
    G, h = model.add_parameters(np.zeros((4, n))), model.add_parameters(np.ones(4))
    model.add_constraint(G @ x - h, ot.Nonpositives(4))
    model.add_constraint(x.sum() == 1.0)
    model.minimize(0.5 * (x @ (of_P @ x)) + of_q @ x)
    M = rng.standard_normal((5, n, n))
    parts = (
        M @ M.swapaxes(1, 2) + np.eye(n),
        rng.standard_normal((5, n)),
        rng.standard_normal((5, 4, n)),
        np.ones((5, 4)),
    )
    return Program(model, [of_P, of_q, G, h], [x]), np.concatenate([part.reshape(5, -1) for part in parts], axis=1)


def test_a_batch_is_that_of_another_solver() -> None:
    """Outputs and both modes are to rounding those by another solver, and the states hold the solver's own systems."""
    found = []
    for solver in (ot.solvers.OptNet, ot.solvers.Clarabel):
        program, thetas = layer(solver)
        rng, items = np.random.default_rng(4), program.solve_batch(thetas)
        assert all(item.status is CODES.OPTIMAL for item in items)
        if solver is ot.solvers.OptNet:
            assert all(isinstance(item.state, DenseState) for item in items)
            assert all(isinstance(item.state.dense, StackedPoints) for item in items)  # type: ignore[union-attr]
        seeds = rng.standard_normal((5, 6))
        moves = rng.standard_normal(thetas.shape)
        one = program.solve(thetas[0])
        found.append(
            [
                np.array([item.outputs for item in items]),
                program.vjp_batch(items, seeds),
                np.array([item.jvp(move) for item, move in zip(items, moves, strict=True)]),
                one.vjp(seeds[0]),
            ]
        )
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-10)


def test_items_that_are_not_solved_leave_their_neighbours_alone() -> None:
    """A nonconvex item and one with no feasible point fail with their reason; the others are as they are alone."""
    program, thetas = layer(ot.solvers.OptNet)
    alone = [program.solve(theta).outputs for theta in thetas]
    spoiled = thetas.copy()
    spoiled[1, 0] = -50.0
    spoiled[3, 42:66], spoiled[3, 66:] = 0.0, -1.0  # 0 <= -1
    items = program.solve_batch(spoiled)
    assert "convex" in items[1].reason
    assert items[3].status is CODES.INFEASIBLE
    for k in (0, 2, 4):
        np.testing.assert_allclose(items[k].outputs, alone[k], atol=1e-12)


def test_kinks_of_items_are_told() -> None:
    """An item at a kink is differentiated the general way, and says so; its neighbour is EXACT."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.OptNet))
    x, p = model.add_variables(2), model.add_parameters(np.zeros(2))
    model.add_constraint(x - p, ot.Nonnegatives(2))
    model.minimize(x @ x)
    program = Program(model, [p], [x])
    items = program.solve_batch(np.array([[0.0, 1.0], [-1.0, 1.0]]))
    program.vjp_batch(items, np.ones((2, 2)))
    statuses = [item.state.differentiation_status for item in items]
    assert statuses == [ot.DifferentiationStatusCode.WEAKLY_ACTIVE, ot.DifferentiationStatusCode.EXACT]
    np.testing.assert_allclose(items[1].vjp(np.ones(2)), [0.0, 1.0], atol=1e-12)


def test_a_program_of_no_rows() -> None:
    """Without rows the solution is that of a linear system."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.OptNet))
    x, q = model.add_variables(3), model.add_parameters(np.zeros(3))
    model.minimize(x @ x + q @ x)
    items = Program(model, [q], [x]).solve_batch(np.arange(6.0).reshape(2, 3))
    np.testing.assert_allclose([item.outputs for item in items], -0.5 * np.arange(6.0).reshape(2, 3), atol=1e-14)
    assert items[0].vjp(np.ones(3)) == pytest.approx(-0.5 * np.ones(3), abs=1e-14)
