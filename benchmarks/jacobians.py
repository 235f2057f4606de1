"""What a Jacobian costs beside its floor, the solves with the factors at hand.

    python benchmarks/jacobians.py [--repeats 5]

A random sparse quadratic program of 2,000 variables and 1,000 rows. *forward*: all variables by 1,000 right-hand
sides. *reverse*: 1,000 duals pulled back to all costs. The floor is the same right-hand sides solved by the factorized
system of the derivative (with its refinement), without anything that makes them or reads them. *one by one*: the first
100 of the same directions by `set`, `forward_differentiate` and `get`, beside as many columns in bulk.
"""

from __future__ import annotations

import argparse
from typing import Any

import threads  # noqa: F401 - before NumPy

# isort: split
import numpy as np
import scipy.sparse as sp
from measuring import timed

import optangent as ot

N, M, FEW = 2_000, 1_000, 100


def solved_model() -> tuple[ot.Model, Any, Any]:
    """The program, its variables and its equations."""
    rng = np.random.default_rng(0)
    A = sp.random_array((M, N), density=0.002, rng=rng, data_sampler=rng.standard_normal) + sp.eye_array(M, N)
    P = sp.diags_array(rng.uniform(0.5, 2.0, N)) + sp.diags_array(0.1 * np.ones(N - 1), offsets=1)
    model = ot.Model(ot.diff_optimizer(ot.solvers.PIQP))
    x = model.add_variables(N, name="x")
    rows = model.add_constraints(sp.csr_array(A) @ x, [ot.EqualTo(value) for value in rng.standard_normal(M).tolist()])
    model.minimize(0.5 * (x @ ((P + P.T) @ x)) + rng.standard_normal(N) @ x)
    model.optimize()
    return model, x, rows


def one_by_one(model: ot.Model, x: Any, rows: Any) -> None:
    """The natural loop."""
    constant = 0.0 * x[0] - 1.0
    for k in range(FEW):
        model.empty_input_sensitivities()
        model.set(ot.ForwardConstraintFunction(), rows[k], constant)
        model.forward_differentiate()
        model.get(ot.ForwardVariablePrimal(), x)


def main() -> None:
    """Print milliseconds and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    model, x, rows = solved_model()
    J, back = model.jacobian(of=x, wrt=rows), model.jacobian(of=rows, wrt=x)
    system = model.meta_solver.derivative().point.solution.system
    right = np.zeros((system.size, M))
    right[-M + np.arange(M), np.arange(M)] = 1.0
    every, few = np.eye(M), np.eye(M)[:, :FEW]
    works = {
        "floor": lambda: system.solve(right),
        "forward": lambda: J @ every,
        "reverse": lambda: back.T @ every,
        "100 in bulk": lambda: J @ few,
        "100 one by one": lambda: one_by_one(model, x, rows),
    }
    least = dict.fromkeys(works, np.inf)
    for _ in range(repeats):
        for name, work in works.items():
            least[name] = min(least[name], timed(work)[0])
    for name in ("forward", "reverse"):
        ratio = least[name] / least["floor"]
        print(f"{name:8} {1e3 * least[name]:8.1f} ms, floor {1e3 * least['floor']:8.1f} ms, ratio {ratio:.2f}")
    loop, bulk = least["100 one by one"] / FEW, least["100 in bulk"] / FEW
    print(f"one by one {1e3 * loop:.3f} ms a direction, in bulk {1e3 * bulk:.3f} ms, ratio {loop / bulk:.1f}")


if __name__ == "__main__":
    main()
