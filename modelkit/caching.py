"""The cache: the user's model as written, beside an optimizer that holds a copy."""

from __future__ import annotations

import enum
import warnings
from collections.abc import Callable, Sequence
from typing import Any, final


from . import attributes as attr
from .block import ConstraintBlock
from .copying import Mirror
from .errors import (
    InvalidData,
    NotAllowed,
    NotOptimized,
    OptangentError,
    UnsupportedAttribute,
    UnsupportedConstraint,
    UnsupportedObjective,
)
from .functions import Function, VariableIndex, VectorOfVariables
from .indices import ConstraintIndex, ConstraintIndices, IndexMap, Kind, describe_kind
from .modifications import (
    Modification,
    MultirowChange,
    ScalarCoefficientChange,
    ScalarQuadraticCoefficientChange,
)
from .protocol import AbstractModel
from .residuals import Residuals, checked_status, dual_objective, kkt_residuals
from .rows import IntArray
from .sets import Set
from .store import Store

__all__ = ["CachingOptimizer", "CachingOptimizerMode", "CachingOptimizerState", "SolverFallbackWarning"]


class SolverFallbackWarning(UserWarning):
    """A solver failed and the next one was tried."""


class CachingOptimizerState(enum.Enum):
    """How the optimizer stands to the cache."""

    NO_OPTIMIZER = "there is no optimizer"
    EMPTY_OPTIMIZER = "there is one, empty"
    ATTACHED_OPTIMIZER = "there is one, holding a copy of the model"


class CachingOptimizerMode(enum.Enum):
    """What happens when the optimizer refuses a change."""

    AUTOMATIC = "the optimizer is emptied, and filled anew at the next optimize"
    MANUAL = "the refusal is raised, and attach_optimizer is the user's to call"


