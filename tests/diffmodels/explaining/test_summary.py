"""Summaries, explanations of constraints, and comparisons of solvers, of each kind of model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.diffmodels.explaining.summary import class_of


def linear() -> ot.Model:
    """A linear program with names that HTML and tables must take."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    x, y = model.add_variable("x<1>", lower=0.0), model.add_variable("y & z", lower=0.0)
    model.add_constraint(x + 2 * y <= 4, name="limit")
    model.maximize(3 * x + 2 * y)
    return model


def quadratic() -> ot.Model:
    """With a parameter."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    x, p = model.add_variables(2, name="x"), model.add_parameter(1.0, "p")
    model.add_constraint(x[0] + x[1] >= p)
    model.minimize(x @ x)
    return model


def conic() -> ot.Model:
    """A second-order cone and a bridged norm."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    x = model.add_variables(3, name="x")
    model.add_constraint(x, ot.SecondOrderCone(3), name="cone")
    model.add_constraint(np.concatenate([[4.0 + 0 * x[0]], x]), ot.NormOneCone(4), name="norm")
    model.add_constraint(x[1] >= 1)
    model.minimize(x[0] + 0.5 * x[2])
    return model


def mixed() -> ot.Model:
    """Whole numbers."""
    model = ot.Model(ot.solvers.HiGHS)
    n = model.add_variable("n", lower=0.5, integer=True)
    model.minimize(1 * n)
    return model


def curved() -> ot.Model:
    """A quadratic row."""
    model = ot.Model(ot.solvers.Clarabel)
    x = model.add_variable("x")
    model.add_constraint(x * x <= 2)
    model.minimize(1 * x)
    return model


MODELS = {
    "linear program": linear,
    "quadratic program": quadratic,
    "conic program": conic,
    "mixed-integer linear program": mixed,
    "quadratically constrained program": curved,
}


@pytest.mark.parametrize("word", MODELS)
def test_summary(word: str) -> None:
    """Class, sizes, status, objective, solver and residuals, before and after a solve; as text, HTML and a table."""
    model = MODELS[word]()
    assert class_of(model.store) == word
    before = model.summary()
    assert before["class"] == word and before["status"].startswith("OPTIMIZE_NOT_CALLED")
    assert "residuals" not in dict(before.facts)
    model.optimize()
    after = model.summary()
    assert after["status"].startswith("OPTIMAL") and after["solver"] in ("HiGHS", "Clarabel")
    assert float(after["objective"]) == pytest.approx(model.objective_value())
    assert "primal" in after["residuals"]
    assert all(line in str(after) for line in ("class", word, "constraints"))
    assert after.to_frame().loc["class", "value"] == word
    page = after._repr_html_()
    assert page.count("<tr>") == len(after.facts) and "<1>" not in page


def test_parameters_are_counted_apart() -> None:
    """They are no variables of the program."""
    found = quadratic().summary()
    assert (found["parameters"], found["variables"]) == ("1", "2")


def test_an_infeasible_model_has_a_summary() -> None:
    """Its status, and no objective."""
    model = linear()
    model.add_constraint(model.variable_by_name("x<1>") >= 9)
    model.optimize()
    found = model.summary()
    assert found["status"].startswith("INFEASIBLE") and "objective" not in dict(found.facts)


def test_explain_tells_the_way_there_and_back() -> None:
    """A cone that stays, a norm that is bridged, with a solution and without."""
    model = conic()
    norm, cone = model.constraint_by_name("norm"), model.constraint_by_name("cone")
    without = model.explain(norm)
    assert without.title == "norm" and "the derivative" not in dict(without.facts)
    assert "by NormOneToLinear" in without["to Clarabel"] and "extra variables" in without["size"]
    model.optimize()
    assert "Aᵀ" in model.explain(norm)["the derivative"]
    assert "as it is" in model.explain(cone)["the derivative"]
    assert model.explain(cone)["says"] == "[x[0], x[1], x[2]] in SecondOrderCone(3)"
    with pytest.raises(ot.InvalidIndex):
        model.explain("norm")  # type: ignore[arg-type]
    lonely = ot.Model()
    c = lonely.add_constraint(1 * lonely.add_variable() <= 1)
    with pytest.raises(ot.NotOptimized, match="optimizer"):
        lonely.explain(c)


@pytest.mark.parametrize("make", [quadratic, conic])
def test_solvers_agree(make: Any) -> None:
    """Those that take the model solve it, and their derivatives are the same; the others say why not."""
    model = make()
    table = model.compare_solvers()
    assert {"HiGHS", "Clarabel", "SCS", "OSQP"} <= set(table.index)
    solved = table[table["status"] == "OPTIMAL"]
    assert len(solved) >= 2 and (solved["derivative"] == "EXACT").all()
    assert (solved["derivative_difference"] <= 1e-9).all()
    np.testing.assert_allclose(solved["objective"], solved["objective"].iloc[0], rtol=1e-4)
    assert (solved[["primal", "dual", "gap"]] <= 1e-5).all(axis=None)
    other = table[~table["status"].isin(["OPTIMAL", "ALMOST_OPTIMAL", "not installed"])]
    assert (other["status"] == "not taken").all() and other["why"].str.len().min() > 20 if len(other) else True
    assert model.termination_status() is ot.TerminationStatusCode.OPTIMIZE_NOT_CALLED


def test_solvers_that_are_missing_or_fail() -> None:
    """One that cannot be imported is a row, not an error; an infeasible model has no derivative."""

    def missing() -> Any:
        raise ot.MissingDependency("install it")

    missing.name = "Absent"  # type: ignore[attr-defined]
    model = linear()
    table = model.compare_solvers([missing, ot.solvers.HiGHS])
    assert table.loc["Absent", "status"] == "not installed" and table.loc["Absent", "why"] == "install it"
    model.add_constraint(model.variable_by_name("x<1>") >= 9)
    table = model.compare_solvers([ot.solvers.HiGHS, ot.solvers.Clarabel])
    assert table["status"].tolist() == ["INFEASIBLE", "INFEASIBLE"] and (table["derivative"] == "").all()


def test_print_has_a_line_for_each_constraint() -> None:
    """Vectors stand on one."""
    assert "  cone: [x[0], x[1], x[2]] in SecondOrderCone(3)" in str(conic()).splitlines()
