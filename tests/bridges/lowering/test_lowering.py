"""A form of a model says what the model says, keeps in step with it, and what travels up and down is adjoint."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.bridges.lowering import Lowering
from optangent.bridges.lowering.chunks import Place
from optangent.bridges.lowering.travel import (
    dual_matrix,
    duals_up,
    functions_down,
    gradients_up,
    seeds_down,
    set_gradients_up,
    set_tangents_down,
    split,
)
from optangent.modelkit.form import Abilities
from optangent.modelkit.functions.rows import Rows
from optangent.modelkit.store.parameters import PARAMETERS

CONES = frozenset({ot.SecondOrderCone, ot.ExponentialCone, ot.PowerCone, ot.ScaledPositiveSemidefiniteConeTriangle})
DUAL_CONES = frozenset({ot.SecondOrderCone, ot.DualExponentialCone, ot.DualPowerCone})
TARGETS = {
    "rows": Abilities(whole=True, semi=True),
    "cones": Abilities(cones=CONES),
    "dual cones": Abilities(cones=DUAL_CONES),
    "curved rows": Abilities(cones=CONES, quadratic_rows=True),
}
SETS = {
    "rows": [
        *(ot.Nonnegatives(2), ot.Nonpositives(3), ot.Zeros(2), ot.HyperRectangle([-1.0, -np.inf], [2.0, np.inf])),
        *(ot.NormOneCone(3), ot.NormInfinityCone(4), ot.Reals(2)),
    ],
    "cones": [
        *(ot.SecondOrderCone(3), ot.RotatedSecondOrderCone(4), ot.ExponentialCone(), ot.DualExponentialCone()),
        *(ot.PowerCone(0.3), ot.DualPowerCone(0.6), ot.NormCone(3.0, 4), ot.GeometricMeanCone(4)),
        *(ot.PositiveSemidefiniteConeTriangle(3), ot.HermitianPositiveSemidefiniteConeTriangle(2)),
        *(ot.PositiveSemidefiniteConeSquare(2), ot.NormSpectralCone(2, 2), ot.NormNuclearCone(2, 2)),
        *(ot.LogDetConeTriangle(2), ot.RootDetConeTriangle(2), ot.RelativeEntropyCone(5)),
    ],
    "dual cones": [ot.ExponentialCone(), ot.PowerCone(0.3), ot.SecondOrderCone(3), ot.DualRelativeEntropyCone(3)],
}
SETS["curved rows"] = SETS["cones"]


def function_of(rng: Any, variables: Any, rows: Any, parameters: Any = ()) -> Any:
    """A random vector of affine functions, some terms of which have parameters."""
    found = []
    for _ in range(rows):
        f = float(rng.standard_normal()) + sum(
            float(rng.standard_normal()) * x for x in rng.choice(variables, 2, replace=False)
        )
        if len(parameters):
            p, q = rng.choice(parameters, 2)
            f = f + float(rng.standard_normal()) * p * variables[0] + q * p * variables[1] + 2.0 * q
        found.append(f)
    return ot.vectorize(found)


def described(lowering: Any, model: Any) -> Any:
    """What the form says, by the user's constraints and variables: the numbers that stand for each constraint."""
    store, form = model.store, lowering.form
    A, F, mine = form.A.toarray(), form.F.toarray(), lowering.is_user.view
    columns = lowering.columns.view
    at = columns[columns >= 0]
    said = {
        "objective": (form.P.toarray()[np.ix_(at, at)], form.q[at], form.r),
        "bounds": (form.lower[at], form.upper[at], form.discreteness[at], form.binary[at]),
    }
    alive = np.ones(len(at), bool)
    for number in store.dead_variables:
        if columns[number] >= 0:
            alive[np.flatnonzero(at == columns[number])] = False
    said["objective"] = (said["objective"][0][np.ix_(alive, alive)], said["objective"][1][alive], form.r)
    said["bounds"] = tuple(one[alive] for one in said["bounds"])
    for kind, chunks in lowering.chunks.items():
        for chunk in chunks:
            for item in np.flatnonzero(chunk.alive).tolist():
                rows = chunk.positions[chunk.rows_of(np.array([item]))]
                if chunk.place is Place.ROWS:
                    M, sides = A[rows], (form.row_lower[rows], form.row_upper[rows])
                elif chunk.place is Place.CONES:
                    M, sides = F[rows + chunk.start], (form.g[rows + chunk.start],)
                else:
                    continue
                own = (M[:, at][:, alive], M[:, chunk.extra[item]], *sides)
                said.setdefault((kind, int(chunk.numbers[item])), []).append((chunk.stand_in.kind, own))
    assert mine[at[alive]].all()
    return said


