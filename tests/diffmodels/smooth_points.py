"""Every convex cone at points where its projection is smooth: strictly complementary primal-dual pairs.

A pair (s, y) has s in K, y in K* and ⟨s, y⟩ = 0 in the inner product of K. Where K is ``f(s) >= 0`` with a smooth f,
s is on its boundary and y a positive multiple of the gradient; elsewhere both are written down by hand. From such a
pair `cone_program` builds a program backwards whose solution, multipliers and derivatives are unique.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import optangent as ot
from optangent.modelkit.sets import NativeCone, Set
from optangent.modelkit.sets.triangles import triangle_of

from ..bridges.subjects import EXAMPLES, SETS, is_box
from .oracle import Array, Program, Rows, direction

Rng = np.random.Generator
Pair = tuple[Array, Array]
Pairs = dict[str, Pair]

CONES: list[Any] = [
    *(ot.SecondOrderCone(4), ot.RotatedSecondOrderCone(5), ot.ExponentialCone(), ot.DualExponentialCone()),
    *(ot.PowerCone(0.3), ot.DualPowerCone(0.7)),
    *(ot.PositiveSemidefiniteConeTriangle(3), ot.ScaledPositiveSemidefiniteConeTriangle(3)),
    *(ot.PositiveSemidefiniteConeSquare(3), ot.HermitianPositiveSemidefiniteConeTriangle(3)),
    *(ot.NormOneCone(4), ot.NormInfinityCone(4)),
    *(ot.NormCone(p, 4) for p in (1.0, 1.5, 2.0, 3.0, np.inf)),
    *(ot.NormSpectralCone(2, 3), ot.NormSpectralCone(3, 2), ot.NormNuclearCone(2, 3), ot.NormNuclearCone(2, 2)),
    *(ot.GeometricMeanCone(2), ot.GeometricMeanCone(3), ot.GeometricMeanCone(4), ot.DualGeometricMeanCone(3)),
    *(ot.RelativeEntropyCone(5), ot.DualRelativeEntropyCone(5)),
    *(ot.LogDetConeTriangle(2), ot.LogDetConeSquare(2), ot.RootDetConeTriangle(2), ot.RootDetConeSquare(2)),
]
CONES += [
    EXAMPLES[kind][-1][0]
    for kind in SETS
    if issubclass(kind, NativeCone) and not is_box(kind) and not any(isinstance(cone, kind) for cone in CONES)
]
"""Every convex cone; of a new one with a projection of its own an example is enough, see `_projected`."""


def weights(cone: Set) -> Array:
    """Of the inner product."""
    return np.ones(cone.dimension) if cone.weights is None else cone.weights


def pairs(cone: Any, seed: int) -> Pairs:
    """Pairs by what they show: at the boundary with y ≠ 0, in the interior with y = 0, at the apex with s = 0."""
    return _PAIRS.get(type(cone), _projected)(cone, np.random.default_rng(seed))


# ---------------------------------------------------------------------- cones of vectors
def _stack(*parts: Any) -> Array:
    return np.concatenate([np.atleast_1d(np.asarray(part, np.float64)) for part in parts])


def _with(boundary: Pairs, inside: Array, dual_inside: Array) -> Pairs:
    """The boundary's pairs, and a point inside the cone and one inside the dual cone, each with zero."""
    zero = np.zeros(len(inside))
    return boundary | {"interior": (inside, zero), "apex": (zero, dual_inside)}


def _swapped(found: Pairs) -> Pairs:
    """The same of the dual cone."""
    inside, dual_inside = found["interior"][0], found["apex"][1]
    boundary = {name: (y, s) for name, (s, y) in found.items() if name.startswith("boundary")}
    return _with(boundary, dual_inside, inside)


def _projected(cone: Any, rng: Rng) -> Pairs:
    """Moreau: (Π_K(v), Π_K*(-v)) of a point v outside of both cones; means of projections are inside."""
    v = rng.standard_normal((200, cone.dimension))
    s, y = cone.project(v), cone.project_dual(-v)
    outside = np.flatnonzero((np.abs(s).max(axis=1) > 0.3) & (np.abs(y).max(axis=1) > 0.3))[0]
    return _with({"boundary": (s[outside], y[outside])}, s.mean(axis=0), y.mean(axis=0))


def _second_order(cone: Any, rng: Rng) -> Pairs:
    x = rng.standard_normal(cone.dimension - 1)
    t = np.linalg.norm(x)
    member = _stack(t + 1.0, x)
    return _with({"boundary": (_stack(t, x), 0.7 * _stack(t, -x))}, member, member)


