"""Conflicts are conflicts, and irreducible: by brute force, of linear, conic and mixed-integer models."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.diffmodels.explaining.minimal_rows import is_minimal
from optangent.diffmodels.explaining.parts import Parts

Codes = ot.TerminationStatusCode
ONE = ot.ScalarAffineFunction((), (), 1.0)


def transport(model: ot.Model) -> set[str]:
    """Ship 12 from a depot that holds 10."""
    v = model.add_variables(3, "v", lower=0.0)
    model.add_constraint(v.sum() <= 10, name="depot")
    model.add_constraint(v[0] + v[1] >= 7, name="north")
    model.add_constraint(v[2] >= 5.0 + 0.0 * v[0], name="south")
    model.add_constraint(v[0] - v[1] <= 50, name="idle")
    model.minimize(v.sum())
    return {"depot", "north", "south"}


def bounds_alone(model: ot.Model) -> set[str]:
    """A sum of boxes."""
    v = model.add_variables(3, "v", lower=[0.0, 1.0, 2.0], upper=4.0)
    model.add_constraint(v.sum() <= 2.5, name="sum")
    model.minimize(v[0])
    return {"sum", "lower bound of v[0]", "lower bound of v[1]", "lower bound of v[2]"}


def crossed(model: ot.Model) -> set[str]:
    """Bounds of one variable that cross."""
    x = model.add_variable("x", lower=3.0)
    model.add_constraint(x, ot.LessThan(2.0))
    model.add_constraint(model.add_variable("y") <= 1.0 * x, name="idle")
    return {"lower bound of x", "upper bound of x"}


def constant_row(model: ot.Model) -> set[str]:
    """A row without variables that is false."""
    x = model.add_variable("x", lower=0.0, upper=1.0)
    model.add_constraint(ONE, ot.LessThan(0.0), name="no")
    model.add_constraint(2.0 * x <= 1.0, name="idle")
    return {"no"}


def parameters(model: ot.Model) -> set[str]:
    """Rows that contradict one another by the values of parameters."""
    low, high = model.add_parameter(3.0, "low"), model.add_parameter(2.0, "high")
    x = model.add_variable("x")
    model.add_constraint(x >= 1.0 * low, name="from")
    model.add_constraint(x <= 1.0 * high, name="to")
    model.minimize(1.0 * x)
    return {"from", "to"}


def equations(model: ot.Model) -> set[str]:
    """Three equations in two variables, of which any two have a solution, and one that is idle."""
    x, y = model.add_variable("x"), model.add_variable("y")
    model.add_constraint(x + y == 1, name="a")
    model.add_constraint(x - y == 1, name="b")
    model.add_constraint(2 * x + y == 3, name="c")
    model.add_constraint(x + y >= -5, name="idle")
    return {"a", "b", "c"}


def one_side_of_a_range(model: ot.Model) -> set[str]:
    """Of a range only the lower side, of a box only the upper ones."""
    v = model.add_variables(2, "v", lower=0.0, upper=1.0)
    model.add_constraint(v.sum(), ot.Interval(3.0, 9.0), name="range")
    return {"range", "upper bound of v[0]", "upper bound of v[1]"}


def rows_of_arrays(model: ot.Model) -> set[str]:
    """Rows 1 and 3 of a block, by number."""
    v = model.add_variables(2, "v")
    A = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [-1.0, -1.0]])
    model.add_constraint(A @ v <= np.array([1.0, -2.0, 1.0, 1.0]), name="block")
    return {"block[1]", "block[3]"}


def rectangle(model: ot.Model) -> set[str]:
    """Sides of a rectangle of functions."""
    v = model.add_variables(2, "v")
    model.add_constraint(ot.vectorize([v[0] + v[1], v[0] - v[1]]), ot.HyperRectangle([0.0, 2.0], [1.0, 3.0]), "box")
    model.add_constraint(1.0 * v[0] <= 0.5, name="cap")
    return {"box[0]", "box[1]", "cap"}


def quadratic_objective(model: ot.Model) -> set[str]:
    """The objective does not matter."""
    v = model.add_variables(2, "v", lower=1.0)
    model.add_constraint(v.sum() <= 1.0, name="sum")
    model.minimize(v @ v)
    return {"sum", "lower bound of v[0]", "lower bound of v[1]"}


def several(model: ot.Model) -> None:
    """Several conflicts, any of which will do."""
    v = model.add_variables(6, "v", lower=0.0, upper=1.0)
    for i, j in itertools.combinations(range(6), 2):
        model.add_constraint(v[i] + v[j] >= 2.5 - 0.4 * (i == 0), name=f"c{i}{j}")


def weak_and_unbounded(model: ot.Model) -> set[str]:
    """A model that is infeasible, and whose objective would fall for ever."""
    x, y = model.add_variable("x", lower=0.0), model.add_variable("y", lower=0.0)
    model.add_constraint(x <= -1.0 + 0.0 * y, name="no")
    model.minimize(-1.0 * y)
    return {"no", "lower bound of x"}


def soc(model: ot.Model) -> set[str]:
    """A ball that a half space misses."""
    v = model.add_variables(2, "v", upper=9.0)
    model.add_constraint(ot.vectorize([ONE, v[0], v[1]]), ot.SecondOrderCone(3), name="ball")
    model.add_constraint(v[0] + v[1] >= 2.0, name="far")
    model.add_constraint(v[0] - v[1] <= 7.0, name="idle")
    return {"ball", "far"}


def curved_rows(model: ot.Model) -> set[str]:
    """Two discs whose common points are all near an axis."""
    x, y = model.add_variable("x"), model.add_variable("y")
    model.add_constraint(x * x + y * y <= 1.0, name="left")
    model.add_constraint(x * x - 3.8 * x + y * y <= -2.61, name="right")
    model.add_constraint(x * x <= 100.0, name="idle")
    model.add_constraint(1.0 * y >= 0.5, name="high")
    return {"left", "right", "high"}


def norms(model: ot.Model) -> set[str]:
    """A ball of the largest entry, through bridges."""
    v = model.add_variables(2, "v", lower=-5.0)
    model.add_constraint(ot.vectorize([ONE, v[0], v[1]]), ot.NormInfinityCone(3), name="cube")
    model.add_constraint(v.sum() >= 2.5, name="far")
    return {"cube", "far"}


def psd(model: ot.Model) -> set[str]:
    """A matrix with a small diagonal and a large entry beside it."""
    X = model.add_variables((2, 2), "X", symmetric=True)
    model.add_constraint(X >> 0.0 * np.eye(2), name="psd")
    model.add_constraint(X[0, 0] + X[1, 1] <= 1.0, name="trace")
    model.add_constraint(1.0 * X[0, 1] >= 1.0, name="beside")
    model.add_constraint(1.0 * X[0, 0] >= -3.0, name="idle")
    return {"psd", "trace", "beside"}


def exponential(model: ot.Model) -> set[str]:
    """The exponential of one is not below two."""
    x, z = model.add_variable("x", lower=1.0), model.add_variable("z", upper=2.0)
    model.add_constraint(ot.vectorize([1.0 * x, ONE, 1.0 * z]), ot.ExponentialCone(), name="exp")
    model.add_constraint(x + z <= 50.0, name="idle")
    return {"exp", "lower bound of x", "upper bound of z"}


def parity(model: ot.Model) -> set[str]:
    """Twice a whole number is not one."""
    x = model.add_variable("x", lower=0.0, upper=5.0, integer=True)
    y = model.add_variable("y", lower=0.0, upper=5.0)
    model.add_constraint(2.0 * x == 1.0, name="odd")
    model.add_constraint(x + y <= 7.0, name="idle")
    return {"odd", "x is integer"}


def knapsack(model: ot.Model) -> None:
    """Binaries whose weights do not add up."""
    v = model.add_variables(5, "v", binary=True)
    model.add_constraint(np.array([6.0, 10.0, 15.0, 21.0, 35.0]) @ v == 29.0, name="weight")
    model.add_constraint(v.sum() >= 1.0, name="some")
    model.maximize(v.sum())


def relaxed_integers(model: ot.Model) -> set[str]:
    """Integers that have nothing to do with it."""
    v = model.add_variables(4, "v", lower=0.0, upper=3.0, integer=True)
    model.add_constraint(v.sum() >= 13.0, name="sum")
    model.add_constraint(v[0] + v[1] <= 50.0, name="idle")
    return {"sum", *(f"upper bound of v[{k}]" for k in range(4))}


def semicontinuous(model: ot.Model) -> set[str]:
    """Off, or at least two."""
    x = model.add_variable("x")
    model.add_constraint(x, ot.Semicontinuous(2.0, 3.0))
    model.add_constraint(1.0 * x >= 0.5, name="on")
    model.add_constraint(1.0 * x <= 1.5, name="low")
    return {"x is semicontinuous", "on", "low"}


def random_lp(seed: int) -> Callable[[ot.Model], None]:
    """Random rows around a point, and some that add up to a contradiction."""

    def build(model: ot.Model) -> None:
        rng = np.random.default_rng(seed)
        m, n = 25, 12
        A = rng.standard_normal((m, n)) * (rng.random((m, n)) < 0.4)
        b = A @ rng.standard_normal(n) - rng.random(m)
        chosen = rng.choice(m, 4, replace=False)
        v = model.add_variables(n, "v", lower=-100.0, upper=100.0)
        model.add_constraint(A @ v >= b, name="rows")
        model.add_constraint(-A[chosen].sum(axis=0) @ v >= -b[chosen].sum() + 0.5, name="against")

    return build


def itest2(model: ot.Model) -> None:
    """The infeasible problem of this name in Netlib's collection (J. W. Chinneck): equations with slacks."""
    v = model.add_variables(13, "v", lower=0.0)
    x, y, z, u = v[9], v[10], v[11], v[12]
    rows = [
        *(y - 0.5 * x - v[0] == 0.5, 2.0 * x - y - v[1] == 3.0, 3.0 * x + y + v[2] == 6.0),
        *(u + v[3] == 2.0, 3.0 * z - u + v[4] == 2.0, z - v[5] == 5.0),
        *(x + u + v[6] == 10.0, x + 2.0 * y + z + v[7] == 14.0, y + z - v[8] == 1.0),
    ]
    for k, row in enumerate(rows):
        model.add_constraint(row, name=f"row{k}")