_NONE = CachingOptimizerState.NO_OPTIMIZER
_EMPTY = CachingOptimizerState.EMPTY_OPTIMIZER
_ATTACHED = CachingOptimizerState.ATTACHED_OPTIMIZER


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
    """

    def __init__(
        self,
        *optimizers: AbstractModel,
        mode: CachingOptimizerMode = CachingOptimizerMode.AUTOMATIC,
    ) -> None:
        self.store = Store()
        self.optimizer: AbstractModel | None = None
        self._candidates: tuple[AbstractModel, ...] = ()
        self.mode = mode
        self._mirror: Mirror | None = None
        self._supported: set[Kind] = set()
        self._residuals: Residuals | None = None
        self._solved = False
        if optimizers:
            self.reset_optimizer(*optimizers)

    # ------------------------------------------------------------------ the optimizer's state
    @property
    def state(self) -> CachingOptimizerState:
        """How the optimizer stands to the cache."""
        if self.optimizer is None:
            return _NONE
        return _EMPTY if self._mirror is None else _ATTACHED

    def reset_optimizer(self, *optimizers: AbstractModel) -> None:
        """Empty the optimizer, or take another one (or several, to be tried in order).

        What was set of common optimizer attributes goes to the new ones.
        """
        self._detach()
        if not optimizers:
            if self.optimizer is not None:
                self.optimizer.empty()
            return
        self._supported.clear()
        self._candidates = optimizers
        self.optimizer = optimizers[0]
        for optimizer in optimizers:
            optimizer.empty()
            for attribute, value in self.store.optimizer_attributes().items():
                if not isinstance(attribute, attr.RawOptimizerAttribute) and optimizer.supports(attribute):
                    optimizer.set(attribute, value)

    def drop_optimizer(self) -> None:
        """Have no optimizer."""
        self._detach()
        self.optimizer = None
        self._candidates = ()

    def attach_optimizer(self) -> None:
        """Fill the optimizer; the state is unchanged if that fails."""
        if self.optimizer is None:
            raise NotOptimized("There is no optimizer to attach; give one to reset_optimizer first.")
        self._detach()
        for kind in self.store.kinds():
            if not self.optimizer.supports_constraint(*kind):
                raise self._unsupported(kind)
        self._mirror = Mirror(self.store, self.optimizer)

    def _detach(self) -> None:
        self._mirror = None
        self._touched()

    def _touched(self) -> None:
        """The model changed: what was solved is no longer its solution."""
        self._solved = False
        self._residuals = None

    @property
    def is_solved(self) -> bool:
        """Whether the optimizer's result is that of the present model, and conclusive."""
        return self._solved and self._mirror is not None and self._mirror.complete

    @property
    def index_map(self) -> IndexMap:
        """From the cache's indices to the optimizer's."""
        if self._mirror is None:
            raise NotOptimized("No optimizer is attached.")
        return self._mirror.index_map

    def _require(self, kind: Kind) -> None:
        """Raise unless an optimizer takes the kind (or there is none yet)."""
        if not self._candidates or kind in self._supported:
            return
        if not any(optimizer.supports_constraint(*kind) for optimizer in self._candidates):
            raise self._unsupported(kind)
        self._supported.add(kind)

    def _unsupported(self, kind: Kind) -> UnsupportedConstraint:
        missing = getattr(getattr(self.optimizer, "graph", None), "missing", None)
        why = f" {missing(kind)}" if missing else ""
        return UnsupportedConstraint(
            f"{describe_kind(kind)} is not supported by {self._name()}, nor through bridges:{why} "
            "Rewrite the constraint, or choose a solver that takes it."
        )

    def _name(self) -> str:
        try:
            return str(self.optimizer.get(attr.SolverName())) if self.optimizer else "no optimizer"
        except UnsupportedAttribute:
            return type(self.optimizer).__name__

    # ------------------------------------------------------------------ building
    def add_variable(self) -> VariableIndex:
        """Add one free variable."""
        x = self.store.add_variable()
        if self.mode is CachingOptimizerMode.MANUAL:
            self._extend_if_manual()
        return x

    def add_variables(self, count: int) -> VectorOfVariables:
        """Add free variables."""
        v = self.store.add_variables(count)
        self._extend_if_manual()
        return v

    def add_constraint(self, function: Function, set: Set) -> ConstraintIndex:  # noqa: A002
        """Add ``function in set``."""
        kind = (type(function), type(set))
        if kind not in self._supported and isinstance(function, Function) and isinstance(set, Set):
            self._require(kind)
        index = self.store.add_constraint(function, set)
        if self.mode is CachingOptimizerMode.MANUAL:
            self._extend_if_manual()
        return index

    def add_block(self, block: ConstraintBlock) -> ConstraintIndices:
        """Add many constraints of one kind."""
        self._require(block.kind)
        indices = self.store.add_block(block)
        self._extend_if_manual()
        return indices

    def _extend_if_manual(self) -> None:
        if self.mode is CachingOptimizerMode.MANUAL and self._mirror is not None:
            self._mirror.extend()

    # ------------------------------------------------------------------ changing
    def _pass_on(self, change: Callable[[AbstractModel, Mirror], None]) -> None:
        """Make a change in the attached optimizer; if it refuses, empty it (automatic mode) or raise (manual)."""
        mirror, optimizer = self._mirror, self.optimizer
        self._touched()
        if mirror is None or optimizer is None:
            return
        try:
            change(optimizer, mirror)
        except NotAllowed:
            if self.mode is CachingOptimizerMode.MANUAL:
                raise
            self._detach()

    def modify(
        self, target: ConstraintIndex | attr.ObjectiveFunction, change: Modification | Sequence[Modification]
    ) -> None:
        """Change coefficients or constants."""
        changes = [change] if isinstance(change, Modification) else list(change)

        def pass_on(optimizer: AbstractModel, mirror: Mirror) -> None:
            if isinstance(target, ConstraintIndex) and not mirror.holds(target):
                return
            self._step(mirror)
            mapped = mirror.index_map(target) if isinstance(target, ConstraintIndex) else target
            optimizer.modify(mapped, [_mapped(one, mirror.index_map) for one in changes])

        self.store.check_modification(target, changes)
        self._pass_on(pass_on)
        self.store.modify(target, changes)

    def _step(self, mirror: Mirror) -> None:
        """Carry over additions first, so that a change may speak of them."""
        if not mirror.complete:
            mirror.extend()

    def delete(self, index: Any) -> None:
        """Delete a variable or constraint, or a sequence of them."""
        items = [index] if isinstance(index, (ConstraintIndex, VariableIndex)) else list(index)
        for one in items:
            self.store.check_index(one)
        mirror = self._mirror
        mapped = [mirror.index_map(one) for one in items if mirror.holds(one)] if mirror else []
        self.store.delete(items)
        if mapped:
            self._pass_on(lambda optimizer, _: optimizer.delete(mapped))

    def empty(self) -> None:
        """Drop the model; keep the optimizer and its options."""
        self.store.empty()
        self._detach()
        if self.optimizer is not None:
            self.optimizer.empty()

    def set(self, attribute: attr.Attribute, *index_and_value: Any) -> None:
        """Set an attribute, here and in the attached optimizer."""
        *index, value = index_and_value
        if attribute.on == attr.On.OPTIMIZER:
            self._set_on_candidates(attribute, value)
            self._touched()
            self.store.set(attribute, value)
            return
        if isinstance(attribute, attr.ObjectiveFunction) and isinstance(value, Function):
            self._require_objective(type(value))
        if index:
            self.store.check_index(index[0])

        def pass_on(optimizer: AbstractModel, mirror: Mirror) -> None:
            if not index:
                if isinstance(attribute, (attr.ObjectiveFunction, attr.ObjectiveSense)):
                    self._step(mirror)
                    mapped = mirror.index_map(value) if isinstance(value, Function) else value
                    optimizer.set(attribute, mapped)
                return
            if attribute.on == attr.On.CONSTRAINT or isinstance(attribute, attr.VariablePrimalStart):
                if isinstance(attribute, (attr.VariableName, attr.ConstraintName)):
                    return
                if isinstance(attribute, _STARTS) and not optimizer.supports(attribute):
                    return
                self._step(mirror)
                mapped = mirror.index_map(value) if isinstance(value, Function) else value
                optimizer.set(attribute, mirror.index_map(index[0]), mapped)

        if isinstance(attribute, _PASSED_ON):
            self.store.check_setting(attribute, *index_and_value)
            self._pass_on(pass_on)
        self.store.set(attribute, *index_and_value)

    def _set_on_candidates(self, attribute: attr.Attribute, value: Any) -> None:
        """Set an option on every optimizer that knows it; on none is an error."""
        if not self._candidates:
            return
        knowing = [o for o in self._candidates if o.supports(attribute)] or [self._candidates[0]]
        for optimizer in knowing:
            optimizer.set(attribute, value)

    def _require_objective(self, function_type: type[Function]) -> None:
        if self._candidates and not any(o.supports_objective(function_type) for o in self._candidates):
            raise UnsupportedObjective(
                f"{self._name()} takes no {function_type.__name__} as objective, nor through bridges; "
                "choose a solver that does."
            )

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
        return not self._candidates or any(o.supports_constraint(function_type, set_type) for o in self._candidates)

    def supports_objective(self, function_type: type[Function]) -> bool:
        """Whether the optimizer takes the type (anything without one)."""
        return not self._candidates or any(o.supports_objective(function_type) for o in self._candidates)

    def get(self, attribute: attr.Attribute, index: Any = None) -> Any:
        """Data from the cache, results from the optimizer."""
        if attribute.on == attr.On.OPTIMIZER and self.optimizer is not None:
            return self.optimizer.get(attribute)
        if not attribute.is_result:
            return self.store.get(attribute, index)
        mirror, optimizer = self._mirror, self.optimizer
        if mirror is None or optimizer is None or not mirror.complete:
            for one in index if isinstance(index, (list, tuple)) else [] if index is None else [index]:
                self.store.check_index(one)
            return self._without_result(attribute)
        if index is None:
            return self._model_result(attribute, optimizer)
        if isinstance(index, Sequence) and not isinstance(index, ConstraintIndices):
            return [self.get(attribute, one) for one in index]
        if isinstance(attribute, attr.ConstraintPrimal):
            return self._constraint_primal(index)
        self.store.check_index(index)
        return optimizer.get(attribute, mirror.index_map(index))

    def _model_result(self, attribute: attr.Attribute, optimizer: AbstractModel) -> Any:
        if isinstance(attribute, attr.TerminationStatus):
            return checked_status(self, optimizer.get(attribute))
        if isinstance(attribute, attr.DualObjectiveValue):
            return dual_objective(self)
        return optimizer.get(attribute)

    def residuals(self) -> Residuals:
        """Primal and dual residuals and gap of the result, recomputed from the model as written."""
        if self._residuals is None:
            self._residuals = kkt_residuals(self)
        return self._residuals

    def _without_result(self, attribute: attr.Attribute) -> Any:
        plain = _WITHOUT_RESULT.get(type(attribute))
        if plain is not None:
            return plain
        why = "there is no optimizer" if self.optimizer is None else "the model has not been solved since it was last changed"
        raise NotOptimized(f"There is no {attribute!r}: {why}. Call optimize() first.")

    def _constraint_primal(self, index: Any) -> Any:
        constants = self.get(attr.PrimalStatus()) != attr.ResultStatusCode.INFEASIBILITY_CERTIFICATE
        return self.store.evaluate(index, self.values, constants)

    def values(self, ids: IntArray) -> Any:
        """Values of variables by identifier."""
        assert self.optimizer is not None
        mapped = VectorOfVariables.of_ids(self.index_map.ids(ids))
        return self.optimizer.get(attr.VariablePrimal(), mapped)

    # ------------------------------------------------------------------ solving
    def optimize(self) -> None:
        """Bring the optimizer up to date and solve; a solution of the unchanged model is kept.

        Where an optimizer fails, the next of the given ones is tried, with a warning that names both.
        """
        if self.is_solved:
            return
        if not self._candidates:
            raise NotOptimized("There is no optimizer; give a solver to the model, e.g. ot.Model(ot.solvers.HiGHS).")
        able = [o for o in self._candidates if all(o.supports_constraint(*k) for k in self.store.kinds())]
        able = able or [self._candidates[0]]
        for optimizer, following in zip(able, [*able[1:], None], strict=True):
            if optimizer is not self.optimizer:
                self._detach()
                self.optimizer = optimizer
            failure = self._try(last=following is None)
            if failure is None:
                return
            assert following is not None
            name, other = self._name(), following.get(attr.SolverName())
            warnings.warn(f"{name} failed ({failure}); trying {other}.", SolverFallbackWarning, stacklevel=3)

    def _try(self, *, last: bool) -> str | None:
        """Solve with the present optimizer; why it failed, or None. The last one's word stands in any case."""
        if self._mirror is not None and not self._mirror.complete:
            self._pass_on(lambda _, mirror: mirror.extend())
        try:
            if self._mirror is None:
                self.attach_optimizer()
            assert self.optimizer is not None
            self._touched()
            self.optimizer.optimize()
        except OptangentError as error:
            if last or isinstance(error, InvalidData):
                raise
            return str(error)
        status = self.optimizer.get(attr.TerminationStatus())
        self._solved = status in _CONCLUSIVE
        if last or (self._solved and self.get(attr.TerminationStatus()) in _CONCLUSIVE):
            return None
        return str(self.get(attr.TerminationStatus()).name)

    def copy_to(self, destination: AbstractModel) -> IndexMap:
        """Build the model in another one."""
        return self.store.copy_to(destination)


