"""One model by every solver that is there: statuses, times, residuals, and whether they agree on the derivative."""

from __future__ import annotations

import copy
import time
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...modelkit import attributes as attr
from ...modelkit.arrays import FloatArray
from ...modelkit.errors import DifferentiationError, MissingDependency, OptangentError
from ...modelkit.functions import VectorOfVariables
from ...modelkit.model.model import Model
from ...modelkit.store.parameters import Parameters
from ..meta_solver import MetaSolver
from .frames import frame

__all__ = ["compared"]

_SEED = 7


def compared(model: Model, solvers: Sequence[Any]) -> Any:
    """See `Model.compare_solvers`."""
    lines: list[dict[str, Any]] = []
    gradients: dict[str, FloatArray] = {}
    for solver in solvers:
        line: dict[str, Any] = {"solver": getattr(solver, "name", str(solver)), "status": "", "why": ""}
        try:
            made = solver()
        except (ImportError, MissingDependency) as error:
            lines.append({**line, "status": "not installed", "why": str(error)})
            continue
        lines.append({**line, **_tried(model, made, gradients)})
    reference = _reference(lines)
    for line in lines:
        mine, theirs = gradients.get(line["solver"]), gradients.get(reference)
        if mine is not None and theirs is not None:
            size = float(np.abs(theirs).max(initial=0.0))
            line["derivative_difference"] = float(np.abs(mine - theirs).max(initial=0.0)) / (size or 1.0)
    names = ("status", "seconds", "objective", "primal", "dual", "gap", "derivative", "derivative_difference", "why")
    missing: dict[str, Any] = {"derivative": "", "why": ""}
    return frame(
        {name: [line.get(name, missing.get(name, np.nan)) for line in lines] for name in names},
        [line["solver"] for line in lines],
    )


def _tried(model: Model, solver: Any, gradients: dict[str, FloatArray]) -> dict[str, Any]:
    """What one solver makes of a copy of the model."""
    copied = copy.deepcopy(model)
    meta = copied.meta_solver
    assert isinstance(meta, MetaSolver)
    meta.warns, meta.differentiates = False, True
    try:
        meta.reset_optimizer(solver)
        start = time.perf_counter()
        copied.optimize()
        seconds = time.perf_counter() - start
        status = copied.termination_status()
    except OptangentError as error:
        return {"status": "not taken", "why": str(error)}
    line: dict[str, Any] = {"status": status.name, "seconds": seconds}
    if copied.get(attr.PrimalStatus()) is attr.ResultStatusCode.NO_SOLUTION:
        return line
    found = meta.residuals()
    line |= {"primal": found.primal, "dual": found.dual, "gap": found.gap}
    if status not in (attr.TerminationStatusCode.OPTIMAL, attr.TerminationStatusCode.LOCALLY_SOLVED):
        return line
    line["objective"] = copied.objective_value()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            gradients[str(solver.name)] = _derivative(copied)
        line["derivative"] = copied.get(attr.DifferentiationStatus()).name
    except DifferentiationError as error:
        line |= {"derivative": "none", "why": str(error)}
    return line


def _derivative(model: Model) -> FloatArray:
    """How all variables move when the costs move in one random direction."""
    every = model.store.variable_ids()
    parameters = Parameters(model.store)
    variables = VectorOfVariables.of_ids(every[parameters.places(every) < 0])
    costs = np.random.default_rng(_SEED).standard_normal(len(variables))
    model.empty_input_sensitivities()
    model.set(attr.ForwardObjectiveFunction(), costs @ variables)
    model.forward_differentiate()
    return np.asarray(model.get(attr.ForwardVariablePrimal(), variables))


def _reference(lines: Sequence[dict[str, Any]]) -> Any:
    """The solver with an exact derivative whose residuals are the smallest."""
    exact = [line for line in lines if line.get("derivative") == "EXACT"] or [
        line for line in lines if line.get("derivative") not in (None, "", "none")
    ]
    if not exact:
        return None
    return min(exact, key=lambda line: np.nanmax([line["primal"], line["dual"], line["gap"]]))["solver"]
