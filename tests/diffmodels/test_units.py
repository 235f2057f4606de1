"""Linear and quadratic programs in other units: the same derivatives and the same status, by every solver and mode.

Rows, columns and the objective are multiplied by 1e-6 or 1e6. The derivatives are known in closed form. A solver may
fail in such units: then there is nothing to compare, and how much there was is asserted.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.diffmodels.layers.program import Program as LayerProgram

from .moves import along, asymmetry, pairing
from .oracle import Program, direction, linear_tangents, program, set_tangents, tangents, together
from .units import UNITS, Units, units

STATUS = ot.DifferentiationStatusCode
# Of so many programs, those which each solver brought to a solution when this was written: (QP, LP).
COMPARED = {"Clarabel": (12, 8), "HiGHS": (6, 8), "PIQP": (11, 8), "DAQP": (8, 8), "SCS": (8, 5), "OSQP": (8, 0)}
SEEDS = (0, 1)


def is_solved(model: ot.Model, v: Any, p: Program, u: Units) -> bool:
    """Whether the solver found the solution, judged in the program's own units."""
    try:
        if model.supports(ot.TimeLimitSec()):
            model.set(ot.TimeLimitSec(), 5.0)
        model.optimize()
        return bool(np.abs(model.value(v) * u.columns - p.x).max() <= 1e-3)
    except ot.OptangentError:
        return False


def check_reverse(model: ot.Model, v: Any, indices: Any, p: Program, u: Units, seed: int) -> None:
    """The gradients in all data, by their inner product with a random direction."""
    rng = np.random.default_rng(seed)
    primal, dual = rng.standard_normal(len(p.x)), [rng.standard_normal(len(y)) for y in p.y]
    model.empty_input_sensitivities()
    model.set(ot.ReverseVariablePrimal(), v, primal * u.columns)  # the same loss, of the solution in own units
    for index, one, r in zip(indices, dual, u.rows, strict=True):
        value = one * r / u.objective
        model.set(ot.ReverseConstraintDual(), index, value if index.kind[1].is_vector else float(value[0]))
    model.set(ot.ReverseObjectiveValue(), 0.7 / u.objective)
    model.reverse_differentiate()
    d = direction(p, "everything", seed + 1)
    dx, dy, df = linear_tangents(p, d)
    products = np.concatenate([primal * dx, *(a * b for a, b in zip(dual, dy, strict=True)), [0.7 * df]])
    found = pairing(model, along(v, indices, p, u.of(d)))
    assert found == pytest.approx(products.sum(), abs=1e-6 * np.abs(products).sum())


def compare(p: Program, u: Units, solver: Any, seed: int) -> bool:
    """Whether there was a derivative to compare; it is right, EXACT, and both modes agree to 1e-9 of their terms."""
    q, d = u.of(p), direction(p, "everything", seed)
    model, v, indices = q.build(solver)
    solved = is_solved(model, v, p, u)
    set_tangents(model, v, indices, q, u.of(d))
    try:
        model.forward_differentiate()
    except ot.OptangentError:
        assert not solved
        return False
    if not solved and model.get(ot.DifferentiationStatus()) is not STATUS.EXACT:
        return False
    assert model.get(ot.DifferentiationStatus()) is STATUS.EXACT
    dx, dy, df = linear_tangents(p, d)
    expected = np.concatenate([dx, *dy, [df]])
    np.testing.assert_allclose(u.back(*tangents(model, v, indices)), expected, atol=1e-6 * np.abs(expected).max())
    assert asymmetry(model, along(v, indices, q, u.of(d))) <= 1e-9
    check_reverse(model, v, indices, p, u, seed)
    return True


@pytest.mark.filterwarnings("ignore::optangent.DifferentiationWarning")
@pytest.mark.parametrize("quadratic", [True, False], ids=["QP", "LP"])
@pytest.mark.parametrize("solver", COMPARED)
def test_units_change_nothing(solver: str, quadratic: bool) -> None:
    """Where a solver finds the solution, and in so many programs it does, the derivative is that of the program."""
    wanted = COMPARED[solver][not quadratic]
    if not wanted:
        pytest.skip("needs curvature: on these vertices it runs into any iteration limit")
    if solver in ("PIQP", "DAQP"):
        pytest.importorskip(solver.lower())
    compared = 0
    for seed in SEEDS:
        p = program(seed, ("min", "max")[seed % 2], quadratic=quadratic)
        for kind in UNITS:
            compared += compare(p, units(p, kind, seed), getattr(ot.solvers, solver), seed)
    assert compared >= wanted


