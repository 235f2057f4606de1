"""The closest feasible solution, for items without any: a program that the rows of the first one give way to.

Two programs, one after the other: the least squares of changes of rows that leave a feasible point,

    t(θ) = argmin ‖t‖²  subject to  f(x, θ) + t in S for some x  (in the inner product of S),

and the program itself with these changes made, ``f(x, θ) + t(θ) in S``, whose objective chooses among the points that
are left. t is unique, and the derivative is the chain rule's. (For quadratic programs: A. Bambade, F. Schramm,
A. Taylor, J. Carpentier, *Leveraging augmented-Lagrangian techniques for differentiating over infeasible quadratic
programs in machine learning*, 2024.) At the second solution the moved rows depend on one another, so that their duals
are not unique; the values are. The values of constraints are those of the moved rows.

With cones or curved rows the second program has no interior: where the least change is made its cones only touch, which
no solver finds accurately. Both are one program then, in which the objective counts next to nothing,

    argmin ‖t‖² + w f₀(x, θ)  subject to  f(x, θ) + t in S,      w = 1e-6 over its largest coefficient,

which is regular whatever S is, as t is free; its points are the closest ones up to about a millionth.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ...bridges.lowering.reach import is_box
from ...modelkit import attributes as attr
from ...modelkit.arrays import FloatArray
from ...modelkit.attributes import DifferentiationStatusCode, TerminationStatusCode
from ...modelkit.errors import InvalidData, Unsupported
from ...modelkit.functions import ScalarFunction
from ...modelkit.indices import ConstraintIndex, describe_kind
from ...modelkit.sets.gaps import WITH_GAPS
from ...modelkit.store.parameters import kinds_inserted
from ..explaining.relaxation import least_change
from ..explaining.slack import ChosenRows
from .program import Item, Program
from .route import Mode, Route

__all__ = ["Closest", "ClosestInCones", "ClosestProgram", "closest_program"]

_EXACT = DifferentiationStatusCode.EXACT
_NOT_YET = DifferentiationStatusCode.NOT_DIFFERENTIATED
_NEXT_TO_NOTHING = 1e-6


@final
@dataclass(eq=False)
class _Both:
    """What derivatives of an item need of the two programs: parameters of the second, and their states."""

    theta: FloatArray
    change: Any
    point: Any

    @property
    def differentiation_status(self) -> DifferentiationStatusCode:
        """That of the second, unless the first one's is worse than exact and it is not."""
        one, two = (getattr(state, "differentiation_status", _NOT_YET) for state in (self.change, self.point))
        return one if two is _EXACT else two


@final
class ClosestProgram:
    """Items of programs of linear rows that have no feasible point, solved as closely as can be.

    Parameters
    ----------
    model, parameters, outputs : as for `Program`

    Attributes
    ----------
    change : from the parameters to the changes of rows
    point : from the parameters and these changes to the outputs
    """

    called = "the closest feasible program"

    def __init__(self, model: Any, parameters: Sequence[Any], outputs: Sequence[Any]) -> None:
        chosen = ChosenRows.of(model.store, None, None)
        rows, ones = np.arange(len(chosen)), np.ones(len(chosen))
        nearest, moved = copy.deepcopy(model), copy.deepcopy(model)
        t = nearest.add_variables(len(chosen))
        chosen.loosen(nearest, rows, t.ids, ones)
        nearest.minimize(least_change(t, chosen.weight, norm=2))
        given = moved.add_parameters(np.zeros(len(chosen)))
        chosen.loosen(moved, rows, given.ids, ones)
        self.change = Program(nearest, parameters, [t])
        self.point = Program(moved, [*parameters, given], outputs)

    def helps(self, item: Item) -> bool:
        """Whether to try an item with it."""
        return bool(item.reason) and item.status is TerminationStatusCode.INFEASIBLE

    def solve_batch(self, thetas: FloatArray) -> list[Item]:
        """The closest solutions at the rows of (B, p); their status stays that there is none."""
        items = [self._item(theta, one) for theta, one in zip(thetas, self.change.solve_batch(thetas), strict=True)]
        known = [k for k, item in enumerate(items) if not item.reason]
        both = np.array([items[k].state.theta for k in known]).reshape(len(known), self.point.parameter_size)
        for k, two in zip(known, self.point.solve_batch(both), strict=True):
            item = items[k]
            item.reason, item.outputs, item.state.point = two.reason, two.outputs, two.state
        return items

    def _item(self, theta: FloatArray, one: Item) -> Item:
        state = _Both(np.concatenate([theta, one.outputs]), one.state, None)
        nothing = np.full(self.point.output_size, np.nan)
        program: Any = self
        return Item(program, theta, TerminationStatusCode.INFEASIBLE, one.reason, nothing, state)

    def derivatives(self, mode: Mode, items: Sequence[Item], directions: FloatArray) -> FloatArray:
        """Of each item for its own direction: (B, o) cotangents pulled back, or (B, p) tangents pushed."""
        changes = [Item(self.change, i.theta, i.status, "", i.outputs, i.state.change) for i in items]
        points = [Item(self.point, i.state.theta, i.status, "", i.outputs, i.state.point) for i in items]
        if mode == "jvp":
            moved = self.change.derivatives("jvp", changes, directions)
            return self.point.derivatives("jvp", points, np.hstack([directions, moved]))
        back = self.point.derivatives("vjp", points, directions)
        own, moved = np.hsplit(back, [self.change.parameter_size])
        return own + self.change.derivatives("vjp", changes, moved)

    # ------------------------------------------------------------------ as a route of its items
    def route_of(self, theta: FloatArray) -> ClosestProgram:
        """Itself."""
        return self

    def derivative(self, mode: Mode, theta: FloatArray, state: _Both, directions: FloatArray) -> FloatArray:
        """Of one item for many directions: see `Program`."""
        change, point = self.change.route_of(theta), self.point.route_of(state.theta)
        if mode == "jvp":
            moved = change.derivative("jvp", theta, state.change, directions)
            return point.derivative("jvp", state.theta, state.point, np.hstack([directions, moved]))
        own, moved = np.hsplit(point.derivative("vjp", state.theta, state.point, directions), [len(theta)])
        return own + change.derivative("vjp", theta, state.change, moved)


