"""What is kept of an item that was solved as a small dense program."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, final

from ....modelkit.arrays import FloatArray
from ....modelkit.attributes import DifferentiationStatusCode
from ..state import State
from .dense_qp import DensePoints
from .single_qp import SinglePoint

__all__ = ["DenseState"]


@final
@dataclass(eq=False)
class DenseState:
    """The solution of an item, and what differentiates it; copies have the solution alone.

    Attributes
    ----------
    x, y : (n,) and (m,) duals of one-sided rows
    dense : the dense system at the solution, if there is one; that of many items has this one at `place`
    general : the same for the general way, once that has been asked for
    differentiation_status : what the derivatives are that were asked for
    """

    x: FloatArray
    y: FloatArray
    dense: DensePoints | SinglePoint | None = field(default=None, repr=False)
    place: int = 0
    general: State | None = field(default=None, repr=False)
    differentiation_status: DifferentiationStatusCode = DifferentiationStatusCode.NOT_DIFFERENTIATED

    def __reduce__(self) -> tuple[Any, ...]:
        return DenseState, (self.x, self.y)
