"""How constraints get to solvers and diff models, in words."""

from __future__ import annotations

import sys
from typing import Any, TextIO

from ..modelkit.store.parameters import PARAMETERS, kinds_inserted

__all__ = ["print_bridges"]


def print_bridges(model: Any, file: TextIO | None = None) -> None:
    """Print how each kind of constraint in a model reaches its solvers, and its diff model once there is one.

    Rows between bounds, and bounds of variables, are numbers of every form: they need no bridge.

    Parameters
    ----------
    model : Model
    file : where to write, standard output by default

    Examples
    --------
    >>> import optangent as ot
    >>> model = ot.Model(ot.solvers.HiGHS)
    >>> v = model.add_variables(3)
    >>> c = model.add_constraint(v >= 1)
    >>> d = model.add_constraint(v, ot.NormOneCone(3))
    >>> ot.print_bridges(model)
    HiGHS:
      VectorAffineFunction-in-Nonnegatives  (native)
      VectorOfVariables-in-NormOneCone  by NormOneToLinear, cost 1
          VectorAffineFunction-in-Nonnegatives  (native)

    See Also
    --------
    Model.lowering : the matrices that stand for one constraint
    """
    out = file or sys.stdout
    targets = model.meta_solver.lowerings
    if not targets:
        print("There is nothing to bridge to in this model: it has no optimizer.", file=out)
    for name, lowering in targets:
        print(f"{name}:", file=out)
        for kind in kinds_inserted(model.meta_solver.store):
            if kind != PARAMETERS:
                for line in lowering.path(kind):
                    print("  " + line, file=out)
