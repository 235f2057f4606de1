"""Options, limits, starts, basis statuses, missing libraries and third-party solvers."""

from __future__ import annotations

import importlib
import signal
import threading
import time
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

import optangent as ot
from optangent.modelkit.form import Cones, Discreteness, Form
from optangent.modelkit.store.block import SetBlock

from .problems import EVERY, ITERATIONS, SOLVERS

FOUR = [getattr(ot.solvers, name) for name in ("HiGHS", "OSQP", "SCS", "Clarabel")]
STOPPED = pytest.mark.parametrize("solver", FOUR, ids=lambda s: s.name)
"""Those that print, and stop at a time limit and at Ctrl-C."""
THREADED = ("HiGHS", "Clarabel", "PIQP")
"""Those that take a number of threads."""


def random_lp(solver: Any, rows: int = 60, columns: int = 80, integer: bool = False) -> tuple[Any, Any]:
    """A packing problem behind bridges; hard when integer."""
    rng = np.random.default_rng(3)
    A = rng.uniform(0, 1, (rows, columns))
    model = ot.MetaSolver(solver, differentiates=False)
    v = model.add_variables(columns)
    model.add_constraints(v, [ot.Interval(0, 1)] * columns)
    if integer:
        model.add_constraints(v, [ot.Integer()] * columns)
    model.add_constraints(A @ v, [ot.LessThan(b) for b in A.sum(1) * 0.3])
    model.set(ot.ObjectiveSense(), ot.ObjectiveSenseCode.MAX_SENSE)
    model.set(ot.ObjectiveFunction(), rng.uniform(0.5, 1.5, columns) @ v)
    return model, v


@EVERY
def test_unknown_option_suggests_a_known_one(solver: Any) -> None:
    """A misspelt option raises, naming what is close, from the constructor and from `set`."""
    right = ITERATIONS[solver.name][0]
    wrong = right[:-1]
    with pytest.raises(ot.UnsupportedAttribute, match=f"Did you mean .*'{right}'"):
        solver(**{wrong: 1.0})
    model = ot.MetaSolver(solver(), differentiates=False)
    with pytest.raises(ot.UnsupportedAttribute, match=right):
        model.set(ot.RawOptimizerAttribute(wrong), 1.0)
    assert not model.supports(ot.RawOptimizerAttribute(wrong))
    assert model.supports(ot.RawOptimizerAttribute(right))


@EVERY
def test_refused_value_keeps_the_old_one(solver: Any) -> None:
    """A value of the wrong type raises at once, and the model solves as before."""
    name, value = ("presolve", "perhaps") if solver is ot.solvers.HiGHS else (ITERATIONS[solver.name][0], "many")
    model, _ = random_lp(solver())
    with pytest.raises(ot.InvalidData, match=name):
        model.set(ot.RawOptimizerAttribute(name), value)
    assert model.get(ot.RawOptimizerAttribute(name)) is None
    model.optimize()
    assert model.get(ot.TerminationStatus()) == ot.TerminationStatusCode.OPTIMAL


@EVERY
def test_iteration_limit(solver: Any) -> None:
    """An option given by the library's name arrives: few iterations end with ITERATION_LIMIT, more do not."""
    name, value = ITERATIONS[solver.name]
    options = {name: value} | ({"presolve": "off", "solver": "simplex"} if solver.name == "HiGHS" else {})
    inner = solver(**options)
    model, _ = random_lp(inner)
    assert model.get(ot.RawOptimizerAttribute(name)) == value
    model.optimize()
    assert model.get(ot.TerminationStatus()) == ot.TerminationStatusCode.ITERATION_LIMIT
    assert model.get(ot.PrimalStatus()) != ot.ResultStatusCode.FEASIBLE_POINT or solver.name == "HiGHS"
    model.set(ot.RawOptimizerAttribute(name), 100_000)
    model.optimize()
    assert model.get(ot.TerminationStatus()) == ot.TerminationStatusCode.OPTIMAL
    counts = ot.SimplexIterations() if solver.name == "HiGHS" else ot.BarrierIterations()
    assert model.get(counts) > value
    assert 0 < model.get(ot.SolveTimeSec()) < 5


