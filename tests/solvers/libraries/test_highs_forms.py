"""HiGHS behind forms that change: against highspy by hand, forms made anew, and what optimality means."""

from __future__ import annotations

import copy
import pickle
import signal
import threading
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from optangent.modelkit import attributes as attr
from optangent.modelkit.errors import InvalidData, UnsupportedAttribute, UnsupportedObjective
from optangent.modelkit.form import Discreteness, Form
from optangent.solvers.contract import Start
from optangent.solvers.libraries.highs import HiGHS
from optangent.solvers.result import ResultStatus, Status

from .highs_by_hand import assert_is_contradiction, assert_is_improving, assert_optimal, solved

INF = np.inf
BASIC, LOWER = attr.BasisStatusCode.BASIC, attr.BasisStatusCode.NONBASIC_AT_LOWER


def a_form(q: Any, A: Any, sides: Any, box: Any, P: Any = None) -> Any:
    """A form from dense arrays."""
    form, n = Form(), len(q)
    form.add_columns(n)
    form.set_bounds(
        np.arange(n), *np.broadcast_to(np.array(box, float).T[:, None] if np.ndim(box) < 2 else box, (2, n))
    )
    form.set_objective(None if P is None else sp.csc_array(np.array(P, float)), np.array(q, float), 0.0)
    form.add_rows(sp.csr_array(np.array(A, float).reshape(-1, n)), *np.array(sides, float).reshape(2, -1))
    form.take_journal()
    return form


class Changing:
    """A form that changes at random, always with zero feasible and every column between finite bounds."""

    def __init__(self, seed: Any, kind: Any) -> None:
        self.rng, self.kind = np.random.default_rng(seed), kind
        self.form = Form()
        self.root = np.zeros((0, 0))
        for _ in range(4):
            self.add_columns()
        for _ in range(4):
            self.add_rows()
        self.costs()

    def sides(self, count: Any) -> Any:
        """Ranges, single sides and equations through zero."""
        low, high = -self.rng.uniform(0.0, 2.0, count), self.rng.uniform(0.0, 2.0, count)
        which = self.rng.integers(4, size=count)
        return np.where(which == 0, -INF, low * (which != 3)), np.where(which == 1, INF, high * (which != 3))

    def add_columns(self) -> None:
        """One or two, within bounds."""
        added = self.form.add_columns(int(self.rng.integers(1, 3)))
        self.form.set_bounds(added, -self.rng.uniform(0.0, 1.0, len(added)), self.rng.uniform(0.5, 2.0, len(added)))
        if self.kind == "mip" and self.rng.random() < 0.5:
            self.form.set_discreteness(added, Discreteness.INTEGER, binary=bool(self.rng.integers(2)))
        grown = np.zeros((self.form.n, self.form.n))
        grown[: len(self.root), : len(self.root)] = self.root
        self.root = grown
        self.costs()

    def add_rows(self) -> None:
        """One or two sparse ones."""
        count, n = int(self.rng.integers(1, 3)), self.form.n
        A = self.rng.standard_normal((count, n)) * (self.rng.random((count, n)) < 0.5)
        self.form.add_rows(sp.csr_array(A), *self.sides(count))

    def costs(self) -> None:
        """Other costs, and another curvature of a quadratic one."""
        P = None
        if self.kind == "qp" and self.rng.random() < 0.7:
            j = int(self.rng.integers(self.form.n))
            self.root[j] = self.rng.standard_normal(self.form.n) * (self.rng.random(self.form.n) < 0.3)
            self.root *= self.rng.integers(4) > 0  # none at times
            P = sp.csc_array(self.root.T @ self.root)
        q = np.where((self.form.lower == 0.0) & (self.form.upper == 0.0), 0.0, self.rng.standard_normal(self.form.n))
        self.form.set_objective(P, q, float(self.rng.standard_normal()))

    def one_cost(self) -> None:
        """Of one column."""
        q = self.form.q.copy()
        q[self.rng.integers(len(q))] = self.rng.standard_normal()
        self.form.set_objective(None, q, self.form.r)

    def delete_row(self) -> None:
        """A free row."""
        self.form.set_sides(self.rng.integers(self.form.m, size=1), -INF, INF)

    def delete_column(self) -> None:
        """A column fixed at zero, without cost."""
        j = self.rng.integers(self.form.n, size=1)
        self.form.set_discreteness(j, Discreteness.CONTINUOUS)
        self.form.set_bounds(j, 0.0, 0.0)

    def change_sides(self) -> None:
        """Of some rows."""
        rows = self.rng.choice(self.form.m, min(3, self.form.m), replace=False)
        self.form.set_sides(rows, *self.sides(len(rows)))

    def change_bounds(self) -> None:
        """Of some columns."""
        columns = self.rng.choice(self.form.n, 2, replace=False)
        self.form.set_bounds(columns, -self.rng.uniform(0.0, 1.0, 2))
        self.form.set_bounds(columns[:1], upper=self.rng.uniform(0.5, 2.0))

    def change_row(self) -> None:
        """Another function with other columns."""
        row, n = int(self.rng.integers(self.form.m)), self.form.n
        columns = np.sort(self.rng.choice(n, int(self.rng.integers(n)), replace=False))
        self.form.set_row(row, columns, self.rng.standard_normal(len(columns)))

    def change_coefficients(self) -> None:
        """Of entries that are there, some to zero."""
        A = self.form.A
        if A.nnz:
            at = self.rng.choice(A.nnz, min(3, A.nnz), replace=False)
            values = self.rng.standard_normal(len(at)) * self.rng.integers(2, size=len(at))
            self.form.set_entries(at, values, np.searchsorted(A.indptr, at, "right") - 1)

    def kinds(self) -> None:
        """What values a column takes."""
        if self.kind == "mip":
            j, kind = self.rng.integers(self.form.n, size=1), Discreteness(int(self.rng.integers(4)))
            if kind >= Discreteness.SEMICONTINUOUS:
                self.form.set_bounds(j, 0.5, 1.5)
            elif self.form.lower[j] > 0.0:
                self.form.set_bounds(j, 0.0)
            binary = kind == Discreteness.INTEGER and bool(self.rng.integers(2))
            self.form.set_discreteness(j, kind, binary=binary)

    def change(self) -> None:
        """One of all, at random."""
        changes = (
            *(self.add_columns, self.add_rows, self.costs, self.one_cost, self.delete_row, self.delete_column),
            *(self.change_sides, self.change_bounds, self.change_row, self.change_coefficients, self.kinds),
        )
        changes[self.rng.integers(len(changes))]()


