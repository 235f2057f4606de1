"""Semidefinite cones: scaled and unscaled triangles, squares, Hermitian matrices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from ...modelkit.arrays import FloatArray, IntArray
from ...modelkit.functions import Function
from ...modelkit.functions.rows import Rows
from ...modelkit.indices import Kind
from ...modelkit.sets import (
    HermitianPositiveSemidefiniteConeTriangle,
    LogDetConeSquare,
    LogDetConeTriangle,
    PositiveSemidefiniteConeSquare,
    PositiveSemidefiniteConeTriangle,
    RootDetConeSquare,
    RootDetConeTriangle,
    ScaledPositiveSemidefiniteConeTriangle,
    Set,
    VectorSet,
    Zeros,
)
from ...modelkit.sets.triangles import position, triangle_size
from ...modelkit.store.block import ConstraintBlock
from ..bridge import Bridge, Lift, affine, grouped
from ..declare import ConeBridge, Part, entries

__all__ = ["HermitianToReal", "ScaledToTriangle", "SquareToTriangle", "TriangleToScaled"]


def _scaling(weights: FloatArray | None, power: float) -> Any:
    assert weights is not None
    i = np.arange(len(weights))
    return entries((len(i), len(i)), (i, i, weights**power))


class TriangleToScaled(ConeBridge):
    """Off-diagonal entries times √2: D = diag(√w), whose adjoint W⁻¹ D is D⁻¹, and not D."""

    source = PositiveSemidefiniteConeTriangle
    into = (ScaledPositiveSemidefiniteConeTriangle,)

    def parts(self, S: PositiveSemidefiniteConeTriangle) -> Sequence[Part]:
        """A = D."""
        return [Part([ScaledPositiveSemidefiniteConeTriangle(S.side)], _scaling(S.weights, 0.5))]


class ScaledToTriangle(ConeBridge):
    """The reverse of `TriangleToScaled`."""

    source = ScaledPositiveSemidefiniteConeTriangle
    into = (PositiveSemidefiniteConeTriangle,)

    def parts(self, S: ScaledPositiveSemidefiniteConeTriangle) -> Sequence[Part]:
        """A = D⁻¹."""
        triangle = PositiveSemidefiniteConeTriangle(S.side)
        return [Part([triangle], _scaling(triangle.weights, -0.5))]


class HermitianToReal(ConeBridge):
    """``R + i M >= 0  <=>  [R M; -M R] >= 0`` with R symmetric and M antisymmetric.

    M. X. Goemans, D. P. Williamson, *Approximation algorithms for MAX-3-CUT and other problems via complex
    semidefinite programming*, J. Computer and System Sciences 68 (2004), section 2.
    """

    source = HermitianPositiveSemidefiniteConeTriangle
    into = (PositiveSemidefiniteConeTriangle,)

    def parts(self, S: HermitianPositiveSemidefiniteConeTriangle) -> Sequence[Part]:
        """The upper triangle of the matrix: R twice, M and its negative in the block above the diagonal."""
        n, cone = S.side, PositiveSemidefiniteConeTriangle(2 * S.side)
        at = position(2 * n)
        j, i = np.tril_indices(n)
        real = position(n)[i, j]
        l, k = np.tril_indices(n, -1)
        imaginary = triangle_size(n) + np.arange(len(k))
        A = entries(
            (cone.dimension, S.dimension),
            (at[i, j], real, 1.0),
            (at[n + i, n + j], real, 1.0),
            (at[k, n + l], imaginary, 1.0),
            (at[l, n + k], imaginary, -1.0),
        )
        return [Part([cone], A)]


class SquareToTriangle(Bridge):
    """``X in Square  <=>  (X + Xᵀ) / 2 in Triangle``, and X_ij - X_ji == 0 where these are not the same function.

    Where they are the same function such a row would say 0 == 0, and its dual be arbitrary; so it is left out,
    and both entries share dual and gradient equally. The cones of determinants are rewritten likewise.
    """

    looks_at_functions = True
    _maps: ClassVar[dict[type[Set], type[VectorSet]]] = {
        PositiveSemidefiniteConeSquare: PositiveSemidefiniteConeTriangle,
        LogDetConeSquare: LogDetConeTriangle,
        RootDetConeSquare: RootDetConeTriangle,
    }

    def reach(self, function_type: type[Function], set_type: type[Set]) -> Sequence[Kind] | None:
        """The triangle and equalities."""
        return [(affine(function_type), s) for s in (self._maps[set_type], Zeros)] if set_type in self._maps else None

    def lift(self, function_type: type[Function], example: Set) -> Lift:
        """With all symmetry rows."""
        assert isinstance(example, VectorSet)
        return self._lift(function_type, example, np.arange(len(_pairs(example)[0])))

    def lifts(
        self, block: ConstraintBlock, bounds: Callable[[Rows], tuple[FloatArray, FloatArray]]
    ) -> Sequence[tuple[IntArray, Lift]]:
        """By which pairs of entries are not the same function."""
        found = []
        for items in self.groups(block.sets):
            part, example = block.take(items), block.sets.set(int(items[0]))
            assert isinstance(example, VectorSet)
            upper, lower = _pairs(example)
            pairs = np.arange(len(upper))
            E = entries((len(pairs), example.dimension), (pairs, upper, 1.0), (pairs, lower, -1.0))
            gap = part.rows.mapped(E, part.count).canonical()
            differ = gap.constant != 0.0
            differ[gap.row] = differ[gap.qrow] = True
            patterns = differ.reshape(part.count, -1)
            for same in grouped([p.tobytes() for p in patterns]):
                differing = np.flatnonzero(patterns[same[0]])
                found.append((items[same], self._lift(block.function_type, example, differing)))
        return found

    def _lift(self, function_type: type[Function], S: VectorSet, differing: IntArray) -> Lift:
        cone = self._maps[type(S)].build(S.shape, np.zeros((0, 0)))
        upper, lower = _pairs(S)
        n, m = int(S.shape[0]), S.dimension
        head = cone.dimension - triangle_size(n)
        at = head + position(n)
        i, j = np.triu_indices(n, 1)
        first, diagonal = np.arange(head), np.arange(n)
        A = entries(
            (cone.dimension, m),
            (first, first, 1.0),
            (at.diagonal(), head + diagonal * (n + 1), 1.0),
            (at[i, j], upper, 0.5),
            (at[i, j], lower, 0.5),
        )
        parts = [Part([cone], A)]
        if p := len(differing):
            rows = np.arange(p)
            E = entries((p, m), (rows, upper[differing], 1.0), (rows, lower[differing], -1.0))
            parts.append(Part([Zeros(p)], E))
        return Lift(tuple(part.target(affine(function_type)) for part in parts))

    def dual_start(self, lift: Lift, dual: FloatArray) -> FloatArray:
        """The symmetric part for the triangle, the antisymmetric part for the equalities."""
        parts = [(t.A @ dual.T).T * (0.5 if t.kind[1] is Zeros else 1.0) for t in lift.targets]
        return np.concatenate(parts, axis=1)


def _pairs(S: VectorSet) -> tuple[IntArray, IntArray]:
    """Rows of X_ij and of X_ji for all i < j, the square at the end."""
    n = int(S.shape[0])
    head = S.dimension - n * n
    i, j = np.triu_indices(n, 1)
    return head + i + n * j, head + j + n * i
