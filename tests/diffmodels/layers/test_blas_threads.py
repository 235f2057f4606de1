"""BLAS has one thread where many small systems are solved, and as many as before everywhere else."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
import threadpoolctl

import optangent as ot
from optangent.diffmodels.layers.batch import Batch, Call
from optangent.diffmodels.layers.blas_threads import one_blas_thread, one_blas_thread_for
from optangent.diffmodels.layers.dense.dense_qp import DensePoints, DenseQP
from optangent.diffmodels.layers.dense.single_qp import SinglePoint, SingleQP


def most() -> int:
    """The largest number of threads of a BLAS library (that of SCS has one always)."""
    return max(pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas")


@pytest.fixture(autouse=True)
def two() -> Any:
    """Two threads for BLAS, whatever the environment says."""
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        yield
        assert most() == 2


def test_blas_is_given_back() -> None:
    """While any user is inside BLAS has one thread, afterwards as many as before."""
    with one_blas_thread:
        with one_blas_thread:
            assert most() == 1
        assert most() == 1
    assert most() == 2
    with pytest.raises(ZeroDivisionError), one_blas_thread_for(100):
        _ = 1 / 0


def test_users_in_many_threads() -> None:
    """Users that come and go in several threads always see one thread; who leaves last need not have come first."""
    seen: list[int] = []
    inside, left = threading.Event(), threading.Event()

    def first() -> None:
        with one_blas_thread:
            inside.set()
            left.wait(0.05)

    def last() -> None:
        inside.wait()
        with one_blas_thread:
            coming.join()
            seen.append(most())

    def user() -> None:
        for _ in range(20):
            with one_blas_thread:
                seen.append(most())

    coming = threading.Thread(target=first)
    for targets in ([coming, threading.Thread(target=last)], [threading.Thread(target=user) for _ in range(3)]):
        for thread in targets:
            thread.start()
        for thread in targets:
            thread.join()
        assert most() == 2
    assert len(seen) == 61 and all(one == 1 for one in seen)


@pytest.mark.parametrize("count", [1, 3])
def test_systems_of_layers_are_solved_by_one_thread(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """By default, one item or a stack of them, forward and back, where systems are large enough to be divided."""
    seen: list[int] = []

    def noting(function: Any) -> Any:
        def noted(*args: Any) -> Any:
            seen.append(most())
            return function(*args)

        return noted

    for owner, name in ((DenseQP, "points"), (DensePoints, "solve"), (SingleQP, "point"), (SinglePoint, "solve")):
        monkeypatch.setattr(owner, name, noting(getattr(owner, name)))
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    v, q = model.add_variables(60, lower=-1.0), model.add_parameters(np.zeros(60))
    model.minimize(0.5 * (v @ v) + q @ v)
    call = Call(Batch.of(model, [q], [v]))
    rng = np.random.default_rng(0)
    call.solve(rng.standard_normal((count, 60)))
    call.derivative("vjp", np.arange(count), rng.standard_normal((count, 60)))
    assert len(seen) >= 2 and all(one == 1 for one in seen)
