"""Multipliers that are not unique, of complex matrices and of discs that touch, and the apex of every cone."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.modelkit.sets.semidefinite import nearest_semidefinite

from .oracle import Array
from .smooth_points import CONES, weights

STATUS = ot.DifferentiationStatusCode
SOLVERS = pytest.mark.parametrize("solver", [ot.solvers.Clarabel, ot.solvers.SCS], ids=lambda s: s.name)
STEP = 1e-5


def coordinates(matrix: Any) -> Array:
    """Real parts of the upper triangle column by column, then the imaginary parts off the diagonal."""
    n = len(matrix)
    upper = [(i, j) for j in range(n) for i in range(j + 1)]
    real = [matrix[i, j].real for i, j in upper]
    return np.array(real + [matrix[i, j].imag for i, j in upper if i != j])


def embedded(v: Any, n: int) -> list[Any]:
    """The triangle of ``[[R, -M], [M, R]]`` for the Hermitian R + iM with these coordinates."""
    upper = [(i, j) for j in range(n) for i in range(j + 1)]
    R = {pair: v[k] for k, pair in enumerate(upper)}
    M = {pair: v[len(upper) + k] for k, pair in enumerate(pair for pair in upper if pair[0] != pair[1])}
    zero = 0.0 * v[0]

    def entry(i: int, j: int) -> Any:
        a, b = i % n, j % n
        if (i < n) == (j < n):
            return R[min(a, b), max(a, b)]
        sign = 1.0 if i >= n else -1.0  # M is antisymmetric
        return zero if a == b else sign * M[a, b] if a < b else -sign * M[b, a]

    return [entry(i, j) for j in range(2 * n) for i in range(j + 1)]


def projected(p: Array, n: int) -> Array:
    """The coordinates of the nearest positive semidefinite matrix, by its eigenvalues."""
    cone = ot.HermitianPositiveSemidefiniteConeTriangle(n)
    return coordinates(nearest_semidefinite(cone.matrix(p)))


@SOLVERS
@pytest.mark.parametrize("as_embedding", [False, True])
@pytest.mark.parametrize(("n", "seed"), [(2, 1), (2, 3), (3, 0), (3, 2), (4, 5)])
def test_complex_projections(n: int, seed: int, as_embedding: bool, solver: Any) -> None:
    """The derivative of the projection of a complex matrix is that of the formula by eigenvalues, to 1e-7."""
    rng = np.random.default_rng(seed)
    cone = ot.HermitianPositiveSemidefiniteConeTriangle(n)
    at, seeds, W = rng.standard_normal(n * n), rng.standard_normal(n * n), weights(cone)
    model = ot.Model(ot.diff_optimizer(solver))
    x, p = model.add_variables(n * n), model.add_parameters(at)
    if as_embedding:
        model.add_constraint(
            ot.vectorize([1.0 * e for e in embedded(x, n)]), ot.PositiveSemidefiniteConeTriangle(2 * n)
        )
    else:
        model.add_constraint(x, cone)
    model.minimize(sum(float(w) * (x[i] - p[i]) * (x[i] - p[i]) for i, w in enumerate(W)))
    model.optimize()
    model.set(ot.ReverseVariablePrimal(), x, seeds)
    with warnings.catch_warnings(action="ignore", category=ot.DifferentiationWarning):
        model.reverse_differentiate()
    assert model.get(ot.DifferentiationStatus()) in (STATUS.EXACT, STATUS.DEPENDENT_ROWS)
    moved = [(projected(at + STEP * e, n) - projected(at - STEP * e, n)) / (2.0 * STEP) for e in np.eye(n * n)]
    np.testing.assert_allclose(model.get(ot.ReverseParameterValue(), p), moved @ seeds, atol=1e-7)


def two_discs(solver: Any, second: float, shift: float) -> tuple[ot.Model, Any, Any]:
    """Project (2, 0) onto the unit disc within a disc of radius `second` around (-shift, 0)."""
    model = ot.Model(ot.diff_optimizer(solver))
    x, p = model.add_variables(2), model.add_parameters([2.0, 0.0])
    one = 0.0 * x[0] + 1.0
    model.add_constraint(ot.vectorize([one, 1.0 * x[0], 1.0 * x[1]]), ot.SecondOrderCone(3))
    model.add_constraint(ot.vectorize([second * one, x[0] + shift, 1.0 * x[1]]), ot.SecondOrderCone(3))
    model.minimize((x - p) @ (x - p))
    model.optimize()
    return model, x, p


def response(model: ot.Model, x: Any, p: Any) -> float:
    """How far the second coordinate moves with that of the point."""
    model.set(ot.ForwardParameterValue(), p, np.array([0.0, 1.0]))
    with warnings.catch_warnings(action="ignore", category=ot.DifferentiationWarning):
        model.forward_differentiate()
    return float(model.get(ot.ForwardVariablePrimal(), x)[1])


@SOLVERS
def test_discs_that_touch(solver: Any) -> None:
    """Of unlike curvature no one multiplier gives the derivative, and the status says so; of one curvature all do."""
    model, x, p = two_discs(solver, 2.0, 1.0)
    response(model, x, p)
    assert model.get(ot.DifferentiationStatus()) is STATUS.WEAKLY_ACTIVE
    model, x, p = two_discs(solver, 1.0, 0.0)
    assert response(model, x, p) == pytest.approx(0.5, abs=1e-9)
    assert model.get(ot.DifferentiationStatus()) is STATUS.DEPENDENT_ROWS


def test_one_multiplier_whichever_solver_answered() -> None:
    """Where multipliers are not unique, the derivative is that at the ones of least norm."""
    found = [response(*two_discs(solver, 2.0, 1.0)) for solver in (ot.solvers.Clarabel, ot.solvers.SCS)]
    assert found[0] == pytest.approx(found[1], abs=1e-8)


@SOLVERS
@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e6])
@pytest.mark.parametrize("cone", [c for c in CONES if hasattr(c, "project")], ids=str)
def test_the_apex_without_a_multiplier(cone: Any, scale: float, solver: Any) -> None:
    """Min x'x over a cone ends at its apex, where the solution has a kink: never EXACT, in no units."""
    model = ot.Model(ot.diff_optimizer(solver))
    x = model.add_variables(cone.dimension)
    model.add_constraint(scale * x, cone)
    model.minimize(x @ x)
    model.optimize()
    model.set(ot.ReverseVariablePrimal(), x, np.ones(cone.dimension))
    with warnings.catch_warnings(action="ignore", category=ot.DifferentiationWarning):
        model.reverse_differentiate()
    assert model.get(ot.DifferentiationStatus()) is not STATUS.EXACT
