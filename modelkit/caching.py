"""The cache: the user's model as written, beside an optimizer that holds a copy.

The file is long because every method of the protocol has to say when the optimizer hears of it, and what becomes of
the results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, final

import numpy as np

from . import attributes as attr
from .answer import Answer
from .arrays import FloatArray, IntArray
from .block import ConstraintBlock
from .caching_states import (
    CONCLUSIVE,
    DATA,
    STARTS,
    WITHOUT_RESULT,
    CachingOptimizerMode,
    CachingOptimizerState,
    SolverFallbackWarning,
)
from .candidates import Candidates, solver_name
from .changing import check_changes, make_changes, renamed_change
from .checks import check_fit
from .copying import Mirror
from .deletion import check_deletion, items_of
from .errors import InvalidData, NotAllowed, NotOptimized, OptangentError
from .form.residuals import Residuals
from .functions import Function, VariableIndex, VectorOfVariables
from .indices import ConstraintIndex, ConstraintIndices, IndexMap
from .modifications import Modification
from .parameters import PARAMETERS, kinds_inserted
from .protocol import AbstractModel
from .residuals import checked_result, checked_status, dual_objective, kkt_residuals
from .sets import ScalarSet, Set, VectorSet
from .settings import check_target
from .store import Store
from .unbounded import bounded
from .warning import warn_user

__all__ = ["CachingOptimizer", "CachingOptimizerMode", "CachingOptimizerState", "SolverFallbackWarning"]


_MANUAL = CachingOptimizerMode.MANUAL


@final
class CachingOptimizer(AbstractModel):
    """A model kept as written, and an optimizer that may hold a copy of it.

    Indices are the cache's own. In automatic mode the optimizer is filled when it is needed, additions reach it
    in bulk at the next `optimize`, changes at once; a change it refuses costs a fresh copy, never an error.

    Parameters
    ----------
    *optimizers : AbstractModel
        None, one, or several to be tried in this order, each where those before it failed.
    mode : CachingOptimizerMode

    Attributes
    ----------
    warns : whether it warns; copies in worker threads do not, for Python's filters of warnings are the process's

    Examples
    --------
    >>> import optangent as ot
    >>> cache = ot.CachingOptimizer()
    >>> x = cache.add_variable()
    >>> c = cache.add_constraint(2.0 * x, ot.GreaterThan(3.0))
    >>> cache.set(ot.ObjectiveFunction(), 1.0 * x)
    >>> cache.state.name
    'NO_OPTIMIZER'
    >>> cache.reset_optimizer(ot.solvers.HiGHS())
    >>> cache.optimize()
    >>> cache.state.name, cache.get(ot.VariablePrimal(), x)
    ('ATTACHED_OPTIMIZER', 1.5)
    """

    def __init__(
        self,
        *optimizers: AbstractModel,
        mode: CachingOptimizerMode = CachingOptimizerMode.AUTOMATIC,
    ) -> None:
        self.store = Store()
        self.optimizer: AbstractModel | None = None
        self._candidates = Candidates()
        self.mode = mode
        self.warns = True
        self._optimizing = False
        self._mirror: Mirror | None = None
        self._answer: Answer | None = None  # of the model that this one is a copy of
        self._residuals: Residuals | None = None
        self._asked = False  # whether `optimize` was called since the model was last changed
        self._solved = False  # and gave an answer that solving again would not change
        if optimizers:
            self.reset_optimizer(*optimizers)

    # ------------------------------------------------------------------ the optimizer's state
    @property
    def state(self) -> CachingOptimizerState:
        """How the optimizer stands to the cache."""
        if self.optimizer is None:
            return CachingOptimizerState.NO_OPTIMIZER
        attached = self._mirror is not None
        return CachingOptimizerState.ATTACHED_OPTIMIZER if attached else CachingOptimizerState.EMPTY_OPTIMIZER

    def reset_optimizer(self, *optimizers: AbstractModel) -> None:
        """Empty the optimizer, or take another one (or several, to be tried in order).

        What was set of common optimizer attributes goes to the new ones.
        """
        self._detach()
        if not optimizers:
            if self.optimizer is not None:
                self.optimizer.empty()
            return
        self._candidates = Candidates(optimizers)
        self.optimizer = optimizers[0]
        for optimizer in optimizers:
            optimizer.empty()
            for attribute, value in self.store.optimizer_attributes().items():
                if not isinstance(attribute, attr.RawOptimizerAttribute) and optimizer.supports(attribute):
                    optimizer.set(attribute, value)

    @property
    def candidates(self) -> Candidates:
        """The optimizers, in the order in which they are tried."""
        return self._candidates

    def require(self, function_type: type[Function], set_type: type[Set]) -> None:
        """Raise `UnsupportedConstraint` unless an optimizer takes the kind (or there is none yet)."""
        self._candidates.require((function_type, set_type))

    def drop_optimizer(self) -> None:
        """Have no optimizer."""
        self._detach()
        self.optimizer = None
        self._candidates = Candidates()

    def attach_optimizer(self) -> None:
        """Fill the optimizer; the state is unchanged if that fails."""
        if self.optimizer is None:
            raise NotOptimized("There is no optimizer to attach; give one to reset_optimizer first.")
        self._detach()
        for kind in kinds_inserted(self.store):
            if not self.optimizer.supports_constraint(*kind):
                raise self._candidates.refusal(kind, self.optimizer)
        self._mirror = Mirror(bounded(self.store), self.optimizer)
        self._mirror.source = self.store

    def _detach(self) -> None:
        self._mirror = None
        self._touched()

    def _touched(self) -> None:
        """The model changed: what was solved is no longer its solution."""
        self._asked = self._solved = False
        self._answer = self._residuals = None

    @property
    def _has_results(self) -> bool:
        """Whether what the optimizer holds belongs to the present model."""
        if self._answer is not None:
            return self._asked and self._answer.fits(self.store)
        return self._asked and self._mirror is not None and self._mirror.complete

    @property
    def is_solved(self) -> bool:
        """Whether the optimizer's result is that of the present model, and conclusive."""
        return self._solved and self._has_results

    def answer(self) -> Answer | None:
        """The present result by itself, or None where there is none."""
        return (self._answer or Answer(self)) if self._has_results else None

    @property
    def is_copied(self) -> bool:
        """Whether the result came with a copy, and no solver stands behind it."""
        return self._answer is not None

    def solve_again(self) -> None:
        """Solve, though there is a result."""
        self._touched()
        self.optimize()

    def take_over(self, answer: Answer) -> None:
        """Have this result of an equal model."""
        self._answer, self._asked = answer, True
        self._solved = self.raw(attr.TerminationStatus()) in CONCLUSIVE

    @property
    def index_map(self) -> IndexMap:
        """From the cache's indices to the optimizer's."""
        if self._mirror is None:
            raise NotOptimized("No optimizer is attached.")
        return self._mirror.index_map

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
        if kind not in self._candidates.known:
            check_fit(function, set)
            self._candidates.require_inserted(kind, function.rows, self.store)
        index = self.store.add_constraint(function, set)
        if self.mode is _MANUAL:
            self._extend_at_once([index])
        return index

    def add_constrained_variable(self, set: ScalarSet) -> tuple[VariableIndex, ConstraintIndex]:
        """Add a variable in a set."""
        kind = (VariableIndex, type(set))
        if kind not in self._candidates.known:
            self._candidates.require(kind)
        made = self.store.add_constrained_variable(set)
        if self.mode is _MANUAL:
            self._extend_at_once(list(made))
        return made

    def add_constrained_variables(self, set: VectorSet) -> tuple[VectorOfVariables, ConstraintIndex]:
        """Add as many variables as the set has rows, in the set."""
        if not isinstance(set, VectorSet):
            raise InvalidData(f"Expected a set of vectors such as Nonnegatives(3), got {set!r}.")
        self._candidates.require((VectorOfVariables, type(set)))
        with self.together():
            return super().add_constrained_variables(set)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Variables made within are gone again where something raises."""
        first = self.store.variable_count
        try:
            yield
        except BaseException:
            if self.mode is _MANUAL and self._mirror is not None:
                self.store.delete(list(VectorOfVariables.of_ids(self.store.variable_ids(first))))
            elif self.store.variable_count > first:
                self.store.take_back_variables(first)
            raise

    def add_variable_in(self, set_type: type[ScalarSet], numbers: tuple[float, ...]) -> VariableIndex:
        """Add a variable in the set with these numbers: `add_constrained_variable` without making the set."""
        kind = (VariableIndex, set_type)
        if kind in self._candidates.known and self.mode is not _MANUAL:
            return VariableIndex(self.store.add_variable_in(kind, numbers))
        return self.add_constrained_variable(set_type(*numbers))[0]

    def add_block(self, block: ConstraintBlock) -> ConstraintIndices:
        """Add many constraints of one kind."""
        if block.kind not in self._candidates.known:
            self._candidates.require_inserted(block.kind, block.rows, self.store)
        indices = self.store.add_block(block)
        if self.mode is _MANUAL:
            self._extend_at_once(indices)
        return indices

    def _extend_at_once(self, added: Any) -> None:
        """In manual mode additions reach the optimizer one by one; what it refuses is not in the cache either."""
        if self._mirror is None:
            return
        if self.store.unbounded:
            self._detach()
            return
        self._touched()
        try:
            self._mirror.extend()
        except BaseException:
            self.store.delete(added)
            raise

    # ------------------------------------------------------------------ changing
    def _pass_on(self, change: Callable[[AbstractModel, Mirror], None]) -> None:
        """Make a change in the attached optimizer; if it refuses, empty it (automatic mode) or raise (manual).

        Whatever else it raises passes through, and the optimizer, in doubt, is filled anew when it is needed.
        """
        mirror, optimizer = self._mirror, self.optimizer
        if mirror is None or optimizer is None:
            return
        if self.store.unbounded:  # rows without bound are others below
            self._detach()
            return
        try:
            if not mirror.complete:  # additions first, so that the change may speak of them
                mirror.extend()
            change(optimizer, mirror)
        except NotAllowed:
            if self.mode is _MANUAL:
                raise
            self._detach()
        except BaseException:
            self._detach()
            raise

    def modify(
        self, target: ConstraintIndex | attr.ObjectiveFunction, change: Modification | Sequence[Modification]
    ) -> None:
        """Change coefficients or constants."""
        changes = check_changes(self.store, target, change)

        def pass_on(optimizer: AbstractModel, mirror: Mirror) -> None:
            mapped = mirror.index_map(target) if isinstance(target, ConstraintIndex) else target
            optimizer.modify(mapped, [renamed_change(one, mirror.index_map) for one in changes])

        self._pass_on(pass_on)
        self._touched()
        make_changes(self.store, target, changes)

    def set_numbers(self, indices: ConstraintIndices, numbers: FloatArray, constants: FloatArray | None = None) -> None:
        """Give many constraints other numbers, and their functions other constants."""
        self.store.check_new_numbers(indices, numbers, constants)
        if np.isinf(numbers).any() and indices.kind == PARAMETERS:
            self._detach()
        self._pass_on(lambda optimizer, mirror: optimizer.set_numbers(mirror.index_map(indices), numbers, constants))
        self._touched()
        self.store.set_numbers(indices, numbers, constants)

    def delete(self, index: Any) -> None:
        """Delete a variable or constraint, or a sequence of them."""
        items = items_of(index)
        check_deletion(self.store, items)
        mirror = self._mirror
        if mirror is not None and any(mirror.holds(one) for one in items):
            self._pass_on(lambda optimizer, mirror: optimizer.delete([mirror.index_map(i) for i in items]))
            self._touched()
        if self._answer is not None:
            self._touched()
        self.store.delete(items)

    def empty(self) -> None:
        """Drop the model; keep the optimizer and its options."""
        self.store.empty()
        self._detach()
        if self.optimizer is not None:
            self.optimizer.empty()

    def set(self, attribute: attr.Attribute, *index_and_value: Any) -> None:
        """Set an attribute, here and in the attached optimizer."""
        pairs = self.store.check_setting(attribute, *index_and_value)
        if attribute.on is attr.On.OPTIMIZER:
            self._candidates.set_option(attribute, pairs[0][1])
            self._touched()
        elif isinstance(attribute, attr.ObjectiveFunction):
            self._candidates.require_objective(pairs[0][1], self.store)
        if isinstance(attribute, (*DATA, *STARTS)):

            def pass_on(optimizer: AbstractModel, mirror: Mirror) -> None:
                if isinstance(attribute, STARTS) and not optimizer.supports(attribute):
                    return
                for index, value in pairs:
                    mapped = mirror.index_map(value) if isinstance(value, Function) else value
                    optimizer.set(attribute, *([] if index is None else [mirror.index_map(index)]), mapped)

            self._pass_on(pass_on)
            if isinstance(attribute, DATA):
                self._touched()
        self.store.apply_setting(attribute, pairs)

    # ------------------------------------------------------------------ asking
    def is_valid(self, index: VariableIndex | ConstraintIndex) -> bool:
        """Whether the model holds the variable or constraint."""
        return self.store.is_valid(index)

    def is_empty(self) -> bool:
        """Whether the model holds nothing."""
        return self.store.is_empty()

    def supports(self, attribute: attr.Attribute) -> bool:
        """Whether the attribute can be set."""
        if attribute.on == attr.On.OPTIMIZER and self.optimizer is not None:
            return self.optimizer.supports(attribute)
        return self.store.supports(attribute)

    def supports_constraint(self, function_type: type[Function], set_type: type[Set]) -> bool:
        """Whether the optimizer takes the kind (anything without one)."""
        return self._candidates.takes((function_type, set_type))

    def supports_objective(self, function_type: type[Function]) -> bool:
        """Whether the optimizer takes the type (anything without one)."""
        return self._candidates.takes_objective(function_type)

    def get(self, attribute: attr.Attribute, index: Any = None) -> Any:
        """Data from the cache, results from the optimizer."""
        if attribute.on == attr.On.OPTIMIZER and self.optimizer is not None:
            return self.optimizer.get(attribute)
        if not attribute.is_result:
            return self.store.get(attribute, index)
        if isinstance(index, (list, tuple)):
            return [self.get(attribute, one) for one in index]
        check_target(attribute, index)
        if index is not None:
            self.store.check_index(index)
        if not self._has_results:
            return self._without_result(attribute)
        if isinstance(attribute, attr.TerminationStatus):
            return checked_status(self, self.raw(attribute))
        if isinstance(attribute, (attr.PrimalStatus, attr.DualStatus)):
            return checked_result(self, self.raw(attribute))
        if isinstance(attribute, attr.DualObjectiveValue):
            return dual_objective(self)
        if isinstance(attribute, attr.ConstraintPrimal):
            constants = self.get(attr.PrimalStatus()) != attr.ResultStatusCode.INFEASIBILITY_CERTIFICATE
            return self.store.evaluate(index, self.values, constants)
        value = self.raw(attribute, index)
        return float(value) if isinstance(value, np.floating) else value

    def raw(self, attribute: attr.Attribute, index: Any = None) -> Any:
        """A result as the solver has it, unchecked, of one index or many of one kind."""
        if self._answer is not None:
            return self._answer.get(self.store, attribute, index)
        mirror, optimizer = self._mirror, self.optimizer
        assert mirror is not None and optimizer is not None
        return optimizer.get(attribute) if index is None else optimizer.get(attribute, mirror.index_map(index))

    def residuals(self) -> Residuals:
        """Primal and dual residuals and gap of the result, recomputed from the model as written."""
        if self._residuals is None:
            self._residuals = kkt_residuals(self)
        return self._residuals

    def _without_result(self, attribute: attr.Attribute) -> Any:
        plain = WITHOUT_RESULT.get(type(attribute))
        if plain is not None:
            return plain
        why = "there is no optimizer"
        if self.optimizer is not None:
            why = "the model has not been solved since it was last changed"
        raise NotOptimized(f"There is no {attribute!r}: {why}. Call optimize() first.")

    def values(self, ids: IntArray) -> Any:
        """Values of variables by identifier."""
        return self.raw(attr.VariablePrimal(), VectorOfVariables.of_ids(ids))

    # ------------------------------------------------------------------ solving
    def optimize(self) -> None:
        """Bring the optimizer up to date and solve; a solution of the unchanged model is kept.

        Where an optimizer fails, the next of the given ones is tried, with a warning that names both.
        """
        if self.is_solved:
            return
        if not self._candidates:
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
        """Try one optimizer after the other."""
        able = self._candidates.able(kinds_inserted(self.store))
        for optimizer, following in zip(able, [*able[1:], None], strict=True):
            if optimizer is not self.optimizer:
                self._detach()
                self.optimizer = optimizer
            failure = self._try(last=following is None)
            if failure is None:
                return
            assert following is not None
            words = f"{solver_name(optimizer)} failed ({failure}); trying {solver_name(following)}."
            if self.warns:
                warn_user(words, SolverFallbackWarning)

    def _try(self, *, last: bool) -> str | None:
        """Solve with the present optimizer; why it failed, or None. The last one's word stands in any case."""
        try:
            self._pass_on(lambda optimizer, _: optimizer.refresh())
            if self._mirror is None:
                if self.mode is _MANUAL:
                    raise NotOptimized("The optimizer is empty, and the mode is manual: call attach_optimizer() first.")
                self.attach_optimizer()
            assert self.optimizer is not None
            self._touched()
            self.optimizer.optimize()
        except OptangentError as error:
            if last or isinstance(error, InvalidData):
                raise
            return str(error)
        self._asked = True
        self._solved = self.optimizer.get(attr.TerminationStatus()) in CONCLUSIVE
        if last:  # the check of an OPTIMAL waits until someone asks
            return None
        status: attr.TerminationStatusCode = self.get(attr.TerminationStatus())
        return None if status in CONCLUSIVE else status.name

    def copy_to(self, destination: AbstractModel) -> IndexMap:
        """Build the model in another one."""
        return self.store.copy_to(destination)
