"""What HiGHS has loaded of a form, in which units, and how a change of the form is written into it.

HiGHS' tolerances are absolute, and smaller entries than 1e-12 count as zero. So its method for quadratic programs
always sees rows and columns near one (of 60 programs with rows of 256 it called 20 optimal at another point), simplex
and interior point where units are odd, branch and bound rows that are too small. Scales are powers of two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import scipy.sparse as sp

from ...modelkit.arrays import FloatArray, Growable, IntArray
from ...modelkit.errors import InvalidData, UnsupportedObjective
from ...modelkit.form import BINARY_BOX, Discreteness, Form, Journal
from ...modelkit.form.units import Lines, equilibration, power_of_two, size_of_solution
from ..options import load_library

__all__ = ["Loaded", "Translation"]

_SEMI_LIMIT = 1e5  # HiGHS' kMaxSemiVariableUpper
_INT = np.int32
_ODD, _GROWN = 2.0**10, 2.0**7
"""Scales from which units are odd; entries from which units have changed since they were chosen."""
_SMALLEST = 1e-11  # of an entry: HiGHS drops those below 1e-12
_QUICK = 20_000  # entries; a solve is over before anyone presses Ctrl-C
_MANY = 200
"""Entries, at least and in 1 of 20, from which a matrix is passed on as a whole: one takes about 5 µs by itself."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Translation:
    """What HiGHS has of a form: ``x / column``, rows times `row`, the objective times `unit`; None is ones."""

    column: FloatArray | None
    row: FloatArray | None
    unit: float

    def point(self, x: FloatArray) -> FloatArray:
        """Values of the form's columns."""
        return x if self.column is None else self.column * x

    def duals(self, y: FloatArray, z: FloatArray) -> FloatArray:
        """Duals over the form's slots."""
        y, z = y if self.row is None else self.row * y, z if self.column is None else z / self.column
        return np.concatenate([y, z]) / self.unit


