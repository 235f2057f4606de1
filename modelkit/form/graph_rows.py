"""The graphs of operators in a form: which column is the value of which operator, and of what rows.

A row of a graph is three or so rows of F: that of the value z, which is a column by itself, and those of the arguments
u. At a point the graph is ``z = f(u)`` with normal ``(1, -∇f(u))``; its duals are multiples of this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ..arrays import FloatArray, IntArray, segments
from ..operator_derivatives import derivatives
from ..operators import Operator, operator_number, operator_of_number
from ..sets import OperatorGraph
from ..store.block import SetBlock
from .form import Form

__all__ = ["GraphRows", "GraphSlopes", "OneOperator", "normal_distances"]


_ROUNDING = 1e-9


@final
@dataclass(frozen=True, slots=True, eq=False)
class OneOperator:
    """The graphs of one operator.

    Attributes
    ----------
    number, operator : the operator
    at : (m, 1 + a) rows of F, the value first
    first : number of the first of these graphs among all
    """

    number: int
    operator: Operator
    at: IntArray
    first: int


@final
class GraphRows:
    """Graphs of operators among the rows of a matrix, operator by operator.

    Parameters
    ----------
    blocks : sets that are graphs, each block with its first row
    F : (k, n), the rows

    Attributes
    ----------
    groups : the graphs of each operator
    count : how many there are
    value : (count,) the rows of the values
    columns : (count,) the columns that are the values
    """

    def __init__(self, blocks: Sequence[tuple[SetBlock, int]], F: sp.csr_array) -> None:
        items: dict[int, list[IntArray]] = {}
        for sets, start in blocks:
            assert sets.shapes is not None
            numbers = np.array([int(shape[1]) for shape in sets.shapes])
            starts, dims = sets.starts[:-1] + start, sets.dims
            for number in np.unique(numbers).tolist():
                mine = np.flatnonzero(numbers == number)
                at = segments(starts[mine], dims[mine]).reshape(len(mine), -1)
                items.setdefault(number, []).append(at)
        self.groups: list[OneOperator] = []
        first = 0
        for number, parts in items.items():
            at = np.concatenate(parts)
            self.groups.append(OneOperator(number, operator_of_number(number), at, first))
            first += len(at)
        self.count = first
        self.value: IntArray = np.concatenate([np.zeros(0, np.int64), *(one.at[:, 0] for one in self.groups)])
        self.columns: IntArray = F.indices[F.indptr[self.value]].astype(np.int64)

    @staticmethod
    def of_form(form: Form) -> GraphRows:
        """Those of a form, by the rows of its F."""
        blocks = [(cones.sets, cones.rows.start) for cones in form.cones if cones.type is OperatorGraph]
        return GraphRows(blocks, form.F)

    def values(self, s: FloatArray) -> FloatArray:
        """(count,): the operators at the arguments."""
        out = np.zeros(self.count)
        for one in self.groups:
            out[one.first : one.first + len(one.at)] = one.operator.value(*s[one.at[:, 1:]].T)
        return out

    def at_kinks(self, s: FloatArray) -> NDArray[np.bool_]:
        """(count,): the graphs whose arguments are, up to rounding, where the operator is not differentiable."""
        found = np.zeros(self.count, bool)
        for one in self.groups:
            if one.operator.kink is not None:
                u = s[one.at[:, 1:]]
                near = one.operator.kink(*u.T) <= _ROUNDING * (1.0 + np.abs(u).max(axis=1, initial=0.0))
                found[one.first : one.first + len(one.at)] = near
        return found

    def rows_at(self, mask: NDArray[np.bool_]) -> IntArray:
        """The rows of F of some graphs, (count,) of which are marked."""
        parts = [one.at[mask[one.first : one.first + len(one.at)]].ravel() for one in self.groups]
        return np.concatenate([np.zeros(0, np.int64), *parts])

    def described(self, graph: int, s: FloatArray) -> str:
        """One of the operators with the numbers that are its arguments."""
        one = next(one for one in reversed(self.groups) if one.first <= graph)
        return one.operator.text(*(f"{value:.6g}" for value in s[one.at[graph - one.first, 1:]]))

    def at(self, s: FloatArray) -> GraphSlopes:
        """First and second derivatives at the values s (k,) of the rows of F."""
        return GraphSlopes(self, s)


@final
class GraphSlopes:
    """First and second derivatives of graphs at values of their rows.

    Attributes
    ----------
    normals : (count, k), the normal ``(1, -∇f)`` of each graph
    """

    def __init__(self, graphs: GraphRows, s: FloatArray) -> None:
        self._graphs, self._size = graphs, len(s)
        self._hessians: list[FloatArray] = []
        rows, columns, data = [], [], []
        for one in graphs.groups:
            gradient, hessian = derivatives(one.number, s[one.at[:, 1:]])
            self._hessians.append(hessian)
            rows.append(np.repeat(np.arange(len(one.at)) + one.first, one.at.shape[1]))
            columns.append(one.at.ravel())
            data.append(np.hstack([np.ones((len(one.at), 1)), -gradient]).ravel())
        self.normals = _matrix(data, rows, columns, (graphs.count, len(s)))

    def curvature(self, weights: FloatArray) -> sp.csr_array:
        """(k, k): the sum of ``weights * ∇²f`` over the graphs, in the rows of F of the arguments."""
        rows, columns, data = [], [], []
        for one, hessian in zip(self._graphs.groups, self._hessians, strict=True):
            u = one.at[:, 1:]
            m, a = u.shape
            rows.append(np.repeat(u, a, axis=1).ravel())
            columns.append(np.tile(u, (1, a)).ravel())
            data.append((hessian * weights[one.first : one.first + m, None, None]).ravel())
        return _matrix(data, rows, columns, (self._size, self._size))


def normal_distances(graph: OperatorGraph, values: FloatArray, duals: FloatArray) -> FloatArray:
    """How far duals (k, 1 + a) are from the multiples of the normals at values (k, 1 + a), (k,)."""
    gradient, _ = derivatives(operator_number(graph.operator), values[:, 1:])
    away = duals[:, 1:] + duals[:, :1] * gradient
    return np.where(np.isfinite(away).all(axis=1), np.linalg.norm(away, axis=1), np.inf)


def _matrix(
    data: list[FloatArray], rows: list[IntArray], columns: list[IntArray], shape: tuple[int, int]
) -> sp.csr_array:
    if not data:
        return sp.csr_array(shape)
    place = np.concatenate(rows), np.concatenate(columns)
    return sp.csr_array(sp.coo_array((np.concatenate(data), place), shape=shape))
