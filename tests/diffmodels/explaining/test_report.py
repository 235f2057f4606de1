"""The certificate: five kinds of degenerate models with the right names, margins in no unit, conditions, forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optangent as ot

CODES = ot.DifferentiationStatusCode


def fine(shift: float = 0.5, unit: float = 1.0) -> ot.Model:
    """A bound that is active with a multiplier of `shift`, in units of x and of the objective."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    x, y = model.add_variable("x", lower=1.0 / unit), model.add_variable("y")
    model.add_constraint(unit * x + y <= 8, name="far")
    u = unit * x
    model.minimize(unit**2 * ((u - (1.0 - shift / 2)) * (u - (1.0 - shift / 2)) + (y - 2) * (y - 2)))
    model.optimize()
    return model


def dependent() -> ot.Model:
    """One row twice, in two scales."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    x, y = model.add_variable("x"), model.add_variable("y")
    model.add_constraint(x + y <= 1, name="once")
    model.add_constraint(2 * x + 2 * y <= 2, name="twice")
    model.add_constraint(x - y <= 7, name="innocent")
    model.minimize((x - 2) * (x - 2) + (y - 2) * (y - 2))
    model.optimize()
    return model


def vertex() -> ot.Model:
    """Three lines through a point."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    x, y = model.add_variable("x"), model.add_variable("y")
    for name, a, b in (("first", 1.0, 0.0), ("second", 0.0, 1.0), ("third", 1.0, 1.0)):
        model.add_constraint(a * x + b * y <= a + b, name=name)
    model.add_constraint(x - y <= 7, name="innocent")
    model.maximize(2 * x + 1 * y)
    model.optimize()
    return model


def touching() -> ot.Model:
    """The nearest point of a disc is the point itself, on its rim."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    x = model.add_variables(2, name="x")
    model.add_constraint(np.concatenate([[1.0 + 0 * x[0]], x]), ot.SecondOrderCone(3), name="disc")
    model.add_constraint(x[1] <= 7, name="innocent")
    model.minimize((x - np.array([0.6, 0.8])) @ (x - np.array([0.6, 0.8])))
    model.optimize()
    return model


def free() -> ot.Model:
    """A face of solutions."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    x, y, z = (model.add_variable(name) for name in "xyz")
    model.add_constraint(x + y >= 1, name="sum")
    model.minimize(x + y + (z - 1) * (z - 1))
    model.optimize()
    return model


@pytest.mark.parametrize(
    ("make", "status", "names", "innocent"),
    [
        (dependent, CODES.DEPENDENT_ROWS, {"once", "twice"}, {"innocent", "x", "y"}),
        (vertex, CODES.WEAKLY_ACTIVE, {"first", "second", "third"}, {"innocent", "x", "y"}),
        (touching, CODES.WEAKLY_ACTIVE, {"disc"}, {"innocent", "x[0]"}),
        (free, CODES.NONUNIQUE, {"x", "y"}, {"z"}),
    ],
)
@pytest.mark.filterwarnings("ignore::optangent.DifferentiationWarning")
def test_who_is_at_fault(make: Any, status: Any, names: set[str], innocent: set[str]) -> None:
    """The guilty by name, with what to do; nobody else."""
    report = make().diff_report()
    assert report.status is status and not report.is_fine
    found = {name.split("[")[0] if make is touching else name for name, _, _ in report.at_fault}
    assert found & innocent == set()
    assert found <= names and (found == names or make is vertex)
    assert all(why and advice for _, why, advice in report.at_fault)
    table = report.to_frame()
    assert len(table) == len(report.at_fault) and list(table.columns) == ["name", "why", "advice"]
    assert status.name in str(report) and "at fault" in str(report)
    assert report._repr_html_().startswith("<table>")
    assert report.unique is (status is not CODES.NONUNIQUE)
    if status is CODES.DEPENDENT_ROWS:
        assert (report.active, report.rank, report.unique_duals) == (2, 1, False)
    if status is CODES.WEAKLY_ACTIVE:
        assert report.margin <= 1e-7 and report.nearest.split("[")[0] in names


