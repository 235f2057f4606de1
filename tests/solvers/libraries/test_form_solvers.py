"""All solvers of forms do the same: answers by their optimality conditions, proofs, updates against fresh loads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

import optangent as ot
from optangent.modelkit.form import Form
from optangent.modelkit.sets import ExponentialCone, SecondOrderCone
from optangent.solvers.contract import FormSolver, Start

from .programs import (
    CONES,
    INF,
    SOLVERS,
    R,
    S,
    check_infeasible,
    check_solution,
    check_unbounded,
    form_of,
    sides_around,
    solvable,
    with_cones,
)

EVERY = pytest.mark.parametrize("solver", SOLVERS, ids=lambda solver: solver.name)
IN_CONES = pytest.mark.parametrize(
    ("solver", "kind"),
    [(one, kind) for one in SOLVERS for kind in CONES if kind in one.abilities.cones],
    ids=lambda value: getattr(value, "name", value.__name__),
)


def answer(solver: Any, form: Form) -> Any:
    """Of a fresh solver."""
    return solver().solve(form)


# ---------------------------------------------------------------------- solutions
@EVERY
@pytest.mark.parametrize("curved", [False, True], ids=["linear", "quadratic"])
@pytest.mark.parametrize("seed", range(6))
def test_solutions(solver: Any, curved: bool, seed: int) -> None:
    """Ranges, equalities, bounds, fixed columns and free rows, with and without curvature."""
    form = solvable(np.random.default_rng([seed, curved]), curved=curved)
    result = answer(solver, form)
    if solver.name == "OSQP" and not curved and result.status is not S.OPTIMAL:
        assert result.status in (S.ALMOST_OPTIMAL, S.ITERATION_LIMIT)  # a vertex is hard for a first-order method
        return
    check_solution(form, result)


@EVERY
def test_sides_alone_and_together(solver: Any) -> None:
    """A range at its lower and at its upper side, a bound at either, and duals by hand."""
    form = form_of([[1.0, 1.0, 0.0]], ([1.0], [3.0]), ([0.0, 0.0, -2.0], [5.0, 0.75, 2.0]), [1.0, 0.5, -1.0])
    result = answer(solver, form)
    check_solution(form, result)
    np.testing.assert_allclose(result.x, [0.25, 0.75, 2.0], atol=1e-6)
    np.testing.assert_allclose(result.dual, [1.0, 0.0, -0.5, -1.0], atol=1e-6)
    form = form_of([[1.0, 1.0, 0.0]], ([1.0], [3.0]), ([0.0, 0.0, -2.0], [5.0, 0.75, 2.0]), [-1.0, -2.0, 1.0])
    result = answer(solver, form)
    np.testing.assert_allclose(result.x, [2.25, 0.75, -2.0], atol=1e-6)
    np.testing.assert_allclose(result.dual, [-1.0, 0.0, -1.0, 1.0], atol=1e-6)


@EVERY
def test_deleted_rows_and_columns(solver: Any) -> None:
    """A free row with entries out of scale and a column fixed at zero, which has a cost, change nothing."""
    P = np.diag([2.0, 2.0, 0.0])
    form = form_of(
        [[1.0, 1.0, 0.0], [1e9, 0.0, 1.0]], ([2.0, -INF], [INF, INF]), ([-INF, -INF, 0.0], [INF, INF, 0.0]),
        [0.0, 0.0, 3.0], P,
    )  # fmt: skip
    result = answer(solver, form)
    check_solution(form, result)
    np.testing.assert_allclose(result.x, [1.0, 1.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(result.dual, [2.0, 0.0, 0.0, 0.0, 3.0], atol=1e-6)


@EVERY
def test_nothing_there(solver: Any) -> None:
    """No columns, with rows that hold or not; no rows; no bounds; no cost."""
    form = Form()
    check_solution(form, answer(solver, form))
    form.add_rows(sp.csr_array((2, 0)), np.array([-1.0, -INF]), np.array([0.0, 3.0]))
    check_solution(form, answer(solver, form))
    form.set_sides(np.array([1]), 2.0, 3.0)
    result = answer(solver, form)
    assert result.status is S.INFEASIBLE and result.dual.tolist() == [0.0, 1.0]
    form = form_of(np.zeros((0, 2)), ([], []), ([-INF, -INF], [INF, INF]), [-2.0, 4.0], 2.0 * np.eye(2))
    result = answer(solver, form)
    check_solution(form, result)
    np.testing.assert_allclose(result.x, [1.0, -2.0], atol=1e-6)
    form = form_of(np.zeros((1, 2)), ([-1.0], [1.0]), ([-INF, -INF], [INF, INF]), [0.0, 0.0])
    check_solution(form, answer(solver, form))


@IN_CONES
@pytest.mark.parametrize("seed", range(3))
def test_cones(solver: Any, kind: Any, seed: int) -> None:
    """Each type that a solver declares, several shapes of it, beside rows with ranges and bounds."""
    rng, (cones, _) = np.random.default_rng(seed), CONES[kind]
    n, k = 5, sum(cone.dimension for cone in cones)
    form, x = solvable(rng, n, 4), rng.standard_normal(n)
    F = rng.standard_normal((k, n))
    # a point of the cones at x, and duals in the dual cones, orthogonal to it: the two parts of one vector
    v, at, s, w = rng.standard_normal(k), 0, np.zeros(k), np.zeros(k)
    for cone in cones:
        own = slice(at, at + cone.dimension)
        s[own] = cone.project(v[own][None])[0]
        w[own] = cone.project_dual(-v[own][None])[0]
        at += cone.dimension
    rows, box = sides_around(rng, form.A @ x), (np.full(n, -INF), np.full(n, INF))
    P = form.P.toarray() + np.eye(n)
    form = with_cones(form_of(form.A.toarray(), rows, box, F.T @ w - P @ x, P), cones, F, s - F @ x)
    result = answer(solver, form)
    check_solution(form, result)
    np.testing.assert_allclose(result.x, x, atol=1e-5)


@pytest.mark.parametrize("solver", [s for s in SOLVERS if ExponentialCone in s.abilities.cones], ids=lambda s: s.name)
def test_types_of_cones_in_any_order(solver: Any) -> None:
    """The largest sum of (x, y) in a ball, beside the least z above exp(1)."""
    form = form_of(np.zeros((0, 3)), ([], []), ([-INF] * 3, [INF] * 3), [-1.0, -1.0, 0.0])
    cones = [ExponentialCone(), SecondOrderCone(3)]
    F = [[0, 0, 0], [0, 0, 0], [0, 0, 1], [0, 0, 0], [1, 0, 0], [0, 1, 0]]
    form = with_cones(form, cones, F, [1.0, 1.0, 0.0, 1.0, 0.0, 0.0])
    form.set_objective(None, np.array([-1.0, -1.0, 1.0]), 0.0)
    result = answer(solver, form)
    check_solution(form, result)
    np.testing.assert_allclose(result.x, [0.5**0.5, 0.5**0.5, np.e], atol=1e-6)


# ---------------------------------------------------------------------- no solution
@EVERY
@pytest.mark.parametrize("curved", [False, True], ids=["linear", "quadratic"])
def test_infeasible(solver: Any, curved: bool) -> None:
    """Ranges against bounds, and contradicting equalities, with the proof."""
    P = np.eye(2) if curved else None
    ranges = form_of([[1.0, 1.0], [0.3, -1.0]], ([3.0, -9.0], [9.0, 9.0]), ([-5.0, -5.0], [1.0, 1.0]), [1.0, 2.0], P)
    equal = form_of([[1.0, 2.0], [2.0, 4.0]], ([1.0, 3.0], [1.0, 3.0]), ([-INF, 0.0], [INF, INF]), [1.0, 2.0], P)
    for form in (ranges, equal):
        check_infeasible(form, answer(solver, form))


@EVERY
def test_unbounded(solver: Any) -> None:
    """Along a range, past bounds of one side and flat in the square, with the proof."""
    P = np.diag([0.0, 0.0, 1.0])
    form = form_of([[1.0, -1.0, 0.0]], ([-1.0], [2.0]), ([0.0, -INF, -1.0], [INF, INF, 1.0]), [-1.0, 0.0, 1.0], P)
    check_unbounded(form, answer(solver, form))
    form = form_of(np.zeros((0, 2)), ([], []), ([-INF, -INF], [INF, 3.0]), [0.0, 1.0])
    check_unbounded(form, answer(solver, form))


@pytest.mark.parametrize("solver", [s for s in SOLVERS if SecondOrderCone in s.abilities.cones], ids=lambda s: s.name)
def test_no_solution_in_cones(solver: Any) -> None:
    """(t, t + 1) in no cone of norms, and t falling for ever in one."""
    free = ([-INF], [INF])
    form = with_cones(form_of(np.zeros((0, 1)), ([], []), free, [0.0]), [SecondOrderCone(2)], [[0.0], [1.0]], [-1.0, 0])
    check_infeasible(form, answer(solver, form))
    form = with_cones(form_of(np.zeros((0, 1)), ([], []), free, [-1.0]), [SecondOrderCone(2)], [[1.0], [0.5]], [0.0, 0])
    check_unbounded(form, answer(solver, form))


@EVERY
def test_sides_that_cross(solver: Any) -> None:
    """A lower side above the upper one is a proof by itself; by rounding it is none."""
    for row, box, slot in (([2.0, 1.0], [0.0, 9.0], 0), ([0.0, 9.0], [2.0, 1.0], 1)):
        form = form_of([[1.0]], ([row[0]], [row[1]]), ([box[0]], [box[1]]), [1.0])
        result = answer(solver, form)
        assert result.status is S.INFEASIBLE and result.dual_status is R.INFEASIBILITY_CERTIFICATE
        assert result.crossed == slot
    third = 1.0 / 3.0
    form = form_of([[1.0]], ([third], [np.nextafter(third, 0.0)]), ([0.0], [9.0]), [1.0])
    result = answer(solver, form)
    check_solution(form, result)
    np.testing.assert_allclose(result.x, [third], atol=1e-6)


# ---------------------------------------------------------------------- changes
def changed(rng: np.random.Generator, form: Form) -> None:
    """Change something of a form at random, such that it stays solvable: its columns have bounds, its rows widen."""
    what = rng.integers(10)
    row, column = int(rng.integers(form.m)), int(rng.integers(form.n))
    if what == 0:
        form.set_objective(None, form.q + 0.3 * rng.standard_normal(form.n), 1.0)
    elif what == 1:
        factor = form.P.toarray() + np.diag(rng.uniform(0.0, 0.5, form.n))
        form.set_objective(sp.csc_array(factor), form.q.copy(), 0.0)
    elif what == 2:
        middle = rng.uniform(-1.0, 1.0)
        kind = rng.integers(3)
        form.set_bounds(np.array([column]), [-3.0, middle, middle - 0.5][kind], [3.0, middle, middle + 0.5][kind])
    elif what == 3:
        size = rng.uniform(4.0, 30.0)
        form.set_sides(np.array([row]), [-size, -INF, -INF][rng.integers(3)], [size, INF, size][rng.integers(3)])
    elif what == 4:
        columns, values = form.row(row)
        form.set_row(row, columns.copy(), values + 0.1 * rng.standard_normal(len(values)))
    elif what == 5:
        columns = np.sort(rng.choice(form.n, 3, replace=False))
        form.set_row(row, columns, 0.5 * rng.standard_normal(3))
        form.set_sides(np.array([row]), -9.0, 9.0)
    elif what == 6:
        form.add_rows(sp.csr_array(0.5 * rng.standard_normal((1, form.n))), np.array([-12.0]), np.array([12.0]))
    elif what == 7:  # deletions
        form.set_row(row, np.zeros(0, np.int64), np.zeros(0))
        form.set_sides(np.array([row]), -INF, INF)
    elif what == 8:
        form.set_bounds(np.array([column]), 0.0, 0.0)
        form.set_objective(None, np.where(np.arange(form.n) == column, 0.0, form.q), 0.0)
    else:
        (added,) = form.add_columns(1)
        form.set_bounds(np.array([added]), -3.0, 3.0)
        form.set_objective(None, np.append(form.q[:-1], rng.standard_normal()), 0.0)


@EVERY
@pytest.mark.parametrize("seed", range(2))
def test_changes_are_those_of_a_fresh_load(solver: Any, seed: int) -> None:
    """After each of many random changes, passed on by the journal, the answer is that to the form as it is."""
    rng = np.random.default_rng([seed, 7])
    n, m = 4, 4
    form = form_of(
        0.5 * rng.standard_normal((m, n)), (np.full(m, -9.0), np.full(m, 9.0)), (np.full(n, -3.0), np.full(n, 3.0)),
        rng.standard_normal(n), np.diag(rng.uniform(0.5, 1.0, n)),
    )  # fmt: skip
    kept = solver()
    form.take_journal()
    check_solution(form, kept.solve(form))
    for _ in range(40):
        for _ in range(int(rng.integers(1, 3))):
            changed(rng, form)
        result = kept.solve(form, form.take_journal())
        check_solution(form, result, 1e-5)


@pytest.mark.parametrize("solver", [s for s in SOLVERS if SecondOrderCone in s.abilities.cones], ids=lambda s: s.name)
def test_changes_of_cones(solver: Any) -> None:
    """Constants and coefficients of cones, and other cones."""
    form = form_of(np.zeros((0, 2)), ([], []), ([-INF, -INF], [INF, INF]), [1.0, 1.0])
    form = with_cones(form, [SecondOrderCone(3)], [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], [1.0, 0.0, 0.0])
    kept = solver()
    form.take_journal()
    np.testing.assert_allclose(kept.solve(form).x, [-(0.5**0.5)] * 2, atol=1e-6)
    form.set_cone_numbers(None, np.array([2.0, 0.0, 0.0]))
    np.testing.assert_allclose(kept.solve(form, form.take_journal()).x, [-(2.0**0.5)] * 2, atol=1e-6)
    form.set_cone_numbers(np.array([2.0, 1.0]), None)
    result = kept.solve(form, form.take_journal())
    check_solution(form, result)
    np.testing.assert_allclose(form.q @ result.x, -2.0 * 1.25**0.5, atol=1e-6)
    form = with_cones(form, [SecondOrderCone(2), SecondOrderCone(2)], [[0, 0], [1, 0], [0, 0], [0, 1]], [1.0, 0, 1, 0])
    np.testing.assert_allclose(kept.solve(form, form.take_journal()).x, [-1.0, -1.0], atol=1e-6)


@EVERY
@pytest.mark.parametrize("what", ["costs", "curvature", "sides", "bounds", "entries"])
def test_numbers_change_in_place(solver: Any, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers alone load nothing anew, as far as the library lets them."""
    form = solvable(np.random.default_rng(11))
    kept, loads, original = solver(), list[Any](), solver.load
    form.take_journal()
    monkeypatch.setattr(solver, "load", lambda self, form: (loads.append(form), original(self, form)))
    kept.solve(form)
    lower, upper = form.lower.copy(), form.upper.copy()
    if what == "costs":
        form.set_objective(None, 1.01 * form.q, 0.0)
    elif what == "curvature":
        form.set_objective(1.25 * form.P, form.q.copy(), 0.0)
    elif what == "sides":
        form.set_sides(np.arange(form.m), form.row_lower - 0.01, form.row_upper - 0.01)
    elif what == "bounds":
        form.set_bounds(np.arange(form.n), lower - 0.01, upper - 0.01)
    else:
        for row in range(form.m):
            columns, values = form.row(row)
            form.set_row(row, columns.copy(), 1.001 * values)
    check_solution(form, kept.solve(form, form.take_journal()), 1e-5)
    may_load = (solver.name, what) in {("SCS", "curvature"), ("SCS", "entries"), ("HiGHS", "curvature")}
    assert len(loads) == 1 or may_load


