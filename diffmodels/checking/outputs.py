"""Values, duals and objective of a model, one below the other: at its solution, their tangents, seeds of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, final

import numpy as np

from ...modelkit import attributes as attr
from ...modelkit.arrays import FloatArray
from ...modelkit.errors import InvalidData, NotOptimized
from ...modelkit.functions import VariableIndex, VectorOfVariables
from ...modelkit.functions.shaped import ArrayFunction
from ...modelkit.indices import ConstraintIndex
from ...modelkit.model.model import Model
from ...modelkit.store.parameters import PARAMETERS, Parameters
from .numbers import Number, constraint_name

__all__ = ["Outputs"]

_POINTS = (attr.ResultStatusCode.FEASIBLE_POINT, attr.ResultStatusCode.NEARLY_FEASIBLE_POINT)


@final
class Outputs:
    """Values, duals and objective of a model, one below the other.

    Parameters
    ----------
    model : that is solved again and again
    chosen : see `gradcheck`
    """

    def __init__(self, model: Model, chosen: Any = None) -> None:
        self.model = model
        ids: list[int] = []
        self._constraints: list[ConstraintIndex] = []
        self._objective = False
        if chosen is None:
            is_parameter = Parameters(model.store).places(model.store.variable_ids()) >= 0
            ids = model.store.variable_ids()[~is_parameter].tolist()
            for kind in model.store.kinds():
                self._constraints += model.get(attr.ListOfConstraintIndices(*kind))
            self._objective = True
        for one in _flat(chosen) if chosen is not None else ():
            if isinstance(one, VariableIndex):
                ids.append(one.value)
            elif isinstance(one, ConstraintIndex):
                self._constraints.append(one)
            elif isinstance(one, attr.ObjectiveValue):
                self._objective = True
            else:
                raise InvalidData(f"Outputs are variables, constraints (their duals) or ObjectiveValue(); got {one!r}.")
        self._v = VectorOfVariables.of_ids(np.array(ids, np.int64))
        model.store.check_index(self._v)
        self._rows = [int(model.get(attr.ConstraintSet(), i).dimension) for i in self._constraints]

    def _joined(self, values: Any, duals: list[Any], objective: float) -> FloatArray:
        parts = [np.asarray(values, np.float64), *(np.atleast_1d(y) for y in duals)]
        return np.concatenate([*parts, [objective] if self._objective else []])

    def name(self, position: int) -> str:
        """Of one output."""
        if position < len(self._v):
            return self.model.name_of(int(self._v.ids[position]))
        position -= len(self._v)
        for index, rows in zip(self._constraints, self._rows, strict=True):
            if position < rows:
                if index.kind == PARAMETERS:
                    return f"reduced cost of {self.model.name_of(index.value)}"
                return f"dual of {constraint_name(self.model, index, position)}"
            position -= rows
        return "objective value"

    def values(self, *, refined: bool) -> FloatArray:
        """At the present solution: the solver's own, or made exact.

        Raises
        ------
        OptangentError
            If there is no solution, or it cannot be made exact.
        """
        model = self.model
        if not refined:
            if model.get(attr.PrimalStatus()) not in _POINTS:
                raise NotOptimized("There is no solution.")
            return self._joined(
                model.value(self._v), [model.dual(i) for i in self._constraints], model.objective_value()
            )
        every = VectorOfVariables.of_ids(model.store.every_variable_id())
        x = np.zeros(model.store.variable_count)
        x[every.ids - model.store.base] = model.get(attr.PolishedPrimal(), every)
        rows = model.get(attr.ObjectiveFunction()).rows
        objective = float(rows.evaluate(lambda ids: x[ids - model.store.base])[0])
        duals = [model.get(attr.PolishedDual(), i) for i in self._constraints]
        return self._joined(x[self._v.ids - model.store.base], duals, objective)

    def start_here(self) -> None:
        """Have the next solves start at the present solution."""
        model = self.model
        ids = model.store.variable_ids()
        variables = VectorOfVariables.of_ids(ids[Parameters(model.store).places(ids) < 0])
        model.set(attr.VariablePrimalStart(), variables, model.value(variables))
        model.optimize()

    def tangents(self, number: Number) -> FloatArray:
        """Derivatives in one number, by forward mode."""
        model = self.model
        model.empty_input_sensitivities()
        number.tell(model)
        model.forward_differentiate()
        duals = [model.get(attr.ForwardConstraintDual(), i) for i in self._constraints]
        every = VectorOfVariables.of_ids(model.store.variable_ids())  # of a few, reverse mode may tell
        dx = np.zeros(model.store.variable_count)
        dx[every.ids - model.store.base] = model.get(attr.ForwardVariablePrimal(), every)
        return self._joined(dx[self._v.ids - model.store.base], duals, model.get(attr.ForwardObjectiveValue()))

    def pull(self, seeds: FloatArray) -> None:
        """Reverse mode with these seeds of all outputs."""
        model = self.model
        model.empty_input_sensitivities()
        model.set(attr.ReverseVariablePrimal(), self._v, seeds[: len(self._v)])
        at = len(self._v)
        for index, rows in zip(self._constraints, self._rows, strict=True):
            part = seeds[at : at + rows]
            model.set(attr.ReverseConstraintDual(), index, part if index.kind[1].is_vector else float(part[0]))
            at += rows
        if self._objective:
            model.set(attr.ReverseObjectiveValue(), float(seeds[at]))
        model.reverse_differentiate()


def _flat(chosen: Any) -> Iterator[Any]:
    """The single outputs in nested lists of them."""
    if isinstance(chosen, ArrayFunction):
        chosen = VectorOfVariables.of_ids(chosen.ids.ravel())
    if isinstance(chosen, str) or not np.iterable(chosen):
        yield chosen
        return
    for one in chosen:
        yield from _flat(one)
