"""The door of explanations: what a `Model` is asked beyond values, duals and derivatives."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, ClassVar, final

import numpy as np

from ...bridges.lowering import Lowering
from ...modelkit.attributes import ConstraintSet, TerminationStatusCode
from ...modelkit.errors import InvalidData, InvalidIndex, NotOptimized, Unsupported
from ...modelkit.functions import VariableIndex
from ...modelkit.indices import ConstraintIndex
from ...modelkit.model.abstract_explainer import AbstractExplainer
from ...modelkit.model.model import Model
from ...modelkit.numeric import real_number
from ...modelkit.store.graphs import GRAPHS
from ...modelkit.warning import warn_user
from ..derivative import Derivative
from ..meta_solver import DifferentiationWarning, MetaSolver
from ..one_sided_solution import OneSidedSolution
from .comparison import compared
from .conflict import Conflict, ConflictSearch, printed
from .influence import influence_table
from .jacobian import Jacobian, jacobian_of
from .path import Piece, SolutionPath, followed
from .prediction import Prediction, checked_changes, predicted
from .ranges import Ranging
from .rays import Ray, ray_of
from .relaxation import Relaxation, relaxed
from .report import DiffReport, report_of
from .sensitivities import Sensitivities, checked_outputs
from .summary import Lines, summary_of
from .ways import ways_of

__all__ = ["Explainer"]


@final
class Explainer(AbstractExplainer):
    """What is known of one model at its solution; made anew for each question.

    Parameters
    ----------
    model : the model
    """

    solvers: ClassVar[Sequence[Any]] = ()
    """The solvers that there are; the package's face sets it."""

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
            if status not in (TerminationStatusCode.OPTIMAL, TerminationStatusCode.LOCALLY_SOLVED):
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
        outputs = checked_outputs(of)
        derivative = self._by_system()
        plain = isinstance(derivative.point.solution, OneSidedSolution)
        return Sensitivities(derivative, outputs, Ranging(derivative) if plain else None).table()

    def predict(self, changes: Any) -> Prediction:
        """See `Model.predict`."""
        derivative = self._by_system()
        checked = checked_changes(self._model.store, changes)
        plain = isinstance(derivative.point.solution, OneSidedSolution)
        copied = copy.deepcopy(self._model.store)
        for index, _, new in checked:
            copied.set(ConstraintSet(), index, index.kind[1].build((), np.array([[new]])))
        after = Lowering(derivative.lowering.abilities).sync(copied)
        found = predicted(derivative, checked, Ranging(derivative) if plain else None, after)
        if found.validity < 1.0:
            warn_user(
                f"This prediction goes beyond what the solution tells: it holds for {found.validity:.3g} of the "
                f"change; then {found.event}. Solve the model for more, or follow model.path.",
                DifferentiationWarning,
            )
        return found

    def jacobian(self, of: Any, wrt: Any) -> Jacobian:
        """See `Model.jacobian`."""
        return jacobian_of(self._derivative(), of, wrt)

    def diff_report(self) -> DiffReport:
        """See `Model.diff_report`."""
        return report_of(self._derivative())

    def influence(self, of: Any, data: Any) -> Any:
        """See `Model.influence`."""
        return influence_table(self._derivative(), of, data)

    def summary(self) -> Lines:
        """See `Model.summary`."""
        return summary_of(self._model)

    def explain(self, constraint: ConstraintIndex) -> Lines:
        """See `Model.explain`."""
        model, solver = self._model, self._model.meta_solver
        assert isinstance(solver, MetaSolver)
        model.store.check_index(constraint)
        solved = model.termination_status() is TerminationStatusCode.OPTIMAL
        return ways_of(model.store, solver, constraint, derivative=solver.differentiates and solved)

    def compare_solvers(self, solvers: Sequence[Any] | None = None) -> Any:
        """See `Model.compare_solvers`."""
        is_local = GRAPHS in self._model.store.every_kind()
        ours = [one for one in self.solvers if is_local or not one.abilities.nonconvex]
        return compared(self._model, ours if solvers is None else solvers)

    def _derivative(self) -> Derivative:
        solver = self._model.meta_solver
        assert isinstance(solver, MetaSolver)
        return solver.derivative()

    def _by_system(self) -> Derivative:
        solver = self._model.meta_solver
        assert isinstance(solver, MetaSolver)
        return solver.derivative_by_system()

    def _ranging(self, asked: str) -> Ranging:
        derivative = self._by_system()
        if not isinstance(derivative.point.solution, OneSidedSolution):
            raise Unsupported(
                f"{asked} are of linear and convex quadratic programs, whose active rows stay the same for a while; "
                f"this model is differentiated by {derivative.name}. model.predict(changes) tells how its solution "
                "moves, and how far that can be trusted."
            )
        return Ranging(derivative)

    def conflict(self, *, time_limit: float | None = None, progress: Any = None) -> Conflict:
        """See `Model.conflict`."""
        limit = real_number(np.inf if time_limit is None else time_limit, "A time limit")
        if not limit > 0.0:
            raise InvalidData(f"A time limit is a positive number of seconds, got {time_limit!r}.")
        if not (progress in (None, True, False) or callable(progress)):
            raise InvalidData(f"progress is True or a callable progress(done, total), got {progress!r}.")
        told = printed if progress is True else progress or None
        return ConflictSearch(self._model, limit, told).found()

    def rays(self) -> Ray:
        """See `Model.rays`."""
        return ray_of(self._model)

    def relax(
        self, constraints: Any = None, penalties: Any = None, norm: int = 1, *, weight: float = 0.0
    ) -> Relaxation:
        """See `Model.relax`."""
        return relaxed(self._model, constraints, penalties, norm, real_number(weight, "A weight"))
