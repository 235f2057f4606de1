"""Blocks on the threads or processes of a `concurrent.futures.Executor`.

An executor hands a task to whichever worker is free, so that a second task would not find the first one's data. During
a session each worker therefore has one task, which speaks with us through a pipe and names the blocks that its process
holds already; what nobody holds is loaded. Between sessions the workers are free, and the blocks stay in their memory.
"""

from __future__ import annotations

import itertools
import os
import pickle
import queue
import secrets
import socket
import threading
import traceback
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener
from typing import Any, final

from threadpoolctl import threadpool_limits

from ...modelkit.errors import InvalidData, WorkerLost
from .block import Block, Parts, Source, added
from .engine import Engine

__all__ = ["ExecutorEngine"]

_FAMILY = "AF_UNIX" if hasattr(socket, "AF_UNIX") else "AF_INET"
"""Of pipes: the first is ten times as fast, where there is one."""
_UNPICKLED = (pickle.PicklingError, AttributeError, TypeError)
_HELD: dict[str, dict[int, Block]] = {}
"""In a worker's process: the blocks of each problem, by number."""


@final
class ExecutorEngine(Engine):
    """Blocks dealt to the workers of an executor on this machine.

    Parameters
    ----------
    executor : threads or processes
    sources : of the blocks; for processes they are pickled
    workers : how many take part, or None for as many as the executor says that it has
    patience : seconds to wait until they are free

    Raises
    ------
    InvalidData
        If the executor does not say how many workers it has, and `workers` neither.
    """

    def __init__(self, executor: Executor, sources: Sequence[Source], workers: int | None, patience: float) -> None:
        super().__init__()
        self.executor, self.sources, self.patience = executor, tuple(sources), patience
        count = getattr(executor, "_max_workers", None) if workers is None else workers
        if count is None:
            raise InvalidData(
                f"{type(executor).__name__} does not say how many workers it has; tell how many may take part, as "
                "workers=4."
            )
        self.seats = min(count, len(self.sources))
        self.key = secrets.token_hex(8)
        self._open: list[tuple[Connection, list[int]]] = []
        # threads share our memory, where blocks would outlive the problem
        self._finalizer = weakref.finalize(self, _HELD.pop, self.key, None)

    @contextmanager
    def session(self) -> Iterator[None]:
        """One task on each worker, as long as this lasts; the blocks are dealt."""
        if self._open:  # one within another
            yield
            return
        threads = isinstance(self.executor, ThreadPoolExecutor)
        connections = self._connect()
        try:
            with threadpool_limits(1, "blas") if threads else nullcontext():
                self._open = self._dealt(connections)
                yield
        finally:
            self._open = []
            for connection in connections:
                connection.close()  # ends the worker's task

    def reduce(self, method: str, *arguments: Any, own: Mapping[int, Any] | None = None) -> Parts:
        """See `Engine`; in a session of its own where there is none."""
        with self.session():
            asked = []
            for connection, numbers in self._open:
                mine = None if own is None else {number: own[number] for number in numbers if number in own}
                if mine is None or mine:
                    self._send(connection, (numbers, method, arguments, mine))
                    asked.append(connection)
            answers = [self._receive(connection) for connection in asked]
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        total = added(answers)
        self.count(arguments, total, len(asked))
        return total

    def close(self) -> None:
        """Tell the workers to drop their blocks."""
        self._finalizer()
        if isinstance(self.executor, ThreadPoolExecutor):
            return
        try:
            with self.session():
                for connection, _ in self._open:
                    self._send(connection, None)
                    self._receive(connection)
        except (RuntimeError, WorkerLost):  # the pool is shut down or broken: nothing is held any more
            pass

    def _connect(self) -> list[Connection]:
        """One pipe to a task on each worker."""
        password, enough = secrets.token_bytes(16), threading.Event()
        arrived: queue.Queue[Connection] = queue.Queue()
        connections: list[Connection] = []
        tasks: list[Future[None]] = []
        with Listener(family=_FAMILY, backlog=self.seats, authkey=password) as listener:
            accepting = threading.Thread(target=_accept, args=(listener, enough, arrived), daemon=True)
            accepting.start()
            serve = partial(_serve, listener.address, password, self.key, self.sources, os.getpid())
            try:
                tasks.extend(self._submitted(serve) for _ in range(self.seats))
                connections.extend(self._arrival(arrived, tasks) for _ in range(self.seats))
            except BaseException:
                for task in tasks:
                    task.cancel()
                for connection in connections:
                    connection.close()
                raise
            finally:
                enough.set()
                with socket.socket(getattr(socket, _FAMILY)) as waking:  # whoever accepts
                    waking.connect(listener.address)
                accepting.join()
                while not arrived.empty():  # too late: its task ends when it finds nobody
                    arrived.get().close()
        return connections

    def _submitted(self, serve: Callable[[], None]) -> Future[None]:
        try:
            return self.executor.submit(serve)
        except RuntimeError as error:
            raise WorkerLost(
                f"{type(self.executor).__name__} takes no tasks any more ({error}). "
                "Make another one, and a problem on it."
            ) from error

    def _arrival(self, arrived: queue.Queue[Connection], tasks: Sequence[Future[None]]) -> Connection:
        """The next worker that is ready, unless one of the tasks fails before."""
        for waited in itertools.count():
            try:
                return arrived.get(timeout=0.05)
            except queue.Empty:
                for task in tasks:
                    if task.done():
                        raise self._explained(task.exception()) from task.exception()
                if 0.05 * waited > self.patience:
                    raise WorkerLost(
                        f"After {self.patience:g} s not all of the {self.seats} workers of "
                        f"{type(self.executor).__name__} were free. Let other tasks end first, give a larger "
                        "patience=, or fewer workers=."
                    ) from None
        raise AssertionError

    def _explained(self, error: BaseException | None) -> Exception:
        if isinstance(error, _UNPICKLED):
            return _unsent("The sources of the blocks", error)
        return WorkerLost(
            f"A worker of {type(self.executor).__name__} ended before it could begin ({error!r}). A pool that lost a "
            "worker takes no tasks any more: make another one, and a problem on it."
        )

    def _dealt(self, connections: Sequence[Connection]) -> list[tuple[Connection, list[int]]]:
        """Each block to a worker that holds it, or else to one with few."""
        held = [set(self._receive(connection)) for connection in connections]
        dealt: list[list[int]] = [[] for _ in connections]
        # what few hold first; in a shared memory everybody holds everything, and the blocks are dealt evenly
        for number in sorted(range(len(self.sources)), key=lambda one: (not any(one in mine for mine in held), one)):
            can = [seat for seat, mine in enumerate(held) if number in mine] or range(len(connections))
            dealt[min(can, key=lambda seat: len(dealt[seat]))].append(number)
        return list(zip(connections, dealt, strict=True))

    def _send(self, connection: Connection, message: Any) -> None:
        try:
            connection.send(message)
        except OSError as error:
            raise self._lost() from error
        except _UNPICKLED as error:
            raise _unsent("What is asked of the blocks", error) from error

    def _receive(self, connection: Connection) -> Any:
        try:
            return connection.recv()
        except (EOFError, OSError) as error:
            raise self._lost() from error

    def _lost(self) -> WorkerLost:
        return WorkerLost(
            f"A worker of {type(self.executor).__name__} died. Such a pool cannot replace it: make another one, and "
            "start there from where this one came to (start=error.x). A dask cluster goes on by itself."
        )


