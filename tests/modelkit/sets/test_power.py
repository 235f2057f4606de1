"""The power cone: faces, the plane z = 0, extreme exponents, and derivatives by hand."""

import numpy as np
import pytest

import optangent as ot

EXPONENTS = [0.5, 0.3, 0.9, 1e-3, 1e-9, 1.0 - 1e-9, 1e-300, 1.0 - 2.0**-53]


@pytest.mark.parametrize("a", EXPONENTS)
@pytest.mark.parametrize("size", [1.0, 1e-8, 1e8, 1e150])
def test_by_hand(a: float, size: float) -> None:
    """Known projections: members, the polar cone, the plane z = 0, and v = u + n with u = (1, 1, 1)."""
    cases = [
        ([0.0, 0.0, 0.0], [0.0, 0.0, 0.0]),
        ([2.0, 3.0, -1.0], [2.0, 3.0, -1.0]),
        ([1.0, 0.0, 0.0], [1.0, 0.0, 0.0]),
        ([0.0, 1.0, 0.0], [0.0, 1.0, 0.0]),
        ([1.0, 1.0, -1.0], [1.0, 1.0, -1.0]),
        ([-1.0, -1.0, 0.5], [0.0, 0.0, 0.0]),
        ([-1.0, 0.0, 0.0], [0.0, 0.0, 0.0]),
        ([3.0, -1.0, 0.0], [3.0, 0.0, 0.0]),
        ([-1.0, 3.0, 0.0], [0.0, 3.0, 0.0]),
        ([1.0 - a, 1.0 - (1.0 - a), 2.0], [1.0, 1.0, 1.0]),
        ([1.0 - a, 1.0 - (1.0 - a), -2.0], [1.0, 1.0, -1.0]),
    ]
    v, p = (size * np.array(t) for t in zip(*cases, strict=True))
    np.testing.assert_allclose(ot.PowerCone(a).project(v), p, rtol=1e-15, atol=1e-15 * size)


def test_constructed_pairs() -> None:
    """V = r u + s n is projected onto r u, for many exponents."""
    rng = np.random.default_rng(0)
    for a in rng.uniform(0.01, 0.99, 100):
        t = rng.uniform(-20, 20, 200)
        sign = rng.choice([-1.0, 1.0], len(t))
        u = np.stack([np.exp((1 - a) * t), np.exp(-a * t), sign], axis=1)
        n = np.stack([-a * np.exp(-(1 - a) * t), -(1 - a) * np.exp(a * t), sign], axis=1)
        p = u / np.linalg.norm(u, axis=1)[:, None] * 10.0 ** rng.uniform(-8, 8, len(t))[:, None]
        v = p + n / np.linalg.norm(n, axis=1)[:, None] * 10.0 ** rng.uniform(-8, 8, len(t))[:, None]
        error = np.linalg.norm(ot.PowerCone(a).project(v) - p, axis=1) / np.linalg.norm(v, axis=1)
        assert error.max() <= 3e-15


@pytest.mark.parametrize("a", EXPONENTS)
def test_extreme_ratios_without_warnings(a: float) -> None:
    """Entries 300 orders of magnitude apart neither overflow nor give NaN; warnings are errors here."""
    entries = np.concatenate([[0.0], *(s * 10.0 ** np.array([-300.0, -30.0, -8.0, 0.0, 150.0]) for s in (1, -1))])
    v = np.array(np.meshgrid(entries, entries, entries)).reshape(3, -1).T
    cone = ot.PowerCone(a)
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        p, spectrum = cone.project(v), cone.spectrum(v)
    assert np.isfinite(p).all() and np.isfinite(spectrum.delta).all() and np.isfinite(spectrum.U).all()
    size = np.abs(v).max(axis=1, initial=1e-300)[:, None]
    assert np.abs(np.einsum("ki,ki->k", p / size, (v - p) / size)).max() <= 1e-14
    assert (np.abs(cone.project(p) - p) / size).max() <= 2e-15


@pytest.mark.parametrize(
    ("a", "v", "slope"),
    [
        (0.3, [2.0, -1.0, 0.0], 0.0),
        (0.5, [2.0, -1.0, 0.0], 0.5),
        (0.7, [2.0, -1.0, 0.0], 1.0),
        (0.3, [-1.0, 2.0, 0.0], 1.0),
        (0.5, [-1.0, 2.0, 0.0], 0.5),
        (0.7, [-1.0, 2.0, 0.0], 0.0),
    ],
)
def test_plane(a: float, v: list[float], slope: float) -> None:
    """In the plane z = 0 the slope along z is 0, 1, or x / (x + 2 |y|) for a = 1/2, the limit from nearby."""
    D = np.diag([float(v[0] > 0), float(v[1] > 0), slope])
    cone = ot.PowerCone(a)
    np.testing.assert_allclose(cone.spectrum([v]).matrices()[0], D, atol=1e-15)
    near = [v[0], v[1], 1e-12]
    np.testing.assert_allclose(cone.spectrum([near]).matrices()[0], D, atol=1e-4)
    assert not cone.spectrum([v]).kink.any()


def test_derivative_in_closed_form() -> None:
    """At u = (1, 1, 1), v = u + n and a = 1/2, the slope across ray and normal is 1.5 / (1.5 + 0.75)."""
    spectrum = ot.PowerCone(0.5).spectrum([[0.5, 0.5, 2.0]])
    np.testing.assert_allclose(spectrum.delta, [[1.0, 2.0 / 3.0, 0.0]], atol=1e-15)


@pytest.mark.parametrize("a", [1e-12, 1e-8, 1e-3, 1.0 - 1e-3, 1.0 - 1e-8])
def test_extreme_exponents_against_differences(a: float) -> None:
    """Near exponents 0 and 1 the derivative still agrees with central differences at nine points of ten."""
    cone, h = ot.PowerCone(a), 1e-5
    v = np.random.default_rng(2).standard_normal((2000, 3))
    columns = [(cone.project(v + h * e) - cone.project(v - h * e)) / (2 * h) for e in np.eye(3)]
    error = np.abs(cone.spectrum(v).matrices() - np.stack(columns, axis=2)).max(axis=(1, 2))
    assert np.quantile(error, 0.9) <= 1e-7
