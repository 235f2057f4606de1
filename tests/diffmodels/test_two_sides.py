"""Rows with two sides are one row of the polish, and say what two rows of one side each say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

import optangent as ot
from optangent import DifferentiationStatusCode as Status
from optangent.diffmodels.active_set import polish
from optangent.diffmodels.kkt import DirectKKT, IterativeKKT, KKTFactorization, automatic, with_bounds
from optangent.diffmodels.kkt.fixing import WithoutFixed
from optangent.diffmodels.polished_solution import PolishedSolution
from optangent.diffmodels.rows_and_bounds import RowsAndBounds
from optangent.diffmodels.standard_form import Matrices, StandardForm, Units


def program(seed: int, n: int, m: int, scaling: float = 0.0, *, linear: bool = False) -> tuple[Any, Any, Any]:
    """(form, x, y): built backwards from a strictly complementary solution, rows and columns in units of their own."""
    rng = np.random.default_rng(seed)
    A = sp.random_array((m, n), density=0.3, rng=rng, data_sampler=rng.standard_normal).tolil()
    A[np.arange(m), rng.integers(0, n, m)] = 1.0
    B = sp.csr_array(sp.vstack([A, sp.eye_array(n)]))
    root = rng.standard_normal((n, n)) * (rng.random((n, n)) < 0.2)
    P = np.zeros((n, n)) if linear else root @ root.T + np.eye(n)
    x, kind = rng.standard_normal(n), rng.integers(0, 6, m + n)  # lower, upper, both free, between, equal, one side
    kind[m:] = np.where(rng.random(n) < 0.4, kind[m:], 2)
    values, gap = B @ x, rng.uniform(0.3, 2.0, m + n)
    y = np.select([kind == 0, kind == 1, kind == 4], [-gap, gap, gap - 1.0], 0.0)
    lower = values - np.select([kind == 0, kind == 1, kind == 3, kind == 4], [0.0, gap, gap, 0.0], np.inf)
    upper = values + np.select([kind == 0, kind == 1, kind == 2, kind == 4], [gap, 0.0, np.inf, 0.0], gap)
    c = -(P @ x + B.T @ y)
    d, e = (10.0 ** rng.uniform(-scaling, scaling, count) for count in (n, m))
    each = np.concatenate([e, 1.0 / d])
    scaled = sp.csr_array(sp.diags_array(e) @ A @ sp.diags_array(d))
    form = StandardForm(
        sp.csc_array(P * d[:, None] * d), c * d, scaled, lower * each, upper * each, (kind == 4) & (lower == upper)
    )
    return form, x / d, y / each


def split(form: StandardForm, x: Any, y: Any) -> tuple[PolishedSolution, Any]:
    """The solution in one-sided rows, and a map from their multipliers to those of the rows."""
    count = len(form.upper)
    every = sp.csr_array(sp.vstack([form.A, sp.eye_array(form.A.shape[1])]))
    equal, up, down = (
        np.flatnonzero(mask)
        for mask in (form.equal, ~form.equal & (form.upper < np.inf), ~form.equal & (form.lower > -np.inf))
    )
    row, sign = np.concatenate([equal, up, down]), np.repeat([1.0, 1.0, -1.0], [len(equal), len(up), len(down)])
    b = np.concatenate([form.upper[equal], form.upper[up], -form.lower[down]])
    A = sp.csr_array(sp.diags_array(sign) @ every[row])
    given = np.where(np.arange(len(row)) < len(equal), y[row], np.maximum(sign * y[row], 0.0))
    gathered = sp.csr_array((sign, (row, np.arange(len(row)))), shape=(count, len(row)))
    return polish(StandardForm.of_upper(form.P, form.c, A, b, len(equal)), x, given), gathered


@pytest.mark.parametrize("scaling", [0.0, 3.0], ids=["unit", "1e-3..1e3"])
@pytest.mark.parametrize("size", [(6, 5), (30, 40), (150, 100)])
def test_the_solution_is_that_of_one_sided_rows(size: tuple[int, int], scaling: float) -> None:
    """Solution, multipliers, verdict, derivatives of both modes: from starts of some accuracy, in all units."""
    for seed in range(6):
        form, x, y = program(seed, *size, scaling)
        rng = np.random.default_rng(seed)
        near = x * (1.0 + 1e-5 * rng.standard_normal(len(x))), y * (1.0 + 1e-5 * rng.standard_normal(len(y)))
        one = polish(form, *near)
        other, gathered = split(form, *near)
        assert one.status is other.status
        assert one.refinement.after <= 1e-11
        unit, each = np.abs(x).max(), Matrices(form.P, form.A, bounds=True)
        np.testing.assert_allclose(one.x / each.column, other.x / each.column, atol=1e-9 * unit / each.column.min())
        np.testing.assert_array_equal(one.active, abs(gathered) @ other.active)
        if one.status is not Status.EXACT:
            continue
        np.testing.assert_allclose(one.y / each.row, (gathered @ other.y) / each.row, atol=1e-8)
        u, v = rng.standard_normal(len(x)), rng.standard_normal(len(y)) * one.active
        w, wy = one.solve(u, v)
        of_other = other.solve(u, gathered.T @ v)
        np.testing.assert_allclose(w, of_other[0], rtol=1e-7, atol=1e-8 * np.abs(w).max())
        np.testing.assert_allclose(wy, gathered @ of_other[1], rtol=1e-7, atol=1e-8 * np.abs(wy).max())
        r, s = rng.standard_normal(len(x)), rng.standard_normal(len(y)) * one.active
        dx, dy = one.solve(r, s)
        forward, backward = u @ dx + v @ dy, w @ r + wy @ s
        assert abs(forward - backward) <= 1e-9 * (np.abs(u) @ np.abs(dx) + np.abs(v) @ np.abs(dy))


@pytest.mark.parametrize("side", ["lower", "upper"])
def test_moves_of_sides_against_differences(side: str) -> None:
    """A side that is active moves the solution as differences of exact solutions say, one that is not moves nothing."""
    form, x, y = program(11, 20, 25)
    solution = polish(form, x, y)
    assert solution.status is Status.EXACT
    move = np.random.default_rng(0).standard_normal(len(y)) * ~form.equal
    reached = solution.sides == (1 if side == "upper" else -1)
    dx, dy = solution.solve(np.zeros(len(x)), move * reached)
    h = 1e-6

    def at(t: float) -> PolishedSolution:
        lower, upper = (
            numbers + t * move * (name == side) for name, numbers in (("lower", form.lower), ("upper", form.upper))
        )
        return polish(StandardForm(form.P, form.c, form.A, lower, upper, form.equal), x, y)

    after, before = at(h), at(-h)
    np.testing.assert_allclose(dx, (after.x - before.x) / (2.0 * h), atol=1e-7)
    np.testing.assert_allclose(dy, (after.y - before.y) / (2.0 * h), atol=1e-6)


def test_from_no_start_at_all() -> None:
    """From zeros the polish finds the solution, by the proximal method where its guesses cycle."""
    for seed in range(20):
        form, x, _ = program(seed, 12, 20)
        found = polish(form, np.zeros(12), np.zeros(32))
        assert found.polished
        np.testing.assert_allclose(found.x, x, atol=1e-9 * np.abs(x).max())
        units = Units(form, Matrices(form.P, form.A, bounds=True))
        below, above = units.slacks(units.values(found.x))
        assert min(below.min(), above.min()) >= -1e-12
        assert (found.y[(found.sides < 0) & ~form.equal] <= 0.0).all()
        assert (found.y[(found.sides > 0) & ~form.equal] >= 0.0).all()


@pytest.mark.parametrize("gap", [0.0, 1e-15])
def test_sides_that_meet_without_an_equation_are_two_rows(gap: float) -> None:
    """The one that does not push is weakly active, and at fault; the derivative is that of the other one."""
    lower, upper = np.array([-np.inf, 1.0 - gap]), np.array([np.inf, 1.0])
    form = StandardForm(
        sp.csc_array(np.eye(2)), np.array([0.0, -3.0]), sp.csr_array((0, 2)), lower, upper, np.zeros(2, bool)
    )
    solution = polish(form, [0.0, 1.0], [0.0, 2.0])
    assert solution.status is Status.WEAKLY_ACTIVE
    assert solution.sides.tolist() == [0, 1] and solution.weak.tolist() == [[False, True], [False, False]]
    assert solution.at_fault.tolist() == solution.weak.tolist()
    assert solution.kinks.nearest() == (0.0, 1, -1) if not gap else solution.kinks.nearest()[1:] == (1, -1)
    np.testing.assert_allclose(solution.solve([1.0, 0.0], [0.0, 1.0])[0], [1.0, 1.0], atol=1e-15)
    np.testing.assert_allclose(solution.without_kinks()(np.eye(2), None)[0], np.diag([1.0, 0.0]), atol=1e-15)


@pytest.mark.parametrize("fixed", ["row", "bound"])
def test_the_basis_chooses_the_side(fixed: str) -> None:
    """Of two sides that meet at a multiplier of zero the one in the basis is in the system."""
    A = sp.csr_array([[1.0]]) if fixed == "row" else sp.csr_array((0, 1))
    more = 1 if fixed == "row" else 0
    free = np.full(more, np.inf)
    lower, upper = np.concatenate([np.ones(1), -free]), np.concatenate([np.ones(1), free])
    form = StandardForm(sp.csc_array(np.eye(1)), np.array([-1.0]), A, lower, upper, np.zeros(1 + more, bool))
    for side in (1, -1):
        basis = np.zeros(1 + more)
        basis[0] = side
        solution = polish(form, [1.0], np.zeros(1 + more), basis=basis)
        assert solution.status is Status.WEAKLY_ACTIVE and solution.sides[0] == side
        assert solution.weak[:, 0].all()


@pytest.mark.parametrize("solve_with", [automatic, DirectKKT(), IterativeKKT(tolerance=1e-12)])
@pytest.mark.parametrize("count", [3, 250])
@pytest.mark.parametrize("is_dense", [False, True])
def test_bounds_leave_the_system(solve_with: Any, count: int, is_dense: bool) -> None:
    """Its solutions are those of a system with unit rows, whether P is sparse or an array."""
    n, m = 300, 20
    rng = np.random.default_rng(count)
    root = sp.random_array((n, n), density=0.02, rng=rng)
    P, A = sp.csc_array(root @ root.T + sp.eye_array(n)), sp.random_array((m, n), density=0.2, rng=rng).tocsr()
    fixed = np.sort(rng.permutation(n)[:count])
    whole = sp.csr_array(sp.vstack([A, sp.eye_array(n).tocsr()[fixed]]))
    given = (P.toarray(), A.toarray()) if is_dense else (P, A)
    kkt, exact = with_bounds(solve_with, *given, fixed), KKTFactorization(P, whole)
    assert isinstance(kkt, WithoutFixed) == (not isinstance(solve_with, IterativeKKT))
    R = rng.standard_normal((n + m + count, 2))
    np.testing.assert_allclose(kkt.solve(R), exact.solve(R), atol=1e-8)
    assert not (kkt.primal_nullity or kkt.dual_nullity)


def test_bounds_on_which_rows_depend_are_told() -> None:
    """Where bounds fix all variables of a row, the whole is asked: it and they depend on one another."""
    n = 300
    A = sp.csr_array((np.ones(3), (np.zeros(3, np.int64), np.arange(3))), shape=(1, n))
    kkt = with_bounds(automatic, sp.csc_array(sp.eye_array(n)), A, np.arange(200))
    assert isinstance(kkt, WithoutFixed) and kkt.dual_nullity and not kkt.primal_nullity
    assert np.flatnonzero(kkt.dependent_rows).tolist() == [0, 1, 2, 3]


def test_products_with_the_unit_matrix() -> None:
    """What is not stored multiplies as if it were."""
    A = np.random.default_rng(1).standard_normal((3, 4))
    B, whole = RowsAndBounds(sp.csr_array(A)), np.vstack([A, np.eye(4)])
    x, y = np.arange(4.0), np.arange(7.0)
    np.testing.assert_allclose(B @ x, whole @ x)
    np.testing.assert_allclose(B @ np.outer(x, [1.0, 2.0]), whole @ np.outer(x, [1.0, 2.0]))
    np.testing.assert_allclose(B.T @ y, whole.T @ y)
    np.testing.assert_allclose(B.sizes().T @ y, np.abs(whole).T @ y)


@pytest.mark.parametrize("solver", [ot.solvers.HiGHS, ot.solvers.Clarabel])
def test_both_modes_of_a_model_with_ranges(solver: Any) -> None:
    """Tangents of both sides of rows and bounds, and gradients in them, against differences and one another."""
    rng = np.random.default_rng(5)
    n, m = 8, 6
    A, low, high = rng.standard_normal((m, n)), -rng.uniform(0.1, 0.5, m), rng.uniform(0.1, 0.5, m)
    cost, moves = 3.0 * rng.standard_normal(n), (rng.standard_normal(m), rng.standard_normal(m))

    def solved(t: float) -> tuple[Any, Any, Any]:
        model = ot.Model(ot.diff_optimizer(solver))
        x = model.add_variables(n, lower=-0.2, upper=0.4)
        rows = model.add_constraint(A @ x, ot.HyperRectangle(low + t * moves[0], high + t * moves[1]))
        model.minimize(0.5 * (x @ x) + cost @ x)
        model.optimize()
        return model, x, rows

    model, x, rows = solved(0.0)
    model.set(ot.ForwardConstraintSet(), rows, ot.HyperRectangle(*moves))
    model.forward_differentiate()
    assert model.get(ot.DifferentiationStatus()) is Status.EXACT
    dx = model.get(ot.ForwardVariablePrimal(), x)
    h = 1e-4
    after, before = (one.get(ot.PolishedPrimal(), v) for one, v, _ in (solved(h), solved(-h)))
    np.testing.assert_allclose(dx, (after - before) / (2.0 * h), atol=1e-8)
    w = rng.standard_normal(n)
    model.set(ot.ReverseVariablePrimal(), x, w)
    model.reverse_differentiate()
    gradient = model.get(ot.ReverseConstraintSet(), rows)
    np.testing.assert_allclose(gradient.lower @ moves[0] + gradient.upper @ moves[1], w @ dx, rtol=1e-9)
    active = np.asarray(model.get(ot.PolishedDual(), rows))
    assert (gradient.lower[active <= 0.0] == 0.0).all() and (gradient.upper[active >= 0.0] == 0.0).all()
