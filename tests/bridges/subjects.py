"""What the generic bridge suite runs over: found by asking every registered bridge for every kind.

A new bridge is covered without a line here. A new set needs its examples in `EXAMPLES`; what it contains is known
from its bounds or, unless it is a box, from its `violation` (test_cones.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from inspect import isabstract
from typing import Any, TypeAlias

import numpy as np

import optangent as ot
from optangent.bridges import catalogue  # noqa: F401  registers the bridges
from optangent.bridges.bridge import REGISTRY, Bridge
from optangent.modelkit import sets as all_sets
from optangent.modelkit.arrays import FloatArray, IntArray
from optangent.modelkit.functions import Function, VectorOfVariables
from optangent.modelkit.functions.rows import Rows
from optangent.modelkit.indices import Kind, describe_kind
from optangent.modelkit.sets import ScalarSet, Set, VectorSet
from optangent.modelkit.store.block import ConstraintBlock, SetBlock

INF = np.inf
FUNCTIONS: tuple[type[Function], ...] = (ot.VariableIndex, ot.ScalarAffineFunction, ot.VectorAffineFunction)
"""The types of functions that bridges see: plain variables in vector sets are rows like others."""
NEITHER = (Set, ScalarSet, VectorSet, all_sets.OperatorGraph)
"""Bases, and what is no convex set and has neither bridges nor a projection."""
SETS = [
    s
    for s in (getattr(all_sets, name) for name in all_sets.__all__)
    if isinstance(s, type) and issubclass(s, Set) and s not in NEITHER and not isabstract(s)
]
SCALAR_DISCRETE = (ot.Integer, ot.ZeroOne, ot.Semicontinuous, ot.Semiinteger)
DISCRETE = (*SCALAR_DISCRETE, ot.SOS1, ot.SOS2, ot.Indicator)
BOX = (-3.0, 4.0)
"""Bounds of the rows, for bridges whose matrices are made from them."""


def is_box(s: type[Set]) -> bool:
    """Whether sets of a type are products of intervals."""
    return s.bounds.__func__ is not Set.bounds.__func__  # type: ignore[attr-defined]


def _numbers(kind: type[Set]) -> list[list[Set]]:
    return [[kind(1.5)], [kind(-1.0), kind(2.0), kind(0.0)]]  # type: ignore[call-arg]


def _sizes(kind: type[Set]) -> list[list[Set]]:
    sizes = ([1], [4], [2, 2, 2], [4, 1, 4, 0, 1])
    return [[kind(d) for d in dims] for dims in sizes]  # type: ignore[call-arg]


def _gaps(kind: type[Set]) -> list[list[Set]]:
    boxes = [(1.0, 2.0)], [(1.0, 2.0), (2.0, 4.0), (1.0, 2.0)], [(-2.0, -0.5), (-INF, -1.0), (1.0, INF), (-2.0, INF)]
    return [[kind(*box) for box in block] for block in boxes]  # type: ignore[call-arg]


def _shapes(kind: type[Set], *blocks: list[Any]) -> list[list[Set]]:
    arguments = [[shape if isinstance(shape, tuple) else (shape,) for shape in block] for block in blocks]
    return [[kind(*shape) for shape in block] for block in arguments]


_INTERVALS: list[Set] = [
    ot.Interval(-1.0, 2.0),
    ot.Interval(1.0, 1.0),
    ot.Interval(-INF, 2.0),
    ot.Interval(-INF, INF),
    ot.Interval(0.5, INF),
]
_RECTANGLE = ot.HyperRectangle([-1.0, -INF, 0.5, -INF, 1.0], [2.0, 2.0, INF, INF, 1.0])
EXAMPLES: dict[type[Set], list[list[Set]]] = {
    ot.LessThan: _numbers(ot.LessThan),
    ot.GreaterThan: _numbers(ot.GreaterThan),
    ot.EqualTo: _numbers(ot.EqualTo),
    ot.Parameter: _numbers(ot.Parameter),
    ot.Interval: [*([s] for s in _INTERVALS), [*_INTERVALS, ot.Interval(0.0, 3.0), ot.Interval(2.0, 2.0)]],
    ot.Integer: [[ot.Integer()], [ot.Integer()] * 3],
    ot.ZeroOne: [[ot.ZeroOne()], [ot.ZeroOne()] * 3],
    ot.Semicontinuous: _gaps(ot.Semicontinuous),
    ot.Semiinteger: _gaps(ot.Semiinteger),
    ot.Nonnegatives: _sizes(ot.Nonnegatives),
    ot.Nonpositives: _sizes(ot.Nonpositives),
    ot.Zeros: _sizes(ot.Zeros),
    ot.Reals: _sizes(ot.Reals),
    ot.HyperRectangle: [
        [ot.HyperRectangle([-1.0], [2.0])],
        [ot.HyperRectangle([1.0], [1.0])],
        [ot.HyperRectangle([-INF], [INF])],
        [_RECTANGLE],
        [
            _RECTANGLE,
            ot.HyperRectangle([0.0, 1.0], [1.0, 1.0]),
            ot.HyperRectangle([-2.0, -INF, 1.5, -INF, 2.0], [2.5, 3.0, INF, INF, 2.0]),
            ot.HyperRectangle([-1.0, -2.0], [INF, -2.0]),
        ],
        [ot.HyperRectangle([0.0, -INF], [1.0, INF]), ot.HyperRectangle([0.5, 1.0], [1.5, 1.0])],
        [ot.HyperRectangle([], [])] * 2,
    ],
    ot.SecondOrderCone: _shapes(ot.SecondOrderCone, [1], [2], [3, 4, 3]),
    ot.RotatedSecondOrderCone: _shapes(ot.RotatedSecondOrderCone, [2], [3], [4, 5, 4]),
    ot.ExponentialCone: _shapes(ot.ExponentialCone, [()], [(), ()]),
    ot.DualExponentialCone: _shapes(ot.DualExponentialCone, [()], [(), ()]),
    ot.PowerCone: _shapes(ot.PowerCone, [0.5], [0.3, 0.8, 0.3]),
    ot.DualPowerCone: _shapes(ot.DualPowerCone, [0.5], [0.3, 0.8, 0.3]),
    ot.PositiveSemidefiniteConeTriangle: _shapes(ot.PositiveSemidefiniteConeTriangle, [1], [3, 2, 3]),
    ot.ScaledPositiveSemidefiniteConeTriangle: _shapes(ot.ScaledPositiveSemidefiniteConeTriangle, [1], [3, 2, 3]),
    ot.PositiveSemidefiniteConeSquare: _shapes(ot.PositiveSemidefiniteConeSquare, [1], [2, 3, 2]),
    ot.HermitianPositiveSemidefiniteConeTriangle: _shapes(ot.HermitianPositiveSemidefiniteConeTriangle, [1], [2, 3, 2]),
    ot.NormOneCone: _shapes(ot.NormOneCone, [1], [3, 4, 3]),
    ot.NormInfinityCone: _shapes(ot.NormInfinityCone, [1], [3, 4, 3]),
    ot.NormCone: [
        *_shapes(ot.NormCone, [(3.0, 1)], [(1.0, 3)], [(2.0, 3)], [(INF, 3)]),
        *_shapes(ot.NormCone, [(3.0, 3), (1.5, 4), (2.0, 3), (3.0, 3)]),
    ],
    ot.NormSpectralCone: _shapes(ot.NormSpectralCone, [(1, 1)], [(2, 3), (2, 1), (2, 3)]),
    ot.NormNuclearCone: _shapes(ot.NormNuclearCone, [(1, 1)], [(2, 3), (2, 1), (2, 3)]),
    ot.GeometricMeanCone: _shapes(ot.GeometricMeanCone, [2], [3], [4, 6, 4]),
    ot.DualGeometricMeanCone: _shapes(ot.DualGeometricMeanCone, [2], [3], [4, 6, 4]),
    ot.RelativeEntropyCone: _shapes(ot.RelativeEntropyCone, [1], [3], [5, 3, 5]),
    ot.DualRelativeEntropyCone: _shapes(ot.DualRelativeEntropyCone, [1], [3], [5, 3, 5]),
    ot.LogDetConeTriangle: _shapes(ot.LogDetConeTriangle, [1], [2, 3]),
    ot.LogDetConeSquare: _shapes(ot.LogDetConeSquare, [1], [2, 3]),
    ot.RootDetConeTriangle: _shapes(ot.RootDetConeTriangle, [1], [2, 3]),
    ot.RootDetConeSquare: _shapes(ot.RootDetConeSquare, [1], [2, 3]),
    ot.SOS1: [[ot.SOS1([1.0])], [ot.SOS1([1.0, 3.0, 2.0]), ot.SOS1([2.0, 1.0])]],
    ot.SOS2: [[ot.SOS2([1.0, 2.0])], [ot.SOS2([1.0, 4.0, 3.0, 2.0]), ot.SOS2([2.0, 1.0, 3.0])]],
    ot.Indicator: [
        [ot.Indicator(ot.LessThan(1.0)), ot.Indicator(ot.LessThan(0.5), activate_on=False)],
        [ot.Indicator(ot.GreaterThan(-0.5)), ot.Indicator(ot.EqualTo(0.25)), ot.Indicator(ot.Interval(-0.5, 0.5))],
    ],
}


Bounds: TypeAlias = Callable[[Rows], tuple[FloatArray, FloatArray]]


def in_box(rows: Rows) -> tuple[FloatArray, FloatArray]:
    """The same bounds for all rows."""
    return np.full(rows.m, BOX[0]), np.full(rows.m, BOX[1])


def has_matrices(bridge: Bridge) -> bool:
    """Whether a bridge lifts by the set alone."""
    return type(bridge).lift is not Bridge.lift


@dataclass(frozen=True)
class Subject:
    """One bridge, one kind of constraint, one block of sets."""

    bridge: Bridge
    kind: Kind
    sets: tuple[Set, ...]
    number: int

    def __str__(self) -> str:
        return f"{self.bridge!r}-{describe_kind(self.kind)}-{self.number}"

    @property
    def reached(self) -> list[Kind]:
        """The kinds of the targets."""
        reached = self.bridge.reach(*self.kind)
        assert reached is not None
        return list(reached)

    @property
    def block(self) -> SetBlock:
        """The sets, stacked."""
        return SetBlock.of(self.sets)

    @property
    def asks_for_bounds(self) -> bool:
        """Whether the matrices are made from more than the set."""
        return not has_matrices(self.bridge)

    def lifts(self, block: ConstraintBlock | None = None, bounds: Bounds = in_box) -> list[tuple[Any, IntArray]]:
        """(lift, items) of each group; of these functions with these bounds, if the bridge asks."""
        if self.asks_for_bounds:
            m = int(self.block.dims.sum())
            found = self.bridge.lifts(block or ConstraintBlock(self.kind[0], Rows(np.zeros(m)), self.block), bounds)
            assert found is not None
            return [(lift.weighted(self.sets[int(items[0])]), items) for items, lift in found]
        return [
            (self.bridge.lift(self.kind[0], example).weighted(example), items)
            for items in self.bridge.groups(self.block)
            for example in [self.sets[int(items[0])]]
        ]

    @property
    def is_linear(self) -> bool:
        """Whether the targets are boxes."""
        return not self.asks_for_bounds and all(is_box(s) for _, s in self.reached)

    @property
    def is_boxed(self) -> bool:
        """Whether all sets are products of intervals, or discrete ones; the targets scalar ones."""
        source, reached = self.kind[1], [s for _, s in self.reached]
        return (is_box(source) or source in DISCRETE) and all(is_box(s) or s in SCALAR_DISCRETE for s in reached)


SUBJECTS = [
    Subject(bridge, (f, s), tuple(example), number)
    for bridge in REGISTRY
    for f in FUNCTIONS
    for s in EXAMPLES
    if f.is_vector == s.is_vector and not is_box(s) and all(k[0] in FUNCTIONS for k in bridge.reach(f, s) or [(None,)])
    for number, example in enumerate(EXAMPLES[s])
]
"""Every bridge with every set that it rewrites; boxes are rows and bounds of every form, and need none."""


def random_block(kind: Kind, sets: tuple[Set, ...], v: VectorOfVariables, rng: np.random.Generator) -> ConstraintBlock:
    """Random functions of the kind in the sets; the constraints on plain variables take distinct ones."""
    block = SetBlock.of(sets)
    m = int(block.dims.sum())
    if kind[0].degree == 0:
        return ConstraintBlock(kind[0], Rows.of_variables(rng.permutation(v.ids)[:m]), block)
    return ConstraintBlock(kind[0], random_rows(m, v, rng, kind[0].degree), block)


def random_rows(m: int, v: VectorOfVariables, rng: np.random.Generator, degree: int = 1) -> Rows:
    """M random rows: about three terms each, in any order, some repeated; constants."""
    t, q = 3 * m, 2 * m if degree == 2 else 0
    pick = v.ids[rng.integers(0, len(v), (3, max(t, q)))]
    return Rows(
        rng.standard_normal(m),
        rng.integers(0, max(m, 1), t),
        pick[0, :t],
        rng.standard_normal(t),
        rng.integers(0, max(m, 1), q),
        pick[1, :q],
        pick[2, :q],
        rng.standard_normal(q),
    )


# ---------------------------------------------------------------------- what sets and duals are
def contains(kind: type[Set], numbers: FloatArray, point: FloatArray) -> bool:
    """Whether a point of stacked rows is in boxes, or in scalar sets with gaps, of a type with these numbers."""
    box = kind.bounds(numbers)
    if box is not None:
        return bool(((box[0] <= point) & (point <= box[1])).all())
    whole = point == np.round(point)
    if kind is ot.Integer:
        return bool(whole.all())
    if kind is ot.ZeroOne:
        return bool(((point == 0) | (point == 1)).all())
    inside = (numbers[:, 0] <= point) & (point <= numbers[:, 1])
    if kind is ot.Semicontinuous:
        return bool(((point == 0) | inside).all())
    assert kind is ot.Semiinteger, f"teach tests/bridges/subjects.py what a {kind.__name__} contains"
    return bool(((point == 0) | (inside & whole)).all())


def random_point(kind: type[Set], numbers: FloatArray, rng: np.random.Generator) -> FloatArray:
    """A point that is often in the set, on its boundary, or just outside; all numbers are exact in binary."""
    m = len(numbers)
    around = np.concatenate([numbers, np.zeros((m, 1))], axis=1)
    at = around[np.arange(m), rng.integers(0, around.shape[1], m)]
    at = np.where(np.isfinite(at), at, 0.0)
    steps = np.array([0.0, 0.0, 0.25, -0.25, 1.0, -1.0])
    outside = rng.integers(0, 2)
    box = kind.bounds(numbers)
    point = at + rng.choice(steps, m)
    if box is not None and not outside:
        point = np.clip(point, *box)
    return np.asarray(point)


def _signs(kind: type[Set], numbers: FloatArray) -> tuple[np.ndarray, np.ndarray]:
    """Row by row: whether a dual may be positive, and negative."""
    box = kind.bounds(numbers)
    assert box is not None, f"teach tests/bridges/subjects.py the duals of {kind.__name__}"
    return np.isfinite(box[0]), np.isfinite(box[1])


def random_dual(kind: type[Set], numbers: FloatArray, rng: np.random.Generator) -> FloatArray:
    """A dual of the right sign; any numbers if the set is no box."""
    y = rng.standard_normal(len(numbers))
    if not is_box(kind):
        return y
    positive, negative = _signs(kind, numbers)
    return np.where(positive, np.where(negative, y, np.abs(y)), np.where(negative, -np.abs(y), 0.0))


def in_dual_cone(kind: type[Set], numbers: FloatArray, dual: FloatArray) -> bool:
    """Whether a dual has the right sign, to 1e-12."""
    positive, negative = _signs(kind, numbers)
    return bool(((dual <= 1e-12) | positive).all() and ((dual >= -1e-12) | negative).all())
