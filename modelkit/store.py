"""The store: a model as written, in arrays.

The file is long because the hot paths of building stand beside the checks and lists that they have to keep in step;
what can be said from outside is in `settings` (attributes), `changing`, `deletion` and `copying`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from math import isfinite
from typing import Any

import numpy as np

from . import attributes as attr
from . import deletion, settings
from .arrays import FloatArray, IntArray
from .block import ConstraintBlock
from .changing import check_changes, make_changes
from .checks import check_fit, check_numbers, check_rows, describe
from .copying import Mirror, copy_words
from .errors import DimensionMismatch, InvalidIndex, NotOptimized
from .functions import Function, ScalarAffineFunction, VariableIndex, VectorOfVariables
from .functions.printing import local_name
from .indices import ConstraintIndex, ConstraintIndices, Index, IndexMap, Kind, describe_kind
from .modifications import Modification
from .parameters import of_ray
from .plain_constraints import PlainConstraints
from .protocol import AbstractModel
from .rows import Rows
from .sets import ScalarSet, Set
from .storage import Block

__all__ = ["Store"]

_serial = itertools.count(1)
_FEW = 32  # up to so many, a loop beats arrays
_FEASIBILITY = attr.ObjectiveSenseCode.FEASIBILITY_SENSE


class Store(AbstractModel):
    """A model of any functions in any sets, with names and starting values; it cannot be solved by itself.

    Variables and the constraints of each kind are numbered from 0; identifiers add `base`, a number of the
    store's own in the high bits, by which an index of another model is recognized.

    Every change is checked first, so a refused one leaves the store as it was.

    Examples
    --------
    >>> import optangent as ot
    >>> store = ot.Store()
    >>> x = store.add_variable()
    >>> c = store.add_constraint(2.0 * x, ot.LessThan(3.0))
    >>> store.modify(c, ot.ScalarCoefficientChange(x, 5.0))
    >>> store.get(ot.ConstraintFunction(), c), store.get(ot.ConstraintSet(), c)
    (5 x[0], LessThan(3.0))
    """

    def __init__(self) -> None:
        self.base = next(_serial) << 32
        self._values: dict[attr.Attribute, dict[Any, Any]] = {}
        self.empty()

    def empty(self) -> None:
        """Drop everything but the optimizer attributes."""
        self._count = 0
        self._dead: set[int] = set()
        self._blocks: dict[Kind, Block] = {}
        self._plain = PlainConstraints()
        self._sense = _FEASIBILITY
        self._objective: Block | None = None
        self._values = {a: values for a, values in self._values.items() if a.on is attr.On.OPTIMIZER}
        self._names: dict[attr.Attribute, dict[str, list[Any]]] = {}  # made when a name is looked up

    def is_empty(self) -> bool:
        """Whether there is nothing in it."""
        return not self._count and not self.kinds() and self._objective is None

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Come back from a pickle, and see to it that stores made from now on have other identifiers."""
        global _serial
        self.__dict__.update(state)
        _serial = itertools.count(max(next(_serial), (self.base >> 32) + 1))

    # ------------------------------------------------------------------ variables
    def add_variable(self) -> VariableIndex:
        """Add one free variable."""
        value = self.base + self._count
        self._count += 1
        return VariableIndex(value)

    def add_variables(self, count: int) -> VectorOfVariables:
        """Add free variables."""
        first = self.base + self._count
        self._count += int(count)
        return VectorOfVariables.of_ids(np.arange(first, first + int(count)))

    def variable_ids(self, first: int = 0) -> IntArray:
        """Identifiers of the variables that exist, from number `first` on, in order of creation."""
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
        """Number of variables that exist."""
        return self._count - len(self._dead)

    def check_ids(self, ids: Any) -> None:
        """Raise `InvalidIndex` unless all identifiers are of variables of this store."""
        if type(ids) is list and len(ids) <= _FEW:
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
        for ids in (rows.var, rows.qvar1, rows.qvar2):
            self.check_ids(ids)
        if rows.higher is not None:
            self.check_ids(rows.higher.factors[rows.higher.factors >= 0])

    # ------------------------------------------------------------------ constraints
    def add_constraint(self, function: Any, set: Any) -> ConstraintIndex:
        """Add ``function in set``."""
        kind = (type(function), type(set))
        block = self._blocks.get(kind)
        if block is None or not block.by_hand:
            check_fit(function, set)
            if kind[1].is_vector or kind[0].degree >= 2:
                return super().add_constraint(function, set)
            block = self._block(kind)
        # the hot path: one row written by hand
        ids, coefs = function.terms
        if self._dead or len(ids) > _FEW:
            self.check_ids(ids)
        else:
            base, end = self.base, self.base + self._count
            for i in ids:
                if not base <= i < end:
                    raise InvalidIndex(describe(i, self))
        numbers = set.row()
        if not isfinite(sum(coefs, sum(numbers, function.constant))) or (numbers and numbers[0] > numbers[-1]):
            check_rows(function.rows)
            check_numbers(kind[1], set.numbers)
        if kind[0] is VariableIndex:
            self._plain.claim_one(kind, ids[0], block.total, self)
            block.append_plain(ids[0], numbers)
            return ConstraintIndex(kind, ids[0])
        return ConstraintIndex(kind, self.base + block.append_affine(ids, coefs, function.constant, numbers))

    def add_constrained_variable(self, set: ScalarSet) -> tuple[VariableIndex, ConstraintIndex]:
        """Add a variable in a set."""
        check_fit(VariableIndex(self.base), set)
        value = self.add_variable_in((VariableIndex, type(set)), set.row())
        return VariableIndex(value), ConstraintIndex((VariableIndex, type(set)), value)

    def add_variable_in(self, kind: Kind, numbers: tuple[float, ...]) -> int:
        """Add a variable in the scalar set with these numbers; returns its identifier (the hot path)."""
        if numbers and (not isfinite(sum(numbers)) or numbers[0] > numbers[-1]):
            check_numbers(kind[1], np.array([numbers]))
        block = self._blocks.get(kind)
        if block is None:
            block = self._block(kind)
        number = self._count
        self._plain.claim_new(kind, number, block.total)
        self._count = number + 1
        value = self.base + number
        block.append_plain(value, numbers)
        return value

    def add_block(self, block: ConstraintBlock) -> ConstraintIndices:
        """Add many constraints of one kind."""
        kind = block.kind
        self.check_variables(block.rows)
        check_rows(block.rows)
        check_numbers(kind[1], block.sets.numbers)
        if kind[0] is not VariableIndex:
            return ConstraintIndices(kind, self._block(kind).extend(block) + self.base)
        ids = VectorOfVariables.from_rows(block.rows).ids
        self._plain.check(kind, ids, self)
        self._plain.claim(kind, ids, self._block(kind).extend(block), self.base)
        return ConstraintIndices(kind, ids)

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
        raise InvalidIndex(
            f"{index!r} is not a constraint of this model: it was deleted, or it belongs to another model."
        )

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
        """The kinds of which there are constraints."""
        return [kind for kind, block in self._blocks.items() if len(block)]

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

    # ------------------------------------------------------------------ deletion: the parts that touch our fields
    def delete(self, index: Any) -> None:
        """Delete a variable or constraint, or a sequence of them.

        A deleted variable leaves all functions; bounds on it go with it. A vector of plain variables in a cone
        shrinks if the cone has any dimension, otherwise only all of its variables together can be deleted.
        """
        deletion.delete(self, deletion.items_of(index))

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

    def bury(self, ids: set[int]) -> None:
        """Mark variables as deleted."""
        self._dead |= {i - self.base for i in ids}

    # ------------------------------------------------------------------ modification
    def modify(
        self, target: ConstraintIndex | attr.ObjectiveFunction, change: Modification | Sequence[Modification]
    ) -> None:
        """Change coefficients or constants."""
        make_changes(self, target, check_changes(self, target, change))

    def set_functions(self, indices: ConstraintIndices, rows: Rows) -> None:
        """Give many constraints of one kind other functions, whose rows stand one below the other."""
        numbers, kind = self.numbers(indices), indices.kind
        if not len(numbers):
            return
        if kind[0] is VariableIndex:
            settings.refuse_another_variable()
        block = self._blocks[kind]
        if rows.m != len(block.rows_of(numbers)) or rows.degree > max(kind[0].degree, 1):
            raise DimensionMismatch(f"{len(numbers)} {describe_kind(kind)} cannot take these {rows.m} rows.")
        self.check_variables(rows)
        check_rows(rows)
        block.set_rows(numbers, rows)

    def check_modification(self, target: ConstraintIndex | attr.ObjectiveFunction, changes: Any) -> None:
        """Raise unless `modify` would accept the changes."""
        check_changes(self, target, changes)

    # ------------------------------------------------------------------ attributes
    def supports(self, attribute: attr.Attribute) -> bool:
        """Everything that can be set."""
        return attribute.settable

    def supports_constraint(self, function_type: type[Function], set_type: type[Set]) -> bool:
        """Every kind."""
        return True

    def supports_objective(self, function_type: type[Function]) -> bool:
        """Every type."""
        return True

    def get(self, attribute: attr.Attribute, index: Any = None) -> Any:
        """Value of an attribute that is data; a result there is none."""
        return settings.get(self, attribute, index)

    def set(self, attribute: attr.Attribute, *index_and_value: Any) -> None:
        """Set an attribute that is data, of one index or of many at once."""
        self.apply_setting(attribute, self.check_setting(attribute, *index_and_value))

    def check_setting(self, attribute: attr.Attribute, *index_and_value: Any) -> list[tuple[Any, Any]]:
        """The checked pairs (index, value) that `set` would set; raises unless all may be set."""
        return settings.checked_pairs(self, attribute, *index_and_value)

    def apply_setting(self, attribute: attr.Attribute, pairs: list[tuple[Any, Any]]) -> None:
        """Set what `check_setting` gave."""
        settings.apply(self, attribute, pairs)

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

    def optimizer_attributes(self) -> dict[attr.Attribute, Any]:
        """What was set of optimizer attributes."""
        return {a: values[None] for a, values in self._values.items() if a.on is attr.On.OPTIMIZER and values}

    def name_of(self, identifier: int) -> str:
        """Name of a variable by identifier, ``x[k]`` of one without."""
        return self.values_of(attr.VariableName()).get(VariableIndex(identifier), "") or local_name(identifier)

    def by_name(self, attribute: attr.Attribute, name: str) -> Any:
        """The variable or constraint of this name; raises `InvalidIndex` where there is none, or several."""
        if attribute not in self._names:
            self._names[attribute] = settings.by_name(self.values_of(attribute))
        return settings.the_one(attribute, name, self._names[attribute].get(name, []))

    def forget_names(self) -> None:
        """Names changed: the table by which they are looked up is made anew when it is needed."""
        self._names.clear()

    # ------------------------------------------------------------------ the whole
    def evaluate(
        self, index: Any, value: Callable[[IntArray], FloatArray], constants: bool = True
    ) -> float | FloatArray:
        """Value of the functions of one constraint, or of many (rows stacked), where ``x[id] = value(id)``.

        Without constants for a ray, along which the parameters in products keep their values.
        """
        if isinstance(index, ConstraintIndex):
            rows = self._blocks[index.kind].rows(self.number(index))
        elif len(numbers := self.numbers(index)):
            block = self._blocks[index.kind]
            rows = block.all_rows().take(block.rows_of(numbers))
        else:
            return np.zeros(0)
        out = (rows if constants else of_ray(self, rows)).evaluate(value)
        return float(out[0]) if isinstance(index, ConstraintIndex) and not index.kind[1].is_vector else out

    def copy_to(self, destination: AbstractModel) -> IndexMap:
        """Empty the destination and build this model there, names included where it takes them."""
        index_map = Mirror(self, destination).index_map
        copy_words(self, destination, index_map)
        return index_map

    def optimize(self) -> None:
        """Refused: a store holds a model, it does not solve it."""
        raise NotOptimized("A store cannot solve its model; attach an optimizer, e.g. ot.Model(ot.solvers.HiGHS).")
