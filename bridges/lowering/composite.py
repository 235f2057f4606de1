"""Chains of bridges composed: for one constraint, all that stands for it in a form, in one set of matrices each.

A constraint ``f in S`` with numbers θ of its set becomes ``A f + B u + C θ + c0 in S2(N θ + n0)`` through each bridge
(see `bridges.base`). Through a chain of them it does, too: the matrices multiply, and the extra variables u of all of
them stand side by side.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
import scipy.sparse as sp

from ...modelkit.arrays import FloatArray, IntArray, segments
from ...modelkit.functions import VariableIndex
from ...modelkit.indices import Kind
from ...modelkit.sets import Set
from ...modelkit.store.block import SetBlock
from ..bridge import Bridge, Lift, Matrix, Target, grouped, identity
from ..graph import BridgeGraph

__all__ = ["Composite", "StandIn", "Step", "compose"]


@final
@dataclass(frozen=True, eq=False)
class StandIn:
    """Native constraints of one kind that stand for one constraint of m rows, with q numbers a row.

    Attributes
    ----------
    kind : (function type, set type), native
    shapes : of the vector sets, one below the other; of scalar sets none
    A : (p, m); B : (p, extra); C : (p, m q); c0 : (p,)
    N : (p q2, m q); n0 : (p q2,)
    adjoint : (m, p), how duals travel up
    is_identity : whether this is the constraint itself
    """

    kind: Kind
    shapes: tuple[tuple[float, ...], ...]
    A: Matrix
    B: Matrix
    C: Matrix
    c0: FloatArray
    N: Matrix
    n0: FloatArray
    adjoint: Matrix
    is_identity: bool = False

    @staticmethod
    def of_nothing(kind: Kind, m: int, numbers: int) -> StandIn:
        """What stands for a constraint that asks for nothing."""
        none = np.zeros(0)
        empty, wide = sp.csr_array((0, m)), sp.csr_array((0, numbers))
        return StandIn(kind, (), empty, sp.csr_array((0, 0)), wide, none, wide, none, sp.csr_array((m, 0)))

    def sets(self, count: int) -> SetBlock:
        """The vector sets, without numbers, of so many constraints."""
        if self.kind[1].is_vector and self.shapes:
            one = [self.kind[1].build(s, np.zeros((0, 0))).dimension for s in dict.fromkeys(self.shapes)]
            size = dict(zip(dict.fromkeys(self.shapes), one, strict=True))
            dims = np.array([size[s] for s in self.shapes], np.int64)
        else:
            dims = np.zeros(0, np.int64)
        every = np.tile(dims, count)
        return SetBlock(self.kind[1], every, np.zeros((int(every.sum()), 0)), self.shapes * count)

    @property
    def p(self) -> int:
        """Number of rows."""
        return int(self.A.shape[0])

    @property
    def is_membership(self) -> bool:
        """Whether it says something of extra variables alone, one a row."""
        return self.kind[0] is VariableIndex and not self.A.nnz

    @cached_property
    def A_transposed(self) -> Matrix:
        """``Aᵀ``: how gradients travel up."""
        return sp.csr_array(self.A.T)

    @cached_property
    def adjoint_transposed(self) -> Matrix:
        """How dual seeds travel down."""
        return sp.csr_array(self.adjoint.T)

    @cached_property
    def members(self) -> IntArray:
        """Of a membership, the extra variable of each row."""
        return np.asarray(self.B.indices, np.int64)


@final
@dataclass(frozen=True, eq=False)
class Step:
    """One constraint on its way down: native, or with the bridge that takes it on and what comes of each target."""

    kind: Kind
    example: Set
    bridge: Bridge | None = None
    lift: Lift = Lift(())  # noqa: RUF009  immutable
    below: tuple[tuple[tuple[IntArray, Step], ...], ...] = ()
    """For each target, groups of its sets: their positions, and the step of one of them."""

    @cached_property
    def extra(self) -> int:
        """Number of extra variables, here and below."""
        if self.bridge is None:
            return 0
        return self.lift.extra + sum(len(at) * step.extra for groups in self.below for at, step in groups)

    def dual_start(self, dual: FloatArray) -> list[FloatArray]:
        """Duals (k, p) of all stand-ins, in their order, that give those of the constraint, (k, m)."""
        if self.bridge is None:
            return [dual]
        starts, at, found = self.bridge.dual_start(self.lift, dual), 0, list[FloatArray]()
        for target, groups in zip(self.lift.targets, self.below, strict=True):
            mine = starts[:, at : at + target.p]
            at += target.p
            for where, step in groups:
                rows = _rows_of(target, where)
                parts = step.dual_start(mine[:, rows].reshape(-1, len(rows) // len(where)))
                found += [part.reshape(len(dual), -1) for part in parts]
        return found

    def extra_start(self, values: FloatArray, numbers: FloatArray) -> FloatArray:
        """Extra variables (k, extra) that go with values (k, m) of the functions, NaN where a bridge knows none."""
        k = len(values)
        if self.bridge is None:
            return np.zeros((k, 0))
        known = self.bridge.extra_start(self.example, values) if self.lift.extra else np.zeros((k, 0))
        own = np.full((k, self.lift.extra), np.nan) if known is None else known
        parts = [own]
        for target, groups in zip(self.lift.targets, self.below, strict=True):
            f, theta = target.constants(values, numbers), target.numbers(numbers)
            if target.B is not None:
                f = f + (target.B @ own.T).T
            width = len(target.kind[1].fields)
            for where, step in groups:
                rows = _rows_of(target, where)
                mine = (rows[:, None] * width + np.arange(width)).ravel()
                size = len(rows) // max(len(where), 1)
                every = k * len(where)
                below = step.extra_start(f[:, rows].reshape(every, size), theta[:, mine].reshape(every, size * width))
                parts.append(below.reshape(k, -1))
        return np.concatenate(parts, axis=1)

    def words(self, indent: str = "") -> Iterator[str]:
        """The way down, a line a step."""
        name = f"{indent}{self.kind[0].__name__}-in-{self.kind[1].__name__}"
        yield f"{name}  (native)" if self.bridge is None else f"{name}  by {self.bridge!r}"
        for groups in self.below:
            for _, step in groups:
                yield from step.words(indent + "    ")


@final
@dataclass(frozen=True, eq=False)
class Composite:
    """All that stands for one constraint, and how it came to that.

    Attributes
    ----------
    stand_ins : the native constraints
    root : the steps
    """

    stand_ins: tuple[StandIn, ...]
    root: Step

    @property
    def extra(self) -> int:
        """Number of extra variables."""
        return self.root.extra


def compose(graph: BridgeGraph, kind: Kind, example: Set, lift: Lift | None = None) -> Composite:
    """The composite of one constraint.

    Parameters
    ----------
    graph : of the bridges towards the target; it reaches the kind
    kind, example : of the constraint
    lift : of its first bridge, where that depends on more than the set
    """
    root = _step(graph, kind, example, lift)
    return Composite(tuple(_stand_ins(root)), root)


def _step(graph: BridgeGraph, kind: Kind, example: Set, lift: Lift | None = None) -> Step:
    bridge = graph.bridge(kind)
    if bridge is None:
        return Step(kind, example)
    if lift is None:
        lift = bridge.lift(kind[0], example) if example.dimension else Lift(())
    lift = lift.weighted(example)
    numbers = example.numbers.reshape(1, -1)
    below = []
    for target in lift.targets:
        sets = target.sets(target.numbers(numbers))
        groups = grouped(sets.shapes or [0] * sets.count)
        below.append(tuple((at, _step(graph, target.kind, sets.set(int(at[0])))) for at in groups))
    return Step(kind, example, bridge, lift, tuple(below))


def _rows_of(target: Target, where: IntArray) -> IntArray:
    """The rows of some of the sets of a target."""
    starts = np.cumsum(target.dims) - target.dims
    return segments(starts[where], target.dims[where])


def _stand_ins(step: Step) -> Iterator[StandIn]:
    m, q = step.example.dimension, len(step.example.fields)
    if step.bridge is None:
        yield StandIn(
            step.kind,
            (step.example.shape,) if step.kind[1].is_vector else (),
            identity(m),
            sp.csr_array((m, 0)),
            sp.csr_array((m, m * q)),
            np.zeros(m),
            identity(m * q),
            np.zeros(m * q),
            identity(m),
            True,
        )
        return
    first, total = step.lift.extra, step.extra
    for target, groups in zip(step.lift.targets, step.below, strict=True):
        for where, child in groups:
            rows = _rows_of(target, where)
            count = len(where)
            for one in _stand_ins(child):
                yield _through(target, rows, count, one, (m * q, total, first), len(child.example.fields))
            first += count * child.extra


def _through(target: Target, rows: IntArray, count: int, one: StandIn, sizes: tuple[int, int, int], q2: int) -> StandIn:
    """What stands for some sets of a target, as something that stands for the constraint above."""
    numbers, total, first = sizes
    every = sp.eye_array(count, format="csr")

    def repeated(matrix: Matrix) -> Matrix:
        return sp.csr_array(sp.kron(every, matrix, format="csr")) if count > 1 else matrix

    A2, C2, N2 = repeated(one.A), repeated(one.C), repeated(one.N)
    own = sp.csr_array((len(rows), 0)) if target.B is None else sp.csr_array(target.B[rows])
    wide = sp.csr_array((own.data, own.indices, own.indptr), shape=(len(rows), total))
    B = A2 @ wide
    if one.B.shape[1]:
        place = sp.csr_array(repeated(one.B))
        moved = sp.csr_array((place.data, place.indices + first, place.indptr), shape=(place.shape[0], total))
        B = B + moved
    at = (rows[:, None] * q2 + np.arange(q2)).ravel()
    C1 = sp.csr_array((len(rows), numbers)) if target.C is None else sp.csr_array(target.C[rows])
    N1 = sp.csr_array((len(at), numbers)) if target.N is None else sp.csr_array(target.N[at])
    c1 = np.zeros(len(rows)) if target.c0 is None else target.c0[rows]
    n1 = np.zeros(len(at)) if target.n0 is None else target.n0[at]
    adjoint = sp.csr_array(target.adjoint[:, rows]) @ repeated(one.adjoint)
    return StandIn(
        one.kind,
        one.shapes * count,
        sp.csr_array(A2 @ target.A[rows]),
        sp.csr_array(B),
        sp.csr_array(A2 @ C1 + C2 @ N1),
        A2 @ c1 + C2 @ n1 + np.tile(one.c0, count),
        sp.csr_array(N2 @ N1),
        N2 @ n1 + np.tile(one.n0, count),
        sp.csr_array(adjoint),
    )
