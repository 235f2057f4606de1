"""What a solver found, read in the terms of the model: values, duals, statuses, counts."""

from __future__ import annotations

import copy
from typing import Any, final

import numpy as np

from ..bridges.lowering import Lowering
from ..bridges.lowering.chunks import Place
from ..bridges.lowering.reach import is_box
from ..bridges.lowering.travel import Sided, duals_up, gradients_up, split
from ..modelkit import attributes as attr
from ..modelkit.arrays import FloatArray, IntArray
from ..modelkit.errors import InvalidIndex, NotOptimized, UnsupportedAttribute
from ..modelkit.functions import VariableIndex, VectorOfVariables
from ..modelkit.indices import ConstraintIndex, ConstraintIndices, Kind
from ..modelkit.sets.gaps import WITH_GAPS
from ..modelkit.store.parameters import PARAMETERS, Parameters
from ..modelkit.store.store import Store
from .parameter_slopes import parameter_slopes

__all__ = ["FoundResult", "Outcome"]

FoundResult = Any
"""A `solvers.result.Result`: diff models do not import solvers."""
_FAILED = tuple(
    attr.TerminationStatusCode[name] for name in ("OTHER_ERROR", "NUMERICAL_ERROR", "SLOW_PROGRESS", "ITERATION_LIMIT")
)
_DUAL = attr.ConstraintDual()
_ADVICE = " Another solver may manage: Model and diff_optimizer take a list, tried in order, e.g. [first, second]."
_STATUSES: dict[type[attr.Attribute], str] = {
    attr.TerminationStatus: "status",
    attr.PrimalStatus: "primal_status",
    attr.DualStatus: "dual_status",
    attr.RawStatusString: "raw",
}


