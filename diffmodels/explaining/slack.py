"""Rows that may give way: slack added to the functions of chosen constraints of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ...modelkit.arrays import FloatArray, IntArray
from ...modelkit.errors import DimensionMismatch, InvalidData, InvalidIndex
from ...modelkit.functions import (
    Function,
    ScalarAffineFunction,
    VariableIndex,
    VectorAffineFunction,
    VectorOfVariables,
)
from ...modelkit.functions.rows import Rows
from ...modelkit.indices import ConstraintIndex, ConstraintIndices, Kind, plain
from ...modelkit.model.model import Model
from ...modelkit.numeric import real_array
from ...modelkit.sets.gaps import WITH_GAPS
from ...modelkit.store.block import ConstraintBlock
from ...modelkit.store.describing import described
from ...modelkit.store.parameters import PARAMETERS
from ...modelkit.store.store import Store

__all__ = ["ChosenRows"]

_AFFINE: dict[type[Function], type[Function]] = {
    VariableIndex: ScalarAffineFunction,
    VectorOfVariables: VectorAffineFunction,
}


@final
@dataclass(frozen=True, slots=True, eq=False)
class ChosenRows:
    """The rows of constraints that may give way, kind after kind.

    Attributes
    ----------
    groups : (kind, numbers of the constraints in their block) of each kind
    index : (r,) the constraint of each row, as a place in `constraints`
    constraints : all of them
    row : (r,) within the constraint
    lower, upper : (r,) sides of those that are boxes as the user has them, NaN of others
    penalty : (r,) of a unit of slack
    weight : (r,) of the row in the inner product of its set
    """

    groups: tuple[tuple[Kind, IntArray], ...]
    index: IntArray
    constraints: tuple[ConstraintIndex, ...]
    row: IntArray
    lower: FloatArray
    upper: FloatArray
    penalty: FloatArray
    weight: FloatArray

    @classmethod
    def of(cls, store: Store, chosen: Any, penalties: Any) -> ChosenRows:
        """The rows of these constraints; None for all of functions, bounds of single variables left aside."""
        listed = _all_rows(store) if chosen is None else _listed(store, chosen)
        price = _prices(store, listed, penalties)
        by_kind: dict[Kind, dict[int, None]] = {}
        for one in listed:
            by_kind.setdefault(one.kind, {})[store.number(one)] = None
        groups = tuple((kind, np.sort(np.array([*found], np.int64))) for kind, found in by_kind.items())
        constraints: list[ConstraintIndex] = []
        rows: list[tuple[Any, ...]] = []
        for kind, numbers in groups:
            block = store.block(kind)
            dims, at = block.dims()[numbers], block.rows_of(numbers)
            sides = kind[1].bounds(block.all_numbers[at])
            owner = np.repeat(np.arange(len(numbers)), dims)
            within = np.arange(len(at)) - np.repeat(np.cumsum(dims) - dims, dims)
            none = np.full(len(at), np.nan)
            lower, upper = (none, none) if sides is None else sides
            if not kind[1].fields:  # of rows with a constant, which is the number that the user wrote
                lower, upper = lower - block.constants[at], upper - block.constants[at]
            own = list(store.indices(kind, numbers))
            weight = np.concatenate([np.zeros(0), *(_weights(block.set(int(k))) for k in numbers)])
            penalty = np.array([price.get(one, 1.0) for one in own])[owner]
            rows.append((owner + len(constraints), within, lower, upper, penalty, weight))
            constraints += own
        parts = [np.concatenate(one) for one in zip(*rows, strict=True)]
        index, row = parts[0].astype(np.int64), parts[1].astype(np.int64)
        return cls(groups, index, tuple(constraints), row, *parts[2:])

    def __len__(self) -> int:
        return len(self.index)

    @property
    def is_box(self) -> Any:
        """(r,) whether a row has sides."""
        return ~np.isnan(self.lower)

    def loosen(self, model: Model, row: IntArray, ids: IntArray, signs: FloatArray) -> tuple[ConstraintIndex, ...]:
        """Add variables to these rows of a copy of the model; the constraints as they are called there.

        Parameters
        ----------
        row, ids, signs : (s,) the rows, the variables' identifiers, and their coefficients
        """
        store, first, made = model.store, 0, []
        for kind, numbers in self.groups:
            block = store.block(kind)
            count = int(block.dims()[numbers].sum())
            mine = (row >= first) & (row < first + count)
            slack = Rows(np.zeros(count), row[mine] - first, ids[mine], signs[mine])
            indices = store.indices(kind, numbers)
            rows = block.all_rows().take(block.rows_of(numbers)) + slack
            if kind[0] in _AFFINE:
                function_type, alive = _AFFINE[kind[0]], block.numbers_alive()
                sets = block.snapshot()[0].sets.take(np.searchsorted(alive, numbers))
                model.delete(list(indices))
                indices = model.add_block(ConstraintBlock(function_type, rows, sets))
            else:
                model.meta_solver.set_functions(indices, rows)
            made += list(indices)
            first += count
        return tuple(made)


def _weights(chosen: Any) -> FloatArray:
    weights = chosen.weights
    return np.ones(chosen.dimension) if weights is None else np.asarray(weights, np.float64)


def _all_rows(store: Store) -> list[ConstraintIndex]:
    kinds = [k for k in store.kinds() if k != PARAMETERS and k[0].degree and k[1] not in WITH_GAPS]
    listed = [one for k in kinds for one in store.indices(k, store.block(k).numbers_alive())]
    if not listed:
        raise InvalidData(
            "There is no row to relax: the model has bounds of variables alone. Choose which of them may move, "
            "model.relax(constraints=[...])."
        )
    return listed


def _listed(store: Store, chosen: Any) -> list[ConstraintIndex]:
    """The constraints of what was given, one after the other."""
    given = plain(chosen, "a constraint, or several of them")
    found: list[ConstraintIndex] = []
    for one in given if isinstance(given, (list, tuple, ConstraintIndices)) else [given]:
        if isinstance(one, (list, ConstraintIndices)):
            found += _listed(store, one)
            continue
        if not isinstance(one, ConstraintIndex):
            raise InvalidIndex(f"Expected the constraints that may be relaxed, got {one!r} among them.")
        store.number(one)
        if one.kind == PARAMETERS or one.kind[1] in WITH_GAPS:
            raise InvalidData(
                f"{described(store, one)} cannot be relaxed by a little: it is a parameter, or its set has gaps. "
                "Change or delete it."
            )
        found.append(one)
    if not found:
        raise InvalidData("There is no row to relax: the list of constraints is empty.")
    return found


def _prices(store: Store, listed: Sequence[ConstraintIndex], penalties: Any) -> dict[ConstraintIndex, float]:
    """The penalty of each constraint of which one was given."""
    if penalties is None:
        return {}
    if isinstance(penalties, Mapping):
        strange = [one for one in penalties if one not in set(listed)]
        if strange:
            raise InvalidIndex(f"penalties has {strange[0]!r}, which is none of the constraints that may be relaxed.")
        keys, numbers = list(penalties), real_array(list(penalties.values()), "A penalty")
    else:
        keys, numbers = list(listed), real_array(penalties, "A penalty")
        if numbers.shape not in ((), (len(keys),)):
            raise DimensionMismatch(
                f"Penalties are a number, one for each of the {len(keys)} constraints, or a dictionary; got shape "
                f"{numbers.shape}."
            )
        numbers = np.broadcast_to(numbers, len(keys))
    bad = ~(np.isfinite(numbers) & (numbers > 0.0))
    if bad.any():
        at = int(np.argmax(bad))
        raise InvalidData(f"A penalty is a positive number, got {numbers[at]} for {described(store, keys[at])}.")
    return dict(zip(keys, numbers.tolist(), strict=True))
