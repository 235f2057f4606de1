"""Solution paths: against a fine sweep of new solves, at degenerate breakpoints, to where there is no solution."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optangent as ot


def random_model(seed: int, *, quadratic: bool) -> tuple[ot.Model, ot.VariableIndex, ot.VectorOfVariables]:
    """A program with a parameter in a right-hand side, a bound of a row and a cost."""
    rng = np.random.default_rng(seed)
    n, m = 8, 6
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    x = model.add_variables(n, name="x", lower=0.0, upper=2.0)
    p = model.add_parameter(0.0, "p")
    A, d = rng.standard_normal((m, n)), rng.standard_normal(m)
    b = A @ rng.uniform(0.2, 1.5, n) + rng.uniform(0.5, 1.0, m)
    for i in range(m):
        model.add_constraint(A[i] @ x <= b[i] + 0.3 * d[i] * p, name=f"row{i}")
    root = rng.standard_normal((n, n))
    square = 0.5 * (x @ ((root.T @ root) @ x)) if quadratic else 0.0
    model.minimize(square + rng.standard_normal(n) @ x + p * x[0] - 0.5 * p * x[1])
    return model, p, x


@pytest.mark.parametrize("quadratic", [False, True])
@pytest.mark.parametrize("seed", [0, 1, 2, 4])
def test_a_fine_sweep(seed: int, quadratic: bool) -> None:
    """Values, objective and slope at 200 places are those of new solves; so are all places where the slope bends."""
    model, p, x = random_model(seed, quadratic=quadratic)
    before = model.parameter_value(p)
    path = model.path(p, -3.0, 3.0)
    assert model.parameter_value(p) == before and path.ends == "" and len(path.breakpoints) >= 1
    assert (np.diff(path.breakpoints) > 0.0).all()
    sweep = np.linspace(-3.0, 3.0, 201)
    objectives, places = [], []
    for t in sweep:
        model.set_parameter_value(p, float(t))
        model.optimize()
        objectives.append(model.objective_value())
        places.append(model.polished(x))
    np.testing.assert_allclose(path.objective(sweep), objectives, rtol=1e-7, atol=1e-7)
    order = [path.variables.index(model.name_of(int(i))) for i in x.ids]
    np.testing.assert_allclose(path.values(sweep)[:, order], np.array(places), rtol=1e-6, atol=1e-6)
    pieces = path.to_frame()
    assert pieces["start"].iloc[0] == -3.0 and pieces["stop"].iloc[-1] == 3.0
    np.testing.assert_allclose(pieces["objective_stop"][:-1], pieces["objective_start"][1:], rtol=1e-9, atol=1e-9)


def test_duals_and_slope_by_differences() -> None:
    """The slope is the derivative of the objective; the duals are those of the model between breakpoints."""
    model, p, _ = random_model(7, quadratic=True)
    path = model.path(p, -3.0, 3.0)
    edges = np.concatenate([[path.start], path.breakpoints, [path.stop]])
    middles = 0.5 * (edges[1:] + edges[:-1])
    h = 1e-6
    differences = (path.objective(middles + h) - path.objective(middles - h)) / (2.0 * h)
    np.testing.assert_allclose(path.slope(middles), differences, rtol=1e-7, atol=1e-7)
    row = model.constraint_by_name("row2")
    for t in middles:
        model.set_parameter_value(p, float(t))
        model.optimize()
        assert path.duals(float(t))[path.rows.index("row2")] == pytest.approx(model.polished(row), abs=1e-8)


def dispatch() -> tuple[ot.Model, ot.VariableIndex]:
    """Two generators and a demand."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    a, b = model.add_variable("a", lower=0, upper=150), model.add_variable("b", lower=0, upper=80)
    demand = model.add_parameter(100.0, "demand")
    model.add_constraint(a + b == demand, name="balance")
    model.minimize(20 * a + 30 * b + 0.1 * a * a + 0.05 * b * b)
    return model, demand


