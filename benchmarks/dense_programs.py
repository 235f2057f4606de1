"""Dense quadratic programs of 1,500 to 5,000 variables, solved and pulled back: OptNet beside qpth.

    python benchmarks/dense_programs.py WORKLOADS.py [--peers-python PYTHON] [--sizes 1500 3000] [--repeats 3]
        [--arrays]

Ours is a model, built from dense arrays, solved by OptNet, and the gradient in the costs; with ``--arrays`` also the
stacks below it, which take arrays as they are, and the Jacobian of x in all right-hand sides. qpth gets tensors, and
gives gradients in all data. Each in a process of its own, on one thread; times are the processor's, the least of the
repeats, so that what else the machine does counts little. The error is that of the gradient in the costs beside the
workload's, in closed form; the memory the largest of the process, data included.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import threads  # noqa: F401 - before NumPy

# isort: split
import numpy as np
from measuring import load, relative

SIZES = {1500: (500, 200), 3000: (1000, 500), 5000: (2000, 1000)}


def spent(parts: list[Callable[[], Any]]) -> list[float]:
    """Processor's seconds of calls, one after the other."""
    marks = [time.process_time()]
    for part in parts:
        part()
        marks.append(time.process_time())
    return np.diff(marks).tolist()


def by_model(data: dict[str, Any]) -> tuple[list[float], np.ndarray]:
    """Seconds to build, solve and pull back, and the gradient."""
    import optangent as ot

    held: dict[str, Any] = {}

    def build() -> None:
        model = held["model"] = ot.Model(ot.diff_optimizer(ot.solvers.OptNet))
        x = held["x"] = model.add_variables(len(data["q"]))
        model.add_constraint(data["G"] @ x <= data["h"])
        model.add_constraint(data["A"] @ x == data["b"])
        model.minimize(0.5 * (x @ (data["P"] @ x)) + data["q"] @ x)

    def pull() -> None:
        model = held["model"]
        model.set(ot.ReverseVariablePrimal(), held["x"], data["w"])
        model.reverse_differentiate()
        held["gradient"] = model.get(ot.ReverseObjectiveFunction()).coefficients(held["x"])

    return spent([build, lambda: held["model"].optimize(), pull]), held["gradient"]


def by_arrays(data: dict[str, Any]) -> tuple[list[float], np.ndarray]:
    """Seconds to solve, to pull back and for the Jacobian in all right-hand sides, and the gradient."""
    from optangent.solvers.dense.program import Programs
    from optangent.solvers.dense.stacked_solver import solve

    C, e = np.concatenate([data["A"], data["G"]])[None], len(data["b"])
    lower = np.concatenate([data["b"], np.full(len(data["h"]), -np.inf)])[None]
    upper = np.concatenate([data["b"], data["h"]])[None]
    programs, held = Programs(data["P"][None], data["q"][None], C, lower, upper, e), dict[str, Any]()

    def run() -> None:
        held["rows"] = solve(programs).rows

    def pull() -> None:
        held["gradient"] = -held["rows"].solve(data["w"][None, None], np.zeros((1, 1, C.shape[1])))[0][0, 0]

    def jacobian() -> None:
        active = np.flatnonzero(held["rows"].active[0])
        sides = np.zeros((1, len(active), C.shape[1]))
        sides[0, np.arange(len(active)), active] = 1.0
        held["rows"].once(np.zeros((1, len(active), len(data["q"]))), sides)

    return spent([run, pull, jacobian]), held["gradient"]


def by_qpth(data: dict[str, Any]) -> tuple[list[float], np.ndarray]:
    """Seconds to solve and to pull back, and the gradient."""
    import torch
    from qpth.qp import QPFunction

    torch.set_num_threads(1)
    tensors = {name: torch.tensor(data[name], requires_grad=True) for name in "PqGhAb"}
    function, held = QPFunction(verbose=-1, check_Q_spd=False), dict[str, Any]()

    def run() -> None:
        held["x"] = function(*tensors.values())

    return spent([run, lambda: (held["x"][0] @ torch.tensor(data["w"])).backward()]), tensors["q"].grad.numpy()


WAYS = {"model": by_model, "arrays": by_arrays, "qpth": by_qpth}


def one(way: str, workloads: Any, n: int, repeats: int) -> dict[str, Any]:
    """The least of some turns."""
    data = workloads.dense_qp_cached(n, *SIZES[n])
    found = [WAYS[way](data) for _ in range(repeats)]
    seconds, gradient = min(found, key=lambda turn: sum(turn[0]))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"seconds": seconds, "error": relative(gradient, data["ref_dq"]), "memory": memory}


def main() -> None:
    """A line for each way and size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads")
    parser.add_argument("--peers-python")
    parser.add_argument("--sizes", type=int, nargs="*", default=[1500, 3000])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--arrays", action="store_true")
    parser.add_argument("--no-model", action="store_true")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)  # a way and a size, in a process of its own
    given = parser.parse_args()
    if given.one:
        print(json.dumps(one(given.one[0], load(Path(given.workloads)), int(given.one[1]), given.repeats)))
        return
    ways = {"model": sys.executable} | ({"arrays": sys.executable} if given.arrays else {})
    if given.peers_python:
        ways["qpth"] = given.peers_python
    if given.no_model:
        del ways["model"]
    for n in given.sizes:
        for way, python in ways.items():
            command = [python, __file__, given.workloads, "--repeats", str(given.repeats), "--one", way, str(n)]
            ended = subprocess.run(command, capture_output=True, text=True, check=False)
            if ended.returncode:
                print(f"{n} {way}: {ended.stderr.strip().splitlines()[-1]}", flush=True)
                continue
            found = json.loads(ended.stdout.strip().splitlines()[-1])
            parts = " + ".join(f"{part:.3f}" for part in found["seconds"])
            print(f"{n} {way:7s} {parts} s, error {found['error']:.0e}, {found['memory']:.2f} GB", flush=True)


if __name__ == "__main__":
    main()
