"""What all routes from parameters to outputs have in common."""

from __future__ import annotations

from typing import Any, Literal, Protocol

from ...modelkit.arrays import FloatArray
from ...modelkit.attributes import TerminationStatusCode

__all__ = ["EXACT", "Answer", "Mode", "Route"]

EXACT = 1e-10
"""Relative residuals at which a point is a solution, whoever found it."""

Mode = Literal["vjp", "jvp"]
"""Whether cotangents of the outputs are pulled back to the parameters, or tangents of the parameters pushed."""

Answer = tuple[TerminationStatusCode, str, FloatArray, Any]
"""Status, why there are no outputs or "", outputs, state (None without a solution)."""


class Route(Protocol):
    """How items are solved and differentiated.

    One that is faster with many items at a time also has ``solve_batch(thetas, states) -> list[Answer]`` and
    ``derivative_batch(mode, thetas, states, directions)``, of a direction for each item.
    """

    def solve(self, theta: FloatArray, warm: Any) -> Answer:
        """The solution at all parameters (p,), given the state of another item or None to start from."""

    def derivative(self, mode: Mode, theta: FloatArray, state: Any, directions: FloatArray) -> FloatArray:
        """Cotangents (K, o) pulled back to (K, p), or tangents (K, p) pushed to (K, o)."""
