"""Ranges: against new solves at their ends and beyond, beside HiGHS' own, in odd units, at degenerate solutions."""

from __future__ import annotations

from typing import Any

import highspy
import numpy as np
import pytest

import optangent as ot

from .programs import Program

SOLVERS = [ot.solvers.HiGHS, ot.solvers.Clarabel]


@pytest.mark.parametrize("scale", [0.0, 3.0])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(("quadratic", "maximize"), [(False, False), (False, True), (True, False), (True, True)])
@pytest.mark.parametrize("seed", range(2))
def test_values_at_the_ends_are_those_of_new_solves(
    seed: int, quadratic: bool, maximize: bool, solver: Any, scale: float
) -> None:
    """At each finite end the optimal value is the told one; beyond it, another than inside, or there is none."""
    program = Program(seed, quadratic=quadratic, maximize=maximize, solver=solver, scale=scale)
    f = program.model.objective_value()
    table = program.model.ranges()
    assert len(table) == 6 + 12 + 5
    assert set(table["what"]) == {"right-hand side", "bound", "cost"}
    finite = 0
    for line in table.itertuples():
        assert line.low <= line.value <= line.high
        for end, told in ((line.low, line.objective_low), (line.high, line.objective_high)):
            if not np.isfinite(end):
                continue
            finite += 1
            size = 1.0 + abs(f) + abs(told)
            found = program.value(line.what, line.name, line.side, end)
            if np.isfinite(found):  # at the end itself rounding may decide against feasibility
                assert abs(found - told) <= 1e-6 * size, line
            t = end - line.value
            if abs(t) <= 1e-9 * (1.0 + abs(end)):
                continue
            bend = 2.0 * (told - f - line.slope * t) / t**2
            beyond = 1.5 * t
            left = program.value(line.what, line.name, line.side, line.value + beyond)
            held = f + line.slope * beyond + 0.5 * bend * beyond**2
            assert not abs(left - held) <= 1e-9 * size, line
    assert finite >= 20


def highs_of(program: Program) -> Any:
    """The linear program in HiGHS, solved."""
    library: Any = highspy  # without types
    highs = library.Highs()
    highs.silent()
    n, m = len(program.c), len(program.b)
    for j in range(n):
        highs.addVar(0.0, float(program.upper[j]))
        highs.changeColCost(j, float(program.c[j]))
    for i in range(m):
        low = -highspy.kHighsInf if i < m - 1 else program.b[i]
        highs.addRow(low, program.b[i], n, np.arange(n, dtype=np.int32), program.A[i])
    highs.run()
    return highs


def with_infinities(values: Any) -> Any:
    """HiGHS' large numbers as what they mean."""
    return np.where(np.abs(values) >= 1e20, np.copysign(np.inf, values), values)


@pytest.mark.parametrize("seed", range(5))
def test_linear_ranges_are_those_of_highs(seed: int) -> None:
    """Of costs, and of right-hand sides of active rows: the same intervals and values."""
    program = Program(seed, quadratic=False, maximize=False, solver=ot.solvers.HiGHS)
    table = program.model.ranges()
    highs = highs_of(program)
    _, ranging = highs.getRanging()
    costs = table[table["what"] == "cost"]
    for column, record in (("low", ranging.col_cost_dn), ("high", ranging.col_cost_up)):
        theirs = with_infinities(np.array(record.value_)[:6])  # slacks of rows have costs there, too
        np.testing.assert_allclose(costs[column], theirs, rtol=1e-9, atol=1e-9)
        finite = np.isfinite(theirs)
        objective = costs[f"objective_{column}"].to_numpy()
        np.testing.assert_allclose(objective[finite], np.array(record.objective_)[:6][finite], rtol=1e-9, atol=1e-9)
    rows = table[table["what"] == "right-hand side"]
    active = np.flatnonzero(np.abs(np.array(highs.getSolution().row_dual)) > 1e-9)
    assert len(active)
    for name, side in (("low", ranging.row_bound_dn), ("high", ranging.row_bound_up)):
        theirs = with_infinities(np.array(side.value_)[active])
        ours = rows.set_index("name").loc[[f"row{i}" for i in active], name]
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)


def two_ways(solver: Any) -> ot.Model:
    """A vertex through which three lines go: any two of them are a basis."""
    model = ot.Model(ot.diff_optimizer(solver))
    x, y = model.add_variable("x", lower=0.0), model.add_variable("y", lower=0.0)
    for name, a, b in (("first", 1.0, 0.0), ("second", 0.0, 1.0), ("third", 1.0, 1.0)):
        model.add_constraint(a * x + b * y <= a + b, name=name)
    model.maximize(2 * x + 1 * y)
    model.optimize()
    return model


