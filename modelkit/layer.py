"""A model in front of another one, passing everything on; subclasses intervene where they have something to say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import attributes as attr
from .arrays import FloatArray
from .block import ConstraintBlock
from .functions import Function, VariableIndex, VectorOfVariables
from .indices import ConstraintIndex, ConstraintIndices, IndexMap
from .modifications import Modification
from .protocol import AbstractModel
from .sets import ScalarSet, Set, VectorSet

__all__ = ["Layer"]


class Layer(AbstractModel):
    """Forwards the protocol to `inner`.

    Parameters
    ----------
    inner : the model behind
    """

    def __init__(self, inner: AbstractModel) -> None:
        self.inner = inner

    def add_variable(self) -> VariableIndex:
        """Add one free variable."""
        return self.inner.add_variable()

    def add_variables(self, count: int) -> VectorOfVariables:
        """Add free variables."""
        return self.inner.add_variables(count)

    def add_constraint(self, function: Function, set: Set) -> ConstraintIndex:
        """Add ``function in set``."""
        return self.inner.add_constraint(function, set)

    def add_block(self, block: ConstraintBlock) -> ConstraintIndices:
        """Add many constraints of one kind."""
        return self.inner.add_block(block)

    def add_constrained_variable(self, set: ScalarSet) -> tuple[VariableIndex, ConstraintIndex]:
        """Add a variable in a set."""
        return self.inner.add_constrained_variable(set)

    def add_constrained_variables(self, set: VectorSet) -> tuple[VectorOfVariables, ConstraintIndex]:
        """Add as many variables as the set has rows, in the set."""
        return self.inner.add_constrained_variables(set)

    def modify(
        self, target: ConstraintIndex | attr.ObjectiveFunction, change: Modification | Sequence[Modification]
    ) -> None:
        """Change coefficients or constants."""
        self.inner.modify(target, change)

    def set_numbers(self, indices: ConstraintIndices, numbers: FloatArray, constants: FloatArray | None = None) -> None:
        """Give many constraints other numbers, and their functions other constants."""
        self.inner.set_numbers(indices, numbers, constants)

    def delete(self, index: Any) -> None:
        """Delete a variable or constraint, or a sequence of them."""
        self.inner.delete(index)

    def empty(self) -> None:
        """Drop the model; keep optimizer attributes."""
        self.inner.empty()

    def get(self, attribute: attr.Attribute, index: Any = None) -> Any:
        """Value of an attribute."""
        return self.inner.get(attribute, index)

    def set(self, attribute: attr.Attribute, *index_and_value: Any) -> None:
        """Set an attribute."""
        self.inner.set(attribute, *index_and_value)

    def is_valid(self, index: VariableIndex | ConstraintIndex) -> bool:
        """Whether the model holds the variable or constraint."""
        return self.inner.is_valid(index)

    def is_empty(self) -> bool:
        """Whether the model holds nothing."""
        return self.inner.is_empty()

    def supports(self, attribute: attr.Attribute) -> bool:
        """Whether the attribute can be set."""
        return self.inner.supports(attribute)

    def supports_constraint(self, function_type: type[Function], set_type: type[Set]) -> bool:
        """Whether constraints of the kind can be added."""
        return self.inner.supports_constraint(function_type, set_type)

    def supports_objective(self, function_type: type[Function]) -> bool:
        """Whether objectives of the type can be set."""
        return self.inner.supports_objective(function_type)

    def optimize(self) -> None:
        """Solve the model."""
        self.inner.optimize()

    def copy_to(self, destination: AbstractModel) -> IndexMap:
        """Build the model in another one."""
        return self.inner.copy_to(destination)
