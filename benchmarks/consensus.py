"""Consensus least squares on a dask cluster: solve and gradient, with one worker and with two.

    python benchmarks/consensus.py [--blocks 8] [--rows 200000] [--columns 200] [--repeats 3]

Nonnegative least squares whose blocks are made on the workers, by default eight of 200,000 × 200 doubles (2.6 GB in
all, and as much memory). For one and two workers (processes, a BLAS thread each): seconds to load and factorize the
blocks, to solve, and to pull a loss of x back to all b, and CPU seconds of the busier worker in the first two, which do
not depend on what else the machine does; of one solve the reductions, messages and bytes as `traffic` counts them, and
what dask's workers sent by their own count; one reduction in milliseconds, beside a block's own work.
The answer is compared with `scipy.optimize.nnls` on the triangular factor of all rows, and the gradient with central
differences of it. Ends with 1 if either is further away than 1e-8 and 1e-6, or if more than vectors travelled.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

import threads  # noqa: F401 - before NumPy

# isort: split
import numpy as np
import scipy.linalg
import scipy.optimize
from measuring import relative, timed

import optangent as ot
from optangent.solvers.distributed.block import Block


def made_there(seed: int, rows: int, columns: int) -> Callable[[], tuple[Any, Any]]:
    """A source: correlated columns, an x with zeros, noise. A function within one, which dask sends by value."""

    def make() -> tuple[Any, Any]:
        rng = np.random.default_rng(seed)
        A = rng.standard_normal((rows, columns))
        A[:, 1:] += 0.7 * A[:, :-1]
        x = np.maximum(np.random.default_rng(99).standard_normal(columns), 0.0)
        return A, A @ x + rng.standard_normal(rows)

    return make


def reference(sources: list[Callable[[], tuple[Any, Any]]], seed: Any) -> tuple[Any, float]:
    """The solution by SciPy, and the slope of ⟨seed, x⟩ as all b move along `tangent`."""
    gram, c, slope = 0.0, 0.0, 0.0
    for source in sources:
        A, b = source()
        gram, c, slope = gram + A.T @ A, c + A.T @ b, slope + A.T @ tangent(len(b))
    U = scipy.linalg.cholesky(gram)

    def solution(h: float) -> Any:
        return scipy.optimize.nnls(U, scipy.linalg.solve_triangular(U, c + h * slope, trans="T"))[0]

    h = 1e-3
    return solution(0.0), float(seed @ (solution(h) - solution(-h)) / (2 * h))


def measured(client: Any, sources: list[Callable[[], tuple[Any, Any]]], repeats: int, seed: Any) -> dict[str, Any]:
    """Seconds and counts of one problem on a cluster."""

    def sent(dask_worker: Any) -> int:
        return int(dask_worker.transfer_outgoing_bytes_total)

    def cpu() -> dict[str, float]:
        found: dict[str, float] = client.run(time.process_time)
        return found

    def busier(before: dict[str, float], after: dict[str, float]) -> float:
        return max(after[worker] - before[worker] for worker in after)

    client.run(import_module, "optangent")
    first = cpu()
    loading, problem = timed(lambda: ot.distributed.ConsensusLeastSquares(sources, client, patience=600.0))
    with problem:
        problem.solve(max_iterations=5)  # the first factors
        loaded = cpu()
        before = sum(client.run(sent).values())
        problem.solve()
        solved = cpu()
        after = sum(client.run(sent).values())
        solving, solution = min((timed(problem.solve) for _ in range(repeats)), key=lambda one: one[0])
        pulling, gradient = min((timed(lambda: problem.vjp(seed)) for _ in range(repeats)), key=lambda one: one[0])
        slope = float(seed @ problem.jvp({k: partial(tangent, m) for k, m in enumerate(problem.rows)}))
        system = problem._system
        one = [timed(lambda: system.product(np.ones((problem.n, 1))))[0] for _ in range(30)]
    return {
        "loading": loading,
        "cpu": (busier(first, loaded), busier(loaded, solved)),
        "solving": solving,
        "pulling": pulling,
        "solution": solution,
        "status": gradient.status.name,
        "slope": slope,
        "sent": after - before,
        "reduction": float(np.median(one)),
    }


def tangent(rows: int) -> Any:
    """Of every block's b."""
    return np.cos(np.arange(rows))


def own_work(source: Callable[[], tuple[Any, Any]]) -> dict[str, float]:
    """Milliseconds of what a block does, here."""
    making, block = timed(lambda: Block(0, source))
    n = block.A.shape[1]
    block.prepare(np.diag(block.gram) / 8.0, 1.0, 1.6)
    block.step(0, np.zeros(n))
    found = {"making and AᵀA": making}
    for name, run in {
        "step": lambda k: block.step(k, np.ones(n)),
        "product": lambda k: block.product(np.ones((n, 1))),
        "gradient": lambda k: block.gradient(np.ones(n)),
    }.items():
        found[name] = min(timed(lambda k=k, run=run: run(k))[0] for k in range(1, 6))
    return {name: 1e3 * seconds for name, seconds in found.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=8)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--columns", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    import distributed

    sources = [made_there(seed, given.rows, given.columns) for seed in range(given.blocks)]
    seed = np.random.default_rng(7).standard_normal(given.columns)
    start = time.perf_counter()
    expected, slope = reference(sources, seed)
    print(f"reference: {time.perf_counter() - start:.1f} s; a block: {own_work(sources[0])} ms")
    size = given.blocks * given.rows * (given.columns + 1) * 8
    good = True
    print(f"{'workers':7}{'load s':>8}{'CPU s':>7}{'solve s':>9}{'CPU s':>7}{'vjp s':>7}{'iterations':>12}", end="")
    print(f"{'reductions':>12}{'messages':>10}{'kB counted':>12}{'kB sent':>9}{'ms/reduction':>14}")
    for workers in (1, 2):
        options: dict[str, Any] = {"n_workers": workers, "threads_per_worker": 1, "processes": True, "memory_limit": 0}
        options |= {"dashboard_address": ":0"}
        with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
            found = measured(client, sources, given.repeats, seed)
        solution = found["solution"]
        traffic = solution.traffic
        print(
            f"{workers:7}{found['loading']:8.1f}{found['cpu'][0]:7.1f}{found['solving']:9.2f}{found['cpu'][1]:7.2f}"
            f"{found['pulling']:7.2f}"
            f"{solution.iterations:12}{traffic.reductions:12}{traffic.messages:10}{traffic.bytes / 1e3:12.0f}"
            f"{found['sent'] / 1e3:9.0f}{1e3 * found['reduction']:14.1f}"
        )
        error, off = relative(solution.x, expected), abs(found["slope"] / slope - 1)
        print(
            f"         {solution.status.name}, error {error:.1e}, residual {solution.residual:.1e}; derivative "
            f"{found['status']}, {off:.1e} from differences; {np.sum(solution.x > 0)} of {given.columns} not zero; "
            f"sent {found['sent'] / size:.1e} of the data"
        )
        good &= error <= 1e-8 and off <= 1e-6 and found["sent"] < 0.01 * size
    raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    main()
