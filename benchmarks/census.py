"""Count right, false, flagged and refused answers over public and random programs, with every solver.

    python benchmarks/census.py [DATA_FOLDER] [--quick] [--seeds 1] [--out benchmarks/results/census.json]
    python benchmarks/census.py --only qp_dense/0/rows*1e6/HiGHS        # one run in full
    python benchmarks/census.py --compare before.json after.json        # what became worse, and what better

A run is a program in some units by one solver, on two routes: the model (optimize, forward and reverse mode) and a
layer of it. The random programs (`census_families.py`) have known answers and derivatives; of the public ones
(see `public_problems.py`) the optimum is known and no derivative. Each run is in a process that is ended after
`LIMIT` seconds of computing, since some solvers do not return. All take about five minutes on one core. Counted are,
for each solver, system of units and family:

* the solver's claims: *right* (OPTIMAL and there, INFEASIBLE or DUAL_INFEASIBLE and true), *false* (the same, and not
  so), *unsure* (everything else), *refused* (an exception);
* the derivative on each route: *exact* (EXACT and within 1e-6), *wrong* (EXACT and not), *kink* (told where one is),
  *flagged* (DEPENDENT_ROWS, WEAKLY_ACTIVE or NONUNIQUE of a smooth program), *refused*, *unsolved*
  (a layer whose solver is unsure); and *adjoint*: how many
  pairs ⟨w, J u⟩ and ⟨Jᵀw, u⟩ differ by more than 1e-9 of |w||J u|.

All errors are in the plain units of the program, whatever the units in which it was written. The library is used by
its public names only, so that the script runs on older states of it: counts before and after a change are compared.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import multiprocessing
import os
import resource
import signal
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import threads  # noqa: F401 - before NumPy

# isort: split
import census_runs
from census_families import FAMILIES, UNITS
from census_runs import Record

import optangent as ot

SOLVERS = ("Clarabel", "HiGHS", "OSQP", "SCS", "PIQP", "DAQP")
LIMIT = 20
"""Seconds of computing that a run may take before its process is ended, and 30 times that by the clock."""
ADJOINT_WITHIN = 1e-9
QUICK = ("plain", "objective/1e6")


def keys(arguments: argparse.Namespace) -> Iterator[str]:
    """The runs, in order."""
    solvers = [s for s in SOLVERS if hasattr(ot.solvers, s)]
    if arguments.folder:
        for entry in json.loads((arguments.folder / "index.json").read_text(encoding="utf-8")):
            for solver in solvers:
                yield f"public/{entry['name']}/{solver}"
    for seed in range(1 if arguments.quick else arguments.seeds):
        for family in FAMILIES:
            large = family.endswith(("_large", "_sparse"))
            for name in arguments.units or (QUICK if arguments.quick or large else UNITS):
                for solver in solvers:
                    if not (arguments.quick and large and solver not in ("Clarabel", "HiGHS")):
                        yield f"{family}/{seed}/{name}/{solver}"


def serve(connection: Any, folder: Path | None) -> None:
    """Answer keys with records: the child's loop."""
    warnings.simplefilter("ignore")
    with open(os.devnull, "w") as nothing:  # what solvers print
        os.dup2(nothing.fileno(), 1)
    with contextlib.suppress(ImportError):
        import torch  # noqa: F401 - its seconds count for no run
    while (key := connection.recv()) is not None:
        begun, spent = time.perf_counter(), math.ceil(time.process_time())
        resource.setrlimit(resource.RLIMIT_CPU, (spent + LIMIT, resource.RLIM_INFINITY))
        record = census_runs.public(folder, key) if key.startswith("public/") else census_runs.run(key)
        connection.send(None if record is None else record | {"seconds": time.perf_counter() - begun})


