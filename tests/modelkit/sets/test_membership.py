"""Violations: zero exactly for members; and duality, in the inner product of each set."""

from collections.abc import Callable

import numpy as np
import pytest

import optangent as ot
from optangent.modelkit.arrays import FloatArray
from optangent.modelkit.sets import Set

E = float(np.e)
INF = float("inf")

INSIDE: list[tuple[Set, list[float]]] = [
    (ot.LessThan(3.0), [3.0]),
    (ot.GreaterThan(3.0), [3.0]),
    (ot.EqualTo(3.0), [3.0]),
    (ot.Parameter(3.0), [3.0]),
    (ot.Interval(1.0, INF), [1e9]),
    (ot.Integer(), [-4.0]),
    (ot.ZeroOne(), [1.0]),
    (ot.Semicontinuous(2.0, 3.0), [0.0]),
    (ot.Semicontinuous(2.0, 3.0), [2.5]),
    (ot.Semiinteger(2.0, 3.5), [3.0]),
    (ot.Nonnegatives(2), [0.0, 2.0]),
    (ot.Nonpositives(2), [0.0, -2.0]),
    (ot.Zeros(2), [0.0, 0.0]),
    (ot.Reals(2), [5.0, -5.0]),
    (ot.HyperRectangle([0.0, -INF], [1.0, 2.0]), [0.5, -9.0]),
    (ot.SecondOrderCone(3), [5.0, 3.0, -4.0]),
    (ot.RotatedSecondOrderCone(3), [1.0, 2.0, -2.0]),
    (ot.ExponentialCone(), [0.0, 1.0, 1.0]),
    (ot.DualExponentialCone(), [-1.0, 0.0, 1.0]),
    (ot.PowerCone(0.25), [1.0, 16.0, -8.0]),
    (ot.DualPowerCone(0.25), [0.25, 0.75, 1.0]),
    (ot.PositiveSemidefiniteConeTriangle(2), [1.0, 2.0, 4.0]),
    (ot.ScaledPositiveSemidefiniteConeTriangle(2), [1.0, np.sqrt(2.0), 2.0]),
    (ot.PositiveSemidefiniteConeSquare(2), [2.0, 1.0, 1.0, 2.0]),
    # [[2, 1, i], [1, 2, 0], [-i, 0, 2]]
    (ot.HermitianPositiveSemidefiniteConeTriangle(3), [2.0, 1.0, 2.0, 0.0, 0.0, 2.0, 0.0, 1.0, 0.0]),
    (ot.HermitianPositiveSemidefiniteConeTriangle(1), [2.0]),
    (ot.NormOneCone(3), [3.0, 1.0, -2.0]),
    (ot.NormOneCone(1), [0.0]),
    (ot.NormInfinityCone(3), [2.0, 1.0, -2.0]),
    (ot.NormCone(3.0, 3), [3.0, 2.0, -2.5]),
    (ot.NormCone(INF, 3), [2.0, 1.0, -2.0]),
    (ot.NormCone(1.0, 3), [3.0, 1.0, -2.0]),
    (ot.NormSpectralCone(2, 3), [3.0, 3.0, 0.0, 0.0, 2.0, 0.0, 0.0]),
    (ot.NormNuclearCone(2, 3), [5.1, 3.0, 0.0, 0.0, 2.0, 0.0, 0.0]),
    (ot.GeometricMeanCone(4), [1.9, 1.0, 2.0, 4.0]),
    (ot.GeometricMeanCone(3), [-5.0, 0.0, 4.0]),
    (ot.DualGeometricMeanCone(4), [-5.9, 1.0, 2.0, 4.0]),
    (ot.RelativeEntropyCone(5), [2.0, 1.0, E, 0.0, E]),
    (ot.RelativeEntropyCone(5), [E, 1.0, 0.0, E, 0.0]),
    (ot.DualRelativeEntropyCone(5), [1.0, 1.0, E, -1.0, -2.0]),
    (ot.DualRelativeEntropyCone(3), [0.0, 0.0, 0.0]),
    (ot.LogDetConeTriangle(2), [np.log(3.0) - 1e-9, 1.0, 2.0, 1.0, 2.0]),
    (ot.LogDetConeTriangle(2), [-1.0, 0.0, 1.0, 1.0, 1.0]),
    (ot.LogDetConeSquare(2), [2.0 * np.log(0.75) - 1e-9, 2.0, 2.0, 1.0, 1.0, 2.0]),
    (ot.RootDetConeTriangle(2), [np.sqrt(3.0) - 1e-9, 2.0, 1.0, 2.0]),
    (ot.RootDetConeSquare(2), [np.sqrt(3.0) - 1e-9, 2.0, 1.0, 1.0, 2.0]),
    (ot.SOS1([1.0, 2.0, 3.0]), [0.0, -4.0, 0.0]),
    (ot.SOS1([1.0]), [7.0]),
    (ot.SOS2([3.0, 1.0, 2.0]), [1.0, 0.0, 2.0]),
    (ot.SOS2([1.0]), [7.0]),
    (ot.Indicator(ot.LessThan(3.0)), [1.0, 3.0]),
    (ot.Indicator(ot.LessThan(3.0)), [0.0, 9.0]),
    (ot.Indicator(ot.EqualTo(3.0), activate_on=False), [1.0, 9.0]),
]

