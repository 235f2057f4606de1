"""The least change that makes a model feasible, against other programs, closed forms and differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.optimize

import optangent as ot

from .test_conflict import ONE, curved_rows, knapsack, parity, transport

Codes = ot.TerminationStatusCode


def pulled_apart(solver: str, low: float = 3.0, high: float = 2.0) -> tuple[Any, ...]:
    """A variable that should be above one parameter, below another, and small."""
    model = ot.Model(ot.diff_optimizer(getattr(ot.solvers, solver)))
    p, q = model.add_parameter(low, "p"), model.add_parameter(high, "q")
    x, y = model.add_variable("x"), model.add_variable("y")
    model.add_constraint(x >= 1.0 * p, name="from")
    model.add_constraint(x <= 1.0 * q, name="to")
    model.add_constraint(y >= x - 1.0, name="beside")
    model.minimize(x * x + y * y)
    return model, p, q, x, y


@pytest.mark.parametrize("solver", ["HiGHS", "Clarabel"])
@pytest.mark.parametrize("seed", range(4))
def test_the_sum_is_the_least(solver: str, seed: int) -> None:
    """The total is that of a linear program written by hand, and with the changes made there is a solution."""
    rng = np.random.default_rng(seed)
    m, n = 12, 5
    A, b, w = rng.standard_normal((m, n)), rng.standard_normal(m), rng.uniform(0.5, 2.0, m)
    b[:4] += 3.0
    A[6:8] = -A[:2]
    model = ot.Model(getattr(ot.solvers, solver))
    v = model.add_variables(n, "v", lower=-1.0, upper=1.0)
    rows = model.add_constraints(A @ v, [ot.GreaterThan(float(side)) for side in b])
    model.minimize(v.sum())
    known = scipy.optimize.linprog(
        np.concatenate([np.zeros(n), w]), np.hstack([-A, -np.eye(m)]), -b, bounds=[(-1, 1)] * n + [(0, None)] * m
    )
    relaxation = model.relax(rows, penalties=w)
    assert relaxation.total == pytest.approx(known.fun, rel=1e-6)
    moved = {list(rows).index(one.index): one for one in relaxation.changes}
    found = relaxation.value(v)
    for k in range(m):
        short = max(b[k] - A[k] @ found, 0.0)
        assert (k in moved) == (short > 1e-6)
        if k in moved:
            one = moved[k]
            assert (one.side, one.value) == ("lower", float(b[k])) and one.needed == pytest.approx(
                b[k] - short, abs=1e-6
            )
            assert one.change == pytest.approx(-short, abs=1e-6) and one.cost == pytest.approx(w[k] * short, abs=1e-5)
            assert one.price == pytest.approx(w[k], rel=1e-5)
    changed = relaxation.changed()
    changed.optimize()
    assert changed.termination_status() is Codes.OPTIMAL
    assert changed.objective_value() <= found.sum() + 1e-6
    assert model.termination_status() is Codes.OPTIMIZE_NOT_CALLED


@pytest.mark.parametrize("solver", ["HiGHS", "Clarabel", "OSQP"])
def test_the_squares_are_the_least(solver: str) -> None:
    """Between two sides that cross, penalties decide where."""
    model, *_ = pulled_apart(solver)
    relaxation = model.relax(norm=2)
    assert relaxation.values["x"] == pytest.approx(2.5, abs=1e-5) and relaxation.total == pytest.approx(0.5, abs=1e-5)
    assert {one.name: round(one.change, 4) for one in relaxation.changes} == {"from": -0.5, "to": 0.5}
    firm = model.relax(norm=2, penalties={model.constraint_by_name("from"): 3.0})
    assert firm.values["x"] == pytest.approx(2.75, abs=1e-5)


@pytest.mark.parametrize("weight", [1e-3, 0.1])
def test_derivatives_of_the_closest_point(weight: float) -> None:
    """They are those of the closed form: of (x - p)² + (x - q)² + weight (x² + (x - 1)²)."""
    model, p, q, x, y = pulled_apart("Clarabel")
    relaxation = model.relax([model.constraint_by_name(name) for name in ("from", "to")], norm=2, weight=weight)
    closest = relaxation.model
    closest.set(ot.ReverseVariablePrimal(), x, 1.0)
    closest.reverse_differentiate()
    assert closest.polished(x) == pytest.approx((3.0 + 2.0 + weight) / (2.0 + 2.0 * weight), rel=1e-9)
    for one in (p, q):
        found = closest.get(ot.ReverseParameterValue(), one)
        assert found == pytest.approx(1.0 / (2.0 + 2.0 * weight), rel=1e-8)
    assert closest.polished(y) == pytest.approx(closest.polished(x) - 1.0, rel=1e-8)


def test_with_the_changes_made() -> None:
    """The model's own objective chooses among the points that the least change leaves."""
    model, _, _, x, y = pulled_apart("Clarabel")
    changed = model.relax(norm=2).changed()
    changed.optimize()
    assert changed.value([x, y]) == pytest.approx([2.5, 1.5], abs=1e-5)
    assert changed.objective_value() == pytest.approx(8.5, abs=1e-4)


