"""Cone programs whose data are affine in parameters, and the models of them.

    minimize ½ xᵀP(θ)x + q(θ)ᵀx + d(θ)    subject to    A(θ)x + b(θ) in K

Both ways from CVXPY lead here: its problems (`cvxpy_model`), and the layers of others that are built on it
(`cvxpylayers_plugin`). The products ``θ x`` become rows of a `Model` in bulk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike

from ....modelkit.arrays import FloatArray, IntArray, segments
from ....modelkit.functions.abstract_function import build
from ....modelkit.functions.monomials import Monomials
from ....modelkit.functions.rows import Rows
from ....modelkit.indices import ConstraintIndex
from ....modelkit.sets import ScaledPositiveSemidefiniteConeTriangle, VectorSet
from ....modelkit.sets.triangles import position

__all__ = ["ConeProgram", "Table"]

_NONE = -1


@final
@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A matrix that is affine in parameters: ``coef * theta[parameter]`` at (row, column), repeats added.

    Parameters
    ----------
    row, column, parameter : arrays of shape (T,); parameter -1 for a constant
    coef : array of shape (T,)
    """

    row: IntArray
    column: IntArray
    parameter: IntArray
    coef: FloatArray


@final
@dataclass(frozen=True, slots=True, eq=False)
class ConeProgram:
    """θ to: minimize ½ xᵀPx + qᵀx + d subject to Ax + b in K.

    Parameters
    ----------
    n : number of variables
    P : Table of shape (n, n)
    q : Table of shape (1, n + 1), whose last column is d
    A : Table of shape (m, n + 1), whose last column is b
    cones : the sets of the rows, in order, those of one type together; semidefinite ones have their rows in CVXPY's
        order, the lower triangle column by column
    """

    n: int
    P: Table
    q: Table
    A: Table
    cones: Sequence[VectorSet]

    def place_of_rows(self) -> IntArray:
        """Where each row stands in the model, whose semidefinite cones have the upper triangle column by column."""
        parts, start = [np.zeros(0, np.int64)], 0
        for cone in self.cones:
            at = np.arange(cone.dimension)
            if isinstance(cone, ScaledPositiveSemidefiniteConeTriangle):
                side = int(np.sqrt(2 * cone.dimension))
                at = position(side)[np.triu_indices(side)]  # row by row, as the lower one column by column
            parts.append(start + at)
            start += cone.dimension
        return np.concatenate(parts)

    def build(self, model: Any, theta: ArrayLike, *, maximize: bool = False) -> tuple[Any, Any, list[ConstraintIndex]]:
        """Write it into an empty model.

        Parameters
        ----------
        model : Model
        theta : values of the parameters, shape (p,)
        maximize : whether to maximize the negative objective instead

        Returns
        -------
        variables (n,), parameters (p,), and the constraint of each cone
        """
        x, parameters = model.add_variables(self.n), model.add_parameters(theta)
        of_x, of_theta = np.append(x.ids, _NONE), np.append(parameters.ids, _NONE)  # at -1, and at n, the factor 1
        P, q, A = self.P, self.q, self.A
        curved = np.stack([of_theta[P.parameter], of_x[P.row], of_x[P.column]], axis=1)
        linear = np.stack([of_theta[q.parameter], of_x[q.column]], axis=1)
        terms = [Monomials(np.zeros_like(P.row), curved, 0.5 * P.coef), Monomials(q.row, linear, q.coef)]
        objective = Rows.of_terms(np.zeros(1), Monomials.stack(terms))
        factors = np.stack([of_theta[A.parameter], of_x[A.column]], axis=1)
        dims = np.array([cone.dimension for cone in self.cones], np.int64)
        starts, m = np.cumsum(dims) - dims, int(dims.sum())
        row = self.place_of_rows()[A.row]
        rows = Rows.of_terms(np.zeros(m), Monomials(row, factors, A.coef))
        # affine functions where there are no products: solvers and diff models have more ways with those
        products = np.bincount(np.repeat(np.arange(len(dims)), dims)[row[(factors >= 0).all(axis=1)]], None, len(dims))
        alike: dict[tuple[type[VectorSet], bool], list[int]] = {}
        for k, cone in enumerate(self.cones):
            alike.setdefault((type(cone), bool(products[k])), []).append(k)
        found: dict[int, ConstraintIndex] = {}
        for cones in alike.values():
            function = build(rows.take(segments(starts[cones], dims[cones])), vector=True)
            found.update(zip(cones, model.add_constraints(function, [self.cones[k] for k in cones]), strict=True))
        if maximize:
            model.maximize(build(objective.scaled(-np.ones(1)), vector=False))
        else:
            model.minimize(build(objective, vector=False))
        return x, parameters, [found[k] for k in range(len(dims))]
