"""Matrices of scalar functions: arrays of parameters, and what arithmetic makes of them before a product."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Self, final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ..arrays import FloatArray, IntArray, spread
from ..errors import DimensionMismatch, InvalidData
from ..numeric import real_array, real_matrix
from ..rows import Rows
from .base import Function, MatrixLike, Symbolic, build, has_functions
from .scalar import VariableIndex
from .vector import VectorFunction, VectorOfVariables

__all__ = ["MatrixFunction", "ids_of", "plain_index"]


@final
class MatrixFunction(MatrixLike):
    """A matrix whose entries are functions, all of them or those of a sparse pattern.

    What `Model.add_parameters` returns for a matrix of values. It multiplies vectors (``G @ v``, ``v @ G``, ``q @ G``),
    and takes numbers, arrays and other matrices of functions entry by entry (``2 * G - A``).

    Parameters
    ----------
    entries : vector function, a row for each entry
    row, column : (T,) where the entries stand, each place once
    shape : (m, n)

    Examples
    --------
    >>> import optangent as ot
    >>> model = ot.Model()
    >>> v = model.add_variables(2)
    >>> G = model.add_parameters(np.array([[1.0, 2.0], [3.0, 4.0]]))
    >>> (2.0 * G + np.eye(2)) @ v
    [2 x[2]*x[0] + 2 x[3]*x[1] + x[0],
     2 x[4]*x[0] + 2 x[5]*x[1] + x[1]]
    >>> model.parameter_value(G)
    array([[1., 2.],
           [3., 4.]])
    """

    __slots__ = ("_column", "_entries", "_row", "_shape")

    def __init__(self, entries: VectorFunction, row: IntArray, column: IntArray, shape: tuple[int, int]) -> None:
        self._entries, self._row, self._column, self._shape = entries, row, column, shape

    @classmethod
    def dense(cls, entries: VectorFunction, shape: tuple[int, int]) -> Self:
        """All entries, row by row."""
        row, column = np.divmod(np.arange(shape[0] * shape[1]), max(shape[1], 1))
        return cls(entries, row, column, shape)

    @property
    def is_dense(self) -> bool:
        """Whether every entry is stored, row by row."""
        m, n = self.shape
        return len(self._row) == m * n and bool((self._row * n + self._column == np.arange(m * n)).all())

    @property
    def entries(self) -> VectorFunction:
        """The stored entries, one below the other."""
        return self._entries

    @property
    def places(self) -> tuple[IntArray, IntArray]:
        """Rows and columns of the stored entries."""
        return self._row, self._column

    @property
    def ids(self) -> IntArray:
        """Identifiers of the variables that the entries are: (m, n), or (T,) of a sparse pattern."""
        if not isinstance(self._entries, VectorOfVariables):
            raise InvalidData("These entries are not plain variables.")
        return self._entries.ids.reshape(self.shape) if self.is_dense else self._entries.ids

    @property
    def T(self) -> MatrixFunction:
        """The transpose."""
        m, n = self.shape
        order = np.lexsort((self._row, self._column))
        return MatrixFunction(self._entries[order], self._column[order], self._row[order], (n, m))

    def objects(self) -> NDArray[Any]:
        """An array of the entries, zero where there is none."""
        entries = np.zeros(self.shape, object)
        entries[self._row, self._column] = self._entries.objects()
        return entries

    @property
    def shape(self) -> tuple[int, int]:
        """(m, n)."""
        return self._shape

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        kind = "all entries" if self.is_dense else f"{len(self._row)} entries"
        return f"{type(self).__name__}({self.shape[0]} x {self.shape[1]}, {kind})"

    def __getitem__(self, key: Any) -> Any:
        """An entry ``G[i, j]``, a row ``G[i]``, or a part ``G[rows, columns]`` (a matrix)."""
        key = key if isinstance(key, tuple) else (key, slice(None))
        if len(key) != 2:
            raise DimensionMismatch(f"A matrix has two indices, got {len(key)}.")
        table = self._table()[key]
        if table.ndim == 0:
            return self._entries[int(table)] if table >= 0 else 0.0
        if (table < 0).any() and table.ndim == 1:
            rows = Rows.stack([self._entries.rows, Rows(np.zeros(1))])
            return build(rows.take(np.where(table < 0, rows.m - 1, table)), vector=True)
        if table.ndim == 1:
            return self._entries[table]
        row, column = np.nonzero(table >= 0)
        return MatrixFunction(self._entries[table[row, column]], row, column, table.shape)

    def at_places(self, value: Any) -> FloatArray:
        """One number, or those of an array of the matrix's shape at the places of the entries, (T,).

        Raises
        ------
        InvalidData
            If the array has a number where the matrix has no entry.
        """
        array = real_matrix(value, "A value")
        if array.ndim == 2 and array.shape == self.shape:
            self._refuse_others(array)
            return self._numbers(array)
        if array.shape not in ((), self.ids.shape):
            raise DimensionMismatch(f"Values of {self!r} have shape {self.shape}, got an array of shape {array.shape}.")
        dense: FloatArray = array.toarray() if sp.issparse(array) else array
        return dense.ravel() if dense.ndim else dense

    def _refuse_others(self, array: Any) -> None:
        if len(self._row) == self.shape[0] * self.shape[1]:
            return
        given = sp.coo_array(array)
        here = self._row * self.shape[1] + self._column
        row, column = (np.asarray(places, np.int64)[given.data != 0.0] for places in given.coords)
        outside = np.flatnonzero(~np.isin(row * self.shape[1] + column, here))
        if len(outside):
            first = int(row[outside[0]]), int(column[outside[0]])
            raise InvalidData(
                f"{self!r} has no entry at {first}, where a number other than zero was given "
                f"({len(outside)} such places in all). Entries are those of the sparse array that made the matrix; "
                "explicit zeros in it are entries."
            )

    def _table(self) -> IntArray:
        """The number of the entry at each place, -1 where there is none."""
        table = np.full(self.shape, -1, np.int64)
        table[self._row, self._column] = np.arange(len(self._row))
        return table

    # ------------------------------------------------------------------ products
    def __matmul__(self, other: Any) -> Any:
        """With a vector or a matrix of functions or numbers."""
        m, n = self.shape
        if isinstance(other, MatrixFunction) or has_functions(other):
            return np.dot(self, other)
        if isinstance(other, Function):
            if not other.is_vector or other.output_dimension != n:
                rows = other.output_dimension
                raise DimensionMismatch(f"A matrix of shape {self.shape} cannot multiply a function of {rows} rows.")
            products = self._entries.rows.times(other.rows.take(self._column))
            return build(products.moved(self._row, m), vector=True)
        array = real_matrix(other, "A matrix")
        if array.ndim not in (1, 2) or array.shape[0] != n:
            raise DimensionMismatch(f"Matrices of shapes {self.shape} and {array.shape} do not multiply.")
        if array.ndim == 1:
            dense = array.toarray().ravel() if sp.issparse(array) else array
            return build(self._entries.rows.scaled(dense[self._column]).moved(self._row, m), vector=True)
        right = sp.csr_array(array, dtype=np.float64)
        entry, column, weight = spread(right, self._column)
        return self._collected(entry, self._row[entry] * right.shape[1] + column, weight, (m, right.shape[1]))

    def __rmatmul__(self, other: Any) -> Any:
        if has_functions(other):
            return np.dot(other, self)
        product = self.T @ (other if isinstance(other, Function) else real_matrix(other, "A matrix").T)
        return product.T if isinstance(product, MatrixFunction) else product

    def _collected(
        self, entry: IntArray, place: IntArray, weight: FloatArray, shape: tuple[int, int]
    ) -> MatrixFunction:
        """Sums of weighted entries at places of another matrix."""
        places, number = np.unique(place, return_inverse=True)
        matrix = sp.csr_array(sp.coo_array((weight, (number, entry)), shape=(len(places), len(self._row))))
        row, column = np.divmod(places, max(shape[1], 1))
        return MatrixFunction(build(self._entries.rows.mapped(matrix), vector=True), row, column, shape)

    # ------------------------------------------------------------------ entry by entry
    def _map(self, change: Callable[[Any], Any]) -> MatrixFunction:
        return MatrixFunction(change(self._entries), self._row, self._column, self.shape)

    def __mul__(self, other: Any) -> MatrixFunction:
        if isinstance(other, MatrixFunction):
            return self._same_pattern(other)._map(lambda f: f * other._entries)
        if isinstance(other, Function):
            if other.is_vector:
                raise DimensionMismatch("A matrix takes a vector of functions with @.")
            return self._map(lambda f: f * other)
        if not sp.issparse(other) and np.ndim(other) == 0:
            factor = float(real_array(other, "A factor"))
            return self._map(lambda f: f * factor)
        factors = self._numbers(real_matrix(other, "A factor"))
        return self._map(lambda f: f * factors)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> MatrixFunction:
        if isinstance(other, Symbolic):
            raise InvalidData("A matrix of functions cannot be divided by a function of variables.")
        divisor = real_array(other, "A divisor")
        return self._map(lambda f: f / (self._numbers(divisor) if divisor.ndim else divisor))

    def __neg__(self) -> MatrixFunction:
        return self._map(lambda f: -f)

    def __add__(self, other: Any) -> MatrixFunction:
        if isinstance(other, MatrixFunction):
            if other.shape != self.shape:
                raise DimensionMismatch(f"Matrices of shapes {self.shape} and {other.shape} do not add.")
            both = Rows.stack([self._entries.rows, other._entries.rows])
            n = max(self.shape[1], 1)
            place = np.concatenate([self._row * n + self._column, other._row * n + other._column])
            whole = MatrixFunction(build(both, vector=True), np.arange(len(place)), place, (len(place), 1))
            return whole._collected(np.arange(len(place)), place, np.ones(len(place)), self.shape)
        if isinstance(other, Function):
            if other.is_vector:
                raise DimensionMismatch("A matrix takes a vector of functions with @.")
            return MatrixFunction.dense(self.ravel() + other, self.shape)
        return self + _constant(other, self.shape)

    __radd__ = __add__

    def __sub__(self, other: Any) -> MatrixFunction:
        return self + (-other if isinstance(other, (MatrixFunction, Function)) else -_constant(other, self.shape))

    def __rsub__(self, other: Any) -> MatrixFunction:
        return (-self).__add__(other)

    def _same_pattern(self, other: MatrixFunction) -> MatrixFunction:
        same = other.shape == self.shape and np.array_equal(self._row, other._row)
        if not (same and np.array_equal(self._column, other._column)):
            raise DimensionMismatch("Matrices of functions multiply entry by entry where they have the same entries.")
        return self

    def _numbers(self, array: Any) -> FloatArray:
        """The numbers of an array of the same shape at the places of the entries."""
        if array.shape != self.shape:
            raise DimensionMismatch(f"Expected an array of shape {self.shape}, got {array.shape}.")
        there = sp.csr_array(array)[self._row, self._column] if sp.issparse(array) else array[self._row, self._column]
        return np.asarray(there, np.float64).ravel()


def _constant(value: Any, shape: tuple[int, int]) -> MatrixFunction:
    """A matrix of numbers."""
    array = real_matrix(value, "A matrix") if np.ndim(value) or sp.issparse(value) else np.full(shape, float(value))
    if array.shape != shape:
        raise DimensionMismatch(f"Expected an array of shape {shape}, got {array.shape}.")
    if sp.issparse(array):
        stored = sp.coo_array(array)
        row, column = (c.astype(np.int64) for c in stored.coords)
        return MatrixFunction(build(Rows(stored.data.astype(np.float64)), vector=True), row, column, shape)
    return MatrixFunction.dense(build(Rows(np.asarray(array, np.float64).ravel()), vector=True), shape)


def plain_index(index: Any) -> Any:
    """A vector of the variables that the entries of a matrix are; anything else as it is."""
    return VectorOfVariables.of_ids(np.ravel(index.ids)) if isinstance(index, MatrixFunction) else index


def ids_of(parameters: VariableIndex | VectorOfVariables | MatrixFunction) -> IntArray:
    """Identifiers of a variable, a vector or a matrix of variables, in their shape."""
    return np.array(parameters.value) if isinstance(parameters, VariableIndex) else parameters.ids
