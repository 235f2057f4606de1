"""The sensitivity table of a support vector machine: every derivative of (w, b) by every data point (workload W5).

    python benchmarks/svm_table.py WORKLOADS.py [--repetitions 15]

WORKLOADS.py is the module of shared workloads; its ``svm()`` gives 1000 points in 20 dimensions, an exact solution and
an exact table: the derivative of the 21 numbers (w, b) as each point moves along (1, ..., 1). The model is built and
solved beforehand. Timed, in turns within one process:

* ours: classification of the rows, polish, factorization and all 1000 derivatives (``directional_derivatives``), the
  writing of the 1000 directions included, and also reported apart;
* the yardstick: ``scipy.sparse.linalg.splu`` of the same KKT matrix, whose active rows it is told, and one solve with
  1000 right-hand sides;
* the same transposed: one solve with the 21 outputs as right-hand sides, which is what ours does by itself.

BLAS runs on one thread: NumPy and SciPy each bring an OpenBLAS with a pool of its own, and where both pools are awake
on two cores, the many small products inside splu take ten times as long. Ends with 1 if ours takes more than 1.5 times
the yardstick, or if the table is off by more than 1e-6.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import threads  # noqa: F401 - before NumPy

# isort: split
import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spla
from measuring import load, relative

import optangent as ot

GOAL, ACCURACY = 1.5, 1e-6


def solved_model(data: dict[str, Any]) -> tuple[ot.Model, ot.VectorOfVariables, ot.ConstraintIndex]:
    """Build and solve; return the model, (w, b), and the margin constraints."""
    X, y = data["X"], data["yl"]
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    wb = model.add_variables(data["D"] + 1)
    w = wb[:-1]
    xi = model.add_variables(data["N"], lower=0.0)
    margins = model.add_constraint(np.column_stack([y[:, None] * X, y]) @ wb + xi >= 1.0)
    model.minimize(0.5 * (w @ w) + data["C"] * xi.sum())
    model.optimize()
    return model, wb, margins


def directions(data: dict[str, Any], wb: ot.VectorOfVariables, margins: ot.ConstraintIndex) -> list[dict[Any, Any]]:
    """Point i along (1, ..., 1): the function of row i changes by y_i * sum(w)."""
    total = wb[:-1].sum()
    tangents = {1.0: total, -1.0: -total}
    return [{(margins, i): tangents[label]} for i, label in enumerate(data["yl"].tolist())]


def yardstick(data: dict[str, Any], *, adjoint: bool) -> np.ndarray:
    """One LU factorization of the active KKT matrix, and one solve with all directions, or all outputs, at once."""
    n, count, width, x, active = data["P"].shape[0], data["N"], data["D"], data["x"], data["active"]
    rows = data["G"][active]
    K = sp.block_array([[data["P"], rows.T], [rows, None]], format="csc")
    factor = spla.splu(K)
    z = np.zeros(2 * count)
    z[active] = factor.solve(np.concatenate([-data["q"], data["h"][active]]))[n:]
    R = np.zeros((K.shape[0], count))
    R[:width] = data["yl"] * z[:count]
    moving = np.flatnonzero(active < count)
    points = active[moving]
    R[n + moving, points] = data["yl"][points] * x[:width].sum()
    if not adjoint:
        return factor.solve(R)[: width + 1].T
    return R.T @ factor.solve(np.eye(K.shape[0], width + 1))


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workloads", type=Path)
    parser.add_argument("--repetitions", type=int, default=15)
    arguments = parser.parse_args()
    data = load(arguments.workloads).svm()
    expected = data["ref_sens"].T
    model, wb, margins = solved_model(data)
    seconds: dict[str, list[float]] = {
        "write directions": [],
        "derivatives": [],
        "again": [],
        "splu": [],
        "adjoint": [],
    }
    errors: dict[str, float] = {}
    for _ in range(arguments.repetitions):
        model.set(ot.LinearAlgebraSolver(), None)  # drops the factorization and keeps the solution
        moments = [time.perf_counter()]
        moving = directions(data, wb, margins)
        moments.append(time.perf_counter())
        table = model.directional_derivatives(wb, moving)
        moments.append(time.perf_counter())
        model.directional_derivatives(wb, moving)  # the factorization is there already
        moments.append(time.perf_counter())
        other = yardstick(data, adjoint=False)
        moments.append(time.perf_counter())
        pulled = yardstick(data, adjoint=True)
        moments.append(time.perf_counter())
        for name, spent in zip(seconds, np.diff(moments), strict=True):
            seconds[name].append(float(spent))
        for name, found in (("ours", table), ("splu", other), ("adjoint", pulled)):
            errors[name] = relative(found, expected)
    median = {name: float(np.median(spent)) for name, spent in seconds.items()}
    ours = median["write directions"] + median["derivatives"]
    print(f"{data['N']} points in {data['D']} dimensions, {len(data['active'])} active rows; medians of ", end="")
    print(f"{arguments.repetitions}, in turns; status {model.get(ot.DifferentiationStatus()).name}")
    print(f"{'':34}{'ms':>9}{'/ splu':>9}{'error':>10}")
    lines = [
        ("writing the directions", median["write directions"], None),
        ("factorization and derivatives", median["derivatives"], None),
        ("ours, total", ours, errors["ours"]),
        ("ours, factorization at hand", median["again"], None),
        ("splu, many right-hand sides", median["splu"], errors["splu"]),
        ("splu, outputs as right-hand sides", median["adjoint"], errors["adjoint"]),
    ]
    for name, spent, error in lines:
        shown = "" if error is None else f"{error:10.1e}"
        print(f"{name:34}{1e3 * spent:9.2f}{spent / median['splu']:9.2f}{shown}")
    good = ours <= GOAL * median["splu"] and errors["ours"] <= ACCURACY
    print(f"{'met' if good else 'MISSED'}: at most {GOAL} times splu, at most {ACCURACY:g} off")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
