"""Solvers with a quick way for stacks of small programs, and solvers that start where they are told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.bridges.lowering import Lowering
from optangent.solvers.contract import Start

from .problems import SOLVERS

DENSE = pytest.mark.parametrize("solver", [s for s in SOLVERS if hasattr(s, "candidates")], ids=lambda s: s.name)
Programs = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, int]


def programs(count: int, zeros: int = 2, seed: int = 0) -> tuple[Programs, np.ndarray, np.ndarray]:
    """Random programs of 6 variables and 9 rows with their solutions, built from those."""
    rng, n, m = np.random.default_rng(seed), 6, 9
    L, F = rng.standard_normal((count, n, n)), rng.standard_normal((count, m, n))
    P, x = L @ L.transpose(0, 2, 1) + np.eye(n), rng.standard_normal((count, n))
    y = rng.uniform(0.5, 1.5, (count, m)) * (rng.random((count, m)) < 0.4)
    slack = rng.uniform(0.5, 1.5, (count, m)) * (y == 0.0)
    y[:, :zeros], slack[:, :zeros] = rng.standard_normal((count, zeros)), 0.0
    g = slack - (F @ x[:, :, None])[:, :, 0]
    q = (y[:, None, :] @ F)[:, 0] - (P @ x[:, :, None])[:, :, 0]
    return (P, q, F, g, zeros), x, y


@DENSE
@pytest.mark.parametrize("zeros", [0, 2, 9])
def test_a_stack_is_solved(solver: Any, zeros: int) -> None:
    """Points and duals of programs with inequalities, with both kinds of rows, with equations alone."""
    given, x, y = programs(5, min(zeros, 5))
    if zeros == 9:
        P, q, F, g, _ = given
        given = P, q, np.ascontiguousarray(F[:, :5]), np.ascontiguousarray(g[:, :5]), 5
        x, y = solutions_of_equations(*given)
    for k, (point, dual) in enumerate(solver().candidates(*given)):
        np.testing.assert_allclose(point, x[k], atol=1e-6)
        np.testing.assert_allclose(dual, y[k], atol=1e-6)


def solutions_of_equations(P: Any, q: Any, F: Any, g: Any, zeros: int) -> tuple[np.ndarray, np.ndarray]:
    """Of programs without inequalities."""
    K = np.block([[P, -F.transpose(0, 2, 1)], [F, np.zeros((len(F), zeros, zeros))]])
    z = np.linalg.solve(K, -np.concatenate([q, g], axis=1)[:, :, None])[:, :, 0]
    return z[:, : q.shape[1]], z[:, q.shape[1] :]


@DENSE
def test_shared_matrices(solver: Any) -> None:
    """P and F of length one belong to all programs."""
    (P, q, F, g, zeros), *_ = programs(1)
    moved = q + np.linspace(0.0, 0.5, 4)[:, None]
    shared = solver().candidates(P, moved, F, np.tile(g, (4, 1)), zeros)
    alone = solver().candidates(np.tile(P, (4, 1, 1)), moved, np.tile(F, (4, 1, 1)), np.tile(g, (4, 1)), zeros)
    for one, other in zip(shared, alone, strict=True):
        np.testing.assert_array_equal(one[0], other[0])


@DENSE
def test_the_solver_forgets(solver: Any) -> None:
    """An answer does not depend on what was solved before, to the last bit, and a failure harms no neighbour."""
    (P, q, F, g, zeros), x, _ = programs(3)
    F[1, 3], F[1, 4], g[1, 3:5] = np.eye(6)[0], -np.eye(6)[0], -1.0  # x0 >= 1 and x0 <= -1
    one = solver()
    first = one.candidates(P, q, F, g, zeros)
    assert first[1] is None
    again = one.candidates(P[2:], q[2:], F[2:], g[2:], zeros)[0]
    np.testing.assert_array_equal(again[0], first[2][0])
    np.testing.assert_allclose(again[0], x[2], atol=1e-6)


@pytest.mark.parametrize("solver", [ot.solvers.OSQP, ot.solvers.SCS], ids=lambda s: s.name)
def test_a_start_saves_iterations(solver: Any) -> None:
    """Started at the solution, a first-order method stops at once; the next run without a start is as the first."""
    model = ot.Model(lambda: solver(eps_abs=1e-9, eps_rel=1e-9))
    x = model.add_variables(8)
    rng = np.random.default_rng(3)
    F, inside = rng.standard_normal((12, 8)), rng.standard_normal(8)
    values = F @ x - (F @ inside - np.arange(12) % 2)
    if solver is ot.solvers.OSQP:  # which takes rows one by one
        for value in values:
            model.add_constraint(value >= 0.0)
    else:
        model.add_constraint(values, ot.Nonnegatives(12))
    model.minimize(x @ x)
    one = solver(eps_abs=1e-9, eps_rel=1e-9)
    form = Lowering(solver.abilities).sync(model.meta_solver.store)
    cold = one.solve_anew(form)
    warm = one.solve_anew(form, Start(cold.x, cold.dual))
    again = one.solve_anew(form)
    counts = [sum(result.iterations.values()) for result in (cold, warm, again)]
    assert counts[1] < 0.5 * counts[0] and counts[2] == counts[0]
    np.testing.assert_array_equal(again.x, cold.x)
