"""All solvers of forms pass the suite that is shipped; and what is asked of ours beyond it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.modelkit.form import Form
from optangent.solvers.contract import Solver, Start
from optangent.solvers.libraries import form_solvers
from optangent.solvers.testing import check_solution, form_of, random_form, solver_checks

from ..problems import noted_calls

SOLVERS = tuple(one for one in form_solvers() if not one.abilities.nonconvex)  # local ones prove nothing
INF = np.inf
S = ot.TerminationStatusCode
EVERY = pytest.mark.parametrize("solver", SOLVERS, ids=lambda solver: solver.name)
MAY_STOP_SHORT = {"OSQP": ("linear programs",)}
"""A vertex is hard for a first-order method."""
CHECKS = [
    pytest.param(check, id=f"{solver.name}-{check}")
    for solver in SOLVERS
    for check in solver_checks(solver, may_stop_short=MAY_STOP_SHORT.get(solver.name, ()), seeds=6)
]


def answer(solver: Any, form: Form) -> Any:
    """Of a fresh solver."""
    return solver().solve(form)


def solvable(rng: np.random.Generator, n: int = 6, m: int = 8, *, curved: bool = True) -> Form:
    """A program that has a solution."""
    return random_form(rng, n, m, curved=curved)[0]


@pytest.mark.parametrize("check", CHECKS)
def test_suite(check: Any) -> None:
    """Answers by their optimality conditions, proofs, updates against the form as it is, options, starts."""
    check.run()


@EVERY
@pytest.mark.parametrize("what", ["costs", "curvature", "sides", "bounds", "entries"])
def test_numbers_change_in_place(solver: Any, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers alone load nothing anew, as far as the library lets them."""
    form = solvable(np.random.default_rng(11))
    kept, loads = solver(), noted_calls(monkeypatch, solver, "load")
    form.take_journal()
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

    class Nameless(Solver):
        def option_names(self) -> list[str]:
            return []

        def load(self, form: Form) -> None:
            """Nothing."""

        def run(self, form: Form, start: Start | None = None) -> Any:
            """Nothing."""

    with pytest.raises(TypeError, match="name and abilities"):
        Nameless()
