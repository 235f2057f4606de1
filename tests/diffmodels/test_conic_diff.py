"""Every derivative of conic programs, against central differences and the adjoint identity."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optangent as ot

from .accurate import accurate_solver, exact, solved
from .moves import along, asymmetry, check_adjoint
from .oracle import conic_program, direction, set_tangents, tangents, together

CONES: list[Any] = [
    *(ot.Nonnegatives(3), ot.SecondOrderCone(4), ot.ScaledPositiveSemidefiniteConeTriangle(3)),
    *(ot.ExponentialCone(), ot.DualExponentialCone(), ot.PowerCone(0.3), ot.DualPowerCone(0.7)),
]
SLOTS = ("P", "q", "F", "g", "everything")
STEP = 1e-5


@pytest.mark.parametrize("sense", ["min", "max"])
@pytest.mark.parametrize("slot", SLOTS)
@pytest.mark.parametrize("cone", CONES, ids=str)
def test_forward_equals_central_differences(cone: Any, slot: str, sense: str) -> None:
    """Primal and dual tangents of each slot of the data, to 1e-6."""
    p = conic_program(cone, 1, sense)
    d = direction(p, slot, 101)
    model, v, indices = solved(p)
    set_tangents(model, v, indices, p, d)
    model.forward_differentiate()
    assert model.get(ot.DifferentiationStatus()) is ot.DifferentiationStatusCode.EXACT
    dx, dy, _ = tangents(model, v, indices)
    ours = np.concatenate([dx, *dy])
    difference = (exact(p.moved(STEP, d)) - exact(p.moved(-STEP, d))) / (2.0 * STEP)
    assert np.linalg.norm(ours - difference) <= 1e-6 * (1.0 + np.linalg.norm(difference))


@pytest.mark.parametrize("sense", ["min", "max"])
@pytest.mark.parametrize("cone", CONES, ids=str)
@pytest.mark.parametrize("seed", [2, 3])
def test_adjoint_identity(seed: int, cone: Any, sense: str) -> None:
    """<J u, v> = <u, Jᵀ v> over all data and all results, to 1e-9."""
    p = conic_program(cone, seed, sense)
    model, v, indices = solved(p)
    d = direction(p, "everything", seed + 300)
    set_tangents(model, v, indices, p, d)
    model.forward_differentiate()
    check_adjoint(model, along(v, indices, p, d))


@pytest.mark.parametrize("cone", CONES, ids=str)
def test_the_sparse_way_agrees(cone: Any) -> None:
    """Many programs in one, factorized sparse, have the tangents of each, and the adjoint identity holds."""
    pieces = [conic_program(cone, seed, "min") for seed in range(4 + 400 // (4 * cone.dimension))]
    directions = [direction(p, "everything", seed) for seed, p in enumerate(pieces)]
    found, p, d = [], together(pieces), together(directions)
    for one, way in ((p, d), *zip(pieces, directions, strict=True)):
        model, v, indices = solved(one)
        set_tangents(model, v, indices, one, way)
        model.forward_differentiate()
        assert model.get(ot.DifferentiationStatus()) is ot.DifferentiationStatusCode.EXACT
        dx, dy, _ = tangents(model, v, indices)
        found.append((dx, np.concatenate(dy)))
        if one is p:
            assert len(p.x) + sum(len(y) for y in p.y) > 400
            assert asymmetry(model, along(v, indices, p, d)) <= 1e-9
    for part in (0, 1):
        expected = np.concatenate([one[part] for one in found[1:]])
        np.testing.assert_allclose(found[0][part], expected, atol=1e-8 * np.abs(expected).max())


def test_quadratic_rows_are_differentiated_as_they_are() -> None:
    """Min c'x in a ball x'x <= 1: x = -c/|c|, and its derivatives in c, in the radius and in a curvature."""
    c = np.array([3.0, 4.0])
    model = ot.Model(ot.diff_optimizer(accurate_solver))
    v = model.add_variables(2)
    ball = model.add_constraint(v[0] * v[0] + v[1] * v[1] <= 1.0)
    model.minimize(c @ v)
    model.optimize()
    np.testing.assert_allclose(model.value(v), [-0.6, -0.8], atol=1e-7)
    model.set(ot.ForwardConstraintFunction(), ball, 0.0 * v[0] - 1.0)  # the squared radius up by one
    model.forward_differentiate()
    np.testing.assert_allclose(model.get(ot.ForwardVariablePrimal(), v), [-0.3, -0.4], atol=1e-9)
    model.empty_input_sensitivities()
    model.set(ot.ForwardObjectiveFunction(), 1.0 * v[0])
    model.forward_differentiate()
    tangent = -(np.eye(2) - np.outer(c, c) / 25.0)[:, 0] / 5.0
    np.testing.assert_allclose(model.get(ot.ForwardVariablePrimal(), v), tangent, atol=1e-9)
    model.empty_input_sensitivities()
    model.set(ot.ForwardConstraintFunction(), ball, v[0] * v[0])
    model.set(ot.ReverseVariablePrimal(), v[0], 1.0)
    model.forward_differentiate()
    pushed = model.get(ot.ForwardVariablePrimal(), v[0])
    model.reverse_differentiate()
    assert model.get(ot.ReverseConstraintFunction(), ball).coefficient(v[0], v[0]) == pytest.approx(pushed, rel=1e-9)

    def moved(t: float) -> float:  # in the ellipse (1 + t) x² + y² <= 1 the solution is known
        w = c / np.array([1.0 + t, 1.0])
        return float(-w[0] / np.sqrt(c @ w))

    assert pushed == pytest.approx((moved(1e-5) - moved(-1e-5)) / 2e-5, rel=1e-8)


def test_dependent_rows_with_a_repeated_eigenvalue() -> None:
    """[[1, 1 + im], [1 - im, x]] is positive semidefinite for x >= 1 + m²: at m = 2, x = 5 and dx/dm = 4."""
    model = ot.Model(ot.diff_optimizer(accurate_solver))
    x = model.add_variable()
    one, zero = 0.0 * x + 1.0, 0.0 * x
    rows = ot.vectorize([one, one, 1.0 * x, zero + 2.0])
    matrix = model.add_constraint(rows, ot.HermitianPositiveSemidefiniteConeTriangle(2))
    model.minimize(1.0 * x)
    model.optimize()
    assert model.value(x) == pytest.approx(5.0, abs=1e-6)
    model.set(ot.ForwardConstraintFunction(), matrix, ot.vectorize([zero, zero, zero, one]))
    model.forward_differentiate()
    assert model.get(ot.DifferentiationStatus()) is ot.DifferentiationStatusCode.EXACT  # only the bridge's rows depend
    assert model.get(ot.ForwardVariablePrimal(), x) == pytest.approx(4.0, abs=1e-8)
