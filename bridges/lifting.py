"""Bringing constraints on inner variables into the inner model, natively or by bridges."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, final

import numpy as np

from ..modelkit import attributes as attr
from ..modelkit.arrays import Growable, IntArray
from ..modelkit.block import ConstraintBlock, SetBlock
from ..modelkit.checks import UPPER_OR_LOWER
from ..modelkit.errors import OptangentError, UnsupportedConstraint
from ..modelkit.functions import Function, VariableIndex, VectorOfVariables
from ..modelkit.indices import ConstraintIndex, ConstraintIndices, Kind, describe_kind
from ..modelkit.protocol import AbstractModel
from ..modelkit.rows import Rows
from ..modelkit.sets import Set, VectorSet
from .base import Bridge, Lift, affine
from .bundle import Bundle
from .catalogue.flip import FlipVector
from .graph import BridgeGraph
from .leaf import Leaf, is_plain
from .nodes import Node
from .row_bounds import RowBounds
from .variables import FLIPS, VariableMap

__all__ = ["Lifter"]

_LOW = 0xFFFFFFFF  # identifiers of one model differ in these bits


@final
class Lifter:
    """The inner model with the graph of bridges towards it, and what was made in it.

    Parameters
    ----------
    inner : the model below
    bridges : those to choose from
    base : identifier of the first outer variable
    """

    def __init__(self, inner: AbstractModel, bridges: Sequence[Bridge], base: int) -> None:
        self.inner = inner
        self.graph = BridgeGraph(self._takes, bridges)
        self._base = base
        self._lifts: dict[Hashable, Lift] = {}
        self.forget()

    def forget(self) -> None:
        """The inner model was emptied."""
        self.variables = VariableMap(self.inner, self._base)
        self.bounds = RowBounds(self.inner)
        self._bound_sides = Growable(np.uint8)  # of inner variables: bits as in `UPPER_OR_LOWER`

    @property
    def name(self) -> str:
        """Of the inner model, for messages."""
        try:
            name = self.inner.get(attr.SolverName())
        except OptangentError:
            name = None
        return str(name or type(self.inner).__name__)

    # ------------------------------------------------------------------ what can be reached
    def _takes(self, kind: Kind) -> bool:
        """Whether a kind is native: as a constraint, or as variables made in the set."""
        if kind[0].degree:
            return self.inner.supports_constraint(*kind)
        return self._takes_later(kind) or (
            kind[0] is VectorOfVariables and self.inner.supports_constrained_variables(kind[1])
        )

    def _takes_later(self, kind: Kind) -> bool:
        """Whether constraints on plain variables that exist already are native."""
        return self.inner.supports_free_variables() and self.inner.supports_constraint(*kind)

    def _as_taken(self, kind: Kind) -> Kind:
        """The kind, or its affine form where plain variables take sets only as they are made."""
        if kind[0].degree:
            return kind
        only_made = self.graph.is_native(kind) and not self._takes_later(kind)
        split = not self.inner.supports_free_variables()
        return (affine(kind[0]), kind[1]) if only_made or split else kind

    def reaches(self, kind: Kind) -> bool:
        """Whether the inner model, or a chain of bridges towards it, takes constraints of a kind."""
        return not self.graph.is_lacking(self._as_taken(kind))

    def refusal(self, kind: Kind) -> UnsupportedConstraint:
        """Why it does not."""
        name = self.name
        why = self.graph.missing(self._as_taken(kind), name)
        return UnsupportedConstraint(f"{describe_kind(kind)} cannot be brought to {name}: {why}")

    def path(self, kind: Kind) -> list[str]:
        """How a kind reaches the inner model, a line a step."""
        return self.graph.path(self._as_taken(kind))

    def flips(self, set_type: type[Set]) -> bool:
        """Whether variables in the set are made as negatives of others."""
        return (
            not self.inner.supports_free_variables()
            and set_type in FLIPS
            and self.inner.supports_constrained_variables(FLIPS[set_type])
        )

    # ------------------------------------------------------------------ variables in sets
    def add_variables_in(self, chosen: VectorSet) -> tuple[Rows, Bundle]:
        """Variables made in a set, as rows in inner variables: native ones, or flipped ones."""
        if self.inner.supports_constrained_variables(type(chosen)):
            z, index = self.inner.add_constrained_variables(chosen)
            return Rows.of_variables(z.ids), Bundle.of(self._made([index], SetBlock.of([chosen])))
        rows, index = self.variables.add_flipped(chosen)
        # x = -z: the dual travels by the inverse adjoint, which for -I is -I, as through a flipped constraint
        flip, m = FlipVector(), chosen.dimension
        lift = flip.lift(VectorOfVariables, chosen)
        child = Bundle.of(self._made([index], SetBlock.of([FLIPS[type(chosen)](m)])))
        constants, numbers = np.zeros((1, m)), np.zeros((1, 0))
        return rows, Bundle.of(Node(flip, lift, chosen, constants, numbers, (child,), _NO_ROWS, self.inner))

    def _made(self, indices: Sequence[ConstraintIndex], sets: SetBlock) -> Leaf:
        values = np.array([index.value for index in indices])
        return Leaf(self.inner, ConstraintIndices(indices[0].kind, values), sets.dims, sets.shapes)

    # ------------------------------------------------------------------ constraints
    def add(self, block: ConstraintBlock) -> Bundle:
        """Add constraints on inner variables, natively or by the next bridge."""
        if not block.count:
            return Bundle([], 0)
        kind = self._as_taken(block.kind)
        if kind != block.kind or (not kind[0].degree and not is_plain(block.rows)):
            return self.add(ConstraintBlock(affine(kind[0]), block.rows, block.sets))
        bridge = self.graph.bridge(kind)
        if bridge is None:
            if not self.graph.is_native(kind):
                raise self.refusal(kind)
            return self._add_native(block)
        piece = bridge.stand_in(block, self.add)
        if piece is not None:
            return Bundle.of(piece)
        lifts = bridge.lifts(block, self.bounds)
        if lifts is None:
            groups = bridge.groups(block.sets)
            lifts = [(g, self._lift(bridge, kind[0], block.sets.set(int(g[0])))) for g in groups]
        else:
            lifts = [(items, lift.weighted(block.sets.set(int(items[0])))) for items, lift in lifts]
        pieces = []
        for items, lift in lifts:
            part = block if len(items) == block.count else block.take(items)
            pieces.append((self._node(bridge, lift, part), items))
        return Bundle(pieces, block.count)

    def add_all(self, parts: Sequence[tuple[IntArray, ConstraintBlock]]) -> Bundle:
        """Add groups of constraints, (items, constraints) each, as one bundle."""
        if len(parts) == 1:
            return self.add(parts[0][1])
        pieces = [placed for items, part in parts for placed in self.add(part).placed(items)]
        return Bundle(pieces, sum(len(items) for items, _ in parts))

    def _add_native(self, block: ConstraintBlock) -> Bundle:
        sides = UPPER_OR_LOWER.get(block.sets.type, 0)
        if block.function_type is not VariableIndex or not sides:
            return Bundle.of(self._leaf(block))
        # one lower and one upper bound for each inner variable; another one becomes an affine row
        at = VectorOfVariables.from_rows(block.rows).ids & _LOW
        clash = self._bounded(at) & np.uint8(sides) != 0
        first = np.unique(at, return_index=True)[1]
        if len(first) < len(at):
            again = np.ones(len(at), bool)
            again[first] = False
            clash |= again
        if not clash.any():
            self._bound_sides.view[at] |= np.uint8(sides)
            return Bundle.of(self._leaf(block))
        late, fresh = np.flatnonzero(clash), np.flatnonzero(~clash)
        rest = block.take(late)
        pieces = self.add(ConstraintBlock(affine(VariableIndex), rest.rows, rest.sets)).placed(late)
        if len(fresh):
            self._bound_sides.view[at[fresh]] |= np.uint8(sides)
            pieces.append((self._leaf(block.take(fresh)), fresh))
        return Bundle(pieces, block.count)

    def _bounded(self, at: IntArray) -> IntArray:
        """The bounds of inner variables that are taken."""
        lacking = int(at.max()) + 1 - len(self._bound_sides)
        if lacking > 0:
            self._bound_sides.extend(np.zeros(lacking, np.uint8))
        taken: IntArray = self._bound_sides.view[at]
        return taken

    def _leaf(self, block: ConstraintBlock) -> Leaf:
        return Leaf(self.inner, self.inner.add_block(block), block.sets.dims, block.sets.shapes)

    def _node(self, bridge: Bridge, lift: Lift, block: ConstraintBlock) -> Node:
        """Lift one group of equal constraints."""
        k, example = block.count, block.sets.set(0)
        m, q = example.dimension, len(example.fields)
        g = block.rows.constant.reshape(k, m).copy()
        numbers = block.sets.numbers.reshape(k, m * q).copy()
        sets = [t.sets(t.numbers(numbers)) for t in lift.targets]
        made: dict[int, Bundle] = {}
        extra = self._add_extra(lift, sets, k, made) if lift.extra else _NO_ROWS
        children = []
        for i, t in enumerate(lift.targets):
            if i in made:
                children.append(made[i])
                continue
            of = block.rows if t.kind[0].degree > 1 else block.rows.without_curvature()
            rows = t.mapped(of, k).with_constants(t.constants(g, numbers).ravel())
            if t.B is not None:
                rows = rows + extra.mapped(t.B, k)
            children.append(self.add(ConstraintBlock(t.kind[0], rows, sets[i])))
        return Node(bridge, lift, example, g, numbers, tuple(children), extra, self.inner)

    def _lift(self, bridge: Bridge, function_type: type[Function], example: Set) -> Lift:
        """The lift of a group of sets, made once."""
        if not example.dimension:  # a constraint without rows needs no stand-in
            return Lift(())
        key = (id(bridge), function_type, type(example), example.shape, bridge.group(example))
        lift = self._lifts.get(key)
        if lift is None:
            if len(self._lifts) > 100:
                self._lifts.clear()
            lift = self._lifts[key] = bridge.lift(function_type, example).weighted(example)
        return lift

    def _add_extra(self, lift: Lift, sets: Sequence[SetBlock], k: int, made: dict[int, Bundle]) -> Rows:
        """Extra variables of k constraints: made in the set of a target, noting its bundle, or free."""
        for i, t in enumerate(lift.targets):
            if not (t.is_membership and t.p == lift.extra) or self._takes_later(t.kind):
                continue
            if not self.inner.supports_constrained_variables(t.kind[1]):
                continue
            chosen: Any = [sets[i].set(item) for item in range(k)]
            new = [self.inner.add_constrained_variables(one) for one in chosen]
            made[i] = Bundle.of(self._made([index for _, index in new], sets[i]))
            return Rows.of_variables(np.concatenate([z.ids for z, _ in new]))
        return self.variables.add_free(k * lift.extra)

    # ------------------------------------------------------------------ deleting
    def delete(self, bundle: Bundle, items: IntArray) -> None:
        """Delete constraints of a bundle; bounds on plain variables may then be set anew."""
        self.bounds.check_free(bundle.leaves(items))
        for leaf, below in bundle.leaves(items):
            sides = UPPER_OR_LOWER.get(leaf.indices.kind[1], 0)
            if leaf.indices.kind[0] is VariableIndex and sides:
                self._bound_sides.view[leaf.indices.values[below] & _LOW] &= np.uint8(~sides & 0xFF)
        bundle.delete(items)


_NO_ROWS = Rows(np.zeros(0))
