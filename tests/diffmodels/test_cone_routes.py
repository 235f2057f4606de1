"""Whatever way a cone is rewritten, to the solver and to the diff model, all comes out the same.

A route is the set of curved cones that a constraint ends in, when no others are taken: one or two bridges on from the
cone, or five (a dual geometric mean as second-order cones as semidefinite matrices). The bridges between them are
found by asking for every set of at most two kinds. Known optima through single bridges: tests/bridges.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.bridges.lowering import Lowering
from optangent.diffmodels.differentiating import abilities_of
from optangent.modelkit.form import Abilities

from .accurate import polished, solved
from .moves import along, pairing
from .oracle import Array, set_tangents, tangents
from .smooth_points import CONES, Subject, pairs

VAF = ot.VectorAffineFunction
SOC, PSD = ot.SecondOrderCone, ot.ScaledPositiveSemidefiniteConeTriangle
EXP, DUAL_EXP, POWER, DUAL_POWER = ot.ExponentialCone, ot.DualExponentialCone, ot.PowerCone, ot.DualPowerCone
CURVED: tuple[type[ot.Set], ...] = (SOC, PSD, EXP, DUAL_EXP, POWER, DUAL_POWER)
Route = frozenset[type[ot.Set]]

DISTANCE = {"SCS": 1e-6, "Clarabel": 2e-5}
"""How far a solver's x and y may be off. Where nothing but the objective holds x, a gap of 1e-10, at which Clarabel
stops, leaves x off by its square root, over that of half the least curvature (a quarter)."""


def narrowed(abilities: Abilities, cones: tuple[type[ot.Set], ...]) -> Abilities:
    """Without the curved cones but those of a route."""
    return replace(abilities, cones=frozenset(c for c in abilities.cones if c in cones or c not in CURVED))


def only(maker: Any, cones: tuple[type[ot.Set], ...]) -> Any:
    """A solver that takes no curved cones but those of a route."""

    class Narrow(maker):  # type: ignore[misc]
        abilities = narrowed(maker.abilities, cones)

    return Narrow()


def conic_diff(cones: tuple[type[ot.Set], ...]) -> Any:
    """ConicDiff that takes no curved cones but those of a route."""

    class Narrow(ot.ConicDiff):  # type: ignore[misc]
        kinds = tuple(k for k in ot.ConicDiff.kinds if k[1] in cones or k[1] not in CURVED)

    return Narrow()


@cache
def routes(cone: Any, maker: Any) -> dict[Route, tuple[type[ot.Set], ...]]:
    """Each route that a constraint can take, and what to take so that it does."""
    found: dict[Route, tuple[type[ot.Set], ...]] = {}
    for size in range(3):
        for taken in combinations(CURVED, size):
            whole = abilities_of(maker) if issubclass(maker, ot.ConicDiff) else maker.abilities
            lowering = Lowering(narrowed(whole, taken))
            if lowering.takes((VAF, type(cone))):
                model = ot.Model()
                model.add_constraint(1.0 * model.add_variables(cone.dimension), cone)
                present = {cones.type for cones in lowering.sync(model.store).cones}
                found.setdefault(frozenset(present & set(CURVED)), taken)
    return found


def subject(cone: Any) -> Subject:
    """A smooth point on the cone's boundary."""
    return Subject(cone, next(point for point in pairs(cone, 0) if point.startswith("boundary")))


BOTH, EVERY_MEAN = {(SOC,), (PSD,)}, {(kind,) for kind in CURVED}
EXPECTED: list[tuple[Any, set[tuple[type[ot.Set], ...]]]] = [
    (ot.SecondOrderCone(4), BOTH),
    (ot.RotatedSecondOrderCone(5), BOTH),
    (ot.ExponentialCone(), {(EXP,), (DUAL_EXP,)}),
    (ot.DualPowerCone(0.7), {(POWER,), (DUAL_POWER,)}),
    (ot.HermitianPositiveSemidefiniteConeTriangle(3), {(PSD,)}),
    (ot.NormCone(2.0, 4), BOTH),
    (ot.NormCone(3.0, 4), {(POWER,), (DUAL_POWER,)}),
    (ot.GeometricMeanCone(3), EVERY_MEAN),
    (ot.DualGeometricMeanCone(3), EVERY_MEAN),
    (ot.DualRelativeEntropyCone(5), {(EXP,), (DUAL_EXP,)}),
    (ot.LogDetConeSquare(2), {(PSD, EXP), (PSD, DUAL_EXP)}),
    (ot.RootDetConeTriangle(2), {(PSD,), (PSD, SOC), (PSD, EXP), (PSD, DUAL_EXP), (PSD, POWER), (PSD, DUAL_POWER)}),
]