LINEAR = [
    *(transport, bounds_alone, crossed, constant_row, parameters, equations, one_side_of_a_range, rows_of_arrays),
    *(rectangle, quadratic_objective, several, weak_and_unbounded, norms, itest2, random_lp(0), random_lp(1)),
]
CONIC = [soc, curved_rows, psd, exponential]
MIXED = [parity, knapsack, relaxed_integers, semicontinuous]
CASES = [
    *itertools.product(["HiGHS"], LINEAR + MIXED),
    *itertools.product(["Clarabel"], LINEAR + CONIC),
    *itertools.product(["SCS"], [transport, equations, soc, psd]),
    *itertools.product(["OSQP"], [transport, quadratic_objective]),
]


def infeasible(solver: str, build: Any) -> tuple[ot.Model, set[str] | None]:
    """The model, solved, and the names that are expected."""
    model = ot.Model(getattr(ot.solvers, solver))
    names = build(model)
    model.optimize()
    return model, names


def status_of(model: ot.Model, members: list[Any]) -> Codes:
    """Of the model with these members of a conflict alone, and no objective."""
    alone = copy.deepcopy(model)
    alone.set(ot.ObjectiveSense(), ot.ObjectiveSenseCode.FEASIBILITY_SENSE)
    for kind in alone.get(ot.ListOfConstraintTypesPresent()):
        for index in [] if kind[1] is ot.Parameter else alone.get(ot.ListOfConstraintIndices(*kind)):
            mine = [member for member in members if member.index == index]
            function, chosen = alone.get(ot.ConstraintFunction(), index), alone.get(ot.ConstraintSet(), index)
            box = kind[1].bounds(chosen.numbers)
            if mine and (box is None or mine[0].side == ""):
                continue
            alone.delete(index)
            if mine:
                lower, upper = (np.full(chosen.dimension, side) for side in (-np.inf, np.inf))
                for member in mine:
                    row = member.row or 0
                    lower[row] = lower[row] if member.side == "upper" else box[0][row]
                    upper[row] = upper[row] if member.side == "lower" else box[1][row]
                rows = function if kind[1].is_vector else ot.vectorize([function])
                alone.add_constraint(1.0 * rows if rows.degree < 1 else rows, ot.HyperRectangle(lower, upper))
    alone.optimize()
    return alone.termination_status()


