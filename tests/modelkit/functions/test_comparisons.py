"""Functions compared: constraints, and refusals in words."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import pytest

import optangent as ot

from .polynomials import polynomials

X, Y, Z = (ot.VariableIndex(k) for k in range(3))
V = ot.VectorOfVariables([X, Y, Z])
A = np.array([[1.0, 2.0, 0.0], [0.0, -1.0, 3.0]])
F = 2.0 * X + Y + 1.0


@pytest.mark.parametrize(
    ("comparison", "function", "chosen"),
    [
        (F <= 4, 2.0 * X + Y, ot.LessThan(3.0)),
        (operator.ge(4, F), 2.0 * X + Y, ot.LessThan(3.0)),
        (np.float64(4) >= F, 2.0 * X + Y, ot.LessThan(3.0)),
        (F >= 4, 2.0 * X + Y, ot.GreaterThan(3.0)),
        (operator.le(4, F), 2.0 * X + Y, ot.GreaterThan(3.0)),
        (np.int64(4) <= F, 2.0 * X + Y, ot.GreaterThan(3.0)),
        (F == 4, 2.0 * X + Y, ot.EqualTo(3.0)),
        (F == Y, 2.0 * X + Y - Y, ot.EqualTo(-1.0)),
        (F <= X * X, 2.0 * X + Y - X * X, ot.LessThan(-1.0)),
        (X >= 3, 1.0 * X, ot.GreaterThan(3.0)),
        (X <= Y, 1.0 * X - Y, ot.LessThan(0.0)),
        (X == 3, 1.0 * X, ot.EqualTo(3.0)),
        (operator.eq(3, X), 1.0 * X, ot.EqualTo(3.0)),
        (X * X + 1 <= 5, X * X, ot.LessThan(4.0)),
        (V >= 1, V - 1.0, ot.Nonnegatives(3)),
        (operator.le(1, V), V - 1.0, ot.Nonnegatives(3)),
        (operator.ge(np.arange(3.0), V), V - np.arange(3.0), ot.Nonpositives(3)),
        (operator.eq(np.arange(3.0), V), V - np.arange(3.0), ot.Zeros(3)),
        (X <= V, V - X, ot.Nonnegatives(3)),
    ],
    ids=str,
)
def test_comparisons(comparison: Any, function: Any, chosen: ot.Set) -> None:
    """The number goes to the set, whichever way round; vectors become differences in a cone."""
    assert isinstance(comparison, ot.Comparison)
    got = polynomials(comparison.function)
    flipped = polynomials(-comparison.function)
    if got == polynomials(function):
        assert comparison.set == chosen
    else:  # x <= v may be read as v - x >= 0 or x - v <= 0
        assert flipped == polynomials(function) and comparison.set == ot.Nonpositives(3)


def test_a_bound_of_zero_is_plain_zero() -> None:
    """Moving a zero constant over gives 0.0, not -0.0, in words and in hash."""
    for comparison in (X >= 0, X <= Y, X * X >= 0):
        assert "-0.0" not in repr(comparison)


def test_equality_of_variables_is_identity() -> None:
    """Plain variables compare by index, hash, and serve as keys; there is no constraint `!=`."""
    assert ot.VariableIndex(0) == X and X != Y and (X == Y) is False
    assert {X: 1, Y: 2}[ot.VariableIndex(1)] == 2
    with pytest.raises(TypeError, match="!="):
        X != 2.0  # noqa: B015
    with pytest.raises(TypeError, match="!="):
        F != 2.0  # noqa: B015


@pytest.mark.parametrize("truth", [lambda: bool(F <= 4), lambda: 1 <= F <= 4, lambda: F in [2.0 * X]])
def test_a_comparison_has_no_truth_value(truth: Any) -> None:
    """Asking for the truth of a comparison says what to write instead."""
    with pytest.raises(TypeError, match=r"not a truth value.*Interval"):
        truth()


@pytest.mark.parametrize("strict", [lambda: X < 1, lambda: X > 1, lambda: V < 1, lambda: operator.gt(1, F)])
def test_strict_inequalities_are_refused(strict: Any) -> None:
    """There are no strict inequalities."""
    with pytest.raises(TypeError, match="use <= or >="):
        strict()


def test_functions_do_not_hash() -> None:
    """Only plain variables may be keys, since `==` of functions makes a constraint."""
    for f in (F, X * X, V, A @ V):
        with pytest.raises(TypeError, match="unhashable"):
            hash(f)
