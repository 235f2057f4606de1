"""Sets of numbers and products of intervals: numbers, bounds, words, equality, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optangent as ot

INF = np.inf
SETS: list[tuple[ot.Set, int, list[list[float]], tuple[list[float], list[float]] | None, str]] = [
    (ot.LessThan(3), 1, [[3.0]], ([-INF], [3.0]), "LessThan(3.0)"),
    (ot.GreaterThan(3), 1, [[3.0]], ([3.0], [INF]), "GreaterThan(3.0)"),
    (ot.EqualTo(3), 1, [[3.0]], ([3.0], [3.0]), "EqualTo(3.0)"),
    (ot.Parameter(3), 1, [[3.0]], ([3.0], [3.0]), "Parameter(3.0)"),
    (ot.Interval(1, 2), 1, [[1.0, 2.0]], ([1.0], [2.0]), "Interval(1.0, 2.0)"),
    (ot.Interval(-INF, 2), 1, [[-INF, 2.0]], ([-INF], [2.0]), "Interval(-inf, 2.0)"),
    (ot.Semicontinuous(1, 2), 1, [[1.0, 2.0]], None, "Semicontinuous(1.0, 2.0)"),
    (ot.Semiinteger(1, 2), 1, [[1.0, 2.0]], None, "Semiinteger(1.0, 2.0)"),
    (ot.Integer(), 1, [[]], None, "Integer()"),
    (ot.ZeroOne(), 1, [[]], None, "ZeroOne()"),
    (ot.Nonnegatives(2), 2, [[], []], ([0, 0], [INF, INF]), "Nonnegatives(2)"),
    (ot.Nonpositives(2), 2, [[], []], ([-INF, -INF], [0, 0]), "Nonpositives(2)"),
    (ot.Zeros(2), 2, [[], []], ([0, 0], [0, 0]), "Zeros(2)"),
    (ot.Reals(2), 2, [[], []], ([-INF, -INF], [INF, INF]), "Reals(2)"),
    (ot.Nonnegatives(0), 0, [], ([], []), "Nonnegatives(0)"),
    (
        ot.HyperRectangle([0, -INF], [1, 2]),
        2,
        [[0, 1], [-INF, 2]],
        ([0, -INF], [1, 2]),
        "HyperRectangle([0.0, -inf], [1.0, 2.0])",
    ),
]


@pytest.mark.parametrize(("chosen", "dimension", "numbers", "box", "text"), SETS, ids=lambda v: str(v))
def test_what_a_set_says(chosen: ot.Set, dimension: int, numbers: Any, box: Any, text: str) -> None:
    """Dimension, numbers (one row a row), row-wise bounds and words."""
    assert chosen.dimension == dimension and repr(chosen) == text
    assert chosen.numbers.shape == (dimension, len(chosen.fields))
    np.testing.assert_array_equal(chosen.numbers, np.reshape(numbers, chosen.numbers.shape))
    bounds = type(chosen).bounds(chosen.numbers)
    assert (bounds is None) == (box is None)
    if bounds is not None:
        np.testing.assert_array_equal(bounds, box)


def test_sets_differ_by_type_shape_and_numbers() -> None:
    """Equality is that of type, shape and numbers; minus zero is zero."""
    sets = [chosen for chosen, *_ in SETS]
    assert len({*sets}) == len(sets)
    assert ot.LessThan(0.0) == ot.LessThan(-0.0) and hash(ot.LessThan(0.0)) == hash(ot.LessThan(-0.0))
    assert ot.LessThan(1) != ot.GreaterThan(1) and ot.Zeros(2) != ot.Zeros(3) and ot.LessThan(1) != 1


def test_numbers_of_any_real_type() -> None:
    """NumPy numbers of all real types are taken as float."""
    for one in (np.float32(3), np.int8(3), np.array(3.0), True + 2):
        assert ot.LessThan(one).upper == 3.0 and type(ot.LessThan(one).upper) is float  # type: ignore[arg-type]
    assert ot.Zeros(np.int32(2)).dimension == 2  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: ot.LessThan("3"), ot.InvalidData, "real number"),
        (lambda: ot.GreaterThan(None), ot.InvalidData, "None"),
        (lambda: ot.EqualTo(1j), ot.InvalidData, "1j"),
        (lambda: ot.EqualTo([1.0, 2.0]), ot.DimensionMismatch, r"shape \(2,\)"),
        (lambda: ot.Interval(0, "b"), ot.InvalidData, "'b'"),
        (lambda: ot.Parameter(1j), ot.InvalidData, "1j"),
        (lambda: ot.Zeros(-1), ot.InvalidData, "whole dimension of at least 0, got -1"),
        (lambda: ot.Nonnegatives(2.5), ot.InvalidData, "got 2.5"),
        (lambda: ot.Nonnegatives(np.array([1, 2])), ot.InvalidData, "whole dimension"),
        (lambda: ot.Reals("2"), ot.InvalidData, "'2'"),
        (lambda: ot.HyperRectangle([0.0], [1.0, 2.0]), ot.DimensionMismatch, r"\(1,\) and upper of shape \(2,\)"),
        (lambda: ot.HyperRectangle([[0.0]], [[1.0]]), ot.DimensionMismatch, "two vectors"),
        (lambda: ot.HyperRectangle(np.array([1j]), [1.0]), ot.InvalidData, "complex"),
        (lambda: ot.HyperRectangle(np.ma.array([1.0], mask=[True]), [1.0]), ot.InvalidData, "masked"),
    ],
)
def test_refused_sets(make: Any, error: type[Exception], words: str) -> None:
    """Numbers that are none, dimensions that are none, and vectors of different lengths are refused."""
    with pytest.raises(error, match=words):
        make()


def test_a_rectangle_keeps_its_own_numbers() -> None:
    """The arrays given may be changed afterwards, those held may not."""
    lower = np.zeros(2)
    rectangle = ot.HyperRectangle(lower, [1.0, 1.0])
    lower[:] = 5.0
    assert rectangle.lower.tolist() == [0.0, 0.0]
    with pytest.raises(ValueError, match="read-only"):
        rectangle.lower[0] = 1.0
