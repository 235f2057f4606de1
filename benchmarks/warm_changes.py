"""A linear program that is changed and solved again and again: through a form, by highspy alone, and rebuilt.

    python benchmarks/warm_changes.py [--sizes 300 5000] [--changes 1000] [--each 3] [--seed 0] [--only KIND ...]

Random additions and deletions of rows and columns, changes of bounds, sides, costs and coefficients (also of pairs that
had none, and to zero), and a solve after every few of them:

form
    The changes go into a `Form`, and what its `Journal` says into the HiGHS wrapper. Rows that are deleted are free,
    columns fixed at zero, until somebody makes the form anew: nothing here does.
highspy
    The same changes as calls of the library: rows and columns leave its matrix, and the others move up.
rebuilt
    A model made from arrays, by a fresh handle; its objective must be that of the others to 1e-9.

The first two take turns within one process, and read the objective and the point after each solve. Ends with 1 if an
answer differs, or a form takes more than 1.5 times as long as highspy.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import highspy
import numpy as np
import scipy.sparse as sp

from optangent.modelkit.form import Form
from optangent.solvers.libraries.highs import HiGHS

GOAL, EQUAL, INF = 1.5, 1e-9, np.inf
INT = np.int32
KINDS = ("add row", "delete row", "add column", "delete column", "bounds", "sides", "coefficient", "cost")
Change = tuple[Any, ...]


@dataclass
class Plain:
    """The program by dictionaries; zero is feasible, and every column bounded, whatever is changed."""

    rng: np.random.Generator
    rows: dict[int, dict[int, float]] = field(default_factory=dict)
    sides: dict[int, tuple[float, float]] = field(default_factory=dict)
    boxes: dict[int, tuple[float, float]] = field(default_factory=dict)
    costs: dict[int, float] = field(default_factory=dict)
    next_row: int = 0
    next_column: int = 0
    least: int = 0

    def random_sides(self) -> tuple[float, float]:
        """Around zero, one of two infinite."""
        low, high = -self.rng.uniform(0.5, 2.0), self.rng.uniform(0.5, 2.0)
        return (-INF, high) if self.rng.random() < 0.5 else (low, high)

    def random_row(self) -> dict[int, float]:
        """Five coefficients."""
        columns = self.rng.choice(list(self.costs), min(5, len(self.costs)), replace=False).tolist()
        return dict(zip(columns, self.rng.normal(0.5, 1.0, len(columns)).tolist(), strict=True))

    def change(self, kind: str) -> Change:
        """Make a random change; returns what it was."""
        rng, pick = self.rng, lambda held: int(self.rng.choice(list(held)))
        if kind.startswith("delete") and 2 * min(len(self.rows), len(self.costs)) < self.least:
            kind = kind.replace("delete", "add")
        if kind == "add row":
            i, self.next_row = self.next_row, self.next_row + 1
            self.rows[i], self.sides[i] = self.random_row(), self.random_sides()
            return kind, i, dict(self.rows[i]), self.sides[i]
        if kind == "add column":
            j, self.next_column = self.next_column, self.next_column + 1
            self.boxes[j], self.costs[j] = (0.0, rng.uniform(0.5, 2.0)), -rng.random()
            entries = {pick(self.rows): rng.normal() for _ in range(3)} if self.rows else {}
            for i, value in entries.items():
                self.rows[i][j] = value
            return kind, j, self.boxes[j], self.costs[j], entries
        if kind == "delete row":
            i = pick(self.rows)
            del self.rows[i], self.sides[i]
            return kind, i
        if kind == "delete column":
            j = pick(self.costs)
            del self.costs[j], self.boxes[j]
            for row in self.rows.values():
                row.pop(j, None)
            return kind, j
        if kind == "bounds":
            j = pick(self.costs)
            self.boxes[j] = -rng.uniform(0.0, 0.5), rng.uniform(0.5, 2.0)
            return kind, j, self.boxes[j]
        if kind == "sides":
            i = pick(self.rows)
            self.sides[i] = self.random_sides()
            return kind, i, self.sides[i]
        if kind == "cost":
            j = pick(self.costs)
            self.costs[j] = rng.normal(-0.5, 0.5)
            return kind, j, self.costs[j]
        i = pick(self.rows)
        held = [j for j, value in self.rows[i].items() if value]
        way = rng.integers(3)
        j = pick(held) if way and held else pick(self.costs)  # a present one is changed or becomes zero
        value = 0.0 if way == 2 else rng.normal(0.5, 1.0)
        self.rows[i][j] = value
        return kind, i, j, value

    def objective(self) -> float:
        """The minimum, of a model made anew."""
        columns, rows = {j: k for k, j in enumerate(self.costs)}, list(self.rows)
        triples = [(k, columns[j], v) for k, i in enumerate(rows) for j, v in self.rows[i].items()]
        row, column, value = (np.array(part) for part in zip(*triples, strict=True))
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_, lp.col_cost_ = len(columns), len(rows), np.array(list(self.costs.values()))
        lp.col_lower_, lp.col_upper_ = np.array(list(self.boxes.values())).T
        lp.row_lower_, lp.row_upper_ = np.array([self.sides[i] for i in rows]).T
        A = sp.csc_array((value, (row, column)), (len(rows), len(columns)))
        lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = A.indptr, A.indices, A.data
        handle = new_handle()
        handle.passModel(lp)
        handle.run()
        return float(handle.getObjectiveValue())


class ByForm:
    """The changes in a form."""

    def __init__(self) -> None:
        self.form, self.solver, self.q = Form(), HiGHS(), np.zeros(0)
        self.loaded = False

    def apply(self, changes: list[Change]) -> None:
        """Make them; the costs as one vector, as the objective comes."""
        form, costs = self.form, dict[int, float]()
        for kind, at, *what in changes:
            here = np.array([at])
            if kind == "add row":
                entries, sides = what
                row = sp.csr_array((list(entries.values()), list(entries), [0, len(entries)]), (1, form.n))
                form.add_rows(row, *np.array(sides)[:, None])
            elif kind == "add column":
                box, costs[at], entries = what
                form.add_columns(1)
                form.set_bounds(here, *box)
                for i, value in entries.items():
                    self.set_coefficient(i, at, value)
            elif kind == "delete row":
                form.set_sides(here, -INF, INF)
            elif kind == "delete column":
                form.set_bounds(here, 0.0, 0.0)
                costs[at] = 0.0
            elif kind == "bounds":
                form.set_bounds(here, *what[0])
            elif kind == "sides":
                form.set_sides(here, *what[0])
            elif kind == "cost":
                costs[at] = what[0]
            else:
                self.set_coefficient(at, *what)
        if costs:
            q = form.q.copy()
            q[list(costs)] = list(costs.values())
            form.set_objective(None, q, 0.0)

    def set_coefficient(self, i: int, j: int, value: float) -> None:
        """Give the row a function with another coefficient."""
        columns, values = self.form.row(i)
        if j in columns:
            values = np.where(columns == j, value, values)
        else:
            columns, values = np.append(columns, j), np.append(values, value)
        self.form.set_row(i, columns, values)

    def solve(self) -> tuple[float, Any, int]:
        """Objective, point and iterations."""
        journal = self.form.take_journal()
        result = self.solver.solve(self.form, journal if self.loaded else None)
        self.loaded = True
        assert result.objective is not None and result.iterations is not None
        return result.objective, result.x, result.iterations["simplex"]


class ByHand:
    """The changes as calls of highspy."""

    def __init__(self) -> None:
        self.handle = new_handle()
        self.row, self.column = Places(), Places()

    def apply(self, changes: list[Change]) -> None:
        """Make them."""
        handle, row, column = self.handle, self.row, self.column
        for kind, at, *what in changes:
            if kind == "add row":
                entries, sides = what
                row.append(at)
                indices = column.of(entries)
                handle.addRow(*sides, len(indices), indices, np.array(list(entries.values())))
            elif kind == "add column":
                box, cost, entries = what
                column.append(at)
                indices = row.of(entries)
                handle.addCol(cost, *box, len(indices), indices, np.array(list(entries.values())))
            elif kind == "delete row":
                handle.deleteRows(1, row.of([at]))
                row.delete(at)
            elif kind == "delete column":
                handle.deleteCols(1, column.of([at]))
                column.delete(at)
            elif kind == "bounds":
                handle.changeColBounds(column[at], *what[0])
            elif kind == "sides":
                handle.changeRowBounds(row[at], *what[0])
            elif kind == "cost":
                handle.changeColCost(column[at], what[0])
            else:
                handle.changeCoeff(row[at], column[what[0]], what[1])

    def solve(self) -> tuple[float, Any, int]:
        """Objective, point and iterations."""
        self.handle.run()
        x = np.array(self.handle.getSolution().col_value)
        return float(self.handle.getObjectiveValue()), x, int(self.handle.getInfo().simplex_iteration_count)


class Places:
    """Where rows or columns stand in the library, by their numbers."""

    def __init__(self) -> None:
        self.at, self.count = np.zeros(0, np.int64), 0

    def append(self, number: int) -> None:
        """Put the next one last."""
        if number >= len(self.at):
            self.at = np.concatenate([self.at, np.full(len(self.at) + 64, -1)])
        self.at[number] = self.count
        self.count += 1

    def delete(self, number: int) -> None:
        """Those behind it move up."""
        self.at[self.at > self.at[number]] -= 1
        self.at[number] = -1
        self.count -= 1

    def of(self, numbers: Any) -> Any:
        """Places, as highspy wants them."""
        return self.at[list(numbers)].astype(INT)

    def __getitem__(self, number: int) -> int:
        return int(self.at[number])


def new_handle() -> Any:
    """A quiet one."""
    handle = highspy._Highs()
    handle.setOptionValue("output_flag", False)
    return handle


def compare(size: int, changes: int, each: int, seed: int, kinds: tuple[str, ...]) -> bool:
    """Print one line of the table; whether all is as it should be."""
    plain, ways = Plain(np.random.default_rng(seed)), (ByForm(), ByHand())
    for kind in ("add column", "add row"):
        start = [plain.change(kind) for _ in range(size)]
        for way in ways:
            way.apply(start)
    plain.least = size
    for way in ways:
        way.solve()
    changing, solving, iterations, solves = np.zeros(2), np.zeros(2), np.zeros(2, int), 0
    worst, checked = 0.0, max(changes // each * size // 15_000, 1)  # fewer models made anew where each takes long
    for step in range(0, changes, each):
        some = [plain.change(kinds[plain.rng.integers(len(kinds))]) for _ in range(each)]
        objectives = np.zeros(2)
        for k in np.random.default_rng(step).permutation(2):
            start_time = time.perf_counter()
            ways[k].apply(some)
            middle = time.perf_counter()
            objectives[k], _, count = ways[k].solve()
            changing[k] += middle - start_time
            solving[k] += time.perf_counter() - middle
            iterations[k] += count
        solves += 1
        truth = plain.objective() if solves % checked == 0 else objectives[1]
        worst = max(worst, float(np.abs(objectives - truth).max()) / max(1.0, abs(truth)))
    total = changing + solving
    ratio = total[0] / total[1]
    ours, theirs = (
        f"{1e3 * c / solves:7.3f} + {1e3 * s / solves:8.3f} {i / solves:7.1f}"
        for c, s, i in zip(changing, solving, iterations, strict=True)
    )
    words = ", ".join(kinds) if len(kinds) < len(KINDS) else "all"
    print(f"{size:6d} {words:14s} {solves:6d} | {ours} | {theirs} | {ratio:5.2f} | {worst:.0e}", flush=True)
    return ratio <= GOAL and worst <= EQUAL


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[300, 5000])
    parser.add_argument("--changes", type=int, default=1000)
    parser.add_argument("--each", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=KINDS, help="kinds of changes, each by itself")
    options = parser.parse_args()
    print("  rows what           solves |  form: change + solve, ms; iterations | highspy | ratio | worst difference")
    runs = [(kind,) for kind in options.only] if options.only else [KINDS]
    good = [
        compare(size, options.changes, options.each, options.seed, kinds) for size in options.sizes for kinds in runs
    ]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