def semi_bounds_hold(form: Any) -> Any:
    """Whether lower bounds of semicontinuous columns are not negative."""
    semi = form.discreteness >= Discreteness.SEMICONTINUOUS
    return bool((form.lower[semi] >= 0.0).all())


@pytest.mark.parametrize("kind", ["lp", "qp", "mip"])
@pytest.mark.parametrize("seed", range(6))
def test_changes_are_those_of_a_model_made_anew(seed: Any, kind: Any) -> None:
    """After every few of many random changes the answer is that of highspy by hand, and of a wrapper loaded anew."""
    changing, solver = Changing(seed, kind), HiGHS()
    form = changing.form
    form.take_journal()
    journal = None
    for step in range(40):
        for _ in range(int(changing.rng.integers(1, 5))):
            changing.change()
        while not semi_bounds_hold(form):
            changing.form.set_bounds(np.flatnonzero(form.discreteness >= Discreteness.SEMICONTINUOUS), 0.5, 1.5)
        taken = form.take_journal()
        result = solver.solve(form, None if journal is None else taken)
        journal = taken
        by_hand = solved(form)
        assert result.status is Status.OPTIMAL, (step, result.raw)
        tolerance = {"lp": 1e-9, "qp": 1e-7, "mip": 1e-6}[kind]
        if by_hand.getModelStatus().name == "kOptimal" or kind != "qp":  # whose method gives up at times
            assert result.objective == pytest.approx(by_hand.getObjectiveValue(), rel=tolerance, abs=tolerance)
        value = 0.5 * result.x @ form.P @ result.x + form.q @ result.x + form.r
        assert result.objective == pytest.approx(value, rel=1e-9, abs=1e-9)
        fresh = HiGHS().solve(form)
        assert result.objective == pytest.approx(fresh.objective, rel=tolerance, abs=tolerance)
        if form.is_discrete:
            assert result.dual is None
            assert "no duals" in result.missing["dual"]
            assert result.bound == pytest.approx(result.objective, rel=1e-4, abs=1e-6)
        else:
            assert_optimal(form, result.x, result.dual, 1e-6 if form.P.nnz else 1e-9)
        if kind == "lp":
            at = np.append(form.A @ result.x, result.x)
            lower, upper = np.append(form.row_lower, form.lower), np.append(form.row_upper, form.upper)
            side = np.where(result.activity > 0.0, lower, upper)
            active = result.activity != 0.0
            np.testing.assert_allclose(at[active], side[active], atol=1e-9)
            equal = (lower == upper) & active
            assert np.all(result.activity[equal] == 1.0)
            assert result.basis is not None
            columns, rows = result.basis
            basic = np.append(rows, columns) == BASIC
            assert np.all(result.activity[basic] == 0.0)
            assert np.count_nonzero(basic) == form.m


