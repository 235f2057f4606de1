"""One wrapper a solver, and what other distributions bring under the entry-point group ``optangent.solvers``.

The libraries themselves are imported when a wrapper first needs them.
"""

from __future__ import annotations

from functools import cache
from importlib import metadata
from inspect import isabstract
from typing import Any

from ..modelkit.form import Abilities, Form, Journal
from .array_solver import ArraySolver
from .contract import Solver, Start
from .fixed_point.alt_diff import AltDiff
from .fixed_point.pdg import PDG
from .fixed_point.pdhg import PDHG
from .libraries.clarabel import Clarabel
from .libraries.daqp import DAQP
from .libraries.highs import HiGHS
from .libraries.ipopt import Ipopt
from .libraries.optnet import OptNet
from .libraries.osqp import OSQP
from .libraries.piqp import PIQP
from .libraries.scs import SCS
from .options import Option
from .own_derivative import OwnDerivative
from .result import Result, Status

__all__ = [
    "DAQP",
    "OSQP",
    "PDG",
    "PDHG",
    "PIQP",
    "SCS",
    "Abilities",
    "AltDiff",
    "ArraySolver",
    "Clarabel",
    "Form",
    "HiGHS",
    "Ipopt",
    "Journal",
    "OptNet",
    "Option",
    "OwnDerivative",
    "Result",
    "Solver",
    "Start",
    "Status",
    "local_wrappers",
    "wrappers",
]

GROUP = "optangent.solvers"


def wrappers() -> tuple[type[Solver], ...]:
    """The solvers of this package for programs that are convex but for integers.

    Examples
    --------
    >>> [solver.name for solver in wrappers()]
    ['AltDiff', 'Clarabel', 'DAQP', 'HiGHS', 'OSQP', 'OptNet', 'PDG', 'PDHG', 'PIQP', 'SCS']
    """
    return tuple(one for one in _every() if not one.abilities.nonconvex)


def local_wrappers() -> tuple[type[Solver], ...]:
    """The solvers that find local solutions of nonlinear programs.

    Examples
    --------
    >>> [solver.name for solver in local_wrappers()]
    ['Ipopt']
    """
    return tuple(one for one in _every() if one.abilities.nonconvex)


def _every() -> list[type[Solver]]:
    found = [thing for thing in map(globals().get, __all__) if isinstance(thing, type) and issubclass(thing, Solver)]
    return sorted((one for one in found if not isabstract(one)), key=lambda one: one.name)


@cache
def _third_party() -> dict[str, metadata.EntryPoint]:
    return {point.name: point for point in metadata.entry_points(group=GROUP)}


def __getattr__(name: str) -> Any:
    if not name.startswith("_"):
        point = _third_party().get(name)
        if point is not None:
            return point.load()
    ours = [solver.name for solver in _every()]
    raise AttributeError(
        f"There is no solver {name!r}; there are {', '.join(sorted([*ours, *_third_party()]))}. "
        f"Another distribution adds one through the entry-point group {GROUP!r}."
    )


def __dir__() -> list[str]:
    return sorted([*__all__, *_third_party()])
