"""Random linear and quadratic programs whose numbers are moved one at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import optangent as ot

Array = np.ndarray[Any, Any]


class Program:
    """A program with named rows and variables, solved anew with one number changed.

    ``minimize or maximize ½ xᵀPx + cᵀx, A x <= b, D x = e, 0 <= x <= 4``; with `scale`, rows and columns in odd units.
    """

    def __init__(self, seed: int, *, quadratic: bool, maximize: bool, solver: Any, scale: float = 0.0) -> None:
        rng = np.random.default_rng(seed)
        n, m, p = 6, 4, 1
        rows, columns = (10.0 ** (scale * rng.uniform(-1.0, 1.0, k)) for k in (m + p, n))
        root = rng.standard_normal((n // 2, n)) if quadratic else np.zeros((1, n))
        self.P = root.T @ root * np.outer(columns, columns)
        inside = rng.uniform(0.5, 3.0, n)
        self.c = rng.standard_normal(n) * columns
        self.A = rng.standard_normal((m + p, n)) * np.outer(rows, columns)
        slack = np.append(rng.uniform(0.2, 1.5, m), np.zeros(p)) * rows
        self.b = self.A @ (inside / columns) + slack
        self.sign = -1.0 if maximize else 1.0
        self.upper = 4.0 / columns
        self.model = ot.Model(ot.diff_optimizer(solver))
        self.x = self.model.add_variables(n, name="x", lower=0.0, upper=self.upper)
        self.rows = [self.model.add_constraint(self.A[i] @ self.x <= self.b[i], name=f"row{i}") for i in range(m)] + [
            self.model.add_constraint(self.A[m] @ self.x == self.b[m], name=f"row{m}")
        ]
        objective = self.sign * (0.5 * (self.x @ (self.P @ self.x)) + self.c @ self.x)
        (self.model.maximize if maximize else self.model.minimize)(objective)
        self.model.optimize()

    def value(self, what: str, name: str, side: str, number: float, output: Callable[[], float] | None = None) -> float:
        """The optimal value, or an output, with one number changed; nan without a solution."""
        model = self.model
        if what == "cost":
            j = int(name[2:-1])
            old: Any = float(self.sign * self.c[j])
            model.modify(ot.ObjectiveFunction(), ot.ScalarCoefficientChange(self.x[j], number))
        elif what == "bound":
            j = int(name.split("[")[1][:-1])
            change, old = (model.set_lower, 0.0) if side == "lower" else (model.set_upper, float(self.upper[j]))
            low, high = (number, self.upper[j]) if side == "lower" else (0.0, number)
            if low > high:
                return float("nan")
            change(self.x[j], number)
        else:
            i = int(name[3:])
            old = model.get(ot.ConstraintSet(), self.rows[i])
            model.set(ot.ConstraintSet(), self.rows[i], type(old)(number))
        model.optimize()
        found = (output or model.objective_value)() if model.termination_status().name == "OPTIMAL" else float("nan")
        if what == "cost":
            model.modify(ot.ObjectiveFunction(), ot.ScalarCoefficientChange(self.x[j], old))
        elif what == "bound":
            change(self.x[j], old)
        else:
            model.set(ot.ConstraintSet(), self.rows[i], old)
        return found
