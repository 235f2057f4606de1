r"""An operator whose fixed points are the solutions of a program, and its linearization: what a new method writes.

A state z (N, B) has a column for each of B programs that differ in sides and costs, or for each of B directions. What
is written of an operator is ``step``, the point that a state stands for, and the derivative of both. Right-hand sides
:math:`r = (r_1, r_2, r_3)` are those of the linearized optimality conditions in the signs of forms,

.. math:: P\,dx - A^Tdy - dz = r_1, \qquad -A\,dx = r_2, \qquad -dx = r_3 \quad \text{where rows and bounds are met};

so :math:`-r_1` is a move of the costs, and :math:`r_2` one of the constants of the rows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple, final

from .arrays import Place
from .program import Program, Sides

__all__ = ["Linearization", "Operator", "Triple"]


@final
class Triple(NamedTuple):
    """Numbers of columns, of rows and of bounds: (x, y, z), right-hand sides, or seeds; (n, K), (m, K), (n, K)."""

    x: Any
    y: Any
    z: Any


class Linearization(ABC):
    """The derivative of an operator at a state, of which the sides that are met are known: ``dz <- J dz + B r``."""

    @abstractmethod
    def push(self, dz: Any, right: Triple) -> Any:
        """``J dz + B r``, (N, K)."""

    @abstractmethod
    def read(self, dz: Any, right: Triple) -> Triple:
        """The move of the point, ``O dz + S r``."""

    @abstractmethod
    def seed(self, seeds: Triple) -> Any:
        """``Oᵀ`` of the seeds, (N, K)."""

    @abstractmethod
    def pull(self, w: Any) -> Any:
        """``Jᵀ w``, (N, K)."""

    @abstractmethod
    def gradients(self, w: Any, seeds: Triple) -> Triple:
        """``Bᵀ w + Sᵀ`` of the seeds."""


class Operator(ABC):
    """An operator of a program.

    Parameters
    ----------
    program : in its units
    place : where the arrays live
    options : of the solver, checked

    Attributes
    ----------
    sides : of the programs, one in each column
    factorizations : how many were made
    """

    reflects: bool = False
    """Whether it is iterated by restarted reflected Halpern steps, for which it must be firmly nonexpansive."""

    def __init__(self, program: Program, place: Place, options: Mapping[str, Any]) -> None:
        self.program, self.place, self.xp = program, place, place.xp
        self.factorizations = 0
        self.load_sides(program.sides)

    def load_sides(self, sides: Sides) -> None:
        """Take other costs and sides, of NumPy."""
        self.sides = Sides(*(self.place.array(getattr(sides, name)) for name in Sides.__slots__))

    def keep(self, columns: Any) -> None:
        """Go on with some of the programs."""
        self.sides = self.sides.only(columns)

    # ------------------------------------------------------------------ what a method writes
    @abstractmethod
    def start(self, point: Triple) -> Any:
        """The state of a point."""

    @abstractmethod
    def step(self, state: Any) -> Any:
        """The next state."""

    @abstractmethod
    def point(self, state: Any) -> Triple:
        """What a state stands for."""

    @abstractmethod
    def linearized(self, state: Any) -> Linearization:
        """The derivative there."""

    @abstractmethod
    def size(self, difference: Any) -> Any:
        """Of differences of states, (1, B), in the norm in which the operator does not expand."""

    def tuned(self, state: Any, moved: Any, residuals: tuple[Any, Any]) -> Any:
        """Choose its parameters anew; the state of the same point.

        Parameters
        ----------
        state : (N, B)
        moved : how far it came since it was last tuned, (N, B)
        residuals : primal and dual ones, relative, (B,)
        """
        return state

    @abstractmethod
    def ray(self, difference: Any) -> Triple:
        """The point's move by a difference of states that lasts: of programs without solution it becomes a proof."""

    # ------------------------------------------------------------------ what all have
    @property
    def n(self) -> int:
        """Number of columns."""
        return self.program.n

    def between(self, values: Any, lower: Any, upper: Any) -> Any:
        """The nearest numbers between sides."""
        return self.xp.minimum(self.xp.maximum(values, lower), upper)

    def inside(self, values: Any, lower: Any, upper: Any) -> Any:
        """One where numbers are strictly between sides, else zero."""
        return self.xp.astype((values > lower) & (values < upper), values.dtype)
