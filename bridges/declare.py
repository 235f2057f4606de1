"""Bridges between vector sets, declared by their matrices alone.

A `ConeBridge` says which set it rewrites, into sets of which types, and for one set S the parts
``A f + B u in S2, S3, ...`` with extra variables u. Types of functions, shapes and inner products follow.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias, final

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike

from ..modelkit.functions import Function
from ..modelkit.indices import Kind
from ..modelkit.sets import Set, VectorSet
from .bridge import Bridge, Lift, Matrix, Target, affine

__all__ = ["ConeBridge", "Part", "entries"]

Terms: TypeAlias = tuple[ArrayLike, ArrayLike, ArrayLike]
"""(rows, columns, values), of one shape or broadcast to one."""


def entries(shape: tuple[int, int], *terms: Terms) -> Matrix:
    """The sparse matrix with these entries.

    Examples
    --------
    >>> entries((2, 3), (0, [1, 2], 5.0), (1, 0, -1.0)).toarray()
    array([[ 0.,  5.,  5.],
           [-1.,  0.,  0.]])
    """
    parts = [[np.ravel(a) for a in np.broadcast_arrays(*term)] for term in terms]
    rows, columns, values = (np.concatenate([np.zeros(0), *(part[i] for part in parts)]) for i in range(3))
    return sp.csr_array((values, (rows.astype(np.int64), columns.astype(np.int64))), shape=shape)


@final
@dataclass(frozen=True, eq=False)
class Part:
    """``A f + B u`` in some sets of one type, one below the other."""

    sets: Sequence[VectorSet]
    A: Matrix
    B: Matrix | None = None

    def target(self, function_type: type[Function]) -> Target:
        """With functions of a type."""
        return Target((function_type, type(self.sets[0])), self.A, tuple(s.shape for s in self.sets), self.B)


class ConeBridge(Bridge, register=False):
    """A bridge that is declared by its matrices alone.

    Class attributes
    ----------------
    source : type of the set
    into : types of the sets that it leads to
    """

    source: ClassVar[type[Set]]
    into: ClassVar[tuple[type[Set], ...]]

    @abstractmethod
    def parts(self, S: Any) -> Sequence[Part]:
        """What stands for ``f in S``."""

    def reach(self, function_type: type[Function], set_type: type[Set]) -> Sequence[Kind] | None:
        """The types it leads to."""
        return [(affine(function_type), s) for s in self.into] if set_type is self.source else None

    def lift(self, function_type: type[Function], example: Set) -> Lift:
        """The parts."""
        return Lift(tuple(part.target(affine(function_type)) for part in self.parts(example)))
