"""Calls that start from the solutions of the last one: the same results, with fewer calls of solvers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.diffmodels.layers.batch import Batch, Call
from optangent.diffmodels.layers.form_route import FormRoute

from .small_models import interval, projection


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The starts that solvers were given, one for each time that one was called."""
    found: list[Any] = []
    run = FormRoute._run

    def noting(self: Any, desk: Any, number: int, start: Any) -> Any:
        found.append(start)
        return run(self, desk, number, start)

    monkeypatch.setattr(FormRoute, "_run", noting)
    return found


def programs(name: str) -> tuple[Any, np.ndarray]:
    """The parts of a layer, and parameters of three items."""
    rng = np.random.default_rng(5)
    if name == "small":
        return projection(), rng.standard_normal((3, 19))
    n = {"linear": 20, "large": 300, "conic": 4}[name]
    model = ot.Model(ot.diff_optimizer(ot.solvers.SCS if name == "conic" else ot.solvers.Clarabel))
    x, p = model.add_variables(n), model.add_parameters(np.zeros(n))
    if name == "conic":
        model.add_constraint(1.0 * x, ot.SecondOrderCone(n))
    else:
        model.add_constraint(1.0 * x, ot.HyperRectangle(np.full(n, -1.0), np.ones(n)))
    if name == "linear":
        model.minimize(p @ x)
    else:
        model.minimize((x - p) @ (x - p))
    return (model, [p], [x]), 2.0 * rng.standard_normal((3, n))


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("name", ["small", "linear", "large", "conic"])
def test_a_start_near_the_solution(name: str, count: int, runs: list[Any]) -> None:
    """With linear rows no solver is called where active rows stay, with cones it gets a start; results are the same."""
    parts, thetas = programs(name)
    batch, seeds = Batch.of(*parts), None
    for k, warm in enumerate((True, True, None, True, False)):
        runs.clear()
        call, cold = Call(batch, warm=warm), Call(Batch.of(*parts))
        given = thetas[:count] * (1.0 + 1e-7 * k)
        outputs, expected = call.solve(given), cold.solve(given)
        np.testing.assert_allclose(outputs, expected, rtol=1e-9, atol=1e-9)
        starts = runs[: len(runs) - count]  # the others are those of the cold call
        if not warm or k == 0:
            assert starts == [None] * count
        else:
            assert len(starts) == (count if name == "conic" else 0) and all(start is not None for start in starts)
        seeds = np.ones_like(outputs)
        where = np.arange(count)
        np.testing.assert_allclose(
            call.derivative("vjp", where, seeds), cold.derivative("vjp", where, seeds), rtol=1e-8, atol=1e-8
        )


@pytest.mark.parametrize("name", ["small", "linear", "large", "conic"])
def test_a_start_far_away(name: str) -> None:
    """Whatever the start, the solution is that of the parameters."""
    parts, thetas = programs(name)
    batch = Batch.of(*parts)
    for given in (thetas, -thetas, thetas[::-1], 0.01 * thetas):
        expected = Call(Batch.of(*parts)).solve(given)
        np.testing.assert_allclose(Call(batch, warm=True).solve(given), expected, rtol=1e-9, atol=1e-9)


def test_a_program_that_ceases_to_be_convex_or_feasible() -> None:
    """A start is no excuse: the next item is refused or fails as without it, and the one after starts from the last."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    x = model.add_variable()
    low, high, bend = model.add_parameter(0.0), model.add_parameter(1.0), model.add_parameter(1.0)
    model.add_constraint(x - low >= 0)
    model.add_constraint(x - high <= 0)
    model.minimize(bend * x * x)
    batch = Batch.of(model, [low, high, bend], [x], on_failure="nan")
    names = []
    for theta in ([0.5, 1.0, 1.0], [0.5, 1.0, -1.0], [5.0, 1.0, 1.0], [0.6, 1.0, 1.0]):
        call = Call(batch, warm=True)
        call.solve(np.array([theta]))
        names.append(batch.status[0].name)
    assert names == ["OPTIMAL", "OTHER_ERROR", "INFEASIBLE", "OPTIMAL"]
    np.testing.assert_allclose(call.items[0].outputs, [0.6], atol=1e-12)


def test_as_an_argument_of_layers() -> None:
    """Calls that say so start from one another, in training and in evaluation; others remember nothing."""
    torch = pytest.importorskip("torch")
    layer = ot.layers.TorchLayer(*interval())
    lo, hi = torch.tensor([1.0, 2.0]), torch.tensor(3.0)
    layer(lo, hi)
    assert not layer._batch._last
    for training in (True, False):
        layer.train(training)
        torch.testing.assert_close(layer(lo, hi, warm_start=True)[0], lo)
        assert len(layer._batch._last) == 2 and not layer._batch._seen
    with pytest.raises(ot.InvalidData, match="warm_start of a call is None, True or False, got 'order'"):
        layer(lo, hi, warm_start="order")