def _unsent(what: str, error: BaseException) -> InvalidData:
    return InvalidData(
        f"{what} cannot be sent to other processes: {error}. Callables must be functions of a module, or objects of "
        "classes of one (functools.partial will do), not functions within functions."
    )


def _accept(listener: Listener, enough: threading.Event, arrived: queue.Queue[Connection]) -> None:
    while not enough.is_set():
        with suppress(OSError, EOFError, AuthenticationError):  # whoever left again before we answered
            arrived.put(listener.accept())


def _serve(address: Any, password: bytes, key: str, sources: Sequence[Source], parent: int) -> None:
    """The task of a worker during a session: blocks of its process, asked through a pipe until that is closed."""
    held = _HELD.setdefault(key, {})
    # a limit holds for the process: that of threads is set once for all, by the session
    alone = nullcontext() if os.getpid() == parent else threadpool_limits(1, "blas")
    with alone, Client(address, authkey=password) as connection:
        connection.send(list(held))
        while True:
            try:
                message = connection.recv()
            except (EOFError, OSError):
                return
            if message is None:  # forget
                _HELD.pop(key, None)
                connection.send(())
                continue
            numbers, method, arguments, own = message
            try:
                for number in numbers:
                    if number not in held:
                        held[number] = Block(number, sources[number])
                chosen = (
                    [(held[number], ()) for number in numbers]
                    if own is None
                    else [(held[number], (one,)) for number, one in own.items()]
                )
                connection.send(added([getattr(block, method)(*arguments, *more) for block, more in chosen]))
            except Exception as error:  # any at all: it is raised again where it was asked for
                connection.send(_sendable(error))


def _sendable(error: Exception) -> Exception:
    """The error itself where it can be pickled, with the worker's traceback as a note."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # pickling runs the error's own code, which may raise anything
        return RuntimeError("".join(traceback.format_exception(error)))
    error.add_note("".join(traceback.format_exception(error)))
    return error
