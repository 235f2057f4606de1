"""Every bridge between cones, by what it must do: projections through it, duals, weights, corner cases.

Nothing here names a bridge's matrices. The nearest point of a set, found by a solver *through* a bridge, tells
all: it lies in the set (the targets say no less), members are their own projections (the targets say no more), and
its multiplier is a feasible dual, at right angles to it (the duals' way up). A member of the boundary would be found
to the square root of a solver's gap only; but where a line leaves the set is found to all digits.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.bridges.bridge import REGISTRY, Bridge
from optangent.bridges.lowering import Lowering
from optangent.bridges.lowering.travel import duals_up, gradients_up
from optangent.modelkit.arrays import FloatArray
from optangent.modelkit.form import Abilities
from optangent.modelkit.sets import Set

from ..fake_solver import Fake
from .subjects import DISCRETE, EXAMPLES, SUBJECTS, Subject, is_box

VAF = ot.VectorAffineFunction
CONIC = [
    s
    for s in SUBJECTS
    if s.kind[0] is VAF
    and not is_box(s.kind[1])
    and s.kind[1] not in DISCRETE
    and s.kind[1] not in dict(s.reached).values()
]
REVERSES = {"ScaledToTriangle"}  # no solver takes what it leads to: tested as an inverse
THROUGH = [s for s in CONIC if s.number == 0 and repr(s.bridge) not in REVERSES]
# An interior-point solver finds the nearest point of a curved cone to about this, next to data of size one.
TOLERANCE = 2e-6
# ... and points inside, or where a line meets the boundary, to about 1e-9.
SHARP = 1e-7


def examples(kind: type[Set]) -> list[Any]:
    """One set of each shape among the examples."""
    return list(dict.fromkeys(one for block in EXAMPLES[kind] for one in block))


def weights(chosen: Set) -> FloatArray:
    """Of the inner product."""
    return np.ones(chosen.dimension) if chosen.weights is None else chosen.weights


def nearest(chosen: Any, point: FloatArray, model: ot.Model) -> tuple[FloatArray, FloatArray]:
    """The nearest point of a set in the inner product of the set, and the multiplier."""
    v = model.add_variables(chosen.dimension)
    c = model.add_constraint(1.0 * v, chosen)
    W = weights(chosen)
    model.minimize(sum(float(w) * (x - float(p)) * (x - float(p)) for w, x, p in zip(W, v, point, strict=True)))
    solve(model)
    return model.value(v), model.dual(c)


def solve(model: ot.Model) -> None:
    """Solve, to the end or almost."""
    model.optimize()
    assert model.termination_status() in (
        ot.TerminationStatusCode.OPTIMAL,
        ot.TerminationStatusCode.ALMOST_OPTIMAL,
    )


def exit_of(chosen: Any, start: FloatArray, direction: FloatArray, model: ot.Model) -> float:
    """The largest s with ``start + s direction`` in the set, by a solver."""
    s = model.add_variable()
    model.add_constraint(VAF(direction[:, None], ot.VectorOfVariables([s]), start), chosen)
    model.maximize(1.0 * s)
    solve(model)
    return float(model.value(s))


def true_exit(chosen: Any, start: FloatArray, direction: FloatArray) -> float:
    """The same by bisection, of a line that leaves the set before s = 1."""
    low, high = 0.0, 1.0
    while high - low > 1e-12:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if chosen.violation(start + middle * direction) < 1e-10 else (low, middle)
    return low


def check_nearest(chosen: Any, point: FloatArray, x: FloatArray, y: FloatArray, tolerance: float) -> None:
    """Optimality of the nearest point: x in S, y in S*, x ⊥ y, W (x - p) = W y / 2."""
    W = weights(chosen)
    assert chosen.violation(x) < tolerance, (chosen, point)
    assert chosen.dual_violation(y) < tolerance, (chosen, point)
    assert abs(np.sum(W * x * y)) < tolerance
    gap = 2.0 * W * (x - point) - W * y
    assert np.max(np.abs(gap)) < tolerance
    assert np.sqrt(np.sum(W * (x - point) ** 2)) <= chosen.violation(point) + tolerance


@pytest.mark.parametrize("subject", THROUGH, ids=str)
def test_nearest_points_through_each_bridge(subject: Subject) -> None:
    """The nearest points found through a bridge are those of the set, for every shape among the examples."""
    rng = np.random.default_rng(1)
    for chosen in examples(subject.kind[1]):
        for factor in (3.0, 1.0):
            point = factor * rng.standard_normal(chosen.dimension)
            x, y = nearest(chosen, point, through(subject.bridge, subject.kind[1]))
            check_nearest(chosen, point, x, y, TOLERANCE)


@pytest.mark.parametrize("subject", THROUGH, ids=str)
def test_members_through_each_bridge(subject: Subject) -> None:
    """A point inside is its own nearest point, and lines from there leave the set where they should."""
    rng = np.random.default_rng(2)
    by = subject.bridge, subject.kind[1]
    for chosen in examples(subject.kind[1]):
        inside = np.round(interior(chosen), 6)  # also the squares' symmetry is exact then
        x, y = nearest(chosen, inside, through(*by))
        check_nearest(chosen, inside, x, y, SHARP)
        np.testing.assert_allclose(x, inside, atol=SHARP)
        member, _ = nearest(chosen, 2.0 * rng.standard_normal(chosen.dimension), through(*by))
        for outside in (3.0 * rng.standard_normal(chosen.dimension), np.round(member, 6) - 2.0 * inside):
            direction = outside - inside
            while chosen.violation(inside + direction) < 0.1:
                direction *= 2.0
            found = exit_of(chosen, inside, direction, through(*by))
            assert found == pytest.approx(true_exit(chosen, inside, direction), abs=SHARP), chosen


def through(bridge: Bridge, kind: type[Set]) -> ot.Model:
    """A model that takes constraints of the kind by this bridge alone, to the first solver that it reaches."""
    for solver in (ot.solvers.Clarabel, ot.solvers.SCS):
        model = behind(solver, bridge, kind)
        if model is not None:
            return model
    raise AssertionError(f"{bridge!r} leads to no solver")


def behind(solver: Any, bridge: Bridge, kind: type[Set]) -> ot.Model | None:
    """The model before a solver that lacks the cone itself; None where the bridge does not lead there."""

    class Lacking(solver):  # type: ignore[misc]
        abilities = replace(solver.abilities, cones=solver.abilities.cones - {kind})

    lowering = Lowering(Lacking.abilities, [bridge, *(b for b in REGISTRY if b.reach(VAF, kind) is None)])
    if not lowering.takes((VAF, kind)):
        return None
    model = ot.Model(Lacking)
    model.meta_solver._lowerings[Lacking.abilities] = lowering
    return model


# ---------------------------------------------------------------------- inner products
@pytest.mark.parametrize("subject", [s for s in SUBJECTS if s.kind[1].is_vector and not is_box(s.kind[1])], ids=str)
def test_weights_come_from_the_sets(subject: Subject) -> None:
    """Of source and targets, where one of them is not one."""
    for lift, items in subject.lifts():
        source = subject.sets[int(items[0])]
        for t in lift.targets:
            sets = t.sets(np.zeros((1, t.p * len(t.kind[1].fields))))
            w2 = np.concatenate([weights(sets.set(i)) for i in range(sets.count)])
            np.testing.assert_array_equal(
                np.ones(source.dimension) if t.weights is None else t.weights, weights(source)
            )
            np.testing.assert_array_equal(np.ones(t.p) if t.target_weights is None else t.target_weights, w2)


PAIRS = [
    ("RotatedToSecondOrder", "SecondOrderToRotated", ot.RotatedSecondOrderCone(5)),
    ("TriangleToScaled", "ScaledToTriangle", ot.PositiveSemidefiniteConeTriangle(3)),
    ("DualExponentialToPrimal", "ExponentialToDual", ot.DualExponentialCone()),
    ("DualPowerToPrimal", "PowerToDual", ot.DualPowerCone(0.3)),
]


@pytest.mark.parametrize(("there", "back", "chosen"), PAIRS)
def test_there_and_back(there: str, back: str, chosen: Any) -> None:
    """The two bridges' matrices are inverse to each other, and so are the duals' ways."""
    bridges = {repr(b): b for b in REGISTRY}
    first = bridges[there].lift(VAF, chosen).weighted(chosen).targets[0]
    middle = first.kind[1].build(first.shapes[0], np.zeros((0, 0)))
    second = bridges[back].lift(VAF, middle).weighted(middle).targets[0]
    identity = np.eye(chosen.dimension)
    np.testing.assert_allclose((second.A @ first.A).toarray(), identity, atol=1e-15)
    np.testing.assert_allclose((first.adjoint @ second.adjoint).toarray(), identity, atol=1e-15)


def test_the_adjoint_of_scaling_is_its_inverse() -> None:
    """D⁻¹ and not D (docs/design.md, section 5)."""
    bridge = next(b for b in REGISTRY if repr(b) == "TriangleToScaled")
    chosen = ot.PositiveSemidefiniteConeTriangle(2)
    t = bridge.lift(VAF, chosen).weighted(chosen).targets[0]
    np.testing.assert_allclose(t.A.toarray(), np.diag([1.0, np.sqrt(2.0), 1.0]))
    np.testing.assert_allclose(t.adjoint.toarray(), np.diag([1.0, np.sqrt(0.5), 1.0]))


# ---------------------------------------------------------------------- squares
TRIANGLES = Abilities(cones=frozenset({ot.PositiveSemidefiniteConeTriangle}))


def zeros_of(model: ot.Model) -> list[int]:
    """The dimensions of all symmetry rows that stand for constraints."""
    lowering = Lowering(TRIANGLES)
    lowering.sync(model.store)
    return [
        chunk.p
        for chunks in lowering.chunks.values()
        for chunk in chunks
        for _ in range(chunk.count)
        if chunk.stand_in.kind[1] is ot.Zeros
    ]


def test_only_entries_that_differ_get_a_symmetry_row() -> None:
    """The same function, however it is written, gets none; a block is parted by the patterns."""
    model = ot.Model()
    x, y, z, w = model.add_variables(4)
    same = ot.vectorize([1.0 * x, y + 2.0 * z + 1.0, 2.0 * z + 1.0 + 0.0 * w + y, 1.0 * w])
    other = ot.vectorize([1.0 * x, 1.0 * y, 1.0 * y + 1.0, 1.0 * w])
    model.add_constraint(same, ot.PositiveSemidefiniteConeSquare(2))
    assert zeros_of(model) == []
    indices = model.add_constraints([other, same, other], [ot.PositiveSemidefiniteConeSquare(2)] * 3)
    assert zeros_of(model) == [1, 1]
    three = ot.vectorize([1.0 * x, 1.0 * y, 1.0 * z, 1.0 * y, 1.0 * x, 1.0 * w, 1.0 * w, 1.0 * w, 1.0 * x])
    model.add_constraint(three, ot.PositiveSemidefiniteConeSquare(3))
    assert zeros_of(model) == [1, 1, 1]  # of the entries (1, 3), z and w
    model.delete(indices)
    assert zeros_of(model) == [1]


def test_the_same_function_shares_dual_and_gradient() -> None:
    """Both entries get the dual of the triangle's entry, and half of the gradient of its row."""
    model = ot.Model()
    x, y, z, _ = model.add_variables(4)
    c = model.add_constraint(ot.vectorize([1.0 * x, 1.0 * y, 1.0 * y, 1.0 * z]), ot.PositiveSemidefiniteConeSquare(2))
    lowering = Lowering(TRIANGLES)
    form = lowering.sync(model.store)
    (chunk,) = lowering.chunks[c.kind]
    number, dims, values = np.array([0]), np.array([4]), np.zeros(form.slots.size)
    values[chunk.slots(form.slots)] = [1.0, 3.0, 5.0]
    np.testing.assert_allclose(duals_up(lowering, c.kind, number, dims, (values, 0.0 * values)), [1.0, 3.0, 3.0, 5.0])
    up = gradients_up(lowering, c.kind, number, dims, (values, 0.0 * values))
    np.testing.assert_allclose(up, [1.0, 1.5, 1.5, 5.0])
    start = chunk.composite.root.dual_start(np.array([[1.0, 2.0, 4.0, 5.0]]))
    np.testing.assert_array_equal(start[0], [[1.0, 3.0, 5.0]])