@final
class Loaded:
    """A form within a HiGHS handle.

    Parameters
    ----------
    handle : _Highs, its model empty
    form : Form
    may_scale : whether columns and objective may be scaled

    Attributes
    ----------
    n, m : number of columns and rows
    curved, discrete : whether there is a quadratic objective, and whether some column is integer or semicontinuous
    quick : whether a solve is over before anyone presses Ctrl-C
    column, row, unit : what HiGHS has is ``x / column``, rows times `row`, and the objective times `unit`
    is_scaled : whether columns are
    has_odd_units : whether numbers of the form are far from one
    """

    def __init__(self, handle: Any, form: Form, *, may_scale: bool = True) -> None:
        self.handle, self.may_scale = handle, may_scale
        self.n, self.m = form.n, form.m
        self._look(form)
        _check_semi(form, np.arange(form.n))
        A, column, row = form.A, np.ones(form.n), np.ones(form.m)
        scales = None
        if may_scale and not self.discrete:
            scales = _scales(form, curved=self.curved)
        self.is_scaled = scales is not None
        self._size = 1.0
        self.has_odd_units = scales is not None and _are_odd(*scales[:2])
        if scales is not None:
            column, row, self._size = scales
        else:
            row = _row_scales(A.indptr, A.data)
        self._column, self._row = Growable(np.float64), Growable(np.float64)
        self._column.extend(column)
        self._row.extend(row)
        self._rows_plain = bool((row == 1.0).all())
        self._choose_unit(form)
        self._cost = Growable(np.float64)
        self._add_columns(form, 0)
        self._add_rows(form, 0)
        handle.changeObjectiveOffset(self.unit * form.r)
        if self.curved:
            self._pass_hessian(form)
        self._count()

    # ------------------------------------------------------------------ reading
    @property
    def column(self) -> FloatArray:
        """Scales of the columns, (n,)."""
        return self._column.view

    @property
    def row(self) -> FloatArray:
        """Scales of the rows, (m,)."""
        return self._row.view

    @property
    def cost(self) -> FloatArray:
        """The costs that HiGHS has, (n,)."""
        return self._cost.view

    @property
    def in_other_units(self) -> bool:
        """Whether HiGHS sees other columns, or another objective, than the form has."""
        return self.is_scaled or self.unit != 1.0

    def hessian(self, form: Form) -> sp.csc_array | None:
        """The matrix P that HiGHS has, or None."""
        if not self.curved:
            return None
        P, column = form.P, self.column
        data = P.data * (self.unit * column)[P.indices] * np.repeat(column, np.diff(P.indptr))
        return sp.csc_array((data, P.indices, P.indptr), P.shape)

    def translation(self) -> Translation:
        """From what HiGHS has to the form, as they are now."""
        row = None if self._rows_plain else self.row
        return Translation(self.column if self.is_scaled else None, row, self.unit)

    # ------------------------------------------------------------------ changing
    def update(self, form: Form, journal: Journal) -> bool:
        """Write changes of the form; False if it must be loaded anew, in other units."""
        n, m, was_curved, was_discrete = self.n, self.m, self.curved, self.discrete
        kinds = journal.kinds
        if journal.has_curvature or len(kinds):
            self._look(form)
        if self.discrete:
            _check_semi(form, np.union1d(kinds, journal.bounds))
        grew = form.n > n or form.m > m
        if self.in_other_units and (self.discrete or (self.is_scaled and grew)):
            return False
        if self.may_scale and ((self.curved and not was_curved) or (was_discrete and not self.discrete)):
            return False
        if self.is_scaled and _size(form, self.column / self._size, self.row * self._size) != self._size:
            return False
        rows, columns, values = journal.entries
        if len(values) > _MANY and len(values) > len(form.A.data) // 20:
            return False
        self.n, self.m = form.n, form.m
        if form.n > n:
            self._column.extend(np.ones(form.n - n))
        has_objective = journal.has_costs or journal.has_curvature
        if has_objective:
            self._choose_unit(form)
        if form.n > n:
            self._add_columns(form, n)
        self._write_columns(form, journal.bounds, kinds, n)
        if form.m > m:
            self._row.extend(self._scales_of_new(form, m))
            self._add_rows(form, m)
        if len(values) and not self._write_entries(rows, columns, values, m):
            return False
        self._write_sides(form, journal.sides, m)
        if has_objective:
            self._write_objective(form, was_curved, journal.has_curvature)
        self._count()
        return True

    def start_from(self, basis: Any, form: Form) -> None:
        """Start from a basis of the form that may lack its last rows and columns."""
        names, count = load_library("highspy").HighsBasisStatus, len(basis.col_status)
        lower, upper = np.isfinite(form.lower[count:]).tolist(), np.isfinite(form.upper[count:]).tolist()
        basis.col_status = basis.col_status + [
            names.kLower if low else names.kUpper if high else names.kZero
            for low, high in zip(lower, upper, strict=True)
        ]
        basis.row_status = basis.row_status + [names.kBasic] * (self.m - len(basis.row_status))
        self.handle.setBasis(basis)

    def _look(self, form: Form) -> None:
        """Note which kind of program it is, and refuse what HiGHS lacks."""
        self.curved, self.discrete = bool(form.P.data.any()), form.is_discrete
        if self.curved and self.discrete:
            raise UnsupportedObjective(
                "HiGHS takes no quadratic objective together with integer or semicontinuous variables; "
                "make the objective linear, or drop the integrality."
            )

    def _count(self) -> None:
        self.quick = not self.discrete and self.handle.getNumNz() < _QUICK

    # ------------------------------------------------------------------ columns
    def _boxed(self, form: Form, at: Any) -> tuple[FloatArray, FloatArray]:
        """Bounds of columns, binary ones within [0, 1]."""
        lower, upper = form.lower[at], form.upper[at]
        if self.is_scaled:
            lower, upper = lower / self.column[at], upper / self.column[at]
        elif self.discrete:
            binary = form.binary[at]
            lower = np.where(binary, np.maximum(lower, BINARY_BOX[0]), lower)
            upper = np.where(binary, np.minimum(upper, BINARY_BOX[1]), upper)
        return lower, upper

    def _add_columns(self, form: Form, first: int) -> None:
        count, none = self.n - first, np.zeros(0, _INT)
        if count:
            new = slice(first, self.n)
            cost = self._costs(form, new)
            self._cost.extend(cost)
            outcome = self.handle.addCols(count, cost, *self._boxed(form, new), 0, none, none, np.zeros(0))
            _check(outcome, "variables")
            if self.discrete:
                self._write_kinds(form, first + np.flatnonzero(form.discreteness[new]))

    def _write_columns(self, form: Form, bounded: IntArray, kinds: IntArray, old: int) -> None:
        kinds = kinds[kinds < old]
        if len(kinds):
            self._write_kinds(form, kinds)
            bounded = np.union1d(bounded, kinds)
        count = int(np.searchsorted(bounded, old))
        if count == 1:
            j = int(bounded[0])
            lower, upper = self._boxed(form, bounded[:1])
            _check(self.handle.changeColBounds(j, lower.item(), upper.item()), "variables")
        elif count:
            bounded = bounded[:count]
            _check(self.handle.changeColsBounds(count, bounded.astype(_INT), *self._boxed(form, bounded)), "variables")

    def _write_kinds(self, form: Form, columns: IntArray) -> None:
        if len(columns):
            types = _TYPES[form.discreteness[columns]]
            _check(self.handle.changeColsIntegrality(len(columns), columns.astype(_INT), types), "variables")

    # ------------------------------------------------------------------ rows
    def _scales_of_new(self, form: Form, first: int) -> FloatArray:
        starts, _, data = form.rows_from(first)
        row = _row_scales(starts, data)
        self._rows_plain &= bool((row == 1.0).all())
        return row

    def _add_rows(self, form: Form, first: int) -> None:
        count = self.m - first
        if count:
            starts, indices, data = form.rows_from(first)
            lower, upper = form.row_lower[first:], form.row_upper[first:]
            if not self._rows_plain:
                row = self.row[first:]
                lower, upper, data = row * lower, row * upper, data * np.repeat(row, np.diff(starts))
            if self.is_scaled:
                data = data * self.column[indices]
            at = starts[:-1].astype(_INT), indices.astype(_INT)
            _check(self.handle.addRows(count, lower, upper, len(data), *at, data), "constraints")

    def _write_sides(self, form: Form, rows: IntArray, old: int) -> None:
        count = int(np.searchsorted(rows, old))
        rows = rows[:count]
        if not count:
            return
        lower, upper = form.row_lower[rows], form.row_upper[rows]
        if not self._rows_plain:
            lower, upper = self.row[rows] * lower, self.row[rows] * upper
        if count == 1:
            _check(self.handle.changeRowBounds(int(rows[0]), lower.item(), upper.item()), "constraints")
        else:
            _check(self.handle.changeRowsBounds(count, rows.astype(_INT), lower, upper), "constraints")

    def _write_entries(self, rows: IntArray, columns: IntArray, values: FloatArray, old: int) -> bool:
        """Coefficients, one by one; False if one is out of the units in which the form was loaded."""
        if not self._rows_plain:
            values = values * self.row[rows]
        if self.is_scaled:
            values = values * self.column[columns]
        size = np.abs(values)
        if (self.is_scaled and size.max() > _GROWN) or ((size > 0.0) & (size < _SMALLEST)).any():
            return False
        change = self.handle.changeCoeff
        for row, column, value in zip(rows.tolist(), columns.tolist(), values.tolist(), strict=True):
            if row < old and int(change(row, column, value)) < 0:
                return False  # loading says what HiGHS does not like
        return True

    # ------------------------------------------------------------------ objective
    def _choose_unit(self, form: Form) -> None:
        """For the objective: of quadratic ones always, of others where it is odd."""
        self.unit = 1.0
        if not self.may_scale or self.discrete:
            return
        if self.curved:
            P, column = form.P, self.column
            sizes = np.abs(P.data) * column[P.indices] * np.repeat(column, np.diff(P.indptr))
        else:
            sizes = np.abs(self.column * form.q if self.is_scaled else form.q)
        unit = float(power_of_two(sizes.max(keepdims=True, initial=0.0))[0])
        if self.curved or not 1.0 / _ODD <= unit <= _ODD:
            self.unit = unit

    def _costs(self, form: Form, at: slice) -> FloatArray:
        q: FloatArray = form.q[at]
        if self.is_scaled:
            q = self.column[at] * q
        return q if self.unit == 1.0 else self.unit * q

    def _write_objective(self, form: Form, was_curved: bool, has_curvature: bool) -> None:
        cost, present = self._costs(form, slice(None)), self._cost.view
        moved = np.flatnonzero(cost != present)
        if len(moved) == 1:
            j = int(moved[0])
            _check(self.handle.changeColCost(j, cost.item(j)), "objective")
        elif len(moved):
            _check(self.handle.changeColsCost(len(moved), moved.astype(_INT), cost[moved]), "objective")
        present[:] = cost
        self.handle.changeObjectiveOffset(self.unit * form.r)
        if has_curvature and (self.curved or was_curved):
            self._pass_hessian(form)

    def _pass_hessian(self, form: Form) -> None:
        P = self.hessian(form)
        starts, indices, data = np.zeros(self.n + 1, _INT), np.zeros(0, _INT), np.zeros(0)
        if P is not None:  # its lower triangle
            column = np.repeat(np.arange(self.n), np.diff(P.indptr))
            lower = np.flatnonzero((P.indices >= column) & (P.data != 0.0))
            starts[1:] = np.cumsum(np.bincount(column[lower], minlength=self.n))
            indices, data = P.indices[lower].astype(_INT), P.data[lower]
        _check(self.handle.passHessian(self.n, len(data), 1, starts, indices, data), "objective")


