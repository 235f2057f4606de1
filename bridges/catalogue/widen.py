"""Writing a function as one of a wider type, in the same set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from ...modelkit.functions import Function
from ...modelkit.indices import Kind
from ...modelkit.sets import Integer, Semicontinuous, Semiinteger, Set, ZeroOne
from ..base import Bridge, Lift, of_degree, retyped

__all__ = ["AffineToQuadratic", "VariablesToAffine"]


class _Widen(Bridge):
    degree: ClassVar[int]

    def reach(self, function_type: type[Function], set_type: type[Set]) -> Sequence[Kind] | None:
        """The same set on a wider function; discrete sets stay on plain variables."""
        if function_type.degree != self.degree or set_type in (Integer, ZeroOne, Semicontinuous, Semiinteger):
            return None
        return [(of_degree(function_type, self.degree + 1), set_type)]

    def lift(self, function_type: type[Function], example: Set) -> Lift:
        """A = I, the same numbers."""
        return retyped(of_degree(function_type, self.degree + 1), example)


class VariablesToAffine(_Widen):
    """``x in S  <=>  1.0 * x in S``."""

    degree = 0


class AffineToQuadratic(_Widen):
    """An affine function as a quadratic one without quadratic terms."""

    cost = 10.0
    degree = 1
