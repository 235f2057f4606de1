"""Where the duals of a conic program are not unique, and what is known to go wrong.

Dependent rows with curvature: perturb the costs of a program whose optimal duals form a face. The solution then moves
as the curvature of the Lagrangian says, ``dx = -H⁻¹ dc`` on the directions that stay in the cones to first order. H
is linear in the dual, and the true one is the largest over the face (A. Shapiro, *First and second order analysis of
nonlinear semidefinite programs*, Mathematical Programming 77 (1997), 301-320). So the derivative in the costs is exact
where all duals have the same curvature, as linear rows have: DEPENDENT_ROWS. Otherwise the status is WEAKLY_ACTIVE.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import optangent as ot

from .accurate import solved
from .moves import check_adjoint
from .oracle import Program, Rows
from .smooth_points import Subject
from .test_every_cone import STATUS, differentiated

SOLVERS = pytest.mark.parametrize("solver", [ot.solvers.SCS, ot.solvers.Clarabel], ids=lambda s: s.name)


def matrix(model: ot.Model, rows: list[list[Any]], zero: Any) -> ot.ConstraintIndex:
    """Rows of functions and numbers as a semidefinite matrix."""
    n = len(rows)
    entries = [rows[i][j] + zero for j in range(n) for i in range(j + 1)]
    return model.add_constraint(ot.vectorize(entries), ot.PositiveSemidefiniteConeTriangle(n))


def two_parabolas(model: ot.Model, v: Any, first: float, second: float) -> Callable[[], float]:
    """Constrain x >= (first y)² and x >= (second y)² in one matrix; returns the curvature in y at the dual found."""
    x, y, o = 1.0 * v[0], 1.0 * v[1], 0.0 * v[0]
    rows = [[x, o, first * y, o], [o, x, o, second * y], [first * y, o, 1.0, o], [o, second * y, o, 1.0]]
    c = matrix(model, rows, o)

    def curvature() -> float:
        dual = model.meta_solver.polished(c)
        return float(2.0 * (first**2 * dual[0] + second**2 * dual[2]))

    return curvature


def two_cones(model: ot.Model, v: Any, first: float, second: float) -> Callable[[], float]:
    """The same by two rotated cones, 2 · x · ½ >= (a y)²."""
    half, cone = 0.0 * v[0] + 0.5, ot.RotatedSecondOrderCone(3)
    made = [(a, model.add_constraint(ot.vectorize([1.0 * v[0], half, a * v[1]]), cone)) for a in (first, second)]
    return lambda: float(sum(2.0 * a**2 * model.meta_solver.polished(c)[0] for a, c in made))


def response(solver: Any, build: Any, first: float, second: float, status: Any) -> tuple[float, float]:
    """Minimize x + q y: dy/dq at q = 0 as returned, and -1 over the curvature at the dual found."""
    model = ot.Model(ot.diff_optimizer(solver))
    v = model.add_variables(2)
    curvature = build(model, v, first, second)
    model.minimize(1.0 * v[0])
    model.optimize()
    model.set(ot.ForwardObjectiveFunction(), 1.0 * v[1])
    with pytest.warns(ot.DifferentiationWarning, match=status.name):
        model.forward_differentiate()
    assert model.get(ot.DifferentiationStatus()) is status
    dx, dy = model.get(ot.ForwardVariablePrimal(), v)
    assert dx == pytest.approx(0.0, abs=1e-8)
    return dy, -1.0 / curvature()


@pytest.mark.parametrize(
    ("build", "solver"),
    [
        (two_parabolas, ot.solvers.SCS),
        (two_parabolas, ot.solvers.Clarabel),
        (two_cones, ot.solvers.SCS),
        (two_cones, ot.solvers.Clarabel),
    ],
)
def test_dependent_rows_that_curve_alike(build: Any, solver: Any) -> None:
    """With x >= y² twice the duals are a segment, all of one curvature: y = -q / 2 and dy/dq = -1/2 exactly."""
    ours, at_dual = response(solver, build, 1.0, 1.0, STATUS.DEPENDENT_ROWS)
    assert ours == pytest.approx(-0.5, abs=1e-8)
    assert at_dual == pytest.approx(-0.5, abs=1e-8)


@SOLVERS
@pytest.mark.parametrize("build", [two_parabolas, two_cones])
def test_dependent_rows_that_curve_otherwise(build: Any, solver: Any) -> None:
    """With x >= y² and x >= 4 y² it is y = -q / 8; returned is what the dual found gives, and the status says so."""
    ours, at_dual = response(solver, build, 1.0, 2.0, STATUS.WEAKLY_ACTIVE)
    assert ours == pytest.approx(at_dual, abs=1e-8)
    assert abs(ours - -0.125) > 0.01


@SOLVERS
def test_dependent_rows_at_a_vertex(solver: Any) -> None:
    """[[x, y], [y, x]] >= 0 is x >= |y|: the solution stays at the origin for small moves of the costs, dx = 0."""
    model = ot.Model(ot.diff_optimizer(solver))
    v = model.add_variables(2)
    matrix(model, [[1.0 * v[0], 1.0 * v[1]], [1.0 * v[1], 1.0 * v[0]]], 0.0 * v[0])
    model.minimize(1.0 * v[0])
    model.optimize()
    model.set(ot.ForwardObjectiveFunction(), v[0] + v[1])
    with pytest.warns(ot.DifferentiationWarning, match="DEPENDENT_ROWS"):
        model.forward_differentiate()
    np.testing.assert_allclose(model.get(ot.ForwardVariablePrimal(), v), 0.0, atol=1e-8)


# ---------------------------------------------------------------------- what went wrong once
@SOLVERS
def test_rows_of_rounding_errors(solver: Any) -> None:
    """Min x + 0.3 z + q y, x + z >= y², x - z >= 4 y² in one matrix: y = -q / 4.1."""
    model = ot.Model(ot.diff_optimizer(solver))
    v = model.add_variables(3)
    x, y, z = (1.0 * one for one in v)
    o = 0.0 * v[0]
    rows = [[x + z, o, y, o], [o, x - z, o, 2.0 * y], [y, o, 1.0, o], [o, 2.0 * y, o, 1.0]]
    matrix(model, rows, o)
    model.minimize(x + 0.3 * z)
    model.optimize()
    model.set(ot.ForwardObjectiveFunction(), y)
    with warnings.catch_warnings(action="ignore", category=ot.DifferentiationWarning):
        model.forward_differentiate()
    np.testing.assert_allclose(model.get(ot.ForwardVariablePrimal(), v), [0.0, -1.0 / 4.1, 0.0], atol=1e-8)


@SOLVERS
@pytest.mark.parametrize(("cone", "s"), [(ot.Nonnegatives(2), [0.0, 1.0]), (ot.SecondOrderCone(3), [0.0, 0.0, 0.0])])
def test_weakly_active_rows_of_conic_programs(cone: Any, s: list[float], solver: Any) -> None:
    """Rows at zero with a multiplier of zero are a kink."""
    rng = np.random.default_rng(3)
    x, F = rng.standard_normal(6), rng.standard_normal((len(s), 6))
    rows = Rows(type(cone), F, np.array(s) - F @ x, np.zeros((len(s), 0)), shape=cone.shape)
    p = Program("min", np.eye(6), -x, 0.0, (rows,), x, (np.zeros(len(s)),))
    model, v, _ = solved(p, solver)
    model.set(ot.ForwardObjectiveFunction(), 1.0 * v[0])
    with warnings.catch_warnings(action="ignore", category=ot.DifferentiationWarning):
        model.forward_differentiate()
    assert model.get(ot.DifferentiationStatus()) is STATUS.WEAKLY_ACTIVE


@pytest.mark.parametrize("cone", [ot.NormOneCone(3), ot.NormCone(1.0, 3)], ids=repr)
def test_a_norm_that_is_not_active(cone: Any) -> None:
    """Min ½|x - a|², |x|₁ <= 10 has x = a and dx = da, also in the entries that are zero."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.SCS))
    model.set(ot.ModelConstructor(), ot.ConicDiff)
    v = model.add_variables(2)
    model.add_constraint(ot.vectorize([0.0 * v[0] + 10.0, 1.0 * v[0], 1.0 * v[1]]), cone)
    model.minimize(0.5 * (v @ v) - v[0])
    model.optimize()
    model.set(ot.ForwardObjectiveFunction(), -1.0 * v[0] - v[1])
    with warnings.catch_warnings(action="ignore", category=ot.DifferentiationWarning):
        model.forward_differentiate()
    np.testing.assert_allclose(model.get(ot.ForwardVariablePrimal(), v), [1.0, 1.0], atol=1e-8)


