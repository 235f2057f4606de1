"""Batches in NumPy: order, sizes, items that fail, other solvers, where solves start."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.diffmodels.layers.batch import Batch, Call
from optangent.diffmodels.layers.variants import variant
from optangent.solvers.array_solver import ArraySolver
from optangent.solvers.libraries.clarabel import Clarabel
from optangent.solvers.libraries.scs import SCS
from optangent.solvers.result import Result

from .small_models import interval, price, projection, solved

CODES = ot.TerminationStatusCode
BAD = {17: [2.0, 3.0, 1.0], 400: [np.nan, 0.0, 1.0], 801: [-1.0, 0.0, 1.0]}  # infeasible, NaN, unbounded


def thousand() -> tuple[np.ndarray, np.ndarray]:
    """1000 items, three of them bad, and which are good."""
    rng = np.random.default_rng(0)
    thetas = np.column_stack([rng.random(1000) + 0.1, rng.random(1000), rng.random(1000) + 1.0])
    for k, theta in BAD.items():
        thetas[k] = theta
    return thetas, ~np.isin(np.arange(1000), list(BAD))


def test_three_bad_items_do_not_touch_the_other_997() -> None:
    """Of 1000 items one infeasible, one NaN and one unbounded are flagged; 997 equal single calls bit for bit."""
    thetas, good = thousand()
    call, outputs = solved(price(), thetas, on_failure="nan")
    status = np.array([code.name for code in call.batch.status])
    assert status[[17, 400, 801]].tolist() == ["INFEASIBLE", "INVALID_MODEL", "DUAL_INFEASIBLE"]
    assert (status[good] == "OPTIMAL").all() and [k for k, why in enumerate(call.reasons) if why] == list(BAD)
    assert call.reasons[400] == "parameter 0 is nan"
    assert np.isnan(outputs[~good]).all()
    single = Batch.of(*price())
    np.testing.assert_array_equal(outputs[good], [Call(single).solve(theta[None])[0] for theta in thetas[good]])
    gradients = call.derivative("vjp", np.arange(1000), np.ones((1000, 2)))
    assert not gradients[~good].any()
    np.testing.assert_allclose(gradients[good], np.tile([0.0, 2.0, 0.0], (997, 1)), atol=1e-9)


def test_order_is_kept_and_nothing_depends_on_it() -> None:
    """A shuffled batch gives the shuffled results, bit for bit, and so do derivatives."""
    rng = np.random.default_rng(1)
    thetas = rng.standard_normal((20, 19))
    batch, shuffled = Batch.of(*projection()), rng.permutation(20)
    one, other = Call(batch), Call(batch)
    np.testing.assert_array_equal(one.solve(thetas)[shuffled], other.solve(thetas[shuffled]))
    seeds = rng.standard_normal((20, 8))
    one_by_one = [one.derivative("vjp", np.array([k]), seeds[k : k + 1])[0] for k in shuffled]
    np.testing.assert_allclose(
        one_by_one, other.derivative("vjp", np.arange(20), seeds[shuffled]), rtol=1e-12, atol=1e-14
    )


@pytest.mark.parametrize("size", [0, 1])
def test_batches_of_none_and_of_one(size: int) -> None:
    """A batch may be empty, or have one item, in values and in both derivatives."""
    call, outputs = solved(projection(), np.ones((size, 19)))
    assert outputs.shape == (size, 8) and call.batch.status == [CODES.OPTIMAL] * size
    assert call.derivative("vjp", np.arange(size), np.ones((size, 8))).shape == (size, 19)
    assert call.derivative("jvp", np.arange(size), np.ones((size, 19))).shape == (size, 8)


def test_derivatives_are_those_of_central_differences() -> None:
    """Both modes agree with differences of solves, and with each other to 1e-9."""
    rng = np.random.default_rng(2)
    thetas, step = rng.standard_normal((3, 19)), rng.standard_normal((3, 19))
    call, _ = solved(projection(), thetas)
    there, back = (Call(call.batch).solve(thetas + h * step) for h in (1e-5, -1e-5))
    forward = call.derivative("jvp", np.arange(3), step)
    np.testing.assert_allclose(forward, (there - back) / 2e-5, rtol=1e-5, atol=1e-6)
    seeds = rng.standard_normal((3, 8))
    reverse = call.derivative("vjp", np.arange(3), seeds)
    np.testing.assert_allclose((seeds * forward).sum(1), (reverse * step).sum(1), rtol=1e-9)


def test_many_vectors_of_one_item() -> None:
    """An item may be asked for many derivatives in one call, in any order among those of others."""
    rng = np.random.default_rng(3)
    call, _ = solved(projection(), rng.standard_normal((2, 19)))
    seeds, places = rng.standard_normal((5, 8)), np.array([1, 0, 1, 1, 0])
    together = call.derivative("vjp", places, seeds)
    alone = [
        call.derivative("vjp", np.array([place]), seed[None])[0] for place, seed in zip(places, seeds, strict=True)
    ]
    np.testing.assert_allclose(together, alone, rtol=1e-12, atol=1e-14)


# ---------------------------------------------------------------------- items that fail
def test_raise_names_all_that_failed() -> None:
    """The error holds the places, statuses and reasons, and the batch is usable afterwards."""
    batch = Batch.of(*price())
    with pytest.raises(ot.layers.UnsolvedItems, match=r"2 of 3 items have no solution: item 0 .*item 2") as caught:
        Call(batch).solve(np.array([[1.0, 3.0, 1.0], [1.0, 0.0, 1.0], [np.nan, 0.0, 1.0]]))
    assert isinstance(caught.value, ot.OptangentError)
    assert caught.value.indices == [0, 2]
    assert caught.value.statuses == [CODES.INFEASIBLE, CODES.INVALID_MODEL]
    assert batch.status == [CODES.INFEASIBLE, CODES.OPTIMAL, CODES.INVALID_MODEL]
    assert "NaN" in str(caught.value) or "nan" in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    np.testing.assert_allclose(Call(batch).solve(np.array([[1.0, 0.5, 1.0]])), [[0.5, 0.5]], atol=1e-6)


def test_zero_gradient_leaves_no_nan() -> None:
    """With "zero_gradient" a loss of all outputs stays finite, and so does its gradient."""
    call, outputs = solved(price(), list(BAD.values()), on_failure="zero_gradient")
    assert np.isfinite(outputs).all() and all(call.reasons)
    assert not call.derivative("vjp", np.arange(3), np.full((3, 2), np.nan)).any()
    assert not call.derivative("jvp", np.arange(3), np.ones((3, 3))).any()


def test_a_bad_cotangent_stays_with_its_item() -> None:
    """An infinite loss of one item makes its gradient NaN, and no other."""
    call, _ = solved(interval(), [[1.0, 3.0], [2.0, 3.0]])
    gradients = call.derivative("vjp", np.arange(2), np.array([[np.inf], [1.0]]))
    assert np.isnan(gradients[0]).all()
    np.testing.assert_allclose(gradients[1], [1.0, 0.0], atol=1e-9)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_the_number_that_is_not_finite_is_named(bad: float) -> None:
    """The reason says which parameter, and where in it."""
    thetas = np.zeros((2, 19))
    thetas[1, 4 * 2 + 3] = thetas[1, 15] = bad
    call, _ = solved(projection(), thetas, on_failure="nan")
    assert call.reasons == ["", f"parameter 0 is {bad} at (2, 3)"]


def test_items_without_derivatives_are_failures() -> None:
    """A mixed-integer solution has values but no derivatives: an error that names it, or zero."""
    parts = interval(ot.solvers.HiGHS)
    model, _, (x,) = parts
    model.minimize(1.0 * x)
    model.add_constraint(x, ot.Integer())
    call, outputs = solved(parts, [[0.5, 3.0], [1.5, 3.0]])
    np.testing.assert_allclose(outputs, [[1.0], [2.0]])
    with pytest.raises(ot.layers.UnsolvedItems, match="1 of 2 items has no derivative: item 1"):
        call.derivative("vjp", np.arange(2), np.array([[0.0], [1.0]]))
    call, _ = solved(parts, [[0.5, 3.0], [1.5, 3.0]], on_failure="nan")
    assert not call.derivative("vjp", np.arange(2), np.ones((2, 1))).any()
    assert all("integer" in why for why in call.batch.reasons)


@pytest.mark.parametrize("chosen", [None, ot.QuadraticDiff], ids=["dense", "general"])
def test_a_weakly_active_item_is_told_once(chosen: Any) -> None:
    """At a kink one warning comes for the layer, by either route, and the status of every item is kept."""
    parts = interval()
    parts[0].set(ot.ModelConstructor(), chosen)
    batch = Batch.of(*parts)
    call = Call(batch)
    call.solve(np.array([[1.0, 3.0], [0.0, 3.0]]))
    assert {code.name for code in batch.differentiation_status} == {"NOT_DIFFERENTIATED"}
    with pytest.warns(ot.DifferentiationWarning, match="item 1 .*WEAKLY_ACTIVE"):
        call.derivative("vjp", np.arange(2), np.ones((2, 1)))
    assert [code.name for code in batch.differentiation_status] == ["EXACT", "WEAKLY_ACTIVE"]
    call.derivative("vjp", np.arange(2), np.ones((2, 1)))  # no second warning, which would be an error here


# ---------------------------------------------------------------------- other solvers
class LazyOne(ArraySolver):
    """A solver that gives up."""

    name = "lazy"
    abilities = Clarabel.abilities

    def option_names(self) -> list[str]:
        """None."""
        return []

    def load_arrays(self, form: Any) -> None:
        """Nothing to load."""

    def run(self, form: Any, start: Any = None) -> Result:
        """No answer."""
        return Result(CODES.ITERATION_LIMIT, "lazy")


Lazy = LazyOne


def test_retry_solves_what_the_first_solver_gives_up_on() -> None:
    """The next solver's items are like others: solved, with derivatives."""
    thetas = [[1.0, 3.0], [2.0, 3.0]]
    call, outputs = solved(interval(Lazy), thetas, on_failure="nan")
    assert np.isnan(outputs).all() and call.batch.status[0] is not CODES.OPTIMAL
    call, outputs = solved(interval(Lazy), thetas, retry=[Lazy, ot.solvers.Clarabel])
    np.testing.assert_allclose(outputs, [[1.0], [2.0]], atol=1e-8)
    assert call.batch.status == [CODES.OPTIMAL] * 2 and call.reasons == ["", ""]
    np.testing.assert_allclose(call.derivative("vjp", np.arange(2), np.ones((2, 1))), [[1.0, 0.0]] * 2, atol=1e-9)


