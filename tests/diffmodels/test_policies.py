"""What is returned where a solution is not differentiable, by each `DifferentiationPolicy`."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np
import pytest

import optangent as ot

from .oracle import Array

STEP = 1e-5
WORDS = ("generalized", "exact", "least_norm", "directional")
BOTH = pytest.mark.parametrize("diff_model", [ot.QuadraticDiff, ot.ConicDiff], ids=lambda one: one.name)


def classical(diff_model: Any = None) -> tuple[ot.Model, Any, Any]:
    """``min (x - p)², x >= 0`` at p = 0."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    v, p = model.add_variables(1, lower=0.0), model.add_parameter(0.0, "p")
    model.minimize((v[0] - p) ** 2)
    model.set(ot.ModelConstructor(), diff_model)
    model.optimize()
    return model, v, p


def at_a_kink(rng: np.random.Generator, *, rank: int, dependent: bool) -> tuple[ot.Model, Any, Any, Any]:
    """A quadratic program whose active rows have zero multipliers, or dependent ones; with costs and right-hand sides.

    Three rows are weakly active and two strongly; of dependent ones the last is a positive sum of the others, so that
    multipliers are not unique, and which of them counts depends on the direction.
    """
    n, strong, weak = 6, 2, 3
    R, A = rng.standard_normal((rank, n)), rng.standard_normal((8, n))
    if dependent:
        A[4] = np.abs(rng.standard_normal(4)) @ A[:4]
    P, x = R.T @ R, rng.standard_normal(n)
    y, s = np.zeros(8), np.zeros(8)
    y[:strong], s[strong + weak :] = rng.uniform(0.5, 2.0, strong), rng.uniform(0.5, 2.0, 3)
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    v = model.add_variables(n)
    c, d = model.add_parameters(-P @ x - A.T @ y), model.add_parameters(A @ x + s)
    model.add_constraint(A @ v - d <= 0.0)
    model.minimize(0.5 * (v @ (P @ v)) + c @ v)
    model.optimize()
    return model, v, c, d


def one_sided(model: ot.Model, v: Any, moves: dict[Any, float], step: float = STEP) -> Array:
    """The difference of exact solutions on one side."""
    moved = copy.deepcopy(model)
    for parameter, by in moves.items():
        moved.set_parameter_value(parameter, model.parameter_value(parameter) + step * by)
    moved.optimize()
    difference: Array = (moved.meta_solver.polished(v) - model.meta_solver.polished(v)) / step
    return difference


@pytest.mark.parametrize("dependent", [False, True])
@pytest.mark.parametrize("rank", [6, 5])
def test_directional_derivatives_at_kinks_are_one_sided_differences(rank: int, dependent: bool) -> None:
    """On 200 quadratic programs in all, of full rank or not, with unique multipliers or not."""
    for seed in range(50):
        rng = np.random.default_rng([seed, rank, dependent])
        model, v, c, d = at_a_kink(rng, rank=rank, dependent=dependent)
        model.set(ot.DifferentiationPolicy(), "directional")
        moves = dict(zip([*c, *d], rng.standard_normal(len(c) + len(d)), strict=True))
        if seed % 5 == 0:  # of the costs alone
            moves |= dict.fromkeys(d, 0.0)
        back = {parameter: -by for parameter, by in moves.items()}
        found = model.directional_derivatives(v, [moves, back])
        assert model.get(ot.DifferentiationStatus()) is ot.DifferentiationStatusCode.ONE_SIDED
        for derivative, direction in zip(found, (moves, back), strict=True):
            expected = one_sided(model, v, direction)
            np.testing.assert_allclose(derivative, expected, atol=1e-6 * max(1.0, np.abs(expected).max()))


def test_the_classical_example() -> None:
    """Of ``min (x - p)², x >= 0`` at p = 0 the solution stays for smaller p, and follows larger ones."""
    model, v, p = classical()
    model.set(ot.DifferentiationPolicy(), "directional")
    for move, expected in ((1.0, 1.0), (-1.0, 0.0)):
        model.set(ot.ForwardParameterValue(), p, move)
        model.forward_differentiate()  # warns of nothing
        assert model.get(ot.ForwardVariablePrimal(), v[0]) == pytest.approx(expected, abs=1e-12)
    assert model.get(ot.DifferentiationStatus()) is ot.DifferentiationStatusCode.ONE_SIDED


