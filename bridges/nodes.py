"""Bridged constraints, and everything that travels through them.

A block of constraints given to the bridge layer becomes a `Bundle` of pieces: a `Leaf` where the inner model
takes the constraints as they are, a `Node` where a bridge stands in between, whose targets are bundles again.
There is one code path for each `Way` of travel (DESIGN, section 3):

* `Bundle.pull` brings duals, gradients and set gradients up,
* `Bundle.push` sends tangents, seeds and starts down,
* `Bundle.change` sends new data (constants, numbers, functions, coefficients) down.

Values in bulk are arrays whose first axis is the rows of the constraints, one below the other. A set's values
carry two things side by side: what belongs to the constant of its function, then its own numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from ..modelkit import attributes as attr
from ..modelkit.attributes import Way
from ..modelkit.errors import UnsupportedAttribute, UnsupportedModification
from ..modelkit.functions import VariableIndex
from ..modelkit.indices import ConstraintIndex, ConstraintIndices, Kind
from ..modelkit.modifications import (
    MultirowChange,
    ScalarCoefficientChange,
    ScalarConstantChange,
    VectorConstantChange,
)
from ..modelkit.protocol import AbstractModel
from ..modelkit.rows import FloatArray, IntArray, Rows, segments
from ..modelkit.sets import Set
from .base import Bridge, Lift, Matrix

__all__ = ["Bundle", "Leaf", "Node"]

Values = NDArray[np.float64]


def _apply(M: Matrix, values: Values, copies: int) -> Values:
    """``kron(I, M)`` on the first axis."""
    p, q = M.shape
    tail = values.shape[1:]
    flat = np.moveaxis(values.reshape(copies, q, -1), 1, 0).reshape(q, -1)
    out = np.moveaxis((M @ flat).reshape(p, copies, -1), 1, 0)
    return out.reshape(copies * p, *tail)


@final
@dataclass(frozen=True, eq=False)
class Leaf:
    """Constraints that the inner model holds as they are."""

    inner: AbstractModel
    indices: ConstraintIndices
    dims: IntArray
    shapes: tuple[tuple[float, ...], ...] | None

    def pull(self, attribute: attr.Attribute, items: IntArray) -> Values:
        """The inner model's values, in bulk."""
        values: Values = self.inner.get(attribute, self._at(items))
        return values

    def push(self, attribute: attr.Attribute, items: IntArray, payload: Any) -> None:
        """To the inner model, in bulk."""
        self.inner.set(attribute, self._at(items), payload)

    def _at(self, items: IntArray) -> ConstraintIndices:
        return ConstraintIndices(self.indices.kind, self.indices.values[items])

    def index(self, item: int) -> ConstraintIndex:
        """The inner constraint."""
        return self.indices[item]

    def change_numbers(self, item: int, constants: FloatArray, numbers: FloatArray) -> None:
        """New constants and numbers for one constraint."""
        index = self.index(item)
        set_type = index.kind[1]
        if not index.kind[0].degree == 0:
            change = VectorConstantChange(constants) if set_type.is_vector else ScalarConstantChange(constants[0])
            self.inner.modify(index, change)
        if set_type.fields:
            shape = self.shapes[item] if self.shapes else (1,)
            new = set_type.build(shape, numbers.reshape(-1, len(set_type.fields)))
            self.inner.set(attr.ConstraintSet(), index, new)

    def change_function(self, item: int, rows: Rows) -> None:
        """Another function for one constraint."""
        index = self.index(item)
        self.inner.set(attr.ConstraintFunction(), index, index.kind[0].from_rows(rows))

    def change_column(self, item: int, variable: Any, rows: IntArray, column: FloatArray) -> None:
        """New coefficients of one variable in some rows of one constraint; `column` has all rows."""
        index = self.index(item)
        if index.kind[1].is_vector:
            pairs = list(zip(rows.tolist(), column[rows].tolist(), strict=True))
            self.inner.modify(index, MultirowChange(variable, pairs))
        else:
            self.inner.modify(index, ScalarCoefficientChange(variable, float(column[0])))

    def plain_bounds(self, items: IntArray) -> list[tuple[Kind, int]]:
        """(kind, inner variable) of the constraints on plain variables among these."""
        kind = self.indices.kind
        return [(kind, i) for i in self.indices.values[items].tolist()] if kind[0] is VariableIndex else []

    def delete(self, items: IntArray) -> None:
        """Delete constraints from the inner model."""
        for item in items.tolist():
            self.inner.delete(self.index(item))


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

    @property
    def m(self) -> int:
        """Rows of one constraint."""
        return self.constants.shape[1]

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

    def pull(self, attribute: attr.Attribute, items: IntArray) -> Values:
        """Bring values up."""
        k = len(items)
        total: Values | None = None
        for target, child, below in self._below(items):
            values = child.pull(attribute, below)
            if attribute.way is Way.DUAL:
                up = _apply(target.adjoint, values, k)
            elif attribute.way is Way.GRADIENT:
                up = _apply(target.A_transposed, values, k)
            elif attribute.way is Way.SET_GRADIENT:
                up = self._set_gradient(target, values, k)
            else:
                raise UnsupportedAttribute(f"{attribute!r} does not travel up through bridges.")
            total = up if total is None else total + up
        if total is None:  # no targets at all
            width = {Way.DUAL: (), Way.GRADIENT: (2,), Way.SET_GRADIENT: (1 + len(self.kind[1].fields),)}
            return np.zeros((k * self.m, *width[attribute.way or Way.DUAL]))
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
                value: Any = payload.mapped(target.A, payload.m // self.m)
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

    # ------------------------------------------------------------------ new data
    def change_numbers(self, item: int, constants: FloatArray, numbers: FloatArray) -> None:
        """New constants and numbers for one constraint."""
        q = len(self.kind[1].fields)
        new = self.kind[1].build(self.example.shape, numbers.reshape(-1, q))
        if self.bridge.group(new) != self.bridge.group(self.example):
            raise UnsupportedModification(f"{new!r} is bridged in another way than {self.example!r}.")
        self.constants[item], self.numbers[item] = constants, numbers
        for target, child, below in self._below(np.array([item])):
            g = target.constants(constants[None, :], numbers[None, :])[0]
            theta = target.numbers(numbers[None, :])[0]
            child.change_numbers(below, target.dims, g, theta)

    def change_function(self, item: int, rows: Rows) -> None:
        """Another function for one constraint."""
        self.constants[item] = rows.constant
        mine = segments(np.array([item * self.lift.extra]), np.array([self.lift.extra]))
        extra = self.extra.take(mine) if self.lift.extra else None
        for target, child, below in self._below(np.array([item])):
            mapped = rows.mapped(target.A)
            constants = target.constants(rows.constant[None, :], self.numbers[item][None, :])[0]
            mapped = mapped.with_constants(constants)
            if extra is not None and target.B is not None:
                mapped = mapped + extra.mapped(target.B)
            child.change_function(below, target.dims, mapped)

    def change_column(self, item: int, variable: Any, rows: IntArray, column: FloatArray) -> None:
        """New coefficients of one variable in some rows of one constraint."""
        for target, child, below in self._below(np.array([item])):
            touched = np.unique(target.A.tocsc()[:, rows].indices)
            child.change_column(below, target.dims, variable, touched, target.A @ column)

    def plain_bounds(self, items: IntArray) -> list[tuple[Kind, int]]:
        """(kind, inner variable) of the native bounds on plain variables that stand for some constraints."""
        return [bound for _, child, below in self._below(items) for bound in child.plain_bounds(below)]

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

    def __init__(self, pieces: Sequence[tuple[Leaf | Node, IntArray]], count: int) -> None:
        self.pieces = [piece for piece, _ in pieces]
        self._alone = len(pieces) == 1 and len(pieces[0][1]) == count
        self._piece_of = np.zeros(count, np.int64)
        self._item_of = np.arange(count)
        self.dims = np.zeros(count, np.int64)
        for at, (piece, items) in enumerate(pieces):
            self._piece_of[items] = at
            self._item_of[items] = np.arange(len(items))
            self.dims[items] = piece.dims
        if self._alone and not np.array_equal(pieces[0][1], np.arange(count)):
            self._alone = False

    def items(self, at: int) -> IntArray:
        """The constraints of the bundle that piece number `at` holds, in the piece's order."""
        mine = np.flatnonzero(self._piece_of == at)
        return mine[np.argsort(self._item_of[mine], kind="stable")]

    def piece(self, item: int) -> tuple[Leaf | Node, int]:
        """The piece that holds a constraint, and the item there."""
        return self.pieces[self._piece_of[item]], int(self._item_of[item])

    def plain_bounds(self, items: IntArray) -> list[tuple[Kind, int]]:
        """(kind, inner variable) of the native bounds on plain variables that stand for some constraints."""
        found = []
        for piece, below, _ in self._split(items):
            found += piece.plain_bounds(below)
        return found

    def _split(self, items: IntArray) -> list[tuple[Leaf | Node, IntArray, IntArray]]:
        """(piece, its items, positions among the rows of the given items)."""
        dims = self.dims[items]
        starts = np.cumsum(dims) - dims
        out = []
        which = self._piece_of[items]
        for at in np.unique(which).tolist():
            chosen = np.flatnonzero(which == at)
            rows = segments(starts[chosen], dims[chosen])
            out.append((self.pieces[at], self._item_of[items[chosen]], rows))
        return out

    def pull(self, attribute: attr.Attribute, items: IntArray) -> Values:
        """Bring the values of some constraints up."""
        if self._alone:
            return self.pieces[0].pull(attribute, items)
        total = int(self.dims[items].sum())
        out: Values | None = None
        for piece, below, rows in self._split(items):
            values = piece.pull(attribute, below)
            if out is None:
                out = np.zeros((total, *values.shape[1:]))
            out[rows] = values
        return np.zeros(total) if out is None else out

    def push(self, attribute: attr.Attribute, items: IntArray, payload: Any) -> None:
        """Send the values of some constraints down."""
        if self._alone:
            self.pieces[0].push(attribute, items, payload)
            return
        total = int(self.dims[items].sum())
        for piece, below, rows in self._split(items):
            if isinstance(payload, Rows):
                directions = np.arange(payload.m // total) * total
                part: Any = payload.take((directions[:, None] + rows).ravel())
            else:
                part = payload[rows]
            piece.push(attribute, below, part)

    def _each(self, items: IntArray, dims: IntArray) -> list[tuple[Leaf | Node, int, slice]]:
        """(piece, item there, its rows among those of the given items) one by one."""
        ends = np.cumsum(dims)
        return [
            (self.pieces[self._piece_of[item]], int(self._item_of[item]), slice(int(e - d), int(e)))
            for item, d, e in zip(items.tolist(), dims.tolist(), ends.tolist(), strict=True)
        ]

    def change_numbers(self, items: IntArray, dims: IntArray, constants: FloatArray, numbers: FloatArray) -> None:
        """New constants and numbers for some constraints."""
        q = len(numbers) // max(len(constants), 1)
        for piece, item, rows in self._each(items, dims):
            piece.change_numbers(item, constants[rows], numbers[rows.start * q : rows.stop * q])

    def change_function(self, items: IntArray, dims: IntArray, rows: Rows) -> None:
        """Other functions for some constraints."""
        for piece, item, mine in self._each(items, dims):
            piece.change_function(item, rows.take(np.arange(mine.start, mine.stop)))

    def change_column(
        self, items: IntArray, dims: IntArray, variable: Any, rows: IntArray, column: FloatArray
    ) -> None:
        """New coefficients of one variable in some rows of some constraints."""
        for piece, item, mine in self._each(items, dims):
            touched = rows[(rows >= mine.start) & (rows < mine.stop)] - mine.start
            if len(touched):
                piece.change_column(item, variable, touched, column[mine])

    def delete(self, items: IntArray) -> None:
        """Delete constraints."""
        for piece, below, _ in self._split(items):
            piece.delete(below)