OUTSIDE: list[tuple[Set, list[float], float]] = [  # and the violation, where it is the distance
    (ot.LessThan(3.0), [5.0], 2.0),
    (ot.Interval(1.0, 2.0), [0.0], 1.0),
    (ot.Integer(), [1.25], 0.25),
    (ot.ZeroOne(), [3.0], 2.0),
    (ot.Semicontinuous(2.0, 3.0), [0.5], 0.5),
    (ot.Semicontinuous(2.0, 3.0), [1.5], 0.5),
    (ot.Semiinteger(2.0, 3.5), [4.5], 1.5),
    (ot.Semiinteger(2.2, 2.8), [2.5], 2.5),
    (ot.Nonnegatives(3), [-3.0, -4.0, 9.0], 5.0),
    (ot.Zeros(2), [3.0, 4.0], 5.0),
    (ot.HyperRectangle([0.0, -INF], [1.0, 2.0]), [4.0, 6.0], 5.0),
    (ot.SecondOrderCone(3), [0.0, 3.0, 4.0], 5.0 * np.sqrt(0.5)),
    (ot.RotatedSecondOrderCone(3), [-3.0, -4.0, 0.0], 5.0),
    (ot.ExponentialCone(), [1.0, 2.0, 0.0], np.sqrt(3.0)),
    (ot.DualExponentialCone(), [0.0, -3.0, -4.0], 5.0),
    (ot.PowerCone(0.5), [0.0, 0.0, 3.0], np.sqrt(6.0)),
    (ot.DualPowerCone(0.5), [-3.0, -4.0, 0.0], 5.0),
    (ot.PositiveSemidefiniteConeTriangle(2), [0.0, 1.0, 0.0], 1.0),
    (ot.ScaledPositiveSemidefiniteConeTriangle(2), [0.0, np.sqrt(2.0), 0.0], 1.0),
    (ot.PositiveSemidefiniteConeSquare(2), [1.0, 1.0, -1.0, 1.0], np.sqrt(2.0)),
    (ot.HermitianPositiveSemidefiniteConeTriangle(2), [0.0, 0.0, 0.0, 1.0], 1.0),
    (ot.NormOneCone(3), [2.0, 2.0, -2.0], 2.0),
    (ot.NormCone(2.0, 3), [1.0, 3.0, -4.0], 4.0),
    (ot.NormNuclearCone(2, 2), [2.0, 3.0, 0.0, 0.0, 1.0], 2.0),
    (ot.GeometricMeanCone(3), [1.0, -4.0, 5.0], np.sqrt(17.0)),
    (ot.DualGeometricMeanCone(3), [1.0, 4.0, 9.0], 1.0),
    (ot.DualGeometricMeanCone(3), [-13.0, 4.0, 9.0], 1.0),
    (ot.RelativeEntropyCone(3), [-1.0, 1.0, 1.0], 1.0),
    (ot.RelativeEntropyCone(3), [0.0, 0.0, 2.0], 2.0),
    (ot.DualRelativeEntropyCone(3), [1.0, 0.0, 0.0], np.exp(-1.0)),
    (ot.LogDetConeTriangle(2), [1.0, 1.0, 1.0, 0.0, 1.0], 1.0),
    (ot.LogDetConeTriangle(2), [0.0, -3.0, 1.0, 0.0, 1.0], 3.0),
    (ot.RootDetConeTriangle(2), [2.0, 1.0, 0.0, 1.0], 1.0),
    (ot.RootDetConeSquare(2), [0.0, 1.0, 1.0, -1.0, 1.0], np.sqrt(2.0)),
    (ot.SOS1([1.0, 2.0, 3.0]), [0.0, -4.0, 3.0], 3.0),
    (ot.SOS2([1.0, 2.0, 3.0]), [1.0, 5.0, 2.0], 1.0),
    (ot.Indicator(ot.LessThan(3.0)), [0.75, 3.0], 0.25),
    (ot.Indicator(ot.LessThan(3.0)), [1.0, 3.5], 0.5),
]


