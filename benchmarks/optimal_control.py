"""A discretized optimal control problem: what building, solving and differentiating cost, beside one factorization.

python benchmarks/optimal_control.py [steps ...]

A pendulum is held upright: 3 variables and 2 equations a step, one of them with a sine. The floor of a derivative is
one factorization of its KKT matrix (SuperLU) and one solve.
"""

from __future__ import annotations

import resource
import sys
import time
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu

import optangent as ot

DURATION = 10.0


def pendulum(steps: int) -> tuple[ot.Model, Any, Any]:
    """The model, its controls, and the parameters: where the pendulum is at first, and how fast."""
    model, h = ot.Model(ot.diff_optimizer(ot.solvers.Ipopt)), DURATION / steps
    q, w = model.add_variables(steps + 1), model.add_variables(steps + 1)
    u, p = model.add_variables(steps, lower=-2.0, upper=2.0), model.add_parameters(np.array([0.5, 0.1]))
    model.add_constraint(ot.vectorize([q[0], w[0]]) - p == 0.0)
    model.add_constraint(q[1:] == q[:-1] + h * w[:-1])
    model.add_constraint(w[1:] == w[:-1] + h * (np.sin(q[:-1]) + u))
    model.minimize(h * (q @ q + 0.1 * (w @ w)) + 0.05 * h * (u @ u))
    return model, u, p


def floor(model: ot.Model) -> float:
    """Seconds of a factorization of the active KKT matrix and a solve, the least of three."""
    point = model.meta_solver.derivative().point.solution
    P, A = point.local_matrices
    K = sp.csc_matrix(sp.block_array([[P, A.T], [A, None]]))
    right, least = np.ones(K.shape[0]), np.inf
    for _ in range(3):
        start = time.perf_counter()
        splu(K).solve(right)
        least = min(least, time.perf_counter() - start)
    return least


def main() -> None:
    """One line for each number of steps."""
    print(f"{'variables':>10}{'build':>8}{'solve':>8}{'Ipopt':>8}{'exact + VJP':>13}{'VJP':>8}{'floor':>8}{'MB':>7}")
    for steps in map(int, sys.argv[1:] or ("333", "1000", "3333")):
        times = [time.perf_counter()]
        model, u, p = pendulum(steps)
        times.append(time.perf_counter())
        model.optimize()
        times.append(time.perf_counter())
        for _ in range(2):
            model.empty_input_sensitivities()
            model.set(ot.ReverseVariablePrimal(), u, np.linspace(-1.0, 1.0, steps))
            model.reverse_differentiate()
            gradient = [ot.get_reverse_parameter(model, one) for one in p]
            times.append(time.perf_counter())
        assert np.isfinite(gradient).all()
        assert model.get(ot.DifferentiationStatus()) is ot.DifferentiationStatusCode.EXACT
        build, solve, first, second = np.diff(times)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{3 * steps + 2:10,d}{build:8.3f}{solve:8.2f}{model.get(ot.SolveTimeSec()):8.2f}{first:13.3f}{second:8.4f}"
            f"{floor(model):8.4f}{memory:7.0f}"
        )


if __name__ == "__main__":
    main()
