"""Hypographs of the logarithm and of the root of the determinant.

The dual cones are none of the sets here; `dual_violation` says whether numbers lie in them, with respect to the
inner product of the matrices (S. Boyd, L. Vandenberghe, *Convex Optimization* (2004), section 3.3, gives the
conjugate of log det).
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, final

import numpy as np

from ..arrays import FloatArray
from .geometric_mean import geometric_mean
from .matrix_cone import MatrixCone
from .semidefinite import nearest_semidefinite
from .triangles import matrix_of, square_to_matrix, triangle_size, triangle_weights

__all__ = ["LogDetConeSquare", "LogDetConeTriangle", "RootDetConeSquare", "RootDetConeTriangle"]


class _Hypograph(MatrixCone):
    """Numbers, then a matrix."""

    __slots__ = ()
    head: ClassVar[int]

    @abstractmethod
    def _matrix(self, x: FloatArray) -> FloatArray:
        """The matrix in x."""


class _Triangle(_Hypograph):
    """The matrix by its upper triangle, column by column; off-diagonal entries count twice."""

    __slots__ = ()

    @classmethod
    def _dimension_of(cls, side: int) -> int:
        return cls.head + triangle_size(side)

    @property
    def weights(self) -> FloatArray:
        """1, but 2 for the off-diagonal entries."""
        return np.concatenate([np.ones(self.head), triangle_weights(self.side)])

    def _matrix(self, x: FloatArray) -> FloatArray:
        return matrix_of(x[self.head :], self.side)


class _Square(_Hypograph):
    """The matrix by all its entries, column by column."""

    __slots__ = ()

    @classmethod
    def _dimension_of(cls, side: int) -> int:
        return cls.head + side * side

    def _matrix(self, x: FloatArray) -> FloatArray:
        return square_to_matrix(x[self.head :], self.side)


class _LogDet(_Hypograph):
    """``{(t, u, X) : t <= u log det(X / u), u > 0}``, closed."""

    __slots__ = ()
    head = 2

    def _distance(self, x: FloatArray) -> float:
        t, u = float(x[0]), float(x[1])
        X = self._matrix(x)
        near = nearest_semidefinite(X)
        outside = float(np.linalg.norm(X - near))
        # Two members nearby: t lowered, or u taken to zero.
        without = float(np.linalg.norm([max(t, 0.0), u, outside]))
        if u <= 0.0:
            return without
        excess = max(t - u * (_log_det(near) - self.side * np.log(u)), 0.0)
        return min(float(np.hypot(excess, outside)), without)

    def _dual_distance(self, y: FloatArray) -> float:
        # y1 >= y0 (log det(Y / -y0) + side), y0 < 0; with y0 = 0: y1 >= 0.
        y0, y1 = float(y[0]), float(y[1])
        Y = self._matrix(y)
        near = nearest_semidefinite(0.5 * (Y + Y.T))
        outside = float(np.linalg.norm(0.5 * (Y + Y.T) - near))
        without = float(np.linalg.norm([y0, max(-y1, 0.0), outside]))
        if y0 >= 0.0:
            return without
        least = y0 * (_log_det(near) - self.side * np.log(-y0) + self.side)
        return min(float(np.hypot(max(least - y1, 0.0), outside)), without)


class _RootDet(_Hypograph):
    """``{(t, X) : t <= det(X)^(1 / side)}``."""

    __slots__ = ()
    head = 1

    def _distance(self, x: FloatArray) -> float:
        X = self._matrix(x)
        near = nearest_semidefinite(X)
        excess = max(float(x[0]) - _root_det(near), 0.0)
        return float(np.hypot(excess, np.linalg.norm(X - near)))

    def _dual_distance(self, y: FloatArray) -> float:
        # 0 >= y0 >= -side det(Y)^(1 / side).
        y0, Y = float(y[0]), self._matrix(y)
        near = nearest_semidefinite(0.5 * (Y + Y.T))
        excess = max(y0, -y0 - self.side * _root_det(near), 0.0)
        return float(np.hypot(excess, np.linalg.norm(0.5 * (Y + Y.T) - near)))


@final
class LogDetConeTriangle(_Triangle, _LogDet):
    """``{(t, u, X) : t <= u log det(X / u), u > 0}``, closed; X symmetric by its upper triangle column by column.

    The inner product counts off-diagonal entries twice. Axis order of MathOptInterface.

    Parameters
    ----------
    side : number of rows of X; the dimension is 2 + side (side + 1) / 2

    Examples
    --------
    >>> LogDetConeTriangle(2).violation([0.0, 1.0, 1.0, 0.0, 1.0])
    0.0
    """

    __slots__ = ()


@final
class LogDetConeSquare(_Square, _LogDet):
    """``{(t, u, X) : t <= u log det(X / u), u > 0}``, closed; X symmetric by all its entries column by column.

    Axis order of MathOptInterface.

    Parameters
    ----------
    side : number of rows of X; the dimension is 2 + side²

    Examples
    --------
    >>> LogDetConeSquare(2).violation([0.0, 1.0, 1.0, 0.0, 0.0, 1.0])
    0.0
    """

    __slots__ = ()


@final
class RootDetConeTriangle(_Triangle, _RootDet):
    """``{(t, X) : t <= det(X)^(1/side), X >= 0}``, X symmetric by its upper triangle column by column.

    The inner product counts off-diagonal entries twice. Axis order of MathOptInterface.

    Parameters
    ----------
    side : number of rows of X; the dimension is 1 + side (side + 1) / 2

    Examples
    --------
    >>> RootDetConeTriangle(2).violation([1.0, 1.0, 0.0, 1.0])
    0.0
    """

    __slots__ = ()


@final
class RootDetConeSquare(_Square, _RootDet):
    """``{(t, X) : t <= det(X)^(1/side), X >= 0}``, X symmetric by all its entries column by column.

    Axis order of MathOptInterface.

    Parameters
    ----------
    side : number of rows of X; the dimension is 1 + side²

    Examples
    --------
    >>> RootDetConeSquare(2).violation([1.0, 1.0, 0.0, 0.0, 1.0])
    0.0
    """

    __slots__ = ()


def _log_det(X: FloatArray) -> float:
    """Log det of a semidefinite matrix, minus infinity of a singular one."""
    sign, value = np.linalg.slogdet(X)
    return float(value) if sign > 0.0 else -np.inf


def _root_det(X: FloatArray) -> float:
    """det(X)^(1 / side) of a semidefinite matrix."""
    return geometric_mean(np.maximum(np.linalg.eigvalsh(X), 0.0))
