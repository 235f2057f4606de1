"""What constraints become in a form: rows, bounds, cones, kinds of columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from ...modelkit.arrays import FloatArray, IntArray
from ...modelkit.errors import InvalidData, NotAllowed, Unsupported, UnsupportedConstraint
from ...modelkit.form import Abilities, Discreteness
from ...modelkit.functions import (
    ScalarAffineFunction,
    VariableIndex,
    VectorAffineFunction,
)
from ...modelkit.functions.monomials import Monomials
from ...modelkit.functions.rows import Rows
from ...modelkit.indices import Kind
from ...modelkit.sets import (
    RotatedSecondOrderCone,
    Semicontinuous,
    Semiinteger,
)
from ...modelkit.store.block import ConstraintBlock
from ...modelkit.store.checks import UPPER_OR_LOWER
from ...modelkit.store.describing import described
from ...modelkit.store.parameters import Parameters
from ...modelkit.store.store import Store
from ..bridge import Bridge, grouped
from ..catalogue.quadratic import cone_of_row
from .chunks import Chunk, ConeNumbers, Place
from .composite import Composite, StandIn, compose
from .making import by_dimension, constants_of, mapped, no_extra, numbers_of, pattern, sides_of, taken, values_of
from .mapped_form import MappedForm
from .reach import Reach, is_box, reachable_kind
from .terms import MovingTerms, split

__all__ = ["Adding"]


_CONE_OF_ROW: Kind = (VectorAffineFunction, RotatedSecondOrderCone)


class Adding(Reach, MappedForm):
    """A form to which constraints are added, each in the way in which it reaches the target."""

    def __init__(self, abilities: Abilities, bridges: Sequence[Bridge] | None = None) -> None:
        Reach.__init__(self, abilities, bridges)
        MappedForm.__init__(self)

    def _lower(self, store: Store, kind: Kind, numbers: IntArray) -> None:
        """Make what stands for some constraints of a kind; which of them is refused, the error says."""
        if not len(numbers):
            return
        try:
            self._make(store, kind, numbers)
        except (Unsupported, NotAllowed, InvalidData) as error:
            error.args = (
                f"{described(store, store.indices(kind, numbers)[self._refused(store, kind, numbers)])}: {error}",
            )
            raise

    def _refused(self, store: Store, kind: Kind, numbers: IntArray) -> int:
        """The first of some constraints that is refused, by halves; the form is made anew afterwards."""
        first, last = 0, len(numbers)
        while last - first > 1:
            middle = (first + last) // 2
            try:
                self._make(store, kind, numbers[first:middle])
            except (Unsupported, NotAllowed, InvalidData):
                last = middle
            else:
                first = middle
        return first

    def _make(self, store: Store, kind: Kind, numbers: IntArray) -> None:
        whole, alive = store.block(kind).snapshot(int(numbers[0]))
        block = whole if len(alive) == len(numbers) else whole.take(np.searchsorted(alive, numbers))
        rows, moving = block.rows, MovingTerms.none()
        if rows.degree > 2:
            present = self.parameters or Parameters(store)
            present.check_inserted(rows)
        if self.parameters is not None:
            rows, moving = split(rows, self.parameters, self._table)
        columns, base = self.columns.view, store.base
        rows, moving = rows.renamed(lambda ids: columns[ids - base]), moving.in_columns(columns, base)
        if is_box(kind[1]):
            self._lower_boxes(block, numbers, rows, moving)
        else:
            self._lower_sets(store, block, numbers, rows, moving)
        self._moving_is_due |= bool(len(moving))

    # ------------------------------------------------------------------ rows and bounds
    def _lower_boxes(self, block: ConstraintBlock, numbers: IntArray, rows: Rows, moving: MovingTerms) -> None:
        kind = block.kind
        if kind[0] is VariableIndex:
            at = np.full(block.count, -1, np.int64)
            at[rows.row] = rows.var  # what is missing is a parameter
            plain, others = np.flatnonzero(at >= 0), np.flatnonzero(at < 0)
            if len(plain):
                self._add_bounds(block, numbers, plain, at[plain])
            if len(others):
                self._add_rows(block, numbers, others, rows, moving)
            return
        curved, flat = np.zeros((2, block.count), bool)
        if not self.abilities.quadratic_rows and (len(rows.qrow) or (moving.second >= 0).any()):
            constraint = np.repeat(np.arange(block.count), block.sets.dims)
            now = self._inserted(rows, moving).canonical()
            curved[constraint[now.qrow]] = True
            flat[constraint[moving.row[moving.second >= 0]]] = True
            flat &= ~curved  # at the present values alone
            held = ConstraintBlock(kind[0], block.rows.with_constants(now.constant), block.sets)
            for items in by_dimension(np.flatnonzero(flat), block.sets.dims):
                self._add_rows(held, numbers, items, now, MovingTerms.none())
            if flat.any():
                self._fragile.setdefault(kind, set()).update(numbers[flat].tolist())
        for items in by_dimension(np.flatnonzero(~(curved | flat)), block.sets.dims):
            self._add_rows(block, numbers, items, rows, moving)
        for item in np.flatnonzero(curved).tolist():
            self._add_curved(block, numbers, item, rows, moving)

    def _add_bounds(self, block: ConstraintBlock, numbers: IntArray, items: IntArray, columns: IntArray) -> None:
        kind, example = block.kind, block.sets.set(0)
        composite, sides = self._composite((ScalarAffineFunction, kind[1]), example), UPPER_OR_LOWER[kind[1]]
        nothing = no_extra(len(items))
        chunk = Chunk(kind, numbers[items], composite, composite.stand_ins[0], Place.BOUNDS, columns, nothing, sides)
        self._add_chunk(chunk)
        self._set_sides(chunk, np.arange(len(items)), values_of(block, items))

    def _add_rows(
        self, block: ConstraintBlock, numbers: IntArray, items: IntArray, rows: Rows, moving: MovingTerms
    ) -> None:
        """Rows for some constraints of a block, each as it is."""
        rows, moving = taken(block, items, rows, moving)
        function_type = VectorAffineFunction if block.kind[1].is_vector else ScalarAffineFunction
        composite = self._composite((function_type, block.kind[1]), block.sets.set(int(items[0])))
        chunk = self._new_rows(
            block.kind,
            numbers[items],
            composite,
            composite.stand_ins[0],
            rows,
            moving,
            no_extra(len(items)),
            values_of(block, items),
        )
        if len(rows.qrow):
            self._curved.append((chunk.positions[rows.qrow], rows.qvar1, rows.qvar2, rows.qcoef))
            self.form.set_row_curvature(self._curved)

    def _new_rows(
        self,
        kind: Kind,
        numbers: IntArray,
        composite: Composite,
        one: StandIn,
        rows: Rows,
        moving: MovingTerms,
        extra: IntArray,
        values: tuple[FloatArray, FloatArray],
    ) -> Chunk:
        lower, upper = sides_of(one, *values)
        positions = self.form.add_rows(pattern(rows, moving, self.form.n), lower, upper)
        chunk = Chunk(kind, numbers, composite, one, Place.ROWS, positions, extra, moving=moving)
        self._add_chunk(chunk)
        return chunk

    def _inserted(self, rows: Rows, moving: MovingTerms) -> Rows:
        """Rows in columns at the parameters' present values."""
        if not len(moving) or self.parameters is None:
            return rows
        values = self._product_values(moving.code) * moving.coef
        factors = np.stack([moving.first, moving.second], axis=1)
        return rows + Rows.of_terms(np.zeros(rows.m), Monomials(moving.row, factors, values))

    def _product_values(self, codes: IntArray) -> FloatArray:
        assert self.parameters is not None
        padded, count = np.append(self.parameters.values, 1.0), len(self.parameters.values)
        factors = self._table.factors(count)[self._table.rows(codes, count)]
        return np.asarray(padded[factors].prod(axis=1))

    def _add_curved(
        self, block: ConstraintBlock, numbers: IntArray, item: int, rows: Rows, moving: MovingTerms
    ) -> None:
        """Cones for the curved rows of one constraint, a cone for each finite side; flat rows stay rows."""
        alone = np.array([item])
        rows, moving = taken(block, alone, rows, moving)
        now = self._inserted(rows, moving)
        sides = block.kind[1].bounds(block.sets.take(alone).numbers)
        assert sides is not None  # a box, or it would not have come here
        lower, upper = sides
        if len(moving):
            self._fragile.setdefault(block.kind, set()).add(int(numbers[item]))
        if self.graph.is_lacking(_CONE_OF_ROW):
            raise self._refusal(_CONE_OF_ROW)
        for row in range(now.m):
            one = now.take(np.array([row]))
            for bound, sign in ((upper[row], 1.0), (lower[row], -1.0)):
                if np.isfinite(bound) and sign * (bound - one.constant[0]) < np.inf:  # a parameter may be infinite
                    self._add_cone_of_row(block.kind, numbers[alone], row, one, sign, float(bound), now.m)

    def _add_cone_of_row(
        self, kind: Kind, numbers: IntArray, row: int, function: Rows, sign: float, bound: float, m: int
    ) -> None:
        cone = cone_of_row(function, sign, bound)
        root = self._composite(_CONE_OF_ROW, RotatedSecondOrderCone(cone.m))
        for one in root.stand_ins:
            adjoint = np.zeros((m, one.p))
            adjoint[row] = -sign * one.adjoint.toarray()[1]
            stands = replace(one, adjoint=sp.csr_array(adjoint), is_identity=False)
            self._new_cone(
                kind,
                numbers,
                root,
                stands,
                cone.mapped(one.A),
                MovingTerms.none(),
                no_extra(1),
                one.A @ cone.constant,
                sign,
            )

    # ------------------------------------------------------------------ other sets
    def _lower_sets(
        self, store: Store, block: ConstraintBlock, numbers: IntArray, rows: Rows, moving: MovingTerms
    ) -> None:
        kind = reachable_kind(block.kind)
        if kind[0].degree > 1:  # the parameters inserted it must be affine
            if len(rows.qrow) or (moving.second >= 0).any():
                raise self._refusal(kind)
            kind = (VectorAffineFunction if kind[1].is_vector else ScalarAffineFunction, kind[1])
        if self.graph.is_lacking(kind):
            raise self._refusal(kind)
        bridge = self.graph.bridge(kind)
        if bridge is None or not bridge.looks_at_functions:
            for items in grouped(block.sets.shapes or [0] * block.count):
                self._add_stand_ins(
                    block, numbers, items, rows, moving, self._composite(kind, block.sets.set(int(items[0])))
                )
            return
        whole = ConstraintBlock(kind[0], block.rows, block.sets)
        asked: list[Rows] = []  # for their bounds, which may move

        def bounds(functions: Rows) -> tuple[FloatArray, FloatArray]:
            asked.append(functions)
            return self._bounds_of(store, functions)

        for items, lift in bridge.lifts(whole, bounds) or ():
            composite = compose(self.graph, kind, block.sets.set(int(items[0])), lift)
            self._add_stand_ins(block, numbers, items, rows, moving, composite)
        if asked:
            self._fragile.setdefault(block.kind, set()).update(numbers.tolist())

    def _add_stand_ins(
        self,
        block: ConstraintBlock,
        numbers: IntArray,
        items: IntArray,
        rows: Rows,
        moving: MovingTerms,
        composite: Composite,
    ) -> None:
        """All that stands for some equal constraints."""
        rows, moving = taken(block, items, rows, moving)
        mine, k, e = numbers[items], len(items), composite.extra
        extra = self.form.add_columns(k * e).reshape(k, e)
        self.is_user.extend(np.zeros(k * e, np.bool_))
        g, theta = values_of(block, items)
        for one in composite.stand_ins:
            if one.kind[0] is VariableIndex:
                self._add_membership(block.kind, mine, composite, one, rows, extra, (g, theta))
                continue
            below, moved = mapped(rows, moving, one, k, extra)
            if is_box(one.kind[1]):
                self._new_rows(block.kind, mine, composite, one, below, moved, extra, (g, theta))
            else:
                constants = constants_of(one, g, theta).ravel()
                self._new_cone(block.kind, mine, composite, one, below, moved, extra, constants)
        if not composite.stand_ins:
            nothing = np.zeros(0, np.int64)
            empty = StandIn.of_nothing(block.kind, g.shape[1], theta.shape[1])
            self._add_chunk(Chunk(block.kind, mine, composite, empty, Place.ROWS, nothing, extra))

    def _add_membership(
        self,
        kind: Kind,
        numbers: IntArray,
        composite: Composite,
        one: StandIn,
        rows: Rows,
        extra: IntArray,
        values: tuple[FloatArray, FloatArray],
    ) -> None:
        """Bounds or discreteness of columns, of the model's or of extra ones."""
        at = extra[:, one.members].ravel() if one.is_membership else rows.var
        set_type = one.kind[1]
        place = Place.BOUNDS if is_box(set_type) else Place.KINDS
        chunk = Chunk(kind, numbers, composite, one, place, at, extra, UPPER_OR_LOWER.get(set_type, 0))
        self._add_chunk(chunk)
        if len(at) != len(numbers) * one.p:
            raise UnsupportedConstraint(f"A parameter cannot be in {set_type.__name__}: it is data, held at its value.")
        if set_type in (Semicontinuous, Semiinteger):
            theta = numbers_of(one, values[1]).reshape(-1, 2)
            self.form.set_bounds(at, theta[:, 0], theta[:, 1])
        if place is Place.KINDS:
            self._set_kinds(at)
        else:
            self._set_sides(chunk, np.arange(len(numbers)), values)

    # ------------------------------------------------------------------ what is relied upon
    def _bounds_of(self, store: Store, rows: Rows) -> tuple[FloatArray, FloatArray]:
        """Lower and upper bounds of affine rows, from those of the columns and the parameters' values."""
        parameters = self.parameters
        if parameters is not None:
            everything = np.ones(len(rows.terms().row), bool)
            rows = Rows.of_terms(rows.constant, parameters.filled(rows.terms(), everything))
        rows = rows.canonical()
        columns, form = self.column_of(rows.var, store.base), self.form
        low, high = (side[columns] for side in self._bounds_of_columns())
        binary, semi = form.binary[columns], form.discreteness[columns] >= Discreteness.SEMICONTINUOUS
        low = np.where(semi, np.minimum(low, 0.0), np.where(binary, np.maximum(low, 0.0), low))
        high = np.where(semi, np.maximum(high, 0.0), np.where(binary, np.minimum(high, 1.0), high))
        ends = rows.coef * low, rows.coef * high
        lower, upper = rows.constant.copy(), rows.constant.copy()
        np.add.at(lower, rows.row, np.minimum(*ends))
        np.add.at(upper, rows.row, np.maximum(*ends))
        return lower, upper

    # ------------------------------------------------------------------ cones
    def _new_cone(
        self,
        kind: Kind,
        numbers: IntArray,
        composite: Composite,
        one: StandIn,
        rows: Rows,
        moving: MovingTerms,
        extra: IntArray,
        constants: FloatArray,
        sign: float = 0.0,
    ) -> None:
        sets = one.sets(len(numbers))
        columns = ConeNumbers(rows.row, rows.var, rows.coef, constants, sets)
        positions = np.arange(len(constants))
        chunk = Chunk(
            kind, numbers, composite, one, Place.CONES, positions, extra, moving=moving, cone=columns, sign=sign
        )
        self._add_chunk(chunk)
        self._cones_are_due = True
