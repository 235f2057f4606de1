"""What a solve and a gradient cost beside the same by hand, from a thousand to a million variables.

    python benchmarks/at_size.py [--sizes 1000 10000 100000 1000000] [--repeats 3]
    python benchmarks/at_size.py --only loop direction

* *top-k*: ½‖x − v‖², Σ x = n / 10, 0 <= x <= 1: the exact gradient is known in closed form.
* *energy*: a schedule x near a demand, with bounds and ramps; exact by the active rows of a solve to 1e-12.
* *dense*: a dense quadratic program of 1500 variables, 500 inequalities and 200 equalities.
* *loop*: change a parameter, solve, pull back; 4 and 100 variables.
* *direction*: one more direction by `set`, `forward_differentiate` and `get`, and in bulk; back as well. CPU time.

By hand is PIQP and one factorization (SuperLU) of the system of the rows whose multiplier exceeds their slack. Both
take turns in one run; given is the least of the repeats. Each size is in a process of its own, whose largest memory is
told; the last line is the slope of time against size in logarithms.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import threads  # noqa: F401 - before NumPy

# isort: split
import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spla
from measuring import relative, timed

import optangent as ot

SIZES = (1_000, 10_000, 100_000, 1_000_000)
ACCURATE = 1e-12


# ---------------------------------------------------------------------- problems
def top_k(n: int) -> dict[str, Any]:
    """Data, seed and exact gradient in the costs."""
    rng = np.random.default_rng(n)
    v, w, total = rng.standard_normal(n), rng.standard_normal(n), n / 10
    low, high = v.min() - 1.0, v.max()
    for _ in range(200):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if np.clip(v - middle, 0.0, 1.0).sum() > total else (low, middle)
    free = (v - low > 0.0) & (v - low < 1.0)
    exact = np.where(free, w - w[free].mean(), 0.0)
    A = sp.csr_array(np.ones((1, n)))
    box = np.zeros(n), np.ones(n)
    return {"P": 1.0, "q": -v, "A": A, "sides": (np.full(1, total),) * 2, "box": box, "w": w, "exact": -exact}


def energy(n: int) -> dict[str, Any]:
    """A schedule with ramps of at most a quarter."""
    rng, t = np.random.default_rng(n + 1), np.arange(n)
    demand = 1.5 + np.sin(2.0 * np.pi * t / 24.0) + 0.4 * rng.standard_normal(n)
    A = sp.csr_array(sp.diags_array([-np.ones(n - 1), np.ones(n - 1)], offsets=[0, 1], shape=(n - 1, n)))
    sides = np.full(n - 1, -0.25), np.full(n - 1, 0.25)
    box = np.zeros(n), np.full(n, 3.0)
    return {"P": 2.0, "q": -2.0 * demand, "A": A, "sides": sides, "box": box, "w": rng.standard_normal(n)}


# ---------------------------------------------------------------------- ours and by hand
def ours(data: dict[str, Any], solver: Any) -> dict[str, Any]:
    """Seconds of building, of the solve (and of the library in it) and of the gradient, which is told, too."""
    n, (lower, upper) = len(data["q"]), data["sides"]

    def build() -> Any:
        model = ot.Model(ot.diff_optimizer(solver))
        x = model.add_variables(n, lower=data["box"][0], upper=data["box"][1])
        model.add_constraint(data["A"] @ x, ot.HyperRectangle(lower, upper))
        model.minimize(0.5 * data["P"] * (x @ x) + data["q"] @ x)
        return model, x

    def pull() -> Any:
        model.set(ot.ReverseVariablePrimal(), x, data["w"])
        model.reverse_differentiate()
        return model.get(ot.ReverseObjectiveFunction()).coefficients(x)

    built, (model, x) = timed(build)
    solved, _ = timed(model.optimize)
    pulled, gradient = timed(pull)
    status = model.get(ot.DifferentiationStatus()).name
    library = model.get(ot.SolveTimeSec())
    return {"build": built, "solve": solved, "library": library, "pull": pulled, "gradient": gradient, "status": status}


def by_hand(data: dict[str, Any], tolerance: float = 1e-8) -> dict[str, Any]:
    """The same with PIQP and SuperLU."""
    import piqp

    n, A, (lower, upper), (low, high) = len(data["q"]), data["A"], data["sides"], data["box"]
    equal = bool((lower == upper).all())
    P = sp.csc_matrix(data["P"] * sp.eye(n))
    C = sp.csc_matrix(A)

    def solve() -> Any:
        solver = piqp.SparseSolver()
        solver.settings.eps_abs = solver.settings.eps_rel = tolerance
        if equal:
            solver.setup(P, data["q"], C, lower, None, None, None, low, high)
        else:
            solver.setup(P, data["q"], None, None, C, lower, upper, low, high)
        solver.solve()
        return solver.result

    def pull() -> Any:
        x = np.asarray(result.x)
        rows = np.arange(len(lower))
        if not equal:
            s = A @ x
            down, up = np.asarray(result.z_l) > s - lower, np.asarray(result.z_u) > upper - s
            rows = np.flatnonzero(down | up)
        free = np.flatnonzero((np.asarray(result.z_bl) < x - low) & (np.asarray(result.z_bu) < high - x))
        B = sp.csr_matrix(A)[rows][:, free].tocsc()
        K = sp.bmat([[sp.csc_matrix(data["P"] * sp.eye(len(free))), B.T], [B, None]], format="csc")
        seed = np.concatenate([data["w"][free], np.zeros(len(rows))])
        gradient = np.zeros(n)
        gradient[free] = -spla.splu(K).solve(seed)[: len(free)]
        return gradient

    solved, result = timed(solve)
    pulled, gradient = timed(pull)
    return {"solve": solved, "pull": pulled, "gradient": gradient}


def compared(make: Callable[[int], dict[str, Any]], n: int, repeats: int) -> dict[str, Any]:
    """Both on one problem, in turns."""
    data = make(n)
    if "exact" not in data:
        data["exact"] = ours(data, lambda: ot.solvers.PIQP(eps_abs=ACCURATE, eps_rel=ACCURATE))["gradient"]
    mine, hand = [], []
    for _ in range(repeats):
        mine.append(ours(data, ot.solvers.PIQP))
        hand.append(by_hand(data))
    best = min(mine, key=lambda one: one["solve"] + one["pull"])
    least = min(one["solve"] + one["pull"] for one in hand)
    total = best["solve"] + best["pull"]
    return {
        **{name: best[name] for name in ("build", "solve", "library", "pull", "status")},
        "hand": least,
        "ratio": total / least,
        "error": relative(best["gradient"], data["exact"]),
        "hand error": relative(hand[-1]["gradient"], data["exact"]),
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


# ---------------------------------------------------------------------- dense, loop, directions
def dense(repeats: int) -> dict[str, Any]:
    """Build, solve and pull back a dense program; the overhead is what the library does not take."""
    rng, (n, m, p) = np.random.default_rng(1), (1500, 500, 200)
    L = rng.standard_normal((n, n)) / np.sqrt(n)
    P, q, w = L @ L.T + 0.1 * np.eye(n), rng.standard_normal(n), rng.standard_normal(n)
    G, A = rng.standard_normal((m, n)), rng.standard_normal((p, n))
    x0 = rng.standard_normal(n)
    h, b, found = G @ x0 + rng.random(m), A @ x0, []
    for _ in range(repeats):
        start = time.perf_counter()
        model = ot.Model(ot.diff_optimizer(ot.solvers.DAQP))
        x = model.add_variables(n)
        model.add_constraint(G @ x <= h)
        model.add_constraint(A @ x == b)
        model.minimize(0.5 * (x @ (P @ x)) + q @ x)
        built = time.perf_counter()
        model.optimize()
        solved = time.perf_counter()
        model.set(ot.ReverseVariablePrimal(), x, w)
        model.reverse_differentiate()
        model.get(ot.ReverseObjectiveFunction()).coefficients(x)
        end = time.perf_counter()
        parts = built - start, solved - built, end - solved
        found.append((sum(parts), *parts, model.get(ot.SolveTimeSec())))
    total, build, solve, pull, library = min(found)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {
        "build": build,
        "solve": solve,
        "pull": pull,
        "library": library,
        "overhead": total - library,
        "memory": memory,
    }


def loop(n: int, k: int, solver: Any, turns: int = 200) -> float:
    """Milliseconds of changing a parameter, solving and pulling back."""
    rng = np.random.default_rng(0)
    model = ot.Model(ot.diff_optimizer(solver))
    x, p = model.add_variables(n, lower=-1.0, upper=1.0), model.add_parameters(np.zeros(k))
    model.add_constraint(rng.standard_normal((k, n)) @ x - p, ot.Zeros(k))
    model.minimize((x @ x if solver is not ot.solvers.HiGHS else 0.0 * x[0]) + x.sum())
    model.optimize()
    taken = []
    for _ in range(turns):
        theta = 0.1 * rng.standard_normal(k)
        start = time.perf_counter()
        model.set_parameter_value(p, theta)
        model.optimize()
        model.set(ot.ReverseVariablePrimal(), x, np.ones(n))
        model.reverse_differentiate()
        model.get(ot.ReverseParameterValue(), p)
        taken.append(time.perf_counter() - start)
    return 1e3 * float(np.median(taken))


def direction() -> dict[str, float]:
    """Milliseconds a direction of a support vector machine with 200 points, both ways, one by one and in bulk."""
    rng, count = np.random.default_rng(3), 200
    X = rng.standard_normal((count, 2))
    y = np.where(X.sum(axis=1) + rng.standard_normal(count) < 0.0, -1.0, 1.0)
    model = ot.Model(ot.diff_optimizer(ot.solvers.PIQP))
    w, b, xi = model.add_variables(2), model.add_variable(), model.add_variables(count, lower=0.0)
    rows = [model.add_constraint(y[i] * (X[i] @ w + b) + xi[i] >= 1.0) for i in range(count)]
    model.minimize(0.05 * (w @ w) + xi.sum() + 1e-3 * (xi @ xi) + 1e-3 * (b * b))
    model.optimize()
    model.set(ot.ForwardConstraintFunction(), rows[0], 1.0 * w[0])
    model.forward_differentiate()

    def forward() -> None:
        for row in rows:
            model.empty_input_sensitivities()
            model.set(ot.ForwardConstraintFunction(), row, 1.0 * w[0])
            model.forward_differentiate()
            model.get(ot.ForwardVariablePrimal(), w)

    def reverse() -> None:
        for row in rows:
            model.empty_input_sensitivities()
            model.set(ot.ReverseVariablePrimal(), w, [1.0, 2.0])
            model.reverse_differentiate()
            model.get(ot.ReverseConstraintFunction(), row).coefficient(w[0])

    one = ot.Coefficients(rows[0], w[0])
    works: dict[str, Callable[[], Any]] = {
        "one by one": forward,
        "in bulk": lambda: model.directional_derivatives(w, [{row: 1.0 * w[0]} for row in rows]),
        "back one by one": reverse,
        "back in bulk": lambda: model.gradients(one, [{w[0]: 1.0, w[1]: 2.0} for _ in rows]),
    }
    least = dict.fromkeys(works, np.inf)
    for _ in range(9):
        for name, work in works.items():
            start = time.process_time()
            work()
            least[name] = min(least[name], 1e3 * (time.process_time() - start) / count)
    return least


def show(name: str, found: dict[str, Any]) -> None:
    """A line."""
    words = (f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}" for key, value in found.items())
    print(f"{name:18s} " + ", ".join(words), flush=True)


def main() -> None:
    """All, or what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="*", default=list(SIZES))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=["top-k", "energy", "dense", "loop", "direction"])
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)  # a problem and a size, in a process of its own
    arguments = parser.parse_args()
    if arguments.one:
        name, size = arguments.one
        warnings.simplefilter("ignore")
        print(json.dumps(compared({"top-k": top_k, "energy": energy}[name], int(size), arguments.repeats)))
        return
    for name in ("top-k", "energy"):
        totals: list[tuple[int, float]] = []
        for size in arguments.sizes if name in arguments.only else []:
            command = [sys.executable, __file__, "--one", name, str(size), "--repeats", str(arguments.repeats)]
            ended = subprocess.run(command, capture_output=True, text=True, check=False)
            if ended.returncode:
                print(f"{name} {size}: {ended.stderr.strip().splitlines()[-1]}", flush=True)
                continue
            found = json.loads(ended.stdout)
            totals.append((size, found["solve"] + found["pull"]))
            show(f"{name} {size:,}", found)
        if len(totals) > 1:
            slope = np.polyfit(*np.log(np.array(totals)).T, 1)[0]
            print(f"{name}: time grows as size to the {slope:.2f}", flush=True)
    if "dense" in arguments.only:
        show("dense 1500", dense(arguments.repeats))
    if "loop" in arguments.only:
        for solver in (ot.solvers.PIQP, ot.solvers.HiGHS):
            show(f"loop, {solver.name}", {"4 variables": loop(4, 2, solver), "100 variables": loop(100, 30, solver)})
    if "direction" in arguments.only:
        show("direction", direction())


if __name__ == "__main__":
    main()