@pytest.mark.parametrize(("cone", "expected"), EXPECTED, ids=lambda value: "" if isinstance(value, set) else str(value))
@pytest.mark.parametrize("maker", [ot.solvers.SCS, ot.ConicDiff], ids=lambda maker: maker.name)
def test_the_routes_that_there_are(maker: Any, cone: Any, expected: set[tuple[type[ot.Set], ...]]) -> None:
    """The search finds the long ways too."""
    assert set(routes(cone, maker)) == {frozenset(route) for route in expected}


@pytest.mark.parametrize("cone", CONES, ids=repr)
@pytest.mark.parametrize("maker", [ot.solvers.SCS, ot.solvers.Clarabel], ids=lambda maker: maker.name)
def test_solutions_of_every_route(maker: Any, cone: Any) -> None:
    """The optimum is that of the pair to 1e-8, x and y are near the pair; Newton's method takes them there to 1e-9."""
    for number, (route, taken) in enumerate(routes(cone, maker).items()):
        p = subject(cone).program(2, ("min", "max")[number % 2], count=1)
        model, v, indices = solved(p, lambda taken=taken: only(maker, taken))
        assert model.get(ot.TerminationStatus()) is ot.TerminationStatusCode.OPTIMAL, route
        optimum = 0.5 * p.x @ p.P @ p.x + p.q @ p.x + p.r
        assert model.objective_value() == pytest.approx(optimum, rel=1e-8, abs=1e-8), route
        pair = np.concatenate([p.x, *p.y])
        raw = np.concatenate([model.value(v), *(model.dual(index) for index in indices)])
        np.testing.assert_allclose(raw, pair, atol=DISTANCE[maker.name], err_msg=str(route))
        if maker is ot.solvers.Clarabel:
            model.set(ot.ForwardObjectiveFunction(), 0.0 * v[0])
            differentiate(model.forward_differentiate)
            np.testing.assert_allclose(polished(model, v, indices), pair, atol=1e-9, err_msg=str(route))


PARTED = [cone for cone in CONES if len(routes(cone, ot.ConicDiff)) > 1]


@pytest.mark.parametrize(("number", "cone"), list(enumerate(PARTED)), ids=repr)
def test_derivatives_of_every_route(number: int, cone: Any) -> None:
    """Tangents and gradients, all data moving at once, to 1e-8 of each other; every other cone in a maximization."""
    sense = ("min", "max")[number % 2]
    found = {route: derivatives(cone, sense, taken) for route, taken in routes(cone, ot.ConicDiff).items()}
    reference = next(iter(found.values()))
    size = 1.0 + np.abs(reference).max()
    for route, ours in found.items():
        np.testing.assert_allclose(ours, reference, rtol=0.0, atol=1e-8 * size, err_msg=str(route))


def derivatives(cone: Any, sense: str, taken: tuple[type[ot.Set], ...]) -> Array:
    """Dx, dy, df, and what the seeds give: the gradient of the costs and its pairing with all directions."""
    p = subject(cone).program(1, sense, count=1)
    d = subject(cone).direction(p, 103)
    model, v, indices = solved(p, diff_model=lambda: conic_diff(taken))
    set_tangents(model, v, indices, p, d)
    differentiate(model.forward_differentiate)
    dx, dy, df = tangents(model, v, indices)
    rng = np.random.default_rng(9)
    model.set(ot.ReverseVariablePrimal(), v, rng.standard_normal(len(p.x)))
    for index, y in zip(indices, p.y, strict=True):
        model.set(ot.ReverseConstraintDual(), index, rng.standard_normal(len(y)))
    differentiate(model.reverse_differentiate)
    costs = model.get(ot.ReverseObjectiveFunction()).coefficients(v)
    return np.concatenate([dx, *dy, [df], costs, [pairing(model, along(v, indices, p, d))]])


def differentiate(way: Any) -> None:
    """Forward or reverse; a status that is not EXACT is what test_every_cone.py is about."""
    with warnings.catch_warnings(action="ignore", category=ot.DifferentiationWarning):
        way()
