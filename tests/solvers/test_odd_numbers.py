"""Numbers that are not near one: bounds that mean none, rows and objectives in other units, entries next to nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import optangent as ot

from .odd_units import solvable
from .problems import EVERY, S


@EVERY
@pytest.mark.parametrize("big", [1e8, 1e12, 1e20, 1e30])
@pytest.mark.parametrize("quadratic", [False, True], ids=["linear", "quadratic"])
def test_a_large_number_may_mean_no_bound(solver: Any, quadratic: bool, big: float) -> None:
    """With rows that are never reached the answer is that without them, and their duals are zero."""
    n = 4
    for seed in range(3):
        rng = np.random.default_rng(seed)
        A, x0, q = rng.standard_normal((2, n)), rng.standard_normal(n), 3.0 * rng.standard_normal(n)
        lower, upper = x0 - rng.random(n), x0 + 0.1 + rng.random(n)
        values = []
        for far in (None, big):
            model = ot.Model(ot.solvers.HiGHS if far is None else solver)
            x = model.add_variables(n, lower=lower, upper=upper)
            model.add_constraint(A @ x == A @ x0)
            if far is not None:
                c = model.add_constraint(np.eye(n) @ x <= np.full(n, far))
                d = model.add_constraint(A @ x >= np.full(2, -far))
            model.minimize(x @ x + q @ x if quadratic else q @ x)
            model.optimize()
            assert model.termination_status() is S.OPTIMAL, seed
            values.append(model.objective_value())
        assert values[1] == pytest.approx(values[0], rel=1e-6, abs=1e-6)
        np.testing.assert_allclose(np.concatenate([model.dual(c), model.dual(d)]), 0.0, atol=1e-6)


@EVERY
def test_a_far_bound_may_be_reached(solver: Any) -> None:
    """A large number that is the solution is not left out: it is the answer, or none is given."""
    model = ot.Model(solver)
    x = model.add_variables(2, lower=0.0)
    model.add_constraint(x[0] <= 1e9)
    model.add_constraint(x[1] <= 3.0)
    model.maximize(x.sum())
    model.optimize()
    if model.termination_status() is S.OPTIMAL:
        assert model.objective_value() == pytest.approx(1e9 + 3.0, rel=1e-6)
        assert (model.value(x) <= [1e9 * (1.0 + 1e-6), 3.0 + 1e-6]).all()
    else:
        assert model.termination_status() not in (S.INFEASIBLE, S.DUAL_INFEASIBLE)


@EVERY
@pytest.mark.parametrize("factor", [2.0**-12, 2.0**-8, 2.0**8, 2.0**14])
@pytest.mark.parametrize("what", ["objective", "rows", "columns"])
def test_quadratic_programs_in_other_units(solver: Any, what: str, factor: float) -> None:
    """The objective, all rows or all columns times one factor: the solution is the same in its units."""
    for seed in range(3):
        program = solvable(np.random.default_rng([seed, 99]), quadratic=True)
        model = ot.Model(solver)
        x = model.add_variables(len(program.q))
        c = factor if what == "columns" else 1.0
        rows = (factor if what == "rows" else 1.0) * (c * program.G @ x + program.h)
        if program.zeros:
            model.add_constraint(rows[: program.zeros], ot.Zeros(program.zeros))
        model.add_constraint(rows[program.zeros :], ot.Nonnegatives(len(program.h) - program.zeros))
        o = factor if what == "objective" else 1.0
        model.minimize(0.5 * o * c * c * (x @ (program.P @ x)) + o * c * (program.q @ x))
        model.optimize()
        assert model.termination_status() is S.OPTIMAL, seed
        assert program.error(c * model.value(x)) <= 1e-5, seed


@EVERY
@pytest.mark.parametrize("tiny", [1e-9, 1e-12, 1e-14])
def test_a_row_of_tiny_numbers_is_a_row(solver: Any, tiny: float) -> None:
    """``tiny x <= tiny`` holds x below one (HiGHS takes entries below 1e-12 for zeros)."""
    model = ot.Model(solver)
    x = model.add_variables(2, lower=0.0, upper=5.0)
    c = model.add_constraint(tiny * x[0] <= tiny)
    model.maximize(x.sum())
    model.optimize()
    assert model.termination_status() is S.OPTIMAL
    np.testing.assert_allclose(model.value(x), [1.0, 5.0], rtol=1e-6)
    assert tiny * model.dual(c) == pytest.approx(-1.0, rel=1e-5)


def test_a_coefficient_that_becomes_tiny() -> None:
    """A change in place is no way for an entry to be dropped."""
    model = ot.Model(ot.solvers.HiGHS)
    x = model.add_variable(lower=0.0, upper=5.0)
    c = model.add_constraint(1.0 * x <= 1.0)
    model.maximize(1.0 * x)
    model.optimize()
    for coefficient in (1e-13, 1.0, 1e-14):
        model.modify(c, ot.ScalarCoefficientChange(x, coefficient))
        model.set(ot.ConstraintSet(), c, ot.LessThan(2.0 * coefficient))
        model.optimize()
        assert model.value(x) == pytest.approx(2.0, rel=1e-6)


def test_an_objective_that_becomes_quadratic() -> None:
    """HiGHS' units are chosen anew when a linear program becomes a quadratic one, or grows, and values follow."""
    model = ot.Model(ot.solvers.HiGHS)
    x = model.add_variables(2, lower=0.0)
    c = model.add_constraint(1e4 * (x[0] + x[1]) >= 2e4)
    model.minimize(x[0] + 2.0 * x[1])
    model.optimize()
    np.testing.assert_allclose(model.value(x), [2.0, 0.0], atol=1e-9)
    model.minimize(1e-3 * (x @ x))
    model.optimize()
    np.testing.assert_allclose(model.value(x), [1.0, 1.0], atol=1e-9)
    assert model.dual(c) == pytest.approx(2e-7, rel=1e-6)
    y = model.add_variable(lower=3.0)
    model.add_constraint(1e5 * (x[0] - y) >= 0.0)
    model.optimize()
    np.testing.assert_allclose(model.value(x), [3.0, 0.0], atol=1e-9)
    assert model.objective_value() == pytest.approx(9e-3, rel=1e-9)
    model.set(ot.ConstraintSet(), c, ot.GreaterThan(5e4))
    model.optimize()
    np.testing.assert_allclose(model.value(x), [3.0, 2.0], atol=1e-9)