@pytest.mark.parametrize(("quadratic", "kind"), [(True, "rows"), (False, "objective -")], ids=["QP", "LP"])
def test_units_change_nothing_in_sparse_systems(kind: str, quadratic: bool) -> None:
    """The same of a program as large as is factorized sparse."""
    p = together([program(seed, "min", quadratic=quadratic) for seed in range(20)])
    assert compare(p, units(p, kind, 3), ot.solvers.Clarabel, 3)


@pytest.mark.parametrize("solver", ["Clarabel", "DAQP"])
@pytest.mark.parametrize("seed", range(4))
def test_a_layers_outputs_hold_in_each_rows_own_unit(seed: int, solver: str) -> None:
    """With rows times 1e±6, outputs and gradients are those of the program, whatever the solver takes for feasible."""
    if solver == "DAQP":
        pytest.importorskip("daqp")
    rng = np.random.default_rng(seed)
    root, A = rng.standard_normal((8, 8)), rng.standard_normal((14, 8))
    P, x, active = root @ root.T / 8.0 + 0.1 * np.eye(8), rng.standard_normal(8), np.arange(14) < 5
    y = np.where(active, rng.uniform(0.5, 2.0, 14), 0.0)
    b = A @ x + np.where(active, 0.0, rng.uniform(0.5, 2.0, 14))
    K = np.block([[P, A[active].T], [A[active], np.zeros((5, 5))]])
    w = np.linalg.solve(K, np.concatenate([np.ones(8), np.zeros(5)]))
    expected = np.zeros(14)
    expected[active] = w[8:]
    r = 10.0 ** (6.0 * np.random.default_rng(seed + 7).choice([-1.0, 1.0], 14))
    model = ot.Model(ot.diff_optimizer(getattr(ot.solvers, solver)))
    v, p = model.add_variables(8), model.add_parameters(r * b)
    model.add_constraint((r[:, None] * A)[:2] @ v == p[:2])
    model.add_constraint((r[:, None] * A)[2:] @ v <= p[2:])
    model.minimize(0.5 * (v @ (P @ v)) - (P @ x + A.T @ y) @ v)
    item = LayerProgram(model, [p], [v]).solve(r * b)
    assert not item.reason
    np.testing.assert_allclose(item.outputs, x, atol=1e-8)
    np.testing.assert_allclose(item.vjp(np.ones(8)) * r, expected, atol=1e-8)
    assert item.differentiation_status is STATUS.EXACT


@pytest.mark.parametrize("solver", [ot.solvers.HiGHS, ot.solvers.Clarabel], ids=lambda s: s.name)
def test_a_norm_in_small_units(solver: Any) -> None:
    """Rows of 1e-6 in a norm, whose extra variables have units of their own, keep status and gradient."""

    def gradient(unit: float) -> Any:
        rng = np.random.default_rng(4)
        F, q = rng.standard_normal((4, 6)), 3.0 * rng.standard_normal(6)
        model = ot.Model(ot.diff_optimizer(solver))
        v = model.add_variables(6)
        f = (unit * F) @ v
        model.add_constraint(ot.vectorize([0.0 * v[0] + unit, *(f[i] for i in range(4))]), ot.NormOneCone(5))
        model.minimize(0.5 * (v @ v) + q @ v)
        model.optimize()
        model.set(ot.ReverseVariablePrimal(), v, np.ones(6))
        with warnings.catch_warnings(action="ignore", category=ot.DifferentiationWarning):  # of the solver's accuracy
            model.reverse_differentiate()
        assert model.get(ot.DifferentiationStatus()) is ot.DifferentiationStatusCode.EXACT
        return model.get(ot.ReverseObjectiveFunction()).coefficients(v)

    np.testing.assert_allclose(gradient(1e-6), gradient(1.0), atol=1e-7)
