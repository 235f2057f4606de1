"""`gradcheck`: right derivatives pass, wrong ones are named, kinks and loose solvers are told apart from them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.diffmodels.checking.slopes import Slopes
from optangent.diffmodels.checking.verdicts import Verdict
from optangent.diffmodels.slope import Slope

from ..parametric import CASES, reduced_cost

ACCURATE = ot.diff_optimizer(ot.solvers.Clarabel)


class Kit:
    """Min x² + y² + price y with p x + y >= 3 (demand), x <= 5 (cap) and (x + 1, y) in a box."""

    def __init__(self, solver: Any = ACCURATE) -> None:
        self.model = model = ot.Model(solver)
        self.x, self.y = x, y = model.add_variable("x"), model.add_variable("y")
        self.p, self.price = model.add_parameter(2.0, "p"), model.add_parameter(0.5, "price")
        self.demand = model.add_constraint(self.p * x + y >= 3.0, name="demand")
        self.cap = model.add_constraint(x, ot.LessThan(5.0))
        self.box = model.add_constraint(ot.vectorize([x + 1.0, 1.0 * y]), ot.HyperRectangle([0.0, -9.0], [9.0, np.inf]))
        self.fixed = model.add_constraint(x - y - model.add_variable("z"), ot.Interval(0.25, 0.25))
        model.minimize(x * x + y * y + self.price * y)

    @property
    def everything(self) -> list[Any]:
        """All numbers."""
        constraints = [self.demand, self.cap, self.box, self.fixed, reduced_cost(self.p), reduced_cost(self.price)]
        return [*constraints, ot.ObjectiveFunction()]


# ---------------------------------------------------------------------- what passes
@pytest.mark.parametrize("name", CASES)
def test_right_derivatives_pass(name: str) -> None:
    """All parameters, all outputs, of every case with parameters in some place."""
    built = CASES[name].build(ACCURATE, "max")
    result = ot.gradcheck(built.model, show=0)
    assert result.passed and not result.wrong
    assert len(result.table) == result.of == len(built.p)
    assert result.worst is result.table[0] and result.worst.error <= 1e-6
    assert result.status is ot.DifferentiationStatusCode.EXACT


def test_every_number_of_a_model_passes() -> None:
    """Coefficients, constants, sets and objectives are moved one by one, and named."""
    k = Kit()
    result = ot.gradcheck(k.model, k.everything, show=0)
    assert result.passed
    names = {one.number for one in result.table}
    assert {
        "p",
        "price",
        "coefficient of x*p in demand",
        "coefficient of y in demand",
        "constant of demand",
        "lower of demand",
        "upper of x in LessThan",
        "coefficient of x in HyperRectangle 0[0]",
        "constant of HyperRectangle 0[0]",
        "lower of HyperRectangle 0[1]",
        "lower and upper of Interval 0",
        "coefficient of x*x in the objective",
        "constant of the objective",
    } <= names
    assert "upper of HyperRectangle 0[1]" not in names  # it is infinite
    assert len(names) == len(result.table) == result.of


def test_without_parameters_everything_is_checked() -> None:
    """Of a model without parameters all numbers are checked; of many, some at random, the same each time."""
    built = CASES["coefficients of rows"].build(ACCURATE, "min", CASES["coefficients of rows"].theta)
    every = ot.gradcheck(built.model, show=0)
    assert every.passed and len(every.table) == every.of > 10
    some = [ot.gradcheck(built.model, most=4, show=0, seed=seed) for seed in (1, 1, 2)]
    names = [{one.number for one in result.table} for result in some]
    assert all(result.passed and len(result.table) == 4 and result.of == every.of for result in some)
    assert names[0] == names[1] != names[2]
    assert some[0].text().startswith(f"gradcheck: 4 of {every.of} numbers, chosen at random, ")


def test_chosen_numbers_and_outputs(capsys: pytest.CaptureFixture[str]) -> None:
    """Single ones, vectors, matrices and lists of them; printed as a table."""
    model = ot.Model(ACCURATE)
    v, G = model.add_variables(2, "v"), model.add_parameters(np.array([[1.0, 2.0], [0.5, -1.0]]), "G")
    c = model.add_constraint(G @ v >= [1.0, -1.0])
    model.minimize(v @ v)
    result = ot.gradcheck(model, G, v)
    assert result.passed and result.outputs == 2 and len(result.table) == 4
    assert {one.number for one in result.table} == {"G[0,0]", "G[0,1]", "G[1,0]", "G[1,1]"}
    printed = capsys.readouterr().out
    assert printed == result.text() + "\n" == f"{result}\n"
    assert printed.splitlines()[0] == "gradcheck: 4 numbers, 2 outputs each, at an EXACT solution"
    assert printed.splitlines()[-1] == "passed: every derivative is the difference, to a relative 1e-05"
    assert ot.gradcheck(model, G[0, 0], [v[0], c, ot.ObjectiveValue()], show=0).outputs == 4
    ot.gradcheck(model, G, show=2)
    assert "... (4 rows)" in capsys.readouterr().out


def test_the_model_is_left_as_it_is() -> None:
    """Data, results, tangents and gradients of the model are those from before."""
    k = Kit()
    k.model.optimize()
    k.model.set(ot.ForwardParameterValue(), k.p, 1.0)
    k.model.forward_differentiate()
    before = str(k.model), k.model.get(ot.ForwardVariablePrimal(), k.x), k.model.value(k.x)
    assert ot.gradcheck(k.model, k.everything, show=0).passed
    assert before == (str(k.model), k.model.get(ot.ForwardVariablePrimal(), k.x), k.model.value(k.x))


def test_settings_travel_to_the_copy() -> None:
    """The chosen diff model is the one that is checked."""
    k = Kit()

    class Refusing(ot.QuadraticDiff):  # type: ignore[misc]
        """One that says that it was asked."""

        def ground(self, *arguments: Any) -> Any:
            raise ot.DifferentiationError("asked")

    k.model.set(ot.ModelConstructor(), Refusing)
    with pytest.raises(ot.DifferentiationError, match="asked"):
        ot.gradcheck(k.model)


# ---------------------------------------------------------------------- what is wrong
@pytest.fixture
def wrong_forward(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forward mode that says 1% too much of what moves through the first row's coefficients."""
    right = Slope.push

    def push(self: Any, tangents: Any) -> Any:
        dx, dy = right(self, tangents)
        return dx * (1.01 if tangents.dense()[1].any() else 1.0), dy

    monkeypatch.setattr(Slope, "push", push)
    return iter(())


