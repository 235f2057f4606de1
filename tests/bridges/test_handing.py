"""What the form of a diff model starts with: the solver's own duals and extra variables, where the ways coincide."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.bridges.lowering import Lowering
from optangent.diffmodels.differentiating import abilities_of
from optangent.diffmodels.starting import dual_of_other
from optangent.modelkit.form import Abilities
from optangent.modelkit.form.residuals import largest
from optangent.modelkit.form.slot_rows import SlotRows

from ..diffmodels.smooth_points import CONES, Subject, pairs

OTHERS = Abilities(frozenset({ot.PositiveSemidefiniteConeTriangle, ot.DualExponentialCone, ot.DualPowerCone}))


def projected(cone: Any, solver: Any) -> tuple[ot.Model, Any]:
    """A solved model: the nearest point of an affine preimage of the cone."""
    subject, rng = Subject(cone, "interior", alike=type(cone).__name__.endswith("Square")), np.random.default_rng(3)
    n = cone.dimension + 1
    inside, F = rng.standard_normal(n), subject.even(rng.standard_normal((cone.dimension, n)))
    model = ot.Model(solver)
    x = model.add_variables(n)
    c = model.add_constraint(F @ x + subject.even(pairs(cone, 3)["interior"][0] - F @ inside), cone)
    model.minimize(0.5 * (x @ x) - (inside + 3.0 * rng.standard_normal(n)) @ x)
    model.optimize()
    return model, c


@pytest.mark.parametrize("solver", [ot.solvers.Clarabel, ot.solvers.SCS], ids=lambda s: s.name)
@pytest.mark.parametrize("cone", CONES, ids=repr)
def test_starts_are_optimal_for_the_other_form(cone: Any, solver: Any) -> None:
    """Starts of x, extra variables and duals are a solution of the diff model's form as good as the solver's own."""
    model, c = projected(cone, solver)
    outcome: Any = model.meta_solver._outcome  # type: ignore[attr-defined]
    lowering = Lowering(abilities_of(ot.ConicDiff))
    form = lowering.sync(model.store)
    x, y, _ = dual_of_other(model.store, outcome, lowering)
    assert largest(SlotRows(form), x, y) <= 1e-4
    np.testing.assert_allclose(x[lowering.is_user.view], model.value(model.get(ot.ListOfVariableIndices())), atol=0.0)
    if list(outcome.lowering.way(c.kind, cone)) == list(lowering.way(c.kind, cone)):
        np.testing.assert_array_equal(np.sort(y), np.sort(outcome.get_arrays()[1]))


@pytest.mark.parametrize("cone", [ot.SecondOrderCone(3), ot.ExponentialCone(), ot.PowerCone(0.3)], ids=repr)
def test_duals_go_down_another_way(cone: Any) -> None:
    """Where the ways differ the user's dual goes down, such that it comes up again, and is a solution there too."""
    model, _ = projected(cone, ot.solvers.Clarabel)
    lowering = Lowering(OTHERS)
    form = lowering.sync(model.store)
    x, y, _ = dual_of_other(model.store, model.meta_solver._outcome, lowering)  # type: ignore[attr-defined]
    rows, gradient = SlotRows(form), form.P @ x + form.q
    cones = y[form.slots.sided :]
    weights = np.concatenate([np.ones(0), *(_weights(c, slots) for c, slots in rows.cones)])
    np.testing.assert_allclose(gradient - form.F.T @ (weights * cones), 0.0, atol=1e-5)


def _weights(cone: Any, slots: Any) -> Any:
    return np.ones(len(slots)) if cone.weights is None else cone.weights


def test_a_basis_is_handed_on() -> None:
    """Which rows a solver's basis calls active is said of the same rows of another form."""
    model = ot.Model(ot.solvers.HiGHS)
    v = model.add_variables(2, lower=0.0)
    model.add_constraint(v[0] + 2.0 * v[1] >= 3)
    model.add_constraint(np.eye(2) @ v <= [9.0, 9.0])
    model.minimize(v[0] + v[1])
    model.optimize()
    lowering = Lowering(abilities_of(ot.ConicDiff))
    form = lowering.sync(model.store)
    _, y, active = dual_of_other(model.store, model.meta_solver._outcome, lowering)  # type: ignore[attr-defined]
    assert active is not None and (np.flatnonzero(active) == np.flatnonzero(np.abs(y) > 1e-9)).all()
    assert form.slots.size == len(active)
