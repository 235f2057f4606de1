"""Blocks on the workers of a dask cluster.

A seat is a task's result that stays on its worker; asking it is a task that runs there. The answers are added in a tree
of tasks, from worker to worker, and the last few come to the user. A worker that dies takes its seats with it. Their
sources are then handed to workers that are left, and everybody is asked again: who has answered already says the same.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import Any, final

from ...modelkit.errors import InvalidData, MissingDependency, WorkerLost
from .block import Parts, Seat, Source, added
from .engine import Engine, payload

__all__ = ["DaskEngine"]

_FAN_IN = 8
"""Answers that are added at a time."""
_GLANCE = 0.5
"""Seconds after which to look whether all workers are still there."""
_DIRECT = 1_000_000
"""Bytes of a message to all seats up to which it goes through the scheduler; from there on from worker to worker."""
_LIVES = 4
"""So many workers that died with a block on them are held to have died of it."""
_FETCH = 10.0
"""Seconds after which answers that were ready, but do not come, are taken for lost with their worker."""


@final
class DaskEngine(Engine):
    """Blocks dealt to the threads of a cluster's workers.

    Parameters
    ----------
    client : ``dask.distributed.Client``
    sources : of the blocks
    workers : how many threads take part, or None for all
    patience : seconds to wait for a worker when there is none left

    Raises
    ------
    InvalidData
        If the client is asynchronous, or its cluster has no workers.
    """

    def __init__(self, client: Any, sources: Sequence[Source], workers: int | None, patience: float) -> None:
        super().__init__()
        try:
            import distributed
        except ImportError:
            raise MissingDependency(
                'A dask cluster needs dask.distributed: pip install "optangent[distributed]".'
            ) from None
        if client.asynchronous:
            raise InvalidData("The dask client is asynchronous; give one made without asynchronous=True.")
        self.client, self.patience, self._distributed = client, patience, distributed
        threads = client.nthreads()
        if not threads:
            raise InvalidData(
                "The dask cluster has no workers. Start some (cluster.scale(4)) and wait for them "
                "(client.wait_for_workers(4)) before you hand it blocks."
            )
        # the first thread of every worker, then the second ones
        places = [address for turn in range(max(threads.values())) for address, k in threads.items() if turn < k]
        self.seats = min(len(places), len(sources), workers or len(places))
        self._blocks = [{n: sources[n] for n in range(k, len(sources), self.seats)} for k in range(self.seats)]
        self._places = places[: self.seats]
        self._deaths: Counter[int] = Counter()
        self._held = [self._placed(k) for k in range(self.seats)]

    def reduce(self, method: str, *arguments: Any, own: Mapping[int, Any] | None = None) -> Parts:
        """See `Engine`; with as many attempts as workers die."""
        while True:
            sent = self._spread(arguments)
            answers = []
            for k, seat in enumerate(self._held):
                mine = None if own is None else {number: own[number] for number in self._blocks[k] if number in own}
                if mine is None or mine:
                    answers.append(self._submit(_ask, seat, method, sent, mine, workers=[self._places[k]]))
            total = self._sum(answers)
            if total is not None:
                self.count(arguments, total, len(answers))
                return total

    def close(self) -> None:
        """Let dask drop the seats."""
        self._held = []

    def _submit(self, function: Any, *arguments: Any, **where: Any) -> Any:
        # pure=False: a name of its own for every task, so that none is taken for one that was there before
        return self.client.submit(function, *arguments, pure=False, **where)

    def _placed(self, k: int) -> Any:
        return self._submit(Seat, self._blocks[k], workers=[self._places[k]])

    def _spread(self, arguments: Parts) -> Any:
        if payload(arguments) * self.seats <= _DIRECT:
            return arguments
        return self.client.scatter([arguments], broadcast=True, hash=False)[0]

    def _sum(self, answers: Sequence[Any]) -> Parts | None:
        """The sum; None if seats had to be placed anew, and all must be asked again."""
        while len(answers) > _FAN_IN:  # the last ones are added here, where the sum is wanted
            answers = [self._submit(added, answers[k : k + _FAN_IN]) for k in range(0, len(answers), _FAN_IN)]
        alone_since = None
        while True:
            with suppress(TimeoutError):
                self._distributed.wait(answers, timeout=_GLANCE)
            states = {answer.status for answer in answers}
            if states == {"finished"}:
                try:
                    return added(self.client.sync(self._gathered, answers, callback_timeout=_FETCH))
                except (TimeoutError, CancelledError):
                    pass  # what was finished is gone with its worker
            for answer in answers:
                if answer.status == "error" and not isinstance(answer.exception(), self._distributed.KilledWorker):
                    raise answer.exception()
            alive = self.client.nthreads()
            if alive and (states & {"error", "cancelled", "lost"} or set(self._places) - set(alive)):
                self._move(alive)
                return None
            alone_since = None if alive else alone_since or time.monotonic()
            if alone_since is not None and time.monotonic() - alone_since > self.patience:
                raise WorkerLost(
                    f"All workers of the dask cluster are gone, and none came back within {self.patience:g} s. "
                    "Start new ones, and go on with start=error.x."
                )

    async def _gathered(self, answers: Sequence[Any]) -> Sequence[Parts]:
        found: Sequence[Parts] = await self.client.gather(answers, asynchronous=True)
        return found

    def _move(self, alive: Mapping[str, int]) -> None:
        """Place the seats of workers that are gone, and those that failed, where the fewest are; threads by address."""
        crowd = Counter(place for place in self._places if place in alive)
        for k, place in enumerate(self._places):
            if place in alive and self._held[k].status not in ("error", "cancelled", "lost"):
                continue
            self._deaths[k] += 1
            if self._deaths[k] >= _LIVES:
                raise WorkerLost(
                    f"{_LIVES} workers died with block {', '.join(map(str, self._blocks[k]))} on them. Look whether "
                    "its source ends the process or needs more memory than a worker has (n × n numbers beside A)."
                )
            self._places[k] = min(alive, key=lambda address: crowd[address] / alive[address])
            crowd[self._places[k]] += 1
            self._held[k] = self._placed(k)
            self.reloads += len(self._blocks[k])


def _ask(seat: Seat, method: str, arguments: Parts, own: Mapping[int, Any] | None) -> Parts:
    return seat.ask(method, arguments, own)