@final
class ClosestInCones:
    """The same of programs with cones or curved rows.

    Parameters
    ----------
    model, parameters, outputs : as for `Program`

    Raises
    ------
    InvalidData
        If duals are among the outputs.

    Attributes
    ----------
    point : the one program
    """

    called = ClosestProgram.called

    def __init__(self, model: Any, parameters: Sequence[Any], outputs: Sequence[Any]) -> None:
        if any(isinstance(one, ConstraintIndex) for one in outputs):
            raise InvalidData(
                "on_failure='closest' has no duals where there are cones or curved rows: they are infinite at the "
                "closest point. Leave the constraints out of the outputs, or choose on_failure='nan'."
            )
        chosen = ChosenRows.of(model.store, None, None)
        nearest = copy.deepcopy(model)
        own = model.get(attr.ObjectiveFunction())
        weight = _NEXT_TO_NOTHING / _largest_coefficient(own)
        if model.store.sense is attr.ObjectiveSenseCode.MAX_SENSE:
            weight = -weight
        t = nearest.add_variables(len(chosen))
        chosen.loosen(nearest, np.arange(len(chosen)), t.ids, np.ones(len(chosen)))
        nearest.minimize(least_change(t, chosen.weight, norm=2, own=own, weight=weight))
        shown = [(attr.ObjectiveFunction(), own) if isinstance(one, attr.ObjectiveValue) else one for one in outputs]
        self.point = Program(nearest, parameters, shown)

    def helps(self, item: Item) -> bool:
        """Whether to try an item with it."""
        return bool(item.reason) and item.status is TerminationStatusCode.INFEASIBLE

    def solve_batch(self, thetas: FloatArray) -> list[Item]:
        """The closest solutions at the rows of (B, p); their status stays that there is none."""
        program: Any = self
        return [
            Item(program, one.theta, TerminationStatusCode.INFEASIBLE, one.reason, one.outputs, one.state)
            for one in self.point.solve_batch(thetas)
        ]

    def derivatives(self, mode: Mode, items: Sequence[Item], directions: FloatArray) -> FloatArray:
        """Of each item for its own direction: (B, o) cotangents pulled back, or (B, p) tangents pushed."""
        return self.point.derivatives(mode, items, directions)

    def route_of(self, theta: FloatArray) -> Route:
        """That of the one program."""
        return self.point.route_of(theta)


def closest_program(model: Any, parameters: Sequence[Any], outputs: Sequence[Any]) -> Closest:
    """What items of a model without any feasible point are solved with.

    Raises
    ------
    Unsupported
        If sets have gaps.
    InvalidData
        See `ClosestInCones`.
    """
    kinds = kinds_inserted(model.store)
    for kind in kinds:
        if kind[1] in WITH_GAPS:
            raise Unsupported(
                f"on_failure='closest' is for models whose sets have no gaps; this one has {describe_kind(kind)}. "
                "Choose on_failure='nan' or 'zero_gradient'."
            )
    is_linear = all(is_box(kind[1]) and kind[0].degree < 2 for kind in kinds)
    return (ClosestProgram if is_linear else ClosestInCones)(model, parameters, outputs)


Closest = ClosestProgram | ClosestInCones


def _largest_coefficient(function: ScalarFunction | None) -> float:
    rows = None if function is None else function.rows
    return 1.0 if rows is None else float(np.abs(rows.terms().coef).max(initial=0.0)) or 1.0
