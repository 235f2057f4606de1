"""The graphs of operators in a store: which variables are values of operators, and of what.

A store holds polynomials alone. A variable that stands for the value of an operator is *lifted*: it is the first row of
a constraint in an `OperatorGraph`, whose other rows are the arguments, affine in variables and lifted variables. Users
see neither; functions that are read are written with operators again.
"""

from __future__ import annotations

from typing import Any, Protocol, final

import numpy as np

from ..arrays import IntArray
from ..functions import VectorAffineFunction
from ..functions.operations import Operation
from ..functions.rows import Rows
from ..indices import Kind
from ..operators import Operator, operator_of_number
from ..sets import OperatorGraph
from .storage import Block

__all__ = ["GRAPHS", "Graphs", "HoldsBlocks"]


class HoldsBlocks(Protocol):
    """A store as far as its constraints go."""

    def has_block(self, kind: Kind) -> bool:
        """Whether there are constraints of a kind, or were."""

    def block(self, kind: Kind) -> Block:
        """The block of a kind that is present."""


GRAPHS: Kind = (VectorAffineFunction, OperatorGraph)


@final
class Graphs:
    """What a store knows of its lifted variables.

    Attributes
    ----------
    known : by the first identifier of an operation the identifiers of the variables lifted for its rows
    held : these operations, so that equal ones that are written later are the same
    """

    def __init__(self) -> None:
        self.known: dict[int, IntArray] = {}
        self.held: dict[int, Operation] = {}
        self._read: tuple[int, int] = (-1, -1)
        self._numbers: dict[int, int] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Identifiers of operations are those of a process."""
        return {**self.__dict__, "known": {}, "held": {}}

    def lifted(self, store: HoldsBlocks) -> dict[int, int]:
        """The identifiers of lifted variables, and the numbers of their graphs."""
        if not store.has_block(GRAPHS):
            return {}
        block = store.block(GRAPHS)
        state = block.total, block.log.position
        if state != self._read:
            snapshot, numbers = block.snapshot()
            first = np.zeros(snapshot.rows.m, bool)
            first[snapshot.starts[:-1]] = True
            terms = first[snapshot.rows.row]
            ids = np.zeros(snapshot.rows.m, np.int64)
            ids[snapshot.rows.row[terms]] = snapshot.rows.var[terms]
            self._numbers = dict(zip(ids[snapshot.starts[:-1]].tolist(), numbers.tolist(), strict=True))
            self._read = state
        return self._numbers

    def operation_at(self, store: HoldsBlocks, identifier: int) -> tuple[Operator, list[Rows]] | None:
        """The operator of which a variable is the value, and its arguments, of one row each; None of others."""
        number = self.lifted(store).get(identifier)
        if number is None:
            return None
        block = store.block(GRAPHS)
        rows, shape = block.rows(number), block.shape(number)
        return operator_of_number(int(shape[1])), [rows.take(np.array([k])) for k in range(1, rows.m)]
