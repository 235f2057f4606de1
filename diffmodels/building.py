"""Writing a model: additions and changes, checked against what the solvers take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..modelkit import attributes as attr
from ..modelkit.arrays import FloatArray
from ..modelkit.errors import (
    InvalidData,
)
from ..modelkit.functions import Function, VariableIndex, VectorOfVariables
from ..modelkit.functions.rows import Rows
from ..modelkit.indices import ConstraintIndex, ConstraintIndices, IndexMap
from ..modelkit.model.caching_states import (
    CachingOptimizerMode,
)
from ..modelkit.modifications import Modification
from ..modelkit.sets import ScalarSet, Set, VectorSet
from ..modelkit.store.abstract_model import AbstractModel
from ..modelkit.store.block import ConstraintBlock
from ..modelkit.store.changing import check_changes, make_changes
from ..modelkit.store.checks import check_fit
from .loading import Loading

__all__ = ["Building"]

_MANUAL = CachingOptimizerMode.MANUAL


class Building(Loading):
    """A model as written that grows and changes; what no solver takes is refused when it is added."""

    def add_variable(self) -> VariableIndex:
        """Add one free variable."""
        x = self.store.add_variable()
        if self.mode is _MANUAL:
            self._extend_at_once([x])
        return x

    def add_variables(self, count: int) -> VectorOfVariables:
        """Add free variables."""
        v = self.store.add_variables(count)
        if self.mode is _MANUAL:
            self._extend_at_once(v)
        return v

    def add_constraint(self, function: Function, set: Set) -> ConstraintIndex:
        """Add ``function in set``."""
        kind = (type(function), type(set))
        if kind not in self._taken:
            check_fit(function, set)
            written = self._require_inserted(kind, function.rows)
            if written is not kind[0]:
                function = written.from_rows(function.rows)
        index = self.store.add_constraint(function, set)
        if self.mode is _MANUAL:
            self._extend_at_once([index])
        return index

    def add_constrained_variable(self, set: ScalarSet) -> tuple[VariableIndex, ConstraintIndex]:
        """Add a variable in a set."""
        kind = (VariableIndex, type(set))
        if kind not in self._taken:
            self.require(*kind)
        made = self.store.add_constrained_variable(set)
        if self.mode is _MANUAL:
            self._extend_at_once(list(made))
        return made

    def add_constrained_variables(self, set: VectorSet) -> tuple[VectorOfVariables, ConstraintIndex]:
        """Add as many variables as the set has rows, in the set."""
        if not isinstance(set, VectorSet):
            raise InvalidData(f"Expected a set of vectors such as Nonnegatives(3), got {set!r}.")
        self.require(VectorOfVariables, type(set))
        with self.together():
            return super().add_constrained_variables(set)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Variables made within are gone again where something raises."""
        first = self.store.variable_count
        try:
            yield
        except BaseException:
            if self.store.variable_count > first:
                if self.mode is _MANUAL and self._attached:
                    self.store.delete(list(VectorOfVariables.of_ids(self.store.variable_ids(first))))
                else:
                    self.store.take_back_variables(first)
            raise

    def add_variable_in(self, set_type: type[ScalarSet], numbers: tuple[float, ...]) -> VariableIndex:
        """Add a variable in the set with these numbers: `add_constrained_variable` without making the set."""
        kind = (VariableIndex, set_type)
        if kind in self._taken and self.mode is not _MANUAL:
            return VariableIndex(self.store.add_variable_in(kind, numbers))
        return self.add_constrained_variable(set_type(*numbers))[0]

    def add_block(self, block: ConstraintBlock) -> ConstraintIndices:
        """Add many constraints of one kind."""
        if block.kind not in self._taken:
            written = self._require_inserted(block.kind, block.rows)
            if written is not block.function_type:
                block = ConstraintBlock(written, block.rows, block.sets)
        indices = self.store.add_block(block)
        if self.mode is _MANUAL:
            self._extend_at_once(indices)
        return indices

    def _extend_at_once(self, added: Any) -> None:
        """In manual mode additions reach the solver's form one by one; what is refused there is refused here."""
        self._forget()
        if not self._attached or self._present is None:
            return
        try:
            self._lowering(self._present.solver.abilities).sync(self.store)
        except BaseException:
            self.store.delete(added)
            raise

    def modify(
        self, target: ConstraintIndex | attr.ObjectiveFunction, change: Modification | Sequence[Modification]
    ) -> None:
        """Change coefficients or constants."""
        changes = check_changes(self.store, target, change)
        self._forget()
        make_changes(self.store, target, changes)

    def set_functions(self, indices: ConstraintIndices, rows: Rows) -> None:
        """Give many constraints of one kind other functions, whose rows stand one below the other."""
        self.store.set_functions(indices, rows)
        self._forget()

    def set_numbers(self, indices: ConstraintIndices, numbers: FloatArray, constants: FloatArray | None = None) -> None:
        """Give many constraints other numbers, and their functions other constants."""
        self.store.set_numbers(indices, numbers, constants)
        self._forget()

    def is_valid(self, index: VariableIndex | ConstraintIndex) -> bool:
        """Whether the model holds the variable or constraint."""
        return self.store.is_valid(index)

    def is_empty(self) -> bool:
        """Whether the model holds nothing."""
        return self.store.is_empty()

    def copy_to(self, destination: AbstractModel) -> IndexMap:
        """Build the model in another one."""
        return self.store.copy_to(destination)
