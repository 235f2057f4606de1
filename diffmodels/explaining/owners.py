"""Whose the rows of a form are: from slots and sides to constraints, by the user's names."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import final

import numpy as np

from ...bridges.lowering.chunks import Place
from ...bridges.lowering.mapped_form import MappedForm
from ...bridges.lowering.reach import is_box
from ...modelkit import attributes as attr
from ...modelkit.arrays import FloatArray, IntArray
from ...modelkit.functions import VariableIndex
from ...modelkit.indices import ConstraintIndex, Kind
from ...modelkit.sets import (
    EqualTo,
    GreaterThan,
    Integer,
    LessThan,
    Parameter,
    Semicontinuous,
    Semiinteger,
    Set,
    ZeroOne,
)
from ...modelkit.store.describing import constraint_text
from ...modelkit.store.store import Store

__all__ = ["Owners", "label"]

_LOWER, _UPPER = 1, 2
_OF_VARIABLES: dict[type[Set], str] = {
    EqualTo: "fixed value",
    Parameter: "parameter",
    GreaterThan: "lower bound",
    LessThan: "upper bound",
}
"""What constraints of single variables are; others have two sides."""
_GAPS: dict[type[Set], str] = {
    Integer: "integer",
    ZeroOne: "binary",
    Semicontinuous: "semicontinuous",
    Semiinteger: "semi-integer",
}


@final
@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    """What owns some slots: constraints of one kind, each of them p rows.

    Attributes
    ----------
    kind : of the constraints
    number : (r,) of each in its block; row : (r,) within it
    is_plain : whether the rows are the constraints' own, not those of a bridge
    value : (r, 2) the numbers of the sides as the user has them
    """

    kind: Kind
    number: IntArray
    row: IntArray
    is_plain: bool
    value: FloatArray


@final
class Owners:
    """The owners of the sides of a form's slots.

    Parameters
    ----------
    store : the model as written
    lowering : its form
    """

    def __init__(self, store: Store, lowering: MappedForm) -> None:
        self._store = store
        slots = lowering.form.slots
        self._held: list[_Held] = []
        self._which = np.full((2, slots.size), -1, np.int64)  # by side: which of them
        self._at = np.zeros((2, slots.size), np.int64)  # and where in it
        for kind, chunks in lowering.chunks.items():
            for chunk in chunks:
                if chunk.place is Place.KINDS or not len(chunk.positions):
                    continue
                items = np.flatnonzero(chunk.alive)
                at = chunk.slots(slots, chunk.rows_of(items))
                number = np.repeat(chunk.numbers[items], chunk.p)
                row = np.tile(np.arange(chunk.p), len(items))
                plain = chunk.composite.root.bridge is None and not chunk.sign
                values = _values(store, kind, chunk.numbers[items], plain, len(at))
                held = _Held(kind, number, row, plain, values)
                for side in (_LOWER, _UPPER):
                    if chunk.place is not Place.BOUNDS or chunk.sides & side:
                        self._which[side - 1, at] = len(self._held)
                        self._at[side - 1, at] = np.arange(len(at))
                self._held.append(held)

    def index(self, slot: int, *, upper: bool) -> ConstraintIndex | None:
        """The constraint that owns a side of a slot, None where nothing of the user's does."""
        which, at = self._place(slot, upper)
        if which < 0:
            return None
        held = self._held[which]
        return self._store.indices(held.kind, held.number[at : at + 1])[0]

    def key(self, slot: int, *, upper: bool) -> tuple[Kind, int, int]:
        """Kind, number and row of what owns a side."""
        which, at = self._place(slot, upper)
        held = self._held[which]
        return held.kind, int(held.number[at]), int(held.row[at])

    def is_plain(self, slot: int, *, upper: bool) -> bool:
        """Whether the side is the user's own."""
        which, _ = self._place(slot, upper)
        return which >= 0 and self._held[which].is_plain

    def value(self, slot: int, *, upper: bool) -> float:
        """The number of the side as the user has it: a bound, or the right-hand side of a row."""
        which, at = self._place(slot, upper)
        return float(self._held[which].value[at, int(upper)])

    def name(self, slot: int, *, upper: bool) -> str:
        """Of the constraint, or of the bound of a variable, and the row within it."""
        index = self.index(slot, upper=upper)
        if index is None:
            return "a row of the form"
        which, at = self._place(slot, upper)
        held = self._held[which]
        return label(self._store, index, int(held.row[at]) if held.is_plain else None, upper=upper)

    def _place(self, slot: int, upper: bool) -> tuple[int, int]:
        return int(self._which[int(upper), slot]), int(self._at[int(upper), slot])


def _values(store: Store, kind: Kind, numbers: IntArray, plain: bool, count: int) -> FloatArray:
    """The sides of rows as written: numbers of sets, or the negative constants of vector functions in plain boxes."""
    if not plain or not is_box(kind[1]):
        return np.full((count, 2), np.nan)
    block = store.block(kind)
    rows = block.rows_of(numbers)
    sides = kind[1].bounds(block.all_numbers[rows])
    assert sides is not None
    found: FloatArray = np.stack(sides, axis=1)
    return found if kind[1].fields else found - block.constants[rows][:, None]


def label(store: Store, index: ConstraintIndex, row: int | None = None, *, upper: bool | None = None) -> str:
    """What a table calls a constraint, or one row of it: its name, the bound of a variable, or what it says.

    Examples
    --------
    >>> import optangent as ot
    >>> model = ot.Model()
    >>> x = model.add_variable("x", lower=0.0)
    >>> c, named = model.add_constraint(2 * x <= 3), model.add_constraint(1 * x >= 1, name="least")
    >>> bound = model.get(ot.ListOfConstraintIndices(ot.VariableIndex, ot.GreaterThan))[0]
    >>> [label(model.store, one) for one in (c, named, bound)]
    ['2 x in LessThan(3.0)', 'least', 'lower bound of x']
    """
    name = store.name_of_constraint(index)
    if name:
        return name if row is None or not index.kind[1].is_vector else f"{name}[{_place_of(store, index, row)}]"
    if index.kind[0] is VariableIndex:
        variable = store.name_of(index.value)
        if index.kind[1] in _GAPS:
            return f"{variable} is {_GAPS[index.kind[1]]}"
        words = _OF_VARIABLES.get(index.kind[1])
        if words is None:
            words = "bounds" if upper is None else "upper bound" if upper else "lower bound"
        return f"{words} of {variable}"
    if row is None or not index.kind[1].is_vector:
        return constraint_text(store, index)
    rows = store.block(index.kind).rows(store.number(index)).take(np.array([row]))
    return f"{store.text_of(rows)} in {index.kind[1].__name__}"


def _place_of(store: Store, index: ConstraintIndex, row: int) -> str:
    """Where a row of a vector constraint stands in the array that was written, by its labels if it has any.

    Examples
    --------
    >>> import optangent as ot
    >>> model = ot.Model()
    >>> c = model.add_constraint(model.add_variables((2, 2)) >= 0, name="all")
    >>> label(model.store, c, 1)
    'all[0,1]'
    """
    layout = store.get(attr.ConstraintLayout(), index)
    if layout is None:
        return str(row)
    at = np.unravel_index(row, layout.shape) if layout.places is None else np.argwhere(layout.places == row)[0]
    return ",".join(str(k if axis is None else axis[k]) for k, axis in zip_longest(map(int, at), layout.labels))
