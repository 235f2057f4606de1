r"""The derivative of a solution as one linear operator: outputs by data, both modes, blocks of directions at once.

With the right-hand sides B of the data's moves and the rows C of the outputs, the Jacobian is :math:`C K^{-1} B` for
the one symmetric system K (docs/design.md, section 6); a product with it, or with its transpose, costs a solve with the
factors of K. So the whole matrix costs as many solves as there are data, or as there are outputs, whichever is less.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator

from ...bridges.lowering.travel import Sided, duals_up, functions_down, gradients_up, seeds_down
from ...modelkit import attributes as attr
from ...modelkit.arrays import FloatArray, IntArray
from ...modelkit.errors import DifferentiationError, InvalidData
from ...modelkit.functions import Function, ScalarFunction, VectorFunction
from ...modelkit.functions.rows import Rows
from ...modelkit.functions.shaped import ArrayFunction
from ...modelkit.indices import ConstraintIndex, ConstraintIndices
from ...modelkit.store.parameters import PARAMETERS, Parameters
from ...modelkit.store.store import Store
from ..derivative import Derivative
from ..outcome import located
from ..slot_tangents import SlotTangents
from .frames import frame
from .owners import label

__all__ = ["Jacobian", "jacobian_of"]

_MOST_NUMBERS = 2**24
"""Numbers of a block of directions."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class _Of:
    """Outputs: affine functions of variables and parameters, duals of constraints, the optimal value; in this order.

    Attributes
    ----------
    x, theta : sparse (a, n) and (a, p)
    duals : constraints, with their numbers and dimensions
    value : whether the optimal value is one
    order : (N,) where each output stands among those
    names : of the outputs
    """

    x: sp.csr_array
    theta: sp.csr_array
    duals: list[tuple[ConstraintIndices, IntArray, IntArray]]
    value: bool
    order: IntArray
    names: list[str]


@final
@dataclass(frozen=True, slots=True, eq=False)
class _Wrt:
    """Data: parameters, right-hand sides of constraints, linear costs of variables; in this order.

    Attributes
    ----------
    parameters : (a,) their numbers; columns : (c,) of the variables whose costs are data
    sides : constraints, with their numbers and dimensions
    order : (K,) where each datum stands among those
    names : of the data
    """

    parameters: IntArray
    columns: IntArray
    sides: list[tuple[ConstraintIndices, IntArray, IntArray]]
    order: IntArray
    names: list[str]


