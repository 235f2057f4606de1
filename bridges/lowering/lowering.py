"""From a store to a form: what is there to begin with, and what changes.

The file is the one door between the two; what stands for a kind of constraint is said in `composite`, what terms with
parameters become in `terms`, how results, tangents and gradients travel in `travel`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import final

import numpy as np
import scipy.sparse as sp

from ...modelkit.arrays import FloatArray, Growable, IntArray
from ...modelkit.attributes import ObjectiveSenseCode
from ...modelkit.block import ConstraintBlock
from ...modelkit.change_log import Change
from ...modelkit.checks import UPPER_OR_LOWER
from ...modelkit.errors import InvalidData, NotAllowed, Unsupported, UnsupportedConstraint, UnsupportedObjective
from ...modelkit.form import Abilities, Cones, Discreteness, Form
from ...modelkit.functions import (
    Function,
    ScalarAffineFunction,
    VariableIndex,
    VectorAffineFunction,
    VectorOfVariables,
)
from ...modelkit.indices import Kind, describe_kind
from ...modelkit.matrix_form import objective_matrices
from ...modelkit.monomials import Monomials
from ...modelkit.naming import described
from ...modelkit.parameters import PARAMETERS, Parameters
from ...modelkit.rows import Rows
from ...modelkit.sets import (
    SOS1,
    SOS2,
    Indicator,
    Integer,
    Parameter,
    RotatedSecondOrderCone,
    Semicontinuous,
    Semiinteger,
    Set,
    ZeroOne,
)
from ...modelkit.storage import Block
from ...modelkit.store import Store
from ...modelkit.unbounded import check_infinite_parameters
from .. import catalogue  # noqa: F401  its import registers the bridges
from ..base import REGISTRY, SCALARS, VECTORS, Bridge, grouped
from ..catalogue.quadratic import cone_of_row
from ..graph import BridgeGraph
from .chunks import Chunk, ConeNumbers, Place
from .composite import Composite, StandIn, compose
from .making import (
    by_dimension,
    constants_of,
    mapped,
    no_extra,
    numbers_of,
    pattern,
    sides_of,
    taken,
    values_of,
    with_places,
)
from .moving import MovingNumbers
from .terms import MovingTerms, ProductTable, split

__all__ = ["Lowering", "is_box", "reachable_kind"]

_DISCRETE: dict[type[Set], Discreteness] = {
    Integer: Discreteness.INTEGER,
    ZeroOne: Discreteness.INTEGER,
    Semicontinuous: Discreteness.SEMICONTINUOUS,
    Semiinteger: Discreteness.SEMIINTEGER,
}
_CONE_OF_ROW: Kind = (VectorAffineFunction, RotatedSecondOrderCone)
_MADE_OF_BOUNDS = (SOS1, SOS2, Indicator, Semicontinuous, Semiinteger)
_WRITTEN = (*SCALARS, *VECTORS)
"""Types of functions that forms know, once the parameters are inserted; derivatives are functions to be read."""
_MOST_COMPOSITES = 1000
_MOST_FREE = 1000
"""Rows and columns of what is gone that are kept, and at most half as many as there are, before all is read anew."""
_NOTHING = np.zeros(0, np.int64)


def is_box(set_type: type[Set]) -> bool:
    """Whether the sets of a type are boxes: numbers between bounds."""
    return set_type.bounds(np.zeros((1, len(set_type.fields)))) is not None


def reachable_kind(kind: Kind) -> Kind:
    """The kind with affine functions for plain ones, which are rows like others but for scalar discrete sets."""
    function_type, set_type = kind
    if set_type.is_vector and function_type.degree == 0:
        return VectorAffineFunction, set_type
    return kind


@final
class Lowering:
    """A form of a model, with the maps between the two.

    Parameters
    ----------
    abilities : what the form may contain
    bridges : those to choose from, all by default
    leaves_out : of which kinds constraints stay out of the form, none by default

    Attributes
    ----------
    form : the numbers at the parameters' present values; made anew where much has changed (`generation` counts)
    chunks : what stands for the constraints of each kind
    moving : how the numbers depend on the parameters, None without any
    parameters : those of the model, None without any
    """

    def __init__(
        self,
        abilities: Abilities,
        bridges: Sequence[Bridge] | None = None,
        leaves_out: Callable[[Kind], bool] | None = None,
    ) -> None:
        self.abilities = abilities
        self._leaves_out = leaves_out
        self.graph = BridgeGraph(self._takes, REGISTRY if bridges is None else bridges)
        self.generation = 0
        self._composites: dict[tuple[Kind, tuple[float, ...]], Composite] = {}
        self.reset()

    def reset(self) -> None:
        """Forget the model; the next `sync` reads all of it."""
        self.form = Form()
        self.generation += 1
        self.sign = 1.0
        self.columns = Growable(np.int64)  # by number of the variable: its column, or -1
        self.is_user = Growable(np.bool_)  # by column: whether it is a variable of the model
        self.chunks: dict[Kind, list[Chunk]] = {}
        self._seen: dict[Kind, int] = {}
        self._read: dict[Kind, int] = {}  # positions in logs
        self._dead = 0
        self._free = 0  # rows and columns of what is gone
        self._objective: tuple[Block | None, int, object] = (None, -1, None)
        self._objective_columns = -1
        self._objective_moving = MovingTerms.none()
        self._curved: list[tuple[IntArray, IntArray, IntArray, FloatArray]] = []
        self._table = ProductTable()
        self.parameters: Parameters | None = None
        self._parameter_read = -1
        self.moving: MovingNumbers | None = None
        self._moving_is_due = False
        self._cones_are_due = False
        self._fragile: dict[Kind, set[int]] = {}  # constraints that were lowered by numbers that may move
        self._mark: tuple[bytes, ...] | None = None

    # ------------------------------------------------------------------ what is taken
    def _takes(self, kind: Kind) -> bool:
        function_type, set_type = kind
        if function_type not in _WRITTEN:
            return False
        if is_box(set_type):
            return function_type.degree < 2 or (function_type.degree == 2 and self.abilities.quadratic_rows)
        if set_type in (Integer, ZeroOne):
            return function_type is VariableIndex and self.abilities.whole
        if set_type in (Semicontinuous, Semiinteger):
            return function_type is VariableIndex and self.abilities.semi
        return function_type is VectorAffineFunction and set_type in self.abilities.cones

    def takes(self, kind: Kind) -> bool:
        """Whether constraints of a kind reach the target, by themselves or by bridges."""
        if kind[0].is_vector is not kind[1].is_vector or (kind[1] is Parameter and kind[0] is not VariableIndex):
            return False  # there are none
        if kind[0] not in _WRITTEN:
            return False
        if is_box(kind[1]) and kind[0].degree == 2 and not self.abilities.quadratic_rows:
            return not self.graph.is_lacking(_CONE_OF_ROW)
        if kind[0].degree > 1 and not is_box(kind[1]):
            return False
        return not self.graph.is_lacking(reachable_kind(kind))

    def takes_objective(self, function_type: type[Function]) -> bool:
        """Whether objectives of a type reach the target."""
        if function_type.degree < 2:
            return True
        return function_type.degree == 2 and self.abilities.quadratic_objective

    def missing(self, kind: Kind, name: str) -> str:
        """Why a kind does not reach the target."""
        if is_box(kind[1]) and kind[0].degree == 2:
            kind = _CONE_OF_ROW
        return self.graph.missing(reachable_kind(kind), name)

    @property
    def is_plain(self) -> bool:
        """Whether every constraint stands in the form as it was written."""
        return not self._fragile and all(
            chunk.composite.root.bridge is None and not chunk.sign
            for chunks in self.chunks.values()
            for chunk in chunks
        )

    def path(self, kind: Kind) -> list[str]:
        """How constraints of a kind get there, a line a step."""
        name = describe_kind(kind)
        if is_box(kind[1]) and kind[0].degree == 2 and not self.abilities.quadratic_rows:
            below = self.graph.path(_CONE_OF_ROW, "    ")
            return [f"{name}  by factors of its curvature, where it has one", *below]
        first, *below = self.graph.path(reachable_kind(kind))
        return [name + first[len(describe_kind(reachable_kind(kind))) :], *below]

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

    def at_present_values(self) -> Iterator[tuple[Kind, IntArray]]:
        """Numbers of quadratic rows that are in the form as the parameters' values have them, kind by kind."""
        for kind, numbers in self._fragile.items():
            if is_box(kind[1]) and numbers:
                yield kind, np.array(sorted(numbers), np.int64)

    @property
    def reads_numbers(self) -> bool:
        """Whether something was lowered by numbers that may move: it is lowered again when they do."""
        return bool(self._fragile)

    @property
    def has_moving_curvature(self) -> bool:
        """Whether quadratic terms of rows move with the parameters."""
        return self.moving is not None and bool(len(self.moving.entries(self.form.slots).curvature[0]))

    def numbers_that_move(self) -> MovingNumbers:
        """How the numbers of the form depend on the parameters, also where none does."""
        if self.moving is not None:
            return self.moving
        count = 0 if self.parameters is None else len(self.parameters.values)
        return MovingNumbers(self.form, [], MovingTerms.none(), self._table, count, self._curved)

    def way(self, kind: Kind, example: Set) -> Iterator[str]:
        """How a constraint in a set gets there, a line a step."""
        return self._composite(kind, example).root.words()

    # ------------------------------------------------------------------ bringing the form up to date
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

    def column_of(self, ids: IntArray, base: int) -> IntArray:
        """Columns of variables, -1 of parameters."""
        found: IntArray = self.columns.view[ids - base]
        return found

    # ------------------------------------------------------------------ changes
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

    def _located(self, kind: Kind, numbers: IntArray) -> list[tuple[Chunk, IntArray]]:
        """(chunk, items) of all that stands for some constraints."""
        found: list[tuple[Chunk, IntArray]] = []
        for chunk in self.chunks.get(kind, []):
            items = self.items_in(chunk, kind, numbers)[1]
            if len(items):
                found.append((chunk, items))
        return found

    def items_in(self, chunk: Chunk, kind: Kind, numbers: IntArray) -> tuple[IntArray, IntArray]:
        """Which of some constraints a chunk stands for: their places among them, and the items of the chunk."""
        if chunk.count and len(numbers) == chunk.count and chunk.alive.all() and np.array_equal(chunk.numbers, numbers):
            every = np.arange(chunk.count)
            return every, every
        at = np.searchsorted(chunk.numbers, numbers)
        inside = np.minimum(at, chunk.count - 1)
        mine = np.flatnonzero((chunk.numbers[inside] == numbers) & chunk.alive[inside]) if chunk.count else at[:0]
        return mine, at[mine]

    def _remove(self, kind: Kind, numbers: IntArray) -> None:
        """What stands for some constraints goes."""
        fragile = self._fragile.get(kind)
        if fragile:
            fragile.difference_update(numbers.tolist())
            if not fragile:
                del self._fragile[kind]
        for chunk, items in self._located(kind, numbers):
            chunk.alive[items] = False
            at = chunk.positions[chunk.rows_of(items)]
            if len(chunk.moving):
                self._hold_still()
            if chunk.place is Place.ROWS:
                self.form.set_sides(at, -np.inf, np.inf)
                self._free += len(at)
            elif chunk.place is Place.BOUNDS:
                low, high = -np.inf if chunk.sides & 1 else None, np.inf if chunk.sides & 2 else None
                self.form.set_bounds(at, low, high, split=True)
            elif chunk.place is Place.KINDS:
                self._set_kinds(at)
                if chunk.stand_in.kind[1] in (Semicontinuous, Semiinteger):  # the box was its own
                    self.form.set_bounds(at, -np.inf, np.inf)
            else:
                self._cones_are_due = True
            if chunk.extra.size:
                self.form.set_bounds(chunk.extra[items].ravel(), 0.0, 0.0)
                self._free += chunk.extra[items].size

    def _change_numbers(self, store: Store, kind: Kind, numbers: IntArray) -> None:
        """Constants of functions and numbers of sets are others."""
        block = store.block(kind)
        again: list[IntArray] = []
        if is_box(kind[1]) and self._fragile.get(kind):
            at_present = np.isin(numbers, sorted(self._fragile[kind]))
            again, numbers = [numbers[at_present]], numbers[~at_present]
        for chunk, items in self._located(kind, numbers):
            if chunk.composite.root.bridge is not None and chunk.composite.root.bridge.looks_at_functions:
                again.append(chunk.numbers[items])
            elif chunk.place is Place.ROWS or chunk.place is Place.BOUNDS:
                self._set_sides(chunk, items, self._values(block, chunk, items))
            elif chunk.place is Place.KINDS or chunk.sign:
                again.append(chunk.numbers[items])
            else:
                g, theta = self._values(block, chunk, items)
                assert chunk.cone is not None
                self._hold_still()
                rows, constants = chunk.rows_of(items), constants_of(chunk.stand_in, g, theta).ravel()
                chunk.cone.constant[rows] = constants
                if not self._cones_are_due:  # else they are put in their places later
                    self.form.set_cone_constants(chunk.start + rows, constants)
        if again:
            self._lower_again(store, kind, np.unique(np.concatenate(again)))

    def _change_functions(self, store: Store, kind: Kind, numbers: IntArray) -> None:
        """Functions are others."""
        again: list[IntArray] = []
        if kind[0].degree < 2 and is_box(kind[1]):
            block = store.block(kind)
            for chunk, items in self._located(kind, numbers):
                rows = block.all_rows().take(block.rows_of(chunk.numbers[items])).canonical()
                columns = self.column_of(rows.var, store.base)
                if (columns < 0).any() or np.isin(chunk.moving.row, chunk.rows_of(items)).any():
                    again.append(chunk.numbers[items])  # terms with parameters come, go or move
                    continue
                self._change_rows(chunk.positions[chunk.rows_of(items)], rows, columns)
                self._set_sides(chunk, items, self._values(block, chunk, items))
        else:
            again.append(numbers)
        if again:
            self._lower_again(store, kind, np.unique(np.concatenate(again)))

    def _change_rows(self, at: IntArray, rows: Rows, columns: IntArray) -> None:
        """Other functions for rows of the form, without parameters."""
        form, ends = self.form, np.searchsorted(rows.row, np.arange(len(at) + 1))
        each = [(row, slice(ends[k], ends[k + 1])) for k, row in enumerate(at.tolist())]
        if self.moving is not None and not all(np.array_equal(form.row(row)[0], columns[own]) for row, own in each):
            self._hold_still()  # entries stand elsewhere then
        for row, own in each:
            form.set_row(row, columns[own], rows.coef[own])

    def _lower_again(self, store: Store, kind: Kind, numbers: IntArray) -> None:
        self._remove(kind, numbers)
        self._lower(store, kind, numbers)

    @staticmethod
    def _values(block: Block, chunk: Chunk, items: IntArray) -> tuple[FloatArray, FloatArray]:
        """Constants (k, m) and numbers (k, m q) of some constraints."""
        k = len(items)
        rows = block.rows_of(chunk.numbers[items])
        return block.constants[rows].reshape(k, -1), block.all_numbers[rows].reshape(k, -1)

    def _hold_still(self) -> None:
        """Have the fixed parts of numbers that move in the form, until the map is made anew."""
        if self.moving is not None:
            self.moving.take_back(self.form)
            self.moving, self._moving_is_due = None, True

    def _set_sides(self, chunk: Chunk, items: IntArray, values: tuple[FloatArray, FloatArray]) -> None:
        lower, upper = sides_of(chunk.stand_in, *values)
        at = chunk.positions[chunk.rows_of(items)]
        if len(chunk.moving):
            self._hold_still()
        if chunk.place is Place.ROWS:
            self.form.set_sides(at, lower, upper)
        else:
            split = chunk.sides != 3
            self.form.set_bounds(
                at, lower if chunk.sides & 1 else None, upper if chunk.sides & 2 else None, split=split
            )

    # ------------------------------------------------------------------ additions
    def _sync_additions(self, store: Store, kind: Kind) -> None:
        block = store.block(kind)
        first, total = self._seen.get(kind, 0), block.total
        if first == total:
            return
        self._seen[kind] = total
        numbers = block.numbers_alive()
        self._lower(store, kind, numbers[np.searchsorted(numbers, first) :])

    def _lower(self, store: Store, kind: Kind, numbers: IntArray) -> None:
        """Make what stands for some constraints of a kind; which of them is refused, the error says."""
        if not len(numbers):
            return
        try:
            self._make(store, kind, numbers)
        except (Unsupported, NotAllowed, InvalidData) as error:
            error.args = (
                f"{described(store, store.indices(kind, numbers)[self._refused(store, kind, numbers)])}: {error}",
            )
            raise

    def _refused(self, store: Store, kind: Kind, numbers: IntArray) -> int:
        """The first of some constraints that is refused, by halves; the form is made anew afterwards."""
        first, last = 0, len(numbers)
        while last - first > 1:
            middle = (first + last) // 2
            try:
                self._make(store, kind, numbers[first:middle])
            except (Unsupported, NotAllowed, InvalidData):
                last = middle
            else:
                first = middle
        return first

    def _make(self, store: Store, kind: Kind, numbers: IntArray) -> None:
        whole, alive = store.block(kind).snapshot(int(numbers[0]))
        block = whole if len(alive) == len(numbers) else whole.take(np.searchsorted(alive, numbers))
        rows, moving = block.rows, MovingTerms.none()
        if rows.degree > 2:
            present = self.parameters or Parameters(store)
            present.check_inserted(rows)
        if self.parameters is not None:
            rows, moving = split(rows, self.parameters, self._table)
        columns, base = self.columns.view, store.base
        rows, moving = rows.renamed(lambda ids: columns[ids - base]), moving.in_columns(columns, base)
        if is_box(kind[1]):
            self._lower_boxes(block, numbers, rows, moving)
        else:
            self._lower_sets(store, block, numbers, rows, moving)
        self._moving_is_due |= bool(len(moving))

    def _refusal(self, kind: Kind) -> UnsupportedConstraint:
        return UnsupportedConstraint(
            f"{describe_kind(kind)} cannot be brought there: {self.missing(kind, 'the target')}"
        )

    def _composite(self, kind: Kind, example: Set) -> Composite:
        """Of a set alone, made once."""
        key = kind, example.shape
        found = self._composites.get(key)
        if found is None:
            if self.graph.is_lacking(kind):
                raise self._refusal(kind)
            if len(self._composites) > _MOST_COMPOSITES:
                self._composites.clear()
            found = self._composites[key] = compose(self.graph, kind, example)
        return found

    def _add_chunk(self, chunk: Chunk) -> None:
        self.chunks.setdefault(chunk.kind, []).append(chunk)

    # ------------------------------------------------------------------ rows and bounds
    def _lower_boxes(self, block: ConstraintBlock, numbers: IntArray, rows: Rows, moving: MovingTerms) -> None:
        kind = block.kind
        if kind[0] is VariableIndex:
            at = np.full(block.count, -1, np.int64)
            at[rows.row] = rows.var  # what is missing is a parameter
            plain, others = np.flatnonzero(at >= 0), np.flatnonzero(at < 0)
            if len(plain):
                self._add_bounds(block, numbers, plain, at[plain])
            if len(others):
                self._add_rows(block, numbers, others, rows, moving)
            return
        curved, flat = np.zeros((2, block.count), bool)
        if not self.abilities.quadratic_rows and (len(rows.qrow) or (moving.second >= 0).any()):
            constraint = np.repeat(np.arange(block.count), block.sets.dims)
            now = self._inserted(rows, moving).canonical()
            curved[constraint[now.qrow]] = True
            flat[constraint[moving.row[moving.second >= 0]]] = True
            flat &= ~curved  # at the present values alone
            held = ConstraintBlock(kind[0], block.rows.with_constants(now.constant), block.sets)
            for items in by_dimension(np.flatnonzero(flat), block.sets.dims):
                self._add_rows(held, numbers, items, now, MovingTerms.none())
            if flat.any():
                self._fragile.setdefault(kind, set()).update(numbers[flat].tolist())
        for items in by_dimension(np.flatnonzero(~(curved | flat)), block.sets.dims):
            self._add_rows(block, numbers, items, rows, moving)
        for item in np.flatnonzero(curved).tolist():
            self._add_curved(block, numbers, item, rows, moving)

    def _add_bounds(self, block: ConstraintBlock, numbers: IntArray, items: IntArray, columns: IntArray) -> None:
        kind, example = block.kind, block.sets.set(0)
        composite, sides = self._composite((ScalarAffineFunction, kind[1]), example), UPPER_OR_LOWER[kind[1]]
        nothing = no_extra(len(items))
        chunk = Chunk(kind, numbers[items], composite, composite.stand_ins[0], Place.BOUNDS, columns, nothing, sides)
        self._add_chunk(chunk)
        self._set_sides(chunk, np.arange(len(items)), values_of(block, items))

    def _add_rows(
        self, block: ConstraintBlock, numbers: IntArray, items: IntArray, rows: Rows, moving: MovingTerms
    ) -> None:
        """Rows for some constraints of a block, each as it is."""
        rows, moving = taken(block, items, rows, moving)
        function_type = VectorAffineFunction if block.kind[1].is_vector else ScalarAffineFunction
        composite = self._composite((function_type, block.kind[1]), block.sets.set(int(items[0])))
        chunk = self._new_rows(
            block.kind,
            numbers[items],
            composite,
            composite.stand_ins[0],
            rows,
            moving,
            no_extra(len(items)),
            values_of(block, items),
        )
        if len(rows.qrow):
            self._curved.append((chunk.positions[rows.qrow], rows.qvar1, rows.qvar2, rows.qcoef))
            self.form.set_row_curvature(self._curved)

    def _new_rows(
        self,
        kind: Kind,
        numbers: IntArray,
        composite: Composite,
        one: StandIn,
        rows: Rows,
        moving: MovingTerms,
        extra: IntArray,
        values: tuple[FloatArray, FloatArray],
    ) -> Chunk:
        lower, upper = sides_of(one, *values)
        positions = self.form.add_rows(pattern(rows, moving, self.form.n), lower, upper)
        chunk = Chunk(kind, numbers, composite, one, Place.ROWS, positions, extra, moving=moving)
        self._add_chunk(chunk)
        return chunk

    def _inserted(self, rows: Rows, moving: MovingTerms) -> Rows:
        """Rows in columns at the parameters' present values."""
        if not len(moving) or self.parameters is None:
            return rows
        values = self._product_values(moving.code) * moving.coef
        factors = np.stack([moving.first, moving.second], axis=1)
        return rows + Rows.of_terms(np.zeros(rows.m), Monomials(moving.row, factors, values))

    def _product_values(self, codes: IntArray) -> FloatArray:
        assert self.parameters is not None
        padded, count = np.append(self.parameters.values, 1.0), len(self.parameters.values)
        factors = self._table.factors(count)[self._table.rows(codes, count)]
        return np.asarray(padded[factors].prod(axis=1))

    def _add_curved(
        self, block: ConstraintBlock, numbers: IntArray, item: int, rows: Rows, moving: MovingTerms
    ) -> None:
        """Cones for the curved rows of one constraint, a cone for each finite side; flat rows stay rows."""
        alone = np.array([item])
        rows, moving = taken(block, alone, rows, moving)
        now = self._inserted(rows, moving)
        lower, upper = block.kind[1].bounds(block.sets.take(alone).numbers)  # type: ignore[misc]
        if len(moving):
            self._fragile.setdefault(block.kind, set()).add(int(numbers[item]))
        if self.graph.is_lacking(_CONE_OF_ROW):
            raise self._refusal(_CONE_OF_ROW)
        for row in range(now.m):
            one = now.take(np.array([row]))
            for bound, sign in ((upper[row], 1.0), (lower[row], -1.0)):
                if np.isfinite(bound) and sign * (bound - one.constant[0]) < np.inf:  # a parameter may be infinite
                    self._add_cone_of_row(block.kind, numbers[alone], row, one, sign, float(bound), now.m)

    def _add_cone_of_row(
        self, kind: Kind, numbers: IntArray, row: int, function: Rows, sign: float, bound: float, m: int
    ) -> None:
        cone = cone_of_row(function, sign, bound)
        root = self._composite(_CONE_OF_ROW, RotatedSecondOrderCone(cone.m))
        for one in root.stand_ins:
            adjoint = np.zeros((m, one.p))
            adjoint[row] = -sign * one.adjoint.toarray()[1]
            stands = replace(one, adjoint=sp.csr_array(adjoint), is_identity=False)
            self._new_cone(
                kind,
                numbers,
                root,
                stands,
                cone.mapped(one.A),
                MovingTerms.none(),
                no_extra(1),
                one.A @ cone.constant,
                sign,
            )

    # ------------------------------------------------------------------ other sets
    def _lower_sets(
        self, store: Store, block: ConstraintBlock, numbers: IntArray, rows: Rows, moving: MovingTerms
    ) -> None:
        kind = reachable_kind(block.kind)
        if kind[0].degree > 1:  # the parameters inserted it must be affine
            if len(rows.qrow) or (moving.second >= 0).any():
                raise self._refusal(kind)
            kind = (VectorAffineFunction if kind[1].is_vector else ScalarAffineFunction, kind[1])
        if self.graph.is_lacking(kind):
            raise self._refusal(kind)
        bridge = self.graph.bridge(kind)
        if bridge is None or not bridge.looks_at_functions:
            for items in grouped(block.sets.shapes or [0] * block.count):
                self._add_stand_ins(
                    block, numbers, items, rows, moving, self._composite(kind, block.sets.set(int(items[0])))
                )
            return
        whole = ConstraintBlock(kind[0], block.rows, block.sets)
        asked: list[Rows] = []  # for their bounds, which may move

        def bounds(functions: Rows) -> tuple[FloatArray, FloatArray]:
            asked.append(functions)
            return self._bounds_of(store, functions)

        for items, lift in bridge.lifts(whole, bounds) or ():
            composite = compose(self.graph, kind, block.sets.set(int(items[0])), lift)
            self._add_stand_ins(block, numbers, items, rows, moving, composite)
        if asked:
            self._fragile.setdefault(block.kind, set()).update(numbers.tolist())

    def _add_stand_ins(
        self,
        block: ConstraintBlock,
        numbers: IntArray,
        items: IntArray,
        rows: Rows,
        moving: MovingTerms,
        composite: Composite,
    ) -> None:
        """All that stands for some equal constraints."""
        rows, moving = taken(block, items, rows, moving)
        mine, k, e = numbers[items], len(items), composite.extra
        extra = self.form.add_columns(k * e).reshape(k, e)
        self.is_user.extend(np.zeros(k * e, np.bool_))
        g, theta = values_of(block, items)
        for one in composite.stand_ins:
            if one.kind[0] is VariableIndex:
                self._add_membership(block.kind, mine, composite, one, rows, extra, (g, theta))
                continue
            below, moved = mapped(rows, moving, one, k, extra)
            if is_box(one.kind[1]):
                self._new_rows(block.kind, mine, composite, one, below, moved, extra, (g, theta))
            else:
                constants = constants_of(one, g, theta).ravel()
                self._new_cone(block.kind, mine, composite, one, below, moved, extra, constants)
        if not composite.stand_ins:
            nothing = np.zeros(0, np.int64)
            empty = StandIn.of_nothing(block.kind, g.shape[1], theta.shape[1])
            self._add_chunk(Chunk(block.kind, mine, composite, empty, Place.ROWS, nothing, extra))

    def _add_membership(
        self,
        kind: Kind,
        numbers: IntArray,
        composite: Composite,
        one: StandIn,
        rows: Rows,
        extra: IntArray,
        values: tuple[FloatArray, FloatArray],
    ) -> None:
        """Bounds or discreteness of columns, of the model's or of extra ones."""
        at = extra[:, one.members].ravel() if one.is_membership else rows.var
        set_type = one.kind[1]
        place = Place.BOUNDS if is_box(set_type) else Place.KINDS
        chunk = Chunk(kind, numbers, composite, one, place, at, extra, UPPER_OR_LOWER.get(set_type, 0))
        self._add_chunk(chunk)
        if len(at) != len(numbers) * one.p:
            raise UnsupportedConstraint(f"A parameter cannot be in {set_type.__name__}: it is data, held at its value.")
        if set_type in (Semicontinuous, Semiinteger):
            theta = numbers_of(one, values[1]).reshape(-1, 2)
            self.form.set_bounds(at, theta[:, 0], theta[:, 1])
        if place is Place.KINDS:
            self._set_kinds(at)
        else:
            self._set_sides(chunk, np.arange(len(numbers)), values)

    def _set_kinds(self, columns: IntArray) -> None:
        """Read again what values columns take."""
        found = np.zeros((2, len(columns)), np.uint8)
        for chunks in self.chunks.values():
            for chunk in chunks:
                if chunk.place is not Place.KINDS:
                    continue
                alive = chunk.positions[chunk.rows_of(np.flatnonzero(chunk.alive))]
                there = np.isin(columns, alive)
                set_type = chunk.stand_in.kind[1]
                found[0, there] = np.maximum(found[0, there], _DISCRETE[set_type])
                found[1, there] |= set_type is ZeroOne
        for value in np.unique(found[0]).tolist():
            for binary in (False, True):
                which = columns[(found[0] == value) & (found[1] == binary)]
                if len(which):
                    self.form.set_discreteness(which, Discreteness(value), binary=binary)

    # ------------------------------------------------------------------ what was relied upon
    def _bounds_of(self, store: Store, rows: Rows) -> tuple[FloatArray, FloatArray]:
        """Lower and upper bounds of affine rows, from those of the columns and the parameters' values."""
        parameters = self.parameters
        if parameters is not None:
            everything = np.ones(len(rows.terms().row), bool)
            rows = Rows.of_terms(rows.constant, parameters.filled(rows.terms(), everything))
        rows = rows.canonical()
        columns, form = self.column_of(rows.var, store.base), self.form
        low, high = (side[columns] for side in self._bounds_of_columns())
        binary, semi = form.binary[columns], form.discreteness[columns] >= Discreteness.SEMICONTINUOUS
        low = np.where(semi, np.minimum(low, 0.0), np.where(binary, np.maximum(low, 0.0), low))
        high = np.where(semi, np.maximum(high, 0.0), np.where(binary, np.minimum(high, 1.0), high))
        ends = rows.coef * low, rows.coef * high
        lower, upper = rows.constant.copy(), rows.constant.copy()
        np.add.at(lower, rows.row, np.minimum(*ends))
        np.add.at(upper, rows.row, np.maximum(*ends))
        return lower, upper

    def _bounds_of_columns(self) -> tuple[FloatArray, FloatArray]:
        """Those that are bounds, and rows of plain variables."""
        form = self.form
        lower, upper = form.lower.copy(), form.upper.copy()
        for kind, chunks in self.chunks.items():
            if kind[0] is not VectorOfVariables or not is_box(kind[1]):
                continue
            for chunk in chunks:
                at = chunk.positions[chunk.rows_of(np.flatnonzero(chunk.alive))]
                ends = form.A.indptr
                at = at[ends[at + 1] - ends[at] == 1]  # a parameter among them is no entry
                columns = form.A.indices[ends[at]]
                np.maximum.at(lower, columns, form.row_lower[at])
                np.minimum.at(upper, columns, form.row_upper[at])
        return lower, upper

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

    # ------------------------------------------------------------------ cones
    def _new_cone(
        self,
        kind: Kind,
        numbers: IntArray,
        composite: Composite,
        one: StandIn,
        rows: Rows,
        moving: MovingTerms,
        extra: IntArray,
        constants: FloatArray,
        sign: float = 0.0,
    ) -> None:
        sets = one.sets(len(numbers))
        columns = ConeNumbers(rows.row, rows.var, rows.coef, constants, sets)
        positions = np.arange(len(constants))
        chunk = Chunk(
            kind, numbers, composite, one, Place.CONES, positions, extra, moving=moving, cone=columns, sign=sign
        )
        self._add_chunk(chunk)
        self._cones_are_due = True

    def cone_chunks(self) -> list[Chunk]:
        """All chunks of cones, in the order of their rows."""
        return [chunk for chunks in self.chunks.values() for chunk in chunks if chunk.place is Place.CONES]

    def _assemble_cones(self) -> None:
        """F, g and the cones of what is alive."""
        self._cones_are_due = False
        self._hold_still()
        start, parts, cones = 0, [], []
        constants = [np.zeros(0)]
        for chunk in self.cone_chunks():
            if not chunk.alive.all():
                chunk.shrink()
            numbers = chunk.cone
            assert numbers is not None
            chunk.start, count = start, len(numbers.constant)
            moving = chunk.moving
            affine = np.flatnonzero((moving.first >= 0) & (moving.second < 0))
            row = np.concatenate([numbers.row, moving.row[affine]]) + start
            column = np.concatenate([numbers.column, moving.first[affine]])
            parts.append((row, column, np.concatenate([numbers.coef, np.zeros(len(affine))])))
            constants.append(numbers.constant)
            if count:
                cones.append(Cones(numbers.sets, slice(start, start + count)))
            start += count
            self._moving_is_due |= bool(len(moving))
        if parts:
            row, column, coef = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
            F = sp.csr_array(sp.coo_array((coef, (row, column)), shape=(start, self.form.n)))
        else:
            F = sp.csr_array((0, self.form.n))
        self.form.set_cones(F, np.concatenate(constants), cones)

    # ------------------------------------------------------------------ the objective
    def _sync_objective(self, store: Store) -> None:
        block = store.objective_block
        seen = block, -1 if block is None else block.log.position, store.sense
        if seen == self._objective and self.form.n == self._objective_columns:
            return
        self._hold_still()
        self._objective, self._objective_columns = seen, self.form.n
        self.sign = -1.0 if store.sense is ObjectiveSenseCode.MAX_SENSE else 1.0
        rows = Rows(np.zeros(1)) if block is None else block.all_rows().scaled(np.array([self.sign]))
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

    def _assemble_moving(self) -> None:
        self._moving_is_due = False
        parts = [chunk for chunks in self.chunks.values() for chunk in chunks if len(chunk.moving)]
        if self.parameters is None or not (parts or len(self._objective_moving)):
            self.moving = None
            return
        self._hold_still()
        self._moving_is_due = False
        self.moving = MovingNumbers(
            self.form, parts, self._objective_moving, self._table, len(self.parameters.values), self._curved
        )
        self.moving.apply(self.form, self.parameters.values)


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
