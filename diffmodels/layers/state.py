"""What is kept of an item that was solved by its form."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from ...bridges.lowering.travel import split
from ...modelkit.arrays import FloatArray
from ...modelkit.attributes import DifferentiationStatusCode
from ..form_point import FormPoint

__all__ = ["State"]


@final
@dataclass(eq=False)
class State:
    """The solution of an item, and what differentiates it; copies have the solution alone.

    Attributes
    ----------
    x : (n,)
    y : (2 slots,) duals through lower sides and cones, then through upper sides; None of a program without duals
    point : the solution with the system of the diff model, once it has been asked for
    differentiation_status : what the derivatives are that were asked for
    """

    x: FloatArray
    y: FloatArray | None
    point: FormPoint | None = field(default=None, repr=False)
    differentiation_status: DifferentiationStatusCode = DifferentiationStatusCode.NOT_DIFFERENTIATED

    def __reduce__(self) -> tuple[Any, ...]:
        return State, (self.x, self.y)

    @staticmethod
    def of(x: FloatArray, dual: FloatArray | None) -> State:
        """With duals (slots,), by their signs."""
        return State(x, None if dual is None else np.concatenate(split(dual)))

    @staticmethod
    def at(point: FormPoint) -> State:
        """At an exact solution."""
        return State(point.x, np.concatenate(point.y_sided), point)

    @property
    def dual(self) -> FloatArray:
        """(slots,) of all sides together."""
        assert self.y is not None
        half = len(self.y) // 2
        total: FloatArray = self.y[:half] + self.y[half:]
        return total
