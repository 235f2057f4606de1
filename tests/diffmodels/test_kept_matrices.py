"""What is kept from one solution to the next belongs to the matrices: after any change it is that of the new ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import optangent as ot

N = 5


class Changing:
    """A model that is changed again and again."""

    def __init__(self, solver: Any, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.model = ot.Model(ot.diff_optimizer(solver))
        self.x = self.model.add_variables(N)
        self.p = self.model.add_parameter(0.3)
        self.bounds = [self.model.add_constraint(v, ot.GreaterThan(-1.0)) for v in self.x]
        self.rows = [self.model.add_constraint(self.function(), ot.LessThan(1.0)) for _ in range(3)]
        self.model.add_constraint(self.x.sum() - self.p, ot.EqualTo(0.0))
        self.model.minimize(self.x @ self.x + self.rng.standard_normal(N) @ self.x)

    def function(self) -> Any:
        """A random one."""
        return self.rng.standard_normal(N) @ self.x + self.rng.standard_normal() * self.x[0]

    def drop(self, row: ot.ConstraintIndex) -> None:
        """Delete a row, unless it is the last."""
        if len(self.rows) > 1:
            self.rows.remove(row)
            self.model.delete(row)

    def change(self) -> None:
        """Change something."""
        model, rng, row = self.model, self.rng, self.rows[int(self.rng.integers(len(self.rows)))]
        number, objective = float(rng.standard_normal()), ot.ObjectiveFunction()
        ways: list[Callable[[], Any]] = [
            lambda: model.set_parameter_value(self.p, number),
            lambda: model.set(ot.ConstraintSet(), row, ot.LessThan(1.0 + abs(number))),
            lambda: model.set(ot.ConstraintSet(), self.bounds[0], ot.GreaterThan(-2.0 - number)),
            lambda: model.set(ot.ConstraintFunction(), row, self.function()),
            lambda: model.modify(row, ot.ScalarCoefficientChange(self.x[1], number)),
            lambda: model.modify(objective, ot.ScalarCoefficientChange(self.x[2], number)),
            lambda: model.modify(
                objective, ot.ScalarQuadraticCoefficientChange(self.x[3], self.x[3], 3.0 + abs(number))
            ),
            lambda: self.rows.append(model.add_constraint(self.function(), ot.LessThan(2.0))),
            lambda: self.drop(row),
        ]
        ways[int(rng.integers(len(ways)))]()


def answers(model: Any, x: Any, p: Any, row: Any) -> list[Any]:
    """Solution, duals, gradients and a verdict."""
    model.optimize()
    model.set(ot.ReverseVariablePrimal(), x, np.arange(1.0, N + 1.0))
    model.reverse_differentiate()
    gradient = model.get(ot.ReverseConstraintFunction(), row)
    slopes = [gradient.coefficient(v) for v in x] + [gradient.constant, model.get(ot.ReverseParameterValue(), p)]
    return [model.get(ot.TerminationStatus()), model.get(ot.DifferentiationStatus()), *model.polished(x), *slopes]


@pytest.mark.parametrize("solver", [ot.solvers.PIQP, ot.solvers.HiGHS])
@pytest.mark.parametrize("seed", range(3))
def test_answers_are_those_of_a_fresh_model(solver: Any, seed: int) -> None:
    """After each of many random changes solution, gradients and statuses are those of a copy that keeps nothing."""
    old = Changing(solver, seed)
    for _ in range(25):
        old.change()
        fresh = ot.Model(ot.diff_optimizer(solver))
        to = old.model.copy_to(fresh)
        row = old.rows[-1]
        mine = answers(old.model, old.x, old.p, row)
        x = to(old.x)
        others = answers(fresh, x, to(old.p), to(row))
        assert mine[:2] == others[:2]
        np.testing.assert_allclose(np.array(mine[2:]), np.array(others[2:]), atol=1e-8)


def test_the_type_of_an_objective_is_found_again() -> None:
    """A product that a parameter makes affine is quadratic once the parameter is a variable, and so is a new square."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.PIQP))
    x, p = model.add_variable(lower=-1.0, upper=1.0), model.add_parameter(2.0)
    meta = model.meta_solver
    model.minimize(p * x)
    model.optimize()
    assert meta._objective_type() is ot.ScalarAffineFunction
    model.modify(ot.ObjectiveFunction(), ot.ScalarQuadraticCoefficientChange(x, x, 1.0))
    assert meta._objective_type() is ot.ScalarQuadraticFunction
    model.minimize(p * x)
    assert meta._objective_type() is ot.ScalarAffineFunction
    model.delete(ot.ConstraintIndex((ot.VariableIndex, ot.Parameter), p.value))
    assert meta._objective_type() is ot.ScalarQuadraticFunction
