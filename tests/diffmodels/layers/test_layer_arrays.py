"""Shapes: parameters and outputs beside each other, with a batch in front."""

from __future__ import annotations

import numpy as np
import pytest

import optangent as ot
from optangent.diffmodels.layers.packing import batch_shape, pack, unpack


def test_a_batch_is_what_stands_in_front() -> None:
    """Dimensions in front of the parameters' own broadcast; without any there is a single item."""
    shapes = [(2, 3), (), (3,)]
    assert batch_shape(shapes, shapes) == ()
    assert batch_shape([(5, 2, 3), (), (3,)], shapes) == (5,)
    assert batch_shape([(5, 2, 3), (4, 1), (1, 3)], shapes) == (4, 5)
    assert batch_shape([(0, 2, 3), (1,), (3,)], shapes) == (0,)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([(2, 3)], "has 2 parameters, got 1 arrays"),
        ([(3, 2), (3,)], r"Parameter 0 has shape \(2, 3\).* \(\.\.\., 2, 3\) .* got \(3, 2\)"),
        ([(2, 3), ()], r"Parameter 1 has shape \(3,\).* got \(\)"),
        ([(4, 2, 3), (5, 3)], r"do not go together: \(4,\), \(5,\)"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(given: list[tuple[int, ...]], words: str) -> None:
    """The error says which parameter, what it takes and what it got."""
    with pytest.raises(ot.DimensionMismatch, match=words):
        batch_shape(given, [(2, 3), (3,)])


def test_pack_and_unpack_are_inverse() -> None:
    """Arrays of a batch become rows of numbers and come back, shared ones repeated."""
    rng = np.random.default_rng(0)
    arrays = [rng.random((4, 2, 3)), rng.random(3), rng.random(4)]
    flat = pack(arrays, [(2, 3), (3,), ()], (4,))
    assert flat.shape == (4, 10)
    a, b, c = unpack(flat, [(2, 3), (3,), ()], (4,))
    np.testing.assert_array_equal(a, arrays[0])
    np.testing.assert_array_equal(b, np.tile(arrays[1], (4, 1)))
    np.testing.assert_array_equal(c, arrays[2])
    assert not pack([None], [(2,)], (3,)).any()
