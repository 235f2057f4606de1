"""The store: a model as written, in arrays."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import attributes as attr
from .block import Block, ConstraintBlock, Growable
from .checks import (
    UPPER_OR_LOWER,
    check_change,
    check_numbers,
    check_rows,
    describe,
)
from .copying import Mirror
from .errors import (
    BoundAlreadySet,
    InvalidData,
    InvalidIndex,
    NotOptimized,
    UnsupportedAttribute,
    UnsupportedModification,
)
from .functions import Function, ScalarAffineFunction, ScalarFunction, VariableIndex, VectorOfVariables
from .indices import ConstraintIndex, ConstraintIndices, IndexMap, Kind
from .modifications import (
    Modification,
    MultirowChange,
    ScalarCoefficientChange,
    ScalarConstantChange,
    ScalarQuadraticCoefficientChange,
    VectorConstantChange,
)
from .protocol import AbstractModel, check_fit
from .rows import FloatArray, IntArray
from .sets import Nonnegatives, Nonpositives, Reals, Set, Zeros

__all__ = ["Store"]

_serial = itertools.count(1)
_SHRINKABLE = (Nonnegatives, Nonpositives, Reals, Zeros)
_MIN, _MAX, _FEASIBILITY = (
    attr.ObjectiveSenseCode.MIN_SENSE,
    attr.ObjectiveSenseCode.MAX_SENSE,
    attr.ObjectiveSenseCode.FEASIBILITY_SENSE,
)


class Store(AbstractModel):
    """A model of any functions in any sets, with names and starting values; it cannot be solved by itself.

    Variables and the constraints of each kind are numbered from 0; identifiers add `base`, a number of the
    store's own in the high bits, by which an index of another model is recognized.

    Every change is checked first, so a refused one leaves the store as it was.
    """

    def __init__(self) -> None:
        self.base = next(_serial) << 32
        self._optimizer_attributes: dict[attr.Attribute, Any] = {}
        self.empty()

    def empty(self) -> None:
        """Drop everything but the optimizer attributes."""
        self._count = 0
        self._dead: set[int] = set()
        self._bounds = Growable(np.uint8)  # bit 1: a lower bound is set, bit 2: an upper one
        self._blocks: dict[Kind, Block] = {}
        self._bound_at: dict[Kind, dict[int, int]] = {}  # of constraints on plain variables: number by variable
        self._sense = _FEASIBILITY
        self._objective: Block | None = None
        self._model_attributes: dict[attr.Attribute, Any] = {}
        self._index_attributes: dict[attr.Attribute, dict[Any, Any]] = {}

    def is_empty(self) -> bool:
        """Whether there is nothing in it."""
        return not self._count and not self._blocks and self._objective is None

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

    def check_ids(self, ids: Any) -> None:
        """Raise `InvalidIndex` unless all identifiers are of variables of this store."""
        if type(ids) is list and len(ids) < 32:
            base, end, dead = self.base, self.base + self._count, self._dead
            for i in ids:
                if not base <= i < end or (dead and i - base in dead):
                    raise InvalidIndex(describe(i, self))
            return
        numbers = np.asarray(ids, np.int64) - self.base
        bad = (numbers < 0) | (numbers >= self._count)
        if self._dead:
            bad |= np.isin(numbers, list(self._dead))
        if bad.any():
            raise InvalidIndex(describe(int(np.asarray(ids)[bad][0]), self))

    # ------------------------------------------------------------------ constraints
    def add_constraint(self, function: Function, set: Set) -> ConstraintIndex:  # noqa: A002
        """Add ``function in set``."""
        kind = (type(function), type(set))
        if kind[0] is not ScalarAffineFunction or set.is_vector:
            check_fit(function, set)
            return super().add_constraint(function, set)
        # the hot path: one row written by hand
        assert isinstance(function, ScalarAffineFunction)
        ids, coefs = function.terms
        if type(ids) is not list:
            ids, coefs = ids.tolist(), coefs.tolist()
        self.check_ids(ids)
        numbers = [getattr(set, name) for name in set.fields]
        if not math.isfinite(sum(coefs) + function.constant):
            check_rows(function.rows)
        if not math.isfinite(sum(numbers)):
            check_numbers(type(set), set.numbers)
        elif len(numbers) == 2 and numbers[0] > numbers[1]:
            check_numbers(type(set), set.numbers)
        number = self._block(kind).append_affine(ids, coefs, function.constant, numbers)
        return ConstraintIndex(kind, self.base + number)

    def add_block(self, block: ConstraintBlock) -> ConstraintIndices:
        """Add many constraints of one kind."""
        kind = block.kind
        self.check_ids(block.rows.variables())
        check_rows(block.rows)
        check_numbers(kind[1], block.sets.numbers)
        if kind[0] is not VariableIndex:
            return ConstraintIndices(kind, self._block(kind).extend(block) + self.base)
        ids = VectorOfVariables.from_rows(block.rows).ids
        self._claim_bounds(kind, ids)
        numbers = self._block(kind).extend(block)
        self._bound_at.setdefault(kind, {}).update(zip(ids.tolist(), numbers.tolist(), strict=True))
        return ConstraintIndices(kind, ids)

    def _block(self, kind: Kind) -> Block:
        block = self._blocks.get(kind)
        if block is None:
            block = self._blocks[kind] = Block(*kind)
        return block

    def _claim_bounds(self, kind: Kind, ids: IntArray) -> None:
        """Mark the bounds that constraints on plain variables set; each side once."""
        name = kind[1].__name__
        known = self._bound_at.get(kind, {})
        twice = [i for i in ids.tolist() if i in known] if known else []
        if twice or len(np.unique(ids)) < len(ids):
            raise BoundAlreadySet(
                f"{describe(twice[0], self) if twice else 'A variable'} is in a {name} already; "
                "set ConstraintSet of that constraint instead, or delete it first."
            )
        sides = UPPER_OR_LOWER.get(kind[1], 0)
        if not sides:
            return
        if len(self._bounds) < self._count:
            self._bounds.extend(np.zeros(self._count - len(self._bounds), np.uint8))
        at = ids - self.base
        taken = self._bounds.view[at] & sides
        if taken.any():
            where = int(np.flatnonzero(taken)[0])
            side = "a lower" if taken[where] & 1 else "an upper"
            raise BoundAlreadySet(
                f"{describe(int(ids[where]), self)} has {side} bound already, {name} would set another; "
                f"write the second one as an affine constraint (1.0 * x), or change the first one's ConstraintSet."
            )
        self._bounds.view[at] |= np.uint8(sides)

    def number(self, index: ConstraintIndex) -> int:
        """Number of a constraint within its kind; raises `InvalidIndex`."""
        block = self._blocks.get(index.kind)
        if block is not None:
            if index.kind[0] is VariableIndex:
                found = self._bound_at[index.kind].get(index.value, -1)
            else:
                found = index.value - self.base
            if block.holds(found):
                return found
        raise InvalidIndex(
            f"{index!r} is not a constraint of this model: it was deleted, or it belongs to another model."
        )

    def numbers(self, indices: ConstraintIndices) -> IntArray:
        """Numbers of many constraints of one kind."""
        if indices.kind[0] is VariableIndex or (b := self._blocks.get(indices.kind)) is None or len(b) != b.total:
            return np.array([self.number(i) for i in indices], np.int64)
        numbers = indices.values - self.base
        if len(numbers) and not (b.holds(int(numbers.min())) and b.holds(int(numbers.max()))):
            self.number(indices[int(np.argmin(numbers))])
            self.number(indices[int(np.argmax(numbers))])
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

    # ------------------------------------------------------------------ validity, deletion
    def is_valid(self, index: VariableIndex | ConstraintIndex) -> bool:
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
        else:
            raise InvalidIndex(f"Expected the index of a variable or constraint, got {index!r}.")

    def delete(self, index: Any) -> None:
        """Delete a variable or constraint, or a sequence of them.

        A deleted variable leaves all functions; bounds on it go with it. A vector of plain variables in a cone
        shrinks if the cone has any dimension, otherwise only all of its variables together can be deleted.
        """
        if isinstance(index, (ConstraintIndex, VariableIndex)):
            index = [index]
        items = list(index)
        for item in items:
            self.check_index(item)
        ids = np.array([i.value for i in items if isinstance(i, VariableIndex)], np.int64)
        vectors = self._vectors_losing(ids) if len(ids) else []
        for item in items:
            if isinstance(item, ConstraintIndex):
                self._delete_constraint(item)
        if len(ids):
            self._delete_variables(ids, vectors)

    def _vectors_losing(self, ids: IntArray) -> list[tuple[ConstraintIndex, IntArray]]:
        """Constraints on vectors of plain variables that lose some; refused where the set cannot shrink."""
        found = []
        for kind in self.kinds():
            if kind[0] is not VectorOfVariables:
                continue
            block = self._blocks[kind]
            for number in block.numbers_alive().tolist():
                lost = np.flatnonzero(np.isin(block.rows(number).var, ids))
                if not len(lost):
                    continue
                if kind[1] not in _SHRINKABLE and len(lost) < block.rows(number).m:
                    raise UnsupportedModification(
                        f"The variable is part of a vector in {block.set(number)!r}, which cannot lose a row; "
                        "delete that constraint first, or all its variables together."
                    )
                found.append((ConstraintIndex(kind, self.base + number), lost))
        return found

    def _delete_constraint(self, index: ConstraintIndex) -> None:
        number = self.number(index)
        self._blocks[index.kind].remove(number)
        if index.kind[0] is VariableIndex:
            del self._bound_at[index.kind][index.value]
            sides = UPPER_OR_LOWER.get(index.kind[1], 0)
            if sides:
                self._bounds.view[index.value - self.base] &= np.uint8(~sides & 0xFF)
        for values in self._index_attributes.values():
            values.pop(index, None)

    def _delete_variables(self, ids: IntArray, vectors: list[tuple[ConstraintIndex, IntArray]]) -> None:
        for index, lost in vectors:
            block, number = self._blocks[index.kind], self.number(index)
            if len(lost) == block.rows(number).m:
                self._delete_constraint(index)
            else:
                block.shrink(number, lost)
        gone = set(ids.tolist())
        for kind, at in self._bound_at.items():
            for i in gone.intersection(at):
                self._delete_constraint(ConstraintIndex(kind, i))
        for kind, block in self._blocks.items():
            if kind[0] not in (VariableIndex, VectorOfVariables):
                block.remove_variables(ids)
        if self._objective is not None:
            self._objective.remove_variables(ids)
        for values in self._index_attributes.values():
            for i in gone:
                values.pop(VariableIndex(i), None)
        self._dead |= {i - self.base for i in gone}

    # ------------------------------------------------------------------ modification
    def modify(
        self, target: ConstraintIndex | attr.ObjectiveFunction, change: Modification | Sequence[Modification]
    ) -> None:
        """Change coefficients or constants."""
        changes = [change] if isinstance(change, Modification) else list(change)
        self.check_modification(target, changes)
        if isinstance(target, ConstraintIndex):
            number, block = self.number(target), self._blocks[target.kind]
        else:
            if self._objective is None:
                self._set_objective(ScalarAffineFunction())
            assert self._objective is not None
            number, block = 0, self._objective
        for one in changes:
            if isinstance(one, ScalarConstantChange):
                block.set_constants(number, one.new_constant)
            elif isinstance(one, VectorConstantChange):
                block.set_constants(number, one.new_constant)
            elif isinstance(one, ScalarCoefficientChange):
                block.set_coefficient(number, 0, one.variable.value, one.new_coefficient)
            elif isinstance(one, MultirowChange):
                for row, value in one.new_coefficients:
                    block.set_coefficient(number, row, one.variable.value, value)
            elif isinstance(one, ScalarQuadraticCoefficientChange):
                v1, v2 = one.variable_1.value, one.variable_2.value
                block.set_quadratic_coefficient(number, 0, v1, v2, one.new_coefficient)

    def check_modification(
        self, target: ConstraintIndex | attr.ObjectiveFunction, changes: Sequence[Modification]
    ) -> None:
        """Raise unless `modify` would accept the changes."""
        rows, function_type = 1, ScalarAffineFunction
        if isinstance(target, ConstraintIndex):
            start, stop = self._blocks[target.kind].row_range(self.number(target))
            rows, function_type = stop - start, target.kind[0]
        elif not isinstance(target, attr.ObjectiveFunction):
            raise InvalidIndex(f"modify needs a constraint index or ObjectiveFunction(), got {target!r}.")
        elif self._objective is not None:
            function_type = self._objective.function_type
        for one in changes:
            check_change(one, function_type, rows, self)

    def check_setting(self, attribute: attr.Attribute, *index_and_value: Any) -> None:
        """Raise unless `set` would accept the value; for data and starts."""
        value = index_and_value[-1]
        kind = type(attribute)
        if kind is attr.ObjectiveFunction:
            self._check_objective(value)
        elif kind is attr.ObjectiveSense:
            self._check_sense(value)
        elif kind is attr.ConstraintFunction:
            self._check_constraint_function(index_and_value[0], value)
        elif kind is attr.ConstraintSet:
            self._check_constraint_set(index_and_value[0], value)

    def _check_objective(self, function: Any) -> None:
        if not isinstance(function, ScalarFunction):
            raise InvalidData(f"An objective is a scalar function of variables, got {function!r}.")
        rows = function.rows
        self.check_ids(rows.variables())
        check_rows(rows)

    def _set_objective(self, function: Any) -> None:
        self._check_objective(function)
        self._objective = Block(type(function), None)
        self._objective.extend_objective(function.rows)
        if self._sense == _FEASIBILITY:
            self._sense = _MIN

    def _check_constraint_function(self, index: ConstraintIndex, function: Any) -> None:
        number, block = self.number(index), self._blocks[index.kind]
        check_fit(function, block.set(number))
        if type(function) is not index.kind[0]:
            raise UnsupportedModification(
                f"{index!r} has a {index.kind[0].__name__}; setting a {type(function).__name__} would make it "
                "another kind of constraint. Delete it and add the new one."
            )
        if index.kind[0] is VariableIndex:
            raise UnsupportedModification(
                "The variable of a bound cannot be exchanged; delete the bound, add another."
            )
        rows = function.rows
        self.check_ids(rows.variables())
        check_rows(rows)

    def _check_constraint_set(self, index: ConstraintIndex, new: Any) -> None:
        number, block = self.number(index), self._blocks[index.kind]
        if type(new) is not index.kind[1]:
            raise UnsupportedModification(
                f"{index!r} is in a {index.kind[1].__name__}; {new!r} would make it another kind of constraint. "
                "Delete it and add the new one."
            )
        if new.is_vector and new.shape != block.shape(number):
            raise UnsupportedModification(f"{new!r} has another shape than {block.set(number)!r}.")
        check_numbers(index.kind[1], new.numbers)

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

    def supports_constrained_variables(self, set_type: type[Set]) -> bool:
        """Kept as a constraint on plain variables."""
        return False

    def get(self, attribute: attr.Attribute, index: Any = None) -> Any:
        """Value of an attribute that is data; a result there is none."""
        getter = _GETTERS.get(type(attribute))
        if getter is not None:
            if attribute.on in (attr.On.VARIABLE, attr.On.CONSTRAINT):
                if isinstance(index, (VariableIndex, ConstraintIndex)):
                    return getter(self, index)
                return [getter(self, one) for one in index]
            return getter(self, attribute)
        if attribute.is_result:
            raise NotOptimized(f"{attribute!r} is a result, and this model has no optimizer.")
        if index is None:
            found = self._optimizer_attributes if attribute.on == attr.On.OPTIMIZER else self._model_attributes
            return found.get(attribute, _DEFAULTS.get(type(attribute)))
        if isinstance(index, (VariableIndex, ConstraintIndex)):
            self.check_index(index)
            return self._index_attributes.get(attribute, {}).get(index, _DEFAULTS.get(type(attribute)))
        return [self.get(attribute, one) for one in index]

    def set(self, attribute: attr.Attribute, *index_and_value: Any) -> None:
        """Set an attribute that is data."""
        if not attribute.settable:
            raise UnsupportedAttribute(f"{attribute!r} can be read, not set.")
        *index, value = index_and_value
        kind = type(attribute)
        if not index:
            if kind is attr.ObjectiveSense:
                self._set_sense(value)
            elif kind is attr.ObjectiveFunction:
                self._set_objective(value)
            elif attribute.on == attr.On.OPTIMIZER:
                self._optimizer_attributes[attribute] = value
            elif attribute.on == attr.On.MODEL:
                self._model_attributes[attribute] = value
            else:
                raise InvalidIndex(f"{attribute!r} is set on a {attribute.on.value}: set(attribute, index, value).")
            return
        (at,) = index
        if not isinstance(at, (VariableIndex, ConstraintIndex)):
            values = np.broadcast_to(value, len(at)) if np.ndim(value) == 0 else value
            if len(values) != len(at):
                raise InvalidData(f"{len(at)} indices need as many values of {attribute!r}, got {len(values)}.")
            for one, v in zip(at, values, strict=True):
                self.set(attribute, one, v)
            return
        self.check_index(at)
        expected = attr.On.VARIABLE if isinstance(at, VariableIndex) else attr.On.CONSTRAINT
        if attribute.on != expected:
            raise InvalidIndex(f"{attribute!r} belongs to a {attribute.on.value}, not to a {expected.value}.")
        if kind is attr.ConstraintFunction:
            self._check_constraint_function(at, value)
            self._blocks[at.kind].set_rows(self.number(at), value.rows)
        elif kind is attr.ConstraintSet:
            self._check_constraint_set(at, value)
            self._blocks[at.kind].set_numbers(self.number(at), value.numbers)
        elif value is None:
            self._index_attributes.get(attribute, {}).pop(at, None)
        else:
            if kind in _NUMERIC and not np.isfinite(np.asarray(value, np.float64)).all():
                raise InvalidData(f"{attribute!r} of {at!r} must be finite, got {value!r}.")
            self._index_attributes.setdefault(attribute, {})[at] = value

    def _check_sense(self, sense: Any) -> None:
        if not isinstance(sense, attr.ObjectiveSenseCode):
            raise InvalidData(f"ObjectiveSense is an ObjectiveSenseCode, got {sense!r}.")

    def _set_sense(self, sense: Any) -> None:
        self._check_sense(sense)
        if sense == _FEASIBILITY:
            self._objective = None
        self._sense = sense

    def evaluate(
        self, index: Any, value: Callable[[IntArray], FloatArray], constants: bool = True
    ) -> float | FloatArray:
        """Value of the functions of one constraint, or of many (rows stacked), where ``x[id] = value(id)``."""
        if isinstance(index, ConstraintIndex):
            number = self.number(index)
            out = self._blocks[index.kind].rows(number).evaluate(value, constants=constants)
            return out if index.kind[1].is_vector else float(out[0])
        block = self._blocks[index.kind]
        rows = block.rows_of(self.numbers(index))
        return block.all_rows().evaluate(value, constants=constants)[rows]

    def values_of(self, attribute: attr.Attribute) -> dict[Any, Any]:
        """All values of an attribute of variables or constraints, by index."""
        return self._index_attributes.get(attribute, {})

    def optimizer_attributes(self) -> dict[attr.Attribute, Any]:
        """What was set of optimizer attributes."""
        return self._optimizer_attributes

    @property
    def objective_block(self) -> Block | None:
        """The objective, a block of one row."""
        return self._objective

    # ------------------------------------------------------------------ the whole
    def copy_to(self, destination: AbstractModel) -> IndexMap:
        """Empty the destination and build this model there."""
        return Mirror(self, destination).index_map

    def optimize(self) -> None:
        """Refused: a store holds a model, it does not solve it."""
        raise NotOptimized("A store cannot solve its model; attach an optimizer, e.g. ot.Model(ot.solvers.HiGHS).")


def _objective(store: Store, _: attr.Attribute) -> Any:
    block = store.objective_block
    if block is None:
        return ScalarAffineFunction()
    return block.function_type.from_rows(block.rows(0))


def _function(store: Store, index: ConstraintIndex) -> Any:
    return index.kind[0].from_rows(store.block(index.kind).rows(store.number(index)))


def _set(store: Store, index: ConstraintIndex) -> Any:
    return store.block(index.kind).set(store.number(index))


_GETTERS: dict[type[attr.Attribute], Callable[[Store, Any], Any]] = {
    attr.ObjectiveSense: lambda store, _: store._sense,
    attr.ObjectiveFunction: _objective,
    attr.NumberOfVariables: lambda store, _: store._count - len(store._dead),
    attr.ListOfVariableIndices: lambda store, _: VectorOfVariables.of_ids(store.variable_ids()),
    attr.ListOfConstraintTypesPresent: lambda store, _: store.kinds(),
    attr.NumberOfConstraints: lambda store, a: len(store._blocks[a.kind]) if a.kind in store._blocks else 0,
    attr.ListOfConstraintIndices: lambda store, a: (
        store.indices(a.kind, store._blocks[a.kind].numbers_alive())
        if a.kind in store._blocks
        else ConstraintIndices(a.kind, np.zeros(0, np.int64))
    ),
    attr.ConstraintFunction: _function,
    attr.ConstraintSet: _set,
}
_DEFAULTS: dict[type[attr.Attribute], Any] = {
    attr.Silent: True,
    attr.Name: "",
    attr.VariableName: "",
    attr.ConstraintName: "",
}
_NUMERIC = (attr.VariablePrimalStart, attr.ConstraintPrimalStart, attr.ConstraintDualStart)
