"""The meta-solver: the model as written, solvers that take forms of it, and the derivative at its solution.

To readers of MathOptInterface it is the caching optimizer, with its modes and states; the bridge layer is a `Lowering`,
which is data. Forms are kept in step with the model: a change of numbers is a change of a few entries, which a loaded
solver is told.

The file is long because it is one door: what a model can do is said here, and who does it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, final

from ..bridges.lowering import Lowering
from ..bridges.lowering.named import named_form
from ..bridges.lowering.shown import LoweredConstraint, lowered
from ..modelkit import attributes as attr
from ..modelkit.arrays import FloatArray, IntArray
from ..modelkit.convexity import require_convex
from ..modelkit.errors import (
    DifferentiationError,
    InvalidData,
    InvalidIndex,
    NotAllowed,
    NotOptimized,
    OptangentError,
    Unsupported,
    UnsupportedConstraint,
    UnsupportedObjective,
)
from ..modelkit.form import Abilities, Form, Journal
from ..modelkit.form.named_form import NamedForm
from ..modelkit.form.residuals import OPTIMAL_RESIDUAL, Residuals, checked
from ..modelkit.functions import Function, ScalarAffineFunction, VariableIndex, VectorOfVariables
from ..modelkit.functions.rows import Rows
from ..modelkit.indices import ConstraintIndex, ConstraintIndices, IndexMap, Kind, describe_kind
from ..modelkit.model.abstract_meta_solver import AbstractMetaSolver
from ..modelkit.model.caching_states import (
    CONCLUSIVE,
    DATA,
    WITHOUT_RESULT,
    CachingOptimizerMode,
    CachingOptimizerState,
    SolverFallbackWarning,
)
from ..modelkit.model.remaking import recipe, remade
from ..modelkit.modifications import Modification
from ..modelkit.sets import Nonnegatives, ScalarSet, Set, VectorSet, Zeros
from ..modelkit.store.abstract_model import AbstractModel
from ..modelkit.store.attribute_values import check_target
from ..modelkit.store.block import ConstraintBlock
from ..modelkit.store.changing import check_changes, make_changes
from ..modelkit.store.checks import check_fit
from ..modelkit.store.deletion import check_deletion, items_of
from ..modelkit.store.parameters import PARAMETERS, Parameters, kinds_inserted
from ..modelkit.store.store import Store
from ..modelkit.store.unbounded import bounded
from ..modelkit.warning import warn_user
from .conic_diff import ConicDiff
from .convex_diff import ConvexDiff
from .derivative import Derivative, require_solution
from .directions import Direction
from .form_point import FormPoint
from .inputs import Inputs
from .outcome import Outcome
from .quadratic_diff import QuadraticDiff
from .settings import DEFAULTS, check_setting
from .starting import start_of
from .written import Written

__all__ = ["DifferentiationWarning", "MetaSolver", "abilities_of", "diff_optimizer"]

_MANUAL = CachingOptimizerMode.MANUAL
_MODES: dict[type[attr.Attribute], str] = {
    attr.ForwardVariablePrimal: "forward",
    attr.ForwardConstraintDual: "forward",
    attr.ForwardObjectiveValue: "forward",
    attr.ReverseObjectiveFunction: "reverse",
    attr.ReverseConstraintFunction: "reverse",
    attr.ReverseConstraintSet: "reverse",
    attr.ReverseParameterValue: "reverse",
}
"""The mode that each result of differentiation is of."""
_LISTS: dict[type[attr.Attribute], attr.On] = {
    attr.ListOfOptimizerAttributesSet: attr.On.OPTIMIZER,
    attr.ListOfModelAttributesSet: attr.On.MODEL,
    attr.ListOfVariableAttributesSet: attr.On.VARIABLE,
    attr.ListOfConstraintAttributesSet: attr.On.CONSTRAINT,
}


_STARTS = attr.VariablePrimalStart(), attr.ConstraintDualStart()


class DifferentiationWarning(UserWarning):
    """The solution is not differentiable here; `DifferentiationStatus` tells what was returned instead."""


def abilities_of(diff_model: type[ConvexDiff] | ConvexDiff) -> Abilities:
    """What forms a diff model takes."""
    sets = [kind[1] for kind in diff_model.kinds if kind[0].degree < 2]
    return Abilities(
        cones=frozenset(s for s in sets if s not in (Zeros, Nonnegatives)),
        quadratic_rows=any(kind[0].degree == 2 for kind in diff_model.kinds),
    )


@final
class _Loaded:
    """A solver, and what of a form it has not been told."""

    def __init__(self, solver: Any) -> None:
        self.solver = solver
        self.lowering: Lowering | None = None
        self.generation = -1
        self.pending: Journal | None = None


@final
class MetaSolver(AbstractMetaSolver):
    """A model as written, with solvers and a derivative.

    In automatic mode forms are made and solvers loaded when they are needed. In manual mode `attach_optimizer` is the
    user's to call, and what the solver refuses is refused at once.

    Parameters
    ----------
    *solvers : Solver
        None, one, or several to be tried in this order, each where those before it failed.
    differentiates : whether there are derivatives
    mode : CachingOptimizerMode

    Attributes
    ----------
    warns : whether it warns; copies in worker threads do not, for Python's filters of warnings are the process's
    settings : values of the attributes of differentiation that belong to the whole model
    """

    def __init__(
        self,
        *solvers: Any,
        differentiates: bool = True,
        mode: CachingOptimizerMode = CachingOptimizerMode.AUTOMATIC,
    ) -> None:
        self.store = Store()
        self.mode = mode
        self.warns = True
        self.differentiates = differentiates
        self.settings: dict[type[attr.Attribute], Any] = dict(DEFAULTS)
        self._inputs = Inputs(self.store)
        self._optimizing = False
        self._solvers: list[_Loaded] = []
        self._present: _Loaded | None = None
        self._attached = False
        self._lowerings: dict[Abilities, Lowering] = {}
        self._taken: set[Kind] = set()
        self._layout: Any = None
        self._diff: tuple[Any, ConvexDiff] | None = None
        self._objective: tuple[Any, type[Function]] | None = None
        self._written = Written()
        self._forget()
        if solvers:
            self.reset_optimizer(*solvers)

    def _forget(self) -> None:
        """The model changed: what was solved is no longer its solution."""
        self._outcome: Outcome | None = None
        self._solved = False
        self._residuals: Residuals | None = None
        self._status: attr.TerminationStatusCode | None = None
        self._derivative: Derivative | None = None
        self._warned = False

    # ------------------------------------------------------------------ the solvers and their states
    @property
    def cache(self) -> MetaSolver:
        """Itself: it keeps the model."""
        return self

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
        self._solvers = [_Loaded(solver) for solver in solvers]
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

    @property
    def point(self) -> FormPoint | None:
        """The exact solution that derivatives are of, once one was asked for."""
        return None if self._derivative is None else self._derivative.point

    # ------------------------------------------------------------------ what is taken
    def _takes(self, one: _Loaded, kind: Kind) -> bool:
        return self._lowering(one.solver.abilities).takes(kind)

    def takes(self, kind: Kind) -> bool:
        """Whether one of the solvers takes the kind of constraint; without any, everything is taken."""
        if kind in self._taken:
            return True
        if self._solvers and not any(self._takes(one, kind) for one in self._solvers):
            return False
        self._taken.add(kind)
        return True

    def _refusal(self, kind: Kind, one: _Loaded) -> UnsupportedConstraint:
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

    def _require_inserted(self, kind: Kind, rows: Rows) -> None:
        """Raise unless a solver takes the kind, or what these rows become when parameters are inserted."""
        if kind[0].degree < 2 or self.takes(kind):
            self.require(*kind)
            return
        parameters = Parameters(self.store)
        self.store.check_variables(rows)
        self.require(parameters.type_of(kind[0], rows), kind[1])

    def _require_objective(self, function: Any) -> None:
        function_type = Parameters(self.store).type_of(type(function), function.rows, UnsupportedObjective)
        if not self.supports_objective(function_type):
            raise self._refused_objective(function_type, self._solvers[0])

    @staticmethod
    def _refused_objective(function_type: type[Function], one: _Loaded) -> UnsupportedObjective:
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

    def supports(self, attribute: attr.Attribute) -> bool:
        """Whether the attribute can be set."""
        if self.differentiates and (type(attribute) in Inputs.TYPES or type(attribute) in self.settings):
            return True
        if attribute.on == attr.On.OPTIMIZER and self._present is not None:
            return bool(self._present.solver.supports_option(attribute))
        return self.store.supports(attribute)

    @property
    def lowerings(self) -> list[tuple[str, Lowering]]:
        """Name of each solver, and of the diff model once there is one, with what brings models to it."""
        found = [(str(one.solver.name), self._lowering(one.solver.abilities)) for one in self._solvers]
        if self._derivative is not None:
            found.append((self._derivative.name, self._derivative.lowering))
        return found

    def lowered(self, index: ConstraintIndex, *, differentiated: bool = False) -> LoweredConstraint:
        """What stands for a constraint in the form of the solver in use, or of the diff model."""
        self.store.check_index(index)
        if differentiated:
            current = self._at_solution()
            return lowered(self.store, current.lowering, index, current.name)
        if self._present is None:
            raise NotOptimized("There is no optimizer, and no form of the model; give a solver to the model.")
        lowering = self._lowering(self._present.solver.abilities)
        self._in_step(lowering)
        return lowered(self.store, lowering, index, str(self._present.solver.name))

    def named_form(self, abilities: Abilities, target: str) -> NamedForm:
        """The model as a form of these abilities, made for this once, with names."""
        return named_form(self.store, Lowering(abilities), target)

    # ------------------------------------------------------------------ building
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
            self._require_inserted(kind, function.rows)
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
            self._require_inserted(block.kind, block.rows)
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

    # ------------------------------------------------------------------ changing
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

    def delete(self, index: Any) -> None:
        """Delete a variable or constraint, or a sequence of them, and the tangents and seeds set on them."""
        items = items_of(index)
        check_deletion(self.store, items)
        self._forget()
        self.store.delete(items)
        self._inputs.forget_deleted()

    def empty(self) -> None:
        """Drop the model, its tangents and seeds; keep the solvers and their options."""
        self.store.empty()
        self._inputs.clear()
        self._lowerings = {}
        self._detach()

    # ------------------------------------------------------------------ attributes: setting
    def set(self, attribute: attr.Attribute, *index_and_value: Any) -> None:
        """Set data, an option, a tangent or a seed."""
        kind = type(attribute)
        if self.differentiates and kind in Inputs.TYPES:
            if self._derivative is not None:
                self._derivative.forget()
            self._inputs.set(attribute, *index_and_value)
            return
        if self.differentiates and kind in self.settings:
            if len(index_and_value) > 1:
                raise InvalidIndex(f"{attribute!r} belongs to the whole model; it takes no index.")
            check_setting(attribute, index_and_value[-1])
            self.settings[kind] = index_and_value[-1]
            self._derivative = self._diff = None
            return
        pairs = self.store.check_setting(attribute, *index_and_value)
        if attribute.on is attr.On.OPTIMIZER:
            self._set_option(attribute, pairs[0][1])
        elif isinstance(attribute, attr.ObjectiveFunction):
            self._require_objective(pairs[0][1])
        if isinstance(attribute, DATA):
            self._forget()
        self.store.apply_setting(attribute, pairs)

    def _set_option(self, attribute: attr.Attribute, value: Any) -> None:
        """Set an option on every solver that knows it; the first refuses it where none does."""
        for solver in [s for s in self.solvers if s.supports_option(attribute)] or self.solvers[:1]:
            solver.set_option(attribute, value)
        self._forget()

    # ------------------------------------------------------------------ attributes: reading
    def get(self, attribute: attr.Attribute, index: Any = None) -> Any:
        """Data, results and derivatives."""
        kind = type(attribute)
        if self.differentiates:
            if kind in self.settings:
                return self.settings[kind]
            if kind in Inputs.TYPES:
                return self._inputs.get(attribute, index)
            if kind in _MODES:
                return self._output(attribute, index)
            if kind in (attr.PolishedPrimal, attr.PolishedDual):
                return self._refined(attribute, index)
            if kind is attr.ConstraintDegeneracy:
                return self._degeneracy(attribute, index)
            if kind is attr.DifferentiateTimeSec:
                return float("nan") if self._derivative is None else self._derivative.seconds
            if kind in (attr.DifferentiationStatus, attr.SolutionRefinement):
                return self._known(kind)
        if kind in _LISTS:
            return self._listed(attribute)
        if attribute.on == attr.On.OPTIMIZER and self._present is not None:
            return self._option(attribute, self._present.solver)
        if not attribute.is_result:
            return self.store.get(attribute, index)
        return self._result(attribute, index)

    def _option(self, attribute: attr.Attribute, solver: Any) -> Any:
        if isinstance(attribute, attr.RawOptimizerAttribute):
            return solver.options.get(attribute.name)
        if isinstance(attribute, attr.SolverName):
            return solver.name
        if isinstance(attribute, attr.SolverVersion):
            return solver.version()
        silent = True if isinstance(attribute, attr.Silent) else None  # all are until told otherwise
        return solver.common.get(type(attribute), silent)

    def _listed(self, attribute: attr.Attribute) -> list[attr.Attribute]:
        on, kind = _LISTS[type(attribute)], getattr(attribute, "kind", None)
        found: list[attr.Attribute]
        if on is attr.On.OPTIMIZER:
            solver = self.optimizer
            common = [] if solver is None else [one() for one, value in solver.common.items() if value is not None]
            found = common if solver is not None else list(self.store.get(attribute))
            found += [] if solver is None else [attr.RawOptimizerAttribute(name) for name in solver.options]
            if self.differentiates:
                found += [one() for one, value in self.settings.items() if value is not DEFAULTS[one]]
            return found
        found = list(self.store.get(attribute))
        return found + self._inputs.attributes_set(on, kind)

    @property
    def _has_results(self) -> bool:
        return self._outcome is not None and self._outcome.fits(self.store)

    @property
    def is_solved(self) -> bool:
        """Whether the result is that of the present model, and conclusive."""
        return self._solved and self._has_results

    def _result(self, attribute: attr.Attribute, index: Any) -> Any:
        if isinstance(index, (list, tuple)):
            return [self._result(attribute, one) for one in index]
        check_target(attribute, index)
        if index is not None:
            self.store.check_index(index)
        if not self._has_results:
            return self._without_result(attribute)
        if isinstance(attribute, attr.TerminationStatus):
            if self._status is None:
                self._status = self._checked_status(self.raw(attribute))
            return self._status
        if isinstance(attribute, (attr.PrimalStatus, attr.DualStatus)):
            return self._checked_result(self.raw(attribute))
        if isinstance(attribute, attr.DualObjectiveValue):
            assert self._outcome is not None
            return self._written.dual_objective(self._outcome)
        if isinstance(attribute, attr.ConstraintPrimal):
            constants = self.get(attr.PrimalStatus()) != attr.ResultStatusCode.INFEASIBILITY_CERTIFICATE
            return self.store.evaluate(index, self.values, constants)
        return self.raw(attribute, index)

    def _checked_status(self, status: attr.TerminationStatusCode) -> attr.TerminationStatusCode:
        """What the solver's status is worth."""
        codes, proof = attr.TerminationStatusCode, attr.ResultStatusCode.INFEASIBILITY_CERTIFICATE
        of = {codes.INFEASIBLE: attr.DualStatus(), codes.DUAL_INFEASIBLE: attr.PrimalStatus()}.get(status)
        is_looked_at = status is codes.OPTIMAL or (of is not None and self.raw(of) is proof)
        return checked(status, self.residuals()) if is_looked_at else status

    def _checked_result(self, status: attr.ResultStatusCode) -> attr.ResultStatusCode:
        """What a result is; a certificate that proves nothing is nothing known."""
        codes = attr.ResultStatusCode
        proved = status is not codes.INFEASIBILITY_CERTIFICATE or self.residuals().worst <= OPTIMAL_RESIDUAL
        return status if proved else codes.UNKNOWN_RESULT_STATUS

    def _without_result(self, attribute: attr.Attribute) -> Any:
        plain = WITHOUT_RESULT.get(type(attribute))
        if plain is not None:
            return plain
        why = "there is no optimizer"
        if self._present is not None:
            why = "the model has not been solved since it was last changed"
        raise NotOptimized(f"There is no {attribute!r}: {why}. Call optimize() first.")

    def raw(self, attribute: attr.Attribute, index: Any = None) -> Any:
        """A result as the solver has it, unchecked, of one index or many of one kind."""
        assert self._outcome is not None
        return self._outcome.get(attribute, index)

    def values(self, ids: IntArray) -> FloatArray:
        """Values of variables by identifier."""
        found: FloatArray = self.raw(attr.VariablePrimal(), VectorOfVariables.of_ids(ids))
        return found

    def residuals(self) -> Residuals:
        """Primal and dual residuals and gap of the result, recomputed from the model as written."""
        if self._residuals is None:
            assert self._outcome is not None
            self._residuals = self._written.residuals(self._outcome)
        return self._residuals

    # ------------------------------------------------------------------ solving
    def optimize(self) -> None:
        """Bring a solver up to date and solve; a solution of the unchanged model is kept.

        Where a solver fails, the next of the given ones is tried, with a warning that names both.
        """
        if self.is_solved:
            return
        if not self._solvers:
            raise NotOptimized("There is no optimizer; give a solver to the model, e.g. ot.Model(ot.solvers.HiGHS).")
        if self._optimizing:
            raise NotAllowed(
                "optimize() was called while this model is being optimized, by a hook of warnings, a callback or a "
                "signal handler. Let the first call end."
            )
        self._optimizing = True
        try:
            self._optimize()
        finally:
            self._optimizing = False

    def _optimize(self) -> None:
        """Try one solver after the other."""
        wanted = kinds_inserted(self.store)
        objective = self._objective_type()
        able = [
            one
            for one in self._solvers
            if all(self._takes(one, kind) for kind in wanted)
            and self._lowering(one.solver.abilities).takes_objective(objective)
        ] or self._solvers[:1]
        for one, following in zip(able, [*able[1:], None], strict=True):
            if one is not self._present:
                self._present, self._attached = one, False
            failure = self._try(one, last=following is None)
            if failure is None:
                return
            assert following is not None
            words = f"{one.solver.name} failed ({failure}); trying {following.solver.name}."
            if self.warns:
                warn_user(words, SolverFallbackWarning)

    def _try(self, one: _Loaded, *, last: bool) -> str | None:
        """Solve with one solver; why it failed, or None. The last one's word stands in any case."""
        self._forget()  # also what was found of the one before
        try:
            if not self._attached:
                if self.mode is _MANUAL:
                    raise NotOptimized("The optimizer is empty, and the mode is manual: call attach_optimizer() first.")
                self.attach_optimizer()
            self._outcome = self._run(one)
        except OptangentError as error:
            if last or isinstance(error, InvalidData):
                raise
            return str(error)
        self._solved = self.raw(attr.TerminationStatus()) in CONCLUSIVE
        if last:  # the check of an OPTIMAL waits until someone asks
            return None
        status: attr.TerminationStatusCode = self.get(attr.TerminationStatus())
        return None if status in CONCLUSIVE else status.name

    def _run(self, one: _Loaded) -> Outcome:
        bounded(self.store)  # refuses infinite parameters where they are no bounds
        lowering = self._lowering(one.solver.abilities)
        form = self._in_step(lowering)
        pending = one.pending if one.lowering is lowering and one.generation == lowering.generation else None
        if pending is None or pending.has_curvature:
            require_convex(form.P, lowering.sign, one.solver.name)
        one.pending = None  # until all has gone well
        result = one.solver.solve(form, pending, self._start(lowering))
        one.lowering, one.generation, one.pending = lowering, lowering.generation, Journal()
        return Outcome(self.store, lowering, result, one.solver.name, one.solver.fetch)

    def _in_step(self, lowering: Lowering) -> Form:
        """The form of the present model; what changed of it is noted for the solvers that have it loaded."""
        form = lowering.sync(self.store)
        changed = form.take_journal()
        for one in self._solvers:
            if one.lowering is lowering and one.pending is not None:
                one.pending.add(changed)
        return form

    def _start(self, lowering: Lowering) -> Any:
        """Where the user wants the solve to start: x and duals, NaN where nothing is said; None without any."""
        xs, ys = (self.store.values_of(kind) for kind in _STARTS)
        if not any(value is not None for values in (xs, ys) for value in values.values()):
            return None
        return start_of(self.store, lowering, xs, ys)

    def solve_again(self) -> None:
        """Solve, though there is a result."""
        self._forget()
        self.optimize()

    # ------------------------------------------------------------------ derivatives
    def empty_input_sensitivities(self) -> None:
        """Forget all tangents and seeds; the factorization stays."""
        self._inputs.clear()
        if self._derivative is not None:
            self._derivative.forget()

    def forward_differentiate(self) -> None:
        """Push the tangents to the solution; raises `DifferentiationError` if there is none."""
        current = self._at_solution()
        current.forward(self._inputs)
        self._warn(current)

    def reverse_differentiate(self) -> None:
        """Pull the seeds back to the data; raises `DifferentiationError` if there is no solution."""
        current = self._at_solution()
        current.reverse(self._inputs)
        self._warn(current)

    def directional_derivatives(self, outputs: VectorOfVariables, directions: Sequence[Direction]) -> FloatArray:
        """Derivatives of some variables along many directions, with one factorization: see `Model`."""
        current = self._at_solution()
        derivatives = current.directional(outputs, directions)
        self._warn(current)
        return derivatives

    def derivative(self) -> Derivative:
        """The derivative at the solution; raises `DifferentiationError` if there is none."""
        return self._at_solution()

    def polished(self, index: Any) -> Any:
        """`PolishedPrimal` of variables, `PolishedDual` of constraints."""
        variables = isinstance(index, (VariableIndex, VectorOfVariables))
        return self._refined(attr.PolishedPrimal() if variables else attr.PolishedDual(), index)

    def _at_solution(self) -> Derivative:
        if self._derivative is not None and self._derivative.is_current:
            return self._derivative
        status = self.get(attr.TerminationStatus())
        require_solution(status, self.get(attr.DualStatus()))
        assert self._outcome is not None
        lowering, model = self._diff_model()
        layout = None if self._layout is None or self._layout[0] is not lowering else self._layout[1]
        made = Derivative(self.store, lowering, self._outcome, model, layout)
        self._layout = lowering, made.point.layout
        self._derivative = made
        return made

    def _diff_model(self) -> tuple[Lowering, ConvexDiff]:
        """The form and the diff model that takes it: the first of ours that does, or the chosen one."""
        assert self._outcome is not None
        chosen, reasons = self.settings[attr.ModelConstructor], []
        kinds = kinds_inserted(self.store)
        for make in DIFF_MODELS if chosen is None else [chosen]:
            model = self._made(make)
            abilities = abilities_of(model)
            lowering = self._lowering(abilities)
            lacking = [kind for kind in kinds if not lowering.takes(kind)]
            if lacking:
                words = (f"{describe_kind(k)} ({lowering.missing(k, model.name)})" for k in lacking)
                reasons += [f"{model.name} takes no {one}" for one in words]
                continue
            if self._outcome.lowering.serves(abilities, lowering):
                return self._outcome.lowering, model
            try:
                self._in_step(lowering)
            except Unsupported as error:
                reasons.append(str(error))
                continue
            return lowering, model
        raise DifferentiationError("No diff model takes this model: " + "; ".join(reasons) + ".")

    def _made(self, make: Callable[[], ConvexDiff]) -> ConvexDiff:
        """A diff model with the user's settings: the last one, if it is of this maker, with what it has kept."""
        if self._diff is None or self._diff[0] is not make:
            model = make()
            if not isinstance(model, ConvexDiff):
                raise DifferentiationError(f"{model!r} is no diff model: it makes no points of forms.")
            model.linear_algebra = self.settings[attr.LinearAlgebraSolver]
            model.allow_inaccurate = self.settings[attr.AllowInaccurateSolution]
            self._diff = make, model
        return self._diff[1]

    def _output(self, attribute: attr.Attribute, index: Any) -> Any:
        for one in index if isinstance(index, (list, tuple)) else [index]:
            check_target(attribute, one)
            if one is not None:
                self.store.check_index(one)
        mode = _MODES[type(attribute)]
        if self._derivative is None or not self._derivative.has(mode):
            raise NotOptimized(
                f"There is no {attribute!r}: call {mode}_differentiate() after the last change of the model, "
                "its tangents or seeds."
            )
        return self._derivative.output(attribute, index)

    def _refined(self, attribute: attr.Attribute, index: Any) -> Any:
        """Values or duals at the exact solution."""
        if isinstance(index, (list, tuple)):
            return [self._refined(attribute, one) for one in index]
        check_target(attribute, index)
        self.store.check_index(index)
        if self.get(attr.TerminationStatus()) is attr.TerminationStatusCode.OPTIMIZE_NOT_CALLED:
            raise NotOptimized(
                f"There is no {attribute!r}: the model has not been solved since it was last changed. "
                "Call optimize() first."
            )
        return self._at_solution().polished(index)

    def _degeneracy(self, attribute: attr.Attribute, index: Any) -> Any:
        """Which rows of constraints are at fault."""
        if isinstance(index, (list, tuple)):
            return [self._degeneracy(attribute, one) for one in index]
        check_target(attribute, index)
        self.store.check_index(index)
        current = self._derivative
        if current is None or not current.is_current or not current.seconds >= 0.0:
            raise NotOptimized(f"There is no {attribute!r}: differentiate the model first.")
        found = current.degeneracy(index)
        return float(found[0]) if isinstance(index, ConstraintIndex) and not index.kind[1].is_vector else found

    def _known(self, kind: type[attr.Attribute]) -> Any:
        current = self._derivative
        if current is not None and current.seconds >= 0.0:
            return current.status if kind is attr.DifferentiationStatus else current.point.refinement
        if kind is attr.DifferentiationStatus:
            return attr.DifferentiationStatusCode.NOT_DIFFERENTIATED
        raise NotOptimized("No solution was refined: differentiate the model first.")

    def _warn(self, current: Derivative) -> None:
        if self.warns and not self._warned:
            self._warned = True
            for text in current.caveats(self.get(attr.TerminationStatus())):
                warn_user(f"{text} This warning comes once for each solution.", DifferentiationWarning)

    # ------------------------------------------------------------------ copies
    def recipe(self) -> Any:
        """What `made_by` makes an equal one of, with the result."""
        outcome = self._outcome if self._has_results else None
        made = [recipe(solver) for solver in self.solvers]
        rest = self.differentiates, self.mode, self.settings, self._inputs.kept()
        return type(self), (made, rest, self.store, outcome, self._solved)

    @classmethod
    def made_by(cls, recipe: Any) -> MetaSolver:
        """One with the model, options, inputs and result of another; of its recipe alone, which becomes its own."""
        made, (differentiates, mode, settings, inputs), store, outcome, solved = recipe
        new = cls(*map(remade, made), differentiates=differentiates, mode=mode)
        new.store.__setstate__(store.__dict__)
        new.settings = settings
        new._inputs.keep(inputs)
        if outcome is not None:
            outcome.store = new.store
            new._outcome, new._solved = outcome, solved
            new._lowerings[outcome.lowering.abilities] = outcome.lowering
            new._attached = True
        return new

    # ------------------------------------------------------------------ the whole
    def is_valid(self, index: VariableIndex | ConstraintIndex) -> bool:
        """Whether the model holds the variable or constraint."""
        return self.store.is_valid(index)

    def is_empty(self) -> bool:
        """Whether the model holds nothing."""
        return self.store.is_empty()

    def copy_to(self, destination: AbstractModel) -> IndexMap:
        """Build the model in another one."""
        return self.store.copy_to(destination)


