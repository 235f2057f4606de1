"""Products with parameters in front of every solver: values, duals, changes in place, certificates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optangent as ot

from ..parametric import CASES, Built, Case, reduced_cost

STATUS, RESULT = ot.TerminationStatusCode, ot.ResultStatusCode
SOLVERS: dict[str, Any] = {
    "HiGHS": ot.solvers.HiGHS,
    "OSQP": lambda: ot.solvers.OSQP(eps_abs=1e-9, eps_rel=1e-9),
    "SCS": lambda: ot.solvers.SCS(eps_abs=1e-10, eps_rel=1e-10),
    "Clarabel": lambda: ot.solvers.Clarabel(tol_gap_abs=1e-12, tol_gap_rel=1e-12, tol_feas=1e-12),
}
TAKES_CONES = ("SCS", "Clarabel")
PAIRS = [(s, name) for s in SOLVERS for name, case in CASES.items() if s in TAKES_CONES or not case.curved]


def assert_same(built: Built, fresh: Built, tolerance: float = 2e-6) -> None:
    """Status, values, duals of rows and objective agree."""
    model, other = built.model, fresh.model
    assert model.termination_status() is other.termination_status() is STATUS.OPTIMAL
    close: dict[str, Any] = dict(rtol=0.0, atol=tolerance)
    np.testing.assert_allclose(model.value(built.v), other.value(fresh.v), **close)
    for i, j in zip(built.rows, fresh.rows, strict=True):
        np.testing.assert_allclose(model.value(i), other.value(j), **close)
        np.testing.assert_allclose(model.dual(i), other.dual(j), **close)
    assert model.objective_value() == pytest.approx(other.objective_value(), abs=tolerance)


def from_scratch(case: Case, solver: Any, sense: str, theta: Any) -> Built:
    """The model with numbers, solved."""
    fresh = case.build(solver, sense, theta)
    fresh.model.optimize()
    return fresh


@pytest.mark.parametrize("sense", ["min", "max"])
@pytest.mark.parametrize(("solver", "name"), PAIRS)
def test_values_follow_the_parameters(solver: str, name: str, sense: str) -> None:
    """After each move, of one or all, the solution is that of a model with numbers; no form is made anew."""
    case, make, rng = CASES[name], SOLVERS[solver], np.random.default_rng(5)
    built = case.build(make, sense)
    model, theta = built.model, np.array(case.theta)
    model.optimize()
    assert_same(built, from_scratch(case, make, sense, theta))
    generation = model.meta_solver.lowerings[0][1].generation
    for turn in range(3):
        moved = theta * (1.0 + 0.1 * rng.uniform(-1.0, 1.0, len(theta)))
        if turn == 1:
            theta[-1] = moved[-1]
            model.set_parameter_value(built.p[-1], theta[-1])
        else:
            theta = moved
            model.set_parameter_value(built.p, 7.0)  # overwritten before anyone solves
            model.set_parameter_value(built.p, theta)
        model.optimize()
        assert_same(built, from_scratch(case, make, sense, theta))
        assert model.meta_solver.lowerings[0][1].generation == generation


def test_a_basis_survives_moves_of_the_parameters() -> None:
    """HiGHS goes on from its basis: a small move takes no iterations."""
    n, rng = 30, np.random.default_rng(0)
    A, b = rng.uniform(0.1, 1.0, (n, n)), rng.uniform(1.0, 2.0, n)
    model = ot.Model(ot.solvers.HiGHS)
    v, p = model.add_variables(n, lower=0.0), model.add_parameters(b)
    model.add_constraint(A @ (p * v) <= 10.0 * b)
    model.maximize((1.0 + b) @ (p * v))
    model.optimize()
    cold = model.get(ot.SimplexIterations())
    assert cold > 0
    model.set_parameter_value(p, b * (1.0 + 1e-9))
    model.optimize()
    assert model.get(ot.SimplexIterations()) == 0


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case.curved])
def test_objectives_and_rows_move_together_in_one_solve(name: str) -> None:
    """A move, a new coefficient, a deleted row and a further row between two solves, in any order, all count."""
    case, make = CASES[name], SOLVERS["Clarabel"]
    theta = 1.05 * np.array(case.theta)
    built, fresh = case.build(make, "min"), case.build(make, "min", theta)
    built.model.optimize()
    built.model.set_parameter_value(built.p, theta)
    for one in (built, fresh):
        one.model.delete(one.rows.pop())
        f = one.model.get(ot.ObjectiveFunction())
        one.model.set(ot.ObjectiveFunction(), type(f).from_rows((f + one.v[0] + 1.5).rows))
        one.rows.append(one.model.add_constraint(one.p[0] * one.v[3] + one.v[1], ot.GreaterThan(0.25)))
        one.model.modify(one.rows[-1], ot.ScalarCoefficientChange(one.v[2], 0.5))
        if case.linear:
            one.model.add_constraint(one.v, ot.HyperRectangle(np.full(4, -9.0), np.full(4, 9.0)))
        one.model.optimize()
    assert_same(built, fresh)


# ---------------------------------------------------------------------- duals of parameters
@pytest.mark.parametrize(
    ("solver", "name", "sense"), [(*one, "max") for one in PAIRS] + [("Clarabel", name, "min") for name in CASES]
)
def test_the_dual_of_a_parameter_is_the_slope_of_the_objective(solver: str, name: str, sense: str) -> None:
    """Reduced costs, of models that only solve, are central differences of the objective (of its negative to max)."""
    case, make = CASES[name], SOLVERS[solver]
    built = case.build(make, sense)
    built.model.optimize()
    sign, theta, step = (1.0 if sense == "min" else -1.0), np.array(case.theta), 1e-4
    for k, index in enumerate(built.parameters):
        ends = [
            from_scratch(case, make, sense, theta + t * (np.arange(len(theta)) == k)).model.objective_value()
            for t in (step, -step)
        ]
        assert built.model.dual(index) == pytest.approx(sign * (ends[0] - ends[1]) / (2.0 * step), abs=2e-5)
    every = built.model.get(ot.ConstraintDual(), ot.ConstraintIndices(*_bulk(built)))
    np.testing.assert_array_equal(every, [built.model.dual(i) for i in built.parameters])
    assert built.model.get(ot.ConstraintDual(), built.parameters) == every.tolist()


def _bulk(built: Built) -> tuple[Any, Any]:
    return built.parameters[0].kind, np.array([i.value for i in built.parameters])


@pytest.mark.parametrize("name", CASES)
def test_residuals_know_the_products(name: str) -> None:
    """A solution with products passes the check that is made of it, to the solver's accuracy."""
    built = CASES[name].build(SOLVERS["Clarabel"], "max")
    built.model.optimize()
    assert built.model.meta_solver.residuals().worst <= 1e-6


