"""Chunks: groups of equal constraints of a store, and where in a form they stand."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import final

import numpy as np
from numpy.typing import NDArray

from ...modelkit.arrays import FloatArray, IntArray
from ...modelkit.form import Slots
from ...modelkit.indices import Kind
from ...modelkit.store.block import SetBlock
from .composite import Composite, StandIn
from .terms import MovingTerms

__all__ = ["Chunk", "ConeNumbers", "Place"]


class Place(Enum):
    """Where in a form a chunk stands."""

    ROWS = auto()
    BOUNDS = auto()
    CONES = auto()
    KINDS = auto()

    @property
    def has_slots(self) -> bool:
        """Whether there are duals."""
        return self is not Place.KINDS


@final
@dataclass(slots=True, eq=False)
class ConeNumbers:
    """The rows of F and g of a chunk, numbered from 0, with columns of the form."""

    row: IntArray
    column: IntArray
    coef: FloatArray
    constant: FloatArray
    sets: SetBlock


@final
@dataclass(slots=True, eq=False)
class Chunk:
    """k constraints of one kind, and one of the kinds of things that stand for each of them.

    Attributes
    ----------
    kind : of the constraints in the store
    numbers : (k,) of the constraints in their block
    composite, stand_in : what stands for each
    place : where
    positions : (k p,) rows, columns, or rows of F from `start` on
    extra : (k, e) columns of the extra variables, shared by the chunks of these constraints
    sides : of what bounds, 1 the lower one, 2 the upper one, 3 both
    moving : the terms with parameters, by rows of the chunk (0 to k p)
    cone : of cones, their numbers
    alive : (k,) which of the constraints are still there
    sign : of a cone that stands for a quadratic row: 1 where that has an upper side, -1 a lower one; else 0
    """

    kind: Kind
    numbers: IntArray
    composite: Composite
    stand_in: StandIn
    place: Place
    positions: IntArray
    extra: IntArray
    sides: int = 3
    moving: MovingTerms = field(default_factory=MovingTerms.none)
    cone: ConeNumbers | None = None
    start: int = 0
    sign: float = 0.0
    alive: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))

    def __post_init__(self) -> None:
        self.alive = np.ones(len(self.numbers), bool)

    @property
    def count(self) -> int:
        """Number of constraints."""
        return len(self.numbers)

    @property
    def p(self) -> int:
        """Rows that stand for one constraint."""
        return self.stand_in.p

    def shrink(self) -> None:
        """Keep what is alive of cones."""
        kept = np.flatnonzero(self.alive)
        rows = self.rows_of(kept)
        place = np.full(len(self.positions), -1, np.int64)
        place[rows] = np.arange(len(rows))
        if self.cone is not None:
            here = np.flatnonzero(place[self.cone.row] >= 0)
            c = self.cone
            sets = self.stand_in.sets(len(kept))
            self.cone = ConeNumbers(place[c.row[here]], c.column[here], c.coef[here], c.constant[rows], sets)
        self.moving = self.moving.take(np.flatnonzero(place[self.moving.row] >= 0)).placed(place)
        self.numbers, self.extra = self.numbers[kept], self.extra[kept]
        self.positions, self.alive = np.arange(len(rows)), np.ones(len(kept), bool)

    def rows_of(self, items: IntArray) -> IntArray:
        """The chunk's rows that stand for some of its constraints."""
        if self.p == 1:
            return items
        return (items[:, None] * self.p + np.arange(self.p)).ravel()

    def slots(self, slots: Slots, rows: IntArray | slice = slice(None)) -> IntArray:
        """The slots of the form that some of the chunk's rows are."""
        at = self.positions[rows]
        if self.place is Place.ROWS:
            return slots.of_rows(at)
        return slots.of_bounds(at) if self.place is Place.BOUNDS else slots.of_cones(at + self.start)
