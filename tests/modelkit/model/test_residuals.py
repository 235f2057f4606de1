"""A solver's word is checked: residuals by hand, and fakes that claim what is not so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optangent as ot

Codes = ot.TerminationStatusCode


def solved(optimizer: Any, build: Any) -> ot.Model:
    """A model in front of the optimizer, built and solved."""
    model = ot.Model()
    model.meta_solver.reset_optimizer(optimizer)
    build(model)
    optimizer.model = model
    model.optimize()
    return model


def box(model: ot.Model) -> None:
    """Minimize x + y over 1 <= x, 2 <= x + y: any point with x + y = 2 and dual 1 of the row is optimal."""
    v = model.add_variables(2)
    model.add_constraint(v[0], ot.GreaterThan(1.0))
    model.add_constraint(v.sum() >= 2)
    model.minimize(v.sum())


def test_residuals_by_hand(fake: Any) -> None:
    """Each residual is the formula's, relative to one plus the size of its terms."""
    model = solved(fake(x=[0.0, 1.0], duals=0.5), box)
    residuals = model.meta_solver.residuals()
    assert residuals.primal == pytest.approx(1.0, rel=1e-12)  # the bound is missed by 1 at value 0
    assert residuals.dual == pytest.approx(0.5 / 2.0, rel=1e-12)  # 1 - 0.5 in y; |q| = |F'y| = 1
    assert residuals.gap == pytest.approx(0.5 / 2.5, rel=1e-12)  # |1 - 1.5|, terms of size 1.5
    assert residuals.worst == residuals.primal


@pytest.mark.parametrize(
    ("x", "duals", "status"),
    [
        ([1.0, 1.0], None, Codes.OPTIMAL),  # without duals the primal alone is checked
        ([1.0, 1.0], 0.5, Codes.ALMOST_OPTIMAL),  # stationarity
        ([1.0, 0.5], None, Codes.ALMOST_OPTIMAL),  # the row
        ([1.0 - 1e-3, 1.1], None, Codes.ALMOST_OPTIMAL),  # the bound
        ([1.0, 1.0 - 1e-7], None, Codes.OPTIMAL),
        ([np.nan, 1.0], None, Codes.OTHER_ERROR),
        ([np.inf, 1.0], 0.0, Codes.OTHER_ERROR),
    ],
)
def test_a_wrong_optimum_is_downgraded(fake: Any, x: Any, duals: Any, status: Codes) -> None:
    """OPTIMAL is passed on only where our residuals agree."""
    model = solved(fake(x=x, duals=duals), box)
    assert model.termination_status() is status


@pytest.mark.parametrize(
    ("chosen", "good", "bad"),
    [
        (ot.Integer(), [-2.0, 0.0, 3.0 + 1e-7], [0.5, 2.01]),
        (ot.ZeroOne(), [0.0, 1.0, 1e-7], [0.5, 2.0, -1.0]),
        (ot.Semicontinuous(2.0, 3.0), [0.0, 2.0, 2.5, 3.0], [1.0, 0.1, 3.5, -1.0]),
        (ot.Semiinteger(2.0, 4.0), [0.0, 2.0, 3.0], [2.5, 1.0, 5.0]),
    ],
    ids=repr,
)
def test_sets_with_gaps_are_checked(fake: Any, chosen: Any, good: list[float], bad: list[float]) -> None:
    """A fractional "solution" of a mixed-integer model is no optimum."""
    for value, status in [(g, Codes.OPTIMAL) for g in good] + [(b, Codes.ALMOST_OPTIMAL) for b in bad]:
        model = ot.Model()
        cache = model.meta_solver
        cache.add_constraint(cache.add_variable(), chosen)
        cache.reset_optimizer(fake(x=[value], duals=None))
        cache.optimize()
        assert model.termination_status() is status, value


@pytest.mark.parametrize(
    ("chosen", "good", "bad"),
    [(ot.SOS1([1.0, 2.0]), [0.0, 3.0], [1.0, 3.0]), (ot.Indicator(ot.LessThan(2.0)), [0.0, 3.0], [1.0, 3.0])],
    ids=repr,
)
def test_vector_sets_with_gaps_are_checked(fake: Any, chosen: Any, good: list[float], bad: list[float]) -> None:
    """Several constraints of a kind, of which the last one is violated or not."""
    for x, status in ((good, Codes.OPTIMAL), (bad, Codes.ALMOST_OPTIMAL)):
        model = ot.Model()
        v = model.add_variables(4, lower=-9.0, upper=9.0)
        model.add_constraint(v[:2], chosen)
        model.add_constraint(v[2:], chosen)
        model.meta_solver.reset_optimizer(fake(x=[*good, *x], duals=None))
        model.optimize()
        assert model.termination_status() is status


def test_quadratic_rows_are_checked(fake: Any) -> None:
    """Feasibility of a quadratic row is part of the check."""
    for value, status in ((2.0, Codes.OPTIMAL), (2.1, Codes.ALMOST_OPTIMAL)):
        cache = ot.MetaSolver(fake(x=[value], duals=None))
        x = cache.add_variable()
        cache.add_constraint(x * x, ot.LessThan(4.0))
        cache.optimize()
        assert cache.get(ot.TerminationStatus()) is status


@pytest.mark.parametrize("solver", ["HiGHS", "Clarabel"])
@pytest.mark.parametrize("sense", ["minimize", "maximize"])
def test_honest_solvers_pass(solver: str, sense: str) -> None:
    """A solver's solution has residuals far below the limit, and the dual objective is the primal one."""
    model = ot.Model(getattr(ot.solvers, solver))
    v = model.add_variables(3, lower=0.0, upper=np.array([1.0, 2.0, np.inf]))
    model.add_constraint(v[0] + v[1] + v[2] == 3)
    model.add_constraint(v - np.array([0.0, 1.0, 0.5]), ot.HyperRectangle([-1, -1, -1], [3, np.inf, 3]))
    sign = 1.0 if sense == "minimize" else -1.0
    getattr(model, sense)(sign * (v[0] * v[0] + 2 * v[1] * v[1] - v[2]) + 7.0)
    model.optimize()
    assert model.termination_status() is Codes.OPTIMAL and model.meta_solver.residuals().worst < 1e-6
    assert model.get(ot.DualObjectiveValue()) == pytest.approx(model.objective_value(), rel=1e-6)


def test_dual_objective_of_an_inexact_point(fake: Any) -> None:
    """A linear variable's value does not enter, only its dual; where there is curvature the Lagrangian is evaluated."""
    cache = ot.MetaSolver(fake(x=[2.1, 50.0], duals=3.0))
    x, z = cache.add_variable(), cache.add_variable()
    cache.add_constraint(1.0 * x, ot.GreaterThan(2.0))
    cache.add_constraint(1.0 * z + 1.0, ot.GreaterThan(2.0))
    cache.set(ot.ObjectiveFunction(), x * x + 4.0 + 3.0 * z)
    cache.optimize()
    assert cache.get(ot.DualObjectiveValue()) == pytest.approx(2.1**2 + 4.0 + 3.0 * (2.0 - 2.1) + 3.0, rel=1e-12)
