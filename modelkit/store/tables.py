"""The tables of a store: its variables, the constraints kind by kind, objective, names and values; and what is where.

Variables and the constraints of each kind are numbered from 0; identifiers add `base`, a number of the store's own in
the high bits, by which an index of another model is recognized.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from .. import attributes as attr
from ..arrays import IntArray
from ..errors import InvalidIndex
from ..functions import ScalarAffineFunction, VariableIndex, VectorOfVariables
from ..functions.abstract_function import build
from ..functions.notation import to_text
from ..functions.operations import in_order, operations_in, without_operations
from ..functions.rows import Rows
from ..indices import ConstraintIndex, ConstraintIndices, Index, Kind, describe_kind
from ..naming import announce, name_of_constraint
from ..operators import Operator
from .checks import describe
from .graphs import GRAPHS, Graphs
from .plain_constraints import PlainConstraints
from .storage import Block

__all__ = ["FEW", "MOST_VARIABLES", "Tables"]

_serials = itertools.count(1)
_taken: set[int] = set()
"""Serial numbers that came with stores from elsewhere. (`next` and `add` are one step each for all threads.)"""
MOST_VARIABLES = 2**31 - 1  # solvers count columns in 32 bits, and so do the low bits of identifiers
FEW = 32  # identifiers; up to so many, a loop beats arrays
_FEASIBILITY = attr.ObjectiveSenseCode.FEASIBILITY_SENSE


class Tables:
    """What a store holds; whoever writes into it has checked before."""

    def __init__(self) -> None:
        self.base = next(serial for serial in _serials if serial not in _taken) << 32
        self._values: dict[attr.Attribute, dict[Any, Any]] = {}
        self.empty()

    def empty(self) -> None:
        """Drop everything but the optimizer attributes."""
        self._count = 0
        self.unbounded = False  # whether parameters may be infinite
        self._dead: set[int] = set()
        self._blocks: dict[Kind, Block] = {}
        self._plain = PlainConstraints()
        self._sense = _FEASIBILITY
        self._objective: Block | None = None
        self._values = {a: values for a, values in self._values.items() if a.on is attr.On.OPTIMIZER}
        self._names: dict[attr.Attribute, dict[str, list[Any]]] = {}  # made when a name is looked up
        self._taken: frozenset[str] | None = None  # the names of variables
        self.graphs = Graphs()

    def is_empty(self) -> bool:
        """Whether there is nothing in it."""
        return not self._count and not self.kinds() and self._objective is None

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Come back from a pickle, and see to it that stores made from now on have other identifiers."""
        self.__dict__.update(state)
        _taken.add(self.base >> 32)
        if any(isinstance(a, (attr.VariableName, attr.ConstraintName)) for a in self._values):
            announce(self)

    # ------------------------------------------------------------------ variables
    def variable_ids(self, first: int = 0) -> IntArray:
        """Identifiers of the user's variables that exist, from number `first` on, in order of creation."""
        ids = self.every_variable_id(first)
        lifted = self.graphs.ids(self)
        return ids[~np.isin(ids, lifted)] if len(lifted) else ids

    def every_variable_id(self, first: int = 0) -> IntArray:
        """The same with those that stand for values of operators."""
        numbers = np.arange(first, self._count)
        if self._dead:
            numbers = numbers[~np.isin(numbers, list(self._dead))]
        return numbers + self.base

    @property
    def variable_count(self) -> int:
        """Number of variables ever made, deleted ones included."""
        return self._count

    @property
    def constraint_count(self) -> int:
        """Number of constraints ever added, deleted ones included."""
        return sum([block.total for block in self._blocks.values()])

    @property
    def variables_alive(self) -> int:
        """Number of the user's variables that exist."""
        return self._count - len(self._dead) - len(self.graphs.lifted(self))

    def check_ids(self, ids: Any) -> None:
        """Raise `InvalidIndex` unless all identifiers are of variables of this store."""
        if type(ids) is list and len(ids) <= FEW:
            base, end, dead = self.base, self.base + self._count, self._dead
            for i in ids:
                if not base <= i < end or (dead and i - base in dead):
                    raise InvalidIndex(describe(i, self))
            return
        array = np.asarray(ids, np.int64)
        if not array.size:
            return
        if not self._dead and array.min() >= self.base and array.max() < self.base + self._count:
            return
        numbers = array - self.base
        bad = (numbers < 0) | (numbers >= self._count)
        if self._dead:
            bad |= np.isin(numbers, list(self._dead))
        if bad.any():
            raise InvalidIndex(describe(int(np.asarray(ids)[bad][0]), self))

    def check_variables(self, rows: Rows) -> None:
        """Raise `InvalidIndex` unless all variables in the rows are of this store."""
        parts = [rows.var, rows.qvar1, rows.qvar2]
        if rows.higher is not None:
            parts.append(rows.higher.factors[rows.higher.factors >= 0])
        operations = operations_in(rows)
        for ids in parts:
            self.check_ids(without_operations(ids) if operations else ids)
        for one in in_order(operations):
            for argument in one.arguments:
                self.check_ids(without_operations(argument.variables()))

    # ------------------------------------------------------------------ constraints
    def _block(self, kind: Kind) -> Block:
        block = self._blocks.get(kind)
        if block is None:
            block = self._blocks[kind] = Block(*kind)
        return block

    def number(self, index: ConstraintIndex) -> int:
        """Number of a constraint within its kind; raises `InvalidIndex`."""
        block = self._blocks.get(index.kind)
        if block is not None:
            plain = index.kind[0] is VariableIndex
            found = self._plain.number(index, self.base) if plain else index.value - self.base
            if block.holds(found):
                return found
        name = name_of_constraint(index)
        which = f"The constraint {name!r}" if name else f"This {describe_kind(index.kind)}"
        if index.value >> 32 != self.base >> 32:
            raise InvalidIndex(f"{which} belongs to another model; use the constraints of this one.")
        raise InvalidIndex(f"{which} is not a constraint of this model: it was deleted.")

    def numbers(self, indices: ConstraintIndices) -> IntArray:
        """Numbers of many constraints of one kind."""
        block = self._blocks.get(indices.kind)
        if block is None:
            return np.array([self.number(one) for one in indices], np.int64)
        if indices.kind[0] is VariableIndex:
            numbers = self._plain.numbers(indices, self.base)
        else:
            numbers = indices.values - self.base
        missing = block.missing(numbers)
        if missing.any():
            self.number(indices[int(np.argmax(missing))])
        return numbers

    def indices(self, kind: Kind, numbers: IntArray) -> ConstraintIndices:
        """Indices of the constraints with these numbers."""
        if kind[0] is VariableIndex:
            block = self._blocks[kind]
            return ConstraintIndices(kind, block.all_rows().var[numbers])
        return ConstraintIndices(kind, numbers + self.base)

    def kinds(self) -> list[Kind]:
        """The kinds of which there are constraints of the user's."""
        return [kind for kind in self.every_kind() if kind != GRAPHS]

    def every_kind(self) -> list[Kind]:
        """The same with graphs of operators."""
        return [kind for kind, block in self._blocks.items() if len(block)]

    def all_kinds(self) -> list[Kind]:
        """The kinds of which there are constraints, or were."""
        return list(self._blocks)

    def has_block(self, kind: Kind) -> bool:
        """Whether there are constraints of a kind, or were."""
        return kind in self._blocks

    @property
    def dead_variables(self) -> set[int]:
        """Numbers of the variables that were deleted."""
        return self._dead

    def block(self, kind: Kind) -> Block:
        """The block of a kind that is present."""
        return self._blocks[kind]

    # ------------------------------------------------------------------ validity
    def is_valid(self, index: Index) -> bool:
        """Whether the store holds the variable or constraint."""
        try:
            self.check_index(index)
        except InvalidIndex:
            return False
        return True

    def check_index(self, index: Any) -> None:
        """Raise `InvalidIndex` unless the store holds the index (or all of a vector of them)."""
        if isinstance(index, ConstraintIndex):
            self.number(index)
        elif isinstance(index, VariableIndex):
            self.check_ids([index.value])
        elif isinstance(index, VectorOfVariables):
            self.check_ids(index.ids)
        elif isinstance(index, ConstraintIndices):
            self.numbers(index)
        elif isinstance(index, (list, tuple)):
            for one in index:
                self.check_index(one)
        else:
            raise InvalidIndex(f"Expected the index of a variable or constraint, got {index!r}.")

    # ------------------------------------------------------------------ what goes with what is deleted
    @property
    def plain_constraints(self) -> PlainConstraints:
        """Which constraints there are on plain variables."""
        return self._plain

    def forget_values(self, index: Index) -> None:
        """Drop what was set on a variable or constraint."""
        for values in self._values.values():
            values.pop(index, None)

    def remove_from_functions(self, ids: IntArray) -> None:
        """Drop the terms of these variables from all functions but those of plain variables."""
        for kind, block in self._blocks.items():
            if kind[0] not in (VariableIndex, VectorOfVariables):
                block.remove_variables(ids)
        if self._objective is not None:
            if self._objective.function_type is VariableIndex:
                self._objective.function_type = ScalarAffineFunction
            self._objective.remove_variables(ids)

    def take_back_variables(self, first: int) -> None:
        """Forget the variables from number `first` on, just made and in no function, and what was set on them."""
        self._count = first
        for attribute, values in self._values.items():
            if attribute.on is attr.On.VARIABLE:
                for x in [x for x in values if x.value >= self.base + first]:
                    del values[x]
        self.forget_names()

    def bury(self, ids: set[int]) -> None:
        """Mark variables as deleted."""
        self._dead |= {i - self.base for i in ids}

    # ------------------------------------------------------------------ objective, values, names
    @property
    def sense(self) -> attr.ObjectiveSenseCode:
        """Whether the objective is minimized, maximized or absent."""
        return self._sense

    def change_sense(self, sense: attr.ObjectiveSenseCode) -> None:
        """Set the sense; feasibility erases the objective."""
        if sense is _FEASIBILITY:
            self._objective = None
        self._sense = sense

    @property
    def objective_block(self) -> Block | None:
        """The objective, a block of one row."""
        return self._objective

    def replace_objective(self, function: Any) -> Block:
        """Set the objective, to be minimized unless a sense was set."""
        self._objective = Block(type(function), None)
        self._objective.extend_objective(function.rows)
        if self._sense is _FEASIBILITY:
            self._sense = attr.ObjectiveSenseCode.MIN_SENSE
        return self._objective

    def values_of(self, attribute: attr.Attribute) -> dict[Any, Any]:
        """All values of an attribute by index, None for the model and the optimizer; to be written into, too."""
        return self._values.setdefault(attribute, {})

    def attributes_set(self, on: attr.On, kind: Kind | None = None) -> list[attr.Attribute]:
        """The attributes that were set on the model, the optimizer, variables, or constraints of a kind."""
        found: list[attr.Attribute] = []
        if on is attr.On.MODEL:
            found += [attr.ObjectiveSense()] if self._sense is not _FEASIBILITY else []
            found += [attr.ObjectiveFunction()] if self._objective is not None else []
        for attribute, values in self._values.items():
            if attribute.on is on and any(
                value not in ("", None) if index is None else kind in (None, getattr(index, "kind", None))
                for index, value in values.items()
            ):
                found.append(attribute)
        return found

    def optimizer_attributes(self) -> dict[attr.Attribute, Any]:
        """What was set of optimizer attributes."""
        return {a: values[None] for a, values in self._values.items() if a.on is attr.On.OPTIMIZER and values}

    def name_of(self, identifier: int) -> str:
        """Name of a variable by identifier; of one without ``x[k]``, or ``_x[k]`` where another one is called that."""
        name = self._values.get(attr.VariableName(), {}).get(VariableIndex(identifier), "")
        if name:
            return str(name)
        if self._taken is None:
            self._taken = frozenset(self._values.get(attr.VariableName(), {}).values())
        lifted = self.graphs.lifted(self)
        if identifier in lifted:
            return to_text(build(Rows.of_variables(np.array([identifier])), vector=False))
        before = int(self.graphs.ids(self).searchsorted(identifier)) if lifted else 0
        name = f"x[{(identifier & 0xFFFFFFFF) - before}]"
        while name in self._taken:
            name = "_" + name
        return name

    def is_named(self, identifier: int) -> bool:
        """Whether a variable has a name of its own."""
        return bool(self._values.get(attr.VariableName(), {}).get(VariableIndex(identifier)))

    def operation_at(self, identifier: int) -> tuple[Operator, list[Rows]] | None:
        """The operator of which a variable is the value, and its arguments, of one row each; None of others."""
        return self.graphs.operation_at(self, identifier)

    def name_of_constraint(self, index: ConstraintIndex) -> str:
        """Name of a constraint, "" of one without."""
        return str(self._values.get(attr.ConstraintName(), {}).get(index, ""))

    def text_of(self, rows: Rows) -> str:
        """A function of one row as text."""
        return to_text(build(rows, vector=False), self.name_of)

    def forget_names(self) -> None:
        """Names changed: the table by which they are looked up is made anew when it is needed."""
        self._names.clear()
        self._taken = None
