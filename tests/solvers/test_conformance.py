"""Every solver reaches every known answer, and what it says is recomputed here from the data of the case."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.modelkit.functions import VariableIndex

from .cases import CASES
from .problems import EVERY, SOLVERS, Case, S

EXPECTED_SKIPS = {s.name: set() if s is ot.solvers.HiGHS else {"integer"} for s in SOLVERS}
NONE, POINT = ot.ResultStatusCode.NO_SOLUTION, ot.ResultStatusCode.FEASIBLE_POINT
CERTIFICATE = ot.ResultStatusCode.INFEASIBILITY_CERTIFICATE


def lacks(solver: Any, case: Case) -> set[str]:
    """What the case needs and the solver, through bridges, does not declare."""
    model = ot.MetaSolver(solver(), differentiates=False)
    declared = set()
    if model.supports_constraint(VariableIndex, ot.Integer):
        declared.add("integer")
    if model.supports_objective(ot.ScalarQuadraticFunction):
        declared.add("quadratic")
    return case.needs - declared


@pytest.mark.parametrize("case", CASES, ids=str)
@EVERY
def test_case(solver: Any, case: Case) -> None:
    """The solver reaches the known answer with the documented signs, and its residuals are small."""
    missing = lacks(solver, case)
    assert missing == case.needs & EXPECTED_SKIPS[solver.name]
    if missing:
        pytest.skip(f"{solver.name} declares no {', '.join(missing)}")
    model, v, indices = case.solved(solver)
    status = model.get(ot.TerminationStatus())
    assert status in case.status, model.get(ot.RawStatusString())
    if status == S.OPTIMAL:
        check_optimal(case, model, v, indices)
    elif status == S.INFEASIBLE:
        check_infeasible(case, model, indices)
    else:
        check_unbounded(case, model, v)


def check_optimal(case: Case, model: Any, v: Any, indices: list[Any]) -> None:
    """Known numbers, then primal residual, signs, complementarity and stationarity from the data."""
    tol = case.tolerance
    assert model.get(ot.PrimalStatus()) == POINT
    x = model.get(ot.VariablePrimal(), v)
    (P, q), (A, b) = case.quadratic, case.matrices
    objective = 0.5 * x @ P @ x + q @ x + case.r
    if case.objective is not None:
        assert model.get(ot.ObjectiveValue()) == pytest.approx(case.objective, rel=1e-6, abs=1e-6)
    assert model.get(ot.ObjectiveValue()) == pytest.approx(objective, rel=1e-7, abs=1e-7)
    if case.x is not None:
        np.testing.assert_allclose(x, case.x, rtol=tol, atol=tol)
    f = np.concatenate([A @ x + b, x[[j for j, _ in case.bounds]]])
    np.testing.assert_allclose([model.get(ot.ConstraintPrimal(), i) for i in indices], f, rtol=1e-9, atol=1e-9)
    lower, upper = case.boxes
    assert np.maximum(lower - f, f - upper).max(initial=0.0) <= 1e-6 * (1 + np.abs(f).max(initial=0.0))
    if "integer" in case.needs:
        assert model.get(ot.DualStatus()) == NONE
        return
    assert model.get(ot.DualStatus()) == POINT
    y = np.array([model.get(ot.ConstraintDual(), i) for i in indices])
    known = [*(case.row_duals or [None] * len(case.rows)), *(case.bound_duals or [None] * len(case.bounds))]
    for got, wanted in zip(y, known, strict=True):
        assert wanted is None or got == pytest.approx(wanted, rel=tol, abs=max(tol, 2e-5))
    scale = 1 + np.abs(case.jacobian).max(initial=0.0) * np.abs(y).max(initial=0.0)
    assert np.all(y[np.isneginf(lower)] <= 1e-6)
    assert np.all(y[np.isposinf(upper)] >= -1e-6)
    bound = np.where(y > 0, lower, upper)
    finite = np.isfinite(bound)
    gap = np.where(finite, y * (f - np.where(finite, bound, 0.0)), y)
    assert np.abs(gap).max(initial=0.0) <= 1e-6 * (1 + abs(objective))
    stationarity = case.sign * (P @ x + q) - case.jacobian.T @ y
    assert np.abs(stationarity).max(initial=0.0) <= 1e-6 * scale


def check_infeasible(case: Case, model: Any, indices: list[Any]) -> None:
    """The certificate is one: gradients cancel, signs are right, bounds add up to something positive."""
    assert model.get(ot.PrimalStatus()) == NONE
    with pytest.raises(ot.NotOptimized):
        model.get(ot.VariablePrimal(), model.get(ot.ListOfVariableIndices()))
    if model.get(ot.DualStatus()) == NONE:
        assert "integer" in case.needs
        return
    assert model.get(ot.DualStatus()) == CERTIFICATE
    y = np.array([model.get(ot.ConstraintDual(), i) for i in indices])
    y = y / np.abs(y).max()
    lower, upper = case.boxes
    constants = np.concatenate([case.matrices[1], np.zeros(len(case.bounds))])
    assert np.abs(case.jacobian.T @ y).max(initial=0.0) <= 1e-6
    assert np.all(y[np.isneginf(lower)] <= 1e-9)
    assert np.all(y[np.isposinf(upper)] >= -1e-9)
    used = np.abs(y) > 1e-9
    bound = np.where(y > 0, lower, upper)[used]
    assert np.isfinite(bound).all()
    assert y[used] @ (bound - constants[used]) > 1e-3


def check_unbounded(case: Case, model: Any, v: Any) -> None:
    """The certificate is one: a direction that stays in all sets and improves the objective for ever."""
    lower, upper = case.boxes
    f = case.jacobian @ case.checked_ray(model, v)
    assert np.all(f[np.isfinite(lower)] >= -1e-6) and np.all(f[np.isfinite(upper)] <= 1e-6)


@pytest.mark.parametrize("case", [c for c in CASES if not c.needs and c.n], ids=str)
@pytest.mark.parametrize("method", ["simplex", "ipm", "pdlp"])
def test_highs_methods(method: str, case: Case) -> None:
    """Simplex, interior point and PDLP give the same statuses, and the same objective to their accuracy."""
    if method == "pdlp" and ("scaled" in case.name or "large" in case.name):
        pytest.skip("a first-order method's relative tolerances do not resolve badly scaled rows")
    model, _, _ = case.solved(lambda: ot.solvers.HiGHS(solver=method))
    assert model.get(ot.TerminationStatus()) in case.status
    if S.OPTIMAL in case.status:
        assert model.get(ot.ObjectiveValue()) == pytest.approx(case.objective, rel=1e-4, abs=1e-4)


@EVERY
def test_a_variable_in_nothing(solver: Any) -> None:
    """A variable that no function mentions does not disturb a quadratic program (HiGHS gave up on its Hessian)."""
    model = ot.Model(solver)
    x, _ = model.add_variable(), model.add_variable()
    model.minimize(x * x + 3.0 * x)
    model.optimize()
    assert model.termination_status() is S.OPTIMAL
    assert model.value(x) == pytest.approx(-1.5, abs=1e-6)