@pytest.mark.parametrize(("cone", "x"), INSIDE, ids=str)
def test_members(cone: Set, x: list[float]) -> None:
    """A member has violation zero, to rounding."""
    assert cone.violation(x) <= 2e-15 * (1.0 + np.abs(x).max())


@pytest.mark.parametrize(("cone", "x", "distance"), OUTSIDE, ids=str)
def test_outsiders(cone: Set, x: list[float], distance: float) -> None:
    """A point outside has a violation: here its distance, or the shift that MathOptInterface measures."""
    assert cone.violation(x) == pytest.approx(distance, rel=1e-14)


def test_questions_that_make_no_sense() -> None:
    """A point with NaN is infinitely far; one of another dimension is refused."""
    assert ot.SecondOrderCone(2).violation([np.nan, 0.0]) == INF
    assert ot.GreaterThan(0.0).violation(INF) == INF
    assert ot.GreaterThan(0.0).violation(-1.0) == 1.0
    with pytest.raises(ot.DimensionMismatch, match=r"SecondOrderCone\(3\) holds points of shape \(3,\)"):
        ot.SecondOrderCone(3).violation([1.0, 2.0])
    with pytest.raises(ot.InvalidData, match="real number"):
        ot.SecondOrderCone(2).violation(["a", "b"])


Draw = Callable[[np.random.Generator], FloatArray]


def lifted(norm: Callable[[FloatArray], float], size: int) -> Draw:
    """Points (t, x) on the boundary of the epigraph of a norm."""

    def draw(rng: np.random.Generator) -> FloatArray:
        x = rng.standard_normal(size)
        return np.concatenate([[norm(x)], x])

    return draw


def triangle(rng: np.random.Generator, side: int, scale: float = 1.0) -> FloatArray:
    """The upper triangle, column by column, of a random singular semidefinite matrix."""
    X = rng.standard_normal((side, rng.integers(1, side)))
    column, row = np.tril_indices(side)
    return np.asarray((X @ X.T)[row, column] * np.where(row == column, 1.0, scale))


def square(rng: np.random.Generator, side: int) -> FloatArray:
    """All entries of a random positive definite matrix, not nearly singular."""
    X = rng.standard_normal((side, side))
    return np.asarray(X @ X.T + 0.1 * np.eye(side)).ravel()


def hermitian(rng: np.random.Generator, side: int) -> FloatArray:
    """Real upper triangle, then imaginary strict one, of a random complex semidefinite matrix."""
    X = rng.standard_normal((side, 1)) + 1j * rng.standard_normal((side, 1))
    M = X @ X.conj().T
    real = [M[i, j].real for j in range(side) for i in range(j + 1)]
    return np.array(real + [M[i, j].imag for j in range(side) for i in range(j)])


def entropy(rng: np.random.Generator) -> FloatArray:
    """A boundary point of the relative entropy cone with n = 3."""
    v, w = rng.exponential(size=(2, 3))
    return np.array([np.sum(w * np.log(w / v)), *v, *w])


def dual_entropy(rng: np.random.Generator) -> FloatArray:
    """A boundary point of its dual."""
    u, v = rng.exponential(), rng.exponential(size=3)
    return np.array([u, *v, *(u * (np.log(u / v) - 1.0))])


def geometric(rng: np.random.Generator) -> FloatArray:
    """A boundary point of the geometric mean cone with n = 3."""
    x = rng.exponential(size=3)
    return np.array([np.prod(x) ** (1 / 3), *x])


def dual_geometric(rng: np.random.Generator) -> FloatArray:
    """A boundary point of its dual."""
    v = rng.exponential(size=3)
    return np.array([-3.0 * np.prod(v) ** (1 / 3), *v])


def determinant(x: FloatArray) -> float:
    """Det of the 2 x 2 matrix with this triangle."""
    return float(x[0] * x[2] - x[1] ** 2)


