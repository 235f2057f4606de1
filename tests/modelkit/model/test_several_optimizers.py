"""The cache in front of several optimizers, and options that outlive them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import optangent as ot

from ...fake_solver import PLAIN
from .test_caching import Built, assert_in_step, assert_same_model

Codes = ot.TerminationStatusCode


# ---------------------------------------------------------------------- several optimizers, options
def test_options_go_to_every_optimizer(fake: Any) -> None:
    """Common options are kept for optimizers that come later; raw ones are not carried over."""
    first, second, third = fake(), fake(), fake()
    cache = ot.MetaSolver(first, second)
    cache.set(ot.TimeLimitSec(), 3.0)
    cache.set(ot.RawOptimizerAttribute("raw"), 1)
    assert [o.common[ot.TimeLimitSec] for o in (first, second)] == [3.0, 3.0]
    assert second.options == {"raw": 1} and cache.get(ot.TimeLimitSec()) == 3.0
    with pytest.raises(ot.UnsupportedAttribute):
        cache.set(ot.SolverName(), "x")
    cache.reset_optimizer(third)
    assert third.common == {ot.TimeLimitSec: 3.0} and not third.options
    assert cache.supports(ot.RawOptimizerAttribute("raw")) and not cache.supports(ot.RawOptimizerAttribute("no"))
    assert cache.supports(ot.VariableName()) and not cache.supports(ot.VariablePrimal())


@pytest.mark.parametrize(
    ("failing", "words"),
    [
        ({"status": Codes.NUMERICAL_ERROR}, "NUMERICAL_ERROR"),
        ({"error": ot.NotAllowed("out of order")}, "out of order"),
        ({"x": [9.0, 9.0, 9.0]}, "ALMOST_OPTIMAL"),
        ({"x": [np.nan] * 3}, "OTHER_ERROR"),
    ],
)
def test_falling_back(fake: Any, failing: Any, words: str) -> None:
    """Where the first fails, by its own word or by ours, the second is tried, and a warning names both."""
    m = Built(fake(name="First", **failing), fake(name="Second"))
    with pytest.warns(ot.SolverFallbackWarning, match=rf"First failed \({words}.*\); trying Second\."):
        m.cache.optimize()
    assert m.status() is Codes.OPTIMAL and m.cache.get(ot.SolverName()) == "Second"
    m.cache.optimize()  # solved: nobody is asked again


def test_the_last_word_stands(fake: Any) -> None:
    """When all fail, the last one's status, or its error, is the answer."""
    m = Built(fake(name="A", status=Codes.TIME_LIMIT), fake(name="B", status=Codes.ITERATION_LIMIT))
    with pytest.warns(ot.SolverFallbackWarning, match="A failed"):
        m.cache.optimize()
    assert m.status() is Codes.ITERATION_LIMIT
    m = Built(fake(name="A", status=Codes.TIME_LIMIT), fake(name="B", error=ot.NotAllowed("broken")))
    with pytest.warns(ot.SolverFallbackWarning, match="A failed"), pytest.raises(ot.NotAllowed, match="broken"):
        m.cache.optimize()


def test_bad_data_are_nobodys_failure(fake: Any) -> None:
    """A nonconvex objective is the model's fault: it is raised, not passed to the next optimizer."""
    m = Built(fake(error=ot.NonconvexObjective("concave")), fake())
    with pytest.raises(ot.NonconvexObjective):
        m.cache.optimize()


def test_only_the_able_are_asked(fake: Any) -> None:
    """A solver that lacks a kind is passed over in silence, and asked again when the kind is gone."""
    able = fake(name="Able")
    some = fake(name="Some", abilities=PLAIN)
    cache = ot.MetaSolver(some, able)
    x = cache.add_variable()
    cache.add_constraint(1.0 * x, ot.LessThan(1.0))
    cache.optimize()
    assert cache.get(ot.SolverName()) == "Some"
    c = cache.add_constraint(x, ot.Integer())
    assert cache.supports_constraint(*c.kind) and not ot.MetaSolver(some).supports_constraint(*c.kind)
    cache.optimize()
    assert cache.get(ot.SolverName()) == "Able" and cache.get(ot.TerminationStatus()) is Codes.OPTIMAL
    cache.delete(c)
    cache.optimize()
    assert cache.get(ot.SolverName()) == "Some"
    assert some.calls == ["load", "run", "run"] and able.calls == ["load", "run"]  # nothing is left of the addition
    assert_in_step(cache, some)


def test_what_nobody_takes_is_refused_at_once(fake: Any) -> None:
    """A kind or objective that no optimizer takes is refused when it is added, and not kept."""
    cache = ot.MetaSolver(fake(abilities=replace(PLAIN, quadratic_objective=False), name="Poor"))
    x = cache.add_variable()
    with pytest.raises(ot.UnsupportedConstraint, match=r"VariableIndex-in-Integer .* Poor"):
        cache.add_constraint(x, ot.Integer())
    with pytest.raises(ot.UnsupportedConstraint, match="Poor"):
        cache.add_constraints([x], ot.ZeroOne())
    with pytest.raises(ot.UnsupportedConstraint, match="Poor"):
        cache.add_constrained_variable(ot.Integer())
    with pytest.raises(ot.UnsupportedConstraint, match="Poor"):
        cache.add_constrained_variables(ot.SecondOrderCone(2))
    with pytest.raises(ot.UnsupportedObjective, match="Poor takes no ScalarQuadraticFunction"):
        cache.set(ot.ObjectiveFunction(), x * x)
    assert not cache.supports_objective(ot.ScalarQuadraticFunction)
    assert cache.get(ot.ListOfConstraintTypesPresent()) == [] and cache.get(ot.NumberOfVariables()) == 1


def test_solvers_that_share_a_form_are_told_all_of_it(fake: Any) -> None:
    """Changes that reached the form while another one solved, or was differentiated, are told at the next turn."""
    first, second = fake(name="First", status=Codes.TIME_LIMIT), fake(name="Second", duals=None)
    m = Built(first, second)
    with pytest.warns(ot.SolverFallbackWarning):
        m.cache.optimize()
    assert first.calls == second.calls == ["load", "run"]
    first.status = Codes.OPTIMAL
    m.cache.set(ot.ConstraintSet(), m.row, ot.LessThan(6.0))
    m.cache.optimize()
    m.cache.set(ot.ConstraintSet(), m.row, ot.LessThan(7.0))
    m.cache.add_constraint(1.0 * m.v[0], ot.LessThan(8.0))
    first.status = Codes.TIME_LIMIT
    with pytest.warns(ot.SolverFallbackWarning):
        m.cache.optimize()
    assert first.calls == ["load", *["run", "update"] * 2, "run"] and second.calls == ["load", "run", "update", "run"]
    assert_in_step(m.cache, second)


def test_copying_a_cache(fake: Any) -> None:
    """A cache copies its model, not its optimizer."""
    m = Built(fake())
    copy = ot.Store()
    index_map = m.cache.copy_to(copy)
    assert_same_model(m.cache.store, copy)
    assert m.cache.is_valid(m.row) and copy.is_valid(index_map(m.row))
