"""One-sided derivatives of conic programs at constructed kinks."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import optangent as ot

from .conic_kinks import Kink, check_one_sided, in_cone, program


def at_the_apex(rng: np.random.Generator) -> tuple[ot.Model, Any, Any]:
    """Slack and dual of a second-order cone are both zero."""
    x = rng.standard_normal(4)
    model, v, p = program(rng, x, np.zeros(4))
    model.add_constraint(v - x, ot.SecondOrderCone(4))
    return model, v, p


def on_the_boundary(rng: np.random.Generator) -> tuple[ot.Model, Any, Any]:
    """Of a second-order cone, with a dual that is zero; and of an inequality."""
    tail = rng.standard_normal(3)
    x = np.array([np.linalg.norm(tail), *tail])
    model, v, p = program(rng, x, np.zeros(4))
    row = rng.standard_normal(4)
    model.add_constraint(1.0 * v, ot.SecondOrderCone(4))
    model.add_constraint(row @ v <= float(row @ x))
    return model, v, p


def of_dual_boundary(rng: np.random.Generator) -> tuple[ot.Model, Any, Any]:
    """The slack of a second-order cone is zero, and the dual on its boundary."""
    x, tail = rng.standard_normal(4), rng.standard_normal(3)
    model, v, p = program(rng, x, np.array([np.linalg.norm(tail), *tail]))
    model.add_constraint(v - x, ot.SecondOrderCone(4))
    return model, v, p


def semidefinite(side: int, zero: int, dual: int) -> Kink:
    """So many eigenvalues are zero in slack and dual, and so many positive in the dual."""

    def made(rng: np.random.Generator) -> tuple[ot.Model, Any, Any]:
        Q, _ = np.linalg.qr(rng.standard_normal((side, side)))
        slack, multiplier = np.zeros(side), np.zeros(side)
        multiplier[:dual] = rng.uniform(0.5, 2.0, dual)
        slack[dual + zero :] = rng.uniform(0.5, 2.0, side - dual - zero)
        entries = [(i, j) for j in range(side) for i in range(j + 1)]
        S, Y = ((Q * values) @ Q.T for values in (slack, multiplier))
        twice = np.array([1.0 if i == j else 2.0 for i, j in entries])
        offset = rng.standard_normal(len(entries))
        x = np.array([S[e] for e in entries]) + offset
        model, v, p = program(rng, x, twice * np.array([Y[e] for e in entries]))
        model.add_constraint(v - offset, ot.PositiveSemidefiniteConeTriangle(side))
        return model, v, p

    return made


def on_curved_rows(rng: np.random.Generator) -> tuple[ot.Model, Any, Any]:
    """A ball with a multiplier, and an ellipsoid that touches it at the solution with none."""
    x = rng.standard_normal(3)
    x /= np.linalg.norm(x)
    model, v, p = program(rng, x, rng.uniform(0.5, 2.0) * -2.0 * x)
    weights = rng.uniform(0.5, 2.0, 3)
    model.add_constraint(v @ v <= 1.0)
    model.add_constraint(v @ (np.diag(weights) @ v) <= float(weights @ x**2))
    return model, v, p


def square(rng: np.random.Generator) -> tuple[ot.Model, Any, Any]:
    """A matrix of all entries, of which one eigenvalue is zero, as is the dual."""
    x = np.array([1.0, 2.0, 4.0]) + (offset := rng.standard_normal(3))
    model, v, p = program(rng, x, np.zeros(3))
    f = v - offset
    model.add_constraint(ot.vectorize([f[0], f[1], f[1], f[2]]), ot.PositiveSemidefiniteConeSquare(2))
    return model, v, p


KINKS = {
    "apex": at_the_apex,
    "boundary": on_the_boundary,
    "boundary of the dual": of_dual_boundary,
    "one eigenvalue": semidefinite(3, 1, 1),
    "two eigenvalues": semidefinite(4, 2, 1),
    "a whole matrix": semidefinite(3, 3, 0),
    "curved rows": on_curved_rows,
    "rotated cone, apex": in_cone(ot.RotatedSecondOrderCone(4), [0.0] * 4, [0.0] * 4),
    "rotated cone, boundary": in_cone(ot.RotatedSecondOrderCone(4), [2.0, 1.0, 2.0, 0.0], [0.0] * 4),
    "scaled triangle": in_cone(ot.ScaledPositiveSemidefiniteConeTriangle(2), [0.0] * 3, [0.0] * 3),
    "scaled triangle, one eigenvalue": in_cone(
        ot.ScaledPositiveSemidefiniteConeTriangle(2), [1.0, 2.0**0.5, 1.0], [0.0] * 3
    ),
    "square": square,
    "norm infinity": in_cone(ot.NormInfinityCone(4), [2.0, 2.0, -1.0, -2.0], [0.0] * 4),
    "spectral norm": in_cone(ot.NormSpectralCone(2, 2), [2.0, 2.0, 0.0, 0.0, 1.0], [0.0] * 5),
}


@pytest.mark.parametrize("kind", KINKS)
def test_directional_derivatives_are_one_sided_differences(kind: str) -> None:
    """On 8 programs of each kind, 112 in all, to 1e-6."""
    for seed in range(8):
        check_one_sided(KINKS[kind], np.random.default_rng([seed, *map(ord, kind)]))


@pytest.mark.parametrize("kind", ["apex", "a whole matrix", "two eigenvalues"])
def test_where_axes_turn_a_kink_is_told(kind: str) -> None:
    """No solution is called EXACT at an apex, or where eigenvalues are zero together, whatever roundings there are."""
    for seed in range(15):
        model, _, _ = KINKS[kind](np.random.default_rng([seed, *map(ord, kind)]))
        model.optimize()
        with warnings.catch_warnings(action="ignore", category=ot.DifferentiationWarning):
            model.forward_differentiate()
        assert model.get(ot.DifferentiationStatus()) is ot.DifferentiationStatusCode.WEAKLY_ACTIVE


APEXES = [
    ot.SecondOrderCone(3),
    ot.RotatedSecondOrderCone(3),
    ot.PositiveSemidefiniteConeTriangle(2),
    ot.ScaledPositiveSemidefiniteConeTriangle(2),
    ot.HermitianPositiveSemidefiniteConeTriangle(2),
    ot.ExponentialCone(),
    ot.DualExponentialCone(),
    ot.PowerCone(0.3),
    ot.DualPowerCone(0.3),
    ot.NormOneCone(3),
    ot.NormInfinityCone(3),
    ot.NormCone(1.5, 3),
    ot.NormSpectralCone(2, 2),
    ot.NormNuclearCone(2, 2),
    ot.GeometricMeanCone(3),
    ot.RelativeEntropyCone(3),
    ot.LogDetConeTriangle(2),
    ot.RootDetConeTriangle(2),
]


@pytest.mark.parametrize("solver", [ot.solvers.Clarabel, ot.solvers.SCS], ids=lambda one: one.name)
@pytest.mark.parametrize("cone", APEXES, ids=repr)
def test_with_data_that_are_all_zero_nothing_is_exact(cone: Any, solver: Any) -> None:
    """``min ½|x|²`` and ``min 0``, x in a cone, at its apex: whatever the bridges hide, and however small roundings."""
    for weight in (1.0, 0.0):
        model = ot.Model(ot.diff_optimizer(solver))
        v, p = model.add_variables(cone.dimension), model.add_parameters(np.zeros(cone.dimension))
        model.add_constraint(v - p, cone)
        model.minimize(0.5 * weight * (v @ v))
        model.optimize()
        with warnings.catch_warnings(action="ignore", category=ot.DifferentiationWarning):
            model.forward_differentiate()
        assert model.get(ot.DifferentiationStatus()) in (
            ot.DifferentiationStatusCode.WEAKLY_ACTIVE,
            ot.DifferentiationStatusCode.NONUNIQUE,
        )
