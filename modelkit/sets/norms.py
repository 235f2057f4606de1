"""Epigraphs of norms of vectors and of matrices.

Duality of norms makes the dual cone the epigraph of the dual norm. Axis order of MathOptInterface: the bound
first.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Self, final

import numpy as np

from ..arrays import FloatArray
from ..errors import InvalidData
from ..numeric import real_number
from .abstract_set import VectorSet, whole_number

__all__ = ["NormCone", "NormInfinityCone", "NormNuclearCone", "NormOneCone", "NormSpectralCone"]


class _Epigraph(VectorSet):
    """``{(t, x) : t >= norm(x)}``."""

    __slots__ = ()
    smallest: ClassVar[int] = 1

    @abstractmethod
    def _norm(self, x: FloatArray) -> float:
        """The norm."""

    def _distance(self, x: FloatArray) -> float:
        return max(self._norm(x[1:]) - float(x[0]), 0.0)  # raising t alone: a bound on the distance


@final
class NormOneCone(_Epigraph):
    """``{(t, x) : t >= sum(abs(x))}`` in R^dimension; its dual cone is `NormInfinityCone`.

    Parameters
    ----------
    dimension : 1 + the length of x

    Examples
    --------
    >>> NormOneCone(3).violation([2.0, 1.0, -2.0])
    1.0
    """

    __slots__ = ()

    def dual_set(self) -> NormInfinityCone:
        """The epigraph of the largest entry."""
        return NormInfinityCone(self.dimension)

    def _norm(self, x: FloatArray) -> float:
        return float(np.abs(x).sum())


@final
class NormInfinityCone(_Epigraph):
    """``{(t, x) : t >= max(abs(x))}`` in R^dimension; its dual cone is `NormOneCone`.

    Parameters
    ----------
    dimension : 1 + the length of x

    Examples
    --------
    >>> NormInfinityCone(3).violation([2.0, 1.0, -2.0])
    0.0
    """

    __slots__ = ()

    def dual_set(self) -> NormOneCone:
        """The epigraph of the sum of the absolute values."""
        return NormOneCone(self.dimension)

    def _norm(self, x: FloatArray) -> float:
        return float(np.abs(x).max(initial=0.0))


@final
class NormCone(_Epigraph):
    """``{(t, x) : t >= sum(abs(x)^p)^(1/p)}`` in R^dimension; its dual cone has the exponent p / (p - 1).

    Parameters
    ----------
    p : exponent, from one to infinity
    dimension : 1 + the length of x

    Examples
    --------
    >>> NormCone(3.0, 3).dual_set()
    NormCone(1.5, 3)
    """

    __slots__ = ("p",)

    def __init__(self, p: float, dimension: int) -> None:
        super().__init__(dimension)
        self.p = real_number(p, "The exponent of a norm")
        if not self.p >= 1.0:
            raise InvalidData(
                f"NormCone needs an exponent p of at least 1, got {p!r}: below, it is no norm and the set not convex."
            )

    @property
    def shape(self) -> tuple[float, ...]:
        """(p, dimension)."""
        return (self.p, self.dimension)

    @classmethod
    def build(cls, shape: tuple[float, ...], numbers: FloatArray) -> Self:
        """The cone of this shape."""
        return cls(shape[0], int(shape[1]))

    def dual_set(self) -> NormCone:
        """The epigraph of the norm with exponent q, 1/p + 1/q = 1."""
        if self.p == 1.0:
            return NormCone(np.inf, self.dimension)
        return NormCone(1.0 if self.p == np.inf else self.p / (self.p - 1.0), self.dimension)

    def _norm(self, x: FloatArray) -> float:
        largest = float(np.abs(x).max(initial=0.0))
        if largest == 0.0 or self.p == np.inf:
            return largest
        return largest * float(np.sum((np.abs(x) / largest) ** self.p) ** (1.0 / self.p))

    def __repr__(self) -> str:
        return f"NormCone({self.p!r}, {self.dimension})"


class _MatrixEpigraph(_Epigraph):
    """``{(t, X) : t >= norm(X)}``, X column by column."""

    __slots__ = ("columns", "rows")

    def __init__(self, rows: int, columns: int) -> None:
        name = type(self).__name__
        self.rows = whole_number(rows, 1, f"{name} takes a number of rows, a whole number")
        self.columns = whole_number(columns, 1, f"{name} takes a number of columns, a whole number")
        super().__init__(1 + self.rows * self.columns)

    @property
    def shape(self) -> tuple[float, ...]:
        """(rows, columns)."""
        return (self.rows, self.columns)

    @classmethod
    def build(cls, shape: tuple[float, ...], numbers: FloatArray) -> Self:
        """The cone of this shape."""
        return cls(int(shape[0]), int(shape[1]))

    def _singular_values(self, x: FloatArray) -> FloatArray:
        return np.asarray(np.linalg.svd(x.reshape(self.columns, self.rows).T, compute_uv=False), np.float64)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.rows}, {self.columns})"


@final
class NormSpectralCone(_MatrixEpigraph):
    """``{(t, X) : t >= largest singular value of X}``, X column by column; its dual cone is `NormNuclearCone`.

    Parameters
    ----------
    rows, columns : of X; the dimension is 1 + rows * columns

    Examples
    --------
    >>> NormSpectralCone(2, 2).violation([2.0, 3.0, 0.0, 0.0, 1.0])
    1.0
    """

    __slots__ = ()

    def dual_set(self) -> NormNuclearCone:
        """The epigraph of the nuclear norm."""
        return NormNuclearCone(self.rows, self.columns)

    def _norm(self, x: FloatArray) -> float:
        return float(self._singular_values(x)[0])


@final
class NormNuclearCone(_MatrixEpigraph):
    """``{(t, X) : t >= sum of the singular values of X}``, X column by column; its dual is `NormSpectralCone`.

    Parameters
    ----------
    rows, columns : of X; the dimension is 1 + rows * columns

    Examples
    --------
    >>> NormNuclearCone(2, 2).violation([2.0, 3.0, 0.0, 0.0, 1.0])
    2.0
    """

    __slots__ = ()

    def dual_set(self) -> NormSpectralCone:
        """The epigraph of the largest singular value."""
        return NormSpectralCone(self.rows, self.columns)

    def _norm(self, x: FloatArray) -> float:
        return float(self._singular_values(x).sum())
