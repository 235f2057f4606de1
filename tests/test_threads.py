"""Threads: one model in several of them, many models in many, and what no thread may touch."""

from __future__ import annotations

import copy
import pickle
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import optangent as ot

from .fake_solver import Fake

EVERY = pytest.mark.parametrize("solver", ot.solvers.wrappers(), ids=lambda s: s.name)
SECONDS = 60.0


@pytest.fixture(autouse=True)
def _threads_change_places_often() -> Iterator[None]:
    """The interpreter gives way every 10 µs, so that a race shows."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def together(*tasks: Callable[[], Any]) -> list[BaseException]:
    """Run all at a time, each in a thread; what they raised. None may hang."""
    raised: list[BaseException] = []
    start = threading.Barrier(len(tasks))

    def run(task: Callable[[], Any]) -> None:
        start.wait(SECONDS)
        try:
            task()
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=run, args=(task,), daemon=True) for task in tasks]
    for one in threads:
        one.start()
    for one in threads:
        one.join(SECONDS)
    assert not any(one.is_alive() for one in threads), "a thread hangs"
    return raised


def projection(solver: Any, n: int = 4) -> tuple[Any, Any, Any, Any]:
    """The point of a half space nearest to p, x = p + max(1 - Σp, 0)/n, within wide bounds."""
    model = ot.Model(ot.diff_optimizer(solver))
    x, p = model.add_variables(n, lower=-50.0, upper=50.0), model.add_parameters(np.zeros(n))
    c = model.add_constraint(x.sum() >= 1)
    model.minimize((x - p) @ (x - p))
    return model, x, p, c


@EVERY
def test_threads_share_a_model(solver: Any) -> None:
    """Three threads set, solve, read and differentiate one model: each, holding its lock, gets its own answer."""
    model, x, p, c = projection(solver)

    def own(k: int) -> Callable[[], None]:
        def run() -> None:
            for t in range(4):
                given = np.full(4, -(k + 0.25 * t) - 1.0)
                with model.lock:
                    model.set_parameter_value(p, given)
                    model.optimize()
                    np.testing.assert_allclose(model.value(x), 0.25, atol=1e-5)
                    assert abs(model.dual(c) - 2 * (0.25 - given[0])) < 1e-4
                    model.set(ot.ReverseVariablePrimal(), x[0], 1.0)
                    model.reverse_differentiate()
                    np.testing.assert_allclose(
                        model.get(ot.ReverseParameterValue(), p), [0.75, *[-0.25] * 3], atol=1e-7
                    )

        return run

    assert together(*map(own, range(3))) == []


@EVERY
def test_threads_share_a_model_without_holding_its_lock(solver: Any) -> None:
    """Operations of several threads in any order raise our errors or none, and the model is sound afterwards."""
    model, x, p, c = projection(solver)
    v = model.add_variables(3, lower=0.0)

    def hammer(k: int) -> Callable[[], None]:
        def run() -> None:
            for t in range(6):
                try:
                    model.set_parameter_value(p, np.full(4, float(k - t)))
                    model.optimize()
                    model.value(x)
                    model.dual(c)
                    model.add_constraint(v[k] + x[0] >= -100.0 - t)
                    model.set(ot.VariableName(), v[k], f"v{k}{t}")
                    str(model)
                    copy.deepcopy(model)
                    model.set(ot.ReverseVariablePrimal(), x, 1.0)
                    model.reverse_differentiate()
                    pickle.dumps(model)
                except ot.OptangentError:  # another thread changed the model in between
                    continue

        return run

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # v is free to move: not unique
        assert together(*map(hammer, range(3))) == []
    model.set_parameter_value(p, np.full(4, -1.0))
    model.optimize()
    np.testing.assert_allclose(model.value(x), 0.25, atol=1e-5)


def test_many_threads_build_one_model() -> None:
    """No variable and no constraint is lost or made twice when four threads add to one model."""
    model = ot.Model(ot.solvers.HiGHS)
    made: list[Any] = []

    def build() -> None:
        for k in range(300):
            x = model.add_variable(lower=0.0, upper=1.0)
            made.append((x, model.add_constraint(2 * x <= 1), model.add_variables(2, lower=float(k))))

    assert together(*[build] * 4) == []
    assert len({x for x, *_ in made}) == 1200 and len({c for _, c, _ in made}) == 1200
    assert model.get(ot.NumberOfVariables()) == 3600
    model.maximize(sum(x for x, *_ in made[:50]))
    model.optimize()
    assert model.objective_value() == pytest.approx(25.0)


@EVERY
def test_many_models_in_many_threads(solver: Any) -> None:
    """Models of several threads do not know of each other: bitwise the answers of one thread."""

    def solve(k: int) -> tuple[Any, float]:
        model, x, p, _ = projection(solver)
        if model.supports(ot.NumberOfThreads()):
            model.set(ot.NumberOfThreads(), 1)
        model.set_parameter_value(p, np.array([0.1 * k, -1.0, 0.3, -k]))
        model.optimize()
        model.set(ot.ReverseVariablePrimal(), x, [1.0, 2.0, 3.0, 4.0])
        model.reverse_differentiate()
        return model.value(x), model.get(ot.ReverseParameterValue(), p)

    alone = [solve(k) for k in range(8)]
    beside: list[Any] = [None] * 8

    def task(k: int) -> Callable[[], None]:
        return lambda: beside.__setitem__(k, solve(k))

    assert together(*map(task, range(8))) == []
    for one, other in zip(alone, beside, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])


def test_a_model_is_pickled_while_another_thread_builds_it() -> None:
    """A pickle is of one moment, although it is written after the lock is given back."""
    model = ot.Model(ot.solvers.HiGHS)
    v = model.add_variables(5)

    def build() -> None:
        for k in range(200):
            c = model.add_constraint(v.sum() <= k, name=f"c{k}")
            model.set(ot.VariableName(), v[k % 5], f"v{k}")
            if k % 3:
                model.delete(c)

    def write() -> None:
        for _ in range(40):
            twin = pickle.loads(pickle.dumps(model))
            str(twin), twin.get(ot.NumberOfConstraints(ot.ScalarAffineFunction, ot.LessThan))

    assert together(build, write, write) == []


def test_serial_numbers_of_stores_are_given_once() -> None:
    """Stores made in threads, while others arrive in pickles, have each a number of its own."""
    far = ot.Store()
    far.base = (far.base >> 32) + 500 << 32
    written, bases = pickle.dumps(far), list[int]()

    def make() -> None:
        for _ in range(400):
            bases.append(ot.Store().base)

    assert together(make, make, lambda: [pickle.loads(written) for _ in range(100)], make) == []
    assert len(set(bases)) == len(bases) == 1200 and far.base not in bases[-1:]


# ---------------------------------------------------------------------- within the thread that has the lock
class Failing(Fake):
    """A solver that always fails."""

    def __init__(self) -> None:
        super().__init__(name="Failing", error=ot.NotOptimized("it always fails"))


def test_a_hook_of_warnings_may_use_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is called in the midst of `optimize`, in its thread, reads the model; to optimize there is refused."""
    model = ot.Model([Failing, ot.solvers.HiGHS])
    x = model.add_variable("x", lower=1.0)
    model.minimize(2.0 * x)
    seen: list[Any] = []

    def hook(message: Any, *arguments: Any, **named: Any) -> None:
        seen.append((str(message), str(model), model.termination_status()))
        with pytest.raises(ot.NotAllowed, match="being optimized"):
            model.optimize()

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        monkeypatch.setattr(warnings, "showwarning", hook)
        assert together(model.optimize) == []
    assert len(seen) == 1 and "it always fails" in seen[0][0]
    assert model.value(x) == 1.0


