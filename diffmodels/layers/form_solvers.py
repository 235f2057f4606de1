"""The solvers of a model, as layers ask them: for the answer to a form."""

from __future__ import annotations

from typing import Any, Protocol, Self

from ...modelkit.form import Abilities, Form
from ..outcome import FoundResult
from ..own_solution import OwnDerivative

__all__ = ["Solver", "form_solvers"]


class Solver(Protocol):
    """What a layer needs of a solver (see `solvers.contract`, which diff models do not import).

    One for small quadratic programs may have ``candidates(P, q, F, g, zeros)``, too, or ``exact_points`` of the same,
    which are solutions with the system of their derivatives, as `dense.dense_qp.DensePoints` are.
    """

    name: str
    abilities: Abilities
    releases_gil: bool

    def another(self) -> Self:
        """A solver like this one, with nothing loaded."""

    def solve_anew(self, form: Form, start: Any = None) -> FoundResult:
        """The answer to one of many forms, which does not depend on those before."""

    @property
    def differentiates(self) -> bool:
        """Whether it has derivatives of its own."""

    def differentiate(self, form: Form, result: Any) -> OwnDerivative | None:
        """What differentiates its result, of one that has derivatives of its own; None where it has none."""

    def fetch(self, result: FoundResult) -> None:
        """Fill in what was left out of a result."""


def form_solvers(model: Any) -> list[Solver]:
    """Solvers like those of a model, in the order in which they are tried."""
    return [solver.another() for solver in model.meta_solver.solvers]
