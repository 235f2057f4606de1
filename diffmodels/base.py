"""What all diff models share: a store for the model, and the seeds and tangents that wait for a differentiation."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np

from ..modelkit import attributes as attr
from ..modelkit.arrays import FloatArray, IntArray
from ..modelkit.block import ConstraintBlock
from ..modelkit.errors import UnsupportedConstraint
from ..modelkit.functions import Function, ScalarAffineFunction, ScalarQuadraticFunction, VectorOfVariables
from ..modelkit.indices import ConstraintIndices, Kind, describe_kind
from ..modelkit.layer import Layer
from ..modelkit.rows import Rows
from ..modelkit.sets import Set
from ..modelkit.store import Store

__all__ = ["DiffModel"]


class DiffModel(Layer):
    """A model that is not solved but differentiated at a solution it is given.

    The solution arrives as starts (`VariablePrimalStart`, `ConstraintDualStart`) and, where a solver has a
    basis, `ConstraintActivityStart`, all in bulk. Forward tangents and reverse seeds are set as attributes;
    `forward` and `reverse` compute, results are read as attributes. Constraint values in bulk are stacked rows;
    tangents are `Rows`, with K times as many rows for K directions.

    Attributes
    ----------
    linear_algebra, allow_inaccurate : the user's choices
    held : the constraints that hold parameters at their values, each a row of one variable
    """

    name: ClassVar[str]
    kinds: ClassVar[tuple[Kind, ...]]

    def __init__(self) -> None:
        super().__init__(Store())
        self.linear_algebra: Any = None
        self.allow_inaccurate = False
        self.held: list[ConstraintIndices] = []
        self.empty_inputs()

    @property
    def store(self) -> Store:
        """The model in standard form."""
        assert isinstance(self.inner, Store)
        return self.inner

    def empty_inputs(self) -> None:
        """Forget tangents and seeds."""
        self.objective_tangent: Rows | None = None
        self.function_tangents: list[tuple[ConstraintIndices, Rows]] = []
        self.set_tangents: list[tuple[ConstraintIndices, FloatArray]] = []
        self.primal_seeds: list[tuple[IntArray, FloatArray]] = []
        self.dual_seeds: list[tuple[ConstraintIndices, FloatArray]] = []
        self.objective_seed = 0.0

    # ------------------------------------------------------------------ what a diff model writes
    @abstractmethod
    def receive(self, attribute: attr.Attribute, index: Any, value: Any) -> None:
        """Take a part of the solution."""

    @abstractmethod
    def forward(self) -> None:
        """Push the tangents to the solution."""

    @abstractmethod
    def reverse(self) -> None:
        """Pull the seeds back to the data."""

    @abstractmethod
    def result(self, attribute: attr.Attribute, index: Any) -> Any:
        """What `forward` or `reverse` left."""

    def caveats(self) -> list[str]:
        """What a user must know of the derivatives besides their status, in sentences."""
        return []

    # ------------------------------------------------------------------ the protocol
    def add_block(self, block: ConstraintBlock) -> ConstraintIndices:
        """Add many constraints of a native kind."""
        if not self.supports_constraint(*block.kind):
            raise UnsupportedConstraint(f"{self.name} does not take {describe_kind(block.kind)} by itself.")
        return self.store.add_block(block)

    def supports(self, attribute: attr.Attribute) -> bool:
        """Starts and inputs of differentiation."""
        return attribute.settable and attribute.on != attr.On.OPTIMIZER

    def supports_constraint(self, function_type: type[Function], set_type: type[Set]) -> bool:
        """Whether the kind is native."""
        return (function_type, set_type) in self.kinds

    def supports_objective(self, function_type: type[Function]) -> bool:
        """Affine and quadratic ones."""
        return function_type in (ScalarAffineFunction, ScalarQuadraticFunction)

    def set(self, attribute: attr.Attribute, *index_and_value: Any) -> None:
        """Take data, a part of the solution, a tangent or a seed."""
        *index, value = index_and_value
        kind = type(attribute)
        if kind in (attr.VariablePrimalStart, attr.ConstraintDualStart, attr.ConstraintActivityStart):
            self.receive(attribute, index[0], value)
        elif kind is attr.ForwardObjectiveFunction:
            rows = value if isinstance(value, Rows) else value.rows
            self.objective_tangent = rows if self.objective_tangent is None else self.objective_tangent + rows
        elif kind is attr.ForwardConstraintFunction:
            self.function_tangents.append((index[0], value))
        elif kind is attr.ForwardConstraintSet:
            self.set_tangents.append((index[0], value))
        elif kind is attr.ReverseVariablePrimal:
            ids = index[0].ids if isinstance(index[0], VectorOfVariables) else np.array([index[0].value])
            self.primal_seeds.append((ids, np.broadcast_to(value, len(ids))))
        elif kind is attr.ReverseConstraintDual:
            self.dual_seeds.append((index[0], value))
        elif kind is attr.ReverseObjectiveValue:
            self.objective_seed += float(value)
        else:
            self.store.set(attribute, *index_and_value)

    def get(self, attribute: attr.Attribute, index: Any = None) -> Any:
        """Data or results."""
        if isinstance(attribute, attr.SolverName):
            return self.name
        if isinstance(attribute, (attr.PrimalStatus, attr.DualStatus)):  # it is given nothing else
            return attr.ResultStatusCode.FEASIBLE_POINT
        if attribute.is_result:
            return self.result(attribute, index)
        return self.store.get(attribute, index)
