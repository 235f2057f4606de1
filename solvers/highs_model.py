"""What HiGHS has loaded: which column is which variable, which row which constraint; how both change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, final

import numpy as np
import scipy.sparse as sp

from ..modelkit import attributes as attr
from ..modelkit.arrays import FloatArray, IntArray
from ..modelkit.errors import InvalidData, UnsupportedObjective
from ..modelkit.functions import VariableIndex
from ..modelkit.indices import ConstraintIndex, ConstraintIndices, Kind
from ..modelkit.matrix_form import MatrixForm, objective_matrices
from ..modelkit.modifications import Modification, ScalarCoefficientChange
from ..modelkit.naming import with_article
from ..modelkit.rows import Rows
from ..modelkit.sets import (
    EqualTo,
    GreaterThan,
    Integer,
    Interval,
    LessThan,
    Semicontinuous,
    Semiinteger,
    Set,
    ZeroOne,
)
from ..modelkit.sizes import largest_entries
from ..modelkit.store import Store
from ..modelkit.units import equilibration, power_of_two, size_of_solution
from .base import Change

__all__ = ["Loaded", "LoadedForm", "BOXES", "SEMI", "LoadedModel"]

BOXES = (GreaterThan, LessThan, EqualTo, Interval)
SEMI = (Semicontinuous, Semiinteger)
_SEMI_LIMIT = 1e5  # HiGHS' kMaxSemiVariableUpper
_INT = np.int32
_ODD, _GROWN = 2.0**10, 2.0**7
"""Scales from which units are odd; entries from which units have changed since they were chosen."""
_SMALLEST = 1e-11  # of an entry: HiGHS drops those below 1e-12
_QUICK = 20_000  # entries; a solve is over before anyone presses Ctrl-C


class Loaded:
    """What is within a HiGHS handle.

    Attributes
    ----------
    n, m : number of columns and rows
    sign : 1 to minimize, -1 to maximize; q, r and P are those of ``sign * objective``, which is minimized
    discrete : whether some column is integer or semicontinuous
    quick : whether a solve is over before anyone presses Ctrl-C
    column, row, unit : what HiGHS has is ``x / column``, rows times `row`, and the objective times `unit`

    Notes
    -----
    HiGHS' tolerances are absolute, and smaller entries than 1e-12 count as zero. So its method for quadratic programs
    always sees rows and columns near one (of 60 programs with rows of 256 it called 20 optimal at another point),
    simplex and interior point where units are odd, branch and bound rows that are too small. Scales are powers of two.
    """

    def __init__(self) -> None:
        self.n = self.m = 0
        self.P: sp.csc_array | None = None
        self.q: FloatArray = np.zeros(0)
        self.r, self.sign = 0.0, 1.0
        self.discrete, self.quick = False, True
        self.column: FloatArray = np.ones(0)
        self.row: FloatArray = np.ones(0)
        self.unit = 1.0

    @property
    def scaled_P(self) -> sp.csc_array:
        """The matrix that HiGHS has."""
        assert self.P is not None
        return sp.csc_array(self.P.multiply(self.column).multiply(self.unit * self.column[:, None]))

    def duals(self, y: FloatArray, z: FloatArray, unit: float) -> FloatArray:
        """The duals of rows, of lower and of upper bounds, given those that HiGHS has, the objective times `unit`."""
        y, z = self.row * y / unit, z / (self.column * unit)
        return np.concatenate([y, np.maximum(z, 0.0), np.minimum(z, 0.0)])

    def _choose_unit(self) -> None:
        """For the objective: of quadratic ones always, of others where it is odd."""
        assert self.P is not None
        P = self.P
        squares = np.abs(P.data) * self.column[P.indices] * np.repeat(self.column, np.diff(P.indptr))
        largest = squares if P.nnz else np.abs(self.column * self.q)
        unit = power_of_two(largest.max(keepdims=True)) if largest.size else np.ones(1)
        self.unit = float(unit[0]) if P.nnz or not 1.0 / _ODD <= unit[0] <= _ODD else 1.0


@final
class LoadedModel(Loaded):
    """A store's model within a HiGHS handle, columns and rows in order of creation.

    Parameters
    ----------
    store : Store
    handle : _Highs, its model empty
    may_scale : whether columns and objective may be scaled

    Attributes
    ----------
    grown, objective_stale : whether `append` and `write_objective` are due
    is_scaled : whether columns are
    """

    def __init__(self, store: Store, handle: Any, *, may_scale: bool = True) -> None:
        super().__init__()
        self.store, self.handle, self.may_scale, self.is_scaled = store, handle, may_scale, False
        self._variables = 0  # how many variables and constraints of the store HiGHS has seen
        self._seen: dict[Kind, int] = {}
        self._column: IntArray = np.zeros(0, np.int64)  # by number of the variable
        self._row: dict[Kind, IntArray] = {}  # by number of the constraint
        self._box = np.zeros((2, 0))  # bounds of the columns
        self._flags = np.zeros((3, 0), bool)  # integer, semicontinuous, binary columns
        self.grown = self.objective_stale = True

    # ------------------------------------------------------------------ additions
    def append(self) -> None:
        """Pass on the variables and constraints that HiGHS has not seen."""
        store, handle, old = self.store, self.handle, self.n
        ids = store.variable_ids(self._variables)
        added = np.full(store.variable_count - self._variables, -1, np.int64)
        added[ids - store.base - self._variables] = np.arange(old, old + len(ids))
        self._column = np.concatenate([self._column, added])
        self._variables = store.variable_count
        self.n = n = old + len(ids)
        self.objective_stale |= len(ids) > 0
        self._box = np.hstack([self._box, np.full((2, len(ids)), [[-np.inf], [np.inf]])])
        self._flags = np.hstack([self._flags, np.zeros((3, len(ids)), bool)])
        touched: list[IntArray] = []
        rows: list[Rows] = []
        boxes: list[Any] = []
        for kind in store.kinds():
            first, total = self._seen.get(kind, 0), store.block(kind).total
            if first == total:
                continue
            self._seen[kind] = total
            block, numbers = store.block(kind).snapshot(first)
            if kind[0] is VariableIndex:
                columns = self.columns(block.rows.var)
                self._place(kind[1], columns, block.sets.numbers)
                touched.append(columns)
                continue
            at = np.full(total - first, -1, np.int64)
            at[numbers - first] = np.arange(self.m, self.m + len(numbers))
            self._row[kind] = np.concatenate([self._row.get(kind, np.zeros(0, np.int64)), at])
            self.m += len(numbers)
            rows.append(block.rows)
            boxes.append(np.array(kind[1].bounds(block.sets.numbers)) - block.rows.constant)
        none = np.zeros(0, _INT)
        A = Rows.stack(rows).matrix(self.columns, n) if rows else sp.csr_array((0, n))
        bounds = np.hstack(boxes) if rows else np.zeros((2, 0))
        self._choose_scales(A, bounds, old)
        if len(ids):
            box = self._boxed(np.arange(old, n))
            _check(handle.addCols(len(ids), np.zeros(len(ids)), *box, 0, none, none, np.zeros(0)), "variables")
        columns = np.unique(np.concatenate([np.zeros(0, np.int64), *touched]))
        self._write_columns(columns[columns < old], columns[self._flags[:, columns].any(axis=0)])
        if rows:
            row = self.row[-A.shape[0] :]
            A, box = _scaled(A, row, self.column), row * bounds
            starts, indices = A.indptr[:-1].astype(_INT), A.indices.astype(_INT)
            _check(handle.addRows(A.shape[0], *box, A.nnz, starts, indices, A.data), "constraints")
        self.discrete, self.grown = bool(self._flags.any()), False
        self.quick = not self.discrete and handle.getNumNz() < _QUICK

    def _choose_scales(self, A: sp.csr_array, bounds: FloatArray, old: int) -> None:
        """For new columns and rows, those in A."""
        is_first, discrete = old == 0, bool(self._flags.any())
        column, row = np.ones(self.n), np.ones(A.shape[0])
        if is_first and self.may_scale and not discrete:
            _, P, q, _ = self._read_objective()
            scales = _scales(A, P, q, bounds, self._box)
            if scales is not None:
                (column, row), self.is_scaled = scales, True
        if not self.is_scaled:
            own = power_of_two(largest_entries(A))
            row = np.where(own > _ODD, own, 1.0)
        self.column = column if is_first else np.concatenate([self.column, np.ones(self.n - old)])
        self.row = np.concatenate([self.row, row])

    @property
    def is_outgrown(self) -> bool:
        """Whether the model must be loaded anew, in other units."""
        if self.is_scaled:
            return self.grown
        block = self.store.objective_block
        if block is None or not (self.objective_stale and self.may_scale and self.n) or self._flags.any():
            return False
        return bool(block.all_rows().qcoef.any())

    def _place(self, set_type: type[Set], columns: IntArray, numbers: FloatArray) -> None:
        """Note what sets of one type say of columns."""
        if set_type in (Integer, ZeroOne, Semiinteger):
            self._flags[0, columns] = True
        if set_type is ZeroOne:
            self._flags[2, columns] = True
        if set_type in SEMI:
            self._flags[1, columns] = True
            bad = (numbers[:, 0] < 0) | (numbers[:, 1] > _SEMI_LIMIT)
            if bad.any():
                given = set_type.build((1,), numbers[bad][:1])
                raise InvalidData(
                    f"HiGHS takes {with_article(set_type.__name__)} only with 0 <= lower <= upper <= {_SEMI_LIMIT:g}, "
                    f"got {given!r}; scale the variable, or write the function 1.0 * x, which becomes rows with a "
                    "binary variable."
                )
        if set_type in (GreaterThan, EqualTo, Interval, *SEMI):
            self._box[0, columns] = numbers[:, 0]
        if set_type in (LessThan, EqualTo, Interval, *SEMI):
            self._box[1, columns] = numbers[:, -1]

    def _boxed(self, columns: IntArray) -> FloatArray:
        """Bounds of columns, binary ones within [0, 1]."""
        box, binary = self._box[:, columns], self._flags[2, columns]
        box = box / self.column[columns]
        box[0] = np.where(binary, np.maximum(box[0], 0.0), box[0])
        box[1] = np.where(binary, np.minimum(box[1], 1.0), box[1])
        return box

    def _write_columns(self, bounded: IntArray, discrete: IntArray) -> None:
        if len(bounded):
            self.handle.changeColsBounds(len(bounded), bounded.astype(_INT), *self._boxed(bounded))
        if len(discrete):
            types = (self._flags[0, discrete] + 2 * self._flags[1, discrete]).astype(np.uint8)  # HighsVarType
            self.handle.changeColsIntegrality(len(discrete), discrete.astype(_INT), types)

    # ------------------------------------------------------------------ changes
    def change(self, what: str, index: ConstraintIndex, changes: Sequence[Modification]) -> None:
        """Write what changed of one constraint, which the store has already."""
        kind = index.kind
        number = self.store.number(index)
        if number >= self._seen.get(kind, 0):
            return  # not passed on yet
        if what is Change.COEFFICIENTS and self.grown:
            self.append()  # the coefficient may be of a new variable
        block, handle = self.store.block(kind), self.handle
        if kind[0] is VariableIndex:
            columns = self.columns(np.array([index.value]))
            self._place(kind[1], columns, block.all_numbers[number : number + 1])
            self._write_columns(columns, columns[:0])
            return
        row, constant = self._row[kind].item(number), block.constants.item(number)
        if what is Change.COEFFICIENTS:
            for column, value in self._new_coefficients(index, row, changes).items():
                self._write_coefficient(row, column, value)
        numbers, scale = block.all_numbers[number].tolist(), self.row[row]
        lower = -np.inf if kind[1] is LessThan else numbers[0]
        upper = np.inf if kind[1] is GreaterThan else numbers[-1]
        handle.changeRowBounds(row, scale * (lower - constant), scale * (upper - constant))

    def change_numbers(self, indices: ConstraintIndices) -> None:
        """Write the bounds of many constraints, which the store has already."""
        kind, numbers = indices.kind, self.store.numbers(indices)
        numbers = numbers[numbers < self._seen.get(kind, 0)]  # others are not passed on yet
        block = self.store.block(kind)
        if kind[0] is VariableIndex:
            columns = self.columns(block.all_rows().var[numbers])
            self._place(kind[1], columns, block.all_numbers[numbers])
            self._write_columns(columns, columns[:0])
            return
        bounds = np.array(kind[1].bounds(block.all_numbers[numbers])) - block.constants[numbers]
        bounds *= self.row[self._row[kind][numbers]]
        self.handle.changeRowsBounds(len(numbers), self._row[kind][numbers].astype(_INT), *bounds)

    def change_functions(self, indices: ConstraintIndices) -> None:
        """Write the functions of many affine constraints, which the store has already."""
        kind, numbers = indices.kind, self.store.numbers(indices)
        numbers = numbers[numbers < self._seen.get(kind, 0)]  # others are not passed on yet
        if self.grown:
            self.append()
        block, handle = self.store.block(kind), self.handle
        rows = block.all_rows().take(numbers).canonical()
        at, columns = self._row[kind][numbers], self.columns(rows.var)
        new = dict(zip(zip(at[rows.row].tolist(), columns.tolist(), strict=True), rows.coef.tolist(), strict=True))
        for row in at.tolist():
            _, old, _ = handle.getRowEntries(row)
            for column in np.asarray(old).tolist():
                new.setdefault((row, column), 0.0)
        for (row, column), value in new.items():
            self._write_coefficient(row, column, value)
        lower, upper = self.row[at] * (np.array(kind[1].bounds(block.all_numbers[numbers])) - rows.constant)
        for row, low, high in zip(at.tolist(), lower.tolist(), upper.tolist(), strict=True):
            handle.changeRowBounds(row, low, high)

    def _write_coefficient(self, row: int, column: int, value: float) -> None:
        scaled = value * self.row[row] * self.column[column]
        if (self.is_scaled and abs(scaled) > _GROWN) or 0.0 < abs(scaled) < _SMALLEST:
            raise InvalidData(f"The coefficient {value!r} is out of the units in which the model was loaded.")
        _check(self.handle.changeCoeff(row, column, scaled), "coefficient")

    def _new_coefficients(self, index: ConstraintIndex, row: int, changes: Sequence[Modification]) -> dict[int, float]:
        """Column -> new coefficient; of the whole row when its function was replaced."""
        if changes:
            single = [c for c in changes if isinstance(c, ScalarCoefficientChange)]
            columns = self.columns(np.array([c.variable.value for c in single], np.int64))
            return {j: c.new_coefficient for j, c in zip(columns.tolist(), single, strict=True)}
        _, indices, _ = self.handle.getRowEntries(row)
        rows = self.store.block(index.kind).rows(self.store.number(index)).canonical()
        old = dict.fromkeys(np.asarray(indices).tolist(), 0.0)
        return old | dict(zip(self.columns(rows.var).tolist(), rows.coef.tolist(), strict=True))

    def write_objective(self, check_convex: Callable[[sp.csc_array, float], None]) -> None:
        """Pass on the whole objective."""
        n, before = self.n, self.P
        self.sign, P, self.q, self.r = self._read_objective()
        if P.nnz and self.discrete:
            raise UnsupportedObjective(
                "HiGHS takes no quadratic objective together with integer or semicontinuous variables; "
                "make the objective linear, or drop the integrality."
            )
        check_convex(P, self.sign)
        self.P = P
        if self.may_scale and not self.discrete:
            self._choose_unit()
        cost = self.unit * self.column * self.q
        _check(self.handle.changeColsCost(n, np.arange(n, dtype=_INT), cost), "objective")
        self.handle.changeObjectiveOffset(self.unit * self.r)
        if P.nnz or (before is not None and before.nnz):
            _pass_hessian(self.handle, self.scaled_P)
        self.objective_stale = False

    def _read_objective(self) -> tuple[float, sp.csc_array, FloatArray, float]:
        """Sign, P, q and r."""
        sign = -1.0 if self.store.get(attr.ObjectiveSense()) == attr.ObjectiveSenseCode.MAX_SENSE else 1.0
        block = self.store.objective_block
        rows = Rows(np.zeros(1)) if block is None else block.all_rows()
        return sign, *objective_matrices(rows.scaled(np.array([sign])), self.columns, self.n)

    # ------------------------------------------------------------------ finding
    def columns(self, ids: IntArray) -> IntArray:
        """Columns of variables."""
        return self._column[ids - self.store.base]

    def rows(self, kind: Kind, numbers: IntArray) -> IntArray:
        """Rows of affine constraints."""
        return self._row[kind][numbers]


@final
class LoadedForm(Loaded):
    """A matrix form within a HiGHS handle: free columns, rows in zero and nonnegative cones.

    Parameters
    ----------
    form : MatrixForm
    handle : _Highs, its model empty
    """

    def __init__(self, form: MatrixForm, handle: Any) -> None:
        super().__init__()
        self.n, self.m, self.P, self.q, self.r = form.n, form.m, form.P, form.q, form.r
        bounds = np.array(form.bounds())
        scales = _scales(form.F, form.P, form.q, bounds, np.zeros((0, form.n)))
        self.column, self.row = (np.ones(form.n), np.ones(form.m)) if scales is None else scales
        self._choose_unit()
        none, free, q = np.zeros(0, _INT), np.full(form.n, np.inf), self.unit * self.column * form.q
        _check(handle.addCols(form.n, q, -free, free, 0, none, none, np.zeros(0)), "objective")
        F = _scaled(form.F, self.row, self.column)
        starts, indices = F.indptr[:-1].astype(_INT), F.indices.astype(_INT)
        _check(handle.addRows(form.m, *(self.row * bounds), F.nnz, starts, indices, F.data), "constraints")
        handle.changeObjectiveOffset(self.unit * form.r)
        if form.P.nnz:
            _pass_hessian(handle, self.scaled_P)
        self.quick = F.nnz < _QUICK


def _scales(
    A: sp.csr_array, P: sp.csc_array, q: FloatArray, rows: FloatArray, box: FloatArray
) -> tuple[FloatArray, FloatArray] | None:
    """Scales of columns and rows of a continuous program; None if they are to stay."""
    column, row = equilibration(A, P)
    numbers = np.concatenate([(row * rows).ravel(), (box / column).ravel()])
    size = size_of_solution(P, q, column, numbers)
    size = 1.0 if 1.0 / _ODD <= size <= _ODD else size
    odd = any(s.max(initial=1.0) > _ODD or s.min(initial=1.0) < 1.0 / _ODD for s in (column, row))
    return (column * size, row / size) if P.nnz or odd or size < 1.0 else None


def _scaled(A: sp.csr_array, row: FloatArray, column: FloatArray) -> sp.csr_array:
    return sp.csr_array((A.data * np.repeat(row, np.diff(A.indptr)) * column[A.indices], A.indices, A.indptr), A.shape)


def _pass_hessian(handle: Any, P: sp.csc_array) -> None:
    L = sp.csc_array(sp.tril(P, format="csc"))
    outcome = handle.passHessian(P.shape[0], L.nnz, 1, L.indptr.astype(_INT), L.indices.astype(_INT), L.data)
    _check(outcome, "objective")


def _check(outcome: Any, what: str) -> None:
    if int(outcome) < 0:
        raise InvalidData(
            f"HiGHS refuses the {what}: numbers beyond its limits (see its options large_matrix_value and "
            "infinite_cost). Scale the model."
        )
