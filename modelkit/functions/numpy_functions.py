"""NumPy's functions on functions of variables: what NumPy does to arrays, or a refusal in words; never something else.

Four ways, and a function of NumPy that has none of them is refused:

* `_DIRECT`: sums, means and products of whole functions by their own array arithmetic;
* `_MOVES`: what only moves entries is done to the numbers 0, 1, ... of the entries, and the entries are picked;
* `_PLACES`: what puts the entries of several arrays side by side, and zeros between them, likewise, of all of them;
* `_ENTRYWISE`: what adds, multiplies and places entries is done by NumPy itself to arrays of scalar functions.

What would compare functions (`np.sort`, `np.max`) or need their values is in none of them.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.lib.array_utils import normalize_axis_tuple
from numpy.typing import NDArray

from ..errors import DimensionMismatch, InvalidData
from ..labels import is_labelled
from .abstract_function import Function, coerce, of_shape
from .rows import Rows
from .shaped import ArrayFunction
from .symbolic import Symbolic
from .vector import VectorFunction, vectorize

__all__ = ["numpy_function"]

_Call = Callable[..., Any]


def numpy_function(func: _Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What a function of NumPy makes of functions of variables.

    Raises
    ------
    TypeError
        If it is no arithmetic of arrays, with what to write instead.

    Examples
    --------
    >>> import optangent as ot
    >>> v = ot.Model().add_variables(3)
    >>> np.mean(v), np.dot([1.0, 2.0, 0.0], v)
    (0.333333 x[0] + 0.333333 x[1] + 0.333333 x[2], x[0] + 2 x[1] + 0 x[2])
    """
    if kwargs.get("out") is not None:
        raise TypeError(f"{_name(func)} cannot write functions of variables into `out`; take what it returns.")
    if "where" in kwargs and "initial" not in kwargs:
        raise TypeError(f"{_name(func)} of functions of variables takes `where` with `initial` only.")
    labelled = [one for one in _leaves((args, kwargs)) if _has_labels(one)]
    if labelled and func not in _BY_LABELS and (len(labelled) > 1 or any(map(is_labelled, labelled))):
        raise TypeError(
            f"{_name(func)} goes by position, whatever the labels; take what has labels without them, "
            "series.to_numpy() and v.without_labels(), or use +, -, *, / and np.dot, which go by labels."
        )
    for one in _leaves((args, kwargs)):
        if isinstance(one, np.ma.MaskedArray) and np.ma.is_masked(one):
            raise InvalidData(f"{_name(func)} was given masked entries; fill them in (array.filled(value)).")
    direct = _DIRECT.get(func)
    found = NotImplemented if direct is None else direct(*args, **kwargs)
    if found is not NotImplemented:
        return found
    if func in _MOVES and _is_data_alone(func, args, kwargs):
        return _moved(func, args, kwargs)
    if func not in _ENTRYWISE or any(sp.issparse(one) for one in _leaves((args, kwargs))):
        raise TypeError(_refusal(func))
    if func in _STACKS and args and isinstance(args[0], (VectorFunction, ArrayFunction)):
        args = (list(args[0]), *args[1:])  # a sequence of its rows
    if func in _PLACES and not kwargs.keys() - _NUMBERS_ONLY:
        return _placed(func, args, kwargs)
    return _ours(func(*_as_objects(args), **_as_objects(kwargs)))


def _has_labels(value: Any) -> bool:
    """Whether it is a Series or DataFrame, or a function with labels."""
    return is_labelled(value) or (isinstance(value, ArrayFunction) and any(one is not None for one in value.labels))


# ---------------------------------------------------------------------- entries
def _leaves(value: Any) -> Any:
    """What stands in nested lists, tuples and dictionaries."""
    if isinstance(value, (list, tuple)):
        for one in value:
            yield from _leaves(one)
    elif isinstance(value, dict):
        yield from _leaves(list(value.values()))
    else:
        yield value


def _as_objects(value: Any) -> Any:
    """The same with arrays of scalar functions in place of functions."""
    if isinstance(value, Symbolic):
        return value.objects()
    if isinstance(value, (list, tuple)):
        return type(value)(_as_objects(one) for one in value)
    if isinstance(value, dict):
        return {key: _as_objects(one) for key, one in value.items()}
    return value


def _ours(result: Any) -> Any:
    """What NumPy made of arrays of scalar functions, as functions."""
    if isinstance(result, (list, tuple)):
        return type(result)(_ours(one) for one in result)
    if not isinstance(result, np.ndarray) or result.dtype != object:
        return result
    if not any(isinstance(one, Function) for one in result.flat):
        return result.astype(np.float64) if result.size else _shaped(vectorize([]), result.shape)
    return _shaped(vectorize(list(result.flat)), result.shape)


