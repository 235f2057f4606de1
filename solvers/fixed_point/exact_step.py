r"""From an iterate to the solution: one linear system on the sides that are met, then confirmed.

With the columns F that are between their sides and the rows W that are met, the solution has

.. math:: \begin{pmatrix} P_{FF} & -A_{WF}^T \\ -A_{WF} & 0 \end{pmatrix}
          \begin{pmatrix} x_F \\ y_W \end{pmatrix} = \text{right-hand side},

and the same matrix has the derivative. Sides whose multiplier has the wrong sign leave, sides that are violated enter
(Hintermueller, Ito and Kunisch 2002); where that does not settle, the iteration goes on to a better guess. The matrix
is regularized by 1e-9 and solutions are refined: of a singular consistent system that is the proximal point
iteration, as in OSQP's polish. Whether the derivative may be called exact is decided by the rule of docs/design.md,
section 7: the data are moved by 1e-12 of their terms, and a multiplier or slack that may be zero for all that this
tells is at a kink.

References
----------
M. Hintermueller, K. Ito, K. Kunisch, *The primal-dual active set strategy as a semismooth Newton method*, SIAM J.
Optimization 13 (2002), 865-888.
B. Stellato, G. Banjac, P. Goulart, A. Bemporad, S. Boyd, *OSQP: an operator splitting solver for quadratic programs*,
Mathematical Programming Computation 12 (2020), section 4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np
import scipy.linalg as sla
import scipy.sparse as sp
import scipy.sparse.linalg as spla
from numpy.typing import NDArray

from ...modelkit.arrays import FloatArray
from .operator import Triple
from .program import Program, Sides

__all__ = ["ActiveSystem", "ExactPoint", "Guess", "exact_point", "guessed"]

_Mask = NDArray[np.bool_]
_SHIFT = 1e-9
_REFINEMENTS = 40
_ROUNDS = 15
_SMALL = 250
_FULL = 0.3
_TOLERANCE = 1e-10
"""Relative residual of a point that is confirmed, and part of its size by which a number has the wrong sign."""
_SINGULAR = 1e-7
"""What refinement leaves of a random right-hand side is its part in the null space."""
_PROJECTIONS = 3
_DATA_MOVE = 1e-12
_MARGIN = 3.0
_DRAWS = 3


@final
@dataclass(frozen=True, slots=True, eq=False)
class Guess:
    """Sides that are met: -1 for lower, 1 for upper ones, 0 between them; equal ones count as lower.

    Attributes
    ----------
    rows, columns : (m,) and (n,)
    """

    rows: NDArray[np.int8]
    columns: NDArray[np.int8]

    @property
    def key(self) -> bytes:
        """To compare it by."""
        return self.rows.tobytes() + self.columns.tobytes()


@final
@dataclass(frozen=True, slots=True, eq=False)
class ExactPoint:
    """A solution to rounding, in the program's units, with the factorized system of the sides that it meets.

    Attributes
    ----------
    point : (n, 1), (m, 1) and (n, 1)
    guess : the sides
    system : of them
    """

    point: Triple
    guess: Guess
    system: ActiveSystem


def guessed(program: Program, sides: Sides, point: Triple) -> Guess:
    """The sides that are nearer than their multipliers are large."""
    x, y, z = (part[:, 0] for part in point)
    return Guess(
        _met(program.A @ x, y, sides.row_lower[:, 0], sides.row_upper[:, 0]),
        _met(x, z, sides.lower[:, 0], sides.upper[:, 0]),
    )


def _met(values: FloatArray, duals: FloatArray, lower: FloatArray, upper: FloatArray) -> NDArray[np.int8]:
    found = np.zeros(len(values), np.int8)
    found[values - lower < duals] = -1
    found[upper - values < -duals] = 1
    found[lower == upper] = -1
    return found


def exact_point(program: Program, sides: Sides, point: Triple, guess: Guess) -> ExactPoint | None:
    """The solution that a guess leads to, or None if it leads to none.

    Parameters
    ----------
    program, sides : of one column
    point : an iterate, (n, 1), (m, 1) and (n, 1)
    guess : of its sides
    """
    bounds = sides.row_lower[:, 0], sides.row_upper[:, 0], sides.lower[:, 0], sides.upper[:, 0]
    is_equal = bounds[0] == bounds[1], bounds[2] == bounds[3]
    x, y = point.x[:, 0], point.y[:, 0]
    seen: set[bytes] = set()
    for _ in range(_ROUNDS):
        if guess.key in seen:
            return None
        seen.add(guess.key)
        system = ActiveSystem(program, guess)
        found = system.solution(sides.q[:, 0], bounds, x, y)
        if found is None:
            return None
        new_x, new_y, z, left = found
        size_x, size_y = 1.0 + np.abs(new_x).max(initial=0.0), 1.0 + _largest(new_y, z)
        values = program.A @ new_x
        rows = _corrected(guess.rows, values, new_y, bounds[0], bounds[1], is_equal[0], size_x, size_y)
        columns = _corrected(guess.columns, new_x, z, bounds[2], bounds[3], is_equal[1], size_x, size_y)
        if (rows == guess.rows).all() and (columns == guess.columns).all():
            if left > _TOLERANCE * max(size_x, size_y):
                return None
            new_y = _signed(new_y, guess.rows, is_equal[0])
            z = _signed(z, guess.columns, is_equal[1])
            new_x = np.where(guess.columns == 0, np.clip(new_x, bounds[2], bounds[3]), new_x)
            return ExactPoint(Triple(new_x[:, None], new_y[:, None], z[:, None]), guess, system)
        guess = Guess(rows, columns)
    return None


def _largest(*arrays: FloatArray) -> float:
    return max(float(np.abs(one).max(initial=0.0)) for one in arrays)


def _corrected(
    met: NDArray[np.int8],
    values: FloatArray,
    duals: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    is_equal: _Mask,
    size_x: float,
    size_y: float,
) -> NDArray[np.int8]:
    """Sides without those whose multipliers have the wrong sign, and with those that are violated."""
    found = met.copy()
    wrong = ((met < 0) & (duals < -_TOLERANCE * size_y)) | ((met > 0) & (duals > _TOLERANCE * size_y))
    found[wrong & ~is_equal] = 0
    outside = met == 0
    found[outside & (values < lower - _TOLERANCE * size_x)] = -1
    found[outside & (values > upper + _TOLERANCE * size_x)] = 1
    return found


def _signed(duals: FloatArray, met: NDArray[np.int8], is_equal: _Mask) -> FloatArray:
    """Multipliers without rounding errors of the wrong sign."""
    signed: FloatArray = np.where(met < 0, np.maximum(duals, 0.0), np.minimum(duals, 0.0))
    return np.where(is_equal, duals, np.where(met == 0, 0.0, signed))


@final
class ActiveSystem:
    """The symmetric system of some sides, factorized.

    Parameters
    ----------
    program : in its units
    guess : the sides

    Attributes
    ----------
    free, met : columns between their sides, and rows that are met
    """

    def __init__(self, program: Program, guess: Guess) -> None:
        self._program, self.guess = program, guess
        self.free, self.met = np.flatnonzero(guess.columns == 0), np.flatnonzero(guess.rows)
        P = program.P[self.free][:, self.free]
        A = program.A[self.met][:, self.free]
        n, m = len(self.free), len(self.met)
        size = n + m
        self._K: Any = None
        self._solve: Callable[[FloatArray], FloatArray] = np.copy
        if size:
            self._K = sp.block_array([[P, -A.T], [-A, sp.csr_array((m, m))]], format="csr")
        shift = np.concatenate([np.full(n, _SHIFT), np.full(m, -_SHIFT)])
        if size and (size <= _SMALL or self._K.nnz > _FULL * size * size):
            self._K = self._K.toarray()
            factor = sla.lu_factor(self._K + np.diag(shift), check_finite=False)
            self._solve = lambda right: sla.lu_solve(factor, right, check_finite=False)
        elif size:
            K = sp.csc_array(self._K + sp.diags_array(shift))
            self._solve = spla.splu(K, "MMD_AT_PLUS_A", diag_pivot_thresh=1e-3, options={"SymmetricMode": True}).solve

    # ------------------------------------------------------------------ solves
    def _refined(self, right: FloatArray) -> tuple[FloatArray, float]:
        """Solutions for columns (n + m, K), and what is left of them relative to the right-hand sides."""
        if not len(right):
            return right, 0.0
        found, size = self._solve(right), np.abs(right).max(axis=0, initial=0.0)
        size = np.where(size > 0.0, size, 1.0)
        last = np.inf
        for _ in range(_REFINEMENTS):
            rest = right - self._K @ found
            worst = float((np.abs(rest).max(axis=0, initial=0.0) / size).max(initial=0.0))
            if not worst < 0.9 * last or worst < 1e-16:
                break
            last = worst
            found = found + self._solve(rest)
        return found, float(worst)

    def _answer(self, right: FloatArray) -> tuple[FloatArray, float]:
        """The same; of a singular system the solution of least norm of what can be met of them."""
        if not any(part.any() for part in self.null_vector):
            return self._refined(right)
        if self._inverse is not None:
            return self._inverse @ right, 0.0
        answer, left = self._refined(right - self._null_part(right))
        return answer - self._null_part(answer), left

    @cached_property
    def _inverse(self) -> FloatArray | None:
        """The pseudoinverse of a small matrix."""
        if sp.issparse(self._K):
            return None
        values, vectors = np.linalg.eigh(self._K)
        kept = np.abs(values) > _SINGULAR * np.abs(values).max(initial=0.0)
        inverse: FloatArray = (vectors[:, kept] / values[kept]) @ vectors[:, kept].T
        return inverse

    def _null_part(self, columns: FloatArray) -> FloatArray:
        """Columns (n + m, K) projected on the null space, on which the shifted matrix is the shift."""
        for _ in range(_PROJECTIONS):
            columns = columns - self._K @ self._solve(columns)
        return columns

    def solve(self, right: Triple) -> tuple[Triple, float]:
        """Solutions of the linearized conditions in the signs of `operator`, and the relative residual.

        Parameters
        ----------
        right : (n, K), (m, K) and (n, K); the same map, for it is symmetric, takes seeds to gradients
        """
        program, free, met = self._program, self.free, self.met
        at_side = np.flatnonzero(self.guess.columns)
        dx, dy = np.zeros(right.x.shape), np.zeros(right.y.shape)
        dx[at_side] = -right.z[at_side]
        moved_P, moved_A = program.P @ dx, program.A @ dx
        top = right.x[free] - moved_P[free]
        answer, left = self._answer(np.concatenate([top, right.y[met] + moved_A[met]]))
        dx[free], dy[met] = answer[: len(free)], answer[len(free) :]
        dz = np.zeros(right.x.shape)
        rest = program.P @ dx - program.A.T @ dy - right.x
        dz[at_side] = rest[at_side]
        return Triple(dx, dy, dz), left

    def solution(
        self, q: FloatArray, bounds: tuple[FloatArray, ...], x: FloatArray, y: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray, float] | None:
        """X, y, z and the largest residual: of many that of least distance from x and y; None if it is not finite."""
        program, guess = self._program, self.guess
        row_side = np.where(guess.rows < 0, bounds[0], bounds[1])
        side = np.where(guess.columns < 0, bounds[2], bounds[3])
        x = np.where(guess.columns == 0, x, side)
        y = np.where(guess.rows == 0, 0.0, y)
        left = 0.0
        for _ in range(2):  # the second one mends the rounding of the first
            gradient, rows = program.P @ x + q - program.A.T @ y, (program.A @ x)[self.met] - row_side[self.met]
            right = np.concatenate([-gradient[self.free], rows])
            answer, _ = self._refined(right[:, None])
            if not np.isfinite(answer).all():
                return None
            x, y = x.copy(), y.copy()
            x[self.free] += answer[: len(self.free), 0]
            y[self.met] += answer[len(self.free) :, 0]
        gradient = program.P @ x + q - program.A.T @ y
        left = _largest(gradient[self.free], (program.A @ x)[self.met] - row_side[self.met])
        return x, y, np.where(guess.columns == 0, 0.0, gradient), left

    # ------------------------------------------------------------------ what the derivative is worth
    @cached_property
    def null_vector(self) -> tuple[FloatArray, FloatArray]:
        """What is left of a random right-hand side, (n,) and (m,): zero where the system is regular."""
        x, y = np.zeros(self._program.n), np.zeros(self._program.m)
        size = len(self.free) + len(self.met)
        if size:
            right = np.random.default_rng(10).standard_normal((size, 1))
            found, left = self._refined(right)
            if left > _SINGULAR:
                rest = (right - self._K @ found)[:, 0]
                rest[np.abs(rest) <= _SINGULAR] = 0.0
                x[self.free], y[self.met] = rest[: len(self.free)], rest[len(self.free) :]
        return x, y

    def in_doubt(self, point: Triple, sides: Sides) -> tuple[_Mask, _Mask]:
        """Rows and columns at a kink, for all that is known: a multiplier or slack is as small as it may move."""
        program, rng = self._program, np.random.default_rng(50)
        x, y, z = point
        of_columns = abs(program.P) @ np.abs(x) + abs(program.A).T @ np.abs(y) + np.abs(sides.q) + np.abs(z)
        of_rows = abs(program.A) @ np.abs(x)
        sizes = _DATA_MOVE * of_columns, _DATA_MOVE * of_rows, _DATA_MOVE * np.abs(x)
        signs = [rng.choice([-1.0, 1.0], (len(one), _DRAWS)) for one in sizes]
        moved, _ = self.solve(Triple(*(size * sign for size, sign in zip(sizes, signs, strict=True))))
        dx, dy, dz = (np.abs(one).max(axis=1, keepdims=True, initial=0.0) for one in moved)
        slack_rows = np.abs(program.A @ moved.x).max(axis=1, keepdims=True, initial=0.0) + sizes[1]
        is_equal = (sides.row_lower == sides.row_upper)[:, 0], (sides.lower == sides.upper)[:, 0]
        rows = _doubtful(self.guess.rows, program.A @ x, y, dy, slack_rows, sides.row_lower, sides.row_upper)
        columns = _doubtful(self.guess.columns, x, z, dz + sizes[0], dx + sizes[2], sides.lower, sides.upper)
        return rows & ~is_equal[0], columns & ~is_equal[1]


def _doubtful(
    met: NDArray[np.int8],
    values: FloatArray,
    duals: FloatArray,
    dual_moves: FloatArray,
    slack_moves: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
) -> _Mask:
    slack = np.minimum(values - lower, upper - values)
    small = np.where((met != 0)[:, None], np.abs(duals) <= _MARGIN * dual_moves, slack <= _MARGIN * slack_moves)
    found: _Mask = small[:, 0]
    return found
