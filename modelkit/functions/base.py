"""What all functions share: arithmetic by arrays, comparison, reading of coefficients.

Every function can give its `rows`; from rows, `build` finds the class by (vector or scalar, degree), so the
arithmetic here is written once. Scalar functions override the hot paths with light lists.
"""

from __future__ import annotations

import math
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, NoReturn, Protocol, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ..arrays import FloatArray, IntArray
from ..errors import DimensionMismatch, InvalidData
from ..numeric import real_array, real_matrix
from ..rows import Rows
from ..sets import EqualTo, GreaterThan, HyperRectangle, LessThan, Nonnegatives, Nonpositives, Set, VectorSet, Zeros
from .printing import to_latex, to_text

__all__ = [
    "Comparison",
    "Function",
    "MatrixLike",
    "OfRows",
    "Symbolic",
    "Variables",
    "build",
    "class_of",
    "coerce",
    "has_functions",
    "held",
]

_CLASSES: dict[tuple[bool, int], type[Function]] = {}


class Symbolic:
    """What NumPy and SciPy leave to its own methods: it has a shape, and entries that are functions.

    A conversion to an array gives an array of scalar functions. SciPy's sparse arrays convert what stands beside them
    only to see whether it is an array, and step back from a 0-d one alone (``M @ f`` is then ours); they get that.
    """

    __slots__ = ()
    __array_ufunc__ = None
    numpy: ClassVar[Callable[..., Any]]
    """What NumPy's functions do to these (`numpy_functions`, which is made of functions, sets it)."""

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
        if sys._getframe(1).f_globals.get("__name__", "").startswith("scipy.sparse"):
            return held(self)
        return self.objects()

    def __array_function__(self, func: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        return Symbolic.numpy(func, args, kwargs)

    def __bool__(self) -> NoReturn:
        raise TypeError("A function of variables has no truth value; of its value at a solution write model.value(f).")

    # ------------------------------------------------------------------ as of an array
    @property
    def ndim(self) -> int:
        """0 for scalar functions, 1 for vectors, 2 for matrices."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of entries."""
        return math.prod(self.shape)

    def reshape(self, *shape: Any, order: Any = "C") -> Any:
        """The entries in another shape: a vector or a matrix."""
        return np.reshape(self, shape[0] if len(shape) == 1 else shape, order=order)

    def ravel(self, order: Any = "C") -> Any:
        """All entries in a vector, row by row."""
        return np.ravel(self, order)

    flatten = ravel

    def transpose(self) -> Any:
        """The transpose; of scalars and vectors themselves."""
        return self.T

    @property
    def T(self) -> Any:
        """The transpose; of scalars and vectors themselves."""
        return self

    def sum(self, axis: int | None = None) -> Any:
        """The sum of the entries, or of each row (axis 1) or column (axis 0) of a matrix."""
        return np.sum(self, axis)

    def mean(self, axis: int | None = None) -> Any:
        """The mean of the entries, or of each row (axis 1) or column (axis 0) of a matrix."""
        return np.mean(self, axis)

    def dot(self, other: Any) -> Any:
        """The product as of arrays: ``@``, or with a single number ``*``."""
        return np.dot(self, other)


def held(value: Any) -> NDArray[Any]:
    """A 0-d array that holds one object."""
    holder = np.empty((), object)
    holder[()] = value
    return holder


class MatrixLike(Symbolic):
    """What stands beside a vector in a matrix product, and is no array of numbers."""

    __slots__ = ()

    def __le__(self, other: Any) -> NoReturn:
        raise TypeError("A constraint has rows, and no matrix; compare all entries row by row: G.ravel() <= H.ravel().")

    __ge__ = __le__


class Variables(Protocol):
    """What every vector of variables has, said here for functions that are defined before there is one."""

    @property
    def ids(self) -> IntArray:
        """Their identifiers."""

    def __len__(self) -> int: ...

    def __getitem__(self, item: Any) -> Any: ...


class Function(Symbolic, ABC):
    """A polynomial in the variables of a model, with one or several rows."""

    __slots__ = ()
    is_vector: ClassVar[bool]
    degree: ClassVar[int]  # 0: plain variables, 1: affine, 2: quadratic, 3: three or more

    def __init_subclass__(cls, *, canonical: bool = False) -> None:
        if canonical:  # the class that `build` makes of rows of this degree
            _CLASSES[cls.is_vector, cls.degree] = cls

    # ------------------------------------------------------------------ to and from arrays
    @property
    @abstractmethod
    def rows(self) -> Rows:
        """The function in arrays."""

    @classmethod
    @abstractmethod
    def from_rows(cls, rows: Rows) -> Self:
        """The function of this class with the given rows."""

    @property
    def output_dimension(self) -> int:
        """Number of rows."""
        return self.rows.m

    # ------------------------------------------------------------------ arithmetic
    def __add__(self, other: Any) -> Any:
        return _sum(self, other, 1.0)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return _sum(self, other, -1.0)

    def __rsub__(self, other: Any) -> Any:
        return _sum(-self, other, 1.0)

    def __neg__(self) -> Any:
        return self * -1.0

    def __mul__(self, other: Any) -> Any:
        return _product(self, other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        if isinstance(other, Function):
            raise InvalidData(
                "A function cannot be divided by a function of variables; multiply the constraint through by it."
            )
        divisor = real_array(other, "A divisor")
        if not divisor.all():
            raise InvalidData(f"A function cannot be divided by zero; got the divisor {other!r}.")
        return _quotient(self, divisor)

    def __rtruediv__(self, other: Any) -> NoReturn:
        raise InvalidData(
            "A number cannot be divided by a function of variables; multiply the constraint through by it."
        )

    def __pow__(self, power: int) -> Any:
        if isinstance(power, (int, float, np.number)):
            if power == 2:
                return self * self
            if power == 1:
                return self
        raise InvalidData(f"Functions are of degree at most 2; got a power of {power!r}.")

    # ------------------------------------------------------------------ comparison
    def __le__(self, other: Any) -> Comparison:
        return _compare(self, other, LessThan, Nonpositives)

    def __ge__(self, other: Any) -> Comparison:
        return _compare(self, other, GreaterThan, Nonnegatives)

    def __eq__(self, other: object) -> Any:
        return _compare(self, other, EqualTo, Zeros)

    def __ne__(self, other: object) -> NoReturn:
        raise TypeError("A model has no constraint `!=`.")

    __hash__ = None  # type: ignore[assignment]  # == makes a constraint

    def __lt__(self, other: Any) -> NoReturn:
        raise TypeError("A model has no strict inequality; use <= or >=.")

    __gt__ = __lt__

    # ------------------------------------------------------------------ reading
    @property
    def variables(self) -> Variables:
        """The variables that occur, each once, in the order of their indices."""
        ids = self.rows.variables()
        return class_of(vector=True, degree=0).from_rows(Rows.of_variables(ids))  # type: ignore[return-value]

    def __repr__(self) -> str:
        return to_text(self)

    def _repr_latex_(self) -> str:
        return f"${to_latex(self)}$"


class OfRows(Function):
    """A function that simply holds its rows."""

    __slots__ = ("_rows",)
    _rows: Rows

    @property
    def rows(self) -> Rows:
        """The rows."""
        return self._rows

    @classmethod
    def from_rows(cls, rows: Rows) -> Self:
        """The function with these rows."""
        f = object.__new__(cls)
        f._rows = rows
        return f


class Comparison:
    """``function in set``, as written with ``<=``, ``>=`` or ``==``; give it to `Model.add_constraint`.

    Examples
    --------
    >>> import optangent as ot
    >>> x = ot.Model().add_variable()
    >>> 2 * x + 1 >= 4
    2 x[0] in GreaterThan(3.0)
    """

    __slots__ = ("function", "set")

    def __init__(self, function: Function, set: Set) -> None:
        self.function = function
        self.set = set

    def __bool__(self) -> NoReturn:
        raise TypeError(
            "A comparison of functions is a constraint, not a truth value. Give it to model.add_constraint; "
            "write a range as model.add_constraint(f, Interval(lower, upper)), not lower <= f <= upper."
        )

    def __repr__(self) -> str:
        return f"{self.function!r} in {self.set!r}"


def build(rows: Rows, *, vector: bool, at_least: int = 1) -> Any:
    """The function with these rows, in the class of the least sufficient degree."""
    return _CLASSES[vector, max(rows.degree, at_least)].from_rows(rows)


def class_of(*, vector: bool, degree: int) -> type[Function]:
    """The class of the functions of a degree: 0 for plain variables, 3 for three and more."""
    return _CLASSES[vector, min(degree, 3)]


def coerce(value: Any) -> tuple[Rows, bool, int]:
    """(rows, whether a vector, degree) of a function, number, array, or sequence of those."""
    if isinstance(value, Function):
        return value.rows, value.is_vector, value.degree
    if sp.issparse(value):
        value = real_matrix(value, "What stands beside a function").toarray().squeeze()
    if isinstance(value, (list, tuple)) or getattr(value, "dtype", None) == np.dtype(object):
        items = _items(value)
        if has_functions(items):
            return _coerce_items(items)
    array = real_array(value, "What stands beside a function")
    if array.ndim > 1:
        raise DimensionMismatch(
            f"Expected a number or a vector beside a function, got an array of shape {array.shape}; "
            "a matrix multiplies a vector function with @."
        )
    return Rows(np.array(array, ndmin=1)), array.ndim == 1, 0


def has_functions(value: Any) -> bool:
    """Whether functions stand in an array or a list."""
    if isinstance(value, (list, tuple)):
        value = _items(value)
    if not isinstance(value, np.ndarray) or value.dtype != object:
        return False
    return any(isinstance(item, Symbolic) for item in value.flat)


def _items(value: Any) -> NDArray[Any]:
    """An array of what stands in a list; where that is of several lengths, of the things themselves."""
    try:
        return np.asarray(value)
    except ValueError:
        return np.array([held(one) for one in value])


def _coerce_items(items: NDArray[Any]) -> tuple[Rows, bool, int]:
    """The same of an array of scalar functions and numbers."""
    if items.ndim == 0:
        return coerce(items.item())
    parts = [coerce(item) for item in items] if items.ndim == 1 else []
    if items.ndim > 1 or any(vector for _, vector, _ in parts):
        raise DimensionMismatch(
            "Expected a vector of scalar functions beside a function; stack vectors with ot.vectorize."
        )
    degree = max([1, *(degree for _, _, degree in parts)])
    return Rows.stack([rows for rows, _, _ in parts]), True, degree


def _broadcast(f: Rows, g: Rows) -> tuple[Rows, Rows]:
    if f.m == g.m:
        return f, g
    if f.m == 1:
        return f.take(np.zeros(g.m, np.int64)), g
    if g.m == 1:
        return f, g.take(np.zeros(f.m, np.int64))
    raise DimensionMismatch(
        f"Functions of {f.m} and of {g.m} rows do not go together; give both as many rows, or one of them a single row."
    )


def _sum(f: Function, other: Any, sign: float) -> Any:
    if isinstance(other, MatrixLike):
        return NotImplemented
    rows, vector, degree = coerce(other)
    if sign < 0:
        rows = rows.scaled(np.full(rows.m, sign))
    mine, rows = _broadcast(f.rows, rows)
    return build(mine + rows, vector=f.is_vector or vector, at_least=max(1, f.degree, degree))


def _product(f: Function, other: Any) -> Any:
    if isinstance(other, MatrixLike):
        return NotImplemented
    rows, vector, degree = coerce(other)
    mine, rows = _broadcast(f.rows, rows)
    vector = vector or f.is_vector
    if degree == 0 and not isinstance(other, Function):
        return build(mine.scaled(rows.constant), vector=vector, at_least=max(1, f.degree))
    return build(mine.times(rows), vector=vector, at_least=2)


def _quotient(f: Function, divisor: FloatArray) -> Any:
    mine, by = _broadcast(f.rows, Rows(np.array(divisor, ndmin=1)))
    vector = f.is_vector or divisor.ndim > 0
    return build(mine.divided(by.constant), vector=vector, at_least=max(1, f.degree))


def _compare(f: Function, other: Any, scalar: Callable[[float], Set], vector: type[VectorSet]) -> Comparison:
    difference = f - other
    if difference.is_vector:
        if not isinstance(other, Function) and not np.isfinite(difference.constants).all():
            infinite = np.isinf(
                coerce(other)[0].constant
            )  # infinite numbers of functions are refused as they are added
            if infinite.any():
                return _partly_bounded(difference.rows, infinite, vector)
        return Comparison(difference, vector(difference.output_dimension))
    bound, difference = 0.0 - difference.constant, difference.without_constant()
    return Comparison(difference, scalar(bound))


def _partly_bounded(rows: Rows, infinite: NDArray[np.bool_], vector: type[VectorSet]) -> Comparison:
    """A comparison with infinite numbers, which mean that there is no bound: rows between bounds."""
    infinite = np.broadcast_to(infinite, rows.m)
    unbounded = {Nonpositives: -np.inf, Nonnegatives: np.inf}.get(vector, np.nan)
    bad = infinite & (rows.constant != unbounded)
    if bad.any():
        what = "equal to" if vector is Zeros else "beyond"
        raise InvalidData(
            f"Row {int(np.argmax(bad))} of the comparison asks for a number {what} infinity, which none is; "
            "no bound is A @ x <= inf or A @ x >= -inf."
        )
    free, bound = np.full(rows.m, np.inf), 0.0 - rows.constant
    box = HyperRectangle(-free, bound) if vector is Nonpositives else HyperRectangle(bound, free)
    return Comparison(build(rows.with_constants(np.zeros(rows.m)), vector=True), box)
