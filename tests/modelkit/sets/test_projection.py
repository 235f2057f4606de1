"""Projections onto the native cones: optimality, and what it implies."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import optangent as ot
from optangent.modelkit.arrays import FloatArray
from optangent.modelkit.sets import NativeCone

from .native_cones import CONES, interior_point, nearly_members, random_points

NUMBERS = st.one_of(
    st.floats(-1e8, 1e8, allow_subnormal=False),
    st.floats(-2.0, 2.0, allow_subnormal=False),
    st.sampled_from([0.0, -0.0, 1e-300, -1e-300]),
)


def relative(values: FloatArray, points: FloatArray) -> float:
    """The largest value, in units of its point."""
    size = np.abs(points).max(axis=1, initial=0.0)
    return float(np.max(np.abs(values) / np.where(size > 0.0, size, 1.0), initial=0.0))


@pytest.mark.parametrize("cone", CONES, ids=repr)
def test_optimality_conditions(cone: NativeCone) -> None:
    """The projection lies in the cone, the residual in the polar cone, and they are orthogonal (to 1e-14)."""
    v = random_points(cone, 500, seed=0)
    p = cone.project(v)
    size = np.abs(v).max(axis=1)
    unit = np.where(size > 0.0, size, 1.0)[:, None]
    assert nearly_members(cone, p, size)
    assert nearly_members(cone.dual_set(), p - v, size)
    inner = np.einsum("ki,ki->k", p / unit, (v - p) / unit)
    assert np.abs(inner).max() <= 1e-14


@pytest.mark.parametrize("cone", CONES, ids=repr)
def test_moreau(cone: NativeCone) -> None:
    """V is its projection onto the cone minus the projection of -v onto the dual cone."""
    v = random_points(cone, 200, seed=1)
    assert relative((cone.project(v) - cone.project_dual(-v) - v).max(axis=1), v) <= 1e-15
    dual = cone.dual_set()
    if isinstance(dual, NativeCone):
        assert relative((dual.project(v) - cone.project_dual(v)).max(axis=1), v) <= 2e-15


@pytest.mark.parametrize("cone", CONES, ids=repr)
def test_idempotent(cone: NativeCone) -> None:
    """Projecting twice is projecting once, and a projection violates nothing, to rounding."""
    v = random_points(cone, 200, seed=2)
    p = cone.project(v)
    assert relative(np.abs(cone.project(p) - p).max(axis=1), v) <= 4e-15
    violations = np.array([cone.violation(row) for row in p[::8]])
    assert relative(violations, v[::8]) <= 4e-15


@pytest.mark.parametrize("cone", CONES, ids=repr)
def test_members_stay(cone: NativeCone) -> None:
    """A member well inside the cone is its own projection, bit for bit, and its violation is exactly zero."""
    rng = np.random.default_rng(3)
    if isinstance(cone, ot.Zeros):
        inner = np.zeros((1, 3))
    else:
        inner = cone.project(rng.standard_normal((50, cone.dimension))) + 1e-3 * interior_point(cone)
    np.testing.assert_array_equal(cone.project(inner), inner)
    assert all(cone.violation(row) == 0.0 for row in inner)


@pytest.mark.parametrize("cone", CONES, ids=repr)
def test_nonexpansive(cone: NativeCone) -> None:
    """Two projections are no farther apart than their points."""
    v = random_points(cone, 300, seed=4)
    w = v + np.random.default_rng(5).standard_normal(v.shape) * np.abs(v).max(axis=1)[:, None]
    before = np.linalg.norm(v - w, axis=1)
    after = np.linalg.norm(cone.project(v) - cone.project(w), axis=1)
    assert (after <= before * (1.0 + 1e-14)).all()


@pytest.mark.parametrize("cone", CONES, ids=repr)
def test_positively_homogeneous(cone: NativeCone) -> None:
    """A point scaled by a power of two has its projection scaled exactly; by another factor, to rounding."""
    v = random_points(cone, 100, seed=6)
    np.testing.assert_array_equal(cone.project(v * 2.0**20), cone.project(v) * 2.0**20)
    assert relative((cone.project(v * 0.3) - cone.project(v) * 0.3).max(axis=1), v) <= 1e-14


@pytest.mark.parametrize("cone", CONES, ids=repr)
def test_one_by_one(cone: NativeCone) -> None:
    """Many points together have the projections and slopes that each has alone."""
    v = random_points(cone, 15, seed=7)
    together = cone.project(v)
    alone = np.concatenate([cone.project(row[None]) for row in v])
    assert relative(np.abs(together - alone).max(axis=1), v) <= 1e-15
    slopes = np.concatenate([cone.spectrum(row[None]).delta for row in v])
    np.testing.assert_allclose(cone.spectrum(v).delta, slopes, atol=1e-13)


@pytest.mark.parametrize("cone", [ot.ExponentialCone(), ot.PowerCone(0.3), ot.PowerCone(1e-6)], ids=repr)
@settings(max_examples=150)
@given(v=hnp.arrays(np.float64, (1, 3), elements=NUMBERS))
def test_any_point(cone: NativeCone, v: FloatArray) -> None:
    """Whatever the point, the projection is optimal and its derivative a symmetric matrix between 0 and I."""
    p = cone.project(v)
    assert nearly_members(cone, p, np.abs(v).max(axis=1))
    assert nearly_members(cone.dual_set(), p - v, np.abs(v).max(axis=1))
    spectrum = cone.spectrum(v)
    assert spectrum.delta.min() >= 0.0 and spectrum.delta.max() <= 1.0
    U = spectrum.unrotate(np.eye(3)[None])[0]
    np.testing.assert_allclose(U.T @ U, np.eye(3), atol=4e-15)


@pytest.mark.parametrize("cone", CONES, ids=repr)
def test_no_points(cone: NativeCone) -> None:
    """No points have no projections, and an empty spectrum."""
    nothing = np.zeros((0, cone.dimension))
    assert cone.project(nothing).shape == nothing.shape
    assert cone.spectrum(nothing).matrices().shape == (0, cone.dimension, cone.dimension)


@pytest.mark.parametrize("cone", CONES, ids=repr)
def test_bad_points(cone: NativeCone) -> None:
    """Points of another dimension, and NaN, are refused with a sentence."""
    with pytest.raises(ot.DimensionMismatch, match="points in rows"):
        cone.project(np.zeros(cone.dimension))
    with pytest.raises(ot.DimensionMismatch, match=r"\(k, "):
        cone.spectrum(np.zeros((2, cone.dimension + 1)))
    with pytest.raises(ot.InvalidData, match="finite"):
        cone.project(np.full((1, cone.dimension), np.nan))