@final
class Jacobian(LinearOperator):  # type: ignore[misc]  # SciPy has no types
    """Derivatives of N outputs in K data, (N, K).

    A ``scipy.sparse.linalg.LinearOperator``: ``J @ V`` is forward mode, ``J.T @ U`` reverse mode, for vectors and for
    matrices of directions; nothing is computed before. See `Model.jacobian`.

    Attributes
    ----------
    outputs, data : names of the rows and of the columns
    """

    def __init__(self, derivative: Derivative, of: _Of, wrt: _Wrt) -> None:
        super().__init__(np.float64, (len(of.order), len(wrt.order)))
        self._derivative, self._of, self._wrt = derivative, of, wrt
        self.outputs, self.data = of.names, wrt.names
        self._slots = derivative.lowering.form.slots
        self._size = len(derivative.point.x) + 3 * self._slots.size

    # ------------------------------------------------------------------ SciPy's words
    def _matvec(self, x: Any) -> FloatArray:
        return self._matmat(np.reshape(x, (-1, 1)))[:, 0]

    def _rmatvec(self, x: Any) -> FloatArray:
        return self._rmatmat(np.reshape(x, (-1, 1)))[:, 0]

    def _matmat(self, X: Any) -> FloatArray:
        return self._in_blocks(np.asarray(X, np.float64), self._push, self.shape[0])

    def _rmatmat(self, X: Any) -> FloatArray:
        return self._in_blocks(np.asarray(X, np.float64), self._pull, self.shape[1])

    def _in_blocks(self, X: FloatArray, way: Any, rows: int) -> FloatArray:
        step = max(1, _MOST_NUMBERS // max(1, self._size))
        if X.shape[1] <= step:
            found: FloatArray = way(X)
            return found
        out = np.empty((rows, X.shape[1]))
        for start in range(0, X.shape[1], step):
            out[:, start : start + step] = way(X[:, start : start + step])
        return out

    def toarray(self) -> FloatArray:
        """The matrix (N, K), by the mode that takes fewer solves."""
        rows, columns = self.shape
        if columns <= rows:
            return self._matmat(np.eye(columns))
        return self._rmatmat(np.eye(rows)).T

    def to_frame(self) -> Any:
        """The matrix as a pandas ``DataFrame``, outputs by data."""
        matrix = self.toarray()
        made = frame({str(k): matrix[:, k] for k in range(matrix.shape[1])}, self.outputs)
        made.columns = self.data
        return made

    def __repr__(self) -> str:
        rows, columns = self.shape
        return f"Jacobian({rows} output{'s' * (rows != 1)} by {columns} dat{'a' if columns != 1 else 'um'})"

    # ------------------------------------------------------------------ forward
    def _push(self, V: FloatArray) -> FloatArray:
        derivative, of, wrt = self._derivative, self._of, self._wrt
        k = V.shape[1]
        placed = np.empty_like(V)
        placed[wrt.order] = V
        moves = np.zeros((k, len(derivative.theta)))
        np.add.at(moves.T, wrt.parameters, placed[: len(wrt.parameters)])
        slope = derivative.slope
        sides = SlotTangents(self._slots, slope.x, slope.y, k)
        self._add_data(sides, placed[len(wrt.parameters) :], k)
        derivative.add_parameters(sides, moves)
        dx, dy = slope.push(sides)
        parts = [of.x @ dx + of.theta @ moves.T]
        if any(indices.kind == PARAMETERS for indices, _, _ in of.duals):
            of_parameters = derivative.dual_tangents(dx, dy[0] + dy[1], moves, np.zeros_like(moves))
        for indices, numbers, dims in of.duals:
            if indices.kind == PARAMETERS:
                assert derivative.lowering.parameters is not None
                parts.append(of_parameters.T[derivative.lowering.parameters.places(indices.values)])
            else:
                parts.append(duals_up(derivative.lowering, indices.kind, numbers, dims, dy))
        if of.value:
            parts.append(derivative.lowering.sign * sides.objective_values()[None])
        found: FloatArray = np.concatenate(parts)[of.order]
        return found

    def _add_data(self, sides: SlotTangents, V: FloatArray, k: int) -> None:
        """Moves of costs and right-hand sides: neither has a coefficient of a parameter."""
        derivative, wrt = self._derivative, self._wrt
        count = len(wrt.columns)
        direction, local = np.divmod(np.arange(k * count), max(count, 1))
        costs = derivative.lowering.sign * V[local, direction]
        sides.add_objective(Rows(np.zeros(k), direction, wrt.columns[local], costs))
        start = count
        for indices, numbers, dims in wrt.sides:
            m = int(dims.sum())
            constants = Rows(-V[start : start + m].T.ravel())
            for at, below in functions_down(derivative.lowering, indices.kind, numbers, dims, constants):
                sides.add_functions(at, below)
            start += m

    # ------------------------------------------------------------------ reverse
    def _pull(self, U: FloatArray) -> FloatArray:
        derivative, of, wrt = self._derivative, self._of, self._wrt
        lowering, k = derivative.lowering, U.shape[1]
        placed = np.empty_like(U)
        placed[of.order] = U
        first = placed[: of.x.shape[0]]
        primal, theta = of.x.T @ first, np.asarray(of.theta.T @ first).T
        duals: Sided = (np.zeros((self._slots.size, k)), np.zeros((self._slots.size, k)))
        of_parameters = np.zeros((k, len(derivative.theta)))
        start = of.x.shape[0]
        for indices, numbers, dims in of.duals:
            mine = placed[start : start + int(dims.sum())]
            start += len(mine)
            if indices.kind == PARAMETERS:
                assert lowering.parameters is not None
                np.add.at(of_parameters.T, lowering.parameters.places(indices.values), mine)
            else:
                seeds_down(lowering, indices.kind, numbers, dims, mine, duals)
        seeds = lowering.sign * placed[start] if of.value else np.zeros(k)
        w, wy, of_data = derivative.pulled_back(primal, duals, seeds, of_parameters)
        theta = theta + of_data
        parts = [theta.T[wrt.parameters], -lowering.sign * (w - np.outer(derivative.slope.x, seeds))[wrt.columns]]
        for indices, numbers, dims in wrt.sides:
            parts.append(-gradients_up(lowering, indices.kind, numbers, dims, wy))
        found: FloatArray = np.concatenate(parts)[wrt.order]
        return found


# ---------------------------------------------------------------------- what is asked
def jacobian_of(derivative: Derivative, of: Any, wrt: Any) -> Jacobian:
    """See `Model.jacobian`."""
    if not derivative.slope.is_linear:
        raise DifferentiationError(
            "A one-sided derivative is not linear in the direction, so there is no Jacobian at this solution. "
            "DifferentiationPolicy() is 'directional': model.directional_derivatives takes many directions, or set it "
            "to 'smoothed' or 'generalized'."
        )
    return Jacobian(derivative, _outputs(derivative, of), _data(derivative, wrt))


def _each(what: Any) -> Iterator[Any]:
    """The parts of a list, or what is no list."""
    if isinstance(what, (list, tuple)):
        for one in what:
            yield from _each(one)
    else:
        yield what


def _located(store: Store, index: ConstraintIndex | ConstraintIndices) -> tuple[ConstraintIndices, IntArray, IntArray]:
    store.check_index(index)
    indices = ConstraintIndices(index.kind, np.array([index.value])) if isinstance(index, ConstraintIndex) else index
    return indices, *located(store, indices)


def _row_names(store: Store, indices: ConstraintIndices, dims: IntArray) -> list[str]:
    return [label(store, one, k) for one, d in zip(indices, dims.tolist(), strict=True) for k in range(d)]


def _outputs(derivative: Derivative, of: Any) -> _Of:
    store, lowering = derivative.store, derivative.lowering
    affine: list[Rows] = []
    duals, names, kinds = [], [], []
    names_of: list[list[str]] = [[], [], []]
    for one in _each(of):
        if isinstance(one, (ConstraintIndex, ConstraintIndices)):
            duals.append(_located(store, one))
            found = [f"dual of {name}" for name in _row_names(store, duals[-1][0], duals[-1][2])]
            which = 1
        elif isinstance(one, attr.ObjectiveValue):
            found, which = ["objective"], 2
        else:
            rows = _rows_of(one)
            store.check_variables(rows)
            affine.append(rows)
            found, which = [store.text_of(rows.take(np.array([i]))) for i in range(rows.m)], 0
        names += found
        kinds += [which] * len(found)
        names_of[which] += found
    if not names:
        raise InvalidData("A Jacobian has outputs: variables, affine functions, constraints (their duals).")
    if len(names_of[2]) > 1:
        raise InvalidData("The optimal value stands among the outputs more than once.")
    rows = Rows.stack(affine) if affine else Rows(np.zeros(0))
    columns = lowering.column_of(rows.var, store.base)
    mine = columns >= 0
    n, p = len(derivative.point.x), len(derivative.theta)
    x = sp.csr_array(sp.coo_array((rows.coef[mine], (rows.row[mine], columns[mine])), shape=(rows.m, n)))
    theta = sp.csr_array((rows.m, p))
    if lowering.parameters is not None:
        places = lowering.parameters.places(rows.var[~mine])
        theta = sp.csr_array(sp.coo_array((rows.coef[~mine], (rows.row[~mine], places)), shape=(rows.m, p)))
    return _Of(x, theta, duals, bool(names_of[2]), _order(kinds), names)


def _rows_of(one: Any) -> Rows:
    if isinstance(one, ArrayFunction):
        one = one.flat
    if not isinstance(one, (ScalarFunction, VectorFunction)):
        raise InvalidData(
            "Outputs of a Jacobian are variables, affine functions of them, constraints (their duals) and "
            f"ObjectiveValue(); got {one!r}."
        )
    rows = one.rows
    if rows.degree > 1:
        raise InvalidData(f"An output of a Jacobian is an affine function of the variables, got {one!r}.")
    return rows


def _data(derivative: Derivative, wrt: Any) -> _Wrt:
    store, lowering = derivative.store, derivative.lowering
    known = lowering.parameters or Parameters(store)
    places, columns, sides = [], [], []
    names: list[str] = []
    kinds: list[int] = []
    for one in _each(wrt):
        if isinstance(one, (ConstraintIndex, ConstraintIndices)):
            found = _located(store, one)
            if found[0].kind == PARAMETERS:
                raise InvalidData("The data of parameters' constraints are the parameters themselves: give these.")
            sides.append(found)
            added = [f"right-hand side of {name}" for name in _row_names(store, found[0], found[2])]
            names += added
            kinds += [2] * len(added)
            continue
        ids = _ids(one)
        store.check_ids(ids)
        place = known.places(ids)
        places += place[place >= 0].tolist()
        columns += lowering.column_of(ids[place < 0], store.base).tolist()
        for identifier, at in zip(ids.tolist(), place.tolist(), strict=True):
            names.append(store.name_of(identifier) if at >= 0 else f"cost of {store.name_of(identifier)}")
            kinds.append(0 if at >= 0 else 1)
    if not names:
        raise InvalidData("A Jacobian has data: parameters, constraints (right-hand sides), variables (costs).")
    return _Wrt(np.array(places, np.int64), np.array(columns, np.int64), sides, _order(kinds), names)


def _ids(one: Any) -> IntArray:
    if isinstance(one, ArrayFunction):
        return np.ravel(one.ids)
    if isinstance(one, Function) and one.degree == 0:
        ids: IntArray = one.rows.var
        return ids
    raise InvalidData(
        "Data of a Jacobian are parameters, constraints (their right-hand sides) and variables (their linear costs); "
        f"got {one!r}."
    )


def _order(kinds: Sequence[int]) -> IntArray:
    """Where each of some things stands once they are sorted by kind."""
    order = np.argsort(np.array(kinds), kind="stable")
    at = np.empty(len(order), np.int64)
    at[order] = np.arange(len(order))
    return at
