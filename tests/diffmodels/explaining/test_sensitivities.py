"""Tables of sensitivities: influences against central differences, of linear, quadratic and conic programs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import optangent as ot

from .programs import Program

STEP = 1e-5


def by_differences(program: Program, line: Any, output: Callable[[], float] | None) -> float:
    """The derivative of the optimal value, or of an output, in a right-hand side or bound."""
    found = []
    what = "right-hand side" if line.what == "constraint" else "bound"
    for step in (STEP, -STEP):
        side = "lower" if line.name.startswith("lower") else "upper"
        number = (line.lower if side == "lower" else line.upper) + step
        found.append(program.value(what, line.name, side, number, output))
    return (found[0] - found[1]) / (2.0 * STEP)


@pytest.mark.parametrize("solver", [ot.solvers.HiGHS, ot.solvers.Clarabel])
@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("of", ["value", "output"])
def test_influence_of_quadratic_programs(solver: Any, maximize: bool, of: str) -> None:
    """Of the optimal value and of an output, in each right-hand side and each bound."""
    program = Program(5, quadratic=True, maximize=maximize, solver=solver)
    x = program.x
    chosen = 2.0 * x[0] - 3.0 * x[3] + 1.0
    table = program.model.sensitivities(None if of == "value" else chosen)
    assert table["what"].tolist().count("constraint") == 5
    read = None if of == "value" else (lambda: float(program.model.polished(x) @ [2.0, 0.0, 0.0, -3.0, 0.0, 0.0]))
    seen = 0
    for line in table.itertuples():
        if line.name.startswith("bounds"):
            continue
        assert line.influence == pytest.approx(by_differences(program, line, read), abs=2e-5)
        seen += abs(line.influence) > 1e-3
    assert seen >= 1


def test_bounds() -> None:
    """Bounds of one side and of both, each by name, with what the optimal value makes of them."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    x, y = model.add_variable("x", upper=1.0), model.add_variable("y", lower=0.0, upper=3.0)
    z = model.add_variable("z", lower=2.0)
    model.minimize((x - 2) * (x - 2) + (y - 1) * (y - 1) + z * z)
    model.optimize()
    table = model.sensitivities().set_index("name")
    assert set(table["what"]) == {"bound"}
    influence = table["influence"].to_dict()
    assert influence == pytest.approx({"upper bound of x": -2.0, "bounds of y": 0.0, "lower bound of z": 4.0}, abs=1e-9)
    assert table.loc["bounds of y", ["value", "lower", "upper", "slack"]].tolist() == pytest.approx(
        [1.0, 0.0, 3.0, 1.0]
    )
    assert table.loc["upper bound of x", ["low", "high"]].tolist() == pytest.approx([-np.inf, 2.0])


def cone_model() -> tuple[ot.Model, Any, Any]:
    """The nearest point to a parameter in a shifted second-order cone."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    x = model.add_variables(3, name="x")
    p = model.add_parameters(np.array([0.2, 1.0, -2.0]), name="p")
    model.add_constraint(x + np.array([0.5, 0.0, 0.0]), ot.SecondOrderCone(3), name="cone")
    model.add_constraint(x[1] <= 0.7, name="cap")
    model.minimize((x - p) @ (x - p))
    model.optimize()
    return model, x, p


def test_influence_of_cones_and_parameters() -> None:
    """Constants of cones, a linear row and parameters, beside differences; there are no ranges."""
    model, x, _ = cone_model()
    table = model.sensitivities(of=1.0 * x[2]).set_index("name")
    assert sorted(table.index) == ["cap", "cone[0]", "cone[1]", "cone[2]", "p[0]", "p[1]", "p[2]"]
    assert table["low"].isna().all() and table.loc[["cone[0]", "cone[1]"], "slack"].isna().all()
    assert table.loc["cap", "slack"] == pytest.approx(0.7 - model.polished(x[1]), abs=1e-12)

    def output(shift: Any, cap: float, data: Any) -> float:
        other = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
        y = other.add_variables(3)
        other.add_constraint(y + np.array([0.5, 0.0, 0.0]) - shift, ot.SecondOrderCone(3))
        other.add_constraint(y[1] <= cap)
        other.minimize((y - data) @ (y - data))
        other.optimize()
        return float(other.polished(y)[2])

    data = np.array([0.2, 1.0, -2.0])
    for k in range(3):
        e = STEP * np.eye(3)[k]
        slope = (output(e, 0.7, data) - output(-e, 0.7, data)) / (2 * STEP)
        assert table.loc[f"cone[{k}]", "influence"] == pytest.approx(slope, abs=1e-6)
        slope = (output(0 * e, 0.7, data + e) - output(0 * e, 0.7, data - e)) / (2 * STEP)
        assert table.loc[f"p[{k}]", "influence"] == pytest.approx(slope, abs=1e-6)
    slope = (output(np.zeros(3), 0.7 + STEP, data) - output(np.zeros(3), 0.7 - STEP, data)) / (2 * STEP)
    assert table.loc["cap", "influence"] == pytest.approx(slope, abs=1e-6)


def test_an_output_may_be_a_parameter_and_seeds_stay() -> None:
    """Its own derivative is one; what the user set for differentiation is not touched."""
    model, x, p = cone_model()
    model.set(ot.ReverseVariablePrimal(), x[0], 1.0)
    model.reverse_differentiate()
    before = model.get(ot.ReverseParameterValue(), p[0])
    table = model.sensitivities(of=1.0 * p[1]).set_index("name")
    assert table["influence"].abs().sum() == table.loc["p[1]", "influence"] == 1.0
    assert model.get(ot.ReverseParameterValue(), p[0]) == before


def test_refusals() -> None:
    """Outputs that are no affine functions of the model's variables."""
    model, x, _ = cone_model()
    with pytest.raises(ot.InvalidData, match="affine functions of the variables, got 'x'"):
        model.sensitivities(of=[x, "x"])
    with pytest.raises(ot.InvalidData, match="affine"):
        model.sensitivities(of=x[0] * x[0])
    other = ot.Model()
    with pytest.raises(ot.InvalidIndex, match="another model"):
        model.sensitivities(of=1.0 * other.add_variable())
