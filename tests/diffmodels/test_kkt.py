"""Tests of the KKT factorization: accuracy, singular systems, and what it says about them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from optangent.diffmodels.kkt import KKTFactorization
from optangent.diffmodels.kkt.equilibrate import ruiz_scaling, scaled

_BOTH = pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])


def _dense(P: Any, B: Any, C: Any = None) -> Any:
    m = B.shape[0]
    corner = np.zeros((m, m)) if C is None else np.diag(C)
    return np.block([[P, B.T], [B, -corner]])


def _chain(n: Any, rng: Any) -> Any:
    """A sparse, strongly convex Hessian and independent sparse rows, large enough for the sparse path."""
    P = sp.diags_array([-np.ones(n - 1), rng.uniform(2.1, 3.0, n), -np.ones(n - 1)], offsets=[-1, 0, 1])
    B = sp.diags_array([np.ones(n // 2), rng.uniform(1.5, 2.0, n // 2)], offsets=[0, 3], shape=(n // 2, n))
    return sp.csc_array(P), sp.csr_array(B)


def test_equilibration_restores_badly_scaled_matrices() -> None:
    """Ruiz scaling brings all row maxima to within a factor 8 of one, by powers of two, dense and sparse alike."""
    rng = np.random.default_rng(0)
    M = rng.standard_normal((40, 40))
    units = 10.0 ** rng.uniform(-6, 6, 40)
    K = (M + M.T) * units[:, None] * units
    s = ruiz_scaling(K)
    np.testing.assert_array_equal(s, ruiz_scaling(sp.csc_array(K)))
    np.testing.assert_array_equal(np.log2(s), np.round(np.log2(s)))
    maxima = np.abs(scaled(sp.csc_array(K), s).toarray()).max(axis=0)
    assert maxima.max() <= 8.0 and maxima.min() >= 1 / 8.0


@_BOTH
@pytest.mark.parametrize("columns", [None, 1, 3, 200])
def test_regular_system(sparse: Any, columns: Any) -> None:
    """Any number of right-hand sides is solved to 1e-13, in the shape given."""
    rng = np.random.default_rng(1)
    P, B = _chain(300, rng)
    C = rng.uniform(0.0, 1.0, 150) * (rng.random(150) < 0.5)
    K = _dense(P.toarray(), B.toarray(), C)
    kkt = KKTFactorization(P, B, C) if sparse else KKTFactorization(P.toarray(), B.toarray(), C)
    R = rng.standard_normal((450,) if columns is None else (450, columns))
    X = kkt.solve(R)
    assert X.shape == R.shape
    np.testing.assert_allclose(X, np.linalg.solve(K, R), rtol=0, atol=1e-13 * np.abs(X).max())
    assert kkt.residual <= 1e-13
    assert (kkt.primal_nullity, kkt.dual_nullity) == (False, False)


def test_paths_are_chosen_by_size_and_density() -> None:
    """Small and full matrices are factorized dense, large sparse ones sparse."""
    rng = np.random.default_rng(2)
    P, B = _chain(400, rng)
    assert not KKTFactorization(P, B).is_dense
    assert KKTFactorization(P[:40, :40], B[:10, :40]).is_dense
    full = rng.standard_normal((400, 400))
    assert KKTFactorization(full @ full.T, B.toarray()).is_dense
    assert KKTFactorization(sp.csc_array(full @ full.T), B).is_dense


@pytest.mark.parametrize("n", [1, 7, 60, 500])
def test_vertex_of_a_linear_program(n: Any) -> None:
    """With P = 0 and square invertible rows both halves of the solution are accurate to 1e-12."""
    rng = np.random.default_rng(3)
    density = min(1.0, 5.0 / n)
    B = sp.eye_array(n, format="csr") * 3.0 + sp.random_array((n, n), density=density, rng=rng, format="csr")
    kkt = KKTFactorization(sp.csc_array((n, n)), B)
    r = rng.standard_normal(2 * n)
    w = kkt.solve(r)
    dense = B.toarray()
    np.testing.assert_allclose(w[:n], np.linalg.solve(dense, r[n:]), rtol=0, atol=1e-12)
    np.testing.assert_allclose(w[n:], np.linalg.solve(dense.T, r[:n]), rtol=0, atol=1e-12)
    assert kkt.residual <= 1e-14
    assert not kkt.primal_nullity and not kkt.dual_nullity


def _random_case(rng: Any) -> Any:
    """P of rank q, rows of rank r, sometimes a nonnegative C; and the true nullities."""
    n, m = int(rng.integers(1, 25)), int(rng.integers(0, 25))
    q = int(rng.integers(0, n + 1)) if rng.random() < 0.7 else 0
    r = int(rng.integers(0, min(n, m) + 1)) if m and rng.random() < 0.6 else min(n, m)
    M = rng.standard_normal((n, q))
    B = rng.standard_normal((m, r)) @ rng.standard_normal((r, n))
    C = rng.random(m) * (rng.random(m) < 0.3) * (rng.random() < 0.3)
    primal = n - np.linalg.matrix_rank(np.vstack([M.T, B]), tol=1e-9)
    dual = m - np.linalg.matrix_rank(np.vstack([B.T, np.diag(C)]), tol=1e-9) if m else 0
    return M @ M.T, B, C, primal > 0, dual > 0


@pytest.mark.parametrize("scaling", [0, 4], ids=["unit", "1e-4..1e4"])
def test_nullities_and_minimum_norm(scaling: Any) -> None:
    """On 300 random systems the nullities are those of the SVD, and solutions are pinv(K) r to 1e-7."""
    rng = np.random.default_rng(4)
    for _ in range(300):
        P, B, C, primal, dual = _random_case(rng)
        n, m = P.shape[0], B.shape[0]
        dx, dy = 10.0 ** rng.uniform(-scaling, scaling, n), 10.0 ** rng.uniform(-scaling, scaling, m)
        P, B, C = P * dx[:, None] * dx, B * dy[:, None] * dx, C * dy * dy
        kkt = KKTFactorization(P, B, C)
        assert (kkt.primal_nullity, kkt.dual_nullity) == (primal, dual)
        R = rng.standard_normal((n + m, 2))
        X = kkt.solve(R)
        assert kkt.residual <= 1e-9
        if scaling == 0:
            reference = np.linalg.pinv(_dense(P, B, C), rcond=1e-11) @ R
            np.testing.assert_allclose(X, reference, rtol=0, atol=1e-7 * np.abs(reference).max(initial=1.0))


@pytest.mark.parametrize("copies", [3, 120, 400], ids=["a few", "basis", "projector"])
def test_large_system_with_duplicated_rows(copies: Any) -> None:
    """Duplicated and scaled rows: dx is that without them to 1e-12, multipliers have minimum norm, rows are named."""
    rng = np.random.default_rng(5)
    P, B = _chain(1200, rng)
    factors = rng.uniform(0.5, 2.0, copies)
    rows = sp.vstack([B, sp.diags_array(factors) @ B[:copies]], format="csr")
    kkt, reference = KKTFactorization(P, rows), KKTFactorization(P, B)
    assert not kkt.primal_nullity and kkt.dual_nullity
    expected = np.zeros(600 + copies, dtype=bool)
    expected[:copies] = expected[600:] = True
    np.testing.assert_array_equal(kkt.dependent_rows, expected)
    r = np.concatenate([rng.standard_normal(1200), np.zeros(600)])
    w, w_reference = kkt.solve(np.concatenate([r, np.zeros(copies)])), reference.solve(r)
    np.testing.assert_allclose(w[:1200], w_reference[:1200], rtol=0, atol=1e-12)
    # y_i a_i + z_i f_i a_i = y*_i a_i with least norm: (y_i, z_i) = y*_i (1, f_i) / (1 + f_i^2).
    y = w_reference[1200:].copy()
    z = y[:copies] * factors / (1 + factors**2)
    y[:copies] /= 1 + factors**2
    np.testing.assert_allclose(w[1200:], np.concatenate([y, z]), rtol=0, atol=1e-9)


@pytest.mark.parametrize("free", [1, 50, 900])
def test_large_system_with_free_directions(free: Any) -> None:
    """Variables without curvature or rows are reported, and stay at zero."""
    rng = np.random.default_rng(6)
    P, B = _chain(1000, rng)
    big_P = sp.block_diag([P, sp.csc_array((free, free))], format="csc")
    big_B = sp.hstack([B, sp.csr_array((500, free))], format="csr")
    kkt, reference = KKTFactorization(big_P, big_B), KKTFactorization(P, B)
    assert kkt.primal_nullity and not kkt.dual_nullity
    np.testing.assert_array_equal(np.flatnonzero(kkt.undetermined_variables), np.arange(1000, 1000 + free))
    r = rng.standard_normal(1500)
    w = kkt.solve(np.concatenate([r[:1000], rng.standard_normal(free), r[1000:]]))
    w_reference = reference.solve(r)
    np.testing.assert_allclose(w[:1000], w_reference[:1000], rtol=0, atol=1e-10)
    np.testing.assert_allclose(w[1000 : 1000 + free], 0.0, rtol=0, atol=1e-10)
    np.testing.assert_allclose(w[1000 + free :], w_reference[1000:], rtol=0, atol=1e-10)


def test_solutions_are_repeatable() -> None:
    """Two factorizations of the same singular matrix give the same bits."""
    rng = np.random.default_rng(7)
    P, B = _chain(600, rng)
    rows = sp.vstack([B, B[:5]], format="csr")
    r = rng.standard_normal(600 + 305)
    np.testing.assert_array_equal(KKTFactorization(P, rows).solve(r), KKTFactorization(P, rows).solve(r))


@_BOTH
def test_no_rows_and_no_variables(sparse: Any) -> None:
    """Empty blocks are legitimate."""
    make = sp.csc_array if sparse else np.asarray
    np.testing.assert_allclose(
        KKTFactorization(make(2 * np.eye(3)), make(np.zeros((0, 3)))).solve(np.ones(3)), 0.5, rtol=1e-15
    )
    assert KKTFactorization(make(np.zeros((0, 0))), make(np.zeros((0, 0)))).solve(np.zeros(0)).shape == (0,)
    assert KKTFactorization(make(np.eye(2)), make(np.ones((1, 2)))).solve(np.zeros((3, 0))).shape == (3, 0)


def test_wrong_shape_is_refused() -> None:
    """A right-hand side of the wrong length is named with the expected one."""
    with pytest.raises(ValueError, match=r"expected \(3,\)"):
        KKTFactorization(np.eye(2), np.ones((1, 2))).solve(np.ones(2))


def test_ill_conditioned_but_regular() -> None:
    """A regular matrix with condition 1e6 is not called singular and is solved to a residual of 1e-9."""
    rng = np.random.default_rng(8)
    n = 300
    values = 10.0 ** np.linspace(-6, 0, n)
    Q = np.linalg.qr(rng.standard_normal((n, n)))[0]
    P = (Q * values) @ Q.T
    kkt = KKTFactorization(0.5 * (P + P.T), np.zeros((0, n)))
    kkt.solve(rng.standard_normal(n))
    assert kkt.residual <= 1e-9
    assert not kkt.primal_nullity
