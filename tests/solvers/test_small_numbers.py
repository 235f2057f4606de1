"""Quadratic programs with small numbers, which HiGHS' own method takes for zeros where it starts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import optangent as ot

STATUS = ot.TerminationStatusCode
SMALL = (2e-7, 7.2e-5, 1e-4)
"""Below the first point's zero, above the feasibility tolerance of 1e-7."""
Point = dict[Any, float]


def parameter_in_nothing(model: Any, small: float) -> Point:
    """A parameter beside a program that does not use it."""
    y, p = model.add_variable(), model.add_parameter(small)
    model.add_constraint(y >= 0.5)
    model.minimize(y * y - 2.0 * y)
    return {y: 1.0, p: small}


def fixed_in_nothing(model: Any, small: float) -> Point:
    """A fixed variable beside a program that does not use it."""
    y, p = model.add_variable(), model.add_variable()
    model.add_constraint(p, ot.EqualTo(small))
    model.add_constraint(y >= 0.5)
    model.minimize(y * y - 2.0 * y)
    return {y: 1.0, p: small}


def parameter_in_a_row(model: Any, small: float) -> Point:
    """A right-hand side, in a curvature that is zero along the bound."""
    x, p = model.add_variable(), model.add_parameter(small)
    model.add_constraint(x >= p)
    model.minimize(x * x - 2.0 * x * p)
    return {x: small, p: small}


def number_in_a_row(model: Any, small: float) -> Point:
    """A right-hand side without any parameter."""
    x = model.add_variable()
    model.add_constraint(x >= small)
    model.minimize(x * x)
    return {x: small}


def budget(model: Any, small: float) -> Point:
    """A simplex of small size, with costs that lead to a vertex."""
    v = model.add_variables(3, lower=0.0)
    model.add_constraint(v.sum() == small)
    model.minimize(v[0] * v[0] + v[1] - v[2])
    return {v[0]: 0.0, v[1]: 0.0, v[2]: small}


PROGRAMS = (parameter_in_nothing, fixed_in_nothing, parameter_in_a_row, number_in_a_row, budget)


@pytest.mark.parametrize("small", SMALL)
@pytest.mark.parametrize("build", PROGRAMS)
def test_highs_solves_quadratic_programs_with_small_numbers(build: Callable[[Any, float], Point], small: float) -> None:
    """Small parameters, right-hand sides and budgets are neither an error nor unbounded, and the point is right."""
    model = ot.Model(ot.solvers.HiGHS)
    point = build(model, small)
    model.optimize()
    assert model.termination_status() is STATUS.OPTIMAL
    assert {x: model.value(x) for x in point} == pytest.approx(point, rel=1e-6, abs=1e-10)


def test_a_model_with_a_small_parameter_is_kept_and_differentiated() -> None:
    """A parameter moves through the small values in place, and its derivatives are those of any other value."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    x, p = model.add_variables(2), model.add_parameter(1.0)
    model.add_constraint(x[0] + x[1] >= p)
    model.minimize(x[0] * x[0] + 3.0 * x[1] * x[1])
    for small in (1.0, *SMALL, 1.0):
        model.set_parameter_value(p, small)
        model.optimize()
        assert model.termination_status() is STATUS.OPTIMAL
        np.testing.assert_allclose(model.value(x), [0.75 * small, 0.25 * small], rtol=0.0, atol=1e-9)
        model.set(ot.ForwardParameterValue(), p, 1.0)
        model.forward_differentiate()
        np.testing.assert_allclose(model.get(ot.ForwardVariablePrimal(), x), [0.75, 0.25], atol=1e-8)


def test_options_of_the_user_are_not_tried_otherwise() -> None:
    """Who sets an option of the further tries gets that alone, and after a further try the options are the user's."""
    kept = ot.solvers.HiGHS(user_bound_scale=0, qp_regularization_value=0.0)
    model = ot.Model(lambda: kept)
    fixed_in_nothing(model, 7.2e-5)
    model.optimize()
    assert model.termination_status() is STATUS.OTHER_ERROR
    usual = ot.solvers.HiGHS(qp_iteration_limit=50)
    model = ot.Model(lambda: usual)
    fixed_in_nothing(model, 7.2e-5)
    model.optimize()
    assert model.termination_status() is STATUS.OPTIMAL
    names = ("qp_iteration_limit", "user_bound_scale", "user_objective_scale", "qp_regularization_value")
    assert [usual._handle.getOptionValue(name)[1] for name in names] == [50, 0, 0, 0.0]
