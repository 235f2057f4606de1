r"""The loop of all operators, and the loop of their derivatives in both modes.

Solutions are iterated plainly, or by restarted reflected Halpern steps from an anchor :math:`z^0`,

.. math:: z^{k+1} = \frac{k+1}{k+2} (2 T(z^k) - z^k) + \frac{1}{k+2} z^0,

of which the residual of the operator falls as 1/k, and which restart when it has fallen enough (Lu and Yang 2024). Of
programs side by side, those that are finished are taken out.

A derivative is the fixed point of an affine map, which is iterated with Anderson's acceleration; there it is a Krylov
method (Walker and Ni 2011), so nothing can go wrong with it. The error of a fixed point is the residual times the norm
of :math:`(I - J)^{-1}`, which is estimated by what the iteration shows of it: the largest
:math:`\|\Delta z\| / \|\Delta r\|` seen.

References
----------
H. Lu, J. Yang, *Restarted Halpern PDHG for linear programming*, arXiv:2407.16144 (2024).
H. F. Walker, P. Ni, *Anderson acceleration for fixed-point iterations*, SIAM J. Numer. Anal. 49 (2011), 1715-1735.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from .operator import Operator, Triple

__all__ = ["AffineAnswer", "Iteration", "affine_fixed_point", "alternate"]

_ENOUGH, _SOME, _LONG = 0.2, 0.8, 0.36
"""A restart: the residual fell to this share; to this and grows again; or the stretch is this share of all steps."""
_MEMORY = 12
_ROUNDING = 1e-15


class Iteration:
    """Iterations of an operator from a state on.

    Parameters
    ----------
    operator : with its sides
    state : (N, B)

    Attributes
    ----------
    state : the present one; count : steps made, all programs at a time
    """

    def __init__(self, operator: Operator, state: Any) -> None:
        self.operator, self.state, self.count = operator, state, 0
        self._reflects = operator.reflects
        one = operator.xp.ones_like(state[:1])
        self._anchor, self._steps = state, 0.0 * one
        self._first, self._last = np.inf * one[0], np.inf * one[0]
        self._tuned_at = state

    def advance(self, steps: int) -> Any:
        """Make so many steps; the last ``T(z) - z``, (N, B)."""
        operator, state = self.operator, self.state
        moved = None
        for _ in range(steps):
            next_state = operator.step(state)
            moved = next_state - state
            if self._reflects:
                share = 1.0 / (self._steps + 2.0)
                state = (1.0 - share) * (next_state + moved) + share * self._anchor
                self._steps = self._steps + 1.0
            else:
                state = next_state
        self.state, self.count = state, self.count + steps
        return moved

    def reconsider(self, moved: Any, residuals: tuple[Any, Any]) -> None:
        """Restart and choose parameters anew where it is time.

        Parameters
        ----------
        moved : the last ``T(z) - z``
        residuals : primal and dual ones, relative, (B,)
        """
        operator, xp = self.operator, self.operator.xp
        if not self._reflects:
            tuned = operator.tuned(self.state, self.state - self._tuned_at, residuals)
            self.state = self._tuned_at = tuned
            return
        now = operator.size(moved)[0] if operator.size(moved).ndim == 2 else operator.size(moved)
        self._first = xp.where(xp.isfinite(self._first), self._first, now)
        enough = now <= _ENOUGH * self._first
        some = (now <= _SOME * self._first) & (now > self._last)
        restarts = enough | some | (self._steps[0] >= _LONG * self.count)
        self._last = now
        if not bool(xp.any(restarts)):
            return
        # from T of the state: it has the smaller residual, and lies between the sides
        before, state = self.state, operator.step(self.state)
        here = xp.astype(restarts, self._steps.dtype)[None, :]
        tuned = operator.tuned(state, (state - self._anchor) * here, residuals)
        self.state = xp.where(restarts[None, :], tuned, before)
        self._anchor = xp.where(restarts[None, :], tuned, self._anchor)
        self._steps = xp.where(restarts[None, :], 0.0 * self._steps, self._steps)
        self._first = xp.where(restarts, 0.0 * now + np.inf, self._first)
        self._last = xp.where(restarts, 0.0 * now + np.inf, self._last)

    def keep(self, columns: Any) -> None:
        """Go on with some of the programs."""
        self.operator.keep(columns)
        self.state, self._anchor, self._steps = (one[:, columns] for one in (self.state, self._anchor, self._steps))
        self._tuned_at = self._tuned_at[:, columns]
        self._first, self._last = self._first[columns], self._last[columns]


def alternate(
    operator: Operator, state: Any, right: Callable[[Triple], Triple]
) -> Iterator[tuple[Any, Triple, Triple]]:
    """Alternating differentiation: steps of the operator, and beside each one a step of its linearization there.

    Parameters
    ----------
    operator, state : of one program
    right : from a point to the right-hand sides (·, K) of the derivative there

    Yields
    ------
    The state, the point and its derivative, after each step
    """
    at = operator.point(state)
    dz = 0.0 * (state @ operator.xp.ones_like(right(at).x[:1]))
    while True:
        linear, r = operator.linearized(state), right(at)
        dz = linear.push(dz, r)
        state = operator.step(state)
        at = operator.point(state)
        yield state, at, operator.linearized(state).read(dz, right(at))


@final
@dataclass(frozen=True, slots=True, eq=False)
class AffineAnswer:
    """A fixed point of an affine map.

    Attributes
    ----------
    fixed : (N, K)
    error : the estimated relative error, the largest of the columns
    steps : how many were made
    last : (N, K) the last step, as long as the estimated error
    """

    fixed: Any
    error: float
    steps: int
    last: Any


def affine_fixed_point(
    step: Callable[[Any], Any], start: Any, xp: Any, tolerance: float, limit: int, memory: int = _MEMORY
) -> AffineAnswer:
    """The fixed point of ``z <- J z + b``, by Anderson's acceleration, to a tolerance of its own.

    Parameters
    ----------
    step : the map, on columns (N, K)
    start : (N, K)
    xp : functions of the arrays
    tolerance : of the estimated error, relative to the fixed point, for each column
    limit : steps at most
    memory : differences that are kept; 0 to iterate plainly

    Examples
    --------
    >>> J = np.array([[0.5, 0.2], [0.0, 0.9]])
    >>> answer = affine_fixed_point(lambda z: J @ z + 1.0, np.zeros((2, 1)), np, 1e-10, 100)
    >>> answer.fixed.ravel(), answer.steps < 10
    (array([ 6., 10.]), True)
    """
    z, answer = start, step(start)
    left = answer - z
    # all zeros at first, so that no array has another shape later, for which JAX would compile anew
    moves, turns = [0.0 * left] * memory, [0.0 * left] * memory
    stretch = 1.0 + 0.0 * _norm(left, xp)
    error, count = np.inf, 1
    while True:
        size = _norm(answer, xp)
        rest = xp.maximum(_norm(left, xp), _ROUNDING * size)
        estimate = stretch * rest / xp.where(size > 0.0, size, 1.0 + 0.0 * size)
        error = float(xp.max(estimate)) if estimate.shape[0] else 0.0
        if not bool(xp.any((estimate > tolerance) & (rest > _ROUNDING * size))) or count >= limit:
            return AffineAnswer(answer, error, count, stretch * left)
        new = _mixed(answer, left, moves, turns, xp) if memory and count > 1 else answer
        answer = step(new)
        now = answer - new
        move, turn = new - z, now - left
        moved, turned = _norm(move, xp), _norm(turn, xp)
        # residuals that differ by rounding alone tell of a map that moves on for ever
        told = xp.maximum(turned, _ROUNDING * (size + moved))
        stretch = xp.maximum(stretch, moved / xp.where(told > 0.0, told, 1.0 + told))
        if memory:
            moves, turns = [*moves[1:], move], [*turns[1:], turn]
        z, left, count = new, now, count + 1


def _norm(columns: Any, xp: Any) -> Any:
    return xp.sqrt(xp.sum(columns * columns, axis=0))


def _mixed(answer: Any, left: Any, moves: list[Any], turns: list[Any], xp: Any) -> Any:
    """The combination of the answers seen whose residual is least, column by column."""
    T = xp.permute_dims(xp.stack(turns), (2, 1, 0))  # (K, N, h)
    M = xp.permute_dims(xp.stack(moves), (2, 1, 0))
    transposed = xp.permute_dims(T, (0, 2, 1))
    gram = xp.matmul(transposed, T)
    h = gram.shape[1]
    eye = xp.eye(h, dtype=gram.dtype)
    size = xp.sum(gram * eye, axis=(1, 2))[:, None, None]
    gram = gram + eye * (1e-13 * size + 1e-300)
    beside = xp.matmul(transposed, xp.permute_dims(left, (1, 0))[:, :, None])
    shares = xp.linalg.solve(gram, beside)
    back = xp.matmul(M + T, shares)[:, :, 0]
    return answer - xp.permute_dims(back, (1, 0))
