"""Blocks: many constraints of one kind, as arrays.

`SetBlock` and `ConstraintBlock` are values, handed from model to model and through bridges. `Block` is their
growing home in a store: coordinate arrays that take one constraint at a time (through short Python lists) or a
whole `ConstraintBlock` at once.
"""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from .functions import Function
from .indices import Kind
from .monomials import Monomials
from .rows import FloatArray, IntArray, Rows, segments
from .sets import Set

__all__ = ["Block", "ConstraintBlock", "Growable", "SetBlock"]

Shapes = tuple[tuple[float, ...], ...]


@final
@dataclass(frozen=True, slots=True, eq=False)
class SetBlock:
    """k sets of one type: dimensions, shapes and stacked numbers.

    Parameters
    ----------
    type : class of the sets
    dims : array of shape (k,)
    numbers : array of shape (sum of dims, number of fields)
    shapes : k shapes, or None for scalar sets
    """

    type: builtins.type[Set]
    dims: IntArray
    numbers: FloatArray
    shapes: Shapes | None

    @staticmethod
    def of(sets: Sequence[Set]) -> SetBlock:
        """The block of these sets, all of one type."""
        kind = type(sets[0])
        dims = np.array([s.dimension for s in sets], np.int64)
        shapes = tuple(s.shape for s in sets) if kind.is_vector else None
        return SetBlock(kind, dims, np.concatenate([s.numbers for s in sets]), shapes)

    @staticmethod
    def scalar(kind: builtins.type[Set], numbers: FloatArray) -> SetBlock:
        """Scalar sets, one a row of numbers."""
        return SetBlock(kind, np.ones(len(numbers), np.int64), numbers, None)

    @property
    def count(self) -> int:
        """Number of sets."""
        return len(self.dims)

    def take(self, items: IntArray) -> SetBlock:
        """Some of the sets."""
        dims, starts = self.dims[items], np.cumsum(self.dims) - self.dims
        shapes = None if self.shapes is None else tuple(self.shapes[i] for i in items.tolist())
        return SetBlock(self.type, dims, self.numbers[segments(starts[items], dims)], shapes)

    def set(self, item: int) -> Set:
        """One of the sets."""
        stop = int(self.dims[: item + 1].sum())
        start = stop - int(self.dims[item])
        return self.type.build(self.shapes[item] if self.shapes else (1,), self.numbers[start:stop])


@final
@dataclass(frozen=True, slots=True, eq=False)
class ConstraintBlock:
    """k constraints of one kind: functions stacked row below row, and their sets."""

    function_type: type[Function]
    rows: Rows
    sets: SetBlock

    @property
    def kind(self) -> Kind:
        """(function type, set type)."""
        return self.function_type, self.sets.type

    @property
    def count(self) -> int:
        """Number of constraints."""
        return self.sets.count

    @property
    def starts(self) -> IntArray:
        """First row of each constraint, and the end: shape (k + 1,)."""
        return np.concatenate([[0], np.cumsum(self.sets.dims)]).astype(np.int64)

    def take(self, items: IntArray) -> ConstraintBlock:
        """Some of the constraints."""
        rows = segments(self.starts[:-1][items], self.sets.dims[items])
        return ConstraintBlock(self.function_type, self.rows.take(rows), self.sets.take(items))


@final
class Growable:
    """An array that grows at the end in amortized constant time."""

    __slots__ = ("_data", "_n")

    def __init__(self, dtype: Any, width: int | None = None) -> None:
        self._data: NDArray[Any] = np.zeros((0,) if width is None else (0, width), dtype)
        self._n = 0

    def extend(self, values: Any) -> None:
        """Append the values, copied."""
        count = len(values)
        need = self._n + count
        if need > len(self._data):
            grown = np.empty((max(need, 2 * len(self._data)), *self._data.shape[1:]), self._data.dtype)
            grown[: self._n] = self._data[: self._n]
            self._data = grown
        self._data[self._n : need] = values
        self._n = need

    def replace(self, values: NDArray[Any]) -> None:
        """Hold these values instead."""
        self._data, self._n = values, len(values)

    @property
    def view(self) -> NDArray[Any]:
        """The values; writing into it writes into the array."""
        return self._data[: self._n]

    def __len__(self) -> int:
        return self._n


_TERMS = (("row", np.int64), ("var", np.int64), ("coef", np.float64))
_QUADRATIC_TERMS = (("qrow", np.int64), ("qvar1", np.int64), ("qvar2", np.int64), ("qcoef", np.float64))