def _shaped(entries: VectorFunction, shape: tuple[int, ...]) -> Any:
    """A scalar, a vector or an array of these entries."""
    if not shape:
        return entries[0]
    return entries if len(shape) == 1 else ArrayFunction(entries, shape)


def _is_data_alone(func: _Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether the entries that move are all of one function, and the other arguments are numbers."""
    others = [*args[: _MOVES[func]], *args[_MOVES[func] + 1 :], *kwargs.values()]
    data = args[_MOVES[func] : _MOVES[func] + 1]
    return isinstance(data[0] if data else None, Symbolic) and not any(
        isinstance(one, (Symbolic, sp.sparray, sp.spmatrix)) for one in _leaves(others)
    )


def _moved(func: _Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The function done to the numbers of the entries, and the entries picked by it."""
    at = _MOVES[func]
    f: Any = args[at]
    if not isinstance(f, ArrayFunction):
        f = ArrayFunction.of_function(f, f.shape)
    labels = _moved_labels(func, f, args, kwargs)

    def picked(chosen: Any) -> Any:
        if isinstance(chosen, (list, tuple)):
            return type(chosen)(picked(one) for one in chosen)
        return f.picked(np.asarray(chosen), labels)

    return picked(func(*args[:at], f.numbers(), *args[at + 1 :], **kwargs))


def _moved_labels(func: _Call, f: ArrayFunction, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The labels of a transpose, or a copy; others are lost."""
    if func in (np.transpose, np.permute_dims, np.matrix_transpose, np.linalg.matrix_transpose, np.swapaxes, np.copy):
        lengths = func(np.broadcast_to(0.0, range(f.ndim)), *args[1:], **kwargs).shape  # tell which axis went where
        return tuple(f.labels[k] for k in lengths)
    return None


def _placed(func: _Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The function done to the numbers of the entries of all arguments, 0 for zero, and the entries picked by it."""
    parts, degree, first = [Rows(np.zeros(1))], 1, 1  # the first of all entries is zero

    def numbered(value: Any) -> Any:
        nonlocal first, degree
        if isinstance(value, (list, tuple)) and _has_sequences(value):
            return type(value)(numbered(one) for one in value)
        rows, shape, its = coerce(value)
        parts.append(rows)
        degree, first = max(degree, its), first + rows.m
        return np.arange(first - rows.m, first).reshape(shape)

    data = _PLACES[func]
    moved = func(*(numbered(one) if k in data else one for k, one in enumerate(args)), **kwargs)
    chosen = np.asarray(moved)
    return of_shape(Rows.stack(parts).take(chosen.ravel()), chosen.shape, degree)


def _has_sequences(value: Any) -> bool:
    """Whether a sequence holds what has entries of its own."""
    return any(isinstance(one, (list, tuple, np.ndarray, Symbolic)) for one in value)


# ---------------------------------------------------------------------- refusals
def _name(func: _Call) -> str:
    """As users call it: ``numpy.linalg.norm``."""
    module = str(getattr(func, "__module__", None) or "numpy")
    return f"{module}.{getattr(func, '__name__', func)}"


def _refusal(func: _Call) -> str:
    name = getattr(func, "__name__", str(func))
    instead = next((words for names, words in _INSTEAD.items() if name in names.split()), _DEFAULT)
    return f"{_name(func)} is not defined for functions of variables. {instead}"


_DEFAULT = "Of their values at a solution it is: give it model.value(f)."
_INSTEAD = {
    "max min amax amin nanmax nanmin argmax argmin ptp clip": (
        "Bound all rows by a new variable t instead: model.add_constraint(f <= t) with t minimized, f >= t maximized."
    ),
    "norm vector_norm matrix_norm": (
        "Put ot.vectorize([t, f]) into ot.SecondOrderCone, ot.NormOneCone or ot.NormInfinityCone; t is a new variable."
    ),
    "allclose isclose array_equal array_equiv": "An equation is a constraint: model.add_constraint(f - g == 0).",
    "solve lstsq inv pinv tensorsolve": "Solve with numbers alone: np.linalg.inv(A) @ f.",
    "det slogdet": "Put the matrix into ot.LogDetConeTriangle or ot.RootDetConeTriangle.",
    "svd svdvals eig eigh eigvals eigvalsh": (
        "Put the matrix into ot.PositiveSemidefiniteConeTriangle, ot.NormSpectralCone or ot.NormNuclearCone."
    ),
}


# ---------------------------------------------------------------------- done directly
def _sum(a: Any, axis: Any = None, keepdims: bool = False, **others: Any) -> Any:
    if others or not isinstance(a, (VectorFunction, ArrayFunction)):
        return NotImplemented
    if axis is None and not keepdims:
        return (a if isinstance(a, VectorFunction) else a.entries).sum()
    array = a if isinstance(a, ArrayFunction) else ArrayFunction(a, a.shape)
    every = range(a.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return array.summed(normalize_axis_tuple(tuple(every), a.ndim), bool(keepdims))


def _mean(a: Any, axis: Any = None, keepdims: bool = False, **others: Any) -> Any:
    total = _sum(a, axis, keepdims, **others)
    if total is NotImplemented or not a.size:
        return NotImplemented
    return total / (a.size // max(total.size, 1))


def _dot(a: Any, b: Any) -> Any:
    a, b = _plain(a), _plain(b)
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    if b.ndim < 3 and (a.ndim < 3 or b.ndim == 1):
        return _matrix_product(a, b)
    return _tensordot(a, b, (a.ndim - 1, max(b.ndim - 2, 0)))


def _matrix_product(a: Any, b: Any) -> Any:
    """``a @ b`` by our own `@`, whatever stands on the left (pandas, there, goes by position)."""
    f: Any = b
    return a @ b if isinstance(a, Symbolic) else f.__rmatmul__(a)


def _inner(a: Any, b: Any) -> Any:
    a, b = _plain(a), _plain(b)
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    if a.ndim < 3 and b.ndim < 3:
        return _dot(a, b.T) if b.ndim == 2 and a.ndim == 2 else _dot(b, a) if b.ndim == 2 else _dot(a, b)
    return _tensordot(a, b, (a.ndim - 1, b.ndim - 1))


def _vdot(a: Any, b: Any) -> Any:
    a, b = _plain(a), _plain(b)
    if (_has_labels(a) or _has_labels(b)) and a.shape == b.shape:
        return np.sum(a * b)
    return _inner(np.ravel(_plain(a)), np.ravel(_plain(b)))


def _outer(a: Any, b: Any) -> Any:
    a, b = (np.ravel(_plain(one)) for one in (a, b))
    return _matrix_product(np.reshape(a, (-1, 1)), np.reshape(b, (1, -1)))


def _tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """The axes that meet brought together, and a product of matrices."""
    a, b = _plain(a), _plain(b)
    if _has_labels(a) and _has_labels(b):
        raise TypeError("Products along chosen axes go by position; take one of both without labels.")
    if sp.issparse(a) or sp.issparse(b):
        return NotImplemented
    if np.ndim(axes) == 0:
        n = operator.index(axes)
        axes = (tuple(range(a.ndim - n, a.ndim)), tuple(range(n)))
    one, two = (normalize_axis_tuple(x, f.ndim) for x, f in zip(axes, (a, b), strict=True))
    if [a.shape[k] for k in one] != [b.shape[k] for k in two]:
        raise DimensionMismatch(
            f"Arrays of shapes {a.shape} and {b.shape} do not meet along the axes {one} and {two}; the lengths differ."
        )
    rest, others = ([k for k in range(f.ndim) if k not in x] for f, x in ((a, one), (b, two)))
    n = math.prod(a.shape[k] for k in one)
    left = np.reshape(np.transpose(a, (*rest, *one)), (math.prod(a.shape[k] for k in rest), n))
    right = np.reshape(np.transpose(b, (*two, *others)), (n, math.prod(b.shape[k] for k in others)))
    return np.reshape(_matrix_product(left, right), [a.shape[k] for k in rest] + [b.shape[k] for k in others])


def _matmul(a: Any, b: Any, /) -> Any:
    a, b = _plain(a), _plain(b)
    if a.ndim == 0 or b.ndim == 0:
        raise TypeError("numpy.linalg.matmul multiplies vectors and matrices; write a * f with a single number.")
    return _matrix_product(a, b)


def _trace(a: Any, offset: Any = 0, axis1: Any = 0, axis2: Any = 1, **others: Any) -> Any:
    if others or not isinstance(a, ArrayFunction):
        return NotImplemented
    return np.sum(np.diagonal(a, offset, axis1, axis2), axis=-1)


def _cumsum(a: Any, axis: Any = None, **others: Any) -> Any:
    if others or not isinstance(a, (VectorFunction, ArrayFunction)):
        return NotImplemented
    f: Any = np.ravel(a) if axis is None else a
    (at,) = normalize_axis_tuple(0 if axis is None else axis, f.ndim)
    if f.ndim == 1:
        return np.tri(f.size) @ f
    return np.moveaxis(np.tri(f.shape[at]) @ np.moveaxis(f, at, -2), -2, at)


def _diff(a: Any, n: Any = 1, axis: Any = -1, **others: Any) -> Any:
    if others or not isinstance(a, (VectorFunction, ArrayFunction)) or n < 0:
        return NotImplemented
    (at,) = normalize_axis_tuple(axis, a.ndim)
    before = (slice(None),) * at
    for _ in range(n):
        a = a[(*before, slice(1, None))] - a[(*before, slice(-1))]
    return a


def _plain(value: Any) -> Any:
    """Functions, sparse arrays and what has labels as they are; others as arrays, those of functions as functions."""
    if isinstance(value, Symbolic) or sp.issparse(value) or is_labelled(value):
        return value
    array = np.asanyarray(value)
    return _ours(array) if array.dtype == object else array


def _numbers_like(make: Callable[..., NDArray[Any]]) -> _Call:
    def like(prototype: Any, *values: Any, dtype: Any = None, shape: Any = None, **others: Any) -> Any:
        if others.pop("order", "K") not in ("K", "C", "A") or others or any(isinstance(v, Symbolic) for v in values):
            return NotImplemented
        return make(prototype.shape if shape is None else shape, *values, dtype=np.float64 if dtype is None else dtype)

    return like


_DIRECT: dict[_Call, _Call] = {
    np.shape: lambda a: a.shape,
    np.ndim: lambda a: a.ndim,
    np.size: lambda a, axis=None: a.size if axis is None else a.shape[axis],
    np.sum: _sum,
    np.mean: _mean,
    np.dot: _dot,
    np.inner: _inner,
    np.vdot: _vdot,
    np.outer: _outer,
    np.tensordot: _tensordot,
    np.linalg.matmul: _matmul,
    np.trace: _trace,
    np.cumsum: _cumsum,
    np.diff: _diff,
    np.zeros_like: _numbers_like(np.zeros),
    np.ones_like: _numbers_like(np.ones),
    np.full_like: _numbers_like(np.full),
}

_BY_LABELS = {np.dot, np.inner, np.vdot, np.linalg.matmul}
"""What brings the labels of its arguments into one order."""

_MOVES: dict[Any, int] = dict.fromkeys(
    (
        *(np.reshape, np.ravel, np.transpose, np.matrix_transpose, np.linalg.matrix_transpose, np.permute_dims),
        *(np.squeeze, np.expand_dims, np.swapaxes, np.moveaxis, np.rollaxis, np.broadcast_to, np.resize, np.copy),
        *(np.flip, np.flipud, np.fliplr, np.roll, np.rot90, np.take, np.take_along_axis, np.repeat, np.tile),
        *(np.delete, np.diagonal, np.linalg.diagonal, np.split, np.array_split, np.hsplit, np.vsplit),
    ),
    0,
) | {np.compress: 1, np.extract: 1}
"""What only moves entries, and the place of the argument whose entries it moves."""

_STACKS: frozenset[_Call] = frozenset((np.concatenate, np.hstack, np.stack, np.vstack, np.dstack, np.column_stack))
"""What takes a sequence of arrays."""

_PLACES: dict[Any, tuple[int, ...]] = dict.fromkeys((*_STACKS, np.block, np.tril, np.triu, np.diag, np.diagflat), (0,))
_PLACES |= {np.append: (0, 1)}
"""What puts entries, and zeros, side by side, and the places of the arguments that have them."""
_NUMBERS_ONLY = {"axis", "k"}
"""Keywords of those that are no entries."""

_ENTRYWISE: frozenset[_Call] = frozenset(
    (
        *_DIRECT,
        *_MOVES,
        *_STACKS,
        *(np.average, np.prod, np.cumsum, np.cumprod, np.diff, np.ediff1d, np.trapezoid, np.trace, np.linalg.trace),
        *(np.outer, np.linalg.outer, np.tensordot, np.linalg.tensordot, np.einsum, np.kron),
        *(np.convolve, np.correlate, np.cross, np.linalg.cross, np.linalg.multi_dot),
        *(np.block, np.append, np.insert, np.pad),
        *(np.where, np.diag, np.diagflat, np.tril, np.triu, np.meshgrid, np.broadcast_arrays),
        *(np.atleast_1d, np.atleast_2d, np.atleast_3d),
    )
)
"""What NumPy does right to arrays of scalar functions: it adds, multiplies and places their entries."""
