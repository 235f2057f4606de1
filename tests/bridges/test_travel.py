"""What travels down is the adjoint of what travels up, for every set and every kind of form that it is brought to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.bridges.lowering import Lowering
from optangent.bridges.lowering.composite import Step
from optangent.bridges.lowering.travel import (
    Sided,
    duals_up,
    functions_down,
    gradients_up,
    seeds_down,
    set_gradients_up,
    set_tangents_down,
    split,
)
from optangent.modelkit.form import Abilities
from optangent.modelkit.functions import Function
from optangent.modelkit.functions.rows import Rows
from optangent.modelkit.indices import Kind, describe_kind
from optangent.modelkit.store.block import SetBlock

from .subjects import BOX, DISCRETE, EXAMPLES, is_box, random_block, random_dual

SOC, PSD, SCALED = ot.SecondOrderCone, ot.PositiveSemidefiniteConeTriangle, ot.ScaledPositiveSemidefiniteConeTriangle
TARGETS: dict[str, Abilities] = {
    "rows": Abilities(),
    "whole": Abilities(whole=True),
    "whole and gaps": Abilities(whole=True, semi=True),
    "curved rows": Abilities(frozenset({SOC, ot.ExponentialCone, ot.PowerCone, SCALED}), quadratic_rows=True),
    "cones": Abilities(frozenset({SOC, ot.ExponentialCone, ot.PowerCone, SCALED})),
    "other cones": Abilities(frozenset({ot.DualExponentialCone, ot.DualPowerCone, PSD})),
    "rotated": Abilities(frozenset({ot.RotatedSecondOrderCone})),
    "entropy": Abilities(frozenset({ot.RelativeEntropyCone, ot.DualRelativeEntropyCone})),
}
TYPES: tuple[type[Function], ...] = (
    *(ot.VariableIndex, ot.ScalarAffineFunction, ot.ScalarQuadraticFunction),
    *(ot.VectorOfVariables, ot.VectorAffineFunction, ot.VectorQuadraticFunction),
)
KINDS: list[Kind] = [(f, s) for s in EXAMPLES if s is not ot.Parameter for f in TYPES if f.is_vector == s.is_vector]


def reached() -> list[Any]:
    """(target, kind) of each way that some kind goes; one target of those to which it goes the same way.

    Quadratic rows that become cones, whose derivatives do not travel, are tested in test_quadratic.py.
    """
    found: dict[tuple[str, ...], Any] = {}
    for target, abilities in TARGETS.items():
        lowering = Lowering(abilities)
        for kind in KINDS:
            if lowering.takes(kind) and (kind[0].degree < 2 or abilities.quadratic_rows):
                parameters = pytest.param(target, kind, id=f"{target}: {describe_kind(kind)}")
                found.setdefault(tuple(lowering.path(kind)), parameters)
    return list(found.values())


REACHED = reached()


def lowered(target: str, kind: Kind, sets: Any, seed: int = 1) -> tuple[ot.Model, Lowering, Any, Any]:
    """A model of 20 variables, bounded where sets with gaps ask for it, with these constraints, and its lowering."""
    model = ot.Model()
    v = model.add_variables(20)
    if kind[1] in DISCRETE and (kind[1].is_vector or kind[0].degree):
        model.add_constraints(list(v), ot.Interval(*BOX))
    elif kind[1] in (ot.Semicontinuous, ot.Semiinteger) and not TARGETS[target].semi:
        sets = [one for one in sets if np.isfinite(one.numbers).all()]
    block = random_block(kind, tuple(sets), v, np.random.default_rng(seed))
    indices = model.store.add_block(block)
    lowering = Lowering(TARGETS[target])
    lowering.sync(model.store)
    return model, lowering, indices, block


def nothing(lowering: Lowering, *tail: int) -> Sided:
    """Zeros over all slots."""
    size = lowering.form.slots.size
    return np.zeros((size, *tail)), np.zeros((size, *tail))


def check_travel(lowering: Lowering, kind: Kind, numbers: Any, dims: Any) -> None:
    """The three adjoint identities for some constraints."""
    rng, m, q = np.random.default_rng(5), int(dims.sum()), len(kind[1].fields)
    low, high = (rng.standard_normal(lowering.form.slots.size) for _ in range(2))

    # seeds of duals, and duals: through the sides that the constraints own
    seeds, down = rng.standard_normal(m), nothing(lowering)
    seeds_down(lowering, kind, numbers, dims, seeds, down)
    up = duals_up(lowering, kind, numbers, dims, (low, high))
    at_both = (down[0] != 0.0) & (down[1] != 0.0)
    total_down = np.where(at_both, down[0] * (low + high), down[0] * low + down[1] * high)
    assert seeds @ up == pytest.approx(float(total_down.sum()), abs=1e-11, rel=1e-11)
    # several directions at once
    several = (np.stack([low, 2.0 * low], axis=1), np.stack([high, 2.0 * high], axis=1))
    np.testing.assert_allclose(duals_up(lowering, kind, numbers, dims, several), np.stack([up, 2.0 * up], axis=1))
    # numbers of sets
    moves = rng.standard_normal((m, q, 2))
    gradient = set_gradients_up(lowering, kind, numbers, dims, (low, high))
    total = np.zeros(2)
    for at, constants, lower, upper in set_tangents_down(lowering, kind, numbers, dims, moves):
        total += (low + high)[at] @ constants - low[at] @ lower - high[at] @ upper
    np.testing.assert_allclose(np.einsum("mq,mqk->k", gradient, moves), total, rtol=1e-11, atol=1e-11)
    # functions, of one direction and of three
    n = lowering.form.n
    x = rng.standard_normal(n)
    values = gradients_up(lowering, kind, numbers, dims, (low, high))
    for K in (1, 3):
        terms = rng.integers(0, n, 3 * K * m)
        rows = rng.integers(0, max(K * m, 1), 3 * K * m)
        tangent = Rows(rng.standard_normal(K * m), rows, terms, rng.standard_normal(3 * K * m))
        found = np.zeros(K)
        for at, below in functions_down(lowering, kind, numbers, dims, tangent):
            sides = _sides_at(lowering, kind, at, low, high)
            found += below.evaluate(x.__getitem__).reshape(K, -1) @ sides
        wanted = tangent.evaluate(x.__getitem__).reshape(K, m) @ values
        np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-11)


def _sides_at(lowering: Lowering, kind: Kind, at: Any, low: Any, high: Any) -> Any:
    """What the owner of these slots sees of both sides."""
    for chunk in lowering.chunks[kind]:
        if chunk.p and chunk.place.name != "KINDS" and np.isin(at, chunk.slots(lowering.form.slots)).all():
            return (low[at] if chunk.sides & 1 else 0.0) + (high[at] if chunk.sides & 2 else 0.0)
    raise AssertionError("slots of nobody")


@pytest.mark.parametrize(("target", "kind"), REACHED)
def test_up_is_the_adjoint_of_down(target: str, kind: Kind) -> None:
    """For a whole block, for some of it, for one; duals, numbers of sets and functions."""
    for example in EXAMPLES[kind[1]]:
        model, lowering, indices, _ = lowered(target, kind, example)
        dims = model.store.block(kind).dims()
        every = np.arange(len(indices))
        for numbers in (every, every[::-2], every[-1:]):
            check_travel(lowering, kind, numbers, dims[numbers])


@pytest.mark.parametrize(("target", "kind"), [p for p in REACHED if p.values[1][1] not in DISCRETE])
def test_dual_starts_come_back_up(target: str, kind: Kind) -> None:
    """Started duals of constraints come up as they were, through whole chains."""
    for example in EXAMPLES[kind[1]]:
        block = SetBlock.of(example)
        _, lowering, indices, _ = lowered(target, kind, example)
        start = random_dual(kind[1], block.numbers, np.random.default_rng(6)) if is_box(kind[1]) else None
        slots, numbers = lowering.form.slots, np.arange(len(indices))
        y = np.zeros(slots.size)
        duals = np.random.default_rng(7).standard_normal(int(block.dims.sum())) if start is None else start
        if start is None:  # what comes up of a set with a line in it has no part along that line
            duals = duals_up(lowering, kind, numbers, block.dims, split(_down(lowering, kind, duals, block)))
        y = _down(lowering, kind, duals, block)
        again = duals_up(lowering, kind, numbers, block.dims, split(y))
        np.testing.assert_allclose(again, duals, atol=1e-10)


def _down(lowering: Lowering, kind: Kind, duals: Any, block: SetBlock) -> Any:
    """Over slots, by the ways down of all that stands for the constraints."""
    y, starts = np.zeros(lowering.form.slots.size), np.cumsum(block.dims) - block.dims
    for chunk in lowering.chunks.get(kind, ()):
        if not chunk.p:
            continue
        rows = (starts[chunk.numbers][:, None] + np.arange(block.dims[chunk.numbers[0]])).ravel()
        parts = chunk.composite.root.dual_start(duals[rows].reshape(chunk.count, -1))
        (which,) = (i for i, one in enumerate(chunk.composite.stand_ins) if one is chunk.stand_in)
        y[chunk.slots(lowering.form.slots)] += parts[which].ravel()
    return y


# ---------------------------------------------------------------------- chains
def through(step: Step, f: Any, u: Any, theta: Any) -> list[tuple[Any, Any]]:
    """(values, numbers of the sets) of all that stands for ``f in S``, bridge after bridge."""
    if step.bridge is None:
        return [(f, theta)]
    found, own, rest = [], u[: step.lift.extra], u[step.lift.extra :]
    for target, groups in zip(step.lift.targets, step.below, strict=True):
        value = target.constants(f[None], theta[None])[0] + (0.0 if target.B is None else target.B @ own)
        numbers, width = target.numbers(theta[None])[0], len(target.kind[1].fields)
        starts = np.cumsum(target.dims) - target.dims
        for where, child in groups:
            parts = []
            for i in where:
                rows = slice(starts[i], starts[i] + target.dims[i])
                mine = numbers[rows.start * width : rows.stop * width]
                parts.append(through(child, value[rows], rest[: child.extra], mine))
                rest = rest[child.extra :]
            found += [
                (np.concatenate([value for value, _ in one]), np.concatenate([theta for _, theta in one]))
                for one in zip(*parts, strict=True)
            ]
    return found


@pytest.mark.parametrize(("target", "kind"), [p for p in REACHED if p.values[1][0].degree == 1])
def test_composites_are_their_bridges_one_after_the_other(target: str, kind: Kind) -> None:
    """``A f + B u + C θ + c0`` and ``N θ + n0`` are what the bridges of the chain make, of random f, u and θ."""
    rng = np.random.default_rng(8)
    for example in EXAMPLES[kind[1]]:
        _, lowering, _, _ = lowered(target, kind, example)
        for chunk in lowering.chunks.get(kind, ()):
            root, numbers = chunk.composite.root, example[int(chunk.numbers[0])].numbers.ravel()
            f, u = rng.standard_normal(root.example.dimension), rng.standard_normal(root.extra)
            theta = np.where(np.isfinite(numbers), numbers, 0.0)
            found = through(root, f, u, theta)
            assert len(found) == len(chunk.composite.stand_ins)
            for one, (value, below) in zip(chunk.composite.stand_ins, found, strict=True):
                np.testing.assert_allclose(one.A @ f + one.B @ u + one.C @ theta + one.c0, value, atol=1e-13)
                np.testing.assert_allclose(one.N @ theta + one.n0, below, atol=1e-13)


@pytest.mark.parametrize(("target", "kind"), [p for p in REACHED if p.values[1][0].degree < 2])
def test_the_form_holds_what_stands_for_the_constraints(target: str, kind: Kind) -> None:
    """At any point: rows and cones of the form are ``A f + B u + c``, and their sides those of the sets there."""
    rng = np.random.default_rng(9)
    for example in EXAMPLES[kind[1]]:
        model, lowering, _, block = lowered(target, kind, example)
        form, starts = lowering.form, block.starts
        x = rng.standard_normal(form.n)
        values = block.rows.evaluate(lambda ids, x=x, base=model.store.base: x[ids - base])
        for chunk in lowering.chunks.get(kind, ()):
            if chunk.place.name not in ("ROWS", "CONES") or not chunk.p:
                continue
            rows = chunk.positions.reshape(chunk.count, -1)
            at = form.F @ x + form.g if chunk.place.name == "CONES" else form.A @ x
            if form.curvature is not None and chunk.place.name == "ROWS":
                at = at + form.curvature.values(x)
            for item, number in enumerate(chunk.numbers.tolist()):
                f = values[starts[number] : starts[number + 1]]
                theta = example[number].numbers.ravel()
                finite = np.where(np.isfinite(theta), theta, 0.0)
                one = chunk.stand_in
                wanted = one.A @ f + one.B @ x[chunk.extra[item]] + one.C @ finite + one.c0
                mine = rows[item]
                if chunk.place.name == "CONES":
                    np.testing.assert_allclose(at[mine + chunk.start], wanted, atol=1e-12)
                    continue
                numbers = (
                    np.where(np.isfinite(theta), 0.0, theta) + one.N @ finite + one.n0 if one.is_identity else None
                )
                if numbers is None:
                    numbers = one.N @ finite + one.n0
                box = one.kind[1].bounds(numbers.reshape(one.p, -1) if one.kind[1].fields else np.zeros((one.p, 0)))
                assert box is not None
                np.testing.assert_allclose(form.row_lower[mine] - at[mine], box[0] - wanted, atol=1e-12)
                np.testing.assert_allclose(form.row_upper[mine] - at[mine], box[1] - wanted, atol=1e-12)


def test_blocks_added_one_after_the_other() -> None:
    """Constraints of one kind that were added at different times, some of them deleted, travel together."""
    for target in ("rows", "cones"):
        kind: Kind = (ot.VectorAffineFunction, ot.NormOneCone)
        model, lowering, rng = ot.Model(), Lowering(TARGETS[target]), np.random.default_rng(8)
        v = model.add_variables(20)
        indices: list[Any] = []
        for example in [*EXAMPLES[ot.NormOneCone], *EXAMPLES[ot.NormOneCone]]:
            indices += list(model.store.add_block(random_block(kind, tuple(example), v, rng)))
            lowering.sync(model.store)
        model.delete(indices[1])
        lowering.sync(model.store)
        numbers = rng.permutation(np.delete(np.arange(len(indices)), 1))
        check_travel(lowering, kind, numbers, model.store.block(kind).dims()[numbers])


def test_duals_of_rows_without_sides() -> None:
    """Several directions come up as a table, also past rows that have no side."""
    model = ot.Model()
    x = model.add_variable()
    sets = [ot.Interval(-np.inf, np.inf), ot.Interval(0.0, 1.0), ot.Interval(1.0, 1.0)]
    indices = model.add_constraints([2.0 * x] * 3, sets)
    lowering = Lowering(TARGETS["rows"])
    lowering.sync(model.store)
    y = nothing(lowering, 4)
    y[0][1:3] = np.arange(4)
    up = duals_up(lowering, indices.kind, np.arange(3), np.ones(3, np.int64), y)
    np.testing.assert_array_equal(up, [[0, 0, 0, 0], [0, 1, 2, 3], [0, 1, 2, 3]])
