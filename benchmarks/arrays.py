"""Arrays of functions: building them and reading their values, beside NumPy and SciPy on the numbers alone.

    python benchmarks/arrays.py [--side 200] [--repetitions 5]

A square array of side² variables (40,000), products with matrices on either side, sums and comparisons of it, and the
values, duals and reduced costs of a solved model. The yardstick of a product ``A @ X`` is SciPy's ``kron(A, I)``, the
same coefficients; of reading, the same of an array of numbers.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp
from measuring import timed

import optangent as ot


def report(what: str, ours: Callable[[], Any], theirs: Callable[[], Any] | None, repetitions: int) -> None:
    """Print the best times of both, in turns."""
    best = [np.inf, np.inf]
    for _ in range(repetitions):
        for k, run in enumerate((ours, theirs)):
            if run is not None:
                best[k] = min(best[k], timed(run)[0])
    beside = "" if theirs is None else f"{best[1] * 1e3:10.2f}{best[0] / best[1]:8.1f}"
    print(f"{what:44s}{best[0] * 1e3:10.2f}{beside}")


def main() -> None:
    """Measure."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--side", type=int, default=200)
    arguments.add_argument("--repetitions", type=int, default=5)
    chosen = arguments.parse_args()
    n, rng = chosen.side, np.random.default_rng(1)
    A, D = sp.random_array((10 * n, n), density=0.05, format="csr", rng=rng), rng.standard_normal((n, n))
    large = sp.random_array((n * n, n * n), density=20 / (n * n), format="csr", rng=rng)
    model = ot.Model(ot.solvers.HiGHS)
    X = model.add_variables((n, n), lower=0.0, upper=1.0)
    x, eye = rng.standard_normal((n, n)), sp.eye_array(n, format="csr")
    print(f"{n} x {n} variables{'':29s}{'ms':>10s}{'numbers':>10s}{'times':>8s}")
    for what, ours, theirs in (
        ("add_variables, with bounds", lambda: ot.Model().add_variables((n, n), lower=0.0, upper=1.0), None),
        ("add_variables, with names", lambda: ot.Model().add_variables((n, n), "X"), None),
        (f"A @ X, {A.nnz * n:,} terms", lambda: A @ X, lambda: sp.kron(A, eye, format="csr")),
        (f"X @ D, {n**3:,} terms", lambda: X @ D, lambda: sp.kron(eye, D.T, format="csr")),
        (f"A @ x of {n * n:,} rows, {large.nnz:,} terms", lambda: large @ X.ravel(), large.copy),
        ("2 X.T - D", lambda: 2.0 * X.T - D, lambda: 2.0 * x.T - D),
        ("(D * X).sum()", lambda: (D * X).sum(), lambda: (D * x).sum()),
        ("X.sum(axis=0)", lambda: X.sum(axis=0), lambda: x.sum(axis=0)),
        ("np.stack([X, X.T])", lambda: np.stack([X, X.T]), lambda: np.stack([x, x.T])),
    ):
        report(what, ours, theirs, chosen.repetitions)
    c = model.add_constraint(X + X.T <= 1.5)
    model.minimize((D * X).sum())
    model.optimize()
    f, product, v = 2.0 * X + 1.0, A @ X, list(X.ravel())
    x = model.value(X)
    for what, ours, theirs in (
        ("value of X", lambda: model.value(X), x.copy),
        ("value of 2 X + 1", lambda: model.value(f), lambda: 2.0 * x + 1.0),
        ("value of A @ X", lambda: model.value(product), lambda: A @ x),
        ("value of a list of variables", lambda: model.value(v), None),
        ("value and dual of a constraint of the shape", lambda: (model.value(c), model.dual(c)), None),
        ("reduced costs", lambda: model.reduced_cost(X), None),
    ):
        report(what, ours, theirs, chosen.repetitions)


if __name__ == "__main__":
    main()
