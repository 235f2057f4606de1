"""Derivatives of nonlinear programs: closed forms, central differences in both modes, kinks and saddles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import optangent as ot

pytest.importorskip("casadi")

STATUS = ot.DifferentiationStatusCode


def local_model() -> ot.Model:
    """One with a local solver."""
    return ot.Model(ot.diff_optimizer(ot.solvers.Ipopt))


def test_a_sine_of_a_parameter_times_a_variable() -> None:
    """Min 2x, x sin p = 1: f* = 2 / sin p."""
    model, p = local_model(), 1.5
    x, q = model.add_variable(), model.add_parameter(p)
    model.add_constraint(x * np.sin(q) == 1.0)
    model.minimize(2 * x)
    model.optimize()
    slope = model.directional_derivatives(x, [{q: 1.0}])
    assert model.termination_status() is ot.TerminationStatusCode.LOCALLY_SOLVED
    assert slope[0, 0] == pytest.approx(-np.cos(p) / np.sin(p) ** 2, rel=1e-12)
    model.set(ot.ReverseObjectiveValue(), 1.0)
    model.reverse_differentiate()
    index = ot.ConstraintIndex((ot.VariableIndex, ot.Parameter), q.value)
    pulled = model.get(ot.ReverseConstraintSet(), index).value
    assert pulled == pytest.approx(-2 * np.cos(p) / np.sin(p) ** 2, rel=1e-12)


def test_the_row_that_binds_decides() -> None:
    """Min x², x sin p >= 1, x + p >= 3 at p = 1.5: f* = (3 - p)²."""
    model = local_model()
    x, p = model.add_variable(), model.add_parameter(1.5)
    model.add_constraint(x * np.sin(p) >= 1.0)
    model.add_constraint(x + p >= 3.0)
    model.minimize(x**2)
    model.optimize()
    model.set(
        ot.ForwardConstraintSet(), ot.ConstraintIndex((ot.VariableIndex, ot.Parameter), p.value), ot.Parameter(0.1)
    )
    model.forward_differentiate()
    assert model.get(ot.ForwardObjectiveValue()) == pytest.approx(-0.3, rel=1e-12)
    assert model.get(ot.DifferentiationStatus()) is STATUS.EXACT


def moving_constraints(model: ot.Model, p: tuple[float, float, float], *, maximize: bool) -> None:
    """A valley between curves that move."""
    x = model.add_variables(2, lower=-0.5)
    a, b, c = (model.add_parameter(value) for value in p)
    f = 0.1 * a * (a - x[0]) ** 2 + 0.01 * c * (x[1] - x[0] ** 2) ** 2
    if maximize:
        model.maximize(-f)
    else:
        model.minimize(f)
    model.add_constraint(x[0] ** 2 + np.exp(0.3 * b * x[1]) <= 2.0)
    model.add_constraint(b * np.sin(x[0]) + x[1] >= 0.3)


def mixed(model: ot.Model, p: tuple[float, float, float], *, maximize: bool) -> None:
    """Many operators, products of three, a vector of nonlinear functions, and an equation."""
    x, y = model.add_variable(lower=0.2), model.add_variable(upper=2.0)
    u = model.add_variables(3, lower=0.1, upper=4.0)
    a, b, c = (model.add_parameter(value) for value in p)
    f = np.log(u) @ np.array([1.0, -2.0, 0.4]) - x / (1 + y**2) + a * np.sqrt(u[0] + y**2) + 0.3 * x**3
    sign = -1.0 if maximize else 1.0
    (model.maximize if maximize else model.minimize)(
        sign * (f + (u - 1.0) @ (u - 1.0) + (x - 1) ** 2 + (y - b / 4) ** 2)
    )
    model.add_constraint(u[0] * u[1] * u[2] + np.tanh(x * y) <= c / 50)
    model.add_constraint(np.cos(x) + y == b / 3)
    model.add_constraint(ot.vectorize([np.exp(x) - y, u[0] + u[1] ** 3]), ot.Nonnegatives(2))


@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("p", [(3.0, 2.0, 200.0), (1.0, 2.0, 100.0), (2.0, 1.5, 50.0)])
@pytest.mark.parametrize("write", [moving_constraints, mixed])
def test_differences(write: Callable[..., None], p: tuple[float, float, float], maximize: bool) -> None:
    """Derivatives of primal, duals of rows and bounds and objective in parameters, coefficients and sides."""
    model = local_model()
    write(model, p, maximize=maximize)
    model.optimize()
    assert model.termination_status() is ot.TerminationStatusCode.LOCALLY_SOLVED
    result = ot.gradcheck(model, most=12, show=0)
    assert result.status is STATUS.EXACT
    assert result.passed, result


@pytest.mark.parametrize("seed", range(5))
def test_a_convex_model_declared_nonlinearly(seed: int) -> None:
    """Through operators the derivatives are those of QuadraticDiff."""
    rng = np.random.default_rng(seed)
    n, m = 6, 4
    root, A = rng.standard_normal((n, n)), rng.standard_normal((m, n))
    b = A @ rng.standard_normal(n) + rng.uniform(0.0, 1.0, m)
    found = []
    for plain in (True, False):
        model = ot.Model(ot.diff_optimizer(ot.solvers.PIQP if plain else ot.solvers.Ipopt))
        x, theta = model.add_variables(n), model.add_parameters(b)
        g = root @ x + 0.1
        squares: Any = g @ g if plain else (np.exp(np.log(abs(g) + 1.0)) - 1.0) @ abs(g)
        model.minimize(squares + x @ x - x @ np.arange(n))
        rows = (
            model.add_constraint(A @ x <= theta) if plain else model.add_constraint(np.sinh(np.arcsinh(A @ x)) <= theta)
        )
        model.optimize()
        directions = [{one: 1.0} for one in theta]
        dx = model.directional_derivatives(x, directions)
        found.append((model.polished(x), model.polished(rows), dx))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("n", [3, 40])
@pytest.mark.parametrize("unit", [1.0, 1e4])
def test_units_and_sizes(n: int, unit: float) -> None:
    """Chains of sparse nonlinear equations, in odd units: tangents in closed form, and the adjoint identity."""
    model = local_model()
    x, p = model.add_variables(n), model.add_parameter(0.3)
    z = x * (1.0 / unit)
    model.add_constraint(z[0] == p)
    model.add_constraint(z[1:] == z[:-1] + 0.2 * np.sin(z[:-1]) + 0.05)
    model.minimize((z - 1.0) @ (z - 1.0) * unit)
    model.optimize()
    dx = model.directional_derivatives(x, [{p: 1.0}])[0]

    values, slopes = [0.3], [1.0]
    for _ in range(n - 1):
        slopes.append(slopes[-1] * (1.0 + 0.2 * np.cos(values[-1])))
        values.append(values[-1] + 0.2 * np.sin(values[-1]) + 0.05)
    np.testing.assert_allclose(dx, unit * np.array(slopes), rtol=1e-12)
    seed = np.random.default_rng(0).standard_normal(n)
    model.set(ot.ReverseVariablePrimal(), x, seed)
    model.reverse_differentiate()
    index = ot.ConstraintIndex((ot.VariableIndex, ot.Parameter), p.value)
    assert model.get(ot.ReverseConstraintSet(), index).value == pytest.approx(seed @ dx, rel=1e-10)


def test_tangents_of_operators() -> None:
    """Coefficients of operators that stand in the model move; others are refused by name."""
    model = local_model()
    x, y = model.add_variable("x"), model.add_variable("y")
    c = model.add_constraint(np.exp(x) + y <= 2.0)
    model.minimize((x - 2) ** 2 + np.cos(x) + (y - 1) ** 2)
    model.optimize()
    with pytest.raises(ot.InvalidData, match=r"sin\(x\) stands in no function"):
        model.set(ot.ForwardConstraintFunction(), c, np.sin(x))
    model.set(ot.ForwardConstraintFunction(), c, 1.0 * np.exp(x))
    model.set(ot.ForwardObjectiveFunction(), np.cos(x) + x * y)
    model.forward_differentiate()
    moved = model.get(ot.ForwardVariablePrimal(), ot.VectorOfVariables([x, y]))
    seed = np.array([0.7, -0.4])
    model.set(ot.ReverseVariablePrimal(), ot.VectorOfVariables([x, y]), seed)
    model.reverse_differentiate()
    row, objective = model.get(ot.ReverseConstraintFunction(), c), model.get(ot.ReverseObjectiveFunction())
    lifted = {repr(ot.VariableIndex(i)): ot.VariableIndex(i) for i in model.store.every_variable_id().tolist()}
    of_exp, of_cos = row.coefficient(lifted["exp(x)"]), objective.coefficient(lifted["cos(x)"])
    assert of_exp + of_cos + objective.coefficient(x, y) == pytest.approx(seed @ moved, rel=1e-10)


def test_kinks_and_saddles_are_told() -> None:
    """At a kink of an operator and where no curvature holds the point, the status is not EXACT."""
    model = local_model()
    y = model.add_variable()
    model.minimize(abs(y - 1.0) + (y - 1.0) ** 2)
    model.optimize()
    with pytest.warns(ot.DifferentiationWarning):
        model.forward_differentiate()
    assert model.get(ot.DifferentiationStatus()) in (STATUS.WEAKLY_ACTIVE, STATUS.NONUNIQUE)
    model = local_model()
    v = model.add_variables(2)
    model.set(ot.VariablePrimalStart(), v, 0.0)
    model.minimize(v[0] ** 2 - v[1] ** 2 + v[1] ** 4)
    model.optimize()
    with pytest.warns(ot.DifferentiationWarning):
        model.forward_differentiate()
    assert model.get(ot.DifferentiationStatus()) is STATUS.SADDLE


@pytest.mark.parametrize("power", [4, 6])
def test_curvature_that_vanishes_at_the_solution(power: int) -> None:
    """There is one solution, but it is no differentiable function of the data: x = (p / 4)^(1/3) has no slope at 0."""
    model = local_model()
    x, y = model.add_variable(), model.add_variable()
    p = model.add_parameter(0.0)
    model.set(ot.VariablePrimalStart(), x, 1.0)
    model.minimize(x**power - p * x + (y - p) ** 2)
    model.optimize()
    with pytest.warns(ot.DifferentiationWarning):
        model.forward_differentiate()
    assert model.get(ot.DifferentiationStatus()) is STATUS.NONUNIQUE


@pytest.mark.parametrize("row", ["none", "equal", "greater"])
def test_saddles_of_quadratic_programs(row: str) -> None:
    """A local solver's stationary point of a quadratic program that is not convex is judged as any other."""
    model = local_model()
    x, y = model.add_variable(lower=-2.0, upper=2.0), model.add_variable(lower=-1.0)
    model.set(ot.VariablePrimalStart(), x, 0.0)
    model.set(ot.VariablePrimalStart(), y, 0.0 if row == "none" else 1.0)
    if row == "none":
        model.minimize(-(x**2) + y**2)
    else:
        model.minimize(x**2 + 2 * y**2)
        model.add_constraint(x**2 + y**2 == 1.0 if row == "equal" else x**2 + y**2 >= 1.0)
    model.optimize()
    assert abs(model.value(x)) < 1e-6
    with pytest.warns(ot.DifferentiationWarning):
        model.forward_differentiate()
    assert model.get(ot.DifferentiationStatus()) is STATUS.SADDLE


