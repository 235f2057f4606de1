"""The exponential cone: faces, edges, extreme sizes, and derivatives by hand."""

import numpy as np
import pytest

import optangent as ot
from optangent.modelkit.arrays import FloatArray

K = ot.ExponentialCone()
E = float(np.e)

BY_HAND = {
    "origin": ([0.0, 0.0, 0.0], [0.0, 0.0, 0.0]),
    "inside": ([1.0, 1.0, 3.0], [1.0, 1.0, 3.0]),
    "flat face": ([-1.0, 0.0, 2.0], [-1.0, 0.0, 2.0]),
    "edge y = z = 0": ([-1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]),
    "edge x = y = 0": ([0.0, 0.0, 1.0], [0.0, 0.0, 1.0]),
    "below the flat face": ([-1.0, -3.0, 2.0], [-1.0, 0.0, 2.0]),
    "beside the edge y = z = 0": ([-1.0, -3.0, -2.0], [-1.0, 0.0, 0.0]),
    "beside the edge x = y = 0": ([0.0, -3.0, 2.0], [0.0, 0.0, 2.0]),
    "inside the polar cone": ([1.0, -1.0, -1.0], [0.0, 0.0, 0.0]),
    "polar, u = 0": ([0.0, -1.0, -1.0], [0.0, 0.0, 0.0]),
    "polar, its boundary": ([1.0, 0.0, -1.0 / E], [0.0, 0.0, 0.0]),
    "on the curved boundary": ([0.0, 1.0, 1.0], [0.0, 1.0, 1.0]),
    # v = u(rho) + n(rho) with u = (rho, 1, e^rho), n = (1, 1 - rho, -e^-rho)
    "rho = 0": ([1.0, 2.0, 0.0], [0.0, 1.0, 1.0]),
    "rho = 1": ([2.0, 1.0, E - 1.0 / E], [1.0, 1.0, E]),
    "rho = -2": ([-1.0, 4.0, np.exp(-2.0) - np.exp(2.0)], [-2.0, 1.0, np.exp(-2.0)]),
    "beyond the curve, far": ([1e-300, -1.0, 1.0], [0.0, 0.0, 1.0]),
    "beyond the curve, left": ([-1.0, 1e-5, -1.0], [-1.0, 1e-5, 0.0]),
}


@pytest.mark.parametrize("name", BY_HAND)
@pytest.mark.parametrize("size", [1.0, 1e-8, 1e8, 1e-150, 1e150])
def test_by_hand(name: str, size: float) -> None:
    """Known projections, at every size."""
    v, p = (size * np.array(t) for t in BY_HAND[name])
    np.testing.assert_allclose(K.project(v[None])[0], p, rtol=1e-15, atol=2e-15 * size)


def test_constructed_pairs() -> None:
    """V = a u(ρ) + b n(ρ) is projected onto a u(ρ), for ρ from -30 to 30 and lengths from 1e-8 to 1e8."""
    rng = np.random.default_rng(0)
    rho = rng.uniform(-30, 30, 20000)
    u = np.stack([rho, np.ones_like(rho), np.exp(rho)], axis=1)
    n = np.stack([np.ones_like(rho), 1.0 - rho, -np.exp(-rho)], axis=1)
    p = u / np.linalg.norm(u, axis=1)[:, None] * 10.0 ** rng.uniform(-8, 8, len(rho))[:, None]
    v = p + n / np.linalg.norm(n, axis=1)[:, None] * 10.0 ** rng.uniform(-8, 8, len(rho))[:, None]
    error = np.linalg.norm(K.project(v) - p, axis=1) / np.linalg.norm(v, axis=1)
    assert error.max() <= 3e-15


def test_extreme_ratios_without_warnings() -> None:
    """Entries 300 orders of magnitude apart neither overflow nor give NaN; warnings are errors here."""
    entries = np.concatenate([[0.0], *(s * 10.0 ** np.array([-300.0, -30.0, -8.0, 0.0, 8.0, 150.0]) for s in (1, -1))])
    v = np.array(np.meshgrid(entries, entries, entries)).reshape(3, -1).T
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        p, spectrum = K.project(v), K.spectrum(v)
    assert np.isfinite(p).all() and np.isfinite(spectrum.delta).all() and np.isfinite(spectrum.U).all()
    size = np.abs(v).max(axis=1, initial=1e-300)[:, None]
    assert np.abs(np.einsum("ki,ki->k", p / size, (v - p) / size)).max() <= 1e-14


def test_derivative_in_closed_form() -> None:
    """At ρ = 0, v = u + n, the derivative has slope (1 + 2) / ((1 + 2) + (1 + 1)) across ray and normal."""
    spectrum = K.spectrum([[1.0, 2.0, 0.0]])
    np.testing.assert_allclose(spectrum.delta, [[1.0, 0.6, 0.0]], atol=1e-15)
    ray, across, normal = np.array([0.0, 1.0, 1.0]), np.array([-2.0, 1.0, -1.0]), np.array([1.0, 1.0, -1.0])
    D = spectrum.matrices()[0]
    for vector, slope in ((ray, 1.0), (across, 0.6), (normal, 0.0)):
        np.testing.assert_allclose(D @ vector, slope * vector, atol=1e-14)


@pytest.mark.parametrize(
    ("v", "D"),
    [
        ([-1.0, -3.0, 2.0], np.diag([1.0, 0.0, 1.0])),
        ([-1.0, -3.0, -2.0], np.diag([1.0, 0.0, 0.0])),
        ([1.0, 1.0, 3.0], np.eye(3)),
        ([1.0, -1.0, -1.0], np.zeros((3, 3))),
        ([-1.0, 1e-4, -1.0], np.diag([1.0, 1.0, 0.0])),
        ([1e-4, -1.0, 1.0], np.diag([0.0, 0.0, 1.0])),
    ],
    ids=str,
)
def test_flat_derivatives(v: list[float], D: FloatArray) -> None:
    """Where the projection is linear, so is its derivative; it tends to that towards the faces."""
    np.testing.assert_allclose(K.spectrum([v]).matrices()[0], D, atol=1e-15)


def test_dual_cone() -> None:
    """(u, v, w) lies in the dual cone exactly if (u - v, -u, w) lies in the exponential cone."""
    y = np.random.default_rng(1).standard_normal((200, 3))
    mapped = np.stack([y[:, 0] - y[:, 1], -y[:, 0], y[:, 2]], axis=1)
    dual = [ot.DualExponentialCone().violation(row) <= 1e-14 for row in y]
    assert dual == [K.violation(row) <= 1e-14 for row in mapped]
    assert 5 < sum(dual) < 195
