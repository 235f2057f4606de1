"""The same program in other words, for a library that stumbled over the ones it was given.

Two things are said otherwise, and only where a first run came to no end that can be checked:

* *far bounds*: a number such as 1e8 or 1e20 that means "no bound" spoils the scaling and the tolerances of all others.
  The rows are left out, and put to the test by the solution: if it satisfies them, it is the solution with them, and
  their duals are zero. A proof that there is no feasible point needs no such test.
* *units*: rows, columns and objective are multiplied by powers of two (so exactly) until their largest entries are near
  one; and then until what the bounds tell of the solution is, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ..modelkit.arrays import FloatArray
from ..modelkit.block import SetBlock
from ..modelkit.form_rows import FormRows, is_box
from ..modelkit.matrix_form import MatrixForm, Part
from ..modelkit.sets import Nonnegatives
from ..modelkit.sizes import largest_size
from ..modelkit.units import Units, power_of_two, size_of_solution

__all__ = ["Wording", "is_odd", "wordings"]

_FAR = 1e7
"""Bounds this many times as far as the unit in which rows and columns are near one, and as a quarter of all numbers."""
_ODD = 2.0**10
"""Factor between units from which a library's own scaling is not relied on."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Wording:
    """A form, and how its answer becomes one of the original: ``column * x`` and ``row * y``."""

    form: MatrixForm
    column: FloatArray
    row: FloatArray


def is_odd(form: MatrixForm) -> bool:
    """Whether there are far bounds or odd units in a form."""
    rows = FormRows(form)
    units = Units(rows)
    size = _size_of_solution(rows, units)
    scales = np.concatenate([units.column, units.row, [_objective_unit(form, units.column), size]])
    return bool(scales.max() > _ODD or scales.min() < 1.0 / _ODD or _far(rows, units).any())


def wordings(form: MatrixForm) -> Iterator[Wording]:
    """The other wordings of a form, as far as they differ from it."""
    rows = FormRows(form)
    units = Units(rows)
    far, near = _far(rows, units), form
    if far.any():
        near = _without(form, far)
        yield Wording(near, np.ones(form.n), np.where(far, 0.0, 1.0))
        rows = FormRows(near)
        units = Units(rows)
    for size in dict.fromkeys((1.0, _size_of_solution(rows, units))):
        D, E = units.column * size, units.row / size
        unit = _objective_unit(near, D)
        if (D != 1.0).any() or (E != 1.0).any() or unit != 1.0:
            yield Wording(_scaled(near, D, E, unit), D, np.where(far, 0.0, E / unit))


def _scaled(form: MatrixForm, D: FloatArray, E: FloatArray, unit: float) -> MatrixForm:
    """Columns times D, rows times E, the objective times unit."""
    F, P = sp.csr_array(form.F.multiply(D)), sp.csc_array(form.P.multiply(D))
    F, P = sp.csr_array(F.multiply(E[:, None])), sp.csc_array(P.multiply(unit * D[:, None]))
    scaled = form.with_numbers(P, unit * D * form.q, unit * form.r, F, E * form.g)
    scaled.parts = {kind: replace(part, sets=_in_units(part, E[part.rows])) for kind, part in form.parts.items()}
    return scaled


def _in_units(part: Part, scale: FloatArray) -> SetBlock:
    """The sets of rows that are multiplied: the bounds of a box move along, and cones have none."""
    sets = part.sets
    numbers = sets.numbers * scale[:, None] if is_box(part.kind) else sets.numbers
    return SetBlock(sets.type, sets.dims, numbers, sets.shapes)


def _objective_unit(form: MatrixForm, D: FloatArray) -> float:
    entries = np.abs(form.P.data) * D[form.P.indices] * np.repeat(D, np.diff(form.P.indptr))
    largest = max(float(entries.max(initial=0.0)), largest_size(D * form.q) if not form.P.nnz else 0.0)
    return float(power_of_two(np.array([largest]))[0])


def _size_of_solution(rows: FormRows, units: Units) -> float:
    """Where the units tell nothing of it; 1 where it is usual."""
    form = rows.form
    size = size_of_solution(form.P, form.q, units.column, units.row * rows.constants())
    return 1.0 if 1.0 / _ODD <= size <= _ODD else size


def _far(rows: FormRows, units: Units) -> NDArray[np.bool_]:
    """Which rows of nonnegative cones (m,) have far bounds."""
    form = rows.form
    size, far = units.row * form.g, np.zeros(form.m, bool)
    for kind, part in form.parts.items():
        if kind[1] is Nonnegatives:
            far[part.rows] = size[part.rows] > _FAR * max(1.0, float(np.quantile(np.abs(size), 0.25)))
    return far


def _without(form: MatrixForm, far: NDArray[np.bool_]) -> MatrixForm:
    """The form with ``0 x + 1 >= 0`` in the place of some rows; the pattern stays."""
    F = form.F.copy()
    F.data = np.where(np.repeat(far, np.diff(F.indptr)), 0.0, F.data)
    return form.with_numbers(form.P, form.q, form.r, F, np.where(far, 1.0, form.g))