def log_det(rng: np.random.Generator) -> FloatArray:
    """A boundary point of the log-det cone of triangles, side 2."""
    x, u = square(rng, 2)[[0, 1, 3]], rng.exponential()
    return np.array([u * np.log(determinant(x) / u**2), u, *x])


def dual_log_det(rng: np.random.Generator) -> FloatArray:
    """A boundary point of its dual."""
    y, y0 = square(rng, 2)[[0, 1, 3]], -rng.exponential()
    return np.array([y0, y0 * (np.log(determinant(y) / y0**2) + 2.0), *y])


def root_det(rng: np.random.Generator) -> FloatArray:
    """A boundary point of the root-det cone of triangles, side 2."""
    x = square(rng, 2)[[0, 1, 3]]
    return np.array([np.sqrt(determinant(x)), *x])


def dual_root_det(rng: np.random.Generator) -> FloatArray:
    """A boundary point of its dual."""
    y = square(rng, 2)[[0, 1, 3]]
    return np.array([-2.0 * np.sqrt(determinant(y)), *y])


def exponential(rng: np.random.Generator) -> FloatArray:
    """A boundary point of the exponential cone."""
    x, y = rng.standard_normal(), 0.2 + rng.exponential()
    return np.array([x, y, y * np.exp(x / y)])


def dual_exponential(rng: np.random.Generator) -> FloatArray:
    """A boundary point of its dual."""
    u, v = -0.2 - rng.exponential(), rng.standard_normal()
    return np.array([u, v, -u * np.exp(v / u - 1.0)])


def power(rng: np.random.Generator) -> FloatArray:
    """A boundary point of the power cone with exponent 0.3."""
    x, y = rng.exponential(size=2)
    return np.array([x, y, rng.choice([-1.0, 1.0]) * x**0.3 * y**0.7])


def dual_power(rng: np.random.Generator) -> FloatArray:
    """A boundary point of its dual."""
    x, y, z = power(rng)
    return np.array([0.3 * x, 0.7 * y, z])


def rotated(rng: np.random.Generator) -> FloatArray:
    """A boundary point of the rotated second-order cone."""
    u, x = rng.exponential(), rng.standard_normal(3)
    return np.array([x @ x / (2 * u), u, *x])


def spread(draw: Draw) -> Draw:
    """The square form of a point that ends in a triangle of side 2."""
    return lambda rng: (lambda x: np.concatenate([x[:-1], [x[-2]], x[-1:]]))(draw(rng))


def euclidean(x: FloatArray) -> float:
    """The norm of the second-order cone."""
    return float(np.linalg.norm(x))


def singular(x: FloatArray) -> FloatArray:
    """Singular values of a 2 x 3 matrix."""
    return np.asarray(np.linalg.svd(x.reshape(3, 2).T, compute_uv=False))


INTERIOR_DRAWS = (ot.Zeros, ot.Reals, ot.Nonnegatives, ot.Nonpositives, ot.PositiveSemidefiniteConeSquare)
PAIRS: list[tuple[Set, Draw, Draw]] = [  # boundary points of the cone and of its dual
    (ot.Nonnegatives(3), lambda rng: rng.exponential(size=3), lambda rng: rng.exponential(size=3)),
    (ot.Nonpositives(3), lambda rng: -rng.exponential(size=3), lambda rng: -rng.exponential(size=3)),
    (ot.Zeros(3), lambda rng: np.zeros(3), lambda rng: rng.standard_normal(3)),
    (ot.Reals(3), lambda rng: rng.standard_normal(3), lambda rng: np.zeros(3)),
    (
        ot.SecondOrderCone(4),
        lifted(euclidean, 3),
        lifted(euclidean, 3),
    ),
    (ot.RotatedSecondOrderCone(5), rotated, rotated),
    (ot.ExponentialCone(), exponential, dual_exponential),
    (ot.PowerCone(0.3), power, dual_power),
    (ot.PositiveSemidefiniteConeTriangle(4), lambda rng: triangle(rng, 4), lambda rng: triangle(rng, 4)),
    (
        ot.ScaledPositiveSemidefiniteConeTriangle(4),
        lambda rng: triangle(rng, 4, np.sqrt(2.0)),
        lambda rng: triangle(rng, 4, np.sqrt(2.0)),
    ),
    (ot.PositiveSemidefiniteConeSquare(3), lambda rng: square(rng, 3), lambda rng: square(rng, 3)),
    (ot.HermitianPositiveSemidefiniteConeTriangle(3), lambda rng: hermitian(rng, 3), lambda rng: hermitian(rng, 3)),
    (ot.NormOneCone(4), lifted(lambda x: float(np.abs(x).sum()), 3), lifted(lambda x: float(np.abs(x).max()), 3)),
    (
        ot.NormCone(3.0, 4),
        lifted(lambda x: float(np.linalg.norm(x, 3)), 3),
        lifted(lambda x: float(np.linalg.norm(x, 1.5)), 3),
    ),
    (
        ot.NormSpectralCone(2, 3),
        lifted(lambda x: float(singular(x)[0]), 6),
        lifted(lambda x: float(singular(x).sum()), 6),
    ),
    (ot.GeometricMeanCone(4), geometric, dual_geometric),
    (ot.RelativeEntropyCone(7), entropy, dual_entropy),
    (ot.LogDetConeTriangle(2), log_det, dual_log_det),
    (ot.LogDetConeSquare(2), spread(log_det), spread(dual_log_det)),
    (ot.RootDetConeTriangle(2), root_det, dual_root_det),
    (ot.RootDetConeSquare(2), spread(root_det), spread(dual_root_det)),
]


