"""NumPy's universal functions on functions of variables: arithmetic is their own, others make nonlinear functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..operators import UFUNCS
from .nonlinear import apply_operator
from .symbolic import Symbolic

__all__ = ["universal_function"]

_REFLECTED: dict[Any, str] = {
    np.add: "__radd__",
    np.subtract: "__rsub__",
    np.multiply: "__rmul__",
    np.true_divide: "__rtruediv__",
    np.matmul: "__rmatmul__",
    np.power: "__rpow__",
    np.less_equal: "__ge__",
    np.greater_equal: "__le__",
    np.equal: "__eq__",
    np.not_equal: "__ne__",
    np.less: "__gt__",
    np.greater: "__lt__",
}
_DIRECT: dict[Any, str] = {
    np.add: "__add__",
    np.subtract: "__sub__",
    np.multiply: "__mul__",
    np.true_divide: "__truediv__",
    np.matmul: "__matmul__",
    np.power: "__pow__",
    np.less_equal: "__le__",
    np.greater_equal: "__ge__",
    np.equal: "__eq__",
    np.not_equal: "__ne__",
    np.less: "__lt__",
    np.greater: "__gt__",
    np.negative: "__neg__",
    np.absolute: "__abs__",
}
_MADE: dict[Any, Callable[[Any], Any]] = {np.square: lambda f: f**2, np.positive: lambda f: f}


def universal_function(ufunc: Any, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What a universal function makes of functions of variables, or `NotImplemented`.

    Raises
    ------
    TypeError
        If it would write into an array, or is none of those that there are.
    """
    if method != "__call__" or kwargs:
        raise TypeError(f"numpy.{ufunc.__name__} of functions of variables takes no further arguments, and no `out`.")
    if ufunc in _DIRECT:
        if isinstance(inputs[0], Symbolic):
            return getattr(inputs[0], _DIRECT[ufunc])(*inputs[1:])
        return getattr(inputs[1], _REFLECTED[ufunc])(inputs[0])
    if ufunc in _MADE:
        return _MADE[ufunc](*inputs)
    if ufunc in UFUNCS:
        return apply_operator(UFUNCS[ufunc], *inputs)
    known = ", ".join(sorted(one.__name__ for one in (*UFUNCS, *_DIRECT, *_MADE)))
    raise TypeError(
        f"numpy.{ufunc.__name__} is not defined for functions of variables; defined are {known}. Others are made by "
        "ot.register_operator."
    )
