"""Derivatives of conic programs: the shared cone workloads (W4) beside diffcp, and random instances of every cone.

    python benchmarks/conic_derivatives.py WORKLOADS.py [--only socp,sdp30] [--seconds 60] [--profile]
    python benchmarks/conic_derivatives.py WORKLOADS.py --random [--instances 200]

WORKLOADS.py is the module of shared workloads, whose cone programs have exact references. Each is built as a model of
rows ``b - A x`` in cones and solved by SCS (1e-9). Timed, with the tangents or seeds set beforehand:

* first: one derivative from nothing but the solution: copy to the diff model, polish, factorization and solve;
* again: the same once more, the factorization at hand.

A JVP is the derivative of x along the workload's direction (dA, db, dc), read out; a VJP the gradients of w'x with
respect to b and c (or to the entries of A that the workload names), read out. diffcp 1.1.9 differentiates the answer
of the same solver at the same tolerance, in modes lsqr, lsmr and dense, each in a process of its own with a time limit
(its solve included). BLAS runs on one thread. Ends with 1 where ours is not at least 5 times faster per derivative than
the best mode of diffcp that is as accurate as ours or better (or the fastest one, if none is).

With ``--random``, the forward derivatives of random strictly complementary programs with two equal cones are compared
with central differences of re-solves that are made exact by Newton's method (best of three steps). Ends with 1 if the
worst exceeds 1e-6 (nonnegative, second-order) or 1e-5 (other cones).
"""

from __future__ import annotations

import argparse
import cProfile
import importlib.util
import json
import os
import pstats
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"  # read when NumPy is imported

import numpy as np
import scipy.sparse as sp

import optangent as ot

PROBLEMS: dict[str, tuple[str, tuple[int, ...]]] = {
    "socp": ("socp", ()),
    "sdp30": ("sdp", (30,)),
    "sdp60": ("sdp", (60,)),
    "logistic": ("logistic", ()),
    "entropy": ("entropy", ()),
}
MODES = ("lsqr", "lsmr", "dense")
EPSILON, FASTER = 1e-9, 5.0
ITERATIONS = 1_000_000
STEPS = (1e-4, 1e-5, 1e-6)
CONES: list[tuple[Any, float]] = [
    (ot.Nonnegatives(3), 1e-6),
    (ot.SecondOrderCone(4), 1e-6),
    (ot.ScaledPositiveSemidefiniteConeTriangle(3), 1e-5),
    (ot.ExponentialCone(), 1e-5),
    (ot.DualExponentialCone(), 1e-5),
    (ot.PowerCone(0.3), 1e-5),
    (ot.DualPowerCone(0.7), 1e-5),
]


def load(path: Path, name: str) -> Any:
    """A module by its path."""
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def relative(found: Any, expected: Any) -> float:
    """Relative error in the Euclidean norm."""
    expected = np.asarray(expected)
    return float(np.linalg.norm(np.asarray(found) - expected) / np.linalg.norm(expected))


