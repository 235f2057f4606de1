"""A solution that its solver differentiates, judged as every other: by what point and answers leave of the system.

The solver brings the point and the solves (`solvers.own_derivative`). The optimality conditions and their derivative
J at the point, in units that equilibrate them, are those of `conic_system`: products with matrices, no factorization.

* The point's residuals decide as for other points (docs/design.md, section 7).
* Each answer (dx, dy) to right-hand sides R is put into J. What is left of R, beside the size of J and of the answer,
  tells whether it is the derivative; nothing that the solver says of itself counts.
* Roundings of the data, pushed and pulled, tell the rows in doubt and whether both modes are transposes.

What iterations answer that stop at a tolerance has such residuals, by as much as the solver says it is wrong: a
residual that shows a larger error than the one estimated makes the derivative INACCURATE.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Protocol, final

import numpy as np
from numpy.typing import ArrayLike

from ..modelkit.arrays import FloatArray
from ..modelkit.attributes import DifferentiationStatusCode, Refinement
from ..modelkit.form import Form
from ..modelkit.form.matrix_form import MatrixForm
from ..modelkit.form.stacked import Stacked
from ..modelkit.sets import NativeCone
from .certainty import ACCURACY, ASYMMETRY, verdict
from .conic_certainty import doubts, nearest_kink, roundings
from .conic_system import Conditions, Iterate
from .kkt import ACCEPTED_RESIDUAL, Mask

__all__ = ["OwnDerivative", "OwnSolution", "differentiates_itself"]

_CODES = DifferentiationStatusCode
# How many times the estimated error of an answer its residual may be: norms, and units, of both differ.
_SLACK = 10.0


class OwnDerivative(Protocol):
    """See `solvers.own_derivative`, which diff models do not import."""

    x: FloatArray
    y: FloatArray
    status: DifferentiationStatusCode
    at_fault: FloatArray
    error: float

    def push(self, primal: FloatArray, slots: FloatArray) -> tuple[FloatArray, FloatArray]:
        """From right-hand sides (n, K) and (slots, K) to moves (dx, dy)."""

    def pull(self, primal: FloatArray, slots: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The transpose."""


def differentiates_itself(solver: Any, form: Form, policy: Any) -> bool:
    """Whether a solver is asked for derivatives of a form: it has some, and they do, and can be judged.

    A form without columns reaches no solver.
    """
    can_be_checked = all(issubclass(cones.type, NativeCone) for cones in form.cones)
    return getattr(solver, "differentiates", False) and not policy.needs_system and form.n > 0 and can_be_checked


