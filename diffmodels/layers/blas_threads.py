"""BLAS kept to one thread, where many small systems are solved one after the other or side by side.

BLAS divides each system among threads that wait for one another, spinning. Beside the work that worker threads share
already that gains nothing, and on cores that other processes use too the threads wait for those: measured on two
cores with two other processes, 128 quadratic programs of 100 variables and 100 rows took 10 to 20 s instead of 0.6 s.
"""

from __future__ import annotations

import functools
import threading
from contextlib import AbstractContextManager, nullcontext
from typing import Any, final

import threadpoolctl

__all__ = ["one_blas_thread", "one_blas_thread_for"]

_SMALL = 64
"""Size of systems below which BLAS takes one thread by itself (OpenBLAS from 96 on, at the earliest)."""


@final
class _OneBlasThread:
    """Keeps BLAS to one thread while any of several threads wants it; the number is the whole process's.

    To enter and leave takes some 10 µs. Threads of this process that compute other things meanwhile get one BLAS
    thread as well; what was there before comes back when the last one leaves.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._before: list[int] = []

    def __enter__(self) -> None:
        with self._lock:
            if not self._users:
                self._before = [library.num_threads for library in _libraries()]
                _set([1] * len(self._before))
            self._users += 1

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                _set(self._before)


@functools.cache
def _libraries() -> list[Any]:
    """The BLAS libraries of NumPy and SciPy, which are loaded by then; to find them takes milliseconds."""
    controllers: list[Any] = threadpoolctl.ThreadpoolController().select(user_api="blas").lib_controllers
    return controllers


def _set(counts: list[int]) -> None:
    for library, count in zip(_libraries(), counts, strict=True):
        # From threadpoolctl 3.8 on the thread that came first has OpenBLAS to itself, and what others set is ignored.
        # But who leaves last may be another than who came first.
        release = getattr(library, "clear_controlling_thread", None)
        if release is not None:
            release(force=True)
        library.set_num_threads(count)
        if release is not None:
            release(force=True)


one_blas_thread = _OneBlasThread()
_nothing: AbstractContextManager[None] = nullcontext()


def one_blas_thread_for(size: int) -> AbstractContextManager[None]:
    """The same for systems of a size, for which it may be needless."""
    return one_blas_thread if size >= _SMALL else _nothing
