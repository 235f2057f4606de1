"""Items solved and differentiated through the model itself: any solver, any model, at the price of its layers."""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ...modelkit import attributes as attr
from ...modelkit.errors import OptangentError
from ...modelkit.functions import VectorOfVariables
from ...modelkit.indices import ConstraintIndex
from ...modelkit.rows import FloatArray, IntArray
from .per_thread import PerThread

__all__ = ["ModelRoute"]


@final
@dataclass(eq=False)
class Solved:
    """What there is to know of a solved item; the solution itself is found again in the model.

    Attributes
    ----------
    differentiation_status : None before a derivative was asked for
    """

    differentiation_status: attr.DifferentiationStatusCode | None = None


@final
class ModelRoute:
    """A copy of the model, one for each thread.

    Parameters
    ----------
    model : as given to the layer
    ids : of the parameters
    outputs : see `program.Output`
    size : number of numbers in all outputs
    why : what kept the model from being compiled
    """

    def __init__(self, model: Any, ids: IntArray, outputs: list[Any], size: int, why: str) -> None:
        self._model = copy.deepcopy(model)
        self._parameters = VectorOfVariables.of_ids(ids)
        self._outputs, self._size, self.why = outputs, size, why
        self._local = PerThread()

    def _at(self, theta: FloatArray) -> Any:
        """The model of the thread, solved at the parameters; a second time that costs nothing."""
        model = getattr(self._local, "model", None)
        if model is None:
            model = self._local.model = copy.deepcopy(self._model)
        if not np.array_equal(getattr(self._local, "theta", np.nan), theta):
            self._local.theta = None
            model.set_parameter_value(self._parameters, theta)
            self._local.theta = theta.copy()
        model.optimize()
        return model

    def solve(self, theta: FloatArray, warm: Any) -> tuple[attr.TerminationStatusCode, str, FloatArray, Any]:
        """The solution, and a state that says that there is one."""
        nothing = np.full(self._size, np.nan)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                model = self._at(theta)
                status = model.termination_status()
                if status is not attr.TerminationStatusCode.OPTIMAL:
                    return status, status.value, nothing, None
                return status, "", self._read(model, *_READ), Solved()
            except OptangentError as error:
                return attr.TerminationStatusCode.OTHER_ERROR, str(error), nothing, None

    def _read(self, model: Any, objective: Any, dual: Any, primal: Any) -> FloatArray:
        parts = [np.zeros(0)]
        for output in self._outputs:
            if isinstance(output, attr.ObjectiveValue):
                parts.append(np.ravel(model.get(objective)))
            elif isinstance(output, tuple):
                parts.append(np.ravel(model.get(*output)))
            else:
                parts.append(np.ravel(model.get(dual if isinstance(output, ConstraintIndex) else primal, output)))
        return np.concatenate(parts)

    def _refuse_values(self) -> None:
        if any(isinstance(output, tuple) for output in self._outputs):
            raise OptangentError(
                f"The values of constraints are differentiated in compiled models only, and this one is not: {self.why}"
            )

    def vjp(self, theta: FloatArray, state: Solved, cotangents: FloatArray) -> FloatArray:
        """(K, o) to (K, p)."""
        self._refuse_values()
        model, found = self._at(theta), []
        for cotangent in cotangents:
            model.empty_input_sensitivities()
            at = 0
            for output in self._outputs:
                if isinstance(output, attr.ObjectiveValue):
                    model.set(attr.ReverseObjectiveValue(), float(cotangent[at]))
                    at += 1
                    continue
                if isinstance(output, ConstraintIndex):
                    attribute: Any = attr.ReverseConstraintDual()
                    shape = np.shape(model.dual(output))
                else:
                    attribute, shape = attr.ReverseVariablePrimal(), np.shape(model.value(output))
                size = int(np.prod(shape, dtype=np.int64))
                model.set(attribute, output, cotangent[at : at + size].reshape(shape))
                at += size
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model.reverse_differentiate()
            state.differentiation_status = model.get(attr.DifferentiationStatus())
            found.append(model.get(attr.ReverseParameterValue(), self._parameters))
        return np.stack(found)

    def jvp(self, theta: FloatArray, state: Solved, tangents: FloatArray) -> FloatArray:
        """(K, p) to (K, o)."""
        self._refuse_values()
        model, found = self._at(theta), []
        for tangent in tangents:
            model.empty_input_sensitivities()
            model.set(attr.ForwardParameterValue(), self._parameters, tangent)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model.forward_differentiate()
            state.differentiation_status = model.get(attr.DifferentiationStatus())
            found.append(
                self._read(
                    model, attr.ForwardObjectiveValue(), attr.ForwardConstraintDual(), attr.ForwardVariablePrimal()
                )
            )
        return np.stack(found)


_READ = (attr.ObjectiveValue(), attr.ConstraintDual(), attr.VariablePrimal())
