"""A program as an MPS file in free format."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp

from ...modelkit.form import Discreteness
from .names import digits, mps_name, unique_names
from .program import INFINITE, Program

__all__ = ["mps_lines"]

_SEMI: dict[int, str] = {Discreteness.SEMICONTINUOUS: "SC", Discreteness.SEMIINTEGER: "SI"}


def mps_lines(program: Program) -> Iterator[str]:
    """The file, line by line.

    A range ``l <= aᵀx <= u`` is one of its sides and the width, so that its other side may differ in the last digit
    where no width gives both exactly. Numbers are written with all their digits.
    """
    rows = unique_names(program.rows, mps_name, "c")
    columns = unique_names(program.columns, mps_name, "u")
    (objective,) = set(unique_names([*rows, "objective"], mps_name, "c")) - set(rows)
    yield f"NAME {mps_name(program.name)}".rstrip()
    if program.maximizes:
        yield "OBJSENSE"
        yield "    MAX"
    yield "ROWS"
    yield f" N  {objective}"
    sides = [_sides(l, u) for l, u in zip(program.row_lower.tolist(), program.row_upper.tolist(), strict=True)]
    for name, (letter, _, _) in zip(rows, sides, strict=True):
        yield f" {letter}  {name}"
    yield "COLUMNS"
    yield from _columns(program, objective, rows, columns)
    yield "RHS"
    if program.r:
        yield f"    RHS  {objective}  {digits(-program.r)}"
    for name, (_, side, _) in zip(rows, sides, strict=True):
        if side:
            yield f"    RHS  {name}  {digits(side)}"
    if any(width is not None for _, _, width in sides):
        yield "RANGES"
        for name, (_, _, width) in zip(rows, sides, strict=True):
            if width is not None:
                yield f"    RANGE  {name}  {digits(width)}"
    yield "BOUNDS"
    boxes = zip(columns, program.lower.tolist(), program.upper.tolist(), program.kinds.tolist(), strict=True)
    for name, lower, upper, kind in boxes:
        for word, number in _bounds(lower, upper, kind):
            yield f" {word} BOUND  {name}" + ("" if number is None else f"  {digits(number)}")
    if program.P.nnz:
        yield "QUADOBJ"
        lower_half = sp.coo_array(sp.tril(program.P))
        i, j, value = (*(at.tolist() for at in lower_half.coords), lower_half.data.tolist())
        for a, b, number in zip(i, j, value, strict=True):
            yield f"    {columns[b]}  {columns[a]}  {digits(number)}"
    yield "ENDATA"


def _columns(program: Program, objective: str, rows: list[str], columns: list[str]) -> Iterator[str]:
    A = sp.csc_array(program.A)
    ends, at, value = A.indptr.tolist(), A.indices.tolist(), A.data.tolist()
    is_whole = (program.kinds == Discreteness.INTEGER).tolist()
    markers = 0
    for j, (name, cost) in enumerate(zip(columns, program.q.tolist(), strict=True)):
        if is_whole[j] != (j > 0 and is_whole[j - 1]):
            markers += 1
            yield f"    MARKER{markers}  'MARKER'  '{'INTORG' if is_whole[j] else 'INTEND'}'"
        if cost or ends[j] == ends[j + 1]:
            yield f"    {name}  {objective}  {digits(cost)}"
        for k in range(ends[j], ends[j + 1]):
            yield f"    {name}  {rows[at[k]]}  {digits(value[k])}"
    if is_whole and is_whole[-1]:
        yield f"    MARKER{markers + 1}  'MARKER'  'INTEND'"


def _sides(lower: float, upper: float) -> tuple[str, float, float | None]:
    """Letter, side and width of a row."""
    if lower == upper:
        return "E", lower, None
    if lower == -np.inf:
        return ("N", 0.0, None) if upper == np.inf else ("L", upper, None)
    if upper == np.inf:
        return "G", lower, None
    width = upper - lower
    for near in (width, float(np.nextafter(width, np.inf)), float(np.nextafter(width, 0.0))):
        if lower + near == upper:
            return "G", lower, near
        if upper - near == lower:
            return "L", upper, near
    return "G", lower, width


def _bounds(lower: float, upper: float, kind: int) -> list[tuple[str, float | None]]:
    """Words and numbers of what bounds a column; of a whole one always some, since without any it would be binary."""
    if kind in _SEMI:
        return [*([("LO", lower)] if lower else []), (_SEMI[kind], min(upper, 10.0 * INFINITE))]
    if kind == Discreteness.INTEGER and (lower, upper) == (0.0, 1.0):
        return [("BV", None)]
    if lower == upper:
        return [("FX", lower)]
    if lower == -np.inf:
        return [("FR", None)] if upper == np.inf else [("MI", None), ("UP", upper)]
    found: list[tuple[str, float | None]] = []
    if lower or upper < 0.0:
        found.append(("LO", lower))
    if upper < np.inf:
        found.append(("UP", upper))
    return found or ([("PL", None)] if kind == Discreteness.INTEGER else [])
