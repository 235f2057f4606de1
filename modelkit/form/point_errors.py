r"""How far a point and duals are from optimal: residuals of rows, of the gradient and the signs of duals, and the gap.

*Stated*: each relative to one plus the size of the terms that it is made of. But a residual that is small beside one
may be all there is: of the row ``1e-6 x >= 1e-6``, or of an objective times 1e-6. So, in the form's *own* units, each
is compared with the terms that it is made of, every variable taken as large as the largest one where rows and columns
are equilibrated (`Scales`): :math:`X = D \|D^{-1}x\|_\infty`. So rounding errors of numbers that should be zero stay
small, and a change of units changes nothing. A row with one entry, such as a bound, fits its variable in any unit, and
keeps from sight the one of its other rows; but if those have rounding errors alone for it, the bound knows best. So a
point is judged in both.
"""

from __future__ import annotations

from typing import Any, final

import numpy as np

from ..arrays import FloatArray
from ..sizes import largest_size, ratio
from .scales import Scales
from .slot_rows import SlotRows

__all__ = ["MatrixSizes", "PointErrors", "violation"]

_LEAST = 1e-2
"""Where the solution is the origin there is no unit but the one in which it is stated: at most so much of that."""
_CANCELLED = 1e3
"""Terms of duals count up to so many times the objective's: those of nearly dependent rows are huge and cancel."""
_Errors = tuple[float, float, float]


def violation(values: FloatArray, lower: FloatArray, upper: FloatArray) -> float:
    """The largest distance from the sides, relative to one plus the values."""
    return _far(np.maximum(np.maximum(lower - values, values - upper), 0.0), values)


def _far(away: FloatArray, values: FloatArray) -> float:
    return float(np.max(away / (1.0 + np.abs(values)), initial=0.0))


def _relative(size: float, *scales: float) -> float:
    return size / (1.0 + max(scales))


@final
class MatrixSizes:
    """What errors are compared with, as far as matrices and sides tell it: the same for all forms that share them.

    Parameters
    ----------
    rows : of one of these forms; sides count by being finite alone
    """

    def __init__(self, rows: SlotRows) -> None:
        form = rows.form
        self.P, self.A, self.F = (_sizes(matrix) for matrix in (form.P, form.A, form.F))
        self._is_held = rows.is_held
        self.scales = [Scales(rows)]
        held, bounded, _ = form.slots.parts(rows.is_held)
        has_single = (
            bool(bounded.any())
            or bool(((np.diff(form.A.indptr) == 1) & held).any())
            or bool((np.diff(form.F.indptr) == 1).any())
            or bool((np.diff(form.P.indptr) == 1).any())
        )
        if has_single:
            first, other = self.scales[0], Scales(rows, shared=True)
            if (other.column != first.column).any() or (other.row != first.row).any():
                self.scales.append(other)

    def fit(self, rows: SlotRows) -> bool:
        """Whether a form has the same matrices but for signs, and sides where these had."""
        form = rows.form
        pairs = ((self.P, form.P), (self.A, form.A), (self.F, form.F))
        return np.array_equal(self._is_held, rows.is_held) and all(_are_alike(sizes, its) for sizes, its in pairs)


def _are_alike(sizes: Any, matrix: Any) -> bool:
    return (
        sizes.shape == matrix.shape
        and np.array_equal(sizes.indptr, matrix.indptr)
        and np.array_equal(sizes.indices, matrix.indices)
        and np.array_equal(sizes.data, np.abs(matrix.data))
    )


def _sizes(matrix: Any) -> Any:
    return type(matrix)((np.abs(matrix.data), matrix.indices, matrix.indptr), shape=matrix.shape)


