"""A small model with a known answer, for tests of what is refused: it must have that answer before and after."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import optangent as ot

SOLVERS = [s.name for s in ot.solvers.wrappers() if ot.TimeLimitSec in s.standard_options]  # a datum to spoil
EACH_SOLVER = pytest.mark.parametrize("solver", SOLVERS)


class Model:
    """min x1² + x2² − x1 + x2/2,  x1 + x2 + p/10 = 1.1,  l ≤ x ≤ u, through bridges and a diff model."""

    def __init__(self, solver: str) -> None:
        options: dict[str, Any] = {"OSQP": {"eps_abs": 1e-9, "eps_rel": 1e-9}}.get(solver, {})
        self.m = ot.Model(ot.diff_optimizer(lambda: getattr(ot.solvers, solver)(**options)))
        self.v = self.m.add_variables(2, "x")
        self.x, self.y = self.v
        self.p = self.m.add_parameter(1.0, "p")
        self.low = self.m.add_constraint(self.x, ot.GreaterThan(0.0))
        self.m.add_constraint(self.y, ot.Interval(0.0, 10.0))
        self.row = self.m.add_constraint(self.x + self.y + 0.1 * self.p, ot.EqualTo(1.1))
        self.box = self.m.add_constraint(np.eye(2) @ self.v, ot.HyperRectangle([-1.0, -math.inf], [10.0, 10.0]))
        self.half = self.m.add_constraint(1.0 * self.v - 20.0, ot.Nonpositives(2))
        self.state_objective()
        self.gone = self.m.add_variable("gone")
        self.gone_row = self.m.add_constraint(self.gone + self.x <= 3)
        self.m.delete(self.gone_row)
        self.m.delete(self.gone)
        self.m.optimize()

    def state_objective(self) -> None:
        """The convex objective."""
        x, y = self.v
        self.m.minimize(x * x + y * y - x + 0.5 * y)

    def answer(self) -> list[float]:
        """Solution, duals and derivatives."""
        self.m.optimize()
        assert self.m.termination_status() is ot.TerminationStatusCode.OPTIMAL
        self.m.empty_input_sensitivities()
        self.m.set(ot.ReverseVariablePrimal(), self.x, 1.0)
        self.m.reverse_differentiate()
        gradient = self.m.get(ot.ReverseConstraintFunction(), self.row).constant
        return [*self.m.value(self.v), self.m.dual(self.row), self.m.objective_value(), gradient]


OTHER = ot.Model()
FOREIGN = OTHER.add_variable("foreign")
FOREIGN_ROW = OTHER.add_constraint(1.0 * FOREIGN, ot.EqualTo(1.0))
