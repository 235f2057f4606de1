"""Fixed-point solvers: the error of truncated derivatives of AltDiff, and PDHG on public linear programs.

    python benchmarks/first_order.py [DATA_FOLDER] [--size 100] [--limit 200000]

For 20 random dense programs of AltDiff's paper (P = FFᵀ / n + I / 10, n / 3 inequalities, n / 7 equations): the error
of the derivative of x in q beside a step of the iteration, over that of x, along the run. For the linear programs of
the folder (`public_problems.py`): PDHG at 1e-6 without and with the exact step, beside HiGHS; its iterated derivative
beside that of the KKT system. For a sparse program of 100,000 columns: the memory of iterations beside the program's.
"""

from __future__ import annotations

import argparse
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from measuring import relative, timed
from public_problems import load

import optangent as ot
from optangent.modelkit.form import Form
from optangent.solvers.fixed_point.alt_diff import AltDiff, AlternatingDirections
from optangent.solvers.fixed_point.arrays import Place
from optangent.solvers.fixed_point.iterating import alternate
from optangent.solvers.fixed_point.operator import Triple
from optangent.solvers.fixed_point.pdhg import PDHG
from optangent.solvers.fixed_point.program import Program
from optangent.solvers.fixed_point.settings import defaults
from optangent.solvers.testing.programs import form_of

PROGRAMS, DIRECTIONS, STEPS = 20, 5, 400


def dense_form(n: int, seed: int) -> Form:
    """A random dense program of the paper's kind."""
    rng, inequalities, equations = np.random.default_rng(seed), n // 3, n // 7
    F, G = rng.standard_normal((n, n)), rng.standard_normal((inequalities + equations, n))
    upper = G @ rng.standard_normal(n)
    upper[:inequalities] += np.maximum(rng.standard_normal(inequalities), 0.0)
    lower = np.where(np.arange(len(G)) < inequalities, -np.inf, upper)
    free = np.full(n, np.inf)
    return form_of(G, (lower, upper), (-free, free), rng.standard_normal(n), F @ F.T / n + 0.1 * np.eye(n))


def along_the_run(form: Form, steps: int = STEPS, rho: float = 1.0) -> np.ndarray:
    """Errors of x and of its derivatives in some directions of q, after each step, (steps, 2)."""
    program = Program(form)
    of = AlternatingDirections(program, Place(), defaults(AltDiff.settings) | {"rho": rho, "relaxation": 1.0})
    zero = Triple(*(np.zeros((size, 1)) for size in (program.n, program.m, program.n)))
    primal = np.random.default_rng(0).standard_normal((form.n, DIRECTIONS))
    slots = np.zeros((form.slots.size, DIRECTIONS))
    right = Triple(*program.right_down(primal, slots))
    one = AltDiff()
    exact = one.differentiate(form, one.solve(form))
    wanted = exact.push(primal, slots)[0]
    found = []
    for _, (_, point, move) in zip(range(steps), alternate(of, of.start(zero), lambda _: right), strict=False):
        x, dx = (program.column[:, None] * part for part in (point.x, move.x))
        found.append([np.linalg.norm(x[:, 0] - exact.x), np.linalg.norm(dx - wanted)])
    return np.array(found)


def truncated(size: int) -> None:
    """The table of the theorem."""
    print(f"AltDiff, {PROGRAMS} programs of {size} variables: ‖dx_k - dx*‖ / ‖x_k - x*‖ along {STEPS} steps")
    print("| seed | first | largest | last | ‖x_k - x*‖ at the end |\n|---|---|---|---|---|")
    for seed in range(PROGRAMS):
        errors = along_the_run(dense_form(size, seed))
        near = errors[:, 0] > 1e-11
        ratios = errors[near, 1] / errors[near, 0]
        print(f"| {seed} | {ratios[0]:.1f} | {ratios.max():.1f} | {ratios[-1]:.1f} | {errors[-1, 0]:.1e} |")


