"""What a bridge layer starts another one with: its own duals and extra variables behind the same bridges."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.bridges import BridgeOptimizer
from optangent.modelkit.copying import Mirror
from optangent.modelkit.indices import ConstraintIndices

from ..diffmodels.smooth_points import CONES, Subject, pairs


@pytest.mark.parametrize("diff_model", [ot.ConicDiff], ids=lambda m: m.name)
@pytest.mark.parametrize("solver", [ot.solvers.Clarabel, ot.solvers.SCS], ids=lambda s: s.name)
@pytest.mark.parametrize("cone", CONES, ids=repr)
def test_starts_are_optimal_for_the_form_below(cone: Any, solver: Any, diff_model: Any) -> None:
    """Starts of x, extra variables and duals satisfy stationarity and feasibility below as well as the solver's do."""
    subject, rng = Subject(cone, "interior", alike=type(cone).__name__.endswith("Square")), np.random.default_rng(3)
    n = cone.dimension + 1
    inside, F = rng.standard_normal(n), subject.even(rng.standard_normal((cone.dimension, n)))
    model = ot.Model(solver)
    x = model.add_variables(n)
    c = model.add_constraint(F @ x + subject.even(pairs(cone, 3)["interior"][0] - F @ inside), cone)
    model.minimize(0.5 * (x @ x) - (inside + 3.0 * rng.standard_normal(n)) @ x)
    model.optimize()
    cache = model.inner
    receiver = diff_model()
    layer = BridgeOptimizer(receiver)
    index_map = Mirror(model.store, layer).index_map
    layer.set(ot.VariablePrimalStart(), index_map(x), model.value(x))
    indices = ConstraintIndices(c.kind, np.array([c.value]))
    layer.start_as(index_map(indices), cache.optimizer, cache.index_map(indices))
    form, point = receiver.solution()
    starts = receiver._starts
    at, y = np.zeros(form.n), np.zeros(form.m)
    for v, value in starts[ot.VariablePrimalStart]:
        at[form.columns(v.ids)] = value
    for one, value in starts[ot.ConstraintDualStart]:
        y[form.rows_of(one)] = value
    size = 1.0 + np.abs(form.q).max() + np.abs(y).max()
    np.testing.assert_allclose(form.P @ at + form.q - form.F.T @ y, 0.0, atol=1e-4 * size)
    s = form.F @ at + form.g
    for kind, part in form.parts.items():
        for k in range(part.sets.count):
            rows = slice(int(part.starts[k]), int(part.starts[k + 1]))
            assert part.sets.set(k).dual_violation(y[rows]) <= 1e-4 * size, kind
            assert part.sets.set(k).violation(s[rows]) <= 1e-4 * (1.0 + np.abs(s).max()), kind
    assert point.refinement.after <= 1e-9