def test_a_change_that_parts_two_entries_is_lowered_again() -> None:
    """Symmetry rows come and go with coefficients and constants, solve after solve."""
    model = ot.Model(ot.solvers.Clarabel)
    t, s = model.add_variables(2)
    c = model.add_constraint(ot.vectorize([1.0 * t, 1.0 * s, 1.0 * s, 1.0 * t]), ot.PositiveSemidefiniteConeSquare(2))
    model.add_constraint(s >= 1)
    model.minimize(t)
    model.optimize()
    assert model.value(t) == pytest.approx(1.0, abs=1e-6)
    model.modify(c, ot.MultirowChange(s, [(2, 2.0)]))  # 2 s == s
    model.modify(c, ot.VectorConstantChange([0.0, 3.0, 0.0, 0.0]))  # s + 3 == 2 s
    model.optimize()
    assert model.value(t) == pytest.approx(6.0, abs=1e-6)
    model.modify(c, ot.MultirowChange(s, [(2, 1.0)]))
    model.modify(c, ot.VectorConstantChange([0.0, 0.0, 0.0, 0.0]))
    model.optimize()
    assert model.value(t) == pytest.approx(1.0, abs=1e-6)
    assert zeros_of(model) == []


# ---------------------------------------------------------------------- extra variables
EXTRA = [s for s in CONIC if s.bridge.lift(VAF, s.sets[-1]).extra]