def diet(count: Any = 200, seed: Any = 0) -> Any:
    """A linear program that takes many iterations."""
    rng = np.random.default_rng(seed)
    A = sp.random_array((count, count), density=8 / count, format="csr", rng=rng)
    form = Form()
    form.add_columns(count)
    form.set_bounds(np.arange(count), 0.0, 10.0)
    form.set_objective(None, rng.uniform(1.0, 2.0, count), 0.0)
    form.add_rows(A, A @ np.full(count, 2.0), np.full(count, INF))
    form.take_journal()
    return form


def changed_side(form: Any) -> None:
    """A little more is asked for."""
    form.set_sides(np.array([3]), form.row_lower[3] * 1.01, INF)


def changed_coefficient(form: Any) -> None:
    """A coefficient is a little larger."""
    form.set_entries(np.array([5]), form.A.data[[5]] * 1.01, np.array([np.searchsorted(form.A.indptr, 5, "right") - 1]))


def another_row(form: Any) -> None:
    """A row that the solution almost satisfies."""
    form.add_rows(sp.csr_array(np.ones((1, form.n))), np.array([-1.0]), np.array([INF]))


def another_column(form: Any) -> None:
    """A column with an entry in one row."""
    added = form.add_columns(1)
    form.set_bounds(added, 0.0)
    form.set_objective(None, np.append(form.q[:-1], 3.0), 0.0)
    columns, values = form.row(2)
    form.set_row(2, np.append(columns, added), np.append(values, 0.1))


def deleted_row(form: Any) -> None:
    """A row that binds no more."""
    form.set_sides(np.array([7]), -INF, INF)


def all_coefficients(form: Any) -> None:
    """Every coefficient moves a little, so that the matrix is passed on as a whole."""
    A = form.A
    rows = np.repeat(np.arange(form.m), np.diff(A.indptr))
    form.set_entries(np.arange(A.nnz), A.data * (1.0 + 1e-4 * np.sin(np.arange(A.nnz))), rows)


@pytest.mark.parametrize(
    "change", [changed_side, changed_coefficient, another_row, another_column, deleted_row, all_coefficients]
)
@pytest.mark.parametrize("unit", [1.0, 2.0**-30])
def test_a_changed_program_is_solved_from_the_basis(change: Any, unit: Any) -> None:
    """A small change asks for few simplex iterations, also in units in which the program is scaled."""
    form, solver = diet(), HiGHS()
    form.set_entries(np.arange(form.A.nnz), form.A.data * unit, np.repeat(np.arange(form.m), np.diff(form.A.indptr)))
    form.set_sides(np.arange(form.m), form.row_lower * unit, INF)
    form.take_journal()
    first = solver.solve(form)
    change(form)
    again = solver.solve(form, form.take_journal())
    fresh = HiGHS().solve(form)
    assert again.objective == pytest.approx(fresh.objective, rel=1e-9)
    assert again.iterations["simplex"] <= 30
    assert first.iterations["simplex"] + fresh.iterations["simplex"] >= 100


def test_an_unchanged_form_takes_no_iterations() -> None:
    """An empty journal leaves everything as it is."""
    form, solver = diet(), HiGHS()
    first = solver.solve(form)
    again = solver.solve(form, form.take_journal())
    assert again.iterations["simplex"] == 0
    np.testing.assert_array_equal(first.x, again.x)


# ---------------------------------------------------------------------- signs
@pytest.mark.parametrize(
    ("q", "dual"),
    [([1.0, 3.0], [1.0, 0.0, 2.0]), ([-1.0, -3.0], [-3.0, 2.0, 0.0]), ([-1.0, 3.0], [0.0, -1.0, 3.0])],
)
def test_duals_have_the_signs_of_sides(q: Any, dual: Any) -> None:
    """Positive at the lower side of a range or of bounds, negative at the upper."""
    form = a_form(q, [1.0, 1.0], [[2.0], [4.0]], [np.zeros(2), np.array([3.0, INF])])
    result = HiGHS().solve(form)
    np.testing.assert_allclose(result.dual, dual, atol=1e-12)
    np.testing.assert_array_equal(np.sign(result.dual), result.activity * (np.array(dual) != 0.0))


