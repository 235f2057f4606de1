"""Functions as text and as LaTeX."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Protocol

import numpy as np

from ..naming import name_of_variable, operation_at
from ..operators import Operator
from .operations import is_operation, operation_of
from .rows import Rows

__all__ = ["Namer", "latex_name", "to_latex", "to_text"]

Namer = Callable[[int], str]


class _Printed(Protocol):
    @property
    def rows(self) -> Rows:
        """Of a function."""

    @property
    def is_vector(self) -> bool:
        """Whether it has several rows."""


_MOST_ROWS = 20
_MOST_TERMS = 12


def latex_of_variable(identifier: int) -> str:
    """Name of a variable in LaTeX."""
    return latex_name(name_of_variable(identifier))


def latex_name(name: str) -> str:
    r"""A user's name in LaTeX: ``flow[3]`` becomes a subscript, other signs are escaped.

    Examples
    --------
    >>> latex_name("flow[3]"), latex_name("a_b"), latex_name("x")
    ('\\mathrm{flow}_{3}', '\\mathrm{a\\_b}', 'x')
    """
    base, bracket, rest = name.partition("[")
    below = rest[:-1] if bracket and rest.endswith("]") else None
    if below is None:
        base, below = name, ""
    base = "".join(_ESCAPED.get(sign, sign) for sign in base)
    shown = base if len(base) == 1 else rf"\mathrm{{{base}}}"
    return shown + (f"_{{{''.join(_ESCAPED.get(sign, sign) for sign in below)}}}" if below else "")


_ESCAPED = {sign: "\\" + sign for sign in "_{}$%#&"} | {
    "\\": r"\backslash ",
    "^": r"\hat{ }",
    "~": r"\sim ",
    " ": r"\ ",
}


def to_text(f: _Printed, name: Namer = name_of_variable) -> str:
    """The function as one would type it.

    Examples
    --------
    >>> from optangent import VariableIndex
    >>> x, y = VariableIndex(0), VariableIndex(1)
    >>> 2 * x * y - x + 1
    2 x[0]*x[1] - x[0] + 1
    """
    rows = f.rows

    def line(rows: Rows, r: int = 0) -> str:
        return _row(rows, r, _with_operations(name, line, lambda one, parts: one.text(*parts)), "*", " ", _superscript)

    lines = [line(rows, r) for r in range(min(rows.m, _MOST_ROWS))]
    if not f.is_vector:
        return lines[0]
    if rows.m > _MOST_ROWS:
        lines.append(f"... ({rows.m} rows)")
    return "[" + ",\n ".join(lines) + "]"


def to_latex(f: _Printed, name: Namer = latex_of_variable) -> str:
    """The function in LaTeX (without dollar signs)."""
    rows = f.rows

    def line(rows: Rows, r: int = 0) -> str:
        namer = _with_operations(name, line, lambda one, parts: one.latex(*parts))
        return _row(rows, r, namer, r" \, ", r" \, ", lambda n: f"^{{{n}}}" if n > 9 else f"^{n}")

    lines = [line(rows, r) for r in range(min(rows.m, _MOST_ROWS))]
    if not f.is_vector:
        return lines[0]
    if rows.m > _MOST_ROWS:
        lines.append(r"\vdots")
    return r"\begin{bmatrix} " + r" \\ ".join(lines) + r" \end{bmatrix}"


def _with_operations(name: Namer, line: Callable[[Rows], str], written: Callable[[Operator, list[str]], str]) -> Namer:
    """What writes the values of operators as such, be they of an expression or of a model."""

    def named(identifier: int) -> str:
        if is_operation(identifier):
            one, row = operation_of(identifier)
            arguments = [rows.take(np.array([row])) for rows in one.arguments]
            return written(one.operator, [line(rows) for rows in arguments])
        found = operation_at(identifier)
        if found is None:
            return name(identifier)
        return written(found[0], [line(rows) for rows in found[1]])

    return named


def _superscript(n: int) -> str:
    return str(n).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _row(rows: Rows, r: int, name: Namer, times: str, space: str, power: Callable[[int], str]) -> str:
    """One row: terms of the highest degree first, the constant last."""
    terms: list[tuple[float, str]] = []
    if rows.higher is not None:
        for k in np.flatnonzero(rows.higher.row == r):
            powers = Counter(i for i in rows.higher.factors[k].tolist() if i >= 0)
            product = times.join(name(i) + (power(n) if n > 1 else "") for i, n in powers.items())
            terms.append((float(rows.higher.coef[k]), product))
    for k in np.flatnonzero(rows.qrow == r):
        a, b = int(rows.qvar1[k]), int(rows.qvar2[k])
        terms.append((float(rows.qcoef[k]), name(a) + power(2) if a == b else name(a) + times + name(b)))
    terms += [(float(rows.coef[k]), name(int(rows.var[k]))) for k in np.flatnonzero(rows.row == r)]
    hidden = len(terms) - _MOST_TERMS
    terms = terms[:_MOST_TERMS]
    if rows.constant[r] or not terms:
        terms.append((float(rows.constant[r]), ""))
    text = ""
    for place, (c, factor) in enumerate(terms):
        if hidden > 0 and place == _MOST_TERMS:
            text += f" + ... ({hidden} more)"
        sign = ("-" if c < 0 else "") if not text else (" - " if c < 0 else " + ")
        size = "" if abs(c) == 1 and factor else f"{abs(c):.6g}" + (space if factor else "")
        text += sign + size + factor
    return text + (f" + ... ({hidden} more)" if hidden > 0 and len(terms) == _MOST_TERMS else "")
