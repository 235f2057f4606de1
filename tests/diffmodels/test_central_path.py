"""The derivative of the central path, which `Smoothed` gives: against minimizers of barriers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optangent as ot

from .oracle import Array

BOTH = pytest.mark.parametrize("diff_model", [ot.QuadraticDiff, ot.ConicDiff], ids=lambda one: one.name)


def barrier_slopes(model: ot.Model, v: Any, parameters: Any, barrier: Any, mu: float) -> Array:
    """How the minimizer of objective plus mu times a barrier moves, by differences; `barrier` is convex in x."""
    theta = np.array([model.parameter_value(p) for p in parameters])
    columns = []
    for k in range(len(theta)):
        ends = [_minimizer(barrier, theta + sign * 1e-5 * np.eye(len(theta))[k], mu, len(v)) for sign in (1, -1)]
        columns.append((ends[0] - ends[1]) / 2e-5)
    slopes: Array = np.array(columns)
    return slopes


def _minimizer(barrier: Any, theta: Array, mu: float, n: int) -> Array:
    """By Newton's method, whose steps stay inside."""
    x = barrier(None, theta, mu)
    for _ in range(100):
        gradient, hessian = barrier(x, theta, mu)
        step = np.linalg.solve(hessian, -gradient)
        length = 1.0
        while length > 1e-8 and barrier(x + length * step, theta, mu) is None:
            length *= 0.5
        x = x + length * step
        if np.abs(step).max() <= 1e-15 * (1.0 + np.abs(x).max()):
            break
    minimizer: Array = x
    return minimizer


A = np.array(
    [[1.0, 2.0, 1.0], [2.0, 1.0, -1.0], [-1.0, 1.0, 2.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, -1.0]]
)


def of_rows(x: Array | None, theta: Array, mu: float) -> Any:
    """``c x - mu Σ log(b - A x)``: a start, else gradient and Hessian, or None outside."""
    c, b = theta[:3], np.concatenate([theta[3:], np.zeros(3)])
    if x is None:
        return np.full(3, 0.1)
    s = b - A @ x
    if s.min() <= 0.0:
        return None
    return c + mu * A.T @ (1.0 / s), mu * (A.T / s**2) @ A


@BOTH
@pytest.mark.parametrize("mu", [1.0, 1e-2, 1e-4])
def test_smoothed_slopes_of_a_linear_program_are_those_of_the_barrier(mu: float, diff_model: Any) -> None:
    """In costs and right-hand sides, both modes, whatever the scale of rows; and other things stay exact."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    v = model.add_variables(3, lower=0.0)
    c, b = model.add_parameters([-1.0, -2.0, -1.5]), model.add_parameters([4.0, 3.0, 2.0])
    scale = np.array([1e3, 1.0, 1e-3])
    model.add_constraint(
        (scale[:, None] * A[:3]) @ v - ot.vectorize([s * p for s, p in zip(scale, b, strict=True)]) <= 0.0
    )
    model.minimize(c @ v)
    model.set(ot.ModelConstructor(), diff_model)
    model.set(ot.DifferentiationPolicy(), ot.Smoothed(mu))
    model.optimize()
    parameters = [*c, *b]
    expected = barrier_slopes(model, v, parameters, of_rows, mu)
    found = model.directional_derivatives(v, [{p: 1.0} for p in parameters])
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max())
    assert model.get(ot.DifferentiationStatus()) is ot.DifferentiationStatusCode.SMOOTHED
    model.set(ot.ReverseVariablePrimal(), v, [1.0, -2.0, 3.0])
    model.reverse_differentiate()
    pulled = [model.get(ot.ReverseParameterValue(), p) for p in parameters]
    np.testing.assert_allclose(pulled, found @ [1.0, -2.0, 3.0], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(model.meta_solver.polished(v), model.value(v), atol=1e-9)
    np.testing.assert_allclose(model.jacobian([v], parameters).toarray(), found.T, rtol=1e-9, atol=1e-12)


def of_disc(x: Array | None, theta: Array, mu: float) -> Any:
    """``½|x - θ|² - ½ mu log(1 - |x|²)``, the second-order cone's."""
    if x is None:
        return np.zeros(2)
    s = 1.0 - x @ x
    if s <= 0.0:
        return None
    return x - theta + mu * x / s, np.eye(2) + mu * (np.eye(2) / s + 2.0 * np.outer(x, x) / s**2)


def of_matrix(x: Array | None, theta: Array, mu: float) -> Any:
    """``½|x - θ|² - mu log det [[1 + x₀, x₁], [x₁, 1 - x₀]]``, the semidefinite cone's."""
    if x is None:
        return np.zeros(2)
    s = 1.0 - x @ x
    if s <= 0.0:
        return None
    return x - theta + 2.0 * mu * x / s, np.eye(2) + 2.0 * mu * (np.eye(2) / s + 2.0 * np.outer(x, x) / s**2)


