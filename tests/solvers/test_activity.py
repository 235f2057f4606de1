"""HiGHS' basis as `ConstraintActivity`: which rows and bounds hold a vertex."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optangent as ot


def degenerate(seed: int, **options: Any) -> tuple[Any, Any, list[Any]]:
    """A vertex of six variables through which up to eighteen rows and bounds pass, most of them redundant."""
    rng = np.random.default_rng(seed)
    model = ot.MetaSolver(ot.solvers.HiGHS(**options), differentiates=False)
    v = model.add_variables(6)
    x = rng.integers(0, 3, 6).astype(float)
    A = rng.integers(-2, 3, (10, 6)).astype(float)
    at, slack = A @ x, rng.integers(0, 2, (2, 2))
    sets: list[Any] = [*map(ot.LessThan, at[:4]), *map(ot.GreaterThan, at[4:7]), ot.EqualTo(at[7])]
    sets += [ot.Interval(at[8 + i] - slack[0, i], at[8 + i] + slack[1, i]) for i in (0, 1)]
    c = [model.add_constraint(A[i] @ v, s) for i, s in enumerate(sets)]
    bounds = [(i, ot.GreaterThan(0.0)) for i in range(3)] + [(i, ot.LessThan(2.0)) for i in range(1, 4)]
    c += [model.add_constraint(v[i], s) for i, s in [*bounds, (4, ot.Interval(0.0, 2.0)), (5, ot.EqualTo(x[5]))]]
    multipliers = rng.uniform(0, 1, 7) * (rng.random(7) < 0.5) * np.array([-1] * 4 + [1] * 3)
    model.set(ot.ObjectiveSense(), ot.ObjectiveSenseCode.MIN_SENSE)
    model.set(ot.ObjectiveFunction(), (multipliers @ A[:7] + rng.normal() * A[7]) @ v)
    return model, v, c


@pytest.mark.parametrize("method", ["simplex", "ipm", "choose"])
@pytest.mark.parametrize("seed", range(8))
def test_as_many_active_as_columns(seed: int, method: str) -> None:
    """At a degenerate vertex the basis names one active row or bound a column, with the sign of its dual."""
    model, v, c = degenerate(seed, solver=method)
    model.optimize()
    assert model.get(ot.TerminationStatus()) == ot.TerminationStatusCode.OPTIMAL
    activity = np.array([model.get(ot.ConstraintActivity(), index) for index in c])
    duals = np.array([model.get(ot.ConstraintDual(), index) for index in c])
    nonbasic_free = model.get(ot.VariableBasisStatus(), v).count(ot.BasisStatusCode.SUPER_BASIC)
    assert np.count_nonzero(activity) + nonbasic_free == 6
    assert np.all(np.abs(duals[activity == 0]) <= 1e-9)
    for index, active, dual in zip(c, activity, duals, strict=True):
        lower, upper = model.get(ot.ConstraintSet(), index).bounds(model.get(ot.ConstraintSet(), index).numbers)
        assert lower == upper or active * dual >= -1e-9
        assert active == 0 or np.isfinite(lower if active > 0 else upper)
    held = [
        np.array([*model.get(ot.ConstraintFunction(), i).coefficients(v)]) for i in np.array(c, object)[activity != 0]
    ]
    assert np.linalg.matrix_rank(np.array(held)) == len(held)


def test_layout_is_that_of_the_dual() -> None:
    """In bulk an array, of one constraint a number; two bounds of one variable are told apart."""
    model = ot.MetaSolver(ot.solvers.HiGHS(), differentiates=False)
    v = model.add_variables(2)
    low = model.add_constraints(v, [ot.GreaterThan(0.0)] * 2)
    high = model.add_constraints(v, [ot.LessThan(0.0), ot.LessThan(3.0)])
    fixed = model.add_constraint(1.0 * v[0] + v[1], ot.Interval(2.0, 2.0))
    model.set(ot.ObjectiveFunction(), 1.0 * v[0])
    model.optimize()
    activity = ot.ConstraintActivity()
    got = (model.get(activity, low), model.get(activity, high), model.get(activity, fixed))
    assert all(isinstance(a, np.ndarray) for a in got[:2]) and isinstance(got[2], float)
    assert got[0].tolist() == [1, 0] and got[1].tolist() == [0, 0] and got[2] == 1
    assert model.get(activity, low[0]) == 1


def _interior(model: Any) -> None:
    model.set(ot.RawOptimizerAttribute("solver"), "ipm")
    model.set(ot.RawOptimizerAttribute("run_crossover"), "off")
    model.set(ot.RawOptimizerAttribute("presolve"), "off")


@pytest.mark.parametrize(
    "spoil",
    [
        _interior,
        lambda m: m.set(ot.ObjectiveFunction(), m.get(ot.ListOfVariableIndices()) @ m.get(ot.ListOfVariableIndices())),
        lambda m: m.add_constraint(m.get(ot.ListOfVariableIndices())[0], ot.Integer()),
        lambda m: m.add_constraint(1.0 * m.get(ot.ListOfVariableIndices())[0], ot.GreaterThan(99.0)),
    ],
    ids=["no crossover", "quadratic", "integer", "infeasible"],
)
def test_refused_without_a_basis(spoil: Any) -> None:
    """Where there is no optimal basis of a linear program the attribute is refused in words."""
    model, _, c = degenerate(0)
    spoil(model)
    model.optimize()
    with pytest.raises(ot.UnsupportedAttribute, match="ConstraintActivity"):
        model.get(ot.ConstraintActivity(), c[0])


@pytest.mark.parametrize("name", ["OSQP", "SCS", "Clarabel"])
def test_other_solvers_have_none(name: str) -> None:
    """Methods without a basis refuse it too."""
    model = ot.MetaSolver(getattr(ot.solvers, name)(), differentiates=False)
    x = model.add_variable()
    c = model.add_constraint(x, ot.GreaterThan(1.0))
    model.set(ot.ObjectiveFunction(), x * x)
    model.optimize()
    with pytest.raises(ot.UnsupportedAttribute, match="ConstraintActivity"):
        model.get(ot.ConstraintActivity(), c)
