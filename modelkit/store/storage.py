"""The growing home of constraints in a store: coordinate arrays that take one constraint at a time or a whole block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from ..arrays import FloatArray, Growable, IntArray, segments
from ..functions import Function
from ..functions.monomials import Monomials
from ..functions.rows import TERMS, Rows
from ..sets import Set
from .block import ConstraintBlock, SetBlock
from .change_log import Change, ChangeLog

__all__ = ["Block"]

_NOTHING = Rows(np.zeros(0))
_LONGEST_TAIL = 32


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
        self._terms = {name: Growable(getattr(_NOTHING, name).dtype) for names in TERMS for name in names}
        self._higher: Monomials | None = None
        self._tail = 0
        self._dead: set[int] = set()
        self._count = 0
        self.log = ChangeLog()
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
        self._merge_tail()
        first = self._count
        offset = len(self._constant)
        arrays = [self._starts, self._numbers, self._constant, *self._terms.values()]
        lengths, higher = [len(array) for array in arrays], self._higher
        try:
            if self._vector:
                self._starts.extend(block.starts[:-1] + offset)
            self._numbers.extend(block.sets.numbers)
            self._extend_rows(block.rows, offset)
            numbers = np.arange(first, first + block.count)
            self._shapes += block.sets.shapes or ()
        except BaseException:  # no memory: what went in goes out again
            for array, length in zip(arrays, lengths, strict=True):
                array.shorten(length)
            self._higher = higher
            raise
        self._count += block.count
        return numbers

    def _extend_rows(self, rows: Rows, offset: int) -> None:
        self._merge_tail()
        rows = _stored(rows)
        self._constant.extend(rows.constant)
        for key, *names in TERMS:
            row = getattr(rows, key)
            order = slice(None) if np.all(row[1:] >= row[:-1]) else np.argsort(row, kind="stable")
            self._terms[key].extend(row[order] + offset)
            for name in names:
                self._terms[name].extend(getattr(rows, name)[order])
        if rows.higher is not None:
            added = rows.higher.moved(np.arange(rows.m) + offset)
            self._higher = added if self._higher is None else Monomials.stack([self._higher, added])

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
            self._hold(self._held())
            self._tail = 0

    def _held(self) -> Rows:
        """What lies in the arrays (shares memory)."""
        return Rows(self._constant.view, **{name: g.view for name, g in self._terms.items()}, higher=self._higher)

    def _hold(self, rows: Rows) -> None:
        """Hold these terms instead."""
        for key, *names in TERMS:
            order = np.argsort(getattr(rows, key), kind="stable")
            for name in (key, *names):
                self._terms[name].replace(getattr(rows, name)[order])
        self._higher = rows.higher

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
        return self._held()

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
        for key, *names in TERMS:
            at = self._spans(start, stop, key)
            terms[key] = self._terms[key].view[at] - start
            terms |= {name: self._terms[name].view[at] for name in names}
        if self._higher is not None:
            mine = self._higher.take((self._higher.row >= start) & (self._higher.row < stop))
            terms["higher"] = mine.moved(np.arange(stop) - start) if mine else None
        return Rows(self._constant.view[start:stop].copy(), **terms)

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
        self.log.note(Change.DELETED, number)

    def set_numbers(self, number: int, numbers: FloatArray) -> None:
        """Give one constraint's set other numbers."""
        self._settle()
        start, stop = self.row_range(number)
        self._numbers.view[start:stop] = numbers
        self.log.note(Change.NUMBERS, number)

    def set_many_numbers(self, which: IntArray, numbers: FloatArray, constants: FloatArray | None) -> None:
        """Give the sets of many constraints other numbers, and their rows other constants, one below the other."""
        self._settle()
        rows = self.rows_of(which)
        self._numbers.view[rows] = numbers
        if constants is not None:
            self._constant.view[rows] = constants
        self.log.note(Change.NUMBERS, which)

    def set_constants(self, number: int, constants: Any) -> None:
        """Give one constraint's rows other constants."""
        self._settle()
        start, stop = self.row_range(number)
        self._constant.view[start:stop] = constants
        self.log.note(Change.NUMBERS, number)

    def set_rows(self, numbers: int | IntArray, rows: Rows) -> None:
        """Give one constraint, or several, other functions of the same dimensions, one below the other."""
        held, at = self.all_rows(), self.rows_of(np.atleast_1d(numbers))
        keep = np.ones(held.m, bool)
        keep[at] = False
        self._hold(held.only(keep) + _stored(rows).moved(at, held.m))
        self._constant.view[at] = rows.constant
        self.log.note(Change.FUNCTION, numbers)

    def set_coefficient(self, number: int, local_row: int, variables: Sequence[int], value: float) -> None:
        """Give the coefficient of one variable, or of a product of two, another value (such terms become one)."""
        self._settle()
        self.log.note(Change.FUNCTION, number)
        row = self.row_range(number)[0] + local_row
        key, *names, coef = TERMS[len(variables) - 1]
        at = self._spans(row, row + 1, key)
        one, two = self._terms[names[0]].view[at], self._terms[names[-1]].view[at]
        first, last = variables[0], variables[-1]
        at = at[(one == first) & (two == last) | (one == last) & (two == first)]
        if len(at):
            self._terms[coef].view[at] = 0.0
            self._terms[coef].view[at[0]] = value
            return
        if self._tail > _LONGEST_TAIL:
            self._merge_tail()
        for name, entry in zip((key, *names, coef), (row, *variables, value), strict=True):
            self._terms[name].extend([entry])
        self._tail += 1

    def remove_variables(self, ids: IntArray) -> None:
        """Drop all terms in these variables, which are gone: readers know, as they hold such variables at zero."""
        self._hold(self.all_rows().without(ids))

    def shrink(self, number: int, local_rows: IntArray) -> None:
        """Take rows out of one vector constraint whose set may have any dimension."""
        held = self.all_rows()
        self.log.note(Change.RESHAPED, number)
        start, stop = self.row_range(number)
        kept = np.delete(np.arange(held.m), start + local_rows)
        self._hold(taken := held.take(kept))
        self._starts.replace(np.searchsorted(kept, self._starts.view))
        self._shapes[number] = (stop - start - len(local_rows),)
        self._numbers.replace(self._numbers.view[kept])
        self._constant.replace(taken.constant)


def _stored(rows: Rows) -> Rows:
    """Rows as a block holds them: products make many equal terms, and all that reads them later pays for each."""
    return rows.merged() if rows.degree > 1 else rows
