"""What is particular to DAQP: absolute tolerances, doubtful claims of infeasibility, certificates of our own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.solvers.judging.rays import improving_ray, infeasibility_ray

S = ot.TerminationStatusCode
INF = np.inf


def solved(P: Any, q: Any, rows: list[tuple[Any, Any, ot.VectorSet]], **options: Any) -> tuple[Any, Any, list[Any]]:
    """The model min ½ xᵀPx + qᵀx, A x + b in S for each (A, b, S) of the rows."""
    model = ot.Model(lambda: ot.solvers.DAQP(**options))
    x = model.add_variables(len(q))
    indices = [model.add_constraint(np.array(A, float) @ x + np.array(b, float), K) for A, b, K in rows]
    model.minimize(0.5 * (x @ (np.array(P, float) @ x)) + np.array(q, float) @ x)
    model.optimize()
    return model, x, indices


@pytest.mark.parametrize("row", [1e-7, 1.0, 1e7])
@pytest.mark.parametrize("objective", [1e-11, 1.0, 1e12])
@pytest.mark.parametrize("size", [1e-8, 1.0, 1e8])
def test_any_units(row: float, objective: float, size: float) -> None:
    """Units do not matter (unscaled, a row of 1e-6 counts as zero, and a Hessian of 1e12 made all rows zero)."""
    P, q = objective * np.array([[2.0, 1.0], [1.0, 2.0]]), -objective * size * np.ones(2)
    A, b = row * np.array([[1.0, 0.0]]), -row * size * np.ones(1)
    model, x, (c,) = solved(P, q, [(A, b, ot.Nonnegatives(1))])
    assert model.termination_status() is S.OPTIMAL
    np.testing.assert_allclose(model.value(x), [size, 0.0], rtol=1e-12, atol=1e-12 * size)
    np.testing.assert_allclose(model.dual(c), objective * size / row, rtol=1e-12)


def test_rectangles() -> None:
    """Rows of a rectangle are taken natively: at a lower bound, at an upper one, free, fixed."""
    rectangle = ot.HyperRectangle([1.0, -INF, -INF, 2.0], [INF, 1.0, INF, 2.0])
    model, x, (c,) = solved(np.eye(4), [0.0, -3.0, -5.0, 1.0], [(np.eye(4), np.zeros(4), rectangle)])
    np.testing.assert_allclose(model.value(x), [1.0, 1.0, 5.0, 2.0], atol=1e-13)
    np.testing.assert_allclose(model.dual(c), [1.0, -2.0, 0.0, 3.0], atol=1e-13)


@pytest.mark.parametrize("rank", [0, 3, 11])
def test_singular_objectives(rank: int) -> None:
    """Where P is singular, optimal means optimal: residuals recomputed, on forty programs built from a solution."""
    n, m = 12, 30
    for seed in range(40):
        rng = np.random.default_rng(seed)
        L, A, x = rng.standard_normal((n, rank)), rng.standard_normal((m, n)), rng.standard_normal(n)
        slack = rng.random(m) * (rng.random(m) < 0.5)
        y = rng.random(m) * (slack == 0.0)
        P = L @ L.T / n
        model, v, (c,) = solved(P, A.T @ y - P @ x, [(A, slack - A @ x, ot.Nonnegatives(m))])
        assert model.termination_status() is S.OPTIMAL, (seed, model.get(ot.RawStatusString()))
        z, dual = model.value(v), model.dual(c)
        assert np.abs(P @ (z - x) + A.T @ (y - dual)).max() <= 1e-8
        assert min((A @ (z - x) + slack).min(), dual.min()) >= -1e-8


@pytest.mark.parametrize("kind", [ot.Zeros, ot.Nonnegatives])
def test_a_doubtful_claim_is_none(kind: Any) -> None:
    """DAQP calls rows at a tiny angle infeasible though they meet in (1, 1); without a certificate we do not."""
    A = np.array([[1.0, 1.0], [1.0, 1.0 + 1e-6]])
    A = A if kind is ot.Zeros else np.vstack([A, -A])
    model, _, _ = solved(np.eye(2), [0.3, 0.0], [(A, -A.sum(axis=1), kind(len(A)))])
    assert model.termination_status() is S.NUMERICAL_ERROR
    assert "no certificate" in model.get(ot.RawStatusString())
    fallback = ot.Model([ot.solvers.DAQP, ot.solvers.Clarabel])
    x = fallback.add_variables(2)
    fallback.add_constraint(A @ x - A.sum(axis=1), kind(len(A)))
    fallback.minimize(x @ x + x[0])
    with pytest.warns(UserWarning, match="DAQP failed"):
        fallback.optimize()
    np.testing.assert_allclose(fallback.value(x), 1.0, atol=1e-5)


def test_contradicting_equalities() -> None:
    """Dependent equalities that contradict each other end with the certificate that adds them up."""
    rows = [([[1.0, 1.0], [2.0, 2.0]], [-1.0, -3.0], ot.Zeros(2))]
    model, _, (c,) = solved(np.eye(2), [1.0, 2.0], rows)
    assert model.termination_status() is S.INFEASIBLE
    assert model.get(ot.DualStatus()) is ot.ResultStatusCode.INFEASIBILITY_CERTIFICATE
    y = model.dual(c)
    assert y @ [1.0, 2.0] == pytest.approx(0.0, abs=1e-12) and y @ [-1.0, -3.0] < 0.0


def test_a_certificate_holds_no_rounding() -> None:
    """A row that no x changes is the whole certificate: noise in the others would spoil its relative residual."""
    A, b = [[1.0, 1.0], [0.0, -1.0], [0.0, 0.0], [1.0, -1.0]], [-2.0, 0.0, -1.0, -1.0]
    box = ot.HyperRectangle([-1.0, -INF], [2.0, 2.0])
    model, _, (c, d) = solved(np.ones((2, 2)), [0.0, 1.0], [(A, b, ot.Nonnegatives(4)), (np.eye(2), np.zeros(2), box)])
    assert model.termination_status() is S.INFEASIBLE
    np.testing.assert_array_equal(model.dual(c), [0.0, 0.0, 1.0, 0.0])
    np.testing.assert_array_equal(model.dual(d), 0.0)


def test_dependent_equalities() -> None:
    """Equalities that say the same twice are no trouble; more of them than variables neither."""
    rows = [([[1.0, 1.0], [1.0, 1.0], [3.0, 3.0], [1.0, -1.0]], [-2.0, -2.0, -6.0, 0.0], ot.Zeros(4))]
    model, x, _ = solved(np.eye(2), [1.0, 2.0], rows)
    np.testing.assert_allclose(model.value(x), [1.0, 1.0], atol=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_rays_of_random_programs(seed: int) -> None:
    """Farkas: of a random system and its alternative exactly one has a solution, and the certificate is one."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((8, 5))
    lower = rng.standard_normal(8)
    upper = np.where(rng.random(8) < 0.5, lower + rng.random(8), INF)
    feasible = ot.Model(ot.solvers.HiGHS)
    x = feasible.add_variables(5)
    feasible.add_constraint(A @ x, ot.HyperRectangle(lower, upper))
    feasible.optimize()
    y = infeasibility_ray(A, lower, upper)
    assert (y is None) == (feasible.termination_status() is S.OPTIMAL)
    if y is not None:
        np.testing.assert_allclose(A.T @ y, 0.0, atol=1e-9)
        assert np.where(y > 0, lower, upper)[y != 0] @ y[y != 0] > 0.0
    root, q = rng.standard_normal((5, 2)), rng.standard_normal(5)
    d = improving_ray(root @ root.T, q, A[:4], lower[:4], np.full(4, INF))
    if d is not None:
        np.testing.assert_allclose(root.T @ d, 0.0, atol=1e-8)
        assert q @ d < 0.0 and (A[:4] @ d).min() >= -1e-9
    assert improving_ray(np.eye(5), q, A, lower, upper) is None


def test_common_options() -> None:
    """DAQP is silent whatever it is told, and takes a time limit."""
    model, _, _ = solved(np.eye(2), [1.0, 2.0], [(np.eye(2), -np.ones(2), ot.Nonnegatives(2))])
    model.set(ot.Silent(), False)
    model.set(ot.TimeLimitSec(), 10.0)
    model.optimize()
    assert model.termination_status() is S.OPTIMAL
