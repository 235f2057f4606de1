"""Giving a constraint's function a name: a slack variable."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp

from ...modelkit.functions import Function, VariableIndex, VectorOfVariables
from ...modelkit.indices import Kind
from ...modelkit.rows import FloatArray
from ...modelkit.sets import EqualTo, Set, Zeros
from ..base import Bridge, Lift, Target, identity

__all__ = ["ScalarSlack", "VectorSlack"]


class ScalarSlack(Bridge):
    """``f in S  <=>  f - u == 0, u in S``, for models that take S on plain variables only."""

    cost = 3.0

    def reach(self, function_type: type[Function], set_type: type[Set]) -> Sequence[Kind] | None:
        """An equality, and the set on a variable."""
        if function_type is VariableIndex or set_type.is_vector or set_type is EqualTo:
            return None
        return [(function_type, EqualTo), (VariableIndex, set_type)]

    def lift(self, function_type: type[Function], example: Set) -> Lift:
        """A = 1, B = -1, and A = 0, B = 1."""
        one, q = np.ones(1, np.int64), len(example.fields)
        return Lift(
            (
                Target((function_type, EqualTo), one, identity(1), B=identity(1, -1.0)),
                Target((VariableIndex, type(example)), one, sp.csr_array((1, 1)), B=identity(1), N=identity(q)),
            ),
            extra=1,
        )

    def extra_start(self, example: Set, values: FloatArray) -> FloatArray:
        """The function itself."""
        return values


class VectorSlack(Bridge):
    """``F in S  <=>  F - u == 0, u in S``, for models that take S on plain variables only."""

    cost = 3.0

    def reach(self, function_type: type[Function], set_type: type[Set]) -> Sequence[Kind] | None:
        """Equalities, and the set on variables."""
        if function_type is VectorOfVariables or not set_type.is_vector or set_type is Zeros:
            return None
        return [(function_type, Zeros), (VectorOfVariables, set_type)]

    def lift(self, function_type: type[Function], example: Set) -> Lift:
        """A = I, B = -I, and A = 0, B = I."""
        m, q = example.dimension, len(example.fields)
        dims = np.array([m])
        return Lift(
            (
                Target((function_type, Zeros), dims, identity(m), shapes=((m,),), B=identity(m, -1.0)),
                Target(
                    (VectorOfVariables, type(example)),
                    dims,
                    sp.csr_array((m, m)),
                    shapes=(example.shape,),
                    B=identity(m),
                    N=identity(m * q),
                ),
            ),
            extra=m,
        )

    def extra_start(self, example: Set, values: FloatArray) -> FloatArray:
        """The function itself."""
        return values
