"""What is kept of an item that was solved in the compiled form."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, final

from ....modelkit.arrays import FloatArray
from ....modelkit.attributes import DifferentiationStatusCode
from ...solution_point import SolutionPoint
from .dense_qp import DensePoints
from .single_qp import SinglePoint

__all__ = ["State"]


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
