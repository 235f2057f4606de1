"""What all routes from parameters to outputs have in common."""

from __future__ import annotations

from typing import Any, Literal, Protocol

from ...modelkit.arrays import FloatArray
from ...modelkit.attributes import DifferentiationStatusCode, TerminationStatusCode
from ...modelkit.indices import ConstraintIndex

__all__ = ["EXACT", "Answer", "Mode", "Route", "is_dual", "status_of"]

EXACT = 1e-10
"""Relative residuals at which a point is a solution, whoever found it."""

Mode = Literal["vjp", "jvp"]
"""Whether cotangents of the outputs are pulled back to the parameters, or tangents of the parameters pushed."""

Answer = tuple[TerminationStatusCode, str, FloatArray, Any]
"""Status, why there are no outputs or "", outputs, state (None without a solution)."""


def is_dual(output: Any) -> bool:
    """Whether an output of a layer is a dual."""
    return isinstance(output, ConstraintIndex)


def status_of(point: DifferentiationStatusCode, uses_duals: bool) -> DifferentiationStatusCode:
    """The status of a layer's derivatives, of that of the solution.

    Where active rows depend on one another the duals are not unique; x moves with the objective all the same, and a
    layer whose parameters stand in the objective alone, and which returns no duals, has nothing to do with them.

    Parameters
    ----------
    point : of the solution, with its duals
    uses_duals : whether a parameter stands in a constraint, or an output is a dual
    """
    codes = DifferentiationStatusCode
    return codes.EXACT if point is codes.DEPENDENT_ROWS and not uses_duals else point


class Route(Protocol):
    """How items are solved and differentiated.

    One that is faster with many items at a time also has ``solve_batch(thetas, states) -> list[Answer]`` and
    ``derivative_batch(mode, thetas, states, directions)``, of a direction for each item.
    """

    def solve(self, theta: FloatArray, warm: Any) -> Answer:
        """The solution at all parameters (p,), given the state of another item or None to start from."""

    def derivative(self, mode: Mode, theta: FloatArray, state: Any, directions: FloatArray) -> FloatArray:
        """Cotangents (K, o) pulled back to (K, p), or tangents (K, p) pushed to (K, o)."""