@pytest.mark.parametrize("mu", [1.0, 1e-3])
@pytest.mark.parametrize("at", [[2.0, 1.0], [0.6, 0.8], [0.1, 0.2]], ids=["outside", "at the kink", "inside"])
@pytest.mark.parametrize("kind", ["rows", "cone", "matrix"])
def test_smoothed_slopes_of_cones_are_those_of_their_barriers(kind: str, at: list[float], mu: float) -> None:
    """Projections on the unit disc as a quadratic row, a second-order cone and a semidefinite matrix."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    v, p = model.add_variables(2), model.add_parameters(at)
    if kind == "rows":
        model.add_constraint(v @ v <= 1.0)
    elif kind == "cone":
        model.add_constraint(ot.vectorize([0.0 * v[0] + 1.0, v[0], v[1]]), ot.SecondOrderCone(3))
    else:
        entries = ot.vectorize([1.0 + v[0], 1.0 * v[1], 1.0 - v[0]])
        model.add_constraint(entries, ot.PositiveSemidefiniteConeTriangle(2))
    model.minimize(0.5 * ((v[0] - p[0]) ** 2 + (v[1] - p[1]) ** 2))
    model.set(ot.DifferentiationPolicy(), ot.Smoothed(mu))
    model.optimize()
    barrier = of_matrix if kind == "matrix" else of_disc
    expected = barrier_slopes(model, v, p, barrier, 2.0 * mu if kind == "rows" else mu)
    found = model.directional_derivatives(v, [{q: 1.0} for q in p])
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


def of_exponential(x: Array | None, theta: Array, mu: float) -> Any:
    """``½|x - θ|² + mu F(x)`` with ``F = -log(x₁ log(x₂ / x₁) - x₀) - log x₁ - log x₂``."""
    if x is None:
        return np.array([-1.0, 1.0, 1.0])
    if min(x[1:]) <= 0.0 or x[1] * np.log(x[2] / x[1]) <= x[0]:
        return None
    s, ratio = x[1] * np.log(x[2] / x[1]) - x[0], np.log(x[2] / x[1])
    slope = np.array([-1.0, ratio - 1.0, x[1] / x[2]])
    bend = np.array([[0.0, 0.0, 0.0], [0.0, -1.0 / x[1], 1.0 / x[2]], [0.0, 1.0 / x[2], -x[1] / x[2] ** 2]])
    inverse = np.array([0.0, 1.0 / x[1], 1.0 / x[2]])
    gradient = -slope / s - inverse
    return x - theta + mu * gradient, np.eye(3) + mu * (np.outer(slope, slope) / s**2 - bend / s + np.diag(inverse**2))


def of_power(x: Array | None, theta: Array, mu: float, a: float = 0.3) -> Any:
    """``½|x - θ|² + mu F(x)`` with ``F = -log(x₀^2a x₁^2b - x₂²) - b log x₀ - a log x₁``, b = 1 - a."""
    if x is None:
        return np.array([1.0, 1.0, 0.0])
    b = 1.0 - a
    if min(x[:2]) <= 0.0 or x[0] ** a * x[1] ** b <= abs(x[2]):
        return None
    height = x[0] ** (2.0 * a) * x[1] ** (2.0 * b)
    s, p = height - x[2] ** 2, np.array([2.0 * a / x[0], 2.0 * b / x[1], 0.0])
    slope = height * p - [0.0, 0.0, 2.0 * x[2]]
    own = np.array([2.0 * a / x[0] ** 2, 2.0 * b / x[1] ** 2, 0.0])
    bend = height * (np.outer(p, p) - np.diag(own)) - np.diag([0.0, 0.0, 2.0])
    logs = np.array([b / x[0], a / x[1], 0.0])
    curved = np.outer(slope, slope) / s**2 - bend / s + np.diag([b / x[0] ** 2, a / x[1] ** 2, 0.0])
    return x - theta - mu * (slope / s + logs), np.eye(3) + mu * curved


SHAPES = {
    "exponential": (ot.ExponentialCone(), of_exponential, [-1.0, 0.0, 2.0]),
    "power": (ot.PowerCone(0.3), of_power, [2.0, 0.0, 0.0]),
}


@pytest.mark.parametrize("mu", [1.0, 1e-3])
@pytest.mark.parametrize("where", ["outside", "face", "apex", "inside"])
@pytest.mark.parametrize("kind", SHAPES)
def test_smoothed_slopes_of_cones_without_eigenvalues(kind: str, where: str, mu: float) -> None:
    """Projections on exponential and power cones, at faces and the apex as well, whatever the scale of rows."""
    cone, barrier, face = SHAPES[kind]
    at = {"outside": [0.9, -0.2, 1.3], "face": face, "apex": [0.0, 0.0, 0.0], "inside": [*barrier(None, None, mu)]}
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    v, p = model.add_variables(3), model.add_parameters(at[where])
    model.add_constraint(1e3 * v, cone)
    model.minimize(0.5 * (v @ v) - p @ v)
    model.set(ot.DifferentiationPolicy(), ot.Smoothed(mu))
    model.optimize()
    expected = barrier_slopes(model, v, p, barrier, mu)
    found = model.directional_derivatives(v, [{q: 1.0} for q in p])
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(found, found.T, atol=1e-12)  # as the Hessian is symmetric, forward is reverse mode
    model.set(ot.ReverseVariablePrimal(), v, [1.0, -2.0, 3.0])
    model.reverse_differentiate()
    pulled = [model.get(ot.ReverseParameterValue(), q) for q in p]
    np.testing.assert_allclose(pulled, found @ [1.0, -2.0, 3.0], atol=1e-12)


@pytest.mark.parametrize("mu", [1.0, 1e-3])
@pytest.mark.parametrize("kind", SHAPES)
def test_smoothed_slopes_of_their_duals(kind: str, mu: float) -> None:
    """``-p = s - y`` in the projection of p on a dual cone, where ``s = -mu F'(y)``: both are one decomposition."""
    cone, barrier, _ = SHAPES[kind]
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    v, p = model.add_variables(3), model.add_parameters([0.4, -0.7, 1.1])
    model.add_constraint(1.0 * v, cone.dual_set())
    model.minimize(0.5 * (v @ v) - p @ v)
    model.set(ot.DifferentiationPolicy(), ot.Smoothed(mu))
    model.optimize()
    found = model.directional_derivatives(v, [{q: 1.0} for q in p])
    # of y, the projection of -p
    opposite = barrier_slopes(model, v, p, lambda x, theta, mu: barrier(x, -theta, mu), mu)
    np.testing.assert_allclose(found, np.eye(3) + opposite, rtol=1e-5, atol=1e-7)


