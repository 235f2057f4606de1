"""Labels of pandas: data with them, variables with them, results with them; never a number for another label's."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import optangent as ot

pd = pytest.importorskip("pandas", reason='pandas is optional and not installed here: pip install "optangent[pandas]"')

CITIES, FOODS = pd.Index(["rome", "oslo", "bern"]), pd.Index(["rice", "oats"])
COST = pd.Series([3.0, 1.0, 2.0], index=CITIES)
MOVED = pd.Series([2.0, 3.0, 1.0], index=["bern", "rome", "oslo"])  # COST in another order
TABLE = pd.DataFrame([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], index=CITIES, columns=FOODS)
SHUFFLED = pd.DataFrame([[6.0, 5.0], [2.0, 1.0], [4.0, 3.0]], index=["bern", "rome", "oslo"], columns=["oats", "rice"])
OTHER = pd.Series([1.0, 2.0, 3.0], index=["rome", "oslo", "paris"])


def solved(*arrays: Any) -> tuple[Any, ...]:
    """A model and variables with labels, or without, that have these values."""
    model = ot.Model(ot.solvers.HiGHS)
    made = [model.add_variables(one if hasattr(one, "index") else one.shape, lower=one, upper=one) for one in arrays]
    model.optimize()
    return model, *made


def same(got: Any, want: Any) -> None:
    """Two Series or DataFrames with the same numbers for the same labels in the same order."""
    assert type(got) is type(want) and got.index.equals(want.index)
    assert got.ndim == 1 or got.columns.equals(want.columns)
    np.testing.assert_allclose(got.to_numpy(), want.to_numpy(), rtol=1e-12, atol=1e-12)


V, X = np.array([1.0, 2.0, 3.0]), np.array([[1.0, -1.0], [2.0, -2.0], [3.0, -3.0]])
EXPRESSIONS: dict[str, tuple[Callable[..., Any], Any]] = {
    "a Series times": (lambda v, x, c, t: c * v, COST.to_numpy() * V),
    "times a Series": (lambda v, x, c, t: v * c, COST.to_numpy() * V),
    "plus and minus": (lambda v, x, c, t: c + v - 2.0 * v - c, -V),
    "over a Series": (lambda v, x, c, t: v / c, V / COST.to_numpy()),
    "with numbers": (lambda v, x, c, t: 2.0 * v + np.arange(3.0), 2.0 * V + np.arange(3.0)),
    "with a function without labels": (lambda v, x, c, t: c * (v - v.without_labels()) + v, V),
    "a table": (lambda v, x, c, t: t * x, TABLE.to_numpy() * X),
    "a table from the right": (lambda v, x, c, t: x - t, X - TABLE.to_numpy()),
    "rows of a matrix": (lambda v, x, c, t: np.dot(t.T, v), TABLE.to_numpy().T @ V),
    "columns of a matrix": (lambda v, x, c, t: v @ t, V @ TABLE.to_numpy()),
    "a product of matrices": (lambda v, x, c, t: np.dot(t, x.T), TABLE.to_numpy() @ X.T),
    "from the right": (lambda v, x, c, t: x.T @ t, X.T @ TABLE.to_numpy()),
    "an inner product": (lambda v, x, c, t: v @ c, V @ COST.to_numpy()),
    "np.dot": (lambda v, x, c, t: np.dot(c, v), V @ COST.to_numpy()),
    "np.vdot": (lambda v, x, c, t: np.vdot(t, x), np.vdot(TABLE.to_numpy(), X)),
    "np.inner": (lambda v, x, c, t: np.inner(t.T, v), TABLE.to_numpy().T @ V),
    "a sum": (lambda v, x, c, t: (t * x).sum(), (TABLE.to_numpy() * X).sum()),
    "sums of rows": (lambda v, x, c, t: (t * x).sum(axis=1), (TABLE.to_numpy() * X).sum(1)),
    "a quadratic form": (lambda v, x, c, t: np.dot(t.T, v) @ np.dot(t.T, v), ((TABLE.to_numpy().T @ V) ** 2).sum()),
    "some rows": (lambda v, x, c, t: x[::2, 1], X[::2, 1]),
    "masked": (lambda v, x, c, t: v[np.array([True, False, True])] * 1.0, V[::2]),
    "transposed": (lambda v, x, c, t: x.T, X.T),
}
LABELS: dict[str, tuple[Any, ...]] = {
    "a table": (CITIES, FOODS),
    "a table from the right": (CITIES, FOODS),
    "rows of a matrix": (FOODS,),
    "np.inner": (FOODS,),
    "columns of a matrix": (FOODS,),
    "a product of matrices": (CITIES, CITIES),
    "from the right": (FOODS, FOODS),
    "sums of rows": (CITIES,),
    "some rows": (CITIES[::2],),
    "masked": (CITIES[::2],),
    "transposed": (FOODS, CITIES),
}
"""Those of what is not a number and does not have the labels of the cities alone."""


@pytest.mark.parametrize("what", EXPRESSIONS)
@pytest.mark.parametrize("order", ["same", "another"])
def test_numbers_go_to_their_labels(what: str, order: str) -> None:
    """Data in another order give the same values, which come with their labels."""
    model, v, x = solved(pd.Series(V, index=CITIES), pd.DataFrame(X, index=CITIES, columns=FOODS))
    f, want = EXPRESSIONS[what]
    got = model.value(f(v, x, COST, TABLE) if order == "same" else f(v, x, MOVED, SHUFFLED))
    if np.ndim(want) == 0:
        assert got == pytest.approx(want, rel=1e-12)
        return
    labels = LABELS.get(what, (CITIES,))
    if order == "another" and what == "a product of matrices":  # the rows are those of the table
        labels, want = (SHUFFLED.index, CITIES), want[[2, 0, 1]]
    if order == "another" and what in ("columns of a matrix", "from the right", "rows of a matrix", "np.inner"):
        labels, want = (*labels[:-1], SHUFFLED.columns), want[..., ::-1]
    same(got, pd.Series(want, labels[0]) if len(labels) == 1 else pd.DataFrame(want, *labels))


def test_what_has_no_labels_is_taken_as_it_stands() -> None:
    """Variables without labels, beside a Series, go by position, and the result has its labels."""
    model, v = solved(V)
    same(model.value(MOVED * v), pd.Series(MOVED.to_numpy() * V, index=MOVED.index))
    same(model.value(MOVED - v[0]), pd.Series(MOVED.to_numpy() - V[0], index=MOVED.index))
    both = (MOVED * v) + (COST * v)
    assert model.value(both).to_numpy().tolist() == (MOVED.to_numpy() * V + (COST.to_numpy() * V)[[2, 0, 1]]).tolist()
    same(model.value(TABLE * v[:, None]), pd.DataFrame(TABLE.to_numpy() * V[:, None], index=CITIES, columns=FOODS))


def test_variables_with_labels() -> None:
    """An Index, a Series, a DataFrame or lists of labels name the variables; bounds go to their labels."""
    model = ot.Model(ot.solvers.HiGHS)
    v = model.add_variables(CITIES, "v", lower=MOVED, upper=10.0)
    x = model.add_variables(index=CITIES, columns=["rice", "oats"], name="x", lower=0.0, upper=SHUFFLED)
    w = model.add_variables(TABLE, "w", lower=COST.to_numpy()[:, None], upper=20.0)
    u = model.add_variables(COST, lower=0.5, upper=4.0)
    assert (
        repr(v[1]) == "v[oslo]"
        and repr(x[2, 0]) == "x[bern,rice]"
        and model.variable_by_name("w[rome,oats]") == w[0, 1]
    )
    model.minimize(v.sum() - x.sum() + w.sum() - u.sum())
    model.optimize()
    same(model.value(v), COST)
    same(model.value(x), TABLE)
    same(model.value(u), pd.Series([4.0, 4.0, 4.0], index=CITIES))
    same(model.reduced_cost(x), pd.DataFrame(-np.ones((3, 2)), index=CITIES, columns=FOODS))
    assert x.loc["oslo", "oats"] == x[1, 1] and v.loc["bern"] == v[2]
    same(model.value(x.loc[["bern", "rome"], "rice"]), pd.Series([5.0, 1.0], index=["bern", "rome"]))
    same(model.value(v.loc["oslo":]), pd.Series([1.0, 2.0], index=["oslo", "bern"]))
    assert model.value(v.ravel()).tolist() == [3.0, 1.0, 2.0]
    model.set_lower(v, None)
    model.fix(v, MOVED)
    model.set_upper(u, pd.Series([1.0, 2.0, 3.0], index=["oslo", "rome", "bern"]))
    model.optimize()
    same(model.value(v), COST)
    same(model.value(u), pd.Series([2.0, 1.0, 3.0], index=CITIES))
    model.delete(x)
    assert model.get(ot.NumberOfVariables()) == 12


def test_constraints_with_labels() -> None:
    """Duals and values of constraints come with the labels of their rows, through copies and pickles, too."""
    model = ot.Model(ot.solvers.HiGHS)
    x = model.add_variables(TABLE, "x", lower=0.0)
    c = model.add_constraint(x.sum(axis=1) >= MOVED)
    d = model.add_constraint(x <= SHUFFLED)
    model.minimize(np.vdot(TABLE, x))
    model.optimize()
    values = np.array([[1.0, 2.0], [1.0, 0.0], [2.0, 0.0]])
    same(model.value(x), pd.DataFrame(values, index=CITIES, columns=FOODS))
    same(model.dual(c), pd.Series([2.0, 3.0, 5.0], index=CITIES))
    same(model.value(d), pd.DataFrame(values - TABLE.to_numpy(), index=CITIES, columns=FOODS))
    assert model.dual(d).to_numpy()[0].tolist() == [-1.0, 0.0]
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        same(twin.dual(c), model.dual(c))
    whole = ot.Model(ot.solvers.HiGHS)
    v = whole.add_variables(3, lower=0.0)
    e = whole.add_constraint(v >= MOVED)
    f = whole.add_constraint(COST - v[0] <= 5.0)
    whole.minimize(v.sum())
    whole.optimize()
    same(whole.dual(e), pd.Series([1.0, 1.0, 1.0], index=MOVED.index))
    assert whole.dual(f).index.equals(CITIES) and whole.value(e).index.equals(MOVED.index)


def test_infinite_bounds_go_to_their_labels() -> None:
    """An infinite number in a Series in another order bounds nothing where its label stands."""
    model = ot.Model(ot.solvers.HiGHS)
    v = model.add_variables(CITIES, lower=0.0, upper=9.0)
    c = model.add_constraint(v <= pd.Series([np.inf, 3.0, 1.0], index=["bern", "rome", "oslo"]))
    model.maximize(v.sum())
    model.optimize()
    same(model.value(v), pd.Series([3.0, 1.0, 9.0], index=CITIES))
    same(model.dual(c), pd.Series([-1.0, -1.0, 0.0], index=CITIES))


def test_parameters_with_labels() -> None:
    """Values and tangents of parameters with labels go to their labels."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    p = model.add_parameters(COST, "p")
    v = model.add_variables(CITIES, "v")
    c = model.add_constraint(v >= p)
    model.minimize((v * v).sum())
    model.set_parameter_value(p, pd.Series(2.0 * MOVED.to_numpy(), index=MOVED.index))
    same(model.parameter_value(p), pd.Series(2.0 * COST.to_numpy(), index=CITIES))
    model.optimize()
    np.testing.assert_allclose(model.value(v).to_numpy(), 2.0 * COST.to_numpy(), atol=1e-8)
    model.set(ot.ForwardParameterValue(), p, MOVED)
    model.forward_differentiate()
    np.testing.assert_allclose(model.get(ot.ForwardVariablePrimal(), v), COST.to_numpy(), atol=1e-8)
    model.empty_input_sensitivities()
    model.set(ot.ReverseConstraintDual(), c, MOVED)
    model.reverse_differentiate()
    np.testing.assert_allclose(model.get(ot.ReverseParameterValue(), p), 2.0 * COST.to_numpy(), atol=1e-7)
    assert repr(p[0]) == "p[rome]"


