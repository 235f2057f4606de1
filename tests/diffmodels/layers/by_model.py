"""The outputs of a layer and their derivatives by hand: of a model whose parameters are set."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import optangent as ot

__all__ = ["ByModel"]


def _attributes(output: Any) -> tuple[tuple[Any, ...], Any, Any, Any]:
    """Of an output: its index, if it has one, and the attributes of its value, its tangent and its seed."""
    if isinstance(output, ot.ObjectiveValue):
        return (), output, ot.ForwardObjectiveValue(), ot.ReverseObjectiveValue()
    if isinstance(output, ot.ConstraintIndex):
        return (output,), ot.ConstraintDual(), ot.ForwardConstraintDual(), ot.ReverseConstraintDual()
    return (output,), ot.VariablePrimal(), ot.ForwardVariablePrimal(), ot.ReverseVariablePrimal()


class ByModel:
    """A model with parameters set to theta, solved.

    Parameters
    ----------
    model, parameters, outputs : as a layer takes them; values of constraints are no outputs here
    theta : (p,) values of all parameters, each raveled, one after the other
    """

    def __init__(self, model: ot.Model, parameters: list[Any], outputs: list[Any], theta: np.ndarray) -> None:
        self.model, self._parameters = model, parameters
        self._outputs = [_attributes(output) for output in outputs]
        for p, values in zip(parameters, self._parts(theta), strict=True):
            model.set_parameter_value(p, values)
        model.optimize()
        self.status = model.termination_status()
        self.outputs = self._joined([value for _, value, _, _ in self._outputs])

    def _parts(self, flat: np.ndarray) -> list[Any]:
        shapes = [np.shape(self.model.parameter_value(p)) for p in self._parameters]
        shapes = [getattr(p, "ids", np.zeros(shape)).shape for p, shape in zip(self._parameters, shapes, strict=True)]
        ends = np.cumsum([math.prod(shape) for shape in shapes])[:-1]
        parts = [part.reshape(shape) for part, shape in zip(np.split(flat, ends), shapes, strict=True)]
        return [part if part.ndim else float(part) for part in parts]

    def _joined(self, attributes: list[Any]) -> np.ndarray:
        found = [self.model.get(a, *index) for a, (index, *_) in zip(attributes, self._outputs, strict=True)]
        return np.concatenate([np.ravel(one) for one in found])

    def vjp(self, cotangents: np.ndarray) -> np.ndarray:
        """Gradients of combinations (K, o) of the outputs, (K, p)."""
        return np.stack([self._pulled(one) for one in cotangents])

    def jvp(self, tangents: np.ndarray) -> np.ndarray:
        """How the outputs move with the parameters (K, p), (K, o)."""
        return np.stack([self._pushed(one) for one in tangents])

    def _pulled(self, cotangent: np.ndarray) -> np.ndarray:
        model, start = self.model, 0
        model.empty_input_sensitivities()
        for index, value, _, seed in self._outputs:
            size = np.size(model.get(value, *index))
            part = cotangent[start : start + size]
            model.set(seed, *index, part if np.ndim(model.get(value, *index)) else float(part[0]))
            start += size
        model.reverse_differentiate()
        return np.concatenate([np.ravel(model.get(ot.ReverseParameterValue(), _plain(p))) for p in self._parameters])

    def _pushed(self, tangent: np.ndarray) -> np.ndarray:
        self.model.empty_input_sensitivities()
        for p, part in zip(self._parameters, self._parts(tangent), strict=True):
            self.model.set(ot.ForwardParameterValue(), _plain(p), np.ravel(part) if np.ndim(part) else part)
        self.model.forward_differentiate()
        return self._joined([tangent for _, _, tangent, _ in self._outputs])


def _plain(parameter: Any) -> Any:
    """A vector of the parameters in an array of them."""
    if isinstance(parameter, ot.VariableIndex):
        return parameter
    return ot.VectorOfVariables.of_ids(np.ravel(parameter.ids))
