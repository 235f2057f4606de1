"""Constraints that come in a shape: how the rows of a vector constraint stand in an array, and what labels it has.

A constraint is rows in a set. One written with arrays (``A @ X <= B``) or matrices (``X >> 0``) also knows its shape:
its value, slack and dual come back in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ..arrays import FloatArray, IntArray, sums
from ..errors import DimensionMismatch, InvalidData
from ..labels import Labels, is_labelled, numbers_for, with_labels
from ..sets import (
    PositiveSemidefiniteConeSquare,
    PositiveSemidefiniteConeTriangle,
    ScaledPositiveSemidefiniteConeTriangle,
    Set,
)
from ..sets.matrix_cone import MatrixCone
from ..sets.triangles import position, upper_triangle
from .abstract_function import Comparison, ShapedLike
from .rows import Rows

__all__ = ["Layout", "ShapedComparison", "laid_out", "semidefinite"]

_ROUNDING = 1e-12
"""Coefficients of a matrix differ by so much of the larger of two, and it still counts as symmetric."""


@final
@dataclass(frozen=True, eq=False)
class Layout:
    """Where the rows of a constraint stand in an array.

    Parameters
    ----------
    shape : of the array
    places : the row at each place, an array of the shape; None for row by row
    labels : a pandas ``Index`` for each axis, or None
    factors : what a row is multiplied by at each place, or None for 1
    """

    shape: tuple[int, ...]
    places: IntArray | None = None
    labels: Labels = ()
    factors: FloatArray | None = None

    def arranged(self, rows: Any) -> Any:
        """Numbers of the rows in the shape, with labels as a ``Series`` or ``DataFrame``; of others as they are."""
        if not isinstance(rows, np.ndarray) or rows.ndim != 1 or len(rows) != self._count:
            return rows
        array = rows.reshape(self.shape) if self.places is None else rows[self.places]
        if self.factors is not None:
            array = array * self.factors
        return with_labels(array, self.labels) if self.labels else array

    def rows_of(self, array: Any, *, adjoint: bool = False) -> Any:
        """Numbers or functions of the shape as those of the rows; what has another shape as it is.

        Parameters
        ----------
        adjoint : whether they are weights of what `arranged` gives, and not values
        """
        if np.shape(array) != self.shape:
            return array
        if is_labelled(array):
            array = numbers_for(array, self.labels, self.shape, "A value")
        elif isinstance(array, ShapedLike):
            array = array.aligned_to(self.labels)
        if self.places is None:
            return np.ravel(array)
        factors = np.ones(self.shape) if self.factors is None else self.factors
        if adjoint:
            return sums(self.places.ravel(), (np.asarray(array, np.float64) * factors).ravel(), self._count)
        first = np.unique(self.places, return_index=True)[1]
        flat = array.flat[first] if isinstance(array, ShapedLike) else np.ravel(array)[first]
        return flat / factors.ravel()[first]

    @property
    def is_plain(self) -> bool:
        """Whether the rows are those of the array, row by row."""
        return self.places is None

    @property
    def _count(self) -> int:
        """Number of rows."""
        return int(np.prod(self.shape)) if self.places is None else int(self.places.max(initial=-1)) + 1


@final
class ShapedComparison(Comparison):
    """A comparison of arrays: rows in a set, and how they stand in an array.

    Examples
    --------
    >>> import optangent as ot
    >>> X = ot.Model().add_variables((2, 2))
    >>> (X >= 1.0).layout.shape
    (2, 2)
    """

    __slots__ = ("layout",)

    def __init__(self, function: Any, set: Set, layout: Layout) -> None:
        super().__init__(function, set)
        self.layout = layout


def semidefinite(difference: Any) -> ShapedComparison:
    """That a matrix is positive semidefinite: by its upper triangle if it is symmetric, else by all its entries.

    Raises
    ------
    DimensionMismatch
        If it is no square matrix.
    """
    side = _side_of(difference)
    symmetric = _is_symmetric(difference, side)
    return laid_out(
        difference, PositiveSemidefiniteConeTriangle(side) if symmetric else PositiveSemidefiniteConeSquare(side)
    )


def laid_out(array: Any, set: Set) -> ShapedComparison:
    """The rows of an array of functions in a set: of matrices as the cone has them, else row by row.

    Raises
    ------
    DimensionMismatch
        If the cone is of matrices of another side.
    InvalidData
        If the cone is given by the triangle and the matrix is not symmetric, or if it takes more than the matrix.
    """
    if isinstance(set, PositiveSemidefiniteConeSquare):
        side = _side_of(array, set)
        places = np.arange(side * side).reshape(side, side).T
        return ShapedComparison(array.flat[places.ravel()], set, Layout(array.shape, places, array.labels))
    if isinstance(set, (PositiveSemidefiniteConeTriangle, ScaledPositiveSemidefiniteConeTriangle)):
        side = _side_of(array, set)
        if not _is_symmetric(array, side):
            raise InvalidData(
                f"{set!r} takes a symmetric matrix, and entries of this one differ from those across the diagonal. "
                f"Write X >> 0, or PositiveSemidefiniteConeSquare({side}), which makes it symmetric; variables that "
                "are symmetric come from add_variables((n, n), symmetric=True)."
            )
        triangle = array.flat[upper_triangle(side)]
        if isinstance(set, PositiveSemidefiniteConeTriangle):
            return ShapedComparison(triangle, set, Layout(array.shape, position(side), array.labels))
        scale = np.where(upper_triangle(side) % (side + 1), np.sqrt(2.0), 1.0)
        layout = Layout(array.shape, position(side), array.labels, 1.0 / scale[position(side)])
        return ShapedComparison(scale * triangle, set, layout)
    if isinstance(set, MatrixCone) and array.ndim > 1:
        raise InvalidData(
            f"{set!r} takes a vector, in the order that its documentation says, and no array of shape {array.shape}; "
            "stack its parts with ot.vectorize (X.T.ravel() is X column by column)."
        )
    return ShapedComparison(array.flat, set, Layout(array.shape, None, array.labels))


def _side_of(array: Any, set: Any = None) -> int:
    if not isinstance(array, ShapedLike) or array.ndim != 2 or array.shape[0] != array.shape[1]:
        raise DimensionMismatch(f"A positive semidefinite matrix is square, got a function of shape {array.shape}.")
    side = array.shape[0]
    if set is not None and set.side != side:
        raise DimensionMismatch(f"{set!r} takes a matrix of side {set.side}, got one of shape {array.shape}.")
    return int(side)


def _is_symmetric(array: Any, side: int) -> bool:
    """Whether entries across the diagonal are the same function, to rounding."""
    upper, lower = (places.ravel() for places in np.triu_indices(side, 1))
    flat = array.flat
    if flat.degree == 0:
        return bool((flat.ids[upper * side + lower] == flat.ids[lower * side + upper]).all())
    rows: Rows = flat.rows
    one, two = rows.take(upper * side + lower), rows.take(lower * side + upper)
    size = np.maximum(_largest(one.canonical()), _largest(two.canonical()))
    return bool((_largest((one + two.scaled(np.full(two.m, -1.0))).canonical()) <= _ROUNDING * size).all())


def _largest(rows: Rows) -> FloatArray:
    """The largest number of each row, by size."""
    size = np.abs(rows.constant)
    for row, coef in ((rows.row, rows.coef), (rows.qrow, rows.qcoef)):
        np.maximum.at(size, row, np.abs(coef))
    if rows.higher is not None:
        np.maximum.at(size, rows.higher.row, np.abs(rows.higher.coef))
    return size