TWICE = pd.Series([1.0, 2.0, 3.0], index=["rome", "rome", "oslo"])


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda m, v, x: OTHER * v, ot.InvalidData, "only the first has 'bern' and only the second has 'paris'"),
        (lambda m, v, x: v + OTHER, ot.InvalidData, "reindex"),
        (lambda m, v, x: v <= OTHER, ot.InvalidData, "'paris'"),
        (lambda m, v, x: v @ OTHER, ot.InvalidData, "'paris'"),
        (lambda m, v, x: np.dot(SHUFFLED, v), ot.DimensionMismatch, "do not multiply"),
        (lambda m, v, x: x * SHUFFLED.T, ot.InvalidData, "'rice'"),
        (lambda m, v, x: x + v, ot.InvalidData, "different labels"),
        (
            lambda m, v, x: TWICE * m.add_variables(pd.Index(["oslo", "rome", "rome"])),
            ot.InvalidData,
            "stand there twice",
        ),
        (lambda m, v, x: SHUFFLED.T @ v, TypeError, "The @ of pandas"),
        (lambda m, v, x: COST @ v, TypeError, r"np.dot\(A, v\)"),
        (lambda m, v, x: np.outer(COST, v), TypeError, "numpy.outer goes by position"),
        (lambda m, v, x: np.concatenate([v, v]), TypeError, "without_labels"),
        (lambda m, v, x: np.tensordot(x, x), TypeError, "by position"),
        (lambda m, v, x: m.add_variables(CITIES, lower=OTHER), ot.InvalidData, "lower: .*'paris'"),
        (lambda m, v, x: m.add_variables(CITIES, index=CITIES), ot.InvalidData, "not both"),
        (lambda m, v, x: m.add_variables(3, index=CITIES), ot.InvalidData, "leave the shape out"),
        (lambda m, v, x: m.add_variables(columns=CITIES), ot.InvalidData, "need those of rows"),
        (lambda m, v, x: m.add_variables(index="rome"), ot.InvalidData, "Labels are a sequence"),
        (lambda m, v, x: m.add_variables(index=CITIES, columns=FOODS, symmetric=True), ot.DimensionMismatch, "square"),
        (
            lambda m, v, x: m.add_variables(index=CITIES, columns=CITIES[::-1], psd=True),
            ot.InvalidData,
            "the same labels in one order",
        ),
        (lambda m, v, x: m.set_upper(v, OTHER), ot.InvalidData, "set_upper: .*'paris'"),
        (lambda m, v, x: v.loc["paris"], ot.InvalidIndex, "no label 'paris'"),
        (lambda m, v, x: v.loc[["rome", "paris"]], ot.InvalidIndex, "'paris'"),
        (lambda m, v, x: (TWICE * v.without_labels()).loc[["rome"]], ot.InvalidIndex, "twice"),
        (lambda m, v, x: x.loc["rome", "rice", "oats"], ot.InvalidIndex, "2 axes"),
        (lambda m, v, x: v.without_labels().loc["rome"], ot.InvalidIndex, "no labels"),
        (lambda m, v, x: v * pd.Series(["a", "b", "c"], index=CITIES), ot.InvalidData, "real number"),
    ],
)
def test_labels_that_do_not_fit_are_refused(make: Callable[..., Any], error: Any, words: str) -> None:
    """Different labels, doubled ones, and what would go by position is refused in words; nothing is added."""
    model = ot.Model()
    v, x = model.add_variables(CITIES, "v"), model.add_variables(TABLE, "x")
    before = str(model)
    with pytest.raises(error, match=words):
        make(model, v, x)
    assert str(model) == before


def test_a_dual_of_a_semidefinite_matrix_with_labels() -> None:
    """Rows and columns of a symmetric matrix of variables have the same labels, and so has the dual."""
    model = ot.Model(ot.solvers.Clarabel)
    S = model.add_variables(index=FOODS, columns=FOODS, name="S", symmetric=True)
    c = model.add_constraint(S >> np.eye(2))
    model.minimize(np.trace(S))
    model.optimize()
    assert repr(S[1, 0]) == "S[rice,oats]" and model.dual(c).columns.equals(FOODS)
    np.testing.assert_allclose(model.dual(c).to_numpy(), np.eye(2), atol=1e-6)


def test_pandas_is_not_imported() -> None:
    """Models without labels do without pandas."""
    code = "import sys, optangent as ot; ot.Model().add_variables((2, 2)) * [1, 2]; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=120).returncode == 0
