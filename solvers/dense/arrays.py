"""Arrays of any library that keeps to the array API standard, and what the standard lacks: triangular factors.

Everything is written in the functions of an array's own library, so that nothing leaves a device. NumPy's arrays are
served by LAPACK in place, one matrix at a time: NumPy has no triangular solve of its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, final

import numpy as np
from scipy.linalg import blas, lapack

from ...modelkit.errors import InvalidData

__all__ = [
    "Array",
    "Cholesky",
    "Namespace",
    "cholesky",
    "has_fixed_shapes",
    "largest",
    "namespace_of",
    "remaining",
    "taken",
    "times",
]

Array = Any
"""An array of any library that keeps to the standard (https://data-apis.org/array-api), of 64-bit floats."""
Namespace = Any
"""The functions of such a library."""


def namespace_of(*arrays: Array) -> Namespace:
    """The functions for these arrays.

    Raises
    ------
    InvalidData
        If they are of several libraries, or of none that is known.
    ImportError
        If they are not NumPy's and ``array-api-compat`` is not installed.
    """
    if all(isinstance(one, (np.ndarray, float, int)) for one in arrays):
        return np
    try:
        from array_api_compat import array_namespace
    except ImportError:
        raise ImportError(
            "Arrays that are not NumPy's need the package array-api-compat: pip install 'optangent[arrays]'."
        ) from None
    try:
        return array_namespace(*arrays)
    except TypeError as error:
        kinds = sorted({f"{type(one).__module__.split('.')[0]}.{type(one).__name__}" for one in arrays})
        raise InvalidData(
            f"The arrays are of {', '.join(kinds)}: all must be of one library that keeps to the array API standard, "
            f"as those of NumPy, PyTorch and JAX do ({error})."
        ) from None


def times(M: Array, v: Array) -> Array:
    """(B, k): M (b, k, n) times v (B, n)."""
    return (M @ v[..., None])[..., 0]


def largest(xp: Namespace, values: Array) -> Array:
    """(B,): the largest sizes in the rows of (B, k); zero where k is."""
    if not values.shape[-1]:
        return xp.sum(values, axis=-1)
    return xp.max(xp.abs(values), axis=-1)


def taken(values: Array, items: Array) -> Array:
    """Some items of a stack; the only one of a stack of length 1 is that of all."""
    return values if values.shape[0] == 1 else values[items]


def has_fixed_shapes(xp: Namespace) -> bool:
    """Whether a new shape costs as much as many steps: JAX compiles every operation for it."""
    return bool(xp.__name__.startswith("jax"))


def remaining(xp: Namespace, mask: Array) -> Array:
    """The items of (B,) that are worked on: those of the mask, or all if a stack is better left as it is."""
    if has_fixed_shapes(xp) and bool(xp.any(mask)):
        return xp.arange(mask.shape[0])
    return xp.nonzero(mask)[0]


class Cholesky(ABC):
    """The factors L of ``M = L Lᵀ`` for a stack (b, n, n); vectors are rows, (B, k, n), for b = B or b = 1.

    Attributes
    ----------
    definite : (b,) whether there is a factor; what is solved with another is worthless
    pivots : (b, n) squares of the diagonal of L
    """

    definite: Array
    pivots: Array

    @abstractmethod
    def half(self, rows: Array) -> Array:
        """``v ↦ L⁻¹v`` for each row."""

    @abstractmethod
    def back(self, rows: Array) -> Array:
        """``v ↦ L⁻ᵀv`` for each row."""

    def solve(self, rows: Array) -> Array:
        """``v ↦ M⁻¹v`` for each row."""
        return self.back(self.half(rows))

    @abstractmethod
    def take(self, items: Array) -> Cholesky:
        """Those of some matrices."""


def cholesky(xp: Namespace, M: Array) -> Cholesky:
    """The factors of symmetric matrices (b, n, n), which are consumed."""
    return _InPlace.of(M) if xp is np else _Stacked.of(xp, M)


@final
class _InPlace(Cholesky):
    """NumPy: the upper triangle of each matrix in C order, which is the lower one in Fortran order, becomes L."""

    def __init__(self, factors: np.ndarray, definite: np.ndarray, pivots: np.ndarray) -> None:
        self._factors, self.definite, self.pivots = factors, definite, pivots

    @classmethod
    def of(cls, M: np.ndarray) -> _InPlace:
        factors = np.ascontiguousarray(M)
        definite = np.ones(len(M), bool)
        for k, one in enumerate(factors):
            if lapack.dpotrf(one.T, lower=1, clean=0, overwrite_a=1)[1]:
                definite[k] = False
                one[...] = np.eye(len(one))
        return cls(factors, definite, np.diagonal(factors, axis1=1, axis2=2) ** 2)

    def half(self, rows: np.ndarray) -> np.ndarray:
        return self._by(rows, 0)

    def back(self, rows: np.ndarray) -> np.ndarray:
        return self._by(rows, 1)

    def _by(self, rows: np.ndarray, transposed: int) -> np.ndarray:
        factors, (B, k, n) = self._factors, rows.shape
        B = max(B, len(factors))
        out = np.array(np.broadcast_to(rows, (B, k, n)), order="C")
        if not out.size:
            return out
        if len(factors) == 1:
            blas.dtrsm(1.0, factors[0].T, out.reshape(B * k, n).T, lower=1, trans_a=transposed, overwrite_b=1)
        else:
            for L, one in zip(factors, out, strict=True):
                blas.dtrsm(1.0, L.T, one.T, lower=1, trans_a=transposed, overwrite_b=1)
        return out

    def take(self, items: np.ndarray) -> _InPlace:
        return _InPlace(*(taken(part, items) for part in (self._factors, self.definite, self.pivots)))


@final
class _Stacked(Cholesky):
    """Any library: all matrices at once."""

    def __init__(self, xp: Namespace, L: Array, definite: Array, pivots: Array) -> None:
        self._xp, self._L, self.definite, self.pivots = xp, L, definite, pivots

    @classmethod
    def of(cls, xp: Namespace, M: Array) -> _Stacked:
        L = _factors(xp, M)
        diagonal = xp.linalg.diagonal(L)
        definite = xp.all(xp.isfinite(diagonal), axis=-1) & xp.all(diagonal > 0.0, axis=-1)
        eye = xp.eye(M.shape[-1], dtype=M.dtype, device=M.device)
        L = xp.where(definite[:, None, None], L, eye)
        return cls(xp, L, definite, xp.linalg.diagonal(L) ** 2)

    def half(self, rows: Array) -> Array:
        return _triangular(self._xp, self._L, rows, transposed=False)

    def back(self, rows: Array) -> Array:
        return _triangular(self._xp, self._L, rows, transposed=True)

    def take(self, items: Array) -> _Stacked:
        return _Stacked(self._xp, *(taken(part, items) for part in (self._L, self.definite, self.pivots)))


def _factors(xp: Namespace, M: Array) -> Array:
    """Lower factors; of a matrix that is not definite, something that is not finite or not positive."""
    library = xp.__name__.rpartition(".")[2]
    if library == "torch":
        import torch

        L, info = torch.linalg.cholesky_ex(M)
        return torch.where((info == 0)[:, None, None], L, torch.full_like(L, float("nan")))
    return xp.linalg.cholesky(M)  # JAX's are NaN


def _triangular(xp: Namespace, L: Array, rows: Array, *, transposed: bool) -> Array:
    """``L⁻¹`` or ``L⁻ᵀ`` times rows."""
    B = max(L.shape[0], rows.shape[0])
    rows = xp.broadcast_to(rows, (B, *rows.shape[1:]))
    if not rows.shape[1] or not rows.shape[2]:
        return rows
    library = xp.__name__.rpartition(".")[2]
    if library == "torch":
        import torch

        # rows on the left: v'L⁻ᵀ = (L⁻¹v)'
        factor = L if transposed else L.mT
        return torch.linalg.solve_triangular(factor, rows, upper=not transposed, left=False)
    L = xp.broadcast_to(L, (B, *L.shape[1:]))
    if library == "numpy" and "jax" in xp.__name__:
        from jax.scipy.linalg import solve_triangular

        return solve_triangular(L, rows.mT, trans=int(transposed), lower=True).mT
    return xp.linalg.solve(L.mT if transposed else L, rows.mT).mT
