"""Which weakly active rows to keep, and whether the solution is unique."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg as sla
import scipy.optimize as spo
import scipy.sparse as sp

from ..modelkit.arrays import FloatArray, IntArray

__all__ = ["is_unique", "makes_unique", "spanning_rows"]

_RANK_TOLERANCE = 1e-9
# The linear program's optimum is zero or at least one, up to its feasibility tolerance.
_LP_TOLERANCE = 1e-3


def makes_unique(G: FloatArray) -> bool:
    r"""Return whether ``{z : G z <= 0}`` is ``{0}``.

    With G = (weakly active rows) times (basis of the directions that keep the objective and the strongly
    active rows as they are), this is uniqueness of the solution. By Stiemke's theorem it holds if and only if
    G has full column rank and :math:`G^T \\lambda = 0` for some :math:`\\lambda > 0`, which may be scaled to
    :math:`\\lambda \\ge 1`.
    """
    rows, columns = G.shape
    if columns == 0:
        return True
    if rows <= columns or _rank(G) < columns:
        return False
    answer = spo.linprog(np.zeros(rows), A_eq=G.T, b_eq=np.zeros(columns), bounds=(1.0, None), method="highs")
    return bool(answer.status == 0)


def is_unique(P: Any, strong: Any, weak: Any) -> bool:
    r"""Return whether ``{u : P u = 0, strong u = 0, weak u <= 0}`` is ``{0}``.

    Given that ``weak u = 0`` in place of the last condition implies u = 0. For when a basis of the directions
    that meet the first two would be too large: then the cone is ``{0}`` if the optimum of the linear program
    :math:`\max -\mathbf 1^T w,\ w = \mathrm{weak}\, u \in [-1, 0]` is zero.
    """
    weak = sp.csr_array(weak)
    equal = sp.vstack([sp.csr_array(P), sp.csr_array(strong)], format="csr")
    equal = equal[np.flatnonzero(np.diff(equal.indptr))]
    answer = spo.linprog(
        np.asarray(weak.sum(axis=0)).ravel(),
        A_ub=sp.vstack([weak, -weak]),
        b_ub=np.repeat([0.0, 1.0], weak.shape[0]),
        A_eq=equal if equal.shape[0] else None,
        b_eq=np.zeros(equal.shape[0]) if equal.shape[0] else None,
        bounds=(None, None),
        method="highs",
    )
    return bool(answer.status == 0 and answer.fun > -_LP_TOLERANCE)


def spanning_rows(G: FloatArray) -> IntArray:
    """Return the positions of independent rows of G, as many as its rank, by pivoted QR."""
    if not G.size:
        return np.zeros(0, dtype=np.int64)
    R, pivots = sla.qr(G.T, mode="r", pivoting=True, check_finite=False)
    diagonal = np.abs(np.diag(R))
    rank = int((diagonal > _RANK_TOLERANCE * diagonal.max(initial=0.0)).sum())
    return np.sort(np.asarray(pivots[:rank], dtype=np.int64))


def _rank(G: FloatArray) -> int:
    values = np.linalg.svd(G, compute_uv=False)
    return int((values > _RANK_TOLERANCE * values.max(initial=0.0)).sum())
