"""Sets with gaps, with binary variables: against enumeration, and refused in words without bounds."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.bridges.lowering import Lowering
from optangent.modelkit.form import Abilities

OPTIMAL = ot.TerminationStatusCode.OPTIMAL
LOWER, UPPER = np.array([-1.0, -2.0, 0.0, -1.5]), np.array([2.0, 1.0, 3.0, 0.0])


def solver(make: Any = ot.solvers.HiGHS) -> Any:
    """HiGHS, quiet, with bridges, behind a cache."""
    model = ot.Model(make)
    model.set(ot.Silent(), True)
    return model


class WithoutGaps(ot.solvers.HiGHS):  # type: ignore[misc]
    """HiGHS, had it no semicontinuous variables."""

    abilities = replace(ot.solvers.HiGHS.abilities, semi=False)


def bounded(model: Any) -> Any:
    """Four variables between bounds."""
    v = model.add_variables(4)
    for x, low, high in zip(v, LOWER, UPPER, strict=True):
        model.add_constraint(x, ot.Interval(low, high))
    return v


def best(costs: np.ndarray, supports: Any) -> float:
    """The least cost with only the entries of one of the supports different from zero."""
    least = np.minimum(costs * LOWER, costs * UPPER)
    return float(min(least[list(support)].sum() for support in supports))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("affine", [False, True])
def test_special_ordered_sets(seed: int, affine: bool) -> None:
    """The optimum over all supports, for plain variables and for affine functions."""
    rng = np.random.default_rng(seed)
    costs, order = rng.standard_normal(4), rng.permutation(4)
    ranks = np.empty(4)
    ranks[order] = np.arange(4)
    sets = {
        ot.SOS1(ranks): [(i,) for i in range(4)],
        ot.SOS2(ranks): [(order[i], order[i + 1]) for i in range(3)],
    }
    for chosen, supports in sets.items():
        model = solver()
        v = bounded(model)
        model.add_constraint(-2.0 * v if affine else v, chosen)
        model.minimize(costs @ v)
        model.optimize()
        assert model.get(ot.TerminationStatus()) == OPTIMAL
        assert model.objective_value() == pytest.approx(best(costs, supports), abs=1e-7)
        assert chosen.violation(model.value(v)) < 1e-7


@pytest.mark.parametrize("activate_on", [True, False])
@pytest.mark.parametrize("inside", [ot.LessThan(0.5), ot.GreaterThan(1.0), ot.EqualTo(0.25), ot.Interval(-0.5, 0.5)])
def test_indicators(activate_on: bool, inside: Any) -> None:
    """For every direction and value of z: the best of being active or not."""
    for slope, price in itertools.product((1.0, -1.0), (0.0, 0.9, -0.9, 9.0, -9.0)):
        model = solver()
        v = bounded(model)
        z = model.add_variable()
        model.add_constraint(ot.vectorize([1.0 * z, v[0] + 0.25]), ot.Indicator(inside, activate_on))
        model.minimize(slope * v[0] + price * z)
        model.optimize()
        box = inside.bounds(inside.numbers)
        low, high = max(box[0][0] - 0.25, LOWER[0]), min(box[1][0] - 0.25, UPPER[0])
        active = min(slope * low, slope * high) + price * activate_on
        free = min(slope * LOWER[0], slope * UPPER[0]) + price * (not activate_on)
        assert model.objective_value() == pytest.approx(min(active, free), abs=1e-5)  # HiGHS keeps rows to 1e-6


BOXES = [(2.0, 5.0), (-5.0, -2.0), (-1.5, 3.5), (0.0, 2.5), (1.5, np.inf), (-np.inf, -1.5), (-np.inf, np.inf)]
TARGETS = (-7.25, -3.5, -2.0, -1.25, -0.5, 0.0, 0.75, 1.25, 2.0, 3.75, 8.0)


def check_nearest(model: Any, f: Any, chosen: Any) -> None:
    """The least distance of the function from each target is that of the set."""
    t = model.add_variable()
    far = [model.add_constraint(1.0 * t - sign * f, ot.GreaterThan(0.0)) for sign in (1.0, -1.0)]
    model.minimize(t)
    for target in TARGETS:
        for row, sign in zip(far, (1.0, -1.0), strict=True):
            model.set(ot.ConstraintSet(), row, ot.GreaterThan(-sign * target))
        model.optimize()
        assert model.get(ot.TerminationStatus()) == OPTIMAL
        assert model.objective_value() == pytest.approx(chosen.violation(target), abs=1e-5)
        value = f.rows.evaluate(lambda ids: np.array([model.value(ot.VariableIndex(int(i))) for i in ids]))[0]
        assert chosen.violation(value) < 1e-5  # HiGHS keeps rows to 1e-6


@pytest.mark.parametrize("kind", [ot.Semicontinuous, ot.Semiinteger])
@pytest.mark.parametrize("box", BOXES, ids=str)
def test_nearest_points_of_sets_with_gaps(kind: Any, box: tuple[float, float]) -> None:
    """Of both signs, with 0 inside or apart, infinite with bounded variables; HiGHS takes the functions bridged."""
    model = solver()
    x, y = model.add_variables(2)
    for one in (x, y):
        model.add_constraint(one, ot.Interval(-5.0, 5.0))
    f = 2.0 * x - y + 0.5
    model.add_constraint(f, kind(*box))
    check_nearest(model, f, kind(*box))


@pytest.mark.parametrize("kind", [ot.Semicontinuous, ot.Semiinteger])
@pytest.mark.parametrize("box", BOXES[:4], ids=str)
def test_plain_variables_in_sets_with_gaps(kind: Any, box: tuple[float, float]) -> None:
    """For a solver without such variables, also where the variable is whole already."""
    model = solver(WithoutGaps)
    x = model.add_variable()
    model.add_constraint(x, kind(*box))
    if kind is ot.Semiinteger:
        model.add_constraint(x, ot.Integer())
    check_nearest(model, 1.0 * x, kind(*box))


def test_equal_sets_with_gaps_share_a_lift() -> None:
    """Many variables in one set are one chunk a part, where the bounds of the rows do not matter."""
    model = ot.Model()
    v = model.add_variables(6)
    c = model.add_constraints(list(v), [ot.Semicontinuous(1.0, 2.0), ot.Semicontinuous(2.0, 3.0)] * 3)
    lowering = Lowering(Abilities(whole=True))
    lowering.sync(model.store)
    assert [chunk.count for chunk in lowering.chunks[c.kind]] == [3] * 6


@pytest.mark.parametrize(
    ("chosen", "side"), [(ot.Semicontinuous(1.0, np.inf), "upper"), (ot.Semiinteger(-np.inf, -2.0), "lower")]
)
def test_an_infinite_side_needs_a_bound(chosen: Any, side: str) -> None:
    """One sentence says which, and both ways out of it; the model goes on with either."""
    for way in ("set", "variables"):
        model = solver()
        x = model.add_variable()
        c = model.add_constraint(3.0 * x, chosen)
        model.add_constraint(1.0 * x, ot.Interval(-4.0, 4.0))  # a row, not a bound
        model.minimize(x if side == "lower" else -1.0 * x)
        with pytest.raises(ot.NotAllowed, match=rf"row 0 has no finite {side} bound: give the set one, or bound"):
            model.optimize()
        if way == "set":
            model.set(ot.ConstraintSet(), c, type(chosen)(max(chosen.lower, -12.0), min(chosen.upper, 12.0)))
        else:
            model.add_constraint(x, ot.Interval(-4.0, 4.0))
        model.optimize()
        assert model.objective_value() == pytest.approx(-4.0)


@pytest.mark.parametrize("kind", [ot.Semicontinuous, ot.Semiinteger])
def test_an_infinite_side_without_a_gap_needs_no_bound(kind: Any) -> None:
    """Where 0 is not apart, the set is no more than its finite side."""
    model = solver()
    x, y = model.add_variables(2)
    model.add_constraint(2.0 * x, kind(-2.5, np.inf))
    model.add_constraint(2.0 * y, kind(-np.inf, 0.0))
    model.minimize(x - y)
    model.optimize()
    assert model.value(x) == pytest.approx(-1.25 if kind is ot.Semicontinuous else -1.0)
    assert model.value(y) == pytest.approx(0.0)


def test_a_changed_set_with_gaps_rebuilds_the_model() -> None:
    """Its numbers stand in the matrix: they are made again, and so they are where a bound moves."""
    model = solver()
    x = model.add_variable()
    bound = model.add_constraint(x, ot.Interval(-10.0, 10.0))
    c = model.add_constraint(1.0 * x, ot.Semicontinuous(2.0, np.inf))
    model.maximize(x)
    model.optimize()
    assert model.value(x) == pytest.approx(10.0)
    model.set(ot.ConstraintSet(), bound, ot.Interval(-10.0, 20.0))
    model.optimize()
    assert model.value(x) == pytest.approx(20.0)
    model.set(ot.ConstraintSet(), c, ot.Semicontinuous(-7.0, -3.0))
    model.optimize()
    assert model.value(x) == pytest.approx(0.0)


def test_small_sets_are_always_kept() -> None:
    """One entry of SOS1, two of SOS2: no bounds are needed."""
    model = solver()
    v = model.add_variables(2)
    model.add_constraint(v[:1], ot.SOS1([1.0]))
    model.add_constraint(v, ot.SOS2([1.0, 2.0]))
    model.add_constraint(v, ot.Nonnegatives(2))
    model.minimize(v.sum())
    model.optimize()
    assert model.objective_value() == 0.0


def test_bounds_of_semicontinuous_functions_may_come_late() -> None:
    """After the set that relies on them, also from a semicontinuous variable."""
    model = solver()
    x, y = model.add_variables(2)
    model.add_constraint(x + y, ot.Semicontinuous(1.0, np.inf))
    model.add_constraint(x, ot.Semicontinuous(2.0, 3.0))
    model.add_constraint(y, ot.LessThan(0.5))
    model.maximize(x + y)
    model.optimize()
    assert model.objective_value() == pytest.approx(3.5)


@pytest.mark.parametrize("order", ["before", "after"])
def test_bounds_may_come_in_any_order(order: str) -> None:
    """Also after the set that relies on them, in one model."""
    model = solver()
    v = model.add_variables(3)
    if order == "after":
        model.add_constraint(v, ot.SOS1([1.0, 2.0, 3.0]))
    model.add_constraint(v, ot.HyperRectangle(np.zeros(3), [1.0, 2.0, 3.0]))
    if order == "before":
        model.add_constraint(v, ot.SOS1([1.0, 2.0, 3.0]))
    model.maximize(v.sum())
    model.optimize()
    assert model.objective_value() == pytest.approx(3.0)


def test_a_missing_bound_is_named() -> None:
    """One sentence: which set, which row, which side."""
    model = solver()
    v = model.add_variables(2)
    model.add_constraint(v[0], ot.Interval(0.0, 1.0))
    model.add_constraint(v[1], ot.GreaterThan(0.0))
    model.add_constraint(v, ot.SOS1([1.0, 2.0]))
    model.maximize(v[0])
    with pytest.raises(ot.NotAllowed, match=r"SOS1\(\[1.0, 2.0\]\).*row 1 has no finite upper bound"):
        model.optimize()
    model.add_constraint(v[1], ot.LessThan(5.0))
    model.optimize()
    assert model.objective_value() == pytest.approx(1.0)


def test_a_bound_that_is_relied_upon_moves_with_a_rebuilt_model() -> None:
    """Widening a bound after a solve gives the wider answer; without it the set is refused, until there is another."""
    model = solver()
    v = model.add_variables(2)
    bounds = [model.add_constraint(x, ot.Interval(0.0, 1.0)) for x in v]
    model.add_constraint(v, ot.SOS1([1.0, 2.0]))
    model.maximize(v.sum())
    model.optimize()
    assert model.objective_value() == pytest.approx(1.0)
    model.set(ot.ConstraintSet(), bounds[1], ot.Interval(0.0, 7.0))
    model.optimize()
    assert model.objective_value() == pytest.approx(7.0)
    model.delete(bounds[0])
    with pytest.raises(ot.NotAllowed, match="row 0 has no finite lower bound"):
        model.optimize()
    model.add_constraint(v[0], ot.Interval(0.0, 9.0))
    model.optimize()
    assert model.objective_value() == pytest.approx(9.0)


def test_solvers_without_binary_variables_refuse() -> None:
    """The error names what is missing."""
    model = ot.Model(ot.solvers.Clarabel)
    v = model.add_variables(3)
    with pytest.raises(ot.UnsupportedConstraint, match="ZeroOne on a plain variable"):
        model.add_constraint(v, ot.SOS1([1.0, 2.0, 3.0]))