def linear_forms(folder: Path) -> Iterator[tuple[str, Form]]:
    """The feasible linear programs of a folder; their bounds are rows."""
    for entry in json.loads((folder / "index.json").read_text()):
        if entry["kind"] != "qp" or entry["expected_status"] != "optimal":
            continue
        problem = load(folder / f"{entry['name']}.npz")
        if "P" in problem and problem["P"].nnz:
            continue
        A = sp.csr_array(problem["A"])
        alone = np.diff(A.indptr) == 1  # bounds of columns
        form, n = Form(), A.shape[1]
        form.add_columns(n)
        column, unit = A.indices[A.indptr[:-1][alone]], A.data[A.indptr[:-1][alone]]
        sides = np.sort(np.stack([problem["l"][alone] / unit, problem["u"][alone] / unit]), axis=0)
        lower, upper = np.full(n, -np.inf), np.full(n, np.inf)
        np.maximum.at(lower, column, sides[0])
        np.minimum.at(upper, column, sides[1])
        form.set_bounds(np.arange(n), lower, upper)
        form.add_rows(A[~alone], problem["l"][~alone], problem["u"][~alone])
        form.set_objective(None, problem["q"], float(problem["r"]))
        yield entry["name"], form


def public(folder: Path, limit: int) -> None:
    """PDHG beside HiGHS."""
    print("| program | n, m | HiGHS | PDHG at 1e-6 | iterations | objective off | exact | derivative |")
    print("|---|---|---|---|---|---|---|---|")
    for name, form in linear_forms(folder):
        seconds, known = timed(lambda form=form: ot.solvers.HiGHS().solve(form))
        plain = PDHG(exact=False, tolerance=1e-6, max_iterations=limit, derivative_tolerance=1e-6)
        mine, result = timed(lambda form=form, plain=plain: plain.solve(form))
        best = float(form.q @ known.x)
        off = abs(float(form.q @ result.x) - best) / (1.0 + abs(best))
        exact = PDHG(max_iterations=limit)
        ending, there = timed(lambda form=form, exact=exact: exact.solve(form))
        print(
            f"| {name} | {form.n}, {form.m} | {1e3 * seconds:.0f} ms | {1e3 * mine:.0f} ms, {result.status.name} "
            f"| {_count(result)} | {off:.0e} | {1e3 * ending:.0f} ms, {_count(there)}, {there.status.name} "
            f"| {_derivative(form, plain, result, exact, there)} |",
            flush=True,
        )


def _count(result: Any) -> int:
    return int(result.iterations["barrier"])


def _derivative(form: Form, plain: PDHG, result: Any, exact: PDHG, there: Any) -> str:
    """The iterated derivative in the sides of the rows beside that of the KKT system, and what each says of itself."""
    rng = np.random.default_rng(0)
    slots = np.zeros((form.slots.size, 1))
    slots[: form.m, 0] = rng.standard_normal(form.m)
    kkt = exact.differentiate(form, there)
    wanted = kkt.push(np.zeros((form.n, 1)), slots)[0]
    iterated = plain.differentiate(form, result)
    found = iterated.push(np.zeros((form.n, 1)), slots)[0]
    return f"off {relative(found, wanted):.0e}, says {iterated.error:.0e}; {kkt.status.name}"


def memory(n: int = 100_000, steps: int = 200) -> None:
    """Peak of what is held in some iterations, in numbers of the program's own size."""
    rng, m = np.random.default_rng(0), n // 2
    A = sp.csr_array(
        (rng.uniform(0.5, 1.0, 6 * m), rng.integers(0, n, 6 * m), np.arange(0, 6 * m + 1, 6)), shape=(m, n)
    )
    A.sum_duplicates()
    form = Form()
    form.add_columns(n)
    form.set_bounds(np.arange(n), np.zeros(n), np.ones(n))
    form.add_rows(A, np.full(m, -np.inf), 0.3 * A.sum(axis=1))
    form.set_objective(None, -rng.uniform(0.5, 1.5, n), 0.0)
    held = 12 * A.nnz + 8 * (4 * n + 3 * m)
    tracemalloc.start()
    result = PDHG(exact=False, max_iterations=steps).solve(form)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    print(f"{n} columns, {m} rows, {A.nnz} entries ({held / 1e6:.0f} MB): {_count(result)} iterations,", end=" ")
    print(f"{peak / 1e6:.0f} MB at the peak, {result.raw}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--size", type=int, default=100)
    parser.add_argument("--limit", type=int, default=200_000)
    arguments = parser.parse_args()
    truncated(arguments.size)
    if arguments.folder is not None:
        public(arguments.folder, arguments.limit)
    memory()