def test_retry_leaves_proved_failures_alone() -> None:
    """No other solver is asked about an item that is infeasible, and the model is not touched."""
    asked = []

    def counting() -> Any:
        asked.append(1)
        return ot.solvers.Clarabel()

    parts = interval()
    call, _ = solved(parts, [[3.0, 1.0]], retry=[counting], on_failure="nan")
    made = len(asked)
    assert call.batch.status == [CODES.INFEASIBLE]
    call.solve(np.array([[3.0, 1.0]]))
    assert len(asked) == made and parts[0].get(ot.SolverName()) == "Clarabel"
    assert parts[0].termination_status() is CODES.OPTIMIZE_NOT_CALLED


def test_settings_of_the_model_hold_for_other_solvers() -> None:
    """A copy with another solver keeps the settings of differentiation."""
    model, *rest = interval(Lazy)
    model.set(ot.AllowInaccurateSolution(), True)
    batch = Batch.of(model, *rest, retry=[ot.solvers.Clarabel])
    assert len(batch.programs) == 2
    assert variant(model, ot.solvers.Clarabel).get(ot.AllowInaccurateSolution()) is True


# ---------------------------------------------------------------------- where solves start
class Recorder:
    """A program that notes what each solve starts from."""

    parameter_shapes, output_shapes = ((),), ((),)
    parameter_size = output_size = 1

    def __init__(self) -> None:
        self.warm: list[list[float | None]] = []

    def solve_batch(self, thetas: np.ndarray, warm: list[Any] | None) -> list[Any]:
        self.warm.append([None if item is None else item.outputs[0] for item in warm or [None] * len(thetas)])
        return [Solved(theta[0]) for theta in thetas]


