"""What NumPy and SciPy see of functions: things with a shape, whose arithmetic is their own."""

from __future__ import annotations

import math
import sys
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, NoReturn

import numpy as np
from numpy.typing import NDArray

__all__ = ["Symbolic", "held"]


class Symbolic:
    """What NumPy and SciPy leave to its own methods: it has a shape, and entries that are functions.

    A conversion to an array gives an array of scalar functions. SciPy's sparse arrays convert what stands beside them
    only to see whether it is an array, and step back from a 0-d one alone (``M @ f`` is then ours); they get that.
    """

    __slots__ = ()
    __pandas_priority__ = 5000  # above that of a DataFrame: pandas leaves arithmetic and comparisons to us
    numpy: ClassVar[Callable[..., Any]]
    """What NumPy's functions do to these (`numpy_functions`, which is made of functions, sets it)."""

    ufunc: ClassVar[Callable[..., Any]]
    """What NumPy's universal functions do to these (`universal_functions` sets it)."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """As of an array."""

    @abstractmethod
    def objects(self) -> NDArray[Any]:
        """An array of scalar functions (and zeros) of the same shape."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if dtype is not None and np.dtype(dtype) != object:
            raise TypeError(f"Functions of variables are no {np.dtype(dtype)}; their values are: model.value(f).")
        caller = sys._getframe(1)
        module = caller.f_globals.get("__name__", "")
        if module.startswith("scipy.sparse"):
            return held(self)
        if module.startswith("pandas.") and caller.f_code.co_name == "dot":
            raise TypeError(
                "The @ of pandas multiplies functions of variables by position, whatever the labels. Write "
                "np.dot(A, v), which goes by labels, or A.to_numpy() @ v."
            )
        return self.objects()

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return Symbolic.ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, func: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        return Symbolic.numpy(func, args, kwargs)

    def __bool__(self) -> NoReturn:
        raise TypeError("A function of variables has no truth value; of its value at a solution write model.value(f).")

    # ------------------------------------------------------------------ as of an array
    @property
    def ndim(self) -> int:
        """Number of axes: 0 of scalar functions, 1 of vectors, 2 of matrices."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of entries."""
        return math.prod(self.shape)

    def reshape(self, *shape: Any, order: Any = "C") -> Any:
        """The entries in another shape."""
        return np.reshape(self, shape[0] if len(shape) == 1 else shape, order=order)

    def ravel(self, order: Any = "C") -> Any:
        """All entries in a vector, row by row."""
        return np.ravel(self, order)

    flatten = ravel

    def transpose(self, *axes: Any) -> Any:
        """The axes in another order, without one given in the reverse order; of scalars and vectors themselves."""
        if axes in ((), (None,)):
            return self.T
        return np.transpose(self, axes[0] if len(axes) == 1 else axes)

    @property
    def T(self) -> Any:
        """The transpose; of scalars and vectors themselves."""
        return self

    def swapaxes(self, axis1: int, axis2: int) -> Any:
        """Two axes exchanged."""
        return np.swapaxes(self, axis1, axis2)

    def squeeze(self, axis: Any = None) -> Any:
        """Without axes of length one."""
        return np.squeeze(self, axis)

    def sum(self, axis: Any = None, keepdims: bool = False) -> Any:
        """The sum of the entries, or those along an axis or some axes (of a matrix: 0 of columns, 1 of rows)."""
        return np.sum(self, axis, keepdims=keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Any:
        """The mean of the entries, or those along an axis or some axes (of a matrix: 0 of columns, 1 of rows)."""
        return np.mean(self, axis, keepdims=keepdims)

    def cumsum(self, axis: int | None = None) -> Any:
        """Partial sums along an axis, without one those of the entries row by row."""
        return np.cumsum(self, axis)

    def trace(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
        """The sum of a diagonal."""
        return np.trace(self, offset, axis1, axis2)

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
        """The entries of a diagonal."""
        return np.diagonal(self, offset, axis1, axis2)

    def dot(self, other: Any) -> Any:
        """The product as of arrays: ``@``, or with a single number ``*``."""
        return np.dot(self, other)


def held(value: Any) -> NDArray[Any]:
    """A 0-d array that holds one object."""
    holder = np.empty((), object)
    holder[()] = value
    return holder
