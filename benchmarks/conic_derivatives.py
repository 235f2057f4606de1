"""Derivatives of conic programs: the shared cone workloads (W4), ours beside diffcp, cvxpylayers, diffqcp and Moreau.

    python benchmarks/conic_derivatives.py WORKLOADS.py --peers-python PYTHON [--seconds 60]
                                           [--only socp,sdp30] [--peers diffcp,moreau | --no-peers] [--profile]

WORKLOADS.py is the module of shared workloads, whose cone programs have exact references (`conic_workloads.py`: what
is asked, how it is timed). Ours is a model of rows ``b - A x`` in cones, solved by SCS (1e-9), with the tangents and
seeds set beforehand; the peers (`conic_peers.py`: how each is used) run in the interpreter of ``--peers-python``, each
in a process of its own with a time limit, its set-up and solve included. One that is not there, does not import, fails
or runs out of time stays in the table and says so. All run on one thread. The columns, medians all:

* set-up: what depends on the form of the program alone: building the model, canonicalization, compilation; no imports;
* solve: from there to a solution; and the relative error of that x;
* first: one derivative from nothing but the solution, ours with copy to the diff model, polish and factorization;
* again: the same once more, with what the library keeps: ours the factorization, most peers nothing;
* error: relative, against the exact reference, in the Euclidean norm; and "-" where the library has no such derivative.

Ours is measured before and after every peer, in turns, so that all see the same machine.

The goal, for each derivative: the most accurate of all (errors below 1e-12 are equal), and from scratch at least 5
times faster than the best mode of diffcp, which is the fastest of those as accurate as ours, or, if none is, the
fastest of all. The second table compares with the same of each peer, and with its most accurate mode. A mode whose
error is above 0.1 gives no derivative and is not compared with. Ends with 1 where the goal is missed or not judged.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import sys
from typing import Any

import conic_peers  # which sets the number of threads: before NumPy

# isort: split
import numpy as np
import scipy.sparse as sp
from conic_workloads import PROBLEMS, known, references, samples, upper_triangles, workload
from measuring import load, relative, timed
from peer_process import Found, asked, measured_apart, parser_of, versions

import optangent as ot

EPSILON, ITERATIONS = 1e-9, 1_000_000
BUILDS = 3
FASTER, ROUNDING, WRONG = 5.0, 1e-12, 0.1
JUDGED = "diffcp"


# ------------------------------------------------------------------------------------------------ ours
def parts(data: dict[str, Any]) -> list[tuple[ot.Set, np.ndarray]]:
    """The sets in the workload's order of rows, each with its rows; semidefinite ones in our order of the triangle."""
    cone, order, start = data["cone"], upper_triangles(data), 0
    sets: list[tuple[ot.Set, int]] = [(ot.Zeros(cone["z"]), cone["z"])] if cone.get("z") else []
    if cone.get("l"):
        sets.append((ot.Nonnegatives(cone["l"]), cone["l"]))
    sets += [(ot.SecondOrderCone(size), size) for size in cone.get("q", [])]
    sets += [(ot.ScaledPositiveSemidefiniteConeTriangle(k), k * (k + 1) // 2) for k in cone.get("s", [])]
    sets += [(ot.ExponentialCone(), 3)] * cone.get("ep", 0)
    found = []
    for made, count in sets:
        found.append((made, order[start : start + count]))
        start += count
    return found


class Ours:
    """A workload as a model, solved, with tangents and seeds set."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data
        self.setup_seconds, _ = timed(self.build)
        self.solve_seconds, _ = timed(self.model.optimize)
        model, dA = self.model, sp.csr_array(data["dA"])
        model.set(ot.ForwardObjectiveFunction(), data["dcv"] @ self.v)
        for index, rows in self.constraints:
            model.set(ot.ForwardConstraintFunction(), index, data["dbv"][rows] - dA[rows] @ self.v)
        model.set(ot.ReverseVariablePrimal(), self.v, data["w"])

    def build(self) -> None:
        """Write the model."""
        data, A = self.data, sp.csr_array(self.data["A"])
        self.model = ot.Model(
            ot.diff_optimizer(lambda: ot.solvers.SCS(eps_abs=EPSILON, eps_rel=EPSILON, max_iters=ITERATIONS))
        )
        self.v = self.model.add_variables(A.shape[1])
        self.constraints = []
        for made, rows in parts(data):
            self.constraints.append((self.model.add_constraint(data["b"][rows] - A[rows] @ self.v, made), rows))
        self.model.minimize(data["c"] @ self.v)

    def fresh(self) -> None:
        """Drop the diff model and its factorization, keep the solution."""
        self.model.set(ot.LinearAlgebraSolver(), None)

    def jvp(self) -> np.ndarray:
        """The derivative of x."""
        self.model.forward_differentiate()
        return known(self.data, self.model.get(ot.ForwardVariablePrimal(), self.v))

    def vjp(self) -> np.ndarray:
        """The gradients for which the workload has a reference."""
        data, model, v = self.data, self.model, self.v
        model.reverse_differentiate()
        if "ref_grad" not in data:
            db = np.empty(len(data["b"]))
            for index, rows in self.constraints:
                db[rows] = model.get(ot.ReverseConstraintFunction(), index).constants
            return np.concatenate([model.get(ot.ReverseObjectiveFunction()).coefficients(v), db])
        if "grad_b" in data:  # the right-hand sides are those of the first constraint
            index, _ = self.constraints[0]
            found: np.ndarray = model.get(ot.ReverseConstraintFunction(), index).constants
            return found[data["grad_b"]]
        gradient = []
        wanted = {int(row): data["grad_cols"][data["grad_rows"] == row] for row in dict.fromkeys(data["grad_rows"])}
        for index, rows in self.constraints:
            if int(rows[0]) in wanted:
                columns = wanted[int(rows[0])]
                g = model.get(ot.ReverseConstraintFunction(), index)
                gradient.append(-g.coefficients(np.zeros(len(columns), np.int64), v[columns]))  # rows b - A x
        return np.concatenate(gradient)

    def measure(self, runs: dict[str, list[list[float]]]) -> dict[str, float]:
        """Add the seconds of first and repeated derivatives to ``runs``; the errors."""
        errors = {}
        for which, derivative in (("jvp", self.jvp), ("vjp", self.vjp)):
            first, again, answer = samples(derivative, self.fresh)
            runs.setdefault(which, [[], []])
            runs[which][0] += first
            runs[which][1] += again
            errors[which] = relative(answer, references(self.data)[which])
        return errors


def profile(ours: Ours) -> None:
    """Where the first JVP spends its time."""
    ours.fresh()
    watch = cProfile.Profile()
    watch.runcall(ours.jvp)
    pstats.Stats(watch).sort_stats("cumulative").print_stats("optangent|eigh|splu|qdldl|sytrf|getrf", 45)


def compared(data: dict[str, Any], name: str, arguments: argparse.Namespace) -> dict[str, Found]:
    """What was found for ours (the first entry) and for each peer on a problem."""
    built = [Ours(data) for _ in range(BUILDS)]
    ours = built[-1]
    if arguments.profile:
        profile(ours)
    runs: dict[str, list[list[float]]] = {}
    errors = ours.measure(runs)
    peers = {}
    for who in asked(conic_peers.PEERS, arguments):
        peers[who] = measured_apart(conic_peers.__file__, name, who, arguments)
        ours.measure(runs)
    mine: Found = {
        "solved_with": f"SCS {EPSILON:g}",
        "setup": float(np.median([o.setup_seconds for o in built])),
        "solve": float(np.median([o.solve_seconds for o in built])),
        "x": relative(known(data, ours.model.get(ot.VariablePrimal(), ours.v)), references(data)["x"]),
    }
    for which, (first, again) in runs.items():
        mine[which] = [float(np.median(first)), float(np.median(again)), errors[which]]
    return {f"optangent ({ours.model.get(ot.DifferentiationStatus()).name})": mine, **peers}


# ------------------------------------------------------------------------------------------------ tables
def line(name: str, who: str, found: Found) -> str:
    """A row of the first table."""
    cells = [name, f"{who}: {found['why']}" if "why" in found else who, found.get("solved_with", "-")]
    cells += [f"{found[key]:.2f}" if key in found else "-" for key in ("setup", "solve")]
    cells.append(f"{found['x']:.0e}" if "x" in found else "-")
    for which in ("jvp", "vjp"):
        if which in found:
            first, again, error = found[which]
            cells += [f"{1e3 * first:.1f}", f"{1e3 * again:.1f}", f"{error:.0e}"]
        else:
            cells += ["-", "-", "-"]
    return "| " + " | ".join(cells) + " |"


def verdict(name: str, which: str, found: dict[str, Found]) -> tuple[list[str], str | None]:
    """The rows of the second table for one derivative, and why its goal is missed (None: unjudged)."""
    (_, mine), *rest = found.items()
    first, again, error = mine[which]
    sound: dict[str, dict[str, list[float]]] = {}
    for who, peer in rest:
        library, _, mode = who.partition(" ")
        if which in peer and np.isfinite(peer[which][2]) and peer[which][2] <= WRONG:
            sound.setdefault(library, {})[mode or "its only"] = peer[which]
    lowest = min((r[2] for modes in sound.values() for r in modes.values()), default=np.inf)
    rows, missed = [], None
    for library in dict.fromkeys(who.partition(" ")[0] for who, peer in rest if which in peer):
        modes = sound.get(library, {})
        if not modes:
            rows.append(f"| {name} | {which.upper()} | {library} |" + " none | - | - |" * 2 + " |")
            continue
        as_good = {mode: r for mode, r in modes.items() if r[2] <= max(error, ROUNDING)}
        fastest = min(as_good or modes, key=lambda mode: modes[mode][0])
        accurate = min(modes, key=lambda mode: modes[mode][2])
        cells = [name, which.upper(), library]
        for mode in (fastest, accurate):
            theirs = modes[mode]
            cells += [f"{mode} ({theirs[2]:.0e})", f"{theirs[0] / first:.1f}", f"{theirs[1] / again:.1f}"]
        judgement = ""
        if library == JUDGED:
            missing = [] if modes[fastest][0] >= FASTER * first else [f"{modes[fastest][0] / first:.1f} × {fastest}"]
            missing += [] if error <= max(lowest, ROUNDING) else [f"error {error:.0e} against {lowest:.0e}"]
            missed = " and ".join(missing)
            judgement = "MISSED" if missing else "met"
        rows.append("| " + " | ".join([*cells, judgement]) + " |")
    return rows, missed


def tables(arguments: argparse.Namespace) -> bool:
    """W4: ours beside the peers, problem by problem, then how many times faster; whether the goal is met."""
    module = load(arguments.workloads)
    print("| problem | who | solved with | set-up s | solve s | error of x ", end="")
    print("| JVP first ms | again ms | error | VJP first ms | again ms | error |")
    print("|" + "---|" * 12)
    rows, judged, everybody = [], {}, []
    for name in arguments.only.split(",") if arguments.only else PROBLEMS:
        found = compared(workload(module, name), name, arguments)
        everybody += list(found.values())[1:]
        for who, result in found.items():
            print(line(name, who, result), flush=True)
        for which in ("jvp", "vjp"):
            more, missed = verdict(name, which, found)
            rows += more
            judged[f"{name} {which.upper()}"] = f"not judged, no {JUDGED}" if missed is None else missed
    if not everybody:
        return True
    print(f"\n{versions(everybody)}\n\nOurs is so many times faster:\n")
    print("| problem | derivative | than | its fastest mode (error) | from scratch | again ", end="")
    print("| its most accurate mode (error) | from scratch | again | goal |")
    print("|" + "---|" * 10)
    print("\n".join(rows))
    failures = {what: why for what, why in judged.items() if why}
    print(f"\nGoal met on {len(judged) - len(failures)} of {len(judged)} derivatives.")
    for what, why in failures.items():
        print(f"MISSED {what}: {why}")
    return not failures


if __name__ == "__main__":
    sys.exit(0 if tables(parser_of(__doc__.splitlines()[0], seconds=60.0).parse_args()) else 1)