@pytest.mark.parametrize(("solver", "build"), CASES)
def test_conflicts_are_irreducible(solver: str, build: Any) -> None:
    """The members alone have no common point, without any one of them the others have, and they are the known ones."""
    model, names = infeasible(solver, build)
    text = str(model)
    found = model.conflict()
    assert found.irreducible and not found.reason, found
    if names is not None:
        assert {member.name for member in found} == names
    members = list(found)
    assert status_of(model, members) is Codes.INFEASIBLE
    for member in members:
        assert status_of(model, [one for one in members if one is not member]) is Codes.OPTIMAL, member.name
    assert str(model) == text and model.termination_status() is not Codes.OPTIMIZE_NOT_CALLED


def test_constraints_and_tables() -> None:
    """Indices, each once, a table and a text by the names of the user."""
    pytest.importorskip("pandas")
    model, _ = infeasible("HiGHS", one_side_of_a_range)
    found = model.conflict()
    assert len(found) == len(found.constraints) == 3 and found.constraints[0] == model.constraint_by_name("range")
    table = found.to_frame()
    assert table.to_dict("list") == {
        "name": ["range", "upper bound of v[0]", "upper bound of v[1]"],
        "what": ["constraint", "bound", "bound"],
        "side": ["lower", "upper", "upper"],
        "says": ["v[0] + v[1] >= 3", "v[0] <= 1", "v[1] <= 1"],
    }
    assert "These 3 cannot hold together" in str(found) and "v[0] + v[1] >= 3" in repr(found)
    assert "<td>v[0] &lt;= 1</td>" in found._repr_html_()
    assert found.solves >= 1 and found.seconds > 0.0


