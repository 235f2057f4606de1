"""One-sided derivatives of projections onto exponential and power cones at every kind of kink."""

import numpy as np
import pytest

import optangent as ot
from optangent.modelkit.arrays import FloatArray
from optangent.modelkit.sets import NativeCone

EXPONENTIAL = {
    "apex": [0.0, 0.0, 0.0],
    "on the boundary": [0.4, 1.0, np.exp(0.4)],
    "on the boundary of the polar cone": [1.0, 1.3, -np.exp(0.3)],
    "on the flat face": [-1.0, 0.0, 2.0],
    "at the edge of two planes": [-1.0, 0.0, 0.0],
    "at this edge, with one normal": [-1.0, 0.0, -2.0],
    "at this edge, with the other": [-1.0, -2.0, 0.0],
    "at the edge without an angle": [0.0, -2.0, 1.0],
    "below the apex, at an edge": [0.0, -2.0, 0.0],
    "below the apex, on a face": [0.0, -2.0, -1.0],
}


def on_power_cones(a: float) -> list[list[float]]:
    """For exponents that differ much from 1/2: the boundary leaves its tangent plane at an edge like t^(1 / a)."""
    flatter = [float(a > 0.5), float(a < 0.5), 0.0]
    return [
        [0.0, 0.0, 0.0],
        [2.0 ** (1.0 - a), 2.0**-a, -1.0],  # on the boundary
        [-a, a - 1.0, 1.0],  # on that of the polar cone
        flatter,
        [-one for one in flatter],
    ]


CASES: list[tuple[NativeCone, list[float]]] = [(ot.ExponentialCone(), v) for v in EXPONENTIAL.values()]
CASES += [(ot.PowerCone(a), v) for a in (0.1, 0.9) for v in on_power_cones(a)]
# The boundary leaves its tangent plane faster than any power, or by a power near one: differences converge so slowly.
SLOW: list[tuple[NativeCone, list[float]]] = [
    (ot.ExponentialCone(), [0.0, 0.0, 2.0]),
    (ot.ExponentialCone(), [0.0, 0.0, -2.0]),
    (ot.PowerCone(0.1), [1.0, 0.0, 0.0]),
    (ot.PowerCone(0.1), [-1.0, 0.0, 0.0]),
    (ot.PowerCone(0.9), [0.0, 1.0, 0.0]),
    (ot.PowerCone(0.9), [0.0, -1.0, 0.0]),
]


def one_sided(cone: NativeCone, v: FloatArray, moves: FloatArray) -> FloatArray:
    """By the axes of the kink."""
    kinked = cone.kinked(np.tile(v, (len(moves), 1)))
    assert kinked.kink.any()
    if kinked.kink.all():
        return cone.project(moves)
    turned = kinked.rotate(moves)
    return kinked.unrotate(np.where(kinked.kink, np.maximum(turned, 0.0), kinked.delta * turned))


@pytest.mark.parametrize("is_dual", [False, True])
@pytest.mark.parametrize(("cone", "v"), CASES)
def test_against_differences(cone: NativeCone, v: list[float], is_dual: bool) -> None:
    """Of second order, from three points; and of the dual cone at the opposite point."""
    moves = np.random.default_rng(8).standard_normal((50, 3))
    at = -np.array(v) if is_dual else np.array(v)
    cone = cone.dual_set() if is_dual else cone  # type: ignore[assignment]
    here, half, whole = (cone.project(at + t * moves) for t in (0.0, 5e-6, 1e-5))
    np.testing.assert_allclose(one_sided(cone, at, moves), (4.0 * half - whole - 3.0 * here) / 1e-5, atol=1e-6)


@pytest.mark.parametrize(("cone", "v"), SLOW)
def test_where_differences_converge_slowly(cone: NativeCone, v: list[float]) -> None:
    """In the coordinates that are zero, by steps that are as small as numbers can be."""
    moves = np.random.default_rng(8).standard_normal((50, 3)) * (np.array(v) == 0.0)
    at, errors = np.array(v), []
    for t in (1e-2, 1e-30, 1e-250):
        moved = (cone.project(at + t * moves) - cone.project(at[None])) / t
        errors.append(np.abs(moved - one_sided(cone, at, moves)).max())
    assert errors[0] > 1.5 * errors[1] > 1.5 * errors[2] and errors[2] <= 0.01


@pytest.mark.parametrize(("cone", "v"), CASES + SLOW)
def test_beside_a_kink_its_axes_are_found(cone: NativeCone, v: list[float]) -> None:
    """Of points that roundings brought there."""
    at, moves = np.array(v), np.random.default_rng(8).standard_normal((50, 3))
    expected = one_sided(cone, at, moves)
    for noise in 1e-10 * np.random.default_rng(9).standard_normal((20, 3)):
        beside = cone.kinked(np.tile(at + noise, (50, 1)), tolerance=1e-8, scale=1.0)
        if beside.kink.all():
            found = cone.project(moves)
        else:
            turned = beside.rotate(moves)
            found = beside.unrotate(np.where(beside.kink, np.maximum(turned, 0.0), beside.delta * turned))
        np.testing.assert_allclose(found, expected, atol=1e-7)
