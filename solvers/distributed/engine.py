"""Where blocks stand: what a computer, or many, must do for a method that asks all blocks and adds up their answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from .block import Parts

__all__ = ["Engine", "Traffic", "payload"]


@dataclass(slots=True)
class Traffic:
    """What was sent, counted as each sender hands it over; tables, names and envelopes of a library do not count.

    Attributes
    ----------
    reductions : how often all blocks were asked and their answers added up
    messages : from the user's process to a seat, from a seat towards the sum, and the sum back
    bytes : of the arrays and numbers in them
    """

    reductions: int = 0
    messages: int = 0
    bytes: int = 0

    def since(self, before: Traffic) -> Traffic:
        """The difference."""
        return Traffic(self.reductions - before.reductions, self.messages - before.messages, self.bytes - before.bytes)

    def copy(self) -> Traffic:
        """As it is now."""
        return Traffic(self.reductions, self.messages, self.bytes)


def payload(parts: Any) -> int:
    """Bytes of the arrays and numbers in a message.

    Examples
    --------
    >>> payload((np.zeros(5), 1.0, {3: np.zeros(2)}))
    64
    """
    if isinstance(parts, np.ndarray):
        return int(parts.nbytes)
    if isinstance(parts, (float, int)):
        return 8
    if isinstance(parts, Mapping):
        return sum(map(payload, parts.values()))
    return sum(map(payload, parts)) if isinstance(parts, tuple) else 0


class Engine(ABC):
    """Blocks on the seats of some workers.

    Attributes
    ----------
    traffic : what was sent so far
    seats : how many
    reloads : blocks that lost their worker, and were loaded again on another
    """

    def __init__(self) -> None:
        self.traffic = Traffic()
        self.seats = self.reloads = 0

    @abstractmethod
    def reduce(self, method: str, *arguments: Any, own: Mapping[int, Any] | None = None) -> Parts:
        """Ask every block, and add up the answers.

        Parameters
        ----------
        method : of `Block`
        arguments : for all
        own : by number, one more argument; the blocks not in it are not asked

        Raises
        ------
        WorkerLost
            If a block cannot be brought to life any more.
        """

    @contextmanager
    def session(self) -> Iterator[None]:
        """While the workers stand ready for many calls of `reduce`."""
        yield

    @abstractmethod
    def close(self) -> None:
        """Free what the workers hold."""

    def count(self, arguments: Parts, answer: Parts, asked: int) -> None:
        """Add a reduction over some seats to the traffic: down to each, and up from each, wherever they are added."""
        self.traffic.reductions += 1
        self.traffic.messages += 2 * asked
        self.traffic.bytes += asked * (payload(arguments) + payload(answer))
