"""Gradients with respect to functions: lazy functions of low rank.

A gradient with respect to m rows of n coefficients is ``left rightᵀ`` with two columns each; entries are read
without forming the product, so a gradient costs O(m + n), not O(m n). With left = (y, w_y) and right = (w, x), the
coefficient of x_i has the gradient ``y w_i + w_y x_i``, that of ``x_i x_j`` has
``y (w_i x_j + x_i w_j) + w_y x_i x_j``, and longer products follow the same rule.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self, final

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import FloatArray, IntArray, cofactors
from ..errors import InvalidData
from .abstract_function import Function, Variables, build
from .rows import Rows
from .scalar import ScalarFunction, VariableIndex
from .vector import VectorFunction, VectorOfVariables

__all__ = ["GradientOfObjective", "GradientOfRow", "GradientOfRows"]

Lookup = Callable[[IntArray], FloatArray]
"""From identifiers to the rows of the right factor: (k,) to (k, 2)."""


class _Gradient(Function):
    """What reverse differentiation alone makes, of a left factor, a right one, and the identifiers of all variables."""

    __slots__ = ("_ids", "_left", "_right")

    def __init__(self, left: FloatArray, right: Lookup, ids: IntArray) -> None:
        self._left = left
        self._right = right
        self._ids = ids

    @classmethod
    def from_rows(cls, rows: Rows) -> Self:
        """Not made from rows."""
        raise InvalidData("A lazy gradient is made by reverse differentiation.")


class _ScalarGradient(_Gradient, ScalarFunction):
    """``left @ right(x)`` is the coefficient of x, ``left[1]`` the constant."""

    __slots__ = ()

    @property
    def constant(self) -> float:
        """Gradient with respect to the constant."""
        return float(self._left[1])

    def coefficient(self, x: VariableIndex, y: VariableIndex | None = None, *others: VariableIndex) -> float:
        """Gradient with respect to the coefficient of x, of ``x * y`` or of a longer product."""
        factors = [v.value for v in (x, y, *others) if v is not None]
        slopes, values = self._right(np.array(factors, np.int64)).T
        moved = cofactors(values[None])[0] @ slopes
        return float(self._left @ np.array([moved, values.prod()]))

    def coefficients(self, v: Variables, w: Variables | None = None) -> FloatArray:
        """Gradients with respect to the coefficients of v, or of the pairs ``v[i] * w[i]``."""
        if w is None:
            return self._right(v.ids) @ self._left
        return _of_pairs(self._left, self._right(v.ids), self._right(w.ids))

    @property
    def rows(self) -> Rows:
        """All affine coefficients, formed."""
        affine = self.coefficients(VectorOfVariables.of_ids(self._ids))
        return Rows(np.array([self.constant]), np.zeros(len(self._ids), np.int64), self._ids, affine)

    def without_constant(self) -> ScalarFunction:
        """The same as an ordinary function with constant zero."""
        formed: ScalarFunction = build(self.rows, vector=False, at_least=self.degree)
        return formed.without_constant()


@final
class GradientOfRow(_ScalarGradient):
    """Gradient with respect to the coefficients and the constant of one scalar constraint function.

    Parameters
    ----------
    left : (2,)
    right : identifiers (k,) to (k, 2), so that the coefficient of x is ``left @ right(x)``
    ids : identifiers of all variables
    """

    __slots__ = ()
    degree = 1


@final
class GradientOfObjective(_ScalarGradient):
    """Gradient with respect to the coefficients of the objective.

    With the right factor (w, x) of a variable: the coefficient of x_i is ``-w_i + seed x_i``, that of
    ``x_i x_j`` in the written-out polynomial ``-(w_i x_j + x_i w_j) + seed x_i x_j``, that of the constant is the
    seed; all times the sign of the sense.
    """

    __slots__ = ()
    degree = 2

    def __init__(self, right: Lookup, ids: IntArray, seed: float, sign: float) -> None:
        super().__init__(sign * np.array([-1.0, seed]), right, ids)

    @property
    def rows(self) -> Rows:
        """All coefficients, formed: n linear and n(n+1)/2 quadratic ones."""
        i, j = (self._ids[at] for at in np.triu_indices(len(self._ids)))
        quadratic = self.coefficients(VectorOfVariables.of_ids(i), VectorOfVariables.of_ids(j))
        return super().rows + Rows(np.zeros(1), qrow=np.zeros(len(i), np.int64), qvar1=i, qvar2=j, qcoef=quadratic)


@final
class GradientOfRows(_Gradient, VectorFunction):
    """Gradient with respect to the coefficients and constants of a vector constraint function.

    Parameters
    ----------
    left : (m, 2)
    right, ids : as in `GradientOfRow`
    """

    __slots__ = ()
    degree = 1

    @property
    def output_dimension(self) -> int:
        """Number of rows."""
        return len(self._left)

    @property
    def constants(self) -> FloatArray:
        """Gradients with respect to the constants."""
        return self._left[:, 1]

    def __getitem__(self, key: Any) -> Any:
        left = self._left[key]
        return (GradientOfRow if left.ndim == 1 else GradientOfRows)(left, self._right, self._ids)

    def coefficients(self, rows: ArrayLike, v: VectorOfVariables, w: VectorOfVariables | None = None) -> FloatArray:
        """Gradients with respect to the coefficients at ``(rows[i], v[i])``, or at the triples with ``v[i] * w[i]``."""
        left = self._left[np.asarray(rows, np.int64)]
        if w is not None:
            return _of_pairs(left, self._right(v.ids), self._right(w.ids))
        gradient: FloatArray = (left * self._right(v.ids)).sum(axis=-1)
        return gradient

    def matrix(self, v: VectorOfVariables) -> FloatArray:
        """Gradients with respect to all coefficients of v: a dense array (m, len(v))."""
        return self._left @ self._right(v.ids).T

    @property
    def rows(self) -> Rows:
        """All coefficients, formed."""
        m, n = len(self._left), len(self._ids)
        values = self.matrix(VectorOfVariables.of_ids(self._ids)).ravel()
        return Rows(self.constants, np.repeat(np.arange(m), n), np.tile(self._ids, m), values)


def _of_pairs(left: FloatArray, first: FloatArray, second: FloatArray) -> FloatArray:
    """``y (w_i x_j + x_i w_j) + w_y x_i x_j`` from left (y, w_y) and right (w, x)."""
    y, wy = left[..., 0], left[..., 1]
    (wi, xi), (wj, xj) = first.T, second.T
    pairs: FloatArray = y * (wi * xj + xi * wj) + wy * xi * xj
    return pairs
