"""What all functions share: arithmetic by arrays, comparison, reading of coefficients.

Every function can give its `rows`; from rows, `build` finds the class by (vector or scalar, degree), so the
arithmetic here is written once. Scalar functions override the hot paths with light lists.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, NoReturn, Protocol, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ..arrays import IntArray
from ..errors import DimensionMismatch, InvalidData
from ..labels import Labels, is_labelled
from ..numeric import real_array, real_matrix
from ..operators import operator
from ..operators import power as power_of
from ..sets import EqualTo, GreaterThan, HyperRectangle, LessThan, Nonnegatives, Nonpositives, Set, VectorSet, Zeros
from .notation import to_latex, to_text
from .row_products import times
from .rows import Rows
from .symbolic import Symbolic, held

__all__ = [
    "Comparison",
    "Entries",
    "Function",
    "OfRows",
    "ShapedLike",
    "Variables",
    "broadcast",
    "build",
    "class_of",
    "coerce",
    "comparison",
    "entries_product",
    "entries_quotient",
    "entries_sum",
    "has_functions",
    "of_shape",
]

Entries = tuple[Rows, tuple[int, ...], int]
"""The entries of a function row by row, its shape, and its degree (0 of numbers)."""

_CLASSES: dict[tuple[bool, int], type[Function]] = {}


class ShapedLike(Symbolic):
    """A function with several axes, or with labels: its methods say what it makes of what stands beside it."""

    __slots__ = ()
    of: ClassVar[Callable[..., Any]]
    """The one of a vector function's rows in a shape (`shaped` sets it)."""

    @property
    @abstractmethod
    def flat(self) -> Any:
        """All entries one below the other, row by row: a vector function."""

    @property
    @abstractmethod
    def entries(self) -> Any:
        """The stored entries, one below the other: a vector function."""

    @property
    @abstractmethod
    def place(self) -> IntArray:
        """Where the stored entries stand, counted row by row."""

    @property
    @abstractmethod
    def is_dense(self) -> bool:
        """Whether every entry is stored."""

    @abstractmethod
    def aligned_to(self, labels: Labels) -> Any:
        """The same entries in the order of these labels."""

    @abstractmethod
    def within(self, flat: Comparison) -> Comparison:
        """A constraint on `flat` as one of this shape."""

    @abstractmethod
    def compared(self, other: Any, scalar: Callable[[float], Set], vector: type[VectorSet]) -> Comparison:
        """See `comparison`."""


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
    degree: ClassVar[int]  # 0: plain variables, 1: affine, 2: quadratic, 3: three or more, 4: nonlinear

    operated: ClassVar[Callable[..., Any]]
    """An operator done to functions and numbers, entry by entry (`nonlinear`, which is made of functions, sets it)."""

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
        if isinstance(other, Symbolic):
            return self * Function.operated(operator("inv", 1), other)
        if is_labelled(other):
            return ShapedLike.of(self, self.shape) / other
        return entries_quotient((self.rows, self.shape, self.degree), other)

    def __rtruediv__(self, other: Any) -> Any:
        return Function.operated(operator("inv", 1), self) * other

    def __pow__(self, power: Any) -> Any:
        if isinstance(power, (int, float, np.number)):
            if power == 1:
                return self
            if power == 2 and self.degree < 2:
                return self * self
            return Function.operated(power_of(float(power)), self)
        return Function.operated(operator("^", 2), self, power)

    def __rpow__(self, base: Any) -> Any:
        return Function.operated(operator("^", 2), base, self)

    def __abs__(self) -> Any:
        return Function.operated(operator("abs", 1), self)

    # ------------------------------------------------------------------ comparison
    def __le__(self, other: Any) -> Comparison:
        return comparison(self, other, LessThan, Nonpositives)

    def __ge__(self, other: Any) -> Comparison:
        return comparison(self, other, GreaterThan, Nonnegatives)

    def __eq__(self, other: object) -> Any:
        return comparison(self, other, EqualTo, Zeros)

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


def of_shape(rows: Rows, shape: tuple[int, ...], at_least: int = 1) -> Any:
    """The function of these entries, row by row: a scalar, a vector, or one of several axes."""
    made = build(rows, vector=bool(shape), at_least=at_least)
    return made if len(shape) < 2 else ShapedLike.of(made, shape)


def class_of(*, vector: bool, degree: int) -> type[Function]:
    """The class of the functions of a degree: 0 for plain variables, 3 for three and more, 4 for nonlinear ones."""
    return _CLASSES[vector, min(degree, 4)]


def coerce(value: Any) -> Entries:
    """(rows of the entries, shape, degree) of a function, number, array, or sequence of those."""
    if isinstance(value, Function):
        return value.rows, value.shape, value.degree
    if isinstance(value, ShapedLike):
        return value.flat.rows, value.shape, value.flat.degree
    if sp.issparse(value):
        value = real_matrix(value, "What stands beside a function").toarray()
        value = value.squeeze() if 1 in value.shape else value
    if isinstance(value, (list, tuple)) or getattr(value, "dtype", None) == np.dtype(object):
        items = _items(value)
        if has_functions(items):
            return _coerce_items(items)
    array = real_array(value, "What stands beside a function")
    return Rows(np.array(array.ravel(), ndmin=1)), array.shape, 0


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


