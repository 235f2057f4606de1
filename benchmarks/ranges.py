"""Ranges of public programs, each end against a new solve, and beside those that HiGHS tells itself.

    python benchmarks/ranges.py DATA_FOLDER [--only NAME] [--solver HiGHS]

Each finite end of each range is solved anew: the optimal value must be the one that `Model.ranges` told, and beyond the
end the value must leave the quadratic that held until there (or there must be no solution). Printed are, for each
problem, the ends, the largest relative error of a value, and how many ends are too early: nothing changes beyond them,
as where more rows are active than determine the solution.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from public_problems import build, load

import optangent as ot

BEYOND = 1e-2


class Asked:
    """A problem whose numbers are moved one at a time."""

    def __init__(self, problem: dict[str, Any], solver: Any) -> None:
        self.model = ot.Model(ot.diff_optimizer(solver))
        self.x, ((self.rows, self.sets, _),) = build(self.model, problem)
        self.model.set(ot.ConstraintName(), self.rows, [f"r{i}" for i in range(len(self.rows))])
        self.model.set(ot.VariableName(), list(self.x), [f"x{j}" for j in range(len(self.x))])
        self.costs = problem["q"]
        self.model.optimize()

    def value(self, line: Any, number: float) -> float:
        """The optimal value with one number changed; infinite without a solution."""
        k = int(line.name[1:])
        if line.what == "cost":
            self.model.modify(ot.ObjectiveFunction(), ot.ScalarCoefficientChange(self.x[k], number))
        else:
            low, high = self.sets[k].row()
            sides = {"lower": (number, high), "upper": (low, number), "equal": (number, number)}[line.side]
            if sides[0] > sides[1]:
                if sides[0] > sides[1] + 1e-12 * (1.0 + abs(number)):
                    return float("inf")
                sides = number, number
            self.model.set(ot.ConstraintSet(), self.rows[k], ot.Interval(*sides))
        self.model.optimize()
        found = self.model.objective_value() if self.model.termination_status().name == "OPTIMAL" else float("inf")
        if line.what == "cost":
            self.model.modify(ot.ObjectiveFunction(), ot.ScalarCoefficientChange(self.x[k], float(self.costs[k])))
        else:
            self.model.set(ot.ConstraintSet(), self.rows[k], self.sets[k])
        return found


def check(problem: dict[str, Any], solver: Any) -> tuple[int, float, int, float]:
    """Ends, largest error of a value, ends that are too early, and seconds of `ranges`."""
    asked = Asked(problem, solver)
    start = time.perf_counter()
    table = asked.model.ranges()
    seconds = time.perf_counter() - start
    f, ends, worst, early = asked.model.objective_value(), 0, 0.0, 0
    for line in table.itertuples():
        for end, told in ((line.low, line.objective_low), (line.high, line.objective_high)):
            if not np.isfinite(end):
                continue
            ends += 1
            scale = 1.0 + abs(f) + abs(told)
            worst = max(worst, abs(asked.value(line, end) - told) / scale)
            step = BEYOND * (1.0 + abs(end)) * (1.0 if end == line.high else -1.0)
            bend = 2.0 * (told - f - line.slope * (end - line.value)) / max((end - line.value) ** 2, 1e-300)
            t = end + step - line.value
            early += abs(asked.value(line, end + step) - (f + line.slope * t + 0.5 * bend * t * t)) <= 1e-11 * scale
    return ends, worst, early, seconds


def main() -> None:
    """Print a line for each problem."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only")
    parser.add_argument("--solver", default="HiGHS")
    arguments = parser.parse_args()
    for entry in json.loads((arguments.folder / "index.json").read_text()):
        if (
            entry["kind"] != "qp"
            or "infeasible" in entry["expected_status"]
            or arguments.only not in (None, entry["name"])
        ):
            continue
        found = check(load(arguments.folder / f"{entry['name']}.npz"), getattr(ot.solvers, arguments.solver))
        print("{:16} ends {:5}  largest error {:.1e}  early {:5}  {:.2f} s".format(entry["name"], *found), flush=True)


if __name__ == "__main__":
    main()
