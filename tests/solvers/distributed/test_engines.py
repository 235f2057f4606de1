"""Where blocks stand: pools of threads and processes, a dask cluster, and workers that die."""

from __future__ import annotations

import gc
import logging
import os
import pickle
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.solvers.distributed import executor_engine
from optangent.solvers.distributed.block import Seat
from optangent.solvers.distributed.engine import Engine

from .blocks import blocks, by_nnls, sources, stacked

PATIENCE = 60.0  # on a busy machine
QUIET: dict[str, Any] = {"dashboard_address": ":0", "silence_logs": logging.CRITICAL + 1}
DATA = blocks("plain")


def check(executor: Any, made_of: Any = None, data: Any = DATA, **options: Any) -> ot.distributed.ConsensusSolution:
    """Solve, and compare with SciPy; gradients are exact and adjoint."""
    given = sources(data) if made_of is None else made_of
    with ot.distributed.ConsensusLeastSquares(given, executor, patience=PATIENCE, **options) as problem:
        solution = problem.solve()
        np.testing.assert_allclose(solution.x, by_nnls(data), atol=1e-8 * np.abs(solution.x).max())
        rng = np.random.default_rng(0)
        seed, moves = rng.standard_normal(problem.n), [rng.standard_normal(m) for m in problem.rows]
        gradient = problem.vjp(seed)
        assert gradient.status is ot.DifferentiationStatusCode.EXACT
        back = sum(float(g @ move) for g, move in zip(gradient.b(), moves, strict=True))
        assert back == pytest.approx(seed @ problem.jvp(dict(enumerate(moves))), rel=1e-9)
    return solution


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessPoolExecutor]:
    """Two processes that share nothing with this one."""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        yield pool


