"""NumPy's functions on functions of variables: what NumPy does to arrays, or a refusal in words; never something else.

Three ways, and a function of NumPy that has none of them is refused:

* `_DIRECT`: sums, means, products and stacks of whole functions by their own array arithmetic;
* `_MOVES`: what only moves entries is done to the numbers 0, 1, ... of the entries, and the entries are picked;
* `_ENTRYWISE`: what adds, multiplies and places entries is done by NumPy itself to arrays of scalar functions.

What would compare functions (`np.sort`, `np.max`) or need their values is in none of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ..errors import InvalidData
from .base import Function, Symbolic, build
from .matrices import MatrixFunction
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
    if func in _STACKS and args and isinstance(args[0], (VectorFunction, MatrixFunction)):
        args = (list(args[0]), *args[1:])  # a sequence of its rows
    return _ours(func(*_as_objects(args), **_as_objects(kwargs)), func)


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


def _ours(result: Any, func: _Call) -> Any:
    """What NumPy made of arrays of scalar functions, as functions."""
    if isinstance(result, (list, tuple)):
        return type(result)(_ours(one, func) for one in result)
    if not isinstance(result, np.ndarray) or result.dtype != object:
        return result
    if not any(isinstance(one, Function) for one in result.flat):
        return result.astype(np.float64) if result.size else _shaped(vectorize([]), result.shape, func)
    return _shaped(vectorize(list(result.flat)), result.shape, func)


def _shaped(entries: VectorFunction, shape: tuple[int, ...], func: _Call) -> Any:
    """A scalar, a vector or a matrix of these entries."""
    if len(shape) > 2:
        raise TypeError(
            f"{_name(func)} makes an array of shape {shape} here; functions are scalars, vectors, matrices."
        )
    if len(shape) == 2:
        return MatrixFunction.dense(entries, (shape[0], shape[1]))
    return entries if shape else entries[0]


def _flat(f: Symbolic) -> VectorFunction:
    """All entries one below the other, row by row."""
    if isinstance(f, VectorFunction):
        return f
    if not isinstance(f, MatrixFunction):
        return vectorize([f])
    if f.is_dense:
        return f.entries
    row, column = f.places
    flat: VectorFunction = build(f.entries.rows.moved(row * f.shape[1] + column, f.size), vector=True)
    return flat


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
    f: Symbolic = args[at]
    entries, numbers = _flat(f), np.arange(f.size).reshape(f.shape)

    def picked(chosen: Any) -> Any:
        if isinstance(chosen, (list, tuple)):
            return type(chosen)(picked(one) for one in chosen)
        return _shaped(entries[np.asarray(chosen).ravel()], np.shape(chosen), func)

    return picked(func(*args[:at], numbers, *args[at + 1 :], **kwargs))


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
def _sum(a: Any, axis: Any = None, **others: Any) -> Any:
    if others or not isinstance(a, (VectorFunction, MatrixFunction)):
        return NotImplemented
    if axis is None or (isinstance(a, VectorFunction) and axis in (0, -1)):
        return (a if isinstance(a, VectorFunction) else a.entries).sum()
    if isinstance(a, MatrixFunction) and axis in (0, 1, -1, -2):
        return np.ones(a.shape[0]) @ a if axis in (0, -2) else a @ np.ones(a.shape[1])
    return NotImplemented


def _mean(a: Any, axis: Any = None, **others: Any) -> Any:
    total = _sum(a, axis, **others)
    if total is NotImplemented or not a.size:
        return NotImplemented
    return total / (a.size if axis is None else a.shape[axis])


def _dot(a: Any, b: Any) -> Any:
    a, b = _plain(a), _plain(b)
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    both = isinstance(a, MatrixFunction) and isinstance(b, MatrixFunction)
    return NotImplemented if both or max(a.ndim, b.ndim) > 2 else a @ b


def _inner(a: Any, b: Any) -> Any:
    a, b = _plain(a), _plain(b)
    if a.ndim == 2 and b.ndim == 2:
        return _dot(a, b.T)
    return _dot(b, a) if b.ndim == 2 else _dot(a, b)


def _vdot(a: Any, b: Any) -> Any:
    return _inner(np.ravel(a), np.ravel(b))


def _matmul(a: Any, b: Any, /) -> Any:
    a, b = _plain(a), _plain(b)
    if a.ndim == 0 or b.ndim == 0:
        raise TypeError("numpy.linalg.matmul multiplies vectors and matrices; write a * f with a single number.")
    return _dot(a, b)


def _plain(value: Any) -> Any:
    """A function or a sparse array as it is, anything else as an array, one of scalar functions as a function."""
    if isinstance(value, Symbolic) or sp.issparse(value):
        return value
    array = np.asanyarray(value)
    return _ours(array, np.asarray) if array.dtype == object else array


def _concatenate(arrays: Any, axis: Any = 0, **others: Any) -> Any:
    vectors = [_plain(one) for one in arrays]
    if others or axis not in (0, -1, None) or any(one.ndim != 1 or sp.issparse(one) for one in vectors):
        return NotImplemented
    return vectorize(vectors)


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
    np.linalg.matmul: _matmul,
    np.concatenate: _concatenate,
    np.hstack: lambda tup, **others: _concatenate(tup, 0, **others),
    np.zeros_like: _numbers_like(np.zeros),
    np.ones_like: _numbers_like(np.ones),
    np.full_like: _numbers_like(np.full),
}

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

_STACKS: frozenset[_Call] = frozenset((np.concatenate, np.hstack, np.stack, np.vstack, np.column_stack))
"""What takes a sequence of arrays."""

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
        *(np.atleast_1d, np.atleast_2d),
    )
)
"""What NumPy does right to arrays of scalar functions: it adds, multiplies and places their entries."""
