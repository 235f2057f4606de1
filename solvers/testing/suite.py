"""The checks that every solver of forms passes, as far as it declares to take what they ask.

The file is long because it is one suite: what a solver promises is said here, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from itertools import product
from typing import Any, final

import numpy as np
import scipy.sparse as sp

from ...modelkit import attributes as attr
from ...modelkit.errors import InvalidData, UnsupportedAttribute, UnsupportedConstraint
from ...modelkit.form import Discreteness, Form
from ...modelkit.naming import with_article
from ...modelkit.sets import SecondOrderCone, Set
from ..contract import Solver, Start
from ..result import Result, ResultStatus, Status
from .answers import check_infeasible, check_solution, check_unbounded, require
from .derivatives import derivative_checks
from .programs import CONES, INF, form_of, random_form, with_cones

__all__ = ["Check", "check_solver", "solver_checks"]

Maker = Callable[[], Solver]
_STOPPED_SHORT = (
    *(Status.ALMOST_OPTIMAL, Status.ITERATION_LIMIT, Status.SLOW_PROGRESS, Status.NUMERICAL_ERROR, Status.OTHER_ERROR),
)


@final
@dataclass(frozen=True, slots=True)
class Check:
    """One thing that a solver promises.

    Attributes
    ----------
    name : in words
    run : raises `AssertionError` where the promise is broken
    """

    name: str
    run: Callable[[], None]

    def __str__(self) -> str:
        return self.name


def check_solver(make: Maker, *, may_stop_short: Collection[str] = (), seeds: int = 3) -> None:
    """Run all checks of `solver_checks`.

    Raises
    ------
    AssertionError
        Naming all checks that failed, with their words.

    Examples
    --------
    >>> from optangent.solvers import DAQP
    >>> check_solver(DAQP, seeds=1)
    """
    failures = []
    for check in solver_checks(make, may_stop_short=may_stop_short, seeds=seeds):
        try:
            check.run()
        except AssertionError as error:
            failures.append(f"{check.name}: {error}")
    require(not failures, f"{make().name} fails {len(failures)} checks:\n" + "\n".join(failures))


def solver_checks(make: Maker, *, may_stop_short: Collection[str] = (), seeds: int = 3) -> list[Check]:
    """The checks for a solver, by what it declares.

    Parameters
    ----------
    make : class of the solver, or a callable that makes one; each check makes its own
    may_stop_short : names of checks of random programs in which the solver may end with a status that says that it came
        to no solution (a first-order method on linear programs); an optimum that is claimed must be one everywhere
    seeds : random programs of each sort
    """
    abilities, suite = make().abilities, _Suite(make, frozenset(may_stop_short), seeds)
    checks: dict[str, Callable[[], None]] = {"linear programs": lambda: suite.random("linear programs", curved=False)}
    if abilities.quadratic_objective:
        checks["quadratic programs"] = lambda: suite.random("quadratic programs", curved=True)
    checks |= {
        "signs of duals": suite.signs_of_duals,
        "deleted rows and columns": suite.deleted,
        "nothing there": suite.nothing_there,
        "sides that cross": suite.sides_that_cross,
        "no feasible point": suite.infeasible,
        "no bounds": suite.unbounded,
        "changes": suite.changes,
        "many forms": suite.many_forms,
        "starts": suite.starts,
        "options": suite.options,
        "forms not taken": suite.forms_not_taken,
    }
    known = [kind for kind in CONES if kind in abilities.cones]
    for kind in known:
        checks[f"cones: {kind.__name__}"] = lambda kind=kind: suite.cones([kind])  # type: ignore[misc]
    if len(known) > 1:
        checks["cones in any order"] = lambda: suite.cones(known[::-1])
    if SecondOrderCone in known:
        checks |= {"changes of cones": suite.changes_of_cones, "no solution in cones": suite.no_solution_in_cones}
    if abilities.whole:
        checks["integer columns"] = suite.integer_columns
    if abilities.semi:
        checks["semicontinuous columns"] = suite.semicontinuous_columns
    if make().differentiates:
        checks |= derivative_checks(make, seeds)
    unknown = suite.may_stop_short - checks.keys()
    if unknown:
        raise InvalidData(f"There is no check {sorted(unknown)} for {make().name}; there are: {', '.join(checks)}.")
    return [Check(name, run) for name, run in checks.items()]


@final
@dataclass(frozen=True, slots=True)
class _Suite:
    """The checks of one solver."""

    make: Maker
    may_stop_short: frozenset[str]
    seeds: int

    def answer(self, form: Form) -> Result:
        """Of a fresh solver."""
        return self.make().solve(form)

    @property
    def curvatures(self) -> tuple[bool, ...]:
        """Without a quadratic objective, and with one where it is taken."""
        return (False, True) if self.make().abilities.quadratic_objective else (False,)

    # ------------------------------------------------------------------ solutions
    def random(self, name: str, *, curved: bool) -> None:
        """Ranges, equalities, bounds, fixed columns and free rows."""
        for seed in range(self.seeds):
            form, _ = random_form(np.random.default_rng([seed, curved]), curved=curved)
            self._check(name, form, self.answer(form))

    def _check(self, name: str, form: Form, result: Result) -> None:
        if name not in self.may_stop_short or result.status not in _STOPPED_SHORT:
            check_solution(form, result)

    def signs_of_duals(self) -> None:
        """A range at its lower and at its upper side, a bound at either, duals by hand: positive at lower sides."""
        rows, box = ([1.0], [3.0]), ([0.0, 0.0, -2.0], [5.0, 0.75, 2.0])
        for q, x, y in (
            ([1.0, 0.5, -1.0], [0.25, 0.75, 2.0], [1.0, 0.0, -0.5, -1.0]),
            ([-1.0, -2.0, 1.0], [2.25, 0.75, -2.0], [-1.0, 0.0, -1.0, 1.0]),
        ):
            form = form_of([[1.0, 1.0, 0.0]], rows, box, q)
            result = self.answer(form)
            check_solution(form, result)
            _equal(result.x, x, "x")
            _equal(result.dual, y, "dual")

    def deleted(self) -> None:
        """A free row with entries out of scale and a column fixed at zero, which has a cost, change nothing."""
        A, rows = [[1.0, 1.0, 0.0], [1e9, 0.0, 1.0]], ([2.0, -INF], [INF, INF])
        form = form_of(A, rows, ([0.0, 0.0, 0.0], [INF, INF, 0.0]), [1.0, 2.0, 3.0])
        result = self.answer(form)
        check_solution(form, result)
        _equal(result.x, [2.0, 0.0, 0.0], "x")
        _equal(result.dual, [1.0, 0.0, 0.0, 1.0, 3.0], "dual")
        if self.make().abilities.quadratic_objective:
            form = form_of(A, rows, ([-INF, -INF, 0.0], [INF, INF, 0.0]), [0.0, 0.0, 3.0], np.diag([2.0, 2.0, 0.0]))
            result = self.answer(form)
            check_solution(form, result)
            _equal(result.x, [1.0, 1.0, 0.0], "x")
            _equal(result.dual, [2.0, 0.0, 0.0, 0.0, 3.0], "dual")

    def nothing_there(self) -> None:
        """No columns, with rows that hold or not; no rows; no cost; a row of zeros."""
        form = Form()
        check_solution(form, self.answer(form))
        form.add_rows(sp.csr_array((2, 0)), np.array([-1.0, -INF]), np.array([0.0, 3.0]))
        check_solution(form, self.answer(form))
        form.set_sides(np.array([1]), 2.0, 3.0)
        result = self.answer(form)
        require(result.status is Status.INFEASIBLE, f"0 >= 2 is infeasible, got {result.status.name}")
        _equal(result.dual, [0.0, 1.0], "the certificate")
        form = form_of(np.zeros((0, 2)), ([], []), ([0.0, -3.0], [1.0, 1.0]), [-2.0, 4.0])
        result = self.answer(form)
        check_solution(form, result)
        _equal(result.x, [1.0, -3.0], "x")
        form = form_of(np.zeros((1, 2)), ([-1.0], [1.0]), ([-INF] * 2, [INF] * 2), [0.0, 0.0])
        check_solution(form, self.answer(form))
        if self.make().abilities.quadratic_objective:
            form = form_of(np.zeros((0, 2)), ([], []), ([-INF] * 2, [INF] * 2), [-2.0, 4.0], 2.0 * np.eye(2))
            result = self.answer(form)
            check_solution(form, result)
            _equal(result.x, [1.0, -2.0], "x")

    def cones(self, kinds: list[type[Set]]) -> None:
        """Cones of some types beside rows with ranges and bounds."""
        each = [cone for kind in kinds for cone in CONES[kind]]
        for seed in range(self.seeds):
            form, x = random_form(np.random.default_rng(seed), 5, 4, cones=each)
            result = self.answer(form)
            check_solution(form, result)
            _equal(result.x, x, "x", 1e-5)

    # ------------------------------------------------------------------ no solution
    def infeasible(self) -> None:
        """Ranges against bounds, and contradicting equalities, with the proof."""
        for curved in self.curvatures:
            P = np.eye(2) if curved else None
            A, rows = [[1.0, 1.0], [0.3, -1.0]], ([3.0, -9.0], [9.0, 9.0])
            check = form_of(A, rows, ([-5.0, -5.0], [1.0, 1.0]), [1.0, 2.0], P)
            equal = form_of([[1.0, 2.0], [2.0, 4.0]], ([1.0, 3.0],) * 2, ([-INF, 0.0], [INF, INF]), [1.0, 2.0], P)
            for form in (check, equal):
                check_infeasible(form, self.answer(form))

    def unbounded(self) -> None:
        """Along a range, past bounds of one side, and flat in the square, with the proof."""
        for curved in self.curvatures:
            P, box = np.diag([0.0, 0.0, 1.0]) if curved else None, ([0.0, -INF, -1.0], [INF, INF, 1.0])
            form = form_of([[1.0, -1.0, 0.0]], ([-1.0], [2.0]), box, [-1.0, 0.0, 1.0], P)
            check_unbounded(form, self.answer(form))
        form = form_of(np.zeros((0, 2)), ([], []), ([-INF, -INF], [INF, 3.0]), [0.0, 1.0])
        check_unbounded(form, self.answer(form))

    def no_solution_in_cones(self) -> None:
        """(t - 1, t) in no cone of norms, and t falling for ever in one."""
        cone, free = [SecondOrderCone(2)], ([-INF], [INF])
        form = with_cones(form_of(np.zeros((0, 1)), ([], []), free, [0.0]), cone, [[0.0], [1.0]], [-1.0, 0.0])
        check_infeasible(form, self.answer(form))
        form = with_cones(form_of(np.zeros((0, 1)), ([], []), free, [-1.0]), cone, [[1.0], [0.5]], [0.0, 0.0])
        check_unbounded(form, self.answer(form))

    def sides_that_cross(self) -> None:
        """A lower side above the upper one is a proof by itself; by rounding it is none."""
        for row, box, slot in (([2.0, 1.0], [0.0, 9.0], 0), ([0.0, 9.0], [2.0, 1.0], 1)):
            result = self.answer(form_of([[1.0]], ([row[0]], [row[1]]), ([box[0]], [box[1]]), [1.0]))
            certificate = ResultStatus.INFEASIBILITY_CERTIFICATE
            require(
                result.status is Status.INFEASIBLE and result.dual_status is certificate and result.crossed == slot,
                f"sides that cross in slot {slot} are a proof, got {result.status.name} with crossed={result.crossed}",
            )
        third = 1.0 / 3.0
        form = form_of([[1.0]], ([third], [np.nextafter(third, 0.0)]), ([0.0], [9.0]), [1.0])
        result = self.answer(form)
        check_solution(form, result)
        _equal(result.x, [third], "x")

    # ------------------------------------------------------------------ changes
    def changes(self) -> None:
        """After each of many random changes, passed on by the journal, the answer is that to the form as it is."""
        for seed, curved in product(range(2), self.curvatures):
            rng, n, m = np.random.default_rng([seed, 7]), 4, 4
            sides, box = (np.full(m, -9.0), np.full(m, 9.0)), (np.full(n, -3.0), np.full(n, 3.0))
            P = np.diag(rng.uniform(0.5, 1.0, n)) if curved else None
            form = form_of(0.5 * rng.standard_normal((m, n)), sides, box, rng.standard_normal(n), P)
            kept = self.make()
            form.take_journal()
            check_solution(form, kept.solve(form))
            for _ in range(40):
                words = [_change(rng, form, curved) for _ in range(int(rng.integers(1, 3)))]
                result = kept.solve(form, form.take_journal())
                try:
                    check_solution(form, result, 1e-5)
                except AssertionError as error:
                    raise AssertionError(f"after {' and '.join(words)}: {error}") from None

    def changes_of_cones(self) -> None:
        """Constants and coefficients of cones, and other cones."""
        form = form_of(np.zeros((0, 2)), ([], []), ([-INF, -INF], [INF, INF]), [1.0, 1.0])
        form = with_cones(form, [SecondOrderCone(3)], [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], [1.0, 0.0, 0.0])
        kept = self.make()
        form.take_journal()
        _equal(kept.solve(form).x, [-(0.5**0.5)] * 2, "x")
        form.set_cone_numbers(None, np.array([2.0, 0.0, 0.0]))
        _equal(kept.solve(form, form.take_journal()).x, [-(2.0**0.5)] * 2, "x after a change of g")
        form.set_cone_numbers(np.array([2.0, 1.0]), None)
        result = kept.solve(form, form.take_journal())
        check_solution(form, result)
        _equal([form.q @ np.asarray(result.x)], [-2.0 * 1.25**0.5], "the objective after a change of F")
        cones = [SecondOrderCone(2), SecondOrderCone(2)]
        form = with_cones(form, cones, [[0, 0], [1, 0], [0, 0], [0, 1]], [1.0, 0.0, 1.0, 0.0])
        _equal(kept.solve(form, form.take_journal()).x, [-1.0, -1.0], "x after a change of the cones")

    def many_forms(self) -> None:
        """Solved anew, each of many forms has bit for bit the answer of a fresh solver, be patterns other ones, too."""
        rng, curved = np.random.default_rng(3), self.curvatures[-1]
        first, _ = random_form(rng, curved=curved)
        kept = self.make()
        for step in range(7):
            q = first.q + 0.1 * rng.standard_normal(first.n)
            form = first.with_numbers(q=q, A=first.A.data * (1.0 + 0.01 * step))
            if step > 3:
                form, _ = random_form(rng, *((6, 8), (6, 8), (5, 7))[step - 4], curved=curved and step != 5)
            one, other = kept.solve_anew(form), self.make().solve_anew(form)
            require(one.status is other.status, "a status depends on what was solved before")
            for name in ("x", "dual"):
                same = np.array_equal(getattr(one, name), getattr(other, name))  # None, too
                require(same, f"{name} depends on what was solved before")

    # ------------------------------------------------------------------ starts, options, what is not taken
    def starts(self) -> None:
        """Whatever is said of a start, and of whichever part of it, the answer is the same."""
        form, _ = random_form(np.random.default_rng(5), curved=self.curvatures[-1])
        right = self.answer(form)
        check_solution(form, right)
        require(right.x is not None, "there is no x")
        rng, x, nothing = np.random.default_rng(6), np.asarray(right.x), np.full(form.slots.size, np.nan)
        for start in (
            Start(x, right.dual),
            Start(x, None),
            Start(None, right.dual),
            Start(np.where(rng.random(form.n) < 0.5, np.nan, x), nothing),
            Start(rng.standard_normal(form.n), rng.standard_normal(form.slots.size)),
        ):
            check_solution(form, self.make().solve(form, start=start), 1e-5)

    def options(self) -> None:
        """Names that there are not are refused, a twin has what was set, and it solves."""
        one, raw = self.make(), attr.RawOptimizerAttribute
        _refused(lambda: one.set_option(raw("no such option"), 3), UnsupportedAttribute, "an option that there is not")
        _refused(lambda: one.set_option(attr.Name(), "a"), UnsupportedAttribute, "a name of a solver")
        for name in one.option_names():
            require(one.supports_option(raw(name)), f"supports_option is False for {name!r} of option_names")
        require(not one.supports_option(raw("no such option")), "supports_option is True for what is no option")
        require(one.supports_option(attr.Silent()), "a solver is silent unless told otherwise: declare Silent")
        _refused(lambda: one.set_option(attr.Silent(), 1), InvalidData, "Silent = 1")
        one.set_option(attr.Silent(), True)
        twin = one.another()
        same = type(twin) is type(one) and twin.common == one.common and twin.options == one.options
        require(same, "another() is not a solver like it: it must be made by its arguments, with its options")
        form, _ = random_form(np.random.default_rng(8), curved=self.curvatures[-1])
        check_solution(form, twin.solve(form))

    def forms_not_taken(self) -> None:
        """A form of kinds that are not declared is refused."""
        one, abilities = self.make(), self.make().abilities
        cone = next((kind for kind in CONES if kind not in abilities.cones), None)
        form = form_of(np.zeros((0, 1)), ([], []), ([0.0], [1.0]), [1.0])
        if cone is not None:
            shape = CONES[cone][0]
            bad = with_cones(form, [shape], np.zeros((shape.dimension, 1)), np.zeros(shape.dimension))
            _refused(lambda: one.solve(bad), UnsupportedConstraint, with_article(cone.__name__))
        if not abilities.whole:
            bad = form_of(np.zeros((0, 1)), ([], []), ([0.0], [1.0]), [1.0])
            bad.set_discreteness(np.array([0]), Discreteness.INTEGER)
            _refused(lambda: one.solve(bad), UnsupportedConstraint, "an integer column")

    # ------------------------------------------------------------------ discrete columns
    def integer_columns(self) -> None:
        """Random knapsacks with integer and binary columns have the values that trying all points gives."""
        for seed in range(self.seeds):
            rng = np.random.default_rng(seed)
            A, q = rng.integers(1, 9, (2, 4)).astype(float), -rng.integers(1, 9, 4).astype(float)
            size = A.sum(axis=1)
            form = form_of(A, ([-INF, -INF], size), ([0.0] * 4, [2.0, 2.0, 9.0, 9.0]), q)
            form.set_discreteness(np.array([0, 1]), Discreteness.INTEGER)
            form.set_discreteness(np.array([2, 3]), Discreteness.INTEGER, binary=True)
            points = np.array(list(product(range(3), range(3), range(2), range(2))), float)
            best = (points[(points @ A.T <= size).all(axis=1)] @ q).min()
            result = self.answer(form)
            require(result.status is Status.OPTIMAL, f"an optimum was expected, got {result.status.name}")
            require(result.x is not None, "there is no x")
            x = np.asarray(result.x)
            _equal(x, np.round(x), "x, to be whole,")
            require((x[2:] <= 1.0 + 1e-6).all() and (A @ x <= size + 1e-6).all(), "x is outside of a side")
            _equal([q @ x], [best], "the objective")

    def semicontinuous_columns(self) -> None:
        """Zero, or between the bounds; semiinteger: whole, too."""
        for kind, cost, wanted in (
            (Discreteness.SEMICONTINUOUS, 1.0, 0.0),
            (Discreteness.SEMICONTINUOUS, -1.0, 3.5),
            (Discreteness.SEMIINTEGER, -1.0, 3.0),
        ):
            form = form_of([[1.0]], ([-INF], [3.5]), ([2.0], [5.0]), [cost])
            form.set_discreteness(np.array([0]), kind)
            result = self.answer(form)
            require(result.status is Status.OPTIMAL, f"an optimum was expected, got {result.status.name}")
            _equal(result.x, [wanted], "x")
            form.set_sides(np.array([0]), 0.5, 3.5)
            result = self.answer(form)
            _equal(result.x, [2.0 if cost > 0.0 else wanted], "x")


def _equal(found: Any, wanted: Any, name: str, tolerance: float = 1e-6) -> None:
    require(found is not None, f"there is no {name}")
    found, wanted = np.asarray(found), np.asarray(wanted)
    close = found.shape == wanted.shape and np.allclose(found, wanted, rtol=tolerance, atol=tolerance)
    require(close, f"{name} must be {wanted}, got {found}")


def _refused(call: Callable[[], Any], error: type[Exception], what: str) -> None:
    try:
        call()
    except error:
        return
    raise AssertionError(f"{what} must be refused with {error.__name__}")


def _change(rng: np.random.Generator, form: Form, curved: bool) -> str:
    """Change something of a form, such that it stays solvable: its columns have bounds, its rows widen; says what."""
    row, column = int(rng.integers(form.m)), int(rng.integers(form.n))
    what = int(rng.integers(10))
    if what == 1 and curved:
        factor = form.P.toarray() + np.diag(rng.uniform(0.0, 0.5, form.n))
        form.set_objective(sp.csc_array(factor), form.q.copy(), 0.0)
        return "other curvature"
    if what in (0, 1):
        form.set_objective(None, form.q + 0.3 * rng.standard_normal(form.n), 1.0)
        return "other costs"
    if what == 2:
        middle, kind = rng.uniform(-1.0, 1.0), rng.integers(3)
        lower, upper = [-3.0, middle, middle - 0.5][kind], [3.0, middle, middle + 0.5][kind]
        form.set_bounds(np.array([column]), lower, upper)
        return f"bounds {lower:g} and {upper:g} of column {column}"
    if what == 3:
        size = rng.uniform(4.0, 30.0)
        form.set_sides(np.array([row]), [-size, -INF, -INF][rng.integers(3)], [size, INF, size][rng.integers(3)])
        return f"other sides of row {row}"
    if what == 4:
        columns, values = form.row(row)
        form.set_row(row, columns.copy(), values + 0.1 * rng.standard_normal(len(values)))
        return f"other coefficients of row {row}"
    if what == 5:
        columns = np.sort(rng.choice(form.n, 3, replace=False))
        form.set_row(row, columns, 0.5 * rng.standard_normal(3))
        form.set_sides(np.array([row]), -9.0, 9.0)
        return f"another function of row {row}"
    if what == 6:
        form.add_rows(sp.csr_array(0.5 * rng.standard_normal((1, form.n))), np.array([-12.0]), np.array([12.0]))
        return "a new row"
    if what == 7:
        form.set_row(row, np.zeros(0, np.int64), np.zeros(0))
        form.set_sides(np.array([row]), -INF, INF)
        return f"row {row} deleted"
    if what == 8:
        form.set_bounds(np.array([column]), 0.0, 0.0)
        form.set_objective(None, np.where(np.arange(form.n) == column, 0.0, form.q), 0.0)
        return f"column {column} deleted"
    (added,) = form.add_columns(1)
    form.set_bounds(np.array([added]), -3.0, 3.0)
    form.set_objective(None, np.append(form.q[:-1], rng.standard_normal()), 0.0)
    return "a new column"