def test_the_best_of_the_closest() -> None:
    """A little of the model's own objective, in its sense, chooses among the closest points."""
    for sense, sign in (("minimize", -1.0), ("maximize", 1.0)):
        model = ot.Model(ot.solvers.HiGHS)
        x, y = model.add_variable("x", lower=0.0, upper=1.0), model.add_variable("y", lower=-2.0, upper=2.0)
        model.add_constraint(x >= 2.0 + 0.0 * y, name="far")
        getattr(model, sense)(1.0 * y)
        relaxation = model.relax(weight=1e-3)
        assert relaxation.values == {"x": 1.0, "y": 2.0 * sign} and relaxation.total == pytest.approx(1.0)


@pytest.mark.parametrize("solver", ["Clarabel", "SCS"])
def test_distances_to_cones(solver: str) -> None:
    """Of the squares the least change is the distance to the cone: by its projection, and by eigenvalues."""
    model = ot.Model(getattr(ot.solvers, solver))
    c = model.add_constraint(ot.vectorize([1.0 * ONE, 3.0 * ONE, 4.0 * ONE]), ot.SecondOrderCone(3), name="cone")
    relaxation = model.relax(c, norm=2)
    assert relaxation.total == pytest.approx(8.0, rel=1e-5)
    assert [round(one.change, 3) for one in sorted(relaxation.changes, key=lambda one: one.row)] == [2.0, -1.2, -1.6]
    matrix = np.array([[1.0, 2.0], [2.0, -1.0]])
    model = ot.Model(getattr(ot.solvers, solver))
    X = model.add_variables((2, 2), "X", symmetric=True)
    psd = model.add_constraint(X >> 0.0 * np.eye(2), name="psd")
    for i, j in ((0, 0), (0, 1), (1, 1)):
        model.add_constraint(X[i, j] == matrix[i, j] + 0.0 * X[0, 0])
    relaxation = model.relax([psd], norm=2)
    assert relaxation.total == pytest.approx(5.0, rel=1e-5)  # its negative eigenvalue is -√5
    assert {one.name for one in relaxation.changes} == {"psd[0,0]", "psd[0,1]", "psd[1,1]"}
    assert "psd[0,1]" in str(relaxation)


def test_curved_rows() -> None:
    """Quadratic rows move by their right-hand sides."""
    model = ot.Model(ot.solvers.Clarabel)
    curved_rows(model)
    relaxation = model.relax([model.constraint_by_name(name) for name in ("left", "right")])
    x, y = relaxation.values["x"], relaxation.values["y"]
    over = max(x * x + y * y - 1.0, 0.0) + max((x - 1.9) ** 2 + y * y - 1.0, 0.0)
    assert y == pytest.approx(0.5, abs=1e-5) and relaxation.total == pytest.approx(over, abs=1e-5)
    assert over == pytest.approx(2.0 * (0.95**2 + 0.25 - 1.0), abs=1e-5)


def test_bounds_move_where_they_are_chosen() -> None:
    """Of single variables, of vectors, and one side of an interval."""
    model = ot.Model(ot.solvers.HiGHS)
    x = model.add_variable("x", lower=0.0, upper=1.0)
    v, nonnegative = model.add_constrained_variables(ot.Nonnegatives(2))
    model.add_constraint(x + v[0] >= 3.0, name="sum")
    model.add_constraint(v[0] + v[1] <= -1.0, name="below")
    bound = model.get(ot.ListOfConstraintIndices(ot.VariableIndex, ot.Interval))[0]
    relaxation = model.relax([bound, nonnegative], penalties={nonnegative: 5.0})
    named = {one.name: one for one in relaxation.changes}
    assert relaxation.total == pytest.approx(2.0 + 5.0) and len(named) == 2
    upper = named["upper bound of x"]
    assert (upper.side, upper.value, upper.index) == ("upper", 1.0, bound) and upper.needed == pytest.approx(3.0)


