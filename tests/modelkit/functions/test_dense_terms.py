"""What is done faster with matrices that store all entries comes out as with others."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

import optangent as ot
from optangent.modelkit.arrays import added_up, fewer
from optangent.modelkit.form.matrix_form import objective_matrices
from optangent.modelkit.form.units import Lines, equilibration
from optangent.modelkit.functions.rows import Rows

RNG = np.random.default_rng(7)


def by_hand(keys: list[np.ndarray], coef: np.ndarray) -> dict[tuple[int, ...], float]:
    """Sums of the coefficients of equal terms."""
    found: dict[tuple[int, ...], float] = {}
    for value, row, *factors in zip(coef.tolist(), *(key.tolist() for key in keys), strict=True):
        term = (row, *sorted(factors))
        found[term] = found.get(term, 0.0) + value
    return found


@pytest.mark.parametrize("span", [3, 10**9])
@pytest.mark.parametrize("factors", [1, 2, 3, 4])
def test_terms_are_added_up_by_a_table_and_by_a_sort(factors: int, span: int) -> None:
    """Equal terms are one, in order, whether there may be few different ones or many."""
    keys = [RNG.integers(5, 8, 400), *(RNG.integers(0, 4, 400) * (span // 3) + 1000 for _ in range(factors))]
    coef = RNG.standard_normal(400)
    for collect in (added_up, fewer):
        merged, total = collect(keys, coef)
        terms = list(zip(*(key.tolist() for key in merged), strict=True))
        expected = by_hand(keys, coef)
        assert terms == sorted(expected)
        np.testing.assert_allclose(total, [expected[term] for term in terms], atol=1e-12)


@pytest.mark.parametrize("keys", [([1, 2, 3], [4, 4, 4]), ([0, 0, 0], [9, 9, 9], [1, 2, 3]), ([2, 1, 1], [1, 1, 2])])
def test_terms_that_differ_stay_as_they_are(keys: tuple[list[int], ...]) -> None:
    """Where no two are equal, nothing is sorted."""
    arrays, coef = [np.array(key) for key in keys], np.ones(3)
    same, total = fewer(arrays, coef)
    assert total is coef
    assert all(one is other for one, other in zip(same, arrays, strict=True))


def test_a_growing_factor_hides_no_equal_terms() -> None:
    """A factor that grows proves nothing while it is not the least or largest of each term."""
    first, second = np.array([1, 2, 3]), np.array([3, 5, 1])  # x1 x3, x2 x5, x3 x1
    merged, total = fewer([np.zeros(3, np.int64), first, second], np.array([1.0, 1.0, 2.0]))
    assert [key.tolist() for key in merged] == [[0, 0], [1, 2], [3, 5]]
    assert total.tolist() == [3.0, 1.0]


@pytest.mark.parametrize("zeros", [0, 5])
def test_a_dense_matrix_times_variables_is_the_sparse_one(zeros: int) -> None:
    """Entries that are zero are no terms, and the caller's array is not shared."""
    A = RNG.standard_normal((4, 6))
    A.flat[:zeros] = 0.0
    x = ot.Model().add_variables(6)
    dense, sparse = (A @ x).rows, (sp.csr_array(A) @ x).rows
    for name in ("constant", "row", "var", "coef"):
        np.testing.assert_array_equal(getattr(dense, name), getattr(sparse, name))
    A[:] = 0.0
    np.testing.assert_array_equal(dense.coef, sparse.coef)


@pytest.mark.parametrize("missing", [False, True])
def test_curvature_that_is_full_and_that_is_not(missing: bool) -> None:
    """½xᵀPx gives P back, symmetric, without stored zeros."""
    n = 7
    L = RNG.standard_normal((n, n))
    P = L + L.T
    if missing:
        P[1, 2] = P[2, 1] = P[3, 3] = 0.0
    model = ot.Model()
    x = model.add_variables(n)
    rows = (0.5 * (x @ (P @ x)) + np.ones(n) @ x).rows
    found, q, r = objective_matrices(rows, lambda ids: ids - x.ids[0], n)
    np.testing.assert_allclose(found.toarray(), P, atol=1e-15)
    assert found.nnz == np.count_nonzero(P)
    assert found.has_canonical_format
    assert (q.tolist(), r) == ([1.0] * n, 0.0)


