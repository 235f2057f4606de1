"""One problem of known optimum for each cone, by every solver that takes it and through every bridge that leads on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.bridges.bridge import REGISTRY

from .subjects import DISCRETE, SETS, is_box
from .test_cones import VAF, behind, weights

MIN, MAX = ot.ObjectiveSenseCode.MIN_SENSE, ot.ObjectiveSenseCode.MAX_SENSE
SOLVERS = {"Clarabel": ot.solvers.Clarabel, "SCS": ot.solvers.SCS}
_ = np.nan  # the place of the variable
G = np.array([[2.0, 0.5], [0.5, 1.0]])


@dataclass(frozen=True)
class Problem:
    """Optimize x where the point, with x in its open place, is in the set."""

    chosen: Any
    point: tuple[float, ...]
    sense: Any
    optimum: float

    def __str__(self) -> str:
        return repr(self.chosen)


PROBLEMS = [
    Problem(ot.SecondOrderCone(3), (_, 3.0, 4.0), MIN, 5.0),
    Problem(ot.SecondOrderCone(1), (_,), MIN, 0.0),
    Problem(ot.RotatedSecondOrderCone(4), (_, 2.0, 3.0, 4.0), MIN, 6.25),
    Problem(ot.RotatedSecondOrderCone(2), (2.0, _), MIN, 0.0),
    Problem(ot.ExponentialCone(), (1.0, 2.0, _), MIN, 2.0 * np.exp(0.5)),
    Problem(ot.ExponentialCone(), (_, 2.0, 1.0), MAX, 2.0 * np.log(0.5)),
    Problem(ot.DualExponentialCone(), (-1.0, 1.0, _), MIN, np.exp(-2.0)),
    Problem(ot.PowerCone(0.3), (2.0, 3.0, _), MAX, 2.0**0.3 * 3.0**0.7),
    Problem(ot.DualPowerCone(0.3), (2.0, 3.0, _), MIN, -((2.0 / 0.3) ** 0.3) * (3.0 / 0.7) ** 0.7),
    Problem(ot.PositiveSemidefiniteConeTriangle(2), (1.0, 2.0, _), MIN, 4.0),
    Problem(ot.PositiveSemidefiniteConeTriangle(2), (1.0, _, 4.0), MAX, 2.0),
    Problem(ot.ScaledPositiveSemidefiniteConeTriangle(2), (1.0, 2.0 * np.sqrt(2.0), _), MIN, 4.0),
    Problem(ot.PositiveSemidefiniteConeSquare(2), (1.0, 2.0, 2.0, _), MIN, 4.0),
    Problem(ot.HermitianPositiveSemidefiniteConeTriangle(2), (1.0, 1.0, _, 2.0), MIN, 5.0),
    Problem(ot.HermitianPositiveSemidefiniteConeTriangle(2), (1.0, 1.0, 5.0, _), MIN, -2.0),
    Problem(ot.NormOneCone(3), (_, 3.0, -4.0), MIN, 7.0),
    Problem(ot.NormInfinityCone(3), (_, 3.0, -4.0), MIN, 4.0),
    Problem(ot.NormCone(1.0, 3), (_, 3.0, -4.0), MIN, 7.0),
    Problem(ot.NormCone(2.0, 3), (_, 3.0, -4.0), MIN, 5.0),
    Problem(ot.NormCone(np.inf, 3), (_, 3.0, -4.0), MIN, 4.0),
    Problem(ot.NormCone(3.0, 3), (_, 3.0, -4.0), MIN, 91.0 ** (1 / 3)),
    Problem(ot.NormCone(1.5, 3), (2.0, 1.0, _), MAX, (2.0**1.5 - 1.0) ** (2 / 3)),
    Problem(ot.NormSpectralCone(2, 2), (_, 2.0, 0.5, 0.5, 1.0), MIN, float(np.linalg.norm(G, 2))),
    Problem(ot.NormNuclearCone(1, 2), (_, 3.0, 4.0), MIN, 5.0),
    Problem(ot.NormNuclearCone(2, 2), (_, 2.0, 0.5, 0.5, 1.0), MIN, 3.0),
    Problem(ot.GeometricMeanCone(4), (_, 2.0, 3.0, 5.0), MAX, 30.0 ** (1 / 3)),
    Problem(ot.GeometricMeanCone(6), (1.0, 2.0, 3.0, _, 1.0, 1.0), MIN, 1.0 / 6.0),
    Problem(ot.GeometricMeanCone(2), (_, 2.0), MAX, 2.0),
    Problem(ot.DualGeometricMeanCone(4), (_, 2.0, 3.0, 5.0), MIN, -3.0 * 30.0 ** (1 / 3)),
    Problem(ot.RelativeEntropyCone(5), (_, 1.0, 2.0, 3.0, 1.0), MIN, 3.0 * np.log(3.0) + np.log(0.5)),
    Problem(ot.RelativeEntropyCone(1), (_,), MIN, 0.0),
    Problem(ot.DualRelativeEntropyCone(3), (2.0, 1.0, _), MIN, 2.0 * (np.log(2.0) - 1.0)),
    Problem(ot.DualRelativeEntropyCone(1), (_,), MIN, 0.0),
    Problem(ot.LogDetConeTriangle(2), (_, 2.0, 2.0, 0.5, 1.0), MAX, 2.0 * np.log(1.75 / 4.0)),
    Problem(ot.LogDetConeTriangle(2), (0.0, 1.0, 1.0, 0.5, _), MIN, 1.25),
    Problem(ot.LogDetConeSquare(2), (_, 2.0, 2.0, 0.5, 0.5, 1.0), MAX, 2.0 * np.log(1.75 / 4.0)),
    Problem(ot.RootDetConeTriangle(2), (_, 2.0, 0.5, 1.0), MAX, np.sqrt(1.75)),
    Problem(ot.RootDetConeSquare(2), (_, 2.0, 0.5, 0.5, 1.0), MAX, np.sqrt(1.75)),
]


def routes(problem: Problem) -> list[Any]:
    """(problem, solver, bridge to start with, or None for native)."""
    kind = (VAF, type(problem.chosen))
    found = []
    for name, solver in SOLVERS.items():
        if kind[1] in solver.abilities.cones:
            found.append(pytest.param(problem, name, None, id=f"{problem}-{name}"))
        for bridge in REGISTRY:
            reached = bridge.reach(*kind)
            if reached is None or kind[1] in dict(reached).values():
                continue
            if behind(solver, bridge, kind[1]) is not None:
                found.append(pytest.param(problem, name, bridge, id=f"{problem}-{bridge!r}-{name}"))
    return found


ROUTES = [route for problem in PROBLEMS for route in routes(problem)]


def test_every_cone_has_a_problem_and_a_route() -> None:
    """None is left out."""
    cones = {s for s in SETS if not is_box(s) and s.is_vector and s not in DISCRETE}
    assert cones == {type(p.chosen) for p in PROBLEMS}
    assert {str(p) for p in PROBLEMS} == {str(route.values[0]) for route in ROUTES}


@pytest.mark.parametrize(("problem", "solver", "bridge"), ROUTES)
def test_known_optimum(problem: Problem, solver: str, bridge: Any) -> None:
    """Optimum, feasibility, dual feasibility, complementarity, stationarity: sense * 1 == W y in the open place."""
    model = ot.Model(SOLVERS[solver]) if bridge is None else behind(SOLVERS[solver], bridge, type(problem.chosen))
    assert model is not None
    x = model.add_variable()
    at = int(np.flatnonzero(np.isnan(problem.point))[0])
    point = np.nan_to_num(problem.point)
    function = ot.vectorize([1.0 * x if i == at else 0.0 * x + float(p) for i, p in enumerate(point)])
    c = model.add_constraint(function, problem.chosen)
    (model.minimize if problem.sense is MIN else model.maximize)(1.0 * x)
    model.optimize()
    value, y = model.value(x), model.dual(c)
    assert value == pytest.approx(problem.optimum, abs=5e-6)
    W = weights(problem.chosen)
    point[at] = value
    assert problem.chosen.violation(point) < 5e-6
    assert problem.chosen.dual_violation(y) < 5e-6
    assert abs(np.sum(W * point * y)) < 5e-6 * (1.0 + np.abs(y).max())
    assert (W * y)[at] == pytest.approx(1.0 if problem.sense is MIN else -1.0, abs=1e-6)
