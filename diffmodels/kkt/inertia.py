"""Whether a stationary point is a strict local minimum: the inertia of the KKT matrix.

``[[P, A₁ᵀ], [A₁, 0]]`` has as many negative eigenvalues as A₁ has independent rows if and only if P is positive
definite in all directions that A₁ leaves (Gould 1985). The signs of the pivots of an L D L' factorization tell how
many there are (Sylvester).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import qdldl
import scipy.linalg as sla
import scipy.sparse as sp

from ...modelkit.convexity import is_positive_semidefinite
from .equilibrate import ruiz_scaling, scaled

__all__ = ["is_minimum"]

_SHIFTS = (1e-10, 1e-8, 1e-6)
_DENSE = 400


def is_minimum(P: Any, A: Any) -> bool:
    """Whether P is positive semidefinite in the null space of A, up to rounding errors.

    Parameters
    ----------
    P : (n, n), symmetric; A : (m, n)

    Examples
    --------
    >>> import numpy as np
    >>> P, A = np.diag([1.0, -1.0]), np.array([[0.0, 1.0]])
    >>> is_minimum(P, A), is_minimum(P, A[:0])
    (True, False)
    """
    P, A = sp.csc_array(P), sp.csr_array(A)
    if is_positive_semidefinite(P):
        return True
    n, m = P.shape[0], A.shape[0]
    scale = ruiz_scaling(P, A)
    K = sp.csc_array(scaled(sp.csc_array(sp.block_array([[P, A.T], [A, None]]) if m else P), scale))
    signs = np.concatenate([np.ones(n), -np.ones(m)])
    if n + m <= _DENSE:
        values = sla.eigvalsh(K.toarray() + np.diag(_SHIFTS[0] * signs), check_finite=False)
        return bool((values < 0.0).sum() == m)
    upper = sp.triu(K, format="csc")
    for shift in _SHIFTS:  # without pivoting small ones may be lost in rounding errors
        try:
            shifted = sp.csc_matrix(upper + sp.diags_array(shift * signs, format="csc"))
            pivots = np.asarray(qdldl.Solver(shifted, upper=True).factors()[1])
        except Exception:  # QDLDL has no exception type of its own; a zero pivot means that there is no factorization
            continue
        if (pivots < 0.0).sum() == m:
            return True
    return False
