"""Small models with parameters for the tests of layers and batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import optangent as ot
from optangent.diffmodels.layers.batch import Batch, Call

Parts = tuple[ot.Model, list[Any], list[Any]]
"""A model, parameters and outputs, as a layer takes them."""


def accurate() -> Any:
    """A solver whose noise central differences do not see."""
    return ot.solvers.Clarabel(tol_gap_abs=1e-11, tol_gap_rel=1e-11, tol_feas=1e-11)


def projection(solver: Callable[[], Any] = accurate) -> Parts:
    """The problem min ½|v|² + q'v over G v <= h, with v, the duals and the value as outputs."""
    model = ot.Model(ot.diff_optimizer(solver))
    v = model.add_variables(4)
    G, h, q = (model.add_parameters(np.zeros(shape)) for shape in ((3, 4), 3, 4))
    c = model.add_constraint(G @ v - h, ot.Nonpositives(3))
    model.minimize(0.5 * (v @ v) + q @ v)
    return model, [G, h, q], [v, c, ot.ObjectiveValue()]


def price(solver: Callable[[], Any] = ot.solvers.Clarabel) -> Parts:
    """The problem min c x + y over x >= lo, lo <= y <= hi: infeasible for lo > hi, unbounded for c < 0."""
    model = ot.Model(ot.diff_optimizer(solver))
    x, y = model.add_variable(), model.add_variable()
    c, lo, hi = (model.add_parameter(value) for value in (1.0, 0.0, 1.0))
    model.add_constraint(x - lo >= 0)
    model.add_constraint(y - lo >= 0)
    model.add_constraint(y - hi <= 0)
    model.minimize(c * x + y)
    return model, [c, lo, hi], [x, y]


def interval(solver: Callable[[], Any] = ot.solvers.Clarabel) -> Parts:
    """The problem min x² over lo <= x <= hi."""
    model = ot.Model(ot.diff_optimizer(solver))
    x = model.add_variable()
    lo, hi = model.add_parameter(0.0), model.add_parameter(1.0)
    model.add_constraint(x - lo >= 0)
    model.add_constraint(x - hi <= 0)
    model.minimize(x * x)
    return model, [lo, hi], [x]


def solved(parts: Parts, thetas: Any, **choices: Any) -> tuple[Call, np.ndarray]:
    """A call of a batch, and its outputs."""
    call = Call(Batch.of(*parts, **choices))
    return call, call.solve(np.asarray(thetas, np.float64))
