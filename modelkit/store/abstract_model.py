"""What every model-like object speaks: the store, the meta-solver, the user's model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import attributes as attr
from ..arrays import FloatArray
from ..functions import Function, VariableIndex, VectorOfVariables
from ..functions.rows import Rows
from ..indices import ConstraintIndex, ConstraintIndices, IndexMap
from ..modifications import Modification, ScalarConstantChange, VectorConstantChange
from ..sets import ScalarSet, Set, VectorSet
from .block import ConstraintBlock

__all__ = ["AbstractModel"]


class AbstractModel(ABC):
    """A model of functions in sets.

    The abstract methods are the protocol; the others follow from them.
    """

    # ------------------------------------------------------------------ building
    @abstractmethod
    def add_variables(self, count: int) -> VectorOfVariables:
        """Add free variables."""

    @abstractmethod
    def add_block(self, block: ConstraintBlock) -> ConstraintIndices:
        """Add many constraints of one kind."""

    def add_variable(self) -> VariableIndex:
        """Add one free variable."""
        return self.add_variables(1)[0]

    def add_constraint(self, function: Function, set: Set) -> ConstraintIndex:
        """Add ``function in set``."""
        return self.add_block(ConstraintBlock.of([function], [set]))[0]

    def add_constraints(self, functions: Any, sets: Any) -> ConstraintIndices:
        """Add many constraints of one kind at once.

        Parameters
        ----------
        functions : sequence of functions of one type, or one vector function whose rows are dealt out to the sets
        sets : sequence of sets of one type, or one set for all

        Returns
        -------
        ConstraintIndices
        """
        return self.add_block(ConstraintBlock.of(functions, sets))

    def add_constrained_variable(self, set: ScalarSet) -> tuple[VariableIndex, ConstraintIndex]:
        """Add a variable in a set."""
        x = self.add_variable()
        return x, self.add_constraint(x, set)

    def add_constrained_variables(self, set: VectorSet) -> tuple[VectorOfVariables, ConstraintIndex]:
        """Add as many variables as the set has rows, in the set."""
        v = self.add_variables(set.dimension)
        return v, self.add_constraint(v, set)

    @abstractmethod
    def modify(
        self, target: ConstraintIndex | attr.ObjectiveFunction, change: Modification | Sequence[Modification]
    ) -> None:
        """Change coefficients or constants of a constraint or of the objective."""

    def set_functions(self, indices: ConstraintIndices, rows: Rows) -> None:
        """Give many constraints of one kind other functions, whose rows stand one below the other."""
        first = 0
        for index in indices:
            stop = first + self.get(attr.ConstraintSet(), index).dimension
            function = index.kind[0].from_rows(rows.take(np.arange(first, stop)))
            self.set(attr.ConstraintFunction(), index, function)
            first = stop

    def set_numbers(self, indices: ConstraintIndices, numbers: FloatArray, constants: FloatArray | None = None) -> None:
        """Give the sets of many constraints of one kind other numbers, and their functions other constants.

        Parameters
        ----------
        numbers : (rows, q) with q numbers a row, the constraints' rows one below the other
        constants : (rows,), or None if they stay
        """
        first, (function_type, set_type) = 0, indices.kind
        for index in indices:
            now = self.get(attr.ConstraintSet(), index)
            rows = slice(first, first + now.dimension)
            first = rows.stop
            if constants is not None and function_type.degree:
                c = constants[rows]
                self.modify(index, VectorConstantChange(c) if set_type.is_vector else ScalarConstantChange(c[0]))
            if set_type.fields:
                self.set(attr.ConstraintSet(), index, set_type.build(now.shape, numbers[rows]))

    @abstractmethod
    def delete(self, index: Any) -> None:
        """Delete a variable or constraint, or a sequence of them."""

    @abstractmethod
    def empty(self) -> None:
        """Drop variables, constraints, objective and results; keep optimizer attributes."""

    # ------------------------------------------------------------------ asking
    @abstractmethod
    def get(self, attribute: attr.Attribute, index: Any = None) -> Any:
        """Value of an attribute; of a sequence of indices, the sequence of values."""

    @abstractmethod
    def set(self, attribute: attr.Attribute, *index_and_value: Any) -> None:
        """``set(attribute, value)`` or ``set(attribute, index, value)``."""

    @abstractmethod
    def is_valid(self, index: VariableIndex | ConstraintIndex) -> bool:
        """Whether the model holds the variable or constraint."""

    @abstractmethod
    def is_empty(self) -> bool:
        """Whether the model holds nothing."""

    @abstractmethod
    def supports(self, attribute: attr.Attribute) -> bool:
        """Whether the attribute can be set."""

    @abstractmethod
    def supports_constraint(self, function_type: type[Function], set_type: type[Set]) -> bool:
        """Whether constraints of the kind can be added."""

    @abstractmethod
    def supports_objective(self, function_type: type[Function]) -> bool:
        """Whether objectives of the type can be set."""

    @abstractmethod
    def optimize(self) -> None:
        """Solve the model."""

    @abstractmethod
    def copy_to(self, destination: AbstractModel) -> IndexMap:
        """Empty the destination and build this model there."""