def test_a_column_fixed_by_its_bounds_has_a_reduced_cost_of_either_sign() -> None:
    """The one of l = u is free, and its activity is one."""
    for cost in (2.0, -2.0):
        result = HiGHS().solve(a_form([cost], np.zeros((0, 1)), np.zeros((2, 0)), [1.0, 1.0]))
        assert result.dual.tolist() == [cost]
        assert result.activity.tolist() == [1.0]


# ---------------------------------------------------------------------- no solution
@pytest.mark.parametrize("unit", [1.0, 1e-6, 1e6])
def test_rows_that_contradict_each_other_leave_a_certificate(unit: Any) -> None:
    """Rows and bounds, a range among them, in odd units, with presolve and without."""
    for options in ({}, {"presolve": "off"}, {"solver": "ipm"}):
        form = a_form([1.0, 1.0], np.array([[1.0, 1.0], [1.0, -1.0]]), [[3.0, -1.0], [INF, 1.0]], [0.0, 1.0])
        form.set_entries(np.arange(4), form.A.data * unit, np.array([0, 0, 1, 1]))
        form.set_sides(np.arange(2), form.row_lower * unit, form.row_upper * unit)
        result = HiGHS(**options).solve(form)
        assert result.status is Status.INFEASIBLE
        assert result.dual_status is ResultStatus.INFEASIBILITY_CERTIFICATE
        assert result.x is None
        result.dual /= np.abs(result.dual[2:]).max()
        assert_is_contradiction(form, result)


def test_bounds_that_cross_are_named() -> None:
    """Their certificate has both signs at one slot, and so is none of `dual`; the bounds may come apart again."""
    form = a_form([1.0, 1.0], [1.0, 1.0], [[1.0], [INF]], [0.0, 2.0])
    solver = HiGHS()
    solver.solve(form)
    form.set_bounds(np.array([1]), 3.0)
    result = solver.solve(form, form.take_journal())
    assert result.status is Status.INFEASIBLE
    assert result.crossed == 2
    assert result.dual.tolist() == [0.0, 0.0, 0.0]
    form.set_bounds(np.array([1]), upper=4.0)
    result = solver.solve(form, form.take_journal())
    assert result.objective == 3.0
    assert result.crossed is None


@pytest.mark.parametrize(("P", "integer"), [(None, False), (None, True), ([[2.0, 0.0], [0.0, 0.0]], False)])
def test_an_objective_that_falls_for_ever_leaves_a_direction(P: Any, integer: Any) -> None:
    """Of linear, quadratic and mixed-integer programs."""
    form = a_form([1.0, -1.0], [1.0, -1.0], [[-INF], [1.0]], [0.0, INF], P)
    if integer:
        form.set_discreteness(np.array([1]), Discreteness.INTEGER)
    result = HiGHS().solve(form)
    assert result.status is Status.DUAL_INFEASIBLE
    assert result.primal_status is ResultStatus.INFEASIBILITY_CERTIFICATE
    assert_is_improving(form, result.x)
    assert result.objective is None


def test_branch_and_bound_leaves_no_certificate_of_infeasibility() -> None:
    """Where the relaxation has a point."""
    form = a_form([1.0], [2.0], [[1.0], [1.0]], [0.0, 1.0])
    form.set_discreteness(np.array([0]), Discreteness.INTEGER)
    result = HiGHS().solve(form)
    assert result.status is Status.INFEASIBLE
    assert result.dual is None
    assert "which leaves no certificate" in result.raw


def test_a_form_without_columns_is_judged_by_its_rows() -> None:
    """Rows are constants, zero: feasible or their own certificate; columns may come later."""
    form, solver = Form(), HiGHS()
    form.set_objective(None, np.zeros(0), 4.0)
    form.add_rows(sp.csr_array((2, 0)), np.array([-1.0, 1.0]), np.array([1.0, INF]))
    form.take_journal()
    result = solver.solve(form)
    assert result.status is Status.INFEASIBLE
    assert result.dual.tolist() == [0.0, 1.0]
    form.set_sides(np.array([1]), 0.0, INF)
    result = solver.solve(form, form.take_journal())
    assert (result.status, result.x.tolist()) == (Status.OPTIMAL, [])
    form.add_columns(1)
    form.set_bounds(np.array([0]), 1.0)
    form.set_objective(None, np.ones(1), 0.0)
    assert solver.solve(form, form.take_journal()).objective == 1.0


