"""Every bridge's matrices: shapes, equivalence, duals. Subjects come from the registry (subjects.py)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.linalg
import scipy.optimize
import scipy.sparse as sp

import optangent as ot
from optangent.bridges.bridge import REGISTRY, Lift, Target

from .subjects import (
    BOX,
    DISCRETE,
    EXAMPLES,
    FUNCTIONS,
    SCALAR_DISCRETE,
    SETS,
    SUBJECTS,
    Subject,
    contains,
    in_dual_cone,
    is_box,
    random_dual,
    random_point,
)

BOXED = [s for s in SUBJECTS if s.is_boxed]
LINEAR = [s for s in SUBJECTS if s.is_linear]


def test_every_set_and_every_bridge_is_a_subject() -> None:
    """No set lacks examples, no registered bridge is left out."""
    assert set(EXAMPLES) == set(SETS)
    others = [s for s in SETS if not is_box(s)]
    kinds = [(f, s) for f in FUNCTIONS for s in others if f.is_vector == s.is_vector]
    found = [(b, b.reach(*kind)) for b in REGISTRY for kind in kinds]
    wanted = {repr(b) for b, reached in found if reached and all(k[0] in FUNCTIONS for k in reached)}
    assert {repr(s.bridge) for s in SUBJECTS} == wanted
    assert len({repr(b) for b in REGISTRY}) == len(REGISTRY)


@pytest.mark.parametrize("subject", SUBJECTS, ids=str)
def test_groups_part_the_items(subject: Subject) -> None:
    """Each item is in one group, and all sets of a group are of one dimension."""
    groups = [items for _, items in subject.lifts()]
    assert sorted(np.concatenate(groups).tolist()) == list(range(len(subject.sets)))
    for items in groups:
        assert len({subject.sets[i].dimension for i in items}) == 1


@pytest.mark.parametrize("subject", SUBJECTS, ids=str)
def test_shapes(subject: Subject) -> None:
    """All matrices of a lift fit together, and its kinds are among those it said it reaches."""
    for lift, items in subject.lifts():
        example = subject.sets[int(items[0])]
        m, q = example.dimension, len(example.fields)
        for t in lift.targets:
            p, q2 = t.p, len(t.kind[1].fields)
            assert t.kind in subject.reached
            assert t.A.shape == (p, m)
            assert int(t.dims.sum()) == p and t.count == len(t.dims)
            assert (t.shapes is None) == (not t.kind[1].is_vector)
            assert t.kind[0].is_vector == t.kind[1].is_vector
            assert t.shapes is None or len(t.shapes) == t.count
            assert t.B is None or t.B.shape == (p, lift.extra)
            assert t.C is None or t.C.shape == (p, m * q)
            assert t.c0 is None or t.c0.shape == (p,)
            assert t.N is None or t.N.shape == (p * q2, m * q)
            assert t.n0 is None or t.n0.shape == (p * q2,)
            assert t.weights is None or t.weights.shape == (m,)
            assert t.target_weights is None or t.target_weights.shape == (p,)
            for item in items:
                theta = t.numbers(subject.sets[item].numbers.reshape(1, m * q))
                assert not np.isnan(theta).any()


@pytest.mark.parametrize("subject", BOXED, ids=str)
def test_feasible_before_and_after(subject: Subject) -> None:
    """A function value is in the set exactly if some u puts the targets' functions into theirs; 100 points."""
    rng = np.random.default_rng(1)
    seen = set()
    for lift, items in subject.lifts():
        for draw in range(100):
            chosen = subject.sets[int(items[draw % len(items)])]
            point = random_point(type(chosen), chosen.numbers, rng)
            if subject.asks_for_bounds:
                far = np.where(point == 0.0, 0.0, rng.choice(BOX, len(point)))
                point = far if draw % 3 == 0 else np.clip(point, *BOX)
            one_by_one = is_box(type(chosen)) or type(chosen) in SCALAR_DISCRETE
            before = contains(type(chosen), chosen.numbers, point) if one_by_one else chosen.violation(point) == 0.0
            assert before == feasible_after(lift, point, chosen.numbers), (chosen, point)
            seen.add(before)
    assert True in seen


