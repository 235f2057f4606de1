"""What becomes of an answer that cannot be checked: proofs are looked for, and the program is put in other words.

A library's claim that there is no solution leaves with a proof or not at all. Where a run gave none, or a solution that
is one only in the units it was stated in, or nothing, the form is solved again: without far bounds, in units in which
its numbers are near one (`wordings`), and at last as the library would do it if left alone, without our defaults and
scaling.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from ...modelkit.form import Form
from ...modelkit.form.slot_rows import SlotRows
from ..result import Result, Status
from .accuracy import nearer
from .claims import has_proof, is_solution, prove
from .wordings import Wording, is_odd, wordings

__all__ = ["CLAIMS", "DOUBTFUL", "Runner", "is_settled", "reconsidered"]

CLAIMS = (Status.INFEASIBLE, Status.DUAL_INFEASIBLE)
_NEARLY = {Status.ALMOST_INFEASIBLE: Status.INFEASIBLE, Status.ALMOST_DUAL_INFEASIBLE: Status.DUAL_INFEASIBLE}
_SOLUTIONS = (Status.OPTIMAL, Status.ALMOST_OPTIMAL)
DOUBTFUL = (
    *(Status.ALMOST_OPTIMAL, Status.SLOW_PROGRESS, Status.NUMERICAL_ERROR, Status.ITERATION_LIMIT),
    *(Status.OTHER_ERROR, Status.INFEASIBLE_OR_UNBOUNDED, *_NEARLY),
)


class Runner(Protocol):
    """What solves the form again."""

    @property
    def time_limit(self) -> float | None:
        """Seconds that the user allows, if any."""

    @property
    def limits_iterations(self) -> bool:
        """Whether the user chose how many iterations there may be."""

    def run_again(self, form: Form, seconds: float | None, *, plain: bool) -> Result:
        """The answer of another library's instance, within so many seconds; plain: as the library comes."""


def is_settled(rows: SlotRows, result: Result) -> bool:
    """Whether the result is a solution or a proof that there is none."""
    if result.status in CLAIMS:
        return has_proof(rows, result)
    return result.status is Status.OPTIMAL and is_solution(rows, result)


def reconsidered(runner: Runner, rows: SlotRows, result: Result) -> Result:
    """A settled answer if one is found, else what the result is worth.

    Parameters
    ----------
    runner : the solver
    rows, result : of the form that it was given, and what it found
    """
    claimed = result.status in CLAIMS
    if claimed and prove(rows, result):
        return result
    limited = result.status is Status.ITERATION_LIMIT and runner.limits_iterations
    odd = is_odd(rows) and not limited
    if claimed or odd:
        spent, others = result.seconds or 0.0, list[Result]()
        for again in _further_runs(runner, rows, spent, claimed):
            if is_settled(rows, again) or (again.status in CLAIMS and prove(rows, again)):
                again.seconds = (again.seconds or 0.0) + spent
                return again
            spent += again.seconds or 0.0
            others.append(again)
        best = nearer(rows, result, others)
        if best is not result:
            best.seconds = spent
            return best
    if odd and not claimed and result.status not in _SOLUTIONS and prove(rows, result):
        return result
    if claimed:
        words = f"{result.raw}, but there is no certificate"
        return Result(Status.NUMERICAL_ERROR, words, seconds=result.seconds, iterations=result.iterations)
    return result


def _further_runs(runner: Runner, rows: SlotRows, spent: float, claimed: bool) -> Iterator[Result]:
    limit = runner.time_limit
    ways: list[tuple[Wording | None, bool]] = [(way, False) for way in wordings(rows)]
    if claimed:
        ways.append((None, True))
    for way, plain in ways:
        if limit is not None and spent >= limit:
            return
        form = rows.form if way is None else way.form
        result = runner.run_again(form, None if limit is None else limit - spent, plain=plain)
        spent += result.seconds or 0.0
        yield result if way is None else _translated(way, result)


def _translated(way: Wording, result: Result) -> Result:
    """The result of another wording as one of the form."""
    result.status = _NEARLY.get(result.status, result.status)  # which the proof decides
    result.x = None if result.x is None else way.column * result.x
    result.dual = None if result.dual is None else way.slot * result.dual
    return result
