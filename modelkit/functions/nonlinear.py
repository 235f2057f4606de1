"""Nonlinear functions: polynomials in variables and in values of operators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self, final

import numpy as np

from ..errors import InvalidData
from ..operators import operator, register
from ..sets import EqualTo, GreaterThan, LessThan, Set
from .abstract_function import Comparison, Function, OfRows, build, coerce, of_shape
from .operations import Operation, WrittenOut, made_again, operation, operations_in, written_out
from .rows import Rows
from .scalar import ScalarFunction
from .vector import VectorPolynomial

__all__ = [
    "NONLINEAR",
    "ScalarNonlinearFunction",
    "VectorNonlinearFunction",
    "apply_operator",
    "ifelse",
    "register_operator",
]

NONLINEAR = 4
"""The degree of nonlinear functions: above that of polynomials."""


class _OfOperations(OfRows):
    """A function that keeps its operations alive, and makes them again where it comes to from elsewhere."""

    __slots__ = ("_held",)
    degree = NONLINEAR
    _held: list[Operation]

    @classmethod
    def from_rows(cls, rows: Rows) -> Self:
        """The function with these rows."""
        f = super().from_rows(rows)
        f._held = operations_in(rows)
        return f

    def __reduce__(self) -> Any:
        return _remade, (type(self), self._rows, written_out(self._rows))


@final
class ScalarNonlinearFunction(_OfOperations, ScalarFunction, canonical=True):
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

    __slots__ = ()

    @property
    def constant(self) -> float:
        """The constant."""
        return float(self._rows.constant[0])

    def without_constant(self) -> Self:
        """The same function with constant zero."""
        return self.from_rows(self._rows.with_constants(np.zeros(1)))


@final
class VectorNonlinearFunction(_OfOperations, VectorPolynomial, canonical=True):
    """Rows of which one is nonlinear; see `ScalarNonlinearFunction`."""

    __slots__ = ()

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


def register_operator(name: str, arity: int, function: Callable[..., Any]) -> Callable[..., Any]:
    """Have an operator of one's own, to be used in functions of variables.

    Parameters
    ----------
    name : an identifier, by which it is printed
    arity : of how many numbers
    function : of so many numbers; written with NumPy's functions, so that CasADi's symbols go through it, too

    Returns
    -------
    callable
        Of functions of variables and numbers, entry by entry.

    Raises
    ------
    InvalidData
        If the name is taken or no identifier.

    Examples
    --------
    >>> import numpy as np
    >>> from optangent import VariableIndex
    >>> softplus = register_operator("softplus", 1, lambda u: np.log(1 + np.exp(u)))
    >>> softplus(2 * VariableIndex(0)) + 1
    softplus(2 x[0]) + 1
    """
    one = register(name, arity, function)

    def applied(*arguments: Any) -> Any:
        if len(arguments) != arity:
            raise InvalidData(f"{name} has {arity} argument{'s' * (arity != 1)}, got {len(arguments)}.")
        return apply_operator(one, *arguments)

    return applied


def ifelse(condition: Any, yes: Any, no: Any) -> Any:
    """One function where a comparison of functions holds, another where it does not.

    Parameters
    ----------
    condition : a comparison of scalar functions, such as ``x <= 1``, or a function that is zero where it does not hold
    yes, no : functions or numbers

    Examples
    --------
    >>> from optangent import VariableIndex
    >>> x = VariableIndex(0)
    >>> ifelse(x >= 0, x, 0.1 * x)
    ifelse((x[0] >= 0), x[0], 0.1 x[0])
    """
    if isinstance(condition, Comparison):
        sign, number = _SIGNS.get(type(condition.set), ("", ""))
        if not sign:
            raise InvalidData(f"A condition compares two scalar functions, got {condition!r}.")
        condition = apply_operator(operator(sign, 2), condition.function, float(getattr(condition.set, number)))
    return apply_operator(operator("ifelse", 3), condition, yes, no)


_SIGNS: dict[type[Set], tuple[str, str]] = {
    LessThan: ("<=", "upper"),
    GreaterThan: (">=", "lower"),
    EqualTo: ("==", "value"),
}
