"""A file for each solver library; the libraries themselves are imported when a wrapper first needs them."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from inspect import isabstract

from ..contract import Solver

__all__ = ["form_solvers"]


@cache
def form_solvers() -> tuple[type[Solver], ...]:
    """The solvers of this package, by name."""
    modules = [importlib.import_module(f"{__name__}.{one.name}") for one in pkgutil.iter_modules(__path__)]
    found = {thing for module in modules for thing in vars(module).values() if isinstance(thing, type)}
    solvers = [thing for thing in found if issubclass(thing, Solver) and not isabstract(thing)]
    return tuple(sorted(solvers, key=lambda one: one.name))
