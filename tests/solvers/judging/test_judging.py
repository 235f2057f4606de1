"""What becomes of answers that a library gives, by a library that says what it is told to say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import pytest
import scipy.sparse as sp

import optangent as ot
from optangent.modelkit.form import Abilities, Form, Journal
from optangent.modelkit.form.slot_rows import SlotRows
from optangent.solvers.array_solver import ArraySolver
from optangent.solvers.contract import Start
from optangent.solvers.judging.wordings import is_odd, wordings
from optangent.solvers.result import Result

S, R = ot.TerminationStatusCode, ot.ResultStatusCode
Answer = Callable[["Fake", Form], Result]


class Fake(ArraySolver):
    """Answers by a function; `runs` has (form, plain) of each run since it was emptied."""

    name = "Fake"
    abilities = Abilities()
    answer: ClassVar[Answer]
    runs: ClassVar[list[tuple[Form, bool]]] = []

    def option_names(self) -> list[str]:
        """One option."""
        return ["max_iter"]

    def load_arrays(self, form: Form) -> None:
        """Nothing is loaded."""

    def run(self, form: Form, start: Start | None = None) -> Result:
        """What it was told to say."""
        self.runs.append((form, self.is_plain))
        return type(self).answer(self, form)


def said(answer: Answer, form: Form, **options: Any) -> tuple[Result, list[tuple[Form, bool]]]:
    """What leaves a solver that answers so, and the runs that it took."""
    Fake.answer, Fake.runs = answer, []
    return Fake(**options).solve(form), Fake.runs


def form_of(A: Any, rows: Any, box: Any, q: Any, P: Any = None) -> Form:
    """A form of dense arrays."""
    form, n = Form(), len(q)
    form.add_columns(n)
    form.set_bounds(np.arange(n), np.array(box[0], float), np.array(box[1], float))
    form.add_rows(sp.csr_array(np.array(A, float).reshape(-1, n)), *(np.array(side, float) for side in rows))
    form.set_objective(None if P is None else sp.csc_array(np.array(P, float)), np.array(q, float), 0.0)
    return form


def plain() -> Form:
    """Minimize x + y over x + y >= 2 between 0 and 3: (1, 1) with dual 1 is a solution."""
    return form_of([[1.0, 1.0]], ([2.0], [np.inf]), ([0.0, 0.0], [3.0, 3.0]), [1.0, 1.0])


def point(status: Any, x: Any, dual: Any) -> Answer:
    """Always this."""
    return lambda _, form: Result.of(status, "said so", np.array(x, float), np.array(dual, float), seconds=0.25)


SOLUTION: tuple[Any, Any] = ([1.0, 1.0], [1.0, 0.0, 0.0])


@pytest.mark.parametrize("status", [S.ALMOST_OPTIMAL, S.SLOW_PROGRESS, S.NUMERICAL_ERROR, S.ITERATION_LIMIT])
def test_residuals_say_what_is_optimal(status: Any) -> None:
    """A library that is not content with a solution is overruled; not where the point is none."""
    result, runs = said(point(status, *SOLUTION), plain())
    assert result.status is S.OPTIMAL and result.primal_status is R.FEASIBLE_POINT and len(runs) == 1
    result, _ = said(point(status, [1.0, 0.9], SOLUTION[1]), plain())
    assert result.status is status


@pytest.mark.parametrize("status", [S.TIME_LIMIT, S.INTERRUPTED, S.INVALID_MODEL, S.INVALID_OPTION])
def test_other_words_are_passed_on(status: Any) -> None:
    """Nothing is tried again."""
    result, runs = said(point(status, *SOLUTION), plain())
    assert result.status is status and len(runs) == 1


@pytest.mark.parametrize("status", [S.INFEASIBLE, S.DUAL_INFEASIBLE])
def test_false_claims_do_not_leave(status: Any) -> None:
    """A claim of a solvable program is tried as the library comes, at last; then it is a failure, or the solution."""
    result, runs = said(lambda *_: Result(status, "nothing"), plain())
    assert result.status is S.NUMERICAL_ERROR and "no certificate" in result.raw
    assert [was_plain for _, was_plain in runs][-1] and not any(was_plain for _, was_plain in runs[:-1])

    def right_if_plain(solver: Fake, form: Form) -> Result:
        return point(S.OPTIMAL, *SOLUTION)(solver, form) if solver.is_plain else Result(status, "nothing", seconds=0.5)

    result, runs = said(right_if_plain, plain())
    assert result.status is S.OPTIMAL
    assert result.seconds == 0.5 * len(runs) - 0.25


def test_true_claims_get_their_proof() -> None:
    """Where the library has none; and the contrary claim, if that is the right one."""
    infeasible = form_of([[1.0, 1.0]], ([7.0], [9.0]), ([0.0, 0.0], [3.0, 3.0]), [1.0, 1.0])
    unbounded = form_of([[1.0, -1.0]], ([-1.0], [1.0]), ([0.0, 0.0], [np.inf, np.inf]), [-1.0, 0.0])
    for said_so in (S.INFEASIBLE, S.DUAL_INFEASIBLE):
        result, runs = said(lambda *_, status=said_so: Result(status, "nothing"), infeasible)
        assert result.status is S.INFEASIBLE and result.dual_status is R.INFEASIBILITY_CERTIFICATE and len(runs) == 1
        y = result.dual / np.abs(result.dual).max()
        np.testing.assert_allclose(y, [1.0, -1.0, -1.0], atol=1e-9)
        result, runs = said(lambda *_, status=said_so: Result(status, "nothing"), unbounded)
        assert result.status is S.DUAL_INFEASIBLE and result.primal_status is R.INFEASIBILITY_CERTIFICATE
        np.testing.assert_allclose(result.x / result.x.max(), [1.0, 1.0], atol=1e-9)


@pytest.mark.parametrize("unit", [2.0**-40, 2.0**-20, 2.0**20, 2.0**40])
def test_claims_get_their_proof_in_every_unit_of_the_columns(unit: float) -> None:
    """Sides that are small or large beside the rows, and costs beside squares, are no less a proof."""
    none, P = [-np.inf] * 2, np.array([[1.0, 0.0], [0.0, 0.0]]) * unit**2
    A = np.array([[1.0, 1.0 / 3.0], [-0.3, -0.1]]) * unit
    infeasible = form_of(A, ([0.7, -0.1], [np.inf, np.inf]), (none, [np.inf] * 2), np.array([1.0, 0.3]) * unit, P)
    unbounded = form_of(A[:1], ([-1.0], [np.inf]), (none, [np.inf] * 2), np.array([1.0 / 3.0, -1.0]) * unit, P)
    for form, status in ((infeasible, S.INFEASIBLE), (unbounded, S.DUAL_INFEASIBLE)):
        assert said(lambda *_, status=status: Result(status, "nothing"), form)[0].status is status


def test_wrong_proofs_are_none() -> None:
    """A ray that leaves a bound is replaced by one that does not, if there is one."""
    form = plain()
    result, _ = said(point(S.INFEASIBLE, [0.0, 0.0], [1.0, -1.0, 0.0]), form)
    assert result.status is S.NUMERICAL_ERROR


def odd() -> Form:
    """The same in units far from one: x in millionths, the row in thousands, the objective in billions."""
    D, E, unit = np.array([2.0**20, 1.0]), 2.0**-10, 2.0**-30
    return form_of(
        np.array([[1.0, 1.0]]) * D * E, ([2.0 * E], [np.inf]), ([0.0, 0.0], np.array([3.0, 3.0]) / D), unit * D
    )


def test_an_optimum_in_odd_units_is_looked_into() -> None:
    """What fits only in the units stated is solved in others, and the answer comes back in its own."""
    assert is_odd(SlotRows(odd())) and not is_odd(SlotRows(plain()))

    def right_in_usual_units(_: Fake, form: Form) -> Result:
        if is_odd(SlotRows(form)):
            return Result.of(S.OPTIMAL, "small enough", np.zeros(2), np.zeros(3), seconds=0.0)
        y = form.q[0] / form.A.toarray()[0, 0]
        x = np.array([form.row_lower[0] / form.A.toarray()[0, 0], 0.0])
        dual = np.array([y, 0.0, form.q[1] - y * form.A.toarray()[0, 1]])
        return Result.of(S.OPTIMAL, "solved", x, dual, seconds=0.0)

    result, runs = said(right_in_usual_units, odd())
    assert result.status is S.OPTIMAL and len(runs) >= 2
    x = odd().row_lower[0] / odd().A.toarray()[0, 0]
    np.testing.assert_allclose(result.x, [x, 0.0], rtol=1e-12)
    np.testing.assert_allclose(result.dual[0], 2.0**-20, rtol=1e-12)


def test_wordings_mean_the_same() -> None:
    """Whatever the units, a point and duals of the wording are as good in the form: sides, slopes and curvature."""
    rng = np.random.default_rng(0)
    n, m = 4, 3
    A, factor = rng.standard_normal((m, n)), rng.standard_normal((n, n))
    D, E = np.exp2([18.0, -18.0, 0.0, 9.0]), np.exp2([-15.0, 0.0, 21.0])
    form = form_of(
        A * D * E[:, None], (-E, E * 1e9), ([-np.inf] * 3 + [-1.0 / D[3]], [np.inf] * 3 + [1e9 / D[3]]), D,
        factor @ factor.T * D * D[:, None],
    )  # fmt: skip
    form.set_sides(np.array([1]), -np.inf, 1.0)
    found = list(wordings(SlotRows(form)))
    assert len(found) >= 2
    for way in found:
        z, y = rng.standard_normal(n), rng.standard_normal(form.slots.size)
        x, dual = way.column * z, way.slot * y
        gradient = (form.P @ x + form.q - form.A.T @ dual[:m] - dual[m:]) * way.column
        other = way.form.P @ z + way.form.q - way.form.A.T @ y[:m] - y[m:]
        unit = gradient / other
        np.testing.assert_allclose(unit, unit[0], rtol=1e-9)
        near = np.isfinite(way.form.upper)
        np.testing.assert_allclose((way.column * way.form.upper)[near], form.upper[near], rtol=1e-15)
        kept = np.isfinite(way.form.row_upper)
        scale = way.form.row_upper[kept] / form.row_upper[kept]
        np.testing.assert_allclose((way.form.A @ z)[kept], scale * (form.A @ x)[kept], rtol=1e-12)
    assert np.isfinite(form.upper[3]) and not np.isfinite(found[0].form.upper[3])


def test_far_bounds_are_left_out_and_put_to_the_test() -> None:
    """A solution without them is one with them if they hold; if not, it is none."""
    form = form_of([[1.0, 1.0]], ([2.0], [1e12]), ([-1e12, 0.0], [1e12, 3.0]), [1.0, 1.0])

    def stumbles(solver: Fake, form: Form) -> Result:
        if np.isfinite(form.upper[0]):
            return Result(S.NUMERICAL_ERROR, "too far", seconds=0.0)
        return point(S.OPTIMAL, *SOLUTION)(solver, form)

    result, runs = said(stumbles, form)
    assert result.status is S.OPTIMAL and len(runs) == 2
    assert not np.isfinite(runs[1][0].row_upper[0]) and runs[1][0].row_lower[0] == 2.0
    far = form_of([[1.0, 1.0]], ([2.0], [1e12]), ([-1e12, 0.0], [1e12, 3.0]), [-1.0, 1.0])
    result, _ = said(lambda s, f: Result(S.NUMERICAL_ERROR, "too far") if np.isfinite(f.upper[0])
                     else point(S.OPTIMAL, [2e12, 0.0], [-1.0, 0.0, 2.0])(s, f), far)  # fmt: skip
    assert result.status is not S.OPTIMAL


def test_what_failed_is_loaded_anew() -> None:
    """After an error on the way in or out nothing is taken for loaded that may not be."""
    calls = list[str]()

    class Fragile(Fake):
        fails = ""

        def load_arrays(self, form: Form) -> None:
            self.happens("load")

        def update_arrays(self, form: Form, journal: Journal) -> bool:
            self.happens("update")
            return True

        def run(self, form: Form, start: Start | None = None) -> Result:
            self.happens("run")
            return point(S.OPTIMAL, *SOLUTION)(self, form)

        def happens(self, what: str) -> None:
            calls.append(what)
            if self.fails == what:
                raise RuntimeError(what)

    for fails, before, after in (
        ("load", ["load"], ["load", "run"]),
        ("update", ["load", "run", "update"], ["load", "run"]),
        ("run", ["load", "run"], ["run"]),
    ):
        calls.clear()
        solver, form = Fragile(), plain()
        form.take_journal()
        if fails == "update":
            solver.solve(form)
            form.set_bounds(np.array([0]), 0.5)
        solver.fails = fails
        with pytest.raises(RuntimeError):
            solver.solve(form, form.take_journal())
        assert calls == before
        solver.fails = ""
        calls.clear()
        form.set_bounds(np.array([0]), 0.25)
        solver.solve(form, form.take_journal())
        assert [call for call in calls if call != "update"] == after


def test_limits_of_the_user_hold() -> None:
    """Who limits iterations gets one run; who limits the time gets what is left of it."""
    form = odd()
    _, runs = said(lambda *_: Result(S.ITERATION_LIMIT, "no more"), form, max_iter=3)
    assert len(runs) == 1
    limits: list[float | None] = []

    def slow(solver: Fake, _: Form) -> Result:
        limits.append(solver.time_limit)
        return Result(S.INFEASIBLE, "nothing", seconds=2.0)

    class Timed(Fake):
        standard_options: ClassVar[dict[Any, Any]] = {ot.TimeLimitSec: ot.solvers.Option("time")}
        answer = slow

    solver = Timed()
    solver.set_option(ot.TimeLimitSec(), 3.0)
    assert solver.solve(plain()).status is S.NUMERICAL_ERROR
    assert limits == [3.0, 1.0]
    limits.clear()
    solver.set_option(ot.TimeLimitSec(), 1.5)
    solver.solve(plain())
    assert limits == [1.5]
