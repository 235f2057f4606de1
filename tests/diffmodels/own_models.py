"""Small models with parameters, made with any solver: each has rows of a kind of its own."""

from __future__ import annotations

from typing import Any

import numpy as np

import optangent as ot


def without_rows(make: Any) -> tuple[ot.Model, Any]:
    """No constraint at all."""
    model, rng = ot.Model(ot.diff_optimizer(make)), np.random.default_rng(0)
    x, p = model.add_variables(4), model.add_parameters(rng.standard_normal(4))
    model.minimize(x @ (np.diag([1.0, 2.0, 3.0, 4.0]) @ x) + p @ x + 0.1 * x[0] * x[1])
    return model, p


def equations_alone(make: Any) -> tuple[ot.Model, Any]:
    """Equalities, with parameters in coefficients and right-hand sides."""
    model, rng = ot.Model(ot.diff_optimizer(make)), np.random.default_rng(1)
    x, p = model.add_variables(5), model.add_parameters(rng.standard_normal(3))
    model.add_constraint(x.sum() + p[0] * x[1] == p[1])
    model.add_constraint(x[0] - x[3] == 1.0)
    model.minimize(x @ x + p[2] * x[4])
    return model, p


def inactive_rows(make: Any) -> tuple[ot.Model, Any]:
    """Rows and ranges that do not hold the solution."""
    model = ot.Model(ot.diff_optimizer(make))
    x, p = model.add_variables(3, lower=-9.0, upper=9.0), model.add_parameters(np.array([0.3, -0.2]))
    model.add_constraint(x[0] + x[1], ot.Interval(-7.0, 8.0))
    model.add_constraint(x[2] - x[0] <= 5.0)
    model.minimize(x @ x + p[0] * x[0] + p[1] * x[2] * x[1])
    return model, p


def ranges(make: Any) -> tuple[ot.Model, Any]:
    """Ranges at either side, and a fixed variable."""
    model = ot.Model(ot.diff_optimizer(make))
    x, p = model.add_variables(4), model.add_parameters(np.array([1.0, 2.0, 0.5]))
    model.add_constraint(x[0] + 2.0 * x[1] + x[3], ot.Interval(1.0, 4.0))
    model.add_constraint(x[1] - x[2], ot.Interval(-3.0, -1.0))
    model.add_constraint(x[2], ot.EqualTo(0.25))
    model.minimize(x @ x - p[0] * x[1] + p[1] * x[0] * x[0] - 9.0 * p[2] * x[1])
    return model, p


def norms(make: Any) -> tuple[ot.Model, Any]:
    """Norm cones, which bridges rewrite with variables of their own."""
    model = ot.Model(ot.diff_optimizer(make))
    x, t, p = model.add_variables(3), model.add_variables(2), model.add_parameters(np.array([1.0, 0.4, 0.2]))
    model.add_constraint(np.hstack([t[0], x - np.array([1.0, -2.0, 0.5])]), ot.NormOneCone(4))
    model.add_constraint(np.hstack([t[1], x[:2] * 1.0]), ot.NormInfinityCone(3))
    model.minimize(x @ x + p[0] * t[0] + p[1] * t[1] + p[2] * x[2])
    return model, p


MODELS = {made.__name__: made for made in (without_rows, equations_alone, inactive_rows, ranges, norms)}
