"""Certificates in words: what they list is a proof by itself, and by the names of the user."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optangent as ot

from .test_conflict import curved_rows, exponential, knapsack, one_side_of_a_range, psd, soc, transport

Codes = ot.TerminationStatusCode


def solved(solver: str, build: Any) -> ot.Model:
    """The model of a builder, solved."""
    model = ot.Model(getattr(ot.solvers, solver))
    build(model)
    model.optimize()
    return model


@pytest.mark.parametrize("solver", ["HiGHS", "Clarabel", "SCS", "OSQP"])
def test_multipliers_contradict_themselves(solver: str) -> None:
    """The functions times the multipliers vanish, and the sides add up to the gain."""
    model = solved(solver, transport)
    ray = model.rays()
    assert ray.status is Codes.INFEASIBLE and np.abs(ray.values).max() == pytest.approx(1.0)
    named = dict(zip(ray.names, ray.values.tolist(), strict=True))
    assert {"depot", "north", "south"} <= set(named)
    total: Any = 0.0
    gain = 0.0
    for index, y in zip(ray.indices, ray.values.tolist(), strict=True):
        total = total + y * (1.0 * model.get(ot.ConstraintFunction(), index))
        chosen = model.get(ot.ConstraintSet(), index)
        gain += y * (chosen.upper if y < 0.0 else chosen.lower)
    assert np.abs(total.coefficients(model.get(ot.ListOfVariableIndices()))).max() < 1e-5
    assert gain == pytest.approx(ray.gain, rel=1e-4) and gain > 0.0
    assert named["depot"] < 0.0 < named["south"] and f"0 >= {ray.gain:.6g}" in str(ray)


@pytest.mark.parametrize(
    ("build", "name"), [(soc, "ball[0]"), (psd, "psd[0,0]"), (exponential, "exp[2]"), (curved_rows, "left")]
)
def test_multipliers_of_cones(build: Any, name: str) -> None:
    """Of cones the entries of the dual cone are listed row by row."""
    ray = solved("Clarabel", build).rays()
    assert name in ray.names and ray.gain > 0.0
    assert all(one in str(ray) for one in ray.names)


def test_sides_and_tables() -> None:
    """A table with the side that is meant."""
    pytest.importorskip("pandas")
    table = solved("HiGHS", one_side_of_a_range).rays().to_frame().set_index("name")
    assert table.loc["range"].tolist() == [1.0, "v[0] + v[1] >= 3"]
    assert table.loc["upper bound of v[1]"].tolist() == [-1.0, "v[1] <= 1"]


@pytest.mark.parametrize("solver", ["HiGHS", "Clarabel", "SCS"])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_directions_run_away(solver: str, sign: float) -> None:
    """Along the direction all constraints hold and the objective improves, in both senses."""
    model = ot.Model(getattr(ot.solvers, solver))
    x, y, z = (model.add_variable(name) for name in "xyz")
    held = model.add_constraint(2 * x + y == 3, name="held")
    model.add_constraint(z, ot.Interval(0.0, 1.0))
    model.add_constraint(1.0 * x >= -1.0)
    (model.maximize if sign > 0 else model.minimize)(sign * (x - 0.25 * y + z) + 7.0)
    model.optimize()
    ray = model.rays()
    assert ray.status is Codes.DUAL_INFEASIBLE and ray.names == ("y", "x")
    np.testing.assert_allclose(ray.values, [-1.0, 0.5], rtol=1e-5)
    assert ray.gain == pytest.approx(0.75, rel=1e-5)
    assert "y falls by 1, x grows by 0.5" in str(ray) and f"objective {'grows' if sign > 0 else 'falls'}" in str(ray)
    assert "give y a lower bound or x an upper bound" in str(ray)
    assert model.value(held) == pytest.approx(0.0, abs=1e-5)
    ended = model.add_constraint(x, ot.LessThan(4.0))
    model.optimize()
    assert model.termination_status() is Codes.OPTIMAL and model.is_valid(ended)


def test_no_ray() -> None:
    """Refused in words: unsolved, solved, and without a certificate."""
    model = ot.Model(ot.solvers.HiGHS)
    x = model.add_variable("x", lower=1.0)
    model.minimize(1.0 * x)
    with pytest.raises(ot.NotOptimized, match=r"Call optimize\(\) first"):
        model.rays()
    model.optimize()
    with pytest.raises(ot.NotAllowed, match="has a solution"):
        model.rays()
    with pytest.raises(ot.NotOptimized, match=r"without a certificate. model.conflict\(\)"):
        solved("HiGHS", knapsack).rays()