def test_labels_of_pandas() -> None:
    """Rows of a labelled constraint are called by their labels."""
    pandas = pytest.importorskip("pandas")
    model = ot.Model(ot.solvers.HiGHS)
    stock = model.add_variables(index=pandas.Index(["ham", "eggs"]), name="stock", lower=0.0)
    model.add_constraint(stock <= pandas.Series([-1.0, 2.0], index=["ham", "eggs"]), name="shelf")
    model.optimize()
    assert {member.name for member in model.conflict()} == {"shelf[ham]", "lower bound of stock[ham]"}


def test_after_the_conflict_is_mended() -> None:
    """The model was left as it is: one member changed, it has a solution."""
    model, _ = infeasible("HiGHS", transport)
    south = next(member for member in model.conflict() if member.name == "south")
    model.set(ot.ConstraintSet(), south.index, ot.GreaterThan(3.0))
    model.optimize()
    assert model.objective_value() == pytest.approx(10.0)


@pytest.mark.parametrize("solver", ["HiGHS", "Clarabel"])
def test_models_without_a_conflict(solver: str) -> None:
    """Refused in words: unsolved, solved to an optimum, and unbounded with feasible points."""
    model = ot.Model(getattr(ot.solvers, solver))
    x = model.add_variable("x", upper=3.0)
    model.minimize(-1.0 * x)
    with pytest.raises(ot.NotOptimized, match=r"has not been solved .* Call optimize"):
        model.conflict()
    model.optimize()
    with pytest.raises(ot.NotAllowed, match="no conflict: the model has a solution"):
        model.conflict()
    model.maximize(-1.0 * x)
    model.optimize()
    assert model.termination_status() is Codes.DUAL_INFEASIBLE
    with pytest.raises(ot.NotAllowed, match=r"no conflict: the constraints have a common point.*DUAL_INFEASIBLE"):
        model.conflict()


