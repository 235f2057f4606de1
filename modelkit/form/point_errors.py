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
from ..sizes import largest_size
from .products import Products
from .scales import both_scales
from .slot_rows import SlotRows

__all__ = ["MatrixSizes", "PointErrors", "violation"]

_LEAST = 1e-2
"""Where the solution is the origin there is no unit but the one in which it is stated: at most so much of that."""
_CANCELLED = 1e3
"""Terms of duals count up to so many times the objective's: those of nearly dependent rows are huge and cancel."""
_TINY = float(np.finfo(np.float64).tiny)
_Errors = tuple[float, float, float]


def violation(values: FloatArray, lower: FloatArray, upper: FloatArray) -> float:
    """The largest distance from the sides, relative to one plus the values."""
    return _far(np.maximum(np.maximum(lower - values, values - upper), 0.0), values)


def _far(away: FloatArray, values: FloatArray) -> float:
    return float((away / (1.0 + np.abs(values))).max(initial=0.0))


def _relative(size: float, *scales: float) -> float:
    return size / (1.0 + max(scales))


@final
class MatrixSizes:
    """What errors are compared with, as far as matrices and sides tell it: the same for all forms that share them.

    Parameters
    ----------
    rows : of one of these forms; sides count by being finite alone

    Attributes
    ----------
    products : of the sizes of the entries
    column, row : (k, n) and (k, slots), scales of one or two kinds of units
    """

    def __init__(self, rows: SlotRows) -> None:
        form = rows.form
        self._stamp, self._is_held = form.stamp, rows.is_held
        self.products = form.products.sizes
        scales = both_scales(rows)
        self.column: FloatArray = np.stack([one.column for one in scales])
        self.row: FloatArray = np.stack([one.row for one in scales])

    def fit(self, rows: SlotRows) -> bool:
        """Whether a form has the same matrices, and sides where these had."""
        return rows.form.stamp is self._stamp and np.array_equal(self._is_held, rows.is_held)


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
        self._Px, self._Wy, self._wrong = form.products.P @ x, rows.weights * y, rows.wrong(y)
        self._pulled = rows.adjoint(self._Wy, x)
        self._left = np.abs(self._Px + form.q - self._pulled)
        self._far_dual = rows.dual_distances(y, f + rows.g)
        terms = rows.dual_terms(y)
        graphs = rows.in_graphs
        terms[graphs] = self._Wy[graphs] * self._linear[graphs]
        terms = terms if rows.curvature is None else terms + self._Wy * self._curved
        self._all_terms = float(np.abs(terms).sum())
        self._xPx, self._qx = float(x @ self._Px), float(form.q @ x)
        self._total = self._xPx + self._qx - float(terms.sum())

    # ------------------------------------------------------------------ in the units stated
    def stated(self) -> _Errors:
        """The errors in the units in which the form is stated."""
        rows, y, sizes = self._rows, self._y, np.abs(self._linear)
        if rows.cones:
            sizes = np.maximum(np.maximum(sizes, np.abs(rows.g)), np.abs(self._curved))
        primal = _worst(
            _far(self._away, self._f) if np.isfinite(self._f).all() else np.inf,
            rows.largest_in_cones(self._far, sizes, 1.0),
        )
        if y is None:
            return primal, np.nan, np.nan
        gradient = (largest_size(part) for part in (self._Px, rows.form.q, self._pulled))
        dual = _worst(
            _relative(_most(self._left), *gradient),
            _relative(_most(self._wrong), largest_size(y)),
            rows.largest_in_cones(self._far_dual, np.abs(y), 1.0),
        )
        xPx, qx = abs(self._xPx), abs(self._qx)
        return primal, dual, _relative(abs(self._total), xPx, qx, self._all_terms)

    # ------------------------------------------------------------------ in the form's own units
    def own(self, sizes: MatrixSizes | None = None) -> _Errors:
        """The errors in the form's own units, the larger ones of both kinds.

        Parameters
        ----------
        sizes : of a form with the same matrices, if known
        """
        with np.errstate(over="ignore", invalid="ignore"):  # of what is not comparable: infinity is right
            return self._in_units(MatrixSizes(self._rows) if sizes is None else sizes)

    def _in_units(self, sizes: MatrixSizes) -> _Errors:
        """A row of each array for each kind of units."""
        rows, form, constants = self._rows, self._rows.form, self._rows.constants()
        D, E, products = sizes.column, sizes.row, sizes.products
        size = np.abs(self._x / D).max(axis=1, initial=0.0)
        size = np.maximum(np.maximum(size, np.minimum((E * constants).max(axis=1, initial=0.0), 1.0)), _LEAST)
        X = size[:, None] * D
        terms = np.concatenate([_times(products.A, X), X, _times(products.F, X)], axis=1)
        terms += constants
        if rows.curvature is not None:
            terms += [rows.curved_sizes(one) for one in X]
        primal = _worst(_largest_ratio(self._away, terms), self._in_cones(self._far, terms))
        if self._y is None:
            return primal, np.nan, np.nan
        gradient = np.abs(form.q) + _times(products.P, X)
        objective = (D * gradient).max(axis=1, initial=0.0)
        objective[objective == 0.0] = 1.0
        of_objective = objective[:, None] / D
        pull = np.minimum(self._pull(products), _CANCELLED * of_objective)
        most = np.maximum(np.abs(self._y / E).max(axis=1, initial=0.0), objective)[:, None] * E
        dual = _worst(
            _largest_ratio(self._left, gradient + pull + of_objective),
            _largest_ratio(self._wrong, most),
            self._in_cones(self._far_dual, most),
        )
        least = np.minimum(size * objective, 1.0)
        all_terms = self._all_terms + abs(self._xPx) + abs(self._qx)
        return primal, dual, _most(abs(self._total) / (least + all_terms))

    def _in_cones(self, far: list[FloatArray], sizes: FloatArray) -> float:
        return _worst(*(self._rows.largest_in_cones(far, one, 0.0) for one in sizes)) if far else 0.0

    def _pull(self, sizes: Products) -> FloatArray:
        """The terms of the duals in the gradient, by their sizes."""
        rows = self._rows
        on_rows, on_bounds, on_cones = rows.form.slots.parts(np.abs(self._Wy))
        steepness = sizes.A_T if rows.curvature is None else abs(rows.jacobian(self._x)).T
        pull: FloatArray = steepness @ on_rows + on_bounds + sizes.F_T @ on_cones
        return pull


def _times(matrix: Any, X: FloatArray) -> FloatArray:
    """The matrix times each row of X."""
    found: FloatArray = (matrix @ X.T).T
    return found


def _most(sizes: FloatArray) -> float:
    return float(sizes.max(initial=0.0))


def _largest_ratio(sizes: FloatArray, scales: FloatArray) -> float:
    """The largest size relative to its scale; zero of zero is zero."""
    return _most(sizes / np.maximum(scales, _TINY))


def _worst(*errors: float) -> float:
    """The largest; nan if one is."""
    return max(errors) if all(error == error for error in errors) else np.nan
