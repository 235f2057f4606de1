"""Giving a constraint's function a name: a slack variable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import scipy.sparse as sp

from ...modelkit.arrays import FloatArray
from ...modelkit.functions import Function, VariableIndex, VectorOfVariables
from ...modelkit.indices import Kind
from ...modelkit.sets import EqualTo, Set, Zeros
from ..base import Bridge, Lift, Target, identity

__all__ = ["ScalarSlack", "VectorSlack"]


class _Slack(Bridge):
    cost = 3.0
    plain: ClassVar[type[Function]]
    equality: ClassVar[type[Set]]

    def reach(self, function_type: type[Function], set_type: type[Set]) -> Sequence[Kind] | None:
        """Equalities, and the set on plain variables."""
        if function_type is self.plain or set_type is self.equality or set_type.is_vector != self.equality.is_vector:
            return None
        return [(function_type, self.equality), (self.plain, set_type)]

    def lift(self, function_type: type[Function], example: Set) -> Lift:
        """A = I, B = -I, and A = 0, B = I."""
        m, q = example.dimension, len(example.fields)
        equal = Target((function_type, self.equality), identity(m), B=identity(m, -1.0))
        shapes = (example.shape,) if example.is_vector else None
        nothing, kind = sp.csr_array((m, m)), (self.plain, type(example))
        return Lift((equal, Target(kind, nothing, shapes, B=identity(m), N=identity(m * q))))

    def extra_start(self, example: Set, values: FloatArray) -> FloatArray:
        """The function itself."""
        return values


class ScalarSlack(_Slack):
    """``f in S  <=>  f - u == 0, u in S``, for models that take S on plain variables only."""

    plain = VariableIndex
    equality = EqualTo


class VectorSlack(_Slack):
    """``F in S  <=>  F - u == 0, u in S``, for models that take S on plain variables only."""

    plain = VectorOfVariables
    equality = Zeros
