"""The solvers of a model: which there are, what they take, and the forms that are made for them."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, final

from ..bridges.lowering import Lowering
from ..bridges.lowering.named import named_form
from ..modelkit import attributes as attr
from ..modelkit.errors import (
    InvalidData,
    NotOptimized,
    UnsupportedConstraint,
    UnsupportedObjective,
)
from ..modelkit.form import Abilities, Form, Journal
from ..modelkit.form.named_form import NamedForm
from ..modelkit.functions import NONLINEAR, Function, ScalarAffineFunction
from ..modelkit.functions.abstract_function import class_of
from ..modelkit.functions.rows import Rows
from ..modelkit.indices import Kind, describe_kind
from ..modelkit.model.abstract_meta_solver import AbstractMetaSolver
from ..modelkit.model.caching_states import (
    CachingOptimizerMode,
    CachingOptimizerState,
)
from ..modelkit.sets import Set
from ..modelkit.store.parameters import PARAMETERS, Parameters, kinds_inserted
from ..modelkit.store.store import Store

__all__ = ["Loaded", "Loading"]


@final
class Loaded:
    """A solver, and what of a form it has not been told."""

    def __init__(self, solver: Any) -> None:
        self.solver = solver
        self.lowering: Lowering | None = None
        self.generation = -1
        self.pending: Journal | None = None


class Loading(AbstractMetaSolver):
    """A model as written before solvers, each of which gets a form as it can take it.

    In automatic mode forms are made and solvers loaded when they are needed. In manual mode `attach_optimizer` is the
    user's to call, and what the solver refuses is refused at once.

    Attributes
    ----------
    store : the model as written
    mode : automatic or manual
    """

    def __init__(self, *solvers: Any, mode: CachingOptimizerMode) -> None:
        self.store = Store()
        self.mode = mode
        self._solvers: list[Loaded] = []
        self._present: Loaded | None = None
        self._attached = False
        self._lowerings: dict[Abilities, Lowering] = {}
        self._taken: set[Kind] = set()
        self._objective: tuple[Any, type[Function]] | None = None
        self._forget()
        if solvers:
            self.reset_optimizer(*solvers)

    @abstractmethod
    def _forget(self) -> None:
        """The model changed: what was solved is no longer its solution."""

    @property
    def solvers(self) -> list[Any]:
        """The solvers, in the order in which they are tried."""
        return [one.solver for one in self._solvers]

    @property
    def optimizer(self) -> Any:
        """The solver in use, None without one."""
        return None if self._present is None else self._present.solver

    @property
    def state(self) -> CachingOptimizerState:
        """How the solver stands to the model."""
        if self._present is None:
            return CachingOptimizerState.NO_OPTIMIZER
        return CachingOptimizerState.ATTACHED_OPTIMIZER if self._attached else CachingOptimizerState.EMPTY_OPTIMIZER

    def reset_optimizer(self, *solvers: Any) -> None:
        """Unload the solver, or take another one (or several, to be tried in order).

        What was set of common optimizer attributes goes to the new ones.
        """
        for solver in solvers:
            if not (hasattr(solver, "abilities") and callable(getattr(solver, "solve", None))):
                raise InvalidData(f"A model takes callables that make a solver of ot.solvers; one made {solver!r}.")
        self._detach()
        if not solvers:
            return
        self._solvers = [Loaded(solver) for solver in solvers]
        self._present = self._solvers[0]
        self._lowerings = {}
        self._taken = set()
        for solver in solvers:
            for attribute, value in self.store.optimizer_attributes().items():
                if not isinstance(attribute, attr.RawOptimizerAttribute) and solver.supports_option(attribute):
                    solver.set_option(attribute, value)

    def drop_optimizer(self) -> None:
        """Have no solver."""
        self._detach()
        self._solvers, self._present, self._lowerings, self._taken = [], None, {}, set()

    def attach_optimizer(self) -> None:
        """Make the form for the solver; the state is unchanged if that fails."""
        if self._present is None:
            raise NotOptimized("There is no optimizer to attach; give one to reset_optimizer first.")
        self._attached = False
        lacking = [kind for kind in kinds_inserted(self.store) if not self._takes(self._present, kind)]
        if lacking:
            raise self._refusal(lacking[0], self._present)
        if not self._lowering(self._present.solver.abilities).takes_objective(self._objective_type()):
            raise self._refused_objective(self._objective_type(), self._present)
        self._lowering(self._present.solver.abilities).sync(self.store)
        self._attached = True

    def _detach(self) -> None:
        self._attached = False
        for one in self._solvers:
            one.pending = None
        self._forget()

    def _lowering(self, abilities: Abilities) -> Lowering:
        found = self._lowerings.get(abilities)
        if found is None:
            found = self._lowerings[abilities] = Lowering(abilities)
        return found

    def _takes(self, one: Loaded, kind: Kind) -> bool:
        return self._lowering(one.solver.abilities).takes(kind)

    def takes(self, kind: Kind) -> bool:
        """Whether one of the solvers takes the kind of constraint; without any, everything is taken."""
        if kind in self._taken:
            return True
        if self._solvers and not any(self._takes(one, kind) for one in self._solvers):
            return False
        self._taken.add(kind)
        return True

    def _refusal(self, kind: Kind, one: Loaded) -> UnsupportedConstraint:
        name = one.solver.name
        missing = self._lowering(one.solver.abilities).missing(kind, name)
        return UnsupportedConstraint(
            f"{describe_kind(kind)} is not supported by {name}, nor through bridges: {missing} "
            "Rewrite the constraint, or choose a solver that takes it."
        )

    def require(self, function_type: type[Function], set_type: type[Set]) -> None:
        """Raise `UnsupportedConstraint` unless a solver takes the kind (or there is none yet)."""
        kind = function_type, set_type
        if not self.takes(kind):
            raise self._refusal(kind, self._solvers[0])

    def _require_inserted(self, kind: Kind, rows: Rows) -> type[Function]:
        """Raise unless a solver takes the kind, or what these rows become when parameters are inserted.

        Returns the type of function to write them as, see `_written_as`.
        """
        if kind[0].degree < 2 or self.takes(kind):
            self.require(*kind)
            return kind[0]
        self.store.check_variables(rows)
        parameters, written = Parameters(self.store), self._written_as(kind[0], rows)
        if written is kind[0] or not self.takes((written, kind[1])):
            written = kind[0]
            self.require(parameters.type_of(kind[0], rows), kind[1])
        return written

    def _require_objective(self, function: Any) -> type[Function]:
        """Likewise of an objective."""
        given: type[Function] = type(function)
        written = self._written_as(given, function.rows)
        if self._solvers and written is not given and self.supports_objective(written):
            return written
        function_type = Parameters(self.store).type_of(given, function.rows, UnsupportedObjective)
        if not self.supports_objective(function_type):
            raise self._refused_objective(function_type, self._solvers[0])
        return given

    def _written_as(self, given: type[Function], rows: Rows) -> type[Function]:
        """What parameters leave of degree three or more is a nonlinear function, whose products are lifted."""
        if given.degree != 3 or Parameters(self.store).degrees(rows).max(initial=0) <= 2:
            return given
        return class_of(vector=given.is_vector, degree=NONLINEAR)

    @staticmethod
    def _refused_objective(function_type: type[Function], one: Loaded) -> UnsupportedObjective:
        return UnsupportedObjective(
            f"{one.solver.name} takes no {function_type.__name__} as objective, nor through bridges; choose a solver "
            "that does."
        )

    def _objective_type(self) -> type[Function]:
        """Of the objective with the parameters inserted; looked for again where it may have become another one."""
        store, block = self.store, self.store.objective_block
        if block is None or block.function_type.degree < 2:
            return ScalarAffineFunction
        parameters = len(store.block(PARAMETERS)) if store.has_block(PARAMETERS) else 0
        state = block, block.log.position, store.variables_alive, parameters, store.constraint_count
        if self._objective is None or self._objective[0] != state:
            self._objective = state, Parameters(store).type_of(block.function_type, block.all_rows())
        return self._objective[1]

    def supports_constraint(self, function_type: type[Function], set_type: type[Set]) -> bool:
        """Whether a solver takes the kind (anything without one)."""
        return self.takes((function_type, set_type))

    def supports_objective(self, function_type: type[Function]) -> bool:
        """Whether a solver takes the type (anything without one)."""
        return not self._solvers or any(
            self._lowering(one.solver.abilities).takes_objective(function_type) for one in self._solvers
        )

    def named_form(self, abilities: Abilities, target: str) -> NamedForm:
        """The model as a form of these abilities, made for this once, with names."""
        return named_form(self.store, Lowering(abilities), target)

    def _in_step(self, lowering: Lowering) -> Form:
        """The form of the present model; what changed of it is noted for the solvers that have it loaded."""
        form = lowering.sync(self.store)
        changed = form.take_journal()
        for one in self._solvers:
            if one.lowering is lowering and one.pending is not None:
                one.pending.add(changed)
        return form
