"""Between scalar constraints and rows of vector constraints."""

from __future__ import annotations

from collections.abc import Sequence

from ...modelkit.functions import Function
from ...modelkit.indices import Kind
from ...modelkit.sets import (
    EqualTo,
    GreaterThan,
    HyperRectangle,
    Interval,
    LessThan,
    Nonnegatives,
    Nonpositives,
    Set,
    Zeros,
)
from ..base import SCALARS, VECTORS, Bridge, Lift, Target, affine, identity

__all__ = ["IntervalToHyperRectangle", "RectangleToIntervals", "Scalarize", "Vectorize"]

_VECTOR: dict[type[Set], type[Set]] = {GreaterThan: Nonnegatives, LessThan: Nonpositives, EqualTo: Zeros}
_SCALAR = {vector: scalar for scalar, vector in _VECTOR.items()}


class Vectorize(Bridge):
    """``f >= l  <=>  [f - l] in Nonnegatives(1)``; likewise ``<=`` and ``==``."""

    def reach(self, function_type: type[Function], set_type: type[Set]) -> Sequence[Kind] | None:
        """A vector constraint of one row."""
        return [(VECTORS[affine(function_type).degree], _VECTOR[set_type])] if set_type in _VECTOR else None

    def lift(self, function_type: type[Function], example: Set) -> Lift:
        """A = 1, c = -θ."""
        kind = (VECTORS[affine(function_type).degree], _VECTOR[type(example)])
        return Lift((Target(kind, identity(1), C=identity(1, -1.0)),))


class Scalarize(Bridge):
    """``F in Nonnegatives(m)  <=>  F[i] >= 0 for all i``; likewise Nonpositives and Zeros."""

    def reach(self, function_type: type[Function], set_type: type[Set]) -> Sequence[Kind] | None:
        """Scalar constraints."""
        return [(SCALARS[function_type.degree], _SCALAR[set_type])] if set_type in _SCALAR else None

    def lift(self, function_type: type[Function], example: Set) -> Lift:
        """A = I, bounds zero."""
        return Lift((Target((SCALARS[function_type.degree], _SCALAR[type(example)]), identity(example.dimension)),))


class IntervalToHyperRectangle(Bridge):
    """``l <= f <= u  <=>  [f] in HyperRectangle([l], [u])``."""

    def reach(self, function_type: type[Function], set_type: type[Set]) -> Sequence[Kind] | None:
        """A rectangle of one row."""
        return [(VECTORS[function_type.degree], HyperRectangle)] if set_type is Interval else None

    def lift(self, function_type: type[Function], example: Set) -> Lift:
        """A = 1, the same numbers."""
        return Lift((Target((VECTORS[function_type.degree], HyperRectangle), identity(1), N=identity(2)),))


class RectangleToIntervals(Bridge):
    """``F in HyperRectangle(l, u)  <=>  l[i] <= F[i] <= u[i] for all i``."""

    def reach(self, function_type: type[Function], set_type: type[Set]) -> Sequence[Kind] | None:
        """Scalar intervals."""
        return [(SCALARS[function_type.degree], Interval)] if set_type is HyperRectangle else None

    def lift(self, function_type: type[Function], example: Set) -> Lift:
        """A = I, the same numbers."""
        m = example.dimension
        return Lift((Target((SCALARS[function_type.degree], Interval), identity(m), N=identity(2 * m)),))