# ---------------------------------------------------------------------- certificates
@pytest.mark.parametrize("solver", SOLVERS)
def test_certificates_of_infeasibility(solver: str) -> None:
    """The certificate is one of the rows at the parameters' values: products add nothing to the parameters' part."""
    model = ot.Model(SOLVERS[solver])
    x, p, q = model.add_variable(), model.add_parameter(2.0), model.add_parameter(0.5)
    low = model.add_constraint(p * x - q >= 4.0)
    high = model.add_constraint(p * q * x + 0.25 * q * q <= 1.0)
    model.minimize(p * x)
    model.optimize()
    assert model.termination_status() is STATUS.INFEASIBLE
    assert model.get(ot.DualStatus()) is RESULT.INFEASIBILITY_CERTIFICATE
    y, z, of_p, of_q = (model.dual(i) for i in (low, high, reduced_cost(p), reduced_cost(q)))
    assert y > 0.0 > z and z / y == pytest.approx(-2.0, abs=1e-6)
    assert of_p / y == pytest.approx(0.0, abs=1e-6) and of_q / y == pytest.approx(1.0, abs=1e-6)
    assert model.meta_solver.residuals().dual <= 1e-6
    model.set_parameter_value(q, 0.2)  # x >= 2.1 with 0.4 x <= 0.99
    model.optimize()
    assert model.termination_status() is STATUS.OPTIMAL
    assert model.value(x) == pytest.approx(2.1, abs=1e-6)


