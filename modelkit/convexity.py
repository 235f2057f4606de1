"""Whether a quadratic function is convex, and the refusal of one that is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import qdldl
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.linalg import lapack

from .errors import NonconvexObjective
from .form.form import Form
from .form.products import as_array
from .sizes import largest_size

__all__ = ["is_convex", "is_positive_semidefinite", "require_convex"]

# In units of the scaled matrix, whose diagonal is at most one: well above the rounding error of a product M
# M' (1e-16 times a dimension), well below a negative eigenvalue that means anything.
_TOLERANCE = 1e-8
# Diagonal entries below this share of the largest entry are not scaled up further: they may be rounding
# errors.
_SMALLEST_DIAGONAL = 1e-12
_DENSE_SIZE = 200
_DENSE_SHARE = 0.25


def require_convex(P: sp.csc_array, sign: float, who: str) -> None:
    """Raise `NonconvexObjective` unless ``½xᵀPx`` is convex; `sign` is -1 where P is of the negative, to maximize."""
    if P.nnz and not is_positive_semidefinite(P):
        shape = "convex to be minimized" if sign > 0 else "concave to be maximized"
        raise NonconvexObjective(
            f"{who} needs a quadratic objective that is {shape}: the symmetric matrix Q of ½xᵀQx has an eigenvalue "
            "of the wrong sign. Check the signs of the quadratic terms and the sense."
        )


def is_convex(form: Form) -> bool:
    """Whether a form is a convex program: its objective, and its quadratic rows on the sides that they are bounded."""
    if form.P.nnz and not is_positive_semidefinite(form.P):
        return False
    curved = form.curvature
    if curved is None:
        return True
    size = np.zeros(form.m)
    np.maximum.at(size, curved.row, np.abs(curved.coef))
    for side, sign in ((form.row_upper, 1.0), (form.row_lower, -1.0)):
        kept = np.flatnonzero((np.abs(side) < np.inf)[curved.row] & (curved.coef != 0.0))
        row = curved.row[kept]
        # one block for each row, over its own variables, in units of its largest coefficient
        keys = np.concatenate([row * form.n + curved.first[kept], row * form.n + curved.second[kept]])
        places = np.unique(keys, return_inverse=True)[1]
        first, second, count = places[: len(row)], places[len(row) :], int(places.max(initial=-1)) + 1
        half = sp.csc_array(sp.coo_array((sign * curved.coef[kept] / size[row], (first, second)), shape=(count, count)))
        if count and not is_positive_semidefinite(sp.csc_array(half + half.T)):
            return False
    return True


def is_positive_semidefinite(P: Any) -> bool:
    r"""Return whether :math:`\tfrac12 (P + P^T)` is positive semidefinite, up to rounding error.

    The matrix is scaled to :math:`S_{ij} = P_{ij} / \sqrt{d_i d_j}`, with d its diagonal bounded below by
    1e-12 of its largest entry, so that the answer does not depend on the units of the variables. Then S +
    1e-8 I must be positive definite: by Cholesky's factorization if P is dense, and by the signs of the
    pivots of L D L' (Sylvester's law of inertia) if it is sparse.

    Parameters
    ----------
    P
        Square matrix (n, n), ndarray or scipy sparse.

    Returns
    -------
    bool
        False also if an entry is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> is_positive_semidefinite(np.array([[1.0, 1.0], [1.0, 1.0]]))
    True
    >>> is_positive_semidefinite(np.array([[1.0, 3.0], [3.0, 1.0]]))
    False
    """
    sparse = sp.issparse(P)
    if P.ndim != 2 or P.shape[0] != P.shape[1]:
        raise ValueError(f"P has shape {P.shape}, expected a square matrix")
    matrix: Any = sp.csc_array(P, dtype=np.float64) if sparse else np.asarray(P, dtype=np.float64)
    entries: Any = matrix.data if sparse else matrix
    n, largest = P.shape[0], largest_size(entries.ravel("K"))
    if not largest < np.inf:
        return False
    if largest == 0.0:
        return True
    diagonal = np.maximum(matrix.diagonal(), _SMALLEST_DIAGONAL * largest)
    if sparse and n > _DENSE_SIZE and matrix.nnz <= _DENSE_SHARE * n * n:
        return _is_sparse_semidefinite(matrix, 1.0 / np.sqrt(diagonal))
    dense = as_array(matrix) if sparse else matrix
    shifted = np.array(dense, order="F") if (dense == dense.T).all() else np.asfortranarray(0.5 * (dense + dense.T))
    # Cholesky's rounding errors are relative to the diagonal whatever its units are: they can stay.
    shifted[np.diag_indices(n)] += _TOLERANCE * diagonal
    _, info = lapack.dpotrf(shifted, lower=1, clean=0, overwrite_a=1)
    return bool(info == 0)


def _is_sparse_semidefinite(P: Any, scale: NDArray[np.float64]) -> bool:
    diagonal = P.diagonal()
    if P.count_nonzero() == np.count_nonzero(diagonal):
        return bool((diagonal * scale**2 >= -_TOLERANCE).all())
    unit = sp.diags_array(scale, format="csc")
    shifted = unit @ (0.5 * (P + P.T)) @ unit + _TOLERANCE * sp.eye_array(scale.size, format="csc")
    try:
        _, pivots, _ = qdldl.Solver(sp.triu(shifted, format="csc"), upper=True).factors()
    except Exception:  # QDLDL has no exception type of its own; a zero pivot means not definite.
        return False
    return bool((np.asarray(pivots) > 0.0).all())
