"""The store: a model as written, in arrays.

What it holds, and how an index finds it, is in `tables`; here it is built and changed. `attribute_values` (attributes),
`changing`, `deletion` and `copying` say how, in terms of the tables.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import hypot, isfinite
from typing import Any

import numpy as np

from .. import attributes as attr
from ..arrays import FloatArray, IntArray
from ..errors import DimensionMismatch, InvalidData, InvalidIndex, NotOptimized
from ..functions import NONLINEAR, Function, VariableIndex, VectorOfVariables
from ..functions.rows import Rows
from ..indices import ConstraintIndex, ConstraintIndices, IndexMap, Kind, describe_kind
from ..modifications import Modification
from ..sets import ScalarSet, Set
from . import attribute_values, deletion
from .abstract_model import AbstractModel
from .block import ConstraintBlock
from .changing import check_changes, make_changes
from .checks import MODERATE, check_fit, check_name, check_numbers, check_rows, check_sides, describe
from .copying import copied
from .lifting import Growing, check_not_inside, drop_unused, lift
from .parameters import PARAMETERS, of_ray
from .tables import FEW, MOST_VARIABLES
from .unbounded import check_right_hand_sides

__all__ = ["Store"]


class Store(Growing):
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

    # ------------------------------------------------------------------ variables
    def add_variable(self) -> VariableIndex:
        """Add one free variable."""
        value = self.base + self._count
        self._count += 1
        return VariableIndex(value)

    def add_variables(self, count: int) -> VectorOfVariables:
        """Add free variables."""
        if count > MOST_VARIABLES - self._count:
            raise InvalidData(f"A model has at most {MOST_VARIABLES} variables; got {count} more.")
        first = self.base + self._count
        ids = np.arange(first, first + int(count))  # may fail for want of memory
        self._count += int(count)
        return VectorOfVariables.of_ids(ids)

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
        if self._dead or len(ids) > FEW:
            self.check_ids(ids)
        else:
            base, end = self.base, self.base + self._count
            for i in ids:
                if not base <= i < end:
                    raise InvalidIndex(describe(i, self))
        numbers = set.row()
        # not (a < b): NaN, too
        if not hypot(function.constant, *numbers, *coefs) < MODERATE or (numbers and numbers[0] > numbers[-1]):
            check_rows(function.rows)
            check_numbers(kind[1], set.numbers)
            check_sides(kind[1], set.numbers, function.rows.constant)
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
        check_sides(kind[1], block.sets.numbers, block.rows.constant)
        if kind[0].degree == NONLINEAR:
            block = ConstraintBlock(kind[0], lift(self, block.rows), block.sets)
        if kind[0] is not VariableIndex:
            return ConstraintIndices(kind, self._block(kind).extend(block) + self.base)
        ids = VectorOfVariables.from_rows(block.rows).ids
        self._plain.check(kind, ids, self)
        self._plain.claim(kind, ids, self._block(kind).extend(block), self.base)
        return ConstraintIndices(kind, ids)

    # ------------------------------------------------------------------ deletion
    def delete(self, index: Any) -> None:
        """Delete a variable or constraint, or a sequence of them.

        A deleted variable leaves all functions; bounds on it go with it. A vector of plain variables in a cone
        shrinks if the cone has any dimension, otherwise only all of its variables together can be deleted.
        """
        items = deletion.items_of(index)
        check_not_inside(self, items)
        deletion.delete(self, items)
        drop_unused(self)

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
            attribute_values.refuse_another_variable()
        block = self._blocks[kind]
        if rows.m != len(block.rows_of(numbers)) or rows.degree > max(kind[0].degree, 1):
            raise DimensionMismatch(f"{len(numbers)} {describe_kind(kind)} cannot take these {rows.m} rows.")
        self.check_variables(rows)
        check_rows(rows)
        check_sides(kind[1], block.all_numbers[block.rows_of(numbers)], rows.constant)
        block.set_rows(numbers, lift(self, rows))

    def set_numbers(self, indices: ConstraintIndices, numbers: FloatArray, constants: FloatArray | None = None) -> None:
        """Give many constraints other numbers, and their functions other constants."""
        which = self.check_new_numbers(indices, numbers, constants)
        if not len(which):
            return
        block = self._blocks[indices.kind]
        block.set_many_numbers(which, numbers, constants)
        if indices.kind == PARAMETERS and (self.unbounded or not np.isfinite(numbers).all()):
            self.unbounded = bool(np.isinf(block.all_numbers).any())

    def check_new_numbers(
        self, indices: ConstraintIndices, numbers: FloatArray, constants: FloatArray | None
    ) -> IntArray:
        """The numbers of the constraints in their block; raises unless `set_numbers` would take these."""
        which = self.numbers(indices)
        if not len(which):
            return which
        kind = indices.kind
        if kind == PARAMETERS and not np.isfinite(numbers).all():
            infinite = np.isinf(numbers[:, 0])
            check_right_hand_sides(self, indices.values[infinite], numbers[infinite, 0])
            check_numbers(kind[1], numbers[~infinite])
        else:
            check_numbers(kind[1], numbers)
        if constants is not None:
            check_rows(Rows(constants))
        else:
            block = self._blocks[kind]
            constants = block.constants[block.rows_of(which)]
        check_sides(kind[1], numbers, constants)
        return which

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
        return attribute_values.get(self, attribute, index)

    def set(self, attribute: attr.Attribute, *index_and_value: Any) -> None:
        """Set an attribute that is data, of one index or of many at once."""
        self.apply_setting(attribute, self.check_setting(attribute, *index_and_value))

    def check_setting(self, attribute: attr.Attribute, *index_and_value: Any) -> list[tuple[Any, Any]]:
        """The checked pairs (index, value) that `set` would set; raises unless all may be set."""
        return attribute_values.checked_pairs(self, attribute, *index_and_value)

    def apply_setting(self, attribute: attr.Attribute, pairs: list[tuple[Any, Any]]) -> None:
        """Set what `check_setting` gave."""
        if isinstance(attribute, (attr.ObjectiveFunction, attr.ConstraintFunction)):
            pairs = [(index, self._lifted(function)) for index, function in pairs]
        attribute_values.apply(self, attribute, pairs)
        is_gone = isinstance(attribute, attr.ObjectiveSense) and self.objective_block is None
        if is_gone or isinstance(attribute, (attr.ObjectiveFunction, attr.ConstraintFunction)):
            drop_unused(self)

    def _lifted(self, function: Function) -> Function:
        """A function whose operators are variables of the store."""
        if function.degree < NONLINEAR:
            return function
        return type(function).from_rows(lift(self, function.rows))

    def by_name(self, attribute: attr.Attribute, name: str) -> Any:
        """The variable or constraint of this name; raises `InvalidIndex` where there is none, or several."""
        check_name(name)
        if attribute not in self._names:
            self._names[attribute] = attribute_values.by_name(self.values_of(attribute))
        return attribute_values.the_one(attribute, name, self._names[attribute].get(name, []))

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
        return copied(self, destination)

    def optimize(self) -> None:
        """Refused: a store holds a model, it does not solve it."""
        raise NotOptimized("A store cannot solve its model; attach an optimizer, e.g. ot.Model(ot.solvers.HiGHS).")
