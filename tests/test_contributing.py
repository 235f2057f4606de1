"""What CONTRIBUTING.md shows is so: its wrapper of a solver is whole and passes the suite that it runs on itself."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import optangent as ot

TEXT = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_the_wrapper_of_a_solver() -> None:
    """It has no more than 60 lines, passes, and stands before a model with values, duals and derivatives."""
    wrapper, use = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    assert wrapper.count("\n") <= 60
    names: dict[str, Any] = {}
    exec(compile(wrapper, "CONTRIBUTING.md", "exec"), names)
    with pytest.raises(ot.UnsupportedConstraint, match=r"Integer.*LinProg"):
        exec(compile(use, "CONTRIBUTING.md", "exec"), names)
    model, x, c = names["model"], names["x"], names["c"]
    np.testing.assert_allclose(model.value(x), [0.0, 1.5], atol=1e-9)
    np.testing.assert_allclose(model.dual(c), [0.5, 0.0, -0.5], atol=1e-9)
    model.set(ot.ForwardConstraintFunction(), c, ot.vectorize([0.0 * x[0], 0.0 * x[0], 0.0 * x[0] + 1.0]))
    model.forward_differentiate()
    np.testing.assert_allclose(model.get(ot.ForwardVariablePrimal(), x), [0.0, 0.5], atol=1e-9)
