"""The meta-solver: what survives a change, what does not, and what it says."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.diffmodels.kkt import KKTFactorization

from .oracle import direction, program, set_tangents, tangents

STATUS = ot.DifferentiationStatusCode


def small(solver: Any = ot.solvers.HiGHS) -> tuple[ot.Model, Any, Any, Any]:
    """Min x² + y² - x with x + y = 1 and x <= 0.5: x = y = 0.5, the bound active."""
    model = ot.Model(ot.diff_optimizer(solver))
    x, y = model.add_variable(name="x"), model.add_variable(name="y")
    row = model.add_constraint(1.0 * x + 1.0 * y, ot.EqualTo(1.0), name="budget")
    bound = model.add_constraint(x, ot.LessThan(0.5))
    model.minimize(x * x + y * y - x)
    return model, (x, y), row, bound


class Counting:
    """A factorization that counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Factorize."""
        self.calls += 1
        return KKTFactorization(*args, **kwargs)


def test_one_factorization_serves_all_directions_of_both_modes() -> None:
    """New tangents, seeds, and numbers with the same active rows, factorize nothing; other rows or matrices do."""
    model, (x, y), row, bound = small()
    counting = Counting()
    model.set(ot.LinearAlgebraSolver(), counting)
    model.optimize()
    model.set(ot.ForwardConstraintFunction(), row, 0.0 * x - 1.0)
    model.forward_differentiate()
    first = counting.calls
    assert first >= 1
    for t in (1.0, 2.0):
        model.set(ot.ForwardConstraintFunction(), row, 0.0 * x + t)
        model.forward_differentiate()
        model.set(ot.ReverseVariablePrimal(), x, t)
        model.reverse_differentiate()
        model.optimize()
    model.empty_input_sensitivities()
    model.set(ot.ForwardObjectiveFunction(), 1.0 * x)
    model.forward_differentiate()
    assert counting.calls == first
    model.empty_input_sensitivities()

    def moved(side: float) -> float:
        model.set(ot.ConstraintSet(), bound, ot.LessThan(side))
        model.optimize()
        model.set(ot.ForwardConstraintSet(), bound, ot.LessThan(1.0))
        model.forward_differentiate()
        return float(model.get(ot.ForwardVariablePrimal(), x))

    assert moved(0.6) == pytest.approx(1.0) and counting.calls == first
    assert moved(0.8) == pytest.approx(0.0, abs=1e-12) and first < counting.calls <= 2 * first  # at x = 0.75
    second = counting.calls
    model.minimize(x * x + y * y - 2.0 * x)
    assert moved(0.8) == pytest.approx(1.0) and counting.calls > second  # other rows
    second = counting.calls
    model.minimize(2.0 * x * x + y * y - 4.0 * x)
    assert moved(0.8) == pytest.approx(1.0) and counting.calls > second  # the same rows of other matrices


def test_tangents_survive_optimize_and_results_do_not() -> None:
    """After a change and a new solve the same tangents are differentiated anew."""
    model, (x, y), row, bound = small()
    model.optimize()
    model.set(ot.ForwardConstraintFunction(), row, 0.0 * x - 1.0)
    model.forward_differentiate()
    assert model.get(ot.ForwardVariablePrimal(), y) == pytest.approx(1.0, abs=1e-12)
    model.set(ot.ConstraintSet(), bound, ot.LessThan(9.0))  # no longer active
    with pytest.raises(ot.NotOptimized, match="forward_differentiate"):
        model.get(ot.ForwardVariablePrimal(), y)
    with pytest.raises(ot.DifferentiationError, match="solved"):
        model.forward_differentiate()
    model.optimize()
    model.forward_differentiate()
    assert model.get(ot.ForwardVariablePrimal(), y) == pytest.approx(0.5, abs=1e-12)


def test_an_added_constraint_outdates_the_derivative() -> None:
    """Additions are noticed although they do not pass through the meta-solver."""
    model, (_, y), _, _ = small()
    model.optimize()
    model.set(ot.ReverseVariablePrimal(), y, 1.0)
    model.reverse_differentiate()
    late = model.add_constraint(y >= 0.7)
    with pytest.raises(ot.NotOptimized):
        model.get(ot.ReverseObjectiveFunction())
    model.optimize()
    model.reverse_differentiate()
    assert model.get(ot.ReverseConstraintSet(), late).lower == pytest.approx(1.0, abs=1e-12)


def test_set_and_function_tangents_add() -> None:
    """Moving the bound up and the function down by the same amount is moving twice as far."""
    model, (x, _), _, bound = small()
    model.optimize()
    model.set(ot.ForwardConstraintSet(), bound, ot.LessThan(1.0))
    model.forward_differentiate()
    assert model.get(ot.ForwardVariablePrimal(), x) == pytest.approx(1.0, abs=1e-12)
    model.set(ot.ForwardConstraintFunction(), bound, 0.0 * x - 1.0)
    model.forward_differentiate()
    assert model.get(ot.ForwardVariablePrimal(), x) == pytest.approx(2.0, abs=1e-12)
    assert model.get(ot.DifferentiateTimeSec()) > 0.0


def test_parameters_in_affine_rows_both_ways() -> None:
    """Min x with x >= 3 p - q: forward and reverse through parameter values, and the reduced cost as dual."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    x, p = model.add_variable(), model.add_parameter(2.0)
    q = model.add_parameters([1.0, 5.0])
    model.add_constraint(x - 3.0 * p + q[0] >= 0.0)
    model.minimize(2.0 * x)
    model.optimize()
    assert model.value(x) == pytest.approx(5.0)
    reduced_cost = ot.ConstraintIndex((ot.VariableIndex, ot.Parameter), p.value)
    assert model.dual(reduced_cost) == pytest.approx(6.0)
    model.set(ot.ForwardParameterValue(), p, 1.0)
    model.set(ot.ForwardParameterValue(), q, np.array([0.5, 7.0]))
    model.forward_differentiate()
    assert model.get(ot.ForwardVariablePrimal(), x) == pytest.approx(2.5)
    model.set(ot.ReverseVariablePrimal(), x, 1.0)
    model.reverse_differentiate()
    assert model.get(ot.ReverseParameterValue(), p) == pytest.approx(3.0)
    np.testing.assert_allclose(model.get(ot.ReverseParameterValue(), q), [-1.0, 0.0], atol=1e-12)
    model.set_parameter_value(p, 3.0)
    model.optimize()
    assert model.value(x) == pytest.approx(8.0)
    with pytest.raises(ot.InvalidIndex, match="not a parameter"):
        model.set(ot.ForwardParameterValue(), x, 1.0)