@pytest.mark.parametrize("solver", SOLVERS)
def test_rays_move_along_the_rows_as_they_are(solver: str) -> None:
    """Of a ray, rows, functions and the objective are those at the parameters' values, which stay."""
    model = ot.Model(SOLVERS[solver])
    v, p = model.add_variables(2), model.add_parameters([2.0, -3.0])
    row = model.add_constraint(p[0] * v[0] + p[1] * v[1] + p[0] * p[1] >= 4.0)
    rows = model.add_constraint(ot.vectorize([v[0], p[0] * p[0] * v[1]]), ot.Nonnegatives(2))
    model.minimize(p[1] * v[0] - p[1] * v[1] + p[0] * p[1])
    model.optimize()
    assert model.termination_status() is STATUS.DUAL_INFEASIBLE
    assert model.get(ot.PrimalStatus()) is RESULT.INFEASIBILITY_CERTIFICATE
    d = model.value(v)
    size = np.abs(d).max()
    assert model.value(row) / size == pytest.approx((2.0 * d[0] - 3.0 * d[1]) / size, abs=1e-6)
    np.testing.assert_allclose(model.value(rows) / size, np.array([d[0], 4.0 * d[1]]) / size, atol=1e-6)
    assert model.value(p[1] * v[0] + p[0]) / size == pytest.approx(-3.0 * d[0] / size, abs=1e-6)
    assert model.objective_value() / size == pytest.approx((3.0 * d[1] - 3.0 * d[0]) / size, abs=1e-6)
    np.testing.assert_allclose(model.value(p) / size, 0.0, atol=1e-6)
    assert model.objective_value() < 0.0 and model.meta_solver.residuals().primal <= 1e-6


def test_what_is_a_parameter_changes_in_both_modes() -> None:
    """Variables become parameters and variables again, between solves, where products make it matter or not."""
    for mode in ot.CachingOptimizerMode:
        model = ot.Model(lambda mode=mode: ot.MetaSolver(ot.solvers.Clarabel(), differentiates=False, mode=mode))
        x, y, p = model.add_variables(3)
        model.add_constraint(p, ot.Parameter(2.0))
        model.add_constraint(p * x - 1.0, ot.GreaterThan(3.0))
        model.minimize(x * x + p * x + y * y)
        model.meta_solver.attach_optimizer()
        for value in (2.0, 4.0, 0.5):
            model.set(ot.ConstraintSet(), reduced_cost(p), ot.Parameter(value))
            model.optimize()
            expected = 4.0 / value  # df/dp = x - y x with y = (2 x + p) / p
            assert model.value(x) == pytest.approx(expected, abs=1e-6)
            slope = expected - (2.0 * expected + value) / value * expected
            assert model.dual(reduced_cost(p)) == pytest.approx(slope, abs=1e-4)
        held = model.add_constraint(y, ot.Parameter(3.0))  # it multiplies itself
        model.optimize()
        assert model.objective_value() == pytest.approx(64.0 + 4.0 + 9.0, abs=1e-5)
        model.delete(held)
        model.optimize()
        assert model.objective_value() == pytest.approx(64.0 + 4.0, abs=1e-5)
        model.delete(reduced_cost(p))
        with pytest.raises(ot.UnsupportedConstraint):  # a product of two variables, which no cone says
            model.optimize()


def test_new_parameters_do_not_make_a_solved_model_anew() -> None:
    """Parameters and products that are added later are passed on; what is there stays."""
    model = ot.Model(ot.solvers.HiGHS)
    x, p = model.add_variable(), model.add_parameter(2.0)
    model.add_constraint(p * x >= 4.0)
    model.minimize(p * x)
    model.optimize()
    lowering = model.meta_solver.lowerings[0][1]
    generation = lowering.generation
    q = model.add_parameter(3.0)
    model.add_constraint(p * q * x >= 30.0)
    model.set_parameter_value(p, 2.5)
    model.optimize()
    assert lowering.generation == generation
    assert model.value(x) == pytest.approx(4.0, abs=1e-9)
    assert model.objective_value() == pytest.approx(10.0, abs=1e-9)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_value_of_zero_and_back(solver: str) -> None:
    """A coefficient that vanishes and returns is passed on both times."""
    model = ot.Model(SOLVERS[solver])
    v, p = model.add_variables(2), model.add_parameter(2.0)
    model.add_constraint(p * v[0] + v[1] >= 4.0)
    model.add_constraint(v >= [0.0, 1.0])
    model.minimize(v[0] * v[0] + 4.0 * v[1] * v[1] + p * v[0])
    for value in (2.0, 0.0, 2.0):
        model.set_parameter_value(p, value)
        model.optimize()
        assert model.value(v) == pytest.approx([1.5, 1.0] if value else [0.0, 4.0], abs=2e-5)


