"""Points on the boundaries of cones, with multipliers, for the random programs of `census_families.py`.

Each cone has a function that draws (s, z, R, T): a point, z = W y of its multiplier, and the equations of their motions
(`census_truth`). Most cones are there ``f(s) >= 0`` for one or some smooth f.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from census_truth import Array, matrix_relation, smooth_relation

import optangent as ot

Rng = np.random.Generator
POWER = 0.3


def _smooth(point: Callable[[Any, Rng], Array], *functions: Any) -> Callable[[Any, Rng], Any]:
    def draw(K: Any, rng: Rng) -> Any:
        s = point(K, rng)
        return (s, *smooth_relation(functions, s, rng.uniform(0.5, 1.5, len(functions))))

    return draw


def _several(point: Callable[[Any, Rng], Array], functions: Callable[[Array], list[Any]]) -> Callable[[Any, Rng], Any]:
    """Functions that depend on the point, such as those of the largest entries."""

    def draw(K: Any, rng: Rng) -> Any:
        s = point(K, rng)
        chosen = functions(s)
        return (s, *smooth_relation(chosen, s, rng.uniform(0.5, 1.5, len(chosen))))

    return draw


def _matrices(K: Any, rng: Rng) -> Any:
    """Semidefinite matrices S and Y of complementary rank."""
    complex_numbers = isinstance(K, ot.HermitianPositiveSemidefiniteConeTriangle)
    scaled = isinstance(K, ot.ScaledPositiveSemidefiniteConeTriangle)
    n = K.side
    upper = _upper(n)
    strict = [(i, j) for i, j in upper if i < j]
    root = np.sqrt(2.0) if scaled else 1.0

    def matrix(a: Array) -> Array:
        M = np.zeros((n, n), complex)
        for (i, j), value in zip(upper, a, strict=False):
            M[i, j] = M[j, i] = value / (root if i < j else 1.0)
        if complex_numbers:
            for (i, j), value in zip(strict, a[len(upper) :], strict=True):
                M[i, j] += 1j * value
                M[j, i] -= 1j * value
        return M

    def entries(M: Array) -> Array:
        real = [M[i, j].real * (root if i < j else 1.0) for i, j in upper]
        return np.array(real + ([M[i, j].imag for i, j in strict] if complex_numbers else []))

    Q = np.linalg.qr(rng.standard_normal((n, n)) + 1j * complex_numbers * rng.standard_normal((n, n)))[0]
    rank, values = int(rng.integers(1, n)), rng.uniform(0.5, 2.0, n)
    first = np.arange(n) < rank
    s, y = (entries((Q * (values * part)) @ Q.conj().T) for part in (first, ~first))
    W = np.ones(len(s)) if K.weights is None else np.asarray(K.weights)
    R, T = matrix_relation(matrix, entries, s, y)
    return s, W * y, R, T / W


def _signs(x: Array) -> Array:
    return np.sign(np.real(x))


def free(rng: Rng, size: int) -> Array:
    """Numbers of either sign, none near zero."""
    return rng.uniform(0.5, 2.0, size) * rng.choice([-1.0, 1.0], size)


def _norm_point(p: float) -> Callable[[Any, Rng], Array]:
    def point(K: Any, rng: Rng) -> Array:
        x = free(rng, K.dimension - 1)
        if p == np.inf:
            x[:2] = np.max(np.abs(x)) * np.sign(x[:2])
        return np.concatenate([[np.linalg.norm(x, p)], x])

    return point


def _p_norm(p: float) -> Any:
    return lambda s: [lambda a: a[0] - np.sum((_signs(s[1:]) * a[1:]) ** p) ** (1.0 / p)]


def _largest(s: Array) -> list[Any]:
    at = np.flatnonzero(np.abs(s[1:]) >= s[0] * (1.0 - 1e-12)) + 1
    return [lambda a, k=k: a[0] - np.sign(s[k]) * a[k] for k in at]


def _columns(a: Array, rows: int) -> Array:
    return np.reshape(a, (-1, rows)).T


def _spectral_point(K: Any, rng: Rng) -> Array:
    X = rng.standard_normal((K.rows, K.columns))
    return np.concatenate([[np.linalg.norm(X, 2)], X.T.ravel()])


def _nuclear_point(K: Any, rng: Rng) -> Array:
    X = rng.standard_normal((K.rows, K.columns)) + 2.0 * np.eye(K.rows, K.columns)
    return np.concatenate([[np.linalg.norm(X, "nuc")], X.T.ravel()])


def _spectral(a: Array) -> Any:
    X = _columns(a[1:], 2)
    return np.linalg.det(a[0] ** 2 * np.eye(2) - X @ X.T)


def _nuclear(a: Array) -> Any:
    X = _columns(a[1:], 2)
    return a[0] - np.sqrt(np.trace(X @ X.T) + 2.0 * np.sqrt(np.linalg.det(X @ X.T)))


def _upper(n: int) -> list[tuple[int, int]]:
    return [(i, j) for j in range(n) for i in range(j + 1)]


def _symmetric(a: Array) -> Array:
    n = int(np.sqrt(2 * len(a)))
    M = np.zeros((n, n), np.asarray(a).dtype)
    for place, value in zip(_upper(n), a, strict=True):
        M[place] = M[place[::-1]] = value
    return M


def _definite(K: Any, rng: Rng) -> Array:
    X = rng.standard_normal((K.side, K.side))
    X = X @ X.T + 0.5 * np.eye(K.side)
    return np.array([X[place] for place in _upper(K.side)])


def _log_det_point(K: Any, rng: Rng) -> Array:
    u, X = rng.uniform(0.5, 1.5), _definite(K, rng)
    return np.array([u * np.linalg.slogdet(_symmetric(X) / u)[1], u, *X])


def _root_det_point(K: Any, rng: Rng) -> Array:
    X = _definite(K, rng)
    return np.array([np.linalg.det(_symmetric(X)) ** (1.0 / K.side), *X])


def _power_function(s: Array) -> list[Any]:
    return [lambda a: a[0] ** POWER * a[1] ** (1.0 - POWER) - np.sign(s[2]) * a[2]]


def _dual_power_function(s: Array) -> list[Any]:
    return [lambda a: (a[0] / POWER) ** POWER * (a[1] / (1.0 - POWER)) ** (1.0 - POWER) - np.sign(s[2]) * a[2]]


def _power_point(K: Any, rng: Rng) -> Array:
    x, y = rng.uniform(0.5, 2.0, 2)
    return np.array([x, y, rng.choice([-1.0, 1.0]) * x**POWER * y ** (1.0 - POWER)])


def _dual_power_point(K: Any, rng: Rng) -> Array:
    return _power_point(K, rng) * [POWER, 1.0 - POWER, 1.0]


def _exponential_point(K: Any, rng: Rng) -> Array:
    x, y = rng.standard_normal(), rng.uniform(0.5, 2.0)
    return np.array([x, y, y * np.exp(x / y)])


def _dual_exponential_point(K: Any, rng: Rng) -> Array:
    u, v = -rng.uniform(0.5, 2.0), rng.standard_normal()
    return np.array([u, v, -u * np.exp(v / u - 1.0)])


def _entropy_point(K: Any, rng: Rng) -> Array:
    v, w = rng.uniform(0.5, 2.0, (2, K.dimension // 2))
    return np.array([np.sum(w * np.log(w / v)), *v, *w])


def _entropy(a: Array) -> Any:
    v, w = np.split(a[1:], 2)
    return a[0] - np.sum(w * np.log(w / v))


def _dual_entropy_point(K: Any, rng: Rng) -> Array:
    u, v = rng.uniform(0.5, 1.5), rng.uniform(0.5, 2.0, K.dimension // 2)
    return np.array([u, *v, *(u * (np.log(u / v) - 1.0))])


def _dual_entropy(s: Array) -> list[Any]:
    n = len(s) // 2
    return [lambda a, k=k: a[1 + n + k] - a[0] * (np.log(a[0] / a[1 + k]) - 1.0) for k in range(n)]


def _rotated_point(K: Any, rng: Rng) -> Array:
    t, x = rng.uniform(0.5, 2.0), rng.standard_normal(K.dimension - 2)
    return np.array([t, x @ x / (2.0 * t), *x])


def _means(sign: float) -> Callable[[Any, Rng], Array]:
    def point(K: Any, rng: Rng) -> Array:
        x = rng.uniform(0.5, 2.0, K.dimension - 1)
        mean = np.exp(np.log(x).mean())
        return np.array([mean if sign > 0 else -len(x) * mean, *x])

    return point


CONES: dict[str, tuple[Callable[[], Any], Callable[[Any, Rng], Any]]] = {
    "soc": (lambda: ot.SecondOrderCone(4), _smooth(_norm_point(2.0), lambda a: a[0] ** 2 - a[1:] @ a[1:])),
    "rsoc": (
        lambda: ot.RotatedSecondOrderCone(5),
        _smooth(_rotated_point, lambda a: 2.0 * a[0] * a[1] - a[2:] @ a[2:]),
    ),
    "psd": (lambda: ot.PositiveSemidefiniteConeTriangle(3), _matrices),
    "psd_scaled": (lambda: ot.ScaledPositiveSemidefiniteConeTriangle(3), _matrices),
    "exp": (ot.ExponentialCone, _smooth(_exponential_point, lambda a: a[2] - a[1] * np.exp(a[0] / a[1]))),
    "exp_dual": (
        ot.DualExponentialCone,
        _smooth(_dual_exponential_point, lambda a: np.e * a[2] + a[0] * np.exp(a[1] / a[0])),
    ),
    "pow": (lambda: ot.PowerCone(POWER), _several(_power_point, _power_function)),
    "pow_dual": (lambda: ot.DualPowerCone(POWER), _several(_dual_power_point, _dual_power_function)),
    "hermitian": (lambda: ot.HermitianPositiveSemidefiniteConeTriangle(3), _matrices),
    "norm_one": (lambda: ot.NormOneCone(4), _several(_norm_point(1.0), _p_norm(1.0))),
    "norm_inf": (lambda: ot.NormInfinityCone(4), _several(_norm_point(np.inf), _largest)),
    "norm_3": (lambda: ot.NormCone(3.0, 4), _several(_norm_point(3.0), _p_norm(3.0))),
    "spectral": (lambda: ot.NormSpectralCone(2, 3), _smooth(_spectral_point, _spectral)),
    "nuclear": (lambda: ot.NormNuclearCone(2, 3), _smooth(_nuclear_point, _nuclear)),
    "log_det": (
        lambda: ot.LogDetConeTriangle(2),
        _smooth(_log_det_point, lambda a: a[1] * np.log(np.linalg.det(_symmetric(a[2:]) / a[1])) - a[0]),
    ),
    "root_det": (
        lambda: ot.RootDetConeTriangle(2),
        _smooth(_root_det_point, lambda a: np.linalg.det(_symmetric(a[1:])) ** 0.5 - a[0]),
    ),
    "geo_mean": (
        lambda: ot.GeometricMeanCone(4),
        _smooth(_means(1.0), lambda a: np.exp(np.mean(np.log(a[1:]))) - a[0]),
    ),
    "geo_mean_dual": (
        lambda: ot.DualGeometricMeanCone(4),
        _smooth(_means(-1.0), lambda a: a[0] + 3.0 * np.exp(np.mean(np.log(a[1:])))),
    ),
    "entropy": (lambda: ot.RelativeEntropyCone(5), _smooth(_entropy_point, _entropy)),
    "entropy_dual": (lambda: ot.DualRelativeEntropyCone(5), _several(_dual_entropy_point, _dual_entropy)),
}
"""Cones, each with points of its boundary at which its projection is smooth."""
