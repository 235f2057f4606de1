"""Sets with gaps, with binary variables and the bounds of the rows ("big M").

H. P. Williams, *Model Building in Mathematical Programming* (2013), chapter 9.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp

from ...modelkit.arrays import FloatArray, IntArray
from ...modelkit.errors import NotAllowed
from ...modelkit.functions import Function, VariableIndex
from ...modelkit.functions.rows import Rows
from ...modelkit.indices import Kind
from ...modelkit.sets import (
    SOS1,
    SOS2,
    EqualTo,
    GreaterThan,
    Indicator,
    Integer,
    LessThan,
    Nonnegatives,
    Semicontinuous,
    Semiinteger,
    Set,
    ZeroOne,
    Zeros,
)
from ...modelkit.store.block import ConstraintBlock
from ..bridge import Bridge, Lift, Matrix, Target, affine, grouped, identity
from ..declare import entries

__all__ = ["IndicatorToBinary", "SemiToBinary", "SpecialOrderedToBinary"]


class _ToBinary(Bridge):
    """What such bridges share: lifts made from the set and the bounds of its rows."""

    cost = 10.0
    looks_at_functions = True
    sources: ClassVar[tuple[type[Set], ...]]
    into: ClassVar[tuple[type[Set], ...]]

    @abstractmethod
    def rewrite(self, function_type: type[Function], S: Any, lower: FloatArray, upper: FloatArray) -> Lift:
        """The lift of a constraint whose rows have these bounds."""

    def asks(self, S: Any) -> bool:
        """Whether the bounds of the rows matter; infinite ones are given where they do not."""
        return True

    def reach(self, function_type: type[Function], set_type: type[Set]) -> Sequence[Kind] | None:
        """Rows, and binary variables."""
        if set_type not in self.sources or function_type.degree >= 2:
            return None
        return [*((affine(function_type), s) for s in self.into), (VariableIndex, ZeroOne)]

    def lifts(
        self, block: ConstraintBlock, bounds: Callable[[Rows], tuple[FloatArray, FloatArray]]
    ) -> Sequence[tuple[IntArray, Lift]]:
        """By set and bounds."""
        sets = [block.sets.set(i) for i in range(block.count)]
        asking = np.flatnonzero(np.repeat([self.asks(S) for S in sets], block.sets.dims))
        lower, upper = np.full(block.rows.m, -np.inf), np.full(block.rows.m, np.inf)
        if len(asking):
            lower[asking], upper[asking] = bounds(block.rows.take(asking))
        boxes = [(lower[a:b], upper[a:b]) for a, b in pairwise(block.starts)]
        same = grouped([(S, low.tobytes(), high.tobytes()) for S, (low, high) in zip(sets, boxes, strict=True)])
        return [(items, self.rewrite(block.function_type, sets[items[0]], *boxes[items[0]])) for items in same]


def _binaries(count: int, m: int) -> Target:
    """The extra variables are binary."""
    return Target((VariableIndex, ZeroOne), entries((count, m)), B=identity(count))


def _check_finite(S: Set, values: FloatArray, side: str, instead: str = "") -> None:
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values))[0])
        raise NotAllowed(
            f"{S!r} is solved with binary variables and the bounds of its rows, but row {row} has no finite {side} "
            f"bound: {instead}bound the variables in it."
        )


class SemiToBinary(_ToBinary):
    """``f in Semicontinuous(l, u)  <=>  l z <= f <= u z``, z binary; in Semiinteger ``f == w`` as well, w whole.

    Where 0 is apart from the interval, an infinite side takes the bound of the row; elsewhere it asks for nothing.
    """

    cost = 2.0  # below that of a slack variable in the set, which HiGHS takes with small nonnegative bounds only
    sources = (Semicontinuous, Semiinteger)
    into = (GreaterThan, LessThan)

    def reach(self, function_type: type[Function], set_type: type[Set]) -> Sequence[Kind] | None:
        """Rows and binary variables, and whole ones of `Semiinteger`."""
        reached = super().reach(function_type, set_type)
        if reached is None or set_type is Semicontinuous:
            return reached
        return [*reached, (affine(function_type), EqualTo), (VariableIndex, Integer)]

    def asks(self, S: Semicontinuous | Semiinteger) -> bool:
        """Of an infinite side apart from 0."""
        return bool(np.isinf(S.numbers).any()) and not S.lower <= 0.0 <= S.upper

    def rewrite(
        self, function_type: type[Function], S: Semicontinuous | Semiinteger, lower: FloatArray, upper: FloatArray
    ) -> Lift:
        """A = 1 in the rows, B = -l, -u in the column of z and -1 in that of w."""
        whole, row = isinstance(S, Semiinteger), affine(function_type)

        def target(kind: Kind, A: Matrix, column: int, factor: float) -> Target:
            return Target(kind, A, B=entries((1, 1 + whole), (0, column, factor)))

        itself, none = identity(1), entries((1, 1))
        targets = [target((VariableIndex, ZeroOne), none, 0, 1.0)]
        if whole:
            targets += [target((VariableIndex, Integer), none, 1, 1.0), target((row, EqualTo), itself, 1, -1.0)]
        sides = ((GreaterThan, S.lower, lower, "lower"), (LessThan, S.upper, upper, "upper"))
        for side, bound, reached, name in sides:
            if np.isinf(bound) and self.asks(S):
                _check_finite(S, reached, name, "give the set one, or ")
                bound = float(reached[0])
            if np.isfinite(bound):
                targets.append(target((row, side), itself, 0, -bound))
        return Lift(tuple(targets))


class SpecialOrderedToBinary(_ToBinary):
    """``l_i s_i <= f_i <= u_i s_i, sum z <= 1``, z binary: s_i is the sum of the z that allow f_i != 0.

    In SOS1 entry i has its own z; in SOS2, ordered by weight, a z allows two neighbours.
    """

    sources = (SOS1, SOS2)
    into = (Nonnegatives,)

    def rewrite(self, function_type: type[Function], S: Any, lower: FloatArray, upper: FloatArray) -> Lift:
        """A = [-I; I; 0], B = [u M; -l M; -1] with s = M z."""
        n, neighbours = S.dimension, 1 if isinstance(S, SOS1) else 2
        if n <= neighbours:
            return Lift(())
        _check_finite(S, lower, "lower")
        _check_finite(S, upper, "upper")
        order, count = np.argsort(S.order_weights), n + 1 - neighbours
        i, z, j = np.arange(n), np.arange(count), np.arange(neighbours)
        entry, allowed_by = order[(z[:, None] + j).ravel()], np.repeat(z, neighbours)
        u, l = np.maximum(upper, 0.0)[entry], np.minimum(lower, 0.0)[entry]
        A = entries((2 * n + 1, n), (i, i, -1.0), (n + i, i, 1.0))
        B = entries((2 * n + 1, count), (entry, allowed_by, u), (n + entry, allowed_by, -l), (2 * n, z, -1.0))
        c0 = np.zeros(2 * n + 1)
        c0[-1] = 1.0
        return Lift((Target((affine(function_type), Nonnegatives), A, B=B, c0=c0), _binaries(count, n)))


class IndicatorToBinary(_ToBinary):
    """``(z, f) in Indicator(l <= . <= u)  <=>  f <= u + (max f - u) (1 - z), f >= l - (l - min f) (1 - z)``, z binary.

    Where the constraint is active at z = 0, 1 - z is z.
    """

    sources = (Indicator,)
    into = (Nonnegatives, Zeros)

    def rewrite(self, function_type: type[Function], S: Any, lower: FloatArray, upper: FloatArray) -> Lift:
        """The rows for the finite bounds; z == an extra binary variable."""
        low, high = S.numbers[1].tolist()
        A, c0 = [], []
        # f <= high, as a row of big M where z is off: c + (a, -1) (z, f) >= 0; likewise f >= low
        for bound, reached, factor in ((high, upper[1:], 1.0), (low, lower[1:], -1.0)):
            if not np.isfinite(bound):
                continue
            _check_finite(S, np.concatenate([[0.0], reached]), "upper" if factor > 0 else "lower")
            M = max(factor * (float(reached[0]) - bound), 0.0)
            A.append([-M if S.activate_on else M, -factor])
            c0.append(factor * bound + (M if S.activate_on else 0.0))
        p = len(c0)
        same = Target((affine(function_type), Zeros), entries((1, 2), (0, 0, 1.0)), B=identity(1, -1.0))
        targets = [same, _binaries(1, 2)]
        if p:
            kind, matrix = (affine(function_type), Nonnegatives), sp.csr_array(np.array(A))
            targets.insert(0, Target(kind, matrix, B=entries((p, 1)), c0=np.array(c0)))
        return Lift(tuple(targets))
