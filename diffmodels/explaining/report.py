"""The certificate of a derivative: what it is, why it may not be what it seems, and what to do about each row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ...modelkit import attributes as attr
from ...modelkit.store.parameters import PARAMETERS
from ...modelkit.store.store import Store
from ..certainty import ACCURACY, ASYMMETRY
from ..derivative import Derivative
from ..kkt import ACCEPTED_RESIDUAL
from ..outcome import every
from ..own_solution import OwnSolution
from .frames import frame
from .owners import Owners, label
from .summary import Lines

__all__ = ["DiffReport", "report_of"]

_SHOWN = 10
_NEAR = 1e-8
"""Part of their size up to which a move of the data is small."""


@final
@dataclass(frozen=True, eq=False)
class DiffReport:
    """What is known of a derivative.

    Attributes
    ----------
    status : whether the solution is differentiable
    margin : the smallest part of their own size by which the data have to move before the nearest row is at a kink; in
        no unit. nan where it is not known
    nearest : name of that row, "" of none
    active, rank : number of active rows (of cones, of their active directions), and how many of them are independent;
        -1 where a solver with derivatives of its own finds them dependent, and does not say how many
    unique, unique_duals : whether the solution is, and whether the duals are
    condition : estimate of the condition of the equilibrated KKT matrix in the 1-norm; nan where a solver keeps it
    refinement : largest relative violation of the optimality conditions, of the solver's point and of the exact one
    linear_residual : of the last linear solve, relative; of a solver's own derivatives the largest so far
    error : estimated relative error of a solver's own derivatives, by iterations that stop at a tolerance; else zero
    mismatch : relative difference of forward and reverse mode at random right-hand sides
    at_fault : (name, why, what to do) of rows and variables
    """

    status: attr.DifferentiationStatusCode
    margin: float
    nearest: str
    active: int
    rank: int
    unique: bool
    unique_duals: bool
    condition: float
    refinement: attr.Refinement
    linear_residual: float
    error: float
    mismatch: float
    at_fault: tuple[tuple[str, str, str], ...]

    @property
    def is_fine(self) -> bool:
        """Whether nothing is to be said against the derivative."""
        return not self.at_fault and self.status is attr.DifferentiationStatusCode.EXACT

    def _lines(self) -> Lines:
        facts = [
            ("status", f"{self.status.name}: {self.status.value}"),
            ("margin", _margin_words(self.margin, self.nearest)),
            ("active rows", f"{self.active}, " + (f"of rank {self.rank}" if self.rank >= 0 else "dependent")),
            ("solution", "unique" if self.unique else "not unique"),
            ("duals", "unique" if self.unique_duals else "not unique"),
            ("condition", "not known" if np.isnan(self.condition) else f"{self.condition:.1e}"),
            ("residual", f"{self.refinement.before:.1e} at the solver's point, {self.refinement.after:.1e} refined"),
            ("linear solve", f"{self.linear_residual:.1e}"),
            *([("error", f"estimated as {self.error:.1e}, by iterations that stop there")] if self.error else []),
            ("adjoint check", f"{self.mismatch:.1e}"),
        ]
        facts += [(f"at fault: {name}", f"{why}; {advice}") for name, why, advice in self.at_fault[:_SHOWN]]
        if len(self.at_fault) > _SHOWN:
            facts.append(("at fault", f"and {len(self.at_fault) - _SHOWN} more, see at_fault"))
        return Lines("Derivative", tuple(facts))

    def __str__(self) -> str:
        return str(self._lines())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        found: str = self._lines()._repr_html_()
        return found

    def to_frame(self) -> Any:
        """A pandas ``DataFrame`` of what is at fault: name, why, and what to do."""
        names = ("name", "why", "advice")
        return frame({name: [row[k] for row in self.at_fault] for k, name in enumerate(names)})


def _margin_words(margin: float, nearest: str) -> str:
    if np.isnan(margin):
        return "not known"
    if not np.isfinite(margin):
        return "no inequality is near: no change of the data makes a kink"
    return f"the data may move by {margin:.1e} of their size" + (f", until {nearest} is at its kink" if nearest else "")


def report_of(derivative: Derivative) -> DiffReport:
    """See `Model.diff_report`."""
    point = derivative.point
    solution = point.solution
    margin, nearest = solution.margin
    name = "" if nearest < 0 else _name_of(derivative, nearest)
    codes, status = attr.DifferentiationStatusCode, derivative.worth.known
    active = int(solution.active.sum())
    if isinstance(solution, OwnSolution):
        unique_duals, condition = status is not codes.DEPENDENT_ROWS, float("nan")
        rank = active if unique_duals else -1
    else:
        rank = active - solution.freedom[1].shape[1]
        unique_duals, condition = not solution.system.dual_nullity, solution.system.condition()
    return DiffReport(
        status,
        margin,
        name,
        active,
        rank,
        status is not codes.NONUNIQUE,
        unique_duals,
        condition,
        point.refinement,
        _linear_residual(derivative),
        solution.error if isinstance(solution, OwnSolution) else 0.0,
        point.mismatch,
        tuple(_faults(derivative)),
    )


def _linear_residual(derivative: Derivative) -> float:
    solution = derivative.point.solution
    return float(solution.linear_residual if isinstance(solution, OwnSolution) else solution.system.residual)


def _name_of(derivative: Derivative, row: int) -> str:
    """Of a one-sided row."""
    layout = derivative.point.layout
    owners = Owners(derivative.store, derivative.lowering)
    return owners.name(int(layout.slot[row]), upper=bool(layout.sign[row] < 0.0))


def _faults(derivative: Derivative) -> Iterator[tuple[str, str, str]]:
    codes, status, point = attr.DifferentiationStatusCode, derivative.worth.known, derivative.point
    margin, nearest = point.solution.margin
    if status is codes.EXACT and margin <= _NEAR:
        yield (
            _name_of(derivative, nearest),
            f"is at its kink as soon as the data move by {margin:.1e} of their size",
            "do not rely on the derivative for larger changes: model.ranges() tells how far it holds",
        )
    why, advice = {
        codes.WEAKLY_ACTIVE: (
            "holds with equality, and its dual is zero: the solution has a kink here",
            "move its right-hand side a little, or take one-sided derivatives: DifferentiationPolicy() 'directional'",
        ),
        codes.DEPENDENT_ROWS: (
            "depends on other active rows, so that duals are not unique",
            "drop one of them, or take only derivatives in the objective's data",
        ),
        codes.NONUNIQUE: (
            "does not determine the solution, of which there are many",
            "add a small square of the variables to the objective",
        ),
    }.get(status, ("", ""))
    if why:
        for name in _rows_at_fault(derivative):
            yield name, why, advice
    if status is codes.NONUNIQUE:
        for name in _free_variables(derivative):
            yield name, "may move without a change of the objective", "add a small square of it to the objective"
    if status is codes.INACCURATE and point.refinement.after > ACCURACY:
        yield (
            "the solution",
            f"could not be refined below {point.refinement.after:.1e}, where {ACCURACY:.0e} is asked for",
            "scale the data, or solve with another solver (model.compare_solvers())",
        )
    is_own, residual = isinstance(point.solution, OwnSolution), _linear_residual(derivative)
    advice = "set ModelConstructor(), to QuadraticDiff or ConicDiff" if is_own else "scale the data"
    if point.mismatch > ASYMMETRY and status is not codes.TRUNCATED:
        yield "the linear system", f"forward and reverse mode differ by {point.mismatch:.1e}", advice
    if residual > ACCEPTED_RESIDUAL and status is not codes.TRUNCATED:
        yield "the linear system", f"its last solution has a relative residual of {residual:.1e}", advice


def _rows_at_fault(derivative: Derivative) -> Iterator[str]:
    store: Store = derivative.store
    for kind in store.kinds():
        if kind == PARAMETERS:
            continue
        numbers, dims = every(store, kind)
        indices = store.indices(kind, numbers)
        at = np.flatnonzero(derivative.worth.degeneracy(indices))
        owner = np.repeat(np.arange(len(dims)), dims)[at]
        row = at - (np.cumsum(dims) - dims)[owner]
        for k, r in zip(owner.tolist(), row.tolist(), strict=True):
            yield label(store, indices[k], r)


def _free_variables(derivative: Derivative) -> Iterator[str]:
    store, lowering = derivative.store, derivative.lowering
    ids = store.variable_ids()
    columns = lowering.column_of(ids, store.base)
    solution = derivative.point.solution
    if isinstance(solution, OwnSolution):  # which does not tell
        return
    primal, _ = solution.freedom
    free = np.abs(primal).max(axis=1, initial=0.0) > 0.0
    for identifier in ids[(columns >= 0) & free[np.maximum(columns, 0)]].tolist():
        yield store.name_of(identifier)