def test_equations_and_rows_of_arrays() -> None:
    """Equations move both ways; rows of arrays are called by their places and have the numbers that were written."""
    pytest.importorskip("pandas")
    model = ot.Model(ot.solvers.HiGHS)
    v = model.add_variables(2, "v", lower=0.0, upper=1.0)
    model.add_constraint(np.eye(2) @ v <= np.array([-1.0, 5.0]), name="rows")
    model.add_constraint(v.sum() == 4.0, name="equation")
    table = model.relax().to_frame().set_index("name")
    assert table.loc["rows[0]", ["side", "value", "needed"]].tolist() == ["upper", -1.0, 0.0]
    assert table.loc["equation", "side"] == "equal" and table.loc["equation", "cost"] >= 2.0 - 1e-9
    assert table["cost"].sum() == pytest.approx(4.0)


def test_integers_stay() -> None:
    """With integers the rows move, as far as they must."""
    model = ot.Model(ot.solvers.HiGHS)
    parity(model)
    relaxation = model.relax()
    assert relaxation.total == pytest.approx(1.0) and np.isnan(relaxation.changes[0].price)
    model = ot.Model(ot.solvers.HiGHS)
    knapsack(model)
    assert model.relax([model.constraint_by_name("weight")]).total == pytest.approx(2.0)  # 21 + 10 - 29, or 21 + 6


def test_no_change_is_needed() -> None:
    """A feasible model is told so."""
    for norm in (1, 2):
        model = ot.Model(ot.solvers.Clarabel)
        x = model.add_variable("x")
        model.add_constraint(1.0 * x >= 1.0)
        relaxation = model.relax(norm=norm)
        assert len(relaxation) == 0 and relaxation.total == 0.0 and "No change" in str(relaxation)


def test_bad_input() -> None:
    """Refused in words; and where the others contradict one another, so is the relaxation."""
    model = ot.Model(ot.solvers.HiGHS)
    transport(model)
    north, south = (model.constraint_by_name(name) for name in ("north", "south"))
    x = model.add_variable("x", integer=True)
    p = model.add_parameter(1.0, "p")
    whole = model.get(ot.ListOfConstraintIndices(ot.VariableIndex, ot.Integer))[0]
    data = model.get(ot.ListOfConstraintIndices(ot.VariableIndex, ot.Parameter))[0]
    text = str(model)
    refused: list[tuple[Callable[[], object], Any, str]] = [
        (lambda: model.relax(norm=3), ot.InvalidData, "norm is 1"),
        (lambda: model.relax(weight=-1.0), ot.InvalidData, "weight"),
        (lambda: model.relax("north"), ot.InvalidIndex, "constraint_by_name"),
        (lambda: model.relax([x]), ot.InvalidIndex, "may be relaxed"),
        (lambda: model.relax(p), ot.InvalidIndex, "constraint"),
        (lambda: model.relax([]), ot.InvalidData, "empty"),
        (lambda: model.relax(whole), ot.InvalidData, "gaps"),
        (lambda: model.relax([data]), ot.InvalidData, "parameter"),
        (lambda: model.relax([north], penalties=0.0), ot.InvalidData, "positive number"),
        (lambda: model.relax([north], penalties=[1.0, 2.0]), ot.DimensionMismatch, "each of the 1"),
        (lambda: model.relax([north], penalties={south: 1.0}), ot.InvalidIndex, "none of the constraints"),
        (lambda: model.relax(ot.Model().add_constraint(1.0 * x >= 1)), ot.InvalidIndex, "another model"),
    ]
    for wrong, error, words in refused:
        with pytest.raises(error, match=words):
            wrong()
    model.delete(model.constraint_by_name("depot"))
    c = model.add_constraint(1.0 * x <= -1.0)
    model.add_constraint(1.0 * x >= 0.0)
    with pytest.raises(ot.NotAllowed, match=r"However much these rows move.*model.conflict"):
        model.relax([north])
    model.delete(c)
    assert model.relax([north]).total == 0.0 and text.startswith(str(model)[:20])
    bounds_only = ot.Model(ot.solvers.HiGHS)
    bounds_only.add_variable(lower=0.0)
    with pytest.raises(ot.InvalidData, match="bounds of variables alone"):
        bounds_only.relax()
