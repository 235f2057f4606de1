"""Vector functions: arrays from the start."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Self, final, overload

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from ..arrays import FloatArray, IntArray
from ..errors import DimensionMismatch, InvalidData
from ..labels import is_labelled
from ..numeric import real_matrix
from .abstract_function import Function, OfRows, ShapedLike, build, coerce, has_functions
from .row_products import dot
from .rows import Rows
from .scalar import VariableIndex

__all__ = [
    "VariableVector",
    "VectorAffineFunction",
    "VectorFunction",
    "VectorOfVariables",
    "VectorPolynomial",
    "VectorQuadraticFunction",
    "vectorize",
]


class VectorFunction(Function):
    """A function with any number of rows, held in arrays."""

    __slots__ = ()
    is_vector = True

    def __len__(self) -> int:
        return self.output_dimension

    def __getitem__(self, key: Any) -> Any:
        chosen = _positions(key, len(self))
        if chosen.ndim == 0:
            return build(self.rows.take(chosen.reshape(1)), vector=False, at_least=max(1, self.degree))
        rows = type(self).from_rows(self.rows.take(chosen.ravel()))
        return rows if chosen.ndim == 1 else ShapedLike.of(rows, chosen.shape)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    @property
    def shape(self) -> tuple[int, ...]:
        """(number of rows,)."""
        return (len(self),)

    def objects(self) -> NDArray[Any]:
        """An array of the rows."""
        return np.fromiter(self, object, len(self))

    @property
    def constants(self) -> FloatArray:
        """The constant of each row, shape (m,)."""
        return self.rows.constant.copy()

    def coefficient(self, row: int, x: VariableIndex, y: VariableIndex | None = None, *others: VariableIndex) -> float:
        """The coefficient of ``x``, or of ``x * y`` or a longer product in the written-out polynomial, in one row."""
        return float(self[row].coefficient(x, y, *others))

    def coefficients(self, rows: ArrayLike, v: VectorOfVariables, w: VectorOfVariables | None = None) -> FloatArray:
        """Coefficients at the pairs ``(rows[i], v[i])``, or at the triples with ``v[i] * w[i]``."""
        at = _positions(np.asarray(rows, np.int64), len(self))
        if w is None:
            return self.rows.coefficients(at, v.ids)
        return self.rows.quadratic_coefficients(at, v.ids, w.ids)

    # ------------------------------------------------------------------ products with matrices
    def __matmul__(self, other: Any) -> Any:
        if isinstance(other, ShapedLike):
            return NotImplemented
        if isinstance(other, Function):
            m, n = len(self), other.output_dimension
            if m != n:
                raise DimensionMismatch(f"A dot product needs as many rows on either side, got {m} and {n} rows.")
            return build(dot(self.rows, other.rows), vector=False, at_least=max(2, self.degree, other.degree))
        if has_functions(other) or is_labelled(other) or np.ndim(other) > 2:
            return ShapedLike.of(self, self.shape) @ other
        return self.__rmatmul__(real_matrix(other, "A matrix").T)

    def __rmatmul__(self, other: Any) -> Any:
        if has_functions(other) or is_labelled(other) or np.ndim(other) > 2:
            return ShapedLike.of(self, self.shape).__rmatmul__(other)
        array = real_matrix(other, "A matrix")
        if array.ndim not in (1, 2) or array.shape[-1] != len(self):
            raise DimensionMismatch(
                f"A matrix of shape {array.shape} cannot multiply a function with {len(self)} rows."
            )
        if array.ndim == 1:
            weights = array.toarray() if sp.issparse(array) else array
            return _total(self.rows.scaled(weights.astype(np.float64)), at_least=max(1, self.degree))
        if self.degree == 0 and not sp.issparse(array):
            return VectorAffineFunction.of_array(array, self.rows.var)
        matrix = sp.csr_array(array, dtype=np.float64)
        if not matrix.has_canonical_format:
            matrix = matrix.copy()  # it may share the caller's arrays
            matrix.sum_duplicates()
        if self.degree == 0:
            return VectorAffineFunction.of_matrix(matrix, self.rows.var)
        return build(self.rows.mapped(matrix), vector=True, at_least=max(1, self.degree))

    def sum(self, axis: Any = None, keepdims: bool = False) -> Any:
        """The sum of the rows, a scalar function."""
        if keepdims or axis not in (None, 0, -1):
            return super().sum(axis, keepdims)
        return _total(self.rows, at_least=max(1, self.degree))


def _positions(key: Any, m: int) -> IntArray:
    """Rows by number, slice, mask or array of numbers; negative ones count from the end."""
    try:
        return np.asarray(np.arange(m)[key])
    except IndexError as error:
        raise IndexError(f"Row {key} of a function with {m} rows.") from error


def _total(rows: Rows, *, at_least: int) -> Any:
    return build(rows.total(), vector=False, at_least=at_least)


@final
class VectorOfVariables(VectorFunction, canonical=True):
    """Several variables, in order; what `Model.add_variables` returns.

    Indexes by number, slice or array, iterates, and multiplies: ``A @ v``, ``q @ v``, ``v @ (P @ v)``.

    Parameters
    ----------
    variables : sequence of VariableIndex

    Examples
    --------
    >>> import optangent as ot
    >>> v = ot.Model().add_variables(3)
    >>> v[0], v[np.array([2, 1])]
    (x[0], [x[2],
     x[1]])
    >>> v @ v, np.array([1.0, 0.0, 2.0]) @ v
    (x[0]² + x[1]² + x[2]², x[0] + 0 x[1] + 2 x[2])
    """

    __slots__ = ("ids",)
    degree = 0
    ids: IntArray

    def __init__(self, variables: Sequence[VariableIndex]) -> None:
        self.ids = np.array([v.value for v in variables], np.int64)

    @classmethod
    def of_ids(cls, ids: IntArray) -> Self:
        """The variables with these identifiers."""
        v = object.__new__(cls)
        v.ids = ids
        return v

    @property
    def rows(self) -> Rows:
        """One row of one term for each variable."""
        return Rows.of_variables(self.ids)

    @classmethod
    def from_rows(cls, rows: Rows) -> Self:
        """The variables of rows that are each exactly one variable."""
        order = np.argsort(rows.row, kind="stable")
        if (
            not np.array_equal(rows.row[order], np.arange(rows.m))
            or rows.degree > 1
            or np.any(rows.coef != 1)
            or np.any(rows.constant)
        ):
            raise InvalidData("These rows are not plain variables.")
        return cls.of_ids(rows.var[order])

    @property
    def output_dimension(self) -> int:
        """Number of variables."""
        return len(self.ids)

    @overload
    def __getitem__(self, key: int | np.integer[Any]) -> VariableIndex: ...
    @overload
    def __getitem__(self, key: Any) -> VectorOfVariables: ...
    def __getitem__(self, key: Any) -> Any:
        ids = self.ids[key]
        if ids.ndim > 1:
            return ShapedLike.of(VectorOfVariables.of_ids(ids.ravel()), ids.shape)
        return VariableIndex(int(ids)) if ids.ndim == 0 else VectorOfVariables.of_ids(ids)

    def __iter__(self) -> Iterator[VariableIndex]:
        return map(VariableIndex, self.ids.tolist())


VariableVector = VectorOfVariables


class VectorPolynomial(OfRows, VectorFunction):
    """A vector function that simply holds its rows."""

    __slots__ = ()

    def __iter__(self) -> Iterator[Any]:
        rows, least = self._rows, max(1, self.degree)
        order, qorder = np.argsort(rows.row, kind="stable"), np.argsort(rows.qrow, kind="stable")
        bounds = np.arange(rows.m + 1)
        ends = np.searchsorted(rows.row[order], bounds).tolist()
        qends = np.searchsorted(rows.qrow[qorder], bounds).tolist()
        for r in range(rows.m):
            at, qat = order[ends[r] : ends[r + 1]], qorder[qends[r] : qends[r + 1]]
            yield build(rows.pick(r, at, qat), vector=False, at_least=least)


@final
class VectorAffineFunction(VectorPolynomial, canonical=True):
    """``A v + b``.

    Parameters
    ----------
    A : array or sparse array of shape (m, n)
    v : VectorOfVariables of length n
    b : array_like of shape (m,), optional

    Examples
    --------
    >>> v = VectorOfVariables([VariableIndex(0), VariableIndex(1)])
    >>> f = np.array([[1.0, 2.0], [0.0, 3.0]]) @ v + np.array([5.0, 6.0])
    >>> f.constants, f[0].coefficient(v[1])
    (array([5., 6.]), 2.0)
    """

    __slots__ = ()
    degree = 1

    def __init__(self, A: Any, v: VectorOfVariables, b: ArrayLike | None = None) -> None:
        f = A @ v
        self._rows = f.rows if b is None else (f + b).rows

    @classmethod
    def of_array(cls, array: NDArray[Any], ids: IntArray) -> VectorAffineFunction:
        """The rows of an array (m, n), without its zeros, in the variables with these identifiers."""
        m, n = array.shape
        there = None if np.count_nonzero(array) == array.size else np.flatnonzero(array)
        row, var, coef = np.repeat(np.arange(m), n), np.tile(ids, m), array.astype(np.float64).ravel()
        terms = (row, var, coef) if there is None else (row[there], var[there], coef[there])
        return cls.from_rows(Rows(np.zeros(m), *terms))

    @classmethod
    def of_matrix(cls, matrix: sp.csr_array, ids: IntArray) -> VectorAffineFunction:
        """The rows of a canonical csr matrix in the variables with these identifiers."""
        m = matrix.shape[0]
        row = np.repeat(np.arange(m), np.diff(matrix.indptr))
        return cls.from_rows(Rows(np.zeros(m), row, ids[matrix.indices], matrix.data.copy()))


@final
class VectorQuadraticFunction(VectorPolynomial, canonical=True):
    """Rows of degree two, made by arithmetic: ``v * w``, or `vectorize` of quadratic functions.

    Examples
    --------
    >>> v = VectorOfVariables([VariableIndex(0), VariableIndex(1)])
    >>> v * v + 1.0
    [x[0]² + 1,
     x[1]² + 1]
    """

    __slots__ = ()
    degree = 2


def vectorize(functions: Sequence[Any]) -> VectorFunction:
    """Stack scalar functions, numbers and vector functions into one vector function.

    Parameters
    ----------
    functions : sequence
        Plain variables alone give a `VectorOfVariables`.

    Examples
    --------
    >>> x, y = VariableIndex(0), VariableIndex(1)
    >>> len(vectorize([1.0 * x, y, 2.0]))
    3
    """
    if all(isinstance(f, (VariableIndex, VectorOfVariables)) for f in functions):
        rows = Rows.stack([f.rows for f in functions])
        return VectorOfVariables.of_ids(rows.var)
    parts = [coerce(f) for f in functions]
    for _, shape, _ in parts:
        if len(shape) > 1:
            raise DimensionMismatch(
                f"vectorize stacks scalars and vectors, got an array of shape {shape}; say in which order its entries "
                "go: X.ravel() row by row, X.T.ravel() column by column."
            )
    at_least = max([1, *(degree for _, _, degree in parts)])
    stacked: VectorFunction = build(Rows.stack([rows for rows, _, _ in parts]), vector=True, at_least=at_least)
    return stacked
