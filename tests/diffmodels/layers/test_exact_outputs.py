"""Outputs of layers are the exact solution, whatever the solver's tolerances: against closed forms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.diffmodels.layers.dense.dense_route import DenseRoute
from optangent.diffmodels.layers.form_route import FormRoute
from optangent.diffmodels.layers.program import Program

V = ot.vectorize
Case = tuple[ot.Model, Any, list[Any], np.ndarray, Callable[[np.ndarray], np.ndarray]]
"""A model, its parameters, outputs, values of the parameters, and the right outputs of them."""


SOLVERS = {
    "Clarabel": lambda: ot.solvers.Clarabel(tol_gap_abs=1e-6, tol_gap_rel=1e-6, tol_feas=1e-6),
    "SCS": lambda: ot.solvers.SCS(eps_abs=1e-6, eps_rel=1e-6),
}


def projection(solver: Any, cone: Any, project: Callable[[np.ndarray], np.ndarray]) -> Case:
    """The nearest point x of a cone to p; the dual is 2 (x - p) in plain coordinates."""
    model = ot.Model(ot.diff_optimizer(solver))
    p0 = np.random.default_rng(3).normal(size=cone.dimension)
    x, p = model.add_variables(cone.dimension), model.add_parameters(p0)
    model.add_constraint(x, cone)
    r = model.add_variables(cone.dimension)
    equal = model.add_constraint(r - x + p == 0)
    model.minimize(r @ r)
    outputs = [x, r[1], equal, (ot.ConstraintPrimal(), equal), ot.ObjectiveValue()]

    def exact(p: np.ndarray) -> np.ndarray:
        x = project(p)
        return np.concatenate([x, [x[1] - p[1]], 2 * (x - p), 0 * x, [(x - p) @ (x - p)]])

    return model, p, outputs, p0, exact


def second_order(solver: Any) -> Case:
    """By the formula."""

    def project(p: np.ndarray) -> np.ndarray:
        norm = np.linalg.norm(p[1:])
        assert abs(p[0]) < norm
        return 0.5 * (1 + p[0] / norm) * np.concatenate([[norm], p[1:]])

    return projection(solver, ot.SecondOrderCone(4), project)


def semidefinite(solver: Any) -> Case:
    """By eigenvalues; entries of the triangle in which inner products are plain."""
    row, column = np.tril_indices(3)  # the upper triangle, column by column
    scale = np.where(row == column, 1.0, np.sqrt(2.0))

    def project(p: np.ndarray) -> np.ndarray:
        M = np.zeros((3, 3))
        M[row, column] = M[column, row] = p / scale
        values, vectors = np.linalg.eigh(M)
        assert (values > 0).any() and (values < 0).any()
        return ((vectors * np.maximum(values, 0)) @ vectors.T)[row, column] * scale

    return projection(solver, ot.ScaledPositiveSemidefiniteConeTriangle(3), project)


def entropy(solver: Any) -> Case:
    """The softmax, through exponential cones."""
    model = ot.Model(ot.diff_optimizer(solver))
    y, t, p = model.add_variables(3), model.add_variables(3), model.add_parameters(np.zeros(3))
    for i in range(3):
        model.add_constraint(V([1.0 * t[i], 1.0 * y[i], 1.0 + 0 * y[i]]), ot.ExponentialCone())
    total = model.add_constraint(y.sum() == 1)
    model.maximize(p @ y + t.sum())

    def exact(p: np.ndarray) -> np.ndarray:
        value = np.log(np.exp(p).sum())
        y = np.exp(p - value)
        return np.concatenate([y, [y[1]], [1 - value], [1.0], [value]])

    # of sums s the value is s (value - log s), with slope value - 1 at s = 1; duals of a maximum have its negative
    return (
        model,
        p,
        [y, y[1], total, (ot.ConstraintPrimal(), total), ot.ObjectiveValue()],
        np.array([1.0, -1, 0.3]),
        exact,
    )


def power(solver: Any) -> Case:
    """The largest geometric mean at a price."""
    model = ot.Model(ot.diff_optimizer(solver))
    x, p = model.add_variables(3), model.add_parameters(np.ones(2))
    model.add_constraint(1.0 * x, ot.PowerCone(0.3))
    model.add_constraint(p[0] * x[0] + p[1] * x[1] <= 1)
    model.maximize(x[2])

    def exact(p: np.ndarray) -> np.ndarray:
        x, y = 0.3 / p[0], 0.7 / p[1]
        return np.array([x, y, x**0.3 * y**0.7, x**0.3 * y**0.7])

    return model, p, [x, ot.ObjectiveValue()], np.array([0.8, 1.7]), exact


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("build", [second_order, semidefinite, entropy, power])
def test_outputs_are_exact(build: Callable[[Any], Case], solver: str) -> None:
    """Values, duals, functions and objectives to 1e-10, of solvers that are asked for 1e-6, alone and in a batch."""
    model, p, outputs, p0, exact = build(SOLVERS[solver])
    program = Program(model, [p], outputs)
    assert isinstance(program.route, FormRoute)
    for item in [program.solve(p0), *program.solve_batch(np.stack([p0, 1.1 * p0]))]:
        assert item.reason == ""
        np.testing.assert_allclose(item.outputs, exact(item.theta), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("n", "route"), [(30, DenseRoute), (420, FormRoute)])
def test_quadratic_programs_of_any_size(n: int, route: type) -> None:
    """Of a solver that is asked for 1e-4 as well, small (dense) and large (sparse)."""
    model = ot.Model(ot.diff_optimizer(lambda: ot.solvers.OSQP(eps_abs=1e-4, eps_rel=1e-4)))
    p0 = np.random.default_rng(4).normal(size=n)
    x, p = model.add_variables(n, lower=0.0), model.add_parameters(p0)
    model.minimize((x - p) @ (x - p))
    program = Program(model, [p], [x, ot.ObjectiveValue()])
    assert isinstance(program.route, route)
    found = program.solve(p0).outputs
    np.testing.assert_allclose(found[:n], np.maximum(p0, 0.0), atol=1e-12)
    np.testing.assert_allclose(found[n], (np.minimum(p0, 0.0) ** 2).sum(), rtol=1e-12)


@pytest.mark.parametrize("solver", [ot.solvers.HiGHS])
def test_integers_keep_the_solvers_answer(solver: Any) -> None:
    """Where there is nothing to refine, an output is what the solver says."""
    model = ot.Model(ot.diff_optimizer(solver))
    x, p = model.add_variable(integer=True), model.add_parameter(1.4)
    model.add_constraint(x - p >= 0)
    model.minimize(1.0 * x)
    program = Program(model, [p], [x, ot.ObjectiveValue()])
    np.testing.assert_allclose(program.solve(np.array([1.4])).outputs, [2.0, 2.0], atol=1e-9)
