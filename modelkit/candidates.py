"""The optimizers a cache may use: what they take between them, and their common options."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, final

from . import attributes as attr
from .errors import OptangentError, UnsupportedConstraint, UnsupportedObjective
from .functions import Function, ScalarFunction
from .indices import Kind, describe_kind
from .parameters import Parameters
from .protocol import AbstractModel
from .rows import Rows
from .store import Store

__all__ = ["Candidates", "solver_name"]


def solver_name(optimizer: AbstractModel | None) -> str:
    """The solver's name, or that of the class where there is none."""
    try:
        return str(optimizer.get(attr.SolverName())) if optimizer else "no optimizer"
    except OptangentError:
        return type(optimizer).__name__


@final
class Candidates:
    """Optimizers in the order in which they are tried.

    Parameters
    ----------
    optimizers : none, one or several; with none, everything is taken
    """

    def __init__(self, optimizers: Iterable[AbstractModel] = ()) -> None:
        self._optimizers = tuple(optimizers)
        self.known: set[Kind] = set()  # kinds that one of them takes

    def __iter__(self) -> Iterator[AbstractModel]:
        return iter(self._optimizers)

    def __len__(self) -> int:
        return len(self._optimizers)

    def takes(self, kind: Kind) -> bool:
        """Whether one of them takes the kind of constraint."""
        if kind in self.known:
            return True
        if self._optimizers and not any(o.supports_constraint(*kind) for o in self):
            return False
        self.known.add(kind)
        return True

    def require(self, kind: Kind) -> None:
        """Raise unless one of them takes the kind of constraint."""
        if not self.takes(kind):
            raise self.refusal(kind, self._optimizers[0])

    def require_inserted(self, kind: Kind, rows: Rows, store: Store) -> None:
        """Raise unless one of them takes the kind, or what these rows become when parameters are inserted."""
        if kind[0].degree < 2 or self.takes(kind):
            self.require(kind)
            return
        parameters = Parameters(store)
        store.check_variables(rows)
        parameters.check_degree(parameters.insert(rows))
        self.require((parameters.type_of(kind[0], rows), kind[1]))

    @staticmethod
    def refusal(kind: Kind, optimizer: AbstractModel) -> UnsupportedConstraint:
        """The error that says why an optimizer does not take a kind."""
        missing = getattr(getattr(optimizer, "graph", None), "missing", None)
        why = f", nor through bridges: {missing(kind)}" if missing else "."
        return UnsupportedConstraint(
            f"{describe_kind(kind)} is not supported by {solver_name(optimizer)}{why} "
            "Rewrite the constraint, or choose a solver that takes it."
        )

    def takes_objective(self, function_type: type[Function]) -> bool:
        """Whether one of them takes the type of objective."""
        return not self._optimizers or any(o.supports_objective(function_type) for o in self)

    def require_objective(self, function: ScalarFunction, store: Store) -> None:
        """Raise unless one of them takes the objective, the parameters in it inserted."""
        parameters = Parameters(store)
        parameters.check_degree(parameters.insert(function.rows), UnsupportedObjective)
        function_type = parameters.type_of(type(function), function.rows)
        if not self.takes_objective(function_type):
            raise UnsupportedObjective(
                f"{solver_name(self._optimizers[0])} takes no {function_type.__name__} as objective, "
                "nor through bridges; choose a solver that does."
            )

    def able(self, kinds: Iterable[Kind]) -> list[AbstractModel]:
        """Those that take all these kinds; the first, whose refusal is the message, where none does."""
        wanted = list(kinds)
        found = [o for o in self if all(o.supports_constraint(*k) for k in wanted)]
        return found or list(self._optimizers[:1])

    def set_option(self, attribute: attr.Attribute, value: Any) -> None:
        """Set an option on every optimizer that knows it; the first refuses it where none does."""
        for optimizer in [o for o in self if o.supports(attribute)] or self._optimizers[:1]:
            optimizer.set(attribute, value)