@pytest.mark.parametrize("solver", SOLVERS)
def test_degenerate_vertex(solver: Any) -> None:
    """The prices are those of a basis: complementary, dual feasible, and right on one side at least."""
    model = two_ways(solver)
    table = model.ranges()
    assert (table["note"] == "degenerate: of one basis").all()
    rows = table.query("what == 'right-hand side'").set_index("name")
    slopes = rows["slope"].to_dict()
    assert slopes["first"] + slopes["third"] == pytest.approx(2.0)
    assert slopes["second"] + slopes["third"] == pytest.approx(1.0)
    assert sorted(slopes.values())[0] == pytest.approx(0.0)
    widths = rows["high"] - rows["low"]
    assert (widths > 0.5).all()  # one-sided
    assert ((rows["low"] == rows["value"]) | (rows["high"] == rows["value"]) | (rows["slope"] == 0.0)).all()


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_face_of_solutions_and_rows_twice(solver: Any) -> None:
    """Where x is not unique a vertex is taken; of a row that stands there twice, one is not active."""
    model = ot.Model(ot.diff_optimizer(solver))
    x, y = model.add_variable("x", lower=0.0), model.add_variable("y", lower=0.0)
    model.add_constraint(x + y <= 2, name="once")
    model.add_constraint(2 * x + 2 * y <= 4, name="twice")
    model.maximize(x + y)
    model.optimize()
    table = model.ranges()
    assert (table["note"] == "degenerate: of one basis").all()
    rows = table.query("what == 'right-hand side'").set_index("name")
    assert sorted(rows["slope"] * [1.0, 2.0]) == pytest.approx([0.0, 1.0])
    priced = rows[rows["slope"] > 0.0].iloc[0]
    assert priced["high"] == pytest.approx(priced["value"]) and priced["low"] == pytest.approx(0.0)
    costs = table.query("what == 'cost'").set_index("name")
    assert (costs["low"] <= 1.0).all() and (costs["high"] >= 1.0).all()
    assert sorted(costs["slope"]) == pytest.approx([0.0, 2.0])  # a vertex


def test_dependent_equalities_cannot_follow() -> None:
    """A right-hand side of one of two equal rows cannot move by itself."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    x = model.add_variable("x")
    model.add_constraint(1 * x == 1, name="one")
    model.add_constraint(2 * x == 2, name="other")
    model.minimize(x * x)
    model.optimize()
    rows = model.ranges().query("what == 'right-hand side'")
    assert (rows["low"] == rows["high"]).all() and (rows["at_low"] == "the active rows cannot follow").all()


def test_parameters_have_ranges_where_they_move_sides_and_costs() -> None:
    """A demand and a price do; a coefficient, a square and a product of the parameter do not."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    a, b = model.add_variable("a", lower=0, upper=150), model.add_variable("b", lower=0, upper=80)
    demand, price, share = (model.add_parameter(v, n) for v, n in ((200.0, "demand"), (30.0, "price"), (1.0, "share")))
    square = model.add_parameter(2.0, "square")
    model.add_constraint(a + share * b == demand, name="balance")
    model.minimize(20 * a + price * b + 2 * demand + square * square)
    model.optimize()
    found = model.ranges().query("what == 'parameter'").set_index("name")
    assert list(found.index) == ["demand", "price"] and (found["note"] == "").all()
    line = found.loc["demand"]
    assert (line["low"], line["high"], line["slope"]) == pytest.approx((150.0, 230.0, 32.0))
    assert (line["objective_low"], line["objective_high"]) == pytest.approx((3304.0, 5864.0))
    line = found.loc["price"]
    assert (line["low"], line["high"], line["slope"]) == pytest.approx((20.0, np.inf, 50.0))


def test_refusals() -> None:
    """Without a solution, with cones, and with whole numbers there are none, and the error says what there is."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    v = model.add_variables(3, name="v")
    model.minimize(v[0])
    with pytest.raises(ot.DifferentiationError, match="optimize"):
        model.ranges()
    model.add_constraint(v, ot.SecondOrderCone(3))
    model.add_constraint(v[1] >= 1)
    model.optimize()
    with pytest.raises(ot.Unsupported, match="predict"):
        model.ranges()
    whole = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    whole.add_variable("n", lower=0.5, integer=True)
    whole.optimize()
    with pytest.raises(ot.DifferentiationError, match="integer"):
        whole.ranges()


def test_rows_of_vectors_and_bridges_have_names() -> None:
    """Rows of a vector constraint are told by number; what a bridge makes has none but is named where it enters."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    v = model.add_variables(2, name="v")
    model.add_constraint(np.eye(2) @ v >= np.array([1.0, 2.0]), name="least")
    t = model.add_variable("t")
    model.add_constraint(np.concatenate([[t], v]), ot.NormOneCone(3))
    model.minimize(1 * t)
    model.optimize()
    table = model.ranges()
    rows = table[table["what"] == "right-hand side"].set_index("name")
    assert list(rows.index) == ["least[0]", "least[1]"]
    assert rows["value"].tolist() == [1.0, 2.0] and rows["slope"].tolist() == pytest.approx([1.0, 1.0])
    assert rows["low"].tolist() == pytest.approx([0.0, 0.0])
    assert "NormOneCone" in rows.loc["least[0]", "at_low"]
