"""Derivatives of projections: symmetric, between 0 and I, and those that differences show."""

import numpy as np
import pytest

import optangent as ot
from optangent.modelkit.arrays import FloatArray
from optangent.modelkit.sets import NativeCone

from .native_cones import CONES, interior_point, random_points

SMOOTH = [cone for cone in CONES if cone != ot.PowerCone(1e-8)]  # whose curvature grows like 1e8


def differences(cone: NativeCone, v: FloatArray) -> FloatArray:
    """Derivatives by central differences of fourth order, shape (k, d, d)."""
    h = 2e-4 * np.linalg.norm(v, axis=1)[:, None]
    columns = []
    for axis in np.eye(cone.dimension):
        near = cone.project(v + h * axis) - cone.project(v - h * axis)
        far = cone.project(v + 2 * h * axis) - cone.project(v - 2 * h * axis)
        columns.append((8.0 * near - far) / (12.0 * h))
    return np.stack(columns, axis=2)


@pytest.mark.parametrize("cone", SMOOTH, ids=repr)
def test_against_differences(cone: NativeCone) -> None:
    """Away from kinks D agrees with central differences to 1e-7."""
    v = np.random.default_rng(0).standard_normal((2000, cone.dimension))
    v = v[~cone.spectrum(v, tolerance=0.03).kink.any(axis=1)]
    assert len(v) > 100 or isinstance(cone, ot.ScaledPositiveSemidefiniteConeTriangle)
    error = np.abs(cone.spectrum(v).matrices() - differences(cone, v)).max(axis=(1, 2))
    # Near the rim of a face of a power cone the curvature itself is large; so the typical and the worst point.
    assert np.median(error) <= 1e-10
    assert np.quantile(error, 0.99) <= 1e-7


@pytest.mark.parametrize("cone", CONES, ids=repr)
def test_symmetric_between_zero_and_one(cone: NativeCone) -> None:
    """D is symmetric, its eigenvalues are δ and lie in [0, 1], U is orthogonal, at every scale."""
    v = random_points(cone, 100, seed=1)
    spectrum = cone.spectrum(v)
    D = spectrum.matrices()
    np.testing.assert_allclose(D, D.transpose(0, 2, 1), atol=1e-14)
    np.testing.assert_allclose(np.linalg.eigvalsh(D), np.sort(spectrum.delta, axis=1), atol=1e-13)
    assert spectrum.delta.min() >= 0.0 and spectrum.delta.max() <= 1.0
    eye = np.broadcast_to(np.eye(cone.dimension), D.shape)
    U = spectrum.unrotate(eye)
    np.testing.assert_allclose(U.transpose(0, 2, 1) @ U, eye, atol=1e-14)
    np.testing.assert_allclose(spectrum.rotate(eye), U.transpose(0, 2, 1), atol=1e-14)


@pytest.mark.parametrize("cone", CONES, ids=repr)
def test_derivative_along_the_point(cone: NativeCone) -> None:
    """D v is the projection of v, because the projection is positively homogeneous (Euler)."""
    v = random_points(cone, 100, seed=2)
    spectrum = cone.spectrum(v)
    Dv = spectrum.unrotate(spectrum.delta * spectrum.rotate(v))
    size = np.abs(v).max(axis=1, initial=0.0)
    error = np.abs(Dv - cone.project(v)).max(axis=1) / np.where(size > 0.0, size, 1.0)
    assert error.max() <= 1e-14


@pytest.mark.parametrize("cone", CONES, ids=repr)
def test_trailing_axes(cone: NativeCone) -> None:
    """U and its transpose apply to vectors, columns and stacks of columns alike."""
    rng = np.random.default_rng(3)
    d = cone.dimension
    spectrum = cone.spectrum(rng.standard_normal((4, d)))
    values = rng.standard_normal((4, d, 2, 3))
    rotated = spectrum.rotate(values)
    assert rotated.shape == values.shape
    np.testing.assert_allclose(rotated[:, :, 1, 2], spectrum.rotate(values[:, :, 1, 2]), atol=1e-14)
    np.testing.assert_allclose(spectrum.unrotate(rotated), values, atol=1e-13)
    assert spectrum.rotate(np.zeros((4, d, 0))).shape == (4, d, 0)
    with pytest.raises(ot.DimensionMismatch, match="Expected an array of shape"):
        spectrum.rotate(np.zeros((4, d + 1)))