@pytest.mark.usefixtures("wrong_forward")
def test_a_wrong_derivative_is_caught_and_named(capsys: pytest.CaptureFixture[str]) -> None:
    """What is off by 1% is not explained; what is right passes beside it."""
    k = Kit()
    result = ot.gradcheck(k.model, [k.p, k.price])
    assert not result.passed
    assert [one.number for one in result.wrong] == ["p"] and result.worst is result.wrong[0]
    assert result.worst.output in ("x", "y", "z", "all, in reverse mode")
    assert result.worst.error > 1e-4
    printed = capsys.readouterr().out
    assert "1 of 2 NOT EXPLAINED: the derivative is wrong (p)" in printed and "not passed\n" in printed
    assert result.table[1].number == "price" and result.table[1].verdict is Verdict.AGREES
    with pytest.raises(ot.DifferentiationError, match="NOT EXPLAINED"):
        ot.gradcheck(k.model, k.p, raises=True, show=0)


def test_modes_that_disagree_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong reverse mode does not hide behind a right forward mode."""
    right = Slope.pull

    def pull(self: Any, primal: Any, duals: Any) -> Any:
        w, (lower, upper) = right(self, primal, duals)
        return w, (1.001 * lower, 1.001 * upper)

    monkeypatch.setattr(Slope, "pull", pull)
    k = Kit()
    result = ot.gradcheck(k.model, [k.demand, k.price], k.x, show=0)
    assert {one.output for one in result.wrong} == {"all, in reverse mode"}
    assert "lower of demand" in {one.number for one in result.wrong}


@pytest.mark.usefixtures("wrong_forward")
def test_wrong_is_wrong_for_a_loose_solver_too() -> None:
    """The solver's own answers at ordinary tolerances show an error of 1%."""
    k = Kit(ot.diff_optimizer(lambda: ot.solvers.OSQP(eps_abs=1e-8, eps_rel=1e-8, polishing=False)))
    result = ot.gradcheck(k.model, k.p, [k.x], refine=False, show=0)
    assert [one.number for one in result.wrong] == ["p"]


