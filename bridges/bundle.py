"""Constraints added together: the pieces they became, behind one face.

Each verb splits what it is given among the pieces that hold it, and puts together what comes back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, final

import numpy as np

from ..modelkit import attributes as attr
from ..modelkit.arrays import FloatArray, Growable, IntArray, segments
from ..modelkit.rows import Rows
from .leaf import Leaf, Piece

__all__ = ["Bundle"]


@final
class Bundle:
    """Constraints in one or several pieces.

    Parameters
    ----------
    pieces : (piece, items) pairs: item i of the piece is constraint ``items[i]`` of the bundle
    count : number of constraints
    """

    def __init__(self, pieces: Sequence[tuple[Piece, IntArray]], count: int) -> None:
        self.pieces: list[Piece] = []
        self._table = Growable(np.int64, 3)  # rows, piece, and item there of each constraint; unless one has them all
        self._alone = len(pieces) == 1 and bool((pieces[0][1] == np.arange(count)).all())
        if self._alone:
            self.pieces.append(pieces[0][0])
        else:
            self._extend(pieces, count)

    def _extend(self, pieces: Sequence[tuple[Piece, IntArray]], count: int) -> None:
        table = np.zeros((count, 3), np.int64)
        for at, (piece, items) in enumerate(pieces, len(self.pieces)):
            table[items, 0], table[items, 1], table[items, 2] = piece.dims, at, np.arange(len(items))
        self.pieces += [piece for piece, _ in pieces]
        self._table.extend(table)

    @property
    def dims(self) -> IntArray:
        """Rows of each constraint."""
        return self.pieces[0].dims if self._alone else self._table.view[:, 0]

    @staticmethod
    def of(piece: Piece) -> Bundle:
        """The bundle of one piece."""
        return Bundle([(piece, np.arange(len(piece.dims)))], len(piece.dims))

    def placed(self, numbers: IntArray) -> list[tuple[Piece, IntArray]]:
        """The pieces with the numbers of their constraints, where those of the bundle have these numbers."""
        if self._alone:
            return [(self.pieces[0], numbers)]
        _, piece, item = self._table.view.T
        order = np.lexsort((item, piece))
        ends = np.searchsorted(piece[order], np.arange(1, len(self.pieces) + 1))
        return list(zip(self.pieces, np.split(numbers[order], ends)[:-1], strict=True))

    def grow(self, more: Bundle, first: int) -> None:
        """Hold the constraints of another bundle as well, the numbers from `first` on; those before stand for none."""
        if self._alone:
            everything, count = self.placed(np.arange(len(self.dims))), len(self.dims)
            self.pieces, self._alone = [], False
            self._extend(everything, count)
        self._table.extend(np.zeros((first - len(self._table), 3)))
        self._extend(more.placed(np.arange(len(more.dims))), len(more.dims))

    def piece(self, item: int) -> tuple[Piece, int]:
        """The piece that holds a constraint, and the item there."""
        if self._alone:
            return self.pieces[0], item
        _, at, there = self._table.view[item].tolist()
        return self.pieces[at], there

    def places(self, items: IntArray) -> tuple[IntArray, IntArray]:
        """The number of the piece that holds each of some constraints, and the item there."""
        if self._alone:
            return np.zeros(len(items), np.int64), items
        _, at, there = self._table.view[items].T
        return at, there

    def _split(self, items: IntArray) -> list[tuple[Piece, IntArray, IntArray | None]]:
        """(piece, its items, positions among the rows of the given items, or None for all of them)."""
        if self._alone:
            return [(self.pieces[0], items, None)]
        dims, piece, item = self._table.view[items].T
        which = np.unique(piece).tolist()
        if len(which) == 1:
            return [(self.pieces[which[0]], item, None)]
        starts = np.cumsum(dims) - dims
        out: list[tuple[Piece, IntArray, IntArray | None]] = []
        for at in which:
            chosen = np.flatnonzero(piece == at)
            out.append((self.pieces[at], item[chosen], segments(starts[chosen], dims[chosen])))
        return out

    @property
    def has_extra(self) -> bool:
        """Whether there are extra variables."""
        return any(piece.has_extra for piece in self.pieces)

    def leaves(self, items: IntArray) -> Iterator[tuple[Leaf, IntArray]]:
        """The native constraints that stand for some constraints."""
        for piece, below, _ in self._split(items):
            yield from piece.leaves(below)

    def pull(self, attribute: attr.Attribute, items: IntArray) -> FloatArray | None:
        """Bring the values of some constraints up; None stands for zeros."""
        out: FloatArray | None = None
        for piece, below, rows in self._split(items):
            values = piece.pull(attribute, below)
            if values is None or rows is None:
                out = values if rows is None else out
                continue
            if out is None:
                out = np.zeros((int(self.dims[items].sum()), *values.shape[1:]))
            out[rows] = values
        return out

    def push(self, attribute: attr.Attribute, items: IntArray, payload: Any) -> None:
        """Send the values of some constraints down."""
        for piece, below, rows in self._split(items):
            part = payload if rows is None else _of_rows(payload, rows, int(self.dims[items].sum()))
            piece.push(attribute, below, part)

    def start_extra(self, items: IntArray, values: FloatArray) -> None:
        """Start the extra variables of some constraints."""
        for piece, below, rows in self._split(items):
            piece.start_extra(below, values if rows is None else values[rows])

    def clear(self, attribute: attr.Attribute, items: IntArray) -> None:
        """Take back what was set on some constraints."""
        for piece, below, _ in self._split(items):
            piece.clear(attribute, below)

    def _each(self, items: IntArray) -> Iterator[tuple[Piece, int, slice]]:
        """(piece, item there, its rows among those of the given items) one by one."""
        dims = self.dims[items]
        ends = np.cumsum(dims)
        for item, d, end in zip(items.tolist(), dims.tolist(), ends.tolist(), strict=True):
            yield *self.piece(item), slice(int(end - d), int(end))

    def change_numbers(self, items: IntArray, constants: FloatArray, numbers: FloatArray) -> None:
        """New constants and numbers for some constraints, one below the other."""
        by_row = numbers.reshape(len(constants), -1)
        for piece, below, rows in self._split(items):
            if rows is None:
                piece.change_numbers(below, constants, numbers)
            else:
                piece.change_numbers(below, constants[rows], by_row[rows].ravel())

    def change_function(self, items: IntArray, rows: Rows) -> None:
        """Other functions for some constraints, one below the other."""
        for piece, below, at in self._split(items):
            piece.change_function(below, rows if at is None else rows.take(at))

    def change_column(self, items: IntArray, variable: Any, rows: IntArray, column: FloatArray) -> None:
        """New coefficients of one variable in some rows of some constraints."""
        for piece, item, mine in self._each(items):
            touched = rows[(rows >= mine.start) & (rows < mine.stop)] - mine.start
            if len(touched):
                piece.change_column(item, variable, touched, column[mine])

    def delete(self, items: IntArray) -> None:
        """Delete constraints."""
        for piece, below, _ in self._split(items):
            piece.delete(below)


def _of_rows(payload: Any, rows: IntArray, total: int) -> Any:
    """The part for some of the rows, of an array or of `Rows` for one or several directions."""
    if not isinstance(payload, Rows):
        return payload[rows]
    directions = np.arange(payload.m // max(total, 1)) * total
    return payload.take((directions[:, None] + rows).ravel())
