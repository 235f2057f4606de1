"""Conic models: a change in place gives what a cold model gives, and starts from what was known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import optangent as ot

from .problems import noted_calls

CONIC = pytest.mark.parametrize("solver", [ot.solvers.SCS, ot.solvers.Clarabel], ids=lambda s: s.name)
OBJECTIVE = ot.ObjectiveFunction()


class Built:
    """Minimize |x|² + qᵀx over one cone of each kind that both solvers take."""

    def __init__(self, solver: Any) -> None:
        rng = np.random.default_rng(2)
        self.model = m = ot.MetaSolver(solver(), differentiates=False)
        self.v = v = m.add_variables(30)
        sets = [ot.PowerCone(0.3), ot.ScaledPositiveSemidefiniteConeTriangle(3), ot.ExponentialCone()]
        sets += [ot.PowerCone(0.8), ot.SecondOrderCone(4), ot.Nonnegatives(2), ot.Zeros(1), ot.SecondOrderCone(3)]
        self.c = [m.add_constraint(self.function(rng, s), s) for s in sets]
        self.f = v @ v + rng.standard_normal(30) @ v
        m.set(ot.ObjectiveSense(), ot.ObjectiveSenseCode.MIN_SENSE)
        m.set(OBJECTIVE, self.f)

    def function(self, rng: np.random.Generator, cone: Any) -> Any:
        """Random rows with a point inside the cone."""
        F = rng.standard_normal((cone.dimension, 30))
        inside = cone.project(rng.standard_normal((1, cone.dimension)) + 1.0)[0]
        return F @ self.v + (inside - F @ np.linspace(-1.0, 1.0, 30))


CHANGES: dict[str, Callable[[Built], Any]] = {
    "costs": lambda t: t.model.modify(OBJECTIVE, ot.ScalarCoefficientChange(t.v[3], -4.0)),
    "constants": lambda t: t.model.modify(t.c[1], ot.VectorConstantChange(np.array([1.0, 0.2, 2.0, -0.4, 0.3, 1.5]))),
    "constants of one of two": lambda t: t.model.modify(t.c[7], ot.VectorConstantChange(np.array([3.0, 0.0, 1.0]))),
    "both": lambda t: (CHANGES["costs"](t), CHANGES["constants"](t)),
    "coefficients": lambda t: t.model.modify(t.c[4], ot.MultirowChange(t.v[2], [(0, 3.0), (2, 0.5)])),
    "square": lambda t: t.model.modify(OBJECTIVE, ot.ScalarQuadraticCoefficientChange(t.v[0], t.v[0], 3.0)),
    "delete a cone": lambda t: t.model.delete(t.c[1]),
    "add a cone": lambda t: t.model.add_constraint(2.0 * t.v[:3] + np.ones(3), ot.SecondOrderCone(3)),
}
IN_PLACE = {"costs", "constants", "constants of one of two", "both"}


@pytest.mark.parametrize("name", CHANGES)
@CONIC
def test_in_place_equals_cold(solver: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Vectors are passed on in place, and every change gives the answer of a cold copy."""
    built = Built(solver)
    model = built.model
    model.optimize()
    assert model.get(ot.TerminationStatus()) == ot.TerminationStatusCode.OPTIMAL
    loads = noted_calls(monkeypatch, solver, "load_arrays")
    CHANGES[name](built)
    model.optimize()
    assert model.get(ot.TerminationStatus()) == ot.TerminationStatusCode.OPTIMAL
    assert not (name in IN_PLACE and loads)
    monkeypatch.undo()
    cold = ot.MetaSolver(solver(), differentiates=False)
    index_map = model.copy_to(cold)
    cold.optimize()
    warm_x, cold_x = (m.get(ot.VariablePrimal(), m.get(ot.ListOfVariableIndices())) for m in (model, cold))
    np.testing.assert_allclose(warm_x, cold_x, rtol=2e-5, atol=2e-5)
    for index in [c for c in built.c if model.is_valid(c)]:
        y, wanted = model.get(ot.ConstraintDual(), index), cold.get(ot.ConstraintDual(), index_map(index))
        np.testing.assert_allclose(y, wanted, rtol=2e-5, atol=2e-5)


def test_scs_starts_from_the_last_solution() -> None:
    """After a small change SCS needs fewer iterations than cold; after an infeasible solve it starts cold."""
    built = Built(ot.solvers.SCS)
    model, v = built.model, built.v
    model.optimize()
    first = model.get(ot.BarrierIterations())
    model.modify(OBJECTIVE, ot.ScalarCoefficientChange(v[3], built.f.coefficient(v[3]) + 1e-9))
    model.optimize()
    assert model.get(ot.BarrierIterations()) < first
    right = model.get(ot.VariablePrimal(), v)
    wrong = model.add_constraint(np.zeros((1, 30)) @ v - 1.0, ot.Nonnegatives(1))
    model.optimize()
    assert model.get(ot.TerminationStatus()) == ot.TerminationStatusCode.INFEASIBLE
    model.modify(wrong, ot.VectorConstantChange(np.array([1.0])))
    model.optimize()
    assert model.get(ot.TerminationStatus()) == ot.TerminationStatusCode.OPTIMAL
    np.testing.assert_allclose(model.get(ot.VariablePrimal(), v), right, atol=1e-6)


def test_scs_at_a_limit() -> None:
    """A guess at the iteration limit is called what its residuals make of it, never OPTIMAL when it is not."""
    statuses = []
    for iterations in (5, 40, 10_000):
        model = Built(ot.solvers.SCS).model
        model.set(ot.RawOptimizerAttribute("max_iters"), iterations)
        model.set(ot.RawOptimizerAttribute("eps_abs"), 1e-300)
        model.set(ot.RawOptimizerAttribute("eps_rel"), 1e-300)
        model.optimize()
        statuses.append(model.get(ot.TerminationStatus()))
    assert statuses[0] == ot.TerminationStatusCode.ITERATION_LIMIT
    assert statuses[2] == ot.TerminationStatusCode.OPTIMAL


@pytest.mark.parametrize(
    ("name", "value"),
    [("max_iters", -1), ("verbose", "loud"), ("log_csv_filename", 3), ("eps_abs", "small"), ("normalize", 1)],
)
def test_scs_refuses_values(name: str, value: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """A value that SCS does not take is refused at once, by the option's name."""
    with pytest.raises(ot.InvalidData, match=name):
        ot.solvers.SCS(**{name: value})