@pytest.mark.parametrize(("cone", "draw", "draw_dual"), PAIRS, ids=[str(cone) for cone, *_ in PAIRS])
def test_duality(cone: Set, draw: Draw, draw_dual: Draw) -> None:
    """Members of the cone and of its dual have nonnegative inner products, in the inner product of the set."""
    rng = np.random.default_rng(0)
    weights = np.ones(cone.dimension) if cone.weights is None else cone.weights
    for _ in range(200):
        x, y = draw(rng), draw_dual(rng)
        assert cone.violation(x) <= 1e-13 * (1.0 + np.abs(x).max())
        assert cone.dual_violation(y) <= 1e-13 * (1.0 + np.abs(y).max())
        assert np.sum(weights * x * y) >= -1e-12 * (1.0 + np.abs(x).max() * np.abs(y).max())


@pytest.mark.parametrize(("cone", "draw", "draw_dual"), PAIRS, ids=[str(cone) for cone, *_ in PAIRS])
def test_violation_of_boundary_points(cone: Set, draw: Draw, draw_dual: Draw) -> None:
    """A boundary point pushed inwards is a member, pushed outwards it is not; likewise in the dual cone."""
    if isinstance(cone, INTERIOR_DRAWS):
        return
    rng = np.random.default_rng(1)
    for _ in range(20):
        x, y = draw(rng), draw_dual(rng)
        # The mean of two members is one; beyond a boundary point, seen from an interior one, there is none.
        middle = (x + draw(rng) + draw(rng)) / 3.0
        assert cone.violation(middle) <= 1e-13 * (1.0 + np.abs(middle).max())
        center = np.mean([draw(rng) for _ in range(20)], axis=0)
        assert cone.violation(x + 1e-3 * (x - center)) > 1e-7
        dual_center = np.mean([draw_dual(rng) for _ in range(20)], axis=0)
        assert cone.dual_violation(y + 1e-3 * (y - dual_center)) > 1e-7


@pytest.mark.parametrize(
    ("cone", "y", "violation"),
    [
        (ot.GreaterThan(1.0), [-2.0], 2.0),
        (ot.LessThan(1.0), [-2.0], 0.0),
        (ot.Interval(1.0, 2.0), [-2.0], 0.0),
        (ot.EqualTo(1.0), [5.0], 0.0),
        (ot.HyperRectangle([0.0, -INF], [INF, INF]), [-3.0, 4.0], 5.0),
        (ot.Reals(2), [3.0, 4.0], 5.0),
        (ot.PositiveSemidefiniteConeSquare(2), [1.0, 5.0, -5.0, 1.0], 0.0),
        (ot.LogDetConeTriangle(1), [0.0, -2.0, 1.0], 2.0),
        (ot.LogDetConeTriangle(1), [3.0, 0.0, 1.0], 3.0),
        (ot.RootDetConeTriangle(1), [-3.0, 1.0], 2.0),
    ],
    ids=str,
)
def test_dual_violation(cone: Set, y: list[float], violation: float) -> None:
    """Duals of bounds follow the sign rule; those of cones without a dual set the formula of the dual cone."""
    assert cone.dual_violation(y) == pytest.approx(violation, abs=1e-15)
