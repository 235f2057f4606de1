"""Rows: every operation against dense NumPy, on random rows with repeated terms in any order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray

from optangent.modelkit.arrays import segments
from optangent.modelkit.functions.row_products import dot, times
from optangent.modelkit.functions.rows import Rows

N = 5
BASE = 7 << 32


def random_rows(m: int, seed: int, *, degree: int = 2) -> Rows:
    """Make m rows in N variables with identifiers from BASE, of whole numbers, terms unsorted and repeated."""
    rng = np.random.default_rng(seed)
    k, q = (3 * m, 4 * m) if degree == 2 else (3 * m if degree else 0, 0)

    def numbers(count: int) -> NDArray[np.float64]:
        return rng.integers(-4, 5, count).astype(float)

    def ids(count: int) -> NDArray[np.int64]:
        return BASE + rng.integers(0, N, count)

    def at(count: int) -> NDArray[np.int64]:
        return rng.integers(0, m, count) if m else np.zeros(0, np.int64)

    return Rows(numbers(m), at(k), ids(k), numbers(k), at(q), ids(q), ids(q), numbers(q))


def dense(rows: Rows) -> tuple[Any, Any, Any]:
    """(Q, F, g) with row r equal to ``x'Q[r]x + F[r] x + g[r]`` and Q[r] symmetric."""
    F, Q = np.zeros((rows.m, N)), np.zeros((rows.m, N, N))
    np.add.at(F, (rows.row, rows.var - BASE), rows.coef)
    np.add.at(Q, (rows.qrow, rows.qvar1 - BASE, rows.qvar2 - BASE), 0.5 * rows.qcoef)
    np.add.at(Q, (rows.qrow, rows.qvar2 - BASE, rows.qvar1 - BASE), 0.5 * rows.qcoef)
    return Q, F, rows.constant


def assert_same(rows: Rows, Q: Any, F: Any, g: Any) -> None:
    """The rows are those of the dense data, exactly (whole numbers and halves)."""
    for got, want in zip(dense(rows), (Q, F, g), strict=True):
        np.testing.assert_array_equal(got, want)


SEEDS = pytest.mark.parametrize("seed", range(5))


@SEEDS
def test_evaluate(seed: int) -> None:
    """Values at a point, with and without the constants."""
    rows, x = random_rows(4, seed), np.random.default_rng(seed).integers(-3, 4, N).astype(float)
    Q, F, g = dense(rows)
    want = np.einsum("rij,i,j->r", Q, x, x) + F @ x
    np.testing.assert_array_equal(rows.evaluate(lambda ids: x[ids - BASE]), want + g)
    np.testing.assert_array_equal(rows.evaluate(lambda ids: x[ids - BASE], constants=False), want)


@SEEDS
def test_canonical(seed: int) -> None:
    """Canonical rows mean the same, sorted, each term once, no zeros, and again canonical."""
    rows = random_rows(4, seed)
    once = rows.canonical()
    assert_same(once, *dense(rows))
    keys = list(zip(once.row.tolist(), once.var.tolist(), strict=True))
    qkeys = list(zip(once.qrow.tolist(), once.qvar1.tolist(), once.qvar2.tolist(), strict=True))
    assert keys == sorted(set(keys)) and qkeys == sorted(set(qkeys))
    assert once.coef.all() and once.qcoef.all() and (once.qvar1 <= once.qvar2).all()
    assert len(once.canonical().coef) == len(once.coef)


@SEEDS
def test_merged(seed: int) -> None:
    """Merged rows mean the same with each term once, whichever way round, and keep the places of zeros."""
    rows = random_rows(4, seed)
    once = rows.merged()
    assert_same(once, *dense(rows))
    terms = zip(rows.qrow.tolist(), rows.qvar1.tolist(), rows.qvar2.tolist(), strict=True)
    assert len(once.qcoef) == len({(row, *sorted(pair)) for row, *pair in terms})
    assert len(once.coef) == len(set(zip(rows.row.tolist(), rows.var.tolist(), strict=True)))
    again = once.merged()
    assert again.qvar1 is once.qvar1 and again.coef is once.coef
    once = times(rows, rows).merged()
    values = [r.evaluate(lambda ids: np.cos(ids % 1000 + seed)) for r in (once, rows)]
    np.testing.assert_allclose(values[0], values[1] ** 2, atol=1e-12)
    assert once.higher is not None
    factors = np.sort(once.higher.factors, axis=1)
    assert len(np.unique(np.column_stack([once.higher.row, factors]), axis=0)) == len(factors)


