"""The cache: three states, two modes, refusals, several optimizers, and results that are never stale."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import optangent as ot

State, Mode = ot.CachingOptimizerState, ot.CachingOptimizerMode
Codes = ot.TerminationStatusCode
LESS = (ot.ScalarAffineFunction, ot.LessThan)


class Built:
    """A cache with a small model whose solution is x = 0, in front of fakes."""

    def __init__(self, *optimizers: Any, mode: Mode = Mode.AUTOMATIC) -> None:
        self.cache = ot.CachingOptimizer(*optimizers, mode=mode)
        self.v = self.cache.add_variables(3)
        self.low = self.cache.add_constraint(self.v[0], ot.GreaterThan(-1.0))
        self.row = self.cache.add_constraint(2.0 * self.v[0] + self.v[1], ot.LessThan(5.0))
        self.quadratic = self.cache.add_constraint(self.v[0] * self.v[0] + self.v[1], ot.LessThan(5.0))
        self.vector = self.cache.add_constraint(1.0 * self.v + 1.0, ot.Nonnegatives(3))
        self.parameter = self.cache.add_constraint(self.v[2], ot.Parameter(0.0))
        self.cache.set(ot.ObjectiveFunction(), 0.0 * self.v[0] + 4.0)

    def status(self) -> Codes:
        """The present termination status."""
        status: Codes = self.cache.get(ot.TerminationStatus())
        return status


CHANGES: dict[str, Callable[[Built], Any]] = {
    "add variable": lambda m: m.cache.add_variable(),
    "add variables": lambda m: m.cache.add_variables(2),
    "add constraint": lambda m: m.cache.add_constraint(1.0 * m.v[1], ot.LessThan(3.0)),
    "add constraint of a new kind": lambda m: m.cache.add_constraint(m.v, ot.Reals(3)),
    "add constraints": lambda m: m.cache.add_constraints(1.0 * m.v, ot.LessThan(3.0)),
    "delete constraint": lambda m: m.cache.delete(m.row),
    "delete bound": lambda m: m.cache.delete(m.low),
    "delete variable": lambda m: m.cache.delete(m.v[1]),
    "delete many": lambda m: m.cache.delete([m.v[1], m.row]),
    "modify coefficient": lambda m: m.cache.modify(m.row, ot.ScalarCoefficientChange(m.v[1], 7.0)),
    "modify constant": lambda m: m.cache.modify(m.row, ot.ScalarConstantChange(1.0)),
    "modify rows": lambda m: m.cache.modify(m.vector, ot.MultirowChange(m.v[0], [(1, 3.0)])),
    "modify constants": lambda m: m.cache.modify(m.vector, ot.VectorConstantChange(np.full(3, 2.0))),
    "modify quadratic": lambda m: m.cache.modify(m.quadratic, ot.ScalarQuadraticCoefficientChange(m.v[0], m.v[1], 2.0)),
    "modify objective": lambda m: m.cache.modify(ot.ObjectiveFunction(), ot.ScalarConstantChange(2.0)),
    "set function": lambda m: m.cache.set(ot.ConstraintFunction(), m.row, 1.0 * m.v[1]),
    "set set": lambda m: m.cache.set(ot.ConstraintSet(), m.row, ot.LessThan(6.0)),
    "set bound": lambda m: m.cache.set(ot.ConstraintSet(), m.low, ot.GreaterThan(-2.0)),
    "set many": lambda m: m.cache.set(ot.ConstraintSet(), [m.row], [ot.LessThan(6.0)]),
    "set parameter": lambda m: m.cache.set(ot.ConstraintSet(), m.parameter, ot.Parameter(0.0)),
    "set objective": lambda m: m.cache.set(ot.ObjectiveFunction(), 0.0 * m.v[1]),
    "set sense": lambda m: m.cache.set(ot.ObjectiveSense(), ot.ObjectiveSenseCode.MAX_SENSE),
    "set option": lambda m: m.cache.set(ot.TimeLimitSec(), 5.0),
}
"""One change of each kind that keeps x = 0 optimal."""


def assert_same_model(a: ot.Store, b: ot.Store) -> None:
    """Two stores hold the same model, up to the numbers of their indices."""
    fresh = ot.Store()
    a.copy_to(fresh)
    again = ot.Store()
    b.copy_to(again)
    assert describe(fresh) == describe(again)


def describe(store: ot.Store) -> list[str]:
    """A store in words, kind by kind."""
    lines = [str(store.get(ot.NumberOfVariables())), str(store.get(ot.ObjectiveSense()))]
    lines.append(words(store.get(ot.ObjectiveFunction())))
    for kind in sorted(store.kinds(), key=str):
        for index in store.get(ot.ListOfConstraintIndices(*kind)):
            function, chosen = store.get(ot.ConstraintFunction(), index), store.get(ot.ConstraintSet(), index)
            lines.append(f"{words(function)} in {chosen!r}")
    return lines


def words(f: Any) -> str:
    """A function in words, terms sorted and merged."""
    return repr(type(f).from_rows(f.rows.canonical()))


# ---------------------------------------------------------------------- states
def test_states(fake: Any) -> None:
    """No optimizer, empty, attached, and the ways between them."""
    m = Built()
    cache = m.cache
    assert cache.state is State.NO_OPTIMIZER and m.status() is Codes.OPTIMIZE_NOT_CALLED
    assert cache.get(ot.PrimalStatus()) is ot.ResultStatusCode.NO_SOLUTION
    assert cache.get(ot.RawStatusString()) == "optimize not called"
    for call in (cache.optimize, cache.attach_optimizer, lambda: cache.get(ot.ObjectiveValue())):
        with pytest.raises(ot.NotOptimized, match="no optimizer"):
            call()
    with pytest.raises(ot.NotOptimized, match="attached"):
        cache.index_map  # noqa: B018
    optimizer = fake()
    cache.reset_optimizer(optimizer)
    assert cache.state is State.EMPTY_OPTIMIZER and optimizer.is_empty()
    cache.attach_optimizer()
    assert cache.state is State.ATTACHED_OPTIMIZER
    assert_same_model(cache.store, optimizer.store)
    cache.reset_optimizer()
    assert cache.state is State.EMPTY_OPTIMIZER and optimizer.is_empty()
    cache.optimize()
    assert cache.state is State.ATTACHED_OPTIMIZER and m.status() is Codes.OPTIMAL
    cache.empty()
    assert cache.state is State.EMPTY_OPTIMIZER and optimizer.is_empty() and cache.is_empty()
    cache.drop_optimizer()
    assert cache.state is State.NO_OPTIMIZER


def test_a_failed_attachment_leaves_the_cache_usable(fake: Any) -> None:
    """An optimizer that lacks a kind is not attached; another one can take its place."""
    m = Built()
    m.cache.reset_optimizer(fake(kinds=(LESS,), name="Poor"))
    with pytest.raises(ot.UnsupportedConstraint, match=r"not supported by Poor\. Rewrite"):
        m.cache.attach_optimizer()
    assert m.cache.state is State.EMPTY_OPTIMIZER
    with pytest.raises(ot.UnsupportedConstraint):
        m.cache.optimize()
    m.cache.reset_optimizer(fake())
    m.cache.optimize()
    assert m.status() is Codes.OPTIMAL


# ---------------------------------------------------------------------- changes
@pytest.mark.parametrize("change", CHANGES)
def test_a_result_is_never_stale(fake: Any, change: str) -> None:
    """After each kind of change there is no result, even from an optimizer that forgets to drop its own."""
    m = Built(fake())
    m.cache.optimize()
    assert m.status() is Codes.OPTIMAL and m.cache.get(ot.VariablePrimal(), m.v[0]) == 0.0 and m.cache.is_solved
    CHANGES[change](m)
    assert m.status() is Codes.OPTIMIZE_NOT_CALLED and not m.cache.is_solved
    with pytest.raises(ot.NotOptimized, match=r"last changed\. Call optimize"):
        m.cache.get(ot.VariablePrimal(), m.v[0])
    m.cache.optimize()
    assert m.status() is Codes.OPTIMAL and m.cache.get(ot.VariablePrimal(), m.v[0]) == 0.0


REFUSALS = (
    "modify",
    "delete",
    "add_block",
    "add_variables",
    ot.ConstraintFunction,
    ot.ConstraintSet,
    ot.ObjectiveFunction,
    ot.ObjectiveSense,
)


@pytest.mark.parametrize("refuse", [False, True], ids=["accepted", "refused"])
@pytest.mark.parametrize("change", CHANGES)
def test_changes_reach_the_optimizer_or_cost_a_fresh_copy(fake: Any, change: str, refuse: bool) -> None:
    """In automatic mode the optimizer ends with the same model, whether it takes the change or not."""
    optimizer = fake()
    m = Built(optimizer)
    m.cache.optimize()
    optimizer.calls.clear()
    optimizer.refuses = REFUSALS if refuse else ()
    CHANGES[change](m)
    pending = change.startswith("add") or change == "set option"
    assert (m.cache.state is State.ATTACHED_OPTIMIZER) == (pending or not refuse)
    if not refuse:
        m.cache.optimize()
        assert "empty" not in optimizer.calls
    optimizer.refuses = ()
    m.cache.optimize()
    assert_same_model(m.cache.store, optimizer.store)


@pytest.mark.parametrize("change", ["add variable", "add constraint", "add constraints"])
def test_additions_that_are_refused_in_bulk(fake: Any, change: str) -> None:
    """Additions wait for optimize; where the optimizer refuses them then, it is filled anew."""
    optimizer = fake()
    m = Built(optimizer)
    m.cache.optimize()
    CHANGES[change](m)
    optimizer.calls.clear()
    refused = iter([True])
    original = optimizer._called

    def once(what: Any) -> None:
        original(what)
        if what in ("add_block", "add_variables") and next(refused, False):
            raise ot.UnsupportedModification("not now")

    optimizer._called = once
    m.cache.optimize()
    assert optimizer.calls.count("empty") == 1 and m.status() is Codes.OPTIMAL
    assert_same_model(m.cache.store, optimizer.store)


@pytest.mark.parametrize("change", CHANGES)
def test_manual_mode_raises_and_changes_nothing(fake: Any, change: str) -> None:
    """In manual mode a refusal is raised, and the cache still holds what the optimizer holds."""
    optimizer = fake()
    m = Built(optimizer, mode=Mode.MANUAL)
    with pytest.raises(ot.NotOptimized, match="attach_optimizer"):
        m.cache.optimize()
    m.cache.attach_optimizer()
    m.cache.optimize()
    before = describe(m.cache.store)
    optimizer.refuses = (*REFUSALS, ot.TimeLimitSec)
    with pytest.raises(ot.UnsupportedModification):
        CHANGES[change](m)
    assert describe(m.cache.store) == before and m.cache.state is State.ATTACHED_OPTIMIZER
    optimizer.refuses = ()
    CHANGES[change](m)
    m.cache.optimize()
    assert m.status() is Codes.OPTIMAL
    assert_same_model(m.cache.store, optimizer.store)


def test_an_unexpected_error_leaves_no_half_copy(fake: Any) -> None:
    """An optimizer that breaks during a change is filled anew before it is used again."""
    optimizer = fake()
    m = Built(optimizer)
    m.cache.optimize()
    x = m.cache.add_variable()
    optimizer.refuses = ()
    original, optimizer.add_block = optimizer.add_block, lambda block: 1 / 0
    m.cache.add_constraint(1.0 * x, ot.LessThan(1.0))
    with pytest.raises(ZeroDivisionError):
        m.cache.optimize()
    assert m.cache.state is State.EMPTY_OPTIMIZER and m.status() is Codes.OPTIMIZE_NOT_CALLED
    optimizer.add_block = original
    m.cache.optimize()
    assert_same_model(m.cache.store, optimizer.store)


def test_what_the_store_refuses_does_not_touch_the_optimizer(fake: Any) -> None:
    """Bad data are refused before the optimizer hears of them; the result stays."""
    optimizer = fake()
    m = Built(optimizer)
    m.cache.optimize()
    optimizer.calls.clear()
    calls: list[Callable[[], Any]] = [
        lambda: m.cache.add_constraint(np.nan * m.v[0], ot.LessThan(1.0)),
        lambda: m.cache.add_constraint(m.v[0], 3.0),  # type: ignore[arg-type]
        lambda: m.cache.add_constraint(3.0, ot.LessThan(3.0)),  # type: ignore[arg-type]
        lambda: m.cache.modify(m.row, ot.ScalarConstantChange(np.inf)),
        lambda: m.cache.set(ot.ConstraintSet(), m.row, ot.LessThan(np.nan)),
        lambda: m.cache.set(ot.ObjectiveFunction(), np.nan * m.v[0]),
        lambda: m.cache.set(ot.VariablePrimalStart(), m.v[0], np.nan),
        lambda: m.cache.delete(ot.VariableIndex(5)),
        lambda: m.cache.get(ot.VariablePrimal(), ot.VariableIndex(5)),
        lambda: m.cache.get(ot.VariablePrimal()),
        lambda: m.cache.get(ot.VariablePrimal(), m.row),
        lambda: m.cache.get(ot.ObjectiveValue(), m.row),
    ]
    for call in calls:
        with pytest.raises((ot.InvalidData, ot.InvalidIndex)):
            call()
    assert optimizer.calls == [] and m.status() is Codes.OPTIMAL and m.cache.is_solved


# ---------------------------------------------------------------------- what does not cost a result
def test_an_unchanged_model_is_not_solved_again(fake: Any) -> None:
    """Neither asking twice, nor names and starts, nor an addition taken back, make a second solve."""
    optimizer = fake()
    m = Built(optimizer)
    m.cache.optimize()
    optimizer.calls.clear()
    m.cache.set(ot.VariableName(), m.v[0], "x")
    m.cache.set(ot.VariablePrimalStart(), m.v, m.cache.get(ot.VariablePrimal(), m.v))
    m.cache.optimize()
    assert "optimize" not in optimizer.calls and m.status() is Codes.OPTIMAL
    assert optimizer.store.get(ot.VariablePrimalStart(), m.cache.index_map(m.v[1])) == 0.0


def test_an_inconclusive_answer_is_asked_again(fake: Any) -> None:
    """A time limit is no answer to keep."""
    optimizer = fake(status=Codes.TIME_LIMIT)
    m = Built(optimizer)
    m.cache.optimize()
    m.cache.optimize()
    assert optimizer.calls.count("optimize") == 2 and m.status() is Codes.TIME_LIMIT and not m.cache.is_solved


def test_additions_travel_in_bulk(fake: Any) -> None:
    """A thousand rows added one by one reach the optimizer in one call."""
    optimizer = fake()
    m = Built(optimizer)
    m.cache.optimize()
    optimizer.calls.clear()
    for _ in range(1000):
        m.cache.add_constraint(1.0 * m.v[0], ot.LessThan(1.0))
    m.cache.optimize()
    assert optimizer.calls == ["add_block", "optimize"]


# ---------------------------------------------------------------------- results
def test_results_of_one_and_many(fake: Any) -> None:
    """Variables and constraints one by one, in lists, in vectors; numbers are floats."""
    m = Built(fake(x=[0.5, -1.0, 0.0]))
    m.cache.optimize()
    cache, v = m.cache, m.v
    assert cache.get(ot.VariablePrimal(), v[0]) == 0.5 and type(cache.get(ot.VariablePrimal(), v[0])) is float
    assert cache.get(ot.VariablePrimal(), v).tolist() == [0.5, -1.0, 0.0]
    assert cache.get(ot.VariablePrimal(), [v[1], v[0]]) == [-1.0, 0.5]
    assert cache.get(ot.ConstraintPrimal(), m.row) == 0.0
    assert cache.get(ot.ConstraintPrimal(), m.vector).tolist() == [1.5, 0.0, 1.0]
    rows = cache.get(ot.ListOfConstraintIndices(*LESS))
    assert cache.get(ot.ConstraintPrimal(), rows).tolist() == [0.0]
    assert cache.get(ot.ConstraintDual(), m.row) == 0.0 and cache.get(ot.ConstraintDual(), m.vector).shape == (3,)