# ------------------------------------------------------------------------------------------------ ours
def parts(module: Any, cone: dict[str, Any]) -> list[tuple[ot.Set, np.ndarray]]:
    """The sets in the workload's order of rows, each with its rows; semidefinite ones in our order of the triangle."""
    found: list[tuple[ot.Set, np.ndarray]] = []
    start = 0

    def take(made: ot.Set, count: int, order: np.ndarray | None = None) -> None:
        nonlocal start
        found.append((made, start + (np.arange(count) if order is None else order)))
        start += count

    if cone.get("z"):
        take(ot.Zeros(cone["z"]), cone["z"])
    if cone.get("l"):
        take(ot.Nonnegatives(cone["l"]), cone["l"])
    for d in cone.get("q", []):
        take(ot.SecondOrderCone(d), d)
    for side in cone.get("s", []):
        take(ot.ScaledPositiveSemidefiniteConeTriangle(side), side * (side + 1) // 2, module.scs_to_clarabel_perm(side))
    for _ in range(cone.get("ep", 0)):
        take(ot.ExponentialCone(), 3)
    return found


class Ours:
    """A workload as a model, solved, with tangents and seeds set."""

    def __init__(self, module: Any, data: dict[str, Any]) -> None:
        self.data = data
        A, dA = sp.csr_array(data["A"]), sp.csr_array(data["dA"])
        self.model = ot.Model(
            ot.diff_optimizer(lambda: ot.solvers.SCS(eps_abs=EPSILON, eps_rel=EPSILON, max_iters=ITERATIONS))
        )
        self.v = self.model.add_variables(A.shape[1])
        self.constraints = []
        for made, rows in parts(module, data["cone"]):
            self.constraints.append((self.model.add_constraint(data["b"][rows] - A[rows] @ self.v, made), rows))
        self.model.minimize(data["c"] @ self.v)
        start = time.perf_counter()
        self.model.optimize()
        self.solve_seconds = time.perf_counter() - start
        self.model.set(ot.ForwardObjectiveFunction(), data["dcv"] @ self.v)
        for index, rows in self.constraints:
            self.model.set(ot.ForwardConstraintFunction(), index, data["dbv"][rows] - dA[rows] @ self.v)
        self.model.set(ot.ReverseVariablePrimal(), self.v, data["w"])

    def fresh(self) -> None:
        """Drop the diff model and its factorization, keep the solution."""
        self.model.set(ot.LinearAlgebraSolver(), None)

    def jvp(self) -> np.ndarray:
        """The derivative of x."""
        self.model.forward_differentiate()
        dx: np.ndarray = self.model.get(ot.ForwardVariablePrimal(), self.v)
        return dx[: self.data.get("part", len(dx))]

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

    def expected(self) -> dict[str, np.ndarray]:
        """The exact references."""
        return references(self.data)

    def measure(self, repetitions: int) -> dict[str, tuple[float, float, float]]:
        """First and repeated seconds, and relative error, of both derivatives."""
        results = {}
        for name, derivative in (("jvp", self.jvp), ("vjp", self.vjp)):
            first, again = [], []
            for _ in range(repetitions):
                self.fresh()
                first.append(seconds(derivative))
                again += [seconds(derivative) for _ in range(3)]
            error = relative(derivative(), references(self.data)[name])
            results[name] = (float(np.median(first)), float(np.median(again)), error)
        return results


def references(data: dict[str, Any]) -> dict[str, np.ndarray]:
    """The exact JVP and VJP of a workload."""
    vjp = data["ref_grad"] if "ref_grad" in data else np.concatenate([data["ref_dc"], data["ref_db"]])
    return {"jvp": data["ref_dx"], "vjp": vjp}


def seconds(run: Any) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


# ------------------------------------------------------------------------------------------------ diffcp
def peer(module: Any, name: str, mode: str) -> dict[str, Any]:
    """Diffcp on one problem, in this process; seconds and errors."""
    import diffcp

    function, arguments = PROBLEMS[name]
    data = getattr(module, function)(*arguments)
    start = time.perf_counter()
    x, _, _, forward, adjoint = diffcp.solve_and_derivative(
        sp.csc_matrix(data["A"]), data["b"], data["c"], dict(data["cone"]), mode=mode, solve_method="SCS",
        eps=EPSILON, max_iters=ITERATIONS,
    )  # fmt: skip
    solved = time.perf_counter() - start
    zero = np.zeros(len(data["b"]))
    expected = references(data)
    found: dict[str, Any] = {"solve": solved}
    for which in ("jvp", "vjp"):
        times = []
        for _ in range(3):
            start = time.perf_counter()
            if which == "jvp":
                dx = forward(sp.csc_matrix(data["dA"]), data["dbv"], data["dcv"])[0]
                answer = dx[: data.get("part", len(x))]
            else:
                dA, db, dc = adjoint(data["w"], zero, zero)
                if "grad_rows" in data:
                    answer = np.asarray(dA.tocsr()[data["grad_rows"], data["grad_cols"]]).ravel()
                else:
                    answer = db[data["grad_b"]] if "grad_b" in data else np.concatenate([dc, db])
            times.append(time.perf_counter() - start)
            if sum(times) > 5.0:
                break
        found[which] = [float(times[0]), float(np.median(times)), relative(answer, expected[which])]
        print(json.dumps(found), flush=True)
    return found


def peer_in_process(workloads: Path, name: str, mode: str, limit: float) -> dict[str, Any]:
    """The same in a process with a time limit; what it printed until then."""
    command = [sys.executable, __file__, str(workloads), "--peer", name, mode]
    try:
        ran = subprocess.run(command, capture_output=True, timeout=limit, check=False)
        out, why = ran.stdout, (ran.stderr.decode().strip().splitlines() or ["nothing"])[-1][:60]
    except subprocess.TimeoutExpired as error:
        out, why = error.stdout or b"", f"over {limit:g} s"
    lines = [line for line in out.decode().splitlines() if line.startswith("{")]
    found: dict[str, Any] = json.loads(lines[-1]) if lines else {}
    return found if "vjp" in found else {**found, "why": why}


# ------------------------------------------------------------------------------------------------ tables
def workloads_table(arguments: argparse.Namespace) -> bool:
    """W4: ours beside diffcp; whether the goal is met."""
    module = load(arguments.workloads, "workloads")
    print("| problem | who | solve s | JVP first ms | again ms | error | VJP first ms | again ms | error |")
    print("|---|---|---|---|---|---|---|---|---|")
    good = True
    verdicts = []
    for name in arguments.only.split(",") if arguments.only else PROBLEMS:
        function, values = PROBLEMS[name]
        ours = Ours(module, getattr(module, function)(*values))
        results = ours.measure(arguments.repetitions)
        print(line(name, f"optangent ({ours.model.get(ot.DifferentiationStatus()).name})", ours.solve_seconds, results))
        if arguments.profile:
            profile(ours)
        peers = {}
        for mode in () if arguments.no_peers else MODES:
            found = peer_in_process(arguments.workloads, name, mode, arguments.seconds)
            shown = f"diffcp {mode}" + (f" ({found['why']})" if "why" in found else "")
            print(line(name, shown, found.get("solve", float("nan")), found), flush=True)
            peers[mode] = found
        for which in ("jvp", "vjp"):
            timed = {mode: found[which] for mode, found in peers.items() if which in found}
            if not timed:
                continue
            first, again, error = results[which]
            as_good = {mode: r for mode, r in timed.items() if r[2] <= error}
            mode, best = min((as_good or timed).items(), key=lambda item: item[1][1])
            most_accurate = min(r[2] for r in timed.values())
            met = best[1] >= FASTER * first and error <= max(most_accurate, 1e-9)
            good &= met
            verdicts.append(
                f"{'met   ' if met else 'MISSED'} {name} {which}: {best[1] / first:.1f} times faster than {mode} (from "
                f"scratch), {best[1] / again:.0f} times with the factorization at hand; error {error:.0e}, "
                f"most accurate mode {most_accurate:.0e}"
            )
    print("\n" + "\n".join(verdicts))
    return good


def line(name: str, who: str, solve: float, results: dict[str, Any]) -> str:
    """A row of the table."""
    cells = [name, who, f"{solve:.2f}"]
    for which in ("jvp", "vjp"):
        if which in results:
            first, again, error = results[which]
            cells += [f"{1e3 * first:.1f}", f"{1e3 * again:.1f}", f"{error:.0e}"]
        else:
            cells += ["-", "-", "-"]
    return "| " + " | ".join(cells) + " |"


def profile(ours: Ours) -> None:
    """Where the first JVP spends its time."""
    ours.fresh()
    watch = cProfile.Profile()
    watch.runcall(ours.jvp)
    pstats.Stats(watch).sort_stats("cumulative").print_stats("optangent|eigh|splu|qdldl|sytrf|getrf", 45)


def random_table(arguments: argparse.Namespace) -> bool:
    """Random instances of every cone against central differences; whether the goals are met."""
    oracle = load(Path(__file__).parent.parent / "tests" / "diffmodels" / "oracle.py", "oracle")

    def solved(p: Any) -> tuple[ot.Model, Any, Any]:
        model, v, indices = p.build(lambda: ot.solvers.SCS(eps_abs=1e-10, eps_rel=1e-10))
        model.set(ot.ModelConstructor(), ot.ConicDiff)
        model.optimize()
        return model, v, indices

    def exact(p: Any) -> np.ndarray:
        model, v, indices = solved(p)
        model.set(ot.ForwardObjectiveFunction(), 0.0 * v[0])
        model.forward_differentiate()
        return np.concatenate([model.inner.polished(v), *(np.atleast_1d(model.inner.polished(i)) for i in indices)])

    print("| cone | instances | median | worst (seed) | goal | not EXACT or refused |")
    print("|---|---|---|---|---|---|")
    good = True
    for cone, goal in CONES:
        errors, odd = {}, []
        for seed in range(arguments.instances):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", ot.DifferentiationWarning)
                    p = oracle.conic_program(cone, seed, "max" if seed % 2 else "min")
                    d = oracle.direction(p, "everything", seed + 1000)
                    model, v, indices = solved(p)
                    oracle.set_tangents(model, v, indices, p, d)
                    model.forward_differentiate()
                    if model.get(ot.DifferentiationStatus()) is not ot.DifferentiationStatusCode.EXACT:
                        odd.append(seed)
                    dx, dy, _ = oracle.tangents(model, v, indices)
                    ours = np.concatenate([dx, *dy])
                    errors[seed] = np.inf
                    for step in STEPS:
                        difference = (exact(p.moved(step, d)) - exact(p.moved(-step, d))) / (2 * step)
                        errors[seed] = min(errors[seed], relative(ours, difference))
                        if errors[seed] <= 1e-2 * goal:
                            break
            except ot.OptangentError as error:
                odd.append(seed)
                errors.setdefault(seed, np.inf)
                print(f"{cone!r} seed {seed}: {type(error).__name__}: {str(error)[:150]}", file=sys.stderr)
        worst = max(errors, key=lambda seed: errors[seed])
        good &= errors[worst] <= goal
        print(
            f"| {cone!r} | {len(errors)} | {np.median(list(errors.values())):.0e} | {errors[worst]:.0e} ({worst}) "
            f"| {goal:g} | {odd or 'none'} |",
            flush=True,
        )
    return good


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workloads", type=Path)
    parser.add_argument("--only", default="", help="problems, with commas")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=60.0, help="time limit for each mode of diffcp")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--random", action="store_true")
    parser.add_argument("--instances", type=int, default=200)
    parser.add_argument("--peer", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peer:
        peer(load(arguments.workloads, "workloads"), *arguments.peer)
        return 0
    good = random_table(arguments) if arguments.random else workloads_table(arguments)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
