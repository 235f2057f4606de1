"""First and second derivatives of operators, by CasADi's automatic differentiation; an operator is compiled once.

J. A. E. Andersson, J. Gillis, G. Horn, J. B. Rawlings, M. Diehl, *CasADi: a software framework for nonlinear
optimization and optimal control*, Mathematical Programming Computation 11 (2019), 1-36.
"""

from __future__ import annotations

import importlib
from functools import cache, lru_cache
from types import ModuleType
from typing import Any

import numpy as np

from .arrays import FloatArray
from .errors import MissingDependency
from .operators import Operator, operator_of_number

__all__ = ["casadi", "derivatives", "symbolic"]


def casadi() -> ModuleType:
    """The library.

    Raises
    ------
    MissingDependency
        With what to install.
    """
    try:
        return importlib.import_module("casadi")
    except ImportError as error:
        raise MissingDependency(
            f"Nonlinear functions are differentiated by CasADi, which cannot be imported ({error}). Install it with: "
            "pip install 'optangent[nlp]'"
        ) from error


def symbolic(one: Operator, arguments: Any) -> Any:
    """The operator done to CasADi's symbols."""
    if one.symbolic is not None:
        return one.symbolic(*arguments)
    ca = casadi()
    made = {
        "abs": ca.fabs,
        "inv": lambda u: 1.0 / u,
        "^": lambda u, p: u**p,
        "*": lambda u, v: u * v,
        "atan": ca.atan if one.arity == 1 else ca.atan2,
        "min": ca.fmin,
        "max": ca.fmax,
        "<": lambda u, v: u < v,
        "<=": lambda u, v: u <= v,
        ">": lambda u, v: u > v,
        ">=": lambda u, v: u >= v,
        "==": lambda u, v: u == v,
        "&&": ca.logic_and,
        "||": ca.logic_or,
        "ifelse": ca.if_else,
    }.get(one.name)
    return (getattr(ca, one.name) if made is None else made)(*arguments)


@cache
def _compiled(number: int) -> Any:
    """From arguments (a, m) to gradients (a, m) and, column by column, Hessians (a * a, m)."""
    ca, one = casadi(), operator_of_number(number)
    u = ca.SX.sym("u", one.arity)
    value = symbolic(one, ca.vertsplit(u))
    hessian, gradient = ca.hessian(value, u)
    return ca.Function(
        one.name if one.name.isidentifier() else "operator", [u], [ca.densify(gradient), ca.vec(ca.densify(hessian))]
    )


@lru_cache(maxsize=64)
def _mapped(number: int, m: int) -> Any:
    """The same for m points at once."""
    return _compiled(number).map(m)


def derivatives(number: int, arguments: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Gradients and Hessians of the operator with a number.

    They come through buffers, which costs a fiftieth of CasADi's own matrices.

    Parameters
    ----------
    number : of the operator
    arguments : (m, a), m points

    Returns
    -------
    arrays of shape (m, a) and (m, a, a)

    Examples
    --------
    >>> import numpy as np
    >>> from optangent.modelkit.operators import operator, operator_number
    >>> gradient, hessian = derivatives(operator_number(operator("*", 2)), np.array([[2.0, 3.0]]))
    >>> gradient, hessian
    (array([[3., 2.]]), array([[[0., 1.],
            [1., 0.]]]))
    """
    m, a = arguments.shape
    gradient, hessian = np.zeros((m, a)), np.zeros((m, a, a))
    if m:
        buffer, run = _mapped(number, m).buffer()
        given = np.ascontiguousarray(arguments)
        buffer.set_arg(0, given.data)
        buffer.set_res(0, gradient.data)
        buffer.set_res(1, hessian.data)
        run()
    return gradient, hessian
