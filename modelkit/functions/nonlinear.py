"""Nonlinear functions: polynomials in variables and in values of operators."""

from __future__ import annotations

from typing import Any, Self, final

import numpy as np

from .abstract_function import Function, OfRows, build, coerce, of_shape
from .operations import Operation, WrittenOut, made_again, operation, operations_in, written_out
from .rows import Rows
from .scalar import ScalarFunction
from .vector import VectorPolynomial

__all__ = ["NONLINEAR", "ScalarNonlinearFunction", "VectorNonlinearFunction", "apply_operator"]

NONLINEAR = 4
"""The degree of nonlinear functions: above that of polynomials."""


@final
class ScalarNonlinearFunction(OfRows, ScalarFunction, canonical=True):
    """A function of operators, made by arithmetic and NumPy: ``np.sin(x) + 2 * y``, ``x ** 3``, ``1 / x``.

    What is linear in it stays linear: its value is a polynomial in variables and in values of operators, and equal
    expressions are computed once.

    Examples
    --------
    >>> import numpy as np
    >>> from optangent import VariableIndex
    >>> x, y = VariableIndex(0), VariableIndex(1)
    >>> 3 * np.sin(2 * x + y) - y
    3 sin(2 x[0] + x[1]) - x[1]
    >>> np.exp(x) / (1 + x**2)
    exp(x[0])*(1 / (x[0]² + 1))
    """

    __slots__ = ("_held",)
    degree = NONLINEAR
    _held: list[Operation]

    @classmethod
    def from_rows(cls, rows: Rows) -> Self:
        """The function of one row, which keeps its operations alive."""
        f = super().from_rows(rows)
        f._held = operations_in(rows)
        return f

    def __reduce__(self) -> Any:
        return _remade, (type(self), self._rows, written_out(self._rows))

    @property
    def constant(self) -> float:
        """The constant."""
        return float(self._rows.constant[0])

    def without_constant(self) -> Self:
        """The same function with constant zero."""
        return self.from_rows(self._rows.with_constants(np.zeros(1)))


@final
class VectorNonlinearFunction(VectorPolynomial, canonical=True):
    """Rows of which one is nonlinear; see `ScalarNonlinearFunction`."""

    __slots__ = ("_held",)
    degree = NONLINEAR
    _held: list[Operation]

    @classmethod
    def from_rows(cls, rows: Rows) -> Self:
        """The function with these rows, which keeps its operations alive."""
        f = super().from_rows(rows)
        f._held = operations_in(rows)
        return f

    def __reduce__(self) -> Any:
        return _remade, (type(self), self._rows, written_out(self._rows))

    def __iter__(self) -> Any:
        return (build(self._rows.take(np.array([r])), vector=False, at_least=self.degree) for r in range(self._rows.m))


def _remade(kind: Any, rows: Rows, operations: list[WrittenOut]) -> Any:
    """A function from elsewhere, whose operations have identifiers of their own here."""
    renamed, held = made_again(operations)
    f = kind.from_rows(rows.renamed(renamed))
    del held  # the function has them
    return f


def apply_operator(one: Any, *arguments: Any) -> Any:
    """An operator done to functions and numbers, entry by entry."""
    entries = [coerce(argument) for argument in arguments]
    shape = np.broadcast_shapes(*(its for _, its, _ in entries))
    count = int(np.prod(shape))
    rows = []
    for mine, its, _ in entries:
        at = np.broadcast_to(np.arange(mine.m).reshape(its), shape).ravel()
        rows.append(mine if mine.m == count and its == shape else mine.take(at))
    made = operation(one, rows)
    return of_shape(Rows.of_variables(made.ids), shape, NONLINEAR)


Function.operated = staticmethod(apply_operator)
