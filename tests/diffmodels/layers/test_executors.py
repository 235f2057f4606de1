"""Items solved in threads, processes and by other libraries: everywhere the same, bit for bit."""

from __future__ import annotations

import copy
import os
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from multiprocessing import get_context
from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.diffmodels.layers.batch import Batch, Call
from optangent.diffmodels.layers.executors import Shipment, Workers
from optangent.diffmodels.layers.variants import variant
from optangent.solvers.libraries.clarabel import Clarabel

from .small_models import interval, projection

THETAS = np.random.default_rng(0).standard_normal((12, 19))
SEEDS = np.random.default_rng(1).standard_normal((12, 8))


@contextmanager
def dask() -> Iterator[Any]:
    """A dask cluster of two processes."""
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        yield client


@contextmanager
def loky() -> Iterator[Any]:
    """Two processes of joblib's."""
    joblib = pytest.importorskip("joblib")
    with joblib.Parallel(n_jobs=2) as parallel:
        yield parallel
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor().shutdown(wait=True)


PLACES: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "names: threads": lambda: nullcontext("threads"),
    "names: processes": lambda: nullcontext("processes"),
    "names: auto": lambda: nullcontext("auto"),
    "names: threading of joblib": lambda: nullcontext("threading"),
    "a pool of threads": lambda: ThreadPoolExecutor(3),
    "a pool of spawned processes": lambda: ProcessPoolExecutor(2, mp_context=get_context("spawn")),
    "joblib": loky,
    "dask": dask,
}


@pytest.fixture(scope="module")
def expected() -> tuple[np.ndarray, np.ndarray]:
    """Outputs and gradients without an executor."""
    call = Call(Batch.of(*projection()))
    return call.solve(THETAS), call.derivative("vjp", np.arange(12), SEEDS)


@pytest.mark.parametrize("place", PLACES)
def test_results_do_not_depend_on_the_place(place: str, expected: tuple[np.ndarray, np.ndarray]) -> None:
    """Outputs and gradients of a batch, some of whose items fail, are those of the calling thread and in order."""
    if place == "names: threading of joblib":
        pytest.importorskip("joblib")
    thetas = THETAS.copy()
    thetas[5, 0] = np.nan
    good = np.arange(12) != 5
    with PLACES[place]() as executor:
        batch = Batch.of(*projection(), executor=executor, on_failure="nan")
        call = Call(batch)
        outputs = call.solve(thetas)
        gradients = call.derivative("vjp", np.arange(12), SEEDS)
        other_way = call.derivative("jvp", np.arange(12), np.ones((12, 19)))
    np.testing.assert_allclose(outputs[good], expected[0][good], rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(gradients[good], expected[1][good], rtol=1e-12, atol=1e-14)
    assert np.isnan(outputs[5]).all() and not gradients[5].any() and not other_way[5].any()
    assert [bool(why) for why in batch.reasons] == (~good).tolist()


def test_own_pools_use_other_threads_and_processes() -> None:
    """Tasks leave the calling thread, and "processes" the process, with BLAS kept to one thread from the start."""
    assert set(Workers("threads").map(os.getpid, [()] * 4)) == {os.getpid()}
    assert threading.get_ident() not in Workers("threads").map(threading.get_ident, [()] * 4)
    assert os.getpid() not in Workers("processes").map(os.getpid, [()] * 4)
    assert Workers("processes").map(os.getenv, [("OPENBLAS_NUM_THREADS",)]) == ["1"]
    assert Workers("threads").map(divmod, [(7, 2), (9, 4)]) == [(3, 1), (2, 1)]


@pytest.mark.parametrize("releases", [True, False])
def test_auto_goes_by_what_the_solver_says(releases: bool) -> None:
    """Threads are the rule; a solver that keeps Python's lock gets processes."""

    class Keeping(Clarabel):  # type: ignore[misc]
        releases_gil = releases

    workers = Batch.of(*interval(Keeping), executor="auto").workers
    assert workers is not None and workers.executor == ("threads" if releases else "processes")


def test_piqp_keeps_the_lock_and_says_so() -> None:
    """A thread beside makes no step while PIQP solves, so "auto" gives it processes."""
    pytest.importorskip("piqp")
    workers = Batch.of(*interval(ot.solvers.PIQP), executor="auto").workers
    assert workers is not None and workers.executor == "processes"
    assert longest_pause(ot.solvers.PIQP) > 0.5
    assert longest_pause(ot.solvers.Clarabel) < 0.5


def longest_pause(solver: Any) -> float:
    """Between steps of a thread beside a solve, as a part of the time of `optimize`."""
    rng, n = np.random.default_rng(0), 250
    model = ot.Model(solver)
    v = model.add_variables(n)
    model.add_constraint(rng.standard_normal((2 * n, n)) @ v <= rng.random(2 * n) + 0.1)
    model.minimize(v @ v + rng.standard_normal(n) @ v)
    steps, done = [time.perf_counter()], threading.Event()

    def step() -> None:
        while not done.wait(1e-3):
            steps.append(time.perf_counter())

    beside = threading.Thread(target=step)
    beside.start()
    start = time.perf_counter()
    model.optimize()
    end = time.perf_counter()
    done.set()
    beside.join()
    return float(np.diff([*steps, end]).max() / (end - start))


def test_threads_solve_at_the_same_time() -> None:
    """Two calls of one batch from two threads, each with threads of their own, give what one gives."""
    batch = Batch.of(*projection(), executor="threads")
    single = Call(Batch.of(*projection())).solve(THETAS)
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: Call(batch).solve(THETAS), range(6)))
    for one in found:
        np.testing.assert_allclose(one, single, rtol=1e-13, atol=1e-14)