def test_merged_rows_without_equal_terms_stay_as_written() -> None:
    """Terms that occur once keep their order and the order of their factors."""
    y, x = BASE + np.array([1, 0])
    rows = Rows(
        np.zeros(1),
        np.zeros(1, int),
        np.array([y]),
        np.ones(1),
        np.zeros(2, int),
        np.array([y, x]),
        np.array([x, x]),
        np.array([2.0, 3.0]),
    )
    once = rows.merged()
    assert once.qvar1.tolist() == [y, x] and once.qvar2.tolist() == [x, x] and once.qcoef.tolist() == [2.0, 3.0]


@SEEDS
@pytest.mark.parametrize("degree", [1, 2])
def test_dot(seed: int, degree: int) -> None:
    """The dot product is the sum of the products row by row, with each of its terms once."""
    a, b = random_rows(4, seed, degree=1), random_rows(4, seed + 100, degree=degree)
    (whole,), want = (rows.evaluate(lambda ids: ids - BASE - 1.5) for rows in (dot(a, b), times(a, b)))
    np.testing.assert_allclose(whole, want.sum(), atol=1e-12)
    for f, g in ((a, b), (b, a)):
        once = dot(f, g)
        assert once.m == 1 and once.merged().coef is once.coef and once.merged().qcoef is once.qcoef
    if degree == 1:
        assert_same(dot(a, b), *(part.sum(axis=0, keepdims=True) for part in dense(times(a, b))))


@SEEDS
@pytest.mark.parametrize("copies", [1, 3])
def test_mapped(seed: int, copies: int) -> None:
    """`mapped(A, copies)` is kron(I, A) from the left, also for A with empty rows and columns."""
    rng = np.random.default_rng(seed)
    A = rng.integers(-1, 2, (3, 2)).astype(float)
    rows = random_rows(2 * copies, seed)
    Q, F, g = dense(rows)
    K = np.kron(np.eye(copies), A)
    assert_same(rows.mapped(sp.csr_array(A), copies), np.einsum("pr,rij->pij", K, Q), K @ F, K @ g)


@SEEDS
def test_take_and_moved(seed: int) -> None:
    """Rows are taken with repeats in any order; moved rows with one target add."""
    rows, chosen = random_rows(4, seed), np.array([3, 0, 3])
    Q, F, g = dense(rows)
    assert_same(rows.take(chosen), Q[chosen], F[chosen], g[chosen])
    assert_same(rows.take(chosen[:0]), Q[:0], F[:0], g[:0])
    assert rows.take(np.arange(4)) is rows
    target = np.array([1, 1, 0, 1])
    S = np.zeros((3, 4))
    S[target, np.arange(4)] = 1
    assert_same(rows.moved(target, 3), np.einsum("pr,rij->pij", S, Q), S @ F, S @ g)


@SEEDS
def test_sums_scalings_and_stacks(seed: int) -> None:
    """Sum, row-wise factors and quotients, constants and stacking."""
    a, b, factors = random_rows(4, seed), random_rows(4, seed + 100), np.array([2.0, 0.0, -1.0, 4.0])
    (Qa, Fa, ga), (Qb, Fb, gb) = dense(a), dense(b)
    assert_same(a + b, Qa + Qb, Fa + Fb, ga + gb)
    assert_same(a.scaled(factors), factors[:, None, None] * Qa, factors[:, None] * Fa, factors * ga)
    two = np.array([2.0, 4.0, -1.0, 1.0])
    assert_same(a.divided(two), Qa / two[:, None, None], Fa / two[:, None], ga / two)
    assert_same(a.with_constants(factors), Qa, Fa, factors)
    assert_same(Rows.stack([a, b]), np.concatenate([Qa, Qb]), np.vstack([Fa, Fb]), np.concatenate([ga, gb]))
    assert Rows.stack([]).m == 0 and Rows.stack([a]) is a


