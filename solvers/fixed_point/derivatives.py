"""The derivatives of fixed-point solvers: of a truncated iteration, and of the exact system."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import numpy as np

from ...modelkit.arrays import FloatArray
from ...modelkit.attributes import DifferentiationStatusCode
from ..own_derivative import OwnDerivative
from .exact_step import ExactPoint
from .iterating import affine_fixed_point
from .operator import Operator, Triple
from .program import Program, Sides

__all__ = ["ExactDerivative", "IteratedDerivative"]


@final
class IteratedDerivative(OwnDerivative):
    """By iterating the linearization of the operator where it stopped, or the transpose of that.

    Parameters
    ----------
    operator, state : of one program
    tolerance : of the estimated relative error
    limit : iterations at most
    """

    def __init__(self, operator: Operator, state: Any, tolerance: float, limit: int) -> None:
        self._operator, self._linear = operator, operator.linearized(state)
        self._size, self._tolerance, self._limit = len(state), tolerance, limit
        point = (operator.place.numpy(part) for part in operator.point(state))
        x, duals = operator.program.point_up(*point)
        self.x, self.y = x[:, 0], duals[:, 0]
        self.status = DifferentiationStatusCode.TRUNCATED
        self.at_fault = np.zeros(len(self.y))
        self.error = 0.0
        self.iterations = 0
        self._last: Any = None

    def _there(self, triple: tuple[FloatArray, ...]) -> Triple:
        return Triple(*(self._operator.place.array(part) for part in triple))

    def _here(self, triple: Triple) -> tuple[FloatArray, FloatArray, FloatArray]:
        x, y, z = (self._operator.place.numpy(part) for part in triple)
        return x, y, z

    def _fixed(self, step: Any, columns: int) -> Any:
        of = self._operator
        start = of.place.array(np.zeros((self._size, columns)))
        answer = affine_fixed_point(step, start, of.xp, self._tolerance, self._limit)
        self.error, self.iterations, self._last = answer.error, answer.steps, answer.last
        return answer.fixed

    def push(self, primal: FloatArray, slots: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(dx, dy) by the linearization."""
        program, linear = self._operator.program, self._linear
        right = self._there(program.right_down(primal, slots))
        dz = self._fixed(lambda dz: linear.push(dz, right), primal.shape[1])
        return self._told(dz, lambda dz: program.point_up(*self._here(linear.read(dz, right))))

    def pull(self, primal: FloatArray, slots: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(w, wy) by its transpose."""
        program, linear = self._operator.program, self._linear
        seeds = self._there(program.seeds_down(primal, slots))
        first = linear.seed(seeds)
        w = self._fixed(lambda w: linear.pull(w) + first, primal.shape[1])
        return self._told(w, lambda w: program.gradients_up(*self._here(linear.gradients(w, seeds))))

    def _told(self, fixed: Any, read: Callable[[Any], tuple[FloatArray, FloatArray]]) -> tuple[FloatArray, FloatArray]:
        """What is read from a fixed point; the error of a part is larger where that is small beside the fixed point."""
        found = read(fixed)
        for part, moved in zip(found, read(fixed + self._last), strict=True):
            off, most = (np.abs(values).max(axis=0, initial=0.0) for values in (moved - part, part))
            self.error = max(self.error, float((off / np.where(most > 0.0, most, np.inf)).max(initial=0.0)))
        return found


@final
class ExactDerivative(OwnDerivative):
    """By the factorized system of the sides that are met.

    Parameters
    ----------
    program, sides : of one column
    exact : the solution
    """

    def __init__(self, program: Program, sides: Sides, exact: ExactPoint) -> None:
        self._program, self._system = program, exact.system
        x, duals = program.point_up(*exact.point)
        self.x, self.y = x[:, 0], duals[:, 0]
        self.error = 0.0
        codes = DifferentiationStatusCode
        loose_x, loose_y = exact.system.null_vector
        rows, columns = exact.system.in_doubt(exact.point, sides)
        at_rows, at_columns = rows | (loose_y != 0.0), columns
        self.status = codes.EXACT
        if loose_x.any():
            self.status = codes.NONUNIQUE
        elif rows.any() or columns.any():
            self.status = codes.WEAKLY_ACTIVE
        elif loose_y.any():
            self.status = codes.DEPENDENT_ROWS
        self.at_fault = np.zeros(len(self.y))
        self.at_fault[program.held] = at_rows
        self.at_fault[program.form_rows : program.form_rows + program.n] = at_columns

    def push(self, primal: FloatArray, slots: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(dx, dy)."""
        answer, self.error = self._system.solve(Triple(*self._program.right_down(primal, slots)))
        return self._program.point_up(*answer)

    def pull(self, primal: FloatArray, slots: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(w, wy)."""
        answer, self.error = self._system.solve(Triple(*self._program.seeds_down(primal, slots)))
        return self._program.gradients_up(*answer)
