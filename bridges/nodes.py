"""Bridged constraints, and everything that travels through them.

A block of constraints given to the bridge layer becomes a `Bundle` of pieces: a `Leaf` where the inner model
takes the constraints as they are, a `Node` where a bridge stands in between, whose targets are bundles again.
There is one code path for each `Way` of travel (DESIGN, section 3):

* `Bundle.pull` brings duals, gradients and set gradients up,
* `Bundle.push` sends tangents, seeds and starts down,
* `Bundle.change_numbers`, `change_function` and `change_column` send new data down.

Values in bulk are arrays whose first axis is the rows of the constraints, one below the other. A set's values
carry two things side by side: what belongs to the constant of its function, then its own numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ..modelkit import attributes as attr
from ..modelkit.attributes import Way
from ..modelkit.errors import UnsupportedAttribute, UnsupportedModification
from ..modelkit.indices import Kind
from ..modelkit.rows import FloatArray, IntArray, Rows, segments
from ..modelkit.sets import Set
from .base import Bridge, Lift, Matrix
from .leaf import Leaf, Piece, Values, is_plain

__all__ = ["Bundle", "Node", "of_rows"]


def of_rows(payload: Any, rows: IntArray, dims: IntArray) -> Any:
    """The part for some of the rows, of an array or of `Rows` for one or several directions."""
    if not isinstance(payload, Rows):
        return payload[rows]
    total = int(dims.sum())
    directions = np.arange(payload.m // max(total, 1)) * total
    return payload.take((directions[:, None] + rows).ravel())


def _apply(M: Matrix, values: Values, copies: int) -> Values:
    """``kron(I, M)`` on the first axis."""
    p, q = M.shape
    tail = values.shape[1:]
    width = int(np.prod(tail, dtype=np.int64))
    flat = np.moveaxis(values.reshape(copies, q, width), 1, 0).reshape(q, copies * width)
    out: Values = np.moveaxis((M @ flat).reshape(p, copies, width), 1, 0)
    return out.reshape(copies * p, *tail)


@final
@dataclass(eq=False)
class Node:
    """k constraints of one group, behind one bridge.

    Parameters
    ----------
    kind : of the constraints that are bridged
    example : a set of the group
    constants : (k, m) of the bridged functions
    numbers : (k, m q) of the bridged sets
    children : a bundle for each target of the lift
    extra : (k, lift.extra) maps of the extra variables to rows in inner variables
    remove_extra, set_extra : of the inner model: delete variables, start them at values
    """

    bridge: Bridge
    lift: Lift
    kind: Kind
    example: Set
    constants: FloatArray
    numbers: FloatArray
    children: tuple[Bundle, ...]
    extra: Rows
    remove_extra: Callable[[IntArray], None]
    set_extra: Callable[[IntArray, FloatArray], None]

    @property
    def m(self) -> int:
        """Rows of one constraint."""
        return int(self.constants.shape[1])

    @property
    def dims(self) -> IntArray:
        """Rows of each constraint."""
        return np.full(len(self.constants), self.m)

    def _below(self, items: IntArray) -> list[tuple[Any, Bundle, IntArray]]:
        """Each target with its bundle and the items there that stand in for the given ones."""
        out = []
        for target, child in zip(self.lift.targets, self.children, strict=True):
            r = target.count
            below = items if r == 1 else (items[:, None] * r + np.arange(r)).ravel()
            out.append((target, child, below))
        return out

    def pull(self, attribute: attr.Attribute, items: IntArray) -> Values | None:
        """Bring values up; None stands for zeros, of constraints that have no stand-in."""
        k = len(items)
        total: Values | None = None
        for target, child, below in self._below(items):
            values = child.pull(attribute, below)
            if values is None:
                continue
            if attribute.way is Way.DUAL:
                up = _apply(target.adjoint, values, k)
            elif attribute.way is Way.GRADIENT:
                up = _apply(target.A_transposed, values, k)
            elif attribute.way is Way.SET_GRADIENT:
                up = self._set_gradient(target, values, k)
            else:
                raise UnsupportedAttribute(f"{attribute!r} does not travel up through bridges.")
            total = up if total is None else total + up
        return total

    def _set_gradient(self, target: Any, values: Values, k: int) -> Values:
        q = len(self.kind[1].fields)
        constant = _apply(target.A_transposed, values[:, :1], k)
        numbers = np.zeros((k * self.m * q, 1))
        if q and target.C is not None:
            numbers += _apply(target.C.T, values[:, :1], k)
        if q and target.N is not None:
            numbers += _apply(target.N.T, values[:, 1:].reshape(-1, 1), k)
        return np.concatenate([constant, numbers.reshape(k * self.m, q)], axis=1)

    def push(self, attribute: attr.Attribute, items: IntArray, payload: Any) -> None:
        """Send values down."""
        k = len(items)
        way = attribute.way
        if way is Way.DUAL_START:
            starts = self.bridge.dual_start(self.lift, payload.reshape(k, self.m))
        at = 0
        for target, child, below in self._below(items):
            if way is Way.FUNCTION_TANGENT:
                value: Any = target.mapped(payload, payload.m // max(self.m, 1))
            elif way is Way.DUAL_SEED:
                value = _apply(target.adjoint_transposed, payload, k)
            elif way is Way.SET_TANGENT:
                value = self._set_tangent(target, payload, k)
            elif way is Way.DUAL_START:
                value = starts[:, at : at + target.p].ravel()
                at += target.p
            else:
                raise UnsupportedAttribute(f"{attribute!r} does not travel down through bridges.")
            child.push(attribute, below, value)

    def _set_tangent(self, target: Any, payload: Values, k: int) -> Values:
        q, q2 = len(self.kind[1].fields), len(target.kind[1].fields)
        constant = _apply(target.A, payload[:, :1], k)
        numbers = payload[:, 1:].reshape(k * self.m * q, *payload.shape[2:])
        if q and target.C is not None:
            constant = constant + _apply(target.C, numbers, k)[:, None]
        below = np.zeros((k * target.p, q2, *payload.shape[2:]))
        if q and q2 and target.N is not None:
            below = _apply(target.N, numbers, k).reshape(below.shape)
        return np.concatenate([constant, below], axis=1)

    def start_extra(self, items: IntArray, values: FloatArray) -> None:
        """Start the extra variables, here and below, where the bridge knows them."""
        k, e = len(items), self.lift.extra
        f, u = values.reshape(k, self.m), np.zeros((k, e))
        if e:
            found = self.bridge.extra_start(self.example, f)
            rows = self.extra.take((items[:, None] * e + np.arange(e)).ravel())
            if found is None or not is_plain(rows):
                return
            u = found
            self.set_extra(rows.var[np.argsort(rows.row)], u.ravel())
        for target, child, below in self._below(items):
            value = target.constants(f, self.numbers[items])
            if target.B is not None:
                value = value + (target.B @ u.T).T
            child.start_extra(below, value.ravel())

    # ------------------------------------------------------------------ new data
    def change_numbers(self, item: int, constants: FloatArray, numbers: FloatArray) -> None:
        """New constants and numbers for one constraint."""
        q = len(self.kind[1].fields)
        new = self.kind[1].build(self.example.shape, numbers.reshape(self.m, q))
        if self.bridge.group(new) != self.bridge.group(self.example):
            raise UnsupportedModification(f"{new!r} is bridged in another way than {self.example!r}.")
        if not np.array_equal(constants, self.constants[item]):
            self._check_changeable()
        self.constants[item], self.numbers[item] = constants, numbers
        for target, child, below in self._below(np.array([item])):
            g = target.constants(constants[None, :], numbers[None, :])[0]
            theta = target.numbers(numbers[None, :])[0]
            child.change_numbers(below, target.dims, g, theta)

    def _check_changeable(self) -> None:
        if self.bridge.looks_at_functions:
            raise UnsupportedModification(f"{self.bridge!r} chooses its rows by the function: build the model anew.")

    def change_function(self, items: IntArray, rows: Rows) -> None:
        """Other functions for some constraints, one below the other."""
        self._check_changeable()
        k, e = len(items), self.lift.extra
        g = rows.constant.reshape(k, self.m)
        self.constants[items] = g
        extra = self.extra.take((items[:, None] * e + np.arange(e)).ravel()) if e else None
        for target, child, below in self._below(items):
            if not target.A.nnz:
                continue
            mapped = target.mapped(rows, k).with_constants(target.constants(g, self.numbers[items]).ravel())
            if extra is not None and target.B is not None:
                mapped = mapped + extra.mapped(target.B, k)
            child.change_function(below, mapped)

    def change_column(self, item: int, variable: Any, rows: IntArray, column: FloatArray) -> None:
        """New coefficients of one variable in some rows of one constraint."""
        self._check_changeable()
        for target, child, below in self._below(np.array([item])):
            touched = np.unique(target.A.tocsc()[:, rows].indices)
            child.change_column(below, target.dims, variable, touched, target.A @ column)

    def leaves(self, items: IntArray) -> Iterator[tuple[Leaf, IntArray]]:
        """The native constraints that stand for some constraints."""
        for _, child, below in self._below(items):
            yield from child.leaves(below)

    def clear(self, attribute: attr.Attribute, items: IntArray) -> None:
        """Take back what was set."""
        for _, child, below in self._below(items):
            child.clear(attribute, below)

    def delete(self, items: IntArray) -> None:
        """Delete constraints, with the extra variables that came with them."""
        for _, child, below in self._below(items):
            child.delete(below)
        if self.lift.extra:
            e = self.lift.extra
            self.remove_extra(self.extra.take((items[:, None] * e + np.arange(e)).ravel()).variables())


@final
class Bundle:
    """Constraints added together, in one or several pieces.

    Parameters
    ----------
    pieces : (piece, items) pairs: item i of the piece is constraint ``items[i]`` of the bundle
    count : number of constraints
    """

    def __init__(self, pieces: Sequence[tuple[Piece, IntArray]], count: int) -> None:
        self.pieces = [piece for piece, _ in pieces]
        self._alone = len(pieces) == 1 and np.array_equal(pieces[0][1], np.arange(count))
        if self._alone:
            self.dims = self.pieces[0].dims
            return
        self.dims = np.zeros(count, np.int64)
        self._piece_of = np.zeros(count, np.int64)
        self._item_of = np.zeros(count, np.int64)
        for at, (piece, items) in enumerate(pieces):
            self.dims[items] = piece.dims
            self._piece_of[items] = at
            self._item_of[items] = np.arange(len(items))

    @staticmethod
    def of(piece: Piece) -> Bundle:
        """The bundle of one piece."""
        return Bundle([(piece, np.arange(len(piece.dims)))], len(piece.dims))

    def items(self, at: int) -> IntArray:
        """The constraints of the bundle that piece number `at` holds, in the piece's order."""
        if self._alone:
            return np.arange(len(self.dims))
        mine = np.flatnonzero(self._piece_of == at)
        return mine[np.argsort(self._item_of[mine], kind="stable")]

    def piece(self, item: int) -> tuple[Piece, int]:
        """The piece that holds a constraint, and the item there."""
        if self._alone:
            return self.pieces[0], item
        return self.pieces[self._piece_of[item]], int(self._item_of[item])

    def _split(self, items: IntArray) -> list[tuple[Piece, IntArray, IntArray | None]]:
        """(piece, its items, positions among the rows of the given items, or None for all of them)."""
        if self._alone:
            return [(self.pieces[0], items, None)]
        dims = self.dims[items]
        starts = np.cumsum(dims) - dims
        out: list[tuple[Piece, IntArray, IntArray | None]] = []
        which = self._piece_of[items]
        for at in np.unique(which).tolist():
            chosen = np.flatnonzero(which == at)
            rows = segments(starts[chosen], dims[chosen])
            out.append((self.pieces[at], self._item_of[items[chosen]], rows))
        return out

    @property
    def has_extra(self) -> bool:
        """Whether there are extra variables."""
        nodes = [piece for piece in self.pieces if isinstance(piece, Node)]
        return any(node.lift.extra or any(child.has_extra for child in node.children) for node in nodes)

    def leaves(self, items: IntArray) -> Iterator[tuple[Leaf, IntArray]]:
        """The native constraints that stand for some constraints."""
        for piece, below, _ in self._split(items):
            yield from piece.leaves(below)

    def pull(self, attribute: attr.Attribute, items: IntArray) -> Values | None:
        """Bring the values of some constraints up; None stands for zeros."""
        out: Values | None = None
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
            piece.push(attribute, below, payload if rows is None else of_rows(payload, rows, self.dims[items]))

    def start_extra(self, items: IntArray, values: FloatArray) -> None:
        """Start the extra variables of some constraints."""
        for piece, below, rows in self._split(items):
            piece.start_extra(below, values if rows is None else values[rows])

    def clear(self, attribute: attr.Attribute, items: IntArray) -> None:
        """Take back what was set on some constraints."""
        for piece, below, _ in self._split(items):
            piece.clear(attribute, below)

    def _each(self, items: IntArray, dims: IntArray) -> Iterator[tuple[Piece, int, slice]]:
        """(piece, item there, its rows among those of the given items) one by one."""
        ends = np.cumsum(dims)
        for item, d, end in zip(items.tolist(), dims.tolist(), ends.tolist(), strict=True):
            yield *self.piece(item), slice(int(end - d), int(end))

    def change_numbers(self, items: IntArray, dims: IntArray, constants: FloatArray, numbers: FloatArray) -> None:
        """New constants and numbers for some constraints."""
        q = len(numbers) // max(len(constants), 1)
        for piece, item, rows in self._each(items, dims):
            piece.change_numbers(item, constants[rows], numbers[rows.start * q : rows.stop * q])

    def change_function(self, items: IntArray, rows: Rows) -> None:
        """Other functions for some constraints, one below the other."""
        for piece, below, at in self._split(items):
            piece.change_function(below, rows if at is None else rows.take(at))

    def change_column(self, items: IntArray, dims: IntArray, variable: Any, rows: IntArray, column: FloatArray) -> None:
        """New coefficients of one variable in some rows of some constraints."""
        for piece, item, mine in self._each(items, dims):
            touched = rows[(rows >= mine.start) & (rows < mine.stop)] - mine.start
            if len(touched):
                piece.change_column(item, variable, touched, column[mine])

    def delete(self, items: IntArray) -> None:
        """Delete constraints."""
        for piece, below, _ in self._split(items):
            piece.delete(below)
