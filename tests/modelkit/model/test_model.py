"""The user's model: names, bounds, parameters, sugar, values, words, copies."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import optangent as ot

Codes = ot.TerminationStatusCode
INF = np.inf


@pytest.fixture
def model() -> ot.Model:
    """A model that is solved by HiGHS."""
    return ot.Model(ot.solvers.HiGHS)


# ---------------------------------------------------------------------- making
@pytest.mark.parametrize("bad", [ot.solvers.HiGHS(), "HiGHS", [ot.solvers.HiGHS, 3]], ids=["object", "name", "list"])
def test_a_model_is_made_from_makers(bad: Any) -> None:
    """An object in place of a class is refused, with the way to give options."""
    with pytest.raises(ot.InvalidData, match="lambda"):
        ot.Model(bad)


def test_a_list_belongs_inside_diff_optimizer() -> None:
    """Several diff optimizers are no list of solvers."""
    one = ot.diff_optimizer(ot.solvers.HiGHS)
    with pytest.raises(ot.InvalidData, match="Give the list to diff_optimizer"):
        ot.Model([one, one])


def test_a_model_without_optimizer_keeps_and_does_not_solve() -> None:
    """Everything can be written down; solving and differentiating are refused in words."""
    model = ot.Model()
    x = model.add_variable("x")
    model.add_constraint(x * x <= 1)
    model.minimize(x)
    for call in (model.optimize, model.objective_value):
        with pytest.raises(ot.NotOptimized, match="no optimizer"):
            call()
    for call in (model.forward_differentiate, model.reverse_differentiate, model.empty_input_sensitivities):
        with pytest.raises(ot.DifferentiationError, match="diff_optimizer"):
            call()


# ---------------------------------------------------------------------- variables
@pytest.mark.parametrize(
    ("lower", "upper", "want"),
    [
        (None, None, []),
        (1, None, [ot.GreaterThan(1)]),
        (None, 2, [ot.LessThan(2)]),
        (1, 2, [ot.Interval(1, 2)]),
        (2, 2, [ot.EqualTo(2)]),
        (-INF, INF, []),
        (-INF, 2, [ot.LessThan(2)]),
        (1, INF, [ot.GreaterThan(1)]),
    ],
)
def test_bounds_of_a_variable(model: ot.Model, lower: Any, upper: Any, want: list[ot.Set]) -> None:
    """Bounds become the tightest kind of set; infinite ones are none."""
    x = model.add_variable("x", lower=lower, upper=upper, start=1.5)
    kinds = model.get(ot.ListOfConstraintTypesPresent())
    got = [model.get(ot.ConstraintSet(), i) for k in kinds for i in model.get(ot.ListOfConstraintIndices(*k))]
    assert got == want and model.get(ot.VariablePrimalStart(), x) == 1.5


def test_whole_variables(model: ot.Model) -> None:
    """Integer and binary variables, with bounds."""
    x, y = model.add_variable(integer=True, upper=2.5), model.add_variable(binary=True)
    model.maximize(x + 0.5 * y)
    model.optimize()
    assert (model.value(x), model.value(y)) == pytest.approx((2.0, 1.0), abs=1e-9)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"lower": np.nan}, ot.InvalidData, "not a number"),
        ({"lower": INF}, ot.InvalidData, "plus infinity"),
        ({"upper": -INF}, ot.InvalidData, "minus infinity"),
        ({"lower": 2, "upper": 1}, ot.InvalidData, "above the upper"),
        ({"lower": "a"}, ot.InvalidData, "'a'"),
        ({"lower": [1, 2]}, ot.DimensionMismatch, "one number"),
        ({"start": np.nan}, ot.InvalidData, "finite"),
        ({"start": 1j}, ot.InvalidData, "real number"),
        ({"name": 3}, ot.InvalidData, "A name is a string"),
        ({"integer": True, "binary": True}, ot.InvalidData, "whole number already"),
    ],
)
def test_a_refused_variable_is_not_added(model: ot.Model, arguments: Any, error: Any, words: str) -> None:
    """Bounds, starts and names are checked before the variable exists."""
    with pytest.raises(error, match=words):
        model.add_variable(**arguments)
    assert model.is_empty()


def test_a_variable_that_the_solver_cannot_take_is_not_added() -> None:
    """An integer variable for a solver of continuous models is refused as a whole."""
    model = ot.Model(ot.solvers.Clarabel)
    with pytest.raises(ot.UnsupportedConstraint, match="Integer"):
        model.add_variable(integer=True)
    assert model.is_empty()


def test_vectors_of_variables(model: ot.Model) -> None:
    """Bounds are numbers or arrays, infinite entries bound nothing, names are numbered."""
    v = model.add_variables(3, "v", lower=[0.0, -INF, 1.0], upper=2.0)
    w = model.add_variables(2, lower=1)
    u = model.add_variables(2, upper=[INF, 3.0])
    assert len(model.add_variables(0, lower=1.0)) == 0
    assert model.get(ot.VariableName(), v) == ["v[0]", "v[1]", "v[2]"] and model.variable_by_name("v[1]") == v[1]
    model.minimize(v.sum() + w.sum() - u[1] + u[0] * u[0])
    model.add_constraint(v[1] >= -5)
    model.optimize()
    np.testing.assert_allclose(model.value(v), [0.0, -5.0, 1.0], atol=1e-6)
    np.testing.assert_allclose(model.value(u), [0.0, 3.0], atol=1e-6)


@pytest.mark.parametrize(
    ("count", "arguments", "error", "words"),
    [
        (-1, {}, ot.InvalidData, "whole number of variables"),
        (2.5, {}, ot.InvalidData, "whole number of variables"),
        ((2, 2.5), {}, ot.InvalidData, "shape of whole numbers"),
        ((2, 3), {"lower": [1.0, 2.0]}, ot.DimensionMismatch, r"broadcasts to it; got shape \(2,\)"),
        ((2, 3), {"symmetric": True}, ot.DimensionMismatch, "is square"),
        ((2, 2), {"psd": True, "lower": [[0.0, 1.0], [2.0, 0.0]]}, ot.InvalidData, r"1.0 at \(0, 1\) and 2.0"),
        (2, {"integer": True, "binary": True}, ot.InvalidData, "one of integer and binary"),
        (2, {"lower": [1.0]}, ot.DimensionMismatch, r"2 numbers, got shape \(1,\)"),
        (2, {"lower": [np.nan, 1.0]}, ot.InvalidData, "not a number"),
        (2, {"lower": [0.0, 2.0], "upper": 1.0}, ot.InvalidData, r"\(row 1\): the lower bound lies above"),
        (2, {"upper": [1j, 1.0]}, ot.InvalidData, "real number"),
        (2, {"name": 5}, ot.InvalidData, "A name is a string"),
    ],
)
def test_refused_vectors_are_not_added(model: ot.Model, count: Any, arguments: Any, error: Any, words: str) -> None:
    """A vector of variables is added whole or not at all."""
    with pytest.raises(error, match=words):
        model.add_variables(count, **arguments)
    assert model.is_empty()


# ---------------------------------------------------------------------- parameters
def test_parameters(model: ot.Model) -> None:
    """Parameters hold their values, one by one and as vectors, and the solution follows them."""
    x = model.add_variable()
    p, q = model.add_parameter(2.0, "p"), model.add_parameters([1.0, 3.0], "q")
    model.add_constraint(x >= p + q[0])
    model.minimize(x)
    model.optimize()
    assert model.value(x) == pytest.approx(3.0, abs=1e-9) and model.parameter_value(p) == 2.0
    model.set_parameter_value(p, np.float32(5))
    model.set_parameter_value(q, [2.0, 4.0])
    model.optimize()
    assert model.value(x) == pytest.approx(7.0, abs=1e-9) and model.parameter_value(q).tolist() == [2.0, 4.0]
    assert model.variable_by_name("q[1]") == q[1]
    model.set_parameter_value(q, 0.0)
    for target, value, error, words in (
        (x, 1.0, ot.InvalidIndex, "a variable, not a parameter"),
        (q, [1.0, np.nan], ot.InvalidData, "finite value"),
        (q, [1.0], ot.DimensionMismatch, "2 numbers"),
        (p, "a", ot.InvalidData, "'a'"),
    ):
        with pytest.raises(error, match=words):
            model.set_parameter_value(target, value)
    assert model.parameter_value(p) == 5.0 and model.parameter_value(q).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("bad", [np.nan, INF, "a", 1j, None])
def test_refused_parameters(model: ot.Model, bad: Any) -> None:
    """A parameter has a finite real value; a refused one is not added."""
    with pytest.raises(ot.InvalidData):
        model.add_parameter(bad)
    with pytest.raises(ot.InvalidData):
        model.add_parameters([1.0, bad])
    with pytest.raises(ot.DimensionMismatch, match="takes an array"):
        model.add_parameters(2.0)
    assert model.is_empty()


# ---------------------------------------------------------------------- constraints, objective, values
def test_sugar(model: ot.Model) -> None:
    """A comparison moves its number to the set; a function given with its set is kept as written."""
    x = model.add_variable("x")
    moved = model.add_constraint(2 * x + 1 >= 4, name="moved")
    kept = model.add_constraint(2 * x + 1, ot.GreaterThan(4.0))
    assert model.get(ot.ConstraintSet(), moved) == ot.GreaterThan(3.0)
    assert model.get(ot.ConstraintFunction(), kept).constant == 1.0
    assert model.constraint_by_name("moved") == moved
    model.minimize(x)
    model.optimize()
    assert (model.value(moved), model.value(kept)) == pytest.approx((3.0, 4.0), abs=1e-9)


@pytest.mark.parametrize(
    ("add", "words"),
    [
        (lambda m, x: m.add_constraint(1 <= 2), "comparison of two plain numbers"),
        (lambda m, x: m.add_constraint(x == x), "identity"),
        (lambda m, x: m.add_constraint(x), "alone"),
        (lambda m, x: m.add_constraint(x >= 1, ot.LessThan(2.0)), "a constraint already"),
        (lambda m, x: m.add_constraint(2.0, ot.LessThan(2.0)), "Expected a function"),
        (lambda m, x: m.add_constraint(x, 2.0), "Expected a set"),
        (lambda m, x: m.add_constraint(1.0 * x, 2.0), "Expected a set"),
        (lambda m, x: m.add_constraint(1.0 * x, ot.Zeros(1)), "needs a vector function"),
        (lambda m, x: m.add_constraint(x >= 1, name=3), "A name is a string"),
        (lambda m, x: m.minimize("x"), "scalar function"),
        (lambda m, x: m.minimize(ot.vectorize([x])), "scalar function"),
        (lambda m, x: m.minimize(1j), "scalar function"),
        (lambda m, x: m.maximize(np.nan), "finite"),
    ],
)
def test_refused_sugar(model: ot.Model, add: Any, words: str) -> None:
    """What is no constraint or objective is refused with what was meant instead; nothing is added."""
    x = model.add_variable()
    before = str(model)
    with pytest.raises(ot.InvalidData, match=words):
        add(model, x)
    assert str(model) == before


def test_values(model: ot.Model) -> None:
    """Values of variables, vectors, functions of all types, constraints and lists."""
    v = model.add_variables(2, lower=[1.0, 2.0])
    c = model.add_constraint(3.0 * v + 1.0, ot.Nonnegatives(2))
    rows = model.add_constraints(2.0 * v, ot.GreaterThan(0.0))
    model.minimize(v.sum() + 10)
    model.optimize()
    assert (model.value(v[0] * v[1] + 1.0), model.value(v[0] + 5.0)) == pytest.approx((3.0, 6.0), abs=1e-9)
    for what, want in (
        (v, [1, 2]),
        (v * v, [1, 4]),
        ([v[1], v[0]], [2, 1]),
        (c, [4, 7]),
        (rows, [2, 4]),
        ([rows[1], rows[0]], [4, 2]),
        (0.0 * v + 2.0, [2, 2]),
    ):
        np.testing.assert_allclose(model.value(what), want, atol=1e-9)
    assert model.objective_value() == pytest.approx(13.0, abs=1e-9)
    assert type(model.value(v[0])) is float and type(model.dual(rows[0])) is float
    assert model.value(ot.ScalarAffineFunction((), (), 2.0)) == 2.0
    with pytest.raises(ot.InvalidIndex):
        model.value(ot.VariableIndex(3))


def test_values_on_a_ray(model: ot.Model) -> None:
    """With a certificate of unboundedness, values of functions are those of the ray, without constants."""
    x = model.add_variable("x", lower=0.0)
    model.maximize(2 * x + 100)
    model.set(ot.RawOptimizerAttribute("presolve"), "off")
    model.optimize()
    assert model.termination_status() is Codes.DUAL_INFEASIBLE
    if model.get(ot.PrimalStatus()) is ot.ResultStatusCode.INFEASIBILITY_CERTIFICATE:
        assert model.value(3 * x + 7.0) == pytest.approx(3 * model.value(x), rel=1e-12)


@pytest.mark.parametrize("number", [3, 3.5, np.float32(2), np.int64(-1), True])
def test_a_number_as_objective(model: ot.Model, number: Any) -> None:
    """A constant objective is allowed."""
    model.add_variable(lower=0.0)
    model.minimize(number)
    model.optimize()
    assert model.objective_value() == float(number)


# ---------------------------------------------------------------------- names and words
def test_lookup_by_name(model: ot.Model) -> None:
    """Names are looked up; missing and ambiguous ones are refused."""
    x = model.add_variable("x")
    c = model.add_constraint(x >= 1, name="c")
    assert model.variable_by_name("x") == x and model.constraint_by_name("c") == c
    model.add_variable("x")
    with pytest.raises(ot.InvalidIndex, match="2 variables are called 'x'"):
        model.variable_by_name("x")
    with pytest.raises(ot.InvalidIndex, match="No constraint of this model is called 'd'"):
        model.constraint_by_name("d")


def test_each_relation_reads_as_it_is_written() -> None:
    """Sides, boxes, signs of vectors, whole numbers and other sets; in LaTeX with its signs."""
    model = ot.Model()
    x, n = model.add_variable("x", lower=1.0, upper=2.5), model.add_variable("n", integer=True)
    b, p = model.add_variable("b", binary=True), model.add_parameter(4.0, "p")
    v = model.add_variables(2, "v")
    model.add_constraint(x + n == 3, name="sum")
    model.add_constraint(v + 1.0, ot.Nonpositives(2))
    model.add_constraint(v, ot.NormOneCone(2))
    lines = str(model).splitlines()[1:]
    assert set(lines) == {
        "  1 <= x <= 2.5",
        "  n is integer",
        "  b is binary",
        "  p == 4",
        "  sum: x + n == 3",
        "  [v[0] + 1, v[1] + 1] <= 0",
        "  [v[0], v[1]] in NormOneCone(2)",
    }
    latex = model._repr_latex_()
    for part in (r"1 \le x \le 2.5", r"n \in \mathbb{Z}", r"\in \text{NormOneCone(2)}", "= 3"):
        assert part in latex
    assert isinstance(b, ot.VariableIndex) and isinstance(p, ot.VariableIndex)


def test_words(model: ot.Model) -> None:
    """Text, LaTeX and a line of what there is, all with the names; long lists are cut and counted."""
    x, v = model.add_variable("x", lower=0.0), model.add_variables(2, "v_a")
    model.add_constraint(2 * x - v[1] <= 3, name="budget")
    model.maximize(x - v[0] * v[0])
    assert str(model).splitlines() == [
        "maximize -v_a[0]² + x",
        "  x >= 0",
        "  budget: 2 x - v_a[1] <= 3",
    ]
    assert model._repr_latex_() == (
        r"$$\begin{aligned}\max\ & -\mathrm{v\_a}_{0}^2 + x \\ & x \ge 0 \\ "
        r"& 2 \, x - \mathrm{v\_a}_{1} \le 3\end{aligned}$$"
    )
    assert repr(model) == (
        "Model(3 variables, 1 VariableIndex-in-GreaterThan, 1 ScalarAffineFunction-in-LessThan; OPTIMIZE_NOT_CALLED)"
    )
    model.add_constraints([1.0 * x] * 30, ot.LessThan(1.0))
    assert str(model).endswith("  ... (31 ScalarAffineFunction-in-LessThan in all)")
    latex = model._repr_latex_()
    assert latex.count("{") == latex.count("}") and r"\text{... (31 Scalar" in latex
    assert repr(ot.Model()) == "Model(0 variables, no constraints; OPTIMIZE_NOT_CALLED)"
    page = model._repr_html_()
    assert "<td style='text-align:left'>budget</td><td style='text-align:left'>2 x - v_a[1] &lt;= 3</td>" in page
    assert page.count("<tr>") == 1 + 1 + 20 + 1 and "31 ScalarAffineFunction-in-LessThan" in page
    assert str(ot.Model()) == "feasibility 0" and r"\text{find}" in ot.Model()._repr_latex_()


# ---------------------------------------------------------------------- copies
MAKERS: dict[str, Any] = {
    "none": None,
    "class": ot.solvers.HiGHS,
    "options": lambda: ot.solvers.HiGHS(presolve="off"),
    "list": [ot.solvers.Clarabel, ot.solvers.HiGHS],
    "diff": ot.diff_optimizer(ot.solvers.Clarabel),
    "diff of options": ot.diff_optimizer(lambda: ot.solvers.HiGHS(presolve="off")),
    "diff of a list": ot.diff_optimizer([ot.solvers.OSQP, ot.solvers.Clarabel]),
}
COPIES: dict[str, Any] = {
    "pickle": lambda pair: pickle.loads(pickle.dumps(pair)),
    "deepcopy": copy.deepcopy,
    "copy": lambda pair: (copy.copy(pair[0]), pair[1]),
}


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("way", COPIES)
def test_a_copy_is_equal_solvable_and_independent(maker: str, way: str) -> None:
    """Pickle and deepcopy carry the model, its options, indices and result; solvers' handles stay behind."""
    model = ot.Model(MAKERS[maker])
    v = model.add_variables(2, "v", lower=0.0)
    c = model.add_constraint(v[0] + v[1] >= 2, name="c")
    gone = model.add_constraint(v[0] >= 1)
    model.minimize(2 * v[0] + 3 * v[1] + v[0] * v[0])
    model.set(ot.VariablePrimalStart(), v[0], 1.0)
    model.set(ot.TimeLimitSec(), 50.0)
    model.delete(gone)
    if maker != "none":
        model.optimize()
    twin, (w, d) = COPIES[way]((model, (v, c)))
    assert str(twin) == str(model) and twin.termination_status() is model.termination_status()
    assert twin.is_valid(w[0]) and not twin.is_valid(gone) and twin.constraint_by_name("c") == d
    assert twin.get(ot.TimeLimitSec()) == 50.0 and twin.get(ot.VariablePrimalStart(), w[0]) == 1.0
    if "options" in maker:
        assert twin.get(ot.RawOptimizerAttribute("presolve")) == "off"
    before = str(model)
    twin.modify(d, ot.ScalarCoefficientChange(w[0], 4.0))
    twin.delete(w[1])
    twin.add_variable("new", lower=1.0, upper=1.0)
    assert str(model) == before
    if maker == "none":
        return
    twin.optimize()
    assert twin.value(w[0]) == pytest.approx(0.5, abs=1e-4)  # OSQP's own accuracy
    assert model.value(v[0]) == pytest.approx(0.5, abs=1e-4) and model.value(v[1]) == pytest.approx(1.5, abs=1e-4)
    if "diff" in maker:
        twin.set(ot.ReverseVariablePrimal(), w[0], 1.0)
        twin.reverse_differentiate()
        assert twin.get(ot.ReverseConstraintSet(), d).lower == pytest.approx(0.25, abs=1e-6)


