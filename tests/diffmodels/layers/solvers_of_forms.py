"""Solvers of forms that tests write, in front of which a model can stand."""

from __future__ import annotations

from typing import Any

import optangent as ot
from optangent.solvers.contract import FormSolver
from optangent.solvers.matrix_solver import MatrixSolver

__all__ = ["modelled"]


def modelled(solver: type[FormSolver]) -> Any:
    """A maker of solvers for `diff_optimizer` whose layers ask this one; the model itself is not to be solved."""

    class Behind(MatrixSolver):
        """A solver that takes the kinds of Clarabel."""

        name = solver.name
        kinds = ot.solvers.Clarabel.kinds
        releases_gil = solver.releases_gil

        def option_names(self) -> list[str]:
            """None."""
            return []

        def load(self, form: Any) -> None:
            """Not to be called."""
            raise NotImplementedError

        run = load

        def of_forms(self) -> Any:
            """The solver."""
            return solver()

    return Behind
