"""OSQP's own derivatives: the adjoint of its solution map, one seed at a time, refined.

It solves the linearized optimality conditions of its form ``l <= A x <= u``, by a new factorization for each seed
(B. Amos, J. Z. Kolter, *OptNet*, ICML 2017, eq. 7). It stops refining at a residual in no relation to the seeds: those
of a millionth are answered to six digits. So seeds are brought to the size of one, and what an answer leaves of the
conditions is answered again.
"""

from __future__ import annotations

from typing import Any, final

import numpy as np

from ...modelkit.arrays import FloatArray, IntArray
from ...modelkit.attributes import DifferentiationStatusCode
from ...modelkit.form import Form, rows_at
from ..array_solver import closed_sides
from ..own_derivative import OwnDerivative

__all__ = ["OSQPDerivative"]

_ENOUGH = 1e-12
"""What is left of right-hand sides, relative to the terms, that is not worth another answer."""
_ACCURATE = 1e-10
"""The same, of derivatives that are taken."""
_ROUNDS = 6


@final
class OSQPDerivative(OwnDerivative):
    """The derivative at a solution that the library has loaded.

    Parameters
    ----------
    form : that was solved
    solver : the library's, with the solution; nobody else uses it any more
    held : slots of its rows
    scale : of these rows
    x, y : the solution, (n,) and (slots,)

    Attributes
    ----------
    is_accurate : whether answers satisfy the linearized conditions
    """

    def __init__(
        self, form: Form, solver: Any, held: IntArray, scale: FloatArray, x: FloatArray, y: FloatArray
    ) -> None:
        self._solver, self._held, self._scale = solver, held, scale
        # OSQP takes the seed of a multiplier as that of its size.
        self._sign = np.where(y[held] > 0.0, 1.0, -1.0)
        self._P, self._G = form.P.copy(), rows_at(form, held)
        lower, upper = (side[held] for side in closed_sides(form))
        values = self._G @ x
        slack = np.where(y[held] > 0.0, values - lower, np.where(y[held] < 0.0, upper - values, np.inf))
        self._active = (lower == upper) | (np.abs(y[held]) > np.abs(slack))
        self.status, self.at_fault = DifferentiationStatusCode.EXACT, np.zeros(len(y))
        self.x, self.y = self._corrected(form.q, np.where(y[held] > 0.0, lower, upper), x, y)
        self.is_accurate = self._answers_random_seeds()

    def _corrected(
        self, q: FloatArray, sides: FloatArray, x: FloatArray, y: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """The solution on the active rows, by Newton's method, which is one step but for rounding."""
        x, duals = x.copy(), np.where(self._active, y[self._held], 0.0)
        gradient = self._G.T @ duals - self._P @ x - q
        off = np.where(self._active, self._G @ x - sides, 0.0)
        dx, dy = self._refined(gradient[:, None], off[:, None])
        moved = x + dx[:, 0], duals + dy[:, 0]
        # A step that turns a multiplier round is none: the rows were others.
        if not np.isfinite(moved[0]).all() or (moved[1] * duals < 0.0).any():
            return x, y
        found = np.zeros(len(y))
        found[self._held] = moved[1]
        return moved[0], found

    def _answers_random_seeds(self) -> bool:
        """Whether the linearized conditions hold: not where rows depend on others, or nothing determines x."""
        draw = np.random.default_rng(70).choice
        primal, rows = draw([-1.0, 1.0], (len(self.x), 1)), draw([-1.0, 1.0], (len(self._held), 1))
        size = np.sqrt(self._P.diagonal())[:, None]
        primal, rows = primal * np.where(size > 0.0, size, 1.0), rows * (self._active / self._scale)[:, None]
        left, off, terms = self._left(primal, rows, *self._refined(primal, rows))
        return _worst(left, off, terms) <= _ACCURATE

    # ------------------------------------------------------------------ solving
    def pull(self, primal: FloatArray, slots: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Seeds of x and of the slots' duals pulled back."""
        w, found = self._refined(primal, slots[self._held])
        wy = np.zeros_like(slots)
        wy[self._held] = found
        return w, wy

    def push(self, primal: FloatArray, slots: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The same map: the linearized conditions are symmetric."""
        return self.pull(primal, slots)

    def _refined(self, primal: FloatArray, rows: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Solutions (n, K) and (held, K), refined as long as that helps."""
        w, wy = self.adjoint(primal, rows)
        left, off, terms = self._left(primal, rows, w, wy)
        last = _worst(left, off, terms)
        for _ in range(_ROUNDS):
            if last <= _ENOUGH:
                break
            dw, dwy = self.adjoint(left, off)
            left, off, terms = self._left(primal, rows, w + dw, wy + dwy)
            now = _worst(left, off, terms)
            if not now < last:
                break
            w, wy, last = w + dw, wy + dwy, now
        return w, wy

    def _left(
        self, primal: FloatArray, rows: FloatArray, w: FloatArray, wy: FloatArray
    ) -> tuple[FloatArray, FloatArray, tuple[FloatArray, FloatArray]]:
        """What is left of right-hand sides, of the gradient and of active rows, and the sizes of the terms of both."""
        on, P, G = self._active[:, None], self._P, self._G
        left, off = primal - P @ w + G.T @ wy, np.where(on, rows + G @ w, 0.0)
        gradient = np.abs(primal) + abs(P) @ np.abs(w) + abs(G).T @ np.abs(wy)
        return left, off, (gradient, np.abs(rows) + abs(G) @ np.abs(w))

    def adjoint(self, primal: FloatArray, rows: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Gradients (n, K) and (held, K) of seeds, as OSQP has them."""
        w, wy = np.zeros_like(primal), np.zeros_like(rows)
        seeds = np.where(self._active[:, None], (self._sign * self._scale)[:, None] * rows, 0.0)
        size = np.maximum(np.abs(primal).max(axis=0, initial=0.0), np.abs(seeds).max(axis=0, initial=0.0))
        for k in np.flatnonzero(size).tolist():  # the library takes one
            self._solver.adjoint_derivative_compute(primal[:, k] / size[k], seeds[:, k] / size[k])
            of_costs, of_lower, of_upper = self._solver.adjoint_derivative_get_vec()
            w[:, k] = -size[k] * of_costs
            wy[:, k] = -size[k] * self._scale * (of_lower + of_upper) * self._active
        return w, wy


def _worst(left: FloatArray, off: FloatArray, terms: tuple[FloatArray, FloatArray]) -> float:
    relative = [np.abs(part) / np.where(size > 0.0, size, 1.0) for part, size in zip((left, off), terms, strict=True)]
    return max(float(part.max(initial=0.0)) for part in relative)
