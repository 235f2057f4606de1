"""The bridge layer: a model that takes any kind of constraint that bridges can bring to the one below.

The file is long because it is one door: every verb of the protocol goes through here, down or up.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, final

import numpy as np

from ..modelkit import attributes as attr
from ..modelkit.arrays import FloatArray, IntArray
from ..modelkit.block import ConstraintBlock
from ..modelkit.errors import NotOptimized, UnsupportedAttribute, UnsupportedModification
from ..modelkit.functions import Function, VariableIndex, VectorOfVariables
from ..modelkit.indices import ConstraintIndex, ConstraintIndices, IndexMap, Kind, describe_kind
from ..modelkit.modifications import Modification
from ..modelkit.naming import with_article
from ..modelkit.parameters import PARAMETERS
from ..modelkit.protocol import AbstractModel
from ..modelkit.rows import Rows
from ..modelkit.sets import Set, VectorSet
from ..modelkit.store import Store
from . import catalogue  # noqa: F401  its import registers the bridges
from .base import REGISTRY, Bridge
from .bundle import Bundle
from .changing import ConstraintChange, change_numbers, renamed
from .handing import hand_over
from .inserted import Inserted
from .leaf import Leaf
from .lifting import Lifter
from .objective import Objective
from .products import ProductTravel

__all__ = ["BridgeOptimizer"]


@final
class BridgeOptimizer(AbstractModel):
    """A model in front of another one, rewriting what the other does not take.

    Parameters
    ----------
    inner : the model below, a solver or diff model
    bridges : those to choose from; all registered ones by default

    Notes
    -----
    The layer keeps the outer model in a store of its own, so data are read from there; only results and
    derivatives travel.

    Examples
    --------
    >>> import optangent as ot
    >>> layer = BridgeOptimizer(ot.solvers.Clarabel())
    >>> x = layer.add_variable()
    >>> c = layer.add_constraint(2.0 * x, ot.GreaterThan(3.0))  # Clarabel takes vectors in cones
    >>> layer.set(ot.ObjectiveSense(), ot.ObjectiveSenseCode.MIN_SENSE)
    >>> layer.set(ot.ObjectiveFunction(), 1.0 * x)
    >>> layer.optimize()
    >>> round(layer.get(ot.VariablePrimal(), x), 6), round(layer.get(ot.ConstraintDual(), c), 6)
    (1.5, 0.5)
    """

    def __init__(self, inner: AbstractModel, bridges: Sequence[Bridge] | None = None) -> None:
        self.inner = inner
        self.arguments: Any = ((), {} if bridges is None else {"bridges": bridges})  # beside the inner model
        self.store = Store()
        self._lifter = Lifter(inner, REGISTRY if bridges is None else bridges, self.store.base)
        self.graph = self._lifter.graph
        self._inserted = Inserted(self.store, self._lifter)
        self._objective = Objective(self._lifter, self.store, self._inserted)
        self._bundles: dict[Kind, Bundle] = {}
        self._products = ProductTravel(self)

    # ------------------------------------------------------------------ building
    def add_variables(self, count: int) -> VectorOfVariables:
        """Add free variables."""
        self._lifter.variables.record(self._lifter.variables.add_free(count))
        return self.store.add_variables(count)

    def add_constrained_variables(self, set: VectorSet) -> tuple[VectorOfVariables, ConstraintIndex]:
        """Add variables in a set: natively, as flipped variables, or as free variables and a constraint."""
        if not self.supports_constrained_variables(type(set)):
            return super().add_constrained_variables(set)
        rows, bundle = self._lifter.add_variables_in(set)
        self._lifter.variables.record(rows)
        v = self.store.add_variables(set.dimension)
        index = self.store.add_constraint(v, set)
        self._remember(index.kind, self.store.number(index), bundle)
        return v, index

    def add_block(self, block: ConstraintBlock) -> ConstraintIndices:
        """Add many constraints of one kind."""
        if block.kind == PARAMETERS:
            self._inserted.check_no_products(block.rows.var)
        indices = self.store.add_block(block)
        if block.kind == PARAMETERS:
            self._inserted.parameters_changed()
        first = self.store.block(block.kind).total - block.count
        try:
            bundle = self._lifter.add_all(self._inserted.blocks(block))
        except Exception:  # whatever it is goes on; the layer must not keep what the inner model does not have
            self.store.delete(indices)
            raise
        self._remember(block.kind, first, bundle)
        return indices

    def _remember(self, kind: Kind, first: int, bundle: Bundle) -> None:
        """What stands for the constraints of a kind, numbered as in the store."""
        if first or kind in self._bundles:
            self._bundles.setdefault(kind, Bundle([], 0)).grow(bundle, first)
        else:
            self._bundles[kind] = bundle

    # ------------------------------------------------------------------ asking
    def located(self, index: ConstraintIndex | ConstraintIndices) -> list[tuple[Bundle, IntArray]]:
        """(bundle of the kind, the constraints' numbers there); nothing of no constraints."""
        numbers: Any = [self.store.number(index)] if isinstance(index, ConstraintIndex) else self.store.numbers(index)
        return [(self._bundles[index.kind], np.asarray(numbers))] if len(numbers) else []

    def is_valid(self, index: VariableIndex | ConstraintIndex) -> bool:
        """Whether the model holds the variable or constraint."""
        return self.store.is_valid(index)

    def is_empty(self) -> bool:
        """Whether the model holds nothing."""
        return self.store.is_empty()

    def supports(self, attribute: attr.Attribute) -> bool:
        """What the inner model supports."""
        return self.inner.supports(attribute)

    def supports_constraint(self, function_type: type[Function], set_type: type[Set]) -> bool:
        """Whether the inner model, or a chain of bridges towards it, takes the kind."""
        return self._lifter.reaches((function_type, set_type))

    def supports_objective(self, function_type: type[Function]) -> bool:
        """Whether the inner model takes the type, a wider one, or the row that stands for it."""
        return self._objective.takes(function_type)

    def supports_constrained_variables(self, set_type: type[Set]) -> bool:
        """Whether variables in the set are better made at once."""
        return self.inner.supports_constrained_variables(set_type) or self._lifter.flips(set_type)

    def supports_free_variables(self) -> bool:
        """Whether the inner model takes free variables, or variables whose differences stand for them."""
        return self.inner.supports_free_variables() or self._lifter.variables.split_cone is not None

    def get(self, attribute: attr.Attribute, index: Any = None) -> Any:
        """Data from the store, results and derivatives from below."""
        if attribute.on == attr.On.OPTIMIZER:
            return self.inner.get(attribute)
        if not attribute.is_result:
            return self.store.get(attribute, index)
        if attribute.on == attr.On.MODEL:
            return self._get_model(attribute)
        if attribute.on == attr.On.VARIABLE:
            return self._get_variables(attribute, index)
        if not isinstance(index, (ConstraintIndex, ConstraintIndices)):
            return [self.get(attribute, one) for one in index]
        if isinstance(attribute, attr.ConstraintPrimal):
            return self._constraint_primal(index)
        if attribute.way is None:
            return self._get_native(attribute, index)
        values = self._pull(attribute, index)
        if index.kind == PARAMETERS:
            values = self._products.up(attribute, index, values)
        if isinstance(index, ConstraintIndices) or index.kind[1].is_vector or values.ndim > 1:
            return values
        return float(values[0])

    def _get_model(self, attribute: attr.Attribute) -> Any:
        if isinstance(attribute, attr.ObjectiveValue) and self._objective.is_row:
            return self._objective.value()
        if isinstance(attribute, attr.ReverseObjectiveFunction):
            self._objective.check_direct(attribute)
        return self.inner.get(attribute)

    def _get_variables(self, attribute: attr.Attribute, index: Any) -> Any:
        values = self._lifter.variables.pull(attribute, self._ids(index))
        if not isinstance(index, VariableIndex):
            return values
        return float(values[0]) if isinstance(values[0], np.floating) else values[0]

    def _ids(self, index: Any) -> IntArray:
        """Identifiers of one variable or many, all of them in the model."""
        if isinstance(index, VariableIndex):
            ids: Any = [index.value]
        else:
            ids = index.ids if isinstance(index, VectorOfVariables) else [v.value for v in index]
        self.store.check_ids(ids)
        return np.asarray(ids, np.int64)

    def _get_native(self, attribute: attr.Attribute, index: ConstraintIndex | ConstraintIndices) -> Any:
        """A result that does not travel through bridges: only of constraints that are native."""
        if isinstance(index, ConstraintIndices):
            return [self._get_native(attribute, one) for one in index]
        ((bundle, (number,)),) = self.located(index)
        piece, at = bundle.piece(number)
        if not isinstance(piece, Leaf):
            raise UnsupportedAttribute(
                f"{attribute!r} is not known of {with_article(describe_kind(index.kind))} here: it is bridged."
            )
        return self.inner.get(attribute, piece.index(at))

    def _pull(self, attribute: attr.Attribute, index: ConstraintIndex | ConstraintIndices) -> FloatArray:
        """Bring values of constraints up, rows one below the other."""
        rows = 0
        for bundle, items in self.located(index):
            values = bundle.pull(attribute, items)
            if values is not None:
                return values
            rows = int(bundle.dims[items].sum())
        # no stand-in at all: zeros
        tails = {attr.Way.GRADIENT: (2,), attr.Way.SET_GRADIENT: (1 + len(index.kind[1].fields),)}
        return np.zeros((rows, *tails.get(attribute.way or attr.Way.DUAL, ())))

    def _constraint_primal(self, index: ConstraintIndex | ConstraintIndices) -> Any:
        status = self.inner.get(attr.PrimalStatus())
        if status == attr.ResultStatusCode.NO_SOLUTION:
            raise NotOptimized("There is no primal result to evaluate the constraint at.")
        constants = status != attr.ResultStatusCode.INFEASIBILITY_CERTIFICATE
        return self.store.evaluate(index, partial(self._lifter.variables.pull, attr.VariablePrimal()), constants)

    # ------------------------------------------------------------------ telling
    def set(self, attribute: attr.Attribute, *index_and_value: Any) -> None:
        """Data to the store and below; tangents, seeds and starts through the bridges."""
        *index, value = index_and_value
        if attribute.on == attr.On.OPTIMIZER:
            self.inner.set(attribute, value)
        elif attribute.on == attr.On.MODEL:
            self._set_model(attribute, value)
        elif attribute.on == attr.On.VARIABLE:
            self._set_variable(attribute, index[0], value)
        elif attribute.way is not None and isinstance(index[0], (ConstraintIndex, ConstraintIndices)):
            self._push(attribute, index[0], value)
        elif not isinstance(index[0], ConstraintIndex):
            for one, each in zip(index[0], value, strict=True):
                self.set(attribute, one, each)
        elif isinstance(attribute, (attr.ConstraintSet, attr.ConstraintFunction)):
            self._replace(attribute, index[0], value)
        elif isinstance(attribute, attr.ConstraintName):
            self.store.set(attribute, index[0], value)
        else:
            raise UnsupportedAttribute(f"{attribute!r} cannot be set through bridges.")

    def _set_model(self, attribute: attr.Attribute, value: Any) -> None:
        if isinstance(attribute, attr.ObjectiveFunction):
            self.store.check_setting(attribute, value)
            self._objective.set(value)
            self.store.set(attribute, value)
        elif isinstance(attribute, attr.ForwardObjectiveFunction):
            self._objective.check_direct(attribute)
            rows = value if isinstance(value, Rows) else value.rows
            self._products.record(None, rows)
            self.inner.set(attribute, self._inserted.rows(rows))
        else:
            if isinstance(attribute, (attr.ObjectiveSense, attr.Name)):
                self.store.set(attribute, value)
            self.inner.set(attribute, value)
            if isinstance(attribute, attr.ObjectiveSense):
                self._objective.sense_changed()

    def _set_variable(self, attribute: attr.Attribute, index: Any, value: Any) -> None:
        if isinstance(attribute, attr.VariableName):
            self.store.set(attribute, index, value)
            return
        variables = self._lifter.variables
        ids = self._ids(index)
        values = None if value is None else np.broadcast_to(np.asarray(value, np.float64), (len(ids),))
        if not isinstance(attribute, attr.VariablePrimalStart):
            assert values is not None
            variables.push_seeds(attribute, ids, values)
            return
        if isinstance(index, VariableIndex):  # starts in bulk only travel, they are not kept
            self.store.set(attribute, index, value)
        variables.push_starts(attribute, ids, values)
        if values is not None and len(ids) == self.store.variable_count:
            self._start_extra(ids, values)

    def _start_extra(self, ids: IntArray, values: FloatArray) -> None:
        """A start of all variables starts the extra ones behind bridges as well."""
        order = np.argsort(ids)
        for kind, bundle in self._bundles.items():
            if not bundle.has_extra:
                continue
            indices = self.store.get(attr.ListOfConstraintIndices(*kind))
            at = self.store.evaluate(indices, lambda i: values[order][np.searchsorted(ids[order], i)])
            bundle.start_extra(self.store.numbers(indices), np.asarray(at))

    def _push(self, attribute: attr.Attribute, index: ConstraintIndex | ConstraintIndices, value: Any) -> None:
        """Send a tangent, seed or start down its way."""
        if isinstance(attribute, attr.ConstraintDualStart) and isinstance(index, ConstraintIndex):
            self.store.set(attribute, index, value)
        if value is None:
            for bundle, items in self.located(index):
                bundle.clear(attribute, items)
            return
        if attribute.way is attr.Way.FUNCTION_TANGENT:
            rows = value if isinstance(value, Rows) else value.rows
            self._products.record(index, rows)
            payload: Any = self._inserted.rows(rows)
        elif isinstance(value, Set):
            payload = np.concatenate([np.zeros((value.dimension, 1)), value.numbers], axis=1)
        else:
            payload = np.array(value, np.float64, ndmin=1)
        self.send(attribute, index, payload)
        if index.kind == PARAMETERS:
            self._products.down(attribute, index, rows if attribute.way is attr.Way.FUNCTION_TANGENT else payload)

    def send(self, attribute: attr.Attribute, index: ConstraintIndex | ConstraintIndices, payload: Any) -> None:
        """Send down what is in inner variables already: `Rows`, or an array with one row for each of the rows."""
        for bundle, items in self.located(index):
            bundle.push(attribute, items, payload)

    def start_as(self, indices: ConstraintIndices, solved: BridgeOptimizer, same: ConstraintIndices) -> None:
        """Start some constraints, and extra variables behind them, at the result of the same ones in another layer."""
        for (target, items), (source, solved_items) in zip(self.located(indices), solved.located(same), strict=True):
            hand_over(source, solved_items, target, items)

    def native(self, indices: ConstraintIndices) -> list[ConstraintIndices]:
        """The inner constraints that stand for some constraints."""
        return [leaf.at(below) for bundle, items in self.located(indices) for leaf, below in bundle.leaves(items)]

    def inner_variables(self, v: VectorOfVariables) -> VectorOfVariables:
        """The inner variables that stand for outer ones, each alone; raises where one is bridged."""
        return VectorOfVariables.of_ids(self._lifter.variables.inner_ids(v.ids))

    # ------------------------------------------------------------------ changing data
    def _change(self, index: ConstraintIndex) -> ConstraintChange:
        ((bundle, item),) = self.located(index)
        self._lifter.bounds.check_free(bundle.leaves(item))
        return ConstraintChange(self.store, self._lifter.variables, self._inserted, index, bundle)

    def _replace(self, attribute: attr.Attribute, index: Any, value: Any) -> None:
        """Give a constraint another set or function."""
        change = self._change(index)
        (change.change_set if isinstance(attribute, attr.ConstraintSet) else change.change_function)(value)
        if index.kind == PARAMETERS:
            self._inserted.parameters_changed(np.array([index.value]))

    def set_numbers(self, indices: ConstraintIndices, numbers: FloatArray, constants: FloatArray | None = None) -> None:
        """Give many constraints other numbers: all at once where they are on plain variables, as parameters are."""
        if indices.kind[0] is not VariableIndex:
            return super().set_numbers(indices, numbers, constants)
        for bundle, items in self.located(indices):
            self._lifter.bounds.check_free(bundle.leaves(items))
            change_numbers(self.store, bundle, indices, items, numbers)
        if indices.kind == PARAMETERS:
            self._inserted.parameters_changed(indices.values)
        return None

    def modify(
        self, target: ConstraintIndex | attr.ObjectiveFunction, change: Modification | Sequence[Modification]
    ) -> None:
        """Change coefficients or constants, in place below if no bridge stands against it."""
        changes = [change] if isinstance(change, Modification) else list(change)
        if isinstance(target, ConstraintIndex):
            self._change(target).modify(changes)
            return
        self.store.modify(target, changes)
        function = self.store.get(attr.ObjectiveFunction())
        below = [renamed(one, self._lifter.variables) for one in changes]
        as_it_is = self._objective.taken_as(type(function)) is type(function) and None not in below
        if not as_it_is or self._inserted.has_products(function.rows):
            self._objective.set(function)
        else:
            self.inner.modify(target, [one for one in below if one is not None])

    def delete(self, index: Any) -> None:
        """Delete constraints; variables only with the whole model."""
        items = [index] if isinstance(index, (ConstraintIndex, VariableIndex)) else list(index)
        kinds: dict[Kind, list[int]] = {}
        for one in items:
            self.store.check_index(one)
            if not isinstance(one, ConstraintIndex):
                raise UnsupportedModification("Variables are not deleted through bridges; copy the model anew.")
            kinds.setdefault(one.kind, []).append(one.value)
        self._inserted.check_no_products(np.array(kinds.get(PARAMETERS, []), np.int64))
        for kind, values in kinds.items():
            indices = ConstraintIndices(kind, np.unique(np.array(values, np.int64)))
            self._lifter.delete(self._bundles[kind], self.store.numbers(indices))
            self.store.delete(indices)
        if PARAMETERS in kinds:
            self._inserted.parameters_changed()

    # ------------------------------------------------------------------ the whole
    def empty(self) -> None:
        """Drop the model, here and below."""
        self.store.empty()
        self.inner.empty()
        self._lifter.forget()
        self._objective.forget()
        self._inserted.forget()
        self._products.forget()
        self._products.empty_inputs()
        self._bundles.clear()

    def refresh(self) -> None:
        """Give functions with products of parameters that moved their new coefficients below."""
        constraints, objective = self._inserted.moved()
        for kind, numbers, rows in constraints:
            self._lifter.bounds.check_free(self._bundles[kind].leaves(numbers))
            self._bundles[kind].change_function(numbers, rows)
        if objective:
            self._objective.set(self.store.get(attr.ObjectiveFunction()))
        self._inserted.passed_on()
        self.inner.refresh()

    def optimize(self) -> None:
        """Solve below."""
        self.refresh()
        self._products.forget()
        self._objective.settle()
        self.inner.optimize()

    def pushed(self) -> None:
        """The diff model below has pushed the tangents to the solution."""
        self._products.pushed()

    def empty_inputs(self) -> None:
        """Forget tangents and seeds, here and in the diff model below."""
        self._products.empty_inputs()
        self.inner.empty_inputs()

    def copy_to(self, destination: AbstractModel) -> IndexMap:
        """Build the outer model in another one."""
        return self.store.copy_to(destination)

    def path(self, kind: Kind) -> list[str]:
        """How a kind of constraint reaches the inner model, a line a step."""
        return self._lifter.path(kind)

    def explain(self) -> list[str]:
        """How objective and each kind of constraint in the model reach the inner one, a line a step."""
        return [*self._objective.path(), *(line for kind in self.store.kinds() for line in self.path(kind))]
