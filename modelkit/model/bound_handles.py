"""Bounds of variables by name of the variable: changed, fixed and freed, and read as reduced costs.

Underneath are constraints of plain variables, and a side has one owner (docs/design.md, section 2.1): the constraint
that holds a side gets another number; where none does, `GreaterThan`, `LessThan` or `EqualTo` is added; where the bound
is taken away, that constraint is deleted, or an `Interval` becomes infinite on that side. A variable in an `Interval`
is fixed in it, both numbers equal; bounds of two owners give way to `EqualTo` meanwhile. What the whole call would do
is checked before anything is done.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn

import numpy as np

from .. import attributes as attr
from ..arrays import FloatArray, IntArray
from ..errors import BoundAlreadySet, InvalidData, InvalidIndex, NotOptimized
from ..functions import ArrayFunction, VariableIndex, VectorOfVariables
from ..functions.rows import Rows
from ..functions.shaped import ids_of
from ..indices import ConstraintIndex, ConstraintIndices, plain
from ..labels import Labels, numbers_for
from ..naming import with_article
from ..sets import EqualTo, GreaterThan, Interval, LessThan, Parameter, ScalarSet, Semicontinuous, Semiinteger
from ..store.block import ConstraintBlock, SetBlock
from ..store.store import Store
from .abstract_meta_solver import AbstractMetaSolver

__all__ = ["change_side", "fix", "reduced_costs", "unfix"]

_OWNERS = (GreaterThan, LessThan, Interval, EqualTo)
_ELSEWHERE: dict[type[ScalarSet], str] = {
    Parameter: "give it its value with set_parameter_value",
    Semicontinuous: "set ConstraintSet of that constraint",
    Semiinteger: "set ConstraintSet of that constraint",
}
_Step = tuple[Callable[[], Any], Callable[[], Any]]
"""What is done, and what takes it back."""


class _Chosen(NamedTuple):
    """The variables of a call, each once, and what they were called with."""

    ids: IntArray  # (n,)
    shape: tuple[int, ...]  # of what was given
    at: IntArray  # (entries of what was given,) the variable of each
    labels: Labels


def _chosen(what: Any) -> _Chosen:
    given = what if isinstance(what, ArrayFunction) else plain(what, "a variable, or an array of variables")
    labels: Labels = given.labels if isinstance(given, ArrayFunction) else ()
    if isinstance(given, list):
        if not all(isinstance(one, VariableIndex) for one in given):
            raise InvalidIndex(f"Bounds are those of variables; expected variables, got {what!r}.")
        given = VectorOfVariables(given)
    if not isinstance(given, (VariableIndex, VectorOfVariables, ArrayFunction)):
        raise InvalidIndex(f"Bounds are those of variables; expected a variable or an array of them, got {what!r}.")
    ids = ids_of(given)
    once, at = np.unique(ids, return_inverse=True)
    return _Chosen(once, ids.shape, at.ravel(), labels or (None,) * ids.ndim)


def _values(value: Any, chosen: _Chosen, what: str, store: Store) -> FloatArray:
    """A number for each variable; those that stand there twice, as in symmetric matrices, get one."""
    given = numbers_for(value, chosen.labels, chosen.shape, what).ravel()
    values = np.zeros(len(chosen.ids))
    values[chosen.at] = given
    differs = (values[chosen.at] != given) & ~np.isnan(given)
    if differs.any():
        k = int(np.argmax(differs))
        name = store.name_of(int(chosen.ids[chosen.at[k]]))
        raise InvalidData(f"{what} of {name}: got {given[k]} and {values[chosen.at[k]]}; a variable has one.")
    return values


# ---------------------------------------------------------------------- what there is
class _Held:
    """The constraints that hold bounds of some variables."""

    def __init__(self, store: Store, ids: IntArray) -> None:
        store.check_ids(ids)
        self.store, self.ids = store, ids

    def numbers(self, owner: type[ScalarSet]) -> IntArray:
        """The number of the constraint on each variable, -1 where there is none."""
        found: IntArray = self.store.plain_constraints.numbers(
            ConstraintIndices((VariableIndex, owner), self.ids), self.store.base
        )
        return np.array(found)

    def by(self, owner: type[ScalarSet]) -> Any:
        """Which variables have one (a mask)."""
        return self.numbers(owner) >= 0

    def values(self, owner: type[ScalarSet]) -> FloatArray:
        """The numbers of those that have one, a row for each."""
        numbers = self.numbers(owner)
        numbers = numbers[numbers >= 0]
        if not len(numbers):
            return np.zeros((0, len(owner.fields)))
        return np.array(self.store.block((VariableIndex, owner)).all_numbers[numbers])

    def indices(self, owner: type[ScalarSet], which: Any = True) -> ConstraintIndices:
        """The constraints, of all variables that have one or of some of them (a mask)."""
        return ConstraintIndices((VariableIndex, owner), self.ids[self.by(owner) & which])

    def sides(self) -> tuple[FloatArray, FloatArray]:
        """Lower and upper bound of each variable, infinite ones where there are none."""
        low, high = np.full(len(self.ids), -np.inf), np.full(len(self.ids), np.inf)
        for owner in _OWNERS:
            mask, numbers = self.by(owner), self.values(owner)
            if owner is not LessThan:
                low[mask] = numbers[:, 0]
            if owner is not GreaterThan:
                high[mask] = numbers[:, -1]
        return low, high

    def put_aside(self, owner: type[ScalarSet]) -> dict[int, tuple[ScalarSet, ...]]:
        """The sets that `fix` put aside of variables in constraints of this type, by identifier."""
        aside = self.store.values_of(attr.BoundsPutAside())
        if not aside:
            return {}
        found = {index.value: aside.get(index) for index in self.indices(owner)}
        return {i: sets for i, sets in found.items() if sets}

    def fixed_in_intervals(self) -> Any:
        """Which variables `fix` holds in their `Interval` (a mask)."""
        ids = list(self.put_aside(Interval))
        return np.isin(self.ids, ids) if ids else np.zeros(len(self.ids), bool)

    def name(self, mask: Any) -> str:
        """The first variable of a mask by name."""
        return self.store.name_of(int(self.ids[int(np.argmax(mask))]))

    def refuse_outside(self, new: FloatArray) -> None:
        """Refuse values outside of the bounds, of fixed variables those that were put aside."""
        low, high = self.sides()
        fixed = self.by(EqualTo) | self.fixed_in_intervals()
        low[fixed], high[fixed] = -np.inf, np.inf
        for i, sets in (self.put_aside(EqualTo) | self.put_aside(Interval)).items():
            k = int(np.searchsorted(self.ids, i))
            for one in sets:
                numbers = one.row()
                low[k] = low[k] if isinstance(one, LessThan) else numbers[0]
                high[k] = high[k] if isinstance(one, GreaterThan) else numbers[-1]
        outside = (new < low) | (new > high)
        if outside.any():
            k = int(np.argmax(outside))
            raise InvalidData(
                f"fix of {self.name(outside)}: {new[k]} lies outside of its bounds, {low[k]} to {high[k]}; move those "
                "first."
            )

    def refuse_others(self, doing: str) -> None:
        """Refuse variables whose bounds belong to a set of another sort."""
        for owner, advice in _ELSEWHERE.items():
            mask = self.by(owner)
            if mask.any():
                raise BoundAlreadySet(
                    f"{self.name(mask)} is in {with_article(owner.__name__)}, which holds both its bounds, so {doing} "
                    f"cannot change them; {advice}."
                )


def _do(steps: list[_Step]) -> None:
    """All steps, or none: those before one that raises are taken back."""
    done: list[Callable[[], Any]] = []
    try:
        for do, undo in steps:
            do()
            done.append(undo)
    except BaseException:
        for undo in reversed(done):
            undo()
        raise


def _numbers_step(model: AbstractMetaSolver, indices: ConstraintIndices, new: FloatArray, old: FloatArray) -> _Step:
    return lambda: model.set_numbers(indices, new), lambda: model.set_numbers(indices, old)


def _deletion(model: AbstractMetaSolver, owner: type[ScalarSet], ids: IntArray, numbers: FloatArray) -> _Step:
    undo, do = _addition(model, owner, ids, numbers)
    return do, undo


def _addition(model: AbstractMetaSolver, owner: type[ScalarSet], ids: IntArray, numbers: FloatArray) -> _Step:
    block = ConstraintBlock(VariableIndex, Rows.of_variables(ids), SetBlock.scalar(owner, numbers))
    indices = ConstraintIndices((VariableIndex, owner), ids)
    return lambda: model.add_block(block), lambda: model.delete(indices)


# ---------------------------------------------------------------------- changes
def change_side(model: AbstractMetaSolver, what: Any, value: Any, *, upper: bool) -> None:
    """Give variables another lower or upper bound; see `Model.set_lower`."""
    side, owner = ("set_upper", LessThan) if upper else ("set_lower", GreaterThan)
    none = np.inf if upper else -np.inf
    chosen, store = _chosen(what), model.store
    held = _Held(store, chosen.ids)
    new = _values(none if value is None else value, chosen, side, store)
    _refuse_wrong(held, new, side, -none)
    held.refuse_others(side)
    fixed, sides = held.by(EqualTo) | held.fixed_in_intervals(), held.sides()
    if fixed.any():
        raise BoundAlreadySet(
            f"{held.name(fixed)} is fixed at {sides[0][int(np.argmax(fixed))]}, which is both its bounds; unfix it "
            "first, or fix it at another value."
        )
    other = sides[0 if upper else 1]
    crossed = new < other if upper else new > other
    if crossed.any():
        k = int(np.argmax(crossed))
        low, high = (other[k], new[k]) if upper else (new[k], other[k])
        raise InvalidData(f"{side} of {held.name(crossed)}: the lower bound {low} lies above the upper one {high}.")
    steps = []
    in_interval, alone = held.by(Interval), held.by(owner)
    if in_interval.any():
        old = held.values(Interval)
        changed = old.copy()
        changed[:, int(upper)] = new[in_interval]
        steps.append(_numbers_step(model, held.indices(Interval), changed, old))
    finite = np.isfinite(new)
    old = held.values(owner)
    stays = finite[alone]
    if stays.any():
        steps.append(_numbers_step(model, held.indices(owner, finite), new[alone & finite][:, None], old[stays]))
    if not stays.all():
        steps.append(_deletion(model, owner, chosen.ids[alone & ~finite], old[~stays]))
    added = finite & ~in_interval & ~alone
    if added.any():
        model.require(VariableIndex, owner)
        steps.append(_addition(model, owner, chosen.ids[added], new[added][:, None]))
    _do(steps)


def _refuse_wrong(held: _Held, new: FloatArray, side: str, wrong: float) -> None:
    bad = np.isnan(new) | (new == wrong)
    if bad.any():
        value = new[int(np.argmax(bad))]
        raise InvalidData(f"{side} of {held.name(bad)} takes a number, or None or {-wrong} for no bound; got {value}.")


def fix(model: AbstractMetaSolver, what: Any, value: Any) -> None:
    """Hold variables at values; see `Model.fix`."""
    chosen, store = _chosen(what), model.store
    held = _Held(store, chosen.ids)
    new = _values(value, chosen, "fix", store)
    bad = ~np.isfinite(new)
    if bad.any():
        raise InvalidData(f"fix of {held.name(bad)} takes a finite value, got {new[int(np.argmax(bad))]}.")
    held.refuse_others("fix")
    held.refuse_outside(new)
    equal, ranged = held.by(EqualTo), held.by(Interval)
    aside: dict[ConstraintIndex, tuple[ScalarSet, ...]] = {}
    steps: list[_Step] = []
    if ranged.any():
        numbers, at = held.values(Interval), np.repeat(new[ranged, None], 2, axis=1)
        steps.append(_numbers_step(model, held.indices(Interval), at, numbers))
        known = held.put_aside(Interval)
        for index, row in zip(held.indices(Interval), numbers.tolist(), strict=True):
            aside[index] = known.get(index.value, (Interval(*row),))
    if equal.any():
        steps.append(_numbers_step(model, held.indices(EqualTo), new[equal][:, None], held.values(EqualTo)))
    added = ~equal & ~ranged
    if added.any():
        model.require(VariableIndex, EqualTo)
        for owner in (GreaterThan, LessThan):
            mask, numbers = held.by(owner), held.values(owner)
            for i, row in zip(chosen.ids[mask].tolist(), numbers.tolist(), strict=True):
                index = ConstraintIndex((VariableIndex, EqualTo), i)
                aside[index] = (*aside.get(index, ()), owner(*row))
            if mask.any():
                steps.append(_deletion(model, owner, chosen.ids[mask], numbers))
        steps.append(_addition(model, EqualTo, chosen.ids[added], new[added][:, None]))
    _do(steps)
    if aside:
        model.set(attr.BoundsPutAside(), list(aside), list(aside.values()))


def unfix(model: AbstractMetaSolver, what: Any) -> None:
    """Free fixed variables; see `Model.unfix`."""
    chosen, store = _chosen(what), model.store
    held = _Held(store, chosen.ids)
    equal, ranged = held.by(EqualTo), held.fixed_in_intervals()
    free = ~(equal | ranged)
    if free.any():
        raise InvalidData(f"unfix: {held.name(free)} is not fixed; fix holds a variable at a value.")
    steps: list[_Step] = []
    indices = held.indices(Interval, ranged)
    if len(indices):
        known = held.put_aside(Interval)
        before = np.array([known[i][0].row() for i in indices.values.tolist()])
        steps.append(_numbers_step(model, indices, before, held.values(Interval)[ranged[held.by(Interval)]]))
    if equal.any():
        steps.append(_deletion(model, EqualTo, chosen.ids[equal], held.values(EqualTo)))
    back: dict[type[ScalarSet], list[tuple[int, tuple[float, ...]]]] = {}
    for i, sets in held.put_aside(EqualTo).items():
        for one in sets:
            back.setdefault(type(one), []).append((i, one.row()))
    for owner, rows in back.items():
        ids = np.array([i for i, _ in rows], np.int64)
        steps.append(_addition(model, owner, ids, np.array([numbers for _, numbers in rows])))
    _do(steps)
    if len(indices):
        model.set(attr.BoundsPutAside(), list(indices), [None] * len(indices))


# ---------------------------------------------------------------------- reading
def reduced_costs(model: AbstractMetaSolver, what: Any) -> tuple[FloatArray, Labels]:
    """The sums of the duals of the bounds of variables, in their shape, and labels; see `Model.reduced_cost`."""
    chosen = _chosen(what)
    held = _Held(model.store, chosen.ids)
    status = model.get(attr.DualStatus())
    if status is attr.ResultStatusCode.NO_SOLUTION:
        _refuse_without_duals(model)
    total = np.zeros(len(chosen.ids))
    owners: list[type[ScalarSet]] = [*_OWNERS, *_ELSEWHERE]
    for owner in owners:
        indices = held.indices(owner)
        if len(indices):
            total[held.by(owner)] += np.asarray(model.get(attr.ConstraintDual(), indices))
    return total[chosen.at].reshape(chosen.shape), chosen.labels


def _refuse_without_duals(model: AbstractMetaSolver) -> NoReturn:
    status = model.get(attr.TerminationStatus())
    raise NotOptimized(
        f"There are no reduced costs: the model has no dual solution ({status.name}: {status.value}). A model with "
        "whole numbers has none; others have one after optimize()."
    )
