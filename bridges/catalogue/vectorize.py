"""Between scalar constraints and rows of vector constraints."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

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
from ..base import Bridge, Lift, Target, affine, identity, scalar_of, vector_of

__all__ = ["IntervalToHyperRectangle", "RectangleToIntervals", "Scalarize", "Vectorize"]

_VECTOR: dict[type[Set], type[Set]] = {GreaterThan: Nonnegatives, LessThan: Nonpositives, EqualTo: Zeros}
_SCALAR = {vector: scalar for scalar, vector in _VECTOR.items()}


class Vectorize(Bridge):
    """``f >= l  <=>  [f - l] in Nonnegatives(1)``; likewise ``<=`` and ``==``."""

    def reach(self, function_type: type[Function], set_type: type[Set]) -> Sequence[Kind] | None:
        """A vector constraint of one row."""
        return [(vector_of(affine(function_type)), _VECTOR[set_type])] if set_type in _VECTOR else None

    def lift(self, function_type: type[Function], example: Set) -> Lift:
        """A = 1, c = -θ."""
        kind = (vector_of(affine(function_type)), _VECTOR[type(example)])
        return Lift((Target(kind, np.ones(1, np.int64), identity(1), shapes=((1,),), C=identity(1, -1.0)),))


class Scalarize(Bridge):
    """``F in Nonnegatives(m)  <=>  F[i] >= 0 for all i``; likewise Nonpositives and Zeros."""

    def reach(self, function_type: type[Function], set_type: type[Set]) -> Sequence[Kind] | None:
        """Scalar constraints."""
        return [(scalar_of(function_type), _SCALAR[set_type])] if set_type in _SCALAR else None

    def lift(self, function_type: type[Function], example: Set) -> Lift:
        """A = I, bounds zero."""
        m = example.dimension
        kind = (scalar_of(function_type), _SCALAR[type(example)])
        return Lift((Target(kind, np.ones(m, np.int64), identity(m)),))


class IntervalToHyperRectangle(Bridge):
    """``l <= f <= u  <=>  [f] in HyperRectangle([l], [u])``."""

    def reach(self, function_type: type[Function], set_type: type[Set]) -> Sequence[Kind] | None:
        """A rectangle of one row."""
        return [(vector_of(function_type), HyperRectangle)] if set_type is Interval else None

    def lift(self, function_type: type[Function], example: Set) -> Lift:
        """A = 1, the same numbers."""
        kind = (vector_of(function_type), HyperRectangle)
        return Lift((Target(kind, np.ones(1, np.int64), identity(1), shapes=((1,),), N=identity(2)),))


class RectangleToIntervals(Bridge):
    """``F in HyperRectangle(l, u)  <=>  l[i] <= F[i] <= u[i] for all i``."""

    def reach(self, function_type: type[Function], set_type: type[Set]) -> Sequence[Kind] | None:
        """Scalar intervals."""
        return [(scalar_of(function_type), Interval)] if set_type is HyperRectangle else None

    def lift(self, function_type: type[Function], example: Set) -> Lift:
        """A = I, the same numbers."""
        m = example.dimension
        kind = (scalar_of(function_type), Interval)
        return Lift((Target(kind, np.ones(m, np.int64), identity(m), N=identity(2 * m)),))