def test_a_convex_diff_model_refuses_what_is_not_convex() -> None:
    """It says who takes the program."""
    model = local_model()
    x = model.add_variable(lower=-1.0, upper=2.0)
    model.set(ot.ModelConstructor(), ot.QuadraticDiff)
    model.minimize(-(x**2))
    model.optimize()
    with pytest.raises(ot.DifferentiationError, match=r"QuadraticDiff .*convex.*NonlinearDiff"):
        model.forward_differentiate()


def test_products_of_three_need_no_operators() -> None:
    """A polynomial of degree three is a nonlinear function where a solver takes these, and refused where none does."""
    model = local_model()
    x = model.add_variables(3, lower=0.0, upper=42.0)
    p = model.add_parameter(72.0)
    model.set(ot.VariablePrimalStart(), x, 10.0)
    model.add_constraint(x[0] + 2 * x[1] + 2 * x[2] <= p)
    rows = model.add_constraint(ot.vectorize([4000.0 - x[0] * x[1] * x[2], x[0]]), ot.Nonnegatives(2))
    model.minimize(-x[0] * x[1] * x[2])
    model.optimize()
    np.testing.assert_allclose(model.value(x), [24.0, 12.0, 12.0], rtol=1e-6)
    np.testing.assert_allclose(model.value(rows), [544.0, 24.0], rtol=1e-6)
    assert model.directional_derivatives(x, [{p: 1.0}])[0] == pytest.approx([1 / 3, 1 / 6, 1 / 6], rel=1e-10)
    convex = ot.Model(ot.solvers.HiGHS)
    u = convex.add_variables(3)
    with pytest.raises(ot.UnsupportedObjective, match="degree 3"):
        convex.minimize(u[0] * u[1] * u[2])
    with pytest.raises(ot.UnsupportedConstraint, match="degree 3"):
        convex.add_constraint(u[0] * u[1] * u[2] <= 1.0)