@pytest.mark.parametrize("subject", EXTRA, ids=str)
def test_extra_variables_of_members(subject: Subject) -> None:
    """Starts of the extra variables put the targets' functions into their sets, at members and on the boundary."""
    rng = np.random.default_rng(3)
    for chosen in {repr(s): s for s in subject.sets}.values():
        lift = subject.bridge.lift(VAF, chosen)
        members = [
            nearest(chosen, 2.0 * rng.standard_normal(chosen.dimension), through(subject.bridge, type(chosen)))[0]
        ]
        members.append(members[0] + 0.5 * interior(chosen))
        values = np.array(members)
        u = subject.bridge.extra_start(chosen, values)
        assert u.shape == (len(values), lift.extra)
        for t in lift.targets:
            at = values @ t.A.toarray().T + (0.0 if t.B is None else u @ t.B.toarray().T)
            sets, ends = t.sets(np.zeros((1, t.p * len(t.kind[1].fields)))), np.cumsum(t.dims)
            for i, (stop, d) in enumerate(zip(ends, t.dims, strict=True)):
                for row in at:
                    assert sets.set(i).violation(row[stop - d : stop]) < 1e-5, (chosen, sets.set(i))


def interior(chosen: Any) -> FloatArray:
    """A point well inside the cone, by the sum of some nearest points."""
    rng = np.random.default_rng(4)
    models = [ot.Model(ot.solvers.Clarabel) for _ in range(6)]
    points = [nearest(chosen, 3.0 * rng.standard_normal(chosen.dimension), model)[0] for model in models]
    return np.asarray(sum(points))


