r"""Units of a conic program, in which its numbers are about one.

.. math:: \hat x = x / d, \qquad \hat s = e \circ s, \qquad \hat y = \sigma\, y / e,

turns the program into one of the same kind with :math:`\hat P = \sigma D P D`, :math:`\hat c = \sigma D c`,
:math:`\hat A = E A D` and :math:`\hat b = E b`, where the rows of one cone share one e: a cone bears no other scaling.
d and e equilibrate ``[[P, A'], [A, 0]]`` (D. Ruiz, RAL-TR-2001-034, 2001), and σ makes slacks and multipliers of about
one size, so that v = y - s loses digits of neither. All are powers of two, so that no rounding error is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np
import scipy.sparse as sp

from ..modelkit.arrays import FloatArray, IntArray
from .kkt.equilibrate import ruiz_scaling, scaled

__all__ = ["ConicUnits"]

_LEAST = 1e-6
"""Share of the size that data suggest for a solution below which its own size says nothing: it is zero then."""


@final
@dataclass(frozen=True, slots=True)
class ConicUnits:
    """The units.

    Attributes
    ----------
    column, row : d (n,) and e (m,)
    value : σ
    """

    column: FloatArray
    row: FloatArray
    value: float

    @classmethod
    def of(
        cls, P: Any, q: FloatArray, A: sp.csr_array, b: FloatArray, cones: IntArray, at: tuple[FloatArray, FloatArray]
    ) -> Self:
        """The units of a program near a solution.

        Parameters
        ----------
        P, q, A, b : its data, P the Hessian of the Lagrangian
        cones : number of the cone of each row
        at : x and y, of any accuracy
        """
        n = len(q)
        scale = ruiz_scaling(P, A, shared=cones)
        column, row = scale[:n], scale[n:]
        curvature = _size(scaled(P, column).data)
        slope, level = _size(column * q), _size(row * b)
        natural = min((size for size in (slope / curvature if curvature else 0.0, level) if size > 0.0), default=1.0)
        primal = max(_size(at[0] / column), _LEAST * natural)
        dual = max(_size(at[1] / row), slope)
        if dual <= _LEAST * curvature * natural:
            dual = curvature * natural or 1.0
        return cls(column, row, float(np.exp2(np.round(np.log2(primal) - np.log2(dual)))))

    def hessian(self, P: sp.csc_array) -> sp.csc_array:
        """``σ D P D``."""
        matrix = sp.csc_array(scaled(P, self.column))
        matrix.data *= self.value
        return matrix

    def matrix(self, A: sp.csr_array) -> sp.csr_array:
        """``E A D``."""
        value = A.data * np.repeat(self.row, np.diff(A.indptr)) * self.column[A.indices]
        return sp.csr_array((value, A.indices, A.indptr), shape=A.shape)

    def slopes(self, gradient: FloatArray) -> FloatArray:
        """``σ D`` times (n,) or (n, k)."""
        return self.value * (gradient.T * self.column).T

    def slacks(self, values: FloatArray) -> FloatArray:
        """``E`` times (m,) or (m, k)."""
        return (values.T * self.row).T

    def primal(self, x: FloatArray) -> FloatArray:
        """x, (n,) or (n, k), in these units."""
        return (x.T / self.column).T

    def dual(self, y: FloatArray) -> FloatArray:
        """y, (m,) or (m, k), in these units."""
        return self.value * (y.T / self.row).T

    def given_primal(self, x: FloatArray) -> FloatArray:
        """The same x in the program's own units again."""
        return (x.T * self.column).T

    def given_dual(self, y: FloatArray) -> FloatArray:
        """The same y in the program's own units again."""
        return (y.T * self.row).T / self.value

    def given_slacks(self, s: FloatArray) -> FloatArray:
        """The same s in the program's own units again."""
        return (s.T / self.row).T

    def given_slopes(self, gradient: FloatArray) -> FloatArray:
        """The same gradient, (n,) or (n, k), in the program's own units again."""
        return (gradient.T / self.column).T / self.value


def _size(values: FloatArray) -> float:
    return float(np.abs(values).max(initial=0.0))
