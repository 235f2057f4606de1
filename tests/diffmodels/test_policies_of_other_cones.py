"""One-sided derivatives of programs at kinks of exponential and power cones: at faces, edges and the apex."""

from __future__ import annotations

import numpy as np
import pytest

import optangent as ot

from .conic_kinks import check_one_sided, in_cone

EXP, POWER = ot.ExponentialCone(), ot.PowerCone(0.9)
KINKS = {
    "exponential, apex": in_cone(EXP, [0.0] * 3, [0.0] * 3),
    "exponential, boundary": in_cone(EXP, [0.4, 1.0, np.exp(0.4)], [0.0] * 3),
    "exponential, boundary of the dual": in_cone(EXP, [0.0] * 3, [-1.0, -0.7, np.exp(-0.3)]),
    "exponential, face": in_cone(EXP, [-1.0, 0.0, 2.0], [0.0] * 3),
    "exponential, two planes": in_cone(EXP, [-1.0, 0.0, 0.0], [0.0] * 3),
    "exponential, one of them": in_cone(EXP, [-1.0, 0.0, 0.0], [0.0, 0.0, 2.0]),
    "exponential, edge": in_cone(EXP, [0.0, 0.0, 1.0], [0.0, 2.0, 0.0]),
    "exponential, edge of the dual": in_cone(EXP, [0.0] * 3, [0.0, 2.0, 0.0]),
    "exponential, face of the dual": in_cone(EXP, [0.0] * 3, [0.0, 2.0, 1.0]),
    "dual exponential, apex": in_cone(EXP.dual_set(), [0.0] * 3, [0.0] * 3),
    "dual exponential, face": in_cone(EXP.dual_set(), [0.0, 2.0, 1.0], [0.0] * 3),
    "power, apex": in_cone(POWER, [0.0] * 3, [0.0] * 3),
    "power, boundary": in_cone(POWER, [2.0**0.1, 2.0**-0.9, -1.0], [0.0] * 3),
    "power, boundary of the dual": in_cone(POWER, [0.0] * 3, [0.9, 0.1, 1.0]),
    "power, edge": in_cone(POWER, [1.0, 0.0, 0.0], [0.0] * 3),
    "power, edge of the dual": in_cone(POWER, [0.0] * 3, [1.0, 0.0, 0.0]),
    "dual power, apex": in_cone(POWER.dual_set(), [0.0] * 3, [0.0] * 3),
}


@pytest.mark.parametrize("kind", KINKS)
def test_directional_derivatives_are_one_sided_differences(kind: str) -> None:
    """On 3 programs of each kind, to 1e-6."""
    for seed in range(3):
        check_one_sided(KINKS[kind], np.random.default_rng([seed, *map(ord, kind)]))
