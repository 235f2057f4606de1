"""Tests of the polish: exactness from any start, derivatives, degenerate points, scale."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import scipy.sparse.linalg as spla

from optangent import DifferentiationStatusCode as Status
from optangent.diffmodels.active_set import polish
from optangent.diffmodels.standard_form import StandardForm
from optangent.diffmodels.weak_rows import is_unique, makes_unique


def _form(P: Any, c: Any, A: Any, b: Any, zero_rows: Any = 0) -> Any:
    P = sp.csc_array(np.atleast_2d(np.asarray(P, dtype=float))) if not sp.issparse(P) else sp.csc_array(P)
    A = sp.csr_array(np.atleast_2d(np.asarray(A, dtype=float))) if not sp.issparse(A) else sp.csr_array(A)
    return StandardForm.of_upper(P, np.asarray(c, dtype=float), A, np.asarray(b, dtype=float), zero_rows)


def _random_program(
    rng: Any, n: Any = 20, equalities: Any = 3, inequalities: Any = 30, rank: Any = None, scaling: Any = 0.0
) -> Any:
    """A program built backwards from a strictly complementary solution (x, y), with rows and columns scaled."""
    M = rng.standard_normal((n, n if rank is None else rank))
    P = M @ M.T
    A = rng.standard_normal((equalities + inequalities, n))
    dx = 10.0 ** rng.uniform(-scaling, scaling, n)
    dy = 10.0 ** rng.uniform(-scaling, scaling, A.shape[0])
    x = rng.standard_normal(n)
    active = rng.permutation(inequalities)[: (n - equalities) // 2] + equalities
    y = np.zeros(A.shape[0])
    y[:equalities] = rng.standard_normal(equalities)
    y[active] = rng.uniform(0.2, 1.2, active.size)
    s = rng.uniform(0.2, 1.2, A.shape[0])
    s[:equalities] = s[active] = 0.0
    c = -(P @ x + A.T @ y)
    form = _form(P * dx[:, None] * dx, c * dx, A * dy[:, None] * dx, (A @ x + s) * dy, equalities)
    return form, x / dx, y / dy


@pytest.mark.parametrize("noise", [1e-9, 1e-6, 1e-3, 1e-1])
@pytest.mark.parametrize("scaling", [0.0, 3.0], ids=["unit", "1e-3..1e3"])
def test_answers_of_any_accuracy_end_exact(noise: Any, scaling: Any) -> None:
    """From a relative perturbation of the solution, x and y end at the exact ones to 1e-9 in their own units."""
    rng = np.random.default_rng(0)
    for _ in range(10):
        form, x, y = _random_program(rng, scaling=scaling)
        given_x = x * (1 + noise * rng.standard_normal(x.size))
        given_y = y * (1 + noise * rng.standard_normal(y.size))
        solution = polish(form, given_x, given_y)
        assert solution.polished and solution.status is Status.EXACT
        assert solution.refinement.after <= 1e-12
        np.testing.assert_allclose(solution.x, x, rtol=0, atol=1e-9 * np.abs(x).max())
        np.testing.assert_array_equal(solution.active[3:], y[3:] > 0)


def test_no_start_at_all() -> None:
    """From zeros the polish solves the program: quadratic, linear, degenerate or not unique."""
    rng = np.random.default_rng(1)
    for trial in range(60):
        n, m = int(rng.integers(2, 20)), int(rng.integers(2, 40))
        M = rng.standard_normal((n, int(rng.integers(0, n + 1))))
        P = M @ M.T * (trial % 3 > 0)
        A = rng.integers(-2, 3, (m, n)).astype(float)
        x = rng.integers(-1, 2, n).astype(float)
        s = np.maximum(rng.integers(-2, 3, m), 0).astype(float)
        y = np.where(s == 0, np.maximum(rng.integers(-1, 3, m), 0), 0).astype(float)
        form = _form(P, -(P @ x + A.T @ y), A, A @ x + s)
        solution = polish(form, np.zeros(n), np.zeros(m))
        assert solution.polished
        value = 0.5 * solution.x @ P @ solution.x + form.c @ solution.x
        reference = 0.5 * x @ P @ x + form.c @ x
        assert abs(value - reference) <= 1e-8 * (1 + abs(reference))


@pytest.mark.parametrize("datum", ["P", "c", "A", "b"])
def test_derivatives_against_central_differences(datum: Any) -> None:
    """Forward derivatives of x and y agree with central differences of exact re-solves to 1e-6."""
    rng = np.random.default_rng(2)
    form, x, y = _random_program(rng, rank=10)
    solution = polish(form, x, y)
    n, m = x.size, y.size
    dP = rng.standard_normal((n, n)) * (datum == "P")
    dP = dP + dP.T
    dA = rng.standard_normal((m, n)) * (datum == "A")
    dc, db = rng.standard_normal(n) * (datum == "c"), rng.standard_normal(m) * (datum == "b")
    dx, dy = solution.solve(-(dP @ x + dA.T @ y + dc), -(dA @ x - db))

    def at(t: Any) -> Any:
        moved = polish(_form(form.P + t * dP, form.c + t * dc, form.A + t * dA, form.upper + t * db, 3), x, y)
        assert moved.polished
        return moved

    h = 1e-5
    forward, backward = at(h), at(-h)
    for exact, difference in [(dx, forward.x - backward.x), (dy, forward.y - backward.y)]:
        np.testing.assert_allclose(exact, difference / (2 * h), rtol=0, atol=1e-6 * (1 + np.abs(exact).max()))


def test_adjoint_identity_and_many_seeds() -> None:
    """Reverse mode is the same symmetric solve: <u, K^-1 v> = <v, K^-1 u> to 1e-12, and blocks equal columns."""
    rng = np.random.default_rng(3)
    form, x, y = _random_program(rng)
    solution = polish(form, x, y)
    U, V = rng.standard_normal((x.size, 4)), rng.standard_normal((y.size, 4))
    V[~solution.active] = 0.0
    wx, wy = solution.solve(U, V)
    assert wx.shape == U.shape and wy.shape == V.shape
    assert (wy[~solution.active] == 0).all()
    gram = U.T @ wx + V.T @ wy
    np.testing.assert_allclose(gram, gram.T, rtol=0, atol=1e-12 * np.abs(gram).max())
    one_x, one_y = solution.solve(U[:, 0])
    alone_x, alone_y = solution.solve(U[:, :1], np.zeros((y.size, 1)))
    np.testing.assert_array_equal(one_x, alone_x[:, 0])
    np.testing.assert_array_equal(one_y, alone_y[:, 0])


def test_projection_on_the_half_line_at_the_kink() -> None:
    """X = max(p, 0) at p = 0: weakly active; the row left out gives 1, kept by the basis gives 0."""
    form = _form([[1.0]], [0.0], [[-1.0]], [0.0])
    for start in (0.0, 1e-9, -1e-5, 1e-3):
        solution = polish(form, [start], [abs(start)])
        assert solution.status is Status.WEAKLY_ACTIVE
        assert solution.weakly_active.tolist() == [True] == solution.rows_at_fault.tolist()
        assert solution.solve([1.0])[0] == pytest.approx([1.0], abs=1e-15)
        kept = polish(form, [start], [abs(start)], basis=[1])
        assert kept.status is Status.WEAKLY_ACTIVE
        assert kept.solve([1.0])[0] == pytest.approx([0.0], abs=1e-15)


def test_the_smallest_units_are_not_a_kink() -> None:
    """X = max(p, 0) at p = 1e-9 and p = -1e-9 is differentiable: thresholds are relative to the data."""
    for p, derivative in [(1e-9, 1.0), (-1e-9, 0.0)]:
        solution = polish(_form([[1.0]], [-p], [[-1.0]], [0.0]), [max(p, 0.0)], [max(-p, 0.0)])
        assert solution.status is Status.EXACT
        assert solution.solve([1.0])[0] == pytest.approx([derivative], abs=1e-15)


def test_redundant_active_row() -> None:
    """A constraint written twice, multipliers shared: dependent rows, dx is that of the single one."""
    P, c = np.eye(2), [0.0, 0.0]
    single = polish(_form(P, c, [[-1.0, -1.0]], [-1.0]), [0.5, 0.5], [0.5])
    double = polish(_form(P, c, [[-1.0, -1.0], [-2.0, -2.0]], [-1.0, -2.0]), [0.5, 0.5], [0.1, 0.2])
    assert single.status is Status.EXACT and double.status is Status.DEPENDENT_ROWS
    assert double.rows_at_fault.tolist() == [True, True]
    for r in np.eye(2):
        np.testing.assert_allclose(double.solve(r)[0], single.solve(r)[0], rtol=0, atol=1e-15)


@pytest.mark.parametrize("gap", [3e-9, 1e-8, 1e-7])
@pytest.mark.parametrize("shared", [False, True], ids=["on the looser row", "between both"])
@pytest.mark.parametrize("pairs", [1, 40])
def test_rows_closer_than_a_solvers_tolerance(gap: float, shared: bool, pairs: int) -> None:
    """Of x >= 1 - gap and x >= 1 the tighter row holds at the exact solution, whatever row a solver's answer is on.

    Derivatives are those of the tighter row, and agree with differences of exact solutions over less than the gap.
    """
    n = pairs
    rows = -np.repeat(np.eye(n), 2, axis=0) * np.tile([2.0, 1.0], n)[:, None]
    b = np.where(np.arange(2 * n) % 2 == 0, -2.0 * (1.0 - gap), -1.0)
    form = _form(np.zeros((n, n)), np.full(n, 2.0), rows, b)
    y = np.tile([0.5, 1.0] if shared else [1.0, 0.0], n)
    x = np.full(n, 1.0 - (0.5 if shared else 1.0) * gap)
    solution = polish(form, x, y)
    assert solution.status is Status.EXACT and solution.refinement.after <= 1e-14
    np.testing.assert_array_equal(solution.active, np.arange(2 * n) % 2 == 1)
    np.testing.assert_allclose(solution.y, np.tile([0.0, 2.0], n), atol=1e-14)
    db = np.random.default_rng(1).standard_normal(2 * n)
    dx, dy = solution.solve(np.zeros(n), db)
    h = 0.1 * gap
    up, down = (polish(_form(np.zeros((n, n)), np.full(n, 2.0), rows, b + t * db), x, y) for t in (h, -h))
    np.testing.assert_allclose(dx, (up.x - down.x) / (2 * h), rtol=0, atol=1e-6)
    np.testing.assert_allclose(dy, (up.y - down.y) / (2 * h), rtol=0, atol=1e-6)
    seed = np.random.default_rng(2).standard_normal(n)
    np.testing.assert_allclose(seed @ dx, db @ solution.solve(seed, np.zeros(2 * n))[1], rtol=1e-12)


def test_three_rows_that_nearly_meet() -> None:
    """Of x >= 1, y >= 1 and x + y >= 2 + 1e-8, from the corner (1, 1), the first is left where x is cheaper than y."""
    form = _form(np.zeros((2, 2)), [1.0, 2.0], [[-1.0, 0.0], [0.0, -1.0], [-1.0, -1.0]], [-1.0, -1.0, -2.0 - 1e-8])
    solution = polish(form, [1.0, 1.0], [1.0, 2.0, 0.0])
    assert solution.status is Status.EXACT
    np.testing.assert_array_equal(solution.active, [False, True, True])
    np.testing.assert_allclose(solution.x, [1.0 + 1e-8, 1.0], rtol=0, atol=1e-15)
    np.testing.assert_allclose(solution.y, [0.0, 1.0, 1.0], rtol=0, atol=1e-14)


def test_rows_that_contradict_one_another_stay_a_failure() -> None:
    """X >= 1 and x <= 1 - 1e-7 have no point: not polished, the residual is half the gap."""
    solution = polish(_form([[0.0]], [2.0], [[-1.0], [1.0]], [-1.0, 1.0 - 1e-7]), [1.0], [2.0, 0.0])
    assert not solution.polished
    assert solution.refinement.after == pytest.approx(5e-8, rel=1e-2)


def test_duplicated_equality() -> None:
    """Equality rows that repeat another: dependent rows, the minimum-norm multiplier derivative is shared equally."""
    form = _form(np.eye(2), [1.0, 2.0], [[1.0, 1.0], [1.0, 1.0]], [1.0, 1.0], zero_rows=2)
    solution = polish(form, [1.0, 0.0], [0.0, 0.0])
    assert solution.polished and solution.status is Status.DEPENDENT_ROWS
    dx, dy = solution.solve([1.0, 0.0])
    np.testing.assert_allclose(dx, [0.5, -0.5], rtol=0, atol=1e-15)
    np.testing.assert_allclose(dy, [0.25, 0.25], rtol=0, atol=1e-15)


@pytest.mark.parametrize("extra", [1, 2, 3])
def test_vertex_with_extra_rows(extra: Any) -> None:
    """More rows than variables at a vertex with positive multipliers: x does not move with c, and says why."""
    A = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 2.0], [2.0, 1.0]])[: 2 + extra]
    y = np.full(2 + extra, 0.5)
    form = _form(np.zeros((2, 2)), -A.T @ y, A, A @ [1.0, 1.0])
    shared = polish(form, [1.0, 1.0], y)
    assert shared.status is Status.DEPENDENT_ROWS
    np.testing.assert_allclose(shared.solve([1.0, 2.0])[0], 0.0, rtol=0, atol=1e-15)
    # A simplex answer puts the multipliers on two rows: the others are weakly active, the basis is kept.
    basic = np.linalg.solve(A[:2].T, -form.c)
    basis = np.array([1, 1, *[0] * extra])
    vertex = polish(form, [1.0, 1.0], np.concatenate([basic, np.zeros(extra)]), basis)
    assert vertex.status is Status.WEAKLY_ACTIVE
    np.testing.assert_array_equal(vertex.active, basis == 1)
    np.testing.assert_allclose(vertex.solve([0.0, 0.0], np.arange(2.0 + extra))[0], [0.0, 1.0], atol=1e-15)


def test_unique_vertex_whose_weak_rows_are_needed() -> None:
    """Both weakly active rows block the free direction from either side: x is unique, one of them is kept."""
    # min -x1 with x1 <= 0, x2 <= 0 and -x2 <= 0: the multipliers of the last two are zero.
    form = _form(np.zeros((2, 2)), [-1.0, 0.0], [[1.0, 0.0], [0.0, 1.0], [0.0, -1.0]], np.zeros(3))
    solution = polish(form, [0.0, 0.0], [1.0, 0.0, 0.0])
    assert solution.status is Status.WEAKLY_ACTIVE
    assert solution.active.sum() == 2
    assert np.isfinite(solution.solve([1.0, 1.0], [1.0, 1.0, 1.0])[0]).all()


def test_optimal_edge() -> None:
    """A linear program with an optimal edge is not unique, whether the answer is inside it or at its end."""
    form = _form(np.zeros((2, 2)), [-1.0, 0.0], [[1.0, 0.0], [0.0, 1.0], [0.0, -1.0]], [1.0, 1.0, 1.0])
    inside = polish(form, [1.0 + 1e-9, 0.3], [1.0, 0.0, 0.0])
    corner = polish(form, [1.0, 1.0], [1.0, 0.0, 0.0])
    at_basis = polish(form, [1.0, 1.0], [1.0, 0.0, 0.0], basis=[1, 1, 0])
    assert {inside.status, corner.status, at_basis.status} == {Status.NONUNIQUE}
    np.testing.assert_allclose(inside.x, [1.0, 0.3], rtol=0, atol=1e-15)
    for solution in (inside, corner):
        np.testing.assert_allclose(solution.solve([0.0, 1.0], [1.0, 1.0, 0.0])[0], [1.0, 0.0], atol=1e-15)
    np.testing.assert_allclose(at_basis.solve([0.0, 1.0], [1.0, 1.0, 0.0])[0], [1.0, 1.0], atol=1e-15)


def test_singular_reduced_hessian() -> None:
    """A quadratic flat along one direction: not unique, the answer keeps its place there, the derivative is least."""
    form = _form([[1.0, 1.0], [1.0, 1.0]], [-2.0, -2.0], np.zeros((0, 2)), [])
    solution = polish(form, [1.7, 0.301], [])
    assert solution.status is Status.NONUNIQUE and solution.polished
    np.testing.assert_allclose(solution.x, [1.6995, 0.3005], rtol=0, atol=1e-14)
    np.testing.assert_allclose(solution.solve([1.0, 0.0])[0], [0.25, 0.25], rtol=0, atol=1e-15)


def test_empty_active_set_and_everything_active() -> None:
    """No active row gives P^-1; as many independent active rows as variables give A^-1."""
    P, A = np.array([[2.0, 1.0], [1.0, 3.0]]), np.array([[-1.0, 0.5], [0.0, -1.0]])
    free = polish(_form(P, [-1.0, -1.0], A, [5.0, 5.0]), [0.0, 0.0], [0.0, 0.0])
    assert free.status is Status.EXACT and not free.active.any()
    np.testing.assert_allclose(free.solve(np.eye(2), np.zeros((2, 2)))[0], np.linalg.inv(P), atol=1e-15)
    full = polish(_form(P, [9.0, 9.0], A, [-1.0, -1.0]), [1.0, 1.0], [1.0, 1.0])
    assert full.status is Status.EXACT and full.active.all()
    np.testing.assert_allclose(full.solve(np.zeros((2, 2)), np.eye(2))[0], np.linalg.inv(A), atol=1e-15)


def test_failure_is_told() -> None:
    """An infeasible program cannot be polished: finite point, its residuals, and `polished` false."""
    form = _form(np.eye(1), [0.0], [[1.0], [-1.0]], [-1.0, -1.0])
    solution = polish(form, [0.0], [1.0, 1.0])
    assert not solution.polished
    assert solution.refinement.after > 1e-3
    assert np.isfinite(solution.x).all() and np.isfinite(solution.y).all()
    assert np.isfinite(solution.solve([1.0])[0]).all()


def test_a_failed_solver_answers_nan() -> None:
    """NaN in the given point is no obstacle: the program is solved from zeros."""
    form = _form(np.eye(2), [-3.0, 1.0], [[1.0, 0.0], [0.0, -1.0]], [1.0, 0.0])
    solution = polish(form, [np.nan, 1.0], [np.inf, np.nan])
    assert solution.polished
    np.testing.assert_allclose(solution.x, [1.0, 0.0], rtol=0, atol=1e-15)


def test_polish_is_repeatable() -> None:
    """The same input gives the same bits, also where the system is singular."""
    rng = np.random.default_rng(4)
    form, x, y = _random_program(rng, n=12, inequalities=10, rank=2)
    first, second = polish(form, x + 1e-4, y), polish(form, x + 1e-4, y)
    np.testing.assert_array_equal(first.x, second.x)
    np.testing.assert_array_equal(first.y, second.y)
    r = rng.standard_normal(12)
    np.testing.assert_array_equal(first.solve(r)[0], second.solve(r)[0])


def test_uniqueness_criteria_agree() -> None:
    """The small criterion (a basis of directions) and the sparse one (a linear program) give the same answers."""
    rng = np.random.default_rng(5)
    answers = set()
    for _ in range(60):
        columns, rows = int(rng.integers(1, 4)), int(rng.integers(1, 9))
        G = rng.integers(-2, 3, (rows, columns)).astype(float)
        if np.linalg.matrix_rank(G) < columns:
            continue
        empty = sp.csc_array((columns, columns))
        answers.add(makes_unique(G))
        assert makes_unique(G) == is_unique(empty, sp.csr_array((0, columns)), sp.csr_array(G))
    assert answers == {True, False}


def _schedule(T: Any, rng: Any) -> Any:
    """A T-step tracking problem with ramp and capacity limits, and its forecast-like target."""
    t = np.arange(T)
    target = 1.5 + np.sin(2 * np.pi * t / 24) + 0.4 * rng.standard_normal(T)
    D = sp.diags_array([-np.ones(T - 1), np.ones(T - 1)], offsets=[0, 1], shape=(T - 1, T))
    eye = sp.eye_array(T)
    A = sp.vstack([D, -D, -eye, eye], format="csr")
    b = np.concatenate([np.full(2 * (T - 1), 0.25), np.zeros(T), np.full(T, 3.0)])
    return _form(2 * eye, -2 * target, A, b)


def test_ten_thousand_steps() -> None:
    """A long schedule, known nowhere near exactly: solved, and its gradient is the exact active-set one to 1e-12."""
    T = 10_000
    form = _schedule(T, np.random.default_rng(6))
    exact = polish(form, np.full(T, 1.5), np.zeros(form.upper.size))
    assert exact.polished and exact.status is Status.EXACT
    rng = np.random.default_rng(7)
    again = polish(
        form,
        exact.x + 1e-6 * rng.standard_normal(T),
        np.maximum(exact.y + 1e-6 * rng.standard_normal(form.upper.size), 0.0),
    )
    np.testing.assert_allclose(again.x, exact.x, rtol=0, atol=1e-13)
    np.testing.assert_array_equal(again.active, exact.active)
    A1 = form.A[np.flatnonzero(exact.active)]
    K = sp.block_array([[form.P, A1.T], [A1, None]], format="csc")
    w = rng.standard_normal(T)
    reference = spla.splu(K).solve(np.concatenate([w, np.zeros(A1.shape[0])]))[:T]
    np.testing.assert_allclose(again.solve(w)[0], reference, rtol=0, atol=1e-12 * np.abs(reference).max())
