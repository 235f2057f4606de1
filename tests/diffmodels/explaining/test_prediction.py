"""Predictions: exact where they say so, honest about where that ends, and about errors where they are not exact."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optangent as ot

from .programs import Program


def solved_with(program: Program, i: int, number: float) -> tuple[float, Any, float]:
    """Value, x and a dual of the program with another right-hand side."""
    model = program.model
    old = model.get(ot.ConstraintSet(), program.rows[i])
    model.set(ot.ConstraintSet(), program.rows[i], type(old)(number))
    model.optimize()
    found = model.objective_value(), model.polished(program.x), model.polished(program.rows[i])
    model.set(ot.ConstraintSet(), program.rows[i], old)
    model.optimize()
    return found


@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("quadratic", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_exact_until_the_active_constraints_change(seed: int, quadratic: bool, maximize: bool) -> None:
    """Within its validity value, solution and duals are those of a new solve; beyond it, the number is right."""
    program = Program(seed, quadratic=quadratic, maximize=maximize, solver=ot.solvers.HiGHS)
    table = program.model.ranges().set_index("name")
    moved = 0
    for i in range(5):
        line = table.loc[f"row{i}"]
        for end in (line["low"], line["high"]):
            t = end - line["value"]
            if not np.isfinite(end) or abs(t) < 1e-6:
                continue
            moved += 1
            number = line["value"] + 0.9 * t
            found = program.model.predict({program.rows[i]: number})
            assert found.validity == pytest.approx(1.0 / 0.9) and found.trusted and found.error <= 1e-9
            value, x, dual = solved_with(program, i, number)
            assert found.objective == pytest.approx(value, rel=1e-7, abs=1e-7)
            np.testing.assert_allclose(found.value(program.x), x, rtol=1e-7, atol=1e-7)
            assert found.dual(program.rows[i]) == pytest.approx(dual, rel=1e-6, abs=1e-7)
            with pytest.warns(ot.DifferentiationWarning, match="0.25 of the"):
                beyond = program.model.predict({program.rows[i]: line["value"] + 4.0 * t})
            assert beyond.validity == pytest.approx(0.25) and not beyond.trusted and beyond.event
            assert "0.25" in repr(beyond)
    assert moved >= 3


def test_several_changes_at_once() -> None:
    """A parameter, a bound and a right-hand side; parameters are at their new values."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    x, y = model.add_variable("x", lower=0.0), model.add_variable("y", lower=0.5)
    p = model.add_parameter(1.0, "p")
    c = model.add_constraint(x + y >= 2 + p, name="c")
    model.minimize(x * x + 2 * y * y + 3 * p)
    model.optimize()
    bound = model.get(ot.ListOfConstraintIndices(ot.VariableIndex, ot.GreaterThan))[1]
    found = model.predict({p: 1.5, c: 2.25, bound: 0.6})
    model.set_parameter_value(p, 1.5)
    model.set(ot.ConstraintSet(), c, ot.GreaterThan(2.25))
    model.set_lower(y, 0.6)
    model.optimize()
    assert found.objective == pytest.approx(model.objective_value(), rel=1e-9)
    assert [found.value(one) for one in (x, y, p)] == pytest.approx(
        [*model.polished(ot.VectorOfVariables([x, y])), 1.5]
    )
    frame = found.to_frame()
    assert frame.loc["p"].tolist() == [1.0, 1.5, 0.5] and list(frame.columns) == ["before", "predicted", "change"]


def coefficient_model(p0: float) -> tuple[ot.Model, Any, Any]:
    """A parameter in a coefficient: the solution moves along a curve."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    x, p = model.add_variables(2, name="x"), model.add_parameter(p0, "p")
    model.add_constraint(p * x[0] + x[1] == 2.0)
    model.minimize(x @ x)
    model.optimize()
    return model, x, p


def soc_model(p0: float) -> tuple[ot.Model, Any, Any]:
    """A parameter in a cone."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    x, p = model.add_variables(2, name="x"), model.add_parameter(p0, "p")
    model.add_constraint(np.concatenate([[1.0 * p], x]), ot.SecondOrderCone(3))
    model.minimize((x - np.array([3.0, 1.0])) @ (x - np.array([3.0, 1.0])) + x[0])
    model.optimize()
    return model, x, p


@pytest.mark.parametrize("make", [coefficient_model, soc_model])
def test_errors_are_estimated(make: Any) -> None:
    """Along a curve the estimate is within a factor of four of the error, and falls with the square of the change."""
    model, x, p = make(1.0)
    errors = []
    for step in (0.2, 0.02):
        found = model.predict({p: 1.0 + step})
        exact = make(1.0 + step)
        place = exact[0].polished(exact[1])
        error = np.abs(found.value(x) - place).max() / np.abs(place).max()
        if error > 1e-8:
            assert 0.25 <= found.error / error <= 4.0
        else:
            assert found.error <= 1e-8
        errors.append(found.error)
    assert errors[1] <= 0.03 * errors[0] or errors[0] <= 1e-8
    assert np.isnan(found.validity) == (make is soc_model)


def test_refusals() -> None:
    """What is no change of one number, and no solution to begin with."""
    model, x, p = coefficient_model(1.0)
    cone = model.add_constraint(x, ot.Nonnegatives(2))
    with pytest.raises(ot.DifferentiationError, match="optimize"):
        model.predict({p: 2.0})
    model.optimize()
    with pytest.raises(ot.InvalidData, match="one right-hand side"):
        model.predict({cone: 1.0})
    with pytest.raises(ot.InvalidData, match="nothing to predict"):
        model.predict({})
    with pytest.raises(ot.InvalidData, match="finite"):
        model.predict({p: np.inf})
    with pytest.raises(ot.OptangentError, match="parameter"):
        model.predict({x[0]: 1.0})
    with pytest.raises(ot.OptangentError):
        model.predict({p: "much"})
