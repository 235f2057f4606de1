"""Iterations instead of a factorization: the same derivatives, the same statuses, checked residuals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

import optangent as ot
from optangent.diffmodels.kkt import KKTFactorization, KrylovSystem, choose

from .moves import along, check_adjoint
from .oracle import conic_program, direction, set_tangents, tangents

EXACT = ot.DifferentiationStatusCode.EXACT
CONES = [
    ot.Nonnegatives(3),
    ot.SecondOrderCone(4),
    ot.ScaledPositiveSemidefiniteConeTriangle(3),
    ot.ScaledPositiveSemidefiniteConeTriangle(11),  # large enough for rows that are applied but not formed
    ot.ExponentialCone(),
    ot.PowerCone(0.3),
]


def solved(cone: Any, seed: int, algebra: Any) -> tuple[Any, ot.Model, Any, Any]:
    """A program, solved, with a way of solving KKT systems."""
    p = conic_program(cone, seed, "min")
    model, v, indices = p.build(lambda: ot.solvers.SCS(eps_abs=1e-10, eps_rel=1e-10))
    model.set(ot.ModelConstructor(), ot.ConicDiff)
    model.set(ot.LinearAlgebraSolver(), algebra)
    model.optimize()
    return p, model, v, indices


@pytest.mark.parametrize("cone", CONES, ids=repr)
def test_both_ways_agree(cone: Any) -> None:
    """Tangents of x and all duals agree to 1e-8, and the adjoint identity holds to 1e-8 by iterations."""
    found = []
    for algebra in (ot.DirectKKT(), ot.IterativeKKT(tolerance=1e-10)):
        p, model, v, indices = solved(cone, 1, algebra)
        d = direction(p, "everything", 5)
        set_tangents(model, v, indices, p, d)
        model.forward_differentiate()
        assert model.get(ot.DifferentiationStatus()) is EXACT
        dx, dy, _ = tangents(model, v, indices)
        found.append(np.concatenate([dx, *dy]))
    np.testing.assert_allclose(found[1], found[0], rtol=1e-8, atol=1e-8 * np.abs(found[0]).max())
    check_adjoint(model, along(v, indices, p, d), 1e-8)


def degenerate() -> list[tuple[str, Any, Any]]:
    """Systems with known null spaces: none, dependent rows, free directions, both."""
    rng = np.random.default_rng(0)
    root = rng.standard_normal((8, 8))
    regular, flat = root @ root.T, root[:, :3] @ root[:, :3].T
    A = rng.standard_normal((4, 8))
    twice = np.vstack([A, A[0] + A[1]])
    return [("regular", regular, A), ("rows", regular, twice), ("free", flat, A[:2]), ("both", flat, twice[[0, 1, 4]])]


@pytest.mark.parametrize(("name", "P", "A"), degenerate(), ids=[name for name, *_ in degenerate()])
def test_singular_systems(name: str, P: np.ndarray, A: np.ndarray) -> None:
    """Which part is singular, the rows at fault and the least-norm solution are those of the factorization."""
    direct, iterative = KKTFactorization(P, A), KrylovSystem(P, A)
    assert iterative.primal_nullity == direct.primal_nullity == (name in ("free", "both"))
    assert iterative.dual_nullity == direct.dual_nullity == (name in ("rows", "both"))
    np.testing.assert_array_equal(iterative.dependent_rows, direct.dependent_rows)
    R = np.random.default_rng(1).standard_normal((direct.size, 3))
    np.testing.assert_allclose(iterative.solve(R), direct.solve(R), atol=1e-8)
    np.testing.assert_allclose(iterative.solve(R[:, 0]), direct.solve(R[:, 0]), atol=1e-8)


@pytest.mark.parametrize("solver", [ot.solvers.HiGHS, ot.solvers.Clarabel], ids=lambda s: s.name)
def test_quadratic_programs(solver: Any) -> None:
    """Linear and quadratic programs, too, are polished and differentiated by iterations."""
    rng = np.random.default_rng(2)
    A, b, q = rng.standard_normal((6, 10)), rng.uniform(0.5, 1.0, 6), rng.standard_normal(10)
    found = []
    for algebra in (None, ot.IterativeKKT()):
        model = ot.Model(ot.diff_optimizer(solver))
        v = model.add_variables(10)
        model.add_constraint(A @ v <= b)
        model.add_constraint(v >= -np.ones(10))
        model.minimize(0.5 * (v @ v) + q @ v)
        model.set(ot.LinearAlgebraSolver(), algebra)
        model.optimize()
        model.set(ot.ReverseVariablePrimal(), v, np.arange(10.0))
        model.reverse_differentiate()
        assert model.get(ot.DifferentiationStatus()) is EXACT
        found.append(model.get(ot.ReverseObjectiveFunction()).coefficients(v))
    np.testing.assert_allclose(found[1], found[0], atol=1e-8)


def test_the_residual_is_checked() -> None:
    """Too few iterations are refused, with the residual and what to do."""
    rng = np.random.default_rng(3)
    scale = np.logspace(-6, 6, 200)
    root = rng.standard_normal((200, 200)) * scale
    with pytest.raises(ot.DifferentiationError, match=r"relative residual of .*max_iterations"):
        KrylovSystem(root @ root.T, sp.csr_array((0, 200)), max_iterations=3).solve(np.ones(200))


def test_the_choice_is_by_cost() -> None:
    """Small, sparse and large dense systems are factorized; what would take minutes or gigabytes is not."""
    assert isinstance(choose(100 * 100, 100), ot.DirectKKT)
    assert isinstance(choose(5e6, 1_000_000), ot.DirectKKT)
    assert isinstance(choose(9_000**2, 9_000), ot.DirectKKT)
    assert isinstance(choose(30_000**2 / 4, 30_000), ot.IterativeKKT)
    assert isinstance(choose(1e9, 1_000_000), ot.IterativeKKT)
