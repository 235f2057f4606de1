"""The units in which the numbers of a form are of about the same size.

A row, a column or the objective may be stated in any unit; whether a residual is small does not depend on it. With E
and D from an equilibration of the matrices, ``E A D`` has rows and columns whose largest entries are near one, the
bounds of columns being rows with one entry, a 1: there a number is compared with the others of its row, and with those
of its variable in other rows.
"""

from __future__ import annotations

from typing import final

import numpy as np

from ..arrays import FloatArray
from .slot_rows import SlotRows
from .units import FARTHEST, equilibrated

__all__ = ["Scales", "both_scales"]


@final
class Scales:
    """Scales of the columns and slots of a form, powers of two.

    Parameters
    ----------
    rows : SlotRows
    alone : whether the objective has no part in them
    shared : whether rows with one entry have none in those of columns, as they fit a variable in any unit; where that
        makes scales of more than 1e20 to one they have

    Attributes
    ----------
    column : (n,) D; those of variables in no row and no square are 1, and so is their median
    row : (slots,) E, the same for all rows of a cone, that of the largest of them; 1 for rows without entries, and
        for those that hold of themselves
    """

    def __init__(self, rows: SlotRows, *, alone: bool = False, shared: bool = False) -> None:
        column, row = _equilibrated(rows, alone=alone, shared=shared)
        if shared and column.max(initial=1.0) > FARTHEST * column.min(initial=1.0):
            column, row = _equilibrated(rows, alone=alone, shared=False)
        filled, first = np.diff(rows.form.F.indptr) > 0, rows.form.slots.sided
        for _, at in rows.cones:
            in_cone = np.where(filled[at - first], row[at], np.inf).min(axis=1, keepdims=True, initial=np.inf)
            row[at] = np.where(np.isfinite(in_cone), in_cone, 1.0)
        self.column: FloatArray = column
        self.row: FloatArray = row


def both_scales(rows: SlotRows) -> list[Scales]:
    """Those that are not `shared`, and those that are where they differ, which takes rows with one entry.

    They are made once for the matrices of a form: solvers ask for them, and those who check their answers.

    Parameters
    ----------
    rows : of the form as it is now
    """
    memo = rows.form.products.memo
    if both_scales not in memo or not np.array_equal(memo[both_scales][0], rows.is_held):
        memo[both_scales] = rows.is_held, _both_scales(rows)
    scales: list[Scales] = memo[both_scales][1]
    return scales


def _both_scales(rows: SlotRows) -> list[Scales]:
    first = Scales(rows)
    held, bounded, _ = rows.form.slots.parts(rows.is_held)
    F, P = rows.form.F, rows.form.P
    singles = (np.diff(rows.form.A.indptr) == 1) & held, np.diff(F.indptr) == 1, np.diff(P.indptr) == 1
    if not (bounded.any() or any(single.any() for single in singles)):
        return [first]
    other = Scales(rows, shared=True)
    differ = (other.column != first.column).any() or (other.row != first.row).any()
    return [first, other] if differ else [first]


def _equilibrated(rows: SlotRows, *, alone: bool, shared: bool) -> tuple[FloatArray, FloatArray]:
    form = rows.form
    held, bounded, _ = rows.form.slots.parts(rows.is_held)
    lines = [(each, each.telling(shared=shared)) for each in (rows.lines.A, rows.lines.F)]
    lines[0] = rows.lines.A, lines[0][1] & held
    if form.P.nnz and not alone:
        lines.append((rows.lines.P, rows.lines.P.telling(shared=shared)))
    column, scales = equilibrated(lines, form.n, None if shared else bounded)
    return column, np.concatenate([np.where(held, scales[0], 1.0), np.where(bounded, scales[-1], 1.0), scales[1]])
