"""The numbers of what stands for constraints, from their functions in columns and from the numbers of their sets."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp

from ...modelkit.arrays import FloatArray, IntArray, added_up, segments
from ...modelkit.functions.rows import Rows
from ...modelkit.store.block import ConstraintBlock
from ..bridge import Matrix, kron
from .composite import StandIn
from .terms import MovingTerms

__all__ = [
    "by_dimension",
    "constants_of",
    "mapped",
    "no_extra",
    "numbers_of",
    "pattern",
    "sides_of",
    "taken",
    "values_of",
    "with_places",
]

_FULL = 4
"""So many places for each entry of a matrix are few."""
Values = tuple[FloatArray, FloatArray]
"""Constants (k, m) of the functions and numbers (k, m q) of the sets of k constraints."""


def no_extra(count: int) -> IntArray:
    """No extra columns for each of so many constraints."""
    return np.zeros((count, 0), np.int64)


def by_dimension(items: IntArray, dims: IntArray) -> Iterator[IntArray]:
    """Some constraints of a block, those of equal dimensions together."""
    mine = dims[items]
    if len(items) and (mine == mine[0]).all():
        yield items
        return
    for dimension in np.unique(mine).tolist():
        yield items[mine == dimension]


def values_of(block: ConstraintBlock, items: IntArray) -> Values:
    """Those of some equal constraints of a block."""
    k = len(items)
    constants, numbers = block.rows.constant, block.sets.numbers
    if k != block.count:
        rows = segments(block.starts[:-1][items], block.sets.dims[items])
        constants, numbers = constants[rows], numbers[rows]
    return constants.reshape(k, -1), numbers.reshape(k, -1)


def taken(block: ConstraintBlock, items: IntArray, rows: Rows, moving: MovingTerms) -> tuple[Rows, MovingTerms]:
    """The rows and terms of some constraints of a block."""
    if len(items) == block.count:
        return rows, moving
    at = segments(block.starts[:-1][items], block.sets.dims[items])
    if not len(moving):
        return rows.take(at), moving
    place = np.full(block.rows.m, -1, np.int64)
    place[at] = np.arange(len(at))
    return rows.take(at), moving.take(np.flatnonzero(place[moving.row] >= 0)).placed(place)


def constants_of(one: StandIn, g: FloatArray, theta: FloatArray) -> FloatArray:
    """Constants of what stands for k constraints, (k, p)."""
    if one.is_identity:
        return g
    return kron(one.A, g) + kron(one.C, theta) + one.c0


def numbers_of(one: StandIn, theta: FloatArray) -> FloatArray:
    """Numbers of its sets, (k, p q2)."""
    if one.is_identity:
        return theta
    if not one.N.nnz:
        return np.broadcast_to(one.n0, (len(theta), len(one.n0)))
    return kron(one.N, np.where(np.isfinite(theta), theta, 0.0)) + one.n0


def sides_of(one: StandIn, g: FloatArray, theta: FloatArray) -> Values:
    """Lower and upper sides of rows, (k p,) each, the constants moved over."""
    width = len(one.kind[1].fields)
    numbers = np.ascontiguousarray(numbers_of(one, theta)).reshape(-1, width) if width else np.zeros((g.size, 0))
    constants = constants_of(one, g, theta).ravel()
    if not width:
        numbers = np.zeros((len(constants), 0))
    box = one.kind[1].bounds(numbers)
    assert box is not None
    return box[0] - constants, box[1] - constants


def pattern(rows: Rows, moving: MovingTerms, n: int) -> sp.csr_array:
    """The affine coefficients as a matrix, with zeros where terms with parameters will stand."""
    row, column, coef = rows.row, rows.var, rows.coef
    affine = np.flatnonzero((moving.first >= 0) & (moving.second < 0))
    if len(affine):
        row = np.concatenate([row, moving.row[affine]])
        column = np.concatenate([column, moving.first[affine]])
        coef = np.concatenate([coef, np.zeros(len(affine))])
    (row, column), coef = added_up([row, column], coef)
    return sp.csr_array((coef, column, np.searchsorted(row, np.arange(rows.m + 1))), shape=(rows.m, n))


def with_places(P: sp.csc_array, i: IntArray, j: IntArray) -> sp.csc_array:
    """A symmetric matrix with an entry at all (i, j) and (j, i), zeros where it has none."""
    n = P.shape[0]
    if n * n > _FULL * len(i):
        both, there = (np.concatenate([i, j]), np.concatenate([j, i])), sp.coo_array(P)
        places = tuple(np.concatenate([old, new]) for old, new in zip(there.coords, both, strict=True))
        return sp.csc_array(sp.coo_array((np.concatenate([there.data, np.zeros(2 * len(i))]), places), shape=(n, n)))
    stored = sp.csc_array((np.ones(P.nnz, np.bool_), P.indices, P.indptr), shape=(n, n)).toarray(order="C")
    stored.ravel()[i * n + j] = True
    stored |= stored.T.copy()
    column, row = np.nonzero(stored)
    ends = np.concatenate([[0], np.cumsum(np.count_nonzero(stored, axis=1))])
    short = np.int32 if len(row) <= np.iinfo(np.int32).max else np.int64
    return sp.csc_array((P.toarray()[column, row], row.astype(short), ends.astype(short)), shape=(n, n))


def mapped(rows: Rows, moving: MovingTerms, one: StandIn, k: int, extra: IntArray) -> tuple[Rows, MovingTerms]:
    """``A f + B u`` of k constraints, in columns, without constants."""
    if one.is_identity:
        return rows, moving
    below = rows.without_curvature().mapped(one.A, k)
    if one.B.nnz:
        below = below.with_constants(np.zeros(below.m)) + _extra_terms(one.B, k, extra)
    return below, moving.mapped(one.A, k)


def _extra_terms(B: Matrix, k: int, extra: IntArray) -> Rows:
    terms = sp.coo_array(B)
    row, column = terms.coords
    p = B.shape[0]
    rows = (np.arange(k)[:, None] * p + row).ravel()
    return Rows(np.zeros(k * p), rows, extra[:, column].ravel(), np.tile(terms.data, k))
