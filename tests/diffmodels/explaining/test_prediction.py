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
    model.add_constraint(np.concatenate([[1.0 * p], x]), ot.SecondOrderCone(3), name="disc")
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
    assert found.validity > 1.0


def psd_model(t0: float) -> tuple[ot.Model, Any, Any]:
    """The projection of a matrix, whose eigenvalues move with a parameter, on those that are positive semidefinite."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    X, t = model.add_variables(6, name="X"), model.add_parameter(t0, "t")
    model.add_constraint(X, ot.PositiveSemidefiniteConeTriangle(3), name="psd")
    C = np.random.default_rng(0).standard_normal((3, 3))
    C = C + C.T
    parts = []
    for k, (i, j) in enumerate([(0, 0), (0, 1), (1, 1), (0, 2), (1, 2), (2, 2)]):
        off = X[k] - C[i, j] - (t if i == j else 0.0)
        parts.append((1.0 + (i != j)) * off * off)
    model.minimize(sum(parts))
    model.optimize()
    return model, X, t


def exponential_model(p0: float) -> tuple[ot.Model, Any, Any]:
    """The entropy of two numbers, and a bound that begins to matter."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    x, t, p = model.add_variables(2, name="x"), model.add_variables(2, name="t"), model.add_parameter(p0, "p")
    for i in range(2):
        model.add_constraint(ot.vectorize([t[i], x[i], 1.0 + 0.0 * x[i]]), ot.ExponentialCone(), name=f"entropy{i}")
    model.add_constraint(x[0] + x[1] == p, name="sum")
    model.add_constraint(x[0] <= 1.0, name="cap")
    model.maximize(t[0] + t[1] + 0.1 * x[0])
    model.optimize()
    return model, x, p


@pytest.mark.parametrize(
    ("make", "start", "kink", "change", "event"),
    [
        (soc_model, 1.0, np.hypot(2.5, 1.0), 4.0, "disc gets to a kink of its cone"),
        (soc_model, 3.0, np.hypot(2.5, 1.0), -1.0, "disc gets to a kink of its cone"),
        (psd_model, 0.0, 0.6818518628686951, 5.0, "psd gets to a kink of its cone"),
        (psd_model, 0.0, -1.7293581709816985, -5.0, "psd gets to a kink of its cone"),
        (exponential_model, 1.8, 1.0 + 1.0 / 1.1, 3.0, "cap enters"),
        (exponential_model, 2.0, 1.0 + 1.0 / 1.1, -3.0, "cap leaves"),
    ],
)
def test_kinks_of_cones_are_seen_ahead(make: Any, start: float, kink: float, change: float, event: str) -> None:
    """The part of a change after which a cone is at a kink, and whose it is; a smaller change brings no warning."""
    model, _, p = make(start)
    with pytest.warns(ot.DifferentiationWarning, match=event):
        found = model.predict({p: start + change})
    assert found.event == event and not found.trusted
    assert start + found.validity * change == pytest.approx(kink, rel=1e-2 if make is exponential_model else 1e-6)
    near = model.predict({p: start + 0.5 * found.validity * change})
    assert near.validity == pytest.approx(2.0, rel=1e-6) and near.event == event


def test_no_kink_ahead() -> None:
    """A cone that moves away from its kinks, and one that does not move at all, limit no prediction."""
    model, _, p = soc_model(3.0)
    found = model.predict({p: 9.0})
    assert found.validity == np.inf and found.event == "" and found.trusted


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