# ---------------------------------------------------------------------- units
@pytest.mark.parametrize("curved", [False, True])
@pytest.mark.parametrize("power", [-30, -14, 14, 30])
def test_units_of_columns_rows_and_objective_change_nothing(power: Any, curved: Any) -> None:
    """A program in odd units has the solution and duals of the same one in ordinary units, also after changes."""
    rng = np.random.default_rng(power + 50)
    n, m = 6, 5
    q, A = rng.standard_normal(n), rng.standard_normal((m, n))
    root = rng.standard_normal((3, n))
    P = root.T @ root if curved else None
    D, E = np.exp2(power * rng.integers(-1, 2, n)), np.exp2(power * rng.integers(-1, 2, m))
    unit = 2.0**-power
    odd_P = None if P is None else unit * P * D * D[:, None]
    box, sides = np.stack([-np.ones(n), np.ones(n)]), np.stack([-np.ones(m), np.ones(m)])
    usual, odd = a_form(q, A, sides, box, P), a_form(unit * D * q, A * D * E[:, None], sides * E, box / D, odd_P)
    solvers = HiGHS(), HiGHS()
    for k in range(3):
        a, b = (solver.solve(form, form.take_journal()) for solver, form in zip(solvers, (usual, odd), strict=True))
        assert a.status is b.status is Status.OPTIMAL
        np.testing.assert_allclose(D * b.x, a.x, atol=1e-7 if curved else 1e-9)
        scale = np.append(E, 1.0 / D) / unit
        np.testing.assert_allclose(b.dual * scale, a.dual, atol=1e-6 if curved else 1e-9)
        new = rng.standard_normal(n)
        usual.set_objective(None, new, 1.0)
        odd.set_objective(None, unit * D * new, unit)
        usual.set_sides(np.array([k]), -0.5, 2.0)
        odd.set_sides(np.array([k]), -0.5 * E[k], 2.0 * E[k])
        usual.set_row(k, np.arange(n), 2.0 * A[k])
        odd.set_row(k, np.arange(n), 2.0 * A[k] * D * E[k])


def test_a_program_that_becomes_quadratic_or_small_is_put_into_other_units() -> None:
    """The minimum of (x - p)² is at p; from a linear program, and as p and the bound become tiny."""
    form, solver = a_form([1.0], np.zeros((0, 1)), np.zeros((2, 0)), [-1.0, 1.0]), HiGHS()
    assert solver.solve(form).x.tolist() == [-1.0]
    for p in (0.5, 1e-6, 1e-9, 0.25):
        form.set_objective(sp.csc_array([[2.0]]), np.array([-2.0 * p]), p * p)
        form.set_bounds(np.array([0]), 0.0, 2.0 * p)
        result = solver.solve(form, form.take_journal())
        np.testing.assert_allclose(result.x, [p], rtol=1e-6)
    form.set_objective(sp.csc_array((1, 1)), np.array([1.0]), 0.0)
    assert solver.solve(form, form.take_journal()).x.tolist() == [0.0]


def test_small_rows_of_integer_programs_are_seen() -> None:
    """A row of 1e-9 holds, when it is loaded and when it comes later."""
    form, solver = a_form([-1.0], [1e-9], [[-INF], [2.5e-9]], [0.0, 10.0]), HiGHS()
    form.set_discreteness(np.array([0]), Discreteness.INTEGER)
    assert solver.solve(form).x.tolist() == [2.0]
    form.add_rows(sp.csr_array([[1e-10]]), np.array([-INF]), np.array([1.5e-10]))
    assert solver.solve(form, form.take_journal()).x.tolist() == [1.0]
    form.set_row(1, np.array([0]), np.array([0.5e-10]))
    assert solver.solve(form, form.take_journal()).x.tolist() == [2.0]