@pytest.mark.parametrize("solver", [s for s in SOLVERS if s.name in ("OSQP", "SCS")], ids=lambda s: s.name)
def test_a_later_solve_is_warm(solver: Any) -> None:
    """Libraries that start from the last solution take fewer iterations to it."""
    form = solvable(np.random.default_rng(12))
    kept = solver()
    form.take_journal()
    first = kept.solve(form).iterations["barrier"]
    form.set_objective(None, form.q * (1.0 + 1e-6), 0.0)
    assert kept.solve(form, form.take_journal()).iterations["barrier"] < first


@EVERY
def test_answers_of_many_do_not_depend_on_one_another(solver: Any) -> None:
    """Solved anew, each of many forms has bit for bit the answer of a fresh solver, be patterns other ones, too."""
    rng = np.random.default_rng(3)
    first = solvable(rng, curved=True)
    kept = solver()
    for step in range(7):
        form = first.with_numbers(q=first.q + 0.1 * rng.standard_normal(first.n), A=first.A.data * (1.0 + 0.01 * step))
        if step > 3:
            form = solvable(rng, *((6, 8), (6, 8), (5, 7))[step - 4], curved=step != 5)
        one, other = kept.solve_anew(form), solver().solve_anew(form)
        assert one.status is other.status
        if one.x is not None:
            np.testing.assert_array_equal(one.x, other.x)
            np.testing.assert_array_equal(one.dual, other.dual)


