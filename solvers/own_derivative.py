"""What a solver brings that differentiates its solutions itself: the slot that such solvers fill.

At a solution (x, y) of a form, with G the coefficients of its slots (rows, columns, rows of cones, in this order) and H
the Hessian of the Lagrangian (P, where no row is curved), the linearized optimality conditions are

    H dx - Gᵀ dy = p,      G dx + r = 0 in active slots,      dy = 0 in inactive ones

(in cones the derivative of the projection, docs/design.md, section 6). A move of the data has the right-hand sides
``p = dAᵀy - dP x - dq`` and ``r = dA x + dc - dl``, with dl the move of the side at which the slot is active. The
system is symmetric: where it is solved exactly, the transpose of this map is the map itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from ..modelkit.arrays import FloatArray
from ..modelkit.attributes import DifferentiationStatusCode

__all__ = ["OwnDerivative"]


class OwnDerivative(ABC):
    """A solution of a form as its solver differentiates it.

    It keeps what it needs: the numbers of the form may change in place as soon as it is made. Whoever asks for it
    checks the point and the answers, and no derivative passes for EXACT that does not satisfy the equations above.

    Attributes (to be set before anything is asked)
    -----------------------------------------------
    x : (n,) the point at which it is differentiated, near enough to the result of the solve to be the same solution
    y : (slots,) its duals, positive where a lower side pushes: ``Px + q = Gᵀy``
    status : what the derivatives are; TRUNCATED where iterations stop at a tolerance. It may change with what is pushed
        or pulled
    at_fault : (slots,) positive in slots that keep it from being EXACT, else zero
    error : estimate of the relative error of the last answer, in the largest norm of ``(dx, dy)`` with both parts in
        units in which their largest data are about one; 0.0 to rounding where a factorized system answered
    """

    x: FloatArray
    y: FloatArray
    status: DifferentiationStatusCode
    at_fault: FloatArray
    error: float = 0.0

    @abstractmethod
    def push(self, primal: FloatArray, slots: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The moves (dx, dy), (n, K) and (slots, K), of right-hand sides p (n, K) and r (slots, K)."""

    @abstractmethod
    def pull(self, primal: FloatArray, slots: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The transpose: from seeds (n, K) of x and (slots, K) of y to the gradients in p and in r."""