@final
class Block:
    """The constraints of one kind in a store, numbered 0, 1, ... in order of creation; deleted ones leave gaps.

    Terms lie sorted by row in `_terms`, except for those that modifications added, at the end (`_tail` of
    them), which are sorted in when they become many.
    """

    def __init__(self, function_type: type[Function], set_type: type[Set] | None) -> None:
        self.function_type = function_type
        self.set_type = set_type
        self._width = len(set_type.fields) if set_type is not None else 0
        self._vector = set_type is not None and set_type.is_vector
        self.by_hand = not self._vector and function_type.degree < 2  # whether rows come one at a time, as lists
        self._constant = Growable(np.float64)
        self._numbers = Growable(np.float64, self._width)
        self._starts = Growable(np.int64)  # of vector constraints; a scalar one starts at its own number
        self._shapes: list[tuple[float, ...]] = []
        self._terms = {name: Growable(dtype) for name, dtype in (*_TERMS, *_QUADRATIC_TERMS)}
        self._higher: Monomials | None = None
        self._tail = 0
        self._dead: set[int] = set()
        self._count = 0
        # scalar constraints not yet in the arrays
        self._new_lengths: list[int] = []
        self._new_ids: list[int] = []
        self._new_coefs: list[float] = []
        self._new_constants: list[float] = []
        self._new_numbers: list[float] = []

    # ------------------------------------------------------------------ growing
    def append_affine(self, ids: list[int], coefs: list[float], constant: float, numbers: tuple[float, ...]) -> int:
        """Add one constraint on a scalar affine function; returns its number."""
        # flat lists, and no reference to the function: many small objects kept alive would slow the collector
        self._new_lengths.append(len(ids))
        self._new_ids += ids
        self._new_coefs += coefs
        self._new_constants.append(constant)
        self._new_numbers += numbers
        self._count += 1
        return self._count - 1

    def append_plain(self, variable: int, numbers: tuple[float, ...]) -> None:
        """Add one constraint on a plain variable."""
        self._new_ids.append(variable)
        self._new_numbers += numbers
        self._count += 1

    def extend(self, block: ConstraintBlock) -> IntArray:
        """Add a block of constraints; returns their numbers."""
        self._settle()
        first = self._count
        offset = len(self._constant)
        if self._vector:
            self._starts.extend(block.starts[:-1] + offset)
            self._shapes.extend(block.sets.shapes or ())
        self._numbers.extend(block.sets.numbers)
        self._extend_rows(block.rows, offset)
        self._count += block.count
        return np.arange(first, self._count)

    def _extend_rows(self, rows: Rows, offset: int) -> None:
        rows = _stored(rows)
        if self._tail or np.any(rows.row[1:] < rows.row[:-1]) or np.any(rows.qrow[1:] < rows.qrow[:-1]):
            self._merge_tail()
            order, qorder = np.argsort(rows.row, kind="stable"), np.argsort(rows.qrow, kind="stable")
        else:
            order = qorder = slice(None)  # type: ignore[assignment]
        self._constant.extend(rows.constant)
        for name, _ in _TERMS:
            self._terms[name].extend(getattr(rows, name)[order] + (offset if name == "row" else 0))
        if len(rows.qrow):
            for name, _ in _QUADRATIC_TERMS:
                self._terms[name].extend(getattr(rows, name)[qorder] + (offset if name == "qrow" else 0))
        if rows.higher is not None:
            self._add_higher(rows.higher.moved(np.arange(rows.m) + offset))

    def _add_higher(self, terms: Monomials) -> None:
        self._higher = terms if self._higher is None else Monomials.stack([self._higher, terms])

    def _settle(self) -> None:
        """Move the newly written scalar constraints into the arrays."""
        if len(self._constant) == self._count or self._vector:
            return
        self._merge_tail()
        offset = len(self._constant)
        lengths = self._new_lengths
        if self.function_type.degree == 0:
            k = self._count - offset
            lengths, self._new_coefs, self._new_constants = [1] * k, [1.0] * k, [0.0] * k
        self._terms["row"].extend(np.repeat(np.arange(offset, offset + len(lengths)), lengths))
        self._terms["var"].extend(self._new_ids)
        self._terms["coef"].extend(self._new_coefs)
        self._constant.extend(self._new_constants)
        self._numbers.extend(np.array(self._new_numbers, np.float64).reshape(len(lengths), self._width))
        self._new_lengths, self._new_ids, self._new_coefs = [], [], []
        self._new_constants, self._new_numbers = [], []

    def _merge_tail(self) -> None:
        if self._tail:
            for key, names in (("row", _TERMS), ("qrow", _QUADRATIC_TERMS)):
                order = np.argsort(self._terms[key].view, kind="stable")
                for name, _ in names:
                    self._terms[name].replace(self._terms[name].view[order])
            self._tail = 0

    def extend_objective(self, rows: Rows) -> None:
        """Become the block of an objective: one row, no set."""
        self._extend_rows(rows, 0)
        self._count = 1

    # ------------------------------------------------------------------ reading
    def __len__(self) -> int:
        return self._count - len(self._dead)

    @property
    def total(self) -> int:
        """Number of constraints ever added."""
        return self._count

    def holds(self, number: int) -> bool:
        """Whether the constraint exists."""
        return 0 <= number < self._count and number not in self._dead

    def missing(self, numbers: IntArray) -> NDArray[np.bool_]:
        """Which of these constraints do not exist."""
        missing = (numbers < 0) | (numbers >= self._count)
        return missing | np.isin(numbers, list(self._dead)) if self._dead else missing

    def numbers_alive(self) -> IntArray:
        """The numbers of the constraints that exist, in order."""
        alive = np.arange(self._count)
        return np.delete(alive, sorted(self._dead)) if self._dead else alive

    def row_range(self, number: int) -> tuple[int, int]:
        """The rows of one constraint."""
        if not self._vector:
            return number, number + 1
        starts = self._starts.view
        stop = int(starts[number + 1]) if number + 1 < self._count else len(self._constant)
        return int(starts[number]), stop

    def dims(self) -> IntArray:
        """The dimension of every constraint, deleted ones included."""
        if not self._vector:
            return np.ones(self._count, np.int64)
        return np.diff(self._starts.view, append=len(self._constant))

    def rows_of(self, numbers: IntArray) -> IntArray:
        """The rows of some constraints, one below the other."""
        return segments(self._starts.view[numbers], self.dims()[numbers]) if self._vector else numbers

    def all_rows(self) -> Rows:
        """The rows of all constraints, deleted ones included (shares memory)."""
        self._settle()
        self._merge_tail()
        return Rows(self._constant.view, **{name: g.view for name, g in self._terms.items()}, higher=self._higher)

    @property
    def all_numbers(self) -> FloatArray:
        """The sets' numbers of all constraints, deleted ones included (shares memory)."""
        self._settle()
        return self._numbers.view

    @property
    def constants(self) -> FloatArray:
        """The constants of all rows, deleted ones included (shares memory)."""
        self._settle()
        return self._constant.view

    def snapshot(self, first: int = 0) -> tuple[ConstraintBlock, IntArray]:
        """The constraints that exist, from number `first` on, and their numbers (may share memory)."""
        assert self.set_type is not None
        alive = self.numbers_alive()
        alive = alive[np.searchsorted(alive, first) :]
        shapes = tuple(self._shapes) if self._vector else None
        sets = SetBlock(self.set_type, self.dims(), self.all_numbers, shapes)
        block = ConstraintBlock(self.function_type, self.all_rows(), sets)
        return (block if len(alive) == self._count else block.take(alive)), alive

    def _spans(self, start: int, stop: int, key: str) -> IntArray:
        """Positions of the terms of rows start:stop."""
        row = self._terms[key].view
        ordered = max(len(row) - self._tail, 0)
        low, high = np.searchsorted(row[:ordered], [start, stop])
        inside = np.arange(low, high)
        if not self._tail:
            return inside
        tail = np.flatnonzero((row[ordered:] >= start) & (row[ordered:] < stop)) + ordered
        return np.concatenate([inside, tail])

    def rows(self, number: int) -> Rows:
        """The rows of one constraint (copied)."""
        self._settle()
        start, stop = self.row_range(number)
        terms: dict[str, Any] = {}
        for key, names in (("row", _TERMS), ("qrow", _QUADRATIC_TERMS)):
            at = self._spans(start, stop, key)
            for name, _ in names:
                terms[name] = self._terms[name].view[at] - (start if name == key else 0)
        if self._higher is not None and (mine := self._in_rows(start, stop)).any():
            terms["higher"] = self._higher.take(mine).moved(np.arange(stop) - start)
        return Rows(self._constant.view[start:stop].copy(), **terms)

    def _in_rows(self, start: int, stop: int) -> NDArray[np.bool_]:
        """Which terms of higher degree lie in rows start:stop."""
        assert self._higher is not None
        return (self._higher.row >= start) & (self._higher.row < stop)

    def shape(self, number: int) -> tuple[float, ...]:
        """The shape of one constraint's set."""
        return self._shapes[number] if self._vector else (1,)

    def set(self, number: int) -> Set:
        """The set of one constraint."""
        assert self.set_type is not None
        self._settle()
        start, stop = self.row_range(number)
        return self.set_type.build(self.shape(number), self._numbers.view[start:stop].copy())

    # ------------------------------------------------------------------ changing
    def remove(self, number: int) -> None:
        """Delete a constraint."""
        self._dead.add(number)

    def set_numbers(self, number: int, numbers: FloatArray) -> None:
        """Give one constraint's set other numbers."""
        self._settle()
        start, stop = self.row_range(number)
        self._numbers.view[start:stop] = numbers

    def set_constants(self, number: int, constants: Any) -> None:
        """Give one constraint's rows other constants."""
        self._settle()
        start, stop = self.row_range(number)
        self._constant.view[start:stop] = constants

    def set_rows(self, numbers: int | IntArray, rows: Rows) -> None:
        """Give one constraint, or several, other functions of the same dimensions, one below the other."""
        self._settle()
        rows = _stored(rows)
        at = self.rows_of(np.atleast_1d(numbers))
        gone = np.zeros(len(self._constant), bool)
        gone[at] = True
        for key, names in (("row", _TERMS), ("qrow", _QUADRATIC_TERMS)):
            keep = ~gone[self._terms[key].view]
            for name, _ in names:
                kept, new = self._terms[name].view[keep], getattr(rows, name)
                self._terms[name].replace(np.concatenate([kept, at[new] if name == key else new]))
        if self._higher is not None:
            self._keep_higher(~gone[self._higher.row])
        if rows.higher is not None:
            self._add_higher(rows.higher.moved(at))
        self._constant.view[at] = rows.constant
        self._tail = max(len(self._terms["row"]), len(self._terms["qrow"]))
        self._merge_tail()

    def _keep_higher(self, keep: Any) -> None:
        assert self._higher is not None
        self._higher = self._higher.take(keep) if keep.any() else None

    def set_coefficient(self, number: int, local_row: int, variable: int, value: float) -> None:
        """Give one affine coefficient another value (terms of the variable become one)."""
        self._settle()
        row = self.row_range(number)[0] + local_row
        at = self._spans(row, row + 1, "row")
        at = at[self._terms["var"].view[at] == variable]
        self._write("row", _TERMS, at, (row, variable, value))

    def set_quadratic_coefficient(self, number: int, local_row: int, v1: int, v2: int, value: float) -> None:
        """Give one written-out quadratic coefficient another value."""
        self._settle()
        row = self.row_range(number)[0] + local_row
        at = self._spans(row, row + 1, "qrow")
        one, two = self._terms["qvar1"].view[at], self._terms["qvar2"].view[at]
        at = at[((one == v1) & (two == v2)) | ((one == v2) & (two == v1))]
        self._write("qrow", _QUADRATIC_TERMS, at, (row, v1, v2, value))

    def _write(self, key: str, names: Any, at: IntArray, term: tuple[float, ...]) -> None:
        if len(at):
            coef = self._terms[names[-1][0]].view
            coef[at] = 0.0
            coef[at[0]] = term[-1]
            return
        if self._tail > 32:
            self._merge_tail()
        for (name, _), entry in zip(names, term, strict=True):
            self._terms[name].extend([entry])
        self._tail += 1

    def remove_variables(self, ids: IntArray) -> None:
        """Drop all terms in these variables."""
        self._settle()
        self._merge_tail()
        for names in (_TERMS, _QUADRATIC_TERMS):
            columns = [self._terms[n].view for n, _ in names if n.startswith(("var", "qvar"))]
            keep = ~np.logical_or.reduce([np.isin(c, ids) for c in columns])
            if not keep.all():
                for name, _ in names:
                    self._terms[name].replace(self._terms[name].view[keep])

        if self._higher is not None:
            self._keep_higher(~np.isin(self._higher.factors, ids).any(axis=1))

    def shrink(self, number: int, local_rows: IntArray) -> None:
        """Take rows out of one vector constraint whose set may have any dimension."""
        self._settle()
        self._merge_tail()
        start, stop = self.row_range(number)
        gone = np.zeros(len(self._constant), bool)
        gone[start + local_rows] = True
        rows, kept = self.all_rows(), np.flatnonzero(~gone)
        taken = rows.take(kept)
        before = np.cumsum(gone)
        self._starts.replace(self._starts.view - np.where(self._starts.view > 0, before[self._starts.view - 1], 0))
        self._shapes[number] = (stop - start - len(local_rows),)
        self._numbers.replace(self._numbers.view[kept])
        self._constant.replace(taken.constant)
        for name in self._terms:
            self._terms[name].replace(getattr(taken, name))
        self._higher = taken.higher


def _stored(rows: Rows) -> Rows:
    """Rows as a block holds them: products make many equal terms, and all that reads them later pays for each."""
    return rows.merged() if rows.degree > 1 else rows
