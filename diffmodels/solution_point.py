"""What a diff model makes of a solver's answer."""

from __future__ import annotations

from typing import Protocol

from numpy.typing import ArrayLike

from ..modelkit import attributes as attr
from ..modelkit.arrays import FloatArray
from .kkt import KKTSystem, Mask
from .slope import Solve

__all__ = ["SolutionPoint"]


class SolutionPoint(Protocol):
    """A solution with its factorized KKT system."""

    @property
    def x(self) -> FloatArray:
        """(n,)."""

    @property
    def y(self) -> FloatArray:
        """(m,)."""

    @property
    def status(self) -> attr.DifferentiationStatusCode:
        """What the derivatives are."""

    @property
    def refinement(self) -> attr.Refinement:
        """Largest relative violation of the optimality conditions, of the given point and of this one."""

    @property
    def mismatch(self) -> float:
        """Relative difference of forward and reverse mode at random right-hand sides."""

    @property
    def rows_at_fault(self) -> Mask:
        """(m,): the rows that keep the status from being EXACT."""

    @property
    def weakly_active(self) -> Mask:
        """(m,): the rows at a kink."""

    @property
    def system(self) -> KKTSystem:
        """The factorized system."""

    @property
    def margin(self) -> tuple[float, int]:
        """By how much, relative to their terms, the data may move before a row is at its kink; and which, or -1."""

    def bends(self, columns: Mask) -> bool:
        """Whether the derivative of some variables (n,) depends on which of many multipliers was found."""

    @property
    def active(self) -> Mask:
        """(m,): the rows in the system, of a cone those in its axes."""

    def on_kinks(self, values: FloatArray) -> FloatArray:
        """(m, k) projected on the directions of rows in which the derivative at a kink is not unique."""

    @property
    def freedom(self) -> tuple[FloatArray, FloatArray]:
        """(n, p) and (m, d): how x and y can move, see `KKTSystem.null_vectors`."""

    def solve(self, primal: ArrayLike, rows: ArrayLike | None = None) -> tuple[FloatArray, FloatArray]:
        """(dx, dy) from the right-hand sides of one or many directions, or (w_x, w_y) from seeds."""

    def without_kinks(self) -> Solve:
        """`solve` without the rows at a kink; of least norm where the others leave something open."""
