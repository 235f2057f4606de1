"""Factorizations of AᵀA + diag(d): by n × n, by m × m where A has fewer rows than columns, or sparse."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse as sp
import scipy.sparse.linalg

from ...modelkit.arrays import FloatArray

__all__ = ["Factor", "factorized", "factorized_gram"]

Factor = Callable[[FloatArray], FloatArray]
"""Solves for right-hand sides (n,) or (n, k)."""


def factorized_gram(gram: FloatArray, diagonal: FloatArray) -> Factor:
    """What solves (G + diag(d)) x = r for G (n, n), positive semidefinite, and d (n,), positive.

    Examples
    --------
    >>> factorized_gram(np.ones((2, 2)), np.ones(2))(np.array([3.0, 0.0]))
    array([ 2., -1.])
    """
    factor = scipy.linalg.cho_factor(gram + np.diag(diagonal), check_finite=False)
    return partial(scipy.linalg.cho_solve, factor, check_finite=False)


def factorized(A: Any, diagonal: FloatArray) -> Factor:
    """What solves (AᵀA + diag(d)) x = r for A (m, n), dense or sparse, and d (n,), positive.

    Examples
    --------
    >>> factorized(np.array([[1.0, 1.0]]), np.ones(2))(np.array([3.0, 0.0]))
    array([ 2., -1.])
    """
    if sp.issparse(A):
        system = (A.T @ A + sp.diags_array(diagonal)).tocsc()
        options = {"SymmetricMode": True, "DiagPivotThresh": 0.0}
        solve: Factor = scipy.sparse.linalg.splu(system, permc_spec="MMD_AT_PLUS_A", options=options).solve
        return solve
    if A.shape[0] >= A.shape[1]:
        return factorized_gram(A.T @ A, diagonal)
    # (D + AᵀA)⁻¹ = D⁻¹ − D⁻¹Aᵀ (I + A D⁻¹Aᵀ)⁻¹ A D⁻¹   (Woodbury 1950)
    scaled = A / diagonal
    small = scipy.linalg.cho_factor(np.eye(len(A)) + scaled @ A.T, check_finite=False)

    def solve_small(r: FloatArray) -> FloatArray:
        plain = (r.T / diagonal).T
        return np.asarray(plain - scaled.T @ scipy.linalg.cho_solve(small, A @ plain, check_finite=False))

    return solve_small
