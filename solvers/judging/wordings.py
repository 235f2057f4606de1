"""The same form in other words, for a library that stumbled over the ones it was given.

Two things are said otherwise, and only where a first run came to no end that can be checked:

* *far bounds*: a number such as 1e8 or 1e20 that means "no bound" spoils the scaling and the tolerances of all others.
  These sides are left out, and put to the test by the solution: if it satisfies them, it is the solution with them, and
  their duals are zero. A proof that there is no feasible point needs no such test.
* *units*: rows, columns and objective are multiplied by powers of two (so exactly) until their largest entries are near
  one, and then until what the bounds tell of the solution is, too: once with the bounds of columns among the rows, once
  without, as a row with one entry fits its variable in any unit and keeps from sight that of its other rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from ...modelkit.arrays import FloatArray
from ...modelkit.form import Form
from ...modelkit.form.scales import Scales, both_scales
from ...modelkit.form.slot_rows import SlotRows
from ...modelkit.form.units import power_of_two, size_of_solution
from ...modelkit.sizes import largest_size

__all__ = ["Oddness", "Wording", "is_odd", "wordings"]

_FAR = 1e7
"""Bounds this many times as far as the unit in which rows and columns are near one, and as a quarter of all numbers."""
_ODD = 2.0**10
"""Factor between units from which a library's own scaling is not relied on."""
_Mask = NDArray[np.bool_]


@final
@dataclass(frozen=True, slots=True, eq=False)
class Wording:
    """A form, and how its answer becomes one of the original: ``column * x`` and ``slot * dual``."""

    form: Form
    column: FloatArray
    slot: FloatArray


@final
class Oddness:
    """Whether there are far bounds or odd units in a form, as far as all but the costs tell it.

    Parameters
    ----------
    rows : of the form
    """

    def __init__(self, rows: SlotRows) -> None:
        scales = both_scales(rows)
        if np.array_equal(scales[0].column, scales[-1].column):
            scales = scales[:1]
        numbers = rows.constants()
        self._units = [(each.column, each.row * numbers, rows.lines.P.largest_square(each.column)) for each in scales]
        self._without_costs = any(_are_odd(rows, each) for each in scales)
        self._known: tuple[FloatArray, bool] | None = None

    def with_costs(self, form: Form) -> bool:
        """Whether there are with the costs that the form has now."""
        if self._without_costs:
            return True
        if self._known is None or not np.array_equal(self._known[0], form.q):
            sizes = (_objective_unit(curvature, form.q, D) for D, _, curvature in self._units)
            solutions = (size_of_solution(most, form.q, D, numbers) for D, numbers, most in self._units)
            found = any(not 1.0 / _ODD <= size <= _ODD for size in (*sizes, *solutions))
            self._known = form.q.copy(), found
        return self._known[1]


def is_odd(rows: SlotRows) -> bool:
    """Whether there are far bounds or odd units in a form."""
    return Oddness(rows).with_costs(rows.form)


def _are_odd(rows: SlotRows, scales: Scales) -> bool:
    every = np.concatenate([scales.column, scales.row])
    return bool(every.max() > _ODD or every.min() < 1.0 / _ODD or np.any(_far(rows, scales)))


def wordings(rows: SlotRows) -> Iterator[Wording]:
    """The other wordings of a form, as far as they differ from it."""
    form = rows.form
    scales = Scales(rows)
    far = _far(rows, scales)
    if np.any(far):
        m, (low, high) = form.m, far
        form = form.with_numbers(
            row_lower=np.where(low[:m], -np.inf, form.row_lower),
            row_upper=np.where(high[:m], np.inf, form.row_upper),
            lower=np.where(low[m:], -np.inf, form.lower),
            upper=np.where(high[m:], np.inf, form.upper),
        )
        yield Wording(form, np.ones(form.n), np.ones(form.slots.size))
        rows = rows.with_form(form)
        scales = Scales(rows)
    yielded: list[Wording] = []
    for units in (scales, Scales(rows, shared=True)):
        for size in dict.fromkeys((1.0, _size_of_solution(rows, units))):
            way = _in_units(rows, units, size)
            if way is not None and not any(_same(way, other) for other in yielded):
                yielded.append(way)
                yield way


def _same(one: Wording, other: Wording) -> bool:
    return np.array_equal(one.column, other.column) and np.array_equal(one.slot, other.slot)


def _in_units(rows: SlotRows, scales: Scales, size: float) -> Wording | None:
    """The form in these units, in which its objective and a solution of this size are near one; None if it is."""
    form, D, E = rows.form, scales.column * size, scales.row / size
    unit = _objective_unit(rows.lines.P.largest_square(D), form.q, D)
    of_rows, _, of_cones = form.slots.parts(E)
    if (D == 1.0).all() and (of_rows == 1.0).all() and (of_cones == 1.0).all() and unit == 1.0:
        return None
    slot = form.slots.joined(of_rows, 1.0 / D, of_cones) / unit
    return Wording(_multiplied(form, D, of_rows, of_cones, unit), D, slot)


def _multiplied(form: Form, D: FloatArray, rows: FloatArray, cones: FloatArray, unit: float) -> Form:
    """The form with columns, rows, rows of cones and the objective multiplied."""
    terms = None
    if form.curvature is not None:
        c = form.curvature
        terms = [(c.row, c.first, c.second, c.coef * rows[c.row] * D[c.first] * D[c.second])]
    return form.with_numbers(
        P=form.P.data * (unit * D[form.P.indices] * np.repeat(D, np.diff(form.P.indptr))),
        q=unit * D * form.q,
        r=unit * form.r,
        lower=form.lower / D,
        upper=form.upper / D,
        A=form.A.data * (D[form.A.indices] * np.repeat(rows, np.diff(form.A.indptr))),
        row_lower=rows * form.row_lower,
        row_upper=rows * form.row_upper,
        F=form.F.data * (D[form.F.indices] * np.repeat(cones, np.diff(form.F.indptr))),
        g=cones * form.g,
        curvature=terms,
    )


def _objective_unit(curvature: float, q: FloatArray, D: FloatArray) -> float:
    largest = curvature if curvature > 0.0 else largest_size(D * q)
    return float(power_of_two(np.array([largest]))[0])


def _size_of_solution(rows: SlotRows, scales: Scales) -> float:
    """Where the units tell nothing of it; 1 where it is usual."""
    form = rows.form
    curvature = rows.lines.P.largest_square(scales.column)
    size = size_of_solution(curvature, form.q, scales.column, scales.row * rows.constants())
    return 1.0 if 1.0 / _ODD <= size <= _ODD else size


def _far(rows: SlotRows, scales: Scales) -> tuple[_Mask, _Mask]:
    """Which lower and which upper sides (m + n,) are far on the side where all is."""
    sided = rows.form.slots.sided
    E, lower, upper = scales.row[:sided], rows.lower[:sided], rows.upper[:sided]
    is_equal, has_lower, has_upper = lower == upper, np.isfinite(lower), np.isfinite(upper) & (lower != upper)
    below, above = -E * np.where(has_lower, lower, 0.0), E * np.where(has_upper, upper, 0.0)
    if max(below.max(initial=0.0), above.max(initial=0.0)) <= _FAR:  # as is most often the case
        nothing = np.zeros(sided, bool)
        return nothing, nothing
    numbers = np.concatenate([below[has_lower], above[has_upper], scales.row[sided:] * rows.form.g])
    usual = float(np.quantile(np.abs(numbers), 0.25)) if len(numbers) else 0.0
    farthest = _FAR * max(1.0, usual)
    return (below > farthest) & ~is_equal, above > farthest