@final
class PointErrors:
    """A point and duals of a form, and their errors as they are, to be compared with the terms they are made of.

    Parameters
    ----------
    rows : SlotRows
    x : (n,), finite
    y : (slots,), finite, or None; without duals the last two of three errors are nan
    """

    def __init__(self, rows: SlotRows, x: FloatArray, y: FloatArray | None) -> None:
        self._rows, self._x, self._y = rows, x, y
        form = rows.form
        self._linear, self._curved = rows.linear(x), rows.curved(x)
        self._f = f = self._linear if rows.curvature is None else self._linear + self._curved
        self._away = np.maximum(np.maximum(rows.lower - f, f - rows.upper), 0.0)
        self._far = rows.cone_distances(f + rows.g, dual=False) if rows.cones else []
        if y is None:
            return
        self._Px, self._Wy, self._wrong = form.P @ x, rows.weights * y, rows.wrong(y)
        self._pulled = rows.adjoint(self._Wy, x)
        self._left = np.abs(self._Px + form.q - self._pulled)
        self._far_dual = rows.cone_distances(y, dual=True)
        terms = rows.dual_terms(y)
        self._terms = terms if rows.curvature is None else terms + self._Wy * self._curved
        self._xPx, self._qx = float(x @ self._Px), float(form.q @ x)

    # ------------------------------------------------------------------ in the units stated
    def stated(self) -> _Errors:
        """The errors in the units in which the form is stated."""
        rows, y, sizes = self._rows, self._y, np.abs(self._linear)
        if rows.cones:
            sizes = np.maximum(np.maximum(sizes, np.abs(rows.g)), np.abs(self._curved))
        primal = max(
            _far(self._away, self._f) if np.isfinite(self._f).all() else np.inf,
            rows.largest_in_cones(self._far, sizes, 1.0),
        )
        if y is None:
            return primal, np.nan, np.nan
        gradient = (largest_size(part) for part in (self._Px, rows.form.q, self._pulled))
        dual = max(
            _relative(largest_size(self._left), *gradient),
            _relative(largest_size(self._wrong), largest_size(y)),
            rows.largest_in_cones(self._far_dual, np.abs(y), 1.0),
        )
        xPx, qx = self._xPx, self._qx
        all_terms = float(np.abs(self._terms).sum())
        gap = _relative(abs(xPx + qx - float(self._terms.sum())), abs(xPx), abs(qx), all_terms)
        return primal, dual, gap

    # ------------------------------------------------------------------ in the form's own units
    def own(self, sizes: MatrixSizes | None = None) -> _Errors:
        """The errors in the form's own units.

        Parameters
        ----------
        sizes : of a form with the same matrices, if known
        """
        sizes = MatrixSizes(self._rows) if sizes is None else sizes
        errors, *others = [self._in_units(scales, sizes) for scales in sizes.scales]
        for other in others:
            errors = max(errors[0], other[0]), max(errors[1], other[1]), max(errors[2], other[2])
        return errors

    def _in_units(self, scales: Scales, sizes: MatrixSizes) -> _Errors:
        rows, form, constants = self._rows, self._rows.form, self._rows.constants()
        D, E = scales.column, scales.row
        size = max(largest_size(self._x / D), min(largest_size(E * constants), 1.0), _LEAST)
        X = size * D
        terms = constants + np.concatenate([sizes.A @ X, X, sizes.F @ X])
        if rows.curvature is not None:
            terms += rows.curved_sizes(X)
        primal = max(largest_size(ratio(self._away, terms)), rows.largest_in_cones(self._far, terms, 0.0))
        if self._y is None:
            return primal, np.nan, np.nan
        gradient = np.abs(form.q) + sizes.P @ X
        objective = largest_size(D * gradient) or 1.0
        pull = np.minimum(self._pull(sizes), _CANCELLED * objective / D)
        most = max(largest_size(self._y / E), objective) * E
        dual = max(
            largest_size(ratio(self._left, gradient + pull + objective / D)),
            largest_size(ratio(self._wrong, most)),
            rows.largest_in_cones(self._far_dual, most, 0.0),
        )
        least = min(size * objective, 1.0)
        total = float(self._terms.sum()) - self._xPx - self._qx
        all_terms = float(np.abs(self._terms).sum()) + abs(self._xPx) + abs(self._qx)
        return primal, dual, float(ratio(abs(total), least + all_terms))

    def _pull(self, sizes: MatrixSizes) -> FloatArray:
        """The terms of the duals in the gradient, by their sizes."""
        rows = self._rows
        on_rows, on_bounds, on_cones = rows.form.slots.parts(np.abs(self._Wy))
        steepness = sizes.A if rows.curvature is None else _sizes(rows.jacobian(self._x))
        pull: FloatArray = steepness.T @ on_rows + on_bounds + sizes.F.T @ on_cones
        return pull