def test_smoothed_slopes_through_bridges() -> None:
    """Relative entropy, which becomes exponential cones: both modes agree, and so do differences of central points."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    n = 4
    t, v, p = model.add_variable(), model.add_variables(n), model.add_parameters([0.4, 0.3, 0.2, 0.1])
    model.add_constraint(ot.vectorize([1.0 * t, *p, *(1.0 * one for one in v)]), ot.RelativeEntropyCone(2 * n + 1))
    model.add_constraint(v.sum() == 1.0)
    model.add_constraint(v[0] <= 0.3)
    model.minimize(t)
    model.set(ot.DifferentiationPolicy(), ot.Smoothed(1e-2))
    model.optimize()
    found = model.directional_derivatives(v, [{q: 1.0} for q in p])
    np.testing.assert_allclose(found.sum(axis=1), 0.0, atol=1e-12)
    for k in range(n):
        model.set(ot.ReverseVariablePrimal(), v, np.eye(n)[k])
        model.reverse_differentiate()
        pulled = [model.get(ot.ReverseParameterValue(), q) for q in p]
        np.testing.assert_allclose(pulled, found[:, k], rtol=1e-9, atol=1e-11)


def test_where_there_is_no_central_path_it_is_said() -> None:
    """Two inequalities that make an equation leave nothing inside, and so does an exponential cone held to a face."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    v = model.add_variables(2)
    model.add_constraint(v[0] + v[1] <= 1.0)
    model.add_constraint(v[0] + v[1] >= 1.0)
    model.minimize(v @ v)
    model.set(ot.DifferentiationPolicy(), "smoothed")
    model.optimize()
    with pytest.raises(ot.DifferentiationError, match="no point of the central path with mu"):
        model.forward_differentiate()
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    v = model.add_variables(2)
    model.add_constraint(ot.vectorize([1.0 * v[0], 0.0 * v[0], 1.0 * v[1]]), ot.ExponentialCone())
    model.minimize((v[0] + 3.0) ** 2 + (v[1] - 1.0) ** 2)
    model.set(ot.DifferentiationPolicy(), "smoothed")
    model.optimize()
    with pytest.raises(ot.DifferentiationError, match="no point of the central path with mu"):
        model.forward_differentiate()


@pytest.mark.parametrize("wrong", [0.0, -1.0, np.nan, np.inf, "small", True, None])
def test_a_mu_that_is_none_is_refused(wrong: Any) -> None:
    """With its unit."""
    with pytest.raises(ot.InvalidData, match="mu of Smoothed is a positive number"):
        ot.Smoothed(mu=wrong)
