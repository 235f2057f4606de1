"""Large maps in layers are those of the matrices with the same entries."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from optangent.modelkit.form.entry_layers import EntryLayers, Layered
from optangent.modelkit.form.linear_map import LinearMap
from optangent.modelkit.form.polynomial_map import PolynomialMap

RNG = np.random.default_rng(5)
Layer = tuple[np.ndarray, np.ndarray, np.ndarray]


def block(n: int, *, transposed: bool, values: np.ndarray | None = None) -> Layer:
    """The n² entries of a matrix, row by row, at the places of the matrix or of its transpose."""
    places = np.arange(n * n)
    row = places.reshape(n, n).T.ravel() if transposed else places
    return row, places, np.ones(n * n) if values is None else values


def layers(n: int) -> dict[str, EntryLayers]:
    """Matrices of which some rows and columns may be empty."""
    size, some = n * n, RNG.permutation(n * n)[: n * n // 2]
    random = RNG.standard_normal(size)
    nothing = np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    shifted = tuple(one + k for one, k in zip(block(n, transposed=False)[:2], (3, 2), strict=True))
    return {
        "a block": EntryLayers((block(n, transposed=False), nothing), (size, size)),
        "and its transpose": EntryLayers((block(n, transposed=False), block(n, transposed=True)), (size, size)),
        "with factors": EntryLayers((block(n, transposed=True, values=random),), (size, size)),
        "elsewhere": EntryLayers(((*shifted, np.full(size, 2.0)),), (size + 5, size + 7)),
        "some places": EntryLayers(((some, np.sort(some), random[: len(some)]),), (size, size + 1)),
    }


@pytest.mark.parametrize("name", list(layers(3)))
def test_layers_are_applied_as_their_matrix(name: str) -> None:
    """Both ways, of one vector and of many."""
    matrix = layers(7)[name]
    dense = matrix.tocsr().toarray()
    assert matrix.are_matchings()
    for one, array in ((matrix, dense), (matrix.T, dense.T)):
        for shape in ((array.shape[1],), (3, array.shape[1]), (2, 0, array.shape[1])):
            values = RNG.standard_normal(shape)
            np.testing.assert_allclose(Layered(one)(values), values @ array.T, atol=1e-13)


@pytest.mark.parametrize("name", list(layers(3)))
def test_a_large_map_in_layers(name: str) -> None:
    """A linear map of more than 40,000 entries goes by layers, and leaves what it is given."""
    matrix = layers(210)[name]
    M, other = LinearMap(matrix), LinearMap(matrix.tocsr())
    v, w = RNG.standard_normal((2, matrix.shape[1])), RNG.standard_normal((2, matrix.shape[0]))
    kept = v.copy()
    np.testing.assert_allclose(M(v), other(v), atol=1e-13)
    np.testing.assert_allclose(M.transposed(w), other.transposed(w), atol=1e-13)
    M(v)[...] = 7.0
    np.testing.assert_array_equal(v, kept)


def test_what_has_two_entries_in_a_row_is_no_matching() -> None:
    """Nor what has two in a column; as a map it is right all the same."""
    twice = np.zeros(2, np.int64)
    for row, column in ((twice, np.arange(2)), (np.arange(2), twice)):
        matrix = EntryLayers(((row, column, np.array([2.0, 3.0])),), (2, 2))
        assert not matrix.are_matchings()
    many = EntryLayers(((np.zeros(50_000, np.int64), np.arange(50_000), np.ones(50_000)),), (1, 50_000))
    assert LinearMap(many)(np.ones(50_000)).tolist() == [50_000.0]
    polynomial = PolynomialMap(np.array([1.0]), many, None, 50_000)
    assert polynomial.is_linear and polynomial(np.ones(50_000)).tolist() == [50_001.0]


@pytest.mark.parametrize("name", list(layers(3)))
def test_what_follows_a_large_map(name: str) -> None:
    """A matrix after a map in layers is the product of both."""
    matrix = layers(210)[name]
    S = sp.random_array((20, matrix.shape[0]), density=0.01, rng=RNG, format="csr")
    found = PolynomialMap(np.ones(matrix.shape[0]), matrix, None, matrix.shape[1]).followed_by(S, np.zeros(20))
    v = RNG.standard_normal(matrix.shape[1])
    np.testing.assert_allclose(found(v), S @ (matrix.tocsr() @ v), atol=1e-12)


@pytest.mark.parametrize("size", [3, 400])
def test_no_vectors_at_all(size: int) -> None:
    """An array without rows has as many columns as the map has, whatever it is made as."""
    rng = np.random.default_rng(0)
    matrix = sp.csr_array(sp.random_array((size, size + 1), density=0.2, rng=rng))
    mapped = LinearMap(matrix)
    assert mapped(np.zeros((0, size + 1))).shape == (0, size) and mapped.transposed(np.zeros((0, size))).shape == (
        0,
        size + 1,
    )
