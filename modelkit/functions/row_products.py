"""Products of polynomial rows with one another: row by row, and summed up."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from ..arrays import Places, pairs
from .rows import QUIET, Rows

__all__ = ["dot", "times"]


@QUIET
def times(a: Rows, b: Rows) -> Rows:
    """Row by row products; those that are zero stay, so that the degree does not depend on a number.

    Examples
    --------
    >>> x = Rows.of_variables(np.array([3, 5]))
    >>> product = times(x, x.with_constants(np.array([0.0, 2.0])))
    >>> product.qvar1, product.qvar2, product.var, product.coef
    (array([3, 5]), array([3, 5]), array([5]), array([2.]))
    """
    if a.degree + b.degree > 2:
        curved = Rows.of_terms(np.zeros(a.m), a.terms().times(b.terms(), a.m))
    else:
        curved = _of_affine_terms(a, b)
    return _with_constants(a, b) + curved


@QUIET
def dot(a: Rows, b: Rows) -> Rows:
    """The sum of the row by row products, one row: equal terms added up, those that cancel left out."""
    if max(a.degree, b.degree) > 1 or a.has_one_each or b.has_one_each:
        full = _full_form(a, b)
        return times(a, b).total() if full is None else _with_constants(a, b).total() + full
    first = np.zeros(a.m, np.int64)
    # (F x + f)ᵀ(G x + g) has the quadratic part xᵀ(FᵀG)x: a product of matrices, not a term for each pair of terms
    ids = np.union1d(a.var, b.var)
    F, G = (rows.matrix(lambda i: np.searchsorted(ids, i), len(ids)) for rows in (a, b))
    P = sp.coo_array(F.T @ G)
    i, j = P.coords
    quadratic = Rows(np.zeros(1), qrow=np.zeros(P.nnz, np.int64), qvar1=ids[i], qvar2=ids[j], qcoef=P.data)
    return (_with_constants(a, b).moved(first, 1) + quadratic).merged()


def _of_affine_terms(a: Rows, b: Rows) -> Rows:
    """The products of all pairs of an affine term of a and one of b in the same row."""
    mine: Places = slice(None)
    others: Places = slice(None)
    if b.has_one_each:
        others = a.row
    elif a.has_one_each:
        mine = b.row
    else:
        mine, others = pairs(a.row, b.row, a.m)
    coef = a.coef[mine] * b.coef[others]
    return Rows(np.zeros(a.m), qrow=a.row[mine], qvar1=a.var[mine], qvar2=b.var[others], qcoef=coef)


def _full_form(a: Rows, b: Rows) -> Rows | None:
    """The quadratic terms of ``xᵀDx``, x the variables of a and D x the rows of b, where D stores all its entries."""
    m, x = a.m, a.var
    if b.degree != 1 or len(b.row) != m * m or not a.has_one_each or not (x[1:] > x[:-1]).all():
        return None
    is_full = (b.row.reshape(m, m) == a.row[:, None]).all() and (b.var.reshape(m, m) == x).all()
    if not is_full:
        return None
    D = b.coef.reshape(m, m)
    if (a.coef != 1.0).any():
        D = D * a.coef[:, None]
    total = D + D.T
    np.fill_diagonal(total, D.diagonal())
    upper = ~np.tri(m, k=-1, dtype=np.bool_)
    first, second, coef = np.repeat(x, np.arange(m, 0, -1)), np.broadcast_to(x, (m, m))[upper], total[upper]
    return Rows(np.zeros(1), qrow=np.zeros(len(coef), np.int64), qvar1=first, qvar2=second, qcoef=coef)


def _with_constants(a: Rows, b: Rows) -> Rows:
    """Of the row by row products, the terms of which one factor is a constant (not zero), and the constants."""
    mine, others = a.only(b.constant != 0.0), b.only(a.constant != 0.0)
    both = mine.scaled(b.constant) + others.scaled(a.constant)
    return both.with_constants(a.constant * b.constant)
