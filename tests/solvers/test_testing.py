"""The suite that is shipped for wrappers of other distributions finds what is wrong with one."""

from __future__ import annotations

import operator
from typing import Any, ClassVar

import numpy as np
import pytest

import optangent as ot
from optangent.modelkit.form import Abilities, Form, Journal
from optangent.solvers import Option, Result, Start


class Right(ot.solvers.Solver):
    """Another solver within, and nothing wrong."""

    name = "Right"
    abilities = Abilities(cones=frozenset({ot.SecondOrderCone}))
    standard_options: ClassVar[Any] = {ot.Silent: Option("verbose", operator.not_)}

    def option_names(self) -> list[str]:
        """Two of the library's."""
        return ["max_iter", "verbose"]

    def load(self, form: Form) -> None:
        """Load the solver within."""
        self.within = ot.solvers.Clarabel(**self.effective_options())
        self.within.load(form)

    def update(self, form: Form, journal: Journal) -> bool:
        """Change what it has loaded."""
        return self.within.update(form, journal)

    def run(self, form: Form, start: Start | None = None) -> Result:
        """Have it run."""
        return self.within.reconsidered(form, self.within.run(form, start))


class WrongSigns(Right):
    """Duals that are positive at upper sides."""

    def run(self, form: Form, start: Start | None = None) -> Result:
        """The other sign."""
        result = super().run(form, start)
        result.dual = None if result.dual is None else -result.dual
        return result


class DeafToChanges(Right):
    """Says that it changed what is loaded."""

    def update(self, form: Form, journal: Journal) -> bool:
        """And does not, as far as numbers go."""
        return not (journal.new_columns or journal.new_rows or journal.has_cones)


class Rough(Right):
    """A point that is near to the solution."""

    def run(self, form: Form, start: Start | None = None) -> Result:
        """Three digits."""
        result = super().run(form, start)
        result.x = None if result.x is None else result.x * (1.0 + 1e-3) + 1e-3
        return result


class WithoutProof(Right):
    """Claims that there is no solution, and leaves it at that."""

    def run(self, form: Form, start: Start | None = None) -> Result:
        """The bare claim."""
        result = super().run(form, start)
        if result.status in (ot.TerminationStatusCode.INFEASIBLE, ot.TerminationStatusCode.DUAL_INFEASIBLE):
            return Result(result.status, result.raw, seconds=0.0)
        return result


class Remembers(Right):
    """Answers that depend on how often it ran."""

    count = 0

    def run(self, form: Form, start: Start | None = None) -> Result:
        """A bit more each time."""
        result = super().run(form, start)
        self.count += 1
        result.x = None if result.x is None else result.x + 1e-12 * self.count
        return result


class TakesTheStart(Right):
    """Answers what it was told."""

    def run(self, form: Form, start: Start | None = None) -> Result:
        """The start, if it is whole."""
        result = super().run(form, start)
        if start is not None and start.x is not None and np.isfinite(start.x).all():
            result.x = start.x
        return result


class Relaxes(Right):
    """Declares integer columns, and forgets that they are."""

    abilities = Abilities(cones=Right.abilities.cones, whole=True)


class Loud(Right):
    """Cannot be told to be silent."""

    standard_options: ClassVar[Any] = {}


WRONG = {
    WrongSigns: {"signs of duals", "linear programs", "quadratic programs", "no feasible point", "changes"},
    DeafToChanges: {"changes", "changes of cones"},
    Rough: {"linear programs", "quadratic programs", "signs of duals", "cones: SecondOrderCone"},
    WithoutProof: {"no feasible point", "no bounds", "no solution in cones"},
    Remembers: {"many forms"},
    TakesTheStart: {"starts"},
    Relaxes: {"integer columns"},
    Loud: {"options"},
}


def test_a_right_wrapper_passes() -> None:
    """Nothing is found where nothing is wrong."""
    ot.testing.check_solver(Right, seeds=1)


@pytest.mark.parametrize("solver", WRONG)
def test_what_is_wrong_is_found(solver: Any) -> None:
    """By the check that is meant for it; all that fails is said in one error."""
    failed = set()
    for check in ot.testing.solver_checks(solver, seeds=1):
        try:
            check.run()
        except AssertionError:
            failed.add(check.name)
    assert WRONG[solver] <= failed
    if solver in (Remembers, TakesTheStart, Relaxes, Loud):
        assert failed == WRONG[solver]
    with pytest.raises(AssertionError, match=f"Right fails {len(failed)} checks") as error:
        ot.testing.check_solver(solver, seeds=1)
    assert all(f"\n{name}: " in str(error.value) for name in failed)


def test_only_what_was_agreed_may_stop_short() -> None:
    """A solver that gives up passes where that was allowed by name, and nowhere else."""

    class Weak(Right):
        """Has one iteration."""

        def run(self, form: Form, start: Start | None = None) -> Result:
            """Which is too few."""
            return Result.of(ot.TerminationStatusCode.ITERATION_LIMIT, "one iteration", None, None, seconds=0.0)

    names = ["linear programs", "quadratic programs"]
    found = {check.name: check for check in ot.testing.solver_checks(Weak, may_stop_short=names)}
    for name in names:
        found[name].run()
    with pytest.raises(AssertionError, match="an optimum was expected, got ITERATION_LIMIT"):
        found["signs of duals"].run()
    with pytest.raises(ot.InvalidData, match=r"no check.*'linear program'.*for Right; there are: linear programs"):
        ot.testing.solver_checks(Weak, may_stop_short=["linear program"])
