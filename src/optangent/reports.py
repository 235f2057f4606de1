"""What the commands of ``python -m optangent`` show of a model that has been solved: tables."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np

import optangent as ot

from .tables import Table

__all__ = ["COMMANDS", "Command"]

_POINTS = (ot.ResultStatusCode.FEASIBLE_POINT, ot.ResultStatusCode.NEARLY_FEASIBLE_POINT)
_OPTIMAL = ot.TerminationStatusCode.OPTIMAL


@final
@dataclass(frozen=True)
class Command:
    """A word of the command line.

    Attributes
    ----------
    help : what it shows
    tables : makes the tables, of a model that has been solved and the arguments
    is_answer : whether the model has what was asked for, if making the tables did not raise
    differentiates : whether the model is to have derivatives
    """

    help: str
    tables: Callable[[ot.Model, argparse.Namespace], list[Table]]
    is_answer: Callable[[ot.Model], bool] = lambda model: model.termination_status() is _OPTIMAL
    differentiates: bool = False


def _solution(model: ot.Model, given: argparse.Namespace) -> list[Table]:
    found = [_result(model)]
    if model.get(ot.PrimalStatus()) in _POINTS:
        found += [_variables(model), _constraints(model)]
    return found


def _sensitivity(model: ot.Model, given: argparse.Namespace) -> list[Table]:
    found = [_result(model)]
    if model.termination_status() is _OPTIMAL:
        found.append(Table.of(model.sensitivities(), "What constraints and bounds are worth"))
        found.append(Table.of(model.ranges(), "Until when that holds"))
    return found


def _explanation(model: ot.Model, given: argparse.Namespace) -> list[Table]:
    names = given.constraint or []
    chosen = [model.constraint_by_name(name) for name in names]
    if not names:  # one of each kind
        chosen = [indices[0] for _, indices in _rows(model)]
    return [_facts(one) for one in (model.summary(), *map(model.explain, chosen))]


def _conflict(model: ot.Model, given: argparse.Namespace) -> list[Table]:
    found = model.conflict(time_limit=given.time_limit)
    members = [(one.name, one.what, one.side, one.says) for one in found]
    facts: list[tuple[Any, ...]] = [
        ("needless", "none: without any one of them the others can hold" if found.irreducible else "perhaps some"),
        *([("reason", found.reason)] if found.reason else []),
        ("solves", found.solves),
        ("seconds", round(found.seconds, 6)),
    ]
    columns = ("name", "what", "side", "says")
    return [Table("What cannot hold together", columns, members), Table("How it was found", (), facts)]


COMMANDS = {
    "solve": Command("solve a model: status, objective, values, duals and reduced costs", _solution),
    "sensitivity": Command(
        "tell what each constraint and bound is worth, and until when", _sensitivity, differentiates=True
    ),
    "explain": Command("tell what a model is, how its solve went, and how constraints get to the solver", _explanation),
    "conflict": Command(
        "tell which constraints and bounds of a model without a solution contradict each other",
        _conflict,
        is_answer=lambda model: True,
    ),
}


# ---------------------------------------------------------------------- tables
def _facts(lines: Any) -> Table:
    """Names and what they stand for; a text of several lines is as many rows."""
    rows = [(name if k == 0 else "", line) for name, text in lines.facts for k, line in enumerate(text.split("\n"))]
    return Table(lines.title, (), rows)


def _result(model: ot.Model) -> Table:
    status = model.termination_status()
    n, m = model.get(ot.NumberOfVariables()), sum(len(one) for _, one in _rows(model))
    rows: list[tuple[Any, ...]] = [
        ("status", f"{status.name}: {status.value}"),
        ("solver", f"{model.get(ot.SolverName())} {model.get(ot.SolverVersion())}, {model.get(ot.RawStatusString())}"),
        ("seconds", round(model.get(ot.SolveTimeSec()), 6)),
        ("size", f"{n} variables, {m} constraints"),
    ]
    if model.get(ot.PrimalStatus()) in _POINTS:
        sense = model.get(ot.ObjectiveSense()) is ot.ObjectiveSenseCode.MAX_SENSE
        rows.insert(1, ("objective", model.objective_value()))
        rows.insert(2, ("sense", "maximize" if sense else "minimize"))
    return Table("Result", (), rows)


def _variables(model: ot.Model) -> Table:
    v = model.get(ot.ListOfVariableIndices())
    lower, upper = np.full(len(v), -np.inf), np.full(len(v), np.inf)
    store = model.store
    for kind in model.get(ot.ListOfConstraintTypesPresent()):
        if kind[0] is not ot.VariableIndex:
            continue
        block, _ = store.block(kind).snapshot()
        at = block.rows.var - store.base
        if kind[1] is ot.ZeroOne:
            lower[at], upper[at] = 0.0, 1.0
        elif kind[1].fields:  # of semicontinuous ones the two numbers between which they are if they are not zero
            low, high = kind[1].bounds(block.sets.numbers) or block.sets.numbers.T
            lower[at], upper[at] = np.maximum(lower[at], low), np.minimum(upper[at], high)
    names = [store.name_of(int(i)) for i in v.ids]
    costs = _if_dual(model, model.reduced_cost, v)
    columns = names, model.value(v).tolist(), lower.tolist(), upper.tolist(), costs
    return Table("Variables", ("name", "value", "lower", "upper", "reduced cost"), list(zip(*columns, strict=True)))


def _rows(model: ot.Model) -> list[tuple[Any, Any]]:
    """Kind and indices of the constraints that are no bounds."""
    kinds = [kind for kind in model.get(ot.ListOfConstraintTypesPresent()) if kind[0] is not ot.VariableIndex]
    return [(kind, model.get(ot.ListOfConstraintIndices(*kind))) for kind in kinds]


def _constraints(model: ot.Model) -> Table:
    rows: list[tuple[Any, ...]] = []
    for kind, indices in _rows(model):
        block, _ = model.store.block(kind).snapshot()
        lower, upper = kind[1].bounds(block.sets.numbers)
        value = np.asarray(model.value(indices))
        slack = np.minimum(value - lower, upper - value)
        duals = _if_dual(model, model.dual, indices)
        names = model.get(ot.ConstraintName(), indices)
        columns = names, value.tolist(), lower.tolist(), upper.tolist(), slack.tolist(), duals
        rows += zip(*columns, strict=True)
    return Table("Constraints", ("name", "value", "lower", "upper", "slack", "dual"), rows)


def _if_dual(model: ot.Model, duals: Callable[[Any], Any], of: Any) -> list[Any]:
    """Duals, where there are any."""
    has_duals = model.get(ot.DualStatus()) in _POINTS
    return list(np.asarray(duals(of)).tolist()) if has_duals else [None] * len(of)