@pytest.mark.parametrize("cone", CONES, ids=repr)
def test_values_unchanged(cone: NativeCone) -> None:
    """Neither points nor values are written to."""
    v = np.random.default_rng(4).standard_normal((3, cone.dimension))
    kept = v.copy()
    cone.project(v)
    spectrum = cone.spectrum(v)
    spectrum.unrotate(spectrum.rotate(v))[:] = 7.0
    np.testing.assert_array_equal(v, kept)


@pytest.mark.parametrize("cone", CONES, ids=repr)
def test_spectrum_of_the_dual(cone: NativeCone) -> None:
    """Of the projection onto the dual cone the derivative is I - D(-v)."""
    v = random_points(cone, 30, seed=5)
    D = cone.spectrum_dual(v).matrices()
    np.testing.assert_allclose(
        D + cone.spectrum(-v).matrices(), np.broadcast_to(np.eye(v.shape[1]), D.shape), atol=1e-14
    )
    dual = cone.dual_set()
    if isinstance(dual, ot.ExponentialCone | ot.DualExponentialCone | ot.PowerCone | ot.DualPowerCone):
        plain = ~cone.spectrum(-v).kink.any(axis=1)
        np.testing.assert_allclose(dual.spectrum(v).matrices()[plain], D[plain], atol=1e-13)


@pytest.mark.parametrize("cone", [c for c in CONES if not isinstance(c, ot.Zeros)], ids=repr)
def test_kinks(cone: NativeCone) -> None:
    """On the boundary of the cone, on that of its polar and at the origin a kink is reported; elsewhere none."""
    rng = np.random.default_rng(6)
    w = rng.standard_normal((40, cone.dimension))
    p = cone.project(w)
    r = w - p
    on_boundary = (np.abs(r).max(axis=1) > 0.1) & (np.abs(p).max(axis=1) > 0.1)
    if cone.dimension > 1:
        assert on_boundary.any()
        assert cone.spectrum(p[on_boundary]).kink.any(axis=1).all()
        assert cone.spectrum(r[on_boundary]).kink.any(axis=1).all()
    assert cone.spectrum(np.zeros((1, cone.dimension))).kink.all()
    assert not cone.spectrum(w).kink.any()
    assert cone.spectrum(w, scale=1e12).kink.all()


def test_kink_eigenpairs() -> None:
    """Only the eigenpairs whose eigenvalue differs on the two sides of the kink are named."""
    soc = ot.SecondOrderCone(3).spectrum([[5.0, 3.0, 4.0], [-5.0, 3.0, 4.0], [0.0, 3.0, 4.0]])
    np.testing.assert_array_equal(soc.kink, [[False, True, False], [True, False, False], [False] * 3])
    psd = ot.ScaledPositiveSemidefiniteConeTriangle(3).spectrum([[0.0, 0.0, 0.0, 0.0, 0.0, 2.0]])  # diag(0, 0, 2)
    np.testing.assert_array_equal(psd.kink, [[True, True, True, False, False, False]])
    curved = ot.ExponentialCone().spectrum([[1.0, 1.0, np.e], [-1.0, 0.0, 2.0], [0.0, 0.0, 0.0]])
    np.testing.assert_array_equal(curved.kink, [[False, False, True], [False, True, False], [True] * 3])
    power = ot.PowerCone(0.5).spectrum([[4.0, 1.0, 2.0], [-1.0, -4.0, 4.0], [1.0, -1.0, 0.0]])
    np.testing.assert_array_equal(power.kink, [[False, False, True], [True, False, False], [False] * 3])


@pytest.mark.parametrize("cone", CONES, ids=repr)
def test_one_element_of_the_jacobian(cone: NativeCone) -> None:
    """At a kink D is a limit of derivatives nearby: those towards the inside of the cone or of its polar."""
    rng = np.random.default_rng(7)
    w = rng.standard_normal((20, cone.dimension))
    p = cone.project(w)
    inwards, downwards = interior_point(cone), -interior_point(cone.dual_set())
    steps = 10.0 ** -np.arange(6.0, 15.0)[:, None]
    for point in np.concatenate([p, w - p, np.zeros((1, cone.dimension))]):
        nearby = point + np.concatenate([steps * inwards, steps * downwards, steps * (inwards + downwards)])
        D = cone.spectrum(point[None]).matrices()[0]
        distance = np.abs(cone.spectrum(nearby).matrices() - D).max(axis=(1, 2))
        assert distance.min() <= 1e-4
