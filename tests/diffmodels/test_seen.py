"""The status is about what the user sees: a model and a layer of it say EXACT where it is smooth for the user.

Projections onto every convex cone of the library, alone and beside a power cone, by random data: the constraint may
be active or not, and a bridge's variables and multipliers may be free, but the projection onto a convex set is smooth
at almost every point. What is not smooth for the user is still called so.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.diffmodels.layers.program import Program

from .smooth_points import CONES, Subject, pairs

STATUS = ot.DifferentiationStatusCode
STEP = 1e-5


def projection(cone: Any, seed: int, *, beside: bool, far: float, solver: Any) -> tuple[ot.Model, Any, Any]:
    """Min ½|x - p|² with F x + g in the cone, p as far from a point inside as told."""
    rng, n = np.random.default_rng(seed), cone.dimension + 1
    model, inside = ot.Model(ot.diff_optimizer(solver)), rng.standard_normal(n)
    x, p = model.add_variables(n), model.add_parameters(inside + far * rng.standard_normal(n))
    for one in [cone, ot.PowerCone(0.4)] if beside else [cone]:
        subject = Subject(one, "interior", alike=type(one).__name__.endswith("Square"))
        F = subject.even(rng.standard_normal((one.dimension, n)))
        model.add_constraint(F @ x + subject.even(pairs(one, seed)["interior"][0] - F @ inside), one)
    model.minimize(0.5 * ((x - p) @ (x - p)))
    return model, x, p


@pytest.mark.parametrize(
    ("beside", "far"), [(False, 3.0), (True, 3.0), (True, 0.01)], ids=["alone", "beside", "inside"]
)
@pytest.mark.parametrize("cone", CONES, ids=repr)
def test_a_projection_is_differentiated_by_model_and_layer(cone: Any, beside: bool, far: float) -> None:
    """Both EXACT and equal to 1e-7, from the solver's own duals, and central differences of refined points to 1e-6."""
    model, x, p = projection(cone, 2, beside=beside, far=far, solver=ot.solvers.Clarabel)
    u = np.random.default_rng(9).standard_normal(len(x))
    model.optimize()
    model.set(ot.ReverseVariablePrimal(), x, u)
    model.reverse_differentiate()
    gradient = model.get(ot.ReverseParameterValue(), p)
    assert model.get(ot.DifferentiationStatus()) is STATUS.EXACT
    assert model.get(ot.SolutionRefinement()).before <= 1e-2  # the solver's own duals of what the bridges made
    program, theta = Program(model, [p], [x]), model.parameter_value(p)
    item = program.solve(theta)
    np.testing.assert_allclose(item.vjp(u), gradient, rtol=1e-7, atol=1e-7)
    assert item.differentiation_status is STATUS.EXACT
    d = np.random.default_rng(10).standard_normal(len(x))
    ends = []
    for t in (STEP, -STEP):
        model.set_parameter_value(p, theta + t * d)
        model.optimize()
        model.reverse_differentiate()
        ends.append(u @ model.meta_solver.polished(x))
    assert gradient @ d == pytest.approx((ends[0] - ends[1]) / (2.0 * STEP), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("solver", [ot.solvers.HiGHS, ot.solvers.SCS, ot.solvers.Clarabel], ids=lambda s: s.name)
@pytest.mark.parametrize("cone", [ot.NormOneCone(3), ot.NormInfinityCone(3)], ids=repr)
def test_a_vertex_of_hidden_variables_is_no_kink(cone: Any, solver: Any) -> None:
    """Min ½|x - a|² with an inactive norm, x = a with zeros in it: extra variables may be at bounds of their own."""
    model = ot.Model(ot.diff_optimizer(solver))
    x, a = model.add_variables(2), model.add_parameters([1.0, 0.0])
    model.add_constraint(ot.vectorize([5.0 + 0.0 * x[0], 1.0 * x[0], 1.0 * x[1]]), cone)
    model.minimize(0.5 * ((x - a) @ (x - a)))
    model.optimize()
    model.set(ot.ForwardParameterValue(), a, [1.0, 2.0])
    model.forward_differentiate()
    assert model.get(ot.DifferentiationStatus()) is STATUS.EXACT
    np.testing.assert_allclose(model.get(ot.ForwardVariablePrimal(), x), [1.0, 2.0], atol=1e-9)
    item = Program(model, [a], [x]).solve(np.array([1.0, 0.0]))
    np.testing.assert_allclose(item.jvp(np.array([1.0, 2.0])), [1.0, 2.0], atol=1e-9)
    assert item.differentiation_status is STATUS.EXACT


@pytest.mark.parametrize("solver", [ot.solvers.HiGHS, ot.solvers.SCS, ot.solvers.Clarabel], ids=lambda s: s.name)
def test_a_vertex_of_hidden_multipliers_is_no_kink(solver: Any) -> None:
    """Min t + ½|x|² - a x with t >= max |x|, |a|₁ < 1: at the apex the rows have many multipliers, the cone one."""
    model = ot.Model(ot.diff_optimizer(solver))
    x, a = model.add_variables(3), model.add_parameters([0.3, -0.2])
    c = model.add_constraint(ot.vectorize([1.0 * x[0], 1.0 * x[1], 1.0 * x[2]]), ot.NormInfinityCone(3))
    model.minimize(1.0 * x[0] + 0.5 * (x[1:] @ x[1:]) - a @ x[1:])
    model.optimize()
    model.set(ot.ForwardParameterValue(), a, [1.0, 2.0])
    model.forward_differentiate()
    assert model.get(ot.DifferentiationStatus()) is STATUS.EXACT
    np.testing.assert_allclose(model.get(ot.ForwardVariablePrimal(), x), 0.0, atol=1e-9)
    np.testing.assert_allclose(model.get(ot.ForwardConstraintDual(), c), [0.0, -1.0, -2.0], atol=1e-9)


def flagged(model: ot.Model, x: Any, a: Any) -> STATUS:
    """The status of a model, and that of a layer of it, which are the same."""
    model.optimize()
    model.set(ot.ForwardParameterValue(), a, np.ones(len(a)))
    with pytest.warns(ot.DifferentiationWarning):
        model.forward_differentiate()
    item = Program(model, [a], [x]).solve(model.parameter_value(a))
    item.jvp(np.ones(len(a)))
    status = model.get(ot.DifferentiationStatus())
    assert item.differentiation_status is status
    return status


@pytest.mark.parametrize("solver", [ot.solvers.HiGHS, ot.solvers.SCS, ot.solvers.Clarabel], ids=lambda s: s.name)
@pytest.mark.parametrize("cone", [ot.NormOneCone(3), ot.NormInfinityCone(3)], ids=repr)
def test_a_kink_that_reaches_the_user_is_one(cone: Any, solver: Any) -> None:
    """Min ½|x - a|² with a on the boundary of the ball: the norm is weakly active."""
    model = ot.Model(ot.diff_optimizer(solver))
    x = model.add_variables(2)
    a = model.add_parameters([0.7, 0.3] if isinstance(cone, ot.NormOneCone) else [1.0, 0.3])
    model.add_constraint(ot.vectorize([1.0 + 0.0 * x[0], 1.0 * x[0], 1.0 * x[1]]), cone)
    model.minimize(0.5 * ((x - a) @ (x - a)))
    assert flagged(model, x, a) is STATUS.WEAKLY_ACTIVE


@pytest.mark.parametrize("solver", [ot.solvers.HiGHS, ot.solvers.SCS, ot.solvers.Clarabel], ids=lambda s: s.name)
def test_soft_thresholding_at_its_threshold_is_a_kink(solver: Any) -> None:
    """Min |x|₁ + ½|x - a|² at a = (1, 3): x₁ leaves zero on one side only, though |x|₁ has a bridge's variables."""
    model = ot.Model(ot.diff_optimizer(solver))
    x, t, a = model.add_variables(2), model.add_variable(), model.add_parameters([1.0, 3.0])
    model.add_constraint(ot.vectorize([1.0 * t, 1.0 * x[0], 1.0 * x[1]]), ot.NormOneCone(3))
    model.minimize(1.0 * t + 0.5 * ((x - a) @ (x - a)))
    assert flagged(model, x, a) is STATUS.WEAKLY_ACTIVE


@pytest.mark.parametrize("solver", [ot.solvers.HiGHS, ot.solvers.Clarabel], ids=lambda s: s.name)
def test_a_solution_that_is_not_unique_is_called_so(solver: Any) -> None:
    """Min |x|₁ + (x₁ + x₂ - a)²: any split is optimal; a layer of the sum alone has nothing to tell."""
    model = ot.Model(ot.diff_optimizer(solver))
    x, t, a, s = model.add_variables(2), model.add_variable(), model.add_parameters([3.0]), model.add_variable()
    model.add_constraint(ot.vectorize([1.0 * t, 1.0 * x[0], 1.0 * x[1]]), ot.NormOneCone(3))
    model.add_constraint(x[0] + x[1] == s)
    model.minimize(1.0 * t + (s - a[0]) * (s - a[0]))
    if solver is ot.solvers.Clarabel:  # a vertex has other kinks besides
        assert flagged(model, x, a) is STATUS.NONUNIQUE
    item = Program(model, [a], [s]).solve(np.array([3.0]))
    assert item.jvp(np.ones(1)) == pytest.approx(1.0, abs=1e-9)
    assert item.differentiation_status is STATUS.EXACT


@pytest.mark.parametrize("solver", [ot.solvers.HiGHS, ot.solvers.Clarabel], ids=lambda s: s.name)
def test_dependent_rows_matter_to_duals_and_parameters_in_rows(solver: Any) -> None:
    """A model has duals to tell; a layer of x alone has none, unless its parameter moves the rows apart."""
    model = ot.Model(ot.diff_optimizer(solver))
    x, a, b = model.add_variables(2), model.add_parameters([1.0, 2.0]), model.add_parameters([1.0])
    c = model.add_constraint(x[0] + x[1] == 1.0)
    model.add_constraint(2.0 * x[0] + 2.0 * x[1] == 2.0 * b[0])
    model.minimize(0.5 * ((x - a) @ (x - a)))
    assert flagged(model, c, a) is STATUS.DEPENDENT_ROWS
    for parameters, outputs, status in [
        ([a], [x], STATUS.EXACT),
        ([a], [x, c], STATUS.DEPENDENT_ROWS),
        ([b], [x], STATUS.DEPENDENT_ROWS),
        ([a], [x, ot.ObjectiveValue()], STATUS.EXACT),
    ]:
        program = Program(model, parameters, outputs)
        item = program.solve(np.concatenate([model.parameter_value(one) for one in parameters]))
        item.vjp(np.ones(program.output_size))
        assert item.differentiation_status is status


@pytest.mark.parametrize("solver", [ot.solvers.HiGHS, ot.solvers.Clarabel], ids=lambda s: s.name)
def test_many_inactive_norms(solver: Any) -> None:
    """The hidden freedom of 150 norms is too large for a basis of it, and no more the user's than that of one."""
    rng, count = np.random.default_rng(0), 150
    model = ot.Model(ot.diff_optimizer(solver))
    given = rng.standard_normal(3 * count) * np.tile([1, 0, 1], count)
    x, p = model.add_variables(3 * count), model.add_parameters(given)
    for i in range(count):
        rows = [30.0 + 0.0 * x[0], *(1.0 * x[3 * i + j] for j in range(3))]
        model.add_constraint(ot.vectorize(rows), ot.NormOneCone(4))
    model.minimize(0.5 * ((x - p) @ (x - p)))
    model.optimize()
    model.set(ot.ForwardParameterValue(), p, np.ones(3 * count))
    model.forward_differentiate()
    assert model.get(ot.DifferentiationStatus()) is STATUS.EXACT
    np.testing.assert_allclose(model.get(ot.ForwardVariablePrimal(), x), 1.0, atol=1e-9)
    item = Program(model, [p], [x]).solve(model.parameter_value(p))
    np.testing.assert_allclose(item.jvp(np.ones(3 * count)), 1.0, atol=1e-9)
    assert item.differentiation_status is STATUS.EXACT
