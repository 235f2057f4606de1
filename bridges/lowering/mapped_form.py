"""A form of a model and the maps between the two, as data: what results are read with, and travel along."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp

from ...modelkit.arrays import FloatArray, Growable, IntArray
from ...modelkit.form import Cones, Discreteness, Form
from ...modelkit.functions import (
    VectorOfVariables,
)
from ...modelkit.indices import Kind
from ...modelkit.sets import (
    Integer,
    Semicontinuous,
    Semiinteger,
    Set,
    ZeroOne,
)
from ...modelkit.store.parameters import Parameters
from .chunks import Chunk, Place
from .making import sides_of
from .moving import MovingNumbers
from .reach import is_box
from .terms import MovingTerms, ProductTable

__all__ = ["MappedForm"]


_DISCRETE: dict[type[Set], Discreteness] = {
    Integer: Discreteness.INTEGER,
    ZeroOne: Discreteness.INTEGER,
    Semicontinuous: Discreteness.SEMICONTINUOUS,
    Semiinteger: Discreteness.SEMIINTEGER,
}


class MappedForm:
    """What stands for the variables and constraints of a model.

    Attributes
    ----------
    form : the numbers at the parameters' present values; made anew where much has changed (`generation` counts)
    sign : of the model's objective in the form's, -1 for a maximization
    columns : by number of the variable its column, or -1 of a parameter
    is_user : by column whether it is a variable of the model
    chunks : what stands for the constraints of each kind
    moving : how the numbers depend on the parameters, None without any
    parameters : those of the model, None without any
    """

    def __init__(self) -> None:
        self.generation = 0
        self._clear()

    def _clear(self) -> None:
        """Have an empty form."""
        self.form = Form()
        self.generation += 1
        self.sign = 1.0
        self.columns = Growable(np.int64)
        self.is_user = Growable(np.bool_)
        self.chunks: dict[Kind, list[Chunk]] = {}
        self.parameters: Parameters | None = None
        self.moving: MovingNumbers | None = None
        self._free = 0  # rows and columns of what is gone
        self._objective_moving = MovingTerms.none()
        self._curved: list[tuple[IntArray, IntArray, IntArray, FloatArray]] = []
        self._table = ProductTable()
        self._moving_is_due = False
        self._cones_are_due = False
        self._fragile: dict[Kind, set[int]] = {}  # constraints that were lowered by numbers that may move

    @property
    def is_plain(self) -> bool:
        """Whether every constraint stands in the form as it was written."""
        return not self._fragile and all(
            chunk.composite.root.bridge is None and not chunk.sign
            for chunks in self.chunks.values()
            for chunk in chunks
        )

    def at_present_values(self) -> Iterator[tuple[Kind, IntArray]]:
        """Numbers of quadratic rows that are in the form as the parameters' values have them, kind by kind."""
        for kind, numbers in self._fragile.items():
            if is_box(kind[1]) and numbers:
                yield kind, np.array(sorted(numbers), np.int64)

    @property
    def reads_numbers(self) -> bool:
        """Whether something was lowered by numbers that may move: it is lowered again when they do."""
        return bool(self._fragile)

    @property
    def has_moving_curvature(self) -> bool:
        """Whether quadratic terms of rows move with the parameters."""
        return self.moving is not None and self.moving.moves_curved_rows

    def numbers_that_move(self) -> MovingNumbers:
        """How the numbers of the form depend on the parameters, also where none does."""
        if self.moving is not None:
            return self.moving
        count = 0 if self.parameters is None else len(self.parameters.values)
        return MovingNumbers(self.form, [], MovingTerms.none(), self._table, count, self._curved)

    def column_of(self, ids: IntArray, base: int) -> IntArray:
        """Columns of variables, -1 of parameters."""
        found: IntArray = self.columns.view[ids - base]
        return found

    def _located(self, kind: Kind, numbers: IntArray) -> list[tuple[Chunk, IntArray]]:
        """(chunk, items) of all that stands for some constraints."""
        found: list[tuple[Chunk, IntArray]] = []
        for chunk in self.chunks.get(kind, []):
            items = self.items_in(chunk, kind, numbers)[1]
            if len(items):
                found.append((chunk, items))
        return found

    def items_in(self, chunk: Chunk, kind: Kind, numbers: IntArray) -> tuple[IntArray, IntArray]:
        """Which of some constraints a chunk stands for: their places among them, and the items of the chunk."""
        count = chunk.count
        if count and len(numbers) == count and chunk.alive.all() and np.array_equal(chunk.numbers, numbers):
            every = np.arange(count)
            return every, every
        at = chunk.numbers.searchsorted(numbers)
        if not count:
            return at[:0], at[:0]
        inside = np.minimum(at, count - 1)
        mine = ((chunk.numbers[inside] == numbers) & chunk.alive[inside]).nonzero()[0]
        return mine, at[mine]

    def _hold_still(self) -> None:
        """Have the fixed parts of numbers that move in the form, until the map is made anew."""
        if self.moving is not None:
            self.moving.take_back(self.form)
            self.moving, self._moving_is_due = None, True

    def _set_sides(self, chunk: Chunk, items: IntArray, values: tuple[FloatArray, FloatArray]) -> None:
        lower, upper = sides_of(chunk.stand_in, *values)
        at = chunk.positions[chunk.rows_of(items)]
        if len(chunk.moving):
            self._hold_still()
        if chunk.place is Place.ROWS:
            self.form.set_sides(at, lower, upper)
        else:
            split = chunk.sides != 3
            self.form.set_bounds(
                at, lower if chunk.sides & 1 else None, upper if chunk.sides & 2 else None, split=split
            )

    def _set_kinds(self, columns: IntArray) -> None:
        """Read again what values columns take."""
        found = np.zeros((2, len(columns)), np.uint8)
        for chunks in self.chunks.values():
            for chunk in chunks:
                if chunk.place is not Place.KINDS:
                    continue
                alive = chunk.positions[chunk.rows_of(np.flatnonzero(chunk.alive))]
                there = np.isin(columns, alive)
                set_type = chunk.stand_in.kind[1]
                found[0, there] = np.maximum(found[0, there], _DISCRETE[set_type])
                found[1, there] |= set_type is ZeroOne
        for value in np.unique(found[0]).tolist():
            for binary in (False, True):
                which = columns[(found[0] == value) & (found[1] == binary)]
                if len(which):
                    self.form.set_discreteness(which, Discreteness(value), binary=binary)

    def _add_chunk(self, chunk: Chunk) -> None:
        self.chunks.setdefault(chunk.kind, []).append(chunk)

    def cone_chunks(self) -> list[Chunk]:
        """All chunks of cones, in the order of their rows."""
        return [chunk for chunks in self.chunks.values() for chunk in chunks if chunk.place is Place.CONES]

    def _assemble_cones(self) -> None:
        """F, g and the cones of what is alive."""
        self._cones_are_due = False
        self._hold_still()
        start, parts, cones = 0, [], []
        constants = [np.zeros(0)]
        for chunk in self.cone_chunks():
            if not chunk.alive.all():
                chunk.shrink()
            numbers = chunk.cone
            assert numbers is not None
            chunk.start, count = start, len(numbers.constant)
            moving = chunk.moving
            affine = np.flatnonzero((moving.first >= 0) & (moving.second < 0))
            row = np.concatenate([numbers.row, moving.row[affine]]) + start
            column = np.concatenate([numbers.column, moving.first[affine]])
            parts.append((row, column, np.concatenate([numbers.coef, np.zeros(len(affine))])))
            constants.append(numbers.constant)
            if count:
                cones.append(Cones(numbers.sets, slice(start, start + count)))
            start += count
            self._moving_is_due |= bool(len(moving))
        if parts:
            row, column, coef = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
            F = sp.csr_array(sp.coo_array((coef, (row, column)), shape=(start, self.form.n)))
        else:
            F = sp.csr_array((0, self.form.n))
        self.form.set_cones(F, np.concatenate(constants), cones)

    def _assemble_moving(self) -> None:
        self._moving_is_due = False
        parts = [chunk for chunks in self.chunks.values() for chunk in chunks if len(chunk.moving)]
        if self.parameters is None or not (parts or len(self._objective_moving)):
            self.moving = None
            return
        self._hold_still()
        self._moving_is_due = False
        self.moving = MovingNumbers(
            self.form, parts, self._objective_moving, self._table, len(self.parameters.values), self._curved
        )
        self.moving.apply(self.form, self.parameters.values)

    def _bounds_of_columns(self) -> tuple[FloatArray, FloatArray]:
        """Those that are bounds, and rows of plain variables."""
        form = self.form
        lower, upper = form.lower.copy(), form.upper.copy()
        for kind, chunks in self.chunks.items():
            if kind[0] is not VectorOfVariables or not is_box(kind[1]):
                continue
            for chunk in chunks:
                at = chunk.positions[chunk.rows_of(np.flatnonzero(chunk.alive))]
                ends = form.A.indptr
                at = at[ends[at + 1] - ends[at] == 1]  # a parameter among them is no entry
                columns = form.A.indices[ends[at]]
                np.maximum.at(lower, columns, form.row_lower[at])
                np.minimum.at(upper, columns, form.row_upper[at])
        return lower, upper
