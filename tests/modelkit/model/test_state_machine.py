"""Any sequence of changes leaves a model equal to one rebuilt from scratch from a plain shadow of dictionaries.

The file is long because it is one machine: the shadow, the rules that change both, and what is compared after each.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import optangent as ot

from ..functions.polynomials import Polynomial, polynomials

NUMBER = st.integers(-4, 4).map(float)
PICK = st.integers(0, 10**6)
SHRINKABLE = (ot.Nonnegatives, ot.Nonpositives, ot.Zeros, ot.Reals)
SIDES: dict[type[ot.Set], set[str]] = {
    ot.LessThan: {"upper"},
    ot.GreaterThan: {"lower"},
    ot.Interval: {"lower", "upper"},
    ot.EqualTo: {"lower", "upper"},
    ot.Parameter: {"lower", "upper"},
    ot.Integer: set(),
    ot.ZeroOne: set(),
}
SENSES = list(ot.ObjectiveSenseCode)


@dataclass
class Row:
    """A constraint of the shadow."""

    kind: type[ot.Function]
    rows: list[Polynomial]
    chosen: ot.Set
    index: ot.ConstraintIndex
    name: str = ""


def without(row: Polynomial, gone: set[int]) -> Polynomial:
    """The polynomial after some variables were deleted."""
    return {k: c for k, c in row.items() if not gone.intersection(k)}


class StoreMachine(RuleBasedStateMachine):
    """Random changes of a store."""

    def __init__(self) -> None:
        super().__init__()
        self.model: Any = ot.Store()
        self.variables: dict[int, ot.VariableIndex] = {}
        self.names: dict[int, str] = {}
        self.rows: list[Row] = []
        self.objective: tuple[type[ot.Function], Polynomial] | None = None
        self.sense = ot.ObjectiveSenseCode.FEASIBILITY_SENSE
        self.deleted: list[Any] = []
        self.made = 0

    # ------------------------------------------------------------------ between the two worlds
    def key(self, pick: int) -> int:
        """Some variable."""
        return list(self.variables)[pick % len(self.variables)]

    def function(self, kind: type[ot.Function], rows: list[Polynomial], variables: Any = None) -> Any:
        """The function of a shadow, in given variables or in those of the model."""
        x = self.variables if variables is None else variables
        if kind in (ot.VariableIndex, ot.VectorOfVariables):
            plain = [x[next(iter(row))[0]] for row in rows]
            return ot.VectorOfVariables(plain) if kind.is_vector else plain[0]
        built = []
        for row in rows:
            f: Any = ot.ScalarAffineFunction((), (), row.get((), 0.0))
            for k, c in row.items():
                for half in (0.5 * c, 0.5 * c):  # repeated terms add
                    if len(k) == 1:
                        f = f + half * x[k[0]]
                    elif len(k) == 2:
                        f = f + half * x[k[0]] * x[k[1]]
            built.append(f)
        if kind.is_vector:
            return kind.from_rows(ot.vectorize(built).rows) if built else kind.from_rows(ot.vectorize([]).rows)
        return kind.from_rows(built[0].rows)

    def shadow(self, f: Any, variables: dict[int, ot.VariableIndex]) -> list[Polynomial]:
        """A function as a shadow."""
        keys = {x.value: k for k, x in variables.items()}
        return [{tuple(sorted(keys[i] for i in k)): c for k, c in row.items()} for row in polynomials(f)]

    def draw_rows(self, data: Any, count: int, degree: int) -> list[Polynomial]:
        """Random polynomials in the present variables."""
        keys = st.sampled_from(sorted(self.variables))
        monomials = st.one_of([st.tuples(*[keys] * d).map(lambda k: tuple(sorted(k))) for d in range(degree + 1)])
        terms = st.dictionaries(monomials, NUMBER.filter(bool), max_size=4)
        return [data.draw(terms) for _ in range(count)]

    # ------------------------------------------------------------------ rules
    @initialize(picks=st.lists(PICK, min_size=3, max_size=3))
    def begin(self, picks: list[int]) -> None:
        """Enough of everything for the rules to meet one another."""
        self.add_variables(3)
        self._add(ot.VectorOfVariables, [{(self.key(p),): 1.0} for p in picks], ot.Nonnegatives(3))
        self._add(ot.VectorOfVariables, [{(self.key(p),): 1.0} for p in picks[:2]], ot.Nonnegatives(2))
        self._add(ot.VariableIndex, [{(0,): 1.0}], ot.LessThan(1.0))
        self._add(ot.ScalarAffineFunction, [{(0,): 2.0, (1,): 3.0}], ot.LessThan(1.0))
        self._add(ot.ScalarAffineFunction, [{(1,): 4.0, (): 1.0}], ot.LessThan(2.0))

    @precondition(lambda self: len(self.variables) < 5)
    @rule(count=st.integers(1, 3))
    def add_variables(self, count: int) -> None:
        """A few variables."""
        for x in self.model.add_variables(count):
            self.variables[self.made] = x
            self.made += 1

    def _add(self, kind: type[ot.Function], rows: list[Polynomial], chosen: ot.Set) -> None:
        index = self.model.add_constraint(self.function(kind, rows), chosen)
        self.rows.append(Row(kind, rows, chosen, index))

    @precondition(lambda self: self.variables and len(self.rows) < 12)
    @rule(data=st.data(), degree=st.integers(1, 2), a=NUMBER, b=NUMBER, which=st.integers(0, 3))
    def add_scalar(self, data: Any, degree: int, a: float, b: float, which: int) -> None:
        """An affine or quadratic row."""
        chosen = [ot.LessThan(a), ot.GreaterThan(a), ot.EqualTo(a), ot.Interval(min(a, b), max(a, b))][which]
        kind = (ot.ScalarAffineFunction, ot.ScalarQuadraticFunction)[degree - 1]
        self._add(kind, self.draw_rows(data, 1, degree), chosen)

    @precondition(lambda self: self.variables and len(self.rows) < 12)
    @rule(data=st.data(), degree=st.integers(1, 2), m=st.integers(0, 3), which=st.integers(0, 4))
    def add_vector(self, data: Any, degree: int, m: int, which: int) -> None:
        """A vector function of affine or quadratic rows."""
        chosen = ot.HyperRectangle(np.zeros(m), np.ones(m)) if which == 4 else SHRINKABLE[which](m)
        kind = (ot.VectorAffineFunction, ot.VectorQuadraticFunction)[degree - 1]
        self._add(kind, self.draw_rows(data, m, degree), chosen)

    @precondition(lambda self: self.variables)
    @rule(picks=st.lists(PICK, min_size=1, max_size=3), which=st.integers(0, 4))
    def add_plain_vector(self, picks: list[int], which: int) -> None:
        """A vector of plain variables, repeats allowed."""
        m = len(picks)
        chosen = ot.HyperRectangle(np.zeros(m), np.ones(m)) if which == 4 else SHRINKABLE[which](m)
        self._add(ot.VectorOfVariables, [{(self.key(p),): 1.0} for p in picks], chosen)

    @precondition(lambda self: self.variables)
    @rule(pick=PICK, which=st.integers(0, 6), a=NUMBER)
    def add_plain(self, pick: int, which: int, a: float) -> None:
        """A bound or integrality; the second of its kind or side is refused."""
        key = self.key(pick)
        kind = list(SIDES)[which]
        chosen: Any = kind(a, a + 1) if kind is ot.Interval else kind(*([a] if kind.fields else []))  # type: ignore[call-arg]
        mine = [r.chosen for r in self.rows if r.kind is ot.VariableIndex and (key,) in r.rows[0]]
        taken = set().union(*(SIDES[type(s)] for s in mine)) & SIDES[kind]
        if taken or kind in map(type, mine):
            with pytest.raises(ot.BoundAlreadySet):
                self.model.add_constraint(self.variables[key], chosen)
        else:
            self._add(ot.VariableIndex, [{(key,): 1.0}], chosen)

    @precondition(lambda self: self.rows)
    @rule(pick=PICK)
    def delete_constraint(self, pick: int) -> None:
        """One constraint."""
        row = self.rows.pop(pick % len(self.rows))
        self.model.delete(row.index)
        self.deleted.append(row.index)

    @precondition(lambda self: self.variables)
    @rule(picks=st.lists(PICK, min_size=1, max_size=2))
    def delete_variables(self, picks: list[int]) -> None:
        """One or two variables; refused where a vector in a rectangle would lose some of its rows."""
        gone = {self.key(p) for p in picks}
        stuck = []
        for row in self.rows:
            lost = [bool(without(r, gone) != r) for r in row.rows]
            if row.kind is ot.VectorOfVariables and any(lost) and not all(lost):
                stuck += [row] if type(row.chosen) not in SHRINKABLE else []
        indices = [self.variables[k] for k in gone]
        if stuck:
            with pytest.raises(ot.UnsupportedModification):
                self.model.delete(indices)
            return
        self.model.delete(indices)
        kept = []
        for row in self.rows:
            plain = row.kind in (ot.VariableIndex, ot.VectorOfVariables)
            rows = [without(r, gone) for r in row.rows]
            if plain and not (rows := [r for r in rows if r]):
                self.deleted.append(row.index)
                continue
            if plain and len(rows) < len(row.rows):
                row.chosen = type(row.chosen)(len(rows))  # type: ignore[call-arg]
            row.rows = rows
            kept.append(row)
        self.rows = kept
        if self.objective is not None:
            kind, f = self.objective
            kind = ot.ScalarAffineFunction if kind is ot.VariableIndex else kind
            self.objective = (kind, without(f, gone))
        for k in gone:
            self.deleted.append(self.variables.pop(k))
            self.names.pop(k, None)

    @precondition(lambda self: self.variables and any(r.kind.degree for r in self.rows))
    @rule(pick=PICK, at=PICK, other=PICK, r=PICK, value=NUMBER, quadratic=st.booleans())
    def modify_coefficient(self, pick: int, at: int, other: int, r: int, value: float, quadratic: bool) -> None:
        """One coefficient of a row."""
        rows = [row for row in self.rows if row.kind.degree and row.rows]
        if not rows:
            return
        row = rows[pick % len(rows)]
        local, key = r % len(row.rows), self.key(at)
        monomial: tuple[int, ...] = (key,)
        x = self.variables[key]
        change: Any = ot.ScalarCoefficientChange(x, value)
        if row.kind.is_vector:
            change = ot.MultirowChange(x, [(local, value)])
        elif quadratic and row.kind.degree == 2:
            second = self.key(other)
            monomial = (min(key, second), max(key, second))
            change = ot.ScalarQuadraticCoefficientChange(x, self.variables[second], value)
        self.model.modify(row.index, change)
        row.rows[local] = {k: c for k, c in (row.rows[local] | {monomial: value}).items() if c}

    @precondition(lambda self: any(r.kind.degree for r in self.rows))
    @rule(pick=PICK, value=NUMBER)
    def modify_constant(self, pick: int, value: float) -> None:
        """All constants of a constraint."""
        rows = [row for row in self.rows if row.kind.degree]
        row = rows[pick % len(rows)]
        m = len(row.rows)
        vector = ot.VectorConstantChange(np.full(m, value))
        self.model.modify(row.index, vector if row.kind.is_vector else ot.ScalarConstantChange(value))
        row.rows = [{k: c for k, c in (r | {(): value}).items() if c} for r in row.rows]

    @precondition(lambda self: self.variables and any(r.kind.degree for r in self.rows))
    @rule(data=st.data(), pick=PICK)
    def set_function(self, data: Any, pick: int) -> None:
        """A whole function."""
        rows = [row for row in self.rows if row.kind.degree]
        row = rows[pick % len(rows)]
        row.rows = self.draw_rows(data, len(row.rows), row.kind.degree)
        self.model.set(ot.ConstraintFunction(), row.index, self.function(row.kind, row.rows))

    @precondition(lambda self: self.rows)
    @rule(pick=PICK, shift=NUMBER)
    def set_set(self, pick: int, shift: float) -> None:
        """The numbers of a set."""
        row = self.rows[pick % len(self.rows)]
        row.chosen = type(row.chosen).build(row.chosen.shape, row.chosen.numbers + shift)
        self.model.set(ot.ConstraintSet(), row.index, row.chosen)

    @precondition(lambda self: self.variables)
    @rule(data=st.data(), degree=st.integers(0, 2), pick=PICK)
    def set_objective(self, data: Any, degree: int, pick: int) -> None:
        """A plain variable, an affine or a quadratic function."""
        kind = (ot.VariableIndex, ot.ScalarAffineFunction, ot.ScalarQuadraticFunction)[degree]
        f = {(self.key(pick),): 1.0} if degree == 0 else self.draw_rows(data, 1, degree)[0]
        self.objective = (kind, f)
        self.model.set(ot.ObjectiveFunction(), self.function(kind, [f]))
        if self.sense is ot.ObjectiveSenseCode.FEASIBILITY_SENSE:
            self.sense = ot.ObjectiveSenseCode.MIN_SENSE

    @precondition(lambda self: self.variables and self.objective and self.objective[0].degree == 2)
    @rule(pick=PICK, other=PICK, value=NUMBER)
    def modify_square(self, pick: int, other: int, value: float) -> None:
        """One product in the objective, perhaps of variables that are younger than it."""
        assert self.objective is not None
        pair = sorted((self.key(pick), self.key(other)))
        first, second = (self.variables[key] for key in pair)
        self.model.modify(ot.ObjectiveFunction(), ot.ScalarQuadraticCoefficientChange(first, second, value))
        f = self.objective[1] | {tuple(pair): value}
        self.objective = (self.objective[0], {k: c for k, c in f.items() if c})

    @rule(which=st.integers(0, 3))
    def refused(self, which: int) -> None:
        """What is refused changes nothing: too many variables, a set of too many rows, overflow."""
        x = next(iter(self.variables.values()), None)
        bad: list[Any] = [
            lambda: self.model.add_variables(2**40),
            lambda: self.model.add_constrained_variables(ot.Nonnegatives(2**40)),
            lambda: self.model.add_constraint(ot.ScalarAffineFunction((), (), 1e308), ot.LessThan(-1e308)),
            lambda: self.model.add_constraint(1e308 * x + 1e308 * x, ot.LessThan(1.0)),
        ]
        with pytest.raises(ot.InvalidData):
            bad[which if x is not None else which % 3]()

    @precondition(lambda self: self.variables and self.objective and self.objective[0].degree)
    @rule(pick=PICK, value=NUMBER)
    def modify_objective(self, pick: int, value: float) -> None:
        """One coefficient of the objective."""
        assert self.objective is not None
        key = self.key(pick)
        self.model.modify(ot.ObjectiveFunction(), ot.ScalarCoefficientChange(self.variables[key], value))
        f = self.objective[1] | {(key,): value}
        self.objective = (self.objective[0], {k: c for k, c in f.items() if c})

    @rule(which=st.integers(0, 2))
    def set_sense(self, which: int) -> None:
        """A sense; feasibility erases the objective."""
        self.sense = SENSES[which]
        self.model.set(ot.ObjectiveSense(), self.sense)
        if self.sense is ot.ObjectiveSenseCode.FEASIBILITY_SENSE:
            self.objective = None

    @precondition(lambda self: self.variables)
    @rule(pick=PICK, name=st.sampled_from(["a", "b", ""]))
    def name_variable(self, pick: int, name: str) -> None:
        """A name, or none."""
        key = self.key(pick)
        self.names[key] = name
        self.model.set(ot.VariableName(), self.variables[key], name)

    @precondition(lambda self: self.rows)
    @rule(pick=PICK, name=st.sampled_from(["c", "d", ""]))
    def name_constraint(self, pick: int, name: str) -> None:
        """A name, or none."""
        row = self.rows[pick % len(self.rows)]
        row.name = name
        self.model.set(ot.ConstraintName(), row.index, name)

    # ------------------------------------------------------------------ what holds after every step
    def rebuilt(self) -> tuple[Any, dict[int, ot.VariableIndex], list[ot.ConstraintIndex]]:
        """The shadow, built from scratch."""
        fresh = self.empty_model()
        variables = {k: fresh.add_variable() for k in self.variables}
        functions = [self.function(row.kind, row.rows, variables) for row in self.rows]
        indices = [fresh.add_constraint(f, row.chosen) for f, row in zip(functions, self.rows, strict=True)]
        if self.objective is not None:
            fresh.set(ot.ObjectiveFunction(), self.function(self.objective[0], [self.objective[1]], variables))
        fresh.set(ot.ObjectiveSense(), self.sense)
        return fresh, variables, indices

    def empty_model(self) -> Any:
        """A new model of the kind under test."""
        return ot.Store()

    def assert_holds_shadow(self, model: Any, variables: Any, indices: list[ot.ConstraintIndex]) -> None:
        """The model is the shadow, under the given indices."""
        assert model.get(ot.ListOfVariableIndices()).ids.tolist() == [x.value for x in variables.values()]
        kinds = Counter(i.kind for i in indices)
        assert Counter(model.get(ot.ListOfConstraintTypesPresent())) == Counter(dict.fromkeys(kinds, 1))
        for kind, count in kinds.items():
            assert model.get(ot.NumberOfConstraints(*kind)) == count
            assert set(model.get(ot.ListOfConstraintIndices(*kind))) == {i for i in indices if i.kind == kind}
        for row, index in zip(self.rows, indices, strict=True):
            assert model.get(ot.ConstraintSet(), index) == row.chosen
            f = model.get(ot.ConstraintFunction(), index)
            assert type(f) is row.kind and self.shadow(f, variables) == row.rows
        assert model.get(ot.ObjectiveSense()) is self.sense
        f = model.get(ot.ObjectiveFunction())
        kind, want = self.objective or (ot.ScalarAffineFunction, {})
        assert type(f) is kind and self.shadow(f, variables) == [want]

    @invariant()
    def the_store_is_the_shadow(self) -> None:
        """The store, one rebuilt, and a copy hold the same; names too; deleted indices raise."""
        store: ot.Store = self.model
        indices = [row.index for row in self.rows]
        self.assert_holds_shadow(store, self.variables, indices)
        self.assert_holds_shadow(*self.rebuilt())
        copy = ot.Store()
        index_map = store.copy_to(copy)
        mapped = {k: index_map(x) for k, x in self.variables.items()}
        self.assert_holds_shadow(copy, mapped, [index_map(i) for i in indices])
        for k, x in self.variables.items():
            assert store.get(ot.VariableName(), x) == copy.get(ot.VariableName(), mapped[k]) == self.names.get(k, "")
        for row in self.rows:
            assert store.get(ot.ConstraintName(), row.index) == row.name
            assert copy.get(ot.ConstraintName(), index_map(row.index)) == row.name
        alive = {(i.kind, i.value) for i in indices}
        for index in self.deleted:
            if isinstance(index, ot.ConstraintIndex) and (index.kind, index.value) in alive:
                continue  # a bound that was deleted and added again has the index of its variable
            assert not store.is_valid(index)
            with pytest.raises(ot.InvalidIndex):
                store.delete(index)


TestStore = StoreMachine.TestCase
TestStore.settings = settings(
    max_examples=70,
    stateful_step_count=30,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


class SolvedMachine(RuleBasedStateMachine):
    """Random changes of a linear (HiGHS) or quadratic (Clarabel) model with solves in between."""

    solver: ClassVar[Any] = ot.solvers.HiGHS
    weight: ClassVar[float] = 0.0

    def __init__(self) -> None:
        super().__init__()
        self.model = ot.Model(self.solver)
        self.p, self.factor = self.model.add_parameter(1.0), 1.0
        self.columns: list[list[Any]] = []  # [variable, bound, lower, upper, cost]
        self.rows: list[list[Any]] = []  # [index, {position in columns: coefficient}, lower, upper]
        self.sense = 1.0
        self.add_column(-1.0, 2.0, 1.0)
        self.add_column(0.0, 3.0, -1.0)

    def add_column(self, lower: float, upper: float, cost: float) -> None:
        """A bounded variable."""
        x = self.model.add_variable()
        bound = self.model.add_constraint(x, ot.Interval(lower, upper))
        self.columns.append([x, bound, lower, upper, cost])

    def objective(self, columns: list[Any]) -> Any:
        """The cost of every column and the same square of each; convex in either sense."""
        return sum((c[4] * c[0] + self.sense * self.weight * (c[0] * c[0]) for c in columns), 0.0 * columns[0][0])

    @rule(lower=NUMBER, width=st.integers(0, 5), cost=NUMBER)
    def add_variable(self, lower: float, width: int, cost: float) -> None:
        """A bounded variable."""
        self.add_column(lower, lower + width, cost)

    @rule(data=st.data(), lower=NUMBER, width=st.integers(0, 6), two_sided=st.booleans())
    def add_row(self, data: Any, lower: float, width: int, two_sided: bool) -> None:
        """A row between bounds, or with an upper one."""
        some = data.draw(st.dictionaries(st.integers(0, len(self.columns) - 1), NUMBER, min_size=1, max_size=3))
        low, high = (lower, lower + width) if two_sided else (-np.inf, lower)
        index = self.model.add_constraint(self._function(some, self.columns, self.p), self._chosen(low, high))
        self.rows.append([index, some, low, high])

    def _function(self, row: dict[Any, float], columns: list[Any], p: Any) -> Any:
        """The row: coefficients of columns k, and of products ("p", k) with the parameter or its value."""
        plain = {k: c for k, c in row.items() if not isinstance(k, tuple)}
        f: Any = ot.ScalarAffineFunction([columns[k][0] for k in plain], list(plain.values()))
        return sum((c * p * columns[k[1]][0] for k, c in row.items() if isinstance(k, tuple)), f)

    def _chosen(self, low: float, high: float) -> ot.Set:
        return ot.LessThan(high) if low == -np.inf else ot.Interval(low, high)

    @rule(at=PICK, more=PICK, upper=st.integers(1, 6))
    def add_product(self, at: int, more: int, upper: int) -> None:
        """A row of a product with the parameter and another column."""
        some = {more % len(self.columns): 1.0, ("p", at % len(self.columns)): 0.5}
        index = self.model.add_constraint(self._function(some, self.columns, self.p), ot.LessThan(float(upper)))
        self.rows.append([index, some, -np.inf, float(upper)])

    @rule(value=st.integers(-2, 2))
    def change_parameter(self, value: int) -> None:
        """Another value of the parameter."""
        self.model.set_parameter_value(self.p, float(value))
        self.factor = float(value)

    @precondition(lambda self: self.rows)
    @rule(pick=PICK, at=PICK, value=NUMBER)
    def change_coefficient(self, pick: int, at: int, value: float) -> None:
        """One coefficient."""
        row, position = self.rows[pick % len(self.rows)], at % len(self.columns)
        self.model.modify(row[0], ot.ScalarCoefficientChange(self.columns[position][0], value))
        row[1][position] = value

    @precondition(lambda self: self.rows)
    @rule(pick=PICK, shift=NUMBER)
    def change_side(self, pick: int, shift: float) -> None:
        """The sides of a row."""
        row = self.rows[pick % len(self.rows)]
        row[2:] = [row[2] + shift, row[3] + shift]
        self.model.set(ot.ConstraintSet(), row[0], self._chosen(*row[2:]))

    @rule(pick=PICK, shift=NUMBER)
    def change_bound(self, pick: int, shift: float) -> None:
        """The bounds of a variable."""
        column = self.columns[pick % len(self.columns)]
        column[2:4] = [column[2] + shift, column[3] + shift]
        self.model.set(ot.ConstraintSet(), column[1], ot.Interval(*column[2:4]))

    @rule(pick=PICK, cost=NUMBER)
    def change_cost(self, pick: int, cost: float) -> None:
        """One cost."""
        column = self.columns[pick % len(self.columns)]
        column[4] = cost
        self.model.modify(ot.ObjectiveFunction(), ot.ScalarCoefficientChange(column[0], cost))

    @precondition(lambda self: self.rows)
    @rule(pick=PICK)
    def delete_row(self, pick: int) -> None:
        """One row."""
        self.model.delete(self.rows.pop(pick % len(self.rows))[0])

    @precondition(lambda self: len(self.columns) > 2)
    @rule()
    def delete_variable(self) -> None:
        """The last variable."""
        self.model.delete(self.columns.pop()[0])
        for row in self.rows:
            for gone in (len(self.columns), ("p", len(self.columns))):
                row[1].pop(gone, None)

    @rule()
    def turn(self) -> None:
        """The other sense."""
        self.sense = -self.sense
        self._state_objective(self.model, self.columns)

    def _state_objective(self, model: ot.Model, columns: list[Any]) -> None:
        (model.minimize if self.sense > 0 else model.maximize)(self.objective(columns))

    @rule()
    def solve(self) -> None:
        """Status and objective are those of a model built from scratch."""
        self._state_objective(self.model, self.columns)
        fresh = ot.Model(self.solver)
        columns = [[fresh.add_variable(lower=c[2], upper=c[3]), *c[1:]] for c in self.columns]
        for _, row, low, high in self.rows:
            fresh.add_constraint(self._function(row, columns, self.factor), self._chosen(low, high))
        self._state_objective(fresh, columns)
        self.model.optimize()
        fresh.optimize()
        status = self.model.termination_status()
        assert status is fresh.termination_status()
        if status is ot.TerminationStatusCode.OPTIMAL:
            assert self.model.objective_value() == pytest.approx(fresh.objective_value(), abs=1e-6)
            x = self.model.value(ot.VectorOfVariables([c[0] for c in self.columns]))
            if self.weight:
                np.testing.assert_allclose(x, [fresh.value(c[0]) for c in columns], atol=1e-4)


class QuadraticMachine(SolvedMachine):
    """The same with a square of each variable, so that the solution is unique."""

    solver = ot.solvers.Clarabel
    weight = 0.5


TestHiGHS = SolvedMachine.TestCase
TestClarabel = QuadraticMachine.TestCase
TestHiGHS.settings = TestClarabel.settings = settings(
    max_examples=25, stateful_step_count=25, derandomize=True, deadline=None
)
