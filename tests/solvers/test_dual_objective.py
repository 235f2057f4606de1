"""The dual objective is the optimum, whatever the solver, the constraints and the sense; or it is the proof."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optangent as ot

from ..bridges.test_cone_problems import PROBLEMS as CONES
from .cases import CASES
from .conic_cases import CONIC
from .problems import EVERY, MAX, Problem, S

EACH_CONE = pytest.mark.parametrize("solver", [ot.solvers.Clarabel, ot.solvers.SCS], ids=lambda s: s.name)


@pytest.mark.parametrize("case", [*CASES, *CONIC], ids=str)
@EVERY
def test_of_known_cases(solver: Any, case: Problem) -> None:
    """At an optimum it is the objective; of a proof of infeasibility positive to minimize, negative to maximize."""
    options = getattr(case, "options", {}).get(solver.name, {})
    model = ot.Model(lambda: solver(**options))
    try:
        case.build(model)
    except (ot.UnsupportedConstraint, ot.UnsupportedObjective):
        return  # what it takes is the conformance suite's to know
    model.optimize()
    status = model.termination_status()
    if "integer" in getattr(case, "needs", ()):
        with pytest.raises(ot.NotOptimized, match="integer"):
            model.get(ot.DualObjectiveValue())
    elif status is S.OPTIMAL:
        assert model.get(ot.DualObjectiveValue()) == pytest.approx(model.objective_value(), rel=1e-6, abs=1e-6)
    elif model.get(ot.DualStatus()) is ot.ResultStatusCode.INFEASIBILITY_CERTIFICATE:
        assert (-1.0 if case.sense == MAX else 1.0) * model.get(ot.DualObjectiveValue()) > 0
    else:
        with pytest.raises(ot.NotOptimized):
            model.get(ot.DualObjectiveValue())


@pytest.mark.parametrize("problem", CONES, ids=str)
@EACH_CONE
def test_of_every_cone(solver: Any, problem: Any) -> None:
    """Through whatever bridges a cone takes, with constants in the function and in the objective."""
    model = ot.Model(solver)
    x = model.add_variable()
    point = np.array(problem.point)
    F = np.isnan(point).astype(float)[:, None]
    try:
        model.add_constraint(F @ ot.vectorize([x]) + np.nan_to_num(point), problem.chosen)
    except ot.UnsupportedConstraint:
        return
    model.set(ot.ObjectiveFunction(), 2.0 * x - 3.0)
    model.set(ot.ObjectiveSense(), problem.sense)
    model.optimize()
    if model.termination_status() is S.OPTIMAL:
        assert model.get(ot.DualObjectiveValue()) == pytest.approx(2.0 * problem.optimum - 3.0, rel=2e-6, abs=2e-6)


def _disc(model: Any, x: Any, p: Any) -> None:
    model.add_constraint(x @ x + x[0] + 1 <= 4)


def _hyperbola(model: Any, x: Any, p: Any) -> None:
    model.add_constraint(-1.0 * (x @ x) >= -p[0] * 3 - 1)


def _discs(model: Any, x: Any, p: Any) -> None:
    quadratic = ot.vectorize([x @ x - 2, x[0] * x[0] + x[1] - 1])
    model.add_constraint(quadratic, ot.Nonpositives(2))


def _products(model: Any, x: Any, p: Any) -> None:
    model.add_constraint(p[0] * p[1] * x[0] + p[1] * x[1] <= p[0] * 2 + 1)
    model.add_constraint(p[1] * x[0] * x[0] + x[1] * x[1] <= 2 * p[0])
    model.add_constraint(x, ot.HyperRectangle([-1.0, -np.inf], [np.inf, 0.5]))


@pytest.mark.parametrize("maximize", [False, True], ids=["min", "max"])
@pytest.mark.parametrize("curved", [False, True], ids=["linear", "quadratic"])
@pytest.mark.parametrize("rows", [_disc, _hyperbola, _discs, _products])
@EACH_CONE
def test_of_quadratic_rows_and_parameters(solver: Any, rows: Any, curved: bool, maximize: bool) -> None:
    """Quadratic rows, parameters in products with each other, and constants, with and without curvature above."""
    model = ot.Model(solver)
    x, p = model.add_variables(2), model.add_parameters([1.5, 0.5])
    rows(model, x, p)
    sign = -1.0 if maximize else 1.0
    objective = sign * (p[0] * x[0] - 3.0 * p[1] * x[1] + (x[0] - p[1]) * (x[0] - p[1]) * float(curved)) + 5.0
    (model.maximize if maximize else model.minimize)(objective)
    model.optimize()
    assert model.termination_status() is S.OPTIMAL
    assert model.get(ot.DualObjectiveValue()) == pytest.approx(model.objective_value(), rel=1e-6, abs=1e-6)
