"""Sparse matrices as the libraries want them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..modelkit.arrays import FloatArray, IntArray
from ..modelkit.form.matrix_form import MatrixForm
from ..modelkit.sets import NativeCone, Set

__all__ = [
    "canonical",
    "group_starts",
    "lower_triangle_order",
    "row_scale",
    "same_pattern",
    "scale_rows",
    "triangle_side",
    "upper_triangle",
]


def canonical(matrix: Any) -> sp.csc_matrix:
    """CSC, repeats added up, rows sorted (with either broken OSQP and SCS return wrong numbers), short indices."""
    result = sp.csc_matrix(matrix)
    result.sum_duplicates()
    result.sort_indices()
    return result


def upper_triangle(P: sp.csc_array) -> sp.csc_matrix:
    """Diagonal and what is above it, canonical."""
    return canonical(sp.triu(P, format="csc"))


def same_pattern(one: sp.csc_matrix, other: sp.csc_matrix) -> bool:
    """Whether the entries of two canonical matrices stand at the same places."""
    return (
        one.shape == other.shape
        and np.array_equal(one.indptr, other.indptr)
        and np.array_equal(one.indices, other.indices)
    )


def group_starts(form: MatrixForm) -> IntArray:
    """First row of each group of rows that only one factor can scale: a cone, or a row of a product of half-lines."""
    parts = ((kind[1], part) for kind, part in form.parts.items())
    starts = [np.arange(p.rows.start, p.rows.stop) if _is_product(s) else p.starts[:-1] for s, p in parts]
    return np.concatenate([np.zeros(0, np.int64), *starts])


def _is_product(set_type: type[Set]) -> bool:
    return issubclass(set_type, NativeCone) and set_type.is_product


def row_scale(A: sp.csc_matrix, starts: IntArray | None = None) -> FloatArray:
    """A power of two (so exact) for each row that is out of scale by more than the library's own scaling mends.

    That stops at four decades. Other rows are left alone: scaling them twice makes some problems worse.

    Parameters
    ----------
    A : matrix with m rows
    starts : first row of each group of rows that must be scaled together; by default each row alone
    """
    largest = np.zeros(A.shape[0])
    np.maximum.at(largest, A.indices, np.abs(A.data))
    if starts is not None and len(starts):
        sizes = np.diff(np.append(starts, A.shape[0]))
        largest = np.repeat(np.maximum.reduceat(largest, starts), sizes)
    exponent = np.round(np.log2(np.where(largest > 0, largest, 1.0)))
    return np.where(np.abs(exponent) > 13, np.exp2(-exponent), 1.0)


def scale_rows(A: sp.csc_matrix, scale: FloatArray) -> sp.csc_matrix:
    """The same matrix, its rows multiplied by the scale."""
    A.data *= scale[A.indices]
    return A


def lower_triangle_order(side: int) -> IntArray:
    """Where the entries of the lower triangle, column by column, stand in the upper triangle, column by column.

    Examples
    --------
    >>> lower_triangle_order(3)  # entries 11, 21, 31, 22, 32, 33
    array([0, 1, 3, 2, 4, 5])
    """
    column, row = np.triu_indices(side)
    return row * (row + 1) // 2 + column


def triangle_side(dimension: int) -> int:
    """Side of the matrices with a triangle of so many entries."""
    return (math.isqrt(8 * dimension + 1) - 1) // 2
