"""The derivative of a model at one solution: tangents go down to a point of its form, gradients come up."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, final

import numpy as np

from ..bridges.lowering import Lowering
from ..bridges.lowering.travel import (
    Sided,
    duals_up,
    functions_down,
    gradients_up,
    seeds_down,
    set_gradients_up,
    set_tangents_down,
)
from ..modelkit import attributes as attr
from ..modelkit.arrays import FloatArray, IntArray
from ..modelkit.errors import DifferentiationError
from ..modelkit.functions import VariableIndex, VectorOfVariables
from ..modelkit.functions.lazy import GradientOfObjective, GradientOfRow, GradientOfRows
from ..modelkit.functions.rows import Rows
from ..modelkit.indices import ConstraintIndex, ConstraintIndices, Kind
from ..modelkit.store.parameters import PARAMETERS, parameter_constraints
from ..modelkit.store.store import Store
from .form_point import FormPoint
from .inputs import Inputs, Tangents
from .outcome import every, located
from .parameter_slopes import parameter_slopes
from .pushing import Adjoints, Pushed
from .slope import Slope
from .slot_tangents import SlotTangents
from .worth import Worth

__all__ = ["Derivative"]

_NONE = -1


@final
class Derivative:
    """The derivative of a model at one solution.

    Parameters
    ----------
    store : the model as written
    lowering : to the form that is differentiated, in step with the store
    point : the solution of this form, with what differentiates it
    name : of who made the point, a diff model or the solver

    Attributes
    ----------
    lowering, point, name : see above
    worth : what the derivatives are, and which rows are at fault
    seconds : that the last differentiation took; nan before the first
    """

    def __init__(self, store: Store, lowering: Lowering, point: FormPoint, name: str) -> None:
        self._store, self.lowering, self.point, self.name = store, lowering, point, name
        self._size = store.variable_count, store.constraint_count
        form = lowering.form
        self._slots, self._columns = form.slots, lowering.columns.view
        self._theta = np.zeros(0) if lowering.parameters is None else _finite(lowering.parameters.values)
        self._moving = None
        if lowering.moving is not None:
            self._moving = lowering.moving.derivative(form)
        self._values: dict[int, FloatArray] = {}
        self._costs: dict[int, FloatArray] = {}
        self.worth = Worth(store, lowering, point, name)
        self._adjoints: Adjoints | None = None
        self.seconds = float("nan")
        self.forget()

    # ------------------------------------------------------------------ what is there
    @property
    def is_current(self) -> bool:
        """Whether nothing was added to the model since."""
        return self._size == (self._store.variable_count, self._store.constraint_count)

    @property
    def store(self) -> Store:
        """The model as written."""
        return self._store

    @property
    def theta(self) -> FloatArray:
        """Values of the parameters, (p,), zero where they are infinite."""
        return self._theta

    def has(self, mode: str) -> bool:
        """Whether there are results of forward or reverse mode for the present model and inputs."""
        return mode in self._modes and self.is_current

    def forget(self) -> None:
        """Tangents or seeds changed: there are no results any more."""
        self._modes: set[str] = set()
        self._pushed: Pushed | None = None
        self._forget_pulled()

    def _forget_pulled(self) -> None:
        self._pulled: tuple[FloatArray, Sided, float, FloatArray, FloatArray] | None = None
        self._rows: dict[Any, tuple[FloatArray, IntArray, IntArray] | None] = {}
        self._right: FloatArray | None = None

    @property
    def slope(self) -> Slope:
        """Where and how it is differentiated by the user's policy; raises `DifferentiationError` if that forbids it."""
        return self.point.slope(self.worth.told)

    @property
    def values(self) -> FloatArray:
        """Exact values by number of the variable, parameters included."""
        return self.values_at(self.point)

    @property
    def costs(self) -> FloatArray:
        """The duals of the parameters, (p,): the derivative of the Lagrangian in each."""
        return self.costs_at(self.point)

    def values_at(self, point: FormPoint | Slope) -> FloatArray:
        """The values by number of the variable where x is that of a point."""
        known = self._values.get(id(point.x))
        if known is None:
            known = self._values[id(point.x)] = np.zeros(len(self._columns))
            mine = self._columns >= 0
            known[mine] = point.x[self._columns[mine]]
            if self.lowering.parameters is not None:
                known[self.lowering.parameters.ids - self._store.base] = self._theta
        return known

    def costs_at(self, point: FormPoint | Slope) -> FloatArray:
        """The duals of the parameters where x and y are those of a point."""
        known = self._costs.get(id(point.x))
        if known is None:
            known = self._costs[id(point.x)] = self._to_parameters(self._of_lagrangian(point))[0]
        return known

    def _of_lagrangian(self, point: FormPoint | Slope) -> FloatArray:
        """Its derivative in the numbers that move, (1, T)."""
        if self._moving is None:
            return np.zeros((1, 0))
        return self._moving.of_lagrangian(point.x, point.y)

    def _to_parameters(self, of_numbers: FloatArray) -> FloatArray:
        moving = self.lowering.moving
        if moving is None:
            return np.zeros((len(of_numbers), len(self._theta)))
        return moving.map.pull(self._theta, of_numbers)

    # ------------------------------------------------------------------ forward
    def forward(self, inputs: Inputs) -> None:
        """Push the tangents to the solution; as long as these are the same, what was found stays."""
        if self._pushed is not None:
            return
        start = time.perf_counter()
        slope = self.slope
        sides, moves, direct = self.slot_tangents(inputs.tangents(), 1, slope)
        if self._adjoints is None:
            self._adjoints = Adjoints(slope)
        costs = partial(self.dual_tangents, moves=moves, direct=direct)
        self._pushed = Pushed(sides, slope, self._adjoints, costs, moves[0])
        self.seconds = time.perf_counter() - start
        self._modes.add("forward")

    def slot_tangents(
        self, tangents: Tangents, directions: int, point: FormPoint | Slope
    ) -> tuple[SlotTangents, FloatArray, FloatArray]:
        """Right-hand sides, moves of the parameters (K, p), and what adds to their duals' moves (K, p)."""
        store, lowering = self._store, self.lowering
        sides = SlotTangents(self._slots, point.x, point.y, directions)
        moves, direct = np.zeros((2, directions, len(self._theta)))
        objective, functions, sets = tangents
        if objective is not None:
            signed = objective.scaled(np.full(objective.m, lowering.sign))
            sides.add_objective(self._in_columns(signed))
            direct += self._slopes(signed, np.ones(1), directions, point)
        for indices, rows in functions:
            if indices.kind == PARAMETERS:
                self._displace(indices, rows, sides, moves, direct, point)
                continue
            numbers, dims = located(store, indices)
            inside = self._in_columns(rows)
            if lowering.parameters is not None:
                weights = -gradients_up(lowering, indices.kind, numbers, dims, point.y_sided)
                direct += self._slopes(rows, weights, directions, point)
            for at, below in functions_down(lowering, indices.kind, numbers, dims, inside):
                sides.add_functions(at, below)
        for indices, numbers_moved in sets:
            values = numbers_moved.reshape(len(numbers_moved), numbers_moved.shape[1], -1)
            if indices.kind == PARAMETERS:
                assert lowering.parameters is not None
                moves[:, lowering.parameters.places(indices.values)] += values[:, 1].T
                continue
            numbers, dims = located(store, indices)
            found = set_tangents_down(lowering, indices.kind, numbers, dims, values[:, 1:])
            for at, constants, low, high in found:
                sides.add_constants(at, constants)
                sides.add_sides(at, low, high)
        self.add_parameters(sides, moves)
        return sides, moves, direct

    def add_parameters(self, sides: SlotTangents, moves: FloatArray) -> None:
        """Add to right-hand sides what moves of the parameters (K, p) do to the form."""
        moving = self.lowering.moving
        if moves.any() and self._moving is not None and moving is not None:
            numbers_move = moving.map.push(self._theta, moves)
            found = self._moving.right_hand_sides(sides.x, sides.y, numbers_move)
            sides.add_right_hand_sides(*found, turns=self._moving.turns)

    def right_hand_sides(self, tangents: Tangents) -> tuple[FloatArray, FloatArray, float]:
        """Of a direction, at the solution: of the gradient (n, 1) and of the one-sided rows (m, 1); of the value."""
        sides, _, _ = self.slot_tangents(tangents, 1, self.point)
        return *self.point.right_hand_sides(sides), float(sides.objective_values()[0])

    def _in_columns(self, rows: Rows) -> Rows:
        """Rows in columns, the parameters at their values."""
        base = self._store.base
        if self.lowering.parameters is not None:
            terms = rows.terms()
            rows = Rows.of_terms(rows.constant, self.lowering.parameters.filled(terms, np.ones(len(terms), bool)))
        columns = self._columns
        return rows.renamed(lambda ids: columns[ids - base])

    def _slopes(self, rows: Rows, weights: FloatArray, directions: int, point: FormPoint | Slope) -> FloatArray:
        """``Σ weights · d row / d parameter`` at a point, (K, p), of rows one direction below the other."""
        parameters, base = self.lowering.parameters, self._store.base
        if parameters is None:
            return np.zeros((directions, 0))
        values = self.values_at(point)
        return parameter_slopes(rows, weights, parameters, lambda ids: values[ids - base], directions)

    def _displace(
        self,
        indices: ConstraintIndices,
        rows: Rows,
        sides: SlotTangents,
        moves: FloatArray,
        direct: FloatArray,
        point: FormPoint | Slope,
    ) -> None:
        """Tangents t of functions of parameters' constraints, ``p + t(x) = θ``: p moves by -t, its dual pulls at t."""
        assert self.lowering.parameters is not None
        place, values, base = self.lowering.parameters.places(indices.values), self.values_at(point), self._store.base
        k, costs = len(place), self.costs_at(point)
        moved = rows.evaluate(lambda ids: values[ids - base]).reshape(-1, k)
        np.add.at(moves, (np.arange(len(moved))[:, None], place[None]), -moved)
        weights = np.tile(-costs[place], len(moved))
        inside = self._in_columns(rows)
        affine = inside.with_constants(np.zeros(inside.m)).scaled(weights)
        value = inside.evaluate(lambda j: point.x[j], constants=False) * weights
        centred = affine.with_constants(-value)
        sides.add_objective(centred.moved(np.repeat(np.arange(len(moved)), k), len(moved)))
        direct += self._slopes(rows, -costs[place], len(direct), point)

    def dual_tangents(self, dx: FloatArray, dy: FloatArray, moves: FloatArray, direct: FloatArray) -> FloatArray:
        """How the duals of the parameters move, (K, p), with dx (n, K), dy (slots, K) and moves (K, p)."""
        lowering, point = self.lowering, self.slope
        if self._moving is None or lowering.moving is None:
            return direct
        of_moves = self._moving.gradient(point.x, point.y, -dx.T, -dy.T, np.zeros((1, 1)))
        turned = lowering.moving.map.turn(self._theta, moves, self._of_lagrangian(point))
        moved: FloatArray = self._to_parameters(of_moves) + turned + direct
        return moved

    # ------------------------------------------------------------------ reverse
    def reverse(self, inputs: Inputs) -> None:
        """Pull the seeds back to the data, in one solve."""
        start = time.perf_counter()
        store, lowering, size = self._store, self.lowering, self._slots.size
        primal, duals = np.zeros(len(self.slope.x)), (np.zeros(size), np.zeros(size))
        seeds, theta = np.zeros(len(self._theta)), np.zeros(len(self._theta))  # of duals of parameters, of parameters
        ids, values = inputs.primal_seeds()
        at = self._columns[ids - store.base]
        mine = at >= 0  # every variable is there once
        primal[at[mine]] = values[mine]
        if lowering.parameters is not None:
            theta[lowering.parameters.places(ids[~mine])] = values[~mine]
        for indices, numbers in inputs.dual_seeds():
            if indices.kind == PARAMETERS:
                assert lowering.parameters is not None
                np.add.at(seeds, lowering.parameters.places(indices.values), numbers)
            else:
                seeds_down(lowering, indices.kind, *located(store, indices), numbers, duals)
        seed = lowering.sign * float(inputs.get(attr.ReverseObjectiveValue(), None) or 0.0)
        every = duals[0][:, None], duals[1][:, None]
        w, (low, high), of_data = self.pulled_back(primal[:, None], every, np.array([seed]), seeds[None])
        self._forget_pulled()
        self._pulled = w[:, 0], (low[:, 0], high[:, 0]), seed, theta + of_data[0], seeds
        self.seconds = time.perf_counter() - start
        self._modes.add("reverse")

    def pulled_back(
        self, primal: FloatArray, duals: Sided, seeds: FloatArray, of_parameters: FloatArray
    ) -> tuple[FloatArray, Sided, FloatArray]:
        """The adjoints of K combinations of the solution, and their gradients in the parameters.

        Parameters
        ----------
        primal, duals : seeds (n, K) of x, and (slots, K) of y by sides
        seeds : (K,) of the form's objective value
        of_parameters : (K, p) of the duals of the parameters

        Returns
        -------
        w (n, K); wy (slots, K) by sides, the gradients in the constants of functions; gradients (K, p)
        """
        lowering, point, K = self.lowering, self.slope, len(seeds)
        theta = np.zeros((K, len(self._theta)))
        if of_parameters.any() and self._moving is not None and lowering.moving is not None:
            numbers_move = lowering.moving.map.push(self._theta, of_parameters)
            of_x, of_y, _ = self._moving.right_hand_sides(point.x, point.y, numbers_move)
            primal, duals = primal - of_x.T, (duals[0] - of_y.T, duals[1] - of_y.T)
            theta += lowering.moving.map.turn(self._theta, of_parameters, self._of_lagrangian(point))
        sides = duals if duals[0].any() or duals[1].any() else None
        if sides is not None or primal.any():
            w, (low, high) = point.pull(primal, sides)
        else:
            w, low, high = np.zeros_like(primal), np.zeros_like(duals[0]), np.zeros_like(duals[1])
        if self._moving is not None:
            of_numbers = self._moving.gradient(point.x, point.y, w.T, (low + high).T, seeds[:, None])
            theta += self._to_parameters(of_numbers)
        if seeds.any():  # the envelope theorem: d f* = ½xᵀdP x + dqᵀx - yᵀ(dA x + dc)
            low, high = low - np.outer(point.y_sided[0], seeds), high - np.outer(point.y_sided[1], seeds)
        return w, (low, high), theta

    # ------------------------------------------------------------------ up
    def output(self, attribute: attr.Attribute, index: Any) -> Any:
        """A result of forward or reverse mode."""
        if isinstance(index, (list, tuple)):
            return [self.output(attribute, one) for one in index]
        kind = type(attribute)
        if kind is attr.ForwardObjectiveValue:
            assert self._pushed is not None
            return self.lowering.sign * self._pushed.value
        if kind is attr.ForwardVariablePrimal:
            return self._moved(index)
        if kind is attr.ForwardConstraintDual:
            return _one_or_many(self._moved_duals(index), index)
        if kind is attr.ReverseParameterValue:
            one = isinstance(index, VariableIndex)
            found = self._parameter_gradient(np.array([index.value]) if one else index.ids)
            return float(found[0]) if one else found
        return self._gradient(attribute, index)

    def _moved(self, index: Any) -> Any:
        assert self._pushed is not None
        one = isinstance(index, VariableIndex)
        ids = np.array([index.value]) if one else index.ids
        at = self._columns[ids - self._store.base]
        if self.lowering.parameters is None:
            found = self._pushed.x(at)
        else:
            found, mine = np.zeros(len(at)), at >= 0
            found[mine] = self._pushed.x(at[mine])
            found[~mine] = self._pushed.moves[self.lowering.parameters.places(ids[~mine])]
        return float(found[0]) if one else found

    def _moved_duals(self, index: ConstraintIndex | ConstraintIndices) -> FloatArray:
        assert self._pushed is not None
        if index.kind == PARAMETERS:
            assert self.lowering.parameters is not None
            ids = np.array([index.value]) if isinstance(index, ConstraintIndex) else index.values
            moved: FloatArray = self._pushed.costs[self.lowering.parameters.places(ids)]
            return moved
        return duals_up(self.lowering, index.kind, *located(self._store, index), self._pushed.y)

    def _gradient(self, attribute: attr.Attribute, index: Any) -> Any:
        assert self._pulled is not None
        store, kind = self._store, type(attribute)
        ids = store.every_variable_id()
        if kind is attr.ReverseObjectiveFunction:
            return GradientOfObjective(self._right_factor(), ids, self._pulled[2], self.lowering.sign)
        if kind is attr.ReverseConstraintFunction:
            left = self._rows_of(kind, index)
            if index.kind[1].is_vector:
                return GradientOfRows(left, self._right_factor(), ids)
            return GradientOfRow(left[0], self._right_factor(), ids)
        if kind is attr.ReverseConstraintSet:
            shape = store.get(attr.ConstraintSet(), index).shape
            return index.kind[1].build(shape, self._rows_of(kind, index))
        raise DifferentiationError(f"{attribute!r} is no result of differentiation.")

    def _rows_of(self, attribute: type[attr.Attribute], index: ConstraintIndex) -> FloatArray:
        """A gradient's rows of one constraint; where more than one of its kind is read, those of all are fetched."""
        store, kind = self._store, index.kind
        place = attribute, kind
        made = self._left_factors if attribute is attr.ReverseConstraintFunction else self._set_gradients
        if place not in self._rows:
            self._rows[place] = None
            return made(kind, *located(store, index))
        fetched = self._rows[place]
        if fetched is None:
            numbers, dims = every(store, kind)
            values, ends = made(kind, numbers, dims), np.concatenate([[0], np.cumsum(dims)])
            fetched = self._rows[place] = values, numbers, ends
        values, numbers, ends = fetched
        which = int(np.searchsorted(numbers, store.number(index)))
        return values[ends[which] : ends[which + 1]]

    def _left_factors(self, kind: Kind, numbers: IntArray, dims: IntArray) -> FloatArray:
        """(y, w_y) of all rows of a kind, (rows, 2)."""
        assert self._pulled is not None
        _, wy, _, theta, _ = self._pulled
        if kind == PARAMETERS:
            at = self._places(numbers)
            return np.stack([self.costs_at(self.slope)[at], -theta[at]], axis=1)
        lower, upper = (np.stack([y, w], axis=1) for y, w in zip(self.slope.y_sided, wy, strict=True))
        return gradients_up(self.lowering, kind, numbers, dims, (lower, upper))

    def _set_gradients(self, kind: Kind, numbers: IntArray, dims: IntArray) -> FloatArray:
        assert self._pulled is not None
        if kind == PARAMETERS:
            return self._pulled[3][self._places(numbers), None]
        return set_gradients_up(self.lowering, kind, numbers, dims, self._pulled[1])

    def _places(self, numbers: IntArray) -> IntArray:
        """Of parameters, by the numbers of their constraints."""
        assert self.lowering.parameters is not None
        return self.lowering.parameters.places(self._store.indices(PARAMETERS, numbers).values)

    def _parameter_gradient(self, ids: IntArray) -> FloatArray:
        assert self._pulled is not None
        parameters = self.lowering.parameters
        places = np.full(len(ids), _NONE) if parameters is None else parameters.places(ids)
        if (places < 0).any():  # raises
            parameter_constraints(self._store, ids)
        gradient: FloatArray = self._pulled[3][places]
        return gradient

    def _right_factor(self) -> Callable[[IntArray], FloatArray]:
        """From identifiers of variables to (w, x), the adjoint and the solution: the right factor of all gradients."""
        if self._right is None:
            assert self._pulled is not None
            self._right = np.zeros((len(self._columns), 2))
            mine = self._columns >= 0
            self._right[mine, 0] = self._pulled[0][self._columns[mine]]
            self._right[:, 1] = self.values_at(self.slope)
            if self.lowering.parameters is not None:
                self._right[self.lowering.parameters.ids - self._store.base, 0] = -self._pulled[4]
        table, base = self._right, self._store.base
        return lambda ids: table[ids - base]

    # ------------------------------------------------------------------ the exact solution
    def polished(self, index: Any) -> Any:
        """The exact values (of variables) or duals (of constraints)."""
        if isinstance(index, VariableIndex):
            return float(self.values[index.value - self._store.base])
        if isinstance(index, VectorOfVariables):
            return self.values[index.ids - self._store.base]
        if index.kind == PARAMETERS:
            assert self.lowering.parameters is not None
            ids = np.array([index.value]) if isinstance(index, ConstraintIndex) else index.values
            return _one_or_many(self.costs[self.lowering.parameters.places(ids)], index)
        numbers, dims = located(self._store, index)
        return _one_or_many(duals_up(self.lowering, index.kind, numbers, dims, self.point.y_sided), index)


def _one_or_many(values: FloatArray, index: ConstraintIndex | ConstraintIndices) -> Any:
    if isinstance(index, ConstraintIndex) and not index.kind[1].is_vector:
        return float(values[0])
    return values


def _finite(values: FloatArray) -> FloatArray:
    return np.where(np.isfinite(values), values, 0.0)
