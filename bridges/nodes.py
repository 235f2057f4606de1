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

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np

from ..modelkit import attributes as attr
from ..modelkit.arrays import FloatArray, IntArray
from ..modelkit.attributes import Way
from ..modelkit.errors import UnsupportedAttribute, UnsupportedModification
from ..modelkit.functions import VectorOfVariables
from ..modelkit.protocol import AbstractModel
from ..modelkit.rows import Rows
from ..modelkit.sets import Set
from .base import Bridge, Lift, Matrix, Target
from .bundle import Bundle
from .leaf import Leaf, is_plain

__all__ = ["Node"]


def _apply(M: Matrix, values: FloatArray, copies: int) -> FloatArray:
    """``kron(I, M)`` on the first axis."""
    p, q = M.shape
    tail = values.shape[1:]
    width = int(np.prod(tail, dtype=np.int64))
    flat = np.moveaxis(values.reshape(copies, q, width), 1, 0).reshape(q, copies * width)
    out: FloatArray = np.moveaxis((M @ flat).reshape(p, copies, width), 1, 0)
    return out.reshape(copies * p, *tail)


@final
@dataclass(eq=False)
class Node:
    """k constraints of one group, behind one bridge.

    Parameters
    ----------
    example : a set of the group
    constants : (k, m) of the bridged functions
    numbers : (k, m q) of the bridged sets
    children : a bundle for each target of the lift
    extra : k * lift.extra rows in inner variables, the extra variables
    inner : the model that holds these
    """

    bridge: Bridge
    lift: Lift
    example: Set
    constants: FloatArray
    numbers: FloatArray
    children: tuple[Bundle, ...]
    extra: Rows
    inner: AbstractModel

    @property
    def m(self) -> int:
        """Rows of one constraint."""
        return int(self.constants.shape[1])

    @property
    def q(self) -> int:
        """Numbers of each row."""
        return len(self.example.fields)

    @cached_property
    def dims(self) -> IntArray:
        """Rows of each constraint."""
        return np.full(len(self.constants), self.m)

    def extra_of(self, items: IntArray) -> Rows:
        """The extra variables of some constraints."""
        e = self.lift.extra
        return self.extra.take((items[:, None] * e + np.arange(e)).ravel())

    def below(self, items: IntArray) -> list[tuple[Target, Bundle, IntArray]]:
        """Each target with its bundle and the items there that stand in for the given ones."""
        out = []
        for target, child in zip(self.lift.targets, self.children, strict=True):
            r = target.count
            below = items if r == 1 else (items[:, None] * r + np.arange(r)).ravel()
            out.append((target, child, below))
        return out

    def pull(self, attribute: attr.Attribute, items: IntArray) -> FloatArray | None:
        """Bring values up; None stands for zeros, of constraints that have no stand-in."""
        k = len(items)
        total: FloatArray | None = None
        for target, child, below in self.below(items):
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

    def _set_gradient(self, target: Target, values: FloatArray, k: int) -> FloatArray:
        q = self.q
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
        for target, child, below in self.below(items):
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

    def _set_tangent(self, target: Target, payload: FloatArray, k: int) -> FloatArray:
        q, q2 = self.q, len(target.kind[1].fields)
        constant = _apply(target.A, payload[:, :1], k)
        numbers = payload[:, 1:].reshape(k * self.m * q, *payload.shape[2:])
        if q and target.C is not None:
            constant = constant + _apply(target.C, numbers, k)[:, None]
        below = np.zeros((k * target.p, q2, *payload.shape[2:]))
        if q and q2 and target.N is not None:
            below = _apply(target.N, numbers, k).reshape(below.shape)
        return np.concatenate([constant, below], axis=1)

    @property
    def has_extra(self) -> bool:
        """Whether there are extra variables, here or below."""
        return bool(self.lift.extra) or any(child.has_extra for child in self.children)

    def start_extra(self, items: IntArray, values: FloatArray) -> None:
        """Start the extra variables, here and below, where the bridge knows them."""
        k, e = len(items), self.lift.extra
        f, u = values.reshape(k, self.m), np.zeros((k, e))
        if e:
            found = self.bridge.extra_start(self.example, f)
            rows = self.extra_of(items)
            if found is None or not is_plain(rows):
                return
            u, ids = found, VectorOfVariables.of_ids(rows.var[np.argsort(rows.row)])
            self.inner.set(attr.VariablePrimalStart(), ids, u.ravel())
        for target, child, below in self.below(items):
            value = target.constants(f, self.numbers[items])
            if target.B is not None:
                value = value + (target.B @ u.T).T
            child.start_extra(below, value.ravel())

    # ------------------------------------------------------------------ new data
    def change_numbers(self, items: IntArray, constants: FloatArray, numbers: FloatArray) -> None:
        """New constants and numbers for some constraints, one below the other."""
        g, theta = constants.reshape(len(items), self.m), numbers.reshape(len(items), self.m * self.q)
        if type(self.bridge).group is not Bridge.group:  # it looks at more than the shape, which stays
            for one in theta:
                new = type(self.example).build(self.example.shape, one.reshape(self.m, self.q))
                if self.bridge.group(new) != self.bridge.group(self.example):
                    raise UnsupportedModification(
                        f"{new!r} is bridged in another way than {self.example!r}: build the model anew."
                    )
        if not np.array_equal(g, self.constants[items]):
            self._check_changeable()
        self.constants[items], self.numbers[items] = g, theta
        for target, child, below in self.below(items):
            child.change_numbers(below, target.constants(g, theta).ravel(), target.numbers(theta).ravel())

    def _check_changeable(self) -> None:
        if self.bridge.looks_at_functions:
            raise UnsupportedModification(f"{self.bridge!r} chooses its rows by the function: build the model anew.")

    def change_function(self, items: IntArray, rows: Rows) -> None:
        """Other functions for some constraints, one below the other."""
        self._check_changeable()
        k = len(items)
        g = rows.constant.reshape(k, self.m)
        self.constants[items] = g
        for target, child, below in self.below(items):
            if not target.A.nnz:
                continue
            mapped = target.mapped(rows, k).with_constants(target.constants(g, self.numbers[items]).ravel())
            if target.B is not None:
                mapped = mapped + self.extra_of(items).mapped(target.B, k)
            child.change_function(below, mapped)

    def change_column(self, item: int, variable: Any, rows: IntArray, column: FloatArray) -> None:
        """New coefficients of one variable in some rows of one constraint."""
        self._check_changeable()
        for target, child, below in self.below(np.array([item])):
            touched = np.unique(target.A.tocsc()[:, rows].indices)
            child.change_column(below, variable, touched, target.A @ column)

    def leaves(self, items: IntArray) -> Iterator[tuple[Leaf, IntArray]]:
        """The native constraints that stand for some constraints."""
        for _, child, below in self.below(items):
            yield from child.leaves(below)

    def clear(self, attribute: attr.Attribute, items: IntArray) -> None:
        """Take back what was set."""
        for _, child, below in self.below(items):
            child.clear(attribute, below)

    def delete(self, items: IntArray) -> None:
        """Delete constraints, with the extra variables that came with them."""
        for _, child, below in self.below(items):
            child.delete(below)
        if self.lift.extra:
            self.inner.delete(list(VectorOfVariables.of_ids(self.extra_of(items).variables())))