def test_one_sided_derivatives_move_with_coefficients_of_rows() -> None:
    """``min ½|x - a|², p x₀ + x₁ <= 1`` with a on the row: p moves the row under the solution on one side alone."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    v, p = model.add_variables(2), model.add_parameter(1.0)
    model.add_constraint(p * v[0] + v[1] <= 1.0)
    model.minimize(0.5 * ((v[0] - 0.25) ** 2 + (v[1] - 0.75) ** 2))
    model.optimize()
    model.set(ot.DifferentiationPolicy(), "directional")
    found = model.directional_derivatives(v, [{p: 1.0}, {p: -1.0}])
    np.testing.assert_allclose(found, [[-0.125, -0.125], [0.0, 0.0]], atol=1e-12)


def test_what_the_multipliers_decide_is_refused_where_these_are_not_unique() -> None:
    """A row twice, and its coefficients move: the error says what depends on what."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    v, p = model.add_variables(2), model.add_parameter(1.0)
    model.add_constraint(p * v[0] + v[1] >= 1.0)
    model.add_constraint(v[0] + v[1] >= 1.0)
    model.minimize(v @ v)
    model.optimize()
    model.set(ot.DifferentiationPolicy(), "directional")
    with pytest.raises(ot.Unsupported, match="depend on one another"):
        model.directional_derivatives(v, [{p: 1.0}])


def test_a_direction_without_solutions_is_refused() -> None:
    """Of ``x <= p, x >= 0`` at p = 0 nothing is left for a smaller p."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    v, p = model.add_variables(1, lower=0.0), model.add_parameter(0.0)
    model.add_constraint(v[0] - p <= 0.0)
    model.minimize(-1.0 * v[0])
    model.optimize()
    model.set(ot.DifferentiationPolicy(), "directional")
    np.testing.assert_allclose(model.directional_derivatives(v, [{p: 1.0}]), 1.0)
    with pytest.raises(ot.DifferentiationError, match="as soon as the data move along it"):
        model.directional_derivatives(v, [{p: -1.0}])


def test_a_one_sided_derivative_has_no_reverse_mode_nor_a_matrix() -> None:
    """Both are refused in words, with the row at fault; values still have gradients, which are linear."""
    model, v, p = classical()
    model.set(ot.DifferentiationPolicy(), "directional")
    model.set(ot.ReverseVariablePrimal(), v[0], 1.0)
    with pytest.raises(ot.DifferentiationError, match=r"not linear.*lower bound of x"):
        model.reverse_differentiate()
    with pytest.raises(ot.DifferentiationError, match="no Jacobian"):
        model.jacobian([v[0]], [p])
    model.empty_input_sensitivities()
    model.set(ot.ReverseObjectiveValue(), 1.0)
    model.reverse_differentiate()
    assert model.get(ot.ReverseParameterValue(), p) == pytest.approx(0.0, abs=1e-12)


@BOTH
def test_exact_allows_the_derivative_alone(diff_model: Any) -> None:
    """At a kink every way to a derivative raises, with the row and what to do; beside it none does."""
    model, v, p = classical(diff_model)
    model.set(ot.DifferentiationPolicy(), "exact")
    model.set(ot.ReverseVariablePrimal(), v[0], 1.0)
    ways = (
        model.forward_differentiate,
        model.reverse_differentiate,
        lambda: model.directional_derivatives(v, [{p: 1.0}]),
        lambda: model.jacobian([v[0]], [p]),
        lambda: model.sensitivities(of=v[0]),
    )
    for way in ways:
        with pytest.raises(ot.DifferentiationError, match=r"WEAKLY_ACTIVE.*lower bound of x"):
            way()
    assert model.get(ot.DifferentiationStatus()) is ot.DifferentiationStatusCode.NOT_DIFFERENTIATED
    assert model.meta_solver.polished(v[0]) == pytest.approx(0.0, abs=1e-12)
    assert not model.diff_report().is_fine
    model.set_parameter_value(p, 1.0)
    model.optimize()
    for way in ways:
        way()
    assert model.get(ot.ReverseParameterValue(), p) == pytest.approx(1.0)


@BOTH
@pytest.mark.parametrize("word", WORDS)
def test_beside_kinks_all_policies_are_the_derivative(word: str, diff_model: Any) -> None:
    """Both modes, without a warning, at an EXACT solution."""
    model, v, p = classical(diff_model)
    model.set_parameter_value(p, 2.0)
    model.set(ot.DifferentiationPolicy(), word)
    model.optimize()
    np.testing.assert_allclose(model.directional_derivatives(v, [{p: 1.0}]), 1.0)
    model.set(ot.ReverseVariablePrimal(), v[0], 1.0)
    model.reverse_differentiate()
    assert model.get(ot.ReverseParameterValue(), p) == pytest.approx(1.0)
    assert model.get(ot.DifferentiationStatus()) is ot.DifferentiationStatusCode.EXACT


@BOTH
def test_least_norm_leaves_weakly_active_rows_out(diff_model: Any) -> None:
    """Both modes are those of the equations that are left, whatever a basis says."""
    model, v, p = classical(diff_model)
    model.set(ot.DifferentiationPolicy(), "least_norm")
    with pytest.warns(ot.DifferentiationWarning, match="WEAKLY_ACTIVE"):
        np.testing.assert_allclose(model.directional_derivatives(v, [{p: 1.0}]), 1.0)
    model.set(ot.ReverseVariablePrimal(), v[0], 1.0)
    model.reverse_differentiate()
    assert model.get(ot.ReverseParameterValue(), p) == pytest.approx(1.0)


def test_least_norm_where_nothing_else_holds_the_solution() -> None:
    """Of ``min x₀ + x₁, x₀ + x₁ = p, x >= 0`` at p = 0: of all ways to follow the equation, the shortest."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    v, p = model.add_variables(2, lower=0.0), model.add_parameter(0.0)
    model.add_constraint(v[0] + v[1] - p == 0.0)
    model.minimize(v[0] + v[1])
    model.optimize()
    model.set(ot.DifferentiationPolicy(), "least_norm")
    with warnings.catch_warnings(action="ignore", category=ot.DifferentiationWarning):
        found = model.directional_derivatives(v, [{p: 1.0}])[0]
    np.testing.assert_allclose(found, [0.5, 0.5], atol=1e-12)


