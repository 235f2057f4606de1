"""Convex quadratic constraints as second-order cones: the one rewriting that is not affine.

    ½ xᵀQx + aᵀx + g <= b   <=>   (1, b - g - aᵀx, Ux) in RotatedSecondOrderCone,   Q = UᵀU

(F. Alizadeh, D. Goldfarb, *Second-order cone programming*, Mathematical Programming 95 (2003), section 2.) At a
solution the cone's multiplier is a multiple of (b - g - aᵀx, 1, -Ux), so that the gradient of the Lagrangian holds
``y_1 (a + Qx)``: the multiplier of the row is -y_1. With ``>=`` all signs turn.
"""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np
import qdldl
import scipy.linalg.lapack
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from ...modelkit.arrays import FloatArray
from ...modelkit.convexity import is_positive_semidefinite
from ...modelkit.errors import UnsupportedConstraint
from ...modelkit.functions.rows import Rows
from ..bridge import Matrix

__all__ = ["cone_of_row", "square_root"]

_LARGE = 500
"""Connected parts of a matrix with more rows are first tried by a sparse factorization."""
_LARGEST_SPECTRUM = 2000


def square_root(Q: Matrix) -> Matrix:
    """U with ``UᵀU = Q``, and as many rows as the rank of Q.

    Part by part of the variables that Q connects: by Cholesky's factorization with pivots (LAPACK's dpstrf, N. J.
    Higham 1990) of the part scaled to a unit diagonal, whose rank does not depend on the units of the variables;
    large ones by a sparse L D Lᵀ if that shows them definite.

    Raises
    ------
    UnsupportedConstraint
        If Q is not positive semidefinite; the message names the eigenvalue.

    Examples
    --------
    >>> U = square_root(sp.csr_array([[4.0, 0.0, 2.0], [0.0, 9.0, 0.0], [2.0, 0.0, 1.0]]))
    >>> (U.T @ U).toarray()
    array([[4., 0., 2.],
           [0., 9., 0.],
           [2., 0., 1.]])
    """
    n = Q.shape[0]
    count, label = connected_components(Q, directed=False)
    order = np.argsort(label, kind="stable")
    ends = np.cumsum(np.bincount(label, minlength=count))
    alone = np.diff(ends, prepend=0) == 1
    single = order[ends[alone] - 1]
    diagonal = Q.diagonal()[single]
    if (diagonal < 0.0).any():
        _refuse(Q)
    single, diagonal = single[diagonal > 0.0], diagonal[diagonal > 0.0]
    k = np.arange(len(single))
    found = [sp.csr_array((np.sqrt(diagonal), (k, single)), shape=(len(single), n))]
    for end, size in zip(ends[~alone], np.diff(ends, prepend=0)[~alone], strict=True):
        mine = np.sort(order[end - size : end])
        part = sp.csc_array(Q[mine][:, mine])
        if not is_positive_semidefinite(part):
            _refuse(Q)
        U = sp.coo_array(_sparse_root(part) if size > _LARGE else _dense_root(part.toarray()))
        found.append(sp.csr_array((U.data, (U.row, mine[U.col])), shape=(U.shape[0], n)))
    return sp.csr_array(sp.vstack(found))


def _dense_root(Q: FloatArray) -> FloatArray:
    n = len(Q)
    scale = np.sqrt(np.maximum(Q.diagonal(), 0.0))
    kept = np.flatnonzero(scale)
    S = Q[np.ix_(kept, kept)] / np.outer(scale[kept], scale[kept])
    factor, pivots, rank, _ = scipy.linalg.lapack.dpstrf(S, tol=10 * n * np.finfo(float).eps, lower=0)
    U = np.zeros((rank, n))
    U[:, kept[pivots - 1]] = np.triu(factor)[:rank]
    return U * scale


def _sparse_root(Q: Any) -> Any:
    size = Q.diagonal()
    if (size > 0.0).all():
        scale = sp.diags_array(1.0 / np.sqrt(size), format="csc")
        try:
            L, D, order = qdldl.Solver(sp.triu(scale @ Q @ scale, format="csc"), upper=True).factors()
        except (RuntimeError, ValueError):  # QDLDL's for a zero pivot, which is not definite, and for an empty matrix
            return _dense_root(Q.toarray())
        if (D > 1e-10).all():
            back = np.empty(len(D), np.int64)
            back[order] = np.arange(len(D))
            U = sp.diags_array(np.sqrt(D)) @ (sp.csc_array(L) + sp.eye_array(len(D))).T
            return sp.csc_array(U)[:, back] @ sp.diags_array(np.sqrt(size))
    return _dense_root(Q.toarray())


def _refuse(Q: Any) -> NoReturn:
    words, hint = "a negative eigenvalue", ""
    if Q.shape[0] <= _LARGEST_SPECTRUM:
        values = np.linalg.eigvalsh(Q.toarray())
        words = f"the eigenvalue {values[0]:.3g}"
        small = 1e-8 * np.abs(values).max()
        if np.sum(values < -small) == 1 and values[-1] > small:  # as of norm(x)^2 - t^2 and norm(x)^2 - 2 t u
            hint = " If it says t >= norm(x) or 2 t u >= norm(x)^2, write it in SecondOrderCone or its rotated form."
    raise UnsupportedConstraint(
        f"A quadratic constraint that is not convex cannot be solved here: the matrix Q of its quadratic part "
        f"½ xᵀQx, written with <=, has {words}. (An equality is two inequalities, one of which is not convex.){hint}"
    )


def cone_of_row(row: Rows, sign: float, bound: float) -> Rows:
    """The rows (1, b - g - aᵀx, Ux)."""
    ids = np.unique(np.concatenate([row.qvar1, row.qvar2]))
    i, j = np.searchsorted(ids, row.qvar1), np.searchsorted(ids, row.qvar2)
    half = sp.csr_array(sp.coo_array((sign * row.qcoef, (i, j)), shape=(len(ids), len(ids))))
    Q = sp.csr_array(half + half.T)
    Q.eliminate_zeros()
    U = sp.coo_array(square_root(Q)) if len(ids) else sp.coo_array((0, 0))
    constant = np.zeros(2 + U.shape[0])
    constant[:2] = 1.0, sign * (bound - row.constant[0])
    return Rows(
        constant,
        np.concatenate([np.ones(len(row.var), np.int64), 2 + U.row.astype(np.int64)]),
        np.concatenate([row.var, ids[U.col]]),
        np.concatenate([-sign * row.coef, U.data]),
    )
