"""What a problem with a known answer is, of scalar rows and bounds or of rows in cones; and who solves it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.modelkit.sets import ScalarSet, VectorSet
from optangent.modelkit.store.abstract_model import AbstractModel

INF = np.inf
S = ot.TerminationStatusCode
MIN, MAX = ot.ObjectiveSenseCode.MIN_SENSE, ot.ObjectiveSenseCode.MAX_SENSE
SOLVERS = ot.solvers.wrappers()
EVERY = pytest.mark.parametrize("solver", SOLVERS, ids=lambda s: s.name)
ITERATIONS = {
    "HiGHS": ("simplex_iteration_limit", 1),
    "OSQP": ("max_iter", 2),
    "SCS": ("max_iters", 2),
    "Clarabel": ("max_iter", 2),
    "PIQP": ("max_iter", 2),
    "DAQP": ("iter_limit", 1),
    "AltDiff": ("max_iterations", 1),
    "PDG": ("max_iterations", 1),
    "PDHG": ("max_iterations", 1),
    "OptNet": ("max_iter", 1),
}
"""The option that limits iterations, and too few of them."""


def noted_calls(patch: pytest.MonkeyPatch, solver: Any, method: str) -> list[Any]:
    """The list to which every later call of a method is added."""
    calls, original = list[Any](), getattr(solver, method)

    def noting(self: Any, *arguments: Any) -> Any:
        calls.append(arguments)
        return original(self, *arguments)

    patch.setattr(solver, method, noting)
    return calls


@dataclass(frozen=True)
class Problem:
    """Minimize (or maximize) ``½ xᵀPx + qᵀx + r``; of its answer what is None is not unique."""

    name: str
    n: int
    rows: tuple[tuple[Any, Any, Any], ...] = ()
    """(coefficients, constant, set)."""
    q: Any = None
    P: Any = None
    r: float = 0.0
    sense: ot.ObjectiveSenseCode = MIN
    status: tuple[ot.TerminationStatusCode, ...] = (S.OPTIMAL,)
    objective: float | None = None
    x: Any = None
    tolerance: float = 1e-6

    def __str__(self) -> str:
        return self.name

    @property
    def sign(self) -> float:
        """-1 to maximize."""
        return -1.0 if self.sense == MAX else 1.0

    @property
    def quadratic(self) -> tuple[np.ndarray, np.ndarray]:
        """(P, q) as given."""
        P = np.zeros((self.n, self.n)) if self.P is None else np.array(self.P, float)
        return P, np.zeros(self.n) if self.q is None else np.array(self.q, float)

    def constrain(self, model: AbstractModel, v: Any) -> list[Any]:
        """Write the constraints into a model."""
        raise NotImplementedError

    def build(self, model: AbstractModel) -> tuple[Any, list[Any]]:
        """Write the problem into a model; returns its variables, and the indices of the constraints in order."""
        v = model.add_variables(self.n)
        indices = self.constrain(model, v)
        if self.q is not None or self.P is not None:
            P, q = self.quadratic
            model.set(ot.ObjectiveSense(), self.sense)
            f: Any = ot.ScalarAffineFunction(v, q, self.r)
            model.set(ot.ObjectiveFunction(), f if self.P is None else 0.5 * (v @ (P @ v)) + f)
        return v, indices

    def solved(self, solver: Any) -> tuple[Any, Any, list[Any]]:
        """Build behind bridges and solve: the model, its variables and its constraints."""
        model = ot.MetaSolver(solver(), differentiates=False)
        v, indices = self.build(model)
        model.optimize()
        return model, v, indices

    def checked_ray(self, model: Any, v: Any) -> np.ndarray:
        """The direction of an unbounded model, of size 1, in which the objective improves for ever."""
        assert model.get(ot.PrimalStatus()) == ot.ResultStatusCode.INFEASIBILITY_CERTIFICATE
        d = model.get(ot.VariablePrimal(), v)
        P, q = self.quadratic
        assert model.get(ot.ObjectiveValue()) == pytest.approx(q @ d, rel=1e-9)
        d = d / np.abs(d).max()
        assert self.sign * (q @ d) < -1e-3
        assert np.abs(P @ d).max() <= 1e-6
        return np.asarray(d)


@dataclass(frozen=True)
class Case(Problem):
    """Subject to ``aᵀx + b in S`` row by row and ``x[j] in S`` bound by bound."""

    bounds: tuple[tuple[int, ScalarSet], ...] = ()
    row_duals: Any = None
    bound_duals: Any = None

    @property
    def needs(self) -> set[str]:
        """What not every solver declares."""
        integer = any(isinstance(s, _DISCRETE) for _, s in self.bounds)
        return {name for name, needed in (("integer", integer), ("quadratic", self.P is not None)) if needed}

    @property
    def matrices(self) -> tuple[np.ndarray, np.ndarray]:
        """(A, b) of the rows."""
        A = np.array([a for a, _, _ in self.rows], float).reshape(len(self.rows), self.n)
        return A, np.array([b for _, b, _ in self.rows])

    @property
    def boxes(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper limits for the rows, then the bounds; of discrete sets those that hold anyway."""
        return tuple(np.array([_box(s)[side] for s in self.sets], float) for side in (0, 1))  # type: ignore[return-value]

    @property
    def sets(self) -> list[ScalarSet]:
        """Sets of the rows, then of the bounds."""
        return [s for _, _, s in self.rows] + [s for _, s in self.bounds]

    @property
    def jacobian(self) -> np.ndarray:
        """Gradients of the rows, then of the bounds."""
        unit = np.eye(self.n)[np.array([j for j, _ in self.bounds], int)]
        return np.vstack([self.matrices[0], unit])

    def constrain(self, model: AbstractModel, v: Any) -> list[Any]:
        """Rows, then bounds."""
        indices = [model.add_constraint(ot.ScalarAffineFunction(v, a, b), s) for a, b, s in self.rows]
        return indices + [model.add_constraint(v[j], s) for j, s in self.bounds]


_DISCRETE = (ot.Integer, ot.ZeroOne, ot.Semicontinuous, ot.Semiinteger)


def _box(s: ScalarSet) -> tuple[float, float]:
    box = type(s).bounds(s.numbers)
    if box is not None:
        return float(box[0][0]), float(box[1][0])
    if isinstance(s, (ot.Semicontinuous, ot.Semiinteger)):
        return min(s.lower, 0.0), max(s.upper, 0.0)
    return (0.0, 1.0) if isinstance(s, ot.ZeroOne) else (-INF, INF)


@dataclass(frozen=True)
class ConicCase(Problem):
    """Subject to ``F x + g in K`` cone by cone."""

    duals: tuple[Any, ...] | None = None
    options: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Options of a solver, by its name, where its defaults leave more than the tolerance."""

    @property
    def blocks(self) -> list[tuple[np.ndarray, np.ndarray, VectorSet]]:
        """(F, g, K) cone by cone."""
        return [(np.array(F, float).reshape(len(g), self.n), np.array(g, float), K) for F, g, K in self.rows]

    def constrain(self, model: AbstractModel, v: Any) -> list[Any]:
        """Cone by cone."""
        return [model.add_constraint(F @ v + g if self.n else ot.vectorize(g.tolist()), K) for F, g, K in self.blocks]
