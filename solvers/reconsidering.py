"""What becomes of an answer that cannot be checked: proofs are looked for, and the program is put in other words.

A library's claim that there is no solution leaves with a proof or not at all. Where a run gave none, or a solution that
is one only in the units it was stated in, or nothing, the program is solved again: without far bounds, in units in
which its numbers are near one (`other_ways`), and at last as the library would do it if left alone, without our
defaults and scaling.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from ..modelkit import attributes as attr
from ..modelkit.matrix_form import MatrixForm
from ..modelkit.remaking import recipe, remade
from .accuracy import nearer
from .other_ways import Wording, is_odd, wordings
from .proofs import has_proof, is_solution, prove
from .result import Result, Status

__all__ = ["CLAIMS", "DOUBTFUL", "is_settled", "reconsidered"]

CLAIMS = (Status.INFEASIBLE, Status.DUAL_INFEASIBLE)
NEARLY = {Status.ALMOST_INFEASIBLE: Status.INFEASIBLE, Status.ALMOST_DUAL_INFEASIBLE: Status.DUAL_INFEASIBLE}
SOLUTIONS = (Status.OPTIMAL, Status.ALMOST_OPTIMAL)
DOUBTFUL = (
    *(Status.ALMOST_OPTIMAL, Status.SLOW_PROGRESS, Status.NUMERICAL_ERROR, Status.ITERATION_LIMIT),
    *(Status.OTHER_ERROR, Status.INFEASIBLE_OR_UNBOUNDED, *NEARLY),
)


def is_settled(form: MatrixForm, result: Result) -> bool:
    """Whether the result is a solution or a proof that there is none."""
    if result.status in CLAIMS:
        return has_proof(form, result)
    return result.status is Status.OPTIMAL and is_solution(form, result)


def reconsidered(solver: Any, form: MatrixForm, result: Result) -> Result:
    """A settled answer if one is found, else what the result is worth.

    Parameters
    ----------
    solver : MatrixSolver
        The wrapper, of which others are made.
    form, result : what it was given, and what it found
    """
    claimed = result.status in CLAIMS
    if claimed and prove(form, result):
        return result
    limited = result.status is Status.ITERATION_LIMIT and any("iter" in name for name in solver.options)
    odd = is_odd(form) and not limited
    if claimed or odd:
        spent, others = result.seconds or 0.0, list[Result]()
        for again in _further_runs(solver, form, spent, claimed):
            if is_settled(form, again) or (again.status in CLAIMS and prove(form, again)):
                again.seconds = (again.seconds or 0.0) + spent
                return again
            spent += again.seconds or 0.0
            others.append(again)
        best = nearer(form, result, others)
        if best is not result:
            best.seconds = spent
            return best
    if odd and not claimed and result.status not in SOLUTIONS and prove(form, result):
        return result
    if claimed:
        words = f"{result.raw}, but there is no certificate"
        return Result(Status.NUMERICAL_ERROR, words, seconds=result.seconds, iterations=result.iterations)
    return result


def _further_runs(solver: Any, form: MatrixForm, spent: float, claimed: bool) -> Iterator[Result]:
    limit = solver.store.get(attr.TimeLimitSec())
    made = recipe(solver)
    ways: list[tuple[Wording | None, bool]] = [(way, False) for way in wordings(form)]
    if claimed:
        ways.append((None, True))
    for way, plain in ways:
        again = remade(made)
        if limit is not None:
            if spent >= limit:
                return
            again.set(attr.TimeLimitSec(), limit - spent)
        again.is_plain = plain
        words = form if way is None else way.form
        again.load(words)
        result = cast(Result, again.run(words))
        spent += result.seconds or 0.0
        yield result if way is None else _translated(way, result)


def _translated(way: Wording, result: Result) -> Result:
    """The result of another wording as one of the form."""
    result.status = NEARLY.get(result.status, result.status)  # which the proof decides
    result.x = None if result.x is None else way.column * result.x
    result.dual = None if result.dual is None else way.row * result.dual
    return result
