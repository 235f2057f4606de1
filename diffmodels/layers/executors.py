"""Where the items of a batch are solved: here, in threads, in processes, or with a library of the user's choice.

The solvers that come with the package, SciPy's SuperLU and QDLDL let other Python threads run while they work
(measured: in a thread beside, the longest pause during a solve of a second was 4 ms), so threads are the rule, and
nothing is copied. A solver that keeps the lock, as PIQP does, says ``releases_gil = False``, and "auto" gives it
processes.

One adapter, `Workers`, speaks to them all: it takes a function and a list of argument tuples and returns the results
in that order.
"""

from __future__ import annotations

import functools
import hashlib
import io
import multiprocessing
import os
import pickle
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any, final

from ...modelkit.errors import InvalidData, MissingDependency
from .blas_threads import one_blas_thread

__all__ = ["Shipment", "Workers"]

_THREAD_COUNTS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
_OWN_POOLS = ("threads", "processes")
_LARGE = 1_000_000  # bytes
_KEPT = 8  # programs that a worker process keeps ready


@final
class Workers:
    """Runs a function on many arguments, wherever the user wants it.

    Parameters
    ----------
    executor : what the user gave
        "threads" or "processes" (as many as there are cores, kept for the life of the process), a
        `concurrent.futures.Executor`, the name of a joblib backend ("loky", "multiprocessing", ...), a
        ``joblib.Parallel``, or a ``dask.distributed.Client``.

    Attributes
    ----------
    count : how many run at a time, as far as that is known
    same_memory : whether arguments and results are shared, not copied

    Raises
    ------
    InvalidData
        If it is none of these.
    MissingDependency
        If joblib is asked for and not installed.

    Examples
    --------
    >>> Workers("threads").map(divmod, [(7, 2), (9, 4)])
    [(3, 1), (2, 1)]
    """

    def __init__(self, executor: Any) -> None:
        self.executor = executor
        self.count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self.same_memory = isinstance(executor, ThreadPoolExecutor) or (
            isinstance(executor, str) and executor in ("threads", "threading")
        )
        self._run: Callable[[Callable[..., Any], Sequence[tuple[Any, ...]]], list[Any]]
        if isinstance(executor, str) and executor in _OWN_POOLS:
            self._run = functools.partial(_submit_to_own, executor)
        elif isinstance(executor, Executor):
            self.count = getattr(executor, "_max_workers", self.count)
            self._run = functools.partial(_submit, executor)
        elif hasattr(executor, "get_executor"):  # a dask client
            self.count = sum(executor.ncores().values()) or 1
            self._run = functools.partial(_submit, executor.get_executor(pure=False))
        elif isinstance(executor, str) and executor in _backends():
            self._run = functools.partial(_joblib, executor)
        elif type(executor).__module__.partition(".")[0] == "joblib" and hasattr(executor, "n_jobs"):
            self._run = functools.partial(_joblib, executor)
            if (executor.n_jobs or 0) > 0:
                self.count = executor.n_jobs
        else:
            raise InvalidData(
                f"An executor is 'threads', 'processes', a concurrent.futures.Executor, a joblib backend's name "
                f"({', '.join(map(repr, _backends()))}), a joblib.Parallel or a dask Client, got {executor!r}."
            )

    def map(self, function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]]) -> list[Any]:
        """``[function(*task) for task in tasks]``, many at a time; BLAS gets one thread for each."""
        if not self.same_memory:
            return self._run(function, tasks)
        with one_blas_thread:
            return self._run(function, tasks)

    def share(self, data: bytes) -> Any:
        """What to put into the arguments in the place of some bytes that all tasks need."""
        if len(data) > _LARGE and hasattr(self.executor, "scatter"):  # dask: sent once to each worker
            return self.executor.scatter(data, broadcast=True)
        return data

    def __reduce__(self) -> tuple[Any, ...]:
        # a pool is of this process: only its name can travel
        return _revived, (self.executor if isinstance(self.executor, str) else None,)

    def __deepcopy__(self, memo: dict[int, Any]) -> Workers:
        return self


def _backends() -> list[str]:
    """The names of joblib's backends; of those that it has by itself, where it is not installed."""
    try:
        from joblib.parallel import BACKENDS, EXTERNAL_BACKENDS
    except ImportError:
        return ["loky", "multiprocessing", "sequential", "threading"]
    return sorted({*BACKENDS, *EXTERNAL_BACKENDS})


def _revived(name: str | None) -> Workers | None:
    return None if name is None else Workers(name)


def _submit(pool: Any, function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]]) -> list[Any]:
    futures = [pool.submit(function, *task) for task in tasks]
    try:
        return [future.result() for future in futures]
    except BaseException:  # nobody will want the rest
        for future in futures:
            future.cancel()
        raise


