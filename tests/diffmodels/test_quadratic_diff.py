"""Every derivative of linear and quadratic programs, against central differences and the adjoint identity."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optangent as ot

from .moves import along, check_adjoint
from .oracle import SLOTS, differences, direction, program, set_tangents, tangents

SEEDS = (0, 1, 2)


def exact() -> Any:
    """An accurate solver for the differences."""
    return ot.solvers.Clarabel(tol_gap_abs=1e-13, tol_gap_rel=1e-13, tol_feas=1e-13)


@pytest.mark.parametrize("quadratic", [True, False], ids=["QP", "LP"])
@pytest.mark.parametrize("sense", ["min", "max"])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_oracle_knows_the_solution(seed: int, sense: str, quadratic: bool) -> None:
    """The program's stated solution is what a solver finds, duals included."""
    p = program(seed, sense, quadratic=quadratic)
    x, y, _ = p.solve(exact)
    np.testing.assert_allclose(x, p.x, atol=1e-7)
    for mine, stated in zip(y, p.y, strict=True):
        np.testing.assert_allclose(mine, stated, atol=1e-6)


@pytest.mark.parametrize("quadratic", [True, False], ids=["QP", "LP"])
@pytest.mark.parametrize("sense", ["min", "max"])
@pytest.mark.parametrize("slot", SLOTS)
@pytest.mark.parametrize("seed", SEEDS)
def test_forward_equals_central_differences(seed: int, slot: str, sense: str, quadratic: bool) -> None:
    """Primal, dual and objective tangents of each slot of the data, to 1e-6 relative."""
    p = program(seed, sense, quadratic=quadratic)
    d = direction(p, slot, seed + 100)
    model, v, indices = p.build(exact)
    model.optimize()
    set_tangents(model, v, indices, p, d)
    model.forward_differentiate()
    assert model.get(ot.DifferentiationStatus()) is ot.DifferentiationStatusCode.EXACT
    dx, dy, df = tangents(model, v, indices)
    errors = []
    for step in (1e-4, 1e-5):
        fx, fy, ff = differences(p, d, exact, step)
        ours = np.concatenate([dx, *dy, [df]])
        theirs = np.concatenate([fx, *fy, [ff]])
        errors.append(np.linalg.norm(ours - theirs) / (1.0 + np.linalg.norm(theirs)))
    assert min(errors) <= 1e-6, errors


# OSQP's operator splitting needs curvature: on these vertices it runs into any iteration limit.
ROUTES = [("OSQP", True), *((name, curved) for name in ("HiGHS", "Clarabel", "DAQP") for curved in (True, False))]


@pytest.mark.parametrize(("solver", "quadratic"), ROUTES)
@pytest.mark.parametrize("sense", ["min", "max"])
@pytest.mark.parametrize("seed", SEEDS)
def test_adjoint_identity(seed: int, solver: str, sense: str, quadratic: bool) -> None:
    """<J u, v> = <u, Jᵀ v> over all data and all results, to 1e-9, whatever solver found the solution."""
    p = program(seed, sense, quadratic=quadratic)
    model, v, indices = p.build(getattr(ot.solvers, solver))
    model.optimize()
    for slot in SLOTS:
        d = direction(p, slot, seed + 300)
        set_tangents(model, v, indices, p, d)
        model.forward_differentiate()
        check_adjoint(model, along(v, indices, p, d))


def test_the_oracle_refuses_a_wrong_derivative() -> None:
    """Half the true tangent is far from the central differences."""
    p = program(0, "min")
    d = direction(p, "q", 100)
    model, v, indices = p.build(exact)
    model.optimize()
    set_tangents(model, v, indices, p, d)
    model.forward_differentiate()
    dx, _, _ = tangents(model, v, indices)
    fx, _, _ = differences(p, d, exact, 1e-4)
    assert np.linalg.norm(0.5 * dx - fx) > 0.1 * np.linalg.norm(fx)
