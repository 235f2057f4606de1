"""First and second derivatives of operators, by CasADi's automatic differentiation; an operator is compiled once.

J. A. E. Andersson, J. Gillis, G. Horn, J. B. Rawlings, M. Diehl, *CasADi: a software framework for nonlinear
optimization and optimal control*, Mathematical Programming Computation 11 (2019), 1-36.
"""

from __future__ import annotations

import importlib
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from .arrays import FloatArray
from .errors import MissingDependency
from .operators import Operator, operator_of_number

__all__ = ["casadi", "gradients", "hessians", "symbolic"]


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
        one.name if one.name.isidentifier() else "operator", [u], [gradient, ca.vec(ca.densify(hessian))]
    )


def gradients(number: int, arguments: FloatArray) -> FloatArray:
    """Gradients of the operator with a number.

    Parameters
    ----------
    number : of the operator
    arguments : (m, a), m points

    Returns
    -------
    array of shape (m, a)

    Examples
    --------
    >>> import numpy as np
    >>> from optangent.modelkit.operators import operator, operator_number
    >>> gradients(operator_number(operator("*", 2)), np.array([[2.0, 3.0]]))
    array([[3., 2.]])
    """
    if not len(arguments):
        return np.zeros(arguments.shape)
    return np.array(_compiled(number)(arguments.T)[0].full().T)


def hessians(number: int, arguments: FloatArray) -> FloatArray:
    """The Hessians, (m, a, a), at the points (m, a)."""
    m, a = arguments.shape
    if not m:
        return np.zeros((0, a, a))
    return np.array(_compiled(number)(arguments.T)[1].full().T.reshape(m, a, a))
