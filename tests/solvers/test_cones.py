"""Every solver reaches every known conic answer, and what it says is recomputed here from the data of the case."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.modelkit.sets import VectorSet

from .conic_cases import CONIC, SQRT2
from .problems import EVERY, MAX, MIN, ConicCase, S

BOTH = pytest.mark.parametrize("solver", [ot.solvers.SCS, ot.solvers.Clarabel], ids=lambda s: s.name)
CONES: list[Any] = [
    *(ot.Zeros(3), ot.Nonnegatives(4), ot.SecondOrderCone(5), ot.ScaledPositiveSemidefiniteConeTriangle(4)),
    *(ot.ExponentialCone(), ot.DualExponentialCone(), ot.PowerCone(0.3), ot.DualPowerCone(0.3)),
]
SMOOTH = {type(cone).__name__ for cone in CONES[2:]}
EXPECTED_SKIPS = {"SCS": set[str](), "Clarabel": {"DualExponentialCone", "DualPowerCone"}}
"""Cones that a solver lacks, others than these the smooth ones; a case runs all the same where bridges make up."""
NONE, POINT = ot.ResultStatusCode.NO_SOLUTION, ot.ResultStatusCode.FEASIBLE_POINT
CERTIFICATE = ot.ResultStatusCode.INFEASIBILITY_CERTIFICATE


def skip_unless_taken(solver: Any, types: set[type[VectorSet]]) -> None:
    """Skip what the solver, even through bridges, does not declare; the record must know of it."""
    model = ot.MetaSolver(solver(), differentiates=False)
    missing = {t.__name__ for t in types if not model.supports_constraint(ot.VectorAffineFunction, t)}
    assert missing <= EXPECTED_SKIPS.get(solver.name, SMOOTH)
    if missing:
        pytest.skip(f"{solver.name} takes no {', '.join(sorted(missing))}")


@EVERY
def test_native_cones(solver: Any) -> None:
    """The record of the cones that each solver lacks is what its wrapper declares."""
    native = {kind.__name__ for kind in solver.abilities.cones}
    assert {name for name in SMOOTH if name not in native} == EXPECTED_SKIPS.get(solver.name, SMOOTH)


@pytest.mark.parametrize("case", CONIC, ids=str)
@EVERY
def test_case(solver: Any, case: ConicCase) -> None:
    """The solver reaches the known answer with the documented signs, and its residuals are small."""
    skip_unless_taken(solver, {type(cone) for *_, cone in case.rows})
    model, v, indices = case.solved(lambda: solver(**case.options.get(solver.name, {})))
    status = model.get(ot.TerminationStatus())
    assert status in case.status, model.get(ot.RawStatusString())
    if status == S.OPTIMAL:
        check_optimal(case, model, v, indices)
    elif status == S.INFEASIBLE:
        check_infeasible(case, model, indices)
    else:
        check_unbounded(case, model, v)


def check_optimal(case: ConicCase, model: Any, v: Any, indices: list[Any]) -> None:
    """Known numbers, then membership, complementarity and stationarity from the data."""
    tol = case.tolerance
    assert model.get(ot.PrimalStatus()) == model.get(ot.DualStatus()) == POINT
    x = model.get(ot.VariablePrimal(), v)
    P, q = case.quadratic
    objective = 0.5 * x @ P @ x + q @ x + case.r
    assert model.get(ot.ObjectiveValue()) == pytest.approx(objective, rel=1e-8, abs=1e-8)
    assert objective == pytest.approx(case.objective, rel=1e-6, abs=1e-6)
    if case.x is not None:
        np.testing.assert_allclose(x, case.x, rtol=tol, atol=tol)
    stationarity = case.sign * (P @ x + q)
    for number, (index, (F, g, cone)) in enumerate(zip(indices, case.blocks, strict=True)):
        f, y = F @ x + g, model.get(ot.ConstraintDual(), index)
        np.testing.assert_allclose(model.get(ot.ConstraintPrimal(), index), f, rtol=1e-9, atol=1e-9)
        if case.duals is not None:
            np.testing.assert_allclose(y, case.duals[number], rtol=1e-5, atol=1e-5 * min(1.0, np.abs(y).max(initial=1)))
        assert cone.violation(f) <= 1e-6 * (1 + np.abs(f).max())
        assert cone.dual_violation(y) <= 1e-6 * (1 + np.abs(y).max())
        assert abs(f @ y) <= 1e-6 * (1 + abs(objective))
        stationarity = stationarity - F.T @ y
    assert np.abs(stationarity).max(initial=0.0) <= 1e-6 * (1 + np.abs(q).max(initial=0.0))


def check_infeasible(case: ConicCase, model: Any, indices: list[Any]) -> None:
    """The certificate is one: Fᵀy = 0 and gᵀy < 0 with y in the dual cones."""
    assert model.get(ot.PrimalStatus()) == NONE
    assert model.get(ot.DualStatus()) == CERTIFICATE
    duals = [np.atleast_1d(model.get(ot.ConstraintDual(), index)) for index in indices]
    size = max(np.abs(y).max() for y in duals)
    sums, value = np.zeros(case.n), 0.0
    for y, (F, g, cone) in zip(duals, case.blocks, strict=True):
        assert cone.dual_violation(y / size) <= 1e-6
        sums += F.T @ y / size
        value += float(g @ y) / size
    assert np.abs(sums).max(initial=0.0) <= 1e-6
    assert value < -1e-3


def check_unbounded(case: ConicCase, model: Any, v: Any) -> None:
    """The certificate is one: a direction within all cones that improves the objective for ever."""
    d = case.checked_ray(model, v)
    for F, _, cone in case.blocks:
        assert cone.violation(F @ d) <= 1e-6


def random_case(cone: Any, seed: int, sense: ot.ObjectiveSenseCode, linear: bool) -> ConicCase:
    """Three cones of a kind between others, built backwards from a primal-dual pair that is the only one."""
    rng = np.random.default_rng(seed)
    cones = [cone, ot.Nonnegatives(2), cone, ot.Zeros(1), cone]
    points = [3.0 * rng.standard_normal(k.dimension) for k in cones]
    slacks = [k.project(v[None])[0] for k, v in zip(cones, points, strict=True)]
    duals = [k.project_dual(-v[None])[0] for k, v in zip(cones, points, strict=True)]
    n = sum(k.dimension for k in cones) + (0 if linear else 3)
    sign, x = (-1.0 if sense == MAX else 1.0), rng.standard_normal(n)
    basis = np.linalg.qr(rng.standard_normal((n, n)))[0] * np.exp(0.5 * rng.standard_normal(n))
    root = rng.standard_normal((n, n)) / np.sqrt(n)
    P = np.zeros((n, n)) if linear else root @ root.T + 0.1 * np.eye(n)
    starts = np.cumsum([0, *(k.dimension for k in cones)])
    F = [basis[a:b] for a, b in pairwise(starts)]
    q = sum(f.T @ y for f, y in zip(F, duals, strict=True)) - P @ x
    rows = tuple((f, s - f @ x, k) for f, s, k in zip(F, slacks, cones, strict=True))
    return ConicCase(
        f"random {cone!r} {seed}",
        n,
        rows,
        q=sign * q,
        P=None if linear else sign * P,
        sense=sense,
        objective=sign * float(q @ x + 0.5 * x @ P @ x),
        x=None if linear else x,  # else any point of a face
        duals=tuple(duals),
        tolerance=1e-5,
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("linear", [True, False], ids=["linear", "quadratic"])
@pytest.mark.parametrize("cone", CONES, ids=repr)
@BOTH
def test_random(solver: Any, cone: Any, linear: bool, seed: int) -> None:
    """Random problems built backwards from a primal-dual pair give the pair back, both senses, each cone."""
    skip_unless_taken(solver, {type(cone)})
    case = random_case(cone, seed, MIN if seed % 2 else MAX, linear)
    model, v, indices = case.solved(solver)
    assert model.get(ot.TerminationStatus()) == S.OPTIMAL, model.get(ot.RawStatusString())
    check_optimal(case, model, v, indices)


@BOTH
def test_recorded_order_of_triangles(solver: Any) -> None:
    """A positive semidefinite matrix of side 4 with all entries different comes back as it is, primal and dual."""
    rng = np.random.default_rng(8)
    root = rng.standard_normal((4, 4))
    upper = [(i, j) for j in range(4) for i in range(j + 1)]
    for M in (root @ root.T, -root @ root.T):
        given = np.array([M[i, j] * (1.0 if i == j else SQRT2) for i, j in upper])
        model = ot.MetaSolver(solver(), differentiates=False)
        v = model.add_variables(10)
        c = model.add_constraint(1.0 * v, ot.ScaledPositiveSemidefiniteConeTriangle(4))
        model.set(ot.ObjectiveFunction(), 0.5 * (v @ v) - given @ v)
        model.optimize()
        inside = np.linalg.eigvalsh(M)[0] > 0
        np.testing.assert_allclose(model.get(ot.VariablePrimal(), v), given if inside else 0 * given, atol=1e-5)
        np.testing.assert_allclose(model.get(ot.ConstraintDual(), c), 0 * given if inside else -given, atol=1e-5)


@BOTH
def test_small_dense_semidefinite_programs(solver: Any) -> None:
    """In inequality form, a status is honest: OPTIMAL with small residuals, or not OPTIMAL."""
    solved = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        n, side = 4, 5
        upper = [(i, j) for j in range(side) for i in range(j + 1)]

        def svec(M: np.ndarray, entries: list[tuple[int, int]] = upper) -> np.ndarray:
            return np.array([M[i, j] * (1.0 if i == j else SQRT2) for i, j in entries])

        parts = [svec(M + M.T) for M in rng.standard_normal((n, side, side))]
        F, g = np.array(parts).T, svec(10 * np.eye(side))
        q = F.T @ svec(np.eye(side))  # so the dual is feasible
        case = ConicCase("dense", n, ((F, g, ot.ScaledPositiveSemidefiniteConeTriangle(side)),), q=q)
        model, v, indices = case.solved(solver)
        if model.get(ot.TerminationStatus()) != S.OPTIMAL:
            assert solver is ot.solvers.Clarabel
            assert model.get(ot.PrimalStatus()) != POINT
            continue
        solved += 1
        x = model.get(ot.VariablePrimal(), v)
        y = model.get(ot.ConstraintDual(), indices[0])
        cone = case.rows[0][2]
        assert max(cone.violation(F @ x + g), cone.dual_violation(y), np.abs(F.T @ y - q).max()) <= 1e-6
    assert solved == 10 or (solver is ot.solvers.Clarabel and solved)
