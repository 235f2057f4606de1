"""Functions of degree three and more: products with parameters, which leave at most quadratic ones in the variables."""

from __future__ import annotations

from typing import Any, Self, final

import numpy as np

from .abstract_function import OfRows, build
from .scalar import ScalarFunction
from .vector import VectorPolynomial

__all__ = ["ScalarPolynomialFunction", "VectorPolynomialFunction"]


@final
class ScalarPolynomialFunction(OfRows, ScalarFunction, canonical=True):
    """A polynomial of degree three or more, made by arithmetic: ``p * q * x``, ``v @ (P @ v)`` with parameters P.

    A model takes it where what remains is at most quadratic once the parameters in it have their values.

    Examples
    --------
    >>> from optangent import VariableIndex
    >>> x, p = VariableIndex(0), VariableIndex(1)
    >>> f = 2 * p * x * x - x
    >>> f.coefficient(p, x, x), f.coefficient(x)
    (2.0, -1.0)
    """

    __slots__ = ()
    degree = 3

    @property
    def constant(self) -> float:
        """The constant."""
        return float(self._rows.constant[0])

    def without_constant(self) -> Self:
        """The same function with constant zero."""
        return type(self).from_rows(self._rows.with_constants(np.zeros(1)))


@final
class VectorPolynomialFunction(VectorPolynomial, canonical=True):
    """Rows of which one is of degree three or more; see `ScalarPolynomialFunction`."""

    __slots__ = ()
    degree = 3

    def __iter__(self) -> Any:
        return (build(self._rows.take(np.array([r])), vector=False) for r in range(self._rows.m))