@pytest.mark.parametrize("limit", [0.0, -1.0, np.nan, "soon"])
def test_limits_that_are_none(limit: Any) -> None:
    """A time limit is a positive number."""
    model, _ = infeasible("HiGHS", transport)
    with pytest.raises(ot.InvalidData, match="time limit"):
        model.conflict(time_limit=limit)


def test_progress_is_told() -> None:
    """From less to all; what is no callable is refused."""
    model, _ = infeasible("HiGHS", knapsack)
    told: list[tuple[int, int]] = []
    model.conflict(progress=lambda done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1] and told == sorted(told)
    with pytest.raises(ot.InvalidData, match="progress"):
        model.conflict(progress="yes")


def test_progress_on_the_error_output(capsys: pytest.CaptureFixture[str]) -> None:
    """True prints it."""
    model, _ = infeasible("HiGHS", transport)
    model.conflict(progress=True)
    assert capsys.readouterr().err.endswith(" decided\n")


def test_a_time_limit_cuts_short() -> None:
    """What is left is a conflict, said to be perhaps more than needed."""
    model, _ = infeasible("HiGHS", knapsack)
    found = model.conflict(time_limit=1e-9)
    assert not found.irreducible and "time limit" in found.reason
    assert "perhaps fewer" in str(found) and status_of(model, list(found)) is Codes.INFEASIBLE


def test_doubt_keeps_members(monkeypatch: pytest.MonkeyPatch) -> None:
    """A solve without an answer proves nothing: the member stays, and the reason is told."""
    model, names = infeasible("HiGHS", parity)
    solve = ot.solvers.HiGHS.run

    def failing(solver: Any, form: Any, start: Any = None) -> Any:
        result = solve(solver, form, start)
        if result.status is Codes.OPTIMAL:
            result.status, result.raw = Codes.NUMERICAL_ERROR, "stuck"
        return result

    monkeypatch.setattr(ot.solvers.HiGHS, "run", failing)
    found = model.conflict()
    assert {member.name for member in found} == names and not found.irreducible
    assert "without odd: NUMERICAL_ERROR" in found.reason


def test_options_stay_and_other_solvers_help() -> None:
    """The copy has the solvers of the model, the one that takes its cones among them, and a short limit of its own."""
    model = ot.Model([ot.solvers.HiGHS, ot.solvers.Clarabel])
    names = soc(model)
    model.set(ot.TimeLimitSec(), 30.0)
    model.optimize()
    found = model.conflict(time_limit=20.0)
    assert {member.name for member in found} == names and found.irreducible
    assert model.get(ot.TimeLimitSec()) == 30.0


def test_linear_rows_take_few_solves() -> None:
    """The rank of a proof by the simplex method tells that all its rows are needed; without bounds that is all rows."""
    model = ot.Model(ot.solvers.HiGHS)
    x = model.add_variables((30, 40), lower=0.0)
    supply = model.add_constraint(x.sum(axis=1) <= np.ones(30), name="supply")
    model.add_constraint(x.sum(axis=0) >= np.ones(40), name="demand")
    model.minimize(x.sum())
    model.optimize()
    found = model.conflict()
    assert found.irreducible and found.solves <= 3 and len(found) == 30 + 40
    assert {member.name for member in found if member.index == supply} == {f"supply[{k}]" for k in range(30)}


def test_ranks() -> None:
    """Rows are minimal if any k - 1 of them are independent, and not in a model with cones or integers."""
    model = ot.Model()
    p, v = model.add_parameter(2.0), model.add_variables(3)
    rows = [v[0] + v[1] + p, v[1] - v[2] - p, v[0] + v[2] + 0.0, 2.0 * v[0] + 2.0 * v[1] - p]
    model.add_constraints([row - 0.5 for row in rows], ot.GreaterThan(0.0))
    parts = Parts.of(model.store)
    for chosen, minimal in (((0, 1, 2), True), ((0, 3), True), ((0, 1, 2, 3), False), ((0,), False)):
        assert is_minimal(parts, np.array([k in chosen for k in range(4)])) is minimal
    model.add_constraint(v, ot.SecondOrderCone(3))
    assert not is_minimal(parts := Parts.of(model.store), np.ones(len(parts), bool))
