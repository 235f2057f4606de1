"""The solver that all operators share: its loop, the exact step, claims with proofs, and the derivative."""

from __future__ import annotations

import operator
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from ...modelkit import attributes as attr
from ...modelkit.arrays import FloatArray
from ...modelkit.form import Abilities, Form, Journal
from ...modelkit.form.slot_rows import SlotRows
from ..array_solver import ArraySolver, known
from ..contract import Start
from ..judging.accuracy import distance
from ..judging.claims import has_proof
from ..options import Option
from ..own_derivative import OwnDerivative
from ..result import Result, Status
from .arrays import Place
from .derivatives import ExactDerivative, IteratedDerivative
from .exact_step import ExactPoint, exact_point, guessed
from .iterating import Iteration
from .measures import (
    Errors,
    completed_farkas,
    completed_improving,
    errors,
    farkas_candidate,
    improving_candidate,
)
from .operator import Operator, Triple
from .program import Program, Sides
from .settings import COMMON, Setting, checked, defaults

__all__ = ["FixedPointSolver"]

_ACCURATE = 1e-6
"""Residual in the form's own units up to which a point at the tolerance is called a solution."""
_EXACT = 1e-8
"""The same of an exact point."""
_LATER = 1.5
"""After a guess that led nowhere, so many times as many iterations are made before the next."""
_PATIENCE, _PROGRESS = 5_000, 0.9
"""After so many iterations, and twice as many each time, the residuals must have fallen to this share."""
_HINT = 1e-2
"""How far differences of iterates may be from a proof for one to be looked for on their sides."""
_CLAIMS = {Status.INFEASIBLE: "primal", Status.DUAL_INFEASIBLE: "dual"}


