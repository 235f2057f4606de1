"""Why constraints and objective take the bridges they take, in words."""

from __future__ import annotations

import sys
from typing import Any, TextIO

from ..modelkit.attributes import SolverName
from .layer import BridgeOptimizer

__all__ = ["print_bridges"]


def print_bridges(model: Any, file: TextIO | None = None) -> None:
    """Print how each kind of constraint in a model reaches its solver, and its diff model once there is one.

    So does the objective, where it is not taken as it is.

    Parameters
    ----------
    model : Model, or any of the layers in it
    file : where to write, standard output by default

    Examples
    --------
    >>> import optangent as ot
    >>> model = ot.Model(ot.solvers.HiGHS)
    >>> v = model.add_variables(2)
    >>> c = model.add_constraint(v >= 1)
    >>> model.minimize(v.sum())
    >>> model.optimize()
    >>> ot.print_bridges(model)
    HiGHS:
      VectorAffineFunction-in-Nonnegatives  by Scalarize, cost 1
          ScalarAffineFunction-in-GreaterThan  (native)
    """
    out = file or sys.stdout
    layers = _bridge_layers(model)
    if not layers:
        print("There is no bridge layer in this model: it has no optimizer.", file=out)
    kinds = model.store.kinds() if hasattr(model, "store") else []
    for layer in layers:
        print(f"{layer.get(SolverName())}:", file=out)
        for line in layer.explain() or [line for kind in kinds for line in layer.path(kind)]:
            print("  " + line, file=out)


def _bridge_layers(model: Any) -> list[BridgeOptimizer]:
    """The layers below a model, that of the solver first."""
    if isinstance(model, BridgeOptimizer):
        return [model]
    found: list[BridgeOptimizer] = []
    for name in ("optimizer", "inner", "diff_stack"):
        below = getattr(model, name, None)
        if below is not None:
            found += _bridge_layers(below)
    return found
