"""That there is no solution is said with a proof, in whatever units the program is stated."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optangent as ot

from .odd_units import infeasible, solvable, unbounded
from .problems import EVERY, S

PROOF = ot.ResultStatusCode.INFEASIBILITY_CERTIFICATE
UNITS = pytest.mark.parametrize("decades", [0, 4, 6])
CURVED = pytest.mark.parametrize("quadratic", [False, True], ids=["linear", "quadratic"])
ALL_ALIKE = [(10.0**r, 10.0**c, 10.0**o) for r, c, o in 6 * np.vstack([np.eye(3, dtype=int), -np.eye(3, dtype=int)])]


@EVERY
@UNITS
@CURVED
def test_programs_with_a_solution(solver: Any, quadratic: bool, decades: int) -> None:
    """No wrong claim and no wrong optimum; nearly all are solved."""
    solved = 0
    for seed in range(8):
        rng = np.random.default_rng([seed, decades])
        program = solvable(rng, quadratic).restated(rng, decades)
        model, x = program.solved(solver)
        status = model.termination_status()
        assert status not in (S.INFEASIBLE, S.DUAL_INFEASIBLE, S.INFEASIBLE_OR_UNBOUNDED), seed
        if status is S.OPTIMAL:
            solved += 1
            assert program.error(model.value(x)) <= 1e-5, seed
    # a vertex is hard for a first-order method
    assert solved >= (3 if solver is ot.solvers.OSQP and not quadratic else 8)


@EVERY
@CURVED
@pytest.mark.parametrize(("row", "column", "objective"), ALL_ALIKE)
def test_programs_with_a_solution_in_one_other_unit(
    solver: Any, quadratic: bool, row: float, column: float, objective: float
) -> None:
    """All rows, all columns or the objective in another unit: the program is solved as well as in plain ones."""
    if solver is ot.solvers.OSQP and not quadratic:
        pytest.skip("a vertex is hard for a first-order method")
    for seed in range(8):
        plain = solvable(np.random.default_rng([seed, 9]), quadratic)
        m, n = plain.G.shape
        program = plain.in_units(np.full(m, row), np.full(n, column), objective)
        model, x = program.solved(solver)
        assert model.termination_status() is S.OPTIMAL, seed
        assert program.error(model.value(x)) <= 1e-5, seed


@EVERY
@UNITS
@CURVED
@pytest.mark.parametrize("build", [infeasible, unbounded])
def test_programs_without(solver: Any, quadratic: bool, decades: int, build: Any) -> None:
    """Whoever says that there is no solution gives the proof, which is checked here from the data."""
    proved = 0
    for seed in range(6):
        rng = np.random.default_rng([seed, decades])
        program = build(rng, quadratic).restated(rng, decades)
        model, x = program.solved(solver)
        status = model.termination_status()
        assert status not in (S.OPTIMAL, S.INFEASIBLE_OR_UNBOUNDED), seed
        if status is S.INFEASIBLE:
            assert build is infeasible and model.get(ot.DualStatus()) is PROOF
            proved += 1
        elif status is S.DUAL_INFEASIBLE:
            assert model.get(ot.PrimalStatus()) is PROOF
            d = model.value(x)
            allowed = np.abs(program.G) @ (np.abs(d * program.column).max() / program.column)
            moved = program.G @ d
            assert program.q @ d < 0.0
            assert (np.abs(moved[: program.zeros]) <= 1e-5 * allowed[: program.zeros]).all()
            assert (moved[program.zeros :] >= -1e-5 * allowed[program.zeros :]).all()
            proved += 1
    assert proved >= 4
