"""Layers, forward and backward: ours beside cvxpylayers, Moreau, qpth, proxsuite, jaxopt, qpax and PIQP with NumPy.

    python benchmarks/layers.py WORKLOADS.py --peers-python PYTHON [--seconds 90] [--only tiny,batch,energy]
                                [--peers moreau,qpth | --no-peers] [--solvers Clarabel,PIQP,DAQP] [--profile]

WORKLOADS.py is the module of shared workloads; `layer_workloads.py` says what the three problems are, what is asked and
how it is timed. Ours is a model with parameters as a `TorchLayer`, and as the NumPy program below it, with each of our
solvers in turn. The peers (`layer_peers.py`: how each is used) run in the interpreter of ``--peers-python``, each in a
process of its own with a time limit, its set-up included. One that is not there, does not import, fails or runs out of
time stays in the table and says so. Ours is measured before and after every peer, in turns, so that all see the same
machine. All run on one thread; with ``OMP_NUM_THREADS=2`` in the environment on two, and ours also with its batch dealt
to two threads.

The columns: set-up is what depends on the form of the program alone (building, canonicalization, compilation; no
imports); forward gives x with what a backward pass needs; forward + backward also the gradients, medians all; then the
relative errors of x and of the worst gradient, with the parameter that it belongs to. The first call counts as none.

The goals, of ours as a torch layer:

* with every solver, gradients with an error of at most 1e-6;
* tiny, with the fastest solver: forward + backward in at most 250 µs;
* batch and energy, likewise: at least as fast as cvxpylayers with its fastest back end, whatever its error.

Ends with 1 where one is missed or not judged.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import layer_peers
from threads import THREADS  # before NumPy

# isort: split
import numpy as np
import torch
from layer_workloads import PROBLEMS, REPETITIONS, Gradients, errors, samples, workload
from measuring import load, timed
from peer_process import Found, asked, measured_apart, parser_of, versions

import optangent as ot
from optangent.diffmodels.layers.program import Program

TINY, EXACT = 250e-6, 1e-6
SECONDS = 0.5  # of each of our turns, of which there are many
JUDGED = "cvxpylayers"


# ------------------------------------------------------------------------------------------------ ours
def model_of(data: dict[str, Any], solver: Callable[[], Any]) -> tuple[ot.Model, list[Any], list[Any]]:
    """The workload as a model: with its parameters, and x as the output."""
    model = ot.Model(ot.diff_optimizer(solver))
    n, m, equalities = data["q"].shape[-1], data["h"].shape[-1], data["b"].shape[-1]
    if data["names"] == ("q",):  # the schedule, written as one would
        x, q = model.add_variables(n, lower=0.0, upper=3.0), model.add_parameters(np.zeros(n))
        model.add_constraint(x[1:] - x[:-1], ot.HyperRectangle(np.full(n - 1, -0.25), np.full(n - 1, 0.25)))
        model.minimize(x @ x + q @ x)
        return model, [q], [x]
    x = model.add_variables(n)
    shapes = {"P": (n, n), "q": n, "G": (m, n), "h": m, "A": (equalities, n), "b": equalities}
    given = {name: model.add_parameters(np.zeros(shapes[name])) for name in data["names"]}
    model.add_constraint(given["G"] @ x - given["h"], ot.Nonpositives(m))
    if equalities:
        model.add_constraint(given["A"] @ x - given["b"], ot.Zeros(equalities))
    model.minimize(0.5 * (x @ (given["P"] @ x)) + given["q"] @ x)
    return model, list(given.values()), [x]


class Torch:
    """The workload as a layer of PyTorch."""

    def __init__(self, data: dict[str, Any], solver: Callable[[], Any], executor: str | None = None) -> None:
        self.data = data
        self.setup, self.layer = timed(lambda: ot.layers.TorchLayer(*model_of(data, solver), executor=executor))
        self.tensors = [torch.tensor(data[name], requires_grad=True) for name in data["names"]]
        self.w = torch.tensor(data["w"])

    def forward(self) -> Any:
        """The outputs."""
        return self.layer(*self.tensors)

    def both(self) -> Any:
        """The output, the gradients in the tensors."""
        for tensor in self.tensors:
            tensor.grad = None
        (x,) = self.layer(*self.tensors)
        x.backward(self.w)
        return x

    def read(self, x: Any) -> tuple[np.ndarray, Gradients]:
        """The value of x and the gradients."""
        return x.detach().numpy(), {
            name: t.grad.numpy() for name, t in zip(self.data["names"], self.tensors, strict=True)
        }


class NumPy:
    """The workload as the program below all layers, which takes all parameters in a row."""

    def __init__(self, data: dict[str, Any], solver: Callable[[], Any]) -> None:
        self.data, self.batch = data, data["q"].shape[:-1]
        self.setup, self.program = timed(lambda: Program(*model_of(data, solver)))
        parts = [data[name].reshape(*self.batch, -1) for name in data["names"]]
        self.thetas, self.ends = np.concatenate(parts, axis=-1), np.cumsum([p.shape[-1] for p in parts])[:-1]

    def forward(self) -> Any:
        """The solved items."""
        return self.program.solve_batch(self.thetas) if self.batch else self.program.solve(self.thetas)

    def both(self) -> tuple[Any, np.ndarray]:
        """The solved items, and the gradients in a row."""
        found, w = self.forward(), self.data["w"]
        return found, self.program.vjp_batch(found, w) if self.batch else found.vjp(w)

    def read(self, both: tuple[Any, np.ndarray]) -> tuple[np.ndarray, Gradients]:
        """The value of x and the gradients."""
        found, gradient = both
        x = np.stack([item.outputs for item in found]) if self.batch else found.outputs
        return x, dict(zip(self.data["names"], np.split(gradient, self.ends, axis=-1), strict=True))


def ours(data: dict[str, Any], solvers: list[str]) -> dict[str, Any]:
    """All the ways in which we are measured."""
    makers: dict[str, Callable[..., Any]] = {"torch": Torch}
    if data["q"].ndim > 1 and int(THREADS) > 1:
        makers["torch threads"] = partial(Torch, executor="threads")
    makers["numpy"] = NumPy
    made = {}
    for solver in solvers:
        try:
            getattr(ot.solvers, solver)().option_names()  # for which it needs its library
        except ot.MissingDependency as error:
            print(error, file=sys.stderr)
            continue
        made |= {f"{name} {solver}": make(data, getattr(ot.solvers, solver)) for name, make in makers.items()}
    return made


def profile(way: Any, count: int) -> None:
    """Where forward and backward spend their time."""
    watch = cProfile.Profile()
    watch.runcall(lambda: [way.both() for _ in range(count)])
    pstats.Stats(watch).sort_stats("tottime").print_stats(40)


def compared(name: str, arguments: argparse.Namespace) -> dict[str, Found]:
    """What was found for ours, then for each peer, on a problem."""
    data = workload(load(arguments.workloads), name)
    ways = ours(data, arguments.solvers.split(","))
    found: dict[str, Found] = {}
    runs: dict[str, tuple[list[float], list[float]]] = {way: ([], []) for way in ways}
    for way, one in ways.items():
        found[f"optangent {way}"] = {"setup": one.setup, **errors(data, *one.read(one.both()))}
        if arguments.profile:
            profile(one, REPETITIONS[name])

    def turn() -> None:
        for way, one in ways.items():
            for run, seconds in zip((one.forward, one.both), runs[way], strict=True):
                run()  # after the others it finds the caches cold, which a peer in its own process does not
                seconds.extend(samples(run, REPETITIONS[name], SECONDS))

    turn()
    for who in asked(layer_peers.PEERS, arguments):
        found[who] = measured_apart(layer_peers.__file__, name, who, arguments)
        turn()
    for way, (forward, total) in runs.items():
        found[f"optangent {way}"] |= {"forward": float(np.median(forward)), "total": float(np.median(total))}
    return found


# ------------------------------------------------------------------------------------------------ tables
def line(name: str, who: str, found: Found, best: float) -> str:
    """A row of the table."""
    cells = [name, f"{who}: {found['why']}" if "why" in found else who]
    cells.append(f"{found['setup']:.2f}" if "setup" in found else "-")
    cells += [f"{1e3 * found[key]:.3g}" if key in found else "-" for key in ("forward", "total")]
    cells.append(f"{found['total'] / best:.2f}" if "total" in found else "-")
    cells.append(f"{found['x']:.0e}" if "x" in found else "-")
    cells.append(f"{found['gradient']:.0e} ({found['worst']})" if "gradient" in found else "-")
    return "| " + " | ".join(cells) + " |"


def verdicts(name: str, found: dict[str, Found]) -> list[tuple[str, bool]]:
    """What the goals of a problem say, and whether each is met."""
    mine = {who: f for who, f in found.items() if who.startswith("optangent torch")}
    who, worst = max(mine.items(), key=lambda one: (not np.isfinite(one[1]["gradient"]), one[1]["gradient"]))
    words = f"{who}, gradient error {worst['gradient']:.0e} ({worst['worst']}), goal {EXACT:g}"
    said = [(words, worst["gradient"] <= EXACT)]
    fastest = min(mine, key=lambda who: mine[who]["total"])
    seconds = mine[fastest]["total"]
    if name == "tiny":
        return [*said, (f"{fastest} {1e6 * seconds:.0f} µs, goal {1e6 * TINY:.0f} µs", seconds <= TINY)]
    theirs = {who: f["total"] for who, f in found.items() if who.startswith(JUDGED) and "total" in f}
    if not theirs:
        return [*said, (f"not judged, no {JUDGED}", False)]
    best = min(theirs, key=lambda who: theirs[who])
    ratio = theirs[best] / seconds
    words = f"{fastest} {1e3 * seconds:.1f} ms, {best} {1e3 * theirs[best]:.1f} ms: {ratio:.2f} × as fast"
    return [*said, (words, ratio >= 1.0)]


def tables(arguments: argparse.Namespace) -> bool:
    """Ours beside the peers, problem by problem, then the goals; whether all are met."""
    print("| problem | who | set-up s | forward ms | forward + backward ms | / our best | error of x | of gradients |")
    print("|" + "---|" * 8)
    judged, everybody = [], []
    for name in arguments.only.split(",") if arguments.only else PROBLEMS:
        found = compared(name, arguments)
        everybody += list(found.values())
        best = min(f["total"] for who, f in found.items() if who.startswith("optangent torch"))
        for who, result in found.items():
            print(line(name, who, result, best), flush=True)
        judged += [(name, *verdict) for verdict in verdicts(name, found)]
    print(f"\n{versions(everybody)}; threads for each: {THREADS}.\n")
    for name, words, is_met in judged:
        print(f"{'met   ' if is_met else 'MISSED'} {name}: {words}")
    return all(is_met for *_, is_met in judged)


def main() -> int:
    """Print the tables."""
    parser = parser_of(__doc__.splitlines()[0], seconds=90.0)
    parser.add_argument("--solvers", default="Clarabel,PIQP,DAQP", help="which of ours, with commas")
    torch.set_num_threads(int(THREADS))
    return 0 if tables(parser.parse_args()) else 1


if __name__ == "__main__":
    sys.exit(main())
