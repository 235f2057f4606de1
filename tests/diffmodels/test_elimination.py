"""Rows eliminated by hand, and cones on plain variables turned until their rows are such."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

import optangent as ot
from optangent.diffmodels.cone_columns import ConeColumns
from optangent.diffmodels.conic_system import Conditions, Inverse, Iterate
from optangent.diffmodels.kkt import KKTFactorization
from optangent.diffmodels.kkt.elimination import Eliminated, Pivots
from optangent.diffmodels.kkt.factors import SparseLU


def system(seed: int, n: int = 60, general: int = 20) -> tuple[Any, Any, np.ndarray]:
    """(P, A, C) of a regular system: general rows, then single entries without and with curvature."""
    rng = np.random.default_rng(seed)
    root = sp.random_array((n, n), density=0.05, rng=rng)
    P = sp.csc_array(root @ root.T + sp.eye_array(n))
    rows = sp.random_array((general, n), density=0.2, rng=rng)
    fixing, curved = rng.permutation(n)[: n // 4], rng.integers(0, n, n // 2)
    at = np.concatenate([fixing, curved])
    single = sp.coo_array((rng.uniform(0.5, 2.0, len(at)), (np.arange(len(at)), at)), shape=(len(at), n))
    C = np.concatenate([np.where(np.arange(general) % 2, 0.5, 0.0), np.zeros(n // 4), rng.uniform(0.1, 2.0, n // 2)])
    return P, sp.csr_array(sp.vstack([rows, single])), C


@pytest.mark.parametrize("seed", range(3))
def test_elimination_solves(seed: int) -> None:
    """Pivots by hand and the core by LU give the solution, and all sound pivots are found."""
    P, A, C = system(seed)
    n = P.shape[0]
    K = sp.csc_array(sp.block_array([[P, A.T], [A, sp.diags_array(-C)]]))
    K.eliminate_zeros()
    K.sort_indices()
    pivots = Pivots(K, n)
    assert len(pivots.fixing) == n // 4 and len(pivots.core) == K.shape[0] - pivots.count
    assert len(pivots.curved) == n // 2
    B = np.random.default_rng(seed).standard_normal((K.shape[0], 3))
    X = Eliminated(K, pivots, SparseLU).solve(B)
    np.testing.assert_allclose(K @ X, B, atol=1e-11)


@pytest.mark.parametrize("columns", [1, 40])
def test_factorization_with_many_pivots(columns: int) -> None:
    """A sparse system with many pivots is solved to rounding, for few and for many right-hand sides."""
    P, A, C = system(5, n=300, general=60)
    kkt = KKTFactorization(P, A, C)
    assert not kkt.is_dense
    K = np.block([[P.toarray(), A.toarray().T], [A.toarray(), -np.diag(C)]])
    B = np.random.default_rng(1).standard_normal((len(K), columns))
    np.testing.assert_allclose(K @ kkt.solve(B), B, atol=1e-11)
    assert not (kkt.primal_nullity or kkt.dual_nullity)


@pytest.mark.parametrize("density", [0.05, 1.0])
def test_more_curved_rows_than_columns(density: float) -> None:
    """All curved rows leave where they outnumber the columns; the core has the order of columns and other rows."""
    rng = np.random.default_rng(7)
    n, curved, flat = 50, 400, 10
    rows = sp.random_array((curved + flat, n), density=density, rng=rng, data_sampler=rng.standard_normal)
    A, C = sp.csr_array(rows), np.concatenate([rng.uniform(0.1, 2.0, curved), np.zeros(flat)])
    kkt = KKTFactorization(sp.csc_array((n, n)), A, C)
    assert isinstance(kkt._factor, Eliminated) and not kkt.is_dense
    K = np.block([[np.zeros((n, n)), A.toarray().T], [A.toarray(), -np.diag(C)]])
    B = rng.standard_normal((len(K), 3))
    np.testing.assert_allclose(K @ kkt.solve(B), B, atol=1e-10)


def test_two_rows_that_fix_one_variable_are_dependent() -> None:
    """The second of two pivots on a column is seen as a dependent row, and x is right all the same."""
    P, A, C = system(6, n=300, general=60)
    twice = sp.csr_array(sp.vstack([A, 3.0 * A[60:61]]))
    kkt = KKTFactorization(P, twice, np.concatenate([C, [0.0]]))
    assert kkt.dual_nullity and not kkt.primal_nullity
    assert kkt.dependent_rows[60] and kkt.dependent_rows[-1]
    q = np.random.default_rng(2).standard_normal(300)
    once = KKTFactorization(P, A, C).solve(np.concatenate([q, np.zeros(A.shape[0])]))
    both = kkt.solve(np.concatenate([q, np.zeros(A.shape[0] + 1)]))
    np.testing.assert_allclose(both[:300], once[:300], atol=1e-10)


@pytest.mark.parametrize("curved", [False, True], ids=["fixed", "curved"])
@pytest.mark.parametrize("columns", [1, 40])
def test_nothing_may_remain(columns: int, curved: bool) -> None:
    """Where all coordinates leave by hand the solution is theirs."""
    n, rng = 220, np.random.default_rng(8)
    P = sp.csc_array((n, n)) if curved else sp.csc_array(sp.diags_array(rng.uniform(0.0, 2.0, n)))
    A = sp.csr_array(sp.csr_array(sp.diags_array(rng.uniform(0.5, 2.0, n)))[rng.permutation(n)])
    if curved:  # pivots of the columns, too: rows fix them
        A = sp.csr_array(sp.vstack([A, sp.diags_array(rng.uniform(0.5, 2.0, n))]))
    C = np.concatenate([np.zeros(n), rng.uniform(0.5, 2.0, n)]) if curved else np.zeros(n)
    kkt = KKTFactorization(P, A, C)
    assert not kkt.is_dense and not len(kkt._factor._pivots.core)  # type: ignore[attr-defined]
    K = np.block([[P.toarray(), A.toarray().T], [A.toarray(), -np.diag(C)]])
    B = rng.standard_normal((len(K), columns))
    np.testing.assert_allclose(K @ kkt.solve(B), B, atol=1e-11)
    assert not (kkt.primal_nullity or kkt.dual_nullity)


def correlation(side: int, seed: int, cone: Any) -> tuple[ot.Model, Any, list[Any]]:
    """The nearest correlation matrix: ``min sum (x - g)²`` in the cone's inner product, unit diagonal."""
    rng = np.random.default_rng(seed)
    model = ot.Model(ot.diff_optimizer(lambda: ot.solvers.SCS(eps_abs=1e-10, eps_rel=1e-10)))
    j, i = np.tril_indices(side)
    diagonal = np.flatnonzero(i == j)
    v = model.add_variables(len(i))
    psd = model.add_constraint(1.0 * v, cone(side))
    unit = model.add_constraint(v[diagonal] - np.ones(side), ot.Zeros(side))
    W = np.where(i == j, 1.0, 2.0) if cone is ot.PositiveSemidefiniteConeTriangle else np.ones(len(i))
    g = 2.0 * rng.standard_normal(len(i))
    model.minimize(v @ (sp.diags_array(W) @ v) - (2.0 * W * g) @ v)
    model.optimize()
    return model, v, [psd, unit]


