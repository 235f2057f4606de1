"""Changing the sign of a constraint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from ...modelkit.functions import Function
from ...modelkit.indices import Kind
from ...modelkit.sets import GreaterThan, LessThan, Set
from ..base import Bridge, Lift, Target, affine, identity
from ..variables import FLIPS

__all__ = ["FlipScalar", "FlipVector"]


class _Flip(Bridge):
    opposite: ClassVar[Mapping[type[Set], type[Set]]]

    def reach(self, function_type: type[Function], set_type: type[Set]) -> Sequence[Kind] | None:
        """The opposite set."""
        return [(affine(function_type), self.opposite[set_type])] if set_type in self.opposite else None

    def lift(self, function_type: type[Function], example: Set) -> Lift:
        """A = -I, numbers negated."""
        m = example.dimension
        kind = (affine(function_type), self.opposite[type(example)])
        return Lift((Target(kind, identity(m, -1.0), N=identity(m * len(example.fields), -1.0)),))


class FlipScalar(_Flip):
    """``f >= l  <=>  -f <= -l``, and the reverse."""

    opposite: ClassVar[Mapping[type[Set], type[Set]]] = {GreaterThan: LessThan, LessThan: GreaterThan}


class FlipVector(_Flip):
    """``f >= 0  <=>  -f <= 0``, and the reverse."""

    opposite = FLIPS
