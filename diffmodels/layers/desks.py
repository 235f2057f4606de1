"""What a thread that solves items has of its own: forms, which are written into, and solvers that have them loaded."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol, final

import numpy as np

from ...bridges.lowering import Lowering
from ...bridges.lowering.moving import MovingNumbers
from ...modelkit.arrays import FloatArray
from ...modelkit.attributes import TerminationStatusCode
from ...modelkit.form import Abilities, Form
from ...modelkit.form.residuals import checked, residuals
from ...modelkit.form.slot_rows import SlotRows
from ...modelkit.indices import ConstraintIndices
from ...modelkit.store.parameters import PARAMETERS, Parameters
from ...modelkit.store.store import Store
from ..outcome import FoundResult, Outcome
from ..own_solution import OwnDerivative
from ..starting import UserStart, dual_of_other
from .form_solvers import Solver

__all__ = ["Desk", "OwnForms", "SharedForm"]

_CODES = TerminationStatusCode
_WITH_POINT = (_CODES.OPTIMAL, _CODES.LOCALLY_SOLVED, _CODES.ALMOST_OPTIMAL, _CODES.ALMOST_LOCALLY_SOLVED)


class Desk(Protocol):
    """The form of a model at any parameters, and what solvers answer."""

    def at(self, theta: FloatArray) -> Form:
        """The form at all parameters, to be read until the next call."""

    def run(self, number: int, start: UserStart | None) -> FoundResult:
        """The answer of one of the solvers, over the slots of this form."""

    def own_derivative(self, number: int) -> OwnDerivative | None:
        """What differentiates the answer that a solver gave just now, as it does itself; None if it does not."""


@final
class SharedForm:
    """One form, for the solvers and for derivatives.

    Parameters
    ----------
    form, moving : at any parameters; copied
    solvers : like which some are made
    is_judged : whether a solution is judged by its form here
    """

    def __init__(self, form: Form, moving: MovingNumbers, solvers: Sequence[Solver], *, is_judged: bool) -> None:
        self._form, self._moving, self._is_judged = copy.deepcopy(form), copy.copy(moving), is_judged
        self._solvers = [solver.another() for solver in solvers]

    def at(self, theta: FloatArray) -> Form:
        """The form at all parameters."""
        self._moving.apply(self._form, theta)
        self._form.take_journal()
        return self._form

    def run(self, number: int, start: UserStart | None) -> FoundResult:
        """The answer of one of the solvers."""
        self._found = _solved(self._solvers[number], self._form, start)
        return _judged(self._form, self._found, self._is_judged)

    def own_derivative(self, number: int) -> OwnDerivative | None:
        """What differentiates the answer that a solver gave just now, as it does itself; None if it does not."""
        return self._solvers[number].differentiate(self._form, self._found)


@final
class OwnForms:
    """A form for each solver, lowered again where it was lowered by numbers that moved, and one for derivatives.

    Parameters
    ----------
    store : the model as written; copied
    abilities : of the form for derivatives
    solvers : like which some are made
    is_judged : whether a solution is judged by its form here; it has no duals then
    """

    def __init__(self, store: Store, abilities: Abilities, solvers: Sequence[Solver], *, is_judged: bool) -> None:
        self._store, self._is_judged = copy.deepcopy(store), is_judged
        self._lowering = Lowering(abilities)
        self._solvers = [(solver.another(), Lowering(solver.abilities)) for solver in solvers]
        self._indices = ConstraintIndices(PARAMETERS, Parameters(self._store).ids)

    def at(self, theta: FloatArray) -> Form:
        """The form at all parameters."""
        self._store.set_numbers(self._indices, theta[:, None])
        return self._synced(self._lowering)

    def _synced(self, lowering: Lowering) -> Form:
        """What was lowered again leaves rows and columns behind, so all is lowered anew there."""
        if lowering.reads_numbers:
            lowering.reset()
        form = lowering.sync(self._store)
        form.take_journal()
        return form

    def run(self, number: int, start: UserStart | None) -> FoundResult:
        """The answer of one of the solvers to its own form, brought to the one for derivatives."""
        solver, lowering = self._solvers[number]
        form = self._synced(lowering)
        result = _judged(form, _solved(solver, form, None), self._is_judged)
        if result.status not in _WITH_POINT or result.x is None:
            return result
        if self._is_judged:
            x = np.zeros(self._lowering.form.n)
            mine, theirs = self._lowering.columns.view, lowering.columns.view
            x[mine[mine >= 0]] = result.x[theirs[mine >= 0]]
            return replace(result, x=x, dual=None)
        outcome = Outcome(self._store, lowering, result, solver.name, None)
        x, dual, _ = dual_of_other(self._store, outcome, self._lowering)
        return replace(result, x=x, dual=dual)

    def own_derivative(self, number: int) -> OwnDerivative | None:
        """There is none: a solver differentiates its own form, and not the one for derivatives."""
        return None


def _solved(solver: Any, form: Form, start: UserStart | None) -> FoundResult:
    result = solver.solve_anew(form, start)
    if result.status in _WITH_POINT and (result.x is None or result.dual is None):
        solver.fetch(result)
    return result


def _judged(form: Form, result: FoundResult, is_judged: bool) -> FoundResult:
    if not is_judged or result.status not in (_CODES.OPTIMAL, _CODES.LOCALLY_SOLVED):
        return result
    rows = SlotRows(form)
    found = residuals(rows, result.x, result.dual, result.primal_status, result.dual_status)
    return replace(result, status=checked(result.status, found))
