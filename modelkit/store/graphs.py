"""The graphs of operators in a store: which variables are values of operators, and of what.

A store holds polynomials alone. A variable that stands for the value of an operator is *lifted*: it is the first row of
a constraint in an `OperatorGraph`, whose other rows are the arguments, affine in variables and lifted variables. Users
see neither; functions that are read are written with operators again.
"""

from __future__ import annotations

from typing import Any, Protocol, final

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import breadth_first_order

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
        self._ids, self._owner, self._argument = np.zeros((3, 0), np.int64)

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
            graphs, numbers = block.snapshot()
            rows, starts = graphs.rows, graphs.starts
            is_value = np.zeros(rows.m, bool)
            is_value[starts[:-1]] = True
            is_value = is_value[rows.row]
            of: IntArray = np.repeat(np.arange(graphs.count), np.diff(starts))[rows.row]  # graph of each term
            values = np.zeros(graphs.count, np.int64)
            values[of[is_value]] = rows.var[is_value]
            self._numbers = dict(zip(values.tolist(), numbers.tolist(), strict=True))
            self._owner, self._argument = values[of[~is_value]], rows.var[~is_value]
            self._ids, self._read = np.sort(values), state
        return self._numbers

    def ids(self, store: HoldsBlocks) -> IntArray:
        """The identifiers of lifted variables, in order."""
        return self._ids if self.lifted(store) else np.zeros(0, np.int64)

    def inside(self, store: HoldsBlocks, outer: IntArray) -> IntArray:
        """Identifiers of lifted variables and of all in their arguments, and in those of the lifted among these, ..."""
        nodes = np.unique(np.concatenate([self.ids(store), self._argument, outer]))
        count = len(nodes)
        owner, argument, start = (np.searchsorted(nodes, one) for one in (self._owner, self._argument, outer))
        tails, heads = np.concatenate([owner, np.full(len(start), count)]), np.concatenate([argument, start])
        graph = sp.csr_array(sp.coo_array((np.ones(len(tails)), (tails, heads)), shape=(count + 1, count + 1)))
        reached = breadth_first_order(graph, count, return_predecessors=False)
        found: IntArray = nodes[np.sort(reached[reached < count])]
        return found

    def operation_at(self, store: HoldsBlocks, identifier: int) -> tuple[Operator, list[Rows]] | None:
        """The operator of which a variable is the value, and its arguments, of one row each; None of others."""
        number = self.lifted(store).get(identifier)
        if number is None:
            return None
        block = store.block(GRAPHS)
        rows, shape = block.rows(number), block.shape(number)
        return operator_of_number(int(shape[1])), [rows.take(np.array([k])) for k in range(1, rows.m)]