def _mapped(change: Modification, index_map: IndexMap) -> Modification:
    """The change in the optimizer's variables."""
    if isinstance(change, ScalarCoefficientChange):
        return ScalarCoefficientChange(index_map(change.variable), change.new_coefficient)
    if isinstance(change, MultirowChange):
        return MultirowChange(index_map(change.variable), change.new_coefficients)
    if isinstance(change, ScalarQuadraticCoefficientChange):
        one, two = index_map(change.variable_1), index_map(change.variable_2)
        return ScalarQuadraticCoefficientChange(one, two, change.new_coefficient)
    return change


_CONCLUSIVE = (
    attr.TerminationStatusCode.OPTIMAL,
    attr.TerminationStatusCode.LOCALLY_SOLVED,
    attr.TerminationStatusCode.INFEASIBLE,
    attr.TerminationStatusCode.DUAL_INFEASIBLE,
    attr.TerminationStatusCode.INFEASIBLE_OR_UNBOUNDED,
)
_STARTS = (attr.VariablePrimalStart, attr.ConstraintPrimalStart, attr.ConstraintDualStart)
_PASSED_ON = (
    attr.ObjectiveFunction,
    attr.ObjectiveSense,
    attr.ConstraintFunction,
    attr.ConstraintSet,
    *_STARTS,
)
_WITHOUT_RESULT: dict[type[attr.Attribute], Any] = {
    attr.TerminationStatus: attr.TerminationStatusCode.OPTIMIZE_NOT_CALLED,
    attr.PrimalStatus: attr.ResultStatusCode.NO_SOLUTION,
    attr.DualStatus: attr.ResultStatusCode.NO_SOLUTION,
    attr.RawStatusString: "optimize not called",
}