def test_a_curvature_that_turns_is_refused_and_forgiven() -> None:
    """A parameter that makes the objective nonconvex is refused by the solver; another value is fine again."""
    model = ot.Model(ot.solvers.Clarabel)
    x, p = model.add_variable(), model.add_parameter(1.0)
    model.minimize(p * x * x - 2.0 * x)
    for value, expected in ((1.0, 1.0), (-1.0, None), (4.0, 0.25)):
        model.set_parameter_value(p, value)
        if expected is None:
            with pytest.raises(ot.NonconvexObjective):
                model.optimize()
        else:
            model.optimize()
            assert model.value(x) == pytest.approx(expected, abs=1e-6)


def test_mixed_integer_models_take_products() -> None:
    """Whole variables with parametric coefficients are solved; they have no duals."""
    model = ot.Model(ot.solvers.HiGHS)
    x, p = model.add_variable(integer=True), model.add_parameter(2.0)
    model.add_constraint(p * x >= 5.0)
    model.minimize(p * x)
    for value, expected in ((2.0, 3.0), (5.5, 1.0)):
        model.set_parameter_value(p, value)
        model.optimize()
        assert model.value(x) == pytest.approx(expected, abs=1e-9)
    with pytest.raises(ot.NotOptimized):
        model.dual(reduced_cost(p))


# ---------------------------------------------------------------------- many functions at once
MODELS: dict[str, Any] = {"store": ot.Store, "model": lambda: ot.MetaSolver(ot.solvers.Clarabel())}


@pytest.mark.parametrize("name", MODELS)
def test_functions_of_many_constraints_are_set_at_once(name: str) -> None:
    """Some of a kind get other functions, in any order; the others keep theirs; what does not fit is refused."""
    model = MODELS[name]()
    v = model.add_variables(3)
    c = [model.add_constraint(float(k + 1) * v[k] + v[0], ot.LessThan(9.0)) for k in range(3)]
    some = ot.ConstraintIndices(c[0].kind, np.array([c[2].value, c[0].value]))
    model.set_functions(some, ot.vectorize([7.0 * v[1] - 1.0, 1.0 * v[2]]).rows)
    found = [str(model.get(ot.ConstraintFunction(), i)) for i in c]
    assert found == ["x[2]", "2 x[1] + x[0]", "7 x[1] - 1"]
    model.set_functions(ot.ConstraintIndices(c[0].kind, np.zeros(0, np.int64)), ot.vectorize([]).rows)
    if name == "store":
        rows = ot.vectorize([v[0] * v[0], 1.0 * v[1]]).rows
        for wrong in (rows, ot.vectorize([1.0 * v[0]]).rows):
            with pytest.raises(ot.DimensionMismatch, match="cannot take"):
                model.set_functions(some, wrong)
        bound = model.add_constraint(v[0], ot.GreaterThan(0.0))
        with pytest.raises(ot.UnsupportedModification, match="bound"):
            model.set_functions(ot.ConstraintIndices(bound.kind, np.array([bound.value])), v[1].rows)


def test_functions_set_at_once_reach_a_solver_that_has_them() -> None:
    """HiGHS gets new and vanishing coefficients and constants of rows that it has loaded, and of later ones."""
    model = ot.MetaSolver(ot.solvers.HiGHS())
    v = model.add_variables(3)
    c = [model.add_constraint(1.0 * v[k], ot.GreaterThan(1.0)) for k in range(3)]
    model.set(ot.ObjectiveFunction(), v.sum())
    model.set(ot.ObjectiveSense(), ot.ObjectiveSenseCode.MIN_SENSE)
    model.optimize()
    late = model.add_constraint(1.0 * v[0] + v[1], ot.GreaterThan(0.0))
    indices = ot.ConstraintIndices(c[0].kind, np.array([c[0].value, c[1].value, late.value]))
    model.set_functions(indices, ot.vectorize([2.0 * v[0] - v[1], v[1] - 3.0, v[0] - 0.5 * v[2] - 2.0]).rows)
    model.optimize()
    np.testing.assert_allclose(model.get(ot.VariablePrimal(), v), [2.5, 4.0, 1.0], atol=1e-9)
