"""What a comparison of derivatives with differences says, number by number, and as a table in words."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

from ...modelkit.attributes import DifferentiationStatusCode

__all__ = ["CheckedNumber", "GradCheck", "Verdict"]


class Verdict(enum.Enum):
    """What a comparison of a derivative with differences says; its ``value`` says it in words."""

    AGREES = "the derivative is the difference"
    WRONG = "NOT EXPLAINED: the derivative is wrong"
    DEGENERATE = "explained by degeneracy: the solution has a kink here, as the active constraints change"
    TOLERANCE = "explained by the solver's tolerance: its answers are not accurate enough to take differences of"
    UNSOLVED = "not checked: beside the present data there is no solution to compare with"


_WORST_FIRST = [Verdict.WRONG, Verdict.DEGENERATE, Verdict.TOLERANCE, Verdict.UNSOLVED, Verdict.AGREES]


@final
@dataclass(frozen=True, slots=True)
class CheckedNumber:
    """One number of the model, with the output whose derivative fits worst.

    Attributes
    ----------
    number, output : names of what was moved and of what was looked at
    derivative, difference : the derivative, and the central difference that it was compared to
    error : ``|derivative - difference|`` relative to one plus the size of the difference; nan without a difference
    verdict : what it means
    """

    number: str
    output: str
    derivative: float
    difference: float
    error: float
    verdict: Verdict

    @property
    def rank(self) -> tuple[int, float]:
        """By which the worst come first."""
        return _WORST_FIRST.index(self.verdict), -self.error if self.error == self.error else 0.0


@final
@dataclass(frozen=True, slots=True)
class GradCheck:
    """The result of `gradcheck`; printed, a table with the worst first.

    Attributes
    ----------
    table : one entry for each number that was checked, the worst first
    tolerance : relative error up to which a derivative agrees
    status : what the derivatives are at the solution
    of : how many numbers there were to choose from
    outputs : how many outputs were compared for each number
    solver_error : how far the solver's answer is from the exact solution, relative
    """

    table: tuple[CheckedNumber, ...]
    tolerance: float
    status: DifferentiationStatusCode
    of: int
    outputs: int
    solver_error: float

    @property
    def passed(self) -> bool:
        """Whether something was checked, and every derivative agrees with its difference."""
        return bool(self.table) and all(one.verdict is Verdict.AGREES for one in self.table)

    @property
    def worst(self) -> CheckedNumber | None:
        """The first of the table."""
        return self.table[0] if self.table else None

    @property
    def wrong(self) -> tuple[CheckedNumber, ...]:
        """The disagreements that neither degeneracy nor the solver's tolerance explains."""
        return tuple(one for one in self.table if one.verdict is Verdict.WRONG)

    def text(self, rows: int = 10) -> str:
        """The table in words, so many rows of it."""
        return "\n".join(_lines(self, rows))

    def __str__(self) -> str:
        return self.text()


_WIDEST = 44
_NAMED = 5
_TINY = 1e-6


def _lines(check: GradCheck, rows: int) -> Iterator[str]:
    count = len(check.table)
    many = f"{count} of {check.of} numbers, chosen at random" if count < check.of else _plural(count, "number")
    yield f"gradcheck: {many}, {_plural(check.outputs, 'output')} each, at {_article(check.status.name)} solution"
    shown = check.table[:rows]
    if shown:
        yield from _table([("number", "output", "derivative", "difference", "error"), *map(_cells, shown)])
    if count > len(shown):
        yield f"  ... ({count} rows)"
    if check.passed:
        yield f"passed: every derivative is the difference, to a relative {check.tolerance:.0e}"
        return
    if not check.table:
        yield "nothing to check"
        return
    yield "not passed" if check.wrong else "not passed, with an explanation"
    for verdict in _WORST_FIRST[:-1]:
        names = [one.number for one in check.table if one.verdict is verdict]
        if names:
            named = ", ".join(names[:_NAMED]) + (" and others" if len(names) > _NAMED else "")
            yield f"{len(names)} of {count} {verdict.value} ({named}){_why(check, verdict)}"


def _why(check: GradCheck, verdict: Verdict) -> str:
    if verdict is Verdict.DEGENERATE and check.status is not DifferentiationStatusCode.EXACT:
        return f"; DifferentiationStatus is {check.status.name}: {check.status.value}"
    if verdict is Verdict.TOLERANCE:
        return f"; they are off by a relative {check.solver_error:.0e}. Solve to tighter tolerances"
    return ""


def _cells(one: CheckedNumber) -> tuple[str, ...]:
    error = f"< {_TINY:.0e}" if one.error < _TINY else f"{one.error:.1e}"
    numbers = (f"{one.derivative:.6g}", f"{one.difference:.6g}", error)
    return (_cut(one.number), _cut(one.output), *numbers)


def _cut(name: str) -> str:
    return name if len(name) <= _WIDEST else name[: _WIDEST - 3] + "..."


def _table(rows: list[tuple[str, ...]]) -> Iterator[str]:
    """Names to the left, numbers to the right."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    for row in rows:
        cells = [cell.ljust(w) if k < 2 else cell.rjust(w) for k, (cell, w) in enumerate(zip(row, widths, strict=True))]
        yield "  " + "  ".join(cells)


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")


def _article(word: str) -> str:
    return f"{'an' if word[0] in 'AEIOU' else 'a'} {word}"
