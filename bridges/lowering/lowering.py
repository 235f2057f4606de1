"""From a store to a form: what is there to begin with, and what changes.

The file is the one door between the two. Which constraints get there is said in `reach`, what stands for a kind of them
in `composite`, how they are put into the form in `adding` and `changing`, what terms with parameters become in `terms`,
how results, tangents and gradients travel in `travel`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import final

import numpy as np

from ...modelkit.arrays import IntArray
from ...modelkit.attributes import ObjectiveSenseCode
from ...modelkit.errors import UnsupportedObjective
from ...modelkit.form import Abilities, Form
from ...modelkit.form.matrix_form import objective_matrices
from ...modelkit.functions import (
    VariableIndex,
)
from ...modelkit.functions.rows import Rows
from ...modelkit.indices import Kind
from ...modelkit.sets import (
    SOS1,
    SOS2,
    Indicator,
    Semicontinuous,
    Semiinteger,
)
from ...modelkit.store.change_log import Change
from ...modelkit.store.parameters import PARAMETERS, Parameters
from ...modelkit.store.storage import Block
from ...modelkit.store.store import Store
from ...modelkit.store.unbounded import check_infinite_parameters
from ..bridge import Bridge
from .changing import Changing
from .making import with_places
from .reach import is_box
from .terms import split

__all__ = ["Lowering"]

_MADE_OF_BOUNDS = (SOS1, SOS2, Indicator, Semicontinuous, Semiinteger)
_MOST_FREE = 1000
"""Rows and columns of what is gone that are kept, and at most half as many as there are, before all is read anew."""
_NOTHING = np.zeros(0, np.int64)


@final
class Lowering(Changing):
    """A form of a model, with the maps between the two, that is kept in step with it.

    Parameters
    ----------
    abilities : what the form may contain
    bridges : those to choose from, all by default
    leaves_out : of which kinds constraints stay out of the form, none by default
    """

    def __init__(
        self,
        abilities: Abilities,
        bridges: Sequence[Bridge] | None = None,
        leaves_out: Callable[[Kind], bool] | None = None,
    ) -> None:
        super().__init__(abilities, bridges)
        self._leaves_out = leaves_out
        self._begin()

    def reset(self) -> None:
        """Forget the model; the next `sync` reads all of it."""
        self._clear()
        self._begin()

    def _begin(self) -> None:
        """Have read nothing of a store."""
        self._seen: dict[Kind, int] = {}
        self._read: dict[Kind, int] = {}  # positions in logs
        self._dead = 0
        self._objective: tuple[Block | None, int, object] = (None, -1, None)
        self._objective_columns = -1
        self._parameter_read = -1
        self._mark: tuple[bytes, ...] | None = None

    def serves(self, abilities: Abilities, other: Lowering) -> bool:
        """Whether this form is the one that another lowering, to a target of these abilities, would make."""
        if other is self:
            return True
        if self.form.is_discrete or (self.form.curvature is not None and not abilities.quadratic_rows):
            return False
        if not {cones.type for cones in self.form.cones} <= abilities.cones or self._fragile:
            return False
        every = [chunk for chunks in self.chunks.values() for chunk in chunks]
        if any(chunk.sign for chunk in every):  # derivatives do not travel through factors of the curvature
            return False
        ways = {id(c.composite): c.composite for c in every}.values()
        return all(
            one.root.bridge is None or list(one.root.words()) == list(other.way(one.root.kind, one.root.example))
            for one in ways
        )

    def sync(self, store: Store) -> Form:
        """Bring the form up to date with the store; returns it.

        Raises
        ------
        Unsupported, NotAllowed, InvalidData
            If something in the store does not reach the target; the next call reads everything anew.
        """
        check_infinite_parameters(store)
        try:
            self._sync(store)
        except BaseException:
            self.reset()
            raise
        return self.form

    def _sync(self, store: Store) -> None:
        if not self._is_continued(store) or self._free > max(_MOST_FREE, (self.form.m + self.form.n) // 2):
            self.reset()
        self._sync_parameters(store)
        self._sync_variables(store)
        kinds = sorted(store.all_kinds(), key=_turn)
        if self._leaves_out is not None:
            kinds = [kind for kind in kinds if not self._leaves_out(kind)]
        for kind in kinds:
            if kind != PARAMETERS:
                self._sync_changes(store, kind)
        self._sync_deleted_variables(store)
        for kind in kinds:
            if kind != PARAMETERS:
                self._sync_additions(store, kind)
        self._sync_objective(store)
        self._sync_relied(store)
        if self._cones_are_due:
            self._assemble_cones()
        if self._moving_is_due:
            self._assemble_moving()
        elif self.moving is not None and self.parameters is not None:
            self.moving.apply(self.form, self.parameters.values)

    def _is_continued(self, store: Store) -> bool:
        """Whether all that happened to the store can be followed step by step."""
        for kind, seen in self._seen.items():
            if not store.has_block(kind) or store.block(kind).total < seen:
                return False
            changes = store.block(kind).log.since(self._read[kind])
            if changes is None or any(what is Change.RESHAPED for what, _ in changes):
                return False
        if store.variable_count < len(self.columns):
            return False
        if not store.has_block(PARAMETERS):
            return self.parameters is None
        block = store.block(PARAMETERS)
        first = self._seen.get(PARAMETERS, 0)
        changes = block.log.since(self._parameter_read) if self._parameter_read >= 0 else []
        if changes is None or any(what is not Change.NUMBERS for what, _ in changes):
            return False
        if block.total > first:  # of variables that are there already?
            added = block.all_rows().var[first:] - store.base
            return not (added < len(self.columns)).any()
        return True

    def _sync_parameters(self, store: Store) -> None:
        if not store.has_block(PARAMETERS):
            return
        block = store.block(PARAMETERS)
        total, position = block.total, block.log.position
        if total != self._seen.get(PARAMETERS, 0):
            self.parameters = Parameters(store) or None
            self._moving_is_due = True
        elif position != self._parameter_read and self.parameters is not None:
            self.parameters.values = block.all_numbers[block.numbers_alive(), 0]
        self._seen[PARAMETERS], self._parameter_read = total, position
        self._read[PARAMETERS] = position

    def _sync_variables(self, store: Store) -> None:
        first, total = len(self.columns), store.variable_count
        if total == first:
            return
        at = np.full(total - first, -1, np.int64)
        mine = np.ones(total - first, bool)
        if self.parameters is not None:
            mine = self.parameters.places(np.arange(first, total) + store.base) < 0
        count = int(mine.sum())
        at[mine] = self.form.add_columns(count)
        self.columns.extend(at)
        self.is_user.extend(np.ones(count, np.bool_))

    def _sync_deleted_variables(self, store: Store) -> None:
        dead = store.dead_variables
        if len(dead) == self._dead:
            return
        self._free += len(dead) - self._dead
        self._dead = len(dead)
        at = self.columns.view[np.array(sorted(dead), np.int64)]
        at = at[at >= 0]
        self.form.set_bounds(at, 0.0, 0.0)
        self.is_user.view[at] = False
        self._objective = (None, -1, None)

    def _sync_changes(self, store: Store, kind: Kind) -> None:
        block = store.block(kind)
        position = block.log.position
        start = self._read.get(kind, position)
        self._read[kind] = position
        if start == position:
            return
        changes = block.log.since(start)
        assert changes is not None
        seen = self._seen.get(kind, 0)
        gone, functions, numbers = (
            _some([which for what, which in changes if what is one and len(which)], seen)
            for one in (Change.DELETED, Change.FUNCTION, Change.NUMBERS)
        )
        if len(gone):
            self._remove(kind, gone)
        alive = functions[~block.missing(functions)] if len(functions) else functions
        if len(alive):
            self._change_functions(store, kind, alive)
        if len(numbers):
            numbers = numbers[~block.missing(numbers)]
            self._change_numbers(store, kind, np.setdiff1d(numbers, alive) if len(alive) else numbers)

    def _sync_additions(self, store: Store, kind: Kind) -> None:
        block = store.block(kind)
        first, total = self._seen.get(kind, 0), block.total
        if first == total:
            return
        self._seen[kind] = total
        numbers = block.numbers_alive()
        self._lower(store, kind, numbers[np.searchsorted(numbers, first) :])

    def _sync_relied(self, store: Store) -> None:
        """Lower again what was made of numbers that have moved since."""
        if not self._fragile:
            return
        mark = self._numbers_relied_on()
        if self._mark is not None and mark != self._mark:
            fragile, self._fragile = self._fragile, {}
            for kind, numbers in fragile.items():
                alive = np.array(sorted(numbers), np.int64)
                self._lower_again(store, kind, alive[~store.block(kind).missing(alive)])
        self._mark = self._numbers_relied_on()

    def _numbers_relied_on(self) -> tuple[bytes, ...]:
        """What big numbers and curvature were made of: bounds of the model's columns, and the parameters."""
        form, mine = self.form, self.is_user.view
        values = b"" if self.parameters is None else self.parameters.values.tobytes()
        kinds = form.binary[mine].tobytes() + form.discreteness[mine].tobytes()
        lower, upper = self._bounds_of_columns()
        return lower[mine].tobytes(), upper[mine].tobytes(), kinds, values

    def _sync_objective(self, store: Store) -> None:
        block = store.objective_block
        seen = block, -1 if block is None else block.log.position, store.sense
        if seen == self._objective and self.form.n == self._objective_columns:
            return
        self._hold_still()
        self._objective, self._objective_columns = seen, self.form.n
        self.sign = -1.0 if store.sense is ObjectiveSenseCode.MAX_SENSE else 1.0
        rows = Rows(np.zeros(1)) if block is None else block.all_rows()
        if self.sign < 0.0:
            rows = rows.scaled(np.array([self.sign]))
        present = self.parameters or Parameters(store)
        if rows.degree > 2:
            present.check_inserted(rows, UnsupportedObjective)
        rows, moving = split(rows, self.parameters, self._table)
        columns, base = self.columns.view, store.base
        rows, moving = rows.renamed(lambda ids: columns[ids - base]), moving.in_columns(columns, base)
        self._moving_is_due |= bool(len(moving) or len(self._objective_moving))
        self._objective_moving = moving
        n = self.form.n
        curved = np.flatnonzero(moving.second >= 0)
        P, q, r = objective_matrices(rows, lambda ids: ids, n)
        if len(curved):
            P = with_places(P, moving.first[curved], moving.second[curved])
        self.form.set_objective(P, q, r)


def _turn(kind: Kind) -> int:
    """Plain variables first, then rows and cones, then what is made of bounds."""
    if kind[0] is VariableIndex:
        return 0
    return 1 if is_box(kind[1]) or kind[1] not in _MADE_OF_BOUNDS else 2


def _some(parts: list[IntArray], below: int) -> IntArray:
    """The numbers in some lists that are below a number, each once."""
    if not parts:
        return _NOTHING
    if len(parts) == 1 and len(parts[0]) == 1:
        return parts[0] if parts[0][0] < below else _NOTHING
    every = np.unique(np.concatenate(parts))
    return every[every < below]
