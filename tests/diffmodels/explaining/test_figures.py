"""Drawings: what is drawn is the data, on the axes that were given; a missing matplotlib is named."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import optangent as ot

pytest.importorskip("pandas")
matplotlib = pytest.importorskip("matplotlib")


@pytest.fixture(autouse=True)
def _no_screen() -> Iterator[None]:
    """Figures in memory, closed afterwards."""
    matplotlib.use("Agg")
    from matplotlib import pyplot

    yield
    pyplot.close("all")


def new_axes() -> Any:
    """On a figure that no backend knows."""
    from matplotlib.figure import Figure

    return Figure().subplots()


def dispatch() -> Any:
    """Two generators over a demand, up to where they end."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    a, b = model.add_variable("a", lower=0, upper=150), model.add_variable("b", lower=0, upper=80)
    demand = model.add_parameter(100.0, "demand")
    model.add_constraint(a + b == demand, name="balance")
    model.minimize(20 * a + 30 * b + 0.1 * a * a + 0.05 * b * b)
    return model.path(demand, 0.0, 300.0)


def workshop() -> tuple[ot.Model, list[Any]]:
    """Tables, chairs and desks; one number that may not go down by one."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    made = [model.add_variable(name, lower=0) for name in ("tables", "chairs", "desks")]
    tables, chairs, desks = made
    model.add_constraint(4 * tables + chairs + 3 * desks <= 40, name="wood")
    model.add_constraint(2 * tables + 2 * chairs + 5 * desks <= 50, name="hours")
    model.add_constraint(chairs <= 15, name="chairs asked for")
    model.add_constraint(desks >= 0.6, name="desks promised")
    model.maximize(30 * tables + 12 * chairs + 10 * desks)
    model.optimize()
    return model, made


def lines_of(ax: Any) -> dict[str, Any]:
    """Points of the lines that have names."""
    return {line.get_label(): line.get_xydata() for line in ax.lines if not line.get_label().startswith("_")}


def test_a_path() -> None:
    """Values and duals, exact at both ends of every piece, with dots where they bend."""
    path, ax = dispatch(), new_axes()
    assert path.plot(ax) is ax
    found = lines_of(ax)
    assert set(found) == {"a", "b"}
    for name, points in found.items():
        at = path.variables.index(name)
        np.testing.assert_allclose(points[:, 1], path.values(points[:, 0])[:, at], atol=1e-9)
        assert points[[0, -1], 0].tolist() == [path.start, path.stop]
    dots = sorted(tuple(point) for marks in ax.collections for point in marks.get_offsets().tolist())
    expected = [(50.0, 0.0), (50.0, 50.0), (170.0, 80.0), (170.0, 90.0)]
    np.testing.assert_allclose(dots, expected, atol=1e-9)
    assert ax.get_xlabel() == "demand" and [text.get_text() for text in ax.texts] == ["infeasible"]
    duals = lines_of(path.plot(new_axes(), of="duals", names=["balance"]))
    assert list(duals) == ["balance"]
    at = path.rows.index("balance")
    np.testing.assert_allclose(duals["balance"][:, 1], path.duals(duals["balance"][:, 0])[:, at], atol=1e-9)


@pytest.mark.parametrize("of", ["objective", "slope"])
def test_optimal_values(of: str) -> None:
    """The optimal value is drawn as the curve that it is, its slope as lines."""
    path = dispatch()
    (points,) = lines_of(path.plot(new_axes(), of=of)).values()
    np.testing.assert_allclose(points[:, 1], getattr(path, of)(points[:, 0]), rtol=1e-12)
    assert set(path.breakpoints) <= set(points[:, 0]) and len(points) == (99 if of == "objective" else 6)


def test_a_jump_is_drawn_upright() -> None:
    """Where a price decides which of two things is made, all is made of the one and then of the other."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    a, b = model.add_variable("a", lower=0), model.add_variable("b", lower=0)
    never = model.add_variable("never", lower=0)
    price = model.add_parameter(1.0, "price")
    model.add_constraint(a + b + never == 10)
    model.minimize(price * a + 2 * b + 9 * never)
    ax = model.path(price, 1.0, 3.0).plot(new_axes())
    found = lines_of(ax)
    assert set(found) == {"a", "b"}  # what is zero throughout is left out
    np.testing.assert_allclose(found["a"], [[1, 10], [2, 10], [2, 0], [3, 0]], atol=1e-9)
    assert "never" in lines_of(model.path(price, 1.0, 3.0).plot(new_axes(), names=["never", "a"]))


