"""A form with graphs of operators as expressions of CasADi, for solvers of nonlinear programs.

Columns that are values of operators are replaced by what they are the values of, so that a solver sees the variables
of the model alone. All numbers of the form are parameters of the expressions: a program is compiled once for a pattern.
"""

from __future__ import annotations

from typing import Any, final

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import spsolve

from ..modelkit.arrays import FloatArray, IntArray, segments
from ..modelkit.errors import UnsupportedConstraint
from ..modelkit.form import Form
from ..modelkit.form.graph_rows import GraphRows
from ..modelkit.operator_derivatives import casadi, symbolic

__all__ = ["SymbolicProgram"]


@final
class SymbolicProgram:
    """Expressions of a form.

    Parameters
    ----------
    form : with cones that are graphs of operators

    Attributes
    ----------
    graphs : of the form
    free : (k,) the columns that are variables of the program
    bounded : columns that are values of operators and have bounds: rows of their own, after those of A
    x, p : symbols of the variables and of the numbers
    objective, rows : expressions of them
    """

    def __init__(self, form: Form) -> None:
        ca = casadi()
        self.graphs = graphs = GraphRows.of_form(form)
        counts = np.diff(form.F.indptr)[graphs.value]
        ones = form.F.data[form.F.indptr[graphs.value]] if graphs.count else np.zeros(0)
        if (counts != 1).any() or (ones != 1.0).any() or form.g[graphs.value].any():
            raise UnsupportedConstraint("The first row of an OperatorGraph is a plain variable.")
        self._patterns = _patterns(form)
        is_value = np.zeros(form.n, bool)
        is_value[graphs.columns] = True
        self.free: IntArray = np.flatnonzero(~is_value)
        has_bounds = (form.lower > -np.inf) | (form.upper < np.inf)
        self.bounded: IntArray = np.flatnonzero(is_value & has_bounds)
        self.x = ca.SX.sym("x", len(self.free))
        sizes = [form.P.nnz, form.n, form.A.nnz, _curved(form), form.F.nnz, form.k]
        self.p = ca.SX.sym("p", sum(sizes))
        P, q, A, Q, F, g = ca.vertsplit(self.p, np.cumsum([0, *sizes]).tolist())
        every = self._columns(form, F, g)
        Px = ca.mtimes(ca.SX(_sparsity(form.P), P), every)
        self.objective = ca.densify(0.5 * ca.dot(every, Px) + ca.dot(q, every))
        rows = ca.mtimes(ca.SX(_sparsity_by_rows(form.A), A).T, every)
        curvature = form.curvature
        if curvature is not None:
            terms = Q * every[curvature.first.tolist()] * every[curvature.second.tolist()]
            to_rows = sp.csc_array(
                (np.ones(len(curvature.row)), (curvature.row, np.arange(len(curvature.row)))),
                shape=(form.m, len(curvature.row)),
            )
            rows = rows + ca.mtimes(ca.DM(to_rows), terms)
        self.rows = ca.densify(ca.vertcat(rows, every[self.bounded.tolist()]))

    def _columns(self, form: Form, F: Any, g: Any) -> Any:
        """Expressions of all columns, (n,): those of operators level by level, as they need one another."""
        ca, graphs = casadi(), self.graphs
        full = ca.SX.zeros(form.n)
        full[self.free.tolist()] = self.x
        level = self._levels(form)
        ends, indices = form.F.indptr.astype(np.int64), form.F.indices
        for now in range(int(level.max(initial=-1)) + 1):
            for one in graphs.groups:
                mine = np.flatnonzero(level[one.first : one.first + len(one.at)] == now)
                if not len(mine):
                    continue
                arguments = []
                for rows in one.at[mine, 1:].T:
                    counts = ends[rows + 1] - ends[rows]
                    at = segments(ends[rows], counts)
                    pattern = ca.Sparsity(form.n, len(rows), [0, *np.cumsum(counts).tolist()], indices[at].tolist())
                    arguments.append(ca.mtimes(ca.SX(pattern, F[at.tolist()]).T, full) + g[rows.tolist()])
                full[graphs.columns[one.first + mine].tolist()] = symbolic(one.operator, arguments)
        return full

    def _levels(self, form: Form) -> IntArray:
        """Levels of the graphs, each above those whose values stand in its arguments."""
        graphs = self.graphs
        owner = np.full(form.n, -1, np.int64)
        owner[graphs.columns] = np.arange(graphs.count)
        rows, needs = [], []
        for one in graphs.groups:
            arguments = form.F[one.at[:, 1:].ravel()]
            of = np.repeat(np.arange(len(one.at)) + one.first, one.at.shape[1] - 1)
            row = np.repeat(of, np.diff(arguments.indptr))
            need = owner[arguments.indices]
            rows.append(row[need >= 0])
            needs.append(need[need >= 0])
        row, need = (np.concatenate([np.zeros(0, np.int64), *parts]) for parts in (rows, needs))
        level = np.zeros(graphs.count, np.int64)
        for _ in range(graphs.count + 1):
            above = level.copy()
            np.maximum.at(above, row, level[need] + 1)
            if np.array_equal(above, level):
                return level
            level = above
        raise UnsupportedConstraint("The value of an operator stands in its own argument.")

    # ------------------------------------------------------------------ numbers
    def fits(self, form: Form) -> bool:
        """Whether another form has the same patterns, so that its numbers are all that is new."""
        return all(np.array_equal(a, b) for a, b in zip(self._patterns, _patterns(form), strict=True))

    @staticmethod
    def numbers(form: Form) -> FloatArray:
        """The values of `p`."""
        curvature = form.curvature
        curved = np.zeros(0) if curvature is None else curvature.coef
        return np.concatenate([form.P.data, form.q, form.A.data, curved, form.F.data, form.g])

    def sides(self, form: Form) -> tuple[FloatArray, FloatArray]:
        """Lower and upper sides of `rows`."""
        at = self.bounded
        lower, upper = form.row_lower, np.maximum(form.row_lower, form.row_upper)
        return np.concatenate([lower, form.lower[at]]), np.concatenate([upper, form.upper[at]])

    # ------------------------------------------------------------------ what was found, over the form
    def point(self, form: Form, x: FloatArray) -> FloatArray:
        """The values of all columns, (n,)."""
        full = np.zeros(form.n)
        full[self.free] = x
        for _ in range(len(self.graphs.groups) * self.graphs.count + 1):
            values = self.graphs.values(form.F @ full + form.g)
            if np.array_equal(full[self.graphs.columns], values, equal_nan=True):
                break
            full[self.graphs.columns] = values
        return full

    def duals(self, form: Form, x: FloatArray, rows: FloatArray, bounds: FloatArray) -> FloatArray:
        """Duals over the slots of the form from those of `rows` and of the bounds of the variables.

        What the gradient of the Lagrangian leaves in a column that is the value of an operator is the multiplier of
        its graph: a triangular system, an operator before those that stand in it.
        """
        slots, graphs = form.slots, self.graphs
        y = np.zeros(slots.size)
        y[: form.m] = rows[: form.m]
        y[form.m + self.bounded] = rows[form.m :]
        y[form.m + self.free] = bounds
        if graphs.count:
            s = form.F @ x + form.g
            normals = graphs.at(s).normals
            A: Any = form.A if form.curvature is None else form.A + form.curvature.jacobian(x)
            left = form.P @ x + form.q - A.T @ y[: form.m] - y[form.m : slots.sided]
            pull = sp.csc_array((normals @ form.F).T)
            multipliers = np.atleast_1d(spsolve(sp.csc_matrix(pull[graphs.columns]), left[graphs.columns]))
            y[slots.sided :] = normals.T @ multipliers
        return y


def _patterns(form: Form) -> list[IntArray]:
    curvature = form.curvature
    places = [] if curvature is None else [curvature.row, curvature.first, curvature.second]
    shapes = [np.array([shape for cones in form.cones for shape in cones.sets.shapes or ()]).ravel()]
    matrices = [getattr(one, name) for one in (form.P, form.A, form.F) for name in ("indptr", "indices")]
    has_bounds = (form.lower > -np.inf) | (form.upper < np.inf)
    return [*matrices, *places, *shapes, has_bounds]


def _curved(form: Form) -> int:
    return 0 if form.curvature is None else len(form.curvature.row)


def _sparsity(matrix: sp.csc_array) -> Any:
    """The pattern of a matrix by columns."""
    if not matrix.has_sorted_indices:
        raise UnsupportedConstraint("The entries of a column stand in order.")
    return casadi().Sparsity(*matrix.shape, matrix.indptr.tolist(), matrix.indices.tolist())


def _sparsity_by_rows(matrix: sp.csr_array) -> Any:
    """The pattern of the transpose of a matrix by rows."""
    return casadi().Sparsity(*matrix.shape[::-1], matrix.indptr.tolist(), matrix.indices.tolist())
