"""What each thread has of its own: solvers and models, which no two threads may use at a time."""

from __future__ import annotations

import threading
from typing import Any, final

__all__ = ["PerThread"]


@final
class PerThread(threading.local):
    """Attributes that each thread sets for itself; copies and pickles begin without any."""

    def __reduce__(self) -> tuple[Any, ...]:
        return PerThread, ()