@STOPPED
def test_silent_by_default(solver: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing is printed, unless Silent is switched off."""
    model, _ = random_lp(solver())
    assert model.get(ot.Silent()) is True
    model.optimize()
    assert capfd.readouterr() == ("", "")
    model.set(ot.Silent(), False)
    model.optimize()
    assert len(capfd.readouterr().out) > 100


@STOPPED
@pytest.mark.parametrize("value", [-1.0, "long", float("nan")])
def test_senseless_common_options(solver: Any, value: Any) -> None:
    """A time limit that is no number of seconds is refused in words, whichever the solver."""
    model = ot.MetaSolver(solver(), differentiates=False)
    with pytest.raises(ot.InvalidData, match="number of seconds"):
        model.set(ot.TimeLimitSec(), value)
    assert model.get(ot.TimeLimitSec()) is None


@EVERY
def test_threads(solver: Any) -> None:
    """NumberOfThreads is taken where declared, changed between solves, and refused in words elsewhere."""
    model, _ = random_lp(solver())
    assert model.supports(ot.NumberOfThreads()) == (solver.name in THREADED)
    if solver.name not in THREADED:
        with pytest.raises(ot.UnsupportedAttribute, match=solver.name):
            model.set(ot.NumberOfThreads(), 2)
        return
    for threads in (1, 2, None):
        model.set(ot.NumberOfThreads(), threads)
        model.optimize()
        assert model.get(ot.TerminationStatus()) == ot.TerminationStatusCode.OPTIMAL
    with pytest.raises(ot.InvalidData, match="whole number"):
        model.set(ot.NumberOfThreads(), 0)


@STOPPED
def test_time_limit(solver: Any) -> None:
    """A limit that has run out gives TIME_LIMIT, never OPTIMAL, and a later solve without it succeeds."""
    size: dict[str, Any] = {"rows": 250, "columns": 300, "integer": True} if solver.name == "HiGHS" else {}
    model, v = random_lp(solver(), **size)
    if solver.name == "HiGHS":
        model.set(ot.VariablePrimalStart(), v, np.zeros(300))  # so there is an incumbent on a busy machine too
    model.set(ot.TimeLimitSec(), 0.3 if solver.name == "HiGHS" else 1e-6)
    start = time.perf_counter()
    model.optimize()
    assert time.perf_counter() - start < 2.3
    assert model.get(ot.TerminationStatus()) == ot.TerminationStatusCode.TIME_LIMIT
    if solver.name == "HiGHS":
        assert model.get(ot.PrimalStatus()) == ot.ResultStatusCode.FEASIBLE_POINT  # the incumbent
        assert model.get(ot.ObjectiveBound()) >= model.get(ot.ObjectiveValue())
        assert model.get(ot.RelativeGap()) > 0
        return
    model.set(ot.TimeLimitSec(), None)
    model.optimize()
    assert model.get(ot.TerminationStatus()) == ot.TerminationStatusCode.OPTIMAL


def test_highs_time_limit_is_for_each_solve() -> None:
    """HiGHS counts time from the handle's creation; a limit holds for each solve nevertheless."""
    model, _ = random_lp(ot.solvers.HiGHS(), rows=250, columns=300, integer=True)
    model.set(ot.TimeLimitSec(), 0.3)
    for _ in range(2):
        model.optimize()
        assert model.get(ot.TerminationStatus()) == ot.TerminationStatusCode.TIME_LIMIT
        assert model.get(ot.SolveTimeSec()) > 0.25


@STOPPED
def test_interrupt(solver: Any) -> None:
    """Ctrl-C in a long solve raises KeyboardInterrupt soon, and the model is usable afterwards."""
    if solver is ot.solvers.HiGHS:
        model, _ = random_lp(solver(), rows=250, columns=300, integer=True)
    elif solver is ot.solvers.Clarabel:
        model, _ = random_lp(solver(), rows=700, columns=700)
    else:
        more = {"max_iter": 10**8, "polishing": False} if solver is ot.solvers.OSQP else {"max_iters": 10**8}
        model, _ = random_lp(solver(eps_abs=1e-300, eps_rel=1e-300, **more))
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.3, signal.raise_signal, [signal.SIGINT])
    try:
        start = time.perf_counter()
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            model.optimize()
        assert 0.2 < time.perf_counter() - start < 2.4
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        timer.cancel()
        signal.signal(signal.SIGINT, before)
    assert model.get(ot.TerminationStatus()) == ot.TerminationStatusCode.OPTIMIZE_NOT_CALLED
    model.set(ot.TimeLimitSec(), 1e-6 if solver is ot.solvers.SCS else 0.05)  # whose guess is optimal by then
    model.optimize()
    assert model.get(ot.TerminationStatus()) == ot.TerminationStatusCode.TIME_LIMIT


