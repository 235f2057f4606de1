"""Derivatives through every convex cone of the library, with or without a projection of its own.

The programs are built backwards from known pairs (smooth_points.py), so that the solution map is smooth there, and
the status is EXACT, whatever freedom the variables and multipliers of a bridge have.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import optangent as ot

from ..bridges.subjects import DISCRETE, SETS, is_box
from .accurate import exact, polished, solved
from .moves import Direction, along, check_adjoint
from .oracle import Array, Program, set_tangents, tangents
from .smooth_points import CONES, Subject, exact_directions, pairs, weights

STATUS = ot.DifferentiationStatusCode
STEP = 1e-5
SQUARES = (ot.PositiveSemidefiniteConeSquare, ot.LogDetConeSquare, ot.RootDetConeSquare)
SUBJECTS = [Subject(cone, point) for cone in CONES for point in pairs(cone, 0)]
BOUNDARY = [s for s in SUBJECTS if s.point.startswith("boundary")]
BOUNDARY += [Subject(s.cone, s.point, alike=True) for s in BOUNDARY if isinstance(s.cone, SQUARES)]
ELSEWHERE = [Subject(s.cone, s.point, alike=isinstance(s.cone, SQUARES)) for s in SUBJECTS if s.point == "interior"]
ELSEWHERE += [s for s in SUBJECTS if s.point == "apex"]
SENSES = pytest.mark.parametrize("sense", ["min", "max"])


@dataclass(frozen=True)
class Differentiated:
    """A program with a direction, solved and differentiated forward."""

    p: Program
    d: Program
    model: ot.Model
    v: Any
    indices: Any
    ours: Array
    """Dx, then dy."""

    @property
    def moves(self) -> Direction:
        """The direction."""
        return along(self.v, self.indices, self.p, self.d)


def differentiated(subject: Subject, sense: str, count: int) -> Differentiated:
    """The solver's answer is the pair, exactly so after polishing, and the status is EXACT, without a warning."""
    p = subject.program(1, sense, count)
    d = subject.direction(p, 101)
    model, v, indices = solved(p)
    np.testing.assert_allclose(model.value(v), p.x, atol=1e-6)
    for index, y in zip(indices, p.y, strict=True):
        np.testing.assert_allclose(model.dual(index), y, atol=1e-6)
    set_tangents(model, v, indices, p, d)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.forward_differentiate()
    assert model.get(ot.DifferentiationStatus()) is STATUS.EXACT
    assert not caught
    np.testing.assert_allclose(polished(model, v, indices), np.concatenate([p.x, *p.y]), atol=1e-9)
    dx, dy, _ = tangents(model, v, indices)
    return Differentiated(p, d, model, v, indices, np.concatenate([dx, *dy]))


def test_every_convex_cone_is_here() -> None:
    """None is left out."""
    assert {type(c) for c in CONES} == {s for s in SETS if not is_box(s) and s.is_vector and s not in DISCRETE}


@pytest.mark.parametrize("subject", SUBJECTS, ids=str)
def test_the_pairs_are_complementary(subject: Subject) -> None:
    """A pair has s in K, y in K* and ⟨s, y⟩ = 0 in the inner product of K to 1e-13, and is not zero."""
    for seed in range(3):
        s, y = pairs(subject.cone, seed)[subject.point]
        assert max(subject.cone.violation(s), subject.cone.dual_violation(y)) <= 1e-13
        assert abs(np.sum(weights(subject.cone) * s * y)) <= 1e-13
        assert np.any(s + y)


@pytest.mark.parametrize("subject", SUBJECTS, ids=str)
def test_rounding_is_a_small_violation(subject: Subject) -> None:
    """A member moved by 1e-16 is at most 1e-13 outside, by the measure of the cone and by that of its dual."""
    rng = np.random.default_rng(70)
    for point, measure in zip(pairs(subject.cone, 0)[subject.point], ("violation", "dual_violation"), strict=True):
        for _ in range(5):
            moved = point + 1e-16 * rng.standard_normal(len(point))
            assert getattr(subject.cone, measure)(moved) <= 1e-13


@SENSES
@pytest.mark.parametrize("subject", BOUNDARY, ids=str)
def test_on_the_boundary(subject: Subject, sense: str) -> None:
    """Tangents are central differences of exact solutions to 1e-7, all data moving at once; the adjoint identity."""
    at = differentiated(subject, sense, count=2)
    difference = (exact(at.p.moved(STEP, at.d)) - exact(at.p.moved(-STEP, at.d))) / (2.0 * STEP)
    assert np.abs(at.ours - difference).max() <= 1e-7 * (1.0 + np.abs(difference).max())
    check_adjoint(at.model, at.moves)


@SENSES
@pytest.mark.parametrize("subject", ELSEWHERE, ids=str)
def test_inside_and_at_the_apex(subject: Subject, sense: str) -> None:
    """Inside it does nothing, at the apex it is an equality: tangents as computed to 1e-9; the adjoint identity."""
    at = differentiated(subject, sense, count=1)
    held = (subject.point == "apex", True)
    dx, dy = exact_directions(at.p, at.d, held, (weights(subject.cone), np.ones(2)))
    expected = np.concatenate([dx, *dy])
    assert np.abs(at.ours - expected).max() <= 1e-9 * (1.0 + np.abs(expected).max())
    check_adjoint(at.model, at.moves)
