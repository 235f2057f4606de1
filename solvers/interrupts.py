"""Ctrl-C during a solve: noted while the library works, raised once it has stopped.

An exception must not pass through a library's own frames. So while a solve runs in the main thread (the only one
that gets signals) Ctrl-C is noted in a list, the library asks through a callback whether to stop, and whatever
handled the signal before is called when the library has returned: usually it raises KeyboardInterrupt.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any

__all__ = ["run_noting_interrupts"]


def run_noting_interrupts(run: Callable[[], Any], caught: list[Any]) -> Any:
    """What ``run()`` returns; meanwhile Ctrl-C is appended to `caught`, into which the library's callback looks."""
    if threading.current_thread() is not threading.main_thread():
        return run()
    before = signal.signal(signal.SIGINT, lambda *arguments: caught.append(arguments))
    try:
        outcome = run()
    finally:
        signal.signal(signal.SIGINT, before)
    if caught:
        arguments = caught[0]
        caught.clear()
        if callable(before):
            before(*arguments)
        elif before is signal.SIG_DFL:
            raise KeyboardInterrupt
    return outcome