@pytest.mark.parametrize("wrong", ["onesided", "", None, 3, True, ["exact"]])
def test_a_policy_that_does_not_exist_is_refused_with_those_that_do(wrong: Any) -> None:
    """And the setting stays."""
    model, _, _ = classical()
    with pytest.raises(
        ot.InvalidData, match="'generalized', 'exact', 'least_norm', 'directional', 'smoothed' or Smoothed"
    ):
        model.set(ot.DifferentiationPolicy(), wrong)
    assert model.get(ot.DifferentiationPolicy()) == "generalized"


def test_the_policy_travels_with_copies_and_is_listed() -> None:
    """As other settings of differentiation do."""
    model, _, _ = classical()
    assert ot.DifferentiationPolicy() not in model.get(ot.ListOfOptimizerAttributesSet())
    model.set(ot.DifferentiationPolicy(), "exact")
    assert ot.DifferentiationPolicy() in model.get(ot.ListOfOptimizerAttributesSet())
    twin = copy.deepcopy(model)
    model.set(ot.DifferentiationPolicy(), "generalized")
    assert twin.get(ot.DifferentiationPolicy()) == "exact"


# ---------------------------------------------------------------------- the central path
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


def test_where_there_is_no_central_path_it_is_said() -> None:
    """Two inequalities that make an equation leave nothing inside; exponential cones have no eigenvalues."""
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
    v = model.add_variables(1)
    model.add_constraint(ot.vectorize([1.0 * v[0], 0.0 * v[0] + 1.0, 0.0 * v[0] + 2.0]), ot.ExponentialCone())
    model.minimize((v[0] - 3.0) ** 2)
    model.set(ot.DifferentiationPolicy(), "smoothed")
    model.optimize()
    with pytest.raises(ot.Unsupported, match="ExponentialCone"):
        model.forward_differentiate()


@pytest.mark.parametrize("wrong", [0.0, -1.0, np.nan, np.inf, "small", True, None])
def test_a_mu_that_is_none_is_refused(wrong: Any) -> None:
    """With its unit."""
    with pytest.raises(ot.InvalidData, match="mu of Smoothed is a positive number"):
        ot.Smoothed(mu=wrong)
