"""Answers that a library is not content with: our own residuals say what they are, or the library runs again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.solvers.result import Result

STATUS, RESULT = ot.TerminationStatusCode, ot.ResultStatusCode
NOT_CONTENT = (STATUS.ALMOST_OPTIMAL, STATUS.SLOW_PROGRESS, STATUS.NUMERICAL_ERROR, STATUS.ITERATION_LIMIT)
SOLVERS = (ot.solvers.Clarabel, ot.solvers.OSQP, ot.solvers.SCS)


def unsure(solver: Any, status: STATUS, error: float) -> Any:
    """A solver that says of a point moved by so much, and of its duals, that it stopped short of the solution."""
    fake: Any = solver()
    usual = fake.run

    def run(form: Any, start: Any = None) -> Result:
        found = usual(form, start)
        return Result.of(status, "stopped short", found.x + error, found.dual, seconds=0.0)

    fake.run = run
    return fake


@pytest.mark.parametrize("units", [(1.0, 1.0), (1e-4, 1.0), (1.0, 1e-4), (100.0, 100.0)])
@pytest.mark.parametrize("status", NOT_CONTENT)
@pytest.mark.parametrize("solver", SOLVERS)
def test_our_own_residuals_say_what_is_optimal(solver: Any, status: STATUS, units: tuple[float, float]) -> None:
    """What is a solution is OPTIMAL whatever the library thinks of it; what is none is not, in any units."""
    rows, objective = units
    for error, is_solution in ((0.0, True), (-1e-5, False), (1e-5, False)):
        optimizer = unsure(solver, status, error)
        model = ot.Model(lambda optimizer=optimizer: optimizer)
        x = model.add_variables(3)
        model.add_constraint(rows * x.sum() == rows * 1.0)
        model.add_constraint(rows * x >= rows * np.array([0.5, -1.0, -1.0]))
        model.minimize(objective * (x @ x))
        model.optimize()
        is_optimal = model.termination_status() is STATUS.OPTIMAL
        assert is_optimal or not is_solution
        assert is_solution or not is_optimal or units != (1.0, 1.0)  # in odd units other words are tried, and solved
        if is_optimal:
            assert model.get(ot.PrimalStatus()) is model.get(ot.DualStatus()) is RESULT.FEASIBLE_POINT
            assert model.meta_solver.residuals().worst <= 1e-7
            np.testing.assert_allclose(model.value(x), [0.5, 0.25, 0.25], atol=1e-6)


@pytest.mark.parametrize("seed", [22, 53])
def test_clarabel_projects_hermitian_matrices(seed: int) -> None:
    """With weights it stops short of 1e-10, at residuals of 1e-8; with shorter steps the point is a solution."""
    rng = np.random.default_rng(seed)
    w, p = rng.random(16) + 0.5, rng.standard_normal(16)
    values = []
    for solver in (ot.solvers.Clarabel, ot.solvers.SCS):
        model = ot.Model(solver)
        x = model.add_variables(16)
        model.add_constraint(x, ot.HermitianPositiveSemidefiniteConeTriangle(4))
        model.minimize(sum(w[i] * (x[i] - p[i]) ** 2 for i in range(16)))
        model.optimize()
        assert model.termination_status() is STATUS.OPTIMAL
        values.append(model.value(x))
    np.testing.assert_allclose(*values, rtol=0.0, atol=2e-5)


@pytest.mark.parametrize("seed", [8, 16, 22])
def test_the_nearest_of_several_answers_is_kept(seed: int) -> None:
    """Where no wording of a semidefinite program in odd units gives a solution, the best point is the answer."""
    rng, side, unit = np.random.default_rng(seed), 5, 1e4
    pairs = [(i, j) for j in range(side) for i in range(j + 1)]
    Q = np.linalg.qr(rng.standard_normal((side, side)))[0]
    X, S = (Q[:, s] * (rng.random(Q[:, s].shape[1]) + 0.1) @ Q[:, s].T for s in (slice(0, 2), slice(2, side)))
    A, x0 = rng.standard_normal((5, len(pairs))), np.array([X[pair] for pair in pairs])
    c = A.T @ rng.standard_normal(5) + np.array([S[i, j] * (1 + (i != j)) for i, j in pairs])
    model = ot.Model(ot.solvers.Clarabel)
    x = unit * model.add_variables(len(pairs))
    model.add_constraint(x, ot.PositiveSemidefiniteConeTriangle(side))
    model.add_constraint(A @ x == A @ x0)
    model.minimize(c @ x)
    model.optimize()
    assert model.termination_status() in (STATUS.OPTIMAL, STATUS.ALMOST_OPTIMAL)
    assert model.objective_value() == pytest.approx(c @ x0, abs=1e-5)


# ---------------------------------------------------------------------- SCS, with one rho_x and with the other
def odd_program(solver: Any, seed: int) -> tuple[Any, float]:
    """A linear program whose rows and columns have units far apart, and its least value."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((5, 10)) * 10.0 ** rng.uniform(-2, 2, (5, 1)) * 10.0 ** rng.uniform(-2, 2, 10)
    x0 = np.maximum(rng.standard_normal(10), 0.0)
    c = 1e-3 * (A.T @ rng.standard_normal(5) + np.where(x0 > 0.0, 0.0, rng.random(10)))
    model = ot.Model(solver)
    x = model.add_variables(10, lower=0.0)
    model.add_constraint(A @ x == A @ x0)
    model.minimize(c @ x)
    return model, float(c @ x0)


@pytest.mark.parametrize("seed", [1, 4, 16, 28, 45])
def test_scs_solves_linear_programs_in_odd_units(seed: int) -> None:
    """Programs that it has no answer to with a rho_x of 1e-3; whoever chooses that gets it."""
    model, least = odd_program(ot.solvers.SCS, seed)
    model.optimize()
    assert model.termination_status() is STATUS.OPTIMAL
    assert model.objective_value() == pytest.approx(least, rel=1e-7)
    chosen, _ = odd_program(lambda: ot.solvers.SCS(rho_x=1e-3, max_iters=3000), seed)
    chosen.optimize()
    assert chosen.termination_status() is not STATUS.OPTIMAL
    assert chosen.get(ot.BarrierIterations()) == 3000


@pytest.mark.parametrize("seed", [23, 36])
def test_scs_solves_what_has_an_answer_with_our_rho_alone(seed: int) -> None:
    """A fit of absolute errors that its own rho_x of 1e-6 leads to no end; the iterations are of all runs."""
    rng = np.random.default_rng(seed)
    A, b = rng.standard_normal((6, 3)), rng.standard_normal(6)
    unit, size = 10.0 ** rng.uniform(-4, 4), 10.0 ** rng.uniform(-3, 3)
    values = []
    for solver in (ot.solvers.SCS, ot.solvers.HiGHS):
        model = ot.Model(solver)
        x, t = model.add_variables(3), model.add_variables(6)
        model.add_constraint(A @ x - t <= size * b)
        model.add_constraint(-(A @ x) - t <= -size * b)
        model.minimize(unit * t.sum())
        model.optimize()
        assert model.termination_status() is STATUS.OPTIMAL
        values.append(model.objective_value())
        if solver is ot.solvers.SCS:
            assert model.get(ot.BarrierIterations()) > 20_000
    assert values[0] == pytest.approx(values[1], rel=1e-7)