# ---------------------------------------------------------------------- executors
class Unnumbered(Executor):
    """Does not say how many workers it has."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(2)

    def submit(self, function: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        return self.pool.submit(function, *args, **options)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self.pool.shutdown(wait)


def test_threads() -> None:
    """Sources that cannot be pickled will do; more threads than blocks too; nothing is left when all is over."""
    before = set(executor_engine._HELD)
    with ThreadPoolExecutor(8) as pool:
        check(pool, [lambda block=block: block for block in DATA])
        forgotten = ot.distributed.ConsensusLeastSquares(sources(DATA), pool)
        assert len(executor_engine._HELD) > len(before)
        del forgotten
        gc.collect()
    assert set(executor_engine._HELD) == before


def test_an_executor_that_does_not_count_is_told_the_number() -> None:
    """It is asked for; with it, all works."""
    with Unnumbered() as pool:
        with pytest.raises(ot.InvalidData, match=r"Unnumbered does not say how many workers.*workers=4"):
            check(pool)
        check(pool, workers=2)


def test_processes_keep_their_blocks_between_calls(processes: ProcessPoolExecutor) -> None:
    """Each block is loaded once, in one of two processes, and stays there; a second problem beside is no trouble."""
    with pytest.raises(ot.InvalidData, match=r"sources of the blocks cannot be sent to other processes.*partial"):
        ot.distributed.ConsensusLeastSquares([lambda: DATA[0]], processes)
    with ot.distributed.ConsensusLeastSquares(sources(DATA), processes, patience=PATIENCE) as problem:
        first = holders(problem._engine)
        assert [len(held) for held in first] == [2, 2]
        problem.solve()
        with ot.distributed.ConsensusLeastSquares(sources(DATA[:3]), processes, lasso=0.1) as other:
            other.solve()
        problem.vjp(np.ones(15))
        assert sorted(map(sorted, holders(problem._engine))) == sorted(map(sorted, first))
        engine = problem._engine
    assert [len(held) for held in holders(engine)] == [0, 0]  # closed: forgotten
    check(processes)


def holders(engine: Any) -> list[list[int]]:
    """What each process of a pool holds."""
    connections = engine._connect()
    try:
        return [connection.recv() for connection in connections]
    finally:
        for connection in connections:
            connection.close()


def test_a_busy_pool_is_waited_for_no_longer_than_said() -> None:
    """A worker that never gets free ends in words, and the pool is as it was."""
    import threading

    done = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        pool.submit(done.wait)
        with pytest.raises(ot.WorkerLost, match=r"0\.3 s not all of the 2 workers of ThreadPoolExecutor were free"):
            ot.distributed.ConsensusLeastSquares(sources(DATA), pool, patience=0.3)
        done.set()
        check(pool)


def test_a_pool_that_loses_a_process_says_where_it_was(processes: ProcessPoolExecutor) -> None:
    """A process is killed in the middle: the error has an x, from which another pool goes on. The last test of this."""
    problem = ot.distributed.ConsensusLeastSquares(sources(DATA), processes, patience=PATIENCE)
    kill_at(problem, 3, lambda: next(iter(processes._processes)))
    with pytest.raises(ot.WorkerLost, match=r"ProcessPoolExecutor died.*start=error.x.* 3 iterations") as lost:
        problem.solve()
    with pytest.raises(ot.WorkerLost, match="takes no tasks any more"):
        problem.solve()
    problem.close()
    assert lost.value.x is not None and np.any(lost.value.x)
    with ThreadPoolExecutor(2) as other, ot.distributed.ConsensusLeastSquares(sources(DATA), other) as again:
        np.testing.assert_allclose(again.solve(start=lost.value.x).x, by_nnls(DATA), atol=1e-9)


def kill_at(problem: Any, iteration: int, pid: Callable[[], int]) -> None:
    """Have a process killed just before an iteration."""
    engine: Engine = problem._engine
    plain = engine.reduce

    def reduce(method: str, *arguments: Any, own: Any = None) -> Any:
        if method == "step" and arguments[0] == iteration:
            engine.reduce = plain  # type: ignore[method-assign]
            os.kill(pid(), signal.SIGKILL)
        return plain(method, *arguments, own=own)

    engine.reduce = reduce  # type: ignore[method-assign]


# ---------------------------------------------------------------------- dask
@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """A cluster of two processes, with nannies that start a new worker for one that dies."""
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, **QUIET}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as one:
        yield one


@pytest.fixture(scope="module")
def near() -> Iterator[Any]:
    """A cluster of two workers in this process, which start at once."""
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": False, **QUIET}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as one:
        yield one


ROWS, COLUMNS = 20_000, 6


def made_there(seed: int, die: bool = False) -> Callable[[], Any]:
    """A source that makes its data on the worker; dask sends functions within functions by value."""

    def make() -> tuple[Any, Any]:
        if die:
            os._exit(1)
        rng = np.random.default_rng(seed)
        return rng.standard_normal((ROWS, COLUMNS)), rng.standard_normal(ROWS)

    return make


LARGE = [made_there(seed) for seed in range(4)]


def test_a_cluster_sends_vectors_only(client: Any) -> None:
    """The answer is right, and what went from the workers all in all is less than a hundredth of the smallest block."""

    def sent(dask_worker: Any) -> int:
        return int(dask_worker.transfer_outgoing_bytes_total)

    data = [make() for make in LARGE]
    before = client.run(sent)
    with ot.distributed.ConsensusLeastSquares(LARGE, client, patience=PATIENCE) as problem:
        solution = problem.solve()
        gradient = problem.vjp(np.ones(COLUMNS))
        problem.jvp(ridge=1.0)
        traffic, seats, after = problem.traffic, problem._engine.seats, client.run(sent)
        (b,) = gradient.b([3])
    np.testing.assert_allclose(solution.x, by_nnls(data), atol=1e-8 * np.abs(solution.x).max())
    np.testing.assert_allclose(b, data[3][0] @ gradient.direction, rtol=1e-8, atol=1e-15)
    assert solution.reloads == 0 and solution.status is ot.TerminationStatusCode.OPTIMAL
    assert solution.traffic.messages == 2 * seats * solution.traffic.reductions
    assert traffic.bytes <= traffic.reductions * seats * 5 * COLUMNS * 4 * 8
    # dask wraps every vector in some hundred bytes
    assert sum(after[worker] - before[worker] for worker in after) <= traffic.messages * 1000 < ROWS * COLUMNS * 8


def test_a_run_outlives_a_worker(client: Any) -> None:
    """Killed in the middle: its blocks are loaded elsewhere, the run goes on, and so do derivatives after another."""
    data = [make() for make in LARGE]
    with ot.distributed.ConsensusLeastSquares(LARGE, client, patience=PATIENCE) as problem:
        kill_at(problem, 3, lambda: some_worker(client))
        solution = problem.solve()
        assert solution.status is ot.TerminationStatusCode.OPTIMAL and solution.reloads >= 2
        np.testing.assert_allclose(solution.x, by_nnls(data), atol=1e-8 * np.abs(solution.x).max())
        seed = np.random.default_rng(0).standard_normal(COLUMNS)
        expected = problem.vjp(seed)
        assert expected.status is ot.DifferentiationStatusCode.EXACT
        os.kill(some_worker(client), signal.SIGKILL)
        again = problem.vjp(seed)
        np.testing.assert_allclose(again.direction, expected.direction, rtol=1e-9, atol=1e-15)


def some_worker(client: Any) -> int:
    """The process of the worker that holds most."""
    found = client.run(lambda dask_worker: (len(dask_worker.data), os.getpid()))
    return int(max(found.values())[1])


def test_a_block_that_kills_its_workers_is_named(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """After as many workers as it may cost, the error tells which block. The last test of this."""
    monkeypatch.setattr("optangent.solvers.distributed.dask_engine._LIVES", 2)
    with pytest.raises(ot.WorkerLost, match=r"2 workers died with block 1 on them|2 workers died with block 0, 1"):
        ot.distributed.ConsensusLeastSquares([LARGE[0], made_there(1, die=True)], client, patience=PATIENCE)


def test_errors_on_a_cluster_are_those_of_the_data(near: Any) -> None:
    """They come through as they were raised, with the block's number."""

    def broken() -> Any:
        return np.full((3, COLUMNS), np.nan), np.zeros(3)

    def late() -> Any:
        raise TimeoutError("the database does not answer")

    with pytest.raises(ot.InvalidData, match="A of block 1"):
        ot.distributed.ConsensusLeastSquares([LARGE[0], broken], near)
    with pytest.raises(ot.DimensionMismatch, match=f"Block 1 has 15 columns and block 0 has {COLUMNS}"):
        ot.distributed.ConsensusLeastSquares([LARGE[0], sources(DATA)[0]], near)
    with pytest.raises(TimeoutError, match="the database does not answer"):
        ot.distributed.ConsensusLeastSquares([LARGE[0], late], near)


