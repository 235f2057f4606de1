"""The meta-solver as a cache: three states, two modes, refusals, changes told, and results that are never stale."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import optangent as ot

from ...fake_solver import EVERYTHING, PLAIN

State, Mode = ot.CachingOptimizerState, ot.CachingOptimizerMode
Codes = ot.TerminationStatusCode
LESS = (ot.ScalarAffineFunction, ot.LessThan)


class Built:
    """A cache with a small model whose solution is x = 0, in front of fakes."""

    def __init__(self, *optimizers: Any, mode: Mode = Mode.AUTOMATIC) -> None:
        self.cache = ot.MetaSolver(*optimizers, mode=mode)
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
    "set parameter": lambda m: m.cache.set(ot.ConstraintSet(), m.parameter, ot.Parameter(0.5)),
    "set objective": lambda m: m.cache.set(ot.ObjectiveFunction(), 0.0 * m.v[1]),
    "set sense": lambda m: m.cache.set(ot.ObjectiveSense(), ot.ObjectiveSenseCode.MAX_SENSE),
    "set option": lambda m: m.cache.set(ot.TimeLimitSec(), 5.0),
}
"""One change of each kind that keeps x = 0 optimal."""


def assert_in_step(cache: Any, optimizer: Any) -> None:
    """What the solver was told, change by change, is what a form made from scratch says of the model."""
    fresh = ot.MetaSolver(type(optimizer)(duals=None), differentiates=False)
    cache.copy_to(fresh)
    fresh.optimize()
    assert numbers(cache) == numbers(fresh)
    assert_same_model(cache.store, fresh.store)


def numbers(cache: Any) -> Any:
    """What its solver was told, without the columns and rows of what was deleted."""
    image, gone = cache.optimizer.image, ~cache.lowerings[0][1].is_user.view
    assert not image.lower[gone].any() and not image.upper[gone].any()
    free = np.isneginf(image.row_lower) & np.isposinf(image.row_upper)
    terms = sorted(
        (tuple(row[~gone].tolist()), low, high)
        for row, low, high in zip(image.A[~free], image.row_lower[~free], image.row_upper[~free], strict=True)
    )
    curved = sorted(term[3] for term in image.curved if not free[int(term[0])])
    bounds = np.array([image.lower, image.upper, image.kinds, image.q])[:, ~gone].tolist()
    return (
        terms,
        curved,
        bounds,
        image.P[~gone][:, ~gone].tolist(),
        image.r,
        image.F[:, ~gone].tolist(),
        image.g.tolist(),
    )


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
    optimizer = fake()
    cache.reset_optimizer(optimizer)
    assert cache.state is State.EMPTY_OPTIMIZER and cache.optimizer is optimizer and not optimizer.calls
    cache.attach_optimizer()
    assert cache.state is State.ATTACHED_OPTIMIZER and m.status() is Codes.OPTIMIZE_NOT_CALLED
    cache.reset_optimizer()
    assert cache.state is State.EMPTY_OPTIMIZER
    cache.optimize()
    assert cache.state is State.ATTACHED_OPTIMIZER and m.status() is Codes.OPTIMAL
    assert_in_step(cache, optimizer)
    cache.reset_optimizer()
    assert cache.state is State.EMPTY_OPTIMIZER and m.status() is Codes.OPTIMIZE_NOT_CALLED
    cache.optimize()
    assert optimizer.calls == ["load", "run", "load", "run"]  # what was loaded is not trusted once it was unloaded
    cache.empty()
    assert cache.state is State.EMPTY_OPTIMIZER and cache.is_empty() and m.status() is Codes.OPTIMIZE_NOT_CALLED
    with pytest.raises(ot.InvalidIndex):
        cache.get(ot.VariablePrimal(), m.v[0])
    cache.drop_optimizer()
    assert cache.state is State.NO_OPTIMIZER


def test_a_failed_attachment_leaves_the_cache_usable(fake: Any) -> None:
    """An optimizer that lacks a kind is not attached; another one can take its place."""
    m = Built()
    m.cache.add_constraint(m.v[:2], ot.SecondOrderCone(2))
    m.cache.reset_optimizer(fake(abilities=PLAIN, name="Poor"))
    with pytest.raises(ot.UnsupportedConstraint, match=r"not supported by Poor, nor through bridges: .* Rewrite"):
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


@pytest.mark.parametrize("refuse", [False, True], ids=["accepted", "refused"])
@pytest.mark.parametrize("change", CHANGES)
def test_changes_reach_the_solver_or_cost_a_fresh_load(fake: Any, change: str, refuse: bool) -> None:
    """The solver ends with the same numbers, whether it takes the journal or not; the form is not made anew."""
    optimizer = fake(refuses=refuse)
    m = Built(optimizer)
    m.cache.optimize()
    optimizer.calls.clear()
    generation = m.cache.lowerings[0][1].generation
    CHANGES[change](m)
    assert optimizer.calls == [] and m.cache.state is State.ATTACHED_OPTIMIZER
    m.cache.optimize()
    told = [] if change == "set option" else ["update"]
    assert optimizer.calls == [*told, *(["load"] if refuse else [])[: len(told)], "run"]
    assert m.cache.lowerings[0][1].generation == generation
    assert_in_step(m.cache, optimizer)


@pytest.mark.parametrize("first", CHANGES)
def test_changes_one_after_the_other(fake: Any, first: str) -> None:
    """All further changes, with a solve after each or after all, tell what a form made from scratch says."""
    for solving in (True, False):
        optimizer = fake()
        m = Built(optimizer)
        m.cache.optimize()
        CHANGES[first](m)
        for name, change in CHANGES.items():
            if name == first:
                continue
            try:
                change(m)
            except (ot.InvalidIndex, ot.NotAllowed):
                continue  # of what an earlier change deleted
            if solving:
                m.cache.optimize()
        m.cache.optimize()
        assert_in_step(m.cache, optimizer)


@pytest.mark.parametrize("change", CHANGES)
def test_manual_mode(fake: Any, change: str) -> None:
    """The user attaches the solver; then changes reach it as in automatic mode."""
    optimizer = fake()
    m = Built(optimizer, mode=Mode.MANUAL)
    with pytest.raises(ot.NotOptimized, match="attach_optimizer"):
        m.cache.optimize()
    m.cache.attach_optimizer()
    m.cache.optimize()
    CHANGES[change](m)
    assert m.status() is Codes.OPTIMIZE_NOT_CALLED and m.cache.state is State.ATTACHED_OPTIMIZER
    m.cache.optimize()
    assert m.status() is Codes.OPTIMAL
    assert_in_step(m.cache, optimizer)


REFUSED: dict[str, Callable[[Built], Any]] = {
    "a row that is not convex": lambda m: m.cache.add_constraint(-1.0 * m.v[0] * m.v[0], ot.LessThan(1.0)),
    "rows that are not": lambda m: m.cache.add_constraints([m.v[0] * m.v[1]] * 2, ot.LessThan(1.0)),
    "a gap without bounds": lambda m: m.cache.add_constraint(m.v[:2], ot.SOS1([1.0, 2.0])),
}


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("name", REFUSED)
def test_refusals_in_both_modes(fake: Any, mode: Any, name: str) -> None:
    """In manual mode it is refused when it is added and not kept; else when the model is solved."""
    some = replace(EVERYTHING, cones=frozenset({ot.SecondOrderCone}), quadratic_rows=False)
    optimizer = fake(abilities=some)
    m = Built(optimizer, mode=mode)
    m.cache.attach_optimizer()
    m.cache.optimize()
    before = describe(m.cache.store)
    if mode is Mode.MANUAL:
        with pytest.raises((ot.UnsupportedConstraint, ot.NotAllowed)):
            REFUSED[name](m)
    else:
        bad = REFUSED[name](m)
        for _ in range(2):
            with pytest.raises((ot.UnsupportedConstraint, ot.NotAllowed)):
                m.cache.optimize()
        assert m.status() is Codes.OPTIMIZE_NOT_CALLED
        m.cache.delete(bad)
    assert describe(m.cache.store) == before and m.cache.state is State.ATTACHED_OPTIMIZER
    m.cache.optimize()
    assert m.status() is Codes.OPTIMAL


def test_an_unexpected_error_leaves_nothing_half_told(fake: Any) -> None:
    """A solver that breaks while it is told of a change, or runs, is told everything at the next solve."""
    for broken in ("load", "update", "run"):
        optimizer = fake(refuses=broken == "load")
        m = Built(optimizer)
        m.cache.optimize()
        x = m.cache.add_variable()
        m.cache.add_constraint(1.0 * x, ot.LessThan(1.0))
        original = getattr(optimizer, broken)
        setattr(optimizer, broken, lambda *arguments: 1 / 0)
        for _ in range(1 if broken == "update" else 2):
            with pytest.raises(ZeroDivisionError):
                m.cache.optimize()
        assert m.status() is Codes.OPTIMIZE_NOT_CALLED
        setattr(optimizer, broken, original)
        optimizer.calls.clear()
        m.cache.optimize()
        assert optimizer.calls == ["load", "run"]
        assert_in_step(m.cache, optimizer)


def test_a_curvature_of_the_wrong_sign_is_refused_each_time(fake: Any) -> None:
    """However often it is solved; and the form that it is in serves once it is convex again."""
    optimizer = fake()
    m = Built(optimizer)
    m.cache.optimize()
    optimizer.calls.clear()
    m.cache.set(ot.ObjectiveFunction(), -1.0 * m.v[0] * m.v[0])
    for _ in range(3):
        with pytest.raises(ot.NonconvexObjective):
            m.cache.optimize()
    assert optimizer.calls == []
    m.cache.set(ot.ObjectiveFunction(), 1.0 * m.v[0] * m.v[0])
    m.cache.optimize()
    assert optimizer.calls == ["update", "run"]
    assert_in_step(m.cache, optimizer)


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
    """Neither asking twice, nor names and starts make a second solve; a start is passed on at the next one."""
    optimizer = fake()
    m = Built(optimizer)
    m.cache.optimize()
    optimizer.calls.clear()
    m.cache.set(ot.VariableName(), m.v[0], "x")
    m.cache.set(ot.VariablePrimalStart(), m.v, m.cache.get(ot.VariablePrimal(), m.v))
    m.cache.optimize()
    c = m.cache.add_constraint(1.0 * m.v[0], ot.LessThan(3.0))
    assert optimizer.calls == [] and m.status() is Codes.OPTIMIZE_NOT_CALLED
    m.cache.delete(c)
    m.cache.optimize()
    assert optimizer.calls[-1] == "run" and optimizer.start.x.tolist() == [0.0, 0.0]


def test_an_inconclusive_answer_is_asked_again(fake: Any) -> None:
    """A time limit is no answer to keep."""
    optimizer = fake(status=Codes.TIME_LIMIT)
    m = Built(optimizer)
    m.cache.optimize()
    m.cache.optimize()
    assert optimizer.calls.count("run") == 2 and m.status() is Codes.TIME_LIMIT and not m.cache.is_solved


def test_additions_travel_in_bulk(fake: Any) -> None:
    """A thousand rows added one by one reach the solver in one journal."""
    optimizer = fake()
    m = Built(optimizer)
    m.cache.optimize()
    optimizer.calls.clear()
    for _ in range(1000):
        m.cache.add_constraint(1.0 * m.v[0], ot.LessThan(1.0))
    m.cache.optimize()
    assert optimizer.calls == ["update", "run"]
    assert_in_step(m.cache, optimizer)


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
