"""The door of explanations: what a `Model` is asked beyond values, duals and derivatives."""

from __future__ import annotations

import copy
from typing import Any, final

import numpy as np

from ...modelkit.attributes import TerminationStatusCode
from ...modelkit.errors import InvalidData, InvalidIndex, NotOptimized, Unsupported
from ...modelkit.functions import ScalarFunction, VariableIndex
from ...modelkit.model.abstract_explainer import AbstractExplainer
from ...modelkit.model.model import Model
from ..active_set import PolishedSolution
from ..derivative import Derivative
from ..meta_solver import MetaSolver
from .path import Piece, SolutionPath, followed
from .ranges import Ranging
from .sensitivities import Sensitivities

__all__ = ["Explainer"]


@final
class Explainer(AbstractExplainer):
    """What is known of one model at its solution; made anew for each question.

    Parameters
    ----------
    model : the model
    """

    def __init__(self, model: Model) -> None:
        self._model = model

    def ranges(self) -> Any:
        """See `Model.ranges`."""
        return self._ranging("ranges").table()

    def path(self, parameter: Any, start: float, stop: float) -> SolutionPath:
        """See `Model.path`."""
        if not isinstance(parameter, VariableIndex):
            raise InvalidIndex(f"A path is one of a parameter of the model, got {parameter!r}.")
        self._model.parameter_value(parameter)  # refuses what is none
        copied = copy.deepcopy(self._model)
        copied.meta_solver.warns = False
        asked = Explainer(copied)
        names: list[list[str]] = []

        def piece_at(value: float) -> Piece | str:
            copied.set_parameter_value(parameter, value)
            copied.optimize()
            status = copied.termination_status()
            if status is not TerminationStatusCode.OPTIMAL:
                return f"{status.name} at {value:.15g} ({status.value})"
            ranging = asked._ranging("Paths")
            if not names:
                names.extend(ranging.names())
            parameters = ranging.lowering.parameters
            assert parameters is not None
            return ranging.along(int(parameters.places(np.array([parameter.value]))[0]))

        pieces, ends = followed(piece_at, float(start), float(stop))
        if not pieces:
            raise NotOptimized(f"There is no path from {start}: the model is {ends}.")
        return SolutionPath(self._model.name_of(parameter.value), pieces, ends, *names)

    def sensitivities(self, of: Any = None) -> Any:
        """See `Model.sensitivities`."""
        if of is not None and not isinstance(of, ScalarFunction):
            raise InvalidData(f"Sensitivities are of a scalar function of the variables, got {of!r}.")
        derivative = self._derivative()
        plain = isinstance(derivative.point.solution, PolishedSolution)
        return Sensitivities(derivative, of, Ranging(derivative) if plain else None).table()

    def _derivative(self) -> Derivative:
        solver = self._model.meta_solver
        assert isinstance(solver, MetaSolver)
        return solver.derivative()

    def _ranging(self, asked: str) -> Ranging:
        derivative = self._derivative()
        if not isinstance(derivative.point.solution, PolishedSolution):
            raise Unsupported(
                f"{asked} are of linear and convex quadratic programs, whose active rows stay the same for a while; "
                f"this model is differentiated by {derivative.name}. model.predict(changes) tells how its solution "
                "moves, and how far that can be trusted."
            )
        return Ranging(derivative)