UNBOUNDED: dict[str, Callable[[Any, Any], Any]] = {
    "a square beside": lambda x, y: x * x - y,
    "a singular square": lambda x, y: (x - y) * (x - y) - x,
    "nothing else": lambda x, y: 1.0 * x,
}


@EVERY
@pytest.mark.parametrize("name", UNBOUNDED)
def test_unbounded_without_rows(solver: Any, name: str) -> None:
    """An objective that falls for ever over all points is proved to."""
    model = ot.Model(solver)
    x, y = model.add_variable(), model.add_variable()
    model.minimize(UNBOUNDED[name](x, y))
    model.optimize()
    assert model.termination_status() is S.DUAL_INFEASIBLE
    assert model.get(ot.PrimalStatus()) is ot.ResultStatusCode.INFEASIBILITY_CERTIFICATE


@EVERY
def test_small_curvature_is_no_ray(solver: Any) -> None:
    """A strictly convex program has a solution, however flat it is along one direction."""
    model = ot.Model(solver)
    x = model.add_variables(2)
    model.add_constraint(x[1] >= 0.0)
    model.minimize(1e-5 * x[0] * x[0] + x[1] * x[1] - x[0])
    model.optimize()
    assert model.termination_status() not in (S.DUAL_INFEASIBLE, S.INFEASIBLE)
    if model.termination_status() is S.OPTIMAL:
        assert model.value(x[0]) == pytest.approx(5e4, rel=1e-3)


@EVERY
def test_nothing_is_printed(solver: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """Silence is the default: no active row, numbers that overflow, starts that violate rows, no solution."""
    builds: list[Callable[[Any, Any], Any]] = [
        lambda m, x: m.add_constraint(x[0] <= 5),
        lambda m, x: m.add_constraint(x[0] + x[1] <= 1e300),
        lambda m, x: m.add_constraint(x[0] + x[1] <= -1e300),
        lambda m, x: m.add_constraint(1e200 * x[0] + x[1] <= 1.0),
        lambda m, x: m.set(ot.VariablePrimalStart(), x[0], 99.5),
        lambda m, x: [m.add_constraint(x[0] >= 1), m.add_constraint(x[0] <= 0)],
    ]
    for build in builds:
        model = ot.Model(solver)
        x = model.add_variables(3)
        build(model, x)
        model.minimize(x @ x + x[0])
        try:
            model.optimize()
        except ot.InvalidData:
            assert solver is not ot.solvers.Clarabel  # a library may have limits
    assert capfd.readouterr().out == ""


def test_another_wording_scales_the_bounds_of_boxes() -> None:
    """OSQP and DAQP, whose forms hold bounds in their sets, solve a program with an objective of 1e-6."""
    rng = np.random.default_rng(5)
    M, A, x = rng.standard_normal((6, 6)), rng.standard_normal((4, 6)), rng.standard_normal(6)
    P, y = M @ M.T / 6.0 + 0.3 * np.eye(6), np.array([1.0, 0.7, 0.0, 0.0])
    upper = A @ x + np.array([0.0, 0.0, 0.6, 1.1])
    for maker in (ot.solvers.OSQP, ot.solvers.DAQP):
        model = ot.Model(maker)
        v = model.add_variables(6)
        for row, bound in zip(3.0 * A, 3.0 * upper, strict=True):
            model.add_constraint(row @ v, ot.Interval(bound - 30.0, bound))
        model.minimize(1e-6 * (0.5 * (v @ (P @ v)) - (P @ x + A.T @ y) @ v))
        model.optimize()
        assert model.termination_status() is ot.TerminationStatusCode.OPTIMAL
        np.testing.assert_allclose(model.value(v), x, atol=1e-6)


@pytest.mark.parametrize("seed", [0, 1])
def test_highs_takes_another_way_in_the_units_of_the_model(seed: int) -> None:
    """A quadratic program with a norm and columns of 1e6, on which its method gives up in other units, is solved."""

    def solved(maker: Any, scale: float) -> Any:
        rng, n = np.random.default_rng(seed), 5
        M, F, a, G = (rng.standard_normal(shape) for shape in ((n, n), (4, n), n, (2, n)))
        P = M @ M.T / n + 0.3 * np.eye(n)
        model = ot.Model(maker)
        v = model.add_variables(n)
        f = (scale * F) @ v
        model.add_constraint(ot.vectorize([0.0 * v[0] + 1.0, *(f[i] for i in range(4))]), ot.NormOneCone(5))
        model.add_constraint((scale * G) @ v <= G @ a + 0.5)
        model.minimize(0.5 * (v @ ((scale * scale * P) @ v)) - (3.0 * scale * (P @ a)) @ v)
        model.optimize()
        assert model.termination_status() is ot.TerminationStatusCode.OPTIMAL
        return scale * model.value(v)

    np.testing.assert_allclose(solved(ot.solvers.HiGHS, 1e6), solved(ot.solvers.Clarabel, 1.0), atol=1e-6)