DIFF_MODELS: list[Callable[[], ConvexDiff]] = [QuadraticDiff, ConicDiff]
"""Diff models to choose from, the first that takes the model's constraints."""


def diff_optimizer(solver: Any) -> Callable[[], MetaSolver]:
    """A maker of meta-solvers that differentiate, for `Model`.

    Parameters
    ----------
    solver : class or callable without arguments, or an ordered list of them
        Of a list, each solver is tried where those before it failed, with a warning that names both.

    Examples
    --------
    >>> import optangent as ot
    >>> model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    >>> x = model.add_variable(name="x")
    >>> c = model.add_constraint(x >= 3)
    >>> model.minimize(2 * x)
    >>> model.optimize()
    >>> model.set(ot.ReverseVariablePrimal(), x, 1.0)
    >>> model.reverse_differentiate()
    >>> gradient = model.get(ot.ReverseConstraintFunction(), c)
    >>> gradient.coefficient(x), gradient.constant
    (-3.0, -1.0)
    """
    makers = list(solver) if isinstance(solver, (list, tuple)) else [solver]
    for maker in makers:
        if not callable(maker):
            raise InvalidData(
                f"diff_optimizer takes a solver class or a callable that makes a solver, got {maker!r}. "
                "Options go into a lambda: diff_optimizer(lambda: ot.solvers.HiGHS(...))."
            )
    return lambda: MetaSolver(*[maker() for maker in makers])