def _submit_to_own(name: str, function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]]) -> list[Any]:
    try:
        return _submit(_own_pool(name, os.getpid()), function, tasks)
    except BrokenExecutor:  # a worker died, and with it the pool: the next call starts another
        _own_pool.cache_clear()
        raise


def _joblib(executor: Any, function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]]) -> list[Any]:
    try:
        import joblib
    except ImportError:
        raise MissingDependency(
            f"The executor {executor!r} is a backend of joblib, which is not installed: "
            'pip install "optangent[distributed]". "threads" and "processes" need nothing.'
        ) from None
    parallel = joblib.Parallel(n_jobs=-1, backend=executor) if isinstance(executor, str) else executor
    return list(parallel(joblib.delayed(function)(*task) for task in tasks))


@functools.cache
def _own_pool(name: str, process: int) -> Executor:
    """A pool of this process (after a fork the parent's is of no use, hence the argument)."""
    count = Workers(name).count
    if name == "threads":
        return ThreadPoolExecutor(count, thread_name_prefix="optangent")
    # spawned, not forked: a fork copies locks that other threads hold
    pool = ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn"))
    before = {name: os.environ.get(name) for name in _THREAD_COUNTS}
    os.environ.update(dict.fromkeys(_THREAD_COUNTS, "1"))  # BLAS reads them when it is loaded
    try:
        for future in [pool.submit(os.getpid) for _ in range(count)]:
            future.result()
    finally:
        for variable, value in before.items():
            os.environ.pop(variable)
            if value is not None:
                os.environ[variable] = value
    return pool


# ---------------------------------------------------------------------- to other processes and back
class _Sender(pickle.Pickler):
    """Pickles all but the programs, which the other side has."""

    def __init__(self, file: io.BytesIO, programs: Sequence[Any]) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self._places = {id(program): place for place, program in enumerate(programs)}

    def persistent_id(self, obj: Any) -> int | None:
        return self._places.get(id(obj))


class _Receiver(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, programs: Sequence[Any]) -> None:
        super().__init__(file)
        self._programs = programs

    def persistent_load(self, pid: Any) -> Any:
        return self._programs[pid]


def _pack(value: Any, programs: Sequence[Any]) -> bytes:
    file = io.BytesIO()
    _Sender(file, programs).dump(value)
    return file.getvalue()


def _unpack(data: bytes, programs: Sequence[Any]) -> Any:
    return _Receiver(io.BytesIO(data), programs).load()


@final
class Shipment:
    """Programs made ready for other processes.

    Parameters
    ----------
    programs : sequence of `Program`

    Raises
    ------
    InvalidData
        If they cannot be pickled.
    """

    def __init__(self, programs: Sequence[Any]) -> None:
        self.programs = programs
        try:
            self._data = pickle.dumps(programs, pickle.HIGHEST_PROTOCOL)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            self._data = _pickled_by_value(programs, error)
        self._key = hashlib.blake2b(self._data, digest_size=16).hexdigest()

    def map(self, workers: Workers, function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]]) -> list[Any]:
        """``[function(programs, *task) for task in tasks]`` by the workers."""
        if workers.same_memory:
            return workers.map(function, [(self.programs, *task) for task in tasks])
        data = workers.share(self._data)
        sent = [(self._key, data, function, _pack(task, self.programs)) for task in tasks]
        return [_unpack(result, self.programs) for result in workers.map(_work, sent)]


def _pickled_by_value(programs: Sequence[Any], error: Exception) -> bytes:
    """For classes and functions that pickle does not find: cloudpickle, which comes with joblib and dask."""
    try:
        import cloudpickle

        return bytes(cloudpickle.dumps(programs))
    except (ImportError, pickle.PicklingError, AttributeError, TypeError):
        raise InvalidData(
            f"This model cannot be sent to other processes: {error}. Classes of your own, of solvers say, must stand "
            'in a module (or cloudpickle be installed); executor="threads" copies nothing.'
        ) from error


_programs: OrderedDict[str, Sequence[Any]] = OrderedDict()
_programs_lock = threading.Lock()


def _work(key: str, data: bytes, function: Callable[..., Any], task: bytes) -> bytes:
    """In a worker process: one task; its programs are kept, with their solvers, for the next ones."""
    with _programs_lock:
        if key not in _programs:
            _programs[key] = pickle.loads(data)
            if len(_programs) > _KEPT:
                _programs.popitem(last=False)
        _programs.move_to_end(key)
        programs = _programs[key]
    with one_blas_thread:
        return _pack(function(programs, *_unpack(task, programs)), programs)
