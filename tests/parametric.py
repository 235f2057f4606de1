"""Models with parameters in every place.

A case is written once, in p: with parameters for p it is the model under test, with numbers for p the same model from
scratch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import optangent as ot


@dataclass(frozen=True)
class Case:
    """Minimize ``f + |v|²``, or maximize its negative, over rows.

    Parameters
    ----------
    theta : values of the parameters p
    rows : from (v, p) to pairs (function, set)
    objective : from (v, p) to f
    curved : whether it needs cones
    linear : whether the square is left out
    """

    theta: tuple[float, ...]
    rows: Callable[[Any, Any], list[tuple[Any, ot.Set]]]
    objective: Callable[[Any, Any], Any]
    curved: bool = False
    linear: bool = False

    def build(self, solver: Any, sense: str, numbers: Any = None) -> Built:
        """The model with parameters, or with numbers in their place."""
        model = ot.Model(solver)
        v = model.add_variables(4, "v")
        p = model.add_parameters(self.theta, "p") if numbers is None else np.asarray(numbers)
        indices = [model.add_constraint(ot.vectorize(f) if s.is_vector else f, s) for f, s in self.rows(v, p)]
        f = self.objective(v, p)
        if not self.linear:
            f = f + v @ v
        (model.minimize if sense == "min" else model.maximize)(f if sense == "min" else -1.0 * f)
        return Built(model, v, p, indices)


@dataclass
class Built:
    """A model and its indices."""

    model: ot.Model
    v: Any
    p: Any
    rows: list[ot.ConstraintIndex]

    @property
    def parameters(self) -> list[ot.ConstraintIndex]:
        """The constraints of the parameters."""
        return [reduced_cost(p) for p in self.p]


def reduced_cost(p: ot.VariableIndex) -> ot.ConstraintIndex:
    """The constraint of a parameter, whose dual is the reduced cost."""
    return ot.ConstraintIndex((ot.VariableIndex, ot.Parameter), p.value)


CASES: dict[str, Case] = {
    "right-hand side": Case(
        (1.5, -0.4),
        lambda v, p: [(v[0] - v[1] - p[0] + 2.0 * p[1], ot.GreaterThan(0.0)), (v[2] + p[1] * 1.0, ot.EqualTo(1.0))],
        lambda v, p: 0.5 * v[3] - v[0],
    ),
    "coefficients of rows": Case(
        (1.5, 0.7),
        lambda v, p: [
            (p[0] * v[0] + v[1], ot.GreaterThan(3.0)),
            (p[0] * v[2] - p[1] * v[3] - v[0], ot.EqualTo(0.4)),
            (v[1] - p[1] * v[2], ot.LessThan(0.1)),
        ],
        lambda v, p: v[3],
    ),
    "constants": Case(
        (1.5, 0.7, 0.3),
        lambda v, p: [(v[0] + v[1] - p[0] * p[1], ot.GreaterThan(0.5))],
        lambda v, p: p[0] * p[2] + p[1] * p[1],
    ),
    "linear objective": Case(
        (1.5, -0.7),
        lambda v, p: [(v[0] + v[1] + v[2], ot.GreaterThan(1.0)), (v[0] - v[3], ot.LessThan(-1.0))],
        lambda v, p: p[0] * v[0] + p[1] * v[3] + p[0] * p[1] * v[1],
    ),
    "quadratic objective": Case(
        (0.8, 0.6),
        lambda v, p: [(v[0] + v[1] + v[2], ot.GreaterThan(1.0)), (v[0] - p[1] * v[3], ot.LessThan(-1.0))],
        lambda v, p: p[0] * v[0] * v[1] + p[1] * v[2] * v[2] + p[0] * p[1] * v[3] * v[3] - v[1],
    ),
    "powers": Case(
        (1.2, 0.9),
        lambda v, p: [
            (p[0] * p[0] * v[0] + v[1] - p[1] * p[1] * p[1], ot.GreaterThan(1.0)),
            (p[0] * p[1] * v[2] + p[1] * p[1] * v[3], ot.EqualTo(0.5)),
        ],
        lambda v, p: p[1] * p[1] * v[2] + p[0] * p[0] * p[1],
    ),
    "intervals and boxes": Case(
        (1.2, 0.9),
        lambda v, p: [
            (p[0] * v[0] + p[1], ot.Interval(2.0, 5.0)),
            ([p[1] * v[1] - p[0], v[2], p[0] * v[3]], ot.HyperRectangle([-1.0, -2.0, -1.0], [-0.5, np.inf, -0.5])),
            ([p[0] * v[2] - 1.0, v[0] + p[1] * p[0]], ot.Nonnegatives(2)),
        ],
        lambda v, p: v[3] + 2.0 * v[1],
    ),
    "matrix times vector": Case(
        (1.2, 0.9, -0.3, 0.5),
        lambda v, p: [(p * v - 0.3, ot.Nonnegatives(4)), (p @ v, ot.LessThan(4.0))],
        lambda v, p: p @ v + (v @ (np.diag([1.0, 2.0, 0.0, 1.0]) @ p)),
    ),
    "vertex of a linear program": Case(
        (1.2, 0.9, 0.4),
        lambda v, p: [
            ([p[0] * v[0] - 1.0, v[1] - p[1] * v[0], v[2] - p[2], v[3] + p[0] * p[1] * v[2]], ot.Nonnegatives(4)),
            (v[0] + v[1] + v[2] + v[3], ot.LessThan(30.0)),
        ],
        lambda v, p: p[0] * v[0] + v[1] + 2.0 * v[2] + p[1] * v[3] + p[2] * p[2],
        linear=True,
    ),
    "second-order cone": Case(
        (1.3, 0.8),
        lambda v, p: [
            ([p[0] * v[0] + 0.1, v[1] - p[1], p[0] * p[1] * v[2]], ot.SecondOrderCone(3)),
            (v[1] + v[2] + p[1] * v[3], ot.EqualTo(2.0)),
        ],
        lambda v, p: p[1] * v[0],
        curved=True,
    ),
    "rotated cone": Case(
        (1.3, 0.8),
        lambda v, p: [
            ([p[0] * v[0], 0.5 * v[1] + p[1], v[2] - 2.0 * p[0], p[1] * v[3] + 1.0], ot.RotatedSecondOrderCone(4))
        ],
        lambda v, p: p[1] * v[0] + v[1],
        curved=True,
    ),
    "semidefinite": Case(
        (1.3, 0.8),
        lambda v, p: [
            (
                [v[0], p[0] * v[1] + 1.0, v[2], p[1] * 1.0 - 0.5 * v[0], p[0] * p[1] * v[3], v[0] + v[3]],
                ot.PositiveSemidefiniteConeTriangle(3),
            )
        ],
        lambda v, p: v[0] + p[1] * v[2] - v[1],
        curved=True,
    ),
    "exponential cone": Case(
        (1.3, 0.8),
        lambda v, p: [
            ([p[0] * v[0] + 1.0, v[1] * 0.0 + p[1], v[2]], ot.ExponentialCone()),
            (v[3] - p[1] * v[0], ot.EqualTo(1.0)),
        ],
        lambda v, p: p[1] * v[2] - v[0],
        curved=True,
    ),
    "norm": Case(
        (1.3, 0.8),
        lambda v, p: [([v[0], p[0] * v[1] - 2.0, p[1] * v[2] + p[0], v[3] - p[0] * p[1]], ot.NormOneCone(4))],
        lambda v, p: p[1] * v[0],
        curved=True,
    ),
    "quadratic row": Case(
        (1.3, 0.8),
        lambda v, p: [(p[0] * v[0] * v[0] + p[1] * v[1] * v[1] + p[0] * p[1] * v[2], ot.LessThan(1.0))],
        lambda v, p: -6.0 * v[0] - 3.0 * p[1] * v[1] + v[2],
        curved=True,
    ),
    "equalities with zeros before squares": Case(
        (1.3, 0.8),
        lambda v, p: [
            (0.0 * v[0] * v[1] + p[0] * v[0] - v[2] * p[1] + p[0] * p[1], ot.EqualTo(1.0)),
            ([v[1] * v[1] - v[1] * v[1] + v[1] - p[1], p[0] * v[3] + v[0] - 2.0 * p[1]], ot.Zeros(2)),
        ],
        lambda v, p: p[1] * v[0] + v[1] - p[0] * v[2],
        curved=True,
    ),
}
