"""Functions in words: text and LaTeX."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.modelkit.functions.notation import latex_name, to_latex, to_text

FAR = 1 << 30  # a serial number that no model here comes to
X, Y = ot.VariableIndex((FAR << 32) + 0), ot.VariableIndex((FAR << 32) + 1)
V = ot.VectorOfVariables([X, Y])
MANY = ot.VectorOfVariables([ot.VariableIndex(k) for k in range(30)])


@pytest.mark.parametrize(
    ("f", "text", "latex"),
    [
        (X, "x[0]", "x_{0}"),
        (2 * X - Y + 1, "2 x[0] - x[1] + 1", r"2 \, x_{0} - x_{1} + 1"),
        (-1.0 * X - 2, "-x[0] - 2", "-x_{0} - 2"),
        (ot.ScalarAffineFunction(), "0", "0"),
        (ot.ScalarAffineFunction((), (), -2.5), "-2.5", "-2.5"),
        (X * X - 3 * X * Y, "x[0]² - 3 x[0]*x[1]", r"x_{0}^2 - 3 \, x_{0} \, x_{1}"),
        (1e-7 * X, "1e-07 x[0]", r"1e-07 \, x_{0}"),
        (V, "[x[0],\n x[1]]", r"\begin{bmatrix} x_{0} \\ x_{1} \end{bmatrix}"),
        (V + np.array([1.0, 0.0]), "[x[0] + 1,\n x[1]]", r"\begin{bmatrix} x_{0} + 1 \\ x_{1} \end{bmatrix}"),
    ],
    ids=repr,
)
def test_text_and_latex(f: Any, text: str, latex: str) -> None:
    """Quadratic terms, affine terms, constant, with signs between them and no coefficient of one."""
    assert to_text(f) == repr(f) == text
    assert to_latex(f) == latex and f._repr_latex_() == f"${latex}$"


def test_long_functions_are_cut() -> None:
    """Twelve terms and twenty rows are shown; the rest is counted."""
    f = MANY.sum() + 5.0
    assert to_text(f).endswith("x[11] + ... (18 more) + 5")
    assert to_text(MANY.sum()).endswith("x[11] + ... (18 more)")
    assert to_text(MANY).endswith("x[19],\n ... (30 rows)]") and r"\vdots" in to_latex(MANY)


def test_names() -> None:
    """A namer replaces the numbers; a name in LaTeX keeps its subscript and escapes what LaTeX reads."""
    assert to_text(2 * X * Y, lambda i: "ab"[i & 1]) == "2 a*b"
    assert [latex_name(n) for n in ("x", "flow[3]", "a_b", "50%", "a[1", "v[i,j]")] == [
        "x",
        r"\mathrm{flow}_{3}",
        r"\mathrm{a\_b}",
        r"\mathrm{50\%}",
        r"\mathrm{a[1}",
        "v_{i,j}",
    ]


def test_comparisons_and_sets_in_words() -> None:
    """A comparison reads as a function in a set."""
    assert repr(2 * X + 1 <= 4) == "2 x[0] in LessThan(3.0)"
    assert repr(X - 1 >= Y) == "x[0] - x[1] in GreaterThan(1.0)"
