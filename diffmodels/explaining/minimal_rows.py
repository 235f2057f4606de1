"""Linear rows that contradict one another, each of them needed: seen by their rank, without another solve."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from ...modelkit.store.parameters import PARAMETERS
from ..kkt import Mask
from .parts import Parts

__all__ = ["is_minimal"]

_GAP = 1e-8
"""Part of the largest singular value above which the last but one must be."""
_MOST_NUMBERS = 2**22


def is_minimal(parts: Parts, kept: Mask) -> bool:
    """Whether each of these parts is needed for the proof that uses all of them.

    A proof is multipliers y, none of them zero, with Aᵀy = 0. If the k rows of A have rank k - 1 there are no others
    but multiples of y, so none does without one of the rows: by Farkas' lemma the others have a common point. (J.
    Gleeson, J. Ryan, *Identifying minimally infeasible subsystems of inequalities*, 1990, theorem 1.)

    Parameters
    ----------
    kept : (p,) parts all of which a proof uses

    Returns
    -------
    bool
        False where that is not seen: the rank is lower or in doubt, or there are curved rows, cones or integers.
    """
    chosen = np.flatnonzero(kept)
    if not parts.is_linear[chosen].all():
        return False
    row, var, coef = [], [], []
    for k in np.unique(parts.kind[chosen]).tolist():
        mine = np.flatnonzero(parts.kind[chosen] == k)
        block = parts.store.block(parts.kinds[k])
        first = np.cumsum(block.dims()) - block.dims()
        rows = block.all_rows().take(first[parts.number[chosen[mine]]] + parts.row[chosen[mine]])
        if rows.degree > 1:
            return False
        row.append(mine[rows.row])
        var.append(rows.var)
        coef.append(rows.coef)
    ids, column = np.unique(np.concatenate(var), return_inverse=True)
    count = len(chosen)
    if count * len(ids) > _MOST_NUMBERS:
        return False
    A = sp.coo_array((np.concatenate(coef), (np.concatenate(row), column)), (count, len(ids))).toarray()
    if parts.store.has_block(PARAMETERS):
        A = A[:, ~np.isin(ids, parts.store.block(PARAMETERS).all_rows().var)]
    size = np.linalg.norm(A, axis=1, keepdims=True)
    A = A / np.where(size > 0.0, size, 1.0)
    if count == 1:
        return not A.any()
    values = np.linalg.svd(A, compute_uv=False)
    return len(values) >= count - 1 and bool(values[count - 2] > _GAP * values[0])