def test_policies_of_convex_programs_are_refused() -> None:
    """In words, where they would ask for cones."""
    model = local_model()
    y, p = model.add_variable(lower=0.0), model.add_parameter(0.0)
    model.minimize((y - p) ** 2 + 0.1 * np.cosh(y))
    model.optimize()
    for policy in ("directional", ot.Smoothed(1e-2)):
        model.set(ot.DifferentiationPolicy(), policy)
        model.set(
            ot.ForwardConstraintSet(), ot.ConstraintIndex((ot.VariableIndex, ot.Parameter), p.value), ot.Parameter(1)
        )
        with pytest.raises(ot.DifferentiationError, match="of convex programs, and this one is nonlinear"):
            model.forward_differentiate()
    model.set(ot.DifferentiationPolicy(), "least_norm")
    with pytest.warns(ot.DifferentiationWarning):
        model.forward_differentiate()


def test_a_root_at_zero_has_no_derivative() -> None:
    """The operator is named."""
    model = local_model()
    y = model.add_variable(lower=0.0)
    model.set(ot.VariablePrimalStart(), y, 1.0)
    model.minimize(y**1.5 + y)
    model.optimize()
    with pytest.raises(ot.DifferentiationError, match=r"0\^1.5 has no first or no second derivative"):
        model.forward_differentiate()