def test_many_lines() -> None:
    """The seven largest have colours and names, the others are grey, unless they are asked for by name."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    x = model.add_variables(9, name="x", lower=0.0)
    p = model.add_parameter(1.0, "p")
    for j in range(9):
        model.add_constraint(x[j] >= (1.0 + j) * p)
    model.minimize(np.sum(x))
    path = model.path(p, 1.0, 2.0)
    ax = path.plot(new_axes())
    assert sorted(lines_of(ax)) == [f"x[{j}]" for j in range(2, 9)] and len(ax.lines) == 9
    ax = path.plot(new_axes(), names=path.variables)
    assert sorted(lines_of(ax)) == sorted(path.variables)
    looks = {(line.get_color(), line.get_linestyle()) for line in ax.lines}
    assert len(looks) == 9


def test_a_tornado() -> None:
    """Bars of dual times change, the longest on top, full within the range and pale beyond."""
    model, _ = workshop()
    table, ax = model.sensitivities(), new_axes()
    assert table.plot.tornado(ax) is ax
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["chairs asked for", "wood", "desks promised"]  # from below; the others do nothing
    influence = table.set_index("name").loc[names, "influence"].to_numpy()
    widths = {bars.get_label(): [bar.get_width() for bar in bars] for bars in ax.containers}
    np.testing.assert_allclose(widths["1 more"], influence)
    np.testing.assert_allclose(widths["1 less"], -influence * [1.0, 1.0, 0.6])
    assert "beyond its range" in widths and ax.get_xlabel() == "change of the optimal value"
    change = 0.1 * table["value"].abs()
    ax = table.plot.tornado(new_axes(), change=change, top=2)
    (more,) = [bars for bars in ax.containers if bars.get_label() == "more"]
    np.testing.assert_allclose([bar.get_width() for bar in more], [4.5 * 1.5, 7.5 * 4.0])


def test_a_heat_map() -> None:
    """Influences on several outputs at once are those on each alone; their numbers stand in the cells."""
    model, made = workshop()
    table = model.sensitivities(of={"profit": None, "chairs": made[1], "pieces": made[0] + made[1] + made[2]})
    for name, alone in (("profit", None), ("chairs", made[1]), ("pieces", made[0] + made[1] + made[2])):
        one = model.sensitivities(of=alone)["influence"]
        np.testing.assert_allclose(table[f"influence on {name}"], one, rtol=1e-12, atol=1e-15)
    ax = table.plot.heatmap(new_axes(), change=2.0)
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["profit", "chairs", "pieces"]
    expected = 2.0 * table.set_index("name").loc[names].filter(like="influence on").to_numpy()
    np.testing.assert_allclose(ax.images[0].get_array(), expected)
    assert sorted(names) == ["chairs asked for", "desks promised", "wood"]
    assert sorted(text.get_text() for text in ax.texts) == sorted(f"{e:.3g}" for e in expected.ravel() if e)
    with pytest.raises(ot.InvalidData, match="'profit', 'chairs'"):
        table.plot.tornado()
    assert table.plot.tornado(new_axes(), of="chairs").get_xlabel() == "change of chairs"


def test_of_parameters_and_cones() -> None:
    """Without ranges no bar is pale; several outputs have the influences of each, of parameters too."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    x = model.add_variables(2, name="x")
    p = model.add_parameters(np.array([0.2, 3.0]), name="p")
    model.add_constraint(ot.vectorize([1.0 + 0.0 * x[0], x[0], x[1]]), ot.SecondOrderCone(3), name="disc")
    model.minimize((x - p) @ (x - p) + p[0] * x[1])
    model.optimize()
    table = model.sensitivities(of=x)
    for k in range(2):
        np.testing.assert_allclose(
            table[f"influence on x[{k}]"], model.sensitivities(of=x[k])["influence"], rtol=1e-12, atol=1e-15
        )
    ax = table.plot.tornado(new_axes(), of="x[0]")
    assert {bars.get_label() for bars in ax.containers} >= {"1 less", "1 more"}
    assert "beyond its range" not in {bars.get_label() for bars in ax.containers}


def test_parts_of_tables() -> None:
    """What pandas makes of a table still draws, pandas' own drawings included, and so does a pickled one."""
    model, _ = workshop()
    table = pickle.loads(pickle.dumps(model.sensitivities()))
    ax = table.set_index("name").loc[["hours", "wood"]].plot.tornado(new_axes())
    assert [label.get_text() for label in ax.get_yticklabels()] == ["wood"]
    assert len(table.plot.scatter("value", "dual", ax=new_axes()).collections) == 1
    with pytest.raises(ot.InvalidData, match="no influences"):
        table[["name", "dual"]].plot.tornado()


