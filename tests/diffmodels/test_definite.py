"""Tests of dense KKT systems with a positive definite Hessian: accuracy, and what is left to other factorizations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from optangent.diffmodels.kkt import DirectKKT, KKTFactorization, automatic
from optangent.diffmodels.kkt.definite import DefiniteKKT, definite


def _data(n: int, m: int, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    M = rng.standard_normal((n, n))
    return M @ M.T / n + 0.1 * np.eye(n), rng.standard_normal((m, n)), rng


def _whole(P: Any, A: Any, C: Any) -> Any:
    return np.block([[P, A.T], [A, -np.diag(C)]])


@pytest.mark.parametrize("units", [0.0, 5.0])
@pytest.mark.parametrize("m", [0, 1, 90])
@pytest.mark.parametrize("columns", [None, 1, 3, 200])
def test_regular_system(m: Any, columns: Any, units: Any) -> None:
    """Any number of right-hand sides is solved as by pivoting, in all units, with curved rows and without."""
    P, A, rng = _data(220, m)
    D, E = (10.0 ** rng.uniform(-units, units, k) for k in (220, m))
    P, A = P * D[:, None] * D, A * D * E[:, None]
    for C in (np.zeros(m), rng.random(m) * E**2):
        kkt = definite(P, A, C, None)
        assert isinstance(kkt, DefiniteKKT)
        every = np.concatenate([D, E])
        R = rng.standard_normal((220 + m,) if columns is None else (220 + m, columns))
        R = (R.T * every).T
        X = kkt.solve(R)
        assert X.shape == R.shape and kkt.residual <= 1e-13
        inner = np.linalg.solve(_whole(P, A, C) / every / every[:, None], (R.T / every).T)
        np.testing.assert_allclose((X.T * every).T, inner, rtol=0, atol=1e-12 * np.abs(inner).max())
        other = KKTFactorization(P, A, C)
        assert 0.3 <= kkt.condition() / other.condition() <= 3.0
        assert (kkt.primal_nullity, kkt.dual_nullity) == (other.primal_nullity, other.dual_nullity) == (False, False)
        assert [V.shape for V in kkt.null_vectors] == [V.shape for V in other.null_vectors]
        assert kkt.primal_null_basis.shape == (220, 0)


def test_what_is_not_clearly_definite_is_left_to_others() -> None:
    """Hessians or rows that are singular or nearly so, more rows than columns, and small data."""
    P, A, rng = _data(220, 90)
    assert definite(P, A, None, None) is not None
    low = P.copy()
    low[:, 3] = low[3] = 0.0
    M = rng.standard_normal((220, 219))
    values, Q = np.linalg.eigh(P)
    values[0] = 1e-9
    near = A.copy()
    near[1] = near[0] + 1e-8 * near[1]
    twice = np.vstack([A, A[:1]])
    hard = [(low, A), (M @ M.T, A), ((Q * values) @ Q.T, A), (-P, A), (P, near), (P, twice)]
    for H, rows in (*hard, (P, rng.standard_normal((230, 220))), (P[:40, :40], A[:10, :40])):
        assert definite(H, rows, None, None) is None
        assert isinstance(automatic(H, rows), KKTFactorization)
    assert automatic(P, twice).dual_nullity and automatic(low, np.zeros((0, 220))).primal_nullity


def test_dense_data_take_this_way() -> None:
    """Both ways of choosing by cost and by the user, with a guess of the equilibration, too."""
    P, A, rng = _data(220, 90)
    r = rng.standard_normal(310)
    expected = KKTFactorization(P, A).solve(r)
    for kkt in (automatic(P, A), DirectKKT()(P, A, None, 2.0 ** rng.integers(-3, 3, 310)), automatic(P.T, A)):
        assert isinstance(kkt, DefiniteKKT)
        np.testing.assert_allclose(kkt.solve(r), expected, rtol=0, atol=1e-12 * np.abs(expected).max())
