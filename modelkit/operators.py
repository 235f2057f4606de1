"""Operators of nonlinear functions: their names, their values, and how they are written.

Their derivatives come from a library (`form/operator_derivatives.py`). An operator has a number, under which the sets
that hold its graph keep it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from .arrays import FloatArray
from .errors import InvalidData

__all__ = ["UFUNCS", "Operator", "operator", "operator_number", "operator_of_number", "operators", "power", "register"]


@final
@dataclass(frozen=True, slots=True, eq=False)
class Operator:
    """A function of a few numbers.

    Attributes
    ----------
    name : as MathOptInterface has it
    arity : of how many numbers
    value : of arrays of equal shape, entry by entry
    text, latex : from the arguments in writing to the whole
    symbolic : the same function of CasADi's symbols; None for the one of this name
    kink : of the arguments, how far they are from where it has no derivative; None if it has one where it is defined
    """

    name: str
    arity: int
    value: Callable[..., Any]
    text: Callable[..., str]
    latex: Callable[..., str]
    symbolic: Callable[..., Any] | None = None
    kink: Callable[..., FloatArray] | None = None

    def __reduce__(self) -> tuple[Callable[[str, int], Operator], tuple[str, int]]:
        return operator, (self.name, self.arity)


_OPERATORS: dict[tuple[str, int], Operator] = {}
_NUMBERS: dict[tuple[str, int], int] = {}
_BY_NUMBER: list[Operator] = []


def _add(one: Operator) -> Operator:
    key = one.name, one.arity
    if key in _NUMBERS:
        _BY_NUMBER[_NUMBERS[key]] = one
    else:
        _NUMBERS[key] = len(_BY_NUMBER)
        _BY_NUMBER.append(one)
    _OPERATORS[key] = one
    return one


def operator(name: str, arity: int) -> Operator:
    """The operator of a name and an arity.

    Raises
    ------
    InvalidData
        If there is none, with those that there are.
    """
    found = _OPERATORS.get((name, arity))
    if found is None and arity == 1 and name.startswith("^"):
        return power(float(name[1:]))
    if found is None:
        known = ", ".join(sorted({key[0] for key in _OPERATORS}))
        raise InvalidData(
            f"There is no operator {name!r} of {arity} argument{'s' * (arity != 1)}. There are: {known}; others are "
            "made by ot.register_operator."
        )
    return found


def operator_number(one: Operator) -> int:
    """Its number."""
    return _NUMBERS[one.name, one.arity]


def operator_of_number(number: int) -> Operator:
    """The operator with this number."""
    return _BY_NUMBER[number]


def operators() -> tuple[Operator, ...]:
    """All that there are."""
    return tuple(_BY_NUMBER)


def register(
    name: str, arity: int, function: Callable[..., Any], *, value: Callable[..., Any] | None = None
) -> Operator:
    """Have another operator; see `ot.register_operator`."""
    if not (isinstance(name, str) and name.isidentifier()):
        raise InvalidData(f"The name of an operator is an identifier such as 'softplus', got {name!r}.")
    if (name, arity) in _BUILT_IN:
        raise InvalidData(f"There is an operator {name!r} of {arity} arguments already; choose another name.")
    if not (isinstance(arity, int) and arity >= 1):
        raise InvalidData(f"An operator has one argument or more, got {arity!r}.")
    if not callable(function):
        raise InvalidData(f"Expected a function of {arity} arguments, got {function!r}.")
    latex_name = name.replace("_", r"\_")
    return _add(
        Operator(
            name,
            arity,
            np.vectorize(function, otypes=[np.float64]) if value is None else value,
            _call(name),
            _call(rf"\operatorname{{{latex_name}}}"),
            function,
        )
    )


# ---------------------------------------------------------------------- those that there are
def _call(name: str) -> Callable[..., str]:
    return lambda *args: f"{name}({', '.join(args)})"


def _left_right(left: str, right: str) -> Callable[..., str]:
    return lambda arg: f"{left}{arg}{right}"


def _within(argument: str) -> str:
    """In parentheses, if it is no single name or number."""
    return argument if re.fullmatch(r"\w[\w.]*(\[[^\]]*\])?", argument) else f"({argument})"


def _between(sign: str) -> Callable[..., str]:
    return lambda a, b: f"({a} {sign} {b})"


def _quiet(function: Callable[..., Any]) -> Callable[..., FloatArray]:
    """Outside of its domain a function is NaN or infinite, and says so later, in words."""

    def value(*args: Any) -> FloatArray:
        with np.errstate(all="ignore"):
            return np.asarray(function(*args), np.float64)

    return value


def _difference(a: FloatArray, b: FloatArray) -> FloatArray:
    return np.abs(a - b)


_TRIGONOMETRIC = ("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh")
_UNDER_NUMPY = {name: name.replace("a", "arc", 1) for name in _TRIGONOMETRIC if name[0] == "a"}
_IN_LATEX = {"sin", "cos", "tan", "sinh", "cosh", "tanh", "exp", "log", "min", "max"} | {"asin", "acos", "atan"}


def _latex_call(name: str) -> Callable[..., str]:
    known = _UNDER_NUMPY.get(name, name) if name in _IN_LATEX else None
    shown = rf"\{known}" if known else rf"\operatorname{{{name}}}"
    return lambda *args: rf"{shown}\left({', '.join(args)}\right)"


for _name in (*_TRIGONOMETRIC, "exp", "log", "log10", "log1p", "expm1"):
    _ufunc = getattr(np, _UNDER_NUMPY.get(_name, _name))
    _add(Operator(_name, 1, _quiet(_ufunc), _call(_name), _latex_call(_name)))
_add(Operator("sqrt", 1, _quiet(np.sqrt), _call("sqrt"), _left_right(r"\sqrt{", "}")))
_add(Operator("abs", 1, _quiet(np.abs), _call("abs"), _left_right(r"\left|", r"\right|"), kink=np.abs))
_add(Operator("inv", 1, _quiet(lambda u: 1.0 / u), lambda u: f"(1 / {_within(u)})", _left_right(r"\frac{1}{", "}")))
_add(
    Operator(
        "^", 2, _quiet(np.power), lambda a, b: f"{_within(a)}^{_within(b)}", lambda a, b: rf"\left({a}\right)^{{{b}}}"
    )
)
_add(Operator("*", 2, _quiet(np.multiply), _between("*"), _between(r"\cdot")))
_add(Operator("atan", 2, _quiet(np.arctan2), _call("atan"), _latex_call("atan")))
for _name, _ufunc in (("min", np.minimum), ("max", np.maximum)):
    _add(Operator(_name, 2, _quiet(_ufunc), _call(_name), _latex_call(_name), kink=_difference))
for _sign, _shown, _ufunc in (
    ("<", "<", np.less),
    ("<=", r"\le", np.less_equal),
    (">", ">", np.greater),
    (">=", r"\ge", np.greater_equal),
    ("==", "=", np.equal),
    ("&&", r"\wedge", np.logical_and),
    ("||", r"\vee", np.logical_or),
):
    _add(Operator(_sign, 2, _quiet(_ufunc), _between(_sign), _between(_shown), kink=_difference))
_add(Operator("ifelse", 3, _quiet(lambda c, a, b: np.where(c != 0.0, a, b)), _call("ifelse"), _latex_call("ifelse")))

_BUILT_IN = frozenset(_NUMBERS)


def power(exponent: float) -> Operator:
    """The operator ``u ** exponent`` of u alone, which has derivatives where u is negative, too.

    Examples
    --------
    >>> power(3).name, float(power(3).value(-2.0))
    ('^3', -8.0)
    """
    name = f"^{exponent:g}" if float(f"{exponent:g}") == exponent else f"^{exponent!r}"
    found = _OPERATORS.get((name, 1))
    if found is not None:
        return found
    return _add(
        Operator(
            name,
            1,
            _quiet(lambda u: np.power(u, exponent)),
            lambda u: f"{_within(u)}{name if exponent >= 0 else '^(' + name[1:] + ')'}",
            lambda u: rf"\left({u}\right)^{{{name[1:]}}}",
            lambda u: u**exponent,
        )
    )


UFUNCS: dict[Any, Operator] = {
    getattr(np, _UNDER_NUMPY.get(name, name)): operator(name, 1)
    for name in (*_TRIGONOMETRIC, "exp", "log", "log10", "log1p", "expm1", "sqrt", "abs")
} | {np.reciprocal: operator("inv", 1), np.arctan2: operator("atan", 2), np.minimum: operator("min", 2)}
UFUNCS |= {np.maximum: operator("max", 2)}
"""NumPy's functions that make functions of variables."""