def test_refusals() -> None:
    """Names and quantities that are not there, with those that are; a missing library, with how to install it."""
    path = dispatch()
    with pytest.raises(ot.InvalidData, match="There is no 'c' on this path, but 'a', 'b'"):
        path.plot(names=["c"])
    with pytest.raises(ot.InvalidData, match='"values", "duals"'):
        path.plot(of="prices")
    model, made = workshop()
    for of in ([], [made[0], 2.0], "tables", {"tables": 2.0}, {}):
        with pytest.raises(ot.InvalidData, match="affine functions of the variables"):
            model.sensitivities(of=of)
    with pytest.raises(ot.InvalidData, match="There is no output 'x', but 'tables'"):
        model.sensitivities(of=made).plot.tornado(of="x")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "matplotlib", None)
        with pytest.raises(ot.MissingDependency, match=r'pip install "optangent\[plot\]"'):
            path.plot()


def test_new_figures() -> None:
    """Without axes each drawing is a figure of its own in the current backend, and the user's settings stay."""
    from matplotlib import pyplot

    before = dict(matplotlib.rcParams)
    drawn = [dispatch().plot(), workshop()[0].sensitivities().plot.tornado()]
    assert {ax.figure.number for ax in drawn} == set(pyplot.get_fignums()) and len(drawn) == 2
    assert dict(matplotlib.rcParams) == before


def test_nothing_to_draw() -> None:
    """Where nothing moves anything, and all is zero throughout, the axes stay empty."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    x = model.add_variable("x", lower=-1.0)
    p = model.add_parameter(1.0, "p")
    model.add_constraint(x <= p, name="far")
    model.minimize(x * x)
    model.optimize()
    table = model.sensitivities()
    for draw in (table.plot.tornado, table.plot.heatmap):
        ax = draw(new_axes())
        assert len(ax.get_yticks()) == 0 and [text.get_text() for text in ax.texts] == ["no number has an influence"]
    path = model.path(p, 1.0, 2.0)
    ax = new_axes()
    assert path.plot.path(ax) is ax  # the same by its long name
    assert not ax.lines


def test_many_columns() -> None:
    """A heat map too wide for numbers has a scale of its colours."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    x = model.add_variables(14, name="x", lower=np.arange(1.0, 15.0))
    model.minimize(np.sum(x))
    model.optimize()
    ax = model.sensitivities(of=x).plot.heatmap(new_axes())
    assert not ax.texts and len(ax.figure.axes) == 2
    np.testing.assert_allclose(ax.images[0].get_array(), np.eye(14), atol=1e-12)


def test_of_jacobians() -> None:
    """A Jacobian's frame is drawn with its data on the left; a pickled part of it too."""
    model, made = workshop()
    wood, hours = (model.constraint_by_name(name) for name in ("wood", "hours"))
    J = model.jacobian([*made, ot.ObjectiveValue()], [wood, hours, ot.Coefficients(wood)])
    table = pickle.loads(pickle.dumps(J.to_frame()))
    ax = table.plot.heatmap(new_axes(), change=2.0)
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert [label.get_text() for label in ax.get_xticklabels()] == J.outputs
    assert names[0] == "coefficient of chairs in wood" and set(names) <= set(J.data)
    np.testing.assert_allclose(ax.images[0].get_array(), 2.0 * table[names].to_numpy().T)
    with pytest.raises(ot.InvalidData, match="'tables', 'chairs', 'desks', 'objective'"):
        table.plot.tornado()
    ax = table[["right-hand side of wood"]].plot.tornado(new_axes(), of="objective")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["right-hand side of wood"]
    assert ax.get_xlabel() == "change of objective"


def test_of_influences() -> None:
    """The influence of data points, by the numbers of each or on several outputs."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    mean, numbers = model.add_variable("mean"), model.add_parameters([1.0, 2.0, 6.0], name="number")
    model.minimize(sum((1.0 + k) * (mean - number) * (mean - number) for k, number in enumerate(numbers)))
    model.optimize()
    ax = model.influence(mean, numbers).plot.heatmap(new_axes())
    assert [label.get_text() for label in ax.get_yticklabels()] == ["number[2]", "number[1]", "number[0]"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["by 0"]
    assert ax.get_xlabel().replace("\n", " ") == "change of mean when that number of the point grows by 1"
    np.testing.assert_allclose(ax.images[0].get_array(), [[3 / 6], [2 / 6], [1 / 6]])
    ax = model.influence([mean, 2 * mean], numbers).plot.heatmap(new_axes())
    np.testing.assert_allclose(ax.images[0].get_array(), np.outer([3 / 6, 2 / 6, 1 / 6], [1.0, 2.0]))
