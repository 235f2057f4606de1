r"""When a derivative may be called exact: a rule in which no unit occurs.

At a point (x, y, s) of ``Px + Aᵀy + c = 0, Ax + s = b, s in K, y in K*`` (docs/design.md, section 7), with the column
and row scales D, E of the equilibration, :math:`X = D \|D^{-1}x\|_\infty` and :math:`Y = E \|E^{-1}y\|_\infty`:

1. *The point is a solution*: what the conditions leave is small beside its own terms, component by component,
   :math:`|r_1| \le 10^{-10} (|P|X + |A|^TY + |c|)` and :math:`|r_2| \le 10^{-10} (|A|X + |b|)`: `Sizes.residual`.
2. *No row is in doubt*: the data are moved by random signs times :math:`\tau = 10^{-12}` of their terms, or by what the
   conditions leave if that is more. A multiplier or slack that is not larger than three times how far it moves then is
   zero for all that is known: `Sizes.probe` and `in_doubt`.
3. *Both modes agree*: the same solutions show how symmetric the inverse is, `Probe.mismatch`. Multiplied with one
   another, right-hand sides and solutions are of the objective's unit.

A change of units multiplies both sides of every comparison by the same number. The first test decides between `EXACT`
and `INACCURATE`, the second flags a kink, and the third is a warning; none refuses.

References
----------
W. Oettli, W. Prager, *Compatibility of approximate solution of linear equations with given error bounds for
coefficients and right-hand sides*, Numerische Mathematik 6 (1964), 405-409.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any, NamedTuple, final

import numpy as np

from ..modelkit.arrays import FloatArray, IntArray
from ..modelkit.attributes import DifferentiationStatusCode
from ..modelkit.form.products import sizes_of
from ..modelkit.sizes import largest_size
from .kkt import Mask
from .rows_and_bounds import RowsAndBounds

__all__ = ["ACCURACY", "ASYMMETRY", "DATA_MOVE", "DOUBTFUL", "MatrixTerms", "Probe", "Sizes", "in_doubt", "verdict"]

ACCURACY = 1e-10
"""Componentwise residual up to which a point is a solution."""
ASYMMETRY = 1e-9
"""Mismatch of both modes from which the user is told."""
DATA_MOVE = 1e-12
"""Part of their terms by which the data are moved to see what is in doubt."""
DOUBTFUL = 3.0
"""How many times as large as it moves then a number may be that is as well zero."""
_ROUNDING = 1e-2
_DRAWS = 3
# Next to products of this size, of the largest, rounding errors of the largest are less than the mismatch told.
_SMALL = 1e-5
# What is less than this, of the largest number of the point in equilibrated units, is less than its rounding error.
_NOTHING = 1e-8
_TINY = float(np.finfo(np.float64).tiny)


class Probe(NamedTuple):
    """How a point moves when its data are moved by their uncertainty.

    Attributes
    ----------
    moves : (m,) by how much the multipliers of the rows in the system move at most; of others the terms of the slacks'
        moves, which may cancel in these
    slacks : (k,) the same terms of the rows in the system
    rounding : how much of these moves is rounding error or what the conditions leave, between 1e-2 and 1
    mismatch : the largest relative difference between ``<K⁻¹u, v>`` and ``<u, K⁻¹v>``
    """

    moves: FloatArray
    slacks: FloatArray
    rounding: float
    mismatch: float


@final
class MatrixTerms:
    """What matrices alone tell of the sizes of terms.

    Parameters
    ----------
    P, A : (n, n) and (m, n), ndarrays or sparse, A also `RowsAndBounds`; in models with curved rows those of the
        linearized conditions
    column, row : D and E, positive (n,) and (m,); in a cone one scale for all its rows

    Attributes
    ----------
    A, abs_P, abs_A, abs_A_T : A, and P, A and its transpose with the sizes of their entries
    of_P, of_A, rows_of_A : ``|P|D`` and ``|A|ᵀE`` (n,), ``|A|D`` (m,)
    """

    def __init__(self, P: Any, A: Any, column: FloatArray, row: FloatArray) -> None:
        self.A, self.column, self.row = A, column, row
        with np.errstate(over="ignore", invalid="ignore"):  # numbers that overflow are no solution: `Sizes.residual`
            self.abs_P, self.abs_A = sizes_of(P), A.sizes() if isinstance(A, RowsAndBounds) else sizes_of(A)
            self.abs_A_T = self.abs_A.T
            self.of_P: FloatArray = self.abs_P @ column
            self.of_A: FloatArray = self.abs_A_T @ row
            self.rows_of_A: FloatArray = self.abs_A @ column


@final
class Sizes:
    """The sizes of the terms of the optimality conditions at a point.

    Parameters
    ----------
    matrices : P and A
    c, b : (n,) and (m,)
    x, y : the point, (n,) and (m,)

    Attributes
    ----------
    gradient_bound, rows_bound : ``|P|X + |A|ᵀY + |c|`` (n,) and ``|A|X + |b|`` (m,)
    """

    def __init__(self, matrices: MatrixTerms, c: FloatArray, b: FloatArray, x: FloatArray, y: FloatArray) -> None:
        self._matrices, self._point = matrices, (x, y)
        column, row = matrices.column, matrices.row
        with np.errstate(over="ignore", invalid="ignore"):
            self._c, self._b = np.abs(c), np.abs(b)
            x_hat, y_hat = largest_size(x / column), largest_size(y / row)
            c_hat = _largest(self._c * column)
            least = _NOTHING * max(x_hat, y_hat, c_hat)
            if not c_hat and not ((y != 0.0) & (b != 0.0)).any():
                # x = 0, y = 0 is the solution: what is left of them is rounding error, beside the units themselves
                least = max(least, _NOTHING)
            x_hat, y_hat = max(x_hat, least), max(y_hat, least)
            # Of many numbers, memory for a sum that is there already costs more than the sum: so here and below.
            self.gradient_bound: FloatArray = matrices.of_A * y_hat
            self.gradient_bound += matrices.of_P * x_hat
            self.gradient_bound += self._c
            self.rows_bound: FloatArray = matrices.rows_of_A * x_hat
            self.rows_bound += self._b

    def terms(self) -> FloatArray:
        """``|P||x| + |A|ᵀ|y| + |c|`` and ``|A||x| + |b|``, (n + m,)."""
        at, n = self._matrices, len(self._c)
        with np.errstate(over="ignore", invalid="ignore"):
            x, y = np.abs(self._point[0]), np.abs(self._point[1])
            found = np.concatenate([self._c, self._b])
            found[:n] += at.abs_P @ x
            found[:n] += at.abs_A_T @ y
            found[n:] += at.abs_A @ x
            return found

    def residual(self, r1: FloatArray, r2: FloatArray) -> float:
        """The largest componentwise residual of ``r1 = Px + Aᵀy + c`` and ``r2 = Ax + s - b``."""
        return max(_ratio(r1, self.gradient_bound), _ratio(r2, self.rows_bound))

    def probe(
        self,
        r1: FloatArray,
        r2: FloatArray,
        rows: IntArray,
        solve: Callable[[FloatArray], FloatArray],
        draws: int = _DRAWS,
    ) -> Probe:
        """Move the data and see how the point moves.

        Parameters
        ----------
        r1, r2 : as for `residual`
        rows : (k,) the rows in the system; multipliers of others do not move
        solve : from right-hand sides (n + k, draws) to solutions, as `KKTSystem.solve`
        draws : number of moves
        """
        at, n = self._matrices, len(r1)
        with np.errstate(over="ignore", invalid="ignore"):
            every, left = self.terms(), np.concatenate([r1, r2])
            every *= DATA_MOVE
            rounding = min(max(_ratio(left, every), _ROUNDING), 1.0)
            np.maximum(every, np.abs(left, out=left), out=every)
            size = np.concatenate([every[:n], every[n:][rows]])
            unit = np.concatenate([at.column, at.row[rows]])
            R = size[:, None] * _signs(len(size), draws)
            Z = solve(R)
            has_bounds = isinstance(at.A, RowsAndBounds)
            forward, slopes = R.T @ Z, (at.A.rows if has_bounds else at.A) @ Z[:n]
            sizes = np.abs(Z, out=Z)
            moves, largest = every[n:], _row_maxima(sizes)
            moves[: len(slopes)] += _row_maxima(np.abs(slopes, out=slopes))
            if has_bounds:
                moves[len(slopes) :] += largest[:n]
            slacks = moves[rows]
            moves[rows] = largest[n:]
            # what is nothing beside the largest of either, in equilibrated units, may be all rounding error
            nothing = _SMALL * _largest(size * unit) * _largest(largest / unit)
            most = size @ sizes + nothing  # |R|ᵀ|Z|, all of whose rows are alike
            mismatch = _largest(np.abs(forward - forward.T) / np.where(most > 0.0, most, 1.0))
            return Probe(moves, slacks, rounding, mismatch)


def _signs(rows: int, columns: int) -> FloatArray:
    """Random signs, (rows, columns); of few rows they are there."""
    few = rows <= len(_FEW_SIGNS) and columns <= _DRAWS
    return _FEW_SIGNS[:rows, :columns] if few else _drawn_signs(rows, columns)


def _drawn_signs(rows: int, columns: int) -> FloatArray:
    """The same, one a bit; those of a column stand side by side."""
    count = rows * columns
    drawn = np.frombuffer(np.random.default_rng(50).bytes(-(-count // 8)), np.uint8)
    signs: FloatArray = np.unpackbits(drawn, count=count).reshape(columns, rows).T.astype(np.float64)
    signs *= 2.0
    signs -= 1.0
    return signs


_FEW_SIGNS = _drawn_signs(1000, _DRAWS)


def _row_maxima(values: FloatArray) -> FloatArray:
    """The largest of each row, (m,), of few columns, one after the other: NumPy's own is many times slower there."""
    return reduce(lambda most, column: np.maximum(most, column, out=most), values.T, np.zeros(len(values)))


def in_doubt(values: FloatArray, moves: FloatArray) -> Mask:
    """Which values (m,) may as well be zero, for all that the sizes of their moves (m,) tell of their uncertainty."""
    doubtful: Mask = np.abs(values) <= DOUBTFUL * moves
    return doubtful


def verdict(status: DifferentiationStatusCode, residual: float) -> DifferentiationStatusCode:
    """What derivatives are at a point with this componentwise residual, where `status` holds at solutions."""
    return status if residual <= ACCURACY else DifferentiationStatusCode.INACCURATE


def _largest(values: FloatArray) -> float:
    return float(values.max(initial=0.0))


def _ratio(residual: FloatArray, bound: FloatArray) -> float:
    """The largest residual relative to its bound, zero of zero; infinite where one is not a number or not finite."""
    relative = np.maximum(bound, _TINY)
    np.divide(residual, relative, out=relative)
    worst = largest_size(relative)
    return worst if worst < np.inf and _largest(bound) < np.inf else float("inf")