def feasible_after(lift: Lift, point: np.ndarray, numbers: np.ndarray) -> bool:
    """Whether some u exists: the one that equalities fix, or else that a linear program finds."""
    theta = numbers.reshape(1, -1)
    values = [t.constants(point[None, :], theta)[0] for t in lift.targets]
    thetas = [t.sets(t.numbers(theta)).numbers for t in lift.targets]
    Bs = [np.zeros((t.p, lift.extra)) if t.B is None else t.B.toarray() for t in lift.targets]
    if lift.extra:
        equal = [i for i, t in enumerate(lift.targets) if t.kind[1] in (ot.Zeros, ot.EqualTo)]
        B = np.concatenate([np.zeros((0, lift.extra)), *(Bs[i] for i in equal)])
        if np.linalg.matrix_rank(B) == lift.extra:
            rhs = np.concatenate(
                [(thetas[i][:, 0] if thetas[i].size else np.zeros(len(values[i]))) - values[i] for i in equal]
            )
            u: np.ndarray = np.asarray(np.linalg.lstsq(B, rhs)[0]).round(9)
        else:
            found = linear_program(lift, values, thetas, Bs)
            if found is None:
                return False
            u = found
        values = [value + B @ u for value, B in zip(values, Bs, strict=True)]
    return all(contains(t.kind[1], theta, value) for t, theta, value in zip(lift.targets, thetas, values, strict=True))


def linear_program(lift: Lift, values: Any, thetas: Any, Bs: Any) -> np.ndarray | None:
    """Some u with all targets in their boxes, whole where they say so."""
    unit = np.array([0.0]), np.array([1.0])
    free = np.array([-np.inf]), np.array([np.inf])
    whole = {ot.ZeroOne: unit, ot.Integer: free}
    boxes = [whole.get(t.kind[1]) or t.kind[1].bounds(theta) for t, theta in zip(lift.targets, thetas, strict=True)]
    upper = [box[1] - value for box, value in zip(boxes, values, strict=True)]
    lower = [box[0] - value for box, value in zip(boxes, values, strict=True)]
    integral = [B.any(axis=0) for t, B in zip(lift.targets, Bs, strict=True) if t.kind[1] in whole]
    found = scipy.optimize.milp(
        np.zeros(lift.extra),
        constraints=(np.concatenate(Bs), np.concatenate(lower), np.concatenate(upper)),
        bounds=scipy.optimize.Bounds(-np.inf, np.inf),
        integrality=np.any(integral, axis=0) * np.ones(lift.extra),
    )
    return None if found.x is None else np.asarray(found.x)


@pytest.mark.parametrize("subject", SUBJECTS, ids=str)
def test_dual_map_is_the_adjoint(subject: Subject) -> None:
    """<A u, v> in the inner product of the target is <u, A* v> in that of the source."""
    rng = np.random.default_rng(2)
    for lift, _ in subject.lifts():
        for t in lift.targets:
            m, w1, w2 = t.A.shape[1], t.weights, t.target_weights
            u, v = rng.standard_normal((100, m)), rng.standard_normal((100, t.p))
            down = (t.A @ u.T).T * (1.0 if w2 is None else w2)
            up = (t.adjoint @ v.T).T * (1.0 if w1 is None else w1)
            np.testing.assert_allclose((down * v).sum(1), (u * up).sum(1), atol=1e-12)


def balance(lift: Lift) -> np.ndarray:
    """``Bᵀ W2``: the duals of all targets that it sends to zero leave the extra variables alone."""
    parts = [np.zeros((lift.extra, 0))]
    for t in lift.targets:
        Bt = np.zeros((lift.extra, t.p)) if t.B is None else t.B.toarray().T
        parts.append(Bt if t.target_weights is None else Bt * t.target_weights)
    return np.concatenate(parts, axis=1)


def all_in_dual_cones(lift: Lift, duals: np.ndarray, numbers: np.ndarray) -> bool:
    """Whether the duals of all targets, one below the other, have the right signs."""
    at = 0
    for t in lift.targets:
        theta = t.sets(t.numbers(numbers.reshape(1, -1))).numbers
        if not in_dual_cone(t.kind[1], theta, duals[at : at + t.p]):
            return False
        at += t.p
    return True