def test_a_linear_program_is_tried_in_the_units_of_the_form() -> None:
    """Columns of 2**±20 and a row with small ones alone, which scaling takes for the ordinary ones."""
    D = np.exp2([-20.0, -20.0, 20.0, -20.0, 20.0])
    A = np.array([[-1, 0, 0, -2, 0], [-1, -1, 0, 0, -3], [0, -2, 1, 2, 3], [0, 0, -1, 1, 3.0]])
    sides = [[-4.0, 1.0, -4.0, -INF], [-4.0, 5.0, -3.0, -3.0]]
    box = [np.array([-1.0, -INF, -INF, 0.0, -INF]), np.array([INF, -1.0, 2.0, 4.0, 1.0])]
    q = np.array([3.0, 3.0, -2.0, 2.0, 2.0])
    usual, odd = a_form(q, A, sides, box), a_form(q * D, A * D, sides, [side / D for side in box])
    expected, result = HiGHS().solve(usual), HiGHS().solve(odd)
    assert expected.status is result.status is Status.OPTIMAL
    assert result.objective == pytest.approx(expected.objective, rel=1e-9)
    assert_optimal(usual, D * result.x, result.dual / np.append(np.ones(4), D), 1e-9)


SMALL = [1e-3, 7.2e-5, 1e-6, 1e-8]


@pytest.mark.parametrize("small", SMALL)
@pytest.mark.parametrize(
    ("costs", "squares", "row", "lowest", "point"),
    [
        ([-2.0, 0.0], [2.0, 0.0], [0.0, 1.0], [0.5, -INF], [1.0, 1.0]),  # a column that the objective lacks
        ([0.0, 0.0], [2.0, 0.0], [1.0, 1.0], [-INF, 0.0], [0.0, 1.0]),
        ([0.0, -1.0], [2.0, 0.0], [1.0, 1.0], [0.0, 0.0], [0.0, 1.0]),
    ],
)
def test_quadratic_programs_with_small_numbers_are_solved(
    small: Any, costs: Any, squares: Any, row: Any, lowest: Any, point: Any
) -> None:
    """A side of a row that the library's method takes for zero where it starts is held."""
    form = a_form(costs, row, [[small], [small]], [np.array(lowest), np.full(2, INF)], np.diag(squares))
    result = HiGHS().solve(form)
    assert result.status is Status.OPTIMAL
    expected = np.array(point) * [1.0 if costs[0] else small, small]
    np.testing.assert_allclose(result.x, expected, rtol=1e-6, atol=1e-6 * small)


@pytest.mark.parametrize("seed", range(4))
def test_a_quadratic_program_is_tried_in_the_units_of_the_form(seed: Any) -> None:
    """Rows and columns of 1e6, where the method gives up in others, and the next run starts in others again."""
    rng, n, k = np.random.default_rng(seed), 5, 4
    M, F, a = (rng.standard_normal(shape) for shape in ((n, n), (k, n), n))
    root, eye = M.T / np.sqrt(n), np.eye(k)
    solver, points = HiGHS(), []
    for scale in (1.0, 1e6, 1.0):
        D = np.append(np.full(n, scale), np.ones(k))
        P = np.zeros((n + k, n + k))
        P[:n, :n] = root.T @ root + 0.3 * np.eye(n)
        A = np.block([[F, -eye], [F, eye], [np.zeros(n), np.ones(k)]])  # |Fx| in a unit ball of the 1-norm
        sides = [np.repeat([-INF, 0.0, -INF], [k, k, 1]), np.repeat([0.0, INF, 1.0], [k, k, 1])]
        q = -3.0 * P @ np.append(a, np.zeros(k))
        form = a_form(D * q, A * D, sides, [-INF, INF], P * D * D[:, None])
        result = solver.solve(form)
        assert result.status is Status.OPTIMAL
        points.append(D * result.x)
    np.testing.assert_allclose(points[1][:n], points[0][:n], atol=1e-6)
    np.testing.assert_allclose(points[2][:n], points[0][:n], atol=1e-9)


# ---------------------------------------------------------------------- refusals
def test_numbers_beyond_the_limits_are_refused_and_leave_a_usable_solver() -> None:
    """By `InvalidData`, when loaded and when changed."""
    form, solver = a_form([1.0], [1.0], [[1.0], [INF]], [0.0, 10.0]), HiGHS()
    assert solver.solve(form).objective == 1.0
    form.set_row(0, np.array([0]), np.array([1e300]))
    form.set_discreteness(np.array([0]), Discreteness.INTEGER)
    for journal in (form.take_journal(), None):
        with pytest.raises(InvalidData, match="constraints: numbers beyond its limits"):
            solver.solve(form, journal)
    form.set_row(0, np.array([0]), np.array([0.5]))
    assert solver.solve(form, form.take_journal()).objective == 2.0
    form.set_objective(None, np.array([1e300]), 0.0)
    assert solver.solve(form, form.take_journal()).status is Status.OTHER_ERROR
    form.set_objective(None, np.array([2.0]), 0.0)
    assert solver.solve(form, form.take_journal()).objective == 4.0


