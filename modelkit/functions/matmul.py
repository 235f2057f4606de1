"""Products of arrays of functions and of numbers, of any shape: ``@`` as NumPy's `matmul`.

Either side is its stored entries with their places (b, i, k): a number b of a matrix in the stack, row and column. The
product has at (b, i, j) the sum over k, which is a join of the entries of either side on (b, k).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from ..arrays import FloatArray, IntArray, pairs
from ..errors import DimensionMismatch
from ..numeric import real_matrix
from .abstract_function import ShapedLike, build
from .row_products import times
from .rows import Rows
from .symbolic import Symbolic
from .vector import VectorAffineFunction, VectorFunction

__all__ = ["matmul"]


class _Stack(NamedTuple):
    """The stored entries of a stack of matrices, functions (rows) or numbers (values)."""

    rows: Rows | None
    values: FloatArray
    degree: int
    number: IntArray  # of the entry at each place
    place: tuple[IntArray, IntArray, IntArray]  # (b, i, k)
    shape: tuple[int, ...]
    was_vector: bool
    is_sparse: bool


def matmul(a: Any, b: Any) -> tuple[VectorFunction, tuple[int, ...], IntArray | None]:
    """The product of two arrays, functions on one side at least, with as many axes as they have.

    Returns
    -------
    (its stored entries, its shape, where they stand; None for all places)

    Raises
    ------
    DimensionMismatch
        If the shapes do not multiply.

    Examples
    --------
    >>> import optangent as ot
    >>> X = ot.Model().add_variables((2, 2))
    >>> matmul(np.array([1.0, 2.0]), X)
    ([x[0] + 2 x[2],
     x[1] + 2 x[3]], (2,), None)
    """
    left, right = _stack_of(a, first=True), _stack_of(b, first=False)
    m, n = left.shape[-2:]
    if right.shape[-2] != n:
        raise DimensionMismatch(f"Arrays of shapes {_shape(a)} and {_shape(b)} do not multiply: {_lengths(a, b)}.")
    try:
        batch = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    except ValueError:
        raise DimensionMismatch(
            f"Arrays of shapes {_shape(a)} and {_shape(b)} do not multiply: their stacks of matrices do not go "
            "together."
        ) from None
    p, stacked = right.shape[-1], math.prod(batch)
    plain = _of_plain_matrices(a, b, left, right)
    if plain is not None:
        return plain, (m, p), None
    left, right = _repeated(left, batch), _repeated(right, batch)
    (lb, li, lk), (rb, rk, rj) = left.place, right.place
    if not batch and len(lk) == m * n and len(rk) == n * p:  # all entries, row by row
        one, two = np.repeat(np.arange(m * n), p), np.tile(np.arange(n * p), m)
        place = np.repeat(np.arange(m * p).reshape(m, p), n, axis=0).ravel()
    else:
        one, two = pairs(lb * n + lk, rb * n + rk, stacked * n)
        place = (lb[one] * m + li[one]) * p + rj[two]
    shape = (*batch, *(() if left.was_vector else (m,)), *(() if right.was_vector else (p,)))
    sparse = left.is_sparse and right.is_sparse and len(shape) == 2 and len(place) < stacked * m * p
    stored, at = np.unique(place, return_inverse=True) if sparse else (None, place)
    count = stacked * m * p if stored is None else len(stored)
    return _sums(left, right, left.number[one], right.number[two], at, count), shape, stored


def _of_plain_matrices(a: Any, b: Any, left: _Stack, right: _Stack) -> VectorFunction | None:
    """The product of a matrix of numbers and one of functions that stores all: ``vec(A X) = (A ⊗ I) vec(X)``.

    It is what `_sums` gives, in half of the time.
    """
    if len(left.shape) > 2 or len(right.shape) > 2 or left.was_vector or right.was_vector:
        return None
    if left.rows is None and not right.is_sparse:
        matrix = sp.kron(sp.csr_array(a, dtype=np.float64), sp.eye_array(right.shape[1]), format="csr")
        return _mapped(right, matrix)
    if right.rows is None and not left.is_sparse:
        matrix = sp.kron(sp.eye_array(left.shape[0]), sp.csr_array(b, dtype=np.float64).T, format="csr")
        return _mapped(left, matrix)
    return None


def _mapped(stack: _Stack, matrix: Any) -> VectorFunction:
    """A matrix of numbers times the stored functions."""
    rows = stack.rows
    assert rows is not None
    if stack.degree == 0:
        if not matrix.has_canonical_format:
            matrix.sum_duplicates()
        return VectorAffineFunction.of_matrix(matrix, rows.var)
    mapped: VectorFunction = build(rows.mapped(matrix), vector=True, at_least=max(1, stack.degree))
    return mapped


def _sums(left: _Stack, right: _Stack, one: IntArray, two: IntArray, at: IntArray, count: int) -> Any:
    """The sums at `count` places of the products of entries, a vector function."""
    if left.rows is not None and right.rows is not None:
        return build(times(left.rows.take(one), right.rows.take(two)).moved(at, count), vector=True, at_least=2)
    numbers, used, stack, entry = (left, one, right, two) if left.rows is None else (right, two, left, one)
    assert stack.rows is not None
    return _mapped(stack, sp.csr_array(sp.coo_array((numbers.values[used], (at, entry)), shape=(count, stack.rows.m))))


def _stack_of(value: Any, *, first: bool) -> _Stack:
    """What stands on one side of a product; a vector is a row on the left, and a column on the right."""
    rows, degree = None, 0
    if isinstance(value, Symbolic):
        shape = value.shape
        function: Any = value.entries if isinstance(value, ShapedLike) else value
        rows, degree, values = function.rows, function.degree, np.zeros(0)
        place = value.place if isinstance(value, ShapedLike) else np.arange(function.rows.m)
        sparse = isinstance(value, ShapedLike) and not value.is_dense
    else:
        array = real_matrix(value, "A matrix")
        shape, sparse = array.shape, True
        if sp.issparse(array):
            stored = sp.coo_array(array)
            values = stored.data.astype(np.float64)
            place = np.zeros(0, np.int64)
            if stored.nnz:
                place = np.ravel_multi_index(tuple(c.astype(np.int64) for c in stored.coords), shape)
        else:
            place = np.flatnonzero(array) if array.ndim > 1 else np.arange(array.size)
            values = array.ravel()[place]
    if not shape:
        raise DimensionMismatch("A single number or function multiplies with *, not with @.")
    was_vector = len(shape) == 1
    if was_vector:
        shape = (1, *shape) if first else (*shape, 1)
    rest, column = np.divmod(place, max(shape[-1], 1))
    batch, row = np.divmod(rest, max(shape[-2], 1))
    return _Stack(rows, values, degree, np.arange(len(place)), (batch, row, column), shape, was_vector, sparse)


def _repeated(stack: _Stack, batch: tuple[int, ...]) -> _Stack:
    """The same matrices for a larger stack."""
    mine = stack.shape[:-2]
    if mine == batch:
        return stack
    b, i, k = stack.place
    order = np.argsort(b, kind="stable")
    counts = np.bincount(b, minlength=math.prod(mine))
    source = np.broadcast_to(np.arange(math.prod(mine)).reshape(mine), batch).ravel()
    new, at = pairs(source, b[order], max(math.prod(mine), len(counts)))
    at = order[at]
    return stack._replace(number=stack.number[at], place=(new, i[at], k[at]), shape=(*batch, *stack.shape[-2:]))


def _shape(value: Any) -> tuple[int, ...]:
    return tuple(value.shape) if hasattr(value, "shape") else np.shape(value)


def _lengths(a: Any, b: Any) -> str:
    """Which axes differ."""
    other = _shape(b)
    return f"{_shape(a)[-1]} entries meet {other[-2] if len(other) > 1 else other[0]}"