# ---------------------------------------------------------------------- what is explained
def kinked(threshold: float) -> tuple[ot.Model, Any, Any]:
    """Min x with x >= p and x >= threshold at p = 1."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    x, p = model.add_variable("x"), model.add_parameter(1.0, "p")
    model.add_constraint(x >= threshold)
    model.add_constraint(x - p >= 0.0)
    model.minimize(2.0 * x)
    return model, x, p


def test_a_kink_is_explained_as_degeneracy(capsys: pytest.CaptureFixture[str]) -> None:
    """At the kink no difference can confirm a derivative, and the reason is given with the status."""
    model, x, p = kinked(1.0)
    result = ot.gradcheck(model, p, [x, ot.ObjectiveValue()])
    assert not result.passed and not result.wrong
    assert result.worst.verdict is Verdict.DEGENERATE
    printed = capsys.readouterr().out
    assert "not passed, with an explanation" in printed
    assert "1 of 1 explained by degeneracy" in printed and "(p); DifferentiationStatus is" in printed


@pytest.mark.parametrize("away", [1e-3, 3e-5, -1e-3, -3e-5])
def test_a_kink_nearby_is_steered_clear_of(away: float) -> None:
    """Steps that reach over it are not believed, smaller ones are."""
    model, x, p = kinked(1.0 + away)
    assert ot.gradcheck(model, p, [x, ot.ObjectiveValue()], show=0).passed


@pytest.mark.parametrize("away", [1e-6, -1e-6])
def test_a_kink_closer_than_any_step_is_explained(away: float) -> None:
    """The derivative is right, but between the slopes of both sides as far as differences can see."""
    model, x, p = kinked(1.0 + away)
    result = ot.gradcheck(model, p, [x], show=0)
    assert result.worst.verdict is Verdict.DEGENERATE
    assert result.worst.derivative == pytest.approx(0.0 if away > 0.0 else 1.0, abs=1e-12)


def test_a_loose_solver_is_explained_as_tolerance(capsys: pytest.CaptureFixture[str]) -> None:
    """Its own answers are too far off to take differences of; refined, they confirm the derivative."""
    k = Kit(ot.diff_optimizer(lambda: ot.solvers.OSQP(eps_abs=1e-3, eps_rel=1e-3, polishing=False)))
    result = ot.gradcheck(k.model, refine=False)
    assert not result.passed and not result.wrong
    assert {one.verdict for one in result.table} <= {Verdict.TOLERANCE, Verdict.AGREES}
    assert 1e-5 < result.solver_error < 0.1
    assert "explained by the solver's tolerance" in capsys.readouterr().out
    assert ot.gradcheck(k.model, show=0).passed


def test_the_edge_of_what_is_feasible_is_told() -> None:
    """Where moving the number up leaves no solution there is nothing to compare with."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    x, p = model.add_variable("x"), model.add_parameter(1.0, "p")
    model.add_constraint(x - p >= 0.0)
    model.add_constraint(x <= 1.0)
    model.minimize(x)
    result = ot.gradcheck(model, p, x, show=0)
    assert result.worst.verdict is Verdict.UNSOLVED and not result.passed and not result.wrong
    assert np.isnan(result.worst.difference) and "not checked: beside the present data" in str(result)


# ---------------------------------------------------------------------- slopes by themselves
def judged(derivative: float, f: Any, noise: float = 1e-12, steps: Any = (1e-3, 1e-4, 1e-5, 1e-6)) -> Any:
    """The judgement of one output f."""
    slopes = Slopes(np.array([derivative]), np.array([f(0.0)]), np.array([noise]), 1e-5)
    for h in steps:
        slopes.add(h, np.array([f(h)]), np.array([f(-h)]))
    return slopes.judge()


def test_slopes_tell_errors_apart() -> None:
    """Smooth, curved, kinked, noisy and jumping functions, with right and wrong derivatives."""
    wiggle = np.random.default_rng(0).uniform(-1.0, 1.0, 10)

    def noisy(t: float) -> float:
        return float(t + 1e-4 * wiggle[int(abs(np.log10(abs(t) + 1e-9))) % 10] * np.sign(t))

    right = judged(1.0, lambda t: t + 40.0 * t**3)
    assert right.error[0] <= 1e-5
    wrong = judged(1.1, lambda t: t + 40.0 * t**3)
    assert wrong.error[0] > 1e-3 and not wrong.noisy[0] and not wrong.kinked[0]
    assert wrong.difference[0] == pytest.approx(1.0, abs=1e-5)
    curved = judged(1.001, lambda t: t + 5.0 * t * t)  # between the slopes of a large step, but no kink
    assert curved.error[0] > 1e-5 and not curved.kinked[0]
    kink = judged(1.0, lambda t: max(t, 0.0))
    assert kink.kinked[0] and not kink.noisy[0] and kink.difference[0] == pytest.approx(0.5)
    outside = judged(1.5, lambda t: max(t, 0.0))
    assert not outside.kinked[0] and not outside.noisy[0]
    loose = judged(1.0, noisy, noise=1e-4)
    assert loose.noisy[0] or loose.error[0] <= 1e-5
    jump = judged(0.0, lambda t: float(t > 0.0))
    assert jump.kinked[0]
    assert judged(1.0, lambda t: t, steps=()).unsolved


# ---------------------------------------------------------------------- refusals
def test_refusals() -> None:
    """What is no number, no output, no step, or cannot be differentiated, is said in words."""
    k = Kit()
    for wrong in ("p", k.p * k.x, 3.0):
        with pytest.raises(ot.InvalidData, match="checked in parameters, constraints"):
            ot.gradcheck(k.model, wrong)
        with pytest.raises(ot.InvalidData, match="Outputs are variables"):
            ot.gradcheck(k.model, k.p, wrong)
    with pytest.raises(ot.InvalidIndex, match="x is a variable, not a parameter"):
        ot.gradcheck(k.model, k.x)
    for steps in ((), (0.0,), (-1e-3,), (np.nan,)):
        with pytest.raises(ot.InvalidData, match="Steps are positive"):
            ot.gradcheck(k.model, steps=steps)
    with pytest.raises(ot.DifferentiationError, match="only solves"):
        ot.gradcheck(ot.Model(ot.solvers.HiGHS))
    k.model.add_constraint(k.x >= 6.0)
    with pytest.raises(ot.DifferentiationError, match="INFEASIBLE"):
        ot.gradcheck(k.model)


def test_nothing_to_check(capsys: pytest.CaptureFixture[str]) -> None:
    """A model without the numbers asked for has not passed anything."""
    result = ot.gradcheck(Kit().model, [])
    assert not result.passed and result.worst is None and "nothing to check" in capsys.readouterr().out
