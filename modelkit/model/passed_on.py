"""The words of a `Model` that its meta-solver answers as they are."""

from __future__ import annotations

from collections.abc import Sequence

from .. import attributes as attr
from ..arrays import FloatArray
from ..functions import Function, VariableIndex, VectorOfVariables
from ..indices import ConstraintIndex, ConstraintIndices, IndexMap
from ..modifications import Modification
from ..sets import ScalarSet, Set, VectorSet
from ..store.abstract_model import AbstractModel
from ..store.block import ConstraintBlock
from .abstract_meta_solver import AbstractMetaSolver

__all__ = ["PassedOn"]


class PassedOn(AbstractModel):
    """The protocol but for what `Model` has more to say about.

    Attributes
    ----------
    meta_solver : who keeps the model as written, holds the solvers and differentiates
    """

    meta_solver: AbstractMetaSolver

    def add_block(self, block: ConstraintBlock) -> ConstraintIndices:
        """Add many constraints of one kind."""
        return self.meta_solver.add_block(block)

    def add_constrained_variable(self, set: ScalarSet) -> tuple[VariableIndex, ConstraintIndex]:
        """Add a variable in a set."""
        return self.meta_solver.add_constrained_variable(set)

    def add_constrained_variables(self, set: VectorSet) -> tuple[VectorOfVariables, ConstraintIndex]:
        """Add as many variables as the set has rows, in the set."""
        return self.meta_solver.add_constrained_variables(set)

    def modify(
        self, target: ConstraintIndex | attr.ObjectiveFunction, change: Modification | Sequence[Modification]
    ) -> None:
        """Change coefficients or constants."""
        self.meta_solver.modify(target, change)

    def set_numbers(self, indices: ConstraintIndices, numbers: FloatArray, constants: FloatArray | None = None) -> None:
        """Give many constraints other numbers, and their functions other constants."""
        self.meta_solver.set_numbers(indices, numbers, constants)

    def empty(self) -> None:
        """Drop the model; keep optimizer attributes."""
        self.meta_solver.empty()

    def is_empty(self) -> bool:
        """Whether the model holds nothing."""
        return self.meta_solver.is_empty()

    def supports(self, attribute: attr.Attribute) -> bool:
        """Whether the attribute can be set."""
        return self.meta_solver.supports(attribute)

    def supports_constraint(self, function_type: type[Function], set_type: type[Set]) -> bool:
        """Whether constraints of the kind can be added."""
        return self.meta_solver.supports_constraint(function_type, set_type)

    def supports_objective(self, function_type: type[Function]) -> bool:
        """Whether objectives of the type can be set."""
        return self.meta_solver.supports_objective(function_type)

    def optimize(self) -> None:
        """Solve the model."""
        self.meta_solver.optimize()

    def copy_to(self, destination: AbstractModel) -> IndexMap:
        """Build the model in another one."""
        return self.meta_solver.copy_to(destination)