@pytest.mark.parametrize("way", COPIES)
def test_a_copy_is_differentiated_in_the_same_way(way: str) -> None:
    """The settings of the meta-solver travel along, and are the copy's own."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    model.set(ot.ModelConstructor(), ot.ConicDiff)
    model.set(ot.LinearAlgebraSolver(), ot.IterativeKKT())
    model.set(ot.AllowInaccurateSolution(), True)
    twin, _ = COPIES[way]((model, None))
    assert twin.get(ot.ModelConstructor()) is ot.ConicDiff
    assert isinstance(twin.get(ot.LinearAlgebraSolver()), ot.IterativeKKT)
    twin.set(ot.AllowInaccurateSolution(), False)
    assert model.get(ot.AllowInaccurateSolution())


def test_models_made_after_unpickling_have_indices_of_their_own() -> None:
    """A model that arrives from another process does not share identifiers with those made here later."""
    model = ot.Model()
    model.store.base = (model.store.base >> 32) + 1000 << 32
    twin = pickle.loads(pickle.dumps(model))
    x = twin.add_variable()
    for _ in range(3):
        other = ot.Model()
        other.add_variable()
        assert not other.is_valid(x)


def test_functions_sets_and_indices_pickle() -> None:
    """The values that one builds models of travel by themselves."""
    v = ot.VectorOfVariables([ot.VariableIndex(0), ot.VariableIndex(1)])
    values = [v[0], 2.0 * v[0] + 1.0, v[0] * v[1], v, 1.0 * v, v * v, v[0] >= 1, ot.HyperRectangle([0.0], [1.0])]
    values += [ot.ConstraintIndex((ot.VariableIndex, ot.LessThan), 1), ot.RawOptimizerAttribute("a")]
    for value in values:
        for twin in (pickle.loads(pickle.dumps(value)), copy.deepcopy(value)):
            assert type(twin) is type(value) and repr(twin) == repr(value)


@pytest.mark.parametrize("manual", [False, True], ids=["automatic", "manual"])
def test_refused_variables_in_a_set_leave_none(manual: bool) -> None:
    """A set that the solver does not take, or no set of vectors, adds no variables."""
    mode = ot.CachingOptimizerMode.MANUAL if manual else ot.CachingOptimizerMode.AUTOMATIC
    cache = ot.MetaSolver(ot.solvers.HiGHS(), mode=mode)
    x = cache.add_variable()
    cache.set(ot.ObjectiveFunction(), x * x)
    cache.attach_optimizer()
    for bad, error in (
        (ot.PositiveSemidefiniteConeTriangle(3), ot.UnsupportedConstraint),
        (ot.LessThan(1.0), ot.InvalidData),
        (ot.Nonnegatives(10**15), ot.InvalidData),
        (ot.HyperRectangle([1.0], [0.0]), ot.InvalidData),
    ):
        with pytest.raises(error):
            cache.add_constrained_variables(bad)  # type: ignore[arg-type]
    assert cache.get(ot.NumberOfVariables()) == 1
    v, _ = cache.add_constrained_variables(ot.Nonnegatives(2))
    cache.optimize()
    assert cache.get(ot.NumberOfVariables()) == 3 and cache.get(ot.VariablePrimal(), v).min() >= -1e-9


def test_variables_with_refused_bounds_or_names_leave_nothing() -> None:
    """Where the bounds of new variables find no memory, neither they nor their names are there."""
    model = ot.Model(ot.solvers.HiGHS)
    x = model.add_variable("x", lower=1.0)
    add_block = ot.Store.add_block

    def fail(self: ot.Store, block: Any) -> Any:
        raise MemoryError

    for add in (lambda: model.add_variables(3, "v", lower=0.0), lambda: model.add_parameters(np.ones((2, 2)), "p")):
        ot.Store.add_block = fail  # type: ignore[method-assign]
        try:
            with pytest.raises(MemoryError):
                add()
        finally:
            ot.Store.add_block = add_block  # type: ignore[method-assign]
        assert model.get(ot.NumberOfVariables()) == 1
        with pytest.raises(ot.InvalidIndex):
            model.variable_by_name("v[0]")
    v = model.add_variables(2, "v", lower=2.0)
    model.minimize(x + v.sum())
    model.optimize()
    assert model.objective_value() == pytest.approx(5.0) and model.variable_by_name("v[1]") == v[1]
