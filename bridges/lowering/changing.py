"""What becomes of a form where constraints go, or have other numbers or functions."""

from __future__ import annotations

import numpy as np

from ...modelkit.arrays import FloatArray, IntArray
from ...modelkit.functions.rows import Rows
from ...modelkit.indices import Kind
from ...modelkit.sets import (
    Semicontinuous,
    Semiinteger,
)
from ...modelkit.store.storage import Block
from ...modelkit.store.store import Store
from .adding import Adding
from .chunks import Chunk, Place
from .making import constants_of
from .reach import is_box

__all__ = ["Changing"]


class Changing(Adding):
    """A form that follows the changes of constraints, in place where that can be, else by lowering them again."""

    def _remove(self, kind: Kind, numbers: IntArray) -> None:
        """What stands for some constraints goes."""
        fragile = self._fragile.get(kind)
        if fragile:
            fragile.difference_update(numbers.tolist())
            if not fragile:
                del self._fragile[kind]
        for chunk, items in self._located(kind, numbers):
            chunk.alive[items] = False
            at = chunk.positions[chunk.rows_of(items)]
            if len(chunk.moving):
                self._hold_still()
            if chunk.place is Place.ROWS:
                self.form.set_sides(at, -np.inf, np.inf)
                self._free += len(at)
            elif chunk.place is Place.BOUNDS:
                low, high = -np.inf if chunk.sides & 1 else None, np.inf if chunk.sides & 2 else None
                self.form.set_bounds(at, low, high, split=True)
            elif chunk.place is Place.KINDS:
                self._set_kinds(at)
                if chunk.stand_in.kind[1] in (Semicontinuous, Semiinteger):  # the box was its own
                    self.form.set_bounds(at, -np.inf, np.inf)
            else:
                self._cones_are_due = True
            if chunk.extra.size:
                self.form.set_bounds(chunk.extra[items].ravel(), 0.0, 0.0)
                self._free += chunk.extra[items].size

    def _change_numbers(self, store: Store, kind: Kind, numbers: IntArray) -> None:
        """Constants of functions and numbers of sets are others."""
        block = store.block(kind)
        again: list[IntArray] = []
        if is_box(kind[1]) and self._fragile.get(kind):
            at_present = np.isin(numbers, sorted(self._fragile[kind]))
            again, numbers = [numbers[at_present]], numbers[~at_present]
        for chunk, items in self._located(kind, numbers):
            if chunk.composite.root.bridge is not None and chunk.composite.root.bridge.looks_at_functions:
                again.append(chunk.numbers[items])
            elif chunk.place is Place.ROWS or chunk.place is Place.BOUNDS:
                self._set_sides(chunk, items, self._values(block, chunk, items))
            elif chunk.place is Place.KINDS or chunk.sign:
                again.append(chunk.numbers[items])
            else:
                g, theta = self._values(block, chunk, items)
                assert chunk.cone is not None
                self._hold_still()
                rows, constants = chunk.rows_of(items), constants_of(chunk.stand_in, g, theta).ravel()
                chunk.cone.constant[rows] = constants
                if not self._cones_are_due:  # else they are put in their places later
                    self.form.set_cone_constants(chunk.start + rows, constants)
        if again:
            self._lower_again(store, kind, np.unique(np.concatenate(again)))

    def _change_functions(self, store: Store, kind: Kind, numbers: IntArray) -> None:
        """Functions are others."""
        again: list[IntArray] = []
        if kind[0].degree < 2 and is_box(kind[1]):
            block = store.block(kind)
            for chunk, items in self._located(kind, numbers):
                rows = block.all_rows().take(block.rows_of(chunk.numbers[items])).canonical()
                columns = self.column_of(rows.var, store.base)
                if (columns < 0).any() or np.isin(chunk.moving.row, chunk.rows_of(items)).any():
                    again.append(chunk.numbers[items])  # terms with parameters come, go or move
                    continue
                self._change_rows(chunk.positions[chunk.rows_of(items)], rows, columns)
                self._set_sides(chunk, items, self._values(block, chunk, items))
        else:
            again.append(numbers)
        if again:
            self._lower_again(store, kind, np.unique(np.concatenate(again)))

    def _change_rows(self, at: IntArray, rows: Rows, columns: IntArray) -> None:
        """Other functions for rows of the form, without parameters."""
        form, ends = self.form, np.searchsorted(rows.row, np.arange(len(at) + 1))
        each = [(row, slice(ends[k], ends[k + 1])) for k, row in enumerate(at.tolist())]
        if self.moving is not None and not all(np.array_equal(form.row(row)[0], columns[own]) for row, own in each):
            self._hold_still()  # entries stand elsewhere then
        for row, own in each:
            form.set_row(row, columns[own], rows.coef[own])

    def _lower_again(self, store: Store, kind: Kind, numbers: IntArray) -> None:
        self._remove(kind, numbers)
        self._lower(store, kind, numbers)

    @staticmethod
    def _values(block: Block, chunk: Chunk, items: IntArray) -> tuple[FloatArray, FloatArray]:
        """Constants (k, m) and numbers (k, m q) of some constraints."""
        k = len(items)
        rows = block.rows_of(chunk.numbers[items])
        return block.constants[rows].reshape(k, -1), block.all_numbers[rows].reshape(k, -1)