def test_highs_integer_start() -> None:
    """A start reaches branch and bound: with no time to search, the answer is the start."""
    inner = ot.solvers.HiGHS()
    model, v = random_lp(inner, rows=250, columns=300, integer=True)
    model.set(ot.TimeLimitSec(), 0.0)
    model.set(ot.VariablePrimalStart(), v, np.zeros(300))
    model.set(ot.VariablePrimalStart(), v[7], 1.0)
    model.optimize()
    assert model.get(ot.PrimalStatus()) == ot.ResultStatusCode.FEASIBLE_POINT
    assert model.get(ot.VariablePrimal(), v[7]) == pytest.approx(1.0)


@pytest.mark.parametrize("solver", [ot.solvers.OSQP, ot.solvers.SCS], ids=lambda s: s.name)
def test_starts(solver: Any) -> None:
    """Started at the solution with its duals, a first-order method stops at its first check."""

    def build() -> tuple[Any, Any, Any]:
        rng = np.random.default_rng(5)
        one = solver(polishing=False) if solver is ot.solvers.OSQP else solver()
        model = ot.MetaSolver(one, differentiates=False)
        v = model.add_variables(20)
        A = rng.normal(size=(12, 20))
        if solver is ot.solvers.OSQP:
            c = model.add_constraints(A @ v, [ot.LessThan(-0.5)] * 12)
        else:
            c = model.add_constraints(-0.5 - A @ v, [ot.SecondOrderCone(2), *[ot.SecondOrderCone(5)] * 2])
        model.set(ot.ObjectiveFunction(), v @ v + rng.normal(size=20) @ v)
        return model, v, c

    cold, v, c = build()
    cold.optimize()
    warm, w, d = build()
    warm.set(ot.VariablePrimalStart(), w, cold.get(ot.VariablePrimal(), v))
    for index, solved in zip(d, c, strict=True):
        warm.set(ot.ConstraintDualStart(), index, cold.get(ot.ConstraintDual(), solved))
    warm.optimize()
    assert warm.get(ot.BarrierIterations()) <= 25 < cold.get(ot.BarrierIterations())


def test_highs_basis_statuses() -> None:
    """The basis tells where variables, bounds and rows stand; without crossover there is none, in words."""
    code = ot.BasisStatusCode
    model = ot.MetaSolver(ot.solvers.HiGHS(), differentiates=False)
    v = model.add_variables(2)
    b = model.add_constraint(v[0], ot.GreaterThan(0.0))
    model.add_constraint(v[1], ot.GreaterThan(0.0))
    c = model.add_constraint(1.0 * v[0] + v[1], ot.GreaterThan(1.0))
    d = model.add_constraint(1.0 * v[0], ot.LessThan(9.0))
    model.set(ot.ObjectiveFunction(), 1.0 * v[0] + 2.0 * v[1])
    model.optimize()
    assert model.get(ot.VariableBasisStatus(), v) == [code.BASIC, code.NONBASIC_AT_LOWER]
    assert model.get(ot.ConstraintBasisStatus(), [b, c, d]) == [
        code.BASIC,
        code.NONBASIC_AT_LOWER,
        code.BASIC,
    ]
    model.set(ot.RawOptimizerAttribute("solver"), "ipm")
    model.set(ot.RawOptimizerAttribute("run_crossover"), "off")
    model.set(ot.RawOptimizerAttribute("presolve"), "off")
    model.modify(ot.ObjectiveFunction(), ot.ScalarCoefficientChange(v[1], 0.5))
    model.optimize()
    assert model.get(ot.ObjectiveValue()) == pytest.approx(0.5, abs=1e-5)
    with pytest.raises(ot.UnsupportedAttribute, match="simplex"):
        model.get(ot.VariableBasisStatus(), v[0])


