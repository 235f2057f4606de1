"""Building models: one row at a time, as one block of arrays, and changing right-hand sides (workload W6).

    python benchmarks/model_building.py WORKLOADS.py [--only rows|block|changes] [--repetitions 5]

WORKLOADS.py is the module of shared workloads. Three comparisons, each with its peer in turns within one process:

rows
    100,000 variables within [0, 1] and 100,000 rows of three terms, written one by one as a user writes them
    (``model.add_constraint(u * x + v * y + w * z <= r)``), and an objective as a sum; against pyoptinterface, which
    hands each row to HiGHS at once. So ours is counted with HiGHS loaded too, and reported without.
block
    The same model as one ``A @ v <= b``, until HiGHS is loaded; against building the SciPy matrix and passing it to
    highspy by hand. Ours is given the same coordinates, and builds the matrix too.
changes
    1000 changes of a right-hand side of a small linear program, a warm solve after each, and the objective read;
    against the same calls of highspy by hand.

Ends with 1 if a goal is missed. Needs ``pip install "optangent[bench]"`` for pyoptinterface.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import highspy
import numpy as np
import scipy.sparse as sp
from measuring import load

import optangent as ot


def load_solver(model: ot.Model, rows: int) -> None:
    """Hand the model over to HiGHS, without solving: what `optimize` does before it runs."""
    inner: Any = model.meta_solver
    inner.attach_optimizer()
    ((_, lowering),) = inner.lowerings
    assert lowering.form.m == rows
    inner.optimizer.load(lowering.form)


# ---------------------------------------------------------------------- one row at a time
def rows_ours(data: tuple[Any, ...]) -> dict[str, float]:
    """Seconds to build, and to build and load."""
    columns, coefficients, sides, costs = (array.tolist() for array in data)
    start = time.perf_counter()
    model = ot.Model(ot.solvers.HiGHS)
    x = [model.add_variable(lower=0, upper=1) for _ in costs]
    for (a, b, c), (u, v, w), r in zip(columns, coefficients, sides, strict=True):
        model.add_constraint(u * x[a] + v * x[b] + w * x[c] <= r)
    objective = 0.0
    for cost, variable in zip(costs, x, strict=True):
        objective += cost * variable
    model.minimize(objective)
    built = time.perf_counter()
    load_solver(model, len(sides))
    return {"ours, built": built - start, "ours, built and loaded": time.perf_counter() - start}


def rows_peer(data: tuple[Any, ...]) -> dict[str, float]:
    """Seconds of pyoptinterface."""
    import pyoptinterface as poi
    from pyoptinterface import highs

    columns, coefficients, sides, costs = (array.tolist() for array in data)
    start = time.perf_counter()
    model = highs.Model()
    model.set_model_attribute(poi.ModelAttribute.Silent, True)
    x = [model.add_variable(lb=0.0, ub=1.0) for _ in costs]
    for (a, b, c), (u, v, w), r in zip(columns, coefficients, sides, strict=True):
        model.add_linear_constraint(u * x[a] + v * x[b] + w * x[c], poi.Leq, r)
    objective = poi.ExprBuilder()
    for cost, variable in zip(costs, x, strict=True):
        objective += cost * variable
    model.set_objective(objective, poi.ObjectiveSense.Minimize)
    return {"pyoptinterface": time.perf_counter() - start}


# ---------------------------------------------------------------------- one block
def matrix_of(data: tuple[Any, ...]) -> sp.csr_array:
    """The matrix of the rows."""
    columns, coefficients, sides, costs = data
    place = np.repeat(np.arange(len(sides)), columns.shape[1]), columns.ravel()
    return sp.coo_array((coefficients.ravel(), place), shape=(len(sides), len(costs))).tocsr()


def block_ours(data: tuple[Any, ...]) -> dict[str, float]:
    """Seconds until HiGHS is loaded."""
    sides, costs = data[2:]
    start = time.perf_counter()
    A = matrix_of(data)
    model = ot.Model(ot.solvers.HiGHS)
    x = model.add_variables(len(costs), lower=0.0, upper=1.0)
    model.add_constraint(A @ x <= sides)
    model.minimize(costs @ x)
    built = time.perf_counter()
    load_solver(model, len(sides))
    return {"ours, built": built - start, "ours, built and loaded": time.perf_counter() - start}


def block_peer(data: tuple[Any, ...]) -> dict[str, float]:
    """Seconds of highspy by hand."""
    sides, costs = data[2:]
    start = time.perf_counter()
    A = matrix_of(data)
    handle = highspy.Highs()
    handle.silent()
    program = highspy.HighsLp()
    program.num_row_, program.num_col_ = A.shape
    program.col_cost_ = costs
    program.col_lower_, program.col_upper_ = np.zeros(A.shape[1]), np.ones(A.shape[1])
    program.row_lower_, program.row_upper_ = np.full(A.shape[0], -highspy.kHighsInf), sides
    program.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    program.a_matrix_.start_, program.a_matrix_.index_, program.a_matrix_.value_ = A.indptr, A.indices, A.data
    handle.passModel(program)
    return {"highspy by hand": time.perf_counter() - start}


# ---------------------------------------------------------------------- warm changes
def changes_ours(data: dict[str, Any]) -> dict[str, Any]:
    """Seconds of all changes and solves, and the objectives."""
    model = ot.Model(ot.solvers.HiGHS)
    x = model.add_variables(len(data["c"]), lower=0.0, upper=1.0)
    rows = [model.add_constraint(a @ x <= b) for a, b in zip(data["A"], data["b"], strict=True)]
    model.minimize(data["c"] @ x)
    model.optimize()
    moves = list(zip(data["rows"].tolist(), data["vals"].tolist(), strict=True))
    values = []
    start = time.perf_counter()
    for row, value in moves:
        model.set(ot.ConstraintSet(), rows[row], ot.LessThan(value))
        model.optimize()
        values.append(model.objective_value())
    return {"ours": time.perf_counter() - start, "values": values}


def changes_peer(data: dict[str, Any]) -> dict[str, Any]:
    """The same by hand."""
    n = len(data["c"])
    everything = np.arange(n, dtype=np.int32)
    handle = highspy.Highs()
    handle.silent()
    handle.addVars(n, np.zeros(n), np.ones(n))
    handle.changeColsCost(n, everything, data["c"])
    for coefficients, side in zip(data["A"], data["b"].tolist(), strict=True):
        handle.addRow(-highspy.kHighsInf, side, n, everything, coefficients)
    handle.run()
    moves = list(zip(data["rows"].tolist(), data["vals"].tolist(), strict=True))
    values = []
    start = time.perf_counter()
    for row, value in moves:
        handle.changeRowBounds(row, -highspy.kHighsInf, value)
        handle.run()
        values.append(handle.getInfo().objective_function_value)
    return {"highspy by hand": time.perf_counter() - start, "values": values}


# ---------------------------------------------------------------------- the table
WORKLOADS: dict[str, tuple[str, Callable[..., Any], Callable[..., Any], str, float]] = {
    "rows": ("100,000 variables and rows, one by one", rows_ours, rows_peer, "ours, built", 1.5),
    "block": ("the same as one block", block_ours, block_peer, "ours, built and loaded", 2.0),
    "changes": ("1000 right-hand sides, warm solves", changes_ours, changes_peer, "ours", 1.5),
}


def compare(name: str, data: Any, repetitions: int) -> bool:
    """Run both in turns, print their medians, and say whether the goal is met."""
    title, ours, peer, judged, goal = WORKLOADS[name]
    seconds: dict[str, list[float]] = {}
    for repetition in range(repetitions + 1):  # the first warms up
        values = []
        for run in (ours, peer):
            gc.collect()
            spent = run(data)
            values.append(spent.pop("values", None))
            if repetition:
                for label, one in spent.items():
                    seconds.setdefault(label, []).append(one)
        if values[0] is not None:
            np.testing.assert_allclose(values[0], values[1], rtol=1e-7)
    median = {label: float(np.median(many)) for label, many in seconds.items()}
    yardstick = list(median.values())[-1]
    print(title)
    for label, one in median.items():
        spread = f"{min(seconds[label]):.3f} to {max(seconds[label]):.3f}"
        print(f"    {label:26}{one:8.3f} s   ({spread}){one / yardstick:8.2f}")
    good = median[judged] <= goal * yardstick
    print(f"    {'met' if good else 'MISSED'}: {judged!r} at most {goal:g} times the peer")
    return good


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workloads", type=Path)
    parser.add_argument("--only", choices=sorted(WORKLOADS))
    parser.add_argument("--repetitions", type=int, default=5)
    arguments = parser.parse_args()
    module = load(arguments.workloads)
    chosen = [arguments.only] if arguments.only else list(WORKLOADS)
    good = [
        compare(name, module.small_lp() if name == "changes" else module.lp_rows(), arguments.repetitions)
        for name in chosen
    ]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