@final
class OwnSolution:
    """A solution in one-sided rows.

    Parameters
    ----------
    own : what the solver differentiates
    layout, rows : the one-sided rows of the form, and their numbers
    x, y : what the solver gave as its result, (n,) and (slots,)

    Attributes
    ----------
    x, y : the point at which it is differentiated, (n,) and (m,)
    refinement : largest relative violation of the optimality conditions at the result and here
    linear_residual : the largest that answers so far left, relative to J and to themselves; nan before the first
    """

    condition = float("nan")

    def __init__(self, own: OwnDerivative, layout: Stacked, rows: MatrixForm, x: FloatArray, y: FloatArray) -> None:
        self._own, self._layout = own, layout
        self._is_on = _sides_on(layout, rows, own.x, own.y)
        self._shared = _shared(layout, rows)
        self.x, self.y = own.x, self._down(own.y[:, None])[:, 0]
        conditions = Conditions(rows, self.x, self.y)
        self._at = _iterate(conditions, self.x, self.y)
        before = self._at.residual
        if not (np.array_equal(own.x, x) and np.array_equal(own.y, y)):
            before = _iterate(conditions, x, layout.down(y)).residual
        self.refinement = Refinement(before, self._at.residual)
        self.linear_residual = float("nan")
        self._overconfident = False

    # ------------------------------------------------------------------ between slots and one-sided rows
    def _down(self, slots: FloatArray) -> FloatArray:
        """Values of slots (slots, K) at the sides where they are active, (m, K)."""
        layout = self._layout
        values: FloatArray = slots[layout.slot] * (layout.sign * self._is_on)[:, None]
        return values

    def _up(self, rows: FloatArray) -> FloatArray:
        return self._layout.up(rows * self._is_on[:, None])

    def solve(self, primal: ArrayLike, rows: ArrayLike | None = None) -> tuple[FloatArray, FloatArray]:
        """(w_x, w_y) from seeds (n,) or (n, K) and (m,) or (m, K)."""
        return self._answer(primal, rows, push=False)

    def push(self, primal: FloatArray, rows: FloatArray, turns: bool = False) -> tuple[FloatArray, FloatArray]:
        """(dx, dy) from right-hand sides; the transpose of `solve`, though not always the same map."""
        return self._answer(primal, rows, push=True)

    def _answer(self, primal: ArrayLike, rows: ArrayLike | None, *, push: bool) -> tuple[FloatArray, FloatArray]:
        upper = np.asarray(primal, np.float64)
        lower = np.zeros((len(self.y), *upper.shape[1:])) if rows is None else np.asarray(rows, np.float64)
        K = upper.shape[1] if upper.ndim > 1 else 1
        R, S = upper.reshape(len(self.x), K), lower.reshape(len(self.y), K)
        dx, slots = (self._own.push if push else self._own.pull)(R, self._up(S))
        dy = self._down(slots)
        self._check(R, S, dx, dy)
        return dx.reshape(upper.shape), dy.reshape(lower.shape)

    def _moves(self, rows: FloatArray, dx: FloatArray, dy: FloatArray) -> FloatArray:
        """(dx, dv) of an answer, in the units of the conditions."""
        units = self._at.conditions.units
        moved = units.primal(dx)
        return np.concatenate([moved, self._at.A @ moved + units.dual(dy) - units.slacks(rows)])

    def _check(self, primal: FloatArray, rows: FloatArray, dx: FloatArray, dy: FloatArray) -> None:
        """Put an answer into the linearized conditions."""
        at, units = self._at, self._at.conditions.units
        R, Z = np.concatenate([units.slopes(primal), units.slacks(rows)]), self._moves(rows, dx, dy)
        left = np.abs(at.apply(Z) - R).max(axis=0, initial=0.0)
        size = at.norm * np.abs(Z).max(axis=0, initial=0.0) + np.abs(R).max(axis=0, initial=0.0)
        relative = left / np.where(size > 0.0, size, 1.0)
        worst = float(relative.max(initial=0.0)) if np.isfinite(relative).all() else float("inf")
        self.linear_residual = max(worst, 0.0 if np.isnan(self.linear_residual) else self.linear_residual)
        if worst > _SLACK * max(float(self._own.error), self._at.residual, ACCEPTED_RESIDUAL):
            self._overconfident = True

    # ------------------------------------------------------------------ what it is worth
    @property
    def is_truncated(self) -> bool:
        """Whether the solver says that its iterations stop at a tolerance."""
        return self._own.status is _CODES.TRUNCATED

    @property
    def error(self) -> float:
        """What the solver says of the relative error of its last answer."""
        return float(self._own.error)

    @cached_property
    def _probe(self) -> tuple[FloatArray, float]:
        """Moves (m, k) of v by roundings of the data, in the units of the conditions, and how both modes differ."""
        at, units, n = self._at, self._at.conditions.units, len(self.x)
        R = roundings(at)
        primal, rows = units.given_slopes(R[:n]), units.given_slacks(R[n:])
        pushed, pulled = self.push(primal, rows), self.solve(primal, rows)
        forward, reverse = (np.concatenate([units.primal(dx), units.dual(dy)]) for dx, dy in (pushed, pulled))
        most = np.abs(R).T @ np.maximum(np.abs(forward), np.abs(reverse))
        mismatch = np.abs(R.T @ forward - reverse.T @ R) / np.where(most > 0.0, most, 1.0)
        worst = float(mismatch.max(initial=0.0)) if np.isfinite(mismatch).all() else float("inf")
        return self._moves(rows, *pushed)[n:], worst

    @property
    def mismatch(self) -> float:
        """Relative difference of forward and reverse mode at random right-hand sides."""
        return self._probe[1]

    @cached_property
    def _doubtful(self) -> Mask:
        return doubts(self._at, self._probe[0]) & ~self._shared

    @property
    def status(self) -> DifferentiationStatusCode:
        """What the derivatives are: what the solver says, as far as point and answers bear it out."""
        said = self._own.status
        if said is _CODES.TRUNCATED:
            return _CODES.INACCURATE if self._overconfident else said
        said = verdict(said, self._at.residual)
        if said is not _CODES.EXACT:
            return said
        doubtful = bool(self._doubtful.any())
        if doubtful or self._shared.any():
            return _CODES.WEAKLY_ACTIVE if doubtful else _CODES.DEPENDENT_ROWS
        borne_out = self.linear_residual <= ACCEPTED_RESIDUAL and self.mismatch <= ASYMMETRY
        return _CODES.EXACT if borne_out else _CODES.INACCURATE

    @property
    def rows_at_fault(self) -> Mask:
        """(m,): the rows that keep the status from being EXACT."""
        fault: Mask = (self._own.at_fault[self._layout.slot] > 0.0) & self._is_on
        if self._own.status is _CODES.EXACT and self._at.residual <= ACCURACY:
            fault = fault | self._doubtful | self._shared
        return fault

    @cached_property
    def margin(self) -> tuple[float, int]:
        """By how much, relative to their terms, the data may move before a row is at its kink; and which, or -1."""
        n, units = len(self.x), self._at.conditions.units

        def solve(R: FloatArray) -> FloatArray:
            primal, rows = units.given_slopes(R[:n]), units.given_slacks(R[n:])
            return self._moves(rows, *self.push(primal, rows))

        return nearest_kink(self._at, solve)

    @property
    def active(self) -> Mask:
        """(m,): the rows that move the solution, of a cone as many as it has axes that do."""
        return self._at.rotation.active