@pytest.mark.parametrize("solver", [s for s in SOLVERS if hasattr(s, "candidates")], ids=lambda s: s.name)
def test_candidates_are_solutions(solver: Any) -> None:
    """Of many small programs at once, given as stacks, with matrices of their own or shared: None or the solution."""
    rng, (B, n, m, zeros) = np.random.default_rng(4), (5, 3, 4, 1)
    for own in (False, True):
        factor = rng.standard_normal((B if own else 1, n, n))
        P, F = factor @ factor.transpose(0, 2, 1) + np.eye(n), rng.standard_normal((len(factor), m, n))
        q, x = rng.standard_normal((B, n)), rng.standard_normal((B, n))
        g = -np.einsum("bmn,bn->bm", np.broadcast_to(F, (B, m, n)), x)
        g[:, zeros:] += rng.uniform(0.0, 1.0, (B, m - zeros))
        found = solver().candidates(P, q, F, g, zeros)
        assert len(found) == B
        for k, (z, y) in enumerate(found):
            Fk, Pk = F[k % len(F)], P[k % len(P)]
            slack = Fk @ z + g[k]
            np.testing.assert_allclose(Pk @ z + q[k], Fk.T @ y, atol=1e-7)
            np.testing.assert_allclose(slack[:zeros], 0.0, atol=1e-8)
            assert (slack[zeros:] >= -1e-8).all() and (y[zeros:] >= -1e-8).all()
            np.testing.assert_allclose(slack * y, 0.0, atol=1e-7)


