"""What all sets share: rebuilt from their parts, dual of the dual, and refusals."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.modelkit.sets import Set, VectorSet
from optangent.modelkit.store.block import SetBlock

from ...bridges.subjects import EXAMPLES
from ...bridges.subjects import SETS as KINDS
from .test_boxes import SETS as BOXES

INF = float("inf")

SETS: list[tuple[VectorSet, int]] = [  # and their dimensions
    (ot.SecondOrderCone(3), 3),
    (ot.RotatedSecondOrderCone(4), 4),
    (ot.ExponentialCone(), 3),
    (ot.DualExponentialCone(), 3),
    (ot.PowerCone(0.3), 3),
    (ot.DualPowerCone(0.3), 3),
    (ot.PositiveSemidefiniteConeTriangle(3), 6),
    (ot.ScaledPositiveSemidefiniteConeTriangle(3), 6),
    (ot.PositiveSemidefiniteConeSquare(3), 9),
    (ot.HermitianPositiveSemidefiniteConeTriangle(3), 9),
    (ot.NormOneCone(4), 4),
    (ot.NormInfinityCone(4), 4),
    (ot.NormCone(3.0, 4), 4),
    (ot.NormCone(INF, 4), 4),
    (ot.NormSpectralCone(2, 3), 7),
    (ot.NormNuclearCone(2, 3), 7),
    (ot.GeometricMeanCone(4), 4),
    (ot.DualGeometricMeanCone(4), 4),
    (ot.RelativeEntropyCone(5), 5),
    (ot.DualRelativeEntropyCone(5), 5),
    (ot.LogDetConeTriangle(3), 8),
    (ot.LogDetConeSquare(3), 11),
    (ot.RootDetConeTriangle(3), 7),
    (ot.RootDetConeSquare(3), 10),
    (ot.SOS1([1.0, 3.0, 2.0]), 3),
    (ot.SOS2([1.0, 3.0, 2.0]), 3),
    (ot.Indicator(ot.LessThan(3.0)), 2),
    (ot.Indicator(ot.GreaterThan(3.0), activate_on=False), 2),
    (ot.Indicator(ot.EqualTo(3.0)), 2),
    (ot.Indicator(ot.Interval(-1.0, 3.0)), 2),
]
SETS += [  # of a new one the examples
    (example, len(example.numbers))
    for kind in KINDS
    if not any(isinstance(cone, kind) for cone, _ in SETS)
    for example in dict.fromkeys(one for block in EXAMPLES[kind] for one in block)
    if isinstance(example, VectorSet)
]
DUALS = {
    ot.SecondOrderCone(3): ot.SecondOrderCone(3),
    ot.RotatedSecondOrderCone(4): ot.RotatedSecondOrderCone(4),
    ot.ExponentialCone(): ot.DualExponentialCone(),
    ot.PowerCone(0.3): ot.DualPowerCone(0.3),
    ot.PositiveSemidefiniteConeTriangle(3): ot.PositiveSemidefiniteConeTriangle(3),
    ot.ScaledPositiveSemidefiniteConeTriangle(3): ot.ScaledPositiveSemidefiniteConeTriangle(3),
    ot.HermitianPositiveSemidefiniteConeTriangle(3): ot.HermitianPositiveSemidefiniteConeTriangle(3),
    ot.NormOneCone(4): ot.NormInfinityCone(4),
    ot.NormCone(3.0, 4): ot.NormCone(1.5, 4),
    ot.NormCone(1.0, 4): ot.NormCone(INF, 4),
    ot.NormCone(2.0, 4): ot.NormCone(2.0, 4),
    ot.NormSpectralCone(2, 3): ot.NormNuclearCone(2, 3),
    ot.GeometricMeanCone(4): ot.DualGeometricMeanCone(4),
    ot.RelativeEntropyCone(5): ot.DualRelativeEntropyCone(5),
    ot.Nonnegatives(2): ot.Nonnegatives(2),
    ot.Nonpositives(2): ot.Nonpositives(2),
    ot.Zeros(2): ot.Reals(2),
}


@pytest.mark.parametrize(("cone", "dimension"), [*SETS, *(box[:2] for box in BOXES)], ids=str)
def test_rebuilt_from_its_parts(cone: Set, dimension: int) -> None:
    """Shape and numbers give the set back; it is a value, equal, hashed and printed like its copy."""
    again = type(cone).build(cone.shape, cone.numbers)
    assert again == cone and hash(again) == hash(cone) and repr(again) == repr(cone) and type(again) is type(cone)
    assert cone.dimension == dimension
    assert cone.numbers.shape == (dimension, len(cone.fields))
    assert eval(repr(cone), {**vars(ot), "inf": INF}) == cone
    assert not hasattr(cone, "__dict__")
    assert pickle.loads(pickle.dumps(cone)) == cone and copy.deepcopy(cone) == cone


@pytest.mark.parametrize(("cone", "dimension"), SETS, ids=str)
def test_stacked_in_blocks(cone: VectorSet, dimension: int) -> None:
    """A block of sets of one kind hands each of them back."""
    block = SetBlock.of([cone, cone])
    assert block.set(1) == cone
    np.testing.assert_array_equal(block.dims, [dimension, dimension])


@pytest.mark.parametrize(("cone", "dimension"), SETS, ids=str)
def test_in_a_store(cone: VectorSet, dimension: int) -> None:
    """A store takes a constraint in the set and returns it."""
    store = ot.Store()
    x = store.add_variables(dimension)
    index = store.add_constraint(1.0 * x, cone)
    assert store.get(ot.ConstraintSet(), index) == cone


def test_different_sets_differ() -> None:
    """Sets that differ in type, exponent, side, weights or numbers are not equal."""
    everything = [cone for cone, _ in SETS]
    assert len(set(everything)) == len(everything)
    assert ot.PowerCone(0.3) != ot.PowerCone(0.4)
    assert ot.SOS1([1.0, 2.0]) != ot.SOS1([2.0, 1.0])
    assert ot.Indicator(ot.LessThan(1.0)) != ot.Indicator(ot.LessThan(2.0))
    assert ot.Indicator(ot.LessThan(1.0)) != ot.Indicator(ot.LessThan(1.0), activate_on=False)


@pytest.mark.parametrize(("cone", "dual"), DUALS.items(), ids=str)
def test_dual_of_the_dual(cone: VectorSet, dual: VectorSet) -> None:
    """The dual set is the known one, and its dual is the cone again."""
    assert cone.dual_set() == dual
    assert dual.dual_set() == cone


@pytest.mark.parametrize("p", [1.1, 1.2, 7.0, 1e6])
def test_dual_norm(p: float) -> None:
    """Exponents p and p / (p - 1) belong to each other, to rounding."""
    q = ot.NormCone(p, 3).dual_set()
    assert 1.0 / p + 1.0 / q.p == pytest.approx(1.0, rel=1e-15)
    assert q.dual_set().p == pytest.approx(p, rel=1e-9)


@pytest.mark.parametrize(
    "cone", [ot.PositiveSemidefiniteConeSquare(2), ot.LogDetConeTriangle(2), ot.SOS1([1.0]), ot.LessThan(0.0)], ids=repr
)
def test_no_dual_set(cone: Any) -> None:
    """Sets without a dual among the sets say so."""
    with pytest.raises(ot.Unsupported, match="has no dual set"):
        cone.dual_set()


def test_weights() -> None:
    """Off-diagonal entries of triangles count twice; all other sets have the plain inner product."""
    assert ot.PositiveSemidefiniteConeTriangle(3).weights.tolist() == [1, 2, 1, 2, 2, 1]
    assert ot.HermitianPositiveSemidefiniteConeTriangle(2).weights.tolist() == [1, 2, 1, 2]
    assert ot.LogDetConeTriangle(2).weights.tolist() == [1, 1, 1, 2, 1]
    assert ot.RootDetConeTriangle(2).weights.tolist() == [1, 1, 2, 1]
    assert ot.PositiveSemidefiniteConeSquare(3).weights is None
    assert ot.ScaledPositiveSemidefiniteConeTriangle(3).weights is None
    assert ot.GreaterThan(0.0).weights is None


def test_scaled_triangle_is_the_triangle_times_root_weights() -> None:
    """diag(√w) takes the triangle cone to the scaled one; violations agree in their inner products."""
    rng = np.random.default_rng(0)
    plain, scaled = ot.PositiveSemidefiniteConeTriangle(4), ot.ScaledPositiveSemidefiniteConeTriangle(4)
    for _ in range(10):
        x = rng.standard_normal(10)
        assert plain.violation(x) == pytest.approx(scaled.violation(np.sqrt(plain.weights) * x), rel=1e-13)


REFUSED: list[tuple[Callable[[], Any], str]] = [
    (lambda: ot.SecondOrderCone(0), "at least 1, got 0"),
    (lambda: ot.SecondOrderCone(2.5), "whole dimension"),  # type: ignore[arg-type]
    (lambda: ot.SecondOrderCone(-3), "at least 1, got -3"),
    (lambda: ot.RotatedSecondOrderCone(1), "at least 2, got 1"),
    (lambda: ot.PowerCone(0.0), "strictly between 0 and 1, got 0.0"),
    (lambda: ot.PowerCone(1), "strictly between 0 and 1, got 1"),
    (lambda: ot.PowerCone(float("nan")), "strictly between 0 and 1, got nan"),
    (lambda: ot.DualPowerCone(-0.5), "DualPowerCone needs an exponent"),
    (lambda: ot.PowerCone("half"), "real number"),  # type: ignore[arg-type]
    (lambda: ot.PositiveSemidefiniteConeTriangle(0), "number of rows of its square matrices"),
    (lambda: ot.PositiveSemidefiniteConeTriangle(2.5), "got 2.5"),  # type: ignore[arg-type]
    (lambda: ot.ScaledPositiveSemidefiniteConeTriangle(-1), "got -1"),
    (lambda: ot.PositiveSemidefiniteConeSquare("3"), "got '3'"),  # type: ignore[arg-type]
    (lambda: ot.HermitianPositiveSemidefiniteConeTriangle(0), "at least 1"),
    (lambda: ot.LogDetConeTriangle(0), "at least 1"),
    (lambda: ot.RootDetConeSquare((2, 3)), r"got \(2, 3\)"),  # type: ignore[arg-type]
    (lambda: ot.NormOneCone(0), "at least 1, got 0"),
    (lambda: ot.NormCone(0.5, 3), "p of at least 1, got 0.5"),
    (lambda: ot.NormCone(float("nan"), 3), "p of at least 1, got nan"),
    (lambda: ot.NormCone(2.0, 0), "whole dimension"),
    (lambda: ot.NormSpectralCone(0, 2), "number of rows"),
    (lambda: ot.NormNuclearCone(2, 1.5), "number of columns"),  # type: ignore[arg-type]
    (lambda: ot.GeometricMeanCone(1), "at least 2, got 1"),
    (lambda: ot.DualGeometricMeanCone(1), "at least 2, got 1"),
    (lambda: ot.RelativeEntropyCone(4), "odd; got 4"),
    (lambda: ot.DualRelativeEntropyCone(0), "at least 1, got 0"),
    (lambda: ot.SOS1([]), "vector of weights"),
    (lambda: ot.SOS1([[1.0, 2.0]]), r"shape \(1, 2\)"),
    (lambda: ot.SOS2([1.0, 1.0]), "all different"),
    (lambda: ot.SOS2([1.0, float("nan")]), "finite"),
    (lambda: ot.Indicator(ot.Nonnegatives(1)), "Indicator takes one of the sets LessThan"),  # type: ignore[arg-type]
    (lambda: ot.Indicator(ot.Integer()), "got Integer"),
    (lambda: ot.Indicator(ot.LessThan(1.0), activate_on=2), "True .* or False"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("build", "words"), REFUSED, ids=[words for _, words in REFUSED])
def test_refusals(build: Callable[[], Any], words: str) -> None:
    """A set that makes no sense is refused, and the sentence says what was given."""
    with pytest.raises(ot.InvalidData, match=words):
        build()


def test_wrong_number_of_rows() -> None:
    """A function with another number of rows than the cone is refused by the store, which stays empty."""
    store = ot.Store()
    x = store.add_variables(4)
    with pytest.raises(ot.DimensionMismatch, match="needs a function with 3 rows, got 4"):
        store.add_constraint(1.0 * x, ot.ExponentialCone())
    with pytest.raises(ot.DimensionMismatch, match=r"PositiveSemidefiniteConeTriangle\(4\) needs .* 10 rows, got 4"):
        store.add_constraint(1.0 * x, ot.PositiveSemidefiniteConeTriangle(4))
    assert not store.kinds()
