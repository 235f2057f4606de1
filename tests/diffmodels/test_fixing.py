"""Rows that fix variables leave a KKT system before it is factorized, and nothing is seen of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from optangent.diffmodels.kkt import DirectKKT, IterativeKKT, KKTFactorization, KKTSystem, automatic
from optangent.diffmodels.kkt.fixing import WithoutFixed

N = 300


def system(seed: int, fixed: int = 200, general: int = 40) -> tuple[Any, Any]:
    """(P, A) of a regular system in odd units: `general` rows, and among them others that fix variables."""
    rng = np.random.default_rng(seed)
    root = sp.random_array((N, N), density=0.02, rng=rng)
    P = root @ root.T + sp.eye_array(N)
    rows = sp.random_array((general, N), density=0.2, rng=rng, data_sampler=rng.standard_normal)
    at = rng.permutation(N)[:fixed]
    single = sp.coo_array((rng.uniform(0.5, 2.0, fixed), (np.arange(fixed), at)), shape=(fixed, N))
    A = sp.csr_array(sp.vstack([rows, single]))[rng.permutation(general + fixed)]
    units = sp.diags_array(10.0 ** rng.uniform(-3.0, 3.0, N))
    return sp.csc_array(units @ P @ units), sp.csr_array(
        sp.diags_array(10.0 ** rng.uniform(-3, 3, len(A.indptr) - 1)) @ A @ units
    )


def separable(P: Any, A: Any) -> Any:
    """A diagonal matrix in the place of P, with a zero where a row fixes a variable."""
    values = P.diagonal()
    values[A[[int(np.flatnonzero(np.diff(A.indptr) == 1)[0])]].indices] = 0.0
    return sp.csc_array((values, np.arange(N), np.arange(N + 1)))


def agrees(one: KKTSystem, other: KKTSystem, columns: int = 3) -> None:
    """Both have the same solutions, and say the same of null vectors."""
    B = np.random.default_rng(0).standard_normal((one.size, columns))
    X, Y = one.solve(B), other.solve(B)
    size = np.abs(Y).max(axis=1, keepdims=True)
    np.testing.assert_allclose(X / size, Y / size, atol=1e-7)
    np.testing.assert_array_equal(one.undetermined_variables, other.undetermined_variables)
    np.testing.assert_array_equal(one.dependent_rows, other.dependent_rows)


@pytest.mark.parametrize("make", [automatic, DirectKKT()])
@pytest.mark.parametrize("columns", [1, 40])
@pytest.mark.parametrize("is_separable", [False, True])
def test_the_solutions_are_those_of_the_whole(make: Any, columns: int, is_separable: bool) -> None:
    """Every row is solved to rounding of its own terms, whatever its units, for few and many right-hand sides."""
    P, A = system(1)
    P = separable(P, A) if is_separable else P
    kkt = make(P, A)
    assert isinstance(kkt, WithoutFixed)
    B = np.random.default_rng(1).standard_normal((kkt.size, columns))
    X, K = kkt.solve(B), sp.csr_array(sp.block_array([[P, A.T], [A, None]]))
    assert (np.abs(K @ X - B) <= 1e-10 * (abs(K) @ np.abs(X) + np.abs(B))).all()
    assert kkt.residual < 1e-12
    agrees(kkt, KKTFactorization(P, A))
    assert not kkt.primal_nullity and not kkt.dual_nullity
    assert kkt.null_vectors[0].shape == (N, 0) and kkt.null_vectors[1].shape == (A.shape[0], 0)


def test_rows_that_are_left_with_one_entry_leave_as_well() -> None:
    """In a chain of differences whose ends are fixed, one after the other leaves."""
    n = 400
    chain = sp.diags_array([-np.ones(n - 1), np.ones(n - 1)], offsets=[0, 1], shape=(n - 1, n))
    ends = sp.csr_array((np.ones(n // 2), (np.arange(n // 2), np.arange(0, n, 2))), shape=(n // 2, n))
    P, A = sp.csc_array(sp.eye_array(n)), sp.csr_array(sp.vstack([chain.tocsr()[::2], ends]))
    kkt = automatic(P, A)
    assert isinstance(kkt, WithoutFixed) and isinstance(kkt._core, WithoutFixed) and kkt._core._core.size == 0
    agrees(kkt, KKTFactorization(P, A))


def test_a_variable_fixed_twice_makes_rows_dependent() -> None:
    """The rows at fault are told, and the answer is that of least norm."""
    P, A = system(2)
    row = int(np.flatnonzero(np.diff(A.indptr) == 1)[0])
    twice = sp.csr_array(sp.vstack([A, 2.0 * A[[row]]]))
    kkt = automatic(P, twice)
    assert kkt.dual_nullity and kkt.dependent_rows[row] and kkt.dependent_rows[-1]
    agrees(kkt, KKTFactorization(P, twice))


@pytest.mark.parametrize("primal", [False, True])
def test_a_singular_rest_is_judged_as_a_whole(primal: bool) -> None:
    """Null vectors of what is left are those of the whole, on the rows that fixed variables, too."""
    P, A = system(3)
    if primal:  # a free variable in no row and no square
        keep = sp.diags_array(
            (
                np.arange(N) != np.flatnonzero(np.bincount(A[np.diff(A.indptr) == 1].indices, minlength=N) == 0)[0]
            ).astype(float)
        )
        P, A = sp.csc_array(keep @ P @ keep), sp.csr_array(A @ keep)
    else:  # a sum of a row and of rows that fix
        general, single = np.flatnonzero(np.diff(A.indptr) > 1)[:1], np.flatnonzero(np.diff(A.indptr) == 1)[:3]
        A = sp.csr_array(sp.vstack([A, sp.csr_array(A[np.concatenate([general, single])].sum(axis=0)[None])]))
    kkt = automatic(P, A)
    assert isinstance(kkt, WithoutFixed)
    assert kkt.primal_nullity == primal and kkt.dual_nullity != primal
    agrees(kkt, KKTFactorization(P, A))
    assert kkt.null_vectors[0].shape[1] == int(primal) and kkt.null_vectors[1].shape[1] == int(not primal)


def test_few_fixing_rows_stay() -> None:
    """They cost less than to take them out; iterations, which users choose, take all rows."""
    P, A = system(4, fixed=20)
    assert isinstance(automatic(P, A), KKTFactorization)
    assert not isinstance(IterativeKKT()(P, system(4)[1]), WithoutFixed)
