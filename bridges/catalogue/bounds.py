"""Between one-sided bounds, equalities and two-sided bounds."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import ClassVar

import numpy as np

from ...modelkit.arrays import FloatArray, IntArray
from ...modelkit.block import ConstraintBlock, SetBlock
from ...modelkit.functions import Function
from ...modelkit.indices import Kind
from ...modelkit.rows import Rows
from ...modelkit.sets import (
    EqualTo,
    GreaterThan,
    HyperRectangle,
    Interval,
    LessThan,
    Nonnegatives,
    Nonpositives,
    Parameter,
    Reals,
    Set,
    Zeros,
)
from ..base import Bridge, Lift, Target, affine, grouped, identity, of_degree, retyped
from ..declare import entries

__all__ = [
    "BoundToInterval",
    "DropReals",
    "EqualToBounds",
    "ParameterToFixed",
    "QuadraticEquality",
    "SplitHyperRectangle",
    "SplitInterval",
    "ZerosToOrthants",
]


class BoundToInterval(Bridge):
    """``f >= l  <=>  l <= f <= inf``; likewise ``<=`` and ``==``."""

    _maps: ClassVar[dict[type[Set], tuple[tuple[int, ...], tuple[float, float]]]] = {
        GreaterThan: ((0,), (0.0, np.inf)),
        LessThan: ((1,), (-np.inf, 0.0)),
        EqualTo: ((0, 1), (0.0, 0.0)),
    }

    def reach(self, function_type: type[Function], set_type: type[Set]) -> Sequence[Kind] | None:
        """An interval."""
        return [(function_type, Interval)] if set_type in self._maps else None

    def lift(self, function_type: type[Function], example: Set) -> Lift:
        """A = 1; the number goes to one side, infinity to the other."""
        sides, constant = self._maps[type(example)]
        N = entries((2, 1), (sides, 0, 1.0))
        return Lift((Target((function_type, Interval), identity(1), N=N, n0=np.array(constant)),))


class ParameterToFixed(Bridge):
    """``p in Parameter(v)  <=>  p == v``; the dual is the reduced cost of the parameter."""

    def reach(self, function_type: type[Function], set_type: type[Set]) -> Sequence[Kind] | None:
        """An equality."""
        return [(function_type, EqualTo)] if set_type is Parameter else None

    def lift(self, function_type: type[Function], example: Set) -> Lift:
        """A = 1, the same number."""
        return Lift((Target((function_type, EqualTo), identity(1), N=identity(1)),))


class DropReals(Bridge):
    """``f in Reals``: no constraint at all; the dual is zero."""

    def reach(self, function_type: type[Function], set_type: type[Set]) -> Sequence[Kind] | None:
        """Nothing."""
        return [] if set_type is Reals else None

    def lift(self, function_type: type[Function], example: Set) -> Lift:
        """No targets."""
        return Lift(())


class _Split(Bridge):
    """A target for each side; a positive dual belongs to the lower side, a negative one to the upper."""

    def dual_start(self, lift: Lift, dual: FloatArray) -> FloatArray:
        """Positive parts to lower sides, negative parts to upper ones, all to equalities."""
        parts = []
        for target in lift.targets:
            value = (target.adjoint_transposed @ dual.T).T
            bounded = target.kind[1]
            if bounded in (GreaterThan, Nonnegatives):
                value = np.maximum(value, 0.0)
            elif bounded in (LessThan, Nonpositives):
                value = np.minimum(value, 0.0)
            parts.append(value)
        return np.concatenate(parts, axis=1) if parts else np.zeros((len(dual), 0))


class SplitInterval(_Split):
    """``l <= f <= u  <=>  f >= l, f <= u`` with infinite sides left out, or ``f == l`` where l = u."""

    def reach(self, function_type: type[Function], set_type: type[Set]) -> Sequence[Kind] | None:
        """Both inequalities and the equality, whichever the numbers ask for."""
        if set_type is not Interval:
            return None
        return [(function_type, s) for s in (GreaterThan, LessThan, EqualTo)]

    def group(self, chosen: Set) -> Hashable:
        """Which sides there are."""
        return int(_patterns(chosen.numbers)[0])

    def groups(self, sets: SetBlock) -> list[IntArray]:
        """By which sides there are."""
        patterns = _patterns(sets.numbers)
        return [np.flatnonzero(patterns == p) for p in np.unique(patterns)]

    def lift(self, function_type: type[Function], example: Set) -> Lift:
        """A = 1 for each side."""
        pattern = int(_patterns(example.numbers)[0])
        sides = ((1, GreaterThan, 0), (2, LessThan, 1), (4, EqualTo, 0))
        found = [(s, entries((1, 2), (0, column, 1.0))) for bit, s, column in sides if pattern & bit]
        return Lift(tuple(Target((function_type, s), identity(1), N=N) for s, N in found))


def _patterns(numbers: FloatArray) -> IntArray:
    """1 for a lower bound, 2 for an upper one, 3 for both, 4 for an equality, row by row."""
    lower, upper = numbers[:, 0], numbers[:, 1]
    pattern = (lower > -np.inf).astype(np.int64) + 2 * (upper < np.inf)
    return np.where(lower == upper, 4, pattern)


class _Halves(_Split):
    cost = 5.0
    source: ClassVar[type[Set]]
    halves: ClassVar[tuple[type[Set], type[Set]]]

    def reach(self, function_type: type[Function], set_type: type[Set]) -> Sequence[Kind] | None:
        """Both inequalities."""
        return [(function_type, s) for s in self.halves] if set_type is self.source else None

    def lift(self, function_type: type[Function], example: Set) -> Lift:
        """A = I twice, the same number."""
        I, N = identity(example.dimension), identity(example.dimension * len(example.fields))
        return Lift(tuple(Target((function_type, s), I, N=N) for s in self.halves))


class EqualToBounds(_Halves):
    """``f == v  <=>  f >= v, f <= v``, for a model without equalities."""

    source = EqualTo
    halves = (GreaterThan, LessThan)


class ZerosToOrthants(_Halves):
    """``F == 0  <=>  F >= 0, F <= 0``, for a model without equalities."""

    source = Zeros
    halves = (Nonnegatives, Nonpositives)


class QuadraticEquality(_Split):
    """``f == v  <=>  f >= v, f <= v`` of a quadratic f, but one affine equality where its quadratic terms are zero.

    Such terms come of a parameter that is zero, or of differences. As two inequalities the row would be weakly active
    on both sides, and nothing at the solution differentiable. Likewise ``F == 0``, where no row has other terms.
    """

    looks_at_functions = True
    _split: ClassVar[dict[type[Set], Bridge]] = {EqualTo: EqualToBounds(), Zeros: ZerosToOrthants()}

    def reach(self, function_type: type[Function], set_type: type[Set]) -> Sequence[Kind] | None:
        """The equality of an affine function, and both inequalities."""
        if function_type.degree != 2 or set_type not in self._split:
            return None
        return [(of_degree(function_type, 1), set_type), *(self._split[set_type].reach(function_type, set_type) or ())]

    def lift(self, function_type: type[Function], example: Set) -> Lift:
        """Both inequalities."""
        return self._split[type(example)].lift(function_type, example)

    def lifts(
        self, block: ConstraintBlock, bounds: Callable[[Rows], tuple[FloatArray, FloatArray]]
    ) -> Sequence[tuple[IntArray, Lift]]:
        """By whether there are quadratic terms, those that cancel or are zero not counted."""
        constraint = np.repeat(np.arange(block.count), block.sets.dims)
        is_curved, found = np.zeros(block.count, bool), []
        is_curved[constraint[block.rows.canonical().qrow]] = True
        for items in self.groups(block.sets):
            example = block.sets.set(int(items[0]))
            if not example.dimension:  # a constraint without rows needs no stand-in
                found.append((items, Lift(())))
                continue
            curved, flat = items[is_curved[items]], items[~is_curved[items]]
            if len(curved):
                found.append((curved, self.lift(block.function_type, example)))
            if len(flat):
                found.append((flat, retyped(of_degree(block.function_type, 1), example)))
        return found


class SplitHyperRectangle(_Split):
    """``l <= F <= u  <=>  [F - l; u - F] >= 0`` on rows with finite bounds, ``F - l == 0`` where l = u."""

    def reach(self, function_type: type[Function], set_type: type[Set]) -> Sequence[Kind] | None:
        """Nonnegatives and zeros."""
        if set_type is not HyperRectangle:
            return None
        return [(affine(function_type), Nonnegatives), (affine(function_type), Zeros)]

    def group(self, chosen: Set) -> Hashable:
        """Which sides there are in each row."""
        return _patterns(chosen.numbers).tobytes()

    def groups(self, sets: SetBlock) -> list[IntArray]:
        """By which sides there are."""
        if len(set(sets.dims.tolist())) == 1:
            patterns = _patterns(sets.numbers).reshape(sets.count, -1)
            _, code = np.unique(patterns, axis=0, return_inverse=True)
            return [np.flatnonzero(code.ravel() == c) for c in range(int(code.max()) + 1)]
        ends = np.cumsum(sets.dims)
        return grouped([p.tobytes() for p in np.split(_patterns(sets.numbers), ends[:-1])])

    def lift(self, function_type: type[Function], example: Set) -> Lift:
        """A = [I; -I] on the finite sides."""
        m = example.dimension
        pattern = _patterns(example.numbers)
        low, high, equal = (np.flatnonzero(pattern & bit) for bit in (1, 2, 4))
        p, e = len(low) + len(high), len(equal)
        up, down, i = np.arange(len(low)), np.arange(len(low), p), np.arange(e)
        targets = []
        if p:
            A = entries((p, m), (up, low, 1.0), (down, high, -1.0))
            C = entries((p, 2 * m), (up, 2 * low, -1.0), (down, 2 * high + 1, 1.0))
            targets.append(Target((affine(function_type), Nonnegatives), A, C=C))
        if e:
            A, C = entries((e, m), (i, equal, 1.0)), entries((e, 2 * m), (i, 2 * equal, -1.0))
            targets.append(Target((affine(function_type), Zeros), A, C=C))
        return Lift(tuple(targets))
