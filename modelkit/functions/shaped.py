"""Functions with several axes, or with labels: the arithmetic and the comparisons of arrays of functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import numpy as np
import scipy.sparse as sp

from ..arrays import FloatArray, IntArray
from ..errors import DimensionMismatch, InvalidData
from ..labels import Labels, in_order, is_labelled, joined, labels_of, matched
from ..numeric import real_array, real_matrix
from ..operators import operator
from ..sets import EqualTo, GreaterThan, LessThan, Nonnegatives, Nonpositives, Set, VectorSet, Zeros
from .abstract_function import (
    Comparison,
    Entries,
    Function,
    ShapedLike,
    build,
    coerce,
    comparison,
    entries_product,
    entries_quotient,
    entries_sum,
)
from .layout import Layout, ShapedComparison, semidefinite
from .matmul import matmul
from .rows import Rows
from .scalar import VariableIndex
from .stored_entries import StoredEntries
from .symbolic import Symbolic
from .vector import VectorOfVariables

__all__ = ["ArrayFunction", "ids_of", "plain_index"]


@final
class ArrayFunction(StoredEntries):
    """An array whose entries are functions, all of them or those of a sparse pattern.

    What `Model.add_variables` and `Model.add_parameters` return for a shape of several axes. It is indexed, reshaped,
    summed, broadcast and multiplied as a NumPy array is; a comparison of it is a constraint of its shape.

    Parameters
    ----------
    entries : vector function, a row for each stored entry
    shape : lengths of the axes
    place : (T,) where the stored entries stand, counted row by row, each place once and ascending; None for all places
    labels : a pandas ``Index`` for each axis, or None

    Examples
    --------
    >>> import optangent as ot
    >>> model = ot.Model()
    >>> X = model.add_variables((2, 3), "X")
    >>> print(2.0 * X[:, :2])
    [[2 X[0,0], 2 X[0,1]],
     [2 X[1,0], 2 X[1,1]]]
    >>> X.sum(axis=0)
    [X[0,0] + X[1,0],
     X[0,1] + X[1,1],
     X[0,2] + X[1,2]]
    >>> (X[:, 1:] * np.array([[1.0], [2.0]])).T.shape
    (2, 2)
    >>> v = model.add_variables(2, "v")
    >>> G = model.add_parameters(np.array([[1.0, 2.0], [3.0, 4.0]]), "G")
    >>> (2.0 * G + np.eye(2)) @ v
    [2 G[0,0]*v[0] + 2 G[0,1]*v[1] + v[0],
     2 G[1,0]*v[0] + 2 G[1,1]*v[1] + v[1]]
    >>> model.parameter_value(G)
    array([[1., 2.],
           [3., 4.]])
    """

    __slots__ = ()

    # ------------------------------------------------------------------ numbers at its places
    def at_places(self, value: Any) -> FloatArray:
        """One number, or those of an array of the same shape at the places of the stored entries, (T,).

        Raises
        ------
        InvalidData
            If the array has a number where there is no entry, or has other labels.
        """
        array = self._aligned(value)[0] if is_labelled(value) else real_matrix(value, "A value")
        if array.shape == self.shape and self.ndim:
            if not self.is_dense:
                self._refuse_others(array)
            return self._at(array)
        if array.shape not in ((), self.ids.shape):
            raise DimensionMismatch(f"Values of {self!r} have shape {self.shape}, got an array of shape {array.shape}.")
        dense: FloatArray = array.toarray() if sp.issparse(array) else array
        return dense.ravel() if dense.ndim else dense

    def _refuse_others(self, array: Any) -> None:
        given = sp.coo_array(array)
        here = [np.asarray(axis, np.int64)[given.data != 0.0] for axis in given.coords]
        outside = np.flatnonzero(~np.isin(np.ravel_multi_index(here, self.shape), self.place))
        if len(outside):
            first = tuple(int(axis[outside[0]]) for axis in here)
            raise InvalidData(
                f"{self!r} has no entry at {first}, where a number other than zero was given "
                f"({len(outside)} such places in all). Entries are those of the sparse array that made the matrix; "
                "explicit zeros in it are entries."
            )

    def _at(self, array: Any) -> FloatArray:
        """The numbers of an array of the same shape at the places of the stored entries."""
        there = sp.csr_array(array)[self.places] if sp.issparse(array) else array.ravel()[self.place]
        return np.asarray(there, np.float64).ravel()

    # ------------------------------------------------------------------ products
    def __matmul__(self, other: Any) -> Any:
        """NumPy's `matmul`: with a vector, a matrix or a stack of matrices, of functions or numbers."""
        return _product(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return _product(other, self)

    # ------------------------------------------------------------------ entry by entry
    def _aligned(self, other: Any) -> tuple[Any, Labels]:
        """What stands beside me with its labels in my order, and the labels of the result, () of none."""
        theirs: Labels = ()
        if isinstance(other, ArrayFunction):
            theirs = other._labels
        elif is_labelled(other):
            theirs, other = labels_of(other), real_array(other.to_numpy(), "What stands beside a function")
        if not any(one is not None for one in (*self._labels, *theirs)):
            return other, ()
        shape = other.shape if isinstance(other, (Symbolic, np.ndarray)) else coerce(other)[1]
        theirs = theirs or (None,) * len(shape)
        labels, orders = joined(self._labels, self.shape, theirs, shape)
        if any(order is not None for order in orders):
            other = in_order(other.without_labels() if isinstance(other, ArrayFunction) else other, orders)
        return other, labels

    def aligned_to(self, labels: Labels) -> ArrayFunction:
        """The same entries in the order of these labels.

        Raises
        ------
        InvalidData
            If mine are others.
        """
        orders = joined(labels or (None,) * self.ndim, self.shape, self._labels, self.shape)[1]
        if all(one is None for one in orders):
            return self
        moved: ArrayFunction = in_order(self.without_labels(), orders)
        return moved.with_labels(labels)

    def without_labels(self) -> ArrayFunction:
        """The same entries, to be taken as they stand."""
        return self.with_labels((None,) * self.ndim)

    def _entrywise(self, other: Any, operation: Callable[[Entries, Any], Any]) -> Any:
        other, labels = self._aligned(other)
        return _labelled(operation((self.flat.rows, self.shape, self._entries.degree), other), labels)

    def _is_like(self, other: ArrayFunction) -> bool:
        """Whether it has the same places, and neither of us has labels."""
        plain = all(one is None for one in (*self._labels, *other._labels))
        return plain and self.shape == other.shape and np.array_equal(other.place, self.place)

    def _numbers_of(self, other: Any) -> Any:
        """One number or those at my stored places, where it is numbers of my shape; None of anything else."""
        if isinstance(other, Symbolic) or is_labelled(other) or any(one is not None for one in self._labels):
            return None
        if sp.issparse(other):
            return self._at(real_matrix(other, "A factor")) if other.shape == self.shape else None
        if (np.ndim(other) and np.shape(other) != self.shape) or np.asarray(other).dtype == object:
            return None
        array = real_array(other, "A factor")
        return self._at(array) if array.ndim else float(array)

    def __mul__(self, other: Any) -> Any:
        if not self.is_dense or sp.issparse(other):
            numbers = self._numbers_of(other)
            if numbers is not None:  # the pattern stays
                return self.with_entries(self._entries * numbers)
            if isinstance(other, ArrayFunction) and self._is_like(other):
                return self.with_entries(self._entries * other._entries)
        is_function = isinstance(other, Symbolic)
        return self._entrywise(other, lambda f, g: entries_product(f, coerce(g), by_numbers=not is_function))

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        if isinstance(other, Symbolic):
            return self * Function.operated(operator("inv", 1), other)
        if not self.is_dense:
            numbers = self._numbers_of(other)
            if numbers is not None:
                return self.with_entries(self._entries / numbers)
        return self._entrywise(other, entries_quotient)

    def __rtruediv__(self, other: Any) -> Any:
        return Function.operated(operator("inv", 1), self) * other

    def __pow__(self, power: Any) -> Any:
        if isinstance(power, (int, float, np.number)) and (self.is_dense or power > 0):
            return self.with_entries(self._entries**power)
        return Function.operated(operator("^", 2), self, power)

    def __rpow__(self, base: Any) -> Any:
        return Function.operated(operator("^", 2), base, self)

    def __abs__(self) -> ArrayFunction:
        return self.with_entries(abs(self._entries))

    def __neg__(self) -> ArrayFunction:
        return self.with_entries(-self._entries)

    def __add__(self, other: Any) -> Any:
        return self._plus(other, 1.0)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return self._plus(other, -1.0)

    def __rsub__(self, other: Any) -> Any:
        return (-self)._plus(other, 1.0)

    def _plus(self, other: Any, sign: float) -> Any:
        if not self.is_dense:
            both = other if isinstance(other, ArrayFunction) else _pattern(other)
            if both is not None and not both.is_dense and both.shape == self.shape:
                return self._union(both if sign > 0 else -both)
        return self._entrywise(other, lambda f, g: entries_sum(f, coerce(g), sign))

    def _union(self, other: ArrayFunction) -> ArrayFunction:
        """The sum of two of sparse patterns."""
        both = Rows.stack([self._entries.rows, other._entries.rows])
        places, at = np.unique(np.concatenate([self.place, other.place]), return_inverse=True)
        degree = max(1, self._entries.degree, other._entries.degree)
        return ArrayFunction(build(both.moved(at, len(places)), vector=True, at_least=degree), self.shape, places)

    # ------------------------------------------------------------------ comparison
    def within(self, flat: Comparison) -> Comparison:
        """A constraint on my entries, of my shape."""
        return ShapedComparison(flat.function, flat.set, Layout(self.shape, None, self._labels))

    def compared(self, other: Any, scalar: Callable[[float], Set], vector: type[VectorSet]) -> Comparison:
        """See `comparison`."""
        other, labels = self._aligned(other)
        mine, theirs = self.without_labels(), other.without_labels() if isinstance(other, ArrayFunction) else other
        made = comparison(mine, theirs, scalar, vector)
        if labels:
            shape = made.layout.shape if isinstance(made, ShapedComparison) else made.function.shape
            return ShapedComparison(made.function, made.set, Layout(shape, None, labels))
        return made

    def __le__(self, other: Any) -> Comparison:
        return self.compared(other, LessThan, Nonpositives)

    def __ge__(self, other: Any) -> Comparison:
        return self.compared(other, GreaterThan, Nonnegatives)

    def __eq__(self, other: object) -> Any:
        return self.compared(other, EqualTo, Zeros)

    def __ne__(self, other: object) -> Any:
        raise TypeError("A model has no constraint `!=`.")

    __hash__ = None  # type: ignore[assignment]  # == makes a constraint

    def __lt__(self, other: Any) -> Any:
        raise TypeError("A model has no strict inequality; use <= or >=.")

    __gt__ = __lt__

    def __rshift__(self, other: Any) -> Comparison:
        """``X >> Y``: that ``X - Y`` is positive semidefinite; see `Model.add_constraint`."""
        return semidefinite(self - other)

    def __lshift__(self, other: Any) -> Comparison:
        return semidefinite(-self + other)

    __rlshift__ = __rshift__
    __rrshift__ = __lshift__


ShapedLike.of = ArrayFunction.of_function


def _labelled(f: Any, labels: Labels) -> Any:
    """The same function with labels, if there are any."""
    if all(one is None for one in labels):
        return f
    return f.with_labels(labels) if isinstance(f, ArrayFunction) else ArrayFunction.of_function(f, f.shape, labels)


def _product(a: Any, b: Any) -> Any:
    """``a @ b``: the labels of the axes that meet in one order, those of the others kept."""
    a, b = (_plain(one) for one in (a, b))
    mine, theirs = (_labels(one) for one in (a, b))
    meeting = -2 if len(theirs) > 1 else -1
    a, b = (one.to_numpy() if is_labelled(one) else one for one in (a, b))
    if mine and theirs and a.shape[-1] == b.shape[meeting]:
        order = matched(mine[-1], theirs[meeting])
        if order is not None:
            b = b[order] if meeting == -1 else b[..., order, :]
    function, shape, place = matmul(a, b)
    labels = (*mine[:-1], *(theirs[-1:] if len(theirs) > 1 else ()))
    if len(labels) != len(shape):  # stacks of matrices
        labels = (None,) * len(shape)
    if place is not None:
        return ArrayFunction(function, shape, place, labels)
    return ArrayFunction.made(function.rows, shape, max(1, function.degree), labels)


def _plain(value: Any) -> Any:
    """Functions, sparse arrays and what has labels as they are; others as arrays, those of functions as functions."""
    if isinstance(value, Symbolic) or sp.issparse(value) or is_labelled(value):
        return value
    array = np.asarray(value)
    if array.dtype != object:
        return array
    rows, shape, degree = coerce(array)
    return ArrayFunction.made(rows, shape, max(1, degree), (None,) * len(shape))


def _labels(value: Any) -> Labels:
    if isinstance(value, ArrayFunction):
        return value.labels
    return labels_of(value) if is_labelled(value) else (None,) * value.ndim


def _pattern(value: Any) -> ArrayFunction | None:
    """A sparse array of numbers as an array of functions; None of anything else."""
    if not sp.issparse(value):
        return None
    stored = sp.coo_array(real_matrix(value, "A matrix"))
    stored.sum_duplicates()
    place = np.ravel_multi_index(tuple(c.astype(np.int64) for c in stored.coords), stored.shape)
    order = np.argsort(place)
    numbers = build(Rows(stored.data.astype(np.float64)[order]), vector=True)
    return ArrayFunction(numbers, stored.shape, place[order])


def plain_index(index: Any) -> Any:
    """A vector of the variables that the entries of an array are; anything else as it is."""
    return VectorOfVariables.of_ids(np.ravel(index.ids)) if isinstance(index, ArrayFunction) else index


def ids_of(parameters: VariableIndex | VectorOfVariables | ArrayFunction) -> IntArray:
    """Identifiers of a variable, a vector or an array of variables, in their shape."""
    return np.array(parameters.value) if isinstance(parameters, VariableIndex) else parameters.ids
