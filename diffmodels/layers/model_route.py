"""Items solved and differentiated through the model itself: any solver, any model, at the price of its layers."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ...modelkit import attributes as attr
from ...modelkit.arrays import FloatArray, IntArray, sums
from ...modelkit.errors import OptangentError
from ...modelkit.functions import VectorOfVariables
from ...modelkit.functions.shaped import ids_of
from ...modelkit.indices import ConstraintIndex
from ...modelkit.parameters import PARAMETERS
from ...modelkit.store import Store
from .arrays import Shape, unpack
from .per_thread import PerThread
from .route import EXACT, Answer, Mode

__all__ = ["ModelRoute"]

_CODES = attr.TerminationStatusCode


@final
@dataclass(eq=False)
class Solved:
    """What there is to know of a solved item; the solution itself is found again in the model."""

    differentiation_status: attr.DifferentiationStatusCode = attr.DifferentiationStatusCode.NOT_DIFFERENTIATED


def _asked(output: Any) -> tuple[tuple[Any, ...], Any, Any, Any]:
    """Of an output: its index, if it has one, and the attributes of its value, its tangent and its seed."""
    if isinstance(output, attr.ObjectiveValue):
        return (), attr.ObjectiveValue(), attr.ForwardObjectiveValue(), attr.ReverseObjectiveValue()
    if isinstance(output, tuple):
        return (output[1],), output[0], None, None
    if isinstance(output, ConstraintIndex):
        return (output,), attr.ConstraintDual(), attr.ForwardConstraintDual(), attr.ReverseConstraintDual()
    return (output,), attr.VariablePrimal(), attr.ForwardVariablePrimal(), attr.ReverseVariablePrimal()


@final
class ModelRoute:
    """A copy of the model, one for each thread.

    Parameters
    ----------
    model : as given to the layer
    ids : of the parameters
    outputs : see `program.Output`
    shapes : of the outputs
    why : what kept the model from being compiled
    """

    def __init__(self, model: Any, ids: IntArray, outputs: Sequence[Any], shapes: Sequence[Shape], why: str) -> None:
        self._model = copy.deepcopy(model)
        self._parameters = VectorOfVariables.of_ids(ids)
        self._outputs, self._shapes, self._why = [_asked(output) for output in outputs], shapes, why
        self._uses_duals = any(isinstance(output, ConstraintIndex) for output in outputs) or _stands_in_rows(
            model.store, ids
        )
        self._local = PerThread()

    @property
    def store(self) -> Store:
        """The model as it was when the layer was made."""
        store: Store = self._model.store
        return store

    def _at(self, theta: FloatArray) -> Any:
        """The model of the thread, solved at the parameters; a second time that costs nothing."""
        model = getattr(self._local, "model", None)
        if model is None:
            model = self._local.model = copy.deepcopy(self._model)
            model.cache.warns = False  # the layer tells what there is to tell, once
        if not np.array_equal(getattr(self._local, "theta", np.nan), theta):
            self._local.theta = None
            model.set_parameter_value(self._parameters, theta)
            self._local.theta = theta.copy()
        model.optimize()
        return model

    def solve(self, theta: FloatArray, warm: Any) -> Answer:
        """The solution, and a state that says that there is one."""
        nothing = np.full(sum(map(math.prod, self._shapes)), np.nan)
        with np.errstate(all="ignore"):
            try:
                model = self._at(theta)
                status = model.termination_status()
                if status not in (_CODES.OPTIMAL, _CODES.ALMOST_OPTIMAL):
                    return status, status.value, nothing, None
                outputs, residual = self._values(model)
                if status is _CODES.OPTIMAL or residual <= EXACT:
                    return _CODES.OPTIMAL, "", outputs, Solved()
                return status, status.value, nothing, None
            except OptangentError as error:
                return _CODES.OTHER_ERROR, str(error), nothing, None

    def _values(self, model: Any) -> tuple[FloatArray, float]:
        """The outputs at the exact solution, of which derivatives are, and its residual; else the solver's, and inf."""
        try:
            model.empty_input_sensitivities()
            model.forward_differentiate()
            before, after = model.get(attr.SolutionRefinement())
        except OptangentError:  # no duals, as of a program with integers, or too far away
            before, after = 0.0, np.inf
        if not after <= before:
            return _joined(model.get(value, *index) for index, value, *_ in self._outputs), np.inf
        exact = VectorOfVariables.of_ids(model.store.variable_ids())
        x: FloatArray = np.zeros(model.store.variable_count)
        x[exact.ids - model.store.base] = model.inner.polished(exact)

        base: int = model.store.base

        def value_of(ids: IntArray) -> FloatArray:
            return x[ids - base]

        def one(index: tuple[Any, ...], value: attr.Attribute) -> Any:
            if isinstance(value, attr.ObjectiveValue):
                return model.get(attr.ObjectiveFunction()).rows.evaluate(value_of)
            if isinstance(value, attr.ConstraintPrimal):
                return model.get(attr.ConstraintFunction(), *index).rows.evaluate(value_of)
            if isinstance(value, attr.VariablePrimal):
                return value_of(ids_of(*index))
            if index[0].kind == PARAMETERS:  # whose reduced costs are more than the dual there
                return model.get(value, *index)
            return model.inner.polished(*index)

        return _joined(one(index, value) for index, value, *_ in self._outputs), after

    def derivative(self, mode: Mode, theta: FloatArray, state: Solved, directions: FloatArray) -> FloatArray:
        """Cotangents (K, o) pulled back to (K, p), or tangents (K, p) pushed to (K, o), one after the other."""
        if any(seed is None for *_, seed in self._outputs):
            raise OptangentError(
                "The values of constraints are differentiated in compiled models only, and this one is not: "
                f"{self._why}"
            )
        model = self._at(theta)
        differentiate = self._pulled if mode == "vjp" else self._pushed
        found = []
        for direction in directions:
            model.empty_input_sensitivities()
            with np.errstate(all="ignore"):
                found.append(differentiate(model, direction))
            state.differentiation_status = _status_of(model.get(attr.DifferentiationStatus()), self._uses_duals)
        return np.stack(found)

    def _pulled(self, model: Any, cotangent: FloatArray) -> FloatArray:
        """What several outputs have in common (`x` and `x[0]`), or stands twice in one, gets the sum of its seeds."""
        parts = unpack(cotangent[None], self._shapes, ())
        ids: list[IntArray] = [np.zeros(0, np.int64)]
        of_variables: list[FloatArray] = [np.zeros(0)]
        others: dict[Any, Any] = {}
        for (index, *_, seed), part in zip(self._outputs, parts, strict=True):
            if isinstance(seed, attr.ReverseVariablePrimal):
                ids.append(np.ravel(ids_of(*index)))
                of_variables.append(np.ravel(part))
            else:
                seen = np.ravel(part) if np.ndim(part) else float(part)
                others[seed, index] = others.get((seed, index), 0.0) + seen
        for (seed, index), total in others.items():
            model.set(seed, *index, total)
        once, at = np.unique(np.concatenate(ids), return_inverse=True)
        if len(once):
            seeds = sums(at, np.concatenate(of_variables), len(once))
            model.set(attr.ReverseVariablePrimal(), VectorOfVariables.of_ids(once), seeds)
        model.reverse_differentiate()
        return np.asarray(model.get(attr.ReverseParameterValue(), self._parameters))

    def _pushed(self, model: Any, tangent: FloatArray) -> FloatArray:
        model.set(attr.ForwardParameterValue(), self._parameters, tangent)
        model.forward_differentiate()
        return _joined(model.get(moved, *index) for index, _, moved, _ in self._outputs)


def _status_of(point: attr.DifferentiationStatusCode, uses_duals: bool) -> attr.DifferentiationStatusCode:
    """The status of a layer's derivatives, of that of the solution.

    Where active rows depend on one another the duals are not unique; x moves with the objective all the same, and a
    layer whose parameters stand in the objective alone, and which returns no duals, has nothing to do with them.

    Parameters
    ----------
    point : of the solution, with its duals
    uses_duals : whether a parameter stands in a constraint, or an output is a dual
    """
    codes = attr.DifferentiationStatusCode
    return codes.EXACT if point is codes.DEPENDENT_ROWS and not uses_duals else point


def _stands_in_rows(store: Any, ids: IntArray) -> bool:
    """Whether a constraint has one of some parameters."""
    blocks = (store.block(kind).snapshot()[0] for kind in store.kinds() if kind != PARAMETERS)
    return any(bool(np.isin(block.rows.terms().factors, ids).any()) for block in blocks)


def _joined(values: Iterable[Any]) -> FloatArray:
    return np.concatenate([np.zeros(0), *map(np.ravel, values)])