class Runner:
    """A process that runs keys, and another one when it hangs or dies."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.process: Any = None
        self.connection: Any = None

    def __call__(self, key: str) -> Record | None:
        """The record of one run."""
        if self.process is None:
            context = multiprocessing.get_context("spawn")
            self.connection, other = context.Pipe()
            self.process = context.Process(target=serve, args=(other, self.folder), daemon=True)
            self.process.start()
            other.close()
        try:
            self.connection.send(key)
            if self.connection.poll(30 * LIMIT):
                return self.connection.recv()
            status = "hangs"
        except (EOFError, ConnectionError):
            self.process.join(5.0)
            status = "hangs" if self.process.exitcode == -signal.SIGXCPU else "crash"
        self.process.kill()
        self.process = None
        return {"status": status, "claim": "refused", "seconds": LIMIT}

    def close(self) -> None:
        """End the process."""
        if self.process is not None:
            self.connection.send(None)
            self.process.join(5.0)


# ---------------------------------------------------------------------- tables
CLAIMS, VERDICTS = ("right", "false", "unsure", "refused"), ("exact", "wrong", "kink", "flagged", "refused", "unsolved")


def table(records: dict[str, Record], group: Callable[[str], str]) -> str:
    """A row for each group of runs."""
    head = f"{'':22}{'runs':>6} |" + "".join(f"{c:>8}" for c in CLAIMS)
    for route in ("model", "layer"):
        head += f" |{route:>6}:" + "".join(f"{v:>9}" for v in VERDICTS) + f"{'adjoint':>9}"
    lines = [head]
    for name in dict.fromkeys(map(group, records)):
        mine = [r for key, r in records.items() if group(key) == name]
        line = f"{name:22}{len(mine):6} |" + "".join(f"{sum(r['claim'] == c for r in mine):8}" for c in CLAIMS)
        for route in ("model", "layer"):
            there = [r[route] for r in mine if route in r]
            line += f" |{len(there):6} " + "".join(f"{sum(f['verdict'] == v for f in there):9}" for v in VERDICTS)
            line += f"{sum(f.get('adjoint', 0.0) > ADJOINT_WITHIN for f in there):9}"
        lines.append(line)
    return "\n".join(lines)


def report(records: dict[str, Record]) -> str:
    """All tables."""
    parts = ["By solver", table(records, lambda key: key.rsplit("/", 1)[1])]
    parts += [
        "\nBy units",
        table(records, lambda key: "public" if key.startswith("public") else key.split("/", 2)[2].rsplit("/", 1)[0]),
    ]
    parts += ["\nBy family", table(records, lambda key: key.split("/")[0])]
    statuses = Counter((key.rsplit("/", 1)[1], r["status"]) for key, r in records.items())
    parts += ["\nStatuses", *(f"{solver:10}{status:28}{n:6}" for (solver, status), n in sorted(statuses.items()))]
    for route in ("model", "layer"):
        there = Counter(r[route].get("exception", r[route].get("status")) for r in records.values() if route in r)
        parts += [f"\nDerivatives by the {route}", *(f"{status!s:28}{n:6}" for status, n in there.most_common())]
    return "\n".join(parts)


RANK = {
    "right": 0,
    "exact": 0,
    "kink": 0,
    "unsure": 1,
    "flagged": 1,
    "refused": 1,
    "unsolved": 1,
    "false": 2,
    "wrong": 2,
    None: 1,
}


def answers(record: Record) -> dict[str, str | None]:
    """The three words on a run."""
    return {"claim": record["claim"], **{r: record.get(r, {}).get("verdict") for r in ("model", "layer")}}


def compare(before: dict[str, Record], after: dict[str, Record]) -> str:
    """The runs that became worse, and how many became better."""
    worse, better = [], Counter[str]()
    for key in before.keys() & after.keys():
        old, new = answers(before[key]), answers(after[key])
        for what, word in new.items():
            step = f"{what}: {old[what]} -> {word}"
            if RANK[word] > RANK[old[what]]:
                worse.append(f"{step:32} {key}")
            elif RANK[word] < RANK[old[what]]:
                better[step] += 1
    lines = [f"{len(before.keys() & after.keys())} runs in both", "better:"]
    lines += [f"  {step:32}{n:6}" for step, n in better.most_common()] + [
        "worse:",
        *(f"  {line}" for line in sorted(worse)),
    ]
    return "\n".join(lines)


def write(records: dict[str, Record], path: Path) -> None:
    """As JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(records, indent=0), encoding="utf-8")


def main() -> int:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--quick", action="store_true", help="one seed, two units, in about a minute")
    parser.add_argument("--units", nargs="+", choices=UNITS, help="only these")
    parser.add_argument("--seeds", type=int, default=1, help="programs of each family")
    parser.add_argument("--only", default="", help="the runs with this in their key, each in full")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "census.json")
    parser.add_argument("--compare", nargs=2, type=Path, metavar=("BEFORE", "AFTER"))
    arguments = parser.parse_args()
    if arguments.compare:
        print(compare(*(json.loads(path.read_text(encoding="utf-8")) for path in arguments.compare)))
        return 0
    runner, records, begun = Runner(arguments.folder), {}, time.perf_counter()
    for key in keys(arguments):
        if arguments.only not in key:
            continue
        record = runner(key)
        if record is None:
            continue
        records[key] = record
        if arguments.only:
            print(key, json.dumps(record, indent=1))
        elif len(records) % 100 == 0:
            write(records, arguments.out)
    runner.close()
    print(report(records))
    print(f"\n{len(records)} runs in {time.perf_counter() - begun:.0f} s")
    if not arguments.only:
        write(records, arguments.out)
        print(f"written to {arguments.out}")
    bad = sum(
        r["claim"] == "false" or "wrong" in (r.get(route, {}).get("verdict") for route in ("model", "layer"))
        for r in records.values()
    )
    print(f"{bad} runs with a false claim or a wrong derivative")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
