"""The quadratic program that a nonlinear one is near a point: what Newton's method solves, with its derivatives.

With f the functions of the rows, h = 0 the graphs ``z = f(u)`` of operators and L the Lagrangian, at (x, y)

    minimize ½ dᵀ∇²L d + (Px + q)ᵀd   subject to   f + ∇f d in cones,   h + ∇h d = 0,

has the derivatives of the solution at which d = 0: its KKT system is that of the nonlinear program (Fiacco 1976).
"""

from __future__ import annotations

from typing import Any, final

import numpy as np
import scipy.sparse as sp

from ..modelkit.arrays import FloatArray, IntArray
from ..modelkit.errors import DifferentiationError
from ..modelkit.form.graph_rows import GraphRows
from ..modelkit.form.matrix_form import MatrixForm
from ..modelkit.functions import VectorAffineFunction, VectorQuadraticFunction
from ..modelkit.indices import Kind
from ..modelkit.sets import Nonnegatives, OperatorGraph, Zeros
from .standard_form import StandardForm

__all__ = ["LocalProgram", "RowPlaces"]

_GRAPHS: Kind = (VectorAffineFunction, OperatorGraph)
_EQUAL: tuple[Kind, ...] = ((VectorAffineFunction, Zeros), (VectorQuadraticFunction, Zeros))
_INEQUALITIES: tuple[Kind, ...] = ((VectorAffineFunction, Nonnegatives), (VectorQuadraticFunction, Nonnegatives))


@final
class RowPlaces:
    """Which rows of a program are equalities, which are inequalities, and which are graphs.

    Parameters
    ----------
    form : the program

    Attributes
    ----------
    graphs : the graphs of operators
    equal, inequalities : rows, in the order in which they stand in local programs: equalities, graphs, inequalities
    """

    def __init__(self, form: MatrixForm) -> None:
        part = form.parts.get(_GRAPHS)
        self.graphs = GraphRows([] if part is None else [(part.sets, part.rows.start)], form.F)
        self.equal, self.inequalities = (
            np.concatenate([np.zeros(0, np.int64), *(_rows(form, kind) for kind in kinds)])
            for kinds in (_EQUAL, _INEQUALITIES)
        )

    @property
    def zeros(self) -> int:
        """The number of equalities of a local program."""
        return len(self.equal) + self.graphs.count


def _rows(form: MatrixForm, kind: Kind) -> IntArray:
    part = form.parts.get(kind)
    return np.zeros(0, np.int64) if part is None else np.arange(part.rows.start, part.rows.stop)


@final
class LocalProgram:
    """The program at a point.

    Parameters
    ----------
    form : the nonlinear program
    places : its rows
    x, y : the point, (n,) and (m,)

    Attributes
    ----------
    standard : the quadratic program in x + d, whose duals are those of `down`
    normals : (graphs, m), those of the graphs in their rows
    at_kinks : mask (m,) of the rows of graphs whose operator is not differentiable there
    bend : (m, m), second derivatives of the operators times their multipliers, in the rows of the arguments
    """

    def __init__(self, form: MatrixForm, places: RowPlaces, x: FloatArray, y: FloatArray) -> None:
        self._form, self._places = form, places
        graphs, P, F = places.graphs, form.P, form.F
        s: FloatArray = F @ x + form.g
        values = graphs.values(s)
        slopes = graphs.at(s)
        self.normals, self.bend = slopes.normals, slopes.curvature(self.multipliers(y))
        self.at_kinks = np.zeros(form.m, bool)
        self.at_kinks[graphs.rows_at(graphs.at_kinks(s))] = True
        self._require_derivatives(s)
        J: Any = F
        if form.curvature is not None:
            s = s + form.curvature.values(x)
            J = sp.csr_array(F + form.curvature.jacobian(x))
            P = P - form.curvature.hessian(y)
        if graphs.count:
            P = P + F.T @ self.bend @ F
        self.P: sp.csc_array = sp.csc_array(P)
        graph_rows = sp.csr_array(self.normals @ F)
        rows = sp.csr_array(sp.vstack([J[places.equal], graph_rows, J[places.inequalities]], format="csr"))
        at = np.concatenate([s[places.equal], s[graphs.value] - values, s[places.inequalities]])
        gradient = form.P @ x + form.q
        c, b = gradient - self.P @ x, at - rows @ x
        self.standard = StandardForm.of_upper(self.P, c, sp.csr_array(-rows), b, places.zeros)

    def _require_derivatives(self, s: FloatArray) -> None:
        """Raise where an operator has no two derivatives, as a root at zero."""
        bad = ~np.isfinite(self.normals.data)
        rows: IntArray = np.repeat(np.arange(self.normals.shape[0]), np.diff(self.normals.indptr))[bad]
        if not len(rows) and np.isfinite(self.bend.data).all():
            return
        graphs = self._places.graphs
        if not len(rows):
            owner = np.concatenate([np.repeat(np.arange(len(g.at)) + g.first, g.at.shape[1]) for g in graphs.groups])
            at = np.concatenate([g.at.ravel() for g in graphs.groups])
            row = np.repeat(np.arange(self.bend.shape[0]), np.diff(self.bend.indptr))[~np.isfinite(self.bend.data)][0]
            rows = owner[at == row]
        raise DifferentiationError(
            f"The solution cannot be differentiated: {graphs.described(int(rows[0]), s)} has no first or no second "
            "derivative there. Bound its argument away from that point, or write the model without it."
        )

    def multipliers(self, y: FloatArray) -> FloatArray:
        """Those of the graphs, (graphs,): the duals of the rows of the values."""
        return y[self._places.graphs.value]

    def down(self, y: FloatArray) -> FloatArray:
        """Duals of the program's rows, (m,) or (m, k), as those of the local program."""
        places = self._places
        return np.concatenate([y[places.equal], y[places.graphs.value], y[places.inequalities]])

    def up(self, y: FloatArray) -> FloatArray:
        """Duals of the local program as those of the program's rows, in the graphs multiples of the normals."""
        places, first, stop = self._places, len(self._places.equal), self._places.zeros
        out = np.zeros((self._form.m, *y.shape[1:]))
        if places.graphs.count:
            out += self.normals.T @ y[first:stop]
        out[places.equal], out[places.inequalities] = y[:first], y[stop:]
        return out

    def pulled(self, values: FloatArray) -> FloatArray:
        """The adjoint of `up`: values in the program's rows as those in the rows of the local program."""
        places = self._places
        of_graphs = self.normals @ values
        return np.concatenate([values[places.equal], of_graphs, values[places.inequalities]])
