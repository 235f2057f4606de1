"""What a sparse factorization will cost is counted before it is chosen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from optangent.diffmodels.kkt import KKTFactorization, KrylovSystem, automatic, choose, linear_algebra
from optangent.diffmodels.kkt.fill import TooExpensive, dense_is_faster, operations


def blocks(count: int, side: int, seed: int) -> Any:
    """Full blocks along the diagonal, in a random order of rows and columns: nothing fills up."""
    M = sp.block_diag([np.ones((side, side))] * count, format="csc") + side * sp.eye_array(count * side)
    order = np.random.default_rng(seed).permutation(M.shape[0])
    return sp.csc_array(sp.csc_array(M)[order][:, order])


def scattered(size: int, share: float, seed: int) -> Any:
    """Entries anywhere: everything fills up."""
    M = sp.random_array((size, size), density=share / 2.0, rng=np.random.default_rng(seed))
    return sp.csc_array(M + M.T + size * sp.eye_array(size))


def test_the_count_is_that_of_the_factor() -> None:
    """Blocks and a matrix with full last rows have the operations of their own entries; a scattered one nearly all."""
    side, count = 30, 20
    assert operations(blocks(count, side, 0), np.inf) == count * sum(j * j for j in range(side))
    arrow = sp.lil_array((200, 200))
    arrow.setdiag(1.0)
    arrow[:3], arrow[:, :3] = 1.0, 1.0  # eliminated last, though they come first
    assert operations(sp.csc_array(arrow), np.inf) == 197 * 9 + 4 + 1
    full = sum(j * j for j in range(1000))
    assert 0.5 * full < operations(scattered(1000, 0.06, 1), np.inf) < full
    assert 1e6 <= operations(scattered(1000, 0.06, 1), 1e6) < 2e6


def test_what_fills_up_is_factorized_as_a_dense_matrix() -> None:
    """Scattered entries are, blocks are not, and both systems are solved; also where rows are dependent."""
    for K, fills_up in ((scattered(1100, 0.045, 2), True), (blocks(22, 50, 3), False)):
        assert dense_is_faster(K, np.inf) is fills_up
        rows = sp.csr_array(sp.random_array((8, 1100), density=0.05, rng=np.random.default_rng(4)))
        for A in (rows, sp.vstack([rows, 2.0 * rows[:1]], format="csr")):
            kkt = KKTFactorization(K, A)
            assert kkt._fills_up is fills_up
            b = np.concatenate([np.ones(1100), np.zeros(A.shape[0])])
            z = kkt.solve(b)
            np.testing.assert_allclose(K @ z[:1100] + A.T @ z[1100:], b[:1100], atol=1e-9)
            np.testing.assert_allclose(A @ z[:1100], 0.0, atol=1e-9)
            assert kkt.dual_nullity is (A is not rows)


def test_iterations_only_where_no_factorization_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """With little time, blocks are still factorized and scattered entries iterated; they are refused time by name."""
    monkeypatch.setattr("optangent.diffmodels.kkt.fill.LARGEST_DENSE", 1000)
    monkeypatch.setattr(linear_algebra, "LARGEST_DENSE", 1000)
    monkeypatch.setattr(linear_algebra, "_LONGEST", 0.05)
    with pytest.raises(TooExpensive):
        dense_is_faster(scattered(1100, 0.045, 2), 0.05)
    rows = sp.csr_array((0, 1100))
    assert isinstance(automatic(scattered(1100, 0.045, 2), rows), KrylovSystem)
    assert isinstance(automatic(blocks(22, 50, 3), rows), KKTFactorization)


def test_what_cannot_be_told_beforehand_is_counted() -> None:
    """A large matrix of some entries in each column is neither surely cheap nor surely hopeless."""
    assert choose(2e6, 20_000) is automatic
