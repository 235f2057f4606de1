"""What derivatives are of: affine functions, duals and the optimal value, in any order, for blocks of directions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import scipy.sparse as sp

from ..bridges.lowering import Lowering
from ..bridges.lowering.travel import Sided, duals_up, seeds_down
from ..modelkit import attributes as attr
from ..modelkit.arrays import FloatArray, IntArray
from ..modelkit.errors import InvalidData
from ..modelkit.functions import ScalarFunction, VectorFunction
from ..modelkit.functions.rows import Rows
from ..modelkit.functions.shaped import ArrayFunction
from ..modelkit.store.lifting import as_lifted
from ..modelkit.store.parameters import PARAMETERS
from ..modelkit.store.store import Store
from .picked_rows import PickedRows, Picking, each, is_row

__all__ = ["Moved", "Outputs", "Seeds", "outputs_of"]


@final
@dataclass(frozen=True, slots=True, eq=False)
class Moved:
    """How a solution moves along K directions.

    Attributes
    ----------
    x, y : (n, K), and (slots, K) by sides
    theta, costs : (K, p) the parameters, and their duals
    value : (K,) the objective of the form
    """

    x: FloatArray
    y: Sided
    theta: FloatArray
    costs: FloatArray
    value: FloatArray


@final
@dataclass(frozen=True, slots=True, eq=False)
class Seeds:
    """K combinations of what `Moved` holds, entry by entry."""

    x: FloatArray
    y: Sided
    theta: FloatArray
    costs: FloatArray
    value: FloatArray


@final
@dataclass(frozen=True, slots=True, eq=False)
class Outputs:
    """Outputs in the user's order.

    Attributes
    ----------
    count : N
    lowering : to the form whose solution is meant
    rows, at_rows : affine functions, as written, and where they stand
    x, theta : (a, n) and (a, p), the same in columns and parameters
    duals : rows of constraints whose duals are outputs
    at_value : where the optimal value stands
    """

    count: int
    lowering: Lowering
    rows: Rows
    at_rows: IntArray
    x: sp.csr_array
    theta: sp.csr_array
    duals: list[PickedRows]
    at_value: IntArray

    @property
    def has_duals_of_parameters(self) -> bool:
        """Whether duals of parameters are among them, which are functions of the data, too."""
        return any(one.indices.kind == PARAMETERS for one in self.duals)

    @property
    def solves(self) -> int:
        """How many of them take a solve in reverse mode."""
        return self.count - len(self.at_value)

    def of_moves(self, moved: Moved) -> FloatArray:
        """How they move, (N, K)."""
        found = np.empty((self.count, len(moved.value)))
        found[self.at_rows] = self.x @ moved.x + self.theta @ moved.theta.T
        for one in self.duals:
            kind = one.indices.kind
            if kind == PARAMETERS:
                assert self.lowering.parameters is not None
                found[one.at] = moved.costs.T[self.lowering.parameters.places(one.indices.values)[one.row]]
            else:
                found[one.at] = duals_up(self.lowering, kind, one.numbers, one.dims, moved.y)[one.row]
        found[self.at_value] = self.lowering.sign * moved.value
        return found

    def seeds(self, U: FloatArray) -> Seeds:
        """What combinations of them (N, K) are of the solution."""
        k, size = U.shape[1], self.lowering.form.slots.size
        duals: Sided = (np.zeros((size, k)), np.zeros((size, k)))
        costs = np.zeros((k, self.theta.shape[1]))
        for one in self.duals:
            kind, mine = one.indices.kind, one.added(U)
            if kind == PARAMETERS:
                assert self.lowering.parameters is not None
                np.add.at(costs.T, self.lowering.parameters.places(one.indices.values), mine)
            else:
                seeds_down(self.lowering, kind, one.numbers, one.dims, mine, duals)
        first = U[self.at_rows]
        theta = np.asarray(self.theta.T @ first).T
        return Seeds(self.x.T @ first, duals, theta, costs, self.lowering.sign * U[self.at_value].sum(axis=0))


def outputs_of(store: Store, lowering: Lowering, of: Any) -> Outputs:
    """The outputs that a user means by variables, affine functions, constraints (their duals) and ``ObjectiveValue()``.

    Parameters
    ----------
    store, lowering : the model as written, and to the form whose solution is meant
    of : one of these, a row of a constraint as ``(c, row)``, or lists of them
    """
    affine: list[Rows] = []
    at: list[IntArray] = []
    values: list[int] = []
    duals, count = Picking(store), 0
    for one in each(of):
        if is_row(one):
            count += duals.add(one, count)
        elif isinstance(one, (attr.ObjectiveValue, attr.ReverseObjectiveValue)):
            values.append(count)
            count += 1
        else:
            rows = _rows_of(one)
            store.check_variables(rows)
            rows = as_lifted(store, rows)
            affine.append(rows)
            at.append(np.arange(count, count + rows.m))
            count += rows.m
    rows = Rows.stack(affine) if affine else Rows(np.zeros(0))
    columns = lowering.column_of(rows.var, store.base)
    mine = columns >= 0
    n, p = lowering.form.n, 0 if lowering.parameters is None else len(lowering.parameters.ids)
    x = sp.csr_array(sp.coo_array((rows.coef[mine], (rows.row[mine], columns[mine])), shape=(rows.m, n)))
    theta = sp.csr_array((rows.m, p))
    if lowering.parameters is not None:
        places = lowering.parameters.places(rows.var[~mine])
        theta = sp.csr_array(sp.coo_array((rows.coef[~mine], (rows.row[~mine], places)), shape=(rows.m, p)))
    return Outputs(
        count,
        lowering,
        rows,
        np.concatenate(at) if at else np.zeros(0, np.int64),
        x,
        theta,
        duals.finished(),
        np.array(values, np.int64),
    )


def _rows_of(one: Any) -> Rows:
    if isinstance(one, ArrayFunction):
        one = one.flat
    if not isinstance(one, (ScalarFunction, VectorFunction)):
        raise InvalidData(
            "Outputs are variables, affine functions of them, constraints (their duals) and ObjectiveValue(); "
            f"got {one!r}."
        )
    rows = one.rows
    if rows.degree > 1:
        raise InvalidData(f"An output is an affine function of the variables, got {one!r}.")
    return rows