def test_highs_refuses_what_it_cannot_do() -> None:
    """Mixed-integer quadratic programs and wide semicontinuous variables are refused in a sentence."""
    model = ot.MetaSolver(ot.solvers.HiGHS(), differentiates=False)
    v = model.add_variables(2)
    integer = model.add_constraint(v[0], ot.Integer())
    model.set(ot.ObjectiveFunction(), v @ v - 3.0 * v[0])
    with pytest.raises(ot.UnsupportedObjective, match="drop the integrality"):
        model.optimize()
    model.delete(integer)
    model.optimize()
    assert model.get(ot.VariablePrimal(), v[0]) == pytest.approx(1.5)
    wide = model.add_constraint(v[1], ot.Semicontinuous(1.0, 1e7))
    model.set(ot.ObjectiveFunction(), 1.0 * v[1])
    with pytest.raises(ot.InvalidData, match=r"Semicontinuous\(1\.0, 10000000\.0\)"):
        model.optimize()
    model.set(ot.ConstraintSet(), wide, ot.Semicontinuous(1.0, 1e4))
    model.optimize()
    assert model.get(ot.ObjectiveValue()) == 0.0


@pytest.mark.parametrize("solver", [one for one in SOLVERS if one.library != "optangent"], ids=lambda one: one.name)
def test_missing_library(solver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the library the wrapper can be imported and built; solving says what to install."""
    library = solver.library
    original = importlib.import_module

    def without(name: str, package: str | None = None) -> Any:
        if name == library:
            raise ImportError(f"No module named {name!r}")
        return original(name, package)

    monkeypatch.setattr(importlib, "import_module", without)
    model = ot.MetaSolver(solver(), differentiates=False)
    model.add_variable()
    with pytest.raises(ot.MissingDependency, match=f"pip install {library}"):
        model.optimize()
    with pytest.raises(ot.MissingDependency, match=f"pip install {library}"):
        solver(max_iter=3)


def test_third_party_solvers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A solver under the entry-point group is an attribute of `ot.solvers`; other names list them all."""
    point = importlib.metadata.EntryPoint("Mine", "collections:OrderedDict", "optangent.solvers")
    monkeypatch.setattr(ot.solvers, "_third_party", lambda: {"Mine": point})
    assert ot.solvers.Mine.__name__ == "OrderedDict"
    assert "Mine" in dir(ot.solvers)
    with pytest.raises(
        AttributeError, match="AltDiff, Clarabel, DAQP, HiGHS, Ipopt, Mine, OSQP, OptNet, PDG, PDHG, PIQP, SCS"
    ):
        _ = ot.solvers.Gurobi
    assert not hasattr(ot.solvers, "__wrapped__")


@EVERY
def test_kinds_not_taken(solver: Any) -> None:
    """A solver refuses what it does not declare, names the kind, and stays usable, before a model and by itself."""
    lacks = (ot.Integer(), "Integer", "integer columns") if solver is not ot.solvers.HiGHS else (None, "Cone", "Cone")
    chosen, word, of_form = lacks
    model = ot.MetaSolver(solver(), differentiates=False)
    v = model.add_variables(2)
    kind = (v, ot.SecondOrderCone(2)) if chosen is None else (v[0], chosen)
    with pytest.raises(ot.UnsupportedConstraint, match=f"{word}.*{solver.name}"):
        model.add_constraint(*kind)
    assert not model.supports_constraint(ot.VectorOfVariables, ot.Parameter)
    model.set(ot.ObjectiveFunction(), v[0] * v[0] + v[1] * v[1])
    model.optimize()
    assert model.get(ot.ObjectiveValue()) == pytest.approx(0.0, abs=1e-9)
    form = Form()
    form.add_columns(2)
    form.set_objective(sp.csc_array(np.eye(2)), np.zeros(2), 0.0)
    one = solver()
    assert one.solve(form).status is ot.TerminationStatusCode.OPTIMAL
    if chosen is None:
        form.set_cones(sp.csr_array(np.eye(2)), np.zeros(2), [Cones(SetBlock.of([ot.SecondOrderCone(2)]), slice(0, 2))])
    else:
        form.set_discreteness(np.array([0]), Discreteness.INTEGER)
    for solve in (one.solve, lambda form: one.solve(form, form.take_journal()), one.solve_anew):
        with pytest.raises(ot.UnsupportedConstraint, match=f"{solver.name} by itself takes no .*{of_form}"):
            solve(form)
