"""The bridge layer: a model that takes any kind of constraint that bridges can bring to the one below."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from typing import Any, final

import numpy as np

from ..modelkit import attributes as attr
from ..modelkit.attributes import Way
from ..modelkit.block import ConstraintBlock, SetBlock
from ..modelkit.checks import UPPER_OR_LOWER
from ..modelkit.errors import (
    InvalidIndex,
    NotOptimized,
    UnsupportedAttribute,
    UnsupportedConstraint,
    UnsupportedModification,
    UnsupportedObjective,
)
from ..modelkit.functions import (
    Function,
    ScalarAffineFunction,
    ScalarQuadraticFunction,
    VariableIndex,
    VectorOfVariables,
)
from ..modelkit.indices import ConstraintIndex, ConstraintIndices, IndexMap, Kind, describe_kind
from ..modelkit.modifications import (
    Modification,
    MultirowChange,
    ScalarCoefficientChange,
    ScalarConstantChange,
    VectorConstantChange,
)
from ..modelkit.protocol import AbstractModel
from ..modelkit.rows import IntArray, Rows, segments
from ..modelkit.sets import Set, VectorSet
from ..modelkit.store import Store
from . import catalogue  # noqa: F401  its import registers the bridges
from .base import REGISTRY, Bridge, affine
from .graph import BridgeGraph
from .nodes import Bundle, Leaf, Node
from .variables import VARIABLE_FLIPS, VariableMap

__all__ = ["BridgeOptimizer"]

_WIDER: tuple[type[Function], ...] = (VariableIndex, ScalarAffineFunction, ScalarQuadraticFunction)


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
    """

    def __init__(self, inner: AbstractModel, bridges: Sequence[Bridge] | None = None) -> None:
        self.inner = inner
        self.store = Store()
        self.graph = BridgeGraph(lambda kind: inner.supports_constraint(*kind), bridges or REGISTRY)
        self._forget()

    def _forget(self) -> None:
        self._variables = VariableMap(self.inner)
        self._bundles: dict[Kind, tuple[list[int], list[Bundle]]] = {}
        self._bound_sides: dict[int, int] = {}  # of inner variables: bits as in `UPPER_OR_LOWER`

    # ------------------------------------------------------------------ building
    def add_variables(self, count: int) -> VectorOfVariables:
        """Add free variables."""
        self._variables.record(self._variables.add_free(count))
        return self.store.add_variables(count)

    def add_constrained_variables(self, set: VectorSet) -> tuple[VectorOfVariables, ConstraintIndex]:  # noqa: A002
        """Add variables in a set: natively, as flipped variables, or as free variables and a constraint."""
        if self.inner.supports_constrained_variables(type(set)):
            z, inner_index = self.inner.add_constrained_variables(set)
            rows = Rows.of_variables(z.ids)
        elif self._flips(type(set)):
            rows, inner_index = self._variables.add_flipped(set)
        else:
            return super().add_constrained_variables(set)
        self._variables.record(rows)
        v = self.store.add_variables(set.dimension)
        index = self.store.add_constraint(v, set)
        values = np.array([inner_index.value])
        leaf = Leaf(self.inner, ConstraintIndices(inner_index.kind, values), np.array([set.dimension]), (set.shape,))
        piece: Leaf | Node = leaf
        if inner_index.kind[1] is not type(set):
            # x = -z: the dual travels by the inverse adjoint, which for -I is -I, as through a flipped constraint
            piece = self._flipped_node(index.kind, set, leaf)
        self._remember(index.kind, self.store.number(index), Bundle([(piece, np.zeros(1, np.int64))], 1))
        return v, index

    def _flipped_node(self, kind: Kind, chosen: VectorSet, leaf: Leaf) -> Node:
        flip = next(b for b in REGISTRY if type(b).__name__ == "FlipVector")
        m = chosen.dimension
        child = Bundle([(leaf, np.zeros(1, np.int64))], 1)
        zeros, none = np.zeros((1, m)), np.zeros((1, 0))
        lift = flip.lift(kind[0], chosen)
        return Node(flip, lift, kind, chosen, zeros, none, (child,), Rows(np.zeros(0)), lambda ids: None)

    def _flips(self, set_type: type[Set]) -> bool:
        return (
            not self.inner.supports_free_variables()
            and set_type in VARIABLE_FLIPS
            and self.inner.supports_constrained_variables(VARIABLE_FLIPS[set_type])
        )

    def add_block(self, block: ConstraintBlock) -> ConstraintIndices:
        """Add many constraints of one kind."""
        self._require(block.kind)
        indices = self.store.add_block(block)
        inner = ConstraintBlock(
            block.function_type, self._variables.rewrite(block.rows, self.store.base), block.sets
        )
        first = self.store.block(block.kind).total - block.count
        self._remember(block.kind, first, self._add(inner))
        return indices

    def _require(self, kind: Kind) -> None:
        if not self.supports_constraint(*kind):
            name = self.inner.get(attr.SolverName()) if self.inner.supports(attr.Silent()) else type(self.inner).__name__
            raise UnsupportedConstraint(
                f"{describe_kind(kind)} cannot be brought to {name}: {self.graph.missing(kind)}"
            )

    def _remember(self, kind: Kind, first: int, bundle: Bundle) -> None:
        starts, bundles = self._bundles.setdefault(kind, ([], []))
        starts.append(first)
        bundles.append(bundle)

    def _add(self, block: ConstraintBlock) -> Bundle:
        """Add constraints on inner variables, natively or by the next bridge."""
        kind = block.kind
        if kind[0].degree == 0 and not _is_plain(block.rows):
            return self._add(ConstraintBlock(affine(kind[0]), block.rows, block.sets))
        bridge = self.graph.bridge(kind)
        if bridge is None:
            return self._add_native(block)
        pieces: list[tuple[Leaf | Node, IntArray]] = []
        for items in bridge.groups(block.sets):
            part = block if len(items) == block.count else block.take(items)
            pieces.append((self._node(bridge, part), items))
        return Bundle(pieces, block.count)

    def _add_native(self, block: ConstraintBlock) -> Bundle:
        if block.function_type is VariableIndex:
            # one bound of a kind for each inner variable; another one becomes an affine row
            ids = VectorOfVariables.from_rows(block.rows).ids.tolist()
            clash = np.array([self._clashes(block.kind, i) for i in ids])
            if clash.any():
                again, fresh = np.flatnonzero(clash), np.flatnonzero(~clash)
                rest = block.take(again)
                other = self._add(ConstraintBlock(affine(VariableIndex), rest.rows, rest.sets))
                pieces = [(piece, again[other.items(at)]) for at, piece in enumerate(other.pieces)]
                if len(fresh):
                    pieces.append((self._leaf(block.take(fresh)), fresh))
                return Bundle(pieces, block.count)
        return Bundle([(self._leaf(block), np.arange(block.count))], block.count)

    def _clashes(self, kind: Kind, variable: int) -> bool:
        sides = UPPER_OR_LOWER.get(kind[1], 0)
        if not sides:
            return False
        taken = self._bound_sides.get(variable, 0)
        self._bound_sides[variable] = taken | sides
        return bool(taken & sides)

    def _leaf(self, block: ConstraintBlock) -> Leaf:
        return Leaf(self.inner, self.inner.add_block(block), block.sets.dims, block.sets.shapes)

    def _node(self, bridge: Bridge, block: ConstraintBlock) -> Node:
        """Lift one group of equal constraints."""
        k, example = block.count, block.sets.set(0)
        lift = bridge.lift(block.function_type, example)
        m, q = example.dimension, len(example.fields)
        g = block.rows.constant.reshape(k, m).copy()
        numbers = block.sets.numbers.reshape(k, m * q).copy()
        extra = self._variables.add_free(k * lift.extra) if lift.extra else Rows(np.zeros(0))
        children = []
        for t in lift.targets:
            rows = block.rows.mapped(t.A, k).with_constants(t.constants(g, numbers).ravel())
            if t.B is not None and lift.extra:
                rows = rows + extra.mapped(t.B, k)
            q2 = len(t.kind[1].fields)
            sets = SetBlock(
                t.kind[1],
                np.tile(t.dims, k),
                t.numbers(numbers).reshape(k * t.p, q2),
                None if t.shapes is None else t.shapes * k,
            )
            children.append(self._add(ConstraintBlock(t.kind[0], rows, sets)))
        return Node(
            bridge, lift, block.kind, example, g, numbers, tuple(children), extra, self._remove_extra
        )

    def _remove_extra(self, ids: IntArray) -> None:
        self.inner.delete(list(VectorOfVariables.of_ids(ids)))

    # ------------------------------------------------------------------ finding
    def _locate(self, index: ConstraintIndex | ConstraintIndices) -> list[tuple[Bundle, IntArray, IntArray]]:
        """(bundle, its items, positions among the given constraints)."""
        if isinstance(index, ConstraintIndex):
            numbers = np.array([self.store.number(index)])
        else:
            numbers = self.store.numbers(index)
        if not len(numbers):
            return []
        starts, bundles = self._bundles[index.kind]
        if len(bundles) == 1:
            return [(bundles[0], numbers - starts[0], np.arange(len(numbers)))]
        which = np.searchsorted(starts, numbers, side="right") - 1
        out = []
        for at in np.unique(which).tolist():
            chosen = np.flatnonzero(which == at)
            out.append((bundles[at], numbers[chosen] - starts[at], chosen))
        return out

    def _locate_one(self, index: ConstraintIndex) -> tuple[Bundle, IntArray]:
        number = self.store.number(index)
        starts, bundles = self._bundles[index.kind]
        at = bisect.bisect_right(starts, number) - 1
        return bundles[at], np.array([number - starts[at]])

    # ------------------------------------------------------------------ asking
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
        return self.graph.cost((function_type, set_type)) < math.inf

    def supports_objective(self, function_type: type[Function]) -> bool:
        """Whether the inner model takes the type or a wider one."""
        return self._objective_type(function_type) is not None

    def supports_constrained_variables(self, set_type: type[Set]) -> bool:
        """Whether variables in the set are better made at once."""
        return self.inner.supports_constrained_variables(set_type) or self._flips(set_type)

    def get(self, attribute: attr.Attribute, index: Any = None) -> Any:
        """Data from the store, results and derivatives from below."""
        if attribute.on == attr.On.OPTIMIZER:
            return self.inner.get(attribute)
        if not attribute.is_result:
            return self.store.get(attribute, index)
        if attribute.on == attr.On.MODEL:
            return self.inner.get(attribute)
        if attribute.on == attr.On.VARIABLE:
            return self._get_variables(attribute, index)
        if isinstance(attribute, attr.ConstraintPrimal):
            return self._constraint_primal(index)
        if isinstance(index, ConstraintIndex):
            bundle, item = self._locate_one(index)
            values = bundle.pull(attribute, item)
            return values if index.kind[1].is_vector or values.ndim > 1 else float(values[0])
        if isinstance(index, ConstraintIndices):
            return self._pull_many(attribute, index)
        return [self.get(attribute, one) for one in index]

    def _get_variables(self, attribute: attr.Attribute, index: Any) -> Any:
        if isinstance(index, VariableIndex):
            self.store.check_ids([index.value])
            return self._variables.pull(attribute, np.array([index.value - self.store.base]))[0]
        ids = index.ids if isinstance(index, VectorOfVariables) else np.array([v.value for v in index])
        self.store.check_ids(ids)
        return self._variables.pull(attribute, ids - self.store.base)

    def _pull_many(self, attribute: attr.Attribute, indices: ConstraintIndices) -> Any:
        found = self._locate(indices)
        if len(found) == 1:
            bundle, items, _ = found[0]
            return bundle.pull(attribute, items)
        block = self.store.block(indices.kind)
        dims = block.dims()[self.store.numbers(indices)]
        starts = np.cumsum(dims) - dims
        out: Any = None
        for bundle, items, chosen in found:
            values = bundle.pull(attribute, items)
            if out is None:
                out = np.zeros((int(dims.sum()), *values.shape[1:]))
            out[segments(starts[chosen], dims[chosen])] = values
        return np.zeros(0) if out is None else out

    def _constraint_primal(self, index: Any) -> Any:
        if self.inner.get(attr.PrimalStatus()) == attr.ResultStatusCode.NO_SOLUTION:
            raise NotOptimized("There is no primal result to evaluate the constraint at.")
        constants = self.inner.get(attr.PrimalStatus()) != attr.ResultStatusCode.INFEASIBILITY_CERTIFICATE
        return self.store.evaluate(
            index, lambda ids: self._get_variables(attr.VariablePrimal(), VectorOfVariables.of_ids(ids)), constants
        )

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
        elif attribute.way is not None:
            self._push(attribute, index[0], value)
        elif isinstance(attribute, attr.ConstraintSet):
            self._set_set(index[0], value)
        elif isinstance(attribute, attr.ConstraintFunction):
            self._set_function(index[0], value)
        else:
            raise UnsupportedAttribute(f"{attribute!r} cannot be set through bridges.")

    def _set_model(self, attribute: attr.Attribute, value: Any) -> None:
        if isinstance(attribute, attr.ObjectiveFunction):
            self.store.set(attribute, value)
            self._pass_objective(value)
        elif isinstance(attribute, attr.ForwardObjectiveFunction):
            rows = value if isinstance(value, Rows) else value.rows
            self.inner.set(attribute, self._variables.rewrite(rows, self.store.base))
        else:
            if isinstance(attribute, (attr.ObjectiveSense, attr.Name)):
                self.store.set(attribute, value)
            self.inner.set(attribute, value)

    def _pass_objective(self, function: Any) -> None:
        function_type = self._objective_type(type(function))
        if function_type is None:
            raise UnsupportedObjective(
                f"{self.inner.get(attr.SolverName())} takes no {type(function).__name__} as objective."
            )
        rows = self._variables.rewrite(function.rows, self.store.base)
        if function_type is VariableIndex and not _is_plain(rows):
            function_type = self._objective_type(ScalarAffineFunction)
            assert function_type is not None
        self.inner.set(attr.ObjectiveFunction(), function_type.from_rows(rows))

    def _objective_type(self, function_type: type[Function]) -> type[Function] | None:
        """The narrowest type at least as wide that the inner model takes."""
        wider = _WIDER[_WIDER.index(function_type) :]
        return next((t for t in wider if self.inner.supports_objective(t)), None)

    def _set_variable(self, attribute: attr.Attribute, index: Any, value: Any) -> None:
        if isinstance(index, VectorOfVariables) and self._variables.push_many(attribute, index, value, self.store.base):
            return
        if not isinstance(index, VariableIndex):
            for one, each in zip(index, np.broadcast_to(value, len(index)).tolist(), strict=True):
                self._set_variable(attribute, one, each)
            return
        if isinstance(attribute, attr.VariablePrimalStart):
            self.store.set(attribute, index, value)
            self._variables.push_start(attribute, index.value - self.store.base, value)
        elif isinstance(attribute, attr.VariableName):
            self.store.set(attribute, index, value)
        else:
            self.store.check_ids([index.value])
            self._variables.push_seed(attribute, index.value - self.store.base, value)

    def _push(self, attribute: attr.Attribute, index: Any, value: Any) -> None:
        """Send a tangent, seed or start down its way."""
        if isinstance(index, ConstraintIndex):
            self.store.number(index)
        if attribute.way is Way.FUNCTION_TANGENT:
            rows = value if isinstance(value, Rows) else value.rows
            payload: Any = self._variables.rewrite(rows, self.store.base)
        elif attribute.way is Way.SET_TANGENT and isinstance(value, Set):
            payload = np.concatenate([np.zeros((value.dimension, 1)), value.numbers], axis=1)
        else:
            payload = np.asarray(value, np.float64)
            payload = payload[None] if payload.ndim == 0 else payload
        if isinstance(index, ConstraintIndex):
            bundle, item = self._locate_one(index)
            bundle.push(attribute, item, payload)
            return
        found = self._locate(index)
        if len(found) == 1:
            found[0][0].push(attribute, found[0][1], payload)
            return
        dims = self.store.block(index.kind).dims()[self.store.numbers(index)]
        starts = np.cumsum(dims) - dims
        total = int(dims.sum())
        for bundle, items, chosen in found:
            rows_here = segments(starts[chosen], dims[chosen])
            if isinstance(payload, Rows):
                directions = np.arange(payload.m // total) * total
                bundle.push(attribute, items, payload.take((directions[:, None] + rows_here).ravel()))
            else:
                bundle.push(attribute, items, payload[rows_here])

    def inner_variables(self, v: VectorOfVariables) -> VectorOfVariables:
        """The inner variables that stand for outer ones, each alone; raises where one is bridged."""
        return VectorOfVariables.of_ids(self._variables.alone(v.ids - self.store.base))

    # ------------------------------------------------------------------ changing data
    def _set_set(self, index: ConstraintIndex, value: Any) -> None:
        bundle, item = self._locate_one(index)
        piece = bundle.piece(int(item[0]))
        self.store.set(attr.ConstraintSet(), index, value)
        if isinstance(piece[0], Leaf):
            self.inner.set(attr.ConstraintSet(), piece[0].index(piece[1]), value)
        else:
            self._change_numbers(index, bundle, item)

    def _change_numbers(self, index: ConstraintIndex, bundle: Bundle, item: IntArray) -> None:
        """Pass constants and numbers on as the store has them now."""
        block, number = self.store.block(index.kind), self.store.number(index)
        start, stop = block.row_range(number)
        bundle.change_numbers(
            item,
            np.array([stop - start]),
            block.constants[start:stop].copy(),
            block.all_numbers[start:stop].ravel().copy(),
        )

    def _set_function(self, index: ConstraintIndex, value: Any) -> None:
        bundle, item = self._locate_one(index)
        self.store.set(attr.ConstraintFunction(), index, value)
        rows = self._variables.rewrite(value.rows, self.store.base)
        bundle.change_function(item, np.array([rows.m]), rows)

    def modify(
        self, target: ConstraintIndex | attr.ObjectiveFunction, change: Modification | Sequence[Modification]
    ) -> None:
        """Change coefficients or constants, in place below if no bridge stands against it."""
        self.store.modify(target, change)
        changes = [change] if isinstance(change, Modification) else list(change)
        if not isinstance(target, ConstraintIndex):
            self._modify_objective(changes)
            return
        bundle, item = self._locate_one(target)
        for one in changes:
            if isinstance(one, (ScalarConstantChange, VectorConstantChange)):
                self._change_numbers(target, bundle, item)
            elif isinstance(one, (ScalarCoefficientChange, MultirowChange)):
                self._modify_column(target, bundle, item, one)
            else:
                raise UnsupportedModification("Quadratic coefficients of constraints are not changed in place.")

    def _modify_column(
        self, target: ConstraintIndex, bundle: Bundle, item: IntArray, change: ScalarCoefficientChange | MultirowChange
    ) -> None:
        inner = self._variables.inner_id(change.variable.value - self.store.base)
        if inner < 0:
            raise UnsupportedModification("The variable is bridged, its coefficients are not changed in place.")
        block, number = self.store.block(target.kind), self.store.number(target)
        start, stop = block.row_range(number)
        m = stop - start
        rows = np.zeros(1, np.int64)
        if isinstance(change, MultirowChange):
            rows = np.array([r for r, _ in change.new_coefficients], np.int64)
        column = block.rows(number).coefficients(np.arange(m), np.full(m, change.variable.value))
        bundle.change_column(item, np.array([m]), VariableIndex(inner), rows, column)

    def _modify_objective(self, changes: list[Modification]) -> None:
        function = self.store.get(attr.ObjectiveFunction())
        same = self._objective_type(type(function)) is type(function)
        for one in changes:
            ids = [getattr(one, n).value for n in ("variable", "variable_1", "variable_2") if hasattr(one, n)]
            inner = [self._variables.inner_id(i - self.store.base) for i in ids]
            if not same or min(inner, default=0) < 0:
                self._pass_objective(function)
                return
        for one in changes:
            if isinstance(one, ScalarConstantChange):
                self.inner.modify(attr.ObjectiveFunction(), one)
                continue
            names = [n for n in ("variable", "variable_1", "variable_2") if hasattr(one, n)]
            mapped = [
                VariableIndex(self._variables.inner_id(getattr(one, n).value - self.store.base)) for n in names
            ]
            self.inner.modify(attr.ObjectiveFunction(), type(one)(*mapped, one.new_coefficient))  # type: ignore

    def delete(self, index: Any) -> None:
        """Delete constraints, or variables that nothing bridged depends on."""
        items = [index] if isinstance(index, (ConstraintIndex, VariableIndex)) else list(index)
        for one in items:
            if isinstance(one, ConstraintIndex):
                bundle, item = self._locate_one(one)
                for kind, inner_id in bundle.plain_bounds(item):
                    self._bound_sides[inner_id] &= ~UPPER_OR_LOWER.get(kind[1], 0)
                bundle.delete(item)
                self.store.delete(one)
            elif isinstance(one, VariableIndex):
                raise UnsupportedModification("Variables are not deleted through bridges; copy the model anew.")
            else:
                raise InvalidIndex(f"{one!r} is not an index.")

    # ------------------------------------------------------------------ the whole
    def empty(self) -> None:
        """Drop the model, here and below."""
        self.store.empty()
        self.inner.empty()
        self._forget()

    def optimize(self) -> None:
        """Solve below."""
        self.inner.optimize()

    def copy_to(self, destination: AbstractModel) -> IndexMap:
        """Build the outer model in another one."""
        return self.store.copy_to(destination)

    def explain(self) -> list[str]:
        """How each kind of constraint in the model reaches the inner one, a line a step."""
        return [line for kind in self.store.kinds() for line in self.graph.path(kind)]


def _is_plain(rows: Rows) -> bool:
    """Whether each row is exactly one variable."""
    return (
        len(rows.row) == rows.m
        and not len(rows.qrow)
        and bool((rows.coef == 1).all())
        and not rows.constant.any()
        and len(np.unique(rows.row)) == rows.m
    )