def _rotated(cone: Any, rng: Rng) -> Pairs:
    x, t = rng.standard_normal(cone.dimension - 2), rng.uniform(0.5, 2.0)
    u = x @ x / (2.0 * t)
    edge = _stack(t, 0.0, 0.0 * x), _stack(0.0, 0.8, 0.0 * x)
    member = _stack(t, u + 1.0, x)
    return _with({"boundary": (_stack(t, u, x), 0.7 * _stack(u, t, -x)), "boundary, an axis": edge}, member, member)


def _exponential(cone: Any, rng: Rng) -> Pairs:
    x, y, u, v = rng.standard_normal(), rng.uniform(0.5, 2.0), -rng.uniform(0.5, 2.0), rng.standard_normal()
    e = np.exp(x / y)
    boundary = {
        "boundary": (_stack(x, y, y * e), 0.7 * _stack(-e, (x / y - 1.0) * e, 1.0)),
        "boundary, y = 0": (_stack(-1.0, 0.0, 1.5), _stack(0.0, 0.8, 0.0)),
    }
    return _with(boundary, _stack(x, y, y * e + 1.0), _stack(u, v, 1.0 - u * np.exp(v / u - 1.0)))


def _power(cone: Any, rng: Rng) -> Pairs:
    a, (x, y) = cone.exponent, rng.uniform(0.5, 2.0, 2)
    z = x**a * y ** (1.0 - a)
    gradient = _stack(a * z / x, (1.0 - a) * z / y, 1.0)
    dual_inside = _stack(a * x, (1.0 - a) * y, 0.5 * z)
    return _with({"boundary": (_stack(x, y, -z), 0.7 * gradient)}, _stack(x, y, 0.5 * z), dual_inside)


def _norm_one(cone: Any, rng: Rng) -> Pairs:
    x = rng.standard_normal(cone.dimension - 1)
    sparse = x * (np.arange(len(x)) > 0)
    slope = np.where(sparse == 0.0, 0.3, np.sign(x))
    boundary = {
        "boundary": (_stack(np.abs(x).sum(), x), 0.7 * _stack(1.0, -np.sign(x))),
        "boundary, a zero": (_stack(np.abs(sparse).sum(), sparse), 0.7 * _stack(1.0, -slope)),
    }
    return _with(boundary, _stack(np.abs(x).sum() + 1.0, x), _stack(np.abs(x).max() + 1.0, x))


def _norm(cone: Any, rng: Rng) -> Pairs:
    p = cone.p
    if p in (1.0, np.inf):
        found = _norm_one(cone, rng)
        return found if p == 1.0 else _swapped(found)
    x = rng.standard_normal(cone.dimension - 1)
    t, dual = (float(np.sum(np.abs(x) ** r) ** (1.0 / r)) for r in (p, p / (p - 1.0)))
    gradient = _stack(1.0, -np.sign(x) * (np.abs(x) / t) ** (p - 1.0))
    return _with({"boundary": (_stack(t, x), 0.7 * gradient)}, _stack(t + 1.0, x), _stack(dual + 1.0, x))


def _geometric_mean(cone: Any, rng: Rng) -> Pairs:
    n, x = cone.dimension - 1, rng.uniform(0.5, 2.0, cone.dimension - 1)
    mean = np.exp(np.log(x).mean())
    boundary = {"boundary": (_stack(mean, x), 0.7 * _stack(-1.0, mean / n / x))}
    return _with(boundary, _stack(0.5 * mean, x), _stack(-0.5 * n * mean, x))