class Solved:
    """An item that fails below zero."""

    def __init__(self, value: float) -> None:
        self.outputs = np.array([value])
        self.status = CODES.OPTIMAL
        self.reason = "" if value >= 0 else "negative"
        self.factorization: Any = object()

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"factorization": None}


def run(warm_start: bool | str, *calls: tuple[bool, list[float]]) -> list[list[float | None]]:
    """What the items of the calls, in training or not, started from."""
    program = Recorder()
    batch = Batch(program, "nan", warm_start=warm_start)
    for training, values in calls:
        if training is False and values == []:
            batch.begin_pass()
        else:
            Call(batch, training).solve(np.array(values)[:, None])
    return program.warm


def test_by_default_every_solve_starts_from_scratch() -> None:
    """Results depend on the parameters alone."""
    assert run(False, (True, [1.0, 2.0]), (True, [3.0, 4.0])) == [[None, None], [None, None]]


def test_training_starts_from_the_previous_call() -> None:
    """Each item from that at its place; a failed one leaves the start before it, a larger batch has none at its end."""
    found = run("position", (True, [1.0, 2.0]), (True, [3.0, -1.0]), (False, [9.0]), (True, [5.0, 6.0, 7.0]))
    assert found == [[None, None], [1.0, 2.0], [None], [3.0, 2.0, None]]
    assert run(True, (True, [1.0]), (True, [2.0])) == [[None], [1.0]]


