"""Changing the sign of a constraint."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...modelkit.functions import Function
from ...modelkit.indices import Kind
from ...modelkit.sets import GreaterThan, LessThan, Nonnegatives, Nonpositives, Set
from ..base import Bridge, Lift, Target, affine, identity

__all__ = ["FlipScalar", "FlipVector"]

_SCALAR: dict[type[Set], type[Set]] = {GreaterThan: LessThan, LessThan: GreaterThan}
_VECTOR: dict[type[Set], type[Set]] = {Nonnegatives: Nonpositives, Nonpositives: Nonnegatives}


class FlipScalar(Bridge):
    """``f >= l  <=>  -f <= -l``, and the reverse."""

    def reach(self, function_type: type[Function], set_type: type[Set]) -> Sequence[Kind] | None:
        """The other inequality."""
        return [(affine(function_type), _SCALAR[set_type])] if set_type in _SCALAR else None

    def lift(self, function_type: type[Function], example: Set) -> Lift:
        """A = -1, bound negated."""
        kind = (affine(function_type), _SCALAR[type(example)])
        return Lift((Target(kind, np.ones(1, np.int64), identity(1, -1.0), N=identity(1, -1.0)),))


class FlipVector(Bridge):
    """``f >= 0  <=>  -f <= 0``, and the reverse."""

    def reach(self, function_type: type[Function], set_type: type[Set]) -> Sequence[Kind] | None:
        """The other orthant."""
        return [(affine(function_type), _VECTOR[set_type])] if set_type in _VECTOR else None

    def lift(self, function_type: type[Function], example: Set) -> Lift:
        """A = -I."""
        m = example.dimension
        kind = (affine(function_type), _VECTOR[type(example)])
        return Lift((Target(kind, np.array([m]), identity(m, -1.0), shapes=((m,),)),))
