"""Checks of what goes into a store; each raises before anything has changed, naming the datum."""

from __future__ import annotations

from math import isfinite
from typing import Any, Protocol

import numpy as np

from ..arrays import FloatArray, IntArray
from ..errors import DimensionMismatch, InvalidData
from ..functions import Function
from ..functions.rows import Rows
from ..naming import name_of_variable
from ..sets import EqualTo, GreaterThan, Interval, LessThan, Parameter, Semicontinuous, Semiinteger, Set

__all__ = [
    "HasVariables",
    "MODERATE",
    "UPPER_OR_LOWER",
    "check_fit",
    "check_name",
    "check_numbers",
    "check_rows",
    "check_sides",
    "describe",
]

MODERATE = 1e290
"""Numbers below it do not overflow as they are added up, whatever their number is."""

UPPER_OR_LOWER: dict[type[Set], int] = {
    GreaterThan: 1,
    LessThan: 2,
    EqualTo: 3,
    Interval: 3,
    Parameter: 3,
    Semicontinuous: 3,
    Semiinteger: 3,
}
"""Which bounds of a plain variable a set claims: 1 the lower, 2 the upper, 3 both."""


class HasVariables(Protocol):
    """A store as far as its variables go."""

    base: int

    @property
    def variable_count(self) -> int:
        """How many there ever were."""

    def every_variable_id(self, first: int = 0) -> IntArray:
        """The identifiers of those that are there."""

    def name_of(self, identifier: int) -> str:
        """The name of one, or ``x[k]``."""


def describe(identifier: int, store: HasVariables) -> str:
    """A sentence's subject for a variable that is not there."""
    if identifier >> 32 != store.base >> 32:
        return f"Variable {name_of_variable(identifier)} belongs to another model; use the variables of this one."
    name = store.name_of(identifier)
    if identifier in store.every_variable_id():  # not is_valid, which asks here what to say
        return f"Variable {name}"
    return f"Variable {name} is not in this model (it has been deleted, or was never added)."


def check_fit(function: Any, set: Any) -> None:
    """Raise unless the function may stand in the set."""
    if not isinstance(function, Function):
        raise InvalidData(
            f"Expected a function of variables in {set!r}, got {function!r}. "
            "(A comparison of two numbers is no constraint.)"
        )
    if not isinstance(set, Set):
        raise InvalidData(f"Expected a set such as LessThan(1.0) or Nonnegatives(3), got {set!r}.")
    if function.is_vector != set.is_vector:
        kinds = ("a scalar function", "a vector function")
        raise DimensionMismatch(
            f"{set!r} needs {kinds[set.is_vector]}, got {kinds[function.is_vector]} "
            f"({type(function).__name__} with {function.output_dimension} rows)."
        )
    if function.is_vector and function.output_dimension != set.dimension:
        raise DimensionMismatch(
            f"{set!r} needs a function with {set.dimension} rows, got {function.output_dimension} rows."
        )


def check_name(name: Any) -> None:
    """Refuse a name that is no string."""
    if not isinstance(name, str):
        raise InvalidData(f"A name is a string, got {name!r}.")


def check_rows(rows: Rows) -> None:
    """Refuse coefficients and constants that are NaN or infinite, or become so where terms of a variable add up."""
    higher = [] if rows.higher is None else [(rows.higher.coef, rows.higher.row, "coefficient")]
    coefs = [rows.coef, rows.qcoef, rows.constant, *(values for values, _, _ in higher)]
    if all(map(_is_moderate, coefs)):
        return
    entries = [
        (rows.coef, rows.row, "coefficient"),
        (rows.qcoef, rows.qrow, "quadratic coefficient"),
        (rows.constant, np.arange(rows.m), "constant"),
        *higher,
    ]
    for values, row, what in entries:
        if len(values) and not np.isfinite(values).all():
            at = int(np.flatnonzero(~np.isfinite(values))[0])
            where = f" in row {int(row[at])}" if rows.m > 1 else ""
            raise InvalidData(f"A {what}{where} is {values[at]}; coefficients and constants must be finite.")
    with np.errstate(over="ignore"):
        total = rows.merged()
        doubled = 2.0 * total.qcoef  # the matrix of ½xᵀQx has twice the coefficient of a square
    products = [] if total.higher is None else [(total.higher.coef, total.higher.row, total.higher.factors)]
    for values, row, factors in (
        (total.coef, total.row, total.var[:, None]),
        (doubled, total.qrow, np.stack([total.qvar1, total.qvar2], axis=1)),
        *products,
    ):
        if not np.isfinite(values).all():
            at = int(np.flatnonzero(~np.isfinite(values))[0])
            where = f" in row {int(row[at])}" if rows.m > 1 else ""
            term = "*".join(name_of_variable(int(i)) for i in factors[at] if i >= 0)
            raise InvalidData(f"The coefficients of {term}{where} are too large: they add up to {values[at]}.")


def _is_moderate(values: FloatArray) -> bool:
    """Whether all are finite, and so are their sums."""
    return not len(values) or bool(np.abs(values).max() < MODERATE)


def check_sides(set_type: type[Set], numbers: FloatArray, constants: FloatArray) -> None:
    """Refuse bounds that overflow as the constants of the functions are moved over to them."""
    if _is_moderate(constants) and _is_moderate(numbers[np.isfinite(numbers)]):
        return
    with np.errstate(over="ignore"):
        moved = numbers - constants[:, None]
    bad = np.isinf(moved) & np.isfinite(numbers)
    if bad.any():
        row, field = (int(k) for k in np.argwhere(bad)[0])
        where = f" in row {row}" if len(numbers) > 1 else ""
        raise InvalidData(
            f"{set_type.__name__}: {set_type.fields[field]}={numbers[row, field]}{where} is too large beside the "
            f"constant {constants[row]} of the function: their difference is infinite."
        )


def check_numbers(set_type: type[Set], numbers: FloatArray) -> None:
    """Refuse bounds that are NaN, infinite on the wrong side, or contradictory."""
    if numbers.size <= 2:  # one scalar set, mostly a good one
        row = numbers.ravel().tolist()
        if not row or (isfinite(sum(row)) and row[0] <= row[-1]):
            return
    name = set_type.__name__

    def refuse(bad: Any, words: str) -> None:
        if bad.any():
            at = int(np.flatnonzero(bad)[0])
            shown = ", ".join(f"{f}={v}" for f, v in zip(set_type.fields, numbers[at].tolist(), strict=True))
            where = f" (row {at})" if len(numbers) > 1 else ""
            raise InvalidData(f"{name}({shown}){where}: {words}")

    refuse(np.isnan(numbers).any(axis=1), "a bound is not a number.")
    if set_type.fields == ("lower", "upper"):
        lower, upper = numbers[:, 0], numbers[:, 1]
        refuse(lower > upper, "the lower bound lies above the upper one.")
        refuse(lower == np.inf, "the lower bound is plus infinity.")
        refuse(upper == -np.inf, "the upper bound is minus infinity.")
    else:
        refuse(
            np.isinf(numbers).any(axis=1),
            "the number must be finite; leave out a constraint that does not bind, or use Interval.",
        )