@final
class Outcome:
    """The result of a solver for a form.

    Parameters
    ----------
    store : the model as written
    lowering : by which the form was made, in step with the store
    result : over the form's columns and slots
    solver_name : of the solver
    fetch : fills in what the result left out until somebody asks

    Attributes
    ----------
    form : what was solved
    size : numbers of variables and of constraints of the store then
    """

    def __init__(self, store: Store, lowering: Lowering, result: FoundResult, solver_name: str, fetch: Any) -> None:
        self.store, self.lowering, self.form, self.result = store, lowering, lowering.form, result
        self.solver_name, self._fetch = solver_name, fetch
        self.size = store.variable_count, store.constraint_count
        self._values: FloatArray | None = None
        self._costs: FloatArray | None = None
        self._sides: Sided | None = None

    def __getstate__(self) -> dict[str, Any]:
        """All of the result, without the solver that found it."""
        if self._fetch is not None:
            self._fetch(self.result)
        return {**self.__dict__, "_fetch": None, "_sides": None}

    def frozen_copy(self) -> Outcome:
        """The same by itself, whatever becomes of the solver and of the form; its store is to be set."""
        twin = copy.copy(self)
        twin.__dict__.update(self.__getstate__())
        twin.result, twin.lowering = copy.copy(self.result), copy.deepcopy(self.lowering)
        twin.form = twin.lowering.form
        return twin

    def fits(self, store: Store) -> bool:
        """Whether nothing was added to the model since."""
        return self.size == (store.variable_count, store.constraint_count)

    # ------------------------------------------------------------------ reading
    def get(self, attribute: attr.Attribute, index: Any = None) -> Any:
        """A result as the solver has it, unchecked, of one index or many of one kind."""
        kind, result = type(attribute), self.result
        if kind in _STATUSES:
            return getattr(result, _STATUSES[kind])
        if kind is attr.ResultCount:
            none = attr.ResultStatusCode.NO_SOLUTION
            return int({result.primal_status, result.dual_status} != {none})
        if kind is attr.ObjectiveValue:
            return self._objective(attribute)
        if kind is attr.VariablePrimal:
            return self._primal(attribute, index)
        if kind is attr.ConstraintDual:
            self._need("dual", attribute)
            return self._of_constraint(index, self._duals(index))
        if kind is attr.ConstraintActivity and self._has("activity"):
            return self._of_constraint(index, self._activity(index))
        if kind in (attr.VariableBasisStatus, attr.ConstraintBasisStatus):
            return self._basis(attribute, index)
        return self._count(attribute)

    def get_arrays(self) -> tuple[FloatArray, FloatArray, FloatArray | None]:
        """X (n,), duals and, where there is a basis, activity (slots,)."""
        x, dual = self._need("x", attr.VariablePrimal()), self._need("dual", attr.ConstraintDual())
        return x, dual, self.result.activity if self._has("activity") else None

    def point(self) -> tuple[FloatArray | None, FloatArray | None]:
        """X (n,) and duals (slots,) as far as there are any, be they rays."""
        return self.result.x if self._has("x") else None, self.result.dual if self._has("dual") else None

    def _has(self, name: str) -> bool:
        if getattr(self.result, name) is None and self._fetch is not None:
            self._fetch(self.result)
        return getattr(self.result, name) is not None

    def _need(self, name: str, attribute: attr.Attribute) -> FloatArray:
        if self._has(name):
            array: FloatArray = getattr(self.result, name)
            return array
        result = self.result
        if name == "dual" and any(kind[1] in WITH_GAPS for kind in self.store.kinds()):
            raise NotOptimized(
                f"There is no {attribute!r}: models with integer variables, and others whose sets have gaps, have no "
                "duals. Solve the relaxation, or fix these variables at their values, for the duals of that."
            )
        raise NotOptimized(
            f"There is no {attribute!r}: {self.solver_name} stopped with {result.status.name} "
            f"({result.status.value}; in its own words: {result.raw}).{_ADVICE if result.status in _FAILED else ''}"
        )

    def _count(self, attribute: attr.Attribute) -> Any:
        result = self.result
        if result.iterations is None and self._fetch is not None:
            self._fetch(result)
        iterations, sign = result.iterations or {}, self.lowering.sign
        plain: dict[type[attr.Attribute], float | None] = {
            attr.SolveTimeSec: result.seconds,
            attr.SimplexIterations: iterations.get("simplex"),
            attr.BarrierIterations: iterations.get("barrier"),
            attr.NodeCount: iterations.get("nodes"),
            attr.ObjectiveBound: None if result.bound is None else sign * result.bound,
            attr.RelativeGap: result.gap,
        }
        found = plain.get(type(attribute))
        if found is None:
            raise self._not_given("activity" if isinstance(attribute, attr.ConstraintActivity) else "", attribute)
        return found

    def _not_given(self, name: str, attribute: attr.Attribute) -> UnsupportedAttribute:
        why = self.result.missing.get(name)
        words = f": {why}." if why else f" for this solve ({self.result.raw})."
        return UnsupportedAttribute(f"{self.solver_name} gives no {attribute!r}{words}")

    # ------------------------------------------------------------------ values
    @property
    def values(self) -> FloatArray:
        """Values by number of the variable, those of parameters included."""
        if self._values is None:
            x = self._need("x", attr.VariablePrimal())
            columns, parameters = self.lowering.columns.view, self.lowering.parameters
            self._values = np.where(columns >= 0, x[columns] if len(x) else 0.0, 0.0)
            if parameters is not None:
                given = np.where(np.isfinite(parameters.values), parameters.values, 0.0)
                self._values[parameters.ids - self.store.base] = 0.0 if self.result.is_ray else given
        return self._values

    def value_of(self, ids: IntArray) -> FloatArray:
        """Values by identifiers."""
        return self.values[ids - self.store.base]

    def _primal(self, attribute: attr.Attribute, index: Any) -> Any:
        self._need("x", attribute)
        if isinstance(index, VariableIndex):
            return float(self.values[index.value - self.store.base])
        ids = index.ids if isinstance(index, VectorOfVariables) else np.array([v.value for v in index], np.int64)
        return self.values[ids - self.store.base]

    def _objective(self, attribute: attr.Attribute) -> float:
        result, form, sign = self.result, self.form, self.lowering.sign
        if result.objective is not None:
            return sign * float(result.objective)
        x = self._need("x", attribute)
        value = form.q @ x if result.is_ray else 0.5 * (x @ (form.P @ x)) + form.q @ x + form.r
        return sign * float(value)

    # ------------------------------------------------------------------ duals
    def require_dual(self, attribute: attr.Attribute) -> None:
        """Raise `NotOptimized` unless there are duals."""
        self._need("dual", attribute)

    def duals_of(self, kind: Kind, numbers: IntArray, dims: IntArray) -> FloatArray:
        """The duals of some constraints of a kind that makes no parameters, (rows,)."""
        return duals_up(self.lowering, kind, numbers, dims, self._sided())

    def _sided(self) -> Sided:
        if self._sides is None:
            sided = split(self._need("dual", _DUAL))
            if self.result.crossed is not None and self.is_farkas:  # its two owners' duals cancel in the sum
                sided[0][self.result.crossed] += 1.0
                sided[1][self.result.crossed] -= 1.0
            self._sides = sided
        return self._sides

    def _duals(self, index: ConstraintIndex | ConstraintIndices) -> FloatArray:
        if index.kind == PARAMETERS:
            parameters = self.lowering.parameters
            assert parameters is not None
            ids = np.array([index.value]) if isinstance(index, ConstraintIndex) else index.values
            return self.reduced_costs()[parameters.places(ids)]
        return self.duals_of(index.kind, *located(self.store, index))

    def reduced_costs(self) -> FloatArray:
        """The duals of the parameters: the derivative of the Lagrangian in each, (p,)."""
        if self._costs is None:
            moving, parameters = self.lowering.moving, self.lowering.parameters
            assert parameters is not None
            if self.is_farkas:
                self._costs = self._costs_of_proof()
                return self._costs
            if moving is None:
                self._costs = np.zeros(len(parameters.ids))
            else:
                y, x = self._need("dual", attr.ConstraintDual()), self.result.x
                x = np.zeros(self.form.n) if x is None else x
                of_lagrangian = moving.derivative(self.form).of_lagrangian(x, y)
                self._costs = moving.map.pull(_finite(parameters.values), of_lagrangian)[0]
            self._costs = self._costs + self._costs_of_curved_rows(parameters)
        return self._costs

    def _costs_of_proof(self) -> FloatArray:
        """Of a certificate of the rows at the parameters' values, (p,): what stands alone in them, no products."""
        store, parameters = self.store, self.lowering.parameters
        assert parameters is not None
        found = np.zeros(len(parameters.ids))
        sided = self._sided()
        for kind in store.kinds():
            if kind == PARAMETERS:
                continue
            numbers, dims = every(store, kind)
            block, up = store.block(kind), duals_up if is_box(kind[1]) else gradients_up
            rows = block.all_rows().take(block.rows_of(numbers))
            place = parameters.places(rows.var)
            mine = np.flatnonzero(place >= 0)
            if len(mine):
                y = up(self.lowering, kind, numbers, dims, sided)
                np.add.at(found, place[mine], -y[rows.row[mine]] * rows.coef[mine])
        return found

    def _costs_of_curved_rows(self, parameters: Parameters) -> FloatArray:
        """What comes through rows that were lowered with the parameters' values in them, (p,)."""
        total = np.zeros(len(parameters.ids))
        for kind, numbers in self.lowering.at_present_values():
            block = self.store.block(kind)
            which = numbers[~block.missing(numbers)]
            y = duals_up(self.lowering, kind, which, block.dims()[which], split(self._need("dual", _DUAL)))
            rows = block.all_rows().take(block.rows_of(which))
            total += parameter_slopes(rows, -y, parameters, self.value_of)[0]
        return total

    @property
    def is_farkas(self) -> bool:
        """Whether the duals are a certificate that there is no feasible point."""
        return bool(self.result.dual_status is attr.ResultStatusCode.INFEASIBILITY_CERTIFICATE)

    def _activity(self, index: ConstraintIndex | ConstraintIndices) -> FloatArray:
        numbers, dims = located(self.store, index)
        if index.kind == PARAMETERS:
            return np.ones(len(numbers))
        activity: FloatArray = self.result.activity
        return np.sign(duals_up(self.lowering, index.kind, numbers, dims, split(activity)))

    @staticmethod
    def _of_constraint(index: ConstraintIndex | ConstraintIndices, values: FloatArray) -> Any:
        if isinstance(index, ConstraintIndex) and not index.kind[1].is_vector:
            return float(values[0])
        return values

    # ------------------------------------------------------------------ basis
    def _basis(self, attribute: attr.Attribute, index: Any) -> Any:
        if not self._has("basis"):
            raise self._not_given("basis", attribute)
        lowering, store, (columns, rows) = self.lowering, self.store, self.result.basis
        if isinstance(attribute, attr.VariableBasisStatus):
            one = isinstance(index, VariableIndex)
            ids = np.array([index.value]) if one else index.ids
            at = lowering.column_of(ids, store.base)
            if (at < 0).any():
                raise InvalidIndex("A parameter is data, and in no basis.")
            found = [columns[j] for j in at.tolist()]
            return found[0] if one else found
        numbers, dims = located(store, index)
        out: list[Any] = [None] * int(dims.sum())
        starts = np.cumsum(dims) - dims
        for chunk in lowering.chunks.get(index.kind, ()):
            places, items = lowering.items_in(chunk, index.kind, numbers)
            if not chunk.stand_in.is_identity or chunk.place not in (Place.ROWS, Place.BOUNDS):
                raise UnsupportedAttribute(f"{attribute!r} of a bridged constraint: it is no single row below.")
            held = rows if chunk.place is Place.ROWS else columns
            for place, item in zip(places.tolist(), items.tolist(), strict=True):
                for k in range(chunk.p):
                    out[starts[place] + k] = held[int(chunk.positions[item * chunk.p + k])]
        return out[0] if isinstance(index, ConstraintIndex) and not index.kind[1].is_vector else out


def located(store: Store, index: ConstraintIndex | ConstraintIndices) -> tuple[IntArray, IntArray]:
    """Numbers in their block and dimensions of some constraints."""
    block = store.block(index.kind)
    if isinstance(index, ConstraintIndex):
        number = store.number(index)
        start, stop = block.row_range(number)
        return np.array([number]), np.array([stop - start])
    numbers = store.numbers(index)
    return numbers, block.dims()[numbers]


def every(store: Store, kind: Kind) -> tuple[IntArray, IntArray]:
    """The same of all constraints of a kind."""
    block = store.block(kind)
    numbers = block.numbers_alive()
    return numbers, block.dims()[numbers]


def _finite(values: FloatArray) -> FloatArray:
    return np.where(np.isfinite(values), values, 0.0)