def _relative_entropy(cone: Any, rng: Rng) -> Pairs:
    v, w = rng.uniform(0.5, 2.0, (2, cone.dimension // 2))
    u = np.sum(w * np.log(w / v))
    boundary = {"boundary": (_stack(u, v, w), 0.7 * _stack(1.0, w / v, -np.log(w / v) - 1.0))}
    return _with(boundary, _stack(u + 1.0, v, w), _stack(1.3, v, 1.3 * np.log(1.3 / v) - 0.8))


def _dual_entropy(cone: Any, rng: Rng) -> Pairs:
    v, multiplier = rng.uniform(0.5, 2.0, (2, cone.dimension // 2))
    u = 1.3
    least, loose = u * (np.log(u / v) - 1.0), np.arange(len(v)) == 0

    def normal(m: Array) -> Array:  # of all the conditions w_i >= u (log(u / v_i) - 1) together
        return _stack(-m @ np.log(u / v), m * u / v, m)

    boundary = {
        "boundary": (_stack(u, v, least), normal(multiplier)),
        "boundary, one loose": (_stack(u, v, least + loose), normal(np.where(loose, 0.0, multiplier))),
    }
    w = rng.uniform(0.5, 2.0, len(v))
    return _with(boundary, _stack(u, v, least + 1.0), _stack(np.sum(w * np.log(w / v)) + 1.0, v, w))


# ---------------------------------------------------------------------- cones of matrices
def _triangle(X: Array) -> Array:
    return triangle_of(X[None])[0]


def _square(X: Array) -> Array:
    return X.T.ravel()


def _hermitian(X: Any) -> Array:
    n = len(X)
    real, imaginary = np.tril_indices(n), np.tril_indices(n, -1)
    return np.concatenate([X.real[real[1], real[0]], X.imag[imaginary[1], imaginary[0]]])


def _orthogonal(n: int, rng: Rng, *, complex_numbers: bool = False) -> Any:
    M: Any = rng.standard_normal((n, n))
    return np.linalg.qr(M + 1j * rng.standard_normal((n, n)) if complex_numbers else M)[0]


def _entries(cone: Any) -> Callable[[Any], Array]:
    """The way from a matrix to the entries of a cone."""
    if isinstance(cone, ot.ScaledPositiveSemidefiniteConeTriangle):
        return lambda X: triangle_of(X[None], scaled=True)[0]
    if isinstance(cone, ot.HermitianPositiveSemidefiniteConeTriangle):
        return _hermitian
    return _square if type(cone).__name__.endswith("Square") else _triangle


def _semidefinite(cone: Any, rng: Rng) -> Pairs:
    n, entries = cone.side, _entries(cone)
    Q = _orthogonal(n, rng, complex_numbers=entries is _hermitian)
    values = rng.uniform(0.5, 2.0, n)

    def split(rank: int) -> Pair:
        first = np.arange(n) < rank
        return entries((Q * (values * first)) @ Q.conj().T), entries((Q * (values * ~first)) @ Q.conj().T)

    boundary = {f"boundary, rank {rank}": split(rank) for rank in range(1, n)}
    return _with(boundary, split(n)[0], split(0)[1])


def _nuclear(cone: Any, rng: Rng) -> Pairs:
    r, c = cone.rows, cone.columns
    k = min(r, c)
    U, V, sigma = _orthogonal(r, rng)[:, :k], _orthogonal(c, rng)[:, :k], rng.uniform(0.5, 2.0, k)
    last = np.arange(k) == k - 1

    def point(t: float, singular: Array) -> Array:
        return _stack(t, _square((U * singular) @ V.T))

    boundary = {"boundary": (point(sigma.sum(), sigma), 0.7 * point(1.0, -np.ones(k)))}
    if k > 1:
        deficient = np.where(last, 0.0, sigma)
        boundary["boundary, singular"] = (
            point(deficient.sum(), deficient),
            0.7 * point(1.0, -np.where(last, 0.4, 1.0)),
        )
    return _with(boundary, point(sigma.sum() + 1.0, sigma), point(sigma.max() + 1.0, sigma))


def _determinant(cone: Any, rng: Rng) -> Pairs:
    n, entries = cone.side, _entries(cone)
    Q, values = _orthogonal(n, rng), rng.uniform(0.5, 2.0, n)
    X, inverse = (Q * values) @ Q.T, (Q / values) @ Q.T
    x, log_det = entries((X + X.T) / 2.0), np.log(values).sum()
    normal = entries((inverse + inverse.T) / 2.0)
    if isinstance(cone, (ot.RootDetConeTriangle, ot.RootDetConeSquare)):
        root = np.exp(log_det / n)
        boundary = {"boundary": (_stack(root, x), 0.7 * _stack(-1.0, root / n * normal))}
        return _with(boundary, _stack(0.5 * root, x), _stack(-0.5 * n * root, x))
    u = 1.3
    ratio = log_det - n * np.log(u)
    boundary = {"boundary": (_stack(u * ratio, u, x), 0.7 * _stack(-1.0, ratio - n, u * normal))}
    return _with(boundary, _stack(u * ratio - 1.0, u, x), _stack(-u, 1.0 - u * (ratio + n), x))


_PAIRS: dict[type[Set], Callable[[Any, Rng], Pairs]] = {
    ot.SecondOrderCone: _second_order,
    ot.RotatedSecondOrderCone: _rotated,
    ot.ExponentialCone: _exponential,
    ot.DualExponentialCone: lambda cone, rng: _swapped(_exponential(cone, rng)),
    ot.PowerCone: _power,
    ot.DualPowerCone: lambda cone, rng: _swapped(_power(cone, rng)),
    ot.PositiveSemidefiniteConeTriangle: _semidefinite,
    ot.ScaledPositiveSemidefiniteConeTriangle: _semidefinite,
    ot.PositiveSemidefiniteConeSquare: _semidefinite,
    ot.HermitianPositiveSemidefiniteConeTriangle: _semidefinite,
    ot.NormOneCone: _norm_one,
    ot.NormInfinityCone: lambda cone, rng: _swapped(_norm_one(cone, rng)),
    ot.NormCone: _norm,
    ot.NormNuclearCone: _nuclear,
    ot.NormSpectralCone: lambda cone, rng: _swapped(_nuclear(cone, rng)),
    ot.GeometricMeanCone: _geometric_mean,
    ot.DualGeometricMeanCone: lambda cone, rng: _swapped(_geometric_mean(cone, rng)),
    ot.RelativeEntropyCone: _relative_entropy,
    ot.DualRelativeEntropyCone: _dual_entropy,
    ot.LogDetConeTriangle: _determinant,
    ot.LogDetConeSquare: _determinant,
    ot.RootDetConeTriangle: _determinant,
    ot.RootDetConeSquare: _determinant,
}


# ---------------------------------------------------------------------- programs
@dataclass(frozen=True)
class Subject:
    """A cone, one of its `pairs`, and whether X_ij and X_ji of a square are the same function."""

    cone: Any
    point: str
    alike: bool = False

    def __str__(self) -> str:
        return f"{self.cone!r} {self.point}{', same functions' if self.alike else ''}"

    def program(self, seed: int, sense: str, count: int = 2) -> Program:
        """A quadratic program over `count` such cones and two equalities, whose solution is the pair.

        As many independent rows as F has, and a positive definite P: the solution and all multipliers are unique.
        Where X_ij and X_ji are two functions, the multiplier of their being equal is an antisymmetric part of y.
        """
        rng = np.random.default_rng(seed)
        sign, d = (1.0 if sense == "min" else -1.0), self.cone.dimension
        n = count * d + 3
        x, Q, basis = rng.standard_normal(n), _orthogonal(n, rng), _orthogonal(n, rng)
        P = sign * (Q * rng.uniform(0.5, 2.0, n)) @ Q.T
        P = (P + P.T) / 2.0
        gradient, rows, duals = np.zeros(n), [], []
        for k in range(count):
            s, y = pairs(self.cone, seed + 10 * k)[self.point]
            F = self.even(basis[k * d : (k + 1) * d] + 0.1 * rng.standard_normal((d, n)))
            if type(self.cone).__name__.endswith("Square") and not self.alike:
                y = y + self._odd(rng.standard_normal(d))
            rows.append(Rows(type(self.cone), F, self.even(s - F @ x), np.zeros((d, 0)), shape=self.cone.shape))
            duals.append(y)
            gradient += F.T @ (weights(self.cone) * y)
        E, z = basis[-2:], rng.standard_normal(2)
        rows.append(Rows(ot.Zeros, E, -E @ x, np.zeros((2, 0))))
        q = sign * (gradient + E.T @ z) - P @ x
        return Program(sense, P, q, float(rng.standard_normal()), tuple(rows), x, (*duals, z))

    def direction(self, program: Program, seed: int) -> Program:
        """A random direction of all data; same functions stay the same."""
        found = direction(program, "everything", seed)
        rows = [replace(c, F=self.even(c.F), g=self.even(c.g)) for c in found.rows[:-1]]
        return replace(found, rows=(*rows, found.rows[-1]))

    def even(self, values: Array) -> Array:
        """Rows of X_ij and X_ji made equal, where they shall be."""
        return (values + self._transposed(values)) / 2.0 if self.alike else values

    def _odd(self, values: Array) -> Array:
        return values - self._transposed(values)

    def _transposed(self, values: Array) -> Array:
        """Rows of X_ij and X_ji exchanged."""
        n, head = self.cone.side, self.cone.dimension - self.cone.side**2
        order = np.concatenate([np.arange(head), head + np.arange(n * n).reshape(n, n).T.ravel()])
        return values[order]


def exact_directions(
    p: Program, d: Program, held: tuple[bool, ...], metric: tuple[Array, ...]
) -> tuple[Array, list[Array]]:
    """The tangents dx and dy where each cone either does nothing or holds its rows at zero: a linear system.

    Parameters
    ----------
    p, d : the program, at its solution, and the direction
    held : row block by row block
    metric : the weights of the blocks' inner products
    """
    n, sign = len(p.x), 1.0 if p.sense == "min" else -1.0
    fixed = [k for k, one in enumerate(held) if one]
    F = np.concatenate([p.rows[k].F for k in fixed])
    weighted = np.concatenate([metric[k][:, None] * p.rows[k].F for k in fixed])
    K = np.block([[sign * p.P, -weighted.T], [F, np.zeros((len(F), len(F)))]])
    upper = -sign * (d.P @ p.x + d.q)
    upper = upper + sum((c.F.T @ (w * y) for c, w, y in zip(d.rows, metric, p.y, strict=True)), np.zeros(n))
    lower = np.concatenate([-(d.rows[k].F @ p.x + d.rows[k].g) for k in fixed])
    answer = np.linalg.solve(K, np.concatenate([upper, lower]))
    moves = iter(np.split(answer[n:], np.cumsum([len(p.rows[k].g) for k in fixed])[:-1]))
    return answer[:n], [next(moves) if one else np.zeros(len(c.g)) for c, one in zip(p.rows, held, strict=True)]
