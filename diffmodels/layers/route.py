"""What all routes from parameters to outputs have in common: what they are asked, and what they keep of an item."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, final

from ...modelkit.attributes import DifferentiationStatusCode, TerminationStatusCode
from ...modelkit.rows import FloatArray
from ..convex import SolutionPoint
from .dense_qp import DensePoints
from .single_qp import SinglePoint

__all__ = ["Answer", "Mode", "Route", "State"]

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


@final
@dataclass(eq=False)
class State:
    """The solution of an item in the compiled form, and what differentiates it; copies have the solution alone.

    Attributes
    ----------
    x, y : (n,) and (m,)
    dense : the dense system at the solution, if there is one; that of many items has this one at `place`
    point : the solution with the system of the diff model, once it has been asked for
    differentiation_status : what the derivatives are that were asked for
    """

    x: FloatArray
    y: FloatArray
    dense: DensePoints | SinglePoint | None = field(default=None, repr=False)
    place: int = 0
    point: SolutionPoint | None = field(default=None, repr=False)
    differentiation_status: DifferentiationStatusCode = DifferentiationStatusCode.NOT_DIFFERENTIATED

    def __reduce__(self) -> tuple[Any, ...]:
        return State, (self.x, self.y)
