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
