"""Any sequence of changes of a model with products leads to the solution of one with numbers, made from scratch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

import optangent as ot

NUMBER = st.integers(-4, 4).map(float)
PICK = st.integers(0, 10**6)
Term = tuple[int, tuple[int, ...]]
"""A column, and the parameters that multiply it."""


@dataclass
class Column:
    """A variable between bounds, or a number where it is frozen to a parameter."""

    variable: Any
    lower: float
    upper: float
    frozen: float | None = None


@dataclass
class Row:
    """A row that is at most a number; without terms of a column more than once."""

    index: Any
    upper: float
    terms: dict[Term, float]
    constants: dict[tuple[int, ...], float] = field(default_factory=dict)


class ParametricMachine(RuleBasedStateMachine):
    """Changes of rows, objective, parameters and of what is one, with solves in between."""

    solver: ClassVar[Any] = ot.solvers.HiGHS
    weight: ClassVar[float] = 0.0

    def __init__(self) -> None:
        super().__init__()
        self.model = ot.Model(self.solver)
        self.values = [2.0, -1.0, 0.5]
        self.parameters = self.model.add_parameters(self.values)
        self.columns: list[Column] = []
        self.rows: list[Row] = []
        self.costs: dict[Term, float] = {(0, (0,)): 1.0, (1, (0, 1)): 1.0}
        self.restated = True
        self.add_column(-1.0, 3)
        self.add_column(0.0, 2)

    # ------------------------------------------------------------------ what is built
    def function(self, terms: dict[Term, float], constants: dict[tuple[int, ...], float], x: list[Any], p: Any) -> Any:
        """The sum of all terms in given columns and parameters, numbers or not."""
        f: Any = ot.ScalarAffineFunction()
        for (column, factors), c in terms.items():
            f = f + _product(c, factors, p) * x[column]
        for factors, c in constants.items():
            f = f + _product(c, factors, p)
        return f

    def objective(self, x: list[Any], p: Any) -> Any:
        """The costs and a square of each column, half of it times the first parameter squared."""
        f = self.function(self.costs, {(1, 2): 1.0}, x, p)
        if self.weight:
            f = f + sum(self.weight * (one * one) + p[0] * p[0] * one * one for one in x)
        return f

    def state(self) -> None:
        """Set the objective."""
        self.model.minimize(self.objective([c.variable for c in self.columns], self.parameters))
        self.restated = True

    # ------------------------------------------------------------------ rules
    @rule(lower=NUMBER, width=st.integers(0, 5))
    def add_column(self, lower: float, width: int) -> None:
        """A bounded variable."""
        x = self.model.add_variable()
        self.model.add_constraint(1.0 * x, ot.Interval(lower, lower + width))
        self.columns.append(Column(x, lower, lower + width))
        self.restated = not self.weight

    @rule(data=st.data(), upper=NUMBER)
    def add_row(self, data: Any, upper: float) -> None:
        """A row with products."""
        factors = st.lists(st.integers(0, 2), max_size=2).map(lambda f: tuple(sorted(f)))
        column = st.integers(0, len(self.columns) - 1)
        terms = data.draw(st.dictionaries(st.tuples(column, factors), NUMBER, min_size=1, max_size=4))
        constants = data.draw(st.dictionaries(factors.filter(len), NUMBER, max_size=1))
        f = self.function(terms, constants, [c.variable for c in self.columns], self.parameters)
        self.rows.append(Row(self.model.add_constraint(f, ot.LessThan(upper)), upper, terms, constants))

    @rule(which=st.integers(0, 2), value=NUMBER)
    def move(self, which: int, value: float) -> None:
        """Another value of one parameter."""
        self.values[which] = value
        self.model.set_parameter_value(self.parameters[which], value)

    @rule(values=st.lists(NUMBER, min_size=3, max_size=3))
    def move_all(self, values: list[float]) -> None:
        """Other values of all parameters."""
        self.values = values
        self.model.set_parameter_value(self.parameters, values)

    @precondition(lambda self: self.rows)
    @rule(pick=PICK, at=PICK, which=st.integers(0, 2), product=st.booleans(), value=NUMBER)
    def change_coefficient(self, pick: int, at: int, which: int, product: bool, value: float) -> None:
        """One coefficient, of a column or of its product with a parameter."""
        row, column = self.rows[pick % len(self.rows)], at % len(self.columns)
        x, p = self.columns[column].variable, self.parameters[which]
        if not product:
            self.model.modify(row.index, ot.ScalarCoefficientChange(x, value))
            row.terms[column, ()] = value
        elif row.index.kind[0].degree > 1:
            self.model.modify(row.index, ot.ScalarQuadraticCoefficientChange(p, x, value))
            row.terms[column, (which,)] = value

    @precondition(lambda self: self.rows)
    @rule(pick=PICK, upper=NUMBER)
    def change_side(self, pick: int, upper: float) -> None:
        """The side of a row."""
        row = self.rows[pick % len(self.rows)]
        row.upper = upper
        self.model.set(ot.ConstraintSet(), row.index, ot.LessThan(upper))

    @precondition(lambda self: self.rows)
    @rule(pick=PICK)
    def delete_row(self, pick: int) -> None:
        """One row."""
        self.model.delete(self.rows.pop(pick % len(self.rows)).index)

    @rule(at=PICK, which=st.integers(0, 2), value=NUMBER)
    def change_cost(self, at: int, which: int, value: float) -> None:
        """The cost of a product, in place."""
        column = at % len(self.columns)
        x, p = self.columns[column].variable, self.parameters[which]
        if not self.restated:
            self.state()
        if self.model.get(ot.ObjectiveFunction()).degree > 1:
            self.model.modify(ot.ObjectiveFunction(), ot.ScalarQuadraticCoefficientChange(p, x, value))
            self.costs[column, (which,)] = value
            self.restated = True
        else:
            self.costs[column, (which,)] = value
            self.state()

    @rule(at=PICK, part=st.integers(0, 4))
    def freeze(self, at: int, part: int) -> None:
        """A variable becomes a parameter between its bounds, or a variable again."""
        column = self.columns[at % len(self.columns)]
        index = ot.ConstraintIndex((ot.VariableIndex, ot.Parameter), column.variable.value)
        if column.frozen is not None:
            self.model.delete(index)
            column.frozen = None
            return
        column.frozen = column.lower + (column.upper - column.lower) * part / 4.0
        self.model.add_constraint(column.variable, ot.Parameter(column.frozen))

    @rule()
    def solve(self) -> None:
        """Status, objective and values are those of a model with numbers."""
        if not self.restated or self.model.get(ot.ObjectiveSense()) is ot.ObjectiveSenseCode.FEASIBILITY_SENSE:
            self.state()
        fresh = ot.Model(self.solver)
        x: list[Any] = [
            fresh.add_variable(lower=c.lower, upper=c.upper) if c.frozen is None else c.frozen for c in self.columns
        ]
        for row in self.rows:
            fresh.add_constraint(self.function(row.terms, row.constants, x, self.values), ot.LessThan(row.upper))
        fresh.minimize(self.objective(x, self.values))
        self.model.optimize()
        fresh.optimize()
        status = self.model.termination_status()
        if fresh.termination_status() is ot.TerminationStatusCode.OTHER_ERROR:
            return  # a row without variables that cannot hold: its certificate is not always recognized
        assert status is fresh.termination_status()
        if status is ot.TerminationStatusCode.OPTIMAL:
            assert self.model.objective_value() == pytest.approx(fresh.objective_value(), abs=1e-5)
            if self.weight:
                found = self.model.value(ot.VectorOfVariables([c.variable for c in self.columns]))
                expected = [one if isinstance(one, float) else fresh.value(one) for one in x]
                np.testing.assert_allclose(found, expected, atol=1e-3)


def _product(c: float, factors: tuple[int, ...], p: Any) -> Any:
    for k in factors:
        c = c * p[k]
    return c


class CurvedMachine(ParametricMachine):
    """The same with squares, so that the solution is unique."""

    solver = ot.solvers.Clarabel
    weight = 0.5


TestHiGHS = ParametricMachine.TestCase
TestClarabel = CurvedMachine.TestCase
TestHiGHS.settings = TestClarabel.settings = settings(
    max_examples=40, stateful_step_count=25, derandomize=True, deadline=None
)