_TYPES = np.zeros(4, np.uint8)  # HighsVarType of each `Discreteness`
_TYPES[[Discreteness.INTEGER, Discreteness.SEMICONTINUOUS, Discreteness.SEMIINTEGER]] = 1, 2, 3


def _check_semi(form: Form, columns: IntArray) -> None:
    kinds = form.discreteness[columns]
    semi = columns[(kinds == Discreteness.SEMICONTINUOUS) | (kinds == Discreteness.SEMIINTEGER)]
    bad = semi[(form.lower[semi] < 0) | (form.upper[semi] > _SEMI_LIMIT)]
    if len(bad):
        j = bad[0]
        name = "Semiinteger" if form.discreteness[j] == Discreteness.SEMIINTEGER else "Semicontinuous"
        raise InvalidData(
            f"HiGHS takes a {name} only with 0 <= lower <= upper <= {_SEMI_LIMIT:g}, "
            f"got {name}({form.lower[j].item()!r}, {form.upper[j].item()!r}); scale the variable, or write the "
            "function 1.0 * x, which becomes rows with a binary variable."
        )


def _scales(form: Form, *, curved: bool) -> tuple[FloatArray, FloatArray, float] | None:
    """Scales of columns and rows of a continuous program, and the size in them; None if they are to stay."""
    column, row = equilibration(form.A, form.P if curved else None)
    size = _size(form, column, row)
    keep = not (curved or size < 1.0 or _are_odd(column, row))
    return None if keep else (column * size, row / size, size)