@pytest.mark.parametrize("box", [(-1.0, 1.0), (0.0, 1e6)])
@pytest.mark.parametrize("kind", [Discreteness.SEMICONTINUOUS, Discreteness.SEMIINTEGER])
def test_bounds_of_semicontinuous_columns_are_limited(kind: Any, box: Any) -> None:
    """The message has the limit and the bounds given, wherever they come from."""
    form, solver = a_form([1.0], [1.0], [[1.0], [INF]], [2.0, 3.0]), HiGHS()
    form.set_discreteness(np.array([0]), kind)
    assert solver.solve(form).objective == 2.0
    form.take_journal()
    form.set_bounds(np.array([0]), *box)
    with pytest.raises(InvalidData, match=rf"0 <= lower <= upper <= 100000, got Semi\w+\({box[0]}, {box[1]}\)"):
        solver.solve(form, form.take_journal())
    with pytest.raises(InvalidData, match="100000"):
        HiGHS().solve(form)
    form.set_bounds(np.array([0]), 2.0, 3.0)
    form.set_sides(np.array([0]), -INF, INF)
    assert solver.solve(form, form.take_journal()).objective == 0.0


def test_curvature_with_integers_is_refused_until_one_of_them_goes() -> None:
    """A quadratic objective whose numbers are zero is none."""
    form, solver = a_form([-3.0], np.zeros((0, 1)), np.zeros((2, 0)), [0.0, 5.0], [[2.0]]), HiGHS()
    assert solver.solve(form).x == pytest.approx(1.5)
    form.set_discreteness(np.array([0]), Discreteness.INTEGER)
    with pytest.raises(UnsupportedObjective, match="no quadratic objective together with integer"):
        solver.solve(form, form.take_journal())
    form.set_objective(sp.csc_array([[2.0]]) * 0.0, np.array([-3.0]), 0.0)
    assert solver.solve(form, form.take_journal()).x.tolist() == [5.0]
    form.set_objective(sp.csc_array([[2.0]]), np.array([-3.0]), 0.0)
    with pytest.raises(UnsupportedObjective):
        solver.solve(form, form.take_journal())
    form.set_discreteness(np.array([0]), Discreteness.CONTINUOUS)
    assert solver.solve(form, form.take_journal()).x == pytest.approx(1.5)


# ---------------------------------------------------------------------- options and limits
def test_options_are_changed_while_the_form_stays_loaded() -> None:
    """A changed option keeps the basis, and None brings back the library's default."""
    form, solver = diet(), HiGHS(solver="simplex")
    solver.solve(form)
    solver.set_option(attr.TimeLimitSec(), 100.0)
    changed_side(form)
    result = solver.solve(form, form.take_journal())
    assert result.iterations["simplex"] <= 30
    assert solver._handle.getOptionValue("time_limit")[1] >= 100.0
    solver.set_option(attr.TimeLimitSec(), None)
    solver.solve(form, form.take_journal())
    assert solver._handle.getOptionValue("time_limit")[1] == INF


def test_bad_options_are_refused() -> None:
    """Unknown names, values of the wrong type, values that the library does not take; the old ones stay."""
    with pytest.raises(UnsupportedAttribute, match="time_limit"):
        HiGHS(time_limt=1.0)
    for bad in ({"presolve": "perhaps"}, {"mip_rel_gap": "small"}, {"threads": 1.5}):
        with pytest.raises(InvalidData, match="HiGHS refuses"):
            HiGHS(**bad)
    solver = HiGHS(presolve=False)
    with pytest.raises(InvalidData):
        solver.set_option(attr.RawOptimizerAttribute("presolve"), 3)
    assert solver.options == {"presolve": False}
    assert solver.solve(diet()).status is Status.OPTIMAL
    assert solver._handle.getOptionValue("presolve")[1] == "off"


def test_numbers_of_threads_may_differ() -> None:
    """They are the process's: a solver with another number than the last one is run all the same."""
    form = a_form([1.0], [2.0], [[1.0], [INF]], [0.0, 5.0])
    form.set_discreteness(np.array([0]), Discreteness.INTEGER)
    for threads in (1, 2, 1):
        solver = HiGHS()
        solver.set_option(attr.NumberOfThreads(), threads)
        assert solver.solve(form).x.tolist() == [1.0]