def test_terms_that_cancel_leave_no_entry_in_full_curvature() -> None:
    """A sum that is zero is no entry of P, as where P is sparse."""
    zero, one = np.zeros(3, np.int64), np.array([1.0, 2.0, 0.0])
    rows = Rows(np.zeros(1), qrow=zero, qvar1=np.array([0, 0, 1]), qvar2=np.array([0, 1, 1]), qcoef=one)
    P, _, _ = objective_matrices(rows, lambda ids: ids, 2)
    assert P.nnz == 3
    np.testing.assert_array_equal(P.toarray(), [[2.0, 2.0], [2.0, 0.0]])


def test_products_with_plain_variables_in_either_order() -> None:
    """x∘(Ax + b), (Ax + b)∘x and their sum have the values that they have by numbers."""
    A, b, point = RNG.standard_normal((5, 5)), RNG.standard_normal(5), RNG.standard_normal(5)
    x = ot.Model().add_variables(5)
    y = x[np.array([3, 0, 0, 4, 1])]
    f, value = A @ x + b, A @ point + b
    at = point[y.ids - x.ids[0]]

    def values(function: object) -> np.ndarray:
        return function.rows.evaluate(lambda ids: point[ids - x.ids[0]])  # type: ignore[attr-defined, no-any-return]

    np.testing.assert_allclose(values(y * f), at * value)
    np.testing.assert_allclose(values(f * y), at * value)
    np.testing.assert_allclose(values(y @ f), [at @ value])
    np.testing.assert_allclose(values(f @ y), [at @ value])
    np.testing.assert_allclose(values((2.0 * y) * (3.0 * y)), 6.0 * at**2)
    for z, there in ((x, point), (2.0 * x, 2.0 * point), (x[::-1], point[::-1]), (x - 1.0, point - 1.0)):
        np.testing.assert_allclose(values(z @ f), [there @ value], rtol=1e-12)
        np.testing.assert_allclose(values(f @ z), [there @ value], rtol=1e-12)
    form = (x @ f).rows
    assert len(form.qcoef) == 15  # of which x y and y x are one
    assert form.quadratic_coefficients(np.zeros(2, int), x.ids[[0, 2]], x.ids[[3, 2]]) == pytest.approx(
        [A[0, 3] + A[3, 0], A[2, 2]]
    )


def test_units_of_a_full_matrix_are_those_of_its_entries_in_any_order() -> None:
    """Scales do not depend on how the entries are stored."""
    A = RNG.standard_normal((40, 30)) * 10.0 ** RNG.integers(-6, 7, (40, 1)) * 10.0 ** RNG.integers(-6, 7, 30)
    full, P = sp.csr_array(A), sp.csc_array(A.T @ A)
    order = RNG.permutation(30)
    shuffled = sp.csr_array((A[:, order].ravel(), np.tile(order, 40), np.arange(41) * 30), shape=A.shape)
    for shared in (False, True):
        for one, other in zip(
            equilibration(full, P, shared=shared), equilibration(shuffled, P, shared=shared), strict=True
        ):
            np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(Lines(full).largest(np.ones(30)), np.abs(A).max(axis=1))


def test_units_of_rows_that_are_full_up_to_the_last_columns() -> None:
    """Rows of equal length that do not reach the last column are no full matrix."""
    A = np.hstack([RNG.standard_normal((4, 3)), np.zeros((4, 2))])
    np.testing.assert_array_equal(Lines(sp.csr_array(A)).largest(np.ones(5)), np.abs(A).max(axis=1))
