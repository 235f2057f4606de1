"""Solve the public LPs and QPs of a data folder with every solver, and compare with the known optima.

    python benchmarks/public_problems.py DATA_FOLDER [--tolerance 1e-6] [--only NAME]

The folder holds ``index.json`` and one ``.npz`` a problem (CSC arrays of ``P`` and ``A``, vectors q, l, u, r):
minimize ½ xᵀPx + qᵀx + r subject to l <= Ax <= u. The exit code is 1
unless on each problem at least two solvers reach the optimum, or call it infeasible when it is.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

import optangent as ot
from optangent.bridges import BridgeOptimizer
from optangent.modelkit import attributes as attr

SOLVERS = (ot.solvers.HiGHS, ot.solvers.OSQP, ot.solvers.Clarabel)


def load(path: Path) -> dict[str, Any]:
    """Read the arrays of one problem."""
    with np.load(path, allow_pickle=False) as data:
        arrays = {name: data[name] for name in data.files}
    for name in ("P", "A"):
        parts = tuple(arrays[f"{name}_{part}"] for part in ("data", "indices", "indptr"))
        arrays[name] = sp.csc_array(parts, shape=tuple(arrays[f"{name}_shape"]))
    return arrays


def solve(solver: Any, problem: dict[str, Any]) -> tuple[str, float, float, tuple[float, float]]:
    """Return status, objective, seconds of everything, and our own (primal, dual) residuals."""
    start = time.perf_counter()
    model = BridgeOptimizer(solver())
    x = model.add_variables(len(problem["q"]))
    sides = zip(problem["l"].tolist(), problem["u"].tolist(), strict=True)
    rows = model.add_constraints(problem["A"] @ x, [ot.Interval(low, up) for low, up in sides])
    objective = problem["q"] @ x + float(problem["r"])
    if problem["P"].nnz:
        objective = 0.5 * (x @ (problem["P"] @ x)) + objective
    model.set(ot.ObjectiveSense(), attr.ObjectiveSenseCode.MIN_SENSE)
    model.set(ot.ObjectiveFunction(), objective)
    model.optimize()
    seconds = time.perf_counter() - start
    status = model.get(ot.TerminationStatus()).name
    if model.get(ot.PrimalStatus()) == ot.ResultStatusCode.NO_SOLUTION:
        return status, np.nan, seconds, (np.nan, np.nan)
    value = model.get(ot.VariablePrimal(), x)
    Ax = problem["A"] @ value
    primal = np.maximum(np.maximum(problem["l"] - Ax, Ax - problem["u"]), 0).max(initial=0.0)
    dual = np.nan
    if model.get(ot.DualStatus()) != ot.ResultStatusCode.NO_SOLUTION:
        y = model.get(ot.ConstraintDual(), rows)
        dual = np.abs(problem["P"] @ value + problem["q"] - problem["A"].T @ y).max(initial=0.0)
    return status, model.get(ot.ObjectiveValue()), seconds, (primal, dual)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tolerance", type=float, default=1e-6)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    missed = []
    print(f"{'problem':16}{'solver':10}{'status':18}{'rel. error':>11}{'primal':>9}{'dual':>9}{'seconds':>9}")
    for entry in json.loads((arguments.folder / "index.json").read_text(encoding="utf-8")):
        if entry["kind"] != "qp" or arguments.only not in entry["name"]:
            continue
        problem, good = load(arguments.folder / entry["file"]), 0
        for solver in SOLVERS:
            status, value, seconds, (primal, dual) = solve(solver, problem)
            error = np.nan
            if entry["expected_status"] == "optimal":
                known = entry["known_optimum"]
                error = abs(value - known) / max(1.0, abs(known))
                good += status == "OPTIMAL" and error <= arguments.tolerance
            else:
                good += status == "INFEASIBLE"
            print(f"{entry['name']:16}{solver.name:10}{status:18}{error:11.1e}{primal:9.0e}{dual:9.0e}{seconds:9.3f}")
        if good < 2:
            missed.append(entry["name"])
    print(f"fewer than two solvers right on: {', '.join(missed) or 'none'}")
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
