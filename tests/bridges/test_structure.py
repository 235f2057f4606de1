"""What stands in a form: after adding, after deleting, after each kind of change, for every set and target."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.bridges.lowering import Lowering
from optangent.modelkit.functions import Function
from optangent.modelkit.functions.rows import Rows
from optangent.modelkit.indices import Kind
from optangent.modelkit.sets import Set

from .lowering.test_lowering import assert_same, described
from .subjects import DISCRETE, EXAMPLES, is_box, random_rows
from .test_travel import REACHED, TARGETS, lowered


def written(lowering: Lowering, model: ot.Model) -> Any:
    """What the form says, constraint by constraint."""
    return described(lowering, model)


def assert_as_fresh(lowering: Lowering, model: ot.Model, target: str) -> None:
    """The form says what one made from scratch says."""
    lowering.sync(model.store)
    fresh = Lowering(TARGETS[target])
    fresh.sync(model.store)
    assert_same(written(lowering, model), written(fresh, model))


def examples(kind: Kind) -> Any:
    """Blocks of boxes of all patterns; of other sets the block of several shapes."""
    return EXAMPLES[kind[1]] if is_box(kind[1]) else EXAMPLES[kind[1]][-1:]


@pytest.mark.parametrize(("target", "kind"), REACHED)
def test_add_and_delete(target: str, kind: Kind) -> None:
    """Constraints that go leave nothing that says anything, and those beside them stay; they may come again."""
    for example in examples(kind):
        model, lowering, indices, block = lowered(target, kind, example)
        generation = lowering.generation
        before = [written(lowering, model)]
        model.delete(indices[0])
        assert_as_fresh(lowering, model, target)
        model.delete(list(indices[1:]))
        assert_as_fresh(lowering, model, target)
        form = lowering.form
        mine = lowering.is_user.view
        free = np.isneginf(form.row_lower) & np.isposinf(form.row_upper)
        if kind[1] not in DISCRETE:
            assert (
                free.all()
                and not form.k
                and np.isneginf(form.lower[mine]).all()
                and np.isposinf(form.upper[mine]).all()
            )
        assert not form.lower[~mine].any() and not form.upper[~mine].any() and not form.discreteness[mine].any()
        model.store.add_block(block)
        assert_as_fresh(lowering, model, target)
        assert lowering.generation == generation
        after = {(k[0], k[1] - len(indices)) if isinstance(k, tuple) else k for k in written(lowering, model)}
        assert {k for k in before[0] if isinstance(k, tuple) and k[0] == kind} == {
            k for k in after if isinstance(k, tuple) and k[0] == kind
        }


# ---------------------------------------------------------------------- changes
CHANGES = ("set", "constant", "coefficient", "quadratic", "function")


@pytest.mark.parametrize(("target", "kind"), REACHED)
def test_changes(target: str, kind: Kind) -> None:
    """Sets, constants, coefficients and functions change as in a form made from scratch, which is not made anew."""
    rng = np.random.default_rng(11)
    for example in examples(kind):
        model, lowering, indices, _ = lowered(target, kind, example)
        generation = lowering.generation
        for what in CHANGES:
            for index in indices:  # all of them by one change, then the next
                chosen = model.get(ot.ConstraintSet(), index)
                plain = kind[0].degree == 0 and what != "set"
                if plain or not chosen.dimension or (what == "quadratic" and kind[0] is not ot.ScalarQuadraticFunction):
                    continue
                if what == "set" and kind[1] in DISCRETE and not len(kind[1].fields):
                    continue
                change(model, index, what, kind, chosen, rng)
            assert_as_fresh(lowering, model, target)
        assert lowering.generation == generation


def change(model: ot.Model, index: Any, what: str, kind: Kind, chosen: Set, rng: np.random.Generator) -> None:
    """One change of a constraint."""
    v, m = model.get(ot.ListOfVariableIndices()), chosen.dimension
    x, y, row = v[int(rng.integers(20))], v[int(rng.integers(20))], int(rng.integers(m))
    value, constants = float(rng.standard_normal()), rng.standard_normal(m)
    if what == "set":
        if kind[1] is ot.Indicator:
            return
        model.set(ot.ConstraintSet(), index, kind[1].build(chosen.shape, chosen.numbers + rng.uniform(0.0, 0.4)))
    elif what == "function":
        rows: Rows = random_rows(m, ot.VectorOfVariables(v), rng, kind[0].degree)
        function: Function = kind[0].from_rows(rows)
        model.set(ot.ConstraintFunction(), index, function)
    elif what == "constant":
        vector = kind[1].is_vector
        model.modify(index, ot.VectorConstantChange(constants) if vector else ot.ScalarConstantChange(constants[0]))
    elif what == "coefficient":
        one = ot.MultirowChange(x, [(row, value)]) if kind[1].is_vector else ot.ScalarCoefficientChange(x, value)
        model.modify(index, one)
    else:
        model.modify(index, ot.ScalarQuadraticCoefficientChange(x, y, value))


def test_a_set_of_another_pattern() -> None:
    """An interval gains, loses and fixes sides in place."""
    model = ot.Model()
    x = model.add_variable()
    c = model.add_constraint(2.0 * x, ot.Interval(0.0, 1.0))
    lowering = Lowering(TARGETS["rows"])
    for low, high in ((0.0, 1.0), (-np.inf, 1.0), (1.0, 1.0), (-np.inf, np.inf), (3.0, np.inf)):
        model.set(ot.ConstraintSet(), c, ot.Interval(low, high))
        form = lowering.sync(model.store)
        assert (form.row_lower[0], form.row_upper[0]) == (low, high) and form.m == 1
    assert lowering.generation == 1


def test_second_owners_of_a_variable() -> None:
    """A side of a plain variable has one owner; vectors of variables are rows beside it, each with its own dual."""
    model = ot.Model()
    v = model.add_variables(3)
    bound = model.add_constraint(v[1], ot.GreaterThan(0.0))
    twice = ot.VectorOfVariables([v[0], v[1], v[0]])
    rectangle = model.add_constraint(twice, ot.HyperRectangle([1.0, 2.0, 3.0], [4.0, 5.0, 6.0]))
    lowering = Lowering(TARGETS["rows"])
    form = lowering.sync(model.store)
    assert form.m == 3 and form.lower.tolist() == [-np.inf, 0.0, -np.inf]
    np.testing.assert_array_equal(form.A.toarray(), np.eye(3)[[0, 1, 0]])
    assert form.row_lower.tolist() == [1.0, 2.0, 3.0]
    upper = model.add_constraint(v[1], ot.LessThan(0.0))
    form = lowering.sync(model.store)
    assert form.split.tolist() == [False, True, False]  # equal sides of two owners do not fix the column
    model.delete([rectangle, bound])
    form = lowering.sync(model.store)
    assert form.lower.tolist() == [-np.inf] * 3 and form.upper.tolist() == [np.inf, 0.0, np.inf]
    assert model.is_valid(upper)


def test_what_is_refused_leaves_no_trace() -> None:
    """The next synchronization, without it, is that of a fresh form."""
    model = ot.Model()
    x = model.add_variable()
    model.add_constraint(2.0 * x, ot.LessThan(1.0))
    lowering = Lowering(TARGETS["rows"])
    lowering.sync(model.store)
    bad = [model.add_constraint(x, ot.ZeroOne()), model.add_constraint(x * x, ot.LessThan(1.0), name="curved")]
    for index in bad:
        with pytest.raises(ot.UnsupportedConstraint):
            lowering.sync(model.store)
        model.delete(index)
    assert_as_fresh(lowering, model, "rows")
    assert lowering.form.m == 1