def _coerce_items(items: NDArray[Any]) -> Entries:
    """The same of an array of scalar functions and numbers."""
    if items.ndim == 0:
        return coerce(items.item())
    parts = [coerce(item) for item in items.flat]
    if any(shape for _, shape, _ in parts):
        raise DimensionMismatch(
            "Expected an array of scalar functions beside a function; stack vectors with ot.vectorize or np.stack."
        )
    degree = max([1, *(degree for _, _, degree in parts)])
    return Rows.stack([rows for rows, _, _ in parts]), items.shape, degree


def broadcast(
    f: Rows, f_shape: tuple[int, ...], g: Rows, g_shape: tuple[int, ...]
) -> tuple[Rows, Rows, tuple[int, ...]]:
    """Entries of two shapes repeated so that they go together, as NumPy does, and their shape.

    Raises
    ------
    DimensionMismatch
        If the shapes do not go together.
    """
    if f_shape == g_shape:
        return f, g, f_shape
    try:
        shape = np.broadcast_shapes(f_shape, g_shape)
    except ValueError:
        if max(len(f_shape), len(g_shape)) > 1:
            raise DimensionMismatch(
                f"Functions of shapes {f_shape} and {g_shape} do not go together; from the last one on, axes are of "
                "one length, or of length one on one side."
            ) from None
        raise DimensionMismatch(
            f"Functions of {f.m} and of {g.m} rows do not go together; give both as many rows, or one of them a single "
            "row."
        ) from None
    return _repeated(f, f_shape, shape), _repeated(g, g_shape, shape), shape


def _repeated(rows: Rows, given: tuple[int, ...], shape: tuple[int, ...]) -> Rows:
    if rows.m == math.prod(shape):
        return rows
    return rows.take(np.broadcast_to(np.arange(rows.m).reshape(given), shape).ravel())


def _sum(f: Function, other: Any, sign: float) -> Any:
    if isinstance(other, ShapedLike):
        return NotImplemented
    if is_labelled(other):
        whole = ShapedLike.of(f, f.shape)
        return whole + other if sign > 0 else whole - other
    return entries_sum((f.rows, f.shape, f.degree), coerce(other), sign)


def _product(f: Function, other: Any) -> Any:
    if isinstance(other, ShapedLike):
        return NotImplemented
    if is_labelled(other):
        return ShapedLike.of(f, f.shape) * other
    return entries_product((f.rows, f.shape, f.degree), coerce(other), by_numbers=not isinstance(other, Function))


def entries_sum(f: Entries, g: Entries, sign: float) -> Any:
    """``f + sign g``, entry by entry."""
    rows = g[0].scaled(np.full(g[0].m, sign)) if sign < 0 else g[0]
    mine, rows, shape = broadcast(*f[:2], rows, g[1])
    return of_shape(mine + rows, shape, max(1, f[2], g[2]))


def entries_product(f: Entries, g: Entries, *, by_numbers: bool) -> Any:
    """``f g``, entry by entry; by numbers the degree stays what it is."""
    mine, rows, shape = broadcast(*f[:2], *g[:2])
    if g[2] == 0 and by_numbers:
        return of_shape(mine.scaled(rows.constant), shape, max(1, f[2]))
    return of_shape(times(mine, rows), shape, max(2, f[2], g[2]))


def entries_quotient(f: Entries, divisor: Any) -> Any:
    """``f / divisor``, entry by entry, by numbers other than zero."""
    array = real_array(divisor, "A divisor")
    if not array.all():
        raise InvalidData(f"A function cannot be divided by zero; got the divisor {divisor!r}.")
    mine, by, shape = broadcast(*f[:2], Rows(np.array(array.ravel(), ndmin=1)), array.shape)
    return of_shape(mine.divided(by.constant), shape, max(1, f[2]))


def comparison(f: Any, other: Any, scalar: Callable[[float], Set], vector: type[VectorSet]) -> Comparison:
    """The constraint that a function and what it is compared with make, in a scalar or in a vector set.

    Infinite numbers mean that there is no bound.
    """
    if is_labelled(other):
        labelled: Comparison = ShapedLike.of(f, f.shape).compared(other, scalar, vector)
        return labelled
    difference = f - other
    if isinstance(difference, ShapedLike):
        return difference.within(_bounded_by(difference.flat, difference.shape, other, vector))
    if difference.is_vector:
        return _bounded_by(difference, difference.shape, other, vector)
    bound, difference = 0.0 - difference.constant, difference.without_constant()
    return Comparison(difference, scalar(bound))


def _bounded_by(difference: Any, shape: tuple[int, ...], other: Any, vector: type[VectorSet]) -> Comparison:
    """Rows compared with zero, or with infinite numbers."""
    if not isinstance(other, Symbolic) and not np.isfinite(difference.constants).all():
        # infinite numbers of functions are refused as they are added
        given = coerce(other)
        infinite = np.isinf(given[0].constant).reshape(given[1])
        if infinite.any():
            return _partly_bounded(difference.rows, np.broadcast_to(infinite, shape).ravel(), vector)
    return Comparison(difference, vector(difference.output_dimension))


def _partly_bounded(rows: Rows, infinite: NDArray[np.bool_], vector: type[VectorSet]) -> Comparison:
    """A comparison with infinite numbers, which mean that there is no bound: rows between bounds."""
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