def assert_same(one: Any, other: Any) -> None:
    """Both descriptions say the same."""
    assert one.keys() == other.keys()
    for key, value in one.items():
        if isinstance(value, list):
            assert [kind for kind, _ in value] == [kind for kind, _ in other[key]], key
            value = [array for _, arrays in value for array in arrays]
            wanted = [array for _, arrays in other[key] for array in arrays]
        else:
            wanted = other[key]
        for a, b in zip(value, wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-13, err_msg=str(key))


@pytest.mark.parametrize("target", list(TARGETS))
@pytest.mark.parametrize("seed", range(3))
def test_a_lowering_in_step_is_a_fresh_one(target: Any, seed: Any) -> None:
    """After each of many random changes of a model its form says what a form made from scratch says."""
    rng = np.random.default_rng(seed)
    model = ot.Model()
    x = list(model.add_variables(4))
    parameters = list(model.add_parameters(rng.standard_normal(2))) if seed else []
    lowering = Lowering(TARGETS[target])
    constraints: list[Any] = []
    bounds: list[Any] = []
    for step in range(60):
        what = rng.integers(10)
        if what == 0:
            x.append(model.add_variable(lower=-1.0 if step % 2 else None))
        elif what == 1:
            constraints.append(model.add_constraint(function_of(rng, x, 1, parameters)[0], ot.LessThan(float(step))))
        elif what == 2:
            chosen = SETS[target][rng.integers(len(SETS[target]))]
            constraints.append(model.add_constraint(function_of(rng, x, chosen.dimension, parameters), chosen))
        elif what == 3 and constraints:
            model.delete(constraints.pop(rng.integers(len(constraints))))
        elif what == 4 and len(x) > 3 and target != "cones":
            gone = x.pop(rng.integers(len(x)))
            bounds = [b for b in bounds if b.value != gone.value]
            model.delete(gone)
        elif what == 5 and parameters:
            model.set_parameter_value(parameters[rng.integers(2)], float(rng.standard_normal()))
        elif what == 6:
            model.minimize(sum((float(rng.standard_normal()) * v for v in x[1:]), 0.0 * x[0]) + x[0] * x[0])
        elif what == 7:
            scalar = [c for c in constraints if c.kind[1] is ot.LessThan and c.kind[0] is ot.ScalarAffineFunction]
            if scalar:
                model.modify(scalar[0], ot.ScalarCoefficientChange(x[0], float(step)))
        elif what == 8:
            scalar = [c for c in constraints if c.kind[1] is ot.LessThan]
            if scalar:
                model.set(ot.ConstraintSet(), scalar[-1], ot.LessThan(float(-step)))
        else:
            free = [
                v for v in x if not model.store.is_valid(ot.ConstraintIndex((ot.VariableIndex, ot.LessThan), v.value))
            ]
            if free:
                bounds.append(model.add_constraint(free[0], ot.LessThan(float(step))))
        if step % 5 == 0:
            lowering.sync(model.store)
            fresh = Lowering(TARGETS[target])
            fresh.sync(model.store)
            assert_same(described(lowering, model), described(fresh, model))


@pytest.mark.parametrize("target", list(TARGETS))
def test_up_is_the_adjoint_of_down(target: Any) -> None:
    """<A f, y> = <f, Aᵀ y>, and duals come up by what seeds go down by, for every set that the target reaches."""
    rng = np.random.default_rng(5)
    for chosen in SETS[target]:
        model = ot.Model()
        x = list(model.add_variables(4))
        for _ in range(3):
            kinds = model.add_constraint(function_of(rng, x, chosen.dimension), chosen).kind
        lowering = Lowering(TARGETS[target])
        form = lowering.sync(model.store)
        block = model.store.block(kinds)
        numbers, dims = np.array([0, 2]), block.dims()[[0, 2]]
        m = int(dims.sum())
        columns = lowering.columns.view
        row = np.repeat(np.arange(m), 2)
        tangent = Rows(rng.standard_normal(m), row, columns[np.tile([0, 3], m)], rng.standard_normal(2 * m))
        values, y = rng.standard_normal(form.n), rng.standard_normal(form.slots.size)
        nothing = np.zeros_like(y)
        left = 0.0
        for at, below in functions_down(lowering, kinds, numbers, dims, tangent):
            left += y[at] @ below.evaluate(values.__getitem__)
        up = gradients_up(lowering, kinds, numbers, dims, (y, nothing))
        np.testing.assert_allclose(left, up @ tangent.evaluate(values.__getitem__), rtol=1e-12, atol=1e-12)
        seeds, down = rng.standard_normal(m), (np.zeros_like(y), np.zeros_like(y))
        seeds_down(lowering, kinds, numbers, dims, seeds, down)
        np.testing.assert_allclose(seeds @ duals_up(lowering, kinds, numbers, dims, split(y)), down[0] @ y, rtol=1e-12)
        M, sided = dual_matrix(lowering, kinds, numbers, dims), rng.standard_normal((2, form.slots.size))
        np.testing.assert_allclose(
            M @ sided.ravel(), duals_up(lowering, kinds, numbers, dims, tuple(sided)), rtol=1e-12, atol=1e-12
        )


