"""Writing a function as one of a wider type, in the same set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from ...modelkit.functions import (
    Function,
    ScalarAffineFunction,
    ScalarQuadraticFunction,
    VariableIndex,
    VectorAffineFunction,
    VectorOfVariables,
    VectorQuadraticFunction,
)
from ...modelkit.indices import Kind
from ...modelkit.sets import Integer, Semicontinuous, Semiinteger, Set, ZeroOne
from ..base import Bridge, Lift, Target, identity

__all__ = ["AffineToQuadratic", "VariablesToAffine"]


class _Widen(Bridge):
    widened: ClassVar[dict[type[Function], type[Function]]]

    def reach(self, function_type: type[Function], set_type: type[Set]) -> Sequence[Kind] | None:
        """The same set on a wider function; discrete sets stay on plain variables."""
        if function_type not in self.widened or set_type in (Integer, ZeroOne, Semicontinuous, Semiinteger):
            return None
        return [(self.widened[function_type], set_type)]

    def lift(self, function_type: type[Function], example: Set) -> Lift:
        """A = I, the same numbers."""
        m, q = example.dimension, len(example.fields)
        shapes = (example.shape,) if example.is_vector else None
        kind = (self.widened[function_type], type(example))
        return Lift((Target(kind, np.array([m]), identity(m), shapes=shapes, N=identity(m * q)),))


class VariablesToAffine(_Widen):
    """``x in S  <=>  1.0 * x in S``."""

    widened: ClassVar[dict[type[Function], type[Function]]] = {
        VariableIndex: ScalarAffineFunction,
        VectorOfVariables: VectorAffineFunction,
    }


class AffineToQuadratic(_Widen):
    """An affine function as a quadratic one without quadratic terms."""

    cost = 10.0
    widened: ClassVar[dict[type[Function], type[Function]]] = {
        ScalarAffineFunction: ScalarQuadraticFunction,
        VectorAffineFunction: VectorQuadraticFunction,
    }
