"""What derivatives are taken in: parameters, right-hand sides, coefficients and numbers of sets, in any order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ..bridges.lowering import Lowering
from ..bridges.lowering.travel import Sided, gradients_up, set_gradients_up
from ..modelkit import attributes as attr
from ..modelkit.arrays import FloatArray, IntArray, cofactors
from ..modelkit.data import Coefficients, SetNumbers
from ..modelkit.errors import DimensionMismatch, InvalidData
from ..modelkit.functions import Function
from ..modelkit.functions.monomials import Monomials
from ..modelkit.functions.rows import Rows
from ..modelkit.functions.shaped import ArrayFunction
from ..modelkit.indices import ConstraintIndices, Kind, describe_kind
from ..modelkit.store.parameters import PARAMETERS, Parameters
from ..modelkit.store.store import Store
from .derivative import Derivative
from .inputs import Tangents
from .picked_rows import PickedRows, Picking, each, is_row

__all__ = ["Data", "Pulled", "data_of"]

_NONE = -1


@final
@dataclass(frozen=True, slots=True, eq=False)
class Pulled:
    """K losses pulled back to the data of a form.

    Attributes
    ----------
    w, wy : (n, K), and (slots, K) by sides, the gradients in the constants of functions
    theta : (K, p) the gradients in the parameters
    costs, value : seeds of the duals of the parameters (K, p), and of the objective of the form (K,)
    """

    w: FloatArray
    wy: Sided
    theta: FloatArray
    costs: FloatArray
    value: FloatArray


@final
@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """Data in the user's order.

    Attributes
    ----------
    count : N
    parameters, at_parameters : identifiers, and where they stand
    at_objective : where coefficients of the objective stand
    sides : rows whose right-hand sides are data; functions : rows that a coefficient is in; sets : rows whose sets have
        a number among the data
    factors : (N, D) identifiers of the variables whose product a coefficient is that of, -1 fills up
    fields : (N,) which number of its set one is
    """

    count: int
    parameters: IntArray
    at_parameters: IntArray
    at_objective: IntArray
    sides: list[PickedRows]
    functions: list[PickedRows]
    sets: list[PickedRows]
    factors: IntArray
    fields: IntArray

    # ------------------------------------------------------------------ forward
    def tangents(self, V: FloatArray) -> Tangents:
        """What K combinations of them (N, K) move."""
        objective = None
        if len(self.at_objective):
            at = self.at_objective
            objective = _moved(1, np.zeros(len(at), np.int64), self.factors[at], V[at])
        functions = [(one.indices, Rows(-one.added(V).T.ravel())) for one in self.sides]
        functions += [(one.indices, _moved(one.m, one.row, self.factors[one.at], V[one.at])) for one in self.functions]
        sets = []
        for one in self.sets:
            numbers = np.zeros((one.m, 1 + len(one.indices.kind[1].fields), V.shape[1]))
            np.add.at(numbers, (one.row, 1 + self.fields[one.at]), V[one.at])
            sets.append((one.indices, numbers))
        if len(self.parameters):
            ids, which = np.unique(self.parameters, return_inverse=True)
            moves = np.zeros((len(ids), 2, V.shape[1]))
            np.add.at(moves[:, 1], which, V[self.at_parameters])
            sets.append((ConstraintIndices(PARAMETERS, ids), moves))
        return objective, functions, sets

    # ------------------------------------------------------------------ reverse
    def gradients(self, derivative: Derivative, pulled: Pulled) -> FloatArray:
        """The gradients of K losses in them, (N, K)."""
        lowering, slope, K = derivative.lowering, derivative.slope, pulled.w.shape[1]
        found = np.empty((self.count, K))
        if len(self.parameters):
            assert lowering.parameters is not None
            found[self.at_parameters] = pulled.theta.T[lowering.parameters.places(self.parameters)]
        if len(self.at_objective):
            slopes, products = self._of_products(derivative, pulled, self.at_objective)
            found[self.at_objective] = lowering.sign * (np.outer(products, pulled.value) - slopes)
        for one in self.sides:
            found[one.at] = -_in_constants(lowering, one, pulled)[one.row]
        for one in self.functions:
            slopes, products = self._of_products(derivative, pulled, one.at)
            if one.indices.kind == PARAMETERS:
                assert lowering.parameters is not None
                y = derivative.costs_at(slope)[lowering.parameters.places(one.indices.values)]
            else:
                y = gradients_up(lowering, one.indices.kind, one.numbers, one.dims, slope.y_sided)
            moved = _in_constants(lowering, one, pulled)[one.row]
            found[one.at] = y[one.row, None] * slopes + products[:, None] * moved
        for one in self.sets:
            kind = one.indices.kind
            if kind == PARAMETERS:
                assert lowering.parameters is not None
                found[one.at] = pulled.theta.T[lowering.parameters.places(one.indices.values)][one.row]
            else:
                numbers = set_gradients_up(lowering, kind, one.numbers, one.dims, pulled.wy)
                found[one.at] = numbers[one.row, self.fields[one.at]]
        return found

    def _of_products(self, derivative: Derivative, pulled: Pulled, at: IntArray) -> tuple[FloatArray, FloatArray]:
        """Of coefficients: the derivative of the product of the variables along the adjoints (d, K), and its value."""
        lowering, base = derivative.lowering, derivative.store.base
        factors = self.factors[at]
        there = factors != _NONE
        values = np.where(there, derivative.values_at(derivative.slope)[np.where(there, factors - base, 0)], 1.0)
        others = cofactors(values)
        slopes = np.zeros((len(at), pulled.w.shape[1]))
        for k in range(factors.shape[1]):
            some = np.flatnonzero(there[:, k])
            columns = lowering.column_of(factors[some, k], base)
            mine = some[columns >= 0]
            slopes[mine] += others[mine, k, None] * pulled.w[columns[columns >= 0]]
            if lowering.parameters is not None:
                data = some[columns < 0]
                slopes[data] -= others[data, k, None] * pulled.costs.T[lowering.parameters.places(factors[data, k])]
        return slopes, values.prod(axis=1)


def _moved(m: int, row: IntArray, factors: IntArray, V: FloatArray) -> Rows:
    """The rows of m functions, K times below one another, in which coefficients move by V (d, K)."""
    datum, direction = np.nonzero(V)
    terms = Monomials(direction * m + row[datum], factors[datum], V[datum, direction])
    return Rows.of_terms(np.zeros(m * V.shape[1]), terms)


def _in_constants(lowering: Lowering, one: PickedRows, pulled: Pulled) -> FloatArray:
    """Gradients in the constants of functions, (m, K)."""
    if one.indices.kind == PARAMETERS:
        assert lowering.parameters is not None
        gradient: FloatArray = -pulled.theta.T[lowering.parameters.places(one.indices.values)]
        return gradient
    return gradients_up(lowering, one.indices.kind, one.numbers, one.dims, pulled.wy)


# ---------------------------------------------------------------------- what is asked
def data_of(store: Store, lowering: Lowering, wrt: Any) -> Data:
    """The data that a user means.

    Parameters
    ----------
    store, lowering : the model as written, and to the form whose solution is meant
    wrt : parameters, constraints (their right-hand sides), variables (their linear costs), `Coefficients` and
        `SetNumbers`; rows of constraints as ``(c, row)``; lists of these
    """
    found = _Gathering(store, lowering.parameters or Parameters(store))
    for one in each(wrt):
        found.add(one)
    return found.finished()


@final
class _Gathering:
    """Data being gathered."""

    def __init__(self, store: Store, parameters: Parameters) -> None:
        self._store, self._parameters, self._count = store, parameters, 0
        self._ids: list[IntArray] = []
        self._at: list[IntArray] = []
        self._at_objective: list[IntArray] = []
        self._sides, self._functions, self._sets = Picking(store), Picking(store), Picking(store)
        self._factors: list[tuple[int, IntArray]] = []  # from which datum on
        self._fields: list[tuple[int, IntArray]] = []

    def add(self, one: Any) -> None:
        if isinstance(one, Coefficients):
            for of in each(one.of):
                self._add_coefficients(of, one)
        elif isinstance(one, SetNumbers):
            for of in each(one.of):
                self._add_numbers(of)
        elif is_row(one):
            index = one[0] if isinstance(one, tuple) else one
            if index.kind == PARAMETERS:
                raise InvalidData("The data of parameters' constraints are the parameters themselves: give these.")
            self._count += self._sides.add(one, self._count)
        else:
            self._add_variables(_ids(one))

    def _add_variables(self, ids: IntArray) -> None:
        """Parameters, and the linear costs of other variables."""
        self._store.check_ids(ids)
        at = np.arange(self._count, self._count + len(ids))
        are = self._parameters.places(ids) >= 0
        self._ids.append(ids[are])
        self._at.append(at[are])
        self._at_objective.append(at[~are])
        self._factors.append((self._count, ids[:, None]))
        self._count += len(ids)

    def _add_numbers(self, of: Any) -> None:
        if not is_row(of):
            raise InvalidData(f"SetNumbers(...) are those of constraints, got {of!r}.")
        kind, owner, row = self._sets.rows(of)
        q = len(kind[1].fields)
        if not q:
            raise InvalidData(f"The set {kind[1].__name__} of {of!r} has no numbers.")
        fields = np.tile(np.arange(q), len(row))
        self._fields.append((self._count, fields))
        self._count += self._sets.put(kind, np.repeat(owner, q), np.repeat(row, q), self._count)

    def _add_coefficients(self, of: Any, asked: Coefficients) -> None:
        """Those in the objective, or in rows of constraints."""
        objective = isinstance(of, (attr.ObjectiveFunction, attr.ForwardObjectiveFunction))
        if not objective and not is_row(of):
            raise InvalidData(f"Coefficients(...) are those of constraints or of ObjectiveFunction(), got {of!r}.")
        kind, owner, row = (None, np.zeros(1, np.int64), np.zeros(1, np.int64)) if objective else self._sides.rows(of)
        if asked.x is None:
            which, factors = self._written(kind, owner, row)
        else:
            chosen = self._chosen(kind, asked)
            which = np.repeat(np.arange(len(row)), len(chosen))
            factors = np.tile(chosen, (len(row), 1))
        self._factors.append((self._count, factors))
        if kind is None:
            self._at_objective.append(np.arange(self._count, self._count + len(which)))
        else:
            self._functions.put(kind, owner[which], row[which], self._count)
        self._count += len(which)

    def _written(self, kind: Kind | None, owner: IntArray, row: IntArray) -> tuple[IntArray, IntArray]:
        """Of each coefficient that is written in some rows: which of these it is in, and its variables."""
        if kind is None:
            rows = self._store.get(attr.ObjectiveFunction()).rows
        else:
            block = self._store.block(kind)
            dims = block.dims()
            rows = block.all_rows().take((np.cumsum(dims) - dims)[owner] + row)
        terms = rows.merged().terms()
        order = np.argsort(terms.row, kind="stable")
        return terms.row[order], terms.factors[order]

    def _chosen(self, kind: Kind | None, asked: Coefficients) -> IntArray:
        """The variables of chosen coefficients, (d, 1) or (d, 2)."""
        x = _ids(asked.x)
        self._store.check_ids(x)
        if asked.y is None:
            return x[:, None]
        y = _ids(asked.y)
        self._store.check_ids(y)
        if len(y) not in (1, len(x)):
            raise DimensionMismatch(
                f"Coefficients(of, x, y) are those of the products x[i] * y[i]; got {len(x)} and {len(y)} variables."
            )
        pairs = np.stack([x, np.broadcast_to(y, x.shape)], axis=1)
        if kind is not None and kind[0].degree < 2 and (self._parameters.places(pairs) < 0).all(axis=1).any():
            raise InvalidData(
                f"Coefficients(of, x, y): {describe_kind(kind)} has no products of variables, whose coefficients "
                "could move."
            )
        return pairs

    def finished(self) -> Data:
        width = max((factors.shape[1] for _, factors in self._factors), default=1)
        factors = np.full((self._count, max(width, 1)), _NONE, np.int64)
        for first, ids in self._factors:
            factors[first : first + len(ids), : ids.shape[1]] = ids
        fields = np.full(self._count, _NONE, np.int64)
        for first, numbers in self._fields:
            fields[first : first + len(numbers)] = numbers
        none = [np.zeros(0, np.int64)]
        return Data(
            self._count,
            np.concatenate(none + self._ids),
            np.concatenate(none + self._at),
            np.concatenate(none + self._at_objective),
            self._sides.finished(),
            self._functions.finished(),
            self._sets.finished(),
            factors,
            fields,
        )


def _ids(one: Any) -> IntArray:
    if isinstance(one, (list, tuple)):
        return np.concatenate([np.zeros(0, np.int64), *(_ids(part) for part in one)])
    if isinstance(one, ArrayFunction):
        return np.ravel(one.ids)
    if isinstance(one, Function) and one.degree == 0:
        ids: IntArray = one.rows.var
        return ids
    raise InvalidData(
        "Data are parameters, constraints (their right-hand sides), variables (their linear costs), Coefficients and "
        f"SetNumbers; got {one!r}."
    )
