"""Solve the public problems of a data folder with every solver, and compare with the known optima.

    python benchmarks/public_problems.py DATA_FOLDER [--tolerance 1e-6] [--only NAME]

The folder holds ``index.json`` and one ``.npz`` a problem (CSC arrays of ``A`` and, of quadratic programs, ``P``):
minimize ½ xᵀPx + qᵀx + r subject to l <= Ax <= u (kind "qp"), or cᵀx + r subject to b - Ax in K (kind "conic").
The exit code is 1 unless on each problem two solvers ("qp") or one ("conic") reach the optimum, or call it
infeasible when it is.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

import optangent as ot
from optangent.modelkit import attributes as attr
from optangent.modelkit.sets import VectorSet

SOLVERS = (ot.solvers.HiGHS, ot.solvers.OSQP, ot.solvers.SCS, ot.solvers.Clarabel)
CONES: dict[str, Callable[[Any], VectorSet]] = {
    "zero": ot.Zeros,
    "nonneg": ot.Nonnegatives,
    "soc": ot.SecondOrderCone,
    "psd_upper": ot.ScaledPositiveSemidefiniteConeTriangle,
    "exp": lambda rows: ot.ExponentialCone(),
    "pow": ot.PowerCone,
}
NEEDED = {"qp": 2, "conic": 1}
"""Solvers that must be right on a problem."""


def load(path: Path) -> dict[str, Any]:
    """Read the arrays of one problem."""
    with np.load(path, allow_pickle=False) as data:
        arrays = {name: data[name] for name in data.files}
    for name in ("P", "A"):
        if f"{name}_data" in arrays:
            parts = tuple(arrays[f"{name}_{part}"] for part in ("data", "indices", "indptr"))
            arrays[name] = sp.csc_array(parts, shape=tuple(arrays[f"{name}_shape"]))
    return arrays


def build(model: Any, problem: dict[str, Any]) -> tuple[Any, list[tuple[Any, Any, Any]]]:
    """Write a problem; returns its variables, and (constraints, their sets, matrix of their rows) block by block."""
    A, q = problem["A"].tocsr(), problem["q"] if "q" in problem else problem["c"]
    x = model.add_variables(len(q))
    objective = q @ x + float(problem["r"])
    if "P" in problem and problem["P"].nnz:
        objective = 0.5 * (x @ (problem["P"] @ x)) + objective
    model.set(ot.ObjectiveSense(), attr.ObjectiveSenseCode.MIN_SENSE)
    model.set(ot.ObjectiveFunction(), objective)
    if "cones" not in problem:
        sets: list[Any] = [
            ot.Interval(*side) for side in zip(problem["l"].tolist(), problem["u"].tolist(), strict=True)
        ]
        return x, [(model.add_constraints(A @ x, sets), sets, A)]
    blocks, start = [], 0
    for name, run in groupby(json.loads(str(problem["cones"])), key=lambda cone: cone[0]):
        sets = [CONES[name](parameter) for _, parameter in run]
        rows = slice(start, start := start + sum(cone.dimension for cone in sets))
        blocks.append((model.add_constraints(problem["b"][rows] - A[rows] @ x, sets), sets, -A[rows]))
    return x, blocks


def solve(solver: Any, problem: dict[str, Any]) -> tuple[str, float, float, tuple[float, float]]:
    """Return status, objective, seconds of everything, and our own (primal, dual) residuals."""
    start = time.perf_counter()
    model = ot.Model(solver)
    try:
        x, blocks = build(model, problem)
    except ot.UnsupportedConstraint:
        return "not taken", np.nan, np.nan, (np.nan, np.nan)
    model.optimize()
    seconds = time.perf_counter() - start
    status = model.get(ot.TerminationStatus()).name
    if model.get(ot.PrimalStatus()) == ot.ResultStatusCode.NO_SOLUTION:
        return status, np.nan, seconds, (np.nan, np.nan)
    value, primal, dual = model.get(ot.VariablePrimal(), x), 0.0, np.nan
    q = problem["q"] if "q" in problem else problem["c"]
    gradient = q + problem["P"] @ value if "P" in problem else q.copy()
    has_dual = model.get(ot.DualStatus()) != ot.ResultStatusCode.NO_SOLUTION
    wrong = 0.0
    for constraints, sets, A in blocks:
        ends = np.cumsum([s.dimension for s in sets])[:-1]
        points = np.split(np.atleast_1d(model.get(ot.ConstraintPrimal(), constraints)), ends)
        primal = max(primal, *(s.violation(f) for s, f in zip(sets, points, strict=True)))
        if has_dual:
            y = model.get(ot.ConstraintDual(), constraints)
            gradient -= A.T @ y
            wrong = max(wrong, *(s.dual_violation(part) for s, part in zip(sets, np.split(y, ends), strict=True)))
    if has_dual:
        dual = max(wrong, np.abs(gradient).max(initial=0.0))
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
        if arguments.only not in entry["name"]:
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
        if good < NEEDED[entry["kind"]]:
            missed.append(entry["name"])
    print(f"too few solvers right on: {', '.join(missed) or 'none'}")
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
