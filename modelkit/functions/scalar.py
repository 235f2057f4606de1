"""Scalar functions: light objects of Python lists, since models are often written one term at a time.

Concatenating lists for each ``+`` would make a sum of n terms cost n²/2 copies. So a function is a *view* of
the first ``_n`` entries of lists it may share: ``f + g`` appends g's terms to f's lists if nobody else has
appended yet (then f still sees its own ``_n`` entries), and copies otherwise. Functions stay immutable, sums
become linear. Large functions made from arrays keep arrays in the same places.

The file is long because its three classes make one another, with lists in hand where every term is felt.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import Any, Self, final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ..arrays import FloatArray
from ..errors import DimensionMismatch, InvalidData
from ..numeric import real_array, real_number
from ..sets import EqualTo, GreaterThan, LessThan
from .abstract_function import Comparison, Function, Variables
from .rows import Rows
from .symbolic import held

__all__ = ["ScalarAffineFunction", "ScalarFunction", "ScalarQuadraticFunction", "VariableIndex"]

_new = object.__new__
_NUMBERS = (float, int)  # np.float64 is a float


class ScalarFunction(Function):
    """A function with one row."""

    __slots__ = ()
    is_vector = False

    @property
    def output_dimension(self) -> int:
        """Always 1."""
        return 1

    @property
    def shape(self) -> tuple[int, ...]:
        """Always ()."""
        return ()

    def objects(self) -> NDArray[Any]:
        """A 0-d array that holds the function."""
        return held(self)

    @abstractmethod
    def without_constant(self) -> ScalarFunction:
        """The same function with constant zero."""

    def coefficient(self, x: VariableIndex, y: VariableIndex | None = None, *others: VariableIndex) -> float:
        """The coefficient of ``x``, of ``x * y`` or of a longer product, in any order, when all is written out."""
        if y is not None and others:
            higher = self.rows.higher
            return 0.0 if higher is None else higher.coefficient(0, [v.value for v in (x, y, *others)])
        zero = np.zeros(1, np.int64)
        first = np.array([x.value])
        if y is None:
            return float(self.rows.coefficients(zero, first)[0])
        return float(self.rows.quadratic_coefficients(zero, first, np.array([y.value]))[0])

    def coefficients(self, v: Variables, w: Variables | None = None) -> FloatArray:
        """Coefficients of the variables v, or of the pairs ``v[i] * w[i]``; shape that of v."""
        if w is None:
            return self.rows.coefficients(np.zeros(1, np.int64), v.ids)
        return self.rows.quadratic_coefficients(np.zeros(1, np.int64), v.ids, w.ids)


@final
class VariableIndex(ScalarFunction, canonical=True):
    """One variable of a model: an index that is itself a function.

    Parameters
    ----------
    value : int
        Identifier; the high bits tell the model, so that a foreign index is recognized.
    """

    __slots__ = ("value",)
    degree = 0

    def __init__(self, value: int) -> None:
        self.value = value

    @property
    def constant(self) -> float:
        """Always 0."""
        return 0.0

    @property
    def rows(self) -> Rows:
        """One row of one term."""
        return Rows.of_variables(np.array([self.value], np.int64))

    @classmethod
    def from_rows(cls, rows: Rows) -> Self:
        """The variable of a row that is exactly one variable."""
        rows = rows.canonical()
        if len(rows.var) != 1 or rows.coef[0] != 1 or rows.constant[0] != 0 or rows.degree > 1:
            raise InvalidData("This function is not a single variable.")
        return cls(int(rows.var[0]))

    @property
    def terms(self) -> tuple[list[int], list[float]]:
        """Identifiers and coefficients: itself, once."""
        return [self.value], [1.0]

    def without_constant(self) -> ScalarAffineFunction:
        """The variable as an affine function."""
        return _affine([self.value], [1.0], 0.0)

    def __mul__(self, other: Any) -> Any:
        if type(other) is float:  # the hot path
            f = _new(ScalarAffineFunction)
            f._ids = [self.value]
            f._coefs = [other]
            f._n = 1
            f.constant = 0.0
            return f
        if isinstance(other, _NUMBERS):
            return _affine([self.value], [float(other)], 0.0)
        if type(other) is VariableIndex:
            return _with_quadratic(_affine([], [], 0.0), [self.value], [other.value], [1.0])
        return super().__mul__(other)

    __rmul__ = __mul__

    def __add__(self, other: Any) -> Any:
        if isinstance(other, _NUMBERS):
            return _affine([self.value], [1.0], float(other))
        if type(other) is VariableIndex:
            return _affine([self.value, other.value], [1.0, 1.0], 0.0)
        if isinstance(other, (ScalarAffineFunction, ScalarQuadraticFunction)):
            return self.without_constant() + other
        return super().__add__(other)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        if isinstance(other, _NUMBERS):
            return _affine([self.value], [1.0], -float(other))
        if isinstance(other, (VariableIndex, ScalarAffineFunction, ScalarQuadraticFunction)):
            return self.without_constant() - other
        return super().__sub__(other)

    def __le__(self, other: Any) -> Comparison:
        comparison: Comparison = self.without_constant() <= other
        return comparison

    def __ge__(self, other: Any) -> Comparison:
        comparison: Comparison = self.without_constant() >= other
        return comparison

    def __eq__(self, other: object) -> Any:
        if type(other) is VariableIndex:
            return self.value == other.value
        return self.without_constant() == other

    def __ne__(self, other: object) -> Any:
        if type(other) is VariableIndex:
            return self.value != other.value
        return super().__ne__(other)

    def __hash__(self) -> int:  # type: ignore[override]  # unlike other functions
        return hash(("variable", self.value))


def _join(a: Any, n: int, b: Any, m: int) -> Any:
    """The first n of a, then the first m of b; in place at the end of a when nobody has appended there."""
    if type(a) is not list:
        if type(b) is not list:
            return np.concatenate([a[:n], b[:m]])
        a = a[:n].tolist()
    elif len(a) != n:
        a = a[:n]
    if type(b) is not list:
        b = b.tolist()
    a += b if len(b) == m else b[:m]
    return a


def _times(a: Any, n: int, factor: float) -> Any:
    if type(a) is list:
        return [factor * c for c in (a if len(a) == n else a[:n])]
    with np.errstate(over="ignore", invalid="ignore"):  # a model refuses what overflows
        return factor * a[:n]


@final
class ScalarAffineFunction(ScalarFunction, canonical=True):
    """``sum of coefficient * variable + constant``; terms may repeat, repeats add.

    Parameters
    ----------
    variables : VectorOfVariables or sequence of VariableIndex
    coefficients : array_like of the same length
    constant : float

    Examples
    --------
    >>> x, y = VariableIndex(0), VariableIndex(1)
    >>> f = 2 * x + y - 3
    >>> f.coefficient(x), f.constant
    (2.0, -3.0)
    """

    __slots__ = ("_coefs", "_ids", "_n", "constant")
    degree = 1
    constant: float
    _n: int

    def __init__(self, variables: Any = (), coefficients: Any = (), constant: float = 0.0) -> None:
        ids = getattr(variables, "ids", None)
        self._ids: Any = [v.value for v in variables] if ids is None else ids.tolist()
        coefs = real_array(coefficients, "A coefficient")
        self._n = len(self._ids)
        self.constant = real_number(constant, "A constant")
        if coefs.shape != (self._n,):
            raise DimensionMismatch(
                f"An affine function of {self._n} variables needs as many coefficients, "
                f"got an array of shape {coefs.shape}."
            )
        self._coefs: Any = coefs.tolist()

    @property
    def terms(self) -> tuple[list[int], list[float]]:
        """Identifiers and coefficients, two lists (not to be written into)."""
        n, ids, coefs = self._n, self._ids, self._coefs
        if type(ids) is not list or len(ids) != n:
            ids = ids[:n] if type(ids) is list else ids[:n].tolist()
        if type(coefs) is not list or len(coefs) != n:
            coefs = coefs[:n] if type(coefs) is list else coefs[:n].tolist()
        return ids, coefs

    @property
    def rows(self) -> Rows:
        """One row."""
        n = self._n
        return Rows(
            np.array([self.constant]),
            np.zeros(n, np.int64),
            np.array(self._ids[:n], np.int64),
            np.array(self._coefs[:n], np.float64),
        )

    @classmethod
    def from_rows(cls, rows: Rows) -> ScalarAffineFunction:
        """The function of one row."""
        if len(rows.var) < 64:
            return _affine(rows.var.tolist(), rows.coef.tolist(), float(rows.constant[0]))
        return _affine(rows.var, rows.coef, float(rows.constant[0]))

    def without_constant(self) -> ScalarAffineFunction:
        """The same function with constant zero."""
        return self if self.constant == 0.0 else _affine(self._ids, self._coefs, 0.0, self._n)

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, _NUMBERS):
            factor = float(other)
            return _affine(self._ids, _times(self._coefs, self._n, factor), self.constant * factor, self._n)
        return super().__mul__(other)

    __rmul__ = __mul__

    def __neg__(self) -> ScalarAffineFunction:
        return _affine(self._ids, _times(self._coefs, self._n, -1.0), -self.constant, self._n)

    def __add__(self, other: Any) -> Any:
        kind = type(other)
        n = self._n
        if kind is ScalarAffineFunction:  # the hot path
            ids, coefs, more, others, m = self._ids, self._coefs, other._ids, other._coefs, other._n
            f = _new(ScalarAffineFunction)
            if type(ids) is list and type(more) is list and len(ids) == n and len(more) == m:
                ids += more  # `_join` of both, written out: the hot path
                coefs += others
                f._ids = ids
                f._coefs = coefs
            else:
                f._ids = _join(ids, n, more, m)
                f._coefs = _join(coefs, n, others, m)
            f._n = n + m
            f.constant = self.constant + other.constant
            return f
        if kind is VariableIndex:
            return _affine(_join(self._ids, n, [other.value], 1), _join(self._coefs, n, [1.0], 1), self.constant, n + 1)
        if isinstance(other, _NUMBERS):
            return _affine(self._ids, self._coefs, self.constant + float(other), n)
        if kind is ScalarQuadraticFunction:
            return other + self
        return super().__add__(other)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        if isinstance(other, _NUMBERS):
            return _affine(self._ids, self._coefs, self.constant - float(other), self._n)
        if isinstance(other, ScalarFunction):
            return self + (-other)
        return super().__sub__(other)

    def __le__(self, other: Any) -> Comparison:
        if type(other) is float and self.constant == 0.0:  # the hot path
            bound = _new(LessThan)
            bound.upper = other
            comparison = _new(Comparison)
            comparison.function = self
            comparison.set = bound
            return comparison
        if isinstance(other, _NUMBERS):
            return Comparison(self.without_constant(), LessThan(other - self.constant))
        return super().__le__(other)

    def __ge__(self, other: Any) -> Comparison:
        if type(other) is float and self.constant == 0.0:  # the hot path
            bound = _new(GreaterThan)
            bound.lower = other
            comparison = _new(Comparison)
            comparison.function = self
            comparison.set = bound
            return comparison
        if isinstance(other, _NUMBERS):
            return Comparison(self.without_constant(), GreaterThan(other - self.constant))
        return super().__ge__(other)

    def __eq__(self, other: object) -> Any:
        if isinstance(other, _NUMBERS):
            return Comparison(self.without_constant(), EqualTo(other - self.constant))
        return super().__eq__(other)

    __hash__ = None  # type: ignore[assignment]


def _affine(ids: Any, coefs: Any, constant: float, n: int = -1) -> ScalarAffineFunction:
    f = _new(ScalarAffineFunction)
    f._ids = ids
    f._coefs = coefs
    f._n = len(ids) if n < 0 else n
    f.constant = constant
    return f


@final
class ScalarQuadraticFunction(ScalarFunction, canonical=True):
    """``½ xᵀQx + aᵀx + constant``, held as the written-out polynomial; terms may repeat, repeats add.

    Made by arithmetic: ``x * x``, ``x * y + 2 * x``, ``0.5 * (v @ (P @ v)) + q @ v``.

    Examples
    --------
    >>> x, y = VariableIndex(0), VariableIndex(1)
    >>> f = 3 * x * x + 2 * x * y
    >>> f.coefficient(x, x), f.coefficient(y, x)
    (3.0, 2.0)
    >>> f.Q.toarray()
    array([[6., 2.],
           [2., 0.]])
    """

    __slots__ = ("_affine", "_n", "_q1", "_q2", "_qc")
    degree = 2

    _affine: ScalarAffineFunction
    _q1: Any
    _q2: Any
    _qc: Any
    _n: int

    @property
    def constant(self) -> float:
        """The constant."""
        return self._affine.constant

    @property
    def Q(self) -> Any:
        """The symmetric matrix Q of ``½ xᵀQx`` (csr_array), over `variables`, in that order."""
        rows = self.rows
        ids = rows.variables()
        i, j = np.searchsorted(ids, rows.qvar1), np.searchsorted(ids, rows.qvar2)
        half = sp.coo_array((rows.qcoef, (i, j)), shape=(len(ids), len(ids))).tocsr()
        return sp.csr_array(half + half.T)

    @property
    def rows(self) -> Rows:
        """One row."""
        n = self._n
        return replace(
            self._affine.rows,
            qrow=np.zeros(n, np.int64),
            qvar1=np.array(self._q1[:n], np.int64),
            qvar2=np.array(self._q2[:n], np.int64),
            qcoef=np.array(self._qc[:n], np.float64),
        )

    @classmethod
    def from_rows(cls, rows: Rows) -> ScalarQuadraticFunction:
        """The function of one row."""
        quadratic: list[Any] = [rows.qvar1, rows.qvar2, rows.qcoef]
        if len(rows.qcoef) < 64:
            quadratic = [a.tolist() for a in quadratic]
        return _with_quadratic(ScalarAffineFunction.from_rows(rows), *quadratic)

    def without_constant(self) -> ScalarQuadraticFunction:
        """The same function with constant zero."""
        return _with_quadratic(self._affine.without_constant(), self._q1, self._q2, self._qc, self._n)

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, _NUMBERS):
            coefs = _times(self._qc, self._n, float(other))
            return _with_quadratic(self._affine * other, self._q1, self._q2, coefs, self._n)
        return super().__mul__(other)

    __rmul__ = __mul__

    def __add__(self, other: Any) -> Any:
        n = self._n
        if type(other) is ScalarQuadraticFunction:
            m = other._n
            return _with_quadratic(
                self._affine + other._affine,
                _join(self._q1, n, other._q1, m),
                _join(self._q2, n, other._q2, m),
                _join(self._qc, n, other._qc, m),
                n + m,
            )
        if isinstance(other, (*_NUMBERS, VariableIndex, ScalarAffineFunction)):
            return _with_quadratic(self._affine + other, self._q1, self._q2, self._qc, n)
        return super().__add__(other)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        if isinstance(other, (*_NUMBERS, ScalarFunction)):
            return self + (-other)
        return super().__sub__(other)


def _with_quadratic(affine: ScalarAffineFunction, q1: Any, q2: Any, qc: Any, n: int = -1) -> ScalarQuadraticFunction:
    f = _new(ScalarQuadraticFunction)
    f._affine = affine
    f._q1 = q1
    f._q2 = q2
    f._qc = qc
    f._n = len(qc) if n < 0 else n
    return f
