"""Derivatives of public linear and quadratic programs against central differences.

    python benchmarks/public_derivatives.py DATA_DIRECTORY

Each program (``kind == "qp"`` in the directory's index.json) is solved and differentiated along random directions
of each part of its data. The differences re-solve with the same solver at tight tolerances (with Clarabel where that
fails: HiGHS 1.16 ends some quadratic programs with kSolveError), made exact by the library's polish, and verified by
their own KKT residual; the best of several steps counts. Where `DifferentiationStatus` is EXACT the error has to be
at most 1e-6; elsewhere the status is the answer.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from public_problems import load

import optangent as ot

STEPS = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7)
LIMIT = 1e-6


def tight(name: str) -> Any:
    """The solver, at tolerances that leave the polish little to do."""
    options: dict[str, dict[str, Any]] = {
        "Clarabel": {"tol_gap_abs": 1e-12, "tol_gap_rel": 1e-12, "tol_feas": 1e-12},
        "HiGHS": {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
        "OSQP": {},
    }
    return lambda: getattr(ot.solvers, name)(**options[name])


def solve(d: dict[str, Any], solver: Any) -> tuple[ot.Model, Any, Any]:
    """The solved model, its variables and its rows."""
    model = ot.Model(ot.diff_optimizer(solver))
    v = model.add_variables(len(d["q"]))
    rows = model.add_constraint(d["A"] @ v, ot.HyperRectangle(d["l"], d["u"]))
    model.minimize((0.5 * (v @ (d["P"] @ v)) if d["P"].nnz else 0.0) + d["q"] @ v)
    model.optimize()
    return model, v, rows


def exact_solution(d: dict[str, Any], solver: Any) -> Any:
    """X of the polished solution, or None where a direction led to an infeasible program."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ot.SolverFallbackWarning)
        model, v, _ = solve(d, [solver, tight("Clarabel")])
    try:
        model.set(ot.ForwardObjectiveFunction(), 0.0 * v[0])
        model.forward_differentiate()
    except ot.DifferentiationError:
        return None
    return model.meta_solver.polished(v)


def direction(d: dict[str, Any], part: str, rng: np.random.Generator) -> dict[str, Any]:
    """A random direction in one part of the data, on its nonzeros, of the size of its entries."""

    def like(M: Any) -> Any:
        out = M.copy()
        out.data = rng.standard_normal(M.nnz) * np.abs(M.data).mean() if M.nnz else out.data
        return out

    zero = {k: 0.0 * d[k] for k in "PA"} | {"q": 0.0 * d["q"], "l": np.zeros_like(d["l"]), "u": np.zeros_like(d["u"])}
    if part == "P":
        # along P(t) = D(t) P D(t) with D(t) = I + t diag(e) the program stays convex on both sides
        zero["congruence"] = rng.standard_normal(len(d["q"]))
        E = sp.diags_array(zero["congruence"])
        zero["P"] = sp.csc_array(E @ d["P"] + d["P"] @ E)
    elif part == "A":
        zero["A"] = like(d["A"])
    elif part == "q":
        zero["q"] = rng.standard_normal(len(d["q"])) * max(1.0, np.abs(d["q"]).mean())
    else:
        size = np.where(np.isfinite(d["l"]), np.abs(d["l"]), np.abs(d["u"]))
        move = rng.standard_normal(len(d["l"])) * np.maximum(1.0, np.minimum(size, 1e3))
        zero["l"] = np.where(np.isfinite(d["l"]), move, 0.0)
        zero["u"] = np.where(np.isfinite(d["u"]), move, 0.0)
    return zero


def moved(d: dict[str, Any], e: dict[str, Any], t: float) -> dict[str, Any]:
    """The program a step along a direction."""
    out = {k: (d[k] + t * e[k]) for k in d}
    if "congruence" in e:
        D = sp.diags_array(1.0 + t * e["congruence"])
        out["P"] = sp.csc_array(D @ d["P"] @ D)
    return out


def compare(d: dict[str, Any], solver: Any, part: str, rng: np.random.Generator) -> tuple[str, float]:
    """(status, relative error of the primal tangent)."""
    e = direction(d, part, rng)
    model, v, rows = solve(d, solver)
    tangent = e["q"] @ v
    if e["P"].nnz:
        tangent = tangent + 0.5 * (v @ (e["P"] @ v))
    model.set(ot.ForwardObjectiveFunction(), tangent)
    if e["A"].nnz:
        model.set(ot.ForwardConstraintFunction(), rows, e["A"] @ v)
    model.set(ot.ForwardConstraintSet(), rows, ot.HyperRectangle(e["l"], e["u"]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ot.DifferentiationWarning)
        model.forward_differentiate()
        dx = model.get(ot.ForwardVariablePrimal(), v)
        status = model.get(ot.DifferentiationStatus()).name
        x = model.value(v)
        best = np.inf
        for step in STEPS:
            up, down = (exact_solution(moved(d, e, t), solver) for t in (step, -step))
            if up is not None and down is not None:
                difference = (up - down) / (2 * step)
                floor = 1e-3 * np.linalg.norm(x)
                best = min(best, np.linalg.norm(dx - difference) / max(np.linalg.norm(difference), floor, 1e-12))
    return status, best


def main(directory: Path) -> int:
    """Print the table; the number of derivatives that are called exact and are not."""
    wrong = 0
    index = json.loads((directory / "index.json").read_text())
    names = [i["name"] for i in index if i["kind"] == "qp" and i.get("known_optimum") is not None]
    print(f"{'problem':16} {'solver':9} {'status':15} " + " ".join(f"{p:>8}" for p in ("q", "bounds", "A", "P")))
    for name in names:
        problem = load(directory / f"{name}.npz")
        d = {part: problem[part] for part in ("P", "A", "q", "l", "u")}
        for solver_name in ("HiGHS", "Clarabel"):
            rng = np.random.default_rng(0)
            cells, statuses = [], set()
            for part in ("q", "bounds", "A", "P"):
                if part == "P" and not d["P"].nnz:
                    cells.append(f"{'-':>8}")
                    continue
                status, error = compare(d, tight(solver_name), part, rng)
                statuses.add(status)
                cells.append(f"{error:8.1e}")
                wrong += status == "EXACT" and not error <= LIMIT
            print(f"{name:16} {solver_name:9} {'/'.join(sorted(statuses)):15} " + " ".join(cells), flush=True)
    print(f"{wrong} derivatives called EXACT are wrong by more than {LIMIT:g}")
    return wrong


if __name__ == "__main__":
    sys.exit(min(main(Path(sys.argv[1])), 1))