def test_many_directions_are_the_single_ones() -> None:
    """`directional_derivatives` equals forward mode one direction at a time, pushed or pulled."""
    p = program(4, "max")
    model, v, indices = p.build(ot.solvers.Clarabel)
    model.optimize()
    directions, expected = [], []
    for seed in range(5):
        d = direction(p, "everything", seed)
        objective = 0.5 * (v @ (d.P @ v)) + d.q @ v + d.r
        moves: dict[Any, Any] = {ot.ForwardObjectiveFunction(): objective}
        moves |= {i: c.function(v, e.F, e.g) for i, c, e in zip(indices, p.rows, d.rows, strict=True)}
        directions.append(moves)
        set_tangents(model, v, indices, p, d)
        for index in indices:
            if index.set_type.fields:
                now = model.get(ot.ConstraintSet(), index)
                model.set(ot.ForwardConstraintSet(), index, type(now).build(now.shape, 0.0 * np.ones_like(now.numbers)))
        model.forward_differentiate()
        expected.append(tangents(model, v, indices)[0])
    np.testing.assert_allclose(model.directional_derivatives(v, directions), expected, atol=1e-10)
    np.testing.assert_allclose(model.directional_derivatives(v[:2], directions), np.array(expected)[:, :2], atol=1e-10)


def test_directions_that_make_no_sense_are_refused() -> None:
    """What is moved, its rows and the tangents are checked, in words, and the model is differentiated afterwards."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    v = model.add_variables(2)
    c = model.add_constraint(v >= [1.0, 2.0])
    model.minimize(v.sum())
    model.optimize()
    for wrong, error, words in (
        ({"c": 1.0}, ot.InvalidData, "got the key 'c'"),
        ({v[0]: 1.0}, ot.InvalidIndex, "not a parameter"),
        ({(c, 2): 1.0}, ot.DimensionMismatch, "rows 0 to 1; got row 2"),
        ({c: 1.0}, ot.DimensionMismatch, "2 rows; got a tangent of 1"),
        ({(c, 0): v[0] * v[1]}, ot.InvalidData, "an affine function of the variables"),
        ({(c, 0): np.nan}, ot.InvalidData, "must be finite"),
    ):
        with pytest.raises(error, match=words):
            model.directional_derivatives(v, [{}, wrong])
    np.testing.assert_allclose(model.directional_derivatives(v, [{(c, 0): -1.0}, {}]), [[1.0, 0.0], [0.0, 0.0]])


def test_weakly_active_bound_is_told_with_its_name() -> None:
    """Min (x - 1)² with x <= 1: the bound holds with zero multiplier, and the warning names it, once."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    x = model.add_variable()
    model.add_constraint(1.0 * x, ot.LessThan(1.0), name="cap")
    model.minimize((x - 1.0) * (x - 1.0))
    model.optimize()
    model.set(ot.ForwardObjectiveFunction(), 1.0 * x)
    with pytest.warns(ot.DifferentiationWarning, match=r"WEAKLY_ACTIVE.*cap"):
        model.forward_differentiate()
    assert model.get(ot.DifferentiationStatus()) is STATUS.WEAKLY_ACTIVE
    assert model.get(ot.ForwardVariablePrimal(), x) in (pytest.approx(-0.5), pytest.approx(0.0))
    with warnings.catch_warnings(action="error"):
        model.forward_differentiate()


