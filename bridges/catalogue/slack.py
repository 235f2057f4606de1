"""Giving a constraint's function a name: a slack variable."""

from __future__ import annotations

from collections.abc import Sequence

import scipy.sparse as sp

from ...modelkit.arrays import FloatArray
from ...modelkit.functions import Function, VariableIndex
from ...modelkit.indices import Kind
from ...modelkit.sets import EqualTo, Set
from ..bridge import Bridge, Lift, Target, identity

__all__ = ["ScalarSlack"]


class ScalarSlack(Bridge):
    """``f in S  <=>  f - u == 0, u in S``, for models that take S on plain variables only."""

    cost = 3.0

    def reach(self, function_type: type[Function], set_type: type[Set]) -> Sequence[Kind] | None:
        """An equality, and the set on a plain variable."""
        if function_type is VariableIndex or set_type is EqualTo or set_type.is_vector:
            return None
        return [(function_type, EqualTo), (VariableIndex, set_type)]

    def lift(self, function_type: type[Function], example: Set) -> Lift:
        """A = 1, B = -1, and A = 0, B = 1."""
        numbers = len(example.fields)
        equal = Target((function_type, EqualTo), identity(1), B=identity(1, -1.0))
        nothing = sp.csr_array((1, 1))
        return Lift((equal, Target((VariableIndex, type(example)), nothing, B=identity(1), N=identity(numbers))))

    def extra_start(self, example: Set, values: FloatArray) -> FloatArray | None:
        """The function itself."""
        return values
