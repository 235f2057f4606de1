"""What a `Model` stands before: whoever keeps the model as written, solves and differentiates it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from ..form.abilities import Abilities
from ..form.named_form import NamedForm
from ..functions import Function, VariableIndex
from ..indices import ConstraintIndex
from ..sets import ScalarSet, Set
from ..store.abstract_model import AbstractModel
from ..store.store import Store

__all__ = ["AbstractMetaSolver", "remade_model"]


class AbstractMetaSolver(AbstractModel):
    """A model as written, with solvers and, if it differentiates, a derivative.

    Parameters
    ----------
    *solvers : tried in this order
    differentiates : whether there are derivatives

    Attributes
    ----------
    store : the model as written
    differentiates : whether there are derivatives
    warns : whether it warns; copies in worker threads do not, for Python's filters of warnings are the process's
    """

    store: Store
    differentiates: bool
    warns: bool

    @abstractmethod
    def __init__(self, *solvers: Any, differentiates: bool = True) -> None: ...

    @abstractmethod
    def require(self, function_type: type[Function], set_type: type[Set]) -> None:
        """Raise `UnsupportedConstraint` unless a solver takes the kind (or there is none yet)."""

    @abstractmethod
    def together(self) -> AbstractContextManager[None]:
        """Variables made within are gone again where something raises."""

    @abstractmethod
    def add_variable_in(self, set_type: type[ScalarSet], numbers: tuple[float, ...]) -> VariableIndex:
        """Add a variable in the set with these numbers: `add_constrained_variable` without making the set."""

    @abstractmethod
    def lowered(self, index: ConstraintIndex, *, differentiated: bool = False) -> Any:
        """What stands for a constraint in the form of the solver, or of the diff model: see `Model.lowering`."""

    @abstractmethod
    def named_form(self, abilities: Abilities, target: str) -> NamedForm:
        """The model as a form of these abilities, at the parameters' present values, with names.

        Parameters
        ----------
        target : what it is for, in words
        """

    @abstractmethod
    def recipe(self) -> Any:
        """What `made_by` makes an equal one of, with the result."""

    @classmethod
    @abstractmethod
    def made_by(cls, recipe: Any) -> AbstractMetaSolver:
        """One with the model, options, inputs and result of another; of its recipe alone, which becomes its own."""

    @abstractmethod
    def forward_differentiate(self) -> None:
        """Push the tangents to the solution; raises `DifferentiationError` if there is none."""

    @abstractmethod
    def reverse_differentiate(self) -> None:
        """Pull the seeds back to the data; raises `DifferentiationError` if there is no solution."""

    @abstractmethod
    def empty_input_sensitivities(self) -> None:
        """Forget all tangents and seeds."""

    @abstractmethod
    def directional_derivatives(self, outputs: Any, directions: Sequence[Any]) -> Any:
        """Derivatives of outputs along many directions at once."""

    @abstractmethod
    def gradients(self, data: Any, losses: Sequence[Any]) -> Any:
        """Derivatives of many losses in data at once."""


def remade_model(model_type: Any, recipe: tuple[type[AbstractMetaSolver], Any]) -> Any:
    """A `Model` before a meta-solver that is made by a recipe; see `Model.__reduce__`."""
    model = model_type.__new__(model_type)
    make, rest = recipe
    model.stand_before(make.made_by(rest))
    return model