def test_a_duplicated_equality_keeps_objective_derivatives_exact() -> None:
    """Min ½(x² + y²) - x with x + y = 1 written twice: dx for the objective is that of the single equality."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    x, y = model.add_variable(), model.add_variable()
    model.add_constraint(1.0 * x + 1.0 * y, ot.EqualTo(1.0))
    model.add_constraint(2.0 * x + 2.0 * y, ot.EqualTo(2.0))
    model.minimize(0.5 * (x * x + y * y) - x)
    model.optimize()
    model.set(ot.ForwardObjectiveFunction(), 1.0 * x)
    with pytest.warns(ot.DifferentiationWarning, match="DEPENDENT_ROWS"):
        model.forward_differentiate()
    assert model.get(ot.DifferentiationStatus()) is STATUS.DEPENDENT_ROWS
    assert model.get(ot.ForwardVariablePrimal(), x) == pytest.approx(-0.5, abs=1e-10)


def test_an_optimal_edge_gives_the_minimum_norm_answer() -> None:
    """Min x + y with x + y >= 1 and x, y >= 0 has an edge of solutions: NONUNIQUE, finite, repeatable."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    v = model.add_variables(2, lower=0.0)
    row = model.add_constraint(v.sum() >= 1.0)
    model.minimize(v.sum())
    model.optimize()
    model.set(ot.ForwardConstraintFunction(), row, 0.0 * v[0] - 1.0)
    with pytest.warns(ot.DifferentiationWarning, match="NONUNIQUE"):
        model.forward_differentiate()
    first = model.get(ot.ForwardVariablePrimal(), v)
    np.testing.assert_allclose(first, [0.5, 0.5], atol=1e-9)
    model.forward_differentiate()
    assert np.array_equal(first, model.get(ot.ForwardVariablePrimal(), v))


def test_what_cannot_be_differentiated_is_refused_in_words() -> None:
    """Infeasible models and those with integers have no derivative."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    x = model.add_variable(lower=0.0, upper=5.0)
    row = model.add_constraint(2.0 * x >= 30.0)
    model.minimize(1.0 * x)
    model.optimize()
    with pytest.raises(ot.DifferentiationError, match="INFEASIBLE"):
        model.forward_differentiate()
    model.set(ot.ConstraintSet(), row, ot.GreaterThan(3.0))
    model.add_constraint(x, ot.Integer())
    model.optimize()
    assert model.value(x) == pytest.approx(2.0)
    with pytest.raises(ot.DifferentiationError, match="integer"):
        model.reverse_differentiate()


def test_the_diff_model_can_be_named() -> None:
    """`ModelConstructor` chooses, and both convex diff models agree on a quadratic program."""
    p = program(3, "min")
    d = direction(p, "everything", 103)
    answers = []
    for constructor in (None, ot.QuadraticDiff, ot.ConicDiff):
        model, v, indices = p.build(ot.solvers.Clarabel)
        model.set(ot.ModelConstructor(), constructor)
        model.optimize()
        set_tangents(model, v, indices, p, d)
        model.forward_differentiate()
        dx, dy, df = tangents(model, v, indices)
        answers.append(np.concatenate([dx, *dy, [df]]))
    np.testing.assert_allclose(answers[1], answers[0], atol=1e-12)
    np.testing.assert_allclose(answers[2], answers[0], atol=1e-8)


def test_a_model_without_derivatives_says_how_to_get_them() -> None:
    """ot.Model(solver) only solves."""
    model = ot.Model(ot.solvers.HiGHS)
    with pytest.raises(ot.DifferentiationError, match="diff_optimizer"):
        model.forward_differentiate()


@pytest.mark.parametrize(
    ("attribute", "wrong", "says"),
    [
        (ot.LinearAlgebraSolver(), "lu", r"DirectKKT\(\), IterativeKKT\(\), or None.*got 'lu'"),
        (ot.LinearAlgebraSolver(), ot.DirectKKT, r"DirectKKT\(\), IterativeKKT\(\), or None"),
        (ot.ModelConstructor(), "QuadraticDiff", "a diff model's class.*got 'QuadraticDiff'"),
        (ot.ModelConstructor(), ot.solvers.HiGHS, "a diff model's class"),
        (ot.AllowInaccurateSolution(), "yes", "True or False; got 'yes'"),
        (ot.AllowObjectiveAndSolutionInput(), 1, "True or False; got 1"),
    ],
)
def test_a_setting_that_would_fail_later_is_refused_at_once(attribute: ot.Attribute, wrong: Any, says: str) -> None:
    """The message says what is allowed, and the setting stays as it was."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    before = model.get(attribute)
    with pytest.raises(ot.InvalidData, match=says):
        model.set(attribute, wrong)
    assert model.get(attribute) is before


@pytest.mark.parametrize(
    "wrong", [{"tolerance": "small"}, {"tolerance": 0.0}, {"max_iterations": 0}, {"max_iterations": 2.5}], ids=str
)
def test_numbers_of_the_iterative_solver_are_checked(wrong: dict[str, Any]) -> None:
    """A tolerance or number of iterations that is none is refused with its name."""
    with pytest.raises(ot.InvalidData, match=next(iter(wrong))):
        ot.IterativeKKT(**wrong)
