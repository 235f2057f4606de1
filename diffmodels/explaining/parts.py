"""The parts of a model that can be taken out by themselves: sides of boxes, rows of vectors, and whole constraints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from ...modelkit import attributes as attr
from ...modelkit.arrays import FloatArray, IntArray
from ...modelkit.functions import VariableIndex, VectorOfVariables
from ...modelkit.indices import ConstraintIndex, ConstraintIndices, Kind
from ...modelkit.model.model import Model
from ...modelkit.sets import Set
from ...modelkit.sets.gaps import WITH_GAPS
from ...modelkit.store.describing import constraint_text
from ...modelkit.store.parameters import PARAMETERS
from ...modelkit.store.store import Store
from ..kkt import Mask
from .owners import label

__all__ = ["HeldParts", "Parts", "says", "side_of"]

_WHOLE, _LOWER, _UPPER, _EQUAL = 0, 1, 2, 3
_SIDES = ("", "lower", "upper", "equal")
_WORDS = {_LOWER: ">=", _UPPER: "<=", _EQUAL: "=="}


@final
@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """All parts of a model, as arrays over them; parameters are data, and none.

    Attributes
    ----------
    store : the model as written
    kinds : of the constraints
    kind, number, row, side : (p,) the place of the constraint's kind in `kinds`, its number in the block, the row
        within it (-1 for all of them), and which side
    is_bound, is_gap : (p,) whether it bounds a variable, and whether its set is not convex
    """

    store: Store
    kinds: tuple[Kind, ...]
    kind: IntArray
    number: IntArray
    row: IntArray
    side: IntArray
    is_bound: Mask
    is_gap: Mask

    @classmethod
    def of(cls, store: Store) -> Parts:
        """The parts of a model."""
        kinds = tuple(kind for kind in store.kinds() if kind != PARAMETERS)
        found = [_parts_of(store, kind) for kind in kinds]
        counts = [len(number) for number, _, _ in found]
        number, row, side = (
            np.concatenate([np.zeros(0, np.int64), *(one[k] for one in found)]).astype(np.int64) for k in range(3)
        )
        at = np.repeat(np.arange(len(kinds)), counts)
        bounds = np.array([k[0] is VariableIndex and k[1] not in WITH_GAPS for k in kinds], bool)
        gaps = np.array([k[1] in WITH_GAPS for k in kinds], bool)
        return cls(store, kinds, at, number, row, side, bounds[at], gaps[at])

    def __len__(self) -> int:
        return len(self.kind)

    def index(self, part: int) -> ConstraintIndex:
        """The constraint that a part is of."""
        kind = self.kinds[int(self.kind[part])]
        return self.store.indices(kind, self.number[part : part + 1])[0]

    def name(self, part: int) -> str:
        """What tables call it."""
        row = int(self.row[part])
        return label(self.store, self.index(part), row if row >= 0 else None, upper=bool(self.side[part] == _UPPER))

    def what(self, part: int) -> str:
        """Whether it is a constraint, a bound, or says which values a variable takes."""
        if self.is_gap[part] and self.index(part).kind[0] is VariableIndex:
            return "integrality"
        return "bound" if self.is_bound[part] else "constraint"

    def side_name(self, part: int) -> str:
        """Which side of a box it is, "" of others."""
        return _SIDES[int(self.side[part])]

    @property
    def is_linear(self) -> Mask:
        """(p,) whether a part is a side of a row, which may yet be curved."""
        linear: Mask = self.side != _WHOLE
        return linear

    def owner(self) -> IntArray:
        """(p,) a number for each constraint."""
        changes = (np.diff(self.kind) != 0) | (np.diff(self.number) != 0)
        return np.concatenate([np.zeros(min(1, len(self)), np.int64), np.cumsum(changes)])

    def says(self, part: int) -> str:
        """What it says."""
        index, row, side = self.index(part), int(self.row[part]), int(self.side[part])
        if self.what(part) == "integrality" and not index.kind[1].fields:
            return self.name(part)
        return says(self.store, index, row, side) if side else constraint_text(self.store, index)

    def sizes(self) -> FloatArray:
        """(p,) the largest coefficients, by which multipliers are compared."""
        found = np.ones(len(self))
        for k, kind in enumerate(self.kinds):
            if not kind[0].degree:
                continue
            block, mine = self.store.block(kind), np.flatnonzero(self.kind == k)
            rows = block.all_rows()
            largest = np.zeros(rows.m)
            np.maximum.at(largest, rows.row, np.abs(rows.coef))
            np.maximum.at(largest, rows.qrow, np.abs(rows.qcoef))
            first = np.append(np.cumsum(block.dims()) - block.dims(), rows.m)
            whole = np.zeros(block.total)
            np.maximum.at(whole, np.repeat(np.arange(block.total), block.dims()), largest)
            single = self.row[mine] >= 0
            at = first[self.number[mine]] + np.maximum(self.row[mine], 0)
            found[mine] = np.where(single, largest[np.minimum(at, rows.m - 1)], whole[self.number[mine]])
        return np.where(found > 0.0, found, 1.0)


def _parts_of(store: Store, kind: Kind) -> tuple[IntArray, IntArray, IntArray]:
    """(number, row, side) of the parts of the constraints of one kind."""
    block = store.block(kind)
    numbers = block.numbers_alive()
    dims = block.dims()[numbers]
    sides = None if kind[1] in WITH_GAPS else kind[1].bounds(block.all_numbers[block.rows_of(numbers)])
    if sides is None:
        whole = np.full(len(numbers), -1, np.int64)
        return numbers, whole, np.full(len(numbers), _WHOLE, np.int64)
    owner = np.repeat(numbers, dims)
    row = np.arange(len(owner)) - np.repeat(np.cumsum(dims) - dims, dims)
    lower, upper = np.isfinite(sides[0]), np.isfinite(sides[1])
    equal = (sides[0] == sides[1]) & lower & ~_has_both(kind[1])
    one = np.where(equal, _EQUAL, np.where(lower, _LOWER, np.where(upper, _UPPER, _WHOLE)))
    first, second = np.flatnonzero(one), np.flatnonzero(lower & upper & ~equal)
    at = np.concatenate([first, second])
    order = np.argsort(at, kind="stable")  # the two sides of a row stand together
    side = np.concatenate([one[first], np.full(len(second), _UPPER)])[order]
    return owner[at[order]], row[at[order]], side


def side_of(store: Store, index: ConstraintIndex, row: int, *, upper: bool) -> int:
    """Which side of a row it is for `says`, zero where its set is no box."""
    chosen = store.block(index.kind).set(store.number(index))
    sides = None if index.kind[1] in WITH_GAPS else index.kind[1].bounds(chosen.numbers)
    if sides is None:
        return _WHOLE
    equal = sides[0][row] == sides[1][row] and not _has_both(index.kind[1])
    return _EQUAL if equal else _UPPER if upper else _LOWER


def _has_both(set_type: type[Set]) -> bool:
    """Whether a set has two numbers, so that one side can go by itself."""
    return len(set_type.fields) == 2


def says(store: Store, index: ConstraintIndex, row: int, side: int) -> str:
    """One side of one row of a box, in words.

    Examples
    --------
    >>> import optangent as ot
    >>> model = ot.Model()
    >>> x = model.add_variables(2, "x")
    >>> c = model.add_constraint(2 * x + 1, ot.HyperRectangle([0.0, 0.0], [3.0, 4.0]))
    >>> says(model.store, c, 1, 2)
    '2 x[1] + 1 <= 4'
    """
    block, number = store.block(index.kind), store.number(index)
    sides = index.kind[1].bounds(block.set(number).numbers)
    assert sides is not None
    text = store.text_of(block.rows(number).take(np.array([row])))
    text = text if len(text) <= 100 else f"{text[:97].rstrip()}..."
    return f"{text} {_WORDS[side]} {float(sides[int(side == _UPPER)][row]):.12g}"


@final
class HeldParts:
    """A model that holds some of the parts of another one.

    Parameters
    ----------
    parts : of the model as written
    model : a copy of it that is this object's own; copies have the same indices
    """

    def __init__(self, parts: Parts, model: Model) -> None:
        self._parts, self.model = parts, model
        self._owner = parts.owner()
        count = int(self._owner[-1]) + 1 if len(parts) else 0
        self._ends = np.searchsorted(self._owner, np.arange(count + 1))
        self._held = np.ones(len(parts), bool)
        self._local = np.maximum(parts.row, 0)  # row of each part in the constraint as it is now
        self._now: list[ConstraintIndex | None] = []
        first = self._ends[:-1]
        for k, kind in enumerate(parts.kinds):
            self._now += parts.store.indices(kind, parts.number[first[parts.kind[first] == k]])
        self._sizes = parts.sizes()

    def hold(self, parts: Mask) -> None:
        """Hold these parts, (p,), and no others."""
        changed = np.unique(self._owner[parts != self._held]).tolist()
        gone = [one for one in (self._now[k] for k in changed) if one is not None]
        for k in changed:
            self._now[k] = None
        if gone:
            self.model.delete(gone)
        self._held = parts.copy()
        for k in changed:
            mine = np.arange(self._ends[k], self._ends[k + 1])
            mine = mine[parts[mine]]
            if len(mine):
                self._now[k] = self._add(mine)

    def _add(self, parts: IntArray) -> ConstraintIndex:
        """Add what is left of a constraint: some rows and sides of it, or all."""
        index, store = self._parts.index(int(parts[0])), self._parts.store
        block, number = store.block(index.kind), store.number(index)
        rows, chosen, sides = block.rows(number), block.set(number), self._parts.side[parts]
        if sides[0] != _WHOLE:
            kept, at = np.unique(self._parts.row[parts], return_inverse=True)
            self._local[parts] = at
            numbers = chosen.numbers[kept]
            if _has_both(index.kind[1]):
                for column, (side, none) in enumerate(((_LOWER, -np.inf), (_UPPER, np.inf))):
                    off = np.ones(len(kept), bool)
                    off[at[sides == side]] = False
                    numbers[off, column] = none
            rows, chosen = rows.take(kept), index.kind[1].build((len(kept),), numbers)
        return self.model.add_constraint(index.kind[0].from_rows(rows), chosen)

    def drop_variables(self) -> None:
        """Delete the variables of which nothing is held, where they are most: what they were in never comes back."""
        store = self.model.store
        used = [np.zeros(0, np.int64)]
        for kind in store.kinds():
            block = store.block(kind)
            used.append(block.all_rows().take(block.rows_of(block.numbers_alive())).variables())
        unused = np.setdiff1d(store.variable_ids(), np.concatenate(used))
        if 2 * len(unused) > store.variables_alive:
            self.model.delete(list(VectorOfVariables.of_ids(unused)))

    def multipliers(self) -> FloatArray:
        """(p,) how much each part does for the proof that the model has no solution; zero for what is not held."""
        by_kind: dict[Kind, tuple[list[int], list[int]]] = {}
        for k, index in enumerate(self._now):
            if index is not None:
                held = by_kind.setdefault(index.kind, ([], []))
                held[0].append(k)
                held[1].append(index.value)
        found, side = np.zeros(len(self._parts)), self._parts.side
        start = np.zeros(len(self._now), np.int64)
        for kind, (owners, values) in by_kind.items():
            indices = ConstraintIndices(kind, np.array(values, np.int64))
            y = np.asarray(self.model.get(attr.ConstraintDual(), indices), np.float64)
            dims = self.model.store.block(kind).dims()[self.model.store.numbers(indices)]
            start[owners] = np.cumsum(dims) - dims
            mine = np.flatnonzero(np.isin(self._owner, owners) & self._held)
            at = start[self._owner[mine]] + self._local[mine]
            own = y[at]
            found[mine] = np.select(
                [side[mine] == _LOWER, side[mine] == _UPPER], [np.maximum(own, 0.0), np.maximum(-own, 0.0)], np.abs(own)
            )
            whole = mine[side[mine] == _WHOLE]
            if len(whole):
                largest = np.maximum.reduceat(np.abs(y), start[owners])
                found[whole] = largest[np.searchsorted(owners, self._owner[whole])]
        return found * self._sizes
