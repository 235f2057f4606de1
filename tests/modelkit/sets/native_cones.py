"""The cones with projections, points to project, and membership by formulas of their own."""

import numpy as np

import optangent as ot
from optangent.modelkit.arrays import FloatArray
from optangent.modelkit.sets import NativeCone, Set
from optangent.modelkit.sets.spectrum import Mask

from ...bridges.subjects import EXAMPLES, SETS

CONES: list[NativeCone] = [
    ot.Zeros(3),
    ot.Nonnegatives(4),
    ot.SecondOrderCone(1),
    ot.SecondOrderCone(2),
    ot.SecondOrderCone(5),
    ot.RotatedSecondOrderCone(2),
    ot.RotatedSecondOrderCone(4),
    ot.ScaledPositiveSemidefiniteConeTriangle(1),
    ot.ScaledPositiveSemidefiniteConeTriangle(3),
    ot.ExponentialCone(),
    ot.DualExponentialCone(),
    ot.PowerCone(0.5),
    ot.PowerCone(0.2),
    ot.PowerCone(0.999),
    ot.PowerCone(1e-8),
    ot.DualPowerCone(0.7),
    ot.DualPowerCone(1e-3),
]
CONES += [
    example
    for kind in SETS
    if not any(isinstance(cone, kind) for cone in CONES)
    for example in dict.fromkeys(one for block in EXAMPLES[kind] for one in block)
    if isinstance(example, NativeCone)
]
"""All cones with projections: of a new one the examples, by what it says of itself where no formula stands below."""


def random_points(cone: NativeCone, count: int, seed: int) -> FloatArray:
    """Points in rows: of plain size, with whole rows and then single entries scaled by 1e-8 to 1e8, and with zeros."""
    rng = np.random.default_rng(seed)
    d = cone.dimension
    plain = rng.standard_normal((4, count, d))
    plain[1] *= 10.0 ** rng.uniform(-8, 8, (count, 1))
    plain[2] *= 10.0 ** rng.uniform(-8, 8, (count, d))
    plain[3] *= rng.integers(0, 2, (count, d))
    return plain.reshape(4 * count, d)


def unit(dimension: int, position: int) -> FloatArray:
    """A unit vector."""
    vector = np.zeros(dimension)
    vector[position] = 1.0
    return vector


def interior_point(cone: Set) -> FloatArray:
    """A point whose distance from the boundary is about 0.1 at least."""
    match cone:
        case ot.SecondOrderCone():
            return unit(cone.dimension, 0)
        case ot.RotatedSecondOrderCone():
            return unit(cone.dimension, 0) + unit(cone.dimension, 1)
        case ot.ScaledPositiveSemidefiniteConeTriangle():
            return np.array([1.0 if k in (0, 2, 5) else 0.0 for k in range(cone.dimension)])
        case ot.ExponentialCone() | ot.DualExponentialCone():
            return np.array([-1.0, 1.0, 1.0])
        case ot.PowerCone() | ot.DualPowerCone():
            return np.array([1.0, 1.0, 0.0])
        case ot.Zeros() | ot.Reals() | ot.Nonnegatives():
            return np.ones(cone.dimension)
        case _:
            assert isinstance(cone, NativeCone)
            inside = cone.project(np.random.default_rng(0).standard_normal((200, cone.dimension))).mean(axis=0)
            return np.asarray(inside / np.abs(inside).max())


def members(cone: Set, v: FloatArray) -> Mask:
    """Whether points (k, d) lie in the cone, by its definition."""
    inside: Mask
    with np.errstate(all="ignore"):
        match cone:
            case ot.Zeros():
                inside = np.abs(v).max(axis=1) == 0.0
            case ot.Reals():
                inside = np.ones(len(v), bool)
            case ot.Nonnegatives():
                inside = v.min(axis=1) >= 0.0
            case ot.SecondOrderCone():
                inside = v[:, 0] >= np.linalg.norm(v[:, 1:], axis=1)
            case ot.RotatedSecondOrderCone():
                inside = (v[:, :2].min(axis=1) >= 0.0) & (2.0 * v[:, 0] * v[:, 1] >= (v[:, 2:] ** 2).sum(axis=1))
            case ot.ScaledPositiveSemidefiniteConeTriangle():
                column, row = np.tril_indices(cone.side)
                matrices = np.zeros((len(v), cone.side, cone.side))
                matrices[:, column, row] = v / np.where(row == column, 1.0, np.sqrt(2.0))
                inside = np.linalg.eigvalsh(matrices, UPLO="L")[:, 0] >= 0.0
            case ot.ExponentialCone():
                x, y, z = v.T
                inside = np.where(y > 0.0, np.log(y) + x / y <= np.log(z), (x <= 0.0) & (y == 0.0) & (z >= 0.0))
            case ot.DualExponentialCone():
                x, y, z = v.T
                inside = np.where(x < 0.0, np.log(-x) + y / x <= 1.0 + np.log(z), (x == 0.0) & (y >= 0.0) & (z >= 0.0))
            case ot.PowerCone() | ot.DualPowerCone():
                x, y, z = v.T
                a, b = cone.exponent, 1.0 - cone.exponent
                if isinstance(cone, ot.DualPowerCone):
                    x, y = x / a, y / b
                inside = (x >= 0.0) & (y >= 0.0) & (a * np.log(x) + b * np.log(y) >= np.log(np.abs(z)))
            case _:
                inside = np.array([cone.violation(point) == 0.0 for point in v], bool)
    return inside


def nearly_members(cone: Set, points: FloatArray, sizes: FloatArray) -> bool:
    """Whether all points lie in the cone when moved inwards by 2e-14 of the sizes, shape (k,)."""
    unit = np.where(sizes > 0.0, sizes, 1.0)[:, None]
    inwards = 0.0 if isinstance(cone, ot.Zeros) else 2e-14
    return bool(members(cone, points / unit + inwards * interior_point(cone)).all())
