"""``python -m optangent``: a model's file in, tables out.

What the commands show is in `reports`, what it looks like in `tables`.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import optangent as ot

from .reports import COMMANDS
from .tables import FORMATS

__all__ = ["main"]

ANSWERED, UNANSWERED, WRONG = 0, 1, 2
_NO_ANSWER = (ot.NotOptimized, ot.NotAllowed, ot.DifferentiationError)
_EPILOG = """
exit codes:
  0  solved to optimality; conflict: one was found
  1  no answer: infeasible, unbounded, or stopped before; sensitivity: no duals; conflict: there is a solution
  2  wrong usage, or a file that cannot be read

examples:
  python -m optangent solve diet.mps
  python -m optangent solve diet.lp.gz --solver Clarabel --output diet.html
  python -m optangent solve plan.mps --time-limit 60 --format csv > plan.csv
  python -m optangent sensitivity diet.mps --output prices.html
  python -m optangent explain diet.mps --constraint calories
  python -m optangent conflict plan.lp
"""


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
        if name == "explain":
            one.add_argument(
                "--constraint", action="append", metavar="NAME", help="one to explain; without, one of each kind"
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
    command = COMMANDS[given.command]
    with warnings.catch_warnings(record=True) as noted:
        warnings.simplefilter("always")
        try:
            model = ot.read(given.file, ot.diff_optimizer(given.solver) if command.differentiates else given.solver)
            if given.time_limit is not None:
                model.set(ot.TimeLimitSec(), given.time_limit)
            model.optimize()
            text = FORMATS[_format(given)](Path(given.file).name, command.tables(model, given))
            if given.output is None:
                sys.stdout.write(text)
            else:
                given.output.write_text(text, encoding="utf-8")
        except (ot.OptangentError, OSError) as error:
            return _complain(error)
        finally:
            for one in noted:
                print(f"warning: {one.message}", file=sys.stderr)
    return ANSWERED if command.is_answer(model) else UNANSWERED


def _complain(error: Any) -> int:
    of_file = isinstance(error, OSError) and error.filename is not None
    print(f"error: {f'{error.filename}: {error.strerror}' if of_file else error}", file=sys.stderr)
    return UNANSWERED if isinstance(error, _NO_ANSWER) else WRONG


def _format(given: argparse.Namespace) -> str:
    if given.format is not None:
        return str(given.format)
    suffix = "" if given.output is None else given.output.suffix[1:].lower()
    return {"htm": "html"}.get(suffix, suffix if suffix in FORMATS else "text")
