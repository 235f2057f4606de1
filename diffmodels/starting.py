"""From the result of a solver's form to the start of another form of the same model.

A diff model takes other sets than the solver, or the same by another way. Where both have the same matrices, the
multipliers of what stands for a constraint are the solver's own: they lie in their dual cones and balance the extra
variables, which those found from the user's duals alone need not do. Elsewhere the user's dual goes down another way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ..bridges.lowering import Lowering
from ..bridges.lowering.chunks import Chunk
from ..bridges.lowering.travel import duals_up, split
from ..modelkit.arrays import FloatArray
from ..modelkit.parameters import PARAMETERS
from ..modelkit.store import Store
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
    old = outcome.form.slots
    for kind in store.kinds():
        if kind == PARAMETERS:
            continue
        chunks, others = lowering.chunks.get(kind, []), outcome.lowering.chunks.get(kind, [])
        if len(chunks) == len(others) and all(_alike(a, b) for a, b in zip(chunks, others, strict=True)):
            for chunk, other in zip(chunks, others, strict=True):
                at, place = chunk.slots(slots), other.slots(old)
                y[at] += dual[place]
                start[chunk.extra] = x[other.extra]
                if active is not None and activity is not None:
                    active[at] += activity[place]
            continue
        numbers, dims = every(store, kind)
        duals = duals_up(outcome.lowering, kind, numbers, dims, split(dual))
        functions = np.asarray(store.evaluate(store.indices(kind, numbers), outcome.value_of))
        starts = np.cumsum(dims) - dims
        for chunk in chunks:
            places, items = lowering.items_in(chunk, kind, numbers)
            if not len(items) or not chunk.p:
                continue
            rows = (starts[places][:, None] + np.arange(dims[places[0]])).ravel()
            root = chunk.composite.root
            parts = root.dual_start(duals[rows].reshape(len(items), -1))
            which = next(i for i, one in enumerate(chunk.composite.stand_ins) if one is chunk.stand_in)
            at = chunk.slots(slots)[chunk.rows_of(items)]
            y[at] += parts[which].ravel()
            if chunk.extra.shape[1]:
                block = store.block(kind)
                own = block.all_numbers[block.rows_of(chunk.numbers[items])].reshape(len(items), -1)
                known = root.extra_start(functions[rows].reshape(len(items), -1), own)
                start[chunk.extra[items].ravel()] = np.where(np.isnan(known), 0.0, known).ravel()
    return start, y, active


def _alike(one: Chunk, other: Chunk) -> bool:
    """Whether the same stands for the same constraints."""
    return (
        one.place is other.place
        and not other.sign
        and one.stand_in.kind[1] is other.stand_in.kind[1]
        and one.count == other.count
        and (one.composite is other.composite or list(one.composite.root.words()) == list(other.composite.root.words()))
        and np.array_equal(one.numbers, other.numbers)
        and np.array_equal(one.alive, other.alive)
    )


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