def test_solvers_beside_each_other_get_one_thread_each() -> None:
    """The copy of the model that workers solve has one thread, unless the user has said otherwise."""
    model, *_ = interval(ot.solvers.HiGHS)
    assert variant(model, threads=1).get(ot.NumberOfThreads()) == 1
    assert model.get(ot.NumberOfThreads()) is None
    model.set(ot.NumberOfThreads(), 2)
    assert variant(model, threads=1).get(ot.NumberOfThreads()) == 2


def test_a_lambda_goes_to_other_processes() -> None:
    """A solver made by a lambda is no obstacle: a model travels with its solver's class and options."""
    batch = Batch.of(*interval(lambda: ot.solvers.Clarabel(tol_feas=1e-9)), executor="processes")
    np.testing.assert_allclose(Call(batch).solve(np.array([[1.0, 3.0], [2.0, 3.0]])), [[1.0], [2.0]], atol=1e-6)


def test_what_cannot_travel_is_refused() -> None:
    """A solver that nothing can pickle is refused, and the error says what to write instead."""
    with pytest.raises(ot.InvalidData, match="cannot be sent to other processes"):
        Shipment((threading.Lock(),))


def test_a_crash_of_a_worker_is_an_error_once() -> None:
    """The call that lost its worker fails, as a crash of a solver would make it, and the next one finds a new pool."""
    workers = Workers("processes")
    with pytest.raises(BrokenExecutor):
        workers.map(os._exit, [(1,)])
    assert workers.map(divmod, [(7, 2)]) == [(3, 1)]


@pytest.mark.parametrize("name", ["threads", "processes"])
def test_errors_come_back_as_they_are(name: str) -> None:
    """An error in a worker is raised in the caller, with its type."""
    with pytest.raises(ZeroDivisionError):
        Workers(name).map(divmod, [(7, 2), (1, 0)])


def test_executors_stay_behind() -> None:
    """A pickled batch keeps the name of its executor, not a pool; a deep copy shares the pool."""
    named = Batch.of(*interval(), executor="threads")
    other = pickle.loads(pickle.dumps(named)).workers
    assert other is not None and other.executor == "threads"
    with ThreadPoolExecutor(1) as pool:
        given = Batch.of(*interval(), executor=pool)
        assert pickle.loads(pickle.dumps(given)).workers is None
        shared = copy.deepcopy(given).workers
        assert shared is not None and shared.executor is pool