@SEEDS
def test_times(seed: int) -> None:
    """Products of affine rows, and of quadratic rows with constants."""
    a, b = random_rows(4, seed, degree=1), random_rows(4, seed + 100, degree=1)
    (_, Fa, ga), (_, Fb, gb) = dense(a), dense(b)
    outer = np.einsum("ri,rj->rij", Fa, Fb)
    want = (outer + outer.transpose(0, 2, 1)) / 2, ga[:, None] * Fb + gb[:, None] * Fa, ga * gb
    assert_same(times(a, b), *want)
    q, c = random_rows(4, seed), random_rows(4, seed, degree=0)
    for product in (times(q, c), times(c, q)):
        Q, F, g = dense(q)
        assert_same(product, c.constant[:, None, None] * Q, c.constant[:, None] * F, c.constant * g)
    values = [rows.evaluate(lambda ids: np.cos(ids % 1000 + seed)) for rows in (times(q, a), q, a)]
    np.testing.assert_allclose(values[0], values[1] * values[2], atol=1e-12)


@SEEDS
def test_lookups(seed: int) -> None:
    """Coefficients one by one and in bulk, repeats added, either order of a pair."""
    rows = random_rows(4, seed)
    Q, F, _ = dense(rows)
    r, i, j = (a.ravel() for a in np.indices((4, N, N)))
    np.testing.assert_array_equal(rows.coefficients(r, BASE + i), F[r, i])
    written_out = np.where(i == j, 1.0, 2.0) * Q[r, i, j]
    np.testing.assert_array_equal(rows.quadratic_coefficients(r, BASE + i, BASE + j), written_out)
    one = np.array([2])
    np.testing.assert_array_equal(rows.coefficients(one, BASE + one), F[2, 2:3])
    np.testing.assert_array_equal(rows.quadratic_coefficients(one, BASE + one, BASE + one - 1), 2 * Q[2, 2, 1:2])


def test_matrix_renaming_and_small_questions() -> None:
    """The sparse matrix of the affine part, new names, variables, degree, finiteness."""
    rows = random_rows(4, 1)
    np.testing.assert_array_equal(rows.matrix(lambda ids: ids - BASE, N).toarray(), dense(rows)[1])
    renamed = rows.renamed(lambda ids: ids + 1)
    np.testing.assert_array_equal(renamed.variables(), rows.variables() + 1)
    affine = random_rows(2, 1, degree=1)
    np.testing.assert_array_equal(affine.renamed(lambda ids: ids + 1).var, affine.var + 1)
    assert [random_rows(2, 1, degree=d).degree for d in (0, 1, 2)] == [0, 1, 2]
    assert rows.is_finite() and not rows.scaled(np.array([1, 1, np.inf, 1])).is_finite()


def test_rows_without_rows_or_variables() -> None:
    """Nothing at all is handled by every operation."""
    none = random_rows(0, 1, degree=1)
    assert none.m == 0 and none.canonical().m == 0 and len(none.evaluate(lambda ids: ids * 1.0)) == 0
    assert none.mapped(sp.csr_array((0, 0))).m == 0
    constant = Rows(np.array([1.0, 2.0]))
    np.testing.assert_array_equal(constant.evaluate(lambda ids: ids * 1.0), [1, 2])
    np.testing.assert_array_equal(constant.mapped(sp.csr_array([[1.0, 1.0]])).constant, [3])


def test_segments() -> None:
    """Concatenated ranges, empty ones among them."""
    assert segments(np.array([5, 0, 2]), np.array([2, 0, 3])).tolist() == [5, 6, 2, 3, 4]
    assert segments(np.zeros(0, np.int64), np.zeros(0, np.int64)).tolist() == []