@pytest.mark.parametrize(
    "subject",
    [
        Subject(ot.ScaledPositiveSemidefiniteConeTriangle(12), "boundary, rank 5"),
        Subject(ot.SecondOrderCone(65), "boundary"),
        Subject(ot.RotatedSecondOrderCone(70), "boundary"),
    ],
    ids=str,
)
def test_large_cones(subject: Subject) -> None:
    """From 65 rows on cones are not rotated by a sparse matrix; the way there and back is the same."""
    at = differentiated(subject, "min", count=1)
    check_adjoint(at.model, at.moves)


@pytest.mark.parametrize(
    "cone", [ot.RootDetConeTriangle(3), ot.DualGeometricMeanCone(2), ot.NormSpectralCone(2, 3)], ids=repr
)
def test_duals_of_targets_start_in_their_cones(cone: Any) -> None:
    """An accurate solution on a smooth boundary can be differentiated, whatever its data."""
    for seed in range(20):
        model, v, _ = solved(Subject(cone, "boundary").program(seed, "min"))
        model.set(ot.ForwardObjectiveFunction(), 1.0 * v[0])
        model.forward_differentiate()
        assert model.get(ot.DifferentiationStatus()) is STATUS.EXACT


def on_the_rim(kind: str, rng: np.random.Generator) -> tuple[Any, Any]:
    """A cone, and a random point of its boundary."""
    if kind == "second order":
        u = rng.standard_normal(3)
        return ot.SecondOrderCone(4), np.append(np.linalg.norm(u), u)
    if kind == "rotated":
        u, t = rng.standard_normal(2), rng.uniform(0.5, 2.0)
        return ot.RotatedSecondOrderCone(4), np.array([t, u @ u / (2.0 * t), *u])
    if kind == "semidefinite":
        v = np.linalg.qr(rng.standard_normal((3, 3)))[0][:, :2] * rng.uniform(0.5, 2.0, 2)
        return ot.PositiveSemidefiniteConeTriangle(3), (v @ v.T)[np.tril_indices(3)]
    y, r = rng.uniform(0.5, 2.0), rng.uniform(-1.0, 1.0)
    if kind == "exponential":
        return ot.ExponentialCone(), np.array([r * y, y, y * np.exp(r)])
    return ot.PowerCone(0.3), np.array([y, 1.2, y**0.3 * 1.2**0.7])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["second order", "rotated", "semidefinite", "exponential", "power"])
@pytest.mark.filterwarnings("ignore::optangent.DifferentiationWarning")
def test_a_point_that_is_its_own_projection_is_at_a_kink(kind: str, seed: int) -> None:
    """On the rim, without a multiplier, the projection has one derivative inwards and another outwards."""
    cone, place = on_the_rim(kind, np.random.default_rng(seed))
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    x = model.add_variables(len(place), name="x")
    model.add_constraint(x, cone)
    model.minimize((x - place) @ (x - place))
    model.optimize()
    model.set(ot.ForwardObjectiveFunction(), x[0] + 0.5 * x[1])
    model.forward_differentiate()
    assert model.get(ot.DifferentiationStatus()) is ot.DifferentiationStatusCode.WEAKLY_ACTIVE