def test_a_start_of_all_variables_starts_the_extra_ones() -> None:
    """Through nested bridges, down to the solver; a start of some leaves them alone."""
    cones = frozenset({ot.ExponentialCone, ot.PositiveSemidefiniteConeTriangle})
    solver = Fake(abilities=Abilities(cones=cones))
    model = ot.Model(lambda: solver)
    v = model.add_variables(5)
    model.add_constraint(2.0 * v[:3], ot.NormOneCone(3))
    model.add_constraint(1.0 * v, ot.LogDetConeTriangle(2))
    model.add_constraint(-1.0 * v[2:], ot.NormOneCone(3))
    model.set(ot.VariablePrimalStart(), v[:2], np.ones(2))
    model.optimize()
    assert solver.start is not None and np.flatnonzero(np.isfinite(solver.start.x)).tolist() == [0, 1]
    model.set(ot.VariablePrimalStart(), v, np.array([1.0, 2.0, 4.0, 2.0, 5.0]))
    model.add_variables(0)
    model.meta_solver.solve_again()
    D = np.array([[2.0, 0.0], [1.0, 2.0]]) * [2.0, 2.0]  # X = [4 2; 2 5] = L Lᵀ
    norms = [4.0, 8.0, 2.0, 5.0]
    logs = [D[0, 0], D[1, 0], D[1, 1], *2.0 * np.log(np.array([4.0, 4.0]) / 2.0)]
    x = solver.start.x
    np.testing.assert_array_equal(x[:5], [1.0, 2.0, 4.0, 2.0, 5.0])
    lowering = model.meta_solver.lowerings[0][1]
    for chunks in lowering.chunks.values():
        extra = x[chunks[0].extra]
        wanted = [logs] if chunks[0].kind[1] is ot.LogDetConeTriangle else [norms[:2], norms[2:]]
        np.testing.assert_allclose(extra, wanted, rtol=1e-9)
