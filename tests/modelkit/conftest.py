"""An optimizer without a solver: it holds a model, answers what it is told to, and refuses what it is told to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.modelkit.layer import Layer

Codes = ot.TerminationStatusCode
Point = ot.ResultStatusCode


class Fake(Layer):
    """A store that answers.

    Parameters
    ----------
    x : values of the variables in order of creation (zeros by default)
    duals : value of each dual, or None for no duals
    refuses : names of methods, or types of attributes, that are not allowed in place
    kinds : the kinds it takes; all by default
    """

    def __init__(
        self,
        x: Any = None,
        *,
        name: str = "Fake",
        status: Codes = Codes.OPTIMAL,
        duals: float | None = 0.0,
        refuses: tuple[Any, ...] = (),
        kinds: tuple[Any, ...] | None = None,
        objectives: tuple[Any, ...] | None = None,
        error: Exception | None = None,
    ) -> None:
        super().__init__(ot.Store())
        self.x, self.name, self.status, self.duals = x, name, status, duals
        self.refuses, self.kinds, self.objectives, self.error = refuses, kinds, objectives, error
        self.calls: list[str] = []
        self.solved = False

    @property
    def store(self) -> ot.Store:
        """The model that it holds."""
        assert isinstance(self.inner, ot.Store)
        return self.inner

    def _called(self, what: Any) -> None:
        self.calls.append(what if isinstance(what, str) else what.__name__)
        if what in self.refuses:
            raise ot.UnsupportedModification(f"{self.name} refuses {what}.")

    def add_variables(self, count: int) -> ot.VectorOfVariables:
        """Count the call."""
        self._called("add_variables")
        return super().add_variables(count)

    def add_block(self, block: Any) -> ot.ConstraintIndices:
        """Count the call."""
        self._called("add_block")
        return super().add_block(block)

    def modify(self, target: Any, change: Any) -> None:
        """Count the call, or refuse it."""
        self._called("modify")
        super().modify(target, change)

    def delete(self, index: Any) -> None:
        """Count the call, or refuse it."""
        self._called("delete")
        super().delete(index)

    def empty(self) -> None:
        """Count the call."""
        self._called("empty")
        self.solved = False
        super().empty()

    def set(self, attribute: ot.Attribute, *index_and_value: Any) -> None:
        """Count the call, or refuse it."""
        self._called(type(attribute))
        super().set(attribute, *index_and_value)

    def supports(self, attribute: ot.Attribute) -> bool:
        """Everything but raw options of other names than "raw"."""
        if isinstance(attribute, ot.RawOptimizerAttribute):
            return attribute.name == "raw"
        return super().supports(attribute)

    def supports_constraint(self, function_type: Any, set_type: Any) -> bool:
        """The kinds that it was made with."""
        return self.kinds is None or (function_type, set_type) in self.kinds

    def supports_objective(self, function_type: Any) -> bool:
        """The types that it was made with."""
        return self.objectives is None or function_type in self.objectives

    def optimize(self) -> None:
        """Answer from now on; deliberately forgets to stop answering when the model changes."""
        self._called("optimize")
        if self.error is not None:
            raise self.error
        self.solved = True

    def get(self, attribute: ot.Attribute, index: Any = None) -> Any:
        """Data from the store, results as told."""
        if isinstance(attribute, ot.SolverName):
            return self.name
        if not attribute.is_result:
            return super().get(attribute, index)
        if not self.solved:
            raise ot.NotOptimized("not solved")
        if isinstance(attribute, ot.TerminationStatus):
            return self.status
        if isinstance(attribute, ot.PrimalStatus):
            return Point.FEASIBLE_POINT
        if isinstance(attribute, ot.DualStatus):
            return Point.NO_SOLUTION if self.duals is None else Point.FEASIBLE_POINT
        if isinstance(attribute, ot.VariablePrimal):
            x = np.zeros(self.store.variable_count) if self.x is None else np.asarray(self.x, float)
            if isinstance(index, ot.VariableIndex):
                return x[index.value - self.store.base]
            return x[index.ids - self.store.base]
        if isinstance(attribute, ot.ConstraintDual):
            assert self.duals is not None
            if isinstance(index, ot.ConstraintIndex):
                dimension = self.store.get(ot.ConstraintSet(), index).dimension
                return np.full(dimension, self.duals) if index.kind[1].is_vector else self.duals
            rows = self.store.block(index.kind).rows_of(self.store.numbers(index))
            return np.full(len(rows), self.duals)
        raise ot.UnsupportedAttribute(f"{attribute!r}")


@pytest.fixture
def fake() -> Callable[..., Fake]:
    """The class of fake optimizers."""
    return Fake