def test_an_iteration_limit_has_its_status() -> None:
    """And leaves what it found."""
    solver = HiGHS(simplex_iteration_limit=3, presolve="off", solver="simplex")
    result = solver.solve(diet())
    assert result.status is Status.ITERATION_LIMIT
    assert result.primal_status in (ResultStatus.INFEASIBLE_POINT, ResultStatus.FEASIBLE_POINT)
    assert len(result.x) == 200
    assert "this solve ended with kIterationLimit" in result.missing["activity"]


def test_a_limit_of_nodes_has_its_status_and_a_gap() -> None:
    """Bound and gap of what was found so far, and a start is used."""
    rng = np.random.default_rng(1)
    n, m = 40, 30
    form = a_form(
        -rng.uniform(1, 2, n), rng.uniform(0, 1, (m, n)), np.stack([np.full(m, -INF), np.full(m, 3.0)]), [0, 1]
    )
    form.set_discreteness(np.arange(n), Discreteness.INTEGER, binary=True)
    solver = HiGHS(mip_max_nodes=0, presolve="off", mip_heuristic_effort=0.0)
    start = np.full(n, np.nan)
    start[3:] = 0.0
    result = solver.solve(form, start=Start(start))
    assert result.status is Status.NODE_LIMIT
    assert result.x is not None
    assert result.gap > 0.0
    assert result.bound < result.objective
    assert result.iterations["nodes"] <= 1


def test_interior_point_without_crossover_has_no_basis() -> None:
    """The reason is there."""
    result = HiGHS(solver="ipm", run_crossover="off").solve(diet())
    assert result.status is Status.OPTIMAL
    assert result.basis is None
    assert 'choose the option solver="simplex"' in result.missing["basis"]
    assert result.iterations["barrier"] > 0


def test_quadratic_programs_that_cycle_end() -> None:
    """The method's iterations are limited, unless the user has said when."""
    form = a_form([-1.0, -1.0], [1.0, 1.0], [[-INF], [1.0]], [0.0, 1.0], np.eye(2))
    solver = HiGHS()
    assert solver.solve(form).status is Status.OPTIMAL
    assert solver._handle.getOptionValue("qp_iteration_limit")[1] == 1_000 + 20 * 3
    own = HiGHS(qp_iteration_limit=77)
    own.solve(form)
    assert own._handle.getOptionValue("qp_iteration_limit")[1] == 77


# ---------------------------------------------------------------------- results
def test_results_stay_what_they_were() -> None:
    """An answer that is looked at after the next solve, copied or pickled is that of its own solve."""
    form, solver = a_form([1.0, 2.0], [1.0, 1.0], [[2.0], [INF]], [0.0, 5.0]), HiGHS()
    first = solver.solve(form)
    form.set_bounds(np.array([0]), 0.0, 0.0)
    form.add_rows(sp.csr_array([[0.0, 1.0]]), np.array([4.0]), np.array([INF]))
    second = solver.solve(form, form.take_journal())
    assert second.x.tolist() == [0.0, 4.0]
    for one in (first, copy.deepcopy(first), pickle.loads(pickle.dumps(first))):
        assert one.x.tolist() == [2.0, 0.0]
        assert one.dual.tolist() == [1.0, 0.0, 1.0]
        assert one.activity.tolist() == [1.0, 0.0, 1.0]
        assert [part.tolist() for part in one.basis] == [[BASIC, LOWER], [LOWER]]
    with pytest.raises(AttributeError, match="rays"):
        _ = first.rays


def test_ctrl_c_stops_a_long_solve_and_leaves_a_usable_solver() -> None:
    """`KeyboardInterrupt` is raised soon, and the next solve starts afresh."""
    rng = np.random.default_rng(0)
    n, m = 300, 250
    A = rng.integers(1, 100, (m, n)).astype(float)
    form = a_form(-rng.integers(1, 100, n).astype(float), A, [np.full(m, -INF), A.sum(axis=1) / 2], [0, 1])
    form.set_discreteness(np.arange(n), Discreteness.INTEGER, binary=True)
    solver = HiGHS()
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.3, signal.raise_signal, [signal.SIGINT])
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            solver.solve(form)
    finally:
        timer.cancel()
        signal.signal(signal.SIGINT, before)
    form.set_discreteness(np.arange(n), Discreteness.CONTINUOUS)
    assert solver.solve(form, form.take_journal()).status is Status.OPTIMAL
