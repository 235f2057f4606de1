"""Names: in the text of indices and functions, in warnings and errors, and what has none."""

from __future__ import annotations

import copy
import gc
import pickle
from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.modelkit import naming
from optangent.modelkit.store import describing


def test_named_things_show_their_names() -> None:
    """In the text of variables, vectors, functions, comparisons and constraints, with and without a store at hand."""
    model = ot.Model()
    x, v, p = model.add_variable("x"), model.add_variables(2, "flow"), model.add_parameter(2.0, "price")
    c = model.add_constraint(x + v[1] <= 3, name="budget")
    assert (repr(x), repr(v), repr(p * x - v[0])) == ("x", "[flow[0],\n flow[1]]", "price*x - flow[0]")
    assert "'budget'" in repr(c) and repr(x <= 1) == "x in LessThan(1.0)"
    assert (2 * v[1])._repr_latex_() == r"$2 \, \mathrm{flow}_{1}$"
    model.set(ot.VariableName(), x, "y")
    model.set(ot.ConstraintName(), c, "")
    assert repr(x) == "y" and "budget" not in repr(c)
    y = ot.Model().add_variable()
    assert repr(y) == "x[0]"


def test_names_outlive_copies_and_the_original() -> None:
    """An index shows its name as long as one model that has it lives; the original is asked first."""
    model = ot.Model()
    x = model.add_variable("x")
    twin = pickle.loads(pickle.dumps(model))
    copy.deepcopy(model)
    twin.set(ot.VariableName(), x, "z")
    gc.collect()
    assert repr(x) == "x"
    del model
    gc.collect()
    assert repr(x) == "z"
    serial = x.value >> 32
    del twin
    gc.collect()
    assert repr(x) == "x[0]" and serial not in naming._stores


def test_an_unnamed_variable_is_never_called_like_another() -> None:
    """Where a user calls a variable x[2], the third without a name is called something else, in text and LaTeX."""
    model = ot.Model()
    v = model.add_variables(4)
    named = model.add_variable("x[2]")
    model.set(ot.VariableName(), v[0], "_x[2]")
    texts = [repr(one) for one in (*v, named)]
    assert texts == ["_x[2]", "x[1]", "__x[2]", "x[3]", "x[2]"]
    latex = {one._repr_latex_() for one in (*v, named)}
    assert len(latex) == 5
    model.minimize(v.sum() + named)
    assert str(model) == "minimize _x[2] + x[1] + __x[2] + x[3] + x[2]"
    model.set(ot.VariableName(), named, "other")
    assert repr(v[2]) == "x[2]"


# ---------------------------------------------------------------------- warnings
def degenerate(rows: int, name: Any) -> tuple[Any, Any, str]:
    """A program with weakly active bounds and rows of every sort, differentiated: model, rows, warning."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    x = model.add_variables(rows, "x", lower=0.0)
    found = [model.add_constraint(1.0 * x[k] + 0.0 <= 1, name=name(k)) for k in range(rows)]
    model.minimize(x @ x - 2.0 * x.sum())
    model.optimize()
    model.set(ot.ReverseVariablePrimal(), x, np.ones(rows))
    with pytest.warns(ot.DifferentiationWarning) as told:
        model.reverse_differentiate()
    return model, found, str(told[0].message)


def test_a_warning_names_what_is_at_fault() -> None:
    """Named constraints by name, others by what they say; five, and how many more there are."""
    model, rows, text = degenerate(7, lambda k: "" if k == 1 else f"row {k}")
    assert "'row 0', x[1] in LessThan(1.0), 'row 2', 'row 3', 'row 4' and 2 more" in text
    assert "Index" not in text
    assert [model.get(ot.ConstraintDegeneracy(), c) for c in rows] == [1.0] * 7
    bounds = model.get(ot.ListOfConstraintIndices(ot.VariableIndex, ot.GreaterThan))
    np.testing.assert_array_equal(model.get(ot.ConstraintDegeneracy(), bounds), np.zeros(7))


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"lower": 0.0}, "lower bound of 'level'"),
        ({"upper": 0.0}, "upper bound of 'level'"),
        ({"lower": -1.0, "upper": 0.0}, "bounds of 'level'"),
    ],
)
def test_a_bound_is_named_by_its_variable(limits: Any, words: str) -> None:
    """A weakly active bound shows as the bound of that variable."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    x = model.add_variable("level", **limits)
    model.minimize(x * x)
    model.optimize()
    model.set(ot.ReverseVariablePrimal(), x, 1.0)
    with pytest.warns(ot.DifferentiationWarning) as told:
        model.reverse_differentiate()
    assert f"(constraint {words})" in str(told[0].message)


def test_rows_of_a_block_are_told_one_by_one() -> None:
    """Of a block of inequalities the rows at fault are named, of a cone the cone."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    x = model.add_variables(3, "x")
    c = model.add_constraint(np.eye(3) @ x <= [5.0, 1.0, 5.0], name="caps")
    model.minimize((x - 1) @ (x - 1))
    model.optimize()
    model.set(ot.ReverseVariablePrimal(), x, [1.0, 0.0, 0.0])
    with pytest.warns(ot.DifferentiationWarning) as told:
        model.reverse_differentiate()
    assert "(constraint row 1 of 'caps')" in str(told[0].message)
    np.testing.assert_array_equal(model.get(ot.ConstraintDegeneracy(), c), [0.0, 1.0, 0.0])


def test_finding_names_costs_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """No Python loop over constraints: a warning about 300 rows asks for the names of five."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    x = model.add_variables(301)
    for k in range(300):
        model.add_constraint(x[k] + x[k + 1] <= 2)
    model.minimize(x @ x - 2.0 * x.sum())
    model.optimize()
    model.set(ot.ReverseVariablePrimal(), x, np.ones(301))
    asked: list[Any] = []
    original = describing.described

    def noting(*pair: Any) -> str:
        asked.append(pair)
        return original(*pair)

    monkeypatch.setattr(describing, "described", noting)
    with pytest.warns(ot.DifferentiationWarning, match="and 295 more"):
        model.reverse_differentiate()
    assert len(asked) == 5


