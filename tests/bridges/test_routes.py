"""Whichever solver a model has, the answer is the same: primal, every dual with its sign, objective."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import optangent as ot

VAF = ot.VectorAffineFunction
MIN, MAX = ot.ObjectiveSenseCode.MIN_SENSE, ot.ObjectiveSenseCode.MAX_SENSE
INF = np.inf
ACCURATE: dict[str, dict[str, float]] = {
    "Clarabel": {"tol_gap_abs": 1e-12, "tol_gap_rel": 1e-12, "tol_feas": 1e-12},
    "OSQP": {"eps_abs": 1e-9, "eps_rel": 1e-9, "max_iter": 100_000, "adaptive_rho": 0},  # which cycles by itself
    "PIQP": {"eps_abs": 1e-10, "eps_rel": 1e-10},
    "SCS": {"eps_abs": 1e-10, "eps_rel": 1e-10, "max_iters": 500_000},
}
EVERY = pytest.mark.parametrize("solver", ot.solvers.wrappers(), ids=lambda s: s.name)


def accurate(solver: Any) -> ot.Model:
    """A model before a solver with tight tolerances."""
    return ot.Model(lambda: solver(**ACCURATE.get(solver.name, {})))


def known(model: ot.Model, quadratic: bool, sense: Any, seed: int) -> tuple[Any, np.ndarray, list[Any], float]:
    """A problem with a unique solution and unique duals, by construction.

    Returns
    -------
    (variables, their values, (constraint, dual) pairs, objective)
    """
    rng = np.random.default_rng(seed)
    n = 9
    x = np.round(rng.standard_normal(n), 3) + np.sign(rng.standard_normal(n))
    x[5:7], x[7:] = np.abs(x[5:7]) + 1.0, -np.abs(x[7:]) - 1.0
    x[6] = 0.0 if not quadratic else x[6]
    free = model.add_variables(5)
    positive, in_positive = model.add_constrained_variables(ot.Nonnegatives(2))
    negative, in_negative = model.add_constrained_variables(ot.Nonpositives(2))
    v = ot.VectorOfVariables([*free, *positive, *negative])
    gradient = np.zeros(n)
    constraints: list[tuple[Any, Any]] = []

    def row() -> tuple[np.ndarray, float, float]:
        a, b = rng.standard_normal(n), float(rng.standard_normal())
        return a, b, float(a @ x + b)

    def scalar(make: Callable[[float], Any], y: float) -> None:
        a, b, value = row()
        constraints.append((model.add_constraint(ot.ScalarAffineFunction(v, a, b), make(value)), y))
        gradient[:] += y * a

    def bound(j: int, chosen: Any, y: float) -> None:
        constraints.append((model.add_constraint(v[j], chosen), y))
        gradient[j] += y

    def vector(m: int, make: Callable[[np.ndarray], tuple[Any, np.ndarray]], y: list[float]) -> None:
        A = rng.standard_normal((m, n))
        value = A @ x
        chosen, wanted = make(value)
        constraints.append((model.add_constraint(VAF(A, v, wanted - value), chosen), np.array(y)))
        gradient[:] += A.T @ np.array(y)

    scalar(ot.GreaterThan, 1.3)
    scalar(lambda f: ot.LessThan(f + 0.7), 0.0)
    scalar(ot.EqualTo, -0.6)
    scalar(lambda f: ot.Interval(f - 1.0, f), -0.9)
    scalar(lambda f: ot.Interval(f, f + 1.0), 0.8)
    scalar(lambda f: ot.Interval(-INF, INF), 0.0)
    scalar(lambda f: ot.Interval(-INF, f + 1.0), 0.0)
    bound(0, ot.GreaterThan(x[0]), 0.4)
    bound(0, ot.LessThan(x[0] + 2.0), 0.0)
    bound(1, ot.Interval(x[1] - 1.0, x[1] + 2.0), 0.0)
    bound(2, ot.Parameter(x[2]), 1.7)
    bound(5, ot.LessThan(x[5] + 1.0), 0.0)
    active = 0.0 if quadratic else 1.1
    vector(2, lambda f: (ot.Nonnegatives(2), np.array([0.0 if active else 2.0, 0.5])), [active, 0.0])
    vector(2, lambda f: (ot.Nonpositives(2), np.array([-1.0, 0.0])), [0.0, -0.3])
    vector(
        4,
        lambda f: (ot.HyperRectangle(f - np.array([1.0, INF, INF, 2.0]), f + np.array([1.0, INF, 1.0, INF])), f),
        [0.0, 0.0, 0.0, 0.0],
    )
    y_positive = np.array([0.0, 0.0 if quadratic else 0.5])
    constraints += [(in_positive, y_positive), (in_negative, np.zeros(2))]
    gradient[5:7] += y_positive
    sign = 1.0 if sense == MIN else -1.0
    P = np.zeros((n, n))
    if quadratic:
        root = rng.standard_normal((n, n))
        P = sign * (root @ root.T / n + np.eye(n))
    q = sign * gradient - P @ x
    f: Any = ot.ScalarAffineFunction(v, q, 0.25)
    if quadratic:
        f = 0.5 * (v @ (P @ v)) + f
    model.set(ot.ObjectiveSense(), sense)
    model.set(ot.ObjectiveFunction(), f)
    return v, x, constraints, float(0.5 * x @ P @ x + q @ x + 0.25)


@pytest.mark.parametrize("sense", [MIN, MAX], ids=["min", "max"])
@pytest.mark.parametrize("quadratic", [False, True], ids=["LP", "QP"])
@EVERY
def test_the_known_answer(solver: Any, quadratic: bool, sense: Any) -> None:
    """Every solver finds the constructed primal, duals and objective."""
    for seed in range(3):
        check_answer(accurate(solver), quadratic, sense, seed)


def check_answer(model: ot.Model, quadratic: bool, sense: Any, seed: int) -> None:
    """One problem through one solver."""
    v, x, constraints, objective = known(model, quadratic, sense, seed)
    model.optimize()
    assert model.get(ot.TerminationStatus()) == ot.TerminationStatusCode.OPTIMAL
    assert model.get(ot.ObjectiveValue()) == pytest.approx(objective, abs=1e-6)
    np.testing.assert_allclose(model.get(ot.VariablePrimal(), v), x, atol=1e-6)
    assert model.get(ot.VariablePrimal(), v[7]) == pytest.approx(x[7], abs=1e-6)
    for index, dual in constraints:
        np.testing.assert_allclose(model.get(ot.ConstraintDual(), index), dual, atol=2e-6, err_msg=repr(index))
        f = model.get(ot.ConstraintFunction(), index).rows.evaluate(lambda ids: x[np.searchsorted(v.ids, ids)])
        np.testing.assert_allclose(model.get(ot.ConstraintPrimal(), index), np.squeeze(f), atol=1e-6)
    many = model.get(ot.ConstraintPrimal(), [c for c, _ in constraints])
    assert len(many) == len(constraints)


@EVERY
def test_solving_again_after_changes(solver: Any) -> None:
    """Moved numbers, coefficients and functions give the answer of a model built with them."""

    def build(lower: float, a: float, upper: float) -> tuple[Any, Any, list[Any]]:
        model = accurate(solver)
        v = model.add_variables(2)
        p = model.add_variable()
        indices = [
            model.add_constraint(v[0], ot.GreaterThan(lower)),
            model.add_constraint(a * v[0] + v[1] - p + 3.0, ot.Interval(lower, upper)),
            model.add_constraint(VAF(np.array([[1.0, 1.0], [-1.0, 2.0]]), v, [lower, lower]), ot.Nonnegatives(2)),
            model.add_constraint(p, ot.Parameter(upper)),
        ]
        model.set(ot.ObjectiveFunction(), 2.0 * v[0] + 3.0 * v[1])
        return model, v, indices

    model, v, indices = build(0.5, 1.0, 3.0)
    model.optimize()
    fresh, w, others = build(0.25, 1.5, 4.0)
    fresh.optimize()
    model.set(ot.ConstraintSet(), indices[0], ot.GreaterThan(0.25))
    model.set(ot.ConstraintSet(), indices[1], ot.Interval(0.25, 4.0))
    model.modify(indices[1], ot.ScalarCoefficientChange(v[0], 1.5))
    model.modify(indices[2], ot.VectorConstantChange(np.array([0.25, 0.25])))
    model.set(ot.ConstraintSet(), indices[3], ot.Parameter(4.0))
    model.optimize()
    tolerance = 1e-9 if solver.name in ("HiGHS", "DAQP") else 1e-7
    np.testing.assert_allclose(model.value(v), fresh.value(w), atol=tolerance)
    for mine, its in zip(indices, others, strict=True):
        np.testing.assert_allclose(model.dual(mine), fresh.dual(its), atol=tolerance)


@EVERY
def test_certificates(solver: Any) -> None:
    """The duals of an infeasible model prove it, in the model as written; a ray has no constants."""
    model = accurate(solver)
    x = model.add_variable()
    low = model.add_constraint(x, ot.GreaterThan(3.0))
    high = model.add_constraint(2.0 * x + 1.0, ot.Interval(-INF, 5.0))
    model.minimize(1.0 * x)
    model.optimize()
    assert model.termination_status() is ot.TerminationStatusCode.INFEASIBLE
    if model.get(ot.DualStatus()) == ot.ResultStatusCode.INFEASIBILITY_CERTIFICATE:
        y, z = model.dual(low), model.dual(high)
        assert y > 0 > z and (y + 2.0 * z) / y == pytest.approx(0.0, abs=1e-6)
        assert 3.0 * y + 4.0 * z > 0
    else:
        assert solver.name == "PIQP"
    model.set(ot.ConstraintSet(), low, ot.GreaterThan(1.0))
    model.minimize(-1.0 * x)
    model.optimize()
    assert model.value(x) == pytest.approx(2.0, abs=1e-7)


def test_basis_statuses_are_those_of_rows_and_bounds() -> None:
    """Those of a bridged constraint are refused in words: it is no single row below."""
    model = ot.Model(ot.solvers.HiGHS)
    v = model.add_variables(2)
    native = model.add_constraint(v[0] + v[1], ot.LessThan(3.0))
    several = model.add_constraint(np.eye(2) @ v, ot.HyperRectangle([-1.0, -2.0], [5.0, 6.0]))
    bounds = model.add_constraints([v[0], v[1]], ot.GreaterThan(0.0))
    bridged = model.add_constraint(ot.vectorize([v[0] + 9.0, 1.0 * v[1]]), ot.NormInfinityCone(2))
    model.minimize(-1.0 * v[0] - 2.0 * v[1])
    model.optimize()
    codes = ot.BasisStatusCode
    assert model.get(ot.ConstraintBasisStatus(), native) is codes.NONBASIC_AT_UPPER
    assert len(model.get(ot.ConstraintBasisStatus(), bounds)) == 2
    assert model.get(ot.ConstraintBasisStatus(), several) == [codes.BASIC] * 2
    assert model.get(ot.VariableBasisStatus(), v[1]) is codes.BASIC
    with pytest.raises(ot.UnsupportedAttribute, match="bridged"):
        model.get(ot.ConstraintBasisStatus(), bridged)