def test_evaluation_starts_from_the_previous_pass() -> None:
    """With "order" the n-th item of a pass starts from the n-th of the pass before, however it is cut into batches."""
    begin = (False, list[float]())
    found = run("order", (False, [1.0, 2.0]), (False, [3.0]), begin, (False, [4.0]), (False, [5.0, 6.0]))
    assert found == [[None, None], [None], [1.0], [2.0, 3.0]]


def test_starts_hold_no_factorization() -> None:
    """What is kept between calls is as small as a pickle."""
    batch = Batch(Recorder(), warm_start=True)
    call = Call(batch)
    call.solve(np.array([[1.0]]))
    assert call.items[0].factorization is not None and batch._last[0].factorization is None


@pytest.mark.parametrize("solver", [ot.solvers.SCS, ot.solvers.Clarabel, ot.solvers.HiGHS])
def test_warm_starts_give_the_same_solution(solver: Any) -> None:
    """A warm start changes the way to the solution, not the solution."""
    batch = Batch.of(*interval(solver), warm_start=True)
    for lo in (1.0, 1.1, 0.9):
        np.testing.assert_allclose(Call(batch).solve(np.array([[lo, 3.0]])), [[lo]], atol=1e-6)


def test_starts_reach_the_solver(monkeypatch: pytest.MonkeyPatch) -> None:
    """A first-order method is told the previous solution of the item, with duals; without warm starts nothing."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.SCS))
    x, p = model.add_variable(), model.add_parameter(1.0)
    model.add_constraint(ot.vectorize([1.0 * x, 1.0 * p, 0.0 * x]), ot.SecondOrderCone(3))
    model.minimize(1.0 * x)
    starts: list[Any] = []
    run = SCS.run

    def noting(self: Any, form: Any, start: Any = None) -> Any:
        starts.append(start)
        return run(self, form, start)

    monkeypatch.setattr(SCS, "run", noting)
    for warm_start in (True, False):
        starts.clear()
        batch = Batch.of(model, [p], [x], warm_start=warm_start)
        for size in (1.0, 1.1):
            Call(batch).solve(np.array([[size]]))
        assert starts[0] is None
        if not warm_start:
            assert starts[-1] is None
        else:
            np.testing.assert_allclose(starts[-1].x, [1.0], atol=1e-6)
            assert np.count_nonzero(starts[-1].dual) >= 2  # a dual of the cone, at its place


def test_real_items_are_kept_without_their_systems() -> None:
    """A copy to start from has the solution alone, and can still be differentiated."""
    call, _ = solved(interval(), [[1.0, 3.0]])
    other = copy.copy(call.items[0])
    assert other.state.dense is None and call.items[0].state.dense is not None
    np.testing.assert_array_equal(other.vjp(np.ones(1)), call.items[0].vjp(np.ones(1)))


# ---------------------------------------------------------------------- choices and copies
@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"on_failure": "ignore"}, "'raise', 'nan', 'zero_gradient' or 'closest', got 'ignore'"),
        ({"warm_start": "always"}, "'position' or 'order', got 'always'"),
        ({"executor": 3}, "or a dask Client, got 3"),
        ({"retry": ["SCS"]}, "callables that make a solver, got 'SCS'"),
    ],
)
def test_wrong_choices_are_refused(choices: dict[str, Any], words: str) -> None:
    """The error lists what there is to choose from."""
    with pytest.raises(ot.InvalidData, match=words):
        Batch.of(*interval(), **choices)


def test_copies_are_independent() -> None:
    """A deep copy and a pickle give the same results; they take along no starts."""
    batch = Batch.of(*interval(lambda: ot.solvers.Clarabel(tol_feas=1e-9)), warm_start=True)
    thetas = np.array([[1.0, 3.0]])
    expected = Call(batch).solve(thetas)
    for other in (copy.deepcopy(batch), pickle.loads(pickle.dumps(batch))):
        assert not other._last and other.status == batch.status
        np.testing.assert_array_equal(Call(other).solve(thetas), expected)
