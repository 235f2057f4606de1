r"""Cones of positive semidefinite matrices.

With V = Q diag(λ) Qᵀ the projection is Q diag(λ⁺) Qᵀ. Its derivative takes dV to Q (Δ ∘ (Qᵀ dV Q)) Qᵀ, where

    Δ_ij = (λ_i⁺ - λ_j⁺) / (λ_i - λ_j),   and 1 where both λ are nonnegative, 0 where both are negative

(D. Sun, J. Sun, *Semismooth matrix-valued functions*, Mathematics of Operations Research 27 (2002), 150-169). In
scaled coordinates svec, with √2 off the diagonal, dV ↦ Qᵀ dV Q is orthogonal: it is Uᵀ, and δ = triangle of Δ. U
itself is never formed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arrays import FloatArray
from .cone import NativeCone
from .matrix_cone import MatrixCone
from .spectrum import KINK_TOLERANCE, Spectrum, checked_points, kink_widths, normalized
from .triangles import matrix_of, position, square_to_matrix, triangle_of, triangle_size, triangle_weights

__all__ = [
    "CongruenceSpectrum",
    "HermitianPositiveSemidefiniteConeTriangle",
    "PositiveSemidefiniteConeSquare",
    "PositiveSemidefiniteConeTriangle",
    "ScaledPositiveSemidefiniteConeTriangle",
]

_CHUNK = 100_000
"""Entries of matrices that are rotated at once."""


@final
class PositiveSemidefiniteConeTriangle(MatrixCone):
    """Positive semidefinite matrices, given by the upper triangle column by column, entries as they are.

    The inner product is that of the matrices, the trace of the product, so it counts off-diagonal entries
    twice; with it the cone is its own dual.

    Parameters
    ----------
    side : number of rows of the matrices; the dimension is side (side + 1) / 2

    Examples
    --------
    >>> PositiveSemidefiniteConeTriangle(2).violation([1.0, 2.0, 4.0])
    0.0
    >>> PositiveSemidefiniteConeTriangle(2).weights
    array([1., 2., 1.])
    """

    __slots__ = ()

    @staticmethod
    def _dimension_of(side: int) -> int:
        return triangle_size(side)

    @property
    def weights(self) -> FloatArray:
        """1 on the diagonal, 2 off it."""
        return triangle_weights(self.side)

    def dual_set(self) -> PositiveSemidefiniteConeTriangle:
        """Itself."""
        return self

    def _distance(self, x: FloatArray) -> float:
        return semidefinite_distance(matrix_of(x, self.side))


@final
class ScaledPositiveSemidefiniteConeTriangle(MatrixCone, NativeCone):
    """Positive semidefinite matrices, given by the upper triangle column by column, √2 on off-diagonal entries.

    With the plain inner product the cone is its own dual.

    Parameters
    ----------
    side : number of rows of the matrices; the dimension is side (side + 1) / 2

    Examples
    --------
    >>> cone = ScaledPositiveSemidefiniteConeTriangle(2)
    >>> cone.project([[0.0, np.sqrt(2.0), 0.0]]) / [1.0, np.sqrt(2.0), 1.0]
    array([[0.5, 0.5, 0.5]])
    """

    __slots__ = ()

    @staticmethod
    def _dimension_of(side: int) -> int:
        return triangle_size(side)

    def dual_set(self) -> ScaledPositiveSemidefiniteConeTriangle:
        """Itself."""
        return self

    def project(self, points: ArrayLike) -> FloatArray:
        """The positive parts of the eigenvalues."""
        v, power = normalized(checked_points(points, self.dimension, repr(self)))
        values, Q = np.linalg.eigh(matrix_of(v, self.side, scaled=True))
        p = triangle_of((Q * np.maximum(values, 0.0)[:, None, :]) @ Q.transpose(0, 2, 1), scaled=True)
        member = values[:, 0] >= 0.0
        p[member] = v[member]
        return np.ldexp(p, power[:, None])

    def spectrum(
        self, points: ArrayLike, *, tolerance: float = KINK_TOLERANCE, scale: ArrayLike = 0.0
    ) -> CongruenceSpectrum:
        """In closed form from the eigenvalues; U is applied in O(side³)."""
        v, power = normalized(checked_points(points, self.dimension, repr(self)))
        values, Q = np.linalg.eigh(matrix_of(v, self.side, scaled=True))
        first, second = values[:, :, None], values[:, None, :]
        positive = values >= 0.0
        mixed = positive[:, :, None] != positive[:, None, :]
        gap = np.where(mixed, np.abs(first) + np.abs(second), 1.0)
        slope = np.where(mixed, np.maximum(np.maximum(first, second), 0.0) / gap, positive[:, :, None])
        small = np.abs(values) <= kink_widths(v, power, tolerance, scale)[:, None]
        kink = small[:, :, None] & small[:, None, :]
        return CongruenceSpectrum(triangle_of(slope), triangle_of(kink.astype(np.float64)) > 0.0, Q)


@final
@dataclass(frozen=True, slots=True, eq=False)
class CongruenceSpectrum(Spectrum):
    """Uᵀ is svec(V) ↦ svec(Qᵀ V Q).

    Attributes
    ----------
    Q : array of shape (k, side, side)
        Eigenvectors of the points' matrices, in columns, eigenvalues ascending.
    """

    Q: FloatArray

    def _congruence(self, values: FloatArray, Q: FloatArray) -> FloatArray:
        """svec(Qᵀ smat(column) Q) of every column."""
        k, n, _ = Q.shape
        m = values.shape[2]
        at_once = max(_CHUNK // max(Q.size, 1), 1)
        if m > at_once:  # in pieces that stay in the cache
            pieces = [self._congruence(values[:, :, i : i + at_once], Q) for i in range(0, m, at_once)]
            return np.concatenate(pieces, axis=2)
        matrices = matrix_of(values.transpose(0, 2, 1), n, scaled=True)
        half = (matrices.reshape(k, m * n, n) @ Q).reshape(k, m, n, n)  # V Q, one large product
        half = np.ascontiguousarray(half.transpose(0, 1, 3, 2))  # Qᵀ V, as V is symmetric
        full = (half.reshape(k, m * n, n) @ Q).reshape(k, m, n, n)
        return triangle_of(full, scaled=True).transpose(0, 2, 1)

    def _to_axes(self, values: FloatArray) -> FloatArray:
        return self._congruence(values, self.Q)

    def _from_axes(self, values: FloatArray) -> FloatArray:
        return self._congruence(values, np.ascontiguousarray(self.Q.transpose(0, 2, 1)))


@final
class PositiveSemidefiniteConeSquare(MatrixCone):
    """Symmetric positive semidefinite matrices, given by all entries column by column.

    A dual need not be symmetric: feasible are the Y with Y + Yᵀ positive semidefinite, which is none of the
    sets here.

    Parameters
    ----------
    side : number of rows of the matrices; the dimension is side²

    Examples
    --------
    >>> PositiveSemidefiniteConeSquare(2).violation([1.0, 2.0, 2.0, 4.0])
    0.0
    """

    __slots__ = ()

    @staticmethod
    def _dimension_of(side: int) -> int:
        return side * side

    def _distance(self, x: FloatArray) -> float:
        return semidefinite_distance(square_to_matrix(x, self.side))

    def _dual_distance(self, y: FloatArray) -> float:
        Y = square_to_matrix(y, self.side)
        return semidefinite_distance(0.5 * (Y + Y.T))


@final
class HermitianPositiveSemidefiniteConeTriangle(MatrixCone):
    """Positive semidefinite complex Hermitian matrices.

    Given by the real parts of the upper triangle column by column, then the imaginary parts of the strict
    upper triangle column by column. The inner product is that of the matrices, so it counts what is off the
    diagonal twice; with it the cone is its own dual.

    Parameters
    ----------
    side : number of rows of the matrices; the dimension is side²

    Examples
    --------
    >>> HermitianPositiveSemidefiniteConeTriangle(2).violation([1.0, 0.0, 1.0, -1.0])
    0.0
    >>> HermitianPositiveSemidefiniteConeTriangle(2).weights
    array([1., 2., 1., 2.])
    """

    __slots__ = ()

    @staticmethod
    def _dimension_of(side: int) -> int:
        return side * side

    @property
    def weights(self) -> FloatArray:
        """1 on the diagonal, 2 for real and imaginary parts off it."""
        off_diagonal = triangle_size(self.side - 1)
        return np.concatenate([triangle_weights(self.side), np.full(off_diagonal, 2.0)])

    def dual_set(self) -> HermitianPositiveSemidefiniteConeTriangle:
        """Itself."""
        return self

    def matrix(self, x: ArrayLike) -> NDArray[np.complex128]:
        """The complex matrix that x stands for."""
        point, n = np.asarray(x, np.float64), self.side
        result = matrix_of(point[: triangle_size(n)], n).astype(np.complex128)
        if n > 1:
            # The strict triangle of side n is the triangle of side n - 1, one column further.
            imaginary = np.zeros((n, n))
            imaginary[:-1, 1:] = np.triu(point[triangle_size(n) :][position(n - 1)])
            result += 1j * (imaginary - imaginary.T)
        return result

    def _distance(self, x: FloatArray) -> float:
        return semidefinite_distance(self.matrix(x))


def nearest_semidefinite(matrix: NDArray[Any]) -> NDArray[Any]:
    """The positive semidefinite matrix nearest to a real or complex one, in the Frobenius norm."""
    hermitian: NDArray[Any] = 0.5 * (matrix + matrix.conj().T)
    values, Q = np.linalg.eigh(hermitian)
    if values[0] >= 0.0:
        return hermitian
    result: NDArray[Any] = (Q * np.maximum(values, 0.0)) @ Q.conj().T
    return result


def semidefinite_distance(matrix: NDArray[Any]) -> float:
    """Frobenius distance from the positive semidefinite matrices."""
    return float(np.linalg.norm(matrix - nearest_semidefinite(matrix)))