def _iterate(conditions: Conditions, x: FloatArray, y: FloatArray) -> Iterate:
    at = conditions.units.primal(x)
    return Iterate(conditions, at, conditions.units.dual(y) - conditions.rows(at))


def _two_sided(layout: Stacked) -> Mask:
    """(m,): the rows of slots that have two."""
    return np.bincount(layout.slot)[layout.slot] > 1 if layout.m else np.zeros(0, bool)


def _shared(layout: Stacked, rows: MatrixForm) -> Mask:
    """(m,): both rows of slots whose sides are equal and of two owners, which makes them dependent."""
    pairs = _two_sided(layout)
    width = layout.up(np.where(pairs, rows.g * layout.sign, 0.0))
    both: Mask = pairs & (width[layout.slot] <= 0.0)
    return both


def _sides_on(layout: Stacked, rows: MatrixForm, x: FloatArray, y: FloatArray) -> Mask:
    """(m,): the one-sided rows that a slot's numbers are those of: of two sides the one that pushes, or is nearer."""
    pairs = _two_sided(layout)
    if not pairs.any():
        return ~pairs
    slack = rows.F @ x + rows.g
    if rows.curvature is not None:
        slack = slack + rows.curvature.values(x)
    slack[~pairs] = 0.0
    nearer = layout.up(slack) > 0.0  # above the middle of both sides
    is_upper = (y < 0.0) | ((y == 0.0) & nearer)
    on: Mask = ~pairs | (is_upper[layout.slot] == layout.is_upper)
    return on
