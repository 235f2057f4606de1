"""``python -m optangent``: a model's file in, tables out.

A command is a function that makes tables of a solved model; `COMMANDS` names them.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

import optangent as ot

from .tables import FORMATS, Table

__all__ = ["main"]

SOLVED, UNSOLVED, WRONG = 0, 1, 2
_POINTS = (ot.ResultStatusCode.FEASIBLE_POINT, ot.ResultStatusCode.NEARLY_FEASIBLE_POINT)
_EPILOG = """
exit codes:
  0  solved to optimality
  1  there is no optimal solution to tell of: infeasible, unbounded, or stopped before
  2  wrong usage, or a file that cannot be read

examples:
  python -m optangent solve diet.mps
  python -m optangent solve diet.lp.gz --solver Clarabel --output diet.html
  python -m optangent solve plan.mps --time-limit 60 --format csv > plan.csv
"""


@final
@dataclass(frozen=True)
class Command:
    """A word of the command line.

    Attributes
    ----------
    help : what it shows
    tables : makes the tables, of a model that has been solved
    """

    help: str
    tables: Callable[[ot.Model], list[Table]]


# ---------------------------------------------------------------------- commands
def solution(model: ot.Model) -> list[Table]:
    """What was found: status, variables, constraints."""
    found = [_result(model)]
    if model.get(ot.PrimalStatus()) in _POINTS:
        found += [_variables(model), _constraints(model)]
    return found


COMMANDS = {
    "solve": Command("solve a model: status, objective, values, duals and reduced costs", solution),
}


# ---------------------------------------------------------------------- tables
def _result(model: ot.Model) -> Table:
    status = model.termination_status()
    n, m = model.get(ot.NumberOfVariables()), sum(len(one) for _, one in _rows(model))
    rows: list[tuple[Any, ...]] = [
        ("status", f"{status.name}: {status.value}"),
        ("solver", f"{model.get(ot.SolverName())} {model.get(ot.SolverVersion())}, {model.get(ot.RawStatusString())}"),
        ("seconds", round(model.get(ot.SolveTimeSec()), 6)),
        ("size", f"{n} variables, {m} constraints"),
    ]
    if model.get(ot.PrimalStatus()) in _POINTS:
        sense = model.get(ot.ObjectiveSense()) is ot.ObjectiveSenseCode.MAX_SENSE
        rows.insert(1, ("objective", model.objective_value()))
        rows.insert(2, ("sense", "maximize" if sense else "minimize"))
    return Table("Result", (), rows)


def _variables(model: ot.Model) -> Table:
    v = model.get(ot.ListOfVariableIndices())
    lower, upper = np.full(len(v), -np.inf), np.full(len(v), np.inf)
    store = model.store
    for kind in model.get(ot.ListOfConstraintTypesPresent()):
        if kind[0] is not ot.VariableIndex:
            continue
        block, _ = store.block(kind).snapshot()
        at = block.rows.var - store.base
        if kind[1] is ot.ZeroOne:
            lower[at], upper[at] = 0.0, 1.0
        elif kind[1].fields:  # of semicontinuous ones the two numbers between which they are if they are not zero
            low, high = kind[1].bounds(block.sets.numbers) or block.sets.numbers.T
            lower[at], upper[at] = np.maximum(lower[at], low), np.minimum(upper[at], high)
    names = [store.name_of(int(i)) for i in v.ids]
    costs = _if_dual(model, model.reduced_cost, v)
    columns = names, model.value(v).tolist(), lower.tolist(), upper.tolist(), costs
    return Table("Variables", ("name", "value", "lower", "upper", "reduced cost"), list(zip(*columns, strict=True)))


def _rows(model: ot.Model) -> list[tuple[Any, Any]]:
    """Kind and indices of the constraints that are no bounds."""
    kinds = [kind for kind in model.get(ot.ListOfConstraintTypesPresent()) if kind[0] is not ot.VariableIndex]
    return [(kind, model.get(ot.ListOfConstraintIndices(*kind))) for kind in kinds]


def _constraints(model: ot.Model) -> Table:
    rows: list[tuple[Any, ...]] = []
    for kind, indices in _rows(model):
        block, _ = model.store.block(kind).snapshot()
        lower, upper = kind[1].bounds(block.sets.numbers)
        value = np.asarray(model.value(indices))
        slack = np.minimum(value - lower, upper - value)
        duals = _if_dual(model, model.dual, indices)
        names = model.get(ot.ConstraintName(), indices)
        columns = names, value.tolist(), lower.tolist(), upper.tolist(), slack.tolist(), duals
        rows += zip(*columns, strict=True)
    return Table("Constraints", ("name", "value", "lower", "upper", "slack", "dual"), rows)


def _if_dual(model: ot.Model, duals: Callable[[Any], Any], of: Any) -> list[Any]:
    """Duals, where there are any."""
    has_duals = model.get(ot.DualStatus()) in _POINTS
    return list(np.asarray(duals(of)).tolist()) if has_duals else [None] * len(of)


# ---------------------------------------------------------------------- the command line
def _parser() -> argparse.ArgumentParser:
    common: dict[str, Any] = {"formatter_class": argparse.RawDescriptionHelpFormatter, "epilog": _EPILOG}
    parser = argparse.ArgumentParser(
        prog="python -m optangent", description="Solve a model from an MPS or LP file, and tell of it.", **common
    )
    parser.add_argument("--version", action="version", version=f"optangent {ot.__version__}")
    words = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        one = words.add_parser(name, help=command.help, description=f"{command.help.capitalize()}.", **common)
        one.add_argument("file", metavar="FILE", help="a model, its name ending in .mps, .lp, .mps.gz or .lp.gz")
        one.add_argument("--solver", default="HiGHS", type=_solver, help="one of ot.solvers (default: HiGHS)")
        one.add_argument("--time-limit", type=_seconds, metavar="S", help="seconds, after which the solver stops")
        one.add_argument("--output", type=Path, metavar="PATH", help="where to write (default: standard output)")
        one.add_argument(
            "--format", choices=list(FORMATS), help="default: what --output ends in (.csv, .html), else text"
        )
    return parser


def _solver(name: str) -> Any:
    names = {one.lower(): one for one in dir(ot.solvers)}
    found = getattr(ot.solvers, names.get(name.lower(), ""), None)
    if not (isinstance(found, type) and issubclass(found, ot.solvers.Solver) and found is not ot.solvers.Solver):
        ours = ", ".join(one.name for one in ot.solvers.wrappers())
        raise argparse.ArgumentTypeError(f"there is no solver {name!r}; there are {ours}")
    return found


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0.0 <= seconds < np.inf:
        raise argparse.ArgumentTypeError(f"a number of seconds, got {text!r}")
    return seconds


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code.

    Parameters
    ----------
    arguments : those behind ``python -m optangent``, of the process by default

    Raises
    ------
    SystemExit
        With 0 after ``--help``, and with 2 where the arguments are wrong, as argparse does.
    """
    given = _parser().parse_args(arguments)
    with warnings.catch_warnings(record=True) as noted:
        warnings.simplefilter("always")
        try:
            model = ot.read(given.file, given.solver)
            if given.time_limit is not None:
                model.set(ot.TimeLimitSec(), given.time_limit)
            model.optimize()
            text = FORMATS[_format(given)](Path(given.file).name, COMMANDS[given.command].tables(model))
        except (ot.OptangentError, OSError) as error:
            return _complain(error)
        finally:
            for one in noted:
                print(f"warning: {one.message}", file=sys.stderr)
    if given.output is None:
        sys.stdout.write(text)
    else:
        try:
            given.output.write_text(text, encoding="utf-8")
        except OSError as error:
            return _complain(error)
    return SOLVED if model.termination_status() is ot.TerminationStatusCode.OPTIMAL else UNSOLVED


def _complain(error: Any) -> int:
    of_file = isinstance(error, OSError) and error.filename is not None
    print(f"error: {f'{error.filename}: {error.strerror}' if of_file else error}", file=sys.stderr)
    return WRONG


def _format(given: argparse.Namespace) -> str:
    if given.format is not None:
        return str(given.format)
    suffix = "" if given.output is None else given.output.suffix[1:].lower()
    return {"htm": "html"}.get(suffix, suffix if suffix in FORMATS else "text")