def test_an_exception_gives_the_lock_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """After an error, or Ctrl-C, in one thread another one can use the model."""
    model, *_ = projection(ot.solvers.HiGHS)
    for error in (KeyboardInterrupt, ot.NotOptimized("no")):

        def stop(*arguments: Any, error: Any = error) -> Any:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(ot.solvers.HiGHS, "run", stop)
            raised = together(model.optimize)
        assert len(raised) == 1 and isinstance(raised[0], (KeyboardInterrupt, ot.NotOptimized))
        assert together(model.optimize) == []
        model.set_parameter_value(model.add_parameter(1.0), 2.0)


# ---------------------------------------------------------------------- the filters of warnings
def test_worker_threads_leave_the_filters_of_warnings_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread but the main one enters `catch_warnings`, whatever route a layer takes, and in gradcheck neither."""
    torch = pytest.importorskip("torch")
    entered: list[str] = []
    original = warnings.catch_warnings.__enter__

    def noting(self: Any) -> Any:
        entered.append(threading.current_thread().name)
        return original(self)

    monkeypatch.setattr(warnings.catch_warnings, "__enter__", noting)
    before = list(warnings.filters)
    m = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    x, p = m.add_variables(2), m.add_parameters([1.0, 2.0])
    m.add_constraint(p[0] * x[0] * x[0] + x[1] * x[1] <= 1)  # lowered again at each item
    m.minimize(p @ x)
    given = torch.tensor([[1.0, 2.0]] * 4, dtype=torch.float64, requires_grad=True)
    (out,) = ot.layers.TorchLayer(m, [p], [x], executor="threads")(given)
    out.sum().backward()
    q, y, r, _ = projection(ot.solvers.Clarabel)
    (out,) = ot.layers.TorchLayer(q, [r], [y], executor="threads")(torch.zeros((4, 4), dtype=torch.float64))
    assert together(lambda: ot.gradcheck(q, [r], [y], show=0)) == []
    assert list(warnings.filters) == before
    assert set(entered) <= {threading.main_thread().name}


def test_a_warning_names_the_line_of_the_user() -> None:
    """However many layers lie between, so that Python shows it once for each place of the user's program."""
    model = ot.Model([Failing, ot.solvers.HiGHS])
    model.minimize(1.0 * model.add_variable(lower=0.0))
    with pytest.warns(ot.SolverFallbackWarning) as fallback:
        model.optimize()
    model = ot.Model(ot.diff_optimizer([Failing, ot.solvers.HiGHS]))
    x = model.add_variable(lower=0.0)
    model.minimize(0.0 * x)
    with pytest.warns(ot.SolverFallbackWarning) as behind:
        model.optimize()
    model.set(ot.ReverseVariablePrimal(), x, 1.0)
    with pytest.warns(ot.DifferentiationWarning) as kink:
        model.reverse_differentiate()
    assert {w.filename for found in (fallback, behind, kink) for w in found} == {__file__}