# ---------------------------------------------------------------------- errors
def _errors(model: Any, x: Any, c: Any, d: Any, bound: Any) -> dict[str, Any]:
    other = ot.Model()
    foreign = other.add_constraint(other.add_variable() + 0.0 <= 1, name="theirs")
    gone = model.add_constraint(2 * x <= 1)
    model.delete(gone)
    tangent, seed = ot.ForwardConstraintFunction(), ot.ReverseConstraintDual()
    return {
        "'budget' has": lambda: model.set(tangent, c, ot.vectorize([x, x])),
        "'budget' must be finite": lambda: model.set(seed, c, np.nan),
        "2 x + 3 x[1] in LessThan(7.0) must be finite": lambda: model.set(seed, d, np.inf),
        "lower bound of 'x' must be finite": lambda: model.set(seed, bound, np.nan),
        "'budget' is in a LessThan": lambda: model.set(ot.ConstraintSet(), c, ot.EqualTo(1.0)),
        "'budget' has a ScalarAffineFunction": lambda: model.set(ot.ConstraintFunction(), c, x * x),
        "lower bound of 'x' must": lambda: model.set(ot.ConstraintDualStart(), bound, np.nan),
        "'theirs' belongs to another model": lambda: (model.get(ot.ConstraintSet(), foreign), other),  # which must live
        "was deleted": lambda: model.get(ot.ConstraintSet(), gone),
        "'x' is already|x is in a GreaterThan already": lambda: model.add_constraint(x, ot.GreaterThan(2.0)),
        "budget": lambda: model.get(ot.VariablePrimal(), c),
        "price is not|'budget'|x is": lambda: model.set(ot.ForwardParameterValue(), x, 1.0),
    }


@pytest.mark.parametrize("number", range(12))
def test_errors_name_what_they_are_about(number: int) -> None:
    """No error shows an index by its number: constraints by name or text, bounds by their variable."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    x, y = model.add_variable("x", lower=0.0), model.add_variable()
    c, d = model.add_constraint(x + y <= 3, name="budget"), model.add_constraint(2 * x + 3 * y <= 7)
    bound = model.get(ot.ListOfConstraintIndices(ot.VariableIndex, ot.GreaterThan))[0]
    words, fail = list(_errors(model, x, c, d, bound).items())[number]
    with pytest.raises(ot.OptangentError) as raised:
        fail()
    assert any(part in str(raised.value) for part in words.split("|")), str(raised.value)
    assert not any(f", {k})" in str(raised.value) for k in range(9))


@pytest.mark.parametrize("set_type", [s for s in vars(ot).values() if isinstance(s, type) and issubclass(s, ot.Set)])
def test_articles(set_type: Any) -> None:
    """A set's name that begins with a vowel sound has "an" before it."""
    name = set_type.__name__
    assert naming.with_article(name) == f"{'an' if name[0] in 'AEIO' or name.startswith('SOS') else 'a'} {name}"


REFUSED: dict[str, Any] = {
    "'curved': .*not convex": lambda m, x, y, name: m.add_constraint(x * y <= 1, name=name),
    "'curved': .*equality": lambda m, x, y, name: m.add_constraint(x * x == 1, name=name),
    "'curved': .*not convex.*": lambda m, x, y, name: m.add_constraint(
        ot.vectorize([x * x, -1.0 * y * y]), ot.Nonpositives(2), name
    ),
    "'curved': SOS1.*bound": lambda m, x, y, name: m.add_constraint(ot.vectorize([x, y]), ot.SOS1([1.0, 2.0]), name),
    "'curved': Indicator": lambda m, x, y, name: m.add_constraint(
        ot.vectorize([y, 1.0 * x]), ot.Indicator(ot.LessThan(1.0)), name
    ),
}


@pytest.mark.parametrize("words", REFUSED)
@pytest.mark.parametrize("others", [0, 5])
def test_a_refused_constraint_is_named(words: str, others: int) -> None:
    """What no bridge takes is named, among others of its kind that are taken; without it the model is solved."""
    solver = ot.solvers.HiGHS if "SOS" in words or "Ind" in words else ot.solvers.Clarabel
    model = ot.Model(solver)
    x, y = model.add_variable("x"), model.add_variable("y", lower=0.0, upper=5.0)
    z = model.add_variables(2, lower=0.0, upper=1.0)
    for k in range(others):
        if "SOS" in words:
            model.add_constraint(z, ot.SOS1([1.0, 2.0]))
        elif "Ind" in words:
            model.add_constraint(ot.vectorize([z[0], 1.0 * y]), ot.Indicator(ot.LessThan(1.0)))
        elif "*" in words[-2:]:
            model.add_constraint(ot.vectorize([x * x - 1 - k, y * y - 9]), ot.Nonpositives(2))
        else:
            model.add_constraint(x * x + k * y <= 50)
        if k == others // 2:
            refused = REFUSED[words](model, x, y, "curved")
    if not others:
        refused = REFUSED[words](model, x, y, "curved")
    model.add_constraint(x >= -1)
    model.minimize(1.0 * x)
    for _ in range(2):
        with pytest.raises(ot.OptangentError, match=words):
            model.optimize()
    model.delete(refused)
    model.optimize()
    assert model.value(x) == pytest.approx(-1.0, abs=1e-6)