@pytest.mark.parametrize(
    "chosen",
    [ot.GreaterThan(1.0), ot.LessThan(2.0), ot.EqualTo(3.0), ot.Interval(-1.0, 4.0)],
    ids=lambda one: type(one).__name__,
)
@pytest.mark.parametrize("plain", [True, False])
def test_numbers_of_sets_travel(chosen: Any, plain: Any) -> None:
    """Moves of a box's numbers reach the sides, and gradients of the sides come back to the numbers."""
    model = ot.Model()
    x = model.add_variable()
    index = model.add_constraint(x if plain else 1.0 * x, chosen)
    lowering = Lowering(TARGETS["rows"])
    lowering.sync(model.store)
    q = len(type(chosen).fields)
    moves = np.arange(1.0, q + 1.0).reshape(1, q, 1)
    dims, numbers = np.array([1]), np.array([0])
    ((at, constants, low, high),) = set_tangents_down(lowering, index.kind, numbers, dims, moves)
    before = model.get(ot.ConstraintSet(), index).numbers
    sides = [np.asarray(side) for side in type(chosen).bounds(before)]
    moved = [np.asarray(side) for side in type(chosen).bounds(before + moves[:, :, 0])]
    with np.errstate(invalid="ignore"):
        wanted = [np.nan_to_num(b - a) for a, b in zip(sides, moved, strict=True)]
    assert not constants.any()
    np.testing.assert_allclose([low[:, 0], high[:, 0]], wanted)
    gradient = [np.zeros(lowering.form.slots.size) for _ in range(2)]
    gradient[0][at], gradient[1][at] = 2.0, 3.0
    up = set_gradients_up(lowering, index.kind, numbers, dims, tuple(gradient))
    np.testing.assert_allclose(up.ravel() @ moves.ravel(), -(2.0 * low + 3.0 * high)[0, 0])


def test_parameters_are_no_columns_and_may_be_infinite() -> None:
    """A parameter is a number of the form; a right-hand side at infinity is a free row, and comes back."""
    model = ot.Model()
    v, h = model.add_variables(2), model.add_parameters([1.0, 2.0])
    model.add_constraint(v <= h)
    lowering = Lowering(TARGETS["rows"])
    form = lowering.sync(model.store)
    assert form.n == 2
    np.testing.assert_array_equal(form.row_upper, [1.0, 2.0])
    model.set_parameter_value(h, [np.inf, 5.0])
    lowering.sync(model.store)
    np.testing.assert_array_equal(form.row_upper, [np.inf, 5.0])
    model.set_parameter_value(h, [7.0, 5.0])
    lowering.sync(model.store)
    np.testing.assert_array_equal(form.row_upper, [7.0, 5.0])
    assert PARAMETERS not in lowering.chunks


def test_changes_of_numbers_keep_the_pattern() -> None:
    """A new bound, right-hand side, coefficient or parameter is told in the journal, and nothing else is."""
    model = ot.Model()
    x, y = model.add_variable(lower=0.0), model.add_variable()
    p = model.add_parameter(2.0)
    c = model.add_constraint(p * x + y <= 1)
    model.minimize(x + p * y)
    lowering = Lowering(TARGETS["rows"])
    form = lowering.sync(model.store)
    form.take_journal()
    model.set_parameter_value(p, 3.0)
    lowering.sync(model.store)
    journal = form.take_journal()
    assert journal.has_costs
    assert [part.tolist() for part in journal.entries] == [[0], [0], [3.0]]
    assert not (journal.new_rows or journal.new_columns or journal.has_cones or len(journal.sides))
    model.set(ot.ConstraintSet(), c, ot.LessThan(4.0))
    lowering.sync(model.store)
    assert form.take_journal().sides.tolist() == [0]
    np.testing.assert_array_equal(form.row_upper, [4.0])
    np.testing.assert_array_equal(form.A.toarray(), [[3.0, 1.0]])


def test_big_numbers_follow_the_bounds_that_they_were_made_of() -> None:
    """A special ordered set is lowered again where the bounds of its variables move."""
    model = ot.Model()
    v = model.add_variables(2, lower=0.0, upper=1.0)
    model.add_constraint(v, ot.SOS1([1.0, 2.0]))
    lowering = Lowering(TARGETS["rows"])
    lowering.sync(model.store)
    model.set(
        ot.ConstraintSet(), ot.ConstraintIndex((ot.VariableIndex, ot.Interval), v[0].value), ot.Interval(0.0, 9.0)
    )
    lowering.sync(model.store)
    fresh = Lowering(TARGETS["rows"])
    fresh.sync(model.store)
    assert_same(described(lowering, model), described(fresh, model))