def test_bad_starts_and_solvers_that_take_no_operators() -> None:
    """Which term has no value, and who takes it."""
    model = local_model()
    y = model.add_variable(upper=-1.0)
    model.minimize(np.log(y))
    with pytest.raises(ot.InvalidData, match=r"log\(-1\).*VariablePrimalStart"):
        model.optimize()
    convex = ot.Model(ot.solvers.HiGHS)
    x = convex.add_variable()
    with pytest.raises(ot.UnsupportedConstraint, match=r"no nonlinear functions.*Ipopt"):
        convex.add_constraint(np.sin(x) <= 1.0)
    with pytest.raises(ot.UnsupportedObjective, match="ScalarNonlinearFunction"):
        convex.minimize(np.exp(x))
    assert convex.get(ot.NumberOfVariables()) == 1 and not convex.get(ot.ListOfConstraintTypesPresent())


def test_infeasible_to_a_local_solver() -> None:
    """It is not called infeasible."""
    model = local_model()
    x = model.add_variable()
    model.add_constraint(np.cosh(x) <= 0.5)
    model.minimize(x)
    model.optimize()
    assert model.termination_status() is ot.TerminationStatusCode.LOCALLY_INFEASIBLE
    with pytest.raises(ot.DifferentiationError):
        model.forward_differentiate()


def test_what_is_linear_again_goes_to_the_convex_solver() -> None:
    """Operators that stand nowhere any more are gone, and variables in operators cannot be deleted."""
    model = ot.Model(ot.diff_optimizer([ot.solvers.HiGHS, ot.solvers.Ipopt]))
    x = model.add_variables(2, lower=-1.0, upper=3.0)
    c = model.add_constraint(np.exp(x[0]) + x[1] <= 2.0)
    model.minimize(-x[0] - x[1])
    model.optimize()
    assert model.get(ot.SolverName()) == "Ipopt"
    np.testing.assert_allclose(model.value(x), [0.0, 1.0], atol=1e-6)
    with pytest.raises(ot.UnsupportedModification, match=r"x\[0\] stands in exp"):
        model.delete(x[0])
    model.delete(c)
    model.optimize()
    assert model.get(ot.SolverName()) == "HiGHS"
    np.testing.assert_allclose(model.value(x), [3.0, 3.0])
