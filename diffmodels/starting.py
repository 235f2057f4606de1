"""From the result of a solver's form to the start of another form of the same model.

A diff model takes other sets than the solver, or the same by another way. Where both have the same matrices, the
multipliers of what stands for a constraint are the solver's own: they lie in their dual cones and balance the extra
variables, which those found from the user's duals alone need not do. Elsewhere the user's dual goes down another way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ..bridges.lowering import Lowering
from ..bridges.lowering.chunks import Chunk
from ..bridges.lowering.composite import Step
from ..bridges.lowering.travel import duals_up, split
from ..modelkit.arrays import FloatArray, IntArray, segments
from ..modelkit.indices import Kind
from ..modelkit.store.parameters import PARAMETERS
from ..modelkit.store.store import Store
from .outcome import Outcome, every

__all__ = ["dual_of_other", "start_of"]


@final
@dataclass(frozen=True, slots=True, eq=False)
class UserStart:
    """Where a run may start: x (n,) and duals (slots,), NaN where nothing is said, or None."""

    x: FloatArray | None
    dual: FloatArray | None


def dual_of_other(
    store: Store, outcome: Outcome, lowering: Lowering
) -> tuple[FloatArray, FloatArray, FloatArray | None]:
    """X (n,), duals and, where there is a basis, activity (slots,) of another lowering of the model.

    Parameters
    ----------
    store : the model
    outcome : a solution
    lowering : to the form that is to start there
    """
    result = outcome.get_arrays()
    if outcome.lowering is lowering:
        return result
    x, dual, activity = result
    form, slots = lowering.form, lowering.form.slots
    start, y = np.zeros(form.n), np.zeros(slots.size)
    active = None if activity is None else np.zeros(slots.size)
    mine, theirs = lowering.columns.view, outcome.lowering.columns.view
    there = mine >= 0
    start[mine[there]] = x[theirs[there]]
    for kind in store.every_kind():
        if kind == PARAMETERS:
            continue
        mine_of, theirs_of = lowering.chunks.get(kind, []), outcome.lowering.chunks.get(kind, [])
        numbers, _ = every(store, kind)
        for group in _groups(mine_of):
            handed = np.zeros(0, np.int64)
            for other in _groups(theirs_of) if not group[0].sign else ():
                if other[0].sign:
                    continue
                common = _common(group, other, numbers)
                if len(common):
                    handed = np.union1d(handed, common)
                    _hand_over(
                        store, outcome, lowering, kind, (group, other), common, (x, dual, activity), (start, y, active)
                    )
            left = np.setdiff1d(_alive(group), handed)
            if len(left):
                _go_down(store, outcome, lowering, group, left, start, y)
    return start, y, active


def _groups(chunks: Sequence[Chunk]) -> list[list[Chunk]]:
    """The chunks that together stand for the same constraints."""
    found: list[list[Chunk]] = []
    for chunk in chunks:
        last, several = found[-1] if found else [], len(chunk.composite.stand_ins)
        if last and chunk.composite is last[0].composite and len(last) < several and not chunk.sign:
            last.append(chunk)
        else:
            found.append([chunk])
    return found


def _alive(group: list[Chunk]) -> IntArray:
    return group[0].numbers[group[0].alive]


def _common(one: list[Chunk], other: list[Chunk], numbers: IntArray) -> IntArray:
    """The constraints that both stand for."""
    mine, theirs = _alive(one), _alive(other)
    if len(mine) == len(theirs) == len(numbers) and np.array_equal(mine, theirs):
        return mine
    return np.intersect1d(mine, theirs, assume_unique=True)


def _hand_over(
    store: Store,
    outcome: Outcome,
    lowering: Lowering,
    kind: Kind,
    groups: tuple[list[Chunk], list[Chunk]],
    numbers: IntArray,
    found: tuple[FloatArray, FloatArray, FloatArray | None],
    into: tuple[FloatArray, FloatArray, FloatArray | None],
) -> None:
    """Duals and extra variables of some constraints, from where one form has them to where the other does."""
    (x, dual, activity), (start, y, active) = found, into
    mine, theirs = groups
    below = lowering.items_in(mine[0], kind, numbers)[1], outcome.lowering.items_in(theirs[0], kind, numbers)[1]
    one, other = mine[0].composite.root, theirs[0].composite.root
    places = [_slots(outcome.lowering, chunk, kind, numbers) for chunk in theirs if chunk.p]
    parts = [
        _own(chunk, dual[at]).reshape(len(numbers), -1) for chunk, at in zip(_with_rows(theirs), places, strict=True)
    ]
    goals = [_slots(lowering, chunk, kind, numbers) for chunk in mine if chunk.p]
    for at, part in zip(goals, _below(one, other, parts), strict=True):
        y[at] += part.ravel()
    if active is not None and activity is not None and _coincide(one, other):
        for at, place in zip(goals, places, strict=True):
            active[at] = activity[place]
    if one.extra:
        block = store.block(kind)
        theta = block.all_numbers[block.rows_of(numbers)].reshape(len(numbers), -1)
        values = np.asarray(store.evaluate(store.indices(kind, numbers), outcome.value_of)).reshape(len(numbers), -1)
        known = _extra_below(one, other, x[theirs[0].extra[below[1]]], values, theta)
        start[mine[0].extra[below[0]]] = np.where(np.isnan(known), 0.0, known)


def _with_rows(group: list[Chunk]) -> list[Chunk]:
    return [chunk for chunk in group if chunk.p]


def _slots(lowering: Lowering, chunk: Chunk, kind: Kind, numbers: IntArray) -> IntArray:
    return chunk.slots(lowering.form.slots, chunk.rows_of(lowering.items_in(chunk, kind, numbers)[1]))


def _own(chunk: Chunk, duals: FloatArray) -> FloatArray:
    """What the owner of one side of columns has of their duals."""
    if chunk.sides == 3:
        return duals
    return np.maximum(duals, 0.0) if chunk.sides == 1 else np.minimum(duals, 0.0)


def _go_down(
    store: Store,
    outcome: Outcome,
    lowering: Lowering,
    group: list[Chunk],
    numbers: IntArray,
    start: FloatArray,
    y: FloatArray,
) -> None:
    """Duals of some constraints from those of the user, and extra variables from the values of the functions."""
    kind, root = group[0].kind, group[0].composite.root
    dims = store.block(kind).dims()[numbers]
    duals = duals_up(outcome.lowering, kind, numbers, dims, split(outcome.get_arrays()[1])).reshape(len(numbers), -1)
    for chunk in group:
        if chunk.sign:  # (0, -y, 0) in the rotated cone
            continue
        parts = root.dual_start(duals)
        which = next(i for i, one in enumerate(chunk.composite.stand_ins) if one is chunk.stand_in)
        y[_slots(lowering, chunk, kind, numbers)] += parts[which].ravel()
    if root.extra and not group[0].sign:
        block = store.block(kind)
        theta = block.all_numbers[block.rows_of(numbers)].reshape(len(numbers), -1)
        values = np.asarray(store.evaluate(store.indices(kind, numbers), outcome.value_of)).reshape(len(numbers), -1)
        known = root.extra_start(values, theta)
        items = lowering.items_in(group[0], kind, numbers)[1]
        start[group[0].extra[items]] = np.where(np.isnan(known), 0.0, known)


# ---------------------------------------------------------------------- where two ways coincide
def _same_lift(one: Step, other: Step) -> bool:
    """Whether both go on by the same bridge with the same matrices."""
    if one.bridge is not other.bridge or one.bridge is None or len(one.lift.targets) != len(other.lift.targets):
        return False
    return all(
        a.A.shape == b.A.shape and (a.A != b.A).nnz == 0 and [len(w) for w, _ in p] == [len(w) for w, _ in q]
        for a, b, p, q in zip(one.lift.targets, other.lift.targets, one.below, other.below, strict=True)
    )


def _coincide(one: Step, other: Step) -> bool:
    """Whether two ways are the same down to the end."""
    if one.bridge is None or other.bridge is None:
        return one.bridge is other.bridge
    return _same_lift(one, other) and all(
        _coincide(a, b)
        for p, q in zip(one.below, other.below, strict=True)
        for (_, a), (_, b) in zip(p, q, strict=True)
    )


def _below(one: Step, other: Step, parts: list[FloatArray]) -> list[FloatArray]:
    """Duals (k, p) at the ends of one way from those at the ends of another: its own where they coincide."""
    if one.bridge is None and other.bridge is None:
        return parts
    if not _same_lift(one, other):
        return one.dual_start(_up(other, parts))
    found, k, rest = list[FloatArray](), len(parts[0]) if parts else 0, list(parts)
    for p, q in zip(one.below, other.below, strict=True):
        for (where, child), (_, theirs) in zip(p, q, strict=True):
            count = _ends(theirs)
            mine, rest = rest[:count], rest[count:]
            below = _below(child, theirs, [part.reshape(k * len(where), -1) for part in mine])
            found += [part.reshape(k, -1) for part in below]
    return found


def _ends(step: Step) -> int:
    """How many kinds of things stand for it."""
    return 1 if step.bridge is None else sum(_ends(child) for groups in step.below for _, child in groups)


def _up(step: Step, parts: list[FloatArray]) -> FloatArray:
    """The dual (k, m) of a step, from those at its ends."""
    if step.bridge is None:
        return parts[0]
    k, rest = len(parts[0]) if parts else 0, list(parts)
    found = np.zeros((k, step.example.dimension))
    for target, groups in zip(step.lift.targets, step.below, strict=True):
        ends = np.cumsum(target.dims)
        for where, child in groups:
            count = _ends(child)
            mine, rest = rest[:count], rest[count:]
            dual = _up(child, [part.reshape(k * len(where), -1) for part in mine]).reshape(k, -1)
            rows = segments(ends[where] - target.dims[where], target.dims[where])
            found += (target.adjoint[:, rows] @ dual.T).T
    return found


def _extra_below(one: Step, other: Step, u: FloatArray, values: FloatArray, theta: FloatArray) -> FloatArray:
    """Extra variables (k, extra) of one way from those of another: its own where they coincide."""
    if one.bridge is None or not _same_lift(one, other):
        return one.extra_start(values, theta)
    k, own, rest = len(values), u[:, : one.lift.extra], u[:, one.lift.extra :]
    parts = [own]
    for target, p, q in zip(one.lift.targets, one.below, other.below, strict=True):
        f, numbers = target.constants(values, theta), target.numbers(theta)
        if target.B is not None:
            f = f + (target.B @ own.T).T
        ends, width = np.cumsum(target.dims), len(target.kind[1].fields)
        for (where, child), (_, theirs) in zip(p, q, strict=True):
            rows = segments(ends[where] - target.dims[where], target.dims[where])
            columns = (rows[:, None] * width + np.arange(width)).ravel()
            count = len(where) * theirs.extra
            mine, rest = rest[:, :count], rest[:, count:]
            many, size = k * len(where), len(rows) // len(where)
            found = _extra_below(
                child,
                theirs,
                mine.reshape(many, theirs.extra),
                f[:, rows].reshape(many, size),
                numbers[:, columns].reshape(many, size * width),
            )
            parts.append(found.reshape(k, -1))
    return np.concatenate(parts, axis=1)


def start_of(store: Store, lowering: Lowering, xs: Mapping[Any, Any], ys: Mapping[Any, Any]) -> UserStart:
    """Where the user wants a solve to start, as the form has it.

    Parameters
    ----------
    xs, ys : values by variable, and duals by constraint; None for those of which nothing is said
    """
    form, slots = lowering.form, lowering.form.slots
    x, y = np.full(form.n, np.nan), np.full(slots.size, np.nan)
    known = {variable.value: value for variable, value in xs.items() if value is not None}
    if known:
        ids = np.array(list(known), np.int64)
        at = lowering.column_of(ids, store.base)
        x[at[at >= 0]] = np.array(list(known.values()), np.float64)[at >= 0]
        if not np.isnan(x[lowering.is_user.view]).any():
            _start_extra(store, lowering, x)
    for index, value in ys.items():
        if value is None or index.kind == PARAMETERS:
            continue
        number = np.array([store.number(index)])
        for chunk in lowering.chunks.get(index.kind, ()):
            _, items = lowering.items_in(chunk, index.kind, number)
            if len(items) and chunk.p:
                at = chunk.slots(slots, chunk.rows_of(items))
                if chunk.sign:  # (0, -y, 0) in the rotated cone
                    rotated = np.zeros((1, chunk.composite.root.example.dimension))
                    rotated[0, 1] = -chunk.sign * float(np.asarray(value).ravel()[0])
                    y[at] = chunk.composite.root.dual_start(rotated)[0].ravel()
                    continue
                parts = chunk.composite.root.dual_start(np.atleast_1d(value)[None])
                which = next(i for i, one in enumerate(chunk.composite.stand_ins) if one is chunk.stand_in)
                y[at] = np.where(np.isnan(y[at]), 0.0, y[at]) + parts[which].ravel()
    return UserStart(x if known else None, y if np.isfinite(y).any() else None)


def _start_extra(store: Store, lowering: Lowering, x: FloatArray) -> None:
    """Start the extra variables where all variables have starts; those that no bridge knows stay NaN."""
    columns, parameters = lowering.columns.view, lowering.parameters
    values = np.where(columns >= 0, x[columns], 0.0)
    if parameters is not None:
        values[parameters.ids - store.base] = np.where(np.isfinite(parameters.values), parameters.values, 0.0)
    for kind, chunks in lowering.chunks.items():
        first: dict[int, Chunk] = {}
        for chunk in chunks:  # the first of those that share extra variables
            if chunk.extra.size:
                first.setdefault(int(chunk.extra.flat[0]), chunk)
        for chunk in first.values():
            items = np.flatnonzero(chunk.alive)
            numbers = chunk.numbers[items]
            if not len(numbers):
                continue
            block, k = store.block(kind), len(numbers)
            functions = store.evaluate(store.indices(kind, numbers), lambda ids: values[ids - store.base])
            theta = block.all_numbers[block.rows_of(numbers)].reshape(k, -1)
            x[chunk.extra[items]] = chunk.composite.root.extra_start(np.asarray(functions).reshape(k, -1), theta)
