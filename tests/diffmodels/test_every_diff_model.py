"""Every diff model of the registry, on the programs that its kinds take: differences, the adjoint identity, kinks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.diffmodels.differentiating import DIFF_MODELS
from optangent.diffmodels.layers.program import Program as LayerProgram

from .accurate import accurate_solver
from .moves import along, asymmetry, check_adjoint
from .oracle import (
    SLOTS,
    Program,
    differences,
    direction,
    linear_tangents,
    program,
    set_tangents,
    tangents,
    together,
)

EVERY = pytest.mark.parametrize("diff_model", DIFF_MODELS, ids=lambda made: made().name)
SENSES = pytest.mark.parametrize("sense", ["min", "max"])
CURVED = pytest.mark.parametrize("quadratic", [True, False], ids=["QP", "LP"])


def solved(p: Program, diff_model: Any) -> tuple[ot.Model, Any, Any]:
    """The program at its solution, to be differentiated by this diff model."""
    model, v, indices = p.build(accurate_solver)
    model.set(ot.ModelConstructor(), diff_model)
    model.optimize()
    return model, v, indices


@EVERY
@CURVED
@SENSES
@pytest.mark.parametrize("slot", SLOTS)
def test_forward_equals_central_differences(slot: str, sense: str, quadratic: bool, diff_model: Any) -> None:
    """Primal, dual and objective tangents of each slot of the data, to 1e-6 relative, and the status is EXACT."""
    p = program(0, sense, quadratic=quadratic)
    d = direction(p, slot, 100)
    model, v, indices = solved(p, diff_model)
    set_tangents(model, v, indices, p, d)
    model.forward_differentiate()
    assert model.get(ot.DifferentiationStatus()) is ot.DifferentiationStatusCode.EXACT
    dx, dy, df = tangents(model, v, indices)
    ours, errors = np.concatenate([dx, *dy, [df]]), []
    for step in (1e-4, 1e-5):
        fx, fy, ff = differences(p, d, accurate_solver, step)
        theirs = np.concatenate([fx, *fy, [ff]])
        errors.append(np.linalg.norm(ours - theirs) / (1.0 + np.linalg.norm(theirs)))
    assert min(errors) <= 1e-6, errors


@EVERY
@CURVED
def test_the_sparse_way_is_exact(quadratic: bool, diff_model: Any) -> None:
    """A program so large that its system is factorized sparse: tangents in closed form, and the adjoint identity."""
    pieces = [program(seed, "max", quadratic=quadratic) for seed in range(20)]
    p = together(pieces)
    d = together([direction(piece, "everything", 102) for piece in pieces])
    model, v, indices = p.build(ot.solvers.Clarabel)
    model.set(ot.ModelConstructor(), diff_model)
    model.optimize()
    set_tangents(model, v, indices, p, d)
    model.forward_differentiate()
    assert model.get(ot.DifferentiationStatus()) is ot.DifferentiationStatusCode.EXACT
    form = model.meta_solver.point.rows
    assert form.n + form.m > 400
    (dx, dy, df), (ex, ey, ef) = tangents(model, v, indices), linear_tangents(p, d)
    found, expected = np.concatenate([dx, *dy, [df]]), np.concatenate([ex, *ey, [ef]])
    np.testing.assert_allclose(found, expected, atol=1e-8 * np.abs(expected).max())
    assert asymmetry(model, along(v, indices, p, d)) <= 1e-9


@EVERY
@pytest.mark.parametrize("size", [110, 300])
def test_every_variable_at_its_bound(size: int, diff_model: Any) -> None:
    """Bounds that fix all variables: costs move nothing, and seeds come back to the bounds."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    model.set(ot.ModelConstructor(), diff_model)
    x = model.add_variables(size)
    bound = model.add_constraint(x >= np.ones(size))
    model.minimize(x.sum())
    model.optimize()
    model.set(ot.ReverseVariablePrimal(), x, np.arange(float(size)))
    model.reverse_differentiate()
    assert model.get(ot.DifferentiationStatus()) is ot.DifferentiationStatusCode.EXACT
    np.testing.assert_allclose(model.get(ot.ReverseObjectiveFunction()).coefficients(x), 0.0, atol=1e-14)
    gradient = model.get(ot.ReverseConstraintFunction(), bound)
    np.testing.assert_allclose(gradient.constants, -np.arange(float(size)), atol=1e-12)


@EVERY
@CURVED
@SENSES
def test_adjoint_identity(sense: str, quadratic: bool, diff_model: Any) -> None:
    """<J u, v> = <u, Jᵀ v> over all data and all results, to 1e-9."""
    p = program(1, sense, quadratic=quadratic)
    d = direction(p, "everything", 101)
    model, v, indices = solved(p, diff_model)
    set_tangents(model, v, indices, p, d)
    model.forward_differentiate()
    check_adjoint(model, along(v, indices, p, d))


@EVERY
@pytest.mark.filterwarnings("ignore::optangent.DifferentiationWarning")
def test_not_differentiable(diff_model: Any) -> None:
    """At a weakly active bound, and where the solution is not unique, the status says so and nothing is NaN."""
    for linear in (False, True):
        model = ot.Model(ot.diff_optimizer(accurate_solver))
        model.set(ot.ModelConstructor(), diff_model)
        x = model.add_variables(2)
        bound = model.add_constraint(1.0 * x[0] >= 0.0)
        model.add_constraint(x[1] >= 0.0)
        model.add_constraint(x[0] + x[1] <= 1.0)
        model.minimize(-1.0 * x[0] - x[1] if linear else x[0] * x[0] + (x[1] - 0.5) * (x[1] - 0.5))
        model.optimize()
        model.set(ot.ReverseVariablePrimal(), x, [1.0, 1.0])
        model.reverse_differentiate()
        wanted = ot.DifferentiationStatusCode.NONUNIQUE if linear else ot.DifferentiationStatusCode.WEAKLY_ACTIVE
        assert model.get(ot.DifferentiationStatus()) is wanted
        assert np.isfinite(model.get(ot.ReverseConstraintFunction(), bound).constant)


@EVERY
def test_layers_take_the_chosen_one(diff_model: Any) -> None:
    """A layer differentiates with the model's `ModelConstructor`, and without one as with any."""
    gradients = []
    for chosen in (None, diff_model):
        model = ot.Model(ot.diff_optimizer(accurate_solver))
        model.set(ot.ModelConstructor(), chosen)
        x, p = model.add_variables(2), model.add_parameters(np.ones(2))
        model.add_constraint(x[0] + x[1] >= p[0])
        model.minimize(x @ x - p[1] * x[0])
        layer = LayerProgram(model, [p], [x])
        assert chosen is None or layer.general._diff_model is chosen  # type: ignore[attr-defined]
        item = layer.solve(np.array([1.0, 0.3]))
        gradients.append(item.vjp(np.array([1.0, 2.0])))
    np.testing.assert_allclose(gradients[1], gradients[0], atol=1e-8)
