"""Conic programs in other units: the same derivatives, scaled, and the same status."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import optangent as ot

from .moves import along, check_adjoint
from .oracle import Array, Program, conic_program, direction, mixed_program, set_tangents, tangents
from .units import UNITS, units

CONES: list[Any] = [
    *(ot.Nonnegatives(3), ot.SecondOrderCone(4), ot.RotatedSecondOrderCone(4)),
    *(ot.ScaledPositiveSemidefiniteConeTriangle(3), ot.ExponentialCone(), ot.DualExponentialCone()),
    *(ot.PowerCone(0.3), ot.DualPowerCone(0.7)),
]
PROGRAMS = {str(cone): conic_program(cone, 1, "min") for cone in CONES}
PROGRAMS |= {
    "a mixture": mixed_program([CONES[1], CONES[0], CONES[4], CONES[3]], 2, "max"),
    "a linear mixture": mixed_program([CONES[1], CONES[1], CONES[0], CONES[3]], 3, "min", quadratic=False),
}
EXACT = ot.DifferentiationStatusCode.EXACT


def derivative(p: Program, d: Program, solver: Any) -> tuple[Array, list[Array], float]:
    """The tangents, of a derivative that is called exact and has an adjoint."""
    model, v, indices = p.build(solver)
    model.optimize()
    set_tangents(model, v, indices, p, d)
    with warnings.catch_warnings(action="ignore", category=ot.DifferentiationWarning):  # of the solver's accuracy
        model.forward_differentiate()
    assert model.get(ot.DifferentiationStatus()) is EXACT
    found = tangents(model, v, indices)
    with warnings.catch_warnings(action="ignore", category=ot.DifferentiationWarning):
        check_adjoint(model, along(v, indices, p, d))
    return found


@pytest.mark.parametrize("solver", [ot.solvers.Clarabel, ot.solvers.SCS], ids=lambda s: s.name)
@pytest.mark.parametrize("kind", UNITS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_units_do_not_matter(name: str, kind: str, solver: Any) -> None:
    """In units of 1e±6 tangents of all data are the scaled ones to 1e-8, and the adjoint identity holds to 1e-9."""
    p = PROGRAMS[name]
    d = direction(p, "everything", 101)
    u = units(p, kind, 7)
    dx, dy, df = derivative(p, d, ot.solvers.Clarabel)
    expected = np.concatenate([dx, *dy, [df]])
    found = u.back(*derivative(u.of(p), u.of(d), solver))
    assert np.abs(found - expected).max() <= 1e-8 * (1.0 + np.abs(expected).max())
