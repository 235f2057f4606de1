"""Blocks of least squares for the tests, and answers from elsewhere."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import scipy.linalg
import scipy.optimize
import scipy.sparse as sp

Blocks = list[tuple[Any, np.ndarray]]

KINDS = ("plain", "correlated", "scaled", "heterogeneous", "wide", "sparse")


def blocks(kind: str, seed: int = 0, count: int = 4, m: int = 40, n: int = 15) -> Blocks:
    """So many (A, b); x has zeros, and noise makes multipliers."""
    rng = np.random.default_rng(seed)
    A: list[Any] = [rng.standard_normal((m, n)) for _ in range(count)]
    if kind == "correlated":
        root = scipy.linalg.cholesky(scipy.linalg.toeplitz(0.97 ** np.arange(n)))
        A = [a @ root for a in A]
    elif kind == "scaled":
        units = 10.0 ** rng.uniform(-4, 4, n)
        A = [a * units for a in A]
    elif kind == "heterogeneous":
        A = [a * 10.0 ** rng.uniform(-2, 2, n) for a in A]
    elif kind == "wide":
        A = [a[: n // 3 + 1] for a in A]
    elif kind == "sparse":  # every column stands in one block at least
        A = [a * ((rng.random(n) < 0.4) | (np.arange(n) % count == k)) for k, a in enumerate(A)]
    lengths = np.sqrt(sum((a**2).sum(axis=0) for a in A))
    x = np.maximum(rng.standard_normal(n), 0.0) / lengths
    b = [a @ x + 0.05 * rng.standard_normal(len(a)) for a in A]
    return [(sp.csr_array(a) if kind == "sparse" else a, one) for a, one in zip(A, b, strict=True)]


def sources(data: Blocks) -> list[Callable[[], Any]]:
    """For each block a callable that any process understands."""
    return [partial(pickle.loads, pickle.dumps(block)) for block in data]


def stacked(data: Blocks) -> tuple[np.ndarray, np.ndarray]:
    """All rows in one matrix and one vector."""
    dense = [A.toarray() if sp.issparse(A) else A for A, _ in data]
    return np.vstack(dense), np.concatenate([b for _, b in data])


def by_nnls(data: Blocks, nonnegative: bool = True, ridge: float = 0.0, lasso: float = 0.0) -> np.ndarray:
    """The solution by SciPy: x = p − q with p, q >= 0 where x is free, ridge and lasso as rows and a linear term.

    A linear term lasso 1ᵀx is completed to squares in the triangular factor of A: ‖Rx − R⁻ᵀ(Aᵀb − lasso 1)‖².
    """
    A, b = stacked(data)
    n = A.shape[1]
    tall = np.vstack([A, np.sqrt(ridge) * np.eye(n)])
    R = scipy.linalg.qr(tall, mode="r")[0][:n]
    c = A.T @ b
    if nonnegative:
        return scipy.optimize.nnls(R, scipy.linalg.solve_triangular(R, c - lasso, trans="T"))[0]
    if not lasso:
        return scipy.linalg.cho_solve((R, False), c)
    # the sign pattern by coordinate descent, then the equations on it
    K, x = R.T @ R, np.zeros(n)
    for _ in range(20000):
        before = x.copy()
        for j in range(n):
            pulled = c[j] - K[j] @ x + K[j, j] * x[j]
            x[j] = np.sign(pulled) * max(abs(pulled) - lasso, 0.0) / K[j, j]
        if np.all(np.abs(x - before) <= 1e-12 * np.abs(x)):
            break
    S = x != 0.0
    x[S] = np.linalg.solve(K[np.ix_(S, S)], (c - lasso * np.sign(x))[S])
    return x