class FixedPointSolver(ArraySolver):
    """A solver that iterates an operator, and differentiates by its linearization.

    Its solution and derivative are exact by default: as soon as the sides that are met can be guessed, one linear
    system gives both. With ``exact=False`` it stops at its tolerance, and tangents and gradients are those of the
    truncated iteration, TRUNCATED, with the estimated error.

    Parameters
    ----------
    **options
        ``tolerance`` (1e-8) : of the relative residuals and the gap, in equilibrated units
        ``exact`` (True) : whether to take the exact step
        ``max_iterations`` (100,000); ``check_every`` (25) : iterations between looks at the residuals
        ``derivative_tolerance`` : of iterated derivatives, by default that of the solution
        ``derivative_iterations`` (20,000) : their most
        and those of the method
    """

    library = "optangent"
    abilities = Abilities()
    differentiates = True
    standard_options: ClassVar[dict[type[attr.Attribute], Option]] = {
        attr.Silent: Option("verbose", operator.not_),
        attr.TimeLimitSec: Option("time_limit", float),
    }
    settings: ClassVar[Mapping[str, Setting]] = COMMON
    operator_type: ClassVar[type[Operator]]

    def __init__(self, **options: Any) -> None:
        self._operator: Operator | None = None
        self._state: Any = None
        self._exact: ExactPoint | None = None
        self._solved: Result | None = None
        super().__init__(**options)

    # ------------------------------------------------------------------ options
    def option_names(self) -> Sequence[str]:
        """All option names."""
        return sorted(self.settings)

    def try_option(self, name: str, value: Any) -> None:
        """Have a look at it."""
        checked(self.settings, name, value)

    @property
    def _chosen(self) -> dict[str, Any]:
        return defaults(self.settings) | self.effective_options()

    # ------------------------------------------------------------------ in
    def load_arrays(self, form: Form) -> None:
        """Bring the form to the operator's units, and factorize what it factorizes."""
        options = self._chosen
        with np.errstate(over="ignore", invalid="ignore"):  # numbers that overflow lead to no solution, and it is told
            self._program = Program(form)
        place = Place(options.get("arrays", "numpy"), options.get("device"))
        self._operator = self.operator_type(self._program, place, options)
        self._sides, self._state, self._exact = self._program.sides, None, None

    def update_arrays(self, form: Form, journal: Journal) -> bool:
        """Pass on costs and sides, if no other ones are finite or equal than were."""
        if journal.has_entries or not journal.keeps_rows or journal.has_curvature or self._operator is None:
            return False
        program = self._program
        free = np.isneginf(form.row_lower) & np.isposinf(form.row_upper)
        if not np.array_equal(np.flatnonzero(~free), program.held):
            return False
        sides = program.sides_of(form)
        if not _alike(sides, self._sides):
            return False
        self._sides, self._exact = sides, None
        self._operator.load_sides(sides)
        return True

    # ------------------------------------------------------------------ run
    def run(self, form: Form, start: Start | None = None) -> Result:
        """Solve what is loaded, from the last solution or from where it is told to."""
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            self._solved = self._iterated(form, start)
        return self._solved

    def _iterated(self, form: Form, start: Start | None) -> Result:
        assert self._operator is not None
        began, options, of = time.perf_counter(), self._chosen, self._operator
        rows = SlotRows(form)
        state = self._first_state(form, start)
        iteration = Iteration(of, state)
        program, sides, place = self._program, self._sides, of.place
        limit = np.inf if options["time_limit"] is None else float(options["time_limit"])
        seen, next_try, next_proof, status = b"", 0.0, 0.0, Status.ITERATION_LIMIT
        best, best_before, next_look = np.inf, np.inf, _PATIENCE
        self._exact = None
        while True:
            steps = min(int(options["check_every"]), int(options["max_iterations"]) - iteration.count)
            moved = iteration.advance(steps)
            self._state = iteration.state
            point = Triple(*(place.numpy(part) for part in of.point(iteration.state)))
            found = errors(program, sides, point)
            worst = float(found.worst[0])
            if not np.isfinite(worst):
                status = Status.NUMERICAL_ERROR
                break
            is_last = iteration.count >= options["max_iterations"] or time.perf_counter() - began >= limit
            is_done = worst <= options["tolerance"]
            if options["verbose"]:
                print(f"{self.name} {iteration.count:7d}  primal {found.primal[0]:.1e}  dual {found.dual[0]:.1e}")
            if options["exact"]:
                guess = guessed(program, sides, point)
                if is_done or (guess.key == seen and iteration.count >= next_try):
                    self._exact = exact_point(program, sides, point, guess)
                    if self._exact is not None:
                        result = self._result(form, self._exact.point, Status.OPTIMAL, found, iteration, began)
                        if distance(rows, result) <= _EXACT:
                            return result
                        self._exact = None
                    next_try = _LATER * iteration.count
                seen = guess.key
            if is_done:
                status = Status.OPTIMAL
                result = self._result(form, point, status, found, iteration, began)
                # who asks for many digits means the form's own units, too
                if is_last or options["tolerance"] > _ACCURATE or distance(rows, result) <= _ACCURATE:
                    break
                status = Status.ITERATION_LIMIT
            claim = self._claim(rows, moved, iteration, began, look=iteration.count >= next_proof)
            if claim is not None:
                return claim
            if iteration.count >= next_proof:
                next_proof = _LATER * iteration.count
            best = min(best, worst)
            if iteration.count >= next_look:
                if best > _PROGRESS * best_before:
                    status = Status.SLOW_PROGRESS
                    break
                best_before, next_look = best, 2 * next_look
            if is_last:
                in_time = iteration.count >= options["max_iterations"]
                status = Status.ITERATION_LIMIT if in_time else Status.TIME_LIMIT
                break
            iteration.reconsider(moved, (place.array(found.primal), place.array(found.dual)))
        result = self._result(form, point, status, found, iteration, began)
        if status is Status.OPTIMAL and distance(rows, result) > _ACCURATE:
            return self._result(form, point, Status.ALMOST_OPTIMAL, found, iteration, began)
        return result

    def reconsidered(self, form: Form, result: Result) -> Result:
        """What the answer is worth; of truncated iterations it is what they reached."""
        with np.errstate(over="ignore", invalid="ignore"):  # of numbers that overflow nothing is proved
            return super().reconsidered(form, result) if self._chosen["exact"] else result

    def _first_state(self, form: Form, start: Start | None) -> Any:
        of, n = self._operator, form.n
        assert of is not None
        x, dual = known(start)
        if x is None and dual is None and self._state is not None:
            return self._state
        x = np.zeros(n) if x is None else x
        dual = np.zeros(form.slots.size) if dual is None else dual
        point = self._program.point_down(x[:, None], dual[:, None])
        return of.start(Triple(*(of.place.array(part) for part in point)))

    def _result(
        self, form: Form, point: Triple, status: Status, found: Errors, iteration: Iteration, began: float
    ) -> Result:
        x, duals = self._program.point_up(*point)
        words = "solved" if status is Status.OPTIMAL else f"stopped: {status.name.lower().replace('_', ' ')}"
        if self._exact is not None and status is Status.OPTIMAL:
            words = "solved exactly on the sides that are met"
        else:
            words += f"; reached primal {found.primal[0]:.1e}, dual {found.dual[0]:.1e}, gap {found.gap[0]:.1e}"
        seconds, counts = time.perf_counter() - began, {"barrier": iteration.count}
        return Result.of(status, words, x[:, 0], duals[:, 0], seconds=seconds, iterations=counts)

    def _claim(self, rows: SlotRows, moved: Any, iteration: Iteration, began: float, *, look: bool) -> Result | None:
        """A claim that there is no solution, with the proof that the differences of the iterates are or lead to."""
        of, program, sides = self._operator, self._program, self._sides
        assert of is not None
        ray = Triple(*(of.place.numpy(part) for part in of.ray(moved)))
        farkas = farkas_candidate(program, sides, ray.y)
        if farkas is not None and farkas[1] <= _HINT:
            for proof in self._proofs(farkas[0], look, lambda one: completed_farkas(program, sides, one)):
                dual = program.point_up(*proof)[1][:, 0]
                claim = self._claimed(rows, Status.INFEASIBLE, None, dual, iteration, began)
                if claim is not None:
                    return claim
        improving = improving_candidate(program, sides, ray.x)
        if improving is not None and improving[1] <= _HINT:
            for d in self._proofs(improving[0], look, lambda one: completed_improving(program, one)):
                x = program.column * d[:, 0]
                claim = self._claimed(rows, Status.DUAL_INFEASIBLE, x, None, iteration, began)
                if claim is not None:
                    return claim
        return None

    @staticmethod
    def _proofs(candidate: Any, look: bool, completed: Callable[[Any], Any]) -> Iterator[Any]:
        """The candidate, and what it leads to."""
        yield candidate
        if look:
            yield completed(candidate)

    def _claimed(
        self,
        rows: SlotRows,
        status: Status,
        x: FloatArray | None,
        dual: FloatArray | None,
        iteration: Iteration,
        began: float,
    ) -> Result | None:
        """The claim, if what it is made with proves it."""
        words = f"differences of iterates prove that there is no {_CLAIMS[status]} point"
        seconds, counts = time.perf_counter() - began, {"barrier": iteration.count}
        result = Result.of(status, words, x, dual, seconds=seconds, iterations=counts)
        return result if has_proof(rows, result) else None

    # ------------------------------------------------------------------ derivatives
    def differentiate(self, form: Form, result: Result) -> OwnDerivative:
        """The derivative of a solution: by the exact system, or by the truncated iteration.

        Of the solution just found all is at hand; of another one the iteration is continued from it.
        """
        if self._solved is not result or self._operator is None:
            assert result.x is not None and result.dual is not None
            self.load(form)
            self._resume(result.x, result.dual)
            self._solved = result
        assert self._operator is not None
        if self._exact is not None:
            return ExactDerivative(self._program, self._sides, self._exact)
        options = self._chosen
        tolerance = options["derivative_tolerance"] or options["tolerance"]
        return IteratedDerivative(self._operator, self._state, tolerance, int(options["derivative_iterations"]))

    def _resume(self, x: FloatArray, dual: FloatArray) -> None:
        """Be where a run is that found this solution."""
        assert self._operator is not None
        program, place = self._program, self._operator.place
        point = Triple(*program.point_down(x[:, None], dual[:, None]))
        self._state = self._operator.start(Triple(*(place.array(part) for part in point)))
        if self._chosen["exact"]:
            self._exact = exact_point(program, self._sides, point, guessed(program, self._sides, point))
        self.unload()


def _alike(one: Sides, other: Sides) -> bool:
    """Whether the same sides are finite, and the same ones equal."""
    pairs = ("row_lower", "row_upper", "lower", "upper")
    finite = all(np.array_equal(np.isfinite(getattr(one, name)), np.isfinite(getattr(other, name))) for name in pairs)
    equal = all(
        np.array_equal(getattr(one, low) == getattr(one, high), getattr(other, low) == getattr(other, high))
        for low, high in (("row_lower", "row_upper"), ("lower", "upper"))
    )
    return finite and equal