@pytest.mark.parametrize("subject", LINEAR, ids=str)
def test_duals_arrive_in_the_dual_cone(subject: Subject) -> None:
    """Duals of the targets that have the right signs and balance u give a dual of the source of the right sign."""
    rng = np.random.default_rng(3)
    for lift, items in subject.lifts():
        for draw in range(100 if not lift.extra else 10):
            chosen = subject.sets[int(items[draw % len(items)])]
            y2 = balanced_duals(lift, chosen.numbers, rng)
            assert all_in_dual_cones(lift, y2, chosen.numbers)
            assert chosen.dual_violation(pulled(lift, y2, chosen.dimension)) <= 1e-12, chosen


def balanced_duals(lift: Lift, numbers: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Random duals of the right signs, one below the other, that leave the extra variables alone."""
    thetas = [t.sets(t.numbers(numbers.reshape(1, -1))).numbers for t in lift.targets]
    kinds = [t.kind[1] for t in lift.targets]
    y = np.concatenate([np.zeros(0), *(random_dual(s, theta, rng) for s, theta in zip(kinds, thetas, strict=True))])
    if not lift.extra:
        return y
    boxes = [
        (float(-in_dual_cone(s, theta, -e)), float(in_dual_cone(s, theta, e)))
        for s, theta in zip(kinds, thetas, strict=True)
        for e in np.eye(len(theta))
    ]
    found = scipy.optimize.linprog(y, A_eq=balance(lift), b_eq=np.zeros(lift.extra), bounds=boxes)
    assert found.status == 0
    return np.asarray(found.x)


def pulled(lift: Lift, y2: np.ndarray, m: int) -> np.ndarray:
    """The source's dual."""
    ends = np.cumsum([t.p for t in lift.targets])
    parts = np.split(y2, ends[:-1]) if lift.targets else []
    return sum((t.adjoint @ y for t, y in zip(lift.targets, parts, strict=True)), np.zeros(m))


def what_comes_up(lift: Lift, duals: np.ndarray) -> np.ndarray:
    """The part of duals that comes from targets: all of it, unless the set has a line in it."""
    m, p = duals.shape[1], sum(t.p for t in lift.targets)
    up = np.array([pulled(lift, e, m) for e in np.eye(p)]).reshape(p, m).T @ scipy.linalg.null_space(balance(lift))
    basis = scipy.linalg.orth(up)
    return duals if basis.shape[1] == m else duals @ basis @ basis.T


@pytest.mark.parametrize("n", [1, 2, 5])
def test_dual_starts_of_a_set_with_a_line(n: int) -> None:
    """Where A leaves a direction out (deviations from the mean), feasible duals start all the same."""
    A = sp.csr_array(np.eye(n) - np.full((n, n), 1.0 / n))
    lift = Lift((Target((ot.VectorAffineFunction, ot.Nonnegatives), A),))
    dual = np.random.default_rng(0).standard_normal((3, n)) @ A.toarray()
    np.testing.assert_allclose(lift.dual_start(dual), dual, atol=1e-14)


@pytest.mark.parametrize("subject", [s for s in SUBJECTS if s.kind[1] not in DISCRETE], ids=str)
def test_dual_starts(subject: Subject) -> None:
    """Started duals come back up and balance the extra variables; those of boxes have the right signs."""
    rng = np.random.default_rng(4)
    for lift, items in subject.lifts():
        sets = [subject.sets[int(i)] for i in items]
        duals = np.array([random_dual(type(s), s.numbers, rng) for s in sets]).reshape(len(sets), -1)
        duals = what_comes_up(lift, duals)
        starts = subject.bridge.dual_start(lift, duals)
        assert starts.shape == (len(sets), sum(t.p for t in lift.targets))
        np.testing.assert_allclose(starts @ balance(lift).T, 0.0, atol=1e-12)
        for chosen, dual, start in zip(sets, duals, starts, strict=True):
            np.testing.assert_allclose(pulled(lift, start, chosen.dimension), dual, atol=1e-12)
            assert not subject.is_boxed or all_in_dual_cones(lift, start, chosen.numbers)