# ---------------------------------------------------------------------- starts, options, units
@EVERY
def test_starts(solver: Any) -> None:
    """Whatever is said of a start, and of whichever part of it, the answer is the same."""
    form = solvable(np.random.default_rng(5))
    right = answer(solver, form)
    rng = np.random.default_rng(6)
    partial = np.where(rng.random(form.n) < 0.5, np.nan, right.x)
    for start in (
        Start(right.x, right.dual),
        Start(right.x, None),
        Start(None, right.dual),
        Start(partial, np.full(form.slots.size, np.nan)),
        Start(rng.standard_normal(form.n), rng.standard_normal(form.slots.size)),
    ):
        check_solution(form, solver().solve(form, start=start), 1e-5)


@EVERY
def test_options(solver: Any) -> None:
    """Own options and common ones: known or not, good values or not; another solver has the same."""
    one = solver()
    with pytest.raises(ot.UnsupportedAttribute, match="no option 'max_itr'"):
        one.set_option(ot.RawOptimizerAttribute("max_itr"), 3)
    with pytest.raises(ot.InvalidData):
        one.set_option(ot.Silent(), 1)
    for name in one.option_names():
        assert one.supports_option(ot.RawOptimizerAttribute(name))
    assert not one.supports_option(ot.RawOptimizerAttribute("no_such_option"))
    assert one.supports_option(ot.Silent()) and not one.supports_option(ot.Name())
    with pytest.raises(ot.UnsupportedAttribute):
        one.set_option(ot.Name(), "a")
    one.set_option(ot.Silent(), True)
    twin = one.another()
    assert type(twin) is solver and twin.common == one.common and twin.options == one.options
    form = solvable(np.random.default_rng(8))
    check_solution(form, twin.solve(form))