def _are_odd(*scales: FloatArray) -> bool:
    return any(s.max(initial=1.0) > _ODD or s.min(initial=1.0) < 1.0 / _ODD for s in scales)


def _size(form: Form, column: FloatArray, row: FloatArray) -> float:
    """Of the solution in equilibrated units; 1 where it is not odd."""
    sides, box = (row * form.row_lower, row * form.row_upper), (form.lower / column, form.upper / column)
    size = size_of_solution(Lines(form.P).largest_square(column), form.q, column, np.concatenate([*sides, *box]))
    return 1.0 if 1.0 / _ODD <= size <= _ODD else size


def _row_scales(starts: IntArray, data: FloatArray) -> FloatArray:
    """Scales of rows that are too small; 1 for others."""
    largest, filled = np.zeros(len(starts) - 1), np.flatnonzero(np.diff(starts))
    if len(filled):
        largest[filled] = np.maximum.reduceat(np.abs(data), starts[filled])
    own = power_of_two(largest)
    return np.where(own > _ODD, own, 1.0)


def _check(outcome: Any, what: str) -> None:
    if int(outcome) < 0:
        raise InvalidData(
            f"HiGHS refuses the {what}: numbers beyond its limits (see its options large_matrix_value and "
            "infinite_cost). Scale the model."
        )