def test_many_seats_are_added_in_a_tree(near: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a task adds two answers only, and vectors are handed from worker to worker."""
    monkeypatch.setattr("optangent.solvers.distributed.dask_engine._FAN_IN", 2)
    monkeypatch.setattr("optangent.solvers.distributed.dask_engine._DIRECT", 0)
    monkeypatch.setattr(near, "nthreads", lambda: dict.fromkeys(type(near).nthreads(near), 3))
    data = blocks("plain", count=6)
    with ot.distributed.ConsensusLeastSquares(sources(data), near, patience=PATIENCE) as problem:
        before, vectors = problem.traffic, np.random.default_rng(0).standard_normal((problem.n, 2))
        found = problem._system.product(vectors)
        assert problem._engine.seats == 6 and problem.traffic.since(before).messages == 12
    A, _ = stacked(data)
    np.testing.assert_allclose(found, A.T @ (A @ vectors), rtol=1e-10)


def test_an_executor_of_dask_is_its_client(near: Any) -> None:
    """What `client.get_executor()` gives stands for the cluster, not for processes here."""
    with ot.distributed.ConsensusLeastSquares(sources(DATA), near.get_executor()) as problem:
        assert type(problem._engine).__name__ == "DaskEngine" and problem.rows == (40,) * 4


def test_a_cluster_without_workers_is_refused() -> None:
    """At once, with what to do; and one that loses all of them is waited for as long as said."""
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 0, "processes": False, **QUIET}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as empty:
        with pytest.raises(ot.InvalidData, match=r"cluster has no workers.*cluster\.scale"):
            check(empty)
        cluster.scale(1)
        empty.wait_for_workers(1, timeout=PATIENCE)
        with ot.distributed.ConsensusLeastSquares(sources(DATA), empty, patience=1.0) as problem:
            cluster.scale(0)
            with pytest.raises(ot.WorkerLost, match=r"none came back within 1 s.*0 iterations") as lost:
                problem.solve()
        assert lost.value.x is not None


def test_a_seat_that_is_moved_loads_again() -> None:
    """Of a seat its sources are pickled, not its data, and its size is that of the data."""
    seat = Seat(dict(enumerate(sources(DATA))))
    empty = seat.__sizeof__()
    (shapes,) = seat.ask("describe", (), None)
    assert shapes == dict.fromkeys(range(4), (40, 15))
    assert seat.__sizeof__() > empty + 4 * 40 * 15 * 8
    assert len(pickle.dumps(seat)) < 1.2 * len(pickle.dumps(Seat(seat.sources))) and seat.blocks
    assert not pickle.loads(pickle.dumps(seat)).blocks