@pytest.mark.parametrize("cone", [ot.PositiveSemidefiniteConeTriangle, ot.ScaledPositiveSemidefiniteConeTriangle])
def test_matrix_variables(cone: Any) -> None:
    """The columns of a matrix variable are turned, its derivatives exact, and the KKT matrix stays nearly diagonal."""
    side = 12
    model, v, _ = correlation(side, 3, cone)
    model.set(ot.ForwardObjectiveFunction(), np.random.default_rng(4).standard_normal(len(v)) @ v)
    model.forward_differentiate()
    assert model.get(ot.DifferentiationStatus()) is ot.DifferentiationStatusCode.EXACT
    form, point = model.meta_solver.point.rows, model.meta_solver.point.solution
    conditions = Conditions(form, point.x, point.y)
    units = conditions.units
    at = Iterate(conditions, units.primal(point.x), units.dual(point.y) - units.slacks(point.s))
    assert ConeColumns(at.rotation, at.A, at.P)
    shapes = []

    def watching(P: Any, A: Any, C: Any, shared: Any) -> KKTFactorization:
        shapes.append(A.nnz)
        return KKTFactorization(P, A, C, shared=shared)

    inverse = Inverse(at, watching)
    assert shapes == [shapes[0]] and shapes[0] <= form.n + side * form.n
    R = np.random.default_rng(5).standard_normal((form.n + form.m, 2))
    np.testing.assert_allclose(at.apply(inverse.solve(R)), R, atol=1e-10)
    one = np.eye(form.n + form.m)
    np.testing.assert_allclose(inverse.solve(R), np.linalg.solve(at.apply(one), R), atol=1e-10)