def test_to_the_end_of_feasibility() -> None:
    """The path ends where the generators do, exactly, and says so; at the very start it may be at a kink."""
    model, demand = dispatch()
    path = model.path(demand, 0.0, 300.0)
    assert path.breakpoints.tolist() == pytest.approx([50.0, 170.0], abs=1e-12)
    assert path.stop == pytest.approx(230.0, abs=1e-12) and path.ends.startswith("INFEASIBLE")
    assert path.to_frame()["at_stop"].tolist() == [
        "lower bound of b leaves",
        "upper bound of b enters",
        "upper bound of a enters",
    ]
    with pytest.raises(ot.InvalidData, match="from 0 to 230"):
        path.values(231.0)
    with pytest.raises(ot.NotOptimized, match="INFEASIBLE"):
        model.path(demand, 240.0, 300.0)


def test_degenerate_breakpoints() -> None:
    """Many rows that change at once are one breakpoint, and pieces between very close ones are found."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    v = model.add_variables(6, name="v", lower=0.0)
    p = model.add_parameter(0.0, "p")
    ends = [1.0, 1.0, 1.0, 1.0 + 1e-5, 2.0, 2.0]
    for j, end in enumerate(ends):
        model.add_constraint(v[j] >= p - end)
    model.minimize(np.sum(v))
    path = model.path(p, 0.0, 3.0)
    assert path.breakpoints.tolist() == pytest.approx([1.0, 1.0 + 1e-5, 2.0], abs=1e-11)
    assert path.slope([0.5, 1.000005, 1.5, 2.5]).tolist() == pytest.approx([0.0, 3.0, 4.0, 6.0])


def test_lasso_path_against_its_closed_form() -> None:
    """With an orthonormal design each coefficient is a soft threshold of the data."""
    rng = np.random.default_rng(3)
    y = rng.standard_normal(5) * 2.0
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    w, t = model.add_variables(5, name="w"), model.add_variables(5, name="t")
    weight = model.add_parameter(0.1, "weight")
    model.add_constraint(t - w >= 0)
    model.add_constraint(t + w >= 0)
    model.minimize(0.5 * ((w - y) @ (w - y)) + sum(weight * t[j] for j in range(5)))
    path = model.path(weight, 0.01, 6.0)
    assert path.breakpoints.tolist() == pytest.approx(sorted(abs(y)), abs=1e-9)
    weights = np.linspace(0.05, 4.9, 40)
    exact = np.sign(y) * np.maximum(np.abs(y) - weights[:, None], 0.0)
    order = [path.variables.index(f"w[{j}]") for j in range(5)]
    np.testing.assert_allclose(path.values(weights)[:, order], exact, atol=1e-9)


@pytest.mark.parametrize(
    ("ask", "error", "words"),
    [
        (lambda m, p, x: m.path(x, 0.0, 1.0), ot.OptangentError, "parameter"),
        (lambda m, p, x: m.path("p", 0.0, 1.0), ot.InvalidIndex, "parameter of the model"),
        (lambda m, p, x: m.path(p, 1.0, 1.0), ot.InvalidData, "larger stop"),
        (lambda m, p, x: m.path(p, 0.0, np.inf), ot.InvalidData, "larger stop"),
    ],
)
def test_refusals(ask: Any, error: Any, words: str) -> None:
    """What is no parameter, and what is no stretch."""
    model, p = dispatch()
    with pytest.raises(error, match=words):
        ask(model, p, model.variable_by_name("a"))


def test_a_coefficient_has_no_path() -> None:
    """A parameter that multiplies variables moves the solution along a curve."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    x, p = model.add_variable("x", lower=0.0), model.add_parameter(1.0, "p")
    model.add_constraint(p * x >= 1)
    model.minimize(1 * x)
    with pytest.raises(ot.Unsupported, match="predict"):
        model.path(p, 1.0, 2.0)