@EVERY
def test_silent_by_default(solver: Any, capfd: Any) -> None:
    """Nothing is printed unless it is asked for."""
    form = solvable(np.random.default_rng(9))
    answer(solver, form)
    printed = capfd.readouterr()
    assert (printed.out, printed.err) == ("", "")


@EVERY
@pytest.mark.parametrize("decades", [4, 6])
@pytest.mark.parametrize("curved", [False, True], ids=["linear", "quadratic"])
def test_odd_units(solver: Any, curved: bool, decades: int) -> None:
    """Rows, columns and objective in other units: what is called optimal is the solution, and most are solved."""
    solved = 0
    for seed in range(4):
        rng = np.random.default_rng([seed, decades])
        plain = solvable(rng, 4, 5, curved=curved)
        right = solver().solve(plain)
        D, E = (np.exp2(np.round(rng.uniform(-decades, decades, k) * 1.66)) for k in (plain.n, plain.m))
        odd = form_of(
            plain.A.toarray() * D * E[:, None], (E * plain.row_lower, E * plain.row_upper),
            (plain.lower / D, plain.upper / D), D * plain.q, plain.P.toarray() * D * D[:, None],
        )  # fmt: skip
        result = answer(solver, odd)
        assert result.status not in (S.INFEASIBLE, S.DUAL_INFEASIBLE)
        if result.status is S.OPTIMAL and right.status is S.OPTIMAL:
            solved += 1
            value, wanted = (0.5 * x @ plain.P @ x + plain.q @ x for x in (D * result.x, right.x))
            np.testing.assert_allclose(value, wanted, rtol=1e-5, atol=1e-5)
    assert solved >= (1 if solver.name == "OSQP" and not curved else 3)


def test_far_bounds_are_put_to_the_test() -> None:
    """A bound of 1e9 that means none, and one that is met, are both taken at their word."""
    for solver in SOLVERS:
        form = form_of([[1.0, 1.0]], ([2.0], [1e9]), ([-1e9, -1e9], [1e9, 1e9]), [0.0, 0.0], np.eye(2))
        result = answer(solver, form)
        check_solution(form, result)
        np.testing.assert_allclose(result.x, [1.0, 1.0], atol=1e-6)


def test_declarations() -> None:
    """A solver without a name or abilities is none."""

    class Nameless(FormSolver):
        def option_names(self) -> list[str]:
            return []

        def load(self, form: Form) -> None:
            """Nothing."""

        def run(self, form: Form, start: Start | None = None) -> Any:
            """Nothing."""

    with pytest.raises(TypeError, match="name and abilities"):
        Nameless()