def test_a_fine_derivative() -> None:
    """Nothing is at fault, the margin is that of its nearest row, and all residuals are small."""
    report = fine().diff_report()
    assert report.is_fine and report.at_fault == () and report.unique and report.unique_duals
    assert (report.active, report.rank) == (1, 1)
    assert 1e-3 < report.margin < 10.0 and report.nearest
    assert 1.0 <= report.condition < 100.0
    assert report.refinement.after <= 1e-12 and report.linear_residual <= 1e-12 and report.mismatch <= 1e-12
    assert "may move by" in str(report) and report.to_frame().empty


@pytest.mark.parametrize("shift", [1e-3, 1e-6, 1e-9])
@pytest.mark.parametrize("unit", [1.0, 1e-4, 1e4])
def test_margins_have_no_unit(shift: float, unit: float) -> None:
    """A multiplier of 1e-9 beside numbers of size one is a margin near 1e-9, whatever x and f are measured in."""
    report = fine(shift, unit).diff_report()
    assert report.status is CODES.EXACT
    assert report.nearest == "lower bound of x"
    assert 0.05 * shift <= report.margin <= 2.0 * shift
    assert report.is_fine is (shift > 1e-8)
    if shift < 1e-8:
        assert report.at_fault[0][0] == "lower bound of x" and "kink" in report.at_fault[0][1]


@pytest.mark.parametrize("distance", [1e-2, 1e-5])
def test_margins_of_cones(distance: float) -> None:
    """The distance of a point from the rim of its disc is the margin, up to a factor."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    x = model.add_variables(2, name="x")
    model.add_constraint(np.concatenate([[1.0 + 0 * x[0]], x]), ot.SecondOrderCone(3), name="disc")
    place = (1.0 - distance) * np.array([0.6, 0.8])
    model.minimize((x - place) @ (x - place))
    model.optimize()
    report = model.diff_report()
    assert report.status is CODES.EXACT and report.nearest.startswith("disc")
    assert 0.05 * distance <= report.margin <= 5.0 * distance


def test_conditions_are_those_of_numpy() -> None:
    """Of the KKT matrix of two nearly parallel rows, within the factor that equilibration may make."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    x = model.add_variables(2, name="x")
    A = np.array([[1.0, 1.0], [1.0, 1.0 + 1e-5]])
    model.add_constraint(A @ x == np.array([1.0, 1.0]))
    model.minimize(x @ x)
    model.optimize()
    K = np.block([[2.0 * np.eye(2), A.T], [A, np.zeros((2, 2))]])
    exact = np.linalg.cond(K, 1)
    assert 0.05 * exact <= model.diff_report().condition <= 5.0 * exact


@pytest.mark.parametrize("solver", [ot.solvers.HiGHS, ot.solvers.Clarabel, ot.solvers.PIQP])
@pytest.mark.filterwarnings("ignore::optangent.DifferentiationWarning")
def test_tangents_follow_equalities_at_degenerate_points(solver: Any) -> None:
    """A dispatch at zero demand: whoever begins, the balance holds along the tangent, in both modes."""
    model = ot.Model(ot.diff_optimizer(solver))
    a, b = model.add_variable("a", lower=0, upper=150), model.add_variable("b", lower=0, upper=80)
    demand = model.add_parameter(0.0, "demand")
    balance = model.add_constraint(a + b == demand, name="balance")
    model.minimize(20 * a + 30 * b + 0.1 * a * a)
    model.optimize()
    model.set(ot.ForwardParameterValue(), demand, 1.0)
    model.forward_differentiate()
    assert model.get(ot.ForwardVariablePrimal(), a) == pytest.approx(1.0, abs=1e-12)
    assert model.get(ot.ForwardVariablePrimal(), b) == pytest.approx(0.0, abs=1e-12)
    assert model.get(ot.DifferentiationStatus()) in (CODES.DEPENDENT_ROWS, CODES.WEAKLY_ACTIVE)
    J = model.jacobian(of=[a, b, balance], wrt=[demand, a, b])
    np.testing.assert_allclose(J @ np.eye(3), (J.T @ np.eye(3)).T, atol=1e-12)
    np.testing.assert_allclose(J.toarray()[:2, 0], [1.0, 0.0], atol=1e-12)
