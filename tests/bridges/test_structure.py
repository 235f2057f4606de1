"""What stands in the inner model: after adding, after deleting, after changing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.bridges import BridgeOptimizer
from optangent.modelkit.block import ConstraintBlock
from optangent.modelkit.functions import Function
from optangent.modelkit.indices import Kind
from optangent.modelkit.rows import Rows
from optangent.modelkit.sets import Set

from .mocks import Recorder, comparable
from .subjects import DISCRETE, EXAMPLES, SUBJECTS, Subject, model_for, random_block, random_rows
from .test_travel import CHAINS, PROFILES

CONTINUOUS = [s for s in SUBJECTS if s.kind[1] not in DISCRETE]


def same(one: Function, other: Function) -> bool:
    """Whether two functions are equal term by term."""
    return type(one) is type(other) and comparable((type(one), ot.Zeros), one.rows, ot.Zeros(1), 0) == comparable(
        (type(other), ot.Zeros), other.rows, ot.Zeros(1), 0
    )


@pytest.mark.parametrize("subject", SUBJECTS, ids=str)
def test_add_and_delete(subject: Subject) -> None:
    """The inner model holds what the lift says, the outer one what was written; deleting leaves nothing."""
    inner, layer, v = model_for(subject)
    before = inner.content()
    block = random_block(subject.kind, subject.sets, v, np.random.default_rng(1))
    indices = layer.add_block(block)
    assert inner.content() == sorted(before + expected(subject, block, inner, layer))
    starts = block.starts
    for at, (index, chosen) in enumerate(zip(indices, subject.sets, strict=True)):
        rows = block.rows.take(np.arange(starts[at], starts[at + 1]))
        assert layer.get(ot.ConstraintSet(), index) == chosen
        assert same(layer.get(ot.ConstraintFunction(), index), subject.kind[0].from_rows(rows))
    layer.delete(indices[0])
    assert not layer.is_valid(indices[0])
    layer.delete(indices[1:])
    assert inner.content() == before
    assert inner.get(ot.NumberOfVariables()) == 20
    assert not layer.get(ot.ListOfConstraintTypesPresent())
    layer.add_block(block)
    assert len(inner.content()) == len(before) + len(expected(subject, block, inner, layer))


def expected(subject: Subject, block: Any, inner: Recorder, layer: BridgeOptimizer) -> list[tuple[str, str, str]]:
    """``A f + B u + c in S2``, item by item, computed densely."""
    found = []
    u = inner.base + 20
    below = ConstraintBlock(block.function_type, layer._lifter.variables.rewrite(block.rows), block.sets)
    for lift, items in subject.lifts(below, layer._lifter.bounds):
        for item in items.tolist():
            start, stop = block.starts[item : item + 2]
            theta = block.sets.numbers[start:stop].reshape(1, -1)
            f = below.rows.take(np.arange(start, stop))
            extra = Rows.of_variables(np.arange(u, u + lift.extra))
            u += lift.extra
            for t in lift.targets if f.m else ():  # a constraint without rows needs no stand-in
                rows = f.mapped(t.A).with_constants(t.constants(f.constant[None, :], theta)[0])
                if t.B is not None:
                    rows = rows + extra.mapped(t.B)
                sets, ends = t.sets(t.numbers(theta)), np.cumsum(t.dims)
                for i, (d, end) in enumerate(zip(t.dims.tolist(), ends.tolist(), strict=True)):
                    at = np.arange(end - d, end)
                    found.append(comparable(t.kind, rows.take(at), sets.set(i), inner.base))
    return sorted(found)


# ---------------------------------------------------------------------- changes
def build(
    native: Sequence[Kind],
    options: dict[str, Any],
    kind: Kind,
    functions: list[Rows],
    sets: Sequence[Set],
    bridges: Any,
) -> tuple[BridgeOptimizer, Any, Any]:
    """A bridged model with these constraints, functions in variable numbers."""
    layer = BridgeOptimizer(Recorder(native, **options), bridges)
    v = layer.add_variables(20)
    made = [kind[0].from_rows(rows.renamed(lambda i: v.ids[i])) for rows in functions]
    return layer, v, layer.add_constraints(made, list(sets))


CHANGES = ("set", "constant", "coefficient", "quadratic", "function")


def check_changes(
    native: Sequence[Kind], options: dict[str, Any], kind: Kind, example: Sequence[Set], bridges: Any
) -> set[str]:
    """Changes leave the inner model as a fresh one with the new data, or are refused and change nothing.

    Returns which kinds of change were made.
    """
    rng = np.random.default_rng(11)
    numbers = ot.VectorOfVariables.of_ids(np.arange(20))
    block = random_block(kind, tuple(example), numbers, rng)
    functions = [block.rows.take(np.arange(a, b)) for a, b in zip(block.starts[:-1], block.starts[1:], strict=True)]
    sets = list(example)
    layer, v, indices = build(native, options, kind, functions, sets, bridges)
    done = set()
    for at, index in enumerate(indices):
        for what in CHANGES:
            plain = kind[0].degree == 0 and what != "set"
            if plain or not sets[at].dimension or (what == "quadratic" and kind[0] is not ot.ScalarQuadraticFunction):
                continue
            function, chosen, change = random_change(what, kind, functions[at], sets[at], v, rng)
            before = inner(layer).content()
            try:
                change(layer, index)
            except ot.UnsupportedModification:
                assert inner(layer).content() == before
            else:
                functions[at], sets[at] = function, chosen
                done.add(what)
        fresh = build(native, options, kind, functions, sets, bridges)[0]
        assert inner(layer).content() == inner(fresh).content()
        assert layer.get(ot.ConstraintSet(), index) == sets[at]
        written = kind[0].from_rows(functions[at].renamed(lambda i: v.ids[i]))
        assert same(layer.get(ot.ConstraintFunction(), index), written)
    return done


def random_change(what: str, kind: Kind, f: Rows, s: Set, v: Any, rng: np.random.Generator) -> Any:
    """The function and set after a change, and what makes it."""
    m = s.dimension
    x, y, row = int(rng.integers(20)), int(rng.integers(20)), int(rng.integers(m))
    value, constants = float(rng.standard_normal()), rng.standard_normal(m)
    vector = kind[1].is_vector
    change: Any
    if what == "set":
        new = kind[1].build(s.shape, s.numbers + rng.uniform(0.0, 0.4))
        return f, new, lambda layer, index: layer.set(ot.ConstraintSet(), index, new)
    if what == "function":
        f = random_rows(m, ot.VectorOfVariables.of_ids(np.arange(20)), rng, kind[0].degree)
        function = kind[0].from_rows(f.renamed(lambda i: v.ids[i]))
        return f, s, lambda layer, index: layer.set(ot.ConstraintFunction(), index, function)
    if what == "constant":
        f = f.with_constants(constants)
        change = ot.VectorConstantChange(constants) if vector else ot.ScalarConstantChange(constants[0])
    elif what == "coefficient":
        f = with_coefficient(f, row, x, value)
        change = ot.MultirowChange(v[x], [(row, value)]) if vector else ot.ScalarCoefficientChange(v[x], value)
    else:
        old = f.quadratic_coefficients(np.array([0]), np.array([x]), np.array([y]))[0]
        one = np.array([0])
        f = f + Rows(np.zeros(1), qrow=one, qvar1=one + x, qvar2=one + y, qcoef=np.array([value - old]))
        change = ot.ScalarQuadraticCoefficientChange(v[x], v[y], value)
    return f, s, lambda layer, index: layer.modify(index, change)


def with_coefficient(rows: Rows, row: int, variable: int, value: float) -> Rows:
    """The rows with another coefficient."""
    old = rows.coefficients(np.array([row]), np.array([variable]))
    change = Rows(np.zeros(rows.m), np.array([row]), np.array([variable]), value - old)
    return rows + change


def inner(layer: BridgeOptimizer) -> Recorder:
    """The recorder."""
    assert isinstance(layer.inner, Recorder)
    return layer.inner


@pytest.mark.parametrize("subject", CONTINUOUS, ids=str)
def test_changes_behind_one_bridge(subject: Subject) -> None:
    """Sets, constants, coefficients and functions change behind every bridge as in a fresh model."""
    done = check_changes(subject.reached, {}, subject.kind, subject.sets, [subject.bridge])
    possible = {"set"} if subject.kind[0].degree == 0 else {"set", "constant", "coefficient", "function"}
    if subject.kind[0] is ot.ScalarQuadraticFunction:
        possible.add("quadratic")
    if subject.bridge.looks_at_functions:  # another function may need other stand-ins
        possible = {"set"}
    assert done == (possible if any(s.dimension for s in subject.sets) else set())


@pytest.mark.parametrize(("profile", "kind"), CHAINS)
def test_changes_behind_chains(profile: str, kind: Kind) -> None:
    """The same behind chains of bridges, and with bridged variables."""
    native, options = PROFILES[profile]
    for example in EXAMPLES[kind[1]]:
        check_changes(native, options, kind, example, None)


@pytest.mark.parametrize(("profile", "kind"), CHAINS)
def test_deleting_behind_chains(profile: str, kind: Kind) -> None:
    """Adding and deleting leaves the inner model as it was."""
    native, options = PROFILES[profile]
    layer = BridgeOptimizer(Recorder(native, **options))
    v = layer.add_variables(20)
    before, count = inner(layer).content(), inner(layer).get(ot.NumberOfVariables())
    for example in EXAMPLES[kind[1]]:
        layer.delete(layer.add_block(random_block(kind, tuple(example), v, np.random.default_rng(2))))
        assert inner(layer).content() == before
        assert inner(layer).get(ot.NumberOfVariables()) == count


def test_a_set_of_another_pattern_is_refused() -> None:
    """An interval that gains a side needs another lift: refused, and nothing has changed."""
    layer = BridgeOptimizer(Recorder([(ot.VectorAffineFunction, ot.Nonnegatives), (ot.VectorAffineFunction, ot.Zeros)]))
    x = layer.add_variable()
    c = layer.add_constraint(2.0 * x, ot.Interval(0.0, 1.0))
    before = inner(layer).content()
    for other in (ot.Interval(-np.inf, 1.0), ot.Interval(1.0, 1.0)):
        with pytest.raises(ot.UnsupportedModification, match="another way"):
            layer.set(ot.ConstraintSet(), c, other)
    assert inner(layer).content() == before
    assert layer.get(ot.ConstraintSet(), c) == ot.Interval(0.0, 1.0)


def test_a_change_that_the_inner_model_refuses_is_taken_back() -> None:
    """Where one of several stand-ins refuses, those before it get their old data again."""

    class Stubborn(Recorder):
        refusing = False

        def set_numbers(self, indices: Any, *data: Any) -> None:
            if self.refusing and indices.kind[1] is ot.LessThan:
                raise ot.UnsupportedModification("no")
            super().set_numbers(indices, *data)

    below = Stubborn([(ot.ScalarAffineFunction, ot.GreaterThan), (ot.ScalarAffineFunction, ot.LessThan)])
    layer = BridgeOptimizer(below)
    x = layer.add_variable()
    c = layer.add_constraint(2.0 * x, ot.Interval(0.0, 1.0))
    before = below.content()
    below.refusing = True
    with pytest.raises(ot.UnsupportedModification, match="no"):
        layer.set(ot.ConstraintSet(), c, ot.Interval(0.25, 2.0))
    assert below.content() == before and layer.get(ot.ConstraintSet(), c) == ot.Interval(0.0, 1.0)


def test_deleting_a_variable_is_refused_before_anything_changes() -> None:
    """A list with a variable in it leaves the constraints in it alone."""
    layer = BridgeOptimizer(Recorder([(ot.ScalarAffineFunction, ot.GreaterThan)]))
    x = layer.add_variable()
    c = layer.add_constraint(2.0 * x, ot.LessThan(1.0))
    with pytest.raises(ot.UnsupportedModification, match="anew"):
        layer.delete([c, x])
    assert layer.is_valid(c) and layer.is_valid(x) and len(inner(layer).content()) == 1
    with pytest.raises(ot.InvalidIndex):
        layer.delete([c, ot.ConstraintIndex(c.kind, c.value + 7)])
    assert layer.is_valid(c)


def test_second_bounds_become_rows() -> None:
    """A plain variable has one native bound a side; more are rows, and a deleted bound makes room again."""
    below = Recorder([(ot.VariableIndex, ot.Interval), (ot.ScalarAffineFunction, ot.Interval)])
    layer = BridgeOptimizer(below)
    v = layer.add_variables(3)
    bound = layer.add_constraint(v[1], ot.GreaterThan(0.0))
    twice = ot.VectorOfVariables([v[0], v[1], v[0]])
    rectangle = layer.add_constraint(twice, ot.HyperRectangle([1.0, 2.0, 3.0], [4.0, 5.0, 6.0]))
    kinds = [kind for kind, _, _ in below.content()]
    assert sorted(kinds) == [
        *["ScalarAffineFunction in Interval(1,)"] * 2,
        *["VariableIndex in Interval(1,)"] * 2,
    ]
    for i, value in enumerate(layer.get(ot.ConstraintSet(), rectangle).lower):
        assert value == i + 1.0
    seeds = np.array([1.0, 10.0, 100.0])
    layer.set(ot.ReverseConstraintDual(), rectangle, seeds)
    pushed = dict(below.rows_pushed(ot.ReverseConstraintDual()))
    rows = {below.get(ot.ConstraintSet(), i).lower: float(y[0]) for i, y in pushed.items()}
    assert rows == {1.0: 1.0, 2.0: 10.0, 3.0: 100.0}
    layer.delete([rectangle, bound])
    assert not below.content()
    layer.add_constraint(twice[:2], ot.HyperRectangle([1.0, 2.0], [4.0, 5.0]))
    assert [kind for kind, _, _ in below.content()] == ["VariableIndex in Interval(1,)"] * 2


def test_names_and_kinds_are_the_outer_ones() -> None:
    """Names, lists and counts are those of the model as written."""
    layer = BridgeOptimizer(Recorder([(ot.VectorAffineFunction, ot.Nonnegatives)]))
    x = layer.add_variable()
    c = layer.add_constraint(2.0 * x, ot.LessThan(1.0))
    layer.set(ot.VariableName(), x, "x")
    layer.set(ot.ConstraintName(), c, "c")
    assert (layer.get(ot.VariableName(), x), layer.get(ot.ConstraintName(), c)) == ("x", "c")
    assert layer.get(ot.ListOfConstraintTypesPresent()) == [(ot.ScalarAffineFunction, ot.LessThan)]
    assert layer.get(ot.NumberOfConstraints(ot.ScalarAffineFunction, ot.LessThan)) == 1
    assert list(layer.get(ot.ListOfConstraintIndices(ot.ScalarAffineFunction, ot.LessThan))) == [c]
    copy = ot.Store()
    layer.copy_to(copy)
    assert copy.get(ot.NumberOfConstraints(ot.ScalarAffineFunction, ot.LessThan)) == 1
    layer.empty()
    assert layer.is_empty() and inner(layer).is_empty() and not layer.is_valid(c)


def test_a_refused_constraint_leaves_no_trace() -> None:
    """What no bridge reaches is refused before anything is stored."""
    layer = BridgeOptimizer(Recorder([(ot.VectorAffineFunction, ot.Nonnegatives)]))
    x = layer.add_variable()
    with pytest.raises(ot.UnsupportedConstraint):
        layer.add_constraint(x, ot.ZeroOne())
    with pytest.raises(ot.InvalidData):
        layer.add_constraint(1.0 * x, ot.GreaterThan(np.nan))
    assert not layer.get(ot.ListOfConstraintTypesPresent()) and not inner(layer).content()
