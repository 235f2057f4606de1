"""A program as an LP file, as HiGHS and CPLEX read it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import scipy.sparse as sp

from ...modelkit.form import Discreteness
from .names import digits, lp_name, unique_names
from .program import INFINITE, Program

__all__ = ["RANGE_ENDS", "lp_lines"]

RANGE_ENDS = ("lo", "up")
"""What is put behind the name of a range, of which the format makes two rows."""
_PER_LINE = 5
_SECTIONS = (
    ("general", (Discreteness.INTEGER, Discreteness.SEMIINTEGER)),
    ("semi-continuous", (Discreteness.SEMICONTINUOUS, Discreteness.SEMIINTEGER)),
)


def lp_lines(program: Program) -> Iterator[str]:
    """The file, line by line.

    The objective names all columns, since readers take them in the order in which they come. Numbers are written with
    all their digits.
    """
    rows = unique_names(program.rows, lp_name, "c", ("", *RANGE_ENDS))
    columns = unique_names(program.columns, lp_name, "u")
    yield f"\\ {' '.join(program.name.split())}".rstrip()
    yield "maximize" if program.maximizes else "minimize"
    terms = [f"{_signed(c)} {name}" for c, name in zip(program.q.tolist(), columns, strict=True)]
    yield from _wrapped(" obj:", [*terms, *_curvature(program, columns), *([_signed(program.r)] if program.r else [])])
    yield "subject to"
    A = program.A
    ends, at, value = A.indptr.tolist(), A.indices.tolist(), A.data.tolist()
    sides = zip(program.row_lower.tolist(), program.row_upper.tolist(), strict=True)
    for i, (name, (lower, upper)) in enumerate(zip(rows, sides, strict=True)):
        mine = range(ends[i], ends[i + 1])
        terms = [f"{_signed(value[k])} {columns[at[k]]}" for k in mine] or [f"0 {columns[0]}"]
        for end, relation in _relations(lower, upper):
            yield from _wrapped(f" {name}{end}:", [*terms, relation])
    yield "bounds"
    binary = program.binary
    for name, lower, upper in zip(columns, program.lower.tolist(), program.upper.tolist(), strict=True):
        yield from _bounds(name, lower, upper)
    sections = [("binary", binary), *((name, np.isin(program.kinds, kinds) & ~binary) for name, kinds in _SECTIONS)]
    for section, mask in sections:
        if mask.any():
            yield section
            yield from _wrapped("", [columns[j] for j in np.flatnonzero(mask).tolist()])
    yield "end"


def _signed(number: float) -> str:
    return f"{'-' if number < 0.0 else '+'} {digits(abs(number))}"


def _wrapped(head: str, words: Sequence[str]) -> Iterable[str]:
    """The words in lines of a few each."""
    for k in range(0, len(words), _PER_LINE):
        yield f"{'  ' if k else head} {' '.join(words[k : k + _PER_LINE])}"


def _curvature(program: Program, columns: list[str]) -> list[str]:
    """``+ [ ... ] / 2``."""
    if not program.P.nnz:
        return []
    half = sp.coo_array(sp.tril(program.P))
    i, j, value = (*(at.tolist() for at in half.coords), half.data.tolist())
    terms = [
        f"{_signed(c)} {columns[a]} ^ 2" if a == b else f"{_signed(2.0 * c)} {columns[b]} * {columns[a]}"
        for a, b, c in zip(i, j, value, strict=True)
    ]
    return ["+ [", *terms, "] / 2"]


def _relations(lower: float, upper: float) -> list[tuple[str, str]]:
    """What is put behind the name of a row, and its side; of a range two."""
    if lower == upper:
        return [("", f"= {digits(lower)}")]
    if upper == np.inf:
        return [("", f">= {digits(lower)}" if lower > -np.inf else f">= -{digits(10.0 * INFINITE)}")]
    if lower == -np.inf:
        return [("", f"<= {digits(upper)}")]
    return [(RANGE_ENDS[0], f">= {digits(lower)}"), (RANGE_ENDS[1], f"<= {digits(upper)}")]


def _bounds(name: str, lower: float, upper: float) -> Iterator[str]:
    if lower == 0.0 and upper == np.inf:
        return
    if lower == upper:
        yield f" {name} = {digits(lower)}"
    elif lower == -np.inf and upper == np.inf:
        yield f" {name} free"
    elif upper == np.inf:
        yield f" {name} >= {digits(lower)}"
    else:
        yield f" {'-inf' if lower == -np.inf else digits(lower)} <= {name} <= {digits(upper)}"
